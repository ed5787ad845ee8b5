//! Rows to model. Pure: every oddity of the vendor, and of what staff type, ends
//! here.
//!
//! A read takes two passes, because no row says by itself whose it is:
//!
//! 1. Every row of people goes into a [`Gathering`](crate::identity::Gathering),
//!    which becomes [`People`](crate::identity::People). Where there is only a
//!    report of recalls, its rows are the rows of people. Every row of recalls
//!    then goes into [`Twins`], and every row of all tables into a
//!    [`Count`](crate::plausible::Count), which says whether the read may be used.
//! 2. [`Convert::patient`], [`Convert::recall`] and [`Convert::appointment`] make
//!    a change of each row. Rows of people of which there may be several of one
//!    person go through [`OnePerPerson`].
//!
//! What a row cannot say makes it `Unreadable`, with the field by its name in
//! settings and nothing of what stood in it.

mod appointment;
pub(crate) mod date;
mod email;
pub(crate) mod name;
mod patient;
mod phone;
pub(crate) mod privacy;
mod recall;

use chrono::NaiveDate;
use odx_core::model::{BadRecord, RecordKind};
use odx_core::source::Change;

#[allow(unused_imports, reason = "used by the source, which is being written")]
pub(crate) use self::{patient::OnePerPerson, recall::Twins};

use crate::table::{Field, Row};

/// Why a row cannot be read: which field, and what is wrong with it. Quotes
/// nothing of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) &'static str, pub(crate) &'static str);

/// A table of people that does not say who must not be contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no column of privacy requests, so nobody knows who must not be contacted: put it back into the \
     query or the template"
)]
pub(crate) struct NoPrivacy;

/// What came of a row of recalls or appointments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "changes are the most common, and short-lived"
)]
pub(crate) enum Made {
    /// A record, or that it cannot be read.
    Change(Change),
    /// Nothing, and that is as it should be. To be counted.
    LeftOut(LeftOut),
}

/// Why a row is no record of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeftOut {
    /// Continuing care that is no recall, by the office's settings.
    OtherType,
    /// Of somebody whom no row of people showed: archived, or outside of the view.
    UnknownPatient,
    /// Of a new patient who is not on file yet.
    NotOnFile,
}

/// How rows are read.
#[derive(Debug, Clone)]
pub(crate) struct Convert {
    today: NaiveDate,
    area_code: Option<String>,
    recall_types: Vec<String>,
}

impl Convert {
    /// On this day; numbers of seven digits are of this area, and only these
    /// types are recalls, or all.
    pub(crate) fn new(
        today: NaiveDate,
        area_code: Option<String>,
        recall_types: &[String],
    ) -> Self {
        let types = recall_types.iter().map(|one| one.trim().to_uppercase());
        Self {
            today,
            area_code,
            recall_types: types.filter(|one| !one.is_empty()).collect(),
        }
    }
}

/// The row is hashed, not kept, and without the server's clock: the hash of a
/// bad row must change only when the row does.
fn unreadable(kind: RecordKind, native: Option<&str>, fault: Fault, row: &Row) -> Change {
    let mut raw = Vec::new();
    for field in Field::ALL {
        if let Some(text) = row.get(*field).filter(|_| *field != Field::ServerTime) {
            raw.extend_from_slice(field.name().as_bytes());
            raw.push(0x1f);
            raw.extend_from_slice(text.as_bytes());
            raw.push(0x1e);
        }
    }
    let reason = format!("{} {}", fault.0, fault.1);
    Change::Unreadable(BadRecord::new(kind, native, reason, &raw))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
