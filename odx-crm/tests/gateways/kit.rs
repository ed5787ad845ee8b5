//! What the tests share: one message, a clock that stands still, gateways.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use odx_core::clock::Clock;
use odx_core::model::{Email, Phone};
use odx_core::outreach::{Address, Inbound, Message, Purpose, SendError};
use odx_core::{Disposition, IdempotencyKey, Phi, Secret, SinkId};
use odx_crm::Url;
use odx_crm::gateway::{
    Baa, PostmarkConfig, SendGridConfig, SmtpConfig, SmtpSecurity, TwilioConfig,
};
use odx_crm::sim::{Mails, Texts};

/// The reference's moment: 2026-11-20T21:00:00Z.
#[derive(Debug)]
pub(crate) struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        now()
    }

    async fn sleep(&self, _wait: Duration) {}
}

pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-20T21:00:00Z".parse().unwrap()
}

pub(crate) const ANA: &str = "+15035550123";
pub(crate) const ANA_MAIL: &str = "ana@smile.co";
pub(crate) const HOOK: &str = "https://hooks.example/twilio/status?office=1001";
pub(crate) const EVENTS: &str = "https://hooks.example/mail/s3cretpathsegment";

/// A text provider that is as strict as its schema.
pub(crate) fn texts() -> Texts {
    Texts::new().with_schemas(crate::schema::schemas())
}

/// Mail providers that are as strict as their schemas.
pub(crate) fn mails() -> Mails {
    Mails::new().with_schemas(crate::schema::schemas())
}

pub(crate) fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

pub(crate) fn twilio(base: &str) -> TwilioConfig {
    TwilioConfig::new(
        SinkId::new("twilio", "1001").unwrap(),
        Texts::ACCOUNT,
        Texts::KEY,
        Secret::new(Texts::SECRET),
        Texts::SERVICE,
    )
    .with_base_url(url(base))
    .with_status_callback(url(HOOK))
    .with_auth_token(Secret::new(Texts::AUTH_TOKEN))
    .with_timeout(Duration::from_millis(1500))
    .with_clock(Arc::new(Still))
}

pub(crate) fn from() -> Email {
    Email::parse("hello@brightsmiles.example").unwrap()
}

pub(crate) fn sendgrid(base: &str) -> SendGridConfig {
    SendGridConfig::new(
        SinkId::new("sendgrid", "1001").unwrap(),
        Secret::new(Mails::API_KEY),
        from(),
    )
    .with_base_url(url(base))
    .with_baa(Baa::Confirmed)
    .with_timeout(Duration::from_millis(1500))
    .with_clock(Arc::new(Still))
}

pub(crate) fn postmark(base: &str) -> PostmarkConfig {
    PostmarkConfig::new(
        SinkId::new("postmark", "1001").unwrap(),
        Secret::new(Mails::SERVER_TOKEN),
        from(),
    )
    .with_base_url(url(base))
    .with_baa(Baa::Confirmed)
    .with_callback(
        Secret::new(EVENTS),
        Secret::new("postmark"),
        Secret::new("hook-password"),
    )
    .with_timeout(Duration::from_millis(1500))
    .with_clock(Arc::new(Still))
}

pub(crate) fn smtp(port: u16) -> SmtpConfig {
    SmtpConfig::new(SinkId::new("smtp", "1001").unwrap(), "127.0.0.1", from())
        .with_port(port)
        .with_security(SmtpSecurity::LoopbackPlain)
        .with_baa(Baa::Confirmed)
        .with_timeout(Duration::from_millis(1500))
        .with_clock(Arc::new(Still))
}

pub(crate) fn phone(number: &str) -> Address {
    Address::Phone(Phone::parse(number).unwrap())
}

pub(crate) fn email(address: &str) -> Address {
    Address::Email(Email::parse(address).unwrap())
}

pub(crate) fn key(name: &str) -> IdempotencyKey {
    IdempotencyKey::from_kept(name)
}

pub(crate) fn text_to_ana() -> Message {
    let mut message = Message::new(
        key("01J0000000000000000000000A"),
        Purpose::Recall,
        phone(ANA),
        Phi::new(
            "Hi Ana, this is Bright Smiles. It is time to schedule your next visit: \
             https://go.example/x1 or call 503-555-0100. Reply STOP to opt out."
                .into(),
        ),
    );
    message.valid_for = Some(Duration::from_secs(3600));
    message
}

pub(crate) fn mail_to_ana() -> Message {
    let mut message = Message::new(
        key("01J0000000000000000000000A"),
        Purpose::Recall,
        email(ANA_MAIL),
        Phi::new(
            "Hi Ana, it is time to schedule your next visit at Bright Smiles: https://go.example/x1"
                .into(),
        ),
    );
    message.subject = Some(Phi::new("Time for your next visit".into()));
    message.practice = "Bright Smiles".into();
    message
}

/// How an error asks to be treated, in a word.
pub(crate) fn class(error: &SendError) -> &'static str {
    match error {
        SendError::NotSent(error) => match error.disposition() {
            Disposition::Retry { .. } => "not_sent",
            _ => "not_sent_setup",
        },
        SendError::Refused(error) => match error.disposition() {
            Disposition::Reject => "rejected",
            Disposition::Halt => "halt",
            Disposition::Retry { .. } => "refused_but_retry",
        },
        SendError::Suppressed { .. } => "suppressed",
        SendError::InDoubt(_) => "in_doubt",
    }
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut form = odx_crm::Url::parse("http://x").unwrap();
    form.query_pairs_mut().extend_pairs(pairs);
    form.query().unwrap().as_bytes().to_vec()
}

pub(crate) fn call(url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Inbound {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Inbound::new(url.into(), headers.collect(), body, now())
}
