//! Providers of texts and mails that write down what they were given.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use odx_core::effect::Receipt;
use odx_core::model::{Channel, Email, Phone};
use odx_core::outreach::{Attempt, Message, MessageGateway, Purpose, SendError};
use odx_core::sink::{Suppression, SuppressionPage, Target};
use odx_core::source::{Cursor, Probe};
use odx_core::{Error, ErrorKind, Result, SinkId};
use tokio::sync::Notify;

/// A message as a provider took it.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) key: String,
    pub(crate) purpose: Purpose,
    pub(crate) channel: Channel,
    pub(crate) to: String,
    pub(crate) text: String,
}

/// How a provider fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// No connection.
    Down,
    /// It is taken, and the answer is a 500.
    FailedAfter,
    /// It is taken, and the answer is lost.
    Lost,
    /// It is not taken, and nobody hears of that.
    LostBefore,
    /// As `Lost`, and the provider cannot be asked.
    Gone,
    /// As `LostBefore`, and the provider cannot be asked.
    GoneBefore,
    /// The process ends while it is being taken.
    Ends,
    /// The process ends before it is taken.
    EndsBefore,
}

#[derive(Debug, Default)]
struct Inner {
    taken: Vec<Taken>,
    never: Vec<Taken>,
    /// Since somebody looked.
    news: usize,
    stops: BTreeSet<String>,
    rng: Option<fastrand::Rng>,
    script: VecDeque<Fault>,
    /// Keys of which no answer can be had.
    dark: BTreeSet<String>,
    /// Keys that were tried.
    /// This is a day's first run.
    first: bool,
    faults: BTreeMap<&'static str, u64>,
    requests: u64,
}

#[derive(Debug)]
pub(crate) struct Recorder {
    id: SinkId,
    channel: Channel,
    inner: Mutex<Inner>,
    /// Where the end of the process is told.
    ends: Arc<Notify>,
}

impl Recorder {
    pub(crate) fn new(kind: &str, channel: Channel, ends: Arc<Notify>) -> Self {
        Self {
            id: SinkId::new(kind, "main-st").unwrap(),
            channel,
            inner: Mutex::default(),
            ends,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails so, one message each.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        let mut inner = self.lock();
        inner.first = true;
        inner.script.extend(faults);
    }

    /// Fails at random from now on, or no more.
    pub(crate) fn fail(&self, seed: Option<u64>, first: bool) {
        let mut inner = self.lock();
        inner.rng = seed.map(fastrand::Rng::with_seed);
        inner.first = first;
    }

    pub(crate) fn stop(&self, address: &str) {
        self.lock().stops.insert(address.to_owned());
    }

    pub(crate) fn start(&self, address: &str) {
        self.lock().stops.remove(address);
    }

    fn take(&self, message: &Message) -> Fault {
        let mut inner = self.lock();
        inner.requests += 1;
        let mut fault = inner.fault();
        let key = message.key.as_str().to_owned();
        // What came to nothing twice in doubt, by a lost request or because the process
        // ended, is given up: so only the first run has that.
        let first = [Fault::LostBefore, Fault::Ends, Fault::EndsBefore];
        // A review request that may have been sent is not repeated, even where it turns out
        // that it was not; whom that lets be asked instead, SQL does not know. See `found`.
        let review = inner.rng.is_some()
            && message.purpose == Purpose::Review
            && matches!(fault, Fault::LostBefore | Fault::EndsBefore);
        if review || (first.contains(&fault) && !inner.first) {
            fault = Fault::Down;
        }
        if matches!(fault, Fault::Gone | Fault::GoneBefore) {
            inner.dark.insert(key.clone());
        }
        let taken = Taken {
            key,
            purpose: message.purpose,
            channel: message.to.channel(),
            to: message.to.text().expose().clone(),
            text: message.text.expose().clone(),
        };
        match fault {
            Fault::GoneBefore => inner.never.push(taken),
            Fault::Down | Fault::LostBefore | Fault::EndsBefore => {}
            _ => inner.taken.push(taken),
        }
        fault
    }

    /// What was not taken, and nobody can know.
    pub(crate) fn never(&self) -> Vec<Taken> {
        std::mem::take(&mut self.lock().never)
    }

    /// What was taken since the last time.
    pub(crate) fn news(&self) -> Vec<Taken> {
        let mut inner = self.lock();
        let all = inner.taken.len();
        let from = std::mem::replace(&mut inner.news, all);
        inner.taken[from..].to_vec()
    }

    /// How often it failed, and how.
    pub(crate) fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.lock().faults.clone()
    }
}

impl Inner {
    fn fault(&mut self) -> Fault {
        if let Some(fault) = self.script.pop_front() {
            return fault;
        }
        let Some(rng) = &mut self.rng else {
            return Fault::None;
        };
        let (fault, name) = match rng.u32(0..100) {
            0..10 => (Fault::Down, "down"),
            10..16 => (Fault::FailedAfter, "500 after it was taken"),
            16..22 => (Fault::Lost, "answer lost"),
            22..27 => (Fault::LostBefore, "request lost"),
            27..29 => (Fault::Gone, "taken, in doubt for ever"),
            29..31 => (Fault::GoneBefore, "not taken, in doubt for ever"),
            31..34 => (Fault::Ends, "process ended after it was taken"),
            34..37 => (Fault::EndsBefore, "process ended before it was taken"),
            _ => return Fault::None,
        };
        *self.faults.entry(name).or_default() += 1;
        fault
    }
}

fn down(what: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, what)
}

#[async_trait]
impl MessageGateway for Recorder {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn sender(&self) -> &str {
        match self.channel {
            Channel::Sms => "+12125550100",
            _ => "office@mail.test-practice.com",
        }
    }

    fn channel(&self) -> Channel {
        self.channel
    }

    async fn probe(&self) -> Result<Probe> {
        Ok(Probe::default())
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let key = message.key.as_str().to_owned();
        let fault = self.take(message);
        match fault {
            Fault::None => Ok(Receipt::of(key)),
            Fault::Down => Err(SendError::NotSent(down("no connection"))),
            Fault::FailedAfter => Err(SendError::InDoubt(down("500"))),
            Fault::Ends | Fault::EndsBefore => {
                self.ends.notify_one();
                std::future::pending().await
            }
            Fault::Lost | Fault::LostBefore | Fault::Gone | Fault::GoneBefore => {
                Err(SendError::InDoubt(down("no answer in time")))
            }
        }
    }

    async fn find(&self, attempt: &Attempt) -> Result<Option<Receipt>> {
        let inner = self.lock();
        let key = attempt.key.as_str();
        if inner.dark.contains(key) {
            return Err(Error::new(ErrorKind::Config, "it cannot be asked"));
        }
        let there = inner.taken.iter().any(|taken| taken.key == key);
        Ok(there.then(|| Receipt::of(key)))
    }

    fn settles_within(&self) -> Duration {
        Duration::from_secs(5)
    }

    async fn suppressions(&self, _since: Option<Cursor>) -> Result<SuppressionPage> {
        let stop = |address: &String| Suppression {
            target: match self.channel {
                Channel::Sms => Target::Phone(Phone::parse(address).unwrap()),
                _ => Target::Email(Email::parse(address).unwrap()),
            },
            channel: Some(self.channel),
            reason: match self.channel {
                Channel::Sms => "keyword_stop".to_owned(),
                _ => "unsubscribed".to_owned(),
            },
        };
        Ok(SuppressionPage {
            listed: true,
            stops: self.lock().stops.iter().map(stop).collect(),
            ..SuppressionPage::default()
        })
    }

    fn requests(&self) -> u64 {
        self.lock().requests
    }
}
