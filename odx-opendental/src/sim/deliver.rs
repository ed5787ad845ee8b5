//! One plain HTTP/1.1 `POST`, written by hand: a library would not send a body that
//! stops half way, or one that never says how long it is.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::net::TcpStream;
use url::Url;

/// What follows the head.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    Whole(&'a [u8]),
    /// Announced whole, sent half, then hung up.
    Half(&'a [u8]),
    /// That many bytes of one JSON text.
    Huge {
        bytes: usize,
        declared: bool,
    },
}

/// A header and its value.
pub(crate) type Header = (&'static str, String);

/// Posts and returns the status answered; `None` when there was no answer. `https` has
/// no answer either: the simulator speaks plain HTTP only.
pub(crate) async fn post(
    url: &str,
    headers: &[Header],
    payload: Payload<'_>,
    patience: Duration,
) -> Option<u16> {
    let url = Url::parse(url).ok()?;
    if url.scheme() != "http" {
        return None;
    }
    tokio::time::timeout(patience, exchange(&url, headers, payload))
        .await
        .ok()
        .flatten()
}

async fn exchange(url: &Url, headers: &[Header], payload: Payload<'_>) -> Option<u16> {
    let host = url.host_str()?;
    let port = url.port_or_known_default()?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, port)).await.ok()?;
    let head = head(url, host, port, headers, payload);
    let writing = async {
        // A receiver may answer and hang up before it has read everything.
        let written = write(&stream, &head, payload).await;
        if matches!(payload, Payload::Half(_)) {
            return;
        }
        drop(written);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        status = status(&stream) => status,
        () = writing => None,
    }
}

fn head(url: &Url, host: &str, port: u16, headers: &[Header], payload: Payload<'_>) -> Vec<u8> {
    let query = url.query().map(|query| format!("?{query}"));
    let mut head = format!(
        "POST {}{} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n",
        url.path(),
        query.unwrap_or_default(),
    );
    let length = match payload {
        Payload::Whole(body) | Payload::Half(body) => Some(body.len()),
        Payload::Huge { bytes, declared } => declared.then_some(bytes),
    };
    match length {
        Some(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
        None => head.push_str("Transfer-Encoding: chunked\r\n"),
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

async fn write(stream: &TcpStream, head: &[u8], payload: Payload<'_>) -> io::Result<()> {
    send(stream, head).await?;
    match payload {
        Payload::Whole(body) => send(stream, body).await,
        Payload::Half(body) => send(stream, body.get(..body.len() / 2).unwrap_or(body)).await,
        Payload::Huge { bytes, declared } => huge(stream, bytes, declared).await,
    }
}

/// One JSON list of blanks.
async fn huge(stream: &TcpStream, bytes: usize, declared: bool) -> io::Result<()> {
    const STEP: usize = 1 << 16;
    let blanks = vec![b' '; STEP];
    let mut left = bytes.saturating_sub(2);
    part(stream, b"[", declared).await?;
    while left > 0 {
        let step = left.min(STEP);
        part(stream, blanks.get(..step).unwrap_or(&blanks), declared).await?;
        left -= step;
    }
    part(stream, b"]", declared).await?;
    if declared {
        return Ok(());
    }
    send(stream, b"0\r\n\r\n").await
}

async fn part(stream: &TcpStream, bytes: &[u8], declared: bool) -> io::Result<()> {
    if declared {
        return send(stream, bytes).await;
    }
    send(stream, format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
    send(stream, bytes).await?;
    send(stream, b"\r\n").await
}

async fn send(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The status of the answer, once its head is complete.
async fn status(stream: &TcpStream) -> Option<u16> {
    const LONGEST_HEAD: usize = 1 << 16;
    let mut head = Vec::new();
    let mut step = [0_u8; 4096];
    loop {
        stream.readable().await.ok()?;
        match stream.try_read(&mut step) {
            Ok(0) => return None,
            Ok(read) => head.extend_from_slice(step.get(..read)?),
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        if head.windows(4).any(|window| window == b"\r\n\r\n") {
            let line = std::str::from_utf8(head.get(..12)?).ok()?;
            return line.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok();
        }
        if head.len() > LONGEST_HEAD {
            return None;
        }
    }
}
