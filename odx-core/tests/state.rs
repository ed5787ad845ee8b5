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
use odx_core::model::{Phone, Record};
use odx_core::sink::{Account, Suppression, Target};
use odx_core::source::{Change, Cursor, Page, Position};
use odx_core::store::{Brake, MemoryStore, Opening, PageCommit, SqliteStore, StateStore};
use odx_core::testkit::conformance::Supported;
use odx_core::testkit::conformance::state::StateHarness;
use odx_core::testkit::patient;
use odx_core::{IdScheme, Result, SinkId, SourceId};
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
    ALTER TABLE parked DROP COLUMN since;";

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
    store.suppress(&sink, vec![stop], None).await.unwrap();
    drop(store);
    let canaries = odx_core::testkit::Canaries::new(["+12125550147"]);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        canaries.assert_absent("the state file", &String::from_utf8_lossy(&bytes));
    }
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
