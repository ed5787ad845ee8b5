//! Rows as the program makes them: defaults filled in, everything else empty.

use super::tables::{AppointmentRow, NO_DATE, NO_DATE_TIME, PatientRow, RecallRow};

impl PatientRow {
    /// A new patient with the program's defaults; the guarantor is the patient.
    // apipatients, Patients POST, defaults
    #[must_use]
    pub fn new(l_name: &str, f_name: &str) -> Self {
        Self {
            l_name: l_name.to_owned(),
            f_name: f_name.to_owned(),
            pat_status: "Patient".to_owned(),
            gender: "Unknown".to_owned(),
            position: "Single".to_owned(),
            birthdate: NO_DATE.to_owned(),
            date_first_visit: NO_DATE.to_owned(),
            admit_date: NO_DATE.to_owned(),
            sec_date_entry: NO_DATE.to_owned(),
            date_t_stamp: NO_DATE_TIME.to_owned(),
            billing_type: "Standard Account".to_owned(),
            pri_prov: 1,
            prefer_confirm_method: "None".to_owned(),
            prefer_contact_method: "None".to_owned(),
            prefer_recall_method: "None".to_owned(),
            txt_msg_ok: "Unknown".to_owned(),
            short_code_opt_in: "Unknown".to_owned(),
            ..Self::default()
        }
    }
}

impl RecallRow {
    /// A recall without dates.
    #[must_use]
    pub fn new(pat_num: i64, recall_type_num: i64) -> Self {
        Self {
            pat_num,
            recall_type_num,
            recall_interval: super::reference::default_interval(recall_type_num).to_owned(),
            date_due: NO_DATE.to_owned(),
            date_previous: NO_DATE.to_owned(),
            disable_until_date: NO_DATE.to_owned(),
            date_scheduled: NO_DATE.to_owned(),
            date_due_calc: NO_DATE.to_owned(),
            date_t_stamp: NO_DATE_TIME.to_owned(),
            priority: "Normal".to_owned(),
            ..Self::default()
        }
    }
}

impl AppointmentRow {
    /// A scheduled visit at `yyyy-MM-dd HH:mm:ss`.
    // apiappointments, Appointments POST, defaults
    #[must_use]
    pub fn new(pat_num: i64, apt_date_time: &str) -> Self {
        Self {
            pat_num,
            apt_date_time: apt_date_time.to_owned(),
            apt_status: "Scheduled".to_owned(),
            pattern: "/XX/".to_owned(),
            pattern_secondary: "////".to_owned(),
            op: 1,
            prov_num: 1,
            date_t_stamp: NO_DATE_TIME.to_owned(),
            date_time_arrived: NO_DATE_TIME.to_owned(),
            date_time_seated: NO_DATE_TIME.to_owned(),
            date_time_dismissed: NO_DATE_TIME.to_owned(),
            date_time_asked_to_arrive: NO_DATE_TIME.to_owned(),
            sec_date_t_entry: NO_DATE_TIME.to_owned(),
            color_override: "0,0,0".to_owned(),
            priority: "Normal".to_owned(),
            ..Self::default()
        }
    }
}
