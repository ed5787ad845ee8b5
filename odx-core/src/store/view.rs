//! What both stores share: digests of addresses, decoding, who is blocked.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::error::{Error, ErrorKind, Result};
use crate::hash::hex;
use crate::id::{ExternalIds, IdScheme};
use crate::model::{
    Appointment, Channel, Kept, Label, Member, OptOut, Patient, Recall, RecordKind, Reminder, Stop,
};
use crate::outreach::Address;
use crate::policy::TagMap;
use crate::sink::{Suppression, Target};

/// A keyed digest of an address: equal addresses can be found, none can be read.
pub(super) type Digest = [u8; 16];

/// The store's own key for digests.
#[derive(Clone)]
pub(super) struct DigestKey(pub(super) [u8; 32]);

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

impl DigestKey {
    /// A new random key.
    pub(super) fn random() -> Self {
        use std::hash::{BuildHasher as _, Hasher as _};
        let mut key = [0; 32];
        for chunk in key.chunks_mut(8) {
            // Each RandomState is seeded by the operating system.
            let bits = std::collections::hash_map::RandomState::new()
                .build_hasher()
                .finish();
            chunk.copy_from_slice(&(bits ^ fastrand::u64(..)).to_be_bytes());
        }
        Self(key)
    }

    fn digest(&self, kind: u8, text: &str) -> Result<Digest> {
        self.digest_bytes(kind, text.as_bytes())
    }

    fn digest_bytes(&self, kind: u8, text: &[u8]) -> Result<Digest> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .map_err(|_| Error::new(ErrorKind::Bug, "the digest key has a wrong length"))?;
        mac.update(&[kind]);
        mac.update(text);
        let full = mac.finalize().into_bytes();
        let mut digest = [0; 16];
        digest
            .iter_mut()
            .zip(full)
            .for_each(|(half, byte)| *half = byte);
        Ok(digest)
    }

    /// What a stop is stored as.
    pub(super) fn rows(&self, stop: &Suppression) -> Result<Vec<(Channel, Digest)>> {
        let (digest, all): (_, &[Channel]) = match &stop.target {
            Target::Phone(phone) => (
                self.digest(1, phone.e164().expose())?,
                &[Channel::Sms, Channel::Voice],
            ),
            Target::Email(email) => (
                self.digest(2, email.match_key().expose())?,
                &[Channel::Email],
            ),
            Target::Contact(id) => (
                self.digest(3, id.as_str())?,
                &[Channel::Sms, Channel::Email, Channel::Voice],
            ),
        };
        Ok(match stop.channel {
            Some(channel) => vec![(channel, digest)],
            None => all.iter().map(|channel| (*channel, digest)).collect(),
        })
    }

    /// What an address is stored as.
    pub(super) fn address(&self, address: &Address) -> Result<Digest> {
        match address {
            Address::Phone(phone) => self.digest(1, phone.e164().expose()),
            Address::Email(email) => self.digest(2, email.match_key().expose()),
        }
    }

    /// What a record is called where its name must not be read.
    pub(super) fn of_record(&self, external_id: &str) -> Result<Digest> {
        self.digest(4, external_id)
    }

    /// What stands in a link.
    pub(super) fn token(&self, text: &str) -> Result<String> {
        self.digest(6, text).map(|digest| hex(&digest))
    }

    /// A link of a chain: over the link before and these parts, none of which can
    /// pass for a piece of another.
    pub(super) fn chained(&self, before: &Digest, parts: &[&[u8]]) -> Result<Digest> {
        let mut text = before.to_vec();
        for part in parts {
            text.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            text.extend_from_slice(part);
        }
        self.digest_bytes(5, &text)
    }

    /// Everything by which a stop may name this patient: their record under
    /// either scheme, their numbers, their mailbox.
    pub(super) fn names(&self, patient: &Patient, ids: &ExternalIds) -> Result<Vec<Digest>> {
        let mut addresses = Vec::with_capacity(5);
        for scheme in [IdScheme::Scoped, IdScheme::Bare] {
            let id = ids.in_scheme(scheme).patient(&patient.key);
            addresses.push(self.digest(3, id.as_str())?);
        }
        for phone in [&patient.mobile, &patient.landline].into_iter().flatten() {
            addresses.push(self.digest(1, phone.e164().expose())?);
        }
        if let Some(email) = &patient.email {
            addresses.push(self.digest(2, email.match_key().expose())?);
        }
        // A household's one number stands in both fields.
        addresses.sort_unstable();
        addresses.dedup();
        Ok(addresses)
    }
}

/// A stored row.
pub(super) struct Row<'a> {
    pub(super) kind: RecordKind,
    pub(super) body: &'a [u8],
    pub(super) gone: bool,
    pub(super) changed_on: chrono::NaiveDate,
}

fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    // Without the cause: it may quote the body.
    serde_json::from_slice(body).map_err(|_| {
        Error::new(
            ErrorKind::State,
            "a stored record cannot be read; move the state file aside and run again: \
             odx reads the practice anew and creates no duplicates",
        )
    })
}

pub(super) fn patient(row: &Row<'_>) -> Result<Kept<Patient>> {
    Ok(Kept {
        record: decode(row.body)?,
        gone: row.gone,
        changed_on: row.changed_on,
    })
}

/// Hangs a row on its patient.
pub(super) fn hang(member: &mut Member, row: &Row<'_>) -> Result<()> {
    match row.kind {
        RecordKind::Patient => {}
        RecordKind::Recall => member.recalls.push(Kept {
            record: decode::<Recall>(row.body)?,
            gone: row.gone,
            changed_on: row.changed_on,
        }),
        RecordKind::Appointment if !row.gone => {
            member.appointments.push(decode::<Appointment>(row.body)?)
        }
        RecordKind::OptOut if !row.gone => member.opt_out = Some(decode::<OptOut>(row.body)?),
        RecordKind::Reminder if !row.gone => member.reminders.push(decode::<Reminder>(row.body)?),
        RecordKind::Appointment | RecordKind::OptOut | RecordKind::Reminder => {}
    }
    Ok(())
}

/// There is an opt-out of theirs that cannot be read. What it said when it still
/// could be read does not count: it says something else now.
pub(super) fn opted_out_unread(member: &mut Member) {
    member.opt_out = Some(OptOut::unread(member.patient.record.key.clone()));
}

/// By key, so that the answer of a policy does not depend on the order of rows.
#[cfg(feature = "sqlite")]
pub(super) fn order(member: &mut Member) {
    member
        .recalls
        .sort_by(|a, b| a.record.key.cmp(&b.record.key));
    member.appointments.sort_by(|a, b| a.key.cmp(&b.key));
    member.reminders.sort_by(|a, b| a.key.cmp(&b.key));
}

/// Why somebody stopped who said so with a keyword, and who may take it back by
/// another.
pub(super) const KEYWORD_STOP: &str = "keyword_stop";

/// Why a reply waits for a person: no stop yet.
pub(super) const NEEDS_PERSON: &str = "needs_person";

/// Gives a member the stops that concern them, in one order.
pub(super) fn stop(member: &mut Member, mut stops: Vec<Stop>) {
    stops.sort_by(|a, b| {
        (a.channel, a.origin, a.since, &a.reason).cmp(&(b.channel, b.origin, b.since, &b.reason))
    });
    let blocked = &mut member.blocked;
    for stop in &stops {
        match stop.channel {
            Channel::Sms => blocked.sms = true,
            Channel::Email => blocked.email = true,
            Channel::Voice => blocked.voice = true,
        }
    }
    member.stops = stops;
}

/// Adds the statuses of a living record, as a tag map writes them.
pub(super) fn count_statuses(
    kind: RecordKind,
    body: &[u8],
    counts: &mut BTreeMap<String, u64>,
) -> Result<()> {
    let mut count = |status: String| *counts.entry(status).or_default() += 1;
    let mut labels = |labels: &[Label]| labels.iter().map(TagMap::status_of).for_each(&mut count);
    match kind {
        RecordKind::Patient => {
            let patient = decode::<Patient>(body)?;
            labels(&patient.labels);
            for (field, key) in [("clinic", patient.clinic), ("provider", patient.provider)] {
                if let Some(key) = key {
                    count(format!("{field}:{key}"));
                }
            }
        }
        RecordKind::Recall => labels(&decode::<Recall>(body)?.labels),
        RecordKind::Appointment => labels(&decode::<Appointment>(body)?.labels),
        RecordKind::OptOut | RecordKind::Reminder => {}
    }
    Ok(())
}
