//! Who was told what, why or why not, in memory.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Inner, MemoryStore};
use crate::error::Result;
use crate::hash::{LedgerHash, hex};
use crate::id::{ExternalIds, HouseholdKey, IdScheme, OutletId, PatientKey, SinkId, SourceId};
use crate::model::{Channel, Patient, RecordKind, Stop, StopOrigin};
use crate::outreach::Status;
use crate::sink::{Account, Suppression};
use crate::store::outreach::{
    Aside, Audit, AuditRow, DecisionRow, Disclosure, History, HistoryQuery, Lift, OutreachChange,
    OutreachState, OutreachStore, Progress, Replay, UnreadableRow,
};
use crate::store::view::{self, Digest, DigestKey};
use crate::store::{Due, DueQuery, Epoch, Hold, pairing};

/// A stop, and whether it was taken back.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) reason: String,
    pub(super) since: DateTime<Utc>,
    pub(super) lifted: bool,
}

/// The stops that concern a patient.
pub(super) fn of_patient(
    inner: &Inner,
    key: &DigestKey,
    source: &SourceId,
    patient: &Patient,
    ids: &ExternalIds,
) -> Result<Vec<Stop>> {
    let names = key.names(patient, ids)?;
    let sinks = inner
        .sinks
        .iter()
        .filter(|(_, sink)| sink.source == *source);
    let mut stops = Vec::new();
    for (_, sink) in sinks {
        for ((channel, digest), kept) in &sink.stops {
            if !kept.lifted && names.contains(digest) {
                stops.push(Stop {
                    channel: *channel,
                    origin: if sink.gateway {
                        StopOrigin::Gateway
                    } else {
                        StopOrigin::Crm
                    },
                    reason: kept.reason.clone(),
                    since: kept.since,
                });
            }
        }
    }
    Ok(stops)
}

/// Whoever these concern is news to everybody who looks at the source.
pub(super) fn raise(
    inner: &mut Inner,
    key: &DigestKey,
    source: &SourceId,
    digests: &BTreeSet<(Channel, Digest)>,
) -> Result<()> {
    if digests.is_empty() {
        return Ok(());
    }
    let ids = ExternalIds::new(source.clone(), IdScheme::Scoped);
    let mut concerned = BTreeSet::new();
    for ((kind, _), stored) in &inner.source(source)?.records {
        if *kind == RecordKind::Patient {
            let patient = view::patient(&stored.row(RecordKind::Patient))?.record;
            let names = key.names(&patient, &ids)?;
            if digests.iter().any(|(_, digest)| names.contains(digest)) {
                concerned.insert(stored.parent.clone());
            }
        }
    }
    inner.raise(source, &concerned);
    Ok(())
}

impl Inner {
    /// Writes down disclosures.
    pub(super) fn disclose(
        &mut self,
        key: &DigestKey,
        source: &SourceId,
        destination: &str,
        disclosed: &[Disclosure],
        now: DateTime<Utc>,
    ) -> Result<()> {
        for what in disclosed {
            let before = self.audit.last().map(|(_, row)| row.hash.clone());
            let number = u64::try_from(self.audit.len()).unwrap_or(u64::MAX) + 1;
            let mut row = AuditRow {
                number,
                at: now,
                kind: what.kind.to_owned(),
                subject: hex(&key.of_record(what.external_id.as_str())?),
                fields: what.fields.clone(),
                destination: destination.to_owned(),
                outcome: if what.taken { "taken" } else { "refused" }.to_owned(),
                hash: String::new(),
            };
            row.hash = link(key, before.as_deref(), source, &row)?;
            self.audit.push((source.clone(), row));
        }
        Ok(())
    }
}

fn link(
    key: &DigestKey,
    before: Option<&str>,
    source: &SourceId,
    row: &AuditRow,
) -> Result<String> {
    let (source, number) = (source.to_string(), row.number.to_string());
    let at = row.at.timestamp_millis().to_string();
    let parts = [
        before.unwrap_or_default(),
        &source,
        &number,
        &at,
        &row.kind,
        &row.subject,
        &row.fields,
        &row.destination,
        &row.outcome,
    ];
    let link = key.chained(&[0; 16], &parts.map(str::as_bytes))?;
    Ok(hex(&link))
}

#[async_trait]
impl OutreachStore for MemoryStore {
    async fn open_gateway(&self, source: &SourceId, id: &SinkId, account: &Account) -> Result<()> {
        let mut inner = self.lock();
        if let Some(sink) = inner.sinks.get(id) {
            pairing::check_gateway(id, sink.source == *source, sink.gateway)?;
        }
        inner.sources.entry(source.clone()).or_default();
        inner
            .sinks
            .entry(id.clone())
            .or_insert_with(|| super::Sink {
                gateway: true,
                ..super::Sink::new(source.clone(), account.clone())
            });
        Ok(())
    }

    async fn look_again(&self, sink: &SinkId, fingerprint: LedgerHash) -> Result<bool> {
        let mut inner = self.lock();
        let sink = inner.sink(sink)?;
        if sink.fingerprint.replace(fingerprint) == Some(fingerprint) {
            return Ok(false);
        }
        for route in sink.routes.values_mut() {
            if route.generation <= route.seen {
                route.generation += 1;
            }
        }
        Ok(true)
    }

    async fn households(&self, query: &DueQuery, keys: Vec<HouseholdKey>) -> Result<Vec<Due>> {
        let mut inner = self.lock();
        let sink = inner.sink(&query.sink)?;
        let keys: BTreeSet<_> = keys.into_iter().collect();
        let known = keys
            .into_iter()
            .filter_map(|key| {
                let route = sink.routes.get(key.native())?;
                let household = key.native().to_owned();
                Some((household, route.generation, route.tried.clone()))
            })
            .collect();
        super::gather(&mut inner, &self.key, query, known)
    }

    async fn household_of(
        &self,
        source: &SourceId,
        patient: &PatientKey,
    ) -> Result<Option<HouseholdKey>> {
        let inner = self.lock();
        let key = (RecordKind::Patient, patient.native().to_owned());
        let known = inner.sources.get(source);
        let stored = known.and_then(|source| source.records.get(&key));
        Ok(stored.map(|stored| HouseholdKey::new(stored.parent.clone())))
    }

    async fn history(&self, outlet: &OutletId, query: HistoryQuery) -> Result<History> {
        self.lock().outlets.history(&self.key, outlet, &query)
    }

    async fn told_since(
        &self,
        outlet: &OutletId,
        since: DateTime<Utc>,
    ) -> Result<Vec<DateTime<Utc>>> {
        Ok(self.lock().outlets.told_since(outlet, since))
    }

    async fn note_status(
        &self,
        outlet: &OutletId,
        remote_id: &str,
        status: Status,
        _reason: Option<&str>,
    ) -> Result<bool> {
        Ok(self.lock().outlets.note_status(outlet, remote_id, status))
    }

    async fn decide(
        &self,
        source: &SourceId,
        epoch: Epoch,
        decisions: Vec<DecisionRow>,
    ) -> Result<()> {
        let mut inner = self.lock();
        let source = inner.current(source, epoch)?;
        for row in decisions {
            let key = (row.episode.name(), row.channel);
            source.decisions.insert(key, row);
        }
        Ok(())
    }

    async fn decisions(&self, source: &SourceId, patient: &PatientKey) -> Result<Vec<DecisionRow>> {
        let inner = self.lock();
        let known = inner.sources.get(source);
        let rows = known
            .into_iter()
            .flat_map(|source| source.decisions.values());
        let mut rows: Vec<_> = rows
            .filter(|row| row.patient == *patient || row.recipient.as_ref() == Some(patient))
            .cloned()
            .collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.at), row.episode.name(), row.channel));
        Ok(rows)
    }

    async fn outreach_state(&self, source: &SourceId) -> Result<OutreachState> {
        let inner = self.lock();
        let known = inner.sources.get(source);
        Ok(known.map_or_else(OutreachState::default, |source| source.outreach.clone()))
    }

    async fn change_outreach(
        &self,
        source: &SourceId,
        change: OutreachChange,
    ) -> Result<OutreachState> {
        let mut inner = self.lock();
        let source = inner.sources.entry(source.clone()).or_default();
        source.outreach.change(change);
        Ok(source.outreach.clone())
    }

    async fn lift(&self, source: &SourceId, lift: &Lift, _now: DateTime<Utc>) -> Result<u64> {
        let mut inner = self.lock();
        let stop = Suppression {
            target: lift.target.clone(),
            channel: Some(lift.channel),
            reason: String::new(),
        };
        let rows: BTreeSet<_> = self.key.rows(&stop)?.into_iter().collect();
        let mut lifted = BTreeSet::new();
        let sinks = inner.sinks.iter_mut();
        let sinks = sinks.filter(|(id, sink)| {
            sink.source == *source && lift.origin.as_ref().map_or(sink.gateway, |it| it == *id)
        });
        for (_, sink) in sinks {
            for (row, kept) in &mut sink.stops {
                let word = !lift.keyword_only || kept.reason == view::KEYWORD_STOP;
                if rows.contains(row) && !kept.lifted && word {
                    kept.lifted = true;
                    lifted.insert(*row);
                }
            }
        }
        raise(&mut inner, &self.key, source, &lifted)?;
        Ok(u64::try_from(lifted.len()).unwrap_or(u64::MAX))
    }

    async fn note_unmapped(
        &self,
        source: &SourceId,
        statuses: BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        let mut inner = self.lock();
        let source = inner.sources.entry(source.clone()).or_default();
        let stale = now - TimeDelta::days(7);
        let mut news = Vec::new();
        for status in statuses {
            let told = source.unmapped.entry(status.clone()).or_insert(stale);
            if *told <= stale {
                *told = now;
                news.push(status);
            }
        }
        Ok(news)
    }

    async fn statuses(&self, source: &SourceId) -> Result<BTreeMap<String, u64>> {
        let inner = self.lock();
        let mut counts = BTreeMap::new();
        let known = inner.sources.get(source);
        for ((kind, _), stored) in known.into_iter().flat_map(|source| &source.records) {
            if !stored.gone {
                view::count_statuses(*kind, &stored.body, &mut counts)?;
            }
        }
        Ok(counts)
    }

    async fn unreadable(&self, source: &SourceId, limit: usize) -> Result<Vec<UnreadableRow>> {
        let inner = self.lock();
        let known = inner.sources.get(source);
        let rows = known.into_iter().flat_map(|source| &source.reasons);
        let mut rows: Vec<_> = rows
            .map(|((kind, native), (reason, since))| UnreadableRow {
                kind: *kind,
                native: native.clone(),
                reason: reason.clone(),
                since: *since,
            })
            .collect();
        rows.sort_by_key(|row| (row.since, row.kind, row.native.clone()));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn aside(&self, sink: &SinkId, limit: usize) -> Result<Vec<Aside>> {
        let mut inner = self.lock();
        let sink = inner.sink(sink)?;
        let rows = sink.parked.values();
        let mut rows: Vec<_> = rows
            .map(|parked| Aside {
                external_id: parked.external_id.clone(),
                household: parked.household.clone(),
                hold: parked.hold,
                reason: parked.reason.clone(),
                attempts: parked.attempts,
                since: sink
                    .parked_since
                    .get(&parked.external_id)
                    .copied()
                    .unwrap_or_default(),
            })
            .collect();
        rows.sort_by_key(|row| (row.since, row.external_id.clone()));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn replay(&self, sink: &SinkId, which: &Replay) -> Result<u64> {
        let mut inner = self.lock();
        let sink = inner.sink(sink)?;
        let since = sink.parked_since.clone();
        let tried: Vec<_> = sink
            .parked
            .values()
            .filter(|parked| {
                let id = &parked.external_id;
                parked.hold == Hold::Refused
                    && which.external_id.as_ref().is_none_or(|it| it == id)
                    && which
                        .code
                        .as_ref()
                        .is_none_or(|it| parked.reason.contains(it))
                    && which
                        .since
                        .is_none_or(|at| since.get(id).is_some_and(|it| *it >= at))
            })
            .map(|parked| (parked.external_id.clone(), parked.household.clone()))
            .collect();
        let households: BTreeSet<_> = tried.iter().map(|(_, household)| household).collect();
        for household in households {
            if let Some(route) = sink.routes.get_mut(household.native()) {
                route.generation += 1;
            }
        }
        for (id, _) in &tried {
            if let Some(parked) = sink.parked.get_mut(id) {
                parked.hold = Hold::Until(DateTime::<Utc>::UNIX_EPOCH);
                parked.attempts = 0;
            }
        }
        Ok(u64::try_from(tried.len()).unwrap_or(u64::MAX))
    }

    async fn progress(&self, sink: &SinkId) -> Result<Progress> {
        let mut inner = self.lock();
        let routes = &inner.sink(sink)?.routes;
        let done = routes.values().filter(|route| route.brought).count();
        Ok(Progress {
            done: u64::try_from(done).unwrap_or(u64::MAX),
            all: u64::try_from(routes.len()).unwrap_or(u64::MAX),
        })
    }

    async fn runs(&self, source: &SourceId, limit: usize) -> Result<Vec<(DateTime<Utc>, String)>> {
        let inner = self.lock();
        let known = inner.sources.get(source);
        let runs = known
            .into_iter()
            .flat_map(|source| source.runs.iter().rev());
        Ok(runs.take(limit).cloned().collect())
    }

    async fn keep(&self, source: &SourceId, name: &str, text: &str) -> Result<()> {
        let mut inner = self.lock();
        let source = inner.sources.entry(source.clone()).or_default();
        source.kept.insert(name.to_owned(), text.to_owned());
        Ok(())
    }

    async fn kept(&self, source: &SourceId, name: &str) -> Result<Option<String>> {
        let inner = self.lock();
        let known = inner.sources.get(source);
        Ok(known.and_then(|source| source.kept.get(name).cloned()))
    }

    async fn token(&self, text: &str) -> Result<String> {
        self.key.token(text)
    }

    async fn audit(&self, source: &SourceId, after: u64, limit: usize) -> Result<Vec<AuditRow>> {
        let inner = self.lock();
        let rows = inner.audit.iter();
        let rows = rows.filter(|(of, row)| of == source && row.number > after);
        Ok(rows.take(limit).map(|(_, row)| row.clone()).collect())
    }

    async fn verify_audit(&self) -> Result<Audit> {
        let inner = self.lock();
        let mut audit = Audit::default();
        let mut before: Option<&str> = None;
        for (source, row) in &inner.audit {
            audit.rows += 1;
            if link(&self.key, before, source, row)? != row.hash {
                audit.broken_at = audit.broken_at.or(Some(row.number));
            }
            before = Some(&row.hash);
            audit.head = Some(row.hash.clone());
        }
        Ok(audit)
    }
}
