//! The guide shows these very files, whole, and every check.

#![allow(clippy::unwrap_used, reason = "tests: a panic is the failure")]

use std::fs;
use std::path::{Path, PathBuf};

use odx_core::testkit::conformance::{sink, source, state};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn guide() -> String {
    fs::read_to_string(here().join("../../docs/adapters.md")).unwrap()
}

fn blocks(guide: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut rest = guide;
    while let Some((_, after)) = rest.split_once("\n```rust\n") {
        let (block, after) = after.split_once("\n```\n").unwrap();
        blocks.push(block);
        rest = after;
    }
    blocks
}

fn files() -> Vec<PathBuf> {
    let folder = |name: &str| fs::read_dir(here().join(name)).unwrap();
    ["src", "tests", "examples"]
        .into_iter()
        .flat_map(folder)
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap() != "guide.rs")
        .collect()
}

#[test]
fn every_block_of_rust_in_the_guide_is_a_file_here_and_every_file_is_shown() {
    let guide = guide();
    let blocks = blocks(&guide);
    let mut shown = 0;
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(here()).unwrap().display().to_string();
        assert!(
            guide.contains(&format!("`{name}`:\n\n```rust\n{text}```\n")),
            "docs/adapters.md does not show {name} as it is"
        );
        shown += 1;
    }
    assert_eq!(blocks.len(), shown, "a block of rust is no file here");
}

#[test]
fn the_guide_says_what_each_check_proves() {
    let guide = guide();
    let rows: Vec<&str> = guide
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let without: Vec<_> = [source::CHECKS, sink::CHECKS, state::CHECKS]
        .concat()
        .into_iter()
        .filter(|check| !rows.iter().any(|row| row.contains(&format!("`{check}`"))))
        .collect();
    assert!(without.is_empty(), "nothing is said of {without:?}");
}
