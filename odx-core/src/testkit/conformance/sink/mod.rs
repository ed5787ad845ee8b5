//! Checks of a [`CrmSink`], by
//! [`sink_conformance!`](crate::sink_conformance).

#![allow(
    clippy::panic,
    reason = "a check fails where it stands, with a sentence"
)]

mod again;
mod answers;
mod content;
mod desk;
mod faults;
mod quiet;
mod stops;
mod stored;
mod writes;

use std::sync::Arc;

use async_trait::async_trait;

use super::{Check, Supported, names, table};
use crate::crm::{Contact, Entity};
use crate::id::ExternalId;
use crate::sink::{CrmSink, Suppression};
use crate::testkit::SinkFault;

pub use again::{
    a_lost_answer_and_the_next_change_are_one_object, a_probe_says_when_the_crm_cannot_be_reached,
    only_the_engine_tries_again,
};
pub use answers::{
    a_batch_of_exactly_the_limit_works, a_batch_over_the_limit_drops_nothing,
    an_empty_batch_is_fine, calls_at_once_do_not_disturb_each_other, one_bad_op_spares_the_batch,
    one_op_not_now_spares_the_batch, outcomes_line_up_with_ops,
};
pub use content::{
    a_remote_id_stays_with_its_record, content_arrives_as_given, foreign_objects_stay_as_they_are,
    odd_content_survives, two_people_with_one_address_stay_two,
};
pub use faults::{
    a_garbage_answer_is_no_acknowledgement, a_half_answered_batch_is_not_whole,
    a_lost_answer_and_a_repeat_are_one_object, a_reset_before_the_write_is_no_acknowledgement,
    a_server_error_after_the_write_and_a_repeat_are_one_object, a_server_error_means_later,
    a_slow_down_carries_its_wait, an_answer_cut_in_half_is_no_acknowledgement,
    an_unreachable_crm_means_later, bad_credentials_halt,
};
pub use quiet::{
    no_name_is_shown, no_secret_is_shown, requests_are_counted,
    the_account_is_stable_and_names_no_secret,
};
pub use stops::{
    a_failed_read_is_no_empty_list, a_foreign_cursor_starts_over, a_new_stop_is_read_next_time,
    a_stop_outlives_an_upsert, an_unreadable_stop_is_counted, every_kind_of_stop_is_read,
    stops_are_read_to_the_last_page,
};
pub use stored::Stored;
pub use writes::{
    a_dropped_call_and_its_repeat_are_one_object, a_missing_contact_is_reported,
    a_retire_closes_and_deletes_nothing, a_retire_creates_nothing,
    a_retire_of_a_deleted_object_settles, an_object_deleted_behind_our_back_comes_back,
    an_update_replaces, same_op_twice_is_one_object, the_idempotency_key_follows_the_change,
    the_newest_state_stays,
};

/// A CRM of one test, and a client of it.
///
/// Only the first three methods are required. Each of the others makes checks
/// possible that say `not checked` without it.
#[async_trait]
pub trait SinkHarness: Sized + Send + Sync + 'static {
    /// An empty CRM and nothing that goes wrong. Each check starts its own.
    async fn start() -> Self;

    /// A client of it. May be called again: another client of the same account.
    fn sink(&self) -> Arc<dyn CrmSink>;

    /// Everything the account holds, read past the sink: open or closed, ours
    /// or not, and duplicates one by one.
    async fn objects(&self) -> Vec<Stored>;

    /// Whether a check makes sense here at all. For what the CRM cannot do by
    /// its nature; the reason is printed.
    fn applies(&self, check: &'static str) -> Supported {
        let _ = check;
        Supported::Yes
    }

    /// The fields that the CRM keeps of this kind of record, as
    /// [`Stored::fields`] names them. None: all.
    fn keeps(&self, entity: Entity) -> Option<&'static [&'static str]> {
        let _ = entity;
        None
    }

    /// The next request fails so, once. Where a failure can look in more than one
    /// way, let it take turns; where the CRM quotes what it complains about, let
    /// this one quote it too.
    async fn fail_next(&self, fault: SinkFault) -> Supported {
        let _ = fault;
        Supported::No("implement `fail_next` to check what becomes of failures")
    }

    /// Nothing fails any more: what was still to come is forgotten.
    async fn recover(&self) {}

    /// From now on this record is refused for good, as content that the CRM
    /// will not take.
    async fn refuse(&self, id: &ExternalId) -> Supported {
        let _ = id;
        Supported::No("implement `refuse` to check that one bad op spares the others")
    }

    /// The next write of this record is answered "not now", the others are taken.
    async fn postpone(&self, id: &ExternalId) -> Supported {
        let _ = id;
        Supported::No("implement `postpone` to check that one op not now spares the others")
    }

    /// Somebody deletes this object in the CRM, for good.
    async fn forget(&self, id: &ExternalId) -> Supported {
        let _ = id;
        Supported::No("implement `forget` to check what becomes of deleted objects")
    }

    /// Somebody records this stop in the CRM. Pages should be short: a handful.
    async fn stop(&self, stop: &Suppression) -> Supported {
        let _ = stop;
        Supported::No("implement `stop` to check that opt-outs are read")
    }

    /// The CRM's list of stops gets an entry that cannot be read.
    async fn stop_unreadably(&self) -> Supported {
        Supported::No("implement `stop_unreadably` to check that such entries are counted")
    }

    /// Somebody enters a person by hand, with the names and addresses of this
    /// one and no external id.
    async fn put_foreign(&self, like: &Contact) -> Supported {
        let _ = like;
        Supported::No("implement `put_foreign` to check that only our own objects are touched")
    }

    /// Every key, token and password that the client was given.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// The idempotency keys that the CRM saw, with their records, in order. None
    /// where it cannot tell.
    async fn keys(&self) -> Option<Vec<(ExternalId, String)>> {
        None
    }

    /// Requests that the CRM saw, whatever became of them. None where it cannot
    /// tell.
    async fn requests(&self) -> Option<u64> {
        None
    }
}

crate::__sink_checks!([names];);

/// Every check, for those who run them without the macro.
pub fn checks<H: SinkHarness>() -> Vec<Check> {
    crate::__sink_checks!([table]; H)
}

/// Proves a sink: one test per check, in a module `conformance` or the one that
/// is named.
///
/// ```text
/// odx_core::sink_conformance!(MyHarness);
/// odx_core::sink_conformance!(in_batches, MyOtherHarness);
/// ```
///
/// The crate needs `tokio` with `macros` and `rt`.
#[macro_export]
macro_rules! sink_conformance {
    ($module:ident, $harness:ty) => {
        $crate::__sink_checks!([$crate::__conformance_tests]; sink, $module, $harness);
    };
    ($harness:ty) => {
        $crate::sink_conformance!(conformance, $harness);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __sink_checks {
    ([$($then:tt)*]; $($with:tt)*) => {
        $($then)* ! {
            $($with)*;
            same_op_twice_is_one_object
            an_update_replaces
            the_newest_state_stays
            a_retire_closes_and_deletes_nothing
            a_retire_creates_nothing
            an_object_deleted_behind_our_back_comes_back
            a_retire_of_a_deleted_object_settles
            a_missing_contact_is_reported
            a_dropped_call_and_its_repeat_are_one_object
            the_idempotency_key_follows_the_change
            content_arrives_as_given
            odd_content_survives
            two_people_with_one_address_stay_two
            a_remote_id_stays_with_its_record
            foreign_objects_stay_as_they_are
            outcomes_line_up_with_ops
            one_bad_op_spares_the_batch
            one_op_not_now_spares_the_batch
            a_batch_of_exactly_the_limit_works
            a_batch_over_the_limit_drops_nothing
            an_empty_batch_is_fine
            calls_at_once_do_not_disturb_each_other
            an_unreachable_crm_means_later
            a_reset_before_the_write_is_no_acknowledgement
            a_server_error_means_later
            a_lost_answer_and_a_repeat_are_one_object
            a_server_error_after_the_write_and_a_repeat_are_one_object
            a_lost_answer_and_the_next_change_are_one_object
            only_the_engine_tries_again
            an_answer_cut_in_half_is_no_acknowledgement
            a_garbage_answer_is_no_acknowledgement
            a_half_answered_batch_is_not_whole
            a_slow_down_carries_its_wait
            bad_credentials_halt
            a_probe_says_when_the_crm_cannot_be_reached
            every_kind_of_stop_is_read
            stops_are_read_to_the_last_page
            a_new_stop_is_read_next_time
            an_unreadable_stop_is_counted
            a_foreign_cursor_starts_over
            a_failed_read_is_no_empty_list
            a_stop_outlives_an_upsert
            no_name_is_shown
            no_secret_is_shown
            requests_are_counted
            the_account_is_stable_and_names_no_secret
        }
    };
}
