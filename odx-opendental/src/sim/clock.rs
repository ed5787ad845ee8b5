//! The office's wall clock: virtual, moved by the test, allowed to go back.

use std::time::Duration;

use chrono::{
    FixedOffset, LocalResult, NaiveDate, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::Tz;

/// Wall clock plus a counter of time gone by, which never goes back.
#[derive(Debug)]
pub(crate) struct Clock {
    zone: Option<Tz>,
    /// Of the moment, as time goes by; the wall clock is this plus `offset`.
    utc: NaiveDateTime,
    offset: FixedOffset,
    elapsed: Duration,
}

impl Clock {
    pub(crate) fn starting(wall: NaiveDateTime, zone: Option<Tz>) -> Self {
        let offset = offset_of(wall, zone, Reading::First);
        Self {
            zone,
            utc: wall - offset,
            offset,
            elapsed: Duration::ZERO,
        }
    }

    pub(crate) fn wall(&self) -> NaiveDateTime {
        self.utc + self.offset
    }

    /// The moment the wall clock stands for; without a zone, as if it stood in UTC.
    pub(crate) fn utc(&self) -> NaiveDateTime {
        self.utc
    }

    /// How far the wall clock is ahead of UTC now.
    pub(crate) fn offset(&self) -> FixedOffset {
        self.offset
    }

    /// Time gone by since the start; what a throttle measures.
    pub(crate) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    // timezones: server wall clock, which the zone moves twice a year
    pub(crate) fn advance(&mut self, by: Duration) {
        let step = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        if let Some(later) = self.utc.checked_add_signed(step) {
            self.utc = later;
            if let Some(zone) = self.zone {
                self.offset = zone.offset_from_utc_datetime(&later).fix();
            }
        }
        self.elapsed = self.elapsed.saturating_add(by);
    }

    /// Turns the hands. Only a jump forward counts as time gone by: when the
    /// hour repeats in autumn no time is given back. In the repeated hour the first
    /// passage is meant; in the hour that spring leaves out, standard time runs on.
    pub(crate) fn set(&mut self, to: NaiveDateTime) {
        if let Ok(forward) = to.signed_duration_since(self.wall()).to_std() {
            self.elapsed = self.elapsed.saturating_add(forward);
        }
        self.offset = offset_of(to, self.zone, Reading::First);
        self.utc = to - self.offset;
    }
}

/// Which passage of a wall clock time that comes twice.
#[derive(Clone, Copy)]
pub(crate) enum Reading {
    /// Before the clock was turned back.
    First,
    /// After it: standard time.
    Standard,
}

/// Offset of a wall clock time. Without a zone it is zero.
pub(crate) fn offset_of(wall: NaiveDateTime, zone: Option<Tz>, reading: Reading) -> FixedOffset {
    let Some(zone) = zone else {
        return Utc.fix();
    };
    match (zone.offset_from_local_datetime(&wall), reading) {
        (LocalResult::Single(one), _) | (LocalResult::Ambiguous(one, _), Reading::First) => {
            one.fix()
        }
        (LocalResult::Ambiguous(_, later), Reading::Standard) => later.fix(),
        // A time that the zone leaves out: what held shortly before.
        (LocalResult::None, _) => zone
            .offset_from_local_datetime(&(wall - TimeDelta::hours(3)))
            .earliest()
            .map_or_else(|| Utc.fix(), |offset| offset.fix()),
    }
}

/// A stamp as MySQL keeps it: one-second grain, no zone.
// apispecification, date-time form; timezones, server wall clock
pub(crate) fn stamp(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A date on the wire.
pub(crate) fn day(date: NaiveDate) -> String {
    date.format("%Y-%m-%d").to_string()
}

/// Reads `6m1d` style text; `None` for empty or unreadable text.
// apirecalls, RecallInterval
pub(crate) fn interval(text: &str) -> Option<[u32; 4]> {
    let mut parts = [0_u32; 4];
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let at = "ymwd".find(c)?;
        *parts.get_mut(at)? = digits.parse().ok()?;
        digits.clear();
    }
    (digits.is_empty() && !text.is_empty()).then_some(parts)
}

/// The same interval as the program prints it: `0y6m0w1d` becomes `6m1d`.
// apirecalls, Recalls PUT, printed request and answer
pub(crate) fn normal_interval(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    let parts = interval(text)?;
    Some(
        parts
            .iter()
            .zip("ymwd".chars())
            .filter(|(number, _)| **number > 0)
            .map(|(number, unit)| format!("{number}{unit}"))
            .collect(),
    )
}

/// Adds `6m1d` style text to a date: years, months (clamped to the month's
/// end), then weeks and days.
pub(crate) fn add_interval(date: NaiveDate, text: &str) -> Option<NaiveDate> {
    let [years, months, weeks, days] = interval(text)?;
    date.checked_add_months(chrono::Months::new(years.checked_mul(12)?))?
        .checked_add_months(chrono::Months::new(months))?
        .checked_add_days(chrono::Days::new(u64::from(weeks) * 7 + u64::from(days)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn six_months_and_a_day_clamps_to_the_month_end_first() {
        assert_eq!(
            add_interval(date("2026-08-31"), "6m1d"),
            Some(date("2027-03-01"))
        );
        assert_eq!(
            add_interval(date("2024-02-29"), "1y"),
            Some(date("2025-02-28"))
        );
        assert_eq!(add_interval(date("2026-01-01"), ""), None);
        assert_eq!(add_interval(date("2026-01-01"), "6"), None);
    }

    #[test]
    fn turning_the_clock_back_gives_no_time_back() {
        let start = date("2026-11-01").and_hms_opt(1, 30, 0).unwrap();
        let mut clock = Clock::starting(start, None);
        clock.advance(Duration::from_secs(60));
        clock.set(start - TimeDelta::hours(1));
        assert_eq!(clock.elapsed(), Duration::from_secs(60));
        assert_eq!(stamp(clock.wall()), "2026-11-01 00:30:00");
    }

    #[test]
    fn time_that_passes_moves_the_wall_clock_as_the_zone_does() {
        let hour = Duration::from_secs(3600);
        let spring = date("2026-03-08").and_hms_opt(1, 30, 0).unwrap();
        let mut clock = Clock::starting(spring, Some(chrono_tz::America::New_York));
        clock.advance(hour);
        assert_eq!(stamp(clock.wall()), "2026-03-08 03:30:00");
        assert_eq!(clock.offset().to_string(), "-04:00");
        clock.set(date("2026-11-01").and_hms_opt(1, 30, 0).unwrap());
        assert_eq!(clock.offset().to_string(), "-04:00");
        clock.advance(hour);
        assert_eq!(stamp(clock.wall()), "2026-11-01 01:30:00");
        assert_eq!(clock.offset().to_string(), "-05:00");
        clock.advance(hour);
        assert_eq!(stamp(clock.wall()), "2026-11-01 02:30:00");
    }
}
