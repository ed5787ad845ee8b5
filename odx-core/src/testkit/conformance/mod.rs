//! Checks that every adapter passes, one named test each.
//!
//! The vendor writes a harness: how to start a backend, write to it, delete
//! from it and break it. A macro makes a test of each check, and what the
//! adapter says of itself chooses which of them apply. Plain async functions
//! underneath, so they can also be called one by one.
//!
//! A check that cannot run says so: it prints `not checked: <check>: <why>`.
//! Checks may be added in a minor release; none is renamed or taken away.
#![allow(
    clippy::panic,
    reason = "checks are assertions: a panic is the failure"
)]

pub mod sink;
pub mod source;
pub mod state;

pub use sink::{SinkHarness, Stored};
pub use source::SourceHarness;
pub use state::StateHarness;

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

impl Supported {
    /// Whether the check, or a part of it, can go on. Where it cannot, says so
    /// in one line: what was not checked must never look as if it had been.
    ///
    /// # Panics
    /// If no reason is given: a silent skip is a failure.
    #[must_use]
    pub fn or_say(self, check: &str) -> bool {
        match self {
            Self::Yes => true,
            Self::No(why) => {
                not_checked(check, why);
                false
            }
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

/// One check, for those who run them without the macros.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Check {
    /// Its name, a statement of what holds.
    pub name: &'static str,
    /// Runs it on a harness of its own. Panics where the statement does not hold.
    pub run: fn() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
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

/// One named test per check, in a module.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($seam:ident, $module:ident, $harness:ty; $($check:ident)*) => {
        mod $module {
            #[allow(unused_imports, reason = "the harness may be named by a path")]
            use super::*;
            $(
                #[::core::prelude::v1::test]
                fn $check() {
                    $crate::testkit::conformance::run(
                        $crate::testkit::conformance::$seam::$check::<$harness>(),
                    );
                }
            )*
        }
    };
}

/// A table of the checks, for those who run them otherwise.
macro_rules! table {
    ($harness:ident; $($check:ident)*) => {
        vec![$($crate::testkit::conformance::Check {
            name: stringify!($check),
            run: || Box::pin($check::<$harness>()),
        }),*]
    };
}
use table;

/// The names of the checks.
macro_rules! names {
    (; $($check:ident)*) => {
        /// The names of all checks.
        pub const CHECKS: &[&str] = &[$(stringify!($check)),*];
    };
}
use names;

#[cfg(test)]
mod tests {
    use super::Supported;

    #[test]
    fn what_is_not_checked_needs_a_reason() {
        assert!(Supported::Yes.or_say("a"));
        assert!(!Supported::No("no such route").or_say("a"));
        assert!(std::panic::catch_unwind(|| Supported::No(" ").or_say("a")).is_err());
    }
}
