//! `replay`: refused records are tried again.

use odx_core::ExternalId;
use odx_core::store::outreach::Replay;

use super::{End, desks, since};
use crate::cli::DONE;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this record.
    #[arg(long, value_name = "EXTERNAL_ID")]
    id: Option<String>,
    /// Only where the reason holds this word, such as 422.
    #[arg(long, value_name = "WORD")]
    code: Option<String>,
    /// Only at this office.
    #[arg(long)]
    office: Option<String>,
    /// Only what is set aside since this day.
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
}

pub(super) async fn run(config: Config, args: Args) -> End {
    for desk in desks(config, args.office.as_deref())? {
        let since = match &args.since {
            None => None,
            Some(text) => Some(since(text, &desk)?),
        };
        let which = Replay {
            external_id: args.id.clone().map(ExternalId::from_kept),
            code: args.code.clone(),
            since,
        };
        let replayed = desk.replay(&which).await?;
        println!(
            "{}: {} refused records are tried again with the next pass, with what they are then",
            desk.office(),
            replayed.records
        );
        if replayed.ended > 0 {
            println!(
                "{}: {} messages that a provider refused are not sent again: what ended stays ended",
                desk.office(),
                replayed.ended
            );
        }
    }
    Ok(DONE)
}
