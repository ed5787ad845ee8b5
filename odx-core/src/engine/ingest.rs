//! Pulls a page, commits records and cursor in one transaction, again.

use crate::engine::follow::Stop;
use crate::engine::{Event, Pipeline, RunReport};
use crate::error::{Error, ErrorKind, Result};
use crate::source::{Cursor, Extent, Position, PullRequest};
use crate::store::{Epoch, PageCommit};

/// Pages after which a pass is taken for one that never ends: more than any
/// practice has at 100 rows a page.
const MOST_PAGES: u32 = 1_000_000;

/// Reads one source.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pipeline: &'a Pipeline,
    epoch: Epoch,
    cursor: Option<Cursor>,
    extent: Extent,
}

impl<'a> Reader<'a> {
    pub(super) fn new(pipeline: &'a Pipeline, epoch: Epoch, extent: Extent) -> Self {
        Self {
            pipeline,
            epoch,
            cursor: None,
            extent,
        }
    }

    pub(super) const fn set_extent(&mut self, extent: Extent) {
        self.extent = extent;
    }

    /// Reads from where the feed stands to the end of the pass, or to a stop.
    pub(super) async fn pass(&mut self, report: &mut RunReport, stop: &Stop) -> Result<()> {
        // As it was stored: after a failed commit nobody else knows whether it was.
        self.cursor = self
            .pipeline
            .store
            .cursor(self.pipeline.source.id())
            .await?;
        let Pipeline {
            source,
            store,
            office,
            clock,
            observer,
            brake,
            ..
        } = self.pipeline;
        for _ in 0..MOST_PAGES {
            let request = PullRequest::after(self.cursor.clone()).with_extent(self.extent);
            let pulled = tokio::select! {
                pulled = source.pull(request) => pulled,
                // Cancel safe: only the commit below remembers.
                () = stop.wait() => return Ok(()),
            };
            let page = match pulled {
                Ok(page) => page,
                Err(error) if error.kind() == ErrorKind::CursorExpired && self.cursor.is_some() => {
                    // Safe: ingest is idempotent, records stay.
                    tracing::warn!(source = %source.id(), "the cursor expired; the feed starts over");
                    store.restart_feed(source.id(), self.epoch).await?;
                    self.cursor = None;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let rows = u64::try_from(page.changes.len()).unwrap_or(u64::MAX);
            let position = page.position.clone();
            let now = clock.now();
            let outcome = store
                .commit_page(PageCommit {
                    source: source.id().clone(),
                    epoch: self.epoch,
                    from: self.cursor.clone(),
                    page,
                    today: office.today(now),
                    now,
                    brake: *brake,
                })
                .await?;
            self.cursor = Some(position.cursor().clone());
            report.add_page(rows, &outcome);
            observer.event(&Event::Read { rows: report.read });
            if matches!(position, Position::CaughtUp(_)) || stop.is_set() {
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorKind::Protocol,
            "the source's list has no end",
        ))
    }
}
