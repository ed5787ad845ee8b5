//! `pause` and `resume`.

use super::{End, Trouble, minute, one_desk};
use crate::cli::DONE;
use crate::config::Config;

/// Longest reason that is kept.
const LONGEST: usize = 200;

#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    /// At which office.
    #[arg(long)]
    office: String,
    /// Why, for whoever looks later. No patient data: it stands in reports.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// At which office.
    #[arg(long)]
    office: String,
}

pub(super) async fn pause(config: Config, args: Pause) -> End {
    let reason: String = args.reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let reason: String = reason
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect();
    if reason.is_empty() {
        return Err(Trouble::usage(
            "--reason is empty: say why, for whoever looks later",
        ));
    }
    let desk = one_desk(config, &args.office)?;
    match desk.pause(&reason).await? {
        None => println!(
            "{}: nobody is told anything from now on; records go on to the crm",
            args.office
        ),
        Some(known) => println!(
            "{}: already paused since {}: {}",
            args.office,
            minute(known.since),
            known.reason
        ),
    }
    Ok(DONE)
}

pub(super) async fn resume(config: Config, args: Resume) -> End {
    let desk = one_desk(config, &args.office)?;
    match desk.resume().await? {
        None => println!("{}: it was not paused", args.office),
        Some(pause) => {
            println!(
                "{}: goes on within a minute; it was paused since {}: {}",
                args.office,
                minute(pause.since),
                pause.reason
            );
            if let Some(held) = pause.held {
                println!(
                    "{}: the plan of {held} messages that was held, and a tenth more, may go out for 30 days",
                    args.office
                );
            }
        }
    }
    Ok(DONE)
}
