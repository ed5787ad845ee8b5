//! Each thing once: whatever is lost between a practice and odx, and wherever a
//! process stops.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use odx_core::effect::{Act, ActError, Effects, Marker, Outcome, Receipt};
use odx_core::store::{EffectState, MemoryStore, SqliteStore, StateStore};
use odx_core::testkit::TestClock;
use odx_core::{Error, ErrorKind, IdempotencyKey, OutletId, Result, SourceId};

/// What becomes of the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    NotSent,
    ReplyLost,
    RequestLost,
    RefusedForGood,
    MayNot,
    /// The process stops while it is on its way, and it arrives.
    AbandonedTaken,
    /// The process stops before it arrives.
    AbandonedLost,
}

/// A practice that keeps what it was told.
#[derive(Debug, Default)]
struct Practice {
    notes: Mutex<Vec<String>>,
    fates: Mutex<Vec<Fate>>,
    blind: Mutex<bool>,
    asked: Mutex<u32>,
}

impl Practice {
    fn told(&self) -> usize {
        self.notes.lock().unwrap().len()
    }

    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }

    fn blind(&self, blind: bool) {
        *self.blind.lock().unwrap() = blind;
    }

    fn next(&self, fates: &[Fate]) {
        *self.fates.lock().unwrap() = fates.iter().rev().copied().collect();
    }
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "as the test says")
}

#[async_trait]
impl Act for Practice {
    async fn act(&self, marker: &Marker) -> Result<Receipt, ActError> {
        let fate = self.fates.lock().unwrap().pop().unwrap_or(Fate::Taken);
        let note = || self.notes.lock().unwrap().push(format!("hello {marker}"));
        match fate {
            Fate::Taken => {
                note();
                Ok(Receipt::of("14"))
            }
            Fate::NotSent => Err(ActError::NotSent(error(ErrorKind::Unavailable))),
            Fate::ReplyLost => {
                note();
                Err(ActError::InDoubt(error(ErrorKind::Unavailable)))
            }
            Fate::RequestLost => Err(ActError::InDoubt(error(ErrorKind::Unavailable))),
            Fate::RefusedForGood => Err(ActError::Refused(error(ErrorKind::Refused))),
            Fate::MayNot => Err(ActError::Refused(error(ErrorKind::Permission))),
            Fate::AbandonedTaken => {
                note();
                std::future::pending().await
            }
            Fate::AbandonedLost => std::future::pending().await,
        }
    }

    async fn find(&self, marker: &Marker) -> Result<Option<Receipt>> {
        *self.asked.lock().unwrap() += 1;
        if *self.blind.lock().unwrap() {
            return Err(error(ErrorKind::Unavailable));
        }
        let notes = self.notes.lock().unwrap();
        let found = notes.iter().any(|note| marker.stands_in(note));
        Ok(found.then(|| Receipt::of("14")))
    }

    fn settles_within(&self) -> Duration {
        Duration::from_secs(120)
    }
}

struct Bench {
    store: Arc<dyn StateStore>,
    clock: TestClock,
    effects: Effects,
    practice: Practice,
}

fn key() -> IdempotencyKey {
    IdempotencyKey::of_parts(&["main-st", "12"])
}

impl Bench {
    async fn on(store: Arc<dyn StateStore>) -> Self {
        let clock = TestClock::at(DateTime::<Utc>::UNIX_EPOCH);
        Self {
            effects: open(&store, &clock).await,
            store,
            clock,
            practice: Practice::default(),
        }
    }

    async fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new())).await
    }

    async fn perform(&self) -> Outcome {
        self.effects.perform(&key(), &self.practice).await.unwrap()
    }

    /// The process stops in the middle; another takes over.
    async fn abandon(&mut self) {
        {
            let key = key();
            let mut running = Box::pin(self.effects.perform(&key, &self.practice));
            // The store may answer from another thread: looked at until the request is out.
            for _ in 0..10_000 {
                let claimed = self.state().await == Some(EffectState::Claimed);
                if futures::poll!(&mut running).is_ready() {
                    panic!("it was to stop");
                }
                if claimed && self.practice.fates.lock().unwrap().is_empty() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        self.effects = open(&self.store, &self.clock).await;
    }

    async fn state(&self) -> Option<EffectState> {
        let row = self.store.effect(self.effects.outlet(), &key()).await;
        row.unwrap().map(|row| row.state)
    }

    fn later(&self) {
        self.clock.advance(Duration::from_secs(121));
    }
}

async fn open(store: &Arc<dyn StateStore>, clock: &TestClock) -> Effects {
    let source = SourceId::new("t", "main").unwrap();
    let outlet = OutletId::new(source, "practice").unwrap();
    Effects::open(Arc::clone(store), outlet, Arc::new(clock.clone()))
        .await
        .unwrap()
}

#[tokio::test]
async fn what_was_done_is_neither_sent_nor_asked_for_again() {
    let b = Bench::new().await;
    assert!(matches!(b.perform().await, Outcome::Done(_)));
    for _ in 0..3 {
        assert!(matches!(b.perform().await, Outcome::Known(r) if r == Receipt::of("14")));
    }
    assert_eq!((b.practice.told(), b.practice.asked()), (1, 0));
}

#[tokio::test]
async fn a_lost_reply_is_looked_up_at_once() {
    let b = Bench::new().await;
    b.practice.next(&[Fate::ReplyLost]);
    assert!(matches!(b.perform().await, Outcome::Found(_)));
    assert!(matches!(b.perform().await, Outcome::Known(_)));
    assert_eq!((b.practice.told(), b.practice.asked()), (1, 1));
}

#[tokio::test]
async fn what_is_not_there_is_repeated_only_once_it_cannot_arrive_any_more() {
    let b = Bench::new().await;
    b.practice.next(&[Fate::RequestLost]);
    for _ in 0..3 {
        assert!(matches!(b.perform().await, Outcome::InDoubt { .. }));
    }
    assert_eq!(b.practice.told(), 0, "it was repeated too early");
    b.later();
    assert!(matches!(b.perform().await, Outcome::Done(_)));
    assert_eq!(b.practice.told(), 1);
}

#[tokio::test]
async fn a_clock_that_went_back_makes_nothing_old() {
    let b = Bench::new().await;
    b.practice.next(&[Fate::RequestLost]);
    b.perform().await;
    b.clock
        .set(DateTime::<Utc>::UNIX_EPOCH - chrono::TimeDelta::days(400));
    assert!(matches!(b.perform().await, Outcome::InDoubt { .. }));
    assert_eq!(b.practice.told(), 0);
}

#[tokio::test]
async fn what_cannot_be_looked_up_stays_in_doubt_is_told_and_is_never_repeated() {
    let b = Bench::new().await;
    b.practice.next(&[Fate::ReplyLost]);
    b.practice.blind(true);
    for _ in 0..5 {
        let Outcome::InDoubt { reason, .. } = b.perform().await else {
            panic!("it is not in doubt");
        };
        assert!(reason.contains("as the test says"), "{reason}");
        b.later();
    }
    let open = b.effects.open_effects(9).await.unwrap();
    assert!(matches!(open[0].state, EffectState::InDoubt(_)));
    assert_eq!(b.practice.told(), 1);
    b.practice.blind(false);
    assert!(matches!(b.perform().await, Outcome::Found(_)));
    assert_eq!(b.practice.told(), 1);
    assert_eq!(b.effects.open_effects(9).await.unwrap(), []);
}

#[tokio::test]
async fn what_was_not_sent_is_sent_without_a_look() {
    let b = Bench::new().await;
    b.practice.next(&[Fate::NotSent, Fate::NotSent]);
    for _ in 0..2 {
        assert!(matches!(b.perform().await, Outcome::Waiting(_)));
    }
    assert!(matches!(b.perform().await, Outcome::Done(_)));
    assert_eq!((b.practice.told(), b.practice.asked()), (1, 0));
}

#[tokio::test]
async fn a_refusal_is_for_ever_and_a_missing_permission_is_not() {
    let b = Bench::new().await;
    b.practice.next(&[Fate::MayNot]);
    let Outcome::Waiting(error) = b.perform().await else {
        panic!("a permission can be bought");
    };
    assert_eq!(error.kind(), ErrorKind::Permission);
    b.practice.next(&[Fate::RefusedForGood]);
    for _ in 0..3 {
        assert!(matches!(b.perform().await, Outcome::Refused(_)));
        b.later();
    }
    assert_eq!((b.practice.told(), b.practice.asked()), (0, 0));
}

#[tokio::test]
async fn of_many_who_want_the_same_one_does_it() {
    let b = Bench::new().await;
    let all = futures::future::join_all((0..16).map(|_| b.perform())).await;
    let done = all.iter().filter(|end| matches!(end, Outcome::Done(_)));
    assert_eq!(done.count(), 1);
    assert_eq!(b.practice.told(), 1);
}

#[tokio::test]
async fn who_was_taken_over_does_nothing_more() {
    let mut b = Bench::new().await;
    let old = std::mem::replace(&mut b.effects, open(&b.store, &b.clock).await);
    let error = old.perform(&key(), &b.practice).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Superseded);
    assert_eq!(b.practice.told(), 0);
}

#[test]
fn a_marker_is_found_in_its_note_and_in_no_other() {
    let marker = Marker::of(&key());
    let other = Marker::of(&IdempotencyKey::of_parts(&["main-st", "13"]));
    assert!(marker.stands_in(&format!("Texted the patient. {marker}")));
    assert!(!marker.stands_in(&format!("Texted the patient. {other}")));
    assert!(marker.as_str().starts_with("[odx:") && marker.as_str().ends_with(']'));
    let parts = IdempotencyKey::of_parts(&["main-st1", "2"]);
    assert_ne!(parts, key(), "parts run into each other");
}

/// Every way in which an attempt can end, twice in a row, on both stores: it is
/// there once in the end, never twice on the way.
#[tokio::test]
async fn every_pair_of_mishaps_ends_with_one_note() {
    use Fate::*;
    let folder = tempfile::tempdir().unwrap();
    let fates = [
        Taken,
        NotSent,
        ReplyLost,
        RequestLost,
        MayNot,
        AbandonedTaken,
        AbandonedLost,
    ];
    let mut cells = 0;
    for (n, first) in fates.iter().enumerate() {
        for (m, second) in fates.iter().enumerate() {
            let file = folder.path().join(format!("{n}-{m}.sqlite"));
            let stores: [Arc<dyn StateStore>; 2] = [
                Arc::new(MemoryStore::new()),
                Arc::new(SqliteStore::open(file).unwrap()),
            ];
            for store in stores {
                let mut b = Bench::on(store).await;
                for fate in [first, second] {
                    if matches!(b.state().await, Some(EffectState::Done(_))) {
                        continue;
                    }
                    b.later();
                    if b.practice.told() > 0 {
                        // An earlier one arrived: nothing is sent any more.
                        b.perform().await;
                        continue;
                    }
                    b.practice.next(&[*fate]);
                    match fate {
                        AbandonedTaken | AbandonedLost => b.abandon().await,
                        _ => drop(b.perform().await),
                    }
                    assert!(b.practice.told() <= 1, "{first:?}, {second:?}: twice");
                }
                b.later();
                let end = b.perform().await;
                assert!(end.receipt().is_some(), "{first:?}, {second:?}: {end:?}");
                assert_eq!(b.practice.told(), 1, "{first:?}, {second:?}");
                assert_eq!(b.effects.open_effects(9).await.unwrap(), []);
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 98);
}
