use std::sync::Arc;

use odx_core::Secret;
use odx_core::model::{Patient, Record};
use serde_json::Value;

use super::privacy::Privacy;
use super::*;
use crate::columns::Columns;
use crate::config::Identity;
use crate::identity::People;
use crate::table::Table;

pub(crate) fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 11, 3).unwrap()
}

pub(crate) fn row(fields: &[(Field, &str)]) -> Row {
    let names: Vec<Field> = fields.iter().map(|(field, _)| *field).collect();
    let cells = fields.iter().map(|(_, text)| Some((*text).to_owned()));
    Row::new(Arc::from(names), cells.collect())
}

/// The rows of a report: what follows a header and has as many cells.
pub(crate) fn report(table: Table, bytes: &[u8]) -> Vec<Row> {
    let (text, _, _) = encoding_rs::WINDOWS_1252.decode(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let lines: Vec<Vec<String>> = reader
        .records()
        .map(|line| line.unwrap().iter().map(str::to_owned).collect())
        .collect();
    let columns = Columns::default_for(table);
    let header = lines.iter().find(|line| columns.hits(line) > 4).unwrap();
    let binding = columns.bind(header).unwrap();
    let fields: Arc<[Field]> = Arc::from(binding.fields.clone());
    lines
        .iter()
        .filter(|line| line.len() == header.len() && *line != header)
        .map(|line| {
            let cells = binding
                .places
                .iter()
                .map(|place| Some(line[*place].clone()));
            Row::new(Arc::clone(&fields), cells.collect())
        })
        .collect()
}

pub(crate) fn people(rows: &[Row]) -> People {
    let mut gathering = People::gather(Identity::Chart, &Secret::new("k"), today());
    rows.iter().for_each(|row| gathering.add(row));
    gathering.finish()
}

pub(crate) fn convert() -> Convert {
    Convert::new(today(), None, &[])
}

pub(crate) fn patient(people: &People, row: &Row) -> Patient {
    match convert().patient(people, row).unwrap() {
        Change::Upsert(Record::Patient(patient)) => patient,
        other => panic!("{other:?}"),
    }
}

const RECALLS: &[u8] = include_bytes!("../../tests/fixtures/recall.csv");

#[test]
fn the_continuing_care_list_reads_as_it_is_known_to() {
    let known: Value =
        serde_json::from_str(include_str!("../../tests/fixtures/expected_recall.json")).unwrap();
    let known = known["records"].as_array().unwrap();
    let rows = report(Table::Recalls, RECALLS);
    assert_eq!(rows.len(), 26);
    let people = people(&rows);
    let mut twins = Twins::default();
    rows.iter()
        .for_each(|row| twins.add(&convert(), &people, row));
    let twins = twins.finish();
    let mut keys = std::collections::BTreeSet::new();
    for (row, known) in rows.iter().zip(known) {
        let text = |name: &str| known[name].as_str().map(str::to_owned);
        let name = name::Name::of(row);
        assert_eq!(Some(name.last), text("last_name"));
        assert_eq!(Some(name.first), text("first_name"));
        assert_eq!(name.middle, text("middle_initial").unwrap_or_default());
        for (field, name) in [
            (Field::HomePhone, "home_phone"),
            (Field::MobilePhone, "mobile_phone"),
        ] {
            let known = &known[name];
            let got = phone::phone(row.get(field).unwrap_or_default(), None);
            let e164 = got
                .as_ref()
                .ok()
                .map(|phone| phone.e164().expose().as_str());
            assert_eq!(e164, known["e164"].as_str());
            assert_eq!(
                got.err().map(phone::PhoneIssue::name),
                known["issue"].as_str()
            );
        }
        let (valid, issue) = email::emails(row.get(Field::Email).unwrap_or_default());
        let valid: Vec<_> = valid
            .iter()
            .map(|email| email.address().expose().clone())
            .collect();
        assert_eq!(serde_json::json!(valid), known["email"]["valid"]);
        assert_eq!(
            issue.map(email::EmailIssue::name),
            known["email"]["issue"].as_str()
        );
        let asked = known["privacy"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| match one.as_str() {
                Some("no_phone") => Privacy::NO_PHONE,
                Some("no_letter") => Privacy::NO_LETTER,
                Some("disclosure_restricted") => Privacy::DISCLOSURE,
                Some("no_email") => Privacy::NO_EMAIL,
                Some("no_text") => Privacy::NO_TEXT,
                Some("no_postcard") => Privacy::NO_POSTCARD,
                other => panic!("{other:?}"),
            });
        assert_eq!(
            Privacy::of(row),
            Some(asked.fold(Privacy::default(), Privacy::and))
        );
        let Made::Change(Change::Upsert(Record::Recall(recall))) =
            convert().recall(&people, &twins, row)
        else {
            panic!()
        };
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string());
        assert_eq!(day(recall.due), text("due_date"));
        assert_eq!(day(recall.previous), text("prior_treatment"));
        let booked = text("appointment").filter(|text| text.starts_with('2'));
        assert_eq!(day(recall.scheduled), booked);
        let label = |name: &str| {
            recall
                .labels
                .iter()
                .find(|label| label.field == name)
                .map(|label| label.key.clone())
        };
        assert_eq!(label("recall_type"), text("cc_type"));
        assert_eq!(label("recall_status"), text("cc_status"));
        assert_eq!(
            label("recall_booked").is_some(),
            text("appointment").as_deref() == Some("other")
        );
        let fresh = keys.insert(recall.key.native().to_owned());
        assert_eq!(!fresh, known["duplicate_of_earlier_row"].as_bool().unwrap());
        let born = patient(&people, row).born.unwrap().expose().to_string();
        assert_eq!(Some(born), text("birth_date"));
    }
    assert_eq!((keys.len(), people.len()), (25, 23));
}

#[test]
fn a_table_of_people_without_privacy_requests_stops_the_read() {
    let row = row(&[
        (Field::LastName, "Doe"),
        (Field::Chart, "1"),
        (Field::BirthDate, "1970-01-15"),
    ]);
    let people = people(std::slice::from_ref(&row));
    assert_eq!(convert().patient(&people, &row), Err(NoPrivacy));
}

#[test]
fn where_a_visit_stands_is_read_from_codes_flags_and_words() {
    use odx_core::model::AppointmentStatus::{Broken, Complete, Scheduled, Unscheduled};
    let person = [
        (Field::PatientId, "7"),
        (Field::Chart, "7"),
        (Field::BirthDate, "1970-01-15"),
    ];
    let people = people(&[row(&person)]);
    for (status, broken, pinned, is) in [
        ("-106", "0", "0", Complete),
        ("150", "false", "0", Complete),
        ("100", "1", "0", Broken),
        ("101", "1", "0", Unscheduled),
        ("2", "\u{1}", "0", Broken),
        ("2", "0", "true", Unscheduled),
        ("2", "0", "0", Scheduled),
        ("??????", "", "", Scheduled),
        ("Wait/Will Call", "", "", Unscheduled),
        ("Complete", "", "", Complete),
    ] {
        let row = row(&[
            (Field::AppointmentId, "9001"),
            (Field::PatientId, "7"),
            (Field::AppointmentDate, "2026-03-08"),
            (Field::StartHour, "2"),
            (Field::StartMinute, "30"),
            (Field::Status, status),
            (Field::Broken, broken),
            (Field::Pinboard, pinned),
        ]);
        let Made::Change(Change::Upsert(Record::Appointment(made))) =
            convert().appointment(&people, &row)
        else {
            panic!("{status}")
        };
        assert_eq!((made.status, made.key.native()), (is, "9001"), "{status}");
        // The wall's time, also one that the night of the change leaves out.
        let start = made.start.map(|at| at.to_string());
        assert_eq!(start.is_none(), is == Unscheduled);
        assert!(start.is_none_or(|at| at == "2026-03-08 02:30:00"));
    }
    let nobody = row(&[(Field::PatientId, "0"), (Field::Status, "1")]);
    assert_eq!(
        convert().appointment(&people, &nobody),
        Made::LeftOut(LeftOut::NotOnFile)
    );
}

#[test]
fn near_duplicates_keep_their_keys_whatever_their_order() {
    let of = |due| {
        row(&[
            (Field::PatientName, "Doe, Ann"),
            (Field::Chart, "7"),
            (Field::BirthDate, "01/15/1970"),
            (Field::RecallType, "PROPHY   "),
            (Field::DueDate, due),
        ])
    };
    let keys = |rows: &[Row]| {
        let people = people(rows);
        let mut twins = Twins::default();
        rows.iter()
            .for_each(|row| twins.add(&convert(), &people, row));
        let twins = twins.finish();
        let made = rows
            .iter()
            .map(|row| match convert().recall(&people, &twins, row) {
                Made::Change(Change::Upsert(Record::Recall(recall))) => {
                    (recall.due, recall.key.native().to_owned())
                }
                other => panic!("{other:?}"),
            });
        made.collect::<std::collections::BTreeSet<_>>()
    };
    let (one, other) = (of("08/12/2025"), of("09/01/2025"));
    let first = keys(&[one.clone(), other.clone(), one.clone()]);
    assert_eq!(first, keys(&[other, one.clone()]));
    assert_eq!(first.len(), 2);
    assert!(first.is_superset(&keys(&[one])));
}
