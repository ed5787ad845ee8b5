//! Planted names, numbers and keys: nothing that is printed may show them.

use std::time::Duration;

use odx_core::outreach::{Message, MessageGateway, Purpose};
use odx_core::testkit::{Canaries, Transcript};
use odx_core::{IdempotencyKey, Phi, Secret, SinkId, model::Email};
use odx_crm::gateway::{
    Baa, PostmarkConfig, SendGridConfig, SmtpConfig, SmtpSecurity, TwilioConfig,
};
use odx_crm::sim::{Fault, MailServer, SmtpFault, SmtpStep, Texts};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::calls::signed;
use crate::kit::{email, now, phone, url};

const NUMBER: &str = "+15035550187";
const MAIL: &str = "quetzalcoatl@smile.co";
const TEXT: &str = "Xochiquetzal, your visit is due";
const SECRET: &str = "canary-secret-77aa";
const LINK: &str = "https://go.example/u/canarylink99";

fn planted() -> Canaries {
    Canaries::new([
        "5035550187",
        "quetzalcoatl",
        "Xochiquetzal",
        "canary-secret-77aa",
        "canarylink99",
        "canaryhook42",
    ])
}

/// Everything that is traced, at every level.
fn trace() -> String {
    let text = Transcript::begin().text();
    assert!(!text.is_empty(), "nothing was traced");
    text
}

fn text() -> Message {
    let key = IdempotencyKey::of_parts(&["canary"]);
    Message::new(key, Purpose::Recall, phone(NUMBER), Phi::new(TEXT.into()))
}

fn mail() -> Message {
    let mut message = text();
    message.to = email(MAIL);
    message.subject = Some(Phi::new(TEXT.into()));
    message.unsubscribe = Some(url(LINK).into());
    message
}

fn gateways(base: &str, port: u16) -> Vec<(Box<dyn MessageGateway>, Message)> {
    let id = |kind: &str| SinkId::new(kind, "1001").unwrap();
    let secret = || Secret::new(SECRET);
    let from = || Email::parse("hello@brightsmiles.example").unwrap();
    let base = || url(base);
    let timeout = Duration::from_millis(500);
    let texts = TwilioConfig::new(
        id("twilio"),
        Texts::ACCOUNT,
        Texts::KEY,
        secret(),
        Texts::SERVICE,
    )
    .with_base_url(base())
    .with_status_callback(url("https://hooks.example/mail/canaryhook42"))
    .with_auth_token(secret())
    .with_timeout(timeout);
    let sendgrid = SendGridConfig::new(id("sendgrid"), secret(), from())
        .with_base_url(base())
        .with_baa(Baa::Confirmed)
        .with_timeout(timeout);
    let postmark = PostmarkConfig::new(id("postmark"), secret(), from())
        .with_base_url(base())
        .with_baa(Baa::Confirmed)
        .with_callback(
            Secret::new("https://hooks.example/mail/canaryhook42"),
            Secret::new("u"),
            secret(),
        )
        .with_timeout(timeout);
    let smtp = SmtpConfig::new(id("smtp"), "127.0.0.1", from())
        .with_port(port)
        .with_security(SmtpSecurity::LoopbackPlain)
        .with_login("hello", secret())
        .with_baa(Baa::Confirmed)
        .with_timeout(timeout);
    planted().assert_absent(
        "settings",
        &format!("{texts:?}{sendgrid:?}{postmark:?}{smtp:?}"),
    );
    vec![
        (Box::new(texts.build().unwrap()), text()),
        (Box::new(sendgrid.build().unwrap()), mail()),
        (Box::new(postmark.build().unwrap()), mail()),
        (Box::new(smtp.build().unwrap()), mail()),
    ]
}

async fn provoke(gateway: &dyn MessageGateway, message: &Message, what: &str) {
    let planted = planted();
    let show = |text: String| planted.assert_absent(what, &text);
    show(format!("{gateway:?} {:?}", message.attempt(now())));
    match gateway.send(message).await {
        Ok(receipt) => show(format!("{receipt:?}")),
        Err(error) => show(format!("{error:?} {error} {}", error.error().chain())),
    }
    match gateway.find(&message.attempt(now())).await {
        Ok(found) => show(format!("{found:?}")),
        Err(error) => show(format!("{error:?} {}", error.chain())),
    }
    for error in [
        gateway.probe().await.err(),
        gateway.suppressions(None).await.err(),
        gateway.suppress(&message.to).await.err(),
    ]
    .into_iter()
    .flatten()
    {
        show(format!("{error:?} {}", error.chain()));
    }
}

#[tokio::test]
async fn an_answer_that_repeats_what_was_sent_is_not_repeated() {
    Transcript::begin();
    let post = MailServer::serve().await.unwrap();
    let talk = format!("{NUMBER} {MAIL} {TEXT} {SECRET} {LINK}");
    for status in [
        200, 201, 202, 301, 302, 400, 401, 403, 404, 406, 408, 413, 422, 429, 500, 503,
    ] {
        for body in [
            talk.clone(),
            serde_json::json!({ "code": 21211, "message": talk, "sid": talk, "ErrorCode": 300, "Message": talk }).to_string(),
            serde_json::json!({ "errors": [{ "message": talk, "field": talk }] }).to_string(),
            serde_json::json!([{ "ErrorCode": 300, "Message": talk, "MessageID": talk }]).to_string(),
            serde_json::json!({ "messages": [{ "sid": talk, "body": talk, "to": talk }], "next_page_uri": talk }).to_string(),
        ] {
            let server = MockServer::start().await;
            let template = ResponseTemplate::new(status)
                .set_body_string(body)
                .insert_header("Location", format!("/{SECRET}"))
                .insert_header("Retry-After", SECRET);
            Mock::given(any()).respond_with(template).mount(&server).await;
            for (gateway, message) in gateways(&server.uri(), post.port()).into_iter().take(3) {
                provoke(&*gateway, &message, "an answer").await;
            }
        }
    }
    planted().assert_absent("a trace", &trace());
}

#[tokio::test]
async fn a_broken_connection_does_not_make_an_error_talk() {
    Transcript::begin();
    let texts = crate::kit::texts();
    let mails = crate::kit::mails();
    let post = MailServer::serve().await.unwrap();
    for server in [texts.serve().await.unwrap(), mails.serve().await.unwrap()] {
        for fault in [
            Fault::ResetBefore,
            Fault::ResetAfter,
            Fault::TruncatedAfter,
            Fault::HtmlLogin200,
            Fault::Hang(Duration::from_secs(1)),
        ] {
            for (gateway, message) in gateways(server.base_url().as_str(), post.port()) {
                texts.fail_next(1, fault.clone());
                mails.fail_next(1, fault.clone());
                let says = format!("550 5.1.1 <{MAIL}> {SECRET} {TEXT}");
                post.fail_next(SmtpFault::Say(SmtpStep::To, says));
                provoke(&*gateway, &message, &format!("{fault:?}")).await;
            }
        }
    }
    for (gateway, message) in gateways("http://127.0.0.1:9", 9) {
        provoke(&*gateway, &message, "nobody there").await;
    }
    planted().assert_absent(
        "the simulators",
        &format!(
            "{texts:?} {mails:?} {post:?} {:?} {:?} {:?}",
            texts.texts(),
            mails.mails(),
            post.took()
        ),
    );
    planted().assert_absent("a trace", &trace());
}

#[test]
fn a_call_that_is_refused_or_heard_does_not_print_whom_it_names() {
    let post = 9;
    for (gateway, _) in gateways("http://127.0.0.1:9", post) {
        for (token, pairs) in [
            ("wrong", vec![("From", NUMBER), ("Body", TEXT)]),
            (SECRET, vec![("From", NUMBER), ("Body", "STOP")]),
            (SECRET, vec![("From", TEXT), ("Body", "STOP")]),
            (SECRET, vec![("MessageSid", "SM1"), ("MessageStatus", TEXT)]),
            (
                SECRET,
                vec![
                    ("MessageSid", "SM1"),
                    ("MessageStatus", "failed"),
                    ("ErrorCode", NUMBER),
                ],
            ),
        ] {
            let call = signed("https://hooks.example/mail/canaryhook42", &pairs, token);
            let told = match gateway.hear(&call) {
                Ok(heard) => format!("{heard:?}"),
                Err(error) => format!("{error:?} {}", error.chain()),
            };
            planted().assert_absent("a call", &told);
        }
    }
}
