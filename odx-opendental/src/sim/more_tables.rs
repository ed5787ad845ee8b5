//! Rows of the setup and of the tables that mostly queries show.

use rusqlite::{Row, ToSql};

use super::tables::{Record, sql_type, table};

table! {
    /// A row of `operatory`.
    pub OperatoryRow in "operatory" key operatory_num stamped date_t_stamp;
    /// Key.
    operatory_num: i64 = "OperatoryNum";
    /// Name.
    op_name: String = "OpName";
    /// Short name.
    abbrev: String = "Abbrev";
    /// Place in the schedule.
    item_order: i64 = "ItemOrder";
    /// Not in use any more.
    is_hidden: bool = "IsHidden";
    /// Dentist, 0 = none.
    prov_dentist: i64 = "ProvDentist";
    /// Hygienist, 0 = none.
    prov_hygienist: i64 = "ProvHygienist";
    /// A hygiene room.
    is_hygiene: bool = "IsHygiene";
    /// Clinic, 0 = none.
    clinic_num: i64 = "ClinicNum";
    /// Last write to the row, office wall clock.
    date_t_stamp: String = "DateTStamp";
}

table! {
    /// A row of `signalod`.
    pub SignalRow in "signalod" key signal_num;
    /// Key.
    signal_num: i64 = "SignalNum";
    /// When it was given, office wall clock.
    sig_date_time: String = "SigDateTime";
    /// What it is about, 0 = nothing in particular.
    f_key: i64 = "FKey";
    /// `Undefined`, `PatNum`, ...
    f_key_type: String = "FKeyType";
    /// `Defs`, `Prefs`, `RecallTypes`, `Providers`, `Operatories`, ...
    i_type: String = "IType";
}

table! {
    /// A row of `deletedobject`.
    pub DeletedObjectRow in "deletedobject" key deleted_object_num stamped date_t_stamp;
    /// Key.
    deleted_object_num: i64 = "DeletedObjectNum";
    /// 0: an appointment; 2: a recall.
    object_type: i64 = "ObjectType";
    /// The appointment's key, or the key of the patient whose recall it was.
    object_num: i64 = "ObjectNum";
    /// When, office wall clock.
    date_t_stamp: String = "DateTStamp";
}

table! {
    /// A row of `patientlink`.
    pub(crate) PatientLinkRow in "patientlink" key patient_link_num stamped date_time_link;
    /// Key.
    patient_link_num: i64 = "PatientLinkNum";
    /// The losing half of a merge.
    pat_num_from: i64 = "PatNumFrom";
    /// The surviving half.
    pat_num_to: i64 = "PatNumTo";
    /// 1: merged; 2: cloned.
    link_type: i64 = "LinkType";
    /// When, office wall clock.
    date_time_link: String = "DateTimeLink";
}

table! {
    /// A row of `commoptout`.
    pub(crate) CommOptOutRow in "commoptout" key comm_opt_out_num;
    /// Key.
    comm_opt_out_num: i64 = "CommOptOutNum";
    /// Patient.
    pat_num: i64 = "PatNum";
    /// Message kinds not to be texted, as flags.
    opt_out_sms: i64 = "OptOutSms";
    /// Message kinds not to be mailed, as flags.
    opt_out_email: i64 = "OptOutEmail";
}

table! {
    /// A row of `reactivation`.
    pub(crate) ReactivationRow in "reactivation" key reactivation_num;
    /// Key.
    reactivation_num: i64 = "ReactivationNum";
    /// Patient.
    pat_num: i64 = "PatNum";
    /// Definition of category 13, 0 = none.
    reactivation_status: i64 = "ReactivationStatus";
    /// Staff note.
    reactivation_note: String = "ReactivationNote";
    /// Must not be contacted.
    do_not_contact: bool = "DoNotContact";
}
