//! How an office stands with reaching people: decisions, what is kept, what a
//! person asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::StateHarness;
use super::bench::{
    Bench, NOW, acknowledged, due_recall, hash, id, ok, only, parked, people, person, refused,
    renamed, source, today, tried,
};
use super::told::occurrence;
use crate::error::ErrorKind;
use crate::id::{HouseholdKey, PatientKey};
use crate::model::{BadRecord, Channel, Label, PatientStatus, Record, RecordKey, RecordKind};
use crate::outreach::Purpose;
use crate::outreach::gate::{AddressFact, Consent, CrmState, Decision, Facts, Rule, Verdict};
use crate::source::Change;
use crate::store::outreach::{DecisionRow, OutreachChange, OutreachState, Pause, Progress, Replay};
use crate::store::{Hold, StateStore};
use crate::testkit::patient;

fn facts(channel: Channel) -> Facts {
    Facts {
        purpose: Purpose::Recall,
        channel,
        office_enabled: true,
        left_out: false,
        template: true,
        status: PatientStatus::Active,
        gone: false,
        hold: false,
        minor: false,
        has_guarantor: false,
        suppressed: Some("keyword_stop".to_owned()),
        consent: Consent::Granted,
        crm: CrmState::Clear,
        crm_age_hours: Some(3),
        address: AddressFact::Ok,
        last_day: 1,
        last_week: 2,
        cap_free: Some(NOW),
        told: false,
        household_until: None,
        review_until: None,
        not_before: None,
        expires: Some(NOW),
        refused: false,
        content: true,
        quiet_until: None,
        dry_run: true,
    }
}

/// About patient `1`, to `2`.
pub(super) fn decision(subject: &str, channel: Channel, minute: i64) -> DecisionRow {
    DecisionRow {
        episode: occurrence(subject, Some(today())),
        channel,
        patient: PatientKey::new("1"),
        recipient: Some(PatientKey::new("2")),
        at: NOW + TimeDelta::minutes(minute),
        decision: Decision {
            verdict: Verdict::Deny,
            rule: Some(Rule::Suppressed),
            again: Some(NOW),
        },
        facts: facts(channel),
    }
}

pub(super) async fn decide(b: &Bench, rows: Vec<DecisionRow>) {
    ok(b.store.outreach().decide(&b.source, b.epoch, rows).await);
}

pub(super) async fn decisions(b: &Bench, patient: &str) -> Vec<DecisionRow> {
    let patient = PatientKey::new(patient);
    ok(b.store.outreach().decisions(&b.source, &patient).await)
}

/// One row per occurrence and channel, whatever is decided how often.
pub async fn a_decision_takes_the_place_of_the_last_about_the_same_occurrence_and_channel<
    H: StateHarness,
>() {
    let (place, b) = Bench::new::<H>().await;
    decide(&b, vec![decision("7", Channel::Sms, 1)]).await;
    let mut newer = decision("7", Channel::Sms, 2);
    newer.decision.verdict = Verdict::WouldSend;
    newer.decision.rule = None;
    newer.recipient = None;
    let mail = decision("7", Channel::Email, 1);
    decide(&b, vec![newer.clone(), mail.clone()]).await;
    decide(&b, vec![]).await;
    let all = [newer, mail];
    assert_eq!(decisions(&b, "1").await, all);
    let mut other = decision("7", Channel::Sms, 0);
    other.episode.cycle = None;
    decide(&b, vec![other]).await;
    assert_eq!(decisions(&b, "1").await.len(), 3, "another occurrence");
    let b = b.reopen(&place).await;
    assert_eq!(decisions(&b, "1").await.get(..2), Some(&all[..]));
}

/// Who was taken over decides nothing.
pub async fn decisions_need_the_latest_epoch<H: StateHarness>() {
    let (_place, b) = Bench::new::<H>().await;
    ok(b.store.open_run(&b.opening()).await);
    for rows in [vec![], vec![decision("7", Channel::Sms, 1)]] {
        let stale = b.store.outreach().decide(&b.source, b.epoch, rows);
        let error = refused(stale.await, "a decision of one who was taken over");
        assert_eq!(error.kind(), ErrorKind::Superseded);
    }
    assert_eq!(decisions(&b, "1").await, []);
}

/// By whom they are about and by whom they go to, once, newest first.
pub async fn decisions_are_found_by_patient_and_by_recipient_newest_first<H: StateHarness>() {
    let (_place, b) = Bench::new::<H>().await;
    let mut own = decision("8", Channel::Sms, 3);
    own.recipient = Some(PatientKey::new("1"));
    let mut unrelated = decision("9", Channel::Sms, 9);
    unrelated.patient = PatientKey::new("3");
    unrelated.recipient = None;
    let (old, new) = (
        decision("7", Channel::Sms, 1),
        decision("7", Channel::Email, 5),
    );
    decide(&b, vec![own.clone(), new.clone(), old.clone(), unrelated]).await;
    let expected = [new.clone(), own, old.clone()];
    assert_eq!(decisions(&b, "1").await, expected);
    assert_eq!(decisions(&b, "2").await, [new, old]);
    assert_eq!(decisions(&b, "4").await, []);
}

/// Whatever decides has changed: everybody is due once, and only where that is
/// new. Who is due already is not twice.
pub async fn another_fingerprint_looks_at_everybody_once<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    let elm = Bench::of(Arc::clone(&b.store), "elm-st").await;
    b.commit(people(1, 3), &[]).await;
    b.reconcile("1", 1, None).await;
    let look = async |b: &Bench, n| {
        let looked = b.store.outreach();
        ok(looked.look_again(&b.sink, hash(n)).await)
    };
    assert!(look(&b, 1).await, "the first of all");
    let due = |generation| [("1".to_owned(), generation), ("2".to_owned(), 1)];
    assert_eq!(b.due().await, due(2));
    assert!(!look(&b, 1).await, "the same is no news");
    assert_eq!(b.due().await, due(2));
    b.reconcile("1", 2, None).await;
    assert!(!look(&b, 1).await);
    assert_eq!(b.due().await, [("2".to_owned(), 1)]);
    assert!(look(&b, 2).await && !look(&b, 2).await);
    assert_eq!(b.due().await, due(3));
    assert!(look(&elm, 2).await, "each has its own");
    drop(elm);
    let b = b.reopen(&place).await;
    assert!(!look(&b, 2).await, "it was not remembered");
    assert!(
        look(&b, 1).await,
        "what was before the last is not the last"
    );
}

/// Those who are asked for, due or not, each once, as if they were due; nobody
/// else, and nobody who is not known.
pub async fn households_are_given_whether_due_or_not<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let mut changes = people(1, 4);
    changes.push(due_recall("7", "1"));
    b.commit(changes, &[]).await;
    let mut acks = b.acks();
    acks.parked.push(parked("2", "2", Hold::Refused));
    ok(b.store.commit_acks(acks).await);
    let leaving = b.departure("2", vec![tried("2", 2)]);
    ok(b.store.commit_departure(leaving).await);
    let as_due = b.load(today(), NOW).await;
    b.reconcile("1", 1, None).await;
    let keys = ["2", "1", "9", "2"].map(HouseholdKey::new).to_vec();
    let query = b.query(today(), NOW);
    let given = ok(b.store.outreach().households(&query, keys).await);
    let mut names: Vec<_> = given.iter().map(|due| due.view.key.native()).collect();
    names.sort_unstable();
    assert_eq!(names, ["1", "2"]);
    for one in given {
        let due = as_due.iter().find(|due| due.view.key == one.view.key);
        let known = due.map(|due| (&due.view, due.generation, &due.parked, &due.tried));
        assert_eq!(
            known,
            Some((&one.view, one.generation, &one.parked, &one.tried))
        );
    }
    let none = ok(b.store.outreach().households(&query, vec![]).await);
    assert!(none.is_empty());
}

/// A patient's household, also when they have moved, and of nobody none.
pub async fn a_patients_household_is_found<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let of = async |b: &Bench, key: &str| {
        let found = b.store.outreach();
        ok(found.household_of(&b.source, &PatientKey::new(key)).await)
    };
    b.commit(vec![person("1")], &[]).await;
    assert_eq!(of(&b, "1").await, Some(HouseholdKey::new("1")));
    let mut moved = patient("1");
    moved.household = HouseholdKey::new("4");
    b.commit(vec![Change::Upsert(Record::Patient(moved))], &[])
        .await;
    assert_eq!(of(&b, "1").await, Some(HouseholdKey::new("4")));
    assert_eq!(of(&b, "2").await, None);
}

/// A status that nobody has mapped is told when it is new and a week after it
/// was last told, and not in between.
pub async fn an_unmapped_status_is_told_once_and_again_after_a_week<H: StateHarness>() {
    let (place, b) = Bench::new::<H>().await;
    let note = async |b: &Bench, names: &[&str], hours| {
        let names: BTreeSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let now = NOW + TimeDelta::hours(hours);
        let noted = b.store.outreach();
        ok(noted.note_unmapped(&b.source, names, now).await)
    };
    assert_eq!(note(&b, &["a:1", "a:2"], 0).await, ["a:1", "a:2"]);
    assert_eq!(note(&b, &[], 1).await, [""; 0]);
    assert_eq!(note(&b, &["a:1", "a:3"], 2).await, ["a:3"]);
    assert_eq!(note(&b, &["a:1", "a:3"], 167).await, [""; 0]);
    assert_eq!(note(&b, &["a:1", "a:3"], 168).await, ["a:1"]);
    assert_eq!(note(&b, &["a:1", "a:3"], 169).await, [""; 0]);
    let b = b.reopen(&place).await;
    assert_eq!(note(&b, &["a:1", "a:3"], 170).await, ["a:3"]);
    let elm = Bench::of(Arc::clone(&b.store), "elm-st").await;
    assert_eq!(note(&elm, &["a:1"], 170).await, ["a:1"], "of its own");
}

/// Every status of what is there, as often as it is there. What is gone has none.
pub async fn statuses_are_counted_from_living_records<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let statuses = async |b: &Bench| {
        let known = ok(b.store.outreach().statuses(&b.source).await);
        let known: Vec<_> = known.into_iter().collect();
        known
    };
    assert_eq!(statuses(&b).await, []);
    let labelled = |key: &str, text: &str| {
        let mut person = patient(key);
        person.labels = vec![Label::new("billing", "4", text)];
        person.clinic = Some("2".to_owned());
        Change::Upsert(Record::Patient(person))
    };
    let mut recall = crate::testkit::recall("7", "1", None);
    recall.labels = vec![Label::new("recall_status", "9", "")];
    let recall = Change::Upsert(Record::Recall(recall));
    b.commit(
        vec![labelled("1", "Cash"), labelled("2", "Cash"), recall],
        &[],
    )
    .await;
    let all = |billing, clinic, recall: Option<u64>| {
        let mut all = vec![
            ("billing:Cash".to_owned(), billing),
            ("clinic:2".to_owned(), clinic),
        ];
        all.extend(recall.map(|n| ("recall_status:#9".to_owned(), n)));
        all
    };
    assert_eq!(statuses(&b).await, all(2, 2, Some(1)));
    let gone = |kind, key| Change::Gone(RecordKey::new(kind, key));
    let left = vec![
        gone(RecordKind::Patient, "2"),
        gone(RecordKind::Recall, "7"),
    ];
    b.commit(left, &[]).await;
    assert_eq!(statuses(&b).await, all(1, 1, None));
}

/// A refused op that a person lets be tried again is due at once, with what is
/// known of its last attempt and nothing of its content.
pub async fn a_refused_op_that_is_replayed_is_due_again_and_payload_free<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![renamed("1", "Quetzal")], &[]).await;
    let refused = parked("1", "1", Hold::Refused);
    let mut acks = b.acks();
    acks.parked.push(refused.clone());
    acks.reconciled.push((HouseholdKey::new("1"), 1, None));
    ok(b.store.commit_acks(acks).await);
    assert_eq!(b.due().await, []);
    let set_aside = ok(b.store.outreach().aside(&b.sink, 9).await);
    assert!(!format!("{set_aside:?}").contains("Quetzal"));
    let all = Replay::default();
    let replayed = b.store.outreach().replay(&b.sink, &all);
    assert_eq!(ok(replayed.await), 1);
    assert_eq!(b.due().await, [("1".to_owned(), 2)]);
    let known = b.standing(&id("1")).await.parked;
    assert_ne!(known.as_ref().map(|it| it.hold), Some(Hold::Refused));
    let attempt = |it: &crate::store::Parked| (it.hash, it.generation, it.doubtful);
    // Without these a content that nobody wants any more could stay in the crm, and two contents
    // could go by the same number.
    assert_eq!(known.as_ref().map(attempt), Some(attempt(&refused)));
    assert_eq!(known.map(|it| it.attempts), Some(0), "it may be tried anew");
    let replayed = b.store.outreach().replay(&b.sink, &all);
    assert_eq!(ok(replayed.await), 0, "twice");
    // And once it is taken, it is set aside no more.
    let mut acks = b.acks();
    acks.acknowledged.push((id("1"), acknowledged(2)));
    acks.reconciled.push((HouseholdKey::new("1"), 2, None));
    ok(b.store.commit_acks(acks).await);
    assert_eq!(b.due().await, []);
    assert_eq!(ok(b.store.outreach().aside(&b.sink, 9).await), []);
}

/// By record, by a word of the reason, by since when; never what waits.
pub async fn a_replay_takes_only_what_was_asked_for<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(people(1, 5), &[]).await;
    let mut acks = b.acks();
    let because = |native: &str, reason: &str| {
        let mut it = parked(native, native, Hold::Refused);
        it.reason = reason.to_owned();
        it
    };
    acks.parked = vec![because("1", "invalid_phone"), because("2", "no such field")];
    for n in 1..5 {
        let key = HouseholdKey::new(n.to_string());
        acks.reconciled.push((key, 1, None));
    }
    ok(b.store.commit_acks(acks).await);
    let later = NOW + TimeDelta::hours(1);
    let mut acks = b.acks();
    acks.now = later;
    let until = Hold::Until(NOW + TimeDelta::days(9));
    acks.parked = vec![
        because("3", "invalid_phone"),
        parked("4", "4", until),
        parked("4b", "4", Hold::Blocked),
    ];
    ok(b.store.commit_acks(acks).await);
    let replay = async |b: &Bench, which: Replay| {
        let many = ok(b.store.outreach().replay(&b.sink, &which).await);
        let due: Vec<_> = b.due().await.into_iter().map(|(key, _)| key).collect();
        (many, due)
    };
    let code = |code: &str| Replay {
        code: Some(code.to_owned()),
        ..Replay::default()
    };
    let none = Vec::<String>::new;
    assert_eq!(replay(&b, code("invalid_mail")).await, (0, none()));
    let (long_after, record) = (
        Replay {
            since: Some(later + TimeDelta::seconds(1)),
            ..Replay::default()
        },
        Replay {
            external_id: Some(id("2")),
            ..code("invalid_phone")
        },
    );
    assert_eq!(replay(&b, long_after).await, (0, none()));
    assert_eq!(replay(&b, record).await, (0, none()), "both must hold");
    let recent = Replay {
        since: Some(later),
        ..code("phone")
    };
    assert_eq!(replay(&b, recent).await, (1, vec!["3".to_owned()]));
    let one = Replay {
        external_id: Some(id("2")),
        ..Replay::default()
    };
    let due = vec!["2".to_owned(), "3".to_owned()];
    assert_eq!(replay(&b, one).await, (1, due));
    let all = Replay::default();
    let due = ["1", "2", "3"].map(str::to_owned).to_vec();
    assert_eq!(replay(&b, all).await, (1, due));
}

/// Oldest first. Since when something is set aside does not move while it is,
/// however often it is tried; what was cleared begins anew.
pub async fn what_is_set_aside_keeps_its_since_until_it_is_cleared<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(people(1, 3), &[]).await;
    let at = |hour| NOW + TimeDelta::hours(hour);
    let set_aside = async |b: &Bench, native: &str, hold, hour| {
        let mut acks = b.acks();
        acks.now = at(hour);
        acks.parked = vec![parked(native, "1", hold)];
        ok(b.store.commit_acks(acks).await);
    };
    let since = async |b: &Bench, limit| -> Vec<_> {
        let aside = ok(b.store.outreach().aside(&b.sink, limit).await);
        let what = |it: crate::store::outreach::Aside| (it.external_id, it.hold, it.since);
        aside.into_iter().map(what).collect()
    };
    set_aside(&b, "2", Hold::Until(at(9)), 1).await;
    set_aside(&b, "1", Hold::Blocked, 2).await;
    set_aside(&b, "2", Hold::Until(at(10)), 3).await;
    set_aside(&b, "2", Hold::Refused, 4).await;
    let (one, two) = (
        (id("1"), Hold::Blocked, at(2)),
        (id("2"), Hold::Refused, at(1)),
    );
    assert_eq!(since(&b, 9).await, [two.clone(), one.clone()]);
    assert_eq!(since(&b, 1).await, [two]);
    let mut acks = b.acks();
    acks.cleared.push(id("2"));
    ok(b.store.commit_acks(acks).await);
    set_aside(&b, "2", Hold::Refused, 5).await;
    let again = (id("2"), Hold::Refused, at(5));
    assert_eq!(since(&b, 9).await, [one.clone(), again]);
    // Taken, and refused later.
    let mut acks = b.acks();
    acks.acknowledged.push((id("1"), acknowledged(1)));
    ok(b.store.commit_acks(acks).await);
    set_aside(&b, "1", Hold::Blocked, 6).await;
    assert_eq!(
        since(&b, 9).await.last(),
        Some(&(id("1"), Hold::Blocked, at(6)))
    );
}

/// Which rows cannot be read, why, and since when, oldest first, for as long as
/// they cannot.
pub async fn unreadable_rows_are_listed_with_since_when<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let at = |hour| NOW + TimeDelta::hours(hour);
    let bad = |native: &str, reason: &str| {
        let bad = BadRecord::new(RecordKind::Recall, Some(native), reason, b"raw");
        Change::Unreadable(bad)
    };
    let commit = async |b: &mut Bench, changes, hour| {
        let mut page = b.page(changes, &[]);
        page.now = at(hour);
        b.cursor = Some(page.page.position.cursor().clone());
        ok(b.store.commit_page(page).await);
    };
    let listed = async |b: &Bench, limit| -> Vec<_> {
        let rows = ok(b.store.outreach().unreadable(&b.source, limit).await);
        rows.into_iter()
            .map(|row| (row.kind, row.native, row.reason, row.since))
            .collect()
    };
    let row = |native: &str, reason: &str, since: DateTime<Utc>| {
        let (native, reason) = (native.to_owned(), reason.to_owned());
        (RecordKind::Recall, native, reason, since)
    };
    commit(&mut b, vec![bad("9", "no date")], 1).await;
    commit(&mut b, vec![bad("8", "no date")], 2).await;
    commit(&mut b, vec![bad("9", "no patient")], 3).await;
    let (old, new) = (row("9", "no patient", at(1)), row("8", "no date", at(2)));
    assert_eq!(listed(&b, 9).await, [old.clone(), new.clone()]);
    assert_eq!(listed(&b, 1).await, std::slice::from_ref(&old));
    // Read, and unreadable again: since then.
    commit(&mut b, vec![person("1"), due_recall("9", "1")], 4).await;
    assert_eq!(listed(&b, 9).await, std::slice::from_ref(&new));
    commit(&mut b, vec![bad("9", "no date")], 5).await;
    assert_eq!(listed(&b, 9).await, [new, row("9", "no date", at(5))]);
}

/// A household counts once when it was brought there for the first time, and
/// stays counted when it is due or on its way again.
pub async fn progress_counts_households_once<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let progress = async |b: &Bench| ok(b.store.outreach().progress(&b.sink).await);
    let of = |done, all| Progress { done, all };
    assert_eq!(progress(&b).await, of(0, 0));
    b.commit(people(1, 4), &[]).await;
    assert_eq!(progress(&b).await, of(0, 3));
    let leaves = async |b: &Bench| {
        let leaving = b.departure("1", vec![tried("1", 1)]);
        ok(b.store.commit_departure(leaving).await);
    };
    leaves(&b).await;
    assert_eq!(progress(&b).await, of(0, 3), "it only left");
    b.reconcile("1", 1, None).await;
    b.reconcile("1", 1, None).await;
    assert_eq!(progress(&b).await, of(1, 3));
    leaves(&b).await;
    assert_eq!(progress(&b).await, of(1, 3), "it was there before");
    b.commit(vec![renamed("1", "New")], &[]).await;
    assert_eq!(progress(&b).await, of(1, 3));
    b.reconcile("2", 1, None).await;
    b.reconcile("3", 1, None).await;
    assert_eq!(progress(&b).await, of(3, 3));
}

/// What was kept last under a name is there after a new start.
pub async fn what_is_kept_by_name_survives_a_reopen<H: StateHarness>() {
    let (place, b) = Bench::new::<H>().await;
    let keep = async |b: &Bench, name: &str, text: &str| {
        ok(b.store.outreach().keep(&b.source, name, text).await);
    };
    let kept = async |b: &Bench, name: &str| ok(b.store.outreach().kept(&b.source, name).await);
    assert_eq!(kept(&b, "plan").await, None);
    keep(&b, "plan", "old").await;
    keep(&b, "plan", "new").await;
    keep(&b, "other", "").await;
    let b = b.reopen(&place).await;
    assert_eq!(kept(&b, "plan").await.as_deref(), Some("new"));
    assert_eq!(kept(&b, "other").await.as_deref(), Some(""));
    assert_eq!(kept(&b, "none").await, None);
}

/// How an office stands is as it was left, after a new start too, and nothing
/// that is kept under a name is in its way.
pub async fn an_office_stands_as_it_was_left<H: StateHarness>() {
    let (place, b) = Bench::new::<H>().await;
    let state = async |b: &Bench| ok(b.store.outreach().outreach_state(&b.source).await);
    assert_eq!(state(&b).await, OutreachState::default());
    let change = async |b: &Bench, change: OutreachChange| {
        let office = b.store.outreach();
        ok(office.change_outreach(&b.source, change).await)
    };
    let changes = [
        OutreachChange::GoLive(NOW),
        // A second time it is no news.
        OutreachChange::GoLive(NOW + chrono::TimeDelta::days(1)),
        OutreachChange::Pause(Pause::by_hand("holidays", NOW)),
        // odx does not take the place of a person.
        OutreachChange::Pause(Pause {
            reason: "too many".to_owned(),
            since: NOW,
            held: Some(9),
        }),
        OutreachChange::ThinTold(today()),
        OutreachChange::StopTemplate("recall@1".to_owned()),
    ];
    for one in changes {
        let answered = change(&b, one).await;
        assert_eq!(state(&b).await, answered);
    }
    let mut paused = state(&b).await;
    assert_eq!(paused.live_since, Some(NOW));
    assert_eq!(paused.pause, Some(Pause::by_hand("holidays", NOW)));
    for name in ["outreach", "state", "office"] {
        let kept = b.store.outreach();
        assert_eq!(ok(kept.kept(&b.source, name).await), None, "{name}");
        ok(kept.keep(&b.source, name, "anything").await);
    }
    assert_eq!(state(&b).await, paused);
    let b = b.reopen(&place).await;
    assert_eq!(state(&b).await, paused);
    paused.pause = None;
    change(&b, OutreachChange::Resume { today: today() }).await;
    assert_eq!(state(&b).await, paused);
}

/// A link's token is the same for the same text, also after a new start, and
/// another for any other; 128 bits.
pub async fn tokens_are_stable_and_differ<H: StateHarness>() {
    let (place, b) = Bench::new::<H>().await;
    let texts = ["main|1|sms", "main|2|sms", "main|1|email", ""];
    let tokens = async |store: &Arc<dyn StateStore>| {
        let mut tokens = Vec::new();
        for text in texts {
            tokens.push(ok(store.outreach().token(text).await));
        }
        tokens
    };
    let before = tokens(&b.store).await;
    assert_eq!(tokens(&b.store).await, before);
    let different: BTreeSet<_> = before.iter().collect();
    assert_eq!(different.len(), texts.len());
    for token in &before {
        let hex = token.chars().all(|c| c.is_ascii_hexdigit());
        assert!(token.len() == 32 && hex, "{token}");
    }
    let b = b.reopen(&place).await;
    assert_eq!(tokens(&b.store).await, before, "links would end");
    let (_elsewhere, other) = Bench::new::<H>().await;
    assert_ne!(tokens(&other.store).await, before, "anybody can guess them");
}

/// The last reports of runs, newest first, and no more than was asked for.
pub async fn runs_are_given_newest_first<H: StateHarness>() {
    let (_place, b) = Bench::new::<H>().await;
    let at = |hour| NOW + TimeDelta::hours(hour);
    for hour in 0..3 {
        let report = format!("{{\"run\":{hour}}}");
        ok(b.store.record_run(&b.source, at(hour), &report).await);
    }
    let runs = ok(b.store.outreach().runs(&b.source, 2).await);
    let expected = [2, 1].map(|hour| (at(hour), format!("{{\"run\":{hour}}}")));
    assert_eq!(runs, expected);
}

/// Decisions, what is kept, how it stands, what cannot be read, statuses, runs,
/// households and disclosures of one office are nobody else's.
pub async fn nothing_of_an_office_is_shown_to_another<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let bad = BadRecord::new(RecordKind::Recall, Some("9"), "no date", b"raw");
    let mut labelled = patient("1");
    labelled.clinic = Some("2".to_owned());
    let changes = vec![
        Change::Upsert(Record::Patient(labelled)),
        Change::Unreadable(bad),
    ];
    b.commit(changes, &[]).await;
    decide(&b, vec![decision("7", Channel::Sms, 1)]).await;
    let mut acks = b.acks();
    acks.disclosed = vec![super::disclosures::disclosure("1", true)];
    acks.parked.push(parked("1", "1", Hold::Refused));
    ok(b.store.commit_acks(acks).await);
    ok(b.store.record_run(&b.source, NOW, "{}").await);
    let told = b.store.outreach();
    ok(told.keep(&b.source, "plan", "theirs").await);
    let live = OutreachChange::GoLive(NOW);
    ok(told.change_outreach(&b.source, live).await);
    let elm = Bench::of(Arc::clone(&b.store), "elm-st").await;
    let told = elm.store.outreach();
    for source in [elm.source.clone(), source("nobody")] {
        let patient = PatientKey::new("1");
        assert_eq!(ok(told.decisions(&source, &patient).await), []);
        assert_eq!(ok(told.kept(&source, "plan").await), None);
        let state = ok(told.outreach_state(&source).await);
        assert_eq!(state, OutreachState::default());
        assert_eq!(ok(told.unreadable(&source, 9).await), []);
        assert!(ok(told.statuses(&source).await).is_empty());
        assert_eq!(ok(told.runs(&source, 9).await), []);
        assert_eq!(ok(told.household_of(&source, &patient).await), None);
        assert_eq!(ok(told.audit(&source, 0, 9).await), []);
    }
    assert_eq!(ok(told.aside(&elm.sink, 9).await), []);
    assert_eq!(ok(told.progress(&elm.sink).await), Progress::default());
    let all = Replay::default();
    assert_eq!(ok(told.replay(&elm.sink, &all).await), 0);
    let query = elm.query(today(), NOW);
    let keys = vec![HouseholdKey::new("1")];
    assert!(ok(told.households(&query, keys).await).is_empty());
    // And what is written there changes nothing here.
    let row = decision("7", Channel::Sms, 9);
    decide(&elm, vec![row]).await;
    ok(told.keep(&elm.source, "plan", "ours").await);
    let own = decisions(&b, "1").await;
    assert_eq!(own, [decision("7", Channel::Sms, 1)]);
    let kept = ok(told.kept(&b.source, "plan").await);
    assert_eq!(kept.as_deref(), Some("theirs"));
    assert_eq!(
        only(&b.household("1").await).patient.record.key.native(),
        "1"
    );
}
