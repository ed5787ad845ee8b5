//! Answers, spelled and ordered exactly as the vendor prints them.
//!
//! A field is left out (`None`) when the office's program is older than the field.

#![allow(non_snake_case, reason = "spelled as on the wire")]

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;

use super::settings::Version;
use super::tables::{AppointmentRow, HistAppointmentRow, PatientRow, RecallRow};

/// Names that the API prints beside keys.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    pub(crate) providers: HashMap<i64, String>,
    pub(crate) clinics: HashMap<i64, String>,
    pub(crate) definitions: HashMap<i64, String>,
}

/// What every row needs besides itself.
#[derive(Clone, Copy)]
pub(crate) struct Office<'a> {
    pub(crate) names: &'a Lookups,
    pub(crate) version: Version,
    /// `serverDateTime`.
    pub(crate) clock: &'a str,
}

impl Office<'_> {
    pub(crate) fn since<T>(self, needed: Version, value: T) -> Option<T> {
        (self.version >= needed).then_some(value)
    }
}

pub(crate) fn name(names: &HashMap<i64, String>, key: i64) -> &str {
    names.get(&key).map_or("", String::as_str)
}

// apispecification, booleans are strings
fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Text on the wire: a line break comes out as one blank.
// apispecification, data types: CR/LF pairs come out as blanks
pub(crate) fn blanked(text: &str) -> Cow<'_, str> {
    if text.contains(['\r', '\n']) {
        Cow::Owned(text.replace("\r\n", " ").replace(['\r', '\n'], " "))
    } else {
        Cow::Borrowed(text)
    }
}

/// `patients/{PatNum}` and, with `serverDateTime` in front, `patients/Simple`.
// apipatients, Patients GET (single), GET Simple
#[derive(Serialize)]
pub(crate) struct Patient<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    serverDateTime: Option<&'a str>,
    PatNum: i64,
    LName: &'a str,
    FName: &'a str,
    MiddleI: &'a str,
    Preferred: &'a str,
    PatStatus: &'a str,
    Gender: &'a str,
    Position: &'a str,
    Birthdate: &'a str,
    SSN: &'a str,
    Address: &'a str,
    Address2: &'a str,
    City: &'a str,
    State: &'a str,
    Zip: &'a str,
    HmPhone: &'a str,
    WkPhone: &'a str,
    WirelessPhone: &'a str,
    Guarantor: i64,
    Email: &'a str,
    EstBalance: f64,
    PriProv: i64,
    priProvAbbr: &'a str,
    SecProv: i64,
    secProvAbbr: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    FeeSched: Option<i64>,
    BillingType: &'a str,
    ImageFolder: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    FamFinUrgNote: Option<&'a str>,
    ChartNumber: &'a str,
    MedicaidID: &'a str,
    BalTotal: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    EmployerNum: Option<i64>,
    DateFirstVisit: &'a str,
    ClinicNum: i64,
    clinicAbbr: &'a str,
    Premed: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    Ward: Option<&'a str>,
    PreferConfirmMethod: &'a str,
    PreferContactMethod: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    PreferRecallMethod: Option<&'a str>,
    Language: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    AdmitDate: Option<&'a str>,
    siteDesc: &'static str,
    DateTStamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    SuperFamily: Option<i64>,
    TxtMsgOk: &'a str,
    SecDateEntry: &'a str,
}

impl<'a> Patient<'a> {
    pub(crate) fn simple(row: &'a PatientRow, office: Office<'a>) -> Self {
        Self {
            serverDateTime: Some(office.clock),
            ..Self::single(row, office)
        }
    }

    pub(crate) fn single(row: &'a PatientRow, office: Office<'a>) -> Self {
        Self {
            serverDateTime: None,
            PatNum: row.pat_num,
            LName: &row.l_name,
            FName: &row.f_name,
            MiddleI: &row.middle_i,
            Preferred: &row.preferred,
            PatStatus: &row.pat_status,
            Gender: &row.gender,
            Position: &row.position,
            Birthdate: &row.birthdate,
            SSN: &row.ssn,
            Address: &row.address,
            Address2: &row.address2,
            City: &row.city,
            State: &row.state,
            Zip: &row.zip,
            HmPhone: &row.hm_phone,
            WkPhone: &row.wk_phone,
            WirelessPhone: &row.wireless_phone,
            Guarantor: row.guarantor,
            Email: &row.email,
            EstBalance: row.est_balance,
            PriProv: row.pri_prov,
            priProvAbbr: name(&office.names.providers, row.pri_prov),
            SecProv: row.sec_prov,
            secProvAbbr: name(&office.names.providers, row.sec_prov),
            FeeSched: office.since((25, 2, 19), row.fee_sched),
            BillingType: &row.billing_type,
            ImageFolder: &row.image_folder,
            FamFinUrgNote: office.since((23, 2, 5), &row.fam_fin_urg_note),
            ChartNumber: &row.chart_number,
            MedicaidID: &row.medicaid_id,
            BalTotal: row.bal_total,
            EmployerNum: office.since((24, 3, 30), row.employer_num),
            DateFirstVisit: &row.date_first_visit,
            ClinicNum: row.clinic_num,
            clinicAbbr: name(&office.names.clinics, row.clinic_num),
            Premed: flag(row.premed),
            Ward: office.since((24, 1, 12), &row.ward),
            PreferConfirmMethod: &row.prefer_confirm_method,
            PreferContactMethod: &row.prefer_contact_method,
            PreferRecallMethod: office.since((22, 2, 0), &row.prefer_recall_method),
            Language: &row.language,
            AdmitDate: office.since((24, 1, 12), &row.admit_date),
            siteDesc: "",
            DateTStamp: &row.date_t_stamp,
            SuperFamily: office.since((22, 4, 38), row.super_family),
            TxtMsgOk: &row.txt_msg_ok,
            SecDateEntry: &row.sec_date_entry,
        }
    }
}

/// Printed as a number in one place and as text everywhere else.
#[derive(Serialize)]
#[serde(untagged)]
enum Zip<'a> {
    Number(u32),
    Text(&'a str),
}

impl<'a> Zip<'a> {
    fn of(text: &'a str) -> Self {
        match text.parse::<u32>() {
            // 01234 would not survive as a number.
            Ok(n) if n.to_string() == text => Self::Number(n),
            _ => Self::Text(text),
        }
    }
}

/// `patients`: the patient picker's short set.
// apipatients, Patients GET (multiple)
#[derive(Serialize)]
pub(crate) struct PickedPatient<'a> {
    PatNum: i64,
    LName: &'a str,
    FName: &'a str,
    MiddleI: &'a str,
    Preferred: &'a str,
    PatStatus: &'a str,
    Birthdate: &'a str,
    SSN: &'a str,
    Address: &'a str,
    Address2: &'a str,
    City: &'a str,
    State: &'a str,
    Zip: Zip<'a>,
    HmPhone: &'a str,
    WkPhone: &'a str,
    WirelessPhone: &'a str,
    Email: &'a str,
    priProvAbbr: &'a str,
    secProvAbbr: &'a str,
    BillingType: &'a str,
    ChartNumber: &'a str,
    ClinicNum: i64,
    clinicAbbr: &'a str,
    siteDesc: &'static str,
    TxtMsgOk: &'a str,
}

impl<'a> PickedPatient<'a> {
    pub(crate) fn of(row: &'a PatientRow, office: Office<'a>) -> Self {
        Self {
            PatNum: row.pat_num,
            LName: &row.l_name,
            FName: &row.f_name,
            MiddleI: &row.middle_i,
            Preferred: &row.preferred,
            PatStatus: &row.pat_status,
            Birthdate: &row.birthdate,
            SSN: &row.ssn,
            Address: &row.address,
            Address2: &row.address2,
            City: &row.city,
            State: &row.state,
            Zip: Zip::of(&row.zip),
            HmPhone: &row.hm_phone,
            WkPhone: &row.wk_phone,
            WirelessPhone: &row.wireless_phone,
            Email: &row.email,
            priProvAbbr: name(&office.names.providers, row.pri_prov),
            secProvAbbr: name(&office.names.providers, row.sec_prov),
            BillingType: &row.billing_type,
            ChartNumber: &row.chart_number,
            ClinicNum: row.clinic_num,
            clinicAbbr: name(&office.names.clinics, row.clinic_num),
            siteDesc: "",
            TxtMsgOk: &row.txt_msg_ok,
        }
    }
}

/// `recalls`.
// apirecalls, Recalls GET
#[derive(Serialize)]
pub(crate) struct Recall<'a> {
    RecallNum: i64,
    PatNum: i64,
    DateDue: &'a str,
    DatePrevious: &'a str,
    RecallInterval: &'a str,
    RecallStatus: i64,
    recallStatus: &'a str,
    Note: Cow<'a, str>,
    IsDisabled: &'static str,
    DateTStamp: &'a str,
    RecallTypeNum: i64,
    DisableUntilBalance: f64,
    DisableUntilDate: &'a str,
    DateScheduled: &'a str,
    Priority: &'a str,
    TimePatternOverride: &'a str,
}

impl<'a> Recall<'a> {
    pub(crate) fn of(row: &'a RecallRow, office: Office<'a>) -> Self {
        Self {
            RecallNum: row.recall_num,
            PatNum: row.pat_num,
            DateDue: &row.date_due,
            DatePrevious: &row.date_previous,
            RecallInterval: &row.recall_interval,
            RecallStatus: row.recall_status,
            recallStatus: name(&office.names.definitions, row.recall_status),
            Note: blanked(&row.note),
            IsDisabled: flag(row.is_disabled),
            DateTStamp: &row.date_t_stamp,
            RecallTypeNum: row.recall_type_num,
            DisableUntilBalance: row.disable_until_balance,
            DisableUntilDate: &row.disable_until_date,
            DateScheduled: &row.date_scheduled,
            Priority: &row.priority,
            TimePatternOverride: &row.time_pattern_override,
        }
    }
}

/// `appointments`, and inside `histappointments` without `serverDateTime`.
// apiappointments, Appointments GET
#[derive(Serialize)]
pub(crate) struct Appointment<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    serverDateTime: Option<&'a str>,
    AptNum: i64,
    PatNum: i64,
    AptStatus: &'a str,
    Pattern: &'a str,
    Confirmed: i64,
    confirmed: &'a str,
    TimeLocked: &'static str,
    Op: i64,
    Note: Cow<'a, str>,
    ProvNum: i64,
    provAbbr: &'a str,
    ProvHyg: i64,
    AptDateTime: &'a str,
    NextAptNum: i64,
    UnschedStatus: i64,
    unschedStatus: &'a str,
    IsNewPatient: &'static str,
    ProcDescript: &'a str,
    ClinicNum: i64,
    IsHygiene: &'static str,
    DateTStamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    DateTimeArrived: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    DateTimeSeated: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    DateTimeDismissed: Option<&'a str>,
    InsPlan1: i64,
    InsPlan2: i64,
    DateTimeAskedToArrive: &'a str,
    colorOverride: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    AppointmentTypeNum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    SecUserNumEntry: Option<i64>,
    SecDateTEntry: &'a str,
    Priority: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    PatternSecondary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ItemOrderPlanned: Option<i64>,
}

impl<'a> Appointment<'a> {
    pub(crate) fn with_clock(row: &'a AppointmentRow, office: Office<'a>) -> Self {
        Self {
            serverDateTime: office.since((21, 2, 0), office.clock),
            ..Self::of(row, office)
        }
    }

    /// As in an event: neither clock nor user.
    // apievents, Database Event
    pub(crate) fn event(row: &'a AppointmentRow, office: Office<'a>) -> Self {
        Self {
            SecUserNumEntry: None,
            ..Self::of(row, office)
        }
    }

    fn of(row: &'a AppointmentRow, office: Office<'a>) -> Self {
        Self {
            serverDateTime: None,
            AptNum: row.apt_num,
            PatNum: row.pat_num,
            AptStatus: &row.apt_status,
            Pattern: &row.pattern,
            Confirmed: row.confirmed,
            confirmed: name(&office.names.definitions, row.confirmed),
            TimeLocked: flag(row.time_locked),
            Op: row.op,
            Note: blanked(&row.note),
            ProvNum: row.prov_num,
            provAbbr: name(&office.names.providers, row.prov_num),
            ProvHyg: row.prov_hyg,
            AptDateTime: &row.apt_date_time,
            NextAptNum: row.next_apt_num,
            UnschedStatus: row.unsched_status,
            unschedStatus: name(&office.names.definitions, row.unsched_status),
            IsNewPatient: flag(row.is_new_patient),
            ProcDescript: &row.proc_descript,
            ClinicNum: row.clinic_num,
            IsHygiene: flag(row.is_hygiene),
            DateTStamp: &row.date_t_stamp,
            DateTimeArrived: office.since((22, 2, 0), &row.date_time_arrived),
            DateTimeSeated: office.since((22, 2, 0), &row.date_time_seated),
            DateTimeDismissed: office.since((22, 2, 0), &row.date_time_dismissed),
            InsPlan1: row.ins_plan1,
            InsPlan2: row.ins_plan2,
            DateTimeAskedToArrive: &row.date_time_asked_to_arrive,
            colorOverride: &row.color_override,
            AppointmentTypeNum: office.since((22, 1, 0), row.appointment_type_num),
            SecUserNumEntry: Some(row.sec_user_num_entry),
            SecDateTEntry: &row.sec_date_t_entry,
            Priority: &row.priority,
            PatternSecondary: office.since((23, 3, 17), &row.pattern_secondary),
            ItemOrderPlanned: office.since((24, 2, 0), row.item_order_planned),
        }
    }
}

/// `histappointments`.
// apihistappointments, HistAppointments GET
#[derive(Serialize)]
pub(crate) struct HistAppointment<'a> {
    HistApptNum: i64,
    HistUserNum: i64,
    HistDateTStamp: &'a str,
    HistApptAction: &'a str,
    ApptSource: &'a str,
    #[serde(flatten)]
    appointment: Appointment<'a>,
}

impl<'a> HistAppointment<'a> {
    pub(crate) fn of(row: &'a HistAppointmentRow, office: Office<'a>) -> Self {
        Self {
            HistApptNum: row.hist_appt_num,
            HistUserNum: row.hist_user_num,
            HistDateTStamp: &row.hist_date_t_stamp,
            HistApptAction: &row.hist_appt_action,
            ApptSource: &row.appt_source,
            appointment: Appointment::of(&row.appointment, office),
        }
    }
}
