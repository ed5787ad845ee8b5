//! The gateways, against the reference's cases and against simulated providers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::result_large_err,
    reason = "a test may fail where it stands"
)]

mod calls;
mod canaries;
mod doubts;
mod errors;
mod golden;
mod injection;
mod kit;
mod mails;
mod mutants;
mod schema;
mod settings;
mod smtp;
mod texts;
