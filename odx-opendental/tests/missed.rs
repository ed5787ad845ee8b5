//! A visit that was set complete although nobody came is not one that was kept.

#![allow(clippy::unwrap_used, reason = "tests: a panic is the failure")]

use std::collections::BTreeMap;
use std::time::Duration;

use odx_core::model::{Appointment, AppointmentStatus, Record};
use odx_core::source::{Change, Cursor, Extent, Position, PracticeSource as _, PullRequest};
use odx_core::{PatientKey, Secret, SourceId};
use odx_opendental::sim::{AppointmentRow, Permission, Practice, Server};
use odx_opendental::{Credentials, OpenDental, SYSTEM};

const FREE: &[Permission] = &[Permission::ReadAll];
const PAID: &[Permission] = &[Permission::ReadAll, Permission::Comm, Permission::Queries];

struct Life {
    practice: Practice,
    server: Server,
    patient: i64,
}

impl Life {
    async fn of(permissions: &[Permission]) -> Self {
        let builder = Practice::builder(11).with_permissions(permissions);
        let practice = builder.with_patients(6).build().unwrap();
        for visit in practice.appointments() {
            practice.delete_appointment(visit.apt_num);
        }
        let patient = practice.patients().first().unwrap().pat_num;
        let server = practice.serve().await.unwrap();
        Self {
            practice,
            server,
            patient,
        }
    }

    fn source(&self) -> OpenDental {
        let credentials = Credentials {
            developer_key: Secret::new(self.practice.developer_key()),
            customer_key: Secret::new(self.practice.customer_key()),
        };
        OpenDental::builder(SourceId::new(SYSTEM, "main-st").unwrap(), credentials)
            .with_base_urls(vec![self.server.base_url().parse().unwrap()])
            .with_interval(Duration::ZERO)
            .build()
            .unwrap()
    }

    /// A completed visit of that day with these procedures on it.
    fn complete(&self, at: &str, done: &str) -> i64 {
        let mut row = AppointmentRow::new(self.patient, at);
        "Complete".clone_into(&mut row.apt_status);
        done.clone_into(&mut row.proc_descript);
        self.practice.add_appointment(row)
    }
}

type Visits = BTreeMap<String, Appointment>;

async fn pass(source: &OpenDental, from: &mut Option<Cursor>, extent: Extent) -> Visits {
    let mut visits = Visits::new();
    loop {
        let request = PullRequest::after(from.clone()).with_extent(extent);
        let page = source.pull(request).await.unwrap();
        for change in page.changes {
            if let Change::Upsert(Record::Appointment(visit)) = change {
                visits.insert(visit.key.native().to_owned(), visit);
            }
        }
        *from = Some(page.position.cursor().clone());
        if let Position::CaughtUp(_) = page.position {
            return visits;
        }
    }
}

#[tokio::test]
async fn with_queries_a_missed_visit_is_told_the_same_by_every_way() {
    let life = Life::of(PAID).await;
    let kept = life
        .complete("2026-03-02 09:00:00", "PerEx, Pro")
        .to_string();
    let missed = life.complete("2026-05-02 09:00:00", "Missed").to_string();
    let mut cursor = None;
    // The last one that was kept is told, not the later one that was not.
    let first = pass(&life.source(), &mut cursor, Extent::Changes).await;
    assert!(first.get(&kept).unwrap().was_kept());
    assert!(!first.contains_key(&missed));
    // By a fresh process, in a list of changes.
    life.practice.advance(Duration::from_secs(7200));
    let later = life.complete("2026-06-02 09:00:00", "Canc");
    life.practice
        .update_appointment(missed.parse().unwrap(), |_| {});
    let source = life.source();
    let listed = pass(&source, &mut cursor, Extent::Changes).await;
    for key in [&missed, &later.to_string()] {
        let visit = listed.get(key).unwrap();
        assert!(visit.missed && visit.status == AppointmentStatus::Complete);
    }
    // One after another, whole.
    let patient = PatientKey::new(life.patient.to_string());
    for change in source.refresh(&patient).await.unwrap() {
        if let Change::Upsert(Record::Appointment(visit)) = change {
            assert_eq!(visit.missed, visit.key.native() != kept);
        }
    }
    // And joined, where there is no other.
    life.practice.delete_appointment(kept.parse().unwrap());
    let joined = pass(&source, &mut cursor, Extent::Everything).await;
    assert_eq!(
        joined.get(&later.to_string()),
        listed.get(&later.to_string())
    );
}

#[tokio::test]
async fn by_lists_alone_nobody_knows_and_a_broken_visit_says_so_itself() {
    let life = Life::of(FREE).await;
    let missed = life.complete("2026-05-02 09:00:00", "Missed");
    let first = pass(&life.source(), &mut None, Extent::Changes).await;
    assert!(first.get(&missed.to_string()).unwrap().was_kept());
    life.practice
        .update_appointment(missed, |row| "Broken".clone_into(&mut row.apt_status));
    let then = pass(&life.source(), &mut None, Extent::Changes).await;
    assert!(!then.get(&missed.to_string()).unwrap().was_kept());
}
