//! What the parts of a sync cost, without any network: rows to records, a page to the store, a household to what the
//! CRM should show, what it shows to what differs, and the ledger.
//!
//! Every record is a row of the vendor's documentation, given a number and read by the adapter. State is a real file,
//! written as safely as in an office.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a bench: a panic is the failure"
)]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use odx_core::crm::Op;
use odx_core::model::{Blocked, HouseholdView, Kept, Member, Phone, Record, RecordKind};
use odx_core::policy::{Policy as _, PolicyContext, RecallPolicy, RecallSettings};
use odx_core::sink::CrmSink as _;
use odx_core::source::{Change, Cursor, Page, Position};
use odx_core::store::{
    AckCommit, Acknowledged, Brake, Epoch, Opening, PageCommit, SqliteStore, StateStore as _,
};
use odx_core::testkit::{MemorySink, MemorySource, TestClock};
use odx_core::{
    ExternalId, ExternalIds, HouseholdKey, IdScheme, LedgerHash, Mode, Office, OfficeId, Pipeline,
    SinkId, SourceId,
};
use tokio::runtime::Runtime;

const PATIENTS: &str = include_str!("../../odx-opendental/tests/fixtures/patients.simple.get.json");
const RECALLS: &str = include_str!("../../odx-opendental/tests/fixtures/recalls.get.json");
const APPOINTMENTS: &str =
    include_str!("../../odx-opendental/tests/fixtures/appointments.get.json");

/// A page of the vendor's remote API.
const PAGE: u32 = 100;
/// Households that the engine looks at together, and acknowledgements that it stores together.
const CHUNK: u32 = 512;

/// A week before the documented recall is due: every patient has a contact and a task.
fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2022, 9, 2).unwrap()
}

fn now() -> DateTime<Utc> {
    day().and_hms_opt(12, 0, 0).unwrap().and_utc()
}

fn office() -> Office {
    Office::new(OfficeId::new("bench").unwrap(), "Bench", chrono_tz::UTC)
}

fn source_id() -> SourceId {
    SourceId::new("od", "bench").unwrap()
}

fn sink_id() -> SinkId {
    SinkId::new("mem", "bench").unwrap()
}

fn ids() -> ExternalIds {
    ExternalIds::new(source_id(), IdScheme::Scoped)
}

fn policy() -> RecallPolicy {
    RecallPolicy::new(RecallSettings::default()).unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The answer with rows of these numbers, in households of this size.
fn answer(kind: RecordKind, numbers: std::ops::RangeInclusive<u32>, household: u32) -> String {
    let (documented, key) = match kind {
        RecordKind::Patient => (PATIENTS, "PatNum"),
        RecordKind::Recall => (RECALLS, "RecallNum"),
        RecordKind::Appointment => (APPOINTMENTS, "AptNum"),
        RecordKind::OptOut => panic!("no list holds opt-outs"),
        RecordKind::Reminder => panic!("an office shows a few of them"),
    };
    let documented: serde_json::Value = serde_json::from_str(documented).unwrap();
    let rows: Vec<_> = numbers
        .map(|n| {
            let mut row = documented[0].clone();
            row[key] = n.into();
            row["PatNum"] = n.into();
            if kind == RecordKind::Patient {
                row["Guarantor"] = (n - (n - 1) % household).into();
                row["WirelessPhone"] = format!("(503)555-{:04}", n % 10_000).into();
            }
            row
        })
        .collect();
    serde_json::to_string(&rows).unwrap()
}

fn records(kind: RecordKind, count: u32, household: u32) -> Vec<Record> {
    odx_opendental::fuzz::changes(kind, answer(kind, 1..=count, household).as_bytes())
        .into_iter()
        .map(|change| match change {
            Change::Upsert(record) => record,
            other => panic!("a documented row does not read: {other:?}"),
        })
        .collect()
}

/// So many people, each with a recall.
fn people(count: u32, household: u32) -> Vec<Record> {
    let mut all = records(RecordKind::Patient, count, household);
    all.extend(records(RecordKind::Recall, count, household));
    all
}

fn conversion(c: &mut Criterion) {
    let mut group = c.benchmark_group("conversion");
    brief(&mut group);
    group.throughput(Throughput::Elements(PAGE.into()));
    let lists = [
        RecordKind::Patient,
        RecordKind::Recall,
        RecordKind::Appointment,
    ];
    for kind in lists {
        let page = answer(kind, 1..=PAGE, 1);
        group.bench_function(format!("a page of {PAGE} {}", kind.plural()), |b| {
            b.iter(|| {
                let changes = odx_opendental::fuzz::changes(kind, black_box(page.as_bytes()));
                assert_eq!(changes.len(), 100);
                changes
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("the phone in a row", |b| {
        b.iter(|| Phone::parse(black_box("(503)555-0123")));
    });
    group.finish();
}

fn ingest(c: &mut Criterion) {
    let runtime = runtime();
    let files = Files::new();
    let mut group = c.benchmark_group("ingest page");
    brief(&mut group);
    for rows in [PAGE, 10 * PAGE] {
        group.throughput(Throughput::Elements(rows.into()));
        // As many recalls as patients: a store takes them mixed.
        let records = people(rows / 2, 1);
        let empty = files.path(&format!("empty {rows}"));
        let epoch = runtime.block_on(begin(&empty));
        group.bench_function(format!("{rows} rows, all new"), |b| {
            b.iter_batched(
                || {
                    let store = files.copy(&empty);
                    // As in a process that is under way: its first commit costs more.
                    runtime
                        .block_on(store.commit_page(page(&[], epoch, 1)))
                        .unwrap();
                    (store, page(&records, epoch, 2))
                },
                |(store, page)| {
                    let outcome = runtime.block_on(store.commit_page(page)).unwrap();
                    assert_eq!((outcome.changed, outcome.unchanged), (rows.into(), 0));
                    store
                },
                BatchSize::PerIteration,
            );
        });
        let known = files.copy(&empty);
        let mut at = 1;
        runtime
            .block_on(known.commit_page(page(&records, epoch, at)))
            .unwrap();
        group.bench_function(format!("{rows} rows, all unchanged"), |b| {
            b.iter_batched(
                || {
                    at += 1;
                    page(&records, epoch, at)
                },
                |page| {
                    let outcome = runtime.block_on(known.commit_page(page)).unwrap();
                    assert_eq!((outcome.changed, outcome.unchanged), (0, rows.into()));
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn policy_alone(c: &mut Criterion) {
    let mut group = c.benchmark_group("policy");
    brief(&mut group);
    let (policy, office, ids) = (policy(), office(), ids());
    for size in [1, 4] {
        let view = household(size);
        group.throughput(Throughput::Elements(size.into()));
        group.bench_function(format!("a household of {size}"), |b| {
            b.iter(|| {
                let cx = PolicyContext::new(day(), &office, &ids);
                let desired = policy.desired(black_box(&view), &cx);
                assert_eq!(u32::try_from(desired.ops.len()), Ok(2 * size));
                desired
            });
        });
    }
    group.finish();
}

/// A household of this size, each of whom has a recall.
fn household(size: u32) -> HouseholdView {
    let kept = |record| Kept {
        record,
        gone: false,
        changed_on: day(),
    };
    let patients = records(RecordKind::Patient, size, size);
    let recalls = records(RecordKind::Recall, size, size);
    let members = patients.into_iter().zip(recalls).map(|pair| match pair {
        (Record::Patient(patient), Record::Recall(recall)) => Member {
            patient: Kept {
                record: patient,
                gone: false,
                changed_on: day(),
            },
            recalls: vec![kept(recall)],
            appointments: Vec::new(),
            opt_out: None,
            reminders: Vec::new(),
            blocked: Blocked::default(),
            stops: Vec::new(),
        },
        other => panic!("{other:?}"),
    });
    HouseholdView {
        key: HouseholdKey::new("1"),
        members: members.collect(),
    }
}

fn reconcile(c: &mut Criterion) {
    let runtime = runtime();
    let files = Files::new();
    let ops = u64::from(2 * CHUNK);
    let mut group = c.benchmark_group("reconcile");
    brief(&mut group);
    group.throughput(Throughput::Elements(CHUNK.into()));
    let practice = Arc::new(MemorySource::new(source_id(), usize::MAX));
    let mut everybody = people(CHUNK, 1);
    everybody
        .iter()
        .for_each(|record| practice.put(record.clone()));

    // A dry run reads the practice and tells nobody.
    let read = files.path("read");
    let dry = |store| runtime.block_on(pipeline(&practice, store).run_once(Mode::DryRun));
    dry(SqliteStore::open(&read).unwrap()).unwrap();
    group.bench_function(format!("{CHUNK} households, all to be told"), |b| {
        b.iter_batched(
            || pipeline(&practice, files.copy(&read)),
            |pipeline| {
                let report = runtime.block_on(pipeline.run_once(Mode::Live)).unwrap();
                assert_eq!((report.changed, report.sent), (0, ops));
                pipeline
            },
            BatchSize::PerIteration,
        );
    });

    let told = files.path("told");
    let live = pipeline(&practice, SqliteStore::open(&told).unwrap());
    runtime.block_on(live.run_once(Mode::Live)).unwrap();
    drop(live);
    // Something that the CRM does not show: each household is looked at for nothing.
    for record in &mut everybody {
        if let Record::Patient(patient) = record {
            patient.first_visit = None;
            practice.put(record.clone());
        }
    }
    dry(SqliteStore::open(&told).unwrap()).unwrap();
    group.bench_function(format!("{CHUNK} households, nothing to be told"), |b| {
        b.iter_batched(
            || pipeline(&practice, files.copy(&told)),
            |pipeline| {
                let report = runtime.block_on(pipeline.run_once(Mode::Live)).unwrap();
                let counts = (report.changed, report.sent, report.unchanged);
                assert_eq!(counts, (0, 0, ops));
                pipeline
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn pipeline(practice: &Arc<MemorySource>, store: SqliteStore) -> Pipeline {
    let batch = NonZeroUsize::new(100).unwrap();
    Pipeline::builder(practice.clone())
        .policy(policy())
        .sink(Arc::new(MemorySink::new(sink_id(), batch)))
        .state(Arc::new(store))
        .office(office())
        .clock(Arc::new(TestClock::at(now())))
        .build()
        .unwrap()
}

fn ledger(c: &mut Criterion) {
    let runtime = runtime();
    let files = Files::new();
    let mut group = c.benchmark_group("ledger");
    brief(&mut group);
    group.throughput(Throughput::Elements(CHUNK.into()));
    let empty = files.path("empty");
    let epoch = runtime.block_on(begin(&empty));
    let names: Vec<ExternalId> = wanted(CHUNK / 2)
        .iter()
        .map(|op| op.external_id().clone())
        .collect();
    group.bench_function(format!("{CHUNK} acknowledgements, all new"), |b| {
        b.iter_batched(
            || {
                let store = files.copy(&empty);
                runtime
                    .block_on(store.commit_acks(acks(&[], epoch, 1)))
                    .unwrap();
                (store, acks(&names, epoch, 1))
            },
            |(store, acks)| {
                runtime.block_on(store.commit_acks(acks)).unwrap();
                store
            },
            BatchSize::PerIteration,
        );
    });
    let known = files.copy(&empty);
    let mut generation = 1;
    runtime
        .block_on(known.commit_acks(acks(&names, epoch, generation)))
        .unwrap();
    group.bench_function(format!("{CHUNK} acknowledgements of changes"), |b| {
        b.iter_batched(
            || {
                generation += 1;
                acks(&names, epoch, generation)
            },
            |acks| runtime.block_on(known.commit_acks(acks)).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.bench_function(format!("{CHUNK} look-ups"), |b| {
        b.iter_batched(
            || names.clone(),
            |names| {
                let found = runtime.block_on(known.standing(&sink_id(), names)).unwrap();
                assert!(found.iter().all(|row| row.acknowledged.is_some()));
                assert_eq!(found.len(), 512);
                found
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// What the policy wants for so many people: a contact and a task each.
fn wanted(people: u32) -> Vec<Op> {
    let (office, ids) = (office(), ids());
    let cx = PolicyContext::new(day(), &office, &ids);
    policy().desired(&household(people), &cx).ops
}

/// The sink has taken the `generation`th change of each of these.
fn acks(names: &[ExternalId], epoch: Epoch, generation: u64) -> AckCommit {
    let row = |name: &ExternalId| Acknowledged {
        hash: LedgerHash::of(format!("{name} {generation}").as_bytes()),
        generation,
        remote_id: Some(format!("remote-{name}")),
        contact: None,
    };
    AckCommit {
        source: source_id(),
        epoch,
        sink: sink_id(),
        now: now(),
        acknowledged: names.iter().map(|name| (name.clone(), row(name))).collect(),
        parked: Vec::new(),
        cleared: Vec::new(),
        reconciled: Vec::new(),
        disclosed: Vec::new(),
    }
}

/// The page that moves the feed on from this place. It moves each time, as in an office: a commit that leaves
/// everything as it was does not wait for the disk.
fn page(records: &[Record], epoch: Epoch, at: u64) -> PageCommit {
    let cursor = |at: u64| Cursor::new(at.to_string());
    PageCommit {
        source: source_id(),
        epoch,
        from: (at > 0).then(|| cursor(at)),
        page: Page {
            changes: records.iter().cloned().map(Change::Upsert).collect(),
            swept: Vec::new(),
            position: Position::More(cursor(at + 1)),
        },
        today: day(),
        now: now(),
        brake: Brake::default(),
        delivered: Vec::new(),
    }
}

/// Makes a file in which a run is open and nothing is known yet.
async fn begin(file: &Path) -> Epoch {
    let store = SqliteStore::open(file).unwrap();
    let sink = MemorySink::new(sink_id(), NonZeroUsize::MIN);
    let opening = Opening {
        source: source_id(),
        sinks: vec![(sink_id(), sink.account())],
    };
    let epoch = store.open_run(&opening).await.unwrap().epoch;
    store.commit_page(page(&[], epoch, 0)).await.unwrap();
    epoch
}

/// State files in a folder that goes with them.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(format!("{name}.sqlite"))
    }

    /// Opens a copy of a file that nobody has open, so that each round finds the same.
    fn copy(&self, of: &Path) -> SqliteStore {
        let copy = tempfile::Builder::new().tempfile_in(self.0.path()).unwrap();
        let (_, path) = copy.keep().unwrap();
        std::fs::copy(of, &path).unwrap();
        // Else the first commit waits for the copy, too.
        std::fs::File::open(&path).unwrap().sync_all().unwrap();
        SqliteStore::open(path).unwrap()
    }
}

/// Enough for a figure that holds to a few percent, soon enough to be asked for after each change.
fn brief(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>) {
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
}

criterion_group!(benches, conversion, ingest, policy_alone, reconcile, ledger);
criterion_main!(benches);
