//! The adapter passes the checks that every adapter passes, against an office whose rows are in memory and
//! against one that exports them.
//!
//! What differs here: rows carry no id of a recall, so a recall is known by its patient and its continuing care type;
//! the office below writes each recall with a type of its own and gives it back under the name that the checks gave it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

mod office;
#[cfg(feature = "exports")]
mod reports;
mod rows;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use odx_core::testkit::SourceFault;
use odx_dentrix::Reader;
use odx_dentrix::columns::Binding;
use odx_dentrix::table::Table;
use odx_dentrix::wire::{Class, Failure, Job, Said};

use office::{Books, Office};

/// Rows in memory, and what is wrong with the way to them.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    rows: std::collections::BTreeMap<(Table, String), rows::Row>,
    fault: Option<SourceFault>,
    /// So many reads are good before the fault.
    good: u64,
    reads: u64,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Books for Memory {
    fn open() -> Self {
        Self::default()
    }

    fn write(&self, table: Table, id: &str, row: rows::Row) {
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
}

#[async_trait]
impl Reader for Memory {
    async fn read(
        &self,
        job: &Job,
        take: &mut (dyn FnMut(Said) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        let Job::Odbc(job) = job else {
            panic!("this office exports nothing");
        };
        let mut inner = self.0.lock().unwrap();
        inner.reads += 1;
        let fault = if inner.good == 0 { inner.fault } else { None };
        inner.good = inner.good.saturating_sub(1);
        match fault {
            Some(SourceFault::Down | SourceFault::ServerError) => {
                return Err(Failure::new(Class::Busy, "the server does not answer"));
            }
            Some(SourceFault::BadKey) => {
                return Err(Failure::new(Class::Credentials, "the login is refused"));
            }
            Some(SourceFault::Nonsense) => {
                return Err(Failure::new(Class::NoReport, "this is no table"));
            }
            _ => {}
        }
        for statement in &job.statements {
            let header: Vec<String> = rows::header(statement.table)
                .iter()
                .map(|name| (*name).to_owned())
                .collect();
            let Binding {
                fields,
                places,
                unknown,
            } = statement.columns.bind(&header)?;
            take(Said::Table {
                table: statement.table,
                header: header.clone(),
                fields,
                unknown,
            })?;
            let mut said = 0;
            for ((table, _), row) in &inner.rows {
                if *table != statement.table || statement.columns_only {
                    continue;
                }
                if fault.is_some() && said > 2 {
                    return Err(Failure::new(Class::Crashed, "the connection broke off"));
                }
                let cell = |place: &usize| row.get(header[*place].as_str()).cloned().flatten();
                take(Said::Rows {
                    rows: vec![places.iter().map(cell).collect()],
                })?;
                said += 1;
            }
            if fault.is_some() {
                return Err(Failure::new(Class::Crashed, "the connection broke off"));
            }
            take(Said::End {
                table: statement.table,
                rows: said,
                report: None,
            })?;
        }
        take(Said::Done)
    }
}

odx_core::source_conformance!(Office<Memory>);

#[cfg(feature = "exports")]
mod exported {
    use crate::office::Office;
    use crate::reports::Reports;

    odx_core::source_conformance!(Office<Reports>);
}
