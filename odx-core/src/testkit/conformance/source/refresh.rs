//! `refresh` when something is wrong: with one of its requests, or with a row.

use super::feed::{Feed, expect};
use super::harness::SourceHarness;
use super::practice::{Practice, START, assert_nothing};
use crate::error::ErrorKind;
use crate::id::PatientKey;
use crate::model::{RecordKey, RecordKind};
use crate::source::Change;
use crate::testkit::SourceFault;

/// Whichever of the requests of a `refresh` fails: the answer is an error, or it
/// is whole. Part of a patient looks like a patient whose other recalls are gone.
pub async fn a_refresh_that_fails_half_way_is_no_answer<H: SourceHarness>() {
    const CHECK: &str = "a_refresh_that_fails_half_way_is_no_answer";
    let mut practice = Practice::<H>::seeded().await;
    let many = practice.page() + 2;
    for n in 0..many {
        practice.put(practice.recall(301 + n, START)).await;
        practice.put(practice.visit(301 + n, START)).await;
    }
    let mut feed = Feed::of(&practice);
    feed.pass(crate::source::Extent::Changes).await;
    let key = PatientKey::new(practice.native(RecordKind::Patient, START));
    let before = feed.source.requests();
    expect(feed.source.refresh(&key).await);
    // A guess where they are not counted.
    let requests = match feed.source.requests().saturating_sub(before) {
        0 => 8,
        counted => counted.min(60),
    };
    let mut expected = practice.about(&key);
    // Those may come by another way.
    expected.retain(|key, _| key.kind() != RecordKind::OptOut);
    for fault in [SourceFault::Down, SourceFault::Cut] {
        for good in 0..requests {
            if !practice.harness.fail_after(good, fault).await.or_say(CHECK) {
                return;
            }
            let answer = feed.source.refresh(&key).await;
            practice.harness.recover().await;
            match answer {
                Ok(changes) => {
                    let shown: Vec<RecordKey> = changes.iter().filter_map(upserted).collect();
                    let missing = expected.keys().filter(|key| !shown.contains(key));
                    assert_nothing(
                        missing.map(|key| format!("{key:?} is missing")).collect(),
                        &format!("refreshed with {fault:?} after {good} requests"),
                    );
                }
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Protocol),
                    "{fault:?} after {good} requests of a refresh is {:?}: {}",
                    error.kind(),
                    error.chain()
                ),
            }
        }
    }
}

fn upserted(change: &Change) -> Option<RecordKey> {
    match change {
        Change::Upsert(record) => Some(record.key()),
        _ => None,
    }
}

/// A patient whose own row cannot be read is told as `Unreadable`, or `refresh`
/// fails: never nobody, and never gone.
pub async fn a_refresh_says_when_the_patient_cannot_be_read<H: SourceHarness>() {
    const CHECK: &str = "a_refresh_says_when_the_patient_cannot_be_read";
    let mut practice = Practice::<H>::seeded().await;
    let Some(record) = practice.free(RecordKind::Patient).into_iter().nth(1) else {
        return;
    };
    let key = PatientKey::new(record.native());
    if !practice.spoil(CHECK, record).await {
        return;
    }
    let source = practice.harness.source();
    if let Ok(changes) = source.refresh(&key).await {
        let told = changes.iter().any(|change| match change {
            Change::Unreadable(bad) => {
                bad.kind == RecordKind::Patient && bad.native == key.native()
            }
            _ => false,
        });
        let gone = changes
            .iter()
            .any(|change| matches!(change, Change::Gone(_)));
        assert!(!gone, "{key:?} cannot be read and was called gone");
        assert!(told, "{key:?} cannot be read, and refresh shows nobody");
    }
}
