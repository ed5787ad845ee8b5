//! An office over a real driver, into a CRM: reader, adapter, state and policy together.

use std::num::NonZeroUsize;
use std::sync::Arc;

use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::store::MemoryStore;
use odx_core::testkit::{MemorySink, TestClock};
use odx_core::{Mode, Office as Practice, OfficeId, Pipeline, RunReport, Secret, SinkId, SourceId};
use odx_dentrix::table::Table;
use odx_dentrix::{Builder, Dentrix, OdbcSettings, SYSTEM, Way};

use super::rig::program;
use super::sqlite::Office;

const PATIENTS: &str = "SELECT patient_id, patient_guid, last_name, first_name, mi, preferred_name, guar_id, guar_guid, \
    home_phone, work_phone, mobile_phone, chart_num, pri_provider_id, status, birth_date, first_visit_date, \
    last_visit_date, email, privacy_flags FROM v_patient";

struct Whole {
    office: Office,
    sink: Arc<MemorySink>,
    store: Arc<MemoryStore>,
    clock: TestClock,
}

fn practice() -> Practice {
    let id = OfficeId::new("provo").unwrap();
    Practice::new(id, "Canyon View Dental", chrono_tz::America::Denver)
}

impl Whole {
    fn new() -> Self {
        Self {
            office: Office::new(),
            sink: Arc::new(MemorySink::new(
                SinkId::new("rest", "provo").unwrap(),
                NonZeroUsize::new(50).unwrap(),
            )),
            store: Arc::default(),
            // The frozen day of the fixtures.
            clock: TestClock::at("2025-11-03T16:00:00Z".parse().unwrap()),
        }
    }

    fn settings(&self) -> OdbcSettings {
        let mut settings = OdbcSettings::new(Secret::new(self.office.connection()));
        settings.sql = [
            (Table::Patients, PATIENTS),
            (Table::Recalls, "SELECT * FROM v_patient_recall"),
            (Table::Appointments, "SELECT * FROM v_appt"),
        ]
        .map(|(table, sql)| (table, sql.to_owned()))
        .into();
        settings
    }

    fn builder(&self, settings: OdbcSettings) -> Builder {
        Dentrix::builder(
            SourceId::new(SYSTEM, "provo").unwrap(),
            practice(),
            Way::Odbc(settings),
            Arc::new(program(self.office.drivers())),
        )
        .with_clock(Arc::new(self.clock.clone()))
        .with_page(7)
    }

    async fn run_as(&self, builder: Builder) -> RunReport {
        let pipeline = Pipeline::builder(Arc::new(builder.build().unwrap()))
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(self.sink.clone())
            .state(self.store.clone())
            .office(practice())
            .clock(Arc::new(self.clock.clone()))
            .build()
            .unwrap();
        pipeline.run_once(Mode::Live).await.unwrap()
    }

    async fn run(&self) -> RunReport {
        self.run_as(self.builder(self.settings())).await
    }
}

#[tokio::test]
async fn an_office_arrives_once_and_the_second_run_sends_nothing() {
    let b = Whole::new();
    let first = b.run().await;
    assert!(first.complete, "{:?}", first.problems);
    // Of 25 people one is archived, and one wants to be told to nobody.
    assert_eq!(b.sink.contacts().len(), 23);
    let tasks = b.sink.tasks().len();
    assert!(tasks > 15, "{tasks}");
    let writes = b.sink.writes();
    let second = b.run().await;
    assert_eq!((second.sent, b.sink.writes()), (0, writes));
    // A child is of its guarantor's household, who is no patient.
    let contacts = b.sink.contacts();
    let household = |first: &str| {
        let found = contacts
            .values()
            .find(|one| one.first_name.expose() == first);
        found.unwrap().household_external_id.clone()
    };
    assert_eq!(household("Sofia"), household("Linda"));
    assert_ne!(household("Sofia"), household("Grace"));
}

#[tokio::test]
async fn a_thin_read_retires_nobody_until_a_person_releases_it() {
    let b = Whole::new();
    b.run().await;
    let (contacts, tasks) = (b.sink.contacts(), b.sink.tasks());
    b.office
        .run("DELETE FROM t_recall WHERE recall_rec_id > 5008");
    // Everything is read once a day.
    b.clock.advance(std::time::Duration::from_secs(25 * 3600));
    for _ in 0..3 {
        let thin = b.run().await;
        assert!(!thin.complete);
        let told = thin.problems.join(" ");
        assert!(
            told.contains("recalls has 9 rows where 27 are usual") && told.contains("release"),
            "{told}"
        );
    }
    assert_eq!((b.sink.contacts(), b.sink.tasks()), (contacts, tasks));
    let released = b.builder(b.settings()).with_release(true);
    assert!(b.run_as(released).await.complete);
}

#[tokio::test]
async fn a_query_that_loses_its_privacy_column_stops_with_the_column_named() {
    let b = Whole::new();
    b.run().await;
    let writes = b.sink.writes();
    let mut settings = b.settings();
    let sql = PATIENTS.replace(", privacy_flags", "");
    settings.sql.insert(Table::Patients, sql);
    let report = b.run_as(b.builder(settings)).await;
    let told = report.problems.join(" ");
    assert!(
        !report.complete && told.contains("no column for privacy"),
        "{told}"
    );
    assert_eq!(b.sink.writes(), writes);
}

/// The same people from reports: nobody is made anew when an office moves.
#[cfg(feature = "exports")]
#[tokio::test]
async fn people_have_one_name_over_odbc_and_from_exports() {
    use odx_dentrix::ExportSettings;

    let b = Whole::new();
    b.run().await;
    let over_odbc = b.sink.contacts();
    let folder = tempfile::tempdir().unwrap();
    for name in ["patient_list.csv", "recall.csv", "appointments.csv"] {
        std::fs::copy(super::rig::fixture(name), folder.path().join(name)).unwrap();
    }
    let other = Whole::new();
    let mut settings = ExportSettings::new(folder.path());
    settings.settle = std::time::Duration::ZERO;
    let exports = |other: &Whole| {
        Dentrix::builder(
            SourceId::new(SYSTEM, "provo").unwrap(),
            practice(),
            Way::Exports(settings.clone()),
            Arc::new(program(other.office.drivers())),
        )
        // The files are from when they were copied, the day is the fixtures'.
        .with_clock(Arc::new(odx_core::clock::SystemClock))
        .with_release(true)
    };
    let first = other.run_as(exports(&other)).await;
    assert!(first.complete, "{:?}", first.problems);
    let from_exports = other.sink.contacts();
    let names = |contacts: &std::collections::BTreeMap<_, _>| {
        contacts
            .keys()
            .cloned()
            .collect::<Vec<odx_core::ExternalId>>()
    };
    assert_eq!(names(&from_exports), names(&over_odbc));
    assert_eq!(
        other.sink.tasks().keys().collect::<Vec<_>>(),
        b.sink.tasks().keys().collect::<Vec<_>>()
    );
    // The same files once more send nothing, and are put away.
    let writes = other.sink.writes();
    let second = other.run_as(exports(&other)).await;
    assert_eq!((second.sent, other.sink.writes()), (0, writes));
    let left = std::fs::read_dir(folder.path()).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["done"]);
}
