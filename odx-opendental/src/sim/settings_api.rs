//! What a test can choose about writes, subscriptions and events.

use std::time::Duration;

use super::settings::{Permission, PracticeBuilder};

/// What the sender of an event takes for success. Not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventSuccess {
    /// Status 200 and nothing else, as third parties report.
    Only200,
    /// Any answer: the endpoint was reached.
    AnyAnswer,
}

/// Body of an `AppointmentDeleted` event. Printed nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeletedBody {
    /// Shaped like an appointment event.
    Appointment,
    /// Shaped like a row of `histappointments`.
    History,
    /// Objects with `AptNum` alone.
    KeyOnly,
}

#[derive(Clone)]
pub(crate) struct ApiSettings {
    pub(crate) hidden_fields: Vec<String>,
    /// `confirmVal` and the name of the status the office mapped it to.
    pub(crate) confirm: Vec<(String, String)>,
    pub(crate) unlisted: Permission,
    pub(crate) stored_modes: bool,
    pub(crate) trailing_slash: bool,
    pub(crate) services: Vec<String>,
    pub(crate) success: EventSuccess,
    pub(crate) deleted_body: DeletedBody,
    pub(crate) deleted_patients: bool,
    pub(crate) shuffled: Option<u64>,
    pub(crate) patience: Duration,
}

impl Default for ApiSettings {
    fn default() -> Self {
        let pair = |value: &str, name: &str| (value.to_owned(), name.to_owned());
        Self {
            hidden_fields: Vec::new(),
            confirm: vec![
                pair("Sent", "eConfirmSent"),
                pair("Confirmed", "Appointment Confirmed"),
            ],
            unlisted: Permission::AllOthers,
            stored_modes: false,
            trailing_slash: false,
            services: Vec::new(),
            success: EventSuccess::Only200,
            deleted_body: DeletedBody::Appointment,
            deleted_patients: false,
            shuffled: None,
            patience: Duration::from_secs(30),
        }
    }
}

impl PracticeBuilder {
    /// Adds a hidden custom patient field definition (name, type). Nothing can be added to it.
    #[must_use]
    pub fn with_hidden_pat_field_def(self, name: &str, kind: &str) -> Self {
        let mut all = self.with_pat_field_def(name, kind);
        all.settings.api.hidden_fields.push(name.to_owned());
        all
    }

    /// Maps a `confirmVal` to the office's status of that name. Default: `Sent` and
    /// `Confirmed` are mapped, `Not Accepted` and `Failed` are not.
    #[must_use]
    pub fn with_confirm_status(mut self, confirm_val: &str, item_name: &str) -> Self {
        let map = &mut self.settings.api.confirm;
        map.retain(|(value, _)| value != confirm_val);
        map.push((confirm_val.to_owned(), item_name.to_owned()));
        self
    }

    /// An office that never set up automated confirmations: nothing is mapped.
    #[must_use]
    pub fn without_confirm_statuses(mut self) -> Self {
        self.settings.api.confirm.clear();
        self
    }

    /// Permission that methods of no list need: subscriptions `DELETE`, patfields `POST`
    /// and `DELETE`, commlogs `PUT`. Default `AllOthers`.
    #[must_use]
    pub fn with_unlisted_permission(mut self, permission: Permission) -> Self {
        self.settings.api.unlisted = permission;
        self
    }

    /// `Mode_` of a posted comm log may be spelled as it is stored (`InPerson`) too
    /// (true), or only as documented (`In Person`; false, default).
    #[must_use]
    pub fn with_stored_mode_names(mut self, accepted: bool) -> Self {
        self.settings.api.stored_modes = accepted;
        self
    }

    /// `EndPointUrl` must end in a slash (true), or need not (false, default).
    #[must_use]
    pub fn with_trailing_slash_demanded(mut self, demanded: bool) -> Self {
        self.settings.api.trailing_slash = demanded;
        self
    }

    /// The API Service runs on this machine, around the clock. It handles database
    /// events only. Default none.
    #[must_use]
    pub fn with_api_service(mut self, machine: &str) -> Self {
        self.settings.api.services.push(machine.to_owned());
        self
    }

    /// What the sender of an event takes for success. Default 200 only.
    #[must_use]
    pub fn with_event_success(mut self, success: EventSuccess) -> Self {
        self.settings.api.success = success;
        self
    }

    /// Body of `AppointmentDeleted` events. Default shaped like an appointment.
    #[must_use]
    pub fn with_deleted_body(mut self, body: DeletedBody) -> Self {
        self.settings.api.deleted_body = body;
        self
    }

    /// A deleted patient's row still comes by event (true), or is hidden there as
    /// everywhere (false, default).
    #[must_use]
    pub fn with_deleted_patient_events(mut self, sent: bool) -> Self {
        self.settings.api.deleted_patients = sent;
        self
    }

    /// Rows of a poll are sent in an arbitrary order, across its batches too. Default by
    /// stamp.
    #[must_use]
    pub fn with_shuffled_events(mut self, seed: u64) -> Self {
        self.settings.api.shuffled = Some(seed);
        self
    }

    /// How long the sender of an event waits for an answer, in real time. Default 30 s.
    #[must_use]
    pub fn with_event_patience(mut self, time: Duration) -> Self {
        self.settings.api.patience = time;
        self
    }
}
