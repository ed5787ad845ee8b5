//! How long until a recall comes round again.

use std::fmt;
use std::str::FromStr;

use chrono::{Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

/// Years, months, weeks and days: `6m1d`.
///
/// ```
/// use odx_core::model::Interval;
/// let six_months: Interval = "6m1d".parse().unwrap();
/// let last: chrono::NaiveDate = "2026-08-31".parse().unwrap();
/// assert_eq!(six_months.after(last).unwrap().to_string(), "2027-03-01");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Interval {
    /// Calendar years.
    pub years: u16,
    /// Calendar months.
    pub months: u16,
    /// Weeks of seven days.
    pub weeks: u16,
    /// Days.
    pub days: u16,
}

/// Text that is no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an interval: expected years, months, weeks and days such as 6m1d")]
pub struct BadInterval;

impl Interval {
    /// The day that lies this interval after `from`: years, then months, held
    /// to the end of a shorter month, then weeks and days. None past the end of
    /// the calendar.
    pub fn after(self, from: NaiveDate) -> Option<NaiveDate> {
        let months = u32::from(self.years) * 12 + u32::from(self.months);
        let days = u64::from(self.weeks) * 7 + u64::from(self.days);
        from.checked_add_months(Months::new(months))?
            .checked_add_days(Days::new(days))
    }

    /// Nothing at all.
    pub const fn is_zero(self) -> bool {
        self.years == 0 && self.months == 0 && self.weeks == 0 && self.days == 0
    }
}

impl FromStr for Interval {
    type Err = BadInterval;

    fn from_str(text: &str) -> Result<Self, BadInterval> {
        let mut interval = Self::default();
        let mut number: Option<u16> = None;
        let mut last_unit = 0;
        for c in text.trim().chars() {
            if let Some(digit) = c.to_digit(10) {
                let digit = u16::try_from(digit).map_err(|_| BadInterval)?;
                number = Some(
                    number
                        .unwrap_or(0)
                        .checked_mul(10)
                        .and_then(|n| n.checked_add(digit))
                        .ok_or(BadInterval)?,
                );
                continue;
            }
            let (unit, slot) = match c {
                'y' => (1, &mut interval.years),
                'm' => (2, &mut interval.months),
                'w' => (3, &mut interval.weeks),
                'd' => (4, &mut interval.days),
                _ => return Err(BadInterval),
            };
            if unit <= last_unit {
                return Err(BadInterval);
            }
            last_unit = unit;
            *slot = number.take().ok_or(BadInterval)?;
        }
        if number.is_some() || last_unit == 0 {
            return Err(BadInterval);
        }
        Ok(interval)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, unit) in [
            (self.years, 'y'),
            (self.months, 'm'),
            (self.weeks, 'w'),
            (self.days, 'd'),
        ] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        if self.is_zero() {
            f.write_str("0d")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Interval {
    type Error = BadInterval;

    fn try_from(text: String) -> Result<Self, BadInterval> {
        text.parse()
    }
}

impl From<Interval> for String {
    fn from(interval: Interval) -> Self {
        interval.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn after(from: &str, interval: &str) -> NaiveDate {
        interval
            .parse::<Interval>()
            .unwrap()
            .after(day(from))
            .unwrap()
    }

    #[test]
    fn recall_interval_of_6m1d_is_six_months_and_a_day() {
        assert_eq!(after("2026-01-15", "6m1d"), day("2026-07-16"));
    }

    #[test]
    fn months_are_held_to_the_end_of_a_shorter_month_before_days_are_added() {
        assert_eq!(after("2026-08-31", "6m"), day("2027-02-28"));
        assert_eq!(after("2026-08-31", "6m1d"), day("2027-03-01"));
        assert_eq!(after("2024-02-29", "1y"), day("2025-02-28"));
    }

    #[test]
    fn years_and_months_count_together() {
        assert_eq!(after("2024-02-29", "1y12m"), day("2026-02-28"));
        assert_eq!(after("2026-01-01", "2w3d"), day("2026-01-18"));
    }

    #[test]
    fn zero_parts_are_dropped_when_written() {
        assert_eq!("0y6m0w1d".parse::<Interval>().unwrap().to_string(), "6m1d");
    }

    #[test]
    fn what_is_not_an_interval_is_refused() {
        for text in ["", "6", "m", "6x", "1d6m", "6m6m", "-1d", "99999m", "6 m"] {
            assert_eq!(text.parse::<Interval>(), Err(BadInterval), "{text}");
        }
    }

    proptest! {
        #[test]
        fn writing_and_reading_gives_the_same(y in 0u16..9, m in 0u16..99, w in 0u16..99, d in 0u16..99) {
            let interval = Interval { years: y, months: m, weeks: w, days: d };
            prop_assert_eq!(interval.to_string().parse::<Interval>(), Ok(interval));
        }

        #[test]
        fn a_longer_interval_never_ends_earlier(from in 0i32..80_000, m in 0u16..60, d in 0u16..60) {
            let from = NaiveDate::from_num_days_from_ce_opt(700_000 + from).unwrap();
            let short = Interval { months: m, days: d, ..Interval::default() };
            let long = Interval { months: m + 1, days: d, ..Interval::default() };
            prop_assert!(short.after(from).unwrap() <= long.after(from).unwrap());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            if let Ok(interval) = text.parse::<Interval>() {
                prop_assert_eq!(interval.to_string().parse::<Interval>(), Ok(interval));
            }
        }
    }
}
