//! State in one SQLite file: WAL, `synchronous=FULL`, one writer, one process.

mod acks;
mod audit;
mod due;
mod effect;
mod failure;
mod inbox;
mod outreach;
mod page;
#[cfg(test)]
mod plans;
mod schema;
mod seen;
mod suppress;
mod together;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use tokio::sync::watch;

use self::failure::{damaged, failed, refuse};
use super::view::DigestKey;
use super::{
    AckCommit, Counts, Departure, Due, DueQuery, EffectClaim, EffectCommit, EffectRow, Epoch,
    LastSeen, Opening, OutreachStore, PageCommit, PageOutcome, Parked, SourceState, Standing,
    StateStore, pairing,
};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::{broken, reach};
use crate::hash::IdempotencyKey;
use crate::id::{ExternalId, IdScheme, OutletId, SinkId, SourceId};
use crate::model::RecordKind;
use crate::push::Delivery;
use crate::sink::{Account, Suppression};
use crate::source::Cursor;

/// The oldest SQLite without the WAL reset bug.
const OLDEST_SQLITE: i32 = 3_051_003;

/// State that survives kill -9 and power loss.
///
/// One process at a time: a second one on the same file is refused. Memory does
/// not grow with the file.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    /// A fair lock: whoever waits gets their turn, however much comes in.
    writer: tokio::sync::Mutex<Connection>,
    reader: Mutex<Connection>,
    key: DigestKey,
    /// Deliveries that wait for the next transaction.
    queue: together::Queue,
    /// Rings whenever a delivery has been stored.
    bell: watch::Sender<()>,
    // Held until the store goes: the lock ends with it, also at kill -9.
    _lock: File,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn uint(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

pub(super) fn day(date: NaiveDate) -> i64 {
    date.num_days_from_ce().into()
}

pub(super) fn date(day: i64) -> Result<NaiveDate> {
    i32::try_from(day)
        .ok()
        .and_then(NaiveDate::from_num_days_from_ce_opt)
        .ok_or_else(|| damaged("a day outside the calendar"))
}

pub(super) fn time(at: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(at).ok_or_else(|| damaged("a time outside the calendar"))
}

/// A number that is none of ours is never taken for another kind.
pub(super) fn kind(code: i64) -> Result<RecordKind> {
    RecordKind::ALL
        .into_iter()
        .find(|kind| i64::from(kind.code()) == code)
        .ok_or_else(|| damaged("a kind of record that this odx does not know"))
}

impl SqliteStore {
    /// Opens the file, or makes it, and brings it to the newest schema.
    ///
    /// # Errors
    /// [`ErrorKind::State`] if another process has it open, if a newer odx or
    /// another program wrote it, or if it cannot be written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(refuse(
                "the linked sqlite is older than 3.51.3, which can damage the state file; build with the bundled one",
            ));
        }
        let lock = lock(&path)?;
        let mut writer = connect(&path)?;
        schema::migrate(&mut writer)?;
        let key: Vec<u8> = writer
            .query_row(
                "SELECT value FROM meta WHERE name = 'digest_key'",
                [],
                |row| row.get(0),
            )
            .map_err(failed)?;
        let key = key.try_into().map_err(|_| damaged("a damaged key"))?;
        let reader = connect(&path)?;
        reader
            .pragma_update(None, "query_only", true)
            .map_err(failed)?;
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                writer: tokio::sync::Mutex::new(writer),
                reader: Mutex::new(reader),
                key: DigestKey(key),
                queue: together::Queue::default(),
                bell: watch::Sender::new(()),
                _lock: lock,
            }),
        })
    }

    /// Runs one write transaction, away from the threads that poll futures.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &DigestKey) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut db = inner.writer.blocking_lock();
            // Immediate: a transaction that begins by reading cannot become a writer.
            let transaction = db
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(failed)?;
            let done = work(&transaction, &inner.key)?;
            match transaction.commit().map_err(failed) {
                Err(error) if !broken("broken.state.commit") => Err(error),
                _ => Ok(done),
            }
        })
        .await
    }

    /// Runs one read transaction.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &DigestKey) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut db = inner.reader.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = db.transaction().map_err(failed)?;
            work(&transaction, &inner.key)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(stopped_by_a_panic()),
    }
}

/// The message of a panic may quote data.
fn stopped_by_a_panic() -> Error {
    Error::new(
        ErrorKind::Bug,
        "a state transaction ended in a panic; it was rolled back",
    )
}

fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).write(true).truncate(false).open(&name).map_err(|cause| {
        refuse("the state file cannot be written here; give the account write access to its folder").with_cause(cause)
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(refuse(
            "another odx process has this state file open: stop it first, or name another file",
        )),
        Err(TryLockError::Error(cause)) => {
            Err(refuse("the state file cannot be locked on this file system").with_cause(cause))
        }
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let db = Connection::open(path).map_err(failed)?;
    db.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    let set = |name: &str, value: &str| db.pragma_update(None, name, value).map_err(failed);
    set("journal_mode", "wal")?;
    set("synchronous", "full")?;
    set("foreign_keys", "on")?;
    set("trusted_schema", "off")?;
    set("secure_delete", "on")?;
    set("journal_size_limit", "16777216")?;
    set("wal_autocheckpoint", "1000")?;
    // What is asked for is not always what one gets.
    let mode: String = db
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(failed)?;
    let sync: i64 = db
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .map_err(failed)?;
    if broken("broken.state.synchronous") {
        set("synchronous", "normal")?;
    } else if mode != "wal" || sync != 2 {
        return Err(refuse(
            "the state file cannot be made safe against power loss here: put it on a local disk",
        ));
    }
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// The row number of an opened source, if the epoch is the latest.
fn current(db: &Transaction<'_>, source: &SourceId, epoch: Epoch) -> Result<i64> {
    let (id, latest): (i64, i64) = db
        .prepare_cached("SELECT id, epoch FROM source WHERE name = ?1")
        .and_then(|mut q| q.query_row([source.to_string()], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(failed)?;
    if uint(latest) == epoch.0 || broken("broken.epoch") {
        Ok(id)
    } else {
        Err(Error::new(
            ErrorKind::Superseded,
            "another run has taken over this source",
        ))
    }
}

fn sink_row(db: &Transaction<'_>, sink: &SinkId) -> Result<i64> {
    if broken("broken.office.sink") {
        return Ok(1);
    }
    db.prepare_cached("SELECT id FROM sink WHERE name = ?1")
        .and_then(|mut q| q.query_row([sink.as_str()], |row| row.get(0)))
        .map_err(failed)
}

fn scheme_text(scheme: IdScheme) -> &'static str {
    match scheme {
        IdScheme::Scoped => "scoped",
        IdScheme::Bare => "bare",
    }
}

fn source_from(text: &str) -> Result<SourceId> {
    let (system, database) = text.split_once(':').unwrap_or((text, ""));
    SourceId::new(system, database).map_err(|_| damaged("a source without a name"))
}

fn open_run(db: &Transaction<'_>, opening: &Opening) -> Result<SourceState> {
    let name = opening.source.to_string();
    db.execute(
        "INSERT INTO source (name) VALUES (?1) ON CONFLICT DO NOTHING",
        [&name],
    )
    .map_err(failed)?;
    db.execute(
        "UPDATE source SET epoch = epoch + 1 WHERE name = ?1",
        [&name],
    )
    .map_err(failed)?;
    let known = {
        let mut query = db
            .prepare("SELECT sink.name, source.name, account, scheme, kind FROM sink JOIN source ON source.id = sink.source")
            .map_err(failed)?;
        let rows = query
            .query_map([], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, String>(3)?,
                    row.get::<_, bool>(4)?,
                ))
            })
            .map_err(failed)?;
        rows.collect::<Result<Vec<_>, _>>().map_err(failed)?
    };
    let (source, epoch, imported): (i64, i64, bool) = db
        .query_row(
            "SELECT id, epoch, imported FROM source WHERE name = ?1",
            [&name],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .map_err(failed)?;
    for (id, account) in &opening.sinks {
        for (known_id, known_source, known_account, scheme, gateway) in &known {
            let known_source = source_from(known_source)?;
            let known = Account {
                name: known_account.clone(),
                scheme: if scheme == "bare" {
                    IdScheme::Bare
                } else {
                    IdScheme::Scoped
                },
            };
            if known_id == id.as_str() {
                pairing::check(id, &opening.source, account, &known_source, &known)?;
                pairing::check_no_gateway(id, *gateway)?;
            }
            // Nobody's records are at a gateway.
            if !gateway {
                pairing::check_shared(&opening.source, account, &known_source, &known)?;
            }
        }
        let fresh = db
            .execute(
                "INSERT INTO sink (name, source, account, scheme) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![id.as_str(), source, account.name, scheme_text(account.scheme)],
            )
            .map_err(failed)?;
        db.execute(
            "UPDATE sink SET account = ?2 WHERE name = ?1",
            params![id.as_str(), account.name],
        )
        .map_err(failed)?;
        if fresh > 0 {
            let sink = sink_row(db, id)?;
            db.execute(
                "INSERT INTO route (sink, household, generation) \
                 SELECT DISTINCT ?1, parent, 1 FROM record WHERE source = ?2 AND kind = 0",
                [sink, source],
            )
            .map_err(failed)?;
        }
    }
    reach("open_run.in_transaction");
    Ok(SourceState {
        epoch: Epoch(uint(epoch)),
        imported,
        swept_at: last_seen(db, &name)?.swept_at(),
    })
}

fn last_seen(db: &Transaction<'_>, source: &str) -> Result<LastSeen> {
    let at = |row: &Row<'_>, n| row.get::<_, Option<i64>>(n);
    let [page, success, change] = db
        .prepare_cached("SELECT page_at, success_at, change_at FROM source WHERE name = ?1")
        .and_then(|mut q| {
            q.query_row([source], |row| Ok([at(row, 0)?, at(row, 1)?, at(row, 2)?]))
                .optional()
        })
        .map_err(failed)?
        .unwrap_or_default();
    let mut seen = LastSeen {
        page: page.map(time).transpose()?,
        success: success.map(time).transpose()?,
        change: change.map(time).transpose()?,
        ..LastSeen::default()
    };
    let mut query = db
        .prepare_cached(
            "SELECT kind, swept_at FROM listing JOIN source ON source.id = source \
             WHERE name = ?1 AND swept_at NOTNULL",
        )
        .map_err(failed)?;
    let mut rows = query.query([source]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let listed = time(row.get(1).map_err(failed)?)?;
        seen.listed
            .insert(kind(row.get(0).map_err(failed)?)?, listed);
    }
    Ok(seen)
}

fn counts(db: &Transaction<'_>, source: &SourceId, sink: &SinkId) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut query = db
        .prepare_cached(
            "SELECT kind, live FROM listing JOIN source ON source.id = source WHERE name = ?1",
        )
        .map_err(failed)?;
    let mut rows = query.query([source.to_string()]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        *counts.of_kind(kind(row.get(0).map_err(failed)?)?) = uint(row.get(1).map_err(failed)?);
    }
    let count = |sql: &str, name: &str| {
        db.prepare_cached(sql)
            .and_then(|mut q| q.query_row([name], |row| row.get(0)))
            .map(uint)
            .map_err(failed)
    };
    counts.unreadable = count(
        "SELECT count(*) FROM unreadable JOIN source ON source.id = source WHERE name = ?1",
        &source.to_string(),
    )?;
    let sink = sink.as_str();
    counts.acknowledged = count(
        "SELECT count(*) FROM ledger JOIN sink ON sink.id = sink WHERE name = ?1",
        sink,
    )?;
    for (hold, slot) in [
        (0, &mut counts.waiting),
        (1, &mut counts.refused),
        (2, &mut counts.blocked),
    ] {
        let sql = format!(
            "SELECT count(*) FROM parked JOIN sink ON sink.id = sink WHERE name = ?1 AND hold = {hold}"
        );
        *slot = count(&sql, sink)?;
    }
    Ok(counts)
}

#[async_trait]
impl StateStore for SqliteStore {
    async fn open_run(&self, opening: &Opening) -> Result<SourceState> {
        let opening = opening.clone();
        self.write(move |db, _| open_run(db, &opening)).await
    }

    async fn commit_page(&self, commit: PageCommit) -> Result<PageOutcome> {
        self.write(move |db, _| page::commit(db, &commit)).await
    }

    async fn cursor(&self, source: &SourceId) -> Result<Option<Cursor>> {
        let source = source.to_string();
        self.read(move |db, _| {
            db.query_row(
                "SELECT cursor FROM source WHERE name = ?1",
                [source],
                |row| row.get::<_, Option<String>>(0),
            )
            .optional()
            .map(|cursor| cursor.flatten().map(Cursor::new))
            .map_err(failed)
        })
        .await
    }

    async fn last_seen(&self, source: &SourceId) -> Result<LastSeen> {
        let source = source.to_string();
        self.read(move |db, _| last_seen(db, &source)).await
    }

    async fn restart_feed(&self, source: &SourceId, epoch: Epoch) -> Result<()> {
        let source = source.clone();
        self.write(move |db, _| {
            let id = current(db, &source, epoch)?;
            db.execute("UPDATE source SET cursor = NULL WHERE id = ?1", [id])
                .map_err(failed)?;
            reach("restart.in_transaction");
            Ok(())
        })
        .await
    }

    async fn receive(&self, source: &SourceId, delivery: Delivery) -> Result<bool> {
        reach("receive.before");
        together::receive(&self.inner, source, delivery).await
    }

    async fn inbox(&self, source: &SourceId, most: usize) -> Result<Vec<Delivery>> {
        let source = source.clone();
        self.read(move |db, _| inbox::load(db, &source, most)).await
    }

    async fn await_delivery(&self, source: &SourceId) -> Result<()> {
        let mut bell = self.inner.bell.subscribe();
        loop {
            let source = source.clone();
            if self.read(move |db, _| inbox::holds(db, &source)).await? {
                return Ok(());
            }
            // The sender lives as long as this store.
            drop(bell.changed().await);
        }
    }

    async fn due(&self, query: &DueQuery) -> Result<Vec<Due>> {
        let query = query.clone();
        self.read(move |db, key| due::load(db, key, &query)).await
    }

    async fn standing(&self, sink: &SinkId, ids: Vec<ExternalId>) -> Result<Vec<Standing>> {
        let sink = sink.clone();
        self.read(move |db, _| acks::standing(db, &sink, &ids))
            .await
    }

    async fn commit_departure(&self, departure: Departure) -> Result<()> {
        self.write(move |db, _| acks::depart(db, &departure)).await
    }

    async fn commit_acks(&self, commit: AckCommit) -> Result<()> {
        self.write(move |db, key| acks::commit(db, key, &commit))
            .await
    }

    async fn next_wake(&self, sink: &SinkId) -> Result<Option<DateTime<Utc>>> {
        let sink = sink.clone();
        self.read(move |db, _| {
            let at: Option<i64> = db
                .query_row(
                    "SELECT min(not_before) FROM parked WHERE sink = ?1 AND not_before NOTNULL",
                    [sink_row(db, &sink)?],
                    |row| row.get(0),
                )
                .map_err(failed)?;
            at.map(time).transpose()
        })
        .await
    }

    async fn suppression_cursor(&self, sink: &SinkId) -> Result<Option<Cursor>> {
        let sink = sink.clone();
        self.read(move |db, _| {
            db.query_row(
                "SELECT cursor FROM sink WHERE name = ?1",
                [sink.as_str()],
                |row| row.get::<_, Option<String>>(0),
            )
            .optional()
            .map_err(failed)
            .map(|cursor| cursor.flatten().map(Cursor::new))
        })
        .await
    }

    async fn suppress(
        &self,
        sink: &SinkId,
        stops: Vec<Suppression>,
        next: Option<Cursor>,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        let sink = sink.clone();
        self.write(move |db, key| suppress::commit(db, key, &sink, &stops, next.as_ref(), now))
            .await
    }

    async fn counts(&self, source: &SourceId, sink: &SinkId) -> Result<Counts> {
        let (source, sink) = (source.clone(), sink.clone());
        self.read(move |db, _| counts(db, &source, &sink)).await
    }

    async fn parked(&self, sink: &SinkId, limit: usize) -> Result<Vec<Parked>> {
        let sink = sink.clone();
        self.read(move |db, _| acks::parked(db, &sink, limit)).await
    }

    async fn record_run(&self, source: &SourceId, now: DateTime<Utc>, report: &str) -> Result<()> {
        let (source, report) = (source.to_string(), report.to_owned());
        self.write(move |db, _| {
            db.execute(
                "INSERT INTO run (source, at, report) SELECT id, ?2, ?3 FROM source WHERE name = ?1",
                params![source, now.timestamp_millis(), report],
            )
            .map_err(failed)?;
            reach("run.in_transaction");
            db.execute(
                "DELETE FROM run WHERE source = (SELECT id FROM source WHERE name = ?1) AND id <= (SELECT id FROM run \
                 WHERE source = (SELECT id FROM source WHERE name = ?1) ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                params![source, int(u64::try_from(super::RUNS_KEPT).unwrap_or(u64::MAX))],
            )
            .map_err(failed)?;
            Ok(())
        })
        .await
    }

    async fn open_outlet(&self, outlet: &OutletId) -> Result<Epoch> {
        let outlet = outlet.clone();
        self.write(move |db, _| effect::open(db, &outlet)).await
    }

    async fn effect(&self, outlet: &OutletId, key: &IdempotencyKey) -> Result<Option<EffectRow>> {
        let (outlet, key) = (outlet.clone(), key.clone());
        self.read(move |db, _| effect::effect(db, &outlet, &key))
            .await
    }

    async fn claim_effect(&self, claim: EffectClaim) -> Result<bool> {
        self.write(move |db, key| effect::claim(db, key, &claim))
            .await
    }

    async fn settle_effect(&self, commit: EffectCommit) -> Result<()> {
        self.write(move |db, key| effect::settle(db, key, &commit))
            .await
    }

    fn outreach(&self) -> &dyn OutreachStore {
        self
    }

    async fn open_effects(&self, outlet: &OutletId, limit: usize) -> Result<Vec<EffectRow>> {
        let outlet = outlet.clone();
        self.read(move |db, _| effect::open_effects(db, &outlet, limit))
            .await
    }
}
