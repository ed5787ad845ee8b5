//! What is told of a run: on standard error, and for whoever runs it as a service
//! also in files, a day each. No patient data ever comes here.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use odx_core::clock::{Clock as _, SystemClock};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::section::Section;

/// So many days are kept, unless the file says otherwise.
const KEEP: u32 = 14;

/// A checked `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFiles {
    folder: PathBuf,
    /// `<stem>.<day>.<extension>`
    stem: String,
    extension: String,
    keep: usize,
}

impl LogFiles {
    /// Of this name, beside the state unless it says where.
    pub(crate) fn beside(state: &Path, file: &Path, keep: u32) -> Option<Self> {
        let home = state.parent().unwrap_or_else(|| Path::new(""));
        let path = home.join(file);
        let text = |part: Option<&std::ffi::OsStr>| part?.to_str().map(str::to_owned);
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        Some(Self {
            folder: folder.unwrap_or_else(|| Path::new(".")).to_owned(),
            stem: text(path.file_stem())?,
            extension: text(path.extension()).unwrap_or_else(|| "log".to_owned()),
            keep: usize::try_from(keep).ok()?,
        })
    }

    /// Those of a program whose file says nothing of them.
    pub(crate) fn default_for(program: &str, state: &Path) -> Option<Self> {
        Self::beside(state, Path::new(&format!("{program}.log")), KEEP)
    }
}

/// Reads `[log]`.
pub(crate) fn read(section: Section<'_, '_>, state: &Path) -> Option<LogFiles> {
    let file = section.required("file", "a name such as \"odx.log\", beside the state");
    let keep = section.number("keep", 1..=3660).unwrap_or(KEEP);
    let files = file.and_then(|(file, at)| {
        let files = LogFiles::beside(state, Path::new(&file), keep);
        if files.is_none() {
            section.wrong(&at, "file", "names no file");
        }
        files
    });
    section.finish();
    files
}

/// Where lines go once the configuration was read and names files.
static FILES: OnceLock<RollingFileAppender> = OnceLock::new();

/// The files, or nowhere as long as there are none.
struct Files;

impl<'a> MakeWriter<'a> for Files {
    type Writer = Box<dyn io::Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        match FILES.get() {
            Some(files) => Box::new(files.make_writer()),
            None => Box::new(io::sink()),
        }
    }
}

fn filter(level: LevelFilter) -> EnvFilter {
    EnvFilter::builder()
        .with_default_directive(level.into())
        .from_env_lossy()
}

/// Standard error shows errors, files what `RUST_LOG` asks for or warnings.
pub(crate) fn begin() {
    tracing_subscriber::registry()
        .with(
            fmt::layer()
                .with_writer(io::stderr)
                .with_filter(filter(LevelFilter::ERROR)),
        )
        .with(
            fmt::layer()
                .with_ansi(false)
                .with_writer(Files)
                .with_filter(filter(LevelFilter::WARN)),
        )
        .init();
}

/// Writes into these files from now on as well.
pub(crate) fn into(files: &LogFiles) -> Result<(), String> {
    let appender = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(&files.stem)
        .filename_suffix(&files.extension)
        .max_log_files(files.keep)
        .build(&files.folder)
        .map_err(|_| {
            format!(
                "no log can be written in {}: let this account write there, or name another place in [log]",
                files.folder.display()
            )
        })?;
    // A second time the first ones stay.
    drop(FILES.set(appender));
    Ok(())
}

/// Keeps a line that was shown.
pub(crate) fn keep(line: &str) {
    if let Some(files) = FILES.get() {
        let at = SystemClock.now().format("%Y-%m-%dT%H:%M:%S%.3fZ");
        // A disk that is full must not end a run.
        drop(writeln!(files.make_writer(), "{at} {line}"));
    }
}

/// A line on standard output.
pub(crate) fn say(line: &str) {
    println!("{line}");
    keep(line);
}

/// A line on standard error.
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
    keep(line);
}
