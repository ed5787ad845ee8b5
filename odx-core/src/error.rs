//! One error type: what went wrong, who must act, what to do.

use std::borrow::Cow;
use std::time::Duration;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is. Decides the [`Disposition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The other side, or the way to it, is down. Retry.
    Unavailable,
    /// The other side asked for a slower pace. Retry.
    RateLimited,
    /// An answer that is not what was promised: cut, not JSON, not a list. A
    /// failed read is never "no rows". Retry.
    Protocol,
    /// The cursor can no longer be continued; the feed starts over. Retry.
    CursorExpired,
    /// This one item will never be taken. Reject.
    Refused,
    /// A key or token was refused. Halt.
    Credentials,
    /// The key or token is good but may not do this. Halt.
    Permission,
    /// A setting is wrong, or the other side lacks what is needed. Halt.
    Config,
    /// The state cannot be read or written. Halt.
    State,
    /// Another run has taken over; this one must stop. Halt.
    Superseded,
    /// A defect in odx or an adapter. Halt.
    Bug,
}

/// Who must act. Adapters classify; only the engine waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The data is fine: the same call, later.
    Retry {
        /// How long the other side asked to be left alone.
        after: Option<Duration>,
    },
    /// This item can never succeed: set it aside, go on with the others.
    Reject,
    /// A person must change something first.
    Halt,
}

/// A failure with its kind, a sentence for a person, and its cause.
///
/// Messages are lower case, name the thing and the remedy, and hold no name,
/// number, address, body or key.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct Error {
    kind: ErrorKind,
    context: Cow<'static, str>,
    after: Option<Duration>,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of this kind; `context` names the thing and the remedy.
    pub fn new(kind: ErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            context: context.into(),
            after: None,
            cause: None,
        }
    }

    /// Adds the cause. It must not hold patient data or secrets either.
    #[must_use]
    pub fn with_cause(
        mut self,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds how long the other side asked to be left alone.
    #[must_use]
    pub const fn with_after(mut self, after: Option<Duration>) -> Self {
        self.after = after;
        self
    }

    /// The kind of failure.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Who must act.
    pub const fn disposition(&self) -> Disposition {
        match self.kind {
            ErrorKind::Unavailable
            | ErrorKind::RateLimited
            | ErrorKind::Protocol
            | ErrorKind::CursorExpired => Disposition::Retry { after: self.after },
            ErrorKind::Refused => Disposition::Reject,
            ErrorKind::Credentials
            | ErrorKind::Permission
            | ErrorKind::Config
            | ErrorKind::State
            | ErrorKind::Superseded
            | ErrorKind::Bug => Disposition::Halt,
        }
    }

    /// The sentence and every cause below it, for a log line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

#[cfg(test)]
#[cfg(all(feature = "sqlite", feature = "http"))]
mod reached;

#[cfg(test)]
mod tests {
    use super::*;

    /// What each kind asks for. A new kind does not compile here until somebody
    /// has thought about who must act.
    const fn expected(kind: ErrorKind, after: Option<Duration>) -> Disposition {
        match kind {
            ErrorKind::Unavailable
            | ErrorKind::RateLimited
            | ErrorKind::Protocol
            | ErrorKind::CursorExpired => Disposition::Retry { after },
            ErrorKind::Refused => Disposition::Reject,
            ErrorKind::Credentials
            | ErrorKind::Permission
            | ErrorKind::Config
            | ErrorKind::State
            | ErrorKind::Superseded
            | ErrorKind::Bug => Disposition::Halt,
        }
    }

    #[test]
    fn every_kind_says_who_must_act_and_only_a_retry_carries_a_wait() {
        for kind in [
            ErrorKind::Unavailable,
            ErrorKind::RateLimited,
            ErrorKind::Protocol,
            ErrorKind::CursorExpired,
            ErrorKind::Refused,
            ErrorKind::Credentials,
            ErrorKind::Permission,
            ErrorKind::Config,
            ErrorKind::State,
            ErrorKind::Superseded,
            ErrorKind::Bug,
        ] {
            for after in [None, Some(Duration::from_secs(7))] {
                let error = Error::new(kind, "something").with_after(after);
                assert_eq!(error.disposition(), expected(kind, after), "{kind:?}");
            }
        }
    }
}
