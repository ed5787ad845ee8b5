//! What can be wrong with a mail, and who must act.

use std::time::Duration;

use odx_core::outreach::SendError;
use odx_core::{Error, ErrorKind};

use crate::gateway::line::{self, is_doubtful};

/// One cause. Quotes nothing of an answer but a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cause {
    #[error("sendgrid asked for a slower pace (429)")]
    SlowDown,
    #[error("sendgrid answered {0}; the mail may have been sent")]
    Unsure(u16),
    #[error("sendgrid refused the api key (401); the office must give odx a valid one")]
    Key,
    #[error(
        "sendgrid has no mails left in this account's plan (401); whoever keeps it must raise it"
    )]
    Credits,
    #[error(
        "sendgrid does not permit this (403); whoever keeps the account must verify the sender \
         and permit this to the api key"
    )]
    Forbidden,
    #[error("sendgrid has nothing at this address ({0}); check the base url and the groups")]
    Nowhere(u16),
    #[error("sendgrid takes no mail this large (413); the template must be mended")]
    TooLarge,
    #[error("sendgrid does not take the address (400); the office must correct it")]
    Recipient,
    #[error("sendgrid does not take the sender (400); set the address that was verified there")]
    Sender,
    #[error("sendgrid does not take the unsubscribe group (400); check the groups")]
    Group,
    #[error("sendgrid does not take the mail ({0}); this is a defect in odx or in its settings")]
    Shape(u16),
    #[error("something other than sendgrid answered ({0}); check the base url and what is between")]
    Stranger(u16),
    #[error(
        "sendgrid cannot be asked for one mail; whether this one was sent shows only in its events"
    )]
    NoFinding,
    #[error("sendgrid answered {0} to a list of suppressions")]
    NoList(u16),
    #[error("sendgrid's list of suppressions is not a list")]
    Shapeless,
    #[error("sendgrid's list of suppressions changes faster than it can be read")]
    Moving,
    #[error("this cursor is not one of sendgrid's suppressions; the list starts over")]
    Cursor,
    #[error("sendgrid answered {0} when it was told of a stop")]
    NotStopped(u16),
    #[error("only a mail address can be stopped at sendgrid; this is a defect in odx")]
    NotAMail,
    #[error(
        "these are no events of sendgrid's: the signature does not fit or is older than five \
         minutes; check the verification key and this machine's clock"
    )]
    Signature,
    #[error("events of sendgrid's cannot be checked without their verification key; set it")]
    NoKey,
    #[error("events of sendgrid's cannot be read")]
    Events,
}

impl Cause {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::SlowDown => ErrorKind::RateLimited,
            Self::Unsure(_) => ErrorKind::Unavailable,
            Self::Key | Self::Signature => ErrorKind::Credentials,
            Self::Forbidden => ErrorKind::Permission,
            Self::Credits
            | Self::Nowhere(_)
            | Self::TooLarge
            | Self::Sender
            | Self::Group
            | Self::Shape(_)
            | Self::Stranger(_)
            | Self::NoFinding
            | Self::NoKey => ErrorKind::Config,
            Self::Recipient => ErrorKind::Refused,
            Self::Shapeless | Self::Moving | Self::Events => ErrorKind::Protocol,
            Self::Cursor => ErrorKind::CursorExpired,
            Self::NotAMail => ErrorKind::Bug,
            Self::NoList(status) | Self::NotStopped(status) => line::kind(*status),
        }
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::new(cause.kind(), cause.to_string())
    }
}

/// What an answer that is no receipt says of the attempt. `fields` are those it
/// complains of; none if it is not the provider's answer at all.
pub(super) fn refusal(
    status: u16,
    complaints: Option<Vec<(String, String)>>,
    after: Option<Duration>,
) -> SendError {
    if status == 429 {
        return SendError::NotSent(Error::from(Cause::SlowDown).with_after(after));
    }
    if is_doubtful(status) {
        return SendError::InDoubt(Cause::Unsure(status).into());
    }
    let complaints_of = |word: &str| {
        let all = complaints.iter().flatten();
        all.into_iter().any(|(field, _)| field.contains(word))
    };
    let says = |word: &str| {
        let all = complaints.iter().flatten();
        all.into_iter()
            .any(|(_, text)| text.to_lowercase().contains(word))
    };
    let cause = match status {
        401 if says("credits") => Cause::Credits,
        401 => Cause::Key,
        403 => Cause::Forbidden,
        404 | 405 | 410 => Cause::Nowhere(status),
        413 => Cause::TooLarge,
        400 if complaints.is_none() => Cause::Stranger(status),
        400 if complaints_of("personalizations.0.to") => Cause::Recipient,
        400 if complaints_of("from") => Cause::Sender,
        400 if complaints_of("asm") => Cause::Group,
        400 | 415 | 422 => Cause::Shape(status),
        _ => Cause::Stranger(status),
    };
    SendError::Refused(cause.into())
}
