//! Effects: claimed before they are done, settled after.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::audit::Book;
use super::failure::{damaged, failed};
use super::{int, outreach, time, uint};
use crate::effect::Receipt;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::{broken, reach};
use crate::hash::IdempotencyKey;
use crate::id::{ExternalId, OutletId};
use crate::store::outreach::Disclosure;
use crate::store::view::DigestKey;
use crate::store::{EffectClaim, EffectCommit, EffectRow, EffectState, Epoch};

const COLUMNS: &str = "key, attempt, claimed_at, since, state, receipt, reason";

/// What an attempt that surely told nobody was about.
pub(super) const LET_GO: &str = "DELETE FROM episode WHERE outlet = ?1 AND key = ?2 AND EXISTS (SELECT 1 FROM effect \
     WHERE outlet = ?1 AND key = ?2 AND attempt = ?3 AND state = 3)";

/// What is disclosed with an effect: its own occurrence comes first.
pub(super) const DISCLOSED: &str = "SELECT episode.subject, destination, fields, outlet.source FROM effect \
     JOIN outlet ON outlet.id = effect.outlet JOIN episode ON episode.outlet = effect.outlet \
     AND episode.key = effect.key WHERE effect.outlet = ?1 AND effect.key = ?2 ORDER BY place LIMIT 1";

pub(super) fn open(db: &Transaction<'_>, outlet: &OutletId) -> Result<Epoch> {
    let source = outlet.source().to_string();
    db.execute(
        "INSERT INTO source (name) VALUES (?1) ON CONFLICT DO NOTHING",
        [&source],
    )
    .map_err(failed)?;
    let epoch: i64 = db
        .query_row(
            "INSERT INTO outlet (source, name, epoch) SELECT id, ?2, 1 FROM source WHERE name = ?1 \
             ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
            params![source, outlet.name()],
            |row| row.get(0),
        )
        .map_err(failed)?;
    Ok(Epoch(uint(epoch)))
}

/// The row number of an outlet and its latest epoch.
pub(super) fn outlet_row(db: &Transaction<'_>, outlet: &OutletId) -> Result<Option<(i64, Epoch)>> {
    db.prepare_cached(
        "SELECT outlet.id, outlet.epoch FROM outlet JOIN source ON source.id = outlet.source \
         WHERE source.name = ?1 AND outlet.name = ?2",
    )
    .and_then(|mut q| {
        q.query_row(params![outlet.source().to_string(), outlet.name()], |row| {
            Ok((row.get(0)?, Epoch(uint(row.get(1)?))))
        })
        .optional()
    })
    .map_err(failed)
}

fn current(db: &Transaction<'_>, outlet: &OutletId, epoch: Epoch) -> Result<i64> {
    match outlet_row(db, outlet)? {
        None => Err(Error::new(ErrorKind::Bug, "the outlet was not opened")),
        Some((row, latest)) if latest == epoch || broken("broken.epoch") => Ok(row),
        Some(_) => Err(Error::new(
            ErrorKind::Superseded,
            "another process has taken over this outlet",
        )),
    }
}

pub(super) fn effect(
    db: &Transaction<'_>,
    outlet: &OutletId,
    key: &IdempotencyKey,
) -> Result<Option<EffectRow>> {
    let Some((outlet, _)) = outlet_row(db, outlet)? else {
        return Ok(None);
    };
    db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM effect WHERE outlet = ?1 AND key = ?2"
    ))
    .and_then(|mut q| q.query_row(params![outlet, key.as_str()], raw).optional())
    .map_err(failed)?
    .map(Raw::into_row)
    .transpose()
}

pub(super) fn claim(
    db: &Transaction<'_>,
    digests: &DigestKey,
    claim: &EffectClaim,
) -> Result<bool> {
    let outlet = current(db, &claim.outlet, claim.epoch)?;
    let now = claim.now.timestamp_millis();
    let key = claim.key.as_str();
    let mine = if claim.after == 0 {
        db.prepare_cached(
            "INSERT INTO effect (outlet, key, attempt, claimed_at, since, state, begun_at) \
             VALUES (?1, ?2, 1, ?3, ?3, 2, ?3) ON CONFLICT DO NOTHING",
        )
        .and_then(|mut q| q.execute(params![outlet, key, now]))
    } else {
        if claim.about.is_some() {
            // What surely was not told was not told to those either whom it is not about any more.
            db.prepare_cached(LET_GO).and_then(|mut q| q.execute(params![outlet, key, claim.after]))
            .map_err(failed)?;
        }
        db.prepare_cached(
            "UPDATE effect SET attempt = attempt + 1, claimed_at = ?3, since = ?3, state = 2, reason = NULL \
             WHERE outlet = ?1 AND key = ?2 AND attempt = ?4 AND state IN (0, 2, 3)",
        )
        .and_then(|mut q| q.execute(params![outlet, key, now, claim.after]))
    }
    .map_err(failed)?;
    if mine > 0
        && let Some(about) = &claim.about
    {
        outreach::note_about(db, digests, outlet, &claim.key, about)?;
    }
    reach("effect.claim.in_transaction");
    Ok(mine > 0)
}

pub(super) fn settle(
    db: &Transaction<'_>,
    digests: &DigestKey,
    commit: &EffectCommit,
) -> Result<()> {
    let outlet = current(db, &commit.outlet, commit.epoch)?;
    let (receipt, reason) = match &commit.state {
        EffectState::Done(receipt) => (receipt.remote_id.as_deref(), None),
        EffectState::Refused(why) | EffectState::InDoubt(why) | EffectState::Waiting(why) => {
            (None, Some(why))
        }
        EffectState::Claimed => (None, None),
    };
    let settled = db
        .prepare_cached(
            "UPDATE effect SET state = ?4, since = ?5, receipt = ?6, reason = ?7 \
             WHERE outlet = ?1 AND key = ?2 AND attempt = ?3 AND state IN (0, 2)",
        )
        .and_then(|mut q| {
            q.execute(params![
                outlet,
                commit.key.as_str(),
                commit.attempt,
                code(&commit.state),
                commit.now.timestamp_millis(),
                receipt,
                reason,
            ])
        })
        .map_err(failed)?;
    reach("effect.settle.in_transaction");
    if settled == 0 {
        return Err(Error::new(
            ErrorKind::Superseded,
            "another attempt of this effect has taken over",
        ));
    }
    if commit.state.is_final() {
        disclose(db, digests, outlet, commit)?;
    }
    Ok(())
}

/// Writes down what was disclosed with an effect that told somebody something.
fn disclose(
    db: &Transaction<'_>,
    digests: &DigestKey,
    outlet: i64,
    commit: &EffectCommit,
) -> Result<()> {
    let told: Option<(String, String, String, i64)> = db
        .prepare_cached(DISCLOSED)
        .and_then(|mut q| {
            q.query_row(params![outlet, commit.key.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()
        })
        .map_err(failed)?;
    let Some((subject, destination, fields, source)) = told else {
        return Ok(());
    };
    let disclosure = Disclosure {
        external_id: ExternalId::from_kept(subject),
        kind: "message",
        fields,
        taken: matches!(commit.state, EffectState::Done(_)),
    };
    Book::open(db, digests, source, &destination).write(&disclosure, commit.now)
}

pub(super) fn open_effects(
    db: &Transaction<'_>,
    outlet: &OutletId,
    limit: usize,
) -> Result<Vec<EffectRow>> {
    let Some((outlet, _)) = outlet_row(db, outlet)? else {
        return Ok(Vec::new());
    };
    let mut query = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM effect WHERE outlet = ?1 AND state < 4 ORDER BY state, since, key LIMIT ?2"
        ))
        .map_err(failed)?;
    let limit = int(u64::try_from(limit).unwrap_or(u64::MAX));
    let rows = query
        .query_map(params![outlet, limit], raw)
        .map_err(failed)?;
    rows.map(|row| row.map_err(failed)?.into_row()).collect()
}

/// In the order in which a person should look at them.
const fn code(state: &EffectState) -> i64 {
    match state {
        EffectState::InDoubt(_) => 0,
        EffectState::Refused(_) => 1,
        EffectState::Claimed => 2,
        EffectState::Waiting(_) => 3,
        EffectState::Done(_) => 4,
    }
}

pub(super) struct Raw {
    key: String,
    attempt: u32,
    claimed_at: i64,
    since: i64,
    state: i64,
    receipt: Option<String>,
    reason: Option<String>,
}

pub(super) fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        key: row.get(0)?,
        attempt: row.get(1)?,
        claimed_at: row.get(2)?,
        since: row.get(3)?,
        state: row.get(4)?,
        receipt: row.get(5)?,
        reason: row.get(6)?,
    })
}

impl Raw {
    pub(super) fn into_row(self) -> Result<EffectRow> {
        let reason = self.reason.unwrap_or_default();
        Ok(EffectRow {
            key: IdempotencyKey::from_kept(self.key),
            attempt: self.attempt,
            claimed_at: time(self.claimed_at)?,
            since: time(self.since)?,
            state: match self.state {
                0 => EffectState::InDoubt(reason),
                1 => EffectState::Refused(reason),
                2 => EffectState::Claimed,
                3 => EffectState::Waiting(reason),
                4 => EffectState::Done(Receipt {
                    remote_id: self.receipt,
                }),
                _ => return Err(damaged("an effect in an unknown state")),
            },
        })
    }
}
