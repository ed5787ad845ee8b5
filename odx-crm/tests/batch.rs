//! The batch route: matching, splitting, falling back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands"
)]

mod common;

use std::num::NonZeroUsize;
use std::time::Duration;

use common::{config, contact, patient, recall, task};
use odx_core::crm::{Delivery, Intent};
use odx_core::sink::{CrmSink, Outcome};
use odx_core::{Disposition, ErrorKind, Result};
use odx_crm::RestSink;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn sink(server: &MockServer) -> RestSink {
    config(&server.uri())
        .with_batch(NonZeroUsize::new(50).unwrap())
        .build()
        .unwrap()
}

fn patients(n: u32) -> Vec<Delivery> {
    (1..=n).map(|n| contact(patient(n), 0)).collect()
}

async fn on(server: &MockServer, verb: &str, at: &str, answer: ResponseTemplate) {
    Mock::given(method(verb))
        .and(path(at))
        .respond_with(answer)
        .mount(server)
        .await;
}

async fn batch_answers(answer: ResponseTemplate, batch: &[Delivery]) -> Result<Vec<Outcome>> {
    let server = MockServer::start().await;
    on(&server, "POST", "/contacts/batch", answer).await;
    sink(&server).apply(batch).await
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn applied(id: Option<&str>) -> Outcome {
    Outcome::Applied {
        remote_id: id.map(str::to_owned),
    }
}

#[tokio::test]
async fn outcomes_are_matched_by_id_in_the_order_of_the_ops() {
    let lines = json!([
        {"external_id": "od:1001:4", "status": 429, "retry_after": 9},
        {"external_id": "od:1001:3", "status": 422, "error": "phone.bad"},
        {"external_id": "od:1001:9", "status": 200},
        {"external_id": "od:1001:2", "status": 201, "id": 12},
        {"external_id": "od:1001:1", "status": 200, "id": "a"},
    ]);
    for body in [json!({ "results": lines }), lines.clone()] {
        let got = batch_answers(ok(body), &patients(5)).await.unwrap();
        assert_eq!(got[0], applied(Some("a")));
        assert_eq!(got[1], applied(Some("12")));
        assert!(
            matches!(&got[2], Outcome::Rejected { reason } if reason.contains("422 phone.bad"))
        );
        assert!(
            matches!(&got[3], Outcome::Retry { after, .. } if *after == Some(Duration::from_secs(9)))
        );
        assert!(matches!(&got[4], Outcome::Retry { reason, .. } if reason.contains("name")));
    }
}

#[tokio::test]
async fn a_retire_goes_alone_and_only_if_its_record_is_there() {
    let server = MockServer::start().await;
    let lines = json!([
        {"external_id": "od:1001:1", "status": 200},
        {"external_id": "od:1001:3", "status": 200},
    ]);
    on(&server, "POST", "/contacts/batch", ok(lines)).await;
    Mock::given(method("PUT"))
        .and(header("If-Match", "*"))
        .respond_with(ResponseTemplate::new(412))
        .expect(1)
        .mount(&server)
        .await;
    let mut batch = patients(3);
    batch[1].op.intent = Intent::Retire;
    let got = sink(&server).apply(&batch).await.unwrap();
    assert_eq!(got, vec![applied(None); 3]);
    // To one that is to be written, the same answer is a conflict.
    let server = MockServer::start().await;
    Mock::given(method("PUT"))
        .respond_with(ResponseTemplate::new(412))
        .mount(&server)
        .await;
    let got = sink(&server).apply(&patients(1)).await.unwrap();
    assert!(matches!(got[0], Outcome::Rejected { .. }));
}

#[tokio::test]
async fn a_record_named_twice_has_the_worse_outcome() {
    for order in [[200, 422], [422, 200]] {
        let lines: Vec<_> = order
            .iter()
            .map(|status| json!({"external_id": "od:1001:1", "status": status}))
            .collect();
        let got = batch_answers(ok(json!(lines)), &patients(2)).await.unwrap();
        assert!(matches!(got[0], Outcome::Rejected { .. }));
    }
}

#[tokio::test]
async fn after_an_answer_that_names_nobody_records_go_one_by_one() {
    for answer in [
        ResponseTemplate::new(204),
        ok(json!({"ok": true})),
        ok(json!({"results": null})),
        ok(json!([{"external_id": "od:1001:99", "status": 200}])),
    ] {
        let server = MockServer::start().await;
        on(&server, "POST", "/contacts/batch", answer).await;
        Mock::given(method("PUT"))
            .respond_with(ResponseTemplate::new(204))
            .expect(3)
            .mount(&server)
            .await;
        let got = sink(&server).apply(&patients(3)).await.unwrap();
        assert_eq!(got, vec![applied(None); 3]);
    }
}

#[tokio::test]
async fn a_cut_answer_is_no_answer() {
    let cut = ResponseTemplate::new(200).set_body_raw("{\"results\": [", "application/json");
    let got = batch_answers(cut, &patients(3)).await.unwrap();
    assert!(got.len() == 3 && got.iter().all(|o| matches!(o, Outcome::Retry { .. })));
}

#[tokio::test]
async fn a_status_may_be_a_word_and_the_list_may_have_another_name() {
    let lines = json!({"outcomes": [
        {"external_id": "od:1001:1", "status": "created"},
        {"external_id": "od:1001:2", "status": "rejected"},
        {"external_id": "od:1001:3", "status": "503"},
    ]});
    let got = batch_answers(ok(lines), &patients(3)).await.unwrap();
    assert_eq!(got[0], applied(None));
    assert!(matches!(got[1], Outcome::Rejected { .. }));
    assert!(matches!(got[2], Outcome::Retry { .. }));
}

#[tokio::test]
async fn a_batch_holds_each_record_with_its_hash_and_key() {
    let server = MockServer::start().await;
    let lines = json!([{"external_id": "od:1001:1", "status": 200}, {"external_id": "od:1001:2", "status": 200}]);
    on(&server, "POST", "/contacts/batch", ok(lines)).await;
    let batch = patients(2);
    sink(&server).apply(&batch).await.unwrap();
    let request = server.received_requests().await.unwrap().remove(0);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let items = body["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    for (item, delivery) in items.iter().zip(&batch) {
        assert_eq!(item["idempotency_key"], delivery.idempotency_key.as_str());
        let mut record = item.clone();
        record.as_object_mut().unwrap().remove("idempotency_key");
        assert!(common::schema("putContact").is_valid(&record), "{record}");
    }
}

#[tokio::test]
async fn contacts_and_tasks_never_share_a_request() {
    let server = MockServer::start().await;
    let named = |ids: [&str; 2]| {
        ok(json!(ids.map(
            |id| json!({"external_id": id, "status": 200, "id": id})
        )))
    };
    on(
        &server,
        "POST",
        "/contacts/batch",
        named(["od:1001:1", "od:1001:2"]),
    )
    .await;
    on(
        &server,
        "POST",
        "/tasks/batch",
        named(["odrecall:1001:7", "odrecall:1001:8"]),
    )
    .await;
    let due = |n: u32| {
        let mut due = recall();
        due.external_id = odx_core::ExternalId::from_kept(format!("odrecall:1001:{n}"));
        task(due, 0)
    };
    let batch = [
        due(7),
        contact(patient(1), 0),
        due(8),
        contact(patient(2), 0),
    ];
    let got = sink(&server).apply(&batch).await.unwrap();
    let ids: Vec<_> = batch
        .iter()
        .map(|d| applied(Some(d.op.external_id().as_str())))
        .collect();
    assert_eq!(got, ids);
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_single_record_goes_by_put() {
    let server = MockServer::start().await;
    on(
        &server,
        "PUT",
        "/contacts/od%3A1001%3A1",
        ResponseTemplate::new(204),
    )
    .await;
    let got = sink(&server).apply(&patients(1)).await.unwrap();
    assert_eq!(got, [applied(None)]);
}

#[tokio::test]
async fn a_crm_without_the_batch_route_is_asked_for_it_once() {
    for missing in [404, 405, 501] {
        let server = MockServer::start().await;
        on(
            &server,
            "POST",
            "/contacts/batch",
            ResponseTemplate::new(missing),
        )
        .await;
        Mock::given(method("PUT"))
            .respond_with(ResponseTemplate::new(204))
            .mount(&server)
            .await;
        let sink = sink(&server);
        assert_eq!(sink.limits().batch.get(), 50);
        let got = sink.apply(&patients(2)).await.unwrap();
        assert_eq!(got, vec![applied(None); 2]);
        assert_eq!(sink.limits().batch.get(), 1);
        sink.apply(&patients(2)).await.unwrap();
        assert_eq!(sink.requests(), 5, "{missing}");
    }
}

#[tokio::test]
async fn a_batch_refused_as_a_whole_is_sent_one_by_one() {
    for refusal in [400, 409, 413, 422] {
        let server = MockServer::start().await;
        on(
            &server,
            "POST",
            "/contacts/batch",
            ResponseTemplate::new(refusal),
        )
        .await;
        on(
            &server,
            "PUT",
            "/contacts/od%3A1001%3A2",
            ResponseTemplate::new(422),
        )
        .await;
        for fine in [1, 3] {
            let at = format!("/contacts/od%3A1001%3A{fine}");
            on(&server, "PUT", &at, ResponseTemplate::new(204)).await;
        }
        let sink = sink(&server);
        let got = sink.apply(&patients(3)).await.unwrap();
        assert_eq!(got[0], applied(None));
        assert!(matches!(got[1], Outcome::Rejected { .. }));
        assert_eq!(got[2], applied(None));
        assert_eq!(sink.limits().batch.get(), 50, "the route is still there");
    }
}

#[tokio::test]
async fn a_batch_that_fails_whole_is_an_error_or_a_retry_of_all() {
    for (status, kind) in [
        (401, ErrorKind::Credentials),
        (403, ErrorKind::Permission),
        (410, ErrorKind::Config),
        (302, ErrorKind::Config),
        (429, ErrorKind::RateLimited),
        (503, ErrorKind::Unavailable),
    ] {
        let got = batch_answers(ResponseTemplate::new(status), &patients(2)).await;
        assert_eq!(got.unwrap_err().kind(), kind, "{status}");
    }
    let page = ResponseTemplate::new(200).set_body_raw("<html>", "text/html");
    let got = batch_answers(page, &patients(2)).await;
    assert_eq!(got.unwrap_err().kind(), ErrorKind::Credentials);
    for status in [408, 425, 500, 502, 504] {
        let got = batch_answers(ResponseTemplate::new(status), &patients(2))
            .await
            .unwrap();
        assert!(
            got.iter().all(|o| matches!(o, Outcome::Retry { .. })),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_refused_token_inside_a_batch_is_about_one_record_only_if_others_went_through() {
    let line =
        |n: u32, status: u16| json!({"external_id": format!("od:1001:{n}"), "status": status});
    let got = batch_answers(ok(json!([line(1, 403), line(2, 403)])), &patients(2)).await;
    assert_eq!(got.unwrap_err().kind(), ErrorKind::Permission);
    let got = batch_answers(ok(json!([line(1, 403), line(2, 200)])), &patients(2))
        .await
        .unwrap();
    assert!(matches!(got[0], Outcome::Rejected { .. }));
    assert_eq!(got[1], applied(None));
}

#[tokio::test]
async fn what_went_through_before_a_slow_down_is_kept() {
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(429).insert_header("Retry-After", "11");
    on(
        &server,
        "POST",
        "/contacts/batch",
        ResponseTemplate::new(404),
    )
    .await;
    on(
        &server,
        "PUT",
        "/contacts/od%3A1001%3A1",
        ResponseTemplate::new(204),
    )
    .await;
    on(&server, "PUT", "/contacts/od%3A1001%3A2", busy.clone()).await;
    let sink = sink(&server);
    let got = sink.apply(&patients(3)).await.unwrap();
    assert_eq!(got[0], applied(None));
    for late in &got[1..] {
        assert!(
            matches!(late, Outcome::Retry { after, .. } if *after == Some(Duration::from_secs(11)))
        );
    }
    assert_eq!(sink.requests(), 3, "nothing is sent after the slow-down");

    let none = sink.apply(&patients(3)[1..]).await.unwrap_err();
    let after = Some(Duration::from_secs(11));
    assert_eq!(none.disposition(), Disposition::Retry { after });
}

#[tokio::test]
async fn a_refused_token_after_the_first_record_still_stops_the_sink() {
    let server = MockServer::start().await;
    on(
        &server,
        "POST",
        "/contacts/batch",
        ResponseTemplate::new(404),
    )
    .await;
    on(
        &server,
        "PUT",
        "/contacts/od%3A1001%3A1",
        ResponseTemplate::new(204),
    )
    .await;
    on(
        &server,
        "PUT",
        "/contacts/od%3A1001%3A2",
        ResponseTemplate::new(401),
    )
    .await;
    let got = sink(&server).apply(&patients(3)).await;
    assert_eq!(got.unwrap_err().kind(), ErrorKind::Credentials);
}

#[tokio::test]
async fn a_crm_that_hangs_is_waited_for_once_per_call() {
    let server = MockServer::start().await;
    on(
        &server,
        "POST",
        "/contacts/batch",
        ResponseTemplate::new(404),
    )
    .await;
    Mock::given(method("PUT"))
        .respond_with(ResponseTemplate::new(204).set_delay(Duration::from_secs(5)))
        .mount(&server)
        .await;
    let sink = config(&server.uri())
        .with_batch(NonZeroUsize::new(50).unwrap())
        .with_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let got = sink.apply(&patients(9)).await.unwrap();
    assert!(got.iter().all(|o| matches!(o, Outcome::Retry { .. })));
    assert_eq!(sink.requests(), 2);
}
