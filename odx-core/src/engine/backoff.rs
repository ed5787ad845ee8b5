//! How long to wait. Adapters classify, only the engine waits.

use std::time::Duration;

use crate::error::{Disposition, Error};

/// First back-off; each further one may be twice as long.
const BASE: Duration = Duration::from_millis(500);

/// Waits with full jitter under one cap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    /// No wait is longer.
    pub(super) cap: Duration,
}

impl Backoff {
    /// That share of the bound, 0 to 1. A bound is twice the one before; a share
    /// is thrown once for those who failed together and shall come back together.
    pub(super) fn share(self, attempt: u32, share: f64) -> Duration {
        self.bound(attempt).mul_f64(share)
    }

    /// What the other side asked for, within the cap, or the own pace. An absurd
    /// request never reaches this: it is not read as one.
    pub(super) fn honour(self, after: Option<Duration>, attempt: u32) -> Duration {
        self.honour_share(after, attempt, fastrand::f64())
    }

    /// The same, at that share of the own pace.
    pub(super) fn honour_share(
        self,
        after: Option<Duration>,
        attempt: u32,
        share: f64,
    ) -> Duration {
        after.map_or_else(|| self.share(attempt, share), |after| after.min(self.cap))
    }

    /// For failures that a person must mend: the whole bound, no jitter needed,
    /// and never shorter than the base.
    pub(super) fn halted(self, attempt: u32) -> Duration {
        self.bound(attempt)
    }

    fn bound(self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(16);
        BASE.saturating_mul(1 << doublings).min(self.cap)
    }

    /// How long to leave the other side alone after this failure.
    pub(super) fn after(self, error: &Error, attempt: u32) -> Duration {
        match error.disposition() {
            Disposition::Retry { after } => self.honour(after, attempt),
            Disposition::Reject | Disposition::Halt => self.halted(attempt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_is_longer_than_the_cap_whatever_is_asked_for() {
        let backoff = Backoff {
            cap: Duration::from_secs(2),
        };
        for attempt in 0..100 {
            assert!(backoff.honour(None, attempt) <= backoff.cap);
            assert!(backoff.honour(Some(Duration::from_secs(86_400)), attempt) <= backoff.cap);
        }
    }

    #[test]
    fn jitter_is_full_so_a_crowd_does_not_come_back_at_once() {
        let backoff = Backoff {
            cap: Duration::from_secs(300),
        };
        let waits: Vec<_> = (0..200).map(|_| backoff.honour(None, 5)).collect();
        let bound = Duration::from_secs(8);
        assert!(waits.iter().all(|wait| *wait <= bound));
        assert!(waits.iter().any(|wait| *wait < bound / 4));
        assert!(waits.iter().any(|wait| *wait > bound * 3 / 4));
    }
}
