//! How the feed moves on by what the office told by itself.

use chrono::NaiveDateTime;
use odx_core::model::RecordKind;

use super::Feed;
use crate::plan::Terms;

/// What to make of a row that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Newer than anything that was read.
    News,
    /// A read may have shown this or something newer: look again.
    Doubt,
    /// A whole pass has read beyond it.
    Stale,
}

impl Feed {
    /// How a row that was last changed at `stamp` stands to what was read.
    pub(crate) fn verdict(&self, kind: RecordKind, stamp: Option<NaiveDateTime>) -> Verdict {
        let mark = match kind {
            RecordKind::Appointment => &self.appointments,
            _ => &self.patients,
        };
        match stamp {
            None => Verdict::Doubt,
            Some(stamp) if mark.seen.max(mark.at).is_none_or(|seen| stamp > seen) => Verdict::News,
            Some(stamp) if mark.at.is_none_or(|at| stamp >= at) => Verdict::Doubt,
            Some(_) => Verdict::Stale,
        }
    }

    /// A row of this moment of the office was read.
    pub(crate) fn has_seen(&mut self, kind: RecordKind, moment: Option<NaiveDateTime>) {
        let mark = match kind {
            RecordKind::Appointment => &mut self.appointments,
            _ => &mut self.patients,
        };
        mark.seen = mark.seen.max(moment);
    }

    /// What was heard asks for a look at once, if no pass is under way.
    pub(crate) fn heard(&mut self, terms: &Terms) {
        self.run_errand(terms);
    }
}
