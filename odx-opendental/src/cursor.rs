//! What the cursor holds and how it moves. Pure.
//!
//! A pass goes through the stages of its route, one page per pull. Lists are
//! read by counted offsets (see [`listing`]), queries from key to key. Marks move
//! to the office's clock at the first page of a whole listing, never to ours and
//! never to the newest stamp.

mod hear;
mod listing;
mod lists;
mod news;
mod queries;
mod stages;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDateTime};
use odx_core::model::RecordKind;
use odx_core::source::{Cursor, Extent};
use serde::{Deserialize, Serialize};

use crate::client::Call;
use crate::error::Cause;
use crate::plan::{Reminders, Terms};
use crate::query::{Keys, NewsMark, Query};

pub(crate) use hear::Verdict;
use listing::Listing;
pub(crate) use listing::{Facts, ends};
pub(crate) use queries::Joined;
use stages::Reach;
pub(crate) use stages::{Route, Stage};

const VERSION: u32 = 1;

/// How far ahead appointments are booked, at most.
const BOOKED_AHEAD: Days = Days::new(730);

/// The whole cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feed {
    v: u32,
    patients: Mark,
    appointments: Mark,
    #[serde(default, skip_serializing_if = "is_default")]
    recalls: Mark,
    #[serde(default, skip_serializing_if = "is_default")]
    reminders: Mark,
    /// Up to where notices of changed reference data were read.
    #[serde(default, skip_serializing_if = "is_default")]
    signals: Option<NaiveDateTime>,
    /// What the opt-outs came to when they were last read.
    #[serde(default, skip_serializing_if = "is_default")]
    opt_outs: Option<String>,
    /// How the office abbreviates the codes of missed and cancelled visits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) missed: Vec<String>,
    /// Patients whose recalls may have changed.
    #[serde(default, skip_serializing_if = "is_default")]
    touched: BTreeSet<i64>,
    /// So many that listing all recalls is cheaper.
    #[serde(default, skip_serializing_if = "is_default")]
    all_recalls: bool,
    /// Patients to be read again whole.
    #[serde(default, skip_serializing_if = "is_default")]
    again: BTreeSet<i64>,
    /// Patients whose recalls are to be read again, and whether one of these is
    /// known to have been removed.
    #[serde(default, skip_serializing_if = "is_default")]
    recalls_of: BTreeMap<i64, bool>,
    /// Patients whose joined row was cut.
    #[serde(default, skip_serializing_if = "is_default")]
    cut: BTreeSet<i64>,
    /// Kinds that were listed whole, but for the patients of `cut`.
    #[serde(default, skip_serializing_if = "is_default")]
    listed: BTreeSet<RecordKind>,
    /// The zone that the office's clock was last seen to keep to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) zone: Option<String>,
    /// The longest page of a whole list that was ever seen.
    #[serde(default, skip_serializing_if = "is_default")]
    page: usize,
    /// None: caught up.
    #[serde(default, skip_serializing_if = "is_default")]
    pass: Option<Pass>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What one kind is known up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// The office's wall clock at the first page of its last whole reading.
    #[serde(default, skip_serializing_if = "is_default")]
    at: Option<NaiveDateTime>,
    /// The newest moment of the office of which a row was read.
    #[serde(default, skip_serializing_if = "is_default")]
    seen: Option<NaiveDateTime>,
    /// Rows of its last full listing.
    #[serde(default, skip_serializing_if = "is_default")]
    rows: u64,
    /// That listing was the first, without overlap, and had several pages.
    #[serde(default, skip_serializing_if = "is_default")]
    unproven: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pass {
    reach: Reach,
    #[serde(default)]
    route: Route,
    stage: Stage,
    list: Listing,
    /// The appointments' mark when the pass began: where deletions are looked
    /// for from.
    #[serde(default, skip_serializing_if = "is_default")]
    since: Option<NaiveDateTime>,
    /// The office's clock at the news of this pass: before anything that they
    /// could make one miss.
    #[serde(default, skip_serializing_if = "is_default")]
    at: Option<NaiveDateTime>,
    /// The key that the last page of a query went up to.
    #[serde(default, skip_serializing_if = "is_default")]
    after: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    news: Option<NewsMark>,
    /// Recalls in the joined rows so far.
    #[serde(default, skip_serializing_if = "is_default")]
    recalls: u64,
    /// The recalls shown so far of patients whose recalls are read again.
    #[serde(default, skip_serializing_if = "is_default")]
    shown: BTreeMap<i64, BTreeSet<i64>>,
    /// What the opt-outs come to now: they are being read.
    #[serde(default, skip_serializing_if = "is_default")]
    opt_outs: Option<String>,
}

/// What to ask for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A page of a list.
    List(Call),
    /// A page of a query.
    Query(Query),
    /// The recalls of a patient, by list, and the appointments as well.
    RecallsOf { patient: i64, visits: bool },
    /// Everything of one patient, by lists.
    Patient(i64),
}

/// What a page leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly every page leads on")]
pub(crate) enum Step {
    /// The feed stands there; full listings of these kinds ended, complete.
    To(Feed, Vec<RecordKind>),
    /// The page before was just the same: either the server ignores `Offset`,
    /// or as many rows came in before it as a page has. The first page tells.
    Repeats,
}

impl Feed {
    /// The feed as it was kept.
    pub(crate) fn read(cursor: &Cursor) -> Result<Self, Cause> {
        serde_json::from_str::<Self>(cursor.as_str())
            .ok()
            .filter(|feed| feed.v == VERSION)
            .ok_or(Cause::ForeignCursor)
    }

    /// Where the feed stands, and whether a pass begins here: only then are the
    /// extent and the route heeded.
    pub(crate) fn open(
        cursor: Option<&Cursor>,
        extent: Extent,
        terms: &Terms,
    ) -> Result<(Self, bool), Cause> {
        let mut feed = match cursor {
            None => Self {
                v: VERSION,
                ..Self::default()
            },
            Some(cursor) => Self::read(cursor)?,
        };
        let begins = feed.pass.is_none();
        if begins {
            let reach = match (cursor, extent) {
                (None, _) => Reach::First,
                (Some(_), Extent::Changes) => Reach::Changes,
                (Some(_), Extent::Everything) => Reach::Everything,
            };
            feed.begin(reach, terms);
        }
        Ok((feed, begins))
    }

    /// As the engine keeps it.
    pub(crate) fn to_cursor(&self) -> Result<Cursor, serde_json::Error> {
        serde_json::to_string(self).map(Cursor::new)
    }

    pub(crate) const fn is_caught_up(&self) -> bool {
        self.pass.is_none()
    }

    pub(crate) fn stage(&self) -> Stage {
        self.pass
            .as_ref()
            .map_or(Stage::Patients, |pass| pass.stage)
    }

    pub(crate) fn route(&self) -> Route {
        self.pass.as_ref().map_or(Route::Lists, |pass| pass.route)
    }

    /// Only what changed is being listed: whoever is shown has been touched.
    pub(crate) fn lists_changes(&self) -> bool {
        self.pass
            .as_ref()
            .is_some_and(|pass| pass.list.since.is_some())
    }

    /// The next stages of this pass, this one first.
    pub(crate) fn ahead(&self) -> &'static [Stage] {
        let Some(pass) = &self.pass else { return &[] };
        let order = stages::of(pass.route, pass.reach);
        let from = order.iter().position(|stage| *stage == pass.stage);
        order.get(from.unwrap_or(0)..).unwrap_or_default()
    }

    /// The first moment of which reminders are of use, by the office's clock as
    /// this pass knows it.
    pub(crate) fn reminders_from(&self, terms: &Terms) -> NaiveDateTime {
        let Reminders::Of(days) = terms.reminders else {
            return NaiveDateTime::MIN;
        };
        let before = |at: NaiveDateTime| at.date().checked_sub_days(Days::new(days.into()));
        self.office_clock()
            .and_then(before)
            .map_or(NaiveDateTime::MIN, |day| {
                day.and_time(chrono::NaiveTime::MIN)
            })
    }

    /// The newest moment of the office that this pass began after. Rows of recalls
    /// and of comm logs tell none.
    fn office_clock(&self) -> Option<NaiveDateTime> {
        let news = self.pass.as_ref().and_then(|pass| pass.at);
        self.patients.at.max(news)
    }

    /// Rows of the last full listing of a kind, 0 where it was never listed.
    pub(crate) const fn rows(&self, kind: RecordKind) -> u64 {
        match kind {
            RecordKind::Patient => self.patients.rows,
            RecordKind::Recall => self.recalls.rows,
            _ => self.appointments.rows,
        }
    }

    /// What to ask for.
    pub(crate) fn ask(&self, terms: &Terms) -> Ask {
        let Some(pass) = &self.pass else {
            return Ask::List(self.call());
        };
        let begins = |mark: Option<NaiveDateTime>| {
            mark.and_then(|at| terms.overlap.since(at))
                .unwrap_or(NaiveDateTime::MAX)
        };
        match pass.stage {
            Stage::Joined => Ask::Query(Query::Patients { after: pass.after }),
            Stage::News => Ask::Query(Query::News {
                since: begins(pass.since),
                after: pass.news,
            }),
            Stage::OptOuts => Ask::Query(Query::OptOuts { after: pass.after }),
            Stage::RecallsChanged => Ask::Query(Query::Recalls {
                since: begins(self.recalls.at.or(pass.since)),
                of: self.recalls_again(),
                after: pass.after,
            }),
            Stage::Touched => match self.cut.first() {
                Some(&patient) => Ask::RecallsOf {
                    patient,
                    visits: true,
                },
                None => Ask::RecallsOf {
                    patient: self.touched.first().copied().unwrap_or_default(),
                    visits: false,
                },
            },
            Stage::Again => match pass.route {
                Route::Queries | Route::Both => Keys::chunks(self.again.iter().copied())
                    .into_iter()
                    .next()
                    .map_or(Ask::List(Call::SecurityPerms), |keys| {
                        Ask::Query(Query::PatientsOf(keys))
                    }),
                Route::Lists => Ask::Patient(self.again.first().copied().unwrap_or_default()),
            },
            Stage::Patients
            | Stage::Appointments
            | Stage::Deleted
            | Stage::Recalls
            | Stage::Reminders
            | Stage::Signals => Ask::List(self.call()),
        }
    }

    /// The page of the list to ask for.
    pub(crate) fn call(&self) -> Call {
        self.call_at(self.pass.as_ref().map_or(0, |pass| pass.list.offset()))
    }

    /// The first page of the same list.
    pub(crate) fn first_call(&self) -> Call {
        self.call_at(0)
    }

    fn call_at(&self, offset: u64) -> Call {
        let since = self.pass.as_ref().and_then(|pass| pass.list.since);
        match self.stage() {
            Stage::Appointments => Call::Appointments { since, offset },
            Stage::Recalls => Call::Recalls { offset },
            Stage::Reminders => Call::Commlogs {
                since: since.unwrap_or_default(),
                offset,
            },
            Stage::Signals => Call::Signals {
                since: since.unwrap_or_default(),
                offset,
            },
            // Which date the range means is not documented. Meaning the day of
            // the deletion, it holds everything deleted since the last pass.
            // Meaning the day of the visit, it holds every deleted visit that
            // was still to come then, and a past visit that is deleted later is
            // noticed by the full listing only.
            Stage::Deleted => {
                let day = since.map(|at| at.date()).unwrap_or_default();
                Call::DeletedAppointments {
                    from: day.pred_opt().unwrap_or(day),
                    to: day.checked_add_days(BOOKED_AHEAD).unwrap_or(day),
                    offset,
                }
            }
            _ => Call::Patients { since, offset },
        }
    }

    /// The page begins with a row that the page before has shown.
    pub(crate) fn repeats_a_row(&self, facts: &Facts) -> bool {
        self.pass
            .as_ref()
            .is_some_and(|pass| pass.list.repeats_a_row(facts))
    }
}

#[cfg(test)]
mod route_tests;
#[cfg(test)]
mod tests;
