//! The command line.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use odx_core::Mode;

use crate::commands::{self, Command};
use crate::config::{self, Config};
use crate::{demo, live, log, look};

/// Everything that could be done was done.
pub(crate) const DONE: u8 = 0;
/// The state could not be opened, or belongs to something else; or the receiver's address is taken.
pub(crate) const FAILED: u8 = 1;
/// The command line or the configuration is wrong. Nothing was contacted.
pub(crate) const USAGE: u8 = 2;
/// Something is left: it waits in the state for the next run.
pub(crate) const INCOMPLETE: u8 = 3;

/// Keeps CRMs true to Open Dental and Dentrix practices. Without a configuration: a demonstration.
#[derive(Debug, Parser)]
#[command(
    version,
    subcommand_help_heading = "Commands for operators, also while another process follows",
    after_help = "Exit codes: 0 all done; 1 the state or the receiver's address cannot be used; 2 the command line or \
                  the configuration is wrong, nothing was contacted; 3 something is left and waits for the next run, or \
                  a practice could not be asked.\n\
                  RUST_LOG=odx_core=debug shows more on standard error."
)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration file.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Sync once and end. The default.
    #[arg(long, conflicts_with = "follow")]
    once: bool,
    /// Sync, then follow the practices until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Read everything, print what would be sent, send nothing.
    #[arg(long, conflicts_with = "follow")]
    dry_run: bool,
    /// Look whether each practice can be reached and what its key permits, and end.
    #[arg(long, requires = "config", conflicts_with_all = ["follow", "once", "dry_run", "reset", "explain"])]
    probe: bool,
    /// Print how the next pass would read each practice, and end. Reads no rows, writes nothing.
    #[arg(long, requires = "config", conflicts_with_all = ["follow", "once", "dry_run", "reset"])]
    explain: bool,
    /// Forget everything that is known (asks first): the next run reads all and sends all again.
    #[arg(long, requires = "config")]
    reset: bool,
    /// Answers the question of --reset.
    #[arg(long, requires = "reset")]
    yes: bool,
    /// A read that is held because it looks wrong counts this once: a person has looked. For Dentrix.
    #[arg(long, requires = "config", conflicts_with_all = ["follow", "probe", "explain"])]
    release: bool,
}

pub(crate) fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(why) => return refused(&why),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let mode = if args.dry_run {
        Mode::DryRun
    } else {
        Mode::Live
    };
    let flags = [
        args.once,
        args.follow,
        args.dry_run,
        args.probe,
        args.explain,
        args.reset,
        args.release,
    ];
    if args.command.is_some() && flags.contains(&true) {
        return fail(
            USAGE,
            "a command stands alone: leave out the flags of a run",
        );
    }
    let Some(path) = &args.config else {
        if args.command.is_some() {
            return fail(
                USAGE,
                "a command needs --config FILE: it names the state and the offices",
            );
        }
        if args.follow {
            return fail(
                USAGE,
                "--follow needs --config FILE; without one this is a demonstration that ends by itself",
            );
        }
        return runtime.block_on(demo::run(mode));
    };
    let mut config = match read(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Some(command) = args.command {
        return runtime.block_on(commands::run(config, command));
    }
    if args.probe {
        return runtime.block_on(look::probe(config));
    }
    if args.explain {
        return runtime.block_on(look::explain(config));
    }
    if args.release
        && let Err(code) = release(&mut config)
    {
        return code;
    }
    if args.reset {
        let reset = reset(&config, args.yes);
        if reset != DONE || !(args.once || args.follow) {
            return reset.into();
        }
    }
    runtime.block_on(live::run(config, args.follow, mode))
}

/// Says what is wrong with a command line, or what was asked about it.
pub(crate) fn refused(why: &clap::Error) -> ExitCode {
    let code = if why.use_stderr() { USAGE } else { DONE };
    // Nothing is left to tell where even this cannot be printed.
    drop(why.print());
    code.into()
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| fail(FAILED, &format!("the machine gives no runtime: {why}")))
}

/// Reads the configuration, or tells everything that is wrong with it.
pub(crate) fn read(path: &Path) -> Result<Config, ExitCode> {
    let text = std::fs::read_to_string(path)
        .map_err(|why| vec![format!("the file cannot be read: {}", why.kind())]);
    text.and_then(|text| config::parse(&text)).map_err(|lines| {
        let count = lines.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        eprintln!(
            "{}: {count} {noun} in {}; nothing was contacted",
            crate::name(),
            path.display()
        );
        for line in lines {
            eprintln!("  {line}");
        }
        USAGE.into()
    })
}

/// What is held because it looks wrong counts: a person has looked.
pub(crate) fn release(config: &mut Config) -> Result<(), ExitCode> {
    let mut any = false;
    for setup in &mut config.offices {
        any |= setup
            .release()
            .map_err(|why| fail(USAGE, &format!("{}: {}", setup.office.id(), why.chain())))?;
    }
    if any {
        return Ok(());
    }
    let why =
        "--release is for offices of the kind dentrix, and there is none in the configuration";
    Err(fail(USAGE, why))
}

pub(crate) fn fail(code: u8, why: &str) -> ExitCode {
    log::complain(&format!("{}: {why}", crate::name()));
    code.into()
}

/// Removes the state file, if somebody who can see what that means says so.
pub(crate) fn reset(config: &Config, yes: bool) -> u8 {
    let state = config.state.display();
    if !config.state.exists() {
        println!("there is nothing to reset: {state} does not exist");
        return DONE;
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            eprintln!(
                "{}: --reset was not confirmed: add --yes to forget everything in {state}; nothing was changed",
                crate::name()
            );
            return USAGE;
        }
        print!(
            "Forget everything in {state}? The next run reads every practice anew and sends all of it again. Type yes: "
        );
        drop(std::io::stdout().flush());
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        if read.is_err() || answer.trim() != "yes" {
            eprintln!("{}: nothing was changed", crate::name());
            return USAGE;
        }
    }
    // Opening takes the lock: a running process keeps its state.
    if let Err(why) = odx_core::store::SqliteStore::open(&config.state)
        && why.to_string().contains("another odx process")
    {
        eprintln!("{}: {why}", crate::name());
        return FAILED;
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut name = config.state.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                eprintln!(
                    "{}: {} cannot be removed: {}",
                    crate::name(),
                    name.display(),
                    why.kind()
                );
                return FAILED;
            }
            _ => {}
        }
    }
    println!("forgot everything in {state}");
    DONE
}
