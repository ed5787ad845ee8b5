//! What a policy wants somebody to hear, and what makes it happen once.

use chrono::{Days, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::Purpose;
use crate::id::{ExternalId, PatientKey};
use crate::policy::Segment;

/// Visits so many days apart are one visit whose date was corrected.
const SAME_VISIT: Days = Days::new(14);

/// One occurrence, told once, for ever.
///
/// A recall's is the recall and the visit that started its clock, never its due
/// date: moving that by a day is no news. A reactivation's is the patient and
/// their last visit, a review's the visit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Episode {
    /// What for.
    pub purpose: Purpose,
    /// The recall, the patient or the visit.
    pub subject: ExternalId,
    /// The visit that began it. None: there was none.
    pub cycle: Option<NaiveDate>,
    /// Where the office has a sequence for each segment: which.
    pub segment: Option<Segment>,
}

impl Episode {
    /// Its name, for ever: `recall|odrecall:main-st:7|2026-05-01|`.
    pub fn name(&self) -> String {
        let cycle = self.cycle.map(|day| day.to_string()).unwrap_or_default();
        let segment = self.segment.map(Segment::name).unwrap_or_default();
        format!(
            "{}|{}|{cycle}|{segment}",
            self.purpose.name(),
            self.subject.as_str()
        )
    }

    /// Whether both are one occurrence, also where the date of the visit that
    /// began it was corrected by a few days in between.
    pub fn is(&self, other: &Self) -> bool {
        let near = match (self.cycle, other.cycle) {
            (Some(a), Some(b)) => a.abs_diff(b) < SAME_VISIT,
            (a, b) => a == b,
        };
        near && self.purpose == other.purpose
            && self.subject == other.subject
            && self.segment == other.segment
    }
}

/// What a policy wants somebody to hear today. Whether they may is for the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wanted {
    /// The occurrence.
    pub episode: Episode,
    /// About whom.
    pub patient: PatientKey,
    /// Who is told: the patient, or a minor's guarantor. None: a minor without
    /// one.
    pub recipient: Option<PatientKey>,
    /// The patient is a minor.
    pub minor: bool,
    /// When what it is about happened, by the practice's wall clock. What
    /// happened before messages were switched on is nobody's news.
    pub happened: Option<NaiveDateTime>,
    /// From when on it may be told, by the practice's wall clock.
    pub not_before: Option<NaiveDateTime>,
    /// Until when, by the practice's wall clock.
    pub expires: Option<NaiveDateTime>,
    /// Before others, where there is a cap.
    pub urgent: bool,
    /// The day that counts, of a recall.
    pub due: Option<NaiveDate>,
    /// The practice's key of the clinic: whose name it bears.
    pub clinic: Option<String>,
}

impl Wanted {
    /// Something for the patient themself.
    pub const fn new(episode: Episode, patient: PatientKey) -> Self {
        Self {
            episode,
            patient,
            recipient: None,
            minor: false,
            happened: None,
            not_before: None,
            expires: None,
            urgent: false,
            due: None,
            clinic: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode(cycle: Option<&str>) -> Episode {
        Episode {
            purpose: Purpose::Recall,
            subject: ExternalId::from_kept("odrecall:main:7"),
            cycle: cycle.map(|day| day.parse().unwrap()),
            segment: None,
        }
    }

    #[test]
    fn a_cycle_is_the_visit_that_began_it_and_a_corrected_date_is_the_same_visit() {
        let visit = episode(Some("2026-05-01"));
        assert_eq!(visit.name(), "recall|odrecall:main:7|2026-05-01|");
        assert!(visit.is(&episode(Some("2026-05-02"))));
        assert!(visit.is(&episode(Some("2026-04-18"))));
        assert!(!visit.is(&episode(Some("2026-05-15"))));
        assert!(!visit.is(&episode(None)));
        assert!(episode(None).is(&episode(None)));
        let mut other = visit.clone();
        other.segment = Some(Segment::Overdue);
        assert!(!visit.is(&other));
    }
}
