//! What is sent where the documentation prints a request.

use odx_core::effect::Marker;
use odx_core::source::Extent;
use odx_core::writer::{
    CommDirection, CommLog, CommMode, Confirmation, PatientField, PracticeWriter as _,
    RecallStatus, WriteBack,
};
use odx_core::{AppointmentKey, IdempotencyKey, PatientKey, Phi, RecallKey};
use odx_opendental::WriteBackSettings;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::office::{Office, fixture, pass};

fn marker() -> Marker {
    Marker::of(&IdempotencyKey::of_parts(&["a printed request"]))
}

/// Method, path and body of the last request, after `what` was written.
async fn sent(what: WriteBack, as_reminder: bool) -> (String, Value) {
    let office = Office::documented().await;
    let def = |key: u32| json!({"DefNum": key, "ItemName": "x", "isHidden": "false"});
    office.put("definitions", [209, 235, 312].map(def).to_vec());
    let recall = json!({"RecallNum": 7, "PatNum": 71, "RecallTypeNum": 1});
    office.put("recalls", vec![recall]);
    for path in [
        "commlogs",
        "patfields",
        "recalls/Status",
        "recalls/7",
        "appointments/34/Confirm",
    ] {
        office.say(path, ResponseTemplate::new(200));
    }
    let all = WriteBackSettings::new()
        .with_comm_logs()
        .with_confirmations()
        .with_patient_fields();
    let all = if as_reminder {
        all.with_recall_status_as_reminder()
    } else {
        all.with_recall_status()
    };
    let writer = office.builder().with_write_back(all).build().unwrap();
    writer.write(&what, &marker()).await.unwrap();
    let requests = office.server.received_requests().await.unwrap();
    let last = requests.last().unwrap();
    let path = last.url.path().trim_start_matches("/api/v1/");
    let body = serde_json::from_slice(&last.body).unwrap();
    (format!("{} {path}", last.method), body)
}

fn one(name: &str) -> Value {
    fixture(name).remove(0)
}

#[tokio::test]
async fn a_comm_log() {
    let mut printed = one("commlogs.post.request.2");
    let what = WriteBack::CommLog(CommLog {
        patient: PatientKey::new("30"),
        at: "2025-01-21T11:15:00".parse().unwrap(),
        mode: CommMode::Text,
        direction: CommDirection::Received,
        kind: "235".to_owned(),
        text: Phi::new(printed["Note"].as_str().unwrap().to_owned()),
    });
    let (request, body) = sent(what, false).await;
    assert_eq!(request, "POST commlogs");
    // Its type by key, as every row has it, for a name means another key next
    // door; and our marker behind the note.
    let fields = printed.as_object_mut().unwrap();
    assert!(fields.remove("commType").is_some());
    let note = format!("{} {}", fields["Note"].as_str().unwrap(), marker());
    fields.insert("Note".to_owned(), note.into());
    let rows = fixture("commlogs.post.response");
    fields.insert("CommType".to_owned(), rows[0]["CommType"].clone());
    assert_eq!(body, printed);
    // The short form would stand for a call of the office.
    let short = one("commlogs.post.request");
    assert!(
        short
            .as_object()
            .unwrap()
            .keys()
            .all(|key| !body[key].is_null())
    );
}

fn status() -> WriteBack {
    WriteBack::RecallStatus(RecallStatus {
        patient: PatientKey::new("71"),
        recall: RecallKey::new("7"),
        status: Some("312".to_owned()),
    })
}

#[tokio::test]
async fn a_recall_status() {
    let (request, body) = sent(status(), true).await;
    assert_eq!(request, "PUT recalls/Status");
    let mut printed = one("recalls.status.put.request");
    printed["commlogMode"] = json!("None");
    printed["commlogNote"] = json!(marker().as_str());
    assert_eq!(body, printed);
    let short = one("recalls.status.put.request.2");
    assert!(
        short
            .as_object()
            .unwrap()
            .keys()
            .all(|key| !body[key].is_null())
    );
    // Of the row, the status and nothing that the staff wrote.
    let (request, body) = sent(status(), false).await;
    assert_eq!(request, "PUT recalls/7");
    assert_eq!(body, json!({"RecallStatus": 312}));
    let printed = one("recalls.put.request");
    assert!(printed["RecallStatus"].is_number());
}

#[tokio::test]
async fn a_confirmation() {
    let what = WriteBack::Confirmation(Confirmation {
        appointment: AppointmentKey::new("34"),
        status: "209".to_owned(),
    });
    let (request, body) = sent(what, false).await;
    assert_eq!(request, "PUT appointments/34/Confirm");
    assert_eq!(body, one("appointments.confirm.put.request.2"));
    // The other form means whatever the office mapped to a word, if anything.
    assert!(body.get("confirmVal").is_none());
    assert!(
        one("appointments.confirm.put.request")
            .get("confirmVal")
            .is_some()
    );
}

#[tokio::test]
async fn a_patient_field() {
    for (file, value) in [
        ("patfields.put.request", "No"),
        ("patfields.post.request", "Yes"),
    ] {
        let what = WriteBack::PatientField(PatientField {
            patient: PatientKey::new("10"),
            field: "Ins Verified".to_owned(),
            value: Phi::new(value.to_owned()),
        });
        let (request, body) = sent(what, false).await;
        assert_eq!(request, "PUT patfields");
        assert_eq!(body, one(file), "{file}");
    }
}

#[tokio::test]
async fn a_query() {
    let office = Office::documented().await;
    office.put("securityperms", fixture("securityperms.get"));
    let nothing = ResponseTemplate::new(200).set_body_json(json!([]));
    office.say("queries/ShortQuery", nothing);
    pass(&office.source(), None, Extent::Changes).await.unwrap();
    let requests = office.server.received_requests().await.unwrap();
    let queries: Vec<_> = requests
        .iter()
        .filter(|one| one.url.path().ends_with("/queries/ShortQuery"))
        .collect();
    assert!(!queries.is_empty());
    for query in queries {
        assert_eq!(query.method.as_str(), "PUT");
        assert_eq!(query.url.query(), None);
        let body: Value = serde_json::from_slice(&query.body).unwrap();
        let fields: Vec<_> = body.as_object().unwrap().keys().collect();
        for file in ["", ".2", ".3"] {
            let printed = one(&format!("queries.shortquery.put.request{file}"));
            assert_eq!(
                fields,
                printed.as_object().unwrap().keys().collect::<Vec<_>>()
            );
        }
        assert!(body["SqlCommand"].as_str().unwrap().starts_with("SELECT "));
    }
}
