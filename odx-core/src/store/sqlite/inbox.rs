//! Deliveries between "they came in" and "they are applied".

use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{damaged, failed, time};
use crate::error::Result;
use crate::id::SourceId;
use crate::push::{Delivery, DeliveryId};
use crate::store::{DELIVERIES_KNOWN, DELIVERIES_LOADED, PageCommit};

/// The last byte of a body as it is kept: how it is.
const PLAIN: u8 = 0;
const SQUEEZED: u8 = 1;
/// Below this there is nothing to win.
const SMALL: usize = 512;

/// A body as it is kept. Rows of one table say the same words over and over, so
/// a large body is a tenth of itself; the disk is what everybody waits for.
pub(super) fn pack(body: &[u8]) -> Vec<u8> {
    if body.len() >= SMALL {
        let mut packed = compress_prepend_size(body);
        if packed.len() < body.len() {
            packed.push(SQUEEZED);
            return packed;
        }
    }
    let mut packed = Vec::with_capacity(body.len() + 1);
    packed.extend_from_slice(body);
    packed.push(PLAIN);
    packed
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    match packed.split_last() {
        Some((&PLAIN, body)) => Ok(body.to_vec()),
        Some((&SQUEEZED, body)) => {
            decompress_size_prepended(body).map_err(|_| damaged("a damaged delivery"))
        }
        _ => Err(damaged("a delivery of an unknown shape")),
    }
}

pub(super) fn receive(
    db: &Transaction<'_>,
    source: &SourceId,
    delivery: &Delivery,
    packed: &[u8],
) -> Result<bool> {
    let id = opened(db, &source.to_string())?;
    let at = delivery.received().timestamp_millis();
    let digest = delivery.id();
    let fresh = db
        .prepare_cached(
            "INSERT INTO delivered (source, delivery, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )
        .and_then(|mut q| q.execute(params![id, digest.as_bytes(), at]))
        .map_err(failed)?;
    if fresh == 0 {
        return Ok(false);
    }
    db.prepare_cached(
        "INSERT INTO inbox (source, delivery, kind, body, received_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .and_then(|mut q| q.execute(params![id, digest.as_bytes(), delivery.kind(), packed, at]))
    .map_err(failed)?;
    Ok(true)
}

/// The row number of a source. A receiver may be up before the first run.
fn opened(db: &Transaction<'_>, name: &str) -> Result<i64> {
    let known = db
        .prepare_cached("SELECT id FROM source WHERE name = ?1")
        .and_then(|mut q| q.query_row([name], |row| row.get(0)).optional())
        .map_err(failed)?;
    if let Some(id) = known {
        return Ok(id);
    }
    db.execute("INSERT INTO source (name) VALUES (?1)", [name])
        .map_err(failed)?;
    Ok(db.last_insert_rowid())
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
        let body = row.get_ref(1).map_err(failed)?;
        let body = unpack(
            body.as_blob()
                .map_err(|_| damaged("a delivery without a body"))?,
        )?;
        size += body.len();
        if size > DELIVERIES_LOADED && !list.is_empty() {
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
