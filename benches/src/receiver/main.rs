//! `receiver`: the receiver of odx beside express and better-sqlite3, on this
//! machine, in turn. Both are as durable; each round begins with an empty file.

mod load;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use clap::{Parser, Subcommand};
use odx_core::engine::Stop;
use odx_core::serve::{ServeLimits, listen, serve};
use odx_core::store::SqliteStore;
use odx_core::{Secret, SourceId};
use odx_opendental::{Receiver, ReceiverSettings, SYSTEM};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::load::{Load, Seen};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PATH: &str = "benchbenchbenchbench";
const KEY: &str = "TheOfficeKey4711";

/// Compares the receiver of odx with express and better-sqlite3. Run
/// `benches/express/install` first.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// How often everything is done. The table shows medians.
    #[arg(long, default_value = "5")]
    rounds: usize,
    /// Deliveries of 1000 rows in a round, and how many send at once.
    #[arg(long, default_value = "120")]
    batches: usize,
    /// Senders of those.
    #[arg(long, default_value = "4")]
    batch_senders: usize,
    /// Deliveries of one row in a round.
    #[arg(long, default_value = "8000")]
    singles: usize,
    /// Senders of those.
    #[arg(long, default_value = "64")]
    senders: usize,
}

#[derive(Subcommand)]
enum Part {
    /// The receiver, until it is killed.
    #[command(hide = true)]
    Serve {
        /// The state file.
        state: PathBuf,
    },
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    match args.part {
        Some(Part::Serve { state }) => receive(&state),
        None => compare(&args),
    }
}

#[tokio::main]
async fn receive(state: &Path) -> Result<(), Failure> {
    let store = Arc::new(SqliteStore::open(state)?);
    let office = (SourceId::new(SYSTEM, "bench")?, Secret::new(KEY));
    let settings = ReceiverSettings::new(Secret::new(PATH));
    let receiver = Receiver::new(settings, [office], store)?;
    let listener = listen(([127, 0, 0, 1], 0).into())?;
    println!("{}", listener.local_addr()?);
    // All senders are this machine.
    let limits = ServeLimits::default().with_connections(256, 256);
    let service: Router = receiver.router();
    serve(listener, service, limits, Stop::never()).await?;
    Ok(())
}

/// A server in a process of its own, with a file of its own.
struct Server {
    address: String,
    _child: Child,
    _folder: tempfile::TempDir,
}

const SIDES: [&str; 2] = ["express", "odx"];

async fn start(side: &str) -> Result<Server, Failure> {
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("events.sqlite");
    let mut command = if side == "odx" {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(&state);
        command
    } else {
        let mut command = Command::new("node");
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("express/server.js");
        command.arg(server).arg(&state).args([PATH, KEY]);
        command.env("NODE_ENV", "production");
        command
    };
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let out = child.stdout.take().ok_or("no pipe")?;
    let address = BufReader::new(out).lines().next_line().await?;
    let address = address.ok_or_else(|| {
        format!("{side} did not start; for express: run benches/express/install once")
    })?;
    Ok(Server {
        address,
        _child: child,
        _folder: folder,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn compare(args: &Args) -> Result<(), Failure> {
    let loads = [
        Load::new("1000 rows", 1000, args.batches, args.batch_senders),
        Load::new("1 row", 1, args.singles, args.senders),
        Load::new("1 row, one sender", 1, args.singles / 16, 1),
    ];
    let mut seen: Vec<Vec<Seen>> = vec![Vec::new(); loads.len() * SIDES.len()];
    for round in 1..=args.rounds.max(1) {
        for (number, load) in loads.iter().enumerate() {
            // In turn, so that a slow minute of the machine hits both.
            for (side, name) in SIDES.iter().enumerate() {
                let server = start(name).await?;
                let one = load.run(&server.address, PATH, KEY)?;
                eprintln!("round {round}, {}, {name}: {one}", load.name());
                if let Some(list) = seen.get_mut(number * SIDES.len() + side) {
                    list.push(one);
                }
            }
        }
    }
    println!(
        "{:<18} {:<8} {:>11} {:>7} {:>9} {:>9}",
        "deliveries of", "by", "requests/s", "ratio", "p50 ms", "p99 ms"
    );
    for (number, load) in loads.iter().enumerate() {
        let of = |side: usize| {
            seen.get(number * SIDES.len() + side)
                .map(|list| load::middle(list))
        };
        let (Some(plain), Some(ours)) = (of(0), of(1)) else {
            continue;
        };
        for (name, one) in [("express", plain), ("odx", ours)] {
            let ratio = one.rate / plain.rate;
            println!(
                "{:<18} {name:<8} {:>11.0} {ratio:>6.2}x {:>9.2} {:>9.2}",
                load.name(),
                one.rate,
                one.p50,
                one.p99
            );
        }
    }
    Ok(())
}
