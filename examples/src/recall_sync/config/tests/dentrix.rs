//! Offices of the kind `dentrix`.

use std::path::{Path, PathBuf};

use super::*;

/// Everything there is over ODBC.
const ODBC: &str = r#"
[[office]]
id = "elm-st"
name = "Elm Street Dental"
time_zone = "America/Denver"
[office.source]
kind = "dentrix"
mode = "odbc"
reader = "READER"
connection = "DSN=c-treeACE ODBC Driver;Database=DentrixSQL;UID=u;PWD=p"
identity = "chart"
identity_key = "k3y"
recall_types = ["PROPHY", "PERIO"]
area_code = "801"
thin = 0.6
login_timeout = "15s"
query_timeout = "60s"
wall_limit = "5m"
max_rows = 200000
allow_tutorial = false
allowed_calls = ["admin.sp_getallpatientrecalls", "admin.sp_appointments"]
[office.source.sql]
recalls = "{call admin.sp_getallpatientrecalls()}"
[office.source.columns.recalls]
due_date = ["Fällig"]
[office.sink]
kind = "rest"
base_url = "https://crm.example.com/v1"
token = "t0ken"
"#;

const EXPORTS: &str = r#"
[[office]]
id = "oak-st"
name = "Oak Street Dental"
time_zone = "America/Denver"
[office.source]
kind = "dentrix"
mode = "exports"
reader = "READER"
identity = "id"
folder = 'C:\Exports'
settle = "20s"
max_age = "30h"
archive = "done"
quarantine = "held"
encoding = "windows-1252"
require_footer = false
wall_limit = "1m"
[office.sink]
kind = "rest"
base_url = "https://crm.example.com/v1"
token = "t0ken"
"#;

/// A program that is there: this one.
fn with_reader(text: &str) -> String {
    let here = std::env::current_exe().unwrap();
    let here = here.to_str().unwrap().replace('\\', "/");
    text.replace("READER", &here)
}

fn odbc() -> String {
    with_reader(ODBC)
}

fn exports() -> String {
    with_reader(EXPORTS)
}

#[test]
fn a_dentrix_office_is_read_beside_one_of_open_dental() {
    let text = format!("{GOOD}{}{}", odbc(), exports());
    let config = parse(&text).unwrap_or_else(|lines| panic!("{}", lines.join("\n")));
    let ids: Vec<_> = config
        .offices
        .iter()
        .map(|setup| (setup.source.id().to_string(), setup.kind()))
        .collect();
    assert_eq!(
        ids,
        [
            ("od:main-st".to_owned(), Kind::OpenDental),
            ("dx:elm-st".to_owned(), Kind::Dentrix),
            ("dx:oak-st".to_owned(), Kind::Dentrix)
        ]
    );
    assert!(config.offices.iter().all(|setup| setup.sends().is_none()));
    let shown = format!("{config:?}");
    for secret in ["PWD=p", "k3y", "t0ken"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    // What an office calls a column counts before what others do.
    assert!(
        shown.contains("DueDate: [\"Fällig\", \"due_date\""),
        "{shown}"
    );
}

#[test]
fn all_that_a_dentrix_office_must_say_is_its_mode_and_where() {
    let lines = |text: &str, keep: &[&str]| {
        let lines = text.lines().filter(|line| {
            let key = line.split(" =").next().unwrap_or_default();
            !line.contains(" = ") || keep.contains(&key)
        });
        let tables = ["[office.source.sql]", "[office.source.columns.recalls]"];
        let lines = lines.filter(|line| !tables.contains(line));
        lines.collect::<Vec<_>>().join("\n")
    };
    let always = ["id", "name", "time_zone", "kind", "mode", "reader"];
    let sink = ["base_url", "token"];
    for (text, own) in [(odbc(), "connection"), (exports(), "folder")] {
        let keep = [&always[..], &sink, &[own]].concat();
        assert_eq!(told(&lines(&text, &keep)), "");
    }
}

#[test]
fn every_mistake_about_a_dentrix_office_has_its_place_and_quotes_no_secret() {
    let recalls = "due_date = [\"Fällig\"]";
    for (from, to, what) in [
        (
            "mode = \"odbc\"\n",
            "",
            "source.mode is missing: write \"odbc\"",
        ),
        (
            "\"odbc\"",
            "\"c4nary\"",
            "source.mode must be \"odbc\" or \"exports\"",
        ),
        ("connection = \"DSN", "#", "source.connection is missing"),
        (
            "Database=DentrixSQL;UID=u",
            "Database=TutorSQL;UID=c4nary",
            "names the tutorial database",
        ),
        (
            "identity = \"chart\"",
            "identity = \"c4nary\"",
            "identity must be \"chart\" or \"id\"",
        ),
        (
            "identity_key = \"k3y\"",
            "identity_key = { env = \"ODX_NO_SUCH_VARIABLE\" }",
            "ODX_NO_SUCH_VARIABLE is not set",
        ),
        (
            "[\"PROPHY\", \"PERIO\"]",
            "[]",
            "recall_types names no type",
        ),
        (
            "[\"PROPHY\", \"PERIO\"]",
            "[\" \"]",
            "recall_types holds an empty name",
        ),
        ("\"801\"", "\"c4nary\"", "area_code must be three digits"),
        ("thin = 0.6", "thin = 60", "thin must be a share"),
        (
            "login_timeout = \"15s\"",
            "login_timeout = \"15\"",
            "login_timeout is no duration",
        ),
        (
            "query_timeout = \"60s\"",
            "query_timeout = \"10m\"",
            "wall_limit is shorter than query_timeout",
        ),
        (
            "max_rows = 200000",
            "max_rows = 0",
            "max_rows must be a whole number",
        ),
        (
            "allow_tutorial = false",
            "allow_tutorial = \"no\"",
            "allow_tutorial must be true or false",
        ),
        (
            "\"admin.sp_getallpatientrecalls\"",
            "\"c4nary; drop\"",
            "allowed_calls holds no procedure with its owner",
        ),
        (
            "recalls = \"{call",
            "recall = \"{call",
            "sql.recall is no setting; here belong: appointments, patients, recalls",
        ),
        (
            "{call admin.sp_getallpatientrecalls()}",
            "",
            "sql.recalls is empty",
        ),
        (
            "columns.recalls",
            "columns.recall",
            "columns.recall is no setting",
        ),
        (
            "due_date =",
            "duedate =",
            "columns.recalls.duedate is no field; here belong: patient_id",
        ),
        (
            recalls,
            "due_date = \"Due\"",
            "must be a list of texts in quotes",
        ),
        (
            recalls,
            "due_date = [\"--\"]",
            "holds a name without letters or digits",
        ),
        (
            recalls,
            "due_date = [\"Due\"]\nprior_date = [\"due\"]",
            "holds a name that stands here already",
        ),
        (
            "max_rows = 200000",
            "folder = 'C:\\x'",
            "source.folder is no setting; here belong: allow_tutorial",
        ),
        (
            "max_rows = 200000",
            "developer_key = \"c4nary\"",
            "source.developer_key is no setting",
        ),
        (
            "max_rows = 200000",
            "events = true",
            "source.events is no setting",
        ),
    ] {
        let text = odbc();
        assert!(text.contains(from), "{from}");
        let told = told(&text.replacen(from, to, 1));
        assert!(told.contains(what), "{what} not in\n{told}");
        assert!(!told.contains("c4nary"), "{told}");
        assert!(told.starts_with("line "), "{told}");
    }
    for (from, to, what) in [
        (
            "folder = 'C:\\Exports'\n",
            "",
            "source.folder is missing: name the folder",
        ),
        ("'C:\\Exports'", "' '", "source.folder is empty"),
        ("\"20s\"", "\"0s\"", "settle must be from 1s"),
        ("\"30h\"", "\"1s\"", "max_age must be from 1m"),
        (
            "\"done\"",
            "\"../done\"",
            "archive must be the name of a folder inside",
        ),
        ("\"held\"", "\"done\"", "quarantine is also the archive"),
        (
            "require_footer = false",
            "require_footer = 0",
            "require_footer must be true or false",
        ),
        (
            "identity = \"id\"",
            "connection = \"c4nary\"",
            "source.connection is no setting; here belong: archive",
        ),
        (
            "identity = \"id\"",
            "customer_key = \"c4nary\"",
            "source.customer_key is no setting",
        ),
    ] {
        let text = exports();
        assert!(text.contains(from), "{from}");
        let told = told(&text.replacen(from, to, 1));
        assert!(told.contains(what), "{what} not in\n{told}");
        assert!(!told.contains("c4nary"), "{told}");
    }
    let dentrix = GOOD.replace("batch = 1", "batch = 1\n[office.source.sql]");
    assert!(told(&dentrix).contains("source.sql is no setting"));
    let kind = told(&GOOD.replace("kind = \"opendental\"", ""));
    assert!(
        kind.contains("kind = \"opendental\" or \"dentrix\""),
        "{kind}"
    );
}

#[test]
fn without_its_reader_a_dentrix_office_is_refused_with_what_mends_it() {
    let text = ODBC.replace("READER", "/no/such/folder/dentrix-reader");
    let lines = parse(&text).unwrap_err();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for what in [
        "line 9, column 10: office[1].source.reader has no program at /no/such/folder/dentrix-reader",
        "put dentrix-reader beside this program",
        "the office's ODBC driver",
        "reader = \"PATH\"",
    ] {
        assert!(lines[0].contains(what), "{what} not in {}", lines[0]);
    }
}

#[test]
fn two_offices_have_two_databases_and_two_folders() {
    for text in [odbc(), exports()] {
        let other = text.replace("elm-st", "ash-st").replace("oak-st", "ash-st");
        let told = told(&format!("{text}{other}"));
        assert!(told.contains("is also that of office"), "{told}");
    }
}

#[test]
fn only_patients_of_the_offices_own_kind_can_be_allowed() {
    let messages = |allow: &str| {
        let start = messages().find("[office.messages]").unwrap();
        let all = messages();
        let messages = all[start..].replace("od:main-st:12", allow);
        format!("{}{messages}", odbc()).replace("main-st", "elm-st")
    };
    assert_eq!(told(&messages("dx:elm-st:c0ffee-17")), "");
    for allow in [
        "od:elm-st:12",
        "dx:oak-st:12",
        "dx:elm-st:",
        "dx:elm-st:a b",
    ] {
        let told = told(&messages(allow));
        let what = "allow_only names no patient of this office: write the external id";
        assert!(
            told.contains(what) && told.contains("\"dx:elm-st:…\""),
            "{told}"
        );
    }
}

#[test]
fn what_was_held_is_released_at_dentrix_offices_only() {
    let mut config = parse(&format!("{GOOD}{}", odbc())).unwrap();
    let released: Vec<_> = config
        .offices
        .iter_mut()
        .map(|setup| setup.release().unwrap())
        .collect();
    assert_eq!(released, [false, true]);
    let shown = format!("{:?}", config.offices[1].dentrix);
    assert!(shown.contains("release: true"), "{shown}");
}

#[test]
fn a_log_is_beside_the_state_unless_it_says_where() {
    let log = |line: &str| {
        parse(&format!("{GOOD}\n[log]\n{line}\n").replace("odx.sqlite", "/var/odx/odx.sqlite"))
    };
    let files = |file: &str, keep| {
        LogFiles::beside(Path::new("/var/odx/odx.sqlite"), Path::new(file), keep)
    };
    for (line, expected) in [
        ("file = \"odx.log\"", files("odx.log", 14)),
        (
            "file = \"/var/log/odx.txt\"\nkeep = 3",
            files("/var/log/odx.txt", 3),
        ),
    ] {
        assert!(expected.is_some());
        assert_eq!(log(line).unwrap().log, expected);
    }
    let shown = format!("{:?}", files("odx.log", 14).unwrap());
    assert!(
        shown.contains(&format!("{:?}", PathBuf::from("/var/odx"))),
        "{shown}"
    );
    assert_eq!(parse(GOOD).unwrap().log, None);
    for (line, what) in [
        ("", "log.file is missing"),
        ("file = \"..\"", "log.file names no file"),
        (
            "file = \"odx.log\"\nkeep = 0",
            "log.keep must be a whole number from 1",
        ),
        (
            "file = \"odx.log\"\nlevel = \"info\"",
            "log.level is no setting; here belong: file, keep",
        ),
    ] {
        let told = log(line).unwrap_err().join("\n");
        assert!(told.contains(what), "{what} not in\n{told}");
    }
}
