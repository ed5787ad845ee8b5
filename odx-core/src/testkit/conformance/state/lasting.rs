//! What the next process finds, and what two at once do.

use std::sync::Arc;

use chrono::TimeDelta;

use super::StateHarness;
use super::bench::{
    Bench, NOW, acknowledged, due_visit, id, ok, only, parked, person, refused, renamed, sure,
    today, tried,
};
use super::stops::stop;
use crate::error::ErrorKind;
use crate::id::HouseholdKey;
use crate::model::{BadRecord, Phone, RecordKind};
use crate::sink::Target;
use crate::source::{Change, Cursor, Position};
use crate::store::{Hold, LastSeen, StateStore};

/// Records, households, what could not be read, the cursor and the listings are
/// there after a new start, and the next run has a newer epoch.
pub async fn reopening_remembers_the_mirror<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    let all = [RecordKind::Patient];
    let bad = BadRecord::new(RecordKind::Recall, Some("9"), "unknown", b"raw");
    b.commit(vec![person("1"), person("2"), due_visit("7", "1")], &all)
        .await;
    b.commit(vec![person("1"), Change::Unreadable(bad)], &all)
        .await;
    let before = (b.cursor.clone(), b.epoch, b.load(today(), NOW).await);
    let counts = ok(b.store.counts(&b.source, &b.sink).await);
    let opening = b.opening();
    ok(b.store.record_run(&b.source, NOW, "{}").await);
    let mut b = b.reopen(&place).await;
    assert_eq!(b.cursor, before.0, "the cursor was not remembered");
    assert!(b.epoch.0 > before.1.0, "the epoch was not remembered");
    assert_eq!(ok(b.store.counts(&b.source, &b.sink).await), counts);
    assert_eq!(b.due().await, [("1".to_owned(), 1), ("2".to_owned(), 1)]);
    for old in before.2 {
        let new = b.household(old.view.key.native()).await;
        assert_eq!(new.view, old.view, "a household was not remembered");
    }
    // Missed once before, and once since: gone.
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 1);
    let state = ok(b.store.open_run(&opening).await);
    assert!(state.imported && state.swept_at == Some(NOW));
}

/// The ledger, what is set aside, what was on its way, what is reconciled and
/// the day to look again are there after a new start.
pub async fn reopening_remembers_what_was_sent<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    b.commit(
        vec![person("1"), person("2"), person("3"), person("4")],
        &[],
    )
    .await;
    let later = NOW + TimeDelta::seconds(30);
    let tomorrow = today() + TimeDelta::days(1);
    let waits = parked("2", "2", Hold::Until(later));
    let never = parked("4", "4", Hold::Refused);
    let mut acks = b.acks();
    acks.acknowledged.push((id("1"), acknowledged(5)));
    acks.parked = vec![waits.clone(), never.clone()];
    for (key, again) in [("1", Some(tomorrow)), ("2", None), ("4", None)] {
        acks.reconciled.push((HouseholdKey::new(key), 1, again));
    }
    ok(b.store.commit_acks(acks).await);
    let leaving = vec![tried("3", 2), tried("3a", 1)];
    ok(b.store
        .commit_departure(b.departure("3", leaving.clone()))
        .await);
    let b = b.reopen(&place).await;
    assert_eq!(b.due().await, [("3".to_owned(), 1)]);
    assert_eq!(b.household("3").await.tried, leaving);
    let known = b.standing(&id("1")).await;
    assert_eq!(known.acknowledged, Some(acknowledged(5)));
    assert_eq!(b.standing(&id("2")).await.parked, Some(waits.clone()));
    assert_eq!(ok(b.store.parked(&b.sink, 9).await), [never, waits]);
    assert_eq!(ok(b.store.next_wake(&b.sink).await), Some(later));
    let due = |list: &[(&str, u64)]| -> Vec<_> {
        let owned = |(key, generation): &(&str, u64)| ((*key).to_owned(), *generation);
        list.iter().map(owned).collect()
    };
    assert_eq!(b.due_on(today(), later).await, due(&[("2", 1), ("3", 1)]));
    assert_eq!(b.due_on(tomorrow, NOW).await, due(&[("1", 1), ("3", 1)]));
}

/// Who said stop is stopped after a new start, and reading goes on where it was.
pub async fn reopening_remembers_stops<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let phone = Target::Phone(sure(Phone::parse("503-555-0123")));
    let stops = vec![stop(phone, None)];
    let next = Some(Cursor::new("c7"));
    let stored = b
        .store
        .suppress(&b.sink, stops.clone(), next.clone(), NOW)
        .await;
    assert_eq!(ok(stored), 2);
    let b = b.reopen(&place).await;
    assert_eq!(ok(b.store.suppression_cursor(&b.sink).await), next);
    assert!(only(&b.household("1").await).blocked.sms);
    let again = b.store.suppress(&b.sink, stops, next, NOW).await;
    assert_eq!(ok(again), 0, "a stop that was known is news");
}

/// When a page was stored, when a pass ended, when something was new and when a
/// kind was listed whole are four things, and known after a new start. A page
/// that was refused is none of them.
pub async fn reopening_remembers_when_the_source_was_last_heard_of<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    assert_eq!(ok(b.store.last_seen(&b.source).await), LastSeen::default());
    let at = |minute| NOW + TimeDelta::minutes(minute);
    let patients = [RecordKind::Patient];
    for (minute, changes, swept, ends) in [
        (1, vec![person("1")], &patients[..], true),
        (2, vec![renamed("1", "New")], &[], true),
        // Nothing new, and the pass ends.
        (3, vec![renamed("1", "New")], &[], true),
        // Nothing new, and the pass goes on.
        (4, vec![renamed("1", "New")], &[], false),
    ] {
        let mut page = b.page(changes, swept);
        page.now = at(minute);
        let next = page.page.position.cursor().clone();
        if !ends {
            page.page.position = Position::More(next.clone());
        }
        ok(b.store.commit_page(page).await);
        b.cursor = Some(next);
    }
    let mut refused_page = b.page(vec![person("2")], &patients);
    (refused_page.now, refused_page.from) = (at(5), Some(Cursor::new("elsewhere")));
    refused(b.store.commit_page(refused_page).await, "a foreign cursor");
    let expected = LastSeen {
        page: Some(at(4)),
        success: Some(at(3)),
        change: Some(at(2)),
        listed: [(RecordKind::Patient, at(1))].into(),
    };
    assert_eq!(ok(b.store.last_seen(&b.source).await), expected);
    let b = b.reopen(&place).await;
    let seen = ok(b.store.last_seen(&b.source).await);
    assert_eq!(seen, expected, "it was not remembered");
    let elm = Bench::of(Arc::clone(&b.store), "elm-st").await;
    let seen = ok(elm.store.last_seen(&elm.source).await);
    assert_eq!(seen, LastSeen::default(), "what another source said counts");
}

/// What a newer release wrote is refused, with a sentence that says what to do,
/// and is not touched.
pub async fn a_newer_schema_is_refused_with_a_remedy<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    drop(b);
    let check = "a_newer_schema_is_refused_with_a_remedy";
    if !place.make_newer().await.or_say(check) {
        return;
    }
    for _ in 0..2 {
        let error = refused(place.open().await, "a newer schema");
        assert_eq!(error.kind(), ErrorKind::State);
        let text = error.to_string().to_lowercase();
        assert!(
            text.contains("newer") && text.split_whitespace().count() > 5,
            "it says neither what is wrong nor what to do: {text}"
        );
    }
}

/// What an older release left is read on, with nothing lost.
pub async fn an_older_schema_is_migrated<H: StateHarness>() {
    let place = H::start().await;
    if !place
        .make_older()
        .await
        .or_say("an_older_schema_is_migrated")
    {
        return;
    }
    let b = Bench::of(ok(place.open().await), "main").await;
    let due = b.household("1").await;
    assert_eq!(only(&due).patient.record.key.native(), "1");
    let mut b = b.reopen(&place).await;
    b.commit(vec![renamed("1", "New")], &[]).await;
    assert_eq!(b.counted().await.0, 1);
}

/// A second process is refused with a sentence, or works beside the first: then
/// the older run's commits are refused, none of either is lost, and each waits
/// for the other.
pub async fn two_processes_do_not_disturb_each_other<H: StateHarness>() {
    let (place, mut first) = Bench::new::<H>().await;
    first.commit(vec![person("1")], &[]).await;
    let second = match place.open().await {
        Ok(second) => second,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::State);
            let words = error.to_string().split_whitespace().count();
            assert!(words > 5, "it does not say what to do: {error}");
            first.commit(vec![person("2")], &[]).await;
            let mut next = first.reopen(&place).await;
            next.commit(vec![person("3")], &[]).await;
            assert_eq!(next.counted().await.0, 3);
            return;
        }
    };
    let stale = first.page(vec![person("2")], &[]);
    let mut newer = Bench::of(Arc::clone(&second), "main").await;
    let error = refused(first.store.commit_page(stale).await, "an older run");
    assert_eq!(error.kind(), ErrorKind::Superseded);
    let stale = first.departure("1", vec![tried("1", 1)]);
    refused(first.store.commit_departure(stale).await, "an older run");
    newer.commit(vec![person("2")], &[]).await;
    assert_eq!(first.counted().await.0, 2);
    // Two offices, each from its own process, at once.
    let mut elm = Bench::of(Arc::clone(&first.store), "elm-st").await;
    for round in 0..20 {
        let (one, other) = (format!("m{round}"), format!("e{round}"));
        futures::future::join(
            newer.commit(vec![person(&one)], &[]),
            elm.commit(vec![person(&other)], &[]),
        )
        .await;
    }
    assert_eq!((newer.counted().await.0, elm.counted().await.0), (22, 20));
    let other: &Arc<dyn StateStore> = &second;
    let seen = ok(other.counts(&elm.source, &elm.sink).await);
    assert_eq!(seen.patients, 20, "one process does not see the other");
}
