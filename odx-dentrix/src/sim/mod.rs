//! Practices that are made up, to be read by tests and demos.

pub mod export;
