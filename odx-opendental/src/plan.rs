//! Which way a pass takes, and why.
//!
//! Requests to a throttled office are counted like money, so each list is asked
//! for by the way that takes the fewest of them. The arithmetic is the vendor's
//! page sizes: a list of N rows takes N / page + 1 requests.

use odx_core::model::RecordKind;
use odx_core::source::{Plan, Route as Line};

use crate::cursor::{Feed, Route, Stage};
use crate::overlap::Overlap;

/// Rows of a query.
const QUERIED: u64 = 100;

/// Pages of so many rows make three lists cheaper than one joined query.
const LARGE: u64 = 1000;

/// What the office permits now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Queries may be sent.
    pub(crate) queries: bool,
    /// The office tells which appointments were deleted.
    pub(crate) history: bool,
    /// Rows per page of a list.
    pub(crate) page: u64,
    /// Whether what the office sent is read.
    pub(crate) reminders: Reminders,
    /// How far before the last pass to begin.
    pub(crate) overlap: Overlap,
}

/// Whether what the office sent is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reminders {
    /// Nobody asked for it.
    Off,
    /// The office has no list of it that can be asked for changes.
    TooOld,
    /// What was sent in the last so many days.
    Of(u16),
}

impl Terms {
    /// Where whole lists are read, by which way that takes fewer requests.
    pub(crate) fn route(&self, feed: &Feed) -> Route {
        if !self.queries {
            return Route::Lists;
        }
        let rows = [
            RecordKind::Patient,
            RecordKind::Recall,
            RecordKind::Appointment,
        ]
        .map(|kind| feed.rows(kind));
        let by_lists = if rows.contains(&0) {
            // Nothing is known yet: a few recalls and visits for each patient.
            self.page >= LARGE
        } else {
            let lists: u64 = rows.iter().map(|&rows| requests(rows, self.page)).sum();
            lists < requests(feed.rows(RecordKind::Patient), QUERIED)
        };
        if by_lists {
            Route::Both
        } else {
            Route::Queries
        }
    }
}

/// Requests for a list of so many rows.
const fn requests(rows: u64, page: u64) -> u64 {
    rows / if page == 0 { 1 } else { page } + 1
}

/// What the pass that `feed` stands in will ask for, and why that way. `closed`
/// says why queries may not be sent.
pub(crate) fn plan(feed: &Feed, terms: &Terms, closed: &str) -> Plan {
    let full = |kind| {
        let rows = feed.rows(kind);
        (rows > 0).then(|| requests(rows, terms.page))
    };
    let changes = feed.lists_changes();
    let lines = feed.ahead().iter().filter_map(|stage| {
        Some(match stage {
            Stage::Joined => Line::new(
                "patients, recalls, visits, opt-outs",
                "one joined query for each 100 patients",
                Some(feed.rows(RecordKind::Patient))
                    .filter(|&rows| rows > 0)
                    .map(|rows| requests(rows, QUERIED)),
                "the key has ApiQueries: a query takes the place of three lists",
            ),
            Stage::Patients if changes => Line::new(
                "patients",
                "list of changes",
                Some(1),
                "patients/Simple can be asked for rows stamped since the last pass",
            ),
            Stage::Patients => Line::new("patients", "whole list", full(RecordKind::Patient), closed),
            Stage::Appointments if changes || feed.route() == Route::Queries => Line::new(
                "appointments",
                "list of changes",
                Some(1),
                "appointments can be asked for rows stamped since the last pass",
            ),
            Stage::Appointments => Line::new(
                "appointments",
                "whole list",
                full(RecordKind::Appointment),
                closed,
            ),
            Stage::Deleted if terms.history => Line::new(
                "deleted appointments",
                "histappointments",
                Some(1),
                closed,
            ),
            Stage::Deleted => Line::new(
                "deleted appointments",
                "noticed by full listings only",
                Some(0),
                "histappointments needs version 23.1.30: update the office",
            ),
            Stage::News => Line::new(
                "deletions, merges, opt-outs",
                "one query",
                Some(1),
                "none of these is in any list",
            ),
            Stage::RecallsChanged => Line::new(
                "recalls",
                "query of changes",
                Some(1),
                "the list of recalls has no filter for changes, the table has a stamp",
            ),
            Stage::Recalls if !changes => {
                Line::new("recalls", "whole list", full(RecordKind::Recall), closed)
            }
            Stage::Touched if !terms.queries => Line::new(
                "recalls",
                "of each patient who was changed, else the whole list",
                None,
                format!(
                    "{closed}; one request for each patient, up to {}, which is what the whole list takes",
                    requests(feed.rows(RecordKind::Recall), terms.page)
                ),
            ),
            Stage::Signals => Line::new(
                "names of recall types, statuses, providers",
                "signalods",
                Some(1),
                "they are read again only when the office says that they changed",
            ),
            Stage::Reminders => match terms.reminders {
                Reminders::Off => return None,
                Reminders::TooOld => Line::new(
                    "reminders that the office sent",
                    "not read",
                    Some(0),
                    "commlogs of all patients need version 25.1.13: update the office",
                ),
                Reminders::Of(days) => Line::new(
                    "reminders that the office sent",
                    "list of changes",
                    Some(1),
                    format!(
                        "commlogs can be asked for rows stamped since the last pass; those of the last {days} days \
                         are kept, without their notes"
                    ),
                ),
            },
            Stage::Recalls | Stage::Touched | Stage::OptOuts | Stage::Again => return None,
        })
    });
    Plan::new(lines.collect())
}
