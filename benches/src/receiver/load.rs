//! Senders, as cheap as they can be: they share the machine with the server.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::Failure;

/// Rows as the vendor documents them.
const EVENT: &str = include_str!("../../../odx-opendental/tests/fixtures/event.appointment.json");
/// Stands where each delivery has its number, so that none repeats another.
const NUMBER: &str = "100000000000";

/// So many deliveries of so many rows.
pub(crate) struct Load {
    name: &'static str,
    body: String,
    deliveries: usize,
    senders: usize,
}

/// What a round came to: deliveries a second, milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0}/s, p50 {:.2} ms, p99 {:.2} ms",
            self.rate, self.p50, self.p99
        )
    }
}

/// The round in the middle, each figure by itself.
pub(crate) fn middle(rounds: &[Seen]) -> Seen {
    let of = |figure: fn(&Seen) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    Seen {
        rate: of(|one| one.rate),
        p50: of(|one| one.p50),
        p99: of(|one| one.p99),
    }
}

impl Load {
    pub(crate) fn new(name: &'static str, rows: usize, deliveries: usize, senders: usize) -> Self {
        let row = EVENT.trim().trim_matches(['[', ']']).trim();
        let first = row.replacen("\"AptNum\": 18", &format!("\"AptNum\": {NUMBER}"), 1);
        let mut noise = 1_u32;
        let mut roll = |most: u32| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 8) % most
        };
        // No two rows of an office are alike.
        let rest = (1..rows).map(|_| {
            let words = ["Prophy", "BW4", "PerEx", "Seal", "Crown", "SRP", "Fill"];
            let mut word = || {
                let place = usize::try_from(roll(7)).unwrap_or_default();
                words.get(place).copied().unwrap_or_default()
            };
            let done = format!("{}, {}, {}", word(), word(), word());
            row.replace("\"AptNum\": 18", &format!("\"AptNum\": {}", roll(1 << 24)))
                .replace("\"PatNum\": 17", &format!("\"PatNum\": {}", roll(20_000)))
                .replace("Seal, Seal", &done)
                .replace(
                    "\"Note\": \"\"",
                    &format!("\"Note\": \"{done} {}\"", roll(1000)),
                )
                .replace(
                    "2020-07-31 08:30",
                    &format!(
                        "2026-{:02}-{:02} {:02}:{:02}",
                        1 + roll(12),
                        1 + roll(28),
                        7 + roll(11),
                        roll(12) * 5
                    ),
                )
                .replace(
                    "2021-05-03 08:30:12",
                    &format!(
                        "2026-11-{:02} {:02}:{:02}:{:02}",
                        1 + roll(20),
                        roll(24),
                        roll(60),
                        roll(60)
                    ),
                )
        });
        let rows: Vec<String> = std::iter::once(first).chain(rest).collect();
        Self {
            name,
            body: format!("[{}]", rows.join(",")),
            deliveries,
            senders,
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Sends all of it.
    pub(crate) fn run(&self, address: &str, path: &str, key: &str) -> Result<Seen, Failure> {
        let head = format!(
            "POST /{path} HTTP/1.1\r\nhost: a\r\nauthorization: {key}\r\ncontent-type: application/json\r\n\
             event-type: WatchTable: Appointment\r\ncontent-length: {}\r\n\r\n",
            self.body.len()
        );
        let request = head + &self.body;
        let place = request.find(NUMBER).ok_or("no place for a number")?;
        let each = self.deliveries / self.senders;
        // A few that do not count: both sides warm up.
        let warm = (each / 10).clamp(1, 20);
        let barrier = std::sync::Barrier::new(self.senders + 1);
        let (took, mut times) = std::thread::scope(|scope| -> Result<_, Failure> {
            let senders: Vec<_> = (0..self.senders)
                .map(|sender| {
                    let (barrier, request) = (&barrier, request.clone().into_bytes());
                    let address = address.to_owned();
                    scope.spawn(move || {
                        let mut stream = sender_of(&address, request, place, sender * 1_000_000);
                        for _ in 0..warm {
                            if let Ok(sender) = &mut stream {
                                sender.deliver()?;
                            }
                        }
                        barrier.wait();
                        let mut sender = stream?;
                        (0..each)
                            .map(|_| sender.deliver())
                            .collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            barrier.wait();
            let began = Instant::now();
            let mut times = Vec::new();
            for sender in senders {
                times.extend(sender.join().map_err(|_| "a sender failed")??);
            }
            Ok((began.elapsed(), times))
        })?;
        times.sort();
        let at = |percent: usize| {
            let time = times.get(times.len() * percent / 100).copied();
            time.unwrap_or_default().as_secs_f64() * 1000.0
        };
        let count = u32::try_from(times.len())?;
        Ok(Seen {
            rate: f64::from(count) / took.as_secs_f64(),
            p50: at(50),
            p99: at(99),
        })
    }
}

struct Sender {
    stream: TcpStream,
    request: Vec<u8>,
    place: usize,
    number: usize,
}

fn sender_of(
    address: &str,
    request: Vec<u8>,
    place: usize,
    number: usize,
) -> Result<Sender, Failure> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(Sender {
        stream,
        request,
        place,
        number,
    })
}

impl Sender {
    /// How long it took until it was answered with 200.
    fn deliver(&mut self) -> Result<Duration, Failure> {
        self.number += 1;
        let digits = format!("{:0width$}", self.number, width = NUMBER.len());
        // A JSON number has no leading zero.
        let digits = digits.replacen('0', "1", 1);
        if let Some(place) = self.request.get_mut(self.place..self.place + NUMBER.len()) {
            place.copy_from_slice(digits.as_bytes());
        }
        let began = Instant::now();
        self.stream.write_all(&self.request)?;
        let mut answer = [0; 1024];
        let mut length = 0;
        loop {
            let rest = answer.get_mut(length..).ok_or("a long answer")?;
            let read = self.stream.read(rest)?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            length += read;
            let seen = answer.get(..length).unwrap_or_default();
            if seen.ends_with(b"\r\n\r\n") {
                let good = seen.starts_with(b"HTTP/1.1 200");
                return if good {
                    Ok(began.elapsed())
                } else {
                    Err("not answered with 200".into())
                };
            }
        }
    }
}
