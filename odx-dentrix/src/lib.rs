//! Dentrix as an odx source.

pub mod columns;
mod config;
#[allow(dead_code, reason = "used by the source, which is being written")]
mod convert;
#[allow(dead_code, reason = "used by the source, which is being written")]
mod identity;
#[allow(dead_code, reason = "used by the source, which is being written")]
mod plausible;
mod reader;
mod source;
pub mod table;
pub mod wire;

pub use config::{Builder, ExportSettings, Identity, OdbcSettings, SYSTEM, Way};
pub use reader::Reader;
pub use source::Dentrix;
