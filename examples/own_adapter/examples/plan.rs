//! Reads a journal and prints what a CRM would be told. Nothing is sent.

use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::Arc;

use odx_core::engine::{Event, Observer, Pipeline};
use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::store::MemoryStore;
use odx_core::testkit::MemorySink;
use odx_core::{Mode, Office, OfficeId, SinkId, SourceId};
use own_adapter::Chairside;

#[derive(Debug)]
struct Printed;

impl Observer for Printed {
    fn event(&self, event: &Event<'_>) {
        if let Event::Planned { id, action, .. } = event {
            println!("would {action:?} {id}");
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/practice.jsonl");
    let journal = std::env::args().nth(1).unwrap_or_else(|| sample.to_owned());
    let source = Chairside::new(SourceId::new("chair", "main-st")?, journal.into());
    let zone = "America/New_York".parse()?;
    let pipeline = Pipeline::builder(Arc::new(source))
        .policy(RecallPolicy::new(RecallSettings::default())?)
        .sink(Arc::new(MemorySink::new(
            SinkId::new("none", "main-st")?,
            NonZeroUsize::MIN,
        )))
        .state(Arc::new(MemoryStore::new()))
        .office(Office::new(OfficeId::new("main-st")?, "Main Street", zone))
        .observer(Arc::new(Printed))
        .build()?;
    let report = pipeline.run_once(Mode::DryRun).await?;
    println!(
        "{} rows read, {} unreadable",
        report.read, report.unreadable
    );
    Ok(())
}
