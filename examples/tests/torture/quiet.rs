//! D14: where nothing changes nothing is written, and a stop is a stop.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::compare::{Finding, Kind, caught, found, nothing, settled, wrong};
use crate::world::{Plan, World, ended, interrupt, kill, rest};

/// What the state says of patients and of the CRM. Left out: where a feed stands, which listing showed what, runs.
const TABLES: [(&str, &str); 5] = [
    ("record", "source, kind, native, parent, hash, body, gone"),
    ("route", "sink, household, generation, seen, again, tried"),
    (
        "ledger",
        "sink, external_id, hash, generation, remote_id, at",
    ),
    ("parked", "sink, external_id, hash, attempts, hold"),
    ("suppression", "sink, channel, digest, reason, since"),
];

fn rows(world: &World) -> Vec<String> {
    let db = Connection::open(world.state()).unwrap();
    let mut rows = Vec::new();
    for (table, columns) in TABLES {
        let sql = format!("SELECT {columns} FROM {table} ORDER BY 1, 2, 3");
        let mut query = db.prepare(&sql).unwrap();
        let width = query.column_count();
        let mut found = query.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let cells: Vec<_> = (0..width)
                .map(|n| match row.get_ref(n).unwrap() {
                    ValueRef::Null => "-".to_owned(),
                    ValueRef::Integer(number) => number.to_string(),
                    ValueRef::Real(number) => number.to_string(),
                    ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    ValueRef::Blob(bytes) => format!("{bytes:02x?}"),
                })
                .collect();
            rows.push(format!("{table} {}", cells.join(" ")));
        }
    }
    rows
}

/// Commits in the log beside the state file: frames that carry the size of the file after them.
fn commits(world: &World) -> usize {
    let log = std::fs::read(&world.state_files()[1]).unwrap();
    let salt = &log[16..24];
    log[32..]
        .chunks_exact(24 + 4096)
        .take_while(|frame| &frame[8..16] == salt)
        .filter(|frame| frame[4..8] != [0; 4])
        .count()
}

fn requests(world: &World) -> usize {
    world
        .practices
        .iter()
        .map(|practice| practice.requests().len())
        .sum()
}

/// Nothing changes at three offices but the stamps of all patients, while the program follows them.
async fn quiet(rules: &str) -> Vec<Finding> {
    let world = World::new(Plan {
        patients: 40,
        offices: 3,
        ..Plan::default()
    })
    .await;
    for _ in 0..2 {
        assert_eq!(world.once("").await.code(), Some(0));
    }
    nothing(&wrong(&world));
    let (writes, before) = (world.writes(), rows(&world));
    let mut program = world.start(&["--follow"], rules);
    let from = requests(&world);
    let began = Instant::now();
    let mut restamped = false;
    while requests(&world) < from + 180 && began.elapsed() < Duration::from_secs(30) {
        if !restamped && requests(&world) > from + 60 {
            world
                .practices
                .iter()
                .for_each(|practice| practice.restamp_all_patients());
            restamped = true;
        }
        rest(Duration::from_millis(20)).await;
    }
    let mut findings = Vec::new();
    let (read, committed) = (requests(&world) - from, commits(&world));
    println!("{read} requests to the practices, {committed} commits");
    // Each page that was read moves its feed, and each office was opened; nothing else is a reason to commit.
    if committed > read + world.practices.len() {
        findings.push(found(
            Kind::Other,
            format!("{committed} commits for {read} requests"),
        ));
    }
    match interrupt(&mut program).await {
        Some(status) if status.code() == Some(0) => {}
        end => findings.push(found(
            Kind::Other,
            format!("told to stop, it ended with {end:?}"),
        )),
    }
    if world.writes() != writes {
        let what = format!("{:?} writes to the CRM became {:?}", writes, world.writes());
        findings.push(found(Kind::Other, what));
    }
    let after = rows(&world);
    let changed = before
        .iter()
        .zip(&after)
        .filter(|(old, new)| old != new)
        .count();
    if before != after {
        findings.push(found(
            Kind::Other,
            format!("{changed} rows of the state were rewritten"),
        ));
    }
    findings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d14_a_quiet_office_costs_no_write_anywhere_and_stops_when_told() {
    nothing(&quiet("").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d14_a_stop_in_the_middle_of_a_sync_ends_it_and_the_next_run_goes_on() {
    let world = World::new(Plan {
        patients: 300,
        ..Plan::default()
    })
    .await;
    let mut program = world.start(&["--follow"], "");
    while world.writes().0 < 50 {
        rest(Duration::from_millis(5)).await;
    }
    assert_eq!(
        interrupt(&mut program).await.and_then(|end| end.code()),
        Some(0)
    );
    let there = world.writes().0;
    let mut program = world.start(&["--once"], "");
    assert_eq!(
        ended(&mut program, Duration::from_secs(60)).await.code(),
        Some(0)
    );
    nothing(&settled(&world, Duration::ZERO).await);
    let (writes, again) = world.writes();
    assert!(writes > there, "the stop came too late to prove anything");
    assert!(again <= 8, "{again} writes were made twice");
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d14_is_noticed_when_a_row_that_did_not_change_counts_as_changed() {
    let rule = "broken.page.unchanged";
    caught(rule, Kind::Other, &quiet(&format!("{rule}=return")).await);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d14_is_noticed_when_what_the_crm_has_is_sent_again() {
    let rules = "broken.page.unchanged=return;broken.difference.settled=return";
    let findings = quiet(rules).await;
    let writes = |finding: &Finding| finding.what.contains("writes to the CRM");
    let findings: Vec<_> = findings.into_iter().filter(writes).collect();
    caught("broken.difference.settled", Kind::Other, &findings);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d14_is_noticed_when_a_stop_is_not_heeded() {
    let world = World::new(Plan::default()).await;
    let mut program = world.start(&["--follow"], "broken.stop=return");
    nothing(&settled(&world, Duration::from_secs(30)).await);
    let end = interrupt(&mut program).await;
    if end.is_some() {
        kill(&mut program);
    }
    assert!(end.is_none(), "it stopped: {end:?}");
}
