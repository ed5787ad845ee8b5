//! Takes households that are due, works out the difference, delivers it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use futures::StreamExt as _;

use crate::crm::{Delivery, Entity, Intent, Op};
use crate::engine::breaker::Breaker;
use crate::engine::follow::Stop;
use crate::engine::{Action, Event, Mode, Pipeline, RunReport};
use crate::error::{Disposition, Error, ErrorKind, Result};
use crate::hash::{ContentHash, LedgerHash};
use crate::id::{ExternalId, ExternalIds, HouseholdKey};
use crate::phi::Phi;
use crate::policy::PolicyContext;
use crate::sink::{CrmSink, Outcome};
use crate::store::{
    AckCommit, Acknowledged, Departure, Due, DueQuery, Epoch, Hold, Parked, Standing, Tried,
};

/// Households looked at together: bounds memory, not order.
const CHUNK: usize = 256;
/// Acknowledgements are stored after so many…
const ACKS: usize = 64;
/// …or after this long, whichever is first: what a crash in between costs is
/// this many repeats of writes that change nothing.
const ACK_DELAY: Duration = Duration::from_millis(20);
/// Tries before a refusal is taken for an answer.
const TRIES: u32 = 3;
/// How long answers are waited for once it is time to stop.
const GRACE: Duration = Duration::from_secs(2);
/// No content hashes to this.
const UNSURE: LedgerHash = LedgerHash::from_bytes([0; 16]);
/// Stops are read again after this long at the latest before anything is sent.
const STOPS_AGE: TimeDelta = TimeDelta::seconds(60);

/// Delivers to one sink.
#[derive(Debug)]
pub(super) struct Courier<'a> {
    pipeline: &'a Pipeline,
    sink: Arc<dyn CrmSink>,
    ids: ExternalIds,
    epoch: Epoch,
    mode: Mode,
    breaker: Breaker,
    /// The sink asked for a pause.
    pause: Option<DateTime<Utc>>,
    /// When the sink's stops were last read.
    stops_read: Option<DateTime<Utc>>,
    /// Acknowledgements not yet stored.
    pending: Pending,
}

#[derive(Debug, Default)]
struct Pending {
    acknowledged: Vec<(ExternalId, Acknowledged)>,
    parked: Vec<Parked>,
    cleared: Vec<ExternalId>,
    reconciled: Vec<(HouseholdKey, u64, Option<NaiveDate>)>,
}

/// A household on its way.
struct Work {
    household: HouseholdKey,
    generation: u64,
    again: Option<NaiveDate>,
    /// What was on its way in a look that never came to its end.
    tried: Vec<Tried>,
    /// Some op was not tried: the household stays due.
    open: bool,
}

/// An op on its way.
struct Job {
    card: Card,
    delivery: Delivery,
}

/// What comes back with it.
struct Card {
    work: usize,
    hash: LedgerHash,
    /// What is remembered of it until it is answered: its hash, or that nothing is sure.
    mark: LedgerHash,
    /// How often this very content was tried before.
    attempts: u32,
    /// The change of its record that an acknowledgement would be.
    generation: u64,
    /// Another content that may have arrived before: hash and change.
    tried: Option<(LedgerHash, u64)>,
}

/// What became of a job.
enum Fate {
    Done(Outcome),
    NotTried,
}

impl<'a> Courier<'a> {
    pub(super) fn new(
        pipeline: &'a Pipeline,
        sink: Arc<dyn CrmSink>,
        epoch: Epoch,
        mode: Mode,
    ) -> Self {
        let ids = ExternalIds::new(pipeline.source.id().clone(), sink.account().scheme);
        Self {
            pipeline,
            sink,
            ids,
            epoch,
            mode,
            breaker: Breaker::new(pipeline.schedule.retry_max),
            pause: None,
            stops_read: None,
            pending: Pending::default(),
        }
    }

    pub(super) const fn mode(&self) -> Mode {
        self.mode
    }

    /// Stops must be read again before anything more is sent.
    pub(super) const fn distrust_stops(&mut self) {
        self.stops_read = None;
    }

    fn now(&self) -> DateTime<Utc> {
        self.pipeline.clock.now()
    }

    /// Until when the sink is to be left alone.
    fn paused(&self) -> Option<DateTime<Utc>> {
        let now = self.now();
        self.pause
            .filter(|until| *until > now)
            .max(self.breaker.open_until(now))
    }

    /// Delivers everything that is due. Returns when to come back: none if
    /// nothing is left to do, else when a pause ends or a parked op may be tried.
    pub(super) async fn round(
        &mut self,
        report: &mut RunReport,
        stop: &Stop,
    ) -> Result<Option<DateTime<Utc>>> {
        if let Some(until) = self.paused() {
            return Ok(Some(until));
        }
        let read = tokio::select! {
            read = self.read_stops(report) => read,
            () = stop.wait() => return Ok(None),
        };
        if let Err(error) = read {
            return self.back_off(error);
        }
        // A dry run leaves everything due, so it walks; a live one empties the queue.
        let mut after = (self.mode == Mode::DryRun).then(|| HouseholdKey::new(""));
        while !stop.is_set() {
            let now = self.now();
            let due = self
                .pipeline
                .store
                .due(&DueQuery {
                    source: self.pipeline.source.id().clone(),
                    sink: self.sink.id().clone(),
                    ids: self.ids.clone(),
                    today: self.pipeline.office.today(now),
                    now,
                    limit: CHUNK,
                    after: after.clone(),
                })
                .await?;
            let Some(last) = due.last() else { break };
            after = after.map(|_| last.view.key.clone());
            let sent = self.chunk(due, report, stop).await;
            // Whatever ended the chunk, what was acknowledged is stored.
            self.flush(true).await?;
            if let Err(error) = sent {
                return self.back_off(error);
            }
            if let Some(until) = self.paused() {
                return Ok(Some(until));
            }
        }
        self.pipeline.store.next_wake(self.sink.id()).await
    }

    /// A failure of the whole sink: told upwards if a person must act, else a pause.
    fn back_off(&mut self, error: Error) -> Result<Option<DateTime<Utc>>> {
        match error.disposition() {
            Disposition::Retry { after } => {
                let now = self.now();
                let wait = self.pipeline.backoff().honour(after, 1);
                self.pause = Some(now + wait);
                self.pipeline.observer.event(&Event::Problem {
                    what: &error.chain(),
                    again: self.paused(),
                });
                Ok(Some(self.paused().unwrap_or(now)))
            }
            Disposition::Reject | Disposition::Halt => Err(error),
        }
    }

    async fn read_stops(&mut self, report: &mut RunReport) -> Result<()> {
        let now = self.now();
        if self.stops_read.is_some_and(|at| now - at < STOPS_AGE) {
            return Ok(());
        }
        let store = &self.pipeline.store;
        let mut since = store.suppression_cursor(self.sink.id()).await?;
        loop {
            let page = match self.sink.suppressions(since.clone()).await {
                Ok(page) => page,
                Err(error) if error.kind() == ErrorKind::CursorExpired && since.is_some() => {
                    // From the start again: what is known already is no news.
                    since = None;
                    continue;
                }
                Err(error) => {
                    if let Disposition::Retry { .. } = error.disposition() {
                        self.breaker.failure(now);
                    }
                    return Err(error);
                }
            };
            self.breaker.success();
            if page.unreadable > 0 {
                tracing::warn!(sink = %self.sink.id(), count = page.unreadable, "opt-outs that cannot be read");
                let what = format!(
                    "{} entries of the opt-out list of {} cannot be read",
                    page.unreadable,
                    self.sink.id()
                );
                self.pipeline
                    .problem(report, &Error::new(ErrorKind::Refused, what), None);
            }
            let next = page.next.clone();
            report.suppressions += store
                .suppress(self.sink.id(), &self.ids, page.stops, page.next)
                .await?;
            // A list that repeats its cursor has no more to say.
            if !page.more || next == since {
                break;
            }
            since = next;
        }
        self.stops_read = Some(now);
        Ok(())
    }

    async fn chunk(&mut self, due: Vec<Due>, report: &mut RunReport, stop: &Stop) -> Result<()> {
        let (mut works, mut plans) = self.plan(due, report)?;
        let ids = plans
            .iter()
            .map(|plan| plan.op.external_id().clone())
            .collect();
        let standings = self.pipeline.store.standing(self.sink.id(), ids).await?;
        let now = self.now();

        let mut contacts = Vec::new();
        let mut tasks = Vec::new();
        // Contacts that the sink does not have now, or not in their newest state: what hangs from them waits.
        let mut held: HashMap<ExternalId, String> = HashMap::new();
        for (plan, standing) in plans.drain(..).zip(standings) {
            let Some(job) = self.difference(plan, standing, &works, now, &mut held, report)? else {
                continue;
            };
            match job.delivery.op.entity() {
                Entity::Contact => contacts.push(job),
                Entity::Task => tasks.push(job),
            }
        }
        let planned = contacts.len() + tasks.len();
        if self.mode == Mode::DryRun {
            for job in contacts.iter().chain(&tasks) {
                let action = if job.card.generation == 1 {
                    Action::Create
                } else {
                    Action::Update
                };
                let op = &job.delivery.op;
                self.pipeline.observer.event(&Event::Planned {
                    id: op.external_id(),
                    entity: op.entity(),
                    action,
                });
            }
            report.sent += u64::try_from(planned).unwrap_or(u64::MAX);
            return Ok(());
        }

        self.depart(contacts.iter().chain(&tasks), &works).await?;
        let halted = self
            .stage(contacts, &mut works, &mut held, report, stop)
            .await;
        let (ready, blocked): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|job| {
            job.delivery
                .op
                .depends_on()
                .is_none_or(|id| !held.contains_key(id))
        });
        for job in blocked {
            self.block(job, &works, &held);
        }
        let halted = match halted {
            Ok(()) => self.stage(ready, &mut works, &mut held, report, stop).await,
            Err(error) => {
                for job in ready {
                    open(&mut works, job.card.work);
                }
                Err(error)
            }
        };
        for work in works {
            if !work.open {
                self.pending
                    .reconciled
                    .push((work.household, work.generation, work.again));
            }
        }
        halted
    }

    /// Stores what is about to be sent: if this process ends before the answers
    /// are stored, the next one knows what may have arrived.
    async fn depart(&self, jobs: impl Iterator<Item = &Job>, works: &[Work]) -> Result<()> {
        let mut leaving: BTreeMap<usize, Vec<Tried>> = BTreeMap::new();
        for job in jobs {
            leaving.entry(job.card.work).or_default().push(Tried {
                external_id: job.delivery.op.external_id().clone(),
                hash: job.card.mark,
                generation: job.card.generation,
            });
        }
        if leaving.is_empty() {
            return Ok(());
        }
        let leaving = leaving
            .into_iter()
            .filter_map(|(work, tried)| works.get(work).map(|work| (work.household.clone(), tried)))
            .collect();
        self.pipeline
            .store
            .commit_departure(Departure {
                source: self.pipeline.source.id().clone(),
                epoch: self.epoch,
                sink: self.sink.id().clone(),
                leaving,
            })
            .await
    }

    /// Asks the policy.
    fn plan(&mut self, due: Vec<Due>, report: &mut RunReport) -> Result<(Vec<Work>, Vec<Plan>)> {
        let Pipeline {
            policy,
            office,
            observer,
            ..
        } = self.pipeline;
        let today = office.today(self.now());
        let cx = PolicyContext::new(today, office, &self.ids);
        let mut works = Vec::with_capacity(due.len());
        let mut plans = Vec::with_capacity(due.len() * 2);
        for Due {
            generation,
            view,
            parked,
            tried,
        } in due
        {
            let desired = policy.desired(&view, &cx);
            report.households += 1;
            report.desired += u64::try_from(desired.ops.len()).unwrap_or(u64::MAX);
            for skip in desired.skipped {
                *report.skipped.entry(skip).or_default() += 1;
            }
            // What nobody wants any more of this household must not bring it back for ever.
            self.pending.cleared.extend(
                parked
                    .into_iter()
                    .filter(|id| !desired.ops.iter().any(|op| op.external_id() == id)),
            );
            for op in desired.ops {
                let canonical = op.canonical()?;
                let content = ContentHash::of(canonical.expose());
                plans.push(Plan {
                    work: works.len(),
                    hash: content.under(policy.version()),
                    op,
                    canonical,
                    content,
                });
            }
            // A day that is not later would bring the household back at once, for ever.
            let again = desired
                .again
                .map(|day| day.max(today.checked_add_days(Days::new(1)).unwrap_or(day)));
            works.push(Work {
                household: view.key,
                generation,
                again,
                tried,
                open: false,
            });
        }
        observer.event(&Event::Looked {
            households: report.households,
        });
        Ok((works, plans))
    }

    /// Compares one wanted record with what is known of it: a job if something
    /// is to be sent now.
    fn difference(
        &mut self,
        plan: Plan,
        standing: Standing,
        works: &[Work],
        now: DateTime<Utc>,
        held: &mut HashMap<ExternalId, String>,
        report: &mut RunReport,
    ) -> Result<Option<Job>> {
        let Plan {
            work,
            op,
            canonical,
            content,
            hash,
        } = plan;
        let Standing {
            acknowledged,
            parked,
        } = standing;
        let id = op.external_id();
        // What was last on its way, if nobody knows what became of it.
        let tried = works
            .get(work)
            .and_then(|work| work.tried.iter().find(|tried| tried.external_id == *id))
            .map(|tried| (tried.hash, tried.generation))
            .or_else(|| {
                parked
                    .as_ref()
                    .filter(|parked| parked.generation > 0)
                    .map(|parked| (parked.hash, parked.generation))
            });
        let known = acknowledged.as_ref().map(|known| known.hash);
        let refused = parked
            .as_ref()
            .filter(|parked| parked.hold == Hold::Refused)
            .map(|parked| parked.hash);
        let unsure = tried.is_some_and(|(tried, _)| Some(tried) != known && Some(tried) != refused);
        let settled = match known {
            Some(known) => known == hash,
            None => op.intent == Intent::Retire,
        };
        if settled && !unsure {
            report.unchanged += 1;
            if parked.is_some() {
                self.pending.cleared.push(id.clone());
            }
            return Ok(None);
        }
        // Sent again because something else may have arrived since: until that is answered, what the
        // sink holds is not what the ledger says, so it must not be remembered as such.
        let mark = if known == Some(hash) { UNSURE } else { hash };
        let mut attempts = 0;
        if let Some(parked) = parked {
            let same = parked.hash == mark;
            let waits = match parked.hold {
                Hold::Until(at) => at > now,
                Hold::Refused => same,
                Hold::Blocked => false,
            };
            if waits && self.mode == Mode::Live {
                if op.entity() == Entity::Contact {
                    held.insert(id.clone(), parked.reason);
                }
                return Ok(None);
            }
            if same {
                attempts = parked.attempts;
            }
        }
        let (acknowledged, remote_id) =
            acknowledged.map_or((0, None), |known| (known.generation, known.remote_id));
        // The same content again is the same change; any other is the next one, so that no
        // receiver takes it for one that it has seen.
        let generation = match tried {
            Some((tried, generation)) if tried == mark && unsure => generation,
            Some((_, generation)) => generation.max(acknowledged) + 1,
            None => acknowledged + 1,
        };
        let delivery = Delivery::ready(
            op,
            canonical,
            content,
            self.pipeline.office.id(),
            generation,
            remote_id,
        );
        Ok(Some(Job {
            card: Card {
                work,
                hash,
                mark,
                attempts,
                generation,
                tried: tried.filter(|_| unsure),
            },
            delivery,
        }))
    }

    /// Sends jobs of one entity, as many at once as the sink likes.
    async fn stage(
        &mut self,
        jobs: Vec<Job>,
        works: &mut [Work],
        held: &mut HashMap<ExternalId, String>,
        report: &mut RunReport,
        stop: &Stop,
    ) -> Result<()> {
        let limits = self.sink.limits();
        let sink = Arc::clone(&self.sink);
        // Set as soon as nothing more should be sent, so that calls not yet begun are not.
        let full = AtomicBool::new(false);
        let probing = self.breaker.is_probing();
        let concurrency = if probing { 1 } else { limits.concurrency.get() };
        let mut batches = Vec::new();
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            batches.push(jobs.by_ref().take(limits.batch.get()).collect::<Vec<_>>());
        }
        let calls = futures::stream::iter(batches).map(|batch| {
            let (sink, full) = (&sink, &full);
            async move {
                if full.load(Ordering::Relaxed) || stop.is_set() {
                    return (batch, None);
                }
                let (cards, deliveries): (Vec<_>, Vec<_>) = batch
                    .into_iter()
                    .map(|job| (job.card, job.delivery))
                    .unzip();
                let answer = sink.apply(&deliveries).await;
                let batch = cards
                    .into_iter()
                    .zip(deliveries)
                    .map(|(card, delivery)| Job { card, delivery })
                    .collect();
                (batch, Some(answer))
            }
        });
        let mut calls = std::pin::pin!(calls.buffer_unordered(concurrency));
        let mut halted = None;
        let mut flushed = Instant::now();
        let grace = async {
            stop.wait().await;
            self.pipeline.clock.sleep(GRACE).await;
        };
        let mut grace = std::pin::pin!(grace);
        loop {
            let next = tokio::select! {
                biased;
                next = calls.next() => next,
                () = &mut grace => {
                    // Nobody knows what became of these calls; the departure remembers them.
                    works.iter_mut().for_each(|work| work.open = true);
                    None
                }
            };
            let Some((batch, answer)) = next else { break };
            let fates = self.judge(batch.len(), answer, &mut halted);
            for (job, fate) in batch.into_iter().zip(fates) {
                self.settle(job, fate, works, held, report);
            }
            if halted.is_some() || self.paused().is_some() {
                full.store(true, Ordering::Relaxed);
            }
            if self.pending.acknowledged.len() >= ACKS || flushed.elapsed() >= ACK_DELAY {
                if let Err(error) = self.flush(false).await {
                    // What was not stored did not happen: everybody is looked at again.
                    works.iter_mut().for_each(|work| work.open = true);
                    return Err(error);
                }
                flushed = Instant::now();
                self.pipeline
                    .observer
                    .event(&Event::Sent { ops: report.sent });
            }
        }
        self.pipeline
            .observer
            .event(&Event::Sent { ops: report.sent });
        halted.map_or(Ok(()), Err)
    }

    /// What an answer says about each op of its batch.
    fn judge(
        &mut self,
        ops: usize,
        answer: Option<Result<Vec<Outcome>>>,
        halted: &mut Option<Error>,
    ) -> Vec<Fate> {
        let now = self.now();
        let retry = |after, reason: String| {
            (0..ops)
                .map(|_| {
                    Fate::Done(Outcome::Retry {
                        after,
                        reason: reason.clone(),
                    })
                })
                .collect()
        };
        match answer {
            None => (0..ops).map(|_| Fate::NotTried).collect(),
            Some(Ok(outcomes)) if outcomes.len() == ops => {
                if outcomes
                    .iter()
                    .all(|outcome| matches!(outcome, Outcome::Retry { .. }))
                {
                    self.breaker.failure(now);
                } else {
                    self.breaker.success();
                }
                outcomes.into_iter().map(Fate::Done).collect()
            }
            Some(Ok(_)) => {
                *halted = Some(Error::new(
                    ErrorKind::Bug,
                    "a sink returned more or fewer outcomes than ops",
                ));
                (0..ops).map(|_| Fate::NotTried).collect()
            }
            Some(Err(error)) => match error.disposition() {
                Disposition::Retry { after } => {
                    self.breaker.failure(now);
                    if after.is_some() {
                        // Said of the sink, not of an op: everybody waits.
                        self.pause = self
                            .pause
                            .max(Some(now + self.pipeline.backoff().honour(after, 1)));
                    }
                    retry(after, error.chain())
                }
                Disposition::Reject => {
                    self.breaker.success();
                    (0..ops)
                        .map(|_| {
                            Fate::Done(Outcome::Rejected {
                                reason: error.chain(),
                            })
                        })
                        .collect()
                }
                Disposition::Halt => {
                    *halted = Some(error);
                    (0..ops).map(|_| Fate::NotTried).collect()
                }
            },
        }
    }

    fn settle(
        &mut self,
        job: Job,
        fate: Fate,
        works: &mut [Work],
        held: &mut HashMap<ExternalId, String>,
        report: &mut RunReport,
    ) {
        let outcome = match fate {
            Fate::Done(outcome) => outcome,
            Fate::NotTried => {
                if job.delivery.op.entity() == Entity::Contact {
                    held.insert(
                        job.delivery.op.external_id().clone(),
                        "its contact was not sent".to_owned(),
                    );
                }
                open(works, job.card.work);
                return;
            }
        };
        let attempts = job.card.attempts + 1;
        let (wait, reason) = match outcome {
            Outcome::Applied { remote_id } => {
                report.sent += 1;
                let row = Acknowledged {
                    hash: job.card.hash,
                    generation: job.card.generation,
                    remote_id: remote_id.or(job.delivery.remote_id),
                };
                self.pending
                    .acknowledged
                    .push((job.delivery.op.external_id().clone(), row));
                return;
            }
            Outcome::Retry { after, reason } => (
                Some(self.pipeline.backoff().honour(after, attempts)),
                reason,
            ),
            Outcome::Rejected { reason } if attempts < TRIES => {
                (Some(self.pipeline.backoff().wait(attempts)), reason)
            }
            Outcome::Rejected { reason } => (None, reason),
        };
        let external_id = job.delivery.op.external_id().clone();
        if job.delivery.op.entity() == Entity::Contact {
            held.insert(external_id.clone(), reason.clone());
        }
        let Some(work) = works.get(job.card.work) else {
            return;
        };
        self.pending.parked.push(Parked {
            external_id,
            household: work.household.clone(),
            hash: job.card.mark,
            generation: job.card.generation,
            attempts,
            hold: wait.map_or(Hold::Refused, |wait| Hold::Until(self.now() + wait)),
            reason,
        });
    }

    /// Sets a task aside whose contact is not there. It has no time of its own:
    /// it is looked at again whenever its household is, and its contact's time
    /// brings the household back.
    fn block(&mut self, job: Job, works: &[Work], held: &HashMap<ExternalId, String>) {
        let Some(work) = works.get(job.card.work).filter(|work| !work.open) else {
            return;
        };
        let why = job
            .delivery
            .op
            .depends_on()
            .and_then(|id| held.get(id))
            .map_or("", String::as_str);
        // It was not sent: what may have arrived is what was tried before.
        let (hash, generation) = job.card.tried.unwrap_or((job.card.mark, 0));
        self.pending.parked.push(Parked {
            external_id: job.delivery.op.external_id().clone(),
            household: work.household.clone(),
            hash,
            generation,
            attempts: 0,
            hold: Hold::Blocked,
            reason: format!("waits for its contact: {why}"),
        });
    }

    /// Stores what was acknowledged, parked and reconciled.
    async fn flush(&mut self, whole: bool) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        let nothing = pending.acknowledged.is_empty()
            && pending.parked.is_empty()
            && pending.cleared.is_empty()
            && pending.reconciled.is_empty();
        if nothing || self.mode == Mode::DryRun {
            return Ok(());
        }
        // Households are only ever pushed at the end of a chunk, after all their acknowledgements.
        debug_assert!(whole || pending.reconciled.is_empty());
        self.pipeline
            .store
            .commit_acks(AckCommit {
                source: self.pipeline.source.id().clone(),
                epoch: self.epoch,
                sink: self.sink.id().clone(),
                now: self.now(),
                acknowledged: pending.acknowledged,
                parked: pending.parked,
                cleared: pending.cleared,
                reconciled: pending.reconciled,
            })
            .await
    }
}

/// One record the policy wants.
struct Plan {
    work: usize,
    op: Op,
    canonical: Phi<Vec<u8>>,
    content: ContentHash,
    hash: LedgerHash,
}

fn open(works: &mut [Work], index: usize) {
    if let Some(work) = works.get_mut(index) {
        work.open = true;
    }
}
