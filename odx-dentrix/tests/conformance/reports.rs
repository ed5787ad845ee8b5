//! An office that exports its reports before every pass, as a schedule would.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use odx_core::model::RecordKind;
use odx_core::testkit::SourceFault;
use odx_dentrix::table::Table;
use odx_dentrix::wire::{Class, Failure, Job, Said};
use odx_dentrix::{ExportSettings, Reader, Way};

use crate::office::Books;
use crate::rows::{self, Row};

#[derive(Clone)]
pub(crate) struct Reports(Arc<Mutex<Inner>>);

struct Inner {
    folder: tempfile::TempDir,
    rows: BTreeMap<(Table, String), Row>,
    fault: Option<SourceFault>,
    good: u64,
    reads: u64,
    printed: u32,
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reports")
    }
}

/// A report as the vendor prints one (reference 7): titles, the header, rows, totals.
fn report(rows: &BTreeMap<(Table, String), Row>, table: Table, printed: u32) -> String {
    let line = |cells: &[&str]| {
        let cells = cells
            .iter()
            .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
        cells.collect::<Vec<_>>().join(",") + "\r\n"
    };
    let header = rows::header(table);
    let (hours, minutes, seconds) = (printed / 3600 % 24, printed / 60 % 60, printed % 60);
    let day = 1 + printed / 86_400;
    let stamp = format!("Printed: 11/{day:02}/2025 {hours:02}:{minutes:02}:{seconds:02}");
    let mut text =
        line(&["Canyon View Dental"]) + &line(&[table.name()]) + &line(&[&stamp]) + "\r\n";
    text += &line(header);
    let mut count = 0;
    for ((of, _), row) in rows {
        if *of == table {
            let cell = |name: &&str| {
                row.get(*name)
                    .and_then(Option::as_deref)
                    .unwrap_or_default()
            };
            text += &line(&header.iter().map(cell).collect::<Vec<_>>());
            count += 1;
        }
    }
    write!(text, "\r\n\"Total Records: {count}\"\r\n").unwrap();
    text
}

impl Books for Reports {
    fn open() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            folder: tempfile::tempdir().unwrap(),
            rows: BTreeMap::new(),
            fault: None,
            good: 0,
            reads: 0,
            printed: 0,
        })))
    }

    fn write(&self, table: Table, id: &str, row: Row) {
        let mut inner = self.0.lock().unwrap();
        inner.rows.insert((table, id.to_owned()), row);
    }

    fn remove(&self, table: Table, id: &str) {
        self.0.lock().unwrap().rows.remove(&(table, id.to_owned()));
    }

    fn break_after(&self, good: u64, fault: Option<SourceFault>) {
        let mut inner = self.0.lock().unwrap();
        inner.good = good;
        inner.fault = fault;
    }

    fn is_broken(&self) -> bool {
        let inner = self.0.lock().unwrap();
        inner.fault.is_some() && inner.good == 0
    }

    fn reads(&self) -> u64 {
        self.0.lock().unwrap().reads
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }

    fn way(&self) -> Way {
        let mut settings = ExportSettings::new(self.0.lock().unwrap().folder.path());
        settings.settle = Duration::ZERO;
        settings.require_footer = true;
        Way::Exports(settings)
    }

    fn publish(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.printed += 1;
        for table in [Table::Patients, Table::Recalls] {
            // Over the one before, if nobody has read that.
            let name = format!("{}.csv", table.name());
            let text = report(&inner.rows, table, inner.printed);
            std::fs::write(inner.folder.path().join(name), text).unwrap();
        }
    }

    /// The book is printed for a span of days, and proves nothing of what is not on it.
    fn kinds() -> Vec<RecordKind> {
        vec![RecordKind::Patient, RecordKind::Recall]
    }

    fn can_meet(fault: SourceFault) -> bool {
        !matches!(fault, SourceFault::BadKey | SourceFault::Nonsense)
    }
}

#[async_trait]
impl Reader for Reports {
    async fn read(
        &self,
        job: &Job,
        take: &mut (dyn FnMut(Said) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        let Job::File(job) = job else {
            panic!("this office has no database");
        };
        let fault = {
            let mut inner = self.0.lock().unwrap();
            inner.reads += 1;
            let fault = if inner.good == 0 { inner.fault } else { None };
            inner.good = inner.good.saturating_sub(1);
            fault
        };
        match fault {
            Some(SourceFault::Down | SourceFault::ServerError) => {
                return Err(Failure::new(Class::Busy, "the share is away"));
            }
            Some(SourceFault::Nonsense) => {
                return Err(Failure::new(Class::NoReport, "this is no report"));
            }
            _ => {}
        }
        let mut failed = None;
        let read = odx_dentrix::exports::read(job, &mut |said| {
            if fault.is_none() && failed.is_none() {
                failed = take(said).err();
            }
            Ok(())
        });
        if fault.is_some() {
            return Err(Failure::new(Class::Crashed, "the reader broke off"));
        }
        failed.map_or(read, Err)?;
        take(Said::Done)
    }
}
