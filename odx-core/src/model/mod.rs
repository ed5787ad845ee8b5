//! What a practice is made of, whatever its system calls it. No I/O here.

mod appointment;
mod consent;
mod contact_point;
mod household;
mod interval;
mod label;
mod opt_out;
mod patient;
mod recall;
mod record;
mod reminder;

pub use appointment::{Appointment, AppointmentStatus};
pub use consent::{Channel, ConsentState, Origin, Permission, Statement, consent};
pub use contact_point::{BadAddress, Email, Phone, PhoneKind};
pub use household::{Blocked, HouseholdView, Kept, Member, Stop, StopOrigin};
pub use interval::{BadInterval, Interval};
pub use label::Label;
pub use opt_out::OptOut;
pub use patient::{Patient, PatientStatus};
pub use recall::Recall;
pub use record::{BadRecord, Record, RecordKey, RecordKind};
pub use reminder::{Reminder, ReminderMode, ReminderUsage};
