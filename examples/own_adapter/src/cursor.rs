//! Where the feed stands: which journal, and how many bytes of it are read.

use odx_core::source::Cursor;
use odx_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

pub(crate) const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) v: u32,
    pub(crate) journal: String,
    pub(crate) at: usize,
}

impl Place {
    /// Whatever is not ours, of another version or not in this journal starts
    /// the feed over.
    pub(crate) fn read(cursor: &Cursor, journal: &str, length: usize) -> Result<Self> {
        serde_json::from_str(cursor.as_str())
            .ok()
            .filter(|place: &Self| {
                place.v == VERSION && place.journal == journal && place.at <= length
            })
            .ok_or_else(|| Error::new(ErrorKind::CursorExpired, "no position in this journal"))
    }

    pub(crate) fn write(&self) -> Result<Cursor> {
        serde_json::to_string(self)
            .map(Cursor::new)
            .map_err(|cause| Error::new(ErrorKind::Bug, "writing a cursor").with_cause(cause))
    }
}
