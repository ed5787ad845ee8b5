//! What the checks share: one source, one sink, pages and acknowledgements.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::StateHarness;
use crate::error::{Error, Result};
use crate::hash::LedgerHash;
use crate::id::{ExternalId, ExternalIds, HouseholdKey, IdScheme, SinkId, SourceId};
use crate::model::{Member, Record, RecordKind};
use crate::sink::Account;
use crate::source::{Change, Cursor, Page, Position, Swept};
use crate::store::{
    AckCommit, Acknowledged, Brake, Departure, Due, DueQuery, Epoch, Hold, Opening, PageCommit,
    PageOutcome, Parked, Standing, StateStore, Tried,
};
use crate::testkit::{patient, recall};

pub(super) const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

pub(super) fn today() -> NaiveDate {
    NOW.date_naive()
}

/// What must work here.
pub(super) fn ok<T>(result: Result<T>) -> T {
    match result {
        Ok(done) => done,
        Err(error) => panic!("nothing is wrong, and yet: {}", error.chain()),
    }
}

/// What must be refused.
pub(super) fn refused<T>(result: Result<T>, what: &str) -> Error {
    match result {
        Ok(_) => panic!("{what} is not refused"),
        Err(error) => error,
    }
}

pub(super) fn sure<T, E>(made: std::result::Result<T, E>) -> T {
    match made {
        Ok(made) => made,
        Err(_) => panic!("the kit made something that odx refuses"),
    }
}

pub(super) fn source(database: &str) -> SourceId {
    sure(SourceId::new("t", database))
}

pub(super) fn sink(office: &str) -> SinkId {
    sure(SinkId::new("mem", office))
}

pub(super) fn account(name: &str, scheme: IdScheme) -> Account {
    Account {
        name: name.to_owned(),
        scheme,
    }
}

pub(super) fn opening(source: &SourceId, sink: &SinkId, account: Account) -> Opening {
    Opening {
        source: source.clone(),
        sinks: vec![(sink.clone(), account)],
    }
}

/// One source that feeds one sink.
pub(super) struct Bench {
    pub(super) store: Arc<dyn StateStore>,
    pub(super) source: SourceId,
    pub(super) sink: SinkId,
    pub(super) epoch: Epoch,
    pub(super) cursor: Option<Cursor>,
    step: u32,
}

impl Bench {
    /// A store of its own place, and a run opened.
    pub(super) async fn new<H: StateHarness>() -> (H, Self) {
        let harness = H::start().await;
        let store = ok(harness.open().await);
        let bench = Self::of(store, "main").await;
        (harness, bench)
    }

    /// A run of this office, from where its feed stands.
    pub(super) async fn of(store: Arc<dyn StateStore>, office: &str) -> Self {
        let (source, sink) = (source(office), sink(office));
        let opening = opening(&source, &sink, account(office, IdScheme::Scoped));
        let state = ok(store.open_run(&opening).await);
        let cursor = ok(store.cursor(&source).await);
        Self {
            store,
            source,
            sink,
            epoch: state.epoch,
            cursor,
            step: 0,
        }
    }

    /// Closes the store and opens it again, as the next process does.
    pub(super) async fn reopen<H: StateHarness>(self, harness: &H) -> Self {
        let office = self.source.database().to_owned();
        drop(self);
        Self::of(ok(harness.open().await), &office).await
    }

    pub(super) fn opening(&self) -> Opening {
        let account = account(self.source.database(), IdScheme::Scoped);
        opening(&self.source, &self.sink, account)
    }

    pub(super) fn ids(&self) -> ExternalIds {
        ExternalIds::new(self.source.clone(), IdScheme::Scoped)
    }

    /// The next page, from where the feed stands.
    pub(super) fn page(&mut self, changes: Vec<Change>, swept: &[RecordKind]) -> PageCommit {
        self.step += 1;
        let place = format!("{}.{}", self.epoch.0, self.step);
        PageCommit {
            source: self.source.clone(),
            epoch: self.epoch,
            from: self.cursor.clone(),
            page: Page {
                changes,
                swept: swept.iter().map(|kind| Swept { kind: *kind }).collect(),
                position: Position::CaughtUp(Cursor::new(place)),
            },
            today: today(),
            now: NOW,
            brake: Brake {
                floor: 3,
                share: 0.5,
            },
            delivered: Vec::new(),
        }
    }

    pub(super) async fn commit(
        &mut self,
        changes: Vec<Change>,
        swept: &[RecordKind],
    ) -> PageOutcome {
        let page = self.page(changes, swept);
        let next = page.page.position.cursor().clone();
        let outcome = ok(self.store.commit_page(page).await);
        self.cursor = Some(next);
        outcome
    }

    pub(super) fn query(&self, today: NaiveDate, now: DateTime<Utc>) -> DueQuery {
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

    pub(super) async fn load(&self, today: NaiveDate, now: DateTime<Utc>) -> Vec<Due> {
        ok(self.store.due(&self.query(today, now)).await)
    }

    /// What is due today: household and generation, by household.
    pub(super) async fn due(&self) -> Vec<(String, u64)> {
        self.due_on(today(), NOW).await
    }

    pub(super) async fn due_on(&self, today: NaiveDate, now: DateTime<Utc>) -> Vec<(String, u64)> {
        let due = self.load(today, now).await;
        let mut due: Vec<_> = due
            .into_iter()
            .map(|due| (due.view.key.native().to_owned(), due.generation))
            .collect();
        due.sort();
        due
    }

    /// A household that is due today.
    pub(super) async fn household(&self, key: &str) -> Due {
        let due = self.load(today(), NOW).await;
        match due.into_iter().find(|due| due.view.key.native() == key) {
            Some(due) => due,
            None => panic!("the household {key} is not due"),
        }
    }

    pub(super) fn acks(&self) -> AckCommit {
        AckCommit {
            source: self.source.clone(),
            epoch: self.epoch,
            sink: self.sink.clone(),
            now: NOW,
            acknowledged: Vec::new(),
            parked: Vec::new(),
            cleared: Vec::new(),
            reconciled: Vec::new(),
            disclosed: Vec::new(),
        }
    }

    pub(super) async fn reconcile(
        &self,
        household: &str,
        generation: u64,
        again: Option<NaiveDate>,
    ) {
        let mut acks = self.acks();
        acks.reconciled
            .push((HouseholdKey::new(household), generation, again));
        ok(self.store.commit_acks(acks).await);
    }

    pub(super) fn departure(&self, household: &str, tried: Vec<Tried>) -> Departure {
        Departure {
            source: self.source.clone(),
            epoch: self.epoch,
            sink: self.sink.clone(),
            leaving: vec![(HouseholdKey::new(household), tried)],
        }
    }

    pub(super) async fn standing(&self, id: &ExternalId) -> Standing {
        let ids = vec![id.clone()];
        let mut standing = ok(self.store.standing(&self.sink, ids).await);
        assert_eq!(standing.len(), 1, "one record has one standing");
        standing.pop().unwrap_or_default()
    }

    /// Patients in the mirror, and records that the sink holds.
    pub(super) async fn counted(&self) -> (u64, u64) {
        let counts = ok(self.store.counts(&self.source, &self.sink).await);
        (counts.patients, counts.acknowledged)
    }
}

pub(super) fn person(key: &str) -> Change {
    Change::Upsert(Record::Patient(patient(key)))
}

pub(super) fn due_recall(key: &str, of: &str) -> Change {
    Change::Upsert(Record::Recall(recall(key, of, Some(today()))))
}

pub(super) fn people(from: u32, to: u32) -> Vec<Change> {
    (from..to).map(|n| person(&n.to_string())).collect()
}

pub(super) fn renamed(key: &str, name: &str) -> Change {
    let mut person = patient(key);
    person.first_name = name.to_owned().into();
    Change::Upsert(Record::Patient(person))
}

pub(super) fn due_visit(key: &str, of: &str) -> Change {
    Change::Upsert(Record::Recall(recall(key, of, Some(today()))))
}

pub(super) fn hash(n: u8) -> LedgerHash {
    LedgerHash::from_bytes([n; 16])
}

pub(super) fn id(native: &str) -> ExternalId {
    ExternalId::from_kept(format!("t:main:{native}"))
}

pub(super) fn acknowledged(n: u8) -> Acknowledged {
    Acknowledged {
        hash: hash(n),
        generation: n.into(),
        remote_id: Some(format!("r{n}")),
        contact: Some(id(&format!("c{n}"))),
    }
}

pub(super) fn tried(native: &str, n: u8) -> Tried {
    Tried {
        external_id: id(native),
        hash: hash(n),
        generation: n.into(),
    }
}

pub(super) fn parked(native: &str, household: &str, hold: Hold) -> Parked {
    Parked {
        external_id: id(native),
        household: HouseholdKey::new(household),
        hash: hash(1),
        generation: 1,
        attempts: 2,
        hold,
        doubtful: true,
        reason: "503".to_owned(),
    }
}

/// The only member of a household.
pub(super) fn only(due: &Due) -> &Member {
    match due.view.members.as_slice() {
        [member] => member,
        members => panic!("{} members where there is one", members.len()),
    }
}
