//! The simulated methods: which exist since when, what they filter, what they answer.

use std::sync::Arc;

use serde::Serialize;

use super::answer::{Answer, Refusal};
use super::clock::stamp;
use super::operatories;
use super::practice::{Practice, live_patients};
use super::query::{Known, Query};
use super::recall_list;
use super::reference_routes as reference;
use super::settings::{Permission, Settings, Version, Which};
use super::sql;
use super::store::{Filter, Window};
use super::tables::{AppointmentRow, HistAppointmentRow, PatientRow, RecallRow};
use super::wire::{Appointment, HistAppointment, Lookups, Office, Patient, PickedPatient, Recall};

/// Parameters older than every version that matters.
pub(crate) const ALWAYS: Version = (21, 1, 0);

// apipatients, Patients GET Simple
const SIMPLE: &[Known] = &[
    ("LName", ALWAYS),
    ("FName", ALWAYS),
    ("Birthdate", ALWAYS),
    ("ClinicNum", ALWAYS),
    ("PatStatus", ALWAYS),
    ("DateTStamp", ALWAYS),
    ("PriProv", (21, 3, 0)),
    ("Gender", ALWAYS),
    ("Position", (22, 3, 6)),
    ("Guarantor", (22, 4, 19)),
    ("SuperFamily", (22, 4, 38)),
    ("EmployerNum", (24, 3, 30)),
    ("FeeSched", (25, 2, 19)),
];

// apipatients, Patients GET (multiple)
const PICKER: &[Known] = &[
    ("LName", ALWAYS),
    ("FName", ALWAYS),
    ("Phone", ALWAYS),
    ("Address", ALWAYS),
    ("hideInactive", ALWAYS),
    ("City", ALWAYS),
    ("State", ALWAYS),
    ("SSN", ALWAYS),
    ("ChartNumber", ALWAYS),
    ("guarOnly", ALWAYS),
    ("showArchived", ALWAYS),
    ("Birthdate", ALWAYS),
    ("SiteNum", ALWAYS),
    ("SubscriberId", ALWAYS),
    ("Email", ALWAYS),
    ("Country", ALWAYS),
    ("clinicNums", ALWAYS),
    ("clinicAbbr", ALWAYS),
    ("invoiceNumber", ALWAYS),
];

// apirecalls, Recalls GET: no date filter of any kind
const RECALLS: &[Known] = &[("PatNum", ALWAYS)];

// apirecalls, Recalls GET List
const RECALL_LIST: &[Known] = &[
    ("DateStart", ALWAYS),
    ("DateEnd", ALWAYS),
    ("ProvNum", ALWAYS),
    ("ClinicNum", ALWAYS),
    ("RecallType", ALWAYS),
    ("IncludeReminded", ALWAYS),
];

// apiappointments, Appointments GET (multiple)
const APPOINTMENTS: &[Known] = &[
    ("PatNum", (21, 4, 0)),
    ("AptStatus", (22, 4, 28)),
    ("Op", (23, 2, 27)),
    ("date", ALWAYS),
    ("dateStart", ALWAYS),
    ("dateEnd", ALWAYS),
    ("ClinicNum", ALWAYS),
    ("DateTStamp", ALWAYS),
    ("AppointmentTypeNum", (24, 4, 22)),
];

// apihistappointments, HistAppointments GET
const HISTORY: &[Known] = &[
    ("HistApptAction", ALWAYS),
    ("AptNum", ALWAYS),
    ("PatNum", ALWAYS),
    ("AptStatus", ALWAYS),
    ("ClinicNum", ALWAYS),
    ("date", ALWAYS),
    ("dateStart", ALWAYS),
    ("dateEnd", ALWAYS),
];

const STATUSES: &[&str] = &[
    "Patient",
    "NonPatient",
    "Inactive",
    "Archived",
    "Deceased",
    "Prospective",
];
const VISIT_STATUSES: &[&str] = &[
    "Scheduled",
    "Complete",
    "UnschedList",
    "ASAP",
    "Broken",
    "Planned",
    "PtNote",
    "PtNoteCompleted",
];
const HISTORY_STATUSES: &[&str] = &["Scheduled", "Complete", "UnschedList", "Broken", "Planned"];
const ACTIONS: &[&str] = &["Created", "Changed", "Missed", "Cancelled", "Deleted"];

/// One request that has passed keys, throttle and headers.
pub(crate) struct Call<'a> {
    pub(crate) practice: &'a Practice,
    pub(crate) settings: &'a Settings,
    pub(crate) names: Arc<Lookups>,
    path: &'a str,
    pairs: &'a [(String, String)],
    repeat_first: bool,
    clock: String,
    pub(crate) body: &'a [u8],
}

/// What was sent.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) pairs: &'a [(String, String)],
    pub(crate) body: &'a [u8],
}

pub(crate) fn answer(
    practice: &Practice,
    settings: &Settings,
    sent: Sent<'_>,
    repeat_first: bool,
) -> Result<Answer, Refusal> {
    let call = Call {
        practice,
        settings,
        names: practice.names(),
        path: sent.path,
        pairs: sent.pairs,
        repeat_first,
        clock: stamp(practice.now()),
        body: sent.body,
    };
    let segments: Vec<&str> = sent.path.trim_start_matches('/').split('/').collect();
    if (sent.method, segments.as_slice()) == ("PUT", &["queries", "ShortQuery"]) {
        return sql::short_query(&call, sent.body);
    }
    if sent.method != "GET" {
        return super::write_routes::answer(&call, sent.method, &segments);
    }
    match segments.as_slice() {
        ["patients"] => call.patients(),
        ["patients", "Simple"] => call.simple(),
        ["patients", key] => call.patient(key),
        ["recalls"] => call.recalls(),
        ["recalls", "List"] => {
            let query = call.query((22, 1, 0), RECALL_LIST)?;
            recall_list::answer(&call, &query, repeat_first)
        }
        ["appointments"] => call.appointments(),
        ["appointments", key] => call.appointment(key),
        ["histappointments"] => call.history(),
        ["recalltypes"] => reference::recall_types(&call),
        ["recalltypes", key] => reference::recall_type(&call, key),
        ["definitions"] => reference::definitions(&call),
        ["clinics"] => reference::clinics(&call),
        ["operatories"] => operatories::list(&call),
        ["operatories", key] => operatories::single(&call, key),
        ["providers"] => reference::providers(&call),
        ["providers", key] => reference::provider(&call, key),
        ["preferences"] => reference::preferences(&call),
        ["securityperms"] => reference::permissions(&call),
        ["signalods"] => reference::signals(&call),
        ["patfielddefs"] => reference::pat_field_defs(&call),
        ["computers"] => super::machines::computers(&call),
        ["commlogs"] => super::commlogs::list(&call),
        ["commlogs", key] => super::commlogs::one(&call, key),
        ["patfields"] => super::patfields::list(&call),
        ["patfields", key] => super::patfields::one(&call, key),
        ["subscriptions"] => super::subscriptions::list(&call),
        _ => Err(Refusal::not_found("Resource not found")),
    }
}

/// A key in the path; anything else is an unknown resource.
pub(crate) fn path_key(text: &str) -> Result<i64, Refusal> {
    text.parse()
        .map_err(|_| Refusal::not_found("Resource not found"))
}

impl Call<'_> {
    /// Each method has its own minimum version; an older office answers 400.
    // apispecification
    pub(crate) fn needs(&self, version: Version) -> Result<(), Refusal> {
        if self.settings.version >= version {
            return Ok(());
        }
        let (major, minor, build) = version;
        Err(Refusal::bad(format!(
            "Open Dental version must be {major}.{minor}.{build} or later for this method"
        )))
    }

    /// Writes and queries have permissions of their own.
    // apipermissions; apispecification: a missing permission is a 401
    pub(crate) fn permitted(&self, permission: Permission) -> Result<(), Refusal> {
        if self.settings.permissions.contains(&permission) {
            return Ok(());
        }
        let name = permission.api_name();
        let name = name.strip_prefix("Api").unwrap_or(name);
        Err(Refusal::unauthorized(&format!(
            "Permission is missing: {name}"
        )))
    }

    pub(crate) fn query(&self, since: Version, known: &[Known]) -> Result<Query, Refusal> {
        self.needs(since)?;
        Query::checked(self.pairs, known, self.path, self.settings)
    }

    /// One page of rows that are already at hand.
    pub(crate) fn page_of<W: Serialize>(
        &self,
        query: &Query,
        rows: impl Iterator<Item = W>,
    ) -> Result<Answer, Refusal> {
        let window = query.window(self.settings, self.repeat_first)?;
        let skip = usize::try_from(window.offset).unwrap_or(usize::MAX);
        let take = usize::try_from(window.limit).unwrap_or(usize::MAX);
        let page: Vec<W> = rows.skip(skip).take(take).collect();
        Answer::json(&page, page.len())
    }

    pub(crate) fn window(&self, query: &Query) -> Result<Window, Refusal> {
        query.window(self.settings, self.repeat_first)
    }

    /// `serverDateTime`.
    pub(crate) fn clock(&self) -> &str {
        &self.clock
    }

    pub(crate) fn office(&self) -> Office<'_> {
        Office {
            names: &self.names,
            version: self.settings.version,
            clock: &self.clock,
        }
    }

    fn clinic_filter(&self, query: &Query, filter: &mut Filter) -> Result<(), Refusal> {
        if let Some(clinic) = query.int("ClinicNum")? {
            let known = self.names.clinics.contains_key(&clinic);
            if clinic != 0 && !known {
                return Err(Refusal::not_found("Clinic not found"));
            }
            filter.with("ClinicNum = ?", clinic);
        }
        Ok(())
    }

    pub(crate) fn patient_filter(&self, query: &Query, filter: &mut Filter) -> Result<(), Refusal> {
        if let Some(pat_num) = query.int("PatNum")? {
            let found: Option<PatientRow> = self.practice.store().get(pat_num)?;
            if found.is_none_or(|row| row.pat_status == "Deleted") {
                return Err(Refusal::not_found("Patient not found"));
            }
            filter.with("PatNum = ?", pat_num);
        }
        Ok(())
    }

    // apipatients, Patients GET Simple
    fn simple(&self) -> Result<Answer, Refusal> {
        let query = self.query((21, 2, 0), SIMPLE)?;
        let mut filter = live_patients();
        partial(&query, &mut filter, &["LName", "FName"]);
        if let Some(date) = query.date("Birthdate")? {
            filter.with("Birthdate = ?", date.to_owned());
        }
        self.clinic_filter(&query, &mut filter)?;
        one_of(&query, &mut filter, "PatStatus", STATUSES)?;
        for name in ["Gender", "Position"] {
            if let Some(value) = query.text(name) {
                filter.with(format!("{name} = ?"), value.to_owned());
            }
        }
        numbers(
            &query,
            &mut filter,
            &[
                "PriProv",
                "Guarantor",
                "SuperFamily",
                "EmployerNum",
                "FeeSched",
            ],
        )?;
        if let Some(since) = query.stamp("DateTStamp", false)? {
            let compare = comparison(self.settings.strict_since);
            filter.with(format!("DateTStamp {compare} ?"), since);
        }
        let window = query.window(self.settings, self.repeat_first)?;
        let rows: Vec<PatientRow> = self.practice.store().page(filter, window)?;
        let office = self.office();
        let page: Vec<_> = rows
            .iter()
            .map(|row| Patient::simple(row, office))
            .collect();
        Answer::json(&page, page.len())
    }

    // apipatients, Patients GET (single)
    fn patient(&self, key: &str) -> Result<Answer, Refusal> {
        self.query(ALWAYS, &[])?;
        let row: Option<PatientRow> = self.practice.store().get(path_key(key)?)?;
        let row = row
            .filter(|row| row.pat_status != "Deleted")
            .ok_or_else(|| Refusal::not_found("Patient not found"))?;
        Answer::json(&Patient::single(&row, self.office()), 1)
    }

    // apipatients, Patients GET (multiple): the patient picker
    fn patients(&self) -> Result<Answer, Refusal> {
        let query = self.query(ALWAYS, PICKER)?;
        let mut filter = live_patients();
        partial(
            &query,
            &mut filter,
            &[
                "LName",
                "FName",
                "Address",
                "City",
                "State",
                "SSN",
                "ChartNumber",
                "Email",
            ],
        );
        if let Some(phone) = query.text("Phone") {
            let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
            let mut typed = "HmPhone || ' ' || WkPhone || ' ' || WirelessPhone".to_owned();
            for mark in ["(", ")", "-", ".", "+"] {
                typed = format!("REPLACE({typed}, '{mark}', '')");
            }
            filter.with(format!("{typed} LIKE ?"), format!("%{digits}%"));
        }
        if let Some(date) = query.date("Birthdate")? {
            filter.with("Birthdate = ?", date.to_owned());
        }
        if query.flag("hideInactive")? {
            filter.only("PatStatus <> 'Inactive'");
        }
        if !query.flag("showArchived")? {
            filter.only("PatStatus <> 'Archived'");
        }
        if query.flag("guarOnly")? {
            filter.only("Guarantor = PatNum");
        }
        if let Some(list) = query.text("clinicNums") {
            let numbers: Result<Vec<i64>, _> = list.split(',').map(|n| n.trim().parse()).collect();
            let numbers = numbers.map_err(|_| Refusal::bad("clinicNums is invalid"))?;
            let list: Vec<String> = numbers.iter().map(i64::to_string).collect();
            filter.only(format!("ClinicNum IN ({})", list.join(",")));
        }
        if let Some(abbr) = query.text("clinicAbbr") {
            filter.with(
                "ClinicNum IN (SELECT ClinicNum FROM clinic WHERE Abbr = ?)",
                abbr.to_owned(),
            );
        }
        let window = query.window(self.settings, self.repeat_first)?;
        let rows: Vec<PatientRow> = self.practice.store().page(filter, window)?;
        let office = self.office();
        let page: Vec<_> = rows
            .iter()
            .map(|row| PickedPatient::of(row, office))
            .collect();
        Answer::json(&page, page.len())
    }

    // apirecalls, Recalls GET
    fn recalls(&self) -> Result<Answer, Refusal> {
        let query = self.query((22, 4, 40), RECALLS)?;
        let mut filter = Filter::new();
        self.patient_filter(&query, &mut filter)?;
        let window = query.window(self.settings, self.repeat_first)?;
        let rows: Vec<RecallRow> = self.practice.store().page(filter, window)?;
        let office = self.office();
        let page: Vec<_> = rows.iter().map(|row| Recall::of(row, office)).collect();
        Answer::json(&page, page.len())
    }

    // apiappointments, Appointments GET (multiple)
    fn appointments(&self) -> Result<Answer, Refusal> {
        let query = self.query(ALWAYS, APPOINTMENTS)?;
        let mut filter = Filter::new();
        self.patient_filter(&query, &mut filter)?;
        self.clinic_filter(&query, &mut filter)?;
        one_of(&query, &mut filter, "AptStatus", VISIT_STATUSES)?;
        numbers(&query, &mut filter, &["Op", "AppointmentTypeNum"])?;
        days(&query, &mut filter, "AptDateTime")?;
        // One printed example passes a bare date.
        if let Some(since) = query.stamp("DateTStamp", true)? {
            let compare = comparison(self.settings.strict_after);
            filter.with(format!("DateTStamp {compare} ?"), since);
        }
        let window = query.window(self.settings, self.repeat_first)?;
        let rows: Vec<AppointmentRow> = self.practice.store().page(filter, window)?;
        let office = self.office();
        let page: Vec<_> = rows
            .iter()
            .map(|row| Appointment::with_clock(row, office))
            .collect();
        Answer::json(&page, page.len())
    }

    // apiappointments, Appointments GET (single)
    fn appointment(&self, key: &str) -> Result<Answer, Refusal> {
        self.query(ALWAYS, &[])?;
        let row: Option<AppointmentRow> = self.practice.store().get(path_key(key)?)?;
        let row = row.ok_or_else(|| Refusal::not_found("Appointment not found"))?;
        Answer::json(&Appointment::with_clock(&row, self.office()), 1)
    }

    // apihistappointments, HistAppointments GET
    fn history(&self) -> Result<Answer, Refusal> {
        let query = self.query((23, 1, 30), HISTORY)?;
        let mut filter = Filter::new();
        one_of(&query, &mut filter, "HistApptAction", ACTIONS)?;
        one_of(&query, &mut filter, "AptStatus", HISTORY_STATUSES)?;
        numbers(&query, &mut filter, &["AptNum", "PatNum"])?;
        self.clinic_filter(&query, &mut filter)?;
        let column = match self.settings.hist_date {
            Which::HistDateTStamp => "HistDateTStamp",
            Which::AptDateTime => "AptDateTime",
        };
        days(&query, &mut filter, column)?;
        let window = query.window(self.settings, self.repeat_first)?;
        let rows: Vec<HistAppointmentRow> = self.practice.store().page(filter, window)?;
        let office = self.office();
        let page: Vec<_> = rows
            .iter()
            .map(|row| HistAppointment::of(row, office))
            .collect();
        Answer::json(&page, page.len())
    }
}

pub(crate) fn comparison(strict: bool) -> &'static str {
    if strict { ">" } else { ">=" }
}

/// Partial and case-insensitive, for ASCII at least.
fn partial(query: &Query, filter: &mut Filter, names: &[&str]) {
    for name in names {
        if let Some(value) = query.text(name) {
            let value = value.replace('\\', "\\\\");
            let value = value.replace('%', "\\%").replace('_', "\\_");
            filter.with(format!("{name} LIKE ? ESCAPE '\\'"), format!("%{value}%"));
        }
    }
}

fn numbers(query: &Query, filter: &mut Filter, names: &[&str]) -> Result<(), Refusal> {
    for name in names {
        if let Some(value) = query.int(name)? {
            filter.with(format!("{name} = ?"), value);
        }
    }
    Ok(())
}

fn one_of(query: &Query, filter: &mut Filter, name: &str, allowed: &[&str]) -> Result<(), Refusal> {
    if let Some(value) = query.text(name) {
        if !allowed.contains(&value) {
            return Err(Refusal::bad(format!("{name} is invalid")));
        }
        filter.with(format!("{name} = ?"), value.to_owned());
    }
    Ok(())
}

/// `date`, or `dateStart` and `dateEnd`, both inclusive, against a moment.
fn days(query: &Query, filter: &mut Filter, column: &str) -> Result<(), Refusal> {
    let one = query.date("date")?;
    if let Some(from) = one.or(query.date("dateStart")?) {
        filter.with(format!("{column} >= ?"), format!("{from} 00:00:00"));
    }
    if let Some(to) = one.or(query.date("dateEnd")?) {
        filter.with(format!("{column} <= ?"), format!("{to} 23:59:59"));
    }
    Ok(())
}
