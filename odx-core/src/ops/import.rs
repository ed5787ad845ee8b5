//! How far the first import of an office has come at a CRM, and what it came to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::id::SinkId;
use crate::store::outreach::{Aside, Progress};
use crate::store::{Counts, Hold};

/// Under which name it is kept when the first import began.
pub(crate) const BEGUN: &str = "import_begun";

/// Under which name it is kept that the first import has come to its end.
pub(crate) fn done_at(sink: &SinkId) -> String {
    format!("import_done:{sink}")
}

/// How far the first import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Import {
    /// It has not begun.
    Scheduled,
    /// It is under way.
    Importing {
        /// Households that were brought there.
        done: u64,
        /// Households that are known so far.
        all: u64,
        /// The practice has been read to its end: no more will become known.
        read: bool,
    },
    /// It has come to its end.
    Done {
        /// When. None: before that was kept.
        at: Option<DateTime<Utc>>,
    },
}

impl Import {
    /// From what the state knows: whether a page was ever stored, whether a pass
    /// ever came to its end, how far the sink is, and what was kept at its end.
    pub fn of(page: bool, read: bool, progress: Progress, done: Option<&Imported>) -> Self {
        let Progress { done: brought, all } = progress;
        match done {
            Some(done) => Self::Done { at: Some(done.at) },
            None if read && brought >= all => Self::Done { at: None },
            None if page || read => Self::Importing {
                done: brought,
                all,
                read,
            },
            None => Self::Scheduled,
        }
    }

    /// In words.
    pub fn sentence(&self) -> String {
        match self {
            Self::Scheduled => "scheduled".to_owned(),
            Self::Importing {
                done,
                all,
                read: true,
            } => format!("importing {done} of {all} households"),
            Self::Importing { done, all, .. } => {
                format!("importing {done} of {all} households so far; the practice is still read")
            }
            Self::Done { at: Some(at) } => {
                format!("done since {}", at.format("%Y-%m-%d %H:%M UTC"))
            }
            Self::Done { at: None } => "done".to_owned(),
        }
    }
}

/// What a first import came to. Counts, no patient data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// When it came to its end.
    pub at: DateTime<Utc>,
    /// Records that the CRM has taken.
    pub applied: u64,
    /// Records that had nothing to change, in the round that ended it.
    pub unchanged: u64,
    /// Records that the CRM refused for good, and what hangs from them.
    pub rejected: u64,
    /// Of these: the CRM has them in another state, or under another id.
    pub conflicts: u64,
    /// How long it took, in seconds. None: nobody noted when it began.
    pub seconds: Option<u64>,
}

impl Imported {
    pub(crate) fn of(
        at: DateTime<Utc>,
        begun: Option<DateTime<Utc>>,
        counts: &Counts,
        aside: &[Aside],
        unchanged: u64,
    ) -> Self {
        let refused = aside.iter().filter(|aside| aside.hold == Hold::Refused);
        let conflicts = refused.filter(|aside| Fault::of(&aside.reason).is_conflict());
        Self {
            at,
            applied: counts.acknowledged,
            unchanged,
            rejected: counts.refused + counts.blocked,
            conflicts: u64::try_from(conflicts.count()).unwrap_or(u64::MAX),
            seconds: begun.and_then(|begun| u64::try_from((at - begun).num_seconds()).ok()),
        }
    }

    /// In words.
    pub fn sentence(&self) -> String {
        let took = self.seconds.map_or_else(String::new, |seconds| {
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            match (hours, minutes) {
                (0, 0) => format!(" in {seconds} s"),
                (0, _) => format!(" in {minutes} min"),
                _ => format!(" in {hours} h {minutes} min"),
            }
        });
        format!(
            "the first import is done{took}: {} records applied, {} unchanged, {} set aside, {} of them conflicts",
            self.applied, self.unchanged, self.rejected, self.conflicts
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_scheduled_then_under_way_then_done_for_ever() {
        let progress = |done, all| Progress { done, all };
        let of = |page, read, at: Progress| Import::of(page, read, at, None);
        assert_eq!(of(false, false, progress(0, 0)), Import::Scheduled);
        let importing = |done, all, read| Import::Importing { done, all, read };
        assert_eq!(of(true, false, progress(0, 5)), importing(0, 5, false));
        assert_eq!(of(true, true, progress(3, 5)), importing(3, 5, true));
        assert_eq!(of(true, true, progress(5, 5)), Import::Done { at: None });
        let at = DateTime::UNIX_EPOCH;
        let done = Imported::of(at, Some(at), &Counts::default(), &[], 0);
        // A household that came later is no second import.
        assert_eq!(
            Import::of(true, true, progress(5, 6), Some(&done)),
            Import::Done { at: Some(at) }
        );
        assert!(done.sentence().contains("in 0 s: 0 records applied"));
    }
}
