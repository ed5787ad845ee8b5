//! What operators ask, and change: one command each. All of them work while
//! another process follows the practices, and none contacts a practice or a CRM
//! but `plan` and `columns`.

mod audit;
mod columns;
mod failures;
mod pause;
mod plan;
mod replay;
mod runs;
pub(crate) mod scratch;
mod status;
mod summary;
mod tags;
mod why;

use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use clap::Subcommand;
use odx_core::engine::Schedule;
use odx_core::ops::{Closed, Desk, LinkTemplates};
use odx_core::policy::TagMap;
use odx_core::store::{SqliteStore, StateStore};
use odx_core::{Error, Mode, Result};
use serde::Serialize;

use crate::cli::{DONE, FAILED, USAGE, fail};
use crate::config::{Config, OfficeSetup};

/// What operators ask, and change.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What the next pass would send, and why not the rest; compared with the last plan. Sends nothing.
    Plan(plan::Args),
    /// Why somebody heard something, or did not.
    Why(why::Args),
    /// What failed, and who can mend it.
    Failures(failures::Args),
    /// Let refused records be tried again, with what they are now.
    Replay(replay::Args),
    /// How every office stands.
    Status(status::Args),
    /// Every status of the practice, and the tags it is mapped to.
    Tags(tags::Args),
    /// What the columns of a Dentrix office are called and which field each is, as TOML to paste.
    Columns(columns::Args),
    /// Stop reaching people at an office, at once.
    Pause(pause::Pause),
    /// Go on reaching people at an office.
    Resume(pause::Resume),
    /// What was disclosed to whom, without values.
    Audit(audit::Args),
    /// What the last runs came to.
    Runs(runs::Args),
    /// One page about a day: what the daily mail says.
    Summary(summary::Args),
}

/// How a command ends where it could not do what it was asked.
pub(crate) type End = std::result::Result<u8, Trouble>;

/// Why a command could not do what it was asked, and its exit code.
pub(crate) struct Trouble(u8, String);

impl Trouble {
    /// The command line asks for something that is not there.
    pub(crate) fn usage(why: impl Into<String>) -> Self {
        Self(USAGE, why.into())
    }

    /// Something else went wrong.
    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self(FAILED, why.into())
    }
}

impl From<Error> for Trouble {
    fn from(why: Error) -> Self {
        Self(FAILED, why.chain())
    }
}

pub(crate) async fn run(config: Config, command: Command) -> ExitCode {
    let end = match command {
        Command::Plan(args) => plan::run(config, args).await,
        Command::Why(args) => why::run(config, args).await,
        Command::Failures(args) => failures::run(config, args).await,
        Command::Replay(args) => replay::run(config, args).await,
        Command::Status(args) => status::run(config, args).await,
        Command::Tags(args) => tags::run(config, args).await,
        Command::Columns(args) => columns::run(config, args).await,
        Command::Pause(args) => pause::pause(config, args).await,
        Command::Resume(args) => pause::resume(config, args).await,
        Command::Audit(args) => audit::run(config, args).await,
        Command::Runs(args) => runs::run(config, args).await,
        Command::Summary(args) => summary::run(config, args).await,
    };
    match end {
        Ok(code) => code.into(),
        Err(Trouble(code, why)) => fail(code, &why),
    }
}

/// What a desk is told of an office beside its pipeline.
#[derive(Debug)]
pub(crate) struct Dress {
    tags: TagMap,
    chart: Option<String>,
    crm: Option<String>,
    closed: Closed,
}

impl Dress {
    pub(crate) fn of(setup: &OfficeSetup) -> Self {
        let settings = setup.policy.settings();
        Self {
            tags: settings.tags.clone(),
            chart: settings.links.chart.clone(),
            crm: setup.operations.crm_link.clone(),
            closed: setup.operations.closed.clone(),
        }
    }

    pub(crate) fn on(self, desk: Desk) -> Result<Desk> {
        let links = LinkTemplates::new(self.chart, self.crm)?;
        Ok(desk
            .with_links(links)
            .with_tags(self.tags)
            .with_closed(self.closed))
    }
}

/// The state, beside whoever works on it.
pub(crate) fn state(config: &Config) -> std::result::Result<SqliteStore, Trouble> {
    SqliteStore::open_beside(&config.state)
        .map_err(|why| Trouble::failed(format!("{}: {}", config.state.display(), why.chain())))
}

/// The offices that a command is about, or which there are.
pub(crate) fn chosen(
    offices: Vec<OfficeSetup>,
    only: Option<&str>,
) -> std::result::Result<Vec<OfficeSetup>, Trouble> {
    let Some(only) = only else {
        return Ok(offices);
    };
    let names: Vec<_> = offices
        .iter()
        .map(|setup| setup.office.id().to_string())
        .collect();
    let mut offices = offices;
    offices.retain(|setup| setup.office.id().as_str() == only);
    if offices.is_empty() {
        let names = names.join(", ");
        return Err(Trouble::usage(format!(
            "there is no office {only} in the configuration; there is {names}"
        )));
    }
    Ok(offices)
}

fn desk(
    setup: OfficeSetup,
    store: &Arc<dyn StateStore>,
    schedule: Schedule,
) -> std::result::Result<Desk, Trouble> {
    let dress = Dress::of(&setup);
    let pipeline = setup
        .pipeline(store, Mode::DryRun)
        .schedule(schedule)
        .build()?;
    Ok(dress.on(pipeline.desk())?)
}

/// A desk for each office that a command is about.
pub(crate) fn desks(config: Config, only: Option<&str>) -> std::result::Result<Vec<Desk>, Trouble> {
    let schedule = config.schedule;
    // A name that is not there is told before the state is looked for.
    let store = state(&config);
    let offices = chosen(config.offices, only)?;
    let store: Arc<dyn StateStore> = Arc::new(store?);
    offices
        .into_iter()
        .map(|setup| desk(setup, &store, schedule))
        .collect()
}

/// The desk of one office.
pub(crate) fn one_desk(config: Config, office: &str) -> std::result::Result<Desk, Trouble> {
    let mut desks = desks(config, Some(office))?;
    desks
        .pop()
        .ok_or_else(|| Trouble::usage(format!("there is no office {office} in the configuration")))
}

/// Prints something as JSON.
pub(crate) fn json(what: &impl Serialize) -> End {
    let text = serde_json::to_string_pretty(what)
        .map_err(|_| Trouble::failed("the answer could not be written as json"))?;
    println!("{text}");
    Ok(DONE)
}

/// A moment, for a person.
pub(crate) fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

pub(crate) fn minute_or(at: Option<DateTime<Utc>>, otherwise: &str) -> String {
    at.map_or_else(|| otherwise.to_owned(), minute)
}

/// A day, or a moment, as it may be written on the command line.
pub(crate) fn since(text: &str, desk: &Desk) -> std::result::Result<DateTime<Utc>, Trouble> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(desk.midnight(day));
    }
    text.parse().map_err(|_| {
        Trouble::usage("--since is no day: write one such as 2026-11-01, or 2026-11-01T09:00:00Z")
    })
}
