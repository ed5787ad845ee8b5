//! D12: no space, a lock, a damaged file, a folder that cannot be written: odx stops, says what to do, and once that
//! is done nothing is missing and nothing is there twice.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::compare::{Finding, Kind, caught, found, nothing, settled, wrong};
use crate::trace;
use crate::world::{Plan, World, ended, from_env, interrupt, rest};

const PATIENCE: Duration = Duration::from_secs(60);

fn plan() -> Plan {
    Plan {
        patients: 40,
        offices: 2,
        ..Plan::default()
    }
}

fn edit(world: &World, name: &str) {
    for practice in &world.practices {
        for row in practice.patients() {
            practice.update_patient(row.pat_num, |row| row.f_name = name.to_owned());
        }
        practice.advance(Duration::from_secs(1));
    }
}

/// Waits until the program has said this.
async fn says(world: &World, words: &str, patience: Duration) -> Option<Finding> {
    let began = Instant::now();
    while !world.log().contains(words) {
        if began.elapsed() > patience {
            let what = format!("it never said {words:?}:\n{}", world.tail());
            return Some(found(Kind::Other, what));
        }
        rest(Duration::from_millis(20)).await;
    }
    None
}

/// The same process goes on where it was, and stops when told.
async fn goes_on(world: &World, mut program: Child, patience: Duration) -> Vec<Finding> {
    let mut findings = settled(world, patience).await;
    match interrupt(&mut program).await {
        Some(status) if status.code() == Some(0) => {}
        end => findings.push(found(Kind::Other, format!("it ended with {end:?}"))),
    }
    findings
}

/// The system lets no file grow, as a quota does; after a while it does again.
async fn no_room(rules: &str, patience: Duration) -> Vec<Finding> {
    let world = World::new(plan()).await;
    nothing(&first(&world).await);
    edit(&world, "Changed");
    let mut shell = Command::new("bash");
    world.dress(&mut shell, rules);
    // 56 blocks of 1,024 bytes are room to open the file, and for a few pages of log; the words of the program go through a pipe, which has none.
    let script = "trap '' XFSZ; ulimit -S -f 56; exec \"$0\" --config \"$1\" --follow";
    let mut program = shell
        .args(["-c", script, env!("CARGO_BIN_EXE_recall-sync")])
        .arg(world.folder.path().join("config.toml"))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut words = program.stdout.take().unwrap();
    let log = world.folder.path().join("log");
    let reader = std::thread::spawn(move || {
        let mut log = std::fs::File::options().append(true).open(log).unwrap();
        std::io::copy(&mut words, &mut log).unwrap();
    });
    let silent = says(&world, "goes on where it was", patience).await;
    let sent = world.writes();
    let freed = Command::new("prlimit")
        .args(["--pid", &program.id().to_string(), "--fsize=unlimited:"])
        .status()
        .unwrap();
    assert!(freed.success());
    let mut findings = goes_on(&world, program, patience).await;
    findings.extend(silent);
    if world.writes() == sent {
        findings.push(found(Kind::Other, "nothing was sent once there was room"));
    }
    reader.join().unwrap();
    findings
}

async fn first(world: &World) -> Vec<Finding> {
    let end = world.once("").await;
    assert_eq!(end.code(), Some(0), "{}", end.text);
    wrong(world)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_where_no_file_may_grow_it_says_so_and_goes_on_once_it_may() {
    nothing(&no_room("", PATIENCE).await);
}

/// Each write to the log beside the state file fails like this, from the `from`th to the `to`th.
async fn failing(call: &str, error: &str, words: &str) -> Vec<Finding> {
    let world = World::new(plan()).await;
    nothing(&first(&world).await);
    edit(&world, "Changed");
    let program = trace::failing(&world, call, error, "6..12");
    let silent = says(&world, words, PATIENCE).await;
    let mut findings = goes_on(&world, program, PATIENCE).await;
    findings.extend(silent);
    findings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_on_a_full_disk_it_says_so_and_goes_on_once_there_is_room() {
    if !trace::possible("d12") {
        return;
    }
    nothing(&failing("pwrite64", "ENOSPC", "the disk is full").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_on_a_disk_that_fails_to_sync_it_says_so_and_goes_on_once_it_does() {
    if !trace::possible("d12") {
        return;
    }
    nothing(&failing("fsync,fdatasync", "EIO", "the disk did not take").await);
}

/// Another program holds the file for longer than odx waits for it.
async fn locked(rules: &str) -> Vec<Finding> {
    let world = World::new(plan()).await;
    nothing(&first(&world).await);
    edit(&world, "Changed");
    let other = Connection::open(world.state()).unwrap();
    other.busy_timeout(Duration::from_secs(30)).unwrap();
    let program = world.start(&["--follow"], rules);
    // Once it is at work: what it sends then is what it cannot store.
    let before = world.writes().0;
    while world.writes().0 == before {
        rest(Duration::from_millis(2)).await;
    }
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    edit(&world, "Again");
    let silent = says(&world, "another program holds the state file", PATIENCE).await;
    other.execute_batch("ROLLBACK").unwrap();
    let mut findings = goes_on(&world, program, PATIENCE).await;
    findings.extend(silent);
    findings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_while_another_program_holds_the_file_it_says_so_and_goes_on_after() {
    nothing(&locked("").await);
}

/// Bytes of the state file are flipped: either it says so and what to do, and doing that mends it; or the bytes
/// were of no importance.
async fn damaged(seed: u64, flips: usize, rules: &str) -> (bool, Vec<Finding>) {
    let world = World::new(plan()).await;
    nothing(&first(&world).await);
    let mut bytes = std::fs::read(world.state()).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..flips {
        let at = random.usize(..bytes.len());
        bytes[at] ^= 1 << random.u32(..8);
    }
    std::fs::write(world.state(), bytes).unwrap();
    edit(&world, "Changed");
    let end = world.once(rules).await;
    let mut findings = Vec::new();
    let said =
        end.text.contains("move") && end.text.contains("state file") && end.text.contains("aside");
    if !said {
        if end.code() != Some(0) {
            let what = format!("{seed}: {:?} and no remedy: {}", end.status, end.text);
            findings.push(found(Kind::Other, what));
        }
        findings.extend(wrong(&world));
        return (false, findings);
    }
    // The remedy, as it says.
    for file in world.state_files() {
        let mut aside = file.clone().into_os_string();
        aside.push(".aside");
        if file.exists() {
            std::fs::rename(file, aside).unwrap();
        }
    }
    let creates = world.crm.counts().creates;
    let end = world.once(rules).await;
    if end.code() != Some(0) || world.crm.counts().creates != creates {
        let more = world.crm.counts().creates - creates;
        let what = format!(
            "{seed}: {:?} and {more} created again: {}",
            end.status, end.text
        );
        findings.push(found(Kind::Double, what));
    }
    findings.extend(wrong(&world));
    (true, findings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_a_damaged_state_file_is_told_with_its_remedy_which_doubles_nobody() {
    let (mut told, mut findings) = (0, Vec::new());
    let files = from_env("ODX_DAMAGED", 6);
    for seed in 1..=files {
        let (said, found) = damaged(seed as u64, from_env("ODX_FLIPS", 100), "").await;
        told += usize::from(said);
        findings.extend(found);
    }
    println!("{files} files with flipped bits: {told} told, the others harmless");
    nothing(&findings);
    assert!(told > 0, "not one of {files} was told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_a_folder_that_cannot_be_written_is_told_and_once_it_can_nothing_is_missing() {
    let world = World::new(plan()).await;
    nothing(&first(&world).await);
    edit(&world, "Changed");
    let folder = world.folder.path();
    let program = folder.join("recall-sync");
    std::fs::copy(env!("CARGO_BIN_EXE_recall-sync"), &program).unwrap();
    let shut =
        |mode| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    for file in world
        .state_files()
        .into_iter()
        .chain([folder.join("odx.sqlite.lock")])
    {
        if file.exists() {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o444)).unwrap();
        }
    }
    shut(0o555);
    let mut command = Command::new(&program);
    world.dress(&mut command, "");
    command
        .arg("--config")
        .arg(folder.join("config.toml"))
        .arg("--once");
    // Nothing is shut to root: then it is somebody else.
    if std::fs::metadata(folder).unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let mut child = command.spawn().unwrap();
    let end = ended(&mut child, PATIENCE).await;
    shut(0o755);
    assert_eq!(end.code(), Some(1), "{}", world.tail());
    assert!(
        world
            .log()
            .contains("give the account write access to its folder"),
        "{}",
        world.tail()
    );
    for file in world
        .state_files()
        .into_iter()
        .chain([folder.join("odx.sqlite.lock")])
    {
        if file.exists() {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
    nothing(&first(&world).await);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_is_noticed_when_a_commit_that_failed_counts_as_done() {
    let rule = "broken.state.commit";
    caught(
        rule,
        Kind::Other,
        &no_room(&format!("{rule}=return"), Duration::from_secs(5)).await,
    );
}
