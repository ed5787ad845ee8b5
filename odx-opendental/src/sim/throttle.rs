//! One request per interval and customer key.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When the last request was let in, on either clock.
#[derive(Default)]
pub(crate) struct Gate {
    next: Mutex<Next>,
}

#[derive(Default)]
struct Next {
    on_virtual: Duration,
    on_real: Option<Instant>,
}

impl Gate {
    /// How long this request is early, by the office's clock. Lets it in, or
    /// queues it when `hold`.
    // apiimplementation, Throttling: the interval includes the run time of the
    // request, so it is measured from start to start.
    pub(crate) fn on_virtual(&self, elapsed: Duration, interval: Duration, hold: bool) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let early = next.on_virtual.saturating_sub(elapsed);
        if early.is_zero() || hold {
            next.on_virtual = next.on_virtual.max(elapsed) + interval;
        }
        early
    }

    /// The same in real time.
    pub(crate) fn on_real(&self, interval: Duration, hold: bool) -> Duration {
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = next.on_real.unwrap_or(now);
        let early = due.saturating_duration_since(now);
        if early.is_zero() || hold {
            next.on_real = Some(due.max(now) + interval);
        }
        early
    }
}
