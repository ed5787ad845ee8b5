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
//! All under `/api/v1`. Every list takes `Limit` and `Offset`, and prints dates and times in
//! `DateTimeFormatString` (22.2.14) and `DateFormatString` (22.2.26). `GET` needs Read All.
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
//! | `operatories`, `operatories/{OperatoryNum}` | 21.1, 24.1.10 | ClinicNum |
//! | `providers` | 21.1 | DateTStamp, ClinicNum |
//! | `providers/{ProvNum}` | 24.4.17 | |
//! | `preferences` | 21.1 | PrefName |
//! | `securityperms` | 22.2 | |
//! | `signalods` | 21.2 | SigDateTime (required) |
//! | `patfielddefs` | 22.4.9 | |
//! | `computers` | 23.1.30 | |
//! | `commlogs` | 21.1 | PatNum (required before 25.1.13), DateTStamp (25.1.13) |
//! | `commlogs/{CommlogNum}` | 25.1.13 | |
//! | `patfields` | 21.1 | PatNum, FieldName (both required before 22.4.5), SecDateTEdit (22.4.5) |
//! | `patfields/{PatFieldNum}` | 22.4 | |
//! | `subscriptions` | 22.1 | |
//!
//! | write | since | permission | answer |
//! |---|---|---|---|
//! | `POST commlogs` | 21.1 | Comm | 201, the object since 23.3.7 |
//! | `PUT commlogs/{CommlogNum}` | 25.2.21 | (unlisted) | 200, the object |
//! | `PUT recalls/Status` | 21.2 | Comm | 200 |
//! | `PUT recalls/{RecallNum}` | 24.2.31 | AllOthers | 200, the object |
//! | `PUT appointments/{AptNum}/Confirm` | 21.1 | Comm | 200 |
//! | `PUT appointments/{AptNum}/Note` | 21.1 | Comm | 200 |
//! | `POST patfields` | 22.4 | (unlisted) | 201, the object |
//! | `PUT patfields` | 21.1 | AllOthers | 200, the object since 25.3 |
//! | `DELETE patfields/{PatFieldNum}` | 22.4 | (unlisted) | 200 |
//! | `POST subscriptions` | 22.1 | Read All | 201, the object |
//! | `PUT subscriptions/{SubscriptionNum}` | 22.1 | Read All | 200 |
//! | `DELETE subscriptions/{SubscriptionNum}` | 22.1 | (unlisted) | 200 |
//! | `PUT queries/ShortQuery` | 21.2 | Queries | rows; takes `Offset` |
//!
//! A write has no idempotency: posted twice, it is there twice. [`Fault`] says which faults
//! come before the effect and which after it.
//!
//! # Events
//!
//! [`Practice::fire_events`] lets every running machine poll the subscriptions that are due
//! by the office's clock; [`Practice::fire_events_every`] does so in the background, and
//! [`Practice::select_patient`] fires the UI event. What was sent is in
//! [`Practice::deliveries`]. `SERVER` and `FRONTDESK` have the program open at the start,
//! `OP2` has not; [`Practice::open_workstation`], [`Practice::close_workstation`],
//! [`Practice::start_api_service`] and [`Practice::skew_workstation`] change that.
//! [`Practice::forge`] makes calls that nobody should believe, and [`Practice::replay`]
//! repeats a genuine one. Endpoints are reached over plain HTTP; `https` counts as
//! unreachable.
//!
//! ```no_run
//! # async fn demo(office: &odx_opendental::sim::Practice, url: &str) {
//! use odx_opendental::sim::SubscriptionRow;
//! office.add_subscription(SubscriptionRow {
//!     end_point_url: url.to_owned(),
//!     workstation: "SERVER".to_owned(),
//!     watch_table: "Patient".to_owned(),
//!     polling_seconds: 5,
//!     ..SubscriptionRow::default()
//! });
//! office.restamp_all_patients();
//! for sent in office.fire_events().await {
//!     println!("{} rows, answered {:?}", sent.rows, sent.status);
//! }
//! # }
//! ```
//!
//! # Modes
//!
//! [`Practice::serve_as`] opens the same office again on another port: [`Mode::Remote`] is
//! throttled and has pages of 100 rows (Enterprise 1000), [`Mode::Service`] and [`Mode::Local`]
//! are not and have 1000 (10,000). Each [`Server`] has faults and a health of its own and can be
//! stopped and started on its port. Permissions and the program's version change at run time by
//! [`Practice::grant`], [`Practice::revoke`] and [`Practice::update_program`].
//!
//! # Queries
//!
//! A query sees raw values: numbers for names, the packed interval, the billing type's key,
//! dates in ISO form. Tables: patient, recall, appointment, histappointment, definition,
//! recalltype, clinic (with TimeZone), provider, operatory, preference, computer, signalod,
//! deletedobject, patientlink, commoptout, reactivation, apikey (without the keys).
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
//! | one row of `providers?ClinicNum=`, filtered `patfields` | a bare object, as printed; a list | `with_bare_single` |
//! | `+` in a query | itself; a blank | `with_plus_as_blank` |
//! | permission of the unlisted methods | AllOthers; another one | `with_unlisted_permission` |
//! | `Mode_` written as it is stored (`InPerson`) | 400; taken | `with_stored_mode_names` |
//! | meaning of `confirmVal` | two of four mapped; any map; none | `with_confirm_status`, `without_confirm_statuses` |
//! | `EndPointUrl` without a trailing slash | taken; 400 | `with_trailing_slash_demanded` |
//! | success of an event | status 200; any answer | `with_event_success` |
//! | body of `AppointmentDeleted` | appointment; history row; `AptNum` alone | `with_deleted_body` |
//! | `Patient` event of a deleted patient | none; a row with that status | `with_deleted_patient_events` |
//! | order of event rows | by stamp; arbitrary, across batches | `with_shuffled_events` |
//! | how long the sender waits for an answer | 30 s; any time | `with_event_patience` |
//! | a query whose text holds SCHEMA | 401; run | `with_schema_refused` |
//! | a query with `Offset` above 0 | 100 rows; every remaining row | `with_endless_query_offset` |
//! | a query without `ORDER BY` | SQLite's order; another each time | `with_unordered_queries` |
//! | `GROUP_CONCAT` | cut at 1024 bytes; whole | `with_group_concat_cut` |
//! | writes to appointments in `signalods` | none; IType Appointment | `with_appointment_signals` |
//! | text of `clinic.TimeZone` | the zone's name; any | `with_clinic_time_zone` |
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
//! * A reminder of `recalls/List` is a comm log whose type has the usage `RECALL`, dated on a
//!   later day than `DatePrevious`. A recall shows again on the day that the configured number
//!   of days after the last reminder ends on. `RecallMaxNumberReminders` is looked at from the
//!   second reminder on.
//! * `SigDateTime` is compared with `>`. `PrefName` and the other names are exact.
//! * A write that is not listed is 404. A listed one is checked in this order: permission
//!   (401), version (400), fields (400), then the rows it names (404).
//! * A body of more than 16.8 million bytes gets its connection reset.
//! * Fields of a body are matched by exact name; what is not known is ignored, or 400 with
//!   `UnknownParameters::Refused`. `null` counts as absent, a number may be written as text.
//! * A write to a deleted patient, or to what belongs to one, is 404 `Patient not found`.
//! * `commType` is the name of a definition in exact case. An office without a type of the
//!   usage `MISC` or `RECALL` stores 0. `Fax` is taken as a written `Mode_`.
//! * `recalls/Status` leaves the status alone when it is not sent, and is 404 for a recall the
//!   patient has not. The program's standard note is not documented; ours is `Recall reminder.`
//! * A visit of any status can be confirmed. Statuses that stamp arrival times do not here.
//! * `POST patfields` for a field that has a row is 400; `PUT` makes the row when there is
//!   none. An unknown `FieldName` is 404. A picked item is not checked against the list.
//!   Unticking a checkbox is `0` or empty text, answered without a body.
//! * Reading `patfields` with a filter that nothing passes is an empty list.
//! * `PUT subscriptions` ignores `WatchTable` and `UiEventType`, as fields it does not know.
//!   The name of a workstation is not checked. `PollingSeconds` of a UI event stays 0.
//! * The machines that fire read `DateTimeStart` at the same moment, so each one sends the
//!   window; the last one to succeed moves it. Whole polls move it, not single batches.
//! * No poll looks back further than three days, after a failure or not. A `DateTimeStart` in
//!   the future is waited for before the first poll, and only then.
//! * A first poll is due at once. Due times follow time gone by, so turning the clock back
//!   delays none.
//! * Events carry `Content-Type: application/json; charset=utf-8` besides the documented
//!   headers. `ToothInitial` can be watched and never fires.
//! * A machine that runs the API Service alone shows no heartbeat in `computers`.
//! * `PatientSelected` does not move `DateTimeStart`.
//! * Format strings apply to `GET` answers, single rows too, except `recalls/List`, whose dates
//!   have other names. A stored time carries no zone: one that comes twice in autumn prints the
//!   offset of standard time, `serverDateTime` too.
//! * An eConnector that is off is noticed after key and throttle. Service and Local never ask it.
//! * A query needs the Queries permission alone. `Limit` is ignored there, and pages hold 100
//!   rows in every mode. `SHOW`, `DESCRIBE` and temporary tables pass no further than a 400.
//!   Text compares exactly, case included; table names do not mind case.
//! * A query's column is a date when it comes from date columns alone, be it through `MIN`,
//!   `MAX`, `IF`, `CASE`, `IFNULL` or a subselect; whatever else looks like one is text. A column
//!   name that comes again gets a number.
//! * Columns whose numbers are not documented are left out of queries: `IType`, `FKeyType`,
//!   `ApptSource`, `ColorOverride`, `ProvColor`. `ProvStatus` is 0 Active, 1 Deleted.
//! * `DateDueCalc` is what the seed or `complete_visit` reckoned; other edits leave it alone.
//! * A merge removes a recall of a type the survivor has, moves the rest, hands the family to
//!   the survivor's guarantor and archives the loser, whose guarantor stays.
//! * Neither an opt-out nor a do-not-contact mark restamps the patient.
//! * `add_recall` does not refuse a second row of one type; the caller keeps that rule.
mod answer;
mod blank;
mod body;
mod busy;
mod clock;
mod commlogs;
mod deliver;
mod edit;
mod error;
mod event_rows;
mod events;
mod faults;
mod forged;
mod formats;
mod handle;
mod log;
mod machines;
mod modes;
mod more_tables;
mod names;
mod office_edit;
mod operatories;
mod patfields;
mod practice;
mod query;
mod recall_list;
mod reference;
mod reference_routes;
mod reminders;
mod routes;
mod seed;
mod server;
mod settings;
mod settings_api;
mod setup_edit;
mod spread;
mod sql;
mod store;
mod subscriptions;
mod tables;
mod tables_api;
mod throttle;
mod visit_writes;
mod wire;
mod wire_api;
mod wire_reference;
mod write_routes;

#[cfg(test)]
mod tests;

pub use busy::BusyDay;
pub use edit::DayOfChanges;
pub use error::SimError;
pub use events::{Delivery, EventPump};
pub use faults::{DriftChange, DriftPlan, Fault, Faults, Hook, Listing};
pub use forged::Forgery;
pub use log::RequestLog;
pub use modes::{Health, Mode};
pub use more_tables::{DeletedObjectRow, OperatoryRow, SignalRow};
pub use names::NOTE_CANARY;
pub use practice::Practice;
pub use server::Server;
pub use settings::{
    ErrorShape, Permission, PracticeBuilder, RowOrder, Throttle, ThrottleTime, UnknownParameters,
    Which,
};
pub use settings_api::{DeletedBody, EventSuccess};
pub use tables::{
    AppointmentRow, DefinitionRow, HistAppointmentRow, NO_DATE, NO_DATE_TIME, PatientRow,
    ProviderRow, RecallRow, RecallTypeRow,
};
pub use tables_api::{CommlogRow, PatFieldRow, ScheduleRow, SubscriptionRow};
