//! One page a day, for a person: counts and ids of offices, no patient data.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::desk::Desk;
use super::freshness::Freshness;
use super::status::OfficeStatus;
use crate::error::Result;
use crate::store::EffectState;
use crate::store::outreach::{Audit, Messages};

/// A day of one office.
#[derive(Debug, Clone, Serialize)]
pub struct OfficeDay {
    /// How it stands now.
    #[serde(flatten)]
    pub status: OfficeStatus,
    /// Messages that went out on that day, by purpose and channel.
    pub sent: BTreeMap<String, u64>,
    /// Decisions against telling somebody, since that day began, by rule.
    pub untold: BTreeMap<String, u64>,
    /// What failed, by who can mend it.
    pub failures: BTreeMap<&'static str, u64>,
    /// Statuses about which nobody has decided.
    pub unmapped: Vec<String>,
}

/// A day of every office.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Which day, by each office's own calendar.
    pub day: NaiveDate,
    /// When this was written.
    pub written: DateTime<Utc>,
    /// The offices, by their names.
    pub offices: Vec<OfficeDay>,
    /// The chain of disclosures of the whole state. Whoever keeps its head
    /// elsewhere can prove that nothing before it was changed.
    pub audit: Audit,
}

impl Desk {
    /// What happened at the office on a day of its own calendar, and how it
    /// stands now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn day(&self, day: NaiveDate) -> Result<OfficeDay> {
        let begin = self.office.midnight(day);
        let end = self.office.midnight(day.succ_opt().unwrap_or(day));
        let which = Messages {
            since: begin,
            open_only: false,
            limit: usize::MAX,
        };
        let mut sent = BTreeMap::new();
        for row in self.known().messages(&self.outlet()?, &which).await? {
            if row.told.at < end && matches!(row.told.state, EffectState::Done(_)) {
                let channel = row.told.channel.name();
                let name = format!("{} by {channel}", row.told.purpose.name());
                *sent.entry(name).or_default() += 1;
            }
        }
        let untold = self.known().untold(&self.source, begin).await?;
        let mut failures = BTreeMap::new();
        for failure in self.failures(usize::MAX).await? {
            *failures.entry(failure.fault.fix.name()).or_default() += 1;
        }
        Ok(OfficeDay {
            status: self.status().await?,
            sent,
            untold: untold
                .into_iter()
                .map(|(rule, count)| (rule.name().to_owned(), count))
                .collect(),
            failures,
            unmapped: self.unmapped().await?,
        })
    }
}

fn list(counts: impl IntoIterator<Item = (impl std::fmt::Display, u64)>) -> String {
    let all: Vec<_> = counts
        .into_iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

impl Summary {
    /// For the offices of one state. Yesterday, where `day` is yesterday.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn of(desks: &[Desk], day: NaiveDate, now: DateTime<Utc>) -> Result<Self> {
        let mut offices = Vec::new();
        let mut audit = Audit::default();
        for (n, desk) in desks.iter().enumerate() {
            offices.push(desk.day(day).await?);
            // One chain for the whole state.
            if n == 0 {
                audit = desk.verify_audit().await?;
            }
        }
        offices.sort_by(|a, b| a.status.office.cmp(&b.status.office));
        Ok(Self {
            day,
            written: now,
            offices,
            audit,
        })
    }

    /// Its title.
    pub fn title(&self) -> String {
        let troubled = self.offices.iter().filter(|office| {
            let status = &office.status;
            let fresh = matches!(status.freshness, Freshness::Failing | Freshness::Stalled);
            (fresh && !status.expected) || status.paused.is_some() || !office.failures.is_empty()
        });
        match troubled.count() {
            0 => format!("odx {}: all is well", self.day),
            1 => format!("odx {}: 1 office wants a look", self.day),
            n => format!("odx {}: {n} offices want a look", self.day),
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\n", self.title())?;
        for office in &self.offices {
            let status = &office.status;
            let mut text = String::new();
            let expected = if status.expected {
                ", as it was closed"
            } else {
                ""
            };
            writeln!(
                text,
                "{}: {}{expected}",
                status.office,
                status.freshness.name()
            )?;
            if let Some(why) = &status.why {
                writeln!(text, "  {why}")?;
            }
            for (sink, crm) in &status.crm {
                let counts = crm.counts;
                writeln!(
                    text,
                    "  {sink}: import {}; {} records there, {} waiting, {} refused, {} behind them",
                    crm.import.sentence(),
                    counts.acknowledged,
                    counts.waiting,
                    counts.refused,
                    counts.blocked
                )?;
            }
            if let Some(pause) = &status.paused {
                let how = if pause.held.is_some() {
                    "held"
                } else {
                    "paused"
                };
                writeln!(
                    text,
                    "  {how} since {}: {}",
                    pause.since.format("%Y-%m-%d %H:%M UTC"),
                    pause.reason
                )?;
            }
            if status.messages {
                writeln!(
                    text,
                    "  sent on {}: {}",
                    self.day,
                    list(office.sent.clone())
                )?;
                writeln!(text, "  not told: {}", list(office.untold.clone()))?;
            }
            writeln!(
                text,
                "  failures, by who can mend them: {}",
                list(office.failures.clone())
            )?;
            if !office.unmapped.is_empty() {
                writeln!(
                    text,
                    "  statuses without a tag: {}",
                    office.unmapped.join(", ")
                )?;
            }
            writeln!(f, "{text}")?;
        }
        let head = self.audit.head.as_deref().unwrap_or("none yet");
        match self.audit.broken_at {
            None => writeln!(f, "disclosures: {} rows, head {head}", self.audit.rows),
            Some(row) => writeln!(
                f,
                "disclosures: the chain is broken at row {row}: the state file was changed by somebody else"
            ),
        }
    }
}
