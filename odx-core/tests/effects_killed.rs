//! The process ends at every place of claim, act and settle, as `kill -9` would
//! end it: what the practice was told, it was told once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use odx_core::effect::{Act, ActError, Effects, Marker, Receipt};
use odx_core::failpoint::PLACES;
use odx_core::store::SqliteStore;
use odx_core::testkit::TestClock;
use odx_core::{Error, ErrorKind, IdempotencyKey, OutletId, Result, SourceId};

const FOLDER: &str = "ODX_EFFECTS_FOLDER";
const ROUND: &str = "ODX_EFFECTS_ROUND";
const EFFECTS: usize = 3;

/// A practice in a file: one line for each time it was told something.
#[derive(Debug)]
struct Practice {
    file: PathBuf,
    /// The reply to every other request is lost.
    loses: bool,
}

impl Practice {
    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

#[async_trait]
impl Act for Practice {
    async fn act(&self, marker: &Marker) -> Result<Receipt, ActError> {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.file)
            .unwrap();
        writeln!(file, "{marker}").unwrap();
        file.sync_all().unwrap();
        if self.loses {
            let error = Error::new(ErrorKind::Unavailable, "no answer in time");
            return Err(ActError::InDoubt(error));
        }
        Ok(Receipt::default())
    }

    async fn find(&self, marker: &Marker) -> Result<Option<Receipt>> {
        let there = self.lines().iter().any(|line| marker.stands_in(line));
        Ok(there.then(Receipt::default))
    }

    fn settles_within(&self) -> Duration {
        Duration::from_secs(120)
    }
}

fn keys() -> Vec<IdempotencyKey> {
    (0..EFFECTS)
        .map(|n| IdempotencyKey::of_parts(&["main-st", &n.to_string()]))
        .collect()
}

/// The process that is ended. It does nothing when it is not told where.
#[tokio::test]
async fn in_a_process_of_its_own() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let round: i64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let scenario = fail::FailScenario::setup();
    let store = Arc::new(SqliteStore::open(folder.join("odx.sqlite")).unwrap());
    let outlet = OutletId::new(SourceId::new("t", "main").unwrap(), "practice").unwrap();
    // Each round is an hour later: what was under way has long arrived or never will.
    let clock = TestClock::at(DateTime::<Utc>::UNIX_EPOCH + TimeDelta::hours(round));
    let effects = Effects::open(store, outlet, Arc::new(clock)).await.unwrap();
    for (n, key) in keys().iter().enumerate() {
        let practice = Practice {
            file: folder.join("practice"),
            loses: n == 1,
        };
        let end = effects.perform(key, &practice).await.unwrap();
        assert!(end.receipt().is_some(), "{end:?}");
    }
    scenario.teardown();
}

/// Runs it; whether it came to its end.
fn run(folder: &Path, round: usize, failpoints: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let command = command
        .args(["--exact", "in_a_process_of_its_own"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .env("FAILPOINTS", failpoints);
    command.output().unwrap().status.success()
}

/// What each of the effects came to after the process was ended at this place,
/// at its first, second and third pass.
fn killed_at(place: &str, rule: &str) -> Vec<usize> {
    let folder = tempfile::tempdir().unwrap();
    for skip in 0..3 {
        let how = format!("{place}={skip}*off->return{rule}");
        run(folder.path(), skip, &how);
    }
    for round in 3..5 {
        assert!(
            run(folder.path(), round, rule.trim_start_matches(';')),
            "{place}"
        );
    }
    let practice = Practice {
        file: folder.path().join("practice"),
        loses: false,
    };
    let lines = practice.lines();
    let marks: Vec<_> = keys().iter().map(Marker::of).collect();
    let many = |mark: &Marker| lines.iter().filter(|line| mark.stands_in(line)).count();
    marks.iter().map(many).collect()
}

#[test]
fn d1_ended_at_every_place_of_an_effect_nothing_is_told_twice_or_not_at_all() {
    let mut ended = 0;
    for place in PLACES.iter().filter(|place| place.starts_with("effect.")) {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            !run(folder.path(), 0, &format!("{place}=return")),
            "{place} ends nothing"
        );
        assert_eq!(killed_at(place, ""), [1; EFFECTS], "{place}");
        ended += 1;
    }
    assert_eq!(ended, 7);
}

#[test]
fn d1_the_places_notice_an_effect_that_is_repeated_without_a_look() {
    let told = killed_at("effect.answered", ";broken.effect.find=return");
    assert!(
        told.iter().any(|many| *many > 1),
        "nobody noticed: {told:?}"
    );
}
