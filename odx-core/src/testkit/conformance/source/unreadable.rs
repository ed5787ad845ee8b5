//! Rows that cannot be read.

use super::feed::Feed;
use super::harness::SourceHarness;
use super::people::{SPOILED, edited};
use super::practice::{Practice, assert_nothing};
use crate::model::{BadRecord, Record, RecordKey, RecordKind};
use crate::source::Extent;

/// Rows that cannot be read, at the beginning, in the middle and at the end of a
/// list, hide no other row: in a first pass, in a later one, in a listing.
pub async fn an_unreadable_row_hides_nobody<H: SourceHarness>() {
    const CHECK: &str = "an_unreadable_row_hides_nobody";
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.later();
    for kind in practice.kinds() {
        for record in some_of(&practice, kind) {
            if !practice.spoil(CHECK, record).await {
                return;
            }
            // In the same pass as it, before and after.
            for record in practice.free(kind) {
                practice.put(edited(&record, 5)).await;
            }
        }
        feed.pass(Extent::Changes).await;
        practice.assert_shown(&feed.shown, "in a pass with unreadable rows");
    }
    let mut first = Feed::of(&practice);
    first.pass(Extent::Changes).await;
    practice.assert_shown(&first.shown, "in a first pass with unreadable rows");
    let listing = feed.pass(Extent::Everything).await;
    listing.assert_sweeps_are_whole(&practice.there, "in a listing with unreadable rows");
}

/// Beginning, middle and end.
fn some_of<H: SourceHarness>(practice: &Practice<H>, kind: RecordKind) -> Vec<Record> {
    let rows = practice.free(kind);
    let places = [0, rows.len() / 2, rows.len().saturating_sub(1)];
    places
        .iter()
        .filter_map(|place| rows.get(*place).cloned())
        .collect()
}

/// A row that cannot be read is told as `Unreadable`, with its kind, its key, a
/// reason and the same hash each time; it is never passed over in silence, never
/// gone, and clears itself when the row is mended.
pub async fn an_unreadable_row_is_named_and_clears_itself<H: SourceHarness>() {
    const CHECK: &str = "an_unreadable_row_is_named_and_clears_itself";
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    for kind in practice.kinds() {
        practice.later();
        let Some(known) = practice.free(kind).into_iter().nth(2) else {
            continue;
        };
        let new = practice.record(kind, 305);
        for record in [known.clone(), new.clone()] {
            if !practice.spoil(CHECK, record).await {
                return;
            }
        }
        let keys = [known.key(), new.key()];
        let pass = feed.pass(Extent::Changes).await;
        let told: Vec<BadRecord> = keys
            .iter()
            .map(|key| find(&pass.unreadable(), key))
            .collect();
        let gone = pass.gone();
        assert_nothing(
            keys.iter()
                .filter(|key| gone.contains(key))
                .map(|key| format!("{key:?} cannot be read and was called gone"))
                .collect(),
            "in a pass with unreadable rows",
        );
        // Answers that hold the time differ from now on.
        practice.later();
        let again = Feed::of(&practice).pass(Extent::Changes).await;
        for (key, bad) in keys.iter().zip(&told) {
            assert!(!bad.reason.trim().is_empty(), "{key:?} has no reason");
            assert!(
                !bad.reason.contains(SPOILED),
                "the reason for {key:?} quotes the row"
            );
            assert_eq!(
                find(&again.unreadable(), key).hash,
                bad.hash,
                "the hash of {key:?} changes although the row does not"
            );
        }
        practice.later();
        for record in [known, new] {
            practice.put(record).await;
        }
        practice.later();
        let pass = feed.pass(Extent::Changes).await;
        practice.assert_shown(&feed.shown, "after the rows were mended");
        let shown = pass.keys();
        for key in &keys {
            assert!(shown.contains(key), "{key:?} was mended and is not shown");
            let still = pass.unreadable().into_iter().any(|bad| is(bad, key));
            assert!(!still, "{key:?} was mended and is still told as unreadable");
        }
    }
}

fn is(bad: &BadRecord, key: &RecordKey) -> bool {
    bad.kind == key.kind() && bad.native == key.native()
}

fn find(told: &[&BadRecord], key: &RecordKey) -> BadRecord {
    match told.iter().find(|bad| is(bad, key)) {
        Some(bad) => (*bad).clone(),
        None => panic!(
            "{key:?} cannot be read, and of {} unreadable rows told none is it",
            told.len()
        ),
    }
}
