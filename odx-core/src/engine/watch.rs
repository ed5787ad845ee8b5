//! Notices when a practice is not heard of any more, and says so once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;

use super::follow::BREATH;
use super::{Event, Pipeline, RunReport, Stop};
use crate::health::{Alarm, Expected, Health};
use crate::store::LastSeen;

/// Listens for one source for as long as a run takes.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    pipeline: &'a Pipeline,
    expected: Expected,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    /// As it was last known: silence is told also while the store cannot be read.
    seen: LastSeen,
    /// What has been told and is not over.
    told: BTreeSet<Alarm>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(pipeline: &'a Pipeline) -> Self {
        Self {
            pipeline,
            expected: Expected {
                since: pipeline.clock.now(),
                poll: pipeline.schedule.poll,
                sweep: pipeline.schedule.sweep,
            },
            notes: Mutex::default(),
        }
    }

    /// After a pass: how the source stands, and every alarm that begins or ends.
    pub(super) async fn look(&self, report: &mut RunReport) {
        let health = self.health().await;
        let now: BTreeSet<Alarm> = health.alarms().into_iter().collect();
        self.over(&now);
        for alarm in now {
            let what = health.sentence(alarm);
            if self.begins(alarm) {
                self.tell(&what);
            }
            if !report.problems.contains(&what) {
                report.problems.push(what);
            }
        }
        report.health = Some(health);
    }

    /// Until `stop`: tells silence when it begins, also where a pass neither
    /// fails nor ends. That it is over, or that a kind is not listed any more,
    /// is seen after a pass.
    pub(super) async fn listen(&self, stop: &Stop) {
        let Pipeline {
            clock, schedule, ..
        } = self.pipeline;
        // A pass that has just begun is waited for, however long ago the last one was.
        let mut wait = schedule.poll.saturating_mul(2);
        while !stop.is_set() {
            // Polls may be as short as nothing.
            self.pipeline.pause(wait.max(BREATH), stop).await;
            if stop.is_set() {
                return;
            }
            let health = self.health().await;
            if health.silent {
                if self.begins(Alarm::Silent) {
                    self.tell(&health.sentence(Alarm::Silent));
                }
                wait = schedule.poll;
            } else {
                let now = clock.now();
                let silent = self.expected.silent_at(now, &self.lock().seen);
                // As long as the clock of a machine can wait, at the most.
                wait = (silent - now)
                    .min(TimeDelta::days(1))
                    .to_std()
                    .unwrap_or_default();
            }
        }
    }

    async fn health(&self) -> Health {
        let Pipeline {
            store,
            source,
            clock,
            ..
        } = self.pipeline;
        if let Ok(seen) = store.last_seen(source.id()).await {
            self.lock().seen = seen;
        }
        self.expected.health(clock.now(), &self.lock().seen)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is news.
    fn begins(&self, alarm: Alarm) -> bool {
        self.lock().told.insert(alarm)
    }

    /// Forgets what has ended.
    fn over(&self, now: &BTreeSet<Alarm>) {
        self.lock().told.retain(|alarm| now.contains(alarm));
    }

    fn tell(&self, what: &str) {
        tracing::warn!(source = %self.pipeline.source.id(), what, "alarm");
        let event = Event::Problem { what, again: None };
        self.pipeline.observer.event(&event);
    }
}
