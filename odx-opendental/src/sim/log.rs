//! What was asked, and how it was answered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::NaiveDateTime;

use super::faults::Fault;
use super::modes::Mode;

/// One request. Header values are never kept; query values are, and may hold names.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestLog {
    /// Counts from 0 since the start or the last `clear_requests`.
    pub index: usize,
    /// The mode of the server that was asked.
    pub mode: Mode,
    /// HTTP method.
    pub method: String,
    /// Path after `/api/v1`.
    pub path: String,
    /// Decoded query pairs, as sent.
    pub query: Vec<(String, String)>,
    /// The statement of a `ShortQuery`, as sent.
    pub sql: Option<String>,
    /// Office wall clock on arrival.
    pub at: NaiveDateTime,
    /// Status answered; 0 until answered and for a reset connection.
    pub status: u16,
    /// Rows answered.
    pub rows: usize,
    /// The planned fault that hit it.
    pub fault: Option<Fault>,
}

// Query values may be names or birth dates.
impl std::fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.query.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("RequestLog")
            .field("index", &self.index)
            .field("mode", &self.mode)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &names)
            .field("at", &self.at)
            .field("status", &self.status)
            .field("rows", &self.rows)
            .field("fault", &self.fault)
            .finish()
    }
}

impl RequestLog {
    /// The value of a query parameter, spelled exactly.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct Entries {
    /// Bumped by `clear`, so that a late answer does not land in a new log.
    epoch: u64,
    all: Vec<RequestLog>,
}

/// The log of an office.
#[derive(Default)]
pub(crate) struct Log {
    entries: Mutex<Entries>,
}

impl Log {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request; returns it with its index, and the ticket to finish it.
    pub(crate) fn begin(&self, mut entry: RequestLog) -> (RequestLog, u64) {
        let mut entries = self.entries();
        entry.index = entries.all.len();
        entries.all.push(entry.clone());
        (entry, entries.epoch)
    }

    pub(crate) fn finish(
        &self,
        ticket: u64,
        index: usize,
        status: u16,
        rows: usize,
        fault: Option<Fault>,
    ) {
        let mut entries = self.entries();
        if entries.epoch != ticket {
            return;
        }
        if let Some(entry) = entries.all.get_mut(index) {
            entry.status = status;
            entry.rows = rows;
            entry.fault = fault;
        }
    }

    pub(crate) fn all(&self) -> Vec<RequestLog> {
        self.entries().all.clone()
    }

    pub(crate) fn clear(&self) {
        let mut entries = self.entries();
        entries.epoch += 1;
        entries.all.clear();
    }
}
