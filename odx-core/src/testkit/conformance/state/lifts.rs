//! Stops of several origins: who hears of them, and who takes them back.

use std::sync::Arc;

use chrono::TimeDelta;

use super::StateHarness;
use super::bench::{
    Bench, NOW, account, ok, only, opening, people, person, refused, sink, source, sure, today,
};
use super::stops::stop;
use crate::error::ErrorKind;
use crate::id::{IdScheme, PatientKey, SinkId};
use crate::model::{Channel, Phone, Stop, StopOrigin};
use crate::sink::{Suppression, Target};
use crate::store::outreach::Lift;

/// The number of everybody whom the kit makes.
fn number() -> Target {
    Target::Phone(sure(Phone::parse("503 555 0123")))
}

fn said(reason: &str) -> Suppression {
    Suppression {
        reason: reason.to_owned(),
        ..stop(number(), Some(Channel::Sms))
    }
}

fn lift(origin: Option<&SinkId>, keyword_only: bool) -> Lift {
    Lift {
        target: number(),
        channel: Channel::Sms,
        origin: origin.cloned(),
        keyword_only,
        reason: "they said so".to_owned(),
    }
}

async fn gateway(b: &Bench, name: &str) -> SinkId {
    let gateway = sink(name);
    let account = account(name, IdScheme::Scoped);
    let opened = b.store.outreach();
    ok(opened.open_gateway(&b.source, &gateway, &account).await);
    gateway
}

async fn suppress(b: &Bench, sink: &SinkId, reason: &str) -> u64 {
    ok(b.store.suppress(sink, vec![said(reason)], None, NOW).await)
}

async fn lifted(b: &Bench, lift: &Lift) -> u64 {
    ok(b.store.outreach().lift(&b.source, lift, NOW).await)
}

/// Why they are stopped, by origin.
async fn stops(b: &Bench) -> Vec<(StopOrigin, String)> {
    let key = crate::id::HouseholdKey::new("1");
    let query = b.query(today(), NOW);
    let found = ok(b.store.outreach().households(&query, vec![key]).await);
    let [due] = found.as_slice() else {
        panic!("{} households where there is one", found.len());
    };
    let member = only(due);
    assert_eq!(member.blocked.sms, !member.stops.is_empty());
    let known = |stop: &Stop| (stop.origin, stop.reason.clone());
    member.stops.iter().map(known).collect()
}

/// Whoever is stopped at one CRM is news at every CRM of the office, and at no
/// other office's.
pub async fn a_stop_recorded_at_one_crm_raises_the_household_at_every_other<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let second = sink("second");
    let mut opening = b.opening();
    let also = (second.clone(), account("second", IdScheme::Scoped));
    opening.sinks.push(also);
    b.epoch = ok(b.store.open_run(&opening).await).epoch;
    let mut elm = Bench::of(Arc::clone(&b.store), "elm-st").await;
    elm.commit(vec![person("1")], &[]).await;
    elm.reconcile("1", 1, None).await;
    let mut there = b.opening();
    there.sinks.clear();
    b.commit(people(1, 3), &[]).await;
    let first = b.sink.clone();
    for sink in [&second, &first] {
        b.sink = sink.clone();
        b.reconcile("1", 1, None).await;
        b.reconcile("2", 1, None).await;
        assert_eq!(b.due().await, []);
    }
    // Both have the number.
    assert_eq!(suppress(&b, &first, "stop").await, 1);
    let both = [("1".to_owned(), 2), ("2".to_owned(), 2)];
    for sink in [&first, &second] {
        b.sink = sink.clone();
        assert_eq!(b.due().await, both, "at {sink}");
        for due in b.load(today(), NOW).await {
            assert!(only(&due).blocked.sms, "at {sink}");
        }
    }
    assert_eq!(elm.due().await, [], "another office heard of it");
    let key = crate::id::HouseholdKey::new("1");
    let query = elm.query(today(), NOW);
    let found = ok(elm.store.outreach().households(&query, vec![key]).await);
    assert!(found.iter().all(|due| !only(due).blocked.sms));
}

/// What a gateway heard blocks the channel everywhere and is not what a CRM said.
pub async fn a_stop_of_a_gateway_blocks_and_is_no_crm_dnd<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    b.reconcile("1", 1, None).await;
    let texts = gateway(&b, "texts").await;
    assert_eq!(suppress(&b, &texts, "keyword_stop").await, 1);
    assert_eq!(b.due().await, [("1".to_owned(), 2)]);
    let by_gateway = (StopOrigin::Gateway, "keyword_stop".to_owned());
    assert_eq!(stops(&b).await, std::slice::from_ref(&by_gateway));
    assert_eq!(suppress(&b, &b.sink.clone(), "dnd").await, 1);
    let by_crm = (StopOrigin::Crm, "dnd".to_owned());
    assert_eq!(stops(&b).await, [by_crm, by_gateway]);
}

/// Since when somebody is stopped is when it was said, not when it was said
/// again; after a start it is the next time.
pub async fn a_stop_is_known_since_it_was_said<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let texts = gateway(&b, "texts").await;
    let at = |hour| NOW + TimeDelta::hours(hour);
    let said = async |b: &Bench, hour| {
        let stops = vec![said("keyword_stop")];
        let stored = b.store.suppress(&texts, stops, None, at(hour));
        ok(stored.await);
        let due = b.household("1").await;
        only(&due).stops.first().map(|stop| stop.since)
    };
    assert_eq!(said(&b, 1).await, Some(at(1)));
    assert_eq!(said(&b, 2).await, Some(at(1)));
    let b = b.reopen(&place).await;
    assert_eq!(said(&b, 3).await, Some(at(1)));
    lifted(&b, &lift(Some(&texts), true)).await;
    assert_eq!(said(&b, 4).await, Some(at(4)));
}

/// A START takes back the STOP that was said to the same sender, and no other.
pub async fn a_keyword_stop_is_lifted_by_start_at_the_same_sender_only<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let (texts, others) = (gateway(&b, "texts").await, gateway(&b, "others").await);
    assert_eq!(suppress(&b, &texts, "keyword_stop").await, 1);
    assert_eq!(suppress(&b, &others, "keyword_stop").await, 1);
    assert_eq!(lifted(&b, &lift(Some(&texts), true)).await, 1);
    let left = [(StopOrigin::Gateway, "keyword_stop".to_owned())];
    assert_eq!(stops(&b).await, left, "the other sender's was taken back");
    assert_eq!(lifted(&b, &lift(Some(&texts), true)).await, 0, "twice");
    let mail = Lift {
        channel: Channel::Email,
        ..lift(Some(&others), true)
    };
    assert_eq!(lifted(&b, &mail).await, 0, "of another channel");
    let stranger = Target::Contact(b.ids().patient(&PatientKey::new("2")));
    let stranger = Lift {
        target: stranger,
        ..lift(Some(&others), true)
    };
    assert_eq!(lifted(&b, &stranger).await, 0, "of somebody else");
    assert_eq!(stops(&b).await, left);
    assert_eq!(lifted(&b, &lift(Some(&others), true)).await, 1);
    assert_eq!(stops(&b).await, []);
}

/// A keyword takes back what was said with one. A dead number, or a complaint,
/// stays, whichever came first.
pub async fn a_keyword_does_not_take_back_what_else_was_said<H: StateHarness>() {
    for reasons in [["complaint", "keyword_stop"], ["keyword_stop", "complaint"]] {
        let (_place, mut b) = Bench::new::<H>().await;
        b.commit(vec![person("1")], &[]).await;
        let texts = gateway(&b, "texts").await;
        assert_eq!(suppress(&b, &texts, reasons[0]).await, 1);
        assert_eq!(suppress(&b, &texts, reasons[1]).await, 0);
        assert_eq!(lifted(&b, &lift(Some(&texts), true)).await, 0);
        let left = [(StopOrigin::Gateway, "complaint".to_owned())];
        assert_eq!(stops(&b).await, left, "{reasons:?}");
        // A person can, with a reason.
        assert_eq!(lifted(&b, &lift(None, false)).await, 1);
        assert_eq!(stops(&b).await, []);
    }
}

/// A person takes back what gateways heard, never what a CRM says.
pub async fn a_crms_stop_is_never_lifted_by_a_person_here<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    assert_eq!(suppress(&b, &b.sink.clone(), "keyword_stop").await, 1);
    let by_crm = [(StopOrigin::Crm, "keyword_stop".to_owned())];
    for keyword_only in [false, true] {
        assert_eq!(lifted(&b, &lift(None, keyword_only)).await, 0);
        assert_eq!(stops(&b).await, by_crm);
    }
    let (texts, others) = (gateway(&b, "texts").await, gateway(&b, "others").await);
    suppress(&b, &texts, "keyword_stop").await;
    suppress(&b, &others, "complaint").await;
    assert_eq!(stops(&b).await.len(), 3);
    assert!(lifted(&b, &lift(None, false)).await > 0);
    assert_eq!(stops(&b).await, by_crm);
}

/// Who says stop, start and stop again is stopped, and each is news.
pub async fn a_stop_that_was_lifted_and_said_again_holds_again<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let texts = gateway(&b, "texts").await;
    let mut generation = 1;
    for _ in 0..2 {
        assert_eq!(suppress(&b, &texts, "keyword_stop").await, 1, "no news");
        assert_eq!(stops(&b).await.len(), 1);
        generation += 1;
        assert_eq!(b.due().await, [("1".to_owned(), generation)]);
        assert_eq!(lifted(&b, &lift(Some(&texts), true)).await, 1);
        assert_eq!(stops(&b).await, []);
        generation += 1;
        assert_eq!(b.due().await, [("1".to_owned(), generation)]);
    }
    let b = b.reopen(&place).await;
    assert_eq!(stops(&b).await, [], "it is forgotten that it was lifted");
    assert_eq!(suppress(&b, &texts, "complaint").await, 1);
    let again = [(StopOrigin::Gateway, "complaint".to_owned())];
    assert_eq!(stops(&b).await, again);
}

/// Whose stop is taken back is news at every CRM; where nothing was, nobody is.
pub async fn a_lift_raises_whom_it_concerns_and_nobody_else<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let mut by_mail = crate::testkit::patient("2");
    by_mail.mobile = None;
    let by_mail = crate::model::Record::Patient(by_mail);
    let by_mail = crate::source::Change::Upsert(by_mail);
    b.commit(vec![person("1"), by_mail], &[]).await;
    let texts = gateway(&b, "texts").await;
    suppress(&b, &texts, "keyword_stop").await;
    b.reconcile("1", 2, None).await;
    b.reconcile("2", 1, None).await;
    assert_eq!(b.due().await, []);
    assert_eq!(lifted(&b, &lift(Some(&texts), true)).await, 1);
    assert_eq!(b.due().await, [("1".to_owned(), 3)]);
    b.reconcile("1", 3, None).await;
    assert_eq!(lifted(&b, &lift(Some(&texts), true)).await, 0);
    assert_eq!(b.due().await, []);
}

/// A gateway of one office is refused to another, with a sentence, and stays
/// what it was; opened again by its own it is no news.
pub async fn a_gateway_of_another_source_is_refused<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let texts = gateway(&b, "texts").await;
    let elm = Bench::of(Arc::clone(&b.store), "elm-st").await;
    let theirs = account("texts", IdScheme::Scoped);
    let opened = elm.store.outreach();
    let opened = opened.open_gateway(&elm.source, &texts, &theirs).await;
    let error = refused(opened, "a gateway of another office");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().split_whitespace().count() > 5, "{error}");
    assert_eq!(gateway(&b, "texts").await, texts);
    assert_eq!(suppress(&b, &texts, "keyword_stop").await, 1);
    assert_eq!(stops(&b).await.len(), 1);
}

/// A CRM is no gateway and a gateway no CRM: nobody would be brought to it. A
/// gateway's account is not one that records could mix in.
pub async fn a_gateway_is_no_crm_and_a_crm_no_gateway<H: StateHarness>() {
    let (_place, b) = Bench::new::<H>().await;
    let shared = account("main", IdScheme::Scoped);
    let opened = b.store.outreach();
    let opened = opened.open_gateway(&b.source, &b.sink, &shared).await;
    let error = refused(opened, "a crm as a gateway");
    assert_eq!(error.kind(), ErrorKind::Config);
    let texts = gateway(&b, "texts").await;
    let wrong = opening(&b.source, &texts, account("texts", IdScheme::Scoped));
    let error = refused(b.store.open_run(&wrong).await, "a gateway as a crm");
    assert_eq!(error.kind(), ErrorKind::Config);
    // Another office's crm account that happens to have the gateway's name.
    let (elm, crm) = (source("elm-st"), sink("elm-st"));
    let right = opening(&elm, &crm, account("texts", IdScheme::Bare));
    ok(b.store.open_run(&right).await);
}
