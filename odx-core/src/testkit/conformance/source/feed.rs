//! Reads a feed the way the engine does, and keeps what it showed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::harness::SourceHarness;
use super::practice::{Practice, Records, assert_nothing};
use crate::error::{Error, Result};
use crate::model::{BadRecord, RecordKey, RecordKind};
use crate::source::{Change, Cursor, Extent, Page, Position, PracticeSource, PullRequest};

/// Longest wait for one answer: a call that never ends must not hang a test.
const LONGEST: Duration = Duration::from_secs(120);

/// One reader: a client, where it stands, and all that it was shown.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) source: Arc<dyn PracticeSource>,
    pub(super) cursor: Option<Cursor>,
    pub(super) shown: Records,
    /// Pages after which a pass is taken for one that never ends.
    most: usize,
    /// The extent of a pass that shows every change.
    changes: Extent,
}

/// The pages of one pass.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) pages: Vec<Page>,
}

impl Feed {
    /// A feed that has not begun.
    pub(super) fn of<H: SourceHarness>(practice: &Practice<H>) -> Self {
        Self {
            source: practice.harness.source(),
            cursor: None,
            shown: Records::new(),
            most: 200 + 20 * practice.there.len(),
            changes: practice.harness.extent_of_changes(),
        }
    }

    /// The same feed after a restart: a fresh client, and the cursor as a store
    /// would have kept it.
    pub(super) fn restarted<H: SourceHarness>(&self, practice: &Practice<H>) -> Self {
        Self {
            source: practice.harness.source(),
            cursor: self.cursor.as_ref().map(through_json),
            ..self.clone()
        }
    }

    /// Asks for the next page and goes nowhere.
    pub(super) async fn pull(&self, extent: Extent) -> Result<Page> {
        let extent = match extent {
            Extent::Changes => self.changes,
            everything => everything,
        };
        let request = PullRequest::after(self.cursor.clone()).with_extent(extent);
        match tokio::time::timeout(LONGEST, self.source.pull(request)).await {
            Ok(page) => page,
            Err(_) => panic!("pull did not answer within {LONGEST:?}"),
        }
    }

    /// Takes note of a page and moves on. True: the pass ends with it.
    pub(super) fn take(&mut self, page: &Page) -> bool {
        for change in &page.changes {
            match change {
                Change::Upsert(record) => {
                    self.shown.insert(record.key(), record.clone());
                }
                Change::Gone(key) => {
                    self.shown.remove(key);
                }
                Change::Told { .. } => panic!("a feed reads, only a delivery tells"),
                Change::Unreadable(_) | Change::Seen(_) | Change::Whole { .. } => {}
            }
        }
        self.cursor = Some(page.position.cursor().clone());
        matches!(page.position, Position::CaughtUp(_))
    }

    /// Reads one page.
    pub(super) async fn step(&mut self, extent: Extent) -> Page {
        let page = expect(self.pull(extent).await);
        self.take(&page);
        page
    }

    /// Reads to the end of the pass.
    pub(super) async fn pass(&mut self, extent: Extent) -> Pass {
        let mut pass = Pass::default();
        while !pass.ended() {
            pass.pages.push(self.step(extent).await);
            self.assert_ends(pass.pages.len());
        }
        pass
    }

    /// Reads at most this many pages.
    pub(super) async fn some(&mut self, pages: usize, extent: Extent) -> Pass {
        let mut pass = Pass::default();
        while pass.pages.len() < pages && !pass.ended() {
            pass.pages.push(self.step(extent).await);
        }
        pass
    }

    pub(super) fn assert_ends(&self, pages: usize) {
        assert!(
            pages < self.most,
            "the pass never ends: {pages} pages, and still more to come"
        );
    }
}

impl Pass {
    pub(super) fn ended(&self) -> bool {
        matches!(
            self.pages.last().map(|page| &page.position),
            Some(Position::CaughtUp(_))
        )
    }

    pub(super) fn and(mut self, more: Self) -> Self {
        self.pages.extend(more.pages);
        self
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.pages.iter().flat_map(|page| &page.changes)
    }

    pub(super) fn upserts(&self) -> usize {
        self.changes()
            .filter(|change| matches!(change, Change::Upsert(_)))
            .count()
    }

    /// Keys of the rows that were shown, readable or not.
    pub(super) fn keys(&self) -> BTreeSet<RecordKey> {
        self.changes().filter_map(shows).collect()
    }

    pub(super) fn gone(&self) -> Vec<RecordKey> {
        self.changes()
            .filter_map(|change| match change {
                Change::Gone(key) => Some(key.clone()),
                _ => None,
            })
            .collect()
    }

    pub(super) fn unreadable(&self) -> Vec<&BadRecord> {
        self.changes()
            .filter_map(|change| match change {
                Change::Unreadable(bad) => Some(bad),
                _ => None,
            })
            .collect()
    }

    pub(super) fn swept(&self) -> BTreeSet<RecordKind> {
        let swept = self.pages.iter().flat_map(|page| &page.swept);
        swept.map(|swept| swept.kind).collect()
    }

    /// Fails unless each sweep has shown all that is there of its kind.
    pub(super) fn assert_sweeps_are_whole(&self, there: &Records, when: &str) {
        let mut shown = BTreeSet::new();
        let mut wrong = Vec::new();
        for page in &self.pages {
            shown.extend(page.changes.iter().filter_map(shows));
            for swept in &page.swept {
                let of_kind = there.keys().filter(|key| key.kind() == swept.kind);
                wrong.extend(
                    of_kind
                        .filter(|key| !shown.contains(key))
                        .map(|key| format!("{key:?} was not shown before its kind was swept")),
                );
            }
        }
        assert_nothing(wrong, when);
    }
}

fn shows(change: &Change) -> Option<RecordKey> {
    match change {
        Change::Upsert(record) | Change::Told { record, .. } => Some(record.key()),
        Change::Unreadable(bad) => Some(RecordKey::new(bad.kind, bad.native.clone())),
        Change::Seen(key) => Some(key.clone()),
        Change::Gone(_) | Change::Whole { .. } => None,
    }
}

pub(super) fn expect<T>(answer: Result<T>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => panic!("{:?} where none was due: {}", error.kind(), error.chain()),
    }
}

/// The error of a call that had to fail.
pub(super) fn expect_error<T>(answer: Result<T>, what: &str) -> Error {
    match answer {
        Ok(_) => panic!(
            "{what} was answered as if nothing had failed: either the failure is hidden, or the \
             harness did not bring it about"
        ),
        Err(error) => error,
    }
}

/// As a store would keep it.
pub(super) fn through_json(cursor: &Cursor) -> Cursor {
    let text = match serde_json::to_string(cursor) {
        Ok(text) => text,
        Err(error) => panic!("the cursor cannot be written: {error}"),
    };
    match serde_json::from_str(&text) {
        Ok(cursor) => cursor,
        Err(error) => panic!("the cursor cannot be read back: {error}"),
    }
}

/// Polls a call at most so often, then drops it. None: it was dropped.
pub(super) async fn poll_at_most<T>(
    polls: usize,
    call: impl Future<Output = T> + Send,
) -> Option<T> {
    let mut call = std::pin::pin!(call);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            // The last poll has been made: there is nothing to wait for.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
