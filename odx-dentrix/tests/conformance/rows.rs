//! Canonical records as rows of the vendor's objects, written from the reference's section 3.

use std::collections::BTreeMap;

use odx_core::model::{
    Appointment, AppointmentStatus, Channel, Patient, PatientStatus, Permission, Phone, Recall,
    Record,
};
use odx_dentrix::table::Table;

/// Cells by the name of their column.
pub(crate) type Row = BTreeMap<&'static str, Option<String>>;

/// The columns of a table, in the vendor's order.
pub(crate) const fn header(table: Table) -> &'static [&'static str] {
    match table {
        Table::Patients => &[
            "patient_id",
            "patient_guid",
            "last_name",
            "first_name",
            "mi",
            "preferred_name",
            "guar_id",
            "guar_guid",
            "home_phone",
            "work_phone",
            "mobile_phone",
            "chart_num",
            "pri_provider_id",
            "status",
            "birth_date",
            "first_visit_date",
            "last_visit_date",
            "email",
            "privacy_flags",
        ],
        Table::Recalls => &[
            "patient_id",
            "patient_guid",
            "last_name",
            "first_name",
            "recall_type",
            "recall_description",
            "due_date",
            "prior_date",
            "prov_id",
            "recall_type_id",
        ],
        _ => &[
            "modified_time_stamp",
            "appointment_id",
            "appointment_date",
            "operatory_id",
            "provider_id",
            "patient_id",
            "patient_guid",
            "length",
            "start_hour",
            "start_minute",
            "status_id",
            "broken",
            "onpindboard",
            "servertime",
        ],
    }
}

fn text(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

fn number_of(phone: Option<&Phone>) -> Option<String> {
    phone.map(|phone| phone.e164().expose().clone())
}

fn patient(patient: &Patient) -> Row {
    let denied = |channel| {
        patient
            .consent
            .iter()
            .any(|said| said.channel == channel && said.permission == Permission::Denied)
    };
    let mut privacy = 0;
    for (channel, bit) in [(Channel::Voice, 1), (Channel::Email, 8), (Channel::Sms, 16)] {
        if denied(channel) {
            privacy |= bit;
        }
    }
    let status = match patient.status {
        PatientStatus::NonPatient => 2,
        PatientStatus::Inactive => 3,
        PatientStatus::Archived => 4,
        _ => 1,
    };
    Row::from([
        ("patient_id", text(patient.key.native())),
        // Characters come padded.
        (
            "last_name",
            text(format!("{:<21}", patient.last_name.expose())),
        ),
        (
            "first_name",
            text(format!("{:<16}", patient.first_name.expose())),
        ),
        (
            "preferred_name",
            patient
                .preferred_name
                .as_ref()
                .map(|name| name.expose().clone()),
        ),
        ("guar_id", text(patient.household.native())),
        ("mobile_phone", number_of(patient.mobile.as_ref())),
        ("home_phone", number_of(patient.landline.as_ref())),
        ("pri_provider_id", patient.provider.clone()),
        ("status", text(status)),
        (
            "birth_date",
            patient.born.as_ref().map(|born| born.expose().to_string()),
        ),
        (
            "first_visit_date",
            patient.first_visit.map(|day| day.to_string()),
        ),
        (
            "email",
            patient
                .email
                .as_ref()
                .map(|email| email.address().expose().clone()),
        ),
        ("privacy_flags", text(privacy)),
    ])
}

/// The type that a recall of this name is written with.
pub(crate) fn kind_of(native: &str) -> String {
    format!("R{native}")
}

fn recall(recall: &Recall) -> Row {
    Row::from([
        ("patient_id", text(recall.patient.native())),
        (
            "recall_type",
            text(format!("{:<13}", kind_of(recall.key.native()))),
        ),
        ("due_date", recall.due.map(|day| day.to_string())),
        ("prior_date", recall.previous.map(|day| day.to_string())),
        ("recall_type_id", text(1)),
    ])
}

fn visit(visit: &Appointment) -> Row {
    let status = match visit.status {
        AppointmentStatus::Complete => -106,
        AppointmentStatus::Broken => 100,
        AppointmentStatus::Unscheduled => 101,
        // What has no day is not on the book.
        _ if visit.start.is_none() => 101,
        _ => 1,
    };
    let start = visit.start;
    Row::from([
        ("appointment_id", text(visit.key.native())),
        ("appointment_date", start.map(|at| at.date().to_string())),
        ("start_hour", start.map(|at| at.format("%H").to_string())),
        ("start_minute", start.map(|at| at.format("%M").to_string())),
        ("operatory_id", visit.operatory.clone()),
        ("provider_id", visit.provider.clone()),
        ("patient_id", text(visit.patient.native())),
        ("length", visit.minutes.map(|minutes| minutes.to_string())),
        ("status_id", text(status)),
        (
            "broken",
            text(i32::from(visit.status == AppointmentStatus::Broken)),
        ),
        ("onpindboard", text(0)),
    ])
}

/// The table and the row of a record.
pub(crate) fn of(record: &Record) -> (Table, Row) {
    match record {
        Record::Patient(one) => (Table::Patients, patient(one)),
        Record::Recall(one) => (Table::Recalls, recall(one)),
        Record::Appointment(one) => (Table::Appointments, visit(one)),
        _ => panic!("no kind of this office"),
    }
}
