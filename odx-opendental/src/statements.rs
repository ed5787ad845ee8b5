//! The statements and their readers with plain arguments, for tests against a
//! real database (feature `sim`).

use std::sync::Arc;

use odx_core::source::Change;
use serde_json::value::RawValue;

pub use crate::query::{Keys, NewsMark, PAGE, Part, Query};
pub use crate::raw::{
    Extent, Item, JoinedPage, NewsPage, OptOut, OptOutPage, RecallPage, State, news, opt_outs,
};
use crate::reference::Reference;
use crate::{convert, raw, wire};

/// The rows of an answer.
pub fn rows(body: &[u8]) -> Option<Vec<&RawValue>> {
    wire::rows(body)
}

/// Reads `Query::Patients` and `Query::PatientsOf`, without names of other lists.
pub fn patients(rows: &[&RawValue]) -> JoinedPage {
    raw::patients(rows, &Reference::default())
}

/// Reads `Query::Recalls`, without names of other lists.
pub fn recalls(rows: &[&RawValue]) -> RecallPage {
    raw::recalls(rows, &Reference::default())
}

/// Reads `Query::Clock`.
pub fn office_clock(rows: &[&RawValue]) -> Option<(chrono::NaiveDateTime, i32)> {
    raw::office_clock(rows)
}

/// Reads `Query::Zone`.
pub fn zones(rows: &[&RawValue]) -> Vec<String> {
    raw::zones(rows)
}

/// Reads a row of the patients' list, without names of other lists.
pub fn listed_patient(row: &RawValue) -> Change {
    convert::patient(row, &Reference::default())
}

/// Reads a row of the recalls' list, without names of other lists.
pub fn listed_recall(row: &RawValue) -> Change {
    convert::recall(row, &Reference::default())
}

/// Reads a row of the appointments' list, without names of other lists but with
/// the office's abbreviations of the codes of missed visits.
pub fn listed_appointment(row: &RawValue, missed: &[String]) -> Change {
    let reference = Arc::new(Reference::default()).knowing(missed);
    convert::appointment(row, &reference)
}
