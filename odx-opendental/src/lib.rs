#![doc = include_str!("../README.md")]

mod client;
mod config;
mod convert;
mod cursor;
mod error;
mod limiter;
mod reference;
mod source;
mod version;
mod wire;

pub use config::{Builder, Credentials, REMOTE_URL, SYSTEM, is_inside};
pub use source::OpenDental;

#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "sim")]
pub mod sim;
