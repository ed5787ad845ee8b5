//! What a CRM should show today. Pure: no clock, no I/O, no order of input.

mod recall;
mod segment;

use std::fmt::Debug;

use chrono::NaiveDate;
use serde::Serialize;

use crate::crm::Op;
use crate::id::ExternalIds;
use crate::model::HouseholdView;
use crate::office::Office;

pub use recall::{RecallPolicy, RecallSettings};
pub use segment::{Segment, Standing, Windows, classify};

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
}

/// What a household should look like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Desired {
    /// The records, contacts before their tasks.
    pub ops: Vec<Op>,
    /// What is not wanted, and why.
    pub skipped: Vec<Skip>,
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

    /// The state the CRM should have. The same input always gives the same
    /// answer, and `again` is later than `cx.today`.
    fn desired(&self, view: &HouseholdView, cx: &PolicyContext<'_>) -> Desired;
}
