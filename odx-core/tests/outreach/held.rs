//! What looks wrong is held for a person.

use chrono::TimeDelta;
use odx_core::outreach::Guard;
use odx_core::outreach::gate::Rule;
use odx_core::store::outreach::{OutreachChange, Pause};

use crate::office::{Bench, adult, day, noon, source_id};
use crate::scenes;

const DAY: TimeDelta = TimeDelta::days(1);

fn crowd(b: &Bench, people: std::ops::RangeInclusive<u32>) {
    for n in people {
        let mut person = adult(n);
        // Numbers are few; mailboxes are not.
        person.consent.clear();
        b.put(person);
        b.due(&format!("r{n}"), &n.to_string(), -3);
    }
}

async fn resume(b: &Bench, today: i64) {
    let store = b.store.outreach();
    let state = store.outreach_state(&source_id()).await.unwrap();
    assert!(state.pause.is_some(), "nothing was held");
    let today = day(today);
    let resume = OutreachChange::Resume { today };
    store.change_outreach(&source_id(), resume).await.unwrap();
}

#[tokio::test]
async fn rule_8_a_first_run_that_would_tell_a_crowd_is_held_then_capped_for_three_days() {
    let mut b = Bench::new();
    b.settings.guard = Guard::default();
    crowd(&b, 1..=80);
    let held = b.run().await;
    assert_eq!((held.told, b.sent().len()), (0, 0));
    let why = held.paused.unwrap();
    assert!(
        why.contains("80 messages would go out today, and 25 are the most"),
        "{why}"
    );
    // Contacts and tasks are not held.
    assert_eq!(b.sink.contacts().len(), 80);
    let still = b.later(DAY).await;
    assert!(still.paused.is_some() && b.sent().is_empty());
    resume(&b, 1).await;
    for (n, total) in [(2, 25), (3, 50), (4, 75), (5, 80)] {
        let report = b.later(DAY).await;
        assert_eq!(b.sent().len(), total, "day {n} {:?}", report.problems);
    }
}

#[tokio::test]
async fn a_small_practice_is_capped_and_not_held() {
    let mut b = Bench::new();
    b.settings.guard = Guard::default();
    b.settings.guard.first_cap = 4;
    crowd(&b, 1..=6);
    let first = b.run().await;
    assert_eq!(
        (first.told, first.untold.get(&Rule::FirstDays)),
        (4, Some(&2))
    );
    assert_eq!(b.run().await.told, 0);
    b.later(DAY).await;
    assert_eq!(b.sent().len(), 6);
}

#[tokio::test]
async fn rule_8_a_crowd_is_held() {
    scenes::a_crowd().await.unwrap();
}

#[tokio::test]
async fn a_sudden_crowd_at_a_steady_office_is_held() {
    let mut b = Bench::new();
    b.settings.guard = Guard::default();
    b.settings.guard.floor = 5;
    for n in 0..40 {
        let first = n * 2 + 1;
        crowd(&b, first..=first + 1);
        b.later(DAY).await;
    }
    assert_eq!(b.sent().len(), 80);
    crowd(&b, 100..=106);
    let held = b.later(DAY).await;
    assert_eq!(held.told, 0);
    assert!(held.paused.unwrap().contains("the usual day has 2"));
}

#[tokio::test]
async fn a_paused_office_tells_nobody_and_goes_on_where_it_was() {
    let b = Bench::new();
    crowd(&b, 1..=3);
    let store = b.store.outreach();
    let pause = OutreachChange::Pause(Pause::by_hand("staff training", noon()));
    store.change_outreach(&source_id(), pause).await.unwrap();
    let report = b.run().await;
    assert_eq!(report.paused.as_deref(), Some("staff training"));
    assert!(b.sent().is_empty());
    resume(&b, 0).await;
    b.later(DAY).await;
    assert_eq!(b.sent().len(), 3);
}

#[tokio::test]
async fn only_the_allow_list_is_told_while_there_is_one() {
    let mut b = Bench::new();
    crowd(&b, 1..=3);
    b.settings.allow_only = Some(["t:main-st:2".to_owned()].into());
    let report = b.run().await;
    assert_eq!(report.untold.get(&Rule::NotOnAllowList), Some(&2));
    assert_eq!(b.recipients(), ["p2@smile.co"]);
    // Without it everybody is looked at again.
    b.settings.allow_only = None;
    b.later(TimeDelta::minutes(5)).await;
    assert_eq!(b.sent().len(), 3);
}

#[tokio::test]
async fn a_thin_day_is_told_once() {
    let b = Bench::new();
    let mut n = 0;
    for _ in 0..30 {
        crowd(&b, n + 1..=n + 6);
        n += 6;
        b.later(DAY).await;
    }
    // Nobody comes due: the next day says so, and only once.
    let quiet = b.later(DAY).await;
    assert!(quiet.problems.is_empty(), "{:?}", quiet.problems);
    let told = b.later(DAY).await;
    assert!(
        told.problems
            .iter()
            .any(|what| what.contains("only 0 messages went out")),
        "{:?}",
        told.problems
    );
    let again = b.run().await;
    assert!(!again.problems.iter().any(|what| what.contains("only 0")));
}
