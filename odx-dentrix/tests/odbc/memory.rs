//! A large office costs the reader no more than a small one. What a driver holds by
//! itself is the driver's: of two, settings in the connection string keep it small.

use odx_dentrix::wire::Said;

use super::rig::{any, bare, drivers, job};
use super::{mariadb, postgres, sqlite};

/// Twelve columns that are read, of a patient who is invented from a number.
pub(crate) const COLUMNS: &str = "{n} AS patient_id, CONCAT('d3470065-5d1c-4b7e-9a3f-', 100000000000 + {n}) AS patient_guid, \
    CONCAT('Familyname', {n}) AS last_name, CONCAT('Given', {n}) AS first_name, '(801)555-0101' AS home_phone, \
    '(801)555-0151' AS mobile_phone, CONCAT('CH', {n}) AS chart_num, 1 AS status, '1980-02-29' AS birth_date, \
    '2025-05-06' AS last_visit_date, CONCAT('person', {n}, '@example.org') AS email, 0 AS privacy_flags";

const LIMIT_KIB: u64 = 60 << 10;

fn reads_all(driver: &str, drivers: &std::path::Path, connection: &str, sql: &str) {
    let read = bare(drivers, job(connection, vec![any(sql)]));
    assert!(matches!(read.last, Said::Done), "{driver}: {:?}", read.last);
    println!(
        "{driver}: {} rows, {} KiB at most, {:.1?}",
        read.rows, read.kib, read.took
    );
    assert_eq!(read.rows, 100_000);
    assert!(
        read.kib > 0 && read.kib < LIMIT_KIB,
        "{driver} took {} KiB",
        read.kib
    );
}

#[test]
fn a_hundred_thousand_rows_of_sqlite_take_less_than_60_mb() {
    let office = sqlite::Office::new();
    let many = COLUMNS.replace("{n}", "x");
    office.run(&format!(
        "CREATE TABLE v_many AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000) SELECT {many} FROM n"
    ));
    reads_all(
        "SQLite",
        office.drivers(),
        &office.connection(),
        "SELECT * FROM v_many",
    );
}

#[test]
fn a_hundred_thousand_rows_of_mariadb_take_less_than_60_mb() {
    let dir = tempfile::tempdir().unwrap();
    let connection = mariadb::connection(mariadb::server());
    reads_all(
        "MariaDB",
        &drivers(dir.path()),
        &connection,
        "SELECT * FROM admin.v_many",
    );
}

#[test]
fn a_hundred_thousand_rows_of_postgres_take_less_than_60_mb() {
    let dir = tempfile::tempdir().unwrap();
    let connection = postgres::connection(postgres::server());
    reads_all(
        "PostgreSQL",
        &drivers(dir.path()),
        &connection,
        "SELECT * FROM admin.v_many",
    );
}
