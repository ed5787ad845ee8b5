//! What can be wrong with a mail, and who must act.

use odx_core::outreach::{Address, SendError};
use odx_core::{Error, ErrorKind};

use crate::gateway::stop::stop;

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Connecting, greeting, TLS.
    Connect,
    /// Saying who we are.
    Login,
    /// Saying from whom.
    From,
    /// Saying to whom.
    To,
    /// Asking to hand it over. Nothing of the mail has gone out, but from here on
    /// whatever breaks off is in doubt.
    Data,
    /// The mail itself has begun to go out.
    Body,
}

/// What the server said, without its words: a code, and perhaps an enhanced one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) code: u16,
    pub(super) enhanced: Option<(u8, u16, u16)>,
}

/// One cause. Quotes nothing of the server's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cause {
    #[error("the mail server cannot be reached")]
    Unreached,
    #[error("the mail server's certificate cannot be checked, or it speaks no tls here")]
    Tls,
    #[error("the mail server offers no tls; have its administrator switch it on, or use another")]
    NoTls,
    #[error("the mail server takes no password that odx can give")]
    NoLogin,
    #[error("the mail server refused the user or password ({0}); the office must correct them")]
    Login(u16),
    #[error("the mail server is busy ({0})")]
    Busy(u16),
    #[error("the mail server does not take the sender ({0}); its administrator must permit it")]
    Sender(u16),
    #[error("the mail server does not send this for us ({0}); its administrator must permit it")]
    Policy(u16),
    #[error("the mail server does not take the address ({0}); the office must correct it")]
    Recipient(u16),
    #[error("the mail server knows no such mailbox ({0})")]
    NoMailbox(u16),
    #[error("the mail server does not take the mail ({0}); the template must be mended")]
    Content(u16),
    #[error("the connection broke after the mail was begun; it may have been sent")]
    Broke,
    #[error("the mail server said {0} after it had the mail; it may have been sent")]
    Unsure(u16),
    #[error("no mail can be made of it; this is a defect in odx")]
    NoMail,
    #[error("a mail server cannot be asked whether it sent a mail; nobody can tell from here")]
    NoFinding,
}

impl Cause {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreached | Self::Busy(_) | Self::Broke | Self::Unsure(_) => {
                ErrorKind::Unavailable
            }
            Self::Tls
            | Self::NoTls
            | Self::NoLogin
            | Self::Sender(_)
            | Self::Policy(_)
            | Self::NoFinding => ErrorKind::Config,
            Self::Login(_) => ErrorKind::Credentials,
            Self::Recipient(_) | Self::NoMailbox(_) | Self::Content(_) => ErrorKind::Refused,
            Self::NoMail => ErrorKind::Bug,
        }
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::new(cause.kind(), cause.to_string())
    }
}

/// What a mail is after the server said this, or nothing, at this stage.
pub(super) fn verdict(stage: Stage, said: Option<Said>, to: &Address) -> SendError {
    let refused = |cause: Cause| SendError::Refused(cause.into());
    let Some(said) = said else {
        return if stage < Stage::Data {
            SendError::NotSent(Cause::Unreached.into())
        } else {
            SendError::InDoubt(Cause::Broke.into())
        };
    };
    let code = said.code;
    match (stage, code) {
        (Stage::Body, 500..=599) => refused(match said.enhanced {
            Some((5, 7, _)) => Cause::Policy(code),
            _ => Cause::Content(code),
        }),
        // A server that says "not now" when it has all of it should not have taken it.
        (Stage::Body, _) => SendError::InDoubt(Cause::Unsure(code).into()),
        (Stage::Login, 500..=599) => refused(Cause::Login(code)),
        (Stage::To, 500..=599) => recipient(said, to),
        (Stage::From, 500..=599) => refused(Cause::Sender(code)),
        (_, 500..=599) => refused(Cause::Policy(code)),
        (Stage::Data, 400..=499) | (_, 400..=499) => SendError::NotSent(Cause::Busy(code).into()),
        // Neither yes nor no, before anything was handed over.
        (Stage::Data, _) => SendError::InDoubt(Cause::Unsure(code).into()),
        _ => SendError::NotSent(Cause::Busy(code).into()),
    }
}

/// A recipient that is refused for good: RFC 3463 says which of them are nobody.
fn recipient(said: Said, to: &Address) -> SendError {
    let code = said.code;
    match said.enhanced {
        Some((5, 1, 1 | 2 | 3 | 6 | 10) | (5, 2, 1)) => SendError::Suppressed {
            error: Cause::NoMailbox(code).into(),
            stop: stop(to, "hard_bounce"),
        },
        Some((5, 7, _)) => SendError::Refused(Cause::Policy(code).into()),
        _ if matches!(code, 530 | 535 | 538 | 554) => {
            SendError::Refused(Cause::Policy(code).into())
        }
        _ => SendError::Refused(Cause::Recipient(code).into()),
    }
}
