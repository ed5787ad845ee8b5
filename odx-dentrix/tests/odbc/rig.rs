//! Drivers, jobs, and what the reader says of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime};
use odx_core::Secret;
use odx_dentrix::columns::Columns;
use odx_dentrix::table::{Field, Table};
use odx_dentrix::wire::{Failure, Job, OdbcJob, Parameter, Said, Statement};
use odx_dentrix::{Program, Reader};

pub(crate) const READER: &str = env!("CARGO_BIN_EXE_dentrix-reader");

/// Of the user that reads. Nothing may ever print it.
pub(crate) const PASSWORD: &str = "canary-Pw-7531";

/// What else nothing but a row may hold: names, numbers, mail, the password.
const CANARIES: &[&str] = &[
    PASSWORD,
    "Marchetti",
    "Okafor",
    "Nguy",
    "555-01",
    "example.",
    "000-00",
];

/// Longer than anything here takes, also on a machine that is busy.
pub(crate) const BOUND: Duration = Duration::from_secs(120);

/// Where ODBC looks for drivers, of its own: nothing of the system changes.
pub(crate) fn drivers(dir: &Path) -> PathBuf {
    let library = |name: &str| {
        let places = ["x86_64-linux-gnu/odbc", "aarch64-linux-gnu/odbc", "odbc"]
            .map(|place| Path::new("/usr/lib").join(place).join(name));
        let found = places.into_iter().find(|place| place.is_file());
        found.unwrap_or_else(|| {
            panic!("{name} is missing: run scripts/setup, which installs the ODBC drivers")
        })
    };
    let sections = [
        ("c-treeACE ODBC Driver", library("libsqlite3odbc.so")),
        ("MariaDB Unicode", library("libmaodbc.so")),
        ("PostgreSQL Unicode", library("psqlodbcw.so")),
        ("PostgreSQL ANSI", library("psqlodbca.so")),
        ("Missing", "/nonexistent/driver.so".into()),
    ];
    let text: String = sections
        .iter()
        .map(|(name, path)| format!("[{name}]\nDriver={}\n\n", path.display()))
        .collect();
    std::fs::write(dir.join("odbcinst.ini"), text).unwrap();
    dir.to_owned()
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

pub(crate) fn ask(table: Table, sql: &str) -> Statement {
    let columns = Columns::default_for(table);
    Statement {
        table,
        sql: sql.into(),
        parameters: Vec::new(),
        columns,
        columns_only: false,
    }
}

pub(crate) fn day(text: &str) -> Parameter {
    Parameter::Date(text.parse::<NaiveDate>().unwrap())
}

pub(crate) fn stamp(text: &str) -> Parameter {
    Parameter::Stamp(Some(text.parse::<NaiveDateTime>().unwrap()))
}

/// Columns that every table can be asked for when only its failing matters.
pub(crate) fn any_columns() -> Columns {
    Columns {
        required: Vec::new(),
        suppression: Vec::new(),
        ..Columns::default_for(Table::Patients)
    }
}

pub(crate) fn any(sql: &str) -> Statement {
    Statement {
        columns: any_columns(),
        ..ask(Table::Patients, sql)
    }
}

pub(crate) fn job(connection: &str, statements: Vec<Statement>) -> OdbcJob {
    let calls = [
        "getallpatientrecalls",
        "getpatientrecalls",
        "appointments",
        "test_slow",
        "test_nothing",
        "test_write",
        "missing",
    ];
    OdbcJob {
        connection: Secret::new(connection.to_owned()),
        statements,
        allowed_calls: calls.map(|name| format!("admin.sp_{name}")).to_vec(),
        login_timeout_s: 10,
        query_timeout_s: 60,
        max_rows: 200_000,
        batch_bytes: 4 << 20,
        allow_tutorial: false,
    }
}

/// What the reader said, in the order of the tables.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) tables: Vec<Table>,
    pub(crate) headers: Vec<Vec<String>>,
    pub(crate) fields: Vec<Vec<Field>>,
    pub(crate) rows: Vec<Vec<Vec<Option<String>>>>,
    pub(crate) ends: Vec<u64>,
    pub(crate) notes: Vec<String>,
    pub(crate) done: bool,
}

impl Heard {
    pub(crate) fn take(&mut self, said: Said) {
        match said {
            Said::Table {
                table,
                header,
                fields,
                ..
            } => {
                self.tables.push(table);
                self.headers.push(header);
                self.fields.push(fields);
                self.rows.push(Vec::new());
            }
            Said::Rows { rows } => self.rows.last_mut().unwrap().extend(rows),
            Said::End { rows, .. } => self.ends.push(rows),
            Said::Note { what } => {
                silent(&what);
                self.notes.push(what);
            }
            Said::Done => self.done = true,
            Said::Unreadable { .. } | Said::Failed(_) => panic!("not from a database"),
        }
    }

    /// A column of the first table.
    pub(crate) fn column(&self, field: Field) -> Vec<Option<&str>> {
        let place = self.fields[0]
            .iter()
            .position(|known| *known == field)
            .unwrap();
        self.rows[0]
            .iter()
            .map(|row| row[place].as_deref())
            .collect()
    }
}

/// Nothing of a patient, and no secret.
pub(crate) fn silent(text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} was told: {text}");
    }
}

pub(crate) fn program(drivers: &Path) -> Program {
    Program::new(READER)
        .with_variable("ODBCSYSINI", drivers)
        .with_wall_limit(BOUND)
}

pub(crate) async fn hear(program: &Program, job: OdbcJob) -> (Result<(), Failure>, Heard) {
    let mut heard = Heard::default();
    let job = Job::Odbc(job);
    let mut take = |said| {
        heard.take(said);
        Ok(())
    };
    let read = tokio::time::timeout(BOUND, program.read(&job, &mut take))
        .await
        .expect("it ends by itself");
    if let Err(failure) = &read {
        silent(&failure.what);
        assert!(!heard.done, "a job that failed was done");
    }
    (read, heard)
}

pub(crate) async fn fails(program: &Program, job: OdbcJob) -> Failure {
    hear(program, job).await.0.expect_err("it was read")
}

/// The program itself, without the connector: what it prints besides, and the most
/// memory that it had.
pub(crate) struct Bare {
    pub(crate) rows: u64,
    pub(crate) last: Said,
    pub(crate) kib: u64,
    pub(crate) took: Duration,
}

pub(crate) fn bare(drivers: &Path, job: OdbcJob) -> Bare {
    let began = std::time::Instant::now();
    let mut command = Command::new(READER);
    command
        .env_clear()
        .env("ODBCSYSINI", drivers)
        .env("LC_ALL", "C.UTF-8");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = serde_json::to_vec(&Job::Odbc(job)).unwrap();
    line.push(b'\n');
    child.stdin.take().unwrap().write_all(&line).unwrap();
    let status = format!("/proc/{}/status", child.id());
    let peak = move || {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok())
    };
    // Between the lines too: a driver may hold all rows before the first is told.
    let watch = std::thread::spawn(move || {
        let mut most = 0;
        while let Some(kib) = peak() {
            most = kib.max(most);
            std::thread::sleep(Duration::from_millis(2));
        }
        most
    });
    let (mut rows, mut last) = (0, None);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let said: Said = serde_json::from_str(&line.unwrap()).unwrap();
        if let Said::Rows { rows: some } = &said {
            rows += u64::try_from(some.len()).unwrap();
        }
        last = Some(said);
    }
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(stderr, "", "it prints on standard error");
    assert!(child.wait().unwrap().success());
    Bare {
        rows,
        last: last.unwrap(),
        kib: watch.join().unwrap(),
        took: began.elapsed(),
    }
}
