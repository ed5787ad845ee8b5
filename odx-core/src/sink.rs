//! The seam towards CRMs.

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::time::Duration;

use async_trait::async_trait;

use crate::crm::{Delivery, Enrollment};
use crate::effect::{ActError, Receipt};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::IdempotencyKey;
use crate::id::{ExternalId, IdScheme, SinkId};
use crate::model::{Channel, Email, Phone};
use crate::source::{Cursor, Probe};

/// How a sink likes to be fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkLimits {
    /// Most ops in one call.
    pub batch: NonZeroUsize,
    /// Most calls at once.
    pub concurrency: NonZeroUsize,
}

impl SinkLimits {
    /// So many ops in one call, so many calls at once.
    pub const fn new(batch: NonZeroUsize, concurrency: NonZeroUsize) -> Self {
        Self { batch, concurrency }
    }
}

/// Which account a sink writes to, and how records are named there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account, without its secret: two sinks with the same text write to
    /// the same place.
    pub name: String,
    /// How external ids are written there.
    pub scheme: IdScheme,
}

/// What became of one op.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is so now.
    Applied {
        /// The sink's own id, when it said.
        remote_id: Option<String>,
    },
    /// Not now; the same later. Sending it again must be safe.
    Retry {
        /// How long the sink asked to wait.
        after: Option<Duration>,
        /// Why, without data.
        reason: String,
    },
    /// Never: this content will not be taken.
    Rejected {
        /// Why, without data; names who can mend it.
        reason: String,
    },
}

/// Whom a stop concerns. Consent never travels, opt-outs travel with the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Whoever has this number.
    Phone(Phone),
    /// Whoever has this address.
    Email(Email),
    /// This one record.
    Contact(ExternalId),
}

/// A stop that a CRM or provider recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Whom it concerns.
    pub target: Target,
    /// Which channel. None: all of them.
    pub channel: Option<Channel>,
    /// Why, as the CRM says, cut to a word or two.
    pub reason: String,
}

/// Stops since a cursor.
#[derive(Debug, Clone, Default)]
pub struct SuppressionPage {
    /// It keeps such a list, and this is a page of it. False: nothing is known
    /// about anybody, which is not the same as a clear record.
    pub listed: bool,
    /// The stops, repeats allowed.
    pub stops: Vec<Suppression>,
    /// Entries that could not be read: counted, never skipped in silence.
    pub unreadable: u64,
    /// Where to go on from next time. None: from the start again.
    pub next: Option<Cursor>,
    /// There is more now.
    pub more: bool,
}

/// A CRM that can be kept true.
///
/// Nothing is ever deleted through it, and nothing odx did not create is
/// touched.
#[async_trait]
pub trait CrmSink: Debug + Send + Sync + 'static {
    /// Which destination of which office this is.
    fn id(&self) -> &SinkId;

    /// The account behind it.
    fn account(&self) -> Account;

    /// How it likes to be fed. No I/O; may change as limits are learned.
    fn limits(&self) -> SinkLimits;

    /// Looks whether the CRM can be reached and is set up.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    async fn probe(&self) -> Result<Probe>;

    /// Brings these records to their state.
    ///
    /// At most [`SinkLimits::batch`] ops, each record once, never a task in the
    /// same batch as its contact.
    ///
    /// # Shape
    /// One outcome per op, in the order of the ops.
    ///
    /// # Errors
    /// `Err` says that nothing is known about any of the ops, and sending all
    /// of them again must be safe. [`Disposition::Halt`](crate::Disposition)
    /// stops the sink until a person has acted; nothing is set aside for it.
    ///
    /// Not cancel safe in the sense that a dropped call may have taken effect;
    /// safe in that repeating it does no harm.
    async fn apply(&self, batch: &[Delivery]) -> Result<Vec<Outcome>>;

    /// Reads opt-outs and dead addresses since a cursor. Called at the start of
    /// every run; nothing is sent until it has answered.
    ///
    /// # Errors
    /// As [`apply`](Self::apply). A CRM without such a list returns an empty page.
    async fn suppressions(&self, since: Option<Cursor>) -> Result<SuppressionPage>;

    /// Whether it has sequences that somebody can be taken into.
    fn enrolls(&self) -> bool {
        false
    }

    /// Takes somebody into a sequence, once: only what reaches people goes this
    /// way. Called with the same enrollment and key again only after
    /// [`find_enrollment`](Self::find_enrollment) has said that it is not there.
    ///
    /// # Errors
    /// See [`ActError`]. What is not sure is in doubt.
    async fn enroll(
        &self,
        _enrollment: &Enrollment,
        _key: &IdempotencyKey,
    ) -> Result<Receipt, ActError> {
        let error = Error::new(
            ErrorKind::Config,
            "this crm has no sequences that odx can start: send messages by a gateway",
        );
        Err(ActError::NotSent(error))
    }

    /// Looks whether somebody was taken into a sequence.
    ///
    /// # Errors
    /// As [`apply`](Self::apply). `None` is a promise.
    async fn find_enrollment(&self, _enrollment: &Enrollment) -> Result<Option<Receipt>> {
        Err(Error::new(
            ErrorKind::Config,
            "this crm has no sequences that odx can look into",
        ))
    }

    /// Requests made so far, for the report.
    fn requests(&self) -> u64 {
        0
    }
}
