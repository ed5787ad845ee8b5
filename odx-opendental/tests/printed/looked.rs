//! What the printed answers show to whoever looks for what was written.

use odx_core::effect::Marker;
use odx_core::writer::{
    CommDirection, CommLog, CommMode, Confirmation, PatientField, PracticeWriter as _, WriteBack,
};
use odx_core::{AppointmentKey, IdempotencyKey, PatientKey, Phi};
use odx_opendental::{OpenDental, WriteBackSettings};
use serde_json::json;
use wiremock::ResponseTemplate;

use crate::office::{Office, fixture};

fn writer(office: &Office) -> OpenDental {
    let all = WriteBackSettings::new()
        .with_comm_logs()
        .with_confirmations()
        .with_patient_fields();
    office.builder().with_write_back(all).build().unwrap()
}

fn marker() -> Marker {
    Marker::of(&IdempotencyKey::of_parts(&["a printed row"]))
}

fn answers(file: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(fixture(file).remove(0))
}

#[tokio::test]
async fn comm_logs() {
    let office = Office::documented().await;
    let log = WriteBack::CommLog(CommLog {
        patient: PatientKey::new("15"),
        at: "2025-01-21T11:15:00".parse().unwrap(),
        mode: CommMode::Text,
        direction: CommDirection::Received,
        kind: "235".to_owned(),
        text: Phi::new(String::new()),
    });
    for (file, key) in [("commlogs.get", "11"), ("commlogs.single.get", "2")] {
        let mut rows = fixture(file);
        let writer = writer(&office);
        office.put("commlogs", rows.clone());
        assert_eq!(writer.find(&log, &marker()).await.unwrap(), None, "{file}");
        let last = rows.last_mut().unwrap();
        last["Note"] = json!(format!("{} {}", last["Note"], marker()));
        office.put("commlogs", rows);
        let found = writer.find(&log, &marker()).await.unwrap().unwrap();
        assert_eq!(found.remote_id.as_deref(), Some(key), "{file}");
    }
    let types = json!({"DefNum": 235, "ItemName": "ApptRelated", "isHidden": "false"});
    office.put("definitions", vec![types]);
    office.say("commlogs", answers("commlogs.post.response"));
    let receipt = writer(&office).write(&log, &marker()).await.unwrap();
    assert_eq!(receipt.remote_id.as_deref(), Some("14"));
}

#[tokio::test]
async fn patient_fields() {
    let office = Office::documented().await;
    let field = |patient: &str, name: &str, value: &str| {
        WriteBack::PatientField(PatientField {
            patient: PatientKey::new(patient),
            field: name.to_owned(),
            value: Phi::new(value.to_owned()),
        })
    };
    let verified = |patient| field(patient, "Ins Verified", "Yes");
    for (file, what, key) in [
        ("patfields.get", field("68", "Over 18", "1"), "2"),
        ("patfields.get", field("39", "Deposit", "450.29"), "1"),
        ("patfields.get.2", verified("69"), "5"),
        ("patfields.get.3", field("39", "Deposit", "450.29"), "1"),
        ("patfields.single.get", verified("69"), "5"),
        ("patfields.post.response", verified("10"), "29"),
        (
            "patfields.put.response",
            field("10", "Ins Verified", "No"),
            "29",
        ),
    ] {
        let rows = fixture(file);
        let writer = writer(&office);
        office.say_nothing_special();
        office.put("patfields", rows.clone());
        let found = writer.find(&what, &marker()).await.unwrap().unwrap();
        assert_eq!(found.remote_id.as_deref(), Some(key), "{file}");
        if let [row] = rows.as_slice() {
            // A bare object, and the answer to a write.
            office.say("patfields", ResponseTemplate::new(200).set_body_json(row));
            let found = writer.find(&what, &marker()).await.unwrap().unwrap();
            assert_eq!(found.remote_id.as_deref(), Some(key), "{file}");
            let receipt = writer.write(&what, &marker()).await.unwrap();
            assert_eq!(receipt.remote_id.as_deref(), Some(key), "{file}");
        }
    }
}

#[tokio::test]
async fn a_confirmed_appointment() {
    let office = Office::documented().await;
    office.say("appointments/18", answers("appointments.single.get"));
    let writer = writer(&office);
    for (status, there) in [("19", true), ("209", false)] {
        let what = WriteBack::Confirmation(Confirmation {
            appointment: AppointmentKey::new("18"),
            status: status.to_owned(),
        });
        let found = writer.find(&what, &marker()).await.unwrap();
        assert_eq!(found.is_some(), there, "{status}");
    }
}
