//! `plan`: a dry run on a copy of the state, with reasons, compared with the last.

use std::path::PathBuf;
use std::sync::Arc;

use odx_core::Mode;
use odx_core::clock::{Clock as _, SystemClock};
use odx_core::engine::Shutdown;
use odx_core::ops::{Difference, Plan, Planner};
use odx_core::store::{SqliteStore, StateStore};
use serde::Serialize;

use super::scratch::Scratch;
use super::{Dress, End, Trouble, chosen, minute, state};
use crate::cli::{DONE, INCOMPLETE};
use crate::config::Config;
use crate::live::interrupted;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this office.
    #[arg(long)]
    office: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Write the plans as JSON into a file as well.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// As if a read that is held because it looks wrong had been released.
    #[arg(long)]
    release: bool,
}

#[derive(Serialize)]
struct Planned {
    #[serde(flatten)]
    plan: Plan,
    /// Everything could be read and worked out.
    complete: bool,
    problems: Vec<String>,
    /// None: no plan was kept before.
    difference: Option<Difference>,
    #[serde(skip)]
    against: Option<String>,
}

pub(super) async fn run(config: Config, args: Args) -> End {
    let (schedule, brake, path) = (config.schedule, config.brake, config.state.clone());
    // Without a state this is the first plan; nothing is made for it.
    let beside = match path.exists() {
        true => Some(state(&config)?),
        false => None,
    };
    let offices = chosen(config.offices, args.office.as_deref())?;
    // What is tried is tried on a copy: whoever works on the state goes on, and nothing of theirs moves.
    let scratch = Scratch::beside(&path)?;
    let copy = scratch.file("plan.sqlite");
    if let Some(beside) = &beside {
        beside.copy_to(&copy).await?;
    }
    let tried: Arc<dyn StateStore> = Arc::new(SqliteStore::open(&copy)?);
    let (shutdown, stop) = Shutdown::new();
    let signals = tokio::spawn(async move {
        interrupted().await;
        shutdown.stop();
    });
    let mut plans = Vec::new();
    for mut setup in offices {
        if args.release {
            setup.release()?;
        }
        let name = setup.office.id().to_string();
        let dress = Dress::of(&setup);
        let source = setup.source.id().clone();
        let builder = setup
            .pipeline(&tried, Mode::DryRun)
            .schedule(schedule)
            .brake(brake);
        let planner = Arc::new(Planner::new(source));
        let pipeline = builder.observer(planner.clone()).build()?;
        let report = pipeline.run_once_until(Mode::DryRun, &stop).await?;
        let plan = planner.plan(&name, SystemClock.now());
        let mut last = None;
        if let Some(beside) = &beside {
            let desk = dress.on(pipeline.desk_on(Arc::new(beside.clone())))?;
            last = desk.last_plan().await?;
            if report.complete {
                desk.keep_plan(&plan).await?;
            }
        }
        plans.push(Planned {
            complete: report.complete,
            problems: report.problems,
            against: last.as_ref().map(|last| minute(last.made_at)),
            difference: last.map(|last| plan.compare(&last)),
            plan,
        });
    }
    signals.abort();
    drop(tried);
    if let Some(out) = &args.out {
        let text = serde_json::to_string_pretty(&plans)
            .map_err(|_| Trouble::failed("the plan could not be written as json"))?;
        std::fs::write(out, text).map_err(|why| {
            Trouble::failed(format!(
                "{} cannot be written: {}",
                out.display(),
                why.kind()
            ))
        })?;
    }
    let complete = plans.iter().all(|planned| planned.complete);
    if args.json {
        super::json(&plans)?;
    } else {
        plans.iter().for_each(print);
    }
    Ok(if complete { DONE } else { INCOMPLETE })
}

fn print(planned: &Planned) {
    let plan = &planned.plan;
    println!(
        "{}: plan of {}, fingerprint {}",
        plan.office,
        minute(plan.made_at),
        plan.fingerprint
    );
    for (name, counts) in [("contacts", plan.contacts), ("tasks", plan.tasks)] {
        println!(
            "  {name}: {} to create, {} to update, {} to close",
            counts.create, counts.update, counts.close
        );
    }
    let untold: Vec<_> = plan
        .untold
        .iter()
        .map(|(rule, count)| format!("{count} {rule}"))
        .collect();
    let untold = if untold.is_empty() {
        "none".to_owned()
    } else {
        untold.join(", ")
    };
    println!(
        "  messages: {} would go out; not told: {untold}",
        plan.would_send
    );
    for item in &plan.messages {
        let rule = item
            .rule
            .as_ref()
            .map_or_else(String::new, |rule| format!(" ({rule})"));
        let when = item
            .when
            .map_or_else(String::new, |at| format!(", again {}", minute(at)));
        println!(
            "    {} by {} about {}: {}{rule}{when}",
            item.episode, item.channel, item.patient, item.verdict
        );
    }
    match (&planned.difference, &planned.against) {
        (Some(difference), Some(against)) if difference.is_empty() => {
            println!("  nothing differs from the plan of {against}");
        }
        (Some(difference), Some(against)) => {
            println!("  against the plan of {against}:");
            for line in difference.to_string().lines() {
                println!("    {line}");
            }
        }
        _ => println!("  no plan was kept before"),
    }
    for problem in &planned.problems {
        println!("  {problem}");
    }
    println!("  nothing was sent");
}
