//! A mail server, step by step.

use odx_core::outreach::{MessageGateway, SendError};
use odx_core::{ErrorKind, Secret};
use odx_crm::gateway::SmtpSecurity;
use odx_crm::sim::{MailServer, SmtpFault, SmtpStep};

use crate::kit::{ANA_MAIL, class, mail_to_ana, now, smtp, url};

#[tokio::test]
async fn a_mail_goes_to_one_person_with_an_id_of_its_key() {
    let server = MailServer::serve().await.unwrap();
    let gateway = smtp(server.port()).build().unwrap();
    let mut message = mail_to_ana();
    message.practice = "Zahnärzte \"Süd\" & Co, Ltd".into();
    message.unsubscribe = Some(url(&format!("https://go.example/u?{}", "x".repeat(180))).into());
    message.text = odx_core::Phi::new("Hi Ana,\n.\n..dots and ünïcode\n".into());
    let receipt = gateway.send(&message).await.unwrap();
    gateway.send(&message).await.unwrap();
    let took = server.took();
    assert_eq!(took[0].to, [ANA_MAIL]);
    assert_eq!(took[0].from, "hello@brightsmiles.example");
    let id = took[0].header("Message-ID").unwrap();
    assert!(
        id.starts_with(&format!("<{}@", receipt.remote_id.unwrap())),
        "{id}"
    );
    assert_eq!(took[1].header("Message-ID").unwrap(), id);
    let out = took[0].header("List-Unsubscribe").unwrap();
    assert_eq!(out, format!("<{}>", message.unsubscribe.unwrap().expose()));
    assert_eq!(
        took[0].header("List-Unsubscribe-Post").unwrap(),
        "List-Unsubscribe=One-Click"
    );
    for name in ["Cc", "Bcc"] {
        assert_eq!(took[0].header(name), None);
    }
    let error = gateway
        .find(&mail_to_ana().attempt(now()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn what_a_server_says_means_what_the_step_makes_of_it() {
    let server = MailServer::serve().await.unwrap();
    server.require_login("hello", "pw");
    let gateway = smtp(server.port())
        .with_login("hello", Secret::new("pw"))
        .build()
        .unwrap();
    let say = |step, words: &str| SmtpFault::Say(step, words.into());
    for (fault, want) in [
        (say(SmtpStep::Greeting, "421 later"), "not_sent"),
        (say(SmtpStep::Greeting, "554 5.7.1 not you"), "halt"),
        (say(SmtpStep::Login, "454 4.7.0 later"), "not_sent"),
        (say(SmtpStep::Login, "535 5.7.8 no"), "halt"),
        (say(SmtpStep::From, "451 4.3.0 later"), "not_sent"),
        (say(SmtpStep::From, "550 5.7.1 not from there"), "halt"),
        (say(SmtpStep::To, "450 4.2.1 greylisted"), "not_sent"),
        (
            say(SmtpStep::To, "550 5.1.1 <ana@smile.co> unknown"),
            "suppressed",
        ),
        (say(SmtpStep::To, "550 5.7.1 relaying denied"), "halt"),
        (say(SmtpStep::To, "553 5.1.7 no"), "rejected"),
        (say(SmtpStep::To, "550 no"), "rejected"),
        (say(SmtpStep::Data, "452 4.3.1 full"), "not_sent"),
        (say(SmtpStep::Data, "554 5.5.1 no"), "halt"),
        (say(SmtpStep::Body, "451 4.3.0 later"), "in_doubt"),
        (say(SmtpStep::Body, "554 5.6.0 no"), "rejected"),
        (say(SmtpStep::Body, "550 5.7.1 spam"), "halt"),
        (say(SmtpStep::Taken, "nonsense"), "in_doubt"),
        (SmtpFault::Cut(SmtpStep::Greeting), "not_sent"),
        (SmtpFault::Cut(SmtpStep::Hello), "not_sent"),
        (SmtpFault::Cut(SmtpStep::Login), "not_sent"),
        (SmtpFault::Cut(SmtpStep::From), "not_sent"),
        (SmtpFault::Cut(SmtpStep::To), "not_sent"),
        (SmtpFault::Cut(SmtpStep::Data), "in_doubt"),
        (SmtpFault::Cut(SmtpStep::Body), "in_doubt"),
        (SmtpFault::Cut(SmtpStep::Taken), "in_doubt"),
        (SmtpFault::Silence(SmtpStep::To), "not_sent"),
        (SmtpFault::Silence(SmtpStep::Taken), "in_doubt"),
    ] {
        server.fail_next(fault.clone());
        let error = gateway.send(&mail_to_ana()).await.unwrap_err();
        assert_eq!(class(&error), want, "{fault:?} {error:?}");
        if let SendError::Suppressed { stop, .. } = error {
            assert_eq!(stop.reason, "hard_bounce");
        }
    }
    // The server goes on as if nothing had been.
    gateway.send(&mail_to_ana()).await.unwrap();
    gateway.probe().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_halts_and_nobody_there_is_not_sent() {
    let server = MailServer::serve().await.unwrap();
    server.require_login("hello", "pw");
    let gateway = smtp(server.port())
        .with_login("hello", Secret::new("wrong"))
        .build()
        .unwrap();
    let error = gateway.send(&mail_to_ana()).await.unwrap_err();
    assert_eq!(error.error().kind(), ErrorKind::Credentials);
    assert_eq!(
        gateway.probe().await.unwrap_err().kind(),
        ErrorKind::Credentials
    );
    let port = server.port();
    drop(server);
    tokio::task::yield_now().await;
    let error = smtp(port)
        .build()
        .unwrap()
        .send(&mail_to_ana())
        .await
        .unwrap_err();
    assert_eq!(class(&error), "not_sent");
}

#[tokio::test]
async fn a_server_without_tls_is_given_nothing() {
    let server = MailServer::serve().await.unwrap();
    for security in [SmtpSecurity::StartTls, SmtpSecurity::Implicit] {
        let gateway = smtp(server.port()).with_security(security).build().unwrap();
        let error = gateway.send(&mail_to_ana()).await.unwrap_err();
        assert!(
            matches!(class(&error), "halt" | "not_sent"),
            "{security:?} {error:?}"
        );
    }
    assert!(server.took().is_empty());
}
