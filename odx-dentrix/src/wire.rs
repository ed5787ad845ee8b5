//! What the connector and its reader say to each other: one line of JSON each, the
//! job on the reader's standard input, what it found on its standard output. The
//! reader is a process of its own, so that a driver or a parser may crash or hang
//! there and nowhere else.

use std::path::PathBuf;

use chrono::NaiveDateTime;
use odx_core::Secret;
use serde::{Deserialize, Serialize};

use crate::columns::{BadHeader, Columns};
use crate::table::{Field, Table};

/// What a reader is to do. Holds a connection string: never printed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Read tables over ODBC.
    Odbc(OdbcJob),
    /// Read one report.
    File(FileJob),
}

/// Tables over ODBC.
#[derive(Debug, Serialize, Deserialize)]
pub struct OdbcJob {
    /// As the vendor's program gave it; passed on untouched.
    #[serde(with = "secret")]
    pub connection: Secret,
    /// What to ask, in this order, on one connection.
    pub statements: Vec<Statement>,
    /// The procedures that may be called, lower case, with their owner.
    pub allowed_calls: Vec<String>,
    /// Seconds to wait for a connection.
    pub login_timeout_s: u32,
    /// Seconds to wait for a statement.
    pub query_timeout_s: u32,
    /// More rows than this in one table are an error.
    pub max_rows: u64,
    /// Memory for rows on their way, in bytes.
    pub batch_bytes: usize,
    /// The tutorial database may be read: for tests.
    pub allow_tutorial: bool,
}

/// One question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Statement {
    /// Which table it answers.
    pub table: Table,
    /// The text, from the settings alone.
    pub sql: String,
    /// Values for its markers.
    pub parameters: Vec<Parameter>,
    /// Which columns are which fields.
    pub columns: Columns,
    /// Say what columns there are, and read no row.
    pub columns_only: bool,
}

/// The value of a marker.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// A day.
    Date(chrono::NaiveDate),
    /// A moment by the server's clock, or none.
    Stamp(Option<NaiveDateTime>),
}

/// One report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileJob {
    /// Where it is.
    pub path: PathBuf,
    /// What it may be; the first whose header is found.
    pub columns: Vec<Columns>,
    /// How to read text without a byte order mark that is not UTF-8: a label
    /// such as `windows-1252`.
    pub encoding: String,
    /// More bytes than this, also unpacked, are refused.
    pub max_bytes: u64,
    /// More rows than this are refused.
    pub max_rows: u64,
    /// A report whose last lines count its rows must have them.
    pub require_footer: bool,
    /// Say what columns there are, and read no row.
    pub columns_only: bool,
}

/// What a reader says, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// A table begins.
    Table {
        /// Which.
        table: Table,
        /// Its columns, in order.
        header: Vec<String>,
        /// Which of them are bound, in the order of the cells that follow.
        fields: Vec<Field>,
        /// Columns that are nobody's.
        unknown: Vec<String>,
    },
    /// Rows of it. They hold PHI.
    Rows {
        /// Cells in the order of the fields.
        rows: Vec<Vec<Option<String>>>,
    },
    /// A row that could not be read. Its place, and why; nothing of it.
    Unreadable {
        /// Which row or line.
        place: String,
        /// Why.
        why: String,
    },
    /// A table ended as it should.
    End {
        /// Which.
        table: Table,
        /// How many rows there were.
        rows: u64,
        /// What a report says about itself.
        report: Option<Report>,
    },
    /// Something a person should know. No PHI.
    Note {
        /// What.
        what: String,
    },
    /// All was read. Nothing counts without it.
    Done,
    /// It could not be read.
    Failed(Failure),
}

/// What a report says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When it was printed, by the office's clock.
    pub printed: Option<NaiveDateTime>,
    /// How many records its last lines count.
    pub counted: Option<u64>,
    /// Lines that are no data: titles, repeated headers, legends, totals, blanks.
    pub other_lines: u64,
    /// What kind of file it is, such as `csv`, `xlsx`, `xls`, `html`, `pdf`.
    pub format: String,
}

/// Why something could not be read, as a person would need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of trouble: decides who must act.
    pub class: Class,
    /// What is wrong and what mends it. No PHI, no secret.
    pub what: String,
    /// What a driver gave as its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What a driver gave as its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<i32>,
    /// What is wrong with the columns, where that is it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<BadHeader>,
}

/// Kinds of trouble (reference 8.5, 8.6, 8.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The server, the network, a lock, exclusive mode: later.
    Busy,
    /// It took too long: later.
    Timeout,
    /// The user or password is refused.
    Credentials,
    /// No driver, or one of the other bitness.
    Driver,
    /// An object or a column is not there.
    Object,
    /// The user may not read it.
    Permission,
    /// The text is no single read, or calls what is not allowed.
    Guard,
    /// Another product, or the tutorial database.
    Edition,
    /// The columns do not fit.
    Columns,
    /// A value was longer than its place.
    Truncated,
    /// More than the limits allow.
    TooLarge,
    /// The file is still being written, or was cut.
    Incomplete,
    /// No report that anybody could read.
    NoReport,
    /// A defect of the reader, or of what it loads.
    Crashed,
}

/// A [`Said::Note`] that says more of a hang than the connector could see: its driver
/// takes no query timeout, so nothing but the wall limit ends a statement.
pub const TIMEOUT_IGNORED: &str =
    "the driver ignores odbc.query_timeout: only odbc.wall_limit ends a statement that hangs";

impl Failure {
    /// A failure without a driver's words.
    pub fn new(class: Class, what: impl Into<String>) -> Self {
        Self {
            class,
            what: what.into(),
            state: None,
            native: None,
            header: None,
        }
    }
}

impl From<BadHeader> for Failure {
    fn from(header: BadHeader) -> Self {
        Self {
            header: Some(header.clone()),
            ..Self::new(Class::Columns, header.to_string())
        }
    }
}

/// A secret on its way to the one process that needs it.
mod secret {
    use odx_core::Secret;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Secret, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Secret, D::Error> {
        String::deserialize(d).map(Secret::new)
    }
}
