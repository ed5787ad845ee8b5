//! Pages: records and the cursor they move.

use super::StateHarness;
use super::bench::{
    Bench, NOW, acknowledged, due_visit, id, ok, only, person, refused, renamed, sure, today, tried,
};
use crate::error::ErrorKind;
use crate::id::HouseholdKey;
use crate::model::{BadRecord, Channel, Phone, Record, RecordKind};
use crate::sink::{Suppression, Target};
use crate::source::{Change, Cursor};
use crate::testkit::patient;

/// A record that is as it was raises nobody.
pub async fn an_unchanged_record_makes_no_work<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    assert_eq!(b.commit(vec![person("1")], &[]).await.changed, 1);
    b.reconcile("1", 1, None).await;
    let outcome = b.commit(vec![person("1")], &[]).await;
    assert_eq!((outcome.changed, outcome.unchanged), (0, 1));
    assert_eq!(b.due().await, []);
}

/// A household that moved on while it was being told stays due.
pub async fn a_change_raises_the_household_and_an_ack_of_the_past_does_not_hide_it<
    H: StateHarness,
>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    assert_eq!(b.due().await, [("1".to_owned(), 1)]);
    b.commit(vec![renamed("1", "New")], &[]).await;
    b.reconcile("1", 1, None).await;
    assert_eq!(b.due().await, [("1".to_owned(), 2)]);
    let due = b.household("1").await;
    assert_eq!(only(&due).patient.record.first_name.expose(), "New");
    b.reconcile("1", 2, None).await;
    assert_eq!(b.due().await, []);
    // Nor does an older look that ends later bring it back, or undo it.
    b.reconcile("1", 1, None).await;
    assert_eq!(b.due().await, []);
}

/// A recall whose patient is not known yet waits for the patient.
pub async fn what_hangs_from_a_patient_may_come_before_the_patient<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![due_visit("7", "1")], &[]).await;
    assert_eq!(b.due().await, []);
    b.commit(vec![person("1")], &[]).await;
    let due = b.household("1").await;
    assert_eq!(only(&due).recalls.len(), 1);
}

/// A patient who moves is news to the old household and to the new one.
pub async fn a_move_between_households_raises_both<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1"), person("2")], &[]).await;
    b.reconcile("1", 1, None).await;
    b.reconcile("2", 1, None).await;
    let mut moved = patient("2");
    moved.household = HouseholdKey::new("1");
    b.commit(vec![Change::Upsert(Record::Patient(moved))], &[])
        .await;
    assert_eq!(b.due().await, [("1".to_owned(), 2), ("2".to_owned(), 2)]);
    assert_eq!(b.household("1").await.view.members.len(), 2);
    assert_eq!(b.household("2").await.view.members.len(), 0);
}

/// A row that cannot be read is counted while it cannot, and is not missing.
pub async fn an_unreadable_row_is_listed_is_not_missing_and_clears_itself<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let all = [RecordKind::Patient];
    b.commit(vec![person("1")], &all).await;
    let unreadable = async |b: &Bench| ok(b.store.counts(&b.source, &b.sink).await).unreadable;
    let bad = BadRecord::new(RecordKind::Patient, Some("1"), "unknown status", b"raw");
    for _ in 0..3 {
        let outcome = b.commit(vec![Change::Unreadable(bad.clone())], &all).await;
        assert_eq!((outcome.unreadable, outcome.gone), (1, 0));
        assert_eq!(unreadable(&b).await, 1);
    }
    b.commit(vec![person("1")], &[]).await;
    assert_eq!(unreadable(&b).await, 0);
    let nameless = BadRecord::new(RecordKind::Patient, None, "no key", b"raw");
    b.commit(vec![Change::Unreadable(nameless)], &[]).await;
    b.commit(vec![person("1")], &all).await;
    b.commit(vec![person("1")], &all).await;
    assert_eq!(unreadable(&b).await, 0);
}

/// A page from another place of the feed is refused whole: no record, no
/// generation, no cursor of it stays.
pub async fn a_refused_page_leaves_nothing<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    b.reconcile("1", 1, None).await;
    let stands = b.cursor.clone();
    for from in [Some(Cursor::new("elsewhere")), None] {
        let changes = vec![person("2"), renamed("1", "New")];
        let mut wrong = b.page(changes, &[RecordKind::Patient]);
        wrong.from = from;
        let error = refused(b.store.commit_page(wrong).await, "a page from elsewhere");
        assert_eq!(error.kind(), ErrorKind::Superseded);
        assert_eq!(ok(b.store.cursor(&b.source).await), stands);
        assert_eq!(ok(b.store.last_seen(&b.source).await).swept_at(), None);
        assert_eq!(b.counted().await, (1, 0));
        assert_eq!(b.due().await, []);
    }
    // And the feed goes on where it stood.
    b.commit(vec![person("2")], &[]).await;
    assert_eq!(b.counted().await, (2, 0));
}

/// Of a commit that breaks off, nothing stays; later it works as if for the
/// first time.
pub async fn a_commit_that_fails_midway_leaves_nothing<H: StateHarness>() {
    let check = "a_commit_that_fails_midway_leaves_nothing";
    let (place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    b.reconcile("1", 1, None).await;
    let stands = b.cursor.clone();
    let page = b.page(
        vec![renamed("1", "New"), person("2"), due_visit("7", "1")],
        &[RecordKind::Patient],
    );
    let mut acks = b.acks();
    acks.acknowledged.push((id("1"), acknowledged(1)));
    acks.reconciled.push((HouseholdKey::new("1"), 2, None));
    let departure = b.departure("1", vec![tried("1", 1)]);
    let stop = Suppression {
        target: Target::Phone(sure(Phone::parse("503-555-0123"))),
        channel: Some(Channel::Sms),
        reason: "stop".to_owned(),
    };
    let next = Some(Cursor::new("s1"));
    if !place.break_commits().await.or_say(check) {
        return;
    }
    refused(b.store.commit_page(page.clone()).await, "a broken page");
    assert_eq!(ok(b.store.cursor(&b.source).await), stands);
    assert_eq!(ok(b.store.last_seen(&b.source).await).swept_at(), None);
    assert_eq!(b.counted().await, (1, 0));
    assert_eq!(b.due().await, []);
    place.mend().await;
    assert_eq!(ok(b.store.commit_page(page).await).changed, 3);
    assert_eq!(b.due().await, [("1".to_owned(), 2), ("2".to_owned(), 1)]);

    assert!(place.break_commits().await.or_say(check), "it broke before");
    let left = b.store.commit_departure(departure.clone()).await;
    refused(left, "a broken departure");
    refused(b.store.commit_acks(acks.clone()).await, "a broken answer");
    let stopped = b
        .store
        .suppress(&b.sink, vec![stop.clone()], next.clone(), NOW)
        .await;
    refused(stopped, "a broken list of stops");
    assert_eq!(b.household("1").await.tried, []);
    assert_eq!(b.standing(&id("1")).await.acknowledged, None);
    assert_eq!(b.due().await, [("1".to_owned(), 2), ("2".to_owned(), 1)]);
    assert_eq!(ok(b.store.suppression_cursor(&b.sink).await), None);
    assert!(!only(&b.household("1").await).blocked.sms);
    place.mend().await;
    ok(b.store.commit_departure(departure).await);
    ok(b.store.commit_acks(acks).await);
    let stops = vec![stop];
    let fresh = b.store.suppress(&b.sink, stops, next, NOW).await;
    assert_eq!(ok(fresh), 1);
    assert!(only(&b.household("1").await).blocked.sms);
    assert_eq!(b.load(today(), NOW).await.len(), 2);
}

/// Two that read the same page: one commit moves the cursor, the other is
/// refused.
pub async fn of_two_commits_from_one_cursor_one_wins<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    for round in 0..5_u64 {
        let pages: Vec<_> = (0..4)
            .map(|n| b.page(vec![person(&format!("{round}-{n}"))], &[]))
            .collect();
        let commits = pages.iter().map(|page| b.store.commit_page(page.clone()));
        let done = futures::future::join_all(commits).await;
        let mut won = Vec::new();
        for (page, done) in pages.iter().zip(done) {
            match done {
                Ok(_) => won.push(page.page.position.cursor().clone()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Superseded),
            }
        }
        assert_eq!(won.len(), 1, "{} commits from one cursor won", won.len());
        b.cursor = won.pop();
        assert_eq!(ok(b.store.cursor(&b.source).await), b.cursor);
        assert_eq!(b.counted().await.0, round + 1);
    }
}

/// Starting the feed over forgets where it stood and nothing else.
pub async fn a_restarted_feed_keeps_its_records<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    b.reconcile("1", 1, None).await;
    ok(b.store.restart_feed(&b.source, b.epoch).await);
    assert_eq!(ok(b.store.cursor(&b.source).await), None);
    assert_eq!(b.counted().await, (1, 0));
    let before = b.page(vec![person("2")], &[]);
    refused(b.store.commit_page(before).await, "a page of the old feed");
    b.cursor = None;
    assert_eq!(b.commit(vec![person("1")], &[]).await.unchanged, 1);
    assert_eq!(b.due().await, []);
}
