//! `queries/ShortQuery`: one reading statement against the office's own tables.
//!
//! The statement is MySQL's; it is screened, spelled anew and run by SQLite on views that show
//! what the database holds. Every answer runs it again.

mod dates;
mod dialect;
mod digests;
mod functions;
mod tokens;
mod views;

use std::collections::HashSet;
use std::sync::PoisonError;

use fastrand::Rng;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use super::answer::{Answer, Refusal};
use super::error::SimError;
use super::handle::Head;
use super::routes::Call;
use super::server::ROOT;
use super::settings::{Permission, Settings};
use dialect::Screened;
use functions::{Around, Moment};
use tokens::{Kind, Token};

/// In every mode: larger pages are not promised here.
// apiqueries
const MOST_ROWS: usize = 100;

/// The statement of a request, for the log.
pub(crate) fn statement(head: &Head) -> Option<String> {
    let path = head.path.strip_prefix(ROOT)?;
    if head.method != "PUT" || path != "/queries/ShortQuery" {
        return None;
    }
    command(&head.body)
}

fn command(body: &[u8]) -> Option<String> {
    let sent: Value = serde_json::from_slice(body).ok()?;
    Some(sent.get("SqlCommand")?.as_str()?.to_owned())
}

// apiqueries, Queries PUT ShortQuery
pub(crate) fn short_query(call: &Call<'_>, body: &[u8]) -> Result<Answer, Refusal> {
    call.permitted(Permission::Queries)?;
    let query = call.query((21, 2, 0), &[])?;
    let offset = query.int("Offset")?.unwrap_or(0);
    let offset = usize::try_from(offset).map_err(|_| Refusal::bad("Offset is invalid"))?;
    let Some(sql) = command(body) else {
        return Err(Refusal::bad("SqlCommand is required"));
    };
    let settings = call.settings;
    // Reported by third parties.
    if settings.refuse_schema && sql.to_ascii_uppercase().contains("SCHEMA") {
        return Err(Refusal::unauthorized("Only read-only queries are allowed"));
    }
    let read = tokens::read(&sql).map_err(|error| Refusal::bad(error.0))?;
    let screened = dialect::screen(read).map_err(|said| match said {
        Screened::Forbidden(text) => Refusal::unauthorized(text),
        Screened::Wrong(text) => Refusal::bad(text),
    })?;
    let now = {
        let clock = call.practice.clock();
        Moment {
            wall: clock.wall(),
            utc: clock.utc(),
            zone: settings.zone,
        }
    };
    let mut rows = call
        .practice
        .store()
        .desk()
        .run(screened, settings, now)
        .map_err(Refusal::bad)?;
    rows.all.drain(..offset.min(rows.all.len()));
    if offset == 0 || !settings.endless_offset {
        rows.all.truncate(MOST_ROWS);
    }
    Answer::json(&rows, rows.all.len())
}

/// The database as a query sees it.
pub(crate) struct Desk {
    conn: Connection,
    around: Around,
    /// Tables of the simulator that no view shows.
    hidden: HashSet<String>,
    runs: u64,
}

impl Desk {
    /// Opens the tables at `place` a second time; they must exist.
    pub(crate) fn open(place: &str) -> Result<Self, SimError> {
        let conn = Connection::open(place)?;
        let around = Around::default();
        functions::register(&conn, &around)?;
        views::create(&conn)?;
        let hidden = conn
            .prepare(
                "SELECT name FROM main.sqlite_master WHERE type = 'table'
                 AND name NOT IN (SELECT name FROM temp.sqlite_master)",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        conn.execute_batch("PRAGMA query_only = ON")?;
        Ok(Self {
            conn,
            around,
            hidden,
            runs: 0,
        })
    }

    /// Every row; the error is the database's explanation.
    fn run(
        &mut self,
        mut tokens: Vec<Token>,
        settings: &Settings,
        now: Moment,
    ) -> Result<Rows, String> {
        self.runs += 1;
        let stranger = tokens.iter().filter_map(Token::name);
        if let Some(name) = stranger.into_iter().find(|name| self.hidden.contains(name)) {
            return Err(format!("Table '{name}' doesn't exist"));
        }
        *self
            .around
            .now
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = now;
        *self
            .around
            .cut
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = settings.cut_group_concat;
        let ordered = !tokens::outside(&tokens, |token| token.is("ORDER")).is_empty();
        let shuffle = settings.unordered_queries && !ordered;
        // Without an order, LIMIT takes any rows: it must choose after the shuffling.
        let limit = if shuffle {
            cut_limit(&mut tokens)
        } else {
            None
        };
        let translated = dialect::translate(&tokens).map_err(|said| match said {
            Screened::Forbidden(text) => text.to_owned(),
            Screened::Wrong(text) => text,
        })?;
        let mut rows = self
            .select(&tokens, &tokens::write(&translated))
            .map_err(|error| error.to_string())?;
        if shuffle {
            Rng::with_seed(settings.seed ^ self.runs.wrapping_mul(0x9E37_79B9))
                .shuffle(&mut rows.all);
        }
        rows.all.truncate(limit.unwrap_or(usize::MAX));
        Ok(rows)
    }

    fn select(&self, tokens: &[Token], sql: &str) -> rusqlite::Result<Rows> {
        let mut statement = self.conn.prepare(sql)?;
        let names = distinct(statement.column_names());
        let is_date = dates::of(tokens, &names);
        let mut all = Vec::new();
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let mut cells = Vec::with_capacity(names.len());
            for (at, is_date) in is_date.iter().enumerate() {
                cells.push(cell(row.get_ref(at)?, *is_date));
            }
            all.push(cells);
        }
        Ok(Rows { names, all })
    }
}

/// Takes a trailing `LIMIT n` off; other forms stay.
fn cut_limit(tokens: &mut Vec<Token>) -> Option<usize> {
    let at = *tokens::outside(tokens, |token| token.is("LIMIT")).last()?;
    let Some([number]) = tokens.get(at + 1..) else {
        return None;
    };
    let Kind::Number(number) = &number.kind else {
        return None;
    };
    let limit = number.parse().ok()?;
    tokens.truncate(at);
    Some(limit)
}

/// Column names of an answer: a name that comes again is counted on.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    for name in names {
        let mut unique = name.to_owned();
        let mut n = 0;
        while taken.contains(&unique) {
            n += 1;
            unique = format!("{name}{n}");
        }
        taken.push(unique);
    }
    taken
}

fn cell(value: ValueRef<'_>, is_date: bool) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::from(n),
        ValueRef::Real(n) => Value::from(n),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let printed = is_date.then(|| dates::iso(&text)).flatten();
            Value::from(printed.unwrap_or_else(|| text.into_owned()))
        }
    }
}

/// Rows in the order of the select list.
struct Rows {
    names: Vec<String>,
    all: Vec<Vec<Value>>,
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct One<'a>(&'a [String], &'a [Value]);
        impl Serialize for One<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut object = serializer.serialize_map(Some(self.0.len()))?;
                for (name, value) in self.0.iter().zip(self.1) {
                    object.serialize_entry(name, value)?;
                }
                object.end()
            }
        }
        serializer.collect_seq(self.all.iter().map(|cells| One(&self.names, cells)))
    }
}
