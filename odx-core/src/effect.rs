//! What cannot be taken back, done once: claim, act, settle.
//!
//! A contact in a CRM can be written twice and is the same contact. An entry in
//! a practice's log, or a message, is there twice. So the claim is stored before
//! anything is sent, and what became of it after. Between the two a process may
//! end and a reply may be lost: such an effect is *in doubt*, and the other side
//! is asked about it before it is ever repeated. Never twice beats always once.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::clock::Clock;
use crate::error::{Disposition, Error, ErrorKind, Result};
use crate::failpoint::{broken, reach};
use crate::hash::{IdempotencyKey, LedgerHash, hex};
use crate::id::OutletId;
use crate::store::outreach::About;
use crate::store::{EffectClaim, EffectCommit, EffectRow, EffectState, Epoch, StateStore};

/// Short text that stands in what was done and finds it again: `[odx:` and 24
/// hex digits and `]`. It says nothing about anybody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Marker(String);

impl Marker {
    /// The marker of this key, always the same one.
    ///
    /// ```
    /// use odx_core::IdempotencyKey;
    /// use odx_core::effect::Marker;
    /// let marker = Marker::of(&IdempotencyKey::of_parts(&["main-st", "12"]));
    /// assert_eq!(marker.as_str().len(), 30);
    /// assert!(marker.stands_in("left a message [odx:0] ") == false);
    /// ```
    pub fn of(key: &IdempotencyKey) -> Self {
        let digest = hex(LedgerHash::of(key.as_str().as_bytes()).as_bytes());
        Self(format!("[odx:{}]", digest.get(..24).unwrap_or(&digest)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text has it.
    pub fn stands_in(&self, text: &str) -> bool {
        text.contains(&self.0)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the other side gave for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Its own id of what was done. None: it gives none.
    pub remote_id: Option<String>,
}

impl Receipt {
    /// A receipt with an id.
    pub fn of(remote_id: impl Into<String>) -> Self {
        Self {
            remote_id: Some(remote_id.into()),
        }
    }
}

/// Why an attempt has no receipt: what matters is whether it can have taken
/// effect all the same.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// Nothing was sent. It may be tried again.
    #[error("nothing was sent")]
    NotSent(#[source] Error),
    /// It arrived and was not taken. What it takes to be taken is in the
    /// error's [`Disposition`]: `Reject` is for ever, `Halt` until a person has
    /// changed something.
    #[error("it was refused")]
    Refused(#[source] Error),
    /// It may have taken effect.
    #[error("whether it took effect is not known")]
    InDoubt(#[source] Error),
}

impl ActError {
    /// What went wrong.
    pub const fn error(&self) -> &Error {
        match self {
            Self::NotSent(error) | Self::Refused(error) | Self::InDoubt(error) => error,
        }
    }
}

/// One thing that must be done once.
#[async_trait]
pub trait Act: Debug + Send + Sync {
    /// Does it, with the marker in it wherever there is room for one. Sends
    /// once, whatever happens.
    ///
    /// # Errors
    /// See [`ActError`]. What is not sure is in doubt.
    async fn act(&self, marker: &Marker) -> Result<Receipt, ActError>;

    /// Looks whether an earlier attempt took effect. `None` is a promise: a
    /// whole answer was read and it is not there.
    ///
    /// # Errors
    /// Whatever kept it from being sure.
    async fn find(&self, marker: &Marker) -> Result<Option<Receipt>>;

    /// How long after [`act`](Self::act) was called it may still take effect,
    /// at the most: until then nothing follows from not finding it.
    fn settles_within(&self) -> Duration;
}

/// How an effect stands after it was asked for.
#[derive(Debug)]
pub enum Outcome {
    /// It was done now.
    Done(Receipt),
    /// An earlier attempt had done it, as the other side shows.
    Found(Receipt),
    /// It was done before. Nothing was asked or sent.
    Known(Receipt),
    /// It has not taken effect. Ask again: after a while, or once what the
    /// error names is mended.
    Waiting(Error),
    /// The other side will never take it.
    Refused(String),
    /// It may have taken effect. It is not repeated before the other side has
    /// shown that it did not.
    InDoubt {
        /// Why nobody knows.
        reason: String,
        /// Since when.
        since: DateTime<Utc>,
        /// Not finding it means something from then on.
        again: DateTime<Utc>,
    },
    /// Somebody else has just begun with it.
    Busy,
}

impl Outcome {
    /// The receipt, if it took effect.
    pub const fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Done(receipt) | Self::Found(receipt) | Self::Known(receipt) => Some(receipt),
            _ => None,
        }
    }
}

/// Does things once, by one outlet.
///
/// Cancel safe: what was dropped midway is in doubt, and is looked up when it
/// is asked for again.
#[derive(Debug)]
pub struct Effects {
    store: Arc<dyn StateStore>,
    outlet: OutletId,
    epoch: Epoch,
    clock: Arc<dyn Clock>,
}

impl Effects {
    /// Takes over an outlet. Whoever had it can neither begin nor settle there
    /// any more.
    ///
    /// # Errors
    /// [`ErrorKind::State`].
    pub async fn open(
        store: Arc<dyn StateStore>,
        outlet: OutletId,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let epoch = store.open_outlet(&outlet).await?;
        Ok(Self {
            store,
            outlet,
            epoch,
            clock,
        })
    }

    /// Which outlet.
    pub const fn outlet(&self) -> &OutletId {
        &self.outlet
    }

    /// What is not done, what a person should look at first; at most `limit`.
    ///
    /// # Errors
    /// [`ErrorKind::State`].
    pub async fn open_effects(&self, limit: usize) -> Result<Vec<EffectRow>> {
        self.store.open_effects(&self.outlet, limit).await
    }

    /// Does it, unless it was done or may have been. The same key must always
    /// come with the same content.
    ///
    /// # Errors
    /// [`ErrorKind::State`] if it cannot be remembered: it is then looked up
    /// the next time. [`ErrorKind::Superseded`] once somebody else has taken
    /// over. Everything about the other side is in the outcome.
    pub async fn perform(&self, key: &IdempotencyKey, act: &dyn Act) -> Result<Outcome> {
        self.perform_about(key, None, act).await
    }

    /// As [`perform`](Self::perform), and remembers what it tells whom, from the
    /// moment it is claimed.
    ///
    /// # Errors
    /// As [`perform`](Self::perform).
    pub async fn perform_about(
        &self,
        key: &IdempotencyKey,
        about: Option<&About>,
        act: &dyn Act,
    ) -> Result<Outcome> {
        match self.store.effect(&self.outlet, key).await? {
            None => self.attempt(key, about, 0, act).await,
            Some(row) => match row.state {
                EffectState::Done(receipt) => Ok(Outcome::Known(receipt)),
                EffectState::Refused(reason) => Ok(Outcome::Refused(reason)),
                EffectState::Waiting(_) => self.attempt(key, about, row.attempt, act).await,
                EffectState::Claimed | EffectState::InDoubt(_) if broken("broken.effect.find") => {
                    self.attempt(key, about, row.attempt, act).await
                }
                EffectState::Claimed | EffectState::InDoubt(_) => {
                    self.look_up(row, about, act).await
                }
            },
        }
    }

    /// It may have taken effect: the other side is asked, and only what has
    /// surely not happened is done again.
    async fn look_up(
        &self,
        row: EffectRow,
        about: Option<&About>,
        act: &dyn Act,
    ) -> Result<Outcome> {
        let again = again(&row, act);
        let reason = match self.ask(&row, act).await? {
            Asked::Found(receipt) => return Ok(Outcome::Found(receipt)),
            Asked::NotThere if self.clock.now() >= again => {
                return self.attempt(&row.key, about, row.attempt, act).await;
            }
            Asked::NotThere => "it is not there yet, and may still arrive".to_owned(),
            Asked::Unknown(why) => why,
        };
        let (reason, since) = match row.state {
            // What is known to be in doubt is not written again.
            EffectState::InDoubt(first) => (format!("{first}; {reason}"), row.since),
            _ => {
                let doubt = EffectState::InDoubt(reason.clone());
                self.settle(&row.key, row.attempt, doubt).await?;
                (reason, self.clock.now())
            }
        };
        Ok(Outcome::InDoubt {
            reason,
            since,
            again,
        })
    }

    /// Looks on the other side. What is there is done.
    async fn ask(&self, row: &EffectRow, act: &dyn Act) -> Result<Asked> {
        let found = act.find(&Marker::of(&row.key)).await;
        reach("effect.looked_up");
        Ok(match found {
            Ok(Some(receipt)) => {
                let done = EffectState::Done(receipt.clone());
                self.settle(&row.key, row.attempt, done).await?;
                Asked::Found(receipt)
            }
            Ok(None) => Asked::NotThere,
            Err(error) => Asked::Unknown(format!("it cannot be looked up: {}", error.chain())),
        })
    }

    async fn attempt(
        &self,
        key: &IdempotencyKey,
        about: Option<&About>,
        after: u32,
        act: &dyn Act,
    ) -> Result<Outcome> {
        reach("effect.before_claim");
        let claimed_at = self.clock.now();
        let claim = EffectClaim {
            outlet: self.outlet.clone(),
            epoch: self.epoch,
            key: key.clone(),
            after,
            about: about.cloned(),
            now: claimed_at,
        };
        if !self.store.claim_effect(claim).await? {
            return Ok(Outcome::Busy);
        }
        reach("effect.claimed");
        let attempt = after + 1;
        let end = act.act(&Marker::of(key)).await;
        reach("effect.answered");
        let (state, outcome) = match end {
            Ok(receipt) => (EffectState::Done(receipt.clone()), Outcome::Done(receipt)),
            Err(ActError::Refused(error)) if error.disposition() == Disposition::Reject => {
                let reason = error.chain();
                (
                    EffectState::Refused(reason.clone()),
                    Outcome::Refused(reason),
                )
            }
            Err(ActError::NotSent(error) | ActError::Refused(error)) => {
                (EffectState::Waiting(error.chain()), Outcome::Waiting(error))
            }
            Err(ActError::InDoubt(error)) => {
                let reason = error.chain();
                let doubt = EffectState::InDoubt(reason.clone());
                self.settle(key, attempt, doubt.clone()).await?;
                let row = EffectRow {
                    key: key.clone(),
                    attempt,
                    claimed_at,
                    since: self.clock.now(),
                    state: doubt,
                };
                // Most lost replies are answered by one look, now.
                if let Asked::Found(receipt) = self.ask(&row, act).await? {
                    return Ok(Outcome::Found(receipt));
                }
                return Ok(Outcome::InDoubt {
                    reason,
                    since: row.since,
                    again: again(&row, act),
                });
            }
        };
        self.settle(key, attempt, state).await?;
        reach("effect.settled");
        Ok(outcome)
    }

    async fn settle(&self, key: &IdempotencyKey, attempt: u32, state: EffectState) -> Result<()> {
        let commit = EffectCommit {
            outlet: self.outlet.clone(),
            epoch: self.epoch,
            key: key.clone(),
            attempt,
            state,
            now: self.clock.now(),
        };
        self.store.settle_effect(commit).await
    }

    /// Whether an act of this practice may go through here.
    pub(crate) fn belongs_to(&self, practice: &crate::id::SourceId) -> Result<()> {
        if self.outlet.source() == practice {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Config,
            "the outlet belongs to another source: open one for each practice",
        ))
    }
}

/// What a look at the other side showed.
enum Asked {
    Found(Receipt),
    NotThere,
    Unknown(String),
}

/// From when on not finding it means that it did not happen.
fn again(row: &EffectRow, act: &dyn Act) -> DateTime<Utc> {
    TimeDelta::from_std(act.settles_within())
        .ok()
        .and_then(|within| row.claimed_at.checked_add_signed(within))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
