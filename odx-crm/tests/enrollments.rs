//! Somebody is taken into a sequence of the CRM once, whatever breaks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use common::{ana, contact};
use odx_core::clock::Clock as _;
use odx_core::crm::Enrollment;
use odx_core::effect::{Act, ActError, Effects, Marker, Outcome, Receipt};
use odx_core::model::Channel;
use odx_core::outreach::Purpose;
use odx_core::sink::CrmSink;
use odx_core::store::MemoryStore;
use odx_core::testkit::TestClock;
use odx_core::{
    Disposition, ErrorKind, ExternalId, IdempotencyKey, OutletId, Result, Secret, SinkId, SourceId,
};
use odx_crm::sim::{Crm, Fault, Server};
use odx_crm::{Auth, RestConfig, RestSink};
use serde_json::json;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn config(url: odx_crm::Url) -> RestConfig {
    RestConfig::new(SinkId::new("rest", "1001").unwrap(), url)
        .with_auth(Auth::Bearer(Secret::new("token")))
        .with_timeout(Duration::from_secs(2))
}

fn sink(url: odx_crm::Url) -> RestSink {
    config(url).with_enrollments(true).build().unwrap()
}

fn ana_is_due() -> Enrollment {
    Enrollment {
        channels: vec![Channel::Sms],
        contact_external_id: ExternalId::from_kept("od:1001:55"),
        external_id: ExternalId::from_kept("odenroll:1001:c0ffee"),
        office_id: "1001".into(),
        patient_external_id: None,
        purpose: Purpose::Recall,
        segment: None,
    }
}

fn key() -> IdempotencyKey {
    IdempotencyKey::of_parts(&["enroll", "ana"])
}

/// A CRM that has Ana.
async fn crm() -> (Crm, Server, RestSink) {
    let crm = Crm::new("token");
    let server = crm.serve().await.unwrap();
    let sink = sink(server.base_url());
    sink.apply(&[contact(ana(), 1)]).await.unwrap();
    (crm, server, sink)
}

#[derive(Debug)]
struct TakeIn(Arc<RestSink>);

#[async_trait]
impl Act for TakeIn {
    async fn act(&self, _marker: &Marker) -> Result<Receipt, ActError> {
        self.0.enroll(&ana_is_due(), &key()).await
    }

    async fn find(&self, _marker: &Marker) -> Result<Option<Receipt>> {
        self.0.find_enrollment(&ana_is_due()).await
    }

    fn settles_within(&self) -> Duration {
        Duration::from_secs(120)
    }
}

async fn effects(clock: &TestClock) -> Effects {
    let source = SourceId::new("od", "1001").unwrap();
    let outlet = OutletId::new(source, "messages").unwrap();
    Effects::open(
        Arc::new(MemoryStore::new()),
        outlet,
        Arc::new(clock.clone()),
    )
    .await
    .unwrap()
}

#[tokio::test]
async fn a_lost_reply_is_found_and_not_repeated() {
    for fault in [
        Fault::ResetAfter,
        Fault::StatusAfter(502),
        Fault::TruncatedAfter,
        Fault::HalfJsonAfter,
        Fault::StatusAfter(409),
        Fault::Hang(Duration::from_secs(4)),
    ] {
        let (crm, _server, sink) = crm().await;
        let clock = TestClock::at(odx_core::clock::SystemClock.now());
        let effects = effects(&clock).await;
        let act = TakeIn(Arc::new(sink));
        crm.fail_enrollments(1, fault.clone());
        // It is looked up at once.
        let first = effects.perform(&key(), &act).await.unwrap();
        assert!(matches!(first, Outcome::Found(_)), "{fault:?}: {first:?}");
        let remote_id = first.receipt().unwrap().remote_id.as_deref();
        assert_eq!(remote_id, Some("seq-1"));
        let second = effects.perform(&key(), &act).await.unwrap();
        assert!(matches!(second, Outcome::Known(_)));
        assert_eq!(crm.enrollments().len(), 1);
        assert_eq!(crm.counts().enrollments_twice, 0);
    }
}

#[tokio::test]
async fn what_never_arrived_is_repeated_once_when_it_can_no_longer_arrive() {
    let (crm, _server, sink) = crm().await;
    let clock = TestClock::at(odx_core::clock::SystemClock.now());
    let effects = effects(&clock).await;
    let act = TakeIn(Arc::new(sink));
    crm.fail_enrollments(1, Fault::ResetBefore);
    let first = effects.perform(&key(), &act).await.unwrap();
    let Outcome::InDoubt { again, .. } = first else {
        panic!("{first:?}");
    };
    // Too soon: not finding it says nothing yet.
    let second = effects.perform(&key(), &act).await.unwrap();
    assert!(matches!(second, Outcome::InDoubt { .. }), "{second:?}");
    assert_eq!(crm.enrollments().len(), 0);
    clock.set(again + TimeDelta::seconds(1));
    let third = effects.perform(&key(), &act).await.unwrap();
    assert!(matches!(third, Outcome::Done(_)), "{third:?}");
    assert_eq!(crm.enrollments().len(), 1);
    assert_eq!(crm.enrollments()[0].key, key().as_str());
    assert!(clock.now() > again);
}

#[tokio::test]
async fn a_crm_that_cannot_be_asked_is_not_asked_twice_for_the_same_thing() {
    let (crm, _server, sink) = crm().await;
    let clock = TestClock::at(odx_core::clock::SystemClock.now());
    let effects = effects(&clock).await;
    let act = TakeIn(Arc::new(sink));
    crm.fail_enrollments(1, Fault::ResetAfter);
    crm.fail_enrollments(1, Fault::ResetBefore);
    let first = effects.perform(&key(), &act).await.unwrap();
    assert!(matches!(first, Outcome::InDoubt { .. }), "{first:?}");
    clock.advance(Duration::from_secs(7200));
    for fault in [
        Fault::Status(500, None),
        Fault::HtmlLogin200,
        Fault::Redirect,
        Fault::Status(401, None),
        Fault::Status(405, None),
        Fault::TruncatedAfter,
    ] {
        crm.fail_enrollments(1, fault.clone());
        let asked = effects.perform(&key(), &act).await.unwrap();
        assert!(
            matches!(asked, Outcome::InDoubt { .. }),
            "{fault:?}: {asked:?}"
        );
    }
    let found = effects.perform(&key(), &act).await.unwrap();
    assert!(matches!(found, Outcome::Found(_)));
    assert_eq!(crm.enrollments().len(), 1);
}

/// What an answer to the write is taken for.
fn taken_for(error: &ActError) -> (&'static str, Disposition) {
    let name = match error {
        ActError::NotSent(_) => "not sent",
        ActError::Refused(_) => "refused",
        ActError::InDoubt(_) => "in doubt",
    };
    (name, error.error().disposition())
}

#[tokio::test]
async fn only_a_429_and_a_connection_that_was_never_made_are_proof_that_nothing_happened() {
    let later = |after| Disposition::Retry { after };
    for (status, name, disposition) in [
        (429, "not sent", later(Some(Duration::from_secs(7)))),
        (400, "refused", Disposition::Reject),
        (401, "refused", Disposition::Halt),
        (403, "refused", Disposition::Halt),
        (404, "refused", Disposition::Halt),
        (405, "refused", Disposition::Halt),
        (410, "refused", Disposition::Halt),
        (412, "refused", Disposition::Reject),
        (413, "refused", Disposition::Reject),
        (422, "refused", Disposition::Reject),
        (301, "refused", Disposition::Halt),
        (308, "refused", Disposition::Halt),
        (302, "in doubt", Disposition::Halt),
        (303, "in doubt", Disposition::Halt),
        (408, "in doubt", later(None)),
        (409, "in doubt", later(None)),
        (423, "in doubt", later(None)),
        (425, "in doubt", later(None)),
        (500, "in doubt", later(None)),
        (501, "in doubt", later(None)),
        (503, "in doubt", later(None)),
        (504, "in doubt", later(None)),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status)
            .insert_header("Retry-After", "7")
            .set_body_json(json!({"code": "x"}));
        Mock::given(method("PUT"))
            .respond_with(answer)
            .mount(&server)
            .await;
        let sink = sink(server.uri().parse().unwrap());
        let error = sink.enroll(&ana_is_due(), &key()).await.unwrap_err();
        assert_eq!(taken_for(&error), (name, disposition), "{status}");
    }
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = sink(
        format!("http://{}", port.local_addr().unwrap())
            .parse()
            .unwrap(),
    );
    drop(port);
    let error = nobody.enroll(&ana_is_due(), &key()).await.unwrap_err();
    assert!(matches!(error, ActError::NotSent(_)), "{error:?}");
}

#[tokio::test]
async fn the_write_and_the_look_are_as_the_contract_says() {
    let server = MockServer::start().await;
    let at = "/api/enrollments/odenroll%3A1001%3Ac0ffee";
    Mock::given(method("PUT"))
        .and(path(at))
        .and(header(
            "Idempotency-Key",
            format!("\"{}\"", key().as_str()).as_str(),
        ))
        .and(header("Authorization", "Bearer token"))
        .and(header("Content-Type", "application/json"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"id": 7})))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path(at))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"id": 7})))
        .mount(&server)
        .await;
    let sink = sink(format!("{}/api", server.uri()).parse().unwrap());
    let receipt = sink.enroll(&ana_is_due(), &key()).await.unwrap();
    assert_eq!(receipt.remote_id.as_deref(), Some("7"));
    let found = sink.find_enrollment(&ana_is_due()).await.unwrap();
    assert_eq!(found, Some(receipt));
    let sent = &server.received_requests().await.unwrap()[0];
    assert_eq!(
        String::from_utf8(sent.body.clone()).unwrap(),
        r#"{"channels":["sms"],"contact_external_id":"od:1001:55","external_id":"odenroll:1001:c0ffee","office_id":"1001","purpose":"recall","content_hash":"HASH"}"#
            .replace("HASH", &odx_core::ContentHash::of(&serde_json::to_vec(&ana_is_due()).unwrap()).to_wire())
    );
}

#[tokio::test]
async fn a_page_of_somebody_else_is_neither_there_nor_not_there() {
    for status in [200, 404] {
        let server = MockServer::start().await;
        let page = ResponseTemplate::new(status).set_body_raw("<html>", "text/html");
        Mock::given(method("GET"))
            .respond_with(page)
            .mount(&server)
            .await;
        let sink = sink(server.uri().parse().unwrap());
        let error = sink.find_enrollment(&ana_is_due()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials, "{status}");
    }
    let server = MockServer::start().await;
    let other = json!({"id": 7, "external_id": "odenroll:1001:other"});
    let other = ResponseTemplate::new(200).set_body_json(other);
    Mock::given(method("GET"))
        .respond_with(other)
        .mount(&server)
        .await;
    let sink = sink(server.uri().parse().unwrap());
    assert!(sink.find_enrollment(&ana_is_due()).await.is_err());
}

#[tokio::test]
async fn nobody_is_taken_in_unless_it_was_switched_on() {
    let (crm, server, _) = crm().await;
    let off = config(server.base_url()).build().unwrap();
    assert!(!off.enrolls() && sink(server.base_url()).enrolls());
    let before = crm.requests();
    let error = off.enroll(&ana_is_due(), &key()).await.unwrap_err();
    assert!(matches!(error, ActError::NotSent(_)));
    assert_eq!(error.error().kind(), ErrorKind::Config);
    assert!(off.find_enrollment(&ana_is_due()).await.is_err());
    assert_eq!(crm.requests(), before);
}

#[tokio::test]
async fn nobody_is_taken_in_whom_the_crm_does_not_have() {
    let crm = Crm::new("token");
    let server = crm.serve().await.unwrap();
    let sink = sink(server.base_url());
    let error = sink.enroll(&ana_is_due(), &key()).await.unwrap_err();
    assert!(matches!(error, ActError::Refused(_)), "{error:?}");
    assert_eq!(sink.find_enrollment(&ana_is_due()).await.unwrap(), None);
    crm.remove_sequences();
    let error = sink.enroll(&ana_is_due(), &key()).await.unwrap_err();
    assert!(
        error
            .error()
            .to_string()
            .contains("switch its enrollments off")
    );
}
