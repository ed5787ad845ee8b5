//! Which addresses are worth asking.
//!
//! An API Service that is down should cost one connection that is not made, and
//! not one per request. So an address that did not answer is left alone for a
//! while, twice as long each time, and then asked again: the better way is taken
//! as soon as it is there.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

const FIRST: TimeDelta = TimeDelta::seconds(15);
const LONGEST: TimeDelta = TimeDelta::minutes(10);

/// How one address has been of late.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Option<Rest>>);

#[derive(Debug, Clone, Copy)]
struct Rest {
    until: DateTime<Utc>,
    length: TimeDelta,
}

impl Health {
    fn rest(&self) -> MutexGuard<'_, Option<Rest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It answered.
    pub(super) fn answered(&self) {
        *self.rest() = None;
    }

    /// It did not.
    pub(super) fn failed(&self, now: DateTime<Utc>) {
        let mut rest = self.rest();
        let length = rest.map_or(FIRST, |rest| (rest.length * 2).min(LONGEST));
        *rest = Some(Rest {
            until: now + length,
            length,
        });
    }

    /// Until when it is left alone. None: it may be asked. A clock that went
    /// back leaves nothing alone for longer than it was meant to be.
    pub(super) fn resting(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let rest = (*self.rest())?;
        (now < rest.until && rest.until - now <= rest.length).then_some(rest.until)
    }
}

/// Which of these to ask, in order of preference. When all of them are left
/// alone, the one whose time comes first: a request asks somebody.
pub(super) fn order<'a>(
    all: impl Iterator<Item = &'a Health> + Clone,
    now: DateTime<Utc>,
) -> Vec<usize> {
    let fit: Vec<_> = all
        .clone()
        .enumerate()
        .filter(|(_, health)| health.resting(now).is_none())
        .map(|(n, _)| n)
        .collect();
    if !fit.is_empty() {
        return fit;
    }
    let first = all
        .enumerate()
        .min_by_key(|(_, health)| health.resting(now));
    first.map(|(n, _)| n).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

    fn after(seconds: i64) -> DateTime<Utc> {
        NOW + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_rest_grows_is_bounded_and_ends_with_an_answer() {
        let health = Health::default();
        let mut now = NOW;
        let mut lengths = Vec::new();
        for _ in 0..8 {
            health.failed(now);
            let until = health.resting(now).unwrap();
            lengths.push((until - now).num_seconds());
            assert_eq!(health.resting(until), None, "it is never asked again");
            now = until;
        }
        assert_eq!(lengths, [15, 30, 60, 120, 240, 480, 600, 600]);
        health.answered();
        health.failed(now);
        assert_eq!(health.resting(now), Some(now + FIRST));
    }

    #[test]
    fn a_clock_that_went_back_leaves_nothing_alone_for_years() {
        let health = Health::default();
        health.failed(after(3600));
        assert_eq!(health.resting(NOW), None);
    }

    #[test]
    fn the_better_address_comes_first_and_somebody_is_always_asked() {
        let all = [Health::default(), Health::default(), Health::default()];
        let order = |now| order(all.iter(), now);
        assert_eq!(order(NOW), [0, 1, 2]);
        all[0].failed(NOW);
        assert_eq!(order(NOW), [1, 2]);
        assert_eq!(order(after(15)), [0, 1, 2]);
        all[1].failed(after(1));
        all[2].failed(after(2));
        assert_eq!(order(after(3)), [0], "its time comes first");
        assert_eq!(order(after(16)), [0, 1]);
    }
}
