//! `[office.source]`: the practice.

mod dentrix;

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use odx_core::engine::Schedule;
use odx_core::source::PracticeSource;
use odx_core::{OfficeId, SourceId};
use odx_opendental::{Credentials, OpenDental, SYSTEM, is_inside};

use super::{Events, Kind, Seen, patience, urls};
use crate::door;
use crate::section::Section;

/// A practice, and what only some kinds of them have.
pub(super) struct Source {
    pub(super) source: Arc<dyn PracticeSource>,
    pub(super) events: Option<Events>,
    pub(super) dentrix: Option<odx_dentrix::Builder>,
}

/// Reads the section, once it is known what kind of practice it is.
pub(super) fn read(
    section: Section<'_, '_>,
    kind: Kind,
    around: &Around<'_>,
    seen: &mut Seen,
) -> Option<Source> {
    match kind {
        Kind::OpenDental => open_dental(section, around, seen),
        Kind::Dentrix => dentrix::read(section, around, seen),
    }
}

/// What the rest of the file says that matters here.
pub(super) struct Around<'a> {
    pub(super) id: Option<&'a OfficeId>,
    /// The practice's name.
    pub(super) name: Option<&'a str>,
    pub(super) zone: Option<Tz>,
    pub(super) schedule: &'a Schedule,
    /// What the practice itself has sent is read as well, unless the file says
    /// otherwise.
    pub(super) messages: bool,
}

/// What kind of practice the section is about. Where it does not say, that is a
/// mistake, and the rest is read as one that was there first.
pub(super) fn kind(section: &Section<'_, '_>) -> Kind {
    let known = [("opendental", Kind::OpenDental), ("dentrix", Kind::Dentrix)];
    let remedy = "write kind = \"opendental\" or \"dentrix\"";
    let Some((kind, at)) = section.required("kind", remedy) else {
        return Kind::OpenDental;
    };
    let found = known.into_iter().find(|(word, _)| *word == kind);
    found.map_or_else(
        || {
            let what = "is not known: this version reads \"opendental\" and \"dentrix\"";
            section.wrong(&at, "kind", what);
            Kind::OpenDental
        },
        |(_, kind)| kind,
    )
}

fn open_dental(section: Section<'_, '_>, around: &Around<'_>, seen: &mut Seen) -> Option<Source> {
    let urls = section.texts("base_urls").map(|texts| {
        if texts.is_empty() {
            section.wrong(
                section.span(),
                "base_urls",
                "is empty: leave it out for the vendor's own, or name one",
            );
        }
        urls(&section, "base_urls", texts)
    });
    let developer_key = section.secret("developer_key", true);
    let customer_key = section.secret("customer_key", true);
    let interval = section.duration("interval", Duration::ZERO);
    let timeout = section.duration("timeout", Duration::from_millis(100));
    let events = section.flag("events").filter(|(sends, _)| *sends);
    let workstation = section.text("workstation").map(|(name, _)| name);
    let reminders = section.flag("reminders").map(|(read, _)| read);
    let span = section.span().clone();
    let built = (|| {
        let credentials = Credentials {
            developer_key: developer_key?,
            customer_key: customer_key?,
        };
        let customer = credentials.customer_key.clone();
        let office = around.id.map_or("unnamed", OfficeId::as_str);
        let mut builder = OpenDental::builder(SourceId::new(SYSTEM, office).ok()?, credentials);
        if let Some(urls) = urls.clone() {
            if urls.is_empty() {
                return None;
            }
            builder = builder.with_base_urls(urls);
        }
        builder = builder.with_reminders(reminders.unwrap_or(around.messages));
        if let Some(interval) = interval {
            builder = builder.with_interval(interval);
        }
        let urls = urls.unwrap_or_default();
        // The vendor's relay answers within 60 s, a server in the office much sooner.
        let inside = !urls.is_empty() && urls.iter().all(is_inside);
        let most = Duration::from_secs(if inside { 15 } else { 75 });
        builder = builder.with_timeout(timeout.unwrap_or_else(|| patience(around.schedule, most)));
        if let Some((_, _, other)) = seen
            .keys
            .iter()
            .find(|(known, key, _)| *known == urls && key.expose() == customer.expose())
        {
            section.wrong(
                &span,
                "customer_key",
                &format!("is also that of office {other}: one database would be told twice"),
            );
        }
        let sends = events.is_some().then(|| customer.clone());
        if let (Some((_, at)), Some(key)) = (events, &sends) {
            if let Some(other) = door::same_key(&seen.sending, key) {
                let what = format!(
                    "cannot be true here and at office {other}: their customer key is the same, and an event would \
                     not say whose it is"
                );
                section.wrong(&at, "events", &what);
            }
            seen.sending.push((at, key.clone(), office.to_owned()));
        }
        seen.keys.push((urls, customer, office.to_owned()));
        let source = builder
            .build()
            .map_err(|why| section.wrong(&span, "", &why.to_string()))
            .ok()?;
        let source = Arc::new(source);
        Some(Source {
            source: source.clone(),
            events: sends.map(|key| Events {
                source,
                key,
                workstation,
            }),
            dentrix: None,
        })
    })();
    section.finish();
    built
}
