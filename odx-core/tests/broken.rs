//! Each rule is switched off in turn, and the model notices: a check that
//! cannot fail proves nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::future_not_send,
    reason = "tests: a panic is the failure, and the switches belong to one thread"
)]

mod bench;
#[path = "outreach/office.rs"]
#[allow(dead_code, reason = "the other scenes are of another binary")]
mod office;
#[path = "outreach/scenes.rs"]
mod scenes;
#[path = "outreach/story.rs"]
mod story;
mod world;

use bench::Kind;
use bench::silence::Break;
use odx_core::testkit::SourceFault;

/// Plays stories with a rule switched off until one goes wrong in one of the
/// ways named.
async fn noticed(rule: &str, how: &str, ways: &[&str]) {
    let scenario = fail::FailScenario::setup();
    let mut told = Vec::new();
    for seed in 0..150 {
        fail::cfg(rule, how).unwrap();
        if let Err(wrong) = world::play(seed).await {
            if ways.iter().any(|way| wrong.starts_with(way)) {
                scenario.teardown();
                return;
            }
            told.push(format!("{seed}: {wrong}"));
        }
    }
    panic!("{rule} is off and nobody noticed: {told:?}");
}

#[tokio::test]
async fn rule_1_off_a_page_whose_cursor_moved_without_it_is_missed() {
    // From the third page on. One page alone is healed by the next listings.
    noticed("broken.page", "2*off->return", &["D1"]).await;
}

#[tokio::test]
async fn rule_2_off_a_household_that_was_settled_too_early_is_stale() {
    noticed("broken.reconciled", "return", &["D1"]).await;
}

#[tokio::test]
async fn rule_3_off_what_may_have_arrived_is_forgotten() {
    noticed("broken.departure", "return", &["D1", "D5"]).await;
}

#[tokio::test]
async fn rule_4_off_a_task_comes_before_its_contact() {
    noticed("broken.contact_first", "return", &["rule 4"]).await;
}

#[tokio::test]
async fn rule_5_off_somebody_is_created_to_be_closed() {
    noticed("broken.retire", "return", &["rule 5"]).await;
}

#[tokio::test]
async fn rule_6_off_a_blind_list_closes_people() {
    noticed("broken.brake", "return", &["rule 6"]).await;
}

#[tokio::test]
async fn rule_6_off_one_listing_is_enough_to_close_people() {
    noticed("broken.twice", "return", &["rule 6"]).await;
}

#[tokio::test]
async fn rule_9_off_one_office_is_written_to_another() {
    noticed("broken.pairing", "return", &["S1"]).await;
}

#[tokio::test]
async fn rule_11_off_a_sink_that_halted_is_called_again() {
    noticed("broken.halt", "return", &["rule 11"]).await;
}

#[tokio::test]
async fn rule_12_off_a_run_that_was_taken_over_settles_what_is_not() {
    noticed("broken.epoch", "return", &["D1"]).await;
}

/// The rule is switched off in the pure part: every recipe of D15 must see it.
#[tokio::test(start_paused = true)]
async fn d15_off_a_practice_that_falls_silent_is_not_told() {
    let scenario = fail::FailScenario::setup();
    fail::cfg("broken.health", "return").unwrap();
    let told = bench::silence::falls_silent(Break::Fails(SourceFault::Down)).await;
    let again = bench::silence::comes_back_while_followed().await;
    let folder = tempfile::tempdir().unwrap();
    let later = bench::silence::is_known_after_a_restart(Kind::Sqlite, folder.path()).await;
    scenario.teardown();
    for (end, how) in [
        (told, "D15 it is not told once"),
        (again, "D15 two silences are not two alarms"),
        (later, "D15 the age was forgotten"),
    ] {
        let wrong = end.expect_err("nobody noticed");
        assert!(wrong.starts_with(how), "{wrong}");
    }
}

#[tokio::test]
async fn s12_off_a_stop_is_not_heard() {
    noticed("broken.stops", "return", &["S12"]).await;
}

/// Stories of an office that tells people, with a rule switched off.
async fn told(rule: &str, ways: &[&str]) {
    let scenario = fail::FailScenario::setup();
    for seed in 0..60 {
        fail::cfg(rule, "return").unwrap();
        if let Err(wrong) = story::play(seed).await
            && ways.iter().any(|way| wrong.starts_with(way))
        {
            scenario.teardown();
            return;
        }
    }
    panic!("{rule} is off and nobody noticed");
}

/// A scene with a rule switched off.
async fn seen(rule: &str, scene: impl Future<Output = Result<(), String>>, way: &str) {
    let scenario = fail::FailScenario::setup();
    fail::cfg(rule, "return").unwrap();
    let end = scene.await;
    scenario.teardown();
    let wrong = end.expect_err("nobody noticed");
    assert!(wrong.starts_with(way), "{wrong}");
}

#[tokio::test]
async fn s12_off_a_stopped_address_is_written_to() {
    told("broken.gate.suppressed", &["S12 a stopped"]).await;
}

#[tokio::test]
async fn s12_off_somebody_who_said_no_is_written_to() {
    told("broken.gate.consent", &["S12 nobody"]).await;
}

#[tokio::test]
async fn s12_off_a_minor_is_written_to() {
    told("broken.gate.minor", &["S12 a minor", "S12 nobody"]).await;
}

#[tokio::test]
async fn caps_off_somebody_is_written_to_too_often() {
    told("broken.gate.frequency", &["caps"]).await;
}

#[tokio::test]
async fn rule_7_off_what_may_have_gone_out_goes_out_again() {
    seen("broken.effect.find", scenes::in_doubt(), "rule 7").await;
}

#[tokio::test]
async fn rule_8_off_a_crowd_is_told_at_once() {
    seen("broken.guard", scenes::a_crowd(), "guard").await;
}

#[tokio::test]
async fn household_off_two_of_one_family_hear_within_a_week() {
    seen("broken.gate.household", scenes::one_by_one(), "household").await;
}

#[tokio::test]
async fn quiet_off_somebody_is_told_at_night() {
    seen("broken.gate.quiet", scenes::at_night(), "quiet").await;
}

#[tokio::test]
async fn s13_off_a_disclosure_is_not_accounted_for() {
    seen("broken.audit", scenes::accounted(), "S13").await;
}

#[tokio::test]
async fn s12_off_a_stop_that_came_since_is_not_read() {
    seen("broken.stops.read", scenes::within_a_run(), "S12").await;
}
