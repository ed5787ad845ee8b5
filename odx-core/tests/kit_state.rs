//! The state kit: an honest store passes every check, and each planted fault is
//! named by the check that is there for it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

#[path = "kit_state/store.rs"]
mod store;

use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use odx_core::model::Record;
use odx_core::sink::Account;
use odx_core::source::{Change, Cursor, Page, Position};
use odx_core::store::{Brake, Opening, PageCommit, StateStore};
use odx_core::testkit::conformance::Supported;
use odx_core::testkit::conformance::state::{StateHarness, checks};
use odx_core::testkit::patient;
use odx_core::{Error, ErrorKind, IdScheme, Result, SinkId, SourceId};

use store::{Faulty, Place};

/// A place whose store has a fault planted in it: the number of the fault.
struct Planted<const PLANT: usize> {
    place: Arc<Place>,
    open: Mutex<Weak<Faulty>>,
}

#[async_trait]
impl<const PLANT: usize> StateHarness for Planted<PLANT> {
    async fn start() -> Self {
        Self {
            place: Arc::default(),
            open: Mutex::default(),
        }
    }

    async fn open(&self) -> Result<Arc<dyn StateStore>> {
        let (plant, _) = Plant::ALL[PLANT];
        let (newer, older) = {
            let notes = self.place.notes.lock().unwrap();
            (notes.newer, notes.older)
        };
        if newer && plant == Plant::NewerUnexplained {
            return Err(Error::new(ErrorKind::State, "wrong version: 999"));
        }
        if newer && plant != Plant::NewerAccepted {
            return Err(Error::new(
                ErrorKind::State,
                "a newer odx wrote this: run that version, or name another place",
            ));
        }
        let beside = self.open.lock().unwrap().upgrade().is_some();
        let apart = (beside && plant == Plant::EachItsOwn) || (older && plant == Plant::OlderLost);
        let place = match apart {
            true => Arc::default(),
            false => Arc::clone(&self.place),
        };
        let store = Arc::new(Faulty::new(place, plant));
        *self.open.lock().unwrap() = Arc::downgrade(&store);
        Ok(store)
    }

    async fn break_commits(&self) -> Supported {
        self.place.notes.lock().unwrap().broken = true;
        Supported::Yes
    }

    async fn mend(&self) {
        self.place.notes.lock().unwrap().broken = false;
    }

    async fn edit_disclosure(&self, number: u64) -> Supported {
        self.place.notes.lock().unwrap().tampered = Some(number);
        Supported::Yes
    }

    async fn delete_disclosure(&self, number: u64) -> Supported {
        self.edit_disclosure(number).await
    }

    async fn make_newer(&self) -> Supported {
        self.place.notes.lock().unwrap().newer = true;
        Supported::Yes
    }

    async fn make_older(&self) -> Supported {
        self.place.notes.lock().unwrap().older = true;
        let source = SourceId::new("t", "main").unwrap();
        let account = Account {
            name: "main".to_owned(),
            scheme: IdScheme::Scoped,
        };
        let opening = Opening {
            source: source.clone(),
            sinks: vec![(SinkId::new("mem", "main").unwrap(), account)],
        };
        let store = &self.place.inner;
        let epoch = store.open_run(&opening).await.unwrap().epoch;
        let commit = PageCommit {
            source,
            epoch,
            from: None,
            page: Page {
                changes: vec![Change::Upsert(Record::Patient(patient("1")))],
                swept: Vec::new(),
                position: Position::CaughtUp(Cursor::new("old")),
            },
            today: DateTime::<Utc>::UNIX_EPOCH.date_naive(),
            now: DateTime::<Utc>::UNIX_EPOCH,
            brake: Brake::default(),
            delivered: Vec::new(),
        };
        store.commit_page(commit).await.unwrap();
        Supported::Yes
    }
}

/// Faults, each with the check that must name it.
macro_rules! plants {
    ($($plant:ident => $($check:ident),+;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Plant { None, $($plant),* }

        impl Plant {
            const ALL: &[(Self, &[&str])] =
                &[(Self::None, &[]), $((Self::$plant, &[$(stringify!($check)),+])),*];
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
    EverythingIsNews => an_unchanged_record_makes_no_work;
    AckHidesTheNewer => a_change_raises_the_household_and_an_ack_of_the_past_does_not_hide_it;
    EarlyRecallDropped => what_hangs_from_a_patient_may_come_before_the_patient;
    EmptyHouseholdsSkipped => a_move_between_households_raises_both;
    UnreadableDropped => an_unreadable_row_is_listed_is_not_missing_and_clears_itself;
    CursorUnchecked => a_refused_page_leaves_nothing, of_two_commits_from_one_cursor_one_wins;
    RefusedPageStays => a_refused_page_leaves_nothing;
    CursorBeforeRecords => a_commit_that_fails_midway_leaves_nothing;
    AcksHalfStored => a_commit_that_fails_midway_leaves_nothing;
    NoRestart => a_restarted_feed_keeps_its_records;
    GoneAtOnce => absence_from_one_listing_proves_nothing_from_two_it_does;
    RepeatsNotNoted => a_listing_over_several_pages_counts_as_one,
        a_sighting_between_two_listings_starts_the_count_again;
    NoBrake => more_than_the_brake_lets_go_stays;
    SeenNotNoted => a_record_that_is_only_seen_is_not_missing;
    WholeNotHeeded => what_a_patients_own_list_lacks_is_missed_or_where_that_was_told_gone;
    EpochsShared => every_run_has_an_epoch_of_its_own;
    EpochUnchecked => a_stale_epoch_commits_nothing;
    EpochUncheckedForRestart => a_stale_epoch_commits_nothing;
    EpochUncheckedForDeparture => a_stale_epoch_commits_nothing;
    EpochUncheckedForAcks => a_stale_epoch_commits_nothing;
    AnyPairing => a_wrong_pairing_is_refused;
    LateSinkHearsNothing => a_sink_that_is_added_later_hears_everything;
    SourcesMixed => offices_with_the_same_keys_never_mix, deliveries_of_two_offices_never_mix;
    SinksMixed => two_sinks_of_one_source_are_told_apart;
    AgainForgotten => a_household_is_due_on_its_again_day_and_not_before;
    DueADayEarly => a_household_is_due_on_its_again_day_and_not_before;
    ParkedTimeIgnored => a_parked_op_brings_its_household_back_when_its_time_has_come;
    TriedForgotten => a_household_that_departed_is_due_until_it_is_reconciled;
    WalkOutOfOrder => a_walk_with_after_sees_every_household_once;
    LimitIgnored => a_limit_is_kept_and_nobody_is_left_out;
    AckReconciles => an_acknowledgement_does_not_reconcile;
    LedgerGrows => the_same_acknowledgement_twice_is_one;
    StandingOutOfOrder => the_same_acknowledgement_twice_is_one;
    ParkedUnlimited => what_is_set_aside_is_listed_until_it_is_cleared;
    ClearedStays => what_is_set_aside_is_listed_until_it_is_cleared;
    StopsLifted => a_stop_reaches_everyone_with_the_address_and_is_never_lifted;
    EarlyOptOutDropped => an_opt_out_may_come_before_its_patient_and_denies_from_then_on;
    OptOutEndedByNews => an_opt_out_may_come_before_its_patient_and_denies_from_then_on;
    OptOutAYesCanBeat => an_opt_out_may_come_before_its_patient_and_denies_from_then_on;
    OptOutStaysWhenGone => an_opt_out_counts_until_it_is_gone;
    OptOutsUncounted => an_opt_out_counts_until_it_is_gone;
    OptOutsSweptWithPatients => an_opt_out_ends_when_two_listings_do_not_show_it;
    OptOutsNeverSwept => an_opt_out_ends_when_two_listings_do_not_show_it;
    UnreadOptOutStillReadAsBefore => an_opt_out_that_cannot_be_read_denies_everything;
    UnreadOptOutClearedByOneListing => an_opt_out_that_cannot_be_read_denies_everything;
    OptOutsLost => reopening_remembers_opt_outs;
    EarlyReminderDropped => a_reminder_counts_from_when_it_is_known;
    RemindersKeptForEver => a_reminder_that_has_had_its_time_leaves_no_trace;
    ClaimedByAll => an_effect_has_one_claim_at_a_time;
    EndsForgotten => what_has_ended_is_never_claimed_again;
    SecondEndTaken => what_has_ended_is_never_claimed_again;
    AttemptUnchecked => an_older_attempt_settles_nothing;
    OutletEpochUnchecked => a_stale_outlet_claims_and_settles_nothing;
    OutletsMixed => effects_of_two_outlets_never_mix, what_two_outlets_told_never_mixes;
    DoneIsListed => open_effects_are_listed_until_they_are_done;
    OpenEffectsUnlimited => open_effects_are_listed_until_they_are_done;
    EffectsLost => reopening_remembers_effects;
    CursorLost => reopening_remembers_the_mirror;
    ParkedLost => reopening_remembers_what_was_sent;
    TriedLost => reopening_remembers_what_was_sent;
    LedgerLost => reopening_remembers_what_was_sent;
    LastSeenLost => reopening_remembers_when_the_source_was_last_heard_of;
    AnyPageIsASuccess => reopening_remembers_when_the_source_was_last_heard_of;
    RepeatsAreNews => reopening_remembers_when_the_source_was_last_heard_of;
    StopsLost => reopening_remembers_stops;
    NewerAccepted => a_newer_schema_is_refused_with_a_remedy;
    NewerUnexplained => a_newer_schema_is_refused_with_a_remedy;
    OlderLost => an_older_schema_is_migrated;
    EachItsOwn => two_processes_do_not_disturb_each_other;
    DeliveryStays => a_delivery_waits_for_the_page_that_says_it;
    RefusedPageTakesDelivery => a_delivery_waits_for_the_page_that_says_it;
    RepeatsDelivered => a_delivery_that_comes_again_is_known_for_days,
        deliveries_that_come_at_once_are_each_stored_once;
    DeliveriesOutOfOrder => deliveries_come_out_as_they_came_in;
    InboxUnlimited => deliveries_come_out_as_they_came_in;
    DeliveriesLost => reopening_remembers_deliveries;
    NobodyWoken => whoever_waits_for_a_delivery_is_woken_by_theirs;
    WokenByAnybody => whoever_waits_for_a_delivery_is_woken_by_theirs;
    ReceivedUnstored => a_delivery_that_is_not_stored_is_not_acknowledged;
    ToldLikeRead => what_was_told_is_never_undone_by_what_is_older;
    ToldIsARead => what_was_told_is_no_sign_that_the_source_can_be_read;
    ClaimsUncounted => what_was_claimed_counts_as_told_until_it_is_known_not_to_be;
    WaitingIsTold => a_refused_or_waiting_effect_is_not_told;
    AddressNotKept => history_finds_by_subject_person_address_and_household;
    SegmentsForgotten => an_occurrence_comes_back_as_it_was;
    OnlyTheFirstOccurrence => an_attempt_that_may_have_told_of_more_keeps_it_told;
    BegunAnew => it_began_when_it_was_claimed_first;
    ToldBackwards => what_was_told_since_a_time_is_given_in_order;
    AnyStatusIsNews => a_message_status_never_goes_back;
    ToldLost => reopening_remembers_what_was_told;
    StopRaisesItsOwnOnly => a_stop_recorded_at_one_crm_raises_the_household_at_every_other;
    StoppedSinceTheLastTime => a_stop_is_known_since_it_was_said;
    GatewayIsACrm => a_stop_of_a_gateway_blocks_and_is_no_crm_dnd;
    StartLiftsEveryGateway => a_keyword_stop_is_lifted_by_start_at_the_same_sender_only;
    StartLiftsAnything => a_keyword_does_not_take_back_what_else_was_said;
    CrmStopsLifted => a_crms_stop_is_never_lifted_by_a_person_here;
    LiftedForEver => a_stop_that_was_lifted_and_said_again_holds_again;
    LiftRaisesNobody => a_lift_raises_whom_it_concerns_and_nobody_else;
    AnyGateway => a_gateway_of_another_source_is_refused, a_gateway_is_no_crm_and_a_crm_no_gateway;
    ChannelsMixed =>
        a_decision_takes_the_place_of_the_last_about_the_same_occurrence_and_channel;
    DecisionEpochUnchecked => decisions_need_the_latest_epoch;
    DecisionsOldestFirst => decisions_are_found_by_patient_and_by_recipient_newest_first;
    LooksAlways => another_fingerprint_looks_at_everybody_once;
    OnlyDueHouseholds => households_are_given_whether_due_or_not;
    HouseholdByPatient => a_patients_household_is_found;
    UnmappedToldAlways => an_unmapped_status_is_told_once_and_again_after_a_week;
    StatusesUncounted => statuses_are_counted_from_living_records;
    ReplayForgets => a_refused_op_that_is_replayed_is_due_again_and_payload_free;
    ReplaysEverything => a_replay_takes_only_what_was_asked_for;
    AsideSinceMoves => what_is_set_aside_keeps_its_since_until_it_is_cleared;
    UnreadableSinceForgotten => unreadable_rows_are_listed_with_since_when;
    ProgressIsReturns => progress_counts_households_once;
    KeptLost => what_is_kept_by_name_survives_a_reopen;
    OfficeForgotten => an_office_stands_as_it_was_left;
    OfficeIsKeptByName => an_office_stands_as_it_was_left;
    OneToken => tokens_are_stable_and_differ;
    RunsOldestFirst => runs_are_given_newest_first;
    OfficesShown => nothing_of_an_office_is_shown_to_another;
    OnlyTakenIsDisclosed => disclosures_are_one_row_per_answer_and_chain;
    TamperingUnnoticed => an_edited_or_deleted_disclosure_is_found;
    MessagesUndisclosed => a_message_is_disclosed_once_when_it_has_ended;
    StaleIsDisclosed => what_is_refused_leaves_no_disclosure;
    DisclosuresLost => reopening_remembers_disclosures;
    AddressInDebug => nothing_of_a_message_is_shown;
    NameInDebug => nothing_of_a_patient_is_shown;
    NameInError => nothing_of_a_patient_is_shown;
}

async fn assert_names<const PLANT: usize>() {
    let (plant, names) = Plant::ALL[PLANT];
    for check in checks::<Planted<PLANT>>() {
        if names.contains(&check.name) {
            // In a task of its own: its panic is what is asked for.
            let end = tokio::spawn((check.run)()).await;
            assert!(
                end.is_err_and(|end| end.is_panic()),
                "{plant:?} is to be named by {}",
                check.name
            );
        }
    }
}

#[test]
fn every_check_has_a_fault_that_it_names() {
    let named: Vec<_> = Plant::ALL.iter().flat_map(|(_, names)| *names).collect();
    for check in checks::<Planted<0>>() {
        assert!(
            named.contains(&&check.name),
            "nothing proves {}",
            check.name
        );
    }
}

odx_core::state_conformance!(honest, Planted<0>);
