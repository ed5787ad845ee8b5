//! Dentrix as an odx source.

pub mod columns;
mod config;
#[cfg(feature = "exports")]
pub mod exports;
mod reader;
mod source;
pub mod table;
pub mod wire;

pub use config::{Builder, ExportSettings, Identity, OdbcSettings, SYSTEM, Way};
pub use reader::Reader;
pub use source::Dentrix;

#[cfg(all(feature = "exports", any(test, feature = "fuzz")))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "sim")]
pub mod sim;
