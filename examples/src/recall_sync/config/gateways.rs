//! `[office.messages.texts]` and `[office.messages.mail]`: who carries messages.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use odx_core::model::{Email, Phone};
use odx_core::outreach::{MessageGateway, Purpose};
use odx_core::{OfficeId, Result, Secret, SinkId};
use odx_crm::gateway::{
    Baa, PostmarkConfig, SendGridConfig, SmtpConfig, SmtpSecurity, TwilioConfig, twilio::Retention,
};
use url::Url;

use super::messages::Around;
use super::urls;
use crate::calls::Calls;
use crate::section::Section;

/// One gateway, and where the file says so.
pub(super) struct Carrier {
    pub(super) gateway: Arc<dyn MessageGateway>,
    pub(super) at: Range<usize>,
    /// It takes calls of its provider.
    pub(super) calls: bool,
    /// It may carry recalls.
    pub(super) agreed: bool,
}

/// Those of one office.
pub(super) struct Carriers {
    all: Vec<Carrier>,
    /// Nothing is wrong with any of them.
    pub(super) whole: bool,
}

impl Carriers {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Carrier> {
        self.all.iter()
    }
}

/// Reads both sections; neither is required.
pub(super) fn read(section: &Section<'_, '_>, around: &Around<'_>) -> Carriers {
    let texts = section.section("texts");
    let mail = section.section("mail");
    let count = usize::from(texts.is_some()) + usize::from(mail.is_some());
    let texts = texts.and_then(|inner| self::texts(inner, around));
    let mail = mail.and_then(|inner| self::mail(inner, around));
    let all: Vec<_> = texts.into_iter().chain(mail).collect();
    Carriers {
        whole: all.len() == count,
        all,
    }
}

fn id(kind: &str, around: &Around<'_>) -> Option<SinkId> {
    SinkId::new(kind, around.id.map_or("unnamed", OfficeId::as_str)).ok()
}

/// Where the provider's calls come in. A mistake where they cannot.
fn way_in(
    section: &Section<'_, '_>,
    key: &'static str,
    calls: Calls,
    around: &Around<'_>,
) -> Option<Secret> {
    let url = match around.door {
        None => Err("has no way in: write [receiver] with path and url"),
        // It has mistakes of its own.
        Some(None) => return None,
        Some(Some(door)) => door
            .calls_at(calls, around.id?.as_str())
            .ok_or("needs to know where the provider calls: set url in [receiver]"),
    };
    url.map_err(|what| section.wrong(section.span(), key, what))
        .ok()
}

fn base(section: &Section<'_, '_>) -> Option<Url> {
    let (text, at) = section.text("base_url")?;
    urls(section, "base_url", vec![(text, at)])
        .into_iter()
        .next()
}

fn timeout(section: &Section<'_, '_>) -> Option<Duration> {
    section.duration("timeout", Duration::from_millis(100))
}

/// What a builder made, or what it says is wrong.
fn built<T>(section: &Section<'_, '_>, made: Result<T>) -> Option<T> {
    made.map_err(|why| section.wrong(section.span(), "", &why.to_string()))
        .ok()
}

fn texts(section: Section<'_, '_>, around: &Around<'_>) -> Option<Carrier> {
    let kind = section.required("kind", "write kind = \"twilio\"");
    if let Some((kind, at)) = kind
        && kind != "twilio"
    {
        section.wrong(&at, "kind", "is not known: texts go through \"twilio\"");
        return None;
    }
    let account = section.required("account_sid", "AC and 32 hex digits");
    let key = section.required("api_key_sid", "SK and 32 hex digits");
    let secret = section.secret("api_key_secret", true);
    let service = section.text("messaging_service_sid");
    let test = section.text("test_sender").and_then(|(text, at)| {
        Phone::parse(&text)
            .map_err(|_| section.wrong(&at, "test_sender", "is no number"))
            .ok()
    });
    if service.is_none() && test.is_none() {
        section.missing("messaging_service_sid", "MG and 32 hex digits");
    }
    let base = base(&section);
    let timeout = timeout(&section);
    let retention = [
        ("as_account", Retention::AsAccount),
        ("minimal", Retention::Minimal),
    ];
    let content = section.word("content_retention", &retention);
    let address = section.word("address_retention", &retention);
    let tokens: Vec<_> = ["auth_token", "old_auth_token"]
        .into_iter()
        .filter_map(|key| section.secret(key, false))
        .collect();
    let reports = section.flag("reports");
    let heard = if tokens.is_empty() {
        if let Some((true, at)) = &reports {
            section.wrong(
                at,
                "reports",
                "need auth_token: their calls are signed with it",
            );
        }
        None
    } else {
        way_in(&section, "auth_token", Calls::Texts, around)
    };
    let made = (|| {
        let service = service.map(|(sid, _)| sid).unwrap_or_default();
        let mut config =
            TwilioConfig::new(id("texts", around)?, account?.0, key?.0, secret?, service);
        if let Some(number) = test {
            config = config.with_test_sender(number);
        }
        if let Some(base) = base {
            config = config.with_base_url(base);
        }
        if let Some(timeout) = timeout {
            config = config.with_timeout(timeout);
        }
        let calls = heard.is_some() || tokens.is_empty();
        let signed = !tokens.is_empty();
        for token in tokens {
            config = config.with_auth_token(token);
        }
        if let Some(url) = heard.filter(|_| reports.is_none_or(|(on, _)| on)) {
            config = config.with_status_callback(Url::parse(url.expose()).ok()?);
        }
        config = config
            .with_content_retention(content.unwrap_or_default())
            .with_address_retention(address.unwrap_or_default());
        let gateway = built(&section, config.build())?;
        calls.then(|| Carrier {
            gateway: Arc::new(gateway),
            at: section.span().clone(),
            calls: signed,
            agreed: true,
        })
    })();
    section.finish();
    made
}

fn mail(section: Section<'_, '_>, around: &Around<'_>) -> Option<Carrier> {
    let kind = section.required(
        "kind",
        "write kind = \"sendgrid\", \"postmark\" or \"smtp\"",
    );
    let from = section.required("from", "the address that mails come from");
    let from = from.and_then(|(text, at)| {
        Email::parse(&text)
            .map_err(|_| section.wrong(&at, "from", "is no address for mail"))
            .ok()
    });
    let baa = section.word("baa", &[("confirmed", Baa::Confirmed), ("no", Baa::No)]);
    let baa = baa.unwrap_or(Baa::No);
    let (kind, at) = kind?;
    let made = match kind.as_str() {
        "sendgrid" => sendgrid(&section, from, baa, around),
        "postmark" => postmark(&section, from, baa, around),
        "smtp" => smtp(&section, from, baa, around),
        _ => {
            section.wrong(
                &at,
                "kind",
                "is not known: mail goes through \"sendgrid\", \"postmark\" or \"smtp\"",
            );
            return None;
        }
    };
    let at = section.span().clone();
    section.finish();
    let (gateway, calls) = made?;
    Some(Carrier {
        gateway,
        at,
        calls,
        agreed: baa == Baa::Confirmed,
    })
}

/// A gateway, and whether it takes calls of its provider.
type Made = Option<(Arc<dyn MessageGateway>, bool)>;

fn sendgrid(section: &Section<'_, '_>, from: Option<Email>, baa: Baa, around: &Around<'_>) -> Made {
    let key = section.secret("api_key", true);
    let base = base(section);
    let timeout = timeout(section);
    let group = |key| section.number(key, 1..=u32::MAX);
    let groups = [
        (Purpose::Recall, group("recall_group")),
        (Purpose::Reactivation, group("reactivation_group")),
        (Purpose::Review, group("review_group")),
    ];
    let stops = group("stops_group");
    // No secrets, but long enough to stand in a file of their own.
    let keys: Vec<_> = ["event_key", "old_event_key"]
        .into_iter()
        .filter_map(|key| section.secret(key, false))
        .collect();
    let calls = !keys.is_empty();
    if calls {
        way_in(section, "event_key", Calls::Mail, around)?;
    }
    let mut config = SendGridConfig::new(id("mail", around)?, key?, from?).with_baa(baa);
    if let Some(base) = base {
        config = config.with_base_url(base);
    }
    if let Some(timeout) = timeout {
        config = config.with_timeout(timeout);
    }
    for (purpose, group) in groups {
        if let Some(group) = group {
            config = config.with_group(purpose, group);
        }
    }
    if let Some(group) = stops {
        config = config.with_stops_in_group(group);
    }
    for key in keys {
        config = config.with_event_key(key.expose());
    }
    let gateway = built(section, config.build())?;
    Some((Arc::new(gateway), calls))
}

fn postmark(section: &Section<'_, '_>, from: Option<Email>, baa: Baa, around: &Around<'_>) -> Made {
    let token = section.secret("server_token", true);
    let base = base(section);
    let timeout = timeout(section);
    let transactional = section.text("transactional_stream");
    let broadcast = section.text("broadcast_stream");
    let pairs = [
        ("callback_user", "callback_password"),
        ("old_callback_user", "old_callback_password"),
    ];
    let mut callers = Vec::new();
    for (user, password) in pairs {
        match (section.secret(user, false), section.secret(password, false)) {
            (Some(user), Some(password)) => callers.push((user, password)),
            (Some(_), None) => section.missing(password, "it goes with the user"),
            (None, Some(_)) => section.missing(user, "it goes with the password"),
            (None, None) => {}
        }
    }
    let calls = !callers.is_empty();
    let url = if calls {
        Some(way_in(section, "callback_user", Calls::Mail, around)?)
    } else {
        None
    };
    let mut config = PostmarkConfig::new(id("mail", around)?, token?, from?).with_baa(baa);
    if let Some(base) = base {
        config = config.with_base_url(base);
    }
    if let Some(timeout) = timeout {
        config = config.with_timeout(timeout);
    }
    if let Some((stream, _)) = transactional {
        config = config.with_transactional_stream(stream);
    }
    if let Some((stream, _)) = broadcast {
        config = config.with_broadcast_stream(stream);
    }
    if let Some(url) = url {
        for (user, password) in callers {
            config = config.with_callback(url.clone(), user, password);
        }
    }
    let gateway = built(section, config.build())?;
    Some((Arc::new(gateway), calls))
}

fn smtp(section: &Section<'_, '_>, from: Option<Email>, baa: Baa, around: &Around<'_>) -> Made {
    let host = section.required("host", "the mail server, without a port");
    let port = section.number("port", 1..=65_535);
    let security = section.word(
        "security",
        &[
            ("start_tls", SmtpSecurity::StartTls),
            ("implicit", SmtpSecurity::Implicit),
            ("loopback_plain", SmtpSecurity::LoopbackPlain),
        ],
    );
    let user = section.text("user");
    let password = section.secret("password", false);
    let timeout = timeout(section);
    let login = match (user, password) {
        (Some((user, _)), Some(password)) => Some((user, password)),
        (Some(_), None) => {
            section.missing("password", "it goes with the user");
            None
        }
        (None, Some(_)) => {
            section.missing("user", "it goes with the password");
            None
        }
        (None, None) => None,
    };
    let mut config = SmtpConfig::new(id("mail", around)?, host?.0, from?).with_baa(baa);
    if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
        config = config.with_port(port);
    }
    if let Some(security) = security {
        config = config.with_security(security);
    }
    if let Some((user, password)) = login {
        config = config.with_login(user, password);
    }
    if let Some(timeout) = timeout {
        config = config.with_timeout(timeout);
    }
    let gateway = built(section, config.build())?;
    Some((Arc::new(gateway), false))
}
