//! Passes: that they end, and that they show everything.

use std::time::Duration;

use super::feed::Feed;
use super::harness::SourceHarness;
use super::people::edited;
use super::practice::{Practice, START};
use crate::model::Record;
use crate::source::Extent;
use crate::testkit::conformance::not_checked;

/// A pull without a cursor begins a feed, and its first pass shows every row.
pub async fn a_first_pass_without_a_cursor_shows_everything<H: SourceHarness>() {
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "after the first pass");
}

/// Every pass ends, also one that finds nothing new, and the practice of the
/// harness needs more than one page.
pub async fn paging_ends<H: SourceHarness>() {
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    let first = feed.pass(Extent::Changes).await;
    if practice.harness.page_size() == usize::MAX {
        not_checked(
            "paging_ends",
            "the harness says that one page holds everything",
        );
    } else {
        assert!(
            first.pages.len() > 1,
            "{} rows came in one page: start the practice with small pages, and say in \
             SourceHarness::page_size how small",
            first.upserts()
        );
    }
    for _ in 0..3 {
        practice.later();
        feed.pass(Extent::Changes).await;
    }
    feed.pass(Extent::Everything).await;
}

/// An empty practice has an end as well, and its first rows are not missed.
pub async fn an_empty_practice_is_read_and_its_first_rows_too<H: SourceHarness>() {
    let mut practice = Practice::<H>::start().await;
    let mut feed = Feed::of(&practice);
    for _ in 0..2 {
        let pass = feed.pass(Extent::Changes).await;
        assert_eq!(pass.keys().len(), 0, "an empty practice shows rows");
        practice.later();
    }
    for kind in practice.kinds() {
        practice.put(practice.record(kind, START)).await;
        feed.pass(Extent::Changes).await;
        practice.assert_shown(&feed.shown, "after the first row of a kind");
    }
}

/// `CaughtUp` is said only when all that had changed before has been shown, also
/// when more has changed than a page holds.
pub async fn caught_up_means_that_everything_was_shown<H: SourceHarness>() {
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    for round in 1..=3 {
        practice.later();
        for record in practice.there.clone().values() {
            practice.put(edited(record, round)).await;
        }
        practice.later();
        feed.pass(Extent::Changes).await;
        practice.assert_shown(&feed.shown, "after a pass over many changes");
    }
}

/// A pull without a cursor begins again, also in the middle of a pass and with a
/// client that has read before: where a feed stands is in the cursor alone.
pub async fn starting_over_shows_everything_again<H: SourceHarness>() {
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    for pages in [0, 1, 2, usize::MAX] {
        feed.some(pages.min(200), Extent::Changes).await;
        let mut again = Feed::of(&practice);
        again.source = feed.source.clone();
        again.pass(Extent::Changes).await;
        practice.assert_shown(&again.shown, "after starting over with the same client");
    }
}

/// More rows than a page holds carry one change stamp: none is lost where a page
/// ends among them, neither in the first pass nor in later ones.
pub async fn rows_with_one_stamp_across_a_page_border_are_all_shown<H: SourceHarness>() {
    let mut practice = Practice::<H>::seeded_at_once().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "after a first pass over rows with one stamp");
    practice.later();
    for record in practice.there.clone().values() {
        practice.put(edited(record, 1)).await;
    }
    practice.later();
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "after a pass over changes with one stamp");
}

/// A row is written, read, and something is written in the same second: the same
/// row again, another one, a new one. Stamps of whole seconds cannot tell them
/// apart, so the reader must not trust them to.
pub async fn two_updates_in_one_second_are_both_read<H: SourceHarness>() {
    let mut practice = Practice::<H>::seeded().await;
    practice.stop_the_clock();
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.later();
    let kinds = practice.kinds();
    for round in 1..=3 {
        for kind in &kinds {
            let rows: Vec<Record> = practice.free(*kind).into_iter().take(2).collect();
            if let Some(record) = rows.first() {
                practice.put(edited(record, round)).await;
            }
            feed.pass(Extent::Changes).await;
            practice.assert_shown(&feed.shown, "after one update in a second");
            for record in &rows {
                practice.put(edited(record, round + 10)).await;
            }
            practice.put(practice.record(*kind, 300 + round)).await;
            feed.pass(Extent::Changes).await;
            practice.assert_shown(&feed.shown, "after a second update in the same second");
        }
    }
}

/// A row may become visible some seconds after its stamp, when its transaction
/// ends: a reader that has been past that stamp must look back.
pub async fn a_row_that_becomes_visible_late_is_read<H: SourceHarness>() {
    const CHECK: &str = "a_row_that_becomes_visible_late_is_read";
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.later();
    for kind in practice.kinds() {
        let Some(record) = practice.free(kind).into_iter().next() else {
            continue;
        };
        practice.put(edited(&record, 1)).await;
        feed.pass(Extent::Changes).await;
        let late = practice.record(kind, 301);
        let by = Duration::from_secs(3);
        if !practice
            .harness
            .put_late(late.clone(), by)
            .await
            .or_say(CHECK)
        {
            return;
        }
        feed.pass(Extent::Changes).await;
        let key = late.key();
        assert!(
            feed.shown.contains_key(&key),
            "{key:?} became visible 3 s after its stamp and was not read"
        );
    }
}

/// The practice's clock falls back an hour: stamps written in the hour that comes
/// twice are older than those already read, and the changes are read all the same.
pub async fn a_clock_that_falls_back_hides_no_change<H: SourceHarness>() {
    const CHECK: &str = "a_clock_that_falls_back_hides_no_change";
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.later();
    feed.pass(Extent::Changes).await;
    for kind in practice.kinds() {
        if let Some(record) = practice.free(kind).first() {
            practice.put(edited(record, 1)).await;
        }
    }
    feed.pass(Extent::Changes).await;
    let hour = Duration::from_secs(3600);
    if !practice.harness.turn_back(hour).await.or_say(CHECK) {
        return;
    }
    for round in 2..4 {
        for kind in practice.kinds() {
            if let Some(record) = practice.free(kind).first() {
                practice.put(edited(record, round)).await;
            }
            practice.put(practice.record(kind, 300 + round)).await;
        }
        feed.pass(Extent::Changes).await;
        practice.assert_shown(&feed.shown, "after the clock fell back");
        practice.harness.advance(Duration::from_secs(60));
    }
}

/// The only change for days is of the last row of its kind. A page on which
/// nothing changed is not the end of a list.
pub async fn a_change_far_down_the_list_is_read<H: SourceHarness>() {
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    let day = Duration::from_secs(24 * 3600);
    for round in 1..=2 {
        for kind in practice.kinds() {
            // Long enough that a look back in time shows none of the others.
            practice.harness.advance(day);
            feed.pass(Extent::Changes).await;
            practice.harness.advance(day);
            let last = practice
                .there
                .values()
                .rfind(|record| record.kind() == kind);
            let Some(record) = last.map(|record| edited(record, round)) else {
                continue;
            };
            practice.put(record).await;
            practice.later();
            feed.pass(Extent::Changes).await;
            practice.assert_shown(&feed.shown, "after only the last row of a list changed");
        }
    }
}

/// Many passes over a practice at work end where one pass over its end ends.
pub async fn in_steps_equals_at_once<H: SourceHarness>() {
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    let kinds = practice.kinds();
    for round in 0..6_u32 {
        // Sometimes in the middle of a pass.
        if round % 2 == 1 {
            feed.some(1, Extent::Changes).await;
        }
        for kind in &kinds {
            let rows = practice.free(*kind);
            let turn = usize::try_from(round).unwrap_or(0);
            if let Some(record) = rows.iter().cycle().nth(turn * 3) {
                practice.put(edited(record, round)).await;
            }
            if let Some(record) = rows.iter().rev().cycle().nth(turn) {
                practice.delete(&record.key()).await;
            }
            practice.put(practice.record(*kind, 400 + round)).await;
            practice.put(practice.record(*kind, 1 + round)).await;
        }
        practice.later();
        feed.pass(Extent::Changes).await;
        practice.later();
    }
    // What changed in the middle of a pass may be left to the next.
    feed.pass(Extent::Changes).await;
    let mut at_once = Feed::of(&practice);
    at_once.pass(Extent::Changes).await;
    practice.assert_shown(&at_once.shown, "read at once");
    practice.assert_shown(&feed.shown, "read in steps");
}

/// An incremental source does not show all rows of a quiet practice in pass after
/// pass. Some may be shown again, and some kinds always.
pub async fn a_quiet_practice_is_not_listed_for_ever<H: SourceHarness>() {
    const CHECK: &str = "a_quiet_practice_is_not_listed_for_ever";
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    if !feed.source.capabilities().incremental {
        return not_checked(CHECK, "the source does not say that it is incremental");
    }
    if practice.harness.extent_of_changes() == Extent::Everything {
        return not_checked(CHECK, "every pass of this harness lists everything");
    }
    let day = Duration::from_secs(24 * 3600);
    let first = feed.pass(Extent::Changes).await.upserts();
    // One more listing may be owed, for rows that moved during the first.
    practice.harness.advance(day);
    feed.pass(Extent::Changes).await;
    practice.harness.advance(day);
    let third = feed.pass(Extent::Changes).await.upserts();
    assert!(
        third < first,
        "nothing changed for two days, and the third pass still shows {third} rows of {first}; if \
         the source looks back by time, implement SourceHarness::advance"
    );
}
