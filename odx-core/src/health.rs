//! Whether a practice is still heard of, as practices know it: active, inactive
//! after more than 2 days without anything new, stalled after more than 2 weeks. And whether it is
//! silent: reading itself has stopped. Pure: no clock, no store.
//!
//! A day on which the practice is closed is a quiet day like any other, so an
//! office can be inactive after a long weekend and nothing is wrong. Silence is
//! never right.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::failpoint::broken;
use crate::model::RecordKind;
use crate::store::LastSeen;

const INACTIVE: TimeDelta = TimeDelta::days(2);
const STALLED: TimeDelta = TimeDelta::days(14);
/// So many intervals without a success are an alarm.
const MISSED: i32 = 2;
/// Less than this is no silence, however short the interval.
const LEAST: TimeDelta = TimeDelta::seconds(1);

/// How long ago the practice had something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Two days ago at the most.
    Active,
    /// More than two days ago.
    Inactive,
    /// More than two weeks ago.
    Stalled,
}

impl Activity {
    /// After so long without anything new. What lies ahead, by a clock that is
    /// ahead of ours, is new.
    pub fn after(quiet: TimeDelta) -> Self {
        if quiet > STALLED {
            Self::Stalled
        } else if quiet > INACTIVE {
            Self::Inactive
        } else {
            Self::Active
        }
    }
}

/// What is measured against.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Since when somebody listens. Counts where the practice was never heard.
    pub since: DateTime<Utc>,
    /// From one pass to the next.
    pub poll: Duration,
    /// From one complete listing to the next.
    pub sweep: Duration,
}

/// A kind of record, and when it was last listed whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The kind.
    pub kind: RecordKind,
    /// When.
    pub at: DateTime<Utc>,
    /// Two listings or more are missing.
    pub late: bool,
}

/// How a source stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Whether the practice has something new now and then.
    pub activity: Activity,
    /// No pass has ended well for two intervals, and none is under way that
    /// still brings pages.
    pub silent: bool,
    /// When a pass last ended well.
    pub last_success: Option<DateTime<Utc>>,
    /// When the practice last had something new.
    pub last_change: Option<DateTime<Utc>>,
    /// Kinds that were ever listed whole.
    pub listed: Vec<Listing>,
}

/// What a person should be told, once when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Alarm {
    /// Reading has stopped.
    Silent,
    /// A kind of record is not listed whole any more.
    Unlisted(RecordKind),
}

fn times(n: i32, interval: Duration) -> TimeDelta {
    TimeDelta::from_std(interval)
        .ok()
        .and_then(|interval| interval.checked_mul(n))
        .unwrap_or(TimeDelta::MAX)
}

impl Expected {
    /// When silence begins, or began, if nothing is heard from now on.
    pub fn silent_at(&self, now: DateTime<Utc>, seen: &LastSeen) -> DateTime<Utc> {
        // A clock that was put back leaves times that are still to come: they prove nothing.
        let past = |at: Option<DateTime<Utc>>| at.filter(|at| *at <= now).unwrap_or(self.since);
        let (success, page) = (past(seen.success), past(seen.page));
        let patience = times(MISSED, self.poll).max(LEAST);
        let later = |at: DateTime<Utc>, by| {
            at.checked_add_signed(by)
                .unwrap_or(DateTime::<Utc>::MAX_UTC)
        };
        let heard = success.max(page);
        // A long pass is no silence while it brings pages. One that takes longer than the time between two complete
        // listings never ends.
        let longest = later(success.max(self.since), patience.max(times(1, self.sweep)));
        later(heard, patience).min(longest)
    }

    /// How the source stands.
    pub fn health(&self, now: DateTime<Utc>, seen: &LastSeen) -> Health {
        let quiet = now - seen.change.unwrap_or(self.since);
        let late = times(MISSED, self.sweep).max(LEAST);
        Health {
            activity: Activity::after(quiet),
            silent: now >= self.silent_at(now, seen) && !broken("broken.health"),
            last_success: seen.success,
            last_change: seen.change,
            listed: seen
                .listed
                .iter()
                .map(|(kind, at)| Listing {
                    kind: *kind,
                    at: *at,
                    late: now - at >= late,
                })
                .collect(),
        }
    }
}

fn minute(at: DateTime<Utc>) -> impl std::fmt::Display {
    at.format("%Y-%m-%d %H:%M UTC")
}

impl Health {
    /// What a person should be told of now. Where nothing is read at all, the
    /// listings that are missing too are no news.
    pub fn alarms(&self) -> Vec<Alarm> {
        if self.silent {
            return vec![Alarm::Silent];
        }
        let late = self.listed.iter().filter(|listing| listing.late);
        late.map(|listing| Alarm::Unlisted(listing.kind)).collect()
    }

    /// An alarm in words: since when, and the remedy. The words stay the same
    /// for as long as it lasts.
    pub fn sentence(&self, alarm: Alarm) -> String {
        match alarm {
            Alarm::Silent => {
                let since = match self.last_success {
                    Some(at) => format!("since {}", minute(at)),
                    None => "so far".to_owned(),
                };
                format!(
                    "the practice is silent: nothing was read to its end {since}; see that its server and the service \
                     on it are running, that the way to them is open and that the keys are valid"
                )
            }
            Alarm::Unlisted(kind) => {
                let mut listed = self.listed.iter();
                let since = listed
                    .find(|listing| listing.kind == kind)
                    .map_or_else(String::new, |listing| {
                        format!(" since {}", minute(listing.at))
                    });
                format!(
                    "the practice's {} were not listed whole{since}: what is removed there stays in the crm; see that \
                     the key may still read all of them",
                    kind.plural()
                )
            }
        }
    }

    /// A practice with nothing new, in words.
    pub fn quiet(&self) -> Option<String> {
        let since = match self.last_change {
            Some(at) => format!("since {}", minute(at)),
            None => "so far".to_owned(),
        };
        match self.activity {
            Activity::Active => None,
            Activity::Inactive => Some(format!(
                "inactive: the practice had nothing new {since}; that is right if it was closed, else see that odx \
                 reads the database its staff work in"
            )),
            Activity::Stalled => Some(format!(
                "stalled: the practice had nothing new {since}; see that odx reads the database its staff work in, \
                 and no copy or old server"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    const DAY: i64 = 24 * 60;

    /// A pass each 15 minutes, a listing each day; listened since `since`.
    fn expected(since: i64) -> Expected {
        Expected {
            since: at(since),
            poll: Duration::from_secs(15 * 60),
            sweep: Duration::from_secs(24 * 3600),
        }
    }

    fn read(success: i64) -> LastSeen {
        LastSeen {
            page: Some(at(success)),
            success: Some(at(success)),
            change: Some(at(success)),
            ..LastSeen::default()
        }
    }

    #[test]
    fn d15_a_practice_is_inactive_after_two_days_and_stalled_after_two_weeks() {
        let seen = read(0);
        for (now, activity, words) in [
            (0, Activity::Active, None),
            (2 * DAY, Activity::Active, None),
            (
                2 * DAY + 1,
                Activity::Inactive,
                Some("right if it was closed"),
            ),
            (14 * DAY, Activity::Inactive, Some("1970-01-01 00:00")),
            (
                14 * DAY + 1,
                Activity::Stalled,
                Some("no copy or old server"),
            ),
            (1000 * DAY, Activity::Stalled, Some("1970-01-01 00:00")),
        ] {
            let health = expected(0).health(at(now), &seen);
            assert_eq!(health.activity, activity, "{now}");
            let said = health.quiet();
            match words {
                None => assert_eq!(said, None),
                Some(words) => assert!(said.unwrap().contains(words), "{now}"),
            }
        }
        // Nothing new is no silence.
        let mut seen = read(30 * DAY);
        seen.change = Some(at(0));
        let health = expected(0).health(at(30 * DAY), &seen);
        assert_eq!((health.activity, health.silent), (Activity::Stalled, false));
    }

    #[test]
    fn d15_a_source_is_silent_two_intervals_after_its_last_success() {
        for (success, now, silent) in [
            (0, 29, false),
            (0, 30, true),
            (0, 9999, true),
            (40, 50, false),
        ] {
            let health = expected(0).health(at(now), &read(success));
            assert_eq!(health.silent, silent, "{success} {now}");
            assert_eq!(health.alarms().contains(&Alarm::Silent), silent);
        }
        let said = expected(0).health(at(90), &read(0)).sentence(Alarm::Silent);
        assert!(
            said.contains("since 1970-01-01 00:00 UTC; see that its server"),
            "{said}"
        );
    }

    #[test]
    fn d15_a_source_that_was_never_read_is_silent_two_intervals_after_somebody_listens() {
        let never = LastSeen::default();
        assert!(!expected(100).health(at(129), &never).silent);
        let health = expected(100).health(at(130), &never);
        assert!(health.silent);
        assert!(health.sentence(Alarm::Silent).contains("so far; see that"));
    }

    #[test]
    fn d15_a_long_pass_is_no_silence_while_it_brings_pages_for_a_day_at_most() {
        let mut seen = LastSeen::default();
        for now in (0..DAY).step_by(29) {
            assert!(!expected(0).health(at(now), &seen).silent, "{now}");
            seen.page = Some(at(now));
        }
        seen.page = Some(at(DAY));
        assert!(
            expected(0).health(at(DAY), &seen).silent,
            "a pass without an end"
        );
        // It stood still in the middle.
        seen.page = Some(at(100));
        assert!(!expected(0).health(at(129), &seen).silent);
        assert!(expected(0).health(at(130), &seen).silent);
        // The first pass after a week in which nobody listened.
        let mut seen = read(0);
        seen.page = Some(at(7 * DAY + 60));
        assert!(!expected(7 * DAY).health(at(7 * DAY + 80), &seen).silent);
    }

    #[test]
    fn d15_a_clock_that_was_put_back_hides_no_silence() {
        let health = expected(0).health(at(45), &read(5 * DAY));
        assert!(health.silent, "a success that is still to come is none");
    }

    #[test]
    fn d15_a_kind_that_misses_two_listings_is_told_by_name_unless_all_is_silent() {
        let mut seen = read(2 * DAY);
        seen.listed = [(RecordKind::Patient, at(DAY)), (RecordKind::Recall, at(0))].into();
        let health = expected(0).health(at(2 * DAY), &seen);
        assert_eq!(health.alarms(), [Alarm::Unlisted(RecordKind::Recall)]);
        let said = health.sentence(Alarm::Unlisted(RecordKind::Recall));
        assert!(
            said.contains("recalls were not listed whole since 1970-01-01 00:00 UTC"),
            "{said}"
        );
        assert!(said.contains("see that the key"), "{said}");
        let health = expected(0).health(at(2 * DAY + 30), &seen);
        assert_eq!(health.alarms(), [Alarm::Silent]);
    }

    #[test]
    fn d15_a_kind_that_is_never_listed_is_no_alarm() {
        let mut seen = read(2 * DAY);
        let listed = [
            RecordKind::Patient,
            RecordKind::Recall,
            RecordKind::Appointment,
        ];
        seen.listed = listed.map(|kind| (kind, at(2 * DAY))).into();
        let health = expected(0).health(at(2 * DAY), &seen);
        assert_eq!(health.alarms(), []);
        assert_eq!(seen.swept_at(), Some(at(2 * DAY)));
    }

    #[test]
    fn d15_any_interval_and_any_time_is_judged() {
        for poll in [Duration::ZERO, Duration::MAX] {
            let expected = Expected {
                since: at(0),
                poll,
                sweep: poll,
            };
            for seen in [LastSeen::default(), read(0)] {
                for now in [DateTime::<Utc>::MIN_UTC, at(0), DateTime::<Utc>::MAX_UTC] {
                    let health = expected.health(now, &seen);
                    // The shortest interval is no alarm in the moment of a success.
                    assert!(!health.silent || now != at(0));
                }
            }
        }
    }
}
