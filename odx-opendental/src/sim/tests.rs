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
mod model;
mod modes;
mod office;
mod query;
mod receiver;
mod setup;
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
    server: Server,
}

impl Client {
    async fn of(practice: &Practice) -> Self {
        Self::in_mode(practice, Mode::Remote).await
    }

    async fn in_mode(practice: &Practice, mode: Mode) -> Self {
        let server = practice.serve_as(mode).await.unwrap();
        Self {
            address: server.address(),
            headers: format!(
                "Authorization: ODFHIR {}/{}\r\nContent-Type: application/json\r\n",
                practice.developer_key(),
                practice.customer_key()
            ),
            server,
        }
    }

    fn with_headers(mut self, headers: &str) -> Self {
        headers.clone_into(&mut self.headers);
        self
    }

    async fn get(&self, target: &str) -> Got {
        self.send("GET", target, "").await
    }

    async fn post(&self, target: &str, body: &Value) -> Got {
        self.send("POST", target, &body.to_string()).await
    }

    async fn put(&self, target: &str, body: &Value) -> Got {
        self.send("PUT", target, &body.to_string()).await
    }

    async fn delete(&self, target: &str) -> Got {
        self.send("DELETE", target, "").await
    }

    async fn send(&self, method: &str, target: &str, body: &str) -> Got {
        let address = self.address;
        let request = format!(
            "{method} /api/v1{target} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n{}\
             Content-Length: {}\r\n\r\n{body}",
            self.headers,
            body.len()
        );
        tokio::task::spawn_blocking(move || fetch(address, &request))
            .await
            .unwrap()
    }

    /// A `ShortQuery`.
    async fn ask(&self, sql: &str, query: &str) -> Got {
        let body = serde_json::json!({ "SqlCommand": sql }).to_string();
        let target = format!("/queries/ShortQuery{query}");
        self.send("PUT", &target, &body).await
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

fn fetch(address: SocketAddr, request: &str) -> Got {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return Got {
            status: 0,
            head: "refused".to_owned(),
            body: Vec::new(),
        };
    };
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
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
