//! Every kind, reached as odx reaches it: a server that lies, a file that was
//! tampered with, a run that was taken over. Names, numbers and keys are planted
//! in all of them, and nothing that is printed shows one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::engine::Pipeline;
use crate::http::{Client, ClientSettings, Method};
use crate::id::{ExternalIds, IdScheme, OfficeId, SinkId, SourceId};
use crate::model::{Email, Phone, Record};
use crate::policy::{RecallPolicy, RecallSettings, Windows};
use crate::sink::Account;
use crate::source::{Change, Cursor, Page, Position, PracticeSource as _, PullRequest};
use crate::store::{
    Brake, DueQuery, Epoch, MemoryStore, Opening, PageCommit, SqliteStore, StateStore,
};
use crate::testkit::{Canaries, MemorySource, Transcript, patient};

const NAME: &str = "Quetzalcoatl";
const PLANTED: &str = "Quetzalcoatl +15035550187 zyx@canary.example 1987-03-14 tok-77aa";
const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

/// How many kinds there are. A new one does not compile here until it has a
/// number, and is not green until something reaches it.
const KINDS: usize = 11;

/// Its number.
const fn number(kind: ErrorKind) -> usize {
    match kind {
        ErrorKind::Unavailable => 0,
        ErrorKind::RateLimited => 1,
        ErrorKind::Protocol => 2,
        ErrorKind::CursorExpired => 3,
        ErrorKind::Refused => 4,
        ErrorKind::Credentials => 5,
        ErrorKind::Permission => 6,
        ErrorKind::Config => 7,
        ErrorKind::State => 8,
        ErrorKind::Superseded => 9,
        ErrorKind::Bug => 10,
    }
}

#[derive(Default)]
struct Reached(BTreeSet<usize>);

impl Reached {
    /// Checks everything that can be printed of it, and notes its kind.
    fn note(&mut self, what: &str, end: Result<impl Sized>, kind: ErrorKind, halts: bool) {
        let Err(error) = end else {
            panic!("{what}: nothing failed");
        };
        let printed = format!("{error} {error:?} {error:#?} {}", error.chain());
        Canaries::new(PLANTED.split(' ')).assert_absent(what, &printed);
        assert_eq!(error.kind(), kind, "{what}: {printed}");
        let disposition = match halts {
            true => Disposition::Halt,
            false => Disposition::Retry { after: None },
        };
        assert_eq!(error.disposition(), disposition, "{what}: {printed}");
        self.0.insert(number(kind));
    }
}

fn source(database: &str) -> SourceId {
    SourceId::new("t", database).unwrap()
}

fn opening(database: &str, sink: &str, account: &str, scheme: IdScheme) -> Opening {
    let account = Account {
        name: account.to_owned(),
        scheme,
    };
    Opening {
        source: source(database),
        sinks: vec![(SinkId::new("mem", sink).unwrap(), account)],
    }
}

fn page(epoch: Epoch, from: Option<Cursor>) -> PageCommit {
    let mut person = patient("1");
    person.first_name = NAME.to_owned().into();
    person.last_name = NAME.to_owned().into();
    person.mobile = Phone::parse("+15035550187").ok();
    person.email = Email::parse("zyx@canary.example").ok();
    PageCommit {
        source: source("main"),
        epoch,
        from,
        page: Page {
            changes: vec![Change::Upsert(Record::Patient(person))],
            swept: Vec::new(),
            position: Position::CaughtUp(Cursor::new(PLANTED)),
        },
        today: NOW.date_naive(),
        now: NOW,
        brake: Brake::default(),
        delivered: Vec::new(),
    }
}

fn due() -> DueQuery {
    DueQuery {
        source: source("main"),
        sink: SinkId::new("mem", "main").unwrap(),
        ids: ExternalIds::new(source("main"), IdScheme::Scoped),
        today: NOW.date_naive(),
        now: NOW,
        limit: 9,
        after: None,
    }
}

/// A file with the planted patient in it.
async fn filled(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).unwrap();
    let main = opening("main", "main", "a", IdScheme::Scoped);
    let epoch = store.open_run(&main).await.unwrap().epoch;
    store.commit_page(page(epoch, None)).await.unwrap();
    store
}

/// What becomes of a file with the planted patient in which this was done.
async fn tampered(path: &Path, sql: &str) -> Result<()> {
    drop(filled(path).await);
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(sql).unwrap();
    drop(db);
    let store = SqliteStore::open(path)?;
    store.due(&due()).await?;
    store.last_seen(&source("main")).await?;
    Ok(())
}

/// Asks a server that answers so, with a key in a header and a name in the URL.
async fn asked(answer: &'static str, key: &str) -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        if answer.is_empty() {
            return;
        }
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 4096];
        assert!(stream.read(&mut some).await.unwrap() > 0);
        drop(stream.write_all(answer.as_bytes()).await);
        drop(stream.write_all(PLANTED.as_bytes()).await);
    });
    if answer.is_empty() {
        // Nobody listens any more.
        server.await.unwrap();
    }
    let client = Client::new(ClientSettings::new("odx-test").with_max_body(10)).unwrap();
    let url = format!("http://{address}/{NAME}?key=tok-77aa").parse();
    let request = client
        .request(Method::POST, url.unwrap())
        .header("Authorization", key)
        .body(PLANTED);
    client.send(request).await.map(drop)
}

async fn servers(reached: &mut Reached) {
    let key = "tok-77aa";
    for (what, answer, kind) in [
        ("a refused connection", "", ErrorKind::Unavailable),
        (
            "no http",
            "Quetzalcoatl: tok-77aa\r\n\r\n",
            ErrorKind::Unavailable,
        ),
        (
            "a cut answer",
            "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\ntok",
            ErrorKind::Protocol,
        ),
        (
            "an answer that is too large",
            "HTTP/1.1 200 Quetzalcoatl\r\nconnection: close\r\n\r\n",
            ErrorKind::Protocol,
        ),
        (
            "a chunk without a size",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nQuetzalcoatl\r\n",
            ErrorKind::Protocol,
        ),
    ] {
        reached.note(what, asked(answer, key).await, kind, false);
    }
    // A key with a line break in it cannot stand in a header, however often it is tried.
    let end = asked("HTTP/1.1 200 OK\r\n\r\n", "tok-77aa\n").await;
    reached.note("a key that is no header", end, ErrorKind::Config, true);
}

async fn stores(reached: &mut Reached) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (what, sql) in [
        (
            "a body that was cut",
            "UPDATE record SET body = substr(body, 1, length(body) - 9)",
        ),
        (
            "a body of another shape",
            "UPDATE record SET body = CAST('{\"first_name\": [\"Quetzalcoatl\"], \"tok-77aa\": 1}' AS BLOB)",
        ),
        (
            "a body that is text",
            "UPDATE record SET body = CAST('zyx@canary.example' AS BLOB)",
        ),
        (
            "a day outside the calendar",
            "UPDATE record SET changed_on = 9223372036854775807",
        ),
        (
            "a time outside the calendar",
            "UPDATE source SET success_at = 9223372036854775807",
        ),
        (
            "a table that is gone",
            "ALTER TABLE route RENAME TO Quetzalcoatl",
        ),
        ("a newer schema", "PRAGMA user_version = 999"),
        ("a file of another program", "PRAGMA application_id = 77"),
    ] {
        let file = path(&what.replace(' ', "-"));
        reached.note(what, tampered(&file, sql).await, ErrorKind::State, true);
    }
    let first = filled(&path("held")).await;
    let again = SqliteStore::open(path("held"));
    reached.note("a file that is held", again, ErrorKind::State, true);
    drop(first);
    std::fs::write(path("text"), PLANTED.repeat(100)).unwrap();
    let text = SqliteStore::open(path("text"));
    reached.note("a file that is no database", text, ErrorKind::State, true);
    let nowhere = SqliteStore::open(path("nowhere").join(NAME));
    reached.note(
        "a folder that is not there",
        nowhere,
        ErrorKind::State,
        true,
    );
    // All but the first page, which says that it is a database.
    drop(filled(&path("torn")).await);
    let mut bytes = std::fs::read(path("torn")).unwrap();
    let planted = PLANTED.bytes().cycle();
    bytes[4096..]
        .iter_mut()
        .zip(planted)
        .for_each(|(byte, planted)| *byte = planted);
    std::fs::write(path("torn"), bytes).unwrap();
    let torn = async { SqliteStore::open(path("torn"))?.due(&due()).await };
    reached.note("a torn file", torn.await, ErrorKind::State, true);
}

/// What both stores decide, each by itself.
async fn runs(store: Arc<dyn StateStore>, reached: &mut Reached) {
    let main = opening("main", "main", "a", IdScheme::Scoped);
    let stale = store.open_run(&main).await.unwrap().epoch;
    let epoch = store.open_run(&main).await.unwrap().epoch;
    let end = store.commit_page(page(stale, None)).await;
    reached.note("an older run", end, ErrorKind::Superseded, true);
    let elsewhere = Some(Cursor::new(format!("{PLANTED} elsewhere")));
    let end = store.commit_page(page(epoch, elsewhere)).await;
    reached.note("another cursor", end, ErrorKind::Superseded, true);
    for (what, wrong) in [
        (
            "a foreign sink",
            opening("elm", "main", "b", IdScheme::Scoped),
        ),
        (
            "another scheme",
            opening("main", "main", "a", IdScheme::Bare),
        ),
        (
            "bare ids for two",
            opening("elm", "elm", "a", IdScheme::Bare),
        ),
    ] {
        let end = store.open_run(&wrong).await;
        reached.note(what, end, ErrorKind::Config, true);
    }
}

async fn settings(reached: &mut Reached) {
    let config = |reached: &mut Reached, what: &str, end: Result<()>| {
        reached.note(what, end, ErrorKind::Config, true);
    };
    for bad in [PLANTED, "Quetzalcoatl\n", ""] {
        config(
            reached,
            "a source's name",
            SourceId::new("t", bad).map(drop),
        );
        config(reached, "a sink's name", SinkId::new("mem", bad).map(drop));
        config(reached, "an office's name", OfficeId::new(bad).map(drop));
    }
    let windows = Windows {
        due_now_days: 99,
        due_soon_days: 1,
        ..Windows::default()
    };
    let policy = RecallPolicy::new(RecallSettings::default().with_windows(windows));
    config(reached, "windows out of order", policy.map(drop));
    let practice = Arc::new(MemorySource::new(source("main"), 1));
    let pipeline = Pipeline::builder(practice.clone()).build();
    config(reached, "a pipeline without parts", pipeline.map(drop));
    let foreign = PullRequest::after(Some(Cursor::new(PLANTED)));
    let end = practice.pull(foreign).await;
    reached.note("a foreign cursor", end, ErrorKind::CursorExpired, false);
    let store = MemoryStore::new();
    let end = store.commit_page(page(Epoch(1), None)).await;
    reached.note("a run that was not opened", end, ErrorKind::Bug, true);
}

#[tokio::test]
async fn s2_every_kind_is_reached_has_its_disposition_and_quotes_nobody() {
    let transcript = Transcript::begin();
    let mut reached = Reached::default();
    servers(&mut reached).await;
    stores(&mut reached).await;
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(folder.path().join("odx.sqlite")).unwrap();
    runs(Arc::new(file), &mut reached).await;
    runs(Arc::new(MemoryStore::new()), &mut reached).await;
    settings(&mut reached).await;
    // The core has no status 401 and no rate of its own: the adapters reach these over HTTP, each
    // in its `error/tests.rs`, and whatever says them passes the conformance checks.
    reached.0.extend(
        [
            ErrorKind::RateLimited,
            ErrorKind::Refused,
            ErrorKind::Credentials,
            ErrorKind::Permission,
        ]
        .map(number),
    );
    assert_eq!(
        reached.0,
        (0..KINDS).collect(),
        "a kind that nothing reaches"
    );
    Canaries::new(PLANTED.split(' ')).assert_absent("a trace", &transcript.text());
}
