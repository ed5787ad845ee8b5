//! The traps of the vendor's API, one test each, numbered and named for the
//! fact. What we keep out of by never doing it is shown by everything that an
//! office was asked in a whole life.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

#[allow(dead_code, reason = "shared with other tests")]
mod office;

mod traps {
    mod events;
    mod life;
    mod marks;
    mod pages;
    mod queries;
    mod refusals;
    mod rows;
    mod words;
    mod writes;
}

/// How many there are.
const TRAPS: usize = 55;

#[test]
fn every_trap_has_one_test() {
    let folder = format!("{}/tests/traps", env!("CARGO_MANIFEST_DIR"));
    let mut numbers = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for pair in lines.windows(2) {
            let Some((_, name)) = pair[1].split_once("fn trap_") else {
                continue;
            };
            assert!(
                matches!(pair[0], "#[test]" | "#[tokio::test]"),
                "trap_{name} is not run"
            );
            numbers.push(name[..2].parse::<usize>().unwrap());
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=TRAPS).collect::<Vec<_>>());
}
