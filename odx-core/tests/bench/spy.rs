//! A store that notes what it was asked, fails where it is told to, and knows
//! which run it belongs to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use odx_core::push::Delivery;
use odx_core::sink::Suppression;
use odx_core::source::Cursor;
use odx_core::store::{
    AckCommit, Counts, Departure, Due, DueQuery, EffectClaim, EffectCommit, EffectRow, Epoch,
    LastSeen, Opening, OutreachStore, PageCommit, PageOutcome, Parked, SourceState, Standing,
    StateStore,
};
use odx_core::{Error, ErrorKind, ExternalId, IdempotencyKey, OutletId, Result, SinkId, SourceId};
use tokio::sync::Notify;

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Page,
    Departure,
    Acks,
}

#[derive(Debug)]
pub(crate) struct Spy {
    inner: Arc<dyn StateStore>,
    notes: Mutex<Notes>,
    go_on: Notify,
}

#[derive(Debug, Default)]
struct Notes {
    asked: Vec<Asked>,
    fail: Option<(Asked, usize)>,
    epoch: Option<Epoch>,
    hold: bool,
    held: bool,
    looks: usize,
    inbox_fails: bool,
}

impl Spy {
    pub(crate) fn on(inner: Arc<dyn StateStore>) -> Self {
        Self {
            inner,
            notes: Mutex::default(),
            go_on: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `nth` such commit from now on does not happen, counted from 1.
    pub(crate) fn fail(&self, asked: Asked, nth: usize) {
        self.lock().fail = Some((asked, nth));
    }

    /// Holds the next run up after it has loaded what is due, before it knows
    /// what was acknowledged.
    pub(crate) fn hold(&self) {
        self.lock().hold = true;
    }

    /// Returns when a run is held up.
    pub(crate) async fn held(&self) {
        while !self.lock().held {
            tokio::task::yield_now().await;
        }
    }

    /// Lets it go on.
    pub(crate) fn release(&self) {
        self.lock().held = false;
        self.go_on.notify_one();
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// That of the run that was opened last.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.lock().epoch
    }

    /// How often somebody looked into the inbox, or waited for it.
    pub(crate) fn looks(&self) -> usize {
        self.lock().looks
    }

    /// From now on the inbox cannot be read, or can again.
    pub(crate) fn fail_inbox(&self, fails: bool) {
        self.lock().inbox_fails = fails;
    }

    fn look(&self) -> Result<()> {
        let mut notes = self.lock();
        notes.looks += 1;
        match notes.inbox_fails {
            true => Err(Error::new(ErrorKind::State, "the disk cannot be read")),
            false => Ok(()),
        }
    }

    fn note(&self, asked: Asked) -> Result<()> {
        let mut notes = self.lock();
        notes.asked.push(asked);
        match &mut notes.fail {
            Some((wanted, nth)) if *wanted == asked => {
                *nth -= 1;
                if *nth > 0 {
                    return Ok(());
                }
                notes.fail = None;
                Err(Error::new(ErrorKind::State, "the disk is full"))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl StateStore for Spy {
    async fn open_run(&self, opening: &Opening) -> Result<SourceState> {
        let state = self.inner.open_run(opening).await?;
        self.lock().epoch = Some(state.epoch);
        Ok(state)
    }

    async fn commit_page(&self, commit: PageCommit) -> Result<PageOutcome> {
        self.note(Asked::Page)?;
        self.inner.commit_page(commit).await
    }

    async fn cursor(&self, source: &SourceId) -> Result<Option<Cursor>> {
        self.inner.cursor(source).await
    }

    async fn last_seen(&self, source: &SourceId) -> Result<LastSeen> {
        self.inner.last_seen(source).await
    }

    async fn restart_feed(&self, source: &SourceId, epoch: Epoch) -> Result<()> {
        self.inner.restart_feed(source, epoch).await
    }

    async fn receive(&self, source: &SourceId, delivery: Delivery) -> Result<bool> {
        self.inner.receive(source, delivery).await
    }

    async fn inbox(&self, source: &SourceId, most: usize) -> Result<Vec<Delivery>> {
        self.look()?;
        self.inner.inbox(source, most).await
    }

    async fn await_delivery(&self, source: &SourceId) -> Result<()> {
        self.look()?;
        self.inner.await_delivery(source).await
    }

    async fn due(&self, query: &DueQuery) -> Result<Vec<Due>> {
        self.inner.due(query).await
    }

    async fn standing(&self, sink: &SinkId, ids: Vec<ExternalId>) -> Result<Vec<Standing>> {
        let standing = self.inner.standing(sink, ids).await;
        let hold = {
            let mut notes = self.lock();
            notes.held = std::mem::take(&mut notes.hold);
            notes.held
        };
        if hold {
            self.go_on.notified().await;
        }
        standing
    }

    async fn commit_departure(&self, departure: Departure) -> Result<()> {
        self.note(Asked::Departure)?;
        self.inner.commit_departure(departure).await
    }

    async fn commit_acks(&self, commit: AckCommit) -> Result<()> {
        self.note(Asked::Acks)?;
        self.inner.commit_acks(commit).await
    }

    async fn next_wake(&self, sink: &SinkId) -> Result<Option<DateTime<Utc>>> {
        self.inner.next_wake(sink).await
    }

    async fn suppression_cursor(&self, sink: &SinkId) -> Result<Option<Cursor>> {
        self.inner.suppression_cursor(sink).await
    }

    async fn suppress(
        &self,
        sink: &SinkId,
        stops: Vec<Suppression>,
        next: Option<Cursor>,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        self.inner.suppress(sink, stops, next, now).await
    }

    async fn counts(&self, source: &SourceId, sink: &SinkId) -> Result<Counts> {
        self.inner.counts(source, sink).await
    }

    async fn parked(&self, sink: &SinkId, limit: usize) -> Result<Vec<Parked>> {
        self.inner.parked(sink, limit).await
    }

    async fn record_run(&self, source: &SourceId, now: DateTime<Utc>, report: &str) -> Result<()> {
        self.inner.record_run(source, now, report).await
    }

    async fn open_outlet(&self, outlet: &OutletId) -> Result<Epoch> {
        self.inner.open_outlet(outlet).await
    }

    async fn effect(&self, outlet: &OutletId, key: &IdempotencyKey) -> Result<Option<EffectRow>> {
        self.inner.effect(outlet, key).await
    }

    async fn claim_effect(&self, claim: EffectClaim) -> Result<bool> {
        self.inner.claim_effect(claim).await
    }

    async fn settle_effect(&self, commit: EffectCommit) -> Result<()> {
        self.inner.settle_effect(commit).await
    }

    fn outreach(&self) -> &dyn OutreachStore {
        self.inner.outreach()
    }

    async fn open_effects(&self, outlet: &OutletId, limit: usize) -> Result<Vec<EffectRow>> {
        self.inner.open_effects(outlet, limit).await
    }
}
