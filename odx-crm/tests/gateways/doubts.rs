//! Never twice: what is sure and what is not.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use odx_core::clock::SystemClock;
use odx_core::effect::{Act, ActError, Effects, Marker, Outcome, Receipt};
use odx_core::outreach::{Message, MessageGateway, SendError};
use odx_core::store::MemoryStore;
use odx_core::{ErrorKind, OutletId, Phi, SourceId};
use odx_crm::gateway::TwilioGateway;
use odx_crm::gateway::twilio::Retention;
use odx_crm::sim::{Fault, Texts};
use proptest::prelude::*;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::kit::{
    ANA, Still, class, key, mail_to_ana, now, postmark, sendgrid, text_to_ana, twilio,
};
use crate::schema::fixture;

fn texts() -> Texts {
    crate::kit::texts().with_clock(Arc::new(Still))
}

#[tokio::test]
async fn what_was_cut_after_it_was_read_is_in_doubt_and_found() {
    let scenario = &fixture("batch_scenarios.json")[0];
    assert_eq!(scenario["expect"]["review:1001:apt:9"], "ambiguous");
    for fault in [
        Fault::ResetAfter,
        Fault::StatusAfter(500),
        Fault::TruncatedAfter,
        Fault::HalfJsonAfter,
        Fault::Hang(Duration::from_secs(4)),
    ] {
        for waits in [false, true] {
            let texts = texts();
            if waits {
                texts.hold_queue();
            }
            let server = texts.serve().await.unwrap();
            let gateway = twilio(server.base_url().as_str()).build().unwrap();
            texts.fail_next(1, fault.clone());
            let message = text_to_ana();
            let error = gateway.send(&message).await.unwrap_err();
            assert_eq!(class(&error), "in_doubt", "{fault:?}");
            let found = gateway.find(&message.attempt(now())).await.unwrap();
            assert_eq!(found, Some(Receipt::of(texts.texts()[0].sid.clone())));
        }
    }
}

#[tokio::test]
async fn what_was_cut_before_it_was_taken_is_in_doubt_and_proved_absent() {
    let texts = texts();
    let server = texts.serve().await.unwrap();
    let gateway = twilio(server.base_url().as_str()).build().unwrap();
    let message = text_to_ana();
    for fault in [
        Fault::ResetBefore,
        Fault::Status(500, None),
        Fault::HtmlLogin200,
        Fault::Redirect,
    ] {
        texts.fail_next(1, fault.clone());
        let error = gateway.send(&message).await.unwrap_err();
        assert_eq!(class(&error), "in_doubt", "{fault:?}");
        assert_eq!(gateway.find(&message.attempt(now())).await.unwrap(), None);
    }
    assert!(texts.texts().is_empty());
}

#[tokio::test]
async fn nobody_there_is_sure_proof_that_nothing_was_sent() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = NonZeroU16::new(closed.local_addr().unwrap().port()).unwrap();
    drop(closed);
    let nobody = format!("http://127.0.0.1:{port}");
    let gateway = twilio(&nobody).build().unwrap();
    let error = gateway.send(&text_to_ana()).await.unwrap_err();
    assert_eq!(class(&error), "not_sent");
    assert!(gateway.find(&text_to_ana().attempt(now())).await.is_err());
    for gateway in mailers(&nobody) {
        let error = gateway.send(&mail_to_ana()).await.unwrap_err();
        assert_eq!(class(&error), "not_sent");
    }
}

fn mailers(base: &str) -> [Box<dyn MessageGateway>; 2] {
    [
        Box::new(sendgrid(base).build().unwrap()),
        Box::new(postmark(base).build().unwrap()),
    ]
}

#[tokio::test]
async fn another_text_or_an_older_one_is_not_it() {
    let texts = texts();
    texts.set_page(2);
    let server = texts.serve().await.unwrap();
    let gateway = twilio(server.base_url().as_str()).build().unwrap();
    let wanted = text_to_ana();
    for n in 0..7 {
        let mut other = text_to_ana();
        other.key = key(&format!("other-{n}"));
        other.text = Phi::new(format!("Another message {n}. Reply STOP to opt out."));
        gateway.send(&other).await.unwrap();
    }
    assert_eq!(gateway.find(&wanted.attempt(now())).await.unwrap(), None);
    gateway.send(&wanted).await.unwrap();
    let later = now() + chrono::TimeDelta::minutes(6);
    assert_eq!(gateway.find(&wanted.attempt(later)).await.unwrap(), None);
    // On a page after the first.
    for n in 0..5 {
        let mut other = text_to_ana();
        other.text = Phi::new(format!("Later message {n}. Reply STOP to opt out."));
        gateway.send(&other).await.unwrap();
    }
    let found = gateway.find(&wanted.attempt(now())).await.unwrap();
    assert_eq!(found, Some(Receipt::of(texts.texts()[7].sid.clone())));
}

#[tokio::test]
async fn what_the_provider_forgets_nobody_can_be_sure_of() {
    for (content, address) in [
        (Retention::Minimal, Retention::AsAccount),
        (Retention::AsAccount, Retention::Minimal),
    ] {
        let texts = texts();
        let server = texts.serve().await.unwrap();
        let gateway = twilio(server.base_url().as_str())
            .with_content_retention(content)
            .with_address_retention(address)
            .build()
            .unwrap();
        texts.fail_next(1, Fault::ResetAfter);
        let message = text_to_ana();
        gateway.send(&message).await.unwrap_err();
        let error = gateway.find(&message.attempt(now())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
}

#[tokio::test]
async fn a_number_that_is_obfuscated_in_the_list_is_not_another_number() {
    let message = text_to_ana();
    let listed = |to: &str| {
        let text = message.text.expose();
        serde_json::json!({
            "messages": [{ "sid": "SM1", "to": to, "body": text, "direction": "outbound-api" }],
            "next_page_uri": null,
        })
    };
    for (to, found) in [
        ("+1503555XXXX", Some(Receipt::of("SM1"))),
        (ANA, Some(Receipt::of("SM1"))),
        ("+15035550199", None),
    ] {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(200).set_body_json(listed(to)))
            .mount(&server)
            .await;
        let gateway = twilio(&server.uri()).build().unwrap();
        assert_eq!(
            gateway.find(&message.attempt(now())).await.unwrap(),
            found,
            "{to}"
        );
    }
}

#[tokio::test]
async fn a_list_that_is_not_whole_proves_nothing() {
    let wanted = text_to_ana().attempt(now());
    for template in [
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_json(serde_json::json!({})),
        ResponseTemplate::new(200).set_body_json(serde_json::json!({ "messages": {} })),
        ResponseTemplate::new(200)
            .set_body_json(serde_json::json!({ "messages": [], "next_page_uri": "/x?Page=1" })),
        ResponseTemplate::new(200)
            .set_body_json(serde_json::json!({ "messages": [], "next_page_uri": "/x" })),
        ResponseTemplate::new(204),
        ResponseTemplate::new(401),
        ResponseTemplate::new(500),
        ResponseTemplate::new(302).insert_header("Location", "/elsewhere"),
    ] {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(template)
            .mount(&server)
            .await;
        let gateway = twilio(&server.uri()).build().unwrap();
        assert!(gateway.find(&wanted).await.is_err());
    }
}

#[tokio::test]
async fn a_next_page_elsewhere_is_asked_of_the_same_host() {
    let server = MockServer::start().await;
    let elsewhere = MockServer::start().await;
    let next = format!("{}/steal?Page=1", elsewhere.uri());
    let body = serde_json::json!({ "messages": [], "next_page_uri": next });
    Mock::given(wiremock::matchers::query_param_is_missing("Page"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    Mock::given(any())
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(serde_json::json!({ "messages": [], "next_page_uri": null })),
        )
        .mount(&server)
        .await;
    let gateway = twilio(&server.uri()).build().unwrap();
    let wanted = text_to_ana().attempt(now());
    assert_eq!(gateway.find(&wanted).await.unwrap(), None);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn mail_in_doubt_cannot_be_looked_up_and_says_so() {
    let mails = crate::kit::mails();
    let server = mails.serve().await.unwrap();
    let base = server.base_url();
    for gateway in mailers(base.as_str()) {
        for fault in [
            Fault::ResetAfter,
            Fault::StatusAfter(502),
            Fault::Hang(Duration::from_secs(4)),
        ] {
            mails.fail_next(1, fault.clone());
            let error = gateway.send(&mail_to_ana()).await.unwrap_err();
            assert_eq!(class(&error), "in_doubt", "{fault:?}");
        }
        let error = gateway
            .find(&mail_to_ana().attempt(now()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

/// A message as an effect, as the engine will have it.
#[derive(Debug)]
struct Sending<'a>(&'a TwilioGateway, Message);

#[async_trait]
impl Act for Sending<'_> {
    async fn act(&self, _marker: &Marker) -> Result<Receipt, ActError> {
        self.0.send(&self.1).await.map_err(|error| match error {
            SendError::NotSent(error) => ActError::NotSent(error),
            SendError::Refused(error) | SendError::Suppressed { error, .. } => {
                ActError::Refused(error)
            }
            SendError::InDoubt(error) => ActError::InDoubt(error),
        })
    }

    async fn find(&self, _marker: &Marker) -> odx_core::Result<Option<Receipt>> {
        let since = odx_core::clock::Clock::now(&SystemClock) - chrono::TimeDelta::minutes(1);
        self.0.find(&self.1.attempt(since)).await
    }

    fn settles_within(&self) -> Duration {
        self.0.settles_within()
    }
}

#[tokio::test]
async fn whatever_breaks_a_person_gets_it_once() {
    let texts = crate::kit::texts();
    let server = texts.serve().await.unwrap();
    let gateway = twilio(server.base_url().as_str())
        .with_clock(Arc::new(SystemClock))
        .build()
        .unwrap();
    let source = SourceId::new("od", "main-st").unwrap();
    let outlet = OutletId::new(source, "texts").unwrap();
    let store = Arc::new(MemoryStore::new());
    let effects = Effects::open(store, outlet, Arc::new(SystemClock))
        .await
        .unwrap();
    for (n, fault) in [
        Fault::ResetAfter,
        Fault::StatusAfter(503),
        Fault::TruncatedAfter,
        Fault::Status(429, None),
        Fault::ResetBefore,
    ]
    .into_iter()
    .enumerate()
    {
        let mut message = text_to_ana();
        message.key = key(&format!("k{n}"));
        message.text = Phi::new(format!(
            "Bright Smiles, message {n}. Reply STOP to opt out."
        ));
        let before = texts.texts().len();
        let act = Sending(&gateway, message.clone());
        texts.fail_next(1, fault.clone());
        let first = effects.perform(&message.key, &act).await.unwrap();
        let again = effects.perform(&message.key, &act).await.unwrap();
        match fault {
            Fault::Status(..) => {
                assert!(matches!(first, Outcome::Waiting(_)), "{first:?}");
                assert!(matches!(again, Outcome::Done(_)), "{again:?}");
                assert_eq!(texts.texts().len(), before + 1);
            }
            Fault::ResetBefore => {
                // Not there, but it may still arrive: not repeated within two minutes.
                assert!(matches!(again, Outcome::InDoubt { .. }), "{again:?}");
                assert_eq!(texts.texts().len(), before);
            }
            _ => {
                assert!(matches!(first, Outcome::Found(_)), "{first:?}");
                assert!(matches!(again, Outcome::Known(_)), "{again:?}");
                assert_eq!(texts.texts().len(), before + 1);
            }
        }
    }
    assert!(texts.texts().iter().all(|text| text.to == ANA));
}

fn bodies() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "\\PC{0,40}",
        Just("<html>no</html>".to_owned()),
        (0u32..60_000)
            .prop_map(|code| format!("{{\"code\":{code},\"message\":\"x\",\"sid\":\"SM1\"}}")),
        Just("{\"code\":20429}".to_owned()),
        (0i64..2000).prop_map(|code| format!("[{{\"ErrorCode\":{code},\"Message\":\"x\"}}]")),
        (0i64..2000).prop_map(|code| format!("{{\"ErrorCode\":{code},\"Message\":\"x\"}}")),
        Just("{\"errors\":[{\"message\":\"x\",\"field\":\"from\"}]}".to_owned()),
        Just("{\"errors\":[{\"message\":\"x\",\"field\":\"personalizations.0.to\"}]}".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is answered: only a 429, in a status or in the provider's own
    /// word, says that nothing was sent; and a success or a five hundred never
    /// says that it was refused.
    #[test]
    fn no_answer_makes_an_unsafe_case_safe(status in 200u16..600, body in bodies()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = MockServer::start().await;
            let template = ResponseTemplate::new(status).set_body_string(body.clone());
            Mock::given(any()).respond_with(template).mount(&server).await;
            let base = server.uri();
            let text = twilio(&base).build().unwrap().send(&text_to_ana()).await;
            let mut all = vec![("twilio", text)];
            for (name, gateway) in ["sendgrid", "postmark"].into_iter().zip(mailers(&base)) {
                all.push((name, gateway.send(&mail_to_ana()).await));
            }
            for (name, got) in all {
                let what = format!("{name} {status} {body}");
                let said_429 = status == 429
                    || (name == "twilio" && body.contains("20429") && (400..500).contains(&status))
                    || (name == "postmark" && body.contains(":429,") && (status == 200 || (400..500).contains(&status)));
                match &got {
                    Err(SendError::NotSent(_)) => assert!(said_429, "{what}"),
                    Err(SendError::Refused(_) | SendError::Suppressed { .. }) => {
                        let item = name == "postmark" && status == 200;
                        assert!(item || (300..500).contains(&status), "{what}");
                    }
                    Ok(_) => assert!(matches!(status, 200..=202), "{what}"),
                    Err(SendError::InDoubt(_)) => assert_ne!(status, 429, "{what}"),
                }
            }
        });
    }
}
