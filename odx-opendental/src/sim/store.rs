//! The tables in SQLite: create, read, write, page.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::error::SimError;
use super::more_tables::{
    CommOptOutRow, DeletedObjectRow, OperatoryRow, PatientLinkRow, ReactivationRow, SignalRow,
};
use super::settings::RowOrder;
use super::sql::Desk;
use super::tables::{
    AppointmentRow, ClinicRow, DefinitionRow, HistAppointmentRow, PatientRow, PreferenceRow,
    ProviderRow, RecallRow, RecallTypeRow, Record,
};
use super::tables_api;

/// First key of an office with sequential keys; the gap below leaves room for
/// rows that drift inserts in front of everything.
const FIRST_KEY: i64 = 1001;

/// Conditions of one listing. The texts are ours, the values are bound.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    clauses: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a condition without values.
    pub(crate) fn only(&mut self, clause: impl Into<String>) {
        self.clauses.push(clause.into());
    }

    /// Adds a condition with one value, written as `?`.
    pub(crate) fn with(&mut self, clause: impl Into<String>, value: impl Into<Value>) {
        self.clauses.push(clause.into());
        self.values.push(value.into());
    }
}

/// Which part of a listing to answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) offset: u64,
    pub(crate) limit: u64,
}

/// Where the last page of a listing ended. Lets the next one seek instead of
/// counting `OFFSET` rows again, as long as no table changed in between.
struct Resume {
    writes: u64,
    next: u64,
    order: Value,
    key: i64,
}

/// The office's database.
pub(crate) struct Store {
    conn: Connection,
    /// Where queries are run.
    desk: Desk,
    order: RowOrder,
    random_keys: Option<fastrand::Rng>,
    next_key: HashMap<&'static str, i64>,
    writes: u64,
    resume: HashMap<String, Resume>,
}

impl Store {
    pub(crate) fn open(order: RowOrder, random_keys: Option<u64>) -> Result<Self, SimError> {
        // Shared, so that queries can see the same tables through views of their own.
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let nth = OPENED.fetch_add(1, Ordering::Relaxed);
        let place = format!("file:simulated-office-{nth}?mode=memory&cache=shared");
        let conn = Connection::open(&place)?;
        conn.set_prepared_statement_cache_capacity(128);
        conn.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
        create::<PatientRow>(&conn)?;
        create::<RecallRow>(&conn)?;
        create::<AppointmentRow>(&conn)?;
        create::<HistAppointmentRow>(&conn)?;
        create::<DefinitionRow>(&conn)?;
        create::<RecallTypeRow>(&conn)?;
        create::<ClinicRow>(&conn)?;
        create::<ProviderRow>(&conn)?;
        create::<PreferenceRow>(&conn)?;
        create::<tables_api::CommlogRow>(&conn)?;
        create::<tables_api::PatFieldRow>(&conn)?;
        create::<tables_api::SubscriptionRow>(&conn)?;
        create::<tables_api::ScheduleRow>(&conn)?;
        create::<SignalRow>(&conn)?;
        create::<OperatoryRow>(&conn)?;
        create::<DeletedObjectRow>(&conn)?;
        create::<PatientLinkRow>(&conn)?;
        create::<CommOptOutRow>(&conn)?;
        create::<ReactivationRow>(&conn)?;
        let desk = Desk::open(&place)?;
        Ok(Self {
            conn,
            desk,
            order,
            random_keys: random_keys.map(fastrand::Rng::with_seed),
            next_key: HashMap::new(),
            writes: 0,
            resume: HashMap::new(),
        })
    }

    /// Secondary indexes; made after seeding, which is much faster.
    pub(crate) fn index(&self) -> Result<(), SimError> {
        self.conn.execute_batch(
            "CREATE INDEX patient_stamp ON patient(DateTStamp);
             CREATE INDEX patient_guarantor ON patient(Guarantor);
             CREATE INDEX patient_birthdate ON patient(Birthdate);
             CREATE INDEX recall_patient ON recall(PatNum);
             CREATE INDEX recall_due ON recall(DateDue);
             CREATE INDEX appointment_patient ON appointment(PatNum);
             CREATE INDEX appointment_stamp ON appointment(DateTStamp);
             CREATE INDEX appointment_start ON appointment(AptDateTime);
             CREATE INDEX histappointment_apt ON histappointment(AptNum);
             CREATE INDEX histappointment_patient ON histappointment(PatNum);
             CREATE INDEX histappointment_stamp ON histappointment(HistDateTStamp);
             CREATE INDEX histappointment_start ON histappointment(AptDateTime);
             CREATE INDEX commlog_patient ON commlog(PatNum);
             CREATE INDEX patfield_patient ON patfield(PatNum);
             CREATE INDEX preference_name ON preference(PrefName);",
        )?;
        match self.order {
            RowOrder::ByKey => {}
            RowOrder::ByStamp => self.conn.execute_batch(
                "CREATE INDEX recall_stamp ON recall(DateTStamp);
                 CREATE INDEX histappointment_order ON histappointment(DateTStamp);",
            )?,
            RowOrder::Shuffled { .. } => self.conn.execute_batch(
                "CREATE INDEX patient_shuffle ON patient(SimOrder, PatNum);
                 CREATE INDEX recall_shuffle ON recall(SimOrder, RecallNum);
                 CREATE INDEX appointment_shuffle ON appointment(SimOrder, AptNum);
                 CREATE INDEX histappointment_shuffle ON histappointment(SimOrder, HistApptNum);",
            )?,
        }
        Ok(())
    }

    pub(crate) fn begin(&self) -> Result<(), SimError> {
        Ok(self.conn.execute_batch("BEGIN")?)
    }

    pub(crate) fn commit(&self) -> Result<(), SimError> {
        Ok(self.conn.execute_batch("COMMIT")?)
    }

    /// Inserts or replaces a row; a key of 0 is replaced by a new one.
    pub(crate) fn put<R: Record>(&mut self, row: &mut R) -> Result<i64, SimError> {
        if row.key() == 0 {
            let key = self.new_key::<R>();
            row.set_key(key);
        } else {
            let next = self.next_key.entry(R::TABLE).or_insert(FIRST_KEY);
            *next = (*next).max(row.key().saturating_add(1));
        }
        self.writes += 1;
        let columns = R::columns();
        let mut sql = format!("INSERT OR REPLACE INTO {} VALUES (", R::TABLE);
        for _ in &columns {
            sql.push_str("?,");
        }
        sql.push_str("?)");
        let place = self.shuffle(row.key());
        let mut values = row.values();
        values.push(&place);
        self.conn.prepare_cached(&sql)?.execute(values.as_slice())?;
        Ok(row.key())
    }

    pub(crate) fn get<R: Record>(&self, key: i64) -> Result<Option<R>, SimError> {
        let sql = format!("SELECT * FROM {} WHERE {} = ?", R::TABLE, R::KEY);
        Ok(self
            .conn
            .prepare_cached(&sql)?
            .query_row([key], |row| R::read(row, 0))
            .optional()?)
    }

    pub(crate) fn remove<R: Record>(&mut self, key: i64) -> Result<bool, SimError> {
        self.writes += 1;
        let sql = format!("DELETE FROM {} WHERE {} = ?", R::TABLE, R::KEY);
        Ok(self.conn.prepare_cached(&sql)?.execute([key])? > 0)
    }

    /// Every row that passes, by key.
    pub(crate) fn all<R: Record>(&self, filter: &Filter) -> Result<Vec<R>, SimError> {
        self.all_by(filter, R::KEY)
    }

    /// Every row that passes, by a column, then by key.
    pub(crate) fn all_by<R: Record>(
        &self,
        filter: &Filter,
        column: &str,
    ) -> Result<Vec<R>, SimError> {
        let sql = format!(
            "SELECT * FROM {}{} ORDER BY {column}, {}",
            R::TABLE,
            conditions(&filter.clauses),
            R::KEY
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(filter.values.iter()), |row| {
            R::read(row, 0)
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One page of a listing, in the office's row order.
    pub(crate) fn page<R: Record>(
        &mut self,
        filter: Filter,
        window: Window,
    ) -> Result<Vec<R>, SimError> {
        let columns = R::columns();
        let order = self.order_column::<R>(&columns);
        let memo = format!("{} {:?}", R::TABLE, filter);
        let Filter {
            mut clauses,
            mut values,
        } = filter;
        let mut offset = window.offset;
        if let Some(resume) = self.resume.get(&memo)
            && resume.writes == self.writes
            && resume.next == window.offset
        {
            clauses.push(format!("({order}, {}) > (?, ?)", R::KEY));
            values.push(resume.order.clone());
            values.push(Value::Integer(resume.key));
            offset = 0;
        }
        let sql = format!(
            "SELECT *, {order} FROM {}{} ORDER BY {order}, {} LIMIT ? OFFSET ?",
            R::TABLE,
            conditions(&clauses),
            R::KEY
        );
        values.push(Value::Integer(clamp(window.limit)));
        values.push(Value::Integer(clamp(offset)));

        let mut page = Vec::new();
        let mut last = None;
        {
            let mut statement = self.conn.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(values.iter()))?;
            while let Some(row) = rows.next()? {
                let record = R::read(row, 0)?;
                // One more column (SimOrder) precedes the order column.
                last = Some((row.get(columns.len() + 1)?, record.key()));
                page.push(record);
            }
        }
        if let Some((order, key)) = last {
            if self.resume.len() > 64 {
                self.resume.clear();
            }
            let next = window.offset.saturating_add(page.len() as u64);
            let writes = self.writes;
            self.resume.insert(
                memo,
                Resume {
                    writes,
                    next,
                    order,
                    key,
                },
            );
        }
        Ok(page)
    }

    /// The key that a listing shows first.
    pub(crate) fn first_key<R: Record>(&mut self, filter: Filter) -> Result<Option<i64>, SimError> {
        let window = Window {
            offset: 0,
            limit: 1,
        };
        Ok(self.page::<R>(filter, window)?.first().map(Record::key))
    }

    /// A key below every other one, for a row that belongs in front.
    pub(crate) fn low_key<R: Record>(&self) -> Result<i64, SimError> {
        let sql = format!("SELECT MIN({}) FROM {}", R::KEY, R::TABLE);
        let lowest: Option<i64> = self.conn.query_row(&sql, [], |row| row.get(0))?;
        Ok(lowest.unwrap_or(FIRST_KEY).saturating_sub(1))
    }

    /// Where queries are run. Nobody writes meanwhile.
    pub(crate) fn desk(&mut self) -> &mut Desk {
        &mut self.desk
    }

    /// Moves what belongs to one patient to another, except patients, recalls and visits: those
    /// have rules of their own.
    // mergepatients: every record moves
    pub(crate) fn move_records(&mut self, from: i64, to: i64, now: &str) -> Result<(), SimError> {
        self.writes += 1;
        let mut tables = self.conn.prepare(
            "SELECT m.name, group_concat(c.name) FROM sqlite_master m, pragma_table_info(m.name) c
             WHERE m.type = 'table' AND m.name NOT IN ('patient', 'recall', 'appointment')
             GROUP BY m.name",
        )?;
        let tables: Vec<(String, String)> = tables
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (table, columns) in tables {
            let has = |name: &str| columns.split(',').any(|column| column == name);
            if !has("PatNum") {
                continue;
            }
            // A snapshot's stamp says when it was taken.
            let stamped = ["DateTStamp", "SecDateTEdit"]
                .into_iter()
                .find(|name| has(name) && table != "histappointment");
            let stamping = stamped.map_or(String::new(), |name| format!(", {name} = :now"));
            let sql = format!("UPDATE {table} SET PatNum = :to{stamping} WHERE PatNum = :from");
            let mut moving = self.conn.prepare(&sql)?;
            let mut bind =
                |name: &str, value: &dyn rusqlite::ToSql| match moving.parameter_index(name)? {
                    Some(at) => moving.raw_bind_parameter(at, value),
                    None => Ok(()),
                };
            bind(":to", &to)?;
            bind(":from", &from)?;
            bind(":now", &now)?;
            moving.raw_execute()?;
        }
        Ok(())
    }

    /// Moves the stamp of every live patient and nothing else.
    pub(crate) fn restamp_patients(&mut self, now: &str) -> Result<(), SimError> {
        self.writes += 1;
        self.conn.execute(
            "UPDATE patient SET DateTStamp = ? WHERE PatStatus <> 'Deleted'",
            params![now],
        )?;
        Ok(())
    }

    /// A fresh primary key.
    pub(crate) fn new_key<R: Record>(&mut self) -> i64 {
        // replicationprimarykeys: very large, non-sequential keys.
        if let Some(rng) = &mut self.random_keys {
            return rng.i64(1..i64::MAX);
        }
        let next = self.next_key.entry(R::TABLE).or_insert(FIRST_KEY);
        let key = *next;
        *next += 1;
        key
    }

    fn order_column<R: Record>(&self, columns: &[(&'static str, &'static str)]) -> &'static str {
        match self.order {
            RowOrder::ByKey => R::KEY,
            RowOrder::Shuffled { .. } => "SimOrder",
            RowOrder::ByStamp => {
                if columns.iter().any(|(name, _)| *name == "DateTStamp") {
                    "DateTStamp"
                } else {
                    R::KEY
                }
            }
        }
    }

    fn shuffle(&self, key: i64) -> i64 {
        match self.order {
            RowOrder::Shuffled { seed } => fastrand::Rng::with_seed(
                seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
                    .wrapping_add(key.cast_unsigned()),
            )
            .i64(0..i64::MAX),
            _ => 0,
        }
    }
}

fn create<R: Record>(conn: &Connection) -> Result<(), SimError> {
    let mut sql = format!("CREATE TABLE {} (", R::TABLE);
    for (name, kind) in R::columns() {
        let kind = if name == R::KEY {
            "INTEGER PRIMARY KEY"
        } else {
            kind
        };
        sql.push_str(&format!("{name} {kind}, "));
    }
    sql.push_str("SimOrder INTEGER NOT NULL)");
    Ok(conn.execute_batch(&sql)?)
}

fn conditions(clauses: &[String]) -> String {
    if clauses.is_empty() {
        return String::new();
    }
    format!(" WHERE {}", clauses.join(" AND "))
}

fn clamp(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
