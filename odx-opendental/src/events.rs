//! Deliveries of the vendor's API Events: what comes in, and what it says.
//!
//! The vendor's machines post the rows of a table when they change. The customer
//! key is the whole credential; there is no signature, no delivery id and no
//! order. A delivery is a hint beside the feed, never instead of it.

mod decode;
#[cfg(feature = "events")]
mod doorkeeper;
mod kind;
#[cfg(feature = "events")]
mod receiver;

pub(crate) use decode::{Told, decode};
#[cfg(feature = "events")]
pub(crate) use doorkeeper::check_path;
pub(crate) use kind::Kind;
#[cfg(feature = "events")]
pub use receiver::{Receiver, ReceiverCounts, ReceiverSettings};
