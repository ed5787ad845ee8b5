//! Which way the feed takes, and how many requests that costs, at the office of
//! the vendor's own arithmetic: 10,000 patients, 25,000 recalls, 30,000
//! appointments.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use odx_core::model::{Record, RecordKey, RecordKind};
use odx_core::source::{Change, Cursor, Extent, Position, PracticeSource as _, PullRequest};
use odx_core::{Secret, SourceId};
use odx_opendental::sim::{Mode, Permission, Practice, Server};
use odx_opendental::{Credentials, OpenDental, SYSTEM};

struct Office {
    practice: Practice,
    server: Server,
    source: OpenDental,
}

/// What one pass came to.
struct Pass {
    requests: Vec<String>,
    changes: Vec<Change>,
    swept: Vec<RecordKind>,
    cursor: Cursor,
}

fn client(practice: &Practice, urls: &[String]) -> OpenDental {
    let credentials = Credentials {
        developer_key: Secret::new(practice.developer_key()),
        customer_key: Secret::new(practice.customer_key()),
    };
    OpenDental::builder(SourceId::new(SYSTEM, "main-st").unwrap(), credentials)
        .with_base_urls(urls.iter().map(|url| url.parse().unwrap()).collect())
        .with_interval(Duration::ZERO)
        .with_overlap(Duration::from_secs(300))
        .build()
        .unwrap()
}

impl Office {
    async fn of(practice: Practice, mode: Mode) -> Self {
        let server = practice.serve_as(mode).await.unwrap();
        let source = client(&practice, &[server.base_url()]);
        Self {
            practice,
            server,
            source,
        }
    }

    async fn pass(&self, cursor: Option<Cursor>, extent: Extent) -> Pass {
        let from = self.practice.requests().len();
        let mut pass = Pass {
            requests: Vec::new(),
            changes: Vec::new(),
            swept: Vec::new(),
            cursor: cursor.clone().unwrap_or_else(|| Cursor::new("")),
        };
        let mut cursor = cursor;
        loop {
            let request = PullRequest::after(cursor.clone()).with_extent(extent);
            let page = self.source.pull(request).await.unwrap();
            pass.changes.extend(page.changes);
            pass.swept
                .extend(page.swept.into_iter().map(|swept| swept.kind));
            cursor = Some(page.position.cursor().clone());
            if let Position::CaughtUp(cursor) = page.position {
                pass.cursor = cursor;
                break;
            }
        }
        pass.requests = self.practice.requests()[from..]
            .iter()
            .map(|request| request.path.clone())
            .collect();
        pass
    }
}

fn counts(pass: &Pass) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for request in &pass.requests {
        *counts.entry(request.as_str()).or_default() += 1;
    }
    counts
}

fn model(permissions: &[Permission]) -> Practice {
    Practice::builder(15)
        .with_model_office()
        .with_permissions(permissions)
        .build()
        .unwrap()
}

#[tokio::test]
async fn with_queries_a_first_sync_is_one_query_a_hundred_patients_and_a_busy_day_seven_requests() {
    let practice = model(&[Permission::ReadAll, Permission::Comm, Permission::Queries]);
    let office = Office::of(practice, Mode::Remote).await;
    let first = office.pass(None, Extent::Changes).await;
    println!("{:?}", counts(&first));
    println!("{:?}", first.swept);
    let office_at = office.practice.now();
    println!("{office_at}");
    office.practice.advance(Duration::from_secs(3600));
    let idle = office.pass(Some(first.cursor), Extent::Changes).await;
    println!("{:?}", counts(&idle));
    office.practice.advance(Duration::from_secs(3600));
    office.practice.busy_day(3);
    let busy = office.pass(Some(idle.cursor), Extent::Changes).await;
    println!("{:?}", counts(&busy));
    let _ = (&office.server, Record::key, RecordKey::kind);
}
