//! What the practice is told: as the vendor takes it, only where it is allowed,
//! and once, whatever gets lost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

mod desk;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use desk::{Desk, Fault};
use odx_core::effect::{ActError, Effects, Marker, Outcome, Receipt};
use odx_core::store::{EffectState, MemoryStore, StateStore};
use odx_core::testkit::{Canaries, TestClock, Transcript};
use odx_core::writer::{
    CommDirection, CommLog, CommMode, Confirmation, PatientField, PracticeWriter, RecallStatus,
    WriteBack, tell,
};
use odx_core::{
    AppointmentKey, Disposition, Error, ErrorKind, IdempotencyKey, OutletId, PatientKey, Phi,
    RecallKey, Secret, SourceId,
};
use odx_opendental::{Credentials, OpenDental, WriteBackSettings};
use serde_json::json;

fn everything() -> WriteBackSettings {
    WriteBackSettings::new()
        .with_reminders()
        .with_recall_status()
        .with_confirmations()
        .with_patient_fields()
}

fn writer(desk: &Desk, settings: Option<WriteBackSettings>, clock: &TestClock) -> OpenDental {
    let builder = OpenDental::builder(
        SourceId::new("od", "main-st").unwrap(),
        Credentials {
            developer_key: Secret::new("dev-77aa"),
            customer_key: Secret::new("cust-77bb"),
        },
    )
    .with_base_urls(vec![desk.url()])
    .with_interval(Duration::ZERO)
    .with_clock(Arc::new(clock.clone()));
    match settings {
        Some(settings) => builder.with_write_back(settings),
        None => builder,
    }
    .build()
    .unwrap()
}

fn clock() -> TestClock {
    TestClock::at(DateTime::<Utc>::UNIX_EPOCH)
}

fn key() -> IdempotencyKey {
    IdempotencyKey::of_parts(&["main-st", "recall", "7"])
}

fn marker() -> Marker {
    Marker::of(&key())
}

fn comm_log(kind: &str) -> WriteBack {
    WriteBack::CommLog(CommLog {
        patient: PatientKey::new("15"),
        at: "2025-01-21T11:15:00".parse().unwrap(),
        mode: CommMode::InPerson,
        direction: CommDirection::Received,
        kind: kind.to_owned(),
        text: Phi::new("Confirmed\r\nfor 9:15am.".to_owned()),
    })
}

fn recall_status(status: Option<&str>) -> WriteBack {
    WriteBack::RecallStatus(RecallStatus {
        patient: PatientKey::new("15"),
        recall: RecallKey::new("7"),
        status: status.map(str::to_owned),
    })
}

fn confirmation(status: &str) -> WriteBack {
    WriteBack::Confirmation(Confirmation {
        appointment: AppointmentKey::new("34"),
        status: status.to_owned(),
    })
}

fn field(value: &str) -> WriteBack {
    WriteBack::PatientField(PatientField {
        patient: PatientKey::new("15"),
        field: "Ins Verified".to_owned(),
        value: Phi::new(value.to_owned()),
    })
}

fn refused(end: Result<Receipt, ActError>) -> Error {
    match end.unwrap_err() {
        ActError::Refused(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_comm_log_says_its_mode_its_direction_its_type_and_our_marker() {
    let desk = Desk::new().await;
    let writer = writer(&desk, Some(everything()), &clock());
    let receipt = writer.write(&comm_log("appt"), &marker()).await.unwrap();
    assert_eq!(receipt, Receipt::of("131"));
    assert_eq!(
        desk.asked(),
        [
            "GET definitions?Category=27&includeHidden=true",
            "POST commlogs"
        ]
    );
    assert_eq!(
        desk.last_body(),
        json!({"PatNum": 15, "CommType": "235", "CommDateTime": "2025-01-21 11:15:00",
            "Mode_": "In Person", "SentOrReceived": "Received",
            "Note": format!("Confirmed for 9:15am. {}", marker())})
    );
    // The office's list is read once, and again for what is not in it.
    writer.write(&comm_log("239"), &marker()).await.unwrap();
    assert_eq!(desk.asked().len(), 3);
    assert_eq!(desk.last_body()["CommType"], "239");
    let error = refused(writer.write(&comm_log("TEXT"), &marker()).await);
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.chain().contains("comm log types"),
        "{}",
        error.chain()
    );
    assert_eq!(desk.asked().len(), 4);
}

#[tokio::test]
async fn a_hidden_type_is_not_written_and_a_visible_one_of_the_same_usage_is() {
    let desk = Desk::new().await;
    let writer = writer(&desk, Some(everything()), &clock());
    writer.write(&comm_log("RECALL"), &marker()).await.unwrap();
    assert_eq!(desk.last_body()["CommType"], "241");
    for (what, hidden) in [
        (comm_log("240"), "240"),
        (confirmation("210"), "210"),
        (confirmation("Confirmed"), "a name"),
        (recall_status(Some("209")), "another category"),
    ] {
        let error = refused(writer.write(&what, &marker()).await);
        assert_eq!(error.kind(), ErrorKind::Config, "{hidden}");
    }
    assert_eq!(desk.with(|rows| rows.written), 1);
}

#[tokio::test]
async fn statuses_and_fields_are_written_by_the_offices_own_keys() {
    let desk = Desk::new().await;
    let writer = writer(&desk, Some(everything()), &clock());
    for (what, path, body) in [
        (
            recall_status(Some("312")),
            "PUT recalls/7",
            json!({"RecallStatus": 312}),
        ),
        (
            recall_status(None),
            "PUT recalls/7",
            json!({"RecallStatus": 0}),
        ),
        (
            confirmation("209"),
            "PUT appointments/34/Confirm",
            json!({"defNum": 209}),
        ),
        (
            field("Yes"),
            "PUT patfields",
            json!({"PatNum": 15, "FieldName": "Ins Verified", "FieldValue": "Yes"}),
        ),
    ] {
        assert_eq!(writer.find(&what, &marker()).await.unwrap(), None);
        writer.write(&what, &marker()).await.unwrap();
        assert_eq!(desk.asked().last().unwrap(), path);
        assert_eq!(desk.last_body(), body);
        assert!(writer.find(&what, &marker()).await.unwrap().is_some());
    }
    // By its exact name: the row of another spelling is as it was.
    assert_eq!(
        desk.with(|rows| rows.patfields[0]["FieldValue"].clone()),
        "Yes"
    );
    assert_eq!(
        desk.with(|rows| rows.recalls[1]["RecallStatus"].clone()),
        312
    );
}

#[tokio::test]
async fn a_status_as_a_reminder_carries_the_type_by_name_and_our_marker() {
    let desk = Desk::new().await;
    let settings = WriteBackSettings::new().with_recall_status_as_reminder();
    let writer = writer(&desk, Some(settings), &clock());
    let what = recall_status(Some("312"));
    writer.write(&what, &marker()).await.unwrap();
    assert_eq!(
        desk.last_body(),
        json!({"PatNum": 15, "recallType": "Prophy", "RecallStatus": 312,
            "commlogMode": "None", "commlogNote": marker().as_str()})
    );
    // The status alone would not show that the reminder was written.
    let other = Marker::of(&IdempotencyKey::of_parts(&["another"]));
    assert_eq!(writer.find(&what, &other).await.unwrap(), None);
    let found = writer.find(&what, &marker()).await.unwrap();
    assert_eq!(found, Some(Receipt::of("131")));
}

#[tokio::test]
async fn nothing_is_written_that_was_not_turned_on() {
    let desk = Desk::new().await;
    let all = [
        comm_log("MISC"),
        comm_log("RECALL"),
        recall_status(Some("312")),
        confirmation("209"),
        field("Yes"),
    ];
    for settings in [None, Some(WriteBackSettings::new())] {
        let writer = writer(&desk, settings, &clock());
        for what in &all {
            let error = refused(writer.write(what, &marker()).await);
            assert_eq!(error.kind(), ErrorKind::Config);
            let text = error.chain();
            assert!(text.contains("settings of write-back"), "{text}");
        }
    }
    assert!(desk.asked().is_empty(), "{:?}", desk.asked());
    // A reminder is more than an entry.
    let logs = WriteBackSettings::new().with_comm_logs();
    let writer = writer(&desk, Some(logs), &clock());
    writer.write(&all[0], &marker()).await.unwrap();
    let error = refused(writer.write(&all[1], &marker()).await);
    assert!(
        error.chain().contains("count as reminders"),
        "{}",
        error.chain()
    );
    let by_key = refused(writer.write(&comm_log("241"), &marker()).await);
    assert_eq!(by_key.kind(), ErrorKind::Config);
    assert_eq!(desk.with(|rows| rows.written), 1);
}

#[tokio::test]
async fn a_refusal_says_which_permission_or_version_would_mend_it() {
    let desk = Desk::new().await;
    let writer = writer(&desk, Some(everything()), &clock());
    for (what, status, text, kind, part) in [
        (field("Yes"), 401, "", ErrorKind::Permission, "ApiAllOthers"),
        (
            confirmation("209"),
            401,
            "",
            ErrorKind::Permission,
            "ApiComm",
        ),
        (field("Yes"), 403, "", ErrorKind::Permission, "ApiAllOthers"),
        (
            recall_status(Some("312")),
            400,
            "Method requires version 24.2.31",
            ErrorKind::Config,
            "24.2.31",
        ),
    ] {
        desk.with(|rows| rows.writes_say = Some((status, text)));
        let error = refused(writer.write(&what, &marker()).await);
        assert_eq!(error.kind(), kind);
        assert_eq!(error.disposition(), Disposition::Halt);
        assert!(error.chain().contains(part), "{}", error.chain());
    }
}

#[tokio::test]
async fn a_look_that_is_not_whole_is_no_answer() {
    let desk = Desk::new().await;
    let writer = writer(&desk, Some(everything()), &clock());
    for what in [comm_log("MISC"), recall_status(Some("312")), field("Yes")] {
        for says in [
            (200, "[{\"PatNum\": 15"),
            (200, "<html>"),
            (500, ""),
            (200, "[7]"),
        ] {
            desk.with(|rows| rows.lists_say = Some(says));
            assert!(writer.find(&what, &marker()).await.is_err(), "{says:?}");
        }
        // The office knows of no such patient: there is nothing of them.
        desk.with(|rows| rows.lists_say = Some((404, "Patient not found")));
        assert_eq!(writer.find(&what, &marker()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_note_is_looked_for_on_every_page_and_twice_before_it_is_missing() {
    let desk = Desk::new().await;
    let writer = writer(&desk, Some(everything()), &clock());
    let what = comm_log("MISC");
    assert_eq!(writer.find(&what, &marker()).await.unwrap(), None);
    let pages = [
        "GET commlogs?PatNum=15",
        "GET commlogs?PatNum=15&Offset=100",
    ];
    assert_eq!(desk.asked(), [pages[0], pages[1], pages[0], pages[1]]);
    let note = format!("line one  line two {} and a word of staff", marker());
    desk.with(|rows| {
        rows.commlogs
            .push(json!({"CommlogNum": 131, "PatNum": 15, "Note": note}));
    });
    let found = writer.find(&what, &marker()).await.unwrap();
    assert_eq!(found, Some(Receipt::of("131")));
    assert_eq!(desk.asked().len(), 6);
}

struct Bench {
    desk: Desk,
    clock: TestClock,
    store: Arc<dyn StateStore>,
    settings: WriteBackSettings,
    writer: OpenDental,
    effects: Effects,
}

async fn effects(store: &Arc<dyn StateStore>, clock: &TestClock) -> Effects {
    let outlet = OutletId::new(SourceId::new("od", "main-st").unwrap(), "practice").unwrap();
    Effects::open(Arc::clone(store), outlet, Arc::new(clock.clone()))
        .await
        .unwrap()
}

impl Bench {
    async fn new(settings: WriteBackSettings) -> Self {
        let (desk, clock) = (Desk::new().await, clock());
        let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
        Self {
            writer: writer(&desk, Some(settings.clone()), &clock),
            settings,
            effects: effects(&store, &clock).await,
            desk,
            clock,
            store,
        }
    }

    async fn tell(&self, what: &WriteBack) -> Outcome {
        tell(&self.effects, &self.writer, &key(), what)
            .await
            .unwrap()
    }

    /// Until it is settled, or the process ends while a request hangs.
    async fn tell_or_end(&mut self, what: &WriteBack) {
        let ended = {
            let key = key();
            tokio::select! {
                end = tell(&self.effects, &self.writer, &key, what) => {
                    end.unwrap();
                    false
                }
                () = self.desk.hangs.notified() => true,
            }
        };
        if ended {
            let settings = Some(self.settings.clone());
            self.writer = writer(&self.desk, settings, &self.clock);
            self.effects = effects(&self.store, &self.clock).await;
        }
    }

    fn later(&self) {
        let wait = self.writer.settles_within() + Duration::from_secs(1);
        self.clock.advance(wait);
    }
}

/// Every pair of faults in a row, for everything that can be told: written once
/// in the end, and never twice.
async fn once(what: WriteBack, settings: WriteBackSettings) {
    for first in Fault::ALL {
        for second in Fault::ALL {
            let mut b = Bench::new(settings.clone()).await;
            b.desk.with(|rows| rows.faults.extend([first, second]));
            for _ in 0..2 {
                b.tell_or_end(&what).await;
                // Too early for another try, whatever became of it.
                let sent = b.desk.writes();
                b.tell_or_end(&what).await;
                assert_eq!(b.desk.writes(), sent, "{first:?}, {second:?}: too early");
                b.later();
            }
            let end = b.tell(&what).await;
            assert!(end.receipt().is_some(), "{first:?}, {second:?}: {end:?}");
            let written = b.desk.with(|rows| rows.written);
            assert_eq!(written, 1, "{first:?}, {second:?}");
            let notes = b.desk.with(|rows| {
                let notes = rows.commlogs.iter().map(|row| row["Note"].to_string());
                notes.filter(|note| marker().stands_in(note)).count()
            });
            assert!(notes <= 1, "{first:?}, {second:?}");
            assert_eq!(b.effects.open_effects(9).await.unwrap(), []);
        }
    }
}

#[tokio::test]
async fn a_comm_log_is_there_once_whatever_gets_lost() {
    once(comm_log("MISC"), everything()).await;
}

#[tokio::test]
async fn a_recall_status_is_written_once_whatever_gets_lost() {
    once(recall_status(Some("312")), everything()).await;
}

#[tokio::test]
async fn a_reminder_is_there_once_whatever_gets_lost() {
    let settings = WriteBackSettings::new().with_recall_status_as_reminder();
    once(recall_status(Some("312")), settings).await;
}

#[tokio::test]
async fn a_confirmation_is_written_once_whatever_gets_lost() {
    once(confirmation("209"), everything()).await;
}

#[tokio::test]
async fn a_patient_field_is_written_once_whatever_gets_lost() {
    once(field("Yes"), everything()).await;
}

#[tokio::test]
async fn while_the_office_cannot_be_asked_a_lost_reply_stays_in_doubt_and_is_told() {
    let b = Bench::new(everything()).await;
    b.desk.with(|rows| rows.faults.push_back(Fault::ReplyLost));
    b.writer
        .write(&confirmation("209"), &marker())
        .await
        .unwrap_err();
    b.desk.with(|rows| rows.faults.push_back(Fault::ReplyLost));
    // The list of types is known; what shows the note is not to be had.
    b.writer.find(&comm_log("MISC"), &marker()).await.unwrap();
    let what = field("Yes");
    b.desk.with(|rows| rows.lists_say = Some((504, "")));
    for _ in 0..4 {
        let Outcome::InDoubt { reason, .. } = b.tell(&what).await else {
            panic!("it is not in doubt");
        };
        assert!(!reason.is_empty());
        b.later();
    }
    let open = b.effects.open_effects(9).await.unwrap();
    assert!(matches!(open[0].state, EffectState::InDoubt(_)));
    b.desk.with(|rows| rows.lists_say = None);
    assert!(matches!(b.tell(&what).await, Outcome::Found(_)));
    assert_eq!(b.desk.with(|rows| rows.written), 2);
}

#[tokio::test]
async fn an_outlet_of_another_practice_tells_this_one_nothing() {
    let b = Bench::new(everything()).await;
    let elm = OutletId::new(SourceId::new("od", "elm-st").unwrap(), "practice").unwrap();
    let other = Effects::open(Arc::clone(&b.store), elm, Arc::new(b.clock.clone()))
        .await
        .unwrap();
    let error = tell(&other, &b.writer, &key(), &field("Yes"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(b.desk.asked().is_empty());
}

#[tokio::test]
async fn s2_nothing_that_is_told_is_ever_printed() {
    let transcript = Transcript::begin();
    let canaries = Canaries::new(["Quetzalcoatl", "cust-77bb", "dev-77aa"]);
    let log = WriteBack::CommLog(CommLog {
        patient: PatientKey::new("15"),
        at: "2025-01-21T11:15:00".parse().unwrap(),
        mode: CommMode::Text,
        direction: CommDirection::Sent,
        kind: "MISC".to_owned(),
        text: Phi::new("to Quetzalcoatl".to_owned()),
    });
    let b = Bench::new(everything()).await;
    let mut said = format!("{:?} {:?}", b.writer, b.effects);
    for what in [log, field("Quetzalcoatl")] {
        for answer in [
            (400, "Quetzalcoatl is required"),
            (400, "Quetzalcoatl"),
            (401, "Quetzalcoatl cust-77bb"),
            (404, "Patient not found: Quetzalcoatl"),
            (500, "Quetzalcoatl"),
            (200, "<html>Quetzalcoatl"),
        ] {
            b.desk.with(|rows| rows.writes_say = Some(answer));
            let error = b.writer.write(&what, &marker()).await.unwrap_err();
            said += &format!("{what:?} {error} {error:?} {}", error.error().chain());
        }
        let key = IdempotencyKey::of_parts(&[&format!("{what:?}")]);
        let end = tell(&b.effects, &b.writer, &key, &what).await.unwrap();
        said += &format!("{end:?} {:?}", b.effects.open_effects(9).await.unwrap());
    }
    canaries.assert_absent("what is told", &said);
    canaries.assert_absent("a trace", &transcript.text());
}
