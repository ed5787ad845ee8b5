//! Noes that a practice keeps beside the patient.

use serde::{Deserialize, Serialize};

use crate::id::PatientKey;
use crate::model::{Channel, Origin, Permission, Statement};

/// What a patient does not want, where the practice keeps it in tables beside
/// the patient and it comes by another way than the patient's row.
///
/// A record of its own, so that a patient's row that comes without it widens
/// nothing. While it is there it denies whatever the patient's own statements
/// say, and however old it is: it is no word that a later one replaces. It can
/// only deny; a yes in it says nothing. It ends when the practice ends it: with
/// [`Change::Gone`](crate::source::Change::Gone), with two complete listings
/// that do not show it, or with a list that denies less.
///
/// One that cannot be read, so that nobody knows what it denies, denies
/// everything for as long as it cannot: an adapter says `Unreadable` as of any
/// other row.
///
/// One per patient, with everything that is kept for them: a later one takes
/// the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// Whose. It is the key of the record too.
    pub patient: PatientKey,
    /// The noes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Statement>,
}

impl OptOut {
    /// Whether it says no to this channel.
    ///
    /// ```
    /// use odx_core::PatientKey;
    /// use odx_core::model::{Channel, OptOut, Origin, Permission, Statement};
    /// let opt_out = OptOut {
    ///     patient: PatientKey::new("12"),
    ///     statements: vec![Statement {
    ///         channel: Channel::Sms,
    ///         permission: Permission::Denied,
    ///         origin: Origin::Practice,
    ///         on: None,
    ///     }],
    /// };
    /// assert!(opt_out.denies(Channel::Sms) && !opt_out.denies(Channel::Email));
    /// ```
    pub fn denies(&self, channel: Channel) -> bool {
        self.noes().any(|said| said.channel == channel)
    }

    /// One that is there and says nobody knows what.
    pub(crate) fn unread(patient: PatientKey) -> Self {
        let no = |channel| Statement {
            channel,
            permission: Permission::Denied,
            origin: Origin::Practice,
            on: None,
        };
        Self {
            patient,
            statements: [Channel::Sms, Channel::Email, Channel::Voice]
                .map(no)
                .to_vec(),
        }
    }

    /// The statements that count.
    pub(crate) fn noes(&self) -> impl Iterator<Item = &Statement> {
        let denied = |said: &&Statement| said.permission == Permission::Denied;
        self.statements.iter().filter(denied)
    }
}
