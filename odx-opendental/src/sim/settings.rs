//! What a test can choose about an office before it opens.

use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;

use super::error::SimError;
use super::modes::Mode;
use super::practice::Practice;
use super::settings_api::ApiSettings;

/// Order of the rows of a list. The vendor documents none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowOrder {
    /// By primary key.
    ByKey,
    /// By change stamp, then key; tables without a stamp go by key.
    ByStamp,
    /// Stable but arbitrary.
    Shuffled {
        /// Chooses the arrangement.
        seed: u64,
    },
}

/// What a request gets that comes too early. The vendor does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Throttle {
    /// Service and Local mode: no throttle.
    None,
    /// The relay holds the request until its turn.
    Hold,
    /// 429.
    TooMany {
        /// With a `Retry-After` header, in whole seconds.
        retry_after: bool,
    },
    /// 400 with explanatory text.
    BadRequestText,
}

/// Which clock the throttle measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThrottleTime {
    /// The office's virtual clock; holding a request advances it.
    Virtual,
    /// Real time; holding a request really waits.
    Real,
}

/// Column that the date filters of `histappointments` compare. Not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Which {
    /// When the snapshot was taken.
    HistDateTStamp,
    /// When the visit was to start.
    AptDateTime,
}

/// What happens to a parameter that the method does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownParameters {
    /// Ignored.
    Ignored,
    /// Refused with 400.
    Refused,
    /// Ignored, except `DateTStamp` on `/patients`, which third parties saw refused.
    AsReported,
}

/// Form of the explanation in a 400, 401 or 404. Not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorShape {
    /// Plain text.
    Text,
    /// A bare JSON string.
    JsonString,
    /// A JSON object with `Message`.
    Object,
}

/// A permission of the customer key.
// apipermissions
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the vendor's and say it all")]
#[non_exhaustive]
pub enum Permission {
    ReadAll,
    AllOthers,
    Comm,
    Documents,
    Queries,
    Appointments,
    Patients,
    Setup,
    ProcedureLogs,
    Payments,
    PayPlans,
    Insurance,
    InsuranceSimple,
    TextingAsap,
    Enterprise,
}

impl Permission {
    /// Every permission, in the order `securityperms` lists them.
    pub const ALL: [Self; 15] = [
        Self::ReadAll,
        Self::AllOthers,
        Self::Comm,
        Self::Documents,
        Self::Queries,
        Self::Appointments,
        Self::Patients,
        Self::Setup,
        Self::ProcedureLogs,
        Self::Payments,
        Self::PayPlans,
        Self::Insurance,
        Self::InsuranceSimple,
        Self::TextingAsap,
        Self::Enterprise,
    ];

    // apisecurity: `Api` and the permission without blanks
    pub(crate) fn api_name(self) -> &'static str {
        match self {
            Self::ReadAll => "ApiReadAll",
            Self::AllOthers => "ApiAllOthers",
            Self::Comm => "ApiComm",
            Self::Documents => "ApiDocuments",
            Self::Queries => "ApiQueries",
            Self::Appointments => "ApiAppointments",
            Self::Patients => "ApiPatients",
            Self::Setup => "ApiSetup",
            Self::ProcedureLogs => "ApiProcedureLogs",
            Self::Payments => "ApiPayments",
            Self::PayPlans => "ApiPayPlans",
            Self::Insurance => "ApiInsurance",
            Self::InsuranceSimple => "ApiInsuranceSimple",
            Self::TextingAsap => "ApiTextingASAP",
            Self::Enterprise => "ApiEnterprise",
        }
    }
}

/// Time between two requests of one customer key.
// apipermissions: 5 s free, 1 s with any paid permission, 0.5 s Enterprise
pub(crate) fn throttle_interval(permissions: &[Permission]) -> Duration {
    if permissions.contains(&Permission::Enterprise) {
        Duration::from_millis(500)
    } else if permissions.iter().any(|p| *p != Permission::ReadAll) {
        Duration::from_secs(1)
    } else {
        Duration::from_secs(5)
    }
}

/// An office program's version, as far as methods depend on it.
pub(crate) type Version = (u16, u16, u16);

pub(crate) fn version(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(str::parse::<u16>);
    let mut next = || parts.next().unwrap_or(Ok(0)).ok();
    let found = (next()?, next()?, next()?);
    (found.0 > 0).then_some(found)
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) patients: usize,
    pub(crate) recalls_per_patient: f32,
    pub(crate) appointments_per_patient: f32,
    /// Caps chosen by a test; the vendor's hold for every other mode.
    pub(crate) page_caps: Vec<(Mode, usize)>,
    /// The cap of the request at hand.
    pub(crate) page_cap: usize,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) version: Version,
    pub(crate) version_text: String,
    pub(crate) start: NaiveDateTime,
    pub(crate) tick: Duration,
    pub(crate) clinics: usize,
    pub(crate) developer_key: String,
    pub(crate) customer_key: String,
    pub(crate) throttle: Throttle,
    pub(crate) throttle_time: ThrottleTime,
    pub(crate) random_keys: bool,
    pub(crate) row_order: RowOrder,
    pub(crate) clip_limit: bool,
    pub(crate) hist_date: Which,
    pub(crate) strict_after: bool,
    pub(crate) strict_since: bool,
    pub(crate) unknown: UnknownParameters,
    pub(crate) error_shape: ErrorShape,
    pub(crate) bare_single: bool,
    pub(crate) plus_is_blank: bool,
    pub(crate) pat_field_defs: Vec<(String, String)>,
    /// Writes, subscriptions and events.
    pub(crate) api: ApiSettings,
    pub(crate) zone: Option<Tz>,
    pub(crate) clinic_zone: Option<String>,
    pub(crate) exact_rows: Option<(usize, usize)>,
    pub(crate) refuse_schema: bool,
    pub(crate) endless_offset: bool,
    pub(crate) unordered_queries: bool,
    pub(crate) cut_group_concat: bool,
    pub(crate) appointment_signals: bool,
}

/// Settings of an office; everything else follows from the seed.
#[derive(Clone)]
pub struct PracticeBuilder {
    pub(crate) settings: Settings,
}

impl std::fmt::Debug for PracticeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PracticeBuilder")
            .field("seed", &self.settings.seed)
            .field("patients", &self.settings.patients)
            .finish_non_exhaustive()
    }
}

macro_rules! setters {
    ($( $(#[$meta:meta])* $name:ident($arg:ident: $ty:ty) sets $field:ident; )*) => {
        $(
            $(#[$meta])*
            #[must_use]
            pub fn $name(mut self, $arg: $ty) -> Self {
                self.settings.$field = $arg;
                self
            }
        )*
    };
}

impl PracticeBuilder {
    pub(crate) fn new(seed: u64) -> Self {
        let start = NaiveDate::from_ymd_opt(2026, 11, 20)
            .unwrap_or_default()
            .and_time(NaiveTime::from_hms_opt(9, 0, 0).unwrap_or_default());
        Self {
            settings: Settings {
                seed,
                patients: 200,
                recalls_per_patient: 1.3,
                appointments_per_patient: 1.5,
                page_caps: Vec::new(),
                page_cap: 100,
                permissions: vec![Permission::ReadAll],
                version: (25, 3, 1),
                version_text: "25.3.1".to_owned(),
                start,
                tick: Duration::ZERO,
                clinics: 0,
                developer_key: "SimDeveloperKey1".to_owned(),
                customer_key: "SimCustomerKey01".to_owned(),
                throttle: Throttle::None,
                throttle_time: ThrottleTime::Virtual,
                random_keys: false,
                row_order: RowOrder::ByKey,
                clip_limit: true,
                hist_date: Which::HistDateTStamp,
                strict_after: true,
                strict_since: false,
                unknown: UnknownParameters::Ignored,
                error_shape: ErrorShape::Text,
                bare_single: true,
                plus_is_blank: false,
                pat_field_defs: Vec::new(),
                api: ApiSettings::default(),
                zone: None,
                clinic_zone: None,
                exact_rows: None,
                refuse_schema: true,
                endless_offset: false,
                unordered_queries: false,
                cut_group_concat: true,
                appointment_signals: false,
            },
        }
    }

    setters! {
        /// Number of patient rows, of every status. Default 200.
        with_patients(n: usize) sets patients;
        /// Average number of recall rows of a treated patient. Default 1.3, at most 6.
        with_recalls_per_patient(average: f32) sets recalls_per_patient;
        /// Average number of appointment rows of a treated patient. Default 1.5.
        with_appointments_per_patient(average: f32) sets appointments_per_patient;
        /// Office wall clock at the start. Default 2026-11-20 09:00:00.
        with_start(at: NaiveDateTime) sets start;
        /// Each request advances the office's clock by this much. Default nothing.
        with_ticks(by: Duration) sets tick;
        /// Number of clinics; 0 switches the feature off. Default 0.
        with_clinics(n: usize) sets clinics;
        /// What an early request gets. Default none, like Service mode.
        with_throttle(throttle: Throttle) sets throttle;
        /// Clock the throttle measures. Default virtual.
        with_throttle_time(time: ThrottleTime) sets throttle_time;
        /// Order of list rows. Default by key.
        with_row_order(order: RowOrder) sets row_order;
        /// `Limit` above the cap: clipped (true, default) or refused with 400.
        with_clipped_limit(clipped: bool) sets clip_limit;
        /// Column behind the date filters of `histappointments`. Default the snapshot's.
        with_hist_date_column(which: Which) sets hist_date;
        /// Appointments and providers "altered after": `>` (true, default) or `>=`.
        with_strict_after(strict: bool) sets strict_after;
        /// Patients "updated since": `>` (true) or `>=` (false, default).
        with_strict_since(strict: bool) sets strict_since;
        /// Unknown and misspelt parameters. Default ignored.
        with_unknown_parameters(what: UnknownParameters) sets unknown;
        /// Form of explanations. Default plain text.
        with_error_shape(shape: ErrorShape) sets error_shape;
        /// `providers?ClinicNum=` with one row: a bare object as printed (true, default) or a list.
        with_bare_single(bare: bool) sets bare_single;
        /// `+` in a query: a blank (true) or itself (false, default).
        with_plus_as_blank(blank: bool) sets plus_is_blank;
        /// A query whose text holds SCHEMA: refused with 401 (true, default) or run.
        with_schema_refused(refused: bool) sets refuse_schema;
        /// A query with `Offset` above 0: every remaining row (true) or 100 of them (false, default).
        with_endless_query_offset(endless: bool) sets endless_offset;
        /// A query without `ORDER BY`: in another order each time (true) or in SQLite's (false,
        /// default).
        with_unordered_queries(unordered: bool) sets unordered_queries;
        /// `GROUP_CONCAT` is cut at 1024 bytes (true, default) or whole.
        with_group_concat_cut(cut: bool) sets cut_group_concat;
        /// Each write to an appointment is announced in `signalods` (true) or not (false, default).
        with_appointment_signals(announced: bool) sets appointment_signals;
    }

    /// Rows per page of [`Mode::Remote`]. Default the vendor's, see [`Mode`].
    #[must_use]
    pub fn with_page_cap(self, rows: usize) -> Self {
        self.with_page_cap_in(Mode::Remote, rows)
    }

    /// Rows per page of one mode. Default the vendor's, see [`Mode`].
    #[must_use]
    pub fn with_page_cap_in(mut self, mode: Mode, rows: usize) -> Self {
        self.settings.page_caps.retain(|(one, _)| *one != mode);
        self.settings.page_caps.push((mode, rows));
        self
    }

    /// The office's zone: time that passes moves the wall clock as the zone does, over both
    /// clock changes. Default none: the wall clock knows no changes, and its offset is `+00:00`.
    #[must_use]
    pub fn with_time_zone(mut self, zone: Tz) -> Self {
        self.settings.zone = Some(zone);
        self
    }

    /// Text in `clinic.TimeZone`, which only queries show. Default the zone's name.
    #[must_use]
    pub fn with_clinic_time_zone(mut self, text: &str) -> Self {
        self.settings.clinic_zone = Some(text.to_owned());
        self
    }

    /// The office that request counts are reckoned for: 10,000 patients, exactly 25,000 recalls
    /// (2.5 per patient) and exactly 30,000 appointments.
    #[must_use]
    pub fn with_model_office(self) -> Self {
        self.with_exactly(10_000, 25_000, 30_000)
    }

    /// Exactly so many rows, spread over the treated patients; each takes at most five recalls.
    #[must_use]
    pub fn with_exactly(mut self, patients: usize, recalls: usize, appointments: usize) -> Self {
        self.settings.patients = patients;
        self.settings.exact_rows = Some((recalls, appointments));
        self
    }

    /// Permissions of the customer key. Default Read All.
    #[must_use]
    pub fn with_permissions(mut self, permissions: &[Permission]) -> Self {
        self.settings.permissions = permissions.to_vec();
        self
    }

    /// Version of the office's program, like `25.3.1`.
    #[must_use]
    pub fn with_version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.settings.version_text);
        self
    }

    /// Developer and customer key.
    #[must_use]
    pub fn with_keys(mut self, developer: &str, customer: &str) -> Self {
        developer.clone_into(&mut self.settings.developer_key);
        customer.clone_into(&mut self.settings.customer_key);
        self
    }

    /// Very large, non-sequential keys.
    #[must_use]
    pub fn with_random_primary_keys(mut self) -> Self {
        self.settings.random_keys = true;
        self
    }

    /// Adds a custom patient field definition (name, type). Default none.
    #[must_use]
    pub fn with_pat_field_def(mut self, name: &str, kind: &str) -> Self {
        self.settings
            .pat_field_defs
            .push((name.to_owned(), kind.to_owned()));
        self
    }

    /// Builds and fills the office.
    ///
    /// # Errors
    /// [`SimError::Setting`] for a setting that makes no sense, and
    /// [`SimError::Database`] when the tables cannot be made.
    pub fn build(mut self) -> Result<Practice, SimError> {
        let settings = &mut self.settings;
        settings.version = version(&settings.version_text)
            .ok_or(SimError::Setting("version must look like 25.3.1"))?;
        if settings.page_caps.iter().any(|(_, rows)| *rows == 0) {
            return Err(SimError::Setting("page cap must be at least 1"));
        }
        let average_is_fine = |n: f32, most: f32| (0.0..=most).contains(&n);
        if !average_is_fine(settings.recalls_per_patient, 6.0) {
            return Err(SimError::Setting("recalls per patient must be 0 to 6"));
        }
        if !average_is_fine(settings.appointments_per_patient, 100.0) {
            return Err(SimError::Setting(
                "appointments per patient must be 0 to 100",
            ));
        }
        let plain = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric());
        if !plain(&settings.developer_key) || !plain(&settings.customer_key) {
            return Err(SimError::Setting("keys are letters and digits"));
        }
        Practice::open(self.settings)
    }
}
