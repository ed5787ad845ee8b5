//! The seam towards whoever carries messages: text and mail providers.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Purpose;
use crate::effect::Receipt;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{ContentHash, IdempotencyKey};
use crate::id::SinkId;
use crate::model::{Channel, Email, Phone};
use crate::phi::Phi;
use crate::sink::{Suppression, SuppressionPage};
use crate::source::{Cursor, Probe};

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A number that takes texts.
    Phone(Phone),
    /// An e-mail address.
    Email(Email),
}

impl Address {
    /// By which channel it is reached.
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Phone(_) => Channel::Sms,
            Self::Email(_) => Channel::Email,
        }
    }

    /// As a provider is told: E.164, or the mailbox.
    pub const fn text(&self) -> &Phi<String> {
        match self {
            Self::Phone(phone) => phone.e164(),
            Self::Email(email) => email.address(),
        }
    }
}

/// One message, ready to send: checked, rendered and linted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Message {
    /// Which occurrence this is. The only correlation a provider is given.
    pub key: IdempotencyKey,
    /// What for: a provider may have a stream for each.
    pub purpose: Purpose,
    /// To whom: one recipient, never more.
    pub to: Address,
    /// The subject of a mail.
    pub subject: Option<Phi<String>>,
    /// The plain text.
    pub text: Phi<String>,
    /// The practice's name, for the sender of a mail.
    pub practice: String,
    /// How long it may still be delivered: what is left of the recipient's
    /// window. None: as long as it takes.
    pub valid_for: Option<Duration>,
    /// Where a mail can be unsubscribed from with one click. It may hold a token.
    pub unsubscribe: Option<Phi<url::Url>>,
}

impl Message {
    /// A message without what only a mail has.
    pub fn new(key: IdempotencyKey, purpose: Purpose, to: Address, text: Phi<String>) -> Self {
        Self {
            key,
            purpose,
            to,
            subject: None,
            text,
            practice: String::new(),
            valid_for: None,
            unsubscribe: None,
        }
    }

    /// What an earlier attempt at it is found by, if it was begun at `since`.
    pub fn attempt(&self, since: DateTime<Utc>) -> Attempt {
        Attempt {
            key: self.key.clone(),
            to: self.to.clone(),
            text: ContentHash::of(self.text.expose().as_bytes()),
            since,
        }
    }
}

/// An attempt at a message of which nobody knows what became.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Which occurrence it was.
    pub key: IdempotencyKey,
    /// To whom.
    pub to: Address,
    /// Hash of its text.
    pub text: ContentHash,
    /// When it was begun.
    pub since: DateTime<Utc>,
}

impl Attempt {
    /// Whether this text, as a provider shows it, is the one that was sent.
    pub fn said(&self, text: &str) -> bool {
        ContentHash::of(text.as_bytes()) == self.text
    }
}

/// Why a message has no receipt.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It was surely not sent and may be tried again: no connection, no turn,
    /// a 429.
    #[error("nothing was sent")]
    NotSent(#[source] Error),
    /// It arrived and was not taken. What that takes is in the error's
    /// disposition: `Reject` is this address or text for ever, `Halt` the
    /// account until a person has changed something.
    #[error("it was refused")]
    Refused(#[source] Error),
    /// It was not taken because the address must not be written to any more.
    #[error("the address is suppressed")]
    Suppressed {
        /// What the provider said.
        error: Error,
        /// What to remember.
        stop: Suppression,
    },
    /// It may have been sent.
    #[error("whether it was sent is not known")]
    InDoubt(#[source] Error),
}

impl SendError {
    /// What went wrong.
    pub const fn error(&self) -> &Error {
        match self {
            Self::NotSent(error)
            | Self::Refused(error)
            | Self::InDoubt(error)
            | Self::Suppressed { error, .. } => error,
        }
    }
}

/// How far a message came. In order: a later one never goes back to an earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The provider has taken it.
    Accepted,
    /// It is on its way.
    Sent,
    /// It did not arrive.
    Failed,
    /// It arrived.
    Delivered,
}

/// A call that a provider made, as it came.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Inbound {
    /// The address as the provider called it, with its query.
    pub url: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte. It holds PHI.
    pub body: Phi<Vec<u8>>,
    /// Now.
    pub now: DateTime<Utc>,
}

impl Inbound {
    /// A call.
    pub const fn new(
        url: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            url,
            headers,
            body: Phi::new(body),
            now,
        }
    }

    /// The header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What a provider's call says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// This address must not be written to any more.
    Stop(Suppression),
    /// Its holder took a keyword stop back, with the keyword for that. Lifts
    /// keyword stops of this very sender only.
    Start(Address),
    /// A person must read a reply before this address is written to again.
    Review(Address),
    /// A message came so far.
    Status {
        /// The provider's id of the message.
        remote_id: String,
        /// How far.
        status: Status,
        /// Why it failed, in a word or two of our own.
        reason: Option<String>,
    },
    /// Carriers filter the text itself: its template must not be used again
    /// before a person has looked at it.
    Filtered {
        /// The provider's id of the message.
        remote_id: String,
    },
    /// The account must be mended by a person, as the error says.
    Account(String),
}

/// Carries messages of one channel for one office.
///
/// It sends once, waits for nobody and repeats nothing: whether and when to
/// send is for others to say.
#[async_trait]
pub trait MessageGateway: Debug + Send + Sync + 'static {
    /// Which way out of which office this is, such as `texts:main-st`.
    fn id(&self) -> &SinkId;

    /// The sender that recipients see, without secrets: who says stop to it
    /// says so to every office that has the same.
    fn sender(&self) -> &str;

    /// By which channel it sends.
    fn channel(&self) -> Channel;

    /// Looks whether the provider can be reached and is set up. Sends nothing.
    ///
    /// # Errors
    /// As [`suppressions`](Self::suppressions).
    async fn probe(&self) -> Result<Probe>;

    /// Sends the message, in one request.
    ///
    /// # Errors
    /// See [`SendError`]. What is not sure is in doubt.
    async fn send(&self, message: &Message) -> Result<Receipt, SendError>;

    /// Looks whether an earlier attempt was sent. `None` is a promise: a whole
    /// answer was read and it is not there.
    ///
    /// # Errors
    /// Whatever kept it from being sure; [`ErrorKind::Config`] where the
    /// provider cannot be asked at all.
    async fn find(&self, attempt: &Attempt) -> Result<Option<Receipt>>;

    /// How long after [`send`](Self::send) was called the message may still
    /// leave and show up, at the most.
    fn settles_within(&self) -> Duration;

    /// Opt-outs and dead addresses that the provider keeps, since a cursor.
    /// Read before anything is sent. A provider without such a list returns a
    /// page that is not `listed`.
    ///
    /// # Errors
    /// A list that cannot be read whole is never an empty one.
    async fn suppressions(&self, _since: Option<Cursor>) -> Result<SuppressionPage> {
        Ok(SuppressionPage::default())
    }

    /// Tells the provider of a stop that was learned elsewhere, where it keeps a
    /// list. Only ever tightens; telling it again does no harm. False: it keeps
    /// none that can be written.
    ///
    /// # Errors
    /// As [`suppressions`](Self::suppressions).
    async fn suppress(&self, _address: &Address) -> Result<bool> {
        Ok(false)
    }

    /// Reads a call of the provider: a reply, an opt-out, a delivery report.
    /// Checks that it is the provider who calls. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] for a call that is not the provider's,
    /// [`ErrorKind::Protocol`] for one that cannot be read.
    fn hear(&self, _call: &Inbound) -> Result<Vec<Heard>> {
        Err(Error::new(
            ErrorKind::Config,
            "this gateway takes no calls of its provider",
        ))
    }

    /// Requests made so far, for the report.
    fn requests(&self) -> u64 {
        0
    }
}
