//! What has no list: deletions, merges, and whether opt-outs changed.

use chrono::NaiveDateTime;
use odx_core::model::RecordKey;
use odx_core::source::Change;
use odx_core::{AppointmentKey, PatientKey};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{clock, offset};
use crate::error::Cause;
use crate::query::{NewsMark, PAGE, Part};
use crate::wire::{Int, Text};

/// `deletedobject.ObjectType` of an appointment.
const APPOINTMENT: i64 = 0;
/// `deletedobject.ObjectType` of a recall: the key is the patient's.
const RECALL_OF: i64 = 2;

/// A page of `Query::News`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewsPage {
    /// In the order of the statement.
    pub items: Vec<Item>,
    /// Of the first page only.
    pub state: Option<State>,
    /// The office's clock, unless the page is empty.
    pub clock: Option<NaiveDateTime>,
    /// Rows that say nothing this version understands.
    pub unreadable: usize,
    rows: usize,
    last: Option<NewsMark>,
}

/// The office's clock, and what the opt-outs come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The clock.
    pub at: NaiveDateTime,
    /// Seconds that the clock is ahead of UTC, if that can be believed.
    pub utc_offset: Option<i32>,
    /// Differs from the one before exactly when an opt-out changed.
    pub opt_outs: String,
    /// How the office abbreviates the codes of missed and cancelled visits, as far
    /// as it does.
    pub missed: Vec<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An appointment was deleted.
    AppointmentGone(i64),
    /// A recall of this patient vanished; which one is not told.
    RecallGoneOf(i64),
    /// The records of one patient went over to another, who is the one to stay.
    Merged {
        /// Who is archived.
        from: i64,
        /// Who stays.
        to: i64,
    },
    /// A patient was deleted.
    PatientGone(i64),
}

impl Item {
    /// Itself as proof that a record is gone.
    pub fn gone(&self) -> Option<Change> {
        Some(Change::Gone(match self {
            Self::AppointmentGone(key) => {
                RecordKey::Appointment(AppointmentKey::new(key.to_string()))
            }
            Self::PatientGone(key) => RecordKey::Patient(PatientKey::new(key.to_string())),
            Self::RecallGoneOf(_) | Self::Merged { .. } => return None,
        }))
    }

    /// Patients who must be read again.
    pub fn touched(&self) -> impl Iterator<Item = i64> + use<> {
        let [one, other] = match *self {
            Self::RecallGoneOf(patient) => [Some(patient), None],
            Self::Merged { from, to } => [Some(from), Some(to)],
            Self::AppointmentGone(_) | Self::PatientGone(_) => [None, None],
        };
        one.into_iter().chain(other)
    }
}

impl NewsPage {
    /// The last row that was understood.
    #[cfg(feature = "sim")]
    pub const fn last(&self) -> Option<NewsMark> {
        self.last
    }

    /// Where the next page begins, when this one began after `after`. None: that
    /// was all.
    ///
    /// # Errors
    /// [`Cause::Repeats`] for a full page that leads nowhere.
    pub(crate) fn next(
        &self,
        after: Option<NewsMark>,
        what: &'static str,
    ) -> Result<Option<NewsMark>, Cause> {
        if self.rows < PAGE {
            return Ok(None);
        }
        self.last
            .filter(|&last| after.is_none_or(|after| last > after))
            .map(Some)
            .ok_or(Cause::Repeats { what })
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Row<'a> {
    part: Option<Int>,
    num: Int,
    subject: Int,
    other: Int,
    utc_offset: Int,
    #[serde(borrow)]
    digest: Text<'a>,
    #[serde(borrow)]
    missed: Text<'a>,
    #[serde(borrow)]
    cancelled: Text<'a>,
}

impl Row<'_> {
    fn part(&self) -> Option<Part> {
        Part::of(self.part?.get()?)
    }

    fn state(&self, raw: &RawValue) -> Option<State> {
        let digest = self.digest.get();
        clock(&[raw])
            .filter(|_| !digest.is_empty())
            .map(|at| State {
                at,
                utc_offset: offset(self.utc_offset),
                opt_outs: digest.to_owned(),
                missed: [&self.missed, &self.cancelled]
                    .map(|text| text.get().to_owned())
                    .into_iter()
                    .filter(|text| !text.is_empty())
                    .collect(),
            })
    }

    fn item(&self, part: Part) -> Option<Item> {
        let subject = self.subject.get().filter(|&key| key != 0)?;
        let other = self.other.get()?;
        Some(match (part, other) {
            (Part::Deleted, APPOINTMENT) => Item::AppointmentGone(subject),
            (Part::Deleted, RECALL_OF) => Item::RecallGoneOf(subject),
            (Part::Merged, to) if to != 0 => Item::Merged { from: subject, to },
            (Part::Removed, _) => Item::PatientGone(subject),
            _ => return None,
        })
    }
}

/// Reads `Query::News`.
pub fn news(rows: &[&RawValue]) -> NewsPage {
    let mut page = NewsPage {
        clock: clock(rows),
        rows: rows.len(),
        ..NewsPage::default()
    };
    for raw in rows {
        let row: Row<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        let (Some(part), Some(key)) = (row.part(), row.num.get()) else {
            page.unreadable += 1;
            continue;
        };
        page.last = page.last.max(Some(NewsMark { part, key }));
        if part == Part::State {
            match row.state(raw).filter(|_| page.state.is_none()) {
                None => page.unreadable += 1,
                state => page.state = state,
            }
        } else if let Some(item) = row.item(part) {
            page.items.push(item);
        } else {
            page.unreadable += 1;
        }
    }
    page
}
