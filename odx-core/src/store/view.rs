//! What both stores share: digests of addresses, decoding, who is blocked.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::error::{Error, ErrorKind, Result};
use crate::id::ExternalIds;
use crate::model::{
    Appointment, Blocked, Channel, Kept, Member, OptOut, Patient, Recall, RecordKind, Reminder,
};
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
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .map_err(|_| Error::new(ErrorKind::Bug, "the digest key has a wrong length"))?;
        mac.update(&[kind]);
        mac.update(text.as_bytes());
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

    /// Which channels are stopped for this patient, as `stopped` knows.
    pub(super) fn blocked(
        &self,
        patient: &Patient,
        ids: &ExternalIds,
        mut stopped: impl FnMut(Channel, &Digest) -> Result<bool>,
    ) -> Result<Blocked> {
        let mut blocked = Blocked::default();
        let mut addresses = vec![self.digest(3, ids.patient(&patient.key).as_str())?];
        for phone in [&patient.mobile, &patient.landline].into_iter().flatten() {
            addresses.push(self.digest(1, phone.e164().expose())?);
        }
        if let Some(email) = &patient.email {
            addresses.push(self.digest(2, email.match_key().expose())?);
        }
        for digest in &addresses {
            blocked.sms |= stopped(Channel::Sms, digest)?;
            blocked.email |= stopped(Channel::Email, digest)?;
            blocked.voice |= stopped(Channel::Voice, digest)?;
        }
        Ok(blocked)
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
