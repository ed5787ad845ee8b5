//! Appointments.

use odx_core::model::{Appointment, AppointmentStatus, Record, RecordKind};
use odx_core::source::Change;
use odx_core::{AppointmentKey, PatientKey};
use serde_json::value::RawValue;

use super::{Fault, date_time, flag, foreign_key, read, status_label};
use crate::reference::Reference;
use crate::wire;

/// One character of `Pattern` on an appointment. On recall types it is the
/// office's own step instead.
const MINUTES_PER_STEP: u32 = 5;

/// A row of `/appointments`.
pub(crate) fn appointment(raw: &RawValue, reference: &Reference) -> Change {
    read(
        RecordKind::Appointment,
        raw,
        |row: &wire::Appointment<'_>| row.apt_num,
        |row, number| convert(&row, number, reference),
    )
}

pub(crate) fn convert(
    row: &wire::Appointment<'_>,
    number: i64,
    reference: &Reference,
) -> Result<Record, Fault> {
    let patient = foreign_key("PatNum", row.pat_num)?.ok_or(Fault("PatNum", "is missing"))?;
    let status = status(row.apt_status.get())?;
    let start = date_time("AptDateTime", &row.apt_date_time)?.filter(|_| {
        // Rows of the unscheduled list keep the time they once had, and a
        // planned row is a template: neither is on the book.
        !matches!(
            status,
            AppointmentStatus::Unscheduled | AppointmentStatus::Planned
        )
    });
    let steps = u32::try_from(row.pattern.get().chars().count()).unwrap_or(0);
    let hygiene = flag("IsHygiene", row.is_hygiene)?;
    let dentist = foreign_key("ProvNum", row.prov_num)?;
    let hygienist = foreign_key("ProvHyg", row.prov_hyg)?;
    let mut labels = Vec::new();
    status_label(
        &mut labels,
        ("confirmed", "Confirmed"),
        row.confirmed,
        &row.confirmed_text,
        |key| reference.definition(key),
    )?;
    status_label(
        &mut labels,
        ("unsched_status", "UnschedStatus"),
        row.unsched_status,
        &row.unsched_status_text,
        |key| reference.definition(key),
    )?;
    Ok(Record::Appointment(Appointment {
        key: AppointmentKey::new(number.to_string()),
        patient: PatientKey::new(patient),
        status,
        start,
        missed: status == AppointmentStatus::Complete
            && (row.missed || reference.is_missed(row.proc_descript.get())),
        minutes: (steps > 0).then(|| steps.saturating_mul(MINUTES_PER_STEP)),
        hygiene,
        clinic: foreign_key("ClinicNum", row.clinic_num)?,
        provider: if hygiene {
            hygienist.or(dentist)
        } else {
            dentist
        },
        operatory: foreign_key("Op", row.op)?,
        labels,
    }))
}

fn status(word: &str) -> Result<AppointmentStatus, Fault> {
    Ok(match word {
        // ASAP was a status of its own until 17.4; old rows are on the book.
        "Scheduled" | "ASAP" => AppointmentStatus::Scheduled,
        "Complete" => AppointmentStatus::Complete,
        "Broken" => AppointmentStatus::Broken,
        "UnschedList" => AppointmentStatus::Unscheduled,
        "Planned" => AppointmentStatus::Planned,
        "PtNote" | "PtNoteCompleted" => AppointmentStatus::Note,
        _ => {
            return Err(Fault(
                "AptStatus",
                "holds a word this version does not know",
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use odx_core::model::Label;
    use serde_json::{Value, json};

    use super::*;

    fn change(fields: Value) -> Change {
        let mut row = json!({"AptNum": 18, "PatNum": 17, "AptStatus": "Scheduled",
            "Pattern": "//XXXX//", "AptDateTime": "2020-07-31 08:30:00", "ProvNum": 1,
            "ProvHyg": 4, "Note": "note-canary", "ProcDescript": "proc-canary"});
        row.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let raw = serde_json::value::to_raw_value(&row).unwrap();
        appointment(&raw, &Reference::default())
    }

    fn good(fields: Value) -> Appointment {
        let change = change(fields);
        assert!(!format!("{change:?}").contains("canary"));
        match change {
            Change::Upsert(Record::Appointment(appointment)) => appointment,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_documented_rows_read_whole() {
        let read = |body: &'static [u8]| -> Vec<Appointment> {
            wire::rows(body)
                .unwrap()
                .into_iter()
                .map(|raw| match appointment(raw, &Reference::default()) {
                    Change::Upsert(Record::Appointment(appointment)) => appointment,
                    other => panic!("{other:?}"),
                })
                .collect()
        };
        let list = read(include_bytes!("../../tests/fixtures/appointments.get.json"));
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].key.native(), "4");
        assert_eq!(list[0].minutes, Some(40));
        assert_eq!(list[0].start.unwrap().to_string(), "2020-07-31 09:00:00");
        assert_eq!(list[0].provider.as_deref(), Some("3"));
        assert_eq!(list[0].clinic, None);
        assert_eq!(list[0].operatory.as_deref(), Some("2"));
        assert_eq!(
            list[0].labels,
            [Label::new("confirmed", "19", "Not Called")]
        );
        assert_eq!(list[1].status, AppointmentStatus::Complete);
        assert!(list[1].hygiene);
        assert_eq!(list[1].provider.as_deref(), Some("4"));
        let one = read(include_bytes!(
            "../../tests/fixtures/appointments.single.get.json"
        ));
        assert_eq!(one[0].key.native(), "18");
        let web = read(include_bytes!(
            "../../tests/fixtures/appointments.websched.get.json"
        ));
        assert!(web[0].hygiene, "IsHygiene is printed as True there");
        assert_eq!(web[1].labels[1].text, "Appointment Scheduled");
    }

    #[test]
    fn every_documented_status_has_a_meaning_and_no_other_word_has() {
        for (word, status) in [
            ("Scheduled", AppointmentStatus::Scheduled),
            ("ASAP", AppointmentStatus::Scheduled),
            ("Complete", AppointmentStatus::Complete),
            ("UnschedList", AppointmentStatus::Unscheduled),
            ("Broken", AppointmentStatus::Broken),
            ("Planned", AppointmentStatus::Planned),
            ("PtNote", AppointmentStatus::Note),
            ("PtNoteCompleted", AppointmentStatus::Note),
        ] {
            assert_eq!(good(json!({"AptStatus": word})).status, status, "{word}");
        }
        for word in ["None", "", "Waiting"] {
            let Change::Unreadable(bad) = change(json!({"AptStatus": word})) else {
                panic!("{word}")
            };
            assert_eq!(bad.native, "18");
        }
    }

    #[test]
    fn what_is_not_on_the_book_has_no_start() {
        for word in ["UnschedList", "Planned"] {
            assert_eq!(good(json!({"AptStatus": word})).start, None, "{word}");
        }
        assert_eq!(
            good(json!({"AptDateTime": "0001-01-01 00:00:00"})).start,
            None
        );
        assert!(good(json!({"AptStatus": "Broken"})).start.is_some());
    }

    #[test]
    fn the_hygienist_is_the_provider_of_a_hygiene_visit() {
        let provider = |fields| good(fields).provider;
        assert_eq!(provider(json!({"IsHygiene": "true"})).as_deref(), Some("4"));
        assert_eq!(
            provider(json!({"IsHygiene": "false"})).as_deref(),
            Some("1")
        );
        assert_eq!(
            provider(json!({"IsHygiene": "true", "ProvHyg": 0})).as_deref(),
            Some("1")
        );
    }

    #[test]
    fn a_completed_visit_that_holds_only_the_code_of_a_missed_one_was_not_kept() {
        let visit = |codes: &[&str], text: &str, status: &str| {
            let codes: Vec<_> = codes.iter().map(|&code| code.to_owned()).collect();
            let reference = Arc::new(Reference::default()).knowing(&codes);
            let row =
                json!({"AptNum": 18, "PatNum": 17, "AptStatus": status, "ProcDescript": text});
            let raw = serde_json::value::to_raw_value(&row).unwrap();
            match appointment(&raw, &reference) {
                Change::Upsert(Record::Appointment(visit)) => visit,
                other => panic!("{other:?}"),
            }
        };
        let codes = ["Missed", "Canc"];
        for (text, missed) in [
            ("Missed", true),
            ("canc", true),
            ("PerEx, Pro", false),
            // Something was done as well.
            ("Missed, PerEx", false),
            ("", false),
        ] {
            let complete = visit(&codes, text, "Complete");
            assert_eq!(complete.missed, missed, "{text}");
            assert_eq!(complete.was_kept(), !missed, "{text}");
            // Nobody knows the office's words.
            assert!(visit(&[], text, "Complete").was_kept());
            // A broken one says so itself.
            let broken = visit(&codes, text, "Broken");
            assert!(!broken.missed && !broken.was_kept());
        }
    }

    #[test]
    fn a_new_stamp_is_no_change() {
        assert_eq!(
            change(json!({"DateTStamp": "2021-05-03 08:30:12"})),
            change(json!({"DateTStamp": "2026-05-03 08:30:12"}))
        );
    }
}
