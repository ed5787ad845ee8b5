//! The book. No reasons and no amounts: a reason may be a procedure.

use chrono::NaiveDateTime;
use odx_core::AppointmentKey;
use odx_core::model::{Appointment, AppointmentStatus, Label, Record, RecordKind};
use odx_core::source::Change;

use super::{Convert, Fault, LeftOut, Made, date, unreadable};
use crate::identity::{People, Whose};
use crate::table::{Field, Row, Table};

/// What the digest of an appointment's key is of.
const APPOINTMENT: u8 = b'a';

impl Convert {
    /// An appointment. Reports have no number of it: its key is then a digest of
    /// patient, day, time and operatory, and one that is moved is another.
    pub(crate) fn appointment(&self, people: &People, row: &Row) -> Made {
        let id = row
            .get(Field::AppointmentId)
            .map(|id| id.strip_suffix(".0").unwrap_or(id));
        let bad = |fault| Made::Change(unreadable(RecordKind::Appointment, id, fault, row));
        let person = match people.whose(Table::Appointments, row) {
            Whose::Of(person) => person,
            Whose::Clash(_, fault) | Whose::Unidentified(fault) => return bad(fault),
            Whose::Unknown => return Made::LeftOut(LeftOut::UnknownPatient),
            Whose::NotOnFile => return Made::LeftOut(LeftOut::NotOnFile),
        };
        let patient = people.key(person);
        let (status, label) = match status(row) {
            Ok(found) => found,
            Err(fault) => return bad(fault),
        };
        let at = match self.start(row, status) {
            Ok(at) => at,
            Err(fault) => return bad(fault),
        };
        let operatory = row.get(Field::Operatory);
        let native = id.map_or_else(
            || {
                let at = at.map(|at| at.to_string()).unwrap_or_default();
                let parts = [patient.native(), &at, operatory.unwrap_or_default()];
                people.digest(APPOINTMENT, &parts)
            },
            str::to_owned,
        );
        // What lies on the pinboard, or waits, keeps the day and time it once had.
        let start = at.filter(|_| status != AppointmentStatus::Unscheduled);
        Made::Change(Change::Upsert(Record::Appointment(Appointment {
            key: AppointmentKey::new(native),
            patient,
            status,
            start,
            missed: false,
            minutes: row.get(Field::Length).and_then(minutes),
            hygiene: false,
            clinic: None,
            provider: row.get(Field::Provider).map(str::to_owned),
            operatory: operatory.map(str::to_owned),
            labels: label.into_iter().collect(),
        })))
    }

    /// When it begins, by the office's wall clock; nothing here knows a zone.
    fn start(&self, row: &Row, status: AppointmentStatus) -> Result<Option<NaiveDateTime>, Fault> {
        let on_the_book = status == AppointmentStatus::Scheduled;
        let Some(day) = date::field(row, Field::AppointmentDate, self.today)? else {
            let missing = Fault(Field::AppointmentDate.name(), "is missing");
            return if on_the_book { Err(missing) } else { Ok(None) };
        };
        if let Some(text) = row.get(Field::AppointmentTime) {
            let time = date::time(text)
                .ok_or(Fault(Field::AppointmentTime.name(), "is not a time of day"))?;
            return Ok(Some(day.and_time(time)));
        }
        let number = |field: Field| match row.get(field) {
            None => Ok(None),
            Some(text) => text
                .strip_suffix(".0")
                .unwrap_or(text)
                .parse::<u32>()
                .map(Some)
                .map_err(|_| Fault(field.name(), "is not a number")),
        };
        let Some(hour) = number(Field::StartHour)? else {
            let missing = Fault(Field::StartHour.name(), "is missing");
            return if on_the_book { Err(missing) } else { Ok(None) };
        };
        let minute = number(Field::StartMinute)?.unwrap_or(0);
        day.and_hms_opt(hour, minute, 0)
            .map(Some)
            .ok_or(Fault(Field::StartHour.name(), "is no hour of a day"))
    }
}

/// Where a visit stands, and the practice's own word or code for it.
///
/// Complete is 150, and the same byte read as a signed one: -106. A row that
/// waits to be booked again is also marked as broken, so its code comes first.
fn status(row: &Row) -> Result<(AppointmentStatus, Option<Label>), Fault> {
    let broken = flag(row, Field::Broken)?;
    let pinned = flag(row, Field::Pinboard)?;
    let text = row.get(Field::Status).unwrap_or_default();
    let code = text.strip_suffix(".0").unwrap_or(text).parse::<i64>().ok();
    let word = crate::columns::folded(text);
    let status = match (code, &*word) {
        // The last two are the byte in a wider field that took it for unsigned.
        (Some(-106 | 150 | 65_430 | 4_294_967_190), _) | (None, "complete" | "completed") => {
            AppointmentStatus::Complete
        }
        (Some(101), _) | (None, "waitwillcall") => AppointmentStatus::Unscheduled,
        (Some(100), _) | (None, "broken") => AppointmentStatus::Broken,
        _ if broken => AppointmentStatus::Broken,
        _ if pinned => AppointmentStatus::Unscheduled,
        _ => AppointmentStatus::Scheduled,
    };
    let of_the_practice = match code {
        Some(code) => (1..=10).contains(&code),
        None => status == AppointmentStatus::Scheduled && !text.is_empty() && word != "none",
    };
    let label = of_the_practice.then(|| match code {
        Some(code) => Label::new("appt_status", code.to_string(), ""),
        None => Label::new("appt_status", text, text),
    });
    Ok((status, label))
}

/// A bit: as a number, a word, or the raw byte through a buffer for text.
fn flag(row: &Row, field: Field) -> Result<bool, Fault> {
    let Some(text) = row.get(field) else {
        return Ok(false);
    };
    match &*text.to_ascii_lowercase() {
        "0" | "0.0" | "false" | "f" | "no" | "n" | "\0" => Ok(false),
        "1" | "-1" | "1.0" | "true" | "t" | "yes" | "y" | "\u{1}" => Ok(true),
        // A class of breaking: 0 is none, and any other is one.
        other => other
            .parse::<i64>()
            .map(|class| class != 0)
            .map_err(|_| Fault(field.name(), "is neither true nor false")),
    }
}

fn minutes(text: &str) -> Option<u32> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|minutes| *minutes > 0)
}
