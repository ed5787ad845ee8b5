//! S7, recipe R12: thousands who are slow, silent, large or wrong, and one good
//! event after the other.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::program::{Home, KEY, ask, connect, delivery, head};

const SLOW: usize = 1_000;
const IDLE: usize = 10_000;
const WRONG: usize = 10_000;
/// Bytes that a slow one sends, one by one, unless it is cut off.
const DRIPS: usize = 20;
/// Growth of the program's memory, in KiB.
const MOST_MEMORY: u64 = 64 << 10;

/// A connection from one of many addresses of this machine; one of them is that
/// of the good sender as well.
async fn from_somewhere(n: usize, address: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    let last = u8::try_from(n % 12).ok()? + 1;
    socket
        .bind((Ipv4Addr::new(127, 0, 0, last), 0).into())
        .ok()?;
    socket.connect(address).await.ok()
}

async fn moment(wait: Duration) {
    // Not for luck: this is how slow they are.
    tokio::time::timeout(wait, std::future::pending::<()>())
        .await
        .ok();
}

/// Says its beginning, then a byte now and then. True: it was cut off.
async fn drip(n: usize, address: SocketAddr, beginning: String) -> bool {
    let Some(mut stream) = from_somewhere(n, address).await else {
        return true;
    };
    if stream.write_all(beginning.as_bytes()).await.is_err() {
        return true;
    }
    let mut answer = [0; 64];
    for _ in 0..DRIPS {
        tokio::select! {
            read = stream.read(&mut answer) => match read {
                Ok(0) | Err(_) => return true,
                Ok(_) => {}
            },
            () = moment(Duration::from_millis(100)) => {
                if stream.write_all(b"x").await.is_err() {
                    return true;
                }
            }
        }
    }
    false
}

async fn slow(address: SocketAddr) -> usize {
    let mut clients = JoinSet::new();
    for n in 0..SLOW {
        let beginning = format!("POST /opendental/{n} HTTP/1.1\r\nhost: a\r\nx");
        clients.spawn(drip(n, address, beginning));
        // Some of them know a key: the crowd is not only strangers.
        let key = if n % 2 == 0 { KEY } else { "wrong" };
        let beginning = head(&format!("authorization: {key}\r\ncontent-length: 1000")) + "[";
        clients.spawn(drip(n + 5, address, beginning));
        if n % 20 == 0 {
            moment(Duration::from_millis(20)).await;
        }
    }
    clients
        .join_all()
        .await
        .into_iter()
        .filter(|cut| *cut)
        .count()
}

/// As many at once as this process may have open, until all have been there.
async fn idle(address: SocketAddr) -> usize {
    let most = descriptors().saturating_sub(4 * SLOW).clamp(200, IDLE);
    let mut there = 0;
    let mut open = Vec::new();
    let mut peak = 0;
    while there < IDLE {
        if open.len() >= most {
            open.drain(..most / 2);
        }
        if let Some(stream) = from_somewhere(there, address).await {
            there += 1;
            open.push(stream);
            peak = peak.max(open.len());
        }
        if there % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    peak
}

/// How many files this process may have open.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok())
        .unwrap_or(1024)
}

/// Wrong keys, as many as are answered.
fn guess(address: SocketAddr) -> usize {
    let mut refused = 0;
    while refused < WRONG {
        let Ok(mut stream) = connect(address) else {
            continue;
        };
        loop {
            let text = head(&format!(
                "authorization: guess{refused}\r\ncontent-length: 2"
            )) + "[]";
            match ask(&mut stream, &text) {
                Ok(status) => {
                    assert_eq!(status, 401);
                    refused += 1;
                }
                Err(_) => break,
            }
            if refused >= WRONG {
                break;
            }
        }
    }
    refused
}

/// Sends a body of 100 MB until somebody stops it. The status, if one arrived.
fn flood(address: SocketAddr, declared: bool) -> Option<u16> {
    let mut stream = connect(address).ok()?;
    let length = if declared {
        "content-length: 100000000"
    } else {
        "transfer-encoding: chunked"
    };
    let head = head(&format!("authorization: {KEY}\r\n{length}"));
    stream.write_all(head.as_bytes()).ok()?;
    let piece = "1,".repeat(50_000);
    let chunk = if declared {
        piece.clone()
    } else {
        format!("{:x}\r\n{piece}\r\n", piece.len())
    };
    for _ in 0..1000 {
        if stream.write_all(chunk.as_bytes()).is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    std::str::from_utf8(&answer[9..]).ok()?.parse().ok()
}

#[derive(Default)]
struct Good {
    sent: usize,
    answered: usize,
    slow: usize,
}

/// Good events, a new connection each, until the crowd has gone.
fn good(address: SocketAddr, gone: &AtomicBool, count: &AtomicUsize) -> Good {
    let pause = Duration::from_millis(50);
    let mut good = Good::default();
    while !gone.load(Ordering::Relaxed) || good.sent < 100 {
        let began = Instant::now();
        let body = format!("[{{\"AptNum\":{}}}]", good.sent);
        let end = connect(address).and_then(|mut stream| ask(&mut stream, &delivery(&body)));
        good.sent += 1;
        if matches!(end, Ok(200)) {
            good.answered += 1;
            count.fetch_add(1, Ordering::Relaxed);
        }
        good.slow += usize::from(began.elapsed() > Duration::from_secs(1));
        let left = pause.saturating_sub(began.elapsed());
        std::thread::park_timeout(left);
    }
    good
}

#[test]
fn s7_a_crowd_of_strangers_keeps_nobody_out_and_costs_no_memory() {
    let home = Home::new();
    let mut program = home.start("");
    let address = program.address;
    let stored = AtomicUsize::new(0);
    let gone = AtomicBool::new(false);
    // Once warm: what it takes for good events is not the crowd's.
    good(address, &AtomicBool::new(true), &stored);
    stored.store(0, Ordering::Relaxed);
    let before = program.memory("VmRSS");
    let (good, cut, held, refused, floods) = std::thread::scope(|scope| {
        let well = scope.spawn(|| good(address, &gone, &stored));
        let strangers = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async { tokio::join!(slow(address), idle(address)) })
        });
        let guesses = scope.spawn(|| guess(address));
        let floods = [true, false].map(|declared| {
            // Whoever is cut off in the crowd tries again.
            (0..20).find_map(|_| flood(address, declared))
        });
        let (cut, held) = strangers.join().unwrap();
        let refused = guesses.join().unwrap();
        gone.store(true, Ordering::Relaxed);
        (well.join().unwrap(), cut, held, refused, floods)
    });
    let growth = program.memory("VmHWM").saturating_sub(before);
    println!(
        "good events: {} of {} answered, {} later than 1 s; slow ones cut off: {cut} of {}; idle ones: {IDLE}, up to \
         {held} at once; wrong keys: {refused}; 100 MB: {floods:?}; memory: {before} KiB, grown by {growth} KiB",
        good.answered,
        good.sent,
        good.slow,
        2 * SLOW
    );
    assert_eq!(floods, [Some(413), Some(413)]);
    assert_eq!(refused, WRONG);
    assert!(good.sent >= 100 && good.answered * 100 >= good.sent * 99);
    assert!(good.slow * 100 <= good.sent, "{} were slow", good.slow);
    assert!(growth < MOST_MEMORY, "it grew by {growth} KiB");
    assert!(cut >= SLOW, "only {cut} were cut off");
    program.kill();
    let there = home.stored().len();
    assert!(
        there >= stored.load(Ordering::Relaxed).max(100),
        "{there} are stored"
    );
}
