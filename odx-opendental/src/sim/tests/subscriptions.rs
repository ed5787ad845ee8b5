//! Which subscriptions are taken, and whose are seen.

use serde_json::json;

use super::*;

async fn office(version: &str) -> (Practice, Client) {
    let practice = Practice::builder(3)
        .with_permissions(&[Permission::ReadAll, Permission::AllOthers])
        .with_version(version)
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    (practice, client)
}

fn watch(table: &str) -> Value {
    json!({"EndPointUrl": "https://odx.example/in/", "WatchTable": table, "PollingSeconds": 5})
}

#[tokio::test]
async fn another_developers_subscription_is_not_there() {
    let (practice, client) = office("25.3.1").await;
    let theirs = practice.add_subscription(SubscriptionRow {
        customer_key: "AnotherDeveloper".to_owned(),
        end_point_url: "https://else.example/".to_owned(),
        watch_table: "Patient".to_owned(),
        polling_seconds: 9,
        ..SubscriptionRow::default()
    });
    assert_eq!(client.get("/subscriptions").await.rows().len(), 0);
    let path = format!("/subscriptions/{theirs}");
    let note = json!({"Note": "mine now"});
    assert_eq!(client.put(&path, &note).await.status, 404);
    assert_eq!(client.delete(&path).await.status, 404);
    assert_eq!(practice.subscription(theirs).unwrap().note, "");
    client.post("/subscriptions", &watch("Patient")).await;
    assert_eq!(client.get("/subscriptions").await.rows().len(), 1);
    assert_eq!(practice.subscriptions().len(), 2);
}

#[tokio::test]
async fn each_table_is_watched_since_its_version() {
    for (table, before, since) in [
        ("Appointment", "21.4.99", "22.1.0"),
        ("Patient", "21.4.99", "22.1.0"),
        ("PatField", "22.4.7", "22.4.8"),
        ("AppointmentDeleted", "22.4.34", "22.4.35"),
        ("Provider", "24.2.10", "24.2.11"),
        ("Operatory", "24.2.10", "24.2.11"),
        ("Schedule", "24.2.10", "24.2.11"),
        ("ToothInitial", "24.4.29", "24.4.30"),
    ] {
        for (version, status) in [(before, 400), (since, 201)] {
            let (_practice, client) = office(version).await;
            let got = client.post("/subscriptions", &watch(table)).await;
            assert_eq!(got.status, status, "{table} {version}: {}", got.text());
        }
    }
    let (_practice, client) = office("25.3.1").await;
    for table in [
        "Recall",
        "Commlog",
        "ProcedureLog",
        "Definition",
        "appointment",
    ] {
        assert_eq!(
            client.post("/subscriptions", &watch(table)).await.status,
            400
        );
    }
}

#[tokio::test]
async fn a_subscription_watches_a_table_or_the_screen() {
    let (practice, client) = office("25.3.1").await;
    let url = "https://odx.example/in/";
    for refused in [
        json!({"EndPointUrl": url}),
        json!({"WatchTable": "Patient", "PollingSeconds": 5}),
        json!({"EndPointUrl": url, "WatchTable": "Patient"}),
        json!({"EndPointUrl": url, "WatchTable": "Patient", "PollingSeconds": 0}),
        json!({"EndPointUrl": url, "UiEventType": "Blink"}),
        json!({"EndPointUrl": "not a url", "UiEventType": "PatientSelected"}),
        json!({"EndPointUrl": url, "WatchTable": "Patient", "PollingSeconds": 5,
            "UiEventType": "PatientSelected"}),
        json!({"EndPointUrl": url, "UiEventType": "PatientSelected", "DateTimeStop": "soon"}),
    ] {
        let got = client.post("/subscriptions", &refused).await;
        assert_eq!(got.status, 400, "{refused}");
    }
    assert!(practice.subscriptions().is_empty());
}

#[tokio::test]
async fn an_address_of_more_than_255_characters_is_refused() {
    let (practice, client) = office("25.3.1").await;
    for (length, status) in [(255, 201), (256, 400)] {
        let mut body = watch("Patient");
        let start = "https://odx.example/";
        let url = format!("{start}{}/", "a".repeat(length - start.len() - 1));
        body["EndPointUrl"] = url.into();
        let got = client.post("/subscriptions", &body).await;
        assert_eq!(got.status, status, "{length}");
    }
    assert_eq!(practice.subscriptions().len(), 1);
}

#[tokio::test]
async fn some_offices_demand_a_trailing_slash() {
    for (demanded, status) in [(false, 201), (true, 400)] {
        let practice = Practice::builder(3)
            .with_trailing_slash_demanded(demanded)
            .build()
            .unwrap();
        let client = Client::of(&practice).await;
        let mut body = watch("Patient");
        assert_eq!(client.post("/subscriptions", &body).await.status, 201);
        body["EndPointUrl"] = "https://odx.example/in".into();
        assert_eq!(client.post("/subscriptions", &body).await.status, status);
    }
}

#[tokio::test]
async fn a_change_never_moves_a_subscription_to_another_table() {
    let (practice, client) = office("25.3.1").await;
    let posted = client.post("/subscriptions", &watch("Patient")).await;
    let num = key(&posted.json(), "SubscriptionNum");
    let body = json!({"WatchTable": "Appointment", "Workstation": "OP2"});
    let got = client.put(&format!("/subscriptions/{num}"), &body).await;
    assert_eq!(got.status, 200);
    let row = practice.subscription(num).unwrap();
    assert_eq!(row.watch_table, "Patient");
    assert_eq!(row.workstation, "OP2");
    let strict = Practice::builder(3)
        .with_unknown_parameters(UnknownParameters::Refused)
        .build()
        .unwrap();
    let client = Client::of(&strict).await;
    let posted = client.post("/subscriptions", &watch("Patient")).await;
    let num = key(&posted.json(), "SubscriptionNum");
    let got = client.put(&format!("/subscriptions/{num}"), &body).await;
    assert_eq!(got.status, 400);
}

#[tokio::test]
async fn subscriptions_came_with_22_1() {
    let (_practice, client) = office("21.4.9").await;
    assert_eq!(client.get("/subscriptions").await.status, 400);
}

#[tokio::test]
async fn a_closed_machine_has_no_heartbeat() {
    let (practice, client) = office("25.3.1").await;
    let beats = |rows: Vec<Value>| -> Vec<(String, bool)> {
        rows.iter()
            .map(|row| {
                let name = row["CompName"].as_str().unwrap().to_owned();
                (name, row["LastHeartBeat"] != NO_DATE_TIME)
            })
            .collect()
    };
    let named = |list: &[(&str, bool)]| -> Vec<(String, bool)> {
        list.iter().map(|(n, b)| ((*n).to_owned(), *b)).collect()
    };
    let got = beats(client.get("/computers").await.rows());
    assert_eq!(
        got,
        named(&[("SERVER", true), ("FRONTDESK", true), ("OP2", false)])
    );
    practice.close_workstation("SERVER");
    practice.open_workstation("OP2");
    practice.start_api_service("APISERVER");
    let got = beats(client.get("/computers").await.rows());
    assert_eq!(
        got,
        named(&[
            ("SERVER", false),
            ("FRONTDESK", true),
            ("OP2", true),
            ("APISERVER", false)
        ])
    );
}
