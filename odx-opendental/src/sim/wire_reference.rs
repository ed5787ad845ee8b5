//! Answers of the reference lists, spelled and ordered as the vendor prints them.

#![allow(non_snake_case, reason = "spelled as on the wire")]

use serde::Serialize;

use super::more_tables::SignalRow;
use super::tables::{ClinicRow, DefinitionRow, NO_DATE, PreferenceRow, ProviderRow, RecallTypeRow};

pub(crate) fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Text of the definition categories the sim knows.
// apidefinitions, categories
pub(crate) fn category_name(category: i64) -> &'static str {
    match category {
        1 => "AdjTypes",
        2 => "ApptConfirmed",
        4 => "BillingTypes",
        13 => "RecallUnschedStatus",
        27 => "CommLogTypes",
        _ => "",
    }
}

/// `definitions`.
// apidefinitions, Definitions GET; isHidden starts in lower case here only
#[derive(Serialize)]
pub(crate) struct Definition<'a> {
    DefNum: i64,
    ItemName: &'a str,
    ItemValue: &'a str,
    Category: i64,
    category: &'static str,
    isHidden: &'static str,
}

impl<'a> From<&'a DefinitionRow> for Definition<'a> {
    fn from(row: &'a DefinitionRow) -> Self {
        Self {
            DefNum: row.def_num,
            ItemName: &row.item_name,
            ItemValue: &row.item_value,
            Category: row.category,
            category: category_name(row.category),
            isHidden: flag(row.is_hidden),
        }
    }
}

/// `recalltypes`.
// apirecalltypes
#[derive(Serialize)]
pub(crate) struct RecallType<'a> {
    RecallTypeNum: i64,
    Description: &'a str,
    DefaultInterval: &'a str,
    TimePattern: &'a str,
    Procedures: &'a str,
    AppendToSpecial: &'static str,
}

impl<'a> From<&'a RecallTypeRow> for RecallType<'a> {
    fn from(row: &'a RecallTypeRow) -> Self {
        Self {
            RecallTypeNum: row.recall_type_num,
            Description: &row.description,
            DefaultInterval: &row.default_interval,
            TimePattern: &row.time_pattern,
            Procedures: &row.procedures,
            AppendToSpecial: flag(row.append_to_special),
        }
    }
}

/// `clinics`.
// apiclinics, Clinics GET
#[derive(Serialize)]
pub(crate) struct Clinic<'a> {
    ClinicNum: i64,
    Description: &'a str,
    Address: &'a str,
    Address2: &'static str,
    City: &'a str,
    State: &'a str,
    Zip: &'a str,
    BillingAddress: &'a str,
    BillingAddress2: &'static str,
    BillingCity: String,
    BillingState: String,
    BillingZip: &'a str,
    PayToAddress: &'static str,
    PayToAddress2: &'static str,
    PayToCity: &'static str,
    PayToState: &'static str,
    PayToZip: &'static str,
    Phone: &'a str,
    Abbr: &'a str,
    IsHidden: &'static str,
}

impl<'a> From<&'a ClinicRow> for Clinic<'a> {
    fn from(row: &'a ClinicRow) -> Self {
        Self {
            ClinicNum: row.clinic_num,
            Description: &row.description,
            Address: &row.address,
            Address2: "",
            City: &row.city,
            State: &row.state,
            Zip: &row.zip,
            BillingAddress: &row.address,
            BillingAddress2: "",
            // Printed with blanks around them.
            BillingCity: format!(" {} ", row.city),
            BillingState: format!(" {} ", row.state),
            BillingZip: &row.zip,
            PayToAddress: "",
            PayToAddress2: "",
            PayToCity: "",
            PayToState: "",
            PayToZip: "",
            Phone: &row.phone,
            Abbr: &row.abbr,
            IsHidden: flag(row.is_hidden),
        }
    }
}

/// `providers`. `serverDateTime` comes last here, and is empty with `ClinicNum`.
// apiproviders, Providers GET
#[derive(Serialize)]
pub(crate) struct Provider<'a> {
    ProvNum: i64,
    Abbr: &'a str,
    LName: &'a str,
    FName: &'a str,
    MI: &'static str,
    Suffix: &'static str,
    FeeSched: i64,
    Specialty: i64,
    SSN: &'a str,
    StateLicense: &'static str,
    IsSecondary: &'static str,
    provColor: &'a str,
    IsHidden: &'static str,
    UsingTIN: &'static str,
    SigOnFile: &'static str,
    NationalProvID: &'static str,
    DateTStamp: &'a str,
    IsNotPerson: &'static str,
    ProvStatus: &'a str,
    IsHiddenReport: &'static str,
    Birthdate: &'static str,
    SchedNote: &'static str,
    PreferredName: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serverDateTime: Option<&'a str>,
}

impl<'a> Provider<'a> {
    /// As in an event: no clock.
    pub(crate) fn event(row: &'a ProviderRow) -> Self {
        Self {
            serverDateTime: None,
            ..Self::of(row, "")
        }
    }

    pub(crate) fn of(row: &'a ProviderRow, clock: &'a str) -> Self {
        Self {
            ProvNum: row.prov_num,
            Abbr: &row.abbr,
            LName: &row.l_name,
            FName: &row.f_name,
            MI: "",
            Suffix: "",
            FeeSched: 53,
            Specialty: if row.is_secondary { 264 } else { 263 },
            SSN: &row.ssn,
            StateLicense: "",
            IsSecondary: flag(row.is_secondary),
            provColor: &row.prov_color,
            IsHidden: flag(row.is_hidden),
            UsingTIN: "false",
            SigOnFile: "false",
            NationalProvID: "",
            DateTStamp: &row.date_t_stamp,
            IsNotPerson: "false",
            ProvStatus: &row.prov_status,
            IsHiddenReport: "false",
            Birthdate: NO_DATE,
            SchedNote: "",
            PreferredName: "",
            serverDateTime: Some(clock),
        }
    }
}

/// `preferences`.
// apipreferences, Preferences GET
#[derive(Serialize)]
pub(crate) struct Preference<'a> {
    PrefNum: i64,
    PrefName: &'a str,
    ValueString: &'a str,
}

impl<'a> From<&'a PreferenceRow> for Preference<'a> {
    fn from(row: &'a PreferenceRow) -> Self {
        Self {
            PrefNum: row.pref_num,
            PrefName: &row.pref_name,
            ValueString: &row.value_string,
        }
    }
}

/// `securityperms`.
// apisecurity, SecurityPerms GET
#[derive(Serialize)]
pub(crate) struct SecurityPerm {
    Permission: &'static str,
    HasPermission: &'static str,
}

impl SecurityPerm {
    pub(crate) fn of(name: &'static str, held: bool) -> Self {
        Self {
            Permission: name,
            HasPermission: flag(held),
        }
    }
}

/// `computers`.
// apicomputers, Computers GET
#[derive(Serialize)]
pub(crate) struct Computer<'a> {
    ComputerNum: i64,
    CompName: &'a str,
    LastHeartBeat: &'a str,
}

impl<'a> Computer<'a> {
    pub(crate) fn of(num: i64, name: &'a str, beat: &'a str) -> Self {
        Self {
            ComputerNum: num,
            CompName: name,
            LastHeartBeat: beat,
        }
    }
}

/// `signalods`.
// apisignalods, Signalods GET
#[derive(Serialize)]
pub(crate) struct Signal<'a> {
    SignalNum: i64,
    DateViewing: &'static str,
    SigDateTime: &'a str,
    FKey: i64,
    FKeyType: &'a str,
    IType: &'a str,
    RemoteRole: &'static str,
    MsgValue: &'static str,
    serverDateTime: &'a str,
}

impl<'a> Signal<'a> {
    pub(crate) fn of(row: &'a SignalRow, clock: &'a str) -> Self {
        Self {
            SignalNum: row.signal_num,
            DateViewing: NO_DATE,
            SigDateTime: &row.sig_date_time,
            FKey: row.f_key,
            FKeyType: &row.f_key_type,
            IType: &row.i_type,
            RemoteRole: "ClientDirect",
            MsgValue: "",
            serverDateTime: clock,
        }
    }
}

/// `patfielddefs`.
// apipatfielddefs, PatFieldDefs GET; PickList is blank since 24.1
#[derive(Serialize)]
pub(crate) struct PatFieldDef<'a> {
    PatFieldDefNum: i64,
    FieldName: &'a str,
    FieldType: &'a str,
    PickList: &'static str,
    IsHidden: &'static str,
}

impl<'a> PatFieldDef<'a> {
    pub(crate) fn of(num: i64, name: &'a str, kind: &'a str, hidden: bool) -> Self {
        Self {
            PatFieldDefNum: num,
            FieldName: name,
            FieldType: kind,
            PickList: "",
            IsHidden: flag(hidden),
        }
    }
}
