//! D1: the program ends at every place there is, and at random ones, and nobody is lost, doubled or left behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use odx_core::failpoint::PLACES;
use odx_core::sink::{Suppression, Target};

use crate::change::{change, edit, everything_fails, nothing_fails, nothing_leaked};
use crate::compare::{Finding, Kind, caught, found, nothing, settled, wrong};
use crate::world::{ABORT, OFFICES, Plan, World, from_env, interrupt, kill, rest};

/// On which pass a place ends the program.
const HITS: [usize; 3] = [1, 2, 7];

/// Seven offices in one process, so that what happens once in a run happens seven times.
fn plan() -> Plan {
    Plan {
        patients: 5,
        offices: 7,
        sweep: "24h",
        ..Plan::default()
    }
}

/// Somebody of each office, of whom there is an active contact.
fn one_of_each(world: &World) -> Vec<i64> {
    (world.practices.iter())
        .map(|practice| {
            let mut patients = practice.patients().into_iter();
            let active = patients.find(|row| row.pat_status == "Patient");
            active.map_or_else(
                || {
                    let pat_num = practice.patients()[0].pat_num;
                    practice.update_patient(pat_num, |row| row.pat_status = "Patient".to_owned());
                    pat_num
                },
                |row| row.pat_num,
            )
        })
        .collect()
}

/// Everybody changes; the program ends at the place; a third of the changes are taken back, a third change once
/// more; it is started again. What is then wrong.
async fn cell(world: &mut World, place: &str, hit: usize, rules: &str) -> Vec<Finding> {
    let people = one_of_each(world);
    if place.starts_with("restart") {
        // A place that only a feed comes to that has begun: its cursor is of a version nobody knows.
        let end = world.once("").await;
        assert_eq!(end.code(), Some(0), "{}", end.text);
        let db = rusqlite::Connection::open(world.state()).unwrap();
        db.execute("UPDATE source SET cursor = '{\"version\":0}'", [])
            .unwrap();
    }
    if place.starts_with("stops") {
        let id = format!("od:{}:{}", OFFICES[hit % 7], people[hit % 7]);
        world.stopped.insert(id);
        let stops = world.stopped.iter().map(|id| Suppression {
            target: Target::Contact(odx_core::ExternalId::from_kept(id.clone())),
            channel: None,
            reason: "stop".to_owned(),
        });
        world.crm.set_suppressions(stops.collect());
    }
    if place.starts_with("parked") {
        for (office, pat_num) in OFFICES.iter().zip(&people) {
            world
                .crm
                .refuse_contact(&format!("od:{office}:{pat_num}"), 422);
        }
    }
    // A process comes to its end once: that of the seventh is the seventh.
    let (rounds, skip) = if place.starts_with("close") {
        (hit, 0)
    } else {
        (1, hit - 1)
    };
    let mut wrongs = Vec::new();
    for round in 0..rounds {
        edit(world, |n| Some(format!("B{hit}{round}{n}")));
        let count = if skip > 0 {
            format!("{skip}*off->")
        } else {
            String::new()
        };
        let end = world.once(&format!("{place}={count}return{rules}")).await;
        if end.signal() != Some(ABORT) {
            let what = format!(
                "{place} at pass {hit} did not end the program: {:?}",
                end.status
            );
            wrongs.push(found(Kind::Other, what));
        }
    }
    for (office, pat_num) in OFFICES.iter().zip(&people) {
        world.crm.accept_contact(&format!("od:{office}:{pat_num}"));
    }
    edit(world, |n| match n % 3 {
        0 => Some(format!("A{n}")),
        1 => Some(format!("C{hit}{n}")),
        _ => None,
    });
    // The first run ends the pass that was cut off, the second reads what changed since.
    for _ in 0..2 {
        let end = world.once(rules.trim_start_matches(';')).await;
        if end.code() != Some(0) {
            let (status, text) = (end.status, end.text);
            let what = format!("after {place} at pass {hit}: {status:?} {text}");
            wrongs.push(found(Kind::Other, what));
        }
        if wrong(world).is_empty() {
            break;
        }
    }
    wrongs.extend(wrong(world).into_iter().map(|mut finding| {
        finding.what = format!("{place} at pass {hit}: {}", finding.what);
        finding
    }));
    wrongs
}

/// A place at each of its passes, one after the other in one world: the first in the first sync there is.
async fn all_passes(place: &str) -> Vec<Finding> {
    let mut world = World::new(plan()).await;
    let mut wrongs = Vec::new();
    edit(&world, |n| Some(format!("A{n}")));
    for hit in HITS {
        wrongs.extend(cell(&mut world, place, hit, "").await);
    }
    wrongs
}

/// Places that only a program with a receiver comes to: `events.rs` ends it there.
fn is_of_a_receiver(place: &str) -> bool {
    place.starts_with("receive.")
}

/// Nobody is told anything here, and no person asks: `odx-core/tests/effects_killed.rs` comes to
/// these. An office is imported once, not once a pass: that has a test of its own.
fn is_off_the_path(place: &str) -> bool {
    let off = [
        "effect.",
        "decide.",
        "lift.",
        "replay.",
        "look_again.",
        "keep.",
        "imported.",
    ];
    off.iter().any(|part| place.starts_with(part))
}

async fn matrix(places: impl Iterator<Item = &'static str>) {
    let began = Instant::now();
    let (mut wrongs, mut cells) = (Vec::new(), 0);
    for place in places.filter(|place| !is_of_a_receiver(place)) {
        wrongs.extend(all_passes(place).await);
        cells += HITS.len();
    }
    println!(
        "{cells} cells in {:?}: {} findings",
        began.elapsed(),
        wrongs.len()
    );
    nothing(&wrongs);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_ended_at_every_place_of_reading_nothing_is_lost_doubled_or_stale() {
    matrix(
        PLACES
            .iter()
            .copied()
            .take_while(|place| !place.starts_with("departure")),
    )
    .await;
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_ended_at_every_place_of_delivering_nothing_is_lost_doubled_or_stale() {
    matrix(
        PLACES
            .iter()
            .copied()
            .skip_while(|place| !place.starts_with("departure"))
            .filter(|place| !is_off_the_path(place)),
    )
    .await;
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_ended_where_an_import_is_told_nothing_is_lost_doubled_or_stale() {
    let mut world = World::new(plan()).await;
    edit(&world, |n| Some(format!("A{n}")));
    nothing(&cell(&mut world, "imported.before", 1, "").await);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_the_matrix_notices_a_cursor_that_moves_before_its_page_is_stored() {
    let mut world = World::new(plan()).await;
    let rule = "broken.page.cursor";
    // A feed that has begun: the first listing of all would be read again in any case.
    nothing(&cell(&mut world, "page.in_transaction", 1, "").await);
    for _ in 0..2 {
        assert_eq!(world.once("").await.code(), Some(0));
    }
    let mut wrongs = Vec::new();
    // Whose page it is, and whether it says something that is not said again, is chance.
    for hit in [2, 3, 5, 7, 9, 11, 13, 17] {
        wrongs.extend(
            cell(
                &mut world,
                "page.in_transaction",
                hit,
                &format!(";{rule}=return"),
            )
            .await,
        );
        if wrongs.iter().any(|one| one.kind == Kind::Stale) {
            break;
        }
    }
    caught(rule, Kind::Stale, &wrongs);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_the_matrix_notices_that_a_departure_is_not_stored() {
    let mut world = World::new(plan()).await;
    edit(&world, |n| Some(format!("A{n}")));
    let rule = "broken.departure";
    nothing(&cell(&mut world, "send.answered", 1, "").await);
    let wrongs = cell(&mut world, "send.answered", 7, &format!(";{rule}=return")).await;
    caught(rule, Kind::Stale, &wrongs);
}

/// The places in the sources, wherever they are.
fn in_sources(folder: &Path, places: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            in_sources(&path, places);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let reached = text.split("reach(\"").skip(1);
            places.extend(reached.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}

#[test]
fn d1_the_matrix_walks_every_place_that_is_in_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut there = BTreeSet::new();
    for part in [
        "odx-core/src",
        "odx-opendental/src",
        "odx-crm/src",
        "examples/src",
    ] {
        in_sources(&root.join(part), &mut there);
    }
    let listed: BTreeSet<_> = PLACES.iter().map(|place| (*place).to_owned()).collect();
    assert_eq!(there, listed);
}

/// Kills the program so often in one world, while the practice and the CRM fail and people work.
async fn random_kills(seed: u64, batch: usize, kills: usize) -> (Vec<Finding>, Duration) {
    let world = World::new(Plan {
        seed,
        offices: 2,
        batch,
        ..Plan::default()
    })
    .await;
    let mut random = fastrand::Rng::with_seed(seed);
    everything_fails(&world, seed);
    for _ in 0..kills {
        let mut command = world.command(&["--follow"], "");
        let mut program = command.env("RUST_LOG", "trace").spawn().unwrap();
        for _ in 0..random.usize(1..6) {
            change(&world, &mut random);
            rest(Duration::from_millis(random.u64(..150))).await;
        }
        kill(&mut program);
    }
    let mut program = world.start(&["--follow"], "");
    rest(Duration::from_millis(500)).await;
    nothing_fails(&world);
    let began = Instant::now();
    let mut left = settled(&world, Duration::from_secs(60)).await;
    let took = began.elapsed();
    match interrupt(&mut program).await {
        Some(status) if status.code() == Some(0) => {}
        end => left.push(found(Kind::Other, format!("it ended with {end:?}"))),
    }
    nothing_leaked(&world);
    if !left.is_empty() {
        println!("{}", world.tail());
    }
    (left, took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_killed_at_random_while_everything_fails_nobody_is_lost_doubled_or_misdirected() {
    let kills = from_env("ODX_KILLS", 20);
    let (mut left, mut seed) = (kills, 0);
    let mut longest = Duration::ZERO;
    while left > 0 {
        seed += 1;
        let some = left.min(if kills > 50 { 25 } else { 10 });
        left -= some;
        let batch = if seed % 2 == 0 { 10 } else { 1 };
        let (wrongs, took) = random_kills(seed, batch, some).await;
        longest = longest.max(took);
        assert!(wrongs.is_empty(), "seed {seed}: {wrongs:#?}");
    }
    println!(
        "{kills} kills in {seed} worlds: 0 lost, 0 duplicate, 0 stale; settled at most {longest:?} after the last fault"
    );
}
