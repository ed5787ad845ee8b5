//! What a store knows about reaching people: who was told what, why or why not,
//! what holds an office back, what was disclosed to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Due, DueQuery, EffectState, Epoch, Hold};
use crate::error::Result;
use crate::hash::{IdempotencyKey, LedgerHash};
use crate::id::{ExternalId, HouseholdKey, OutletId, PatientKey, SinkId, SourceId};
use crate::model::{Channel, RecordKind};
use crate::outreach::gate::{Decision, Facts};
use crate::outreach::{Address, Episode, Purpose, Status};
use crate::sink::{Account, Target};

/// What an effect tells whom. Stored with its claim: while nobody knows what
/// became of it, it counts as told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The occurrences that are told with it; the first is its own, the others
    /// are those of the household that it speaks for as well. An attempt that
    /// may have told more of them than the next one keeps them told.
    pub episodes: Vec<Episode>,
    /// By which channel.
    pub channel: Channel,
    /// About whom.
    pub patient: PatientKey,
    /// Who is told.
    pub recipient: PatientKey,
    /// Whose household.
    pub household: HouseholdKey,
    /// Where to. Kept as a keyed digest.
    pub address: Option<Address>,
    /// By whom it is carried.
    pub destination: SinkId,
    /// Names of what it discloses.
    pub fields: &'static str,
}

impl About {
    /// What for.
    pub fn purpose(&self) -> Purpose {
        self.episodes
            .first()
            .map_or(Purpose::Recall, |episode| episode.purpose)
    }
}

/// One thing that was told, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which effect.
    pub key: IdempotencyKey,
    /// What for.
    pub purpose: Purpose,
    /// By which channel.
    pub channel: Channel,
    /// When it was claimed first.
    pub begun: DateTime<Utc>,
    /// When it was claimed last.
    pub at: DateTime<Utc>,
    /// How often.
    pub attempt: u32,
    /// How it stands.
    pub state: EffectState,
    /// How far the message came, as its provider said.
    pub status: Option<Status>,
}

impl Told {
    /// It was told, or may have been.
    pub const fn counts(&self) -> bool {
        matches!(
            self.state,
            EffectState::Done(_) | EffectState::Claimed | EffectState::InDoubt(_)
        )
    }
}

/// What was told to whom, as far as it matters for one decision, in the order of
/// the claims. An attempt that is waiting or was refused is here as well: see
/// [`Told::counts`].
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Of these subjects: each occurrence, and what told it.
    pub episodes: Vec<(Episode, Told)>,
    /// To the recipient, or to any of their addresses, whatever it was about.
    pub person: Vec<Told>,
    /// To anybody of the household.
    pub household: Vec<Told>,
}

/// Whose history.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// Occurrences of these recalls, patients, visits.
    pub subjects: BTreeSet<ExternalId>,
    /// Who would be told.
    pub recipient: PatientKey,
    /// Where.
    pub addresses: Vec<Address>,
    /// Whose household.
    pub household: HouseholdKey,
}

/// The last decision about an occurrence and a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRow {
    /// The occurrence.
    pub episode: Episode,
    /// By which channel.
    pub channel: Channel,
    /// About whom.
    #[serde(skip, default = "nobody")]
    pub patient: PatientKey,
    /// Who would be told. None: nobody can be.
    #[serde(skip)]
    pub recipient: Option<PatientKey>,
    /// When.
    pub at: DateTime<Utc>,
    /// What was decided.
    pub decision: Decision,
    /// What it rested on.
    pub facts: Facts,
}

fn nobody() -> PatientKey {
    PatientKey::new("")
}

/// Why nobody is contacted at an office for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why, for a person.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// odx stopped by itself because a plan looked wrong: this many messages
    /// would have gone out. None: a person paused it.
    pub held: Option<u64>,
}

impl Pause {
    /// A person paused it.
    pub fn by_hand(reason: impl Into<String>, since: DateTime<Utc>) -> Self {
        Self {
            reason: reason.into(),
            since,
            held: None,
        }
    }
}

/// How an office stands with reaching people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutreachState {
    /// When messages were first switched on. What happened before is nobody's
    /// news.
    pub live_since: Option<DateTime<Utc>>,
    /// Why nobody is contacted for now.
    pub pause: Option<Pause>,
    /// A person has looked at a held plan: on this day so many may go out.
    pub released: Option<(NaiveDate, u64)>,
    /// The calendar day on which a thin day was last told.
    pub thin_told: Option<NaiveDate>,
    /// Templates that carriers filter, by name and version: not used before a
    /// person has changed them.
    #[serde(default)]
    pub stopped_templates: BTreeSet<String>,
}

/// A plan that somebody has looked at holds for so many days.
const RELEASED_DAYS: Days = Days::new(30);

/// Something that happens to how an office stands. A value, so that whoever else
/// changes something at the same moment is not overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutreachChange {
    /// Messages are on from now on. Nothing, if they were before.
    GoLive(DateTime<Utc>),
    /// Nobody is contacted any more. A pause that a person made is not replaced by
    /// one of ours.
    Pause(Pause),
    /// Goes on. A plan that odx held may then go out as large as a person saw it,
    /// and a tenth more, for 30 days.
    Resume {
        /// The day at the office.
        today: NaiveDate,
    },
    /// A thin day was told.
    ThinTold(NaiveDate),
    /// A template is not used any more, by name and version.
    StopTemplate(String),
    /// It is used again.
    AllowTemplate(String),
}

impl OutreachState {
    /// Makes a change.
    pub fn change(&mut self, change: OutreachChange) {
        match change {
            OutreachChange::GoLive(now) => {
                self.live_since.get_or_insert(now);
            }
            OutreachChange::Pause(pause) => {
                let by_hand = self
                    .pause
                    .as_ref()
                    .is_some_and(|known| known.held.is_none());
                if pause.held.is_none() || !by_hand {
                    self.pause = Some(pause);
                }
            }
            OutreachChange::Resume { today } => {
                if let Some(held) = self.pause.take().and_then(|pause| pause.held) {
                    // A few more may be due by then.
                    let count = held.saturating_add(held / 10);
                    let until = today.checked_add_days(RELEASED_DAYS);
                    self.released = until.map(|until| (until, count));
                }
            }
            OutreachChange::ThinTold(day) => self.thin_told = Some(day),
            OutreachChange::StopTemplate(name) => {
                self.stopped_templates.insert(name);
            }
            OutreachChange::AllowTemplate(name) => {
                self.stopped_templates.remove(&name);
            }
        }
    }
}

/// Which stops are taken back, and why that is right.
#[derive(Debug, Clone)]
pub struct Lift {
    /// Whom they concern.
    pub target: Target,
    /// Of which channel.
    pub channel: Channel,
    /// Those of this origin only. None: of every gateway, never of a CRM: what a
    /// CRM says only the CRM takes back.
    pub origin: Option<SinkId>,
    /// Only stops that were said with a keyword, and that nothing else has
    /// spoken for since.
    pub keyword_only: bool,
    /// Why, for the record.
    pub reason: String,
}

/// One disclosure: no values, and no name that can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// Its number, from 1 without gaps within a state.
    pub number: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// What kind of record, or `message`.
    pub kind: String,
    /// Keyed digest of the record's external id, in hex.
    pub subject: String,
    /// Which fields.
    pub fields: String,
    /// To whom.
    pub destination: String,
    /// What became of it.
    pub outcome: String,
    /// Keyed hash over this row and the one before, in hex.
    pub hash: String,
}

/// A disclosure, to be stored with the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// Which record.
    pub external_id: ExternalId,
    /// What kind.
    pub kind: &'static str,
    /// Which fields.
    pub fields: String,
    /// It was taken, and not refused.
    pub taken: bool,
}

/// What was shown of a sink's audit: rows, and whether the chain is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Rows in it.
    pub rows: u64,
    /// The last hash: whoever keeps it elsewhere can prove that nothing before
    /// it was changed.
    pub head: Option<String>,
    /// The first row that is not as it was written, or missing.
    pub broken_at: Option<u64>,
}

/// Which refused ops are tried again.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// Only this record.
    pub external_id: Option<ExternalId>,
    /// Only where the reason holds this word.
    pub code: Option<String>,
    /// Only what is set aside since then.
    pub since: Option<DateTime<Utc>>,
}

/// A row of the practice that cannot be read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRow {
    /// Of which kind.
    pub kind: RecordKind,
    /// Its key.
    pub native: String,
    /// Why, and what would mend it.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A refused or waiting op, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// Which record.
    pub external_id: ExternalId,
    /// Whose household.
    pub household: HouseholdKey,
    /// What it waits for.
    pub hold: Hold,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when it is set aside.
    pub since: DateTime<Utc>,
}

/// How far a sink has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Households that were brought to it at least once, whatever is due again.
    pub done: u64,
    /// Households there are.
    pub all: u64,
}

/// What a store knows about reaching people. Errors are as those of
/// [`StateStore`](super::StateStore).
#[async_trait]
pub trait OutreachStore: Debug + Send + Sync {
    /// Makes a gateway known as an origin of stops.
    ///
    /// # Errors
    /// See the trait; [`ErrorKind::Config`](crate::ErrorKind::Config) if it
    /// belongs to another source, or is a CRM.
    async fn open_gateway(&self, source: &SourceId, id: &SinkId, account: &Account) -> Result<()>;

    /// Everybody is looked at again for this sink if `fingerprint` is another
    /// one than the last time. True: it was.
    ///
    /// # Errors
    /// See the trait.
    async fn look_again(&self, sink: &SinkId, fingerprint: LedgerHash) -> Result<bool>;

    /// These households as [`due`](super::StateStore::due) would give them,
    /// whether they are due or not. One that is not known is left out.
    ///
    /// # Errors
    /// See the trait.
    async fn households(&self, query: &DueQuery, keys: Vec<HouseholdKey>) -> Result<Vec<Due>>;

    /// The household of a patient.
    ///
    /// # Errors
    /// See the trait.
    async fn household_of(
        &self,
        source: &SourceId,
        patient: &PatientKey,
    ) -> Result<Option<HouseholdKey>>;

    /// What was told by this outlet.
    ///
    /// # Errors
    /// See the trait.
    async fn history(&self, outlet: &OutletId, query: HistoryQuery) -> Result<History>;

    /// When anything was told by this outlet since then, in order.
    ///
    /// # Errors
    /// See the trait.
    async fn told_since(
        &self,
        outlet: &OutletId,
        since: DateTime<Utc>,
    ) -> Result<Vec<DateTime<Utc>>>;

    /// How far a message came, by its provider's id. Never back.
    ///
    /// # Errors
    /// See the trait.
    async fn note_status(
        &self,
        outlet: &OutletId,
        remote_id: &str,
        status: Status,
        reason: Option<&str>,
    ) -> Result<bool>;

    /// Keeps decisions, each in place of the last one about the same occurrence
    /// and channel.
    ///
    /// # Errors
    /// See the trait.
    async fn decide(
        &self,
        source: &SourceId,
        epoch: Epoch,
        decisions: Vec<DecisionRow>,
    ) -> Result<()>;

    /// The last decisions about a patient, or to them, newest first.
    ///
    /// # Errors
    /// See the trait.
    async fn decisions(&self, source: &SourceId, patient: &PatientKey) -> Result<Vec<DecisionRow>>;

    /// How the office stands.
    ///
    /// # Errors
    /// See the trait.
    async fn outreach_state(&self, source: &SourceId) -> Result<OutreachState>;

    /// Changes how the office stands, and says how it stands then. In one
    /// transaction: an operator and a running odx may do so at one moment.
    ///
    /// # Errors
    /// See the trait.
    async fn change_outreach(
        &self,
        source: &SourceId,
        change: OutreachChange,
    ) -> Result<OutreachState>;

    /// Takes stops back and raises the households they concerned. Returns how
    /// many.
    ///
    /// # Errors
    /// See the trait.
    async fn lift(&self, source: &SourceId, lift: &Lift, now: DateTime<Utc>) -> Result<u64>;

    /// Notes statuses that nobody has mapped. Returns those to tell now: new
    /// ones, and those last told a week ago.
    ///
    /// # Errors
    /// See the trait.
    async fn note_unmapped(
        &self,
        source: &SourceId,
        statuses: BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>>;

    /// Every status of the practice's living records, written as a tag map does,
    /// and how often it is there. Reads the whole mirror.
    ///
    /// # Errors
    /// See the trait.
    async fn statuses(&self, source: &SourceId) -> Result<BTreeMap<String, u64>>;

    /// Rows that cannot be read now, oldest first.
    ///
    /// # Errors
    /// See the trait.
    async fn unreadable(&self, source: &SourceId, limit: usize) -> Result<Vec<UnreadableRow>>;

    /// Ops set aside at this sink, oldest first.
    ///
    /// # Errors
    /// See the trait.
    async fn aside(&self, sink: &SinkId, limit: usize) -> Result<Vec<Aside>>;

    /// Lets refused ops be tried again at once, with what their records are now.
    /// What is known of their last attempts stays known: whether another content
    /// may have arrived, and which change it was. Returns how many.
    ///
    /// # Errors
    /// See the trait.
    async fn replay(&self, sink: &SinkId, which: &Replay) -> Result<u64>;

    /// How far a sink has come.
    ///
    /// # Errors
    /// See the trait.
    async fn progress(&self, sink: &SinkId) -> Result<Progress>;

    /// The last reports of runs, newest first.
    ///
    /// # Errors
    /// See the trait.
    async fn runs(&self, source: &SourceId, limit: usize) -> Result<Vec<(DateTime<Utc>, String)>>;

    /// Keeps a plan, or anything else of that size, under a name. What is kept
    /// already is not written again.
    ///
    /// # Errors
    /// See the trait.
    async fn keep(&self, source: &SourceId, name: &str, text: &str) -> Result<()>;

    /// What was last kept under a name.
    ///
    /// # Errors
    /// See the trait.
    async fn kept(&self, source: &SourceId, name: &str) -> Result<Option<String>>;

    /// 128 bits for a link, in hex: always the same for the same text, and not to
    /// be guessed by anybody without the state.
    ///
    /// # Errors
    /// See the trait.
    async fn token(&self, text: &str) -> Result<String>;

    /// Disclosures after a number, in order.
    ///
    /// # Errors
    /// See the trait.
    async fn audit(&self, source: &SourceId, after: u64, limit: usize) -> Result<Vec<AuditRow>>;

    /// Walks the whole chain of disclosures.
    ///
    /// # Errors
    /// See the trait.
    async fn verify_audit(&self) -> Result<Audit>;
}
