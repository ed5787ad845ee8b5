//! The same practice as rows: one for each state that a record was in, from
//! which run on and before which. "As it stood then" is plain SQL.

use chrono::{DateTime, NaiveDateTime, Utc};
use rusqlite::{Connection, params};

use crate::practice::{Changes, Stop};

/// A run: when it is, by the office's wall clock and everywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick {
    pub(crate) number: u32,
    pub(crate) wall: NaiveDateTime,
    pub(crate) at: DateTime<Utc>,
    /// As the history counts them.
    pub(crate) seconds: i64,
}

const TABLES: &str = "
CREATE TABLE tick (t INTEGER PRIMARY KEY, day TEXT, wall TEXT, at INTEGER);
CREATE VIEW now AS SELECT * FROM tick WHERE t = (SELECT max(t) FROM tick);

CREATE TABLE person (key TEXT, since INTEGER, until INTEGER, household TEXT, status TEXT,
    born TEXT, mobile TEXT, email TEXT, sms INTEGER, mail INTEGER, no_sms INTEGER,
    no_mail INTEGER, needs_person INTEGER, gone INTEGER);
CREATE TABLE recall (key TEXT, since INTEGER, until INTEGER, patient TEXT, due TEXT,
    previous TEXT, scheduled TEXT, snoozed TEXT, disabled INTEGER, held INTEGER,
    urgent INTEGER, gone INTEGER);
CREATE TABLE visit (key TEXT, since INTEGER, until INTEGER, patient TEXT, status TEXT,
    start TEXT, gone INTEGER);
CREATE INDEX person_key ON person (key, until);
CREATE INDEX recall_key ON recall (key, until);
CREATE INDEX visit_key ON visit (key, until);
CREATE INDEX person_until ON person (until);
CREATE INDEX recall_until ON recall (until);
CREATE INDEX visit_until ON visit (until);

-- Who said stop: by number, by mailbox or, in a CRM, for one record. Only what a
-- provider heard by a keyword ends again.
CREATE TABLE stop (who TEXT, sms INTEGER, email INTEGER, keyword INTEGER,
    since INTEGER, until INTEGER);
CREATE INDEX stop_who ON stop (who);
";

/// Ends what was and begins what is.
const FOREVER: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct History {
    pub(crate) db: Connection,
}

impl History {
    pub(crate) fn new() -> Self {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(TABLES).unwrap();
        Self { db }
    }

    /// What changed before this run.
    pub(crate) fn note(&self, tick: Tick, changes: &Changes) {
        let t = tick.number;
        self.run(
            "INSERT INTO tick VALUES (?1, ?2, ?3, ?4)",
            params![
                t,
                tick.wall.date().to_string(),
                tick.wall.to_string(),
                tick.seconds
            ],
        );
        self.db.execute_batch("BEGIN").unwrap();
        for of in &changes.people {
            self.end("person", &of.key, t);
            let mobile = of.mobile.as_ref().and_then(|number| number.texts());
            self.run(
                "INSERT INTO person VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                params![
                    of.key,
                    t,
                    FOREVER,
                    of.household,
                    of.status,
                    of.born.map(|day| day.to_string()),
                    mobile,
                    of.email,
                    of.sms,
                    of.mail,
                    of.no_sms,
                    of.no_mail,
                    of.needs_person,
                    of.gone
                ],
            );
        }
        for of in &changes.dues {
            self.end("recall", &of.key, t);
            self.run(
                "INSERT INTO recall VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                params![
                    of.key,
                    t,
                    FOREVER,
                    of.patient,
                    of.due.map(|day| day.to_string()),
                    of.previous.map(|day| day.to_string()),
                    of.scheduled.map(|day| day.to_string()),
                    of.snoozed.map(|day| day.to_string()),
                    of.disabled,
                    of.held,
                    of.urgent,
                    of.gone
                ],
            );
        }
        for of in &changes.visits {
            self.end("visit", &of.key, t);
            self.run(
                "INSERT INTO visit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    of.key,
                    t,
                    FOREVER,
                    of.patient,
                    of.status,
                    of.start.map(|start| start.to_string()),
                    of.gone
                ],
            );
        }
        for stop in &changes.stops {
            let (who, sms, email, keyword) = match stop {
                Stop::Start(number) => {
                    self.run(
                        "UPDATE stop SET until = ?2 WHERE who = ?1 AND keyword AND until > ?2",
                        params![number, t],
                    );
                    continue;
                }
                Stop::Text(number) => (number, true, false, true),
                Stop::Mail(mailbox) => (mailbox, false, true, false),
                Stop::CrmPhone(number, _) => (number, true, false, false),
                Stop::CrmEmail(mailbox, _) => (mailbox, false, true, false),
                Stop::CrmContact(key, all) => (key, *all, true, false),
            };
            self.run(
                "INSERT INTO stop VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![who, sms, email, keyword, t, FOREVER],
            );
        }
        self.db.execute_batch("COMMIT").unwrap();
    }

    fn end(&self, table: &str, key: &str, t: u32) {
        let sql = format!("UPDATE {table} SET until = ?2 WHERE key = ?1 AND until = ?3");
        self.run(&sql, params![key, t, FOREVER]);
    }

    pub(crate) fn run(&self, sql: &str, params: impl rusqlite::Params) -> usize {
        self.db
            .prepare_cached(sql)
            .unwrap()
            .execute(params)
            .unwrap()
    }
}
