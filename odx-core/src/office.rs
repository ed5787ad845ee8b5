//! An office, its zone, and the one place that turns wall clocks into instants.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::id::OfficeId;

/// A practice location as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    id: OfficeId,
    name: String,
    zone: Tz,
}

impl Office {
    /// An office in a zone. There is no default zone and no default office.
    pub fn new(id: OfficeId, name: impl Into<String>, zone: Tz) -> Self {
        Self {
            id,
            name: name.into(),
            zone,
        }
    }

    /// Its id.
    pub const fn id(&self) -> &OfficeId {
        &self.id
    }

    /// Its name, as patients know it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its zone.
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The calendar day at the office.
    pub fn today(&self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.zone).date_naive()
    }

    /// The first instant of `day` at the office.
    pub fn midnight(&self, day: NaiveDate) -> DateTime<Utc> {
        self.instant(day.and_time(chrono::NaiveTime::MIN))
    }

    /// The instant of what the practice's wall clock said. An hour that comes
    /// twice is read as the first, one that was skipped as the moment after it.
    pub fn instant(&self, wall: NaiveDateTime) -> DateTime<Utc> {
        if let Some(found) = self.zone.from_local_datetime(&wall).earliest() {
            return found.with_timezone(&Utc);
        }
        // The longest skip on record is a day (Samoa, 2011); offices skip an hour.
        (1..=24 * 4)
            .find_map(|quarter| {
                let later = wall + TimeDelta::minutes(15 * quarter);
                self.zone.from_local_datetime(&later).earliest()
            })
            .map_or_else(|| wall.and_utc(), |found| found.with_timezone(&Utc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_york() -> Office {
        Office::new(
            OfficeId::new("main-st").unwrap(),
            "Main Street Dental",
            chrono_tz::America::New_York,
        )
    }

    fn at(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn the_day_is_the_offices_not_greenwichs() {
        let late = at("2026-11-21T02:00:00").and_utc();
        assert_eq!(new_york().today(late).to_string(), "2026-11-20");
    }

    #[test]
    fn a_repeated_hour_is_the_first_of_the_two() {
        let instant = new_york().instant(at("2026-11-01T01:30:00"));
        assert_eq!(instant.to_string(), "2026-11-01 05:30:00 UTC");
    }

    #[test]
    fn a_skipped_hour_is_the_moment_after_the_gap() {
        let instant = new_york().instant(at("2026-03-08T02:30:00"));
        assert_eq!(instant.to_string(), "2026-03-08 07:00:00 UTC");
    }
}
