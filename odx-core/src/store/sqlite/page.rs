//! A page and the cursor it moves, in one transaction.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use rusqlite::{CachedStatement, OptionalExtension as _, Transaction, params};

use super::inbox;
use super::seen::{Shown, Sightings};
use super::suppress;
use super::{current, day, failed, int, uint};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::{broken, reach};
use crate::hash::LedgerHash;
use crate::id::PatientKey;
use crate::model::{BadRecord, Record, RecordKey, RecordKind, Reminder};
use crate::source::{Change, Position};
use crate::store::{PageCommit, PageOutcome, unreadable_since};

pub(super) fn commit(db: &Transaction<'_>, commit: &PageCommit) -> Result<PageOutcome> {
    let source = current(db, &commit.source, commit.epoch)?;
    let (cursor, unreadable): (Option<String>, bool) = db
        .prepare_cached(
            "SELECT cursor, EXISTS (SELECT 1 FROM unreadable WHERE source = ?1) FROM source WHERE id = ?1",
        )
        .and_then(|mut q| q.query_row([source], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(failed)?;
    if cursor.as_deref() != commit.from.as_ref().map(|cursor| cursor.as_str()) {
        return Err(Error::new(
            ErrorKind::Superseded,
            "another run has moved this source's cursor",
        ));
    }
    if broken("broken.page.cursor") {
        // The cursor by itself, and the page in the transaction after it.
        db.execute(
            "UPDATE source SET cursor = ?2 WHERE id = ?1",
            params![source, commit.page.position.cursor().as_str()],
        )
        .and_then(|_| db.execute_batch("COMMIT; BEGIN IMMEDIATE"))
        .map_err(failed)?;
    }
    let mut work = Work {
        db,
        source,
        commit,
        outcome: PageOutcome::default(),
        raised: BTreeSet::new(),
        sightings: Sightings::default(),
        born: [0; RecordKind::ALL.len()],
        unreadable,
        statements: Statements::prepare(db)?,
    };
    let mut body = Vec::new();
    for change in &commit.page.changes {
        match change {
            Change::Upsert(record) => work.upsert(record, &mut body)?,
            Change::Told { record, stamp } => work.told(record, *stamp, &mut body)?,
            Change::Seen(key) => work.seen(key.kind(), key.native())?,
            Change::Whole {
                patient,
                kind,
                keys,
                removed,
            } => work.whole(patient, *kind, keys, *removed)?,
            Change::Gone(key) => work.gone(key)?,
            Change::Unreadable(bad) => work.unreadable(bad)?,
        }
    }
    work.settle()?;
    for swept in &commit.page.swept {
        work.sweep(swept.kind)?;
    }
    let read = commit.delivered.is_empty();
    let caught_up = read && matches!(commit.page.position, Position::CaughtUp(_));
    if caught_up {
        work.let_go()?;
    }
    work.settle()?;
    work.raise()?;
    reach("page.in_transaction");
    inbox::applied(db, source, commit)?;
    db.prepare_cached(
        "UPDATE source SET cursor = ?2, imported = imported OR ?3, page_at = iif(?6, ?4, page_at), \
         success_at = iif(?3, ?4, success_at), change_at = iif(?5, ?4, change_at) WHERE id = ?1",
    )
    .and_then(|mut q| {
        q.execute(params![
            source,
            commit.page.position.cursor().as_str(),
            caught_up,
            commit.now.timestamp_millis(),
            work.outcome.is_news(),
            read
        ])
    })
    .map_err(failed)?;
    reach("page.before_commit");
    Ok(work.outcome)
}

struct Work<'a> {
    db: &'a Transaction<'a>,
    source: i64,
    commit: &'a PageCommit,
    outcome: PageOutcome,
    raised: BTreeSet<String>,
    sightings: Sightings,
    /// Change of the number of live records, by kind.
    born: [i64; RecordKind::ALL.len()],
    /// Whether any row of this source is on record as unreadable.
    unreadable: bool,
    statements: Statements<'a>,
}

/// What every record of a page asks for, prepared once.
struct Statements<'a> {
    known: CachedStatement<'a>,
    parent: CachedStatement<'a>,
    insert: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    fn prepare(db: &'a Transaction<'_>) -> Result<Self> {
        let prepare = |sql| db.prepare_cached(sql).map_err(failed);
        Ok(Self {
            known: prepare(
                "SELECT id, hash, missed, gone, parent, told FROM record WHERE source = ?1 AND kind = ?2 AND native = ?3",
            )?,
            parent: prepare(
                "SELECT parent FROM record WHERE source = ?1 AND kind = 0 AND native = ?2",
            )?,
            insert: prepare(
                "INSERT INTO record (source, kind, native, parent, hash, body, changed_on) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
        })
    }
}

struct Known {
    id: i64,
    /// It has the content that was asked about.
    same: bool,
    missed: bool,
    gone: bool,
    /// Left out where nothing has changed.
    parent: Option<String>,
    /// The stamp of the newest delivery that told it.
    told: Option<i64>,
}

impl Work<'_> {
    /// What is known of a record that is said to have this content now.
    fn known(
        &mut self,
        kind: RecordKind,
        native: &str,
        hash: Option<&LedgerHash>,
    ) -> Result<Option<Known>> {
        self.statements
            .known
            .query_row(params![self.source, kind.code(), native], |row| {
                let same = hash.is_some_and(|hash| {
                    row.get_ref(1)
                        .is_ok_and(|known| known.as_blob() == Ok(hash.as_bytes()))
                });
                let gone: bool = row.get(3)?;
                let settled = same && !gone;
                Ok(Known {
                    id: row.get(0)?,
                    same,
                    missed: row.get(2)?,
                    gone,
                    parent: (!settled).then(|| row.get(4)).transpose()?,
                    told: row.get(5)?,
                })
            })
            .optional()
            .map_err(failed)
    }

    fn live(&mut self, kind: RecordKind, by: i64) {
        if let Some(count) = self.born.get_mut(usize::from(kind.code())) {
            *count += by;
        }
    }

    /// The household that a change to this record concerns. A record whose
    /// patient is not known yet concerns nobody: the patient will.
    fn concerns(&mut self, kind: RecordKind, parent: &str) -> Result<()> {
        if kind == RecordKind::Patient {
            if !self.raised.contains(parent) {
                self.raised.insert(parent.to_owned());
            }
            return Ok(());
        }
        let household = self
            .statements
            .parent
            .query_row(params![self.source, parent], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        self.raised.extend(household);
        Ok(())
    }

    fn upsert(&mut self, record: &Record, body: &mut Vec<u8>) -> Result<()> {
        let hash = record
            .encode(body)
            .map_err(|_| Error::new(ErrorKind::Bug, "a record could not be written as json"))?;
        let kind = record.kind();
        let today = day(self.commit.today);
        let id = match self.known(kind, record.native(), Some(&hash))? {
            Some(known) if known.same && !known.gone && !broken("broken.page.unchanged") => {
                if known.missed {
                    self.db
                        .prepare_cached("UPDATE record SET missed = 0 WHERE id = ?1")
                        .and_then(|mut q| q.execute([known.id]))
                        .map_err(failed)?;
                }
                self.outcome.unchanged += 1;
                known.id
            }
            Some(known) => {
                self.db
                    .prepare_cached(
                        "UPDATE record SET parent = ?2, hash = ?3, body = ?4, changed_on = ?5, missed = 0, gone = 0 WHERE id = ?1",
                    )
                    .and_then(|mut q| q.execute(params![known.id, record.parent(), hash.as_bytes(), body.as_slice(), today]))
                    .map_err(failed)?;
                self.outcome.changed += 1;
                self.live(kind, known.gone.into());
                if let Some(parent) = known.parent.filter(|known| known != record.parent()) {
                    self.concerns(kind, &parent)?;
                }
                self.concerns(kind, record.parent())?;
                known.id
            }
            None => {
                let id = self
                    .statements
                    .insert
                    .insert(params![
                        self.source,
                        kind.code(),
                        record.native(),
                        record.parent(),
                        hash.as_bytes(),
                        body.as_slice(),
                        today
                    ])
                    .map_err(failed)?;
                self.outcome.changed += 1;
                self.live(kind, 1);
                self.concerns(kind, record.parent())?;
                id
            }
        };
        self.sightings.note(kind, id, true);
        self.readable(kind, record.native())
    }

    /// Whatever was on record as unreadable under this key is not any more.
    fn readable(&mut self, kind: RecordKind, native: &str) -> Result<()> {
        if !self.unreadable {
            return Ok(());
        }
        let cleared = self
            .db
            .prepare_cached(
                "DELETE FROM unreadable WHERE source = ?1 AND kind = ?2 AND native = ?3",
            )
            .and_then(|mut q| q.execute(params![self.source, kind.code(), native]))
            .map_err(failed)?;
        if cleared > 0 && kind == RecordKind::OptOut {
            // It denied everything, and now only what it says.
            self.concerns(kind, native)?;
        }
        Ok(())
    }

    /// What a delivery told, unless a newer one told something else, or the
    /// record is known to be gone: keys are not used twice.
    fn told(&mut self, record: &Record, stamp: NaiveDateTime, body: &mut Vec<u8>) -> Result<()> {
        let stamp = stamp.and_utc().timestamp();
        let known = self.known(record.kind(), record.native(), None)?;
        if known.is_some_and(|known| known.gone || known.told.is_some_and(|told| told > stamp)) {
            self.outcome.unchanged += 1;
            return Ok(());
        }
        self.upsert(record, body)?;
        self.db
            .prepare_cached(
                "UPDATE record SET told = ?4 WHERE source = ?1 AND kind = ?2 AND native = ?3",
            )
            .and_then(|mut q| {
                q.execute(params![
                    self.source,
                    record.kind().code(),
                    record.native(),
                    stamp
                ])
            })
            .map_err(failed)?;
        Ok(())
    }

    fn gone(&mut self, key: &RecordKey) -> Result<()> {
        let kind = key.kind();
        self.readable(kind, key.native())?;
        match self.known(kind, key.native(), None)? {
            Some(Known {
                id,
                gone: false,
                parent: Some(parent),
                ..
            }) => self.bury(kind, id, &parent),
            _ => Ok(()),
        }
    }

    fn bury(&mut self, kind: RecordKind, id: i64, parent: &str) -> Result<()> {
        self.db
            .prepare_cached("UPDATE record SET gone = 1, changed_on = ?2 WHERE id = ?1")
            .and_then(|mut q| q.execute(params![id, day(self.commit.today)]))
            .map_err(failed)?;
        self.outcome.gone += 1;
        self.live(kind, -1);
        self.sightings.note(kind, id, false);
        self.concerns(kind, parent)
    }

    fn unreadable(&mut self, bad: &BadRecord) -> Result<()> {
        self.outcome.unreadable += 1;
        self.unreadable = true;
        if bad.kind == RecordKind::OptOut && !self.is_unreadable(bad)? {
            // From now on it denies everything.
            self.concerns(bad.kind, &bad.native)?;
        }
        self.db
            .prepare_cached(
                "INSERT INTO unreadable (source, kind, native, reason, hash, since, listing) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, coalesce((SELECT number FROM listing WHERE source = ?1 AND kind = ?2), 1)) \
                 ON CONFLICT DO UPDATE SET reason = excluded.reason, hash = excluded.hash, listing = excluded.listing",
            )
            .and_then(|mut q| {
                q.execute(params![
                    self.source,
                    bad.kind.code(),
                    bad.native,
                    bad.reason,
                    bad.hash.as_bytes(),
                    self.commit.now.timestamp_millis()
                ])
            })
            .map_err(failed)?;
        // The row is there, whatever it says: it must not count as missing.
        self.seen(bad.kind, &bad.native)
    }

    fn seen(&mut self, kind: RecordKind, native: &str) -> Result<()> {
        if let Some(known) = self.known(kind, native, None)?.filter(|known| !known.gone) {
            self.sightings.note(kind, known.id, true);
            self.db
                .prepare_cached("UPDATE record SET missed = 0 WHERE id = ?1")
                .and_then(|mut q| q.execute([known.id]))
                .map_err(failed)?;
        }
        Ok(())
    }

    fn whole(
        &mut self,
        patient: &PatientKey,
        kind: RecordKind,
        keys: &[String],
        removed: bool,
    ) -> Result<()> {
        let known: Vec<(i64, String)> = self
            .db
            .prepare_cached(
                "SELECT id, native FROM record WHERE source = ?1 AND parent = ?2 AND kind = ?3 AND gone = 0",
            )
            .and_then(|mut q| {
                q.query_map(params![self.source, patient.native(), kind.code()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .and_then(Iterator::collect)
            })
            .map_err(failed)?;
        for (id, native) in known {
            if keys.contains(&native) || kind == RecordKind::Patient {
                continue;
            }
            if removed {
                self.bury(kind, id, patient.native())?;
            } else {
                self.db
                    .prepare_cached("UPDATE record SET missed = 1 WHERE id = ?1")
                    .and_then(|mut q| q.execute([id]))
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    fn is_unreadable(&self, bad: &BadRecord) -> Result<bool> {
        self.db
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM unreadable WHERE source = ?1 AND kind = ?2 AND native = ?3)",
            )
            .and_then(|mut q| {
                q.query_row(params![self.source, bad.kind.code(), bad.native], |row| row.get(0))
            })
            .map_err(failed)
    }

    /// Stores sightings and the number of live records.
    fn settle(&mut self) -> Result<()> {
        self.sightings.store(self.db, self.source)?;
        for kind in RecordKind::ALL {
            let Some(born) = self.born.get_mut(usize::from(kind.code())) else {
                continue;
            };
            let born = std::mem::take(born);
            if born != 0 {
                self.db
                    .prepare_cached(
                        "INSERT INTO listing (source, kind, live) VALUES (?1, ?2, ?3) \
                         ON CONFLICT DO UPDATE SET live = live + ?3",
                    )
                    .and_then(|mut q| q.execute(params![self.source, kind.code(), born]))
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    /// A complete listing ends: what it did not show is missed; what was missed
    /// twice in a row is gone, unless it is more than the brake lets go.
    fn sweep(&mut self, kind: RecordKind) -> Result<()> {
        let shown = Shown::take(self.db, self.source, kind)?;
        let (number, live): (i64, i64) = self
            .db
            .prepare_cached(
                "INSERT INTO listing (source, kind, number, swept_at) VALUES (?1, ?2, 2, ?3) \
                 ON CONFLICT DO UPDATE SET number = number + 1, swept_at = ?3 RETURNING number - 1, live",
            )
            .and_then(|mut q| {
                let now = self.commit.now.timestamp_millis();
                q.query_row(params![self.source, kind.code(), now], |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .map_err(failed)?;
        let since = int(unreadable_since(kind, uint(number)));
        let cleared: Vec<String> = self
            .db
            .prepare_cached(
                "DELETE FROM unreadable WHERE source = ?1 AND kind = ?2 AND listing < ?3 RETURNING native",
            )
            .and_then(|mut q| {
                q.query_map(params![self.source, kind.code(), since], |row| row.get(0))
                    .and_then(Iterator::collect)
            })
            .map_err(failed)?;
        if kind == RecordKind::OptOut {
            for patient in cleared {
                self.concerns(kind, &patient)?;
            }
        }
        if shown.count() == uint(live) {
            return Ok(());
        }
        let mut fresh = Vec::new();
        let mut again = Vec::new();
        {
            let mut query = self
                .db
                .prepare_cached("SELECT id, missed, parent FROM record WHERE source = ?1 AND kind = ?2 AND gone = 0")
                .map_err(failed)?;
            let mut rows = query
                .query(params![self.source, kind.code()])
                .map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                let id: i64 = row.get(0).map_err(failed)?;
                if !shown.has(id) {
                    if row.get(1).map_err(failed)? || broken("broken.twice") {
                        again.push((id, row.get::<_, String>(2).map_err(failed)?));
                    } else {
                        fresh.push(id);
                    }
                }
            }
        }
        let going = u64::try_from(again.len()).unwrap_or(u64::MAX);
        if self.commit.brake.allows(going, uint(live)) {
            for (id, parent) in again {
                self.bury(kind, id, &parent)?;
            }
        } else {
            self.outcome.held += going;
        }
        for id in fresh {
            self.db
                .prepare_cached("UPDATE record SET missed = 1 WHERE id = ?1")
                .and_then(|mut q| q.execute([id]))
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Reminders that have had their time leave without a trace: they would be
    /// more every year, and nobody looks at them.
    fn let_go(&mut self) -> Result<()> {
        let kind = RecordKind::Reminder;
        let from = Reminder::kept_from(self.commit.today);
        let old: Vec<(i64, bool)> = self
            .db
            .prepare_cached(
                "DELETE FROM record WHERE source = ?1 AND kind = ?2 AND changed_on < ?3 RETURNING id, gone",
            )
            .and_then(|mut q| {
                q.query_map(params![self.source, kind.code(), day(from)], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .and_then(Iterator::collect)
            })
            .map_err(failed)?;
        for (id, gone) in old {
            self.live(kind, if gone { 0 } else { -1 });
            self.sightings.note(kind, id, false);
        }
        if self.unreadable {
            let kept = chrono::TimeDelta::days(Reminder::KEPT.into());
            let since = (self.commit.now - kept).timestamp_millis();
            self.db
                .prepare_cached(
                    "DELETE FROM unreadable WHERE source = ?1 AND kind = ?2 AND since < ?3",
                )
                .and_then(|mut q| q.execute(params![self.source, kind.code(), since]))
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Every sink of this source has news to look at.
    fn raise(&mut self) -> Result<()> {
        suppress::raise_households(self.db, self.source, &self.raised)
    }
}
