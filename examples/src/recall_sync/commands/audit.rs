//! `audit`: disclosures, and whether the chain is whole.

use super::{End, desks, json, minute};
use crate::cli::{DONE, FAILED};
use crate::config::Config;
use crate::table::columns;

/// Rows that are read together.
const CHUNK: usize = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this office.
    #[arg(long)]
    office: Option<String>,
    /// Only rows after this number.
    #[arg(long, default_value_t = 0, value_name = "N")]
    since: u64,
    /// Walk the whole chain, and say whether a row was changed or is missing.
    #[arg(long)]
    verify: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> End {
    let desks = desks(config, args.office.as_deref())?;
    if args.verify {
        let mut code = DONE;
        // One chain for the whole state.
        if let Some(desk) = desks.first() {
            let audit = desk.verify_audit().await?;
            if audit.broken_at.is_some() {
                code = FAILED;
            }
            match (args.json, audit.broken_at) {
                (true, _) => {
                    json(&audit)?;
                }
                (false, None) => println!(
                    "the chain is whole: {} rows, head {}",
                    audit.rows,
                    audit.head.as_deref().unwrap_or("none yet")
                ),
                (false, Some(row)) => println!(
                    "the chain is broken at row {row}: the state file was changed by somebody else; keep it, and \
                     compare with the heads in the daily summaries"
                ),
            }
        }
        return Ok(code);
    }
    let mut all = Vec::new();
    for desk in desks {
        let mut after = args.since;
        loop {
            let rows = desk.audit(after, CHUNK).await?;
            let Some(last) = rows.last() else { break };
            after = last.number;
            let office = desk.office().to_string();
            all.extend(rows.into_iter().map(|row| (office.clone(), row)));
        }
    }
    all.sort_by_key(|(_, row)| row.number);
    if args.json {
        let rows: Vec<_> = all
            .iter()
            .map(|(office, row)| serde_json::json!({"office": office, "row": row}))
            .collect();
        return json(&rows);
    }
    let head = [
        "number", "at", "office", "kind", "subject", "fields", "to", "outcome",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(all.into_iter().map(|(office, row)| {
        vec![
            row.number.to_string(),
            minute(row.at),
            office,
            row.kind,
            row.subject,
            row.fields,
            row.destination,
            row.outcome,
        ]
    }));
    print!("{}", columns(&rows));
    Ok(DONE)
}
