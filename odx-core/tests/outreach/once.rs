//! Each occurrence once, in its time, whatever breaks.

use chrono::TimeDelta;
use odx_core::engine::Mode;
use odx_core::model::{AppointmentStatus, Record};
use odx_core::outreach::gate::Rule;
use odx_core::testkit::GatewayFault;

use crate::office::{Bench, adult, day, no, noon, number, source_id};
use crate::scenes;

const DAY: TimeDelta = TimeDelta::days(1);

#[tokio::test]
async fn a_due_recall_is_told_once_however_often_it_is_looked_at_and_its_date_moves() {
    let b = Bench::new();
    b.put(adult(1));
    b.due("r1", "1", -3);
    let report = b.run().await;
    assert_eq!(report.told, 1);
    assert_eq!(b.recipients(), [number(1)]);
    let sent = &b.sent()[0];
    assert!(sent.text.contains("Bright Smiles") && sent.text.contains("STOP"));
    assert!(!sent.text.contains("Last1"));
    // Noon at the office and nine in the morning where the number is from: the text may still
    // arrive until nine in the evening at the office.
    assert_eq!(sent.valid_for.unwrap().as_secs(), 9 * 3600);
    for offset in [-2, -40, -1] {
        b.due("r1", "1", offset);
        let mut moved = odx_core::testkit::recall("r1", "1", Some(day(offset)));
        moved.previous = Some(day(-183 + offset.rem_euclid(3)));
        b.source.put(Record::Recall(moved));
        b.later(DAY * 3).await;
    }
    assert_eq!(b.sent().len(), 1);
    // The next visit begins another cycle.
    let mut next = odx_core::testkit::recall("r1", "1", Some(day(9)));
    next.previous = Some(day(5));
    b.source.put(Record::Recall(next));
    b.later(DAY).await;
    assert_eq!(b.sent().len(), 2);
}

#[tokio::test]
async fn nothing_is_sent_at_night_and_it_goes_out_when_the_day_begins_where_they_are() {
    scenes::at_night().await.unwrap();
}

#[tokio::test]
async fn mail_is_next_where_a_text_may_not_go() {
    let b = Bench::new();
    let mut silent = adult(1);
    silent.consent.clear();
    b.put(silent);
    b.due("r1", "1", -3);
    let mut denied = adult(2);
    denied.consent = vec![no()];
    denied.email = None;
    b.put(denied);
    b.due("r2", "2", -3);
    let report = b.run().await;
    assert_eq!(b.recipients(), ["p1@smile.co"]);
    assert_eq!(report.untold.get(&Rule::ConsentDenied), Some(&1));
    assert_eq!(report.untold.get(&Rule::ConsentUnknown), Some(&1));
}

#[tokio::test]
async fn rule_7_a_lost_reply_is_looked_up_and_nobody_is_told_twice() {
    for (fault, told_at_once) in [
        (GatewayFault::Lost, true),
        (GatewayFault::LostBefore, false),
        (GatewayFault::Down, false),
        (GatewayFault::SlowDown, false),
    ] {
        let b = Bench::new();
        b.put(adult(1));
        b.due("r1", "1", -3);
        b.texts.fail([fault.clone()]);
        b.run().await;
        assert_eq!(b.sent().len(), usize::from(told_at_once), "{fault:?}");
        for _ in 0..5 {
            b.later(TimeDelta::minutes(10)).await;
        }
        assert_eq!(b.sent().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn rule_7_what_cannot_be_looked_up_is_never_sent_again() {
    let b = Bench::new();
    b.put(adult(1));
    b.due("r1", "1", -3);
    b.texts.fail([GatewayFault::Lost]);
    b.texts.blind(true);
    b.run().await;
    for _ in 0..20 {
        b.later(DAY).await;
    }
    assert_eq!(b.sent().len(), 1);
    let patient = odx_core::PatientKey::new("1");
    let rows = b.store.outreach().decisions(&source_id(), &patient).await;
    assert!(!rows.unwrap().is_empty());
}

#[tokio::test]
async fn rule_7_what_is_in_doubt_goes_out_once() {
    scenes::in_doubt().await.unwrap();
}

#[tokio::test]
async fn a_review_request_that_may_have_gone_out_is_never_repeated() {
    let b = Bench::new();
    b.run().await;
    b.clock.advance(std::time::Duration::from_secs(3600));
    b.put(adult(1));
    b.visit("a1", "1", -1, AppointmentStatus::Complete);
    b.texts.fail([GatewayFault::LostBefore]);
    b.later(TimeDelta::minutes(30)).await;
    for _ in 0..6 {
        b.later(TimeDelta::hours(1)).await;
    }
    assert!(b.texts.sent().is_empty());
}

#[tokio::test]
async fn rule_8_an_initial_load_asks_nobody_for_a_review_and_a_fresh_visit_is_asked_once() {
    let b = Bench::new();
    b.put(adult(1));
    b.visit("a1", "1", 3, AppointmentStatus::Complete);
    b.put(adult(2));
    b.visit("a2", "2", 40, AppointmentStatus::Complete);
    let first = b.run().await;
    assert_eq!(
        (first.told, first.untold.get(&Rule::Expired)),
        (0, Some(&2))
    );
    b.put(adult(3));
    b.visit("a3", "3", -1, AppointmentStatus::Complete);
    b.later(TimeDelta::minutes(90)).await;
    assert_eq!(b.recipients(), [number(3)]);
    b.later(DAY).await;
    assert_eq!(b.sent().len(), 1);
}

#[tokio::test]
async fn a_visit_that_is_taken_back_before_it_was_asked_about_is_not_asked_about() {
    let b = Bench::new();
    b.run().await;
    // At night nothing goes out; by morning it was a mistake.
    b.clock.set("2026-11-21T03:30:00Z".parse().unwrap());
    b.put(adult(1));
    b.visit("a1", "1", -9, AppointmentStatus::Complete);
    assert_eq!(b.run().await.untold.get(&Rule::QuietHours), Some(&1));
    b.visit("a1", "1", -9, AppointmentStatus::Scheduled);
    b.clock.set("2026-11-21T17:00:00Z".parse().unwrap());
    b.run().await;
    assert!(b.sent().is_empty());
}

#[tokio::test]
async fn a_missed_visit_is_no_visit_and_a_late_review_is_none() {
    let b = Bench::new();
    b.run().await;
    b.put(adult(1));
    b.visit("a1", "1", 0, AppointmentStatus::Broken);
    // Nobody looked for three days.
    b.put(adult(2));
    b.visit("a2", "2", -1, AppointmentStatus::Complete);
    b.later(DAY * 3).await;
    assert!(b.sent().is_empty());
}

#[tokio::test]
async fn a_person_hears_once_a_day_and_three_times_a_week_over_all_purposes() {
    let b = Bench::new();
    b.run().await;
    b.put(adult(1));
    b.due("r1", "1", -3);
    b.due("r2", "1", -3);
    b.visit("a1", "1", -1, AppointmentStatus::Complete);
    let first = b.later(TimeDelta::hours(2)).await;
    assert_eq!(first.told, 1, "the review, which cannot wait");
    assert_eq!(first.untold.get(&Rule::FrequencyCap), Some(&2));
    b.later(TimeDelta::hours(23)).await;
    assert_eq!(b.sent().len(), 1);
    b.later(TimeDelta::hours(1)).await;
    // Both recalls are of one household: one message speaks for both.
    assert_eq!(b.sent().len(), 2);
    for _ in 0..10 {
        b.later(DAY).await;
    }
    assert_eq!(b.sent().len(), 2);
}

#[tokio::test]
async fn what_the_practice_sent_itself_counts_in_the_cap() {
    let b = Bench::new();
    b.put(adult(1));
    b.due("r1", "1", -3);
    let mut reminder =
        odx_core::testkit::reminder("m1", "1", "2026-11-20T09:00:00".parse().unwrap());
    reminder.mode = Some(odx_core::model::ReminderMode::Text);
    b.source.put(Record::Reminder(reminder));
    let report = b.run().await;
    assert_eq!(
        (report.told, report.untold.get(&Rule::FrequencyCap)),
        (0, Some(&1))
    );
    // Eleven at the office is eight where the number is from.
    b.later(TimeDelta::hours(23)).await;
    assert_eq!(b.sent().len(), 1);
}

#[tokio::test]
async fn a_lapse_is_told_once_and_again_only_after_another_visit() {
    let b = Bench::new();
    b.put(adult(1));
    b.visit("a1", "1", 24 * 600, AppointmentStatus::Complete);
    b.run().await;
    for _ in 0..10 {
        b.later(DAY * 30).await;
    }
    assert_eq!(b.sent().len(), 1);
}

#[tokio::test]
async fn rule_8_a_dry_run_sends_nothing_stores_nothing_and_says_what_a_live_one_would_do() {
    let b = Bench::new();
    for n in 1..=5 {
        b.put(adult(n));
        b.due(&format!("r{n}"), &n.to_string(), -3);
    }
    let mut quiet = adult(6);
    quiet.consent = vec![no()];
    quiet.email = None;
    b.put(quiet);
    b.due("r6", "6", -3);
    // The CRM first, so that the plan is about messages only.
    let dry = b.run_as(Mode::DryRun).await;
    assert_eq!((dry.told, b.sent().len()), (5, 0));
    let live = b.run().await;
    assert_eq!(
        (live.told, live.untold.clone()),
        (dry.told, dry.untold.clone())
    );
    assert_eq!(b.sent().len(), 5);
}

#[tokio::test]
async fn an_attempt_that_comes_to_nothing_for_a_week_is_given_up() {
    let b = Bench::new();
    b.put(adult(1));
    b.due("r1", "1", -3);
    b.texts.fail(vec![GatewayFault::Down; 100]);
    for _ in 0..9 {
        b.later(DAY).await;
    }
    b.texts.recover();
    let report = b.later(DAY).await;
    assert_eq!((report.told, b.sent().len()), (0, 0));
    let rows = b.store.outreach();
    let rows = rows
        .decisions(&source_id(), &odx_core::PatientKey::new("1"))
        .await
        .unwrap();
    assert_eq!(rows[0].decision.rule, Some(Rule::Expired));
    assert!(rows[0].at > noon());
}

#[tokio::test]
async fn an_account_that_may_not_send_stops_nobody_elses_channel_and_loses_nobody() {
    let b = Bench::new();
    for n in 1..=3 {
        b.put(adult(n));
        b.due(&format!("r{n}"), &n.to_string(), -3);
    }
    let mut mail = adult(4);
    mail.consent.clear();
    b.put(mail);
    b.due("r4", "4", -3);
    b.texts.fail([GatewayFault::BadAccount]);
    let report = b.run().await;
    assert_eq!(b.recipients(), ["p4@smile.co"]);
    let told = report.problems.iter();
    assert_eq!(told.filter(|what| what.contains("may not send")).count(), 1);
    b.later(TimeDelta::hours(1)).await;
    assert_eq!(b.texts.sent().len(), 3);
}
