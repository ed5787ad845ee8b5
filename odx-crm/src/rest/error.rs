//! What can be wrong with a CRM, and who must act.

use std::time::Duration;

use odx_core::sink::Outcome;
use odx_core::{Error, ErrorKind};

/// One cause. Quotes nothing of an answer but a code made of known words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cause {
    #[error("the crm refused the token (401); give odx a valid one")]
    Token,
    #[error("the token may not do this (403); the crm's administrator must permit it")]
    Forbidden,
    #[error(
        "the crm answered with a redirect ({0}), which is never followed; \
         set the base url to the final address"
    )]
    Redirect(u16),
    #[error(
        "the crm answered {0} with something other than json, as a login page does; \
         check the token and the base url"
    )]
    LoginPage(u16),
    #[error(
        "the crm has no upsert by external id at this address ({0}); \
         check the base url, or have the crm's vendor add it"
    )]
    NoUpsert(u16),
    #[error(
        "the crm has no way to take somebody into a sequence at this address ({0}); \
         check the base url, or switch its enrollments off"
    )]
    NoSequences(u16),
    #[error("the crm cannot list suppressions as asked ({0}); check the base url")]
    NoReading(u16),
    #[error("the crm asked for a slower pace (429)")]
    SlowDown,
    #[error("the crm is not available ({0})")]
    Busy(u16),
    #[error("the crm could not be reached: {0}")]
    Unreached(String),
    #[error("the crm's answer was cut or is not the json it says it is")]
    Cut,
    #[error("the crm's list of suppressions has no shape odx knows; see the contract")]
    Shapeless,
    #[error("the crm can no longer continue from this cursor")]
    CursorGone,
    #[error("the crm still works on an earlier attempt (409)")]
    InProgress,
    #[error("the crm's answer to the batch does not name this record")]
    NotNamed,
    #[error("a record's canonical form is not a json object")]
    NotAnObject,
    #[error("its external id cannot stand in an address; this is a defect in odx")]
    Unaddressable,
    #[error(
        "the crm saw this idempotency key with other content ({}); this is a defect in odx",
        spell(*.0, .1)
    )]
    KeyReused(u16, Option<String>),
    #[error(
        "the crm has this record in another state or under another id ({}); \
         the office must settle it in the crm",
        spell(*.0, .1)
    )]
    Conflict(u16, Option<String>),
    #[error(
        "the crm takes no record this large ({}); the crm's administrator must raise its limit",
        spell(*.0, .1)
    )]
    TooLarge(u16, Option<String>),
    #[error(
        "the crm may not take this record from this token ({}); \
         the crm's administrator must permit it",
        spell(*.0, .1)
    )]
    NotThisOne(u16, Option<String>),
    #[error(
        "the crm will not take this content ({}); the office must mend the data, \
         or the crm's administrator its fields",
        spell(*.0, .1)
    )]
    Content(u16, Option<String>),
}

fn spell(status: u16, code: &Option<String>) -> String {
    match code {
        Some(code) => format!("{status} {code}"),
        None => status.to_string(),
    }
}

impl Cause {
    /// Not now: the same record later.
    pub(super) fn retry(self, after: Option<Duration>) -> Outcome {
        Outcome::Retry {
            after,
            reason: self.to_string(),
        }
    }

    /// Never with this content.
    pub(super) fn reject(self) -> Outcome {
        Outcome::Rejected {
            reason: self.to_string(),
        }
    }

    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Token | Self::LoginPage(_) => ErrorKind::Credentials,
            Self::Forbidden => ErrorKind::Permission,
            Self::Redirect(_) | Self::NoUpsert(_) | Self::NoReading(_) | Self::NoSequences(_) => {
                ErrorKind::Config
            }
            Self::SlowDown => ErrorKind::RateLimited,
            Self::Busy(_) | Self::Unreached(_) | Self::InProgress => ErrorKind::Unavailable,
            Self::Cut | Self::Shapeless | Self::NotNamed => ErrorKind::Protocol,
            Self::CursorGone => ErrorKind::CursorExpired,
            Self::NotAnObject | Self::Unaddressable => ErrorKind::Bug,
            Self::KeyReused(..)
            | Self::Conflict(..)
            | Self::TooLarge(..)
            | Self::NotThisOne(..)
            | Self::Content(..) => ErrorKind::Refused,
        }
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::new(cause.kind(), cause.to_string())
    }
}

#[cfg(test)]
mod tests;
