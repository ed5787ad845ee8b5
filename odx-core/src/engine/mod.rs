//! Makes it so: reads a practice, works out what the CRM should show, sends the
//! difference, and remembers what was acknowledged.
//!
//! Two loops share the store and nothing else, so a dead sink never stops
//! reading and a dead source never stops delivering.

mod backoff;
mod breaker;
mod difference;
mod follow;
mod ingest;
mod marks;
mod outreach;
mod plan;
mod reconcile;
mod report;
mod stage;
mod stops;
mod watch;
mod work;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{Clock, SystemClock};
use crate::error::{Disposition, Error, ErrorKind, Result};
use crate::failpoint::reach;
use crate::hash::LedgerHash;
use crate::id::IdScheme;
use crate::office::Office;
use crate::ops::Desk;
use crate::outreach::Outreach;
use crate::policy::Policy;
use crate::sink::{Account, CrmSink};
use crate::source::{Extent, PracticeSource};
use crate::store::{Brake, Opening, SourceState, StateStore};

use self::outreach::Caller;
use backoff::Backoff;
use reconcile::Courier;
use watch::Watch;

pub use follow::{Shutdown, Stop};
pub use report::{Action, Event, Mode, Observer, RunReport, Unobserved};

/// When to read, and how long to wait at most.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Schedule {
    /// From the beginning of one pass to the next.
    pub poll: Duration,
    /// From one complete listing to the next.
    pub sweep: Duration,
    /// No back-off is longer.
    pub retry_max: Duration,
    /// Rows that are stored in one commit at the most, while pages come
    /// quickly: a commit costs more than the rows of a page. A page that was
    /// waited for is stored at once, and a page is never divided.
    pub rows_together: usize,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(15 * 60),
            sweep: Duration::from_secs(24 * 3600),
            retry_max: Duration::from_secs(5 * 60),
            rows_together: 1000,
        }
    }
}

impl Schedule {
    /// Sets the time between two passes.
    #[must_use]
    pub const fn with_poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Sets the time between two complete listings.
    #[must_use]
    pub const fn with_sweep(mut self, sweep: Duration) -> Self {
        self.sweep = sweep;
        self
    }

    /// Sets the cap of all back-offs.
    #[must_use]
    pub const fn with_retry_max(mut self, retry_max: Duration) -> Self {
        self.retry_max = retry_max;
        self
    }

    /// Sets how many rows may be stored together. 1: each page by itself.
    #[must_use]
    pub const fn with_rows_together(mut self, rows: usize) -> Self {
        self.rows_together = rows;
        self
    }
}

/// One practice kept true in one or more CRMs.
#[derive(Debug)]
pub struct Pipeline {
    source: Arc<dyn PracticeSource>,
    policy: Arc<dyn Policy>,
    sinks: Vec<Arc<dyn CrmSink>>,
    store: Arc<dyn StateStore>,
    office: Office,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    schedule: Schedule,
    brake: Brake,
    outreach: Option<Outreach>,
}

/// Builds a [`Pipeline`].
#[derive(Debug)]
#[must_use]
pub struct PipelineBuilder {
    source: Arc<dyn PracticeSource>,
    policy: Option<Arc<dyn Policy>>,
    sinks: Vec<Arc<dyn CrmSink>>,
    store: Option<Arc<dyn StateStore>>,
    office: Option<Office>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    schedule: Schedule,
    brake: Brake,
    outreach: Option<Outreach>,
}

impl PipelineBuilder {
    /// What decides. Required.
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Where it goes. At least one.
    pub fn sink(mut self, sink: Arc<dyn CrmSink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// What remembers. Required; several pipelines may share one.
    pub fn state(mut self, store: Arc<dyn StateStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Which office. Required: there is no default office and no default zone.
    pub fn office(mut self, office: Office) -> Self {
        self.office = Some(office);
        self
    }

    /// When to read, and how long to wait at most.
    pub const fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// How much of a listing may vanish at once.
    pub const fn brake(mut self, brake: Brake) -> Self {
        self.brake = brake;
        self
    }

    /// How people are reached. Without it nobody is.
    pub fn outreach(mut self, outreach: Outreach) -> Self {
        self.outreach = Some(outreach);
        self
    }

    /// Who sees it happen.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Which clock. The machine's, unless a test says otherwise.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks that all parts are there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming every part that is missing.
    pub fn build(self) -> Result<Pipeline> {
        let mut missing = Vec::new();
        if self.sinks.is_empty() {
            missing.push("a sink");
        }
        match (self.policy, self.store, self.office) {
            (Some(policy), Some(store), Some(office)) if missing.is_empty() => Ok(Pipeline {
                source: self.source,
                policy,
                sinks: self.sinks,
                store,
                office,
                clock: self.clock,
                observer: self.observer,
                schedule: self.schedule,
                brake: self.brake,
                outreach: self.outreach,
            }),
            (policy, store, office) => {
                let parts = [
                    (policy.is_none(), "a policy"),
                    (store.is_none(), "a state store"),
                    (office.is_none(), "an office"),
                ];
                missing.extend(
                    parts
                        .iter()
                        .filter(|(gone, _)| *gone)
                        .map(|(_, part)| *part),
                );
                Err(Error::new(
                    ErrorKind::Config,
                    format!("the pipeline lacks {}", missing.join(", ")),
                ))
            }
        }
    }
}

/// Wakes without one success after which a single run leaves the rest to the next.
const PATIENCE: u32 = 6;

impl Pipeline {
    /// Begins to build a pipeline from this source.
    pub fn builder(source: Arc<dyn PracticeSource>) -> PipelineBuilder {
        PipelineBuilder {
            source,
            policy: None,
            sinks: Vec::new(),
            store: None,
            office: None,
            clock: Arc::new(SystemClock),
            observer: Arc::new(Unobserved),
            schedule: Schedule::default(),
            brake: Brake::default(),
            outreach: None,
        }
    }

    /// The office.
    pub const fn office(&self) -> &Office {
        &self.office
    }

    /// What an operator asks about this practice, and may change: of the state
    /// alone. Neither the practice nor a CRM is contacted.
    pub fn desk(&self) -> Desk {
        self.desk_on(Arc::clone(&self.store))
    }

    /// The same about another state than the pipeline's own: that of which it
    /// has a copy to try something in.
    pub fn desk_on(&self, store: Arc<dyn StateStore>) -> Desk {
        let sinks = self.sinks.iter();
        Desk::new(
            store,
            self.source.id().clone(),
            self.office.clone(),
            Arc::clone(&self.policy),
            sinks
                .map(|sink| (sink.id().clone(), sink.account()))
                .collect(),
        )
        .with_clock(Arc::clone(&self.clock))
        .with_schedule(self.schedule)
        .with_outreach(self.outreach.is_some())
    }

    async fn open(&self) -> Result<SourceState> {
        let mut sinks: Vec<_> = self
            .sinks
            .iter()
            .map(|sink| (sink.id().clone(), sink.account()))
            .collect();
        let mut decides: Vec<_> = self
            .sinks
            .iter()
            .map(|sink| (sink.id().clone(), self.policy.fingerprint()))
            .collect();
        if let Some(outreach) = &self.outreach {
            let (route, account) = outreach::route(self)?;
            let parts = [self.policy.fingerprint(), outreach.fingerprint()];
            let parts = parts.each_ref().map(|part| part.as_bytes().as_slice());
            decides.push((route.clone(), LedgerHash::of_parts(&parts)));
            sinks.push((route, account));
        }
        reach("open_run.before");
        let state = self
            .store
            .open_run(&Opening {
                source: self.source.id().clone(),
                sinks,
            })
            .await?;
        reach("open_run.after_commit");
        let known = self.store.outreach();
        for gateway in self.outreach.iter().flat_map(Outreach::gateways) {
            let account = Account {
                name: gateway.sender().to_owned(),
                scheme: IdScheme::Scoped,
            };
            known
                .open_gateway(self.source.id(), gateway.id(), &account)
                .await?;
        }
        // What decides may have changed: then everybody is looked at, once.
        for (sink, fingerprint) in decides {
            known.look_again(&sink, fingerprint).await?;
        }
        Ok(state)
    }

    const fn backoff(&self) -> Backoff {
        Backoff {
            cap: self.schedule.retry_max,
        }
    }

    /// A listing is due once the oldest is older than the schedule says.
    fn extent(&self, swept_at: Option<DateTime<Utc>>) -> Extent {
        let every = TimeDelta::from_std(self.schedule.sweep).unwrap_or(TimeDelta::MAX);
        match swept_at {
            Some(at) if self.clock.now() - at < every => Extent::Changes,
            _ => Extent::Everything,
        }
    }

    fn problem(&self, report: &mut RunReport, error: &Error, again: Option<DateTime<Utc>>) {
        let what = error.chain();
        self.observer.event(&Event::Problem { what: &what, again });
        if !report.problems.contains(&what) && report.problems.len() < 20 {
            report.problems.push(what);
        }
    }

    /// Reads the practice once, to the end, and delivers until nothing is left
    /// that can be delivered now.
    ///
    /// Failures that pass by themselves are tried again a few times within the
    /// run; what then remains waits in the state for the next one, and the
    /// report is not `complete`. A source that cannot be read does not stop
    /// delivering what is already known.
    ///
    /// # Errors
    /// A wrong pairing, a state that cannot be opened, a run that was
    /// superseded. Everything else is in the report.
    pub async fn run_once(&self, mode: Mode) -> Result<RunReport> {
        self.run_once_until(mode, &Stop::never()).await
    }

    /// As [`run_once`](Self::run_once), but ends at the next commit once `stop`
    /// says so. The report is then not `complete`.
    ///
    /// # Errors
    /// As [`run_once`](Self::run_once).
    pub async fn run_once_until(&self, mode: Mode, stop: &Stop) -> Result<RunReport> {
        let state = self.open().await?;
        if mode == Mode::Live && !state.imported {
            self.note_begun().await?;
        }
        let mut report = RunReport::new(self.office.id().as_str(), mode, self.clock.now());
        let source_before = self.source.requests();
        let sinks_before: u64 = self.sinks.iter().map(|sink| sink.requests()).sum();

        let SourceState {
            epoch,
            mut imported,
            swept_at,
        } = state;
        let mut complete = true;
        let watch = Watch::new(self);
        let mut reader = ingest::Reader::new(self, epoch, self.extent(swept_at));
        let mut failures = 0;
        loop {
            let rows = report.read;
            match reader.pass(&mut report, stop).await {
                Ok(()) if stop.is_set() => break,
                Ok(()) => {
                    imported = true;
                    if mode == Mode::Live {
                        self.note_reading(Ok(())).await;
                    }
                    break;
                }
                Err(error) if fatal(&error) => return Err(error),
                Err(error) => {
                    failures = if report.read > rows { 1 } else { failures + 1 };
                    let halt = error.disposition() == Disposition::Halt;
                    if halt || failures > PATIENCE {
                        if mode == Mode::Live {
                            self.note_reading(Err((&error, failures))).await;
                        }
                        self.problem(&mut report, &error, None);
                        complete = false;
                        break;
                    }
                    let wait = self.backoff().after(&error, failures);
                    self.observer.event(&Event::Problem {
                        what: &error.chain(),
                        again: Some(self.clock.now() + wait),
                    });
                    self.pause(wait, stop).await;
                }
            }
        }
        if !stop.is_set() {
            watch.look(&mut report).await;
        }
        // Before the first import has come to its end, half a practice would be told as the whole.
        if imported {
            for sink in &self.sinks {
                let mut courier = Courier::new(self, Arc::clone(sink), epoch, mode);
                complete &= self.deliver(&mut courier, &mut report, stop).await?;
                if mode == Mode::Live {
                    self.note_imported(sink.id(), &mut false, &report).await?;
                }
            }
            if let Some(outreach) = &self.outreach {
                let mut caller = Caller::new(self, outreach, epoch, mode)?;
                match caller.round(&mut report, stop).await {
                    Ok(_) => {}
                    Err(error) if fatal(&error) => return Err(error),
                    Err(error) => {
                        self.problem(&mut report, &error, None);
                        complete = false;
                    }
                }
            }
        }
        report.complete = complete && !stop.is_set();
        self.close(&mut report, source_before, sinks_before).await?;
        Ok(report)
    }

    /// Delivers until nothing is due, waiting for what comes back soon.
    async fn deliver(
        &self,
        courier: &mut Courier<'_>,
        report: &mut RunReport,
        stop: &Stop,
    ) -> Result<bool> {
        let mut idle = 0;
        loop {
            let sent = report.sent;
            let end = match courier.round(report, stop).await {
                Ok(end) => end,
                Err(error) if fatal(&error) => return Err(error),
                Err(error) => {
                    self.problem(report, &error, None);
                    return Ok(false);
                }
            };
            let Some(wake) = end else {
                return Ok(true);
            };
            idle = if report.sent > sent { 0 } else { idle + 1 };
            if courier.mode() == Mode::DryRun || idle > PATIENCE || stop.is_set() {
                return Ok(false);
            }
            self.pause((wake - self.clock.now()).to_std().unwrap_or_default(), stop)
                .await;
        }
    }

    async fn close(
        &self,
        report: &mut RunReport,
        source_before: u64,
        sinks_before: u64,
    ) -> Result<()> {
        report.source_requests = self.source.requests() - source_before;
        report.sink_requests =
            self.sinks.iter().map(|sink| sink.requests()).sum::<u64>() - sinks_before;
        self.look(report).await?;
        report.finished = self.clock.now();
        self.observer.event(&Event::Report(report));
        if report.mode == Mode::Live
            && let Ok(text) = serde_json::to_string(report)
        {
            reach("run.before");
            self.store
                .record_run(self.source.id(), report.finished, &text)
                .await?;
            reach("run.after_commit");
        }
        Ok(())
    }

    /// Fills in what the store knows at the end.
    async fn look(&self, report: &mut RunReport) -> Result<()> {
        for sink in &self.sinks {
            let counts = self.store.counts(self.source.id(), sink.id()).await?;
            report.waiting += counts.waiting;
            report.refused += counts.refused;
            report.blocked += counts.blocked;
            report.counts = counts;
            if counts.waiting + counts.refused > 0 {
                report
                    .parked
                    .extend(self.store.parked(sink.id(), 20).await?);
            }
        }
        if report.held > 0 {
            report.problems.push(format!(
                "{} records have vanished from the practice's lists, more than the brake lets go at once: \
                 if that is right, raise the brake for one run",
                report.held
            ));
        }
        Ok(())
    }
}

/// Nothing can go on after these.
fn fatal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Superseded | ErrorKind::State | ErrorKind::Bug
    )
}
