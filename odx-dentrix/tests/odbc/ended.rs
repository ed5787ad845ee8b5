//! A reader ends, also where its driver does not, and what it had read by then counts
//! for nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use odx_dentrix::wire::{Class, Failure, Job, OdbcJob, Said, TIMEOUT_IGNORED};
use odx_dentrix::{Program, Reader as _};

use super::rig::{BOUND, any, ask, drivers, fails, hear, job, program, silent};
use super::server::Server;
use super::{mariadb, postgres, sqlite};
use odx_dentrix::table::Table;

#[tokio::test]
async fn a_driver_that_keeps_to_the_timeout_is_not_ended() {
    let dir = tempfile::tempdir().unwrap();
    let connection = postgres::connection(postgres::server());
    let job = OdbcJob {
        query_timeout_s: 2,
        ..job(&connection, vec![any("{call admin.sp_test_slow(60)}")])
    };
    let began = Instant::now();
    let failure = fails(&program(&drivers(dir.path())), job).await;
    assert_eq!(failure.class, Class::Timeout, "{failure:?}");
    assert_eq!(failure.state.as_deref(), Some("57014"));
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_driver_that_ignores_the_timeout_is_ended_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let connection = mariadb::connection(mariadb::server());
    let slow = vec![any("{call admin.sp_test_slow(60)}")];
    let job = OdbcJob {
        query_timeout_s: 2,
        login_timeout_s: 1,
        ..job(&connection, slow)
    };
    let began = Instant::now();
    let (read, heard) = hear(&program(&drivers(dir.path())), job).await;
    let failure = read.unwrap_err();
    assert_eq!(heard.notes, [TIMEOUT_IGNORED]);
    assert_eq!(failure.class, Class::Timeout);
    assert!(
        failure.what.contains("driver ignored odbc.query_timeout"),
        "{failure:?}"
    );
    // 1 for the connection, 2 for the statement, 5 on top.
    assert!(
        (8..30).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn the_wall_limit_ends_a_statement_without_any_timeout() {
    let office = sqlite::Office::new();
    let endless = "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) AS last_name FROM n";
    let job = OdbcJob {
        query_timeout_s: 0,
        ..job(&office.connection(), vec![any(endless)])
    };
    let began = Instant::now();
    let program = program(office.drivers()).with_wall_limit(Duration::from_secs(3));
    assert_eq!(fails(&program, job).await.class, Class::Timeout);
    assert!(began.elapsed() < Duration::from_secs(30));
}

/// A reader that does something else instead.
fn other(dir: &Path, script: &str) -> Program {
    let path = dir.join("reader");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Program::new(path).with_wall_limit(Duration::from_secs(20))
}

const NOTHING: &str = "Driver={Missing}";

#[tokio::test]
async fn a_reader_that_sleeps_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let program = other(dir.path(), "exec sleep 100").with_wall_limit(Duration::from_secs(1));
    let began = Instant::now();
    assert_eq!(
        fails(&program, job(NOTHING, Vec::new())).await.class,
        Class::Timeout
    );
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_reader_that_dies_is_told_by_how_and_not_by_what_it_printed() {
    let dir = tempfile::tempdir().unwrap();
    let dies = [
        "cat > /dev/null; echo Marchetti >&2; exit 3",
        "cat > /dev/null; echo Marchetti >&2; kill -9 $$",
        "exit 0",
    ];
    for (script, how) in dies
        .into_iter()
        .zip(["exit status: 3", "signal: 9", "exit status: 0"])
    {
        let failure = fails(&other(dir.path(), script), job(NOTHING, Vec::new())).await;
        assert_eq!(failure.class, Class::Crashed);
        assert!(failure.what.contains(how), "{failure:?}");
    }
}

#[tokio::test]
async fn a_reader_that_stops_before_the_last_line_has_read_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let table = r#"{"said":"table","table":"patients","header":["last_name"],"fields":["last_name"],"unknown":[]}"#;
    let whole =
        format!("cat > /dev/null; echo '{table}'; echo '{{\"said\":\"rows\",\"rows\":[[\"x\"]]}}'");
    let ends = [
        ("", Class::Crashed),
        (
            r#"; echo '{"said":"end","table":"patients","rows":1,"report":null}'"#,
            Class::Crashed,
        ),
        (r#"; printf '{"said":"done"}'"#, Class::Crashed),
        ("; echo Marchetti", Class::Crashed),
        (r#"; head -c 17000000 /dev/zero"#, Class::TooLarge),
    ];
    for (end, class) in ends {
        let (read, heard) = hear(
            &other(dir.path(), &format!("{whole}{end}")),
            job(NOTHING, Vec::new()),
        )
        .await;
        assert_eq!(read.unwrap_err().class, class, "{end}");
        assert_eq!(heard.rows[0].len(), 1);
    }
    let done = format!("{whole}; echo '{{\"said\":\"done\"}}'");
    assert!(
        hear(&other(dir.path(), &done), job(NOTHING, Vec::new()))
            .await
            .0
            .is_ok()
    );
}

#[tokio::test]
async fn a_reader_that_is_not_there_is_missed_by_its_path() {
    let failure = fails(
        &Program::new("/nonexistent/dentrix-reader"),
        job(NOTHING, Vec::new()),
    )
    .await;
    assert_eq!(failure.class, Class::Driver);
    assert!(
        failure.what.contains("/nonexistent/dentrix-reader"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_reader_is_given_no_more_of_the_environment_than_odbc_takes() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("env");
    let script = format!("env > {}; echo '{{\"said\":\"done\"}}'", out.display());
    let program = other(dir.path(), &script).with_variable("ODBCSYSINI", "/x");
    hear(&program, job(NOTHING, Vec::new())).await.0.unwrap();
    let env = std::fs::read_to_string(out).unwrap();
    assert!(
        env.contains("ODBCSYSINI=/x") && env.contains("PATH="),
        "{env}"
    );
    assert!(
        !env.contains("CARGO_MANIFEST_DIR") && !env.contains("HOME="),
        "{env}"
    );
}

#[tokio::test]
async fn what_the_connector_refuses_ends_the_reader() {
    let office = sqlite::Office::new();
    let patients = ask(Table::Patients, "SELECT * FROM v_patient");
    let job = Job::Odbc(job(&office.connection(), vec![patients]));
    let mut take = |said| match said {
        Said::Rows { .. } => Err(Failure::new(Class::TooLarge, "enough")),
        _ => Ok(()),
    };
    let read = program(office.drivers()).read(&job, &mut take).await;
    assert_eq!(read.unwrap_err().what, "enough");
}

#[tokio::test]
async fn a_mariadb_that_dies_while_it_answers_is_busy() {
    let dir = tempfile::tempdir().unwrap();
    let server = std::sync::Arc::new(Server::mariadb());
    let job = job(
        &mariadb::connection(&server),
        vec![
            any("SELECT last_name FROM admin.v_patient"),
            any("{call admin.sp_test_slow(60)}"),
        ],
    );
    let dies = server.clone();
    let killer = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_secs(2));
        dies.kill("-KILL");
    });
    let (read, heard) = hear(&program(&drivers(dir.path())), job).await;
    killer.await.unwrap();
    let failure = read.unwrap_err();
    assert_eq!(failure.class, Class::Busy, "{failure:?}");
    assert_eq!(
        heard.ends,
        [25],
        "the table before it was read, and does not count"
    );
}

#[tokio::test]
async fn a_postgres_that_dies_between_rows_is_busy() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::postgres();
    let job = Job::Odbc(job(
        &postgres::connection(&server),
        vec![any("SELECT * FROM admin.v_many")],
    ));
    let (mut dead, mut ended) = (false, false);
    let mut take = |said| {
        match said {
            Said::Rows { .. } if !std::mem::replace(&mut dead, true) => server.kill("-QUIT"),
            Said::End { .. } | Said::Done => ended = true,
            _ => {}
        }
        Ok(())
    };
    let program = program(&drivers(dir.path()));
    let read = tokio::time::timeout(BOUND, program.read(&job, &mut take));
    let failure = read
        .await
        .expect("it ends by itself")
        .expect_err("it was read");
    assert!(!ended, "a table that was cut off came to an end");
    silent(&failure.what);
    assert_eq!(failure.class, Class::Busy, "{failure:?}");
}
