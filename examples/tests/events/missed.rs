//! D7: what was sent to nobody is found by reading.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use odx_core::clock::Clock;
use odx_core::engine::Schedule;
use odx_core::testkit::TestClock;
use odx_core::{Mode, RunReport};
use odx_opendental::sim::Practice;

use crate::compare::{nothing, wrong};
use crate::world::{World, instant, office};

/// Longer than an office sends anything again, by a second.
const SILENCE: Duration = Duration::from_secs(72 * 3600 + 1);

/// The engine's time goes with the office's.
fn clock_of(practice: &Practice) -> (TestClock, Arc<dyn Clock>) {
    let clock = TestClock::at(instant(practice.now()));
    (clock.clone(), Arc::new(clock))
}

/// Runs once at the office's time.
async fn pass(
    world: &World,
    clock: &TestClock,
    pipeline: &odx_core::engine::Pipeline,
) -> RunReport {
    clock.set(instant(world.practice().now()));
    let report = pipeline.run_once(Mode::Live).await.unwrap();
    assert!(report.complete, "{:?}", report.problems);
    report
}

/// So many rows of each table change, the first of them as soon as nobody listens.
fn change(practice: &Practice, rows: [usize; 3], mark: &str) {
    let [patients, recalls, visits] = rows;
    for row in practice.patients().into_iter().take(patients) {
        practice.update_patient(row.pat_num, |row| {
            row.f_name = format!("{mark}{}", row.pat_num)
        });
    }
    for row in practice.recalls().into_iter().take(recalls) {
        practice.update_recall(row.recall_num, |row| {
            row.date_due = format!("2027-0{}-11", 1 + row.recall_num % 9);
        });
    }
    for row in practice.appointments().into_iter().take(visits) {
        practice.update_appointment(row.apt_num, |row| row.note = mark.to_owned());
    }
}

const fn pages(rows: usize) -> usize {
    rows.div_ceil(100)
}

#[tokio::test]
async fn d7_seventy_two_hours_of_ten_thousand_changes_that_nobody_heard_are_found_by_one_pass() {
    const CHANGED: [usize; 3] = [4000, 3000, 3000];
    let world = World::new(office(true).with_exactly(4500, 4500, 4500)).await;
    let practice = world.practice();
    let (clock, shared) = clock_of(practice);
    let month = Schedule::default().with_sweep(Duration::from_secs(30 * 24 * 3600));
    let pipeline = world.pipeline(month, shared);
    pass(&world, &clock, &pipeline).await;
    practice.advance(Duration::from_secs(3 * 3600));
    pass(&world, &clock, &pipeline).await;
    nothing(&wrong(&world));

    // The receiver is down from here on, and the office tries in vain.
    practice.advance(Duration::from_secs(2 * 3600));
    let up = world.up();
    world.subscribe(&up.url(), "FRONTDESK");
    practice.fire_events().await;
    up.down().await;
    let [patients, recalls, visits] = CHANGED;
    change(practice, [patients / 2, recalls / 2, visits / 2], "Early");
    practice.advance(Duration::from_secs(5));
    let lost = practice.fire_events().await;
    assert!(
        lost.len() >= 2 && lost.iter().all(|one| !one.delivered),
        "{lost:?}"
    );
    practice.advance(SILENCE);
    for row in practice
        .patients()
        .into_iter()
        .skip(patients / 2)
        .take(patients / 2)
    {
        practice.update_patient(row.pat_num, |row| {
            row.f_name = format!("Late{}", row.pat_num)
        });
    }
    for row in practice
        .recalls()
        .into_iter()
        .skip(recalls / 2)
        .take(recalls / 2)
    {
        practice.update_recall(row.recall_num, |row| {
            row.date_due = format!("2027-0{}-12", 1 + row.recall_num % 9);
        });
    }
    for row in practice
        .appointments()
        .into_iter()
        .skip(visits / 2)
        .take(visits / 2)
    {
        practice.update_appointment(row.apt_num, |row| row.note = "late".to_owned());
    }
    practice.advance(Duration::from_secs(60));

    let missing = wrong(&world).len();
    assert!(missing >= 4000, "only {missing} were missing");
    let from = practice.requests().len();
    let report = pass(&world, &clock, &pipeline).await;
    nothing(&wrong(&world));
    let asked = practice.requests().split_off(from);
    let ideal: usize = CHANGED.into_iter().map(pages).sum();
    println!(
        "{missing} findings before, none after one pass: {} requests, {ideal} pages are ideal; {} rows changed, {} sent",
        asked.len(),
        report.changed,
        report.sent,
    );
    assert!(asked.len() * 10 <= ideal * 12, "{} requests", asked.len());

    // Now the old events arrive after all.
    let up = world.up();
    let before = world.crm.counts();
    for delivery in &lost {
        assert_eq!(world.post_again(&up, delivery).await, 200);
    }
    let report = pass(&world, &clock, &pipeline).await;
    let after = world.crm.counts();
    assert_eq!(
        (before.creates, before.updates, report.sent),
        (after.creates, after.updates, 0)
    );
    nothing(&wrong(&world));
    world.applied().await;
    println!("{} old events replayed, nothing written", lost.len());
    up.down().await;
}

/// A machine that is closed, and one whose clock is days ahead: nothing is sent, and the next reading does not need it.
#[tokio::test]
async fn d7_a_closed_or_misdated_workstation_is_silent_and_the_next_pass_closes_the_gap() {
    for ahead in [None, Some(TimeDelta::days(4)), Some(TimeDelta::days(-400))] {
        let world = World::new(office(false)).await;
        let practice = world.practice();
        let up = world.up();
        world.subscribe(&up.url(), "FRONTDESK");
        let (clock, shared) = clock_of(practice);
        let pipeline = world.pipeline(Schedule::default(), shared);
        match ahead {
            None => practice.close_workstation("FRONTDESK"),
            Some(ahead) => practice.skew_workstation("FRONTDESK", ahead),
        }
        // The first poll takes the start of the next from the machine's clock.
        practice.advance(Duration::from_secs(60));
        practice.fire_events().await;
        pass(&world, &clock, &pipeline).await;
        practice.advance(Duration::from_secs(7200));
        pass(&world, &clock, &pipeline).await;
        nothing(&wrong(&world));

        practice.advance(Duration::from_secs(60));
        change(practice, [30, 30, 30], "Silent");
        let silent = practice.fire_events().await;
        if ahead.is_none_or(|ahead| ahead > TimeDelta::zero()) {
            assert!(silent.is_empty(), "{silent:?}");
        }
        practice.advance(SILENCE);
        practice.fire_events().await;
        assert!(!wrong(&world).is_empty());
        pass(&world, &clock, &pipeline).await;
        nothing(&wrong(&world));
        // The clock is put right and the machine is opened: old news is sent, and nothing comes of it.
        practice.open_workstation("FRONTDESK");
        practice.skew_workstation("FRONTDESK", TimeDelta::zero());
        practice.advance(Duration::from_secs(60));
        practice.fire_events().await;
        let report = pass(&world, &clock, &pipeline).await;
        assert_eq!(report.sent, 0, "{ahead:?}");
        nothing(&wrong(&world));
        up.down().await;
    }
}
