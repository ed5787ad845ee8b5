//! `tags`: every status of the practice on the left, its tags on the right.

use serde::Serialize;

use super::{End, desks, json};
use crate::cli::DONE;
use crate::config::Config;
use crate::table::columns;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this office.
    #[arg(long)]
    office: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    office: String,
    status: String,
    count: u64,
    /// None: nobody has decided.
    tags: Option<Vec<String>>,
}

pub(super) async fn run(config: Config, args: Args) -> End {
    let mut all = Vec::new();
    for desk in desks(config, args.office.as_deref())? {
        for (status, count, tags) in desk.statuses().await? {
            all.push(Row {
                office: desk.office().to_string(),
                status,
                count,
                tags: tags.map(|tags| tags.into_iter().collect()),
            });
        }
    }
    if args.json {
        return json(&all);
    }
    let head = ["status", "how often", "tags"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|row| {
        let tags = match &row.tags {
            None => "unmapped".to_owned(),
            Some(tags) if tags.is_empty() => "none, by choice".to_owned(),
            Some(tags) => tags.join(" "),
        };
        vec![
            format!("{} {}", row.office, row.status),
            row.count.to_string(),
            tags,
        ]
    }));
    print!("{}", columns(&rows));
    let mut office = None;
    for row in all.iter().filter(|row| row.tags.is_none()) {
        if office != Some(&row.office) {
            println!(
                "\n# {}: for its [[office]]; [] is a choice too, tags begin with odx-",
                row.office
            );
            println!("[office.tags]");
            office = Some(&row.office);
        }
        println!("{} = []", toml::Value::String(row.status.clone()));
    }
    Ok(DONE)
}
