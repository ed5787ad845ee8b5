//! Effects, in memory.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::hash::IdempotencyKey;
use crate::id::OutletId;
use crate::store::{EffectClaim, EffectCommit, EffectRow, EffectState, Epoch};

/// Every outlet there is.
#[derive(Default)]
pub(super) struct Outlets(BTreeMap<OutletId, Outlet>);

#[derive(Default)]
struct Outlet {
    epoch: u64,
    effects: BTreeMap<IdempotencyKey, EffectRow>,
}

impl Outlets {
    pub(super) fn open(&mut self, outlet: &OutletId) -> Epoch {
        let outlet = self.0.entry(outlet.clone()).or_default();
        outlet.epoch += 1;
        Epoch(outlet.epoch)
    }

    fn current(&mut self, outlet: &OutletId, epoch: Epoch) -> Result<&mut Outlet> {
        match self.0.get_mut(outlet) {
            None => Err(super::unknown("the outlet")),
            Some(outlet) if outlet.epoch == epoch.0 => Ok(outlet),
            Some(_) => Err(Error::new(
                ErrorKind::Superseded,
                "another process has taken over this outlet",
            )),
        }
    }

    pub(super) fn effect(&self, outlet: &OutletId, key: &IdempotencyKey) -> Option<EffectRow> {
        self.0.get(outlet)?.effects.get(key).cloned()
    }

    pub(super) fn claim(&mut self, claim: &EffectClaim) -> Result<bool> {
        let outlet = self.current(&claim.outlet, claim.epoch)?;
        let known = outlet.effects.get(&claim.key);
        if known.map_or(0, |row| row.attempt) != claim.after
            || known.is_some_and(|row| row.state.is_final())
        {
            return Ok(false);
        }
        let row = EffectRow {
            key: claim.key.clone(),
            attempt: claim.after + 1,
            claimed_at: claim.now,
            since: claim.now,
            state: EffectState::Claimed,
        };
        outlet.effects.insert(claim.key.clone(), row);
        Ok(true)
    }

    pub(super) fn settle(&mut self, commit: &EffectCommit) -> Result<()> {
        let outlet = self.current(&commit.outlet, commit.epoch)?;
        match outlet.effects.get_mut(&commit.key) {
            Some(row) if row.attempt == commit.attempt && row.state.is_open() => {
                row.state = commit.state.clone();
                row.since = commit.now;
                Ok(())
            }
            _ => Err(Error::new(
                ErrorKind::Superseded,
                "another attempt of this effect has taken over",
            )),
        }
    }

    pub(super) fn open_effects(&self, outlet: &OutletId, limit: usize) -> Vec<EffectRow> {
        let Some(outlet) = self.0.get(outlet) else {
            return Vec::new();
        };
        let mut open: Vec<_> = outlet
            .effects
            .values()
            .filter(|row| !matches!(row.state, EffectState::Done(_)))
            .cloned()
            .collect();
        open.sort_by_key(|row| (rank(&row.state), row.since, row.key.clone()));
        open.truncate(limit);
        open
    }
}

/// What a person should look at comes first.
const fn rank(state: &EffectState) -> u8 {
    match state {
        EffectState::InDoubt(_) => 0,
        EffectState::Refused(_) => 1,
        EffectState::Claimed => 2,
        EffectState::Waiting(_) => 3,
        EffectState::Done(_) => 4,
    }
}
