//! `failures`: a list for people.

use odx_core::ops::Failure;

use super::{End, desks, json, minute};
use crate::cli::DONE;
use crate::config::Config;
use crate::table::columns;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this office.
    #[arg(long)]
    office: Option<String>,
    /// At most so many of each kind and office.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    limit: usize,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> End {
    let mut all = Vec::new();
    for desk in desks(config, args.office.as_deref())? {
        all.extend(desk.failures(args.limit).await?);
    }
    if args.json {
        return json(&all);
    }
    if all.is_empty() {
        println!("nothing has failed");
        return Ok(DONE);
    }
    let head = [
        "record",
        "who",
        "what",
        "field",
        "code",
        "mended by",
        "since",
        "tries",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(row));
    print!("{}", columns(&rows));
    for failure in &all {
        println!("{}: {}", failure.record, failure.reason);
        for link in [&failure.links.chart, &failure.links.crm]
            .into_iter()
            .flatten()
        {
            println!("  {link}");
        }
    }
    Ok(DONE)
}

fn row(failure: &Failure) -> Vec<String> {
    let or = |text: Option<&str>| text.unwrap_or("-").to_owned();
    vec![
        format!("{} {}", failure.office, failure.record),
        or(failure.who.as_deref()),
        format!("{} ({})", failure.kind.name(), failure.fault.rule),
        or(failure.fault.field),
        or(failure.fault.code.as_deref()),
        failure.fault.fix.name().to_owned(),
        minute(failure.since),
        failure.attempts.to_string(),
    ]
}
