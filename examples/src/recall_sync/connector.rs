//! The command line of `dentrix-connector`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use odx_core::Mode;

use crate::cli::{self, USAGE, fail};
use crate::commands::{self, Command};
use crate::log::LogFiles;
use crate::{live, look};

/// Keeps a CRM true to the Dentrix practice in whose office it stands.
#[derive(Debug, Parser)]
#[command(
    name = "dentrix-connector",
    version,
    after_help = "Begin with probe, columns and plan: none of them sends anything. Then run once, then watch.\n\
                  Exit codes: 0 all done; 1 the state, the log or the receiver's address cannot be used; 2 the command \
                  line or the configuration is wrong, nothing was contacted; 3 something is left and waits for the next \
                  run, or the practice could not be asked.\n\
                  docs/runbook.md says how it is installed, and what each refusal means."
)]
struct Args {
    /// The configuration file.
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        default_value = "dentrix-connector.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sync once and end.
    Run {
        /// A read that is held because it looks wrong counts this once: a person has looked.
        #[arg(long)]
        release: bool,
    },
    /// Sync, then follow the practice until it is stopped.
    Watch,
    /// Look whether the practice can be reached and what it lets this program read, and end.
    Probe,
    /// Print how the next pass would read the practice, and end.
    Explain,
    /// Forget everything that is known (asks first): the next run reads all and sends all again.
    Reset {
        /// Answers the question.
        #[arg(long)]
        yes: bool,
    },
    #[command(flatten)]
    Ask(Command),
}

pub(crate) fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(why) => return cli::refused(&why),
    };
    let runtime = match cli::runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    if !args.config.exists() {
        let file = args.config.display();
        return fail(
            USAGE,
            &format!(
                "there is no {file} in {}: write one as docs/runbook.md shows, or name it with --config FILE",
                std::env::current_dir().map_or_else(
                    |_| "this folder".to_owned(),
                    |folder| folder.display().to_string()
                )
            ),
        );
    }
    let mut config = match cli::read(&args.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if matches!(args.verb, Verb::Run { .. } | Verb::Watch) && config.log.is_none() {
        config.log = LogFiles::default_for(crate::name(), &config.state);
    }
    match args.verb {
        Verb::Run { release } => {
            if release && let Err(code) = cli::release(&mut config) {
                return code;
            }
            runtime.block_on(live::run(config, false, Mode::Live))
        }
        Verb::Watch => runtime.block_on(live::run(config, true, Mode::Live)),
        Verb::Probe => runtime.block_on(look::probe(config)),
        Verb::Explain => runtime.block_on(look::explain(config)),
        Verb::Reset { yes } => cli::reset(&config, yes).into(),
        Verb::Ask(command) => runtime.block_on(commands::run(config, command)),
    }
}
