//! Pulls pages, commits records and cursor in one transaction, again.

use std::time::{Duration, Instant};

use crate::engine::follow::Stop;
use crate::engine::{Event, Pipeline, RunReport};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::{broken, reach};
use crate::push::DeliveryId;
use crate::source::{Cursor, Extent, Page, Position, PullRequest};
use crate::store::{Epoch, PageCommit};

/// Pages after which a pass is taken for one that never ends: more than any
/// practice has at 100 rows a page.
const MOST_PAGES: u32 = 1_000_000;
/// Pages that come faster than this are stored together: a commit costs more
/// than they do. A page that was waited for is stored at once.
const QUICK: Duration = Duration::from_millis(25);

/// Reads one source.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pipeline: &'a Pipeline,
    epoch: Epoch,
    /// Where the feed stands after the last page that was pulled.
    cursor: Option<Cursor>,
    /// What was pulled and is not stored yet, and where the feed stood before.
    held: Option<(Option<Cursor>, Page)>,
    /// The deliveries that the held page says.
    delivered: Vec<DeliveryId>,
    extent: Extent,
}

impl<'a> Reader<'a> {
    pub(super) fn new(pipeline: &'a Pipeline, epoch: Epoch, extent: Extent) -> Self {
        Self {
            pipeline,
            epoch,
            cursor: None,
            held: None,
            delivered: Vec::new(),
            extent,
        }
    }

    /// Whether the feed has begun.
    pub(super) const fn is_begun(&self) -> bool {
        self.cursor.is_some()
    }

    pub(super) const fn set_extent(&mut self, extent: Extent) {
        self.extent = extent;
    }

    /// Reads from where the feed stands to the end of the pass, or to a stop.
    pub(super) async fn pass(&mut self, report: &mut RunReport, stop: &Stop) -> Result<()> {
        let Pipeline { source, store, .. } = self.pipeline;
        self.resume().await?;
        for _ in 0..MOST_PAGES {
            self.hear(report).await?;
            let request = PullRequest::after(self.cursor.clone()).with_extent(self.extent);
            let began = Instant::now();
            let pulled = tokio::select! {
                pulled = source.pull(request) => pulled,
                // Cancel safe: only a commit remembers.
                () = stop.wait() => return self.store(report).await,
            };
            let page = match pulled {
                Ok(page) => page,
                Err(error) => {
                    self.store(report).await?;
                    if error.kind() != ErrorKind::CursorExpired || self.cursor.is_none() {
                        return Err(error);
                    }
                    // Safe: ingest is idempotent, records stay.
                    tracing::warn!(source = %source.id(), "the cursor expired; the feed starts over");
                    reach("restart.before");
                    store.restart_feed(source.id(), self.epoch).await?;
                    reach("restart.after_commit");
                    self.cursor = None;
                    continue;
                }
            };
            let caught_up = matches!(page.position, Position::CaughtUp(_));
            let ends = caught_up || !page.swept.is_empty() || began.elapsed() >= QUICK;
            let rows = self.hold(page);
            if ends || rows >= self.pipeline.schedule.rows_together || stop.is_set() {
                self.store(report).await?;
            }
            if caught_up || stop.is_set() {
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorKind::Protocol,
            "the source's list has no end",
        ))
    }

    /// Applies what the practice has sent by itself. Between two pages, never
    /// beside one: what a page was asked for before it came is older than that.
    /// True: the feed is to look at something at once.
    pub(super) async fn hear(&mut self, report: &mut RunReport) -> Result<bool> {
        let Pipeline {
            source,
            store,
            schedule,
            ..
        } = self.pipeline;
        let Some(push) = source.push() else {
            return Ok(false);
        };
        let mut more = false;
        loop {
            // Before the feed has begun there is nothing that news could be news to.
            let (Some(cursor), deliveries) = (
                self.cursor.clone(),
                store.inbox(source.id(), schedule.rows_together).await?,
            ) else {
                return Ok(false);
            };
            if deliveries.is_empty() {
                return Ok(more);
            }
            self.store(report).await?;
            for delivery in deliveries {
                let from = self.cursor.as_ref().unwrap_or(&cursor);
                let page = match push.told(&delivery, from) {
                    Ok(page) => page,
                    // The pull that follows finds the same, and starts the feed over.
                    Err(error) if error.kind() == ErrorKind::CursorExpired => {
                        self.store(report).await?;
                        return Ok(true);
                    }
                    Err(error) => {
                        // The feed brings what it said.
                        self.pipeline.problem(report, &error, None);
                        Page {
                            changes: Vec::new(),
                            swept: Vec::new(),
                            position: Position::CaughtUp(from.clone()),
                        }
                    }
                };
                more |= matches!(page.position, Position::More(_));
                self.delivered.push(delivery.id());
                if self.hold(page) >= schedule.rows_together {
                    self.store(report).await?;
                }
            }
            self.store(report).await?;
        }
    }

    /// Where the feed stands is read from the state again: somebody else may
    /// have moved it, and after a failed commit nobody knows.
    pub(super) async fn resume(&mut self) -> Result<()> {
        let Pipeline { source, store, .. } = self.pipeline;
        self.cursor = store.cursor(source.id()).await?;
        self.held = None;
        self.delivered.clear();
        Ok(())
    }

    /// Keeps a page for the next commit. Returns how many rows wait for it.
    fn hold(&mut self, page: Page) -> usize {
        let before = self.cursor.replace(page.position.cursor().clone());
        match &mut self.held {
            Some((_, held)) => {
                held.changes.extend(page.changes);
                held.swept = page.swept;
                held.position = page.position;
                held.changes.len()
            }
            none => none.insert((before, page)).1.changes.len(),
        }
    }

    /// Stores what is held, and the cursor with it.
    async fn store(&mut self, report: &mut RunReport) -> Result<()> {
        let Some((from, mut page)) = self.held.take() else {
            return Ok(());
        };
        if broken("broken.page") {
            page.changes.clear();
        }
        let Pipeline {
            source,
            store,
            office,
            clock,
            observer,
            brake,
            ..
        } = self.pipeline;
        let rows = u64::try_from(page.changes.len()).unwrap_or(u64::MAX);
        let now = clock.now();
        reach("page.before");
        let outcome = store
            .commit_page(PageCommit {
                source: source.id().clone(),
                epoch: self.epoch,
                from,
                page,
                today: office.today(now),
                now,
                brake: *brake,
                delivered: std::mem::take(&mut self.delivered),
            })
            .await?;
        reach("page.after_commit");
        report.add_page(rows, &outcome);
        observer.event(&Event::Read { rows: report.read });
        Ok(())
    }
}
