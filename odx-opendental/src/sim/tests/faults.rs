//! Misbehaviour on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn each_fault_looks_like_itself_and_happens_once() {
    let practice = practice(1);
    let client = Client::of(&practice).await;
    let target = "/patients/Simple?Limit=3&Offset=3";
    let good = client.get(target).await;
    assert_eq!(
        good.header("content-type").as_deref(),
        Some("application/json; charset=utf-8")
    );
    for fault in [
        Fault::ConnectionReset,
        Fault::Status(503),
        Fault::StatusRetryAfter(429, Duration::from_secs(7)),
        Fault::connector_down(),
        Fault::GatewayTimeout504,
        Fault::Unauthorized401,
        Fault::TruncatedBody,
        Fault::HalfJson,
        Fault::HtmlLogin200,
        Fault::WrongContentType,
        Fault::Slow(Duration::from_millis(30)),
        Fault::RepeatFirstPage,
        Fault::EmptyBody,
        Fault::LostReply,
        Fault::StatusAfter(504),
        Fault::connector_down_after(),
    ] {
        practice.faults().fail_next(1, fault.clone());
        let got = client.get(target).await;
        let length: Option<usize> = got.header("content-length").map(|n| n.parse().unwrap());
        let half = good.body.len() / 2;
        match &fault {
            Fault::ConnectionReset | Fault::LostReply => {
                assert_eq!((got.status, got.body.len()), (0, 0))
            }
            Fault::Status(status) | Fault::StatusAfter(status) => {
                assert_eq!((got.status, got.body.len()), (*status, 0));
            }
            Fault::StatusRetryAfter(status, _) => {
                assert_eq!(got.status, *status);
                assert_eq!(got.header("retry-after").as_deref(), Some("7"));
            }
            Fault::Http400Text(text) | Fault::Http400TextAfter(text) => {
                assert_eq!((got.status, got.text()), (400, text.clone()))
            }
            Fault::GatewayTimeout504 => assert_eq!(got.status, 504),
            Fault::Unauthorized401 => assert_eq!(got.status, 401),
            Fault::TruncatedBody => {
                assert_eq!(length, Some(good.body.len()));
                assert_eq!(got.body, good.body[..half]);
            }
            Fault::HalfJson => {
                assert_eq!(length, Some(half));
                assert_eq!(got.body, good.body[..half]);
            }
            Fault::HtmlLogin200 => assert!(got.text().starts_with("<!DOCTYPE html>")),
            Fault::WrongContentType => {
                assert!(
                    got.header("content-type")
                        .unwrap()
                        .starts_with("text/plain")
                );
                assert_eq!(got.body, good.body);
            }
            Fault::Slow(_) => assert_eq!(got.body, good.body),
            Fault::RepeatFirstPage => {
                let first = client.get("/patients/Simple?Limit=3").await;
                assert_eq!(got.body, first.body);
                assert_ne!(got.body, good.body);
            }
            Fault::EmptyBody => assert_eq!((got.status, got.body.len()), (200, 0)),
        }
        assert!(
            practice
                .requests()
                .iter()
                .any(|r| r.fault.as_ref() == Some(&fault))
        );
        assert_eq!(client.get(target).await.body, good.body, "after {fault:?}");
    }
}

#[tokio::test]
async fn a_fault_can_be_aimed_at_one_request() {
    let practice = practice(1);
    let client = Client::of(&practice).await;
    practice.faults().fail_at(2, Fault::Status(500));
    for status in [200, 200, 500, 200] {
        assert_eq!(client.get("/clinics").await.status, status);
    }
    practice.clear_requests();
    practice.faults().fail_at(0, Fault::Status(500));
    assert_eq!(client.get("/clinics").await.status, 500);
    assert_eq!(practice.requests()[0].status, 500);
}

#[tokio::test]
async fn a_rate_of_faults_is_the_same_for_the_same_seed() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let practice = practice(1);
        let client = Client::of(&practice).await;
        let faults = [Fault::Status(502), Fault::GatewayTimeout504];
        practice.faults().rate(9, 0.4, &faults);
        let mut statuses = Vec::new();
        for _ in 0..30 {
            statuses.push(client.get("/clinics").await.status);
        }
        practice.faults().clear();
        assert_eq!(client.get("/clinics").await.status, 200);
        seen.push(statuses);
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].contains(&200) && seen[0].contains(&502) && seen[0].contains(&504));
}

#[tokio::test]
async fn a_row_deleted_between_pages_makes_another_slip_past() {
    let practice = Practice::builder(6)
        .with_patients(60)
        .with_page_cap(20)
        .build()
        .unwrap();
    let client = Client::of(&practice).await;
    let before: Vec<i64> = practice.patients().iter().map(|row| row.pat_num).collect();
    let plan = DriftPlan::delete_low_key(Listing::Patients, 2);
    practice.faults().drift(plan);
    let got = keys(&client.all("/patients/Simple", 20).await, "PatNum");
    assert_eq!(practice.faults().drifted(), [(plan, before[0])]);
    let missed: Vec<&i64> = before.iter().filter(|key| !got.contains(key)).collect();
    assert_eq!(missed, [&before[20]]);
    // Once only.
    let got = client.all("/patients/Simple", 20).await;
    assert_eq!(got.len(), 59);
}

#[tokio::test]
async fn a_row_inserted_between_pages_makes_another_come_twice() {
    for listing in [Listing::Patients, Listing::Recalls, Listing::Appointments] {
        let practice = Practice::builder(6).with_page_cap(20).build().unwrap();
        let client = Client::of(&practice).await;
        practice
            .faults()
            .drift(DriftPlan::insert_low_key(listing, 3));
        let name = match listing {
            Listing::Patients => "PatNum",
            Listing::Recalls => "RecallNum",
            Listing::Appointments => "AptNum",
        };
        let mut got = keys(&client.all(listing.path(), 20).await, name);
        assert_eq!(got[39], got[40]);
        let with_repeat = got.len();
        got.dedup();
        assert_eq!(got.len(), with_repeat - 1);
        assert!(!got.contains(&practice.faults().drifted()[0].1));
    }
}

#[tokio::test]
async fn a_hook_can_change_the_office_before_the_answer() {
    let practice = practice(6);
    let client = Client::of(&practice).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    practice
        .faults()
        .on_request(Box::new(move |request, office| {
            counted.fetch_add(1, Ordering::SeqCst);
            if request.param("LName") == Some("hook") {
                office.add_patient(PatientRow::new("Hooked", "In"));
                office.faults().clear();
            }
        }));
    assert_eq!(
        client.get("/patients/Simple?LName=hook").await.rows().len(),
        1
    );
    client.get("/clinics").await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_dropped_server_answers_nobody() {
    let practice = practice(1);
    let server = practice.serve().await.unwrap();
    let address = server.address();
    assert_eq!(server.base_url(), format!("http://{address}/api/v1"));
    drop(server);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(TcpStream::connect(address).is_err());
}
