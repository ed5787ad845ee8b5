//! A small world: two practices with the same native ids, one state, two CRMs.
//! Staff change things, both sides fail, runs end anywhere, stops are recorded,
//! lists go blind. Whatever happens, the promises hold at every write, and in
//! the end the CRMs show what a fresh start would show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use odx_core::crm::TaskStatus;
use odx_core::engine::{Mode, Pipeline};
use odx_core::model::{Channel, PatientStatus, Phone, Record, RecordKey, RecordKind};
use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::sink::{CrmSink as _, Suppression, Target};
use odx_core::source::PracticeSource as _;
use odx_core::store::{AckCommit, Brake, MemoryStore, StateStore};
use odx_core::testkit::{SourceFault, recall};
use odx_core::{ErrorKind, HouseholdKey, PatientKey, RecallKey};

use crate::bench::crm::{Fault, fresh_like};
use crate::bench::spy::Spy;
use crate::bench::{Bench, Kind, consents, cut_short, day, store};

const OFFICES: [&str; 2] = ["main", "elm"];
const NAMES: [&str; 3] = ["Ana", "Nora", "Tess"];
const PEOPLE: usize = 9;
const ROUNDS: usize = 12;

/// A patient as staff see them.
#[derive(Debug, Clone)]
struct Person {
    name: String,
    household: String,
    status: PatientStatus,
    yes: bool,
    due: Option<i64>,
}

/// One story, told by its seed.
pub(crate) struct World {
    random: Rng,
    kind: Kind,
    offices: [Bench; 2],
    people: [BTreeMap<String, Person>; 2],
    /// Whom the CRM refuses until they are changed.
    poor: [BTreeSet<String>; 2],
    /// Little may vanish at once; else anything may, but only after two listings.
    tight: bool,
    folder: tempfile::TempDir,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let kind = if seed.is_multiple_of(4) {
            Kind::Sqlite
        } else {
            Kind::Memory
        };
        let folder = tempfile::tempdir().unwrap();
        let state = store(kind, folder.path());
        let tight = random.bool();
        let brake = if tight {
            Brake {
                floor: 1,
                share: 0.1,
            }
        } else {
            Brake {
                floor: 1000,
                share: 1.0,
            }
        };
        let offices = OFFICES.map(|name| {
            let mut b = Bench::new(name, Arc::clone(&state), random.usize(1..6));
            b.rows_together = *random.choice(&[1, 25, 1000]).unwrap();
            b.brake = brake;
            b
        });
        Self {
            random,
            kind,
            offices,
            people: Default::default(),
            poor: Default::default(),
            tight,
            folder,
        }
    }

    fn office(&mut self) -> usize {
        self.random.usize(0..2)
    }

    fn somebody(&mut self, office: usize) -> String {
        let nth = self.random.usize(0..PEOPLE);
        let mut keys = self.people[office].keys();
        keys.nth(nth)
            .or_else(|| keys.next())
            .map_or("1", |key| key)
            .to_owned()
    }

    /// Tells the practice, and the CRM's judge what may be told from now on.
    fn put(&self, office: usize, key: &str) {
        let (b, person) = (&self.offices[office], &self.people[office][key]);
        let mut row = b.person(key, &person.name);
        row.household = HouseholdKey::new(person.household.clone());
        row.status = person.status;
        row.consent = consents(person.yes);
        row.mobile = phone(key);
        let household = b.ids().household(&row.household);
        let shows = format!("{} in {household}", person.name);
        b.crm.said(b.contact(key), shows, person.yes);
        if person.status != PatientStatus::Active {
            b.crm.may_close(b.task(&format!("r{key}")));
        }
        if person.status == PatientStatus::Archived {
            b.crm.may_close(b.contact(key));
        }
        b.source.put(Record::Patient(row));
    }

    fn put_recall(&self, office: usize, key: &str) {
        let b = &self.offices[office];
        let native = format!("r{key}");
        let due = self.people[office][key].due.map(day);
        match due {
            Some(due) => b.crm.said(b.task(&native), due.to_string(), false),
            None => b.crm.may_close(b.task(&native)),
        }
        b.source.put(Record::Recall(recall(&native, key, due)));
    }

    fn seed(&mut self) {
        for office in 0..2 {
            for n in 1..=PEOPLE {
                let person = Person {
                    name: self.random.choice(NAMES).unwrap().to_owned(),
                    household: if n % 3 == 0 {
                        "1".to_owned()
                    } else {
                        n.to_string()
                    },
                    // The last one was never anything but archived.
                    status: if n == PEOPLE {
                        PatientStatus::Archived
                    } else {
                        PatientStatus::Active
                    },
                    yes: self.random.bool(),
                    due: self.random.bool().then(|| self.random.i64(-50..50)),
                };
                self.people[office].insert(n.to_string(), person);
                self.put(office, &n.to_string());
                self.put_recall(office, &n.to_string());
            }
        }
    }

    /// Staff do something.
    fn edit(&mut self) {
        let office = self.office();
        let key = self.somebody(office);
        let what = self.random.u8(0..12);
        let name = self.random.choice(NAMES).unwrap().to_owned();
        let due = self.random.bool().then(|| self.random.i64(-50..50));
        let home = self.random.u8(1..4).to_string();
        let never = self.offices[office].contact(&PEOPLE.to_string());
        let b = &self.offices[office];
        let Some(person) = self.people[office].get_mut(&key) else {
            return;
        };
        match what {
            0..=3 => person.name = name,
            4 | 5 => {
                person.due = due;
                return self.put_recall(office, &key);
            }
            6 => person.household = home,
            7 => person.yes = !person.yes,
            8 if b.contact(&key) != never => {
                person.status = match person.status {
                    PatientStatus::Active => PatientStatus::Archived,
                    PatientStatus::Archived => PatientStatus::Inactive,
                    _ => PatientStatus::Active,
                };
            }
            9 if !self.tight => {
                // Deleted without a trace: only listings show it.
                b.crm.may_close(b.task(&format!("r{key}")));
                b.source.vanish(RecordKind::Recall, &format!("r{key}"));
                return;
            }
            10 => {
                let native = format!("r{key}");
                b.crm.may_close(b.task(&native));
                b.source.delete(&RecordKey::Recall(RecallKey::new(native)));
                return;
            }
            11 if self.random.u8(0..4) == 0 => {
                b.crm.may_close(b.task(&format!("r{key}")));
                b.crm.may_close(b.contact(&key));
                b.source.delete(&RecordKey::Patient(PatientKey::new(key)));
                return;
            }
            _ => return,
        }
        self.put(office, &key);
    }

    /// Something outside goes wrong, or somebody says stop.
    fn trouble(&mut self) {
        let office = self.office();
        let part = self.random.usize(0..4);
        let count = self.random.usize(0..7);
        let faults = [
            Fault::Fine,
            Fault::Down,
            Fault::Lost(part),
            Fault::Lost(9),
            Fault::NotNow,
            Fault::BadToken,
            Fault::SlowDown(None),
            Fault::SlowDown(Some(Duration::from_secs(1))),
        ];
        let faults: Vec<_> = (0..count)
            .map(|_| self.random.choice(&faults).unwrap().clone())
            .collect();
        self.offices[office].crm.fail(faults);
        let faults = [
            SourceFault::None,
            SourceFault::Down,
            SourceFault::Cut,
            SourceFault::Forgot,
            SourceFault::BadKey,
        ];
        let count = self.random.usize(0..3);
        let faults: Vec<_> = (0..count)
            .map(|_| *self.random.choice(&faults).unwrap())
            .collect();
        self.offices[office].source.fail(faults);
        let key = self.somebody(office);
        let b = &self.offices[office];
        match self.random.u8(0..8) {
            0 => {
                b.crm.refuse(&b.contact(&key));
                self.poor[office].insert(key);
            }
            1 | 2 => {
                let target = if self.random.bool() {
                    Target::Contact(b.contact(&key))
                } else {
                    Target::Phone(phone(&key).unwrap())
                };
                let mut stops = b.crm.stops();
                stops.push(Suppression {
                    target,
                    channel: self.random.bool().then_some(Channel::Sms),
                    reason: "stop".to_owned(),
                });
                b.crm.set_stops(stops);
            }
            _ => {}
        }
    }

    /// A run of one office, which may end anywhere.
    async fn step(&mut self) {
        let office = self.office();
        let polls = self.random.usize(0..600);
        let follow = self.random.u8(0..6) == 0;
        let whole = self.random.u8(0..3) > 0;
        let late = self.random.u8(0..3) == 0;
        let b = &self.offices[office];
        let pipeline = b.pipeline();
        let old = b.store.epoch();
        b.crm.next_run();
        if follow {
            // A practice that is followed is tried again after a halt, as it should be.
            b.crm.forget_faults();
            drop(cut_short(pipeline.run(odx_core::engine::Stop::never()), polls).await);
        } else if whole {
            // What fails here waits for the next run.
            drop(pipeline.run_once(Mode::Live).await);
        } else {
            drop(cut_short(pipeline.run_once(Mode::Live), polls).await);
            drop(pipeline);
            if self.kind == Kind::Sqlite {
                self.reopen().await;
            }
        }
        if let Some(epoch) = old.filter(|_| late) {
            self.late(office, epoch).await;
        }
        if self.random.u8(0..6) == 0 {
            self.mispaired().await;
        }
        if self.random.u8(0..5) == 0 {
            self.blind(office).await;
        }
        let pause = self.random.u64(0..30 * 3600);
        for b in &self.offices {
            b.clock.advance(Duration::from_secs(pause));
        }
    }

    /// The process ended: the file is opened again. What it was doing in the
    /// background when it ended is over soon.
    async fn reopen(&mut self) {
        let nothing: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
        for b in &mut self.offices {
            b.store = Arc::new(Spy::on(Arc::clone(&nothing)));
        }
        let path = self.folder.path().join("odx.sqlite");
        let state: Arc<dyn StateStore> = loop {
            match odx_core::store::SqliteStore::open(&path) {
                Ok(state) => break Arc::new(state),
                Err(_) => tokio::task::yield_now().await,
            }
        };
        for b in &mut self.offices {
            b.store = Arc::new(Spy::on(Arc::clone(&state)));
        }
    }

    /// A run that another one has taken over from comes back and claims that
    /// everything is settled.
    async fn late(&self, office: usize, epoch: odx_core::store::Epoch) {
        let b = &self.offices[office];
        let homes = self.people[office].keys().cloned().map(HouseholdKey::new);
        let claim = AckCommit {
            source: b.source.id().clone(),
            epoch,
            sink: b.crm.id().clone(),
            now: crate::bench::noon(),
            acknowledged: Vec::new(),
            parked: Vec::new(),
            cleared: Vec::new(),
            reconciled: homes.map(|home| (home, 1_000_000, None)).collect(),
            disclosed: Vec::new(),
        };
        // Whether it is taken shows in the end.
        drop(b.store.commit_acks(claim).await);
    }

    /// Somebody mixes up two offices in the settings.
    async fn mispaired(&self) {
        let [main, elm] = &self.offices;
        let mixed = Pipeline::builder(main.source.clone())
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(elm.crm.clone())
            .state(main.store.clone())
            .office(main.pipeline().office().clone())
            .clock(Arc::new(main.clock.clone()))
            .build()
            .unwrap();
        let opened = elm.source.requests() > 0;
        if opened {
            drop(mixed.run_once(Mode::Live).await);
        }
    }

    /// The practice's lists show nothing for a while. Under a tight brake for
    /// long, else for one listing, which is not enough to believe it.
    async fn blind(&self, office: usize) {
        let b = &self.offices[office];
        b.crm.forget_faults();
        b.source.recover();
        if !self.finish(office).await {
            return;
        }
        // The CRM has lost its list. Whoever said stop has said it.
        b.crm.set_stops(Vec::new());
        let listings = if self.tight { 3 } else { 1 };
        b.source.hide(true);
        for _ in 0..listings {
            b.clock.advance(Duration::from_secs(25 * 3600));
            self.finish(office).await;
        }
        b.source.hide(false);
        b.clock.advance(Duration::from_secs(25 * 3600));
        self.finish(office).await;
    }

    /// Runs until a run is not taken over by one that was ended before.
    async fn finish(&self, office: usize) -> bool {
        for _ in 0..100 {
            match self.offices[office].try_run().await {
                Ok(report) => return report.complete,
                Err(error) if error.kind() == ErrorKind::Superseded => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// Everything works again, and what was refused was mended.
    async fn heal(&mut self) -> Result<(), String> {
        for office in 0..2 {
            let b = &self.offices[office];
            b.crm.recover();
            b.source.recover();
            for key in std::mem::take(&mut self.poor[office]) {
                if let Some(person) = self.people[office].get_mut(&key) {
                    person.name.push_str(" mended");
                    self.put(office, &key);
                }
            }
            for _ in 0..4 {
                self.finish(office).await;
                self.offices[office]
                    .clock
                    .advance(Duration::from_secs(25 * 3600));
            }
            self.finish(office).await;
        }
        for (office, b) in self.offices.iter().enumerate() {
            let report = match b.try_run().await {
                Ok(report) => report,
                Err(error) => return Err(format!("D1: it does not run: {}", error.chain())),
            };
            if !report.complete || report.sent > 0 {
                return Err(format!(
                    "D1: office {office} does not come to rest: {} sent, {:?}",
                    report.sent, report.problems
                ));
            }
        }
        Ok(())
    }

    /// What each CRM shows is what a fresh start would show; what a fresh start
    /// would not create is at rest.
    async fn compare(&self) -> Result<(), String> {
        for b in &self.offices {
            let mut fresh = Bench::new(b.name, Arc::new(MemoryStore::new()), 7);
            fresh.source = b.source.clone();
            fresh.crm = fresh_like(&b.crm);
            fresh.crm.set_stops(b.crm.ever_stopped());
            fresh.clock.set(odx_core::clock::Clock::now(&b.clock));
            fresh.run().await;
            let (wanted, there) = (fresh.crm.contacts(), b.crm.contacts());
            for (id, contact) in &wanted {
                match there.get(id) {
                    None => return Err(format!("D1: {id} is lost")),
                    Some(shown) if shown != contact => {
                        return Err(format!(
                            "D1: {id} is stale: {} {:?} {:?} not {} {:?} {:?}",
                            shown.first_name.expose(),
                            shown.tags,
                            shown.consent,
                            contact.first_name.expose(),
                            contact.tags,
                            contact.consent
                        ));
                    }
                    Some(_) => {}
                }
            }
            for (id, contact) in &there {
                if !wanted.contains_key(id) && contact.tags != ["odx-inactive"] {
                    return Err(format!("D1: {id} is not closed"));
                }
            }
            if there.contains_key(&b.contact(&PEOPLE.to_string())) {
                return Err("rule 5: somebody was created to be closed".to_owned());
            }
            let open = |tasks: BTreeMap<_, odx_core::crm::Task>| {
                let is_open = |task: &odx_core::crm::Task| task.status == TaskStatus::Open;
                tasks
                    .into_iter()
                    .filter(|(_, task)| is_open(task))
                    .collect::<BTreeMap<_, _>>()
            };
            let (wanted, there) = (open(fresh.crm.tasks()), open(b.crm.tasks()));
            for id in wanted.keys().chain(there.keys()) {
                if wanted.get(id) != there.get(id) {
                    let day = |tasks: &BTreeMap<_, odx_core::crm::Task>| {
                        tasks
                            .get(id)
                            .map(|task: &odx_core::crm::Task| (task.due_date, task.segment))
                    };
                    let (shown, right) = (day(&there), day(&wanted));
                    return Err(format!("D1: {id} is open as {shown:?}, not {right:?}"));
                }
            }
            if b.crm.contacts().len() > PEOPLE || b.crm.tasks().len() > PEOPLE {
                return Err(format!("D2: {} has records twice", b.name));
            }
        }
        Ok(())
    }

    fn wrong(&self) -> Result<(), String> {
        let wrong = self.offices.iter().flat_map(|b| b.crm.wrong()).next();
        wrong.map_or(Ok(()), Err)
    }
}

fn phone(key: &str) -> Option<Phone> {
    // Two share each number.
    let number = key.parse::<u32>().unwrap_or_default() / 2;
    Phone::parse(&format!("503-555-01{number:02}")).ok()
}

/// Tells the story of a seed. `Err` names the first promise that was broken.
pub(crate) async fn play(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed);
    world.seed();
    for _ in 0..ROUNDS {
        for _ in 0..world.random.usize(0..6) {
            world.edit();
        }
        if world.random.u8(0..3) > 0 {
            world.trouble();
        }
        world.step().await;
        world.wrong()?;
    }
    world.heal().await?;
    world.wrong()?;
    world.compare().await
}
