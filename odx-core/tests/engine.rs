//! The engine against a practice and a CRM in memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use odx_core::crm::TaskStatus;
use odx_core::engine::{Mode, Pipeline, RunReport, Schedule, Shutdown};
use odx_core::model::{
    BadRecord, Channel, ConsentState, Origin, Patient, Permission, Phone, Record, RecordKind,
    Statement,
};
use odx_core::policy::{RecallPolicy, RecallSettings, Skip};
use odx_core::sink::{Suppression, Target};
use odx_core::store::{MemoryStore, SqliteStore, StateStore};
use odx_core::testkit::{
    MemorySink, MemorySource, SinkFault, SourceFault, TestClock, patient, recall,
};
use odx_core::{ErrorKind, ExternalId, Office, OfficeId, SinkId, SourceId};

struct Bench {
    source: Arc<MemorySource>,
    sink: Arc<MemorySink>,
    store: Arc<dyn StateStore>,
    clock: TestClock,
}

fn noon() -> DateTime<Utc> {
    "2026-11-20T17:00:00Z".parse().unwrap()
}

fn day(offset: i64) -> NaiveDate {
    noon().date_naive() + TimeDelta::days(offset)
}

fn id(text: &str) -> ExternalId {
    ExternalId::from_kept(text)
}

impl Bench {
    fn new(batch: usize) -> Self {
        let source = MemorySource::new(SourceId::new("t", "main-st").unwrap(), 10);
        let sink = MemorySink::new(
            SinkId::new("mem", "main-st").unwrap(),
            NonZeroUsize::new(batch).unwrap(),
        );
        Self {
            source: Arc::new(source),
            sink: Arc::new(sink),
            store: Arc::new(MemoryStore::new()),
            clock: TestClock::at(noon()),
        }
    }

    fn pipeline(&self) -> Pipeline {
        let office = Office::new(
            OfficeId::new("main-st").unwrap(),
            "Main Street",
            chrono_tz::America::New_York,
        );
        Pipeline::builder(self.source.clone())
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(self.sink.clone())
            .state(self.store.clone())
            .office(office)
            .clock(Arc::new(self.clock.clone()))
            .schedule(Schedule::default().with_retry_max(Duration::from_secs(2)))
            .build()
            .unwrap()
    }

    async fn run(&self) -> RunReport {
        loop {
            match self.pipeline().run_once(Mode::Live).await {
                Ok(report) => return report,
                // A run that a test dropped may still have been opening.
                Err(error) if error.kind() == ErrorKind::Superseded => {}
                Err(error) => panic!("{}", error.chain()),
            }
        }
    }

    /// A run a day later, so that everything is listed again.
    async fn sweep(&self) -> RunReport {
        self.clock.advance(Duration::from_secs(24 * 3600));
        self.run().await
    }

    fn seed(&self, people: u32) {
        for n in 1..=people {
            self.source.put(Record::Patient(patient(&n.to_string())));
            self.source.put(Record::Recall(recall(
                &format!("r{n}"),
                &n.to_string(),
                Some(day(-1)),
            )));
        }
    }
}

fn renamed(key: &str, name: &str) -> Record {
    let mut person = patient(key);
    person.first_name = name.to_owned().into();
    Record::Patient(person)
}

#[tokio::test]
async fn a_first_run_sends_everything_and_a_second_nothing() {
    for batch in [1, 7] {
        let b = Bench::new(batch);
        b.seed(25);
        let first = b.run().await;
        assert_eq!(
            (first.read, first.changed, first.sent, first.complete),
            (50, 50, 50, true),
            "{first:?}"
        );
        assert_eq!((b.sink.contacts().len(), b.sink.tasks().len()), (25, 25));
        let second = b.run().await;
        assert_eq!((second.sent, second.households), (0, 0));
        let swept = b.sweep().await;
        assert_eq!((swept.read, swept.changed, swept.sent), (50, 0, 0));
        assert_eq!(b.sink.writes(), (50, 0));
    }
}

#[tokio::test]
async fn only_what_changed_is_sent() {
    let b = Bench::new(1);
    b.seed(25);
    b.run().await;
    b.source.put(renamed("3", "Nora"));
    let report = b.run().await;
    assert_eq!((report.changed, report.households, report.sent), (1, 1, 1));
    assert_eq!(
        b.sink.contacts()[&id("t:main-st:3")].first_name.expose(),
        "Nora"
    );
}

#[tokio::test]
async fn a_value_that_goes_there_and_back_is_sent_three_times() {
    let b = Bench::new(1);
    for name in ["Ana", "Nora", "Ana"] {
        b.source.put(renamed("1", name));
        assert_eq!(b.run().await.sent, 1);
    }
    // Three writes, none of which the receiver could take for a repeat.
    assert_eq!(b.sink.writes(), (3, 0));
}

#[tokio::test]
async fn contacts_are_written_before_their_tasks() {
    let b = Bench::new(4);
    b.seed(30);
    b.run().await;
    let log = b.sink.log();
    for n in 1..=30 {
        let at = |text: String| log.iter().position(|id| id.as_str() == text).unwrap();
        assert!(at(format!("t:main-st:{n}")) < at(format!("trecall:main-st:r{n}")));
    }
}

#[tokio::test]
async fn a_lost_reply_costs_one_repeat_and_no_duplicate() {
    let b = Bench::new(5);
    b.seed(10);
    b.sink
        .fail([SinkFault::Lost, SinkFault::Down, SinkFault::Lost]);
    let report = b.run().await;
    assert!(report.complete, "{report:?}");
    assert_eq!((b.sink.contacts().len(), b.sink.tasks().len()), (10, 10));
    let (writes, rewrites) = b.sink.writes();
    // Two calls of at most five ops took effect without an answer.
    assert!(
        writes == 20 + rewrites && (5..=10).contains(&rewrites),
        "{writes} {rewrites}"
    );
    assert_eq!(b.run().await.sent, 0);
}

#[tokio::test]
async fn a_refused_contact_waits_alone_and_goes_when_it_is_mended() {
    let b = Bench::new(3);
    b.seed(10);
    let poor = id("t:main-st:4");
    b.sink.refuse(&poor, true);
    let report = b.run().await;
    assert!(report.complete);
    assert_eq!((b.sink.contacts().len(), b.sink.tasks().len()), (9, 9));
    assert_eq!((report.refused, report.blocked, report.waiting), (1, 1, 0));
    assert!(
        report
            .parked
            .iter()
            .any(|parked| parked.external_id == poor && parked.reason.contains("422"))
    );
    // It is not tried again by itself.
    let writes = b.sink.writes();
    b.sweep().await;
    assert_eq!(b.sink.writes(), writes);
    // The practice mends it.
    b.sink.refuse(&poor, false);
    b.source.put(renamed("4", "Mended"));
    let report = b.run().await;
    assert_eq!((report.sent, report.refused, report.blocked), (2, 0, 0));
    assert_eq!(b.sink.tasks().len(), 10);
}

#[tokio::test]
async fn a_revoked_token_stops_the_sink_and_parks_nobody() {
    let b = Bench::new(1);
    b.seed(10);
    b.sink.fail([SinkFault::BadToken]);
    let report = b.run().await;
    assert!(!report.complete);
    assert_eq!((report.sent, report.waiting + report.refused), (0, 0));
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.contains("token")),
        "{:?}",
        report.problems
    );
    assert_eq!(b.run().await.sent, 20);
}

#[tokio::test]
async fn a_dead_source_does_not_stop_delivering_what_is_known() {
    let b = Bench::new(1);
    b.seed(10);
    b.sink.fail([SinkFault::BadToken]);
    b.run().await;
    b.source.fail([SourceFault::BadKey]);
    let report = b.run().await;
    assert!(!report.complete);
    assert_eq!(report.sent, 20);
}

#[tokio::test]
async fn before_the_first_import_has_ended_nothing_is_sent() {
    let b = Bench::new(1);
    b.seed(10);
    b.source.fail([SourceFault::BadKey]);
    assert_eq!(b.run().await.sent, 0);
    assert_eq!(b.sink.requests_made(), 0);
}

trait Requests {
    fn requests_made(&self) -> u64;
}

impl Requests for MemorySink {
    fn requests_made(&self) -> u64 {
        odx_core::sink::CrmSink::requests(self)
    }
}

#[tokio::test]
async fn failures_of_the_source_are_waited_out_and_lose_nothing() {
    let b = Bench::new(1);
    b.seed(40);
    b.source.fail([
        SourceFault::Down,
        SourceFault::Cut,
        SourceFault::SlowDown(Some(Duration::from_secs(86_400))),
        SourceFault::SlowDown(None),
    ]);
    let report = b.run().await;
    assert!(report.complete);
    assert_eq!(b.sink.contacts().len(), 40);
    // A day was asked for; the cap of all back-offs is two seconds.
    assert!(
        report.finished - report.started < TimeDelta::seconds(10),
        "{report:?}"
    );
}

#[tokio::test]
async fn an_expired_cursor_starts_over_and_sends_nothing_twice() {
    let b = Bench::new(1);
    b.seed(10);
    b.run().await;
    b.source.fail([SourceFault::Forgot]);
    let report = b.run().await;
    assert_eq!(
        (report.read, report.changed, report.sent, report.complete),
        (20, 0, 0, true)
    );
}

#[tokio::test]
async fn a_recall_moves_to_the_next_segment_on_its_day_with_no_event_at_all() {
    let b = Bench::new(1);
    b.source.put(Record::Patient(patient("1")));
    b.source
        .put(Record::Recall(recall("r1", "1", Some(day(40)))));
    b.run().await;
    let mut seen = Vec::new();
    for _ in 0..500 {
        b.clock.advance(Duration::from_secs(24 * 3600));
        let report = b.run().await;
        if report.sent > 0 {
            let tags = &b.sink.contacts()[&id("t:main-st:1")].tags;
            seen.push((
                (b.clock_now() - noon()).num_days(),
                tags.last().unwrap().clone(),
            ));
            // Looked at on exactly that day, not every day.
            assert_eq!(report.households, 1);
        } else {
            assert_eq!(report.households, 0);
        }
    }
    let expected = [
        (10, "odx-recall-due-soon"),
        (40, "odx-recall-due-now"),
        (70, "odx-recall-overdue"),
        (405, "odx-recall-lapsed"),
    ];
    assert_eq!(seen, expected.map(|(day, tag)| (day, tag.to_owned())));
}

impl Bench {
    fn clock_now(&self) -> DateTime<Utc> {
        odx_core::clock::Clock::now(&self.clock)
    }
}

#[tokio::test]
async fn a_recall_that_vanished_closes_its_task_after_two_listings() {
    let b = Bench::new(1);
    b.seed(30);
    b.run().await;
    b.source.vanish(RecordKind::Recall, "r7");
    assert_eq!(b.sweep().await.gone, 0);
    let report = b.sweep().await;
    assert_eq!((report.gone, report.sent), (1, 2));
    assert_eq!(report.skipped[&Skip::RecallGone], 1);
    let task = &b.sink.tasks()[&id("trecall:main-st:r7")];
    assert_eq!(task.status, TaskStatus::Cancelled);
    assert_eq!(b.sink.contacts()[&id("t:main-st:7")].tags, ["odx-active"]);
    assert_eq!(b.sweep().await.sent, 0);
}

#[tokio::test]
async fn a_listing_that_goes_blind_retires_nobody() {
    let b = Bench::new(1);
    b.seed(100);
    b.run().await;
    b.source.hide(true);
    for _ in 0..3 {
        let report = b.sweep().await;
        assert_eq!((report.gone, report.sent), (0, 0));
    }
    let report = b.sweep().await;
    assert_eq!(report.held, 200);
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.contains("brake")),
        "{:?}",
        report.problems
    );
}

#[tokio::test]
async fn one_bad_row_hides_nobody() {
    let b = Bench::new(1);
    b.seed(5);
    b.source.set_bad(vec![BadRecord::new(
        RecordKind::Patient,
        Some("99"),
        "unknown status",
        b"x",
    )]);
    let report = b.run().await;
    assert_eq!(
        (report.unreadable, report.sent, report.complete),
        (1, 10, true)
    );
}

#[tokio::test]
async fn a_dry_run_plans_everything_and_sends_nothing() {
    let b = Bench::new(1);
    b.seed(600);
    let plan = b.pipeline().run_once(Mode::DryRun).await.unwrap();
    assert_eq!((plan.sent, plan.households), (1200, 600));
    assert_eq!(b.sink.requests_made(), 0);
    assert_eq!(b.run().await.sent, 1200);
    assert_eq!(b.pipeline().run_once(Mode::DryRun).await.unwrap().sent, 0);
}

fn consenting(key: &str, yes: bool) -> Patient {
    let mut person = patient(key);
    person.consent = vec![Statement {
        channel: Channel::Sms,
        permission: if yes {
            Permission::Granted
        } else {
            Permission::Denied
        },
        origin: Origin::Practice,
        on: None,
    }];
    person
}

#[tokio::test]
async fn a_stop_in_the_crm_is_told_back_and_a_yes_of_the_practice_does_not_lift_it() {
    let b = Bench::new(1);
    b.source.put(Record::Patient(consenting("1", true)));
    b.run().await;
    let sms = || b.sink.contacts()[&id("t:main-st:1")].consent.sms;
    assert_eq!(sms(), ConsentState::Granted);
    let stop = Suppression {
        target: Target::Phone(Phone::parse("503-555-0123").unwrap()),
        channel: Some(Channel::Sms),
        reason: "stop".to_owned(),
    };
    b.sink.set_stops(vec![stop]);
    assert_eq!(b.run().await.sent, 1);
    assert_eq!(sms(), ConsentState::Denied);
    b.sink.set_stops(vec![]);
    b.source.put(Record::Patient(consenting("1", false)));
    b.run().await;
    b.source.put(Record::Patient(consenting("1", true)));
    b.run().await;
    assert_eq!(sms(), ConsentState::Denied);
}

#[tokio::test]
async fn following_delivers_changes_and_stops_when_told() {
    let b = Bench::new(1);
    b.seed(10);
    let pipeline = b.pipeline();
    let (shutdown, stop) = Shutdown::new();
    let watch = async {
        while b.sink.tasks().len() < 10 {
            tokio::task::yield_now().await;
        }
        b.source.put(renamed("3", "Nora"));
        b.sink
            .fail([SinkFault::Down, SinkFault::BadToken, SinkFault::Lost]);
        b.source.fail([SourceFault::Down]);
        while b.sink.contacts()[&id("t:main-st:3")].first_name.expose() != "Nora" {
            tokio::task::yield_now().await;
        }
        shutdown.stop();
    };
    let both = async { tokio::join!(pipeline.run(stop), watch) };
    let (ran, ()) = tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .unwrap();
    ran.unwrap();
}

#[tokio::test]
async fn a_state_that_goes_there_and_back_around_a_lost_reply_ends_where_it_is() {
    for (fault, store) in [(SinkFault::Lost, false), (SinkFault::Lost, true)] {
        let mut b = Bench::new(1);
        let folder = tempfile::tempdir().unwrap();
        if store {
            b.store = Arc::new(SqliteStore::open(folder.path().join("odx.sqlite")).unwrap());
        }
        b.source.put(renamed("1", "Ana"));
        b.run().await;
        b.source.put(renamed("1", "Nora"));
        b.sink.fail([fault, SinkFault::BadToken]);
        // It arrives, but nobody knows.
        let report = b.run().await;
        assert_eq!((report.sent, report.complete), (0, false));
        assert_eq!(
            b.sink.contacts()[&id("t:main-st:1")].first_name.expose(),
            "Nora"
        );
        b.source.put(renamed("1", "Ana"));
        assert_eq!(b.run().await.sent, 1);
        assert_eq!(
            b.sink.contacts()[&id("t:main-st:1")].first_name.expose(),
            "Ana"
        );
        // None of the three could be taken for a repeat of another.
        assert_eq!(b.sink.writes(), (3, 0));
        assert_eq!(b.run().await.sent, 0);
    }
}

#[tokio::test]
async fn a_task_that_waited_for_its_contact_goes_even_if_the_run_ends_right_after_the_contact() {
    let b = Bench::new(1);
    b.seed(1);
    // The contact waits, and its task waits for it.
    b.sink.fail([SinkFault::NotNow, SinkFault::BadToken]);
    let report = b.run().await;
    assert_eq!(
        (report.waiting, report.blocked, report.complete),
        (1, 1, false)
    );
    // The contact arrives, then the token dies before its task was sent.
    b.clock.advance(Duration::from_secs(10));
    b.sink.fail([SinkFault::None, SinkFault::BadToken]);
    let report = b.run().await;
    assert_eq!((report.sent, report.complete), (1, false));
    assert_eq!(b.run().await.sent, 1);
    assert_eq!(b.sink.tasks().len(), 1);
}

/// The scenarios that hold for any vendor. Here records are states, and not a
/// queue of versions: the newest state of each is what there is to send.
#[tokio::test]
async fn every_scenario_of_any_vendor_comes_out() {
    let whole: serde_json::Value =
        serde_json::from_str(include_str!("fixtures/batch_scenarios.json")).unwrap();
    let cases = whole["cases"].as_array().unwrap();
    for case in cases {
        match case["name"].as_str().unwrap() {
            "same record twice in one flush" => {
                let b = Bench::new(7);
                for (key, name) in [("1", "Ana"), ("2", "Bo"), ("1", "Anna")] {
                    b.source.put(renamed(key, name));
                }
                b.run().await;
                let log = b.sink.log();
                let expected: Vec<_> = case["expect_sent"].as_array().unwrap().iter().collect();
                assert_eq!(log.len(), expected.len());
                let name = &b.sink.contacts()[&id("t:main-st:1")].first_name;
                assert_eq!(name.expose(), "Anna");
            }
            "older version arrives after a newer one was applied" => {
                // A feed tells what a row is now; only a delivery can be older, and then says nothing.
                let b = Bench::new(7);
                b.source.put(renamed("1", "New"));
                b.run().await;
                let before = b.sink.writes().0;
                b.source.put(renamed("1", "New"));
                b.run().await;
                assert_eq!(b.sink.writes().0, before);
                assert_eq!(case["expect"]["od:1001:1"], "skipped:stale");
            }
            "task waits for its contact" => {
                let b = Bench::new(7);
                b.seed(1);
                b.sink.refuse(&id("t:main-st:1"), true);
                let blocked = b.run().await;
                assert_eq!((blocked.refused, blocked.blocked), (1, 1));
                b.sink.refuse(&id("t:main-st:1"), false);
                b.source.put(renamed("1", "Mended"));
                b.run().await;
                assert_eq!(b.sink.log(), [id("t:main-st:1"), id("trecall:main-st:r1")]);
            }
            "one office throttled does not stop another" => {
                let (slow, fine) = (Bench::new(1), Bench::new(1));
                slow.seed(3);
                fine.seed(3);
                slow.sink.fail(vec![
                    SinkFault::SlowDown(Some(Duration::from_secs(3600)));
                    9
                ]);
                let (_, report) = tokio::join!(slow.run(), fine.run());
                assert!(report.complete && report.sent == 6);
            }
            other => panic!("nobody knows {other}"),
        }
    }
    assert_eq!(cases.len(), 4);
}
