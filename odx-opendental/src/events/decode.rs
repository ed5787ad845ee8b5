//! What the rows of a delivery say. Pure.
//!
//! | kind | body, as far as it is documented | complete |
//! |---|---|---|
//! | `Appointment` | the list's row without `serverDateTime`, `SecUserNumEntry` | with patient, status and time |
//! | `AppointmentDeleted` | none: an appointment, a row of its history, or `AptNum` alone | always |
//! | `Patient` | none | with what decides whether and whom to contact |
//! | `PatField`, `Provider`, `Operatory`, `Schedule` | none | never: look again |
//! | `PatientSelected` | fewer fields, and the billing type in another spelling | never |
//!
//! Offices before 22.4.35 send no `Event-Type`, and know no deletions: where a
//! URL names none either, the key that a row has tells what it is.

use chrono::{Datelike as _, NaiveDateTime};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Kind;
use crate::wire::{self, Int, Text};

/// One row of a delivery.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// What it is a row of.
    pub(crate) kind: Kind,
    /// Its key: that of the appointment, patient, field, provider, operatory or
    /// schedule.
    pub(crate) key: i64,
    /// Whose it is, where it says so.
    pub(crate) patient: Option<i64>,
    /// When the office last changed it, by its own clock.
    pub(crate) stamp: Option<NaiveDateTime>,
    /// It holds what a row of the list holds. Otherwise it only says where to
    /// look again.
    pub(crate) complete: bool,
    /// The row itself.
    pub(crate) row: &'a RawValue,
}

/// The fields by which a row is recognised. Absent ones are `None`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Row<'a> {
    apt_num: Option<Int>,
    pat_num: Option<Int>,
    pat_field_num: Option<Int>,
    prov_num: Option<Int>,
    operatory_num: Option<Int>,
    schedule_num: Option<Int>,
    #[serde(borrow)]
    hist_appt_action: Option<Text<'a>>,
    #[serde(borrow)]
    apt_status: Option<Text<'a>>,
    #[serde(borrow)]
    apt_date_time: Option<Text<'a>>,
    #[serde(borrow)]
    pat_status: Option<Text<'a>>,
    #[serde(borrow)]
    l_name: Option<Text<'a>>,
    guarantor: Option<Int>,
    #[serde(borrow)]
    txt_msg_ok: Option<Text<'a>>,
    #[serde(borrow, rename = "DateTStamp")]
    stamp: Option<Text<'a>>,
}

/// The rows of a delivery of this kind, as far as they can be told: a row
/// without its key is left out and hides no other. Of a kind nobody needs there
/// are none. `None`: not JSON, or neither a list nor an object.
pub(crate) fn decode<'a>(kind: &str, body: &'a [u8]) -> Option<Vec<Told<'a>>> {
    let rows = wire::rows(body)?;
    let named = Kind::of(kind);
    if named.is_none() && !kind.is_empty() {
        return Some(Vec::new());
    }
    let read = |raw: &'a RawValue| {
        let row: Row<'a> = serde_json::from_str(raw.get()).ok()?;
        told(named.or_else(|| guessed(&row))?, &row, raw)
    };
    Some(rows.into_iter().filter_map(read).collect())
}

/// What a row is that came without a name.
fn guessed(row: &Row<'_>) -> Option<Kind> {
    let action = row.hist_appt_action.as_ref();
    if row.apt_num.is_some() {
        return match action {
            Some(action) if !action.get().eq_ignore_ascii_case("Deleted") => None,
            Some(_) => Some(Kind::AppointmentDeleted),
            None => Some(Kind::Appointment),
        };
    }
    if row.pat_field_num.is_some() {
        return Some(Kind::PatField);
    }
    if row.schedule_num.is_some() {
        return Some(Kind::Schedule);
    }
    (row.pat_num.is_some() && row.l_name.is_some()).then_some(Kind::Patient)
}

fn told<'a>(kind: Kind, row: &Row<'a>, raw: &'a RawValue) -> Option<Told<'a>> {
    let key = match kind {
        Kind::Appointment | Kind::AppointmentDeleted => row.apt_num,
        Kind::Patient | Kind::PatientSelected => row.pat_num,
        // A field without its own key still says whose it is.
        Kind::PatField => row.pat_field_num.or(row.pat_num),
        Kind::Provider => row.prov_num,
        Kind::Operatory => row.operatory_num,
        Kind::Schedule => row.schedule_num,
    };
    let patient = key_of(row.pat_num);
    let complete = match kind {
        Kind::Appointment => patient.is_some() && says(&row.apt_status) && says(&row.apt_date_time),
        // Another action of a history row is no deletion.
        Kind::AppointmentDeleted => row
            .hist_appt_action
            .as_ref()
            .is_none_or(|action| action.get().eq_ignore_ascii_case("Deleted")),
        Kind::Patient => {
            says(&row.pat_status)
                && row.l_name.is_some()
                && key_of(row.guarantor).is_some()
                && says(&row.txt_msg_ok)
        }
        _ => false,
    };
    Some(Told {
        kind,
        key: key_of(key)?,
        patient,
        stamp: row.stamp.as_ref().and_then(|stamp| time(stamp.get())),
        complete,
        row: raw,
    })
}

/// Keys reach 64 bits, and with random ones below zero too. 0 is none.
fn key_of(number: Option<Int>) -> Option<i64> {
    number?.get().filter(|key| *key != 0)
}

fn says(text: &Option<Text<'_>>) -> bool {
    text.as_ref().is_some_and(|text| !text.get().is_empty())
}

fn time(text: &str) -> Option<NaiveDateTime> {
    let text = text.get(..19).unwrap_or(text);
    let read = |format| NaiveDateTime::parse_from_str(text, format).ok();
    read("%Y-%m-%d %H:%M:%S")
        .or_else(|| read("%Y-%m-%dT%H:%M:%S"))
        .filter(|time| time.year() > 1900)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPOINTMENT: &[u8] = include_bytes!("../../tests/fixtures/event.appointment.json");
    const SELECTED: &[u8] = include_bytes!("../../tests/fixtures/event.patientselected.json");
    const HISTORY: &[u8] = include_bytes!("../../tests/fixtures/histappointments.get.json");
    const PATIENT: &[u8] = include_bytes!("../../tests/fixtures/patients.simple.get.json");

    fn at(text: &str) -> Option<NaiveDateTime> {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok()
    }

    fn one<'a>(kind: &str, body: &'a str) -> Told<'a> {
        let told = decode(kind, body.as_bytes()).unwrap();
        assert_eq!(told.len(), 1, "{kind}: {body}");
        told[0]
    }

    #[test]
    fn the_documented_appointment_event_is_as_complete_as_a_listed_row() {
        for kind in ["Appointment", "appointment", ""] {
            let told = decode(kind, APPOINTMENT).unwrap();
            assert_eq!((told[0].key, told[0].patient), (18, Some(17)));
            assert_eq!(told[0].stamp, at("2021-05-03 08:30:12"));
            assert!(told[0].complete && told[0].kind == Kind::Appointment);
        }
    }

    #[test]
    fn a_selected_patient_has_not_changed_and_is_never_taken_for_a_listed_row() {
        let told = decode("PatientSelected", SELECTED).unwrap();
        assert_eq!((told[0].key, told[0].complete), (28, false));
        assert_eq!(told[0].stamp, at("2022-04-21 11:46:19"));
    }

    #[test]
    fn a_deletion_is_read_in_each_of_its_three_shapes() {
        let whole = std::str::from_utf8(APPOINTMENT).unwrap();
        let history = r#"{"HistApptNum":7,"HistApptAction":"Deleted","AptNum":"9","PatNum":3,"AptStatus":"Broken"}"#;
        for (body, key) in [(whole, 18), (history, 9), (r#"[{"AptNum":5}]"#, 5)] {
            let told = one("AppointmentDeleted", body);
            assert_eq!((told.kind, told.key), (Kind::AppointmentDeleted, key));
            assert!(told.complete);
        }
        assert_eq!(one("", history).kind, Kind::AppointmentDeleted);
        // A row of the history that says something else deletes nobody.
        for row in decode("AppointmentDeleted", HISTORY).unwrap() {
            let deleted = row.row.get().contains("\"Deleted\"");
            assert_eq!(row.complete, deleted, "{}", row.key);
        }
    }

    #[test]
    fn a_patient_is_complete_with_what_decides_whether_and_whom_to_contact() {
        let told = decode("Patient", PATIENT).unwrap();
        assert!(!told.is_empty() && told.iter().all(|row| row.complete));
        let whole =
            r#"{"PatNum":1,"LName":"","PatStatus":"Patient","Guarantor":1,"TxtMsgOk":"Yes"}"#;
        assert!(one("Patient", whole).complete);
        for left_out in ["LName", "PatStatus", "Guarantor", "TxtMsgOk"] {
            let body = whole.replace(left_out, "Other");
            let told = one("Patient", &body);
            assert_eq!((told.key, told.complete), (1, false), "without {left_out}");
        }
    }

    #[test]
    fn what_no_page_documents_says_only_where_to_look_again() {
        for (kind, body, key, patient) in [
            ("PatField", r#"{"PatFieldNum":4,"PatNum":2}"#, 4, Some(2)),
            ("PatField", r#"{"PatNum":2}"#, 2, Some(2)),
            ("", r#"[{"PatFieldNum":4,"PatNum":2}]"#, 4, Some(2)),
            ("Provider", r#"{"ProvNum":"3"}"#, 3, None),
            ("Operatory", r#"{"OperatoryNum":3}"#, 3, None),
            ("Schedule", r#"{"ScheduleNum":"3","ProvNum":"1"}"#, 3, None),
        ] {
            let told = one(kind, body);
            assert_eq!((told.key, told.patient), (key, patient), "{kind}");
            assert!(!told.complete);
        }
    }

    #[test]
    fn a_row_without_a_key_hides_no_other() {
        let body = br#"[{"PatNum":1}, 7, null, {"AptNum":"x"}, {"AptNum":0}, [], {"AptNum":-9223372036854775808}]"#;
        let told = decode("Appointment", body).unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].key, i64::MIN);
    }

    #[test]
    fn a_stamp_that_is_none_is_none() {
        for (stamp, read) in [
            ("0001-01-01 00:00:00", None),
            ("", None),
            ("05/03/2021", None),
            ("2021-05-03T08:30:12.5", at("2021-05-03 08:30:12")),
        ] {
            let body = format!(r#"{{"AptNum":1,"DateTStamp":"{stamp}"}}"#);
            assert_eq!(one("Appointment", &body).stamp, read, "{stamp}");
        }
        assert_eq!(one("Appointment", r#"{"AptNum":1}"#).stamp, None);
    }

    #[test]
    fn unknown_kinds_say_nothing_and_what_is_no_list_is_refused() {
        assert_eq!(decode("ToothInitial", APPOINTMENT).unwrap().len(), 0);
        assert_eq!(decode("Appointment", b"[]").unwrap().len(), 0);
        for bad in [&b""[..], b"7", b"[{", b"<html>", b"[{\"AptNum\":1}] x"] {
            assert!(decode("Appointment", bad).is_none());
        }
    }
}
