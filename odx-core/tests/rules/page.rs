//! Rules 1 and 12: what a page moves, and who may move it.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use odx_core::model::{Record, RecordKind};
use odx_core::sink::CrmSink as _;
use odx_core::source::{Change, Cursor, Page, Position, PracticeSource as _, Swept};
use odx_core::store::{
    AckCommit, Acknowledged, Brake, Departure, Epoch, Opening, PageCommit, SqliteStore, StateStore,
    Tried,
};
use odx_core::{ErrorKind, HouseholdKey, LedgerHash};

use crate::bench::spy::Asked;
use crate::bench::{Bench, Kind, cut_short, noon, store};

const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

fn opening(b: &Bench) -> Opening {
    Opening {
        source: b.source.id().clone(),
        sinks: vec![(b.crm.id().clone(), b.crm.account())],
    }
}

fn page(b: &Bench, epoch: Epoch, from: Option<&str>, to: &str, names: &[&str]) -> PageCommit {
    let people = names
        .iter()
        .map(|key| Record::Patient(b.person(key, "Ana")));
    PageCommit {
        source: b.source.id().clone(),
        epoch,
        from: from.map(Cursor::new),
        page: Page {
            changes: people.map(Change::Upsert).collect(),
            swept: vec![Swept {
                kind: RecordKind::Patient,
            }],
            position: Position::CaughtUp(Cursor::new(to)),
        },
        today: NOW.date_naive(),
        now: NOW,
        brake: Brake::default(),
        delivered: Vec::new(),
    }
}

/// What a page can have changed: the cursor, the records, who is due.
async fn stands(b: &Bench) -> (Option<Cursor>, u64, Vec<String>, Option<DateTime<Utc>>) {
    let source = b.source.id();
    let counts = b.store.counts(source, b.crm.id()).await.unwrap();
    (
        b.store.cursor(source).await.unwrap(),
        counts.patients,
        b.due().await,
        b.store.last_seen(source).await.unwrap().swept_at(),
    )
}

/// SQLite stops in the middle of a page, once at its first row, once at its
/// last, once at the cursor: each time nothing of it has happened.
#[tokio::test]
async fn rule_1_a_cursor_moves_only_with_its_page() {
    for stumble in [
        "BEFORE INSERT ON record WHEN NEW.native = '2'",
        "BEFORE INSERT ON record WHEN NEW.native = '4'",
        "BEFORE UPDATE OF cursor ON source",
        "BEFORE INSERT ON route",
        "BEFORE INSERT ON listing",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odx.sqlite");
        drop(SqliteStore::open(&path).unwrap());
        let other = rusqlite::Connection::open(&path).unwrap();
        other
            .execute_batch(&format!(
                "CREATE TRIGGER stumble {stumble} BEGIN SELECT RAISE(ABORT, 'full'); END"
            ))
            .unwrap();
        let b = Bench::new("main", Arc::new(SqliteStore::open(&path).unwrap()), 1);
        let epoch = b.store.open_run(&opening(&b)).await.unwrap().epoch;
        let before = stands(&b).await;
        let commit = page(&b, epoch, None, "1", &["1", "2", "3", "4"]);
        let error = b.store.commit_page(commit.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State, "{stumble}");
        assert_eq!(stands(&b).await, before, "{stumble}");
        // What was in its way is gone: the same page is taken whole.
        other.execute_batch("DROP TRIGGER stumble").unwrap();
        b.store.commit_page(commit).await.unwrap();
        let (cursor, patients, due, _) = stands(&b).await;
        assert_eq!((cursor, patients), (Some(Cursor::new("1")), 4));
        assert_eq!(due.len(), 4);
    }
}

/// A page that was read from elsewhere than where the feed stands is not taken.
async fn rule_1_a_page_is_taken_only_where_the_feed_stands(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    let epoch = b.store.open_run(&opening(&b)).await.unwrap().epoch;
    let first = page(&b, epoch, None, "1", &["1"]);
    b.store.commit_page(first.clone()).await.unwrap();
    let before = stands(&b).await;
    assert_eq!(before.0, Some(Cursor::new("1")));
    for wrong in [first, page(&b, epoch, Some("0"), "2", &["2"])] {
        let error = b.store.commit_page(wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Superseded);
        assert_eq!(stands(&b).await, before);
    }
}

/// Whatever became of a page, the feed goes on from what was stored, not from
/// what was read.
async fn rule_1_a_page_that_was_not_stored_is_read_again(kind: Kind, folder: &Path) {
    // Three pages of ten rows: by themselves, two and one, all together.
    for (nth, rows_together) in [(1, 1), (2, 1), (3, 1), (1, 15), (2, 15), (1, 1000)] {
        let folder = folder.join(format!("{nth}-{rows_together}"));
        std::fs::create_dir_all(&folder).ok();
        let mut b = Bench::new("main", store(kind, &folder), 1);
        b.rows_together = rows_together;
        b.seed(15);
        b.store.fail(Asked::Page, nth);
        let error = b.try_run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State);
        b.run().await;
        assert_eq!((b.crm.contacts().len(), b.crm.tasks().len()), (15, 15));
    }
}

/// A run that ends anywhere while it reads has read exactly what it stored.
async fn rule_1_a_run_that_ends_while_it_reads_skips_nothing(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(40);
    for polls in 1..60 {
        drop(cut_short(b.try_run(), polls).await);
    }
    // What the last of them still had under way may take the first run over.
    for _ in 0..100 {
        if b.try_run().await.is_ok() {
            break;
        }
    }
    b.run().await;
    assert_eq!((b.crm.contacts().len(), b.crm.tasks().len()), (40, 40));
}

/// Each run opens a new epoch, and nothing that an older one brings is stored.
async fn rule_12_an_older_run_commits_nothing(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    let old = b.store.open_run(&opening(&b)).await.unwrap().epoch;
    b.store
        .commit_page(page(&b, old, None, "1", &["1"]))
        .await
        .unwrap();
    let new = b.store.open_run(&opening(&b)).await.unwrap().epoch;
    assert!(new.0 > old.0, "a new run must open a new epoch");
    let before = stands(&b).await;
    let id = b.contact("1");
    let hash = LedgerHash::from_bytes([7; 16]);
    let departure = |epoch| Departure {
        source: b.source.id().clone(),
        epoch,
        sink: b.crm.id().clone(),
        leaving: vec![(
            HouseholdKey::new("1"),
            vec![Tried {
                external_id: id.clone(),
                hash,
                generation: 1,
            }],
        )],
    };
    let acks = |epoch| AckCommit {
        source: b.source.id().clone(),
        epoch,
        sink: b.crm.id().clone(),
        now: noon(),
        acknowledged: vec![(
            id.clone(),
            Acknowledged {
                hash,
                generation: 1,
                remote_id: None,
                contact: None,
            },
        )],
        parked: Vec::new(),
        cleared: Vec::new(),
        reconciled: vec![(HouseholdKey::new("1"), 1, None)],
        disclosed: Vec::new(),
    };
    let late = [
        b.store
            .commit_page(page(&b, old, Some("1"), "2", &["2"]))
            .await
            .map(drop),
        b.store.restart_feed(b.source.id(), old).await,
        b.store.commit_departure(departure(old)).await,
        b.store.commit_acks(acks(old)).await,
    ];
    for (n, done) in late.into_iter().enumerate() {
        assert_eq!(
            done.unwrap_err().kind(),
            ErrorKind::Superseded,
            "commit {n}"
        );
    }
    assert_eq!(stands(&b).await, before);
    assert_eq!(b.standing(&id).await.acknowledged, None);
    // The new run may do all of it.
    b.store
        .commit_page(page(&b, new, Some("1"), "2", &["2"]))
        .await
        .unwrap();
    b.store.commit_departure(departure(new)).await.unwrap();
    b.store.commit_acks(acks(new)).await.unwrap();
    b.store.restart_feed(b.source.id(), new).await.unwrap();
    assert_eq!(b.due().await, ["2"]);
}

/// A run that was held up while another took over sends nothing any more: what
/// it wanted to send may be older than what the other has sent.
async fn rule_12_a_run_that_was_taken_over_sends_nothing_more(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(1);
    b.run().await;
    b.put("1", "Old");
    b.store.hold();
    let old = b.try_run();
    let new = async {
        // The old run has loaded what it wants to send.
        b.store.held().await;
        b.put("1", "New");
        assert!(b.run().await.complete);
        let writes = b.crm.writes().len();
        b.store.release();
        writes
    };
    let (old, writes) = tokio::join!(old, new);
    assert_eq!(old.unwrap_err().kind(), ErrorKind::Superseded);
    assert_eq!(b.crm.writes().len(), writes, "the old run went on sending");
    assert_eq!(b.name_of("1"), "New");
    assert_eq!(b.run().await.sent, 0);
}

every_store! {
    rule_1_a_page_is_taken_only_where_the_feed_stands
    rule_1_a_page_that_was_not_stored_is_read_again
    rule_1_a_run_that_ends_while_it_reads_skips_nothing
    rule_12_an_older_run_commits_nothing
    rule_12_a_run_that_was_taken_over_sends_nothing_more
}
