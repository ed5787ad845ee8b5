//! odx, driven through the year, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use odx_core::crm::TaskStatus;
use odx_core::engine::{Mode, Pipeline, Schedule};
use odx_core::model::{Channel, Phone};
use odx_core::outreach::{MessageGateway, Outreach, OutreachSettings};
use odx_core::policy::{Reactivation, RecallPolicy, RecallSettings, Reviews};
use odx_core::sink::Target;
use odx_core::store::outreach::{HistoryQuery, Lift};
use odx_core::store::{SqliteStore, StateStore};
use odx_core::testkit::{MemorySink, MemorySource, TestClock};
use odx_core::{
    ExternalId, HouseholdKey, Office, OfficeId, OutletId, PatientKey, SinkId, SourceId,
};
use tokio::sync::Notify;

use crate::gateway::{Recorder, Taken};
use crate::history::{History, Tick};
use crate::oracle;
use crate::practice::{Changes, Practice, Shared, Stop, Told};

pub(crate) const DAYS: u64 = 365;

fn first_day() -> NaiveDate {
    // A Monday, so that clocks go forward and back within the year.
    NaiveDate::from_ymd_opt(2026, 1, 5).unwrap()
}

/// How the year goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) people: u64,
    /// Whose numbers may be whose.
    pub(crate) shared: Shared,
    /// Times of the day: each day's, and one more on every seventh.
    pub(crate) times: (NaiveTime, Option<NaiveTime>),
    /// Messages to one person in 24 hours, and in 7 days.
    pub(crate) caps: (u32, u32),
    /// What is sent late is sent on the day all the same, so days are counted by
    /// the wall clock.
    pub(crate) late: bool,
}

impl Plan {
    pub(crate) fn ticks(&self) -> Vec<Tick> {
        let mut ticks = Vec::new();
        for day in 0..DAYS {
            let second = self.times.1.filter(|_| day % 7 == 3);
            for time in [Some(self.times.0), second].into_iter().flatten() {
                let wall = (first_day() + Days::new(day)).and_time(time);
                let zone = chrono_tz::America::New_York;
                let at = zone.from_local_datetime(&wall).unwrap().with_timezone(&Utc);
                ticks.push(Tick {
                    number: u32::try_from(ticks.len()).unwrap(),
                    wall,
                    at,
                    seconds: if self.late { wall.and_utc() } else { at }.timestamp(),
                });
            }
        }
        ticks
    }
}

/// What for, by which channel, to whom, where.
type Message = (String, String, String, String);

#[derive(Debug)]
pub(crate) struct Year {
    pub(crate) history: History,
    practice: Practice,
    source: Arc<MemorySource>,
    sink: Arc<MemorySink>,
    texts: Arc<Recorder>,
    mails: Arc<Recorder>,
    clock: TestClock,
    folder: tempfile::TempDir,
    store: Option<Arc<SqliteStore>>,
    plan: Plan,
    ends: Arc<Notify>,
    rng: fastrand::Rng,
    never: u64,
    runs: u64,
    names: BTreeMap<String, String>,
    crm_stops: Vec<odx_core::sink::Suppression>,
    lifts: Vec<String>,
    begun: std::time::Instant,
    sent: BTreeMap<(String, &'static str), u64>,
    spent: Duration,
    people: u64,
}

fn source_id() -> SourceId {
    SourceId::new("t", "main-st").unwrap()
}

fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "sms",
        Channel::Email => "email",
        Channel::Voice => "voice",
    }
}

impl Year {
    pub(crate) fn new(plan: Plan) -> Self {
        let Plan { seed, people, .. } = plan;
        let ticks = plan.ticks();
        let start = ticks[0].at;
        let ends = Arc::new(Notify::new());
        let clock = TestClock::at(start);
        let history = History::new();
        oracle::begin(&history, plan.caps);
        let sink = MemorySink::new(
            SinkId::new("mem", "main-st").unwrap(),
            NonZeroUsize::new(100).unwrap(),
        );
        Self {
            history,
            practice: Practice::new(
                seed,
                u32::try_from(people).unwrap(),
                first_day(),
                plan.shared,
            ),
            source: Arc::new(MemorySource::new(source_id(), 2000)),
            sink: Arc::new(sink),
            texts: Arc::new(Recorder::new("texts", Channel::Sms, ends.clone())),
            mails: Arc::new(Recorder::new("mails", Channel::Email, ends.clone())),
            clock,
            folder: tempfile::tempdir().unwrap(),
            store: None,
            plan,
            ends,
            rng: fastrand::Rng::with_seed(seed),
            never: 0,
            runs: 0,
            names: BTreeMap::new(),
            crm_stops: Vec::new(),
            lifts: Vec::new(),
            begun: std::time::Instant::now(),
            sent: BTreeMap::new(),
            spent: Duration::ZERO,
            people,
        }
    }

    /// What happens in the practice until this run; everybody is told but odx.
    pub(crate) fn live_through(&mut self, tick: Tick) {
        if tick.number > 0 {
            let share = if tick.wall.date().format("%a").to_string() == "Thu" {
                0.5
            } else {
                1.0
            };
            self.practice.pass(tick.wall, share);
        }
        let changes = self.practice.changes();
        self.history.note(tick, &changes);
        self.tell_source(&changes);
        for stop in &changes.stops {
            match stop {
                Stop::Text(number) => self.texts.stop(number),
                Stop::Start(number) => {
                    self.texts.start(number);
                    self.lifts.push(number.clone());
                }
                Stop::Mail(mailbox) => self.mails.stop(mailbox),
                Stop::CrmPhone(..) | Stop::CrmEmail(..) | Stop::CrmContact(..) => {
                    self.crm_stops.extend(stop.in_crm());
                }
            }
        }
        self.sink.set_stops(self.crm_stops.clone());
        self.clock.set(tick.at);
    }

    fn tell_source(&mut self, changes: &Changes) {
        let mut tell = |told: Told| match told {
            Ok(record) => self.source.put(record),
            Err(key) => self.source.delete(&key),
        };
        for person in &changes.people {
            self.names.insert(person.name.clone(), person.key.clone());
            person.records().into_iter().for_each(&mut tell);
        }
        changes.dues.iter().for_each(|due| tell(due.record()));
        changes.visits.iter().for_each(|visit| tell(visit.record()));
    }

    fn store(&mut self) -> Arc<SqliteStore> {
        let path = self.folder.path().join("odx.sqlite");
        self.store
            .get_or_insert_with(|| Arc::new(SqliteStore::open(path).unwrap()))
            .clone()
    }

    fn pipeline(&mut self) -> Pipeline {
        let office = Office::new(
            OfficeId::new("main-st").unwrap(),
            "Main Street",
            chrono_tz::America::New_York,
        );
        let settings = RecallSettings::default()
            .with_reactivation(Some(Reactivation::after_days(548).until_days(Some(1500))))
            .with_reviews(Some(Reviews::default()));
        let mut reach = OutreachSettings::default();
        reach.gate.yes_is_written = true;
        (reach.gate.per_day, reach.gate.per_week) = self.plan.caps;
        reach.guard.first_days = 0;
        reach.guard.floor = u32::MAX;
        // A small practice has days without any.
        reach.guard.thin = 0.0;
        reach.identity.name = Some("Main Street".to_owned());
        reach.identity.phone = Some("212-555-0100".to_owned());
        let link = |path: &str| Some(format!("https://book.test-practice.com/{path}"));
        reach.identity.booking_link = link("b");
        reach.identity.review_link = link("r");
        reach.identity.unsubscribe_link = link("u");
        reach.identity.postal_address = Some("1 Main Street, Springfield".to_owned());
        let gateways: Vec<Arc<dyn MessageGateway>> = vec![self.texts.clone(), self.mails.clone()];
        let schedule = Schedule::default()
            // Deletions are told; a whole listing is not what is looked at here.
            .with_sweep(Duration::from_secs(30 * 24 * 3600))
            .with_retry_max(Duration::from_secs(2));
        Pipeline::builder(self.source.clone())
            .policy(RecallPolicy::new(settings).unwrap())
            .sink(self.sink.clone())
            .state(self.store())
            .office(office)
            .clock(Arc::new(self.clock.clone()))
            .schedule(schedule)
            .outreach(Outreach::by_gateways(reach, gateways, Vec::new()).unwrap())
            .build()
            .unwrap()
    }

    /// Hears who wants texts again.
    async fn hear(&mut self) {
        let now = odx_core::clock::Clock::now(&self.clock);
        let store = self.store();
        for number in std::mem::take(&mut self.lifts) {
            let lift = Lift {
                target: Target::Phone(Phone::parse(&number).unwrap()),
                channel: Channel::Sms,
                origin: Some(MessageGateway::id(&*self.texts).clone()),
                keyword_only: true,
                reason: "start".to_owned(),
            };
            store
                .outreach()
                .lift(&source_id(), &lift, now)
                .await
                .unwrap();
        }
    }

    /// One run in which nothing fails.
    pub(crate) async fn run(&mut self) {
        let begun = std::time::Instant::now();
        self.hear().await;
        let report = self.pipeline().run_once(Mode::Live).await.unwrap();
        self.spent += begun.elapsed();
        self.runs += 1;
        assert!(
            report.complete && report.problems.is_empty(),
            "{:?}",
            report.problems
        );
        assert_eq!(report.paused, None);
    }

    /// Runs of processes that begin anew, while the providers fail and some of the
    /// processes end in the midst of it; then more, until all is settled.
    pub(crate) async fn run_badly(&mut self, tick: Tick) {
        let begun = std::time::Instant::now();
        self.hear().await;
        let before = self.failures();
        let mut quiet = false;
        // Three runs right away; then long enough for every second try.
        for (attempt, minutes) in [0, 0, 0, 5, 40, 80, 150, 230].into_iter().enumerate() {
            // Where nothing failed the last one is enough: what was late last week may
            // be late today.
            let calm = attempt == 1 && self.failures() == before;
            if calm {
                quiet = true;
            }
            if quiet && minutes < 230 {
                continue;
            }
            let wait = TimeDelta::minutes(minutes) + TimeDelta::seconds(10 * attempt as i64);
            self.clock.set(tick.at + wait);
            for gateway in [&self.texts, &self.mails] {
                gateway.fail((attempt < 3).then(|| self.rng.u64(..)), attempt == 0);
            }
            self.store = None;
            let pipeline = self.pipeline();
            let ends = self.ends.clone();
            self.runs += 1;
            tokio::select! {
                report = pipeline.run_once(Mode::Live) => drop(report.unwrap()),
                () = ends.notified() => {}
            }
        }
        self.spent += begun.elapsed();
    }

    fn failures(&self) -> u64 {
        let of = |gateway: &Recorder| gateway.faults().values().sum::<u64>();
        of(&self.texts) + of(&self.mails)
    }

    /// What went out, by whom its words address.
    fn heard(&mut self) -> Vec<Message> {
        let taken = [self.texts.news(), self.mails.news()].concat();
        let mut heard: Vec<_> = taken.iter().map(|one| self.who(one)).collect();
        heard.sort();
        for (purpose, channel, ..) in &heard {
            let channel = if channel == "sms" { "sms" } else { "email" };
            *self.sent.entry((purpose.clone(), channel)).or_default() += 1;
        }
        heard
    }

    fn who(&self, taken: &Taken) -> Message {
        let name = taken.text.strip_prefix("Hi ").unwrap();
        let (name, _) = name.split_once(',').unwrap();
        (
            taken.purpose.name().to_owned(),
            channel_name(taken.channel).to_owned(),
            self.names.get(name).cloned().unwrap_or_default(),
            taken.to.clone(),
        )
    }

    /// Exactly the same messages and tasks. Says keys only.
    pub(crate) async fn compare(&mut self, tick: Tick) {
        let should = oracle::sent(&self.history);
        let of = |one: &oracle::Should| {
            (
                one.purpose.clone(),
                one.channel.clone(),
                one.recipient.clone(),
                one.address.clone(),
            )
        };
        let mut expected: Vec<_> = should.iter().map(of).collect();
        expected.sort();
        let heard = self.heard();
        let mut wrong = String::new();
        if heard != expected {
            let (is, ought): (BTreeSet<_>, BTreeSet<_>) =
                (heard.iter().collect(), expected.iter().collect());
            for (purpose, channel, who, _) in is.difference(&ought) {
                writeln!(wrong, "odx alone: {purpose} by {channel} to {who}").unwrap();
            }
            for one in &should {
                if !is.contains(&of(one)) {
                    writeln!(
                        wrong,
                        "sql alone: {} by {} to {} about {} ({})",
                        one.purpose, one.channel, one.recipient, one.patient, one.subject
                    )
                    .unwrap();
                }
            }
            if heard.len() > is.len() {
                writeln!(wrong, "somebody heard the same twice").unwrap();
            }
        }
        // Whose a task is counts while it is open.
        let whose =
            |contact: &str, status: &str| if status == "open" { contact } else { "" }.to_owned();
        let tasks = self.sink.tasks();
        let tasks: BTreeSet<_> = tasks
            .iter()
            .map(|(id, task)| {
                let status = match task.status {
                    TaskStatus::Open => "open",
                    TaskStatus::Completed => "completed",
                    TaskStatus::Cancelled => "cancelled",
                };
                (
                    id.to_string(),
                    whose(task.contact_external_id.as_str(), status),
                    status.to_owned(),
                )
            })
            .collect();
        let ought: BTreeSet<_> = oracle::tasks(&self.history)
            .into_iter()
            .map(|(id, contact, status)| (id, whose(&contact, &status), status))
            .collect();
        for (id, contact, status) in tasks.difference(&ought) {
            writeln!(wrong, "odx alone: task {id} of {contact} is {status}").unwrap();
        }
        for (id, contact, status) in ought.difference(&tasks) {
            writeln!(wrong, "sql alone: task {id} of {contact} is {status}").unwrap();
        }
        self.say(tick, &wrong).await;
    }

    async fn say(&mut self, tick: Tick, wrong: &str) {
        if !wrong.is_empty() && std::env::var_os("ODX_YEAR_WHY").is_some() {
            self.explain(wrong).await;
        }
        let Tick { number, wall, .. } = tick;
        assert!(wrong.is_empty(), "run {number} on {wall}:\n{wrong}");
    }

    /// What both know about the people in question, for whoever looks into it.
    /// All of them are invented.
    async fn explain(&mut self, wrong: &str) {
        let digits = |word: &str| word.rsplit(':').next().unwrap().to_owned();
        let mut people: BTreeSet<_> = wrong.split_whitespace().map(digits).collect();
        for key in people.clone() {
            let sql = "SELECT patient FROM recall WHERE key = ?1";
            let mut rows = self.history.db.prepare(sql).unwrap();
            let whose = rows.query_map([&key], |row| row.get(0)).unwrap();
            people.extend(whose.map(|whose| whose.unwrap()));
            if let Some(task) = self
                .sink
                .tasks()
                .get(&ExternalId::from_kept(format!("trecall:main-st:{key}")))
            {
                println!(
                    "{key}: {} {} {:?}",
                    task.title, task.contact_external_id, task.status
                );
            }
            self.dump("recall", &key);
        }
        for key in people.iter().filter(|key| key.parse::<u32>().is_ok()) {
            let person = PatientKey::new(key);
            let rows = self
                .store()
                .outreach()
                .decisions(&source_id(), &person)
                .await;
            for row in rows.unwrap() {
                let query = HistoryQuery {
                    subjects: [row.episode.subject.clone()].into(),
                    recipient: PatientKey::new("nobody"),
                    addresses: Vec::new(),
                    household: HouseholdKey::new("nobody"),
                };
                let outlet = OutletId::new(source_id(), "messages").unwrap();
                let store = self.store();
                let history = store.outreach().history(&outlet, query).await;
                println!("{:?}", history.unwrap().episodes);
                println!(
                    "{key}: {} {:?} {:?} {} {:?}",
                    row.episode.name(),
                    row.channel,
                    row.recipient,
                    row.at,
                    row.decision
                );
            }
            for table in [
                "p",
                "r",
                "v",
                "lapse",
                "candidate",
                "occurrence",
                "sent",
                "told",
            ] {
                self.dump(table, key);
            }
        }
    }

    fn dump(&self, table: &str, key: &str) {
        let mut rows = self
            .history
            .db
            .prepare(&format!("SELECT * FROM {table}"))
            .unwrap();
        let names: Vec<_> = rows.column_names().map(str::to_owned).collect();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = (0..names.len())
                .map(
                    |at| match row.get::<_, rusqlite::types::Value>(at).unwrap() {
                        rusqlite::types::Value::Text(text) => text,
                        rusqlite::types::Value::Integer(number) => number.to_string(),
                        _ => String::new(),
                    },
                )
                .collect();
            let about = names.iter().zip(&values).any(|(name, value)| {
                ["key", "patient", "household", "recipient", "subject"].contains(&name.as_str())
                    && value.rsplit(':').next() == Some(key)
            });
            if about {
                println!("  {table} {}", values.join("|"));
            }
        }
    }

    /// What providers took is what should have been sent, but for what was lost
    /// where nobody can look. Says keys only.
    pub(crate) async fn compare_taken(&mut self, tick: Tick) {
        let lost = [self.texts.never(), self.mails.never()].concat();
        self.never += lost.len() as u64;
        let mut heard = self.heard();
        heard.extend(lost.iter().map(|one| self.who(one)));
        heard.sort();
        let mut expected: Vec<_> = oracle::sent(&self.history)
            .into_iter()
            .map(|one| (one.purpose, one.channel, one.recipient, one.address))
            .collect();
        expected.sort();
        let mut wrong = String::new();
        let mut rest = expected.clone();
        for one in &heard {
            match rest.iter().position(|other| other == one) {
                Some(at) => drop(rest.swap_remove(at)),
                None => {
                    let (purpose, channel, who, _) = one;
                    writeln!(wrong, "odx alone: {purpose} by {channel} to {who}").unwrap();
                }
            }
        }
        for (purpose, channel, who, _) in rest {
            writeln!(wrong, "sql alone: {purpose} by {channel} to {who}").unwrap();
        }
        self.say(tick, &wrong).await;
    }

    /// How often the providers failed, and how.
    pub(crate) fn faults(&self) -> String {
        format!(
            "texts {:?}\nmails {:?}\nnever arrived, and counts as told: {}\n",
            self.texts.faults(),
            self.mails.faults(),
            self.never
        )
    }

    /// Every occurrence was told in the run in which it should have been, also
    /// those that were told with another one.
    pub(crate) async fn compare_occurrences(&mut self) {
        let ought = oracle::told(&self.history);
        let subjects = ought.iter().map(|(_, subject, ..)| subject.clone());
        let query = HistoryQuery {
            subjects: subjects.map(ExternalId::from_kept).collect(),
            recipient: PatientKey::new("nobody"),
            addresses: Vec::new(),
            household: HouseholdKey::new("nobody"),
        };
        let outlet = OutletId::new(source_id(), "messages").unwrap();
        let history = self.store().outreach().history(&outlet, query).await;
        let ticks: BTreeMap<_, _> = self
            .plan
            .ticks()
            .iter()
            .map(|tick| (tick.at, tick.number))
            .collect();
        let told: BTreeSet<_> = history
            .unwrap()
            .episodes
            .into_iter()
            .filter(|(_, told)| told.counts())
            .map(|(episode, told)| {
                let run = ticks.range(..=told.begun).next_back().unwrap();
                (
                    episode.purpose.name().to_owned(),
                    episode.subject.to_string(),
                    *run.1,
                )
            })
            .collect();
        let ought: BTreeSet<_> = ought
            .into_iter()
            .map(|(purpose, subject, _, run)| (purpose, subject, run))
            .collect();
        let odx: Vec<_> = told.difference(&ought).collect();
        let sql: Vec<_> = ought.difference(&told).collect();
        assert!(odx.is_empty() && sql.is_empty(), "odx {odx:?} sql {sql:?}");
    }

    pub(crate) fn figures(&self) -> String {
        let mut text = format!("people {}, days {DAYS}\n", self.people);
        for ((purpose, channel), count) in &self.sent {
            writeln!(text, "{purpose:13} {channel:6} {count:7}").unwrap();
        }
        let mut line = |name: &str, sql: &str| {
            writeln!(text, "{name:20} {:7}", oracle::count(&self.history, sql)).unwrap();
        };
        line("occurrences told", "SELECT count(*) FROM told");
        for status in ["open", "completed", "cancelled"] {
            for kind in ["recall", "reactivation"] {
                let sql = format!(
                    "SELECT count(*) FROM task WHERE kind = '{kind}' AND status = '{status}'"
                );
                line(&format!("{kind} {status}"), &sql);
            }
        }
        for table in ["person", "recall", "visit", "stop"] {
            line(
                &format!("states of {table}"),
                &format!("SELECT count(*) FROM {table}"),
            );
        }
        text + &self.pace()
    }

    /// How long it took so far.
    pub(crate) fn pace(&self) -> String {
        let mut text = String::new();
        let all = self.begun.elapsed().as_secs_f64();
        writeln!(
            text,
            "odx {:.1} s of {all:.1} s, {} runs",
            self.spent.as_secs_f64(),
            self.runs
        )
        .unwrap();
        text
    }
}
