//! What can be wrong with a text, and who must act.

use std::time::Duration;

use odx_core::outreach::{Address, SendError};
use odx_core::{Error, ErrorKind};

use crate::gateway::line::is_doubtful;
use crate::gateway::stop::stop;

/// One cause. Quotes nothing of an answer but a status and a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cause {
    #[error("twilio asked for a slower pace (429)")]
    SlowDown,
    #[error("twilio answered {0}; the text may have been sent")]
    Unsure(u16),
    #[error("twilio's answer ({0}) does not name the text; it may have been sent")]
    Nameless(u16),
    #[error(
        "twilio refused the api key ({0}); the office must give odx a valid key of this account"
    )]
    Key(u16),
    #[error(
        "twilio does not permit this ({0}); whoever keeps the account must permit messages of \
         this key and to this country"
    )]
    Forbidden(u32),
    #[error(
        "twilio cannot use the sender ({0}); whoever keeps the account must give the messaging \
         service a number that takes texts and is not overloaded"
    )]
    Sender(u32),
    #[error(
        "twilio has suspended the account (30002); whoever keeps it must settle that with twilio"
    )]
    Suspended,
    #[error(
        "the sender is not registered with the carriers ({0}); whoever keeps the account must \
         register the practice's brand and campaign"
    )]
    Unregistered(u32),
    #[error("twilio refuses the status callback ({0}); set one that it can reach")]
    Callback(u32),
    #[error("twilio has nothing at this address ({0}); check the account sid and the base url")]
    Nowhere(u16),
    #[error("something other than twilio answered ({0}); check the base url and what is between")]
    Stranger(u16),
    #[error("twilio does not take the number ({0}); the office must correct it")]
    Number(u32),
    #[error("twilio does not take the text ({0})")]
    Text(u32),
    #[error("the text is empty or longer than 1600 characters; the template must be mended")]
    Length,
    #[error("a gateway for texts was given a mail address; this is a defect in odx")]
    NotAPhone,
    #[error("twilio will not text this number any more ({0}: {1})")]
    Stopped(u32, &'static str),
    #[error("twilio answered {0} to a list of texts")]
    NoList(u16),
    #[error("twilio's list of texts has no shape odx knows")]
    Shapeless,
    #[error("twilio's list of texts does not end")]
    Endless,
    #[error(
        "twilio keeps neither the words nor the numbers of texts, so that nobody can tell \
         whether this one was sent"
    )]
    Forgotten,
    #[error(
        "this is no call of twilio's: its signature does not fit; check the auth token and the \
         address that twilio calls"
    )]
    Signature,
    #[error("calls of twilio's cannot be checked without the account's auth token; set it")]
    NoToken,
    #[error("a call of twilio's cannot be read: {0}")]
    Call(&'static str),
}

impl Cause {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::SlowDown => ErrorKind::RateLimited,
            Self::Unsure(_) => ErrorKind::Unavailable,
            Self::Nameless(_) | Self::Shapeless | Self::Endless | Self::Call(_) => {
                ErrorKind::Protocol
            }
            Self::Key(_) | Self::Signature => ErrorKind::Credentials,
            Self::Forbidden(_) => ErrorKind::Permission,
            Self::Sender(_)
            | Self::Suspended
            | Self::Unregistered(_)
            | Self::Callback(_)
            | Self::Nowhere(_)
            | Self::Stranger(_)
            | Self::Forgotten
            | Self::NoToken => ErrorKind::Config,
            Self::Number(_) | Self::Text(_) | Self::Length | Self::Stopped(..) => {
                ErrorKind::Refused
            }
            Self::NotAPhone => ErrorKind::Bug,
            Self::NoList(status) => match status {
                401 => ErrorKind::Credentials,
                403 => ErrorKind::Permission,
                429 => ErrorKind::RateLimited,
                300..=399 | 404 | 405 | 410 => ErrorKind::Config,
                _ => ErrorKind::Unavailable,
            },
        }
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::new(cause.kind(), cause.to_string())
    }
}

/// What a code says of a number that must not be texted any more.
pub(super) const fn stopping(code: u32) -> Option<&'static str> {
    Some(match code {
        21610 => "keyword_stop",
        21614 => "not_mobile",
        21635 | 30006 => "landline",
        30004 => "blocked_by_recipient_or_carrier",
        30005 => "unknown_handset",
        _ => return None,
    })
}

/// What a code says of the account.
pub(super) const fn account(code: u32) -> Option<Cause> {
    Some(match code {
        20003 | 20005 | 20006 | 20008 => Cause::Key(401),
        21408 => Cause::Forbidden(code),
        21601..=21603 | 21606 | 21611 | 21612 | 21701..=21705 => Cause::Sender(code),
        21609 => Cause::Callback(code),
        30002 => Cause::Suspended,
        30032..=30035 => Cause::Unregistered(code),
        _ => return None,
    })
}

/// What an answer that is no receipt says of the attempt.
pub(super) fn refusal(
    status: u16,
    code: Option<u32>,
    after: Option<Duration>,
    to: &Address,
) -> SendError {
    let refused = |cause: Cause| SendError::Refused(cause.into());
    if status == 429 {
        return SendError::NotSent(Error::from(Cause::SlowDown).with_after(after));
    }
    if is_doubtful(status) {
        return SendError::InDoubt(Cause::Unsure(status).into());
    }
    // A redirect is not the provider's word on anything.
    let Some(code) = code.filter(|_| status >= 400) else {
        return refused(match status {
            401 => Cause::Key(status),
            403 => Cause::Forbidden(u32::from(status)),
            404 => Cause::Nowhere(status),
            _ => Cause::Stranger(status),
        });
    };
    if code == 20429 {
        return SendError::NotSent(Error::from(Cause::SlowDown).with_after(after));
    }
    if let Some(reason) = stopping(code) {
        return SendError::Suppressed {
            error: Cause::Stopped(code, reason).into(),
            stop: stop(to, reason),
        };
    }
    if let Some(cause) = account(code) {
        return refused(cause);
    }
    refused(match (status, code) {
        (401, _) => Cause::Key(status),
        (403, _) => Cause::Forbidden(code),
        (404, _) => Cause::Nowhere(status),
        (_, 21211 | 21217 | 21265) => Cause::Number(code),
        _ => Cause::Text(code),
    })
}
