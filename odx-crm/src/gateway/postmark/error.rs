//! What can be wrong with a mail, and who must act.

use std::time::Duration;

use odx_core::outreach::{Address, SendError};
use odx_core::{Error, ErrorKind};

use super::wire::Item;
use crate::gateway::line::{self, is_doubtful};
use crate::gateway::stop::stop;

/// One cause. Quotes nothing of an answer but a status and a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cause {
    #[error("postmark asked for a slower pace (429)")]
    SlowDown,
    #[error("postmark answered {0}; the mail may have been sent")]
    Unsure(u16),
    #[error("postmark's answer does not name the mail; it may have been sent")]
    Nameless,
    #[error("postmark refused the server token ({0}); the office must give odx a valid one")]
    Token(i64),
    #[error(
        "postmark does not take the sender ({0}); whoever keeps the account must confirm the \
         sender's signature or domain"
    )]
    Sender(i64),
    #[error("postmark does not send for this account ({0}); whoever keeps it must settle that")]
    Account(i64),
    #[error("postmark has no such message stream ({0}); make it, or set another")]
    Stream(i64),
    #[error("postmark does not take the address ({0}); the office must correct it")]
    Recipient(i64),
    #[error("postmark will not write to this address any more (406)")]
    Inactive,
    #[error("postmark cannot read the mail ({0}); this is a defect in odx")]
    Shape(i64),
    #[error("postmark does not take the mail ({0})")]
    Other(i64),
    #[error("something other than postmark answered ({0}); check the base url and what is between")]
    Stranger(u16),
    #[error(
        "postmark is not asked for single mails; whether this one was sent shows only in its calls"
    )]
    NoFinding,
    #[error("postmark answered {0} when it was asked for its server")]
    NoServer(u16),
    #[error(
        "this is no call of postmark's: the address, the user or the password does not fit; \
         check them there"
    )]
    Caller,
    #[error("calls of postmark's cannot be checked without their address and password; set them")]
    NoCaller,
    #[error("a call of postmark's cannot be read: {0}")]
    Call(&'static str),
}

impl Cause {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::SlowDown => ErrorKind::RateLimited,
            Self::Unsure(_) => ErrorKind::Unavailable,
            Self::Nameless | Self::Call(_) => ErrorKind::Protocol,
            Self::Token(_) | Self::Caller => ErrorKind::Credentials,
            Self::Sender(_)
            | Self::Account(_)
            | Self::Stream(_)
            | Self::Other(_)
            | Self::Stranger(_)
            | Self::NoFinding
            | Self::NoCaller => ErrorKind::Config,
            Self::Recipient(_) | Self::Inactive => ErrorKind::Refused,
            Self::Shape(_) => ErrorKind::Bug,
            Self::NoServer(status) => line::kind(*status),
        }
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::new(cause.kind(), cause.to_string())
    }
}

/// What the provider's word on one mail makes of it, if that is not a receipt.
pub(super) fn refusal(item: &Item, after: Option<Duration>, to: &Address) -> SendError {
    let code = item.error_code;
    let cause = match code {
        429 => return SendError::NotSent(Error::from(Cause::SlowDown).with_after(after)),
        406 => {
            return SendError::Suppressed {
                error: Cause::Inactive.into(),
                stop: stop(to, "inactive_recipient"),
            };
        }
        10 => Cause::Token(code),
        // One code for whatever is wrong with an address: its text says which.
        300 if item.message.contains("'From'") => Cause::Sender(code),
        300 => Cause::Recipient(code),
        400 | 401 => Cause::Sender(code),
        405 | 412 | 413 => Cause::Account(code),
        1221 | 1226 | 1235 => Cause::Stream(code),
        402 | 403 | 409 | 410 | 411 | 422 => Cause::Shape(code),
        _ => Cause::Other(code),
    };
    SendError::Refused(cause.into())
}

/// What an answer without items says of the attempt.
pub(super) fn whole(
    status: u16,
    item: Option<&Item>,
    after: Option<Duration>,
    to: &Address,
) -> SendError {
    if status == 429 {
        return SendError::NotSent(Error::from(Cause::SlowDown).with_after(after));
    }
    if is_doubtful(status) {
        return SendError::InDoubt(Cause::Unsure(status).into());
    }
    match (status, item) {
        // A redirect is not the provider's word on anything.
        (400.., Some(item)) if item.error_code != 0 => refusal(item, after, to),
        (401, _) => SendError::Refused(Cause::Token(401).into()),
        _ => SendError::Refused(Cause::Stranger(status).into()),
    }
}
