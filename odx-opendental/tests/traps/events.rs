//! What the office sends by itself, and that nothing depends on it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chrono::TimeDelta;
use odx_core::engine::Shutdown;
use odx_core::http::Method;
use odx_core::model::RecordKey;
use odx_core::push::Delivery;
use odx_core::serve::{ServeLimits, listen, serve};
use odx_core::source::{Change, Cursor, PracticeSource as _};
use odx_core::store::{MemoryStore, StateStore as _};
use odx_core::testkit::{Canaries, Transcript};
use odx_core::{AppointmentKey, Secret, SourceId};
use odx_opendental::sim::{DeletedBody, PracticeBuilder, SubscriptionRow};
use odx_opendental::{Receiver, ReceiverSettings, SYSTEM};

use super::life::{Life, bare, both, by_lists, patients, whole_life};

const PATH: &str = "Zq8_r2-PfK0aLm91";

/// An office that calls, and a receiver for it.
struct Line {
    life: Life,
    receiver: Receiver,
    store: Arc<MemoryStore>,
    url: String,
    _shutdown: Shutdown,
}

impl Line {
    async fn of(builder: PracticeBuilder) -> Self {
        let life = Life::of(builder).await;
        let store = Arc::new(MemoryStore::new());
        let offices = [(source(), Secret::new(life.practice.customer_key()))];
        let settings = ReceiverSettings::new(Secret::new(PATH));
        let receiver = Receiver::new(settings, offices, store.clone()).unwrap();
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let url = format!("http://{}/od/{PATH}", listener.local_addr().unwrap());
        let router = Router::new().nest("/od", receiver.router());
        let (shutdown, stop) = Shutdown::new();
        tokio::spawn(serve(listener, router, ServeLimits::default(), stop));
        Self {
            life,
            receiver,
            store,
            url,
            _shutdown: shutdown,
        }
    }

    /// Watches a table, at `end` of our address.
    fn watch(&self, table: &str, workstation: &str, end: &str) {
        self.life.practice.add_subscription(SubscriptionRow {
            end_point_url: format!("{}{end}", self.url),
            workstation: workstation.to_owned(),
            watch_table: table.to_owned(),
            polling_seconds: 5,
            ..SubscriptionRow::default()
        });
        self.life.wait(Duration::from_secs(10));
    }

    async fn fire(&self) -> Vec<odx_opendental::sim::Delivery> {
        self.life.practice.fire_events().await
    }

    async fn inbox(&self) -> Vec<Delivery> {
        self.store.inbox(&source(), 100).await.unwrap()
    }

    /// What all that came in says.
    async fn told(&self, cursor: &Cursor) -> Vec<Change> {
        let push = self.life.source.push().unwrap();
        let inbox = self.inbox().await;
        let pages = inbox.iter().map(|one| push.told(one, cursor).unwrap());
        pages.flat_map(|page| page.changes).collect()
    }

    fn rename(&self, name: &str) -> i64 {
        let (patient, ..) = self.life.somebody();
        let name = name.to_owned();
        self.life
            .practice
            .update_patient(patient, |row| row.l_name = name);
        patient
    }
}

fn source() -> SourceId {
    SourceId::new(SYSTEM, "main-st").unwrap()
}

fn shows(changes: &[Change], name: &str) -> bool {
    let rows = patients(changes);
    rows.iter().any(|one| one.last_name.expose() == name)
}

#[tokio::test]
async fn trap_31_the_key_of_an_event_is_printed_nowhere() {
    let transcript = Transcript::begin();
    let line = Line::of(by_lists().with_keys("DevCanary31", "CustCanary31")).await;
    line.watch("Patient", "SERVER", "/");
    line.rename("Changed");
    assert_eq!(line.fire().await[0].status, Some(200));
    let wrong = bare(Method::POST, &format!("{}/", line.url))
        .header("Authorization", "CustCanary31x")
        .body("[]");
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let (_, cursor) = line.life.first().await;
    let told = line.told(&cursor).await;
    let said = format!(
        "{:?} {:?} {:?} {told:?}",
        line.receiver,
        line.life.source,
        line.inbox().await
    );
    let canaries = Canaries::new(["DevCanary31", "CustCanary31", PATH]);
    canaries.assert_absent("what is printed", &said);
    canaries.assert_absent("a trace", &transcript.text());
    // Nor is the list read that echoes it.
    let (life, _) = whole_life(by_lists()).await;
    let requests = life.practice.requests();
    assert!(
        !requests
            .iter()
            .any(|one| one.path.contains("subscriptions"))
    );
}

#[tokio::test]
async fn trap_32_an_event_of_every_machine_is_kept_once_and_silence_loses_nothing() {
    let line = Line::of(by_lists()).await;
    let (_, cursor) = line.life.first().await;
    line.watch("Patient", "", "/");
    line.rename("Twice");
    let sent = line.fire().await;
    assert_eq!(sent.len(), 2, "one for each machine");
    let counts = line.receiver.counts();
    assert_eq!((counts.received, counts.repeated), (1, 1));
    assert!(shows(&line.told(&cursor).await, "Twice"));
    // A wrong name is never heard of.
    let line = Line::of(by_lists()).await;
    let (_, cursor) = line.life.first().await;
    line.watch("Patient", "NOBODY", "/");
    line.rename("Silent");
    assert!(line.fire().await.is_empty());
    assert!(shows(&line.life.later(cursor).await.0, "Silent"));
}

#[tokio::test]
async fn trap_33_what_events_lose_over_a_long_weekend_the_feed_reads() {
    const DAYS: Duration = Duration::from_secs(4 * 24 * 3600);
    for builder in both() {
        let line = Line::of(builder).await;
        let (_, cursor) = line.life.first().await;
        line.watch("Patient", "SERVER", "/");
        line.life.practice.close_workstation("SERVER");
        line.rename("Weekend");
        assert!(line.fire().await.is_empty());
        line.life.wait(DAYS);
        line.life.practice.open_workstation("SERVER");
        line.fire().await;
        assert!(!shows(&line.told(&cursor).await, "Weekend"), "too old");
        let (changes, cursor) = line.life.later(cursor).await;
        assert!(shows(&changes, "Weekend"));
        // A machine whose clock runs ahead skips what comes between.
        let ahead = TimeDelta::hours(2);
        line.life.practice.skew_workstation("SERVER", ahead);
        line.life.wait(Duration::from_secs(60));
        line.rename("Before");
        line.fire().await;
        line.life.wait(Duration::from_secs(60));
        line.rename("Skipped");
        assert!(line.fire().await.is_empty());
        assert!(shows(&line.life.later(cursor).await.0, "Skipped"));
    }
}

#[tokio::test]
async fn trap_34_an_event_is_answered_before_any_work_is_done() {
    let line = Line::of(by_lists()).await;
    line.watch("Patient", "SERVER", "/");
    // The office's API is gone: whoever asked it first would have no answer.
    line.life.server.stop().await;
    line.life.practice.restamp_all_patients();
    let sent = line.fire().await;
    assert_eq!(sent[0].status, Some(200));
    assert!(line.life.practice.requests().is_empty());
    let inbox = line.inbox().await;
    assert_eq!(inbox[0].body().expose().as_slice(), sent[0].body());
}

#[tokio::test]
async fn trap_35_a_deletion_is_an_event_of_its_own_and_asked_for_anyway() {
    for builder in both() {
        for shape in [
            DeletedBody::Appointment,
            DeletedBody::History,
            DeletedBody::KeyOnly,
        ] {
            let line = Line::of(builder.clone().with_deleted_body(shape)).await;
            let (_, cursor) = line.life.first().await;
            line.watch("Appointment", "SERVER", "/");
            let (_, _, visit) = line.life.somebody();
            line.life.practice.delete_appointment(visit);
            let gone = Change::Gone(RecordKey::Appointment(AppointmentKey::new(
                visit.to_string(),
            )));
            line.fire().await;
            assert!(!line.told(&cursor).await.contains(&gone));
            line.watch("AppointmentDeleted", "SERVER", "/");
            line.life.practice.advance(Duration::from_secs(10));
            line.fire().await;
            assert!(line.told(&cursor).await.contains(&gone), "{shape:?}");
            // And without any event.
            assert!(line.life.later(cursor).await.0.contains(&gone));
        }
    }
}

#[tokio::test]
async fn trap_36_a_thousand_rows_come_in_one_body() {
    let builder = by_lists()
        .with_patients(1100)
        .with_recalls_per_patient(0.0)
        .with_appointments_per_patient(0.0);
    let line = Line::of(builder).await;
    line.watch("Patient", "SERVER", "/");
    line.life.practice.restamp_all_patients();
    let sent = line.fire().await;
    assert_eq!(sent[0].rows, 1000);
    assert!(sent[0].body().len() > 500_000, "{}", sent[0].body().len());
    assert!(sent.iter().all(|one| one.status == Some(200)));
    assert_eq!(line.inbox().await.len(), sent.len());
}

#[tokio::test]
async fn trap_37_an_old_office_names_the_event_in_the_url_alone() {
    let line = Line::of(by_lists().with_version("22.4.20")).await;
    line.watch("Appointment", "SERVER", "/Appointment/");
    line.watch("Patient", "SERVER", "/?event=Patient");
    let (_, _, visit) = line.life.somebody();
    line.life
        .practice
        .update_appointment(visit, |row| row.op = 2);
    line.rename("Old");
    let sent = line.fire().await;
    assert!(sent.iter().all(|one| one.status == Some(200)));
    let inbox = line.inbox().await;
    let mut kinds: Vec<_> = inbox.iter().map(Delivery::kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["Appointment", "Patient"]);
}

#[tokio::test]
async fn trap_38_an_address_works_with_a_trailing_slash_and_without() {
    for end in ["", "/"] {
        let line = Line::of(by_lists()).await;
        line.watch("Patient", "SERVER", end);
        line.rename("Slash");
        let sent = line.fire().await;
        assert_eq!(sent[0].status, Some(200), "{end:?}");
        assert_eq!(line.inbox().await.len(), 1, "{end:?}");
    }
}
