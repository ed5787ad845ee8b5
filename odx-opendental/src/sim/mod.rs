//! A simulated Open Dental office, for tests and demonstrations.
//!
//! Written from the vendor's API documentation (release 25.3), database schema
//! and user manual, not from any client. It answers over HTTP on a loopback port,
//! keeps its rows in SQLite, invents its people from a seed, and misbehaves on
//! demand. Time is virtual: the office's wall clock stands still until a test
//! moves it, forward or back.
//!
//! ```text
//! let office = Practice::builder(7).with_patients(500).with_clinics(2).build()?;
//! let server = office.serve().await?;
//! office.faults().fail_next(1, Fault::GatewayTimeout504);
//! // ... point a client at server.base_url() with office.developer_key() and
//! // office.customer_key() ...
//! office.day_of_changes(1);
//! ```
//!
//! # Methods
//!
//! All are `GET`, under `/api/v1`. Every list takes `Limit` and `Offset`.
//!
//! | path | since | filters |
//! |---|---|---|
//! | `patients/Simple` | 21.2 | LName, FName, Birthdate, ClinicNum, PatStatus, DateTStamp, PriProv, Gender, Position, Guarantor, SuperFamily, EmployerNum, FeeSched |
//! | `patients/{PatNum}` | 21.1 | |
//! | `patients` | 21.1 | the patient picker's; no DateTStamp |
//! | `recalls` | 22.4.40 | PatNum |
//! | `recalls/List` | 22.1 | DateStart, DateEnd, ProvNum, ClinicNum, RecallType, IncludeReminded |
//! | `appointments` | 21.1 | PatNum, AptStatus, Op, date, dateStart, dateEnd, ClinicNum, DateTStamp, AppointmentTypeNum |
//! | `appointments/{AptNum}` | 21.1 | |
//! | `histappointments` | 23.1.30 | HistApptAction, AptNum, PatNum, AptStatus, ClinicNum, date, dateStart, dateEnd |
//! | `recalltypes`, `recalltypes/{RecallTypeNum}` | 24.1.44 | |
//! | `definitions` | 21.1 | Category, includeHidden |
//! | `clinics` | 21.1 | |
//! | `providers` | 21.1 | DateTStamp, ClinicNum |
//! | `providers/{ProvNum}` | 24.4.17 | |
//! | `preferences` | 21.1 | PrefName |
//! | `securityperms` | 22.2 | |
//! | `signalods` | 21.2 | SigDateTime (required) |
//! | `patfielddefs` | 22.4.9 | |
//! | `computers` | 23.1.30 | |
//!
//! # Assumptions where the vendor is silent
//!
//! Selectable, with the default first:
//!
//! | question | readings | setting |
//! |---|---|---|
//! | order of list rows | by key; by stamp; arbitrary | `with_row_order` |
//! | `Limit` above the cap | clipped; 400 | `with_clipped_limit` |
//! | unknown or misspelt parameter | ignored; 400; as third parties report | `with_unknown_parameters` |
//! | what an early request gets | (no throttle); held; 429 with or without `Retry-After`; 400 with text | `with_throttle` |
//! | appointments, providers "altered after" | `>`; `>=` | `with_strict_after` |
//! | patients "updated since" | `>=`; `>` | `with_strict_since` |
//! | date column of `histappointments` | of the snapshot; of the visit | `with_hist_date_column` |
//! | form of explanations | text; JSON string; JSON object with `Message` | `with_error_shape` |
//! | `providers?ClinicNum=` with one row | a bare object, as printed; a list | `with_bare_single` |
//! | `+` in a query | itself; a blank | `with_plus_as_blank` |
//!
//! Fixed:
//!
//! * Checks come in this order: key (401), Read All (401), throttle, Content-Type (400),
//!   path (404), version (400), parameters. A refused early request does not start a new
//!   interval. Requests hit by a fault that replaces the answer are not throttled.
//! * A parameter or field newer than the office is unknown, or left out.
//! * An empty parameter counts as absent. A `Limit` of 0 and numbers that are none are 400.
//!   `DateTStamp` must have the documented form; `appointments` also takes a bare date, as
//!   one printed example does.
//! * A filter by a patient or clinic that does not exist is 404 (`Patient not found`,
//!   `Clinic not found`) for `recalls`, `appointments` and `patients/Simple`;
//!   `histappointments` answers no rows for an unknown patient.
//! * LName and FName match anywhere in the name, ignoring case for ASCII letters only.
//! * `Zip` in `patients` is a number when it survives as one, else text.
//! * A deleted patient is 404 by key. Its recalls and visits are deleted with it.
//! * Changing an appointment takes a `Changed` snapshot, breaking it a `Missed` one. The
//!   seed gives snapshots only to scheduled and broken visits.
//! * `recalls/List` knows no reminders, so nothing is hidden for having been reminded.
//! * `SigDateTime` is compared with `>`. `PrefName` and the other names are exact.
//! * `DateTimeFormatString` and `DateFormatString` are not simulated and count as unknown.
//! * Nothing can be written: every other verb is 404.
//! * `add_recall` does not refuse a second row of one type; the caller keeps that rule.
mod answer;
mod blank;
mod clock;
mod edit;
mod error;
mod faults;
mod handle;
mod log;
mod names;
mod practice;
mod query;
mod recall_list;
mod reference;
mod reference_routes;
mod routes;
mod seed;
mod server;
mod settings;
mod store;
mod tables;
mod throttle;
mod wire;
mod wire_reference;

#[cfg(test)]
mod tests;

pub use edit::DayOfChanges;
pub use error::SimError;
pub use faults::{DriftChange, DriftPlan, Fault, Faults, Hook, Listing};
pub use log::RequestLog;
pub use names::NOTE_CANARY;
pub use practice::Practice;
pub use server::Server;
pub use settings::{
    ErrorShape, Permission, PracticeBuilder, RowOrder, Throttle, ThrottleTime, UnknownParameters,
    Which,
};
pub use tables::{
    AppointmentRow, DefinitionRow, HistAppointmentRow, NO_DATE, NO_DATE_TIME, PatientRow, RecallRow,
};
