//! The reader process: one job as a line on its standard input, what it found as
//! lines on its standard output (`odx_dentrix::wire`). It prints nothing else, so
//! that nothing of a patient is left anywhere, and may be ended at any time.

use std::io::{self, BufRead as _, BufWriter, Read as _, StdoutLock, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use odx_dentrix::wire::{Class, Failure, FileJob, Job, OdbcJob, Said};

/// More than any job: statements and settings of one office.
const LONGEST_JOB: u64 = 4 << 20;

/// Where it panicked. The text of a panic can hold what was read.
static PLACE: Mutex<String> = Mutex::new(String::new());

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
    let mut out = BufWriter::new(io::stdout().lock());
    let read = catch_unwind(AssertUnwindSafe(|| {
        let mut say = |said| match said {
            // The last word is spoken here.
            Said::Done | Said::Failed(_) => Ok(()),
            said => write(&mut out, &said),
        };
        match job()? {
            Job::Odbc(job) => odbc(&job, &mut say),
            Job::File(job) => file(&job, &mut say),
        }
    }));
    let last = match read {
        Ok(Ok(())) => Said::Done,
        Ok(Err(failure)) => Said::Failed(failure),
        Err(_) => {
            let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
            let what = format!(
                "the reader broke at {place}: report this place, which holds nothing of a patient"
            );
            Said::Failed(Failure::new(Class::Crashed, what))
        }
    };
    match write(&mut out, &last) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn write(out: &mut BufWriter<StdoutLock<'_>>, said: &Said) -> io::Result<()> {
    serde_json::to_writer(&mut *out, said)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn job() -> Result<Job, Failure> {
    let mut line = Vec::new();
    let read = io::stdin()
        .lock()
        .take(LONGEST_JOB)
        .read_until(b'\n', &mut line);
    // What is wrong with it is not repeated: it holds a connection string.
    let job = read.ok().and_then(|_| serde_json::from_slice(&line).ok());
    job.ok_or_else(|| {
        let what =
            "the reader was given no job that it understands: install it and odx from one release";
        Failure::new(Class::Crashed, what)
    })
}

type Say<'a> = dyn FnMut(Said) -> io::Result<()> + 'a;

#[cfg(feature = "odbc")]
fn odbc(job: &OdbcJob, say: &mut Say<'_>) -> Result<(), Failure> {
    odx_dentrix::odbc::read(job, say)
}

#[cfg(not(feature = "odbc"))]
fn odbc(_: &OdbcJob, _: &mut Say<'_>) -> Result<(), Failure> {
    Err(without("odbc"))
}

#[cfg(feature = "exports")]
fn file(job: &FileJob, say: &mut Say<'_>) -> Result<(), Failure> {
    odx_dentrix::exports::read(job, say)
}

#[cfg(not(feature = "exports"))]
fn file(_: &FileJob, _: &mut Say<'_>) -> Result<(), Failure> {
    Err(without("exports"))
}

#[cfg(not(all(feature = "odbc", feature = "exports")))]
fn without(feature: &str) -> Failure {
    let what = format!(
        "this reader was built without {feature}: install one that was built with the feature of that name"
    );
    Failure::new(Class::Driver, what)
}
