//! The seam back into a practice: what it can be told.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDateTime;

use crate::effect::{Act, ActError, Effects, Marker, Outcome, Receipt};
use crate::error::Result;
use crate::hash::IdempotencyKey;
use crate::id::{AppointmentKey, PatientKey, RecallKey, SourceId};
use crate::phi::Phi;

/// One thing a practice is told. A closed set: a writer knows all of them, or
/// says which it cannot do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteBack {
    /// An entry in the patient's communication log.
    CommLog(CommLog),
    /// The status of a recall.
    RecallStatus(RecallStatus),
    /// The confirmation status of a visit.
    Confirmation(Confirmation),
    /// A field of the patient that the practice defined itself.
    PatientField(PatientField),
}

/// An entry in a patient's communication log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommLog {
    /// Who was contacted.
    pub patient: PatientKey,
    /// When, by the practice's wall clock.
    pub at: NaiveDateTime,
    /// By what means.
    pub mode: CommMode,
    /// Who contacted whom.
    pub direction: CommDirection,
    /// What it was about: the key of one of the practice's own kinds, or the
    /// word for a usage of them, such as `RECALL`, `APPT` or `MISC`, which the
    /// writer resolves at the office. In some systems a recall entry counts as
    /// a reminder and changes whom the staff call.
    pub kind: String,
    /// What the staff read.
    pub text: Phi<String>,
}

/// By what means a patient was contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommMode {
    /// None of these.
    None,
    /// E-mail.
    Email,
    /// A letter.
    Mail,
    /// Telephone.
    Phone,
    /// At the practice.
    InPerson,
    /// A text message.
    Text,
}

/// Who contacted whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommDirection {
    /// The practice, or odx for it, contacted the patient.
    Sent,
    /// The patient contacted the practice.
    Received,
    /// Neither.
    Neither,
}

/// The status of a recall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallStatus {
    /// Whose recall.
    pub patient: PatientKey,
    /// Which.
    pub recall: RecallKey,
    /// The key of the practice's own status, as in the label `recall_status`.
    /// None takes the status away.
    pub status: Option<String>,
}

/// The confirmation status of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// Which visit.
    pub appointment: AppointmentKey,
    /// The key of the practice's own status, as the office chose it: the same
    /// word means something else next door, and some statuses make the
    /// practice's system send messages of its own.
    pub status: String,
}

/// A field of the patient that the practice defined itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientField {
    /// Whose.
    pub patient: PatientKey,
    /// Its name, exactly as the practice spells it.
    pub field: String,
    /// Its new value.
    pub value: Phi<String>,
}

/// A practice system that can be told something.
///
/// Use it through [`tell`], which does each thing once. It waits for nobody,
/// repeats nothing, and is off until its adapter's settings turn it on.
#[async_trait]
pub trait PracticeWriter: Debug + Send + Sync + 'static {
    /// Which database this writes to.
    fn practice(&self) -> &SourceId;

    /// How long after [`write`](Self::write) was called it may still take
    /// effect, at the most: its own waiting and time-outs, and those of
    /// whatever stands between.
    fn settles_within(&self) -> Duration;

    /// Tells the practice, in one request to one address.
    ///
    /// The marker stands in what is written wherever there is room for text;
    /// elsewhere the value itself is what [`find`](Self::find) looks for.
    ///
    /// # Shape
    /// The receipt holds the practice's own id of what was written, if it gives
    /// one. Times are the practice's wall clock. Keys of statuses and kinds are
    /// checked against the office's own lists; nothing is guessed by name.
    ///
    /// # Errors
    /// * [`ActError::NotSent`]: no connection, no turn, nothing left this
    ///   machine.
    /// * [`ActError::Refused`]: the practice said no, or would:
    ///   [`Refused`](crate::ErrorKind::Refused) for what it will never take,
    ///   [`Permission`](crate::ErrorKind::Permission) and
    ///   [`Config`](crate::ErrorKind::Config) naming the permission, version or
    ///   setting that would let it pass,
    ///   [`Credentials`](crate::ErrorKind::Credentials).
    /// * [`ActError::InDoubt`]: everything else. A reply that was lost, cut or
    ///   not understood may stand for something that was written.
    async fn write(&self, what: &WriteBack, marker: &Marker) -> Result<Receipt, ActError>;

    /// Looks in the practice whether an earlier attempt took effect.
    ///
    /// `None` is a promise: everything was read that could show it, and it is
    /// not there. For a status or a field it means that the value is another
    /// one now, also when somebody changed it since.
    ///
    /// # Errors
    /// As [`PracticeSource::pull`](crate::source::PracticeSource::pull).
    async fn find(&self, what: &WriteBack, marker: &Marker) -> Result<Option<Receipt>>;
}

#[derive(Debug)]
struct Telling<'a> {
    writer: &'a dyn PracticeWriter,
    what: &'a WriteBack,
}

#[async_trait]
impl Act for Telling<'_> {
    async fn act(&self, marker: &Marker) -> Result<Receipt, ActError> {
        self.writer.write(self.what, marker).await
    }

    async fn find(&self, marker: &Marker) -> Result<Option<Receipt>> {
        self.writer.find(self.what, marker).await
    }

    fn settles_within(&self) -> Duration {
        self.writer.settles_within()
    }
}

/// Tells a practice something, once: however often it is asked for with the
/// same key, and whatever breaks in between.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if the outlet is another
/// practice's, and as [`Effects::perform`].
pub async fn tell(
    effects: &Effects,
    writer: &dyn PracticeWriter,
    key: &IdempotencyKey,
    what: &WriteBack,
) -> Result<Outcome> {
    effects.belongs_to(writer.practice())?;
    effects.perform(key, &Telling { writer, what }).await
}
