//! `summary`: what the daily mail says.

use chrono::{Days, NaiveDate};
use odx_core::clock::{Clock as _, SystemClock};
use odx_core::ops::Summary;

use super::{End, Trouble, desks, json};
use crate::cli::DONE;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which day, by each office's own calendar. Yesterday, unless said.
    #[arg(long, value_name = "DAY")]
    day: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> End {
    let desks = desks(config, None)?;
    let day = match &args.day {
        Some(text) => text
            .parse::<NaiveDate>()
            .map_err(|_| Trouble::usage("--day is no day: write one such as 2026-11-01"))?,
        None => {
            let today = desks.first().map(|desk| desk.wall_clock().date());
            let today = today.unwrap_or_default();
            today.checked_sub_days(Days::new(1)).unwrap_or(today)
        }
    };
    let summary = Summary::of(&desks, day, SystemClock.now()).await?;
    if args.json {
        return json(&summary);
    }
    print!("{summary}");
    Ok(DONE)
}
