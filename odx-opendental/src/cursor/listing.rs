//! A list that is read by counted offsets while staff are changing it. Pure.
//!
//! The vendor has no snapshot, no total and no documented order, so:
//!
//! * Offsets count raw rows, also those that could not be read.
//! * A list ends with an empty page or with one that is shorter than a page of
//!   this address has ever been. A page of exactly 100, 1000 or 10,000 rows, the
//!   documented caps, may always be full.
//! * Every page after the first begins one row early and must show the last row
//!   again. If it does not, rows moved, one may have slipped past, and the
//!   listing starts again.
//! * The first listing of a feed is the exception: it is read without overlap,
//!   because it is long and every request is paid for in waiting. A slip in it
//!   cannot be noticed, neither then nor afterwards by looking at its end: a row
//!   that was deleted behind the reader moves the last row and the count alike.
//!   So a list that took more than one request is read once more, with overlap,
//!   in the next pass.

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

/// The documented page caps.
const CAPS: [usize; 3] = [LEAST_CAP, 1000, 10_000];

/// No address is documented to send shorter pages.
pub(super) const LEAST_CAP: usize = 100;

/// So often a listing that moved is begun again before it goes on without
/// claiming to be complete.
pub(super) const MAX_RESTARTS: u8 = 5;

/// How far a list has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    /// Only rows stamped after this. None: the full list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<NaiveDateTime>,
    /// Without overlap.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) plain: bool,
    /// Raw rows so far.
    pub(super) rows: u64,
    /// The last page that held rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<PageMark>,
    /// `serverDateTime` of the first row of the first page. Kept over restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clock: Option<NaiveDateTime>,
    #[serde(default)]
    pub(super) restarts: u8,
    /// It moved too often: what it shows is true, but perhaps not everything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) gave_up: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageMark {
    first: String,
    last: String,
    rows: usize,
}

/// What paging needs to know of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Keys of its first and last row; none: an empty page.
    pub(crate) ends: Option<(String, String)>,
    /// Its length, unreadable rows included.
    pub(crate) rows: usize,
    /// The server's clock in its first row.
    pub(crate) clock: Option<NaiveDateTime>,
}

/// What a page comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Go on.
    On,
    /// The page before was just the same.
    Repeats,
    /// That was all, and whether it was shown without a gap.
    End {
        complete: bool,
        /// Read without overlap, in several pages.
        unproven: bool,
    },
}

impl Facts {
    fn is(&self, page: &PageMark) -> bool {
        self.rows == page.rows
            && self
                .ends
                .as_ref()
                .is_some_and(|(first, last)| *first == page.first && *last == page.last)
    }

    fn begins_with(&self, key: &str) -> bool {
        self.ends.as_ref().is_some_and(|(first, _)| first == key)
    }
}

/// Whether a list ends with a page of this length, when this address has never
/// sent a longer one than `longest`. While nothing is known, every page that
/// holds rows may be full.
pub(crate) fn ends(rows: usize, longest: usize) -> bool {
    rows == 0 || (rows < longest && !CAPS.contains(&rows))
}

impl Listing {
    pub(super) fn begin(since: Option<NaiveDateTime>, plain: bool) -> Self {
        Self {
            since,
            plain,
            ..Self::default()
        }
    }

    pub(super) fn offset(&self) -> u64 {
        // After a page of one row, one row early would be the same page again.
        let early = !self.plain && self.page.as_ref().is_some_and(|page| page.rows > 1);
        self.rows.saturating_sub(u64::from(early))
    }

    /// The page begins with a row that has been shown, if it shows it.
    pub(super) fn repeats_a_row(&self, facts: &Facts) -> bool {
        self.offset() < self.rows
            && self
                .page
                .as_ref()
                .is_some_and(|page| facts.begins_with(&page.last))
    }

    fn restart(&mut self) {
        self.restarts = self.restarts.saturating_add(1);
        // A list that is known to move is read with overlap.
        self.plain = false;
        self.rows = 0;
        self.page = None;
    }

    /// Moves on by a page. `longest` is the longest page its address has sent
    /// before.
    pub(super) fn turn(&mut self, facts: &Facts, longest: usize) -> Turn {
        let offset = self.offset();
        if self.page.as_ref().is_some_and(|page| facts.is(page)) {
            return Turn::Repeats;
        }
        let expected = self.page.as_ref().filter(|_| offset < self.rows);
        if expected.is_some_and(|page| !facts.begins_with(&page.last)) {
            if self.restarts < MAX_RESTARTS {
                self.restart();
                return Turn::On;
            }
            if !self.gave_up {
                tracing::warn!(
                    "a list moves too often to be read whole; the next pass tries again"
                );
            }
            self.gave_up = true;
        }
        if offset == 0 && self.clock.is_none() {
            self.clock = facts.clock;
        }
        self.rows = offset + u64::try_from(facts.rows).unwrap_or(u64::MAX);
        if let Some((first, last)) = facts.ends.clone() {
            self.page = Some(PageMark {
                first,
                last,
                rows: facts.rows,
            });
        }
        if ends(facts.rows, longest) {
            Turn::End {
                complete: !self.gave_up,
                unproven: self.plain && offset > 0,
            }
        } else {
            Turn::On
        }
    }

    /// Moves on when a page, `again`, was the same as the one before: `first` is
    /// the first page of the list. If that is the same as well, the server
    /// ignores `Offset`: `None`. If not, the list moved and is begun again with
    /// it, or, where it was begun again too often, read on without a claim to be
    /// whole.
    pub(super) fn turn_from_first(
        &mut self,
        first: &Facts,
        again: &Facts,
        longest: usize,
    ) -> Option<Turn> {
        if self.page.as_ref().is_some_and(|page| first.is(page)) {
            return None;
        }
        if self.restarts < MAX_RESTARTS {
            self.restart();
            return Some(self.turn(first, longest));
        }
        self.gave_up = true;
        self.rows = self.offset();
        self.page = None;
        Some(self.turn(again, longest))
    }
}
