//! What is read of an office: three tables, and the fields of a row that matter.
//!
//! What is not named here is never asked for: no social security number, no
//! driver's licence, no notes.

use serde::{Deserialize, Serialize};

/// A table of an office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Table {
    /// People: `v_patient`, or the patient list.
    Patients,
    /// Continuing care: `sp_getallpatientrecalls`, or the continuing care list.
    Recalls,
    /// The book: `v_appt`, `sp_appointments`, or the appointment list.
    Appointments,
}

impl Table {
    /// All of them, in the order in which they are read.
    pub const ALL: [Self; 3] = [Self::Patients, Self::Recalls, Self::Appointments];

    /// As it stands in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patients => "patients",
            Self::Recalls => "recalls",
            Self::Appointments => "appointments",
        }
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident $name:literal),* $(,)?) => {
        /// A field of a row, by the name it has in settings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Field {
            $($(#[$doc])* $field,)*
        }

        impl Field {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$field,)*];

            /// As it stands in settings.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }
        }
    };
}

fields! {
    /// The practice's number of the patient, unique in one database.
    PatientId "patient_id",
    /// The practice's GUID of the patient.
    PatientGuid "patient_guid",
    /// Last, First M.
    PatientName "patient_name",
    /// Last name.
    LastName "last_name",
    /// First name.
    FirstName "first_name",
    /// Middle initial.
    MiddleInitial "middle_initial",
    /// What they like to be called.
    PreferredName "preferred_name",
    /// Chart number: free text.
    Chart "chart",
    /// Day of birth.
    BirthDate "birth_date",
    /// The guarantor's number.
    GuarantorId "guarantor_id",
    /// The guarantor's GUID.
    GuarantorGuid "guarantor_guid",
    /// The guarantor, Last, First M.
    GuarantorName "guarantor_name",
    /// Where the patient, or the appointment, stands: a code or a word.
    Status "status",
    /// Privacy requests: a bit mask, or words.
    Privacy "privacy",
    /// Home phone.
    HomePhone "home_phone",
    /// Work phone.
    WorkPhone "work_phone",
    /// Mobile phone.
    MobilePhone "mobile_phone",
    /// E-mail.
    Email "email",
    /// First visit.
    FirstVisit "first_visit",
    /// Last visit.
    LastVisit "last_visit",
    /// Provider.
    Provider "provider",
    /// Continuing care type, its short code.
    RecallType "recall_type",
    /// Continuing care type, in words.
    RecallDescription "recall_description",
    /// Continuing care type, its number.
    RecallTypeId "recall_type_id",
    /// When it is due.
    DueDate "due_date",
    /// The visit that started the clock.
    PriorDate "prior_date",
    /// Whether something is booked: a date, `+` or nothing.
    Booked "booked",
    /// The last contact made, in the practice's words.
    RecallStatus "recall_status",
    /// The practice's number of the appointment.
    AppointmentId "appointment_id",
    /// Day of the appointment.
    AppointmentDate "appointment_date",
    /// Time of day of the appointment.
    AppointmentTime "appointment_time",
    /// Its hour, 0 to 23.
    StartHour "start_hour",
    /// Its minute.
    StartMinute "start_minute",
    /// Its length in minutes.
    Length "length",
    /// Operatory.
    Operatory "operatory",
    /// What it is for. Names procedures: it says which recall it answers, and is let go.
    Reason "reason",
    /// It was broken, or taken off the book.
    Broken "broken",
    /// When that was.
    BrokenDate "broken_date",
    /// It lies on the pinboard.
    Pinboard "pinboard",
    /// When the row was last changed, by the server's clock.
    Changed "changed",
    /// What the server's clock showed.
    ServerTime "server_time",
}

/// A row: as many cells as there are fields bound, each as text. A cell without
/// anything but blanks is none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Row {
    fields: std::sync::Arc<[Field]>,
    cells: Vec<Option<String>>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row([phi])")
    }
}

impl Row {
    /// Cells in the order of the fields.
    pub fn new(fields: std::sync::Arc<[Field]>, cells: Vec<Option<String>>) -> Self {
        Self { fields, cells }
    }

    /// What stands there, without blanks around it.
    pub fn get(&self, field: Field) -> Option<&str> {
        let place = self.fields.iter().position(|known| *known == field)?;
        let text = self.cells.get(place)?.as_deref()?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// The table says something about this field, if only that it is empty.
    pub fn has(&self, field: Field) -> bool {
        self.fields.contains(&field)
    }

    /// Cells in the order of the fields.
    pub fn cells(&self) -> &[Option<String>] {
        &self.cells
    }
}
