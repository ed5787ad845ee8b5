//! The seam towards practice systems.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::id::{PatientKey, SourceId};
use crate::model::{BadRecord, Record, RecordKey, RecordKind};
use crate::push::PushSource;

/// Where a feed stands: text that only its adapter reads.
///
/// By convention JSON with a version inside. It holds no patient data and no
/// secret: it is stored and may be logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// Wraps an adapter's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The adapter's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor({})", self.0)
    }
}

/// How much a pass should read. Only heeded where a pass begins: a pass that is
/// under way ends as it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// What may have changed since the last pass.
    #[default]
    Changes,
    /// Everything there is, so that what is not there can be noticed.
    Everything,
}

/// One request for a page.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PullRequest {
    /// Where the feed stands. None: at the beginning.
    pub cursor: Option<Cursor>,
    /// How much to read, if a pass begins here.
    pub extent: Extent,
}

impl PullRequest {
    /// Continues after `cursor`.
    pub const fn after(cursor: Option<Cursor>) -> Self {
        Self {
            cursor,
            extent: Extent::Changes,
        }
    }

    /// Sets how much to read.
    #[must_use]
    pub const fn with_extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every change is an upsert"
)]
pub enum Change {
    /// This is what the record looks like now.
    Upsert(Record),
    /// What the record looked like at `stamp`, by the practice's own clock, as a
    /// delivery told it. Applied only where no delivery told anything newer, and
    /// never to a record that is gone. A feed says [`Upsert`](Self::Upsert).
    Told {
        /// The record.
        record: Record,
        /// When the practice last changed it.
        stamp: NaiveDateTime,
    },
    /// A listing shows that the record is there, and says no more about it.
    Seen(RecordKey),
    /// Of this kind the patient has the records with these native ids and no
    /// others. Another that is known counts as missing from a listing; where the
    /// source says by itself that one of them was `removed`, as gone.
    Whole {
        /// Whose records.
        patient: PatientKey,
        /// Of which kind; not patients.
        kind: RecordKind,
        /// Their native ids.
        keys: Vec<String>,
        /// The source told that one of these was removed.
        removed: bool,
    },
    /// Proof that the record is gone.
    Gone(RecordKey),
    /// A row that could not be read. It hides nobody else.
    Unreadable(BadRecord),
}

impl Change {
    /// Which record it is about, if it is about one.
    pub fn key(&self) -> Option<RecordKey> {
        Some(match self {
            Self::Upsert(record) | Self::Told { record, .. } => record.key(),
            Self::Seen(key) | Self::Gone(key) => key.clone(),
            Self::Unreadable(bad) => RecordKey::new(bad.kind, bad.native.clone()),
            Self::Whole { .. } => return None,
        })
    }
}

/// "A complete listing of this kind ends here": what no page has shown since
/// the last such listing may be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Which kind was listed.
    pub kind: RecordKind,
}

/// Where the feed stands after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Call again now.
    More(Cursor),
    /// Call again at the next poll.
    CaughtUp(Cursor),
}

impl Position {
    /// The cursor.
    pub const fn cursor(&self) -> &Cursor {
        match self {
            Self::More(cursor) | Self::CaughtUp(cursor) => cursor,
        }
    }
}

/// The unit of reading, retrying and remembering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What it says, of any kind, in the order to apply it.
    pub changes: Vec<Change>,
    /// Which listings end with it. They hold after its changes are applied.
    pub swept: Vec<Swept>,
    /// Where the feed stands after it.
    pub position: Position,
}

/// What a source can do. Chooses which conformance checks apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// Says itself when a record is gone.
    pub reports_deletions: bool,
    /// Lists everything on demand, so that the engine can tell.
    pub sweeps: bool,
    /// Tells what changed without listing everything.
    pub incremental: bool,
}

impl Capabilities {
    /// Nothing beyond reading.
    pub const fn new() -> Self {
        Self {
            reports_deletions: false,
            sweeps: false,
            incremental: false,
        }
    }

    /// Says itself when a record is gone.
    #[must_use]
    pub const fn with_deletions(mut self) -> Self {
        self.reports_deletions = true;
        self
    }

    /// Lists everything on demand.
    #[must_use]
    pub const fn with_sweeps(mut self) -> Self {
        self.sweeps = true;
        self
    }

    /// Tells what changed without listing everything.
    #[must_use]
    pub const fn with_incremental(mut self) -> Self {
        self.incremental = true;
        self
    }
}

/// What a look at the other side found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Probe {
    /// One line per finding: what works, what is degraded and why, what would
    /// mend it. No patient data, no secrets.
    pub findings: Vec<String>,
}

impl Probe {
    /// These findings.
    pub const fn new(findings: Vec<String>) -> Self {
        Self { findings }
    }
}

/// How the next pass will read, decided before anything is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// One line per thing that is read, in the order in which it is.
    pub routes: Vec<Route>,
}

/// One line of a [`Plan`]. No patient data, no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Route {
    /// What is read, such as `recalls`.
    pub what: String,
    /// Which way, such as `one query per 100 rows`.
    pub by: String,
    /// How many requests that takes, where it can be told beforehand.
    pub requests: Option<u64>,
    /// Why this way, and what would open a better one.
    pub why: String,
}

impl Plan {
    /// These routes.
    pub const fn new(routes: Vec<Route>) -> Self {
        Self { routes }
    }
}

impl Route {
    /// A line.
    pub fn new(
        what: impl Into<String>,
        by: impl Into<String>,
        requests: Option<u64>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            by: by.into(),
            requests,
            why: why.into(),
        }
    }
}

/// A practice system that can be read.
///
/// The engine calls one method at a time per source. Every method is cancel
/// safe: only committing a position remembers it.
#[async_trait]
pub trait PracticeSource: Debug + Send + Sync + 'static {
    /// Which database this reads. Stable for ever: it is part of every external id.
    fn id(&self) -> &SourceId;

    /// What it can do. No I/O.
    fn capabilities(&self) -> Capabilities;

    /// Looks whether the practice can be reached and what the key permits.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    async fn probe(&self) -> Result<Probe>;

    /// Reads the next page of the practice's change feed.
    ///
    /// Starts after `req.cursor`, or at the beginning when there is none.
    /// Pulling the same cursor twice is always allowed and may return the same
    /// changes.
    ///
    /// # Shape
    /// Some changes of any kind, possibly none. [`Position::More`] means call
    /// again now, [`Position::CaughtUp`] means call again at the next poll.
    /// Dates are calendar dates at the practice: no time, no zone. What the
    /// source writes for "none" is `None`.
    ///
    /// # Order
    /// Any, but every change made before the returned position has been
    /// returned at least once. Repeats are expected; gaps are bugs. A patient
    /// should come before what hangs from them, but need not; an
    /// [`OptOut`](crate::model::OptOut) should come with its patient or before,
    /// because what is told in between may go too far.
    ///
    /// # Errors
    /// * [`CursorExpired`](crate::ErrorKind::CursorExpired): the position is
    ///   gone or not ours; the engine starts over without one.
    /// * [`RateLimited`](crate::ErrorKind::RateLimited): carries how long to
    ///   wait, when the source says.
    /// * [`Protocol`](crate::ErrorKind::Protocol): an answer that is not whole.
    ///   A failed read is never "no rows".
    /// * [`Credentials`](crate::ErrorKind::Credentials),
    ///   [`Permission`](crate::ErrorKind::Permission),
    ///   [`Config`](crate::ErrorKind::Config): a person must act.
    ///
    /// A record that cannot be read is [`Change::Unreadable`], not an error:
    /// one bad row must not hide the rows after it.
    async fn pull(&self, req: PullRequest) -> Result<Page>;

    /// Reads everything about one patient, now. An
    /// [`OptOut`](crate::model::OptOut) may be left out where it comes by another
    /// way: what is not shown stays as it is known.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    async fn refresh(&self, patient: &PatientKey) -> Result<Vec<Change>>;

    /// How a pass that begins at this request would read. A source that has only
    /// one way says nothing.
    ///
    /// # Errors
    /// As [`pull`](Self::pull): a plan may need to know what the practice permits.
    async fn plan(&self, _req: &PullRequest) -> Result<Plan> {
        Ok(Plan::default())
    }

    /// The other half of a source that also calls by itself.
    fn push(&self) -> Option<&dyn PushSource> {
        None
    }

    /// Requests made so far, for the report. Requests to a throttled system
    /// are counted like money.
    fn requests(&self) -> u64 {
        0
    }
}
