//! The words for the numbers of the vendor's enumerations, from its schema
//! document.

use crate::convert::Fault;
use crate::wire::{Int, Text};

/// `patient.PatStatus`.
pub(super) const PATIENT_STATUS: &[&str] = &[
    "Patient",
    "NonPatient",
    "Inactive",
    "Archived",
    "Deleted",
    "Deceased",
    "Prospective",
];

/// `appointment.AptStatus`; 0, none, never occurs.
pub(super) const APPOINTMENT_STATUS: &[&str] = &[
    "",
    "Scheduled",
    "Complete",
    "UnschedList",
    "ASAP",
    "Broken",
    "Planned",
    "PtNote",
    "PtNoteCompleted",
];

/// `patient.PreferContactMethod` and its like.
pub(super) const CONTACT_METHOD: &[&str] = &[
    "None",
    "DoNotCall",
    "HmPhone",
    "WkPhone",
    "WirelessPh",
    "Email",
    "SeeNotes",
    "Mail",
    "TextMessage",
];

/// `patient.TxtMsgOk` and its like.
pub(super) const YES_NO: &[&str] = &["Unknown", "Yes", "No"];

/// `recall.Priority`.
pub(super) const PRIORITY: &[&str] = &["Normal", "ASAP"];

/// The word. Without a value it is a fault, too: read as 0, a column that is not
/// there would make an active patient of anybody.
pub(super) fn word(
    field: &'static str,
    number: Option<Int>,
    words: &[&'static str],
) -> Result<Text<'static>, Fault> {
    let number = number.ok_or(Fault(field, "is missing"))?;
    number
        .get()
        .and_then(|n| usize::try_from(n).ok())
        .and_then(|n| words.get(n))
        .filter(|word| !word.is_empty())
        .map(|word| Text::of(*word))
        .ok_or(Fault(field, "holds a number this version does not know"))
}

/// Years, months, weeks and days in a byte each, as the lists print them; 0 is
/// none.
pub(super) fn interval(field: &'static str, number: Int) -> Result<Text<'static>, Fault> {
    let fault = Fault(field, "is not an interval");
    let number = number.get().and_then(|n| u32::try_from(n).ok());
    let [years, months, weeks, days] = number.ok_or(fault)?.to_be_bytes();
    let mut text = String::new();
    for (count, unit) in [(years, 'y'), (months, 'm'), (weeks, 'w'), (days, 'd')] {
        if count > 0 {
            text.push_str(&count.to_string());
            text.push(unit);
        }
    }
    Ok(Text::of(text))
}
