//! Deliveries: in once, out with the page that says them.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::StateHarness;
use super::bench::{Bench, NOW, ok, only, person, refused, renamed};
use crate::error::ErrorKind;
use crate::model::{Record, RecordKey, RecordKind};
use crate::push::Delivery;
use crate::source::{Change, Cursor};
use crate::store::{LastSeen, PageCommit};

/// Whoever is to be woken is woken long before.
const LONG: Duration = Duration::from_secs(5);
/// Whoever is not to be woken is not within this.
const SHORT: Duration = Duration::from_millis(50);

fn delivery(kind: &str, body: &str) -> Delivery {
    at(kind, body, NOW)
}

fn at(kind: &str, body: &str, received: DateTime<Utc>) -> Delivery {
    Delivery::new(kind, body.as_bytes().to_vec(), received)
}

impl Bench {
    async fn receive(&self, delivery: Delivery) -> bool {
        ok(self.store.receive(&self.source, delivery).await)
    }

    async fn inbox(&self) -> Vec<Delivery> {
        ok(self.store.inbox(&self.source, 1000).await)
    }

    /// A page that says these deliveries.
    fn saying(&mut self, deliveries: &[Delivery], changes: Vec<Change>) -> PageCommit {
        let mut page = self.page(changes, &[]);
        page.delivered = deliveries.iter().map(Delivery::id).collect();
        page
    }

    async fn say(&mut self, deliveries: &[Delivery], changes: Vec<Change>) {
        let page = self.saying(deliveries, changes);
        let next = page.page.position.cursor().clone();
        ok(self.store.commit_page(page).await);
        self.cursor = Some(next);
    }
}

/// Only the page that says a delivery takes it out of the inbox, and only if it
/// is stored.
pub async fn a_delivery_waits_for_the_page_that_says_it<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let (one, two) = (delivery("a", "one"), delivery("a", "two"));
    assert!(b.receive(one.clone()).await && b.receive(two.clone()).await);
    b.commit(vec![renamed("1", "Read")], &[]).await;
    assert_eq!(b.inbox().await, [one.clone(), two.clone()]);
    let mut elsewhere = b.saying(std::slice::from_ref(&one), vec![]);
    elsewhere.from = Some(Cursor::new("elsewhere"));
    let error = refused(b.store.commit_page(elsewhere).await, "a foreign cursor");
    assert_eq!(error.kind(), ErrorKind::Superseded);
    assert_eq!(b.inbox().await, [one.clone(), two.clone()]);
    b.say(&[one], vec![]).await;
    assert_eq!(b.inbox().await, std::slice::from_ref(&two));
    b.say(&[two], vec![]).await;
    assert_eq!(b.inbox().await, []);
}

/// What comes again is known: while it waits, once it was applied, by the next
/// process. What says another thing, or says it of another kind, is another.
/// After days it is forgotten, so that what is remembered has an end.
pub async fn a_delivery_that_comes_again_is_known_for_days<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    let one = delivery("a", "one");
    assert!(b.receive(one.clone()).await, "the first is no repeat");
    let later = NOW + TimeDelta::days(3);
    assert!(!b.receive(at("a", "one", later)).await, "it waits already");
    assert_eq!(b.inbox().await, std::slice::from_ref(&one));
    b.say(std::slice::from_ref(&one), vec![]).await;
    assert!(!b.receive(one.clone()).await, "it was applied");
    assert_eq!(b.inbox().await, []);
    let mut b = b.reopen(&place).await;
    assert!(!b.receive(one.clone()).await, "the next process knows it");
    for other in [
        delivery("b", "one"),
        delivery("a", "two"),
        delivery("ao", "ne"),
    ] {
        assert!(b.receive(other.clone()).await, "another is taken for it");
        b.say(&[other], vec![]).await;
    }
    let late = at("a", "late", NOW + TimeDelta::days(6));
    assert!(b.receive(late.clone()).await);
    let mut page = b.saying(&[late], vec![]);
    page.now = NOW + TimeDelta::days(6);
    b.cursor = Some(page.page.position.cursor().clone());
    ok(b.store.commit_page(page).await);
    assert!(b.receive(one).await, "it is remembered for ever");
}

/// The oldest first, no more of them than asked for, and no more of them than
/// fit into memory.
pub async fn deliveries_come_out_as_they_came_in<H: StateHarness>() {
    let (_place, b) = Bench::new::<H>().await;
    // Their times say nothing: clocks are set.
    for (n, body) in ["d", "b", "c", "a", "e"].into_iter().enumerate() {
        let received = NOW - TimeDelta::minutes(i64::try_from(n).unwrap_or_default());
        assert!(b.receive(at("k", body, received)).await);
    }
    let inbox = ok(b.store.inbox(&b.source, 4).await);
    let bodies: Vec<_> = inbox
        .iter()
        .map(|one| one.body().expose().clone())
        .collect();
    assert_eq!(bodies, [b"d", b"b", b"c", b"a"]);
    let elm = Bench::of(std::sync::Arc::clone(&b.store), "elm-st").await;
    for n in 0..4_u8 {
        // Nothing that could be made smaller than it is.
        let mut noise = u32::from(n) + 1;
        let body = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes().first().copied().unwrap_or_default()
        });
        let body: Vec<u8> = body.take(5 << 20).collect();
        let large = Delivery::new("k", body, NOW);
        assert!(elm.receive(large.clone()).await);
        let last = elm.inbox().await;
        assert!((1..=2).contains(&last.len()), "{} are loaded", last.len());
        assert!(n > 0 || last == [large], "it came out as another");
    }
}

/// Kind, content and time are there after a new start.
pub async fn reopening_remembers_deliveries<H: StateHarness>() {
    let (place, b) = Bench::new::<H>().await;
    let words = "[{\"LName\":\"Ó Brien\"},".repeat(500);
    let all = [
        at("", "", NOW),
        at("a b", "\u{0}\u{1}", NOW + TimeDelta::days(1)),
        at("a", &words, NOW - TimeDelta::days(1)),
    ];
    for one in &all {
        assert!(b.receive(one.clone()).await);
    }
    let b = b.reopen(&place).await;
    let inbox = b.inbox().await;
    assert_eq!(inbox, all, "a delivery was not remembered as it was");
    let ids: Vec<_> = inbox.iter().map(Delivery::id).collect();
    assert_eq!(ids, all.each_ref().map(Delivery::id));
    ok(b.store.await_delivery(&b.source).await);
}

/// The same content at two offices is two deliveries, and neither sees that of
/// the other. An office that nobody has opened has an inbox.
pub async fn deliveries_of_two_offices_never_mix<H: StateHarness>() {
    let (_place, mut main) = Bench::new::<H>().await;
    let elm = super::bench::source("elm-st");
    let one = delivery("a", "one");
    assert!(main.receive(one.clone()).await);
    assert_eq!(ok(main.store.inbox(&elm, 9).await), []);
    assert!(ok(main.store.receive(&elm, one.clone()).await));
    main.say(std::slice::from_ref(&one), vec![]).await;
    assert_eq!(main.inbox().await, []);
    assert_eq!(
        ok(main.store.inbox(&elm, 9).await),
        std::slice::from_ref(&one)
    );
    let opened = Bench::of(std::sync::Arc::clone(&main.store), "elm-st").await;
    assert_eq!(opened.inbox().await, [one]);
}

/// Whoever waits is woken by what comes for them, at once by what is there, and
/// not by what comes for others or was applied.
pub async fn whoever_waits_for_a_delivery_is_woken_by_theirs<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let elm = super::bench::source("elm-st");
    let one = delivery("a", "one");
    let store = std::sync::Arc::clone(&b.store);
    let waits = |time| tokio::time::timeout(time, store.await_delivery(&b.source));
    assert!(waits(SHORT).await.is_err(), "there is nothing yet");
    let comes = async {
        ok(store.receive(&elm, one.clone()).await);
        let early = tokio::time::timeout(SHORT, std::future::pending::<()>()).await;
        assert!(early.is_err() && b.receive(one.clone()).await);
    };
    let (woken, ()) = futures::future::join(waits(LONG), comes).await;
    assert!(woken.is_ok_and(|end| end.is_ok()), "nobody was woken");
    assert!(
        waits(LONG).await.is_ok(),
        "it is there, and nobody is woken"
    );
    b.say(&[one], vec![]).await;
    let applied = tokio::time::timeout(SHORT, store.await_delivery(&b.source)).await;
    assert!(applied.is_err(), "it was applied, and wakes still");
}

/// However many come at once, beside pages, each is stored, and told apart from
/// its repeats, once.
pub async fn deliveries_that_come_at_once_are_each_stored_once<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    let store = std::sync::Arc::clone(&b.store);
    let source = b.source.clone();
    let come = (0..150_u32).map(|n| {
        let one = delivery("a", &(n % 50).to_string());
        store.receive(&source, one)
    });
    let pages = async {
        for n in 0..20 {
            b.commit(vec![person(&n.to_string())], &[]).await;
        }
    };
    let (came, ()) = futures::future::join(futures::future::join_all(come), pages).await;
    let fresh = came.into_iter().filter(|one| match one {
        Ok(fresh) => *fresh,
        Err(error) => panic!("nothing is wrong, and yet: {error}"),
    });
    assert_eq!(fresh.count(), 50, "repeats are not told apart");
    drop(store);
    let b = b.reopen(&place).await;
    let mut bodies: Vec<_> = b.inbox().await;
    bodies.sort_by_key(|one| one.body().expose().clone());
    bodies.dedup();
    assert_eq!((bodies.len(), b.counted().await.0), (50, 20));
    assert_eq!(b.inbox().await.len(), 50);
}

/// Where nothing can be stored nobody is told that it was; later what comes
/// again is taken for the first time.
pub async fn a_delivery_that_is_not_stored_is_not_acknowledged<H: StateHarness>() {
    let check = "a_delivery_that_is_not_stored_is_not_acknowledged";
    let (place, mut b) = Bench::new::<H>().await;
    let (one, two) = (delivery("a", "one"), delivery("a", "two"));
    assert!(b.receive(one.clone()).await);
    if !place.break_commits().await.or_say(check) {
        return;
    }
    let come = (0..8).map(|_| b.store.receive(&b.source, two.clone()));
    for end in futures::future::join_all(come).await {
        let error = refused(end, "what cannot be stored");
        assert_eq!(error.kind(), ErrorKind::State);
    }
    let page = b.saying(std::slice::from_ref(&one), vec![person("1")]);
    refused(b.store.commit_page(page.clone()).await, "a broken page");
    place.mend().await;
    assert_eq!(b.inbox().await, std::slice::from_ref(&one));
    assert!(b.receive(two.clone()).await, "it counts as known");
    ok(b.store.commit_page(page).await);
    assert_eq!(b.inbox().await, [two]);
}

fn told(change: Change, minute: i64) -> Change {
    match change {
        Change::Upsert(record) => Change::Told {
            record,
            stamp: NaiveDateTime::default() + TimeDelta::minutes(minute),
        },
        other => other,
    }
}

/// What was told is not undone by what is told later and is older, whether it
/// comes in a page of its own or not, nor is what is gone brought back. A read
/// says what it says.
pub async fn what_was_told_is_never_undone_by_what_is_older<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1"), person("2")], &[]).await;
    let name = async |b: &Bench| {
        let due = b.household("1").await;
        let record: &crate::model::Patient = &only(&due).patient.record;
        record.first_name.expose().clone()
    };
    let told_as = |name: &str, minute| told(renamed("1", name), minute);
    b.say(
        &[delivery("a", "1")],
        vec![told_as("Newer", 5), told_as("Older", 4)],
    )
    .await;
    assert_eq!(name(&b).await, "Newer");
    let mut b = b.reopen(&place).await;
    b.say(&[delivery("a", "2")], vec![told_as("Older", 4)])
        .await;
    assert_eq!(
        name(&b).await,
        "Newer",
        "an older telling undid a newer one"
    );
    b.say(&[delivery("a", "3")], vec![told_as("Same", 5)]).await;
    assert_eq!(
        name(&b).await,
        "Same",
        "within one minute the later word counts"
    );
    b.commit(vec![renamed("1", "Read")], &[]).await;
    assert_eq!(name(&b).await, "Read", "a read always wins");
    b.say(&[delivery("a", "4")], vec![told_as("Older", 3)])
        .await;
    assert_eq!(name(&b).await, "Read");
    b.commit(
        vec![Change::Gone(RecordKey::new(RecordKind::Patient, "2"))],
        &[],
    )
    .await;
    b.say(&[delivery("a", "5")], vec![told(person("2"), 9)])
        .await;
    assert_eq!(b.counted().await.0, 1, "what is gone was brought back");
    if let Change::Upsert(Record::Patient(patient)) = person("3") {
        let new = Change::Upsert(Record::Patient(patient));
        b.say(&[delivery("a", "6")], vec![told(new, 1)]).await;
    }
    assert_eq!(b.counted().await.0, 2, "whoever is new is told as well");
}

/// A page that was told and not read says that there is news, and nothing about
/// whether the source can be read.
pub async fn what_was_told_is_no_sign_that_the_source_can_be_read<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let one = delivery("a", "one");
    b.receive(one.clone()).await;
    b.say(&[one], vec![told(person("1"), 1)]).await;
    let seen = ok(b.store.last_seen(&b.source).await);
    let expected = LastSeen {
        change: Some(NOW),
        ..LastSeen::default()
    };
    assert_eq!(seen, expected);
    let state = ok(b.store.open_run(&b.opening()).await);
    assert!(!state.imported, "what was told is taken for an import");
}
