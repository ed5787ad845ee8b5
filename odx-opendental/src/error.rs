//! What can go wrong, by name, and what kind of failure each cause is. Nothing
//! here quotes an answer: a vendor's text may hold a name.

use std::time::Duration;

use odx_core::{Error, ErrorKind};

/// One cause. `what` is the resource in words, never a path with a key in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cause {
    /// A 400 without a known meaning: the vendor reports an office that is
    /// offline with the same status as a bad request.
    #[error("the office did not answer {what}: its eConnector may be off")]
    Office { what: &'static str },
    #[error("the server failed on {what} (status {status})")]
    Server {
        what: &'static str,
        status: u16,
        after: Option<Duration>,
    },
    #[error("asked for a slower pace at {what}")]
    TooFast {
        what: &'static str,
        after: Option<Duration>,
    },
    #[error("the office's version does not offer {what}: it needs {needs} or later")]
    TooOld {
        what: &'static str,
        needs: &'static str,
    },
    #[error("the office refused a parameter of {what}")]
    BadParameter { what: &'static str },
    #[error("the office does not know something that {what} names, such as a clinic")]
    UnknownName { what: &'static str },
    #[error("the api keys were refused: check them, and that the office has not disabled them")]
    Keys,
    #[error("the customer key may not read {what}: the office's key lacks a permission")]
    NotPermitted { what: &'static str },
    #[error("there is no {what} at this address: check the base url and the office's version")]
    NoSuchResource { what: &'static str },
    #[error("the vendor has retired {what}")]
    Retired { what: &'static str },
    #[error("the address answers {what} with a redirect: set the final address")]
    Redirect { what: &'static str },
    #[error("status {status} is not one that {what} should answer with")]
    Status { what: &'static str, status: u16 },
    #[error("the answer to {what} is neither a json list nor an object")]
    NotJson { what: &'static str },
    #[error("the list repeats itself: the server ignores Offset on {what}")]
    Repeats { what: &'static str },
    #[error("the office refused {what}: what they name is not there, or not as it must be")]
    WriteRefused { what: &'static str },
    #[error("the customer key may not write {what}: it needs the permission {permission}")]
    WriteNotPermitted {
        what: &'static str,
        permission: &'static str,
    },
    #[error("{what} are not written back: allow them in the settings of write-back")]
    WriteOff { what: &'static str },
    #[error(
        "the office has no visible entry in {what} with the key or usage that was chosen: choose again"
    )]
    NoSuchChoice { what: &'static str },
    #[error("there was no turn for {what} within {} s", .within.as_secs())]
    NoTurn {
        what: &'static str,
        within: Duration,
    },
    #[error("the patient key is not an Open Dental number")]
    ForeignKey,
    #[error("the cursor is not of this version")]
    ForeignCursor,
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        cause.during("reading from Open Dental")
    }
}

impl Cause {
    /// The failure of a write.
    pub(crate) fn writing(self) -> Error {
        self.during("writing to Open Dental")
    }

    fn during(self, context: &'static str) -> Error {
        let cause = self;
        let kind = match &cause {
            Cause::Office { .. } | Cause::Server { .. } => ErrorKind::Unavailable,
            Cause::TooFast { .. } | Cause::NoTurn { .. } => ErrorKind::RateLimited,
            Cause::TooOld { .. }
            | Cause::UnknownName { .. }
            | Cause::NoSuchResource { .. }
            | Cause::Retired { .. }
            | Cause::Redirect { .. }
            | Cause::WriteOff { .. }
            | Cause::NoSuchChoice { .. } => ErrorKind::Config,
            // Parameters come from a closed list, so a refused one is our defect.
            Cause::BadParameter { .. } => ErrorKind::Bug,
            Cause::Keys => ErrorKind::Credentials,
            Cause::NotPermitted { .. } | Cause::WriteNotPermitted { .. } => ErrorKind::Permission,
            Cause::Status { .. } | Cause::NotJson { .. } | Cause::Repeats { .. } => {
                ErrorKind::Protocol
            }
            Cause::ForeignKey | Cause::WriteRefused { .. } => ErrorKind::Refused,
            Cause::ForeignCursor => ErrorKind::CursorExpired,
        };
        let after = match &cause {
            Cause::TooFast { after, .. } | Cause::Server { after, .. } => *after,
            _ => None,
        };
        Error::new(kind, context)
            .with_after(after)
            .with_cause(cause)
    }
}

#[cfg(test)]
mod tests;
