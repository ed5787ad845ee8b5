//! `dentrix-connector` as whoever installs it meets it first.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::path::Path;
use std::process::{Command, Stdio};

struct Said {
    code: Option<i32>,
    text: String,
}

/// In a folder of its own, so that what is not named is looked for there.
fn say(folder: &Path, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_dentrix-connector"))
        .args(arguments)
        .current_dir(folder)
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let [text, errors] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    Said {
        code: output.status.code(),
        text: format!("{text}{errors}"),
    }
}

const SINK: &str =
    "[office.sink]\nkind = \"rest\"\nbase_url = \"http://127.0.0.1:1/v1\"\ntoken = \"t0ken\"\n";
const OFFICE: &str = "state = \"state/odx.sqlite\"\nretry_max = \"200ms\"\n[[office]]\nid = \"main-st\"\n\
                      name = \"Main Street Dental\"\ntime_zone = \"America/Denver\"\n";

fn folder(source: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("state")).unwrap();
    let text = format!("{OFFICE}[office.source]\n{source}\n{SINK}");
    std::fs::write(folder.path().join("dentrix-connector.toml"), text).unwrap();
    folder
}

/// Nobody answers there.
const NOBODY: &str = "kind = \"opendental\"\nbase_urls = [\"http://127.0.0.1:1/api/v1\"]\ndeveloper_key = \"d\"\n\
                      customer_key = \"c\"\ninterval = \"0s\"";

#[test]
fn help_names_every_verb_and_every_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let said = say(folder.path(), &["--help"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    for verb in [
        "run", "watch", "plan", "probe", "columns", "status", "why", "failures", "replay", "pause",
        "resume", "tags", "runs", "summary", "audit", "explain", "reset",
    ] {
        let listed = said.text.lines().any(|line| {
            let mut words = line.split_whitespace();
            line.starts_with("  ") && words.next() == Some(verb)
        });
        assert!(listed, "{verb} not in\n{}", said.text);
    }
    for what in ["dentrix-connector.toml", "Exit codes: 0", "docs/runbook.md"] {
        assert!(said.text.contains(what), "{what} not in\n{}", said.text);
    }
    let said = say(folder.path(), &["--version"]);
    assert!(said.text.starts_with("dentrix-connector "), "{}", said.text);
}

#[test]
fn without_a_configuration_it_says_where_one_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let said = say(folder.path(), &["probe"]);
    assert_eq!(said.code, Some(2), "{}", said.text);
    let what = "dentrix-connector: there is no dentrix-connector.toml in";
    assert!(said.text.contains(what), "{}", said.text);
    assert!(said.text.contains("--config FILE"), "{}", said.text);
}

#[test]
fn without_its_reader_it_is_refused_and_nothing_is_contacted() {
    let folder = folder(
        "kind = \"dentrix\"\nmode = \"odbc\"\nconnection = \"PWD=c4nary\"\nreader = \"missing/dentrix-reader\"",
    );
    for verb in [
        &["probe"][..],
        &["run"],
        &["columns", "--office", "main-st"],
    ] {
        let said = say(folder.path(), verb);
        assert_eq!(said.code, Some(2), "{}", said.text);
        for what in [
            "dentrix-connector: 1 mistake in dentrix-connector.toml; nothing was contacted",
            "source.reader has no program at missing/dentrix-reader",
            "put dentrix-reader beside this program",
        ] {
            assert!(said.text.contains(what), "{what} not in\n{}", said.text);
        }
        assert!(!said.text.contains("c4nary"), "{}", said.text);
    }
    let state = std::fs::read_dir(folder.path().join("state")).unwrap();
    assert_eq!(state.count(), 0);
}

#[test]
fn what_a_run_says_is_kept_in_a_file_of_the_day_beside_the_state() {
    let folder = folder(NOBODY);
    let said = say(folder.path(), &["run"]);
    assert_eq!(said.code, Some(3), "{}", said.text);
    let names = std::fs::read_dir(folder.path().join("state")).unwrap();
    let names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("dentrix-connector."))
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].ends_with(".log"), "{names:?}");
    let kept = std::fs::read_to_string(folder.path().join("state").join(&names[0])).unwrap();
    assert!(kept.contains("main-st"), "{kept}");
    // What only asks keeps nothing.
    let other = self::folder(NOBODY);
    say(other.path(), &["probe"]);
    let state = std::fs::read_dir(other.path().join("state")).unwrap();
    assert_eq!(state.count(), 0);
}

#[test]
fn what_is_only_for_dentrix_is_refused_elsewhere() {
    let folder = folder(NOBODY);
    for (arguments, what) in [
        (
            &["columns", "--office", "main-st"][..],
            "office main-st is not of the kind dentrix",
        ),
        (
            &["columns", "--office", "oak"],
            "there is no office oak in the configuration",
        ),
        (
            &["run", "--release"],
            "--release is for offices of the kind dentrix",
        ),
    ] {
        let said = say(folder.path(), arguments);
        assert_eq!(said.code, Some(2), "{}", said.text);
        assert!(said.text.contains(what), "{what} not in\n{}", said.text);
    }
}
