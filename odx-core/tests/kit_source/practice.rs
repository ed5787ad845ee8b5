//! A small practice system: tables, a clock of whole seconds, lists by key or by stamp, and faults on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use odx_core::model::{Record, RecordKey, RecordKind};
use odx_core::testkit::SourceFault;

pub(crate) const PAGE: usize = 5;

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) stamp: u64,
    pub(crate) created: u64,
    pub(crate) record: Record,
    /// What stands where the status should.
    pub(crate) spoiled: Option<String>,
}

#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) now: u64,
    pub(crate) rows: BTreeMap<RecordKey, Row>,
    pub(crate) deleted: BTreeMap<RecordKey, u64>,
    /// Tells deletions of rows that are there again.
    pub(crate) keeps_deletions: bool,
    pub(crate) fault: Option<SourceFault>,
    /// After so many more requests, one fails.
    pub(crate) later: Option<(u64, SourceFault)>,
}

/// Clones share the tables.
#[derive(Clone, Default)]
pub(crate) struct Practice(Arc<Mutex<Tables>>);

/// Which rows, in which order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Key,
    Stamp,
}

impl Practice {
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, record: Record, spoiled: Option<String>, ago: u64) {
        let mut tables = self.tables();
        let now = tables.now;
        let key = record.key();
        if !tables.keeps_deletions {
            tables.deleted.remove(&key);
        }
        let created = tables.rows.get(&key).map_or(now, |row| row.created);
        let row = Row {
            stamp: now.saturating_sub(ago),
            created,
            record,
            spoiled,
        };
        tables.rows.insert(key, row);
    }

    pub(crate) fn delete(&self, key: RecordKey) {
        let mut tables = self.tables();
        let now = tables.now;
        tables.rows.remove(&key);
        tables.deleted.insert(key, now);
    }

    /// What every request meets first.
    pub(crate) fn answer(&self) -> Result<MutexGuard<'_, Tables>, SourceFault> {
        let mut tables = self.tables();
        if let Some(fault) = tables.fault {
            return Err(fault);
        }
        match tables.later.take() {
            Some((0, fault)) => return Err(fault),
            Some((left, fault)) => tables.later = Some((left - 1, fault)),
            None => {}
        }
        Ok(tables)
    }

    /// Rows of a kind stamped at or after `since`.
    pub(crate) fn list(
        &self,
        kind: RecordKind,
        since: Option<u64>,
        order: Order,
    ) -> Result<Vec<Row>, SourceFault> {
        let tables = self.answer()?;
        let mut rows: Vec<Row> = tables
            .rows
            .values()
            .filter(|row| row.record.kind() == kind)
            .filter(|row| since.is_none_or(|since| row.stamp >= since))
            .cloned()
            .collect();
        if order == Order::Stamp {
            rows.sort_by_key(|row| row.stamp);
        }
        Ok(rows)
    }
}
