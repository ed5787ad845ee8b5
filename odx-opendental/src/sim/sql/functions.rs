//! MySQL's functions where SQLite has none, or others of the same name.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{Datelike as _, Months, NaiveDateTime, Timelike as _};
use chrono_tz::Tz;
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};

use super::super::clock::{Reading, day, interval, offset_of, stamp};

/// The office's clock during one query.
#[derive(Clone, Copy, Default)]
pub(crate) struct Moment {
    pub(crate) wall: NaiveDateTime,
    pub(crate) utc: NaiveDateTime,
    pub(crate) zone: Option<Tz>,
}

/// What the functions look up while a query runs.
#[derive(Clone, Default)]
pub(crate) struct Around {
    pub(crate) now: Arc<Mutex<Moment>>,
    /// `GROUP_CONCAT` is cut.
    pub(crate) cut: Arc<Mutex<bool>>,
}

impl Around {
    fn now(&self) -> Moment {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As MySQL turns a value into text; `None` for NULL.
fn text_of(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(n) => Some(n.to_string()),
        ValueRef::Real(n) => Some(n.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

pub(super) fn text(cx: &Context<'_>, at: usize) -> Option<String> {
    text_of(cx.get_raw(at))
}

/// A day or a moment; a day begins at midnight.
pub(crate) fn moment(text: &str) -> Option<NaiveDateTime> {
    let text = text.replace('T', " ");
    NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S")
        .or_else(|_| {
            NaiveDateTime::parse_from_str(&format!("{text} 00:00:00"), "%Y-%m-%d %H:%M:%S")
        })
        .ok()
}

fn moment_at(cx: &Context<'_>, at: usize) -> Option<NaiveDateTime> {
    moment(&text(cx, at)?)
}

fn written(at: NaiveDateTime) -> String {
    stamp(at)
}

/// Days and moments compare as MySQL does: a day is its midnight.
fn compare(a: &str, b: &str) -> Ordering {
    const MIDNIGHT: &str = " 00:00:00";
    let letters = |text: &str| -> Vec<u8> {
        let mut bytes = text.replace('T', " ").into_bytes();
        if bytes.len() == 10 {
            bytes.extend_from_slice(MIDNIGHT.as_bytes());
        }
        bytes
    };
    if a.len() == b.len() {
        return a.cmp(b);
    }
    letters(a).cmp(&letters(b))
}

pub(crate) fn register(conn: &Connection, around: &Around) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8;
    let fixed = flags | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_collation("moment", compare)?;

    // The interval number: years, months, weeks, days, one byte each.
    conn.create_scalar_function("packed_interval", 1, fixed, |cx| {
        let text = text(cx, 0).unwrap_or_default();
        let parts = interval(&text);
        if parts.is_none() && !text.is_empty() {
            // What is no interval is no number that makes one.
            return Ok(-1);
        }
        let [years, months, weeks, days] = parts.unwrap_or_default().map(i64::from);
        Ok(years << 24 | months << 16 | weeks << 8 | days)
    })?;

    conn.create_scalar_function("concat", -1, fixed, |cx| {
        Ok((0..cx.len())
            .map(|at| text(cx, at))
            .collect::<Option<String>>())
    })?;
    conn.create_scalar_function("concat_ws", -1, fixed, |cx| {
        let Some(separator) = text(cx, 0) else {
            return Ok(None);
        };
        let values: Vec<String> = (1..cx.len()).filter_map(|at| text(cx, at)).collect();
        Ok(Some(values.join(&separator)))
    })?;
    conn.create_scalar_function("if", 3, fixed, |cx| {
        let chosen = if truth(cx.get_raw(0)) { 1 } else { 2 };
        cx.get::<Value>(chosen)
    })?;
    conn.create_scalar_function("left", 2, fixed, |cx| {
        let count = usize::try_from(cx.get::<i64>(1)?).unwrap_or(0);
        Ok(text(cx, 0).map(|text| text.chars().take(count).collect::<String>()))
    })?;
    conn.create_scalar_function("right", 2, fixed, |cx| {
        let count = usize::try_from(cx.get::<i64>(1)?).unwrap_or(0);
        Ok(text(cx, 0).map(|text| {
            let skip = text.chars().count().saturating_sub(count);
            text.chars().skip(skip).collect::<String>()
        }))
    })?;
    conn.create_scalar_function("char_length", 1, fixed, |cx| {
        Ok(text(cx, 0).and_then(|text| i64::try_from(text.chars().count()).ok()))
    })?;
    // Bytes there, letters in SQLite.
    conn.create_scalar_function("length", 1, fixed, |cx| {
        Ok(text(cx, 0).and_then(|text| i64::try_from(text.len()).ok()))
    })?;
    for (name, wanted) in [("greatest", Ordering::Greater), ("least", Ordering::Less)] {
        conn.create_scalar_function(name, -1, fixed, move |cx| extreme(cx, wanted))?;
    }
    dates(conn, around)?;
    super::digests::register(conn)?;
    let around = around.clone();
    let list = GroupConcat { around };
    conn.create_aggregate_function("group_concat", 1, flags, list.clone())?;
    conn.create_aggregate_function("group_concat", 2, flags, list)
}

fn dates(conn: &Connection, around: &Around) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8;
    let fixed = flags | FunctionFlags::SQLITE_DETERMINISTIC;
    for name in ["now", "sysdate"] {
        let around = around.clone();
        conn.create_scalar_function(name, 0, flags, move |_| Ok(written(around.now().wall)))?;
    }
    let clock = around.clone();
    conn.create_scalar_function("curdate", 0, flags, move |_| {
        Ok(day(clock.now().wall.date()))
    })?;
    let clock = around.clone();
    conn.create_scalar_function("utc_timestamp", 0, flags, move |_| {
        Ok(written(clock.now().utc))
    })?;
    let clock = around.clone();
    conn.create_scalar_function("unix_timestamp", 0, flags, move |_| {
        Ok(clock.now().utc.and_utc().timestamp())
    })?;
    let clock = around.clone();
    conn.create_scalar_function("unix_timestamp", 1, flags, move |cx| {
        let zone = clock.now().zone;
        Ok(moment_at(cx, 0).map(|wall| {
            let utc = wall - offset_of(wall, zone, Reading::First);
            // The sentinel is before what it can count.
            utc.and_utc().timestamp().max(0)
        }))
    })?;
    conn.create_scalar_function("date", 1, fixed, |cx| {
        Ok(moment_at(cx, 0).map(|at| day(at.date())))
    })?;
    conn.create_scalar_function(
        "timestamp",
        1,
        fixed,
        |cx| Ok(moment_at(cx, 0).map(written)),
    )?;
    conn.create_scalar_function("date_format", 2, fixed, |cx| {
        let (Some(at), Some(format)) = (moment_at(cx, 0), text(cx, 1)) else {
            return Ok(None);
        };
        Ok(Some(date_format(at, &format)))
    })?;
    for (name, part) in [
        (
            "year",
            (|at| i64::from(at.year())) as fn(NaiveDateTime) -> i64,
        ),
        ("month", |at| i64::from(at.month())),
        ("day", |at| i64::from(at.day())),
        ("dayofmonth", |at| i64::from(at.day())),
        ("hour", |at| i64::from(at.hour())),
        ("minute", |at| i64::from(at.minute())),
        ("second", |at| i64::from(at.second())),
    ] {
        conn.create_scalar_function(name, 1, fixed, move |cx| Ok(moment_at(cx, 0).map(part)))?;
    }
    conn.create_scalar_function("datediff", 2, fixed, |cx| {
        let (Some(a), Some(b)) = (moment_at(cx, 0), moment_at(cx, 1)) else {
            return Ok(None);
        };
        Ok(Some((a.date() - b.date()).num_days()))
    })?;
    conn.create_scalar_function("timestampdiff", 3, fixed, |cx| {
        let (Some(from), Some(to)) = (moment_at(cx, 1), moment_at(cx, 2)) else {
            return Ok(None);
        };
        Ok(difference(&text(cx, 0).unwrap_or_default(), from, to))
    })
}

fn truth(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Null => false,
        ValueRef::Integer(n) => n != 0,
        ValueRef::Real(n) => n != 0.0,
        ValueRef::Text(_) | ValueRef::Blob(_) => text_of(value)
            .and_then(|text| text.trim().parse::<f64>().ok())
            .is_some_and(|n| n != 0.0),
    }
}

/// NULL as soon as one of the values is.
fn extreme(cx: &Context<'_>, wanted: Ordering) -> rusqlite::Result<Value> {
    let mut best: Option<Value> = None;
    for at in 0..cx.len() {
        let next = cx.get::<Value>(at)?;
        if next == Value::Null {
            return Ok(next);
        }
        let better = best
            .as_ref()
            .is_none_or(|best| order(&next, best) == wanted);
        if better {
            best = Some(next);
        }
    }
    Ok(best.unwrap_or(Value::Null))
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
        _ => {
            let text = |value| text_of(ValueRef::from(value)).unwrap_or_default();
            compare(&text(a), &text(b))
        }
    }
}

/// Whole units from one moment to the other, as a calendar counts them.
fn difference(unit: &str, from: NaiveDateTime, to: NaiveDateTime) -> Option<i64> {
    let span = to - from;
    let months = || {
        let (low, high, sign) = if from <= to {
            (from, to, 1)
        } else {
            (to, from, -1)
        };
        let years = i64::from(high.year()) - i64::from(low.year());
        let mut count = years * 12 + i64::from(high.month()) - i64::from(low.month());
        let whole = u32::try_from(count).ok()?;
        let reached = low.checked_add_months(Months::new(whole))?;
        // Not `reached` alone: a short month's end does not complete a month.
        if reached > high || (reached.day() < low.day() && reached.date() == high.date()) {
            count -= 1;
        }
        Some(sign * count)
    };
    match unit {
        "second" => Some(span.num_seconds()),
        "minute" => Some(span.num_minutes()),
        "hour" => Some(span.num_hours()),
        "day" => Some(span.num_days()),
        "week" => Some(span.num_weeks()),
        "month" => months(),
        "quarter" => months().map(|n| n / 3),
        "year" => months().map(|n| n / 12),
        _ => None,
    }
}

fn date_format(at: NaiveDateTime, format: &str) -> String {
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let Some(code) = letters.next() else { break };
        let (_, hour12) = at.hour12();
        let piece = match code {
            'Y' => format!("{:04}", at.year()),
            'y' => format!("{:02}", at.year().rem_euclid(100)),
            'm' => format!("{:02}", at.month()),
            'c' => at.month().to_string(),
            'd' => format!("{:02}", at.day()),
            'e' => at.day().to_string(),
            'H' => format!("{:02}", at.hour()),
            'k' => at.hour().to_string(),
            'h' | 'I' => format!("{hour12:02}"),
            'l' => hour12.to_string(),
            'i' => format!("{:02}", at.minute()),
            's' | 'S' => format!("{:02}", at.second()),
            'T' => at.format("%H:%M:%S").to_string(),
            'M' => at.format("%B").to_string(),
            'b' => at.format("%b").to_string(),
            'W' => at.format("%A").to_string(),
            'a' => at.format("%a").to_string(),
            'p' => at.format("%p").to_string(),
            'j' => at.format("%j").to_string(),
            other => other.to_string(),
        };
        out.push_str(&piece);
    }
    out
}

/// `group_concat_max_len` of MySQL 5.5.
// apiqueries: servers as old as that are in use
const LONGEST_LIST: usize = 1024;

#[derive(Clone)]
struct GroupConcat {
    around: Around,
}

impl Aggregate<Option<String>, Option<String>> for GroupConcat {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<String>> {
        Ok(None)
    }

    fn step(&self, cx: &mut Context<'_>, list: &mut Option<String>) -> rusqlite::Result<()> {
        let Some(next) = text(cx, 0) else {
            return Ok(());
        };
        let separator = (cx.len() > 1).then(|| text(cx, 1)).flatten();
        match list {
            None => *list = Some(next),
            Some(list) => {
                list.push_str(separator.as_deref().unwrap_or(","));
                list.push_str(&next);
            }
        }
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        list: Option<Option<String>>,
    ) -> rusqlite::Result<Option<String>> {
        let mut list = list.flatten();
        let cut = *self
            .around
            .cut
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = list.as_mut().filter(|_| cut) {
            let mut end = LONGEST_LIST.min(list.len());
            while !list.is_char_boundary(end) {
                end -= 1;
            }
            list.truncate(end);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        moment(text).unwrap()
    }

    #[test]
    fn a_day_compares_as_its_midnight() {
        for (a, b, order) in [
            ("2026-01-01", "2026-01-01 00:00:00", Ordering::Equal),
            ("2026-01-01", "2026-01-01 00:00:01", Ordering::Less),
            ("2026-01-02", "2026-01-01 23:59:59", Ordering::Greater),
            ("0001-01-01", "2026-01-01 00:00:00", Ordering::Less),
        ] {
            assert_eq!(compare(a, b), order, "{a} {b}");
            assert_eq!(compare(b, a), order.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn whole_units_are_counted_by_the_calendar() {
        let months = |a, b| difference("month", at(a), at(b)).unwrap();
        assert_eq!(months("2026-01-31", "2026-02-28"), 0);
        assert_eq!(months("2026-01-15", "2026-02-15"), 1);
        assert_eq!(months("2026-02-15", "2026-01-15"), -1);
        assert_eq!(
            difference("year", at("2000-02-29"), at("2026-02-28")),
            Some(25)
        );
        assert_eq!(
            difference("day", at("2026-01-01 12:00:00"), at("2026-01-03 11:00:00")),
            Some(1)
        );
    }

    #[test]
    fn a_format_takes_the_letters_of_mysql() {
        let when = at("2026-03-05 14:07:09");
        assert_eq!(
            date_format(when, "%Y-%m-%d %H:%i:%s"),
            "2026-03-05 14:07:09"
        );
        assert_eq!(date_format(when, "%c/%e/%y %l:%i %p"), "3/5/26 2:07 PM");
    }
}
