//! What may be written back at all.

/// What may be told to the practice. Nothing, until it is named here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct WriteBackSettings {
    pub(super) comm_logs: bool,
    pub(super) reminders: bool,
    pub(super) recall_status: Option<RecallRoute>,
    pub(super) confirmations: bool,
    pub(super) patient_fields: bool,
}

/// How a recall's status is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecallRoute {
    /// The recall alone.
    Row,
    /// With an entry in the log that counts as a reminder.
    Reminder,
}

impl WriteBackSettings {
    /// Nothing is written.
    pub fn new() -> Self {
        Self::default()
    }

    /// Entries in the comm log, but none that count as reminders. Needs the
    /// permission `ApiComm`.
    pub const fn with_comm_logs(mut self) -> Self {
        self.comm_logs = true;
        self
    }

    /// Entries in the comm log, also of the usage `RECALL`: the office counts
    /// each as a reminder, and it takes the patient off the recall list for days.
    pub const fn with_reminders(mut self) -> Self {
        self.comm_logs = true;
        self.reminders = true;
        self
    }

    /// Recall statuses, without a word in the comm log. Needs the permission
    /// `ApiAllOthers` and version 24.2.31.
    pub const fn with_recall_status(mut self) -> Self {
        self.recall_status = Some(RecallRoute::Row);
        self
    }

    /// Recall statuses, each with a comm log that counts as a reminder: the
    /// vendor's way for keys that have only `ApiComm`. It takes the patient off
    /// the recall list for days, for every type of recall.
    pub const fn with_recall_status_as_reminder(mut self) -> Self {
        self.recall_status = Some(RecallRoute::Reminder);
        self
    }

    /// Confirmation statuses of visits. Some make the office's own system send
    /// messages: let the office choose which is written. Needs `ApiComm`.
    pub const fn with_confirmations(mut self) -> Self {
        self.confirmations = true;
        self
    }

    /// Fields of the patient that the office defined. Needs `ApiAllOthers`.
    pub const fn with_patient_fields(mut self) -> Self {
        self.patient_fields = true;
        self
    }
}
