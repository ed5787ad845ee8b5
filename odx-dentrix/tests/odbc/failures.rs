//! What goes wrong has the class of who must act, whatever the driver calls it.

use odx_dentrix::columns::BadHeader;
use odx_dentrix::table::Table;
use odx_dentrix::wire::{Class, Failure, OdbcJob, Said, Statement};

use super::rig::{any, ask, bare, day, drivers, fails, job, program, silent};
use super::{mariadb, postgres, sqlite};

/// A query with a name in it, which a driver's own text would repeat.
fn literal(sql: &str) -> Vec<Statement> {
    vec![any(&sql.replace("{name}", "'Marchetti (801)555-0101'"))]
}

const MISSING_TABLE: &str =
    "SELECT {name} AS last_name FROM admin.v_missing WHERE last_name = {name}";
const MISSING_COLUMN: &str = "SELECT missing FROM admin.v_patient WHERE last_name = {name}";
const SYNTAX: &str = "SELECT last_name FROM FROM admin.v_patient WHERE last_name = {name}";

async fn class(drivers: &std::path::Path, job: OdbcJob) -> Class {
    let failure = fails(&program(drivers), job).await;
    assert!(
        failure.what.contains("odbc."),
        "without a setting: {failure:?}"
    );
    failure.class
}

#[tokio::test]
async fn mariadb_says_it_in_many_ways() {
    let dir = tempfile::tempdir().unwrap();
    let drivers = &drivers(dir.path());
    let server = mariadb::server();
    let connection = mariadb::connection(server);
    let cases: [(&str, &str, Class); 8] = [
        ("PWD=", "PWD=wrong-", Class::Credentials),
        ("UID=reader", "UID=nobody", Class::Credentials),
        (&format!("Port={}", server.port), "Port=1", Class::Busy),
        ("Database=admin", "Database=missing", Class::Credentials),
        ("Database=admin", "Database=TutorSQL", Class::Edition),
        ("{MariaDB Unicode}", "{Missing}", Class::Driver),
        ("{MariaDB Unicode}", "{Nobody knows}", Class::Driver),
        (
            "Driver={MariaDB Unicode}",
            "DSN=Nobody knows",
            Class::Driver,
        ),
    ];
    for (from, to, expected) in cases {
        let job = job(
            &connection.replace(from, to),
            literal("SELECT 1 AS last_name"),
        );
        assert_eq!(class(drivers, job).await, expected, "{to}");
    }
    let cases = [
        (MISSING_TABLE, Class::Object),
        (MISSING_COLUMN, Class::Object),
        (SYNTAX, Class::Guard),
        ("{call admin.sp_missing()}", Class::Object),
        ("{call admin.sp_test_nothing()}", Class::Guard),
        ("{call admin.sp_test_write()}", Class::Permission),
        ("{call admin.sp_getpatientrecalls({name})}", Class::Object),
    ];
    for (sql, expected) in cases {
        assert_eq!(
            class(drivers, job(&connection, literal(sql))).await,
            expected,
            "{sql}"
        );
    }
    let unknown = fails(
        &program(drivers),
        job(
            &connection,
            literal("{call admin.sp_getpatientrecalls({name})}"),
        ),
    )
    .await;
    assert_eq!(unknown.native, Some(-51_001), "the number is the vendor's");
}

#[tokio::test]
async fn postgres_says_it_in_many_ways() {
    let dir = tempfile::tempdir().unwrap();
    let drivers = &drivers(dir.path());
    let server = postgres::server();
    let connection = postgres::connection(server);
    let cases: [(&str, &str, Class); 5] = [
        ("PWD=", "PWD=wrong-", Class::Credentials),
        ("UID=reader", "UID=nobody", Class::Credentials),
        (&format!("Port={}", server.port), "Port=1", Class::Busy),
        ("Database=dentrixsql", "Database=missing", Class::Object),
        ("Database=dentrixsql", "Database=tutorsql", Class::Edition),
    ];
    for (from, to, expected) in cases {
        let job = job(
            &connection.replace(from, to),
            literal("SELECT 1 AS last_name"),
        );
        assert_eq!(class(drivers, job).await, expected, "{to}");
    }
    let cases = [
        (MISSING_TABLE, Class::Object),
        (MISSING_COLUMN, Class::Object),
        (SYNTAX, Class::Guard),
        ("{call admin.sp_missing()}", Class::Object),
        ("{call admin.sp_test_write()}", Class::Permission),
        (
            "SELECT notetext AS last_name FROM admin.v_notes WHERE notetext = {name}",
            Class::Permission,
        ),
        ("{call admin.sp_getpatientrecalls({name})}", Class::Object),
    ];
    for (sql, expected) in cases {
        assert_eq!(
            class(drivers, job(&connection, literal(sql))).await,
            expected,
            "{sql}"
        );
    }
}

#[tokio::test]
async fn sqlite_says_it_in_one() {
    let office = sqlite::Office::new();
    let cases = [
        (MISSING_TABLE.replace("admin.", ""), Class::Object),
        (MISSING_COLUMN.replace("admin.", ""), Class::Object),
        (SYNTAX.replace("admin.", ""), Class::Guard),
    ];
    for (sql, expected) in cases {
        assert_eq!(
            class(office.drivers(), job(&office.connection(), literal(&sql))).await,
            expected,
            "{sql}"
        );
    }
    let nowhere = "Driver={c-treeACE ODBC Driver};Database=/nonexistent/x.sqlite;NoCreat=1;";
    assert_eq!(
        class(
            office.drivers(),
            job(nowhere, literal("SELECT 1 AS last_name"))
        )
        .await,
        Class::Busy
    );
}

#[tokio::test]
async fn what_could_write_never_reaches_a_driver() {
    let office = sqlite::Office::new();
    for sql in [
        "DELETE FROM t_patient",
        "SELECT 1; DELETE FROM t_patient",
        "WITH d AS (SELECT 1) DELETE FROM t_patient",
    ] {
        assert_eq!(
            class(office.drivers(), job(&office.connection(), vec![any(sql)])).await,
            Class::Guard
        );
        assert_eq!(
            class(office.drivers(), job(&office.read_only(), vec![any(sql)])).await,
            Class::Guard
        );
    }
    let patients = ask(Table::Patients, "SELECT * FROM v_patient");
    let (read, heard) = super::rig::hear(
        &program(office.drivers()),
        job(&office.read_only(), vec![patients]),
    )
    .await;
    read.unwrap();
    assert_eq!(heard.ends, [25]);
}

#[tokio::test]
async fn columns_that_do_not_fit_are_named_and_nothing_is_read() {
    let office = sqlite::Office::new();
    let sql = "SELECT last_name, first_name, status FROM v_patient";
    let failure = fails(
        &program(office.drivers()),
        job(&office.connection(), vec![ask(Table::Patients, sql)]),
    )
    .await;
    assert_eq!(failure.class, Class::Columns);
    assert!(
        matches!(
            failure.header.as_deref(),
            Some(BadHeader::NoSuppression { .. })
        ),
        "{failure:?}"
    );
}

#[tokio::test]
async fn more_rows_than_allowed_are_refused_and_not_cut() {
    let office = sqlite::Office::new();
    let job = OdbcJob {
        max_rows: 24,
        ..job(
            &office.connection(),
            vec![ask(Table::Patients, "SELECT * FROM v_patient")],
        )
    };
    assert_eq!(class(office.drivers(), job).await, Class::TooLarge);
}

#[tokio::test]
async fn values_and_markers_have_to_be_as_many() {
    let office = sqlite::Office::new();
    let statement = Statement {
        parameters: vec![day("2025-11-01")],
        ..any("SELECT last_name FROM v_patient")
    };
    assert_eq!(
        class(office.drivers(), job(&office.connection(), vec![statement])).await,
        Class::Guard
    );
}

#[tokio::test]
async fn the_tutorial_database_is_read_where_that_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let drivers = drivers(dir.path());
    let connection = postgres::connection(postgres::server()).replace("dentrixsql", "tutorsql");
    let job = OdbcJob {
        allow_tutorial: true,
        ..job(&connection, vec![any("SELECT 'x' AS last_name")])
    };
    super::rig::hear(&program(&drivers), job).await.0.unwrap();
}

#[test]
fn a_failing_reader_prints_nothing_beside_its_lines() {
    let dir = tempfile::tempdir().unwrap();
    let drivers = drivers(dir.path());
    for connection in [
        mariadb::connection(mariadb::server()),
        postgres::connection(postgres::server()),
    ] {
        for connection in [&connection, &connection.replace("PWD=", "PWD=wrong-")] {
            let said = bare(&drivers, job(connection, literal(MISSING_TABLE)));
            let Said::Failed(Failure { what, .. }) = said.last else {
                panic!("it was read")
            };
            silent(&what);
        }
    }
}

#[test]
fn a_reader_that_breaks_tells_where_and_not_what() {
    let dir = tempfile::tempdir().unwrap();
    let drivers = drivers(dir.path());
    // The name of a column that is no UTF-8: odbc-api panics.
    let connection = postgres::connection(postgres::server()).replace("Unicode", "ANSI")
        + "ConnSettings=set client_encoding to latin1;";
    let said = bare(
        &drivers,
        job(&connection, literal("SELECT * FROM admin.v_accent")),
    );
    let Said::Failed(failure) = said.last else {
        panic!("it was read")
    };
    assert_eq!(failure.class, Class::Crashed, "{failure:?}");
    assert!(failure.what.contains(".rs:"), "{failure:?}");
    silent(&failure.what);
}
