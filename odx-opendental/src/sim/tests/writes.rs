//! What a write leaves behind in the office.

use chrono::TimeDelta;
use serde_json::json;

use super::*;

fn all_rights(version: &str) -> PracticeBuilder {
    Practice::builder(3)
        .with_permissions(&Permission::ALL)
        .with_version(version)
        .with_pat_field_def("Text me", "Checkbox")
        .with_pat_field_def("Deposit", "Currency")
}

async fn office() -> (Practice, Client, i64) {
    let practice = all_rights("25.3.1").build().unwrap();
    let client = Client::of(&practice).await;
    let pat_num = practice.add_patient(PatientRow::new("Written", "To"));
    (practice, client, pat_num)
}

fn def(practice: &Practice, category: i64, name: &str) -> i64 {
    practice
        .definitions()
        .iter()
        .find(|row| row.category == category && row.item_name == name)
        .unwrap()
        .def_num
}

#[tokio::test]
async fn a_comm_log_without_details_reads_like_a_phone_call() {
    let (practice, client, pat_num) = office().await;
    let note = json!({"PatNum": pat_num, "Note": "n"});
    let got = client.post("/commlogs", &note).await.json();
    assert_eq!(got["commType"], "Misc");
    assert_eq!(got["Mode_"], "Phone");
    assert_eq!(got["SentOrReceived"], "Sent");
    assert_eq!(got["CommDateTime"], "2026-11-20 09:00:00");
    assert_eq!(got["UserNum"], 0);
    let misc = def(&practice, 27, "Misc");
    assert_eq!(got["CommType"], misc.to_string());
}

#[tokio::test]
async fn a_comm_log_posted_twice_is_two_rows() {
    let (practice, client, pat_num) = office().await;
    let note = json!({"PatNum": pat_num, "Note": "the same"});
    for _ in 0..2 {
        assert_eq!(client.post("/commlogs", &note).await.status, 201);
    }
    assert_eq!(practice.commlogs_of(pat_num).len(), 2);
    assert_eq!(practice.commlogs().len(), 2);
}

#[tokio::test]
async fn the_written_mode_is_spelled_with_blanks_and_printed_without() {
    let (practice, client, pat_num) = office().await;
    let with = |mode: &str| json!({"PatNum": pat_num, "Note": "n", "Mode_": mode});
    for (written, printed) in [
        ("In Person", "InPerson"),
        ("Email and Text", "EmailAndText"),
        ("Phone and Text", "PhoneAndText"),
        ("Text", "Text"),
    ] {
        let got = client.post("/commlogs", &with(written)).await;
        assert_eq!(got.json()["Mode_"], printed);
    }
    assert_eq!(
        client.post("/commlogs", &with("InPerson")).await.status,
        400
    );
    assert_eq!(practice.commlogs_of(pat_num).len(), 4);
    let lenient = all_rights("25.3.1")
        .with_stored_mode_names(true)
        .build()
        .unwrap();
    let pat_num = lenient.patients()[0].pat_num;
    lenient.update_patient(pat_num, |row| "Patient".clone_into(&mut row.pat_status));
    let client = Client::of(&lenient).await;
    let body = json!({"PatNum": pat_num, "Note": "n", "Mode_": "InPerson"});
    assert_eq!(client.post("/commlogs", &body).await.status, 201);
}

#[tokio::test]
async fn the_name_of_a_comm_type_wins_over_its_key() {
    let (practice, client, pat_num) = office().await;
    let lab = def(&practice, 27, "Insurance");
    let mut body = json!({"PatNum": pat_num, "Note": "n", "CommType": lab.to_string()});
    let got = client.post("/commlogs", &body).await.json();
    assert_eq!(got["commType"], "Insurance");
    body["commType"] = "Recall".into();
    let got = client.post("/commlogs", &body).await.json();
    assert_eq!(got["commType"], "Recall");
    body["commType"] = "recall".into();
    assert_eq!(client.post("/commlogs", &body).await.status, 400);
}

#[tokio::test]
async fn line_breaks_come_back_as_blanks() {
    let (practice, client, pat_num) = office().await;
    let note = json!({"PatNum": pat_num, "Note": "one\r\ntwo\nthree"});
    let got = client.post("/commlogs", &note).await.json();
    assert_eq!(got["Note"], "one two three");
    assert_eq!(practice.commlogs_of(pat_num)[0].note, "one\r\ntwo\nthree");
    let visit = practice.add_appointment(AppointmentRow::new(pat_num, "2026-12-01 08:00:00"));
    let path = format!("/appointments/{visit}/Note");
    for note in ["first", "second"] {
        let got = client.put(&path, &json!({"Note": note})).await;
        assert_eq!(got.status, 200);
    }
    assert_eq!(practice.appointment(visit).unwrap().note, "first\r\nsecond");
    let got = client.get(&format!("/appointments/{visit}")).await.json();
    assert_eq!(got["Note"], "first second");
}

#[tokio::test]
async fn every_write_moves_the_stamp_of_its_row() {
    let (practice, client, pat_num) = office().await;
    let visit = practice.add_appointment(AppointmentRow::new(pat_num, "2026-12-01 08:00:00"));
    let recall = practice.add_recall(RecallRow::new(pat_num, 1));
    let note = json!({"PatNum": pat_num, "Note": "n"});
    let log = key(&client.post("/commlogs", &note).await.json(), "CommlogNum");
    practice.advance(Duration::from_secs(60));
    let now = "2026-11-20 09:01:00";
    let changed = client
        .put(&format!("/commlogs/{log}"), &json!({"Note": "m"}))
        .await
        .json();
    assert_eq!(changed["DateTStamp"], now);
    assert_eq!(changed["DateTEntry"], "2026-11-20 09:00:00");
    let confirm = json!({"confirmVal": "None"});
    client
        .put(&format!("/appointments/{visit}/Confirm"), &confirm)
        .await;
    assert_eq!(practice.appointment(visit).unwrap().date_t_stamp, now);
    let status = json!({"PatNum": pat_num, "recallType": "Prophy"});
    client.put("/recalls/Status", &status).await;
    assert_eq!(practice.recall(recall).unwrap().date_t_stamp, now);
    let since = "/commlogs?DateTStamp=2026-11-20%2009%3A00%3A30";
    assert_eq!(client.get(since).await.rows().len(), 2);
    let field = json!({"PatNum": pat_num, "FieldName": "Deposit", "FieldValue": "1.50"});
    let field = client.put("/patfields", &field).await.json();
    assert_eq!(field["SecDateTEdit"], now);
    let since = "/patfields?SecDateTEdit=2026-11-20%2009%3A01%3A00";
    assert_eq!(client.get(since).await.json(), field);
}

#[tokio::test]
async fn a_recall_status_writes_a_recall_comm_log() {
    let (practice, client, pat_num) = office().await;
    let recall = practice.add_recall(RecallRow::new(pat_num, 1));
    let texted = def(&practice, 13, "Texted");
    let body = json!({
        "PatNum": pat_num, "recallType": "Prophy", "RecallStatus": texted,
        "commlogMode": "InPerson", "commlogNote": "seen at the shop",
    });
    let got = client.put("/recalls/Status", &body).await;
    assert_eq!((got.status, got.text().as_str()), (200, ""));
    assert_eq!(practice.recall(recall).unwrap().recall_status, texted);
    let logs = practice.commlogs_of(pat_num);
    assert_eq!(logs[0].comm_type, def(&practice, 27, "Recall"));
    assert_eq!(logs[0].mode, "InPerson");
    assert_eq!(logs[0].note, "seen at the shop");
    // The status is left alone, the log has no mode and the program's own note.
    let minimal = json!({"PatNum": pat_num, "recallType": "Prophy"});
    client.put("/recalls/Status", &minimal).await;
    assert_eq!(practice.recall(recall).unwrap().recall_status, texted);
    let logs = practice.commlogs_of(pat_num);
    assert_eq!(logs[1].mode, "None");
    assert!(!logs[1].note.is_empty());
}

#[tokio::test]
async fn a_confirmation_resolves_to_what_the_office_mapped() {
    let (practice, client, pat_num) = office().await;
    let visit = practice.add_appointment(AppointmentRow::new(pat_num, "2026-12-01 08:00:00"));
    let path = format!("/appointments/{visit}/Confirm");
    let now = || practice.appointment(visit).unwrap().confirmed;
    let confirmed = def(&practice, 2, "Appointment Confirmed");
    for (value, status) in [
        ("Confirmed", confirmed),
        ("Sent", def(&practice, 2, "eConfirmSent")),
        ("None", def(&practice, 2, "Not Called")),
    ] {
        let got = client.put(&path, &json!({"confirmVal": value})).await;
        assert_eq!((got.status, now()), (200, status), "{value}");
    }
    let got = client.put(&path, &json!({"defNum": confirmed})).await;
    assert_eq!((got.status, now()), (200, confirmed));
    let other = def(&practice, 13, "Texted");
    for refused in [
        json!({"confirmVal": "Not Accepted"}),
        json!({"confirmVal": "NotAccepted"}),
        json!({"defNum": other}),
        json!({"defNum": confirmed, "confirmVal": "Confirmed"}),
        json!({}),
    ] {
        let got = client.put(&path, &refused).await;
        assert_eq!((got.status, now()), (400, confirmed), "{refused}");
    }
    let bare = all_rights("25.3.1")
        .without_confirm_statuses()
        .with_confirm_status("Not Accepted", "Unconfirmed")
        .build()
        .unwrap();
    let pat_num = bare.add_patient(PatientRow::new("Written", "To"));
    let visit = bare.add_appointment(AppointmentRow::new(pat_num, "2026-12-01 08:00:00"));
    let path = format!("/appointments/{visit}/Confirm");
    let client = Client::of(&bare).await;
    for (value, status) in [("Confirmed", 400), ("Not Accepted", 200)] {
        let got = client.put(&path, &json!({"confirmVal": value})).await;
        assert_eq!(got.status, status, "{value}");
    }
}

#[tokio::test]
async fn unticking_a_checkbox_deletes_its_row() {
    let (practice, client, pat_num) = office().await;
    let set = |value: &str| json!({"PatNum": pat_num, "FieldName": "Text me", "FieldValue": value});
    assert_eq!(client.put("/patfields", &set("1")).await.status, 200);
    assert_eq!(practice.pat_fields_of(pat_num)[0].field_value, "1");
    let got = client.put("/patfields", &set("0")).await;
    assert_eq!((got.status, got.text().as_str()), (200, ""));
    assert!(practice.pat_fields_of(pat_num).is_empty());
    let one = format!("/patfields?PatNum={pat_num}&FieldName=Text%20me");
    assert_eq!(client.get(&one).await.rows().len(), 0);
}

#[tokio::test]
async fn one_filtered_patient_field_is_a_bare_object_and_two_are_a_list() {
    let (practice, client, pat_num) = office().await;
    practice.set_pat_field(pat_num, "Deposit", "1");
    let one = format!("/patfields?PatNum={pat_num}");
    assert!(client.get(&one).await.json().is_object());
    assert!(client.get("/patfields").await.json().is_array());
    practice.set_pat_field(pat_num, "Text me", "1");
    assert!(client.get(&one).await.json().is_array());
    let listed = all_rights("25.3.1")
        .with_bare_single(false)
        .build()
        .unwrap();
    let pat_num = listed.add_patient(PatientRow::new("Written", "To"));
    listed.set_pat_field(pat_num, "Deposit", "1");
    let client = Client::of(&listed).await;
    let got = client.get(&format!("/patfields?PatNum={pat_num}")).await;
    assert_eq!(got.rows().len(), 1);
}

/// A recall due last week that nobody has been reminded of.
async fn due() -> (Practice, Client, i64, String) {
    let (practice, client, pat_num) = office().await;
    let mut row = RecallRow::new(pat_num, 1);
    row.date_due = "2026-11-13".to_owned();
    row.date_previous = "2026-05-12".to_owned();
    practice.add_recall(row);
    let list = "/recalls/List?DateStart=2026-11-13&DateEnd=2026-11-13".to_owned();
    (practice, client, pat_num, list)
}

fn of(rows: Vec<Value>, pat_num: i64) -> Option<Value> {
    rows.into_iter().find(|row| row["PatNum"] == pat_num)
}

#[tokio::test]
async fn a_reminder_hides_the_recall_for_the_configured_days() {
    let (practice, client, pat_num, list) = due().await;
    let row = of(client.get(&list).await.rows(), pat_num).unwrap();
    assert_eq!(
        (&row["NumRemind"], &row["LastRemind"]),
        (&json!(""), &json!(""))
    );
    let body = json!({"PatNum": pat_num, "recallType": "Prophy", "commlogMode": "Text"});
    client.put("/recalls/Status", &body).await;
    assert_eq!(of(client.get(&list).await.rows(), pat_num), None);
    let all = format!("{list}&IncludeReminded=true");
    let row = of(client.get(&all).await.rows(), pat_num).unwrap();
    assert_eq!(row["NumRemind"], "1");
    assert_eq!(row["LastRemind"], "11/20/2026");
    // 30 days after the first, 60 after a later one.
    practice.advance(Duration::from_secs(86_400 * 29));
    assert_eq!(of(client.get(&list).await.rows(), pat_num), None);
    practice.advance(Duration::from_secs(86_400));
    assert!(of(client.get(&list).await.rows(), pat_num).is_some());
    client.put("/recalls/Status", &body).await;
    practice.advance(Duration::from_secs(86_400 * 59));
    assert_eq!(of(client.get(&list).await.rows(), pat_num), None);
    practice.advance(Duration::from_secs(86_400));
    let row = of(client.get(&list).await.rows(), pat_num).unwrap();
    assert_eq!(row["NumRemind"], "2");
}

#[tokio::test]
async fn only_recall_comm_logs_after_the_last_visit_are_reminders() {
    let (practice, client, pat_num, list) = due().await;
    let recall = def(&practice, 27, "Recall");
    for (kind, at) in [
        (def(&practice, 27, "Misc"), "2026-11-19 10:00:00"),
        (recall, "2026-05-12 10:00:00"),
    ] {
        practice.add_commlog(CommlogRow {
            pat_num,
            comm_type: kind,
            comm_date_time: at.to_owned(),
            ..CommlogRow::default()
        });
        let row = of(client.get(&list).await.rows(), pat_num).unwrap();
        assert_eq!(row["NumRemind"], "");
    }
    practice.add_commlog(CommlogRow {
        pat_num,
        comm_type: recall,
        comm_date_time: "2026-11-19 10:00:00".to_owned(),
        ..CommlogRow::default()
    });
    assert_eq!(of(client.get(&list).await.rows(), pat_num), None);
}

#[tokio::test]
async fn faults_before_a_write_leave_no_row_and_faults_after_it_leave_one() {
    let (practice, client, pat_num) = office().await;
    let note = json!({"PatNum": pat_num, "Note": "n"});
    for (fault, status, written) in [
        (Fault::ConnectionReset, 0, 0),
        (Fault::GatewayTimeout504, 504, 0),
        (Fault::connector_down(), 400, 0),
        (Fault::Status(503), 503, 0),
        (Fault::LostReply, 0, 1),
        (Fault::StatusAfter(504), 504, 1),
        (Fault::connector_down_after(), 400, 1),
        (Fault::TruncatedBody, 201, 1),
    ] {
        let before = practice.commlogs_of(pat_num).len();
        practice.faults().fail_next(1, fault.clone());
        let got = client.post("/commlogs", &note).await;
        let rows = practice.commlogs_of(pat_num).len() - before;
        assert_eq!((got.status, rows), (status, written), "{fault:?}");
    }
    // Nobody can tell the two apart by what they say.
    for fault in [Fault::connector_down(), Fault::connector_down_after()] {
        practice.faults().fail_next(1, fault);
        let got = client.post("/commlogs", &note).await;
        assert_eq!(got.text(), "eConnector not running at the office.");
    }
}

#[tokio::test]
async fn writes_are_throttled_like_reads() {
    let practice = Practice::builder(3)
        .with_permissions(&Permission::ALL[..3])
        .with_throttle(Throttle::TooMany { retry_after: true })
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    let pat_num = practice.add_patient(PatientRow::new("Written", "To"));
    let note = json!({"PatNum": pat_num, "Note": "n"});
    assert_eq!(client.post("/commlogs", &note).await.status, 201);
    assert_eq!(client.post("/commlogs", &note).await.status, 429);
    practice.advance(TimeDelta::seconds(1).to_std().unwrap());
    assert_eq!(client.post("/commlogs", &note).await.status, 201);
    assert_eq!(practice.commlogs().len(), 2);
}
