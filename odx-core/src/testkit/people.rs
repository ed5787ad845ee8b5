use chrono::{NaiveDate, NaiveDateTime};

use crate::id::{HouseholdKey, PatientKey, RecallKey, ReminderKey};
use crate::model::{
    Channel, OptOut, Origin, Patient, PatientStatus, Permission, Phone, Recall, Reminder,
    ReminderMode, ReminderUsage, Statement,
};
use crate::phi::Phi;

/// An invented active patient, head of their own household, with a number from
/// the range reserved for fiction.
pub fn patient(key: &str) -> Patient {
    Patient {
        key: PatientKey::new(key),
        household: HouseholdKey::new(key),
        status: PatientStatus::Active,
        first_name: Phi::new(format!("First{key}")),
        last_name: Phi::new(format!("Last{key}")),
        preferred_name: None,
        born: None,
        mobile: Phone::parse("503-555-0123").ok(),
        landline: None,
        email: None,
        consent: Vec::new(),
        needs_person: false,
        first_visit: None,
        clinic: None,
        provider: None,
        language: None,
        labels: Vec::new(),
    }
}

/// A recall of this patient.
pub fn recall(key: &str, patient: &str, due: Option<NaiveDate>) -> Recall {
    Recall {
        key: RecallKey::new(key),
        patient: PatientKey::new(patient),
        due,
        previous: None,
        interval: None,
        scheduled: None,
        disabled: false,
        snoozed_until: None,
        held_for_balance: false,
        urgent: false,
        labels: Vec::new(),
    }
}

/// A no of this patient to each of these channels, kept beside them.
pub fn opt_out(patient: &str, channels: &[Channel]) -> OptOut {
    let no = |channel: &Channel| Statement {
        channel: *channel,
        permission: Permission::Denied,
        origin: Origin::Practice,
        on: None,
    };
    OptOut {
        patient: PatientKey::new(patient),
        statements: channels.iter().map(no).collect(),
    }
}

/// That the practice sent this patient a text about a recall.
pub fn reminder(key: &str, patient: &str, at: NaiveDateTime) -> Reminder {
    Reminder {
        key: ReminderKey::new(key),
        patient: PatientKey::new(patient),
        at,
        mode: Some(ReminderMode::Text),
        usage: ReminderUsage::Recall,
    }
}
