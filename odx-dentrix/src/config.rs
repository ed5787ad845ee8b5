//! Settings, checked once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use odx_core::clock::{Clock, SystemClock};
use odx_core::source::Extent;
use odx_core::{Error, ErrorKind, Office, Result, Secret, SourceId};

use crate::columns::Columns;
use crate::reader::Reader;
use crate::source::Dentrix;
use crate::table::Table;

/// The word that every id of this system begins with.
pub const SYSTEM: &str = "dx";

/// By what a person is known from one read to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Identity {
    /// By chart number and day of birth, else by name and day of birth, as a
    /// keyed digest: the same over ODBC and from exports.
    #[default]
    Chart,
    /// By the practice's own GUID, else its number. Not every export has them.
    Id,
}

/// Over ODBC. `Debug` shows no secret.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OdbcSettings {
    /// The connection string, as the vendor's program gave it.
    pub connection: Secret,
    /// What is asked of each table. None: the vendor's own objects.
    pub sql: BTreeMap<Table, String>,
    /// Procedures that may be called.
    pub allowed_calls: Vec<String>,
    /// How long to wait for a connection.
    pub login_timeout: Duration,
    /// How long to wait for a statement.
    pub query_timeout: Duration,
    /// How long everything together may take.
    pub wall_limit: Duration,
    /// More rows than this in a table are an error.
    pub max_rows: u64,
    /// Memory of the reader for rows on their way.
    pub batch_bytes: usize,
    /// The tutorial database may be read: for tests.
    pub allow_tutorial: bool,
}

impl OdbcSettings {
    /// The vendor's objects (reference 3), behind this connection string.
    pub fn new(connection: Secret) -> Self {
        let sql = [
            (
                Table::Patients,
                "SELECT patient_id, patient_guid, last_name, first_name, mi, preferred_name, guar_id, guar_guid, home_phone, \
                 work_phone, mobile_phone, chart_num, pri_provider_id, status, birth_date, first_visit_date, last_visit_date, \
                 email, privacy_flags FROM admin.v_patient",
            ),
            (Table::Recalls, "{call admin.sp_getallpatientrecalls()}"),
            (Table::Appointments, "{call admin.sp_appointments(?,?,?)}"),
        ];
        Self {
            connection,
            sql: sql
                .into_iter()
                .map(|(table, sql)| (table, sql.to_owned()))
                .collect(),
            allowed_calls: ["admin.sp_getallpatientrecalls", "admin.sp_appointments"]
                .map(str::to_owned)
                .to_vec(),
            login_timeout: Duration::from_secs(15),
            query_timeout: Duration::from_secs(60),
            wall_limit: Duration::from_secs(300),
            max_rows: 200_000,
            batch_bytes: 4 << 20,
            allow_tutorial: false,
        }
    }
}

/// From a folder of report exports.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportSettings {
    /// The folder.
    pub folder: PathBuf,
    /// How long a file must have been left alone.
    pub settle: Duration,
    /// Older than this when it is found is worth a word.
    pub max_age: Duration,
    /// What was read goes into this folder inside it.
    pub archive: String,
    /// What was not goes here, with its reason beside it.
    pub quarantine: String,
    /// What text is that has no mark and is not UTF-8.
    pub encoding: String,
    /// More bytes than this, also unpacked, are refused.
    pub max_bytes: u64,
    /// A report must count its own rows.
    pub require_footer: bool,
    /// How long one file may take.
    pub wall_limit: Duration,
}

impl ExportSettings {
    /// Of this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            settle: Duration::from_secs(20),
            max_age: Duration::from_secs(30 * 3600),
            archive: "done".into(),
            quarantine: "held".into(),
            encoding: "windows-1252".into(),
            max_bytes: 64 << 20,
            require_footer: false,
            wall_limit: Duration::from_secs(60),
        }
    }
}

/// How an office is read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Way {
    /// Over ODBC.
    Odbc(OdbcSettings),
    /// From a folder of exports.
    Exports(ExportSettings),
}

/// Everything that is set. Made by [`Dentrix::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    pub(crate) id: SourceId,
    pub(crate) office: Office,
    pub(crate) way: Way,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) columns: BTreeMap<Table, Columns>,
    pub(crate) identity: Identity,
    pub(crate) identity_key: Option<Secret>,
    pub(crate) recall_types: Vec<String>,
    pub(crate) area_code: Option<String>,
    pub(crate) thin: f64,
    pub(crate) release: bool,
    pub(crate) hands_off: bool,
    pub(crate) page: usize,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Builder {
    pub(crate) fn new(id: SourceId, office: Office, way: Way, reader: Arc<dyn Reader>) -> Self {
        let columns = Table::ALL.map(|table| (table, Columns::default_for(table)));
        Self {
            id,
            office,
            way,
            reader,
            columns: columns.into(),
            identity: Identity::default(),
            identity_key: None,
            recall_types: Vec::new(),
            area_code: None,
            thin: 0.6,
            release: false,
            hands_off: false,
            page: 500,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets which columns are which fields of a table.
    #[must_use]
    pub fn with_columns(mut self, columns: Columns) -> Self {
        self.columns.insert(columns.table, columns);
        self
    }

    /// Sets by what people are known. Never change it once something was sent.
    #[must_use]
    pub const fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Sets what the digests of [`Identity::Chart`] are keyed with; by default
    /// the source's own name. Never change it once something was sent.
    #[must_use]
    pub fn with_identity_key(mut self, key: Secret) -> Self {
        self.identity_key = Some(key);
        self
    }

    /// Sets which continuing care types mean a recall, by their short codes. By
    /// default all do.
    #[must_use]
    pub fn with_recall_types(mut self, types: Vec<String>) -> Self {
        self.recall_types = types;
        self
    }

    /// Sets the area code of numbers that were written without one. By default
    /// they are no numbers.
    #[must_use]
    pub fn with_area_code(mut self, code: impl Into<String>) -> Self {
        self.area_code = Some(code.into());
        self
    }

    /// Sets the share of the usual number of rows under which a read is held for
    /// a person. Default: 0.6.
    #[must_use]
    pub const fn with_thin(mut self, share: f64) -> Self {
        self.thin = share;
        self
    }

    /// Lets a read through that would be held: a person has looked.
    #[must_use]
    pub const fn with_release(mut self, release: bool) -> Self {
        self.release = release;
        self
    }

    /// Leaves every report where it is: for a dry run.
    #[must_use]
    pub const fn with_hands_off(mut self, hands_off: bool) -> Self {
        self.hands_off = hands_off;
        self
    }

    /// Sets how many rows a page holds. Default: 500.
    #[must_use]
    pub const fn with_page(mut self, rows: usize) -> Self {
        self.page = rows;
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with what must be changed.
    pub fn build(self) -> Result<Dentrix> {
        let wrong = |what: &str| Err(Error::new(ErrorKind::Config, what.to_owned()));
        if self.id.system() != SYSTEM {
            return wrong("the source of a Dentrix office must be called dx:<office>");
        }
        if self.page == 0 {
            return wrong("a page of no rows never ends: set one or more");
        }
        if !(0.0..=1.0).contains(&self.thin) {
            return wrong("the share under which a read is thin must be from 0 to 1");
        }
        let digits = |code: &String| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
        if self.area_code.as_ref().is_some_and(|code| !digits(code)) {
            return wrong("an area code is three digits");
        }
        if let Way::Odbc(settings) = &self.way {
            self.statements(settings, Extent::Everything, None)?;
        }
        Ok(Dentrix::new(self))
    }
}
