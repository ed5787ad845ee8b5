//! The commands of operators, each against a practice and a CRM that are
//! simulated, while another process of the program follows both.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests: a panic is the failure, and what is waited for is another process"
)]
#![allow(dead_code, reason = "the world is that of another test")]
#![allow(unreachable_pub, reason = "the modules of one test")]

mod told;
#[path = "../torture/world.rs"]
mod world;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{Plan, TOKENS, World, interrupt, rest};

/// What a command came to.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {}", self.text))
    }
}

/// Runs a command to its end, and looks whether it shows anybody.
pub(crate) fn say(world: &World, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_recall-sync"))
        .arg("--config")
        .arg(world.folder.path().join("config.toml"))
        .args(arguments)
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    nobody(world, &format!("{text}{errors}"), &format!("{arguments:?}"));
    Said {
        code: output.status.code(),
        text: format!("{text}{errors}"),
    }
}

/// No name, number, note or key of anybody.
pub(crate) fn nobody(world: &World, text: &str, what: &str) {
    let mut canaries = vec!["customer0key".to_owned(), "customer1key".to_owned()];
    canaries.extend(TOKENS.map(str::to_owned));
    for practice in &world.practices {
        canaries.extend(practice.canaries());
        for row in practice.patients() {
            canaries.extend(Some(row.l_name).filter(|name| name.len() > 5));
            canaries.extend(Some(row.f_name).filter(|name| name.len() > 6));
            canaries.extend(Some(row.email).filter(|mail| mail.len() > 5));
            canaries.extend(Some(row.wireless_phone).filter(|number| number.len() > 9));
        }
    }
    for canary in canaries {
        assert!(!text.contains(&canary), "{what} shows {canary:?}: {text}");
    }
}

pub(crate) async fn world(patients: usize, offices: usize) -> World {
    World::new(Plan {
        patients,
        offices,
        ..Plan::default()
    })
    .await
}

/// Adds settings to the file.
pub(crate) fn with(world: &World, more: &str) {
    let path = world.folder.path().join("config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{text}\n{more}")).unwrap();
}

/// Follows until everybody has been brought to the CRM.
async fn followed(world: &World) -> Child {
    let program = world.start(&["--follow"], "");
    until(world, "the import", || brought(world)).await;
    program
}

fn brought(world: &World) -> bool {
    if !world.state().exists() {
        return false;
    }
    let said = say(world, &["status", "--json"]);
    // The file is there before its tables are.
    said.code == Some(0)
        && said.json().as_array().unwrap().iter().all(|office| {
            let crms = office["crm"].as_object().unwrap();
            crms.values().all(|crm| crm["import"]["state"] == "done")
        })
}

fn active(world: &World) -> i64 {
    let rows = world.practices[0].patients();
    let row = rows.iter().find(|row| row.pat_status == "Patient").unwrap();
    row.pat_num
}

async fn until(world: &World, what: &str, mut fine: impl FnMut() -> bool) {
    let began = Instant::now();
    while !fine() {
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "{what}: {}",
            world.tail()
        );
        rest(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_answers_while_another_process_follows() {
    let world = world(60, 2).await;
    let mut program = followed(&world).await;
    assert!(
        world.log().contains("the first import is done"),
        "{}",
        world.tail()
    );
    let said = say(&world, &["status"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("main-st: active") && said.text.contains("import done since"));
    assert!(said.text.contains("elm-st: active"), "{}", said.text);
    let who = active(&world).to_string();
    let external = format!("od:main-st:{who}");
    for name in [&who, &external] {
        let why = say(&world, &["why", "--office", "main-st", "--patient", name]);
        assert_eq!(why.code, Some(0), "{}", why.text);
        assert!(why.text.starts_with(&external), "{}", why.text);
        assert!(why.text.contains("rest:main-st: there ("), "{}", why.text);
        assert!(why.text.contains("consent sms: "), "{}", why.text);
    }
    let why = say(
        &world,
        &["why", "--office", "main-st", "--patient", &who, "--json"],
    );
    assert_eq!(why.json()["crm"]["rest:main-st"]["state"], "acknowledged");
    let tags = say(&world, &["tags", "--office", "main-st"]);
    assert!(
        tags.text.contains("unmapped") && tags.text.contains("[office.tags]"),
        "{}",
        tags.text
    );
    let pasted = tags.text.split("[office.tags]").nth(1).unwrap();
    toml::from_str::<toml::Table>(pasted).unwrap();
    assert!(
        !say(&world, &["tags", "--json"])
            .json()
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(say(&world, &["failures"]).text, "nothing has failed\n");
    let audit = say(&world, &["audit", "--office", "main-st", "--since", "3"]);
    assert!(
        audit.text.contains("contact") && !audit.text.contains(&external),
        "{}",
        audit.text
    );
    let chain = say(&world, &["audit", "--verify"]);
    assert!(chain.text.contains("the chain is whole"), "{}", chain.text);
    assert_eq!(chain.code, Some(0));
    let runs = say(&world, &["runs", "--json"]);
    assert!(!runs.json().as_array().unwrap().is_empty());
    assert!(say(&world, &["runs"]).text.contains("changed"));
    let summary = say(&world, &["summary"]);
    assert!(
        summary.text.contains("all is well") && summary.text.contains("head "),
        "{}",
        summary.text
    );
    assert_eq!(
        interrupt(&mut program).await.unwrap().code(),
        Some(0),
        "{}",
        world.tail()
    );
    assert!(!world.log().contains("taken over"), "{}", world.tail());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_beside_a_follower_supersedes_nobody_and_is_compared_with_the_last() {
    let world = world(40, 1).await;
    let mut program = followed(&world).await;
    let writes = world.writes();
    let out = world.folder.path().join("plan.json");
    let first = say(&world, &["plan", "--out", out.to_str().unwrap()]);
    assert_eq!(first.code, Some(0), "{}", first.text);
    assert!(
        first.text.contains("no plan was kept before"),
        "{}",
        first.text
    );
    nobody(&world, &std::fs::read_to_string(&out).unwrap(), "the plan");
    let second = say(&world, &["plan", "--json"]);
    let plans = second.json();
    assert_eq!(plans[0]["difference"]["added"].as_array().unwrap().len(), 0);
    assert_eq!(world.writes(), writes, "a plan was sent");
    // The copy is gone, and the one who follows goes on.
    let left = std::fs::read_dir(world.folder.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("plan-")),
        "{left:?}"
    );
    world.practices[0].update_patient(active(&world), |row| row.f_name = "Changed".to_owned());
    until(&world, "the change", || world.writes().0 > writes.0).await;
    assert_eq!(
        interrupt(&mut program).await.unwrap().code(),
        Some(0),
        "{}",
        world.tail()
    );
}

/// A plan that is killed leaves a copy of the state. Whoever comes next takes it away, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_plan_leaves_behind_is_taken_away() {
    let world = world(20, 1).await;
    let (left, used) = (
        world.folder.path().join(".odx-plan-left"),
        world.folder.path().join(".odx-plan-used"),
    );
    let mut locks = Vec::new();
    for folder in [&left, &used] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("plan.sqlite"), "somebody").unwrap();
        let lock = std::fs::File::create(folder.join("lock")).unwrap();
        lock.try_lock().unwrap();
        locks.push(lock);
    }
    drop(locks.remove(0));
    let mut program = followed(&world).await;
    assert!(!left.exists() && used.join("plan.sqlite").exists());
    std::fs::create_dir(&left).unwrap();
    std::fs::File::create(left.join("lock")).unwrap();
    let said = say(&world, &["plan"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(!left.exists() && used.join("plan.sqlite").exists());
    assert_eq!(interrupt(&mut program).await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_plan_without_a_state_makes_none() {
    let world = world(20, 1).await;
    let said = say(&world, &["plan"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("to create"), "{}", said.text);
    assert!(!world.state().exists());
    assert_eq!(world.writes(), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_crm_refuses_is_listed_with_initials_and_replayed_beside_a_follower() {
    let world = world(40, 1).await;
    let who = active(&world);
    let id = format!("od:main-st:{who}");
    world.crm.refuse_contact(&id, 422);
    with(
        &world,
        "[office.links]\ncrm = \"https://crm.example/detail/{external_id}\"\n",
    );
    let mut program = followed(&world).await;
    until(&world, "the refusal", || {
        say(&world, &["failures"])
            .text
            .contains(&format!("main-st {id}"))
    })
    .await;
    let failures = say(&world, &["failures", "--json"]).json();
    let row = failures
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["kind"] == "refused")
        .unwrap()
        .clone();
    assert_eq!(
        (&row["record"], &row["fix"]),
        (&id.clone().into(), &"office".into())
    );
    assert!(row["code"].as_str().unwrap().starts_with("422"), "{row}");
    assert_eq!(row["who"].as_str().unwrap().len(), 4, "{row}");
    assert_eq!(row["crm"], format!("https://crm.example/detail/{id}"));
    let why = say(&world, &["why", "--office", "main-st", "--patient", &id]);
    assert!(
        why.text.contains("set aside, waits for another_content"),
        "{}",
        why.text
    );
    // Another word, another day: nothing of it.
    for other in [
        ["--code", "500"],
        ["--since", "2090-01-01"],
        ["--id", "od:main-st:0"],
    ] {
        let said = say(&world, &[&["replay"], &other[..]].concat());
        assert!(
            said.text.contains("main-st: 0 refused records"),
            "{}",
            said.text
        );
    }
    world.crm.accept_contact(&id);
    let said = say(&world, &["replay", "--code", "422", "--id", &id]);
    assert!(
        said.text.contains("main-st: 1 refused records"),
        "{}",
        said.text
    );
    until(&world, "the replay", || {
        say(&world, &["failures"]).text == "nothing has failed\n"
    })
    .await;
    assert_eq!(
        interrupt(&mut program).await.unwrap().code(),
        Some(0),
        "{}",
        world.tail()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_is_paused_and_resumed_with_its_reason() {
    let world = world(20, 1).await;
    let mut program = followed(&world).await;
    let said = say(&world, &["resume", "--office", "main-st"]);
    assert!(said.text.contains("it was not paused"), "{}", said.text);
    let said = say(
        &world,
        &[
            "pause",
            "--office",
            "main-st",
            "--reason",
            "new numbers\nare typed",
        ],
    );
    assert_eq!(said.code, Some(0), "{}", said.text);
    let again = say(
        &world,
        &["pause", "--office", "main-st", "--reason", "again"],
    );
    assert!(again.text.contains("already paused") && again.text.contains("new numbers are typed"));
    assert!(
        say(&world, &["status"])
            .text
            .contains("new numbers are typed")
    );
    assert!(
        say(&world, &["summary"])
            .text
            .contains("1 office wants a look")
    );
    let said = say(&world, &["resume", "--office", "main-st"]);
    assert!(
        said.text.contains("goes on within a minute"),
        "{}",
        said.text
    );
    assert!(!say(&world, &["status"]).text.contains("paused"));
    assert_eq!(
        interrupt(&mut program).await.unwrap().code(),
        Some(0),
        "{}",
        world.tail()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_told_with_the_remedy_and_ends_with_2() {
    let world = world(20, 1).await;
    let said = say(&world, &["status"]);
    assert_eq!(said.code, Some(1));
    assert!(said.text.contains("let odx run once"), "{}", said.text);
    assert_eq!(world.once("").await.code(), Some(0));
    for (arguments, what) in [
        (
            &["status", "--office", "oak"][..],
            "there is no office oak in the configuration; there is main-st",
        ),
        (
            &["why", "--office", "main-st", "--patient", "c4nary"],
            "never showed a patient of this id",
        ),
        (&["why", "--office", "main-st"], "--patient"),
        (&["pause", "--office", "main-st"], "--reason"),
        (
            &["pause", "--office", "main-st", "--reason", " "],
            "--reason is empty",
        ),
        (
            &["replay", "--since", "yesterday"],
            "write one such as 2026-11-01",
        ),
        (&["summary", "--day", "monday"], "--day is no day"),
        (&["--follow", "status"], "a command stands alone"),
    ] {
        let said = say(&world, arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.text);
        assert!(said.text.contains(what), "{arguments:?}: {}", said.text);
        assert!(!said.text.contains("c4nary"), "{}", said.text);
    }
    let bare = Command::new(env!("CARGO_BIN_EXE_recall-sync"))
        .arg("status")
        .output()
        .unwrap();
    assert_eq!(bare.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bare.stderr).contains("needs --config FILE"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s13_a_changed_disclosure_is_found_and_named() {
    let world = world(20, 1).await;
    assert_eq!(world.once("").await.code(), Some(0));
    let said = say(&world, &["audit", "--verify", "--json"]);
    assert!(said.json()["broken_at"].is_null(), "{}", said.text);
    let db = rusqlite::Connection::open(world.state()).unwrap();
    db.execute_batch(
        "DROP TRIGGER audit_fixed; UPDATE audit SET outcome = 'refused' WHERE number = 3;",
    )
    .unwrap();
    drop(db);
    let said = say(&world, &["audit", "--verify"]);
    assert_eq!(said.code, Some(1));
    assert!(said.text.contains("broken at row 3"), "{}", said.text);
}
