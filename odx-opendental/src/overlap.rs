//! How far before the last pass a pass begins to look.
//!
//! Stamps are the office's wall clock without a zone. In autumn an hour comes
//! twice, so whoever does not know better looks an hour back, and a little more
//! for rows that were committed late. Where the office's zone is known and its
//! clock has kept to it, most of the year rules a change of the clock out, and
//! minutes do.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// For the hour that comes twice, and rows committed late.
pub(crate) const LONG: TimeDelta = TimeDelta::minutes(65);

/// For rows committed late.
pub(crate) const SHORT: TimeDelta = TimeDelta::minutes(5);

/// A clock that differs more from its zone's is no clock of that zone.
const TRUSTED: TimeDelta = TimeDelta::minutes(3);

/// What is known of the office's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overlap {
    /// Set by hand.
    fixed: Option<TimeDelta>,
    /// The office's zone, if its clock has been seen to keep to it.
    zone: Option<Tz>,
    now: DateTime<Utc>,
}

impl Overlap {
    pub(crate) const fn fixed(overlap: TimeDelta, now: DateTime<Utc>) -> Self {
        Self {
            fixed: Some(overlap),
            zone: None,
            now,
        }
    }

    /// By the office's zone, where its clock keeps to it.
    pub(crate) const fn of_zone(zone: Option<Tz>, now: DateTime<Utc>) -> Self {
        Self {
            fixed: None,
            zone,
            now,
        }
    }

    /// How far before `mark` to begin.
    pub(crate) fn before(&self, mark: NaiveDateTime) -> TimeDelta {
        match (self.fixed, self.zone) {
            (Some(fixed), _) => fixed,
            (None, Some(zone)) if steady(zone, mark, self.now) => SHORT,
            _ => LONG,
        }
    }

    /// The moment to begin at.
    pub(crate) fn since(&self, mark: NaiveDateTime) -> Option<NaiveDateTime> {
        mark.checked_sub_signed(self.before(mark))
    }
}

/// Whether the clock of `zone` was not changed between the moment it showed
/// `mark`, less an hour, and now, and a while beyond: a pass takes time.
fn steady(zone: Tz, mark: NaiveDateTime, now: DateTime<Utc>) -> bool {
    let LocalResult::Single(at) = zone.from_local_datetime(&mark) else {
        return false;
    };
    let (from, to) = (at.to_utc() - LONG, now + LONG);
    // No zone changes its clock twice within two weeks.
    let offset = |at: DateTime<Utc>| {
        use chrono::Offset as _;
        zone.offset_from_utc_datetime(&at.naive_utc()).fix()
    };
    to >= from && to - from < TimeDelta::days(14) && offset(from) == offset(to)
}

/// Whether a clock that shows `wall` now keeps to `zone`.
pub(crate) fn keeps_to(zone: Tz, wall: NaiveDateTime, now: DateTime<Utc>) -> bool {
    let there = now.with_timezone(&zone).naive_local();
    (there - wall).abs() <= TRUSTED
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = chrono_tz::America::New_York;

    fn before(mark: &str, now: &str) -> TimeDelta {
        Overlap::of_zone(Some(ZONE), now.parse().unwrap()).before(mark.parse().unwrap())
    }

    #[test]
    fn minutes_do_where_no_clock_change_is_near() {
        assert_eq!(before("2026-07-01T12:00:00", "2026-07-01T16:05:00Z"), SHORT);
        assert_eq!(before("2026-12-24T08:00:00", "2026-12-26T16:00:00Z"), SHORT);
        let unknown = Overlap::of_zone(None, "2026-07-01T16:05:00Z".parse().unwrap());
        assert_eq!(unknown.before("2026-07-01T12:00:00".parse().unwrap()), LONG);
    }

    #[test]
    fn around_both_clock_changes_and_across_them_an_hour_is_looked_back() {
        for (mark, now) in [
            // 2 o'clock becomes 1 o'clock at 06:00Z on the first of November.
            ("2026-11-01T01:58:00", "2026-11-01T06:10:00Z"),
            ("2026-11-01T01:10:00", "2026-11-01T06:15:00Z"),
            ("2026-11-01T00:30:00", "2026-11-01T06:15:00Z"),
            ("2026-10-31T18:00:00", "2026-11-01T13:00:00Z"),
            // Soon after and soon before.
            ("2026-11-01T02:04:00", "2026-11-01T07:09:00Z"),
            ("2026-11-01T00:50:00", "2026-11-01T04:57:00Z"),
            // 2 o'clock becomes 3 o'clock at 07:00Z on the eighth of March.
            ("2026-03-08T01:59:00", "2026-03-08T07:05:00Z"),
            // A mark that no clock of the zone ever showed.
            ("2026-03-08T02:30:00", "2026-03-08T12:00:00Z"),
            // Ahead of now, and so long ago that the clock may have changed twice.
            ("2026-07-01T19:00:00", "2026-07-01T16:05:00Z"),
            ("2026-01-10T08:00:00", "2026-12-10T16:00:00Z"),
        ] {
            assert_eq!(before(mark, now), LONG, "{mark} at {now}");
        }
    }

    #[test]
    fn a_clock_of_another_zone_is_not_believed() {
        let now = "2026-07-01T16:05:00Z".parse().unwrap();
        assert!(keeps_to(ZONE, "2026-07-01T12:04:00".parse().unwrap(), now));
        assert!(!keeps_to(ZONE, "2026-07-01T11:05:00".parse().unwrap(), now));
        assert!(!keeps_to(ZONE, "2026-07-01T16:05:00".parse().unwrap(), now));
    }
}
