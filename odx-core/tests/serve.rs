//! The accept loop: whoever is slow, silent, large or many costs a place for a
//! while, never a place for ever, and never that of somebody who speaks.

#![allow(clippy::unwrap_used, reason = "tests: a panic is the failure")]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use odx_core::ErrorKind;
use odx_core::engine::{Shutdown, Stop};
use odx_core::serve::{ServeLimits, Tls, listen, serve, serve_tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const GOOD: &[u8] = b"POST /in HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok";

fn router() -> Router {
    Router::new()
        .route("/in", post(|body: Bytes| async move { body }))
        .route("/no", post(|| async { StatusCode::UNAUTHORIZED }))
}

/// Limits whose every time comes soon.
fn soon() -> ServeLimits {
    let soon = Duration::from_millis(60);
    ServeLimits::default().with_times(soon, soon, soon)
}

struct Served {
    address: SocketAddr,
    shutdown: Shutdown,
    done: JoinHandle<odx_core::Result<()>>,
}

async fn served(router: Router, limits: ServeLimits) -> Served {
    let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let (shutdown, stop) = Shutdown::new();
    let done = tokio::spawn(serve(listener, router, limits, stop));
    Served {
        address,
        shutdown,
        done,
    }
}

impl Served {
    async fn say(&self, text: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text).await.unwrap();
        stream
    }

    async fn status(&self, text: &[u8]) -> u16 {
        status(&mut self.say(text).await).await.unwrap()
    }
}

/// The status of the next answer. None: closed without one.
async fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(some) => seen.extend_from_slice(buffer.get(..some).unwrap()),
        }
    }
    let text = String::from_utf8_lossy(&seen).into_owned();
    text.split(' ').nth(1)?.parse().ok()
}

/// Whether the other side has closed it without a word.
async fn is_closed_unanswered(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.ok();
    rest.is_empty()
}

#[tokio::test]
async fn a_request_is_answered_and_the_connection_kept() {
    let s = served(router(), ServeLimits::default()).await;
    let mut stream = s.say(GOOD).await;
    assert_eq!(status(&mut stream).await, Some(200));
    stream.write_all(GOOD).await.unwrap();
    assert_eq!(status(&mut stream).await, Some(200));
}

#[tokio::test]
async fn silence_half_a_head_and_an_idle_connection_end_by_themselves() {
    let s = served(router(), soon()).await;
    assert!(is_closed_unanswered(s.say(b"").await).await);
    assert!(is_closed_unanswered(s.say(b"POST /in HTTP/1.1\r\nho").await).await);
    let mut idle = s.say(GOOD).await;
    assert_eq!(status(&mut idle).await, Some(200));
    assert_eq!(status(&mut idle).await, None);
    // A byte now and then buys no time.
    let mut drip = s.say(b"POST").await;
    let mut pieces = 0;
    while drip.write_all(b"x").await.is_ok() && pieces < 10_000 {
        pieces += 1;
        tokio::time::timeout(Duration::from_millis(5), drip.readable())
            .await
            .ok();
    }
    assert!(pieces < 10_000, "a dripping head is never closed");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_told_so_and_ends() {
    let s = served(router(), soon()).await;
    let head = b"POST /in HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf";
    let mut stream = s.say(head).await;
    assert_eq!(status(&mut stream).await, Some(400));
    assert_eq!(status(&mut stream).await, None);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let s = served(router(), ServeLimits::default()).await;
    let long = |length: usize| {
        let filler = "x".repeat(length);
        format!("POST /in HTTP/1.1\r\nhost: a\r\nfiller: {filler}\r\ncontent-length: 2\r\n\r\nok")
    };
    assert_eq!(s.status(long(15_000).as_bytes()).await, 200);
    assert_eq!(s.status(long(17_000).as_bytes()).await, 431);
}

#[tokio::test]
async fn those_who_hold_on_give_way_to_those_who_speak() {
    // Nobody's time comes before the test has ended.
    let limits = ServeLimits::default().with_connections(8, 4);
    let s = served(router(), limits).await;
    let mut kept = s.say(GOOD).await;
    assert_eq!(status(&mut kept).await, Some(200));
    let mut silent = Vec::new();
    for n in 0..100 {
        silent.push(s.say(b"").await);
        silent.push(s.say(b"POST /in HT").await);
        assert_eq!(s.status(GOOD).await, 200, "at the {n}th");
    }
    let mut closed = 0;
    for mut stream in silent {
        let looked = tokio::time::timeout(Duration::from_millis(20), stream.read_u8()).await;
        closed += usize::from(looked.is_ok());
    }
    assert!(closed >= 197, "only {closed} of 200 are closed");
    // Whoever was answered before stays while there are others.
    kept.write_all(GOOD).await.unwrap();
    assert_eq!(status(&mut kept).await, Some(200));
}

#[tokio::test]
async fn where_everybody_is_at_work_the_next_one_is_closed() {
    let go = Arc::new(Notify::new());
    let (busy, ring) = (Arc::clone(&go), Arc::new(Notify::new()));
    let begun = Arc::clone(&ring);
    let slow = Router::new().route(
        "/in",
        post(move || async move {
            begun.notify_one();
            busy.notified().await;
        }),
    );
    let s = served(slow, ServeLimits::default().with_connections(2, 2)).await;
    let mut first = s.say(GOOD).await;
    ring.notified().await;
    let mut second = s.say(GOOD).await;
    ring.notified().await;
    assert_eq!(status(&mut s.say(GOOD).await).await, None);
    go.notify_one();
    go.notify_one();
    assert_eq!(status(&mut first).await, Some(200));
    assert_eq!(status(&mut second).await, Some(200));
}

#[tokio::test]
async fn an_answer_to_what_was_not_read_arrives() {
    let s = served(router(), ServeLimits::default()).await;
    for _ in 0..20 {
        let head = b"POST /no HTTP/1.1\r\nhost: a\r\ncontent-length: 3000000\r\n\r\n";
        let mut stream = s.say(head).await;
        stream.write_all(&vec![b'x'; 3_000_000]).await.unwrap();
        assert_eq!(status(&mut stream).await, Some(401));
    }
}

#[tokio::test]
async fn told_to_stop_it_ends_what_is_under_way_and_nothing_else() {
    let (go, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait, ring) = (Arc::clone(&go), Arc::clone(&begun));
    let slow = Router::new().route(
        "/in",
        post(move || async move {
            ring.notify_one();
            wait.notified().await;
        }),
    );
    let s = served(slow, ServeLimits::default()).await;
    let silent = s.say(b"").await;
    let mut working = s.say(GOOD).await;
    begun.notified().await;
    s.shutdown.stop();
    assert!(is_closed_unanswered(silent).await);
    go.notify_one();
    assert_eq!(status(&mut working).await, Some(200));
    s.done.await.unwrap().unwrap();
    assert!(TcpStream::connect(s.address).await.is_err());
}

#[tokio::test]
async fn told_to_stop_it_does_not_wait_for_ever() {
    let stuck = Router::new().route("/in", post(std::future::pending::<()>));
    let limits = ServeLimits::default().with_grace(Duration::from_millis(50));
    let s = served(stuck, limits).await;
    let working = s.say(GOOD).await;
    s.shutdown.stop();
    s.done.await.unwrap().unwrap();
    assert!(is_closed_unanswered(working).await);
}

#[tokio::test]
async fn plain_http_is_served_on_loopback_only() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let error = serve(listener, router(), ServeLimits::default(), Stop::never())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("configure a certificate"), "{text}");
    let taken = listen(([127, 0, 0, 1], 0).into()).unwrap();
    let error = listen(taken.local_addr().unwrap()).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
}

/// A certificate for localhost and its key, in files.
fn certified(folder: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    (chain, key)
}

#[tokio::test]
async fn with_a_certificate_it_serves_https_and_a_plain_client_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = certified(folder.path());
    let tls = Tls::from_files(&chain, &key).unwrap();
    // Reachable from elsewhere: with TLS that is allowed.
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
    let (_shutdown, stop) = Shutdown::new();
    tokio::spawn(serve_tls(listener, tls, router(), soon(), stop));

    let mut roots = tokio_rustls::rustls::RootCertStore::empty();
    let chain = std::fs::read_to_string(&chain).unwrap();
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    roots
        .add(CertificateDer::from_pem_slice(chain.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(GOOD).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");

    // Neither a handshake that does not begin nor one that is none stays.
    for text in [&b""[..], GOOD] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text).await.unwrap();
        assert_eq!(status(&mut stream).await, None);
    }
}

#[test]
fn a_key_that_others_may_read_and_files_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = certified(folder.path());
    let refused = |chain: &std::path::Path, key: &std::path::Path| {
        let error = Tls::from_files(chain, key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.chain()
    };
    let swapped = refused(&key, &chain);
    assert!(swapped.contains("chmod 600"), "{swapped}");
    assert!(refused(&key, &key).contains("holds no certificate"));
    assert!(refused(&folder.path().join("none.pem"), &key).contains("cannot be read"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(refused(&chain, &key).contains("chmod 600"));
}
