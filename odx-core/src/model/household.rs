//! A household as the policy sees it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::id::HouseholdKey;
use crate::model::{
    Appointment, Channel, ConsentState, OptOut, Patient, Recall, Reminder, consent,
};

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

/// Who said stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopOrigin {
    /// A CRM: only it takes that back.
    Crm,
    /// A messaging provider, or its reports: its holder takes it back, or a
    /// person at the office with a reason.
    Gateway,
}

/// A stop that concerns one of a person's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Which channel.
    pub channel: Channel,
    /// Who said so.
    pub origin: StopOrigin,
    /// Why, in a word or two.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
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
    /// The noes that the practice keeps beside the patient. A gone one is left
    /// out: it denies nothing. One that cannot be read denies everything.
    pub opt_out: Option<OptOut>,
    /// What the practice itself has sent them of late, by key. Gone ones are left out.
    pub reminders: Vec<Reminder>,
    /// What the office's opt-outs say about their addresses, whichever CRM or
    /// gateway recorded them.
    pub blocked: Blocked,
    /// The same one by one.
    pub stops: Vec<Stop>,
}

impl Member {
    /// Whether this person may be reached by this channel, by all that anybody
    /// said: a stop in the CRM and an opt-out deny whatever else was said, and
    /// then the patient's own statements count.
    ///
    /// Status outranks consent and is not looked at here.
    pub fn consent(&self, channel: Channel) -> ConsentState {
        let stopped = match channel {
            Channel::Sms => self.blocked.sms,
            Channel::Email => self.blocked.email,
            Channel::Voice => self.blocked.voice,
        };
        let opted_out = self.opt_out.as_ref().is_some_and(|no| no.denies(channel));
        if stopped || opted_out {
            ConsentState::Denied
        } else {
            consent(&self.patient.record.consent, channel)
        }
    }
}

/// Everyone with one guarantor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseholdView {
    /// The guarantor's key.
    pub key: HouseholdKey,
    /// The members, by key.
    pub members: Vec<Member>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Origin, Permission, Statement};
    use crate::testkit;

    const CHANNELS: [Channel; 3] = [Channel::Sms, Channel::Email, Channel::Voice];

    fn statements() -> impl Strategy<Value = Vec<Statement>> {
        let one = (
            0..3_usize,
            any::<bool>(),
            any::<bool>(),
            prop::option::of(1..28_u32),
        );
        let said = |(channel, yes, practice, day): (usize, bool, bool, Option<u32>)| Statement {
            channel: CHANNELS[channel],
            permission: if yes {
                Permission::Granted
            } else {
                Permission::Denied
            },
            origin: if practice {
                Origin::Practice
            } else {
                Origin::Sink
            },
            on: day.and_then(|day| NaiveDate::from_ymd_opt(2026, 1, day)),
        };
        prop::collection::vec(one.prop_map(said), 0..6)
    }

    fn member(own: Vec<Statement>, opt_out: Option<Vec<Statement>>, blocked: Blocked) -> Member {
        let mut record = testkit::patient("1");
        record.consent = own;
        Member {
            opt_out: opt_out.map(|statements| OptOut {
                patient: record.key.clone(),
                statements,
            }),
            patient: Kept {
                record,
                gone: false,
                changed_on: NaiveDate::MIN,
            },
            recalls: Vec::new(),
            appointments: Vec::new(),
            reminders: Vec::new(),
            blocked,
            stops: Vec::new(),
        }
    }

    /// How far one may go: denied is the least.
    fn width(state: ConsentState) -> u8 {
        match state {
            ConsentState::Denied => 0,
            ConsentState::Unknown => 1,
            ConsentState::Granted => 2,
        }
    }

    #[test]
    fn s12_an_opt_out_without_a_day_beats_a_later_yes_of_the_same_practice() {
        let yes = Statement {
            channel: Channel::Sms,
            permission: Permission::Granted,
            origin: Origin::Practice,
            on: NaiveDate::from_ymd_opt(2026, 11, 20),
        };
        let no = testkit::opt_out("1", &[Channel::Sms]).statements;
        let both = [vec![yes.clone()], no.clone()].concat();
        // In one list the later word would count, and it is the yes.
        assert_eq!(consent(&both, Channel::Sms), ConsentState::Granted);
        let member = member(vec![yes], Some(no), Blocked::default());
        assert_eq!(member.consent(Channel::Sms), ConsentState::Denied);
        assert_eq!(member.consent(Channel::Email), ConsentState::Unknown);
    }

    proptest! {
        #[test]
        fn s12_an_opt_out_always_denies_and_never_grants(
            own in statements(),
            beside in statements(),
            stopped in any::<[bool; 3]>(),
        ) {
            let [sms, email, voice] = stopped;
            let blocked = Blocked { sms, email, voice };
            let without = member(own.clone(), None, blocked);
            let with = member(own, Some(beside.clone()), blocked);
            for (channel, stopped) in CHANNELS.into_iter().zip(stopped) {
                let no = |said: &Statement| {
                    said.channel == channel && said.permission == Permission::Denied
                };
                let (before, after) = (without.consent(channel), with.consent(channel));
                prop_assert!(width(after) <= width(before));
                if stopped || beside.iter().any(no) {
                    prop_assert_eq!(after, ConsentState::Denied);
                } else {
                    // A yes in an opt-out says nothing.
                    prop_assert_eq!(after, before);
                }
            }
        }

        #[test]
        fn s12_one_more_no_widens_nothing(
            own in statements(),
            beside in statements(),
            more in statements(),
        ) {
            let less = member(own.clone(), Some(beside.clone()), Blocked::default());
            let all = [beside, more].concat();
            let more = member(own, Some(all), Blocked::default());
            for channel in CHANNELS {
                prop_assert!(width(more.consent(channel)) <= width(less.consent(channel)));
            }
        }
    }

    #[test]
    fn an_opt_out_that_cannot_be_read_denies_every_channel() {
        let unread = OptOut::unread(crate::id::PatientKey::new("1"));
        for channel in CHANNELS {
            assert!(unread.denies(channel));
        }
    }
}
