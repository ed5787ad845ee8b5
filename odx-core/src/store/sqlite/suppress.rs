//! Stops: kept as keyed digests, never lifted here.

use std::collections::BTreeSet;

use rusqlite::{Transaction, params};

use super::{date, failed, sink_row};
use crate::error::Result;
use crate::failpoint::reach;
use crate::id::{ExternalIds, SinkId};
use crate::model::{Blocked, Channel, RecordKind};
use crate::sink::Suppression;
use crate::source::Cursor;
use crate::store::view::{self, DigestKey, Row};

pub(super) const fn code(channel: Channel) -> i64 {
    match channel {
        Channel::Sms => 0,
        Channel::Email => 1,
        Channel::Voice => 2,
    }
}

pub(super) fn commit(
    db: &Transaction<'_>,
    key: &DigestKey,
    sink: &SinkId,
    ids: &ExternalIds,
    stops: &[Suppression],
    next: Option<&Cursor>,
) -> Result<u64> {
    let sink = sink_row(db, sink)?;
    db.execute(
        "UPDATE sink SET cursor = ?2 WHERE id = ?1",
        params![sink, next.map(Cursor::as_str)],
    )
    .map_err(failed)?;
    reach("stops.in_transaction");
    let mut fresh = BTreeSet::new();
    for stop in stops {
        for (channel, digest) in key.rows(stop)? {
            let new = db
                .prepare_cached(
                    "INSERT INTO suppression (sink, channel, digest, reason, since) \
                     VALUES (?1, ?2, ?3, ?4, unixepoch() * 1000) ON CONFLICT DO NOTHING",
                )
                .and_then(|mut q| q.execute(params![sink, code(channel), digest, stop.reason]))
                .map_err(failed)?;
            if new > 0 {
                fresh.insert((channel, digest));
            }
        }
    }
    if fresh.is_empty() {
        return Ok(0);
    }
    // Stops are rare and carry no household: one pass over the patients finds whom they concern.
    let mut query = db
        .prepare_cached(
            "SELECT parent, body, gone, changed_on FROM record \
             WHERE source = (SELECT source FROM sink WHERE id = ?1) AND kind = 0",
        )
        .map_err(failed)?;
    let mut raise = db
        .prepare_cached(
            "INSERT INTO route (sink, household, generation) VALUES (?1, ?2, 1) \
             ON CONFLICT DO UPDATE SET generation = generation + 1",
        )
        .map_err(failed)?;
    let mut rows = query.query([sink]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let patient = view::patient(&Row {
            kind: RecordKind::Patient,
            body: row
                .get_ref(1)
                .map_err(failed)?
                .as_blob()
                .map_err(|e| failed(e.into()))?,
            gone: row.get(2).map_err(failed)?,
            changed_on: date(row.get(3).map_err(failed)?)?,
        })?;
        let hit = key.blocked(&patient.record, ids, |channel, digest| {
            Ok(fresh.contains(&(channel, *digest)))
        })?;
        if hit != Blocked::default() {
            raise
                .execute(params![sink, row.get::<_, String>(0).map_err(failed)?])
                .map_err(failed)?;
        }
    }
    Ok(u64::try_from(fresh.len()).unwrap_or(u64::MAX))
}
