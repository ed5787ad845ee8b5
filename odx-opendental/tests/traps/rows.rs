//! What a row says.

use std::collections::BTreeSet;

use odx_core::model::{Appointment, AppointmentStatus, Record, RecordKind};
use odx_core::source::{Change, Extent};
use odx_opendental::sim::{AppointmentRow, PatientRow, RecallRow};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::life::{Life, both, by_lists, patients, recalls, records, visit, visits, whole_life};
use crate::office::{Office, fixture, pass};

#[tokio::test]
async fn trap_01_keys_are_patnum_and_aptnum_and_the_operatory_is_op() {
    for builder in both() {
        let life = Life::of(builder.with_random_primary_keys()).await;
        let (changes, _) = life.first().await;
        let known: BTreeSet<_> = life
            .practice
            .patients()
            .iter()
            .filter(|row| row.pat_status != "Deleted")
            .map(|row| row.pat_num.to_string())
            .collect();
        let read: BTreeSet<_> = patients(&changes)
            .iter()
            .map(|one| one.key.native().to_owned())
            .collect();
        assert_eq!(read, known);
        assert!(visits(&changes).len() > 10);
        for one in visits(&changes) {
            let row = life.practice.appointment(one.key.native().parse().unwrap());
            let row = row.unwrap();
            assert_eq!(one.patient.native(), row.pat_num.to_string());
            let operatory = (row.op != 0).then(|| row.op.to_string());
            assert_eq!(one.operatory, operatory);
        }
        for one in recalls(&changes) {
            let row = life.practice.recall(one.key.native().parse().unwrap());
            assert_eq!(one.patient.native(), row.unwrap().pat_num.to_string());
        }
    }
}

#[tokio::test]
async fn trap_12_the_year_1_and_an_arrival_at_midnight_are_none() {
    for builder in both() {
        let life = Life::of(builder).await;
        let patient = life.practice.add_patient(PatientRow::new("Nodate", "Nell"));
        let recall = life.practice.add_recall(RecallRow::new(patient, 1));
        let row = AppointmentRow::new(patient, "2026-12-01 09:00:00");
        let booked = life.practice.add_appointment(row);
        let (changes, cursor) = life.first().await;
        let all = patients(&changes);
        let nell = all
            .iter()
            .find(|one| one.key.native() == patient.to_string());
        let nell = nell.unwrap();
        assert_eq!((&nell.born, nell.first_visit), (&None, None));
        let all = recalls(&changes);
        let none = all
            .iter()
            .find(|one| one.key.native() == recall.to_string());
        let none = none.unwrap();
        assert_eq!(
            (none.due, none.previous, none.scheduled, none.snoozed_until),
            (None, None, None, None)
        );
        let before = visit(&changes, booked);
        let arrives = |row: &mut AppointmentRow| {
            row.date_time_arrived = "2026-12-01 00:00:00".to_owned();
        };
        life.practice.update_appointment(booked, arrives);
        let (changes, _) = life.later(cursor).await;
        assert_eq!(visit(&changes, booked), before);
    }
}

/// What these rows of `path` are read as.
async fn read(path: &str, rows: Vec<Value>) -> Vec<Record> {
    let office = Office::documented().await;
    for list in ["patients/Simple", "appointments", "recalls"] {
        office.put(list, Vec::new());
    }
    office.put(path, rows);
    let (changes, _, _) = pass(&office.source(), None, Extent::Changes).await.unwrap();
    let of = |change| match change {
        Change::Upsert(record) => record,
        other => panic!("{other:?}"),
    };
    changes.into_iter().map(of).collect()
}

#[tokio::test]
async fn trap_13_the_text_false_is_false_and_true_has_three_spellings() {
    let rows = [
        (json!("false"), false),
        (json!("False"), false),
        (json!("true"), true),
        (json!("True"), true),
        (json!(true), true),
    ];
    let recall = |(n, (flag, _)): (usize, &(Value, bool))| json!({"RecallNum": n + 1, "PatNum": 1, "IsDisabled": flag});
    let read = read("recalls", rows.iter().enumerate().map(recall).collect()).await;
    assert_eq!(read.len(), rows.len());
    for (record, (flag, disabled)) in read.iter().zip(&rows) {
        let Record::Recall(recall) = record else {
            panic!()
        };
        assert_eq!(recall.disabled, *disabled, "{flag}");
    }
}

/// Numbers as text, and text that is a number as one.
fn drifted(row: &Value) -> Value {
    let fields = row.as_object().unwrap().iter().map(|(name, value)| {
        let value = match value {
            Value::Number(number) => json!(number.to_string()),
            Value::String(text) if name == "Zip" || name == "HmPhone" => text
                .parse::<i64>()
                .map_or_else(|_| value.clone(), |n| json!(n)),
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    Value::Object(fields.collect())
}

#[tokio::test]
async fn trap_14_a_number_and_its_text_are_the_same() {
    let mut patient = fixture("patients.simple.get");
    patient[0]["Zip"] = json!("90011");
    patient[0]["HmPhone"] = json!("5035550142");
    for (path, rows) in [
        ("patients/Simple", patient),
        ("appointments", fixture("appointments.get")),
        ("recalls", fixture("recalls.get")),
    ] {
        let other: Vec<_> = rows.iter().map(drifted).collect();
        assert_ne!(rows, other);
        let printed = read(path, rows).await;
        assert!(!printed.is_empty());
        assert_eq!(read(path, other).await, printed, "{path}");
    }
}

#[tokio::test]
async fn trap_15_a_list_of_one_may_be_a_bare_object() {
    for (path, list) in [
        ("recalls", "recalls.get"),
        ("appointments", "appointments.get"),
    ] {
        let one = fixture(list).remove(0);
        let listed = read(path, vec![one.clone()]).await;
        let office = Office::documented().await;
        // A long list of patients shows how long a page is: one row is the end.
        office.put("patients/Simple", crate::office::patients(100));
        for list in ["appointments", "recalls"] {
            office.put(list, Vec::new());
        }
        office.say(path, ResponseTemplate::new(200).set_body_json(&one));
        let (changes, _, _) = pass(&office.source(), None, Extent::Changes).await.unwrap();
        let bare = records(&changes).filter(|record| record.kind() != RecordKind::Patient);
        assert_eq!(bare.cloned().collect::<Vec<_>>(), listed, "{path}");
    }
    // And where a write is looked for.
    let (life, _) = whole_life(by_lists().with_bare_single(true)).await;
    let mut looks = life.practice.requests();
    looks.retain(|one| one.path == "/patfields" && one.method == "GET" && one.rows == 1);
    assert!(!looks.is_empty());
}

/// A visit of this status, in the future.
async fn of_status(word: &str) -> (Appointment, chrono::NaiveDate) {
    let life = Life::of(by_lists()).await;
    let (patient, ..) = life.somebody();
    let mut row = AppointmentRow::new(patient, "2026-12-24 09:00:00");
    row.apt_status = word.to_owned();
    let key = life.practice.add_appointment(row);
    let (changes, _) = life.first().await;
    (visit(&changes, key), life.practice.now().date())
}

#[tokio::test]
async fn trap_39_broken_and_unscheduled_rows_keep_a_time_and_are_no_visits() {
    let (scheduled, today) = of_status("Scheduled").await;
    assert!(scheduled.is_upcoming(today));
    for word in ["UnschedList", "Broken"] {
        let (row, today) = of_status(word).await;
        assert!(!row.is_upcoming(today), "{word}");
    }
}

#[tokio::test]
async fn trap_40_a_planned_appointment_is_not_booked() {
    let (planned, today) = of_status("Planned").await;
    assert_eq!(planned.status, AppointmentStatus::Planned);
    assert_eq!(planned.start, None);
    assert!(!planned.is_upcoming(today));
}

#[tokio::test]
async fn trap_41_a_sticky_note_is_no_visit() {
    for word in ["PtNote", "PtNoteCompleted"] {
        let (note, today) = of_status(word).await;
        assert_eq!(note.status, AppointmentStatus::Note, "{word}");
        assert!(!note.is_upcoming(today), "{word}");
    }
}

#[tokio::test]
async fn trap_42_a_step_of_a_visit_is_five_minutes_whatever_the_offices_increment() {
    for builder in both() {
        let life = Life::of(builder).await;
        let (_, cursor) = life.first().await;
        let (_, _, key) = life.somebody();
        for increment in ["5", "10", "15"] {
            life.practice
                .set_preference("AppointmentTimeIncrement", increment);
            // A type's own pattern is counted in these increments.
            life.practice
                .update_recall_type(1, |row| row.time_pattern = "/XXXXXXXX/".to_owned());
            life.practice
                .update_appointment(key, |row| row.pattern = "//XXXX//".to_owned());
            let (changes, _) = life.later(cursor.clone()).await;
            assert_eq!(visit(&changes, key).minutes, Some(40), "{increment}");
        }
    }
}
