//! Scenes that go well, told as what goes wrong in them: with a rule switched
//! off each must.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use odx_core::model::Phone;
use odx_core::outreach::Guard;
use odx_core::outreach::gate::Rule;
use odx_core::sink::{Suppression, Target};
use odx_core::store::SqliteStore;
use odx_core::testkit::GatewayFault;

use crate::office::{Bench, adult, child, number, source_id};

const DAY: TimeDelta = TimeDelta::days(1);

/// Whether what was told and what is accounted for are the same.
pub(crate) async fn accounted() -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("odx.sqlite")).unwrap();
    let b = Bench::with(Arc::new(store));
    for n in 1..=20 {
        b.put(adult(n));
        b.due(&format!("r{n}"), &n.to_string(), -3);
    }
    b.run().await;
    for n in 1..=5 {
        let mut person = adult(n);
        person.first_name = "Renamed".to_owned().into();
        b.put(person);
    }
    b.later(TimeDelta::days(1)).await;
    let store = b.store.outreach();
    let rows = store.audit(&source_id(), 0, 100_000).await.unwrap();
    let mut by: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in &rows {
        *by.entry((&row.destination, &row.kind)).or_default() += 1;
    }
    let crm = |kind| by.get(&("mem:main-st", kind)).copied().unwrap_or(0);
    let written = crm("contact") + crm("task");
    if written != b.sink.writes().0 {
        return Err(format!("S13 {} writes, {written} rows", b.sink.writes().0));
    }
    let told = by.get(&("texts:main-st", "message")).copied().unwrap_or(0);
    if told != 20 || b.sent().len() != 20 {
        return Err(format!("S13 {} messages, {told} rows", b.sent().len()));
    }
    let audit = b.store.outreach().verify_audit().await.unwrap();
    if audit.broken_at.is_some() || audit.rows != 65 {
        return Err(format!("S13 the chain has {} rows", audit.rows));
    }
    Ok(())
}

/// Two who come due five days apart.
pub(crate) async fn one_by_one() -> Result<(), String> {
    let b = Bench::new();
    b.put(adult(1));
    b.due("r1", "1", -3);
    b.put(child(2, 1));
    b.due("r2", "2", 2);
    b.run().await;
    for n in 1..=14 {
        b.later(DAY).await;
        let expected = if n < 7 { 1 } else { 2 };
        if b.sent().len() != expected {
            return Err(format!("household: {} on day {n}", b.sent().len()));
        }
    }
    Ok(())
}

/// Who came due in the evening.
pub(crate) async fn at_night() -> Result<(), String> {
    let b = Bench::new();
    b.clock.set("2026-11-21T02:30:00Z".parse().unwrap());
    b.put(adult(1));
    b.due("r1", "1", -3);
    let report = b.run().await;
    if (report.told, report.untold.get(&Rule::QuietHours)) != (0, Some(&1)) {
        return Err("quiet: told at night".to_owned());
    }
    // 8:30 in New York is 5:30 where a number of Oregon is from: both must be awake.
    b.clock.set("2026-11-21T13:30:00Z".parse().unwrap());
    if b.run().await.told != 0 {
        return Err("quiet: told before it is day where they are".to_owned());
    }
    b.clock.set("2026-11-21T16:00:00Z".parse().unwrap());
    match b.run().await.told {
        1 => Ok(()),
        _ => Err("quiet: not told by day".to_owned()),
    }
}

/// A first run that would tell a crowd.
pub(crate) async fn a_crowd() -> Result<(), String> {
    let mut b = Bench::new();
    b.settings.guard = Guard::default();
    for n in 1..=80 {
        let mut person = adult(n);
        person.consent.clear();
        b.put(person);
        b.due(&format!("r{n}"), &n.to_string(), -3);
    }
    b.run().await;
    match b.sent().len() {
        0 => Ok(()),
        told => Err(format!("guard: {told} were told")),
    }
}

/// Somebody says stop while odx goes on in the same process.
pub(crate) async fn within_a_run() -> Result<(), String> {
    let b = Bench::new();
    b.put(adult(1));
    b.due("r1", "1", -3);
    let pipeline = b.pipeline();
    pipeline
        .run_once(odx_core::Mode::Live)
        .await
        .map_err(|error| error.chain())?;
    b.put(adult(2));
    b.due("r2", "2", -3);
    b.sink.stop(Suppression {
        target: Target::Phone(Phone::parse(&number(2)).unwrap()),
        channel: None,
        reason: "dnd".to_owned(),
    });
    b.clock.advance(std::time::Duration::from_secs(90));
    pipeline
        .run_once(odx_core::Mode::Live)
        .await
        .map_err(|error| error.chain())?;
    if b.recipients().contains(&number(2)) {
        return Err("S12 a stop was not read".to_owned());
    }
    Ok(())
}

/// A text goes out, its answer is lost, and nobody can tell for a while.
pub(crate) async fn in_doubt() -> Result<(), String> {
    let b = Bench::new();
    b.put(adult(1));
    b.due("r1", "1", -3);
    b.texts.fail([GatewayFault::Lost]);
    b.texts.blind(true);
    b.run().await;
    b.later(DAY).await;
    b.texts.blind(false);
    for _ in 0..3 {
        b.later(DAY).await;
    }
    match b.sent().len() {
        1 => Ok(()),
        sent => Err(format!("rule 7: it went out {sent} times")),
    }
}
