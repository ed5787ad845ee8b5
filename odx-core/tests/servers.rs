//! Bad servers against the client that every adapter uses: nothing is told to a
//! server that is not who it says, nothing follows a redirect, nothing an
//! answer does makes memory grow.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use odx_core::http::{Client, ClientSettings, Method, Reply};
use odx_core::{Disposition, Error, ErrorKind, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const SECRET: &str = "tok-77aa-canary";

/// Asks as an adapter does: with a key in a header and a name in the query.
async fn ask(url: &str, settings: ClientSettings) -> Result<Reply> {
    let client = Client::new(settings)?;
    let url = format!("{url}/patients?name=Quetzalcoatl").parse().unwrap();
    let request = client
        .request(Method::POST, url)
        .header("Authorization", SECRET)
        .body("Quetzalcoatl");
    client.send(request).await
}

fn settings() -> ClientSettings {
    ClientSettings::new("odx-test").with_timeout(Duration::from_secs(10))
}

/// It is a failure that passes, and it prints neither name nor key.
fn look(error: &Error, kind: ErrorKind) {
    let text = format!("{error} {error:?} {}", error.chain());
    assert_eq!(error.kind(), kind, "{text}");
    assert_eq!(error.disposition(), Disposition::Retry { after: None });
    for part in [SECRET, "Quetzalcoatl", "/patients"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
}

/// Reads until the blank line after a request's headers.
async fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut some = [0; 1024];
    while !text.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut some).await {
            Ok(n) if n > 0 => text.extend_from_slice(&some[..n]),
            _ => break,
        }
    }
    String::from_utf8(text).unwrap()
}

/// A server that does `answer` with each connection.
async fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn identity(
    name: &str,
    years: (i32, i32),
    issuer: Option<&CertifiedIssuer<'static, KeyPair>>,
) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let cert = match issuer {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Identity {
        chain: vec![cert.der().clone()],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    }
}

/// A TLS server; counts the bytes of requests that it could read.
async fn tls(identity: Identity, heard: &Arc<AtomicUsize>) -> SocketAddr {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let heard = Arc::clone(heard);
    serve(move |stream| {
        let (acceptor, heard) = (acceptor.clone(), Arc::clone(&heard));
        async move {
            // Refused during the handshake: nothing was said.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut some = [0; 4096];
            if let Ok(n) = stream.read(&mut some).await {
                heard.fetch_add(n, Ordering::SeqCst);
                let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                if stream.write_all(answer).await.is_ok() {
                    drop(stream.shutdown().await);
                }
            }
        }
    })
    .await
}

/// A server that knows nothing newer than TLS 1.1: it answers a hello with one
/// of its own, and counts what comes after it.
async fn tls_1_1(heard: &Arc<AtomicUsize>) -> SocketAddr {
    let heard = Arc::clone(heard);
    serve(move |mut stream| {
        let heard = Arc::clone(&heard);
        async move {
            let mut some = [0; 4096];
            let n = stream.read(&mut some).await.unwrap_or_default();
            assert!(n > 5 && some[0] == 0x16, "a handshake comes first");
            let mut hello = vec![0x02, 0, 0, 38, 3, 2];
            hello.extend_from_slice(&[7; 32]);
            hello.extend_from_slice(&[0, 0x00, 0x2f, 0]);
            let length = u8::try_from(hello.len()).unwrap();
            let mut record = vec![0x16, 3, 2, 0, length];
            record.extend(hello);
            if stream.write_all(&record).await.is_err() {
                return;
            }
            // All that may come is an alert: 7 bytes that begin with 0x15.
            while let Ok(n) = stream.read(&mut some).await {
                if n == 0 {
                    return;
                }
                if some[0] != 0x15 {
                    heard.fetch_add(n, Ordering::SeqCst);
                }
            }
        }
    })
    .await
}

/// Whether this process trusts the authority of the test.
const TRUSTS: &str = "ODX_TEST_AUTHORITY";

/// The roots are those of the platform. What a process trusts is decided when it
/// starts, so the test is begun a second time, with an authority of its own.
#[tokio::test]
async fn s6_four_of_four_bad_servers_are_refused_before_a_word_is_said() {
    if std::env::var_os(TRUSTS).is_none() {
        let folder = tempfile::tempdir().unwrap();
        let authority = authority();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, authority.pem()).unwrap();
        let key = folder.path().join("ca.key");
        std::fs::write(&key, authority.key().serialize_pem()).unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "s6_four_of_four_bad_servers_are_refused_before_a_word_is_said",
            ])
            .env(TRUSTS, folder.path())
            .env("SSL_CERT_FILE", &file)
            .env_remove("SSL_CERT_DIR")
            .status()
            .unwrap();
        assert!(status.success(), "see above");
        return;
    }
    let folder = std::path::PathBuf::from(std::env::var_os(TRUSTS).unwrap());
    let key = std::fs::read_to_string(folder.join("ca.key")).unwrap();
    let key = KeyPair::from_pem(&key).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key).unwrap();
    let good = (2020, 2040);

    // A server that is who it says is talked to: the test can tell good from bad.
    let heard = Arc::new(AtomicUsize::new(0));
    let server = tls(identity("localhost", good, Some(&authority)), &heard).await;
    let reply = ask(&format!("https://localhost:{}", server.port()), settings()).await;
    assert_eq!(reply.unwrap().status.as_u16(), 204);
    assert!(heard.swap(0, Ordering::SeqCst) > 0);

    for (what, server) in [
        (
            "self-signed",
            tls(identity("localhost", good, None), &heard).await,
        ),
        (
            "expired",
            tls(
                identity("localhost", (2020, 2021), Some(&authority)),
                &heard,
            )
            .await,
        ),
        (
            "of another name",
            tls(identity("other.example", good, Some(&authority)), &heard).await,
        ),
        ("of tls 1.1", tls_1_1(&heard).await),
    ] {
        let url = format!("https://localhost:{}", server.port());
        let error = ask(&url, settings()).await.unwrap_err();
        look(&error, ErrorKind::Unavailable);
        assert_eq!(
            heard.load(Ordering::SeqCst),
            0,
            "a server {what} heard something"
        );
    }
}

/// A server that counts who comes.
async fn counting() -> (SocketAddr, Arc<AtomicUsize>) {
    let arrived = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&arrived);
    let server = serve(move |_stream| {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    (server, arrived)
}

/// A server that sends everybody elsewhere.
async fn redirecting(status: u16, elsewhere: SocketAddr) -> SocketAddr {
    serve(move |mut stream| async move {
        request(&mut stream).await;
        let answer = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: http://{elsewhere}/\r\nretry-after: 1\r\n\
             refresh: 0; url=http://{elsewhere}/\r\nlink: <http://{elsewhere}/>; rel=preload\r\n\
             content-length: 0\r\n\r\n"
        );
        drop(stream.write_all(answer.as_bytes()).await);
    })
    .await
}

#[tokio::test]
async fn s8_no_redirect_is_followed() {
    let (elsewhere, arrived) = counting().await;
    for status in [301, 302, 303, 307, 308] {
        let server = redirecting(status, elsewhere).await;
        let reply = ask(&format!("http://{server}"), settings()).await.unwrap();
        // The adapter sees the status and says which setting to mend.
        assert_eq!(reply.status.as_u16(), status);
        assert_eq!(arrived.load(Ordering::SeqCst), 0, "{status} was followed");
    }
}

/// Answers with this, then with `more` for ever; counts what was taken.
async fn endless(head: &'static str, more: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let server = serve(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            request(&mut stream).await;
            let mut next = head.as_bytes();
            while stream.write_all(next).await.is_ok() {
                count.fetch_add(next.len(), Ordering::SeqCst);
                next = more;
            }
        }
    })
    .await;
    (server, taken)
}

fn plain() -> reqwest::ClientBuilder {
    // Whoever comes first installs it: the client under test brings its own.
    drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy()
}

/// The broken variants: a client as reqwest makes it by default, without one of
/// the rules, and the same checks. Each must see it.
async fn careless(client: &reqwest::Client, url: &str) -> reqwest::Result<reqwest::Response> {
    client
        .post(format!("{url}/patients?name=Quetzalcoatl"))
        .header("Authorization", SECRET)
        .body("Quetzalcoatl")
        .send()
        .await
}

#[tokio::test]
async fn s8_is_noticed_when_a_client_follows_redirects() {
    for status in [301, 302, 303, 307, 308] {
        let (elsewhere, arrived) = counting().await;
        let server = redirecting(status, elsewhere).await;
        let client = plain().build().unwrap();
        drop(careless(&client, &format!("http://{server}")).await);
        assert_eq!(
            arrived.load(Ordering::SeqCst),
            1,
            "{status} was not noticed"
        );
    }
}

#[tokio::test]
async fn s6_is_noticed_when_a_client_checks_no_certificate_or_no_name() {
    let heard = Arc::new(AtomicUsize::new(0));
    let authority = authority();
    let good = (2020, 2040);
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let unchecked = plain()
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap();
    let nameless = plain()
        .tls_certs_only([root])
        .tls_danger_accept_invalid_hostnames(true)
        .build()
        .unwrap();
    for (what, client, identity) in [
        ("self-signed", &unchecked, identity("localhost", good, None)),
        (
            "expired",
            &unchecked,
            identity("localhost", (2020, 2021), Some(&authority)),
        ),
        (
            "of another name",
            &nameless,
            identity("other.example", good, Some(&authority)),
        ),
    ] {
        let server = tls(identity, &heard).await;
        let url = format!("https://localhost:{}", server.port());
        let reply = careless(client, &url).await.unwrap();
        assert_eq!(reply.status().as_u16(), 204);
        let heard = heard.swap(0, Ordering::SeqCst);
        assert!(
            heard > 0,
            "a server {what} was talked to, and it is not noticed"
        );
    }
}

#[tokio::test]
async fn s8_is_noticed_when_a_client_reads_without_a_bound() {
    let (server, taken) = endless(
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        &[b'x'; 4096],
    )
    .await;
    let client = plain().build().unwrap();
    let mut reply = careless(&client, &format!("http://{server}"))
        .await
        .unwrap();
    // It would go on for ever: the check's bound is passed soon, and that ends the test.
    let bound = (1 << 20) + UNDER_WAY;
    while taken.load(Ordering::SeqCst) < bound {
        assert!(
            reply.chunk().await.unwrap().is_some(),
            "the answer has an end"
        );
    }
}

/// Some is under way when the client hangs up: what sockets hold, not more.
const UNDER_WAY: usize = 16 << 20;

#[tokio::test]
async fn s8_an_answer_without_an_end_is_cut_at_its_bound() {
    static MORE: [u8; 4096 + 8] = {
        let mut chunk = [b'x'; 4096 + 8];
        let size = *b"1000\r\n";
        let mut n = 0;
        while n < 6 {
            chunk[n] = size[n];
            n += 1;
        }
        chunk[4102] = b'\r';
        chunk[4103] = b'\n';
        chunk
    };
    for head in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
    ] {
        let (server, taken) = endless(head, &MORE).await;
        let bound = 1 << 20;
        let error = ask(&format!("http://{server}"), settings().with_max_body(bound))
            .await
            .unwrap_err();
        look(&error, ErrorKind::Protocol);
        assert!(error.to_string().contains("larger than"), "{error}");
        let taken = taken.load(Ordering::SeqCst);
        assert!(taken < bound + UNDER_WAY, "{taken} bytes were taken");
    }
}

#[tokio::test]
async fn s8_headers_without_an_end_are_no_answer() {
    let (server, taken) = endless("HTTP/1.1 200 OK\r\nx: ", &[b'x'; 4096]).await;
    let error = ask(&format!("http://{server}"), settings())
        .await
        .unwrap_err();
    look(&error, ErrorKind::Unavailable);
    let taken = taken.load(Ordering::SeqCst);
    assert!(taken < UNDER_WAY, "{taken} bytes were taken");
}

/// Nothing is asked for compressed and nothing is inflated, whatever the answer
/// says of itself: a thousand to one stays one.
#[tokio::test]
async fn s8_a_compressed_answer_is_not_inflated() {
    let server = serve(|mut stream| async move {
        let asked = request(&mut stream).await.to_ascii_lowercase();
        assert!(!asked.contains("accept-encoding"), "{asked}");
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
                    content-length: 1000\r\n\r\n\u{1f}";
        drop(stream.write_all(head.as_bytes()).await);
        drop(stream.write_all(&[0x8b; 999]).await);
    })
    .await;
    let reply = ask(&format!("http://{server}"), settings()).await.unwrap();
    assert_eq!(reply.body.len(), 1000);
}

#[tokio::test]
async fn s8_a_server_that_dawdles_is_left() {
    for head in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
    ] {
        let server = serve(move |mut stream| async move {
            request(&mut stream).await;
            drop(stream.write_all(head.as_bytes()).await);
            std::future::pending::<()>().await;
        })
        .await;
        let settings = ClientSettings::new("odx-test").with_timeout(Duration::from_millis(200));
        let error = ask(&format!("http://{server}"), settings)
            .await
            .unwrap_err();
        look(&error, ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn s8_an_answer_that_breaks_off_is_no_answer() {
    for (head, kind) in [
        ("", ErrorKind::Unavailable),
        ("no http at all\r\n\r\n", ErrorKind::Unavailable),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            ErrorKind::Protocol,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf",
            ErrorKind::Protocol,
        ),
    ] {
        let server = serve(move |mut stream| async move {
            request(&mut stream).await;
            drop(stream.write_all(head.as_bytes()).await);
        })
        .await;
        let error = ask(&format!("http://{server}"), settings())
            .await
            .unwrap_err();
        look(&error, kind);
    }
}
