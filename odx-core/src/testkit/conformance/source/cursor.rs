//! Cursors: that they alone say where a feed stands.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use serde_json::Value;

use super::feed::{Feed, expect, expect_error, poll_at_most, through_json};
use super::harness::SourceHarness;
use super::practice::{Practice, START, assert_nothing, compare};
use crate::error::ErrorKind;
use crate::id::PatientKey;
use crate::model::RecordKind;
use crate::source::{Cursor, Extent, PullRequest};
use crate::testkit::SourceFault;
use crate::testkit::conformance::not_checked;

/// Pulling a cursor again is always allowed and skips nothing: neither when the
/// second answer is the one that counts, nor when the first is.
pub async fn the_same_cursor_twice_loses_nothing<H: SourceHarness>() {
    let practice = Practice::<H>::seeded().await;
    for second_counts in [true, false] {
        for extent in [Extent::Changes, Extent::Everything] {
            let mut feed = Feed::of(&practice);
            for pages in 1.. {
                feed.assert_ends(pages);
                let first = expect(feed.pull(extent).await);
                let second = expect(feed.pull(extent).await);
                if feed.take(if second_counts { &second } else { &first }) {
                    break;
                }
            }
            practice.assert_shown(
                &feed.shown,
                if second_counts {
                    "with every cursor pulled twice and the first answers thrown away"
                } else {
                    "with every cursor pulled twice and the second answers thrown away"
                },
            );
        }
    }
}

/// A store keeps a cursor as JSON, the process ends, and a fresh client goes on
/// from there: it loses nothing, and does not begin again either.
pub async fn cursor_survives_json_and_a_restart<H: SourceHarness>() {
    const CHECK: &str = "cursor_survives_json_and_a_restart";
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    assert!(
        !Arc::ptr_eq(&practice.harness.source(), &practice.harness.source()),
        "SourceHarness::source must build a fresh client each time"
    );
    let mut pages = 1;
    while {
        let page = feed.pull(Extent::Changes).await;
        !feed.take(&expect(page))
    } {
        pages += 1;
        feed.assert_ends(pages);
        feed = feed.restarted(&practice);
    }
    practice.assert_shown(&feed.shown, "with a restart after every page");
    let whole = Feed::of(&practice).pass(Extent::Changes).await.pages.len();
    if whole <= 3 {
        not_checked(
            CHECK,
            "a pass has too few pages to see whether it begins again",
        );
    } else {
        let mut halfway = Feed::of(&practice);
        halfway.some(whole - 1, Extent::Changes).await;
        let rest = halfway.restarted(&practice).pass(Extent::Changes).await;
        assert!(
            rest.pages.len() < whole,
            "after {} of {whole} pages and a restart the pass took {} more: it began again",
            whole - 1,
            rest.pages.len()
        );
    }
    practice.later();
    for kind in practice.kinds() {
        practice.put(practice.record(kind, 301)).await;
    }
    let mut feed = feed.restarted(&practice);
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "after a restart between two passes");
}

/// The process ends after page k, for every k, and what changed meanwhile is
/// read as well.
pub async fn resuming_after_any_page_loses_nothing<H: SourceHarness>() {
    for extent in [Extent::Changes, Extent::Everything] {
        for pages in 0.. {
            let mut practice = Practice::<H>::seeded().await;
            let mut feed = Feed::of(&practice);
            let begun = feed.some(pages, extent).await;
            let mut feed = feed.restarted(&practice);
            if begun.ended() {
                break;
            }
            // The practice goes on meanwhile.
            let before = practice.there.clone();
            for kind in practice.kinds() {
                practice.put(practice.record(kind, 301)).await;
            }
            let whole = begun.and(feed.pass(extent).await);
            let when = format!("in a pass resumed after {pages} pages");
            assert_nothing(compare(&before, &feed.shown), &when);
            whole.assert_sweeps_are_whole(&before, &when);
            practice.later();
            for kind in practice.kinds() {
                practice.put(practice.record(kind, 302)).await;
            }
            feed.pass(Extent::Changes).await;
            practice.assert_shown(
                &feed.shown,
                &format!("in the pass after one that was resumed after {pages} pages"),
            );
            feed.assert_ends(pages);
        }
    }
}

/// Text that is no cursor of this source, or one of another version, is
/// `CursorExpired`: never a panic, and never silently the beginning.
pub async fn a_foreign_cursor_expires<H: SourceHarness>() {
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    let mut own = vec![feed.step(Extent::Changes).await.position.cursor().clone()];
    feed.pass(Extent::Changes).await;
    own.extend(feed.cursor.clone());
    let mut foreign: Vec<String> = [
        "",
        " ",
        "not a cursor",
        "null",
        "[]",
        "{}",
        "\"\"",
        "{\"feed\": \"of another system\", \"at\": \"2031-01-01\"}",
        "{\"v\": 4000000, \"version\": 4000000}",
        "\u{fffd}\u{0}",
    ]
    .map(str::to_owned)
    .to_vec();
    for cursor in &own {
        foreign.extend(spoiled(cursor));
    }
    for text in foreign {
        let request = PullRequest::after(Some(Cursor::new(text.clone())));
        let source = Arc::clone(&feed.source);
        let answer = AssertUnwindSafe(async move { source.pull(request).await })
            .catch_unwind()
            .await;
        match answer {
            Err(_) => panic!("the cursor {text:?} makes the source panic"),
            Ok(Ok(_)) => panic!("the foreign cursor {text:?} is read as if it were its own"),
            Ok(Err(error)) => assert_eq!(
                error.kind(),
                ErrorKind::CursorExpired,
                "the foreign cursor {text:?}"
            ),
        }
    }
    // The engine starts over.
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "after starting over");
}

/// A cursor of its own that was cut or comes from another version. Nothing is
/// made of one that is not JSON: half a number may be a number.
fn spoiled(own: &Cursor) -> Vec<String> {
    let text = own.as_str();
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    let half = text.char_indices().nth(text.chars().count() / 2);
    let mut all = vec![format!("{text}}}")];
    all.extend(half.and_then(|(at, _)| text.get(..at)).map(str::to_owned));
    for name in ["v", "version"] {
        if let Some(version) = fields.get(name).and_then(Value::as_u64) {
            let mut fields = fields.clone();
            fields.insert(name.to_owned(), (version + 1).into());
            all.push(Value::Object(fields).to_string());
        }
    }
    all
}

/// A position that the practice no longer knows is `CursorExpired`.
pub async fn a_forgotten_position_expires<H: SourceHarness>() {
    const CHECK: &str = "a_forgotten_position_expires";
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    if !practice.fails(CHECK, SourceFault::Forgot).await {
        return;
    }
    let error = expect_error(
        feed.pull(Extent::Changes).await,
        "a pull of a forgotten position",
    );
    assert_eq!(error.kind(), ErrorKind::CursorExpired, "{}", error.chain());
    practice.harness.recover().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "after starting over");
}

/// A call that is dropped before it answers, at any moment, has changed nothing:
/// the same call again, with the same client, skips no row.
pub async fn a_dropped_call_changes_nothing<H: SourceHarness>() {
    let practice = Practice::<H>::seeded().await;
    let patient = PatientKey::new(practice.native(RecordKind::Patient, START));
    for extent in [Extent::Changes, Extent::Everything] {
        for polls in 0..10 {
            let mut feed = Feed::of(&practice);
            let mut pages = 0;
            loop {
                pages += 1;
                feed.assert_ends(pages);
                let request = PullRequest::after(feed.cursor.as_ref().map(through_json));
                let call = feed.source.pull(request.with_extent(extent));
                let _: Option<_> = poll_at_most(polls, call).await;
                let _: Option<_> = poll_at_most(polls, feed.source.refresh(&patient)).await;
                let _: Option<_> = poll_at_most(polls, feed.source.probe()).await;
                let page = expect(feed.pull(extent).await);
                if feed.take(&page) {
                    break;
                }
            }
            practice.assert_shown(
                &feed.shown,
                &format!("with every call dropped once after {polls} polls"),
            );
        }
    }
}
