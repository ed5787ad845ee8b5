//! Sends jobs and takes in the answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;

use super::reconcile::Courier;
use super::work::{Job, Work, open, open_all};
use crate::crm::Entity;
use crate::engine::follow::Stop;
use crate::engine::{Event, RunReport};
use crate::error::{Disposition, Error, ErrorKind, Result};
use crate::failpoint::{broken, reach};
use crate::id::ExternalId;
use crate::sink::Outcome;
use crate::store::outreach::Disclosure;
use crate::store::{Acknowledged, Hold, Parked};

/// Acknowledgements are stored after so many…
const ACKS: usize = 512;
/// …or after this long, whichever is first: what a crash in between costs is
/// this many repeats of writes that change nothing.
const ACK_DELAY: Duration = Duration::from_millis(50);
/// Tries before a refusal is taken for an answer.
const TRIES: u32 = 3;
/// How long answers are waited for once it is time to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What became of a job.
enum Fate {
    Done(Outcome),
    NotTried,
}

impl Courier<'_> {
    /// Sends jobs of one entity, as many at once as the sink likes.
    pub(super) async fn stage(
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
                reach("send.before");
                let answer = sink.apply(&deliveries).await;
                reach("send.answered");
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
                    open_all(works);
                    None
                }
            };
            let Some((batch, answer)) = next else { break };
            let fates = self.judge(batch.len(), answer, &mut halted);
            // One throw for all of a batch: thrown for each, they would come back as a batch each.
            let share = fastrand::f64();
            for (job, fate) in batch.into_iter().zip(fates) {
                self.settle(job, fate, share, works, held, report);
            }
            if halted.is_some() || self.paused().is_some() {
                full.store(true, Ordering::Relaxed);
            }
            if self.pending.acknowledged.len() >= ACKS || flushed.elapsed() >= ACK_DELAY {
                if let Err(error) = self.flush(false).await {
                    // What was not stored did not happen: everybody is looked at again.
                    open_all(works);
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
                Disposition::Halt if broken("broken.halt") => retry(None, error.chain()),
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
        share: f64,
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
                if !broken("broken.work.open") {
                    open(works, job.card.work);
                }
                return;
            }
        };
        if broken("broken.retry.alone") && matches!(outcome, Outcome::Retry { .. }) {
            self.pending.acknowledged.clear();
            open_all(works);
        }
        let attempts = job.card.attempts + 1;
        let backoff = self.pipeline.backoff();
        if !matches!(outcome, Outcome::Retry { .. }) {
            let op = &job.delivery.op;
            self.pending.disclosed.push(Disclosure {
                external_id: op.external_id().clone(),
                kind: op.entity().name(),
                fields: op.body.fields(),
                taken: matches!(outcome, Outcome::Applied { .. }),
            });
        }
        let (wait, reason) = match outcome {
            Outcome::Applied { remote_id } => {
                report.sent += 1;
                let row = Acknowledged {
                    hash: job.card.hash,
                    generation: job.card.generation,
                    remote_id: remote_id.or(job.delivery.remote_id),
                    contact: job.delivery.op.depends_on().cloned(),
                };
                self.pending
                    .acknowledged
                    .push((job.delivery.op.external_id().clone(), row));
                return;
            }
            Outcome::Retry { after, reason } => {
                (Some(backoff.honour_share(after, attempts, share)), reason)
            }
            Outcome::Rejected { reason } if attempts < TRIES => {
                (Some(backoff.share(attempts, share)), reason)
            }
            Outcome::Rejected { reason } => (None, reason),
        };
        let external_id = job.delivery.op.external_id().clone();
        if wait.is_none() {
            self.pipeline.observer.event(&Event::Refused {
                id: &external_id,
                reason: &reason,
            });
        }
        if job.delivery.op.entity() == Entity::Contact {
            held.insert(external_id.clone(), reason.clone());
        }
        let Some(work) = works.get(job.card.work) else {
            return;
        };
        if broken("broken.parked.drop") && wait.is_none() {
            self.pending.cleared.push(external_id);
            return;
        }
        self.pending.parked.push(Parked {
            external_id,
            household: work.household.clone(),
            hash: job.card.mark,
            generation: job.card.generation,
            attempts,
            hold: wait.map_or(Hold::Refused, |wait| Hold::Until(self.now() + wait)),
            doubtful: job
                .card
                .doubt
                .is_some_and(|(hash, _)| hash != job.card.mark),
            reason,
        });
    }

    /// Sets a task aside whose contact is not there. It has no time of its own:
    /// it is looked at again whenever its household is, and its contact's time
    /// brings the household back.
    pub(super) fn block(&mut self, job: Job, works: &[Work], held: &HashMap<ExternalId, String>) {
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
        let (hash, generation) = job.card.doubt.unwrap_or((job.card.mark, 0));
        self.pending.parked.push(Parked {
            external_id: job.delivery.op.external_id().clone(),
            household: work.household.clone(),
            hash,
            generation,
            attempts: 0,
            hold: Hold::Blocked,
            doubtful: false,
            reason: format!("waits for its contact: {why}"),
        });
    }
}
