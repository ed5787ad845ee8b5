//! Killed while it sends, and the provider loses its replies: nobody is told twice, and nobody is forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use odx_crm::sim::Fault;

use crate::world::{World, rest};

fn kills() -> usize {
    std::env::var("ODX_MESSAGE_KILLS").map_or(40, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_sends_nobody_is_told_twice_and_nobody_is_forgotten() {
    let world = World::new(1, 400, "plan").await;
    // Everything else is done: each run has only messages to send.
    world.run(&["--once"]).await;
    world.reconfigure("mode = \"plan\"", "mode = \"live\"");
    world.texts.rate(
        7,
        0.6,
        &[
            Fault::Status(429, Some("0".to_owned())),
            Fault::Status(429, Some("0".to_owned())),
            Fault::Status(503, None),
            Fault::ResetBefore,
            Fault::ResetAfter,
            Fault::ResetAfter,
            Fault::TruncatedAfter,
            Fault::Hang(Duration::from_millis(80)),
        ],
    );
    let mut random = fastrand::Rng::with_seed(11);
    let (mut during, kills) = (0, kills());
    for _ in 0..kills {
        let before = world.texts.requests();
        let mut program = world.start(&["--follow"]);
        // From the first message on, at random.
        for _ in 0..400 {
            if world.texts.requests() > before {
                during += 1;
                break;
            }
            rest(Duration::from_millis(2)).await;
        }
        rest(Duration::from_micros(random.u64(..120_000))).await;
        program.kill().unwrap();
        program.wait().unwrap();
    }
    world.texts.clear_faults();
    world.run(&["--once"]).await;

    let mut by_number: BTreeMap<String, usize> = BTreeMap::new();
    for text in world.texts.texts() {
        *by_number.entry(text.to).or_default() += 1;
    }
    let twice = by_number.values().filter(|count| **count > 1).count();
    assert_eq!(
        twice,
        0,
        "{twice} of {} numbers were told twice",
        by_number.len()
    );
    assert!(by_number.len() > 20, "only {} were told", by_number.len());
    let db = rusqlite::Connection::open(world.state()).unwrap();
    let count = |what: &str| {
        let sql =
            format!("SELECT count(*) FROM effect WHERE recipient NOTNULL AND state IN ({what})");
        db.query_row(&sql, [], |row| row.get::<_, usize>(0))
            .unwrap()
    };
    // Whatever a phone has shown is known to have been told, or perhaps.
    let (done, doubt, waits) = (count("4"), count("0, 2"), count("3"));
    assert!(
        done + doubt >= by_number.len(),
        "{done} done, {doubt} in doubt, {} texts",
        by_number.len()
    );
    let done_texts: usize = db
        .query_row(
            "SELECT count(*) FROM effect WHERE state = 4 AND receipt NOTNULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(done_texts <= by_number.len());
    // Nobody is left over whom a plan would tell now; all others are listed with their rule.
    let plan = world.run(&["--dry-run"]).await;
    let line = plan
        .lines()
        .find(|line| line.starts_with("main-st: would tell "))
        .unwrap_or_else(|| panic!("{plan}"));
    assert!(
        line.starts_with("main-st: would tell 0; not told: ") || waits > 0,
        "{line}"
    );
    println!(
        "{kills} kills, {during} of them while messages went out: {} told, 0 twice, {doubt} in doubt, {waits} waiting; {line}",
        by_number.len()
    );
    assert!(
        during * 2 > kills,
        "only {during} of {kills} kills met a message"
    );
    world.nothing_leaked();
}
