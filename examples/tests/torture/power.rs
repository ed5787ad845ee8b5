//! D13: the power fails. What was not synced is gone, or half there, or there in another order; what the program acted
//! on is not.

use std::collections::BTreeSet;
use std::path::Path;

use odx_core::clock::{Clock as _, SystemClock};
use odx_core::crm::Body;
use odx_crm::sim::Write;
use rusqlite::Connection;

use crate::change::edit;
use crate::compare::{Finding, Kind, caught, found, nothing, wrong};
use crate::trace::{Call, What, possible, recorded};
use crate::world::{Plan, World, from_env};

/// The file and its log.
type Files = [Option<Vec<u8>>; 2];

/// What a disk makes of writes that nobody waited for.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// All of them came through.
    Nothing,
    /// None of them did.
    Everything,
    /// Some did, in no order.
    Some,
    /// Those before one of them, and half of that one.
    Torn,
    /// Some, and some of those by half.
    SomeTorn,
}

const LOSSES: [Loss; 5] = [
    Loss::Nothing,
    Loss::Everything,
    Loss::Some,
    Loss::Torn,
    Loss::SomeTorn,
];
const SECTOR: usize = 512;

fn apply(files: &mut Files, call: &Call) {
    let file = &mut files[usize::from(call.log)];
    match &call.what {
        What::Write { offset, bytes } => {
            let file = file.get_or_insert_default();
            let end = offset + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*offset..end].copy_from_slice(bytes);
        }
        What::Truncate { length } => file.get_or_insert_default().resize(*length, 0),
        What::Unlink => *file = None,
        What::Sync => {}
    }
}

/// The part of a write that reached the disk.
fn half(call: &Call, random: &mut fastrand::Rng) -> Call {
    let mut call = call.clone();
    if let What::Write { bytes, .. } = &mut call.what {
        bytes.truncate(random.usize(..=bytes.len() / SECTOR) * SECTOR);
    }
    call
}

/// The files as of a power cut before the `moment`th call.
fn image(
    base: &Files,
    calls: &[Call],
    moment: usize,
    loss: Loss,
    random: &mut fastrand::Rng,
) -> Files {
    let mut files = base.clone();
    let mut unsynced: Vec<&Call> = Vec::new();
    for call in &calls[..moment] {
        if matches!(call.what, What::Sync) {
            unsynced.retain(|earlier| {
                if earlier.log == call.log {
                    apply(&mut files, earlier);
                }
                earlier.log != call.log
            });
        } else {
            unsynced.push(call);
        }
    }
    let torn = random.usize(..=unsynced.len());
    for (n, call) in unsynced.into_iter().enumerate() {
        match loss {
            Loss::Nothing => apply(&mut files, call),
            Loss::Everything => {}
            Loss::Torn if n > torn => {}
            Loss::Torn if n == torn => apply(&mut files, &half(call, random)),
            Loss::Torn => apply(&mut files, call),
            Loss::Some | Loss::SomeTorn if random.bool() => {}
            Loss::SomeTorn if random.bool() => apply(&mut files, &half(call, random)),
            Loss::Some | Loss::SomeTorn => apply(&mut files, call),
        }
    }
    files
}

fn lay(files: &Files, at: &Path) {
    let name = |suffix: &str| {
        let mut name = at.as_os_str().to_owned();
        name.push(suffix);
        std::path::PathBuf::from(name)
    };
    for (suffix, bytes) in [("", &files[0]), ("-wal", &files[1]), ("-shm", &None)] {
        match bytes {
            Some(bytes) => std::fs::write(name(suffix), bytes).unwrap(),
            None => drop(std::fs::remove_file(name(suffix))),
        }
    }
}

/// The file is whole, and every write that came to the CRM stands in it, as acknowledged or as on its way.
fn sound(state: &Path, since: i64, came: &[Write]) -> Result<(), String> {
    let db = Connection::open(state).map_err(|why| why.to_string())?;
    let verdict: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(|why| why.to_string())?;
    if verdict != "ok" {
        return Err(verdict);
    }
    let mut acknowledged = db
        .prepare("SELECT external_id FROM ledger WHERE at >= ?1")
        .map_err(|why| why.to_string())?;
    let known: BTreeSet<String> = acknowledged
        .query_map([since], |row| row.get(0))
        .and_then(Iterator::collect)
        .map_err(|why| why.to_string())?;
    let mut departed = db
        .prepare("SELECT tried FROM route WHERE tried NOTNULL")
        .map_err(|why| why.to_string())?;
    let tried: Vec<Vec<u8>> = departed
        .query_map([], |row| row.get(0))
        .and_then(Iterator::collect)
        .map_err(|why| why.to_string())?;
    for write in came {
        let id = match &write.body {
            Body::Contact(contact) => contact.external_id.as_str(),
            Body::Task(task) => task.external_id.as_str(),
        };
        let on_its_way =
            |tried: &Vec<u8>| tried.windows(id.len()).any(|part| part == id.as_bytes());
        if !known.contains(id) && !tried.iter().any(on_its_way) {
            return Err(format!(
                "{id} came to the CRM, and the state knows nothing of it"
            ));
        }
    }
    Ok(())
}

/// Power cuts during a sync: so many images of the disk, every tenth of which the program goes on from.
async fn power_cuts(images: usize, rules: &str) -> Vec<Finding> {
    let world = World::new(Plan {
        patients: 30,
        sweep: "24h",
        ..Plan::default()
    })
    .await;
    world.crm.keep_writes();
    edit(&world, |n| Some(format!("A{n}")));
    for _ in 0..2 {
        assert_eq!(world.once("").await.code(), Some(0));
    }
    let base = [Some(std::fs::read(world.state()).unwrap()), None];
    let before = world.crm.writes();
    let since = SystemClock.now().timestamp_millis();
    edit(&world, |n| Some(format!("B{n}")));
    let (end, calls) = recorded(&world, rules).await;
    assert_eq!(end.code(), Some(0), "{}", end.text);
    nothing(&wrong(&world));
    let writes = world.crm.writes();
    // The calls were understood: together they make the file that is there.
    let whole = image(
        &base,
        &calls,
        calls.len(),
        Loss::Nothing,
        &mut fastrand::Rng::with_seed(0),
    );
    assert_eq!(
        whole[0].as_deref(),
        Some(&*std::fs::read(world.state()).unwrap())
    );
    assert!(whole[1].is_none(), "the log is still there");
    let syncs = calls
        .iter()
        .filter(|call| matches!(call.what, What::Sync))
        .count();
    println!(
        "{} calls on the files, {syncs} of them syncs, {} writes to the CRM",
        calls.len(),
        writes.len() - before.len()
    );

    edit(&world, |n| match n % 3 {
        0 => Some(format!("A{n}")),
        1 => Some(format!("C{n}")),
        _ => None,
    });
    let mut random = fastrand::Rng::with_seed(13);
    let (mut findings, mut runs) = (Vec::new(), 0);
    for n in 0..images {
        let moment = random.usize(1..=calls.len());
        // Those that the program goes on from are of every kind, too.
        let loss = LOSSES[(n + n / 10) % LOSSES.len()];
        let files = image(&base, &calls, moment, loss, &mut random);
        let at = calls.get(moment).map_or(i64::MAX, |call| call.at);
        let came = writes.partition_point(|write| write.at.timestamp_micros() < at);
        let what = format!("power cut before call {moment}, {loss:?}");
        lay(&files, &world.state());
        if let Err(why) = sound(&world.state(), since, &writes[before.len()..came]) {
            findings.push(found(Kind::Lost, format!("{what}: {why}")));
        }
        if n % 10 != 0 {
            continue;
        }
        runs += 1;
        lay(&files, &world.state());
        world.crm.replay(&writes[..came]);
        for _ in 0..2 {
            let end = world.once("").await;
            if end.code() != Some(0) {
                findings.push(found(
                    Kind::Other,
                    format!("{what}: {:?} {}", end.status, end.text),
                ));
            }
            if wrong(&world).is_empty() {
                break;
            }
        }
        findings.extend(wrong(&world).into_iter().map(|mut finding| {
            finding.what = format!("{what}: {}", finding.what);
            finding
        }));
    }
    println!(
        "{images} images, {runs} of them gone on from: {} findings",
        findings.len()
    );
    findings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d13_a_power_cut_at_any_moment_takes_nothing_that_was_acted_on() {
    if !possible("d13") {
        return;
    }
    nothing(&power_cuts(from_env("ODX_IMAGES", 60), "").await);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d13_is_noticed_when_a_commit_does_not_wait_for_the_disk() {
    if !possible("d13") {
        return;
    }
    let rule = "broken.state.synchronous";
    let findings = power_cuts(100, &format!("{rule}=return")).await;
    caught(rule, Kind::Lost, &findings);
}
