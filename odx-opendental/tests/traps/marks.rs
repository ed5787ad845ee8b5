//! From which moment on changes are asked for.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use odx_core::engine::Pipeline;
use odx_core::model::{Appointment, Patient};
use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::source::Extent;
use odx_core::store::MemoryStore;
use odx_core::testkit::MemorySink;
use odx_core::{Mode, Office as Site, OfficeId, SinkId};

use super::life::{Life, at, both, by_lists, client, patients, visits};
use crate::office::{Office, pass};

const OVERLAP: TimeDelta = TimeDelta::minutes(65);

#[tokio::test]
async fn trap_06_an_empty_answer_has_no_clock_and_moves_no_mark() {
    let office = Office::documented().await;
    // A list of one page is read in every pass.
    office.put("recalls", Vec::new());
    let source = office.source();
    let (_, _, cursor) = pass(&source, None, Extent::Changes).await.unwrap();
    // The second pass proves the lists of the first; from then on all is empty.
    let (_, _, mut cursor) = pass(&source, Some(cursor), Extent::Changes).await.unwrap();
    let before = office.asked_for("patients/Simple").await.len();
    for _ in 0..3 {
        let (changes, _, next) = pass(&source, Some(cursor), Extent::Changes).await.unwrap();
        assert_eq!(changes, []);
        cursor = next;
    }
    assert_eq!(
        office.asked_for("patients/Simple").await.split_off(before),
        ["patients/Simple?DateTStamp=2021-08-05%2008:00:42"; 3]
    );
}

#[tokio::test]
async fn trap_07_the_mark_is_the_clock_of_the_first_page() {
    // Each request takes five minutes: the last page is an hour later.
    let slow = by_lists()
        .with_patients(120)
        .with_ticks(Duration::from_secs(300));
    let life = Life::of(slow).await;
    // A row from the future, and a clock of ours that is years off.
    let now = life.practice.now();
    let (patient, ..) = life.somebody();
    life.practice.set_clock(now + TimeDelta::days(2));
    life.practice
        .update_patient(patient, |row| row.address2 = "x".to_owned());
    life.practice.set_clock(now);
    life.clock.set("2031-01-01T00:00:00Z".parse().unwrap());
    let (_, cursor) = life.pass(None, Extent::Changes).await;
    let second = life.practice.requests().len();
    // It lists everything once more.
    let (_, cursor) = life.later(cursor).await;
    let of_patients = |from| {
        let mut asked = life.asked(from);
        asked.retain(|one| one.path == "/patients/Simple");
        asked
    };
    let pages = of_patients(second);
    assert_eq!(pages[0].param("DateTStamp"), None);
    assert!(pages.len() > 5);
    let from = life.practice.requests().len();
    life.later(cursor).await;
    let mark = at(of_patients(from)[0].param("DateTStamp").unwrap()) + OVERLAP;
    let late = mark - pages[0].at;
    assert!(
        (TimeDelta::zero()..=TimeDelta::minutes(5)).contains(&late),
        "{late} after the first page was asked for"
    );
}

#[tokio::test]
async fn trap_08_a_change_in_the_second_of_the_mark_or_in_the_hour_that_comes_twice_is_read() {
    for builder in both() {
        let life = Life::of(builder.with_strict_since(true).with_strict_after(true)).await;
        let (_, cursor) = life.first().await;
        let (patient, _, visit) = life.somebody();
        let named = |name: &str| {
            let name = name.to_owned();
            life.practice
                .update_patient(patient, |row| row.l_name = name);
        };
        // The same second that the first pass has seen.
        named("Samesecond");
        life.practice.update_appointment(visit, |row| row.op = 2);
        let (changes, cursor) = life.later(cursor).await;
        let shown = |changes: &[_], name: &str| {
            let rows = patients(changes);
            rows.iter().any(|one| one.last_name.expose() == name)
        };
        assert!(shown(&changes, "Samesecond"));
        let of = |one: &&Appointment| one.key.native() == visit.to_string();
        assert!(visits(&changes).into_iter().any(|one| of(&one)));
        life.practice
            .set_clock(life.practice.now() - TimeDelta::hours(1));
        named("Fallback");
        let (changes, _) = life.later(cursor).await;
        assert!(shown(&changes, "Fallback"));
    }
}

#[tokio::test]
async fn trap_09_more_rows_than_a_page_in_one_second_are_all_read() {
    let life = Life::of(by_lists()).await;
    let (_, cursor) = life.first().await;
    life.wait(Duration::from_secs(60));
    for row in life.practice.patients() {
        life.practice
            .update_patient(row.pat_num, |row| row.l_name.push_str("Moved"));
    }
    let from = life.practice.requests().len();
    let (changes, _) = life.later(cursor).await;
    let all = life.practice.patients();
    let listed = all.iter().filter(|row| row.pat_status != "Deleted").count();
    let read = patients(&changes);
    let moved = |one: &&&Patient| one.last_name.expose().ends_with("Moved");
    assert_eq!(read.iter().filter(moved).count(), listed);
    // By place from one mark, and not from the last stamp that was seen.
    let mut asked = life.asked(from);
    asked.retain(|one| one.path == "/patients/Simple");
    assert!(asked.len() >= 3);
    let mark = asked[0].param("DateTStamp");
    assert!(mark.is_some());
    assert!(asked.iter().all(|one| one.param("DateTStamp") == mark));
    assert!(asked[1..].iter().all(|one| one.param("Offset").is_some()));
}

#[tokio::test]
async fn trap_10_a_nightly_run_that_restamps_everybody_changes_nothing() {
    for builder in both() {
        let practice = builder.build().unwrap();
        let server = practice.serve().await.unwrap();
        let site = Site::new(
            OfficeId::new("m").unwrap(),
            "Meeting",
            chrono_tz::America::New_York,
        );
        let sink = Arc::new(MemorySink::new(
            SinkId::new("mem", "m").unwrap(),
            NonZeroUsize::new(50).unwrap(),
        ));
        let pipeline = Pipeline::builder(Arc::new(client(&practice, &server).build().unwrap()))
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(sink)
            .state(Arc::new(MemoryStore::new()))
            .office(site)
            .build()
            .unwrap();
        assert!(pipeline.run_once(Mode::Live).await.unwrap().sent > 0);
        pipeline.run_once(Mode::Live).await.unwrap();
        practice.advance(Duration::from_secs(3600));
        for row in practice.patients() {
            practice.update_patient(row.pat_num, |row| {
                row.est_balance += 12.5;
                row.bal_total += 12.5;
            });
        }
        practice.restamp_all_patients();
        let from = practice.requests().len();
        let run = pipeline.run_once(Mode::Live).await.unwrap();
        let read: usize = practice.requests()[from..].iter().map(|one| one.rows).sum();
        assert!(read >= 40, "they were read again: {read}");
        assert_eq!((run.sent, run.changed), (0, 0));
    }
}

#[tokio::test]
async fn trap_11_times_are_the_offices_wall_clock_wherever_it_and_we_are() {
    for zone in [chrono_tz::Pacific::Honolulu, chrono_tz::Asia::Tokyo] {
        for builder in both() {
            let life = Life::of(builder.with_time_zone(zone)).await;
            let (changes, _) = life.first().await;
            let mut seen = 0;
            for visit in visits(&changes) {
                let Some(start) = visit.start else { continue };
                let key = visit.key.native().parse().unwrap();
                let row = life.practice.appointment(key).unwrap();
                assert_eq!(start, at(&row.apt_date_time));
                seen += 1;
            }
            assert!(seen > 10, "{seen}");
        }
    }
}
