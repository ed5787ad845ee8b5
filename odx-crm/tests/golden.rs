//! The reference's exact requests, and how they are addressed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands"
)]

mod common;

use common::{ana, config, contact, fixture, patient, recall, schema, task};
use odx_core::crm::Delivery;
use odx_core::sink::{CrmSink, Outcome};
use odx_core::{ExternalId, Secret};
use odx_crm::{Auth, IdIn, KeyStyle, RestConfig};
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

async fn server() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    server
}

async fn sent(change: impl FnOnce(RestConfig) -> RestConfig, delivery: &Delivery) -> Request {
    let server = server().await;
    let sink = change(config(&server.uri())).build().unwrap();
    let outcomes = sink.apply(std::slice::from_ref(delivery)).await.unwrap();
    assert_eq!(outcomes, [Outcome::Applied { remote_id: None }]);
    assert_eq!(sink.requests(), 1);
    server.received_requests().await.unwrap().remove(0)
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).unwrap().to_str().unwrap()
}

#[tokio::test]
async fn the_golden_requests_come_out_as_they_are_written() {
    let golden = fixture("golden_requests.json");
    let headers = &fixture("operations.json")[0]["required_headers"];
    let mut seen = 0;
    for want in golden.as_array().unwrap() {
        let delivery = match want["schema"].as_str().unwrap() {
            "generic#putContact" => contact(ana(), 0),
            "generic#putTask" => task(recall(), 0),
            other => panic!("what is {other}?"),
        };
        let request = sent(|config| config, &delivery).await;
        assert_eq!(request.method.as_str(), want["method"].as_str().unwrap());
        assert_eq!(request.url.path(), want["path"].as_str().unwrap());
        // The reference writes a stand-in for the hash.
        let mut body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["content_hash"], delivery.hash.to_wire());
        body["content_hash"] = want["body"]["content_hash"].clone();
        assert_eq!(body, want["body"], "{}", want["name"]);
        assert_eq!(
            header(&request, "authorization"),
            format!("Bearer {}", common::TOKEN)
        );
        assert_eq!(header(&request, "content-type"), "application/json");
        let key = header(&request, "idempotency-key");
        assert_eq!(key, format!("\"{}\"", delivery.idempotency_key.as_str()));
        for name in headers.as_object().unwrap().keys() {
            assert!(request.headers.contains_key(name.as_str()), "{name}");
        }
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[tokio::test]
async fn every_body_fits_the_schema() {
    let mut bare = ana();
    bare.email = None;
    bare.phone = None;
    bare.phone_kind = None;
    bare.household_external_id = None;
    bare.timezone = None;
    bare.tags.clear();
    let mut voice = ana();
    voice.custom.voice_phone = Some(odx_core::Phi::new("+15035550124".into()));
    voice.preferred_name = Some(odx_core::Phi::new("Anita \"A\" \\ 安".into()));
    for one in [ana(), bare, voice] {
        let body = sent(|config| config, &contact(one, 0)).await.body;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(schema("putContact").is_valid(&body), "{body}");
    }
    let mut closed = recall();
    closed.segment = None;
    for one in [recall(), closed] {
        let body = sent(|config| config, &task(one, 0)).await.body;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(schema("putTask").is_valid(&body), "{body}");
    }
}

#[tokio::test]
async fn the_bytes_that_were_hashed_are_the_bytes_that_are_sent() {
    let delivery = contact(ana(), 0);
    let request = sent(|config| config, &delivery).await;
    let canonical = delivery.canonical.expose();
    let open = canonical.strip_suffix(b"}").unwrap();
    let tail = request.body.strip_prefix(open).unwrap();
    assert_eq!(
        tail,
        format!(",\"content_hash\":\"{}\"}}", delivery.hash.to_wire()).as_bytes()
    );
}

#[tokio::test]
async fn an_id_can_stand_in_the_body_only_and_a_key_without_quotes() {
    let delivery = contact(ana(), 0);
    let request = sent(
        |config| config.with_id_in(IdIn::Body).with_key_style(KeyStyle::Bare),
        &delivery,
    )
    .await;
    assert_eq!(request.url.path(), "/contacts");
    assert_eq!(
        header(&request, "idempotency-key"),
        delivery.idempotency_key.as_str()
    );
}

#[tokio::test]
async fn a_base_path_stays_with_and_without_a_slash_at_its_end() {
    for path in ["/api/v2", "/api/v2/"] {
        let server = server().await;
        let sink = config(&format!("{}{path}", server.uri())).build().unwrap();
        sink.apply(&[contact(patient(1), 0)]).await.unwrap();
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests[0].url.path(), "/api/v2/contacts/od%3A1001%3A1");
    }
}

#[tokio::test]
async fn an_id_of_dots_does_not_climb_out_of_its_path() {
    let server = server().await;
    let sink = config(&format!("{}/api", server.uri())).build().unwrap();
    let mut odd = ana();
    odd.external_id = ExternalId::from_kept("..");
    let outcomes = sink.apply(&[contact(odd, 0)]).await.unwrap();
    assert!(matches!(outcomes[0], Outcome::Rejected { .. }));
    assert_eq!(sink.requests(), 0);
}

#[tokio::test]
async fn every_way_to_say_who_we_are_is_heard() {
    let basic = Auth::Basic {
        user: "office".into(),
        password: Secret::new("pw"),
    };
    let request = sent(|config| config.with_auth(basic), &contact(ana(), 0)).await;
    assert_eq!(header(&request, "authorization"), "Basic b2ZmaWNlOnB3");
    let own = Auth::Header {
        name: "X-Api-Key".into(),
        value: Secret::new("k-1"),
    };
    let request = sent(|config| config.with_auth(own), &contact(ana(), 0)).await;
    assert_eq!(header(&request, "x-api-key"), "k-1");
    assert!(!request.headers.contains_key("authorization"));
    let request = sent(|config| config.with_auth(Auth::None), &contact(ana(), 0)).await;
    assert!(!request.headers.contains_key("authorization"));
}

#[test]
fn two_sinks_share_an_account_only_with_the_same_address_and_secret() {
    let account = |url: &str, token: &str| {
        let auth = Auth::Bearer(Secret::new(token));
        config(url).with_auth(auth).build().unwrap().account()
    };
    let one = account("https://crm.example/api", "a");
    assert_eq!(one, account("https://CRM.example:443/api/", "a"));
    assert_ne!(one, account("https://crm.example/api", "b"));
    assert_ne!(one, account("https://crm.example/other", "a"));
    let (base, digest) = one.name.split_once('#').unwrap();
    assert_eq!(base, "https://crm.example/api");
    assert_eq!(digest, "ca978112ca1b");
}
