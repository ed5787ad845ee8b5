//! Whether a read may be believed. Pure.
//!
//! A view that somebody narrowed, a report of yesterday, a database that was
//! restored: each reads well and says that most patients are gone. Such a read is
//! held for a person, who looks and releases it.

use std::collections::{BTreeMap, VecDeque};

use chrono::{Datelike as _, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

use crate::convert::date;
use crate::table::{Field, Row, Table};

/// How many good reads are remembered of each table.
const REMEMBERED: usize = 7;
/// More unreadable dates than this in a hundred are no typing mistakes.
const BAD_DATES: u64 = 5;
/// A book that nobody has written in for longer than this is an old one.
const WORKING_DAYS: i64 = 3;

/// What was counted in one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    rows: u64,
    dates: u64,
    bad_dates: u64,
    newest: Option<NaiveDate>,
    header: String,
}

/// What one complete read is judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Count(BTreeMap<Table, Counted>);

impl Count {
    /// A table was read, with columns of this
    /// [`fingerprint`](crate::columns::fingerprint). To be said also of one
    /// without rows.
    pub(crate) fn table(&mut self, table: Table, header: impl Into<String>) {
        self.0.entry(table).or_default().header = header.into();
    }

    /// Counts a row.
    pub(crate) fn add(&mut self, table: Table, row: &Row, today: NaiveDate) {
        let counted = self.0.entry(table).or_default();
        counted.rows += 1;
        for field in Field::ALL {
            let (Some(century), Some(text)) = (date::century(*field), row.get(*field)) else {
                continue;
            };
            if *field == Field::Booked && text == "+" {
                continue;
            }
            counted.dates += 1;
            match date::date(text, century, today) {
                None => counted.bad_dates += 1,
                Some(day) if *field == Field::Changed => counted.newest = counted.newest.max(day),
                Some(_) => {}
            }
        }
    }

    #[cfg(test)]
    /// How many rows a table had.
    pub(crate) fn rows(&self, table: Table) -> u64 {
        self.0.get(&table).map_or(0, |counted| counted.rows)
    }
}

/// Why a read is held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Hold {
    /// Far fewer rows than usual.
    #[error(
        "{} has {rows} rows where {usual} are usual: look for a filter or a narrower view; release the read if it is right",
        table.name()
    )]
    Thin {
        /// Which table.
        table: Table,
        /// What there is.
        rows: u64,
        /// The median of the last good reads.
        usual: u64,
    },
    /// No rows.
    #[error(
        "{} has no rows: an empty database and an empty report look the same; release the read if there are none",
        table.name()
    )]
    Empty {
        /// Which table.
        table: Table,
    },
    /// Dates that cannot be read.
    #[error(
        "{bad} of {dates} dates of {} cannot be read: look at how they are written; release the read if the rest is right",
        table.name()
    )]
    Dates {
        /// Which table.
        table: Table,
        /// How many cannot be read.
        bad: u64,
        /// Of how many.
        dates: u64,
    },
    /// Nobody has written in the book for days.
    #[error(
        "the newest change of an appointment is of {newest}, more than {WORKING_DAYS} working days ago: look whether this \
         is an old copy; release the read if the office was closed"
    )]
    Stale {
        /// The newest change.
        newest: NaiveDate,
    },
}

/// What good reads have taught. Counts and digests: nothing of a patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Learned {
    /// Rows of the last good reads, the newest last.
    #[serde(default)]
    rows: BTreeMap<Table, VecDeque<u64>>,
    /// The columns of the last good read.
    #[serde(default)]
    headers: BTreeMap<Table, String>,
}

impl Learned {
    /// Why a read is held; nothing, where it may be used. A table is thin below
    /// this share of its usual rows.
    pub(crate) fn holds(&self, count: &Count, thin: f64, today: NaiveDate) -> Vec<Hold> {
        let mut holds = Vec::new();
        for (table, counted) in &count.0 {
            let (table, rows) = (*table, counted.rows);
            let known = self.rows.get(&table);
            if rows == 0 {
                // Released once, an empty table is what this office has.
                if known.and_then(VecDeque::back) != Some(&0) {
                    holds.push(Hold::Empty { table });
                }
            } else if let Some(usual) = known.and_then(median)
                && is_thin(rows, usual, thin)
            {
                holds.push(Hold::Thin { table, rows, usual });
            }
            let (bad, dates) = (counted.bad_dates, counted.dates);
            if bad.saturating_mul(100) > dates.saturating_mul(BAD_DATES) {
                holds.push(Hold::Dates { table, bad, dates });
            }
            if table == Table::Appointments
                && let Some(newest) = counted.newest
                && working_days(newest, today) > WORKING_DAYS
            {
                holds.push(Hold::Stale { newest });
            }
        }
        holds
    }

    /// Tables whose columns are not those of the last good read: worth a word,
    /// and no reason to hold, because columns are found by name.
    pub(crate) fn drifted(&self, count: &Count) -> Vec<Table> {
        let differs = |(table, counted): &(&Table, &Counted)| {
            let known = self.headers.get(table);
            known.is_some_and(|known| *known != counted.header)
        };
        let drifted = count.0.iter().filter(differs);
        drifted.map(|(table, _)| *table).collect()
    }

    /// What is known after a read that was used: one that was not held, or that
    /// a person released. A read that is held teaches nothing.
    #[must_use]
    pub(crate) fn taught(mut self, count: &Count) -> Self {
        for (table, counted) in &count.0 {
            let rows = self.rows.entry(*table).or_default();
            rows.push_back(counted.rows);
            while rows.len() > REMEMBERED {
                rows.pop_front();
            }
            self.headers.insert(*table, counted.header.clone());
        }
        self
    }
}

/// The middle one; of two in the middle the smaller.
fn median(rows: &VecDeque<u64>) -> Option<u64> {
    let mut sorted: Vec<u64> = rows.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "an office has far fewer rows than 2^52"
)]
fn is_thin(rows: u64, usual: u64, share: f64) -> bool {
    (rows as f64) < usual as f64 * share
}

/// Mondays to Fridays after one day, up to and with another. Holidays are not
/// known: an office that was closed says so by releasing the read.
fn working_days(from: NaiveDate, to: NaiveDate) -> i64 {
    let days = (to - from).num_days();
    if days <= 0 {
        return 0;
    }
    let (weeks, rest) = (days / 7, days % 7);
    let weekend = |day: &NaiveDate| matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let odd = from
        .iter_days()
        .skip(1)
        .take(usize::try_from(rest).unwrap_or(0));
    let working = odd.filter(|day| !weekend(day)).count();
    weeks * 5 + i64::try_from(working).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// A Monday.
    fn today() -> NaiveDate {
        day("2025-11-03")
    }

    fn count(table: Table, rows: u64) -> Count {
        let mut count = Count::default();
        count.table(table, "h");
        count.0.entry(table).or_default().rows = rows;
        count
    }

    fn after(rows: &[u64]) -> Learned {
        let teach = |learned: Learned, rows: &u64| learned.taught(&count(Table::Recalls, *rows));
        rows.iter().fold(Learned::default(), teach)
    }

    fn holds(learned: &Learned, rows: u64) -> Vec<Hold> {
        learned.holds(&count(Table::Recalls, rows), 0.6, today())
    }

    #[test]
    fn a_read_under_the_usual_share_is_held() {
        let learned = after(&[100, 100, 3, 100, 100]);
        let usual = 100;
        let table = Table::Recalls;
        assert_eq!(holds(&learned, 60), []);
        let rows = 59;
        assert_eq!(holds(&learned, rows), [Hold::Thin { table, rows, usual }]);
        assert_eq!(holds(&Learned::default(), 1), []);
    }

    #[test]
    fn no_rows_are_held_until_a_person_said_that_there_are_none() {
        let table = Table::Recalls;
        assert_eq!(holds(&Learned::default(), 0), [Hold::Empty { table }]);
        assert_eq!(holds(&after(&[100]), 0), [Hold::Empty { table }]);
        assert_eq!(holds(&after(&[100, 0]), 0), []);
    }

    #[test]
    fn more_than_five_unreadable_dates_in_a_hundred_are_held() {
        let fields: Arc<[Field]> = Arc::from([Field::DueDate, Field::Booked, Field::Chart]);
        let read = |bad: usize| {
            let mut count = Count::default();
            for place in 0..100 {
                let due = if place < bad { "13.2025" } else { "11/06/2025" };
                let cells = [Some(due), Some("+"), Some("x")];
                let row = Row::new(
                    Arc::clone(&fields),
                    cells.map(|c| c.map(str::to_owned)).to_vec(),
                );
                count.add(Table::Recalls, &row, today());
            }
            assert_eq!(count.rows(Table::Recalls), 100);
            Learned::default().holds(&count, 0.6, today())
        };
        assert_eq!(read(5), []);
        let held = read(6);
        assert!(matches!(
            held[..],
            [Hold::Dates {
                bad: 6,
                dates: 100,
                ..
            }]
        ));
        assert!(held[0].to_string().contains("release"));
    }

    #[test]
    fn an_old_book_is_held_and_a_weekend_does_not_age_it() {
        let fields: Arc<[Field]> = Arc::from([Field::Changed]);
        let read = |changed: &str| {
            let mut count = Count::default();
            let row = Row::new(Arc::clone(&fields), vec![Some(changed.to_owned())]);
            count.add(Table::Appointments, &row, today());
            Learned::default().holds(&count, 0.6, today())
        };
        // Thursday, Friday, Monday.
        assert_eq!(read("2025-10-29 17:44:03"), []);
        let newest = day("2025-10-28");
        assert_eq!(read("10/28/2025"), [Hold::Stale { newest }]);
        assert_eq!(read("2025-11-09"), []);
    }

    #[test]
    fn columns_that_moved_are_told_and_not_held() {
        let learned = after(&[10]);
        let mut moved = count(Table::Recalls, 10);
        assert_eq!(learned.drifted(&moved), []);
        moved.table(Table::Recalls, "other");
        assert_eq!(learned.drifted(&moved), [Table::Recalls]);
        assert_eq!(learned.holds(&moved, 0.6, today()), []);
        assert_eq!(Learned::default().drifted(&moved), []);
    }

    #[test]
    fn what_is_learned_stays_small_and_survives_being_written_down() {
        let learned = (0..1_000).fold(Learned::default(), |learned, rows| {
            let learned = learned.taught(&count(Table::Recalls, rows));
            learned.taught(&count(Table::Patients, rows))
        });
        let text = serde_json::to_string(&learned).unwrap();
        assert!(text.len() < 300, "{text}");
        assert_eq!(serde_json::from_str::<Learned>(&text).unwrap(), learned);
        assert_eq!(
            learned.rows[&Table::Recalls],
            (993..1_000).collect::<Vec<_>>()
        );
    }

    proptest! {
        #[test]
        fn working_days_are_those_of_a_calendar(start in 0u64..4_000, length in 0u64..60) {
            let from = day("2020-01-01") + chrono::Days::new(start);
            let to = from + chrono::Days::new(length);
            let slow = from.iter_days().skip(1).take_while(|day| *day <= to)
                .filter(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)).count();
            prop_assert_eq!(working_days(from, to), i64::try_from(slow).unwrap());
        }
    }
}
