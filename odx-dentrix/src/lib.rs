//! Dentrix as an odx source.

pub mod columns;
mod config;
mod cursor;
mod error;
mod reader;
mod snapshot;
mod source;
mod spool;
pub mod table;
pub mod wire;

pub use config::{Builder, ExportSettings, Identity, OdbcSettings, SYSTEM, Way};
pub use reader::Reader;
pub use source::Dentrix;
