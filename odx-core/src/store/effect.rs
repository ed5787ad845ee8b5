//! What cannot be taken back, as the store keeps it: who claimed it, how it ended.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Epoch;
use super::outreach::About;
use crate::effect::Receipt;
use crate::hash::IdempotencyKey;
use crate::id::OutletId;

/// How an effect stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// An attempt is under way, or its process has ended: only a look at the
    /// other side tells.
    Claimed,
    /// It took effect. Never done again.
    Done(Receipt),
    /// The other side will never take it, and why. Never done again.
    Refused(String),
    /// It may have taken effect, and why nobody knows.
    InDoubt(String),
    /// It has not taken effect, for sure, and what it waits for.
    Waiting(String),
}

impl EffectState {
    /// Whether it ended.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Refused(_))
    }

    /// Whether it may have taken effect without our knowing.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Claimed | Self::InDoubt(_))
    }
}

/// One effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectRow {
    /// Which.
    pub key: IdempotencyKey,
    /// How often it was claimed.
    pub attempt: u32,
    /// When it was claimed last.
    pub claimed_at: DateTime<Utc>,
    /// Since when it stands as it does.
    pub since: DateTime<Utc>,
    /// How it stands.
    pub state: EffectState,
}

/// Somebody is about to do it.
#[derive(Debug, Clone)]
pub struct EffectClaim {
    /// Where.
    pub outlet: OutletId,
    /// The right to claim there.
    pub epoch: Epoch,
    /// Which.
    pub key: IdempotencyKey,
    /// How often it had been claimed when this was decided. 0: never.
    pub after: u32,
    /// What it tells whom, if it tells anybody anything.
    pub about: Option<About>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct EffectCommit {
    /// Where.
    pub outlet: OutletId,
    /// The right to settle there.
    pub epoch: Epoch,
    /// Which.
    pub key: IdempotencyKey,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// How it stands now.
    pub state: EffectState,
    /// Now.
    pub now: DateTime<Utc>,
}
