//! Lets what was refused be tried again.

use chrono::DateTime;
use serde::Serialize;

use super::desk::Desk;
use crate::error::Result;
use crate::store::EffectState;
use crate::store::outreach::{Messages, Replay};

/// What a replay came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Records that are tried again, with what they are now.
    pub records: u64,
    /// Messages that a provider refused, and that fit: what ended stays ended,
    /// and they are not sent again.
    pub ended: u64,
}

impl Desk {
    /// Lets refused records be tried again with what they are now: the content
    /// that was refused is not kept. Whoever follows the practice sends them with
    /// its next pass.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn replay(&self, which: &Replay) -> Result<Replayed> {
        let mut replayed = Replayed::default();
        for (sink, _) in &self.sinks {
            replayed.records += self.known().replay(sink, which).await?;
        }
        let messages = Messages {
            since: which.since.unwrap_or(DateTime::UNIX_EPOCH),
            open_only: true,
            limit: usize::MAX,
        };
        for row in self.known().messages(&self.outlet()?, &messages).await? {
            let EffectState::Refused(why) = &row.told.state else {
                continue;
            };
            let id = self.ids().patient(&row.patient);
            let fits = which.external_id.as_ref().is_none_or(|only| *only == id)
                && which.code.as_ref().is_none_or(|code| why.contains(code));
            replayed.ended += u64::from(fits);
        }
        Ok(replayed)
    }
}
