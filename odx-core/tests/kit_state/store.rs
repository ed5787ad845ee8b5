//! A store around the one in memory, right but for what is planted in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use odx_core::model::{Patient, Record, RecordKey, RecordKind};
use odx_core::push::Delivery;
use odx_core::sink::Suppression;
use odx_core::source::{Change, Cursor, Position, Swept};
use odx_core::store::{
    AckCommit, Counts, Departure, Due, DueQuery, EffectClaim, EffectCommit, EffectRow, EffectState,
    Epoch, LastSeen, MemoryStore, Opening, OutreachStore, PageCommit, PageOutcome, Parked,
    SourceState, Standing, StateStore,
};
use odx_core::{
    Error, ErrorKind, ExternalId, HouseholdKey, IdempotencyKey, OutletId, Result, SinkId, SourceId,
};

use super::Plant;

#[path = "outreach.rs"]
mod outreach;

/// What all handles of one place share.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) inner: Arc<MemoryStore>,
    pub(crate) notes: Mutex<Notes>,
}

/// What a faulty store knows besides.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) broken: bool,
    pub(crate) newer: bool,
    pub(crate) older: bool,
    pub(crate) opened: u32,
    /// A disclosure that somebody changed or took out.
    pub(crate) tampered: Option<u64>,
    pub(crate) latest: BTreeMap<SourceId, Epoch>,
    known: BTreeMap<String, Patient>,
    acknowledged: u64,
    steps: u32,
    lifted: bool,
    answered: BTreeSet<String>,
    outlets: BTreeMap<OutletId, Epoch>,
    ended: BTreeMap<(OutletId, IdempotencyKey), EffectRow>,
    received: u32,
    pub(crate) lifts: u32,
    pub(crate) acked_at: DateTime<Utc>,
    pub(crate) addressed: Vec<String>,
    suppressed: bool,
    pub(crate) returned: usize,
}

pub(crate) struct Faulty {
    pub(crate) place: Arc<Place>,
    pub(crate) plant: Plant,
    /// Not the first to open the place.
    again: bool,
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Faulty");
        if self.plant == Plant::NameInDebug {
            let notes = self.place.notes.lock().unwrap();
            let names = notes.known.values().map(|p| p.last_name.expose().clone());
            out.field("known", &names.collect::<Vec<_>>());
        }
        if self.is(Plant::AddressInDebug) {
            let notes = self.place.notes.lock().unwrap();
            out.field("addressed", &notes.addressed);
        }
        out.finish_non_exhaustive()
    }
}

fn broken() -> Error {
    Error::new(ErrorKind::State, "the disk is full: nothing was stored")
}

impl Faulty {
    pub(crate) fn new(place: Arc<Place>, plant: Plant) -> Self {
        let again = {
            let mut notes = place.notes.lock().unwrap();
            notes.opened += 1;
            notes.opened > 1
        };
        Self {
            place,
            plant,
            again,
        }
    }

    pub(crate) fn is(&self, plant: Plant) -> bool {
        self.plant == plant
    }

    /// What a fault lost when the place was opened anew.
    pub(crate) fn lost(&self, plant: Plant) -> bool {
        self.again && self.plant == plant
    }

    fn is_broken(&self) -> bool {
        self.place.notes.lock().unwrap().broken
    }

    pub(crate) fn store(&self) -> &MemoryStore {
        &self.place.inner
    }

    pub(crate) fn source(&self, source: &SourceId) -> SourceId {
        match self.plant {
            Plant::SourcesMixed => SourceId::new("t", "main").unwrap(),
            _ => source.clone(),
        }
    }

    pub(crate) fn sink(&self, sink: &SinkId) -> SinkId {
        match (self.plant, sink.as_str()) {
            (Plant::SinksMixed, "mem:second") => SinkId::new("mem", "main").unwrap(),
            _ => sink.clone(),
        }
    }

    pub(crate) fn outlet(&self, outlet: &OutletId) -> OutletId {
        match self.plant {
            Plant::OutletsMixed => {
                OutletId::new(SourceId::new("t", "main").unwrap(), "practice").unwrap()
            }
            _ => outlet.clone(),
        }
    }

    /// The epoch to work at an outlet with; the latest where a fault does not look.
    fn outlet_epoch(&self, outlet: &OutletId, given: Epoch) -> Epoch {
        let unchecked = self.is(Plant::OutletEpochUnchecked) || self.is(Plant::OutletsMixed);
        match self.place.notes.lock().unwrap().outlets.get(outlet) {
            Some(latest) if unchecked => *latest,
            _ => given,
        }
    }

    /// What a run is told its epoch is.
    fn handed_out(&self, epoch: Epoch) -> Epoch {
        match self.plant {
            Plant::EpochsShared => Epoch(epoch.0 / 2),
            _ => epoch,
        }
    }

    /// The epoch to commit with; the latest one where a fault does not look.
    fn epoch(&self, source: &SourceId, given: Epoch, unchecked: Plant) -> Epoch {
        let notes = self.place.notes.lock().unwrap();
        match notes.latest.get(source) {
            Some(latest) if self.is(unchecked) || self.handed_out(*latest) == given => *latest,
            _ => given,
        }
    }

    fn change(&self, change: Change, swept: bool) -> Option<Change> {
        let mut notes = self.place.notes.lock().unwrap();
        match change {
            Change::Upsert(Record::Patient(mut patient)) => {
                let key = patient.key.native().to_owned();
                let before = notes.known.insert(key, patient.clone());
                if self.is(Plant::RepeatsNotNoted) && !swept && before == Some(patient.clone()) {
                    return None;
                }
                if self.is(Plant::EverythingIsNews) {
                    notes.steps += 1;
                    patient.language = Some(notes.steps.to_string());
                }
                Some(Change::Upsert(Record::Patient(patient)))
            }
            Change::Upsert(Record::Recall(recall)) => {
                let known = notes.known.contains_key(recall.patient.native());
                (known || !self.is(Plant::EarlyRecallDropped))
                    .then_some(Change::Upsert(Record::Recall(recall)))
            }
            Change::Told { record, .. } if self.is(Plant::ToldLikeRead) => {
                Some(Change::Upsert(record))
            }
            Change::Unreadable(_) if self.is(Plant::UnreadableDropped) => None,
            Change::Seen(_) if self.is(Plant::SeenNotNoted) => None,
            Change::Whole { .. } if self.is(Plant::WholeNotHeeded) => None,
            Change::Upsert(Record::OptOut(opt_out)) => {
                let known = notes.known.contains_key(opt_out.patient.native());
                (known || !self.is(Plant::EarlyOptOutDropped))
                    .then_some(Change::Upsert(Record::OptOut(opt_out)))
            }
            Change::Upsert(Record::Reminder(reminder)) => {
                let known = notes.known.contains_key(reminder.patient.native());
                (known || !self.is(Plant::EarlyReminderDropped))
                    .then_some(Change::Upsert(Record::Reminder(reminder)))
            }
            Change::Unreadable(bad)
                if bad.kind == RecordKind::OptOut
                    && self.is(Plant::UnreadOptOutStillReadAsBefore) =>
            {
                None
            }
            Change::Gone(RecordKey::OptOut(_)) if self.is(Plant::OptOutStaysWhenGone) => None,
            other => Some(other),
        }
    }
}

#[async_trait]
impl StateStore for Faulty {
    async fn open_run(&self, opening: &Opening) -> Result<SourceState> {
        let mut mapped = opening.clone();
        mapped.source = self.source(&opening.source);
        for (sink, account) in &mut mapped.sinks {
            *sink = self.sink(sink);
            if self.is(Plant::SourcesMixed) {
                account.name = "main".to_owned();
            }
        }
        if self.is(Plant::SourcesMixed) {
            // One source has one sink here, whatever it is called.
            mapped.sinks.truncate(1);
        }
        let mut state = match self.store().open_run(&mapped).await {
            Err(_) if self.is(Plant::AnyPairing) => {
                return Ok(SourceState {
                    epoch: Epoch(1),
                    imported: false,
                    swept_at: None,
                });
            }
            other => other?,
        };
        if self.is(Plant::LateSinkHearsNothing)
            && let Some((late, _)) = mapped.sinks.get(1)
        {
            let mut notes = self.place.notes.lock().unwrap();
            notes.answered.insert(late.to_string());
        }
        let mut notes = self.place.notes.lock().unwrap();
        notes.latest.insert(mapped.source.clone(), state.epoch);
        state.epoch = self.handed_out(state.epoch);
        Ok(state)
    }

    async fn commit_page(&self, mut commit: PageCommit) -> Result<PageOutcome> {
        commit.source = self.source(&commit.source);
        if self.is_broken() {
            if self.is(Plant::CursorBeforeRecords) {
                commit.page.changes.clear();
                commit.page.swept.clear();
                self.store().commit_page(commit).await?;
            }
            return Err(broken());
        }
        commit.epoch = self.epoch(&commit.source, commit.epoch, Plant::EpochUnchecked);
        if self.is(Plant::CursorUnchecked) {
            commit.from = self.store().cursor(&commit.source).await?;
        }
        let swept = !commit.page.swept.is_empty();
        let name = commit.page.changes.iter().find_map(|change| match change {
            Change::Upsert(Record::Patient(patient)) => Some(patient.last_name.expose().clone()),
            _ => None,
        });
        commit.page.changes = std::mem::take(&mut commit.page.changes)
            .into_iter()
            .filter_map(|change| self.change(change, swept))
            .collect();
        if self.is(Plant::OptOutEndedByNews) {
            let person = |change: &Change| match change {
                Change::Upsert(Record::Patient(patient)) => Some(patient.key.clone()),
                _ => None,
            };
            let news: Vec<_> = commit.page.changes.iter().filter_map(person).collect();
            let ended = news.into_iter().map(RecordKey::OptOut).map(Change::Gone);
            commit.page.changes.extend(ended);
        }
        let patients = Swept {
            kind: RecordKind::Patient,
        };
        let opt_outs = Swept {
            kind: RecordKind::OptOut,
        };
        if self.is(Plant::OptOutsSweptWithPatients) && commit.page.swept.contains(&patients) {
            commit.page.swept.push(opt_outs);
        }
        if self.is(Plant::UnreadOptOutClearedByOneListing)
            && commit.page.swept.contains(&opt_outs)
            && commit.page.changes.is_empty()
        {
            let key = RecordKey::new(RecordKind::OptOut, "1");
            commit.page.changes.push(Change::Gone(key));
        }
        if self.is(Plant::OptOutsNeverSwept) {
            commit.page.swept.retain(|swept| *swept != opt_outs);
        }
        if self.is(Plant::RemindersKeptForEver) {
            // To this store it is always the first day.
            commit.now = DateTime::<Utc>::UNIX_EPOCH;
            commit.today = commit.now.date_naive();
        }
        if self.is(Plant::NoBrake) {
            commit.brake.floor = u64::MAX;
        }
        let mut rest = commit.clone();
        if self.is(Plant::DeliveryStays) {
            commit.delivered.clear();
        }
        let outcome = match self.store().commit_page(commit).await {
            Err(error) if self.is(Plant::RefusedPageStays) => {
                // The records are stored before the cursor is looked at.
                rest.from = self.store().cursor(&rest.source).await?;
                if let Some(stands) = rest.from.clone() {
                    rest.page.position = Position::CaughtUp(stands);
                    rest.page.swept.clear();
                    self.store().commit_page(rest).await.ok();
                }
                return Err(error);
            }
            Err(error) if self.is(Plant::RefusedPageTakesDelivery) => {
                rest.page.changes.clear();
                rest.from = self.store().cursor(&rest.source).await?;
                rest.page.position = Position::CaughtUp(rest.from.clone().unwrap());
                self.store().commit_page(rest).await.ok();
                return Err(error);
            }
            Err(error) if self.is(Plant::NameInError) => {
                return Err(error.with_cause(format!("while storing {name:?}")));
            }
            other => other?,
        };
        if self.is(Plant::ToldIsARead) && !rest.delivered.is_empty() {
            rest.from = Some(rest.page.position.cursor().clone());
            rest.page.changes.clear();
            rest.delivered.clear();
            self.store().commit_page(rest).await?;
            return Ok(outcome);
        }
        if self.is(Plant::GoneAtOnce) && swept {
            rest.from = Some(rest.page.position.cursor().clone());
            rest.page.changes.clear();
            let more = self.store().commit_page(rest).await?;
            return Ok(PageOutcome {
                gone: outcome.gone + more.gone,
                ..outcome
            });
        }
        Ok(outcome)
    }

    async fn cursor(&self, source: &SourceId) -> Result<Option<Cursor>> {
        if self.lost(Plant::CursorLost) {
            return Ok(None);
        }
        self.store().cursor(&self.source(source)).await
    }

    async fn last_seen(&self, source: &SourceId) -> Result<LastSeen> {
        if self.lost(Plant::LastSeenLost) {
            return Ok(LastSeen::default());
        }
        let mut seen = self.store().last_seen(&self.source(source)).await?;
        if self.is(Plant::AnyPageIsASuccess) {
            seen.success = seen.page;
        }
        if self.is(Plant::RepeatsAreNews) {
            seen.change = seen.page;
        }
        Ok(seen)
    }

    async fn restart_feed(&self, source: &SourceId, epoch: Epoch) -> Result<()> {
        if self.is(Plant::NoRestart) {
            return Ok(());
        }
        let source = self.source(source);
        let epoch = self.epoch(&source, epoch, Plant::EpochUncheckedForRestart);
        self.store().restart_feed(&source, epoch).await
    }

    async fn receive(&self, source: &SourceId, mut delivery: Delivery) -> Result<bool> {
        if self.is_broken() {
            return match self.plant {
                Plant::ReceivedUnstored => Ok(true),
                _ => Err(broken()),
            };
        }
        if self.is(Plant::RepeatsDelivered) {
            let mut notes = self.place.notes.lock().unwrap();
            notes.received += 1;
            let kind = format!("{} {}", delivery.kind(), notes.received);
            let body = delivery.body().expose().clone();
            delivery = Delivery::new(kind, body, delivery.received());
        }
        self.store().receive(&self.source(source), delivery).await
    }

    async fn inbox(&self, source: &SourceId, most: usize) -> Result<Vec<Delivery>> {
        if self.lost(Plant::DeliveriesLost) {
            return Ok(Vec::new());
        }
        let most = match self.plant {
            Plant::InboxUnlimited => usize::MAX,
            _ => most,
        };
        let mut inbox = self.store().inbox(&self.source(source), most).await?;
        if self.is(Plant::DeliveriesOutOfOrder) {
            inbox.sort_by_key(Delivery::received);
        }
        Ok(inbox)
    }

    async fn await_delivery(&self, source: &SourceId) -> Result<()> {
        match self.plant {
            Plant::NobodyWoken => std::future::pending().await,
            Plant::WokenByAnybody => Ok(()),
            _ => self.store().await_delivery(&self.source(source)).await,
        }
    }

    async fn due(&self, query: &DueQuery) -> Result<Vec<Due>> {
        let mut query = query.clone();
        query.source = self.source(&query.source);
        query.sink = match self.plant {
            Plant::SourcesMixed => SinkId::new("mem", "main").unwrap(),
            _ => self.sink(&query.sink),
        };
        if self.is(Plant::LimitIgnored) {
            query.limit = usize::MAX;
        }
        if self.is(Plant::DueADayEarly) {
            query.today += TimeDelta::days(1);
        }
        if self.is(Plant::ParkedTimeIgnored) {
            query.now += TimeDelta::days(1);
        }
        let mut due = self.store().due(&query).await?;
        let notes = self.place.notes.lock().unwrap();
        if notes.answered.contains(query.sink.as_str()) {
            due.clear();
        }
        let second = query.sink.as_str() == "mem:second";
        if (self.is(Plant::StopRaisesItsOwnOnly) && notes.suppressed && second)
            || (self.is(Plant::LiftRaisesNobody) && notes.lifts > 0)
        {
            due.clear();
        }
        if self.is(Plant::WalkOutOfOrder) {
            due.reverse();
        }
        if self.is(Plant::EmptyHouseholdsSkipped) {
            due.retain(|due| !due.view.members.is_empty());
        }
        for due in &mut due {
            if self.is(Plant::TriedForgotten) || self.lost(Plant::TriedLost) {
                due.tried.clear();
            }
            if self.lost(Plant::ParkedLost) {
                due.parked.clear();
            }
            if (self.is(Plant::StopsLifted) && notes.lifted) || self.lost(Plant::StopsLost) {
                for member in &mut due.view.members {
                    member.blocked = odx_core::model::Blocked::default();
                }
            }
            for member in &mut due.view.members {
                if self.is(Plant::StoppedSinceTheLastTime) {
                    for stop in &mut member.stops {
                        stop.since = notes.acked_at;
                    }
                }
                if self.lost(Plant::OptOutsLost) {
                    member.opt_out = None;
                }
                if self.is(Plant::OptOutAYesCanBeat)
                    && let Some(opt_out) = member.opt_out.take()
                {
                    // One list of the practice's words, of which the latest counts.
                    member.patient.record.consent.extend(opt_out.statements);
                }
            }
        }
        Ok(due)
    }

    async fn standing(&self, sink: &SinkId, mut ids: Vec<ExternalId>) -> Result<Vec<Standing>> {
        if self.is(Plant::StandingOutOfOrder) {
            ids.sort();
        }
        let mut standing = self.store().standing(&self.sink(sink), ids).await?;
        for standing in &mut standing {
            if self.lost(Plant::ParkedLost) {
                standing.parked = None;
            }
            if self.lost(Plant::LedgerLost) {
                standing.acknowledged = None;
            }
        }
        Ok(standing)
    }

    async fn commit_departure(&self, mut departure: Departure) -> Result<()> {
        departure.sink = self.sink(&departure.sink);
        departure.source = self.source(&departure.source);
        if self.is_broken() {
            return Err(broken());
        }
        let unchecked = Plant::EpochUncheckedForDeparture;
        departure.epoch = self.epoch(&departure.source, departure.epoch, unchecked);
        self.store().commit_departure(departure).await
    }

    async fn commit_acks(&self, mut commit: AckCommit) -> Result<()> {
        commit.sink = match self.plant {
            Plant::SourcesMixed => SinkId::new("mem", "main").unwrap(),
            _ => self.sink(&commit.sink),
        };
        commit.source = self.source(&commit.source);
        if self.is_broken() {
            if self.is(Plant::AcksHalfStored) {
                commit.reconciled.clear();
                self.store().commit_acks(commit).await?;
            }
            return Err(broken());
        }
        commit.epoch = self.epoch(&commit.source, commit.epoch, Plant::EpochUncheckedForAcks);
        match self.plant {
            Plant::AckReconciles if !commit.acknowledged.is_empty() => {
                for household in ["1", "2", "3"] {
                    commit
                        .reconciled
                        .push((HouseholdKey::new(household), 1, None));
                }
            }
            Plant::AckHidesTheNewer => {
                for (_, generation, _) in &mut commit.reconciled {
                    *generation = u64::MAX;
                }
            }
            Plant::AgainForgotten => {
                for (_, _, again) in &mut commit.reconciled {
                    *again = None;
                }
            }
            Plant::ClearedStays => commit.cleared.clear(),
            _ => {}
        }
        let many = u64::try_from(commit.acknowledged.len()).unwrap();
        {
            let mut notes = self.place.notes.lock().unwrap();
            notes.acknowledged += many;
            notes.acked_at = commit.now;
        }
        if self.is(Plant::ProgressIsReturns) {
            self.place.notes.lock().unwrap().returned += commit.reconciled.len();
        }
        self.store().commit_acks(commit).await
    }

    async fn next_wake(&self, sink: &SinkId) -> Result<Option<DateTime<Utc>>> {
        self.store().next_wake(&self.sink(sink)).await
    }

    async fn suppression_cursor(&self, sink: &SinkId) -> Result<Option<Cursor>> {
        self.store().suppression_cursor(&self.sink(sink)).await
    }

    async fn suppress(
        &self,
        sink: &SinkId,
        stops: Vec<Suppression>,
        next: Option<Cursor>,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        if self.is_broken() {
            return Err(broken());
        }
        {
            let mut notes = self.place.notes.lock().unwrap();
            notes.lifted = stops.is_empty();
            notes.suppressed = true;
            notes.acked_at = now;
        }
        let sink = self.sink(sink);
        self.store().suppress(&sink, stops, next, now).await
    }

    async fn counts(&self, source: &SourceId, sink: &SinkId) -> Result<Counts> {
        let sink = match self.plant {
            Plant::SourcesMixed => SinkId::new("mem", "main").unwrap(),
            _ => self.sink(sink),
        };
        let mut counts = self.store().counts(&self.source(source), &sink).await?;
        if self.is(Plant::OptOutsUncounted) {
            counts.opt_outs = 0;
        }
        if self.is(Plant::LedgerGrows) {
            counts.acknowledged = self.place.notes.lock().unwrap().acknowledged;
        }
        Ok(counts)
    }

    async fn parked(&self, sink: &SinkId, limit: usize) -> Result<Vec<Parked>> {
        if self.lost(Plant::ParkedLost) {
            return Ok(Vec::new());
        }
        let limit = match self.plant {
            Plant::ParkedUnlimited => usize::MAX,
            _ => limit,
        };
        self.store().parked(&self.sink(sink), limit).await
    }

    async fn record_run(&self, source: &SourceId, now: DateTime<Utc>, report: &str) -> Result<()> {
        let source = self.source(source);
        self.store().record_run(&source, now, report).await
    }

    async fn open_outlet(&self, outlet: &OutletId) -> Result<Epoch> {
        let outlet = self.outlet(outlet);
        let epoch = self.store().open_outlet(&outlet).await?;
        let mut notes = self.place.notes.lock().unwrap();
        notes.outlets.insert(outlet, epoch);
        Ok(epoch)
    }

    async fn effect(&self, outlet: &OutletId, key: &IdempotencyKey) -> Result<Option<EffectRow>> {
        if self.lost(Plant::EffectsLost) {
            return Ok(None);
        }
        self.store().effect(&self.outlet(outlet), key).await
    }

    async fn claim_effect(&self, mut claim: EffectClaim) -> Result<bool> {
        if let Some(about) = &mut claim.about {
            let mut notes = self.place.notes.lock().unwrap();
            let address = about.address.as_ref();
            let text = address.map(|address| address.text().expose().clone());
            notes.addressed.extend(text);
            if self.is(Plant::SegmentsForgotten) {
                for episode in &mut about.episodes {
                    episode.segment = None;
                }
            }
            if self.is(Plant::AddressNotKept) {
                about.address = None;
            }
        }
        claim.outlet = self.outlet(&claim.outlet);
        claim.epoch = self.outlet_epoch(&claim.outlet, claim.epoch);
        let mine = self.store().claim_effect(claim.clone()).await?;
        let known = self.store().effect(&claim.outlet, &claim.key).await?;
        let ended = known.is_some_and(|row| row.state.is_final());
        Ok(mine
            || (self.is(Plant::ClaimedByAll) && !ended)
            || (self.is(Plant::EndsForgotten) && ended))
    }

    async fn settle_effect(&self, mut commit: EffectCommit) -> Result<()> {
        commit.outlet = self.outlet(&commit.outlet);
        commit.epoch = self.outlet_epoch(&commit.outlet, commit.epoch);
        let known = self.store().effect(&commit.outlet, &commit.key).await?;
        match known {
            Some(row) if self.is(Plant::AttemptUnchecked) => commit.attempt = row.attempt,
            Some(row) if self.is(Plant::SecondEndTaken) && row.state.is_final() => return Ok(()),
            _ => {}
        }
        if let EffectState::Done(_) = commit.state {
            let row = EffectRow {
                key: commit.key.clone(),
                attempt: commit.attempt,
                claimed_at: commit.now,
                since: commit.now,
                state: commit.state.clone(),
            };
            let mut notes = self.place.notes.lock().unwrap();
            let id = (commit.outlet.clone(), commit.key.clone());
            notes.ended.insert(id, row);
        }
        self.store().settle_effect(commit).await
    }

    fn outreach(&self) -> &dyn OutreachStore {
        self
    }

    async fn open_effects(&self, outlet: &OutletId, limit: usize) -> Result<Vec<EffectRow>> {
        let outlet = self.outlet(outlet);
        let limit = match self.plant {
            Plant::OpenEffectsUnlimited => usize::MAX,
            _ => limit,
        };
        let mut open = self.store().open_effects(&outlet, limit).await?;
        if self.is(Plant::DoneIsListed) {
            let notes = self.place.notes.lock().unwrap();
            open.extend(notes.ended.values().cloned());
        }
        Ok(open)
    }
}
