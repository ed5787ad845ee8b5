//! The receiver: what is taken in, what is refused and with which status, and
//! that nothing is acknowledged which is not stored.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use odx_core::engine::Shutdown;
use odx_core::http::{Client, ClientSettings, Method};
use odx_core::push::Delivery;
use odx_core::serve::{ServeLimits, listen, serve};
use odx_core::store::{SqliteStore, StateStore};
use odx_core::testkit::Canaries;
use odx_core::{ErrorKind, Secret, SourceId};
use odx_opendental::{Receiver, ReceiverCounts, ReceiverSettings, SYSTEM};
use reqwest::header::AUTHORIZATION;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATH: &str = "Zq8_r2-PfK0aLm91";
const APPOINTMENT: &str = include_str!("fixtures/event.appointment.json");
const SELECTED: &str = include_str!("fixtures/event.patientselected.json");

fn source(office: &str) -> SourceId {
    SourceId::new(SYSTEM, office).unwrap()
}

fn key(office: &str) -> String {
    format!("key-of-{office}")
}

fn settings() -> ReceiverSettings {
    ReceiverSettings::new(Secret::new(PATH))
}

/// Two offices behind one router, mounted in a service with routes of its own.
struct Desk {
    receiver: Receiver,
    store: Arc<SqliteStore>,
    address: SocketAddr,
    client: Client,
    folder: TempDir,
    _shutdown: Shutdown,
}

impl Desk {
    async fn new() -> Self {
        Self::with(settings(), ServeLimits::default()).await
    }

    async fn with(settings: ReceiverSettings, limits: ServeLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("odx.sqlite")).unwrap());
        let offices = ["main", "elm"].map(|office| (source(office), Secret::new(key(office))));
        let receiver = Receiver::new(settings, offices, store.clone()).unwrap();
        let service = Router::new()
            .route("/", axum::routing::get(|| async { "mine" }))
            .nest("/opendental", receiver.router());
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, stop) = Shutdown::new();
        tokio::spawn(serve(listener, service, limits, stop));
        Self {
            receiver,
            store,
            address,
            client: Client::new(ClientSettings::new("test")).unwrap(),
            folder,
            _shutdown: shutdown,
        }
    }

    fn post(&self, rest: &str) -> reqwest::RequestBuilder {
        self.request(Method::POST, &format!("opendental/{rest}"))
    }

    fn request(&self, method: Method, rest: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}/{rest}", self.address);
        self.client.request(method, url.parse().unwrap())
    }

    async fn deliver(&self, office: &str, kind: &str, body: impl Into<reqwest::Body>) -> u16 {
        let request = self.post(&format!("{PATH}/")).body(body);
        let request = request.header(AUTHORIZATION, key(office));
        let answer = request.header("Event-Type", kind).send().await.unwrap();
        answer.status().as_u16()
    }

    async fn inbox(&self, office: &str) -> Vec<Delivery> {
        self.store.inbox(&source(office), 100).await.unwrap()
    }

    async fn kinds(&self) -> Vec<String> {
        let inbox = self.inbox("main").await;
        inbox.iter().map(|one| one.kind().to_owned()).collect()
    }

    fn counts(&self) -> [u64; 5] {
        let ReceiverCounts {
            received,
            repeated,
            refused,
            unusable,
            failed,
            ..
        } = self.receiver.counts();
        [received, repeated, refused, unusable, failed]
    }

    /// What a client that says just this is answered.
    async fn say(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }
}

#[tokio::test]
async fn the_documented_events_are_stored_as_they_came_and_answered_200() {
    let d = Desk::new().await;
    let kind = "WatchTable: Appointment";
    assert_eq!(d.deliver("main", kind, APPOINTMENT).await, 200);
    let kind = "UiEventType: PatientSelected";
    assert_eq!(d.deliver("main", kind, SELECTED).await, 200);
    let inbox = d.inbox("main").await;
    assert_eq!(d.kinds().await, ["Appointment", "PatientSelected"]);
    assert_eq!(inbox[0].body().expose(), APPOINTMENT.as_bytes());
    assert_eq!(inbox[1].body().expose(), SELECTED.as_bytes());
    // The sender's repeats are as welcome as the first.
    let kind = "WatchTable: Appointment";
    assert_eq!(d.deliver("main", kind, APPOINTMENT).await, 200);
    assert_eq!(d.inbox("main").await.len(), 2);
    assert_eq!(d.counts(), [2, 1, 0, 0, 0]);
}

#[tokio::test]
async fn the_key_says_whose_it_is_and_reaches_no_other_inbox() {
    let d = Desk::new().await;
    assert_eq!(d.deliver("main", "Patient", "[{\"PatNum\":1}]").await, 200);
    assert_eq!(d.deliver("elm", "Patient", "[{\"PatNum\":1}]").await, 200);
    assert_eq!(d.deliver("elm", "Patient", "[{\"PatNum\":2}]").await, 200);
    assert_eq!(d.inbox("main").await.len(), 1);
    assert_eq!(d.inbox("elm").await.len(), 2);
    assert_eq!(d.counts(), [3, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_wrong_key_is_401_without_a_word_and_nothing_is_stored() {
    let d = Desk::new().await;
    let good = key("main");
    let wrong = [
        String::new(),
        "key-of-mai".to_owned(),
        format!("{good}x"),
        format!("Bearer {good}"),
        format!("ODFHIR developer/{good}"),
        good.to_uppercase(),
    ];
    for key in &wrong {
        let request = d.post(PATH).header(AUTHORIZATION, key).body("[]");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401, "{key}");
        assert!(answer.headers().get("www-authenticate").is_none());
        assert_eq!(answer.text().await.unwrap(), "");
    }
    assert_eq!(d.post(PATH).body("[]").send().await.unwrap().status(), 401);
    let twice = d.post(PATH).header(AUTHORIZATION, &good);
    let twice = twice.header(AUTHORIZATION, &good).body("[]");
    assert_eq!(twice.send().await.unwrap().status(), 401);
    assert!(d.inbox("main").await.is_empty() && d.inbox("elm").await.is_empty());
    assert_eq!(d.counts(), [0, 0, 8, 0, 0]);
    // Blanks around the key are not part of it.
    let head =
        format!("POST /opendental/{PATH} HTTP/1.1\r\nhost: a\r\nauthorization: \t {good} \t\r\n");
    let text = format!("{head}content-length: 2\r\n\r\n[]");
    assert!(d.say(&text).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_key_is_refused_before_a_byte_of_the_body_is_read() {
    let d = Desk::new().await;
    let head = format!("POST /opendental/{PATH}/ HTTP/1.1\r\nhost: a\r\nauthorization: no\r\n");
    // The body never comes.
    let text = format!("{head}content-length: 1000000\r\n\r\n");
    assert!(d.say(&text).await.starts_with("HTTP/1.1 401"));
    // Whoever asks first is not told to go on.
    let text = format!("{head}expect: 100-continue\r\ncontent-length: 9\r\n\r\n");
    assert!(d.say(&text).await.starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn many_wrong_keys_cost_a_connection_each() {
    let d = Desk::new().await;
    let mut closing = 0;
    for _ in 0..200 {
        let request = d.post(PATH).header(AUTHORIZATION, "wrong").body("[]");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        closing += usize::from(answer.headers().contains_key("connection"));
    }
    assert!(closing >= 100, "only {closing} of 200 were closed");
    assert_eq!(d.counts()[2], 200);
    assert_eq!(d.deliver("main", "Patient", "[]").await, 200);
}

#[tokio::test]
async fn whoever_does_not_know_the_path_finds_nothing() {
    let d = Desk::new().await;
    for rest in [
        "",
        "wrong",
        &PATH[1..],
        &format!("{PATH}x"),
        "a/b",
        "a/b/c/d",
    ] {
        let request = d.post(rest).header(AUTHORIZATION, key("main")).body("[]");
        assert_eq!(request.send().await.unwrap().status(), 404, "{rest}");
    }
    assert_eq!(d.counts(), [0; 5]);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let at = |rest: &str| d.request(method.clone(), &format!("opendental/{rest}"));
        let answer = at(PATH).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.text().await.unwrap(), "");
        assert_eq!(at("wrong").send().await.unwrap().status(), 404);
    }
    // The service around it goes on as ever.
    let own = d.request(Method::GET, "");
    assert_eq!(own.send().await.unwrap().text().await.unwrap(), "mine");
}

#[tokio::test]
async fn with_or_without_a_slash_and_with_the_kind_in_the_url_where_no_header_names_it() {
    let d = Desk::new().await;
    for (n, (rest, kind)) in [
        ("", ""),
        ("/", ""),
        ("/Appointment", "Appointment"),
        ("/patfield/", "PatField"),
        ("?event=AppointmentDeleted", "AppointmentDeleted"),
        ("/?x=1&Event=patient/", "Patient"),
        ("/?event=%2e%2e", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let request = d.post(&format!("{PATH}{rest}"));
        let request = request.header(AUTHORIZATION, key("main"));
        let answer = request.body(format!("[{n}]")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{rest}");
        assert_eq!(d.kinds().await.last().unwrap(), kind, "{rest}");
    }
    // The header knows better than the URL.
    let request = d.post(&format!("{PATH}/Patient/"));
    let request = request.header(AUTHORIZATION, key("main"));
    let request = request.header("event-type", "WatchTable: Schedule");
    let request = request.header("workstation", "MOLLYR").body("[]");
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(d.kinds().await.last().unwrap(), "Schedule");
}

#[tokio::test]
async fn what_is_no_whole_json_is_400_and_not_stored() {
    let d = Desk::new().await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for good in ["[]", "{}", " \n[{}] ", "\u{feff}[1]", &deep] {
        assert_eq!(d.deliver("main", "Patient", good.to_owned()).await, 200);
    }
    let stored = d.inbox("main").await.len();
    for bad in [
        &b""[..],
        b" ",
        b"null",
        b"7",
        b"\"text\"",
        b"<html>",
        b"[{\"PatNum\":1},{\"Pat",
        b"[1] x",
        b"{'a':1}",
        b"[\"\xff\"]",
    ] {
        let status = d.deliver("main", "Patient", bad.to_vec()).await;
        assert_eq!(status, 400, "{}", String::from_utf8_lossy(bad));
    }
    assert_eq!(d.inbox("main").await.len(), stored);
    assert_eq!(d.counts(), [5, 0, 0, 10, 0]);
    // Cut by the connection.
    let head =
        format!("POST /opendental/{PATH}/ HTTP/1.1\r\nhost: a\r\nauthorization: key-of-main\r\n");
    let mut stream = TcpStream::connect(d.address).await.unwrap();
    let text = format!("{head}content-length: 9\r\n\r\n[1]");
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok();
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert_eq!(d.inbox("main").await.len(), stored);
}

#[tokio::test]
async fn a_thousand_rows_fit_and_what_does_not_is_413_declared_or_not() {
    let d = Desk::new().await;
    let row = APPOINTMENT.trim().trim_matches(['[', ']']);
    let rows = |count| format!("[{}]", vec![row; count].join(","));
    let thousand = rows(1000);
    assert!(thousand.len() > 900_000, "{}", thousand.len());
    assert_eq!(
        d.deliver("main", "Appointment", thousand.clone()).await,
        200
    );
    assert_eq!(
        d.inbox("main").await[0].body().expose(),
        thousand.as_bytes()
    );
    let large = rows(10_000);
    assert!(large.len() > 8 << 20);
    assert_eq!(d.deliver("main", "Appointment", large.clone()).await, 413);
    // In pieces, its length not declared.
    let head = format!(
        "POST /opendental/{PATH}/ HTTP/1.1\r\nhost: a\r\nauthorization: key-of-main\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut stream = TcpStream::connect(d.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in large.as_bytes().chunks(60_000) {
        let line = format!("{:x}\r\n", piece.len());
        let all = [line.as_bytes(), piece, b"\r\n"].concat();
        if stream.write_all(&all).await.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_eq!(d.inbox("main").await.len(), 1);
    assert_eq!(d.counts(), [1, 0, 0, 2, 0]);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_408_whoever_notices_first() {
    let soon = Duration::from_millis(50);
    let own = Desk::with(settings().with_body(1000, soon), ServeLimits::default()).await;
    let limits = ServeLimits::default();
    let (head, idle) = (limits.header_time, limits.idle);
    let served = Desk::with(settings(), limits.with_times(head, soon, idle)).await;
    for d in [own, served] {
        let head = format!(
            "POST /opendental/{PATH}/ HTTP/1.1\r\nhost: a\r\nauthorization: key-of-main\r\n"
        );
        let text = format!("{head}content-length: 9\r\n\r\n[1,");
        assert!(d.say(&text).await.starts_with("HTTP/1.1 408"));
        assert_eq!(d.counts(), [0, 0, 0, 1, 0]);
    }
}

#[tokio::test]
async fn where_it_cannot_be_stored_it_is_5xx_until_it_can() {
    let d = Desk::new().await;
    let raw = |sql: &str| {
        let path: PathBuf = d.folder.path().join("odx.sqlite");
        rusqlite::Connection::open(path)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    };
    raw("CREATE TRIGGER full BEFORE INSERT ON inbox BEGIN SELECT RAISE(ABORT, 'full'); END");
    assert_eq!(d.deliver("main", "Patient", "[1]").await, 503);
    assert!(d.inbox("main").await.is_empty());
    raw("DROP TRIGGER full");
    assert_eq!(d.deliver("main", "Patient", "[1]").await, 200);
    assert_eq!(d.counts(), [1, 0, 0, 0, 1]);
}

#[tokio::test]
async fn the_status_of_success_is_a_setting_and_always_a_success() {
    let d = Desk::with(settings().with_status(204), ServeLimits::default()).await;
    assert_eq!(d.deliver("main", "Patient", "[1]").await, 204);
    let made = |settings: ReceiverSettings, offices: Vec<(SourceId, Secret)>| {
        let error = Receiver::new(settings, offices, d.store.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    let office = |name, key: &str| (source(name), Secret::new(key));
    let one = vec![office("main", "k")];
    assert!(made(settings().with_status(301), one.clone()).contains("200"));
    for path in ["", "short", "has/a/slash/in/it", "has blanks in it"] {
        let settings = ReceiverSettings::new(Secret::new(path));
        assert!(made(settings, one.clone()).contains("openssl rand"));
    }
    assert!(made(settings(), vec![]).contains("no office"));
    assert!(made(settings(), vec![office("main", " ")]).contains("customer key"));
    let same = vec![office("main", "k"), office("elm", " k ")];
    assert!(made(settings(), same).contains("same customer key"));
}

#[tokio::test]
async fn nothing_that_is_printed_shows_a_patient_a_key_or_the_path() {
    let d = Desk::new().await;
    d.deliver("main", "PatientSelected", SELECTED).await;
    let text = format!(
        "{:?} {:?} {:?} {}",
        d.receiver,
        settings(),
        d.inbox("main").await,
        serde_json::to_string(&d.receiver.counts()).unwrap()
    );
    Canaries::new(["Harrison", "5552523366", "key-of-main", PATH]).assert_absent("debug", &text);
}
