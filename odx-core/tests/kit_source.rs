//! The checks find what is wrong with a source, by name: an honest source passes all of them, and each of these faults
//! is named by the check meant for it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: a panic is the failure"
)]

#[path = "kit_source/practice.rs"]
mod practice;
#[path = "kit_source/source.rs"]
mod source;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use odx_core::model::{Record, RecordKey, RecordKind};
use odx_core::source::PracticeSource;
use odx_core::testkit::SourceFault;
use odx_core::testkit::conformance::source::checks;
use odx_core::testkit::conformance::{self, SourceHarness, Supported};
use odx_core::{Result, SourceId};

use practice::Practice;
use source::{Client, TOKEN};

struct Planted<const PLANT: usize> {
    practice: Practice,
    clients: AtomicU32,
}

impl<const PLANT: usize> Planted<PLANT> {
    #[allow(clippy::indexing_slicing, reason = "at compile time")]
    const PLANT: Plant = PLANTS[PLANT];
}

#[async_trait]
impl<const PLANT: usize> SourceHarness for Planted<PLANT> {
    async fn start() -> Self {
        let practice = Practice::default();
        practice.tables().now = 1_000_000;
        practice.tables().keeps_deletions = Self::PLANT == Plant::what_was_gone_stays_gone;
        Self {
            practice,
            clients: AtomicU32::new(0),
        }
    }

    fn source(&self) -> Arc<dyn PracticeSource> {
        let plant = Self::PLANT;
        let client = self.clients.fetch_add(1, Ordering::Relaxed);
        let database = match plant {
            Plant::an_id_for_each_client => format!("main-st-{client}"),
            _ => "main-st".to_owned(),
        };
        Arc::new(Client {
            id: SourceId::new("toy", database).unwrap(),
            practice: self.practice.clone(),
            plant,
            requests: Default::default(),
            memory: Default::default(),
        })
    }

    async fn put(&self, record: Record) -> Result<()> {
        self.practice.put(record, None, 0);
        Ok(())
    }

    async fn delete(&self, key: RecordKey) -> Result<()> {
        self.practice.delete(key);
        Ok(())
    }

    async fn fail_next(&self, fault: SourceFault) -> Supported {
        self.practice.tables().fault = Some(fault);
        Supported::Yes
    }

    async fn recover(&self) {
        let mut tables = self.practice.tables();
        tables.fault = None;
        tables.later = None;
    }

    async fn fail_after(&self, good: u64, fault: SourceFault) -> Supported {
        self.practice.tables().later = Some((good, fault));
        Supported::Yes
    }

    async fn put_unreadable(&self, record: Record, spoiled: &str) -> Supported {
        self.practice.put(record, Some(spoiled.to_owned()), 0);
        Supported::Yes
    }

    async fn put_late(&self, record: Record, by: Duration) -> Supported {
        self.practice.put(record, None, by.as_secs());
        Supported::Yes
    }

    fn advance(&self, by: Duration) {
        self.practice.tables().now += by.as_secs();
    }

    async fn turn_back(&self, by: Duration) -> Supported {
        self.practice.tables().now -= by.as_secs();
        Supported::Yes
    }

    fn wall_clock(&self) -> Option<chrono::NaiveDateTime> {
        let now = i64::try_from(self.practice.tables().now).ok()?;
        Some(chrono::DateTime::from_timestamp(now, 0)?.naive_utc())
    }

    fn kinds(&self) -> Vec<RecordKind> {
        RecordKind::ALL.to_vec()
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }
}

type Honest = Planted<0>;

odx_core::source_conformance!(honest, Honest);

async fn fails(check: impl Future<Output = ()>) -> bool {
    AssertUnwindSafe(check).catch_unwind().await.is_err()
}

macro_rules! plants {
    ($($plant:ident is named by $check:ident;)*) => {
        /// What is wrong with a source.
        #[allow(non_camel_case_types, reason = "each is the name of a test as well")]
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Plant {
            Nothing,
            $($plant,)*
        }

        const PLANTS: &[Plant] = &[Plant::Nothing, $(Plant::$plant,)*];

        mod planted {
            use super::*;

            $(
                #[tokio::test]
                async fn $plant() {
                    // Only this check: seventy sources times all of them take a minute to compile.
                    let check = conformance::source::$check::<Planted<{ Plant::$plant as usize }>>();
                    assert!(fails(check).await, "{} did not fail", stringify!($check));
                }
            )*
        }
    };
}

plants! {
    a_row_lost_at_a_tie is named by rows_with_one_stamp_across_a_page_border_are_all_shown;
    a_tie_lost_in_later_passes is named by rows_with_one_stamp_across_a_page_border_are_all_shown;
    a_strict_stamp is named by two_updates_in_one_second_are_both_read;
    no_look_back is named by a_row_that_becomes_visible_late_is_read;
    a_look_back_of_seconds is named by a_clock_that_falls_back_hides_no_change;
    an_empty_page_that_ends_the_list is named by a_change_far_down_the_list_is_read;
    offsets_in_a_list_by_key is named by rows_removed_while_paging_hide_nobody;
    offsets_in_a_list_without_marks is named by rows_removed_while_paging_hide_nobody;
    offsets_in_a_list_by_stamp is named by rows_touched_while_paging_hide_nobody;
    an_inserted_row_ends_the_list is named by rows_inserted_while_paging_hide_nobody;
    a_mark_taken_at_the_end is named by in_steps_equals_at_once;
    first_rows_missed is named by an_empty_practice_is_read_and_its_first_rows_too;
    updates_never_read is named by an_update_is_read;
    a_cleared_field_kept is named by an_update_is_read;

    a_page_skipped_on_resume is named by resuming_after_any_page_loses_nothing;
    a_cursor_kept_in_memory is named by the_same_cursor_twice_loses_nothing;
    a_restart_begins_again is named by cursor_survives_json_and_a_restart;
    starting_over_ignored is named by starting_over_shows_everything_again;
    a_foreign_cursor_accepted is named by a_foreign_cursor_expires;
    a_foreign_cursor_that_panics is named by a_foreign_cursor_expires;
    another_version_accepted is named by a_foreign_cursor_expires;
    a_forgotten_position_halts is named by a_forgotten_position_expires;
    a_dropped_call_that_moves is named by a_dropped_call_changes_nothing;
    caught_up_too_early is named by a_first_pass_without_a_cursor_shows_everything;
    caught_up_before_the_end is named by caught_up_means_that_everything_was_shown;
    a_pass_without_end is named by paging_ends;
    everything_listed_for_ever is named by a_quiet_practice_is_not_listed_for_ever;

    recalls_keyed_by_patient is named by keys_are_unique;
    patients_keyed_by_name is named by keys_are_unique;
    keys_that_change_with_an_update is named by keys_stay_the_same;
    due_a_day_early is named by what_is_written_is_what_is_read;
    a_long_name_cut_short is named by what_is_written_is_what_is_read;
    a_visit_cut_to_its_day is named by what_is_written_is_what_is_read;
    consent_turned_round is named by what_is_written_is_what_is_read;
    an_opt_out_of_one_channel is named by what_is_written_is_what_is_read;
    the_deceased_read_as_active is named by what_is_written_is_what_is_read;
    a_cache_shared_by_all is named by two_practices_do_not_mix;
    a_refresh_without_recalls is named by refresh_shows_one_patient_whole_and_nobody_else;
    a_refresh_of_the_household is named by refresh_shows_one_patient_whole_and_nobody_else;
    a_refresh_of_one_page is named by refresh_shows_one_patient_whole_and_nobody_else;
    a_refresh_that_keeps_what_it_has is named by a_refresh_that_fails_half_way_is_no_answer;
    a_refresh_without_bad_rows is named by a_refresh_says_when_the_patient_cannot_be_read;
    an_id_for_each_client is named by identity_and_capabilities_need_no_request;
    a_count_that_falls is named by requests_are_counted;
    a_count_that_stays is named by requests_are_counted;

    deletions_never_told is named by a_deletion_is_noticed_as_declared;
    deleted_recalls_never_told is named by a_deletion_is_noticed_as_declared;
    lifted_opt_outs_never_told is named by a_deletion_is_noticed_as_declared;
    deletions_of_one_page is named by a_deletion_is_noticed_as_declared;
    deletions_lost_at_a_tie is named by a_deletion_is_noticed_as_declared;
    no_listing_ever_ends is named by everything_is_listed_and_swept_on_demand;
    gone_for_the_inactive is named by gone_is_only_said_of_what_is_gone;
    what_was_gone_stays_gone is named by what_was_deleted_can_come_back;
    swept_over_changes is named by a_sweep_has_shown_everything_of_its_kind;
    swept_on_every_page is named by a_sweep_has_shown_everything_of_its_kind;
    the_extent_ignored is named by everything_is_listed_and_swept_on_demand;
    the_extent_heeded_under_way is named by the_extent_counts_where_a_pass_begins;
    a_failed_read_that_sweeps is named by a_failed_pass_never_sweeps;

    an_unreadable_row_ends_its_page is named by an_unreadable_row_hides_nobody;
    an_unreadable_row_fails_the_page is named by an_unreadable_row_hides_nobody;
    an_unreadable_row_dropped is named by an_unreadable_row_is_named_and_clears_itself;
    an_unreadable_row_called_gone is named by an_unreadable_row_is_named_and_clears_itself;
    an_unreadable_row_without_its_key is named by an_unreadable_row_is_named_and_clears_itself;
    a_reason_that_quotes_the_row is named by nothing_printed_names_a_patient;

    an_opt_out_with_a_yes is named by an_opt_out_says_nothing_but_no;
    an_opt_out_lifted_by_an_edit is named by news_of_a_patient_lifts_no_opt_out;
    an_opt_out_lifted_by_a_refresh is named by news_of_a_patient_lifts_no_opt_out;
    an_opt_out_emptied_by_a_refresh is named by news_of_a_patient_lifts_no_opt_out;
    a_reminder_without_its_mode is named by a_reminder_is_read_as_it_was_written;
    a_failed_list_of_reminders_swallowed is named by whichever_request_fails_no_reminder_is_lost;

    a_bad_key_retried is named by bad_credentials_halt;
    a_slow_down_without_its_wait is named by a_slow_down_carries_its_wait;
    a_slow_down_taken_for_an_outage is named by a_slow_down_carries_its_wait;
    a_cut_answer_taken_for_no_rows is named by a_cut_answer_is_retried_and_is_never_no_rows;
    a_cut_answer_given_up is named by a_cut_answer_is_retried_and_is_never_no_rows;
    an_outage_taken_for_no_rows is named by an_outage_is_retried;
    a_failed_refresh_taken_for_nothing is named by a_failed_refresh_is_never_an_empty_patient;
    an_outage_tried_again is named by only_the_engine_tries_again;
    a_probe_that_is_always_well is named by a_probe_says_when_the_practice_cannot_be_read;
    one_failed_request_swallowed is named by whichever_request_fails_nothing_is_lost;

    a_secret_in_debug is named by nothing_printed_shows_a_secret;
    a_secret_in_an_error is named by nothing_printed_shows_a_secret;
    a_secret_in_a_probe is named by nothing_printed_shows_a_secret;
    a_name_in_an_error is named by nothing_printed_names_a_patient;
    a_name_in_the_cursor is named by nothing_printed_names_a_patient;
    a_name_in_the_log is named by nothing_logged_names_a_patient_or_shows_a_secret;
}

#[tokio::test]
async fn a_skip_without_a_reason_is_a_failure() {
    struct Silent(Planted<0>);

    #[async_trait]
    impl SourceHarness for Silent {
        async fn start() -> Self {
            Self(Planted::start().await)
        }

        fn source(&self) -> Arc<dyn PracticeSource> {
            self.0.source()
        }

        async fn put(&self, record: Record) -> Result<()> {
            self.0.put(record).await
        }

        async fn delete(&self, key: RecordKey) -> Result<()> {
            self.0.delete(key).await
        }

        async fn fail_next(&self, _fault: SourceFault) -> Supported {
            Supported::No("")
        }
    }

    assert!(fails(conformance::source::bad_credentials_halt::<Silent>()).await);
    // What it leaves out has a reason.
    conformance::source::an_unreadable_row_hides_nobody::<Silent>().await;
}

#[test]
fn every_check_names_a_fault() {
    let source = include_str!("kit_source.rs");
    let without: Vec<_> = checks::<Honest>()
        .into_iter()
        .map(|check| check.name)
        .filter(|name| !source.contains(&format!("is named by {name};")))
        .collect();
    assert!(without.is_empty(), "nothing proves {without:?}");
}
