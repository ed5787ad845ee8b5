//! What can be made to go wrong, and when.

use std::collections::VecDeque;
use std::time::Duration;

/// A way to misbehave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// This status, perhaps with this `Retry-After`. Nothing takes effect.
    Status(u16, Option<String>),
    /// The connection closes without an answer. Nothing takes effect.
    ResetBefore,
    /// The write takes effect, then the connection closes without an answer.
    ResetAfter,
    /// The write takes effect, then this status.
    StatusAfter(u16),
    /// The write takes effect; half the answer arrives.
    TruncatedAfter,
    /// The write takes effect; the answer is half of its JSON, and whole as far
    /// as its length says, as a proxy's is that gave up.
    HalfJsonAfter,
    /// The first half of a batch takes effect, and the answer names that half
    /// only. A single write is not touched by it.
    HalfBatch,
    /// A login page with status 200 that repeats the request. Nothing takes effect.
    HtmlLogin200,
    /// A redirect to another place. Nothing takes effect.
    Redirect,
    /// The write takes effect; the answer comes so much later.
    Hang(Duration),
}

/// Which request meets which fault.
#[derive(Default)]
pub(super) struct Faults {
    planned: VecDeque<Fault>,
    chance: Option<Chance>,
}

struct Chance {
    dice: fastrand::Rng,
    share: f64,
    of: Vec<Fault>,
}

impl Faults {
    pub(super) fn plan(&mut self, n: usize, fault: &Fault) {
        self.planned.extend(std::iter::repeat_n(fault.clone(), n));
    }

    pub(super) fn rate(&mut self, seed: u64, share: f64, of: &[Fault]) {
        self.chance = Some(Chance {
            dice: fastrand::Rng::with_seed(seed),
            share,
            of: of.to_vec(),
        });
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault of the next request.
    pub(super) fn next(&mut self) -> Option<Fault> {
        if let Some(fault) = self.planned.pop_front() {
            return Some(fault);
        }
        let chance = self.chance.as_mut()?;
        if chance.dice.f64() >= chance.share {
            return None;
        }
        let at = chance.dice.usize(..chance.of.len().max(1));
        chance.of.get(at).cloned()
    }
}
