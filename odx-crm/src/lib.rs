#![doc = include_str!("../README.md")]

#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod gateway;
mod recording;
pub mod rest;
#[cfg(feature = "sim")]
pub mod sim;

pub use recording::RecordingSink;
pub use rest::{Auth, IdIn, KeyStyle, RestConfig, RestSink};
pub use url::Url;
