//! The same promises for every store.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use odx_core::model::{Channel, Email, Phone, Record, RecordKey, RecordKind};
use odx_core::sink::{Account, Suppression, Target};
use odx_core::source::{Change, Cursor, Page, Position, Swept};
use odx_core::store::{
    AckCommit, Acknowledged, Brake, Departure, DueQuery, Epoch, Hold, MemoryStore, Opening,
    PageCommit, PageOutcome, Parked, SqliteStore, StateStore, Tried,
};
use odx_core::testkit::{patient, recall};
use odx_core::{
    ErrorKind, ExternalId, ExternalIds, HouseholdKey, IdScheme, LedgerHash, PatientKey, SinkId,
    SourceId,
};

const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

fn today() -> NaiveDate {
    NOW.date_naive()
}

struct Bench {
    store: Arc<dyn StateStore>,
    source: SourceId,
    sink: SinkId,
    epoch: Epoch,
    cursor: Option<Cursor>,
    step: u32,
}

fn account(name: &str, scheme: IdScheme) -> Account {
    Account {
        name: name.to_owned(),
        scheme,
    }
}

fn opening(source: &SourceId, sink: &SinkId, account: Account) -> Opening {
    Opening {
        source: source.clone(),
        sinks: vec![(sink.clone(), account)],
    }
}

impl Bench {
    async fn new(store: Arc<dyn StateStore>) -> Self {
        let source = SourceId::new("t", "main").unwrap();
        let sink = SinkId::new("mem", "main").unwrap();
        let state = store
            .open_run(&opening(&source, &sink, account("a", IdScheme::Scoped)))
            .await
            .unwrap();
        Self {
            store,
            source,
            sink,
            epoch: state.epoch,
            cursor: None,
            step: 0,
        }
    }

    fn ids(&self) -> ExternalIds {
        ExternalIds::new(self.source.clone(), IdScheme::Scoped)
    }

    fn page(&mut self, changes: Vec<Change>, swept: &[RecordKind]) -> PageCommit {
        self.step += 1;
        PageCommit {
            source: self.source.clone(),
            epoch: self.epoch,
            from: self.cursor.clone(),
            page: Page {
                changes,
                swept: swept.iter().map(|kind| Swept { kind: *kind }).collect(),
                position: Position::CaughtUp(Cursor::new(self.step.to_string())),
            },
            today: today(),
            now: NOW,
            brake: Brake {
                floor: 3,
                share: 0.5,
            },
        }
    }

    async fn commit(&mut self, changes: Vec<Change>, swept: &[RecordKind]) -> PageOutcome {
        let page = self.page(changes, swept);
        let outcome = self.store.commit_page(page.clone()).await.unwrap();
        self.cursor = Some(page.page.position.cursor().clone());
        outcome
    }

    async fn due(&self) -> Vec<(String, u64)> {
        self.due_on(today(), NOW).await
    }

    fn query(&self, today: NaiveDate, now: DateTime<Utc>) -> DueQuery {
        DueQuery {
            source: self.source.clone(),
            sink: self.sink.clone(),
            ids: self.ids(),
            today,
            now,
            limit: 100,
            after: None,
        }
    }

    async fn due_on(&self, today: NaiveDate, now: DateTime<Utc>) -> Vec<(String, u64)> {
        let due = self.store.due(&self.query(today, now)).await.unwrap();
        due.into_iter()
            .map(|due| (due.view.key.native().to_owned(), due.generation))
            .collect()
    }

    fn acks(&self) -> AckCommit {
        AckCommit {
            source: self.source.clone(),
            epoch: self.epoch,
            sink: self.sink.clone(),
            now: NOW,
            acknowledged: Vec::new(),
            parked: Vec::new(),
            cleared: Vec::new(),
            reconciled: Vec::new(),
        }
    }

    async fn reconcile(&self, household: &str, generation: u64, again: Option<NaiveDate>) {
        let mut acks = self.acks();
        acks.reconciled
            .push((HouseholdKey::new(household), generation, again));
        self.store.commit_acks(acks).await.unwrap();
    }
}

fn person(key: &str) -> Change {
    Change::Upsert(Record::Patient(patient(key)))
}

fn renamed(key: &str, name: &str) -> Change {
    let mut person = patient(key);
    person.first_name = name.to_owned().into();
    Change::Upsert(Record::Patient(person))
}

fn due_visit(key: &str, of: &str) -> Change {
    Change::Upsert(Record::Recall(recall(key, of, Some(today()))))
}

fn hash(n: u8) -> LedgerHash {
    LedgerHash::from_bytes([n; 16])
}

async fn an_unchanged_record_makes_no_work(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    assert_eq!(b.commit(vec![person("1")], &[]).await.changed, 1);
    b.reconcile("1", 1, None).await;
    let outcome = b.commit(vec![person("1")], &[]).await;
    assert_eq!((outcome.changed, outcome.unchanged), (0, 1));
    assert_eq!(b.due().await, []);
}

async fn a_change_raises_the_household_and_an_ack_of_the_past_does_not_hide_it(
    store: Arc<dyn StateStore>,
) {
    let mut b = Bench::new(store).await;
    b.commit(vec![person("1")], &[]).await;
    assert_eq!(b.due().await, [("1".to_owned(), 1)]);
    b.commit(vec![renamed("1", "New")], &[]).await;
    b.reconcile("1", 1, None).await;
    assert_eq!(b.due().await, [("1".to_owned(), 2)]);
    b.reconcile("1", 2, None).await;
    assert_eq!(b.due().await, []);
}

async fn what_hangs_from_a_patient_may_come_before_the_patient(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    b.commit(vec![due_visit("7", "1")], &[]).await;
    assert_eq!(b.due().await, []);
    b.commit(vec![person("1")], &[]).await;
    let due = b.store.due(&b.query(today(), NOW)).await.unwrap();
    assert_eq!(due[0].view.members[0].recalls.len(), 1);
}

async fn a_move_between_households_raises_both(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    b.commit(vec![person("1"), person("2")], &[]).await;
    b.reconcile("1", 1, None).await;
    b.reconcile("2", 1, None).await;
    let mut moved = patient("2");
    moved.household = HouseholdKey::new("1");
    b.commit(vec![Change::Upsert(Record::Patient(moved))], &[])
        .await;
    assert_eq!(b.due().await, [("1".to_owned(), 2), ("2".to_owned(), 2)]);
    let due = b.store.due(&b.query(today(), NOW)).await.unwrap();
    assert_eq!(due[0].view.members.len(), 2);
    assert_eq!(due[1].view.members.len(), 0);
}

async fn absence_from_one_listing_proves_nothing_from_two_it_does(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    let all = [RecordKind::Patient];
    b.commit(vec![person("1"), person("2")], &all).await;
    b.reconcile("2", 1, None).await;
    b.reconcile("1", 1, None).await;
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 0);
    assert_eq!(b.due().await, []);
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 1);
    assert_eq!(b.due().await, [("2".to_owned(), 2)]);
    let due = b.store.due(&b.query(today(), NOW)).await.unwrap();
    assert!(due[0].view.members[0].patient.gone);
    // And back again.
    assert_eq!(b.commit(vec![person("2")], &[]).await.changed, 1);
    assert!(
        !b.store.due(&b.query(today(), NOW)).await.unwrap()[0]
            .view
            .members[0]
            .patient
            .gone
    );
}

async fn a_sighting_between_two_listings_starts_the_count_again(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    let all = [RecordKind::Patient];
    b.commit(vec![person("1"), person("2")], &all).await;
    b.commit(vec![person("1")], &all).await;
    b.commit(vec![person("2")], &[]).await;
    // Seen since the last listing: not missed at all.
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 0);
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 0);
    assert_eq!(b.commit(vec![person("1")], &all).await.gone, 1);
}

async fn a_listing_over_several_pages_counts_as_one(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    let all = [RecordKind::Patient];
    for _ in 0..3 {
        b.commit(vec![person("1")], &[]).await;
        let outcome = b.commit(vec![person("2")], &all).await;
        assert_eq!((outcome.gone, outcome.held), (0, 0));
    }
}

async fn more_than_the_brake_lets_go_stays(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    let all = [RecordKind::Patient];
    let people: Vec<_> = (0..10).map(|n| person(&n.to_string())).collect();
    b.commit(people.clone(), &all).await;
    for _ in 0..4 {
        let outcome = b.commit(vec![], &all).await;
        assert_eq!(outcome.gone, 0);
    }
    assert_eq!(b.commit(vec![], &all).await.held, 10);
    assert_eq!(
        b.store.counts(&b.source, &b.sink).await.unwrap().patients,
        10
    );
    // They come back: nothing was lost, nothing is held.
    assert_eq!(b.commit(people, &all).await.held, 0);
}

async fn an_unreadable_row_is_listed_is_not_missing_and_clears_itself(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    let all = [RecordKind::Patient];
    b.commit(vec![person("1")], &all).await;
    let bad =
        odx_core::model::BadRecord::new(RecordKind::Patient, Some("1"), "unknown status", b"raw");
    for _ in 0..3 {
        let outcome = b.commit(vec![Change::Unreadable(bad.clone())], &all).await;
        assert_eq!((outcome.unreadable, outcome.gone), (1, 0));
        assert_eq!(
            b.store.counts(&b.source, &b.sink).await.unwrap().unreadable,
            1
        );
    }
    b.commit(vec![person("1")], &[]).await;
    assert_eq!(
        b.store.counts(&b.source, &b.sink).await.unwrap().unreadable,
        0
    );
    let nameless = odx_core::model::BadRecord::new(RecordKind::Patient, None, "no key", b"raw");
    b.commit(vec![Change::Unreadable(nameless)], &[]).await;
    b.commit(vec![person("1")], &all).await;
    b.commit(vec![person("1")], &all).await;
    assert_eq!(
        b.store.counts(&b.source, &b.sink).await.unwrap().unreadable,
        0
    );
}

async fn a_stale_epoch_and_a_wrong_cursor_commit_nothing(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    b.commit(vec![person("1")], &[]).await;
    let mut wrong = b.page(vec![person("2")], &[]);
    wrong.from = Some(Cursor::new("elsewhere"));
    let error = b.store.commit_page(wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Superseded);
    let stale = b.page(vec![person("2")], &[]);
    let mut acks = b.acks();
    acks.acknowledged.push((
        ExternalId::from_kept("t:main:1"),
        Acknowledged {
            hash: hash(1),
            generation: 1,
            remote_id: None,
        },
    ));
    b.store
        .open_run(&opening(&b.source, &b.sink, account("a", IdScheme::Scoped)))
        .await
        .unwrap();
    assert_eq!(
        b.store.commit_page(stale).await.unwrap_err().kind(),
        ErrorKind::Superseded
    );
    assert_eq!(
        b.store.commit_acks(acks).await.unwrap_err().kind(),
        ErrorKind::Superseded
    );
    let counts = b.store.counts(&b.source, &b.sink).await.unwrap();
    assert_eq!((counts.patients, counts.acknowledged), (1, 0));
}

async fn a_household_is_due_on_its_again_day_and_not_before(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    b.commit(vec![person("1")], &[]).await;
    let day = today() + chrono::TimeDelta::days(3);
    b.reconcile("1", 1, Some(day)).await;
    assert_eq!(b.due_on(day.pred_opt().unwrap(), NOW).await, []);
    assert_eq!(b.due_on(day, NOW).await.len(), 1);
    b.reconcile("1", 1, None).await;
    assert_eq!(b.due_on(day, NOW).await, []);
}

async fn a_parked_op_brings_its_household_back_when_its_time_has_come(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    b.commit(vec![person("1")], &[]).await;
    let later = NOW + chrono::TimeDelta::seconds(30);
    let id = ExternalId::from_kept("t:main:1");
    let parked = |hold| Parked {
        external_id: id.clone(),
        household: HouseholdKey::new("1"),
        hash: hash(1),
        generation: 1,
        attempts: 1,
        hold,
        doubtful: true,
        reason: "503".to_owned(),
    };
    let mut acks = b.acks();
    acks.parked.push(parked(Hold::Until(later)));
    acks.reconciled.push((HouseholdKey::new("1"), 1, None));
    b.store.commit_acks(acks).await.unwrap();
    assert_eq!(b.store.next_wake(&b.sink).await.unwrap(), Some(later));
    assert_eq!(b.due().await, []);
    let due = b.store.due(&b.query(today(), later)).await.unwrap();
    assert_eq!(due[0].parked, std::slice::from_ref(&id));
    let standing = b.store.standing(&b.sink, vec![id.clone()]).await.unwrap();
    assert_eq!(standing[0].parked, Some(parked(Hold::Until(later))));
    // Refused for good: no time brings it back.
    let mut acks = b.acks();
    acks.parked.push(parked(Hold::Refused));
    b.store.commit_acks(acks).await.unwrap();
    assert_eq!(b.due_on(today(), later).await, []);
    let counts = b.store.counts(&b.source, &b.sink).await.unwrap();
    assert_eq!((counts.waiting, counts.refused), (0, 1));
    // An acknowledgement settles it.
    let mut acks = b.acks();
    acks.acknowledged.push((
        id.clone(),
        Acknowledged {
            hash: hash(1),
            generation: 1,
            remote_id: Some("r".to_owned()),
        },
    ));
    b.store.commit_acks(acks).await.unwrap();
    let standing = b.store.standing(&b.sink, vec![id]).await.unwrap();
    assert_eq!(standing[0].parked, None);
    assert_eq!(
        standing[0]
            .acknowledged
            .as_ref()
            .unwrap()
            .remote_id
            .as_deref(),
        Some("r")
    );
}

async fn a_household_that_departed_is_due_until_it_is_reconciled(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    b.commit(vec![person("1")], &[]).await;
    b.reconcile("1", 1, None).await;
    let tried = Tried {
        external_id: ExternalId::from_kept("t:main:1"),
        hash: hash(7),
        generation: 3,
    };
    let departure = Departure {
        source: b.source.clone(),
        epoch: b.epoch,
        sink: b.sink.clone(),
        leaving: vec![(HouseholdKey::new("1"), vec![tried.clone()])],
    };
    b.store.commit_departure(departure).await.unwrap();
    let due = b.store.due(&b.query(today(), NOW)).await.unwrap();
    assert_eq!(due[0].tried, [tried]);
    b.reconcile("1", 1, None).await;
    assert_eq!(b.due().await, []);
}

async fn a_walk_with_after_sees_every_household_once(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    b.commit((10..60).map(|n| person(&n.to_string())).collect(), &[])
        .await;
    for n in 20..30 {
        b.reconcile(&n.to_string(), 1, Some(today())).await;
    }
    let mut seen = Vec::new();
    let mut query = b.query(today(), NOW);
    query.limit = 7;
    query.after = Some(HouseholdKey::new(""));
    loop {
        let due = b.store.due(&query).await.unwrap();
        let Some(last) = due.last() else { break };
        query.after = Some(last.view.key.clone());
        seen.extend(due.iter().map(|due| due.view.key.native().to_owned()));
    }
    assert_eq!(seen, (10..60).map(|n| n.to_string()).collect::<Vec<_>>());
}

async fn a_stop_reaches_everyone_with_the_address_and_is_never_lifted(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    let mut by_mail = patient("2");
    by_mail.mobile = None;
    by_mail.email = Email::parse("Jane@smile.co").ok();
    b.commit(
        vec![
            person("1"),
            Change::Upsert(Record::Patient(by_mail)),
            person("3"),
        ],
        &[],
    )
    .await;
    for key in ["1", "2", "3"] {
        b.reconcile(key, 1, None).await;
    }
    let stop = |target, channel| Suppression {
        target,
        channel,
        reason: "stop".to_owned(),
    };
    let stops = vec![
        stop(
            Target::Phone(Phone::parse("503 555 0123").unwrap()),
            Some(Channel::Sms),
        ),
        stop(Target::Email(Email::parse("jane@smile.co").unwrap()), None),
    ];
    let next = Some(Cursor::new("c1"));
    assert_eq!(
        b.store
            .suppress(&b.sink, &b.ids(), stops.clone(), next.clone())
            .await
            .unwrap(),
        2
    );
    assert_eq!(b.store.suppression_cursor(&b.sink).await.unwrap(), next);
    let due = b.store.due(&b.query(today(), NOW)).await.unwrap();
    let blocked: Vec<_> = due.iter().map(|due| due.view.members[0].blocked).collect();
    assert_eq!(
        blocked
            .iter()
            .map(|b| (b.sms, b.email, b.voice))
            .collect::<Vec<_>>(),
        [
            (true, false, false),
            (false, true, false),
            (true, false, false)
        ]
    );
    // The same again is no news, and an empty list lifts nothing.
    assert_eq!(
        b.store
            .suppress(&b.sink, &b.ids(), stops, None)
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        b.store
            .suppress(&b.sink, &b.ids(), vec![], None)
            .await
            .unwrap(),
        0
    );
    assert!(
        b.store.due(&b.query(today(), NOW)).await.unwrap()[0]
            .view
            .members[0]
            .blocked
            .sms
    );
    let one = vec![stop(
        Target::Contact(b.ids().patient(&PatientKey::new("3"))),
        None,
    )];
    assert_eq!(
        b.store
            .suppress(&b.sink, &b.ids(), one, None)
            .await
            .unwrap(),
        3
    );
    let due = b.store.due(&b.query(today(), NOW)).await.unwrap();
    assert!(due[2].view.members[0].blocked.voice && !due[0].view.members[0].blocked.voice);
}

async fn a_wrong_pairing_is_refused(store: Arc<dyn StateStore>) {
    let b = Bench::new(store).await;
    let other = SourceId::new("t", "elm-st").unwrap();
    let elm = SinkId::new("mem", "elm-st").unwrap();
    let stolen = opening(&other, &b.sink, account("a", IdScheme::Scoped));
    assert_eq!(
        b.store.open_run(&stolen).await.unwrap_err().kind(),
        ErrorKind::Config
    );
    let renamed = opening(&b.source, &b.sink, account("a", IdScheme::Bare));
    assert_eq!(
        b.store.open_run(&renamed).await.unwrap_err().kind(),
        ErrorKind::Config
    );
    let mixed = opening(&other, &elm, account("a", IdScheme::Bare));
    let error = b.store.open_run(&mixed).await.unwrap_err();
    assert!(error.to_string().contains("scoped"), "{error}");
    let apart = opening(&other, &elm, account("b", IdScheme::Bare));
    b.store.open_run(&apart).await.unwrap();
}

async fn a_sink_that_is_added_later_hears_everything(store: Arc<dyn StateStore>) {
    let mut b = Bench::new(store).await;
    b.commit(vec![person("1"), person("2")], &[]).await;
    let late = SinkId::new("late", "main").unwrap();
    let mut both = opening(&b.source, &b.sink, account("a", IdScheme::Scoped));
    both.sinks
        .push((late.clone(), account("late", IdScheme::Scoped)));
    b.store.open_run(&both).await.unwrap();
    b.sink = late;
    assert_eq!(b.due().await.len(), 2);
}

async fn offices_with_the_same_keys_never_mix(store: Arc<dyn StateStore>) {
    let mut main = Bench::new(Arc::clone(&store)).await;
    main.commit(vec![person("1")], &[]).await;
    let source = SourceId::new("t", "elm-st").unwrap();
    let sink = SinkId::new("mem", "elm-st").unwrap();
    let state = store
        .open_run(&opening(&source, &sink, account("b", IdScheme::Scoped)))
        .await
        .unwrap();
    let mut elm = Bench {
        store,
        source,
        sink,
        epoch: state.epoch,
        cursor: None,
        step: 0,
    };
    assert_eq!(elm.due().await, []);
    elm.commit(vec![renamed("1", "Other")], &[RecordKind::Patient])
        .await;
    elm.reconcile("1", 1, None).await;
    assert_eq!(main.due().await, [("1".to_owned(), 1)]);
    let due = main.store.due(&main.query(today(), NOW)).await.unwrap();
    assert_eq!(
        due[0].view.members[0].patient.record.first_name.expose(),
        "First1"
    );
    elm.commit(
        vec![Change::Gone(RecordKey::Patient(PatientKey::new("1")))],
        &[],
    )
    .await;
    assert_eq!(
        main.store
            .counts(&main.source, &main.sink)
            .await
            .unwrap()
            .patients,
        1
    );
}

macro_rules! every_store {
    ($($name:ident)*) => {
        mod memory {
            use super::*;
            $(#[tokio::test] async fn $name() { super::$name(Arc::new(MemoryStore::new())).await; })*
        }
        mod sqlite {
            use super::*;
            $(#[tokio::test] async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(Arc::new(SqliteStore::open(folder.path().join("odx.sqlite")).unwrap())).await;
            })*
        }
    };
}

every_store! {
    an_unchanged_record_makes_no_work
    a_change_raises_the_household_and_an_ack_of_the_past_does_not_hide_it
    what_hangs_from_a_patient_may_come_before_the_patient
    a_move_between_households_raises_both
    absence_from_one_listing_proves_nothing_from_two_it_does
    a_sighting_between_two_listings_starts_the_count_again
    a_listing_over_several_pages_counts_as_one
    more_than_the_brake_lets_go_stays
    an_unreadable_row_is_listed_is_not_missing_and_clears_itself
    a_stale_epoch_and_a_wrong_cursor_commit_nothing
    a_household_is_due_on_its_again_day_and_not_before
    a_parked_op_brings_its_household_back_when_its_time_has_come
    a_household_that_departed_is_due_until_it_is_reconciled
    a_walk_with_after_sees_every_household_once
    a_stop_reaches_everyone_with_the_address_and_is_never_lifted
    a_wrong_pairing_is_refused
    a_sink_that_is_added_later_hears_everything
    offices_with_the_same_keys_never_mix
}

#[tokio::test]
async fn sqlite_remembers_after_it_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odx.sqlite");
    let mut b = Bench::new(Arc::new(SqliteStore::open(&path).unwrap())).await;
    b.commit(vec![person("1")], &[RecordKind::Patient]).await;
    let Bench {
        store,
        source,
        sink,
        ..
    } = b;
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    let state = store
        .open_run(&opening(&source, &sink, account("a", IdScheme::Scoped)))
        .await
        .unwrap();
    assert!(state.imported && state.swept_at == Some(NOW) && state.epoch == Epoch(2));
    assert_eq!(store.cursor(&source).await.unwrap(), Some(Cursor::new("1")));
    assert_eq!(store.counts(&source, &sink).await.unwrap().patients, 1);
}

#[test]
fn a_second_opening_of_the_same_file_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odx.sqlite");
    let first = SqliteStore::open(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("another odx process has this state file open"),
        "{error}"
    );
    drop(first);
    SqliteStore::open(&path).unwrap();
}

#[test]
fn a_file_of_a_newer_odx_and_one_of_another_program_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odx.sqlite");
    drop(SqliteStore::open(&path).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 999).unwrap();
    drop(db);
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(error.to_string().contains("newer odx"), "{error}");
    let other = folder.path().join("other.sqlite");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE x (y)")
        .unwrap();
    let error = SqliteStore::open(&other).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    let text = folder.path().join("text.sqlite");
    std::fs::write(
        &text,
        "not a database, but long enough to be looked at ".repeat(50),
    )
    .unwrap();
    let error = SqliteStore::open(&text).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[tokio::test]
async fn stops_stand_in_the_file_as_digests_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odx.sqlite");
    let b = Bench::new(Arc::new(SqliteStore::open(&path).unwrap())).await;
    let target = Target::Phone(Phone::parse("(212) 555-0147").unwrap());
    let stop = Suppression {
        target,
        channel: None,
        reason: "stop".to_owned(),
    };
    b.store
        .suppress(&b.sink, &b.ids(), vec![stop], None)
        .await
        .unwrap();
    drop(b);
    let canaries = odx_core::testkit::Canaries::new(["+12125550147"]);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        canaries.assert_absent("the state file", &String::from_utf8_lossy(&bytes));
    }
}
