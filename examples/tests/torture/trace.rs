//! The program under `strace`: what it writes and when it is safe on disk, and calls that fail on demand.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::world::{End, World, ended};

/// Whether anything can be traced here. Where not, says so and why; where `scripts/test` has found that it can,
/// there is no such excuse.
pub fn possible(check: &str) -> bool {
    let works = Command::new("strace")
        .args(["-f", "-e", "trace=none", "true"])
        .stderr(Stdio::null())
        .status();
    let why = match works {
        Ok(status) if status.success() => return true,
        Ok(_) => "strace may not trace here: give the container CAP_SYS_PTRACE",
        Err(_) => "strace is missing: scripts/setup installs it",
    };
    assert!(std::env::var_os("ODX_STRACE").is_none(), "{why}");
    println!("not checked: {check}: {why}");
    false
}

/// Follows, and is what is started here, not its tracer, while these calls on the log beside the state file fail with this error.
pub fn failing(world: &World, call: &str, error: &str, when: &str) -> Child {
    let mut command = Command::new("strace");
    world.dress(&mut command, "");
    command
        .args(["-D", "-f", "-qq", "-o", "/dev/null", "-P"])
        .arg(&world.state_files()[1])
        .args(["-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:error={error}:when={when}")])
        .arg(env!("CARGO_BIN_EXE_recall-sync"))
        .arg("--config")
        .arg(world.folder.path().join("config.toml"))
        .arg("--follow")
        .spawn()
        .unwrap()
}

/// A call on a file of the state.
#[derive(Clone)]
pub struct Call {
    /// When it was made; of a sync: when it was done. Microseconds since 1970.
    pub at: i64,
    /// On the log, not on the file itself.
    pub log: bool,
    pub what: What,
}

#[derive(Clone)]
pub enum What {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
    Unlink,
    Sync,
}

/// Runs the program once, and what it did to the files of the state.
pub async fn recorded(world: &World, rules: &str) -> (End, Vec<Call>) {
    let out = world.folder.path().join("calls");
    let mut command = Command::new("strace");
    world.dress(&mut command, rules);
    let [file, log, _] = world.state_files().try_into().unwrap();
    command
        .args(["-f", "-qq", "-y", "-xx", "-ttt", "-T", "-s", "100000", "-o"])
        .arg(&out)
        .args(["-e", "signal=none"])
        .args([
            "-e",
            "trace=pwrite64,write,writev,fsync,fdatasync,ftruncate,unlink,unlinkat",
        ])
        .arg("-P")
        .arg(&file)
        .arg("-P")
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_recall-sync"))
        .arg("--config")
        .arg(world.folder.path().join("config.toml"))
        .arg("--once");
    let from = world.log().len();
    let status = ended(&mut command.spawn().unwrap(), Duration::from_secs(120)).await;
    let text = world.log().split_off(from);
    let calls = read(&std::fs::read_to_string(out).unwrap());
    (End { status, text }, calls)
}

/// One line per call: `pid time name(arguments) = result <duration>`. A call that others overtook stands on two.
fn read(text: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut begun: HashMap<&str, &str> = HashMap::new();
    for line in text.lines() {
        let (pid, rest) = line.split_once(' ').unwrap();
        let (time, rest) = rest.trim_start().split_once(' ').unwrap();
        let at = micros(time);
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(pid, begin);
            // A write may be on its way to the disk as soon as it was asked for.
            calls.extend(call(begin, at).filter(|call| !matches!(call.what, What::Sync)));
        } else if rest.starts_with("<...") {
            let begin = begun.remove(pid).unwrap();
            calls.extend(call(begin, at).filter(|call| matches!(call.what, What::Sync)));
        } else {
            let took = rest
                .rsplit_once('<')
                .map_or(0, |(_, took)| micros(took.trim_end_matches('>')));
            let whole = call(rest, at).map(|mut call| {
                if matches!(call.what, What::Sync) {
                    call.at += took;
                }
                call
            });
            calls.extend(whole);
        }
    }
    calls.sort_by_key(|call| call.at);
    calls
}

fn micros(seconds: &str) -> i64 {
    let (whole, part) = seconds.split_once('.').unwrap();
    whole.parse::<i64>().unwrap() * 1_000_000 + part.parse::<i64>().unwrap()
}

fn call(text: &str, at: i64) -> Option<Call> {
    let (name, arguments) = text.split_once('(')?;
    let path = if name.starts_with("unlink") {
        unhex(arguments.split('"').nth(1)?)
    } else {
        unhex(arguments.split_once('<')?.1.split_once('>')?.0)
    };
    let log = path.ends_with(b"-wal");
    let numbers = || {
        let tail = arguments
            .rsplit_once('"')
            .map_or(arguments, |(_, tail)| tail);
        tail.split([',', ')'])
            .filter_map(|word| word.trim().parse::<usize>().ok())
    };
    let what = match name {
        "pwrite64" => What::Write {
            bytes: unhex(arguments.split('"').nth(1)?),
            offset: numbers().nth(1)?,
        },
        "ftruncate" => What::Truncate {
            length: numbers().next()?,
        },
        "fsync" | "fdatasync" => What::Sync,
        "unlink" | "unlinkat" => What::Unlink,
        other => panic!("SQLite writes by {other}, which is not understood here"),
    };
    Some(Call { at, log, what })
}

/// `\x2f\x74`
fn unhex(text: &str) -> Vec<u8> {
    (text.split("\\x").skip(1))
        .map(|digits| u8::from_str_radix(digits, 16).unwrap())
        .collect()
}
