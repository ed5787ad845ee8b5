//! What this process has learned of the office, and when it looks again.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use odx_core::LedgerHash;

use crate::overlap::{Overlap, keeps_to};
use crate::plan::{Reminders, Terms};
use crate::reference::Reference;
use crate::version::Version;

/// The first version with `/histappointments`. Asking an older one is not only
/// in vain: if its 400 is worded in a way nobody knows, it reads as "offline".
pub(super) const HISTORY: Version = Version(23, 1, 30);
/// The first version with `/queries/ShortQuery`.
pub(super) const QUERIES: Version = Version(21, 2, 0);

/// The first version with a list of all comm logs that can be asked for changes.
pub(super) const REMINDERS: Version = Version(25, 1, 13);

/// An office that updates or buys a permission is found out within so long,
const RECHECK: TimeDelta = TimeDelta::hours(1);
/// or after so many passes, whichever is sooner.
const RECHECK_PASSES: u32 = 12;

/// So many queries in a row must fail before lists are read instead.
const FAILURES: u8 = 3;

/// Rows remembered from one pass to the next, at most.
const REMEMBERED: usize = 20_000;

/// How the overlap between two passes is chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverlapChoice {
    /// Set by hand.
    pub(crate) fixed: Option<TimeDelta>,
    /// The office's zone.
    pub(crate) zone: Option<Tz>,
}

#[derive(Debug)]
pub(super) struct Office {
    overlap: OverlapChoice,
    /// For how many days what the office sent is read. None: not at all.
    reminders: Option<u16>,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    reference: Option<Arc<Reference>>,
    /// Since when queries are not sent although the key may, and why.
    closed: Option<(DateTime<Utc>, String)>,
    /// How the office abbreviates the codes of missed and cancelled visits.
    missed: Vec<String>,
    /// Queries in a row that brought no answer.
    failures: u8,
    /// Whether the office's clock has been seen to keep to its zone. None: it was
    /// not looked at yet.
    in_zone: Option<bool>,
    checked: Option<DateTime<Utc>>,
    passes: u32,
    /// Rows that the last pass showed as changed, and those that this one does.
    shown: [HashSet<LedgerHash>; 2],
}

impl Office {
    pub(super) fn new(overlap: OverlapChoice) -> Self {
        Self {
            overlap,
            reminders: None,
            notes: Mutex::default(),
        }
    }

    pub(super) const fn read_reminders(&mut self, days: Option<u16>) {
        self.reminders = days;
    }

    /// Somebody asked for what the office sent.
    pub(super) const fn reads_reminders(&self) -> bool {
        self.reminders.is_some()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reference(&self) -> Option<Arc<Reference>> {
        self.notes().reference.clone()
    }

    /// Kept only when a page was read with it: while the office is off, nothing
    /// is learned that should last.
    pub(super) fn keep(&self, reference: &Arc<Reference>) {
        self.notes().reference = Some(Arc::clone(reference));
    }

    /// What a feed knows of the codes of missed visits is known from now on.
    pub(super) fn knows(&self, missed: &[String]) {
        let mut notes = self.notes();
        if notes.missed != missed {
            notes.missed = missed.to_vec();
        }
    }

    /// How the office abbreviates the codes of missed and cancelled visits.
    pub(super) fn missed(&self) -> Vec<String> {
        self.notes().missed.clone()
    }

    /// A pass begins. Whether it is time to ask again what the office permits.
    pub(super) fn begins(&self, now: DateTime<Utc>) -> bool {
        let mut notes = self.notes();
        let [last, current] = &mut notes.shown;
        *last = std::mem::take(current);
        notes.passes += 1;
        let due = notes.passes > RECHECK_PASSES
            || notes
                .checked
                .is_none_or(|checked| now - checked >= RECHECK || now < checked);
        if due {
            notes.passes = 0;
            notes.checked = Some(now);
            // What was closed may be open again.
            if notes
                .closed
                .as_ref()
                .is_some_and(|(since, _)| now - *since >= RECHECK)
            {
                notes.closed = None;
            }
        }
        due
    }

    /// A query brought no answer, while others may. Whether that has now happened
    /// so often that it is no accident.
    pub(super) fn query_failed(&self) -> bool {
        let mut notes = self.notes();
        notes.failures = notes.failures.saturating_add(1);
        notes.failures >= FAILURES
    }

    /// A query was answered.
    pub(super) fn query_answered(&self) {
        self.notes().failures = 0;
    }

    /// Queries are not sent for a while.
    pub(super) fn close_queries(&self, now: DateTime<Utc>, why: String) {
        let mut notes = self.notes();
        notes.failures = 0;
        notes.closed = Some((now, why));
    }

    /// A page was told at this moment of the office's clock.
    pub(super) fn saw(&self, wall: NaiveDateTime, now: DateTime<Utc>) {
        if let Some(zone) = self.overlap.zone {
            self.notes().in_zone = Some(keeps_to(zone, wall, now));
        }
    }

    /// What the process before saw of the clock, until this one has seen it.
    pub(super) fn remember(&self, kept_to: Option<&str>) {
        let mut notes = self.notes();
        if notes.in_zone.is_none() && kept_to.is_some() {
            notes.in_zone = Some(kept_to == self.overlap.zone.map(|zone| zone.name()));
        }
    }

    /// The zone that the office's clock was last seen to keep to.
    pub(super) fn kept_to(&self) -> Option<String> {
        let zone = self.overlap.zone?;
        (self.notes().in_zone == Some(true)).then(|| zone.name().to_owned())
    }

    pub(super) const fn zone(&self) -> Option<Tz> {
        self.overlap.zone
    }

    /// Whether the clock has been seen to differ from the zone that was set.
    pub(super) fn is_out_of_zone(&self) -> bool {
        self.overlap.zone.is_some() && self.notes().in_zone != Some(true)
    }

    /// Whether this row is shown as changed for the first time: the overlap
    /// between two passes shows many twice.
    pub(super) fn is_news(&self, row: LedgerHash) -> bool {
        let mut notes = self.notes();
        let [last, current] = &mut notes.shown;
        if current.len() < REMEMBERED {
            current.insert(row);
        }
        !last.contains(&row)
    }

    pub(super) fn terms(&self, page: u64, now: DateTime<Utc>) -> Terms {
        let notes = self.notes();
        let reference = notes.reference.as_deref();
        let runs = |needs: Version| {
            reference
                .and_then(|reference| reference.version)
                .is_none_or(|version| version >= needs)
        };
        let may = |permission| reference.is_some_and(|reference| reference.may(permission));
        // Until a page was seen, what the vendor documents for the tier. An address
        // inside the office may send more; it does not throttle, so that can wait.
        let documented = if may("ApiEnterprise") { 1000 } else { 100 };
        let may_query = may("ApiQueries");
        Terms {
            queries: may_query && notes.closed.is_none() && runs(QUERIES),
            history: runs(HISTORY),
            reminders: match self.reminders {
                None => Reminders::Off,
                Some(_) if !runs(REMINDERS) => Reminders::TooOld,
                Some(days) => Reminders::Of(days),
            },
            page: page.max(documented),
            overlap: match self.overlap.fixed {
                Some(fixed) => Overlap::fixed(fixed, now),
                None => Overlap::of_zone(
                    self.overlap.zone.filter(|_| notes.in_zone == Some(true)),
                    now,
                ),
            },
        }
    }

    /// Why queries are not sent, and what would change that.
    pub(super) fn closed(&self) -> String {
        let notes = self.notes();
        match (notes.reference.as_deref(), &notes.closed) {
            (Some(reference), _) if reference.granted.is_none() => {
                "the key's permissions cannot be read, so lists only".to_owned()
            }
            (Some(reference), _) if !reference.may("ApiQueries") => {
                "the key lacks ApiQueries: it comes with the smallest paid tier".to_owned()
            }
            (_, Some((_, why))) => format!("queries are refused: {why}"),
            (Some(reference), None) if reference.version.is_some_and(|v| v < QUERIES) => {
                format!("queries need version {QUERIES}: update the office")
            }
            (None, None) => "what the key permits is not known, so lists only".to_owned(),
            _ => "a list takes no more requests here".to_owned(),
        }
    }
}
