//! A state file that odx wrote before opt-outs were records is used as it is,
//! and a kind that nobody knows is never taken for another.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::path::Path;

use chrono::{DateTime, Utc};
use odx_core::model::{Channel, ConsentState, Member, Record, RecordKind};
use odx_core::sink::Account;
use odx_core::source::{Change, Cursor, Page, Position};
use odx_core::store::{
    Brake, DueQuery, Epoch, Opening, PageCommit, PageOutcome, SqliteStore, StateStore,
};
use odx_core::testkit::{opt_out, reminder};
use odx_core::{ErrorKind, ExternalId, ExternalIds, IdScheme, SinkId, SourceId};
use rusqlite::Connection;

const BEFORE: &str = include_str!("fixtures/state_before_opt_outs.sql");
const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

fn source() -> SourceId {
    SourceId::new("t", "main").unwrap()
}

fn sink() -> SinkId {
    SinkId::new("mem", "main").unwrap()
}

fn written(path: &Path, more: &str) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(BEFORE).unwrap();
    db.execute_batch(more).unwrap();
}

async fn open(store: &SqliteStore) -> Epoch {
    let account = Account {
        name: "main".to_owned(),
        scheme: IdScheme::Scoped,
    };
    let opening = Opening {
        source: source(),
        sinks: vec![(sink(), account)],
    };
    store.open_run(&opening).await.unwrap().epoch
}

async fn commit(store: &SqliteStore, epoch: Epoch, change: Change) -> PageOutcome {
    let from = store.cursor(&source()).await.unwrap();
    let page = Page {
        changes: vec![change],
        swept: Vec::new(),
        position: Position::CaughtUp(Cursor::new("new")),
    };
    let commit = PageCommit {
        source: source(),
        epoch,
        from,
        page,
        today: NOW.date_naive(),
        now: NOW,
        brake: Brake::default(),
        delivered: Vec::new(),
    };
    store.commit_page(commit).await.unwrap()
}

fn query() -> DueQuery {
    DueQuery {
        source: source(),
        sink: sink(),
        ids: ExternalIds::new(source(), IdScheme::Scoped),
        today: NOW.date_naive(),
        now: NOW,
        limit: 100,
        after: None,
    }
}

async fn members(store: &SqliteStore) -> Vec<Member> {
    let due = store.due(&query()).await.unwrap();
    due.into_iter().flat_map(|due| due.view.members).collect()
}

#[tokio::test]
async fn a_state_file_from_before_opt_outs_opens_and_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odx.sqlite");
    written(&path, "");
    let store = SqliteStore::open(&path).unwrap();
    let epoch = open(&store).await;
    let counts = store.counts(&source(), &sink()).await.unwrap();
    let sizes = (counts.patients, counts.recalls, counts.appointments);
    assert_eq!((sizes, counts.opt_outs), ((2, 2, 1), 0));
    assert_eq!(counts.acknowledged, 1);
    // What was due is due, what was reconciled is not, and nobody is listed who never was.
    let there = members(&store).await;
    assert_eq!(there.len(), 1);
    assert_eq!(there[0].patient.record.key.native(), "2");
    assert_eq!(there[0].consent(Channel::Sms), ConsentState::Granted);
    let seen = store.last_seen(&source()).await.unwrap();
    assert_eq!(seen.listed.len(), 3);
    assert_eq!(seen.swept_at(), Some(NOW));
    // An opt-out of somebody who was settled long ago is news.
    let no = Change::Upsert(Record::OptOut(opt_out("1", &[Channel::Sms])));
    assert_eq!(commit(&store, epoch, no.clone()).await.changed, 1);
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    let epoch = open(&store).await;
    assert_eq!(commit(&store, epoch, no).await.unchanged, 1);
    let there = members(&store).await;
    assert_eq!(there.len(), 2);
    assert_eq!(there[0].consent(Channel::Sms), ConsentState::Denied);
    assert_eq!(
        (there[0].recalls.len(), there[0].appointments.len()),
        (1, 1)
    );
    let counts = store.counts(&source(), &sink()).await.unwrap();
    let sizes = (counts.patients, counts.recalls, counts.appointments);
    assert_eq!((sizes, counts.opt_outs), ((2, 2, 1), 1));
    let id = vec![ExternalId::from_kept("t:main:1")];
    let standing = store.standing(&sink(), id).await.unwrap();
    assert!(standing[0].acknowledged.is_some());
}

/// It was set aside by the end of the last run, and household `1` was brought
/// there; neither stood in the file.
#[tokio::test]
async fn what_was_set_aside_and_brought_before_is_known_since_the_last_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odx.sqlite");
    let more = "INSERT INTO parked VALUES \
                (1, 't:main:2', '2', x'01010101010101010101010101010101', 1, 5, 1, NULL, 0, 'no'); \
                INSERT INTO run (source, at, report) VALUES (1, 1000, '{}'), (1, 5000, '{}');";
    written(&path, more);
    let store = SqliteStore::open(&path).unwrap();
    let aside = store.outreach().aside(&sink(), 9).await.unwrap();
    let since = DateTime::<Utc>::from_timestamp_millis(5000).unwrap();
    assert_eq!((aside.len(), aside[0].since), (1, since));
    let progress = store.outreach().progress(&sink()).await.unwrap();
    assert_eq!((progress.done, progress.all), (1, 2));
}

#[tokio::test]
async fn a_kind_of_record_that_is_not_known_is_refused_and_never_another_kind() {
    let record = "INSERT INTO record (source, kind, native, parent, hash, changed_on, body) \
                  SELECT source, 99, 'x', '2', hash, changed_on, body FROM record WHERE native = 'a1'";
    let listing = "INSERT INTO listing (source, kind, live, swept_at) VALUES (1, 99, 7, 0)";
    for (wrong, in_listing) in [(record, false), (listing, true)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odx.sqlite");
        written(&path, wrong);
        let store = SqliteStore::open(&path).unwrap();
        let error = match in_listing {
            false => store.due(&query()).await.unwrap_err(),
            true => store.counts(&source(), &sink()).await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::State);
        let text = error.to_string();
        assert!(text.contains("a kind of record"), "{text}");
        assert!(text.contains("move it aside"), "{text}");
    }
}

#[test]
fn the_number_of_a_kind_never_changes() {
    let codes = RecordKind::ALL.map(|kind| (kind.code(), kind.plural()));
    let kept = [
        (0, "patients"),
        (1, "recalls"),
        (2, "appointments"),
        (3, "opt-outs"),
        (4, "reminders"),
    ];
    assert_eq!(codes, kept);
}

#[tokio::test]
async fn a_state_file_from_before_reminders_takes_them_and_lets_them_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odx.sqlite");
    written(&path, "");
    let store = SqliteStore::open(&path).unwrap();
    let epoch = open(&store).await;
    let reminders = async |store: &SqliteStore| {
        let counts = store.counts(&source(), &sink()).await.unwrap();
        counts.reminders
    };
    assert_eq!(reminders(&store).await, 0);
    let sent = reminder("1", "1", NOW.naive_utc());
    let sent = Change::Upsert(Record::Reminder(sent));
    assert_eq!(commit(&store, epoch, sent).await.changed, 1);
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    open(&store).await;
    assert_eq!(reminders(&store).await, 1);
    let there = members(&store).await;
    assert_eq!(there.len(), 2);
    assert_eq!(there[0].reminders[0].key.native(), "1");
    // Nobody has to list them.
    let seen = store.last_seen(&source()).await.unwrap();
    assert_eq!(seen.swept_at(), Some(NOW));
}
