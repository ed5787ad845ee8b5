//! Where the reading of the lists of suppressions stands; pure.
//!
//! There is a list for each reason, read one page at a time, in order. A page after
//! the first begins one row early: if the row that was last is not there, something
//! was taken off the list and rows have moved up past us, so that list starts over.

use odx_core::ContentHash;
use odx_core::model::Email;
use odx_core::outreach::Address;
use odx_core::sink::{Suppression, SuppressionPage};
use odx_core::source::Cursor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Cause;
use crate::gateway::stop::stop;

/// Rows asked for at once.
pub(super) const PAGE: u64 = 500;

/// A pass looks back so far behind the beginning of the one before: rows are
/// stamped when they happened and listed a little later.
const OVERLAP: i64 = 3600;

/// A list that moved this often in one pass is given up for now.
const MOST_RESTARTS: u32 = 5;

/// The lists that have rows with a time, and what a row of each says.
const LISTS: [(&str, &str); 4] = [
    ("bounces", "hard_bounce"),
    ("spam_reports", "complaint"),
    ("unsubscribes", "unsubscribed"),
    ("invalid_emails", "invalid"),
];

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    v: u32,
    /// Rows since this second. None: all of them.
    from: Option<i64>,
    /// When this pass began.
    began: Option<i64>,
    /// Which list.
    list: usize,
    /// How many of its rows are read.
    rows: u64,
    /// Digest of the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    #[serde(default)]
    restarts: u32,
}

/// What to ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A page of a list with times.
    Rows {
        list: &'static str,
        from: Option<i64>,
        until: i64,
        offset: u64,
    },
    /// A group's list, which is whole.
    Group(u32),
}

impl Place {
    /// Reads a cursor of ours.
    pub(super) fn read(since: Option<&Cursor>) -> Result<Self, Cause> {
        let Some(cursor) = since else {
            return Ok(Self::start(None));
        };
        let place: Self = serde_json::from_str(cursor.as_str()).map_err(|_| Cause::Cursor)?;
        if place.v == 1 {
            Ok(place)
        } else {
            Err(Cause::Cursor)
        }
    }

    const fn start(from: Option<i64>) -> Self {
        Self {
            v: 1,
            from,
            began: None,
            list: 0,
            rows: 0,
            last: None,
            restarts: 0,
        }
    }

    fn keep(&self) -> Result<Cursor, Cause> {
        serde_json::to_string(self)
            .map(Cursor::new)
            .map_err(|_| Cause::Cursor)
    }

    /// What comes next. A pass begins `now`, unless it has.
    pub(super) fn ask(&mut self, groups: &[u32], now: i64) -> Result<Ask, Cause> {
        let until = *self.began.get_or_insert(now);
        if let Some((list, _)) = LISTS.get(self.list) {
            return Ok(Ask::Rows {
                list,
                from: self.from,
                until,
                offset: self.rows.saturating_sub(1),
            });
        }
        groups
            .get(self.list - LISTS.len())
            .map(|group| Ask::Group(*group))
            // A group less than when the pass began.
            .ok_or(Cause::Cursor)
    }

    /// Reads the answer to [`ask`](Self::ask).
    pub(super) fn page(mut self, answer: &Value, groups: &[u32]) -> Result<SuppressionPage, Cause> {
        let rows = answer.as_array().ok_or(Cause::Shapeless)?;
        let mut page = SuppressionPage {
            listed: true,
            ..SuppressionPage::default()
        };
        let (reason, ends) = match LISTS.get(self.list) {
            None => ("unsubscribed", true),
            Some((_, reason)) => {
                let early = u64::from(self.rows > 0);
                let first = rows.first().map(digest);
                if early == 1 && (first.is_none() || first != self.last) {
                    self.restart()?;
                    page.next = Some(self.keep()?);
                    page.more = true;
                    return Ok(page);
                }
                let read = u64::try_from(rows.len()).unwrap_or(u64::MAX);
                self.rows = self.rows.saturating_add(read.saturating_sub(early));
                self.last = rows.last().map(digest);
                // A short page is the last one, also where only the early row is on it.
                (*reason, read < PAGE)
            }
        };
        for row in rows {
            match read(row, reason) {
                Some(stop) => page.stops.push(stop),
                None => page.unreadable += 1,
            }
        }
        if ends {
            self.list += 1;
            self.rows = 0;
            self.last = None;
            self.restarts = 0;
        }
        page.more = self.list < LISTS.len() + groups.len();
        if !page.more {
            self = Self::start(self.began.map(|began| began.saturating_sub(OVERLAP)));
        }
        page.next = Some(self.keep()?);
        Ok(page)
    }

    fn restart(&mut self) -> Result<(), Cause> {
        self.restarts = self.restarts.saturating_add(1);
        if self.restarts > MOST_RESTARTS {
            return Err(Cause::Moving);
        }
        self.rows = 0;
        self.last = None;
        Ok(())
    }
}

/// An address, by itself or in a row.
fn address(row: &Value) -> Option<&str> {
    row.as_str().or_else(|| row.get("email")?.as_str())
}

fn digest(row: &Value) -> String {
    ContentHash::of(row.to_string().as_bytes()).to_wire()
}

fn read(row: &Value, reason: &str) -> Option<Suppression> {
    let email = Email::parse(address(row)?).ok()?;
    Some(stop(&Address::Email(email), reason))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(range: std::ops::Range<u64>) -> Value {
        range
            .map(|n| json!({"created": n, "email": format!("p{n}@smile.co")}))
            .collect()
    }

    #[test]
    fn a_list_that_lost_a_row_starts_over_and_one_that_moves_for_ever_is_an_error() {
        let mut place = Place::read(None).unwrap();
        place.ask(&[], 100).unwrap();
        let mut page = place.page(&rows(0..PAGE), &[]).unwrap();
        for _ in 0..MOST_RESTARTS {
            let mut place = Place::read(page.next.as_ref()).unwrap();
            let ask = place.ask(&[], 200).unwrap();
            assert!(matches!(ask, Ask::Rows { offset, until: 100, .. } if offset == PAGE - 1));
            let restarted = place.page(&rows(PAGE..PAGE + 3), &[]).unwrap();
            assert!(restarted.more && restarted.stops.is_empty());
            let place = Place::read(restarted.next.as_ref()).unwrap();
            page = place.page(&rows(0..PAGE), &[]).unwrap();
        }
        let place = Place::read(page.next.as_ref()).unwrap();
        assert_eq!(
            place.page(&rows(PAGE..PAGE + 3), &[]).unwrap_err(),
            Cause::Moving
        );
    }

    #[test]
    fn what_is_no_list_is_an_error_and_what_is_no_address_is_counted() {
        for bad in [json!({}), json!(null), json!({"errors": []}), json!("x")] {
            let place = Place::read(None).unwrap();
            assert_eq!(place.page(&bad, &[]).unwrap_err(), Cause::Shapeless);
        }
        let place = Place::read(None).unwrap();
        let page = place
            .page(
                &json!([{"email": "nobody"}, 7, {"email": "a@smile.co"}]),
                &[],
            )
            .unwrap();
        assert_eq!((page.unreadable, page.stops.len()), (2, 1));
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for bad in [
            "",
            "{}",
            "7",
            r#"{"v":2,"from":null,"began":null,"list":0,"rows":0}"#,
        ] {
            assert_eq!(
                Place::read(Some(&Cursor::new(bad))).unwrap_err(),
                Cause::Cursor
            );
        }
    }
}
