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
//! | `due`, `previous`, `scheduled` | `DateDue`, `DatePrevious`, `DateScheduled` | `0001-01-01` is none |
//! | `interval` | `RecallInterval` | `6m1d`: calendar months and days |
//! | `snoozed_until` | `DisableUntilDate` | |
//! | `held_for_balance` | `DisableUntilBalance` | above 0 |
//! | `urgent` | `Priority` | `ASAP` |
//! | `start` | `AptDateTime` | none while not on the book |
//! | `minutes` | `Pattern` | five per character |
//! | `provider` | `ProvHyg` of a hygiene visit, else `ProvNum` | |
//!
//! `DateTStamp` is in no record: a nightly job moves it on thousands of rows.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use odx_core::clock::Clock;
use odx_core::model::{RecordKey, RecordKind};
use odx_core::source::{
    Capabilities, Change, Page, Position, PracticeSource, Probe, PullRequest, Swept,
};
use odx_core::{Error, ErrorKind, PatientKey, Result, SourceId};
use serde_json::value::RawValue;

use crate::client::{Answer, Api, Call};
use crate::config::{Builder, Credentials};
use crate::convert;
use crate::cursor::{Facts, Feed, Stage, Step, ends};
use crate::error::Cause;
use crate::reference::Reference;
use crate::version::Version;

/// The first version with `/histappointments`. Asking an older one is not only
/// in vain: if its 400 is worded in a way nobody knows, it reads as "offline".
const HISTORY: Version = Version(23, 1, 30);

/// One Open Dental database, read through the vendor's REST API.
pub struct OpenDental {
    id: SourceId,
    api: Api,
    overlap: TimeDelta,
    clock: Arc<dyn Clock>,
    reference: RwLock<Option<Arc<Reference>>>,
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

    pub(crate) fn new(id: SourceId, api: Api, overlap: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            id,
            api,
            overlap: TimeDelta::from_std(overlap).unwrap_or(TimeDelta::MAX),
            clock,
            reference: RwLock::new(None),
        }
    }

    fn kept(&self) -> Option<Arc<Reference>> {
        self.reference
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Kept only when a page was read with it: while the office is off, nothing
    /// is learned that should last.
    fn keep(&self, reference: &Arc<Reference>) {
        *self
            .reference
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(reference));
    }

    async fn reference(&self, afresh: bool) -> Result<Arc<Reference>> {
        let kept = self.kept();
        if let Some(kept) = kept.as_ref().filter(|_| !afresh) {
            return Ok(Arc::clone(kept));
        }
        let last = kept.as_deref().cloned().unwrap_or_default();
        Ok(Arc::new(
            Reference::load(&self.api, last, Reference::ALL).await?,
        ))
    }

    /// Asks for a list. A list that is not there was a wrong address.
    async fn list(&self, call: &Call) -> Result<Answer> {
        let answer = self.api.get(call).await?;
        answer.ok_or_else(|| Cause::NoSuchResource { what: call.what() }.into())
    }

    /// Turns an answer into a page, if `step` knows where it leads.
    fn page(
        &self,
        stage: Stage,
        answer: &Answer,
        reference: &Reference,
        step: impl FnOnce(&Facts, usize) -> Result<Step, Cause>,
    ) -> Result<Option<Page>> {
        let rows = answer.rows()?;
        let longest = self.api.longest(answer);
        let Step::To(feed, swept) = step(&facts(stage, &rows), longest)? else {
            return Ok(None);
        };
        self.api.note_length(answer, rows.len());
        let changes = match stage {
            Stage::Patients => convert::changes(&rows, reference, convert::patient),
            Stage::Appointments => convert::changes(&rows, reference, convert::appointment),
            Stage::Deleted => rows.into_iter().filter_map(convert::deletion).collect(),
            Stage::Recalls => convert::changes(&rows, reference, convert::recall),
        };
        Ok(Some(Page {
            changes,
            swept: swept.map(|kind| Swept { kind }).into_iter().collect(),
            position: position(&feed)?,
        }))
    }

    /// Every row of a list about one patient.
    async fn all_of(
        &self,
        call: impl Fn(u64) -> Call + Send,
        reference: &Reference,
        one: for<'a> fn(&'a RawValue, &Reference) -> Change,
        changes: &mut Vec<Change>,
    ) -> Result<()> {
        let mut offset = 0;
        let mut before = Vec::new();
        loop {
            // `None`: the patient went away between two requests.
            let Some(answer) = self.api.get(&call(offset)).await? else {
                return Ok(());
            };
            let rows = answer.rows()?;
            let page = convert::changes(&rows, reference, one);
            if !page.is_empty() && page == before {
                let what = call(offset).what();
                return Err(Cause::Repeats { what }.into());
            }
            let done = ends(rows.len(), self.api.longest(&answer));
            self.api.note_length(&answer, rows.len());
            offset += u64::try_from(rows.len()).unwrap_or(u64::MAX);
            changes.extend(page.iter().cloned());
            before = page;
            if done {
                return Ok(());
            }
        }
    }
}

/// What paging needs to know of these rows.
fn facts(stage: Stage, rows: &[&RawValue]) -> Facts {
    let key = |raw: &RawValue| match stage {
        Stage::Patients => convert::page_key(RecordKind::Patient, raw, |row| row.pat_num),
        Stage::Appointments => convert::page_key(RecordKind::Appointment, raw, |row| row.apt_num),
        Stage::Deleted => convert::page_key(RecordKind::Appointment, raw, |row| row.hist_appt_num),
        Stage::Recalls => convert::page_key(RecordKind::Recall, raw, |row| row.recall_num),
    };
    Facts {
        ends: rows
            .first()
            .zip(rows.last())
            .map(|(first, last)| (key(first), key(last))),
        rows: rows.len(),
        clock: rows.first().and_then(|raw| convert::server_clock(raw)),
    }
}

/// A page without rows: this office does not tell what was deleted. Full
/// listings notice it.
fn skipped(feed: &Feed) -> Result<Page> {
    Ok(Page {
        changes: Vec::new(),
        swept: Vec::new(),
        position: position(feed)?,
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
        let last = self.kept().as_deref().cloned().unwrap_or_default();
        let reference = Reference::load(&self.api, last, Reference::PROBE).await?;
        // Nobody has changed the day after tomorrow: the answer is empty, and
        // says whether the list can be read at all.
        let later = self.clock.now().naive_utc() + TimeDelta::days(2);
        let list = Call::Patients {
            since: Some(later),
            offset: 0,
        };
        self.list(&list).await?.rows()?;
        Ok(Probe::new(self.findings(&reference)))
    }

    async fn pull(&self, req: PullRequest) -> Result<Page> {
        let (feed, begins) = Feed::open(req.cursor.as_ref(), req.extent, self.overlap)?;
        if begins {
            self.api.prefer_first();
        }
        let reference = self.reference(begins && feed.is_full()).await?;
        let stage = feed.stage();
        if stage == Stage::Deleted && reference.version.is_some_and(|v| v < HISTORY) {
            return skipped(&feed.skip(self.overlap));
        }
        let answer = match self.list(&feed.call()).await {
            Err(error)
                if stage == Stage::Deleted
                    && matches!(error.kind(), ErrorKind::Config | ErrorKind::Permission) =>
            {
                tracing::warn!(failure = error.chain(), "deletions are noticed late");
                return skipped(&feed.skip(self.overlap));
            }
            answer => answer?,
        };
        self.keep(&reference);
        let mut again = None;
        let step = |facts: &Facts, longest| {
            again = Some(facts.clone());
            Ok(feed.step(facts, longest, self.overlap))
        };
        if let Some(page) = self.page(stage, &answer, &reference, step)? {
            return Ok(page);
        }
        let again = again.unwrap_or_default();
        let answer = self.list(&feed.first_call()).await?;
        let step =
            |first: &Facts, longest| feed.step_from_first(first, &again, longest, self.overlap);
        let page = self.page(stage, &answer, &reference, step)?;
        let what = feed.call().what();
        page.ok_or_else(|| Cause::Repeats { what }.into())
    }

    async fn refresh(&self, patient: &PatientKey) -> Result<Vec<Change>> {
        let number: i64 = patient.native().parse().map_err(|_| Cause::ForeignKey)?;
        let reference = self.reference(false).await?;
        let Some(answer) = self.api.get(&Call::Patient(number)).await? else {
            return Ok(vec![Change::Gone(RecordKey::Patient(patient.clone()))]);
        };
        self.keep(&reference);
        let mut changes = convert::changes(&answer.rows()?, &reference, convert::patient);
        let patient = number;
        let recalls = |offset| Call::RecallsOf { patient, offset };
        self.all_of(recalls, &reference, convert::recall, &mut changes)
            .await?;
        let appointments = |offset| Call::AppointmentsOf { patient, offset };
        self.all_of(appointments, &reference, convert::appointment, &mut changes)
            .await?;
        Ok(changes)
    }

    fn requests(&self) -> u64 {
        self.api.requests()
    }
}

impl OpenDental {
    fn findings(&self, reference: &Reference) -> Vec<String> {
        let mut findings = Vec::new();
        if let Some(url) = self.api.current().and_then(url::Url::host_str) {
            findings.push(format!("answers at {url}"));
        }
        let interval = self.api.pace().interval();
        match &reference.granted {
            Some(granted) => {
                findings.push(format!("the key has: {}", granted.join(", ")));
                if !granted.iter().any(|name| name == "ApiComm") {
                    findings.push(
                        "without ApiComm nothing can be written back, and a remote request \
                         may be made only every 5 s"
                            .to_owned(),
                    );
                }
            }
            None => findings.push(format!(
                "the key's permissions cannot be read; one request every {} s",
                interval.as_secs_f32()
            )),
        }
        match reference.version {
            Some(version) => {
                findings.push(format!("the office runs version {version}"));
                for (needs, lacks) in [
                    (Version(22, 4, 40), "recalls cannot be read"),
                    (
                        HISTORY,
                        "deleted appointments are noticed by full listings only",
                    ),
                    (Version(24, 1, 44), "recall types may have no names"),
                ] {
                    if version < needs {
                        findings.push(format!("{lacks}: that needs version {needs}"));
                    }
                }
            }
            None => findings.push("the office's version cannot be read".to_owned()),
        }
        let (clinics, providers) = (reference.clinics.len(), reference.providers.len());
        if clinics + providers > 0 {
            findings.push(format!("{clinics} clinics, {providers} providers"));
        }
        findings
    }
}
