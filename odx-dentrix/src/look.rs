//! Looks at the columns of an office, and reads no row.

use std::path::Path;

use odx_core::source::Extent;
use odx_core::{Error, ErrorKind};

use crate::columns::{BadHeader, Columns};
use crate::config::{Builder, ExportSettings, Way};
use crate::table::Table;
use crate::wire::{Failure, FileJob, Job, Said};

/// The columns of one table, and how they are bound as it is set now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TableColumns {
    /// How its columns are bound.
    pub columns: Columns,
    /// What they are called there.
    pub header: Vec<String>,
    /// Why it cannot be read like this. No PHI, no secret.
    pub trouble: Option<String>,
}

/// The columns of every table of an office that is read over ODBC.
///
/// # Errors
/// The office could not be asked, or is read from exports: its columns are
/// those of a file, see [`columns_of_file`].
pub async fn columns_of_office(settings: &Builder) -> odx_core::Result<Vec<TableColumns>> {
    let Way::Odbc(odbc) = &settings.way else {
        let what = "an office that is read from exports has the columns of its files: name one";
        return Err(Error::new(ErrorKind::Config, what));
    };
    let mut all = Vec::new();
    // One at a time: what does not fit ends a job.
    for mut statement in settings.statements(odbc, Extent::Everything, None)? {
        statement.columns_only = true;
        let columns = statement.columns.clone();
        let seen = ask(settings, &odbc.job(vec![statement])).await?;
        all.push(seen.table_columns(&[columns]));
    }
    Ok(all)
}

/// The columns of one report, whether or not its office is read from exports.
///
/// # Errors
/// It cannot be read, or is no report.
pub async fn columns_of_file(settings: &Builder, path: &Path) -> odx_core::Result<TableColumns> {
    let plain;
    let limits = match &settings.way {
        Way::Exports(exports) => exports,
        Way::Odbc(_) => {
            plain = ExportSettings::new(".");
            &plain
        }
    };
    let known = Table::ALL.map(|table| settings.columns(table));
    let job = Job::File(FileJob {
        path: path.to_owned(),
        columns: known.to_vec(),
        encoding: limits.encoding.clone(),
        max_bytes: limits.max_bytes,
        max_rows: u64::MAX,
        require_footer: false,
        columns_only: true,
    });
    let seen = ask(settings, &job).await?;
    Ok(seen.table_columns(&known))
}

/// What a reader said of columns.
#[derive(Default)]
struct Seen {
    table: Option<Table>,
    header: Vec<String>,
    bad: Option<BadHeader>,
}

impl Seen {
    fn table_columns(self, known: &[Columns]) -> TableColumns {
        let named = match &self.bad {
            Some(
                BadHeader::Missing { table, .. }
                | BadHeader::NoSuppression { table, .. }
                | BadHeader::Ambiguous { table, .. },
            ) => Some(*table),
            None => self.table,
        };
        let mut by_name = known.iter();
        let columns = by_name
            .find(|columns| Some(columns.table) == named)
            .or_else(|| {
                known
                    .iter()
                    .max_by_key(|columns| columns.hits(&self.header))
            })
            .cloned()
            .unwrap_or_else(|| Columns::default_for(Table::Patients));
        TableColumns {
            columns,
            header: self.header,
            trouble: self.bad.map(|bad| bad.to_string()),
        }
    }
}

/// Columns that do not fit are an answer; everything else that fails is not.
async fn ask(settings: &Builder, job: &Job) -> Result<Seen, Failure> {
    let mut seen = Seen::default();
    let mut failed = None;
    let ended = settings
        .reader
        .read(job, &mut |said| {
            match said {
                Said::Table { table, header, .. } => {
                    seen.table = Some(table);
                    seen.header = header;
                }
                Said::Failed(failure) => failed = Some(failure),
                _ => {}
            }
            Ok(())
        })
        .await;
    let Some(failure) = ended.err().or(failed) else {
        return Ok(seen);
    };
    match failure.header.clone() {
        Some(bad) => {
            if let BadHeader::Missing { found, .. } | BadHeader::NoSuppression { found, .. } = &*bad
                && seen.header.is_empty()
            {
                seen.header.clone_from(found);
            }
            seen.bad = Some(*bad);
            Ok(seen)
        }
        None => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use odx_core::{Office, OfficeId, Secret, SourceId};

    use super::*;
    use crate::config::{OdbcSettings, SYSTEM};
    use crate::reader::Reader;
    use crate::source::Dentrix;

    /// Knows one header, and binds it as a reader would.
    #[derive(Debug)]
    struct Known(Vec<&'static str>, Mutex<Vec<(Table, usize)>>);

    #[async_trait]
    impl Reader for Known {
        async fn read(
            &self,
            job: &Job,
            take: &mut (dyn FnMut(Said) -> Result<(), Failure> + Send),
        ) -> Result<(), Failure> {
            let header: Vec<String> = self.0.iter().map(|name| (*name).to_owned()).collect();
            let columns = match job {
                Job::Odbc(job) => {
                    let statement = &job.statements[0];
                    assert!(statement.columns_only);
                    let asked = (statement.table, statement.parameters.len());
                    self.1.lock().unwrap().push(asked);
                    &statement.columns
                }
                Job::File(job) => {
                    assert!(job.columns_only);
                    &job.columns[1]
                }
            };
            let binding = columns.bind(&header)?;
            take(Said::Table {
                table: columns.table,
                header,
                fields: binding.fields,
                unknown: binding.unknown,
            })?;
            take(Said::Done)
        }
    }

    fn office(way: Way, header: &[&'static str]) -> (Builder, Arc<Known>) {
        let reader = Arc::new(Known(header.to_vec(), Mutex::default()));
        let office = Office::new(
            OfficeId::new("main-st").unwrap(),
            "Main Street Dental",
            chrono_tz::America::New_York,
        );
        let id = SourceId::new(SYSTEM, "main-st").unwrap();
        (Dentrix::builder(id, office, way, reader.clone()), reader)
    }

    #[tokio::test]
    async fn every_table_is_asked_for_its_columns_and_none_for_rows() {
        let way = Way::Odbc(OdbcSettings::new(Secret::new("UID=c4nary")));
        let (builder, reader) = office(way, &["patient_id", "due_date", "recall_type"]);
        let looked = columns_of_office(&builder).await.unwrap();
        let asked = reader.1.lock().unwrap().clone();
        assert_eq!(
            asked,
            [
                (Table::Patients, 0),
                (Table::Recalls, 0),
                (Table::Appointments, 3)
            ]
        );
        assert_eq!(looked[1].columns.table, Table::Recalls);
        assert_eq!(looked[1].trouble, None);
        // What does not fit is an answer: it is what was asked for.
        assert_eq!(looked[0].header, ["patient_id", "due_date", "recall_type"]);
        assert!(looked[0].trouble.is_some());
    }

    #[tokio::test]
    async fn a_report_is_looked_at_with_the_names_that_are_set() {
        let way = Way::Exports(ExportSettings::new("C:\\Exports"));
        let (builder, _) = office(way, &["Patient Name", "Type", "Fällig"]);
        let looked = columns_of_file(&builder, Path::new("recall.csv"))
            .await
            .unwrap();
        assert!(looked.trouble.unwrap().contains("due_date"));
        assert_eq!(looked.header.len(), 3);
        let mut columns = Columns::default_for(Table::Recalls);
        let names = columns.names.get_mut(&crate::table::Field::DueDate);
        names.unwrap().insert(0, "Fällig".to_owned());
        let looked = columns_of_file(&builder.with_columns(columns), Path::new("recall.csv"))
            .await
            .unwrap();
        assert_eq!(looked.trouble, None);
    }

    #[tokio::test]
    async fn an_office_of_exports_has_no_columns_without_a_file() {
        let (builder, _) = office(Way::Exports(ExportSettings::new("C:\\Exports")), &[]);
        let why = columns_of_office(&builder).await.unwrap_err();
        assert!(why.to_string().contains("name one"), "{why}");
    }
}
