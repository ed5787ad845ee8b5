//! Places where a test may end the process, and rules that a test may switch
//! off to see that its check notices. Without the feature `failpoints` both do
//! nothing and cost nothing.
//!
//! Configured as the crate `fail` is, through the variable `FAILPOINTS` or
//! `fail::cfg`: `page.before_commit=2*off->return` ends the process the third
//! time, `broken.page.cursor=return` switches a rule off.

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
