//! Checks that every adapter passes, one named test each.
//!
//! The vendor writes a harness: how to start a practice, write to it, delete
//! from it and break it. A macro makes a test of each check, and what the
//! adapter says of itself chooses which of them apply. Plain async functions
//! underneath, so they can also be called one by one.
//!
//! A check that cannot run says so: it prints `not checked: <check>: <why>`.
#![allow(
    clippy::panic,
    reason = "checks are assertions: a panic is the failure"
)]

pub mod source;

pub use source::SourceHarness;

/// Whether a harness can do what a check asks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Supported {
    /// It was done.
    Yes,
    /// It cannot be done here, and why. The reason is printed and must not be
    /// empty.
    No(&'static str),
}

/// Whether a check, or a part of it, can run. If not, says so.
///
/// # Panics
/// If no reason is given: a silent skip is a failure.
fn can(check: &str, answer: Supported) -> bool {
    match answer {
        Supported::Yes => true,
        Supported::No(why) => {
            not_checked(check, why);
            false
        }
    }
}

fn not_checked(check: &str, why: &str) {
    assert!(
        !why.trim().is_empty(),
        "{check} was skipped without a reason"
    );
    println!("not checked: {check}: {why}");
}

/// Runs one check to its end. For the macros.
///
/// # Panics
/// If the check fails, or no runtime can be made.
#[doc(hidden)]
pub fn run(check: impl Future<Output = ()>) {
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(check),
        Err(error) => panic!("no runtime: {error}"),
    }
}
