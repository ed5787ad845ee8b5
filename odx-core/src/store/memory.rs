//! State in memory: for tests, dry experiments and nothing that must last.

mod effect;
mod outreach;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use tokio::sync::watch;

use super::outreach::{AuditRow, DecisionRow, OutreachState, OutreachStore};
use super::view::{self, Digest, DigestKey, Row};
use super::{
    AckCommit, Acknowledged, Counts, Departure, Due, DueQuery, EffectClaim, EffectCommit,
    EffectRow, Epoch, LastSeen, Opening, PageCommit, PageOutcome, Parked, SourceState, Standing,
    StateStore, Tried,
};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::broken;
use crate::hash::{IdempotencyKey, LedgerHash};
use crate::id::{ExternalId, HouseholdKey, OutletId, SinkId, SourceId};
use crate::model::{Blocked, Channel, HouseholdView, Member, RecordKind, Reminder};
use crate::push::Delivery;
use crate::sink::{Account, Suppression};
use crate::source::{Change, Cursor, Position};

/// State that ends with the process.
pub struct MemoryStore {
    key: DigestKey,
    inner: Mutex<Inner>,
    /// Rings whenever a delivery has been stored.
    bell: watch::Sender<()>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What it keeps are the bodies of records: names, if only as bytes.
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Inner {
    sources: BTreeMap<SourceId, Source>,
    sinks: BTreeMap<SinkId, Sink>,
    outlets: effect::Outlets,
    /// With whose each row is.
    audit: Vec<(SourceId, AuditRow)>,
}

#[derive(Default)]
struct Source {
    epoch: u64,
    cursor: Option<Cursor>,
    imported: bool,
    last_seen: LastSeen,
    records: BTreeMap<(RecordKind, String), Stored>,
    unreadable: BTreeMap<(RecordKind, String), u64>,
    /// Since when a reminder could not be read.
    unread: BTreeMap<String, DateTime<Utc>>,
    listing: BTreeMap<RecordKind, u64>,
    runs: Vec<(DateTime<Utc>, String)>,
    inbox: Vec<Delivery>,
    delivered: BTreeMap<[u8; 16], DateTime<Utc>>,
    /// Why rows cannot be read, and since when.
    reasons: BTreeMap<(RecordKind, String), (String, DateTime<Utc>)>,
    decisions: BTreeMap<(String, Channel), DecisionRow>,
    outreach: OutreachState,
    unmapped: BTreeMap<String, DateTime<Utc>>,
    kept: BTreeMap<String, String>,
}

struct Stored {
    parent: String,
    hash: LedgerHash,
    body: Vec<u8>,
    changed_on: NaiveDate,
    /// The listing number under which it was last seen.
    seen: u64,
    missed: bool,
    gone: bool,
    /// The stamp of the newest delivery that told it.
    told: Option<NaiveDateTime>,
}

struct Sink {
    source: SourceId,
    account: Account,
    cursor: Option<Cursor>,
    routes: BTreeMap<String, Route>,
    ledger: BTreeMap<ExternalId, Acknowledged>,
    parked: BTreeMap<ExternalId, Parked>,
    parked_since: BTreeMap<ExternalId, DateTime<Utc>>,
    stops: BTreeMap<(Channel, Digest), outreach::Kept>,
    /// Known for its stops only: it looks at no households.
    gateway: bool,
    fingerprint: Option<LedgerHash>,
}

impl Sink {
    fn new(source: SourceId, account: Account) -> Self {
        Self {
            source,
            account,
            cursor: None,
            routes: BTreeMap::new(),
            ledger: BTreeMap::new(),
            parked: BTreeMap::new(),
            parked_since: BTreeMap::new(),
            stops: BTreeMap::new(),
            gateway: false,
            fingerprint: None,
        }
    }

    fn set_aside_no_more(&mut self, id: &ExternalId) {
        self.parked.remove(id);
        self.parked_since.remove(id);
    }
}

#[derive(Default, Clone)]
struct Route {
    generation: u64,
    seen: u64,
    again: Option<NaiveDate>,
    tried: Vec<Tried>,
    /// It was reconciled at least once.
    brought: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            key: DigestKey::random(),
            inner: Mutex::default(),
            bell: watch::Sender::new(()),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(what: &str) -> Error {
    Error::new(ErrorKind::Bug, format!("{what} was not opened"))
}

fn superseded() -> Error {
    Error::new(
        ErrorKind::Superseded,
        "another run has taken over this source",
    )
}

impl Inner {
    fn source(&mut self, id: &SourceId) -> Result<&mut Source> {
        self.sources
            .get_mut(id)
            .ok_or_else(|| unknown("the source"))
    }

    fn sink(&mut self, id: &SinkId) -> Result<&mut Sink> {
        self.sinks.get_mut(id).ok_or_else(|| unknown("the sink"))
    }

    fn current(&mut self, id: &SourceId, epoch: Epoch) -> Result<&mut Source> {
        let source = self.source(id)?;
        if source.epoch == epoch.0 || broken("broken.epoch") {
            Ok(source)
        } else {
            Err(superseded())
        }
    }

    fn raise(&mut self, source: &SourceId, households: &BTreeSet<String>) {
        for sink in self
            .sinks
            .values_mut()
            .filter(|sink| sink.source == *source && !sink.gateway)
        {
            for household in households {
                sink.routes.entry(household.clone()).or_default().generation += 1;
            }
        }
    }
}

impl Source {
    /// The households that a change to this record concerns.
    fn household(&self, kind: RecordKind, parent: &str) -> Option<String> {
        match kind {
            RecordKind::Patient => Some(parent.to_owned()),
            _ => self
                .records
                .get(&(RecordKind::Patient, parent.to_owned()))
                .map(|patient| patient.parent.clone()),
        }
    }

    /// Reminders that have had their time leave without a trace.
    fn let_go(&mut self, today: NaiveDate, now: DateTime<Utc>) {
        let from = Reminder::kept_from(today);
        let kind = RecordKind::Reminder;
        self.records
            .retain(|(k, _), stored| *k != kind || stored.changed_on >= from);
        let since = now - chrono::TimeDelta::days(Reminder::KEPT.into());
        let Self {
            unreadable, unread, ..
        } = self;
        unread.retain(|native, at| {
            let known = (kind, native.clone());
            if *at < since {
                unreadable.remove(&known);
            }
            unreadable.contains_key(&known)
        });
    }

    fn live(&self, kind: RecordKind) -> u64 {
        let live = self
            .records
            .iter()
            .filter(|((k, _), stored)| *k == kind && !stored.gone)
            .count();
        u64::try_from(live).unwrap_or(u64::MAX)
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    async fn open_run(&self, opening: &Opening) -> Result<SourceState> {
        let mut inner = self.lock();
        for (id, account) in &opening.sinks {
            if let Some(sink) = inner.sinks.get(id) {
                super::pairing::check(id, &opening.source, account, &sink.source, &sink.account)?;
                super::pairing::check_no_gateway(id, sink.gateway)?;
            }
            // Nobody's records are at a gateway.
            for sink in inner.sinks.values().filter(|sink| !sink.gateway) {
                super::pairing::check_shared(
                    &opening.source,
                    account,
                    &sink.source,
                    &sink.account,
                )?;
            }
        }
        let households: BTreeSet<String> =
            inner
                .sources
                .get(&opening.source)
                .map_or_else(BTreeSet::new, |source| {
                    source
                        .records
                        .iter()
                        .filter(|((kind, _), _)| *kind == RecordKind::Patient)
                        .map(|(_, stored)| stored.parent.clone())
                        .collect()
                });
        for (id, account) in &opening.sinks {
            let routes = households.iter().map(|household| {
                let route = Route {
                    generation: 1,
                    ..Route::default()
                };
                (household.clone(), route)
            });
            inner.sinks.entry(id.clone()).or_insert_with(|| Sink {
                routes: routes.collect(),
                ..Sink::new(opening.source.clone(), account.clone())
            });
        }
        let source = inner.sources.entry(opening.source.clone()).or_default();
        source.epoch += 1;
        Ok(SourceState {
            epoch: Epoch(source.epoch),
            imported: source.imported,
            swept_at: source.last_seen.swept_at(),
        })
    }

    async fn commit_page(&self, commit: PageCommit) -> Result<PageOutcome> {
        let mut inner = self.lock();
        let source = inner.current(&commit.source, commit.epoch)?;
        if source.cursor != commit.from {
            return Err(superseded());
        }
        let mut outcome = PageOutcome::default();
        let mut raised = BTreeSet::new();
        let mut body = Vec::new();
        for change in commit.page.changes {
            let stamp = match &change {
                Change::Told { stamp, .. } => Some(*stamp),
                _ => None,
            };
            match change {
                Change::Told { record, .. }
                    if source
                        .records
                        .get(&(record.kind(), record.native().to_owned()))
                        .is_some_and(|known| known.gone || known.told > stamp) =>
                {
                    outcome.unchanged += 1;
                }
                Change::Upsert(record) | Change::Told { record, .. } => {
                    let hash = record.encode(&mut body).map_err(|_| {
                        Error::new(ErrorKind::Bug, "a record could not be written as json")
                    })?;
                    let kind = record.kind();
                    let seen = source.listing.get(&kind).copied().unwrap_or_default();
                    let key = (kind, record.native().to_owned());
                    if source.unreadable.remove(&key).is_some() && kind == RecordKind::OptOut {
                        // It denied everything, and now only what it says.
                        raised.extend(source.household(kind, record.parent()));
                    }
                    if let Some(known) = source.records.get_mut(&key) {
                        known.seen = seen;
                        known.missed = false;
                        known.told = stamp.or(known.told);
                        if known.hash == hash && !known.gone {
                            outcome.unchanged += 1;
                            continue;
                        }
                    }
                    outcome.changed += 1;
                    let told = source.records.get(&key).and_then(|known| known.told);
                    let before = source.records.get(&key).map(|known| known.parent.clone());
                    raised.extend(before.and_then(|parent| source.household(kind, &parent)));
                    source.records.insert(
                        key,
                        Stored {
                            parent: record.parent().to_owned(),
                            hash,
                            body: body.clone(),
                            changed_on: commit.today,
                            seen,
                            missed: false,
                            gone: false,
                            told: stamp.or(told),
                        },
                    );
                    raised.extend(source.household(kind, record.parent()));
                }
                Change::Seen(key) => {
                    let seen = source.listing.get(&key.kind()).copied().unwrap_or_default();
                    let key = (key.kind(), key.native().to_owned());
                    if let Some(known) = source.records.get_mut(&key) {
                        known.seen = seen;
                        known.missed = false;
                    }
                }
                Change::Whole {
                    patient,
                    kind,
                    keys,
                    removed,
                } => {
                    let household = source.household(kind, patient.native());
                    let others = source.records.iter_mut().filter(|((k, native), stored)| {
                        *k == kind
                            && kind != RecordKind::Patient
                            && stored.parent == patient.native()
                            && !stored.gone
                            && !keys.contains(native)
                    });
                    for (_, stored) in others {
                        if removed {
                            stored.gone = true;
                            stored.changed_on = commit.today;
                            outcome.gone += 1;
                            raised.extend(household.clone());
                        } else {
                            stored.missed = true;
                        }
                    }
                }
                Change::Gone(key) => {
                    let kind = key.kind();
                    let bad = (kind, key.native().to_owned());
                    if source.unreadable.remove(&bad).is_some() && kind == RecordKind::OptOut {
                        raised.extend(source.household(kind, key.native()));
                    }
                    if let Some(known) = source.records.get_mut(&(kind, key.native().to_owned()))
                        && !known.gone
                    {
                        known.gone = true;
                        known.changed_on = commit.today;
                        outcome.gone += 1;
                        let parent = known.parent.clone();
                        raised.extend(source.household(kind, &parent));
                    }
                }
                Change::Unreadable(bad) => {
                    outcome.unreadable += 1;
                    let seen = source.listing.get(&bad.kind).copied().unwrap_or_default();
                    let key = (bad.kind, bad.native);
                    let since = match source.reasons.get(&key) {
                        Some((_, since)) if source.unreadable.contains_key(&key) => *since,
                        _ => commit.now,
                    };
                    source.reasons.insert(key.clone(), (bad.reason, since));
                    if let Some(known) = source.records.get_mut(&key) {
                        known.seen = seen;
                        known.missed = false;
                    }
                    let opt_out = (key.0 == RecordKind::OptOut).then(|| key.1.clone());
                    if key.0 == RecordKind::Reminder {
                        let at = source.unread.entry(key.1.clone());
                        at.or_insert(commit.now);
                    }
                    let known = source.unreadable.insert(key, seen);
                    if let (Some(patient), None) = (opt_out, known) {
                        raised.extend(source.household(RecordKind::OptOut, &patient));
                    }
                }
            }
        }
        for swept in commit.page.swept {
            let kind = swept.kind;
            let number = source.listing.get(&kind).copied().unwrap_or_default();
            let live = source.live(kind);
            let unseen = |stored: &Stored| !stored.gone && stored.seen < number;
            let candidates: Vec<_> = source
                .records
                .iter()
                .filter(|((k, _), stored)| {
                    *k == kind && unseen(stored) && (stored.missed || broken("broken.twice"))
                })
                .map(|(key, _)| key.clone())
                .collect();
            let going = u64::try_from(candidates.len()).unwrap_or(u64::MAX);
            if commit.brake.allows(going, live) {
                for key in candidates {
                    if let Some(stored) = source.records.get_mut(&key) {
                        stored.gone = true;
                        stored.changed_on = commit.today;
                        let parent = stored.parent.clone();
                        raised.extend(source.household(kind, &parent));
                    }
                }
                outcome.gone += going;
            } else {
                outcome.held += going;
            }
            for ((k, _), stored) in &mut source.records {
                if *k == kind && unseen(stored) {
                    stored.missed = true;
                }
            }
            let least = super::unreadable_since(kind, number);
            let mut readable = Vec::new();
            source.unreadable.retain(|(k, native), seen| {
                let stays = *k != kind || *seen >= least;
                if !stays && kind == RecordKind::OptOut {
                    readable.push(native.clone());
                }
                stays
            });
            for patient in readable {
                raised.extend(source.household(kind, &patient));
            }
            source.listing.insert(kind, number + 1);
            source.last_seen.listed.insert(kind, commit.now);
        }
        if commit.delivered.is_empty() {
            if let Position::CaughtUp(_) = commit.page.position {
                source.let_go(commit.today, commit.now);
                source.imported = true;
                source.last_seen.success = Some(commit.now);
            }
            source.last_seen.page = Some(commit.now);
        } else {
            source
                .inbox
                .retain(|delivery| !commit.delivered.contains(&delivery.id()));
            let Source {
                inbox, delivered, ..
            } = &mut *source;
            delivered.retain(|id, at| {
                commit.now - *at <= super::DELIVERIES_KNOWN
                    || inbox.iter().any(|waiting| waiting.id().as_bytes() == id)
            });
        }
        if outcome.is_news() {
            source.last_seen.change = Some(commit.now);
        }
        let Source {
            reasons,
            unreadable,
            ..
        } = &mut *source;
        reasons.retain(|key, _| unreadable.contains_key(key));
        source.cursor = Some(commit.page.position.cursor().clone());
        inner.raise(&commit.source, &raised);
        Ok(outcome)
    }

    async fn cursor(&self, source: &SourceId) -> Result<Option<Cursor>> {
        let inner = self.lock();
        Ok(inner
            .sources
            .get(source)
            .and_then(|known| known.cursor.clone()))
    }

    async fn last_seen(&self, source: &SourceId) -> Result<LastSeen> {
        let inner = self.lock();
        let known = inner.sources.get(source);
        Ok(known.map_or_else(LastSeen::default, |known| known.last_seen.clone()))
    }

    async fn restart_feed(&self, source: &SourceId, epoch: Epoch) -> Result<()> {
        self.lock().current(source, epoch)?.cursor = None;
        Ok(())
    }

    async fn receive(&self, source: &SourceId, delivery: Delivery) -> Result<bool> {
        let mut inner = self.lock();
        let source = inner.sources.entry(source.clone()).or_default();
        let fresh = source
            .delivered
            .insert(*delivery.id().as_bytes(), delivery.received())
            .is_none();
        if fresh {
            source.inbox.push(delivery);
            self.bell.send_replace(());
        }
        Ok(fresh)
    }

    async fn inbox(&self, source: &SourceId, most: usize) -> Result<Vec<Delivery>> {
        let inner = self.lock();
        let waiting = inner.sources.get(source).map(|source| &source.inbox);
        let mut size = 0;
        let fits = waiting.into_iter().flatten().take(most).take_while(|one| {
            let first = size == 0;
            size += one.body().expose().len().max(1);
            first || size <= super::DELIVERIES_LOADED
        });
        Ok(fits.cloned().collect())
    }

    async fn await_delivery(&self, source: &SourceId) -> Result<()> {
        let mut bell = self.bell.subscribe();
        while self
            .lock()
            .sources
            .get(source)
            .is_none_or(|source| source.inbox.is_empty())
        {
            // The sender lives as long as this store.
            drop(bell.changed().await);
        }
        Ok(())
    }

    async fn due(&self, query: &DueQuery) -> Result<Vec<Due>> {
        let mut inner = self.lock();
        let sink = inner.sink(&query.sink)?;
        let waiting: BTreeSet<&str> = sink
            .parked
            .values()
            .filter(|parked| parked.hold.until().is_some_and(|at| at <= query.now))
            .map(|parked| parked.household.native())
            .collect();
        let due: Vec<(String, u64, Vec<Tried>)> = sink
            .routes
            .iter()
            .filter(|(household, _)| {
                query
                    .after
                    .as_ref()
                    .is_none_or(|after| household.as_str() > after.native())
            })
            .filter(|(household, route)| {
                route.generation > route.seen
                    || route.again.is_some_and(|day| day <= query.today)
                    || waiting.contains(household.as_str())
            })
            .take(query.limit)
            .map(|(household, route)| (household.clone(), route.generation, route.tried.clone()))
            .collect();
        gather(&mut inner, &self.key, query, due)
    }

    async fn standing(&self, sink: &SinkId, ids: Vec<ExternalId>) -> Result<Vec<Standing>> {
        let mut inner = self.lock();
        let sink = inner.sink(sink)?;
        Ok(ids
            .iter()
            .map(|id| Standing {
                acknowledged: sink.ledger.get(id).cloned(),
                parked: sink.parked.get(id).cloned(),
            })
            .collect())
    }

    async fn commit_departure(&self, departure: Departure) -> Result<()> {
        let mut inner = self.lock();
        inner.current(&departure.source, departure.epoch)?;
        let sink = inner.sink(&departure.sink)?;
        for (household, tried) in departure.leaving {
            let route = sink
                .routes
                .entry(household.native().to_owned())
                .or_default();
            route.tried = tried;
            route.seen = route.seen.min(route.generation.saturating_sub(1));
        }
        Ok(())
    }

    async fn commit_acks(&self, commit: AckCommit) -> Result<()> {
        let mut inner = self.lock();
        inner.current(&commit.source, commit.epoch)?;
        inner.sink(&commit.sink)?;
        inner.disclose(
            &self.key,
            &commit.source,
            commit.sink.as_str(),
            &commit.disclosed,
            commit.now,
        )?;
        let sink = inner.sink(&commit.sink)?;
        // First: one household may give up what another sets aside in the same commit.
        for id in commit.cleared {
            sink.set_aside_no_more(&id);
        }
        for (id, row) in commit.acknowledged {
            sink.set_aside_no_more(&id);
            sink.ledger.insert(id, row);
        }
        for parked in commit.parked {
            let since = sink.parked_since.entry(parked.external_id.clone());
            since.or_insert(commit.now);
            sink.parked.insert(parked.external_id.clone(), parked);
        }
        for (household, generation, again) in commit.reconciled {
            if let Some(route) = sink.routes.get_mut(household.native()) {
                route.seen = route.seen.max(generation);
                route.again = again;
                route.tried.clear();
                route.brought = true;
            }
        }
        Ok(())
    }

    async fn next_wake(&self, sink: &SinkId) -> Result<Option<DateTime<Utc>>> {
        let mut inner = self.lock();
        Ok(inner
            .sink(sink)?
            .parked
            .values()
            .filter_map(|parked| parked.hold.until())
            .min())
    }

    async fn suppression_cursor(&self, sink: &SinkId) -> Result<Option<Cursor>> {
        Ok(self.lock().sink(sink)?.cursor.clone())
    }

    async fn suppress(
        &self,
        sink: &SinkId,
        stops: Vec<Suppression>,
        next: Option<Cursor>,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        let mut inner = self.lock();
        let entry = inner.sink(sink)?;
        entry.cursor = next;
        let mut fresh = BTreeSet::new();
        for stop in &stops {
            for row in self.key.rows(stop)? {
                let known = entry.stops.get_mut(&row).filter(|kept| !kept.lifted);
                if let Some(kept) = known {
                    // Whoever has more against them than their own word cannot take it back alone.
                    // A reply that waits for a person gives way to a stop, and never takes its place: letting
                    // the reply go must not let the stop go with it.
                    let says_stop = stop.reason != view::NEEDS_PERSON;
                    if says_stop && kept.reason == view::NEEDS_PERSON {
                        kept.reason.clone_from(&stop.reason);
                        kept.since = now;
                        fresh.insert(row);
                    } else if says_stop && kept.reason == view::KEYWORD_STOP {
                        kept.reason.clone_from(&stop.reason);
                    }
                } else {
                    let kept = outreach::Kept {
                        reason: stop.reason.clone(),
                        since: now,
                        lifted: false,
                    };
                    entry.stops.insert(row, kept);
                    fresh.insert(row);
                }
            }
        }
        let source = entry.source.clone();
        outreach::raise(&mut inner, &self.key, &source, &fresh)?;
        Ok(u64::try_from(fresh.len()).unwrap_or(u64::MAX))
    }

    async fn counts(&self, source: &SourceId, sink: &SinkId) -> Result<Counts> {
        let mut inner = self.lock();
        let mut counts = Counts::default();
        let source = inner.source(source)?;
        for kind in RecordKind::ALL {
            *counts.of_kind(kind) = source.live(kind);
        }
        counts.unreadable = u64::try_from(source.unreadable.len()).unwrap_or(u64::MAX);
        let sink = inner.sink(sink)?;
        counts.acknowledged = u64::try_from(sink.ledger.len()).unwrap_or(u64::MAX);
        for parked in sink.parked.values() {
            *counts.of_hold(parked.hold) += 1;
        }
        Ok(counts)
    }

    async fn parked(&self, sink: &SinkId, limit: usize) -> Result<Vec<Parked>> {
        let mut inner = self.lock();
        let mut parked: Vec<_> = inner.sink(sink)?.parked.values().cloned().collect();
        parked.sort_by_key(|parked| (parked.hold.until(), parked.external_id.clone()));
        parked.truncate(limit);
        Ok(parked)
    }

    async fn record_run(&self, source: &SourceId, now: DateTime<Utc>, report: &str) -> Result<()> {
        let mut inner = self.lock();
        let runs = &mut inner.source(source)?.runs;
        runs.push((now, report.to_owned()));
        let spare = runs.len().saturating_sub(super::RUNS_KEPT);
        runs.drain(..spare);
        Ok(())
    }

    async fn open_outlet(&self, outlet: &OutletId) -> Result<Epoch> {
        Ok(self.lock().outlets.open(outlet))
    }

    async fn effect(&self, outlet: &OutletId, key: &IdempotencyKey) -> Result<Option<EffectRow>> {
        Ok(self.lock().outlets.effect(outlet, key))
    }

    async fn claim_effect(&self, claim: EffectClaim) -> Result<bool> {
        self.lock().outlets.claim(&self.key, &claim)
    }

    async fn settle_effect(&self, commit: EffectCommit) -> Result<()> {
        let mut inner = self.lock();
        let told = inner.outlets.settle(&commit)?;
        if let Some((destination, disclosure)) = told {
            let source = commit.outlet.source();
            inner.disclose(&self.key, source, &destination, &[disclosure], commit.now)?;
        }
        Ok(())
    }

    fn outreach(&self) -> &dyn OutreachStore {
        self
    }

    async fn open_effects(&self, outlet: &OutletId, limit: usize) -> Result<Vec<EffectRow>> {
        Ok(self.lock().outlets.open_effects(outlet, limit))
    }
}

/// Everything that is known of these households.
fn gather(
    inner: &mut Inner,
    key: &DigestKey,
    query: &DueQuery,
    due: Vec<(String, u64, Vec<Tried>)>,
) -> Result<Vec<Due>> {
    let parked = inner.sink(&query.sink)?.parked.clone();
    let mut found = Vec::with_capacity(due.len());
    for (household, generation, tried) in due {
        let source = inner.source(&query.source)?;
        let mut members = Vec::new();
        for ((kind, native), stored) in &source.records {
            if *kind != RecordKind::Patient || stored.parent != household {
                continue;
            }
            let mut member = Member {
                patient: view::patient(&stored.row(RecordKind::Patient))?,
                recalls: Vec::new(),
                appointments: Vec::new(),
                opt_out: None,
                reminders: Vec::new(),
                blocked: Blocked::default(),
                stops: Vec::new(),
            };
            for ((kind, _), child) in &source.records {
                if *kind != RecordKind::Patient && child.parent == *native {
                    view::hang(&mut member, &child.row(*kind))?;
                }
            }
            let opt_out = (RecordKind::OptOut, native.clone());
            if source.unreadable.contains_key(&opt_out) {
                view::opted_out_unread(&mut member);
            }
            members.push(member);
        }
        for member in &mut members {
            let patient = &member.patient.record;
            let stops = outreach::of_patient(inner, key, &query.source, patient, &query.ids)?;
            view::stop(member, stops);
        }
        let parked = parked
            .values()
            .filter(|parked| parked.household.native() == household)
            .map(|parked| parked.external_id.clone())
            .collect();
        found.push(Due {
            generation,
            view: HouseholdView {
                key: HouseholdKey::new(household),
                members,
            },
            parked,
            tried,
        });
    }
    Ok(found)
}

impl Stored {
    fn row(&self, kind: RecordKind) -> Row<'_> {
        Row {
            kind,
            body: &self.body,
            gone: self.gone,
            changed_on: self.changed_on,
        }
    }
}
