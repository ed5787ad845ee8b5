//! What is on its way through one round of deliveries.

use chrono::NaiveDate;

use crate::crm::{Delivery, Op};
use crate::hash::{ContentHash, LedgerHash};
use crate::id::{ExternalId, HouseholdKey};
use crate::phi::Phi;
use crate::store::outreach::Disclosure;
use crate::store::{Acknowledged, Parked, Tried};

/// A household on its way.
pub(super) struct Work {
    pub(super) household: HouseholdKey,
    pub(super) generation: u64,
    pub(super) again: Option<NaiveDate>,
    /// What was on its way in a look that never came to its end.
    pub(super) tried: Vec<Tried>,
    /// Some op was not tried: the household stays due.
    pub(super) open: bool,
}

/// Leaves a household due.
pub(super) fn open(works: &mut [Work], index: usize) {
    if let Some(work) = works.get_mut(index) {
        work.open = true;
    }
}

/// Leaves every household due.
pub(super) fn open_all(works: &mut [Work]) {
    works.iter_mut().for_each(|work| work.open = true);
}

/// One record the policy wants.
pub(super) struct Plan {
    /// Which household, by its place.
    pub(super) work: usize,
    pub(super) op: Op,
    pub(super) canonical: Phi<Vec<u8>>,
    pub(super) content: ContentHash,
    pub(super) hash: LedgerHash,
}

/// An op on its way.
pub(super) struct Job {
    pub(super) card: Card,
    pub(super) delivery: Delivery,
}

/// What comes back with it.
pub(super) struct Card {
    /// Which household, by its place.
    pub(super) work: usize,
    pub(super) hash: LedgerHash,
    /// What is remembered of it until it is answered: its hash, or that nothing is sure.
    pub(super) mark: LedgerHash,
    /// The sink has the record, as far as it ever said.
    pub(super) known: bool,
    /// The contact that it hangs from there.
    pub(super) contact: Option<ExternalId>,
    /// How often this very content was tried before.
    pub(super) attempts: u32,
    /// The change of its record that an acknowledgement would be.
    pub(super) generation: u64,
    /// Another content that may have arrived before: hash and change.
    pub(super) doubt: Option<(LedgerHash, u64)>,
}

/// Answers not yet stored.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) acknowledged: Vec<(ExternalId, Acknowledged)>,
    pub(super) parked: Vec<Parked>,
    pub(super) cleared: Vec<ExternalId>,
    pub(super) reconciled: Vec<(HouseholdKey, u64, Option<NaiveDate>)>,
    pub(super) disclosed: Vec<Disclosure>,
}

impl Pending {
    pub(super) const fn is_empty(&self) -> bool {
        self.acknowledged.is_empty()
            && self.parked.is_empty()
            && self.cleared.is_empty()
            && self.reconciled.is_empty()
            && self.disclosed.is_empty()
    }
}
