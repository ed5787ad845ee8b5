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
    let world = World::new(1, 700, "plan").await;
    // Everything else is done: each run has only messages to send.
    world.run(&["--once"]).await;
    let planned = would_tell(&world.run(&["--dry-run"]).await);
    world.reconfigure("mode = \"plan\"", "mode = \"live\"");
    world.texts.rate(
        7,
        0.9,
        &[
            // Most are put off, so that there is something to send for all kills.
            Fault::Status(429, Some("0".to_owned())),
            Fault::Status(429, Some("0".to_owned())),
            Fault::Status(429, Some("0".to_owned())),
            Fault::Status(429, Some("0".to_owned())),
            Fault::Status(429, Some("0".to_owned())),
            Fault::Status(429, Some("0".to_owned())),
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
        rest(Duration::from_micros(random.u64(..60_000))).await;
        program.kill().unwrap();
        program.wait().unwrap();
    }
    world.texts.clear_faults();
    world.run(&["--once"]).await;

    let mut by_number: BTreeMap<String, i64> = BTreeMap::new();
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
    let told = i64::try_from(by_number.len()).unwrap();
    let db = rusqlite::Connection::open(world.state()).unwrap();
    let count = |what: &str| {
        let sql =
            format!("SELECT count(*) FROM effect WHERE recipient NOTNULL AND state IN ({what})");
        db.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    // Whatever a phone has shown is known to have been told, or perhaps.
    let (done, doubt, waits) = (count("4"), count("0, 2"), count("3"));
    assert!(
        done + doubt >= told,
        "{done} done, {doubt} in doubt, {} texts",
        by_number.len()
    );
    let done_texts: i64 = db
        .query_row(
            "SELECT count(*) FROM effect WHERE state = 4 AND receipt NOTNULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(done_texts <= told);
    // Nobody is left over: all who were planned were told, perhaps told, or wait; all others are listed with their rule.
    let refused = count("1");
    assert!(
        done + doubt + waits + refused >= planned,
        "{done} done, {doubt} in doubt, {waits} waiting, {planned} planned"
    );
    assert_eq!(would_tell(&world.run(&["--dry-run"]).await), 0);
    println!(
        "{kills} kills, {during} of them while messages went out: {planned} planned, {done} told, 0 twice, {doubt} in \
         doubt, {waits} waiting; {told} texts"
    );
    assert!(
        during * 2 > kills,
        "only {during} of {kills} kills met a message"
    );
    world.nothing_leaked();
}

/// What a dry run says of messages; nothing where nobody is due.
fn would_tell(text: &str) -> i64 {
    let Some((_, rest)) = text.split_once("main-st: would tell ") else {
        return 0;
    };
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}
