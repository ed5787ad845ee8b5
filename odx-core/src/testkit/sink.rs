use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::crm::{Body, Contact, Delivery, Task};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ExternalId, IdScheme, SinkId};
use crate::sink::{Account, CrmSink, Outcome, SinkLimits, Suppression, SuppressionPage};
use crate::source::{Cursor, Probe};

/// How the next calls fail.
#[derive(Debug, Clone)]
pub enum SinkFault {
    /// This call works.
    None,
    /// No connection, nothing happened.
    Down,
    /// It happened, but the answer was lost.
    Lost,
    /// Asked for a slower pace.
    SlowDown(Option<Duration>),
    /// Every op: not now.
    NotNow,
    /// The token is refused.
    BadToken,
    /// Every op: never.
    Refuse,
}

/// A CRM in memory: one record per external id, as it was last told.
#[derive(Debug)]
pub struct MemorySink {
    id: SinkId,
    account: Account,
    limits: SinkLimits,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    contacts: BTreeMap<ExternalId, Contact>,
    tasks: BTreeMap<ExternalId, Task>,
    keys: BTreeSet<String>,
    writes: u64,
    rewrites: u64,
    calls: u64,
    refused: BTreeSet<ExternalId>,
    faults: VecDeque<SinkFault>,
    stops: Vec<Suppression>,
    log: Vec<ExternalId>,
}

impl MemorySink {
    /// An empty CRM that takes `batch` ops at a time, one call at a time.
    pub fn new(id: SinkId, batch: NonZeroUsize) -> Self {
        let account = Account {
            name: format!("memory {id}"),
            scheme: IdScheme::Scoped,
        };
        Self {
            id,
            account,
            limits: SinkLimits::new(batch, NonZeroUsize::MIN),
            inner: Mutex::default(),
        }
    }

    /// Sets the account.
    #[must_use]
    pub fn with_account(mut self, account: Account) -> Self {
        self.account = account;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the failures that were still to come.
    pub fn recover(&self) {
        self.lock().faults.clear();
    }

    /// Fails the next calls, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = SinkFault>) {
        self.lock().faults.extend(faults);
    }

    /// Refuses this record until told otherwise.
    pub fn refuse(&self, id: &ExternalId, refused: bool) {
        let mut inner = self.lock();
        if refused {
            inner.refused.insert(id.clone());
        } else {
            inner.refused.remove(id);
        }
    }

    /// Sets the list of stops.
    pub fn set_stops(&self, stops: Vec<Suppression>) {
        self.lock().stops = stops;
    }

    /// The contacts, as they were last told.
    pub fn contacts(&self) -> BTreeMap<ExternalId, Contact> {
        self.lock().contacts.clone()
    }

    /// The tasks, as they were last told.
    pub fn tasks(&self) -> BTreeMap<ExternalId, Task> {
        self.lock().tasks.clone()
    }

    /// Writes that took effect, and how many of them changed nothing.
    pub fn writes(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.writes, inner.rewrites)
    }

    /// The records in the order they were written.
    pub fn log(&self) -> Vec<ExternalId> {
        self.lock().log.clone()
    }
}

impl Inner {
    fn write(&mut self, delivery: &Delivery) -> Outcome {
        let id = delivery.op.external_id();
        if self.refused.contains(id) {
            return Outcome::Rejected {
                reason: "422: refused".to_owned(),
            };
        }
        if let Some(contact) = delivery.op.depends_on()
            && !self.contacts.contains_key(contact)
        {
            return Outcome::Rejected {
                reason: "422: unknown contact".to_owned(),
            };
        }
        self.writes += 1;
        self.log.push(id.clone());
        let same = match &delivery.op.body {
            Body::Contact(contact) => {
                self.contacts.insert(id.clone(), contact.clone()).as_ref() == Some(contact)
            }
            Body::Task(task) => self.tasks.insert(id.clone(), task.clone()).as_ref() == Some(task),
        };
        if same
            || !self
                .keys
                .insert(delivery.idempotency_key.as_str().to_owned())
        {
            self.rewrites += 1;
        }
        Outcome::Applied { remote_id: None }
    }
}

#[async_trait]
impl CrmSink for MemorySink {
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
        Ok(Probe::default())
    }

    async fn apply(&self, batch: &[Delivery]) -> Result<Vec<Outcome>> {
        let mut inner = self.lock();
        inner.calls += 1;
        let outcomes =
            |inner: &mut Inner| batch.iter().map(|delivery| inner.write(delivery)).collect();
        match inner.faults.pop_front() {
            None | Some(SinkFault::None) => Ok(outcomes(&mut inner)),
            Some(SinkFault::Down) => Err(Error::new(ErrorKind::Unavailable, "no connection")),
            Some(SinkFault::Lost) => {
                let _: Vec<Outcome> = outcomes(&mut inner);
                Err(Error::new(ErrorKind::Unavailable, "no answer in time"))
            }
            Some(SinkFault::SlowDown(after)) => {
                Err(Error::new(ErrorKind::RateLimited, "slow down").with_after(after))
            }
            Some(SinkFault::NotNow) => Ok(batch
                .iter()
                .map(|_| Outcome::Retry {
                    after: None,
                    reason: "503".to_owned(),
                })
                .collect()),
            Some(SinkFault::BadToken) => {
                Err(Error::new(ErrorKind::Credentials, "the token is refused"))
            }
            Some(SinkFault::Refuse) => Ok(batch
                .iter()
                .map(|_| Outcome::Rejected {
                    reason: "422: refused".to_owned(),
                })
                .collect()),
        }
    }

    async fn suppressions(&self, _since: Option<Cursor>) -> Result<SuppressionPage> {
        Ok(SuppressionPage {
            stops: self.lock().stops.clone(),
            ..SuppressionPage::default()
        })
    }

    fn requests(&self) -> u64 {
        self.lock().calls
    }
}
