//! A practice, its CRM and its gateways in memory, on a clock of the test's own.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use odx_core::engine::{Mode, Pipeline, RunReport, Schedule};
use odx_core::model::{
    Appointment, AppointmentStatus, Channel, Email, Origin, Patient, Permission, Phone, Record,
    Statement,
};
use odx_core::outreach::{Guard, MessageGateway, Outreach, OutreachSettings};
use odx_core::policy::{Reactivation, RecallPolicy, RecallSettings, Reviews};
use odx_core::store::{MemoryStore, StateStore};
use odx_core::testkit::{
    MemoryGateway, MemorySink, MemorySource, Sent, TestClock, patient, recall,
};
use odx_core::{AppointmentKey, HouseholdKey, Office, OfficeId, PatientKey, Phi, SinkId, SourceId};

pub(crate) struct Bench {
    pub(crate) source: Arc<MemorySource>,
    pub(crate) sink: Arc<MemorySink>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) clock: TestClock,
    pub(crate) texts: Arc<MemoryGateway>,
    pub(crate) mails: Arc<MemoryGateway>,
    pub(crate) settings: OutreachSettings,
    pub(crate) policy: RecallSettings,
}

/// A Friday, noon at the office.
pub(crate) fn noon() -> DateTime<Utc> {
    "2026-11-20T17:00:00Z".parse().unwrap()
}

pub(crate) fn day(offset: i64) -> NaiveDate {
    noon().date_naive() + TimeDelta::days(offset)
}

pub(crate) fn source_id() -> SourceId {
    SourceId::new("t", "main-st").unwrap()
}

/// No hold and no cap of first days, unless a test is about them.
pub(crate) fn unguarded() -> Guard {
    let mut guard = Guard::default();
    guard.first_days = 0;
    guard.floor = 1_000_000;
    guard
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Arc::new(MemoryStore::new()))
    }

    pub(crate) fn with(store: Arc<dyn StateStore>) -> Self {
        let clock = TestClock::at(noon());
        let gateway = |name: &str, channel| {
            let id = SinkId::new(name, "main-st").unwrap();
            Arc::new(MemoryGateway::new(id, channel, Arc::new(clock.clone())))
        };
        let sink = MemorySink::new(
            SinkId::new("mem", "main-st").unwrap(),
            NonZeroUsize::new(50).unwrap(),
        );
        let mut settings = OutreachSettings::default();
        settings.guard = unguarded();
        settings.gate.yes_is_written = true;
        settings.identity.phone = Some("503-555-0100".to_owned());
        settings.identity.review_link = Some("https://smiles.example/review".to_owned());
        settings.identity.unsubscribe_link = Some("https://smiles.example/u/{token}".to_owned());
        settings.identity.postal_address = Some("1 Main Street, Springfield".to_owned());
        Self {
            source: Arc::new(MemorySource::new(source_id(), 50)),
            sink: Arc::new(sink),
            store,
            texts: gateway("texts", Channel::Sms),
            mails: gateway("mail", Channel::Email),
            clock,
            settings,
            policy: RecallSettings::default()
                .with_reactivation(Some(Reactivation::after_days(548).until_days(Some(1500))))
                .with_reviews(Some(Reviews::default())),
        }
    }

    pub(crate) fn pipeline(&self) -> Pipeline {
        let office = Office::new(
            OfficeId::new("main-st").unwrap(),
            "Bright Smiles",
            chrono_tz::America::New_York,
        );
        let gateways: Vec<Arc<dyn MessageGateway>> = vec![self.texts.clone(), self.mails.clone()];
        let outreach = Outreach::by_gateways(self.settings.clone(), gateways, Vec::new()).unwrap();
        Pipeline::builder(self.source.clone())
            .policy(RecallPolicy::new(self.policy.clone()).unwrap())
            .sink(self.sink.clone())
            .state(self.store.clone())
            .office(office)
            .clock(Arc::new(self.clock.clone()))
            .schedule(Schedule::default().with_retry_max(Duration::from_secs(60)))
            .outreach(outreach)
            .build()
            .unwrap()
    }

    pub(crate) async fn run(&self) -> RunReport {
        self.run_as(Mode::Live).await
    }

    pub(crate) async fn run_as(&self, mode: Mode) -> RunReport {
        match self.pipeline().run_once(mode).await {
            Ok(report) => report,
            Err(error) => panic!("{}", error.chain()),
        }
    }

    /// A run so much later.
    pub(crate) async fn later(&self, by: TimeDelta) -> RunReport {
        self.clock.advance(by.to_std().unwrap());
        self.run().await
    }

    pub(crate) fn put(&self, person: Patient) {
        self.source.put(Record::Patient(person));
    }

    /// A recall of this patient, due so many days from now.
    pub(crate) fn due(&self, key: &str, patient: &str, offset: i64) {
        let mut record = recall(key, patient, Some(day(offset)));
        record.previous = Some(day(offset - 180));
        self.source.put(Record::Recall(record));
    }

    /// A visit of this patient that began so many hours ago.
    pub(crate) fn visit(
        &self,
        key: &str,
        patient: &str,
        hours_ago: i64,
        status: AppointmentStatus,
    ) {
        let office = chrono_tz::America::New_York;
        let start = (noon() - TimeDelta::hours(hours_ago)).with_timezone(&office);
        self.source.put(Record::Appointment(Appointment {
            key: AppointmentKey::new(key),
            patient: PatientKey::new(patient),
            status,
            missed: false,
            start: Some(start.naive_local()),
            minutes: Some(30),
            hygiene: true,
            clinic: None,
            provider: None,
            operatory: None,
            labels: Vec::new(),
        }));
    }

    /// Everything that went out, by recipient.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        let mut all = self.texts.sent();
        all.extend(self.mails.sent());
        all.sort_by(|a, b| (a.at, &a.to).cmp(&(b.at, &b.to)));
        all
    }

    /// To whom everything went.
    pub(crate) fn recipients(&self) -> Vec<String> {
        self.sent().into_iter().map(|sent| sent.to).collect()
    }
}

/// A number from the range reserved for fiction.
pub(crate) fn number(n: u32) -> String {
    format!("+1503555{:04}", 100 + n % 100)
}

/// An adult who agreed to texts, with a number of their own.
pub(crate) fn adult(key: u32) -> Patient {
    let mut person = patient(&key.to_string());
    person.born = Some(Phi::new("1980-05-05".parse().unwrap()));
    person.mobile = Phone::parse(&number(key)).ok();
    person.email = Email::parse(&format!("p{key}@smile.co")).ok();
    person.consent = vec![yes()];
    person
}

/// A child of this guarantor.
pub(crate) fn child(key: u32, guarantor: u32) -> Patient {
    let mut person = adult(key);
    person.born = Some(Phi::new("2018-05-05".parse().unwrap()));
    person.household = HouseholdKey::new(guarantor.to_string());
    person
}

pub(crate) fn yes() -> Statement {
    Statement {
        channel: Channel::Sms,
        permission: Permission::Granted,
        origin: Origin::Practice,
        on: None,
    }
}

pub(crate) fn no() -> Statement {
    Statement {
        permission: Permission::Denied,
        ..yes()
    }
}
