//! What the rules, the model and the switched-off rules share: an office whose
//! practice, CRM, store and clock do as they are told.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its part, and what is wrong here must fail loudly"
)]

pub(crate) mod crm;
pub(crate) mod silence;
pub(crate) mod spy;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use odx_core::clock::Clock;
use odx_core::engine::{Mode, Pipeline, RunReport, Schedule};
use odx_core::model::{Channel, Origin, Patient, Permission, Record, Statement};
use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::store::{Brake, DueQuery, MemoryStore, SqliteStore, StateStore};
use odx_core::testkit::{MemorySource, SourceFault, TestClock, patient, recall};
use odx_core::{ExternalId, ExternalIds, IdScheme, Office, OfficeId, Result, SourceId};

use crm::Crm;
use spy::Spy;

pub(crate) fn noon() -> DateTime<Utc> {
    "2026-11-20T17:00:00Z".parse().unwrap()
}

pub(crate) fn day(offset: i64) -> NaiveDate {
    noon().date_naive() + TimeDelta::days(offset)
}

/// Which store a test is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
}

/// A store of that kind; a file in `folder`.
pub(crate) fn store(kind: Kind, folder: &Path) -> Arc<dyn StateStore> {
    match kind {
        Kind::Memory => Arc::new(MemoryStore::new()),
        Kind::Sqlite => Arc::new(SqliteStore::open(folder.join("odx.sqlite")).unwrap()),
    }
}

/// The clock of a runtime whose time stands still unless everybody waits.
#[derive(Debug)]
struct Paused(tokio::time::Instant);

#[async_trait]
impl Clock for Paused {
    fn now(&self) -> DateTime<Utc> {
        noon() + self.0.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "this is a clock")]
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

pub(crate) struct Bench {
    pub(crate) name: &'static str,
    pub(crate) source: Arc<MemorySource>,
    pub(crate) crm: Arc<Crm>,
    pub(crate) store: Arc<Spy>,
    pub(crate) clock: TestClock,
    engine_clock: Arc<dyn Clock>,
    pub(crate) brake: Brake,
    pub(crate) retry_max: Duration,
    pub(crate) rows_together: usize,
}

impl Bench {
    pub(crate) fn new(name: &'static str, store: Arc<dyn StateStore>, batch: usize) -> Self {
        let clock = TestClock::at(noon());
        let engine_clock: Arc<dyn Clock> = Arc::new(clock.clone());
        Self {
            name,
            source: Arc::new(MemorySource::new(SourceId::new("t", name).unwrap(), 10)),
            crm: Arc::new(Crm::new(name, batch, Arc::clone(&engine_clock))),
            store: Arc::new(Spy::on(store)),
            clock,
            engine_clock,
            brake: Brake::default(),
            retry_max: Duration::from_secs(2),
            // Each page by itself: more moments at which something can happen.
            rows_together: 1,
        }
    }

    /// Two loops that wait side by side need a clock that both can wait for: that
    /// of a paused runtime.
    pub(crate) fn with_real_waits(mut self) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(Paused(tokio::time::Instant::now()));
        self.crm = Arc::new(Crm::new(self.name, 1, Arc::clone(&clock)));
        self.engine_clock = clock;
        self
    }

    pub(crate) fn pipeline(&self) -> Pipeline {
        let office = Office::new(
            OfficeId::new(self.name).unwrap(),
            self.name,
            chrono_tz::America::New_York,
        );
        Pipeline::builder(self.source.clone())
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(self.crm.clone())
            .state(self.store.clone())
            .office(office)
            .clock(Arc::clone(&self.engine_clock))
            .schedule(
                Schedule::default()
                    .with_retry_max(self.retry_max)
                    .with_rows_together(self.rows_together),
            )
            .brake(self.brake)
            .build()
            .unwrap()
    }

    pub(crate) async fn try_run(&self) -> Result<RunReport> {
        self.crm.next_run();
        self.pipeline().run_once(Mode::Live).await
    }

    pub(crate) async fn run(&self) -> RunReport {
        self.try_run().await.unwrap()
    }

    /// A run a day later, so that everything is listed again.
    pub(crate) async fn sweep(&self) -> RunReport {
        self.clock.advance(Duration::from_secs(24 * 3600));
        self.run().await
    }

    pub(crate) fn ids(&self) -> ExternalIds {
        let id = odx_core::source::PracticeSource::id(&*self.source).clone();
        ExternalIds::new(id, IdScheme::Scoped)
    }

    pub(crate) fn contact(&self, key: &str) -> ExternalId {
        self.ids().patient(&odx_core::PatientKey::new(key))
    }

    pub(crate) fn task(&self, key: &str) -> ExternalId {
        self.ids().recall(&odx_core::RecallKey::new(key))
    }

    /// People `1..=people`, each with a recall `r<key>` that is due.
    pub(crate) fn seed(&self, people: u32) {
        for n in 1..=people {
            self.put(&n.to_string(), "Ana");
            let key = format!("r{n}");
            self.source
                .put(Record::Recall(recall(&key, &n.to_string(), Some(day(-1)))));
        }
    }

    pub(crate) fn person(&self, key: &str, name: &str) -> Patient {
        let mut person = patient(key);
        person.first_name = name.to_owned().into();
        person.last_name = format!("{} patient", self.name).into();
        person
    }

    pub(crate) fn put(&self, key: &str, name: &str) {
        self.source.put(Record::Patient(self.person(key, name)));
    }

    /// So many pages are read, then reading fails.
    pub(crate) fn fail_reading(&self, pages: usize, faults: impl IntoIterator<Item = SourceFault>) {
        self.source.fail(vec![SourceFault::None; pages]);
        self.source.fail(faults);
    }

    /// Households that this office's sink still has to be told about now.
    pub(crate) async fn due(&self) -> Vec<String> {
        let now = self.clock.now();
        let query = DueQuery {
            source: odx_core::source::PracticeSource::id(&*self.source).clone(),
            sink: odx_core::sink::CrmSink::id(&*self.crm).clone(),
            ids: self.ids(),
            today: now.date_naive(),
            now,
            limit: 1000,
            after: None,
        };
        let due = self.store.due(&query).await.unwrap();
        due.iter()
            .map(|due| due.view.key.native().to_owned())
            .collect()
    }

    pub(crate) async fn standing(&self, id: &ExternalId) -> odx_core::store::Standing {
        let sink = odx_core::sink::CrmSink::id(&*self.crm);
        let standing = self.store.standing(sink, vec![id.clone()]).await.unwrap();
        standing.into_iter().next().unwrap()
    }

    /// The first name the CRM shows.
    pub(crate) fn name_of(&self, key: &str) -> String {
        let contacts = self.crm.contacts();
        let contact = contacts.get(&self.contact(key)).unwrap();
        contact.first_name.expose().clone()
    }
}

/// Whether texts are allowed, as the practice says.
pub(crate) fn consents(yes: bool) -> Vec<Statement> {
    vec![Statement {
        channel: Channel::Sms,
        permission: if yes {
            Permission::Granted
        } else {
            Permission::Denied
        },
        origin: Origin::Practice,
        on: None,
    }]
}

/// Polls a run so often, then drops it, as the end of a process would.
pub(crate) async fn cut_short<F: Future>(run: F, polls: usize) -> Option<F::Output> {
    let wait = async {
        for _ in 0..polls {
            tokio::task::yield_now().await;
        }
    };
    match futures::future::select(std::pin::pin!(run), std::pin::pin!(wait)).await {
        futures::future::Either::Left((output, _)) => Some(output),
        futures::future::Either::Right(_) => None,
    }
}
