//! Rule 8 of the recall list: whoever was reminded is hidden for a while.

use chrono::{NaiveDate, TimeDelta};

use super::error::SimError;
use super::store::{Filter, Store};
use super::tables::RecallRow;
use super::tables_api::CommlogRow;

/// The reminders that count for one recall.
pub(crate) struct Reminders {
    count: i64,
    pub(crate) last: Option<NaiveDate>,
}

/// The office's preferences about reminders.
// apipreferences; -1 never, 0 never hidden; -1 = no maximum
pub(crate) struct Rules {
    pub(crate) first: i64,
    pub(crate) second: i64,
    pub(crate) most: i64,
}

impl Reminders {
    /// Recall-type comm logs of the patient dated after the row's `DatePrevious`,
    /// whatever recall type they were about.
    // recalllist; recallsetup
    pub(crate) fn of(store: &Store, recall: &RecallRow) -> Result<Self, SimError> {
        let mut filter = Filter::new();
        filter.with("PatNum = ?", recall.pat_num);
        filter.with(
            "substr(CommDateTime, 1, 10) > ?",
            recall.date_previous.clone(),
        );
        filter.only(
            "CommType IN (SELECT DefNum FROM definition WHERE Category = 27
             AND ItemValue = 'RECALL')",
        );
        let days: Vec<NaiveDate> = store
            .all::<CommlogRow>(&filter)?
            .iter()
            .filter_map(|row| row.comm_date_time.get(..10)?.parse().ok())
            .collect();
        Ok(Self {
            count: i64::try_from(days.len()).unwrap_or(i64::MAX),
            last: days.into_iter().max(),
        })
    }

    /// `NumRemind`: empty for none.
    // apirecalls, Recalls GET List
    pub(crate) fn number(&self) -> String {
        if self.count == 0 {
            return String::new();
        }
        self.count.to_string()
    }
}

impl Rules {
    // recallsetup: the first reminder is not counted against the maximum
    pub(crate) fn hide(&self, reminders: &Reminders, today: NaiveDate) -> bool {
        let Some(last) = reminders.last else {
            return false;
        };
        let again = match reminders.count {
            1 => self.first,
            count if self.most >= 0 && count > self.most => return true,
            _ => self.second,
        };
        if again < 0 {
            return true;
        }
        TimeDelta::try_days(again)
            .and_then(|days| last.checked_add_signed(days))
            .is_none_or(|shown| today < shown)
    }
}
