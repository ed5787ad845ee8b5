//! Whether an office still has something new, as practices know it. Pure.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc, Weekday};
use serde::{Deserialize, Serialize};

use crate::health::Activity;
use crate::office::Office;

/// So many failures in a row, and the link itself is what fails.
pub const FAILING: u32 = 5;

/// How fresh an office is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// The first import has not begun.
    Scheduled,
    /// The first import is under way.
    Importing,
    /// Something was new within two days.
    Active,
    /// Nothing was for more than two days.
    Inactive,
    /// Nothing was for more than two weeks.
    Stalled,
    /// The practice cannot be read, whatever was new before.
    Failing,
}

impl Freshness {
    /// As it stands in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Importing => "importing",
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Stalled => "stalled",
            Self::Failing => "failing",
        }
    }
}

/// How far the first import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sync {
    /// It has not begun.
    Scheduled,
    /// It is under way.
    Running,
    /// It has come to its end.
    Done,
}

/// What freshness is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The first import.
    pub initial: Sync,
    /// When it ended. The clock starts then where nothing was new since.
    pub initial_done_at: Option<DateTime<Utc>>,
    /// When something was last new.
    pub last_change: Option<DateTime<Utc>>,
    /// Failures in a row.
    pub failures: u32,
}

impl Seen {
    /// How fresh that is. Bounds are strict: exactly two days is still active. A
    /// practice whose clock is ahead of ours is never stale for it.
    pub fn freshness(&self, now: DateTime<Utc>) -> Freshness {
        if self.failures >= FAILING {
            return Freshness::Failing;
        }
        match self.initial {
            Sync::Scheduled => return Freshness::Scheduled,
            Sync::Running => return Freshness::Importing,
            Sync::Done => {}
        }
        // A practice that never had anything, and nobody knows since when: as long as anybody can know.
        let since = self.last_change.or(self.initial_done_at).unwrap_or(now);
        match Activity::after(now - since) {
            Activity::Active => Freshness::Active,
            Activity::Inactive => Freshness::Inactive,
            Activity::Stalled => Freshness::Stalled,
        }
    }
}

/// That reading fails, as the state keeps it for whoever asks from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Failures in a row. 0: it works.
    pub failures: u32,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
    /// What, and the remedy.
    pub what: Option<String>,
}

impl Trouble {
    pub(crate) const KEPT: &'static str = "reading";
}

/// When an office is closed: days on which nothing new is nothing wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    weekdays: BTreeSet<u8>,
    dates: BTreeSet<NaiveDate>,
}

impl Closed {
    /// These days of each week, and these days.
    pub fn new(
        weekdays: impl IntoIterator<Item = Weekday>,
        dates: impl IntoIterator<Item = NaiveDate>,
    ) -> Self {
        let number = |day: Weekday| u8::try_from(day.num_days_from_monday()).unwrap_or(u8::MAX);
        Self {
            weekdays: weekdays.into_iter().map(number).collect(),
            dates: dates.into_iter().collect(),
        }
    }

    /// Whether the office is closed on a day.
    pub fn on(&self, day: NaiveDate) -> bool {
        let number = u8::try_from(day.weekday().num_days_from_monday()).unwrap_or(u8::MAX);
        self.weekdays.contains(&number) || self.dates.contains(&day)
    }

    /// Whether it is right that nothing was new for so long: without the days on
    /// which the office was closed it is no more than two.
    pub fn explains(&self, since: DateTime<Utc>, now: DateTime<Utc>, office: &Office) -> bool {
        let mut open = TimeDelta::zero();
        let days = office.today(since).iter_days();
        for day in days.take_while(|day| *day <= office.today(now)) {
            let next = day.succ_opt().unwrap_or(day);
            let from = office.midnight(day).max(since);
            let until = office.midnight(next).min(now);
            if !self.on(day) {
                open += (until - from).max(TimeDelta::zero());
            }
            if Activity::after(open) != Activity::Active {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::OfficeId;

    #[derive(Deserialize)]
    struct Vectors {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        last_change_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
        consecutive_failures: u32,
        initial_sync: Sync,
        initial_done_at: Option<DateTime<Utc>>,
        expect: Freshness,
    }

    #[test]
    fn every_case_of_the_vector_is_as_it_says() {
        let text = include_str!("../../tests/fixtures/sync_status.json");
        let vectors: Vectors = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.cases.len(), 12);
        for case in vectors.cases {
            let seen = Seen {
                initial: case.initial_sync,
                initial_done_at: case.initial_done_at,
                last_change: case.last_change_at,
                failures: case.consecutive_failures,
            };
            assert_eq!(seen.freshness(case.now), case.expect, "{seen:?}");
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_closed_weekend_explains_a_quiet_one_and_an_open_week_does_not() {
        let office = Office::new(
            OfficeId::new("main").unwrap(),
            "Main",
            chrono_tz::America::New_York,
        );
        // Friday evening to Tuesday morning, with a holiday on Monday.
        let (friday, tuesday) = (at("2026-11-20T22:00:00Z"), at("2026-11-24T14:00:00Z"));
        let weekend = Closed::new([Weekday::Sat, Weekday::Sun], []);
        let monday = "2026-11-23".parse().unwrap();
        let holiday = Closed::new([Weekday::Sat, Weekday::Sun], [monday]);
        assert!(holiday.explains(friday, tuesday, &office));
        assert!(weekend.explains(friday, tuesday, &office));
        assert!(!Closed::default().explains(friday, tuesday, &office));
        let friday_after = at("2026-11-27T22:00:00Z");
        assert!(!holiday.explains(friday, friday_after, &office));
        // A clock that is ahead explains itself.
        assert!(Closed::default().explains(tuesday, friday, &office));
    }
}
