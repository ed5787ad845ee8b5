//! People.

use std::collections::BTreeMap;

use odx_core::Phi;
use odx_core::model::{Label, Patient, PatientStatus, Record, RecordKind};
use odx_core::source::Change;

use super::email::emails;
use super::name::{Name, preferred};
use super::phone::phones;
use super::privacy::Privacy;
use super::{Convert, Fault, NoPrivacy, date, unreadable};
use crate::identity::{People, Person, Whose};
use crate::table::{Field, Row};

impl Convert {
    /// A person, of a row that was added to `people`: of the patients, or of a
    /// report of recalls.
    ///
    /// # Errors
    /// The table does not say who must not be contacted. Then nothing of it may
    /// be used.
    pub(crate) fn patient(&self, people: &People, row: &Row) -> Result<Change, NoPrivacy> {
        Privacy::of(row).ok_or(NoPrivacy)?;
        let bad = |native: Option<&str>, fault| unreadable(RecordKind::Patient, native, fault, row);
        Ok(match people.of_patient(row) {
            Whose::Of(person) => match self.person(people, person, row) {
                Ok(patient) => Change::Upsert(Record::Patient(patient)),
                Err(fault) => bad(Some(people.key(person).native()), fault),
            },
            Whose::Clash(person, fault) => bad(Some(people.key(person).native()), fault),
            Whose::Unidentified(fault) => bad(None, fault),
            Whose::Unknown | Whose::NotOnFile => {
                bad(None, Fault("the row", "came between two readings"))
            }
        })
    }

    fn person(&self, people: &People, person: Person, row: &Row) -> Result<Patient, Fault> {
        let born = date::field(row, Field::BirthDate, self.today)?.map(Phi::new);
        let first_visit = date::field(row, Field::FirstVisit, self.today)?;
        let privacy = people.privacy(person);
        let (mut status, word) = status(row)?;
        if privacy.is_held() {
            status = PatientStatus::Archived;
        }
        let name = Name::of(row);
        let (mobile, landline) = phones(row, self.area_code.as_deref());
        let (valid, _) = emails(row.get(Field::Email).unwrap_or_default());
        let mut labels: Vec<Label> = word
            .map(|word| Label::new("pat_status", word, word))
            .into_iter()
            .collect();
        if name.is_degraded() {
            labels.push(Label::new(NAME, DEGRADED, "letters lost to an encoding"));
        }
        Ok(Patient {
            key: people.key(person),
            household: people.household(person),
            status,
            preferred_name: preferred(row, &name).map(Phi::new),
            first_name: Phi::new(name.first),
            last_name: Phi::new(name.last),
            born,
            mobile,
            landline,
            email: valid.into_iter().next(),
            consent: privacy.statements(),
            needs_person: false,
            first_visit,
            clinic: None,
            provider: row.get(Field::Provider).map(str::to_owned),
            language: None,
            labels,
        })
    }
}

const NAME: &str = "name";
const DEGRADED: &str = "degraded";

/// Where a person stands, and the practice's word for it. A code or a word;
/// where the table has no such column, its people are treated: a report of
/// recalls is of nobody else.
fn status(row: &Row) -> Result<(PatientStatus, Option<&'static str>), Fault> {
    if !row.has(Field::Status) {
        return Ok((PatientStatus::Active, None));
    }
    let text = row
        .get(Field::Status)
        .ok_or(Fault(Field::Status.name(), "is missing"))?;
    let (status, word) = match &*crate::columns::folded(text.strip_suffix(".0").unwrap_or(text)) {
        "1" | "patient" => (PatientStatus::Active, "Patient"),
        "2" | "nonpatient" => (PatientStatus::NonPatient, "Non-Patient"),
        "3" | "inactive" => (PatientStatus::Inactive, "Inactive"),
        "4" | "archived" => (PatientStatus::Archived, "Archived"),
        _ => {
            return Err(Fault(
                Field::Status.name(),
                "holds a word this version does not know",
            ));
        }
    };
    Ok((status, Some(word)))
}

/// One person of many rows: for tables that may have several of one, such as a
/// report of recalls. What comes out does not depend on the order of the rows.
#[derive(Debug, Default)]
pub(crate) struct OnePerPerson(BTreeMap<String, Change>);

impl OnePerPerson {
    /// Takes what [`Convert::patient`] made of a row.
    pub(crate) fn add(&mut self, change: Change) {
        let key = match &change {
            Change::Upsert(record) => record.native().to_owned(),
            Change::Unreadable(bad) => bad.native.clone(),
            _ => return,
        };
        let change = match (self.0.remove(&key), change) {
            (
                Some(Change::Upsert(Record::Patient(one))),
                Change::Upsert(Record::Patient(other)),
            ) => Change::Upsert(Record::Patient(merged(one, other))),
            // One row that cannot be read may be the one that says no.
            (Some(Change::Unreadable(one)), Change::Unreadable(other)) => {
                let first = one.hash.as_bytes() <= other.hash.as_bytes();
                Change::Unreadable(if first { one } else { other })
            }
            (Some(bad @ Change::Unreadable(_)), _) => bad,
            (_, change) => change,
        };
        self.0.insert(key, change);
    }

    /// Everyone, by key.
    pub(crate) fn into_changes(self) -> impl Iterator<Item = Change> {
        self.0.into_values()
    }
}

/// What two rows say about one person. Where they differ neither is better
/// known: the one that sorts first, so that the next read decides the same.
fn merged(one: Patient, other: Patient) -> Patient {
    fn either<T, K: Ord>(one: Option<T>, other: Option<T>, key: impl Fn(&T) -> K) -> Option<T> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if key(&one) <= key(&other) { one } else { other }),
            (one, other) => one.or(other),
        }
    }
    let rank = |patient: &Patient| {
        let lost = patient.labels.iter().any(|label| label.field == NAME);
        (
            lost,
            patient.last_name.clone(),
            patient.first_name.clone(),
            patient.status as u8,
        )
    };
    let (mut kept, other) = if rank(&one) <= rank(&other) {
        (one, other)
    } else {
        (other, one)
    };
    // The further along, the stricter.
    if other.status.is_closed() && !kept.status.is_closed() {
        kept.status = other.status;
    }
    for said in other.consent {
        if !kept.consent.contains(&said) {
            kept.consent.push(said);
        }
    }
    kept.consent.sort_by_key(|said| said.channel);
    let number = |phone: &odx_core::model::Phone| {
        let extension = phone.extension().map(|digits| digits.expose().clone());
        (phone.e164().expose().clone(), extension, phone.kind() as u8)
    };
    kept.preferred_name = either(kept.preferred_name, other.preferred_name, Clone::clone);
    kept.born = either(kept.born, other.born, Clone::clone);
    kept.mobile = either(kept.mobile, other.mobile, number);
    kept.landline = either(kept.landline, other.landline, number);
    kept.email = either(kept.email, other.email, |email| {
        email.address().expose().clone()
    });
    kept.first_visit = either(kept.first_visit, other.first_visit, |day| *day);
    kept.provider = either(kept.provider, other.provider, Clone::clone);
    kept
}
