//! A sink that only takes notes.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use odx_core::crm::{Delivery, Op};
use odx_core::sink::{Account, CrmSink, Outcome, SinkLimits, SuppressionPage};
use odx_core::source::{Cursor, Probe};
use odx_core::{IdScheme, Result, SinkId};

/// Applies nothing, says that it did, and remembers what it was told: for dry
/// runs and tests. What it remembers holds patient data.
pub struct RecordingSink {
    id: SinkId,
    account: Account,
    limits: SinkLimits,
    told: Mutex<Vec<Op>>,
}

/// As many records in one call as a batch may hold anywhere.
const HUNDRED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);

impl RecordingSink {
    /// A sink of this name, with an account of its own.
    pub fn new(id: SinkId) -> Self {
        let account = Account {
            name: format!("recording:{id}"),
            scheme: IdScheme::default(),
        };
        Self {
            id,
            account,
            limits: SinkLimits::new(HUNDRED, NonZeroUsize::MIN),
            told: Mutex::default(),
        }
    }

    /// A sink that looks like this one to whoever feeds it.
    pub fn in_place_of(sink: &dyn CrmSink) -> Self {
        Self {
            id: sink.id().clone(),
            account: sink.account(),
            limits: sink.limits(),
            told: Mutex::default(),
        }
    }

    /// Sets how it likes to be fed.
    #[must_use]
    pub const fn with_limits(mut self, limits: SinkLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What it was told so far, in order.
    pub fn applied(&self) -> Vec<Op> {
        self.told().clone()
    }

    fn told(&self) -> MutexGuard<'_, Vec<Op>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RecordingSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingSink")
            .field("id", &self.id)
            .field("applied", &self.told().len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl CrmSink for RecordingSink {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn account(&self) -> Account {
        self.account.clone()
    }

    fn limits(&self) -> SinkLimits {
        self.limits
    }

    async fn probe(&self) -> Result<Probe> {
        Ok(Probe::new(vec!["recording: nothing is sent".to_owned()]))
    }

    async fn apply(&self, batch: &[Delivery]) -> Result<Vec<Outcome>> {
        self.told()
            .extend(batch.iter().map(|delivery| delivery.op.clone()));
        Ok(vec![Outcome::Applied { remote_id: None }; batch.len()])
    }

    async fn suppressions(&self, _since: Option<Cursor>) -> Result<SuppressionPage> {
        Ok(SuppressionPage::default())
    }
}
