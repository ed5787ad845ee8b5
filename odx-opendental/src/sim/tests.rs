//! The simulator against the vendor's printed examples, and against its own promises.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::*;

mod events;
mod faults;
mod fixtures;
mod forged;
mod office;
mod receiver;
mod shapes_written;
mod subscriptions;
mod windows;
mod writes;
mod writes_refused;

/// What came over the wire; status 0 when nothing did.
#[derive(Clone, Debug)]
struct Got {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn rows(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json().as_array().unwrap().clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    }
}

/// A client of the standard library, so that the tests need no other.
struct Client {
    address: SocketAddr,
    headers: String,
    _server: Server,
}

impl Client {
    async fn of(practice: &Practice) -> Self {
        let server = practice.serve().await.unwrap();
        Self {
            address: server.address(),
            headers: format!(
                "Authorization: ODFHIR {}/{}\r\nContent-Type: application/json\r\n",
                practice.developer_key(),
                practice.customer_key()
            ),
            _server: server,
        }
    }

    fn with_headers(mut self, headers: &str) -> Self {
        headers.clone_into(&mut self.headers);
        self
    }

    async fn get(&self, target: &str) -> Got {
        self.ask("GET", target, String::new()).await
    }

    async fn post(&self, target: &str, body: &Value) -> Got {
        self.ask("POST", target, body.to_string()).await
    }

    async fn put(&self, target: &str, body: &Value) -> Got {
        self.ask("PUT", target, body.to_string()).await
    }

    async fn delete(&self, target: &str) -> Got {
        self.ask("DELETE", target, String::new()).await
    }

    async fn ask(&self, method: &'static str, target: &str, body: String) -> Got {
        let (address, headers) = (self.address, self.headers.clone());
        let target = target.to_owned();
        tokio::task::spawn_blocking(move || fetch(address, &headers, method, &target, &body))
            .await
            .unwrap()
    }

    /// Pages until a short page, the vendor's recipe.
    async fn all(&self, target: &str, page: usize) -> Vec<Value> {
        let mut rows = Vec::new();
        loop {
            let mark = if target.contains('?') { '&' } else { '?' };
            let got = self
                .get(&format!("{target}{mark}Offset={}", rows.len()))
                .await;
            let next = got.rows();
            let short = next.len() < page;
            rows.extend(next);
            if short {
                return rows;
            }
        }
    }
}

fn fetch(address: SocketAddr, headers: &str, method: &str, target: &str, body: &str) -> Got {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(
        stream,
        "{method} /api/v1{target} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut all = Vec::new();
    // A reset ends the reading with an error; what came before counts.
    drop(stream.read_to_end(&mut all));
    let Some(end) = all.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Got {
            status: 0,
            head: String::new(),
            body: all,
        };
    };
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    Got {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: all[end + 4..].to_vec(),
        head,
    }
}

fn practice(seed: u64) -> Practice {
    Practice::builder(seed).build().unwrap()
}

fn key(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap()
}

fn keys(rows: &[Value], name: &str) -> Vec<i64> {
    rows.iter().map(|row| key(row, name)).collect()
}
