//! The program itself: killed at random while the practice and the CRM fail, it loses nobody, doubles nobody and
//! misdirects nobody. One process per office group, as a user would run it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests: a panic is the failure, and what is waited for is another process"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use odx_core::clock::{Clock as _, SystemClock};
use odx_core::crm::{Contact, Task, TaskStatus};
use odx_core::model::{ConsentState, Phone};
use odx_crm::sim::{Crm, Fault as CrmFault};
use odx_opendental::sim::{Fault, NO_DATE, PatientRow, Practice};

const TOKENS: [&str; 2] = ["token-of-main", "token-of-elm"];
const OFFICES: [&str; 2] = ["main-st", "elm-st"];

struct World {
    practices: Vec<Practice>,
    _servers: Vec<odx_opendental::sim::Server>,
    crm: Crm,
    _crm_server: odx_crm::sim::Server,
    folder: tempfile::TempDir,
}

async fn world(patients: usize, offices: usize, batch: usize) -> World {
    let crm = Crm::with_tokens(&TOKENS[..offices]);
    let crm_server = crm.serve().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = format!(
        "state = {:?}\npoll = \"200ms\"\nsweep = \"2s\"\nretry_max = \"500ms\"\n",
        folder.path().join("odx.sqlite").to_str().unwrap()
    );
    let (mut practices, mut servers) = (Vec::new(), Vec::new());
    let now = SystemClock
        .now()
        .with_timezone(&chrono_tz::America::New_York)
        .naive_local();
    for (n, office) in OFFICES.iter().take(offices).enumerate() {
        // The same PatNums in each office, and other people.
        let practice = Practice::builder(n as u64 + 1)
            .with_patients(patients)
            .with_page_cap(20)
            .with_start(now)
            .with_keys("dev", &format!("customer{n}key"))
            .build()
            .unwrap();
        let server = practice.serve().await.unwrap();
        config += &format!(
            "[[office]]\nid = \"{office}\"\nname = \"{office}\"\ntime_zone = \"America/New_York\"\n\
             [office.source]\nkind = \"opendental\"\nbase_urls = [{:?}]\ndeveloper_key = \"dev\"\n\
             customer_key = \"customer{n}key\"\ninterval = \"0s\"\n\
             [office.sink]\nkind = \"rest\"\nbase_url = {:?}\ntoken = {:?}\nbatch = {batch}\n",
            server.base_url(),
            crm_server.base_url().as_str(),
            TOKENS[n],
        );
        practices.push(practice);
        servers.push(server);
    }
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    World {
        practices,
        _servers: servers,
        crm,
        _crm_server: crm_server,
        folder,
    }
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_recall-sync"))
        .arg("--config")
        .arg(folder.join("config.toml"))
        .args(arguments)
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Waits as long as other tasks of this test have work.
async fn rest(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// What is wrong with the CRM, seen from the practice's own tables. Written from the tables, not from the policy.
fn wrong(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for (n, practice) in world.practices.iter().enumerate() {
        let office = OFFICES[n];
        let contacts: BTreeMap<String, Contact> = world
            .crm
            .contacts_of(TOKENS[n])
            .into_iter()
            .map(|held| (held.record.external_id.to_string(), held.record))
            .collect();
        let tasks: BTreeMap<String, Task> = world
            .crm
            .tasks_of(TOKENS[n])
            .into_iter()
            .map(|held| (held.record.external_id.to_string(), held.record))
            .collect();
        let mut people: BTreeMap<i64, PatientRow> = BTreeMap::new();
        for row in practice.patients() {
            let id = format!("od:{office}:{}", row.pat_num);
            let closed = matches!(row.pat_status.as_str(), "Archived" | "Deceased" | "Deleted");
            match contacts.get(&id) {
                None if closed => {}
                None => wrong.push(format!("{id} is lost")),
                Some(contact) if closed => {
                    if contact.consent.sms != ConsentState::Denied
                        || contact.tags != ["odx-inactive"]
                    {
                        wrong.push(format!("{id} is {} and still open", row.pat_status));
                    }
                }
                Some(contact) => {
                    let mobile = Phone::parse(&row.wireless_phone)
                        .ok()
                        .filter(Phone::takes_texts);
                    let notes = [&row.prefer_recall_method, &row.prefer_contact_method]
                        .iter()
                        .any(|m| *m == "SeeNotes");
                    let sms = match row.txt_msg_ok.as_str() {
                        "Yes" if !notes => ConsentState::Granted,
                        "No" => ConsentState::Denied,
                        _ => ConsentState::Unknown,
                    };
                    let same = contact.first_name.expose() == &row.f_name
                        && contact.last_name.expose() == &row.l_name
                        && contact.phone.as_ref().map(|phone| phone.expose().clone())
                            == mobile.map(|phone| phone.e164().expose().clone())
                        && contact.consent.sms == sms
                        && contact.office_id == office;
                    if !same {
                        wrong.push(format!("{id} is stale"));
                    }
                }
            }
            people.insert(row.pat_num, row);
        }
        let today = practice.now().date().to_string();
        let mut open = 0;
        for row in practice.recalls() {
            let id = format!("odrecall:{office}:{}", row.recall_num);
            let active = people
                .get(&row.pat_num)
                .is_some_and(|patient| patient.pat_status == "Patient");
            let wanted = active
                && !row.is_disabled
                && row.date_due != NO_DATE
                && row.date_scheduled == NO_DATE
                && row.disable_until_balance == 0.0
                && (row.disable_until_date == NO_DATE || row.disable_until_date <= today);
            let task = tasks
                .get(&id)
                .filter(|task| task.status == TaskStatus::Open);
            match (wanted, task) {
                (true, None) => wrong.push(format!("{id} has no open task")),
                (false, Some(_)) => wrong.push(format!("{id} has an open task")),
                (true, Some(task)) if task.due_date.to_string() != row.date_due => {
                    wrong.push(format!("{id} is stale"))
                }
                _ => {}
            }
            open += usize::from(wanted);
        }
        // No task but those: a recall that vanished is closed.
        let there = tasks
            .values()
            .filter(|task| task.status == TaskStatus::Open)
            .count();
        if there != open {
            wrong.push(format!("{office} has {there} open tasks, not {open}"));
        }
    }
    wrong
}

async fn settled(world: &World, within: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let left = wrong(world);
        if left.is_empty() {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < within,
            "after {within:?} still wrong: {:#?}\n{}",
            &left[..left.len().min(10)],
            tail(world)
        );
        rest(Duration::from_millis(100)).await;
    }
}

fn tail(world: &World) -> String {
    let log = std::fs::read_to_string(world.folder.path().join("log")).unwrap_or_default();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| !line.contains(" TRACE "))
        .collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn change(world: &World, random: &mut fastrand::Rng) {
    let practice = &world.practices[random.usize(..world.practices.len())];
    let patients = practice.patients();
    let key = patients[random.usize(..patients.len())].pat_num;
    let recalls = practice.recalls();
    let recall = recalls[random.usize(..recalls.len())].recall_num;
    match random.u32(..8) {
        0 => drop(practice.update_patient(key, |row| {
            row.f_name = format!("Name{}", fastrand::u32(..3))
        })),
        1 => drop(practice.update_patient(key, |row| {
            row.txt_msg_ok = if row.txt_msg_ok == "Yes" { "No" } else { "Yes" }.to_owned();
        })),
        2 => drop(practice.update_recall(recall, |row| {
            row.date_due = format!("2026-0{}-11", fastrand::u32(1..9))
        })),
        3 => drop(practice.update_recall(recall, |row| row.is_disabled = !row.is_disabled)),
        4 => practice.restamp_all_patients(),
        5 if recalls.len() > 40 => practice.delete_recall(recall),
        6 => drop(practice.update_patient(key, |row| row.pat_status = "Archived".to_owned())),
        _ => drop(practice.day_of_changes(random.u64(..))),
    }
    practice.advance(Duration::from_secs(random.u64(..3)));
}

fn everything_fails(world: &World, seed: u64) {
    for practice in &world.practices {
        practice.faults().rate(
            seed,
            0.1,
            &[
                Fault::ConnectionReset,
                Fault::Status(503),
                Fault::connector_down(),
                Fault::GatewayTimeout504,
                Fault::TruncatedBody,
                Fault::HalfJson,
                Fault::HtmlLogin200,
                Fault::EmptyBody,
            ],
        );
    }
    world.crm.rate(
        seed,
        0.3,
        &[
            CrmFault::Status(500, None),
            CrmFault::Status(503, Some("0".to_owned())),
            CrmFault::Status(429, Some("99999999".to_owned())),
            CrmFault::ResetBefore,
            CrmFault::ResetAfter,
            CrmFault::StatusAfter(502),
            CrmFault::TruncatedAfter,
        ],
    );
}

fn nothing_fails(world: &World) {
    for practice in &world.practices {
        practice.faults().clear();
    }
    world.crm.clear_faults();
}

/// No name, number, note or key of anybody stands in what the program printed, at any level.
fn nothing_leaked(world: &World) {
    let log = std::fs::read_to_string(world.folder.path().join("log")).unwrap();
    let mut canaries = vec!["customer0key".to_owned(), "customer1key".to_owned()];
    canaries.extend(TOKENS.map(str::to_owned));
    for practice in &world.practices {
        canaries.extend(practice.canaries());
        canaries.extend(
            practice
                .patients()
                .into_iter()
                .filter(|row| row.l_name.len() > 5)
                .map(|row| row.l_name),
        );
        canaries.extend(
            practice
                .patients()
                .into_iter()
                .filter(|row| row.wireless_phone.len() > 9)
                .map(|row| row.wireless_phone),
        );
    }
    for canary in canaries {
        assert!(!log.contains(&canary), "the log shows {canary:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_killed_at_random_while_everything_fails_nobody_is_lost_doubled_or_misdirected() {
    for (seed, batch) in [(1, 1), (2, 10)] {
        let world = world(60, 2, batch).await;
        let mut random = fastrand::Rng::with_seed(seed);
        everything_fails(&world, seed);
        for _ in 0..12 {
            let mut program = start(world.folder.path(), &["--follow"]);
            for _ in 0..random.usize(1..6) {
                change(&world, &mut random);
                rest(Duration::from_millis(random.u64(..150))).await;
            }
            program.kill().unwrap();
            program.wait().unwrap();
        }
        let mut program = start(world.folder.path(), &["--follow"]);
        rest(Duration::from_millis(500)).await;
        nothing_fails(&world);
        let took = settled(&world, Duration::from_secs(30)).await;
        println!(
            "seed {seed}, batch {batch}: settled {took:?} after the last fault; {:?}",
            world.crm.counts()
        );
        assert!(
            program.try_wait().unwrap().is_none(),
            "the program ended\n{}",
            tail(&world)
        );
        interrupt(&mut program).await;
        let counts = world.crm.counts();
        assert_eq!(counts.duplicates, 0);
        nothing_leaked(&world);
    }
}

/// Ctrl-C, and the program ends by itself.
async fn interrupt(program: &mut Child) {
    let status = Command::new("kill")
        .args(["-INT", &program.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let began = Instant::now();
    loop {
        if let Some(status) = program.try_wait().unwrap() {
            assert_eq!(status.code(), Some(0));
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "it does not end");
        rest(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_sends_nothing_and_one_after_changes_sends_only_those() {
    let world = world(150, 1, 1).await;
    let once = |world: &World| start(world.folder.path(), &["--once"]);
    let first = once(&world).wait_with_output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", tail(&world));
    assert_eq!(wrong(&world), Vec::<String>::new());
    let writes = |world: &World| world.crm.counts().creates + world.crm.counts().updates;
    let before = (writes(&world), world.crm.counts().identical_rewrites);
    assert_eq!(once(&world).wait().unwrap().code(), Some(0));
    assert_eq!(
        (writes(&world), world.crm.counts().identical_rewrites),
        before
    );
    let day = world.practices[0].day_of_changes(3);
    assert_eq!(once(&world).wait().unwrap().code(), Some(0));
    assert_eq!(
        wrong(&world)
            .iter()
            .filter(|line| !line.contains("open tasks, not"))
            .count(),
        0,
        "{:?}",
        wrong(&world)
    );
    let sent = writes(&world) - before.0;
    assert!(
        sent > 0 && sent <= 3 * u64::try_from(day.patients_touched.len()).unwrap() + 10,
        "{sent} sent for {day:?}"
    );
    nothing_leaked(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failing_office_never_delays_another() {
    let world = world(60, 2, 1).await;
    world.practices[1]
        .faults()
        .rate(1, 1.0, &[Fault::Unauthorized401]);
    let mut program = start(world.folder.path(), &["--follow"]);
    let began = Instant::now();
    loop {
        let mine: Vec<_> = wrong(&world)
            .into_iter()
            .filter(|line| line.contains("main-st"))
            .collect();
        if mine.is_empty() {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{mine:#?}\n{}",
            tail(&world)
        );
        rest(Duration::from_millis(100)).await;
    }
    assert_eq!(world.crm.contacts_of(TOKENS[1]).len(), 0);
    world.practices[1].faults().clear();
    settled(&world, Duration::from_secs(20)).await;
    interrupt(&mut program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_token_parks_nobody_and_a_refused_contact_waits_alone() {
    let world = world(60, 1, 1).await;
    world.crm.revoke_token();
    let poor = world.practices[0]
        .patients()
        .into_iter()
        .find(|row| row.pat_status == "Patient")
        .unwrap()
        .pat_num;
    let id = format!("od:main-st:{poor}");
    world.crm.refuse_contact(&id, 422);
    let mut program = start(world.folder.path(), &["--follow"]);
    rest(Duration::from_secs(2)).await;
    assert_eq!(world.crm.contacts().len(), 0);
    world.crm.restore_token();
    let began = Instant::now();
    while wrong(&world)
        .iter()
        .any(|line| !line.contains(&id) && !line.contains("task"))
    {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}\n{}",
            wrong(&world),
            tail(&world)
        );
        rest(Duration::from_millis(100)).await;
    }
    let listed = format!("{id} is set aside");
    while !std::fs::read_to_string(world.folder.path().join("log"))
        .unwrap()
        .contains(&listed)
    {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{}",
            tail(&world)
        );
        rest(Duration::from_millis(100)).await;
    }
    world.crm.accept_contact(&id);
    world.practices[0].update_patient(poor, |row| row.f_name = "Mended".to_owned());
    settled(&world, Duration::from_secs(20)).await;
    interrupt(&mut program).await;
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
