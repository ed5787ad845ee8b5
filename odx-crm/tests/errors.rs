//! What the sink makes of every answer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands"
)]

mod common;

use std::time::Duration;

use common::{ana, config, contact, fixture};
use odx_core::sink::{CrmSink, Outcome};
use odx_core::{Disposition, ErrorKind, Result};
use serde_json::json;
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

async fn answered(template: ResponseTemplate) -> Result<Outcome> {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(template)
        .expect(1)
        .mount(&server)
        .await;
    let sink = config(&server.uri()).build().unwrap();
    let mut outcomes = sink.apply(&[contact(ana(), 0)]).await?;
    assert_eq!(outcomes.len(), 1);
    Ok(outcomes.remove(0))
}

fn status(code: u16) -> ResponseTemplate {
    ResponseTemplate::new(code)
}

#[tokio::test]
async fn every_error_case_of_the_reference_holds() {
    let cases = fixture("error_cases.json");
    let mut seen = 0;
    for case in cases.as_array().unwrap() {
        let response = &case["response"];
        let code = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
        let mut template = match &response["body"] {
            serde_json::Value::Null => status(code),
            serde_json::Value::String(text) => status(code).set_body_string(text),
            body => status(code).set_body_json(body),
        };
        if let Some(kind) = response["headers"]["Content-Type"].as_str() {
            let text = response["body"].as_str().unwrap();
            template = status(code).set_body_raw(text, kind);
        }
        let got = answered(template).await;
        let expect = &case["expect"];
        let fine = match expect["class"].as_str().unwrap() {
            "applied" => {
                let remote_id = expect["remote_id"].as_str().map(str::to_owned);
                matches!(&got, Ok(Outcome::Applied { remote_id: id }) if *id == remote_id)
            }
            "auth_config" => kind(&got) == Some(ErrorKind::Credentials),
            "conflict" | "rejected" => matches!(got, Ok(Outcome::Rejected { .. })),
            "transient" => matches!(got, Ok(Outcome::Retry { .. })),
            "rejected_config" => kind(&got) == Some(ErrorKind::Config),
            other => panic!("what is {other}?"),
        };
        assert!(fine, "{case}: {got:?}");
        seen += 1;
    }
    assert_eq!(seen, 8);
}

fn kind(got: &Result<Outcome>) -> Option<ErrorKind> {
    got.as_ref().err().map(odx_core::Error::kind)
}

#[tokio::test]
async fn what_a_person_must_mend_stops_the_sink() {
    for (code, want) in [
        (301, ErrorKind::Config),
        (302, ErrorKind::Config),
        (307, ErrorKind::Config),
        (401, ErrorKind::Credentials),
        (403, ErrorKind::Permission),
        (404, ErrorKind::Config),
        (405, ErrorKind::Config),
        (410, ErrorKind::Config),
        (501, ErrorKind::Config),
    ] {
        let got = answered(status(code).insert_header("Location", "/elsewhere")).await;
        let error = got.unwrap_err();
        assert_eq!(error.kind(), want, "{code}");
        assert_eq!(error.disposition(), Disposition::Halt, "{code}");
        assert!(error.to_string().contains(&code.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_slower_pace_is_asked_of_the_whole_sink() {
    for (code, header, wait) in [
        (429, Some("7"), Some(7)),
        (429, None, None),
        (503, Some("120"), Some(120)),
        (503, Some("Fri, 20 Nov 2026 21:00:30 GMT"), Some(30)),
        (503, Some("soon"), None),
    ] {
        let mut template = status(code);
        if let Some(value) = header {
            template = template.insert_header("Retry-After", value);
        }
        let error = answered(template).await.unwrap_err();
        let after = wait.map(Duration::from_secs);
        assert_eq!(
            error.disposition(),
            Disposition::Retry { after },
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn what_may_pass_by_itself_is_tried_again() {
    for code in [408, 423, 425, 500, 502, 504, 520, 524, 599] {
        let got = answered(status(code).insert_header("Retry-After", "3"))
            .await
            .unwrap();
        let Outcome::Retry { after, .. } = got else {
            panic!("{code}: {got:?}");
        };
        assert_eq!(after, Some(Duration::from_secs(3)), "{code}");
    }
}

#[tokio::test]
async fn content_that_is_refused_is_set_aside_with_who_can_mend_it() {
    for (code, who) in [
        (400, "the office must mend the data"),
        (402, "the office must mend the data"),
        (409, "settle it in the crm"),
        (412, "settle it in the crm"),
        (413, "administrator"),
        (415, "administrator"),
        (418, "administrator"),
        (422, "administrator"),
        (451, "administrator"),
    ] {
        let body = json!({"code": "due_date.bad", "message": "Ana Núñez is odd"});
        let got = answered(status(code).set_body_json(body)).await.unwrap();
        let Outcome::Rejected { reason } = got else {
            panic!("{code}: {got:?}");
        };
        assert!(reason.contains(&format!("{code} due_date.bad")), "{reason}");
        assert!(reason.contains(who), "{reason}");
        assert!(!reason.contains("odd"), "{reason}");
    }
}

#[tokio::test]
async fn idempotency_refusals_tell_a_wait_from_a_defect() {
    let busy = status(409).set_body_json(json!({"error": "idempotency_in_progress"}));
    assert!(matches!(answered(busy).await, Ok(Outcome::Retry { .. })));
    let reused = status(422).set_body_json(json!({"error": "idempotency_mismatch"}));
    let Ok(Outcome::Rejected { reason }) = answered(reused).await else {
        panic!("not rejected");
    };
    assert!(reason.contains("defect"), "{reason}");
}

#[tokio::test]
async fn a_success_is_one_only_if_it_is_empty_or_json() {
    let raw = |text: &str, kind: &str| status(200).set_body_raw(text, kind);
    for fine in [
        status(200),
        status(202),
        raw("  ", "text/html"),
        raw("{\"id\": 7}", "application/json; charset=utf-8"),
        raw("[]", "application/vnd.crm+json"),
    ] {
        assert!(matches!(answered(fine).await, Ok(Outcome::Applied { .. })));
    }
    for page in [
        raw("<html>", "text/html; charset=utf-8"),
        raw("OK", "text/plain"),
        raw("{\"id\": 7}", "text/html"),
    ] {
        assert_eq!(kind(&answered(page).await), Some(ErrorKind::Credentials));
    }
    for cut in ["{\"id\": \"4", "<html>"] {
        let got = answered(raw(cut, "application/json")).await;
        assert!(matches!(got, Ok(Outcome::Retry { .. })), "{got:?}");
    }
}

#[tokio::test]
async fn no_answer_is_tried_again_and_nothing_is_tried_twice_inside() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let sink = config(&url).build().unwrap();
    let got = sink.apply(&[contact(ana(), 0)]).await.unwrap();
    assert!(matches!(got[0], Outcome::Retry { .. }));
    assert_eq!(sink.requests(), 1);

    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(status(204).set_delay(Duration::from_secs(5)))
        .expect(1)
        .mount(&server)
        .await;
    let slow = config(&server.uri())
        .with_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let got = slow.apply(&[contact(ana(), 0)]).await.unwrap();
    assert!(matches!(got[0], Outcome::Retry { .. }));
}
