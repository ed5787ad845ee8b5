//! `[summary]`, `[health]`, `[office.closed]`, `[office.links]`: who is told how
//! it goes, and what operators see.

use std::ops::Range;
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime, Weekday};
use odx_core::model::Email;
use odx_core::ops::{Closed, LinkTemplates};
use odx_core::{Secret, SinkId};
use odx_crm::gateway::{SmtpConfig, SmtpGateway, SmtpSecurity};
use url::{Host, Url};

use crate::section::Section;

/// When the summary is written, by the first office's clock.
const SEVEN: NaiveTime = match NaiveTime::from_hms_opt(7, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// Who is told how it goes.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    pub(crate) summary: Option<SummaryTo>,
    pub(crate) ping: Option<Ping>,
}

impl Operations {
    /// Whether anybody is told anything.
    pub(crate) const fn tells(&self) -> bool {
        self.summary.is_some() || self.ping.is_some()
    }
}

/// When and where the daily summary goes.
#[derive(Debug)]
pub(crate) struct SummaryTo {
    pub(crate) at: NaiveTime,
    pub(crate) webhook: Option<Secret>,
    pub(crate) mail: Option<(SmtpGateway, Vec<Email>)>,
}

/// An address that is asked after a good pass.
#[derive(Debug)]
pub(crate) struct Ping {
    pub(crate) url: Secret,
    pub(crate) every: Duration,
}

/// What operators see of one office.
#[derive(Debug, Default)]
pub(crate) struct OfficeOperations {
    pub(crate) closed: Closed,
    /// A link to a contact in the CRM.
    pub(crate) crm_link: Option<String>,
}

/// `https`, or plain http on this machine. Values may hold a key: none is quoted.
fn address(section: &Section<'_, '_>, key: &'static str) -> Option<Secret> {
    let secret = section.secret(key, false)?;
    let fine = Url::parse(secret.expose()).is_ok_and(|url| {
        let home = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        url.scheme() == "https" || (url.scheme() == "http" && home)
    });
    if fine {
        return Some(secret);
    }
    let what = "is no address that can be used: write one that begins with https://";
    section.wrong(section.span(), key, what);
    None
}

/// Reads `[summary]` and `[health]` of the whole file.
pub(crate) fn read(root: &Section<'_, '_>) -> Operations {
    Operations {
        summary: root.section("summary").and_then(summary),
        ping: root.section("health").and_then(|section| {
            let url = address(&section, "ping");
            if url.is_none() && section.text("ping").is_none() {
                section.missing("ping", "write the address that is asked after a good pass");
            }
            let every = section.duration("every", Duration::from_millis(200));
            section.finish();
            Some(Ping {
                url: url?,
                every: every.unwrap_or(Duration::from_secs(300)),
            })
        }),
    }
}

fn summary(section: Section<'_, '_>) -> Option<SummaryTo> {
    let at = section.text("at").map_or(Some(SEVEN), |(text, at)| {
        let time = NaiveTime::parse_from_str(&text, "%H:%M").ok();
        if time.is_none() {
            section.wrong(&at, "at", "is no time of day: write one such as \"07:00\"");
        }
        time
    });
    let webhook = address(&section, "webhook");
    let to = section.texts("mail_to").unwrap_or_default();
    let to: Vec<_> = to
        .into_iter()
        .filter_map(|(text, at)| {
            let email = Email::parse(&text).ok();
            if email.is_none() {
                section.wrong(&at, "mail_to", "holds something that is no mail address");
            }
            email
        })
        .collect();
    let gateway = section.section("smtp").and_then(smtp);
    let mail = match (gateway, to.is_empty()) {
        (Some(gateway), false) => Some((gateway, to)),
        (None, true) => None,
        (Some(_), true) => {
            section.missing(
                "mail_to",
                "say who gets the summary, or remove [summary.smtp]",
            );
            None
        }
        (None, false) => {
            if section.section("smtp").is_none() {
                section.missing(
                    "smtp",
                    "write [summary.smtp] with host and from, which carries the mail",
                );
            }
            None
        }
    };
    if webhook.is_none() && mail.is_none() && section.section("smtp").is_none() {
        section.missing(
            "webhook",
            "say where the summary goes: webhook, or mail_to with [summary.smtp]",
        );
    }
    let found = at.map(|at| SummaryTo { at, webhook, mail });
    section.finish();
    found
}

fn smtp(section: Section<'_, '_>) -> Option<SmtpGateway> {
    let host = section.required("host", "the mail server, such as \"mail.example.com\"");
    let from = section.required("from", "the address that the mail comes from");
    let from = from.and_then(|(text, at)| {
        let email = Email::parse(&text).ok();
        if email.is_none() {
            section.wrong(&at, "from", "is no mail address");
        }
        email
    });
    let port = section.number("port", 1..=65_535);
    let security = match section.text("security") {
        None => SmtpSecurity::default(),
        Some((text, at)) => match text.as_str() {
            "start_tls" => SmtpSecurity::StartTls,
            "implicit" => SmtpSecurity::Implicit,
            "loopback_plain" => SmtpSecurity::LoopbackPlain,
            _ => {
                let what = "must be \"start_tls\", \"implicit\" or \"loopback_plain\"";
                section.wrong(&at, "security", what);
                SmtpSecurity::default()
            }
        },
    };
    let user = section.text("user");
    let password = section.secret("password", user.is_some());
    let span = section.span().clone();
    let built = (|| {
        let id = SinkId::new("smtp", "summary").ok()?;
        let mut config = SmtpConfig::new(id, host?.0, from?).with_security(security);
        if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
            config = config.with_port(port);
        }
        if let (Some((user, _)), Some(password)) = (user, password) {
            config = config.with_login(user, password);
        }
        config
            .build()
            .map_err(|why| section.wrong(&span, "", &why.to_string()))
            .ok()
    })();
    section.finish();
    built
}

fn weekday(text: &str) -> Option<Weekday> {
    text.parse().ok()
}

/// Reads `[office.closed]` and `[office.links]`.
pub(crate) fn office(section: &Section<'_, '_>) -> OfficeOperations {
    OfficeOperations {
        closed: section.section("closed").map(closed).unwrap_or_default(),
        crm_link: section.section("links").and_then(|inner| {
            let link = inner.text("crm");
            let fine = link.and_then(|(link, at)| {
                LinkTemplates::new(None, Some(link.clone()))
                    .map_err(|why| inner.wrong(&at, "crm", &format!("cannot be used: {why}")))
                    .ok()
                    .map(|_| link)
            });
            inner.finish();
            fine
        }),
    }
}

fn closed(section: Section<'_, '_>) -> Closed {
    let list = |key: &'static str| -> Vec<(String, Range<usize>)> {
        section.texts(key).unwrap_or_default()
    };
    let weekdays: Vec<_> = list("weekdays")
        .into_iter()
        .filter_map(|(text, at)| {
            let day = weekday(&text);
            if day.is_none() {
                section.wrong(
                    &at,
                    "weekdays",
                    "holds no day of the week: write \"sat\" or \"sunday\"",
                );
            }
            day
        })
        .collect();
    let dates: Vec<_> = list("dates")
        .into_iter()
        .filter_map(|(text, at)| {
            let day = text.parse::<NaiveDate>().ok();
            if day.is_none() {
                section.wrong(&at, "dates", "holds no day: write it as \"2026-12-25\"");
            }
            day
        })
        .collect();
    section.finish();
    Closed::new(weekdays, dates)
}
