//! A group of offices, a CRM, a folder for the state, and the program between them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use odx_core::clock::{Clock as _, SystemClock};
use odx_crm::sim::Crm;
use odx_opendental::sim::Practice;

pub const OFFICES: [&str; 7] = [
    "main-st", "elm-st", "oak-ave", "pine-rd", "lake-dr", "hill-ct", "mill-ln",
];
pub const TOKENS: [&str; 7] = [
    "token-of-main",
    "token-of-elm",
    "token-of-oak",
    "token-of-pine",
    "token-of-lake",
    "token-of-hill",
    "token-of-mill",
];
/// The path of the program's receiver.
pub const PATH: &str = "q7RbV2mXc90TkLpZq7RbV2mX";
/// The signal of `abort`, which is how a place ends the program.
pub const ABORT: i32 = 6;

/// What a test wants.
#[derive(Clone)]
pub struct Plan {
    pub seed: u64,
    pub patients: usize,
    pub offices: usize,
    pub batch: usize,
    /// The first so many offices share one CRM account.
    pub sharing: usize,
    /// More lines for each sink.
    pub sink: &'static str,
    /// From one complete listing to the next.
    pub sweep: &'static str,
    /// From one pass to the next.
    pub poll: &'static str,
    /// The offices send events, and the program receives them.
    pub receiver: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            patients: 60,
            offices: 1,
            batch: 1,
            sharing: 0,
            sink: "",
            sweep: "2s",
            poll: "200ms",
            receiver: false,
        }
    }
}

pub struct World {
    pub practices: Vec<Practice>,
    _servers: Vec<odx_opendental::sim::Server>,
    pub crm: Crm,
    _crm_server: odx_crm::sim::Server,
    pub folder: tempfile::TempDir,
    /// Which account each office writes to.
    pub accounts: Vec<usize>,
    /// Contacts that the CRM's own list of stops names.
    pub stopped: BTreeSet<String>,
}

impl World {
    pub async fn new(plan: Plan) -> Self {
        let crm = Crm::with_tokens(&TOKENS[..plan.offices]);
        let crm_server = crm.serve().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut config = format!(
            "state = {:?}\npoll = {:?}\nsweep = {:?}\nretry_max = \"500ms\"\n",
            folder.path().join("odx.sqlite").to_str().unwrap(),
            plan.poll,
            plan.sweep,
        );
        let (mut practices, mut servers, mut accounts) = (Vec::new(), Vec::new(), Vec::new());
        let now = SystemClock
            .now()
            .with_timezone(&chrono_tz::America::New_York)
            .naive_local();
        for (n, office) in OFFICES.iter().take(plan.offices).enumerate() {
            // The same PatNums in each office, and other people.
            let practice = Practice::builder(plan.seed * 100 + n as u64)
                .with_patients(plan.patients)
                .with_page_cap(20)
                .with_start(now)
                .with_keys("dev", &format!("customer{n}key"))
                .build()
                .unwrap();
            let server = practice.serve().await.unwrap();
            let account = if n < plan.sharing { 0 } else { n };
            write!(
                config,
                "[[office]]\nid = \"{office}\"\nname = \"{office}\"\ntime_zone = \"America/New_York\"\n\
                 [office.source]\nkind = \"opendental\"\nbase_urls = [{:?}]\ndeveloper_key = \"dev\"\n\
                 customer_key = \"customer{n}key\"\ninterval = \"0s\"\nevents = {}\n\
                 [office.sink]\nkind = \"rest\"\nbase_url = {:?}\ntoken = {:?}\nbatch = {}\n{}\n",
                server.base_url(),
                plan.receiver,
                crm_server.base_url().as_str(),
                TOKENS[account],
                plan.batch,
                plan.sink,
            )
            .unwrap();
            practices.push(practice);
            servers.push(server);
            accounts.push(account);
        }
        if plan.receiver {
            write!(
                config,
                "[receiver]\nlisten = \"127.0.0.1:0\"\npath = \"{PATH}\"\n"
            )
            .unwrap();
        }
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        Self {
            practices,
            _servers: servers,
            crm,
            _crm_server: crm_server,
            folder,
            accounts,
            stopped: BTreeSet::new(),
        }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("odx.sqlite")
    }

    /// The state file and what SQLite keeps beside it.
    pub fn state_files(&self) -> Vec<PathBuf> {
        ["", "-wal", "-shm"]
            .iter()
            .map(|suffix| self.folder.path().join(format!("odx.sqlite{suffix}")))
            .collect()
    }

    /// The program with these arguments, its places and rules as `failpoints` says, and
    /// what it prints in the file `log`.
    pub fn command(&self, arguments: &[&str], failpoints: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recall-sync"));
        self.dress(&mut command, failpoints);
        command
            .arg("--config")
            .arg(self.folder.path().join("config.toml"))
            .args(arguments);
        command
    }

    /// Where a command that ends in the program gets its variables and leaves its words.
    pub fn dress(&self, command: &mut Command, failpoints: &str) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        command
            .env("RUST_LOG", "error")
            .env("FAILPOINTS", failpoints)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
    }

    pub fn start(&self, arguments: &[&str], failpoints: &str) -> Child {
        self.command(arguments, failpoints).spawn().unwrap()
    }

    /// Runs the program once, to its own end or that of a place.
    pub async fn once(&self, failpoints: &str) -> End {
        let from = self.log().len();
        let mut program = self.start(&["--once"], failpoints);
        let status = ended(&mut program, Duration::from_secs(60)).await;
        End {
            status,
            text: self.log().split_off(from),
        }
    }

    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last of what the program said.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log
            .lines()
            .filter(|line| !line.contains(" TRACE "))
            .collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Creates and updates that the CRM made so far, and writes of what was there.
    pub fn writes(&self) -> (u64, u64) {
        let counts = self.crm.counts();
        (counts.creates + counts.updates, counts.identical_rewrites)
    }
}

/// How a run of the program ended.
pub struct End {
    pub status: ExitStatus,
    /// What it said.
    pub text: String,
}

impl End {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

/// Waits as long as other tasks of this test have work.
pub async fn rest(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// The end of a program that ends by itself.
pub async fn ended(program: &mut Child, within: Duration) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = program.try_wait().unwrap() {
            return status;
        }
        if began.elapsed() > within {
            kill(program);
            panic!("the program does not end");
        }
        rest(Duration::from_millis(4)).await;
    }
}

/// Ends a program as a power cut to its process would.
pub fn kill(program: &mut Child) {
    program.kill().unwrap();
    program.wait().unwrap();
}

/// Ctrl-C: how the program ended, if it did within its grace.
pub async fn interrupt(program: &mut Child) -> Option<ExitStatus> {
    let sent = Command::new("kill")
        .args(["-INT", &program.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        if let Some(status) = program.try_wait().unwrap() {
            return Some(status);
        }
        rest(Duration::from_millis(20)).await;
    }
    kill(program);
    None
}

/// A number from the environment: how much of a long recipe to run.
pub fn from_env(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
        Err(_) => default,
    }
}
