//! Reads tables over ODBC, in the reader's own process: what hangs or crashes in a
//! driver ends there.
//!
//! Statements run one after another on one connection that is opened for the job
//! and closed with it, in autocommit and forward only, which are ODBC's defaults.

mod failure;
mod rows;

use std::io;

use odbc_api::{Connection, ConnectionOptions, Environment};

use crate::guard;
use crate::wire::{Class, Failure, OdbcJob, Said};

use self::failure::Doing;
use self::rows::Question;

/// Does the job: every table, or a failure. Whoever called says whether it is done.
///
/// # Errors
/// What is wrong and what mends it, in our own words: a driver's may hold what it
/// was sent. `say` failing is one too: nobody listens.
pub fn read(job: &OdbcJob, say: &mut dyn FnMut(Said) -> io::Result<()>) -> Result<(), Failure> {
    let questions = job.statements.iter().map(|statement| {
        let checked = guard::check(statement.table, &statement.sql, &job.allowed_calls)?;
        let (markers, values) = (checked.markers, statement.parameters.len());
        if markers != values {
            let name = statement.table.name();
            let what = format!("odbc.sql.{name} has {markers} markers where {values} values are given: write as many ? as that");
            return Err(Failure::new(Class::Guard, what));
        }
        Ok(Question { statement, sql: checked.sql })
    });
    let questions: Vec<_> = questions.collect::<Result<_, _>>()?;

    // Without asking it, where the string itself says so.
    if !job.allow_tutorial && job.connection.expose().to_lowercase().contains(TUTORIAL) {
        return Err(tutorial());
    }
    let environment = Environment::new().map_err(|_| {
        let what = "there is no ODBC on this machine that works: install its driver manager";
        Failure::new(Class::Driver, what)
    })?;
    let options = ConnectionOptions {
        login_timeout_sec: Some(job.login_timeout_s),
        packet_size: None,
    };
    let connection = environment
        .connect_with_connection_string(job.connection.expose(), options)
        .map_err(|why| Doing::Connecting(job).failure(&why))?;

    let asked = product(&connection, job).and_then(|()| {
        let mut timeout = rows::Timeout::new(job.query_timeout_s);
        questions
            .iter()
            .try_for_each(|question| rows::read(&connection, question, job, &mut timeout, say))
    });
    if asked.is_err() {
        // What a driver holds after a failure may not close without another, on which odbc-api panics. The process ends
        // here, and takes it along.
        std::mem::forget(connection);
        std::mem::forget(environment);
    }
    asked
}

const TUTORIAL: &str = "tutorsql";

fn tutorial() -> Failure {
    let what = "this is TutorSQL, the tutorial database, whose patients are made up: put Database=DentrixSQL into odbc.connection";
    Failure::new(Class::Edition, what)
}

/// The product that this crate reads, and its live database.
fn product(connection: &Connection<'_>, job: &OdbcJob) -> Result<(), Failure> {
    // Not every driver has names or catalogs.
    let name = connection
        .database_management_system_name()
        .unwrap_or_default();
    let catalog = connection.current_catalog().unwrap_or_default();
    edition(&name, &catalog, job.allow_tutorial)
}

fn edition(name: &str, catalog: &str, allow_tutorial: bool) -> Result<(), Failure> {
    if name.to_lowercase().contains("sql server") {
        let what = "this is SQL Server, so Dentrix Enterprise, which is read through its own interface: set another source";
        return Err(Failure::new(Class::Edition, what));
    }
    if !allow_tutorial && catalog.trim().eq_ignore_ascii_case(TUTORIAL) {
        return Err(tutorial());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_product_and_made_up_patients_are_refused() {
        let refused =
            |name, catalog, allow| edition(name, catalog, allow).err().map(|why| why.class);
        assert_eq!(
            refused("Microsoft SQL Server", "Dentrix", true),
            Some(Class::Edition)
        );
        assert_eq!(
            refused("c-treeACE", "TutorSQL  ", false),
            Some(Class::Edition)
        );
        assert_eq!(refused("c-treeACE", "TUTORSQL", true), None);
        assert_eq!(refused("c-treeACE", "DentrixSQL", false), None);
    }
}
