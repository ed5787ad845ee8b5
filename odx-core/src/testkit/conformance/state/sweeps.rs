//! Complete listings: absence proves something only twice, under the brake.

use super::StateHarness;
use super::bench::{Bench, due_recall, ok, only, people, person};
use crate::id::PatientKey;
use crate::model::{RecordKey, RecordKind};
use crate::source::Change;

/// What one complete listing does not show may be gone; what two in a row do not
/// show is. It may come back.
pub async fn absence_from_one_listing_proves_nothing_from_two_it_does<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let all = [RecordKind::Patient];
    b.commit(vec![person("1"), person("2")], &all).await;
    b.reconcile("2", 1, None).await;
    b.reconcile("1", 1, None).await;
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 0);
    assert_eq!(b.due().await, []);
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 1);
    assert_eq!(b.due().await, [("2".to_owned(), 2)]);
    assert!(only(&b.household("2").await).patient.gone);
    // And back again.
    assert_eq!(b.commit(vec![person("2")], &[]).await.changed, 1);
    assert!(!only(&b.household("2").await).patient.gone);
}

/// Who was seen in between was not missing twice in a row.
pub async fn a_sighting_between_two_listings_starts_the_count_again<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let all = [RecordKind::Patient];
    b.commit(vec![person("1"), person("2")], &all).await;
    b.commit(vec![person("1")], &all).await;
    b.commit(vec![person("2")], &[]).await;
    // Seen since the last listing: not missed at all.
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 0);
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 0);
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 1);
}

/// A listing has shown what any of its pages showed.
pub async fn a_listing_over_several_pages_counts_as_one<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let all = [RecordKind::Patient];
    for _ in 0..3 {
        b.commit(vec![person("1")], &[]).await;
        let outcome = b.commit(vec![person("2")], &all).await;
        assert_eq!((outcome.gone, outcome.held), (0, 0));
    }
}

/// Where more would vanish than the brake lets go, nobody does, and it is said.
pub async fn more_than_the_brake_lets_go_stays<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let all = [RecordKind::Patient];
    b.commit(people(0, 10), &all).await;
    for _ in 0..4 {
        assert_eq!(b.commit(vec![], &all).await.gone, 0);
    }
    assert_eq!(b.commit(vec![], &all).await.held, 10);
    let counts = ok(b.store.counts(&b.source, &b.sink).await);
    assert_eq!(counts.patients, 10);
    // They come back: nothing was lost, nothing is held.
    assert_eq!(b.commit(people(0, 10), &all).await.held, 0);
}

/// Who was only seen is there, and is what they were; whom nobody knows stays
/// unknown.
pub async fn a_record_that_is_only_seen_is_not_missing<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let all = [RecordKind::Patient];
    b.commit(vec![person("1"), person("2")], &all).await;
    b.reconcile("1", 1, None).await;
    b.reconcile("2", 1, None).await;
    for _ in 0..3 {
        let seen = ["2", "9"].map(|key| Change::Seen(RecordKey::new(RecordKind::Patient, key)));
        let changes = std::iter::once(person("1")).chain(seen).collect();
        assert_eq!(b.commit(changes, &all).await.gone, 0);
    }
    assert_eq!(b.due().await, []);
    assert_eq!(ok(b.store.counts(&b.source, &b.sink).await).patients, 2);
}

/// What a patient's own list lacks counts as missing once. Where the source says
/// that something was removed, it is gone, and nobody else's is.
pub async fn what_a_patients_own_list_lacks_is_missed_or_where_that_was_told_gone<
    H: StateHarness,
>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let all = [RecordKind::Recall];
    let rows = || {
        vec![
            due_recall("r1", "1"),
            due_recall("r2", "1"),
            due_recall("r3", "2"),
        ]
    };
    b.commit(vec![person("1"), person("2")], &[]).await;
    b.commit(rows(), &all).await;
    let whole = |removed| Change::Whole {
        patient: PatientKey::new("1"),
        kind: RecordKind::Recall,
        keys: vec!["r1".to_owned()],
        removed,
    };
    assert_eq!(b.commit(vec![whole(false)], &[]).await.gone, 0);
    assert_eq!(b.commit(vec![whole(false)], &[]).await.gone, 0);
    // Missed by its patient's list and by a complete one: gone.
    let without = vec![due_recall("r1", "1"), due_recall("r3", "2")];
    assert_eq!(b.commit(without, &all).await.gone, 1);
    b.commit(rows(), &all).await;
    assert_eq!(b.commit(vec![whole(true)], &[]).await.gone, 1);
    assert_eq!(b.commit(vec![whole(true)], &[]).await.gone, 0);
    assert_eq!(ok(b.store.counts(&b.source, &b.sink).await).recalls, 2);
}
