//! Rows of `PUT /queries/ShortQuery`: raw values of the tables, turned into the
//! rows that the lists print. From there on both take the same way, so a record
//! is the same whichever route it came by.
//!
//! | raw | as a list prints it |
//! |---|---|
//! | a number of an enumeration | its word; a number that is not known is unreadable, never guessed |
//! | `393217`: years, months, weeks and days in a byte each | `6m1d` |
//! | `2021-05-01T00:00:00` | the date; `0001-01-01T00:00:00` is none |
//! | 0 and 1, also as text, true and false | a flag |
//! | several rows packed into one column | rows; see [`crate::query`] |
//!
//! Nothing must be loaded for them beyond what the lists need: the names of
//! categories 2 and 13 and of recall types. The billing type comes by name.

#![allow(
    unreachable_pub,
    unused_imports,
    reason = "seen from outside with the feature `sim` only"
)]

mod news;
mod opt_out;
mod pack;
mod patient;
mod visit;
mod words;

use chrono::NaiveDateTime;
use odx_core::source::Change;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::convert;
use crate::error::Cause;
use crate::query::PAGE;
use crate::reference::Reference;
use crate::wire::{Int, Text};

pub use news::{Item, NewsPage, State, news};
pub use opt_out::{OptOut, OptOutPage, opt_outs};
pub use patient::JoinedPage;
pub(crate) use patient::patients;
use visit::recall;

/// How long a page is, and how far it goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Its rows, unreadable ones included.
    pub rows: usize,
    /// The greatest key in it.
    pub last: Option<i64>,
}

impl Extent {
    fn of(rows: &[&RawValue], key: fn(&Key) -> Int) -> Self {
        let keys = rows.iter().filter_map(|raw| {
            let row: Key = serde_json::from_str(raw.get()).ok()?;
            key(&row).get().filter(|&key| key != 0)
        });
        Self {
            rows: rows.len(),
            last: keys.max(),
        }
    }

    /// Where the next page begins, when this one began after `after`. None: the
    /// list ends here. A page may be longer than was asked for, and is full then.
    ///
    /// # Errors
    /// [`Cause::Repeats`] for a full page that leads nowhere.
    pub(crate) fn next(self, after: i64, what: &'static str) -> Result<Option<i64>, Cause> {
        if self.rows < PAGE {
            return Ok(None);
        }
        self.last
            .filter(|&last| last > after)
            .map(Some)
            .ok_or(Cause::Repeats { what })
    }
}

/// What paging needs of a row, whatever else is wrong with it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Key {
    pat_num: Int,
    recall_num: Int,
}

impl Key {
    fn patient(raw: &RawValue) -> Option<i64> {
        let row: Self = serde_json::from_str(raw.get()).ok()?;
        row.pat_num.get().filter(|&key| key != 0)
    }
}

/// A page of `Query::Recalls`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecallPage {
    /// One for each row.
    pub changes: Vec<Change>,
    /// How far it goes.
    pub extent: Extent,
    /// The office's clock, unless the page is empty.
    pub clock: Option<NaiveDateTime>,
}

/// Reads `Query::Recalls`.
pub(crate) fn recalls(rows: &[&RawValue], reference: &Reference) -> RecallPage {
    RecallPage {
        changes: convert::changes(rows, reference, recall),
        extent: Extent::of(rows, |row| row.recall_num),
        clock: clock(rows),
    }
}

/// The office's clock and how many seconds it is ahead of UTC, as `Query::Clock`
/// tells them.
pub(crate) fn office_clock(rows: &[&RawValue]) -> Option<(NaiveDateTime, i32)> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase", default)]
    struct Row {
        utc_offset: Option<Int>,
    }
    let row: Row = serde_json::from_str(rows.first()?.get()).ok()?;
    Some((clock(rows)?, offset(row.utc_offset?)?))
}

/// The zones `Query::Zone` found, as the office spelled them.
pub(crate) fn zones(rows: &[&RawValue]) -> Vec<String> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase", default)]
    struct Row<'a> {
        #[serde(borrow)]
        time_zone: Text<'a>,
    }
    let zones = rows.iter().filter_map(|raw| {
        let row: Row<'_> = serde_json::from_str(raw.get()).ok()?;
        Some(row.time_zone.into_owned()).filter(|zone| !zone.is_empty())
    });
    zones.collect()
}

fn clock(rows: &[&RawValue]) -> Option<NaiveDateTime> {
    rows.iter().find_map(|raw| convert::server_clock(raw))
}

/// Seconds ahead of UTC. No zone is a day away.
fn offset(seconds: Int) -> Option<i32> {
    let seconds = i32::try_from(seconds.get()?).ok()?;
    (seconds.abs() < 86_400).then_some(seconds)
}

#[cfg(test)]
mod tests;
