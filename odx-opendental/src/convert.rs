//! Wire to model. Pure: every oddity of the vendor ends here.

mod appointment;
mod patient;
mod recall;
mod reminder;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use odx_core::AppointmentKey;
use odx_core::model::{BadRecord, Label, Record, RecordKey, RecordKind};
use odx_core::source::Change;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::reference::Reference;
use crate::wire::{self, Flag, Int, Stub, Text};

pub(crate) use appointment::{appointment, convert as appointment_record};
pub(crate) use patient::{convert as patient_record, patient};
pub(crate) use recall::{convert as recall_record, recall};
pub(crate) use reminder::{reminder, usage as comm_log_usage};

/// Why a row cannot be read: which field, and what is wrong with it. Quotes
/// nothing of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) &'static str, pub(crate) &'static str);

/// Reads one row. A row that cannot be read hides nobody else.
pub(crate) fn read<'a, T: Deserialize<'a>>(
    kind: RecordKind,
    raw: &'a RawValue,
    key: fn(&T) -> Int,
    make: impl FnOnce(T, i64) -> Result<Record, Fault>,
) -> Change {
    // The parser's own message would quote the value it stumbled over.
    let Ok(row) = serde_json::from_str::<T>(raw.get()) else {
        return unreadable(
            kind,
            None,
            Fault("the row", "is not an object of plain fields"),
            raw,
        );
    };
    let Some(number) = key(&row).get().filter(|&n| n != 0) else {
        return unreadable(kind, None, Fault("the row", "has no key"), raw);
    };
    match make(row, number) {
        Ok(record) => Change::Upsert(record),
        Err(fault) => unreadable(kind, Some(number), fault, raw),
    }
}

fn unreadable(kind: RecordKind, key: Option<i64>, fault: Fault, raw: &RawValue) -> Change {
    bad(kind, key, fault, &without_clock(raw))
}

/// `raw` is hashed, not kept.
pub(crate) fn bad(kind: RecordKind, key: Option<i64>, fault: Fault, raw: &[u8]) -> Change {
    let native = key.map(|n| n.to_string());
    let reason = format!("{} {}", fault.0, fault.1);
    Change::Unreadable(BadRecord::new(kind, native.as_deref(), reason, raw))
}

/// The row without the server's clock, which differs in every answer: the hash
/// of a bad row must change only when the row does.
pub(crate) fn without_clock(raw: &RawValue) -> Vec<u8> {
    let mut value: serde_json::Value = match serde_json::from_str(raw.get()) {
        Ok(value) => value,
        Err(_) => return raw.get().as_bytes().to_vec(),
    };
    if let Some(fields) = value.as_object_mut() {
        fields.remove("serverDateTime");
    }
    value.to_string().into_bytes()
}

/// A deletion told by `/histappointments`. Rows about anything else are passed
/// over: a server may ignore a filter it does not know.
pub(crate) fn deletion(raw: &RawValue) -> Option<Change> {
    let row: wire::History<'_> = serde_json::from_str(raw.get()).ok()?;
    let number = row.apt_num.get().filter(|&n| n != 0)?;
    row.hist_appt_action
        .get()
        .eq_ignore_ascii_case("Deleted")
        .then(|| {
            Change::Gone(RecordKey::Appointment(AppointmentKey::new(
                number.to_string(),
            )))
        })
}

/// The key a row is known by while paging. A row without one is known by its
/// hash: it must be found again, too.
pub(crate) fn page_key(kind: RecordKind, raw: &RawValue, number: fn(&Stub<'_>) -> Int) -> String {
    serde_json::from_str::<Stub<'_>>(raw.get())
        .ok()
        .and_then(|stub| number(&stub).get())
        .filter(|&n| n != 0)
        .map_or_else(
            || BadRecord::new(kind, None, "", &without_clock(raw)).native,
            |n| n.to_string(),
        )
}

/// Whose row it is.
pub(crate) fn patient_number(raw: &RawValue) -> Option<i64> {
    let stub: Stub<'_> = serde_json::from_str(raw.get()).ok()?;
    stub.pat_num.get().filter(|&number| number != 0)
}

/// Whose recall a row is, and which.
pub(crate) fn recall_number(raw: &RawValue) -> Option<(i64, i64)> {
    let stub: Stub<'_> = serde_json::from_str(raw.get()).ok()?;
    let number = |key: Int| key.get().filter(|&number| number != 0);
    Some((number(stub.pat_num)?, number(stub.recall_num)?))
}

/// When the office last changed a row.
pub(crate) fn stamp(raw: &RawValue) -> Option<NaiveDateTime> {
    let stub: Stub<'_> = serde_json::from_str(raw.get()).ok()?;
    date_time("DateTStamp", &stub.date_t_stamp).ok()?
}

/// The office server's wall clock as a row tells it.
pub(crate) fn server_clock(raw: &RawValue) -> Option<NaiveDateTime> {
    let stub: Stub<'_> = serde_json::from_str(raw.get()).ok()?;
    date_time("serverDateTime", &stub.server_date_time).ok()?
}

/// A moment by the office's wall clock. The outer `None`: it cannot be read.
#[cfg(feature = "events")]
pub(crate) fn office_moment(text: &Text<'_>) -> Option<Option<NaiveDateTime>> {
    date_time("", text).ok()
}

/// `yyyy-MM-dd`, also with a time after it. The year 1 and empty text are none.
fn date(field: &'static str, text: &Text<'_>) -> Result<Option<NaiveDate>, Fault> {
    let text = text.get();
    if text.is_empty() {
        return Ok(None);
    }
    let day = text
        .get(..10)
        .and_then(day)
        .ok_or(Fault(field, "is not a date"))?;
    Ok(is_meant(day).then_some(day))
}

/// `yyyy-MM-dd HH:mm:ss` by the office's wall clock; nothing else is attached.
fn date_time(field: &'static str, text: &Text<'_>) -> Result<Option<NaiveDateTime>, Fault> {
    let text = text.get();
    if text.is_empty() {
        return Ok(None);
    }
    let whole = || {
        let day = day(text.get(..10)?)?;
        let time = match text.get(10..) {
            Some("") => NaiveTime::MIN,
            _ if !matches!(text.as_bytes().get(10), Some(b' ' | b'T')) => return None,
            _ => NaiveTime::parse_from_str(text.get(11..)?, "%H:%M:%S").ok()?,
        };
        Some(day.and_time(time))
    };
    let at = whole().ok_or(Fault(field, "is not a date and time"))?;
    Ok(is_meant(at.date()).then_some(at))
}

fn is_meant(day: NaiveDate) -> bool {
    // 0001-01-01 is the vendor's "none".
    chrono::Datelike::year(&day) > 1
}

/// Read by hand: a page has thousands, and a format string costs more than the
/// rest of the row.
fn day(text: &str) -> Option<NaiveDate> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |sum, b| {
            b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0'))
        })
    };
    NaiveDate::from_ymd_opt(
        i32::try_from(number(&[y1, y2, y3, y4])?).ok()?,
        number(&[m1, m2])?,
        number(&[d1, d2])?,
    )
}

/// A reference to another row; 0 is none.
fn foreign_key(field: &'static str, number: Int) -> Result<Option<String>, Fault> {
    match number.get() {
        Some(0) => Ok(None),
        Some(n) => Ok(Some(n.to_string())),
        None => Err(Fault(field, "is not a number")),
    }
}

fn flag(field: &'static str, flag: Flag) -> Result<bool, Fault> {
    flag.get().ok_or(Fault(field, "is neither true nor false"))
}

/// An office-specific status: its key, and its text as the row or else the
/// reference data tell it.
fn status_label(
    labels: &mut Vec<Label>,
    field: (&str, &'static str),
    number: Int,
    text: &Text<'_>,
    look_up: impl FnOnce(&str) -> Option<String>,
) -> Result<(), Fault> {
    if let Some(key) = foreign_key(field.1, number)? {
        let text = match text.get() {
            "" => look_up(&key).unwrap_or_default(),
            text => text.to_owned(),
        };
        labels.push(Label::new(field.0, key, text));
    }
    Ok(())
}

/// Every row of a page as changes.
pub(crate) fn changes<'a>(
    rows: &[&'a RawValue],
    reference: &Reference,
    one: fn(&'a RawValue, &Reference) -> Change,
) -> Vec<Change> {
    rows.iter().map(|raw| one(raw, reference)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Text<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_first_of_january_of_year_one_is_no_date() {
        for none in [
            r#""0001-01-01""#,
            r#""0001-01-01 00:00:00""#,
            r#""""#,
            "null",
        ] {
            assert_eq!(date("D", &text(none)), Ok(None), "{none}");
            assert_eq!(date_time("D", &text(none)), Ok(None), "{none}");
        }
        let day = NaiveDate::from_ymd_opt(2022, 9, 9);
        assert_eq!(date("D", &text(r#""2022-09-09""#)), Ok(day));
        assert_eq!(date("D", &text(r#""2022-09-09 00:00:00""#)), Ok(day));
        for bad in ["\"9/9/2022\"", "\"2022-13-01\"", "\"soon\"", "20220909"] {
            assert!(date("D", &text(bad)).is_err(), "{bad}");
            assert!(date_time("D", &text(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_the_walls_and_nothing_is_attached() {
        let at = date_time("D", &text(r#""2020-07-31 09:00:00""#)).unwrap();
        assert_eq!(at.unwrap().to_string(), "2020-07-31 09:00:00");
        for bad in [
            r#""2020-07-31 09:00:00Z""#,
            r#""2020-07-31 25:00:00""#,
            r#""2020-07-31x09:00:00""#,
        ] {
            assert!(date_time("D", &text(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_deletions_say_gone() {
        let body = include_bytes!("../tests/fixtures/histappointments.get.2.json");
        let rows = wire::rows(body).unwrap();
        assert_eq!(rows.len(), 4);
        let gone: Vec<_> = rows.into_iter().filter_map(deletion).collect();
        let key = RecordKey::Appointment(AppointmentKey::new("266"));
        assert_eq!(gone, [Change::Gone(key)]);
        let body = include_bytes!("../tests/fixtures/histappointments.get.json");
        assert!(
            wire::rows(body)
                .unwrap()
                .into_iter()
                .all(|r| deletion(r).is_none())
        );
    }

    #[test]
    fn a_bad_row_has_the_same_hash_whenever_it_is_read() {
        let first: &RawValue =
            serde_json::from_str(r#"{"serverDateTime":"2021-01-01 00:00:00","LName":"A"}"#)
                .unwrap();
        let later: &RawValue =
            serde_json::from_str(r#"{"serverDateTime":"2021-01-01 00:00:09","LName":"A"}"#)
                .unwrap();
        let reference = Reference::default();
        assert_eq!(patient(first, &reference), patient(later, &reference));
        assert!(page_key(RecordKind::Patient, first, |s| s.pat_num).starts_with('?'));
    }
}
