//! Stops that come back from the CRM.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands"
)]

mod common;

use common::config;
use odx_core::model::Channel;
use odx_core::sink::{CrmSink, SuppressionPage, Target};
use odx_core::source::Cursor;
use odx_core::{ErrorKind, Result};
use serde_json::json;
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

async fn read(answer: ResponseTemplate) -> Result<SuppressionPage> {
    read_after(answer, None).await
}

async fn read_after(answer: ResponseTemplate, since: Option<Cursor>) -> Result<SuppressionPage> {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/suppressions"))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;
    config(&server.uri())
        .build()
        .unwrap()
        .suppressions(since)
        .await
}

fn ok(body: serde_json::Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn kept(after: &str) -> Cursor {
    Cursor::new(json!({"v": 1, "after": after}).to_string())
}

#[tokio::test]
async fn a_list_is_read_in_every_shape_it_may_come_in() {
    let list = json!(["(503) 555-0123", {"email": "a@smile.co", "channel": "email", "reason": "hard_bounce"}]);
    for body in [
        list.clone(),
        json!({ "suppressions": list }),
        json!({ "items": list, "next": null }),
        json!({ "data": list }),
        json!({ "results": list, "cursor": "" }),
    ] {
        let page = read(ok(body)).await.unwrap();
        assert_eq!((page.stops.len(), page.unreadable), (2, 0));
        assert!(page.next.is_none() && !page.more);
        let Target::Phone(phone) = &page.stops[0].target else {
            panic!("not a number");
        };
        assert_eq!(phone.e164().expose(), "+15035550123");
        assert_eq!(page.stops[0].channel, None);
        assert_eq!(page.stops[1].channel, Some(Channel::Email));
        assert_eq!(page.stops[1].reason, "bounce");
    }
}

#[tokio::test]
async fn a_record_can_be_stopped_by_its_external_id() {
    let page = read(ok(
        json!([{"external_id": "od:1001:55"}, {"contact_external_id": "od:1001:56"}]),
    ))
    .await
    .unwrap();
    let ids: Vec<_> = page
        .stops
        .iter()
        .map(|stop| match &stop.target {
            Target::Contact(id) => id.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["od:1001:55", "od:1001:56"]);
}

#[tokio::test]
async fn pages_are_followed_by_their_cursor() {
    let server = MockServer::start().await;
    Mock::given(query_param_is_missing("cursor"))
        .respond_with(ok(
            json!({"suppressions": ["a@smile.co"], "next": "p 2&x=1"}),
        ))
        .mount(&server)
        .await;
    Mock::given(query_param("cursor", "p 2&x=1"))
        .respond_with(ok(json!({"suppressions": ["b@smile.co"], "next": null})))
        .mount(&server)
        .await;
    let sink = config(&server.uri()).build().unwrap();
    let first = sink.suppressions(None).await.unwrap();
    assert!(first.more);
    let second = sink.suppressions(first.next).await.unwrap();
    assert_eq!(second.stops.len(), 1);
    assert!(!second.more && second.next.is_none());
}

#[tokio::test]
async fn a_crm_without_a_list_has_an_empty_one() {
    for status in [404, 405, 501, 204] {
        let page = read(ResponseTemplate::new(status)).await.unwrap();
        assert!(page.stops.is_empty() && !page.more, "{status}");
    }
}

#[tokio::test]
async fn a_failed_read_is_never_an_empty_list() {
    let page = ResponseTemplate::new(200).set_body_raw("<html>", "text/html");
    let cut = ResponseTemplate::new(200).set_body_raw("{\"items\": [", "application/json");
    for (answer, kind) in [
        (page, ErrorKind::Credentials),
        (cut, ErrorKind::Protocol),
        (ResponseTemplate::new(200), ErrorKind::Protocol),
        (ok(json!({"ok": true})), ErrorKind::Protocol),
        (ok(json!({"items": null})), ErrorKind::Protocol),
        (ResponseTemplate::new(302), ErrorKind::Config),
        (ResponseTemplate::new(400), ErrorKind::Config),
        (ResponseTemplate::new(401), ErrorKind::Credentials),
        (ResponseTemplate::new(403), ErrorKind::Permission),
        (ResponseTemplate::new(410), ErrorKind::Config),
        (ResponseTemplate::new(429), ErrorKind::RateLimited),
        (ResponseTemplate::new(500), ErrorKind::Unavailable),
        (ResponseTemplate::new(503), ErrorKind::Unavailable),
    ] {
        assert_eq!(read(answer).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn a_cursor_the_crm_forgot_starts_over() {
    for status in [400, 410, 422] {
        let got = read_after(ResponseTemplate::new(status), Some(kept("x"))).await;
        assert_eq!(got.unwrap_err().kind(), ErrorKind::CursorExpired);
    }
    let sink = config("https://crm.example").build().unwrap();
    for odd in ["x", "{}", "{\"v\":2,\"after\":\"x\"}"] {
        let got = sink.suppressions(Some(Cursor::new(odd))).await;
        assert_eq!(got.unwrap_err().kind(), ErrorKind::CursorExpired);
    }
}

#[tokio::test]
async fn a_probe_says_whether_stops_come_back() {
    let server = MockServer::start().await;
    let sink = config(&server.uri()).build().unwrap();
    // Nothing is mounted: 404.
    let probe = sink.probe().await.unwrap();
    assert!(
        probe
            .findings
            .iter()
            .any(|line| line.contains("keeps no such list"))
    );
    Mock::given(path("/suppressions"))
        .respond_with(ok(json!(["nonsense"])))
        .mount(&server)
        .await;
    let probe = sink.probe().await.unwrap();
    assert!(
        probe
            .findings
            .iter()
            .any(|line| line.contains("cannot be read"))
    );
}
