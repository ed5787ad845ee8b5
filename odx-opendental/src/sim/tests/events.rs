//! Who sends an event, in how many pieces, and what it says.

use serde_json::json;

use super::receiver::{NEXT, Receiver, watching};
use super::*;

async fn office(builder: PracticeBuilder, table: &str, machine: &str) -> (Practice, Receiver) {
    let practice = builder.build().unwrap();
    let receiver = Receiver::start().await;
    let mut row = watching(&receiver, table);
    machine.clone_into(&mut row.workstation);
    practice.add_subscription(row);
    practice.advance(NEXT);
    (practice, receiver)
}

/// Sender, and whether it was the service.
fn senders(sent: &[Delivery]) -> Vec<(&str, bool)> {
    sent.iter()
        .map(|one| (one.machine.as_str(), one.by_service))
        .collect()
}

#[tokio::test]
async fn a_blank_workstation_fires_once_per_running_machine() {
    let (practice, receiver) = office(Practice::builder(2), "Patient", "").await;
    practice.restamp_all_patients();
    let sent = practice.fire_events().await;
    let programs = [("SERVER", false), ("FRONTDESK", false)];
    assert!(senders(&sent).iter().all(|one| programs.contains(one)));
    let calls = receiver.take();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].body, calls[1].body);
    assert_eq!(calls[1].header("workstation"), Some("FRONTDESK"));
}

#[tokio::test]
async fn a_wrong_workstation_is_silence() {
    for name in ["frontdesk", "FRONTDESK ", "GONE", "OP2"] {
        let (practice, receiver) = office(Practice::builder(2), "Patient", name).await;
        practice.restamp_all_patients();
        assert!(practice.fire_events().await.is_empty(), "{name}");
        assert!(receiver.take().is_empty());
        assert_eq!(
            practice.subscriptions()[0].date_time_start,
            "2026-11-20 09:00:00"
        );
    }
}

#[tokio::test]
async fn the_api_service_fires_around_the_clock_and_only_database_events() {
    let builder = Practice::builder(2).with_api_service("APISERVER");
    let (practice, receiver) = office(builder, "Patient", "APISERVER").await;
    practice.close_workstation("SERVER");
    practice.close_workstation("FRONTDESK");
    practice.restamp_all_patients();
    let sent = practice.fire_events().await;
    assert_eq!(senders(&sent), [("APISERVER", true)]);
    practice.add_subscription(SubscriptionRow {
        end_point_url: receiver.url(),
        ui_event_type: "PatientSelected".to_owned(),
        ..SubscriptionRow::default()
    });
    let pat_num = practice.patients()[0].pat_num;
    assert!(
        practice
            .select_patient_at("APISERVER", pat_num)
            .await
            .is_empty()
    );
    assert!(practice.select_patient(pat_num).await.is_empty());
    practice.stop_api_service("APISERVER");
    practice.restamp_all_patients();
    practice.advance(NEXT);
    assert!(practice.fire_events().await.is_empty());
}

#[tokio::test]
async fn program_and_service_on_one_machine_send_everything_twice() {
    let builder = Practice::builder(2).with_api_service("SERVER");
    let (practice, receiver) = office(builder, "Patient", "SERVER").await;
    practice.restamp_all_patients();
    let sent = practice.fire_events().await;
    assert_eq!(senders(&sent), [("SERVER", false), ("SERVER", true)]);
    assert_eq!(receiver.take().len(), 2);
}

#[tokio::test]
async fn a_thousand_rows_go_in_one_request_since_23_2_1() {
    for (version, sizes) in [("23.2.0", vec![2300]), ("23.2.1", vec![1000, 1000, 300])] {
        let builder = Practice::builder(2)
            .with_version(version)
            .with_patients(2300)
            .with_recalls_per_patient(0.0)
            .with_appointments_per_patient(0.0);
        let (practice, receiver) = office(builder, "Patient", "SERVER").await;
        practice.restamp_all_patients();
        practice.fire_events().await;
        let calls = receiver.take();
        let got: Vec<usize> = calls.iter().map(|call| call.rows().len()).collect();
        assert_eq!(got, sizes, "{version}");
        let mut all: Vec<i64> = calls
            .iter()
            .flat_map(|call| keys(&call.rows(), "PatNum"))
            .collect();
        all.dedup();
        assert_eq!(all.len(), 2300);
    }
}

#[tokio::test]
async fn a_batch_that_fails_ends_the_poll_and_all_come_again() {
    let builder = Practice::builder(2)
        .with_patients(1100)
        .with_recalls_per_patient(0.0)
        .with_appointments_per_patient(0.0);
    let (practice, receiver) = office(builder, "Patient", "SERVER").await;
    practice.restamp_all_patients();
    receiver.answers(503);
    assert_eq!(practice.fire_events().await.len(), 1);
    receiver.answers(200);
    practice.advance(NEXT);
    assert_eq!(practice.fire_events().await.len(), 2);
    assert_eq!(practice.deliveries().len(), 3);
}

#[tokio::test]
async fn rows_can_come_in_any_order_across_batches() {
    let orders = [None, Some(1), Some(1), Some(2)].map(|seed| async move {
        let mut builder = Practice::builder(2)
            .with_patients(1200)
            .with_recalls_per_patient(0.0)
            .with_appointments_per_patient(0.0);
        if let Some(seed) = seed {
            builder = builder.with_shuffled_events(seed);
        }
        let (practice, receiver) = office(builder, "Patient", "SERVER").await;
        practice.restamp_all_patients();
        practice.fire_events().await;
        let calls = receiver.take();
        calls
            .iter()
            .flat_map(|call| keys(&call.rows(), "PatNum"))
            .collect::<Vec<i64>>()
    });
    let mut seen = Vec::new();
    for order in orders {
        seen.push(order.await);
    }
    assert!(seen[0].is_sorted());
    assert!(!seen[1].is_sorted());
    assert_eq!(seen[1], seen[2]);
    assert_ne!(seen[1], seen[3]);
    let mut sorted = seen[1].clone();
    sorted.sort_unstable();
    assert_eq!(sorted, seen[0]);
}

#[tokio::test]
async fn the_headers_came_one_after_another() {
    for (version, workstation, event) in [
        ("22.4.27", None, None),
        ("22.4.28", Some("SERVER"), None),
        ("22.4.35", Some("SERVER"), Some("WatchTable: Patient")),
    ] {
        let builder = Practice::builder(2).with_version(version);
        let (practice, receiver) = office(builder, "Patient", "SERVER").await;
        practice.restamp_all_patients();
        practice.fire_events().await;
        let calls = receiver.take();
        assert_eq!(calls[0].target, "/secret/");
        assert_eq!(calls[0].header("authorization"), Some("SimCustomerKey01"));
        assert_eq!(calls[0].header("workstation"), workstation, "{version}");
        assert_eq!(calls[0].header("event-type"), event, "{version}");
    }
}

#[tokio::test]
async fn a_deleted_visit_comes_by_its_own_subscription_only() {
    for (body, names) in [
        (DeletedBody::Appointment, vec!["AptNum", "AptStatus"]),
        (DeletedBody::History, vec!["AptNum", "HistApptNum"]),
        (DeletedBody::KeyOnly, vec!["AptNum"]),
    ] {
        let builder = Practice::builder(2).with_deleted_body(body);
        let (practice, receiver) = office(builder, "AppointmentDeleted", "SERVER").await;
        practice.add_subscription(watching(&receiver, "Appointment"));
        let visits = practice.appointments();
        practice.delete_appointment(visits[0].apt_num);
        practice.update_appointment(visits[1].apt_num, |_| {});
        practice.fire_events().await;
        let calls = receiver.take();
        assert_eq!(calls.len(), 2);
        let deleted = calls[0].rows();
        assert_eq!(keys(&deleted, "AptNum"), [visits[0].apt_num]);
        for name in names {
            assert!(deleted[0].get(name).is_some(), "{body:?} {name}");
        }
        assert_eq!(
            deleted[0].as_object().unwrap().len() == 1,
            body == DeletedBody::KeyOnly
        );
        assert_eq!(keys(&calls[1].rows(), "AptNum"), [visits[1].apt_num]);
    }
}

#[tokio::test]
async fn a_deleted_patient_is_hidden_unless_told_otherwise() {
    for (sent, rows) in [(false, 0), (true, 1)] {
        let builder = Practice::builder(2).with_deleted_patient_events(sent);
        let (practice, receiver) = office(builder, "Patient", "SERVER").await;
        practice.delete_patient(practice.patients()[0].pat_num);
        practice.fire_events().await;
        let calls = receiver.take();
        assert_eq!(calls.len(), rows);
        if let Some(call) = calls.first() {
            assert_eq!(call.rows()[0]["PatStatus"], "Deleted");
        }
    }
}

#[tokio::test]
async fn a_patient_field_change_is_an_event_and_its_removal_is_none() {
    let (practice, receiver) = office(Practice::builder(2), "PatField", "SERVER").await;
    let pat_num = practice.patients()[0].pat_num;
    let field = practice.set_pat_field(pat_num, "Text me", "1");
    practice.fire_events().await;
    let rows = receiver.take()[0].rows();
    assert_eq!(keys(&rows, "PatFieldNum"), [field]);
    assert_eq!(rows[0]["FieldValue"], "1");
    practice.advance(NEXT);
    practice.remove_pat_field(field);
    practice.fire_events().await;
    assert!(receiver.take().is_empty());
}

#[tokio::test]
async fn a_foreign_subscription_fires_with_its_own_key() {
    let (practice, receiver) = office(Practice::builder(2), "Patient", "SERVER").await;
    let mut row = watching(&receiver, "Patient");
    row.customer_key = "AnotherDeveloper".to_owned();
    practice.add_subscription(row);
    practice.restamp_all_patients();
    practice.fire_events().await;
    let calls = receiver.take();
    let mut seen: Vec<_> = calls.iter().map(|c| c.header("authorization")).collect();
    seen.dedup();
    assert_eq!(seen, [Some("SimCustomerKey01"), Some("AnotherDeveloper")]);
}

#[tokio::test]
async fn a_write_through_the_api_is_an_event_too() {
    let builder = Practice::builder(2).with_permissions(&Permission::ALL);
    let (practice, receiver) = office(builder, "Appointment", "SERVER").await;
    let client = Client::of(&practice).await;
    let visit = practice.appointments()[0].apt_num;
    let path = format!("/appointments/{visit}/Confirm");
    client.put(&path, &json!({"confirmVal": "Confirmed"})).await;
    practice.fire_events().await;
    let rows = receiver.take()[0].rows();
    assert_eq!(keys(&rows, "AptNum"), [visit]);
    assert_eq!(rows[0]["confirmed"], "Appointment Confirmed");
}

#[tokio::test]
async fn the_pump_fires_until_it_is_dropped() {
    let (practice, receiver) = office(Practice::builder(2), "Patient", "SERVER").await;
    practice.restamp_all_patients();
    let every = Duration::from_millis(1);
    let pump = practice.fire_events_every(every, NEXT);
    let arrived = tokio::time::timeout(Duration::from_secs(60), async {
        while practice.deliveries().is_empty() {
            tokio::task::yield_now().await;
        }
    });
    arrived.await.unwrap();
    drop(pump);
    assert!(!receiver.take().is_empty());
    assert!(practice.now() > "2026-11-20T09:00:05".parse().unwrap());
}

#[tokio::test]
async fn a_delivery_prints_neither_key_nor_address_nor_people() {
    let (practice, _receiver) = office(Practice::builder(2), "Patient", "SERVER").await;
    practice.restamp_all_patients();
    let sent = practice.fire_events().await;
    let printed = format!("{sent:?} {:?}", practice.subscriptions());
    for secret in ["SimCustomerKey01", "secret", "LName", "127.0.0.1"] {
        assert!(!printed.contains(secret), "{secret}");
    }
    assert!(sent[0].body().starts_with(b"[{\"PatNum\":"));
}
