//! Where a recall stands on a given day.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::model::Recall;
use crate::policy::Skip;

/// How pressing a recall is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// The due date is near.
    DueSoon,
    /// The due date is here.
    DueNow,
    /// The due date is well past.
    Overdue,
    /// The due date is so long past that the patient counts as lost.
    Lapsed,
}

impl Segment {
    /// As it stands in settings, keys and contracts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DueSoon => "due_soon",
            Self::DueNow => "due_now",
            Self::Overdue => "overdue",
            Self::Lapsed => "lapsed",
        }
    }

    /// The managed tag, unless the office maps the segment itself.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::DueSoon => "odx-recall-due-soon",
            Self::DueNow => "odx-recall-due-now",
            Self::Overdue => "odx-recall-overdue",
            Self::Lapsed => "odx-recall-lapsed",
        }
    }
}

/// The days on which a recall moves from one segment to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Due soon from so many days before the due date.
    pub due_soon_days: u32,
    /// Due now from so many days before the due date.
    pub due_now_days: u32,
    /// Overdue from so many days after the due date.
    pub overdue_days: u32,
    /// Lapsed from so many days after the due date.
    pub lapsed_days: u32,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            due_soon_days: 30,
            due_now_days: 0,
            overdue_days: 30,
            lapsed_days: 365,
        }
    }
}

/// Where a recall stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Wanted, in a segment, or in none yet because it is far off.
    Open(NaiveDate, Option<Segment>),
    /// Not wanted now, and why.
    Closed(Skip),
}

/// The days on which a recall moves from one segment to the next.
pub(super) fn boundaries(recall: &Recall, windows: &Windows) -> impl Iterator<Item = NaiveDate> {
    let due = recall.due;
    let before = move |days: u32| due?.checked_sub_days(Days::new(days.into()));
    let after = move |days: u32| due?.checked_add_days(Days::new(days.into()));
    [
        before(windows.due_soon_days),
        before(windows.due_now_days),
        after(windows.overdue_days),
        after(windows.lapsed_days),
    ]
    .into_iter()
    .flatten()
}

/// Where a recall of an active patient stands on `today`, and the first later
/// day on which that would change by itself.
pub fn classify(
    recall: &Recall,
    today: NaiveDate,
    windows: &Windows,
) -> (Standing, Option<NaiveDate>) {
    if recall.disabled {
        return (Standing::Closed(Skip::RecallDisabled), None);
    }
    if recall.scheduled.is_some() {
        // A visit that was never set complete still counts as booked, as it does on the practice's own list.
        return (Standing::Closed(Skip::RecallScheduled), None);
    }
    if recall.held_for_balance {
        return (Standing::Closed(Skip::RecallHeldForBalance), None);
    }
    if let Some(day) = recall.snoozed_until.filter(|day| *day > today) {
        return (Standing::Closed(Skip::RecallSnoozed), Some(day));
    }
    let Some(due) = recall.due else {
        return (Standing::Closed(Skip::RecallWithoutDate), None);
    };
    let before = |days: u32| due.checked_sub_days(Days::new(days.into()));
    let after = |days: u32| due.checked_add_days(Days::new(days.into()));
    let steps = [
        (before(windows.due_soon_days), Segment::DueSoon),
        (before(windows.due_now_days), Segment::DueNow),
        (after(windows.overdue_days), Segment::Overdue),
        (after(windows.lapsed_days), Segment::Lapsed),
    ];
    let mut segment = None;
    let mut again = None;
    for (from, step) in steps {
        match from {
            Some(from) if from > today => {
                again = Some(from);
                break;
            }
            // Before the calendar begins: long since reached.
            _ => segment = Some(step),
        }
    }
    (Standing::Open(due, segment), again)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(offset: i64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 20).unwrap() + chrono::TimeDelta::days(offset)
    }

    fn due(offset: i64) -> Recall {
        crate::testkit::recall("1", "1", Some(day(offset)))
    }

    fn segment(recall: &Recall) -> Option<Segment> {
        match classify(recall, day(0), &Windows::default()).0 {
            Standing::Open(_, segment) => segment,
            Standing::Closed(why) => panic!("{why:?}"),
        }
    }

    #[test]
    fn a_recall_walks_from_far_off_to_lapsed() {
        assert_eq!(segment(&due(31)), None);
        assert_eq!(segment(&due(30)), Some(Segment::DueSoon));
        assert_eq!(segment(&due(1)), Some(Segment::DueSoon));
        assert_eq!(segment(&due(0)), Some(Segment::DueNow));
        assert_eq!(segment(&due(-29)), Some(Segment::DueNow));
        assert_eq!(segment(&due(-30)), Some(Segment::Overdue));
        assert_eq!(segment(&due(-364)), Some(Segment::Overdue));
        assert_eq!(segment(&due(-365)), Some(Segment::Lapsed));
    }

    #[test]
    fn a_snoozed_recall_shows_again_on_the_day_itself() {
        let mut recall = due(0);
        recall.snoozed_until = Some(day(1));
        let (standing, again) = classify(&recall, day(0), &Windows::default());
        assert_eq!(
            (standing, again),
            (Standing::Closed(Skip::RecallSnoozed), Some(day(1)))
        );
        recall.snoozed_until = Some(day(0));
        assert_eq!(segment(&recall), Some(Segment::DueNow));
    }

    proptest! {
        /// The promise that lets the engine look at nobody else.
        #[test]
        fn segments_over_900_days_move_exactly_on_their_again_day(
            offset in -400i64..500,
            snooze in prop::option::of(0i64..900),
            soon in 0u32..90, now in 0u32..30, over in 0u32..200, lapse in 0u32..500,
        ) {
            let mut recall = due(offset);
            recall.snoozed_until = snooze.map(day);
            let windows = Windows {
                due_soon_days: soon + now, due_now_days: now, overdue_days: over, lapsed_days: over + lapse,
            };
            let (mut standing, mut again) = classify(&recall, day(0), &windows);
            for step in 1..=900 {
                let (next, next_again) = classify(&recall, day(step), &windows);
                let expected = again == Some(day(step));
                prop_assert_eq!(next != standing, expected, "day {}", step);
                prop_assert!(next_again.is_none_or(|d| d > day(step)));
                standing = next;
                again = next_again;
            }
        }
    }
}
