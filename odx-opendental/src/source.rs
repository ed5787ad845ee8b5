//! Where every field comes from:
//!
//! | canonical | Open Dental | notes |
//! |---|---|---|
//! | `patient.key` | `PatNum` | |
//! | `household` | `Guarantor` | 0 is the patient |
//! | `status` | `PatStatus` | an unknown word is unreadable |
//! | `mobile` | `WirelessPhone` | |
//! | `landline` | `HmPhone`, else `WkPhone` | only without a mobile |
//! | `email` | `Email` | two addresses are none |
//! | `consent` | `TxtMsgOk`, `PreferContactMethod`, `PreferRecallMethod` | `SeeNotes` drops every yes |
//! | opt-outs | `commoptout`, `reactivation.DoNotContact`, `ShortCodeOptIn` | by query only |
//! | `due`, `previous`, `scheduled` | `DateDue`, `DatePrevious`, `DateScheduled` | `0001-01-01` is none |
//! | `interval` | `RecallInterval` | `6m1d`: calendar months and days |
//! | `snoozed_until` | `DisableUntilDate` | |
//! | `held_for_balance` | `DisableUntilBalance` | above 0 |
//! | `urgent` | `Priority` | `ASAP` |
//! | `start` | `AptDateTime` | none while not on the book |
//! | `minutes` | `Pattern` | five per character |
//! | `missed` | `ProcDescript` | only the code D9986 or D9987; with queries only |
//! | `provider` | `ProvHyg` of a hygiene visit, else `ProvNum` | |
//! | reminders | `commlog`: `CommDateTime`, `Mode_`, usage of `CommType` | where turned on; see `convert/reminder.rs` |
//!
//! `DateTStamp` is in no record: a nightly job moves it on thousands of rows.

mod lists;
mod office;
mod probe;
mod queries;
mod told;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDateTime;
use odx_core::clock::Clock;
use odx_core::model::{RecordKey, RecordKind};
use odx_core::source::{
    Capabilities, Change, Cursor, Page, Plan, Position, PracticeSource, Probe, PullRequest, Swept,
};
use odx_core::{Error, ErrorKind, PatientKey, Result, SourceId};

use crate::client::{Answer, Api, Call};
use crate::config::{Builder, Credentials};
use crate::convert;
use crate::cursor::{Ask, Feed, Step};
use crate::error::Cause;
use crate::plan::{self, Terms};
use crate::reference::Reference;
use crate::version::Version;
use crate::writer::{Choices, WriteBackSettings};

use office::Office;
pub(crate) use office::OverlapChoice;

/// One Open Dental database, read through the vendor's REST API.
pub struct OpenDental {
    id: SourceId,
    api: Api,
    clock: Arc<dyn Clock>,
    office: Office,
    write_back: Option<WriteBackSettings>,
    choices: Choices,
    timeout: Duration,
    #[cfg(feature = "events")]
    looks: crate::subscriptions::Looks,
}

impl std::fmt::Debug for OpenDental {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let urls: Vec<_> = self.api.urls().map(url::Url::as_str).collect();
        f.debug_struct("OpenDental")
            .field("id", &self.id)
            .field("base_urls", &urls)
            .finish_non_exhaustive()
    }
}

impl OpenDental {
    /// Begins the settings of a source.
    pub fn builder(id: SourceId, credentials: Credentials) -> Builder {
        Builder::new(id, credentials)
    }

    pub(crate) fn new(
        id: SourceId,
        api: Api,
        overlap: OverlapChoice,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            id,
            api,
            clock,
            office: Office::new(overlap),
            write_back: None,
            choices: Choices::default(),
            timeout: Duration::ZERO,
            #[cfg(feature = "events")]
            looks: crate::subscriptions::Looks::default(),
        }
    }

    /// For how many days what the office sent is read.
    pub(crate) const fn with_reminders(mut self, days: Option<u16>) -> Self {
        self.office.read_reminders(days);
        self
    }

    /// What may be written, and the longest wait for an answer.
    pub(crate) fn with_write_back(
        mut self,
        settings: Option<WriteBackSettings>,
        timeout: Duration,
    ) -> Self {
        self.write_back = settings;
        self.timeout = timeout;
        self
    }

    pub(crate) const fn write_back(&self) -> Option<&WriteBackSettings> {
        self.write_back.as_ref()
    }

    pub(crate) const fn choices(&self) -> &Choices {
        &self.choices
    }

    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) const fn api(&self) -> &Api {
        &self.api
    }

    #[cfg(feature = "events")]
    pub(crate) const fn looks(&self) -> &crate::subscriptions::Looks {
        &self.looks
    }

    /// The office's version, once it was read.
    pub(crate) fn version(&self) -> Option<Version> {
        self.office.reference()?.version
    }

    /// What rows refer to and what the key permits, read where it is not known
    /// or may have changed.
    pub(crate) async fn reference(&self, afresh: &[Call]) -> Result<Arc<Reference>> {
        let kept = self.office.reference();
        let calls = if kept.is_none() { self.names() } else { afresh };
        match kept {
            Some(kept) if calls.is_empty() => Ok(kept),
            kept => {
                let last = kept.as_deref().cloned().unwrap_or_default();
                let loaded = Reference::load(&self.api, last, calls).await?;
                Ok(Arc::new(loaded))
            }
        }
    }

    /// Everything that is read once and with every full pass.
    const fn names(&self) -> &'static [Call] {
        match self.office.reads_reminders() {
            true => Reference::ALL_WITH_REMINDERS,
            false => Reference::ALL,
        }
    }

    fn terms(&self) -> Terms {
        let page = u64::try_from(self.api.longest_page()).unwrap_or(u64::MAX);
        self.office.terms(page, self.clock.now())
    }

    /// Asks for a list. A list that is not there was a wrong address.
    pub(crate) async fn list(&self, call: &Call) -> Result<Answer> {
        let answer = self.api.get(call).await?;
        answer.ok_or_else(|| Cause::NoSuchResource { what: call.what() }.into())
    }

    /// Before a pass: which permissions, which version, which names.
    async fn begin(&self, cursor: Option<&Cursor>, full: bool) -> Result<Arc<Reference>> {
        let begins = match cursor {
            Some(cursor) => {
                let feed = Feed::read(cursor)?;
                self.office.remember(feed.zone.as_deref());
                feed.is_caught_up()
            }
            None => true,
        };
        let mut calls: &[Call] = &[];
        if begins {
            if self.office.begins(self.clock.now()) {
                calls = Reference::PROBE;
            }
            if full {
                calls = self.names();
            }
        }
        let reference = self.reference(calls).await?;
        if begins && reference.is_known() {
            // The route is chosen by it, before any page is read.
            self.office.keep(&reference);
        }
        Ok(reference)
    }
}

/// One patient, and of which moments of the office the rows are.
#[derive(Debug, Default)]
struct Look {
    changes: Vec<Change>,
    patient: Option<NaiveDateTime>,
    appointments: Option<NaiveDateTime>,
}

/// A page that leads where `step` says.
fn page(changes: Vec<Change>, step: Step) -> Result<Page> {
    let Step::To(feed, swept) = step else {
        return Err(Error::new(ErrorKind::Bug, "a repeat was not resolved"));
    };
    Ok(Page {
        changes,
        swept: swept.into_iter().map(|kind| Swept { kind }).collect(),
        position: position(&feed)?,
    })
}

fn position(feed: &Feed) -> Result<Position> {
    let cursor = feed.to_cursor().map_err(|cause| {
        Error::new(ErrorKind::Bug, "the cursor cannot be written").with_cause(cause)
    })?;
    Ok(if feed.is_caught_up() {
        Position::CaughtUp(cursor)
    } else {
        Position::More(cursor)
    })
}

#[async_trait]
impl PracticeSource for OpenDental {
    fn id(&self) -> &SourceId {
        &self.id
    }

    /// Deletions are told for appointments only, so none are promised.
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().with_sweeps().with_incremental()
    }

    async fn probe(&self) -> Result<Probe> {
        self.look().await
    }

    async fn plan(&self, req: &PullRequest) -> Result<Plan> {
        let full = req.extent == odx_core::source::Extent::Everything;
        if !self.begin(req.cursor.as_ref(), full).await?.is_known() {
            // An office that is off would read as one that permits nothing.
            self.knock().await?;
        }
        let terms = self.terms();
        let (feed, _) = Feed::open(req.cursor.as_ref(), req.extent, &terms)?;
        Ok(plan::plan(&feed, &terms, &self.office.closed()))
    }

    async fn pull(&self, req: PullRequest) -> Result<Page> {
        let full = req.extent == odx_core::source::Extent::Everything;
        let reference = self.begin(req.cursor.as_ref(), full).await?;
        let terms = self.terms();
        let (mut feed, _) = Feed::open(req.cursor.as_ref(), req.extent, &terms)?;
        feed.zone = self.office.kept_to();
        self.office.knows(&feed.missed);
        let reference = reference.knowing(&feed.missed);
        match feed.ask(&terms) {
            Ask::List(_) => self.pull_list(feed, &terms, &reference).await,
            Ask::Query(query) => self.pull_query(feed, query, &terms, &reference).await,
            Ask::RecallsOf { patient, visits } => {
                let mut changes = Vec::new();
                self.recalls_of(patient, &reference, &mut changes).await?;
                if visits {
                    let clock = self
                        .appointments_of(patient, &reference, &mut changes)
                        .await?;
                    feed.has_seen(RecordKind::Appointment, clock);
                }
                page(changes, feed.looked(patient, &terms))
            }
            Ask::Patient(patient) => {
                let look = self.whole(patient, &reference).await?;
                feed.has_seen(RecordKind::Patient, look.patient);
                feed.has_seen(RecordKind::Appointment, look.appointments);
                page(look.changes, feed.looked(patient, &terms))
            }
        }
    }

    async fn refresh(&self, patient: &PatientKey) -> Result<Vec<Change>> {
        let number: i64 = patient.native().parse().map_err(|_| Cause::ForeignKey)?;
        let reference = self.reference(&[]).await?;
        let knowing = Arc::clone(&reference).knowing(&self.office.missed());
        let look = self.whole(number, &knowing).await?;
        self.office.keep(&reference);
        Ok(look.changes)
    }

    fn push(&self) -> Option<&dyn odx_core::push::PushSource> {
        Some(self)
    }

    fn requests(&self) -> u64 {
        self.api.requests()
    }
}

impl OpenDental {
    /// Everything about one patient, by lists.
    async fn whole(&self, patient: i64, reference: &Reference) -> Result<Look> {
        let mut look = Look::default();
        let Some(answer) = self.api.get(&Call::Patient(patient)).await? else {
            let key = RecordKey::new(RecordKind::Patient, patient.to_string());
            look.changes.push(Change::Gone(key));
            return Ok(look);
        };
        let rows = answer.rows()?;
        // A single row tells no clock; it is no older than its own stamp.
        look.patient = rows.first().and_then(|raw| convert::stamp(raw));
        look.changes = convert::changes(&rows, reference, convert::patient);
        self.recalls_of(patient, reference, &mut look.changes)
            .await?;
        look.appointments = self
            .appointments_of(patient, reference, &mut look.changes)
            .await?;
        Ok(look)
    }
}
