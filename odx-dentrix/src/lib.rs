#![doc = include_str!("../README.md")]

mod asking;
pub mod columns;
mod config;
mod convert;
mod cursor;
mod error;
#[cfg(feature = "exports")]
pub mod exports;
pub mod guard;
mod identity;
#[cfg(feature = "exports")]
mod incoming;
mod look;
mod meaning;
#[cfg(feature = "odbc")]
pub mod odbc;
mod plausible;
mod reader;
mod snapshot;
mod source;
mod spool;
pub mod table;
pub mod wire;

pub use config::{Builder, ExportSettings, Identity, OdbcSettings, SYSTEM, Way};
pub use look::{TableColumns, columns_of_file, columns_of_office};
pub use reader::{Program, Reader};
pub use source::Dentrix;

#[cfg(all(feature = "exports", any(test, feature = "fuzz")))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "sim")]
pub mod sim;
