//! Follows a practice: polls, delivers, looks again at midnight, until told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Days, TimeDelta, Utc};
use tokio::sync::{Notify, watch};

use super::ingest::Reader;
use super::outreach::Caller;
use super::reconcile::Courier;
use super::watch::Watch;
use super::{Event, Mode, Pipeline, RunReport};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::broken;
use crate::outreach::Outreach;
use crate::sink::CrmSink;
use crate::source::Extent;
use crate::store::Epoch;

/// Ends whoever holds its [`Stop`], when told to or when dropped.
#[derive(Debug)]
pub struct Shutdown(watch::Sender<bool>);

/// Says when to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(Option<watch::Receiver<bool>>);

impl Shutdown {
    /// A pair.
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(Some(receiver)))
    }

    /// Asks everybody to stop at the next commit.
    pub fn stop(&self) {
        if !broken("broken.stop") {
            self.0.send_replace(true);
        }
    }
}

impl Stop {
    /// One that never stops.
    pub const fn never() -> Self {
        Self(None)
    }

    /// Whether to stop.
    pub fn is_set(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|stop| *stop.borrow() || stop.has_changed().is_err())
    }

    /// Returns when it is time to stop. Cancel safe.
    pub async fn wait(&self) {
        match self.0.clone() {
            // An error says that the Shutdown is gone, which stops as well.
            Some(mut stop) => drop(stop.wait_for(|stop| *stop).await),
            None => std::future::pending().await,
        }
    }
}

/// Shortest time between two rounds of deliveries: many parked ops come back
/// one by one, and each round has a price.
pub(super) const BREATH: Duration = Duration::from_millis(50);

impl Pipeline {
    /// Follows the practice until `stop`. Failures of the source and of the
    /// sinks are waited out; each is an [`Event::Problem`].
    ///
    /// # Errors
    /// A wrong pairing, or a run that was superseded.
    pub async fn run(&self, stop: Stop) -> Result<()> {
        let mut failures = 0;
        let state = loop {
            // The state may be on a disk that is full just now.
            match self.open().await {
                Ok(state) => break state,
                Err(error) if error.kind() != ErrorKind::State => return Err(error),
                Err(error) => {
                    failures += 1;
                    let wait = self.backoff().halted(failures);
                    self.observer.event(&Event::Problem {
                        what: &error.chain(),
                        again: Some(self.clock.now() + wait),
                    });
                    tokio::select! {
                        () = self.clock.sleep(wait) => {}
                        () = stop.wait() => return Ok(()),
                    }
                }
            }
        };
        let epoch = state.epoch;
        if !state.imported {
            // A completion whose beginning is not known says nothing of how long it took.
            drop(self.note_begun().await);
        }
        let imported = AtomicBool::new(state.imported);
        // One for each sink, and one for whoever tells people.
        let news: Vec<_> = (0..=self.sinks.len()).map(|_| Notify::new()).collect();
        let watch = Watch::new(self);
        let reading = self.read_on(
            Reader::new(self, epoch, Extent::Changes),
            &imported,
            &news,
            &watch,
            &stop,
        );
        let listening = async {
            watch.listen(&stop).await;
            Ok(())
        };
        let delivering = futures::future::try_join_all(
            self.sinks
                .iter()
                .zip(&news)
                .map(|(sink, news)| self.deliver_on(sink, epoch, &imported, news, &stop)),
        );
        let telling = async {
            match (&self.outreach, news.last()) {
                (Some(outreach), Some(news)) => {
                    self.tell_on(outreach, epoch, &imported, news, &stop).await
                }
                _ => Ok(()),
            }
        };
        futures::future::try_join4(reading, delivering, telling, listening)
            .await
            .map(|_| ())
    }

    pub(super) async fn pause(&self, wait: Duration, stop: &Stop) {
        tokio::select! {
            () = self.clock.sleep(wait) => {}
            () = stop.wait() => {}
        }
    }

    async fn read_on(
        &self,
        mut reader: Reader<'_>,
        imported: &AtomicBool,
        news: &[Notify],
        watch: &Watch<'_>,
        stop: &Stop,
    ) -> Result<()> {
        let mut failures = 0;
        let mut listed: Option<DateTime<Utc>> = None;
        while !stop.is_set() {
            let began = self.clock.now();
            let swept_at = self.swept_at().await;
            // A listing that could not be completed is not begun again at once.
            let extent = self.extent(swept_at.max(listed));
            reader.set_extent(extent);
            let mut report = RunReport::new(self.office.id().as_str(), Mode::Live, began);
            let before = self.source.requests();
            let end = reader.pass(&mut report, stop).await;
            let wait = match end {
                Ok(()) => {
                    failures = 0;
                    self.note_reading(Ok(())).await;
                    if !stop.is_set() {
                        imported.store(true, Ordering::Release);
                        if extent == Extent::Everything {
                            listed = Some(began);
                        }
                    }
                    report.complete = true;
                    let spent = (self.clock.now() - began).to_std().unwrap_or_default();
                    self.schedule.poll.saturating_sub(spent)
                }
                Err(error) if matches!(error.kind(), ErrorKind::Superseded | ErrorKind::Bug) => {
                    return Err(error);
                }
                Err(error) => {
                    // A pass that came further is a new beginning, not the same failure again.
                    failures = if report.read > 0 { 1 } else { failures + 1 };
                    let wait = self.backoff().after(&error, failures);
                    self.note_reading(Err((&error, failures))).await;
                    self.problem(&mut report, &error, Some(self.clock.now() + wait));
                    wait
                }
            };
            if !stop.is_set() {
                watch.look(&mut report).await;
            }
            report.source_requests = self.source.requests() - before;
            report.finished = self.clock.now();
            self.observer.event(&Event::Report(&report));
            self.note_run(&report).await;
            news.iter().for_each(Notify::notify_one);
            self.listen(&mut reader, wait, news, stop).await?;
        }
        Ok(())
    }

    /// Waits for the next pass, and meanwhile applies what the practice sends by
    /// itself, also while it cannot be read.
    async fn listen(
        &self,
        reader: &mut Reader<'_>,
        wait: Duration,
        news: &[Notify],
        stop: &Stop,
    ) -> Result<()> {
        let id = self.source.id();
        let next = self.clock.now() + TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
        let mut heeds = self.source.push().is_some() && reader.resume().await.is_ok();
        while !stop.is_set() {
            let left = (next - self.clock.now()).to_std().unwrap_or_default();
            tokio::select! {
                () = self.pause(left, stop) => return Ok(()),
                arrived = self.store.await_delivery(id), if heeds => {
                    heeds = arrived.is_ok() && reader.is_begun();
                }
            }
            if !heeds {
                // What came stays in the inbox; the next pass tries again.
                continue;
            }
            let mut report =
                RunReport::new(self.office.id().as_str(), Mode::Live, self.clock.now());
            let before = self.source.requests();
            let mut end = reader.hear(&mut report).await;
            news.iter().for_each(Notify::notify_one);
            if matches!(end, Ok(true)) {
                end = reader.pass(&mut report, stop).await.map(|()| false);
                news.iter().for_each(Notify::notify_one);
            }
            match end {
                Ok(_) => report.complete = true,
                Err(error) if matches!(error.kind(), ErrorKind::Superseded | ErrorKind::Bug) => {
                    return Err(error);
                }
                Err(error) => {
                    self.problem(&mut report, &error, Some(next));
                    heeds = reader.resume().await.is_ok() && error.kind() != ErrorKind::State;
                }
            }
            report.source_requests = self.source.requests() - before;
            report.finished = self.clock.now();
            self.observer.event(&Event::Report(&report));
        }
        Ok(())
    }

    async fn swept_at(&self) -> Option<DateTime<Utc>> {
        self.store
            .last_seen(self.source.id())
            .await
            .ok()?
            .swept_at()
    }

    /// Tells people until `stop`: when something is new, when a time has come, and
    /// at midnight.
    async fn tell_on(
        &self,
        outreach: &Outreach,
        epoch: Epoch,
        imported: &AtomicBool,
        news: &Notify,
        stop: &Stop,
    ) -> Result<()> {
        let mut caller = Caller::new(self, outreach, epoch, Mode::Live)?;
        let mut failures = 0;
        let mut wake: Option<DateTime<Utc>> = Some(self.clock.now());
        while !stop.is_set() {
            let wait = self.until(wake);
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = news.notified(), if failures == 0 => caller.distrust_stops(),
                () = stop.wait() => break,
            }
            if !imported.load(Ordering::Acquire) {
                wake = None;
                continue;
            }
            let mut report =
                RunReport::new(self.office.id().as_str(), Mode::Live, self.clock.now());
            match caller.round(&mut report, stop).await {
                Ok(next) => {
                    failures = 0;
                    wake = next;
                    report.complete = next.is_none();
                }
                Err(error) => wake = Some(self.again(error, &mut failures, &mut report)?),
            }
            report.finished = self.clock.now();
            self.observer.event(&Event::Report(&report));
            self.note_run(&report).await;
        }
        Ok(())
    }

    /// When to try again after a round that failed.
    ///
    /// # Errors
    /// What no later round can mend.
    fn again(
        &self,
        error: Error,
        failures: &mut u32,
        report: &mut RunReport,
    ) -> Result<DateTime<Utc>> {
        if matches!(error.kind(), ErrorKind::Superseded | ErrorKind::Bug) {
            return Err(error);
        }
        *failures += 1;
        let again = self.clock.now() + self.backoff().after(&error, *failures);
        self.problem(report, &error, Some(again));
        Ok(again)
    }

    /// How long until `wake`, or until midnight at the office.
    fn until(&self, wake: Option<DateTime<Utc>>) -> Duration {
        let now = self.clock.now();
        let midnight = self.office.midnight(
            self.office
                .today(now)
                .checked_add_days(Days::new(1))
                .unwrap_or_default(),
        );
        let until = wake.map_or(midnight, |wake| wake.min(midnight));
        (until - now).to_std().unwrap_or_default().max(BREATH)
    }

    async fn deliver_on(
        &self,
        sink: &Arc<dyn CrmSink>,
        epoch: Epoch,
        imported: &AtomicBool,
        news: &Notify,
        stop: &Stop,
    ) -> Result<()> {
        let mut courier = Courier::new(self, Arc::clone(sink), epoch, Mode::Live);
        let mut told = false;
        let mut failures = 0;
        let mut wake: Option<DateTime<Utc>> = Some(self.clock.now());
        let mut heed_news = true;
        while !stop.is_set() {
            let wait = self.until(wake);
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = news.notified(), if heed_news => courier.distrust_stops(),
                () = stop.wait() => break,
            }
            if !imported.load(Ordering::Acquire) {
                wake = None;
                continue;
            }
            let now = self.clock.now();
            let mut report = RunReport::new(self.office.id().as_str(), Mode::Live, now);
            let before = sink.requests();
            match courier.round(&mut report, stop).await {
                Ok(next) => {
                    failures = 0;
                    wake = next;
                    heed_news = true;
                    report.complete = next.is_none();
                }
                Err(error) => {
                    wake = Some(self.again(error, &mut failures, &mut report)?);
                    // What the practice says meanwhile does not mend this.
                    heed_news = false;
                }
            }
            report.sink_requests = sink.requests() - before;
            report.finished = self.clock.now();
            self.observer.event(&Event::Report(&report));
            self.note_run(&report).await;
            // What cannot be stored now is told by a later round.
            drop(self.note_imported(sink.id(), &mut told, &report).await);
        }
        Ok(())
    }
}
