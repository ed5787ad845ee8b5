//! How an office stands, on one page.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::desk::Desk;
use super::freshness::{Freshness, Seen, Sync, Trouble};
use super::import::{self, Import, Imported};
use crate::error::Result;
use crate::health::{Activity, Alarm, Expected};
use crate::store::Counts;
use crate::store::outreach::Pause;

/// How an office stands. No patient data.
#[derive(Debug, Clone, Serialize)]
pub struct OfficeStatus {
    /// Which office.
    pub office: String,
    /// How fresh it is.
    pub freshness: Freshness,
    /// It is quiet because it was closed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expected: bool,
    /// The same in words, where somebody should look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When the practice last had something new.
    pub last_change: Option<DateTime<Utc>>,
    /// When it was last read to its end.
    pub last_success: Option<DateTime<Utc>>,
    /// When it is read next, if somebody follows it. None: it should have been.
    pub next_look: Option<DateTime<Utc>>,
    /// That reading fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// Why nobody is told anything for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Whether people are reached at all.
    pub messages: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_since: Option<DateTime<Utc>>,
    /// How each CRM stands.
    pub crm: BTreeMap<String, SinkStatus>,
    /// When a round last came to anything.
    pub last_run: Option<DateTime<Utc>>,
}

/// How a CRM stands with an office.
#[derive(Debug, Clone, Serialize)]
pub struct SinkStatus {
    /// The first import.
    pub import: Import,
    /// Sizes.
    pub counts: Counts,
    /// When what waits may be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<DateTime<Utc>>,
}

impl Desk {
    /// How the office stands.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn status(&self) -> Result<OfficeStatus> {
        let now = self.now();
        let known = self.known();
        let seen = self.store.last_seen(&self.source).await?;
        let mut crm = BTreeMap::new();
        let mut ended: Option<DateTime<Utc>> = None;
        let mut initial = Sync::Done;
        for (sink, _) in &self.sinks {
            let done = known.kept(&self.source, &import::done_at(sink)).await?;
            let done = done.and_then(|text| serde_json::from_str::<Imported>(&text).ok());
            let progress = known.progress(sink).await?;
            let (page, read) = (seen.page.is_some(), seen.success.is_some());
            let import = Import::of(page, read, progress, done.as_ref());
            match import {
                Import::Scheduled => initial = Sync::Scheduled,
                Import::Importing { .. } if initial == Sync::Done => initial = Sync::Running,
                Import::Importing { .. } => {}
                Import::Done { at } => ended = ended.max(at),
            }
            let status = SinkStatus {
                import,
                counts: self.store.counts(&self.source, sink).await?,
                // A replay sets the time of what is tried again to long ago.
                next_try: self.store.next_wake(sink).await?.map(|at| at.max(now)),
            };
            crm.insert(sink.to_string(), status);
        }
        let trouble = known.kept(&self.source, Trouble::KEPT).await?;
        let trouble = trouble.and_then(|text| serde_json::from_str::<Trouble>(&text).ok());
        let trouble = trouble.filter(|trouble| trouble.failures > 0);
        let freshness = Seen {
            initial,
            initial_done_at: ended.or(seen.success),
            last_change: seen.change,
            failures: trouble.as_ref().map_or(0, |trouble| trouble.failures),
        }
        .freshness(now);
        let since = seen.change.or(ended).or(seen.success);
        let quiet = matches!(freshness, Freshness::Inactive | Freshness::Stalled);
        let expected =
            quiet && since.is_some_and(|since| self.closed.explains(since, now, &self.office));
        // Silence counts from when somebody last read: whether anybody follows is not known here.
        let expects = Expected {
            since: seen.success.or(seen.page).unwrap_or(now),
            poll: self.schedule.poll,
            sweep: self.schedule.sweep,
        };
        let health = expects.health(now, &seen);
        let why = match (freshness, &trouble) {
            (Freshness::Failing, Some(trouble)) => trouble.what.clone(),
            _ if expected => None,
            _ if health.silent => Some(format!(
                "{}; or see that odx is running",
                health.sentence(Alarm::Silent)
            )),
            _ if health.activity != Activity::Active => health.quiet(),
            _ => None,
        };
        let poll = TimeDelta::from_std(self.schedule.poll).unwrap_or(TimeDelta::MAX);
        let next_look = seen.success.and_then(|at| at.checked_add_signed(poll));
        let state = known.outreach_state(&self.source).await?;
        let runs = known.runs(&self.source, 1).await?;
        Ok(OfficeStatus {
            office: self.office().to_string(),
            freshness,
            expected,
            why,
            last_change: seen.change,
            last_success: seen.success,
            next_look: next_look.filter(|at| *at > now),
            trouble,
            paused: state.pause,
            messages: self.reaches,
            live_since: state.live_since,
            crm,
            last_run: runs.first().map(|(at, _)| *at),
        })
    }
}
