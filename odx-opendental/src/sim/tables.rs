//! The rows of the simulated database, as plain structs.
//!
//! Tables and columns carry the vendor's names. Two liberties: enumerations and
//! billing types are stored as the text the API prints (the vendor stores
//! numbers), and every table has a `SimOrder` column so that a list can be
//! served in a shuffled but stable order.

use rusqlite::{Row, ToSql};

/// "No date" on the wire and in the tables.
pub const NO_DATE: &str = "0001-01-01";
/// "No time" on the wire and in the tables.
pub const NO_DATE_TIME: &str = "0001-01-01 00:00:00";

/// One kind of row: how it is stored, keyed and stamped.
pub(crate) trait Record: Sized {
    /// The vendor's table name.
    const TABLE: &'static str;
    /// The primary key column.
    const KEY: &'static str;
    /// Column names and SQL types; the key comes first.
    fn columns() -> Vec<(&'static str, &'static str)>;
    /// Reads a row whose columns start at `at`.
    fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Self>;
    /// The values, in the order of `columns`.
    fn values(&self) -> Vec<&dyn ToSql>;
    /// The primary key; 0 asks the store for a new one.
    fn key(&self) -> i64;
    /// Sets the primary key.
    fn set_key(&mut self, key: i64);
    /// Sets the change stamp, where the table has one.
    fn stamp(&mut self, now: &str);
}

macro_rules! sql_type {
    (i64) => {
        "INTEGER NOT NULL"
    };
    (bool) => {
        "INTEGER NOT NULL"
    };
    (f64) => {
        "REAL NOT NULL"
    };
    (String) => {
        "TEXT NOT NULL"
    };
}

macro_rules! table {
    (
        $(#[$meta:meta])*
        $vis:vis $name:ident in $table:literal key $key:ident $(stamped $stamp:ident)?;
        $( $(#[$fmeta:meta])* $field:ident : $ty:ident = $col:literal; )*
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Default)]
        $vis struct $name {
            $( $(#[$fmeta])* $vis $field: $ty, )*
        }

        // Rows hold people: only the key is safe for a log.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    .field(stringify!($key), &self.$key)
                    .finish_non_exhaustive()
            }
        }

        impl Record for $name {
            const TABLE: &'static str = $table;
            const KEY: &'static str = table!(@first $($col)*);

            fn columns() -> Vec<(&'static str, &'static str)> {
                vec![$( ($col, sql_type!($ty)), )*]
            }

            fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
                let mut next = at;
                $( let $field = { next += 1; row.get(next - 1)? }; )*
                Ok(Self { $($field),* })
            }

            fn values(&self) -> Vec<&dyn ToSql> {
                vec![$( &self.$field as &dyn ToSql, )*]
            }

            fn key(&self) -> i64 {
                self.$key
            }

            fn set_key(&mut self, key: i64) {
                self.$key = key;
            }

            #[allow(unused_variables, reason = "some tables have no stamp")]
            fn stamp(&mut self, now: &str) {
                $( self.$stamp = now.to_owned(); )?
            }
        }
    };
    (@first $first:literal $($rest:literal)*) => { $first };
}
pub(crate) use {sql_type, table};

table! {
    /// A row of `patient`. Dates and stamps are raw text with the vendor's sentinels.
    pub PatientRow in "patient" key pat_num stamped date_t_stamp;
    /// Key; 0 when adding asks for a new one.
    pat_num: i64 = "PatNum";
    /// `Patient`, `NonPatient`, `Inactive`, `Archived`, `Deceased`, `Prospective` or `Deleted`.
    pat_status: String = "PatStatus";
    /// Last write to the row, office wall clock.
    date_t_stamp: String = "DateTStamp";
    /// Last name.
    l_name: String = "LName";
    /// First name.
    f_name: String = "FName";
    /// Middle initial or name.
    middle_i: String = "MiddleI";
    /// Nickname.
    preferred: String = "Preferred";
    /// `Male`, `Female`, `Unknown` or `Other`.
    gender: String = "Gender";
    /// Marital: `Single`, `Married`, `Child`, `Widowed`, `Divorced`.
    position: String = "Position";
    /// Date of birth.
    birthdate: String = "Birthdate";
    /// Nine invented digits: a canary.
    ssn: String = "SSN";
    /// Street.
    address: String = "Address";
    /// Second address line.
    address2: String = "Address2";
    /// City.
    city: String = "City";
    /// State.
    state: String = "State";
    /// Postal code.
    zip: String = "Zip";
    /// Home phone, as typed.
    hm_phone: String = "HmPhone";
    /// Work phone, as typed.
    wk_phone: String = "WkPhone";
    /// Mobile phone, as typed.
    wireless_phone: String = "WirelessPhone";
    /// Head of household; own key for a guarantor.
    guarantor: i64 = "Guarantor";
    /// May hold several addresses separated by commas.
    email: String = "Email";
    /// This patient's balance.
    est_balance: f64 = "EstBalance";
    /// Dentist.
    pri_prov: i64 = "PriProv";
    /// Hygienist, 0 = none.
    sec_prov: i64 = "SecProv";
    /// Fee schedule, 0 = none.
    fee_sched: i64 = "FeeSched";
    /// Name of the billing type.
    billing_type: String = "BillingType";
    /// Folder for pictures; holds the name.
    image_folder: String = "ImageFolder";
    /// Family financial note: a canary.
    fam_fin_urg_note: String = "FamFinUrgNote";
    /// Chart number.
    chart_number: String = "ChartNumber";
    /// Medicaid identifier: a canary.
    medicaid_id: String = "MedicaidID";
    /// Family balance; 0 unless the row is the guarantor.
    bal_total: f64 = "BalTotal";
    /// Employer, 0 = none.
    employer_num: i64 = "EmployerNum";
    /// First visit.
    date_first_visit: String = "DateFirstVisit";
    /// Home clinic, 0 = unassigned.
    clinic_num: i64 = "ClinicNum";
    /// Premedication flag.
    premed: bool = "Premed";
    /// Hospital ward.
    ward: String = "Ward";
    /// Contact method for confirmations.
    prefer_confirm_method: String = "PreferConfirmMethod";
    /// Contact method in general.
    prefer_contact_method: String = "PreferContactMethod";
    /// Contact method for recall.
    prefer_recall_method: String = "PreferRecallMethod";
    /// Language code, empty = none.
    language: String = "Language";
    /// Hospital admission.
    admit_date: String = "AdmitDate";
    /// Head of the super-family, 0 = none.
    super_family: i64 = "SuperFamily";
    /// `Unknown`, `Yes` or `No`.
    txt_msg_ok: String = "TxtMsgOk";
    /// Day the row was created.
    sec_date_entry: String = "SecDateEntry";
    /// `Unknown`, `Yes` or `No`; `No` after a text STOP. Only queries show it.
    short_code_opt_in: String = "ShortCodeOptIn";
}

table! {
    /// A row of `recall`.
    pub RecallRow in "recall" key recall_num stamped date_t_stamp;
    /// Key; 0 when adding asks for a new one.
    recall_num: i64 = "RecallNum";
    /// Patient.
    pat_num: i64 = "PatNum";
    /// The date that counts; sentinel when disabled or never triggered.
    date_due: String = "DateDue";
    /// Last trigger procedure.
    date_previous: String = "DatePrevious";
    /// `6m1d` style, may be empty.
    recall_interval: String = "RecallInterval";
    /// Definition of category 13, 0 = none.
    recall_status: i64 = "RecallStatus";
    /// Staff note: a canary.
    note: String = "Note";
    /// Switched off by staff.
    is_disabled: bool = "IsDisabled";
    /// Last write to the row, office wall clock.
    date_t_stamp: String = "DateTStamp";
    /// Recall type.
    recall_type_num: i64 = "RecallTypeNum";
    /// Hidden while the family balance is not below it.
    disable_until_balance: f64 = "DisableUntilBalance";
    /// Hidden until that day.
    disable_until_date: String = "DisableUntilDate";
    /// Day of the booked visit.
    date_scheduled: String = "DateScheduled";
    /// `Normal` or `ASAP`.
    priority: String = "Priority";
    /// Five-minute steps, empty = none.
    time_pattern_override: String = "TimePatternOverride";
    /// The date the program reckons; differs from `date_due` once a person moved that. Only
    /// queries show it.
    date_due_calc: String = "DateDueCalc";
}

table! {
    /// A row of `appointment`.
    pub AppointmentRow in "appointment" key apt_num stamped date_t_stamp;
    /// Key; 0 when adding asks for a new one.
    apt_num: i64 = "AptNum";
    /// Patient.
    pat_num: i64 = "PatNum";
    /// `Scheduled`, `Complete`, `UnschedList`, `Broken`, `Planned`, `PtNote`, `PtNoteCompleted`.
    apt_status: String = "AptStatus";
    /// Five-minute steps.
    pattern: String = "Pattern";
    /// Definition of category 2.
    confirmed: i64 = "Confirmed";
    /// Length cannot be changed by procedures.
    time_locked: bool = "TimeLocked";
    /// Operatory.
    op: i64 = "Op";
    /// Staff note: a canary.
    note: String = "Note";
    /// Dentist.
    prov_num: i64 = "ProvNum";
    /// Hygienist.
    prov_hyg: i64 = "ProvHyg";
    /// Start, office wall clock.
    apt_date_time: String = "AptDateTime";
    /// The planned appointment this one came from.
    next_apt_num: i64 = "NextAptNum";
    /// Definition of category 13.
    unsched_status: i64 = "UnschedStatus";
    /// First visit of a new patient.
    is_new_patient: bool = "IsNewPatient";
    /// Abbreviated procedures.
    proc_descript: String = "ProcDescript";
    /// Clinic of the appointment.
    clinic_num: i64 = "ClinicNum";
    /// Hygiene visit; often left unset.
    is_hygiene: bool = "IsHygiene";
    /// Last write to the row, office wall clock.
    date_t_stamp: String = "DateTStamp";
    /// Arrival.
    date_time_arrived: String = "DateTimeArrived";
    /// Seated.
    date_time_seated: String = "DateTimeSeated";
    /// Dismissed.
    date_time_dismissed: String = "DateTimeDismissed";
    /// Insurance plan at completion.
    ins_plan1: i64 = "InsPlan1";
    /// Second insurance plan.
    ins_plan2: i64 = "InsPlan2";
    /// When the patient was asked to come.
    date_time_asked_to_arrive: String = "DateTimeAskedToArrive";
    /// `R,G,B`.
    color_override: String = "ColorOverride";
    /// Appointment type, 0 = none.
    appointment_type_num: i64 = "AppointmentTypeNum";
    /// User who made it.
    sec_user_num_entry: i64 = "SecUserNumEntry";
    /// When it was made.
    sec_date_t_entry: String = "SecDateTEntry";
    /// `Normal` or `ASAP`.
    priority: String = "Priority";
    /// Second pattern, same length.
    pattern_secondary: String = "PatternSecondary";
    /// Order among planned appointments.
    item_order_planned: i64 = "ItemOrderPlanned";
}

table! {
    /// A row of `definition`.
    pub DefinitionRow in "definition" key def_num;
    /// Key.
    def_num: i64 = "DefNum";
    /// Category number.
    category: i64 = "Category";
    /// Name shown to staff.
    item_name: String = "ItemName";
    /// Usage, sign or colour, by category.
    item_value: String = "ItemValue";
    /// Left out of lists unless asked for.
    is_hidden: bool = "IsHidden";
}

table! {
    /// A row of `recalltype`.
    pub RecallTypeRow in "recalltype" key recall_type_num;
    /// Key.
    recall_type_num: i64 = "RecallTypeNum";
    /// Name.
    description: String = "Description";
    /// Interval of new rows, may be empty.
    default_interval: String = "DefaultInterval";
    /// One character per office time increment.
    time_pattern: String = "TimePattern";
    /// Comma list of procedure codes.
    procedures: String = "Procedures";
    /// Rides along with a special type.
    append_to_special: bool = "AppendToSpecial";
}

table! {
    /// A row of `clinic`.
    pub(crate) ClinicRow in "clinic" key clinic_num;
    /// Key.
    clinic_num: i64 = "ClinicNum";
    /// Name.
    description: String = "Description";
    /// Street; also used for the billing address.
    address: String = "Address";
    /// City.
    city: String = "City";
    /// State.
    state: String = "State";
    /// Postal code.
    zip: String = "Zip";
    /// Ten digits.
    phone: String = "Phone";
    /// Short name.
    abbr: String = "Abbr";
    /// Hidden clinics are never listed.
    is_hidden: bool = "IsHidden";
    /// Only queries show it.
    time_zone: String = "TimeZone";
}

table! {
    /// A row of `provider`.
    pub ProviderRow in "provider" key prov_num stamped date_t_stamp;
    /// Key.
    prov_num: i64 = "ProvNum";
    /// Short name.
    abbr: String = "Abbr";
    /// Last name.
    l_name: String = "LName";
    /// First name.
    f_name: String = "FName";
    /// Invented digits: a canary.
    ssn: String = "SSN";
    /// Hygienist.
    is_secondary: bool = "IsSecondary";
    /// `R,G,B`.
    prov_color: String = "ProvColor";
    /// Hidden from pick lists.
    is_hidden: bool = "IsHidden";
    /// Last write to the row, office wall clock.
    date_t_stamp: String = "DateTStamp";
    /// `Active` or `Deleted`.
    prov_status: String = "ProvStatus";
    /// The one clinic this provider works at, 0 = all.
    clinic_num: i64 = "ClinicNum";
}

table! {
    /// A row of `preference`.
    pub(crate) PreferenceRow in "preference" key pref_num;
    /// Key.
    pref_num: i64 = "PrefNum";
    /// Name.
    pref_name: String = "PrefName";
    /// Raw stored text.
    value_string: String = "ValueString";
}

/// A row of `histappointment`: a snapshot taken when an appointment was written or deleted.
#[derive(Clone, PartialEq, Default)]
pub struct HistAppointmentRow {
    /// Key.
    pub hist_appt_num: i64,
    /// User who caused it.
    pub hist_user_num: i64,
    /// When the snapshot was taken.
    pub hist_date_t_stamp: String,
    /// `Created`, `Changed`, `Missed`, `Cancelled` or `Deleted`.
    pub hist_appt_action: String,
    /// `None`, `EConnector`, `OpenDentalAPIService`, ...
    pub appt_source: String,
    /// The appointment as it was; its `date_t_stamp` belongs to the snapshot.
    pub appointment: AppointmentRow,
}

impl std::fmt::Debug for HistAppointmentRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistAppointmentRow")
            .field("hist_appt_num", &self.hist_appt_num)
            .finish_non_exhaustive()
    }
}

impl Record for HistAppointmentRow {
    const TABLE: &'static str = "histappointment";
    const KEY: &'static str = "HistApptNum";

    fn columns() -> Vec<(&'static str, &'static str)> {
        let mut all = vec![
            ("HistApptNum", sql_type!(i64)),
            ("HistUserNum", sql_type!(i64)),
            ("HistDateTStamp", sql_type!(String)),
            ("HistApptAction", sql_type!(String)),
            ("ApptSource", sql_type!(String)),
        ];
        all.extend(AppointmentRow::columns());
        all
    }

    fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            hist_appt_num: row.get(at)?,
            hist_user_num: row.get(at + 1)?,
            hist_date_t_stamp: row.get(at + 2)?,
            hist_appt_action: row.get(at + 3)?,
            appt_source: row.get(at + 4)?,
            appointment: AppointmentRow::read(row, at + 5)?,
        })
    }

    fn values(&self) -> Vec<&dyn ToSql> {
        let mut all: Vec<&dyn ToSql> = vec![
            &self.hist_appt_num,
            &self.hist_user_num,
            &self.hist_date_t_stamp,
            &self.hist_appt_action,
            &self.appt_source,
        ];
        all.extend(self.appointment.values());
        all
    }

    fn key(&self) -> i64 {
        self.hist_appt_num
    }

    fn set_key(&mut self, key: i64) {
        self.hist_appt_num = key;
    }

    fn stamp(&mut self, now: &str) {
        self.hist_date_t_stamp = now.to_owned();
        // Schema: DateTStamp of a history row belongs to the history row.
        self.appointment.stamp(now);
    }
}
