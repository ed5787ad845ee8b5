//! Forged calls look like what they are, and a replay is byte for byte the same.

use super::receiver::{NEXT, Receiver, watching};
use super::*;

async fn forged(forgery: Forgery) -> (Option<u16>, Vec<receiver::Call>) {
    let practice = practice(8);
    let receiver = Receiver::start().await;
    let status = practice.forge(&receiver.url(), &forgery).await;
    (status, receiver.take())
}

#[tokio::test]
async fn forged_keys_stand_in_the_header() {
    for (forgery, key) in [
        (Forgery::NoKey, None),
        (Forgery::WrongKey, Some("xxxxxxxxxxxxxxxx")),
        (
            Forgery::OtherOffice {
                key: "SomebodyElse".to_owned(),
            },
            Some("SomebodyElse"),
        ),
        (Forgery::SchemeWord, Some("ODFHIR SimCustomerKey01")),
    ] {
        let (status, calls) = forged(forgery.clone()).await;
        assert_eq!(status, Some(200));
        assert_eq!(calls[0].header("authorization"), key, "{forgery:?}");
        assert_eq!(calls[0].rows().len(), 1);
    }
}

#[tokio::test]
async fn forged_bodies_are_what_they_say() {
    let (_, calls) = forged(Forgery::Html).await;
    assert!(calls[0].body.starts_with(b"<!DOCTYPE html>"));
    let (_, calls) = forged(Forgery::HalfJson).await;
    assert!(serde_json::from_slice::<Value>(&calls[0].body).is_err());
    let (status, calls) = forged(Forgery::Truncated).await;
    assert!(status.is_none() && calls.is_empty());
    for declared in [true, false] {
        let bytes = 300_000;
        let (status, calls) = forged(Forgery::Huge { bytes, declared }).await;
        assert_eq!((status, calls[0].body.len()), (Some(200), bytes));
        assert_eq!(calls[0].rows().len(), 0);
        assert_eq!(calls[0].header("content-length").is_some(), declared);
        let bytes = 100_000_000;
        let (status, calls) = forged(Forgery::Huge { bytes, declared }).await;
        // The endpoint gives up at 8 MB; whether its words get through is the network's.
        assert!(matches!(status, Some(413) | None) && calls.is_empty());
    }
}

#[tokio::test]
async fn a_replay_repeats_every_byte() {
    let practice = practice(8);
    let receiver = Receiver::start().await;
    practice.add_subscription(watching(&receiver, "Patient"));
    practice.advance(NEXT);
    practice.restamp_all_patients();
    let sent = practice.fire_events().await;
    let first = receiver.take();
    practice.restamp_all_patients();
    assert_eq!(practice.replay(&sent[0]).await, Some(200));
    let other = receiver.url().replace("secret", "elsewhere");
    assert_eq!(practice.replay_to(&other, &sent[0]).await, Some(200));
    let again = receiver.take();
    assert_eq!(again[0].body, first[0].body);
    assert_eq!(again[0].headers, first[0].headers);
    assert_eq!(again[1].target, "/elsewhere/");
    assert_eq!(practice.deliveries().len(), 1);
}
