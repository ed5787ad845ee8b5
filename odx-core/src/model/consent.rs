//! Who said what about being contacted.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// A way to reach a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Text message.
    Sms,
    /// E-mail.
    Email,
    /// Telephone.
    Voice,
}

impl Channel {
    /// As it stands in settings, plans and keys: `sms`, `email` or `voice`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Voice => "voice",
        }
    }
}

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Yes.
    Granted,
    /// Yes, in writing.
    GrantedWritten,
    /// No.
    Denied,
}

/// Who recorded it. Nobody can re-consent on behalf of another origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The practice system.
    Practice,
    /// A CRM or messaging provider.
    Sink,
}

/// One statement. Silence is no statement: unknown is the absence of both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Statement {
    /// About which channel.
    pub channel: Channel,
    /// Yes or no.
    pub permission: Permission,
    /// Who recorded it.
    pub origin: Origin,
    /// When, if the origin says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<NaiveDate>,
}

/// What the statements about one channel come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// Somebody said yes and nobody said no.
    Granted,
    /// Somebody's latest word is no.
    Denied,
    /// Nobody said anything. Never a yes.
    #[default]
    Unknown,
}

/// What a list of statements comes to for one channel: the latest word of each
/// origin counts, and any no wins.
///
/// Of a patient these are only their own statements:
/// [`Member::consent`](crate::model::Member::consent) is the whole answer.
///
/// ```
/// use odx_core::model::{Channel, ConsentState, consent};
/// assert_eq!(consent(&[], Channel::Sms), ConsentState::Unknown);
/// ```
pub fn consent(statements: &[Statement], channel: Channel) -> ConsentState {
    let mut state = ConsentState::Unknown;
    for origin in [Origin::Practice, Origin::Sink] {
        let latest = statements
            .iter()
            .filter(|s| s.channel == channel && s.origin == origin)
            // Of two without an order, the no: `max_by_key` keeps the last, and no sorts after yes.
            .max_by_key(|s| (s.on, s.permission == Permission::Denied));
        match latest.map(|s| s.permission) {
            Some(Permission::Denied) => return ConsentState::Denied,
            Some(Permission::Granted | Permission::GrantedWritten) => {
                state = ConsentState::Granted;
            }
            None => {}
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(permission: Permission, origin: Origin, day: Option<u32>) -> Statement {
        Statement {
            channel: Channel::Sms,
            permission,
            origin,
            on: day.and_then(|d| NaiveDate::from_ymd_opt(2026, 1, d)),
        }
    }

    #[test]
    fn a_yes_of_the_practice_does_not_undo_a_stop_in_the_crm() {
        let list = [
            said(Permission::Denied, Origin::Sink, Some(1)),
            said(Permission::Granted, Origin::Practice, Some(9)),
        ];
        assert_eq!(consent(&list, Channel::Sms), ConsentState::Denied);
    }

    #[test]
    fn the_same_origin_may_change_its_mind() {
        let list = [
            said(Permission::Denied, Origin::Practice, Some(1)),
            said(Permission::Granted, Origin::Practice, Some(9)),
        ];
        assert_eq!(consent(&list, Channel::Sms), ConsentState::Granted);
    }

    #[test]
    fn a_statement_about_one_channel_says_nothing_about_another() {
        let list = [said(Permission::Granted, Origin::Practice, None)];
        assert_eq!(consent(&list, Channel::Email), ConsentState::Unknown);
    }

    proptest! {
        #[test]
        fn order_never_matters_and_a_lone_no_of_any_origin_wins(
            mut list in prop::collection::vec((any::<bool>(), any::<bool>(), prop::option::of(1u32..28)), 0..6)
                .prop_map(|list| list.into_iter().map(|(yes, practice, day)| said(
                    if yes { Permission::Granted } else { Permission::Denied },
                    if practice { Origin::Practice } else { Origin::Sink }, day)).collect::<Vec<_>>())
        ) {
            let forward = consent(&list, Channel::Sms);
            list.reverse();
            prop_assert_eq!(forward, consent(&list, Channel::Sms));
            list.push(said(Permission::Denied, Origin::Sink, NaiveDate::from_ymd_opt(2027, 1, 1).map(|_| 28)));
            prop_assert_eq!(consent(&list, Channel::Sms), ConsentState::Denied);
        }
    }
}
