//! Both stores keep the seam's promises; what only the file promises is below.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use odx_core::effect::Receipt;
use odx_core::model::{Channel, Email, Phone, Record};
use odx_core::outreach::gate::{Decision, Rule, Verdict};
use odx_core::outreach::{Address, Episode, Purpose, Status};
use odx_core::sink::{Account, Suppression, Target};
use odx_core::source::{Change, Cursor, Page, Position};
use odx_core::store::outreach::{About, DecisionRow, Disclosure, Lift, OutreachChange, Replay};
use odx_core::store::{
    AckCommit, Brake, EffectClaim, EffectCommit, EffectState, MemoryStore, Opening, PageCommit,
    SqliteStore, StateStore,
};
use odx_core::testkit::conformance::Supported;
use odx_core::testkit::conformance::state::StateHarness;
use odx_core::testkit::patient;
use odx_core::{
    ExternalId, HouseholdKey, IdScheme, IdempotencyKey, LedgerHash, OutletId, PatientKey, Result,
    SinkId, SourceId,
};
use rusqlite::Connection;
use tempfile::TempDir;

/// Memory that every process of a test shares.
struct InMemory(Arc<MemoryStore>);

#[async_trait]
impl StateHarness for InMemory {
    async fn start() -> Self {
        Self(Arc::default())
    }
    async fn open(&self) -> Result<Arc<dyn StateStore>> {
        Ok(Arc::clone(&self.0) as Arc<dyn StateStore>)
    }
    async fn break_commits(&self) -> Supported {
        Supported::No("memory has no disk to fill: a commit does everything or nothing")
    }
    async fn make_newer(&self) -> Supported {
        Supported::No("state in memory ends with its release")
    }
    async fn edit_disclosure(&self, _number: u64) -> Supported {
        Supported::No("nobody comes to memory behind the store's back")
    }
    async fn delete_disclosure(&self, _number: u64) -> Supported {
        Supported::No("nobody comes to memory behind the store's back")
    }
}

odx_core::state_conformance!(memory, InMemory);

/// A file of its own.
struct InFile(TempDir);

impl InFile {
    fn path(&self) -> PathBuf {
        self.0.path().join("odx.sqlite")
    }

    fn raw(&self, sql: &str) {
        let db = Connection::open(self.path()).unwrap();
        db.execute_batch(sql).unwrap();
    }

    /// Refused as long as the trigger is there, done once it is not.
    fn raw_at_disclosures(&self, sql: &str, trigger: &str) -> Supported {
        let db = Connection::open(self.path()).unwrap();
        let error = db.execute_batch(sql).unwrap_err();
        assert!(
            error.to_string().contains("disclosures are kept"),
            "{error}"
        );
        db.execute_batch(&format!("DROP TRIGGER {trigger}; {sql}"))
            .unwrap();
        Supported::Yes
    }
}

/// Where commits write last, or in the middle.
const BREAKS: [(&str, &str); 4] = [
    ("cursor", "UPDATE OF cursor ON source"),
    ("route", "UPDATE ON route"),
    ("stops", "INSERT ON suppression"),
    ("inbox", "INSERT ON inbox"),
];

#[async_trait]
impl StateHarness for InFile {
    async fn start() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    async fn open(&self) -> Result<Arc<dyn StateStore>> {
        Ok(Arc::new(SqliteStore::open(self.path())?))
    }
    async fn break_commits(&self) -> Supported {
        for (name, event) in BREAKS {
            self.raw(&format!(
                "CREATE TRIGGER broken_{name} BEFORE {event} BEGIN SELECT RAISE(ABORT, 'broken'); END"
            ));
        }
        Supported::Yes
    }
    async fn mend(&self) {
        for (name, _) in BREAKS {
            self.raw(&format!("DROP TRIGGER broken_{name}"));
        }
    }
    async fn make_newer(&self) -> Supported {
        self.raw("PRAGMA user_version = 999");
        Supported::Yes
    }
    async fn edit_disclosure(&self, number: u64) -> Supported {
        let edit = format!("UPDATE audit SET fields = 'first_name' WHERE number = {number}");
        self.raw_at_disclosures(&edit, "audit_fixed")
    }
    async fn delete_disclosure(&self, number: u64) -> Supported {
        let delete = format!("DELETE FROM audit WHERE number = {number}");
        self.raw_at_disclosures(&delete, "audit_kept")
    }
    async fn make_older(&self) -> Supported {
        older(self.open().await.unwrap()).await;
        // What the first schema did not have goes, and the file says it is of the first.
        let first = Connection::open_in_memory().unwrap();
        first.execute_batch(FIRST_SCHEMA).unwrap();
        let kept = tables(&first);
        let db = Connection::open(self.path()).unwrap();
        let later = tables(&db).into_iter().filter(|name| !kept.contains(name));
        let drops: Vec<_> = later.map(|name| format!("DROP TABLE {name};")).collect();
        assert!(!drops.is_empty(), "the schema of today is the first");
        // In any order: the references among them go with them.
        self.raw(&format!(
            "PRAGMA foreign_keys = off; {} {LATER_COLUMNS} PRAGMA user_version = 1;",
            drops.concat()
        ));
        Supported::Yes
    }
}

/// As it was released.
const FIRST_SCHEMA: &str = include_str!("../src/store/sqlite/schema/0001.sql");

/// What later schemas added to its tables.
const LATER_COLUMNS: &str = "ALTER TABLE record DROP COLUMN told; \
    ALTER TABLE sink DROP COLUMN kind; ALTER TABLE sink DROP COLUMN fingerprint; \
    DROP INDEX suppression_digest; \
    ALTER TABLE source DROP COLUMN outreach; ALTER TABLE route DROP COLUMN brought; \
    ALTER TABLE suppression DROP COLUMN lifted_at; ALTER TABLE suppression DROP COLUMN lifted_why; \
    ALTER TABLE parked DROP COLUMN since; ALTER TABLE ledger DROP COLUMN contact;";

fn tables(db: &Connection) -> Vec<String> {
    let mut query = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .unwrap();
    let names = query.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

/// One patient who is due.
async fn older(store: Arc<dyn StateStore>) {
    let source = SourceId::new("t", "main").unwrap();
    let account = Account {
        name: "main".to_owned(),
        scheme: IdScheme::Scoped,
    };
    let opening = Opening {
        source: source.clone(),
        sinks: vec![(SinkId::new("mem", "main").unwrap(), account)],
    };
    let epoch = store.open_run(&opening).await.unwrap().epoch;
    let page = Page {
        changes: vec![Change::Upsert(Record::Patient(patient("1")))],
        swept: Vec::new(),
        position: Position::CaughtUp(Cursor::new("old")),
    };
    let commit = PageCommit {
        source,
        epoch,
        from: None,
        page,
        today: DateTime::<Utc>::UNIX_EPOCH.date_naive(),
        now: DateTime::<Utc>::UNIX_EPOCH,
        brake: Brake::default(),
        delivered: Vec::new(),
    };
    store.commit_page(commit).await.unwrap();
}

odx_core::state_conformance!(sqlite, InFile);

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
fn a_file_of_another_program_and_one_that_is_no_database_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.sqlite");
    Connection::open(&other)
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
    let store = SqliteStore::open(folder.path().join("odx.sqlite")).unwrap();
    let source = SourceId::new("t", "main").unwrap();
    let sink = SinkId::new("mem", "main").unwrap();
    let account = Account {
        name: "a".to_owned(),
        scheme: IdScheme::Scoped,
    };
    let opening = Opening {
        source: source.clone(),
        sinks: vec![(sink.clone(), account)],
    };
    store.open_run(&opening).await.unwrap();
    let stop = Suppression {
        target: Target::Phone(Phone::parse("(212) 555-0147").unwrap()),
        channel: None,
        reason: "stop".to_owned(),
    };
    store
        .suppress(&sink, vec![stop], None, DateTime::UNIX_EPOCH)
        .await
        .unwrap();
    drop(store);
    let canaries = odx_core::testkit::Canaries::new(["+12125550147"]);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        canaries.assert_absent("the state file", &String::from_utf8_lossy(&bytes));
    }
}

/// What stands in the folder of a state, byte for byte, its log included.
fn bytes_of(folder: &std::path::Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    // What readers share is no part of what is stored.
    let stored = |path: &PathBuf| !path.to_string_lossy().ends_with("-shm");
    files.into_iter().filter(stored).map(read).collect()
}

fn decision(at: DateTime<Utc>) -> DecisionRow {
    let facts = serde_json::json!({
        "purpose": "recall", "channel": "sms", "office_enabled": true, "left_out": false,
        "template": true, "status": "active", "gone": false, "hold": false, "minor": false,
        "has_guarantor": false, "suppressed": "keyword_stop", "consent": "granted",
        "crm": "clear", "crm_age_hours": 1, "address": "ok", "last_day": 0, "last_week": 0,
        "cap_free": null, "told": false, "household_until": null, "review_until": null,
        "not_before": null, "expires": null, "refused": false, "content": true,
        "quiet_until": null, "dry_run": true,
    });
    DecisionRow {
        episode: occurrence(),
        channel: Channel::Sms,
        patient: PatientKey::new("41"),
        recipient: Some(PatientKey::new("41")),
        at,
        decision: Decision {
            verdict: Verdict::Deny,
            rule: Some(Rule::Suppressed),
            again: None,
        },
        facts: serde_json::from_value(facts).unwrap(),
    }
}

fn occurrence() -> Episode {
    Episode {
        purpose: Purpose::Recall,
        subject: ExternalId::from_kept("odrecall:main:7"),
        cycle: None,
        segment: None,
    }
}

/// Of somebody who is not in the mirror: bodies of records hold names by design.
#[tokio::test]
async fn s5_whom_a_message_reached_stands_in_the_file_as_digests_only() {
    const NUMBER: &str = "+12125550188";
    const MAIL: &str = "canary.bird@feather.example";
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("odx.sqlite")).unwrap();
    let source = SourceId::new("t", "main").unwrap();
    let (sink, texts) = (
        SinkId::new("mem", "main").unwrap(),
        SinkId::new("texts", "main").unwrap(),
    );
    let account = Account {
        name: "a".to_owned(),
        scheme: IdScheme::Scoped,
    };
    let opening = Opening {
        source: source.clone(),
        sinks: vec![(sink.clone(), account.clone())],
    };
    let epoch = store.open_run(&opening).await.unwrap().epoch;
    let told = store.outreach();
    told.open_gateway(&source, &texts, &account).await.unwrap();
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let number = || Phone::parse(NUMBER).unwrap();
    let mail = || Email::parse(MAIL).unwrap();
    for target in [Target::Phone(number()), Target::Email(mail())] {
        let stop = Suppression {
            target: target.clone(),
            channel: None,
            reason: "keyword_stop".to_owned(),
        };
        store.suppress(&texts, vec![stop], None, now).await.unwrap();
        for channel in [Channel::Sms, Channel::Email] {
            let lift = Lift {
                target: target.clone(),
                channel,
                origin: None,
                keyword_only: true,
                reason: "START".to_owned(),
            };
            told.lift(&source, &lift, now).await.unwrap();
        }
    }
    let outlet = OutletId::new(source.clone(), "texts").unwrap();
    let desk = store.open_outlet(&outlet).await.unwrap();
    for (name, address) in [
        ("a", Address::Phone(number())),
        ("b", Address::Email(mail())),
    ] {
        let key = IdempotencyKey::of_parts(&[name]);
        let claim = EffectClaim {
            outlet: outlet.clone(),
            epoch: desk,
            key: key.clone(),
            after: 0,
            about: Some(About {
                episodes: vec![occurrence()],
                channel: address.channel(),
                patient: PatientKey::new("41"),
                recipient: PatientKey::new("41"),
                household: HouseholdKey::new("41"),
                address: Some(address),
                destination: texts.clone(),
                fields: "first_name,mobile",
            }),
            now,
        };
        assert!(store.claim_effect(claim).await.unwrap());
        let commit = EffectCommit {
            outlet: outlet.clone(),
            epoch: desk,
            key,
            attempt: 1,
            state: EffectState::Done(Receipt::of(name)),
            now,
        };
        store.settle_effect(commit).await.unwrap();
    }
    told.decide(&source, epoch, vec![decision(now)])
        .await
        .unwrap();
    let acks = AckCommit {
        source: source.clone(),
        epoch,
        sink,
        now,
        acknowledged: Vec::new(),
        parked: Vec::new(),
        cleared: Vec::new(),
        reconciled: Vec::new(),
        disclosed: vec![Disclosure {
            external_id: ExternalId::from_kept("odpat:main:subject-canary"),
            kind: "contact",
            fields: "first_name".to_owned(),
            taken: true,
        }],
    };
    store.commit_acks(acks).await.unwrap();
    assert_eq!(told.audit(&source, 0, 9).await.unwrap().len(), 3);
    // Also what is still in the log, and what the log brought into the file.
    let canaries =
        odx_core::testkit::Canaries::new([NUMBER, "2125550188", MAIL, "feather", "subject-canary"]);
    let looked = |when: &str| {
        for (path, bytes) in bytes_of(folder.path()) {
            let text = String::from_utf8_lossy(&bytes);
            canaries.assert_absent(&format!("{} {when}", path.display()), &text);
        }
    };
    looked("while it is open");
    drop(store);
    looked("once it is closed");
}

#[tokio::test]
async fn d14_what_has_not_changed_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("odx.sqlite")).unwrap();
    let source = SourceId::new("t", "main").unwrap();
    let sink = SinkId::new("mem", "main").unwrap();
    let texts = SinkId::new("texts", "main").unwrap();
    let account = Account {
        name: "a".to_owned(),
        scheme: IdScheme::Scoped,
    };
    let opening = Opening {
        source: source.clone(),
        sinks: vec![(sink.clone(), account.clone())],
    };
    let epoch = store.open_run(&opening).await.unwrap().epoch;
    let told = store.outreach();
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let fingerprint = LedgerHash::from_bytes([7; 16]);
    let lift = Lift {
        target: Target::Phone(Phone::parse("(212) 555-0147").unwrap()),
        channel: Channel::Sms,
        origin: None,
        keyword_only: false,
        reason: "nothing to lift".to_owned(),
    };
    let outlet = OutletId::new(source.clone(), "texts").unwrap();
    let pass = async |unmapped: &[&str]| {
        told.open_gateway(&source, &texts, &account).await.unwrap();
        told.look_again(&sink, fingerprint).await.unwrap();
        told.decide(&source, epoch, Vec::new()).await.unwrap();
        let unmapped = unmapped.iter().map(|name| (*name).to_owned()).collect();
        told.note_unmapped(&source, unmapped, now).await.unwrap();
        let live = OutreachChange::GoLive(now);
        told.change_outreach(&source, live).await.unwrap();
        told.keep(&source, "plan", "the same").await.unwrap();
        let lifted = told.lift(&source, &lift, now).await.unwrap();
        let replayed = told.replay(&sink, &Replay::default()).await.unwrap();
        assert_eq!((lifted, replayed), (0, 0));
        let status = Status::Delivered;
        let noted = told.note_status(&outlet, "m1", status, None);
        assert!(!noted.await.unwrap());
        told.token("main|1|sms").await.unwrap();
        told.verify_audit().await.unwrap();
    };
    pass(&["billing:Cash"]).await;
    let before = bytes_of(folder.path());
    assert!(before.len() > 1, "there is no log to look at");
    for unmapped in [&["billing:Cash"][..], &[]] {
        pass(unmapped).await;
        assert!(bytes_of(folder.path()) == before, "something was written");
    }
    told.keep(&source, "plan", "another").await.unwrap();
    assert!(bytes_of(folder.path()) != before, "a write is not seen");
}

/// Also in a state that others have opened: a plan is asked for before a run.
#[tokio::test]
async fn a_source_that_nobody_has_opened_stands_at_the_beginning() {
    let home = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(home.path().join("odx.sqlite")).unwrap();
    let stores: [Arc<dyn StateStore>; 2] = [Arc::new(file), Arc::new(MemoryStore::new())];
    for store in stores {
        let unknown = SourceId::new("pms", "nobody").unwrap();
        assert_eq!(store.cursor(&unknown).await.unwrap(), None);
        let seen = store.last_seen(&unknown).await.unwrap();
        assert_eq!(seen.swept_at(), None);
    }
}
