//! What odx remembers: the mirror, the ledger, what is due, what is parked.
//!
//! Commits are values, not transaction handles: each is all or nothing, works
//! through `dyn`, and cannot be made in the wrong order.

mod effect;
mod memory;
pub mod outreach;
mod pairing;
#[cfg(feature = "sqlite")]
mod sqlite;
mod view;

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use crate::error::Result;
use crate::failpoint::broken;
use crate::hash::{IdempotencyKey, LedgerHash};
use crate::id::{ExternalId, ExternalIds, HouseholdKey, OutletId, SinkId, SourceId};
use crate::model::{HouseholdView, RecordKind};
use crate::push::{Delivery, DeliveryId};
use crate::sink::{Account, Suppression};
use crate::source::{Cursor, Page};

use outreach::Disclosure;

pub use effect::{EffectClaim, EffectCommit, EffectRow, EffectState};
pub use memory::MemoryStore;
pub use outreach::OutreachStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// So long a delivery that comes again is known: a sender repeats what it could
/// not deliver for three days.
const DELIVERIES_KNOWN: TimeDelta = TimeDelta::days(4);

/// Deliveries that are loaded together, in bytes, unless one alone is larger.
const DELIVERIES_LOADED: usize = 8 << 20;

/// Reports kept per source.
const RUNS_KEPT: usize = 200;

/// Who is about to work on a source.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The source.
    pub source: SourceId,
    /// Every sink it feeds, with the account behind it.
    pub sinks: Vec<(SinkId, Account)>,
}

/// The right to commit for one source, until somebody opens it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(pub u64);

/// Where a source stands.
#[derive(Debug, Clone)]
pub struct SourceState {
    /// This run's epoch. A commit with an older one is refused.
    pub epoch: Epoch,
    /// Read to the end at least once.
    pub imported: bool,
    /// When the kind whose complete listing is the longest ago was last listed.
    /// None: nothing ever was.
    pub swept_at: Option<DateTime<Utc>>,
}

/// When a source was last heard of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastSeen {
    /// A page of it was stored.
    pub page: Option<DateTime<Utc>>,
    /// A pass came to its end.
    pub success: Option<DateTime<Utc>>,
    /// A page held something new, or showed that something is gone.
    pub change: Option<DateTime<Utc>>,
    /// A kind was listed whole.
    pub listed: BTreeMap<RecordKind, DateTime<Utc>>,
}

impl LastSeen {
    /// When the kind whose complete listing is the longest ago was last listed.
    /// Opt-outs do not count: a practice may stop showing them, and everything
    /// else need not be listed again and again for that. Nor do reminders: nobody
    /// owes a listing of them.
    pub fn swept_at(&self) -> Option<DateTime<Utc>> {
        let listed = self.listed.iter();
        listed
            .filter(|(kind, _)| !matches!(kind, RecordKind::OptOut | RecordKind::Reminder))
            .map(|(_, at)| *at)
            .min()
    }
}

/// How much of a listing may vanish at once before a person is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brake {
    /// This many may always vanish.
    pub floor: u64,
    /// And this share of what is there, 0 to 1.
    pub share: f64,
}

impl Default for Brake {
    fn default() -> Self {
        Self {
            floor: 20,
            share: 0.2,
        }
    }
}

impl Brake {
    /// Whether so many of so many may go.
    #[allow(
        clippy::cast_precision_loss,
        clippy::as_conversions,
        reason = "a share needs no more than 52 bits"
    )]
    pub(crate) fn allows(&self, going: u64, live: u64) -> bool {
        broken("broken.brake") || going <= self.floor || going as f64 <= self.share * live as f64
    }
}

/// A page, to be stored with the cursor it moves.
#[derive(Debug, Clone)]
pub struct PageCommit {
    /// The source.
    pub source: SourceId,
    /// The run.
    pub epoch: Epoch,
    /// Where the feed stood when the page was pulled.
    pub from: Option<Cursor>,
    /// The page.
    pub page: Page,
    /// The calendar day at the office.
    pub today: NaiveDate,
    /// Now.
    pub now: DateTime<Utc>,
    /// The safety brake.
    pub brake: Brake,
    /// Which deliveries it says. They leave the inbox with it. A page that was
    /// told and not read is no sign that the source can be read.
    pub delivered: Vec<DeliveryId>,
}

/// What a page came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageOutcome {
    /// Records that were new or different.
    pub changed: u64,
    /// Records that were known as they are.
    pub unchanged: u64,
    /// Rows that could not be read.
    pub unreadable: u64,
    /// Records proven gone.
    pub gone: u64,
    /// Records that seem gone but are more than the brake lets go.
    pub held: u64,
}

impl PageOutcome {
    /// The practice has done something since the page before.
    pub(crate) const fn is_news(&self) -> bool {
        self.changed > 0 || self.gone > 0
    }
}

/// From which listing on a row of this kind that cannot be read must have been
/// seen to stay on record when listing `number` ends. An opt-out is missed twice
/// before it denies nothing, readable or not.
fn unreadable_since(kind: RecordKind, number: u64) -> u64 {
    number.saturating_sub(u64::from(kind == RecordKind::OptOut))
}

/// Which households to look at.
#[derive(Debug, Clone)]
pub struct DueQuery {
    /// The source.
    pub source: SourceId,
    /// For which sink.
    pub sink: SinkId,
    /// How its records are named there.
    pub ids: ExternalIds,
    /// The calendar day at the office.
    pub today: NaiveDate,
    /// Now.
    pub now: DateTime<Utc>,
    /// At most so many.
    pub limit: usize,
    /// Only households after this one, in order of their keys: for a look at
    /// everything that leaves everything due.
    pub after: Option<HouseholdKey>,
}

/// A household to look at.
#[derive(Debug, Clone)]
pub struct Due {
    /// Its generation when it was loaded.
    pub generation: u64,
    /// What is known of it.
    pub view: HouseholdView,
    /// Everything of it that is parked.
    pub parked: Vec<ExternalId>,
    /// What was on its way when it was last looked at, if that look never came
    /// to its end.
    pub tried: Vec<Tried>,
}

/// A content that was on its way to a sink, whatever became of it.
///
/// Written before it is sent: without it a state that goes A, B, A while the
/// answer to B is lost would leave the sink at B.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Which record.
    pub external_id: ExternalId,
    /// Which content.
    pub hash: LedgerHash,
    /// As which change of the record.
    pub generation: u64,
}

/// Households about to be told something, to be stored before they are.
#[derive(Debug, Clone)]
pub struct Departure {
    /// The source.
    pub source: SourceId,
    /// The run.
    pub epoch: Epoch,
    /// The sink.
    pub sink: SinkId,
    /// What is about to be sent, by household.
    pub leaving: Vec<(HouseholdKey, Vec<Tried>)>,
}

/// What is known of one record at one sink.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// What the sink last acknowledged.
    pub acknowledged: Option<Acknowledged>,
    /// What is set aside.
    pub parked: Option<Parked>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The content the sink acknowledged.
    pub hash: LedgerHash,
    /// Which change of the record that was.
    pub generation: u64,
    /// The sink's own id.
    pub remote_id: Option<String>,
    /// The contact that it hangs from there: charts may have been merged since.
    pub contact: Option<ExternalId>,
}

/// An op that is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// Which record.
    pub external_id: ExternalId,
    /// Whose.
    #[serde(skip)]
    pub household: HouseholdKey,
    /// Which content.
    #[serde(skip)]
    pub hash: LedgerHash,
    /// As which change of the record it was last tried. 0: never.
    #[serde(skip)]
    pub generation: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// What it waits for.
    pub hold: Hold,
    /// Another content may have arrived before this one was tried.
    #[serde(skip)]
    pub doubtful: bool,
    /// Why, for a person.
    pub reason: String,
}

/// What a parked op waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// This time.
    Until(DateTime<Utc>),
    /// Another content: this one was refused.
    Refused,
    /// The record it hangs from. It is looked at whenever its household is.
    Blocked,
}

impl Hold {
    /// The time it waits for, if it waits for one.
    pub const fn until(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Until(at) => Some(at),
            Self::Refused | Self::Blocked => None,
        }
    }
}

/// What a sink answered, to be stored at once.
#[derive(Debug, Clone)]
pub struct AckCommit {
    /// The source.
    pub source: SourceId,
    /// The run.
    pub epoch: Epoch,
    /// The sink.
    pub sink: SinkId,
    /// Now.
    pub now: DateTime<Utc>,
    /// What it acknowledged. Whatever was parked for these is not any more.
    pub acknowledged: Vec<(ExternalId, Acknowledged)>,
    /// What is set aside.
    pub parked: Vec<Parked>,
    /// What need not be set aside any more. Taken first: what is set aside in
    /// the same commit stays.
    pub cleared: Vec<ExternalId>,
    /// Households whose every op is acknowledged or parked: generation seen,
    /// and the day to look again.
    pub reconciled: Vec<(HouseholdKey, u64, Option<NaiveDate>)>,
    /// What was disclosed, taken or not.
    pub disclosed: Vec<Disclosure>,
}

/// Most practices show no reminders, and their reports need not say so.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// Sizes, for reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Patients in the mirror.
    pub patients: u64,
    /// Recalls in the mirror.
    pub recalls: u64,
    /// Appointments in the mirror.
    pub appointments: u64,
    /// Opt-outs in the mirror.
    pub opt_outs: u64,
    /// Reminders in the mirror.
    #[serde(skip_serializing_if = "is_none")]
    pub reminders: u64,
    /// Rows that cannot be read now.
    pub unreadable: u64,
    /// Records the sink holds.
    pub acknowledged: u64,
    /// Ops waiting for another try.
    pub waiting: u64,
    /// Ops refused for good, until their content changes.
    pub refused: u64,
    /// Ops whose record hangs from one that is waiting or refused.
    pub blocked: u64,
}

impl Counts {
    pub(crate) fn of_hold(&mut self, hold: Hold) -> &mut u64 {
        match hold {
            Hold::Until(_) => &mut self.waiting,
            Hold::Refused => &mut self.refused,
            Hold::Blocked => &mut self.blocked,
        }
    }

    pub(crate) fn of_kind(&mut self, kind: RecordKind) -> &mut u64 {
        match kind {
            RecordKind::Patient => &mut self.patients,
            RecordKind::Recall => &mut self.recalls,
            RecordKind::Appointment => &mut self.appointments,
            RecordKind::OptOut => &mut self.opt_outs,
            RecordKind::Reminder => &mut self.reminders,
        }
    }
}

/// What odx remembers. Every method is all or nothing and cancel safe: a call
/// that was dropped either happened whole or not at all.
///
/// Errors are [`ErrorKind::State`](crate::ErrorKind::State) when the store
/// cannot be read or written, and
/// [`ErrorKind::Superseded`](crate::ErrorKind::Superseded) where an epoch is
/// given that is not the latest.
#[async_trait]
pub trait StateStore: Debug + Send + Sync + 'static {
    /// Opens a run: a new epoch, sinks bound to their source.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a wrong pairing: a
    /// sink that belongs to another source, a changed account or id scheme, a
    /// second source on an account with bare ids.
    async fn open_run(&self, opening: &Opening) -> Result<SourceState>;

    /// Stores a page and moves the cursor, in one transaction. Raises the
    /// generation of every household whose records changed. With a page that ends
    /// a pass, reminders that have had their time are let go, which is no change
    /// of anybody: see [`Reminder`](crate::model::Reminder).
    ///
    /// # Errors
    /// [`ErrorKind::Superseded`](crate::ErrorKind::Superseded) also if the
    /// stored cursor is not `from`.
    async fn commit_page(&self, commit: PageCommit) -> Result<PageOutcome>;

    /// Where the source's feed stands now. None: at the beginning, as for a
    /// source that nobody has opened yet.
    ///
    /// # Errors
    /// See the trait.
    async fn cursor(&self, source: &SourceId) -> Result<Option<Cursor>>;

    /// When the source was last heard of: kept in the transactions that store
    /// its pages.
    ///
    /// # Errors
    /// See the trait.
    async fn last_seen(&self, source: &SourceId) -> Result<LastSeen>;

    /// Forgets the cursor, so that the feed starts over. Records stay.
    ///
    /// # Errors
    /// See the trait.
    async fn restart_feed(&self, source: &SourceId, epoch: Epoch) -> Result<()>;

    /// Puts a delivery into the source's inbox, durably, before anybody is told
    /// that it came. False: it came before, within the last four days.
    ///
    /// Needs no epoch: whoever receives is not the one who reads.
    ///
    /// # Errors
    /// See the trait. Nothing may be acknowledged then.
    async fn receive(&self, source: &SourceId, delivery: Delivery) -> Result<bool>;

    /// The oldest deliveries of the inbox that are not applied yet, at most
    /// `most` of them and not much more than 8 MiB.
    ///
    /// # Errors
    /// See the trait.
    async fn inbox(&self, source: &SourceId, most: usize) -> Result<Vec<Delivery>>;

    /// Returns when the source's inbox holds something, at once if it does.
    ///
    /// # Errors
    /// See the trait.
    async fn await_delivery(&self, source: &SourceId) -> Result<()>;

    /// Households that are ahead of what the sink has seen, whose day has come,
    /// or which hold a parked op whose time has come.
    ///
    /// # Errors
    /// See the trait.
    async fn due(&self, query: &DueQuery) -> Result<Vec<Due>>;

    /// What is known of these records at this sink, in the order of `ids`.
    ///
    /// # Errors
    /// See the trait.
    async fn standing(&self, sink: &SinkId, ids: Vec<ExternalId>) -> Result<Vec<Standing>>;

    /// Stores what is about to be sent. From then on the household is due until
    /// it is reconciled, whatever made it due before: an acknowledgement may
    /// take the last other reason away while half of it is still to be sent.
    ///
    /// # Errors
    /// See the trait.
    async fn commit_departure(&self, departure: Departure) -> Result<()>;

    /// Stores what a sink answered. What was on its way for a reconciled
    /// household is not any more.
    ///
    /// # Errors
    /// See the trait.
    async fn commit_acks(&self, commit: AckCommit) -> Result<()>;

    /// The earliest time at which a parked op may be tried again.
    ///
    /// # Errors
    /// See the trait.
    async fn next_wake(&self, sink: &SinkId) -> Result<Option<DateTime<Utc>>>;

    /// Where the sink's list of stops was last read to.
    ///
    /// # Errors
    /// See the trait.
    async fn suppression_cursor(&self, sink: &SinkId) -> Result<Option<Cursor>>;

    /// Stores stops as keyed digests, said `now`, and raises the households they concern, at
    /// every sink of the source. Returns how many are new. Nothing is ever
    /// lifted by it.
    ///
    /// # Errors
    /// See the trait.
    async fn suppress(
        &self,
        sink: &SinkId,
        stops: Vec<Suppression>,
        next: Option<Cursor>,
        now: DateTime<Utc>,
    ) -> Result<u64>;

    /// Sizes.
    ///
    /// # Errors
    /// See the trait.
    async fn counts(&self, source: &SourceId, sink: &SinkId) -> Result<Counts>;

    /// Ops set aside at this sink, refused ones first, at most `limit`.
    ///
    /// # Errors
    /// See the trait.
    async fn parked(&self, sink: &SinkId, limit: usize) -> Result<Vec<Parked>>;

    /// Keeps the report of a run: JSON without patient data. Old ones go.
    ///
    /// # Errors
    /// See the trait.
    async fn record_run(&self, source: &SourceId, now: DateTime<Utc>, report: &str) -> Result<()>;

    /// Takes over an outlet: a new epoch. Whoever opened it before can neither
    /// claim nor settle there any more.
    ///
    /// # Errors
    /// See the trait.
    async fn open_outlet(&self, outlet: &OutletId) -> Result<Epoch>;

    /// How an effect stands. None: it was never claimed.
    ///
    /// # Errors
    /// See the trait.
    async fn effect(&self, outlet: &OutletId, key: &IdempotencyKey) -> Result<Option<EffectRow>>;

    /// Claims an effect before it is done. False: it has ended, or somebody
    /// claimed it since this was decided. Of several who claim at once, one
    /// hears true.
    ///
    /// # Errors
    /// See the trait.
    async fn claim_effect(&self, claim: EffectClaim) -> Result<bool>;

    /// Stores how an attempt ended. What ended stays as it is, for ever.
    ///
    /// # Errors
    /// [`ErrorKind::Superseded`](crate::ErrorKind::Superseded) also if it is
    /// not the latest attempt, or if that has ended.
    async fn settle_effect(&self, commit: EffectCommit) -> Result<()>;

    /// What it knows about reaching people.
    fn outreach(&self) -> &dyn OutreachStore;

    /// Effects that are not done, at most `limit`: first those in doubt, then
    /// refused ones, claims and what waits; of each, the oldest first.
    ///
    /// # Errors
    /// See the trait.
    async fn open_effects(&self, outlet: &OutletId, limit: usize) -> Result<Vec<EffectRow>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opt_outs_that_are_not_shown_any_more_do_not_ask_for_a_listing() {
        let at = |hour: u32| DateTime::from_timestamp(i64::from(hour) * 3600, 0).unwrap();
        let listed = BTreeMap::from([
            (RecordKind::Patient, at(9)),
            (RecordKind::Recall, at(8)),
            (RecordKind::OptOut, at(1)),
        ]);
        let seen = LastSeen {
            listed,
            ..LastSeen::default()
        };
        assert_eq!(seen.swept_at(), Some(at(8)));
        assert_eq!(LastSeen::default().swept_at(), None);
    }
}
