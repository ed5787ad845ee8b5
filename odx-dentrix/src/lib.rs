//! Dentrix as an odx source.

pub mod columns;
mod config;
pub mod guard;
#[cfg(feature = "odbc")]
pub mod odbc;
mod reader;
mod source;
pub mod table;
pub mod wire;

pub use config::{Builder, ExportSettings, Identity, OdbcSettings, SYSTEM, Way};
pub use reader::{Program, Reader};
pub use source::Dentrix;
