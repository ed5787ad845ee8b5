//! Calls of the providers: who is let in, and what they say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use odx_core::ErrorKind;
use odx_core::model::Channel;
use odx_core::outreach::{Heard, Inbound, MessageGateway, Status};
use odx_core::sink::Target;
use odx_core::{Secret, error::Error};
use odx_crm::sim::Texts;
use ring::{digest, hmac};
use serde_json::json;

use crate::kit::{
    ANA, ANA_MAIL, EVENTS, HOOK, call, form, mail_to_ana, postmark, sendgrid, twilio,
};
use crate::schema::fixture;

fn signature(text: &str, token: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

pub(crate) fn signed(url: &str, pairs: &[(&str, &str)], token: &str) -> Inbound {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let text: String = sorted
        .iter()
        .flat_map(|(name, value)| [*name, *value])
        .collect();
    let signature = signature(&format!("{url}{text}"), token);
    call(url, &[("x-twilio-signature", &signature)], form(pairs))
}

fn kind(heard: Result<Vec<Heard>, Error>) -> ErrorKind {
    heard.unwrap_err().kind()
}

#[test]
fn the_reference_signatures_hold() {
    let mut seen = 0;
    for case in fixture("signing.json").as_array().unwrap() {
        let gateway = twilio("http://127.0.0.1:9")
            .with_auth_token(Secret::new(case["auth_token"].as_str().unwrap()))
            .build()
            .unwrap();
        let params: Vec<_> = case["params"].as_object().unwrap().iter().collect();
        let pairs: Vec<_> = params
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let call = call(
            case["url"].as_str().unwrap(),
            &[("x-twilio-signature", case["signature"].as_str().unwrap())],
            form(&pairs),
        );
        let heard = gateway.hear(&call);
        if case["valid"].as_bool().unwrap() {
            let heard = heard.unwrap();
            assert!(
                matches!(&heard[1], Heard::Stop(stop) if stop.reason == "unknown_handset"
                && matches!(&stop.target, Target::Phone(phone) if phone.e164().expose() == ANA))
            );
        } else {
            assert_eq!(kind(heard), ErrorKind::Credentials);
        }
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_call_that_is_not_signed_so_is_not_heard() {
    let gateway = twilio("http://127.0.0.1:9").build().unwrap();
    let pairs = [("From", ANA), ("Body", "STOP"), ("MessageSid", "SM1")];
    let good = signed(HOOK, &pairs, Texts::AUTH_TOKEN);
    assert_eq!(gateway.hear(&good).unwrap().len(), 1);
    let signature = good.header("x-twilio-signature").unwrap().to_owned();
    let other = [
        ("From", "+15035550199"),
        ("Body", "STOP"),
        ("MessageSid", "SM1"),
    ];
    for bad in [
        signed(HOOK, &pairs, "another-token"),
        call(HOOK, &[], form(&pairs)),
        call(HOOK, &[("x-twilio-signature", "")], form(&pairs)),
        call(HOOK, &[("x-twilio-signature", "====")], form(&pairs)),
        call(HOOK, &[("x-twilio-signature", &signature)], form(&other)),
        call(
            "https://hooks.example/other",
            &[("x-twilio-signature", &signature)],
            form(&pairs),
        ),
        signed(
            HOOK,
            &[
                ("AccountSid", "AC00000000000000000000000000000002"),
                ("From", ANA),
                ("Body", "STOP"),
            ],
            Texts::AUTH_TOKEN,
        ),
    ] {
        assert_eq!(kind(gateway.hear(&bad)), ErrorKind::Credentials);
    }
    let deaf = odx_crm::gateway::TwilioConfig::new(
        odx_core::SinkId::new("twilio", "1001").unwrap(),
        Texts::ACCOUNT,
        Texts::KEY,
        Secret::new("x"),
        Texts::SERVICE,
    );
    assert_eq!(kind(deaf.build().unwrap().hear(&good)), ErrorKind::Config);
}

#[test]
fn an_old_and_a_new_token_and_a_port_are_all_heard() {
    let gateway = twilio("http://127.0.0.1:9")
        .with_auth_token(Secret::new("new-token"))
        .build()
        .unwrap();
    let pairs = [("From", ANA), ("Body", "STOP")];
    for token in ["new-token", Texts::AUTH_TOKEN] {
        assert_eq!(gateway.hear(&signed(HOOK, &pairs, token)).unwrap().len(), 1);
    }
    let with_port = HOOK.replace("hooks.example", "hooks.example:443");
    let mut call = signed(&with_port, &pairs, "new-token");
    call.url = HOOK.into();
    assert_eq!(gateway.hear(&call).unwrap().len(), 1);
}

#[test]
fn a_json_call_is_checked_by_the_hash_of_its_body() {
    let gateway = twilio("http://127.0.0.1:9").build().unwrap();
    let body = json!({ "From": ANA, "Body": "STOP" }).to_string();
    let hash = digest::digest(&digest::SHA256, body.as_bytes());
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let url = format!("{HOOK}&bodySHA256={hash}");
    let signature = signature(&url, Texts::AUTH_TOKEN);
    let headers = [("x-twilio-signature", signature.as_str())];
    let good = call(&url, &headers, body.clone().into_bytes());
    assert_eq!(gateway.hear(&good).unwrap().len(), 1);
    let bad = call(&url, &headers, body.replace("0123", "0199").into_bytes());
    assert_eq!(kind(gateway.hear(&bad)), ErrorKind::Credentials);
}

#[test]
fn the_providers_own_word_on_an_opt_out_counts_before_the_text() {
    let gateway = twilio("http://127.0.0.1:9").build().unwrap();
    let hear = |kind: &str, body: &str| {
        let pairs = [("From", ANA), ("Body", body), ("OptOutType", kind)];
        gateway
            .hear(&signed(HOOK, &pairs, Texts::AUTH_TOKEN))
            .unwrap()
    };
    assert!(matches!(&hear("STOP", "basta")[..], [Heard::Stop(_)]));
    assert!(matches!(
        &hear("START", "stop it, start")[..],
        [Heard::Start(_)]
    ));
    assert!(hear("HELP", "stop").is_empty());
    assert!(matches!(&hear("PAUSE", "x")[..], [Heard::Review(_)]));
}

#[test]
fn a_report_that_cannot_be_read_is_an_error() {
    let gateway = twilio("http://127.0.0.1:9").build().unwrap();
    for pairs in [
        vec![("MessageStatus", "delivered")],
        vec![("MessageSid", "SM1"), ("MessageStatus", "pending")],
        vec![
            ("MessageSid", "SM1"),
            ("MessageStatus", "failed"),
            ("ErrorCode", "x"),
        ],
        vec![("From", "5035550123 cell"), ("Body", "STOP")],
        vec![("To", ANA)],
    ] {
        let call = signed(HOOK, &pairs, Texts::AUTH_TOKEN);
        assert_eq!(kind(gateway.hear(&call)), ErrorKind::Protocol, "{pairs:?}");
    }
}

#[tokio::test]
async fn sendgrid_events_stop_addresses_and_follow_mails() {
    let mails = crate::kit::mails().with_clock(std::sync::Arc::new(crate::kit::Still));
    let server = mails.serve().await.unwrap();
    let gateway = sendgrid(server.base_url().as_str())
        .with_event_key(mails.event_key())
        .build()
        .unwrap();
    let receipt = gateway.send(&mail_to_ana()).await.unwrap();
    let id = receipt.remote_id.unwrap();
    let mail = mails.mails().remove(0);
    assert_eq!(mail.attempt, mail_to_ana().key.as_str());
    let dropped = |reason: &str| {
        let mut event = mails.sendgrid_event(&mail, "dropped");
        event["reason"] = reason.into();
        event
    };
    let mut blocked = mails.sendgrid_event(&mail, "bounce");
    blocked["type"] = "blocked".into();
    let events = [
        mails.sendgrid_event(&mail, "processed"),
        mails.sendgrid_event(&mail, "delivered"),
        blocked,
        json!("not an event"),
        json!({ "event": "something new" }),
        mails.sendgrid_event(&mail, "open"),
        mails.sendgrid_event(&mail, "group_resubscribe"),
        mails.sendgrid_event(&mail, "bounce"),
        dropped("Bounced Address"),
        dropped("Unsubscribed Address"),
        dropped("Recipient List over Package Quota"),
        mails.sendgrid_event(&mail, "spamreport"),
        mails.sendgrid_event(&mail, "unsubscribe"),
        mails.sendgrid_event(&mail, "group_unsubscribe"),
    ];
    let call = mails.sendgrid_events("https://hooks.example/sendgrid", &events);
    let heard = gateway.hear(&call).unwrap();
    let stops: Vec<_> = heard
        .iter()
        .filter_map(|heard| match heard {
            Heard::Stop(stop) => Some(stop.reason.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        stops,
        [
            "hard_bounce",
            "hard_bounce",
            "unsubscribed",
            "complaint",
            "unsubscribed",
            "unsubscribed"
        ]
    );
    let statuses: Vec<_> = heard
        .iter()
        .filter_map(|heard| match heard {
            Heard::Status {
                remote_id, status, ..
            } if *remote_id == id => Some(*status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses.len(), 7);
    assert_eq!(
        statuses[..3],
        [Status::Accepted, Status::Delivered, Status::Failed]
    );
    assert!(heard.iter().any(|heard| matches!(heard, Heard::Account(_))));

    let changed = |change: &dyn Fn(&mut Inbound)| {
        let mut call = mails.sendgrid_events("https://hooks.example/sendgrid", &events);
        change(&mut call);
        kind(gateway.hear(&call))
    };
    assert_eq!(
        changed(&|call| call.now += chrono::TimeDelta::seconds(301)),
        ErrorKind::Credentials
    );
    assert_eq!(
        changed(&|call| call.now -= chrono::TimeDelta::seconds(301)),
        ErrorKind::Credentials
    );
    assert_eq!(
        changed(&|call| call.headers.clear()),
        ErrorKind::Credentials
    );
    assert_eq!(
        changed(&|call| call.headers[2].1 = "1795208401".into()),
        ErrorKind::Credentials
    );
    assert_eq!(
        changed(&|call| call.body = odx_core::Phi::new(b"[]".to_vec())),
        ErrorKind::Credentials
    );
    let other = crate::kit::mails().with_clock(std::sync::Arc::new(crate::kit::Still));
    let call = other.sendgrid_events("https://hooks.example/sendgrid", &events);
    assert_eq!(kind(gateway.hear(&call)), ErrorKind::Credentials);
    let deaf = sendgrid("http://127.0.0.1:9").build().unwrap();
    assert_eq!(kind(deaf.hear(&call)), ErrorKind::Config);
}

#[test]
fn postmark_calls_need_the_address_the_user_and_the_password() {
    let mails = crate::kit::mails();
    let gateway = postmark("http://127.0.0.1:9").build().unwrap();
    let hear =
        |record| gateway.hear(&mails.postmark_call(EVENTS, "postmark", "hook-password", &record));
    let stop = |heard: Vec<Heard>, reason: &str| {
        heard.iter().any(|heard| {
            matches!(heard, Heard::Stop(stop)
            if stop.reason == reason && stop.channel == Some(Channel::Email))
        })
    };
    let bounce = |kind: &str, inactive: bool| json!({ "RecordType": "Bounce", "Type": kind, "MessageID": "pm-1", "Email": ANA_MAIL, "Inactive": inactive });
    assert!(stop(
        hear(bounce("HardBounce", true)).unwrap(),
        "hard_bounce"
    ));
    assert!(stop(
        hear(bounce("SpamNotification", false)).unwrap(),
        "complaint"
    ));
    assert!(stop(
        hear(bounce("Transient", true)).unwrap(),
        "hard_bounce"
    ));
    assert_eq!(hear(bounce("SoftBounce", false)).unwrap().len(), 1);
    let complaint =
        json!({ "RecordType": "SpamComplaint", "MessageID": "pm-1", "Email": ANA_MAIL });
    assert!(stop(hear(complaint).unwrap(), "complaint"));
    let change = |stops: bool| json!({ "RecordType": "SubscriptionChange", "Recipient": ANA_MAIL, "SuppressSending": stops, "SuppressionReason": "ManualSuppression" });
    assert!(stop(hear(change(true)).unwrap(), "unsubscribed"));
    assert!(hear(change(false)).unwrap().is_empty());
    assert_eq!(
        kind(hear(json!({ "RecordType": "New" }))),
        ErrorKind::Protocol
    );
    assert_eq!(kind(hear(json!([]))), ErrorKind::Protocol);
    assert_eq!(
        kind(hear(json!({ "RecordType": "SpamComplaint" }))),
        ErrorKind::Protocol
    );
    let record = change(true);
    for (url, user, password) in [
        (
            "https://hooks.example/mail/other",
            "postmark",
            "hook-password",
        ),
        (EVENTS, "postmark", "wrong"),
        (EVENTS, "other", "hook-password"),
        (EVENTS, "", ""),
    ] {
        let call = mails.postmark_call(url, user, password, &record);
        assert_eq!(kind(gateway.hear(&call)), ErrorKind::Credentials);
    }
    let bare = call(EVENTS, &[], record.to_string().into_bytes());
    assert_eq!(kind(gateway.hear(&bare)), ErrorKind::Credentials);
}

#[tokio::test]
async fn a_provider_calls_whoever_listens() {
    use wiremock::matchers::header_exists;
    use wiremock::{Mock, MockServer, ResponseTemplate};
    let hook = MockServer::start().await;
    Mock::given(header_exists("x-twilio-signature"))
        .respond_with(ResponseTemplate::new(204))
        .mount(&hook)
        .await;
    let texts = crate::kit::texts();
    let url = format!("{}/twilio?office=1001", hook.uri());
    let told = texts.text_from(ANA, "STOP", &url);
    assert_eq!(texts.call(&told).await.unwrap(), 204);
    let came = hook.received_requests().await.unwrap().remove(0);
    let signature = came.headers["x-twilio-signature"].to_str().unwrap();
    let call = call(&url, &[("x-twilio-signature", signature)], came.body);
    let gateway = twilio("http://127.0.0.1:9").build().unwrap();
    assert_eq!(gateway.hear(&call).unwrap().len(), 1);
    assert_eq!(texts.opted_out(), [ANA]);
}
