//! Who may commit, and for whom.

use super::StateHarness;
use super::bench::{
    Bench, account, acknowledged, id, ok, only, opening, parked, person, refused, renamed, sink,
    source, tried,
};
use crate::error::ErrorKind;
use crate::id::{HouseholdKey, IdScheme, PatientKey};
use crate::model::{RecordKey, RecordKind};
use crate::source::Change;
use crate::store::{Epoch, Hold};

/// However many open a run at once: each has an epoch of its own, and only the
/// last may commit.
pub async fn every_run_has_an_epoch_of_its_own<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let opening = b.opening();
    let mut seen = vec![b.epoch.0];
    for _ in 0..3 {
        let runs = (0..8).map(|_| b.store.open_run(&opening));
        for run in futures::future::join_all(runs).await {
            seen.push(ok(run).epoch.0);
        }
    }
    let many = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), many, "two runs have the same epoch");
    let last = seen.last().copied().unwrap_or_default();
    for epoch in seen {
        b.epoch = Epoch(epoch);
        let page = b.page(vec![person(&epoch.to_string())], &[]);
        let done = b.store.commit_page(page).await;
        assert_eq!(
            done.is_ok(),
            epoch == last,
            "epoch {epoch} of {last} commits"
        );
    }
}

/// A run that was superseded commits nothing: no page, no new start, no
/// departure, no acknowledgement.
pub async fn a_stale_epoch_commits_nothing<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let page = b.page(vec![person("2")], &[RecordKind::Patient]);
    let departure = b.departure("1", vec![tried("1", 1)]);
    let mut acks = b.acks();
    acks.acknowledged.push((id("1"), acknowledged(1)));
    acks.parked.push(parked("2", "1", Hold::Refused));
    acks.reconciled.push((HouseholdKey::new("1"), 1, None));
    let newer = ok(b.store.open_run(&b.opening()).await);
    assert!(newer.epoch != b.epoch);
    let stale = [
        b.store.commit_page(page).await.err(),
        b.store.restart_feed(&b.source, b.epoch).await.err(),
        b.store.commit_departure(departure).await.err(),
        b.store.commit_acks(acks).await.err(),
    ];
    let what = ["page", "new start", "departure", "acknowledgement"];
    for (error, what) in stale.into_iter().zip(what) {
        assert_eq!(
            error.map(|error| error.kind()),
            Some(ErrorKind::Superseded),
            "a {what} of a superseded run"
        );
    }
    assert_eq!(ok(b.store.cursor(&b.source).await), b.cursor);
    assert_eq!(b.counted().await, (1, 0));
    assert_eq!(ok(b.store.parked(&b.sink, 9).await), []);
    assert_eq!(b.due().await, [("1".to_owned(), 1)]);
    assert_eq!(b.household("1").await.tried, []);
}

/// A sink of another source, with other names or on a shared account is refused.
pub async fn a_wrong_pairing_is_refused<H: StateHarness>() {
    let (_place, b) = Bench::new::<H>().await;
    let other = source("elm-st");
    let elm = sink("elm-st");
    let open = async |what: &str, source, sink, account| {
        let opening = opening(source, sink, account);
        let error = refused(b.store.open_run(&opening).await, what);
        assert_eq!(error.kind(), ErrorKind::Config, "{what}");
        error
    };
    let scoped = || account("main", IdScheme::Scoped);
    let bare = |name| account(name, IdScheme::Bare);
    open("a sink of another source", &other, &b.sink, scoped()).await;
    open("a sink with other ids", &b.source, &b.sink, bare("main")).await;
    let error = open("a shared account", &other, &elm, bare("main")).await;
    assert!(error.to_string().contains("scoped"), "{error}");
    let apart = opening(&other, &elm, bare("another"));
    ok(b.store.open_run(&apart).await);
}

/// A sink that joins later is told everything that is known.
pub async fn a_sink_that_is_added_later_hears_everything<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1"), person("2")], &[]).await;
    b.reconcile("1", 1, None).await;
    let late = sink("late");
    let mut both = b.opening();
    both.sinks
        .push((late.clone(), account("late", IdScheme::Scoped)));
    ok(b.store.open_run(&both).await);
    b.sink = late;
    assert_eq!(b.due().await.len(), 2);
}

/// Two practices whose patients have the same numbers share a store and nothing
/// else.
pub async fn offices_with_the_same_keys_never_mix<H: StateHarness>() {
    let (_place, mut main) = Bench::new::<H>().await;
    main.commit(vec![person("1")], &[]).await;
    let mut elm = Bench::of(std::sync::Arc::clone(&main.store), "elm-st").await;
    assert_eq!(elm.cursor, None, "a feed begins where another stands");
    assert_eq!(elm.due().await, []);
    elm.commit(vec![renamed("1", "Other")], &[RecordKind::Patient])
        .await;
    elm.reconcile("1", 1, None).await;
    assert_eq!(main.due().await, [("1".to_owned(), 1)]);
    let due = main.household("1").await;
    assert_eq!(only(&due).patient.record.first_name.expose(), "First1");
    let gone = Change::Gone(RecordKey::Patient(PatientKey::new("1")));
    elm.commit(vec![gone], &[]).await;
    assert_eq!(main.counted().await, (1, 0));
    assert_eq!(elm.counted().await, (0, 0));
    // Opening one does not supersede the other, and each feed is its own.
    main.commit(vec![person("2")], &[]).await;
    elm.commit(vec![person("3")], &[]).await;
    assert_eq!(
        ok(main.store.last_seen(&main.source).await).swept_at(),
        None
    );
}

/// What one sink of a source acknowledged, set aside or was told to stop is not
/// what the other did.
pub async fn two_sinks_of_one_source_are_told_apart<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let first = b.sink.clone();
    let second = sink("second");
    let mut both = b.opening();
    both.sinks
        .push((second.clone(), account("second", IdScheme::Scoped)));
    b.epoch = ok(b.store.open_run(&both).await).epoch;
    b.commit(vec![person("1")], &[]).await;
    let mut acks = b.acks();
    acks.acknowledged.push((id("1"), acknowledged(1)));
    acks.parked.push(parked("2", "1", Hold::Refused));
    acks.reconciled.push((HouseholdKey::new("1"), 1, None));
    ok(b.store.commit_acks(acks).await);
    ok(b.store
        .commit_departure(b.departure("1", vec![tried("1", 3)]))
        .await);
    b.sink = second;
    assert_eq!(b.due().await, [("1".to_owned(), 1)]);
    assert_eq!(b.household("1").await.tried, []);
    assert_eq!(b.counted().await, (1, 0));
    assert_eq!(b.standing(&id("1")).await.acknowledged, None);
    assert_eq!(ok(b.store.parked(&b.sink, 9).await), []);
    b.reconcile("1", 1, None).await;
    assert_eq!(b.due().await, []);
    b.sink = first;
    assert_eq!(b.household("1").await.tried, [tried("1", 3)]);
    assert_eq!(b.counted().await, (1, 1));
}
