//! How the feed moves on by pages of queries, and by patients read again.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use odx_core::model::RecordKind;

use super::{Feed, Reach, Stage, Step};
use crate::plan::Terms;
use crate::query::Keys;

/// All recalls of a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WholeRecalls {
    pub(crate) patient: i64,
    pub(crate) recalls: BTreeSet<i64>,
    /// The office says that one was removed.
    pub(crate) removed: bool,
}

/// What a page of joined rows came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Joined {
    pub(crate) clock: Option<NaiveDateTime>,
    /// The key to go on from; none: that was all.
    pub(crate) next: Option<i64>,
    pub(crate) rows: usize,
    /// Recalls in its rows.
    pub(crate) recalls: usize,
    /// Patients of whom not everything fitted into the row.
    pub(crate) cut: Vec<i64>,
}

impl Feed {
    /// Moves on by a page of joined rows.
    pub(crate) fn joined(&self, page: Joined, terms: &Terms) -> Step {
        let mut feed = self.clone();
        feed.cut.extend(page.cut);
        let Some(pass) = feed.pass.as_mut() else {
            return Step::To(feed, Vec::new());
        };
        pass.list.rows += u64::try_from(page.rows).unwrap_or(u64::MAX);
        pass.list.clock = pass.list.clock.or(page.clock);
        pass.recalls += u64::try_from(page.recalls).unwrap_or(u64::MAX);
        let (clock, rows, recalls) = (pass.at.or(pass.list.clock), pass.list.rows, pass.recalls);
        for mark in [&mut feed.patients, &mut feed.appointments] {
            mark.seen = mark.seen.max(page.clock);
        }
        if let Some(next) = page.next {
            pass.after = next;
            return Step::To(feed, Vec::new());
        }
        for mark in [&mut feed.patients, &mut feed.recalls] {
            mark.at = clock.or(mark.at);
            mark.unproven = false;
        }
        feed.patients.rows = rows;
        feed.recalls.rows = recalls;
        if pass.reach == Reach::First {
            // Every booked visit and the last one were in the rows, and what
            // changes from here on is listed.
            feed.appointments.at = clock.or(feed.appointments.at);
        }
        let kinds = [
            RecordKind::Patient,
            RecordKind::Recall,
            RecordKind::Appointment,
            RecordKind::OptOut,
        ];
        feed.end_stage(kinds.to_vec(), terms)
    }

    /// Whose recalls are read with those that changed: as many as one statement
    /// holds.
    pub(super) fn recalls_again(&self) -> Option<Keys> {
        Keys::chunks(self.recalls_of.keys().copied())
            .into_iter()
            .next()
    }

    /// Moves on by a page of changed recalls, given by patient and key. When it
    /// was the last one, also says of whom which recalls were all, and whether
    /// one more was removed.
    pub(crate) fn recalls_changed(
        &self,
        shown: impl IntoIterator<Item = (i64, i64)>,
        clock: Option<NaiveDateTime>,
        next: Option<i64>,
        terms: &Terms,
    ) -> (Step, Vec<WholeRecalls>) {
        let mut feed = self.clone();
        let again = feed.recalls_again();
        let again = again.as_ref().map_or(&[][..], Keys::as_slice);
        let Some(pass) = feed.pass.as_mut() else {
            return (Step::To(feed, Vec::new()), Vec::new());
        };
        // A page may be empty and tell no clock; the news always do.
        pass.list.clock = pass.list.clock.or(clock);
        let clock = pass.at.or(pass.list.clock);
        for (patient, recall) in shown {
            if again.contains(&patient) {
                pass.shown.entry(patient).or_default().insert(recall);
            }
        }
        if let Some(next) = next {
            pass.after = next;
            return (Step::To(feed, Vec::new()), Vec::new());
        }
        let mut shown = std::mem::take(&mut pass.shown);
        let whole = again.iter().map(|patient| WholeRecalls {
            patient: *patient,
            recalls: shown.remove(patient).unwrap_or_default(),
            removed: feed.recalls_of.remove(patient).unwrap_or_default(),
        });
        let whole = whole.collect();
        // More than one statement holds: the rest is read with the patients.
        feed.again
            .extend(std::mem::take(&mut feed.recalls_of).into_keys());
        feed.recalls.at = clock.or(feed.recalls.at);
        (feed.end_stage(Vec::new(), terms), whole)
    }

    /// Moves on from a patient that was read by lists.
    pub(crate) fn looked(&self, patient: i64, terms: &Terms) -> Step {
        let mut feed = self.clone();
        let more = match feed.stage() {
            Stage::Touched => {
                if !feed.cut.remove(&patient) {
                    feed.touched.remove(&patient);
                }
                feed.wants(Stage::Touched, terms)
            }
            _ => {
                feed.again.remove(&patient);
                feed.wants(Stage::Again, terms)
            }
        };
        if more {
            return Step::To(feed, Vec::new());
        }
        feed.end_stage(Vec::new(), terms)
    }

    /// Moves on from patients that were read again by one query.
    pub(crate) fn looked_again(
        &self,
        keys: &Keys,
        clock: Option<NaiveDateTime>,
        cut: &[i64],
        terms: &Terms,
    ) -> Step {
        let mut feed = self.clone();
        for mark in [&mut feed.patients, &mut feed.appointments] {
            mark.seen = mark.seen.max(clock);
        }
        for key in keys.as_slice() {
            feed.again.remove(key);
        }
        feed.cut.extend(cut);
        if feed.wants(Stage::Again, terms) {
            return Step::To(feed, Vec::new());
        }
        feed.end_stage(Vec::new(), terms)
    }

    /// Asks for another look at a patient.
    pub(crate) fn look_again(&mut self, patient: i64) {
        self.again.insert(patient);
    }

    /// This patient was asked for by key.
    pub(crate) fn is_again(&self, patient: i64) -> bool {
        self.stage() == Stage::Again && self.again.contains(&patient)
    }
}
