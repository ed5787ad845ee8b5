//! Rows that move while a list is being paged.
//!
//! What is promised: a record that is there, unchanged, from the beginning of one
//! pass to the end of the next is shown in one of the two, even if rows move in
//! both. Where both end in a sweep of its kind, that is what keeps a record that
//! is there from being taken for gone.

use std::collections::BTreeSet;

use super::feed::{Feed, Pass};
use super::harness::SourceHarness;
use super::people::edited;
use super::practice::{Practice, Records, assert_nothing, compare};
use crate::model::{Record, RecordKey, RecordKind};
use crate::source::{Change, Extent};
use crate::testkit::conformance::{Supported, not_checked};

#[derive(Clone, Copy)]
enum Drift {
    Remove,
    Insert,
    Touch,
}

/// A row that was already shown is deleted before the next page: the rows after
/// it move up, and none may slip past.
pub async fn rows_removed_while_paging_hide_nobody<H: SourceHarness>() {
    drift::<H>("rows_removed_while_paging_hide_nobody", Drift::Remove).await;
}

/// A row appears before those already shown: the rows after it move down.
pub async fn rows_inserted_while_paging_hide_nobody<H: SourceHarness>() {
    drift::<H>("rows_inserted_while_paging_hide_nobody", Drift::Insert).await;
}

/// A row that was already shown is edited: where a list goes by change stamp it
/// moves to the end, and the rows after it move up.
pub async fn rows_touched_while_paging_hide_nobody<H: SourceHarness>() {
    drift::<H>("rows_touched_while_paging_hide_nobody", Drift::Touch).await;
}

/// After every page in turn, twice: the second pass must not miss what the first
/// missed.
async fn drift<H: SourceHarness>(check: &str, how: Drift) {
    let practice = Practice::<H>::seeded().await;
    let pages = Feed::of(&practice).pass(Extent::Changes).await.pages.len();
    if pages < 2 {
        return not_checked(
            check,
            "one page holds everything: no row can move between two",
        );
    }
    for after in 1..pages {
        let practice = Practice::<H>::seeded().await;
        let mut moved = Moved {
            still: practice.there.clone(),
            practice,
            removed: None,
            how,
            round: 0,
        };
        let when = format!("while rows moved after page {after}");
        let mut feed = Feed::of(&moved.practice);
        for _ in 0..2 {
            moved.pass(&mut feed, after, Extent::Changes).await;
        }
        assert_nothing(compare(&moved.still, &feed.shown), &when);
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.push(moved.pass(&mut feed, after, Extent::Everything).await);
        }
        moved.assert_no_live_record_is_swept_away(&seen, &when);
        moved.put_back().await;
        moved.practice.later();
        feed.pass(Extent::Changes).await;
        moved
            .practice
            .assert_shown(&feed.shown, &format!("in the quiet pass after {when}"));
    }
}

struct Moved<H> {
    practice: Practice<H>,
    /// What nobody touches.
    still: Records,
    removed: Option<Record>,
    how: Drift,
    round: u32,
}

impl<H: SourceHarness> Moved<H> {
    /// A pass in which a row moves after `after` pages.
    async fn pass(&mut self, feed: &mut Feed, after: usize, extent: Extent) -> Pass {
        self.put_back().await;
        self.practice.later();
        let begun = feed.some(after, extent).await;
        if begun.ended() {
            return begun;
        }
        self.move_a_row(&begun).await;
        begun.and(feed.pass(extent).await)
    }

    async fn put_back(&mut self) {
        if let Some(record) = self.removed.take() {
            self.practice.put(record).await;
        }
    }

    async fn move_a_row(&mut self, begun: &Pass) {
        self.round += 1;
        let Some(kind) = last_kind(begun) else { return };
        let shown = begun.keys();
        let first = self
            .practice
            .free(kind)
            .into_iter()
            .find(|record| shown.contains(&record.key()));
        match (self.how, first) {
            (Drift::Insert, _) => {
                let record = self.practice.record(kind, self.round);
                self.practice.put(record).await;
            }
            (_, None) => {}
            (Drift::Remove, Some(record)) => {
                self.still.remove(&record.key());
                self.practice.delete(&record.key()).await;
                if self.practice.harness.comes_back(kind) == Supported::Yes {
                    self.removed = Some(record);
                }
            }
            (Drift::Touch, Some(record)) => {
                self.still.remove(&record.key());
                self.practice.put(edited(&record, self.round)).await;
            }
        }
    }

    /// Absent from two complete listings in a row is what the engine takes for
    /// gone.
    fn assert_no_live_record_is_swept_away(&self, passes: &[Pass], when: &str) {
        let swept = |pass: &Pass, key: &RecordKey| pass.swept().contains(&key.kind());
        let shown: BTreeSet<RecordKey> = passes.iter().flat_map(Pass::keys).collect();
        let wrong = self
            .still
            .keys()
            .filter(|key| passes.iter().all(|pass| swept(pass, key)) && !shown.contains(key))
            .map(|key| format!("{key:?} is there and in neither of two complete listings"))
            .collect();
        assert_nothing(wrong, when);
    }
}

/// The kind whose list is being read.
fn last_kind(begun: &Pass) -> Option<RecordKind> {
    let kinds = begun.changes().filter_map(|change| match change {
        Change::Upsert(record) => Some(record.kind()),
        _ => None,
    });
    kinds.last()
}
