//! `status`: how every office stands.

use odx_core::ops::{Freshness, OfficeStatus};

use super::{End, desks, json, minute, minute_or};
use crate::cli::{DONE, INCOMPLETE};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this office.
    #[arg(long)]
    office: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> End {
    let mut all = Vec::new();
    for desk in desks(config, args.office.as_deref())? {
        all.push(desk.status().await?);
    }
    if args.json {
        json(&all)?;
    } else {
        all.iter().for_each(print);
    }
    let failing = |status: &OfficeStatus| status.freshness == Freshness::Failing;
    Ok(if all.iter().any(failing) {
        INCOMPLETE
    } else {
        DONE
    })
}

fn print(status: &OfficeStatus) {
    let expected = if status.expected {
        ", as it was closed"
    } else {
        ""
    };
    println!("{}: {}{expected}", status.office, status.freshness.name());
    if let Some(why) = &status.why {
        println!("  {why}");
    }
    println!(
        "  something new {}, read {}, next look {}",
        minute_or(status.last_change, "never"),
        minute_or(status.last_success, "never"),
        minute_or(status.next_look, "when somebody runs it")
    );
    for (sink, crm) in &status.crm {
        let counts = crm.counts;
        println!(
            "  {sink}: import {}; {} records there, {} waiting, {} refused, {} behind them, {} rows unreadable",
            crm.import.sentence(),
            counts.acknowledged,
            counts.waiting,
            counts.refused,
            counts.blocked,
            counts.unreadable
        );
        if let Some(at) = crm.next_try {
            println!("    what waits is tried again at {}", minute(at));
        }
    }
    match (&status.paused, status.messages, status.live_since) {
        (Some(pause), ..) => {
            let how = if pause.held.is_some() {
                "held by odx"
            } else {
                "paused"
            };
            println!(
                "  messages {how} since {}: {}",
                minute(pause.since),
                pause.reason
            );
        }
        (None, true, since) => {
            println!("  messages on since {}", minute_or(since, "the next pass"))
        }
        (None, false, _) => println!("  messages are not configured"),
    }
    println!(
        "  last run that came to anything: {}",
        minute_or(status.last_run, "none")
    );
}
