//! People are told what they should hear, once, and nobody else is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

mod cost;
mod family;
mod held;
mod office;
mod once;
mod stops;
mod story;
