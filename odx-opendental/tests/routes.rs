//! Which way the feed takes, and how many requests that costs, at the office of
//! the vendor's own arithmetic: 10,000 patients, 25,000 recalls, 30,000
//! appointments.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use odx_core::model::{Record, RecordKey, RecordKind};
use odx_core::source::{Change, Cursor, Extent, Position, PracticeSource as _, PullRequest};
use odx_core::testkit::TestClock;
use odx_core::{Secret, SourceId};
use odx_opendental::sim::{Mode, NO_DATE, Permission, Practice, Server};
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

const FREE: &[Permission] = &[Permission::ReadAll];
const PAID: &[Permission] = &[Permission::ReadAll, Permission::Comm, Permission::Queries];
const ENTERPRISE: &[Permission] = &[
    Permission::ReadAll,
    Permission::Comm,
    Permission::Queries,
    Permission::Enterprise,
];

fn model(permissions: &[Permission]) -> Practice {
    Practice::builder(15)
        .with_model_office()
        .with_permissions(permissions)
        .build()
        .unwrap()
}

/// Requests of a first pass, of one an hour later with nothing changed, and of
/// one after a busy day.
struct Cost {
    first: usize,
    idle: usize,
    busy: usize,
}

/// Checks that nothing was lost for the saving, and counts.
async fn cost(permissions: &[Permission], mode: Mode) -> Cost {
    let office = Office::of(model(permissions), mode).await;
    let first = office.pass(None, Extent::Changes).await;
    // What is owed after a first listing by pages that nothing could prove.
    let owed = office
        .pass(Some(first.cursor.clone()), Extent::Changes)
        .await;
    let mut mirror = Mirror::default();
    mirror.take(&first);
    mirror.take(&owed);
    mirror.is_true_to(&office.practice, &format!("{mode:?} after the first pass"));
    office.practice.advance(Duration::from_secs(3600));
    let idle = office.pass(Some(owed.cursor), Extent::Changes).await;
    mirror.take(&idle);
    office.practice.advance(Duration::from_secs(3600));
    office.practice.busy_day(3);
    let busy = office
        .pass(Some(idle.cursor.clone()), Extent::Changes)
        .await;
    mirror.take(&busy);
    println!(
        "{mode:?}, {} permissions: first {:?}, idle {:?}, busy {:?}",
        permissions.len(),
        counts(&first),
        counts(&idle),
        counts(&busy)
    );
    mirror.is_true_to(&office.practice, &format!("{mode:?} after a busy day"));
    drop(office.server);
    Cost {
        first: first.requests.len(),
        idle: idle.requests.len(),
        busy: busy.requests.len(),
    }
}

/// What the feed has told of recalls and of who was deleted.
#[derive(Default)]
struct Mirror {
    recalls: BTreeMap<String, Option<chrono::NaiveDate>>,
    gone: BTreeSet<RecordKey>,
}

impl Mirror {
    fn take(&mut self, pass: &Pass) {
        for change in &pass.changes {
            match change {
                Change::Upsert(Record::Recall(recall)) => {
                    self.recalls
                        .insert(recall.key.native().to_owned(), recall.due);
                }
                Change::Gone(key) => {
                    self.gone.insert(key.clone());
                }
                _ => {}
            }
        }
    }

    /// Every recall that the practice has is known with its date.
    fn is_true_to(&self, practice: &Practice, when: &str) {
        let there = practice.recalls();
        let wrong = there.iter().filter(|row| {
            let due = (row.date_due != NO_DATE).then(|| row.date_due.parse().unwrap());
            self.recalls.get(&row.recall_num.to_string()) != Some(&due)
        });
        assert_eq!(wrong.count(), 0, "recalls {when}");
    }
}

#[tokio::test]
async fn with_queries_a_first_sync_is_one_query_a_hundred_patients_and_a_busy_day_seven_requests() {
    let cost = cost(PAID, Mode::Remote).await;
    assert!(cost.first <= 101 + 17, "{}", cost.first);
    assert!(cost.idle <= 5, "{}", cost.idle);
    assert!(cost.busy <= 7, "{}", cost.busy);
}

#[tokio::test]
async fn without_queries_a_first_sync_is_the_lists_and_a_busy_day_the_touched_patients() {
    let cost = cost(FREE, Mode::Remote).await;
    assert!(cost.first <= 670, "{}", cost.first);
    assert!(cost.idle <= 5, "{}", cost.idle);
    // The arithmetic has 60 changed patients and those of 120 visits. Two visits
    // more are deleted on this day, and their patients are looked at as well.
    assert!(cost.busy <= 185 + 2, "{}", cost.busy);
}

#[tokio::test]
async fn larger_pages_are_used_where_the_mode_or_the_tier_has_them() {
    // A query holds 100 rows everywhere, so here whole lists take fewer requests.
    let enterprise = cost(ENTERPRISE, Mode::Remote).await;
    assert!(enterprise.first <= 85, "{}", enterprise.first);
    assert!(enterprise.idle <= 5 && enterprise.busy <= 7);
    // How long its pages are is not known before one was seen.
    let service = cost(PAID, Mode::Service).await;
    assert!(service.first <= 101 + 17, "{}", service.first);
    assert!(service.idle <= 5 && service.busy <= 7);
    let free = cost(FREE, Mode::Service).await;
    assert!(free.first <= 85, "{}", free.first);
    assert!(free.idle <= 5 && free.busy <= 26 + 6, "{}", free.busy);
}

#[tokio::test]
async fn every_statement_runs_at_the_simulated_office() {
    let office = Office::of(model(PAID), Mode::Remote).await;
    let first = office.pass(None, Extent::Changes).await;
    office.practice.advance(Duration::from_secs(60));
    let patient = office.practice.patients()[17].pat_num;
    office.practice.opt_out(patient, 1, 0);
    let recall = office.practice.recalls()[40].recall_num;
    office.practice.delete_recall(recall);
    let next = office.pass(Some(first.cursor), Extent::Changes).await;
    let said = |key: RecordKey| {
        next.changes
            .iter()
            .any(|change| change.key().as_ref() == Some(&key))
    };
    assert!(said(RecordKey::new(
        RecordKind::OptOut,
        patient.to_string()
    )));
    assert!(next.changes.iter().any(|change| matches!(
        change,
        Change::Whole {
            removed: true,
            kind: RecordKind::Recall,
            ..
        }
    )));
    let before = office.practice.requests().len();
    let all = office.pass(Some(next.cursor), Extent::Everything).await;
    assert_eq!(
        all.swept,
        [
            RecordKind::Patient,
            RecordKind::Recall,
            RecordKind::Appointment,
            RecordKind::OptOut
        ]
    );
    let asked = office.practice.requests().split_off(before);
    assert!(asked.iter().all(|request| request.status == 200));
}

#[tokio::test]
async fn a_permission_that_is_bought_opens_the_better_route_without_a_restart() {
    let office = Office::of(model(FREE), Mode::Remote).await;
    let first = office.pass(None, Extent::Changes).await;
    let queries = |pass: &Pass| {
        counts(pass)
            .get("/queries/ShortQuery")
            .copied()
            .unwrap_or(0)
    };
    assert_eq!(queries(&first), 0);
    office.practice.grant(Permission::Queries);
    let mut cursor = first.cursor;
    let mut passes = 0;
    loop {
        office.practice.advance(Duration::from_secs(300));
        let pass = office.pass(Some(cursor), Extent::Changes).await;
        passes += 1;
        if queries(&pass) > 0 {
            break;
        }
        assert!(passes < 15, "an hour of polls, and still lists");
        cursor = pass.cursor;
    }
}

#[tokio::test]
async fn where_queries_are_refused_lists_are_read_and_nothing_is_lost() {
    let practice = model(PAID);
    let office = Office::of(practice, Mode::Remote).await;
    office
        .server
        .faults()
        .on_request(Box::new(|request, practice| {
            if request.path == "/queries/ShortQuery" {
                practice.revoke(Permission::Queries);
            }
        }));
    let first = office.pass(None, Extent::Changes).await;
    let mut mirror = Mirror::default();
    mirror.take(&first);
    mirror.is_true_to(&office.practice, "with queries taken away");
}

#[tokio::test]
async fn a_fall_over_in_the_middle_of_a_list_loses_and_repeats_no_key_though_the_pages_differ() {
    for permissions in [FREE, PAID] {
        let practice = model(permissions);
        let service = practice.serve_as(Mode::Service).await.unwrap();
        let remote = practice.serve_as(Mode::Remote).await.unwrap();
        let source = client(&practice, &[service.base_url(), remote.base_url()]);
        let mut shown: BTreeMap<RecordKey, usize> = BTreeMap::new();
        let mut cursor = None;
        let mut pages = 0;
        loop {
            if pages == 6 {
                // 1000 rows a page until here, 100 from here on.
                service.stop().await;
            }
            let request = PullRequest::after(cursor.clone());
            let page = source.pull(request).await.unwrap();
            for change in &page.changes {
                if let Change::Upsert(record) = change {
                    *shown.entry(record.key()).or_default() += 1;
                }
            }
            pages += 1;
            cursor = Some(page.position.cursor().clone());
            if matches!(page.position, Position::CaughtUp(_)) {
                break;
            }
        }
        let of = |kind| shown.keys().filter(|key| key.kind() == kind).count();
        assert_eq!(of(RecordKind::Patient), practice.patients().len());
        assert_eq!(of(RecordKind::Recall), practice.recalls().len());
        assert!(
            shown.values().all(|&times| times == 1),
            "a key was shown twice"
        );
        let asked = |mode| {
            practice
                .requests()
                .iter()
                .any(|request| request.mode == mode && request.status == 200)
        };
        assert!(asked(Mode::Service) && asked(Mode::Remote));
    }
}

#[tokio::test]
async fn a_fresh_process_knows_that_the_clock_kept_to_its_zone_and_looks_back_minutes_only() {
    let zone = chrono_tz::America::New_York;
    // No clock change is near.
    let clock = TestClock::at("2026-07-01T16:00:00Z".parse().unwrap());
    let now = "2026-07-01T12:00:00"
        .parse::<chrono::NaiveDateTime>()
        .unwrap();
    let practice = Practice::builder(4)
        .with_patients(30)
        .with_permissions(FREE)
        .with_start(now)
        .build()
        .unwrap();
    let server = practice.serve().await.unwrap();
    let process = || {
        let credentials = Credentials {
            developer_key: Secret::new(practice.developer_key()),
            customer_key: Secret::new(practice.customer_key()),
        };
        OpenDental::builder(SourceId::new(SYSTEM, "main-st").unwrap(), credentials)
            .with_base_urls(vec![server.base_url().parse().unwrap()])
            .with_interval(Duration::ZERO)
            .with_time_zone(zone)
            .with_clock(Arc::new(clock.clone()))
            .build()
            .unwrap()
    };
    let mut cursor = None;
    let mut spans = Vec::new();
    // The second pass proves the first; the others ask for changes.
    for _ in 0..4 {
        let source = process();
        let from = practice.requests().len();
        loop {
            let page = source.pull(PullRequest::after(cursor)).await.unwrap();
            cursor = Some(page.position.cursor().clone());
            if matches!(page.position, Position::CaughtUp(_)) {
                break;
            }
        }
        let asked = practice.requests().split_off(from);
        let list = asked
            .iter()
            .find(|one| one.path == "/patients/Simple")
            .unwrap();
        spans.extend(
            list.query
                .iter()
                .find(|(name, _)| name == "DateTStamp")
                .map(|(_, at)| {
                    let at =
                        chrono::NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M:%S").unwrap();
                    (now - at).num_minutes()
                }),
        );
    }
    assert_eq!(spans, [5, 5]);
}
