//! Who may not write, since when one can, and what is not taken.

use serde_json::json;

use super::*;

/// One valid write of every kind, in the order of [`calls`].
async fn office(version: &str, permissions: &[Permission]) -> (Practice, Client, [i64; 5]) {
    let practice = Practice::builder(3)
        .with_permissions(permissions)
        .with_version(version)
        .with_pat_field_def("Deposit", "Currency")
        .with_hidden_pat_field_def("Old", "Text")
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    let pat_num = practice.add_patient(PatientRow::new("Written", "To"));
    let visit = practice.add_appointment(AppointmentRow::new(pat_num, "2026-12-01 08:00:00"));
    let recall = practice.add_recall(RecallRow::new(pat_num, 1));
    let log = practice.add_commlog(CommlogRow {
        pat_num,
        ..CommlogRow::default()
    });
    let subscription = practice.add_subscription(SubscriptionRow {
        end_point_url: "http://127.0.0.1:1/".to_owned(),
        watch_table: "Patient".to_owned(),
        polling_seconds: 5,
        ..SubscriptionRow::default()
    });
    (
        practice,
        client,
        [pat_num, visit, recall, log, subscription],
    )
}

/// Method, path, body, permission and the version that brought it.
type Write = (&'static str, String, Value, Permission, &'static str);

fn calls([pat_num, visit, recall, log, subscription]: [i64; 5]) -> Vec<Write> {
    use Permission::{AllOthers, Comm, ReadAll};
    let field = json!({"PatNum": pat_num, "FieldName": "Deposit", "FieldValue": "1"});
    let status = json!({"PatNum": pat_num, "recallType": "Prophy"});
    let events = json!({
        "EndPointUrl": "http://127.0.0.1:1/", "WatchTable": "Patient", "PollingSeconds": 5,
    });
    let note = json!({"Note": "n"});
    let log_body = json!({"PatNum": pat_num, "Note": "n"});
    let confirm = json!({"confirmVal": "None"});
    let path = |what: &str, key: i64| format!("/{what}/{key}");
    vec![
        ("POST", "/commlogs".to_owned(), log_body, Comm, "21.1.0"),
        (
            "PUT",
            path("commlogs", log),
            note.clone(),
            AllOthers,
            "25.2.21",
        ),
        ("PUT", "/recalls/Status".to_owned(), status, Comm, "21.2.0"),
        (
            "PUT",
            path("recalls", recall),
            note.clone(),
            AllOthers,
            "24.2.31",
        ),
        (
            "PUT",
            path("appointments", visit) + "/Confirm",
            confirm,
            Comm,
            "21.1.0",
        ),
        (
            "PUT",
            path("appointments", visit) + "/Note",
            note.clone(),
            Comm,
            "21.1.0",
        ),
        (
            "POST",
            "/patfields".to_owned(),
            field.clone(),
            AllOthers,
            "22.4.0",
        ),
        ("PUT", "/patfields".to_owned(), field, AllOthers, "21.1.0"),
        (
            "POST",
            "/subscriptions".to_owned(),
            events,
            ReadAll,
            "22.1.0",
        ),
        (
            "PUT",
            path("subscriptions", subscription),
            note,
            ReadAll,
            "22.1.0",
        ),
        (
            "DELETE",
            path("subscriptions", subscription),
            json!({}),
            AllOthers,
            "22.1.0",
        ),
    ]
}

#[tokio::test]
async fn a_missing_permission_is_a_401_for_exactly_its_methods() {
    let without = |gone: Permission| -> Vec<Permission> {
        Permission::ALL.into_iter().filter(|p| *p != gone).collect()
    };
    for gone in [Permission::ReadAll, Permission::Comm, Permission::AllOthers] {
        let (_practice, client, keys) = office("25.3.1", &without(gone)).await;
        for (method, path, body, needs, _) in calls(keys) {
            let got = client.send(method, &path, &body.to_string()).await;
            let refused = got.status == 401;
            assert_eq!(refused, needs == gone, "{method} {path}: {}", got.text());
            assert!(
                refused || got.status < 300,
                "{method} {path}: {}",
                got.text()
            );
        }
    }
}

#[tokio::test]
async fn an_office_too_old_for_a_write_answers_400() {
    for old in [
        "21.1.0", "21.2.0", "22.1.0", "22.4.0", "24.2.30", "25.2.20", "25.2.21",
    ] {
        let (_practice, client, keys) = office(old, &Permission::ALL).await;
        let parts =
            |text: &str| -> Vec<u16> { text.split('.').map(|n| n.parse().unwrap()).collect() };
        for (method, path, body, _, since) in calls(keys) {
            let got = client.send(method, &path, &body.to_string()).await;
            let too_old = parts(old) < parts(since);
            assert_eq!(
                got.status == 400,
                too_old,
                "{old} {method} {path}: {}",
                got.text()
            );
        }
    }
}

#[tokio::test]
async fn what_an_answer_holds_follows_the_version() {
    let (practice, client, keys) = office("23.3.6", &Permission::ALL).await;
    let log = json!({"PatNum": keys[0], "Note": "n"});
    let got = client.post("/commlogs", &log).await;
    assert_eq!((got.status, got.text().as_str()), (201, ""));
    assert_eq!(practice.commlogs_of(keys[0]).len(), 2);
    assert_eq!(client.get("/commlogs").await.text(), "PatNum is required");
    let one = format!("/commlogs/{}", keys[3]);
    assert_eq!(client.get(&one).await.status, 400);
    let field = json!({"PatNum": keys[0], "FieldName": "Deposit", "FieldValue": "1"});
    let got = client.put("/patfields", &field).await;
    assert_eq!((got.status, got.text().as_str()), (200, ""));
    let (_practice, client, keys) = office("23.3.7", &Permission::ALL).await;
    let log = json!({"PatNum": keys[0], "Note": "n"});
    assert_eq!(client.post("/commlogs", &log).await.json()["Note"], "n");
    let (_practice, client, _) = office("22.4.4", &Permission::ALL).await;
    assert_eq!(client.get("/patfields").await.status, 400);
}

#[tokio::test]
async fn a_deleted_patient_refuses_every_write() {
    let (practice, client, keys) = office("25.3.1", &Permission::ALL).await;
    practice.update_patient(keys[0], |row| "Deleted".clone_into(&mut row.pat_status));
    let before = (practice.commlogs(), practice.pat_fields());
    for (method, path, body, needs, _) in calls(keys) {
        if needs == Permission::ReadAll || method == "DELETE" {
            continue;
        }
        let got = client.send(method, &path, &body.to_string()).await;
        assert_eq!(
            (got.status, got.text().as_str()),
            (404, "Patient not found"),
            "{method} {path}"
        );
    }
    assert!(before == (practice.commlogs(), practice.pat_fields()));
    assert_eq!(practice.appointment(keys[1]).unwrap().note, "");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_writes_nothing() {
    let (practice, client, [pat_num, _, recall, ..]) = office("25.3.1", &Permission::ALL).await;
    let logs = practice.commlogs().len();
    for (body, text) in [
        (json!({"Note": "n"}), "PatNum is required"),
        (json!({"PatNum": pat_num}), "Note is required"),
        (json!({"PatNum": pat_num, "Note": ""}), "Note is required"),
        (json!({"PatNum": pat_num, "note": "n"}), "Note is required"),
        (json!({"PatNum": 1, "Note": "n"}), "Patient not found"),
        (
            json!({"PatNum": pat_num, "Note": "n", "CommType": 1}),
            "CommType is invalid",
        ),
        (json!([1]), "The body must be a JSON object"),
    ] {
        let got = client.post("/commlogs", &body).await;
        assert!(matches!(got.status, 400 | 404), "{body}");
        assert_eq!(got.text(), text);
    }
    assert_eq!(practice.commlogs().len(), logs);
    let field = |name: &str, value: &str| json!({"PatNum": pat_num, "FieldName": name, "FieldValue": value});
    for (body, status) in [
        (field("deposit", "1"), 404),
        (field("Deposit", "a lot"), 400),
        (field("Old", "x"), 400),
    ] {
        assert_eq!(
            client.post("/patfields", &body).await.status,
            status,
            "{body}"
        );
    }
    assert_eq!(
        client.put("/patfields", &field("Old", "x")).await.status,
        200
    );
    let fits = field("Deposit", "1");
    assert_eq!(client.post("/patfields", &fits).await.status, 201);
    assert_eq!(client.post("/patfields", &fits).await.status, 400);
    let path = format!("/recalls/{recall}");
    for body in [
        json!({"RecallStatus": 1}),
        json!({"RecallInterval": "soon"}),
        json!({"DateDue": "tomorrow"}),
        json!({"IsDisabled": "maybe"}),
        json!({"TimePatternOverride": "XO"}),
    ] {
        assert_eq!(client.put(&path, &body).await.status, 400, "{body}");
    }
    assert_eq!(client.put("/recalls/1", &json!({})).await.status, 404);
    let unknown = json!({"PatNum": pat_num, "recallType": "Perio"});
    assert_eq!(client.put("/recalls/Status", &unknown).await.status, 404);
    assert_eq!(client.post("/clinics", &json!({})).await.status, 404);
}

#[tokio::test]
async fn before_22_1_only_prophy_and_perio_take_a_recall_status() {
    for (version, status) in [("21.4.0", 400), ("22.1.0", 200)] {
        let (practice, client, keys) = office(version, &Permission::ALL).await;
        practice.add_recall(RecallRow::new(keys[0], 4));
        let body = json!({"PatNum": keys[0], "recallType": "4BW"});
        let got = client.put("/recalls/Status", &body).await;
        assert_eq!(got.status, status, "{version}: {}", got.text());
    }
}

#[tokio::test]
async fn the_permission_of_unlisted_methods_can_be_another_one() {
    let practice = Practice::builder(3)
        .with_unlisted_permission(Permission::ReadAll)
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    let num = practice.add_subscription(SubscriptionRow::default());
    let got = client.delete(&format!("/subscriptions/{num}")).await;
    assert_eq!(got.status, 200);
}
