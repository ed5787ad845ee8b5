//! What was disclosed to whom: one row each, chained, no values.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;

use super::StateHarness;
use super::bench::{Bench, NOW, acknowledged, id, ok, person, refused, source};
use super::effects::{Desk, doubt, outlet};
use super::told::{about, told};
use crate::effect::Receipt;
use crate::id::SourceId;
use crate::store::outreach::{AuditRow, Disclosure};
use crate::store::{EffectState, StateStore};

pub(super) fn disclosure(native: &str, taken: bool) -> Disclosure {
    Disclosure {
        external_id: id(native),
        kind: "contact",
        fields: "first_name,mobile".to_owned(),
        taken,
    }
}

pub(super) async fn rows(store: &Arc<dyn StateStore>, source: &SourceId) -> Vec<AuditRow> {
    ok(store.outreach().audit(source, 0, 99).await)
}

async fn answered(b: &Bench, disclosed: Vec<Disclosure>) {
    let mut acks = b.acks();
    acks.now = NOW + TimeDelta::hours(1);
    acks.acknowledged.push((id("1"), acknowledged(1)));
    acks.disclosed = disclosed;
    ok(b.store.commit_acks(acks).await);
}

async fn whole(store: &Arc<dyn StateStore>, many: u64) -> Option<String> {
    let audit = ok(store.outreach().verify_audit().await);
    assert_eq!((audit.rows, audit.broken_at), (many, None));
    audit.head
}

/// Each answer is a row: when, which kind, which fields, to whom, taken or not;
/// numbered without gaps over all offices, each hash over the one before, and
/// the record named by a digest that is always the same.
pub async fn disclosures_are_one_row_per_answer_and_chain<H: StateHarness>() {
    let (_place, b) = Bench::new::<H>().await;
    assert_eq!(whole(&b.store, 0).await, None);
    let two = vec![disclosure("1", true), disclosure("2", false)];
    answered(&b, two).await;
    let elm = Bench::of(Arc::clone(&b.store), "elm-st").await;
    answered(&elm, vec![disclosure("1", true)]).await;
    answered(&b, vec![]).await;
    answered(&b, vec![disclosure("1", true)]).await;
    let known = rows(&b.store, &b.source).await;
    let what: Vec<_> = known
        .iter()
        .map(|row| (row.number, row.outcome.as_str()))
        .collect();
    assert_eq!(what, [(1, "taken"), (2, "refused"), (4, "taken")]);
    for row in &known {
        assert_eq!(row.at, NOW + TimeDelta::hours(1));
        assert_eq!(row.kind, "contact");
        assert_eq!(row.fields, "first_name,mobile");
        assert_eq!(row.destination, "mem:main");
        assert!(!row.subject.contains("main"), "it can be read: {row:?}");
    }
    let subject = |n: usize| known.get(n).map(|row| row.subject.clone());
    assert_eq!(subject(0), subject(2));
    assert_ne!(subject(0), subject(1));
    let others = rows(&b.store, &elm.source).await;
    let numbers: Vec<_> = others.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [3], "an office sees its own, numbered over all");
    let hashes: BTreeSet<_> = known.iter().chain(&others).map(|row| &row.hash).collect();
    assert_eq!(hashes.len(), 4);
    let head = whole(&b.store, 4).await;
    assert_eq!(head.as_ref(), known.last().map(|row| &row.hash));
    let after = b.store.outreach().audit(&b.source, 1, 1).await;
    assert_eq!(Some(ok(after).as_slice()), known.get(1..2));
}

/// Whoever changes a row or takes one out is found out, by the first of them.
pub async fn an_edited_or_deleted_disclosure_is_found<H: StateHarness>() {
    let check = "an_edited_or_deleted_disclosure_is_found";
    for edited in [true, false] {
        let (place, b) = Bench::new::<H>().await;
        for native in ["1", "2", "3", "4"] {
            answered(&b, vec![disclosure(native, true)]).await;
        }
        whole(&b.store, 4).await;
        let done = match edited {
            true => place.edit_disclosure(2).await,
            false => place.delete_disclosure(2).await,
        };
        if !done.or_say(check) {
            continue;
        }
        let audit = ok(b.store.outreach().verify_audit().await);
        assert_eq!(audit.broken_at, Some(2), "nobody noticed");
    }
}

/// A message is disclosed once, when it is known what became of it: about its
/// own occurrence, to whoever carried it. What waits or is in doubt is not yet.
pub async fn a_message_is_disclosed_once_when_it_has_ended<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    let source = desk.outlet.source().clone();
    // Its own comes last by name.
    told(&desk, "a", 0, about(&["9", "7"])).await;
    assert_eq!(rows(&desk.store, &source).await, []);
    desk.settle("a", 1, EffectState::Waiting("busy".to_owned()))
        .await;
    told(&desk, "a", 1, about(&["9", "7"])).await;
    desk.settle("a", 2, doubt()).await;
    assert_eq!(rows(&desk.store, &source).await, []);
    desk.settle("a", 2, EffectState::Done(Receipt::of("m1")))
        .await;
    told(&desk, "b", 0, about(&["9"])).await;
    desk.settle("b", 1, EffectState::Refused("no such number".to_owned()))
        .await;
    // What tells nobody anything discloses nothing.
    assert!(desk.claims("c", 0).await);
    desk.settle("c", 1, EffectState::Done(Receipt::default()))
        .await;
    let known = rows(&desk.store, &source).await;
    let what: Vec<_> = known
        .iter()
        .map(|row| (row.kind.as_str(), row.outcome.as_str()))
        .collect();
    assert_eq!(what, [("message", "taken"), ("message", "refused")]);
    for row in &known {
        assert_eq!(row.destination, "mem:texts");
        assert_eq!(row.fields, "first_name,mobile");
        assert_eq!(Some(&row.subject), known.first().map(|row| &row.subject));
    }
    whole(&desk.store, 2).await;
}

/// What is refused discloses nothing: an answer of an older run, an end of an
/// older attempt.
pub async fn what_is_refused_leaves_no_disclosure<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let mut stale = b.acks();
    stale.disclosed = vec![disclosure("1", true)];
    let mut nowhere = stale.clone();
    ok(b.store.open_run(&b.opening()).await);
    refused(
        b.store.commit_acks(stale).await,
        "an answer of an older run",
    );
    nowhere.epoch.0 += 1;
    nowhere.sink = super::bench::sink("nobody");
    refused(b.store.commit_acks(nowhere).await, "an unknown sink");
    let desk = Desk::of(Arc::clone(&b.store), outlet("main", "texts")).await;
    told(&desk, "a", 0, about(&["7"])).await;
    told(&desk, "a", 1, about(&["7"])).await;
    let late = desk.commit("a", 1, EffectState::Done(Receipt::of("m1")));
    refused(desk.store.settle_effect(late).await, "an older attempt");
    assert_eq!(rows(&b.store, &b.source).await, []);
    assert_eq!(whole(&b.store, 0).await, None);
}

/// Disclosures are there after a new start, and the chain goes on.
pub async fn reopening_remembers_disclosures<H: StateHarness>() {
    let (place, b) = Bench::new::<H>().await;
    answered(&b, vec![disclosure("1", true)]).await;
    let before = rows(&b.store, &b.source).await;
    assert_eq!(before.len(), 1);
    let b = b.reopen(&place).await;
    assert_eq!(rows(&b.store, &b.source).await, before);
    answered(&b, vec![disclosure("1", true)]).await;
    let after = rows(&b.store, &b.source).await;
    let subjects: BTreeSet<_> = after.iter().map(|row| &row.subject).collect();
    assert_eq!((after.len(), subjects.len()), (2, 1));
    whole(&b.store, 2).await;
    assert_eq!(rows(&b.store, &source("nobody")).await, []);
}
