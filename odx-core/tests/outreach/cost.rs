//! What a quiet day costs follows who is due, and not the practice.

use std::sync::Arc;

use chrono::TimeDelta;
use odx_core::store::SqliteStore;

use crate::office::{Bench, adult};

/// 1,000 households, of which five come due tomorrow: tomorrow five are looked
/// at, by each of the two that look, and nobody else.
#[tokio::test]
async fn a_daily_run_looks_at_the_households_whose_day_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("odx.sqlite")).unwrap();
    let b = Bench::with(Arc::new(store));
    for n in 1..=1000_u32 {
        b.put(adult(n));
        let offset = if n <= 5 { 1 } else { 200 };
        b.due(&format!("r{n}"), &n.to_string(), offset);
    }
    let first = b.run().await;
    assert_eq!((first.told, first.households), (0, 1000));
    let same = b.run().await;
    assert_eq!((same.households, same.told, same.sent), (0, 0, 0));
    let calls = (b.texts.sent().len(), b.mails.sent().len());
    assert_eq!(calls, (0, 0));
    let next = b.later(TimeDelta::days(1)).await;
    assert_eq!((next.households, next.told), (5, 5));
}
