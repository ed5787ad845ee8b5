//! What the practice itself has sent.

use chrono::{Days, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use crate::id::{PatientKey, ReminderKey};
use crate::model::Channel;

/// By which way a practice reached somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReminderMode {
    /// A text.
    Text,
    /// An e-mail.
    Email,
    /// Both of these.
    EmailAndText,
    /// A call.
    Phone,
    /// A call and a text.
    PhoneAndText,
    /// A letter or a card.
    Mail,
    /// Face to face.
    InPerson,
}

impl ReminderMode {
    /// Whether it went by this channel.
    pub const fn is_by(self, channel: Channel) -> bool {
        match channel {
            Channel::Sms => matches!(self, Self::Text | Self::EmailAndText | Self::PhoneAndText),
            Channel::Email => matches!(self, Self::Email | Self::EmailAndText),
            Channel::Voice => matches!(self, Self::Phone | Self::PhoneAndText),
        }
    }
}

/// What a practice reached somebody for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReminderUsage {
    /// A recall is due.
    Recall,
    /// They have not come for long.
    Reactivation,
    /// A visit that is booked.
    Appointment,
    /// Anything else, also what the practice did not say.
    Other,
}

/// That the practice reached a patient, as far as it wrote that down: when, by
/// which way and for what. Never a word of what was said.
///
/// It is there so that whoever limits how often a person is reached can count
/// what the practice sent. Only what can still matter is kept: a source shows
/// those of the last days, [`KEPT`](Self::KEPT) at most, and a store lets go of
/// one that has not changed for that long, when a pass ends. That is no news:
/// nothing is raised by it, and no trace of it stays. So their number goes by the
/// size of the practice and not by its age.
///
/// No listing is needed for that, and none is expected: a source need not notice
/// that one was deleted. It counts until it is let go, which errs on the side of
/// silence. A [`Change::Gone`](crate::source::Change::Gone) ends it sooner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// Its key.
    pub key: ReminderKey,
    /// Who was reached.
    pub patient: PatientKey,
    /// When, by the practice's wall clock.
    pub at: NaiveDateTime,
    /// By which way. None: the practice did not say, or in a word that is not
    /// known. It may have been any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ReminderMode>,
    /// What for.
    pub usage: ReminderUsage,
}

impl Reminder {
    /// For how many days one is kept: no limit can look back further.
    pub const KEPT: u16 = 31;

    /// Whether it went, or may have gone, by this channel.
    ///
    /// ```
    /// use odx_core::model::{Channel, Reminder, ReminderMode, ReminderUsage};
    /// use odx_core::{PatientKey, ReminderKey};
    /// let mut reminder = Reminder {
    ///     key: ReminderKey::new("7"),
    ///     patient: PatientKey::new("12"),
    ///     at: "2026-11-20T09:30:00".parse().unwrap(),
    ///     mode: Some(ReminderMode::EmailAndText),
    ///     usage: ReminderUsage::Recall,
    /// };
    /// assert!(reminder.may_be_by(Channel::Sms) && !reminder.may_be_by(Channel::Voice));
    /// reminder.mode = None;
    /// assert!(reminder.may_be_by(Channel::Voice));
    /// ```
    pub fn may_be_by(&self, channel: Channel) -> bool {
        self.mode.is_none_or(|mode| mode.is_by(channel))
    }

    /// A reminder that last changed before this day is let go.
    pub(crate) fn kept_from(today: NaiveDate) -> NaiveDate {
        let kept = Days::new(u64::from(Self::KEPT));
        today.checked_sub_days(kept).unwrap_or(NaiveDate::MIN)
    }
}
