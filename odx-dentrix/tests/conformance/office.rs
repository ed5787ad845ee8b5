//! An office that the checks can write to and break, whatever keeps its rows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use odx_core::model::{
    AppointmentStatus, PatientStatus, Permission, Recall, Record, RecordKey, RecordKind,
};
use odx_core::source::{
    Capabilities, Change, Cursor, Extent, Page, PracticeSource, Probe, PullRequest,
};
use odx_core::testkit::conformance::{SourceHarness, Supported};
use odx_core::testkit::{self, SourceFault};
use odx_core::{Office as Practice, OfficeId, PatientKey, RecallKey, Result, Secret, SourceId};
use odx_dentrix::table::Table;
use odx_dentrix::{Dentrix, Identity, OdbcSettings, Reader, SYSTEM, Way};

use crate::rows::{self, Row};

pub(crate) const PASSWORD: &str = "connection-canary";

/// Whatever keeps the rows.
pub(crate) trait Books: Clone + Send + Sync + 'static {
    fn open() -> Self;
    fn write(&self, table: Table, id: &str, row: Row);
    fn remove(&self, table: Table, id: &str);
    /// After so many good reads.
    fn break_after(&self, good: u64, fault: Option<SourceFault>);
    /// The next read will fail.
    fn is_broken(&self) -> bool;
    /// Reads so far.
    fn reads(&self) -> u64;
    fn reader(&self) -> Arc<dyn Reader>;
    /// How such an office is read.
    fn way(&self) -> Way {
        let connection =
            format!("DSN=c-treeACE ODBC Driver;Database=DentrixSQL;UID=odx;PWD={PASSWORD}");
        Way::Odbc(OdbcSettings::new(Secret::new(connection)))
    }
    /// Before every pass.
    fn publish(&self) {}
    /// What such an office lists whole.
    fn kinds() -> Vec<RecordKind> {
        vec![
            RecordKind::Patient,
            RecordKind::Recall,
            RecordKind::Appointment,
        ]
    }
    /// Whether such an office can fail like this.
    fn can_meet(_: SourceFault) -> bool {
        true
    }
}

/// The name of a recall as the adapter makes it, and as the checks gave it.
type Names = Arc<Mutex<BTreeMap<String, String>>>;

pub(crate) struct Office<B> {
    books: B,
    names: Names,
}

/// The adapter, whose recalls have the names that the checks gave them.
struct Named<B> {
    id: SourceId,
    books: B,
    names: Names,
    inner: Mutex<Arc<Dentrix>>,
}

impl<B> std::fmt::Debug for Named<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.inner)
    }
}

impl<B: Books> Named<B> {
    /// What was read before goes on being given out while the office is away. Such a client forgets it, as after a
    /// restart, so that it asks and notices.
    fn inner(&self) -> Arc<Dentrix> {
        let mut inner = self.inner.lock().unwrap();
        if self.books.is_broken() {
            *inner = Arc::new(adapter(self.books.way(), self.books.reader()));
        }
        Arc::clone(&inner)
    }
}

fn named(names: &Names, change: Change) -> Change {
    let names = names.lock().unwrap();
    let own = |native: &str| names.get(native).map_or(native, String::as_str).to_owned();
    match change {
        Change::Upsert(Record::Recall(mut recall)) => {
            recall.key = RecallKey::new(own(recall.key.native()));
            Change::Upsert(Record::Recall(recall))
        }
        Change::Unreadable(mut bad) if bad.kind == RecordKind::Recall => {
            bad.native = own(&bad.native);
            Change::Unreadable(bad)
        }
        other => other,
    }
}

#[async_trait]
impl<B: Books> PracticeSource for Named<B> {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        self.inner().capabilities()
    }

    async fn probe(&self) -> Result<Probe> {
        self.books.publish();
        self.inner().probe().await
    }

    async fn pull(&self, req: PullRequest) -> Result<Page> {
        let begins = |cursor: &Cursor| !cursor.as_str().contains("\"pass\"");
        if req.cursor.as_ref().is_none_or(begins) {
            self.books.publish();
        }
        let mut page = self.inner().pull(req).await?;
        let changes = page.changes.into_iter();
        page.changes = changes.map(|change| named(&self.names, change)).collect();
        Ok(page)
    }

    async fn refresh(&self, patient: &PatientKey) -> Result<Vec<Change>> {
        self.books.publish();
        let about = self.inner().refresh(patient).await?;
        let about = about.into_iter();
        Ok(about.map(|change| named(&self.names, change)).collect())
    }

    fn requests(&self) -> u64 {
        self.books.reads()
    }
}

fn place(key: &RecordKey) -> (Table, String) {
    let table = match key.kind() {
        RecordKind::Patient => Table::Patients,
        RecordKind::Recall => Table::Recalls,
        _ => Table::Appointments,
    };
    (table, key.native().to_owned())
}

fn adapter(way: Way, reader: Arc<dyn Reader>) -> Dentrix {
    let office = Practice::new(
        OfficeId::new("main-st").unwrap(),
        "Canyon View Dental",
        chrono_tz::America::Denver,
    );
    Dentrix::builder(
        SourceId::new(SYSTEM, "main-st").unwrap(),
        office,
        way,
        reader,
    )
    .with_identity(Identity::Id)
    // The checks delete half of a practice: a person has looked.
    .with_release(true)
    .with_page(5)
    .build()
    .unwrap()
}

impl<B: Books> Office<B> {
    /// Learns how the adapter calls this recall, from an office that has no other.
    async fn learn(&self, recall: &Recall) {
        let alone = crate::Memory::open();
        let (table, row) = rows::of(&Record::Recall(recall.clone()));
        alone.write(table, "1", row);
        let patient = testkit::patient(recall.patient.native());
        let (table, row) = rows::of(&Record::Patient(patient));
        alone.write(table, "1", row);
        let source = adapter(alone.way(), alone.reader());
        let about = source.refresh(&recall.patient).await.unwrap();
        let made = about.iter().find_map(|change| match change {
            Change::Upsert(Record::Recall(recall)) => Some(recall.key.native().to_owned()),
            _ => None,
        });
        let mut names = self.names.lock().unwrap();
        names.insert(made.unwrap(), recall.key.native().to_owned());
    }
}

#[async_trait]
impl<B: Books> SourceHarness for Office<B> {
    async fn start() -> Self {
        Self {
            books: B::open(),
            names: Names::default(),
        }
    }

    fn source(&self) -> Arc<dyn PracticeSource> {
        let source = adapter(self.books.way(), self.books.reader());
        Arc::new(Named {
            id: source.id().clone(),
            books: self.books.clone(),
            names: Arc::clone(&self.names),
            inner: Mutex::new(Arc::new(source)),
        })
    }

    async fn put(&self, record: Record) -> Result<()> {
        if let Record::Recall(recall) = &record {
            self.learn(recall).await;
        }
        let (table, row) = rows::of(&record);
        self.books.write(table, record.native(), row);
        Ok(())
    }

    async fn delete(&self, key: RecordKey) -> Result<()> {
        let (table, id) = place(&key);
        self.books.remove(table, &id);
        Ok(())
    }

    async fn fail_next(&self, fault: SourceFault) -> Supported {
        self.fail_after(0, fault).await
    }

    async fn fail_after(&self, good: u64, fault: SourceFault) -> Supported {
        match fault {
            SourceFault::Forgot => Supported::No("positions are ours: the office remembers none"),
            SourceFault::SlowDown(_) => Supported::No("a database asks nobody for a slower pace"),
            fault if !B::can_meet(fault) => Supported::No(
                "a folder of reports takes no key, and what is no report is put aside",
            ),
            fault => {
                self.books.break_after(good, Some(fault));
                Supported::Yes
            }
        }
    }

    async fn recover(&self) {
        self.books.break_after(0, None);
    }

    async fn put_unreadable(&self, record: Record, spoiled: &str) -> Supported {
        if let Record::Recall(recall) = &record {
            self.learn(recall).await;
        }
        let (table, mut row) = rows::of(&record);
        let field = match table {
            Table::Patients => "status",
            Table::Recalls => "due_date",
            _ => "appointment_date",
        };
        row.insert(field, Some(spoiled.to_owned()));
        self.books.write(table, record.native(), row);
        Supported::Yes
    }

    fn kinds(&self) -> Vec<RecordKind> {
        B::kinds()
    }

    fn extent_of_changes(&self) -> Extent {
        Extent::Everything
    }

    fn as_kept(&self, mut record: Record) -> Record {
        match &mut record {
            Record::Patient(patient) => {
                patient
                    .consent
                    .retain(|said| said.permission == Permission::Denied);
                patient.status = match patient.status {
                    PatientStatus::Prospective
                    | PatientStatus::Deceased
                    | PatientStatus::Deleted => PatientStatus::Active,
                    other => other,
                };
                patient.needs_person = false;
                patient.clinic = None;
                patient.language = None;
                patient.labels.clear();
            }
            Record::Recall(recall) => {
                recall.interval = None;
                recall.scheduled = None;
                recall.disabled = false;
                recall.snoozed_until = None;
                recall.held_for_balance = false;
                recall.urgent = false;
                recall.labels.clear();
            }
            Record::Appointment(visit) => {
                visit.status = match visit.status {
                    AppointmentStatus::Planned | AppointmentStatus::Note => {
                        AppointmentStatus::Scheduled
                    }
                    other => other,
                };
                match (visit.status, visit.start) {
                    (AppointmentStatus::Scheduled, None) => {
                        visit.status = AppointmentStatus::Unscheduled;
                    }
                    (AppointmentStatus::Unscheduled, _) => visit.start = None,
                    _ => {}
                }
                visit.missed = false;
                visit.hygiene = false;
                visit.clinic = None;
                visit.labels.clear();
            }
            _ => {}
        }
        record
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.to_owned()]
    }
}
