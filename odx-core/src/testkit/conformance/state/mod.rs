//! Checks of a [`StateStore`], by [`state_conformance!`](crate::state_conformance).

#![allow(
    clippy::panic,
    reason = "a check fails where it stands, with a sentence"
)]

mod acks;
mod bench;
mod deliveries;
mod disclosures;
mod due;
mod effects;
mod lasting;
mod lifts;
mod office;
mod opt_outs;
mod pages;
mod quiet;
mod reminders;
mod runs;
mod stops;
mod sweeps;
mod told;

use std::sync::Arc;

use async_trait::async_trait;

use super::{Check, Supported, names, table};
use crate::error::Result;
use crate::store::StateStore;

pub use acks::{
    an_acknowledgement_does_not_reconcile, the_same_acknowledgement_twice_is_one,
    what_is_set_aside_is_listed_until_it_is_cleared,
};
pub use deliveries::{
    a_delivery_that_comes_again_is_known_for_days,
    a_delivery_that_is_not_stored_is_not_acknowledged, a_delivery_waits_for_the_page_that_says_it,
    deliveries_come_out_as_they_came_in, deliveries_of_two_offices_never_mix,
    deliveries_that_come_at_once_are_each_stored_once, reopening_remembers_deliveries,
    what_was_told_is_never_undone_by_what_is_older,
    what_was_told_is_no_sign_that_the_source_can_be_read,
    whoever_waits_for_a_delivery_is_woken_by_theirs,
};
pub use disclosures::{
    a_message_is_disclosed_once_when_it_has_ended, an_edited_or_deleted_disclosure_is_found,
    disclosures_are_one_row_per_answer_and_chain, reopening_remembers_disclosures,
    what_is_refused_leaves_no_disclosure,
};
pub use due::{
    a_household_is_due_on_its_again_day_and_not_before,
    a_household_that_departed_is_due_until_it_is_reconciled,
    a_limit_is_kept_and_nobody_is_left_out,
    a_parked_op_brings_its_household_back_when_its_time_has_come,
    a_walk_with_after_sees_every_household_once,
};
pub use effects::{
    a_stale_outlet_claims_and_settles_nothing, an_effect_has_one_claim_at_a_time,
    an_older_attempt_settles_nothing, effects_of_two_outlets_never_mix,
    open_effects_are_listed_until_they_are_done, reopening_remembers_effects,
    what_has_ended_is_never_claimed_again,
};
pub use lasting::{
    a_newer_schema_is_refused_with_a_remedy, an_older_schema_is_migrated,
    reopening_remembers_stops, reopening_remembers_the_mirror, reopening_remembers_what_was_sent,
    reopening_remembers_when_the_source_was_last_heard_of, two_processes_do_not_disturb_each_other,
};
pub use lifts::{
    a_crms_stop_is_never_lifted_by_a_person_here, a_gateway_is_no_crm_and_a_crm_no_gateway,
    a_gateway_of_another_source_is_refused, a_keyword_does_not_take_back_what_else_was_said,
    a_keyword_stop_is_lifted_by_start_at_the_same_sender_only,
    a_lift_raises_whom_it_concerns_and_nobody_else, a_stop_is_known_since_it_was_said,
    a_stop_of_a_gateway_blocks_and_is_no_crm_dnd,
    a_stop_recorded_at_one_crm_raises_the_household_at_every_other,
    a_stop_that_was_lifted_and_said_again_holds_again,
};
pub use office::{
    a_decision_takes_the_place_of_the_last_about_the_same_occurrence_and_channel,
    a_patients_household_is_found, a_refused_op_that_is_replayed_is_due_again_and_payload_free,
    a_replay_takes_only_what_was_asked_for, an_office_stands_as_it_was_left,
    an_unmapped_status_is_told_once_and_again_after_a_week,
    another_fingerprint_looks_at_everybody_once,
    decisions_are_found_by_patient_and_by_recipient_newest_first, decisions_need_the_latest_epoch,
    households_are_given_whether_due_or_not, nothing_of_an_office_is_shown_to_another,
    progress_counts_households_once, runs_are_given_newest_first,
    statuses_are_counted_from_living_records, tokens_are_stable_and_differ,
    unreadable_rows_are_listed_with_since_when, what_is_kept_by_name_survives_a_reopen,
    what_is_set_aside_keeps_its_since_until_it_is_cleared,
};
pub use opt_outs::{
    an_opt_out_counts_until_it_is_gone, an_opt_out_ends_when_two_listings_do_not_show_it,
    an_opt_out_may_come_before_its_patient_and_denies_from_then_on,
    an_opt_out_that_cannot_be_read_denies_everything, reopening_remembers_opt_outs,
};
pub use pages::{
    a_change_raises_the_household_and_an_ack_of_the_past_does_not_hide_it,
    a_commit_that_fails_midway_leaves_nothing, a_move_between_households_raises_both,
    a_refused_page_leaves_nothing, a_restarted_feed_keeps_its_records,
    an_unchanged_record_makes_no_work,
    an_unreadable_row_is_listed_is_not_missing_and_clears_itself,
    of_two_commits_from_one_cursor_one_wins, what_hangs_from_a_patient_may_come_before_the_patient,
};
pub use quiet::{nothing_of_a_message_is_shown, nothing_of_a_patient_is_shown};
pub use reminders::{
    a_reminder_counts_from_when_it_is_known, a_reminder_that_has_had_its_time_leaves_no_trace,
};
pub use runs::{
    a_sink_that_is_added_later_hears_everything, a_stale_epoch_commits_nothing,
    a_wrong_pairing_is_refused, every_run_has_an_epoch_of_its_own,
    offices_with_the_same_keys_never_mix, two_sinks_of_one_source_are_told_apart,
};
pub use stops::a_stop_reaches_everyone_with_the_address_and_is_never_lifted;
pub use sweeps::{
    a_listing_over_several_pages_counts_as_one, a_record_that_is_only_seen_is_not_missing,
    a_sighting_between_two_listings_starts_the_count_again,
    absence_from_one_listing_proves_nothing_from_two_it_does, more_than_the_brake_lets_go_stays,
    what_a_patients_own_list_lacks_is_missed_or_where_that_was_told_gone,
};
pub use told::{
    a_message_status_never_goes_back, a_refused_or_waiting_effect_is_not_told,
    an_attempt_that_may_have_told_of_more_keeps_it_told, an_occurrence_comes_back_as_it_was,
    history_finds_by_subject_person_address_and_household, it_began_when_it_was_claimed_first,
    reopening_remembers_what_was_told, what_two_outlets_told_never_mixes,
    what_was_claimed_counts_as_told_until_it_is_known_not_to_be,
    what_was_told_since_a_time_is_given_in_order,
};

/// A place where state is kept: a file, a database, memory.
#[async_trait]
pub trait StateHarness: Sized + Send + Sync + 'static {
    /// An empty place. Each check starts its own.
    async fn start() -> Self;

    /// Opens the store there, as a process that starts would. Called again once
    /// the first handle is dropped, and in one check while it is not: a store
    /// for one process refuses that with an error.
    ///
    /// # Errors
    /// The store's own.
    async fn open(&self) -> Result<Arc<dyn StateStore>>;

    /// From now on commits fail after part of them was written, as on a full
    /// disk, until [`mend`](Self::mend).
    async fn break_commits(&self) -> Supported {
        Supported::No("implement `break_commits` to check that commits are all or nothing")
    }

    /// Commits work again.
    async fn mend(&self) {}

    /// Makes the place look as if a newer release had written it. Nothing has it
    /// open.
    async fn make_newer(&self) -> Supported {
        Supported::No("implement `make_newer` to check that a newer schema is refused")
    }

    /// Makes the place what an older release left: the patient `1`, of its own
    /// household, due at the sink `mem:main` of the source `t:main`. Nothing has
    /// it open.
    async fn make_older(&self) -> Supported {
        Supported::No("there is no older schema, or implement `make_older`")
    }

    /// Somebody changes a disclosure behind the store's back, while it is open:
    /// that of this number names other fields.
    async fn edit_disclosure(&self, number: u64) -> Supported {
        let _ = number;
        Supported::No("implement `edit_disclosure` to check that an edit is noticed")
    }

    /// Somebody takes a disclosure out behind the store's back, while it is open.
    async fn delete_disclosure(&self, number: u64) -> Supported {
        let _ = number;
        Supported::No("implement `delete_disclosure` to check that a gap is noticed")
    }
}

crate::__state_checks!([names];);

/// Every check, for those who run them without the macro.
pub fn checks<H: StateHarness>() -> Vec<Check> {
    crate::__state_checks!([table]; H)
}

/// Proves a store: one test per check, in a module `conformance` or the one that
/// is named.
///
/// ```text
/// odx_core::state_conformance!(MyHarness);
/// odx_core::state_conformance!(in_a_file, MyOtherHarness);
/// ```
///
/// The crate needs `tokio` with `macros` and `rt`.
#[macro_export]
macro_rules! state_conformance {
    ($module:ident, $harness:ty) => {
        $crate::__state_checks!([$crate::__conformance_tests]; state, $module, $harness);
    };
    ($harness:ty) => {
        $crate::state_conformance!(conformance, $harness);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __state_checks {
    ([$($then:tt)*]; $($with:tt)*) => {
        $($then)* ! {
            $($with)*;
            an_unchanged_record_makes_no_work
            a_change_raises_the_household_and_an_ack_of_the_past_does_not_hide_it
            what_hangs_from_a_patient_may_come_before_the_patient
            a_move_between_households_raises_both
            an_unreadable_row_is_listed_is_not_missing_and_clears_itself
            a_refused_page_leaves_nothing
            a_commit_that_fails_midway_leaves_nothing
            of_two_commits_from_one_cursor_one_wins
            a_restarted_feed_keeps_its_records
            absence_from_one_listing_proves_nothing_from_two_it_does
            a_sighting_between_two_listings_starts_the_count_again
            a_listing_over_several_pages_counts_as_one
            more_than_the_brake_lets_go_stays
            a_record_that_is_only_seen_is_not_missing
            what_a_patients_own_list_lacks_is_missed_or_where_that_was_told_gone
            every_run_has_an_epoch_of_its_own
            a_stale_epoch_commits_nothing
            a_wrong_pairing_is_refused
            a_sink_that_is_added_later_hears_everything
            offices_with_the_same_keys_never_mix
            two_sinks_of_one_source_are_told_apart
            a_household_is_due_on_its_again_day_and_not_before
            a_parked_op_brings_its_household_back_when_its_time_has_come
            a_household_that_departed_is_due_until_it_is_reconciled
            a_walk_with_after_sees_every_household_once
            a_limit_is_kept_and_nobody_is_left_out
            an_acknowledgement_does_not_reconcile
            the_same_acknowledgement_twice_is_one
            what_is_set_aside_is_listed_until_it_is_cleared
            a_stop_reaches_everyone_with_the_address_and_is_never_lifted
            an_opt_out_may_come_before_its_patient_and_denies_from_then_on
            an_opt_out_counts_until_it_is_gone
            an_opt_out_ends_when_two_listings_do_not_show_it
            an_opt_out_that_cannot_be_read_denies_everything
            a_reminder_counts_from_when_it_is_known
            a_reminder_that_has_had_its_time_leaves_no_trace
            reopening_remembers_opt_outs
            an_effect_has_one_claim_at_a_time
            what_has_ended_is_never_claimed_again
            an_older_attempt_settles_nothing
            a_stale_outlet_claims_and_settles_nothing
            effects_of_two_outlets_never_mix
            open_effects_are_listed_until_they_are_done
            reopening_remembers_effects
            reopening_remembers_the_mirror
            reopening_remembers_what_was_sent
            reopening_remembers_stops
            reopening_remembers_when_the_source_was_last_heard_of
            a_newer_schema_is_refused_with_a_remedy
            an_older_schema_is_migrated
            two_processes_do_not_disturb_each_other
            a_delivery_waits_for_the_page_that_says_it
            a_delivery_that_comes_again_is_known_for_days
            deliveries_come_out_as_they_came_in
            reopening_remembers_deliveries
            deliveries_of_two_offices_never_mix
            whoever_waits_for_a_delivery_is_woken_by_theirs
            deliveries_that_come_at_once_are_each_stored_once
            a_delivery_that_is_not_stored_is_not_acknowledged
            what_was_told_is_never_undone_by_what_is_older
            what_was_told_is_no_sign_that_the_source_can_be_read
            what_was_claimed_counts_as_told_until_it_is_known_not_to_be
            a_refused_or_waiting_effect_is_not_told
            history_finds_by_subject_person_address_and_household
            an_occurrence_comes_back_as_it_was
            an_attempt_that_may_have_told_of_more_keeps_it_told
            it_began_when_it_was_claimed_first
            what_was_told_since_a_time_is_given_in_order
            a_message_status_never_goes_back
            what_two_outlets_told_never_mixes
            reopening_remembers_what_was_told
            a_stop_recorded_at_one_crm_raises_the_household_at_every_other
            a_stop_of_a_gateway_blocks_and_is_no_crm_dnd
            a_stop_is_known_since_it_was_said
            a_keyword_stop_is_lifted_by_start_at_the_same_sender_only
            a_keyword_does_not_take_back_what_else_was_said
            a_crms_stop_is_never_lifted_by_a_person_here
            a_stop_that_was_lifted_and_said_again_holds_again
            a_lift_raises_whom_it_concerns_and_nobody_else
            a_gateway_of_another_source_is_refused
            a_gateway_is_no_crm_and_a_crm_no_gateway
            a_decision_takes_the_place_of_the_last_about_the_same_occurrence_and_channel
            decisions_need_the_latest_epoch
            decisions_are_found_by_patient_and_by_recipient_newest_first
            another_fingerprint_looks_at_everybody_once
            households_are_given_whether_due_or_not
            a_patients_household_is_found
            an_unmapped_status_is_told_once_and_again_after_a_week
            statuses_are_counted_from_living_records
            a_refused_op_that_is_replayed_is_due_again_and_payload_free
            a_replay_takes_only_what_was_asked_for
            what_is_set_aside_keeps_its_since_until_it_is_cleared
            unreadable_rows_are_listed_with_since_when
            progress_counts_households_once
            what_is_kept_by_name_survives_a_reopen
            an_office_stands_as_it_was_left
            tokens_are_stable_and_differ
            runs_are_given_newest_first
            nothing_of_an_office_is_shown_to_another
            disclosures_are_one_row_per_answer_and_chain
            an_edited_or_deleted_disclosure_is_found
            a_message_is_disclosed_once_when_it_has_ended
            what_is_refused_leaves_no_disclosure
            reopening_remembers_disclosures
            nothing_of_a_patient_is_shown
            nothing_of_a_message_is_shown
        }
    };
}
