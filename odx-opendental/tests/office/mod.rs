//! An office that answers over HTTP: lists with pages, and whatever it is told
//! to say instead.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests: what is wrong here must fail loudly"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use odx_core::source::{Change, Cursor, Extent, Page, Position, PracticeSource, PullRequest};
use odx_core::{Secret, SourceId};
use odx_opendental::{Builder, Credentials, OpenDental};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

pub(crate) const DEVELOPER: &str = "developer-key-canary";
pub(crate) const CUSTOMER: &str = "customer-key-canary";

/// What the office answers, by path under `/api/v1/`.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub(crate) rows: HashMap<String, Vec<Value>>,
    pub(crate) instead: HashMap<String, ResponseTemplate>,
    pub(crate) cap: usize,
    pub(crate) ignores_offset: bool,
}

#[derive(Clone)]
struct Answers(Arc<Mutex<Lists>>);

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let lists = self.0.lock().unwrap();
        let path = request.url.path().trim_start_matches("/api/v1/");
        if let Some(answer) = lists.instead.get(path).or_else(|| lists.instead.get("*")) {
            return answer.clone();
        }
        let query = |name: &str| {
            let mut pairs = request.url.query_pairs();
            pairs
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let Some(rows) = lists.rows.get(path) else {
            return ResponseTemplate::new(404).set_body_string("\"Not found\"");
        };
        let offset = match query("Offset") {
            Some(offset) if !lists.ignores_offset => offset.parse().unwrap(),
            _ => 0,
        };
        let patient = query("PatNum").map(|text| text.parse::<i64>().unwrap());
        let since = query("DateTStamp");
        let page: Vec<&Value> = rows
            .iter()
            .filter(|row| patient.is_none_or(|number| row["PatNum"] == number))
            .filter(|row| {
                let stamp = row["DateTStamp"].as_str().unwrap_or_default();
                since.as_deref().is_none_or(|since| stamp > since)
            })
            .skip(offset)
            .take(lists.cap)
            .collect();
        ResponseTemplate::new(200).set_body_json(page)
    }
}

pub(crate) struct Office {
    pub(crate) server: MockServer,
    pub(crate) lists: Arc<Mutex<Lists>>,
}

pub(crate) fn fixture(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    match serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap() {
        Value::Array(rows) => rows,
        row => vec![row],
    }
}

pub(crate) fn patients(count: i64) -> Vec<Value> {
    (1..=count)
        .map(|n| {
            json!({"serverDateTime": "2026-03-02 09:30:00", "PatNum": n, "LName": "Canary-Last",
                "FName": "Canary-First", "PatStatus": "Patient", "Guarantor": n,
                "WirelessPhone": "(503) 555-0142", "Email": "mail.canary@example.org",
                "SSN": "987-65-4320", "FamFinUrgNote": "note-canary", "TxtMsgOk": "Yes",
                "DateTStamp": "2026-03-01 10:00:00"})
        })
        .collect()
}

impl Office {
    /// Everything the vendor's documentation prints.
    pub(crate) async fn documented() -> Self {
        let mut rows = HashMap::new();
        for (path, name) in [
            ("recalltypes", "recalltypes.get"),
            ("definitions", "definitions.get"),
            ("patients/Simple", "patients.simple.get"),
            ("appointments", "appointments.get"),
            ("recalls", "recalls.get"),
        ] {
            rows.insert(path.to_owned(), fixture(name));
        }
        rows.insert("histappointments".to_owned(), Vec::new());
        rows.insert("signalods".to_owned(), Vec::new());
        // The documented key may also send queries; this office is one of lists.
        let mut granted = fixture("securityperms.get");
        granted.retain(|row| row["Permission"] != "ApiQueries");
        rows.insert("securityperms".to_owned(), granted);
        let version =
            json!({"PrefNum": 1, "PrefName": "ProgramVersion", "ValueString": "25.3.12.0"});
        rows.insert("preferences".to_owned(), vec![version]);
        let lists = Arc::new(Mutex::new(Lists {
            rows,
            cap: 100,
            ..Lists::default()
        }));
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(Answers(Arc::clone(&lists)))
            .mount(&server)
            .await;
        Self { server, lists }
    }

    pub(crate) fn builder(&self) -> Builder {
        OpenDental::builder(
            SourceId::new("od", "main-st").unwrap(),
            Credentials {
                developer_key: Secret::new(DEVELOPER),
                customer_key: Secret::new(CUSTOMER),
            },
        )
        .with_base_urls(vec![self.url()])
        .with_interval(Duration::ZERO)
    }

    pub(crate) fn url(&self) -> url::Url {
        format!("{}/api/v1", self.server.uri()).parse().unwrap()
    }

    pub(crate) fn source(&self) -> OpenDental {
        self.builder().build().unwrap()
    }

    pub(crate) fn put(&self, path: &str, rows: Vec<Value>) {
        self.lists
            .lock()
            .unwrap()
            .rows
            .insert(path.to_owned(), rows);
    }

    pub(crate) fn say(&self, path: &str, answer: ResponseTemplate) {
        let mut lists = self.lists.lock().unwrap();
        lists.instead.insert(path.to_owned(), answer);
    }

    pub(crate) fn say_nothing_special(&self) {
        self.lists.lock().unwrap().instead.clear();
    }

    /// Path and query of every request so far, without the common start.
    pub(crate) async fn asked(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        let tail = |request: &Request| {
            let url = &request.url;
            let query = url
                .query()
                .map(|query| format!("?{query}"))
                .unwrap_or_default();
            format!("{}{query}", url.path().trim_start_matches("/api/v1/"))
        };
        requests.iter().map(tail).collect()
    }

    /// Those about this list.
    pub(crate) async fn asked_for(&self, path: &str) -> Vec<String> {
        let mut asked = self.asked().await;
        asked.retain(|tail| tail.split('?').next() == Some(path));
        asked
    }
}

/// Reads to the end of a pass.
pub(crate) async fn pass(
    source: &OpenDental,
    mut cursor: Option<Cursor>,
    extent: Extent,
) -> odx_core::Result<(Vec<Change>, Vec<Page>, Cursor)> {
    let mut changes = Vec::new();
    let mut pages = Vec::new();
    loop {
        let page = source
            .pull(PullRequest::after(cursor).with_extent(extent))
            .await?;
        changes.extend(page.changes.iter().cloned());
        let position = page.position.clone();
        pages.push(page);
        match position {
            Position::More(next) => cursor = Some(next),
            Position::CaughtUp(next) => return Ok((changes, pages, next)),
        }
    }
}
