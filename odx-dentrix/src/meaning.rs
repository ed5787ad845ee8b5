//! What the rows of one read mean: who everybody is first, then a record of each row.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use odx_core::model::{BadRecord, Recall, Record, RecordKey, RecordKind};
use odx_core::source::{Change, Swept};
use odx_core::{Error, ErrorKind, PatientKey, Result, Secret};

use crate::columns::fingerprint;
use crate::config::Builder;
use crate::convert::{Convert, LeftOut, Made, OnePerPerson, Twins};
use crate::identity::{People, Whose};
use crate::plausible::{Count, Learned};
use crate::snapshot::Part;
use crate::spool::standing;
use crate::table::{Field, Row, Table};

/// Knows everybody of a read.
pub(crate) struct Meaning {
    convert: Convert,
    people: People,
    twins: Twins,
    /// People who stand only in the rows of their recalls.
    from_recalls: Vec<(u64, Change)>,
    /// Visits to come, by whose they are: when, and what for.
    booked: BTreeMap<PatientKey, Vec<(NaiveDate, String)>>,
    left_out: BTreeMap<LeftOut, u64>,
}

impl std::fmt::Debug for Meaning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meaning([phi])")
    }
}

pub(crate) const fn kind(table: Table) -> RecordKind {
    match table {
        Table::Patients => RecordKind::Patient,
        Table::Recalls => RecordKind::Recall,
        Table::Appointments => RecordKind::Appointment,
    }
}

fn no_privacy(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Config, why.to_string())
}

impl Meaning {
    /// Reads every row once. `listed`: people come from a list of their own, in this read or an earlier one.
    pub(crate) fn new(
        settings: &Builder,
        today: NaiveDate,
        parts: &mut BTreeMap<Table, Part>,
        listed: bool,
    ) -> Result<Self> {
        let key = settings.identity_key.clone();
        let key = key.unwrap_or_else(|| Secret::new(settings.id.to_string()));
        let convert = Convert::new(today, settings.area_code.clone(), &settings.recall_types);
        let mut people = People::gather(settings.identity, &key, today);
        // Without their list in this read people are those of whom it speaks.
        let who = if parts.contains_key(&Table::Patients) {
            Table::Patients
        } else {
            Table::Recalls
        };
        if let Some(part) = parts.get_mut(&who) {
            part.rows.each(|row| people.add(&row))?;
        }
        let people = people.finish();
        let mut twins = Twins::default();
        let mut from_recalls = OnePerPerson::default();
        if let Some(part) = parts.get_mut(&Table::Recalls) {
            let mut missing = None;
            part.rows.each(|row| {
                twins.add(&convert, &people, &row);
                if who == Table::Recalls && !listed {
                    match convert.patient(&people, &row) {
                        Ok(change) => from_recalls.add(change),
                        Err(why) => missing = Some(why),
                    }
                }
            })?;
            if let Some(why) = missing {
                return Err(no_privacy(why));
            }
        }
        let mut from_recalls: Vec<_> = from_recalls
            .into_changes()
            .map(|change| {
                let key = change.key();
                let native = key.as_ref().map_or("", RecordKey::native);
                (standing(&[native]), change)
            })
            .collect();
        from_recalls.sort_by_key(|(standing, _)| *standing);
        let booked = match parts.get_mut(&Table::Appointments) {
            Some(part) => booked(part, &convert, &people, today)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            booked,
            convert,
            people,
            twins: twins.finish(),
            from_recalls,
            left_out: BTreeMap::new(),
        })
    }

    /// People who stand only in the rows of their recalls, in their order.
    pub(crate) fn recalled(&self) -> &[(u64, Change)] {
        &self.from_recalls
    }

    /// Whose a row is, as far as anybody can tell.
    pub(crate) fn whose(&self, table: Table, row: &Row) -> Option<PatientKey> {
        match self.people.whose(table, row) {
            Whose::Of(person) | Whose::Clash(person, _) => Some(self.people.key(person)),
            Whose::Unidentified(_) | Whose::Unknown | Whose::NotOnFile => None,
        }
    }

    /// What a row means.
    pub(crate) fn change(&mut self, table: Table, row: &Row) -> Result<Option<Change>> {
        let made = match table {
            Table::Patients => {
                let change = self.convert.patient(&self.people, row);
                return change.map(Some).map_err(no_privacy);
            }
            Table::Recalls => self.convert.recall(&self.people, &self.twins, row),
            Table::Appointments => self.convert.appointment(&self.people, row),
        };
        Ok(match made {
            Made::Change(Change::Upsert(Record::Recall(mut recall))) => {
                recall.scheduled = recall.scheduled.or_else(|| self.answers(&recall, row));
                Some(Change::Upsert(Record::Recall(recall)))
            }
            Made::Change(change) => Some(change),
            Made::LeftOut(why) => {
                *self.left_out.entry(why).or_default() += 1;
                None
            }
        })
    }

    /// When the visit is that will answer a recall: one that is to come, and whose reason names its type, as the
    /// vendor's own screen has it (reference 4). Reports say it themselves.
    fn answers(&self, recall: &Recall, row: &Row) -> Option<NaiveDate> {
        let kind = row.get(Field::RecallType)?.to_uppercase();
        let visits = self.booked.get(&recall.patient)?.iter();
        visits
            .filter(|(_, reason)| {
                let mut words = reason.split(|c: char| !c.is_alphanumeric());
                words.any(|word| word == kind)
            })
            .map(|(day, _)| *day)
            .min()
    }

    /// Rows that the reader itself could not make out.
    pub(crate) fn unreadable(part: &Part) -> impl Iterator<Item = Change> + '_ {
        let kind = kind(part.table);
        part.unreadable.iter().map(move |(place, why)| {
            let raw = format!("{place} {why}");
            let why = format!("{why} ({place})");
            Change::Unreadable(BadRecord::new(kind, None, why, raw.as_bytes()))
        })
    }

    /// The listing that ends with this table.
    pub(crate) fn swept(table: Table) -> Swept {
        Swept { kind: kind(table) }
    }

    /// How many rows were left out, and why, in words.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = String> + '_ {
        self.left_out.iter().map(|(why, rows)| {
            let why = match why {
                LeftOut::OtherType => "of types that are no recall, by recall_types",
                LeftOut::UnknownPatient => "of patients who are in no list",
                LeftOut::NotOnFile => "of new patients who are not on file yet",
            };
            format!("{rows} rows {why}")
        })
    }
}

/// The change is this patient.
pub(crate) fn is_patient(change: &Change, patient: &PatientKey) -> bool {
    change.key() == Some(RecordKey::Patient(patient.clone()))
}

/// Refuses a read that nobody would believe, and learns from one that is good.
pub(crate) fn weigh(
    settings: &Builder,
    today: NaiveDate,
    parts: &mut BTreeMap<Table, Part>,
    counted: &[Table],
    learned: &Learned,
) -> Result<Learned> {
    let mut count = Count::default();
    for part in parts
        .values_mut()
        .filter(|part| counted.contains(&part.table))
    {
        count.table(part.table, fingerprint(&part.header));
        let table = part.table;
        part.rows.each(|row| count.add(table, &row, today))?;
    }
    for table in learned.drifted(&count) {
        tracing::warn!(
            "{}: the columns of the {} changed since the last read; they still fit",
            settings.id,
            table.name()
        );
    }
    let holds = learned.holds(&count, settings.thin, today);
    if !holds.is_empty() && !settings.release {
        let holds: Vec<String> = holds.iter().map(ToString::to_string).collect();
        return Err(Error::new(
            ErrorKind::Config,
            format!("a read is held: {}", holds.join("; ")),
        ));
    }
    Ok(learned.clone().taught(&count))
}

/// Visits to come that say what they are for.
fn booked(
    part: &mut Part,
    convert: &Convert,
    people: &People,
    today: NaiveDate,
) -> Result<BTreeMap<PatientKey, Vec<(NaiveDate, String)>>> {
    let mut booked: BTreeMap<_, Vec<_>> = BTreeMap::new();
    part.rows.each(|row| {
        let Some(reason) = row.get(Field::Reason) else {
            return;
        };
        let made = convert.appointment(people, &row);
        if let Made::Change(Change::Upsert(Record::Appointment(visit))) = made
            && visit.is_upcoming(today)
            && let Some(start) = visit.start
        {
            let visits = booked.entry(visit.patient).or_default();
            visits.push((start.date(), reason.to_uppercase()));
        }
    })?;
    Ok(booked)
}

/// Up to when a book was read, by the server's own clock.
pub(crate) fn changed_until(part: &mut Part) -> Result<Option<NaiveDateTime>> {
    let mut until = None;
    part.rows.each(|row| {
        for field in [Field::ServerTime, Field::Changed] {
            let Some(text) = row.get(field) else { continue };
            let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
                .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f"));
            if let Ok(at) = at {
                until = until.max(Some(at));
                // The clock, where the server says what it shows.
                break;
            }
        }
    })?;
    Ok(until)
}
