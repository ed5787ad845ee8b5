//! What else a user of the program may rely on: exit codes, resets, the demonstration.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use odx_opendental::sim::Fault;

use crate::change::nothing_leaked;
use crate::compare::{nothing, settled, wrong};
use crate::world::{Plan, TOKENS, World, interrupt, rest};

async fn world(patients: usize, offices: usize) -> World {
    World::new(Plan {
        patients,
        offices,
        ..Plan::default()
    })
    .await
}

/// The program in a folder without a world.
fn start(folder: &Path, arguments: &[&str]) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_recall-sync"))
        .arg("--config")
        .arg(folder.join("config.toml"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_sends_nothing_and_one_after_changes_sends_only_those() {
    let world = world(150, 1).await;
    let first = world.once("").await;
    assert_eq!(first.code(), Some(0), "{}", first.text);
    nothing(&wrong(&world));
    let before = world.writes();
    assert_eq!(world.once("").await.code(), Some(0));
    assert_eq!(world.writes(), before);
    let day = world.practices[0].day_of_changes(3);
    assert_eq!(world.once("").await.code(), Some(0));
    // A recall that vanished is gone after two listings.
    let mut left = wrong(&world);
    left.retain(|finding| !finding.what.contains("of no recall"));
    nothing(&left);
    let sent = world.writes().0 - before.0;
    assert!(
        sent > 0 && sent <= 3 * u64::try_from(day.patients_touched.len()).unwrap() + 10,
        "{sent} sent for {day:?}"
    );
    nothing_leaked(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failing_office_never_delays_another() {
    let world = world(60, 2).await;
    world.practices[1]
        .faults()
        .rate(1, 1.0, &[Fault::Unauthorized401]);
    let mut program = world.start(&["--follow"], "");
    let began = Instant::now();
    loop {
        let mut mine = wrong(&world);
        mine.retain(|finding| finding.what.contains("main-st"));
        if mine.is_empty() {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{mine:#?}\n{}",
            world.tail()
        );
        rest(Duration::from_millis(100)).await;
    }
    assert_eq!(world.crm.contacts_of(TOKENS[1]).len(), 0);
    world.practices[1].faults().clear();
    nothing(&settled(&world, Duration::from_secs(20)).await);
    assert_eq!(interrupt(&mut program).await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_token_parks_nobody_and_a_refused_contact_waits_alone() {
    let world = world(60, 1).await;
    world.crm.revoke_token();
    let poor = world.practices[0]
        .patients()
        .into_iter()
        .find(|row| row.pat_status == "Patient")
        .unwrap()
        .pat_num;
    let id = format!("od:main-st:{poor}");
    world.crm.refuse_contact(&id, 422);
    let mut program = world.start(&["--follow"], "");
    rest(Duration::from_secs(2)).await;
    assert_eq!(world.crm.contacts().len(), 0);
    world.crm.restore_token();
    let began = Instant::now();
    while wrong(&world)
        .iter()
        .any(|left| !left.what.contains(&id) && !left.what.contains("task"))
    {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}\n{}",
            wrong(&world),
            world.tail()
        );
        rest(Duration::from_millis(100)).await;
    }
    let listed = format!("{id} is set aside");
    while !world.log().contains(&listed) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{}",
            world.tail()
        );
        rest(Duration::from_millis(100)).await;
    }
    world.crm.accept_contact(&id);
    world.practices[0].update_patient(poor, |row| row.f_name = "Mended".to_owned());
    nothing(&settled(&world, Duration::from_secs(20)).await);
    assert_eq!(interrupt(&mut program).await.unwrap().code(), Some(0));
}

#[test]
fn a_bad_configuration_ends_with_2_and_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("config.toml"),
        "poll = \"1ms\"\nswep = \"2s\"\n[[office]]\nid = \"a b\"\n",
    )
    .unwrap();
    let mut program = start(folder.path(), &["--once"]);
    assert_eq!(program.wait().unwrap().code(), Some(2));
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    for part in [
        "line 1, column 8: poll",
        "line 2, column 1: swep is no setting",
        "office[1].id cannot be used",
        "time_zone is missing",
        "source is missing",
        "sink is missing",
    ] {
        assert!(log.contains(part), "{part} not in {log}");
    }
}

#[test]
fn a_reset_that_nobody_confirmed_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("odx.sqlite");
    drop(odx_core::store::SqliteStore::open(&state).unwrap());
    let config = format!(
        "state = {state:?}\n[[office]]\nid = \"a\"\nname = \"A\"\ntime_zone = \"America/New_York\"\n\
         [office.source]\nkind = \"opendental\"\nbase_urls = [\"http://127.0.0.1:9/api/v1\"]\ndeveloper_key = \"d\"\ncustomer_key = \"c\"\n\
         [office.sink]\nkind = \"rest\"\nbase_url = \"http://127.0.0.1:9\"\ntoken = \"t\"\n"
    );
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    assert_eq!(
        start(folder.path(), &["--reset"]).wait().unwrap().code(),
        Some(2)
    );
    assert!(state.exists());
    assert_eq!(
        start(folder.path(), &["--reset", "--yes"])
            .wait()
            .unwrap()
            .code(),
        Some(0)
    );
    assert!(!state.exists());
}

#[test]
fn the_demonstration_runs_and_its_third_sync_sends_nothing() {
    // As on a bare machine: no certificates, and none are needed.
    let output = Command::new(env!("CARGO_BIN_EXE_recall-sync"))
        .env("SSL_CERT_FILE", "/nonexistent")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let sent = |row: &str| {
        let line = text.lines().find(|line| line.starts_with(row)).unwrap();
        line.split_whitespace()
            .nth(row.split(' ').count() + 2)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(sent("first sync") > 3_000, "{text}");
    assert!((1..500).contains(&sent("after a day")), "{text}");
    assert_eq!(sent("no changes"), 0, "{text}");
    assert!(text.contains("0 duplicates, 0 rewrites"), "{text}");
}

#[test]
fn a_machine_without_certificates_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("odx.sqlite");
    let config = format!(
        "state = {state:?}\n[[office]]\nid = \"a\"\nname = \"A\"\ntime_zone = \"America/New_York\"\n\
         [office.source]\nkind = \"opendental\"\nbase_urls = [\"https://127.0.0.1:9/api/v1\"]\n\
         developer_key = \"d\"\ncustomer_key = \"c\"\n\
         [office.sink]\nkind = \"rest\"\nbase_url = \"https://127.0.0.1:9\"\ntoken = \"t\"\n"
    );
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_recall-sync"))
        .arg("--config")
        .arg(folder.path().join("config.toml"))
        .env("SSL_CERT_FILE", "/nonexistent")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("ca-certificates"), "{text}");
}

/// A panic in the middle of a page: the program says where, and not what. Ended at once is what a defect may cost,
/// not more: the next run has nothing to mend.
#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_a_panic_shows_its_place_and_not_its_words() {
    let world = world(20, 1).await;
    for place in ["page.in_transaction", "acks.in_transaction", "send.before"] {
        let end = world
            .once(&format!("{place}=panic(Quetzalcoatl tok-77aa)"))
            .await;
        assert_ne!(end.code(), Some(0), "{place}: {}", end.text);
        assert!(end.text.contains("a defect at "), "{place}: {}", end.text);
        for canary in ["Quetzalcoatl", "tok-77aa"] {
            assert!(!end.text.contains(canary), "{place}: {}", end.text);
        }
    }
    assert_eq!(world.once("").await.code(), Some(0));
    nothing(&wrong(&world));
    nothing_leaked(&world);
}
