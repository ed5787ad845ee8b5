//! Who was told what: found again by everything that forbids telling it twice.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::StateHarness;
use super::bench::{NOW, id, ok, sink, sure, today};
use super::effects::{Desk, doubt, key, outlet};
use crate::effect::Receipt;
use crate::id::{HouseholdKey, PatientKey};
use crate::model::{Channel, Phone};
use crate::outreach::{Address, Episode, Purpose, Status};
use crate::store::EffectState;
use crate::store::outreach::{About, History, HistoryQuery};

pub(super) const NUMBER: &str = "+12125550142";

pub(super) fn phone(number: &str) -> Address {
    Address::Phone(sure(Phone::parse(number)))
}

pub(super) fn occurrence(subject: &str, cycle: Option<NaiveDate>) -> Episode {
    Episode {
        purpose: Purpose::Recall,
        subject: id(subject),
        cycle,
        segment: None,
    }
}

/// A text about these, to patient `1` of household `h` at a number of their own.
pub(super) fn about(subjects: &[&str]) -> About {
    About {
        episodes: subjects
            .iter()
            .map(|subject| occurrence(subject, Some(today())))
            .collect(),
        channel: Channel::Sms,
        patient: PatientKey::new("1"),
        recipient: PatientKey::new("1"),
        household: HouseholdKey::new("h"),
        address: Some(phone(NUMBER)),
        destination: sink("texts"),
        fields: "first_name,mobile",
    }
}

/// Nobody, at no address.
fn nobody() -> HistoryQuery {
    HistoryQuery {
        subjects: [].into(),
        recipient: PatientKey::new("nobody"),
        addresses: Vec::new(),
        household: HouseholdKey::new("nobody"),
    }
}

pub(super) fn everything(subjects: &[&str]) -> HistoryQuery {
    HistoryQuery {
        subjects: subjects.iter().map(|subject| id(subject)).collect(),
        recipient: PatientKey::new("1"),
        addresses: vec![phone(NUMBER)],
        household: HouseholdKey::new("h"),
    }
}

pub(super) async fn told(desk: &Desk, name: &str, after: u32, about: About) {
    let mut claim = desk.claim(name, after);
    claim.about = Some(about);
    assert!(ok(desk.store.claim_effect(claim).await), "{name} is taken");
}

pub(super) async fn history(desk: &Desk, query: HistoryQuery) -> History {
    ok(desk.store.outreach().history(&desk.outlet, query).await)
}

async fn since(desk: &Desk, since: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let told = desk.store.outreach().told_since(&desk.outlet, since);
    ok(told.await)
}

/// A claim counts from the moment it is stored, and in doubt, and when it is
/// done; once it is known that nobody was told, it does not, until the next.
pub async fn what_was_claimed_counts_as_told_until_it_is_known_not_to_be<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    let counted = async |desk: &Desk| {
        let found = history(desk, everything(&["7"])).await;
        let lists = [
            found.episodes.iter().filter(|(_, t)| t.counts()).count(),
            found.person.iter().filter(|t| t.counts()).count(),
            found.household.iter().filter(|t| t.counts()).count(),
            since(desk, NOW).await.len(),
        ];
        assert!(lists.iter().all(|n| *n == lists[0]), "{lists:?}");
        lists[0]
    };
    assert_eq!(counted(&desk).await, 0);
    told(&desk, "a", 0, about(&["7"])).await;
    assert_eq!(counted(&desk).await, 1, "a claim does not count");
    desk.settle("a", 1, doubt()).await;
    assert_eq!(counted(&desk).await, 1, "a doubt does not count");
    desk.settle("a", 1, EffectState::Waiting("busy".to_owned()))
        .await;
    assert_eq!(counted(&desk).await, 0, "what was not sent counts");
    told(&desk, "a", 1, about(&["7"])).await;
    assert_eq!(counted(&desk).await, 1, "a second claim does not count");
    desk.settle("a", 2, EffectState::Done(Receipt::of("m1")))
        .await;
    assert_eq!(counted(&desk).await, 1, "what was sent does not count");
}

/// What was refused or waits is found with how it stands, and tells nobody.
pub async fn a_refused_or_waiting_effect_is_not_told<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    for (name, end) in [
        ("a", EffectState::Refused("no such number".to_owned())),
        ("b", EffectState::Waiting("busy".to_owned())),
    ] {
        told(&desk, name, 0, about(&["7"])).await;
        desk.settle(name, 1, end.clone()).await;
        let found = history(&desk, everything(&["7"])).await;
        let known = found.person.iter().find(|told| told.key == key(name));
        let stands = known.map(|told| (told.state.clone(), told.counts()));
        assert_eq!(stands, Some((end, false)));
    }
    assert!(since(&desk, NOW).await.is_empty(), "it was told to nobody");
}

/// By what it was about, by who was told, by the number also where it is now
/// somebody else's, and by the household; and by nothing else.
pub async fn history_finds_by_subject_person_address_and_household<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    let found = history(&desk, everything(&["7"])).await;
    assert!(found.episodes.is_empty() && found.person.is_empty() && found.household.is_empty());
    told(&desk, "a", 0, about(&["7", "8"])).await;
    let others = About {
        recipient: PatientKey::new("2"),
        household: HouseholdKey::new("g"),
        address: None,
        channel: Channel::Email,
        ..about(&["9"])
    };
    told(&desk, "b", 0, others).await;
    // Of neither, who told nobody anything.
    assert!(desk.claims("c", 0).await);
    let keys = |found: &History| {
        let of = |told: &crate::store::outreach::Told| told.key.clone();
        let episodes: Vec<_> = found.episodes.iter().map(|(_, told)| of(told)).collect();
        let person: Vec<_> = found.person.iter().map(of).collect();
        let household: Vec<_> = found.household.iter().map(of).collect();
        (episodes, person, household)
    };
    let (a, b, none) = (vec![key("a")], vec![key("b")], Vec::new);
    let mut query = nobody();
    assert_eq!(
        keys(&history(&desk, query.clone()).await),
        (none(), none(), none())
    );
    for subject in ["7", "8"] {
        query.subjects = [id(subject)].into();
        let found = history(&desk, query.clone()).await;
        assert_eq!(keys(&found), (a.clone(), none(), none()));
        let episode = found.episodes.first().map(|(episode, _)| episode.clone());
        assert_eq!(episode, Some(occurrence(subject, Some(today()))));
    }
    query.subjects = [id("9"), id("no")].into();
    assert_eq!(
        keys(&history(&desk, query).await),
        (b.clone(), none(), none())
    );
    let mut query = nobody();
    query.recipient = PatientKey::new("2");
    assert_eq!(
        keys(&history(&desk, query).await),
        (none(), b.clone(), none())
    );
    let mut query = nobody();
    query.addresses = vec![phone("+12125550100"), phone(NUMBER)];
    let found = history(&desk, query).await;
    assert_eq!(keys(&found), (none(), a.clone(), none()));
    let known = found
        .person
        .first()
        .map(|told| (told.purpose, told.channel));
    assert_eq!(known, Some((Purpose::Recall, Channel::Sms)));
    let mut query = nobody();
    query.household = HouseholdKey::new("g");
    assert_eq!(keys(&history(&desk, query).await), (none(), none(), b));
    // Once, by however many ways.
    let mut query = everything(&["7"]);
    query.addresses = vec![phone(NUMBER), phone(NUMBER)];
    assert_eq!(
        keys(&history(&desk, query).await),
        (a.clone(), a.clone(), a)
    );
}

/// An occurrence is the visit that began it and the segment, and comes back as
/// it was.
pub async fn an_occurrence_comes_back_as_it_was<H: StateHarness>() {
    use crate::policy::Segment;
    let (_place, desk) = Desk::new::<H>().await;
    let mut episodes = Vec::new();
    for purpose in Purpose::ALL {
        for cycle in [None, Some(today())] {
            for segment in [
                None,
                Some(Segment::DueSoon),
                Some(Segment::DueNow),
                Some(Segment::Overdue),
                Some(Segment::Lapsed),
            ] {
                episodes.push(Episode {
                    purpose,
                    subject: id("7"),
                    cycle,
                    segment,
                });
            }
        }
    }
    let all = About {
        episodes: episodes.clone(),
        ..about(&[])
    };
    told(&desk, "a", 0, all).await;
    let found = history(&desk, everything(&["7"])).await;
    let mut found: Vec<_> = found.episodes.into_iter().map(|(one, _)| one).collect();
    found.sort();
    episodes.sort();
    assert_eq!(found, episodes);
}

/// An attempt that may have told of more occurrences than the next one keeps
/// them told. One that surely told nobody does not.
pub async fn an_attempt_that_may_have_told_of_more_keeps_it_told<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    for (name, end, kept) in [
        ("a", doubt(), true),
        ("b", EffectState::Claimed, true),
        ("c", EffectState::Waiting("busy".to_owned()), false),
    ] {
        let (own, other) = (format!("{name}1"), format!("{name}2"));
        told(&desk, name, 0, about(&[&own, &other])).await;
        desk.settle(name, 1, end.clone()).await;
        told(&desk, name, 1, about(&[&own])).await;
        let found = history(&desk, everything(&[&own, &other])).await;
        let mut subjects: Vec<_> = found.episodes.into_iter().map(|(e, _)| e.subject).collect();
        subjects.sort();
        let both = [id(&own), id(&other)];
        assert_eq!(
            subjects,
            if kept { &both[..] } else { &both[..1] },
            "{end:?}"
        );
    }
}

/// When it was claimed first and when it was claimed last are two times, and it
/// is known how often.
pub async fn it_began_when_it_was_claimed_first<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    for after in 0..3 {
        told(&desk, "a", after, about(&["7"])).await;
    }
    // Whom it told is known only from the second attempt on.
    assert!(desk.claims("b", 0).await);
    told(&desk, "b", 1, about(&["8"])).await;
    let found = history(&desk, everything(&["7"])).await;
    let times: Vec<_> = found
        .person
        .iter()
        .map(|told| (told.key.clone(), told.begun, told.at, told.attempt))
        .collect();
    let at = |seconds| NOW + TimeDelta::seconds(seconds);
    assert_eq!(
        times,
        [(key("b"), NOW, at(1), 2), (key("a"), NOW, at(2), 3)]
    );
}

/// When anything was told since a time, in order; that time counts.
pub async fn what_was_told_since_a_time_is_given_in_order<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    let at = |hour| NOW + TimeDelta::hours(hour);
    for (name, hour) in [("a", 5), ("b", 3), ("c", 4), ("d", 1)] {
        let mut claim = desk.claim(name, 0);
        (claim.about, claim.now) = (Some(about(&[name])), at(hour));
        assert!(ok(desk.store.claim_effect(claim).await));
    }
    // Tells nobody anything.
    let mut claim = desk.claim("e", 0);
    claim.now = at(4);
    assert!(ok(desk.store.claim_effect(claim).await));
    assert_eq!(since(&desk, at(3)).await, [at(3), at(4), at(5)]);
    assert!(since(&desk, at(6)).await.is_empty());
    let found = history(&desk, everything(&["a", "b", "c", "d"])).await;
    let keys: Vec<_> = found.episodes.into_iter().map(|(_, t)| t.key).collect();
    assert_eq!(
        keys,
        ["d", "b", "c", "a"].map(key),
        "not as they were claimed"
    );
    let keys: Vec<_> = found.person.into_iter().map(|t| t.key).collect();
    assert_eq!(
        keys,
        ["d", "b", "c", "a"].map(key),
        "not as they were claimed"
    );
}

/// A message that arrived is not on its way again, and reports of messages
/// nobody sent are noted nowhere.
pub async fn a_message_status_never_goes_back<H: StateHarness>() {
    let (_place, desk) = Desk::new::<H>().await;
    let note = async |desk: &Desk, id: &str, status| {
        let noted = desk.store.outreach();
        ok(noted.note_status(&desk.outlet, id, status, None).await)
    };
    let status = async |desk: &Desk| {
        let found = history(desk, everything(&["7"])).await;
        found.person.first().and_then(|told| told.status)
    };
    assert!(!note(&desk, "m1", Status::Sent).await, "nobody sent it");
    told(&desk, "a", 0, about(&["7"])).await;
    assert!(
        !note(&desk, "m1", Status::Sent).await,
        "nobody knows it yet"
    );
    desk.settle("a", 1, EffectState::Done(Receipt::of("m1")))
        .await;
    assert_eq!(status(&desk).await, None);
    for (said, news, stands) in [
        (Status::Sent, true, Status::Sent),
        (Status::Accepted, false, Status::Sent),
        (Status::Sent, false, Status::Sent),
        (Status::Failed, true, Status::Failed),
        (Status::Delivered, true, Status::Delivered),
        (Status::Failed, false, Status::Delivered),
        (Status::Accepted, false, Status::Delivered),
    ] {
        assert_eq!(note(&desk, "m1", said).await, news, "{said:?}");
        assert_eq!(status(&desk).await, Some(stands), "after {said:?}");
    }
    assert!(!note(&desk, "m2", Status::Delivered).await);
    // Without an id it is nobody's.
    told(&desk, "b", 0, about(&["8"])).await;
    desk.settle("b", 1, EffectState::Done(Receipt::default()))
        .await;
    assert!(!note(&desk, "", Status::Sent).await);
}

/// What one outlet told another has not, also of the same office, and what an
/// office told no other has.
pub async fn what_two_outlets_told_never_mixes<H: StateHarness>() {
    let (_place, main) = Desk::new::<H>().await;
    told(&main, "a", 0, about(&["7"])).await;
    main.settle("a", 1, EffectState::Done(Receipt::of("m1")))
        .await;
    for (database, name) in [("main", "mail"), ("elm-st", "practice")] {
        let other = Desk::of(std::sync::Arc::clone(&main.store), outlet(database, name)).await;
        let found = history(&other, everything(&["7"])).await;
        assert!(
            found.episodes.is_empty() && found.person.is_empty(),
            "{name}"
        );
        assert!(found.household.is_empty() && since(&other, NOW).await.is_empty());
        let noted = other.store.outreach();
        let status = Status::Delivered;
        let noted = noted.note_status(&other.outlet, "m1", status, None).await;
        assert!(!ok(noted), "another's message was noted");
    }
    let found = history(&main, everything(&["7"])).await;
    assert_eq!(found.person.first().and_then(|told| told.status), None);
}

/// Whom nobody is to tell again is known after a new start, by all ways.
pub async fn reopening_remembers_what_was_told<H: StateHarness>() {
    let (place, desk) = Desk::new::<H>().await;
    told(&desk, "a", 0, about(&["7", "8"])).await;
    desk.settle("a", 1, EffectState::Done(Receipt::of("m1")))
        .await;
    let noted = desk.store.outreach();
    let status = Status::Delivered;
    assert!(ok(noted
        .note_status(&desk.outlet, "m1", status, None)
        .await));
    let before = history(&desk, everything(&["7", "8"])).await;
    let outlet = desk.outlet.clone();
    drop(desk);
    let desk = Desk::of(ok(place.open().await), outlet).await;
    let after = history(&desk, everything(&["7", "8"])).await;
    assert_eq!(after.episodes, before.episodes);
    assert_eq!((after.episodes.len(), after.person.len()), (2, 1));
    assert_eq!(after.person, before.person);
    assert_eq!(after.household, before.household);
    assert_eq!(since(&desk, NOW).await, [NOW]);
}
