//! Reads the lists of stops that CRMs and gateways keep.

use super::{Pipeline, RunReport};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::{broken, reach};
use crate::id::SinkId;
use crate::outreach::MessageGateway;
use crate::sink::{CrmSink, SuppressionPage};
use crate::source::Cursor;

/// Whoever keeps a list of stops.
pub(super) enum Keeper<'a> {
    Crm(&'a dyn CrmSink),
    Gateway(&'a dyn MessageGateway),
}

impl Keeper<'_> {
    pub(super) fn id(&self) -> &SinkId {
        match self {
            Self::Crm(sink) => sink.id(),
            Self::Gateway(gateway) => gateway.id(),
        }
    }

    async fn pull(&self, since: Option<Cursor>) -> Result<SuppressionPage> {
        match self {
            Self::Crm(sink) => sink.suppressions(since).await,
            Self::Gateway(gateway) => gateway.suppressions(since).await,
        }
    }
}

impl Pipeline {
    /// Reads a list of stops from where it was last read to. Returns whether
    /// there is such a list at all.
    pub(super) async fn read_stops(
        &self,
        keeper: Keeper<'_>,
        report: &mut RunReport,
    ) -> Result<bool> {
        let id = keeper.id();
        if broken("broken.stops.read") {
            return Ok(true);
        }
        let store = &self.store;
        let mut since = store.suppression_cursor(id).await?;
        let mut listed = true;
        loop {
            let page = match keeper.pull(since.clone()).await {
                Ok(page) => page,
                Err(error) if error.kind() == ErrorKind::CursorExpired && since.is_some() => {
                    // From the start again: what is known already is no news.
                    since = None;
                    continue;
                }
                Err(error) => return Err(error),
            };
            listed &= page.listed;
            if page.unreadable > 0 {
                tracing::warn!(sink = %id, count = page.unreadable, "opt-outs that cannot be read");
                let what = format!(
                    "{} entries of the opt-out list of {id} cannot be read",
                    page.unreadable
                );
                self.problem(report, &Error::new(ErrorKind::Refused, what), None);
            }
            let next = page.next.clone();
            reach("stops.before");
            let now = self.clock.now();
            report.suppressions += store.suppress(id, page.stops, page.next, now).await?;
            reach("stops.after_commit");
            // A list that repeats its cursor has no more to say.
            if !page.more || next == since {
                return Ok(listed);
            }
            since = next;
        }
    }
}
