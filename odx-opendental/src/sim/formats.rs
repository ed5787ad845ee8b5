//! `DateTimeFormatString` and `DateFormatString`: dates and times printed as the caller likes.
//!
//! The format is a .NET custom one. The fields are found by name, so that text which only looks
//! like a date stays as it is.

use chrono::{Datelike as _, FixedOffset, NaiveDate, NaiveDateTime, Timelike as _};
use chrono_tz::Tz;

use super::answer::Answer;
use super::clock::{Reading, offset_of};
use super::practice::Practice;
use super::query::Known;
use super::settings::{Settings, Version};

const TIMES: &str = "DateTimeFormatString";
const DATES: &str = "DateFormatString";

// apispecification, data types
const FORMATS: [Known; 2] = [(TIMES, (22, 2, 14)), (DATES, (22, 2, 26))];

/// Fields that hold a moment.
const TIME_FIELDS: [&str; 12] = [
    "serverDateTime",
    "DateTStamp",
    "AptDateTime",
    "DateTimeArrived",
    "DateTimeSeated",
    "DateTimeDismissed",
    "DateTimeAskedToArrive",
    "SecDateTEntry",
    "HistDateTStamp",
    "SigDateTime",
    "LastHeartBeat",
    "SecDateTEdit",
];

/// Fields that hold a day.
const DATE_FIELDS: [&str; 9] = [
    "Birthdate",
    "DateFirstVisit",
    "AdmitDate",
    "SecDateEntry",
    "DateDue",
    "DatePrevious",
    "DisableUntilDate",
    "DateScheduled",
    "DateViewing",
];

/// An office older than a format does not know it.
pub(crate) fn known(name: &str, version: Version) -> bool {
    FORMATS
        .iter()
        .any(|(one, since)| *one == name && version >= *since)
}

/// The answer with its dates and times in the form that was asked for.
pub(crate) fn applied(
    practice: &Practice,
    settings: &Settings,
    method: &str,
    pairs: &[(String, String)],
    mut answer: Answer,
) -> Answer {
    let asked = |name: &str| {
        pairs
            .iter()
            .find(|(n, value)| n == name && known(n, settings.version) && !value.is_empty())
            .map(|(_, value)| value.as_str())
    };
    let (times, dates) = (asked(TIMES), asked(DATES));
    if method != "GET" || (times.is_none() && dates.is_none()) {
        return answer;
    }
    let zone = practice.inner.settings.zone;
    let body = String::from_utf8_lossy(&answer.body);
    let printed = rewrite(&body, |name, value| {
        if TIME_FIELDS.contains(&name) {
            let at = NaiveDateTime::parse_from_str(value, "%Y-%m-%d %H:%M:%S").ok()?;
            Some(print(times?, at, zone))
        } else if DATE_FIELDS.contains(&name) {
            let day: NaiveDate = value.parse().ok()?;
            Some(print(dates?, day.and_hms_opt(0, 0, 0)?, zone))
        } else {
            None
        }
    });
    answer.body = printed.into_bytes();
    answer
}

/// Copies JSON and replaces text values by what `change` makes of their field.
fn rewrite(json: &str, change: impl Fn(&str, &str) -> Option<String>) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    // The last text, for as long as it can be a field's name.
    let mut name: Option<&str> = None;
    while let Some(at) = rest.find('"') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = text_end(from);
        let (quoted, after) = from.split_at(end);
        let inner = quoted.strip_prefix('"').unwrap_or_default();
        let inner = inner.strip_suffix('"').unwrap_or(inner);
        let value_of = name.take().filter(|_| before == ":");
        match value_of.and_then(|name| change(name, inner)) {
            Some(changed) => out.push_str(&serde_json::Value::from(changed).to_string()),
            None => out.push_str(quoted),
        }
        if after.starts_with(':') {
            name = Some(inner);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Where the text that begins here ends, its quotes included.
fn text_end(from: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in from.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    from.len()
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// One moment in a .NET custom format. Stored times carry no zone, so a time that comes twice
/// prints the offset of standard time.
fn print(format: &str, at: NaiveDateTime, zone: Option<Tz>) -> String {
    let letters: Vec<char> = format.chars().collect();
    let mut out = String::new();
    let mut rest = letters.as_slice();
    while let Some((&letter, after)) = rest.split_first() {
        if letter == '\'' || letter == '"' {
            let end = after.iter().position(|c| *c == letter);
            let (text, left) = after.split_at(end.unwrap_or(after.len()));
            out.extend(text);
            rest = left.get(1..).unwrap_or_default();
            continue;
        }
        if letter == '\\' {
            out.extend(after.first());
            rest = after.get(1..).unwrap_or_default();
            continue;
        }
        let run = rest.iter().take_while(|c| **c == letter).count();
        out.push_str(&piece(letter, run, at, zone));
        rest = rest.get(run..).unwrap_or_default();
    }
    out
}

fn piece(letter: char, run: usize, at: NaiveDateTime, zone: Option<Tz>) -> String {
    let padded = |n: u32| format!("{n:0width$}", width = run.min(2));
    let (afternoon, hour12) = at.hour12();
    let month = usize::try_from(at.month0())
        .ok()
        .and_then(|n| MONTHS.get(n))
        .copied()
        .unwrap_or_default();
    match (letter, run) {
        ('y', 1 | 2) => format!("{:0run$}", at.year().rem_euclid(100)),
        ('y', _) => format!("{:0run$}", at.year()),
        ('M', 1 | 2) => padded(at.month()),
        ('M', 3) => month.chars().take(3).collect(),
        ('M', _) => month.to_owned(),
        ('d', 1 | 2) => padded(at.day()),
        ('d', 3) => at.format("%a").to_string(),
        ('d', _) => at.format("%A").to_string(),
        ('H', _) => padded(at.hour()),
        ('h', _) => padded(hour12),
        ('m', _) => padded(at.minute()),
        ('s', _) => padded(at.second()),
        ('f', _) => "0".repeat(run),
        ('F' | 'K' | 'g', _) => String::new(),
        ('t', _) => ["AM", "PM"]
            .get(usize::from(afternoon))
            .map(|text| text.chars().take(run).collect())
            .unwrap_or_default(),
        ('z', _) => {
            let seconds = standard_before_1970(at, zone).local_minus_utc();
            let sign = if seconds < 0 { '-' } else { '+' };
            let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
            match run {
                1 => format!("{sign}{hours}"),
                2 => format!("{sign}{hours:02}"),
                _ => format!("{sign}{hours:02}:{minutes:02}"),
            }
        }
        (other, _) => other.to_string().repeat(run),
    }
}

/// The sentinel is older than every rule of a zone: standard time holds there.
fn standard_before_1970(at: NaiveDateTime, zone: Option<Tz>) -> FixedOffset {
    if at.year() >= 1970 {
        return offset_of(at, zone, Reading::Standard);
    }
    let in_2000 = |month| {
        let at = at.with_year(2000)?.with_day(1)?.with_month(month)?;
        Some(offset_of(at, zone, Reading::Standard))
    };
    [in_2000(1), in_2000(7)]
        .into_iter()
        .flatten()
        .min_by_key(FixedOffset::local_minus_utc)
        .unwrap_or_else(|| offset_of(at, zone, Reading::Standard))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
    }

    #[test]
    fn the_format_of_the_page_prints_the_offset_of_the_season() {
        let iso = "yyyy-MM-ddTHH:mm:sszzz";
        let zone = Some(chrono_tz::America::Denver);
        for (wall, printed) in [
            ("2026-07-01 14:05:09", "2026-07-01T14:05:09-06:00"),
            ("2026-12-01 14:05:09", "2026-12-01T14:05:09-07:00"),
            // Comes twice: standard time.
            ("2026-11-01 01:30:00", "2026-11-01T01:30:00-07:00"),
            // Never comes.
            ("2026-03-08 02:30:00", "2026-03-08T02:30:00-07:00"),
            ("0001-01-01 00:00:00", "0001-01-01T00:00:00-07:00"),
        ] {
            assert_eq!(print(iso, at(wall), zone), printed);
        }
        assert_eq!(
            print("M/d/yy h:mm tt 'at' \\d", at("2026-07-01 14:05:09"), zone),
            "7/1/26 2:05 PM at d"
        );
        assert_eq!(
            print(iso, at("2026-07-01 14:05:09"), None),
            "2026-07-01T14:05:09+00:00"
        );
    }

    #[test]
    fn only_the_named_fields_change_and_escapes_survive() {
        let json = r#"[{"Note":"say \"DateDue\":\"x","DateDue":"2026-01-01"},["DateDue","y"]]"#;
        let changed = rewrite(json, |name, _| (name == "DateDue").then(|| "\"".to_owned()));
        assert_eq!(
            changed,
            r#"[{"Note":"say \"DateDue\":\"x","DateDue":"\""},["DateDue","y"]]"#
        );
    }
}
