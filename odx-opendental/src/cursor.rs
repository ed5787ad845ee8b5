//! What the cursor holds and how it moves. Pure.
//!
//! A pass reads patients, appointments, deleted appointments and recalls, in
//! that order, one page per pull. Pages are counted offsets into a list that
//! staff are changing meanwhile, and the vendor has no snapshot, no total and no
//! documented order, so:
//!
//! * Offsets count raw rows, also those that could not be read.
//! * A list ends with an empty page or with one that is shorter than a page of
//!   this address has ever been. A page of exactly 100, 1000 or 10,000 rows, the
//!   documented caps, may always be full.
//! * Every page after the first begins one row early and must show the last row
//!   again. If it does not, rows moved, one may have slipped past, and the
//!   listing starts again.
//! * The first listing of a feed is the exception: it is read without overlap,
//!   because it is long and every request is paid for in waiting. A slip in it
//!   cannot be noticed, neither then nor afterwards by looking at its end: a row
//!   that was deleted behind the reader moves the last row and the count alike.
//!   So a list that took more than one request is read once more, with overlap,
//!   in the next pass.

use chrono::{Days, NaiveDateTime, TimeDelta};
use odx_core::model::RecordKind;
use odx_core::source::{Cursor, Extent};
use serde::{Deserialize, Serialize};

use crate::client::Call;
use crate::error::Cause;

const VERSION: u32 = 1;

/// The documented page caps.
const CAPS: [usize; 3] = [100, 1000, 10_000];

/// So often a listing that moved is begun again before it goes on without
/// claiming to be complete.
const MAX_RESTARTS: u8 = 5;

/// How far ahead appointments are booked, at most.
const BOOKED_AHEAD: Days = Days::new(730);

/// The whole cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feed {
    v: u32,
    patients: Mark,
    appointments: Mark,
    /// None: caught up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pass: Option<Pass>,
}

/// What one list is known up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// The office's wall clock at the first page of its last whole listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<NaiveDateTime>,
    /// That listing was the first, without overlap, and had several pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unproven: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pass {
    reach: Reach,
    stage: Stage,
    list: Listing,
    /// The appointments' mark when the pass began: where deletions are looked
    /// for from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<NaiveDateTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reach {
    /// The first pass of the feed.
    First,
    Changes,
    Everything,
}

/// Which list is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    Patients,
    Appointments,
    Deleted,
    Recalls,
}

/// How far a list has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    /// Only rows stamped after this. None: the full list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<NaiveDateTime>,
    /// Without overlap.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    plain: bool,
    /// Raw rows so far.
    rows: u64,
    /// The last page that held rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<PageMark>,
    /// `serverDateTime` of the first row of the first page. Kept over restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<NaiveDateTime>,
    #[serde(default)]
    restarts: u8,
    /// It moved too often: what it shows is true, but perhaps not everything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gave_up: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageMark {
    first: String,
    last: String,
    rows: usize,
}

/// What paging needs to know of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Keys of its first and last row; none: an empty page.
    pub(crate) ends: Option<(String, String)>,
    /// Its length, unreadable rows included.
    pub(crate) rows: usize,
    /// The server's clock in its first row.
    pub(crate) clock: Option<NaiveDateTime>,
}

impl Facts {
    fn is(&self, page: &PageMark) -> bool {
        self.rows == page.rows
            && self
                .ends
                .as_ref()
                .is_some_and(|(first, last)| *first == page.first && *last == page.last)
    }

    fn begins_with(&self, key: &str) -> bool {
        self.ends.as_ref().is_some_and(|(first, _)| first == key)
    }
}

/// What a page leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The feed stands there; a full listing of this kind ended, complete.
    To(Feed, Option<RecordKind>),
    /// The page before was just the same: either the server ignores `Offset`,
    /// or as many rows came in before it as a page has. The first page tells.
    Repeats,
}

/// Whether a list ends with a page of this length, when this address has never
/// sent a longer one than `longest`. While nothing is known, every page that
/// holds rows may be full.
pub(crate) fn ends(rows: usize, longest: usize) -> bool {
    rows == 0 || (rows < longest && !CAPS.contains(&rows))
}

impl Feed {
    /// Where the feed stands, and whether a pass begins here: only then is the
    /// extent heeded.
    pub(crate) fn open(
        cursor: Option<&Cursor>,
        extent: Extent,
        overlap: TimeDelta,
    ) -> Result<(Self, bool), Cause> {
        let mut feed = match cursor {
            None => Self {
                v: VERSION,
                patients: Mark::default(),
                appointments: Mark::default(),
                pass: None,
            },
            Some(cursor) => serde_json::from_str::<Self>(cursor.as_str())
                .ok()
                .filter(|feed| feed.v == VERSION)
                .ok_or(Cause::ForeignCursor)?,
        };
        let begins = feed.pass.is_none();
        if begins {
            let reach = match (cursor, extent) {
                (None, _) => Reach::First,
                (Some(_), Extent::Changes) => Reach::Changes,
                (Some(_), Extent::Everything) => Reach::Everything,
            };
            feed.pass = Some(Pass {
                reach,
                stage: Stage::Patients,
                list: feed.listing(reach, Stage::Patients, overlap),
                since: feed.appointments.at,
            });
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

    /// Everything there is was asked for.
    pub(crate) fn is_full(&self) -> bool {
        self.pass
            .as_ref()
            .is_some_and(|pass| pass.reach == Reach::Everything)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.pass
            .as_ref()
            .map_or(Stage::Patients, |pass| pass.stage)
    }

    /// The page to ask for.
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
            Stage::Patients => Call::Patients { since, offset },
            Stage::Appointments => Call::Appointments { since, offset },
            Stage::Recalls => Call::Recalls { offset },
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
        }
    }

    /// Moves on by a page. `longest` is the longest page its address has sent
    /// before.
    pub(crate) fn step(&self, facts: &Facts, longest: usize, overlap: TimeDelta) -> Step {
        let mut feed = self.clone();
        let Some(pass) = feed.pass.as_mut() else {
            return Step::To(feed, None);
        };
        let list = &mut pass.list;
        let offset = list.offset();
        if list.page.as_ref().is_some_and(|page| facts.is(page)) {
            return Step::Repeats;
        }
        let expected = list.page.as_ref().filter(|_| offset < list.rows);
        if expected.is_some_and(|page| !facts.begins_with(&page.last)) {
            if list.restarts < MAX_RESTARTS {
                list.restart();
                return Step::To(feed, None);
            }
            if !list.gave_up {
                tracing::warn!(
                    stage = ?pass.stage,
                    "the list moves too often to be read whole; the next pass tries again"
                );
            }
            list.gave_up = true;
        }
        if offset == 0 && list.clock.is_none() {
            list.clock = facts.clock;
        }
        list.rows = offset + u64::try_from(facts.rows).unwrap_or(u64::MAX);
        if let Some((first, last)) = facts.ends.clone() {
            list.page = Some(PageMark {
                first,
                last,
                rows: facts.rows,
            });
        }
        if !ends(facts.rows, longest) {
            return Step::To(feed, None);
        }
        let unproven = list.plain && offset > 0;
        let complete = !list.gave_up;
        let full = list.since.is_none();
        let clock = list.clock;
        let (kind, mark) = match pass.stage {
            Stage::Patients => (Some(RecordKind::Patient), Some(&mut feed.patients)),
            Stage::Appointments => (Some(RecordKind::Appointment), Some(&mut feed.appointments)),
            Stage::Recalls => (Some(RecordKind::Recall), None),
            Stage::Deleted => (None, None),
        };
        if let Some(mark) = mark.filter(|_| complete) {
            // An empty answer holds no clock: the old mark stays.
            mark.at = clock.or(mark.at);
            mark.unproven = unproven;
        }
        let swept = kind.filter(|_| complete && full);
        feed.enter_next(overlap);
        Step::To(feed, swept)
    }

    /// Moves on when a page, `again`, was the same as the one before: `first` is
    /// the first page of the list. If that is the same as well, the server
    /// ignores `Offset`. If not, the list moved and is begun again with it, or,
    /// where it was begun again too often, read on without a claim to be whole.
    pub(crate) fn step_from_first(
        &self,
        first: &Facts,
        again: &Facts,
        longest: usize,
        overlap: TimeDelta,
    ) -> Result<Step, Cause> {
        let mut feed = self.clone();
        let moved = feed.pass.as_mut().map(|pass| &mut pass.list);
        let Some(list) =
            moved.filter(|list| !list.page.as_ref().is_some_and(|page| first.is(page)))
        else {
            return Err(Cause::Repeats {
                what: self.call().what(),
            });
        };
        if list.restarts < MAX_RESTARTS {
            list.restart();
            return Ok(feed.step(first, longest, overlap));
        }
        list.gave_up = true;
        list.rows = list.offset();
        list.page = None;
        Ok(feed.step(again, longest, overlap))
    }

    /// Leaves out the rest of a list that cannot be read at this office.
    pub(crate) fn skip(&self, overlap: TimeDelta) -> Self {
        let mut feed = self.clone();
        feed.enter_next(overlap);
        feed
    }

    fn enter_next(&mut self, overlap: TimeDelta) {
        let Some(pass) = &self.pass else { return };
        let reach = pass.reach;
        let stage = match pass.stage {
            Stage::Patients => Stage::Appointments,
            // Before the first pass nothing was known that could be gone.
            Stage::Appointments if pass.since.is_none() => Stage::Recalls,
            Stage::Appointments => Stage::Deleted,
            Stage::Deleted => Stage::Recalls,
            Stage::Recalls => {
                self.pass = None;
                return;
            }
        };
        let list = self.listing(reach, stage, overlap);
        if let Some(pass) = self.pass.as_mut() {
            pass.stage = stage;
            pass.list = list;
        }
    }

    /// A listing that begins.
    fn listing(&self, reach: Reach, stage: Stage, overlap: TimeDelta) -> Listing {
        let delta = |mark: &Mark| {
            mark.at
                .filter(|_| reach == Reach::Changes && !mark.unproven)
                .and_then(|at| at.checked_sub_signed(overlap))
        };
        Listing {
            since: match stage {
                Stage::Patients => delta(&self.patients),
                Stage::Appointments => delta(&self.appointments),
                Stage::Deleted => self.pass.as_ref().and_then(|pass| pass.since),
                Stage::Recalls => None,
            },
            plain: reach == Reach::First,
            ..Listing::default()
        }
    }
}

impl Listing {
    fn offset(&self) -> u64 {
        // After a page of one row, one row early would be the same page again.
        let early = !self.plain && self.page.as_ref().is_some_and(|page| page.rows > 1);
        self.rows.saturating_sub(u64::from(early))
    }

    fn restart(&mut self) {
        self.restarts = self.restarts.saturating_add(1);
        // A list that is known to move is read with overlap.
        self.plain = false;
        self.rows = 0;
        self.page = None;
    }
}

#[cfg(test)]
mod tests;
