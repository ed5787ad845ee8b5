//! Texts end to end, against the simulated provider.

use std::sync::Arc;

use odx_core::model::Channel;
use odx_core::outreach::{Heard, MessageGateway, SendError, Status};
use odx_core::{ErrorKind, Phi};
use odx_crm::sim::Texts;

use crate::kit::{ANA, Still, class, mail_to_ana, phone, text_to_ana, twilio};

#[tokio::test]
async fn a_text_is_taken_reported_on_and_answered() {
    let texts = crate::kit::texts().with_clock(Arc::new(Still));
    let server = texts.serve().await.unwrap();
    let gateway = twilio(server.base_url().as_str()).build().unwrap();
    assert_eq!(gateway.channel(), Channel::Sms);
    assert_eq!(gateway.sender(), Texts::SERVICE);
    assert_eq!(gateway.probe().await.unwrap().findings.len(), 1);

    let receipt = gateway.send(&text_to_ana()).await.unwrap();
    let taken = texts.texts();
    let sid = receipt.remote_id.unwrap();
    assert_eq!((taken.len(), &taken[0].sid), (1, &sid));
    assert_eq!(taken[0].to, ANA);
    assert_eq!(taken[0].valid_for, Some(3600));
    assert!(texts.misfits().is_empty(), "{:?}", texts.misfits());

    let mut order = Vec::new();
    for (word, status) in [
        ("queued", Status::Accepted),
        ("sent", Status::Sent),
        ("delivered", Status::Delivered),
        ("sent", Status::Sent),
    ] {
        let call = texts.report(&sid, word, None).unwrap();
        let heard = gateway.hear(&call).unwrap();
        let reason = None;
        let remote_id = sid.clone();
        assert_eq!(
            heard,
            [Heard::Status {
                remote_id,
                status,
                reason
            }]
        );
        order.push(status);
    }
    // What comes late ranks lower.
    assert_eq!(order.into_iter().max(), Some(Status::Delivered));

    let call = texts.text_from(ANA, "STOP", crate::kit::HOOK);
    let heard = gateway.hear(&call).unwrap();
    assert!(
        matches!(&heard[..], [Heard::Stop(stop)] if stop.reason == "keyword_stop"
        && stop.channel == Some(Channel::Sms))
    );
    let error = gateway.send(&text_to_ana()).await.unwrap_err();
    assert!(matches!(error, SendError::Suppressed { .. }));
    let call = texts.text_from(ANA, "start", crate::kit::HOOK);
    assert_eq!(gateway.hear(&call).unwrap(), [Heard::Start(phone(ANA))]);
    gateway.send(&text_to_ana()).await.unwrap();
    assert_eq!(texts.texts().len(), 2);
}

#[tokio::test]
async fn words_are_read_where_the_provider_does_not_say_what_they_were() {
    let texts = crate::kit::texts();
    texts.set_advanced_opt_out(false);
    let gateway = twilio("http://127.0.0.1:9").build().unwrap();
    let hear = |words: &str| {
        let call = texts.text_from(ANA, words, crate::kit::HOOK);
        gateway.hear(&call).unwrap()
    };
    for words in ["STOP", "Stop.", "opt out", "cancel"] {
        assert!(
            matches!(&hear(words)[..], [Heard::Stop(stop)] if stop.reason == "keyword_stop"),
            "{words}"
        );
    }
    assert!(
        matches!(&hear("wrong number")[..], [Heard::Stop(stop)] if stop.reason == "wrong_number")
    );
    assert_eq!(hear("START"), [Heard::Start(phone(ANA))]);
    assert_eq!(hear("please stop by"), [Heard::Review(phone(ANA))]);
    assert!(hear("HELP").is_empty());
    assert!(hear("ok").is_empty());
    assert!(hear("").is_empty());
}

#[tokio::test]
async fn what_is_no_text_is_refused_before_anything_is_sent() {
    let texts = crate::kit::texts();
    let server = texts.serve().await.unwrap();
    let gateway = twilio(server.base_url().as_str()).build().unwrap();
    let mut long = text_to_ana();
    long.text = Phi::new("x".repeat(1601));
    assert_eq!(class(&gateway.send(&long).await.unwrap_err()), "rejected");
    long.text = Phi::new("  ".into());
    assert_eq!(class(&gateway.send(&long).await.unwrap_err()), "rejected");
    let error = gateway.send(&mail_to_ana()).await.unwrap_err();
    assert_eq!(error.error().kind(), ErrorKind::Bug);
    assert_eq!(texts.requests(), 0);
}
