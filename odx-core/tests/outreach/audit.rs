//! S13: every disclosure can be accounted for.

use std::sync::Arc;

use chrono::TimeDelta;
use odx_core::store::SqliteStore;
use odx_core::store::outreach::AuditRow;
use odx_core::testkit::SinkFault;

use crate::office::{Bench, adult, source_id};
use crate::scenes;

fn file() -> (tempfile::TempDir, Bench) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("odx.sqlite")).unwrap();
    (folder, Bench::with(Arc::new(store)))
}

async fn rows(b: &Bench) -> Vec<AuditRow> {
    let store = b.store.outreach();
    store.audit(&source_id(), 0, 100_000).await.unwrap()
}

#[tokio::test]
async fn s13_rows_are_as_many_as_writes_and_messages() {
    scenes::accounted().await.unwrap();
}

#[tokio::test]
async fn s13_no_row_has_a_value_and_no_state_that_was_taken_is_without_one() {
    let (_folder, b) = file();
    for n in 1..=10 {
        b.put(adult(n));
    }
    b.sink.fail([
        SinkFault::Lost,
        SinkFault::FailedAfter,
        SinkFault::Cut,
        SinkFault::Half,
    ]);
    b.run().await;
    b.later(TimeDelta::minutes(10)).await;
    let rows = rows(&b).await;
    let subjects: std::collections::BTreeSet<_> = rows.iter().map(|row| &row.subject).collect();
    assert_eq!((subjects.len(), b.sink.contacts().len()), (10, 10));
    let text = format!("{rows:?}");
    for value in ["First1", "Last1", "555", "smile.co", "t:main-st:1"] {
        assert!(!text.contains(value), "{value}");
    }
    assert!(text.contains("consent,email,name,household,phone,tags"));
}
