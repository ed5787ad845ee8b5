//! What a store prints of what it keeps.

use std::fmt::Write as _;
use std::sync::Arc;

use super::StateHarness;
use super::bench::{Bench, NOW, ok, opening, parked, sink, source, sure, today};
use super::effects::{Desk, outlet};
use super::stops::stop;
use super::told::{about, everything, history};
use crate::effect::Receipt;
use crate::error::Error;
use crate::id::IdScheme;
use crate::model::{BadRecord, Channel, Email, Phone, Record, RecordKind};
use crate::outreach::Address;
use crate::phi::Phi;
use crate::sink::Target;
use crate::source::Change;
use crate::store::outreach::Lift;
use crate::store::{EffectState, Hold};
use crate::testkit::{Canaries, patient};

const GIVEN: &str = "Xiuhcoatl";
const FAMILY: &str = "Quetzalcoatl";
const PHONE: &str = "+12125550187";
const EMAIL: &str = "canary.bird@feather.example";

fn note<T>(said: &mut String, result: Result<T, Error>) {
    if let Err(error) = result {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(below) = cause {
            say(said, &format!("{below} {below:?} {below:#?}"));
            cause = below.source();
        }
    }
}

fn say(said: &mut String, text: &str) {
    if writeln!(said, "{text}").is_err() {
        panic!("a note could not be kept");
    }
}

/// No name, number or address stands in a `Debug` of the store or of what it
/// returns, nor in an error or its causes.
pub async fn nothing_of_a_patient_is_shown<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    let mut bird = patient("1");
    bird.first_name = Phi::new(GIVEN.to_owned());
    bird.last_name = Phi::new(FAMILY.to_owned());
    bird.mobile = Phone::parse(PHONE).ok();
    bird.email = Email::parse(EMAIL).ok();
    let change = || Change::Upsert(Record::Patient(bird.clone()));
    let mut said = String::new();
    let outcome = b.commit(vec![change()], &[RecordKind::Patient]).await;
    let stops = vec![
        stop(Target::Phone(sure(Phone::parse(PHONE))), None),
        stop(Target::Email(sure(Email::parse(EMAIL))), None),
    ];
    let bad = BadRecord::new(RecordKind::Patient, None, "no key", FAMILY.as_bytes());
    b.commit(vec![Change::Unreadable(bad)], &[]).await;
    ok(b.store.suppress(&b.sink, stops.clone(), None, NOW).await);
    let mut acks = b.acks();
    acks.parked.push(parked("1", "1", Hold::Refused));
    say(&mut said, &format!("{acks:?} {outcome:?}"));
    ok(b.store.commit_acks(acks).await);
    let due = b.load(today(), NOW).await;
    let aside = ok(b.store.parked(&b.sink, 9).await);
    let page = b.page(vec![change()], &[]);
    say(&mut said, &format!("{due:?} {due:#?} {aside:?} {page:?}"));
    let mut elsewhere = page.clone();
    elsewhere.from = None;
    note(&mut said, b.store.commit_page(elsewhere).await);
    let mut unknown = page.clone();
    unknown.source = source("nobody");
    note(&mut said, b.store.commit_page(unknown).await);
    let nobody = sink("nobody");
    let suppressed = b.store.suppress(&nobody, stops.clone(), None, NOW);
    note(&mut said, suppressed.await);
    note(&mut said, b.store.parked(&nobody, 9).await);
    let mut query = b.query(today(), NOW);
    query.sink = nobody;
    note(&mut said, b.store.due(&query).await);
    let bare = super::bench::account("main", IdScheme::Bare);
    let wrong = opening(&b.source, &b.sink, bare);
    note(&mut said, b.store.open_run(&wrong).await);
    if let super::Supported::Yes = place.break_commits().await {
        note(&mut said, b.store.commit_page(page.clone()).await);
        note(&mut said, b.store.suppress(&b.sink, stops, None, NOW).await);
        place.mend().await;
    }
    ok(b.store.open_run(&b.opening()).await);
    note(&mut said, b.store.commit_page(page).await);
    let store = &b.store;
    say(&mut said, &format!("{store:?} {store:#?}"));
    let bytes = |text: &str| {
        let list = format!("{:?}", text.as_bytes());
        list.trim_matches(['[', ']']).to_owned()
    };
    // A number is found without its country code, too.
    Canaries::new([GIVEN, FAMILY, PHONE.trim_start_matches("+1"), EMAIL])
        .assert_absent("what the store says", &said);
    Canaries::new([bytes(GIVEN), bytes(FAMILY)])
        .assert_absent("what the store says, as bytes,", &said);
}

/// No name, number or address of whoever is told stands in a `Debug` of what
/// goes in or comes out, nor in an error or its causes.
pub async fn nothing_of_a_message_is_shown<H: StateHarness>() {
    let (place, b) = Bench::new::<H>().await;
    let desk = Desk::of(Arc::clone(&b.store), outlet("main", "texts")).await;
    let mut said = String::new();
    for (name, address) in [
        ("a", Address::Phone(sure(Phone::parse(PHONE)))),
        ("b", Address::Email(sure(Email::parse(EMAIL)))),
    ] {
        let mut about = about(&["7"]);
        about.address = Some(address.clone());
        let mut claim = desk.claim(name, 0);
        claim.about = Some(about.clone());
        say(&mut said, &format!("{claim:?} {about:#?}"));
        assert!(ok(desk.store.claim_effect(claim.clone()).await));
        desk.settle(name, 1, EffectState::Done(Receipt::of(name)))
            .await;
        let mut query = everything(&["7"]);
        query.addresses = vec![address];
        say(&mut said, &format!("{query:?} {query:#?}"));
        let found = history(&desk, query).await;
        assert!(!found.person.is_empty(), "it is not found by its address");
        say(&mut said, &format!("{found:?} {found:#?}"));
        let mut stale = claim.clone();
        stale.epoch.0 = 0;
        note(&mut said, desk.store.claim_effect(stale).await);
    }
    let lift = Lift {
        target: Target::Phone(sure(Phone::parse(PHONE))),
        channel: Channel::Sms,
        origin: None,
        keyword_only: false,
        reason: "they called".to_owned(),
    };
    say(&mut said, &format!("{lift:?} {lift:#?}"));
    let told = b.store.outreach();
    note(&mut said, told.lift(&source("nobody"), &lift, NOW).await);
    let audit = ok(told.audit(&b.source, 0, 9).await);
    assert_eq!(audit.len(), 2);
    say(&mut said, &format!("{audit:?}"));
    if let super::Supported::Yes = place.break_commits().await {
        let stops = vec![stop(lift.target.clone(), None)];
        note(&mut said, b.store.suppress(&b.sink, stops, None, NOW).await);
        place.mend().await;
    }
    say(&mut said, &format!("{:?} {:#?} {told:?}", b.store, b.store));
    Canaries::new([PHONE.trim_start_matches("+1"), EMAIL])
        .assert_absent("what the store says of messages", &said);
}
