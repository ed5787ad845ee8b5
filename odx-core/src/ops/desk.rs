//! Where an operator sits: the state of one office, and nothing that is contacted.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::freshness::Closed;
use super::links::LinkTemplates;
use crate::clock::{Clock, SystemClock};
use crate::engine::Schedule;
use crate::error::Result;
use crate::id::{
    ExternalIds, HouseholdKey, IdScheme, OfficeId, OutletId, PatientKey, SinkId, SourceId,
};
use crate::model::HouseholdView;
use crate::office::Office;
use crate::policy::{Policy, TagMap};
use crate::sink::Account;
use crate::store::outreach::{
    Audit, AuditRow, OutreachChange, OutreachState, OutreachStore, Pause,
};
use crate::store::{DueQuery, StateStore};

/// What an operator asks about one office, and may change.
///
/// Made by [`Pipeline::desk`](crate::Pipeline::desk). Works while another
/// process follows the practice, on a state that was opened
/// [beside](crate::store::SqliteStore::open_beside) it.
#[derive(Debug, Clone)]
pub struct Desk {
    pub(super) store: Arc<dyn StateStore>,
    pub(super) source: SourceId,
    pub(super) office: Office,
    pub(super) policy: Arc<dyn Policy>,
    pub(super) sinks: Vec<(SinkId, Account)>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) schedule: Schedule,
    pub(super) reaches: bool,
    pub(super) closed: Closed,
    pub(super) links: LinkTemplates,
    pub(super) tags: TagMap,
}

impl Desk {
    pub(crate) fn new(
        store: Arc<dyn StateStore>,
        source: SourceId,
        office: Office,
        policy: Arc<dyn Policy>,
        sinks: Vec<(SinkId, Account)>,
    ) -> Self {
        Self {
            store,
            source,
            office,
            policy,
            sinks,
            clock: Arc::new(SystemClock),
            schedule: Schedule::default(),
            reaches: false,
            closed: Closed::default(),
            links: LinkTemplates::default(),
            tags: TagMap::default(),
        }
    }

    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) const fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    pub(crate) const fn with_outreach(mut self, reaches: bool) -> Self {
        self.reaches = reaches;
        self
    }

    /// Sets on which days the office is closed.
    #[must_use]
    pub fn with_closed(mut self, closed: Closed) -> Self {
        self.closed = closed;
        self
    }

    /// Sets the links from what is listed into the chart and the CRM.
    #[must_use]
    pub fn with_links(mut self, links: LinkTemplates) -> Self {
        self.links = links;
        self
    }

    /// Sets the tag map, so that what nobody mapped can be named.
    #[must_use]
    pub fn with_tags(mut self, tags: TagMap) -> Self {
        self.tags = tags;
        self
    }

    /// The office's id.
    pub const fn office(&self) -> &OfficeId {
        self.office.id()
    }

    pub(super) fn known(&self) -> &dyn OutreachStore {
        self.store.outreach()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// External ids as they stand in episodes and decisions.
    pub(super) fn ids(&self) -> ExternalIds {
        ExternalIds::new(self.source.clone(), IdScheme::Scoped)
    }

    pub(super) fn ids_at(&self, account: &Account) -> ExternalIds {
        ExternalIds::new(self.source.clone(), account.scheme)
    }

    pub(super) fn outlet(&self) -> Result<OutletId> {
        OutletId::new(self.source.clone(), "messages")
    }

    /// A household as the mirror knows it. None: no sink was ever opened for it.
    pub(super) async fn view(&self, household: &HouseholdKey) -> Result<Option<HouseholdView>> {
        let now = self.now();
        for (sink, account) in &self.sinks {
            // A sink that nobody has opened yet knows no households.
            if self.known().progress(sink).await?.all == 0 {
                continue;
            }
            let query = DueQuery {
                source: self.source.clone(),
                sink: sink.clone(),
                ids: self.ids_at(account),
                today: self.office.today(now),
                now,
                limit: 1,
                after: None,
            };
            let found = self
                .known()
                .households(&query, vec![household.clone()])
                .await?;
            if let Some(due) = found.into_iter().next() {
                return Ok(Some(due.view));
            }
        }
        Ok(None)
    }

    /// A patient by the practice's own id, or by an external id in either scheme.
    /// None: the practice never showed them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn find(&self, name: &str) -> Result<Option<(PatientKey, HouseholdKey)>> {
        let mut natives = vec![name];
        let system = &self.source.to_string();
        let prefixes = [
            format!("{system}:"),
            system
                .split_once(':')
                .map_or_else(String::new, |(system, _)| format!("{system}:")),
        ];
        for prefix in &prefixes {
            natives.extend(name.strip_prefix(prefix.as_str()));
        }
        for native in natives {
            let patient = PatientKey::new(native);
            if let Some(household) = self.known().household_of(&self.source, &patient).await? {
                return Ok(Some((patient, household)));
            }
        }
        Ok(None)
    }

    /// Stops reaching people at this office, at once. An older pause stays as it
    /// is, with its reason, and is returned.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn pause(&self, reason: &str) -> Result<Option<Pause>> {
        let known = self.known();
        let before = known.outreach_state(&self.source).await?.pause;
        if before.is_none() {
            let change = OutreachChange::Pause(Pause::by_hand(reason, self.now()));
            known.change_outreach(&self.source, change).await?;
        }
        Ok(before)
    }

    /// Goes on reaching people, and returns what held them back. A plan that odx
    /// held may then go out as large as a person saw it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn resume(&self) -> Result<Option<Pause>> {
        let known = self.known();
        let before = known.outreach_state(&self.source).await?.pause;
        if before.is_some() {
            let today = self.office.today(self.now());
            let change = OutreachChange::Resume { today };
            known.change_outreach(&self.source, change).await?;
        }
        Ok(before)
    }

    /// How the office stands with reaching people.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn outreach_state(&self) -> Result<OutreachState> {
        self.known().outreach_state(&self.source).await
    }

    /// Every status of the practice's living records, how often it is there, and
    /// the tags it is mapped to. `None`: nobody has decided.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn statuses(&self) -> Result<Vec<(String, u64, Option<BTreeSet<String>>)>> {
        let counts = self.known().statuses(&self.source).await?;
        Ok(counts
            .into_iter()
            .map(|(status, count)| {
                let tags = self.tags.get(&status).cloned();
                (status, count, tags)
            })
            .collect())
    }

    /// Statuses of watched fields about which nobody has decided.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn unmapped(&self) -> Result<Vec<String>> {
        let counts = self.known().statuses(&self.source).await?;
        let mapped = self.tags.tags(counts.keys().map(String::as_str));
        Ok(mapped.unmapped.into_iter().collect())
    }

    /// Disclosures after a number, in order.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn audit(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>> {
        self.known().audit(&self.source, after, limit).await
    }

    /// Walks the chain of disclosures of the whole state.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn verify_audit(&self) -> Result<Audit> {
        self.known().verify_audit().await
    }

    /// The last reports of runs, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn runs(&self, limit: usize) -> Result<Vec<(DateTime<Utc>, String)>> {
        self.known().runs(&self.source, limit).await
    }

    /// Now, by the office's own wall clock.
    pub fn wall_clock(&self) -> NaiveDateTime {
        self.now().with_timezone(&self.office.zone()).naive_local()
    }

    /// The first instant of a day at the office.
    pub fn midnight(&self, day: NaiveDate) -> DateTime<Utc> {
        self.office.midnight(day)
    }

    /// Keeps a note of an operator's own under a name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keep(&self, name: &str, text: &str) -> Result<()> {
        let name = format!("note:{name}");
        self.known().keep(&self.source, &name, text).await
    }

    /// What was last kept under that name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn kept(&self, name: &str) -> Result<Option<String>> {
        let name = format!("note:{name}");
        self.known().kept(&self.source, &name).await
    }
}
