//! What a page, a policy decision and a whole sync cost, without any network.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench: a panic is the failure"
)]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use odx_core::model::{Blocked, HouseholdView, Kept, Member, Phone, Record};
use odx_core::policy::{Policy as _, PolicyContext, RecallPolicy, RecallSettings};
use odx_core::store::SqliteStore;
use odx_core::testkit::{MemorySink, MemorySource, TestClock, patient, recall};
use odx_core::{
    ExternalIds, HouseholdKey, IdScheme, Mode, Office, OfficeId, Pipeline, SinkId, SourceId,
};

const PEOPLE: u32 = 2_000;

fn noon() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn day() -> NaiveDate {
    noon().date_naive()
}

fn office() -> Office {
    Office::new(OfficeId::new("bench").unwrap(), "Bench", chrono_tz::UTC)
}

fn parts(c: &mut Criterion) {
    c.bench_function("phone", |b| {
        b.iter(|| Phone::parse(black_box("(503) 555-0123")))
    });
    let policy = RecallPolicy::new(RecallSettings::default()).unwrap();
    let ids = ExternalIds::new(SourceId::new("t", "bench").unwrap(), IdScheme::Scoped);
    let office = office();
    let kept = |record| Kept {
        record,
        gone: false,
        changed_on: day(),
    };
    let view = HouseholdView {
        key: HouseholdKey::new("1"),
        members: vec![Member {
            patient: Kept {
                record: patient("1"),
                gone: false,
                changed_on: day(),
            },
            recalls: vec![kept(recall("1", "1", Some(day())))],
            appointments: Vec::new(),
            blocked: Blocked::default(),
        }],
    };
    c.bench_function("policy, one household", |b| {
        b.iter(|| policy.desired(black_box(&view), &PolicyContext::new(day(), &office, &ids)));
    });
}

fn syncs(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let source = Arc::new(MemorySource::new(SourceId::new("t", "bench").unwrap(), 100));
    for n in 0..PEOPLE {
        source.put(Record::Patient(patient(&n.to_string())));
        source.put(Record::Recall(recall(
            &n.to_string(),
            &n.to_string(),
            Some(day()),
        )));
    }
    let pipeline = |store| {
        let sink = MemorySink::new(
            SinkId::new("mem", "bench").unwrap(),
            NonZeroUsize::new(100).unwrap(),
        );
        Pipeline::builder(source.clone())
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(Arc::new(sink))
            .state(Arc::new(store))
            .office(office())
            .clock(Arc::new(TestClock::at(noon())))
            .build()
            .unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let mut group = c.benchmark_group("sync of 2,000 patients and recalls");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(u64::from(PEOPLE)));
    let mut n = 0;
    group.bench_function("first", |b| {
        b.iter_batched(
            || {
                n += 1;
                pipeline(SqliteStore::open(folder.path().join(format!("{n}.sqlite"))).unwrap())
            },
            |pipeline| {
                assert_eq!(
                    runtime
                        .block_on(pipeline.run_once(Mode::Live))
                        .unwrap()
                        .sent,
                    u64::from(2 * PEOPLE)
                )
            },
            BatchSize::PerIteration,
        );
    });
    let known = pipeline(SqliteStore::open(folder.path().join("known.sqlite")).unwrap());
    runtime.block_on(known.run_once(Mode::Live)).unwrap();
    group.bench_function("nothing changed", |b| {
        b.iter(|| {
            assert_eq!(
                runtime.block_on(known.run_once(Mode::Live)).unwrap().sent,
                0
            )
        });
    });
    group.finish();
}

criterion_group!(benches, parts, syncs);
criterion_main!(benches);
