//! Checks for a [`PracticeSource`](crate::source::PracticeSource).
//!
//! ```text
//! // tests/conformance.rs of an adapter
//! odx_core::source_conformance!(Chairside); // conformance::paging_ends, ...
//! ```
//!
//! New checks may arrive in a minor release; renaming or removing one is a
//! breaking change.

mod canary;
mod content;
mod cursor;
mod deletion;
mod drift;
mod failure;
mod feed;
mod harness;
mod opt_outs;
mod paging;
mod people;
mod practice;
mod refresh;
mod reminders;
mod sweep;
mod unreadable;

use super::{Check, names, table};

pub use canary::{
    nothing_logged_names_a_patient_or_shows_a_secret, nothing_printed_names_a_patient,
    nothing_printed_shows_a_secret,
};
pub use content::{
    an_update_is_read, identity_and_capabilities_need_no_request, keys_are_unique,
    keys_stay_the_same, refresh_shows_one_patient_whole_and_nobody_else, requests_are_counted,
    two_practices_do_not_mix, what_is_written_is_what_is_read,
};
pub use cursor::{
    a_dropped_call_changes_nothing, a_foreign_cursor_expires, a_forgotten_position_expires,
    cursor_survives_json_and_a_restart, resuming_after_any_page_loses_nothing,
    the_same_cursor_twice_loses_nothing,
};
pub use deletion::{
    a_deletion_is_noticed_as_declared, gone_is_only_said_of_what_is_gone,
    what_was_deleted_can_come_back,
};
pub use drift::{
    rows_inserted_while_paging_hide_nobody, rows_removed_while_paging_hide_nobody,
    rows_touched_while_paging_hide_nobody,
};
pub use failure::{
    a_cut_answer_is_retried_and_is_never_no_rows, a_failed_refresh_is_never_an_empty_patient,
    a_probe_says_when_the_practice_cannot_be_read, a_slow_down_carries_its_wait,
    an_outage_is_retried, bad_credentials_halt, only_the_engine_tries_again,
    whichever_request_fails_nothing_is_lost,
};
pub use harness::SourceHarness;
pub use opt_outs::{an_opt_out_says_nothing_but_no, news_of_a_patient_lifts_no_opt_out};
pub use paging::{
    a_change_far_down_the_list_is_read, a_clock_that_falls_back_hides_no_change,
    a_first_pass_without_a_cursor_shows_everything, a_quiet_practice_is_not_listed_for_ever,
    a_row_that_becomes_visible_late_is_read, an_empty_practice_is_read_and_its_first_rows_too,
    caught_up_means_that_everything_was_shown, in_steps_equals_at_once, paging_ends,
    rows_with_one_stamp_across_a_page_border_are_all_shown, starting_over_shows_everything_again,
    two_updates_in_one_second_are_both_read,
};
pub use refresh::{
    a_refresh_says_when_the_patient_cannot_be_read, a_refresh_that_fails_half_way_is_no_answer,
};
pub use reminders::{
    a_reminder_is_read_as_it_was_written, whichever_request_fails_no_reminder_is_lost,
};
pub use sweep::{
    a_failed_pass_never_sweeps, a_sweep_has_shown_everything_of_its_kind,
    everything_is_listed_and_swept_on_demand, the_extent_counts_where_a_pass_begins,
};
pub use unreadable::{
    an_unreadable_row_hides_nobody, an_unreadable_row_is_named_and_clears_itself,
};

/// A test per check, inside `mod conformance` or a module of the name given.
///
/// ```text
/// odx_core::source_conformance!(Chairside);
/// odx_core::source_conformance!(with_clinics, ChairsideWithClinics);
/// ```
#[macro_export]
macro_rules! source_conformance {
    ($module:ident, $harness:ty) => {
        $crate::__source_checks!([$crate::__conformance_tests]; source, $module, $harness);
    };
    ($harness:ty) => {
        $crate::source_conformance!(conformance, $harness);
    };
}

/// Hands the names of all checks to a macro: the one list of them.
#[doc(hidden)]
#[macro_export]
macro_rules! __source_checks {
    ([$($then:tt)*]; $($with:tt)*) => {
        $($then)*! {
            $($with)*;
            a_first_pass_without_a_cursor_shows_everything
            paging_ends
            an_empty_practice_is_read_and_its_first_rows_too
            caught_up_means_that_everything_was_shown
            starting_over_shows_everything_again
            rows_with_one_stamp_across_a_page_border_are_all_shown
            two_updates_in_one_second_are_both_read
            a_row_that_becomes_visible_late_is_read
            a_clock_that_falls_back_hides_no_change
            a_change_far_down_the_list_is_read
            in_steps_equals_at_once
            a_quiet_practice_is_not_listed_for_ever
            the_same_cursor_twice_loses_nothing
            cursor_survives_json_and_a_restart
            resuming_after_any_page_loses_nothing
            a_foreign_cursor_expires
            a_forgotten_position_expires
            a_dropped_call_changes_nothing
            what_is_written_is_what_is_read
            an_update_is_read
            keys_are_unique
            keys_stay_the_same
            refresh_shows_one_patient_whole_and_nobody_else
            two_practices_do_not_mix
            identity_and_capabilities_need_no_request
            requests_are_counted
            rows_removed_while_paging_hide_nobody
            rows_inserted_while_paging_hide_nobody
            rows_touched_while_paging_hide_nobody
            a_deletion_is_noticed_as_declared
            gone_is_only_said_of_what_is_gone
            what_was_deleted_can_come_back
            a_sweep_has_shown_everything_of_its_kind
            everything_is_listed_and_swept_on_demand
            the_extent_counts_where_a_pass_begins
            a_failed_pass_never_sweeps
            an_unreadable_row_hides_nobody
            an_unreadable_row_is_named_and_clears_itself
            an_opt_out_says_nothing_but_no
            news_of_a_patient_lifts_no_opt_out
            a_reminder_is_read_as_it_was_written
            whichever_request_fails_no_reminder_is_lost
            bad_credentials_halt
            a_slow_down_carries_its_wait
            a_cut_answer_is_retried_and_is_never_no_rows
            an_outage_is_retried
            a_failed_refresh_is_never_an_empty_patient
            a_refresh_that_fails_half_way_is_no_answer
            a_refresh_says_when_the_patient_cannot_be_read
            only_the_engine_tries_again
            a_probe_says_when_the_practice_cannot_be_read
            whichever_request_fails_nothing_is_lost
            nothing_printed_names_a_patient
            nothing_printed_shows_a_secret
            nothing_logged_names_a_patient_or_shows_a_secret
        }
    };
}

crate::__source_checks!([names];);

/// Every check, for those who run them without the macro.
pub fn checks<H: SourceHarness>() -> Vec<Check> {
    crate::__source_checks!([table]; H)
}
