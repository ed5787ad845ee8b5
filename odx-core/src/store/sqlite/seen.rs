//! Which records a listing has shown: one bit per record id, in small blocks.
//!
//! A sweep of 100,000 unchanged records must not cost 100,000 writes. Records
//! that a listing shows together were stored together, so a page touches one or
//! two blocks.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::failed;
use crate::error::Result;
use crate::model::RecordKind;

/// Record ids per block: 256 bytes.
const BLOCK: i64 = 2048;
const BYTES: usize = 256;

/// Sightings of one page, not yet stored.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    ids: BTreeMap<(u8, i64), Vec<(u16, bool)>>,
}

impl Sightings {
    /// The listing showed this record, or the record is gone and counts no more.
    pub(super) fn note(&mut self, kind: RecordKind, id: i64, seen: bool) {
        let bit = u16::try_from(id.rem_euclid(BLOCK)).unwrap_or_default();
        self.ids
            .entry((kind.code(), id.div_euclid(BLOCK)))
            .or_default()
            .push((bit, seen));
    }

    /// Stores what was noted.
    pub(super) fn store(&mut self, db: &Transaction<'_>, source: i64) -> Result<()> {
        let mut read = db
            .prepare_cached("SELECT bits FROM seen WHERE source = ?1 AND kind = ?2 AND block = ?3")
            .map_err(failed)?;
        let mut write = db
            .prepare_cached(
                "INSERT INTO seen (source, kind, block, bits) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO UPDATE SET bits = excluded.bits",
            )
            .map_err(failed)?;
        for ((kind, block), noted) in std::mem::take(&mut self.ids) {
            let known: Option<Vec<u8>> = read
                .query_row(params![source, kind, block], |row| row.get(0))
                .optional()
                .map_err(failed)?;
            let mut bits = known.clone().unwrap_or_default();
            bits.resize(BYTES, 0);
            for (bit, seen) in noted {
                if let Some(byte) = bits.get_mut(usize::from(bit / 8)) {
                    let mask = 1 << (bit % 8);
                    if seen { *byte |= mask } else { *byte &= !mask }
                }
            }
            if known.as_deref() != Some(&bits) {
                write
                    .execute(params![source, kind, block, bits])
                    .map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// What a complete listing has shown.
#[derive(Debug)]
pub(super) struct Shown {
    blocks: BTreeMap<i64, Vec<u8>>,
}

impl Shown {
    /// Takes what was shown and begins the next listing.
    pub(super) fn take(db: &Transaction<'_>, source: i64, kind: RecordKind) -> Result<Self> {
        let mut query = db
            .prepare_cached(
                "DELETE FROM seen WHERE source = ?1 AND kind = ?2 RETURNING block, bits",
            )
            .map_err(failed)?;
        let blocks = query
            .query_map(params![source, kind.code()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .and_then(Iterator::collect)
            .map_err(failed)?;
        Ok(Self { blocks })
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.blocks
            .values()
            .flatten()
            .map(|byte| u64::from(byte.count_ones()))
            .sum()
    }

    /// Whether it has shown this one.
    pub(super) fn has(&self, id: i64) -> bool {
        let bit = usize::try_from(id.rem_euclid(BLOCK)).unwrap_or_default();
        self.blocks
            .get(&id.div_euclid(BLOCK))
            .and_then(|bits| bits.get(bit / 8))
            .is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
    }
}
