//! `why`: everything that bears on what one person hears.

use odx_core::ops::{Known, Why};

use super::{End, Trouble, json, minute, minute_or, one_desk};
use crate::cli::DONE;
use crate::config::{Config, Kind, OfficeSetup};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// At which office.
    #[arg(long)]
    office: String,
    /// The practice's own id of the patient, or the external one.
    #[arg(long, value_name = "ID")]
    patient: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> End {
    let mut offices = config.offices.iter();
    let kind = offices
        .find(|setup| setup.office.id().as_str() == args.office)
        .map(OfficeSetup::kind);
    let desk = one_desk(config, &args.office)?;
    // What was typed is not repeated: it may be a name.
    let why = desk.why(&args.patient).await?.ok_or_else(|| {
        let give = match kind {
            Some(Kind::Dentrix) => "give the external id",
            _ => "give the practice's own (a number), or the external id",
        };
        Trouble::usage(format!(
            "office {} never showed a patient of this id: {give} as the crm shows it; somebody new is known after the \
             next pass",
            args.office
        ))
    })?;
    if args.json {
        return json(&why);
    }
    print(&why);
    Ok(DONE)
}

/// A value as it stands in JSON, without quotes.
fn word(what: impl serde::Serialize) -> String {
    let text = serde_json::to_string(&what).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

fn print(why: &Why) {
    let gone = if why.gone { ", removed there" } else { "" };
    println!(
        "{} at {}: {}{gone}",
        why.patient,
        why.office,
        word(why.status)
    );
    println!(
        "  the practice was last read: {}",
        minute_or(why.read_at, "never")
    );
    for link in [&why.links.chart, &why.links.crm].into_iter().flatten() {
        println!("  {link}");
    }
    for (sink, at) in &why.crm {
        let known = match &at.known {
            Known::Unknown => "not there".to_owned(),
            Known::Acknowledged { remote_id } => {
                let id = remote_id.as_deref().unwrap_or("no id of its own");
                format!("there ({id})")
            }
            Known::Aside {
                hold,
                reason,
                older,
            } => {
                let older = if *older {
                    "an older state is there; "
                } else {
                    ""
                };
                format!("{older}set aside, waits for {hold}: {reason}")
            }
        };
        println!("  {sink}: {known}");
    }
    for recall in &why.recalls {
        let due = recall
            .due
            .map_or("no date".to_owned(), |day| day.to_string());
        let stands = match (recall.skipped, recall.segment) {
            (Some(skip), _) => format!("left out, {}", skip.generic()),
            (None, Some(segment)) => segment.name().to_owned(),
            (None, None) => "not due yet".to_owned(),
        };
        println!("  recall {} due {due}: {stands}", recall.recall);
    }
    if !why.messages {
        println!("  messages are not configured at this office");
    }
    if let Some(reason) = &why.paused {
        println!("  nobody is told anything there for now: {reason}");
    }
    for one in &why.occurrences {
        println!("  {}", one.line());
        if let (Some(at), Some(age)) = (one.decided_at, one.age_minutes) {
            println!("    decided {}, {age} minutes ago", minute(at));
        }
        if let Some(facts) = &one.facts {
            println!("    facts: {}", word(facts));
        }
    }
    if why.occurrences.is_empty() {
        println!("  nothing is to be told today");
    }
    for told in &why.told {
        let delivery = told.delivery.unwrap_or("no report yet");
        let reason = told.reason.as_deref().unwrap_or_default();
        println!(
            "  told {} by {} on {}: {}, {delivery} {reason}",
            told.purpose.name(),
            word(told.channel),
            minute(told.at),
            told.state
        );
    }
    for said in &why.consent {
        let also = if said.opted_out {
            ", opted out at the practice"
        } else {
            ""
        };
        println!(
            "  consent {}: {}{also}",
            word(said.channel),
            word(said.consent)
        );
    }
    for stop in &why.stops {
        println!(
            "  stop {} since {}: {}; {} lifts it",
            word(stop.channel),
            minute(stop.since),
            stop.reason,
            stop.lifted_by
        );
    }
}
