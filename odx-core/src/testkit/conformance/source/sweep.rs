//! Complete listings: what a `Swept` claims.

use super::feed::{Feed, Pass, expect};
use super::harness::SourceHarness;
use super::people::edited;
use super::practice::{Practice, assert_nothing};
use crate::source::Extent;
use crate::testkit::SourceFault;
use crate::testkit::conformance::not_checked;

/// A `Swept` stands only where a complete listing of its kind ends: every record
/// of the kind was shown in that pass before it, in first passes, in passes over
/// changes and in quiet ones. A source that does not list claims nothing.
pub async fn a_sweep_has_shown_everything_of_its_kind<H: SourceHarness>() {
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    let mut passes = vec![feed.pass(Extent::Changes).await];
    passes.push(feed.pass(Extent::Changes).await);
    for round in 0..2 {
        for pass in passes.drain(..) {
            assert_whole(&practice, &feed, &pass);
        }
        practice.later();
        for kind in practice.kinds() {
            let rows = practice.free(kind);
            if let (Some(one), Some(other)) = (rows.first(), rows.last()) {
                practice.put(edited(one, round)).await;
                practice.delete(&other.key()).await;
            }
        }
        practice
            .harness
            .advance(std::time::Duration::from_secs(48 * 3600));
        passes.push(feed.pass(Extent::Changes).await);
        passes.push(feed.pass(Extent::Everything).await);
    }
    for pass in &passes {
        assert_whole(&practice, &feed, pass);
    }
    // A feed that was begun, left and begun again: pages that were thrown away do
    // not count.
    feed.cursor = None;
    feed.some(1, Extent::Changes).await;
    feed.cursor = None;
    let again = feed.pass(Extent::Changes).await;
    assert_whole(&practice, &feed, &again);
}

fn assert_whole<H: SourceHarness>(practice: &Practice<H>, feed: &Feed, pass: &Pass) {
    pass.assert_sweeps_are_whole(&practice.there, "in a pass over a practice at rest");
    if !feed.source.capabilities().sweeps {
        assert_eq!(
            pass.swept().len(),
            0,
            "a sweep is claimed by a source that says it does not list everything"
        );
    }
}

/// Asked for everything, a source that sweeps shows every record again and ends
/// each kind with a `Swept`. With one that does not, asking does no harm.
pub async fn everything_is_listed_and_swept_on_demand<H: SourceHarness>() {
    const CHECK: &str = "everything_is_listed_and_swept_on_demand";
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice
        .harness
        .advance(std::time::Duration::from_secs(48 * 3600));
    feed.pass(Extent::Changes).await;
    for _ in 0..2 {
        practice
            .harness
            .advance(std::time::Duration::from_secs(48 * 3600));
        let listing = feed.pass(Extent::Everything).await;
        if !feed.source.capabilities().sweeps {
            not_checked(
                CHECK,
                "the source does not say that it lists everything on demand",
            );
            continue;
        }
        assert_everything(&practice, &listing, "asked for everything");
    }
    practice.assert_shown(&feed.shown, "after listings on demand");
}

fn assert_everything<H: SourceHarness>(practice: &Practice<H>, listing: &Pass, when: &str) {
    let shown = listing.keys();
    let mut wrong: Vec<String> = practice
        .there
        .keys()
        .filter(|key| !shown.contains(key))
        .map(|key| format!("{key:?} was not listed"))
        .collect();
    let swept = listing.swept();
    wrong.extend(
        practice
            .kinds()
            .into_iter()
            .filter(|kind| !swept.contains(kind))
            .map(|kind| format!("no listing of {} ended", kind.plural())),
    );
    assert_nothing(wrong, when);
    listing.assert_sweeps_are_whole(&practice.there, when);
}

/// How much to read is heeded where a pass begins, and a pass that is under way
/// ends as it began, whatever is asked for then.
pub async fn the_extent_counts_where_a_pass_begins<H: SourceHarness>() {
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    let sweeps = feed.source.capabilities().sweeps;
    feed.pass(Extent::Changes).await;
    for (begin, go_on) in [
        (Extent::Everything, Extent::Changes),
        (Extent::Changes, Extent::Everything),
        (Extent::Everything, Extent::Changes),
    ] {
        practice
            .harness
            .advance(std::time::Duration::from_secs(48 * 3600));
        let mut pass = feed.some(1, begin).await;
        if !pass.ended() {
            pass = pass.and(feed.pass(go_on).await);
        }
        let when = format!("in a pass that began with {begin:?} and went on with {go_on:?}");
        pass.assert_sweeps_are_whole(&practice.there, &when);
        if sweeps && begin == Extent::Everything {
            assert_everything(&practice, &pass, &when);
        }
    }
}

/// A read that failed ends no listing, and the pass that goes on after it has
/// shown everything before it claims so.
pub async fn a_failed_pass_never_sweeps<H: SourceHarness>() {
    const CHECK: &str = "a_failed_pass_never_sweeps";
    for fault in [SourceFault::Down, SourceFault::Cut, SourceFault::Nonsense] {
        for extent in [Extent::Changes, Extent::Everything] {
            let practice = Practice::<H>::seeded().await;
            let mut feed = Feed::of(&practice);
            if extent == Extent::Everything {
                feed.pass(Extent::Changes).await;
                practice.later();
            }
            let mut pass = Pass::default();
            while !pass.ended() {
                feed.assert_ends(pass.pages.len());
                if !practice.fails(CHECK, fault).await {
                    break;
                }
                if let Ok(page) = feed.pull(extent).await {
                    assert!(
                        page.swept.is_empty(),
                        "a page that could not be read ({fault:?}) claims to end a listing"
                    );
                    feed.take(&page);
                    pass.pages.push(page);
                    practice.harness.recover().await;
                    continue;
                }
                practice.harness.recover().await;
                let page = expect(feed.pull(extent).await);
                feed.take(&page);
                pass.pages.push(page);
            }
            pass.assert_sweeps_are_whole(&practice.there, &format!("with {fault:?} at each page"));
        }
    }
}
