//! Mail end to end, against the simulated providers.

use std::sync::Arc;
use std::time::Duration;

use odx_core::model::Channel;
use odx_core::outreach::{Message, MessageGateway, Purpose, SendError};
use odx_core::sink::{Suppression, Target};
use odx_core::source::Cursor;
use odx_core::{Disposition, ErrorKind};
use odx_crm::gateway::{Baa, SendGridGateway};
use odx_crm::sim::{Fault, MailServer};

use crate::kit::{
    ANA_MAIL, Still, class, email, mail_to_ana, now, phone, postmark, sendgrid, smtp, text_to_ana,
    url,
};

fn marketing(purpose: Purpose) -> Message {
    let mut message = mail_to_ana();
    message.purpose = purpose;
    message.unsubscribe = Some(url("https://go.example/u/x1").into());
    message
}

#[tokio::test]
async fn without_a_business_associate_agreement_recall_mail_is_refused() {
    let mails = crate::kit::mails();
    let server = mails.serve().await.unwrap();
    let post = MailServer::serve().await.unwrap();
    let base = server.base_url();
    let gateways: [Box<dyn MessageGateway>; 3] = [
        Box::new(sendgrid(base.as_str()).with_baa(Baa::No).build().unwrap()),
        Box::new(postmark(base.as_str()).with_baa(Baa::No).build().unwrap()),
        Box::new(smtp(post.port()).with_baa(Baa::No).build().unwrap()),
    ];
    for gateway in gateways {
        assert_eq!(gateway.channel(), Channel::Email);
        assert_eq!(gateway.sender(), "hello@brightsmiles.example");
        let error = gateway.send(&mail_to_ana()).await.unwrap_err();
        assert!(matches!(&error, SendError::Refused(error) if error.kind() == ErrorKind::Config));
        assert!(error.error().to_string().contains("baa"), "{error:?}");
        gateway.send(&marketing(Purpose::Review)).await.unwrap();
        let findings = gateway.probe().await.unwrap().findings;
        assert!(
            findings
                .iter()
                .any(|finding| finding.contains("business associate"))
        );
        assert!(gateway.requests() >= 2);
    }
    assert_eq!(mails.mails().len(), 2);
    assert_eq!(post.took().len(), 1);
}

#[tokio::test]
async fn a_mail_for_sendgrid_has_its_group_and_its_way_out() {
    let mails = crate::kit::mails();
    let server = mails.serve().await.unwrap();
    let gateway = sendgrid(server.base_url().as_str())
        .with_group(Purpose::Review, 7)
        .build()
        .unwrap();
    gateway.send(&marketing(Purpose::Review)).await.unwrap();
    gateway.send(&mail_to_ana()).await.unwrap();
    let taken = mails.mails();
    assert_eq!((taken[0].by.as_str(), taken[1].by.as_str()), ("7", ""));
    assert_eq!(
        taken[0].headers["List-Unsubscribe"],
        "<https://go.example/u/x1>"
    );
    assert_eq!(
        taken[0].headers["List-Unsubscribe-Post"],
        "List-Unsubscribe=One-Click"
    );
    assert!(taken[1].headers.is_empty());
    assert!(mails.misfits().is_empty(), "{:?}", mails.misfits());
}

#[tokio::test]
async fn what_is_no_mail_is_refused_before_anything_is_sent() {
    let mails = crate::kit::mails();
    let server = mails.serve().await.unwrap();
    let base = server.base_url();
    let gateways: [Box<dyn MessageGateway>; 2] = [
        Box::new(sendgrid(base.as_str()).build().unwrap()),
        Box::new(postmark(base.as_str()).build().unwrap()),
    ];
    for gateway in gateways {
        let error = gateway.send(&text_to_ana()).await.unwrap_err();
        assert_eq!(error.error().kind(), ErrorKind::Bug);
        let mut bare = mail_to_ana();
        bare.subject = None;
        assert_eq!(class(&gateway.send(&bare).await.unwrap_err()), "halt");
        let mut open = mail_to_ana();
        open.unsubscribe = Some(url("http://go.example/u").into());
        assert_eq!(class(&gateway.send(&open).await.unwrap_err()), "halt");
    }
    assert_eq!(mails.requests(), 0);
}

#[tokio::test]
async fn a_wait_until_an_epoch_second_is_a_wait() {
    let mails = crate::kit::mails();
    mails.set_rate_reset(now().timestamp() + 7);
    mails.fail_next(1, Fault::Status(429, None));
    mails.fail_next(1, Fault::Status(429, None));
    let server = mails.serve().await.unwrap();
    let gateway = sendgrid(server.base_url().as_str()).build().unwrap();
    let after = Some(Duration::from_secs(7));
    let error = gateway.send(&mail_to_ana()).await.unwrap_err();
    assert_eq!(error.error().disposition(), Disposition::Retry { after });
    let error = gateway.suppressions(None).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry { after });
    assert!(mails.mails().is_empty());
}

async fn all(
    gateway: &SendGridGateway,
    mut since: Option<Cursor>,
) -> (Vec<Suppression>, u64, Cursor) {
    let (mut stops, mut unreadable) = (Vec::new(), 0);
    loop {
        let page = gateway.suppressions(since).await.unwrap();
        assert!(page.listed);
        stops.extend(page.stops);
        unreadable += page.unreadable;
        let next = page.next.unwrap();
        if !page.more {
            return (stops, unreadable, next);
        }
        since = Some(next);
    }
}

#[tokio::test]
async fn every_list_is_read_whole_and_then_what_is_new() {
    let mails = crate::kit::mails().with_clock(Arc::new(Still));
    let hour = chrono::TimeDelta::hours(1);
    for n in 0..1203 {
        mails.list("bounces", &format!("b{n}@smile.co"), now() - hour * 50);
    }
    mails.list("spam_reports", "angry@smile.co", now() - hour * 50);
    mails.list("unsubscribes", "gone@smile.co", now() - hour * 50);
    mails.list("invalid_emails", "nobody", now() - hour * 50);
    mails.group(7, "group@smile.co");
    mails.group(9, "other@smile.co");
    let server = mails.serve().await.unwrap();
    let gateway = sendgrid(server.base_url().as_str())
        .with_group(Purpose::Review, 7)
        .with_group(Purpose::Reactivation, 9)
        .build()
        .unwrap();
    let (stops, unreadable, next) = all(&gateway, None).await;
    assert_eq!(unreadable, 1);
    let has = |stops: &[Suppression], address: &str, reason: &str| {
        stops.iter().any(|stop| {
            stop.reason == reason
                && matches!(&stop.target, Target::Email(email) if email.address().expose() == address)
        })
    };
    for n in 0..1203 {
        assert!(has(&stops, &format!("b{n}@smile.co"), "hard_bounce"), "{n}");
    }
    assert!(has(&stops, "angry@smile.co", "complaint"));
    assert!(has(&stops, "gone@smile.co", "unsubscribed"));
    assert!(has(&stops, "group@smile.co", "unsubscribed"));
    assert!(has(&stops, "other@smile.co", "unsubscribed"));

    let text: serde_json::Value = serde_json::from_str(next.as_str()).unwrap();
    assert_eq!(text["v"], 1);
    mails.list(
        "bounces",
        "late@smile.co",
        now() - chrono::TimeDelta::minutes(10),
    );
    let (stops, _, _) = all(&gateway, Some(next)).await;
    // Groups have no times: they come whole, every time.
    assert_eq!(stops.len(), 3);
    assert!(has(&stops, "late@smile.co", "hard_bounce"));
}

#[tokio::test]
async fn a_list_that_moves_while_it_is_read_loses_nobody() {
    let mails = crate::kit::mails().with_clock(Arc::new(Still));
    for n in 0..900 {
        let at = now() - chrono::TimeDelta::minutes(2000 - n);
        mails.list("bounces", &format!("b{n}@smile.co"), at);
    }
    let server = mails.serve().await.unwrap();
    let gateway = sendgrid(server.base_url().as_str()).build().unwrap();
    let first = gateway.suppressions(None).await.unwrap();
    assert!(first.more && first.stops.len() == 500);
    // Those behind move up past where we are.
    for n in 880..890 {
        mails.unlist("bounces", &format!("b{n}@smile.co"));
    }
    let (rest, _, _) = all(&gateway, first.next).await;
    let seen: std::collections::BTreeSet<_> = first
        .stops
        .iter()
        .chain(&rest)
        .map(|stop| format!("{:?}{}", stop.channel, address(stop)))
        .collect();
    assert_eq!(seen.len(), 900);
}

fn address(stop: &Suppression) -> String {
    match &stop.target {
        Target::Email(email) => email.address().expose().clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_never_an_empty_one() {
    let mails = crate::kit::mails();
    let server = mails.serve().await.unwrap();
    let gateway = sendgrid(server.base_url().as_str())
        .with_group(Purpose::Review, 404)
        .build()
        .unwrap();
    for fault in [
        Fault::HtmlLogin200,
        Fault::Status(200, None),
        Fault::Status(204, None),
        Fault::Status(401, None),
        Fault::Status(500, None),
        Fault::Redirect,
        Fault::ResetBefore,
        Fault::TruncatedAfter,
    ] {
        mails.fail_next(1, fault.clone());
        assert!(gateway.suppressions(None).await.is_err(), "{fault:?}");
    }
    let mut since = None;
    for _ in 0..4 {
        since = gateway.suppressions(since).await.unwrap().next;
    }
    // A group that is not there is a setting to be mended.
    let error = gateway.suppressions(since).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let foreign = gateway.suppressions(Some(Cursor::new("{\"v\":9}"))).await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::CursorExpired);
    assert!(
        !postmark("http://127.0.0.1:9")
            .build()
            .unwrap()
            .suppressions(None)
            .await
            .unwrap()
            .listed
    );
}

#[tokio::test]
async fn a_stop_learned_elsewhere_is_told_and_telling_it_again_does_no_harm() {
    let mails = crate::kit::mails();
    let server = mails.serve().await.unwrap();
    let base = server.base_url();
    let gateway = sendgrid(base.as_str()).build().unwrap();
    for _ in 0..2 {
        assert!(gateway.suppress(&email(ANA_MAIL)).await.unwrap());
    }
    assert_eq!(mails.listed("unsubscribes"), [ANA_MAIL]);
    let grouped = sendgrid(base.as_str())
        .with_stops_in_group(7)
        .build()
        .unwrap();
    assert!(grouped.suppress(&email(ANA_MAIL)).await.unwrap());
    assert_eq!(mails.grouped(7), [ANA_MAIL]);
    assert!(gateway.suppress(&phone("+15035550123")).await.is_err());
    mails.fail_next(1, Fault::Status(500, None));
    assert!(gateway.suppress(&email(ANA_MAIL)).await.is_err());
    assert!(mails.misfits().is_empty());
    let quiet = postmark(base.as_str()).build().unwrap();
    assert!(!quiet.suppress(&email(ANA_MAIL)).await.unwrap());
}

#[tokio::test]
async fn postmark_says_of_each_mail_what_became_of_it() {
    let mails = crate::kit::mails();
    let server = mails.serve().await.unwrap();
    let gateway = postmark(server.base_url().as_str()).build().unwrap();
    let receipt = gateway.send(&mail_to_ana()).await.unwrap();
    assert_eq!(receipt.remote_id.as_deref(), Some("pm-1"));
    for (code, want) in [
        (300, "rejected"),
        (429, "not_sent"),
        (401, "halt"),
        (405, "halt"),
        (412, "halt"),
        (422, "halt"),
        (1235, "halt"),
        (9999, "halt"),
    ] {
        mails.refuse(ANA_MAIL, code);
        let error = gateway.send(&mail_to_ana()).await.unwrap_err();
        assert_eq!(class(&error), want, "{code}");
    }
    mails.deactivate("bo@smile.co");
    let mut other = mail_to_ana();
    other.to = email("bo@smile.co");
    let error = gateway.send(&other).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Suppressed { stop, .. } if stop.reason == "inactive_recipient")
    );
    assert!(mails.misfits().is_empty());
}
