//! Stops: kept as keyed digests.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};

use super::{damaged, date, failed, sink_row, source_from, time};
use crate::error::Result;
use crate::failpoint::reach;
use crate::id::{ExternalIds, IdScheme, SinkId};
use crate::model::{Channel, Patient, RecordKind, Stop, StopOrigin};
use crate::sink::Suppression;
use crate::source::Cursor;
use crate::store::view::{self, Digest, DigestKey, Row};

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
    stops: &[Suppression],
    next: Option<&Cursor>,
    now: DateTime<Utc>,
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
            // One that was taken back and is said again holds again. What waits for a person gives way to
            // what does not: whoever lets the one go must not let the other go with it.
            let new = db
                .prepare_cached(
                    "INSERT INTO suppression (sink, channel, digest, reason, since) \
                     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET lifted_at = NULL, \
                     lifted_why = NULL, reason = excluded.reason, since = excluded.since WHERE lifted_at NOTNULL \
                     OR (reason = 'needs_person' AND excluded.reason <> 'needs_person')",
                )
                .and_then(|mut q| q.execute(params![sink, code(channel), digest, stop.reason, now.timestamp_millis()]))
                .map_err(failed)?;
            if new > 0 {
                fresh.insert((channel, digest));
            } else if stop.reason != view::KEYWORD_STOP && stop.reason != view::NEEDS_PERSON {
                // Whoever has more against them than their own word cannot take it back alone. A reply that waits
                // for a person never takes the place of a stop.
                db.prepare_cached(
                    "UPDATE suppression SET reason = ?4 WHERE sink = ?1 AND channel = ?2 AND digest = ?3 AND reason = ?5",
                )
                .and_then(|mut q| {
                    q.execute(params![sink, code(channel), digest, stop.reason, view::KEYWORD_STOP])
                })
                .map_err(failed)?;
            }
        }
    }
    let source: i64 = db
        .prepare_cached("SELECT source FROM sink WHERE id = ?1")
        .and_then(|mut q| q.query_row([sink], |row| row.get(0)))
        .map_err(failed)?;
    raise(db, key, source, &fresh)?;
    Ok(u64::try_from(fresh.len()).unwrap_or(u64::MAX))
}

/// Whoever these concern is news to everybody who looks at the source's
/// households: a stop that one CRM recorded is told to the others.
pub(super) fn raise(
    db: &Transaction<'_>,
    key: &DigestKey,
    source: i64,
    digests: &BTreeSet<(Channel, Digest)>,
) -> Result<()> {
    if digests.is_empty() {
        return Ok(());
    }
    let digests: BTreeSet<&Digest> = digests.iter().map(|(_, digest)| digest).collect();
    let name: String = db
        .prepare_cached("SELECT name FROM source WHERE id = ?1")
        .and_then(|mut q| q.query_row([source], |row| row.get(0)))
        .map_err(failed)?;
    let ids = ExternalIds::new(source_from(&name)?, IdScheme::Scoped);
    // Stops are rare and carry no household: one pass over the patients finds whom they concern.
    let mut query = db
        .prepare_cached(
            "SELECT parent, body, gone, changed_on FROM record WHERE source = ?1 AND kind = 0",
        )
        .map_err(failed)?;
    let mut concerned = BTreeSet::new();
    let mut rows = query.query([source]).map_err(failed)?;
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
        let names = key.names(&patient.record, &ids)?;
        if names.iter().any(|digest| digests.contains(digest)) {
            concerned.insert(row.get::<_, String>(0).map_err(failed)?);
        }
    }
    raise_households(db, source, &concerned)
}

/// Every sink that looks at households of this source has news to look at.
pub(super) fn raise_households(
    db: &Transaction<'_>,
    source: i64,
    households: &BTreeSet<String>,
) -> Result<()> {
    if households.is_empty() {
        return Ok(());
    }
    let sinks: Vec<i64> = db
        .prepare_cached("SELECT id FROM sink WHERE source = ?1 AND kind = 0")
        .and_then(|mut q| {
            q.query_map([source], |row| row.get(0))
                .and_then(Iterator::collect)
        })
        .map_err(failed)?;
    let mut raise = db
        .prepare_cached(
            "INSERT INTO route (sink, household, generation) VALUES (?1, ?2, 1) \
             ON CONFLICT DO UPDATE SET generation = generation + 1",
        )
        .map_err(failed)?;
    for sink in sinks {
        for household in households {
            raise.execute(params![sink, household]).map_err(failed)?;
        }
    }
    Ok(())
}

/// Stops of one digest: as much as there is of it, however many others there are.
pub(super) const OF_DIGEST: &str = "SELECT channel, kind, reason, since FROM suppression JOIN sink ON sink.id = suppression.sink \
     WHERE digest = ?1 AND sink.source = ?2 AND lifted_at IS NULL ORDER BY channel, kind, since, sink.id";

/// The stops that concern a patient, whoever recorded them.
pub(super) fn of_patient(
    db: &Transaction<'_>,
    key: &DigestKey,
    source: i64,
    patient: &Patient,
    ids: &ExternalIds,
) -> Result<Vec<Stop>> {
    let mut query = db.prepare_cached(OF_DIGEST).map_err(failed)?;
    let mut stops = Vec::new();
    for digest in key.names(patient, ids)? {
        let mut rows = query.query(params![digest, source]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let gateway: bool = row.get(1).map_err(failed)?;
            stops.push(Stop {
                channel: channel_from(row.get(0).map_err(failed)?)?,
                origin: if gateway {
                    StopOrigin::Gateway
                } else {
                    StopOrigin::Crm
                },
                reason: row.get(2).map_err(failed)?,
                since: time(row.get(3).map_err(failed)?)?,
            });
        }
    }
    Ok(stops)
}

pub(super) fn channel_from(code_: i64) -> Result<Channel> {
    let mut all = [Channel::Sms, Channel::Email, Channel::Voice].into_iter();
    all.find(|channel| code(*channel) == code_)
        .ok_or_else(|| damaged("a channel that this odx does not know"))
}
