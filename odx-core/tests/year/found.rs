//! What the year found, each as small as it can be.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use odx_core::crm::TaskStatus;
use odx_core::engine::{Mode, Pipeline, RunReport};
use odx_core::model::{
    Appointment, AppointmentStatus, Channel, Email, Patient, PatientStatus, Record,
};
use odx_core::outreach::{MessageGateway, Outreach, OutreachSettings};
use odx_core::policy::{Reactivation, RecallPolicy, RecallSettings, Reviews};
use odx_core::store::{MemoryStore, StateStore};
use odx_core::testkit::{MemorySink, MemorySource, TestClock, patient, recall};
use odx_core::{
    AppointmentKey, ExternalId, HouseholdKey, Office, OfficeId, PatientKey, SinkId, SourceId,
};
use tokio::sync::Notify;

use crate::gateway::{Fault, Recorder};

struct Small {
    source: Arc<MemorySource>,
    sink: Arc<MemorySink>,
    mails: Arc<Recorder>,
    store: Arc<dyn StateStore>,
    clock: TestClock,
    caps: (u32, u32),
    /// The process ends.
    ends: Arc<Notify>,
}

fn now() -> DateTime<Utc> {
    "2026-01-05T15:00:00Z".parse().unwrap()
}

fn day(offset: i64) -> NaiveDate {
    now().date_naive() + TimeDelta::days(offset)
}

fn visit(key: &str, patient: &str, status: AppointmentStatus, day: NaiveDate) -> Record {
    Record::Appointment(Appointment {
        key: AppointmentKey::new(key),
        patient: PatientKey::new(patient),
        status,
        missed: false,
        start: day.and_hms_opt(9, 0, 0),
        minutes: None,
        hygiene: false,
        clinic: None,
        provider: None,
        operatory: None,
        labels: Vec::new(),
    })
}

fn mailed(key: &str, status: PatientStatus) -> Patient {
    Patient {
        status,
        mobile: None,
        born: NaiveDate::from_ymd_opt(1980, 5, 1).map(Into::into),
        email: Email::parse(&format!("p{key}@mail.test-practice.com")).ok(),
        ..patient(key)
    }
}

impl Small {
    fn new() -> Self {
        let ends = Arc::new(Notify::new());
        Self {
            source: Arc::new(MemorySource::new(
                SourceId::new("t", "main-st").unwrap(),
                100,
            )),
            sink: Arc::new(MemorySink::new(
                SinkId::new("mem", "main-st").unwrap(),
                NonZeroUsize::MIN,
            )),
            mails: Arc::new(Recorder::new("mails", Channel::Email, ends.clone())),
            store: Arc::new(MemoryStore::new()),
            clock: TestClock::at(now()),
            caps: (1, 3),
            ends,
        }
    }

    fn pipeline(&self) -> Pipeline {
        let office = Office::new(
            OfficeId::new("main-st").unwrap(),
            "Main Street",
            chrono_tz::America::New_York,
        );
        let settings = RecallSettings::default()
            .with_reactivation(Some(Reactivation::after_days(548).until_days(Some(1500))))
            .with_reviews(Some(Reviews::default()));
        let mut reach = OutreachSettings::default();
        reach.guard.first_days = 0;
        (reach.gate.per_day, reach.gate.per_week) = self.caps;
        reach.identity.phone = Some("212-555-0100".to_owned());
        reach.identity.review_link = Some("https://book.test-practice.com/r".to_owned());
        reach.identity.unsubscribe_link = Some("https://book.test-practice.com/u".to_owned());
        reach.identity.postal_address = Some("1 Main Street, Springfield".to_owned());
        let mails: Arc<dyn MessageGateway> = self.mails.clone();
        Pipeline::builder(self.source.clone())
            .policy(RecallPolicy::new(settings).unwrap())
            .sink(self.sink.clone())
            .state(self.store.clone())
            .office(office)
            .clock(Arc::new(self.clock.clone()))
            .outreach(Outreach::by_gateways(reach, vec![mails], Vec::new()).unwrap())
            .build()
            .unwrap()
    }

    async fn run_after(&self, wait: Duration) -> RunReport {
        self.clock.advance(wait);
        self.pipeline().run_once(Mode::Live).await.unwrap()
    }

    async fn next_day(&self) -> RunReport {
        self.run_after(Duration::from_secs(24 * 3600)).await
    }

    fn task(&self, id: &str) -> TaskStatus {
        self.sink.tasks()[&ExternalId::from_kept(id)].status
    }
}

/// The only completed visit of a patient turns out not to have been one.
#[tokio::test]
async fn a_lapse_without_a_completed_visit_any_more_closes_its_task() {
    let b = Small::new();
    b.source
        .put(Record::Patient(mailed("1", PatientStatus::Active)));
    b.source
        .put(visit("a1", "1", AppointmentStatus::Complete, day(-600)));
    b.next_day().await;
    assert_eq!(b.task("treact:main-st:1"), TaskStatus::Open);
    b.source
        .put(visit("a1", "1", AppointmentStatus::Broken, day(-600)));
    b.next_day().await;
    assert_eq!(b.task("treact:main-st:1"), TaskStatus::Cancelled);
}

/// Two charts of one person, merged into the one that was put away long ago.
#[tokio::test]
async fn a_recall_that_moves_to_a_chart_that_no_crm_ever_saw_closes_its_task() {
    let b = Small::new();
    b.source
        .put(Record::Patient(mailed("1", PatientStatus::Active)));
    b.source
        .put(Record::Patient(mailed("2", PatientStatus::Archived)));
    b.source
        .put(Record::Recall(recall("r1", "1", Some(day(-1)))));
    b.next_day().await;
    assert_eq!(b.task("trecall:main-st:r1"), TaskStatus::Open);
    b.source
        .put(Record::Patient(mailed("1", PatientStatus::Archived)));
    b.source
        .put(Record::Recall(recall("r1", "2", Some(day(-1)))));
    b.next_day().await;
    // Under the contact that the CRM knows: it refuses a task of one that it does not.
    assert_eq!(b.task("trecall:main-st:r1"), TaskStatus::Cancelled);
    let report = b.next_day().await;
    assert_eq!((report.sent, report.parked.len()), (0, 0), "{report:?}");
}

/// A request that was lost on its way, and a provider that says so.
async fn lost<const N: usize>(b: &Small, how: [Fault; N]) -> usize {
    b.mails.script(how);
    tokio::select! {
        _ = b.next_day() => {}
        () = b.ends.notified() => {}
    }
    for _ in 0..8 {
        b.run_after(Duration::from_secs(15 * 60)).await;
    }
    b.mails.news().len()
}

#[tokio::test]
async fn a_recall_that_was_surely_not_sent_is_sent_again() {
    let b = Small::new();
    b.source
        .put(Record::Patient(mailed("1", PatientStatus::Active)));
    b.next_day().await;
    b.source
        .put(Record::Recall(recall("r1", "1", Some(day(-1)))));
    assert_eq!(lost(&b, [Fault::LostBefore]).await, 1);
}

#[tokio::test]
async fn a_review_request_that_may_have_been_sent_is_not_sent_again() {
    let b = Small::new();
    b.source
        .put(Record::Patient(mailed("1", PatientStatus::Active)));
    b.next_day().await;
    b.source
        .put(visit("a1", "1", AppointmentStatus::Complete, day(2)));
    // Also where the provider does not have it: a recall may be repeated once, a review request never.
    assert_eq!(lost(&b, [Fault::LostBefore]).await, 0);
}

/// Where nobody is told too much, both are told: the guarantor's own recall, and
/// that their child has not come for long.
#[tokio::test]
async fn a_recall_that_was_surely_not_sent_is_sent_again_beside_a_reactivation() {
    let mut b = Small::new();
    b.caps = (100, 100);
    b.source
        .put(Record::Patient(mailed("1", PatientStatus::Active)));
    b.next_day().await;
    let mut child = mailed("2", PatientStatus::Active);
    child.household = HouseholdKey::new("1");
    child.born = Some(day(-3000).into());
    b.source.put(Record::Patient(child));
    b.source
        .put(visit("a1", "2", AppointmentStatus::Complete, day(-600)));
    b.source
        .put(Record::Recall(recall("r1", "1", Some(day(-1)))));
    assert_eq!(lost(&b, [Fault::LostBefore]).await, 2);
}

/// A process that ended between its claim and its message.
#[tokio::test]
async fn a_recall_whose_process_ended_before_it_was_sent_is_sent() {
    for urgent in [false, true] {
        let b = Small::new();
        b.source
            .put(Record::Patient(mailed("1", PatientStatus::Active)));
        b.next_day().await;
        let mut due = recall("r1", "1", Some(day(-1)));
        due.urgent = urgent;
        b.source.put(Record::Recall(due));
        assert_eq!(lost(&b, [Fault::EndsBefore]).await, 1, "urgent {urgent}");
    }
}

/// And then there was no connection.
#[tokio::test]
async fn a_recall_that_was_surely_not_sent_is_sent_after_the_next_failure_too() {
    for how in [Fault::LostBefore, Fault::EndsBefore] {
        let b = Small::new();
        b.source
            .put(Record::Patient(mailed("1", PatientStatus::Active)));
        b.next_day().await;
        b.source
            .put(Record::Recall(recall("r1", "1", Some(day(-1)))));
        assert_eq!(lost(&b, [how, Fault::Down]).await, 1);
    }
}

/// There was no connection, and then the request was lost: once, as above.
#[tokio::test]
async fn a_recall_that_had_no_connection_before_it_was_lost_is_sent_again() {
    let b = Small::new();
    b.source
        .put(Record::Patient(mailed("1", PatientStatus::Active)));
    b.next_day().await;
    b.source
        .put(Record::Recall(recall("r1", "1", Some(day(-1)))));
    assert_eq!(lost(&b, [Fault::Down, Fault::LostBefore]).await, 1);
}
