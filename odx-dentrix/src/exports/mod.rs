//! Report exports. [`read`] runs inside the reader process and takes one file
//! apart; [`Folder`] runs in the connector and never opens one to see what it says.

#![allow(
    clippy::result_large_err,
    reason = "a failure ends a whole file: it is made once"
)]

mod complete;
mod folder;
mod html;
mod pdf;
mod report;
mod sheet;
mod sniff;
mod text;

use std::io::Read as _;

pub use folder::{Folder, Looked, ReadyFile};

use crate::wire::{Class, Failure, FileJob, Said};
use sniff::Format;

/// Reads one report: which table it is, its rows, what it says about itself.
///
/// Rows are said as they are read. They count for nothing unless this ends well:
/// a file that was cut, or whose last lines count other rows, is an error after
/// them.
///
/// # Errors
/// * [`Class::NoReport`]: no file, or none that anybody could read.
/// * [`Class::Incomplete`]: it is still being written, or was cut.
/// * [`Class::TooLarge`]: it is larger than the limits, also unpacked.
/// * [`Class::Columns`]: its header does not fit, and says which column is missing.
///
/// None quotes what the file holds, but for the names of its columns.
pub fn read(
    job: &FileJob,
    say: &mut dyn FnMut(Said) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let bytes = whole(job)?;
    bytes_of(job, &bytes, say)
}

/// Reads a report that is in memory.
pub(crate) fn bytes_of(
    job: &FileJob,
    bytes: &[u8],
    say: &mut dyn FnMut(Said) -> std::io::Result<()>,
) -> Result<(), Failure> {
    if bytes.is_empty() {
        return Err(incomplete("it is empty"));
    }
    match sniff::format(bytes) {
        Format::Xlsx => sheet::xlsx(job, bytes, say),
        Format::Xls => sheet::xls(job, bytes, say),
        Format::Pdf => pdf::read(job, bytes, say),
        Format::Html => html::read(job, bytes, say),
        Format::Text => delimited(job, bytes, say),
    }
}

/// The bytes of a file that lies still.
fn whole(job: &FileJob) -> Result<Vec<u8>, Failure> {
    let gone = |_| no_report("it cannot be opened: give the service's user the right to read it");
    // A queue or a device may wait for ever once it is opened: look first.
    let before = std::fs::symlink_metadata(&job.path).map_err(gone)?;
    if !before.file_type().is_file() {
        return Err(no_report(
            "it is no plain file, and no link is followed: put the report itself there",
        ));
    }
    let max = job.max_bytes;
    let large =
        || too_large("it is larger than any report: narrow its date span, or raise max_bytes");
    if before.len() > max {
        return Err(large());
    }
    let file = std::fs::File::open(&job.path).map_err(gone)?;
    let opened = file.metadata().map_err(gone)?;
    if !opened.file_type().is_file() {
        return Err(no_report(
            "it is no plain file: put the report itself there",
        ));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(opened.len().min(max)).unwrap_or_default());
    let mut limited = file.take(max.saturating_add(1));
    limited.read_to_end(&mut bytes).map_err(gone)?;
    let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if read > max {
        return Err(large());
    }
    let after = limited.get_ref().metadata().map_err(gone)?;
    let still = read == opened.len()
        && after.len() == read
        && after.modified().ok() == before.modified().ok();
    if !still {
        return Err(incomplete("it is still being written"));
    }
    Ok(bytes)
}

fn delimited(
    job: &FileJob,
    bytes: &[u8],
    say: &mut dyn FnMut(Said) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let sniff::Text { text, damaged } = sniff::text(bytes, None, &job.encoding)?;
    text::complete(&text)?;
    let mut best = None;
    let mut first = None;
    for separator in text::SEPARATORS {
        let mut records = text::Records::new(&text, separator, damaged);
        let head = match report::head(&mut records) {
            Ok(head) => head,
            // With another separator its quotes may close.
            Err(why) => {
                first.get_or_insert(why);
                continue;
            }
        };
        let found = report::find(&head, &job.columns);
        let better = match (&found, &best) {
            (_, None) => true,
            (Some(found), Some((_, _, Some(best)))) => found.beats(best),
            (Some(_), Some((_, _, None))) => true,
            (None, Some(_)) => false,
        };
        if better {
            best = Some((separator, head, found));
        }
    }
    let Some((separator, head, found)) = best else {
        return Err(first.unwrap_or_else(report::no_header));
    };
    if job.columns_only {
        return report::say_columns(job, found, &head, say);
    }
    // What was cut may lack its header: being cut comes first.
    let Some(header) = found else {
        return Err(first.unwrap_or_else(report::no_header));
    };
    drop(head);
    let mut records = text::Records::new(&text, separator, damaged);
    report::rows(job, header, &mut records, "csv", 0, say)
}

/// Runs what others wrote and what may panic on a damaged file.
fn contained<T>(what: &str, run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(no_report(&format!(
            "{what} is damaged in a way that nothing can read: open it where it was made and save it anew"
        )))
    })
}

fn no_report(what: &str) -> Failure {
    Failure::new(
        Class::NoReport,
        format!("the report cannot be read: {what}"),
    )
}

fn incomplete(what: &str) -> Failure {
    Failure::new(
        Class::Incomplete,
        format!("the report is not whole: {what}; export it again if it does not change any more"),
    )
}

fn too_large(what: &str) -> Failure {
    Failure::new(Class::TooLarge, format!("the report is too large: {what}"))
}
