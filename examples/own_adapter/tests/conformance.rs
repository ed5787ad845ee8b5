//! Chairside passes the checks that every adapter passes.

#![allow(clippy::unwrap_used, reason = "tests: a panic is the failure")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use odx_core::model::{Channel, PatientStatus, Permission, Record, RecordKey, RecordKind};
use odx_core::source::PracticeSource;
use odx_core::testkit::SourceFault;
use odx_core::testkit::conformance::{SourceHarness, Supported};
use odx_core::{Result, SourceId};
use own_adapter::Chairside;
use serde_json::{Value, json};

/// A practice: a journal in a folder of its own, and the file as it was before
/// it was broken.
struct Practice {
    folder: tempfile::TempDir,
    whole: Mutex<Option<Vec<u8>>>,
}

impl Practice {
    fn journal(&self) -> PathBuf {
        self.folder.path().join("journal.jsonl")
    }

    /// What Chairside does at every change.
    fn append(&self, line: &Value) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.journal())
            .unwrap();
        writeln!(file, "{line}").unwrap();
    }

    /// Puts something else in the place of the journal, or nothing.
    fn replace(&self, with: Option<&str>) {
        let whole = fs::read(self.journal()).unwrap();
        self.whole.lock().unwrap().get_or_insert(whole);
        match with {
            Some(text) => fs::write(self.journal(), text).unwrap(),
            None => fs::remove_file(self.journal()).unwrap(),
        }
    }
}

fn kind(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Patient => "patient",
        RecordKind::Recall => "recall",
        RecordKind::Appointment | RecordKind::OptOut | RecordKind::Reminder => "none",
    }
}

/// The record as Chairside writes it.
fn row(record: &Record) -> Value {
    match record {
        Record::Patient(patient) => json!({
            "head": patient.household.native(),
            "status": match patient.status {
                PatientStatus::Active => "active",
                PatientStatus::Inactive => "inactive",
                PatientStatus::NonPatient => "payer",
                PatientStatus::Prospective => "prospect",
                PatientStatus::Archived => "archived",
                PatientStatus::Deceased => "deceased",
                PatientStatus::Deleted => "deleted",
            },
            "first": patient.first_name.expose(),
            "last": patient.last_name.expose(),
            "born": patient.born.as_ref().map(|born| born.expose().to_string()),
            "mobile": patient.mobile.as_ref().map(|phone| phone.e164().expose()),
            "email": patient.email.as_ref().map(|email| email.address().expose()),
            "texts": patient.consent.first().map(|said| said.permission == Permission::Granted),
        }),
        Record::Recall(recall) => json!({
            "patient": recall.patient.native(),
            "due": recall.due,
            "last": recall.previous,
            "every": recall.interval,
            "booked": recall.scheduled,
            "off": recall.disabled,
        }),
        Record::Appointment(_) | Record::OptOut(_) | Record::Reminder(_) => Value::Null,
    }
}

#[async_trait]
impl SourceHarness for Practice {
    async fn start() -> Self {
        let practice = Self {
            folder: tempfile::tempdir().unwrap(),
            whole: Mutex::default(),
        };
        practice.append(&json!({"journal": "first"}));
        practice
    }

    fn source(&self) -> Arc<dyn PracticeSource> {
        let id = SourceId::new("chair", "main-st").unwrap();
        Arc::new(Chairside::new(id, self.journal()).with_page(5))
    }

    async fn put(&self, record: Record) -> Result<()> {
        let record = self.as_kept(record);
        let (kind, id) = (kind(record.kind()), record.native());
        self.append(&json!({"kind": kind, "id": id, "row": row(&record)}));
        Ok(())
    }

    async fn delete(&self, key: RecordKey) -> Result<()> {
        self.append(&json!({"kind": kind(key.kind()), "id": key.native()}));
        Ok(())
    }

    async fn fail_next(&self, fault: SourceFault) -> Supported {
        match fault {
            SourceFault::Down => self.replace(None),
            SourceFault::Nonsense => self.replace(Some("sign in to open this file\n")),
            SourceFault::Forgot => self.replace(Some("{\"journal\":\"second\"}\n")),
            SourceFault::Cut => {
                return Supported::No("a line without its end is left for the next pull");
            }
            _ => return Supported::No("a file has no key, no pace and no server"),
        }
        Supported::Yes
    }

    async fn recover(&self) {
        if let Some(whole) = self.whole.lock().unwrap().take() {
            fs::write(self.journal(), whole).unwrap();
        }
    }

    async fn fail_after(&self, _good: u64, _fault: SourceFault) -> Supported {
        Supported::No("one pull reads one file")
    }

    async fn put_unreadable(&self, record: Record, spoiled: &str) -> Supported {
        let mut row = row(&self.as_kept(record.clone()));
        for field in ["status", "every"] {
            if let Some(value) = row.get_mut(field) {
                *value = json!(spoiled);
            }
        }
        self.append(&json!({"kind": kind(record.kind()), "id": record.native(), "row": row}));
        Supported::Yes
    }

    async fn put_late(&self, _record: Record, _by: Duration) -> Supported {
        Supported::No("a journal is in the order of its writing")
    }

    async fn turn_back(&self, _by: Duration) -> Supported {
        Supported::No("a journal holds no times of change")
    }

    fn kinds(&self) -> Vec<RecordKind> {
        vec![RecordKind::Patient, RecordKind::Recall]
    }

    /// Chairside has no more fields than these.
    fn as_kept(&self, mut record: Record) -> Record {
        match &mut record {
            Record::Patient(patient) => {
                patient.preferred_name = None;
                patient.landline = None;
                patient.consent.retain(|said| said.channel == Channel::Sms);
                patient.needs_person = false;
                patient.first_visit = None;
                patient.clinic = None;
                patient.provider = None;
                patient.language = None;
                patient.labels.clear();
            }
            Record::Recall(recall) => {
                recall.snoozed_until = None;
                recall.held_for_balance = false;
                recall.urgent = false;
            }
            Record::Appointment(_) | Record::OptOut(_) | Record::Reminder(_) => {}
        }
        record
    }
}

odx_core::source_conformance!(Practice);
