//! D15, as a recipe: a practice that is not heard of any more is told once,
//! within two intervals; the others are left alone; it ends when it is back.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use odx_core::clock::Clock;
use odx_core::engine::{Event, Mode, Observer, Pipeline, RunReport, Schedule, Shutdown};
use odx_core::health::Activity;
use odx_core::model::RecordKind;
use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::source::{Capabilities, Change, Page, PracticeSource, Probe, PullRequest};
use odx_core::store::StateStore;
use odx_core::testkit::{MemorySource, SourceFault};
use odx_core::{Office, OfficeId, PatientKey, Result, SourceId};

use super::{Bench, Kind, noon, store};

const POLL: Duration = Duration::from_secs(15 * 60);

/// Notes when something was told, and how each pass found the source.
#[derive(Debug)]
struct Ear {
    clock: Arc<dyn Clock>,
    alarms: Mutex<Vec<(DateTime<Utc>, String)>>,
    /// When the source was looked at, and whether it was silent.
    looks: Mutex<Vec<(DateTime<Utc>, bool)>>,
}

impl Observer for Ear {
    fn event(&self, event: &Event<'_>) {
        let now = self.clock.now();
        match event {
            Event::Problem { what, .. } if what.starts_with("the practice") => {
                self.alarms.lock().unwrap().push((now, (*what).to_owned()));
            }
            Event::Report(report) => {
                let health = report.health.iter();
                self.looks
                    .lock()
                    .unwrap()
                    .extend(health.map(|health| (now, health.silent)));
            }
            _ => {}
        }
    }
}

/// A practice that can stop answering altogether, or leave a kind out of its listings.
#[derive(Debug)]
struct Moody {
    inner: Arc<MemorySource>,
    hangs: Mutex<bool>,
    unlisted: Option<RecordKind>,
}

#[async_trait]
impl PracticeSource for Moody {
    fn id(&self) -> &SourceId {
        self.inner.id()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn probe(&self) -> Result<Probe> {
        self.inner.probe().await
    }

    async fn pull(&self, req: PullRequest) -> Result<Page> {
        if *self.hangs.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        let mut page = self.inner.pull(req).await?;
        page.swept.retain(|swept| Some(swept.kind) != self.unlisted);
        Ok(page)
    }

    async fn refresh(&self, patient: &PatientKey) -> Result<Vec<Change>> {
        self.inner.refresh(patient).await
    }
}

/// An office that is followed, with an ear at it.
struct Followed {
    bench: Bench,
    source: Arc<Moody>,
    ear: Arc<Ear>,
}

impl Followed {
    fn new(name: &'static str, state: &Arc<dyn StateStore>) -> Self {
        let bench = Bench::new(name, Arc::clone(state), 5).with_real_waits();
        let source = Moody {
            inner: Arc::clone(&bench.source),
            hangs: Mutex::new(false),
            unlisted: None,
        };
        let ear = Ear {
            clock: Arc::clone(&bench.engine_clock),
            alarms: Mutex::default(),
            looks: Mutex::default(),
        };
        bench.seed(12);
        Self {
            bench,
            source: Arc::new(source),
            ear: Arc::new(ear),
        }
    }

    fn pipeline(&self) -> Pipeline {
        let name = self.bench.name;
        let office = Office::new(OfficeId::new(name).unwrap(), name, chrono_tz::UTC);
        Pipeline::builder(Arc::clone(&self.source) as _)
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(self.bench.crm.clone())
            .state(self.bench.store.clone())
            .office(office)
            .clock(Arc::clone(&self.bench.engine_clock))
            .schedule(Schedule::default().with_poll(POLL))
            .observer(self.ear.clone())
            .build()
            .unwrap()
    }

    /// Follows it for so many minutes, then stops.
    async fn follow(&self, minutes: u64) {
        let (_shutdown, stop) = Shutdown::new();
        let pipeline = self.pipeline();
        let long = Duration::from_secs(minutes * 60);
        drop(tokio::time::timeout(long, pipeline.run(stop)).await);
    }

    async fn once(&self) -> RunReport {
        self.pipeline().run_once(Mode::Live).await.unwrap()
    }

    fn now(&self) -> DateTime<Utc> {
        self.bench.engine_clock.now()
    }

    fn alarms(&self) -> Vec<(DateTime<Utc>, String)> {
        self.ear.alarms.lock().unwrap().clone()
    }

    fn looks(&self) -> Vec<(DateTime<Utc>, bool)> {
        self.ear.looks.lock().unwrap().clone()
    }

    /// From now on nothing is read.
    fn breaks(&self, how: Break) {
        match how {
            Break::Fails(fault) => self.source.inner.fail(vec![fault; 100_000]),
            Break::Hangs => *self.source.hangs.lock().unwrap() = true,
        }
    }

    fn mends(&self) {
        self.source.inner.recover();
        *self.source.hangs.lock().unwrap() = false;
    }
}

/// How a practice stops answering.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Break {
    Fails(SourceFault),
    /// Not even an error comes.
    Hangs,
}

fn check(right: bool, what: &str, seen: &Followed) -> Result<(), String> {
    if right {
        return Ok(());
    }
    Err(format!(
        "D15 {what}: {:?} {:?}",
        seen.alarms(),
        seen.looks()
    ))
}

/// Two offices are followed, one falls silent, is told once and in time, and
/// comes back; and once more.
pub(crate) async fn falls_silent(how: Break) -> Result<(), String> {
    let state = store(Kind::Memory, Path::new(""));
    let main = Followed::new("main", &state);
    let elm = Followed::new("elm", &state);
    let story = async {
        // What a hanging call has begun ends with the run: each part is a run of its own.
        main.follow(60).await;
        check(
            main.alarms().is_empty(),
            "all is well, and it is told",
            &main,
        )?;
        for round in 1..=2 {
            let last = main.looks().last().unwrap().0;
            main.breaks(how);
            main.follow(6 * 60).await;
            let alarms = main.alarms();
            check(alarms.len() == round, "it is not told once", &main)?;
            let (at, what) = &alarms[round - 1];
            // By the last success, which the run before has left behind, or from when somebody listens again.
            let latest = last + TimeDelta::minutes(15) + TimeDelta::from_std(2 * POLL).unwrap();
            check(*at <= latest, "it is told too late", &main)?;
            let since = format!("since {}", last.format("%Y-%m-%d %H:%M UTC"));
            check(what.contains(&since), "it does not say since when", &main)?;
            main.mends();
            main.follow(60).await;
            check(
                main.alarms().len() == round,
                "it is back, and it is told",
                &main,
            )?;
            check(
                !main.looks().last().unwrap().1,
                "it is back and still silent",
                &main,
            )?;
        }
        Ok::<(), String>(())
    };
    let (told, ()) = futures::future::join(story, elm.follow(16 * 60)).await;
    told?;
    check(elm.alarms().is_empty(), "another office is told", &elm)?;
    check(
        elm.looks().iter().all(|(_, silent)| !silent),
        "another office is silent",
        &elm,
    )?;
    check(elm.looks().len() > 50, "another office was not read", &elm)
}

/// Within one run: it is told exactly two intervals after the last success, and
/// when it is back that ends, so that the next silence is told again.
pub(crate) async fn comes_back_while_followed() -> Result<(), String> {
    let main = Followed::new("main", &store(Kind::Memory, Path::new("")));
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let story = async {
        let clock = Arc::clone(&main.bench.engine_clock);
        clock.sleep(minutes(50)).await;
        for _ in 0..2 {
            main.breaks(Break::Fails(SourceFault::Down));
            clock.sleep(minutes(100)).await;
            main.mends();
            clock.sleep(minutes(100)).await;
        }
    };
    let (_shutdown, stop) = Shutdown::new();
    let pipeline = main.pipeline();
    futures::future::select(Box::pin(pipeline.run(stop)), Box::pin(story)).await;
    let alarms = main.alarms();
    check(alarms.len() == 2, "two silences are not two alarms", &main)?;
    let looks = main.looks();
    for (at, what) in alarms {
        // The last look before it that was a success: nothing failed for longer than two intervals since.
        let since = looks
            .iter()
            .filter(|(look, _)| *look <= at - TimeDelta::minutes(30));
        let since = since.map(|(look, _)| *look).next_back().unwrap();
        check(
            at - since == TimeDelta::minutes(30),
            "it is not told after two intervals",
            &main,
        )?;
        let words = format!("since {}", since.format("%Y-%m-%d %H:%M UTC"));
        check(what.contains(&words), "it does not say since when", &main)?;
    }
    check(looks.iter().any(|look| look.1), "no report shows it", &main)?;
    check(
        !looks.last().unwrap().1,
        "it is back and still silent",
        &main,
    )
}

/// The age outlives the process: what opens the same store later knows it with
/// its first failure.
pub(crate) async fn is_known_after_a_restart(kind: Kind, folder: &Path) -> Result<(), String> {
    let state = store(kind, folder);
    let first = Followed::new("main", &state);
    let report = first.once().await;
    let health = report.health.clone().unwrap();
    check(
        !health.silent && health.activity == Activity::Active,
        "a fresh read",
        &first,
    )?;
    let read_at = health.last_success.unwrap();
    let practice = Arc::clone(&first.source.inner);
    drop((first, state));
    // Three days pass before anybody opens it again.
    let clock = odx_core::testkit::TestClock::at(noon() + TimeDelta::days(3));
    let mut next = Followed::new("main", &store_again(kind, folder));
    next.bench.engine_clock = Arc::new(clock);
    next.source = Arc::new(Moody {
        inner: practice,
        hangs: Mutex::new(false),
        unlisted: None,
    });
    next.breaks(Break::Fails(SourceFault::BadKey));
    let report = next.once().await;
    let health = report.health.clone().unwrap();
    check(health.silent, "the age was forgotten", &next)?;
    check(health.last_success == Some(read_at), "another age", &next)?;
    check(
        health.activity == Activity::Inactive,
        "its last news was forgotten",
        &next,
    )?;
    let told = report
        .problems
        .iter()
        .filter(|what| what.contains("the practice is silent"));
    check(told.count() == 1, "the report does not say it once", &next)?;
    next.mends();
    let health = next.once().await.health.unwrap();
    check(
        !health.silent && health.last_success >= Some(next.now()),
        "it is back",
        &next,
    )?;
    // It was read, and there was nothing new.
    check(
        health.activity == Activity::Inactive,
        "a read is taken for news",
        &next,
    )
}

fn store_again(kind: Kind, folder: &Path) -> Arc<dyn StateStore> {
    assert_eq!(kind, Kind::Sqlite, "memory ends with its process");
    store(kind, folder)
}

/// All is read, but one kind is not listed whole any more: told once, by name,
/// after two listings were missed.
pub(crate) async fn a_kind_is_not_listed() -> Result<(), String> {
    let mut main = Followed::new("main", &store(Kind::Memory, Path::new("")));
    main.follow(10).await;
    let practice = Arc::clone(&main.source.inner);
    main.source = Arc::new(Moody {
        inner: practice,
        hangs: Mutex::new(false),
        unlisted: Some(RecordKind::Recall),
    });
    main.follow(5 * 24 * 60).await;
    let alarms = main.alarms();
    check(alarms.len() == 1, "it is not told once", &main)?;
    let (at, what) = &alarms[0];
    check(
        what.contains("recalls were not listed whole"),
        "it does not say which",
        &main,
    )?;
    let age = *at - noon();
    let days = TimeDelta::days(2);
    check(
        age >= days && age <= days + TimeDelta::minutes(15),
        "it is told too late",
        &main,
    )
}
