//! `benches`: whole syncs through odx and through a plain loop, side by side.
//!
//! The same practice and the same CRM answer both, from a process of their own,
//! so that what is counted is the client alone: CPU time of the process, its
//! peak memory, the requests it made and the records it wrote.

mod measure;
mod odx;
mod plain;
mod servers;
mod table;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::{Parser, Subcommand};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::measure::Cost;
use crate::table::Line;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Compares whole syncs: odx beside a loop of reqwest, serde and rusqlite that
/// does the same reads and writes with none of the guarantees.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// How many patients; as many recalls.
    #[arg(long, default_value = "20000", value_delimiter = ',')]
    people: Vec<u32>,
    /// Records per write request.
    #[arg(long, default_value = "100,1", value_delimiter = ',')]
    batch: Vec<usize>,
    /// How often everything is done. The table shows medians.
    #[arg(long, default_value = "1")]
    times: usize,
}

#[derive(Subcommand)]
enum Part {
    /// The practice and the CRM, until standard input ends.
    #[command(hide = true)]
    Serve {
        /// How many patients.
        people: u32,
    },
    /// One sync.
    #[command(hide = true)]
    Sync {
        /// `odx` or `plain`.
        who: Who,
        /// Where practice and CRM answer.
        url: String,
        /// The state file.
        state: PathBuf,
        /// Records per write request.
        batch: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Who {
    Odx,
    Plain,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    match args.part {
        Some(Part::Serve { people }) => servers::run(people),
        Some(Part::Sync {
            who,
            url,
            state,
            batch,
        }) => {
            match who {
                Who::Odx => odx::sync(&url, &state, batch)?,
                Who::Plain => plain::sync(&url, &state, batch)?,
            }
            println!("{}", serde_json::to_string(&measure::so_far()?)?);
            Ok(())
        }
        None => compare(&args),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn compare(args: &Args) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for &people in &args.people {
        let mut practice = Practice::start(people).await?;
        for &batch in &args.batch {
            for _ in 0..args.times {
                // In turn, so that a slow minute of the machine hits both.
                for who in [Who::Plain, Who::Odx] {
                    let folder = tempfile::tempdir()?;
                    let state = folder.path().join("state.sqlite");
                    for round in 0..3 {
                        let cost = one(who, &practice.url, &state, batch).await?;
                        let (requests, writes) = practice.counted().await?;
                        let line = Line {
                            people,
                            batch,
                            who: match who {
                                Who::Odx => "odx",
                                Who::Plain => "plain loop",
                            },
                            round,
                            cost,
                            requests,
                            writes,
                        };
                        eprintln!("{}", line.brief());
                        lines.push(line);
                    }
                }
            }
        }
    }
    print!("{}", table::render(&lines));
    Ok(())
}

async fn one(who: Who, url: &str, state: &Path, batch: usize) -> Result<Cost, Failure> {
    let who = if who == Who::Odx { "odx" } else { "plain" };
    let done = Command::new(std::env::current_exe()?)
        .args(["sync", who, url])
        .arg(state)
        .arg(batch.to_string())
        .stderr(Stdio::inherit())
        .output()
        .await?;
    if !done.status.success() {
        return Err(format!("{who} failed").into());
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// The other side, in a process of its own.
struct Practice {
    url: String,
    ask: ChildStdin,
    answers: tokio::io::Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Practice {
    async fn start(people: u32) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", &people.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (ask, out) = (child.stdin.take(), child.stdout.take());
        let (Some(ask), Some(out)) = (ask, out) else {
            return Err("no pipes".into());
        };
        let mut answers = BufReader::new(out).lines();
        let url = answers.next_line().await?.ok_or("the practice is gone")?;
        Ok(Self {
            url,
            ask,
            answers,
            _child: child,
        })
    }

    /// Requests and records written since it was last asked.
    async fn counted(&mut self) -> Result<(u64, u64), Failure> {
        self.ask.write_all(b"\n").await?;
        let line = self
            .answers
            .next_line()
            .await?
            .ok_or("the practice is gone")?;
        Ok(serde_json::from_str(&line)?)
    }
}
