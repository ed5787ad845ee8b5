//! The seam for practice systems that call by themselves.

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::hash::LedgerHash;
use crate::phi::Phi;
use crate::source::{Cursor, Page, PracticeSource};

/// Something a practice system sent, as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    id: DeliveryId,
    kind: String,
    body: Phi<Vec<u8>>,
    received: DateTime<Utc>,
}

/// Which delivery it is: a digest, because senders give none. The same content
/// sent twice is one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryId(pub(crate) LedgerHash);

impl DeliveryId {
    /// Its bytes, for a store.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl Delivery {
    /// A delivery. `kind` is what the sender calls it, and may be empty.
    pub fn new(kind: impl Into<String>, body: Vec<u8>, received: DateTime<Utc>) -> Self {
        let kind = kind.into();
        let id = LedgerHash::of_parts(&[kind.as_bytes(), &body]);
        Self {
            id: DeliveryId(id),
            kind,
            body: Phi::new(body),
            received,
        }
    }

    /// Which one it is.
    pub const fn id(&self) -> DeliveryId {
        self.id
    }

    /// What the sender calls it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its content.
    pub const fn body(&self) -> &Phi<Vec<u8>> {
        &self.body
    }

    /// When it came in.
    pub const fn received(&self) -> DateTime<Utc> {
        self.received
    }
}

/// A practice system that calls by itself when something changes.
///
/// Deliveries are hints beside the feed: one that is lost, late, doubled or out
/// of order does no harm, because the feed brings everything again. A receiver
/// keeps each in the state ([`StateStore::receive`](crate::store::StateStore::receive))
/// before it answers; the engine applies them between two pages.
pub trait PushSource: PracticeSource {
    /// What a delivery says, seen from where the feed stands.
    ///
    /// # Shape
    /// Records as [`Change::Told`](crate::source::Change::Told), removals as
    /// [`Change::Gone`](crate::source::Change::Gone), no listing. The position
    /// is that of `cursor`, changed only in what the feed shall look at next:
    /// [`Position::More`](crate::source::Position::More) asks for a pull at
    /// once. No I/O.
    ///
    /// What a read may already have shown newer must not be told: reads win.
    /// When in doubt, the feed is to look again.
    ///
    /// # Errors
    /// [`CursorExpired`](crate::ErrorKind::CursorExpired) as
    /// [`pull`](PracticeSource::pull). With any other the delivery is dropped
    /// and the failure told; the feed brings what it said.
    fn told(&self, delivery: &Delivery, cursor: &Cursor) -> Result<Page>;
}
