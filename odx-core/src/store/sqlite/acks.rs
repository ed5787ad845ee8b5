//! What a sink answered, and what is known of its records.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::audit::Book;
use super::{current, damaged, day, failed, int, sink_row, time, uint};
use crate::error::Result;
use crate::failpoint::reach;
use crate::hash::LedgerHash;
use crate::id::{ExternalId, HouseholdKey, SinkId};
use crate::store::view::DigestKey;
use crate::store::{AckCommit, Acknowledged, Departure, Hold, Parked, Standing, Tried};

fn hash(bytes: Vec<u8>) -> Result<LedgerHash> {
    bytes
        .try_into()
        .map(LedgerHash::from_bytes)
        .map_err(|_| damaged("a damaged hash"))
}

pub(super) fn standing(
    db: &Transaction<'_>,
    sink: &SinkId,
    ids: &[ExternalId],
) -> Result<Vec<Standing>> {
    let sink = sink_row(db, sink)?;
    let mut ledger = db
        .prepare_cached(
            "SELECT hash, generation, remote_id, contact FROM ledger WHERE sink = ?1 AND external_id = ?2",
        )
        .map_err(failed)?;
    let mut parked = db
        .prepare_cached(
            "SELECT household, hash, generation, attempts, hold, not_before, doubtful, reason FROM parked WHERE sink = ?1 AND external_id = ?2",
        )
        .map_err(failed)?;
    let any_parked: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM parked WHERE sink = ?1)")
        .and_then(|mut q| q.query_row([sink], |row| row.get(0)))
        .map_err(failed)?;
    ids.iter()
        .map(|id| {
            let acknowledged = ledger
                .query_row(params![sink, id.as_str()], raw_acknowledged)
                .optional()
                .map_err(failed)?
                .map(RawAcknowledged::into_acknowledged)
                .transpose()?;
            let parked = if any_parked {
                parked
                    .query_row(params![sink, id.as_str()], raw_parked)
                    .optional()
                    .map_err(failed)?
                    .map(|raw| raw.into_parked(id.clone()))
                    .transpose()?
            } else {
                None
            };
            Ok(Standing {
                acknowledged,
                parked,
            })
        })
        .collect()
}

struct RawAcknowledged {
    hash: Vec<u8>,
    generation: i64,
    remote_id: Option<String>,
    contact: Option<String>,
}

fn raw_acknowledged(row: &rusqlite::Row<'_>) -> rusqlite::Result<RawAcknowledged> {
    Ok(RawAcknowledged {
        hash: row.get(0)?,
        generation: row.get(1)?,
        remote_id: row.get(2)?,
        contact: row.get(3)?,
    })
}

impl RawAcknowledged {
    fn into_acknowledged(self) -> Result<Acknowledged> {
        Ok(Acknowledged {
            hash: hash(self.hash)?,
            generation: uint(self.generation),
            remote_id: self.remote_id,
            contact: self.contact.map(ExternalId::from_kept),
        })
    }
}

pub(super) const fn hold_code(hold: Hold) -> i64 {
    match hold {
        Hold::Until(_) => 0,
        Hold::Refused => 1,
        Hold::Blocked => 2,
    }
}

struct RawParked {
    household: String,
    hash: Vec<u8>,
    generation: i64,
    attempts: u32,
    hold: i64,
    not_before: Option<i64>,
    doubtful: bool,
    reason: String,
}

fn raw_parked(row: &rusqlite::Row<'_>) -> rusqlite::Result<RawParked> {
    Ok(RawParked {
        household: row.get(0)?,
        hash: row.get(1)?,
        generation: row.get(2)?,
        attempts: row.get(3)?,
        hold: row.get(4)?,
        not_before: row.get(5)?,
        doubtful: row.get(6)?,
        reason: row.get(7)?,
    })
}

impl RawParked {
    fn into_parked(self, external_id: ExternalId) -> Result<Parked> {
        Ok(Parked {
            external_id,
            household: HouseholdKey::new(self.household),
            hash: hash(self.hash)?,
            generation: uint(self.generation),
            attempts: self.attempts,
            hold: match (self.hold, self.not_before) {
                (0, Some(at)) => Hold::Until(time(at)?),
                (1, _) => Hold::Refused,
                _ => Hold::Blocked,
            },
            doubtful: self.doubtful,
            reason: self.reason,
        })
    }
}

pub(super) fn parked(db: &Transaction<'_>, sink: &SinkId, limit: usize) -> Result<Vec<Parked>> {
    let mut query = db
        .prepare_cached(
            "SELECT household, hash, generation, attempts, hold, not_before, doubtful, reason, external_id FROM parked WHERE sink = ?1 \
             ORDER BY hold = 0, hold, not_before, external_id LIMIT ?2",
        )
        .map_err(failed)?;
    let mut rows = query
        .query(params![
            sink_row(db, sink)?,
            int(u64::try_from(limit).unwrap_or(u64::MAX))
        ])
        .map_err(failed)?;
    let mut parked = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let id: String = row.get(8).map_err(failed)?;
        parked.push(
            raw_parked(row)
                .map_err(failed)?
                .into_parked(ExternalId::from_kept(id))?,
        );
    }
    Ok(parked)
}

pub(super) fn commit(db: &Transaction<'_>, key: &DigestKey, commit: &AckCommit) -> Result<()> {
    let source = current(db, &commit.source, commit.epoch)?;
    let sink = sink_row(db, &commit.sink)?;
    let mut clear = db
        .prepare_cached("DELETE FROM parked WHERE sink = ?1 AND external_id = ?2")
        .map_err(failed)?;
    let mut acknowledge = db
        .prepare_cached(
            "INSERT INTO ledger (sink, external_id, hash, generation, remote_id, contact, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT DO UPDATE SET hash = excluded.hash, generation = excluded.generation, \
             remote_id = excluded.remote_id, contact = excluded.contact, at = excluded.at",
        )
        .map_err(failed)?;
    let now = commit.now.timestamp_millis();
    let any_parked: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM parked WHERE sink = ?1)")
        .and_then(|mut q| q.query_row([sink], |row| row.get(0)))
        .map_err(failed)?;
    // First: one household may give up what another sets aside in the same commit.
    for id in &commit.cleared {
        clear.execute(params![sink, id.as_str()]).map_err(failed)?;
    }
    for (id, row) in &commit.acknowledged {
        acknowledge
            .execute(params![
                sink,
                id.as_str(),
                row.hash.as_bytes(),
                int(row.generation),
                row.remote_id,
                row.contact.as_ref().map(ExternalId::as_str),
                now
            ])
            .map_err(failed)?;
        if any_parked {
            clear.execute(params![sink, id.as_str()]).map_err(failed)?;
        }
    }
    let mut book = Book::open(db, key, source, commit.sink.as_str());
    for disclosure in &commit.disclosed {
        book.write(disclosure, commit.now)?;
    }
    for parked in &commit.parked {
        reach("parked.before");
        db.prepare_cached(
            "INSERT INTO parked (sink, external_id, household, hash, generation, attempts, hold, not_before, doubtful, reason, since) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO UPDATE SET household = excluded.household, \
             hash = excluded.hash, generation = excluded.generation, attempts = excluded.attempts, hold = excluded.hold, not_before = excluded.not_before, doubtful = excluded.doubtful, reason = excluded.reason",
        )
        .and_then(|mut q| {
            q.execute(params![
                sink,
                parked.external_id.as_str(),
                parked.household.native(),
                parked.hash.as_bytes(),
                int(parked.generation),
                parked.attempts,
                hold_code(parked.hold),
                parked.hold.until().map(|at| at.timestamp_millis()),
                parked.doubtful,
                parked.reason,
                now
            ])
        })
        .map_err(failed)?;
        reach("parked.after");
    }
    reach("acks.in_transaction");
    let mut reconcile = db
        .prepare_cached(
            "UPDATE route SET seen = max(seen, ?3), again = ?4, tried = NULL, brought = 1 WHERE sink = ?1 AND household = ?2",
        )
        .map_err(failed)?;
    for (household, generation, again) in &commit.reconciled {
        reconcile
            .execute(params![
                sink,
                household.native(),
                int(*generation),
                again.map(day)
            ])
            .map_err(failed)?;
    }
    reach("acks.before_commit");
    Ok(())
}

/// One after the other: length of the id, id, hash, generation.
fn encode_tried(tried: &[Tried]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(tried.len() * 56);
    for Tried {
        external_id,
        hash,
        generation,
    } in tried
    {
        let id = external_id.as_str().as_bytes();
        bytes.extend_from_slice(&u16::try_from(id.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(hash.as_bytes());
        bytes.extend_from_slice(&generation.to_be_bytes());
    }
    bytes
}

pub(super) fn decode_tried(mut bytes: &[u8]) -> Result<Vec<Tried>> {
    let damaged = || damaged("a damaged route");
    let mut tried = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (id, rest) = rest
            .split_at_checked(u16::from_be_bytes(*length).into())
            .ok_or_else(damaged)?;
        let (hash, rest) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        let (generation, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        tried.push(Tried {
            external_id: ExternalId::from_kept(std::str::from_utf8(id).map_err(|_| damaged())?),
            hash: LedgerHash::from_bytes(*hash),
            generation: u64::from_be_bytes(*generation),
        });
        bytes = rest;
    }
    Ok(tried)
}

pub(super) fn depart(db: &Transaction<'_>, departure: &Departure) -> Result<()> {
    current(db, &departure.source, departure.epoch)?;
    let sink = sink_row(db, &departure.sink)?;
    let mut mark = db
        .prepare_cached("UPDATE route SET tried = ?3, seen = min(seen, generation - 1) WHERE sink = ?1 AND household = ?2")
        .map_err(failed)?;
    for (household, tried) in &departure.leaving {
        mark.execute(params![sink, household.native(), encode_tried(tried)])
            .map_err(failed)?;
        reach("departure.in_transaction");
    }
    Ok(())
}
