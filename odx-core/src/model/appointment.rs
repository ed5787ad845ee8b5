//! A visit on the practice's book.

use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use crate::id::{AppointmentKey, PatientKey};
use crate::model::Label;

/// Where a visit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppointmentStatus {
    /// On the book.
    Scheduled,
    /// The patient was seen.
    Complete,
    /// Missed or cancelled.
    Broken,
    /// Taken off the book, to be booked again.
    Unscheduled,
    /// A template of a future visit; not booked.
    Planned,
    /// A note on the book, not a visit.
    Note,
}

/// A visit. Times are what the practice's wall clock says; the office's zone
/// makes an instant of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// Its key.
    pub key: AppointmentKey,
    /// Whose visit.
    pub patient: PatientKey,
    /// Where it stands.
    pub status: AppointmentStatus,
    /// Start, by the practice's wall clock. None while not on the book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NaiveDateTime>,
    /// Set complete, but nothing was done: what stands on it says only that the
    /// patient missed or cancelled it. Not every practice tells that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missed: bool,
    /// Length in minutes, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// With the hygienist, as far as the practice says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hygiene: bool,
    /// The practice's key of the clinic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clinic: Option<String>,
    /// The practice's key of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The practice's key of the operatory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operatory: Option<String>,
    /// The practice's own statuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}

impl Appointment {
    /// The patient was seen: it is complete, and not for show.
    pub fn was_kept(&self) -> bool {
        self.status == AppointmentStatus::Complete && !self.missed
    }

    /// On the book for `today` or later.
    pub fn is_upcoming(&self, today: NaiveDate) -> bool {
        self.status == AppointmentStatus::Scheduled
            && self.start.is_some_and(|start| start.date() >= today)
    }
}
