//! Takes households that are due, works out the difference, delivers it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Days, TimeDelta, Utc};

use super::difference::{Verdict, difference};
use super::stops::Keeper;
use super::work::{Card, Job, Pending, Plan, Work, open};
use crate::crm::{Body, Delivery, Entity, Intent};
use crate::engine::breaker::Breaker;
use crate::engine::follow::Stop;
use crate::engine::{Action, Event, Mode, Pipeline, RunReport};
use crate::error::{Disposition, Error, ErrorKind, Result};
use crate::failpoint::{broken, reach};
use crate::hash::ContentHash;
use crate::id::{ExternalId, ExternalIds, HouseholdKey};
use crate::policy::PolicyContext;
use crate::sink::CrmSink;
use crate::store::{AckCommit, Departure, Due, DueQuery, Epoch, Parked, Tried};

/// Households looked at together: bounds memory, not order.
const CHUNK: usize = 512;
/// Stops are read again after this long at the latest before anything is sent.
const STOPS_AGE: TimeDelta = TimeDelta::seconds(60);

/// Delivers to one sink.
#[derive(Debug)]
pub(super) struct Courier<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) sink: Arc<dyn CrmSink>,
    ids: ExternalIds,
    epoch: Epoch,
    mode: Mode,
    pub(super) breaker: Breaker,
    /// The sink asked for a pause.
    pub(super) pause: Option<DateTime<Utc>>,
    /// When the sink's stops were last read.
    stops_read: Option<DateTime<Utc>>,
    /// Answers not yet stored.
    pub(super) pending: Pending,
    /// What was looked at before: only a test ever fills it, to send it again.
    stale: Vec<Due>,
    /// Statuses that nobody has mapped.
    unmapped: BTreeSet<String>,
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
            stale: Vec::new(),
            unmapped: BTreeSet::new(),
        }
    }

    pub(super) const fn mode(&self) -> Mode {
        self.mode
    }

    /// Stops must be read again before anything more is sent.
    pub(super) const fn distrust_stops(&mut self) {
        self.stops_read = None;
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.pipeline.clock.now()
    }

    /// Until when the sink is to be left alone.
    pub(super) fn paused(&self) -> Option<DateTime<Utc>> {
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
            let stale = broken("broken.due.newest")
                .then(|| std::mem::replace(&mut self.stale, due.clone()));
            let sent = self.chunk(due, report, stop).await;
            // Whatever ended the chunk, what was acknowledged is stored.
            self.flush(true).await?;
            if let Some(stale) = stale {
                self.chunk(stale, report, stop).await?;
            }
            if let Err(error) = sent {
                return self.back_off(error);
            }
            if let Some(until) = self.paused() {
                return Ok(Some(until));
            }
        }
        self.tell_unmapped(report).await?;
        self.pipeline.store.next_wake(self.sink.id()).await
    }

    /// Tells, once, about statuses that the office's tag map says nothing of.
    async fn tell_unmapped(&mut self, report: &mut RunReport) -> Result<()> {
        let statuses = std::mem::take(&mut self.unmapped);
        if statuses.is_empty() || self.mode == Mode::DryRun {
            return Ok(());
        }
        let known = self.pipeline.store.outreach();
        let source = self.pipeline.source.id();
        for status in known.note_unmapped(source, statuses, self.now()).await? {
            let what =
                format!("{status} is not in the tag map: map it, to nothing if that is meant");
            let error = Error::new(ErrorKind::Config, what);
            self.pipeline.problem(report, &error, None);
        }
        Ok(())
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
        if self.stops_read.is_some_and(|at| now - at < STOPS_AGE) || broken("broken.stops") {
            return Ok(());
        }
        let keeper = Keeper::Crm(self.sink.as_ref());
        let read = self.pipeline.read_stops(keeper, report).await;
        if let Err(error) = read {
            if let Disposition::Retry { .. } = error.disposition() {
                self.breaker.failure(now);
            }
            return Err(error);
        }
        // A list that can be read says nothing about writes that were failing.
        if !self.breaker.is_probing() {
            self.breaker.success();
        }
        self.stops_read = Some(now);
        Ok(())
    }

    async fn chunk(&mut self, due: Vec<Due>, report: &mut RunReport, stop: &Stop) -> Result<()> {
        let (mut works, plans) = self.plan(due, report)?;
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
        // Those of them that it never had and is not to get.
        let mut absent = HashSet::new();
        for (plan, standing) in plans.into_iter().zip(standings) {
            let id = plan.op.external_id();
            let tried = works
                .get(plan.work)
                .and_then(|work| work.tried.iter().find(|tried| tried.external_id == *id));
            match difference(plan.op.intent, plan.hash, &standing, tried, now) {
                Verdict::Settled => {
                    report.unchanged += 1;
                    if standing.parked.is_some() {
                        self.pending.cleared.push(id.clone());
                    }
                    if plan.op.entity() == Entity::Contact && standing.acknowledged.is_none() {
                        held.insert(id.clone(), "it is not in the crm".to_owned());
                        absent.insert(id.clone());
                    }
                }
                Verdict::Waits => {
                    let Some(parked) = standing.parked else {
                        continue;
                    };
                    if plan.op.entity() == Entity::Contact {
                        held.insert(id.clone(), parked.reason.clone());
                    }
                    // Its patient has moved: the household it came from gives it up.
                    if let Some(work) = works.get(plan.work)
                        && work.household != parked.household
                    {
                        let household = work.household.clone();
                        self.pending.parked.push(Parked {
                            household,
                            ..parked
                        });
                    }
                }
                Verdict::Send {
                    mark,
                    attempts,
                    generation,
                    doubt,
                } => {
                    let known = standing.acknowledged.is_some();
                    let (remote_id, contact) = standing
                        .acknowledged
                        .map(|known| (known.remote_id, known.contact))
                        .unwrap_or_default();
                    let card = Card {
                        work: plan.work,
                        hash: plan.hash,
                        mark,
                        known,
                        contact,
                        attempts,
                        generation,
                        doubt,
                    };
                    let office = self.pipeline.office.id();
                    let delivery = Delivery::ready(
                        plan.op,
                        plan.canonical,
                        plan.content,
                        office,
                        generation,
                        remote_id,
                    );
                    let entity = delivery.op.entity();
                    if entity == Entity::Contact {
                        &mut contacts
                    } else {
                        &mut tasks
                    }
                    .push(Job { card, delivery });
                }
            }
        }
        // What hangs from a contact that was never there cannot be there either: a departure may name
        // it, but it waited for its contact and was not sent.
        let retires = |job: &Job| {
            let op = &job.delivery.op;
            op.intent == Intent::Retire && op.depends_on().is_some_and(|id| absent.contains(id))
        };
        let idle = tasks.extract_if(.., |job: &mut Job| retires(job) && !job.card.known);
        let ids = idle.map(|job| job.delivery.op.external_id().clone());
        self.pending.cleared.extend(ids);
        for job in tasks.iter_mut().filter(|job| retires(job)) {
            self.leave_with_contact(job)?;
        }
        let planned = contacts.len() + tasks.len();
        if self.mode == Mode::DryRun {
            for job in contacts.iter().chain(&tasks) {
                let op = &job.delivery.op;
                let action = match job.card.generation {
                    _ if op.intent == Intent::Retire => Action::Close,
                    1 => Action::Create,
                    _ => Action::Update,
                };
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
            // One that is there is closed, also where nobody wrote down whom it hangs from.
            job.delivery
                .op
                .depends_on()
                .is_none_or(|id| !held.contains_key(id) || broken("broken.contact_first"))
                || (retires(job) && job.card.known)
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
            if !work.open || broken("broken.reconciled") {
                self.pending
                    .reconciled
                    .push((work.household, work.generation, work.again));
            }
        }
        halted
    }

    /// A task whose patient is now somebody whom the CRM never had, since charts were merged, is closed under
    /// the contact that it hangs from there: a CRM refuses a task of nobody.
    fn leave_with_contact(&self, job: &mut Job) -> Result<()> {
        let mut op = job.delivery.op.clone();
        let (Body::Task(task), Some(contact)) = (&mut op.body, &job.card.contact) else {
            return Ok(());
        };
        task.contact_external_id = contact.clone();
        let remote_id = job.delivery.remote_id.take();
        let office = self.pipeline.office.id();
        job.delivery = Delivery::new(op, office, job.card.generation, remote_id)?;
        Ok(())
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
        if leaving.is_empty() || broken("broken.departure") {
            return Ok(());
        }
        let leaving = leaving
            .into_iter()
            .filter_map(|(work, tried)| works.get(work).map(|work| (work.household.clone(), tried)))
            .collect();
        reach("departure.before");
        self.pipeline
            .store
            .commit_departure(Departure {
                source: self.pipeline.source.id().clone(),
                epoch: self.epoch,
                sink: self.sink.id().clone(),
                leaving,
            })
            .await?;
        reach("departure.after_commit");
        Ok(())
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
            self.unmapped.extend(desired.unmapped);
            for skip in desired.skipped {
                *report.skipped.entry(skip.why).or_default() += 1;
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

    /// Stores what was acknowledged, parked and reconciled.
    pub(super) async fn flush(&mut self, whole: bool) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() || self.mode == Mode::DryRun {
            return Ok(());
        }
        // Households are only ever pushed at the end of a chunk, after all their acknowledgements.
        debug_assert!(whole || pending.reconciled.is_empty());
        reach("acks.before");
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
                disclosed: pending.disclosed,
            })
            .await?;
        reach("acks.after_commit");
        Ok(())
    }
}
