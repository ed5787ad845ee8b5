//! A CRM that takes records by `PUT` under their external id.
//!
//! The contract is in the crate's README; `client.rs` is the only file that
//! knows its addresses, headers and status codes.

pub(crate) mod address;
mod client;
mod config;
mod enroll;
mod error;
mod sink;
mod stops;
mod wire;

#[cfg(any(test, feature = "fuzz"))]
mod any;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use any::{read_answer, read_cursor, read_stops};
pub use config::{Auth, IdIn, KeyStyle, RestConfig};
pub use sink::RestSink;
pub use stops::told;
