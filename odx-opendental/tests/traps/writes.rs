//! What is written, and what the office makes of it.

use std::sync::Arc;
use std::time::Duration;

use odx_core::effect::{ActError, Effects, Outcome};
use odx_core::store::MemoryStore;
use odx_core::writer::{CommDirection, CommMode, WriteBack, tell};
use odx_core::{ErrorKind, IdempotencyKey, OutletId, SourceId};
use odx_opendental::WriteBackSettings;
use odx_opendental::sim::{Fault, Practice, RequestLog};

use super::life::{
    BOX, FIELD, Life, all_writes, by_lists, comm_log, confirmation, field, recall_status, refused,
    whole_life,
};

#[tokio::test]
async fn trap_16_a_success_without_a_body_is_a_success() {
    // Before 23.3.7 and 25.3 even these answer with nothing.
    for version in ["23.3.6", "25.2.21", "25.3.1"] {
        let writes = all_writes().with_recall_status_as_reminder();
        let life = Life::with(by_lists().with_version(version), writes, |same| same).await;
        for what in life.news() {
            // Before 24.1.44 nobody can ask what a recall's type is called.
            if version == "23.3.6" && matches!(what, WriteBack::RecallStatus(_)) {
                continue;
            }
            life.write(&what).await.unwrap();
            assert!(life.find(&what).await.is_some(), "{version}: {what:?}");
        }
    }
}

#[tokio::test]
async fn trap_20_what_counts_as_a_reminder_is_written_only_where_it_was_asked_for() {
    let reminders = |life: &Life, patient| {
        let kind = life.definition(27, "RECALL", 0);
        let logs = life.practice.commlogs_of(patient);
        logs.iter().filter(|row| row.comm_type == kind).count()
    };
    let quiet = WriteBackSettings::new()
        .with_comm_logs()
        .with_recall_status();
    let life = Life::with(by_lists(), quiet, |same| same).await;
    let (patient, recall, _) = life.somebody();
    let before = reminders(&life, patient);
    let status = life.practice.recall(recall).unwrap().recall_status;
    let status = recall_status(patient, recall, life.definition(13, "", status));
    life.write(&status).await.unwrap();
    let log = |kind: &str| comm_log(patient, kind, CommMode::Text, CommDirection::Sent);
    life.write(&log("MISC")).await.unwrap();
    refused(life.write(&log("RECALL")).await);
    let by_key = life.definition(27, "RECALL", 0).to_string();
    refused(life.write(&log(&by_key)).await);
    assert_eq!(reminders(&life, patient), before);
    // By the vendor's own way it is one, whatever its text.
    let loud = WriteBackSettings::new().with_recall_status_as_reminder();
    let life = Life::with(by_lists(), loud, |same| same).await;
    life.write(&status).await.unwrap();
    assert_eq!(reminders(&life, patient), before + 1);
}

#[tokio::test]
async fn trap_22_a_confirmation_needs_no_mapped_word() {
    for builder in [by_lists(), by_lists().without_confirm_statuses()] {
        let life = Life::of(builder).await;
        let (_, _, visit) = life.somebody();
        let before = life.practice.appointment(visit).unwrap().confirmed;
        let wanted = life.definition(2, "", before);
        life.write(&confirmation(visit, wanted)).await.unwrap();
        assert_eq!(life.practice.appointment(visit).unwrap().confirmed, wanted);
    }
}

const MODES: [(CommMode, &str); 6] = [
    (CommMode::None, "None"),
    (CommMode::Email, "Email"),
    (CommMode::Mail, "Mail"),
    (CommMode::Phone, "Phone"),
    (CommMode::InPerson, "InPerson"),
    (CommMode::Text, "Text"),
];

#[tokio::test]
async fn trap_23_a_mode_is_written_in_the_spelling_of_posts() {
    // This office refuses the spelling that it prints itself.
    let life = Life::of(by_lists().with_stored_mode_names(false)).await;
    let (patient, ..) = life.somebody();
    for (mode, stored) in MODES {
        let log = comm_log(patient, "MISC", mode, CommDirection::Sent);
        life.write(&log).await.unwrap();
        let last = life.practice.commlogs_of(patient).pop().unwrap();
        assert_eq!(last.mode, stored);
    }
}

#[tokio::test]
async fn trap_24_no_entry_is_left_to_look_like_a_call_that_was_made() {
    let life = Life::of(by_lists()).await;
    let (patient, ..) = life.somebody();
    for (direction, stored) in [
        (CommDirection::Sent, "Sent"),
        (CommDirection::Received, "Received"),
        (CommDirection::Neither, "Neither"),
    ] {
        for (mode, spelled) in MODES {
            let log = comm_log(patient, "MISC", mode, direction);
            life.write(&log).await.unwrap();
            let last = life.practice.commlogs_of(patient).pop().unwrap();
            assert_eq!((&*last.mode, &*last.sent_or_received), (spelled, stored));
            assert_eq!(last.comm_date_time, "2026-11-20 11:15:00");
        }
    }
}

#[tokio::test]
async fn trap_25_an_entry_whose_answer_was_lost_is_looked_for_and_not_posted_twice() {
    let life = Life::of(by_lists()).await;
    let (patient, ..) = life.somebody();
    let before = life.practice.commlogs_of(patient).len();
    let log = comm_log(patient, "MISC", CommMode::Text, CommDirection::Sent);
    // The office's list of kinds is read; then the answer to the post is lost.
    let index = life.practice.requests().len();
    life.server.faults().fail_at(index + 1, Fault::LostReply);
    let source = SourceId::new(odx_opendental::SYSTEM, "main-st").unwrap();
    let outlet = OutletId::new(source, "practice").unwrap();
    let clock = Arc::new(life.clock.clone());
    let effects = Effects::open(Arc::new(MemoryStore::new()), outlet, clock)
        .await
        .unwrap();
    let key = IdempotencyKey::of_parts(&["one", "entry"]);
    let end = tell(&effects, &life.source, &key, &log).await.unwrap();
    assert!(matches!(end, Outcome::Found(_)), "{end:?}");
    for _ in 0..2 {
        life.wait(Duration::from_secs(3600));
        let end = tell(&effects, &life.source, &key, &log).await.unwrap();
        assert!(end.receipt().is_some(), "{end:?}");
    }
    assert_eq!(life.practice.commlogs_of(patient).len(), before + 1);
    let mut posts = life.asked(index);
    posts.retain(|one| one.method == "POST");
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].status, 0, "its answer was lost");
}

#[tokio::test]
async fn trap_44_a_visits_note_is_neither_replaced_nor_added_to() {
    let (life, _) = whole_life(by_lists()).await;
    let fresh = by_lists().build().unwrap();
    let (_, _, visit) = life.somebody();
    let note = |office: &Practice| office.appointment(visit).map(|row| row.note);
    assert_eq!(note(&life.practice), note(&fresh));
    let written = |one: &&RequestLog| one.method != "GET" && one.path.contains("appointments");
    let requests = life.practice.requests();
    let written: Vec<_> = requests.iter().filter(written).collect();
    assert!(!written.is_empty());
    assert!(written.iter().all(|one| one.path.ends_with("/Confirm")));
}

#[tokio::test]
async fn trap_49_an_unticked_box_has_no_row_and_that_is_its_value() {
    let life = Life::of(by_lists()).await;
    let (patient, ..) = life.somebody();
    let (tick, untick) = (field(patient, BOX, "1"), field(patient, BOX, ""));
    assert!(life.find(&untick).await.is_some(), "there never was a row");
    life.write(&tick).await.unwrap();
    assert!(life.find(&tick).await.is_some());
    assert_eq!(life.find(&untick).await, None);
    life.write(&untick).await.unwrap();
    assert!(life.practice.pat_fields_of(patient).is_empty());
    assert!(life.find(&untick).await.is_some());
    assert_eq!(life.find(&tick).await, None);
}

#[tokio::test]
async fn trap_50_a_field_is_known_by_its_name_in_exact_case() {
    let life = Life::of(by_lists()).await;
    let (patient, ..) = life.somebody();
    let wrong = field(patient, &FIELD.to_lowercase(), "Yes");
    let error = refused(life.write(&wrong).await);
    assert_ne!(error.kind(), ErrorKind::Unavailable);
    assert!(life.practice.pat_fields_of(patient).is_empty());
    life.write(&field(patient, FIELD, "Yes")).await.unwrap();
    let rows = life.practice.pat_fields_of(patient);
    assert_eq!(
        (&*rows[0].field_name, &*rows[0].field_value),
        (FIELD, "Yes")
    );
    assert_eq!(life.find(&wrong).await, None, "that row is another field's");
}

#[tokio::test]
async fn trap_26_a_400_neither_repeats_a_write_nor_gives_a_row_up() {
    for fault in [
        Fault::connector_down(),
        Fault::connector_down_after(),
        Fault::Http400Text("Nobody has seen these words.".to_owned()),
    ] {
        let life = Life::of(by_lists()).await;
        let (patient, ..) = life.somebody();
        let log = comm_log(patient, "MISC", CommMode::Text, CommDirection::Sent);
        assert_eq!(life.find(&log).await, None);
        let index = life.practice.requests().len();
        life.server.faults().fail_at(index + 1, fault.clone());
        let end = life.write(&log).await;
        assert!(
            matches!(end, Err(ActError::InDoubt(_))),
            "{fault:?}: {end:?}"
        );
        let mut posts = life.asked(index);
        posts.retain(|one| one.method == "POST");
        assert_eq!(posts.len(), 1, "{fault:?}");
        // A read that meets one is made again later.
        life.first().await;
        let index = life.practice.requests().len();
        life.server.faults().fail_at(index, fault.clone());
        let key = odx_core::PatientKey::new(patient.to_string());
        let read = odx_core::source::PracticeSource::refresh(&life.source, &key).await;
        let disposition = read.unwrap_err().disposition();
        assert_eq!(disposition, odx_core::Disposition::Retry { after: None });
    }
}
