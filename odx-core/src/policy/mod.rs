//! What a CRM should show today. Pure: no clock, no I/O, no order of input.

mod recall;
mod segment;
mod settings;
mod tags;
mod today;

use std::collections::BTreeSet;
use std::fmt::Debug;

use chrono::NaiveDate;
use serde::Serialize;

use crate::crm::Op;
use crate::hash::LedgerHash;
use crate::id::ExternalIds;
use crate::model::{HouseholdView, RecordKey};
use crate::office::Office;
use crate::outreach::Wanted;

use segment::boundaries;

pub use recall::RecallPolicy;
pub use segment::{Segment, Standing, Windows, classify};
pub use settings::{KindSettings, Links, Reactivation, RecallSettings, Reviews};
pub use tags::{MANAGED, Mapped, TagChange, TagMap};

/// Everything a policy may know besides the household.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PolicyContext<'a> {
    /// The calendar day at the office.
    pub today: NaiveDate,
    /// The office.
    pub office: &'a Office,
    /// How records are named at this sink.
    pub ids: &'a ExternalIds,
}

impl<'a> PolicyContext<'a> {
    /// A context.
    pub const fn new(today: NaiveDate, office: &'a Office, ids: &'a ExternalIds) -> Self {
        Self { today, office, ids }
    }
}

/// Why something that might have been expected is not wanted. A closed list,
/// counted in every report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// The patient is archived, deceased or deleted.
    PatientClosed,
    /// The patient is on the books but not treated here now.
    PatientNotActive,
    /// The practice switched the recall off.
    RecallDisabled,
    /// The practice hid the recall until a day to come.
    RecallSnoozed,
    /// The practice hid the recall until the balance falls.
    RecallHeldForBalance,
    /// A visit is booked.
    RecallScheduled,
    /// The recall has no due date: never seen.
    RecallWithoutDate,
    /// The recall is gone from the practice.
    RecallGone,
    /// The office leaves this kind of recall alone.
    RecallKindIgnored,
}

impl Skip {
    /// In words that may stand in a CRM: no diagnosis, no balance, no kind.
    pub const fn generic(self) -> &'static str {
        match self {
            Self::PatientClosed => "patient no longer seen here",
            Self::PatientNotActive => "patient not active",
            Self::RecallDisabled => "switched off by the practice",
            Self::RecallSnoozed => "hidden until a later day",
            Self::RecallHeldForBalance => "hidden by the practice",
            Self::RecallScheduled => "visit booked",
            Self::RecallWithoutDate => "no due date",
            Self::RecallGone => "removed by the practice",
            Self::RecallKindIgnored => "not followed up",
        }
    }
}

/// Something that is not wanted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The patient or the recall.
    pub what: RecordKey,
    /// Why.
    pub why: Skip,
}

/// What a household should look like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Desired {
    /// The records, contacts before their tasks.
    pub ops: Vec<Op>,
    /// What somebody should hear, if they may.
    pub outreach: Vec<Wanted>,
    /// What is not wanted, and why.
    pub skipped: Vec<LeftOut>,
    /// Statuses of the practice about which the office has not decided.
    pub unmapped: BTreeSet<String>,
    /// The first later day on which the answer would differ if nothing else
    /// changes.
    pub again: Option<NaiveDate>,
}

impl Desired {
    /// Looks again on `day`, or earlier if that is already wanted.
    pub fn look_again(&mut self, day: Option<NaiveDate>) {
        self.again = match (self.again, day) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Decides what a household should look like today.
pub trait Policy: Debug + Send + Sync + 'static {
    /// Part of every ledger hash: raise it when the same household should be
    /// told differently.
    fn version(&self) -> u32;

    /// Changes whenever any setting does: everybody is then looked at again,
    /// once. By default only the version counts.
    fn fingerprint(&self) -> LedgerHash {
        LedgerHash::of(&self.version().to_be_bytes())
    }

    /// The state the CRM should have. The same input always gives the same
    /// answer, and `again` is later than `cx.today`.
    fn desired(&self, view: &HouseholdView, cx: &PolicyContext<'_>) -> Desired;
}
