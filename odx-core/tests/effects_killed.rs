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
use odx_core::model::{Channel, Phone, Record};
use odx_core::outreach::gate::{Decision, Verdict};
use odx_core::outreach::{Address, Episode, Purpose};
use odx_core::sink::{Account, Suppression, Target};
use odx_core::source::{Change, Cursor, Page, Position};
use odx_core::store::outreach::{About, DecisionRow, HistoryQuery, Lift, Replay};
use odx_core::store::{
    AckCommit, Brake, DueQuery, EffectClaim, EffectCommit, EffectState, Hold, Opening, PageCommit,
    Parked, SqliteStore, StateStore,
};
use odx_core::testkit::{TestClock, patient};
use odx_core::{
    Error, ErrorKind, ExternalId, ExternalIds, HouseholdKey, IdScheme, IdempotencyKey, LedgerHash,
    OutletId, PatientKey, Result, SinkId, SourceId,
};

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

/// What the store is to do in a process that ends there, by the place.
const STEP: &str = "ODX_STORE_STEP";

fn source() -> SourceId {
    SourceId::new("t", "main").unwrap()
}

fn crm() -> SinkId {
    SinkId::new("mem", "main").unwrap()
}

fn texts() -> SinkId {
    SinkId::new("texts", "main").unwrap()
}

fn number() -> Phone {
    Phone::parse("503 555 0123").unwrap()
}

fn occurrence(key: &str) -> Episode {
    Episode {
        purpose: Purpose::Recall,
        subject: ExternalId::from_kept(format!("odrecall:main:{key}")),
        cycle: None,
        segment: None,
    }
}

fn about() -> About {
    About {
        episodes: vec![occurrence("7"), occurrence("8")],
        channel: Channel::Sms,
        patient: PatientKey::new("1"),
        recipient: PatientKey::new("1"),
        household: HouseholdKey::new("1"),
        address: Some(Address::Phone(number())),
        destination: texts(),
        fields: "first_name,mobile",
    }
}

fn everything() -> HistoryQuery {
    HistoryQuery {
        subjects: [occurrence("7").subject, occurrence("8").subject].into(),
        recipient: PatientKey::new("1"),
        addresses: vec![Address::Phone(number())],
        household: HouseholdKey::new("1"),
    }
}

/// A store in which each step has something to do.
async fn prepared(store: &SqliteStore) {
    let account = |name: &str| Account {
        name: name.to_owned(),
        scheme: IdScheme::Scoped,
    };
    let opening = Opening {
        source: source(),
        sinks: vec![(crm(), account("main"))],
    };
    let epoch = store.open_run(&opening).await.unwrap().epoch;
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let page = PageCommit {
        source: source(),
        epoch,
        from: None,
        page: Page {
            changes: vec![Change::Upsert(Record::Patient(patient("1")))],
            swept: Vec::new(),
            position: Position::CaughtUp(Cursor::new("1")),
        },
        today: now.date_naive(),
        now,
        brake: Brake::default(),
        delivered: Vec::new(),
    };
    store.commit_page(page).await.unwrap();
    let told = store.outreach();
    let gateway = account("texts");
    told.open_gateway(&source(), &texts(), &gateway)
        .await
        .unwrap();
    let stop = Suppression {
        target: Target::Phone(number()),
        channel: Some(Channel::Sms),
        reason: "keyword_stop".to_owned(),
    };
    store
        .suppress(&texts(), vec![stop], None, now)
        .await
        .unwrap();
    told.keep(&source(), "plan", "old").await.unwrap();
    let acks = AckCommit {
        source: source(),
        epoch,
        sink: crm(),
        now,
        acknowledged: Vec::new(),
        parked: vec![Parked {
            external_id: ExternalId::from_kept("od:main:1"),
            household: HouseholdKey::new("1"),
            hash: LedgerHash::from_bytes([1; 16]),
            generation: 1,
            attempts: 5,
            hold: Hold::Refused,
            doubtful: false,
            reason: "no".to_owned(),
        }],
        cleared: Vec::new(),
        reconciled: vec![(HouseholdKey::new("1"), 2, None)],
        disclosed: Vec::new(),
    };
    store.commit_acks(acks).await.unwrap();
}

fn texts_outlet() -> OutletId {
    OutletId::new(source(), "texts").unwrap()
}

fn decision() -> DecisionRow {
    let facts = serde_json::json!({
        "purpose": "recall", "channel": "sms", "office_enabled": true, "left_out": false,
        "template": true, "status": "active", "gone": false, "hold": false, "minor": false,
        "has_guarantor": false, "suppressed": null, "consent": "granted", "crm": "clear",
        "crm_age_hours": null, "address": "ok", "last_day": 0, "last_week": 0, "cap_free": null,
        "told": false, "household_until": null, "review_until": null, "not_before": null,
        "expires": null, "refused": false, "content": true, "quiet_until": null, "dry_run": true,
    });
    DecisionRow {
        episode: occurrence("7"),
        channel: Channel::Sms,
        patient: PatientKey::new("1"),
        recipient: None,
        at: DateTime::<Utc>::UNIX_EPOCH,
        decision: Decision {
            verdict: Verdict::WouldSend,
            rule: None,
            again: None,
        },
        facts: serde_json::from_value(facts).unwrap(),
    }
}

/// Does the step of this place.
async fn step(store: &SqliteStore, place: &str) {
    let told = store.outreach();
    let now = DateTime::<Utc>::UNIX_EPOCH;
    match place.split_once('.').unwrap().0 {
        "decide" => {
            let opening = Opening {
                source: source(),
                sinks: Vec::new(),
            };
            let epoch = store.open_run(&opening).await.unwrap().epoch;
            let mut mail = decision();
            mail.channel = Channel::Email;
            let rows = vec![decision(), mail];
            told.decide(&source(), epoch, rows).await.unwrap();
        }
        "lift" => {
            let lift = Lift {
                target: Target::Phone(number()),
                channel: Channel::Sms,
                origin: None,
                keyword_only: false,
                reason: "they called".to_owned(),
            };
            told.lift(&source(), &lift, now).await.unwrap();
        }
        "replay" => {
            told.replay(&crm(), &Replay::default()).await.unwrap();
        }
        "look_again" => {
            let fingerprint = LedgerHash::from_bytes([2; 16]);
            told.look_again(&crm(), fingerprint).await.unwrap();
        }
        "keep" => told.keep(&source(), "plan", "new").await.unwrap(),
        "effect" => {
            let outlet = texts_outlet();
            let epoch = store.open_outlet(&outlet).await.unwrap();
            let key = IdempotencyKey::of_parts(&["7"]);
            let known = store.effect(&outlet, &key).await.unwrap();
            if known.is_none_or(|row| !row.state.is_final()) {
                let after = store.effect(&outlet, &key).await.unwrap();
                let after = after.map_or(0, |row| row.attempt);
                let claim = EffectClaim {
                    outlet: outlet.clone(),
                    epoch,
                    key: key.clone(),
                    after,
                    about: Some(about()),
                    now,
                };
                assert!(store.claim_effect(claim).await.unwrap());
                let commit = EffectCommit {
                    outlet,
                    epoch,
                    key,
                    attempt: after + 1,
                    state: EffectState::Done(Receipt::default()),
                    now,
                };
                store.settle_effect(commit).await.unwrap();
            }
        }
        other => panic!("no step comes to {other}"),
    }
}

/// How a store stands, as far as a step changes it.
async fn stands(folder: &Path) -> String {
    let store = SqliteStore::open(folder.join("odx.sqlite")).unwrap();
    let told = store.outreach();
    let query = DueQuery {
        source: source(),
        sink: crm(),
        ids: ExternalIds::new(source(), IdScheme::Scoped),
        today: DateTime::<Utc>::UNIX_EPOCH.date_naive(),
        now: DateTime::<Utc>::UNIX_EPOCH,
        limit: 9,
        after: None,
    };
    let keys = vec![HouseholdKey::new("1")];
    let households = told.households(&query, keys).await.unwrap();
    let members = households.iter().flat_map(|due| &due.view.members);
    let stops: Vec<_> = members.map(|member| member.stops.len()).collect();
    let generations: Vec<_> = households.iter().map(|due| due.generation).collect();
    let due = store.due(&query).await.unwrap().len();
    let found = told.history(&texts_outlet(), everything()).await.unwrap();
    let lists = [
        found.episodes.len(),
        found.person.len(),
        found.household.len(),
    ];
    let ends: Vec<_> = found.person.iter().map(|told| &told.state).collect();
    let (office, patient) = (source(), PatientKey::new("1"));
    let decisions = told.decisions(&office, &patient);
    let decisions = decisions.await.unwrap().len();
    let aside = told.aside(&crm(), 9).await.unwrap();
    let holds: Vec<_> = aside.iter().map(|it| (it.hold, it.attempts)).collect();
    let kept = told.kept(&source(), "plan").await.unwrap();
    let audit = told.verify_audit().await.unwrap();
    assert_eq!(audit.broken_at, None);
    format!(
        "stops {stops:?} generations {generations:?} due {due} told {lists:?} {ends:?} \
         decisions {decisions} aside {holds:?} kept {kept:?} disclosed {}",
        audit.rows
    )
}

/// The process that is ended in a step of the store.
#[tokio::test]
async fn a_step_in_a_process_of_its_own() {
    let (Ok(folder), Ok(place)) = (std::env::var(FOLDER), std::env::var(STEP)) else {
        return;
    };
    let scenario = fail::FailScenario::setup();
    let store = SqliteStore::open(Path::new(&folder).join("odx.sqlite")).unwrap();
    step(&store, &place).await;
    scenario.teardown();
}

fn stepped(folder: &Path, place: &str, failpoints: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let command = command
        .args(["--exact", "a_step_in_a_process_of_its_own"])
        .env(FOLDER, folder)
        .env(STEP, place)
        .env("FAILPOINTS", failpoints);
    command.output().unwrap().status.success()
}

#[tokio::test]
async fn d1_ended_in_a_transaction_of_the_store_all_of_it_is_there_or_nothing() {
    let mut ended = Vec::new();
    let steps = ["decide.", "lift.", "replay.", "look_again.", "keep."];
    for place in PLACES.iter().filter(|place| {
        steps.iter().any(|step| place.starts_with(step))
            || (place.starts_with("effect.") && place.ends_with(".in_transaction"))
    }) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let store = SqliteStore::open(folder.join("odx.sqlite")).unwrap();
        prepared(&store).await;
        drop(store);
        let before = stands(folder).await;
        let how = format!("{place}=return");
        assert!(!stepped(folder, place, &how), "{place} ends nothing");
        let after = stands(folder).await;
        if *place == "effect.settle.in_transaction" {
            // The claim was stored: it counts as told, and discloses nothing yet.
            assert!(after.contains("told [2, 1, 1] [Claimed]"), "{after}");
            assert!(after.ends_with("disclosed 0"), "{after}");
        } else {
            assert_eq!(after, before, "{place} left a part of it");
        }
        assert!(stepped(folder, place, ""), "{place}");
        let done = stands(folder).await;
        assert_ne!(done, before, "{place} does nothing");
        let whole = match *place {
            "decide.in_transaction" => "decisions 2",
            "lift.in_transaction" => "stops [0] generations [3] due 1",
            "replay.in_transaction" => "aside [(Until(1970-01-01T00:00:00Z), 0)]",
            "look_again.in_transaction" => "generations [3] due 1",
            "keep.in_transaction" => "kept Some(\"new\")",
            _ => "told [2, 1, 1] [Done(Receipt { remote_id: None })]",
        };
        assert!(done.contains(whole), "{place}: {done}");
        let disclosed = format!("disclosed {}", u8::from(place.starts_with("effect.")));
        assert!(done.ends_with(&disclosed), "{place}: {done}");
        ended.push(place);
    }
    assert_eq!(ended.len(), 7, "{ended:?}");
}
