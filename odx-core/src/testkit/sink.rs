use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::crm::{Body, Contact, Delivery, Intent, Task};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ExternalId, IdScheme, SinkId};
use crate::sink::{Account, CrmSink, Outcome, SinkLimits, Suppression, SuppressionPage};
use crate::source::{Cursor, Probe};

/// How a call fails.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SinkFault {
    /// This call works.
    None,
    /// No connection, nothing happened.
    Down,
    /// The connection ended without an answer. Nothing happened.
    ResetBefore,
    /// It happened, but the answer was lost.
    Lost,
    /// An error of the CRM's own (5xx). Nothing happened.
    Failed,
    /// It happened, and the answer is an error of the CRM's own (5xx).
    FailedAfter,
    /// It happened; half of the answer arrives.
    Cut,
    /// An answer that is none, such as a login page with status 200. Nothing happened.
    Garbage,
    /// The first half of the batch happened, and the answer speaks of that half only.
    Half,
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
    key_log: Vec<(ExternalId, String)>,
    writes: u64,
    rewrites: u64,
    calls: u64,
    refused: BTreeSet<ExternalId>,
    postponed: BTreeSet<ExternalId>,
    faults: VecDeque<SinkFault>,
    stops: Vec<Suppression>,
    no_list: bool,
    list_faults: u32,
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

    /// Does not take the next write of this record now.
    pub fn postpone(&self, id: &ExternalId) {
        self.lock().postponed.insert(id.clone());
    }

    /// Somebody deletes this record in the CRM.
    pub fn forget(&self, id: &ExternalId) {
        let mut inner = self.lock();
        inner.contacts.remove(id);
        inner.tasks.remove(id);
    }

    /// The idempotency keys that arrived, with their records, in order.
    pub fn keys(&self) -> Vec<(ExternalId, String)> {
        self.lock().key_log.clone()
    }

    /// Sets the list of stops.
    pub fn set_stops(&self, stops: Vec<Suppression>) {
        self.lock().stops = stops;
    }

    /// Puts one more stop on its list.
    pub fn stop(&self, stop: Suppression) {
        self.lock().stops.push(stop);
    }

    /// Keeps no list of stops any more.
    pub fn keep_no_list(&self) {
        self.lock().no_list = true;
    }

    /// Cannot show its list of stops so many times.
    pub fn fail_list(&self, times: u32) {
        self.lock().list_faults = times;
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
        let key = delivery.idempotency_key.as_str();
        self.key_log.push((id.clone(), key.to_owned()));
        if self.postponed.remove(id) {
            return not_now();
        }
        if self.refused.contains(id) {
            return Outcome::Rejected {
                reason: "422: refused".to_owned(),
            };
        }
        let there = self.contacts.contains_key(id) || self.tasks.contains_key(id);
        if delivery.op.intent == Intent::Retire && !there {
            return Outcome::Applied { remote_id: None };
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
        if same || !self.keys.insert(key.to_owned()) {
            self.rewrites += 1;
        }
        Outcome::Applied { remote_id: None }
    }

    fn write_all(&mut self, batch: &[Delivery]) -> Vec<Outcome> {
        batch.iter().map(|delivery| self.write(delivery)).collect()
    }
}

fn not_now() -> Outcome {
    Outcome::Retry {
        after: None,
        reason: "503".to_owned(),
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
        let down = |why: &'static str| Err(Error::new(ErrorKind::Unavailable, why));
        let fault = inner.faults.pop_front().unwrap_or(SinkFault::None);
        match fault {
            SinkFault::None => Ok(inner.write_all(batch)),
            SinkFault::Down => down("no connection"),
            SinkFault::ResetBefore => down("the connection ended"),
            SinkFault::Failed => down("500"),
            SinkFault::Lost => {
                inner.write_all(batch);
                down("no answer in time")
            }
            SinkFault::FailedAfter => {
                inner.write_all(batch);
                down("502")
            }
            SinkFault::Cut => {
                inner.write_all(batch);
                Err(Error::new(ErrorKind::Protocol, "the answer was cut"))
            }
            SinkFault::Garbage => Err(Error::new(ErrorKind::Protocol, "no answer of a crm")),
            SinkFault::Half => {
                let (first, second) = batch.split_at(batch.len() / 2);
                let mut outcomes = inner.write_all(first);
                outcomes.extend(second.iter().map(|_| not_now()));
                Ok(outcomes)
            }
            SinkFault::SlowDown(after) => {
                Err(Error::new(ErrorKind::RateLimited, "slow down").with_after(after))
            }
            SinkFault::NotNow => Ok(batch.iter().map(|_| not_now()).collect()),
            SinkFault::BadToken => Err(Error::new(ErrorKind::Credentials, "the token is refused")),
            SinkFault::Refuse => Ok(batch
                .iter()
                .map(|_| Outcome::Rejected {
                    reason: "422: refused".to_owned(),
                })
                .collect()),
        }
    }

    async fn suppressions(&self, _since: Option<Cursor>) -> Result<SuppressionPage> {
        let mut inner = self.lock();
        if inner.list_faults > 0 {
            inner.list_faults -= 1;
            let why = "the list of stops cannot be shown";
            return Err(Error::new(ErrorKind::Unavailable, why));
        }
        Ok(SuppressionPage {
            listed: !inner.no_list,
            stops: inner.stops.clone(),
            ..SuppressionPage::default()
        })
    }

    fn requests(&self) -> u64 {
        self.lock().calls
    }
}
