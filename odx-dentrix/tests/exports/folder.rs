//! A folder of exports: what is ready, and where it goes.

use std::path::Path;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use odx_dentrix::ExportSettings;
use odx_dentrix::exports::{Folder, ReadyFile};

fn settings(folder: &Path) -> ExportSettings {
    ExportSettings::new(folder)
}

fn now() -> DateTime<Utc> {
    "2025-11-03T13:00:04Z".parse().unwrap()
}

/// Writes a file as of so many seconds before now.
fn put(folder: &Path, name: &str, content: &str, age: u64) {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    let at = SystemTime::from(now()) - Duration::from_secs(age);
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(at)
        .unwrap();
}

fn names(ready: &[ReadyFile]) -> Vec<&str> {
    ready
        .iter()
        .map(|file| file.name.to_str().unwrap())
        .collect()
}

fn inside(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_ready_once_it_was_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(&settings(dir.path()));
    put(dir.path(), "recall.csv", "a", 1);
    let looked = folder.look(now()).unwrap();
    assert_eq!((looked.ready.len(), looked.settling), (0, 1));
    let later = now() + TimeDelta::seconds(10);
    put(dir.path(), "recall.csv", "ab", 0);
    assert_eq!(folder.look(later).unwrap().ready.len(), 0);
    assert_eq!(
        folder
            .look(later + TimeDelta::seconds(9))
            .unwrap()
            .ready
            .len(),
        0
    );
    let looked = folder.look(later + TimeDelta::seconds(20)).unwrap();
    assert_eq!(names(&looked.ready), ["recall.csv"]);
    assert_eq!(looked.ready[0].size, 2);
    // The hash of `ab`.
    assert!(looked.ready[0].hash.starts_with("fb8e20fc2e4c3f24"));
}

#[test]
fn a_clock_that_runs_ahead_elsewhere_delays_and_does_not_block() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(&settings(dir.path()));
    put(dir.path(), "recall.csv", "a", 0);
    let before = now() - TimeDelta::hours(1);
    assert_eq!(folder.look(before).unwrap().ready.len(), 0);
    assert_eq!(
        folder
            .look(before + TimeDelta::seconds(20))
            .unwrap()
            .ready
            .len(),
        1
    );
}

#[test]
fn what_programs_write_for_themselves_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "~$recall.xlsx",
        "recall.csv.tmp",
        "RECALL.PART",
        ".hidden.csv",
        "Thumbs.db",
    ] {
        put(dir.path(), name, "a", 3600);
    }
    std::fs::create_dir(dir.path().join("done")).unwrap();
    put(&dir.path().join("done"), "old.csv", "a", 3600);
    let looked = Folder::new(&settings(dir.path())).look(now()).unwrap();
    assert_eq!((looked.ready.len(), looked.settling), (0, 0));
}

#[test]
fn the_oldest_comes_first_and_equal_content_has_one_hash() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "a.csv", "x", 100);
    put(dir.path(), "b.csv", "x", 300);
    put(dir.path(), "c.csv", "y", 200);
    let looked = Folder::new(&settings(dir.path())).look(now()).unwrap();
    assert_eq!(names(&looked.ready), ["b.csv", "c.csv", "a.csv"]);
    assert_eq!(looked.ready[0].hash, looked.ready[2].hash);
    assert_ne!(looked.ready[0].hash, looked.ready[1].hash);
}

#[test]
fn a_file_that_was_read_is_kept_under_its_name_and_the_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(&settings(dir.path()));
    for content in ["one", "two"] {
        put(dir.path(), "Park recall.csv", content, 100);
        let ready = folder.look(now()).unwrap().ready;
        folder.archive(&ready[0], now()).unwrap();
    }
    let done = dir.path().join("done");
    assert_eq!(
        inside(&done),
        [
            "Park recall.20251103T130004Z-2.csv",
            "Park recall.20251103T130004Z.csv"
        ]
    );
    let kept = std::fs::read_to_string(done.join("Park recall.20251103T130004Z.csv")).unwrap();
    assert_eq!(kept, "one", "nothing is written over");
    assert_eq!(folder.look(now()).unwrap().ready.len(), 0);
}

#[test]
fn a_file_that_was_not_read_lies_beside_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(&settings(dir.path()));
    put(dir.path(), "recall.csv", "one", 100);
    let ready = folder.look(now()).unwrap().ready;
    let held = folder
        .quarantine(&ready[0], "it was cut\nexport it again", now())
        .unwrap();
    assert_eq!(held, dir.path().join("held/recall.20251103T130004Z.csv"));
    assert_eq!(std::fs::read_to_string(&held).unwrap(), "one");
    let reason = dir
        .path()
        .join("held/recall.20251103T130004Z.csv.reason.txt");
    assert_eq!(
        std::fs::read_to_string(reason).unwrap(),
        "it was cut export it again\r\n"
    );
}

#[test]
fn a_crash_between_the_reason_and_the_move_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let held = dir.path().join("held");
    std::fs::create_dir(&held).unwrap();
    // The reason was written, and then the power went.
    std::fs::write(
        held.join("recall.20251103T130004Z.csv.reason.txt"),
        "before\r\n",
    )
    .unwrap();
    let mut folder = Folder::new(&settings(dir.path()));
    put(dir.path(), "recall.csv", "one", 100);
    let ready = folder.look(now()).unwrap().ready;
    let moved = folder.quarantine(&ready[0], "after", now()).unwrap();
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one");
    let mut reason = moved.into_os_string();
    reason.push(".reason.txt");
    assert_eq!(std::fs::read_to_string(reason).unwrap(), "after\r\n");
}

#[test]
fn a_file_that_went_leaves_no_reason_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(&settings(dir.path()));
    put(dir.path(), "recall.csv", "one", 100);
    let ready = folder.look(now()).unwrap().ready;
    std::fs::remove_file(dir.path().join("recall.csv")).unwrap();
    let why = folder.quarantine(&ready[0], "x", now()).unwrap_err();
    assert!(why.to_string().contains("right to write"), "{why}");
    assert!(!why.to_string().contains("recall.csv"), "{why}");
    assert!(inside(&dir.path().join("held")).is_empty());
}

#[test]
fn a_folder_that_is_not_there_is_said_with_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let why = Folder::new(&settings(&dir.path().join("gone")))
        .look(now())
        .unwrap_err();
    assert!(
        why.to_string().contains("gone") && why.to_string().contains("create it"),
        "{why}"
    );
}

#[cfg(unix)]
#[test]
fn a_queue_in_the_folder_makes_nobody_wait() {
    let dir = tempfile::tempdir().unwrap();
    let queue = dir.path().join("queue.csv");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&queue)
            .status()
            .unwrap()
            .success()
    );
    let mut folder = Folder::new(&settings(dir.path()));
    let later = now() + TimeDelta::days(40_000);
    let ready = folder.look(later).unwrap().ready;
    assert_eq!(ready.len(), 1);
    folder
        .quarantine(&ready[0], "no plain file", later)
        .unwrap();
    assert_eq!(folder.look(later).unwrap().ready.len(), 0);
}

#[test]
fn names_of_files_are_nowhere_printed() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(&settings(dir.path()));
    put(dir.path(), "Goldberg, Ruth.pdf", "x", 100);
    put(dir.path(), "Okafor, Chidi.pdf", "x", 1);
    let looked = folder.look(now()).unwrap();
    let printed = format!("{looked:?} {folder:?}");
    assert!(
        !printed.contains("Goldberg") && !printed.contains("Okafor"),
        "{printed}"
    );
}
