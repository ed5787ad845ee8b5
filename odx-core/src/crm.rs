//! What a CRM is told: contacts and tasks, as records with one canonical form.
//!
//! The canonical form of a record is its JSON with sorted keys, no nulls and
//! no blanks. Its hash decides whether anything has to be sent, and the very
//! same bytes are what a sink may put on the wire.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::broken;
use crate::hash::{ContentHash, IdempotencyKey};
use crate::id::{ExternalId, OfficeId};
use crate::model::{Channel, ConsentState, PhoneKind};
use crate::outreach::Purpose;
use crate::phi::Phi;
use crate::policy::Segment;

/// The kinds of record a CRM holds for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// A person.
    Contact,
    /// A to-do about a person.
    Task,
}

impl Entity {
    /// In the singular, as it stands in idempotency keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Task => "task",
        }
    }
}

/// Text as it goes out: NFC, no blanks around it, no control characters.
/// Source text never becomes a header, a path or a line break.
pub fn tidy(text: &str) -> String {
    let clean = |c: &char| !c.is_control();
    if is_nfc(text) {
        text.trim().chars().filter(clean).collect()
    } else {
        text.trim().nfc().filter(clean).collect()
    }
}

/// Consent per channel, as a CRM is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContactConsent {
    /// E-mail.
    pub email: ConsentState,
    /// Texts.
    pub sms: ConsentState,
    /// Calls.
    pub voice: ConsentState,
}

/// What else a contact carries. An allow-list: nothing of the model is exported
/// until somebody adds it here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContactCustom {
    /// Where a visit is booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_link: Option<String>,
    /// Opens the chart. Opaque: it names nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_link: Option<String>,
    /// The practice's key of their clinic, for routing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clinic: Option<String>,
    /// The practice's key of their provider, for routing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Where a review is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_link: Option<String>,
    /// A number for calls only, where there is no mobile.
    #[serde(
        with = "crate::phi::expose_option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub voice_phone: Option<Phi<String>>,
}

impl ContactCustom {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One patient of one office. Fields stand in the order of the canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Consent per channel.
    pub consent: ContactConsent,
    /// What else is exported.
    #[serde(default, skip_serializing_if = "ContactCustom::is_empty")]
    pub custom: ContactCustom,
    /// E-mail address.
    #[serde(
        with = "crate::phi::expose_option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub email: Option<Phi<String>>,
    /// Its name for ever.
    pub external_id: ExternalId,
    /// First name.
    #[serde(with = "crate::phi::expose")]
    pub first_name: Phi<String>,
    /// The household's name for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub household_external_id: Option<ExternalId>,
    /// Last name.
    #[serde(with = "crate::phi::expose")]
    pub last_name: Phi<String>,
    /// The office.
    pub office_id: String,
    /// Mobile number, E.164.
    #[serde(
        with = "crate::phi::expose_option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub phone: Option<Phi<String>>,
    /// What kind of line `phone` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_kind: Option<PhoneKind>,
    /// What they like to be called.
    #[serde(
        with = "crate::phi::expose_option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub preferred_name: Option<Phi<String>>,
    /// Managed tags, sorted, each once.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The office's zone, IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// To do.
    Open,
    /// Done: the visit is booked.
    Completed,
    /// No longer wanted.
    Cancelled,
}

/// A to-do about a recall or a lapse: updated in place until closed, never deleted. Fields stand
/// in the order of the canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Whose it is.
    pub contact_external_id: ExternalId,
    /// The day that counts, a calendar day at the practice.
    pub due_date: NaiveDate,
    /// Its name for ever.
    pub external_id: ExternalId,
    /// What it is about.
    pub kind: TaskKind,
    /// The office.
    pub office_id: String,
    /// How pressing it is, while open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Segment>,
    /// Where it stands.
    pub status: TaskStatus,
    /// What staff read, with the reason once it is closed. Generic: no
    /// diagnosis, no procedure, no kind of recall.
    pub title: String,
}

/// What a task is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// A visit that comes round again.
    Recall,
    /// A patient who was not seen for long.
    Reactivation,
}

/// Somebody to be taken into one of the CRM's own sequences, once. Fields stand
/// in the order of the canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    /// By which channels the sequence may reach them.
    pub channels: Vec<Channel>,
    /// Who is reached: the patient, or a minor's guarantor.
    pub contact_external_id: ExternalId,
    /// Its name for ever: one per occurrence.
    pub external_id: ExternalId,
    /// The office.
    pub office_id: String,
    /// About whom, where that is somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_external_id: Option<ExternalId>,
    /// Which sequence.
    pub purpose: Purpose,
    /// Where the office has a sequence for each segment: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Segment>,
}

/// The state one record should have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "half of all ops are contacts, and they are short-lived"
)]
pub enum Body {
    /// A contact.
    Contact(Contact),
    /// A task.
    Task(Task),
}

impl Body {
    /// The record's name.
    pub const fn external_id(&self) -> &ExternalId {
        match self {
            Self::Contact(contact) => &contact.external_id,
            Self::Task(task) => &task.external_id,
        }
    }

    /// The names of what it discloses of a person, for the record of
    /// disclosures. No values.
    pub fn fields(&self) -> String {
        let mut names = String::new();
        let mut field = |name: &str, is: bool| {
            if is {
                names.push_str(if names.is_empty() { "" } else { "," });
                names.push_str(name);
            }
        };
        match self {
            Self::Contact(contact) => {
                field("consent", true);
                field("voice_phone", contact.custom.voice_phone.is_some());
                field("clinic", contact.custom.clinic.is_some());
                field("provider", contact.custom.provider.is_some());
                field("chart_link", contact.custom.chart_link.is_some());
                field("email", contact.email.is_some());
                field("name", true);
                field("household", contact.household_external_id.is_some());
                field("phone", contact.phone.is_some());
                field("preferred_name", contact.preferred_name.is_some());
                field("tags", !contact.tags.is_empty());
            }
            Self::Task(task) => {
                field("due_date", true);
                field("segment", task.segment.is_some());
                field("status", true);
            }
        }
        names
    }

    /// The kind of record.
    pub const fn entity(&self) -> Entity {
        match self {
            Self::Contact(_) => Entity::Contact,
            Self::Task(_) => Entity::Task,
        }
    }
}

/// Whether a record that the CRM does not have yet is worth creating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Create or update.
    Upsert,
    /// Bring to rest what is there; create nothing.
    Retire,
}

/// One record's wanted state, as a policy says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// What for.
    pub intent: Intent,
    /// The state.
    pub body: Body,
}

impl Op {
    /// The record's name.
    pub const fn external_id(&self) -> &ExternalId {
        self.body.external_id()
    }

    /// The kind of record.
    pub const fn entity(&self) -> Entity {
        self.body.entity()
    }

    /// The record that must be there before this one.
    pub const fn depends_on(&self) -> Option<&ExternalId> {
        match &self.body {
            Body::Contact(_) => None,
            Body::Task(task) => Some(&task.contact_external_id),
        }
    }

    /// The canonical JSON. It holds PHI.
    ///
    /// # Errors
    /// [`ErrorKind::Bug`] if the record cannot be written as JSON.
    pub fn canonical(&self) -> Result<Phi<Vec<u8>>> {
        let bytes = match &self.body {
            Body::Contact(contact) => serde_json::to_vec(contact),
            Body::Task(task) => serde_json::to_vec(task),
        };
        bytes
            .map(Phi::new)
            .map_err(|_| Error::new(ErrorKind::Bug, "a record could not be written as json"))
    }
}

/// An op on its way to a sink.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Delivery {
    /// The state to bring about.
    pub op: Op,
    /// The op's canonical JSON, the bytes that were hashed.
    pub canonical: Phi<Vec<u8>>,
    /// Hash of the canonical form.
    pub hash: ContentHash,
    /// Same for every attempt at this change, different for every change.
    pub idempotency_key: IdempotencyKey,
    /// The sink's own id of the record, once it told us.
    pub remote_id: Option<String>,
}

impl Delivery {
    /// Makes an op ready to send as the `generation`th change of its record.
    ///
    /// # Errors
    /// [`ErrorKind::Bug`] if the record cannot be written as JSON.
    pub fn new(
        op: Op,
        office: &OfficeId,
        generation: u64,
        remote_id: Option<String>,
    ) -> Result<Self> {
        let canonical = op.canonical()?;
        let hash = ContentHash::of(canonical.expose());
        Ok(Self::ready(
            op, canonical, hash, office, generation, remote_id,
        ))
    }

    pub(crate) fn ready(
        op: Op,
        canonical: Phi<Vec<u8>>,
        hash: ContentHash,
        office: &OfficeId,
        generation: u64,
        remote_id: Option<String>,
    ) -> Self {
        let generation = if broken("broken.key.generation") {
            0
        } else {
            generation
        };
        let idempotency_key = IdempotencyKey::new(
            office,
            op.entity().name(),
            op.external_id(),
            "upsert",
            generation,
            hash,
        );
        Self {
            op,
            canonical,
            hash,
            idempotency_key,
            remote_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_content_hash_vector_of_a_contact_holds() {
        let whole: Value =
            serde_json::from_str(include_str!("../tests/fixtures/content_hash.json")).unwrap();
        let mut seen = 0;
        for case in whole["cases"].as_array().unwrap() {
            // The vectors give a projection before tidying; a contact is tidied when it is made.
            let mut contact: Contact = match serde_json::from_value(case["input"].clone()) {
                Ok(contact) => contact,
                Err(why) => panic!("{}: {why}", case["name"]),
            };
            for text in [&mut contact.first_name, &mut contact.last_name] {
                *text = Phi::new(tidy(text.expose()));
            }
            contact.preferred_name = contact
                .preferred_name
                .filter(|name| !name.expose().is_empty());
            contact.tags.sort();
            contact.tags.dedup();
            let op = Op {
                intent: Intent::Upsert,
                body: Body::Contact(contact),
            };
            let office = OfficeId::new(case["input"]["office_id"].as_str().unwrap()).unwrap();
            let delivery =
                Delivery::new(op, &office, case["generation"].as_u64().unwrap(), None).unwrap();
            let canonical = String::from_utf8(delivery.canonical.into_exposed()).unwrap();
            assert_eq!(
                canonical,
                case["canonical"].as_str().unwrap(),
                "{}",
                case["name"]
            );
            assert_eq!(
                delivery.hash.to_wire(),
                case["content_hash"].as_str().unwrap()
            );
            assert_eq!(
                delivery.idempotency_key.as_str(),
                case["idempotency_key"].as_str().unwrap()
            );
            seen += 1;
        }
        assert!(seen >= 5, "only {seen} vectors");
    }

    #[test]
    fn a_line_break_in_a_name_does_not_travel() {
        assert_eq!(tidy(" Ana\r\nBcc: x "), "AnaBcc: x");
    }
}
