//! Every form of one list holds the same rows.

use odx_dentrix::columns::BadHeader;
use odx_dentrix::table::{Field, Table};
use odx_dentrix::wire::Class;
use serde_json::Value;

use crate::{Told, fixture, job, read};

fn expected() -> Vec<Value> {
    let text = std::fs::read_to_string(fixture("expected_recall.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all["records"].as_array().unwrap().clone()
}

fn told(name: &str) -> Told {
    read(&job(fixture(name))).unwrap_or_else(|why| panic!("{name}: {why:?}"))
}

/// `12/15/2021` and `2021-12-15` are one day.
fn day(text: &str) -> String {
    match text.split('/').collect::<Vec<_>>()[..] {
        [month, day, year] => format!("{year}-{month:0>2}-{day:0>2}"),
        _ => text.to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The records of `recall.csv`, as a report that can hold every letter has them.
fn check(name: &str, rows: usize, told: &Told) {
    assert_eq!(told.table, Some(Table::Recalls), "{name}");
    assert_eq!(told.unreadable, [], "{name}");
    assert_eq!(told.rows.len(), rows, "{name}");
    for (row, expected) in told.rows.iter().zip(expected()) {
        let place = format!("{name}, row {}", expected["row"]);
        let is = |field| row.get(field).unwrap_or("");
        let middle = text(&expected["middle_initial"]);
        let full = format!(
            "{}, {} {middle}",
            text(&expected["last_name"]),
            text(&expected["first_name"])
        );
        // Only a report in Unicode can spell her.
        if !is(Field::PatientName).starts_with("Nguy") {
            assert_eq!(is(Field::PatientName), full.trim_end(), "{place}");
        }
        assert_eq!(
            day(is(Field::DueDate)),
            text(&expected["due_date"]),
            "{place}"
        );
        assert_eq!(
            day(is(Field::BirthDate)),
            text(&expected["birth_date"]),
            "{place}"
        );
        assert_eq!(
            day(is(Field::PriorDate)),
            text(&expected["prior_treatment"]),
            "{place}"
        );
        // A spreadsheet takes one of them for a number.
        let chart = text(&expected["chart_number"]);
        assert!(
            [chart, chart.trim_start_matches('0')].contains(&is(Field::Chart)),
            "{place}"
        );
        assert_eq!(is(Field::RecallType), text(&expected["cc_type"]), "{place}");
        assert_eq!(is(Field::Provider), text(&expected["provider"]), "{place}");
        assert_eq!(
            is(Field::HomePhone),
            text(&expected["home_phone"]["raw"]),
            "{place}"
        );
        assert_eq!(
            is(Field::MobilePhone),
            text(&expected["mobile_phone"]["raw"]),
            "{place}"
        );
        assert_eq!(is(Field::Email), text(&expected["email"]["raw"]), "{place}");
        let status = is(Field::RecallStatus);
        assert_eq!(
            status.replace("<None>", ""),
            text(&expected["cc_status"]),
            "{place}"
        );
        let requests = expected["privacy"].as_array().unwrap().len();
        let said = is(Field::Privacy);
        if said == "*" {
            assert!(name.ends_with("pdf") && requests > 0, "{place}");
        } else {
            assert_eq!(
                said.split("; ").filter(|word| !word.is_empty()).count(),
                requests,
                "{place}"
            );
        }
    }
}

fn printed(told: &Told) -> String {
    told.report().printed.unwrap().to_string()
}

#[test]
fn recall_csv_holds_the_26_rows_and_says_so() {
    let told = told("recall.csv");
    check("csv", 26, &told);
    assert_eq!(told.report().counted, Some(26));
    assert_eq!(told.report().format, "csv");
    assert_eq!(printed(&told), "2025-11-03 06:00:04");
    assert_eq!(told.unknown, ["Note"]);
    assert_eq!(told.all(Field::PatientName)[16], "Nguy?n, Th?o");
    // 15 rows, then titles and a header again: 42 lines of text, two notes of two.
    assert_eq!(told.lines(), 26 + 5 + 1 + 4 + 4);
}

#[test]
fn recall_xlsx_holds_the_same_rows() {
    let told = told("recall.xlsx");
    check("xlsx", 26, &told);
    assert_eq!(told.report().counted, Some(26));
    assert_eq!(told.report().format, "xlsx");
    assert_eq!(printed(&told), "2025-11-03 06:00:04");
    assert!(told.all(Field::PatientName).contains(&"Nguyễn, Thảo"));
    assert!(told.all(Field::Chart).contains(&"105"));
    assert!(told.all(Field::MobilePhone).contains(&"8015550113"));
    let text_dates = told
        .all(Field::DueDate)
        .into_iter()
        .filter(|date| date.contains('/'));
    assert!(
        text_dates.count() > 0,
        "dates that were text stay as they are"
    );
}

#[test]
fn recall_xls_holds_the_same_rows() {
    let told = told("recall.xls");
    check("xls", 26, &told);
    assert_eq!(told.report().format, "xls");
}

#[test]
fn a_page_called_xls_holds_the_first_rows() {
    let told = told("recall_html.xls");
    check("html", 12, &told);
    assert_eq!(told.report().counted, None);
    assert_eq!(told.report().format, "html");
}

#[test]
fn recall_pdf_holds_the_same_rows_and_a_mark_for_privacy() {
    let told = told("recall.pdf");
    check("pdf", 26, &told);
    assert_eq!(told.report().format, "pdf");
    assert_eq!(printed(&told), "2025-11-03 06:00:04");
    let asked = expected()
        .iter()
        .filter(|row| !row["privacy"].as_array().unwrap().is_empty())
        .count();
    let marked = told
        .all(Field::Privacy)
        .into_iter()
        .filter(|mark| *mark == "*");
    assert_eq!(marked.count(), asked);
}

#[test]
fn a_list_that_lost_its_privacy_column_is_refused_and_the_column_named() {
    let mut job = job(fixture("recall_drifted.csv"));
    for columns in &mut job.columns {
        columns.suppression = vec![vec![Field::Privacy]];
    }
    let why = read(&job).unwrap_err();
    assert_eq!(why.class, Class::Columns);
    assert!(matches!(
        why.header.as_deref(),
        Some(BadHeader::NoSuppression { table: Table::Recalls, field, .. }) if field == "privacy"
    ));
}

#[test]
fn a_list_whose_columns_moved_is_read_by_name() {
    let told = told("recall_drifted.csv");
    check_drifted(&told);
}

fn check_drifted(told: &Told) {
    assert_eq!(told.rows.len(), 26);
    assert_eq!(told.report().counted, Some(26));
    assert_eq!(told.all(Field::HomePhone)[0], "(801)555-0120");
    assert_eq!(told.all(Field::MobilePhone)[0], "");
    assert!(told.all(Field::PatientName).contains(&"Nguyễn, Thảo"));
    assert!(told.unknown.contains(&"Balance".to_owned()));
}

#[test]
fn a_missing_column_is_named() {
    let mut job = job(fixture("recall.csv"));
    job.columns
        .retain(|columns| columns.table == Table::Recalls);
    job.columns[0]
        .names
        .insert(Field::DueDate, vec!["When".into()]);
    let why = read(&job).unwrap_err();
    assert_eq!(why.class, Class::Columns);
    assert!(
        matches!(why.header.as_deref(), Some(BadHeader::Missing { field, .. }) if field == "due_date")
    );
}

#[test]
fn an_empty_list_is_a_list_of_none() {
    let told = told("recall_empty.csv");
    assert_eq!(told.rows.len(), 0);
    assert_eq!(told.report().counted, Some(0));
}

#[test]
fn what_was_cut_is_not_whole() {
    for name in [
        "recall_partial.csv",
        "recall_partial.xlsx",
        "recall_partial.xls",
        "recall_partial.pdf",
    ] {
        let why = read(&job(fixture(name))).unwrap_err();
        assert_eq!(why.class, Class::Incomplete, "{name}: {why:?}");
    }
}

#[test]
fn the_book_and_the_people_are_read() {
    let book = told("appointments.csv");
    assert_eq!(book.table, Some(Table::Appointments));
    assert_eq!(
        (
            book.rows.len(),
            book.unreadable.len(),
            book.report().counted
        ),
        (8, 0, Some(8))
    );
    assert_eq!(book.all(Field::AppointmentTime)[0], "9:00 AM");
    assert_eq!(book.all(Field::Chart)[5], "");

    let people = told("patient_list.csv");
    assert_eq!(people.table, Some(Table::Patients));
    assert_eq!(
        (
            people.rows.len(),
            people.unreadable.len(),
            people.report().counted
        ),
        (25, 0, Some(25))
    );
    assert_eq!(people.all(Field::Status)[0], "Non-Patient");
}

#[test]
fn columns_are_told_without_reading_a_row() {
    for name in [
        "recall.csv",
        "recall.xlsx",
        "recall.xls",
        "recall_html.xls",
        "recall.pdf",
    ] {
        let mut job = job(fixture(name));
        job.columns_only = true;
        let told = read(&job).unwrap();
        assert_eq!(told.table, Some(Table::Recalls), "{name}");
        assert!(
            told.header.contains(&"Prior Treat.".to_owned()),
            "{name}: {:?}",
            told.header
        );
        assert!(told.rows.is_empty() && told.report.is_none(), "{name}");
    }
    // None of its names is known: the likeliest line, and no word of a row.
    let mut job = job(fixture("recall.csv"));
    job.columns_only = true;
    for columns in &mut job.columns {
        columns.names.clear();
    }
    let told = read(&job).unwrap();
    assert_eq!(told.header[..2], ["Due Date", "Patient Name"]);
}

#[test]
fn a_footer_that_must_be_there_must_be_there() {
    let mut job = job(fixture("recall_html.xls"));
    job.require_footer = true;
    assert_eq!(read(&job).unwrap_err().class, Class::Incomplete);
    job.path = fixture("recall.csv");
    assert!(read(&job).is_ok());
}
