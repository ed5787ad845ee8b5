//! Lines of the journal, spelled as Chairside spells them.

use serde::Deserialize;
use serde_json::Value;

/// The first line.
#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) journal: String,
}

/// Every other line. Without a row: it was deleted.
#[derive(Deserialize)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) row: Option<Value>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Patient,
    Recall,
}

#[derive(Deserialize)]
pub(crate) struct Patient {
    pub(crate) head: String,
    pub(crate) status: String,
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) born: Option<String>,
    pub(crate) mobile: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) texts: Option<bool>,
}

#[derive(Deserialize)]
pub(crate) struct Recall {
    pub(crate) patient: String,
    pub(crate) due: Option<String>,
    pub(crate) last: Option<String>,
    pub(crate) every: Option<String>,
    pub(crate) booked: Option<String>,
    pub(crate) off: bool,
}
