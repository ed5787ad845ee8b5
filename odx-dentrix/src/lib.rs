//! Dentrix as an odx source.

pub mod columns;
mod config;
mod look;
mod program;
mod reader;
mod source;
pub mod table;
pub mod wire;

pub use config::{Builder, ExportSettings, Identity, OdbcSettings, SYSTEM, Way};
pub use look::{TableColumns, columns_of_file, columns_of_office};
pub use program::Program;
pub use reader::Reader;
pub use source::Dentrix;
