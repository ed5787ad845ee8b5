//! What travels from a source to the store.

use serde::{Deserialize, Serialize};

use crate::hash::LedgerHash;
use crate::id::{AppointmentKey, PatientKey, RecallKey, ReminderKey};
use crate::model::{Appointment, OptOut, Patient, Recall, Reminder};

/// The kinds of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// [`Patient`]
    Patient,
    /// [`Recall`]
    Recall,
    /// [`Appointment`]
    Appointment,
    /// [`OptOut`]
    OptOut,
    /// [`Reminder`]
    Reminder,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Patient,
        Self::Recall,
        Self::Appointment,
        Self::OptOut,
        Self::Reminder,
    ];

    /// A stable number for stores.
    pub const fn code(self) -> u8 {
        match self {
            Self::Patient => 0,
            Self::Recall => 1,
            Self::Appointment => 2,
            Self::OptOut => 3,
            Self::Reminder => 4,
        }
    }

    /// In the plural, for a person.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Patient => "patients",
            Self::Recall => "recalls",
            Self::Appointment => "appointments",
            Self::OptOut => "opt-outs",
            Self::Reminder => "reminders",
        }
    }
}

/// The key of any record within one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKey {
    /// A patient.
    Patient(PatientKey),
    /// A recall.
    Recall(RecallKey),
    /// An appointment.
    Appointment(AppointmentKey),
    /// An opt-out: the key of its patient.
    OptOut(PatientKey),
    /// A reminder.
    Reminder(ReminderKey),
}

impl RecordKey {
    /// The key of a record of this kind.
    pub fn new(kind: RecordKind, native: impl Into<String>) -> Self {
        match kind {
            RecordKind::Patient => Self::Patient(PatientKey::new(native)),
            RecordKind::Recall => Self::Recall(RecallKey::new(native)),
            RecordKind::Appointment => Self::Appointment(AppointmentKey::new(native)),
            RecordKind::OptOut => Self::OptOut(PatientKey::new(native)),
            RecordKind::Reminder => Self::Reminder(ReminderKey::new(native)),
        }
    }

    /// Which kind it names.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Patient(_) => RecordKind::Patient,
            Self::Recall(_) => RecordKind::Recall,
            Self::Appointment(_) => RecordKind::Appointment,
            Self::OptOut(_) => RecordKind::OptOut,
            Self::Reminder(_) => RecordKind::Reminder,
        }
    }

    /// The id as the source knows it.
    pub fn native(&self) -> &str {
        match self {
            Self::Patient(key) => key.native(),
            Self::Recall(key) => key.native(),
            Self::Appointment(key) => key.native(),
            Self::OptOut(key) => key.native(),
            Self::Reminder(key) => key.native(),
        }
    }
}

/// One record, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "patients are the most common kind, and pages are short-lived"
)]
pub enum Record {
    /// A patient.
    Patient(Patient),
    /// A recall.
    Recall(Recall),
    /// An appointment.
    Appointment(Appointment),
    /// Noes that are kept beside the patient.
    OptOut(OptOut),
    /// That the practice reached a patient.
    Reminder(Reminder),
}

impl Record {
    /// Which kind it is.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Patient(_) => RecordKind::Patient,
            Self::Recall(_) => RecordKind::Recall,
            Self::Appointment(_) => RecordKind::Appointment,
            Self::OptOut(_) => RecordKind::OptOut,
            Self::Reminder(_) => RecordKind::Reminder,
        }
    }

    /// Its key.
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Patient(patient) => RecordKey::Patient(patient.key.clone()),
            Self::Recall(recall) => RecordKey::Recall(recall.key.clone()),
            Self::Appointment(appointment) => RecordKey::Appointment(appointment.key.clone()),
            Self::OptOut(opt_out) => RecordKey::OptOut(opt_out.patient.clone()),
            Self::Reminder(reminder) => RecordKey::Reminder(reminder.key.clone()),
        }
    }

    /// Its native id.
    pub fn native(&self) -> &str {
        match self {
            Self::Patient(patient) => patient.key.native(),
            Self::Recall(recall) => recall.key.native(),
            Self::Appointment(appointment) => appointment.key.native(),
            Self::OptOut(opt_out) => opt_out.patient.native(),
            Self::Reminder(reminder) => reminder.key.native(),
        }
    }

    /// What it hangs from: the household of a patient, the patient of the rest.
    pub fn parent(&self) -> &str {
        match self {
            Self::Patient(patient) => patient.household.native(),
            Self::Recall(recall) => recall.patient.native(),
            Self::Appointment(appointment) => appointment.patient.native(),
            Self::OptOut(opt_out) => opt_out.patient.native(),
            Self::Reminder(reminder) => reminder.patient.native(),
        }
    }

    /// The bytes a store keeps, into `body`. They hold PHI.
    pub(crate) fn encode(&self, body: &mut Vec<u8>) -> Result<LedgerHash, serde_json::Error> {
        body.clear();
        match self {
            Self::Patient(patient) => serde_json::to_writer(&mut *body, patient)?,
            Self::Recall(recall) => serde_json::to_writer(&mut *body, recall)?,
            Self::Appointment(appointment) => serde_json::to_writer(&mut *body, appointment)?,
            Self::OptOut(opt_out) => serde_json::to_writer(&mut *body, opt_out)?,
            Self::Reminder(reminder) => serde_json::to_writer(&mut *body, reminder)?,
        }
        Ok(LedgerHash::of(body))
    }
}

/// A row that could not be read: which, why, and a hash to notice when it
/// changes. Never the row's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Which kind was being read.
    pub kind: RecordKind,
    /// Its native id where that much could be read, else `?` and the hash.
    pub native: String,
    /// What is wrong with it, in words that quote nothing of the row.
    pub reason: String,
    /// Hash of the row.
    pub hash: LedgerHash,
}

impl BadRecord {
    /// A bad row; `raw` is hashed, not kept.
    pub fn new(
        kind: RecordKind,
        native: Option<&str>,
        reason: impl Into<String>,
        raw: &[u8],
    ) -> Self {
        let hash = LedgerHash::of(raw);
        let native = native.map_or_else(
            || format!("?{}", crate::hash::hex(&hash.as_bytes()[..8])),
            str::to_owned,
        );
        Self {
            kind,
            native,
            reason: reason.into(),
            hash,
        }
    }
}
