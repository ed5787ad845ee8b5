//! Every printed write is accepted, and answered in the printed shape.

use serde_json::json;

use super::fixtures::{printed, shapes};
use super::receiver::{NEXT, Receiver, watching};
use super::*;

/// An office with the numbers and names that the printed requests use.
async fn office() -> (Practice, Client) {
    let practice = Practice::builder(1)
        .with_permissions(&Permission::ALL)
        .with_clinics(2)
        .with_pat_field_def("Ins Verified", "Text")
        .with_pat_field_def("Deposit", "Currency")
        .build()
        .unwrap();
    for key in [10, 15, 30, 38, 69] {
        let mut row = PatientRow::new("Printed", "Patient");
        row.pat_num = key;
        practice.add_patient(row);
    }
    let client = Client::of(&practice).await;
    (practice, client)
}

fn same(got: &Got, status: u16, (name, printed): (&str, &str)) {
    assert_eq!(got.status, status, "{name}: {}", got.text());
    for row in shapes(&got.text()) {
        assert_eq!(row, shapes(printed)[0], "{name}");
    }
    let list = |text: &str| text.trim_start().starts_with('[');
    assert_eq!(list(&got.text()), list(printed), "{name}");
}

fn body((_, printed): (&str, &str)) -> Value {
    serde_json::from_str(printed).unwrap()
}

fn bare(got: &Got) {
    assert_eq!((got.status, got.text().as_str()), (200, ""));
}

#[tokio::test]
async fn comm_logs_look_as_printed() {
    let (_practice, client) = office().await;
    let posted = client
        .post("/commlogs", &body(printed!("commlogs.post.request.2")))
        .await;
    same(&posted, 201, printed!("commlogs.post.response"));
    let wanted = body(printed!("commlogs.post.response"));
    for name in ["PatNum", "CommDateTime", "commType", "Note", "Mode_"] {
        assert_eq!(posted.json()[name], wanted[name], "{name}");
    }
    assert_eq!(posted.json()["SentOrReceived"], "Received");
    let minimal = client
        .post("/commlogs", &body(printed!("commlogs.post.request")))
        .await;
    same(&minimal, 201, printed!("commlogs.post.response"));
    let got = client.get("/commlogs?PatNum=15").await;
    same(&got, 200, printed!("commlogs.get"));
    let one = format!("/commlogs/{}", key(&posted.json(), "CommlogNum"));
    same(
        &client.get(&one).await,
        200,
        printed!("commlogs.single.get"),
    );
    let put = client
        .put(&one, &body(printed!("commlogs.put.request")))
        .await;
    same(&put, 200, printed!("commlogs.put.response"));
    let wanted = body(printed!("commlogs.put.response"));
    assert_eq!(put.json()["Note"], wanted["Note"]);
}

#[tokio::test]
async fn patient_fields_look_as_printed() {
    let (practice, client) = office().await;
    let posted = client
        .post("/patfields", &body(printed!("patfields.post.request")))
        .await;
    same(&posted, 201, printed!("patfields.post.response"));
    let put = client
        .put("/patfields", &body(printed!("patfields.put.request")))
        .await;
    same(&put, 200, printed!("patfields.put.response"));
    assert_eq!(put.json()["FieldValue"], "No");
    practice.set_pat_field(69, "Ins Verified", "Yes");
    practice.set_pat_field(69, "Deposit", "450.29");
    same(
        &client.get("/patfields").await,
        200,
        printed!("patfields.get"),
    );
    let one = client
        .get("/patfields?PatNum=69&FieldName=Ins%20Verified")
        .await;
    same(&one, 200, printed!("patfields.get.2"));
    let one = client.get("/patfields?FieldName=Deposit").await;
    same(&one, 200, printed!("patfields.get.3"));
    let single = format!("/patfields/{}", key(&one.json(), "PatFieldNum"));
    let got = client.get(&single).await;
    same(&got, 200, printed!("patfields.single.get"));
    bare(&client.delete(&single).await);
}

#[tokio::test]
async fn subscriptions_look_as_printed() {
    let (practice, client) = office().await;
    let posted = client
        .post(
            "/subscriptions",
            &body(printed!("subscriptions.post.request")),
        )
        .await;
    same(&posted, 201, printed!("subscriptions.post.response"));
    let mut wanted = body(printed!("subscriptions.post.response"));
    wanted["SubscriptionNum"] = posted.json()["SubscriptionNum"].clone();
    wanted["CustomerKey"] = practice.customer_key().into();
    assert_eq!(posted.json(), wanted);
    for request in [
        printed!("subscriptions.post.request.2"),
        printed!("subscriptions.post.request.3"),
    ] {
        let posted = client.post("/subscriptions", &body(request)).await;
        same(&posted, 201, printed!("subscriptions.post.response"));
        assert_eq!(posted.json()["DateTimeStart"], "2026-11-20 09:00:00");
    }
    let got = client.get("/subscriptions").await;
    same(&got, 200, printed!("subscriptions.get"));
    let one = format!("/subscriptions/{}", key(&posted.json(), "SubscriptionNum"));
    for request in [
        printed!("subscriptions.put.request"),
        printed!("subscriptions.put.request.2"),
    ] {
        bare(&client.put(&one, &body(request)).await);
    }
    let row = &practice.subscriptions()[0];
    assert_eq!(row.polling_seconds, 30);
    assert_eq!(row.workstation, "BETTYC");
    assert_eq!(row.date_time_stop, "2022-12-31 00:00:00");
    bare(&client.delete(&one).await);
    assert_eq!(practice.subscriptions().len(), 2);
}

#[tokio::test]
async fn a_recall_is_answered_as_printed() {
    let (practice, client) = office().await;
    let mut row = RecallRow::new(38, 6);
    row.recall_num = 1652;
    practice.add_recall(row);
    let mut request = body(printed!("recalls.put.request"));
    let status = practice
        .definitions()
        .iter()
        .find(|row| row.item_name == "Mailed Postcard")
        .unwrap()
        .def_num;
    request["RecallStatus"] = status.into();
    let put = client.put("/recalls/1652", &request).await;
    same(&put, 200, printed!("recalls.put.response"));
    let wanted = body(printed!("recalls.put.response"));
    for name in ["DateDue", "RecallInterval", "recallStatus", "Note"] {
        assert_eq!(put.json()[name], wanted[name], "{name}");
    }
}

#[tokio::test]
async fn the_bare_writes_answer_200_and_nothing() {
    let (practice, client) = office().await;
    let mut perio = RecallRow::new(69, 3);
    perio.recall_num = 7;
    practice.add_recall(perio);
    let mut request = body(printed!("recalls.status.put.request.2"));
    request["PatNum"] = 69.into();
    bare(&client.put("/recalls/Status", &request).await);
    practice.update_recall(7, |row| row.recall_type_num = 1);
    let mut request = body(printed!("recalls.status.put.request"));
    request["PatNum"] = 69.into();
    request["RecallStatus"] = 0.into();
    bare(&client.put("/recalls/Status", &request).await);
    let visit = practice.add_appointment(AppointmentRow::new(69, "2026-12-01 08:00:00"));
    let confirm = format!("/appointments/{visit}/Confirm");
    let request = body(printed!("appointments.confirm.put.request"));
    bare(&client.put(&confirm, &request).await);
    let first = practice
        .definitions()
        .iter()
        .find(|row| row.category == 2)
        .unwrap()
        .def_num;
    bare(&client.put(&confirm, &json!({"defNum": first})).await);
    let note = body(printed!("appointments.note.put.request"));
    bare(
        &client
            .put(&format!("/appointments/{visit}/Note"), &note)
            .await,
    );
}

#[tokio::test]
async fn events_look_as_printed() {
    let (practice, _client) = office().await;
    let receiver = Receiver::start().await;
    for table in [
        "Appointment",
        "Operatory",
        "Schedule",
        "Provider",
        "Patient",
    ] {
        practice.add_subscription(watching(&receiver, table));
    }
    practice.add_appointment(AppointmentRow::new(69, "2026-12-01 08:00:00"));
    practice.touch_operatory(1);
    practice.touch_provider(1);
    practice.add_schedule(ScheduleRow::default());
    practice.advance(NEXT);
    practice.fire_events().await;
    let calls = receiver.take();
    assert_eq!(calls.len(), 5);
    for (call, (name, printed), extra) in [
        (&calls[0], printed!("event.appointment"), None),
        (&calls[1], printed!("operatories.single.get"), None),
        (&calls[2], printed!("schedules.get"), None),
        // Printed with a clock, which no event has.
        (&calls[3], printed!("providers.get"), Some("serverDateTime")),
        (
            &calls[4],
            printed!("patients.simple.get"),
            Some("serverDateTime"),
        ),
    ] {
        let sent = shapes(std::str::from_utf8(&call.body).unwrap());
        let wanted = shapes(printed)[0].without(extra);
        assert!(!sent.is_empty());
        for row in sent {
            assert_eq!(row, wanted, "{name}");
        }
    }
    let headers = body(printed!("event.appointment.headers"));
    assert_eq!(
        calls[0].header("event-type").unwrap(),
        headers["Event-Type"]
    );
    assert_eq!(calls[0].header("workstation"), Some("FRONTDESK"));
    assert_eq!(
        calls[0].header("authorization"),
        Some(practice.customer_key())
    );
}

#[tokio::test]
async fn a_selected_patient_looks_as_printed() {
    let (practice, client) = office().await;
    let receiver = Receiver::start().await;
    let request = json!({"EndPointUrl": receiver.url(), "UiEventType": "PatientSelected"});
    client.post("/subscriptions", &request).await;
    practice.update_patient(69, |row| row.clinic_num = 1);
    let sent = practice.select_patient(69).await;
    assert_eq!(sent.len(), 1);
    let calls = receiver.take();
    let text = std::str::from_utf8(&calls[0].body).unwrap();
    assert_eq!(shapes(text), shapes(printed!("event.patientselected").1));
    let row: Value = serde_json::from_str(text).unwrap();
    assert_eq!(row["ClinicNum"], "1");
    assert_eq!(row["BillingType"], "StandardAccount");
    let headers = body(printed!("event.patientselected.headers"));
    assert_eq!(
        calls[0].header("event-type").unwrap(),
        headers["Event-Type"]
    );
    // The program on another machine was not asked, and the closed one says nothing.
    assert_eq!(sent[0].machine, "SERVER");
    assert!(practice.select_patient_at("OP2", 69).await.is_empty());
}
