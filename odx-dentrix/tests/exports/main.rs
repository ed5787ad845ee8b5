//! Report exports: what the fixtures hold, what damaged and hostile files do, and
//! how a folder is watched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    clippy::result_large_err,
    reason = "tests"
)]

mod damaged;
mod fixtures;
mod folder;
mod hostile;
mod written;

use std::path::{Path, PathBuf};

use odx_dentrix::columns::Columns;
use odx_dentrix::exports;
use odx_dentrix::table::{Field, Row, Table};
use odx_dentrix::wire::{Failure, FileJob, Report, Said};

/// Where a fixture is.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A job that takes any report.
fn job(path: impl Into<PathBuf>) -> FileJob {
    FileJob {
        path: path.into(),
        columns: Table::ALL.map(Columns::default_for).to_vec(),
        encoding: "windows-1252".into(),
        max_bytes: 64 << 20,
        max_rows: 200_000,
        require_footer: false,
        columns_only: false,
    }
}

/// What was said of one report.
#[derive(Debug, Default)]
struct Told {
    table: Option<Table>,
    header: Vec<String>,
    unknown: Vec<String>,
    rows: Vec<Row>,
    unreadable: Vec<(String, String)>,
    counted: u64,
    report: Option<Report>,
}

impl Told {
    fn all(&self, field: Field) -> Vec<&str> {
        self.rows
            .iter()
            .map(|row| row.get(field).unwrap_or(""))
            .collect()
    }

    fn report(&self) -> &Report {
        self.report.as_ref().unwrap()
    }

    /// Rows, lines that could not be read, lines that are no data.
    fn lines(&self) -> u64 {
        self.rows.len() as u64 + self.unreadable.len() as u64 + self.report().other_lines
    }
}

fn read(job: &FileJob) -> Result<Told, Failure> {
    let mut told = Told::default();
    let mut fields: std::sync::Arc<[Field]> = [].into();
    exports::read(job, &mut |said| {
        match said {
            Said::Table {
                table,
                header,
                fields: bound,
                unknown,
            } => {
                assert!(told.table.is_none(), "two tables");
                (told.table, told.header, told.unknown) = (Some(table), header, unknown);
                fields = bound.into();
            }
            Said::Rows { rows } => {
                assert!(rows.len() <= 100, "a batch too large");
                for cells in rows {
                    assert_eq!(cells.len(), fields.len());
                    told.rows.push(Row::new(fields.clone(), cells));
                }
            }
            Said::Unreadable { place, why } => told.unreadable.push((place, why)),
            Said::End {
                table,
                rows,
                report,
            } => {
                assert_eq!(Some(table), told.table);
                (told.counted, told.report) = (rows, report);
            }
            Said::Note { .. } => {}
            other => panic!("not for it to say: {other:?}"),
        }
        Ok(())
    })?;
    if told.report.is_some() {
        assert_eq!(told.counted, told.rows.len() as u64);
    }
    Ok(told)
}

/// A file of these bytes, read.
fn read_bytes(bytes: &[u8], change: impl FnOnce(&mut FileJob)) -> Result<Told, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    std::fs::write(&path, bytes).unwrap();
    let mut job = job(path);
    change(&mut job);
    read(&job)
}
