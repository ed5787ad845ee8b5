//! Where the feed stands: which read is under way and how far it was given out, and
//! what is remembered of those before. No patient data.

use std::collections::{BTreeMap, VecDeque};

use chrono::{NaiveDateTime, TimeDelta};
use odx_core::source::{Cursor, Extent};
use odx_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::plausible::Learned;
use crate::table::Table;

const VERSION: u32 = 1;
#[cfg(feature = "exports")]
/// Reports whose content is remembered, so that a copy of one is known.
const FILES: usize = 64;
/// The server's clock and its rows may disagree by so much (reference 6).
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// All that is remembered between pulls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    v: u32,
    /// A pass that is being given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pass: Option<Pass>,
    /// Up to when changes of appointments were read, by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changed_until: Option<NaiveDateTime>,
    /// What good reads have taught.
    #[serde(default)]
    pub(crate) learned: Learned,
    /// Something was read to its end.
    #[serde(default)]
    pub(crate) read: bool,
    /// People have a list of their own.
    #[serde(default)]
    pub(crate) listed: bool,
    /// When the last report of a table was printed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) printed: BTreeMap<Table, NaiveDateTime>,
    /// Contents of the last reports that were read.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) files: VecDeque<String>,
}

/// A pass that is being given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pass {
    /// Which read it gives out. Another process has none of this name, and reads anew.
    pub(crate) read: u64,
    /// It began as a reading of everything.
    pub(crate) everything: bool,
    /// What of it is being given out.
    pub(crate) stage: Stage,
    /// Where the last row stood that was given out of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<u64>,
    /// Up to when its first read had read the book: what changed since is asked for by the next pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changed_until: Option<NaiveDateTime>,
}

/// The parts of a pass, in their order: people before what hangs from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// The list of patients.
    Patients,
    /// People who stand only in the rows of their recalls.
    People,
    /// Continuing care.
    Recalls,
    /// The book.
    Appointments,
}

impl Place {
    /// Whatever is not ours, or of another version, starts the feed over.
    pub(crate) fn read(cursor: Option<&Cursor>) -> Result<Self> {
        let Some(cursor) = cursor else {
            return Ok(Self {
                v: VERSION,
                ..Self::default()
            });
        };
        serde_json::from_str(cursor.as_str())
            .ok()
            .filter(|place: &Self| place.v == VERSION)
            .ok_or_else(|| Error::new(ErrorKind::CursorExpired, "no position of this adapter"))
    }

    pub(crate) fn write(&self) -> Result<Cursor> {
        serde_json::to_string(self)
            .map(Cursor::new)
            .map_err(|cause| Error::new(ErrorKind::Bug, "writing a cursor").with_cause(cause))
    }

    /// How much the pass reads that begins here, or is under way.
    pub(crate) fn extent(&self, asked: Extent, first: bool) -> Extent {
        let everything = first
            || match &self.pass {
                Some(pass) => pass.everything,
                None => asked == Extent::Everything,
            };
        if everything {
            Extent::Everything
        } else {
            Extent::Changes
        }
    }

    /// From when on changes of appointments are asked for.
    pub(crate) fn changed_since(&self) -> Option<NaiveDateTime> {
        self.changed_until?.checked_sub_signed(OVERLAP)
    }

    #[cfg(feature = "exports")]
    /// A report of this content was read before.
    pub(crate) fn knows(&self, hash: &str) -> bool {
        self.files.iter().any(|known| known == hash)
    }

    #[cfg(feature = "exports")]
    pub(crate) fn remember(&mut self, hash: String) {
        self.files.push_back(hash);
        while self.files.len() > FILES {
            self.files.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_writing_and_nobody_elses_is_taken() {
        let mut place = Place::read(None).unwrap();
        place.files.push_back("ab".into());
        place.pass = Some(Pass {
            read: 7,
            everything: true,
            stage: Stage::Recalls,
            after: Some(500),
            changed_until: None,
        });
        let written = place.write().unwrap();
        assert_eq!(Place::read(Some(&written)).unwrap(), place);
        for text in ["", "{}", r#"{"v":2}"#, r#"{"v":1,"x":1}"#] {
            let why = Place::read(Some(&Cursor::new(text))).unwrap_err();
            assert_eq!(why.kind(), ErrorKind::CursorExpired, "{text}");
        }
    }

    #[test]
    fn a_pass_ends_as_it_began() {
        let mut place = Place::read(None).unwrap();
        assert_eq!(place.extent(Extent::Changes, true), Extent::Everything);
        assert_eq!(place.extent(Extent::Changes, false), Extent::Changes);
        place.pass = Some(Pass {
            read: 1,
            everything: true,
            stage: Stage::Patients,
            after: None,
            changed_until: None,
        });
        assert_eq!(place.extent(Extent::Changes, false), Extent::Everything);
    }

    #[cfg(feature = "exports")]
    #[test]
    fn the_last_contents_are_remembered_and_no_more() {
        let mut place = Place::read(None).unwrap();
        (0..100).for_each(|n| place.remember(n.to_string()));
        assert!(!place.knows("35") && place.knows("36") && place.knows("99"));
    }
}
