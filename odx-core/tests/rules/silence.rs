//! D15: silence is noticed.

use odx_core::testkit::SourceFault;

use crate::bench::Kind;
use crate::bench::silence::{
    Break, a_kind_is_not_listed, comes_back_while_followed, falls_silent, is_known_after_a_restart,
};

#[tokio::test(start_paused = true)]
async fn d15_a_practice_that_fails_is_told_once_within_two_intervals_and_no_other_is() {
    for fault in [SourceFault::Down, SourceFault::BadKey, SourceFault::Cut] {
        falls_silent(Break::Fails(fault)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn d15_a_practice_that_does_not_even_fail_is_told_as_well() {
    falls_silent(Break::Hangs).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn d15_each_silence_is_told_once_after_two_intervals_and_ends_when_the_practice_is_back() {
    comes_back_while_followed().await.unwrap();
}

#[tokio::test]
async fn d15_after_a_restart_the_age_is_still_known() {
    let folder = tempfile::tempdir().unwrap();
    is_known_after_a_restart(Kind::Sqlite, folder.path())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn d15_a_kind_that_is_not_listed_any_more_is_told_by_name() {
    a_kind_is_not_listed().await.unwrap();
}
