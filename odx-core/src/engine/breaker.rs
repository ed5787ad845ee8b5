//! Leaves a struggling neighbour alone.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Failures in a row that open it.
const IN_A_ROW: u32 = 5;
/// Calls it remembers; half of them failing opens it too.
const WINDOW: usize = 20;
/// First pause; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(30);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Opens after 5 failures in a row or half of the last 20, then lets one call
/// through after 30 s, doubling to 15 min, never above the cap of all back-offs.
/// Refusals of single items do not count.
#[derive(Debug)]
pub(super) struct Breaker {
    cap: Duration,
    row: u32,
    window: VecDeque<bool>,
    opened: u32,
    until: Option<DateTime<Utc>>,
}

impl Breaker {
    pub(super) fn new(cap: Duration) -> Self {
        Self {
            cap,
            row: 0,
            window: VecDeque::with_capacity(WINDOW),
            opened: 0,
            until: None,
        }
    }

    /// A call was answered, whatever the answer said about its items.
    pub(super) fn success(&mut self) {
        self.row = 0;
        self.until = None;
        if self.opened > 0 {
            // The probe came through: what was before it says nothing any more.
            self.opened = 0;
            self.window.clear();
        }
        self.note(true);
    }

    /// A call came to nothing.
    pub(super) fn failure(&mut self, now: DateTime<Utc>) {
        self.row += 1;
        self.note(false);
        let failures = self.window.iter().filter(|fine| !**fine).count();
        let bad = self.row >= IN_A_ROW || (self.window.len() == WINDOW && failures * 2 >= WINDOW);
        if bad || self.opened > 0 {
            let pause = FIRST
                .saturating_mul(1 << self.opened.min(8))
                .min(LONGEST)
                .min(self.cap);
            self.opened += 1;
            self.window.clear();
            self.until = Some(now + pause);
        }
    }

    /// Until when to leave it alone. None: go ahead.
    pub(super) fn open_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.until.filter(|until| *until > now)
    }

    /// Whether the next call is the one that finds out: then only one at a time.
    pub(super) const fn is_probing(&self) -> bool {
        self.opened > 0
    }

    fn note(&mut self, fine: bool) {
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back(fine);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

    fn seconds(n: i64) -> DateTime<Utc> {
        NOW + TimeDelta::seconds(n)
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_thirty_seconds_then_sixty() {
        let mut breaker = Breaker::new(Duration::from_secs(300));
        for _ in 0..4 {
            breaker.failure(NOW);
        }
        assert_eq!(breaker.open_until(NOW), None);
        breaker.failure(NOW);
        assert_eq!(breaker.open_until(NOW), Some(seconds(30)));
        assert_eq!(breaker.open_until(seconds(30)), None);
        assert!(breaker.is_probing());
        breaker.failure(seconds(30));
        assert_eq!(breaker.open_until(seconds(30)), Some(seconds(90)));
    }

    #[test]
    fn half_of_the_last_twenty_opens_it_too() {
        let mut breaker = Breaker::new(Duration::from_secs(300));
        for n in 0..20 {
            assert_eq!(breaker.open_until(NOW), None, "after {n}");
            if n % 2 == 0 {
                breaker.success()
            } else {
                breaker.failure(NOW)
            }
        }
        assert!(breaker.open_until(NOW).is_some());
    }

    #[test]
    fn a_probe_that_comes_through_closes_it() {
        let mut breaker = Breaker::new(Duration::from_secs(300));
        for _ in 0..5 {
            breaker.failure(NOW);
        }
        breaker.success();
        assert!(!breaker.is_probing());
        assert_eq!(breaker.open_until(NOW), None);
    }

    #[test]
    fn its_pause_never_exceeds_the_cap_of_all_back_offs() {
        let mut breaker = Breaker::new(Duration::from_secs(2));
        for _ in 0..50 {
            breaker.failure(NOW);
            assert!(
                breaker
                    .open_until(NOW)
                    .is_none_or(|until| until <= seconds(2))
            );
        }
    }
}
