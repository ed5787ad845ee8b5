use std::sync::Arc;

use odx_core::Secret;
use odx_core::model::{Channel, Patient, PatientStatus, Record};
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

fn reason(change: &Change) -> String {
    match change {
        Change::Unreadable(bad) => bad.reason.clone(),
        other => panic!("{other:?}"),
    }
}

fn base() -> Vec<(Field, &'static str)> {
    vec![
        (Field::Chart, "MA0101"),
        (Field::LastName, "Canaria"),
        (Field::FirstName, "Wilhelmina"),
        (Field::BirthDate, "1979-04-12"),
        (Field::Privacy, "0"),
        (Field::Status, "1"),
    ]
}

fn with(field: Field, text: &'static str) -> Row {
    let mut fields = base();
    fields.retain(|(known, _)| *known != field);
    fields.push((field, text));
    row(&fields)
}

#[test]
fn a_status_is_a_code_or_a_word_and_nobody_guesses_another() {
    for (text, status) in [
        ("1", PatientStatus::Active),
        ("Patient", PatientStatus::Active),
        ("2.0", PatientStatus::NonPatient),
        ("Non-Patient   ", PatientStatus::NonPatient),
        ("3", PatientStatus::Inactive),
        ("ARCHIVED", PatientStatus::Archived),
    ] {
        let row = with(Field::Status, text);
        assert_eq!(
            patient(&people(std::slice::from_ref(&row)), &row).status,
            status,
            "{text}"
        );
    }
    for text in ["5", "Friend", " "] {
        let row = with(Field::Status, text);
        let change = convert()
            .patient(&people(std::slice::from_ref(&row)), &row)
            .unwrap();
        assert!(reason(&change).starts_with("status "), "{text}");
    }
}

#[test]
fn a_disclosure_restriction_closes_and_a_number_that_nobody_can_dial_is_none() {
    let row = with(Field::Privacy, "4");
    assert_eq!(
        patient(&people(std::slice::from_ref(&row)), &row).status,
        PatientStatus::Archived
    );
    for text in ["(000)000-0000", "555-0109", "call Ellen"] {
        let row = with(Field::MobilePhone, text);
        assert_eq!(
            patient(&people(std::slice::from_ref(&row)), &row).mobile,
            None,
            "{text}"
        );
    }
    let row = with(Field::MobilePhone, "8015550113.0");
    let mobile = patient(&people(std::slice::from_ref(&row)), &row)
        .mobile
        .unwrap();
    assert_eq!(mobile.e164().expose(), "+18015550113");
}

#[test]
fn what_is_wrong_with_a_row_is_said_without_a_word_of_it() {
    for (field, text) in [
        (Field::BirthDate, "12.13.c4nary"),
        (Field::Status, "c4nary"),
        (Field::FirstVisit, "c4nary"),
    ] {
        let row = with(field, text);
        let change = convert()
            .patient(&people(std::slice::from_ref(&row)), &row)
            .unwrap();
        let told = reason(&change);
        assert!(
            !told.contains("c4nary") && !told.contains("Canaria"),
            "{told}"
        );
        assert!(!format!("{row:?}").contains("c4nary"));
    }
}

#[test]
fn several_rows_of_one_person_are_one_and_the_strictest_privacy_counts() {
    let rows = [
        with(Field::Privacy, "0"),
        with(Field::Privacy, "16"),
        with(Field::Privacy, "8"),
    ];
    let people = people(&rows);
    let one = |order: &[usize]| {
        let mut all = OnePerPerson::default();
        for place in order {
            all.add(convert().patient(&people, &rows[*place]).unwrap());
        }
        all.into_changes().collect::<Vec<_>>()
    };
    let made = one(&[0, 1, 2]);
    assert_eq!(made.len(), 1);
    assert_eq!(made, one(&[2, 1, 0]));
    let Change::Upsert(Record::Patient(patient)) = &made[0] else {
        panic!("{made:?}");
    };
    let denied: Vec<_> = patient.consent.iter().map(|said| said.channel).collect();
    assert!(denied.contains(&Channel::Sms) && denied.contains(&Channel::Email));
    assert!(!denied.contains(&Channel::Voice));
}

#[test]
fn only_types_that_mean_a_recall_are_recalls() {
    let people = people(&[row(&base())]);
    let recall = |types: &[&str], kind: &str| {
        let types: Vec<String> = types.iter().map(|one| (*one).to_owned()).collect();
        let convert = Convert::new(today(), None, &types);
        let mut fields = base();
        fields.extend([(Field::RecallType, kind), (Field::DueDate, "11/20/2025")]);
        let row = row(&fields);
        let mut twins = Twins::default();
        twins.add(&convert, &people, &row);
        convert.recall(&people, &twins.finish(), &row)
    };
    for kind in ["PROPHY", "prophy       "] {
        assert!(
            matches!(recall(&["Prophy"], kind), Made::Change(_)),
            "{kind}"
        );
    }
    let other = Made::LeftOut(LeftOut::OtherType);
    assert_eq!(recall(&["PROPHY"], "COLLECTIONS"), other);
    assert!(matches!(recall(&[], "COLLECTIONS"), Made::Change(_)));
}

#[test]
fn a_recall_without_a_day_is_none_that_is_due_and_a_bad_day_is_no_day() {
    let people = people(&[row(&base())]);
    let due = |text: &'static str| {
        let mut fields = base();
        fields.extend([(Field::RecallType, "FMX"), (Field::DueDate, text)]);
        let row = row(&fields);
        let mut twins = Twins::default();
        twins.add(&convert(), &people, &row);
        match convert().recall(&people, &twins.finish(), &row) {
            Made::Change(Change::Upsert(Record::Recall(recall))) => Ok(recall.due),
            Made::Change(change) => Err(reason(&change)),
            other => panic!("{other:?}"),
        }
    };
    for text in ["", "0000-00-00", "1700-03-01"] {
        assert_eq!(due(text), Ok(None), "{text}");
    }
    assert_eq!(due("11/20/25"), Ok(NaiveDate::from_ymd_opt(2025, 11, 20)));
    assert!(due("someday").unwrap_err().starts_with("due_date "));
}
