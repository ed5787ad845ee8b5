//! The client meets the simulated practice, which was written without it: under every reading of what the vendor
//! leaves open, after a day of changes, deletions, drift, restamps and a clock that falls back, the mirror is true.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use odx_core::crm::TaskStatus;
use odx_core::engine::{Pipeline, RunReport, Schedule};
use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::store::MemoryStore;
use odx_core::testkit::{MemorySink, TestClock};
use odx_core::{Mode, Office, OfficeId, Secret, SinkId, SourceId};
use odx_opendental::sim::{
    DriftPlan, ErrorShape, Fault, Listing, NO_DATE, Permission, Practice, PracticeBuilder,
    RowOrder, Server, Throttle, UnknownParameters, Which,
};
use odx_opendental::{Credentials, OpenDental, SYSTEM};

struct Meeting {
    practice: Practice,
    _server: Server,
    sink: Arc<MemorySink>,
    clock: TestClock,
    pipeline: Pipeline,
    office: Office,
}

async fn meet(builder: PracticeBuilder) -> Meeting {
    meet_with(builder, Duration::from_secs(65 * 60)).await
}

/// With an overlap of the test's own.
async fn meet_with(builder: PracticeBuilder, overlap: Duration) -> Meeting {
    let practice = builder.build().unwrap();
    let server = practice.serve().await.unwrap();
    let office = Office::new(
        OfficeId::new("m").unwrap(),
        "Meeting",
        chrono_tz::America::New_York,
    );
    let clock = TestClock::at(office.instant(practice.now()));
    let credentials = Credentials {
        developer_key: Secret::new(practice.developer_key()),
        customer_key: Secret::new(practice.customer_key()),
    };
    let source = OpenDental::builder(SourceId::new(SYSTEM, "m").unwrap(), credentials)
        .with_base_urls(vec![server.base_url().parse().unwrap()])
        .with_interval(Duration::ZERO)
        .with_overlap(overlap)
        .with_clock(Arc::new(clock.clone()))
        .build()
        .unwrap();
    let sink = Arc::new(MemorySink::new(
        SinkId::new("mem", "m").unwrap(),
        NonZeroUsize::new(50).unwrap(),
    ));
    let pipeline = Pipeline::builder(Arc::new(source))
        .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
        .sink(sink.clone())
        .state(Arc::new(MemoryStore::new()))
        .office(office.clone())
        .clock(Arc::new(clock.clone()))
        .schedule(Schedule::default().with_retry_max(Duration::from_secs(1)))
        .build()
        .unwrap();
    Meeting {
        practice,
        _server: server,
        sink,
        clock,
        pipeline,
        office,
    }
}

impl Meeting {
    async fn run(&self) -> RunReport {
        self.clock.set(self.office.instant(self.practice.now()));
        self.pipeline.run_once(Mode::Live).await.unwrap()
    }

    /// Time passes at the practice, so that everything is listed again.
    async fn sweep(&self) -> RunReport {
        self.practice.advance(Duration::from_secs(24 * 3600));
        self.run().await
    }

    /// What is wrong in the CRM, seen from the practice's tables.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let contacts = self.sink.contacts();
        let tasks = self.sink.tasks();
        let today = self.practice.now().date().to_string();
        let mut active = std::collections::BTreeSet::new();
        for row in self.practice.patients() {
            let id = odx_core::ExternalId::from_kept(format!("od:m:{}", row.pat_num));
            if row.pat_status == "Patient" {
                active.insert(row.pat_num);
            }
            if !matches!(row.pat_status.as_str(), "Archived" | "Deceased" | "Deleted") {
                match contacts.get(&id) {
                    None => wrong.push(format!("{id} is lost")),
                    Some(contact) if *contact.last_name.expose() != row.l_name => {
                        wrong.push(format!("{id} is stale"))
                    }
                    Some(_) => {}
                }
            } else if contacts
                .get(&id)
                .is_some_and(|contact| contact.tags != ["odx-inactive"])
            {
                wrong.push(format!("{id} is not closed"));
            }
        }
        let mut open = 0;
        for row in self.practice.recalls() {
            let wanted = active.contains(&row.pat_num)
                && !row.is_disabled
                && row.date_due != NO_DATE
                && row.date_scheduled == NO_DATE
                && row.disable_until_balance == 0.0
                && (row.disable_until_date == NO_DATE || row.disable_until_date <= today);
            let id = odx_core::ExternalId::from_kept(format!("odrecall:m:{}", row.recall_num));
            let task = tasks
                .get(&id)
                .filter(|task| task.status == TaskStatus::Open);
            if wanted != task.is_some()
                || task.is_some_and(|task| task.due_date.to_string() != row.date_due)
            {
                wrong.push(format!("{id}: wanted {wanted}"));
            }
            open += usize::from(wanted);
        }
        let there = tasks
            .values()
            .filter(|task| task.status == TaskStatus::Open)
            .count();
        if there != open {
            wrong.push(format!("{there} open tasks, not {open}"));
        }
        wrong
    }
}

fn small() -> PracticeBuilder {
    Practice::builder(11).with_patients(130).with_page_cap(20)
}

#[tokio::test]
async fn the_mirror_is_true_under_every_reading_of_what_the_vendor_leaves_open() {
    let readings: Vec<(&str, PracticeBuilder)> = vec![
        ("as documented", small()),
        (
            "ordered by stamp",
            small().with_row_order(RowOrder::ByStamp),
        ),
        (
            "in any order",
            small().with_row_order(RowOrder::Shuffled { seed: 3 }),
        ),
        ("random keys", small().with_random_primary_keys()),
        (
            "unknown parameters are refused",
            small().with_unknown_parameters(UnknownParameters::Refused),
        ),
        (
            "as third parties report",
            small().with_unknown_parameters(UnknownParameters::AsReported),
        ),
        (
            "history by date of visit",
            small().with_hist_date_column(Which::AptDateTime),
        ),
        (
            "appointments from the stamp on",
            small().with_strict_after(false),
        ),
        ("patients after the stamp", small().with_strict_since(true)),
        (
            "errors as objects",
            small().with_error_shape(ErrorShape::Object),
        ),
        (
            "errors as json text",
            small().with_error_shape(ErrorShape::JsonString),
        ),
        ("clinics", small().with_clinics(3)),
        (
            "pages of a hundred",
            Practice::builder(11).with_patients(130),
        ),
        ("before histappointments", small().with_version("22.4.40")),
        (
            "throttled, by 429",
            small()
                .with_throttle(Throttle::TooMany { retry_after: true })
                .with_ticks(Duration::from_secs(6)),
        ),
        (
            "held by the throttle",
            small().with_throttle(Throttle::Hold),
        ),
        (
            "a paid key",
            small().with_permissions(&[Permission::ReadAll, Permission::Comm]),
        ),
    ];
    for (name, builder) in readings {
        let m = meet(builder).await;
        let first = m.run().await;
        assert!(first.complete, "{name}: {:?}", first.problems);
        assert_eq!(m.wrong(), Vec::<String>::new(), "{name}, first");
        m.practice.day_of_changes(5);
        m.practice.restamp_all_patients();
        let second = m.run().await;
        assert!(second.complete, "{name}: {:?}", second.problems);
        // What vanished needs two listings; all else is true at once.
        m.sweep().await;
        m.sweep().await;
        assert_eq!(m.wrong(), Vec::<String>::new(), "{name}, in the end");
        let quiet = m.run().await;
        assert_eq!((quiet.sent, quiet.changed), (0, 0), "{name}");
    }
}

#[tokio::test]
async fn a_first_sync_makes_no_more_requests_than_its_pages_and_the_reference_set() {
    for (patients, cap) in [(130, 20), (250, 100), (1000, 100), (2500, 1000)] {
        let m = meet(
            Practice::builder(5)
                .with_patients(patients)
                .with_page_cap(cap),
        )
        .await;
        m.run().await;
        let requests = m.practice.requests();
        let lists = ["/patients/Simple", "/recalls", "/appointments"];
        let (listing, other): (Vec<_>, Vec<_>) = requests
            .iter()
            .partition(|r| lists.contains(&r.path.as_str()));
        let visible = m
            .practice
            .patients()
            .iter()
            .filter(|row| row.pat_status != "Deleted")
            .count();
        let budget: usize = [
            visible,
            m.practice.recalls().len(),
            m.practice.appointments().len(),
        ]
        .iter()
        .map(|n| n / cap + 1)
        .sum();
        assert!(
            listing.len() <= budget,
            "{} > {budget} at {cap}",
            listing.len()
        );
        assert!(other.len() <= 8, "{other:?}");
    }
}

#[tokio::test]
async fn d8_pages_that_move_under_the_reader_lose_nobody() {
    for listing in [Listing::Patients, Listing::Recalls, Listing::Appointments] {
        for page in 2..5 {
            let m = meet(small()).await;
            m.practice
                .faults()
                .drift(DriftPlan::delete_low_key(listing, page));
            m.practice
                .faults()
                .drift(DriftPlan::insert_low_key(listing, page + 1));
            m.run().await;
            // The first listing is exact; the next pass proves it.
            m.run().await;
            let lost: Vec<_> = m
                .wrong()
                .into_iter()
                .filter(|line| line.contains("lost") || line.contains("wanted true"))
                .collect();
            assert_eq!(lost, Vec::<String>::new(), "{listing:?} before page {page}");
            m.practice
                .faults()
                .drift(DriftPlan::delete_low_key(listing, page));
            m.sweep().await;
            m.sweep().await;
            m.sweep().await;
            assert_eq!(
                m.wrong(),
                Vec::<String>::new(),
                "{listing:?} before page {page}"
            );
        }
    }
}

#[tokio::test]
async fn d9_many_changes_in_one_second_are_all_read() {
    let m = meet(small()).await;
    m.run().await;
    m.run().await;
    for round in 0..3 {
        for row in m.practice.patients() {
            m.practice
                .update_patient(row.pat_num, |row| row.l_name = format!("Name{round}"));
        }
        m.run().await;
        assert_eq!(m.wrong(), Vec::<String>::new());
    }
}

fn few() -> PracticeBuilder {
    Practice::builder(11).with_patients(60).with_page_cap(50)
}

/// Forty seconds with 25 changes in each, of which three in ten can be seen only
/// 2.5 s after their stamp; the practice answers strictly after a stamp. Returns
/// what is wrong after two more passes, without a listing of everything.
async fn ties_and_late_rows(overlap: Duration) -> Vec<String> {
    let m = meet_with(few().with_strict_since(true), overlap).await;
    m.run().await;
    m.run().await;
    let keys: Vec<_> = m
        .practice
        .patients()
        .iter()
        .map(|row| row.pat_num)
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    let mut late = Vec::new();
    for second in 0..40_i64 {
        let now = m.practice.now();
        for n in 0..25 {
            let key = *random.choice(&keys).unwrap();
            let name = format!("Name{second}x{n}");
            if random.u8(0..10) < 3 {
                late.push((now + TimeDelta::seconds(3), now, key, name));
            } else {
                late.retain(|(.., other, _)| *other != key);
                m.practice.update_patient(key, |row| row.l_name = name);
            }
        }
        // What was written before and is committed only now.
        let seen: Vec<_> = late.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, stamp, key, name) in seen {
            m.practice.set_clock(stamp);
            m.practice.update_patient(key, |row| row.l_name = name);
            m.practice.set_clock(now);
        }
        if second % 2 == 0 {
            m.run().await;
        }
        m.practice.set_clock(now + TimeDelta::seconds(1));
    }
    m.run().await;
    m.run().await;
    m.wrong()
}

#[tokio::test]
async fn d9_ties_and_rows_that_are_seen_late_are_all_read() {
    let wrong = ties_and_late_rows(Duration::from_secs(65 * 60)).await;
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn d9_a_reader_without_overlap_is_found_out() {
    let wrong = ties_and_late_rows(Duration::ZERO).await;
    assert!(wrong.iter().any(|line| line.contains("stale")), "{wrong:?}");
}

/// The office's clock jumps in the middle of a run of changes, once busy and once
/// after a time in which nothing changed. Returns what is wrong in the end.
async fn clock_jumps(overlap: Duration, jump: TimeDelta, busy: bool) -> Vec<String> {
    let m = meet_with(few(), overlap).await;
    // Later than any stamp that is there: a row from the future would show the clock in every answer.
    m.practice.set_clock("2027-11-07T01:20:00".parse().unwrap());
    m.run().await;
    m.run().await;
    let keys: Vec<_> = m
        .practice
        .patients()
        .iter()
        .filter(|row| row.pat_status == "Patient")
        .map(|row| row.pat_num)
        .collect();
    for (minute, key) in keys.iter().enumerate().take(50) {
        // Else a quiet time before the jump, and a few changes in the hour that comes twice.
        if busy || minute < 5 || minute % 7 == 1 && minute > 30 {
            m.practice
                .update_patient(*key, |row| row.l_name = format!("Minute{minute}"));
        }
        if minute == 30 {
            m.practice.set_clock(m.practice.now() + jump);
        }
        m.run().await;
        m.practice.advance(Duration::from_secs(60));
    }
    m.wrong()
}

#[tokio::test]
async fn d10_an_office_clock_that_jumps_hides_no_change() {
    for jump in [TimeDelta::hours(-1), TimeDelta::hours(1)] {
        for busy in [true, false] {
            let wrong = clock_jumps(Duration::from_secs(65 * 60), jump, busy).await;
            assert_eq!(wrong, Vec::<String>::new(), "{jump}, busy {busy}");
        }
    }
}

/// While something changes every minute, answers carry the office's new clock and
/// even a short overlap gets by. After a quiet time it loses the whole hour.
#[tokio::test]
async fn d10_an_overlap_of_seconds_is_found_out_when_the_clock_falls_back() {
    let wrong = clock_jumps(Duration::from_secs(5), TimeDelta::hours(-1), false).await;
    assert!(wrong.iter().any(|line| line.contains("stale")), "{wrong:?}");
}

/// This machine's own clock is wrong, one way and the other: only what the
/// office says of its time moves the feed.
#[tokio::test]
async fn d10_our_own_clock_may_jump() {
    let m = meet(small()).await;
    m.run().await;
    m.run().await;
    let key = m.practice.patients()[0].pat_num;
    let right = m.office.instant(m.practice.now());
    for (n, jump) in [-26, -1, 1, 26, -24 * 400, 0].into_iter().enumerate() {
        m.practice.advance(Duration::from_secs(60));
        m.practice
            .update_patient(key, |row| row.l_name = format!("Jump{n}"));
        m.clock.set(right + TimeDelta::hours(jump));
        assert!(m.pipeline.run_once(Mode::Live).await.unwrap().complete);
        let id = odx_core::ExternalId::from_kept(format!("od:m:{key}"));
        let name = m.sink.contacts()[&id].last_name.expose().clone();
        assert_eq!(name, format!("Jump{n}"), "after {jump} hours");
    }
    m.run().await;
    assert_eq!(m.wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn every_fault_delays_and_loses_nothing() {
    for fault in [
        Fault::ConnectionReset,
        Fault::Status(500),
        Fault::Status(429),
        Fault::connector_down(),
        Fault::GatewayTimeout504,
        Fault::TruncatedBody,
        Fault::HalfJson,
        Fault::HtmlLogin200,
        Fault::WrongContentType,
        Fault::EmptyBody,
    ] {
        let m = meet(small()).await;
        m.practice
            .faults()
            .rate(9, 0.2, std::slice::from_ref(&fault));
        for _ in 0..20 {
            if m.run().await.complete {
                break;
            }
        }
        m.practice.faults().clear();
        assert!(m.run().await.complete);
        assert_eq!(m.wrong(), Vec::<String>::new(), "{fault:?}");
    }
}
