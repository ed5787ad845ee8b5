//! A practice that can be told something, over real sockets, and whose answers
//! get lost in every way there is.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of tests: what is wrong here must fail loudly"
)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What becomes of the next write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The connection breaks before the office has seen it.
    ResetBefore,
    /// The connection breaks after it was written.
    ReplyLost,
    /// Half of the answer arrives.
    ReplyCut,
    /// The relay gives up, and the office writes it all the same.
    GatewayAfter,
    /// The relay gives up, and nothing was written.
    GatewayBefore,
    /// The relay says that the office is offline, and it is.
    OfflineBefore,
    /// The relay says that the office is offline, and it was not.
    OfflineAfter,
    /// A 400 in words nobody knows.
    OddBefore,
    /// Too fast, and not written.
    Throttled,
    /// It is written and never answered: the process ends meanwhile.
    HangsAfter,
    /// It is never written and never answered: the process ends meanwhile.
    HangsBefore,
}

impl Fault {
    pub(crate) const ALL: [Self; 12] = [
        Self::None,
        Self::ResetBefore,
        Self::ReplyLost,
        Self::ReplyCut,
        Self::GatewayAfter,
        Self::GatewayBefore,
        Self::OfflineBefore,
        Self::OfflineAfter,
        Self::OddBefore,
        Self::Throttled,
        Self::HangsAfter,
        Self::HangsBefore,
    ];

    const fn takes_effect(self) -> bool {
        matches!(
            self,
            Self::None
                | Self::ReplyLost
                | Self::ReplyCut
                | Self::GatewayAfter
                | Self::OfflineAfter
                | Self::HangsAfter
        )
    }
}

#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query, without the common start.
    pub(crate) path: String,
    pub(crate) body: Value,
}

#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) commlogs: Vec<Value>,
    pub(crate) recalls: Vec<Value>,
    pub(crate) appointments: Vec<Value>,
    pub(crate) patfields: Vec<Value>,
    pub(crate) definitions: Vec<Value>,
    /// Writes that took effect.
    pub(crate) written: usize,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) asked: Vec<Asked>,
    /// What lists are answered with instead.
    pub(crate) lists_say: Option<(u16, &'static str)>,
    /// What writes are answered with instead.
    pub(crate) writes_say: Option<(u16, &'static str)>,
}

pub(crate) struct Desk {
    pub(crate) rows: Arc<Mutex<Rows>>,
    /// A write hangs.
    pub(crate) hangs: Arc<Notify>,
    url: String,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn page(rows: &[Value], query: &str, cap: usize) -> Value {
    let of = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    let patient = of("PatNum").map(|text| text.parse::<i64>().unwrap());
    let category = of("Category").map(|text| text.parse::<i64>().unwrap());
    let offset = of("Offset").map_or(0, |text| text.parse().unwrap());
    rows.iter()
        .filter(|row| patient.is_none_or(|number| row["PatNum"] == number))
        .filter(|row| category.is_none_or(|number| row["Category"] == number))
        .skip(offset)
        .take(cap)
        .cloned()
        .collect()
}

impl Rows {
    /// An office with a bit of everything.
    fn seed(&mut self) {
        let def = |num, category, value: &str, hidden: &str| {
            json!({"DefNum": num, "ItemName": "Name", "ItemValue": value, "Category": category,
                "isHidden": hidden})
        };
        self.definitions = vec![
            def(235, 27, "APPT", "false"),
            def(240, 27, "RECALL", "true"),
            def(241, 27, "RECALL", "false"),
            def(239, 27, "MISC", "false"),
            def(312, 13, "", "false"),
            def(209, 2, "", "false"),
            def(210, 2, "", "true"),
        ];
        self.recalls = vec![
            json!({"RecallNum": 7, "PatNum": 15, "RecallTypeNum": 1, "RecallStatus": 0}),
            json!({"RecallNum": 8, "PatNum": 15, "RecallTypeNum": 2, "RecallStatus": 312}),
        ];
        self.appointments = vec![json!({"AptNum": 34, "PatNum": 15, "Confirmed": 19})];
        self.patfields = vec![
            json!({"PatFieldNum": 5, "PatNum": 15, "FieldName": "ins verified", "FieldValue": "Yes"}),
            json!({"PatFieldNum": 29, "PatNum": 15, "FieldName": "Ins Verified", "FieldValue": "No"}),
        ];
        // More than a page of what others wrote.
        self.commlogs = (1..=130)
            .map(|n| json!({"CommlogNum": n, "PatNum": 15, "Note": format!("call {n} [odx:0]")}))
            .collect();
    }

    /// Writes it down.
    fn write(&mut self, method: &str, path: &str, body: &Value) -> (u16, String) {
        self.written += 1;
        let parts: Vec<_> = path.split('/').collect();
        match (method, parts.as_slice()) {
            ("POST", ["commlogs"]) => {
                let mut row = body.clone();
                row["CommlogNum"] = json!(self.commlogs.len() + 1);
                self.commlogs.push(row.clone());
                (201, row.to_string())
            }
            ("PUT", ["recalls", "Status"]) => {
                let number = self.commlogs.len() + 1;
                let note = body["commlogNote"].clone();
                let row = json!({"CommlogNum": number, "PatNum": body["PatNum"], "Note": note});
                self.commlogs.push(row);
                self.recalls[0]["RecallStatus"] = body["RecallStatus"].clone();
                (200, String::new())
            }
            ("PUT", ["recalls", "7"]) => {
                self.recalls[0]["RecallStatus"] = body["RecallStatus"].clone();
                (200, self.recalls[0].to_string())
            }
            ("PUT", ["appointments", "34", "Confirm"]) => {
                self.appointments[0]["Confirmed"] = body["defNum"].clone();
                (200, String::new())
            }
            ("PUT", ["patfields"]) => {
                let name = &body["FieldName"];
                let row = self.patfields.iter_mut();
                let row = row
                    .into_iter()
                    .find(|row| row["FieldName"] == *name)
                    .unwrap();
                row["FieldValue"] = body["FieldValue"].clone();
                (200, row.to_string())
            }
            _ => {
                self.written -= 1;
                (404, "\"Not found\"".to_owned())
            }
        }
    }

    fn read(&self, path: &str, query: &str) -> (u16, String) {
        if let Some((status, body)) = self.lists_say {
            return (status, body.to_owned());
        }
        let rows = match path {
            "commlogs" => page(&self.commlogs, query, 100),
            "recalls" => page(&self.recalls, query, 100),
            "patfields" => page(&self.patfields, query, 100),
            "definitions" => page(&self.definitions, query, 100),
            "recalltypes" => json!([{"RecallTypeNum": 1, "Description": "Prophy"}]),
            "appointments/34" => self.appointments[0].clone(),
            "securityperms" | "clinics" | "providers" | "preferences" => json!([]),
            _ => return (404, String::new()),
        };
        (200, rows.to_string())
    }
}

async fn request(peer: &mut TcpStream) -> Option<(String, String, Value)> {
    let mut bytes = Vec::new();
    let head = loop {
        let mut some = [0; 4096];
        let read = peer.read(&mut some).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&some[..read]);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let length = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.parse::<usize>().unwrap());
    while bytes.len() < head + length {
        let mut some = [0; 4096];
        let read = peer.read(&mut some).await.ok()?;
        bytes.extend_from_slice(&some[..read]);
    }
    let mut words = text.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let body = serde_json::from_slice(&bytes[head..]).unwrap_or(Value::Null);
    let path = target.trim_start_matches("/api/v1/").to_owned();
    Some((method.to_owned(), path, body))
}

async fn answer(peer: &mut TcpStream, status: u16, body: &str, promised: usize) {
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-length: {promised}\r\nconnection: close\r\n\r\n");
    let all = [head.as_bytes(), body.as_bytes()].concat();
    // Who does not listen any more has hung up.
    let _gone = peer.write_all(&all).await;
    let _gone = peer.shutdown().await;
}

async fn serve(mut peer: TcpStream, rows: Arc<Mutex<Rows>>, hangs: Arc<Notify>) {
    const OFFLINE: &str = "\"The office's eConnector is not running.\"";
    let Some((method, target, body)) = request(&mut peer).await else {
        return;
    };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (status, text, fault) = {
        let mut rows = rows.lock().unwrap();
        rows.asked.push(Asked {
            method: method.clone(),
            path: target.clone(),
            body: body.clone(),
        });
        if method == "GET" {
            let (status, text) = rows.read(path, query);
            (status, text, Fault::None)
        } else if let Some((status, text)) = rows.writes_say {
            (status, text.to_owned(), Fault::None)
        } else {
            let fault = rows.faults.pop_front().unwrap_or(Fault::None);
            let (status, text) = match fault.takes_effect() {
                true => rows.write(&method, path, &body),
                false => (0, String::new()),
            };
            (status, text, fault)
        }
    };
    match fault {
        Fault::None => answer(&mut peer, status, &text, text.len()).await,
        Fault::ResetBefore | Fault::ReplyLost => {}
        Fault::ReplyCut => answer(&mut peer, status, &text, text.len() + 100).await,
        Fault::GatewayAfter | Fault::GatewayBefore => answer(&mut peer, 504, "", 0).await,
        Fault::OfflineBefore | Fault::OfflineAfter => {
            answer(&mut peer, 400, OFFLINE, OFFLINE.len()).await;
        }
        Fault::OddBefore => answer(&mut peer, 400, "\"Hm\"", 4).await,
        Fault::Throttled => answer(&mut peer, 429, "", 0).await,
        Fault::HangsAfter | Fault::HangsBefore => {
            hangs.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1", socket.local_addr().unwrap());
        let rows = Arc::new(Mutex::new(Rows::default()));
        rows.lock().unwrap().seed();
        let hangs = Arc::new(Notify::new());
        let (shared, hung) = (Arc::clone(&rows), Arc::clone(&hangs));
        let server = tokio::spawn(async move {
            let mut peers = tokio::task::JoinSet::new();
            while let Ok((peer, _)) = socket.accept().await {
                peers.spawn(serve(peer, Arc::clone(&shared), Arc::clone(&hung)));
            }
        });
        Self {
            rows,
            hangs,
            url,
            server,
        }
    }

    pub(crate) fn url(&self) -> url::Url {
        self.url.parse().unwrap()
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Rows) -> T) -> T {
        work(&mut self.rows.lock().unwrap())
    }

    /// Method and path of every request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.with(|rows| {
            let asked = rows.asked.iter();
            asked
                .map(|one| format!("{} {}", one.method, one.path))
                .collect()
        })
    }

    /// How many writes arrived, whatever became of them.
    pub(crate) fn writes(&self) -> usize {
        let asked = self.asked();
        asked.iter().filter(|one| !one.starts_with("GET")).count()
    }

    /// What the last write held.
    pub(crate) fn last_body(&self) -> Value {
        self.with(|rows| {
            let mut writes = rows.asked.iter().rev().filter(|one| one.method != "GET");
            writes.next().unwrap().body.clone()
        })
    }
}
