//! A person on the practice's books.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::id::{HouseholdKey, PatientKey};
use crate::model::{Email, Label, Phone, Statement};
use crate::phi::Phi;

/// Where a person stands with the practice. Outranks consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatientStatus {
    /// Treated here.
    Active,
    /// Dormant.
    Inactive,
    /// Pays or answers for somebody else; not treated.
    NonPatient,
    /// Not seen yet.
    Prospective,
    /// Put away, or merged into somebody else.
    Archived,
    /// Never to be contacted.
    Deceased,
    /// Removed by the practice.
    Deleted,
}

impl PatientStatus {
    /// Nothing that reaches a person is ever done for this status.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Archived | Self::Deceased | Self::Deleted)
    }
}

/// A person. Social security numbers and staff notes are not in the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patient {
    /// Their key.
    pub key: PatientKey,
    /// Whose household: the guarantor's key.
    pub household: HouseholdKey,
    /// Where they stand.
    pub status: PatientStatus,
    /// First name.
    #[serde(with = "crate::phi::expose")]
    pub first_name: Phi<String>,
    /// Last name.
    #[serde(with = "crate::phi::expose")]
    pub last_name: Phi<String>,
    /// What they like to be called, when it differs.
    #[serde(
        with = "crate::phi::expose_option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub preferred_name: Option<Phi<String>>,
    /// Day of birth.
    #[serde(
        with = "crate::phi::expose_option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub born: Option<Phi<NaiveDate>>,
    /// The number that texts may go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<Phone>,
    /// A number for the voice only: home first, then work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landline: Option<Phone>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// What was said about being contacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consent: Vec<Statement>,
    /// Staff asked that a person looks at the notes before anything is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_person: bool,
    /// Day of the first visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_visit: Option<NaiveDate>,
    /// The practice's key of their clinic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clinic: Option<String>,
    /// The practice's key of their provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Their language, as the practice wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The practice's own statuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}
