//! The only place that reads a clock, and the only one that waits.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Time as the engine sees it. Tests give it one of their own.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> DateTime<Utc>;

    /// Returns after `wait`. Cancel safe.
    async fn sleep(&self, wait: Duration);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[allow(clippy::disallowed_methods, reason = "this is the Clock")]
        Utc::now()
    }

    async fn sleep(&self, wait: Duration) {
        #[allow(clippy::disallowed_methods, reason = "this is the Clock")]
        tokio::time::sleep(wait).await;
    }
}
