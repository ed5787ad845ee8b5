#![doc = include_str!("../README.md")]

mod client;
mod config;
mod convert;
mod cursor;
mod error;
mod events;
mod limiter;
mod overlap;
mod plan;
mod query;
mod raw;
mod reference;
mod source;
#[cfg(feature = "events")]
mod subscriptions;
mod version;
mod wire;
mod writer;

pub use config::{Builder, Credentials, REMOTE_URL, SYSTEM, is_inside};
#[cfg(feature = "events")]
pub use events::{Receiver, ReceiverCounts, ReceiverSettings};
pub use source::OpenDental;
#[cfg(feature = "events")]
pub use subscriptions::{Declaration, SubscriptionReport, Workstation};
pub use writer::WriteBackSettings;

#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
#[doc(hidden)]
pub mod statements;
