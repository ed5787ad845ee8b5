//! From an edit at the practice to the CRM by what the practice sends by
//! itself, in one process, over loopback: how soon, at what price, and that
//! nothing depends on it (promises D6 and D7, recipe R3).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests: a panic is the failure"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests wait for other tasks and measure how long that took"
)]

#[path = "../torture/compare.rs"]
#[allow(dead_code, reason = "shared with the recipes of torture")]
mod compare;
mod missed;
mod told;
mod world;
