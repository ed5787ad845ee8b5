//! The stages of a pass: which there are, which are wanted, and what follows.

use std::collections::BTreeMap;

use odx_core::model::RecordKind;
use serde::{Deserialize, Serialize};

use super::{Feed, Listing, Mark, Pass, Step};
use crate::plan::{Reminders, Terms};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reach {
    /// The first pass of the feed.
    First,
    Changes,
    Everything,
    /// Only what was found to need another look.
    Errand,
}

/// Which of the vendor's ways a pass takes. It keeps it to the end, unless the
/// way is closed to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Route {
    /// Lists only: free for every key.
    #[default]
    Lists,
    /// Queries where they save requests.
    Queries,
    /// The same, but whole lists by their large pages: a query holds 100 rows
    /// whatever the mode.
    Both,
}

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Patients with recalls, visits and opt-outs, one row each, by query.
    Joined,
    Patients,
    Appointments,
    /// Appointments that were deleted, by list.
    Deleted,
    /// What was deleted and who was merged, by query.
    News,
    /// Who opted out, by query.
    OptOuts,
    /// Recalls that changed, by query.
    RecallsChanged,
    /// All recalls, by list.
    Recalls,
    /// The recalls of one patient after another, by list.
    Touched,
    /// What the office sent.
    Reminders,
    /// One patient after another, whole.
    Again,
    /// Whether the reference data changed.
    Signals,
}

pub(super) const fn of(route: Route, reach: Reach) -> &'static [Stage] {
    use Stage::{
        Again, Appointments, Deleted, Joined, News, OptOuts, Patients, Recalls, RecallsChanged,
        Reminders, Signals, Touched,
    };
    match (route, reach) {
        (Route::Lists, Reach::First) => &[Patients, Appointments, Recalls, Reminders, Again],
        (Route::Lists, Reach::Changes) => &[
            Patients,
            Appointments,
            Deleted,
            Touched,
            Recalls,
            Reminders,
            Again,
            Signals,
        ],
        (Route::Lists, Reach::Everything) => &[
            Patients,
            Appointments,
            Deleted,
            Recalls,
            Touched,
            Reminders,
            Again,
        ],
        (Route::Lists, Reach::Errand) => &[Touched, Recalls, Again],
        // News first: its clock and its digest are older than what is read then.
        (Route::Queries, Reach::First) => &[News, Joined, Touched, Reminders, Again],
        (Route::Both, Reach::First | Reach::Everything) => &[
            News,
            Patients,
            Appointments,
            Recalls,
            OptOuts,
            Touched,
            Reminders,
            Again,
        ],
        (Route::Queries | Route::Both, Reach::Changes) => &[
            Patients,
            Appointments,
            News,
            OptOuts,
            RecallsChanged,
            Touched,
            Reminders,
            Again,
            Signals,
        ],
        (Route::Queries, Reach::Everything) => {
            &[News, Joined, Appointments, Touched, Reminders, Again]
        }
        (Route::Queries | Route::Both, Reach::Errand) => &[RecallsChanged, Touched, Again],
    }
}

impl Feed {
    pub(super) fn begin(&mut self, reach: Reach, terms: &Terms) {
        let route = terms.route(self);
        let first = of(route, reach).first().copied();
        let stage = first.unwrap_or(Stage::Patients);
        self.pass = Some(Pass {
            reach,
            route,
            stage,
            list: Listing::default(),
            since: self.appointments.at,
            at: None,
            after: 0,
            news: None,
            recalls: 0,
            shown: BTreeMap::new(),
            opt_outs: None,
        });
        if self.wants(stage, terms) {
            self.enter(stage, terms);
        } else {
            self.enter_next(terms);
        }
    }

    /// Takes note of patients whose recalls may have changed with what was just
    /// shown of them.
    pub(crate) fn touch(&mut self, patients: impl IntoIterator<Item = i64>, terms: &Terms) {
        if self.all_recalls {
            return;
        }
        self.touched
            .extend(patients.into_iter().filter(|&patient| patient != 0));
        // One request for each, or one for each page of the whole list.
        let pages = self.recalls.rows / terms.page.max(1) + 1;
        if u64::try_from(self.touched.len()).unwrap_or(u64::MAX) >= pages {
            self.touched.clear();
            self.all_recalls = true;
        }
    }

    /// Leaves out the rest of a list that cannot be read at this office.
    pub(crate) fn skip(&self, terms: &Terms) -> Step {
        self.clone().end_stage(Vec::new(), terms)
    }

    /// Goes on by lists where queries turned out to be closed.
    pub(crate) fn without_queries(&self, terms: &Terms) -> Self {
        let mut feed = self.clone();
        let Some(pass) = feed.pass.as_mut() else {
            return feed;
        };
        pass.route = Route::Lists;
        feed.again
            .extend(std::mem::take(&mut feed.recalls_of).into_keys());
        let stage = match pass.stage {
            // Nothing of it counts: the listing begins again, as a list.
            Stage::Joined => Stage::Patients,
            Stage::News if pass.reach == Reach::First => Stage::Patients,
            Stage::News | Stage::OptOuts if pass.reach == Reach::Changes => Stage::Deleted,
            Stage::News => Stage::Patients,
            Stage::OptOuts => Stage::Again,
            Stage::RecallsChanged => Stage::Touched,
            other => other,
        };
        if feed.wants(stage, terms) {
            feed.enter(stage, terms);
        } else {
            if let Some(pass) = feed.pass.as_mut() {
                pass.stage = stage;
            }
            feed.enter_next(terms);
        }
        feed
    }

    pub(super) fn end_stage(mut self, listed: Vec<RecordKind>, terms: &Terms) -> Step {
        self.listed.extend(listed);
        self.enter_next(terms);
        // A joined row that was cut is read behind the listing: only then has
        // everything been shown.
        let swept = if self.cut.is_empty() {
            std::mem::take(&mut self.listed).into_iter().collect()
        } else {
            Vec::new()
        };
        Step::To(self, swept)
    }

    /// Whether there is anything to do in this stage.
    pub(super) fn wants(&self, stage: Stage, terms: &Terms) -> bool {
        let Some(pass) = &self.pass else { return false };
        let touched = self.all_recalls || !self.touched.is_empty();
        match stage {
            // Before the first pass nothing was known that could be gone.
            Stage::Deleted => pass.since.is_some() && terms.history,
            Stage::OptOuts => pass.opt_outs.is_some(),
            Stage::RecallsChanged => {
                pass.reach == Reach::Changes || touched || !self.recalls_of.is_empty()
            }
            Stage::Recalls => {
                matches!(pass.reach, Reach::First | Reach::Everything)
                    || self.all_recalls
                    || (pass.reach == Reach::Changes
                        // One page shows all of them, also what nothing else tells.
                        && (self.recalls.unproven || self.recalls.rows < terms.page))
            }
            Stage::Touched => {
                !self.cut.is_empty() || (pass.route == Route::Lists && !self.touched.is_empty())
            }
            // Nobody was reached where there is nobody.
            Stage::Reminders => {
                matches!(terms.reminders, Reminders::Of(_)) && self.office_clock().is_some()
            }
            Stage::Again => !self.again.is_empty(),
            Stage::Signals => self.signals.is_some(),
            Stage::Joined | Stage::Patients | Stage::Appointments | Stage::News => true,
        }
    }

    pub(super) fn enter_next(&mut self, terms: &Terms) {
        let ahead = self.ahead();
        let next = ahead
            .iter()
            .skip(1)
            .find(|stage| self.wants(**stage, terms));
        if let Some(&stage) = next {
            self.enter(stage, terms);
            return;
        }
        let ended = self.pass.take();
        if ended.is_some_and(|pass| matches!(pass.reach, Reach::First | Reach::Everything)) {
            // The reference data was read when the pass began.
            self.signals = self.patients.at.or(self.signals);
        }
        self.run_errand(terms);
    }

    /// Goes on with what was found to need another look, if no pass is under way.
    pub(super) fn run_errand(&mut self, terms: &Terms) {
        let errand = self.all_recalls
            || !(self.touched.is_empty()
                && self.recalls_of.is_empty()
                && self.again.is_empty()
                && self.cut.is_empty());
        if self.pass.is_none() && errand {
            self.begin(Reach::Errand, terms);
        }
    }

    /// A stage that begins.
    pub(super) fn enter(&mut self, stage: Stage, terms: &Terms) {
        if matches!(stage, Stage::Recalls | Stage::RecallsChanged) {
            // They are about to be shown. Whoever is touched from here on is not.
            self.touched.clear();
            self.all_recalls = false;
        }
        let Some(reach) = self.pass.as_ref().map(|pass| pass.reach) else {
            return;
        };
        let delta = |mark: &Mark| {
            mark.at
                .filter(|_| reach == Reach::Changes && !mark.unproven)
                .and_then(|at| terms.overlap.since(at))
        };
        let since = match stage {
            Stage::Patients => delta(&self.patients),
            // Where patients are listed joined, their visits are shown with them.
            Stage::Appointments if self.route() == Route::Queries => {
                self.appointments.at.and_then(|at| terms.overlap.since(at))
            }
            Stage::Appointments => delta(&self.appointments),
            Stage::Deleted => self.pass.as_ref().and_then(|pass| pass.since),
            // No listing of them is owed, so what is known is not read again. What was
            // written before was of before, or is of no use any more.
            Stage::Reminders => {
                let from = self.reminders_from(terms);
                let known = self.reminders.at.filter(|_| !self.reminders.unproven);
                let since = known.and_then(|at| terms.overlap.since(at));
                Some(since.map_or(from, |since| since.max(from)))
            }
            // Compared strictly, at a grain of seconds.
            Stage::Signals => self
                .signals
                .and_then(|at| at.checked_sub_signed(chrono::TimeDelta::seconds(1))),
            _ => None,
        };
        if let Some(pass) = self.pass.as_mut() {
            pass.stage = stage;
            pass.after = 0;
            pass.news = None;
            // Pages of reminders are few: with overlap they need not be read twice.
            let plain = reach == Reach::First && stage != Stage::Reminders;
            pass.list = Listing::begin(since, plain);
        }
    }
}
