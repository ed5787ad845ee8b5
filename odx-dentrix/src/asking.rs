//! What is asked of a database: texts from the settings, and values for their markers.

use chrono::{Days, NaiveDate, NaiveDateTime};
use odx_core::source::Extent;
use odx_core::{Error, ErrorKind, Result};

use crate::columns::Columns;
use crate::config::{Builder, OdbcSettings};
use crate::guard;
use crate::table::Table;
use crate::wire::{Job, OdbcJob, Parameter, Statement};

impl Builder {
    pub(crate) fn today(&self) -> NaiveDate {
        self.office.today(self.clock.now())
    }

    pub(crate) fn columns(&self, table: Table) -> Columns {
        let own = self.columns.get(&table).cloned();
        own.unwrap_or_else(|| Columns::default_for(table))
    }

    /// What a pass of this extent asks; of the book what changed since.
    pub(crate) fn statements(
        &self,
        settings: &OdbcSettings,
        extent: Extent,
        since: Option<NaiveDateTime>,
    ) -> Result<Vec<Statement>> {
        let today = self.today();
        let first = Parameter::Date(NaiveDate::from_ymd_opt(1980, 1, 1).unwrap_or_default());
        let last = today.checked_add_days(Days::new(5 * 366));
        let last = Parameter::Date(last.unwrap_or(today));
        let stamp = Parameter::Stamp(since);
        let mut statements = Vec::new();
        let book = settings.sql.get(&Table::Appointments);
        let in_part = match book {
            Some(sql) if since.is_some() => {
                let checked = guard::check(Table::Appointments, sql, &settings.allowed_calls)?;
                matches!(checked.markers, 1 | 3)
            }
            _ => false,
        };
        for (table, sql) in &settings.sql {
            // A procedure for all recalls of all patients is slow for the server (reference 6): only with everything.
            // And of a part of the book nobody can tell which recall is answered.
            let is_call = !sql.trim_start().to_lowercase().starts_with("select");
            if *table == Table::Recalls && extent == Extent::Changes && (is_call || in_part) {
                continue;
            }
            let checked = guard::check(*table, sql, &settings.allowed_calls)?;
            let parameters = match checked.markers {
                0 => Vec::new(),
                1 => vec![stamp],
                2 => vec![first, last],
                3 => vec![first, last, stamp],
                _ => {
                    return Err(Error::new(
                        ErrorKind::Config,
                        format!(
                            "sql.{} has more than three question marks: the first day, the last day and the time of the \
                             last change are all there is to fill in",
                            table.name()
                        ),
                    ));
                }
            };
            statements.push(Statement {
                table: *table,
                sql: checked.sql,
                parameters,
                columns: self.columns(*table),
                columns_only: false,
            });
        }
        Ok(statements)
    }
}

impl OdbcSettings {
    /// The job that asks these.
    pub(crate) fn job(&self, statements: Vec<Statement>) -> Job {
        let seconds = |wait: std::time::Duration| u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
        Job::Odbc(OdbcJob {
            connection: self.connection.clone(),
            statements,
            allowed_calls: self.allowed_calls.clone(),
            login_timeout_s: seconds(self.login_timeout),
            query_timeout_s: seconds(self.query_timeout),
            max_rows: self.max_rows,
            batch_bytes: self.batch_bytes,
            allow_tutorial: self.allow_tutorial,
        })
    }
}
