//! The demonstration: a simulated practice and a small CRM, both in this process.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use odx_core::clock::Clock;
use odx_core::crm::TaskStatus;
use odx_core::engine::{Event, Observer, Pipeline, PipelineBuilder, Schedule};
use odx_core::model::{Email, Phone};
use odx_core::outreach::gate::Verdict;
use odx_core::outreach::{Heard, Identity, MessageGateway, Outreach, OutreachSettings};
use odx_core::policy::{Reactivation, RecallPolicy, RecallSettings, Reviews};
use odx_core::store::outreach::OutreachChange;
use odx_core::store::{SqliteStore, StateStore};
use odx_core::{Mode, Office, OfficeId, RunReport, Secret, SinkId, SourceId};
use odx_crm::gateway::{Baa, SendGridConfig, TwilioConfig};
use odx_crm::sim::{Mails, Texts};
use odx_crm::{Auth, RestConfig};
use odx_opendental::sim::Practice;
use odx_opendental::{Credentials, OpenDental, SYSTEM};
use url::Url;

use crate::cli::{DONE, FAILED, INCOMPLETE, fail};
use crate::look;
use crate::progress::{OfficeLine, Screen};
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
        .with_reminders(true)
        .build()?;
    let sink = RestConfig::new(SinkId::new("rest", "demo")?, crm_server.base_url())
        .with_auth(Auth::Bearer(Secret::new(TOKEN)))
        .with_clock(clock.clone())
        .build()?;
    let screen = Screen::new();
    let line = screen.office("demo", false);
    let (texts, mails) = (
        Texts::new().with_clock(clock.clone()),
        Mails::new().with_clock(clock.clone()),
    );
    let (texts_server, mails_server) = (texts.serve().await?, mails.serve().await?);
    let gateways = gateways(texts_server.base_url(), mails_server.base_url(), &clock)?;
    let (source, sink) = (Arc::new(source), Arc::new(sink));
    let store: Arc<dyn StateStore> =
        Arc::new(SqliteStore::open(folder.path().join("demo.sqlite"))?);
    let policy = || {
        let settings = RecallSettings::default()
            .with_reactivation(Some(Reactivation::after_days(540).inactive_too(false)))
            .with_reviews(Some(Reviews::default()));
        RecallPolicy::new(settings)
    };
    let planned = Arc::new(Planned {
        line: Arc::clone(&line),
        patients: Mutex::default(),
    });
    let builder = || -> odx_core::Result<PipelineBuilder> {
        Ok(Pipeline::builder(source.clone())
            .policy(policy()?)
            .sink(sink.clone())
            .state(Arc::clone(&store))
            .office(office.clone())
            .schedule(Schedule::default())
            .clock(clock.clone())
            .observer(planned.clone()))
    };
    let silent = builder()?.build()?;
    let told = Outreach::by_gateways(settings(), gateways.clone(), Vec::new())?;
    let telling = builder()?.outreach(told).build()?;

    if mode == Mode::DryRun {
        screen.line(&look::plan_of("demo", &telling.plan().await));
        let plan = telling.run_once(mode).await?;
        line.finish();
        println!("\n{}", table::reports(&[("dry run".to_owned(), &plan)]));
        println!("{}", table::told_line(&plan, mode));
        println!(
            "\"sent\" is what would be sent; nothing was. {} calls reached the CRM, {} texts and {} mails went out.",
            crm.requests(),
            texts.texts().len(),
            mails.mails().len()
        );
        return Ok(plan.complete);
    }

    screen.line("1. The first sync: everything is read, everything is sent. Messages are planned, not sent.");
    let first = timed(&silent).await?;
    planned.forget();
    let plan = telling.run_once(Mode::DryRun).await?;
    let would_hear = planned.numbers(&practice);
    screen.line(&format!(
        "   Plan: {}.",
        table::told_line(&plan, Mode::DryRun).replace("; ", ";\n   ")
    ));
    let went_out = texts.texts().len() + mails.mails().len();
    screen.line(&format!("   {went_out} texts and mails went out."));

    screen.line("2. Messages are switched on. So many at once look wrong, so they are held until a person has looked.");
    let held = telling.run_once(Mode::Live).await?;
    let today = office.today(clock.now());
    let resume = OutreachChange::Resume { today };
    store
        .outreach()
        .change_outreach(&source_id()?, resume)
        .await?;
    let live = telling.run_once(Mode::Live).await?;
    screen.line(&format!(
        "   A person looked and resumed: {} told, the cap of the first days; the others follow day by day.",
        live.told
    ));
    let stopped = stop(&texts, &gateways, &store, &would_hear).await?;
    screen.line(&format!(
        "   {} people reply STOP, most of them before their turn.",
        stopped.len()
    ));
    let before = texts.texts().len();

    practice.advance(Duration::from_secs(24 * 3600));
    let day = practice.day_of_changes(1);
    screen.line(&format!(
        "3. A day at the practice: {} visits completed, {} booked, {} broken or deleted, {} new patients, {} names or \
         phones edited, {} text permissions changed.",
        day.visits_completed,
        day.visits_booked,
        day.visits_broken + day.visits_deleted,
        day.new_patients,
        day.names_edited + day.phones_edited,
        day.texting_changed + day.texting_refused,
    ));
    let second = timed(&telling).await?;
    let again: BTreeSet<_> = texts
        .texts()
        .into_iter()
        .skip(before)
        .map(|text| text.to)
        .collect();
    let wronged = again.intersection(&stopped).count();
    screen.line(&format!(
        "   {} more were told; {wronged} of those who said STOP were texted.",
        second.told
    ));
    screen.line("4. Nothing happens at the practice; a last sync.");
    let third = timed(&telling).await?;
    line.finish();

    let runs = [
        ("first sync".to_owned(), &first),
        ("after a day".to_owned(), &second),
        ("no changes".to_owned(), &third),
    ];
    println!("\n{}", table::reports(&runs));
    println!("read: rows received from the practice; changed: those that were new or different;");
    println!("sent: records written to the CRM; calls: HTTP requests made.\n");
    let days = [
        ("plan", &plan),
        ("first day", &live),
        ("after a day", &second),
        ("no changes", &third),
    ];
    println!("{}", table::told(&days));
    println!(
        "told: messages that went out, or would; below: who was not told, by the rule that stood against it.\n"
    );
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
    let numbers: BTreeSet<_> = texts.texts().into_iter().map(|text| text.to).collect();
    println!(
        "By the providers' own count: {} texts to {} numbers, {} mails.",
        texts.texts().len(),
        numbers.len(),
        mails.mails().len()
    );
    println!("\nTo do this with a real practice: recall-sync --config FILE (see the README).");
    let quiet = third.sent == 0 && third.told == 0;
    let right = went_out == 0
        && held.told == 0
        && held.paused.is_some()
        && wronged == 0
        && numbers.len() == texts.texts().len();
    Ok(first.complete && second.complete && third.complete && quiet && right)
}

fn source_id() -> odx_core::Result<SourceId> {
    SourceId::new(SYSTEM, "demo")
}

/// Sees whom a plan would tell, and shows the rest.
#[derive(Debug)]
struct Planned {
    line: Arc<OfficeLine>,
    patients: Mutex<BTreeSet<String>>,
}

impl Observer for Planned {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Decided(row) if row.decision.verdict == Verdict::WouldSend => {
                let who = row.recipient.as_ref().unwrap_or(&row.patient);
                let mut patients = self.patients.lock().unwrap_or_else(PoisonError::into_inner);
                patients.insert(who.native().to_owned());
            }
            // A dry run would list every record.
            Event::Planned { .. } => {}
            other => self.line.event(other),
        }
    }
}

impl Planned {
    fn forget(&self) {
        let mut patients = self.patients.lock().unwrap_or_else(PoisonError::into_inner);
        patients.clear();
    }

    /// The numbers of those whom it would tell.
    fn numbers(&self, practice: &Practice) -> Vec<Phone> {
        let patients = self.patients.lock().unwrap_or_else(PoisonError::into_inner);
        practice
            .patients()
            .into_iter()
            .filter(|row| patients.contains(&row.pat_num.to_string()))
            .filter_map(|row| Phone::parse(&row.wireless_phone).ok())
            .collect()
    }
}

fn settings() -> OutreachSettings {
    let mut identity = Identity::new();
    identity.phone = Some("503-555-0100".to_owned());
    identity.booking_link = Some("https://book.demo-dental.example/{token}".to_owned());
    identity.review_link = Some("https://review.demo-dental.example".to_owned());
    identity.unsubscribe_link = Some("https://book.demo-dental.example/no/{token}".to_owned());
    identity.postal_address = Some("1 Main Street, Portland OR 97201".to_owned());
    let mut settings = OutreachSettings::default();
    settings.identity = identity;
    settings
}

fn gateways(
    texts: Url,
    mails: Url,
    clock: &Arc<PracticeClock>,
) -> Result<Vec<Arc<dyn MessageGateway>>, odx_core::Error> {
    let id = |kind| SinkId::new(kind, "demo");
    let secret = Secret::new(Texts::SECRET);
    let texts = TwilioConfig::new(
        id("texts")?,
        Texts::ACCOUNT,
        Texts::KEY,
        secret,
        Texts::SERVICE,
    )
    .with_base_url(texts)
    .with_auth_token(Secret::new(Texts::AUTH_TOKEN))
    .with_clock(clock.clone())
    .build()?;
    let from = Email::parse("hello@demo-dental.example")
        .map_err(|_| odx_core::Error::new(odx_core::ErrorKind::Bug, "the demo has no address"))?;
    let mails = SendGridConfig::new(id("mail")?, Secret::new(Mails::API_KEY), from)
        .with_base_url(mails)
        .with_baa(Baa::Confirmed)
        .with_clock(clock.clone())
        .build()?;
    Ok(vec![Arc::new(texts), Arc::new(mails)])
}

/// One who was told and a few who still wait for their turn say STOP: the
/// provider's signed calls, as the receiver takes them.
async fn stop(
    texts: &Texts,
    gateways: &[Arc<dyn MessageGateway>],
    store: &Arc<dyn StateStore>,
    would_hear: &[Phone],
) -> Result<BTreeSet<String>, odx_core::Error> {
    let told: BTreeSet<_> = texts.texts().into_iter().map(|text| text.to).collect();
    let waiting = would_hear.iter().map(|phone| phone.e164().expose().clone());
    let waiting = waiting.filter(|number| !told.contains(number)).take(5);
    let stopped: BTreeSet<String> = told.iter().take(1).cloned().chain(waiting).collect();
    let Some(gateway) = gateways.first() else {
        return Ok(BTreeSet::new());
    };
    for number in &stopped {
        let call = texts.text_from(number, "STOP", "https://odx.example.com/texts/demo");
        for heard in gateway.hear(&call)? {
            if let Heard::Stop(stop) = heard {
                let cursor = store.suppression_cursor(gateway.id()).await?;
                store
                    .suppress(gateway.id(), vec![stop], cursor, call.now)
                    .await?;
            }
        }
    }
    Ok(stopped)
}

/// Runs once; the report's times are real ones, not the practice's.
async fn timed(pipeline: &Pipeline) -> Result<RunReport, odx_core::Error> {
    let began = std::time::Instant::now();
    let mut report = pipeline.run_once(Mode::Live).await?;
    report.finished = report.started + began.elapsed();
    Ok(report)
}
