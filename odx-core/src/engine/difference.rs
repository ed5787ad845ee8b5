//! Compares one wanted record with what is known of it. Pure.

use chrono::{DateTime, Utc};

use crate::crm::Intent;
use crate::failpoint::broken;
use crate::hash::LedgerHash;
use crate::store::{Hold, Standing, Tried};

/// No content hashes to this: nobody knows what the sink holds.
pub(super) const UNSURE: LedgerHash = LedgerHash::from_bytes([0; 16]);

/// What to do about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The sink has it so, or has no need of it.
    Settled,
    /// It is set aside, and its time has not come.
    Waits,
    /// Send it.
    Send {
        /// What to remember of it until it is answered.
        mark: LedgerHash,
        /// How often this very content was tried before.
        attempts: u32,
        /// The change of its record that an acknowledgement would be.
        generation: u64,
        /// Another content that may have arrived before: hash and change.
        doubt: Option<(LedgerHash, u64)>,
    },
}

/// What to do about a record whose wanted content is `hash`. `tried` is what was
/// on its way in a look that never came to its end.
pub(super) fn difference(
    intent: Intent,
    hash: LedgerHash,
    standing: &Standing,
    tried: Option<&Tried>,
    now: DateTime<Utc>,
) -> Verdict {
    let Standing {
        acknowledged,
        parked,
    } = standing;
    let known = acknowledged.as_ref().map(|known| known.hash);
    // What was last on its way, and whether it may have arrived without an answer.
    let parked_try = parked
        .as_ref()
        .filter(|parked| parked.generation > 0)
        .map(|parked| (parked.hash, parked.generation));
    let last = tried
        .map(|tried| (tried.hash, tried.generation))
        .or(parked_try);
    let refused = parked
        .as_ref()
        .filter(|parked| parked.hold == Hold::Refused);
    let doubt = last.filter(|(last, _)| {
        let answered_no = refused.is_some_and(|refused| refused.hash == *last && !refused.doubtful);
        Some(*last) != known && !answered_no && !broken("broken.difference.doubt")
    });
    let settled = match known {
        Some(known) => known == hash,
        None => intent == Intent::Retire && !broken("broken.retire"),
    };
    if settled && doubt.is_none() && !broken("broken.difference.settled") {
        return Verdict::Settled;
    }
    // Sent again because something else may have arrived since: until that is answered, what the
    // sink holds is not what the ledger says, so it must not be remembered as such.
    let mark = if known == Some(hash) { UNSURE } else { hash };
    let mut attempts = 0;
    if let Some(parked) = parked {
        let same = parked.hash == mark;
        let waits = match parked.hold {
            Hold::Until(at) => at > now,
            Hold::Refused => same,
            Hold::Blocked => false,
        };
        if waits {
            return Verdict::Waits;
        }
        if same {
            attempts = parked.attempts;
        }
    }
    let acknowledged = acknowledged.as_ref().map_or(0, |known| known.generation);
    // The same content again is the same change; any other is the next one, so that no receiver
    // takes it for one that it has seen.
    let generation = match (doubt, last) {
        (Some((last, generation)), _) if last == mark => generation,
        (_, Some((_, generation))) => generation.max(acknowledged) + 1,
        (_, None) => acknowledged + 1,
    };
    Verdict::Send {
        mark,
        attempts,
        generation,
        doubt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ExternalId, HouseholdKey};
    use crate::store::{Acknowledged, Parked};

    const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;
    const A: LedgerHash = LedgerHash::from_bytes([1; 16]);
    const B: LedgerHash = LedgerHash::from_bytes([2; 16]);
    const C: LedgerHash = LedgerHash::from_bytes([3; 16]);

    fn acknowledged(hash: LedgerHash, generation: u64) -> Standing {
        Standing {
            acknowledged: Some(Acknowledged {
                hash,
                generation,
                remote_id: None,
                contact: None,
            }),
            parked: None,
        }
    }

    fn parked(
        mut standing: Standing,
        hash: LedgerHash,
        generation: u64,
        hold: Hold,
        doubtful: bool,
    ) -> Standing {
        standing.parked = Some(Parked {
            external_id: ExternalId::from_kept("x"),
            household: HouseholdKey::new("1"),
            hash,
            generation,
            attempts: 2,
            hold,
            doubtful,
            reason: String::new(),
        });
        standing
    }

    fn tried(hash: LedgerHash, generation: u64) -> Tried {
        Tried {
            external_id: ExternalId::from_kept("x"),
            hash,
            generation,
        }
    }

    fn sends(verdict: &Verdict) -> (LedgerHash, u64) {
        match verdict {
            Verdict::Send {
                mark, generation, ..
            } => (*mark, *generation),
            other => panic!("{other:?}"),
        }
    }

    fn upsert(hash: LedgerHash, standing: &Standing, tried: Option<&Tried>) -> Verdict {
        difference(Intent::Upsert, hash, standing, tried, NOW)
    }

    #[test]
    fn what_was_acknowledged_is_settled_and_what_differs_is_the_next_change() {
        assert_eq!(upsert(A, &acknowledged(A, 4), None), Verdict::Settled);
        assert_eq!(sends(&upsert(B, &acknowledged(A, 4), None)), (B, 5));
        assert_eq!(sends(&upsert(A, &Standing::default(), None)), (A, 1));
    }

    #[test]
    fn nothing_is_created_to_be_retired() {
        assert_eq!(
            difference(Intent::Retire, A, &Standing::default(), None, NOW),
            Verdict::Settled
        );
        // Unless it may have been created and nobody knows.
        assert_eq!(
            sends(&difference(
                Intent::Retire,
                A,
                &Standing::default(),
                Some(&tried(B, 1)),
                NOW
            )),
            (A, 2)
        );
    }

    #[test]
    fn the_same_content_after_a_lost_reply_is_the_same_change() {
        assert_eq!(
            sends(&upsert(B, &acknowledged(A, 4), Some(&tried(B, 5)))),
            (B, 5)
        );
        let waiting = parked(acknowledged(A, 4), B, 5, Hold::Until(NOW), false);
        assert_eq!(sends(&upsert(B, &waiting, None)), (B, 5));
    }

    #[test]
    fn what_the_ledger_says_is_sent_again_while_something_else_may_have_arrived() {
        for standing in [
            acknowledged(A, 4),
            parked(acknowledged(A, 4), B, 5, Hold::Until(NOW), false),
        ] {
            let tried = tried(B, 5);
            let tried = standing.parked.is_none().then_some(&tried);
            // And is remembered as unsure: its own hash would read as acknowledged.
            assert_eq!(sends(&upsert(A, &standing, tried)), (UNSURE, 6));
        }
        assert_eq!(
            sends(&upsert(A, &acknowledged(A, 4), Some(&tried(UNSURE, 6)))),
            (UNSURE, 6)
        );
        assert_eq!(
            sends(&upsert(C, &acknowledged(A, 4), Some(&tried(B, 5)))),
            (C, 6)
        );
    }

    #[test]
    fn an_answered_departure_leaves_no_doubt() {
        assert_eq!(
            upsert(B, &acknowledged(B, 5), Some(&tried(B, 5))),
            Verdict::Settled
        );
        assert_eq!(
            sends(&upsert(C, &acknowledged(B, 5), Some(&tried(B, 5)))),
            (C, 6)
        );
    }

    #[test]
    fn a_refusal_holds_for_its_content_only_and_leaves_no_doubt_of_its_own() {
        let refused = parked(acknowledged(A, 4), B, 5, Hold::Refused, false);
        assert_eq!(upsert(B, &refused, None), Verdict::Waits);
        assert_eq!(upsert(A, &refused, None), Verdict::Settled);
        assert_eq!(sends(&upsert(C, &refused, None)), (C, 6));
        // What may have arrived before the refusal still may have.
        let doubtful = parked(acknowledged(A, 4), B, 5, Hold::Refused, true);
        assert_eq!(sends(&upsert(A, &doubtful, None)), (UNSURE, 6));
    }

    #[test]
    fn a_parked_op_waits_for_its_time_whatever_its_content() {
        let later = NOW + chrono::TimeDelta::seconds(1);
        let waiting = parked(acknowledged(A, 4), B, 5, Hold::Until(later), false);
        for hash in [A, B, C] {
            assert_eq!(upsert(hash, &waiting, None), Verdict::Waits);
        }
    }
}
