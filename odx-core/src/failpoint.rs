//! Places where a test may end the process, and rules that a test may switch
//! off to see that its check notices. Without the feature `failpoints` both do
//! nothing and cost nothing.
//!
//! Configured as the crate `fail` is, through the variable `FAILPOINTS` or
//! `fail::cfg`: `page.before_commit=2*off->return` ends the process the third
//! time, `broken.page.cursor=return` switches a rule off.

/// Every place there is, in the order in which a run comes to them. A test
/// holds this list against the sources, and ends the process at each.
///
/// Those of `effect` and those after them are on no path of a sync:
/// `tests/effects_killed.rs` ends a process at each of them.
///
/// SQLite brings its log into the file by itself, inside a commit or when the
/// last connection closes: the places around that are those of `close`.
pub const PLACES: &[&str] = &[
    "open_run.before",
    "open_run.in_transaction",
    "open_run.after_commit",
    "receive.before",
    "receive.in_transaction",
    "receive.after_commit",
    "restart.before",
    "restart.in_transaction",
    "restart.after_commit",
    "page.before",
    "page.in_transaction",
    "page.before_commit",
    "page.after_commit",
    "stops.before",
    "stops.in_transaction",
    "stops.after_commit",
    "departure.before",
    "departure.in_transaction",
    "departure.after_commit",
    "send.before",
    "send.answered",
    "acks.before",
    "parked.before",
    "parked.after",
    "acks.in_transaction",
    "acks.before_commit",
    "acks.after_commit",
    "run.before",
    "run.in_transaction",
    "run.after_commit",
    "imported.before",
    "effect.before_claim",
    "effect.claim.in_transaction",
    "effect.claimed",
    "effect.answered",
    "effect.looked_up",
    "effect.settle.in_transaction",
    "effect.settled",
    "decide.in_transaction",
    "lift.in_transaction",
    "replay.in_transaction",
    "look_again.in_transaction",
    "keep.in_transaction",
    "close.before_checkpoint",
    "close.after_checkpoint",
];

/// A place: with the feature, ends the process here, as kill -9 would, when a
/// test has asked for it.
#[inline]
pub fn reach(place: &'static str) {
    #[cfg(feature = "failpoints")]
    fail::fail_point!(place, |_| std::process::abort());
    #[cfg(not(feature = "failpoints"))]
    let _ = place;
}

/// A rule: whether a test has switched it off. Always false without the feature.
#[inline]
#[must_use]
pub fn broken(rule: &'static str) -> bool {
    #[cfg(feature = "failpoints")]
    fail::fail_point!(rule, |_| true);
    #[cfg(not(feature = "failpoints"))]
    let _ = rule;
    false
}
