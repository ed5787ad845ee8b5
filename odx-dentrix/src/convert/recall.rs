//! Continuing care.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use odx_core::RecallKey;
use odx_core::model::{Label, Recall, Record, RecordKind};
use odx_core::source::Change;

use super::{Convert, Fault, LeftOut, Made, date, unreadable};
use crate::identity::{People, Person, Whose};
use crate::table::{Field, Row, Table};

/// What the digest of a recall's key is of.
const RECALL: u8 = b'r';

/// What of a row is its recall: two rows that agree here are one.
struct Said {
    kind: String,
    due: Option<chrono::NaiveDate>,
    previous: Option<chrono::NaiveDate>,
    scheduled: Option<chrono::NaiveDate>,
    labels: Vec<Label>,
}

impl Said {
    /// Which of two of one patient and type comes first: by its days.
    fn rank(&self) -> (i64, u64) {
        let mut hasher = DefaultHasher::new();
        self.previous.hash(&mut hasher);
        self.scheduled.hash(&mut hasher);
        self.labels.hash(&mut hasher);
        let due = self.due.map_or(i64::MAX, |day| {
            i64::from(chrono::Datelike::num_days_from_ce(&day))
        });
        (due, hasher.finish())
    }
}

/// Rows of one patient and one type that say different things. Both stay, and
/// which of them has which key does not depend on the order in which they came.
///
/// Rows that say the same are one, whatever else differs between them: a report
/// has a row for each telephone number.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    seen: Vec<(u64, (i64, u64))>,
}

impl Twins {
    /// Reads one row of recalls, before any is converted.
    pub(crate) fn add(&mut self, convert: &Convert, people: &People, row: &Row) {
        if let Whose::Of(person) = people.whose(Table::Recalls, row)
            && let Ok(Some(said)) = convert.said(row)
        {
            self.seen
                .push((group(people, person, &said.kind), said.rank()));
        }
    }

    /// Every row has been added.
    #[must_use]
    pub(crate) fn finish(mut self) -> Self {
        self.seen.sort_unstable();
        self.seen.dedup();
        // Only the few that are not alone are kept.
        let twins = self.seen.chunk_by(|(one, _), (other, _)| one == other);
        let seen = twins.filter(|twins| twins.len() > 1).flatten().copied();
        Self {
            seen: seen.collect(),
        }
    }

    /// The place of a row among those of its patient and type.
    fn place(&self, group: u64, rank: (i64, u64)) -> usize {
        let start = self.seen.partition_point(|(other, _)| *other < group);
        let mine = self.seen.iter().skip(start);
        mine.take_while(|(other, _)| *other == group)
            .position(|(_, other)| *other == rank)
            .unwrap_or(0)
    }
}

fn group(people: &People, person: Person, kind: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (people.key(person).native(), kind).hash(&mut hasher);
    hasher.finish()
}

impl Convert {
    /// A recall. `twins` has seen every row of the table.
    ///
    /// Its key is a digest of patient and type: a due date that moves is still
    /// the same recall, and the type is a word about a mouth that must not leave
    /// in a key.
    pub(crate) fn recall(&self, people: &People, twins: &Twins, row: &Row) -> Made {
        let said = match self.said(row) {
            Ok(Some(said)) => Ok(said),
            Ok(None) => return Made::LeftOut(LeftOut::OtherType),
            Err(fault) => Err(fault),
        };
        let bad = |native: Option<&str>, fault| {
            Made::Change(unreadable(RecordKind::Recall, native, fault, row))
        };
        let kind = said.as_ref().map(|said| said.kind.clone());
        let kind = kind.ok().or_else(|| type_of(row).ok());
        let key = |person, place: usize| {
            let kind = kind.as_deref()?;
            let patient = people.key(person);
            let place = place.to_string();
            let parts = [patient.native(), kind, &place];
            let parts = if place == "0" {
                parts.get(..2)?
            } else {
                &parts
            };
            Some(people.digest(RECALL, parts))
        };
        let person = match people.whose(Table::Recalls, row) {
            Whose::Of(person) => person,
            Whose::Clash(person, fault) => return bad(key(person, 0).as_deref(), fault),
            Whose::Unidentified(fault) => return bad(None, fault),
            Whose::Unknown => return Made::LeftOut(LeftOut::UnknownPatient),
            Whose::NotOnFile => return Made::LeftOut(LeftOut::NotOnFile),
        };
        let said = match said {
            Ok(said) => said,
            Err(fault) => return bad(key(person, 0).as_deref(), fault),
        };
        let place = twins.place(group(people, person, &said.kind), said.rank());
        let Some(key) = key(person, place) else {
            return bad(None, Fault(Field::RecallType.name(), "is missing"));
        };
        Made::Change(Change::Upsert(Record::Recall(Recall {
            key: RecallKey::new(key),
            patient: people.key(person),
            due: said.due,
            previous: said.previous,
            interval: None,
            scheduled: said.scheduled,
            disabled: false,
            snoozed_until: None,
            held_for_balance: false,
            urgent: false,
            labels: said.labels,
        })))
    }

    /// What a row says. None: its type means no recall here.
    fn said(&self, row: &Row) -> Result<Option<Said>, Fault> {
        let kind = type_of(row)?;
        let number = row.get(Field::RecallTypeId);
        let wanted = |one: &String| *one == kind || number.is_some_and(|number| one == number);
        if !self.recall_types.is_empty() && !self.recall_types.iter().any(wanted) {
            return Ok(None);
        }
        let mut labels = Vec::new();
        // The status of a recall is the last contact that was made, in the
        // practice's own words; `<None>` is none.
        if let Some(word) = row
            .get(Field::RecallStatus)
            .filter(|word| !word.eq_ignore_ascii_case("<none>"))
        {
            labels.push(Label::new("recall_status", word, word));
        }
        let words = row.get(Field::RecallDescription).unwrap_or(&kind);
        labels.push(Label::new("recall_type", &*kind, words));
        let mut scheduled = None;
        match row.get(Field::Booked) {
            None => {}
            // Some other appointment: it does not answer this recall.
            Some("+") => labels.push(Label::new("recall_booked", "+", "another appointment")),
            Some(_) => {
                scheduled = date::field(row, Field::Booked, self.today)
                    .map_err(|_| Fault(Field::Booked.name(), "is neither a date nor +"))?;
            }
        }
        Ok(Some(Said {
            due: date::field(row, Field::DueDate, self.today)?,
            previous: date::field(row, Field::PriorDate, self.today)?,
            scheduled,
            labels,
            kind,
        }))
    }
}

/// The short code of the type, else its number.
fn type_of(row: &Row) -> Result<String, Fault> {
    row.get(Field::RecallType)
        .or_else(|| row.get(Field::RecallTypeId))
        .map(str::to_uppercase)
        .ok_or(Fault(Field::RecallType.name(), "is missing"))
}
