//! Promises D6 and S7: what was answered with 200 is on disk whatever happens,
//! and whoever only holds on keeps nobody out. The program under test is
//! `events-receiver`, in a process of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

mod crowd;
mod kill;
mod program;
