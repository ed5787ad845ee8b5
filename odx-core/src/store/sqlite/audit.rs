//! Disclosures: one row each, chained, never a value.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::failure::failed;
use super::{int, time, uint};
use crate::error::Result;
use crate::failpoint::broken;
use crate::hash::hex;
use crate::store::outreach::{Audit, AuditRow, Disclosure};
use crate::store::view::{Digest, DigestKey};

/// Before the first row.
const START: Digest = [0; 16];

/// Writes disclosures, in the transaction that stores what was answered.
pub(super) struct Book<'a> {
    db: &'a Transaction<'a>,
    key: &'a DigestKey,
    source: i64,
    destination: &'a str,
    last: Option<(u64, Digest)>,
}

impl<'a> Book<'a> {
    pub(super) const fn open(
        db: &'a Transaction<'a>,
        key: &'a DigestKey,
        source: i64,
        destination: &'a str,
    ) -> Self {
        Self {
            db,
            key,
            source,
            destination,
            last: None,
        }
    }

    pub(super) fn write(&mut self, what: &Disclosure, now: DateTime<Utc>) -> Result<()> {
        if broken("broken.audit") {
            return Ok(());
        }
        let (number, before) = match self.last {
            Some(last) => last,
            None => head(self.db)?.unwrap_or((0, START)),
        };
        let number = number + 1;
        let outcome = if what.taken { "taken" } else { "refused" };
        let subject = self.key.of_record(what.external_id.as_str())?;
        let link = Link {
            number,
            source: self.source,
            at: now.timestamp_millis(),
            kind: what.kind,
            subject: &subject,
            fields: &what.fields,
            destination: self.destination,
            outcome,
        };
        let hash = link.hash(self.key, &before)?;
        self.db
            .prepare_cached(
                "INSERT INTO audit (number, source, at, kind, subject, fields, destination, outcome, hash) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .and_then(|mut q| {
                q.execute(params![
                    int(number),
                    self.source,
                    link.at,
                    link.kind,
                    subject,
                    link.fields,
                    link.destination,
                    outcome,
                    hash
                ])
            })
            .map_err(failed)?;
        self.last = Some((number, hash));
        Ok(())
    }
}

/// Everything that a hash is over.
struct Link<'a> {
    number: u64,
    source: i64,
    at: i64,
    kind: &'a str,
    subject: &'a [u8],
    fields: &'a str,
    destination: &'a str,
    outcome: &'a str,
}

impl Link<'_> {
    fn hash(&self, key: &DigestKey, before: &Digest) -> Result<Digest> {
        key.chained(
            before,
            &[
                &self.number.to_be_bytes(),
                &self.source.to_be_bytes(),
                &self.at.to_be_bytes(),
                self.kind.as_bytes(),
                self.subject,
                self.fields.as_bytes(),
                self.destination.as_bytes(),
                self.outcome.as_bytes(),
            ],
        )
    }
}

fn head(db: &Transaction<'_>) -> Result<Option<(u64, Digest)>> {
    db.prepare_cached("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
        .and_then(|mut q| {
            q.query_row([], |row| Ok((uint(row.get(0)?), row.get(1)?)))
                .optional()
        })
        .map_err(failed)
}

pub(super) fn rows(
    db: &Transaction<'_>,
    source: i64,
    after: u64,
    limit: usize,
) -> Result<Vec<AuditRow>> {
    let mut query = db
        .prepare_cached(
            "SELECT number, at, kind, subject, fields, destination, outcome, hash FROM audit \
             WHERE source = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
        )
        .map_err(failed)?;
    let limit = int(u64::try_from(limit).unwrap_or(u64::MAX));
    let mut rows = query
        .query(params![source, int(after), limit])
        .map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let bytes = |place| row.get::<_, Vec<u8>>(place).map_err(failed);
        found.push(AuditRow {
            number: uint(row.get(0).map_err(failed)?),
            at: time(row.get(1).map_err(failed)?)?,
            kind: row.get(2).map_err(failed)?,
            subject: hex(&bytes(3)?),
            fields: row.get(4).map_err(failed)?,
            destination: row.get(5).map_err(failed)?,
            outcome: row.get(6).map_err(failed)?,
            hash: hex(&bytes(7)?),
        });
    }
    Ok(found)
}

/// Walks the chain from its beginning.
pub(super) fn verify(db: &Transaction<'_>, key: &DigestKey) -> Result<Audit> {
    let mut query = db
        .prepare(
            "SELECT number, source, at, kind, subject, fields, destination, outcome, hash FROM audit ORDER BY number",
        )
        .map_err(failed)?;
    let mut rows = query.query([]).map_err(failed)?;
    let mut audit = Audit::default();
    let mut before = START;
    while let Some(row) = rows.next().map_err(failed)? {
        let text = |place| row.get::<_, String>(place).map_err(failed);
        let (kind, fields, destination, outcome) = (text(3)?, text(5)?, text(6)?, text(7)?);
        let subject: Vec<u8> = row.get(4).map_err(failed)?;
        let link = Link {
            number: uint(row.get(0).map_err(failed)?),
            source: row.get(1).map_err(failed)?,
            at: row.get(2).map_err(failed)?,
            kind: &kind,
            subject: &subject,
            fields: &fields,
            destination: &destination,
            outcome: &outcome,
        };
        let hash: Vec<u8> = row.get(8).map_err(failed)?;
        audit.rows += 1;
        if audit.broken_at.is_some() {
            continue;
        }
        before = link.hash(key, &before)?;
        if link.number != audit.rows || hash != before {
            audit.broken_at = Some(audit.rows);
            continue;
        }
        audit.head = Some(hex(&hash));
    }
    Ok(audit)
}
