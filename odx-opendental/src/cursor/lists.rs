//! How the feed moves on by pages of lists.

use odx_core::model::RecordKind;

use super::listing::{self, Listing, Turn};
use super::{Facts, Feed, Mark, Stage, Step};
use crate::error::Cause;
use crate::plan::Terms;

/// How long a page may be, where its address has not sent one in this process.
/// A whole list is asked for once more than needed rather than taken for ended;
/// what changed is short, and the vendor's shortest cap is known.
fn known_length(list: &Listing, longest: usize, before: usize) -> usize {
    match (longest, list.since) {
        (0, Some(_)) if before == 0 => listing::LEAST_CAP,
        (0, Some(_)) => before,
        _ => longest,
    }
}

impl Feed {
    /// Moves on by a page of a list. `longest` is the longest page its address
    /// has sent before.
    pub(crate) fn step(&self, facts: &Facts, longest: usize, terms: &Terms) -> Step {
        let mut feed = self.clone();
        let Some(pass) = feed.pass.as_mut() else {
            return Step::To(feed, Vec::new());
        };
        let longest = known_length(&pass.list, longest, self.page);
        let turn = pass.list.turn(facts, longest);
        if pass.list.since.is_none() {
            feed.page = feed.page.max(facts.rows);
        }
        feed.turned(turn, facts, terms)
    }

    /// Moves on when a page, `again`, was the same as the one before: `first` is
    /// the first page of the list.
    pub(crate) fn step_from_first(
        &self,
        first: &Facts,
        again: &Facts,
        longest: usize,
        terms: &Terms,
    ) -> Result<Step, Cause> {
        let mut feed = self.clone();
        let turn = feed.pass.as_mut().and_then(|pass| {
            let longest = known_length(&pass.list, longest, self.page);
            pass.list.turn_from_first(first, again, longest)
        });
        match turn {
            Some(turn) => Ok(feed.turned(turn, first, terms)),
            None => Err(Cause::Repeats {
                what: self.call().what(),
            }),
        }
    }

    pub(super) fn turned(mut self, turn: Turn, facts: &Facts, terms: &Terms) -> Step {
        if let Some(mark) = self.mark() {
            mark.seen = mark.seen.max(facts.clock);
        }
        let Turn::End { complete, unproven } = turn else {
            return match turn {
                Turn::Repeats => Step::Repeats,
                _ => Step::To(self, Vec::new()),
            };
        };
        let list = self
            .pass
            .as_ref()
            .map(|pass| pass.list.clone())
            .unwrap_or_default();
        let full = list.since.is_none();
        let stage = self.stage();
        let others = self.office_clock();
        if let Some(mark) = self.mark().filter(|_| complete) {
            // An empty answer holds no clock: the old mark stays. Rows of recalls and
            // of comm logs tell none; others were read before them in the same pass.
            let clock = match stage {
                Stage::Recalls | Stage::Reminders => others,
                _ => list.clock,
            };
            mark.at = clock.or(mark.at);
            mark.unproven = unproven;
            if full {
                mark.rows = list.rows;
            }
        }
        if stage == Stage::Signals {
            self.signals = list.clock.or(self.signals);
        }
        let kind = match stage {
            Stage::Patients => Some(RecordKind::Patient),
            Stage::Appointments => Some(RecordKind::Appointment),
            Stage::Recalls => Some(RecordKind::Recall),
            _ => None,
        };
        let listed = kind.filter(|_| complete && full);
        self.end_stage(listed.into_iter().collect(), terms)
    }

    pub(super) fn mark(&mut self) -> Option<&mut Mark> {
        match self.stage() {
            Stage::Patients => Some(&mut self.patients),
            Stage::Appointments => Some(&mut self.appointments),
            Stage::Recalls => Some(&mut self.recalls),
            Stage::Reminders => Some(&mut self.reminders),
            _ => None,
        }
    }
}
