//! What the practice is told, as the vendor takes it:
//!
//! | told | request | found again by |
//! |---|---|---|
//! | comm log | `POST /commlogs` | our marker in a note of the patient |
//! | recall status | `PUT /recalls/{RecallNum}` | the recall's status |
//! | the same, as a reminder | `PUT /recalls/Status` | our marker in a note of the patient |
//! | confirmation | `PUT /appointments/{AptNum}/Confirm` | the visit's status |
//! | patient field | `PUT /patfields` | the field's value |
//!
//! There is no idempotency key anywhere in the vendor's API: two posts are two
//! rows. Kinds and statuses are checked against the office's own lists, hidden
//! entries left out, and never guessed by name.

mod choices;
mod look;
mod settings;

use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDateTime;
use odx_core::effect::{ActError, Marker, Receipt};
use odx_core::writer::{
    CommDirection, CommLog, CommMode, Confirmation, PatientField, PracticeWriter, RecallStatus,
    WriteBack,
};
use odx_core::{Error, Phi, Result, SourceId};

use crate::client::{TURN, Write};
use crate::error::Cause;
use crate::source::OpenDental;
use crate::version::Version;
use crate::wire::{self, NewCommlog, NewConfirmation, NewPatField, NewRecall, NewRecallStatus};

pub(crate) use choices::Choices;
use settings::RecallRoute;
pub use settings::WriteBackSettings;

/// Definition category of confirmation statuses.
const CONFIRMED: u8 = 2;
/// Definition category of recall statuses.
const RECALL_UNSCHED: u8 = 13;
/// Definition category of comm log types.
const COMM_LOG_TYPES: u8 = 27;
/// The usage whose entries count as reminders.
const RECALL: &str = "RECALL";

/// Longest time for what must be read before a write can be made.
const PREPARED_WITHIN: Duration = Duration::from_secs(90);
/// The vendor ends what it does for a request after this.
const VENDOR_LIMIT: Duration = Duration::from_secs(60);

fn number(native: &str) -> Result<i64, Cause> {
    native.parse().map_err(|_| Cause::ForeignKey)
}

/// Office time, as the vendor takes it.
fn stamp(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// As a comm log is posted: not as it is stored, and not as a recall spells it.
const fn posted_mode(mode: CommMode) -> &'static str {
    match mode {
        CommMode::None => "None",
        CommMode::Email => "Email",
        CommMode::Mail => "Mail",
        CommMode::Phone => "Phone",
        CommMode::InPerson => "In Person",
        CommMode::Text => "Text",
    }
}

const fn direction(direction: CommDirection) -> &'static str {
    match direction {
        CommDirection::Sent => "Sent",
        CommDirection::Received => "Received",
        CommDirection::Neither => "Neither",
    }
}

/// The text with the marker behind it. Line breaks would come back as blanks.
fn note(text: &str, marker: &Marker) -> Phi<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Phi::new(format!("{text} {marker}").trim_start().to_owned())
}

const fn off<T>(what: &'static str) -> Result<T, Cause> {
    Err(Cause::WriteOff { what })
}

impl OpenDental {
    /// The settings, if write-back is on at all.
    fn allowed(&self, what: &'static str) -> Result<&WriteBackSettings, Cause> {
        self.write_back().ok_or(Cause::WriteOff { what })
    }

    /// The request that tells it.
    async fn prepare(&self, what: &WriteBack, marker: &Marker) -> Result<Write> {
        match what {
            WriteBack::CommLog(log) => self.comm_log(log, marker).await,
            WriteBack::RecallStatus(status) => self.recall_status(status, marker).await,
            WriteBack::Confirmation(confirmation) => self.confirmation(confirmation).await,
            WriteBack::PatientField(field) => self.patient_field(field),
        }
    }

    async fn comm_log(&self, log: &CommLog, marker: &Marker) -> Result<Write> {
        let settings = self.allowed("comm log entries")?;
        if !settings.comm_logs {
            return Ok(off("comm log entries")?);
        }
        let pat_num = number(log.patient.native())?;
        let chosen = self.choice(COMM_LOG_TYPES, &log.kind).await?;
        if chosen.usage.eq_ignore_ascii_case(RECALL) && !settings.reminders {
            return Ok(off("comm log entries that count as reminders")?);
        }
        Ok(Write::Commlog(NewCommlog {
            pat_num,
            comm_type: chosen.key.to_string(),
            comm_date_time: stamp(log.at),
            mode: posted_mode(log.mode),
            sent_or_received: direction(log.direction),
            note: note(log.text.expose(), marker),
        }))
    }

    async fn recall_status(&self, status: &RecallStatus, marker: &Marker) -> Result<Write> {
        let Some(route) = self.allowed("recall statuses")?.recall_status else {
            return Ok(off("recall statuses")?);
        };
        let pat_num = number(status.patient.native())?;
        let recall = number(status.recall.native())?;
        let recall_status = match &status.status {
            None => 0,
            Some(key) => self.choice_by_key(RECALL_UNSCHED, key).await?,
        };
        let write = match route {
            RecallRoute::Row => Write::Recall {
                number: recall,
                body: NewRecall { recall_status },
            },
            RecallRoute::Reminder => Write::RecallStatus(NewRecallStatus {
                pat_num,
                recall_type: self.recall_type(pat_num, recall).await?,
                recall_status,
                commlog_mode: "None",
                commlog_note: note("", marker),
            }),
        };
        Ok(write)
    }

    async fn confirmation(&self, confirmation: &Confirmation) -> Result<Write> {
        if !self.allowed("confirmations")?.confirmations {
            return Ok(off("confirmations")?);
        }
        let number = number(confirmation.appointment.native())?;
        let def_num = self.choice_by_key(CONFIRMED, &confirmation.status).await?;
        let body = NewConfirmation { def_num };
        Ok(Write::Confirm { number, body })
    }

    fn patient_field(&self, field: &PatientField) -> Result<Write> {
        if !self.allowed("patient fields")?.patient_fields {
            return Ok(off("patient fields")?);
        }
        Ok(Write::PatField(NewPatField {
            pat_num: number(field.patient.native())?,
            field_name: field.field.clone(),
            field_value: field.value.clone(),
        }))
    }

    /// An office that is known to be too old is not asked: its 400 might be
    /// worded in a way that nobody can tell from an outage.
    fn new_enough(&self, write: &Write) -> Result<(), Cause> {
        let needs = write.needs();
        match (self.version(), Version::parse(needs)) {
            (Some(found), Some(version)) if found < version => Err(Cause::TooOld {
                what: write.what(),
                needs,
            }),
            _ => Ok(()),
        }
    }
}

/// What kept a write from being made: nothing of it was sent.
fn unprepared(error: Error) -> ActError {
    match error.disposition() {
        odx_core::Disposition::Retry { .. } => ActError::NotSent(error),
        _ => ActError::Refused(error),
    }
}

/// The row's own key, where the answer holds the row. Older offices answer with
/// nothing.
fn receipt(write: &Write, body: &[u8]) -> Receipt {
    let key = match write {
        Write::Commlog(_) => {
            wire::decode::<wire::Commlog<'_>>(body).and_then(|rows| rows.first()?.commlog_num.get())
        }
        Write::PatField(_) => wire::decode::<wire::PatField<'_>>(body)
            .and_then(|rows| rows.first()?.pat_field_num.get()),
        _ => None,
    };
    match key {
        Some(key) if key != 0 => Receipt::of(key.to_string()),
        _ => Receipt::default(),
    }
}

#[async_trait]
impl PracticeWriter for OpenDental {
    fn practice(&self) -> &SourceId {
        odx_core::source::PracticeSource::id(self)
    }

    fn settles_within(&self) -> Duration {
        PREPARED_WITHIN + TURN + self.timeout() + VENDOR_LIMIT
    }

    async fn write(&self, what: &WriteBack, marker: &Marker) -> Result<Receipt, ActError> {
        let prepared = tokio::time::timeout(PREPARED_WITHIN, self.prepare(what, marker));
        let write = match prepared.await {
            Ok(write) => write.map_err(unprepared)?,
            Err(_) => {
                let (what, within) = ("what a write needs to know", PREPARED_WITHIN);
                return Err(ActError::NotSent(Cause::NoTurn { what, within }.writing()));
            }
        };
        self.new_enough(&write)
            .map_err(|cause| ActError::Refused(cause.writing()))?;
        let reply = self.api().write(&write).await?;
        Ok(receipt(&write, &reply.body))
    }

    async fn find(&self, what: &WriteBack, marker: &Marker) -> Result<Option<Receipt>> {
        match what {
            WriteBack::CommLog(log) => {
                let patient = number(log.patient.native())?;
                self.find_marker(patient, marker).await
            }
            WriteBack::RecallStatus(status) => {
                let patient = number(status.patient.native())?;
                match self.allowed("recall statuses")?.recall_status {
                    Some(RecallRoute::Reminder) => self.find_marker(patient, marker).await,
                    _ => self.find_recall(patient, status).await,
                }
            }
            WriteBack::Confirmation(confirmation) => self.find_confirmation(confirmation).await,
            WriteBack::PatientField(field) => self.find_field(field).await,
        }
    }
}
