//! The demonstration: a simulated practice and a small CRM, both in this process.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use odx_core::clock::Clock;
use odx_core::crm::TaskStatus;
use odx_core::engine::{Pipeline, Schedule};
use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::store::SqliteStore;
use odx_core::{Mode, Office, OfficeId, RunReport, Secret, SinkId, SourceId};
use odx_crm::{Auth, RestConfig};
use odx_opendental::sim::Practice;
use odx_opendental::{Credentials, OpenDental, SYSTEM};
use url::Url;

use crate::cli::{DONE, FAILED, INCOMPLETE, fail};
use crate::look;
use crate::progress::Screen;
use crate::table;

const PATIENTS: usize = 2_000;
const TOKEN: &str = "demo-token";

/// Shows the practice's time, so that the days fit; waits in real time.
#[derive(Debug)]
struct PracticeClock {
    practice: Practice,
    office: Office,
}

#[async_trait]
impl Clock for PracticeClock {
    fn now(&self) -> DateTime<Utc> {
        self.office.instant(self.practice.now())
    }

    async fn sleep(&self, wait: Duration) {
        #[allow(
            clippy::disallowed_methods,
            reason = "this is the demonstration's Clock"
        )]
        tokio::time::sleep(wait).await;
        self.practice.advance(wait);
    }
}

pub(crate) async fn run(mode: Mode) -> ExitCode {
    match show(mode).await {
        Ok(true) => DONE.into(),
        Ok(false) => INCOMPLETE.into(),
        Err(why) => fail(FAILED, &format!("the demonstration failed: {why}")),
    }
}

async fn show(mode: Mode) -> Result<bool, Box<dyn std::error::Error>> {
    println!(
        "A demonstration: a simulated practice of {PATIENTS} patients and a small CRM, both in this process."
    );
    println!("Nothing leaves this machine; every person is invented.\n");
    let practice = Practice::builder(7).with_patients(PATIENTS).build()?;
    let server = practice.serve().await?;
    let crm = odx_crm::sim::Crm::new(TOKEN);
    let crm_server = crm.serve().await?;
    let folder = tempfile::tempdir()?;

    let office = Office::new(
        OfficeId::new("demo")?,
        "Demo Dental",
        chrono_tz::America::New_York,
    );
    let clock = Arc::new(PracticeClock {
        practice: practice.clone(),
        office: office.clone(),
    });
    let credentials = Credentials {
        developer_key: Secret::new(practice.developer_key()),
        customer_key: Secret::new(practice.customer_key()),
    };
    let source = OpenDental::builder(SourceId::new(SYSTEM, "demo")?, credentials)
        .with_base_urls(vec![Url::parse(&server.base_url())?])
        .with_clock(clock.clone())
        .build()?;
    let sink = RestConfig::new(SinkId::new("rest", "demo")?, crm_server.base_url())
        .with_auth(Auth::Bearer(Secret::new(TOKEN)))
        .with_clock(clock.clone())
        .build()?;
    let screen = Screen::new();
    let line = screen.office("demo", false);
    let pipeline = Pipeline::builder(Arc::new(source))
        .policy(RecallPolicy::new(RecallSettings::default())?)
        .sink(Arc::new(sink))
        .state(Arc::new(SqliteStore::open(
            folder.path().join("demo.sqlite"),
        )?))
        .office(office)
        .schedule(Schedule::default())
        .clock(clock)
        .observer(line.clone())
        .build()?;

    if mode == Mode::DryRun {
        screen.line(&look::plan_of("demo", &pipeline.plan().await));
        let plan = pipeline.run_once(mode).await?;
        line.finish();
        println!("\n{}", table::reports(&[("dry run".to_owned(), &plan)]));
        println!(
            "\"sent\" is what would be sent; nothing was. {} calls reached the CRM.",
            crm.requests()
        );
        return Ok(plan.complete);
    }

    screen.line("1. The first sync: everything is read, everything is sent.");
    let first = timed(&pipeline).await?;
    let day = practice.day_of_changes(1);
    screen.line(&format!(
        "2. A day at the practice: {} visits completed, {} booked, {} broken or deleted, {} new patients, {} names or \
         phones edited, {} text permissions changed.",
        day.visits_completed,
        day.visits_booked,
        day.visits_broken + day.visits_deleted,
        day.new_patients,
        day.names_edited + day.phones_edited,
        day.texting_changed + day.texting_refused,
    ));
    let second = timed(&pipeline).await?;
    screen.line("3. Nothing happens at the practice; a third sync.");
    let third = timed(&pipeline).await?;
    line.finish();

    let runs = [
        ("first sync".to_owned(), &first),
        ("after a day".to_owned(), &second),
        ("no changes".to_owned(), &third),
    ];
    println!("\n{}", table::reports(&runs));
    println!("read: rows received from the practice; changed: those that were new or different;");
    println!("sent: records written to the CRM; calls: HTTP requests made.\n");
    let open = crm
        .tasks()
        .iter()
        .filter(|task| task.record.status == TaskStatus::Open)
        .count();
    println!(
        "The CRM now holds {} contacts and {} open recall tasks.",
        crm.contacts().len(),
        open
    );
    let skipped = table::skipped(&first);
    if !skipped.is_empty() {
        println!("Left out in the first sync: {}.", skipped.join(", "));
    }
    let counts = crm.counts();
    println!(
        "By the CRM's own count: {} created, {} updated, {} duplicates, {} rewrites of the same content.",
        counts.creates, counts.updates, counts.duplicates, counts.identical_rewrites
    );
    println!("\nTo do this with a real practice: recall-sync --config FILE (see the README).");
    Ok(first.complete && second.complete && third.complete && third.sent == 0)
}

/// Runs once; the report's times are real ones, not the practice's.
async fn timed(pipeline: &Pipeline) -> Result<RunReport, odx_core::Error> {
    let began = std::time::Instant::now();
    let mut report = pipeline.run_once(Mode::Live).await?;
    report.finished = report.started + began.elapsed();
    Ok(report)
}
