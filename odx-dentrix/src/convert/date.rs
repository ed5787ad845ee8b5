//! Days and times as this system and its reports write them.

use chrono::{Datelike, NaiveDate, NaiveTime};

use super::Fault;
use crate::table::{Field, Row};

/// Which century a year of two digits belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Century {
    /// The last one in which the day is not to come: births, visits that were.
    Past,
    /// The one nearest to today: due dates, appointments.
    Near,
}

/// Which century the years of a field belong to. None: it holds no day.
pub(crate) const fn century(field: Field) -> Option<Century> {
    match field {
        Field::BirthDate | Field::FirstVisit | Field::LastVisit | Field::PriorDate => {
            Some(Century::Past)
        }
        Field::DueDate
        | Field::Booked
        | Field::AppointmentDate
        | Field::BrokenDate
        | Field::Changed => Some(Century::Near),
        _ => None,
    }
}

/// The day that a field holds.
///
/// # Errors
/// What stands there is no day.
pub(crate) fn field(row: &Row, field: Field, today: NaiveDate) -> Result<Option<NaiveDate>, Fault> {
    let Some(text) = row.get(field) else {
        return Ok(None);
    };
    let century = century(field).unwrap_or(Century::Near);
    date(text, century, today).ok_or(Fault(field.name(), "is not a date"))
}

/// A day: `2025-11-03`, `11/03/2025`, `11/3/25` or `03-nov-2025`, also with a time
/// of day after it. The outer `None`: it is no day; the inner: it stands for none.
///
/// "No date" comes as a day before 1880 or as zeros. The engine below begins to
/// count in 1700, and nobody who is treated was born before 1880.
pub(crate) fn date(text: &str, century: Century, today: NaiveDate) -> Option<Option<NaiveDate>> {
    let text = text.trim();
    let (day, time) = text
        .split_once([' ', 'T'])
        .map_or((text, ""), |(day, time)| (day, time.trim()));
    let of_time = |c: char| c.is_ascii_digit() || ":.+-Z ".contains(c) || "AaPpMm".contains(c);
    if !time.chars().all(of_time) {
        return None;
    }
    let mut parts = day.split(['-', '/', '.']);
    let (one, two, three) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = if one.len() == 4 {
        (one, number(two, 2)?, number(three, 2)?)
    } else if let Some(month) = month(two) {
        (three, month, number(one, 2)?)
    } else {
        // The vendor's home writes the month first, whatever stands between.
        (three, number(one, 2)?, number(two, 2)?)
    };
    let number_of_year = i32::try_from(number(year, 4)?).ok()?;
    if number_of_year == 0 && month == 0 && day == 0 {
        return Some(None);
    }
    match year.len() {
        4 => {
            let found = NaiveDate::from_ymd_opt(number_of_year, month, day)?;
            Some((found.year() >= 1880).then_some(found))
        }
        2 => within(century, number_of_year, month, day, today).map(Some),
        _ => None,
    }
}

/// A day of a year of two digits.
fn within(
    century: Century,
    year: i32,
    month: u32,
    day: u32,
    today: NaiveDate,
) -> Option<NaiveDate> {
    let this = today.year() - today.year().rem_euclid(100);
    let mut found = [this + 100, this, this - 100]
        .into_iter()
        .filter_map(|century| NaiveDate::from_ymd_opt(century + year, month, day));
    match century {
        Century::Past => found.find(|found| *found <= today),
        Century::Near => found.min_by_key(|found| (*found - today).num_days().abs()),
    }
}

/// A time of day: `9:00 AM`, `13:30`, `09:00:00`, also with a day before it.
pub(crate) fn time(text: &str) -> Option<NaiveTime> {
    let text = text.trim().to_ascii_uppercase();
    let digits = text.trim_end_matches(['A', 'P', 'M', '.', ' ']);
    let half = text
        .get(digits.len()..)?
        .chars()
        .find(char::is_ascii_alphabetic);
    let digits = digits.rsplit([' ', 'T']).next()?;
    let mut parts = digits.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = number(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |text| {
        number(text.split_once('.').map_or(text, |(whole, _)| whole), 2)
    })?;
    if parts.next().is_some() {
        return None;
    }
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some('A') => hour % 12,
        Some('P') => hour % 12 + 12,
        Some(_) => return None,
    };
    NaiveTime::from_hms_opt(hour, minute, second)
}

/// Up to this many digits and nothing else.
fn number(text: &str, most: usize) -> Option<u32> {
    let fine = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fine.then(|| text.parse().ok())?
}

fn month(text: &str) -> Option<u32> {
    const NAMES: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let place = NAMES
        .iter()
        .position(|name| text.eq_ignore_ascii_case(name))?;
    u32::try_from(place + 1).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2025, 11, 3).unwrap()
    }

    fn near(text: &str) -> Option<Option<String>> {
        date(text, Century::Near, today()).map(|day| day.map(|day| day.to_string()))
    }

    fn past(text: &str) -> Option<Option<String>> {
        date(text, Century::Past, today()).map(|day| day.map(|day| day.to_string()))
    }

    #[test]
    fn a_day_reads_the_same_however_it_is_written() {
        for text in [
            "2025-11-03",
            "11/03/2025",
            "11/3/25",
            "11/3/2025",
            "03-nov-2025",
            "3-NOV-25",
            "11-03-2025",
            "2025-11-03 06:00:04",
            "2025-11-03T06:00:04.000",
            "11/03/2025 6:00:04 AM",
            " 11/03/2025 ",
        ] {
            assert_eq!(near(text), Some(Some("2025-11-03".into())), "{text}");
        }
    }

    #[test]
    fn no_date_comes_as_a_day_long_ago_or_as_zeros() {
        for text in [
            "1879-12-31",
            "1700-03-01",
            "0001-01-01",
            "0000-00-00",
            "00/00/0000",
            "0000-00-00 00:00:00",
            "01/01/1753",
        ] {
            assert_eq!(near(text), Some(None), "{text}");
        }
        assert_eq!(past("1880-01-01"), Some(Some("1880-01-01".into())));
    }

    #[test]
    fn what_is_no_day_is_not_guessed() {
        for text in [
            "soon",
            "2025-13-01",
            "13/40/2025",
            "02/30/2025",
            "11/03",
            "11/03/025",
            "2025-11-03 x",
            "45600",
            "1/2/3/4",
            "",
            "+1/+2/2025",
        ] {
            assert_eq!(near(text), None, "{text}");
        }
    }

    #[test]
    fn a_birth_year_of_38_is_1938_and_a_due_year_of_26_is_2026() {
        assert_eq!(past("3/8/38"), Some(Some("1938-03-08".into())));
        assert_eq!(near("2/12/26"), Some(Some("2026-02-12".into())));
        assert_eq!(past("11/3/25"), Some(Some("2025-11-03".into())));
        assert_eq!(past("11/4/25"), Some(Some("1925-11-04".into())));
        assert_eq!(near("12/15/21"), Some(Some("2021-12-15".into())));
        assert_eq!(near("1/1/99"), Some(Some("1999-01-01".into())));
        // 1900 had no such day.
        assert_eq!(past("2/29/00"), Some(Some("2000-02-29".into())));
    }

    #[test]
    fn times_of_day_are_read_with_and_without_halves() {
        let at = |text| time(text).map(|time| time.to_string());
        for (text, is) in [
            ("9:00 AM", "09:00:00"),
            ("1:30 PM", "13:30:00"),
            ("12:00 AM", "00:00:00"),
            ("12:15 p.m.", "12:15:00"),
            ("13:30", "13:30:00"),
            ("09:00:00", "09:00:00"),
            ("8:10am", "08:10:00"),
            ("1899-12-30 08:10:00", "08:10:00"),
        ] {
            assert_eq!(at(text).as_deref(), Some(is), "{text}");
        }
        for text in ["", "noon", "25:00", "9:61 AM", "13:00 PM", "9"] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_way_of_writing_a_day_says_the_same(days in 0i32..40_000) {
            let day = NaiveDate::from_ymd_opt(1930, 1, 1).unwrap() + chrono::Days::new(days.unsigned_abs().into());
            for form in ["%Y-%m-%d", "%m/%d/%Y", "%-m/%-d/%Y", "%d-%b-%Y", "%Y-%m-%d 23:59:59"] {
                prop_assert_eq!(date(&day.format(form).to_string(), Century::Near, today()), Some(Some(day)));
            }
        }

        #[test]
        fn a_birth_is_never_to_come(text in "[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}") {
            if let Some(Some(day)) = date(&text, Century::Past, today()) {
                prop_assert!(day <= today());
            }
        }

        #[test]
        fn no_text_breaks_it(text in ".{0,24}") {
            let _ = date(&text, Century::Near, today());
            let _ = time(&text);
        }
    }
}
