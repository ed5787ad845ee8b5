//! Pages of the vendor's lists.

use chrono::NaiveDateTime;
use odx_core::model::RecordKind;
use odx_core::source::{Change, Page};
use odx_core::{ErrorKind, LedgerHash, PatientKey, Result};
use serde_json::value::RawValue;

use super::{OpenDental, page};
use crate::client::{Answer, Call};
use crate::convert;
use crate::cursor::{Facts, Feed, Stage, Step, ends};
use crate::error::Cause;
use crate::plan::Terms;
use crate::reference::Reference;
use crate::wire;

/// What paging needs to know of these rows.
fn facts(stage: Stage, rows: &[&RawValue]) -> Facts {
    let key = |raw: &RawValue| match stage {
        Stage::Appointments => convert::page_key(RecordKind::Appointment, raw, |row| row.apt_num),
        Stage::Deleted => convert::page_key(RecordKind::Appointment, raw, |row| row.hist_appt_num),
        Stage::Recalls => convert::page_key(RecordKind::Recall, raw, |row| row.recall_num),
        Stage::Signals => convert::page_key(RecordKind::Recall, raw, |row| row.signal_num),
        Stage::Reminders => convert::page_key(RecordKind::Reminder, raw, |row| row.commlog_num),
        _ => convert::page_key(RecordKind::Patient, raw, |row| row.pat_num),
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

/// Whether the pass goes on without this list. Names of types and statuses can
/// wait for the next pass, whatever stands in the way of hearing that they
/// changed.
const fn can_do_without(stage: Stage, failure: ErrorKind) -> bool {
    match stage {
        Stage::Deleted | Stage::Reminders => {
            matches!(failure, ErrorKind::Config | ErrorKind::Permission)
        }
        Stage::Signals => !matches!(failure, ErrorKind::Credentials | ErrorKind::RateLimited),
        _ => false,
    }
}

impl OpenDental {
    /// The next page of the list that `feed` stands in.
    pub(super) async fn pull_list(
        &self,
        mut feed: Feed,
        terms: &Terms,
        reference: &Reference,
    ) -> Result<Page> {
        let stage = feed.stage();
        let answer = match self.list(&feed.call()).await {
            Err(error) if can_do_without(stage, error.kind()) => {
                tracing::warn!(failure = error.chain(), ?stage, "left out");
                return page(Vec::new(), feed.skip(terms));
            }
            answer => answer?,
        };
        let rows = answer.rows()?;
        let known = facts(stage, &rows);
        if let Some(wall) = known.clock {
            self.office.saw(wall, self.clock.now());
        }
        self.touch(&mut feed, &rows, terms);
        let reminded = feed.reminders_from(terms);
        let step = feed.step(&known, self.api.longest(&answer), terms);
        if step != Step::Repeats {
            let repeated = feed.repeats_a_row(&known);
            return self
                .list_page(&answer, rows, repeated, (stage, reminded), reference, step)
                .await;
        }
        let first = self.list(&feed.first_call()).await?;
        let rows = first.rows()?;
        let from_first = facts(stage, &rows);
        self.touch(&mut feed, &rows, terms);
        let longest = self.api.longest(&first);
        let step = feed.step_from_first(&from_first, &known, longest, terms)?;
        self.list_page(&first, rows, false, (stage, reminded), reference, step)
            .await
    }

    async fn list_page(
        &self,
        answer: &Answer,
        mut rows: Vec<&RawValue>,
        repeated: bool,
        (stage, reminded): (Stage, NaiveDateTime),
        reference: &Reference,
        step: Step,
    ) -> Result<Page> {
        self.api.note_length(answer, rows.len());
        if repeated {
            // The page before has shown it.
            rows.remove(0);
        }
        let changes = match stage {
            Stage::Appointments => convert::changes(&rows, reference, convert::appointment),
            Stage::Deleted => rows.into_iter().filter_map(convert::deletion).collect(),
            Stage::Recalls => convert::changes(&rows, reference, convert::recall),
            Stage::Reminders => rows
                .into_iter()
                .filter_map(|raw| convert::reminder(raw, reference, reminded))
                .collect(),
            Stage::Signals => {
                self.heed(&rows).await?;
                Vec::new()
            }
            _ => convert::changes(&rows, reference, convert::patient),
        };
        page(changes, step)
    }

    /// Who is shown as changed has recalls that may have changed with it.
    fn touch(&self, feed: &mut Feed, rows: &[&RawValue], terms: &Terms) {
        let shows_changes = match feed.stage() {
            Stage::Patients | Stage::Appointments => feed.lists_changes(),
            Stage::Deleted => true,
            _ => false,
        };
        if !shows_changes {
            return;
        }
        let patients: Vec<_> = rows
            .iter()
            .filter(|raw| {
                self.office
                    .is_news(LedgerHash::of(&convert::without_clock(raw)))
            })
            .filter_map(|raw| convert::patient_number(raw))
            .collect();
        feed.touch(patients, terms);
    }

    /// The office's program tells its own caches what changed: exactly what is
    /// kept here of it is read again.
    async fn heed(&self, rows: &[&RawValue]) -> Result<()> {
        let mut calls = Vec::new();
        for raw in rows {
            let Ok(signal) = serde_json::from_str::<wire::Signal<'_>>(raw.get()) else {
                continue;
            };
            for call in Reference::named_by(signal.i_type.get(), self.office.reads_reminders()) {
                if !calls.contains(call) {
                    calls.push(call.clone());
                }
            }
        }
        if !calls.is_empty() {
            let reference = self.reference(&calls).await?;
            self.office.keep(&reference);
        }
        Ok(())
    }

    /// All recalls of a patient, and that there are no others.
    pub(super) async fn recalls_of(
        &self,
        patient: i64,
        reference: &Reference,
        changes: &mut Vec<Change>,
    ) -> Result<()> {
        let recalls = |offset| Call::RecallsOf { patient, offset };
        let from = changes.len();
        let all = self
            .all_of(recalls, reference, convert::recall, changes)
            .await?;
        if all.is_none() {
            return Ok(());
        }
        let shown = changes.get(from..).unwrap_or_default().iter();
        let keys = shown
            .filter_map(Change::key)
            .map(|key| key.native().to_owned())
            .collect();
        changes.push(Change::Whole {
            patient: PatientKey::new(patient.to_string()),
            kind: RecordKind::Recall,
            keys,
            removed: false,
        });
        Ok(())
    }

    /// All appointments of a patient. Returns the office's clock, if they tell it.
    pub(super) async fn appointments_of(
        &self,
        patient: i64,
        reference: &Reference,
        changes: &mut Vec<Change>,
    ) -> Result<Option<NaiveDateTime>> {
        let appointments = |offset| Call::AppointmentsOf { patient, offset };
        let all = self
            .all_of(appointments, reference, convert::appointment, changes)
            .await?;
        Ok(all.and_then(|clock| clock))
    }

    /// Every row of a list about one patient, and the office's clock as they tell
    /// it. None: there is no such patient.
    async fn all_of(
        &self,
        call: impl Fn(u64) -> Call + Send,
        reference: &Reference,
        one: for<'a> fn(&'a RawValue, &Reference) -> Change,
        changes: &mut Vec<Change>,
    ) -> Result<Option<Option<NaiveDateTime>>> {
        let mut offset = 0;
        let mut clock = None;
        let mut before = Vec::new();
        loop {
            // `None`: the patient went away between two requests.
            let Some(answer) = self.api.get(&call(offset)).await? else {
                return Ok(None);
            };
            let rows = answer.rows()?;
            clock = clock.or(rows.first().and_then(|raw| convert::server_clock(raw)));
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
                return Ok(Some(clock));
            }
        }
    }
}
