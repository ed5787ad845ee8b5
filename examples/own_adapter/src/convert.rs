//! Lines of the journal to records. Pure: every oddity of Chairside ends here.

use std::str::FromStr;

use odx_core::model::{
    BadRecord, Channel, Email, Origin, Patient, PatientStatus, Permission, Phone, Recall, Record,
    RecordKey, RecordKind, Statement,
};
use odx_core::source::Change;
use odx_core::{Error, ErrorKind, HouseholdKey, PatientKey, Phi, RecallKey, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::wire::{self, Kind};

/// What a line says.
pub(crate) fn change(line: &[u8]) -> Result<Change> {
    let entry: wire::Entry = serde_json::from_slice(line)
        .map_err(|_| Error::new(ErrorKind::Protocol, "a line of the journal is damaged"))?;
    let kind = match entry.kind {
        Kind::Patient => RecordKind::Patient,
        Kind::Recall => RecordKind::Recall,
    };
    let Some(row) = entry.row else {
        return Ok(Change::Gone(RecordKey::new(kind, entry.id)));
    };
    let record = match entry.kind {
        Kind::Patient => read(row).and_then(|row| patient(&entry.id, row)),
        Kind::Recall => read(row).and_then(|row| recall(&entry.id, &row)),
    };
    Ok(record.map_or_else(
        // Says which field, and quotes nothing of the row: it is about a person.
        |field| {
            let reason = format!("{field} cannot be read");
            Change::Unreadable(BadRecord::new(kind, Some(&entry.id), reason, line))
        },
        Change::Upsert,
    ))
}

fn read<T: DeserializeOwned>(row: Value) -> Result<T, &'static str> {
    // serde's own message would quote the value it stumbled over.
    serde_json::from_value(row).map_err(|_| "the row")
}

/// Nothing and blanks are none; anything else must read.
fn field<T: FromStr>(name: &'static str, text: Option<&str>) -> Result<Option<T>, &'static str> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| name),
    }
}

fn patient(id: &str, row: wire::Patient) -> Result<Record, &'static str> {
    let says = |permission| Statement {
        channel: Channel::Sms,
        permission,
        origin: Origin::Practice,
        on: None,
    };
    Ok(Record::Patient(Patient {
        key: PatientKey::new(id),
        household: HouseholdKey::new(row.head),
        status: match row.status.as_str() {
            "active" => PatientStatus::Active,
            "inactive" => PatientStatus::Inactive,
            "payer" => PatientStatus::NonPatient,
            "prospect" => PatientStatus::Prospective,
            "archived" => PatientStatus::Archived,
            "deceased" => PatientStatus::Deceased,
            _ => return Err("status"),
        },
        first_name: Phi::new(row.first),
        last_name: Phi::new(row.last),
        preferred_name: None,
        born: field("born", row.born.as_deref())?.map(Phi::new),
        // What cannot be dialled is no number; the rest of the row still counts.
        mobile: row.mobile.and_then(|text| Phone::parse(&text).ok()),
        landline: None,
        email: row.email.and_then(|text| Email::parse(&text).ok()),
        // Unknown is not a yes: it is no statement at all.
        consent: match row.texts {
            Some(true) => vec![says(Permission::Granted)],
            Some(false) => vec![says(Permission::Denied)],
            None => Vec::new(),
        },
        needs_person: false,
        first_visit: None,
        clinic: None,
        provider: None,
        language: None,
        labels: Vec::new(),
    }))
}

fn recall(id: &str, row: &wire::Recall) -> Result<Record, &'static str> {
    Ok(Record::Recall(Recall {
        key: RecallKey::new(id),
        patient: PatientKey::new(row.patient.as_str()),
        due: field("due", row.due.as_deref())?,
        previous: field("last", row.last.as_deref())?,
        interval: field("every", row.every.as_deref())?,
        scheduled: field("booked", row.booked.as_deref())?,
        disabled: row.off,
        snoozed_until: None,
        held_for_balance: false,
        urgent: false,
        labels: Vec::new(),
    }))
}
