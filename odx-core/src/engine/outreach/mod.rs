//! Tells people what they should hear: works out who may be told, looks whether
//! the plan looks right, and sends it, once.

mod choose;
mod guard;
mod pass_on;
mod send;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use self::choose::{Chosen, Pretended};
use self::guard::{Judged, LEARNED_DAYS, Past};
use super::follow::Stop;
use super::stops::Keeper;
use super::{Event, Mode, Pipeline, RunReport};
use crate::effect::Effects;
use crate::error::{Disposition, Error, ErrorKind, Result};
use crate::hash::{IdempotencyKey, LedgerHash};
use crate::id::{ExternalId, ExternalIds, HouseholdKey, IdScheme, OutletId, SinkId};
use crate::model::Channel;
use crate::outreach::gate::{Rule, Verdict};
use crate::outreach::lint::Finding;
use crate::outreach::{MessageGateway, Outreach};
use crate::sink::{Account, CrmSink};
use crate::store::outreach::{DecisionRow, OutreachChange, OutreachState, Pause};
use crate::store::{AckCommit, Due, DueQuery, Epoch, Hold, Parked};

/// Households looked at together.
const CHUNK: usize = 256;
/// Lists of stops are read again after this long at the latest.
const LISTS_AGE: TimeDelta = TimeDelta::seconds(60);
/// A paused office is looked at again after this long.
const PAUSED: TimeDelta = TimeDelta::seconds(60);

/// When a list of stops was read, and whether there is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListRead {
    pub(super) at: DateTime<Utc>,
    pub(super) listed: bool,
}

/// Tells people of one practice.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    pipeline: &'a Pipeline,
    outreach: &'a Outreach,
    /// The route by which its households are due.
    route: SinkId,
    outlet: OutletId,
    ids: ExternalIds,
    epoch: Epoch,
    mode: Mode,
    effects: Option<Effects>,
    /// What the CRMs and gateways say, by whom.
    lists: BTreeMap<SinkId, ListRead>,
    /// Gateways that cannot be used before a person has mended something.
    closed: BTreeSet<SinkId>,
    /// What was wrong with texts, told once per round.
    content: Mutex<BTreeSet<String>>,
    /// The day on which it was last looked whether the one before was thin.
    looked: Option<NaiveDate>,
}

/// The route of an office's messages.
pub(super) fn route(pipeline: &Pipeline) -> Result<(SinkId, Account)> {
    let source = pipeline.source.id();
    let id = SinkId::new("outreach", source.database())?;
    let account = Account {
        name: format!("outreach of {source}"),
        scheme: IdScheme::Scoped,
    };
    Ok((id, account))
}

/// A household whose turn it is to hear something.
#[derive(Debug)]
struct Turn {
    urgent: bool,
    household: HouseholdKey,
    messages: u64,
}

impl<'a> Caller<'a> {
    pub(super) fn new(
        pipeline: &'a Pipeline,
        outreach: &'a Outreach,
        epoch: Epoch,
        mode: Mode,
    ) -> Result<Self> {
        let source = pipeline.source.id().clone();
        Ok(Self {
            pipeline,
            outreach,
            route: route(pipeline)?.0,
            outlet: OutletId::new(source.clone(), "messages")?,
            ids: ExternalIds::new(source, IdScheme::Scoped),
            epoch,
            mode,
            effects: None,
            lists: BTreeMap::new(),
            closed: BTreeSet::new(),
            content: Mutex::default(),
            looked: None,
        })
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.pipeline.clock.now()
    }

    /// Stops must be read again before anything more is sent.
    pub(super) fn distrust_stops(&mut self) {
        self.lists.clear();
    }

    fn key(&self, episode: &str, channel: Channel) -> IdempotencyKey {
        let source = self.pipeline.source.id().to_string();
        IdempotencyKey::of_parts(&["message", &source, episode, channel.name()])
    }

    /// The CRM whose sequences carry it.
    fn enrolling(&self) -> Option<&Arc<dyn CrmSink>> {
        let mut sinks = self.pipeline.sinks.iter();
        sinks.find(|sink| sink.enrolls())
    }

    fn note_content(&self, template: &str, findings: &[Finding]) {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        for finding in findings {
            content.insert(format!("template {template}: {finding}"));
        }
    }

    async fn state(&self) -> Result<OutreachState> {
        let outreach = self.pipeline.store.outreach();
        outreach.outreach_state(self.pipeline.source.id()).await
    }

    async fn change(&self, change: OutreachChange) -> Result<OutreachState> {
        let outreach = self.pipeline.store.outreach();
        outreach
            .change_outreach(self.pipeline.source.id(), change)
            .await
    }

    /// Tells everybody whose turn it is. Returns when to come back: none if
    /// nothing waits for a time.
    pub(super) async fn round(
        &mut self,
        report: &mut RunReport,
        stop: &Stop,
    ) -> Result<Option<DateTime<Utc>>> {
        let live = self.mode == Mode::Live;
        let mut state = self.state().await?;
        if live && let Some(pause) = &state.pause {
            report.paused = Some(pause.reason.clone());
            return Ok(Some(self.now() + PAUSED));
        }
        let read = tokio::select! {
            read = self.read_lists(report) => read,
            () = stop.wait() => return Ok(None),
        };
        if let Err(error) = read {
            return self.back_off(report, error);
        }
        if live && state.live_since.is_none() {
            state = self.change(OutreachChange::GoLive(self.now())).await?;
        }
        self.closed.clear();
        let turns = self.plan(&state, report, stop).await?;
        self.tell_content(report);
        if live && !stop.is_set() {
            let end = self.tell_all(turns, &state, report, stop).await;
            self.tell_content(report);
            end?;
        }
        self.pipeline.store.next_wake(&self.route).await
    }

    fn tell_content(&self, report: &mut RunReport) {
        let content = {
            let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *content)
        };
        for what in content {
            let error = Error::new(ErrorKind::Config, what);
            self.pipeline.problem(report, &error, None);
        }
    }

    /// A failure of the whole round: told upwards if a person must act, else a
    /// pause.
    fn back_off(&self, report: &mut RunReport, error: Error) -> Result<Option<DateTime<Utc>>> {
        match error.disposition() {
            Disposition::Retry { after } => {
                let again = self.now() + self.pipeline.backoff().honour(after, 1);
                self.pipeline.problem(report, &error, Some(again));
                Ok(Some(again))
            }
            Disposition::Reject | Disposition::Halt => Err(error),
        }
    }

    /// Reads every list of stops of the office: of its CRMs and its gateways.
    async fn read_lists(&mut self, report: &mut RunReport) -> Result<()> {
        let sinks = self.pipeline.sinks.iter();
        let gateways = self.outreach.gateways.iter();
        let keepers = sinks
            .map(|sink| Keeper::Crm(sink.as_ref()))
            .chain(gateways.map(|gateway| Keeper::Gateway(gateway.as_ref())));
        for keeper in keepers {
            let id = keeper.id().clone();
            if !self.is_stale(&id) {
                continue;
            }
            // What a gateway does not list says nothing of a CRM.
            let of_gateway = matches!(keeper, Keeper::Gateway(_));
            let listed = self.pipeline.read_stops(keeper, report).await? || of_gateway;
            let at = self.now();
            self.lists.insert(id, ListRead { at, listed });
        }
        Ok(())
    }

    fn is_stale(&self, id: &SinkId) -> bool {
        let now = self.now();
        let read = self.lists.get(id);
        read.is_none_or(|read| now - read.at >= LISTS_AGE)
    }

    /// Looks at everybody who is due and settles whoever is not to be told now.
    async fn plan(
        &mut self,
        state: &OutreachState,
        report: &mut RunReport,
        stop: &Stop,
    ) -> Result<Vec<(Turn, u64)>> {
        let mut turns = Vec::new();
        let mut pretended: Vec<Pretended> = Vec::new();
        let mut after = HouseholdKey::new("");
        while !stop.is_set() {
            let due = self
                .pipeline
                .store
                .due(&self.query(Some(after.clone())))
                .await?;
            let Some(last) = due.last() else { break };
            after = last.view.key.clone();
            let mut settled = Settled::default();
            self.pass_on(&due, report).await?;
            for one in due {
                let chosen = self.choose(&one, state, &mut pretended).await?;
                for row in &chosen.rows {
                    self.count(row, report);
                }
                if chosen.sends.is_empty() || self.mode == Mode::DryRun {
                    settled.settle(&self.ids, one, chosen);
                } else {
                    let strangers = chosen.sends.iter().filter(|send| send.stranger).count();
                    let new = chosen.sends.iter().filter(|send| send.in_doubt.is_none());
                    let turn = Turn {
                        urgent: chosen.sends.iter().any(|send| send.wanted.urgent),
                        household: one.view.key.clone(),
                        messages: count(new.count()),
                    };
                    turns.push((turn, count(strangers)));
                }
            }
            self.commit(settled).await?;
        }
        turns.sort_by(|(a, _), (b, _)| (!a.urgent, &a.household).cmp(&(!b.urgent, &b.household)));
        Ok(turns)
    }

    fn count(&self, row: &DecisionRow, report: &mut RunReport) {
        match row.decision.rule {
            Some(rule) => *report.untold.entry(rule).or_default() += 1,
            None if row.decision.verdict == Verdict::WouldSend => report.told += 1,
            None => {}
        }
        self.pipeline.observer.event(&Event::Decided(row));
    }

    fn query(&self, after: Option<HouseholdKey>) -> DueQuery {
        let now = self.now();
        DueQuery {
            source: self.pipeline.source.id().clone(),
            sink: self.route.clone(),
            ids: self.ids.clone(),
            today: self.pipeline.office.today(now),
            now,
            limit: CHUNK,
            after,
        }
    }

    /// Judges the plan as a whole, then tells one household after another.
    async fn tell_all(
        &mut self,
        turns: Vec<(Turn, u64)>,
        state: &OutreachState,
        report: &mut RunReport,
        stop: &Stop,
    ) -> Result<()> {
        let now = self.now();
        let office = &self.pipeline.office;
        let today = office.today(now);
        let settings = &self.outreach.settings;
        let learned = TimeDelta::days(i64::try_from(LEARNED_DAYS).unwrap_or(i64::MAX) + 1);
        let looked = self.looked.replace(today) == Some(today);
        if turns.is_empty() && looked {
            return Ok(());
        }
        let outreach = self.pipeline.store.outreach();
        let times = outreach.told_since(&self.outlet, now - learned).await?;
        let past = Past::of(&times, office);
        if !looked
            && state.thin_told != Some(today)
            && let Some(why) = guard::thin(&settings.guard, state, &past, (today, office))
        {
            self.change(OutreachChange::ThinTold(today)).await?;
            let error = Error::new(ErrorKind::Protocol, why);
            self.pipeline.problem(report, &error, None);
        }
        let planned = turns.iter().map(|(turn, _)| turn.messages).sum();
        let strangers = turns.iter().map(|(_, strangers)| strangers).sum();
        let on = (today, office);
        let judged = guard::judge(&settings.guard, state, &past, (planned, strangers), on);
        let cap = match judged {
            Judged::Go(cap) => cap,
            Judged::Hold(reason) => {
                let error = Error::new(ErrorKind::Config, format!("held: {reason}"));
                self.pipeline.problem(report, &error, None);
                let pause = Pause {
                    reason: reason.clone(),
                    since: now,
                    held: Some(past.on(today) + planned),
                };
                report.paused = Some(reason);
                self.change(OutreachChange::Pause(pause)).await?;
                return Ok(());
            }
        };
        let mut left = cap.unwrap_or(u64::MAX);
        for (turn, _) in turns {
            if stop.is_set() {
                break;
            }
            // A person may have paused the office in the meantime.
            let state = self.state().await?;
            if let Some(pause) = &state.pause {
                report.paused = Some(pause.reason.clone());
                break;
            }
            if left < turn.messages {
                self.put_off(&turn.household, report).await?;
                continue;
            }
            left -= self.tell(&turn.household, &state, report).await?.min(left);
        }
        Ok(())
    }

    /// The cap of the first days is used up: tomorrow.
    async fn put_off(&self, household: &HouseholdKey, report: &mut RunReport) -> Result<()> {
        let outreach = self.pipeline.store.outreach();
        let due = outreach
            .households(&self.query(None), vec![household.clone()])
            .await?;
        let office = &self.pipeline.office;
        let today = office.today(self.now());
        let tomorrow = today.checked_add_days(Days::new(1)).unwrap_or(today);
        let mut settled = Settled::default();
        for one in due {
            *report.untold.entry(Rule::FirstDays).or_default() += 1;
            let chosen = Chosen {
                wait: Some((office.midnight(tomorrow), Rule::FirstDays)),
                again: Some(tomorrow),
                ..Chosen::default()
            };
            settled.settle(&self.ids, one, chosen);
        }
        self.commit(settled).await
    }

    /// Stores what was decided, and looks no more at who was looked at.
    async fn commit(&self, settled: Settled) -> Result<()> {
        if self.mode == Mode::DryRun || settled.is_empty() {
            return Ok(());
        }
        let store = &self.pipeline.store;
        let source = self.pipeline.source.id();
        if !settled.rows.is_empty() {
            let outreach = store.outreach();
            outreach.decide(source, self.epoch, settled.rows).await?;
        }
        store
            .commit_acks(AckCommit {
                source: source.clone(),
                epoch: self.epoch,
                sink: self.route.clone(),
                now: self.now(),
                acknowledged: Vec::new(),
                parked: settled.parked,
                cleared: settled.cleared,
                reconciled: settled.reconciled,
                disclosed: Vec::new(),
            })
            .await
    }

    async fn effects(&mut self) -> Result<&Effects> {
        if self.effects.is_none() {
            let store = Arc::clone(&self.pipeline.store);
            let clock = Arc::clone(&self.pipeline.clock);
            self.effects = Some(Effects::open(store, self.outlet.clone(), clock).await?);
        }
        self.effects
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Bug, "an outlet was not opened"))
    }

    fn gateway(&self, channel: Channel) -> Option<&Arc<dyn MessageGateway>> {
        self.outreach.gateway(channel)
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// What is to be stored about households that were looked at.
#[derive(Debug, Default)]
struct Settled {
    rows: Vec<DecisionRow>,
    parked: Vec<Parked>,
    cleared: Vec<ExternalId>,
    reconciled: Vec<(HouseholdKey, u64, Option<NaiveDate>)>,
}

impl Settled {
    const fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.reconciled.is_empty()
    }

    fn settle(&mut self, ids: &ExternalIds, due: Due, chosen: Chosen) {
        let household = due.view.key;
        let id = ids.household(&household);
        match chosen.wait {
            Some((at, rule)) => self.parked.push(Parked {
                external_id: id,
                household: household.clone(),
                hash: LedgerHash::from_bytes([0; 16]),
                generation: 0,
                attempts: 0,
                hold: Hold::Until(at),
                doubtful: false,
                reason: rule.sentence().to_owned(),
            }),
            None => self.cleared.extend(due.parked),
        }
        self.rows.extend(chosen.rows);
        self.reconciled
            .push((household, due.generation, chosen.again));
    }
}
