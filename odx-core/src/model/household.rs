//! A household as the policy sees it.

use chrono::NaiveDate;

use crate::id::HouseholdKey;
use crate::model::{Appointment, Patient, Recall};

/// A record in the mirror, with what the mirror knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<T> {
    /// The record as last read.
    pub record: T,
    /// Proven gone from the practice: it stays here so that what hangs from it
    /// in the CRM can be closed.
    pub gone: bool,
    /// The day its content last changed here.
    pub changed_on: NaiveDate,
}

/// Channels on which a CRM has said stop for this person's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Blocked {
    /// Texts.
    pub sms: bool,
    /// E-mail.
    pub email: bool,
    /// Calls.
    pub voice: bool,
}

/// A patient with everything that hangs from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The patient.
    pub patient: Kept<Patient>,
    /// Their recalls, by key.
    pub recalls: Vec<Kept<Recall>>,
    /// Their appointments, by key. Gone ones are left out: nothing hangs from them.
    pub appointments: Vec<Appointment>,
    /// What the sink's opt-outs say about their addresses.
    pub blocked: Blocked,
}

/// Everyone with one guarantor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseholdView {
    /// The guarantor's key.
    pub key: HouseholdKey,
    /// The members, by key.
    pub members: Vec<Member>,
}
