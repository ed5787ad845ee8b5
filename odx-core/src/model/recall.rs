//! "Six-month check-up due".

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::id::{PatientKey, RecallKey};
use crate::model::{Interval, Label};

/// One recall of one patient: one per kind of visit that comes round again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// Its key.
    pub key: RecallKey,
    /// Whose recall.
    pub patient: PatientKey,
    /// The day that counts. None: never seen, or disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<NaiveDate>,
    /// The last visit that started the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<NaiveDate>,
    /// How often it comes round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Day of the booked visit that will answer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<NaiveDate>,
    /// Switched off by the practice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Hidden until this day; on the day itself it shows again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<NaiveDate>,
    /// Hidden until the family's balance falls. It is held for as long as the
    /// practice says so: balances are not read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_for_balance: bool,
    /// Wanted as soon as possible.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub urgent: bool,
    /// The practice's own statuses, among them the kind of recall.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}
