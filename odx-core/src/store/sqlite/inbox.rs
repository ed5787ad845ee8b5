//! Deliveries between "they came in" and "they are applied".

use rusqlite::{Transaction, params};

use super::{failed, time};
use crate::error::Result;
use crate::id::SourceId;
use crate::push::{Delivery, DeliveryId};
use crate::store::{DELIVERIES_KNOWN, PageCommit};

/// Bodies that are loaded together, at the most, unless one alone is larger.
const LOADED: usize = 8 << 20;

pub(super) fn receive(
    db: &Transaction<'_>,
    source: &SourceId,
    delivery: &Delivery,
) -> Result<bool> {
    let name = source.to_string();
    // A receiver may be up before the first run.
    db.prepare_cached("INSERT INTO source (name) VALUES (?1) ON CONFLICT DO NOTHING")
        .and_then(|mut q| q.execute([&name]))
        .map_err(failed)?;
    let at = delivery.received().timestamp_millis();
    let fresh = db
        .prepare_cached(
            "INSERT INTO delivered (source, delivery, at) SELECT id, ?2, ?3 FROM source WHERE name = ?1 \
             ON CONFLICT DO NOTHING",
        )
        .and_then(|mut q| q.execute(params![name, delivery.id().as_bytes(), at]))
        .map_err(failed)?;
    if fresh == 0 {
        return Ok(false);
    }
    db.prepare_cached(
        "INSERT INTO inbox (source, delivery, kind, body, received_at) \
         SELECT id, ?2, ?3, ?4, ?5 FROM source WHERE name = ?1",
    )
    .and_then(|mut q| {
        q.execute(params![
            name,
            delivery.id().as_bytes(),
            delivery.kind(),
            delivery.body().expose(),
            at
        ])
    })
    .map_err(failed)?;
    Ok(true)
}

pub(super) fn load(db: &Transaction<'_>, source: &SourceId, most: usize) -> Result<Vec<Delivery>> {
    let mut query = db
        .prepare_cached(
            "SELECT inbox.kind, body, received_at FROM inbox JOIN source ON source.id = inbox.source \
             WHERE name = ?1 ORDER BY inbox.id LIMIT ?2",
        )
        .map_err(failed)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = query
        .query(params![source.to_string(), most])
        .map_err(failed)?;
    let mut list = Vec::new();
    let mut size = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        let body: Vec<u8> = row.get(1).map_err(failed)?;
        size += body.len();
        if size > LOADED && !list.is_empty() {
            break;
        }
        let kind: String = row.get(0).map_err(failed)?;
        list.push(Delivery::new(
            kind,
            body,
            time(row.get(2).map_err(failed)?)?,
        ));
    }
    Ok(list)
}

pub(super) fn holds(db: &Transaction<'_>, source: &SourceId) -> Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM inbox JOIN source ON source.id = inbox.source WHERE name = ?1)",
    )
    .and_then(|mut q| q.query_row([source.to_string()], |row| row.get(0)))
    .map_err(failed)
}

/// Takes what a page says out of the inbox, and forgets deliveries so old that
/// nobody repeats them any more.
pub(super) fn applied(db: &Transaction<'_>, source: i64, commit: &PageCommit) -> Result<()> {
    for DeliveryId(digest) in &commit.delivered {
        db.prepare_cached("DELETE FROM inbox WHERE source = ?1 AND delivery = ?2")
            .and_then(|mut q| q.execute(params![source, digest.as_bytes()]))
            .map_err(failed)?;
    }
    if !commit.delivered.is_empty() {
        let old = (commit.now - DELIVERIES_KNOWN).timestamp_millis();
        db.prepare_cached(
            "DELETE FROM delivered WHERE at < ?1 AND NOT EXISTS \
             (SELECT 1 FROM inbox WHERE inbox.source = delivered.source AND inbox.delivery = delivered.delivery)",
        )
        .and_then(|mut q| q.execute([old]))
        .map_err(failed)?;
    }
    Ok(())
}
