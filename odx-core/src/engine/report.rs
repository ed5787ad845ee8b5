//! What a run came to.

use std::collections::BTreeMap;
use std::fmt::Debug;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::crm::Entity;
use crate::health::Health;
use crate::id::{ExternalId, SinkId};
use crate::model::Channel;
use crate::ops::Imported;
use crate::outreach::gate::Rule;
use crate::policy::Skip;
use crate::store::outreach::DecisionRow;
use crate::store::{Counts, PageOutcome, Parked};

/// Live or only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Makes it so.
    Live,
    /// Reads the practice, works out what would be sent, sends nothing.
    DryRun,
}

/// What a run came to: counts, no patient data.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RunReport {
    /// Which office.
    pub office: String,
    /// Live or dry.
    pub mode: Mode,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub finished: DateTime<Utc>,
    /// Rows read, each time they were read.
    pub read: u64,
    /// Records that were new or different.
    pub changed: u64,
    /// Rows that could not be read.
    pub unreadable: u64,
    /// Records proven gone.
    pub gone: u64,
    /// Records that seem gone, but are more than the brake lets go: a person
    /// should look before they are let go.
    pub held: u64,
    /// Households looked at.
    pub households: u64,
    /// Records the policy wanted for them.
    pub desired: u64,
    /// Ops the sinks acknowledged. In a dry run: ops that would be sent.
    pub sent: u64,
    /// Ops that had nothing to change.
    pub unchanged: u64,
    /// Ops set aside and waiting, when the run ended.
    pub waiting: u64,
    /// Ops refused until their content changes, when the run ended.
    pub refused: u64,
    /// Ops whose record hangs from one of those, when the run ended.
    pub blocked: u64,
    /// What was not wanted, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// Requests made to the source.
    pub source_requests: u64,
    /// Requests made to the sinks.
    pub sink_requests: u64,
    /// Stops that were new.
    pub suppressions: u64,
    /// Messages and enrolments that went out. In a dry run: that would.
    pub told: u64,
    /// What was wanted and did not go out, by the rule that stood against it.
    pub untold: BTreeMap<Rule, u64>,
    /// Why nobody is told anything at this office for now.
    pub paused: Option<String>,
    /// Nothing is left to do.
    pub complete: bool,
    /// How the source stood when it had been read. A run that was stopped and a
    /// round of deliveries say nothing of it.
    pub health: Option<Health>,
    /// What a person should know: one sentence each.
    pub problems: Vec<String>,
    /// Sizes, when the run ended.
    pub counts: Counts,
    /// What is set aside, the first few.
    pub parked: Vec<Parked>,
}

impl RunReport {
    pub(super) fn new(office: &str, mode: Mode, now: DateTime<Utc>) -> Self {
        Self {
            office: office.to_owned(),
            mode,
            started: now,
            finished: now,
            read: 0,
            changed: 0,
            unreadable: 0,
            gone: 0,
            held: 0,
            households: 0,
            desired: 0,
            sent: 0,
            unchanged: 0,
            waiting: 0,
            refused: 0,
            blocked: 0,
            skipped: BTreeMap::new(),
            source_requests: 0,
            sink_requests: 0,
            suppressions: 0,
            told: 0,
            untold: BTreeMap::new(),
            paused: None,
            complete: false,
            health: None,
            problems: Vec::new(),
            counts: Counts::default(),
            parked: Vec::new(),
        }
    }

    pub(super) fn add_page(&mut self, rows: u64, page: &PageOutcome) {
        self.read += rows;
        self.changed += page.changed;
        self.unreadable += page.unreadable;
        self.gone += page.gone;
        self.held += page.held;
    }

    /// Something happened that somebody may want to see.
    pub fn is_quiet(&self) -> bool {
        let moved = self.changed + self.gone + self.sent + self.told;
        moved == 0 && self.problems.is_empty()
    }
}

/// What a dry run would do to one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The sink does not have it yet.
    Create,
    /// The sink has an older state.
    Update,
    /// It comes to rest: a task that is completed or cancelled, a contact that
    /// is not followed up any more.
    Close,
}

/// News of a run, as it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A page was stored.
    Read {
        /// Rows so far in this pass.
        rows: u64,
    },
    /// Households were looked at.
    Looked {
        /// Households so far in this run.
        households: u64,
    },
    /// A sink acknowledged ops.
    Sent {
        /// Ops so far in this run.
        ops: u64,
    },
    /// A dry run would send this.
    Planned {
        /// Which record.
        id: &'a ExternalId,
        /// What kind.
        entity: Entity,
        /// What for.
        action: Action,
    },
    /// It was decided whether somebody may be told something.
    Decided(&'a DecisionRow),
    /// Somebody was told something.
    Told {
        /// Which occurrence.
        episode: &'a str,
        /// By which channel.
        channel: Channel,
    },
    /// An op was refused for good: it waits for its content to change, all
    /// others go on.
    Refused {
        /// Which record.
        id: &'a ExternalId,
        /// Why, for a person.
        reason: &'a str,
    },
    /// Something failed; when it will be tried again, if by itself.
    Problem {
        /// What, and the remedy.
        what: &'a str,
        /// When it is tried again.
        again: Option<DateTime<Utc>>,
    },
    /// The first import has come to its end at a sink: everybody who was known
    /// has been brought there, or is set aside with a reason. Told once, for ever.
    Imported {
        /// At which sink.
        sink: &'a SinkId,
        /// What it came to.
        imported: &'a Imported,
    },
    /// A pass, or a round of deliveries, ended.
    Report(&'a RunReport),
}

/// Sees a run as it happens. Must return at once.
pub trait Observer: Debug + Send + Sync + 'static {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// Sees nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn event(&self, _event: &Event<'_>) {}
}
