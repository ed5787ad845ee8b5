//! What cannot be taken back: one claim at a time, one end for ever.

use std::sync::Arc;

use chrono::TimeDelta;

use super::StateHarness;
use super::bench::{NOW, ok, refused, source, sure};
use crate::effect::Receipt;
use crate::error::ErrorKind;
use crate::hash::IdempotencyKey;
use crate::id::OutletId;
use crate::store::{EffectClaim, EffectCommit, EffectRow, EffectState, Epoch, StateStore};

/// One outlet of one store.
pub(super) struct Desk {
    pub(super) store: Arc<dyn StateStore>,
    pub(super) outlet: OutletId,
    pub(super) epoch: Epoch,
}

pub(super) fn key(name: &str) -> IdempotencyKey {
    IdempotencyKey::of_parts(&[name])
}

pub(super) fn outlet(database: &str, name: &str) -> OutletId {
    sure(OutletId::new(source(database), name))
}

pub(super) fn doubt() -> EffectState {
    EffectState::InDoubt("no answer in time".to_owned())
}

impl Desk {
    pub(super) async fn new<H: StateHarness>() -> (H, Self) {
        let place = H::start().await;
        let store = ok(place.open().await);
        let desk = Self::of(store, outlet("main", "practice")).await;
        (place, desk)
    }

    pub(super) async fn of(store: Arc<dyn StateStore>, outlet: OutletId) -> Self {
        let epoch = ok(store.open_outlet(&outlet).await);
        Self {
            store,
            outlet,
            epoch,
        }
    }

    pub(super) fn claim(&self, name: &str, after: u32) -> EffectClaim {
        EffectClaim {
            outlet: self.outlet.clone(),
            epoch: self.epoch,
            key: key(name),
            after,
            about: None,
            now: NOW + TimeDelta::seconds(after.into()),
        }
    }

    pub(super) fn commit(&self, name: &str, attempt: u32, state: EffectState) -> EffectCommit {
        EffectCommit {
            outlet: self.outlet.clone(),
            epoch: self.epoch,
            key: key(name),
            attempt,
            state,
            now: NOW + TimeDelta::minutes(1),
        }
    }

    pub(super) async fn claims(&self, name: &str, after: u32) -> bool {
        ok(self.store.claim_effect(self.claim(name, after)).await)
    }

    pub(super) async fn settle(&self, name: &str, attempt: u32, state: EffectState) {
        ok(self
            .store
            .settle_effect(self.commit(name, attempt, state))
            .await);
    }

    async fn settles_not(&self, name: &str, attempt: u32, what: &str) {
        let done = EffectState::Done(Receipt::of("late"));
        let commit = self.commit(name, attempt, done);
        let error = refused(self.store.settle_effect(commit).await, what);
        assert_eq!(error.kind(), ErrorKind::Superseded, "{what}");
    }

    async fn row(&self, name: &str) -> Option<EffectRow> {
        ok(self.store.effect(&self.outlet, &key(name)).await)
    }

    async fn state(&self, name: &str) -> Option<EffectState> {
        self.row(name).await.map(|row| row.state)
    }
}

/// However many claim at once, one has it; and only who knows of the last
/// attempt may make another.
pub async fn an_effect_has_one_claim_at_a_time<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    assert_eq!(desk.row("a").await, None, "known before it was claimed");
    for after in 0..3 {
        let claims = (0..8).map(|_| desk.claims("a", after));
        let claimed = futures::future::join_all(claims).await;
        let many = claimed.iter().filter(|mine| **mine).count();
        assert_eq!(many, 1, "so many claimed it after attempt {after}");
        let row = desk.row("a").await.map(|row| (row.attempt, row.state));
        assert_eq!(row, Some((after + 1, EffectState::Claimed)));
    }
    assert!(!desk.claims("b", 1).await, "an attempt nobody made");
}

/// What is done or refused stays so, whoever asks.
pub async fn what_has_ended_is_never_claimed_again<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    let ends = [
        ("a", EffectState::Done(Receipt::of("r1"))),
        ("b", EffectState::Done(Receipt::default())),
        ("c", EffectState::Refused("no such patient".to_owned())),
    ];
    for (name, end) in ends {
        assert!(desk.claims(name, 0).await);
        desk.settle(name, 1, end.clone()).await;
        for after in [0, 1, 2] {
            assert!(!desk.claims(name, after).await, "{end:?} is claimed again");
        }
        desk.settles_not(name, 1, "a second end").await;
        assert_eq!(desk.state(name).await, Some(end));
    }
    // What waits or is in doubt has not ended.
    for (name, state) in [
        ("d", doubt()),
        ("e", EffectState::Waiting("busy".to_owned())),
    ] {
        assert!(desk.claims(name, 0).await);
        desk.settle(name, 1, state.clone()).await;
        assert_eq!(desk.state(name).await, Some(state));
        assert!(desk.claims(name, 1).await);
    }
}

/// An attempt that another has followed says nothing any more.
pub async fn an_older_attempt_settles_nothing<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    desk.settles_not("a", 1, "what was never claimed").await;
    assert_eq!(desk.row("a").await, None);
    assert!(desk.claims("a", 0).await && desk.claims("a", 1).await);
    desk.settles_not("a", 1, "an older attempt").await;
    assert_eq!(desk.state("a").await, Some(EffectState::Claimed));
    desk.settle("a", 2, doubt()).await;
    desk.settle("a", 2, EffectState::Done(Receipt::of("r2")))
        .await;
    let done = EffectState::Done(Receipt::of("r2"));
    assert_eq!(desk.state("a").await, Some(done));
}

/// Who was taken over neither claims nor settles.
pub async fn a_stale_outlet_claims_and_settles_nothing<H: StateHarness>() {
    let (_place, old) = Desk::new::<H>().await;
    assert!(old.claims("a", 0).await);
    let new = Desk::of(Arc::clone(&old.store), old.outlet.clone()).await;
    assert!(new.epoch != old.epoch, "two have the same epoch");
    for (name, after) in [("a", 1), ("b", 0)] {
        let error = refused(
            old.store.claim_effect(old.claim(name, after)).await,
            "a claim of one who was taken over",
        );
        assert_eq!(error.kind(), ErrorKind::Superseded);
    }
    old.settles_not("a", 1, "the end of one who was taken over")
        .await;
    assert_eq!(new.state("a").await, Some(EffectState::Claimed));
    assert_eq!(new.row("b").await, None);
    new.settle("a", 1, EffectState::Done(Receipt::default()))
        .await;
}

/// The same key is another effect at another outlet and at another practice,
/// and opening one takes over no other.
pub async fn effects_of_two_outlets_never_mix<H: StateHarness>() {
    let (_place, main) = Desk::new::<H>().await;
    let sms = Desk::of(Arc::clone(&main.store), outlet("main", "sms")).await;
    let elm = Desk::of(Arc::clone(&main.store), outlet("elm-st", "practice")).await;
    assert!(main.claims("a", 0).await);
    main.settle("a", 1, EffectState::Done(Receipt::of("r1")))
        .await;
    for other in [&sms, &elm] {
        assert_eq!(other.row("a").await, None, "{} knows it", other.outlet);
        assert!(other.claims("a", 0).await, "{} cannot claim", other.outlet);
        other.settle("a", 1, doubt()).await;
    }
    let open = ok(main.store.open_effects(&main.outlet, 9).await);
    assert_eq!(open, [], "what another outlet has open is listed");
    assert_eq!(ok(sms.store.open_effects(&sms.outlet, 9).await).len(), 1);
}

/// What is not done is listed, what a person should look at first, and no more
/// than was asked for.
pub async fn open_effects_are_listed_until_they_are_done<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    let ends = [
        ("waits", EffectState::Waiting("no connection".to_owned())),
        ("no", EffectState::Refused("no such patient".to_owned())),
        ("doubt", doubt()),
        ("done", EffectState::Done(Receipt::of("r1"))),
    ];
    for (name, end) in ends {
        assert!(desk.claims(name, 0).await);
        desk.settle(name, 1, end).await;
    }
    assert!(desk.claims("claimed", 0).await);
    let listed = async |limit| -> Vec<_> {
        let open = ok(desk.store.open_effects(&desk.outlet, limit).await);
        open.into_iter().map(|row| row.key).collect()
    };
    let all = ["doubt", "no", "claimed", "waits"].map(key);
    assert_eq!(listed(9).await, all);
    assert_eq!(
        listed(2).await,
        all.first_chunk::<2>().map_or(&[][..], |two| two)
    );
    desk.settle("doubt", 1, EffectState::Done(Receipt::default()))
        .await;
    assert_eq!(listed(1).await, [key("no")]);
}

/// Claims and ends are there after a new start, with their times and receipts.
pub async fn reopening_remembers_effects<H: StateHarness>() {
    let (place, desk) = Desk::new::<H>().await;
    for name in ["done", "claimed", "doubt"] {
        assert!(desk.claims(name, 0).await);
    }
    desk.settle("done", 1, EffectState::Done(Receipt::of("r1")))
        .await;
    desk.settle("doubt", 1, doubt()).await;
    let Desk {
        store,
        outlet,
        epoch,
    } = desk;
    drop(store);
    let desk = Desk::of(ok(place.open().await), outlet).await;
    assert!(desk.epoch.0 > epoch.0, "the epoch was not remembered");
    let row = |name, state, since| EffectRow {
        key: key(name),
        attempt: 1,
        claimed_at: NOW,
        since: NOW + TimeDelta::minutes(since),
        state,
    };
    for expected in [
        row("done", EffectState::Done(Receipt::of("r1")), 1),
        row("claimed", EffectState::Claimed, 0),
        row("doubt", doubt(), 1),
    ] {
        let known = ok(desk.store.effect(&desk.outlet, &expected.key).await);
        assert_eq!(known, Some(expected), "it was not remembered");
    }
}
