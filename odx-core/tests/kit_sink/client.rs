//! A client of that CRM, right but for what is planted in it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use odx_core::crm::{Body, Delivery, Intent, TaskStatus};
use odx_core::model::Channel;
use odx_core::sink::{Account, CrmSink, Outcome, SinkLimits, Suppression, SuppressionPage, Target};
use odx_core::source::{Cursor, Probe};
use odx_core::{
    Error, ErrorKind, ExternalId, IdScheme, IdempotencyKey, OfficeId, Phi, Result, SinkId,
};

use super::Plant;
use super::crm::{Crm, Entry, How, Item, Line, TOKEN, Trouble, id_of};

const LIMIT: usize = 4;

pub(crate) struct Client {
    id: SinkId,
    crm: Arc<Crm>,
    plant: Plant,
    requests: AtomicU64,
    memory: Mutex<Memory>,
}

/// What a faulty client remembers, and an honest one does not.
#[derive(Default)]
struct Memory {
    acknowledged: BTreeSet<ExternalId>,
    last: BTreeMap<ExternalId, Vec<u8>>,
    ever: BTreeSet<(ExternalId, Vec<u8>)>,
    on_its_way: BTreeSet<ExternalId>,
    name: String,
    scratch: Vec<Outcome>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Client");
        if self.is(Plant::SecretInDebug) {
            out.field("token", &TOKEN);
        }
        if self.is(Plant::NameInDebug) {
            out.field("last", &self.memory.lock().unwrap().name);
        }
        out.field("id", &self.id).finish_non_exhaustive()
    }
}

fn ascii(text: &str) -> String {
    text.chars().filter(char::is_ascii).collect()
}

fn applied(remote: &str) -> Outcome {
    let remote_id = (!remote.is_empty()).then(|| remote.to_owned());
    Outcome::Applied { remote_id }
}

fn rejected(reason: &str) -> Outcome {
    Outcome::Rejected {
        reason: reason.to_owned(),
    }
}

fn retry(reason: &str) -> Outcome {
    Outcome::Retry {
        after: None,
        reason: reason.to_owned(),
    }
}

impl Client {
    pub(crate) fn new(crm: Arc<Crm>, plant: Plant) -> Self {
        Self {
            id: SinkId::new("plain", "main-st").unwrap(),
            crm,
            plant,
            requests: AtomicU64::new(0),
            memory: Mutex::default(),
        }
    }

    fn is(&self, plant: Plant) -> bool {
        self.plant == plant
    }

    /// Waits for the CRM, as a client over a network does.
    async fn way(&self) {
        if !self.is(Plant::CountsNoRequests) {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
    }

    fn error(&self, trouble: &Trouble) -> Error {
        let unavailable = |text: &'static str| Error::new(ErrorKind::Unavailable, text);
        match trouble {
            Trouble::Unreached => unavailable("no connection"),
            Trouble::Reset => unavailable("the connection ended"),
            Trouble::Status(401, _) if self.is(Plant::TokenMeansLater) => unavailable("401"),
            Trouble::Status(401, _) => Error::new(ErrorKind::Credentials, "the token is refused"),
            Trouble::Status(410, _) => Error::new(ErrorKind::CursorExpired, "the cursor is gone"),
            Trouble::Status(429, _) if self.is(Plant::WaitForgotten) => {
                Error::new(ErrorKind::RateLimited, "slow down")
            }
            Trouble::Status(429, after) => {
                Error::new(ErrorKind::RateLimited, "slow down").with_after(*after)
            }
            Trouble::Status(502, _) if self.is(Plant::ErrorAfterWriteHalts) => {
                Error::new(ErrorKind::Config, "502")
            }
            Trouble::Status(..) => unavailable("the crm is in trouble"),
            Trouble::Cut => Error::new(ErrorKind::Protocol, "the answer was cut"),
            Trouble::Garbage(text) if self.is(Plant::NameInCause) => {
                Error::new(ErrorKind::Protocol, "no answer of a crm")
                    .with_cause(format!("got <p>{text}</p>"))
            }
            Trouble::Garbage(_) => Error::new(ErrorKind::Protocol, "no answer of a crm"),
        }
    }

    fn body(&self, delivery: &Delivery) -> Body {
        let mut body = delivery.op.body.clone();
        match &mut body {
            Body::Contact(contact) => match self.plant {
                Plant::NamesSwapped => {
                    std::mem::swap(&mut contact.first_name, &mut contact.last_name);
                }
                Plant::TagLost => {
                    contact.tags.pop();
                }
                Plant::MoreThanMapped => {
                    contact.timezone = Some("Europe/Zurich".to_owned());
                }
                Plant::ConsentWidened => contact.consent.sms = contact.consent.sms.max_yes(),
                Plant::NullIsNone if contact.last_name.expose() == "null" => {
                    contact.last_name = Phi::new(String::new());
                }
                Plant::OddFirstNamesLost => {
                    contact.first_name = Phi::new(ascii(contact.first_name.expose()));
                }
                Plant::OddCharactersLost => {
                    contact.last_name = Phi::new(ascii(contact.last_name.expose()));
                }
                _ => {}
            },
            Body::Task(task) => match self.plant {
                Plant::DueADayEarly => task.due_date = task.due_date.pred_opt().unwrap(),
                Plant::OddTitlesLost => task.title = ascii(&task.title),
                Plant::AlwaysOpen => task.status = TaskStatus::Open,
                _ => {}
            },
        }
        body
    }

    fn how(&self, delivery: &Delivery) -> How {
        let retire = delivery.op.intent == Intent::Retire;
        let known = |id| self.memory.lock().unwrap().acknowledged.contains(id);
        match self.plant {
            Plant::RetireDeletes if retire => How::Delete,
            Plant::RetireCreates if retire => How::Upsert,
            Plant::RetireOfNothingFails if retire => How::UpdateOrFail,
            _ if retire => How::UpdateIfThere,
            Plant::Appends => How::Create,
            Plant::RepeatCreates if !known(delivery.op.external_id()) => How::Create,
            Plant::ChangeCreates if delivery.remote_id.is_none() => How::CreateOncePerKey,
            Plant::UpdateIgnored => How::CreateIfMissing,
            Plant::UpdateMerges => How::Merge,
            Plant::KnownIsPatched if delivery.remote_id.is_some() => How::Merge,
            Plant::UpdatesTheDeleted if delivery.remote_id.is_some() => How::UpdateOrFail,
            Plant::MatchesByPhone => How::MatchByPhone,
            Plant::AdoptsByMail => How::AdoptByMail,
            _ => How::Upsert,
        }
    }

    fn key(&self, delivery: &Delivery) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let own = |id: &ExternalId, hash| {
            let office = OfficeId::new("main-st").unwrap();
            IdempotencyKey::new(&office, "x", id, "upsert", 0, hash)
        };
        let op = &delivery.op;
        match self.plant {
            Plant::KeyOfRecord => op.external_id().to_string(),
            Plant::KeyOfAttempt => COUNT.fetch_add(1, Ordering::Relaxed).to_string(),
            Plant::KeyOfContentAlone => own(op.external_id(), delivery.hash).as_str().to_owned(),
            _ => delivery.idempotency_key.as_str().to_owned(),
        }
    }

    /// Whether a faulty client believes that there is nothing to send.
    fn believes_done(&self, delivery: &Delivery) -> bool {
        let mut memory = self.memory.lock().unwrap();
        let id = delivery.op.external_id().clone();
        let bytes = delivery.canonical.expose().clone();
        if let Body::Contact(contact) = &delivery.op.body {
            memory.name.clone_from(contact.last_name.expose());
        }
        match self.plant {
            Plant::RemembersTheLast => memory.last.insert(id, bytes.clone()) == Some(bytes),
            Plant::RemembersEverything => !memory.ever.insert((id, bytes)),
            Plant::ForgetsWhatWasDropped => !memory.on_its_way.insert(id),
            Plant::RetireIgnored => delivery.op.intent == Intent::Retire,
            _ => false,
        }
    }

    fn outcome(&self, line: &Line) -> Outcome {
        match line.status {
            200..=299 => applied(&line.remote),
            503 => retry("503"),
            424 if self.is(Plant::OrphanLost) => applied(""),
            424 if self.is(Plant::OrphanUnexplained) => rejected("422"),
            424 => rejected("422: the crm does not have its contact"),
            status if self.is(Plant::NameInReason) => {
                rejected(&format!("{status}: {}", self.memory.lock().unwrap().name))
            }
            status => rejected(&format!("{status}: refused")),
        }
    }

    /// One request, and what the answer says of each op.
    async fn request(&self, batch: &[Delivery]) -> Result<Vec<Outcome>> {
        let items: Vec<_> = batch
            .iter()
            .map(|delivery| Item {
                how: self.how(delivery),
                body: self.body(delivery),
                key: self.key(delivery),
            })
            .collect();
        if self.is(Plant::StopLifted) {
            for item in &items {
                if let Body::Contact(contact) = &item.body {
                    self.crm.lift(contact);
                }
            }
        }
        self.way().await;
        let answer = self.crm.write(TOKEN, &items);
        tokio::task::yield_now().await;
        let lines = match answer {
            Ok(lines) => lines,
            Err(trouble) => return self.failed(&trouble, batch),
        };
        // By id: an order is not promised by anybody.
        let mut outcomes: Vec<_> = batch
            .iter()
            .map(|delivery| {
                let id = delivery.op.external_id();
                match lines.iter().find(|line| line.id == *id) {
                    Some(line) => self.outcome(line),
                    None if self.is(Plant::HalfIsWhole) => applied(""),
                    None => retry("the answer does not name it"),
                }
            })
            .collect();
        self.memory
            .lock()
            .unwrap()
            .acknowledged
            .extend(items.iter().map(|item| id_of(&item.body).clone()));
        if self.is(Plant::ContactsAnsweredFirst) {
            let contact = |d: &&Delivery| matches!(d.op.body, Body::Contact(_));
            let contacts = batch.iter().filter(contact);
            let tasks = batch.iter().filter(|d| !contact(d));
            let order = contacts.chain(tasks).map(|d| d.op.external_id());
            outcomes = order
                .map(|id| {
                    let line = lines.iter().find(|line| line.id == *id);
                    line.map_or_else(|| retry("not named"), |line| self.outcome(line))
                })
                .collect();
        }
        self.plant_in(&mut outcomes);
        Ok(outcomes)
    }

    fn plant_in(&self, outcomes: &mut Vec<Outcome>) {
        let refused = |outcome: &Outcome| matches!(outcome, Outcome::Rejected { .. });
        let waits = |outcome: &Outcome| matches!(outcome, Outcome::Retry { .. });
        match self.plant {
            Plant::Reversed => outcomes.reverse(),
            Plant::Shifted if !outcomes.is_empty() => outcomes.rotate_left(1),
            Plant::OneMissing if outcomes.len() > 1 => {
                outcomes.pop();
            }
            Plant::AllForOne if outcomes.iter().any(refused) => {
                outcomes.fill(rejected("422: the batch is refused"));
            }
            Plant::AllWaitForOne if outcomes.iter().any(waits) => outcomes.fill(retry("503")),
            // Only where all went well, so that nothing else gives it away.
            Plant::RemoteIdsSwapped if !outcomes.iter().any(|o| refused(o) || waits(o)) => {
                let half = outcomes.len() / 2;
                outcomes.rotate_left(half);
            }
            _ => {}
        }
    }

    fn failed(&self, trouble: &Trouble, batch: &[Delivery]) -> Result<Vec<Outcome>> {
        let all = |outcome: Outcome| Ok(vec![outcome; batch.len()]);
        match (self.plant, trouble) {
            (Plant::UnreachedIsRefused, Trouble::Unreached)
            | (Plant::ServerErrorIsRefused, Trouble::Status(500, _)) => all(rejected("no")),
            (Plant::ResetIsApplied, Trouble::Reset)
            | (Plant::CutIsApplied, Trouble::Cut)
            | (Plant::GarbageIsApplied, Trouble::Garbage(_)) => all(applied("")),
            // One that came through counts for all.
            (Plant::LostIsAppliedInPart, Trouble::Reset) => {
                let mut outcomes = vec![applied("")];
                outcomes.resize(batch.len(), retry("reset"));
                Ok(outcomes)
            }
            (Plant::TokenRefusesRecords, Trouble::Status(401, _)) => all(rejected("401")),
            _ => Err(self.error(trouble)),
        }
    }
}

/// The most permissive reading, as a sloppy mapping has it.
trait MaxYes {
    fn max_yes(self) -> Self;
}

impl MaxYes for odx_core::model::ConsentState {
    fn max_yes(self) -> Self {
        match self {
            Self::Denied => Self::Denied,
            Self::Granted | Self::Unknown => Self::Granted,
        }
    }
}

#[async_trait]
impl CrmSink for Client {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn account(&self) -> Account {
        let name = match self.plant {
            Plant::AccountNamesToken => format!("plain {TOKEN}"),
            Plant::AccountDrifts => format!("plain {}", self.requests()),
            _ => "plain main-st".to_owned(),
        };
        Account {
            name,
            scheme: IdScheme::Scoped,
        }
    }

    fn limits(&self) -> SinkLimits {
        let three = NonZeroUsize::MIN.saturating_add(2);
        SinkLimits::new(NonZeroUsize::new(LIMIT).unwrap(), three)
    }

    async fn probe(&self) -> Result<Probe> {
        self.way().await;
        match self.crm.stops(TOKEN, 0) {
            Ok(_) => Ok(Probe::new(vec!["reachable".to_owned()])),
            Err(_) if self.is(Plant::ProbeIsAlwaysWell) => Ok(Probe::default()),
            Err(trouble) => Err(self.error(&trouble)),
        }
    }

    async fn apply(&self, batch: &[Delivery]) -> Result<Vec<Outcome>> {
        if batch.is_empty() {
            return match self.plant {
                Plant::NothingIsAnError => Err(Error::new(ErrorKind::Bug, "nothing to do")),
                _ => Ok(Vec::new()),
            };
        }
        let most = match self.plant {
            Plant::TakesOneLess => LIMIT - 1,
            _ => LIMIT,
        };
        if batch.len() > most {
            let Plant::OverLimitDropped = self.plant else {
                return Err(Error::new(ErrorKind::Bug, "more ops than the limit"));
            };
            let mut outcomes = self.request(&batch[..LIMIT]).await?;
            outcomes.resize(batch.len(), applied(""));
            return Ok(outcomes);
        }
        if self.is(Plant::NameInTrace) {
            tracing::trace!(body = ?String::from_utf8_lossy(batch[0].canonical.expose()), "sending");
        }
        if self.is(Plant::SecretInTrace) {
            tracing::debug!("authorization: bearer {TOKEN}");
        }
        if batch
            .iter()
            .map(|d| self.believes_done(d))
            .fold(true, |all, done| all & done)
        {
            return Ok(vec![applied(""); batch.len()]);
        }
        let mut answer = self.request(batch).await;
        if answer.is_err() && self.is(Plant::TriesAgain) {
            answer = self.request(batch).await;
        }
        if self.is(Plant::ForgetsWhatWasDropped) {
            let mut memory = self.memory.lock().unwrap();
            for delivery in batch {
                memory.on_its_way.remove(delivery.op.external_id());
            }
        }
        if self.is(Plant::OneScratchForAllCalls) {
            self.memory.lock().unwrap().scratch = answer?;
            tokio::task::yield_now().await;
            return Ok(self.memory.lock().unwrap().scratch.clone());
        }
        answer
    }

    async fn suppressions(&self, since: Option<Cursor>) -> Result<SuppressionPage> {
        let mut page = SuppressionPage {
            listed: true,
            ..SuppressionPage::default()
        };
        if self.is(Plant::StopsNotRead) {
            return Ok(page);
        }
        let from = match since.map(|cursor| cursor.as_str().parse::<usize>()) {
            None => 0,
            Some(Ok(from)) => from,
            Some(Err(_)) if self.is(Plant::ForeignCursorIsTheEnd) => usize::MAX,
            Some(Err(_)) => {
                return Err(Error::new(ErrorKind::CursorExpired, "not a cursor of ours"));
            }
        };
        if from == usize::MAX {
            return Ok(page);
        }
        self.way().await;
        let (entries, more) = match self.crm.stops(TOKEN, from) {
            Ok(read) => read,
            Err(Trouble::Status(500, _)) if self.is(Plant::FailedReadIsEmpty) => return Ok(page),
            Err(trouble) => return Err(self.error(&trouble)),
        };
        let mut next = from + entries.len();
        for entry in entries {
            match entry {
                Entry::Stop(stop) => page.stops.extend(self.stop(stop)),
                Entry::Nonsense if self.is(Plant::UnreadableDropped) => {}
                Entry::Nonsense => page.unreadable += 1,
            }
        }
        page.more = more && !self.is(Plant::FirstPageOnly);
        if self.is(Plant::CursorRunsAhead) && !more {
            next += 1;
        }
        page.next = Some(Cursor::new(next.to_string()));
        Ok(page)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Client {
    fn stop(&self, mut stop: Suppression) -> Option<Suppression> {
        if !self.is(Plant::ReasonQuoted) {
            stop.reason = "stop".to_owned();
        }
        match (self.plant, &stop.target) {
            (Plant::OnlyNumbersStop, Target::Email(_) | Target::Contact(_)) => return None,
            (Plant::StopNarrowed, _) if stop.channel.is_none() => {
                stop.channel = Some(Channel::Sms);
            }
            _ => {}
        }
        Some(stop)
    }
}
