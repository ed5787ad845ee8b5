//! The reader as a program of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::wire::{Class, Failure, Job, Said, TIMEOUT_IGNORED};

use super::Reader;

/// What ODBC finds its drivers and data sources by, and Windows itself. Nothing else
/// is handed on: an environment holds other people's secrets.
const KEPT: &[&str] = &[
    "ODBCSYSINI",
    "ODBCINI",
    "PATH",
    "LD_LIBRARY_PATH",
    "SystemRoot",
    "TEMP",
    "TMP",
];

/// A line is about 64 KiB, and more only where a single row is.
const LONGEST_LINE: u64 = 16 << 20;

/// What starting, parting and saying so may take on top of the timeouts.
const SLACK: Duration = Duration::from_secs(5);

/// Starts a program for each job, and ends it with the job. It is ended too where it
/// does not end by itself in time: what hangs in a driver listens to nothing else.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    variables: Vec<(OsString, OsString)>,
    wall_limit: Duration,
}

impl Program {
    /// The program at this path: `dentrix-reader`, of the bitness that the driver has.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            variables: Vec::new(),
            wall_limit: Duration::from_secs(300),
        }
    }

    /// Sets a variable of its environment, such as `ODBCSYSINI`, of which it is
    /// otherwise given only what ODBC takes.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Sets how long a job may take at most, whatever its own timeouts are. Default:
    /// 300 seconds.
    #[must_use]
    pub const fn with_wall_limit(mut self, limit: Duration) -> Self {
        self.wall_limit = limit;
        self
    }

    fn limit(&self, job: &Job) -> Duration {
        let Job::Odbc(job) = job else {
            return self.wall_limit;
        };
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let statements = u32::try_from(job.statements.len()).unwrap_or(u32::MAX);
        let queries = seconds(job.query_timeout_s).saturating_mul(statements);
        let all = seconds(job.login_timeout_s)
            .saturating_add(queries)
            .saturating_add(SLACK);
        // Without a timeout of its own a statement has all the time there is.
        if job.query_timeout_s == 0 {
            self.wall_limit
        } else {
            all.min(self.wall_limit)
        }
    }

    fn start(&self) -> Result<Child, Failure> {
        let mut command = Command::new(&self.path);
        command
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        // Drivers turn text into what the language of the machine can write, and fail on a name that it cannot.
        #[cfg(unix)]
        command.env("LC_ALL", "C.UTF-8");
        // A driver's words there can hold anything.
        command.stderr(Stdio::null());
        command.envs(
            KEPT.iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        );
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.spawn().map_err(|why| {
            let (path, why) = (self.path.display(), why.kind());
            Failure::new(
                Class::Driver,
                format!(
                    "the reader at {path} does not start ({why}): install dentrix-reader there"
                ),
            )
        })
    }
}

#[async_trait]
impl Reader for Program {
    async fn read(
        &self,
        job: &Job,
        take: &mut (dyn FnMut(Said) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        let mut child = self.start()?;
        let limit = self.limit(job);
        let mut ignored = false;
        let ended = tokio::time::timeout(limit, async {
            give(&mut child, job).await;
            let done = listen(&mut child, &mut ignored, take).await?;
            if done {
                Ok(())
            } else {
                Err(died(&mut child).await)
            }
        });
        let ended = ended
            .await
            .unwrap_or_else(|_| Err(late(job, limit, ignored)));
        // Already gone where all went well. What cannot be ended now is once it is dropped.
        drop(child.kill().await);
        ended
    }
}

/// A reader that does not listen says more by what follows.
async fn give(child: &mut Child, job: &Job) {
    let Some(mut stdin) = child.stdin.take() else {
        return;
    };
    let Ok(mut line) = serde_json::to_vec(job) else {
        return;
    };
    line.push(b'\n');
    drop(stdin.write_all(&line).await);
    drop(stdin.shutdown().await);
}

/// Whether it said that it was done.
async fn listen(
    child: &mut Child,
    ignored: &mut bool,
    take: &mut (dyn FnMut(Said) -> Result<(), Failure> + Send),
) -> Result<bool, Failure> {
    let Some(stdout) = child.stdout.take() else {
        return Ok(false);
    };
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    while next(&mut stdout, &mut line).await? {
        let said: Said = serde_json::from_slice(&line).map_err(|_| nonsense())?;
        match said {
            Said::Failed(failure) => return Err(failure),
            Said::Done => {
                take(Said::Done)?;
                return Ok(true);
            }
            said => {
                *ignored =
                    *ignored || matches!(&said, Said::Note { what } if what == TIMEOUT_IGNORED);
                take(said)?;
            }
        }
    }
    Ok(false)
}

/// The next whole line. One without its end is none: whoever wrote it died of it.
async fn next(stdout: &mut BufReader<ChildStdout>, line: &mut Vec<u8>) -> Result<bool, Failure> {
    line.clear();
    stdout
        .take(LONGEST_LINE)
        .read_until(b'\n', line)
        .await
        .map_err(|_| nonsense())?;
    let whole = line.last() == Some(&b'\n');
    if !whole && u64::try_from(line.len()).is_ok_and(|bytes| bytes >= LONGEST_LINE) {
        let what =
            "the reader gave a row that is longer than any: take long columns out of the settings";
        return Err(Failure::new(Class::TooLarge, what));
    }
    Ok(whole)
}

fn nonsense() -> Failure {
    let what = "the reader does not speak as it should: install it and odx from one release";
    Failure::new(Class::Crashed, what)
}

async fn died(child: &mut Child) -> Failure {
    let how = match child.wait().await {
        Ok(status) => status.to_string(),
        Err(_) => "nobody knows how".into(),
    };
    let what = format!(
        "the reader ended before it was done ({how}): if it does so again, update the driver"
    );
    Failure::new(Class::Crashed, what)
}

fn late(job: &Job, limit: Duration, ignored: bool) -> Failure {
    let seconds = limit.as_secs_f64();
    let what = match job {
        Job::Odbc(_) if ignored => format!(
            "the driver ignored odbc.query_timeout, so reading was ended after {seconds} s: read at a quieter hour, or raise \
             odbc.query_timeout and odbc.wall_limit"
        ),
        Job::Odbc(_) => format!(
            "reading was ended after {seconds} s: read at a quieter hour, or raise odbc.query_timeout and odbc.wall_limit"
        ),
        Job::File(_) => format!(
            "the report was not read within {seconds} s: raise exports.wall_limit, or leave it out"
        ),
    };
    Failure::new(Class::Timeout, what)
}
