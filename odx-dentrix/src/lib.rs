//! Dentrix as an odx source.

pub mod columns;
mod config;
pub mod guard;

mod reader;
mod source;
pub mod table;
pub mod wire;

pub use config::{Builder, ExportSettings, Identity, OdbcSettings, SYSTEM, Way};
pub use reader::{Reader};
pub use source::Dentrix;
