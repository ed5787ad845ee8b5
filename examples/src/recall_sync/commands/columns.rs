//! `columns`: what the columns of an office are called, and which field each is.

use std::path::PathBuf;

use odx_dentrix::columns::suggestion;
use odx_dentrix::{TableColumns, columns_of_file, columns_of_office};

use super::{End, Trouble, chosen};
use crate::cli::{DONE, INCOMPLETE};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// At which office.
    #[arg(long)]
    office: String,
    /// A report, for an office that is read from exports or before it is.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

pub(super) async fn run(config: Config, args: Args) -> End {
    let offices = chosen(config.offices, Some(&args.office))?;
    let builder = offices.into_iter().find_map(|setup| setup.dentrix);
    let Some(builder) = builder else {
        return Err(Trouble::usage(format!(
            "office {} is not of the kind dentrix: its columns are always the same",
            args.office
        )));
    };
    let all = match &args.file {
        Some(file) if !file.is_file() => {
            return Err(Trouble::usage(format!(
                "--file: there is no file {}",
                file.display()
            )));
        }
        Some(file) => columns_of_file(&builder, file).await.map(|one| vec![one]),
        None => columns_of_office(&builder).await,
    };
    let all = match all {
        Ok(all) => all,
        Err(why) if why.kind() == odx_core::ErrorKind::Unavailable => {
            println!("{}: could not be asked: {}", args.office, why.chain());
            return Ok(INCOMPLETE);
        }
        Err(why) => return Err(why.into()),
    };
    println!(
        "# {}: for its [[office]]; what stands behind a # is not bound",
        args.office
    );
    for looked in &all {
        println!();
        print!("{}", text(looked));
    }
    Ok(DONE)
}

fn text(looked: &TableColumns) -> String {
    let mut text = suggestion(&looked.columns, &looked.header);
    if let Some(trouble) = &looked.trouble {
        text.push_str(&format!("# {}\n", trouble.replace(['\n', '\r'], " ")));
    }
    text
}
