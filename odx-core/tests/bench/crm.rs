//! A CRM that fails on demand, remembers idempotency keys as real ones do, and
//! notes every write that breaks a promise.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use odx_core::clock::Clock;
use odx_core::crm::{Body, Contact, Delivery, Intent, Task, TaskStatus};
use odx_core::model::{Channel, ConsentState};
use odx_core::sink::{Account, CrmSink, Outcome, SinkLimits, Suppression, SuppressionPage, Target};
use odx_core::source::{Cursor, Probe};
use odx_core::{ContentHash, Error, ErrorKind, ExternalId, IdScheme, Result, SinkId};

/// How a call goes.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Fine,
    /// No connection: nothing happened.
    Down,
    /// So many of the batch took effect, and no answer came.
    Lost(usize),
    /// It took effect, and no answer ever comes.
    Hang,
    SlowDown(Option<Duration>),
    /// Every op: not now.
    NotNow,
    /// Every op: never.
    Refuse,
    /// The call itself: never.
    RefuseCall,
    BadToken,
}

/// A write that took effect.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) id: ExternalId,
    pub(crate) body: Body,
}

/// What the practice said of a record at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// What a write must show to be of this time.
    pub(crate) content: String,
    /// Texts were allowed.
    pub(crate) yes: bool,
}

#[derive(Debug)]
pub(crate) struct Crm {
    id: SinkId,
    account: Account,
    office: String,
    batch: NonZeroUsize,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    contacts: BTreeMap<ExternalId, Contact>,
    tasks: BTreeMap<ExternalId, Task>,
    keys: BTreeMap<String, ContentHash>,
    writes: Vec<Write>,
    calls: Vec<DateTime<Utc>>,
    list_reads: u64,
    faults: VecDeque<Fault>,
    refused: BTreeSet<ExternalId>,
    stops: Vec<Suppression>,
    ever_stopped: Vec<Suppression>,
    halted: bool,
    history: BTreeMap<ExternalId, Vec<Said>>,
    reached: BTreeMap<ExternalId, usize>,
    /// Records that the practice has given a reason to close, ever.
    closable: BTreeSet<ExternalId>,
    wrong: Vec<String>,
}

/// What a write of this contact shows of the practice's row.
pub(crate) fn shows(contact: &Contact) -> String {
    let household = contact
        .household_external_id
        .as_ref()
        .map_or("", ExternalId::as_str);
    format!("{} in {household}", contact.first_name.expose())
}

impl Crm {
    pub(crate) fn new(office: &str, batch: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            id: SinkId::new("crm", office).unwrap(),
            account: Account {
                name: format!("account of {office}"),
                scheme: IdScheme::Scoped,
            },
            office: office.to_owned(),
            batch: NonZeroUsize::new(batch).unwrap(),
            clock,
            inner: Mutex::default(),
        }
    }

    pub(crate) fn with_account(mut self, account: Account) -> Self {
        self.account = account;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().faults.extend(faults);
    }

    /// Forgets the failures that were still to come.
    pub(crate) fn forget_faults(&self) {
        self.lock().faults.clear();
    }

    pub(crate) fn recover(&self) {
        let mut inner = self.lock();
        inner.faults.clear();
        inner.refused.clear();
    }

    pub(crate) fn refuse(&self, id: &ExternalId) {
        self.lock().refused.insert(id.clone());
    }

    /// Replaces the list of stops. What it held before was said all the same.
    pub(crate) fn set_stops(&self, stops: Vec<Suppression>) {
        let mut inner = self.lock();
        inner.ever_stopped.extend(stops.clone());
        inner.stops = stops;
    }

    pub(crate) fn stops(&self) -> Vec<Suppression> {
        self.lock().stops.clone()
    }

    pub(crate) fn ever_stopped(&self) -> Vec<Suppression> {
        self.lock().ever_stopped.clone()
    }

    pub(crate) fn contacts(&self) -> BTreeMap<ExternalId, Contact> {
        self.lock().contacts.clone()
    }

    pub(crate) fn tasks(&self) -> BTreeMap<ExternalId, Task> {
        self.lock().tasks.clone()
    }

    pub(crate) fn writes(&self) -> Vec<Write> {
        self.lock().writes.clone()
    }

    /// When it was called, by the engine's clock.
    pub(crate) fn calls(&self) -> Vec<DateTime<Utc>> {
        self.lock().calls.clone()
    }

    pub(crate) fn list_reads(&self) -> u64 {
        self.lock().list_reads
    }

    /// Promises that were broken.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.lock().wrong.clone()
    }

    /// A run begins: what halted the last one may have been mended.
    pub(crate) fn next_run(&self) {
        self.lock().halted = false;
    }

    /// The practice says this now. From the first time on, writes are compared
    /// with what was said.
    pub(crate) fn said(&self, id: ExternalId, content: String, yes: bool) {
        let said = Said { content, yes };
        let mut inner = self.lock();
        let list = inner.history.entry(id).or_default();
        if list.last() != Some(&said) {
            list.push(said);
        }
    }

    pub(crate) fn may_close(&self, id: ExternalId) {
        self.lock().closable.insert(id);
    }
}

impl Inner {
    fn note(&mut self, wrong: String) {
        if self.wrong.len() < 20 {
            self.wrong.push(wrong);
        }
    }

    /// Takes a write and judges it.
    fn write(&mut self, delivery: &Delivery, office: &str) {
        let id = delivery.op.external_id().clone();
        let key = delivery.idempotency_key.as_str().to_owned();
        match self.keys.get(&key) {
            // It has seen this very change, and takes it for a repeat.
            Some(hash) if *hash == delivery.hash => return,
            Some(_) => self.note(format!("D5: {id}: one key for two contents")),
            None => {}
        }
        self.keys.insert(key, delivery.hash);
        let mine = id.as_str().starts_with(&format!("t:{office}:"))
            || id.as_str().starts_with(&format!("trecall:{office}:"));
        if !mine {
            self.note(format!("S1: {id} was written to {office}"));
        }
        match &delivery.op.body {
            Body::Contact(contact) => {
                if contact.office_id != office || !contact.last_name.expose().starts_with(office) {
                    self.note(format!(
                        "S1: {id} of another office was written to {office}"
                    ));
                }
                self.judge_contact(&id, contact, delivery.op.intent);
                self.contacts.insert(id.clone(), contact.clone());
            }
            Body::Task(task) => {
                if !self.contacts.contains_key(&task.contact_external_id) {
                    self.note(format!("rule 4: {id} came before its contact"));
                }
                self.judge_task(&id, task);
                self.tasks.insert(id.clone(), task.clone());
            }
        }
        self.writes.push(Write {
            id,
            body: delivery.op.body.clone(),
        });
    }

    fn judge_contact(&mut self, id: &ExternalId, contact: &Contact, intent: Intent) {
        let granted = contact.consent.sms == ConsentState::Granted;
        let stopped = self.ever_stopped.iter().any(|stop| {
            stop.channel.is_none_or(|channel| channel == Channel::Sms)
                && match &stop.target {
                    Target::Phone(phone) => contact.phone.as_ref() == Some(phone.e164()),
                    Target::Contact(stopped) => stopped == id,
                    Target::Email(_) => false,
                }
        });
        if granted && stopped {
            self.note(format!("S12: {id} may be texted after a stop"));
        }
        if intent == Intent::Retire && !self.history.is_empty() && !self.closable.contains(id) {
            self.note(format!("rule 6: {id} was closed without a reason"));
        }
        let content = shows(contact);
        self.place(id, &content, granted);
    }

    fn judge_task(&mut self, id: &ExternalId, task: &Task) {
        if task.status == TaskStatus::Open {
            self.place(id, &task.due_date.to_string(), false);
        } else if !self.history.is_empty() && !self.closable.contains(id) {
            self.note(format!("rule 6: {id} was closed without a reason"));
        }
    }

    /// Finds the earliest time the write can be of. There must be one, and it
    /// must not lie before that of the write before.
    fn place(&mut self, id: &ExternalId, content: &str, granted: bool) {
        let Some(history) = self.history.get(id) else {
            return;
        };
        let reached = self.reached.get(id).copied().unwrap_or_default();
        let mut later = history.iter().enumerate().skip(reached);
        let found = later.find(|(_, said)| said.content == content && (said.yes || !granted));
        match found.map(|(n, _)| n) {
            Some(n) => {
                self.reached.insert(id.clone(), n);
            }
            None if history
                .iter()
                .skip(reached)
                .any(|said| said.content == content) =>
            {
                self.note(format!("S12: {id} may be texted and nobody said so"));
            }
            None => self.note(format!("D3: {id}: an older state after a newer one")),
        }
    }

    fn answer(&mut self, delivery: &Delivery, office: &str) -> Outcome {
        let missing = delivery
            .op
            .depends_on()
            .is_some_and(|contact| !self.contacts.contains_key(contact));
        if self.refused.contains(delivery.op.external_id()) || missing {
            if missing {
                let id = delivery.op.external_id();
                self.note(format!("rule 4: {id} came before its contact"));
            }
            return Outcome::Rejected {
                reason: "422: refused".to_owned(),
            };
        }
        self.write(delivery, office);
        Outcome::Applied { remote_id: None }
    }
}

#[async_trait]
impl CrmSink for Crm {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn account(&self) -> Account {
        self.account.clone()
    }

    fn limits(&self) -> SinkLimits {
        SinkLimits::new(self.batch, NonZeroUsize::MIN)
    }

    async fn probe(&self) -> Result<Probe> {
        Ok(Probe::default())
    }

    async fn apply(&self, batch: &[Delivery]) -> Result<Vec<Outcome>> {
        let answer = {
            let mut inner = self.lock();
            inner.calls.push(self.clock.now());
            if inner.halted {
                inner.note("rule 11: called again although a person must act first".to_owned());
            }
            if batch.is_empty() || batch.len() > self.batch.get() {
                inner.note(format!("the batch has {} ops", batch.len()));
            }
            let each = |outcome: Outcome| Ok(batch.iter().map(|_| outcome.clone()).collect());
            match inner.faults.pop_front().unwrap_or(Fault::Fine) {
                Fault::Fine => Some(Ok(batch
                    .iter()
                    .map(|delivery| inner.answer(delivery, &self.office))
                    .collect())),
                Fault::Down => Some(Err(Error::new(ErrorKind::Unavailable, "no connection"))),
                Fault::Lost(part) => {
                    for delivery in batch.iter().take(part) {
                        drop(inner.answer(delivery, &self.office));
                    }
                    Some(Err(Error::new(ErrorKind::Unavailable, "no answer in time")))
                }
                Fault::Hang => {
                    for delivery in batch {
                        drop(inner.answer(delivery, &self.office));
                    }
                    None
                }
                Fault::SlowDown(after) => {
                    Some(Err(
                        Error::new(ErrorKind::RateLimited, "slow down").with_after(after)
                    ))
                }
                Fault::NotNow => Some(each(Outcome::Retry {
                    after: None,
                    reason: "503: not now".to_owned(),
                })),
                Fault::Refuse => Some(each(Outcome::Rejected {
                    reason: "422: refused".to_owned(),
                })),
                Fault::RefuseCall => Some(Err(Error::new(ErrorKind::Refused, "413: too large"))),
                Fault::BadToken => {
                    inner.halted = true;
                    Some(Err(Error::new(
                        ErrorKind::Credentials,
                        "the token is refused",
                    )))
                }
            }
        };
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn suppressions(&self, _since: Option<Cursor>) -> Result<SuppressionPage> {
        let mut inner = self.lock();
        inner.list_reads += 1;
        Ok(SuppressionPage {
            listed: true,
            stops: inner.stops.clone(),
            ..SuppressionPage::default()
        })
    }

    fn requests(&self) -> u64 {
        u64::try_from(self.lock().calls.len()).unwrap_or(u64::MAX)
    }
}

/// An empty CRM of the same office.
pub(crate) fn fresh_like(crm: &Crm) -> Arc<Crm> {
    Arc::new(Crm::new(&crm.office, 7, Arc::clone(&crm.clock)))
}
