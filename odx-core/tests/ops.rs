//! What operators ask of a state, and change in it, beside whoever works on it.

#![cfg(feature = "sqlite")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use odx_core::clock::Clock as _;
use odx_core::engine::{Event, Mode, Observer, Pipeline};
use odx_core::model::{
    BadRecord, Channel, Email, Origin, Patient, Permission, Record, RecordKind, Statement,
};
use odx_core::ops::{Desk, Fix, Freshness, Import, Kind, Known, LinkTemplates, Summary};
use odx_core::outreach::gate::Rule;
use odx_core::outreach::{Identity, Outreach, OutreachSettings};
use odx_core::policy::{RecallPolicy, RecallSettings, Skip};
use odx_core::store::outreach::Replay;
use odx_core::store::{Opening, SqliteStore, StateStore};
use odx_core::testkit::{
    Canaries, GatewayFault, MemoryGateway, MemorySink, MemorySource, SourceFault, TestClock,
    patient, recall,
};
use odx_core::{ExternalId, Office, OfficeId, OutletId, Phi, SinkId, SourceId};

struct World {
    source: Arc<MemorySource>,
    sink: Arc<MemorySink>,
    gateway: Arc<MemoryGateway>,
    clock: TestClock,
    folder: tempfile::TempDir,
    store: SqliteStore,
    imported: Arc<Imports>,
}

#[derive(Debug, Default)]
struct Imports(Mutex<Vec<u64>>);

impl Observer for Imports {
    fn event(&self, event: &Event<'_>) {
        if let Event::Imported { imported, .. } = event {
            self.0.lock().unwrap().push(imported.applied);
        }
    }
}

const FIRST: &str = "Quetzalcoatl";
const LAST: &str = "Tepoztecatl";
const MAIL: &str = "quetzal@smile.co";

fn id(text: &str) -> ExternalId {
    ExternalId::from_kept(text)
}

impl World {
    fn new() -> Self {
        let now: DateTime<Utc> = "2026-11-20T18:00:00Z".parse().unwrap();
        let clock = TestClock::at(now);
        let sink = SinkId::new("mem", "main-st").unwrap();
        let texts = SinkId::new("texts", "main-st").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("odx.sqlite")).unwrap();
        Self {
            source: Arc::new(MemorySource::new(
                SourceId::new("t", "main-st").unwrap(),
                10,
            )),
            sink: Arc::new(MemorySink::new(sink, NonZeroUsize::MIN)),
            gateway: Arc::new(MemoryGateway::new(
                texts,
                Channel::Sms,
                Arc::new(clock.clone()),
            )),
            clock,
            folder,
            store,
            imported: Arc::default(),
        }
    }

    fn pipeline(&self, store: Arc<dyn StateStore>) -> Pipeline {
        self.seen_by(store, self.imported.clone())
    }

    fn seen_by(&self, store: Arc<dyn StateStore>, observer: Arc<dyn Observer>) -> Pipeline {
        let mut settings = OutreachSettings::default();
        let mut identity = Identity::new();
        identity.phone = Some("(503) 555-0100".to_owned());
        identity.booking_link = Some("https://book.example/{token}".to_owned());
        settings.identity = identity;
        settings.channels = vec![Channel::Sms];
        let outreach =
            Outreach::by_gateways(settings, vec![self.gateway.clone()], Vec::new()).unwrap();
        let office = OfficeId::new("main-st").unwrap();
        Pipeline::builder(self.source.clone())
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(self.sink.clone())
            .state(store)
            .office(Office::new(
                office,
                "Main Street",
                chrono_tz::America::New_York,
            ))
            .clock(Arc::new(self.clock.clone()))
            .outreach(outreach)
            .observer(observer)
            .build()
            .unwrap()
    }

    /// A desk on a state opened beside the one that works.
    fn desk(&self) -> Desk {
        let beside = SqliteStore::open_beside(self.folder.path().join("odx.sqlite")).unwrap();
        let links = LinkTemplates::new(
            Some("https://bridge.example/{id}".to_owned()),
            Some("https://crm.example/{external_id}".to_owned()),
        );
        self.pipeline(Arc::new(beside))
            .desk()
            .with_links(links.unwrap())
    }

    async fn run(&self) {
        let pipeline = self.pipeline(Arc::new(self.store.clone()));
        pipeline.run_once(Mode::Live).await.unwrap();
    }

    fn person(&self, key: &str) -> Patient {
        let mut person = patient(key);
        person.first_name = Phi::new(FIRST.to_owned());
        person.last_name = Phi::new(LAST.to_owned());
        person.email = Email::parse(MAIL).ok();
        person.consent = vec![Statement {
            channel: Channel::Sms,
            permission: Permission::Granted,
            origin: Origin::Practice,
            on: None,
        }];
        person
    }

    fn seed(&self, person: Patient) {
        let key = person.key.native().to_owned();
        let due = self.clock.now().date_naive();
        self.source.put(Record::Patient(person));
        self.source
            .put(Record::Recall(recall(&format!("r{key}"), &key, Some(due))));
    }
}

fn canaries() -> Canaries {
    Canaries::new([FIRST, LAST, MAIL, "503-555-0123"])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_listed_for_people_and_leaves_the_list_when_it_is_mended() {
    let world = World::new();
    world.seed(world.person("1"));
    world.seed(world.person("2"));
    let poor = id("t:main-st:2");
    world.sink.refuse(&poor, true);
    world.source.set_bad(vec![BadRecord {
        kind: RecordKind::Recall,
        native: "r9".to_owned(),
        hash: odx_core::LedgerHash::of(b"no date"),
        reason: "the due date is no date".to_owned(),
    }]);
    for _ in 0..4 {
        world.run().await;
        world.clock.advance(Duration::from_secs(600));
    }
    let desk = world.desk();
    let failures = desk.failures(100).await.unwrap();
    let kinds: Vec<_> = failures.iter().map(|one| one.kind).collect();
    assert!(
        kinds.contains(&Kind::Unreadable) && kinds.contains(&Kind::Blocked),
        "{failures:?}"
    );
    let refused = failures
        .iter()
        .find(|one| one.kind == Kind::Refused)
        .unwrap();
    assert_eq!(refused.record, "t:main-st:2");
    assert_eq!(refused.who.as_deref(), Some("Q.T."));
    assert_eq!(
        refused.links.chart.as_deref(),
        Some("https://bridge.example/2")
    );
    assert!(refused.attempts >= 3);
    let blocked = failures
        .iter()
        .find(|one| one.kind == Kind::Blocked)
        .unwrap();
    assert_eq!(
        (blocked.who.as_deref(), blocked.fault.fix),
        (Some("Q.T."), Fix::Office)
    );
    canaries().assert_absent("the list", &serde_json::to_string(&failures).unwrap());
    // Mended at the practice: nobody clears anything by hand.
    world.sink.refuse(&poor, false);
    let mut mended = world.person("2");
    mended.preferred_name = Some(Phi::new("Mended".to_owned()));
    world.source.put(Record::Patient(mended));
    world.source.set_bad(Vec::new());
    world.source.put(Record::Recall(recall("r9", "1", None)));
    world.clock.advance(Duration::from_secs(25 * 3600));
    world.run().await;
    assert_eq!(world.desk().failures(100).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_beside_lets_what_was_refused_be_tried_again() {
    let world = World::new();
    world.seed(world.person("1"));
    let poor = id("t:main-st:1");
    world.sink.refuse(&poor, true);
    for _ in 0..4 {
        world.run().await;
        world.clock.advance(Duration::from_secs(600));
    }
    world.sink.refuse(&poor, false);
    let desk = world.desk();
    let none = Replay {
        code: Some("no such word".to_owned()),
        ..Replay::default()
    };
    assert_eq!(desk.replay(&none).await.unwrap().records, 0);
    assert_eq!(desk.replay(&Replay::default()).await.unwrap().records, 1);
    world.run().await;
    assert_eq!(world.sink.contacts().len(), 1);
    assert_eq!(desk.failures(9).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_scheduled_then_done_and_told_once_for_ever() {
    let world = World::new();
    let desk = world.desk();
    let status = desk.status().await.unwrap();
    assert_eq!(status.freshness, Freshness::Scheduled);
    for n in 1..=3 {
        world.seed(world.person(&n.to_string()));
    }
    world.run().await;
    let status = desk.status().await.unwrap();
    let crm = &status.crm["mem:main-st"];
    assert!(
        matches!(crm.import, Import::Done { at: Some(_) }),
        "{crm:?}"
    );
    assert_eq!(status.freshness, Freshness::Active);
    world.seed(world.person("4"));
    world.run().await;
    assert_eq!(*world.imported.0.lock().unwrap(), [6]);
    world.clock.advance(Duration::from_secs(3 * 24 * 3600));
    assert_eq!(desk.status().await.unwrap().freshness, Freshness::Inactive);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_practice_that_cannot_be_read_is_failing_until_it_can() {
    let world = World::new();
    world.seed(world.person("1"));
    world.run().await;
    for _ in 0..5 {
        world.source.fail([SourceFault::BadKey]);
        world.clock.advance(Duration::from_secs(900));
        world.run().await;
    }
    let status = world.desk().status().await.unwrap();
    assert_eq!(status.freshness, Freshness::Failing);
    assert_eq!(status.trouble.unwrap().failures, 5);
    world.source.recover();
    world.run().await;
    assert_eq!(
        world.desk().status().await.unwrap().freshness,
        Freshness::Active
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn why_names_the_rule_the_stop_and_what_was_told() {
    let world = World::new();
    world.seed(world.person("1"));
    let mut silent = world.person("2");
    silent.consent = Vec::new();
    silent.mobile = odx_core::model::Phone::parse("503-555-0199").ok();
    world.seed(silent);
    let mut off = recall("off", "1", Some(world.clock.now().date_naive()));
    off.disabled = true;
    world.source.put(Record::Recall(off));
    world.run().await;
    let desk = world.desk();
    let told = desk.why("1").await.unwrap().unwrap();
    assert_eq!(told.told.len(), 1, "{told:?}");
    assert_eq!(
        (told.told[0].state, told.told[0].channel),
        ("done", Channel::Sms)
    );
    let crm = &told.crm["mem:main-st"].known;
    assert!(matches!(crm, Known::Acknowledged { .. }), "{crm:?}");
    let disabled = told.recalls.iter().find(|one| one.recall.ends_with(":off"));
    assert_eq!(disabled.unwrap().skipped, Some(Skip::RecallDisabled));
    // The same person by any of their names.
    for name in ["t:main-st:2", "t:2", "2"] {
        let why = desk.why(name).await.unwrap().unwrap();
        let rules: Vec<_> = why.occurrences.iter().map(|one| one.rule).collect();
        assert_eq!(rules, [Some(Rule::ConsentUnknown)], "{why:?}");
        assert!(
            why.occurrences[0]
                .line()
                .contains("nobody has recorded a yes")
        );
        canaries().assert_absent("why", &serde_json::to_string(&why).unwrap());
    }
    assert!(desk.why("3").await.unwrap().is_none());
    canaries().assert_absent(
        "why",
        &format!("{told:?} {}", serde_json::to_string(&told).unwrap()),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_made_on_a_copy_and_changes_nothing() {
    let world = World::new();
    world.seed(world.person("1"));
    world.run().await;
    let mut other = world.person("2");
    other.mobile = odx_core::model::Phone::parse("503-555-0188").ok();
    world.seed(other);
    let desk = world.desk();
    let copy = world.folder.path().join("copy.sqlite");
    world.store.copy_to(&copy).await.unwrap();
    let planner = Arc::new(desk.planner());
    let store: Arc<dyn StateStore> = Arc::new(SqliteStore::open(&copy).unwrap());
    let dry = world.seen_by(store, planner.clone());
    dry.run_once(Mode::DryRun).await.unwrap();
    let plan = planner.plan("main-st", world.clock.now());
    assert_eq!(
        (plan.contacts.create, plan.tasks.create, plan.would_send),
        (1, 1, 1)
    );
    assert_eq!(plan.messages[0].patient, "t:main-st:2");
    canaries().assert_absent("the plan", &serde_json::to_string(&plan).unwrap());
    // Nobody who works on the state was superseded, and nothing went out.
    assert_eq!(world.gateway.sent().len(), 1);
    desk.keep_plan(&plan).await.unwrap();
    assert_eq!(desk.last_plan().await.unwrap(), Some(plan));
    assert_eq!(world.sink.contacts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_work_beside_a_process_and_open_nothing_that_takes_over() {
    let world = World::new();
    let path = world.folder.path().join("odx.sqlite");
    world.seed(world.person("1"));
    let beside = SqliteStore::open_beside(&path).unwrap();
    let source = SourceId::new("t", "main-st").unwrap();
    let opening = Opening {
        source: source.clone(),
        sinks: Vec::new(),
    };
    let error = beside.open_run(&opening).await.unwrap_err();
    assert!(
        error.to_string().contains("so no run can be opened"),
        "{error}"
    );
    let outlet = OutletId::new(source, "messages").unwrap();
    let error = beside.open_outlet(&outlet).await.unwrap_err();
    assert!(
        error.to_string().contains("so no outlet can be opened"),
        "{error}"
    );
    // A pause is heeded by the one who works, a second one keeps the first reason.
    let desk = world.desk();
    assert_eq!(desk.pause("a new receptionist").await.unwrap(), None);
    let known = desk.pause("another").await.unwrap().unwrap();
    assert_eq!(known.reason, "a new receptionist");
    world.run().await;
    assert!(world.gateway.sent().is_empty());
    assert!(desk.resume().await.unwrap().is_some());
    assert_eq!(desk.resume().await.unwrap(), None);
    world.run().await;
    assert_eq!(world.gateway.sent().len(), 1);
    // The lock is still the worker's.
    let second = SqliteStore::open(&path).unwrap_err();
    assert!(
        second.to_string().contains("another odx process"),
        "{second}"
    );
    // Nothing is made where nothing is.
    let missing = world.folder.path().join("none.sqlite");
    let error = SqliteStore::open_beside(&missing).unwrap_err();
    assert!(error.to_string().contains("let odx run once"), "{error}");
    assert!(!missing.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn s13_the_summary_counts_a_day_and_carries_the_head_of_the_disclosures() {
    let world = World::new();
    world.seed(world.person("1"));
    let mut silent = world.person("2");
    silent.consent = Vec::new();
    silent.mobile = odx_core::model::Phone::parse("503-555-0199").ok();
    world.seed(silent);
    world.run().await;
    let now = world.clock.now();
    let today = now.date_naive();
    let summary = Summary::of(&[world.desk()], today, now).await.unwrap();
    assert_eq!(summary.offices[0].sent["recall by sms"], 1);
    assert_eq!(summary.offices[0].untold["consent_unknown"], 1);
    assert!(summary.audit.rows > 0 && summary.audit.broken_at.is_none());
    let text = summary.to_string();
    assert!(
        text.contains(summary.audit.head.as_deref().unwrap()),
        "{text}"
    );
    assert!(
        text.contains("sent on 2026-11-20: 1 recall by sms"),
        "{text}"
    );
    canaries().assert_absent("the summary", &text);
    canaries().assert_absent("the summary", &serde_json::to_string(&summary).unwrap());
    let tomorrow = today + TimeDelta::days(1);
    let next = Summary::of(&[world.desk()], tomorrow, now).await.unwrap();
    assert!(next.offices[0].sent.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_a_provider_refused_is_listed_and_never_replayed() {
    let world = World::new();
    world.seed(world.person("1"));
    world.gateway.fail([GatewayFault::Refuse]);
    world.run().await;
    let desk = world.desk();
    let failures = desk.failures(9).await.unwrap();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0].kind, Kind::MessageRefused);
    assert_eq!(failures[0].record, "recall t:main-st:1 by sms");
    let replayed = desk.replay(&Replay::default()).await.unwrap();
    assert_eq!((replayed.records, replayed.ended), (0, 1));
    world.run().await;
    assert!(world.gateway.sent().is_empty());
}
