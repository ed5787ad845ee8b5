//! Whom to look at, and when.

use chrono::TimeDelta;

use super::StateHarness;
use super::bench::{Bench, NOW, acknowledged, id, ok, parked, people, person, today, tried};
use crate::id::HouseholdKey;
use crate::store::Hold;

/// A household whose day has come is due, before it is not, and a new day takes
/// the place of the old one.
pub async fn a_household_is_due_on_its_again_day_and_not_before<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let day = today() + TimeDelta::days(3);
    b.reconcile("1", 1, Some(day)).await;
    assert_eq!(b.due_on(day - TimeDelta::days(1), NOW).await, []);
    assert_eq!(b.due_on(day, NOW).await.len(), 1);
    assert_eq!(b.due_on(day + TimeDelta::days(9), NOW).await.len(), 1);
    b.reconcile("1", 1, None).await;
    assert_eq!(b.due_on(day, NOW).await, []);
}

/// An op that is set aside until a time brings its household back then; one that
/// was refused for good does not, and an acknowledgement settles it.
pub async fn a_parked_op_brings_its_household_back_when_its_time_has_come<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let later = NOW + TimeDelta::seconds(30);
    let waits = parked("1", "1", Hold::Until(later));
    let mut acks = b.acks();
    acks.parked.push(waits.clone());
    acks.reconciled.push((HouseholdKey::new("1"), 1, None));
    ok(b.store.commit_acks(acks).await);
    assert_eq!(ok(b.store.next_wake(&b.sink).await), Some(later));
    assert_eq!(b.due().await, []);
    let early = later - TimeDelta::milliseconds(1);
    assert_eq!(b.due_on(today(), early).await, []);
    let due = b.load(today(), later).await;
    let parked_there: Vec<_> = due.iter().flat_map(|due| due.parked.clone()).collect();
    assert_eq!((due.len(), parked_there), (1, vec![id("1")]));
    assert_eq!(b.standing(&id("1")).await.parked, Some(waits));
    // Refused for good: no time brings it back.
    let mut acks = b.acks();
    acks.parked.push(parked("1", "1", Hold::Refused));
    ok(b.store.commit_acks(acks).await);
    assert_eq!(b.due_on(today(), later).await, []);
    assert_eq!(ok(b.store.next_wake(&b.sink).await), None);
    let counts = ok(b.store.counts(&b.source, &b.sink).await);
    assert_eq!((counts.waiting, counts.refused), (0, 1));
    // An acknowledgement settles it.
    let mut acks = b.acks();
    acks.acknowledged.push((id("1"), acknowledged(1)));
    ok(b.store.commit_acks(acks).await);
    let standing = b.standing(&id("1")).await;
    assert_eq!(standing.parked, None);
    assert_eq!(standing.acknowledged, Some(acknowledged(1)));
}

/// What was on its way is remembered, and its household is due, until the
/// household is reconciled: an answer to half of it is not enough.
pub async fn a_household_that_departed_is_due_until_it_is_reconciled<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    b.reconcile("1", 1, None).await;
    let leaving = vec![tried("1", 7), tried("2", 8)];
    ok(b.store
        .commit_departure(b.departure("1", leaving.clone()))
        .await);
    assert_eq!(b.household("1").await.tried, leaving);
    let mut half = b.acks();
    half.acknowledged.push((id("1"), acknowledged(7)));
    ok(b.store.commit_acks(half).await);
    assert_eq!(b.household("1").await.tried, leaving);
    // A new departure says what is on its way now.
    let again = vec![tried("2", 9)];
    ok(b.store
        .commit_departure(b.departure("1", again.clone()))
        .await);
    assert_eq!(b.household("1").await.tried, again);
    b.reconcile("1", 1, None).await;
    assert_eq!(b.due().await, []);
    b.commit(vec![super::bench::renamed("1", "New")], &[]).await;
    assert_eq!(b.household("1").await.tried, []);
}

/// A walk in order of the keys sees everyone who is due, whatever makes them
/// due, once, though nobody is reconciled on the way.
pub async fn a_walk_with_after_sees_every_household_once<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(people(10, 60), &[]).await;
    for n in 20..30 {
        b.reconcile(&n.to_string(), 1, Some(today())).await;
    }
    for n in 30..35 {
        let n = n.to_string();
        let mut acks = b.acks();
        acks.parked.push(parked(&n, &n, Hold::Until(NOW)));
        acks.reconciled.push((HouseholdKey::new(n), 1, None));
        ok(b.store.commit_acks(acks).await);
    }
    let mut seen = Vec::new();
    let mut query = b.query(today(), NOW);
    query.limit = 7;
    query.after = Some(HouseholdKey::new(""));
    for _ in 0..50 {
        let due = ok(b.store.due(&query).await);
        let Some(last) = due.last() else { break };
        assert!(due.len() <= query.limit, "more are due than were asked for");
        query.after = Some(last.view.key.clone());
        seen.extend(due.iter().map(|due| due.view.key.native().to_owned()));
    }
    assert_eq!(seen, (10..60).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// No more than were asked for at once; asked again and again, everyone comes.
pub async fn a_limit_is_kept_and_nobody_is_left_out<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(people(10, 33), &[]).await;
    let mut query = b.query(today(), NOW);
    query.limit = 4;
    let mut seen = Vec::new();
    for _ in 0..50 {
        let due = ok(b.store.due(&query).await);
        assert!(due.len() <= query.limit, "more are due than were asked for");
        if due.is_empty() {
            break;
        }
        for due in due {
            let key = due.view.key.native().to_owned();
            b.reconcile(&key, due.generation, None).await;
            seen.push(key);
        }
    }
    seen.sort();
    assert_eq!(seen, (10..33).map(|n| n.to_string()).collect::<Vec<_>>());
}
