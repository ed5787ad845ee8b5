//! Ten thousand broken calls: no panic, and nobody is let in by a broken signature.

use odx_core::ErrorKind;
use odx_core::outreach::{Inbound, MessageGateway};
use odx_core::testkit::Mutants;
use odx_crm::sim::Texts;
use serde_json::json;

use crate::calls::signed;
use crate::kit::{ANA, ANA_MAIL, EVENTS, HOOK, call, now, postmark, sendgrid, twilio};

/// Nothing is heard of a call whose bytes are not those that were signed.
fn feed(gateway: &dyn MessageGateway, good: &Inbound, words: &[&str]) {
    let original = good.body.expose().clone();
    let header: Vec<Vec<u8>> = good
        .headers
        .iter()
        .map(|(_, value)| value.clone().into_bytes())
        .collect();
    let mut corpus = vec![original.clone()];
    corpus.extend(header);
    for mutant in Mutants::new(18, corpus, words).take(10_000) {
        if mutant != original {
            let body = Inbound::new(
                good.url.clone(),
                good.headers.clone(),
                mutant.clone(),
                good.now,
            );
            assert!(gateway.hear(&body).is_err());
        }
        let text = String::from_utf8_lossy(&mutant).into_owned();
        for at in 0..good.headers.len() {
            let mut headers = good.headers.clone();
            if headers[at].0 == "content-type" || headers[at].1 == text {
                continue;
            }
            headers[at].1.clone_from(&text);
            let changed = Inbound::new(good.url.clone(), headers, original.clone(), good.now);
            assert!(gateway.hear(&changed).is_err());
        }
    }
}

#[test]
fn broken_calls_of_twilio_are_never_heard() {
    let gateway = twilio("http://127.0.0.1:9").build().unwrap();
    let pairs = [("Body", "STOP"), ("From", ANA), ("MessageSid", "SM1")];
    let good = signed(HOOK, &pairs, Texts::AUTH_TOKEN);
    assert!(gateway.hear(&good).is_ok());
    // A form may be written in several ways: only what reads differently is broken.
    let words = ["&Body=", "&OptOutType=STOP", "%2B1", "&From="];
    for mutant in Mutants::new(18, vec![good.body.expose().clone()], &words).take(10_000) {
        let changed = Inbound::new(
            good.url.clone(),
            good.headers.clone(),
            mutant.clone(),
            now(),
        );
        if gateway.hear(&changed).is_ok() {
            let read = |bytes: &[u8]| {
                let mut url = odx_crm::Url::parse("http://x").unwrap();
                url.set_query(Some(&String::from_utf8_lossy(bytes)));
                let mut all: Vec<_> = url.query_pairs().into_owned().collect();
                all.sort();
                all.dedup();
                all.into_iter()
                    .flat_map(|(name, value)| [name, value])
                    .collect::<String>()
            };
            assert_eq!(read(&mutant), read(good.body.expose()));
        }
    }
}

#[test]
fn a_signed_call_with_anything_in_it_does_no_harm() {
    let gateway = twilio("http://127.0.0.1:9").build().unwrap();
    let corpus = ["STOP", ANA, "SM1", "delivered", "30005", "failed", "HELP"];
    let corpus = corpus.map(|text| text.as_bytes().to_vec()).to_vec();
    let names = [
        "From",
        "Body",
        "MessageStatus",
        "ErrorCode",
        "MessageSid",
        "OptOutType",
        "To",
    ];
    let mut mutants = Mutants::new(18, corpus, &["+1503", "null"]);
    for n in 0..10_000 {
        let values: Vec<_> = names
            .iter()
            .map(|_| String::from_utf8_lossy(&mutants.next().unwrap()).into_owned())
            .collect();
        let pairs: Vec<_> = names
            .iter()
            .zip(&values)
            .skip(n % 3)
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        drop(gateway.hear(&signed(HOOK, &pairs, Texts::AUTH_TOKEN)));
    }
}

#[test]
fn broken_events_of_sendgrid_are_never_heard() {
    let mails = crate::kit::mails().with_clock(std::sync::Arc::new(crate::kit::Still));
    let gateway = sendgrid("http://127.0.0.1:9")
        .with_event_key(mails.event_key())
        .build()
        .unwrap();
    let event = json!({ "event": "bounce", "email": ANA_MAIL, "sg_message_id": "m1.x" });
    let good = mails.sendgrid_events("https://hooks.example/sendgrid", &[event]);
    assert_eq!(gateway.hear(&good).unwrap().len(), 2);
    feed(&gateway, &good, &["\"event\":", "[", "1795208400"]);
    let corpus = vec![good.body.expose().clone()];
    for mutant in Mutants::new(19, corpus, &["\"event\":", "\"bounce\"", "\"reason\":"]).take(2_000)
    {
        if let Ok(events) = serde_json::from_slice::<Vec<serde_json::Value>>(&mutant) {
            let call = mails.sendgrid_events("https://hooks.example/sendgrid", &events);
            gateway.hear(&call).unwrap();
        }
    }
}

#[test]
fn broken_calls_of_postmark_do_no_harm_and_strangers_are_never_heard() {
    let mails = crate::kit::mails();
    let gateway = postmark("http://127.0.0.1:9").build().unwrap();
    let record = json!({ "RecordType": "SpamComplaint", "Email": ANA_MAIL, "MessageID": "pm-1" });
    let good = mails.postmark_call(EVENTS, "postmark", "hook-password", &record);
    let authorization = good.header("authorization").unwrap().to_owned();
    let words = ["\"RecordType\":", "\"Bounce\"", "Basic "];
    let corpus = vec![
        good.body.expose().clone(),
        authorization.clone().into_bytes(),
    ];
    for mutant in Mutants::new(18, corpus, &words).take(10_000) {
        drop(gateway.hear(&call(
            EVENTS,
            &[("authorization", &authorization)],
            mutant.clone(),
        )));
        let text = String::from_utf8_lossy(&mutant).into_owned();
        let stranger = call(
            EVENTS,
            &[("authorization", &text)],
            good.body.expose().clone(),
        );
        let same = text.trim().split_once(' ').is_some_and(|(scheme, rest)| {
            scheme.eq_ignore_ascii_case("basic") && authorization.ends_with(rest.trim())
        });
        if !same {
            assert_eq!(
                gateway.hear(&stranger).unwrap_err().kind(),
                ErrorKind::Credentials
            );
        }
    }
}
