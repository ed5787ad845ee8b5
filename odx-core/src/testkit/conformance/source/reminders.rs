//! What the practice itself has sent.

use super::feed::{Feed, Pass};
use super::harness::SourceHarness;
use super::people::{edited, every_reminder};
use super::practice::Practice;
use crate::model::{Record, RecordKind};
use crate::source::Extent;
use crate::testkit::SourceFault;
use crate::testkit::conformance::not_checked;

/// A practice with somebody to remind.
async fn with_reminders<H: SourceHarness>(check: &str) -> Option<Practice<H>> {
    let mut practice = Practice::<H>::start().await;
    if !practice.has(RecordKind::Reminder) {
        not_checked(
            check,
            "the harness names no reminders among the kinds of its practice",
        );
        return None;
    }
    if practice.harness.wall_clock().is_none() {
        not_checked(check, "the harness does not implement wall_clock");
        return None;
    }
    for n in 201..207 {
        practice.put(practice.patient(n)).await;
    }
    Some(practice)
}

/// A reminder of these days is read as it was written, by each way and for each
/// use: in a first pass, in the pass after it was written or edited, after a
/// restart, and when the feed starts over. What the practice sent long ago need not
/// be shown, and what was shown need not be listed again.
pub async fn a_reminder_is_read_as_it_was_written<H: SourceHarness>() {
    const CHECK: &str = "a_reminder_is_read_as_it_was_written";
    let Some(mut practice) = with_reminders::<H>(CHECK).await else {
        return;
    };
    let at = practice.wall_clock();
    for reminder in every_reminder(|kind, n| practice.native(kind, n), at) {
        practice.put(Record::Reminder(reminder)).await;
    }
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "among reminders");
    for round in 0..3 {
        practice.later();
        let at = practice.wall_clock();
        // More than a page of new ones, and one that was edited.
        for n in 0..=practice.page() {
            let number = 301 + round * 100 + n;
            practice.put(practice.reminder(number, 201, at)).await;
        }
        if let Some(record) = practice.free(RecordKind::Reminder).first() {
            practice.put(edited(record, round)).await;
        }
        feed = feed.restarted(&practice);
        feed.pass(Extent::Changes).await;
        practice.assert_shown(&feed.shown, "among new reminders");
    }
    practice.later();
    feed.pass(Extent::Everything).await;
    practice.assert_shown(&feed.shown, "asked for everything");
    let mut again = Feed::of(&practice);
    again.pass(Extent::Changes).await;
    practice.assert_shown(&again.shown, "started over");
}

/// Whichever request of a pass fails, no reminder is lost: who was reached today
/// must not be reached again for that.
pub async fn whichever_request_fails_no_reminder_is_lost<H: SourceHarness>() {
    const CHECK: &str = "whichever_request_fails_no_reminder_is_lost";
    for good in 0..20 {
        let Some(mut practice) = with_reminders::<H>(CHECK).await else {
            return;
        };
        let mut feed = Feed::of(&practice);
        feed.pass(Extent::Changes).await;
        practice.later();
        let at = practice.wall_clock();
        for n in 0..=practice.page() {
            practice.put(practice.reminder(301 + n, 201, at)).await;
        }
        let fault = SourceFault::Down;
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
                Err(_) => {
                    errors += 1;
                    practice.harness.recover().await;
                }
            }
        }
        practice.harness.recover().await;
        let when = format!("with a failure after {good} requests");
        practice.assert_shown(&feed.shown, &when);
    }
}
