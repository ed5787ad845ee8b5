//! `runs`: what the last runs came to.

use serde_json::{Value, json};

use super::{End, desks, minute};
use crate::cli::DONE;
use crate::config::Config;
use crate::table::columns;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this office.
    #[arg(long)]
    office: Option<String>,
    /// At most so many of each office, the newest first.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> End {
    let mut all = Vec::new();
    for desk in desks(config, args.office.as_deref())? {
        for (at, text) in desk.runs(args.limit).await? {
            let report: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            all.push((desk.office().to_string(), at, report));
        }
    }
    if args.json {
        let rows: Vec<_> = all
            .iter()
            .map(|(office, at, report)| json!({"office": office, "at": at, "report": report}))
            .collect();
        return super::json(&rows);
    }
    let head = [
        "office", "ended", "read", "changed", "sent", "told", "refused", "complete",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (office, at, report) in &all {
        let of = |key: &str| report.get(key).map_or("?".to_owned(), Value::to_string);
        rows.push(vec![
            office.clone(),
            minute(*at),
            of("read"),
            of("changed"),
            of("sent"),
            of("told"),
            of("refused"),
            of("complete"),
        ]);
    }
    print!("{}", columns(&rows));
    for (office, at, report) in &all {
        let problems = report.get("problems").and_then(Value::as_array);
        for problem in problems.into_iter().flatten().filter_map(Value::as_str) {
            println!("{office} {}: {problem}", minute(*at));
        }
    }
    Ok(DONE)
}
