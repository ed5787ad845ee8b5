//! What goes wrong, and who must act.

use std::time::Duration;

use super::feed::{Feed, Pass, expect, expect_error};
use super::harness::SourceHarness;
use super::practice::{Practice, START};
use crate::error::{Disposition, Error, ErrorKind};
use crate::id::PatientKey;
use crate::model::RecordKind;
use crate::source::{Extent, PracticeSource};
use crate::testkit::SourceFault;
use crate::testkit::conformance::not_checked;

/// A key that is refused needs a person: halt, with a kind that says so, and not
/// another try. When the key is accepted again, reading goes on.
pub async fn bad_credentials_halt<H: SourceHarness>() {
    const CHECK: &str = "bad_credentials_halt";
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    // With a fresh client, and in the middle of a pass.
    for _ in 0..2 {
        if !practice.fails(CHECK, SourceFault::BadKey).await {
            return;
        }
        let error = expect_error(feed.pull(Extent::Changes).await, "a refused key");
        assert!(
            matches!(error.kind(), ErrorKind::Credentials | ErrorKind::Permission),
            "a refused key is {:?} ({:?}), not Credentials (Halt): {}",
            error.kind(),
            error.disposition(),
            error.chain()
        );
        practice.harness.recover().await;
        feed.step(Extent::Changes).await;
    }
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "after the key was accepted again");
}

/// Asked to slow down, the source says for how long; where the practice does not
/// say, it is a retry all the same.
pub async fn a_slow_down_carries_its_wait<H: SourceHarness>() {
    const CHECK: &str = "a_slow_down_carries_its_wait";
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.step(Extent::Changes).await;
    for seconds in [Some(7), Some(90), None] {
        let after = seconds.map(Duration::from_secs);
        if !practice.fails(CHECK, SourceFault::SlowDown(after)).await {
            return;
        }
        let error = expect_error(feed.pull(Extent::Changes).await, "a request to slow down");
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{}", error.chain());
        if after.is_some() {
            assert_eq!(
                error.disposition(),
                Disposition::Retry { after },
                "the wait that was asked for is lost"
            );
        }
        practice.harness.recover().await;
    }
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "after being asked to slow down");
}

/// An answer that was cut, or that is something else altogether, is a failed read
/// at every page: to be tried again, never a page without rows, never the end.
pub async fn a_cut_answer_is_retried_and_is_never_no_rows<H: SourceHarness>() {
    const CHECK: &str = "a_cut_answer_is_retried_and_is_never_no_rows";
    fails_at_every_page::<H>(CHECK, SourceFault::Cut, CUT).await;
    fails_at_every_page::<H>(CHECK, SourceFault::Nonsense, CUT).await;
}

/// No connection, or a practice that answers that it failed, is tried again, at
/// every page.
pub async fn an_outage_is_retried<H: SourceHarness>() {
    const CHECK: &str = "an_outage_is_retried";
    fails_at_every_page::<H>(CHECK, SourceFault::Down, DOWN).await;
    fails_at_every_page::<H>(CHECK, SourceFault::ServerError, DOWN).await;
}

/// Kinds that fit. `CursorExpired` is a retry as well, and would start the feed
/// over for nothing.
const CUT: &[ErrorKind] = &[ErrorKind::Protocol, ErrorKind::Unavailable];
const DOWN: &[ErrorKind] = &[ErrorKind::Unavailable];

fn assert_retry(error: &Error, fault: SourceFault, kinds: &[ErrorKind]) {
    assert!(
        kinds.contains(&error.kind()),
        "{fault:?} is {:?} ({:?}) and should be one of {kinds:?}: {}",
        error.kind(),
        error.disposition(),
        error.chain()
    );
}

async fn fails_at_every_page<H: SourceHarness>(
    check: &str,
    fault: SourceFault,
    kinds: &[ErrorKind],
) {
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    for pages in 0.. {
        feed.assert_ends(pages);
        if !practice.fails(check, fault).await {
            return;
        }
        let error = expect_error(feed.pull(Extent::Changes).await, &format!("{fault:?}"));
        assert_retry(&error, fault, kinds);
        practice.harness.recover().await;
        // Every other time the process is restarted before it tries again.
        if pages % 2 == 1 {
            feed = feed.restarted(&practice);
        }
        let page = expect(feed.pull(Extent::Changes).await);
        if feed.take(&page) {
            break;
        }
    }
    practice.assert_shown(&feed.shown, &format!("with {fault:?} before every page"));
}

/// `refresh` of a patient that cannot be read is an error with the same meaning,
/// not a patient without recalls.
pub async fn a_failed_refresh_is_never_an_empty_patient<H: SourceHarness>() {
    const CHECK: &str = "a_failed_refresh_is_never_an_empty_patient";
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.step(Extent::Changes).await;
    let key = PatientKey::new(practice.native(RecordKind::Patient, START));
    for (fault, kinds) in FAULTS {
        if !practice.fails(CHECK, *fault).await {
            continue;
        }
        let answer = feed.source.refresh(&key).await;
        let error = expect_error(answer, &format!("refresh with {fault:?}"));
        assert_retry(&error, *fault, kinds);
        practice.harness.recover().await;
        expect(feed.source.refresh(&key).await);
    }
}

const FAULTS: &[(SourceFault, &[ErrorKind])] = &[
    (SourceFault::Down, DOWN),
    (SourceFault::ServerError, DOWN),
    (SourceFault::Cut, CUT),
    (SourceFault::Nonsense, CUT),
    (
        SourceFault::BadKey,
        &[ErrorKind::Credentials, ErrorKind::Permission],
    ),
];

/// `probe` is for a person who sets the practice up: it must not say that all is
/// well when nothing can be read.
pub async fn a_probe_says_when_the_practice_cannot_be_read<H: SourceHarness>() {
    const CHECK: &str = "a_probe_says_when_the_practice_cannot_be_read";
    let practice = Practice::<H>::seeded().await;
    let source = practice.harness.source();
    expect(source.probe().await);
    for fault in [SourceFault::Down, SourceFault::BadKey] {
        if !practice.fails(CHECK, fault).await {
            continue;
        }
        let error = expect_error(source.probe().await, &format!("probe with {fault:?}"));
        let halts = error.disposition() == Disposition::Halt;
        assert_eq!(
            halts,
            fault == SourceFault::BadKey,
            "probe with {fault:?} is {:?}: {}",
            error.kind(),
            error.chain()
        );
        practice.harness.recover().await;
        expect(source.probe().await);
    }
}

/// A call that fails costs no more requests than one that works: the engine
/// waits and tries again. A client that does so as well multiplies every outage,
/// and asks again where it was asked to wait.
pub async fn only_the_engine_tries_again<H: SourceHarness>() {
    const CHECK: &str = "only_the_engine_tries_again";
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    let before = feed.source.requests();
    feed.step(Extent::Changes).await;
    let cost = feed.source.requests().saturating_sub(before);
    if cost == 0 {
        return not_checked(CHECK, "the source counts no requests");
    }
    let wait = SourceFault::SlowDown(Some(Duration::from_secs(7)));
    for fault in [SourceFault::Down, SourceFault::ServerError, wait] {
        if !practice.fails(CHECK, fault).await {
            continue;
        }
        let feed = Feed::of(&practice);
        let before = feed.source.requests();
        expect_error(feed.pull(Extent::Changes).await, &format!("{fault:?}"));
        let spent = feed.source.requests().saturating_sub(before);
        practice.harness.recover().await;
        assert!(
            spent <= cost,
            "{fault:?}: the source tried again by itself: {spent} requests where {cost} are usual"
        );
    }
}

/// Whichever of the requests of a pass is the one that fails, the pass shows
/// everything in the end, and sweeps only what it has shown.
pub async fn whichever_request_fails_nothing_is_lost<H: SourceHarness>() {
    const CHECK: &str = "whichever_request_fails_nothing_is_lost";
    let practice = Practice::<H>::seeded().await;
    let source = practice.harness.source();
    let requests = cost(&practice, source.as_ref()).await;
    for fault in [SourceFault::Down, SourceFault::Cut] {
        for good in 0..requests {
            let practice = Practice::<H>::seeded().await;
            let mut feed = Feed::of(&practice);
            if !practice.harness.fail_after(good, fault).await.or_say(CHECK) {
                return;
            }
            let mut pass = Pass::default();
            let mut errors = 0;
            while !pass.ended() {
                feed.assert_ends(pass.pages.len() + errors);
                match feed.pull(Extent::Changes).await {
                    Ok(page) => {
                        feed.take(&page);
                        pass.pages.push(page);
                    }
                    Err(error) => {
                        assert_retry(&error, fault, CUT);
                        errors += 1;
                        practice.harness.recover().await;
                    }
                }
            }
            let when = format!("with {fault:?} after {good} requests");
            practice.assert_shown(&feed.shown, &when);
            pass.assert_sweeps_are_whole(&practice.there, &when);
        }
    }
}

/// Requests of a first pass, or a guess where they are not counted.
async fn cost<H: SourceHarness>(practice: &Practice<H>, source: &dyn PracticeSource) -> u64 {
    let before = source.requests();
    let mut feed = Feed::of(practice);
    let own = feed.source.requests();
    let pages = feed.pass(Extent::Changes).await.pages.len();
    let counted = feed.source.requests().saturating_sub(own.max(before));
    if counted == 0 {
        not_checked(
            "whichever_request_fails_nothing_is_lost",
            "requests are not counted: as many are tried as there are pages",
        );
    }
    counted.max(u64::try_from(pages).unwrap_or(1)).min(60)
}
