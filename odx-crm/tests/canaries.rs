//! Planted names, numbers and keys: nothing that is printed may show them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands"
)]

mod common;

use std::num::NonZeroUsize;
use std::time::Duration;

use common::{ana, config, contact, recall, task};
use odx_core::crm::{Contact, Delivery};
use odx_core::sink::CrmSink;
use odx_core::testkit::Transcript;
use odx_core::{Phi, Secret};
use odx_crm::sim::{Crm, Fault};
use odx_crm::{Auth, RecordingSink, RestConfig, RestSink, Url};
use serde_json::json;
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

const NAME: &str = "Quetzalcoatl";
const SHORT: &str = "Zyx";
const PHONE: &str = "+15035550187";
const EMAIL: &str = "canary@smile.co";
const SECRET: &str = "tok-canary-77aa";
const PLANTED: [&str; 6] = [
    "quetzalcoatl",
    "zyx",
    "5035550187",
    "canary",
    "tok-",
    "77aa",
];

fn planted() -> Contact {
    Contact {
        first_name: Phi::new(SHORT.into()),
        last_name: Phi::new(NAME.into()),
        phone: Some(Phi::new(PHONE.into())),
        email: Some(Phi::new(EMAIL.into())),
        ..ana()
    }
}

fn clean(printed: &str, what: &str) {
    let printed = printed.to_lowercase();
    for planted in PLANTED {
        assert!(
            !printed.contains(planted),
            "{what} shows {planted}: {printed}"
        );
    }
}

/// Everything that is traced, at every level.
fn trace() -> String {
    let text = Transcript::begin().text();
    assert!(!text.is_empty(), "nothing was traced");
    text
}

fn with_secret(url: &str) -> RestConfig {
    config(url)
        .with_auth(Auth::Bearer(Secret::new(SECRET)))
        .with_batch(NonZeroUsize::new(9).unwrap())
}

async fn provoke(sink: &RestSink, batch: &[Delivery], what: &str) {
    match sink.apply(batch).await {
        Ok(outcomes) => clean(&format!("{outcomes:?}"), what),
        Err(error) => {
            clean(&format!("{error:?} {error:#?} {error}"), what);
            clean(&error.chain(), what);
        }
    }
    match sink.suppressions(None).await {
        Ok(page) => clean(&format!("{page:?}"), what),
        Err(error) => clean(&format!("{error:?} {}", error.chain()), what),
    }
    clean(
        &format!("{sink:?} {:?} {:?}", sink.account(), sink.probe().await),
        what,
    );
}

#[tokio::test]
async fn no_answer_makes_an_error_talk() {
    Transcript::begin();
    let one = [contact(planted(), 0)];
    let mut other = planted();
    other.external_id = odx_core::ExternalId::from_kept("od:1001:56");
    let several = [contact(planted(), 0), contact(other, 0), task(recall(), 0)];
    let echoes = [
        json!({"code": NAME, "message": format!("{SHORT} {NAME} has {PHONE}")}),
        json!({"error": format!("invalid_{NAME}")}),
        json!({"error": SHORT.to_lowercase()}),
        json!({"error": format!("bad-{SHORT}")}),
        json!({"code": "5035550187"}),
        json!({ "code": SECRET }),
        json!({"error": EMAIL}),
        json!({"error": "canary"}),
        json!({"results": [
            {"external_id": "od:1001:55", "status": 422, "error": NAME},
            {"external_id": "od:1001:56", "status": 403, "error": SECRET},
        ]}),
        json!([{"phone": PHONE, "email": EMAIL, "reason": format!("{NAME} said stop")}]),
        json!({"suppressions": [{"reason": NAME}, NAME]}),
        json!({"items": NAME}),
        json!(NAME),
    ];
    for status in [
        200, 302, 400, 401, 403, 404, 409, 412, 413, 418, 422, 423, 429, 500, 501, 503,
    ] {
        for echo in &echoes {
            let server = MockServer::start().await;
            Mock::given(any())
                .respond_with(ResponseTemplate::new(status).set_body_json(echo))
                .mount(&server)
                .await;
            let sink = with_secret(&server.uri()).build().unwrap();
            provoke(&sink, &one, &format!("{status}")).await;
            provoke(&sink, &several, &format!("{status} batch")).await;
        }
    }
    for raw in [
        ResponseTemplate::new(200).set_body_raw(format!("<html>{NAME}"), "text/html"),
        ResponseTemplate::new(200).set_body_raw(format!("{{\"id\": \"{NAME}"), "application/json"),
        ResponseTemplate::new(200).set_body_raw(NAME.repeat(300_000), "application/json"),
        ResponseTemplate::new(302).insert_header("Location", format!("/{NAME}")),
        ResponseTemplate::new(429).insert_header("Retry-After", NAME),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(404))
            .mount(&server)
            .await;
        Mock::given(any()).respond_with(raw).mount(&server).await;
        let sink = with_secret(&server.uri()).build().unwrap();
        provoke(&sink, &several, "raw").await;
    }
    clean(&trace(), "a trace");
}

#[tokio::test]
async fn a_broken_connection_does_not_make_an_error_talk() {
    Transcript::begin();
    let crm = Crm::new(SECRET);
    let server = crm.serve().await.unwrap();
    let sink = with_secret(server.base_url().as_str())
        .with_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let one = [contact(planted(), 0)];
    for fault in [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::TruncatedAfter,
        Fault::Hang(Duration::from_secs(2)),
    ] {
        crm.fail_next(3, fault.clone());
        provoke(&sink, &one, &format!("{fault:?}")).await;
    }
    drop(server);
    provoke(&sink, &one, "nobody there").await;
    clean(&format!("{crm:?} {:?}", crm.contacts()), "the simulator");
    clean(&trace(), "a trace");
}

#[tokio::test]
async fn nothing_that_is_kept_prints_what_it_keeps() {
    let url = format!("https://{NAME}:{SECRET}@crm.example/?q={EMAIL}");
    let config = with_secret("https://crm.example");
    clean(&format!("{config:?}"), "the settings");
    let bad = RestConfig::new(
        config.clone().build().unwrap().id().clone(),
        Url::parse(&url).unwrap(),
    )
    .with_auth(Auth::Header {
        name: format!("{NAME}\n"),
        value: Secret::new(format!("{SECRET}\n")),
    });
    clean(&format!("{bad:?}"), "bad settings");
    let error = bad.build().unwrap_err();
    clean(
        &format!("{error:?} {}", error.chain()),
        "the error about them",
    );
    let recording = RecordingSink::in_place_of(&config.build().unwrap());
    recording.apply(&[contact(planted(), 0)]).await.unwrap();
    clean(
        &format!("{recording:?} {:?}", recording.account()),
        "the recording sink",
    );
}
