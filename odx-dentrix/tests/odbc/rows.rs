//! The office of the fixtures arrives as it is, over each driver.

use odx_dentrix::table::{Field, Table};
use odx_dentrix::wire::{OdbcJob, Parameter, Statement};

use super::rig::{Heard, any, ask, day, drivers, hear, job, program, stamp};
use super::{mariadb, postgres, sqlite};

const PATIENTS: &str = "SELECT * FROM {owner}v_patient ORDER BY patient_id";

const RECALLS: &str = "{call admin.sp_getallpatientrecalls()}";
const APPOINTMENTS: &str = "{call admin.sp_appointments(?,?,?)}";

fn appointments(since: Parameter) -> Statement {
    let parameters = vec![day("2025-11-01"), day("2025-12-31"), since];
    Statement {
        parameters,
        ..ask(Table::Appointments, APPOINTMENTS)
    }
}

/// Everything that the fixtures' README says of them.
fn is_the_office(heard: &Heard, appointments: &[u64]) {
    assert_eq!(heard.ends[..2], [25, 27]);
    assert_eq!(&heard.ends[2..], appointments);
    assert!(heard.done);
    for (rows, end) in heard.rows.iter().zip(&heard.ends) {
        assert_eq!(u64::try_from(rows.len()).unwrap(), *end);
    }
    // Padded in the database, and not here.
    let charts = heard.column(Field::Chart);
    assert!(
        charts.contains(&Some("MA0102")) && charts.contains(&Some("000105")),
        "{charts:?}"
    );
    let names = heard.column(Field::LastName);
    for name in [
        "Núñez",
        "Nguyễn",
        "D’Angelo",
        "O'Connor-Smythe",
        "Müller",
        "Fernández Ruiz",
    ] {
        assert!(
            names.contains(&Some(name)),
            "{name} is missing from {names:?}"
        );
    }
    let [tina, ..] = ["Thảo"];
    assert!(heard.column(Field::FirstName).contains(&Some(tina)));
    assert!(
        heard.column(Field::Email).contains(&None),
        "no e-mail is none"
    );
    assert!(
        heard.column(Field::WorkPhone).contains(&Some("")),
        "an empty phone is empty"
    );
    assert!(heard.column(Field::BirthDate).contains(&Some("2012-06-05")));
    assert_eq!(
        heard
            .column(Field::Privacy)
            .iter()
            .filter(|flags| **flags == Some("63"))
            .count(),
        1
    );
    let place = |field| {
        heard.fields[1]
            .iter()
            .position(|known| *known == field)
            .unwrap()
    };
    let (kind, due) = (place(Field::RecallType), place(Field::DueDate));
    let kinds: Vec<_> = heard.rows[1]
        .iter()
        .filter_map(|row| row[kind].as_deref())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "PERIO").count(),
        2,
        "{kinds:?}"
    );
    assert_eq!(
        heard.rows[1]
            .iter()
            .filter(|row| row[due].is_none())
            .count(),
        1,
        "one was never due"
    );
}

/// Columns that nobody asked for stay where they are, whatever the SQL gives.
fn is_what_was_bound(heard: &Heard) {
    let header = &heard.headers[0];
    assert!(
        header
            .iter()
            .any(|name| name.eq_ignore_ascii_case("social_sec_num"))
    );
    assert!(header.iter().any(|name| name.eq_ignore_ascii_case("note")));
    for (fields, rows) in heard.fields.iter().zip(&heard.rows) {
        assert!(rows.iter().all(|row| row.len() == fields.len()));
    }
    let cells = heard.rows.iter().flatten().flatten().flatten();
    for cell in cells {
        assert!(
            !cell.contains("Synthetic Way") && !cell.contains("minor"),
            "{cell}"
        );
    }
}

fn three(connection: &str, owner: &str) -> OdbcJob {
    let patients = ask(Table::Patients, &PATIENTS.replace("{owner}", owner));
    job(
        connection,
        vec![
            patients,
            ask(Table::Recalls, RECALLS),
            appointments(Parameter::Stamp(None)),
            appointments(stamp("2025-11-02T00:00:00")),
        ],
    )
}

#[tokio::test]
async fn sqlite_under_the_vendors_name() {
    let office = sqlite::Office::new();
    let sql = "SELECT * FROM v_appt WHERE appointment_date BETWEEN ? AND ?";
    let within = vec![day("2025-11-01"), day("2025-12-31")];
    let statements = vec![
        ask(Table::Patients, &PATIENTS.replace("{owner}", "")),
        ask(Table::Recalls, "SELECT * FROM v_patient_recall"),
        Statement {
            parameters: within.clone(),
            ..ask(Table::Appointments, sql)
        },
        Statement {
            parameters: [within, vec![stamp("2025-11-02T00:00:00")]].concat(),
            ..ask(
                Table::Appointments,
                &format!("{sql} AND modified_time_stamp > ?"),
            )
        },
    ];
    let (read, heard) = hear(
        &program(office.drivers()),
        job(&office.connection(), statements),
    )
    .await;
    read.unwrap();
    is_the_office(&heard, &[4, 2]);
    is_what_was_bound(&heard);
    assert_eq!(
        heard.notes.len(),
        1,
        "this driver ignores the timeout, which is told once: {:?}",
        heard.notes
    );
}

#[tokio::test]
async fn mariadb_with_procedures() {
    let dir = tempfile::tempdir().unwrap();
    let drivers = drivers(dir.path());
    let job = three(&mariadb::connection(mariadb::server()), "admin.");
    let (read, heard) = hear(&program(&drivers), job).await;
    read.unwrap();
    is_the_office(&heard, &[4, 2]);
    is_what_was_bound(&heard);
}

#[tokio::test]
async fn postgres_with_functions() {
    let dir = tempfile::tempdir().unwrap();
    let drivers = drivers(dir.path());
    let connection = postgres::connection(postgres::server());
    let (read, heard) = hear(&program(&drivers), three(&connection, "admin.")).await;
    read.unwrap();
    is_the_office(&heard, &[4, 2]);
    is_what_was_bound(&heard);
    assert_eq!(heard.notes, [""; 0], "this driver keeps to the timeout");
}

#[tokio::test]
async fn a_driver_without_wide_text_gives_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let drivers = drivers(dir.path());
    let connection = postgres::connection(postgres::server()).replace("Unicode", "ANSI");
    let (read, heard) = hear(&program(&drivers), three(&connection, "admin.")).await;
    read.unwrap();
    assert_eq!(heard.ends, [25, 27, 4, 2]);
}

#[tokio::test]
async fn a_value_that_is_longer_than_its_column_said_arrives_whole() {
    let office = sqlite::Office::new();
    office.run("CREATE TABLE v_long (last_name VARCHAR(4), first_name VARCHAR(4))");
    let fill = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000) \
                INSERT INTO v_long SELECT 'short', x FROM n; \
                UPDATE v_long SET last_name = printf('%.9000c', 'y') WHERE first_name = '2500'; \
                UPDATE v_long SET last_name = printf('%.2000c', 'y') WHERE first_name = '1500'";
    office.run(fill);
    let job = job(&office.connection(), vec![any("SELECT * FROM v_long")]);
    let (read, heard) = hear(&program(office.drivers()), job).await;
    read.unwrap();
    assert_eq!(heard.ends, [3000]);
    let names = heard.column(Field::FirstName);
    let expected: Vec<_> = (1..=3000).map(|n: u32| n.to_string()).collect();
    assert!(
        names
            .iter()
            .map(|name| name.unwrap())
            .eq(expected.iter().map(String::as_str)),
        "each once, in order"
    );
    assert_eq!(
        heard.column(Field::LastName)[2499].map(str::len),
        Some(9000)
    );
}

#[tokio::test]
async fn asked_for_columns_only_it_reads_no_row() {
    let office = sqlite::Office::new();
    let recalls = Statement {
        columns_only: true,
        ..ask(Table::Recalls, "SELECT * FROM v_patient_recall")
    };
    let patients = ask(Table::Patients, &PATIENTS.replace("{owner}", ""));
    let job = job(&office.connection(), vec![recalls, patients]);
    let (read, heard) = hear(&program(office.drivers()), job).await;
    read.unwrap();
    assert_eq!(heard.ends, [0, 25]);
    assert!(heard.rows[0].is_empty());
    assert!(heard.headers[0].contains(&"due_date".to_owned()));
}

#[tokio::test]
async fn names_are_whole_where_a_driver_describes_them_cut() {
    let office = sqlite::Office::new();
    let job = job(
        &office.connection(),
        vec![any(
            "SELECT mi, privacy_flags, preferred_name FROM v_patient",
        )],
    );
    let (read, heard) = hear(&program(office.drivers()), job).await;
    read.unwrap();
    assert_eq!(heard.headers[0], ["mi", "privacy_flags", "preferred_name"]);
}
