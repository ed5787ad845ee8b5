//! Comm logs, patient fields, subscriptions and what only events carry, spelled and
//! ordered as the vendor prints them.

#![allow(non_snake_case, reason = "spelled as on the wire")]

use std::borrow::Cow;

use serde::Serialize;

use super::more_tables::OperatoryRow;
use super::tables::PatientRow;
use super::tables_api::{CommlogRow, PatFieldRow, ScheduleRow, SubscriptionRow};
use super::wire::{Office, blanked, name};

/// `commlogs`. `CommType` is a number written as text.
// apicommlogs
#[derive(Serialize)]
pub(crate) struct Commlog<'a> {
    CommlogNum: i64,
    PatNum: i64,
    CommDateTime: &'a str,
    CommType: String,
    commType: &'a str,
    Note: Cow<'a, str>,
    Mode_: &'a str,
    SentOrReceived: &'a str,
    UserNum: i64,
    DateTStamp: &'a str,
    CommSource: &'a str,
    ProgramNum: i64,
    DateTEntry: &'a str,
    ReferralNum: i64,
}

impl<'a> Commlog<'a> {
    pub(crate) fn of(row: &'a CommlogRow, office: Office<'a>) -> Self {
        Self {
            CommlogNum: row.commlog_num,
            PatNum: row.pat_num,
            CommDateTime: &row.comm_date_time,
            CommType: row.comm_type.to_string(),
            commType: name(&office.names.definitions, row.comm_type),
            Note: blanked(&row.note),
            Mode_: &row.mode,
            SentOrReceived: &row.sent_or_received,
            UserNum: row.user_num,
            DateTStamp: &row.date_t_stamp,
            CommSource: &row.comm_source,
            ProgramNum: 0,
            DateTEntry: &row.date_t_entry,
            ReferralNum: 0,
        }
    }
}

/// `patfields`, and the rows of a `PatField` event.
// apipatfields
#[derive(Serialize)]
pub(crate) struct PatField<'a> {
    PatFieldNum: i64,
    PatNum: i64,
    FieldName: &'a str,
    FieldValue: Cow<'a, str>,
    SecDateEntry: &'a str,
    SecDateTEdit: &'a str,
}

impl<'a> PatField<'a> {
    pub(crate) fn of(row: &'a PatFieldRow) -> Self {
        Self {
            PatFieldNum: row.pat_field_num,
            PatNum: row.pat_num,
            FieldName: &row.field_name,
            FieldValue: blanked(&row.field_value),
            SecDateEntry: &row.sec_date_entry,
            SecDateTEdit: &row.sec_date_t_edit,
        }
    }
}

/// `subscriptions`. The customer key is echoed in clear.
// apisubscriptions
#[derive(Serialize)]
pub(crate) struct Subscription<'a> {
    SubscriptionNum: i64,
    EndPointUrl: &'a str,
    Workstation: &'a str,
    CustomerKey: &'a str,
    WatchTable: &'a str,
    PollingSeconds: i64,
    UiEventType: &'a str,
    DateTimeStart: &'a str,
    DateTimeStop: &'a str,
    Note: Cow<'a, str>,
}

impl<'a> Subscription<'a> {
    pub(crate) fn of(row: &'a SubscriptionRow) -> Self {
        Self {
            SubscriptionNum: row.subscription_num,
            EndPointUrl: &row.end_point_url,
            Workstation: &row.workstation,
            CustomerKey: &row.customer_key,
            WatchTable: &row.watch_table,
            PollingSeconds: row.polling_seconds,
            UiEventType: &row.ui_event_type,
            DateTimeStart: &row.date_time_start,
            DateTimeStop: &row.date_time_stop,
            Note: blanked(&row.note),
        }
    }
}

/// A row of an `Operatory` event: the fields of `operatories`.
// apioperatories; the event's body is printed nowhere
#[derive(Serialize)]
pub(crate) struct Operatory<'a> {
    OperatoryNum: i64,
    OpName: &'a str,
    Abbrev: &'a str,
    ItemOrder: i64,
    IsHidden: &'static str,
    ProvDentist: i64,
    ProvHygienist: i64,
    IsHygiene: &'static str,
    ClinicNum: i64,
    SetProspective: &'static str,
    IsWebSched: &'static str,
    OperatoryType: i64,
    operatoryType: &'static str,
}

impl<'a> Operatory<'a> {
    pub(crate) fn of(row: &'a OperatoryRow) -> Self {
        Self {
            OperatoryNum: row.operatory_num,
            OpName: &row.op_name,
            Abbrev: &row.abbrev,
            ItemOrder: row.operatory_num - 1,
            IsHidden: "false",
            ProvDentist: 1,
            ProvHygienist: 0,
            IsHygiene: "false",
            ClinicNum: row.clinic_num,
            SetProspective: "false",
            IsWebSched: "false",
            OperatoryType: 0,
            operatoryType: "",
        }
    }
}

/// A row of a `Schedule` event: the fields of `schedules`, where every number is text.
// apischedules; the event's body is printed nowhere
#[derive(Serialize)]
pub(crate) struct Schedule<'a> {
    ScheduleNum: String,
    SchedDate: &'a str,
    StartTime: &'a str,
    StopTime: &'a str,
    SchedType: &'a str,
    ProvNum: String,
    BlockoutType: &'static str,
    blockoutType: &'static str,
    Note: Cow<'a, str>,
    operatories: &'static str,
    EmployeeNum: &'static str,
    DateTStamp: &'a str,
}

impl<'a> Schedule<'a> {
    pub(crate) fn of(row: &'a ScheduleRow) -> Self {
        Self {
            ScheduleNum: row.schedule_num.to_string(),
            SchedDate: &row.sched_date,
            StartTime: &row.start_time,
            StopTime: &row.stop_time,
            SchedType: &row.sched_type,
            ProvNum: row.prov_num.to_string(),
            BlockoutType: "0",
            blockoutType: "",
            Note: blanked(&row.note),
            operatories: "",
            EmployeeNum: "0",
            DateTStamp: &row.date_t_stamp,
        }
    }
}

/// A deleted appointment of which only the key is told.
#[derive(Serialize)]
pub(crate) struct DeletedKey {
    pub(crate) AptNum: i64,
}

/// The body of `PatientSelected`: fewer fields than a patient, `ClinicNum` as text,
/// a balance of nothing without a point, and `BillingType` without its blanks.
// apievents, UI Event
#[derive(Serialize)]
pub(crate) struct SelectedPatient<'a> {
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
    EstBalance: Money,
    PriProv: i64,
    priProvAbbr: &'a str,
    SecProv: i64,
    secProvAbbr: &'a str,
    BillingType: String,
    ImageFolder: &'a str,
    ChartNumber: &'a str,
    MedicaidID: &'a str,
    BalTotal: Money,
    DateFirstVisit: &'a str,
    ClinicNum: String,
    clinicAbbr: &'a str,
    PreferConfirmMethod: &'a str,
    PreferContactMethod: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    PreferRecallMethod: Option<&'a str>,
    Language: &'a str,
    siteDesc: &'static str,
    DateTStamp: &'a str,
    TxtMsgOk: &'a str,
    SecDateEntry: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Money {
    Nothing(i64),
    Some(f64),
}

impl Money {
    fn of(amount: f64) -> Self {
        if amount == 0.0 {
            Self::Nothing(0)
        } else {
            Self::Some(amount)
        }
    }
}

impl<'a> SelectedPatient<'a> {
    pub(crate) fn of(row: &'a PatientRow, office: Office<'a>) -> Self {
        let names = office.names;
        Self {
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
            EstBalance: Money::of(row.est_balance),
            PriProv: row.pri_prov,
            priProvAbbr: name(&names.providers, row.pri_prov),
            SecProv: row.sec_prov,
            secProvAbbr: name(&names.providers, row.sec_prov),
            BillingType: row.billing_type.replace(' ', ""),
            ImageFolder: &row.image_folder,
            ChartNumber: &row.chart_number,
            MedicaidID: &row.medicaid_id,
            BalTotal: Money::of(row.bal_total),
            DateFirstVisit: &row.date_first_visit,
            ClinicNum: row.clinic_num.to_string(),
            clinicAbbr: name(&names.clinics, row.clinic_num),
            PreferConfirmMethod: &row.prefer_confirm_method,
            PreferContactMethod: &row.prefer_contact_method,
            PreferRecallMethod: office.since((22, 2, 0), &row.prefer_recall_method),
            Language: &row.language,
            siteDesc: "",
            DateTStamp: &row.date_t_stamp,
            TxtMsgOk: &row.txt_msg_ok,
            SecDateEntry: &row.sec_date_entry,
        }
    }
}
