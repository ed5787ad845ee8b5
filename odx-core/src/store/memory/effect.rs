//! Effects, in memory.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind, Result};
use crate::hash::IdempotencyKey;
use crate::id::OutletId;
use crate::outreach::{Episode, Status};
use crate::store::outreach::{About, Disclosure, History, HistoryQuery, Told};
use crate::store::view::{Digest, DigestKey};
use crate::store::{EffectClaim, EffectCommit, EffectRow, EffectState, Epoch};

/// Every outlet there is.
#[derive(Default)]
pub(super) struct Outlets(BTreeMap<OutletId, Outlet>);

#[derive(Default)]
struct Outlet {
    epoch: u64,
    effects: BTreeMap<IdempotencyKey, EffectRow>,
    /// What they tell whom, and where to.
    told: BTreeMap<IdempotencyKey, (About, Option<Digest>)>,
    status: BTreeMap<IdempotencyKey, Status>,
    begun: BTreeMap<IdempotencyKey, DateTime<Utc>>,
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

    pub(super) fn claim(&mut self, key: &DigestKey, claim: &EffectClaim) -> Result<bool> {
        let outlet = self.current(&claim.outlet, claim.epoch)?;
        let known = outlet.effects.get(&claim.key);
        if known.map_or(0, |row| row.attempt) != claim.after
            || known.is_some_and(|row| row.state.is_final())
        {
            return Ok(false);
        }
        let was_open = known.is_some_and(|row| row.state.is_open());
        let row = EffectRow {
            key: claim.key.clone(),
            attempt: claim.after + 1,
            claimed_at: claim.now,
            since: claim.now,
            state: EffectState::Claimed,
        };
        outlet.effects.insert(claim.key.clone(), row);
        let begun = outlet.begun.entry(claim.key.clone());
        begun.or_insert(claim.now);
        if let Some(mut about) = claim.about.clone() {
            // What may have been told stays told, also to those whom it is not about any more.
            if let Some((earlier, _)) = outlet.told.get(&claim.key)
                && was_open
            {
                let missing = |one: &&Episode| !about.episodes.contains(one);
                let more: Vec<_> = earlier.episodes.iter().filter(missing).cloned().collect();
                about.episodes.extend(more);
            }
            let address = about.address.as_ref();
            let digest = address.map(|address| key.address(address)).transpose()?;
            outlet.told.insert(claim.key.clone(), (about, digest));
        }
        Ok(true)
    }

    /// Returns what was disclosed with it, and to whom, once it has ended.
    pub(super) fn settle(&mut self, commit: &EffectCommit) -> Result<Option<(String, Disclosure)>> {
        let outlet = self.current(&commit.outlet, commit.epoch)?;
        match outlet.effects.get_mut(&commit.key) {
            Some(row) if row.attempt == commit.attempt && row.state.is_open() => {
                row.state = commit.state.clone();
                row.since = commit.now;
                let told = outlet.told.get(&commit.key);
                let told = told.filter(|_| commit.state.is_final());
                Ok(told.and_then(|(about, _)| {
                    let disclosure = Disclosure {
                        external_id: about.episodes.first()?.subject.clone(),
                        kind: "message",
                        fields: about.fields.to_owned(),
                        taken: matches!(commit.state, EffectState::Done(_)),
                    };
                    Some((about.destination.to_string(), disclosure))
                }))
            }
            _ => Err(Error::new(
                ErrorKind::Superseded,
                "another attempt of this effect has taken over",
            )),
        }
    }

    pub(super) fn history(
        &self,
        key: &DigestKey,
        outlet: &OutletId,
        query: &HistoryQuery,
    ) -> Result<History> {
        let mut found = History::default();
        let Some(outlet) = self.0.get(outlet) else {
            return Ok(found);
        };
        let addresses = query.addresses.iter();
        let addresses: Vec<Digest> = addresses
            .map(|address| key.address(address))
            .collect::<Result<_>>()?;
        let mut rows: Vec<_> = outlet.told.iter().collect();
        rows.sort_by_key(|(key, _)| {
            let row = outlet.effects.get(*key);
            (row.map(|row| row.claimed_at), (*key).clone())
        });
        for (key, (about, digest)) in rows {
            let Some(row) = outlet.effects.get(key) else {
                continue;
            };
            let told = Told {
                key: key.clone(),
                purpose: about.purpose(),
                channel: about.channel,
                begun: outlet.begun.get(key).copied().unwrap_or(row.claimed_at),
                at: row.claimed_at,
                attempt: row.attempt,
                state: row.state.clone(),
                status: outlet.status.get(key).copied(),
            };
            for episode in &about.episodes {
                if query.subjects.contains(&episode.subject) {
                    found.episodes.push((episode.clone(), told.clone()));
                }
            }
            let there = digest.is_some_and(|digest| addresses.contains(&digest));
            if about.recipient == query.recipient || there {
                found.person.push(told.clone());
            }
            if about.household == query.household {
                found.household.push(told);
            }
        }
        Ok(found)
    }

    pub(super) fn told_since(&self, outlet: &OutletId, since: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let Some(outlet) = self.0.get(outlet) else {
            return Vec::new();
        };
        let rows = outlet.told.keys().filter_map(|key| outlet.effects.get(key));
        let mut times: Vec<_> = rows
            .filter(|row| row.claimed_at >= since)
            .filter(|row| row.state.is_open() || matches!(row.state, EffectState::Done(_)))
            .map(|row| row.claimed_at)
            .collect();
        times.sort();
        times
    }

    pub(super) fn note_status(&mut self, outlet: &OutletId, id: &str, status: Status) -> bool {
        let Some(outlet) = self.0.get_mut(outlet) else {
            return false;
        };
        let mut rows = outlet.effects.values();
        let row = rows.find(|row| match &row.state {
            EffectState::Done(receipt) => receipt.remote_id.as_deref() == Some(id),
            _ => false,
        });
        let Some(key) = row.map(|row| row.key.clone()) else {
            return false;
        };
        if outlet
            .status
            .get(&key)
            .is_some_and(|known| *known >= status)
        {
            return false;
        }
        outlet.status.insert(key, status);
        true
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
