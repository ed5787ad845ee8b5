//! `[office.sink]`: the CRM.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::Duration;

use odx_core::engine::Schedule;
use odx_core::sink::CrmSink as _;
use odx_core::{IdScheme, OfficeId, Secret, SinkId};
use odx_crm::{Auth, IdIn, RestConfig, RestSink};

use super::{Seen, patience, urls};
use crate::section::Section;

/// A CRM, and the token with which it tells opt-outs by itself, if it does.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) sink: RestSink,
    pub(super) webhook: Option<(Secret, Range<usize>)>,
}

/// Shorter ones can be tried.
const SHORTEST_TOKEN: usize = 24;

/// Reads the section.
pub(super) fn read(
    section: Section<'_, '_>,
    id: Option<&OfficeId>,
    schedule: &Schedule,
    seen: &mut Seen,
) -> Option<Sink> {
    if let Some((kind, at)) = section.required("kind", "write kind = \"rest\"")
        && kind != "rest"
    {
        section.wrong(&at, "kind", "is not known: this version writes to \"rest\"");
    }
    let base_url = section
        .required(
            "base_url",
            "the address of the crm, such as \"https://crm.example.com/v1\"",
        )
        .map(|(text, at)| urls(&section, "base_url", vec![(text, at)]));
    let token = section.secret("token", true);
    let scheme = match section.text("external_ids") {
        None => IdScheme::Scoped,
        Some((text, _)) if text == "scoped" => IdScheme::Scoped,
        Some((text, _)) if text == "bare" => IdScheme::Bare,
        Some((_, at)) => {
            section.wrong(&at, "external_ids", "must be \"scoped\" or \"bare\"");
            IdScheme::Scoped
        }
    };
    let size = |key, bounds| {
        section
            .number(key, bounds)
            .and_then(|n| NonZeroUsize::new(usize::try_from(n).ok()?))
    };
    let batch = size("batch", 1..=1000);
    let concurrency = size("concurrency", 1..=64);
    let timeout = section.duration("timeout", Duration::from_millis(100));
    let id_in = match section.text("id_in") {
        None => IdIn::Path,
        Some((text, _)) if text == "path" => IdIn::Path,
        Some((text, _)) if text == "body" => IdIn::Body,
        Some((_, at)) => {
            section.wrong(&at, "id_in", "must be \"path\" or \"body\"");
            IdIn::Path
        }
    };
    let enrollments = section.flag("enrollments").is_some_and(|(has, _)| has);
    let webhook = section.secret("webhook_token", false).filter(|token| {
        let fine = token.expose().len() >= SHORTEST_TOKEN;
        if !fine {
            section.wrong(
                section.span(),
                "webhook_token",
                "can be guessed: it must have 24 characters or more; `openssl rand -hex 16` makes one",
            );
        }
        fine
    });
    let span = section.span().clone();
    let built = (|| {
        let base_url = base_url?.into_iter().next()?;
        let office = id.map_or("unnamed", OfficeId::as_str);
        let mut config = RestConfig::new(SinkId::new("rest", office).ok()?, base_url)
            .with_auth(Auth::Bearer(token?))
            .with_scheme(scheme)
            .with_id_in(id_in)
            .with_enrollments(enrollments);
        if let Some(batch) = batch {
            config = config.with_batch(batch);
        }
        if let Some(concurrency) = concurrency {
            config = config.with_concurrency(concurrency);
        }
        config = config
            .with_timeout(timeout.unwrap_or_else(|| patience(schedule, Duration::from_secs(30))));
        let sink = config
            .build()
            .map_err(|why| section.wrong(&span, "", &why.to_string()))
            .ok()?;
        let account = sink.account().name;
        match seen.accounts.get(&account) {
            Some((known, other)) if *known == IdScheme::Bare || scheme == IdScheme::Bare => {
                let what = format!(
                    "must be \"scoped\": office {other} writes to the same crm account, and bare ids would mix their patients"
                );
                section.wrong(&span, "external_ids", &what);
            }
            _ => {
                seen.accounts.insert(account, (scheme, office.to_owned()));
            }
        }
        let webhook = webhook.map(|token| (token, span.clone()));
        Some(Sink { sink, webhook })
    })();
    section.finish();
    built
}
