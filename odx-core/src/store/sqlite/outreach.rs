//! Who was told what, why or why not, and what holds an office back.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::failure::{damaged, failed};
use super::{
    SqliteStore, audit, current, date, day, due, effect, int, kind, known_sink, sink_row, time,
    uint,
};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::reach;
use crate::hash::{IdempotencyKey, LedgerHash};
use crate::id::{ExternalId, HouseholdKey, OutletId, PatientKey, SinkId, SourceId};
use crate::outreach::gate::Rule;
use crate::outreach::{Episode, Purpose, Status};
use crate::policy::Segment;
use crate::sink::{Account, Suppression};
use crate::store::outreach::{
    About, Aside, Audit, AuditRow, DecisionRow, History, HistoryQuery, Lift, MessageRow, Messages,
    OutreachChange, OutreachState, OutreachStore, Progress, Replay, Told, UnreadableRow,
};
use crate::store::view::{self, DigestKey};
use crate::store::{Due, DueQuery, Epoch, Hold, pairing};

/// A status that is still not mapped is told again after this long.
const TOLD_AGAIN: TimeDelta = TimeDelta::days(7);

const fn purpose_code(purpose: Purpose) -> i64 {
    match purpose {
        Purpose::Recall => 0,
        Purpose::Reactivation => 1,
        Purpose::Review => 2,
    }
}

fn purpose_from(code: i64) -> Result<Purpose> {
    let mut all = Purpose::ALL.into_iter();
    all.find(|purpose| purpose_code(*purpose) == code)
        .ok_or_else(|| damaged("a purpose that this odx does not know"))
}

const fn status_code(status: Status) -> i64 {
    match status {
        Status::Accepted => 0,
        Status::Sent => 1,
        Status::Failed => 2,
        Status::Delivered => 3,
    }
}

fn status_from(code: i64) -> Result<Status> {
    let all = [
        Status::Accepted,
        Status::Sent,
        Status::Failed,
        Status::Delivered,
    ];
    all.into_iter()
        .find(|status| status_code(*status) == code)
        .ok_or_else(|| damaged("a status that this odx does not know"))
}

fn segment_from(name: &str) -> Result<Option<Segment>> {
    let all = [
        Segment::DueSoon,
        Segment::DueNow,
        Segment::Overdue,
        Segment::Lapsed,
    ];
    match all.into_iter().find(|segment| segment.name() == name) {
        None if !name.is_empty() => Err(damaged("a segment that this odx does not know")),
        segment => Ok(segment),
    }
}

fn source_row(db: &Transaction<'_>, source: &SourceId) -> Result<i64> {
    let name = source.to_string();
    db.prepare_cached("INSERT INTO source (name) VALUES (?1) ON CONFLICT DO NOTHING")
        .and_then(|mut q| q.execute([&name]))
        .map_err(failed)?;
    db.prepare_cached("SELECT id FROM source WHERE name = ?1")
        .and_then(|mut q| q.query_row([&name], |row| row.get(0)))
        .map_err(failed)
}

/// As [`source_row`], where nothing may be written. None: nobody knows it.
fn known_source(db: &Transaction<'_>, source: &SourceId) -> Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM source WHERE name = ?1")
        .and_then(|mut q| {
            q.query_row([source.to_string()], |row| row.get(0))
                .optional()
        })
        .map_err(failed)
}

/// What a claim tells whom, in the transaction of the claim.
pub(super) fn note_about(
    db: &Transaction<'_>,
    digests: &DigestKey,
    outlet: i64,
    key: &IdempotencyKey,
    about: &About,
) -> Result<()> {
    let address = about.address.as_ref();
    let address = address
        .map(|address| digests.address(address))
        .transpose()?;
    db.prepare_cached(
        "UPDATE effect SET purpose = ?3, channel = ?4, patient = ?5, recipient = ?6, household = ?7, address = ?8, \
         destination = ?9, fields = ?10, begun_at = coalesce(begun_at, claimed_at) WHERE outlet = ?1 AND key = ?2",
    )
    .and_then(|mut q| {
        q.execute(params![
            outlet,
            key.as_str(),
            purpose_code(about.purpose()),
            super::suppress::code(about.channel),
            about.patient.native(),
            about.recipient.native(),
            about.household.native(),
            address,
            about.destination.as_str(),
            about.fields,
        ])
    })
    .map_err(failed)?;
    for (place, episode) in (0_i64..).zip(&about.episodes) {
        db.prepare_cached(
            "INSERT INTO episode (outlet, subject, purpose, cycle, segment, key, place) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT DO UPDATE SET place = excluded.place WHERE place <> excluded.place",
        )
        .and_then(|mut q| {
            q.execute(params![
                outlet,
                episode.subject.as_str(),
                purpose_code(episode.purpose),
                episode.cycle.map_or(0, day),
                episode.segment.map_or("", Segment::name),
                key.as_str(),
                place,
            ])
        })
        .map_err(failed)?;
    }
    Ok(())
}

const TOLD: &str = "effect.key, effect.attempt, effect.claimed_at, effect.since, effect.state, effect.receipt, \
                    effect.reason, effect.purpose, effect.channel, effect.status, effect.begun_at, effect.repeats";

fn told(row: &Row<'_>) -> Result<Told> {
    let known = effect::raw(row).map_err(failed)?.into_row()?;
    let status: Option<i64> = row.get(9).map_err(failed)?;
    Ok(Told {
        key: known.key,
        purpose: purpose_from(row.get(7).map_err(failed)?)?,
        channel: super::suppress::channel_from(row.get(8).map_err(failed)?)?,
        begun: time(row.get(10).map_err(failed)?)?,
        at: known.claimed_at,
        attempt: known.attempt,
        repeats: row.get(11).map_err(failed)?,
        state: known.state,
        status: status.map(status_from).transpose()?,
    })
}

/// What was told to those whom this column names. Told which index: left alone,
/// the planner walks everything the outlet ever told to get the order for nothing.
pub(super) fn told_by(what: &str) -> String {
    format!(
        "SELECT {TOLD} FROM effect INDEXED BY effect_{what} WHERE outlet = ?1 AND {what} = ?2 AND recipient NOTNULL ORDER BY claimed_at, key"
    )
}

/// What was told about a subject.
pub(super) fn told_of_subject() -> String {
    format!(
        "SELECT {TOLD}, episode.purpose, cycle, segment FROM episode JOIN effect USING (outlet, key) \
         WHERE outlet = ?1 AND subject = ?2 ORDER BY claimed_at, key"
    )
}

fn tolds(
    db: &Transaction<'_>,
    what: &str,
    outlet: i64,
    value: &dyn rusqlite::ToSql,
) -> Result<Vec<Told>> {
    let mut query = db.prepare_cached(&told_by(what)).map_err(failed)?;
    let mut rows = query.query(params![outlet, value]).map_err(failed)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        all.push(told(row)?);
    }
    Ok(all)
}

fn history(
    db: &Transaction<'_>,
    digests: &DigestKey,
    outlet: &OutletId,
    query: &HistoryQuery,
) -> Result<History> {
    let Some((outlet, _)) = effect::outlet_row(db, outlet)? else {
        return Ok(History::default());
    };
    let mut found = History::default();
    for subject in &query.subjects {
        let mut statement = db.prepare_cached(&told_of_subject()).map_err(failed)?;
        let mut rows = statement
            .query(params![outlet, subject.as_str()])
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let cycle: i64 = row.get(13).map_err(failed)?;
            let segment: String = row.get(14).map_err(failed)?;
            let episode = Episode {
                purpose: purpose_from(row.get(12).map_err(failed)?)?,
                subject: subject.clone(),
                cycle: (cycle != 0).then(|| date(cycle)).transpose()?,
                segment: segment_from(&segment)?,
            };
            found.episodes.push((episode, told(row)?));
        }
    }
    found.person = tolds(db, "recipient", outlet, &query.recipient.native())?;
    for address in &query.addresses {
        let digest = digests.address(address)?;
        for one in tolds(db, "address", outlet, &digest)? {
            if !found.person.iter().any(|known| known.key == one.key) {
                found.person.push(one);
            }
        }
    }
    found.household = tolds(db, "household", outlet, &query.household.native())?;
    // Each was found in order; of several subjects and addresses, they are put in order here.
    found
        .episodes
        .sort_by(|(_, a), (_, b)| (a.at, &a.key).cmp(&(b.at, &b.key)));
    found
        .person
        .sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    Ok(found)
}

fn messages(db: &Transaction<'_>, outlet: &OutletId, which: Messages) -> Result<Vec<MessageRow>> {
    let Some((outlet, _)) = effect::outlet_row(db, outlet)? else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT {TOLD}, patient, recipient, household, destination, status_why FROM effect WHERE outlet = ?1 \
         AND recipient NOTNULL AND claimed_at >= ?2 AND (NOT ?3 OR state < 4) ORDER BY claimed_at, key LIMIT ?4"
    );
    let mut query = db.prepare_cached(&sql).map_err(failed)?;
    let limit = int(u64::try_from(which.limit).unwrap_or(u64::MAX));
    let since = which.since.timestamp_millis();
    let mut rows = query
        .query(params![outlet, since, which.open_only, limit])
        .map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let text = |place| row.get::<_, String>(place).map_err(failed);
        found.push(MessageRow {
            told: told(row)?,
            patient: PatientKey::new(text(12)?),
            recipient: PatientKey::new(text(13)?),
            household: HouseholdKey::new(text(14)?),
            destination: text(15)?,
            status_why: row.get(16).map_err(failed)?,
        });
    }
    Ok(found)
}

fn untold(db: &Transaction<'_>, source: i64, since: DateTime<Utc>) -> Result<BTreeMap<Rule, u64>> {
    let mut query = db
        .prepare_cached("SELECT body FROM decision WHERE source = ?1 AND at >= ?2")
        .map_err(failed)?;
    let mut rows = query
        .query(params![source, since.timestamp_millis()])
        .map_err(failed)?;
    let mut counts = BTreeMap::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let body: String = row.get(0).map_err(failed)?;
        let decision: DecisionRow =
            serde_json::from_str(&body).map_err(|_| damaged("a decision that cannot be read"))?;
        if let Some(rule) = decision.decision.rule {
            *counts.entry(rule).or_default() += 1;
        }
    }
    Ok(counts)
}

fn decide(
    db: &Transaction<'_>,
    source: &SourceId,
    epoch: Epoch,
    decisions: &[DecisionRow],
) -> Result<()> {
    let source = current(db, source, epoch)?;
    for row in decisions {
        let body = serde_json::to_string(row)
            .map_err(|_| Error::new(ErrorKind::Bug, "a decision could not be written as json"))?;
        db.prepare_cached(
            "INSERT INTO decision (source, episode, channel, patient, recipient, at, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET patient = excluded.patient, \
             recipient = excluded.recipient, at = excluded.at, body = excluded.body",
        )
        .and_then(|mut q| {
            q.execute(params![
                source,
                row.episode.name(),
                super::suppress::code(row.channel),
                row.patient.native(),
                row.recipient.as_ref().map(PatientKey::native),
                row.at.timestamp_millis(),
                body,
            ])
        })
        .map_err(failed)?;
    }
    reach("decide.in_transaction");
    Ok(())
}

/// What was decided about a patient, or to them. Each by its index: left alone,
/// the planner reads every decision of the office.
pub(super) const DECIDED: &str = "SELECT body, patient, recipient, at, episode, channel FROM decision \
     INDEXED BY decision_patient WHERE source = ?1 AND patient = ?2 \
     UNION SELECT body, patient, recipient, at, episode, channel FROM decision \
     INDEXED BY decision_recipient WHERE source = ?1 AND recipient = ?2 ORDER BY at DESC, episode, channel";

fn decisions(
    db: &Transaction<'_>,
    source: &SourceId,
    patient: &PatientKey,
) -> Result<Vec<DecisionRow>> {
    let Some(source) = known_source(db, source)? else {
        return Ok(Vec::new());
    };
    let mut query = db.prepare_cached(DECIDED).map_err(failed)?;
    let mut rows = query
        .query(params![source, patient.native()])
        .map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let body: String = row.get(0).map_err(failed)?;
        let mut decision: DecisionRow =
            serde_json::from_str(&body).map_err(|_| damaged("a decision that cannot be read"))?;
        decision.patient = PatientKey::new(row.get::<_, String>(1).map_err(failed)?);
        let recipient: Option<String> = row.get(2).map_err(failed)?;
        decision.recipient = recipient.map(PatientKey::new);
        found.push(decision);
    }
    Ok(found)
}

fn lift(db: &Transaction<'_>, key: &DigestKey, source: i64, lift: &Lift, now: i64) -> Result<u64> {
    let stop = Suppression {
        target: lift.target.clone(),
        channel: Some(lift.channel),
        reason: String::new(),
    };
    let mut lifted = BTreeSet::new();
    for (channel, digest) in key.rows(&stop)? {
        let taken = db
            .prepare_cached(
                "UPDATE suppression SET lifted_at = ?4, lifted_why = ?5 WHERE lifted_at IS NULL AND channel = ?2 \
                 AND digest = ?3 AND (NOT ?7 OR reason = ?8) AND sink IN (SELECT id FROM sink \
                 WHERE source = ?1 AND iif(?6 IS NULL, kind = 1, name = ?6))",
            )
            .and_then(|mut q| {
                q.execute(params![
                    source,
                    super::suppress::code(channel),
                    digest,
                    now,
                    lift.reason,
                    lift.origin.as_ref().map(SinkId::as_str),
                    lift.keyword_only,
                    view::KEYWORD_STOP,
                ])
            })
            .map_err(failed)?;
        if taken > 0 {
            lifted.insert((channel, digest));
        }
    }
    reach("lift.in_transaction");
    super::suppress::raise(db, key, source, &lifted)?;
    Ok(u64::try_from(lifted.len()).unwrap_or(u64::MAX))
}

fn statuses(db: &Transaction<'_>, source: i64) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    let mut query = db
        .prepare("SELECT kind, body FROM record WHERE source = ?1 AND gone = 0")
        .map_err(failed)?;
    let mut rows = query.query([source]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let body = row.get_ref(1).map_err(failed)?;
        let body = body.as_blob().map_err(|e| failed(e.into()))?;
        view::count_statuses(kind(row.get(0).map_err(failed)?)?, body, &mut counts)?;
    }
    Ok(counts)
}

fn aside(db: &Transaction<'_>, sink: &SinkId, limit: usize) -> Result<Vec<Aside>> {
    let Some(sink) = known_sink(db, sink)? else {
        return Ok(Vec::new());
    };
    let mut query = db
        .prepare_cached(
            "SELECT external_id, household, hold, not_before, reason, attempts, since FROM parked WHERE sink = ?1 \
             ORDER BY since, external_id LIMIT ?2",
        )
        .map_err(failed)?;
    let limit = int(u64::try_from(limit).unwrap_or(u64::MAX));
    let mut rows = query.query(params![sink, limit]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let hold: i64 = row.get(2).map_err(failed)?;
        let until: Option<i64> = row.get(3).map_err(failed)?;
        found.push(Aside {
            external_id: ExternalId::from_kept(row.get::<_, String>(0).map_err(failed)?),
            household: HouseholdKey::new(row.get::<_, String>(1).map_err(failed)?),
            hold: match (hold, until) {
                (0, Some(at)) => Hold::Until(time(at)?),
                (1, _) => Hold::Refused,
                _ => Hold::Blocked,
            },
            reason: row.get(4).map_err(failed)?,
            attempts: row.get(5).map_err(failed)?,
            since: time(row.get(6).map_err(failed)?)?,
        });
    }
    Ok(found)
}

fn replay(db: &Transaction<'_>, sink: &SinkId, which: &Replay) -> Result<u64> {
    let Some(sink) = known_sink(db, sink)? else {
        return Ok(0);
    };
    let households: Vec<String> = db
        .prepare_cached(
            // Not forgotten: what was last on its way, as which change and whether it may have arrived
            // decides what is sent next.
            "UPDATE parked SET hold = 0, not_before = 0, attempts = 0 \
             WHERE sink = ?1 AND hold = 1 AND (?2 IS NULL OR external_id = ?2) AND (?3 IS NULL OR instr(reason, ?3) > 0) AND (?4 IS NULL OR since >= ?4) RETURNING household",
        )
        .and_then(|mut q| {
            q.query_map(
                params![
                    sink,
                    which.external_id.as_ref().map(ExternalId::as_str),
                    which.code,
                    which.since.map(|at| at.timestamp_millis()),
                ],
                |row| row.get(0),
            )
            .and_then(Iterator::collect)
        })
        .map_err(failed)?;
    for household in households.iter().collect::<BTreeSet<_>>() {
        db.prepare_cached(
            "UPDATE route SET generation = generation + 1 WHERE sink = ?1 AND household = ?2",
        )
        .and_then(|mut q| q.execute(params![sink, household]))
        .map_err(failed)?;
    }
    reach("replay.in_transaction");
    Ok(u64::try_from(households.len()).unwrap_or(u64::MAX))
}

fn note_unmapped(
    db: &Transaction<'_>,
    source: i64,
    statuses: &BTreeSet<String>,
    now: DateTime<Utc>,
) -> Result<Vec<String>> {
    let mut news = Vec::new();
    let stale = now - TOLD_AGAIN;
    for status in statuses {
        let told = db
            .prepare_cached(
                "INSERT INTO unmapped (source, status, since, told_at) VALUES (?1, ?2, ?3, ?3) \
                 ON CONFLICT DO UPDATE SET told_at = ?3 WHERE told_at <= ?4",
            )
            .and_then(|mut q| {
                q.execute(params![
                    source,
                    status,
                    now.timestamp_millis(),
                    stale.timestamp_millis()
                ])
            })
            .map_err(failed)?;
        if told > 0 {
            news.push(status.clone());
        }
    }
    Ok(news)
}

fn keep(db: &Transaction<'_>, source: &SourceId, name: &str, text: &str) -> Result<()> {
    let source = source_row(db, source)?;
    db.execute(
        "INSERT INTO kept (source, name, body) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET body = excluded.body WHERE body <> excluded.body",
        params![source, name, text],
    )
    .map_err(failed)?;
    reach("keep.in_transaction");
    Ok(())
}

fn kept(db: &Transaction<'_>, source: &SourceId, name: &str) -> Result<Option<String>> {
    db.prepare_cached(
        "SELECT body FROM kept JOIN source ON source.id = source WHERE source.name = ?1 AND kept.name = ?2",
    )
    .and_then(|mut q| {
        q.query_row(params![source.to_string(), name], |row| row.get(0))
            .optional()
    })
    .map_err(failed)
}

fn outreach_state(db: &Transaction<'_>, source: &SourceId) -> Result<OutreachState> {
    let text: Option<String> = db
        .prepare_cached("SELECT outreach FROM source WHERE name = ?1")
        .and_then(|mut q| {
            q.query_row([source.to_string()], |row| row.get(0))
                .optional()
        })
        .map_err(failed)?
        .flatten();
    match text {
        None => Ok(OutreachState::default()),
        Some(text) => serde_json::from_str(&text)
            .map_err(|_| damaged("a state of an office that cannot be read")),
    }
}

#[async_trait]
impl OutreachStore for SqliteStore {
    async fn open_gateway(&self, source: &SourceId, id: &SinkId, account: &Account) -> Result<()> {
        let (source, id, account) = (source.clone(), id.clone(), account.clone());
        self.write(move |db, _| {
            let source = source_row(db, &source)?;
            db.execute(
                "INSERT INTO sink (name, source, account, scheme, kind) VALUES (?1, ?2, ?3, ?4, 1) ON CONFLICT DO NOTHING",
                params![id.as_str(), source, account.name, super::scheme_text(account.scheme)],
            )
            .map_err(failed)?;
            let (owner, gateway): (i64, bool) = db
                .query_row("SELECT source, kind FROM sink WHERE name = ?1", [id.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .map_err(failed)?;
            pairing::check_gateway(&id, owner == source, gateway)
        })
        .await
    }

    async fn look_again(&self, sink: &SinkId, fingerprint: LedgerHash) -> Result<bool> {
        let sink = sink.clone();
        self.write(move |db, _| {
            let sink = sink_row(db, &sink)?;
            let known: Option<Vec<u8>> = db
                .query_row("SELECT fingerprint FROM sink WHERE id = ?1", [sink], |row| row.get(0))
                .map_err(failed)?;
            if known.as_deref() == Some(fingerprint.as_bytes()) {
                return Ok(false);
            }
            db.execute(
                "UPDATE sink SET fingerprint = ?2 WHERE id = ?1",
                params![sink, fingerprint.as_bytes()],
            )
            .map_err(failed)?;
            db.execute(
                "UPDATE route SET generation = generation + 1 WHERE sink = ?1 AND generation <= seen",
                [sink],
            )
            .map_err(failed)?;
            reach("look_again.in_transaction");
            Ok(true)
        })
        .await
    }

    async fn households(&self, query: &DueQuery, keys: Vec<HouseholdKey>) -> Result<Vec<Due>> {
        let query = query.clone();
        self.read(move |db, key| due::these(db, key, &query, &keys))
            .await
    }

    async fn household_of(
        &self,
        source: &SourceId,
        patient: &PatientKey,
    ) -> Result<Option<HouseholdKey>> {
        let (source, patient) = (source.clone(), patient.clone());
        self.read(move |db, _| {
            let Some(source) = known_source(db, &source)? else {
                return Ok(None);
            };
            db.query_row(
                "SELECT parent FROM record WHERE source = ?1 AND kind = 0 AND native = ?2",
                params![source, patient.native()],
                |row| row.get::<_, String>(0),
            )
            .optional()
            .map(|household| household.map(HouseholdKey::new))
            .map_err(failed)
        })
        .await
    }

    async fn history(&self, outlet: &OutletId, query: HistoryQuery) -> Result<History> {
        let outlet = outlet.clone();
        self.read(move |db, key| history(db, key, &outlet, &query))
            .await
    }

    async fn told_since(
        &self,
        outlet: &OutletId,
        since: DateTime<Utc>,
    ) -> Result<Vec<DateTime<Utc>>> {
        let outlet = outlet.clone();
        self.read(move |db, _| {
            let Some((outlet, _)) = effect::outlet_row(db, &outlet)? else {
                return Ok(Vec::new());
            };
            let times: Vec<i64> = db
                .prepare_cached(
                    "SELECT claimed_at FROM effect INDEXED BY effect_at WHERE outlet = ?1 AND claimed_at >= ?2 \
                     AND recipient NOTNULL AND state IN (0, 2, 4) ORDER BY claimed_at",
                )
                .and_then(|mut q| {
                    q.query_map(params![outlet, since.timestamp_millis()], |row| row.get(0))
                        .and_then(Iterator::collect)
                })
                .map_err(failed)?;
            times.into_iter().map(time).collect()
        })
        .await
    }

    async fn messages(&self, outlet: &OutletId, which: &Messages) -> Result<Vec<MessageRow>> {
        let (outlet, which) = (outlet.clone(), *which);
        self.read(move |db, _| messages(db, &outlet, which)).await
    }

    async fn untold(&self, source: &SourceId, since: DateTime<Utc>) -> Result<BTreeMap<Rule, u64>> {
        let source = source.clone();
        self.read(move |db, _| match known_source(db, &source)? {
            None => Ok(BTreeMap::new()),
            Some(source) => untold(db, source, since),
        })
        .await
    }

    async fn note_status(
        &self,
        outlet: &OutletId,
        remote_id: &str,
        status: Status,
        reason: Option<&str>,
    ) -> Result<bool> {
        let (outlet, remote_id) = (outlet.clone(), remote_id.to_owned());
        let reason = reason.map(str::to_owned);
        self.write(move |db, _| {
            let Some((outlet, _)) = effect::outlet_row(db, &outlet)? else {
                return Ok(false);
            };
            db.execute(
                "UPDATE effect SET status = ?3, status_why = ?4 WHERE outlet = ?1 AND receipt = ?2 \
                 AND receipt NOTNULL AND coalesce(status, -1) < ?3",
                params![outlet, remote_id, status_code(status), reason],
            )
            .map(|noted| noted > 0)
            .map_err(failed)
        })
        .await
    }

    async fn decide(
        &self,
        source: &SourceId,
        epoch: Epoch,
        decisions: Vec<DecisionRow>,
    ) -> Result<()> {
        let source = source.clone();
        self.write(move |db, _| decide(db, &source, epoch, &decisions))
            .await
    }

    async fn decisions(&self, source: &SourceId, patient: &PatientKey) -> Result<Vec<DecisionRow>> {
        let (source, patient) = (source.clone(), patient.clone());
        self.read(move |db, _| decisions(db, &source, &patient))
            .await
    }

    async fn outreach_state(&self, source: &SourceId) -> Result<OutreachState> {
        let source = source.clone();
        self.read(move |db, _| outreach_state(db, &source)).await
    }

    async fn change_outreach(
        &self,
        source: &SourceId,
        change: OutreachChange,
    ) -> Result<OutreachState> {
        let source = source.clone();
        self.write(move |db, _| {
            let mut state = outreach_state(db, &source)?;
            let before = state.clone();
            state.change(change);
            if state != before {
                let text = serde_json::to_string(&state).map_err(|_| {
                    Error::new(ErrorKind::Bug, "a state could not be written as json")
                })?;
                let source = source_row(db, &source)?;
                db.execute(
                    "UPDATE source SET outreach = ?2 WHERE id = ?1",
                    params![source, text],
                )
                .map_err(failed)?;
                reach("keep.in_transaction");
            }
            Ok(state)
        })
        .await
    }

    async fn lift(&self, source: &SourceId, lifted: &Lift, now: DateTime<Utc>) -> Result<u64> {
        let (source, lifted) = (source.clone(), lifted.clone());
        self.write(move |db, key| {
            let source = source_row(db, &source)?;
            lift(db, key, source, &lifted, now.timestamp_millis())
        })
        .await
    }

    async fn note_unmapped(
        &self,
        source: &SourceId,
        statuses: BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        if statuses.is_empty() {
            return Ok(Vec::new());
        }
        let source = source.clone();
        self.write(move |db, _| {
            let source = source_row(db, &source)?;
            note_unmapped(db, source, &statuses, now)
        })
        .await
    }

    async fn statuses(&self, source: &SourceId) -> Result<BTreeMap<String, u64>> {
        let source = source.clone();
        self.read(move |db, _| match known_source(db, &source)? {
            None => Ok(BTreeMap::new()),
            Some(source) => statuses(db, source),
        })
        .await
    }

    async fn unreadable(&self, source: &SourceId, limit: usize) -> Result<Vec<UnreadableRow>> {
        let source = source.clone();
        self.read(move |db, _| {
            let Some(source) = known_source(db, &source)? else {
                return Ok(Vec::new());
            };
            let limit = int(u64::try_from(limit).unwrap_or(u64::MAX));
            let mut query = db
                .prepare_cached(
                    "SELECT kind, native, reason, since FROM unreadable WHERE source = ?1 \
                     ORDER BY since, kind, native LIMIT ?2",
                )
                .map_err(failed)?;
            let mut rows = query.query(params![source, limit]).map_err(failed)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().map_err(failed)? {
                found.push(UnreadableRow {
                    kind: kind(row.get(0).map_err(failed)?)?,
                    native: row.get(1).map_err(failed)?,
                    reason: row.get(2).map_err(failed)?,
                    since: time(row.get(3).map_err(failed)?)?,
                });
            }
            Ok(found)
        })
        .await
    }

    async fn aside(&self, sink: &SinkId, limit: usize) -> Result<Vec<Aside>> {
        let sink = sink.clone();
        self.read(move |db, _| aside(db, &sink, limit)).await
    }

    async fn replay(&self, sink: &SinkId, which: &Replay) -> Result<u64> {
        let (sink, which) = (sink.clone(), which.clone());
        self.write(move |db, _| replay(db, &sink, &which)).await
    }

    async fn progress(&self, sink: &SinkId) -> Result<Progress> {
        let sink = sink.clone();
        self.read(move |db, _| {
            let Some(sink) = known_sink(db, &sink)? else {
                return Ok(Progress::default());
            };
            db.query_row(
                "SELECT count(*) FILTER (WHERE brought), count(*) FROM route WHERE sink = ?1",
                [sink],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .map(|(done, all)| Progress {
                done: uint(done),
                all: uint(all),
            })
            .map_err(failed)
        })
        .await
    }

    async fn runs(&self, source: &SourceId, limit: usize) -> Result<Vec<(DateTime<Utc>, String)>> {
        let source = source.clone();
        self.read(move |db, _| {
            let limit = int(u64::try_from(limit).unwrap_or(u64::MAX));
            let rows: Vec<(i64, String)> = db
                .prepare_cached(
                    "SELECT at, report FROM run WHERE source = (SELECT id FROM source WHERE name = ?1) \
                     ORDER BY id DESC LIMIT ?2",
                )
                .and_then(|mut q| {
                    q.query_map(params![source.to_string(), limit], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .and_then(Iterator::collect)
                })
                .map_err(failed)?;
            rows.into_iter()
                .map(|(at, report)| Ok((time(at)?, report)))
                .collect()
        })
        .await
    }

    async fn keep(&self, source: &SourceId, name: &str, text: &str) -> Result<()> {
        let (source, name, text) = (source.clone(), name.to_owned(), text.to_owned());
        self.write(move |db, _| keep(db, &source, &name, &text))
            .await
    }

    async fn kept(&self, source: &SourceId, name: &str) -> Result<Option<String>> {
        let (source, name) = (source.clone(), name.to_owned());
        self.read(move |db, _| kept(db, &source, &name)).await
    }

    async fn token(&self, text: &str) -> Result<String> {
        self.inner.key.token(text)
    }

    async fn audit(&self, source: &SourceId, after: u64, limit: usize) -> Result<Vec<AuditRow>> {
        let source = source.clone();
        self.read(move |db, _| match known_source(db, &source)? {
            None => Ok(Vec::new()),
            Some(source) => audit::rows(db, source, after, limit),
        })
        .await
    }

    async fn verify_audit(&self) -> Result<Audit> {
        self.read(audit::verify).await
    }
}
