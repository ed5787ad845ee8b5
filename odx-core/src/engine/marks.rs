//! What a run leaves in the state for operators: that reading fails, that the
//! first import began and ended, what a round came to. None of it decides
//! anything.

use super::{Event, Pipeline, RunReport};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::reach;
use crate::id::SinkId;
use crate::ops::{Imported, Trouble, import};

impl Pipeline {
    /// Before the first page: the clock of the first import starts.
    pub(super) async fn note_begun(&self) -> Result<()> {
        let known = self.store.outreach();
        let source = self.source.id();
        if known.kept(source, import::BEGUN).await?.is_none() {
            let now = self.clock.now().to_rfc3339();
            known.keep(source, import::BEGUN, &now).await?;
        }
        Ok(())
    }

    /// How reading went: failures in a row, for whoever asks from outside. A
    /// state that cannot be written says so elsewhere.
    pub(super) async fn note_reading(&self, end: std::result::Result<(), (&Error, u32)>) {
        let known = self.store.outreach();
        let source = self.source.id();
        let Ok(before) = known.kept(source, Trouble::KEPT).await else {
            return;
        };
        let before = before.and_then(|text| serde_json::from_str::<Trouble>(&text).ok());
        let trouble = match end {
            Ok(()) => match before {
                Some(before) if before.failures > 0 => Trouble::default(),
                _ => return,
            },
            Err((error, failures)) => {
                let before = before.filter(|before| before.failures > 0);
                Trouble {
                    failures: before
                        .as_ref()
                        .map_or(failures, |before| failures.max(before.failures + 1)),
                    since: before
                        .and_then(|before| before.since)
                        .or_else(|| Some(self.clock.now())),
                    what: Some(error.chain()),
                }
            }
        };
        if let Ok(text) = serde_json::to_string(&trouble) {
            drop(known.keep(source, Trouble::KEPT, &text).await);
        }
    }

    /// Keeps the report of a round in which something happened.
    pub(super) async fn note_run(&self, report: &RunReport) {
        if report.changed + report.gone + report.sent + report.told == 0 {
            return;
        }
        if let Ok(text) = serde_json::to_string(report) {
            let kept = self
                .store
                .record_run(self.source.id(), report.finished, &text)
                .await;
            drop(kept);
        }
    }

    /// After a round at a sink: says once, for ever, that everybody who was known
    /// has been brought there. `told` spares the state the question.
    pub(super) async fn note_imported(
        &self,
        sink: &SinkId,
        told: &mut bool,
        report: &RunReport,
    ) -> Result<()> {
        if *told {
            return Ok(());
        }
        let known = self.store.outreach();
        let source = self.source.id();
        let name = import::done_at(sink);
        if known.kept(source, &name).await?.is_some() {
            *told = true;
            return Ok(());
        }
        let progress = known.progress(sink).await?;
        let read = self.store.last_seen(source).await?.success.is_some();
        if !read || progress.done < progress.all {
            return Ok(());
        }
        let now = self.clock.now();
        let begun = known.kept(source, import::BEGUN).await?;
        let begun = begun.and_then(|text| text.parse().ok());
        let counts = self.store.counts(source, sink).await?;
        let aside = known.aside(sink, usize::MAX).await?;
        let imported = Imported::of(now, begun, &counts, &aside, report.unchanged);
        let text = serde_json::to_string(&imported)
            .map_err(|_| Error::new(ErrorKind::Bug, "an import could not be written as json"))?;
        reach("imported.before");
        // Kept first: told at most once.
        known.keep(source, &name, &text).await?;
        *told = true;
        self.observer.event(&Event::Imported {
            sink,
            imported: &imported,
        });
        Ok(())
    }
}
