//! The promises of the program itself: killed, starved and lied to, it loses nobody, doubles nobody and misdirects
//! nobody. Each test is named for the promise it proves; beside it stands one that switches the rule off and sees
//! the same recipe notice. One process per office group, as a user would run it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests: a panic is the failure, and what is waited for is another process"
)]
#![cfg_attr(
    not(feature = "failpoints"),
    allow(
        dead_code,
        unused_imports,
        reason = "without the feature no place ends the program and no rule is off"
    )
)]
#![allow(unreachable_pub, reason = "the modules of one test")]

mod change;
mod compare;
mod crash;
mod disk;
mod events;
mod flaky;
mod poison;
mod power;
mod program;
mod quiet;
mod tenants;
mod trace;
mod world;
