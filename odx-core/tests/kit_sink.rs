//! The sink kit: an honest sink passes every check, and each planted fault is
//! named by the check that is there for it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

#[path = "kit_sink/client.rs"]
mod client;
#[path = "kit_sink/crm.rs"]
mod crm;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use odx_core::crm::Contact;
use odx_core::sink::{CrmSink, Suppression};
use odx_core::testkit::conformance::Supported;
use odx_core::testkit::conformance::sink::{SinkHarness, Stored, checks};
use odx_core::testkit::{MemorySink, SinkFault};
use odx_core::{ExternalId, SinkId};

use client::Client;
use crm::{Crm, Entry, TOKEN};

/// The client with a fault planted in it: the number of the fault.
struct Planted<const PLANT: usize> {
    crm: Arc<Crm>,
}

#[async_trait]
impl<const PLANT: usize> SinkHarness for Planted<PLANT> {
    async fn start() -> Self {
        Self {
            crm: Arc::default(),
        }
    }
    fn sink(&self) -> Arc<dyn CrmSink> {
        Arc::new(Client::new(Arc::clone(&self.crm), Plant::ALL[PLANT].0))
    }
    async fn objects(&self) -> Vec<Stored> {
        self.crm.objects()
    }
    async fn fail_next(&self, fault: SinkFault) -> Supported {
        self.crm.fail(fault);
        Supported::Yes
    }
    async fn recover(&self) {
        self.crm.recover();
    }
    async fn refuse(&self, id: &ExternalId) -> Supported {
        self.crm.refuse(id);
        Supported::Yes
    }
    async fn postpone(&self, id: &ExternalId) -> Supported {
        self.crm.postpone(id);
        Supported::Yes
    }
    async fn forget(&self, id: &ExternalId) -> Supported {
        self.crm.forget(id);
        Supported::Yes
    }
    async fn stop(&self, stop: &Suppression) -> Supported {
        self.crm.stop(Entry::Stop(stop.clone()));
        Supported::Yes
    }
    async fn stop_unreadably(&self) -> Supported {
        self.crm.stop(Entry::Nonsense);
        Supported::Yes
    }
    async fn put_foreign(&self, like: &Contact) -> Supported {
        self.crm.put_foreign(like);
        Supported::Yes
    }
    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }
    async fn keys(&self) -> Option<Vec<(ExternalId, String)>> {
        Some(self.crm.keys())
    }
    async fn requests(&self) -> Option<u64> {
        Some(self.crm.requests())
    }
}

/// Faults, each with the check that must name it.
macro_rules! plants {
    ($($plant:ident => $check:ident)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Plant { None, $($plant),* }

        impl Plant {
            const ALL: &[(Self, &'static str)] =
                &[(Self::None, ""), $((Self::$plant, stringify!($check))),*];
        }

        mod planted {
            $(
                #[tokio::test]
                #[allow(non_snake_case, reason = "the name of the fault")]
                #[allow(clippy::as_conversions, reason = "the place of a fault in the list")]
                async fn $plant() {
                    super::assert_names::<{ super::Plant::$plant as usize }>().await;
                }
            )*
        }
    };
}

plants! {
    Appends => same_op_twice_is_one_object
    UpdateIgnored => an_update_replaces
    UpdateMerges => an_update_replaces
    KnownIsPatched => an_update_replaces
    RemembersEverything => the_newest_state_stays
    RetireDeletes => a_retire_closes_and_deletes_nothing
    RetireIgnored => a_retire_closes_and_deletes_nothing
    RetireCreates => a_retire_creates_nothing
    RetireOfNothingFails => a_retire_of_a_deleted_object_settles
    RemembersTheLast => an_object_deleted_behind_our_back_comes_back
    UpdatesTheDeleted => an_object_deleted_behind_our_back_comes_back
    OrphanLost => a_missing_contact_is_reported
    OrphanUnexplained => a_missing_contact_is_reported
    ForgetsWhatWasDropped => a_dropped_call_and_its_repeat_are_one_object
    KeyOfRecord => the_idempotency_key_follows_the_change
    KeyOfAttempt => the_idempotency_key_follows_the_change
    KeyOfContentAlone => the_idempotency_key_follows_the_change
    NamesSwapped => content_arrives_as_given
    TagLost => content_arrives_as_given
    DueADayEarly => content_arrives_as_given
    AlwaysOpen => content_arrives_as_given
    MoreThanMapped => content_arrives_as_given
    ConsentWidened => content_arrives_as_given
    NullIsNone => odd_content_survives
    OddCharactersLost => odd_content_survives
    OddFirstNamesLost => odd_content_survives
    OddTitlesLost => odd_content_survives
    MatchesByPhone => two_people_with_one_address_stay_two
    AdoptsByMail => foreign_objects_stay_as_they_are
    RemoteIdsSwapped => a_remote_id_stays_with_its_record
    Reversed => outcomes_line_up_with_ops
    Shifted => outcomes_line_up_with_ops
    ContactsAnsweredFirst => outcomes_line_up_with_ops
    OneMissing => outcomes_line_up_with_ops
    AllForOne => one_bad_op_spares_the_batch
    AllWaitForOne => one_op_not_now_spares_the_batch
    TakesOneLess => a_batch_of_exactly_the_limit_works
    OverLimitDropped => a_batch_over_the_limit_drops_nothing
    NothingIsAnError => an_empty_batch_is_fine
    OneScratchForAllCalls => calls_at_once_do_not_disturb_each_other
    UnreachedIsRefused => an_unreachable_crm_means_later
    ResetIsApplied => a_reset_before_the_write_is_no_acknowledgement
    ServerErrorIsRefused => a_server_error_means_later
    RepeatCreates => a_lost_answer_and_a_repeat_are_one_object
    LostIsAppliedInPart => a_lost_answer_and_a_repeat_are_one_object
    ChangeCreates => a_lost_answer_and_the_next_change_are_one_object
    TriesAgain => only_the_engine_tries_again
    ErrorAfterWriteHalts => a_server_error_after_the_write_and_a_repeat_are_one_object
    CutIsApplied => an_answer_cut_in_half_is_no_acknowledgement
    GarbageIsApplied => a_garbage_answer_is_no_acknowledgement
    HalfIsWhole => a_half_answered_batch_is_not_whole
    WaitForgotten => a_slow_down_carries_its_wait
    TokenMeansLater => bad_credentials_halt
    TokenRefusesRecords => bad_credentials_halt
    ProbeIsAlwaysWell => a_probe_says_when_the_crm_cannot_be_reached
    StopsNotRead => every_kind_of_stop_is_read
    OnlyNumbersStop => every_kind_of_stop_is_read
    StopNarrowed => every_kind_of_stop_is_read
    FirstPageOnly => stops_are_read_to_the_last_page
    CursorRunsAhead => a_new_stop_is_read_next_time
    UnreadableDropped => an_unreadable_stop_is_counted
    ForeignCursorIsTheEnd => a_foreign_cursor_starts_over
    FailedReadIsEmpty => a_failed_read_is_no_empty_list
    StopLifted => a_stop_outlives_an_upsert
    NameInDebug => no_name_is_shown
    NameInReason => no_name_is_shown
    NameInCause => no_name_is_shown
    NameInTrace => no_name_is_shown
    ReasonQuoted => no_name_is_shown
    SecretInDebug => no_secret_is_shown
    SecretInTrace => no_secret_is_shown
    CountsNoRequests => requests_are_counted
    AccountNamesToken => the_account_is_stable_and_names_no_secret
    AccountDrifts => the_account_is_stable_and_names_no_secret
}

async fn assert_names<const PLANT: usize>() {
    let (plant, name) = Plant::ALL[PLANT];
    let checks = checks::<Planted<PLANT>>();
    let check = checks.iter().find(|check| check.name == name).unwrap();
    // In a task of its own: its panic is what is asked for.
    let end = tokio::spawn((check.run)()).await;
    assert!(
        end.is_err_and(|end| end.is_panic()),
        "{plant:?} is to be named by {name}"
    );
}

#[test]
fn every_check_has_a_fault_that_it_names() {
    let named: Vec<_> = Plant::ALL.iter().map(|(_, check)| *check).collect();
    for check in checks::<Planted<0>>() {
        assert!(named.contains(&check.name), "nothing proves {}", check.name);
    }
}

odx_core::sink_conformance!(honest, Planted<0>);

/// The CRM of the testkit, whose requests are calls.
struct InMemory {
    sink: Arc<MemorySink>,
    stops: Mutex<Vec<Suppression>>,
}

#[async_trait]
impl SinkHarness for InMemory {
    async fn start() -> Self {
        let id = SinkId::new("mem", "main-st").unwrap();
        Self {
            sink: Arc::new(MemorySink::new(id, NonZeroUsize::new(7).unwrap())),
            stops: Mutex::default(),
        }
    }
    fn sink(&self) -> Arc<dyn CrmSink> {
        Arc::clone(&self.sink) as Arc<dyn CrmSink>
    }
    fn applies(&self, check: &'static str) -> Supported {
        match check {
            "a_probe_says_when_the_crm_cannot_be_reached" => {
                Supported::No("its probe makes no request")
            }
            _ => Supported::Yes,
        }
    }
    async fn objects(&self) -> Vec<Stored> {
        let contacts = self.sink.contacts();
        let tasks = self.sink.tasks();
        contacts
            .values()
            .map(Stored::contact)
            .chain(tasks.values().map(Stored::task))
            .collect()
    }
    async fn fail_next(&self, fault: SinkFault) -> Supported {
        self.sink.fail([fault]);
        Supported::Yes
    }
    async fn recover(&self) {
        self.sink.recover();
    }
    async fn refuse(&self, id: &ExternalId) -> Supported {
        self.sink.refuse(id, true);
        Supported::Yes
    }
    async fn postpone(&self, id: &ExternalId) -> Supported {
        self.sink.postpone(id);
        Supported::Yes
    }
    async fn forget(&self, id: &ExternalId) -> Supported {
        self.sink.forget(id);
        Supported::Yes
    }
    async fn stop(&self, stop: &Suppression) -> Supported {
        let mut stops = self.stops.lock().unwrap();
        stops.push(Suppression {
            reason: "stop".to_owned(),
            ..stop.clone()
        });
        self.sink.set_stops(stops.clone());
        Supported::Yes
    }
    async fn stop_unreadably(&self) -> Supported {
        Supported::No("its list is made of stops, not of text")
    }
    async fn put_foreign(&self, _like: &Contact) -> Supported {
        Supported::No("it holds what it was sent and nothing else")
    }
    async fn keys(&self) -> Option<Vec<(ExternalId, String)>> {
        Some(self.sink.keys())
    }
}

odx_core::sink_conformance!(in_memory, InMemory);
