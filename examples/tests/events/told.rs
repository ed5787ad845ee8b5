//! Follows a practice that is polled once an hour: what it sends arrives at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use odx_opendental::sim::{Delivery, RecallRow};
use serde_json::Value;

use crate::compare::{backwards, nothing, settled};
use crate::world::{World, office, until};

/// From one poll of a subscription to the next.
const NEXT: Duration = Duration::from_secs(5);

/// Active patients.
fn active(world: &World) -> Vec<i64> {
    let rows = world.practice().patients().into_iter();
    rows.filter(|row| row.pat_status == "Patient")
        .map(|row| row.pat_num)
        .collect()
}

/// Recalls that have an open task, one of each patient.
fn open_recalls(world: &World) -> Vec<RecallRow> {
    let mut rows = world.practice().recalls();
    rows.retain(|row| world.is_open(row.recall_num));
    rows.sort_by_key(|row| row.pat_num);
    rows.dedup_by_key(|row| row.pat_num);
    rows
}

/// What the office was asked since then.
fn asked(world: &World, from: usize) -> Vec<String> {
    let requests = world.practice().requests();
    requests[from..]
        .iter()
        .map(|request| request.path.clone())
        .collect()
}

/// What an event came to.
struct Heard {
    /// From the first byte of the POST to the CRM.
    took: Duration,
    /// What the office was asked for it.
    asked: Vec<String>,
    /// Whom it told of, in each of the office's requests.
    patients: usize,
}

/// Whom a delivery tells of.
fn patients_in(delivery: &Delivery) -> usize {
    let rows: Vec<Value> = serde_json::from_slice(delivery.body()).unwrap();
    let keys: BTreeSet<_> = rows.iter().map(|row| row["PatNum"].to_string()).collect();
    keys.len()
}

/// The office fires, and it becomes so in the CRM.
async fn told(world: &World, what: &str, so: impl Fn() -> bool + Send + Sync) -> Heard {
    assert!(!so(), "it was so before: {what}");
    let from = world.practice().requests().len();
    let began = Instant::now();
    let sent = world.practice().fire_events().await;
    assert!(sent.iter().any(|one| one.delivered), "nothing was sent");
    until(what, async || so()).await;
    let took = began.elapsed();
    world.applied().await;
    // Recalls of whoever was touched are looked at behind it.
    until("the errand is done", async || {
        let cursor = world.store.cursor(&crate::world::source_id()).await;
        !cursor.unwrap().unwrap().as_str().contains("\"pass\"")
    })
    .await;
    Heard {
        took,
        asked: asked(world, from),
        patients: sent.iter().map(patients_in).sum(),
    }
}

async fn everything_sent_reaches_the_crm(queries: bool) {
    let world = World::new(office(queries)).await;
    let up = world.up();
    world.subscribe(&up.url(), "FRONTDESK");
    let (shutdown, following) = world.follow();
    nothing(&settled(&world, Duration::from_secs(30)).await);
    let practice = world.practice();
    let (mut times, mut requests, mut touched) = (Vec::new(), 0, 0);
    let mut note = |heard: Heard, what: &str| {
        // Their recalls, once each, and never a patient: what was sent says all of them. A window begins with the
        // last moment of the one before, so that the row before is told again.
        let asked = heard.asked;
        assert!(asked.len() <= heard.patients, "{what}: {asked:?}");
        let recalls = |path: &String| path == "/recalls" || path == "/queries/ShortQuery";
        assert!(asked.iter().all(recalls), "{what}: {asked:?}");
        requests += asked.len();
        touched += heard.patients;
        times.push(heard.took);
    };
    let people = active(&world);
    for (n, &pat_num) in people.iter().take(15).enumerate() {
        practice.advance(NEXT);
        let name = format!("Told{n}");
        practice.update_patient(pat_num, |row| row.f_name.clone_from(&name));
        let told = told(&world, "a new name", || {
            world.name_of(pat_num).as_deref() == Some(&name)
        });
        note(told.await, "an edited patient");
    }
    let recalls = open_recalls(&world);
    assert!(recalls.len() >= 10, "{} recalls are open", recalls.len());
    let next_week = practice.now() + chrono::TimeDelta::days(7);
    for recall in recalls.iter().take(10) {
        let number = recall.recall_num;
        practice.advance(NEXT);
        let visit = practice.book_recall(number, next_week).unwrap();
        let booked = told(&world, "a booked recall is closed", || {
            !world.is_open(number)
        });
        note(booked.await, "a visit onto the book");
        practice.advance(NEXT);
        practice.cancel_and_delete_visit(visit);
        let deleted = told(&world, "its visit is gone: open", || world.is_open(number));
        note(deleted.await, "a deleted visit");
    }
    // Moved: from the book to another day, and then to no day.
    for recall in recalls.iter().take(5) {
        let number = recall.recall_num;
        practice.advance(NEXT);
        let visit = practice.book_recall(number, next_week).unwrap();
        let booked = told(&world, "booked again", || !world.is_open(number));
        note(booked.await, "a visit onto the book again");
        practice.advance(NEXT);
        practice.break_visit(visit);
        let off = told(&world, "off the book: open", || world.is_open(number));
        note(off.await, "a visit off the book");
    }
    // What changes at a recall itself is no event; opening the patient is.
    let opened = &recalls[0];
    practice.advance(NEXT);
    practice.update_recall(opened.recall_num, |row| row.is_disabled = true);
    let from = practice.requests().len();
    let selected = practice
        .select_patient_at("FRONTDESK", opened.pat_num)
        .await;
    assert!(selected.len() == 1 && selected[0].delivered);
    until("a disabled recall is closed", async || {
        !world.is_open(opened.recall_num)
    })
    .await;
    assert!(asked(&world, from).len() <= 1, "{:?}", asked(&world, from));

    times.sort();
    let median = times[times.len() / 2];
    println!(
        "queries {queries}: {} events, median {median:?}, longest {:?}; {touched} patients told of, {requests} requests; {:?}",
        times.len(),
        times[times.len() - 1],
        world.receiver.counts(),
    );
    assert!(times.len() >= 30);
    assert!(median < Duration::from_secs(1), "{times:?}");
    nothing(&settled(&world, Duration::from_secs(10)).await);
    shutdown.stop();
    following.await.unwrap();
    up.down().await;
}

#[tokio::test]
async fn d6_what_an_office_sends_is_in_the_crm_within_a_second_and_costs_one_request_by_lists() {
    everything_sent_reaches_the_crm(false).await;
}

#[tokio::test]
async fn d6_what_an_office_sends_is_in_the_crm_within_a_second_and_costs_one_request_by_queries() {
    everything_sent_reaches_the_crm(true).await;
}

/// Versions are preferred names that only rise, so that a step back can be seen in what the CRM was told.
#[tokio::test]
async fn s7_twice_late_and_out_of_order_nothing_older_overwrites_anything_newer() {
    // Two machines send the same rows, in different orders.
    let world = World::new(office(false).with_shuffled_events(5)).await;
    let up = world.up();
    world.subscribe(&up.url(), "");
    let (shutdown, following) = world.follow();
    nothing(&settled(&world, Duration::from_secs(30)).await);
    let practice = world.practice();
    let people: Vec<_> = active(&world).into_iter().take(8).collect();
    for version in 0..6 {
        practice.advance(NEXT);
        for pat_num in &people {
            practice.update_patient(*pat_num, |row| row.preferred = format!("v{version}"));
        }
        practice.fire_events().await;
        // Again what was sent in every round before, newest first.
        for delivery in practice.deliveries().iter().rev() {
            assert_eq!(world.post_again(&up, delivery).await, 200);
        }
    }
    let counts = world.receiver.counts();
    assert!(counts.received > 12, "{counts:?}");

    // Out of order: the office cannot reach us for a while, and then what it sent arrives in a mess.
    let sent_before = practice.deliveries().len();
    for row in practice.subscriptions() {
        practice.remove_subscription(row.subscription_num);
    }
    // Nobody listens there: what is fired is kept, and arrives nowhere.
    world.subscribe("http://127.0.0.1:9/nowhere/", "FRONTDESK");
    for version in 6..12 {
        practice.advance(NEXT);
        for pat_num in &people {
            practice.update_patient(*pat_num, |row| row.preferred = format!("v{version}"));
        }
        practice.fire_events().await;
    }
    let mut late = practice.deliveries().split_off(sent_before);
    assert!(late.len() >= 6 && late.iter().all(|one| !one.delivered));
    fastrand::Rng::with_seed(11).shuffle(&mut late);
    for delivery in &late {
        assert_eq!(world.post_again(&up, delivery).await, 200);
        world.applied().await;
    }
    nothing(&settled(&world, Duration::from_secs(10)).await);
    nothing(&backwards(&world));
    // Once more all of it: nothing is left to say.
    let writes = world.crm.counts();
    for delivery in practice.deliveries() {
        let mut again = up.url();
        again.push_str("?again");
        assert_eq!(practice.replay_to(&again, &delivery).await, Some(200));
    }
    world.applied().await;
    nothing(&settled(&world, Duration::from_secs(10)).await);
    let after = world.crm.counts();
    assert_eq!(
        (writes.creates, writes.updates),
        (after.creates, after.updates)
    );
    println!(
        "{:?}; {} writes, none of them a step back",
        world.receiver.counts(),
        after.updates
    );
    shutdown.stop();
    following.await.unwrap();
    up.down().await;
}
