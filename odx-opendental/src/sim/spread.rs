//! An exact number of rows, spread over patients some of whom take none.

use fastrand::Rng;

/// Most recalls of one patient: one row per type.
const RECALLS_EACH: usize = 5;
/// Most visits of one patient.
const VISITS_EACH: usize = 100;

/// How far the seeding is.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    /// Patients in all.
    pub(crate) patients: usize,
    /// Patients made so far, treated or not.
    pub(crate) seen: usize,
    pub(crate) recalls: Share,
    pub(crate) appointments: Share,
}

impl Spread {
    pub(crate) fn over(patients: usize, (recalls, appointments): (usize, usize)) -> Self {
        let share = |total, most| Share {
            total,
            made: 0,
            most,
        };
        Self {
            patients,
            seen: 0,
            recalls: share(recalls, RECALLS_EACH),
            appointments: share(appointments, VISITS_EACH),
        }
    }

    pub(crate) fn done(&self) -> bool {
        self.recalls.made == self.recalls.total && self.appointments.made == self.appointments.total
    }
}

/// The rows of one table.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    total: usize,
    made: usize,
    most: usize,
}

impl Share {
    /// How many the next treated patient takes. Whoever takes none leaves the share to the next
    /// ones; it is all given out some patients before the last, so that none is left over.
    pub(crate) fn next(&mut self, seen: usize, patients: usize, rng: &mut Rng) -> usize {
        let ends = patients.saturating_sub(20).max(1);
        let due = self.total * seen.min(ends) / ends;
        let behind = due.saturating_sub(self.made);
        // Uneven, as in life; the next patients make up for it.
        let uneven = if seen < ends { rng.usize(0..3) } else { 1 };
        let count = (behind + uneven).saturating_sub(1);
        let count = count.min(self.most).min(self.total - self.made);
        self.made += count;
        count
    }
}
