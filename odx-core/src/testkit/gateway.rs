use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::effect::Receipt;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::IdempotencyKey;
use crate::id::SinkId;
use crate::model::Channel;
use crate::outreach::{Address, Attempt, Message, MessageGateway, Purpose, SendError};
use crate::sink::{Suppression, SuppressionPage, Target};
use crate::source::{Cursor, Probe};

/// How sending fails.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayFault {
    /// This one works.
    None,
    /// No connection, nothing was sent.
    Down,
    /// It was sent, but the answer was lost.
    Lost,
    /// Nothing was sent, and nobody can tell.
    LostBefore,
    /// Asked for a slower pace.
    SlowDown,
    /// The account may not send.
    BadAccount,
    /// The address will never be taken.
    Refuse,
}

/// A message as it went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Which occurrence.
    pub key: IdempotencyKey,
    /// What for.
    pub purpose: Purpose,
    /// To which number or mailbox.
    pub to: String,
    /// The words.
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
    /// How long it might still be delivered.
    pub valid_for: Option<Duration>,
}

/// A provider of messages in memory, which keeps what it sent.
#[derive(Debug)]
pub struct MemoryGateway {
    id: SinkId,
    channel: Channel,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sent: Vec<Sent>,
    faults: VecDeque<GatewayFault>,
    stops: BTreeMap<String, Suppression>,
    listed: Vec<Suppression>,
    refused: BTreeSet<String>,
    blind: bool,
    passed_on: Vec<String>,
    calls: u64,
}

impl MemoryGateway {
    /// One that sends by this channel.
    pub fn new(id: SinkId, channel: Channel, clock: Arc<dyn Clock>) -> Self {
        Self {
            id,
            channel,
            clock,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What went out, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.lock().sent.clone()
    }

    /// Fails the next sends, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = GatewayFault>) {
        self.lock().faults.extend(faults);
    }

    /// Forgets the failures that were still to come.
    pub fn recover(&self) {
        self.lock().faults.clear();
    }

    /// Refuses this address for good.
    pub fn refuse(&self, to: &str) {
        self.lock().refused.insert(to.to_owned());
    }

    /// Puts an address on the list of stops that it shows. It does not take them
    /// any more.
    pub fn stop(&self, target: Target, reason: &str) {
        let name = match &target {
            Target::Phone(phone) => phone.e164().expose().clone(),
            Target::Email(email) => email.address().expose().clone(),
            Target::Contact(id) => id.to_string(),
        };
        let stop = Suppression {
            target,
            channel: Some(self.channel),
            reason: reason.to_owned(),
        };
        self.lock().stops.insert(name, stop);
    }

    /// Shows an address on its list of stops, and takes it all the same.
    pub fn list(&self, target: Target, reason: &str) {
        let stop = Suppression {
            target,
            channel: Some(self.channel),
            reason: reason.to_owned(),
        };
        self.lock().listed.push(stop);
    }

    /// Takes an address from its list.
    pub fn unstop(&self, to: &str) {
        self.lock().stops.remove(to);
    }

    /// Stops that it was told of, in order.
    pub fn passed_on(&self) -> Vec<String> {
        self.lock().passed_on.clone()
    }

    /// Cannot be asked any more what became of an attempt.
    pub fn blind(&self, blind: bool) {
        self.lock().blind = blind;
    }
}

#[async_trait]
impl MessageGateway for MemoryGateway {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn sender(&self) -> &str {
        self.id.as_str()
    }

    fn channel(&self) -> Channel {
        self.channel
    }

    async fn probe(&self) -> Result<Probe> {
        Ok(Probe::default())
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let mut inner = self.lock();
        inner.calls += 1;
        let to = message.to.text().expose().clone();
        let down = || Error::new(ErrorKind::Unavailable, "the provider is down");
        let fault = inner.faults.pop_front().unwrap_or(GatewayFault::None);
        match fault {
            GatewayFault::Down => return Err(SendError::NotSent(down())),
            GatewayFault::SlowDown => {
                let error = Error::new(ErrorKind::RateLimited, "the provider asked for a pause");
                return Err(SendError::NotSent(error));
            }
            GatewayFault::BadAccount => {
                let error = Error::new(ErrorKind::Permission, "the account may not send");
                return Err(SendError::Refused(error));
            }
            GatewayFault::Refuse => {
                let error = Error::new(ErrorKind::Refused, "no such address");
                return Err(SendError::Refused(error));
            }
            GatewayFault::LostBefore => return Err(SendError::InDoubt(down())),
            GatewayFault::None | GatewayFault::Lost => {}
        }
        if inner.refused.contains(&to) {
            let error = Error::new(ErrorKind::Refused, "no such address");
            return Err(SendError::Refused(error));
        }
        if let Some(stop) = inner.stops.get(&to).cloned() {
            let error = Error::new(ErrorKind::Refused, "its holder said stop");
            return Err(SendError::Suppressed { error, stop });
        }
        let at = self.clock.now();
        inner.sent.push(Sent {
            key: message.key.clone(),
            purpose: message.purpose,
            to,
            text: message.text.expose().clone(),
            at,
            valid_for: message.valid_for,
        });
        if fault == GatewayFault::Lost {
            return Err(SendError::InDoubt(down()));
        }
        Ok(Receipt::of(format!("m{}", inner.sent.len())))
    }

    async fn find(&self, attempt: &Attempt) -> Result<Option<Receipt>> {
        let mut inner = self.lock();
        inner.calls += 1;
        if inner.blind {
            return Err(Error::new(ErrorKind::Config, "it cannot be asked"));
        }
        let mut sent = inner.sent.iter().enumerate();
        let found = sent.find(|(_, sent)| sent.key == attempt.key && sent.at >= attempt.since);
        Ok(found.map(|(n, _)| Receipt::of(format!("m{}", n + 1))))
    }

    fn settles_within(&self) -> Duration {
        Duration::from_secs(120)
    }

    async fn suppressions(&self, _since: Option<Cursor>) -> Result<SuppressionPage> {
        let mut inner = self.lock();
        inner.calls += 1;
        Ok(SuppressionPage {
            listed: true,
            stops: inner.stops.values().chain(&inner.listed).cloned().collect(),
            ..SuppressionPage::default()
        })
    }

    async fn suppress(&self, address: &Address) -> Result<bool> {
        let mut inner = self.lock();
        inner.calls += 1;
        inner.passed_on.push(address.text().expose().clone());
        Ok(true)
    }

    fn requests(&self) -> u64 {
        self.lock().calls
    }
}
