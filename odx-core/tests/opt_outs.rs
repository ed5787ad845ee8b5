//! Opt-outs kept beside the patient, through the whole engine: S12 holds
//! whichever row comes when.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use odx_core::engine::{Mode, Pipeline, RunReport, Schedule};
use odx_core::model::{
    BadRecord, Channel, ConsentState, Origin, Permission, Record, RecordKey, RecordKind, Statement,
};
use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::store::{MemoryStore, SqliteStore, StateStore};
use odx_core::testkit::{MemorySink, MemorySource, SinkFault, TestClock, opt_out, patient};
use odx_core::{ExternalId, Office, OfficeId, PatientKey, SinkId, SourceId};

struct Bench {
    source: Arc<MemorySource>,
    sink: Arc<MemorySink>,
    store: Arc<dyn StateStore>,
    clock: TestClock,
    _folder: Option<tempfile::TempDir>,
}

fn both() -> [Bench; 2] {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(folder.path().join("odx.sqlite")).unwrap();
    let bench = |store, folder| Bench {
        source: Arc::new(MemorySource::new(SourceId::new("t", "main-st").unwrap(), 3)),
        sink: Arc::new(MemorySink::new(
            SinkId::new("mem", "main-st").unwrap(),
            NonZeroUsize::new(2).unwrap(),
        )),
        store,
        clock: TestClock::at("2026-11-20T17:00:00Z".parse::<DateTime<Utc>>().unwrap()),
        _folder: folder,
    };
    [
        bench(Arc::new(MemoryStore::new()), None),
        bench(Arc::new(file), Some(folder)),
    ]
}

impl Bench {
    async fn run(&self) -> RunReport {
        let zone = chrono_tz::America::New_York;
        let office = Office::new(OfficeId::new("main-st").unwrap(), "Main Street", zone);
        let pipeline = Pipeline::builder(self.source.clone())
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(self.sink.clone())
            .state(self.store.clone())
            .office(office)
            .clock(Arc::new(self.clock.clone()))
            .schedule(Schedule::default().with_retry_max(Duration::from_secs(2)))
            .build()
            .unwrap();
        pipeline.run_once(Mode::Live).await.unwrap()
    }

    /// A run a day later, so that everything is listed again.
    async fn sweep(&self) -> RunReport {
        self.clock.advance(Duration::from_secs(24 * 3600));
        self.run().await
    }

    fn willing(&self, key: &str, name: &str, on: Option<NaiveDate>) {
        let mut person = patient(key);
        person.first_name = name.to_owned().into();
        person.consent = vec![Statement {
            channel: Channel::Sms,
            permission: Permission::Granted,
            origin: Origin::Practice,
            on,
        }];
        self.source.put(Record::Patient(person));
    }

    fn no(&self, key: &str, channels: &[Channel]) {
        self.source.put(Record::OptOut(opt_out(key, channels)));
    }

    fn texts(&self, key: &str) -> ConsentState {
        let id = ExternalId::from_kept(format!("t:main-st:{key}"));
        self.sink.contacts()[&id].consent.sms
    }
}

fn key(patient: &str) -> RecordKey {
    RecordKey::OptOut(PatientKey::new(patient))
}

#[tokio::test]
async fn s12_an_opt_out_denies_whatever_the_patients_row_says_later() {
    for b in both() {
        b.willing("1", "Ana", None);
        b.willing("2", "Nora", None);
        b.no("1", &[Channel::Sms]);
        assert_eq!(b.run().await.counts.opt_outs, 1);
        assert_eq!(b.texts("1"), ConsentState::Denied);
        assert_eq!(b.texts("2"), ConsentState::Granted);
        for (n, day) in [(1, "2026-11-20"), (2, "2030-01-01")] {
            b.willing("1", &format!("Ana {n}"), day.parse().ok());
            assert_eq!(b.run().await.sent, 1);
            assert_eq!(b.texts("1"), ConsentState::Denied);
        }
        // As it was: nothing to do.
        b.no("1", &[Channel::Sms]);
        let report = b.run().await;
        assert_eq!((report.changed, report.sent), (0, 0));
    }
}

#[tokio::test]
async fn s12_an_opt_out_that_comes_later_is_told_and_one_that_is_lifted_too() {
    for b in both() {
        b.willing("1", "Ana", None);
        b.run().await;
        assert_eq!(b.texts("1"), ConsentState::Granted);
        for end in 0..2 {
            b.no("1", &[Channel::Sms, Channel::Voice]);
            assert_eq!(b.run().await.sent, 1);
            assert_eq!(b.texts("1"), ConsentState::Denied);
            match end {
                0 => b.source.delete(&key("1")),
                // Fewer noes end what is not said any more.
                _ => b.no("1", &[Channel::Voice]),
            }
            assert_eq!(b.run().await.sent, 1);
            assert_eq!(b.texts("1"), ConsentState::Granted);
        }
    }
}

#[tokio::test]
async fn s12_an_opt_out_that_no_listing_shows_any_more_ends_with_the_second() {
    for b in both() {
        b.willing("1", "Ana", None);
        b.no("1", &[Channel::Sms]);
        b.run().await;
        b.sweep().await;
        b.source.vanish(RecordKind::OptOut, "1");
        assert_eq!(b.sweep().await.gone, 0);
        assert_eq!(b.texts("1"), ConsentState::Denied);
        assert_eq!(b.sweep().await.gone, 1);
        assert_eq!(b.texts("1"), ConsentState::Granted);
    }
}

#[tokio::test]
async fn s12_an_opt_out_that_cannot_be_read_denies_everything_until_it_can() {
    for b in both() {
        b.willing("1", "Ana", None);
        let bad = BadRecord::new(RecordKind::OptOut, Some("1"), "unknown mode", b"raw");
        b.source.set_bad(vec![bad]);
        for _ in 0..3 {
            let report = b.sweep().await;
            assert_eq!(report.counts.unreadable, 1);
            assert_eq!(b.texts("1"), ConsentState::Denied);
        }
        // Quiet while it stays as it is.
        assert_eq!(b.run().await.sent, 0);
        b.source.set_bad(Vec::new());
        b.no("1", &[Channel::Email]);
        assert_eq!(b.run().await.sent, 1);
        assert_eq!(b.texts("1"), ConsentState::Granted);
    }
}

/// Who has opted out is never shown as willing, also not for a moment, while
/// rows change in any order and the CRM fails.
#[tokio::test]
async fn s12_r17_who_opted_out_is_never_shown_as_willing() {
    for seed in 0..10 {
        let mut random = fastrand::Rng::with_seed(seed);
        for b in both() {
            for n in 1..=8 {
                b.willing(&n.to_string(), "Ana", None);
                b.no(&n.to_string(), &[Channel::Sms]);
            }
            for round in 0..12 {
                for n in 1..=8_u32 {
                    let patient = n.to_string();
                    match random.u8(0..5) {
                        0 | 1 => b.willing(&patient, &format!("Ana {round}"), None),
                        // One to four keep their no, in whatever form.
                        2 if n <= 4 => b.no(&patient, &[Channel::Email, Channel::Sms]),
                        2 => b.no(&patient, &[Channel::Email]),
                        3 if n > 4 => b.source.delete(&key(&patient)),
                        _ => {}
                    }
                }
                let faults = [
                    SinkFault::None,
                    SinkFault::Down,
                    SinkFault::Lost,
                    SinkFault::Half,
                ];
                let faults = (0..random.usize(0..4))
                    .map(|_| random.choice(&faults).unwrap().clone())
                    .collect::<Vec<_>>();
                b.sink.fail(faults);
                b.clock
                    .advance(Duration::from_secs(random.u64(0..30 * 3600)));
                b.run().await;
                for (id, contact) in b.sink.contacts() {
                    let kept = (1..=4).any(|n| id.as_str() == format!("t:main-st:{n}"));
                    assert!(
                        !kept || contact.consent.sms == ConsentState::Denied,
                        "ODX_SEED={seed} round {round}: {id} is {:?}",
                        contact.consent
                    );
                }
            }
        }
    }
}
