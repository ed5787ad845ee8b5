//! What the printed answers are read as, by whoever asks for them.

use chrono::{DateTime, Utc};
use odx_core::model::{Record, RecordKey};
use odx_core::push::Delivery;
use odx_core::source::{Change, Extent, PracticeSource as _};
use odx_core::{AppointmentKey, PatientKey};
use odx_opendental::statements;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::office::{Office, fixture, pass};

fn plain(change: &Change) -> Value {
    match change {
        Change::Upsert(Record::Patient(one)) => serde_json::to_value(one),
        Change::Upsert(Record::Recall(one)) => serde_json::to_value(one),
        Change::Upsert(Record::Appointment(one))
        | Change::Told {
            record: Record::Appointment(one),
            ..
        } => serde_json::to_value(one),
        other => panic!("{other:?}"),
    }
    .unwrap()
}

/// The records that a pass makes of a printed list.
async fn read(path: &str, file: &str) -> Vec<Value> {
    let office = Office::documented().await;
    for list in ["patients/Simple", "appointments", "recalls"] {
        office.put(list, Vec::new());
    }
    office.put(path, fixture(file));
    let (changes, _, _) = pass(&office.source(), None, Extent::Changes).await.unwrap();
    changes.iter().map(plain).collect()
}

fn standard() -> Value {
    json!([{"field": "pat_status", "key": "Patient", "text": "Patient"},
        {"field": "billing_type", "key": "Standard Account", "text": "Standard Account"}])
}

/// Numbers with an area code that does not exist are no numbers.
fn jane() -> Value {
    json!({"key": "48", "household": "48", "status": "active", "first_name": "Jane",
        "last_name": "Smith", "born": "1976-05-24", "email": "smithfam@yahoo.com",
        "language": "spa", "provider": "1", "labels": standard()})
}

/// With these fields instead.
fn with(mut row: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else {
        panic!("no object")
    };
    row.as_object_mut().unwrap().extend(fields);
    row
}

#[tokio::test]
async fn patients() {
    let path = "patients/Simple";
    let yes = json!([{"channel": "sms", "permission": "granted", "origin": "practice"}]);
    assert_eq!(
        read(path, "patients.simple.get").await,
        [
            json!({"key": "1", "household": "1", "status": "active", "first_name": "John",
                "last_name": "Smith", "born": "1976-05-24", "email": "name@web.com",
                "first_visit": "2021-08-19", "clinic": "1", "provider": "1", "consent": yes,
                "labels": standard()}),
            json!({"key": "2", "household": "2", "status": "active", "first_name": "Brody",
                "last_name": "Johnson", "first_visit": "2021-08-29", "clinic": "1",
                "provider": "1", "consent": yes, "labels": standard(),
                "landline": {"e164": "+15035035030", "kind": "unknown"}}),
        ]
    );
    for (file, first_visit) in [
        ("patients.single.get", Some("2021-12-16")),
        ("patients.put.response", Some("2023-04-25")),
        ("patients.post.response", None),
    ] {
        let expected = match first_visit {
            Some(day) => with(jane(), json!({"first_visit": day})),
            None => jane(),
        };
        assert_eq!(
            read(path, file).await,
            std::slice::from_ref(&expected),
            "{file}"
        );
        // And by key.
        let office = Office::documented().await;
        let body = fixture(file).remove(0);
        office.say(
            "patients/48",
            ResponseTemplate::new(200).set_body_json(body),
        );
        let key = PatientKey::new("48");
        let changes = office.source().refresh(&key).await.unwrap();
        assert_eq!(plain(&changes[0]), expected, "{file}");
    }
    assert_eq!(read(path, "patients.get.empty").await, [] as [Value; 0]);
}

#[tokio::test]
async fn recalls() {
    let recall = |key: &str, kind: &str| {
        json!({"key": key, "patient": "38", "interval": "6m1d", "labels": [
            {"field": "recall_status", "key": "142", "text": "Mailed Postcard"},
            {"field": "recall_type", "key": kind, "text": ""}]})
    };
    let due = json!({"due": "2022-09-09"});
    for (file, expected) in [
        ("recalls.get", with(recall("40", "6"), due.clone())),
        ("recalls.post.response", recall("40", "8")),
        ("recalls.put.response", with(recall("1652", "6"), due)),
    ] {
        assert_eq!(read("recalls", file).await, [expected], "{file}");
    }
}

fn visit(key: u32, patient: u32, minutes: u32, fields: Value) -> Value {
    let not_called = json!([{"field": "confirmed", "key": "19", "text": "Not Called"}]);
    let row = json!({"key": key.to_string(), "patient": patient.to_string(), "minutes": minutes,
        "status": "scheduled", "labels": not_called});
    with(row, fields)
}

fn eighteen() -> Value {
    visit(
        18,
        17,
        40,
        json!({"operatory": "3", "provider": "1", "start": "2020-07-31T08:30:00"}),
    )
}

#[tokio::test]
async fn appointments() {
    let nine = "2020-07-31T09:00:00";
    let four = visit(
        4,
        20,
        40,
        json!({"operatory": "2", "provider": "3", "start": nine}),
    );
    let three = |fields| {
        let base = json!({"operatory": "6", "provider": "4", "hygiene": true, "start": nine});
        visit(3, 21, 50, with(base, fields))
    };
    let at_five = |key: u32, fields| {
        let base = json!({"operatory": "3", "provider": "5", "clinic": "1",
            "start": "2021-11-19T09:00:00"});
        visit(key, 21, 20, with(base, fields))
    };
    for (file, expected) in [
        (
            "appointments.get",
            vec![four.clone(), three(json!({"status": "complete"}))],
        ),
        ("appointments.asap.get", vec![four, three(json!({}))]),
        ("appointments.single.get", vec![eighteen()]),
        (
            "appointments.post.response",
            vec![visit(
                3,
                21,
                20,
                json!({"operatory": "6", "provider": "3", "start": nine}),
            )],
        ),
        ("appointments.put.response", vec![at_five(34, json!({}))]),
        (
            "appointments.websched.get",
            vec![
                three(json!({"start": "2021-07-31T09:00:00"})),
                visit(
                    35,
                    37,
                    30,
                    json!({"clinic": "2", "operatory": "5", "provider": "3",
                        "start": "2021-10-18T13:30:00", "labels": [
                        {"field": "confirmed", "key": "19", "text": "Not Called"},
                        {"field": "unsched_status", "key": "92", "text": "Appointment Scheduled"}]}),
                ),
            ],
        ),
        (
            "appointments.websched.post.response",
            vec![at_five(
                121,
                json!({"labels": [
                    {"field": "confirmed", "key": "395", "text": "Created from Web Sched"}]}),
            )],
        ),
        (
            "appointments.planned.post.response",
            vec![visit(
                414,
                72,
                50,
                json!({"clinic": "3", "provider": "10", "status": "planned"}),
            )],
        ),
        (
            "appointments.scheduleplanned.post.response",
            vec![visit(
                414,
                72,
                20,
                json!({"clinic": "3", "operatory": "1", "provider": "10",
                    "start": "2022-06-14T09:00:00"}),
            )],
        ),
    ] {
        assert_eq!(read("appointments", file).await, expected, "{file}");
    }
}

#[tokio::test]
async fn the_history_of_appointments() {
    for (file, gone) in [
        ("histappointments.get", &[][..]),
        ("histappointments.get.2", &["266"][..]),
    ] {
        let office = Office::documented().await;
        office.put("histappointments", fixture(file));
        // A list of one page is read in every pass.
        office.put("recalls", Vec::new());
        let source = office.source();
        let mut cursor = None;
        let mut told = Vec::new();
        for _ in 0..3 {
            let (changes, _, next) = pass(&source, cursor, Extent::Changes).await.unwrap();
            told = changes;
            cursor = Some(next);
        }
        let expected = gone
            .iter()
            .map(|key| Change::Gone(RecordKey::Appointment(AppointmentKey::new(*key))));
        assert_eq!(told, expected.collect::<Vec<_>>(), "{file}");
    }
}

/// The labels of a recall with this type and status.
async fn labels(office: &Office) -> Vec<(String, String)> {
    let row = json!({"RecallNum": 9, "PatNum": 1, "RecallTypeNum": 7, "RecallStatus": 293});
    office.put("recalls", vec![row]);
    let (changes, _, _) = pass(&office.source(), None, Extent::Changes).await.unwrap();
    let Some(Change::Upsert(Record::Recall(recall))) = changes.last() else {
        panic!()
    };
    let labels = recall.labels.iter();
    labels
        .map(|one| (one.field.clone(), one.text.clone()))
        .collect()
}

#[tokio::test]
async fn names_permissions_and_preferences() {
    let label = |field: &str, text: &str| (field.to_owned(), text.to_owned());
    let office = Office::documented().await;
    // A bare object is a list of one.
    let exam = fixture("recalltypes.single.get").remove(0);
    office.say(
        "recalltypes",
        ResponseTemplate::new(200).set_body_json(exam),
    );
    office.put("definitions", fixture("definitions.get"));
    assert_eq!(
        labels(&office).await,
        [
            label("recall_status", "Sales Tax"),
            label("recall_type", "Exam")
        ]
    );
    office.put("definitions", fixture("definitions.post.response"));
    assert!(
        !labels(&office)
            .await
            .contains(&label("recall_status", "Sales Tax"))
    );
    let office = Office::documented().await;
    office.put("securityperms", fixture("securityperms.get"));
    office.put("preferences", fixture("preferences.get"));
    let findings = office.source().probe().await.unwrap().findings;
    for part in [
        "the key has: ApiReadAll, ApiAllOthers, ApiComm, ApiQueries",
        "the office's version cannot be read",
    ] {
        assert!(
            findings.iter().any(|one| one == part),
            "{part}: {findings:?}"
        );
    }
}

#[tokio::test]
async fn signals() {
    let printed = fixture("signalods.get");
    let mut names = printed.clone();
    names[0]["IType"] = json!("RecallTypes");
    for (rows, again) in [(printed, 0), (names, 1)] {
        let office = Office::documented().await;
        let source = office.source();
        let (_, _, mut cursor) = pass(&source, None, Extent::Changes).await.unwrap();
        office.put("signalods", rows);
        for _ in 0..2 {
            cursor = pass(&source, Some(cursor), Extent::Changes)
                .await
                .unwrap()
                .2;
        }
        let read = office.asked_for("recalltypes").await.len();
        assert!(if again == 0 { read == 1 } else { read > 1 }, "{read}");
    }
}

#[tokio::test]
async fn events() {
    let office = Office::documented().await;
    let source = office.source();
    for list in ["appointments", "recalls"] {
        office.put(list, Vec::new());
    }
    let (_, _, cursor) = pass(&source, None, Extent::Changes).await.unwrap();
    let (_, _, cursor) = pass(&source, Some(cursor), Extent::Changes).await.unwrap();
    let push = source.push().unwrap();
    for (name, told) in [
        ("event.appointment", vec![eighteen()]),
        ("event.patientselected", Vec::new()),
    ] {
        let headers = fixture(&format!("{name}.headers")).remove(0);
        let kind = headers["Event-Type"].as_str().unwrap();
        let kind = kind.rsplit(": ").next().unwrap();
        let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let body = std::fs::read(path).unwrap();
        let delivery = Delivery::new(kind, body, DateTime::<Utc>::UNIX_EPOCH);
        let page = push.told(&delivery, &cursor).unwrap();
        let changes: Vec<_> = page.changes.iter().map(plain).collect();
        assert_eq!(changes, told, "{name}");
        assert_ne!(*page.position.cursor(), cursor, "{name} is looked into");
    }
}

#[test]
fn dates_of_queries() {
    let printed = fixture("queries.shortquery.put.response");
    assert_eq!(printed.len(), 2);
    for (row, due, until) in [
        (&printed[0], "2021-05-01", "2021-06-04"),
        (&printed[1], "2021-06-01", "2021-07-05"),
    ] {
        let row = json!({"RecallNum": 1, "PatNum": 2, "RecallInterval": 393_217,
            "DateDue": row["DateStart"], "DatePrevious": "0001-01-01T00:00:00",
            "DisableUntilDate": row["DatePaycheck"], "DateScheduled": "0001-01-01T00:00:00",
            "RecallTypeNum": 0, "RecallStatus": 0, "IsDisabled": 0, "Priority": 0,
            "DisableUntilBalance": 0});
        let raw: Box<RawValue> = serde_json::value::to_raw_value(&row).unwrap();
        let page = statements::recalls(&[&raw]);
        let expected = json!({"key": "1", "patient": "2", "interval": "6m1d", "due": due,
            "snoozed_until": until});
        assert_eq!(plain(&page.changes[0]), expected);
    }
}
