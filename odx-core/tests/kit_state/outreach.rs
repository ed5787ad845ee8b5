//! What a faulty store says about reaching people.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use odx_core::model::StopOrigin;
use odx_core::outreach::Status;
use odx_core::sink::Account;
use odx_core::store::outreach::{
    Aside, Audit, AuditRow, DecisionRow, History, HistoryQuery, Lift, OutreachChange,
    OutreachState, Progress, Replay, UnreadableRow,
};
use odx_core::store::{Due, DueQuery, EffectState, Epoch, OutreachStore, StateStore};
use odx_core::{HouseholdKey, LedgerHash, OutletId, PatientKey, Result, SinkId, SourceId};

use super::Faulty;
use crate::Plant;

impl Faulty {
    fn inner(&self) -> &dyn OutreachStore {
        self.store().outreach()
    }

    /// Whose it is, where a fault takes one office for another.
    fn of(&self, source: &SourceId) -> SourceId {
        match self.plant {
            Plant::OfficesShown => SourceId::new("t", "main").unwrap(),
            _ => source.clone(),
        }
    }
}

#[async_trait]
impl OutreachStore for Faulty {
    async fn open_gateway(&self, source: &SourceId, id: &SinkId, account: &Account) -> Result<()> {
        match self.inner().open_gateway(source, id, account).await {
            Err(_) if self.is(Plant::AnyGateway) => Ok(()),
            opened => opened,
        }
    }

    async fn look_again(&self, sink: &SinkId, fingerprint: LedgerHash) -> Result<bool> {
        if self.is(Plant::LooksAlways) {
            let other = LedgerHash::from_bytes([99; 16]);
            self.inner().look_again(sink, other).await?;
        }
        self.inner().look_again(sink, fingerprint).await
    }

    async fn households(&self, query: &DueQuery, keys: Vec<HouseholdKey>) -> Result<Vec<Due>> {
        let mut found = self.inner().households(query, keys).await?;
        if self.is(Plant::OnlyDueHouseholds) {
            let due = self.store().due(query).await?;
            found.retain(|one| due.iter().any(|due| due.view.key == one.view.key));
        }
        let lifts = self.place.notes.lock().unwrap().lifts;
        for due in &mut found {
            for member in &mut due.view.members {
                if self.is(Plant::GatewayIsACrm) {
                    for stop in &mut member.stops {
                        stop.origin = StopOrigin::Crm;
                    }
                }
                if self.is(Plant::LiftedForEver) && lifts > 0 {
                    member.stops.clear();
                    member.blocked = odx_core::model::Blocked::default();
                }
            }
        }
        Ok(found)
    }

    async fn household_of(
        &self,
        source: &SourceId,
        patient: &PatientKey,
    ) -> Result<Option<HouseholdKey>> {
        if self.is(Plant::HouseholdByPatient) {
            return Ok(Some(HouseholdKey::new(patient.native())));
        }
        self.inner().household_of(&self.of(source), patient).await
    }

    async fn history(&self, outlet: &OutletId, query: HistoryQuery) -> Result<History> {
        if self.lost(Plant::ToldLost) {
            return Ok(History::default());
        }
        let outlet = self.outlet(outlet);
        let mut found = self.inner().history(&outlet, query).await?;
        if self.is(Plant::OnlyTheFirstOccurrence) {
            found.episodes.truncate(1);
        }
        let episodes = found.episodes.iter_mut().map(|(_, told)| told);
        let told = episodes.chain(&mut found.person);
        for told in told.chain(&mut found.household) {
            if self.is(Plant::BegunAnew) {
                told.begun = told.at;
            }
            match told.state {
                EffectState::Claimed if self.is(Plant::ClaimsUncounted) => {
                    told.state = EffectState::Waiting(String::new());
                }
                EffectState::Waiting(_) if self.is(Plant::WaitingIsTold) => {
                    told.state = EffectState::Claimed;
                }
                _ => {}
            }
        }
        Ok(found)
    }

    async fn told_since(
        &self,
        outlet: &OutletId,
        since: DateTime<Utc>,
    ) -> Result<Vec<DateTime<Utc>>> {
        let outlet = self.outlet(outlet);
        let mut told = self.inner().told_since(&outlet, since).await?;
        if self.is(Plant::ToldBackwards) {
            told.reverse();
        }
        Ok(told)
    }

    async fn note_status(
        &self,
        outlet: &OutletId,
        remote_id: &str,
        status: Status,
        reason: Option<&str>,
    ) -> Result<bool> {
        let outlet = self.outlet(outlet);
        let status = self.inner().note_status(&outlet, remote_id, status, reason);
        Ok(status.await? || self.is(Plant::AnyStatusIsNews))
    }

    async fn decide(
        &self,
        source: &SourceId,
        epoch: Epoch,
        mut decisions: Vec<DecisionRow>,
    ) -> Result<()> {
        let latest = self.place.notes.lock().unwrap().latest.get(source).copied();
        let epoch = match latest {
            Some(latest) if self.is(Plant::DecisionEpochUnchecked) => latest,
            _ => epoch,
        };
        if self.is(Plant::ChannelsMixed) {
            for row in &mut decisions {
                row.channel = odx_core::model::Channel::Sms;
            }
        }
        self.inner().decide(source, epoch, decisions).await
    }

    async fn decisions(&self, source: &SourceId, patient: &PatientKey) -> Result<Vec<DecisionRow>> {
        let mut rows = self.inner().decisions(&self.of(source), patient).await?;
        if self.is(Plant::DecisionsOldestFirst) {
            rows.reverse();
        }
        Ok(rows)
    }

    async fn outreach_state(&self, source: &SourceId) -> Result<OutreachState> {
        if self.lost(Plant::OfficeForgotten) {
            return Ok(OutreachState::default());
        }
        self.inner().outreach_state(&self.of(source)).await
    }

    async fn change_outreach(
        &self,
        source: &SourceId,
        change: OutreachChange,
    ) -> Result<OutreachState> {
        if self.is(Plant::OfficeIsKeptByName) {
            self.inner().keep(source, "outreach", "{}").await?;
        }
        self.inner().change_outreach(source, change).await
    }

    async fn lift(&self, source: &SourceId, lift: &Lift, now: DateTime<Utc>) -> Result<u64> {
        let mut lift = lift.clone();
        match self.plant {
            Plant::StartLiftsEveryGateway => lift.origin = None,
            Plant::StartLiftsAnything => lift.keyword_only = false,
            Plant::CrmStopsLifted if lift.origin.is_none() => {
                lift.origin = Some(SinkId::new("mem", "main").unwrap());
            }
            _ => {}
        }
        self.place.notes.lock().unwrap().lifts += 1;
        self.inner().lift(source, &lift, now).await
    }

    async fn note_unmapped(
        &self,
        source: &SourceId,
        statuses: BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        if self.is(Plant::UnmappedToldAlways) {
            return Ok(statuses.into_iter().collect());
        }
        self.inner().note_unmapped(source, statuses, now).await
    }

    async fn statuses(&self, source: &SourceId) -> Result<BTreeMap<String, u64>> {
        let mut counts = self.inner().statuses(&self.of(source)).await?;
        if self.is(Plant::StatusesUncounted) {
            counts.values_mut().for_each(|many| *many = 1);
        }
        Ok(counts)
    }

    async fn unreadable(&self, source: &SourceId, limit: usize) -> Result<Vec<UnreadableRow>> {
        let mut rows = self.inner().unreadable(&self.of(source), limit).await?;
        if self.is(Plant::UnreadableSinceForgotten) {
            rows.iter_mut()
                .for_each(|row| row.since = DateTime::UNIX_EPOCH);
        }
        Ok(rows)
    }

    async fn aside(&self, sink: &SinkId, limit: usize) -> Result<Vec<Aside>> {
        let mut rows = self.inner().aside(sink, limit).await?;
        if self.is(Plant::AsideSinceMoves) {
            let at = self.place.notes.lock().unwrap().acked_at;
            rows.iter_mut().for_each(|row| row.since = at);
        }
        Ok(rows)
    }

    async fn replay(&self, sink: &SinkId, which: &Replay) -> Result<u64> {
        match self.plant {
            Plant::ReplayForgets => Ok(1),
            Plant::ReplaysEverything => self.inner().replay(sink, &Replay::default()).await,
            _ => self.inner().replay(sink, which).await,
        }
    }

    async fn progress(&self, sink: &SinkId) -> Result<Progress> {
        let mut progress = self.inner().progress(sink).await?;
        if self.is(Plant::ProgressIsReturns) {
            let returned = self.place.notes.lock().unwrap().returned;
            progress.done = u64::try_from(returned).unwrap();
        }
        Ok(progress)
    }

    async fn runs(&self, source: &SourceId, limit: usize) -> Result<Vec<(DateTime<Utc>, String)>> {
        let mut runs = self.inner().runs(&self.of(source), limit).await?;
        if self.is(Plant::RunsOldestFirst) {
            runs.reverse();
        }
        Ok(runs)
    }

    async fn keep(&self, source: &SourceId, name: &str, text: &str) -> Result<()> {
        self.inner().keep(source, name, text).await
    }

    async fn kept(&self, source: &SourceId, name: &str) -> Result<Option<String>> {
        if self.lost(Plant::KeptLost) {
            return Ok(None);
        }
        self.inner().kept(&self.of(source), name).await
    }

    async fn token(&self, text: &str) -> Result<String> {
        let text = match self.plant {
            Plant::OneToken => "",
            _ => text,
        };
        self.inner().token(text).await
    }

    async fn audit(&self, source: &SourceId, after: u64, limit: usize) -> Result<Vec<AuditRow>> {
        if self.lost(Plant::DisclosuresLost) {
            return Ok(Vec::new());
        }
        let mut rows = self.inner().audit(&self.of(source), after, limit).await?;
        match self.plant {
            Plant::OnlyTakenIsDisclosed => rows.retain(|row| row.outcome == "taken"),
            Plant::MessagesUndisclosed => rows.retain(|row| row.kind != "message"),
            Plant::StaleIsDisclosed if rows.is_empty() => rows.push(AuditRow {
                number: 1,
                at: DateTime::UNIX_EPOCH + TimeDelta::hours(1),
                kind: "contact".to_owned(),
                subject: String::new(),
                fields: String::new(),
                destination: String::new(),
                outcome: "taken".to_owned(),
                hash: String::new(),
            }),
            _ => {}
        }
        Ok(rows)
    }

    async fn verify_audit(&self) -> Result<Audit> {
        let mut audit = self.inner().verify_audit().await?;
        if !self.is(Plant::TamperingUnnoticed) {
            audit.broken_at = self.place.notes.lock().unwrap().tampered;
        }
        Ok(audit)
    }
}
