//! What the cursor holds and how it moves. Pure.
//!
//! A pass goes through the stages of its route, one page per pull. Lists are
//! read by counted offsets (see [`listing`]), queries from key to key. Marks move
//! to the office's clock at the first page of a whole listing, never to ours and
//! never to the newest stamp.

mod hear;
mod listing;
mod news;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDateTime};
use odx_core::model::RecordKind;
use odx_core::source::{Cursor, Extent};
use serde::{Deserialize, Serialize};

use crate::client::Call;
use crate::error::Cause;
use crate::plan::Terms;
use crate::query::{Keys, NewsMark, Query};

pub(crate) use hear::Verdict;
pub(crate) use listing::{Facts, ends};
use listing::{Listing, Turn};

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
    /// Up to where notices of changed reference data were read.
    #[serde(default, skip_serializing_if = "is_default")]
    signals: Option<NaiveDateTime>,
    /// What the opt-outs came to when they were last read.
    #[serde(default, skip_serializing_if = "is_default")]
    opt_outs: Option<String>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reach {
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
    /// One patient after another, whole.
    Again,
    /// Whether the reference data changed.
    Signals,
}

const fn stages(route: Route, reach: Reach) -> &'static [Stage] {
    use Stage::{
        Again, Appointments, Deleted, Joined, News, OptOuts, Patients, Recalls, RecallsChanged,
        Signals, Touched,
    };
    match (route, reach) {
        (Route::Lists, Reach::First) => &[Patients, Appointments, Recalls, Again],
        (Route::Lists, Reach::Changes) => &[
            Patients,
            Appointments,
            Deleted,
            Touched,
            Recalls,
            Again,
            Signals,
        ],
        (Route::Lists, Reach::Everything) => {
            &[Patients, Appointments, Deleted, Recalls, Touched, Again]
        }
        (Route::Lists, Reach::Errand) => &[Touched, Recalls, Again],
        // News first: its clock and its digest are older than what is read then.
        (Route::Queries, Reach::First) => &[News, Joined, Touched, Again],
        (Route::Both, Reach::First | Reach::Everything) => &[
            News,
            Patients,
            Appointments,
            Recalls,
            OptOuts,
            Touched,
            Again,
        ],
        (Route::Queries | Route::Both, Reach::Changes) => &[
            Patients,
            Appointments,
            News,
            OptOuts,
            RecallsChanged,
            Touched,
            Again,
            Signals,
        ],
        (Route::Queries, Reach::Everything) => &[News, Joined, Appointments, Touched, Again],
        (Route::Queries | Route::Both, Reach::Errand) => &[RecallsChanged, Touched, Again],
    }
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

    fn begin(&mut self, reach: Reach, terms: &Terms) {
        let route = terms.route(self);
        let first = stages(route, reach).first().copied();
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
        let order = stages(pass.route, pass.reach);
        let from = order.iter().position(|stage| *stage == pass.stage);
        order.get(from.unwrap_or(0)..).unwrap_or_default()
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

    fn turned(mut self, turn: Turn, facts: &Facts, terms: &Terms) -> Step {
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
        let patients = self.patients.at;
        if let Some(mark) = self.mark().filter(|_| complete) {
            // An empty answer holds no clock: the old mark stays. Rows of recalls
            // tell none; patients were read before them in the same pass.
            let clock = match stage {
                Stage::Recalls => patients,
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

    fn mark(&mut self) -> Option<&mut Mark> {
        match self.stage() {
            Stage::Patients => Some(&mut self.patients),
            Stage::Appointments => Some(&mut self.appointments),
            Stage::Recalls => Some(&mut self.recalls),
            _ => None,
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
    fn recalls_again(&self) -> Option<Keys> {
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

    fn end_stage(mut self, listed: Vec<RecordKind>, terms: &Terms) -> Step {
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
    fn wants(&self, stage: Stage, terms: &Terms) -> bool {
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
            Stage::Again => !self.again.is_empty(),
            Stage::Signals => self.signals.is_some(),
            Stage::Joined | Stage::Patients | Stage::Appointments | Stage::News => true,
        }
    }

    fn enter_next(&mut self, terms: &Terms) {
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
    fn run_errand(&mut self, terms: &Terms) {
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
    fn enter(&mut self, stage: Stage, terms: &Terms) {
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
            pass.list = Listing::begin(since, reach == Reach::First);
        }
    }
}

#[cfg(test)]
mod route_tests;
#[cfg(test)]
mod tests;
