//! An office of invented people: what is put into the tables, and the same rows
//! as the lists would print them.

use mysql::consts::ColumnType;
use mysql::prelude::Queryable;
use mysql::{Conn, Params, Value as Cell};
use odx_core::model::Record;
use odx_core::source::Change;
use odx_opendental::statements::{self, Query};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

const STATUSES: [&str; 9] = [
    "",
    "Scheduled",
    "Complete",
    "UnschedList",
    "ASAP",
    "Broken",
    "Planned",
    "PtNote",
    "PtNoteCompleted",
];
const PATIENT: [&str; 7] = [
    "Patient",
    "NonPatient",
    "Inactive",
    "Archived",
    "Deleted",
    "Deceased",
    "Prospective",
];
const METHODS: [&str; 9] = [
    "None",
    "DoNotCall",
    "HmPhone",
    "WkPhone",
    "WirelessPh",
    "Email",
    "SeeNotes",
    "Mail",
    "TextMessage",
];
pub(crate) const DELETED: usize = 4;
/// Recalls of one patient.
pub(crate) const MANY: usize = 15;

pub(crate) struct Patient {
    pub(crate) key: i64,
    pub(crate) status: usize,
    pub(crate) sms: bool,
    pub(crate) email: bool,
    pub(crate) nothing: bool,
    pub(crate) row: Change,
    /// In the order of their keys.
    pub(crate) recalls: Vec<Change>,
    pub(crate) booked: Vec<Change>,
    pub(crate) last: Option<Change>,
}

pub(crate) fn make_tables(conn: &mut Conn) {
    for table in include_str!("tables.sql").split(';') {
        conn.query_drop(table).unwrap();
    }
    conn.exec_batch(
        "INSERT INTO definition (DefNum, Category, ItemName) VALUES (?, 4, ?)",
        [(40, "Standard Account"), (41, "Don't \u{1F600} bill")],
    )
    .unwrap();
    conn.query_drop(
        "INSERT INTO clinic (TimeZone) VALUES ('America/Chicago'),(''),('America/Denver'),\
         ('America/Chicago')",
    )
    .unwrap();
}

fn day(random: &mut fastrand::Rng) -> String {
    match random.u8(0..4) {
        0 => "0001-01-01".to_owned(),
        _ => format!(
            "20{}-{:02}-{:02}",
            random.u8(20..29),
            random.u8(1..13),
            random.u8(1..29)
        ),
    }
}

fn key(random: &mut fastrand::Rng, n: i64) -> i64 {
    // Offices that once had random keys hold both sorts.
    if random.u8(0..3) == 0 {
        random.i64(1 << 40..i64::MAX)
    } else {
        n
    }
}

fn raw(row: &Value) -> Box<RawValue> {
    to_raw_value(row).unwrap()
}

/// Fills the tables; in the order of the patients' keys. Once the first patient
/// has so many recalls that the server cuts the column.
pub(crate) fn fill(conn: &mut Conn, people: usize) -> Vec<Patient> {
    let mut random = fastrand::Rng::with_seed(7);
    conn.query_drop("SET SESSION sql_mode=''").unwrap();
    conn.query_drop("BEGIN").unwrap();
    let mut all: Vec<_> = (1..=people)
        .map(|n| one(conn, &mut random, i64::try_from(n).unwrap()))
        .collect();
    conn.query_drop("COMMIT").unwrap();
    all.sort_by_key(|patient| patient.key);
    all
}

fn one(conn: &mut Conn, random: &mut fastrand::Rng, n: i64) -> Patient {
    let patient = key(random, n);
    let status = if n == 1 { 0 } else { random.usize(0..7) };
    let names = [
        "O'Brien",
        "Ng \"Bo\"",
        "\u{1F600} Smith",
        "M\u{fc}ller",
        "back\\slash",
        "a%b_c",
    ];
    let [last, first] = [0, 1].map(|_| names[random.usize(0..names.len())]);
    let [born, visit] = [day(random), day(random)];
    let [contact, recall] = [random.usize(0..9), random.usize(0..9)];
    let texts = random.usize(0..3);
    let billing = [
        (0, ""),
        (40, "Standard Account"),
        (41, "Don't \u{1F600} bill"),
        (99, ""),
    ][random.usize(0..4)];
    let language = [None, Some("spa")][random.usize(0..2)];
    let guarantor = [0, patient, 5][random.usize(0..3)];
    let clinic = random.i64(0..3);
    let stop = random.u8(0..20) == 0;
    let mobile = format!("(503) 555-0{:03}", random.u16(0..1000));
    put(
        conn,
        "patient",
        json!({
            "PatNum": patient, "LName": last, "FName": first, "PatStatus": status,
            "Birthdate": born, "WirelessPhone": mobile, "Guarantor": guarantor, "PriProv": 3,
            "Email": "someone@example.org", "BillingType": billing.0, "DateFirstVisit": visit,
            "ClinicNum": clinic, "PreferContactMethod": contact, "PreferRecallMethod": recall,
            "Language": language, "TxtMsgOk": texts, "ShortCodeOptIn": if stop { 2 } else { n % 2 },
            "SSN": "987-65-4320", "FamFinUrgNote": "note-canary"
        }),
    );
    let row = statements::listed_patient(&raw(&json!({
        "PatNum": patient, "LName": last, "FName": first, "PatStatus": PATIENT[status],
        "Birthdate": born, "WirelessPhone": mobile, "Guarantor": guarantor, "PriProv": 3,
        "Email": "someone@example.org", "BillingType": billing.1, "DateFirstVisit": visit,
        "ClinicNum": clinic, "PreferContactMethod": METHODS[contact],
        "PreferRecallMethod": METHODS[recall], "Language": language.unwrap_or_default(),
        "TxtMsgOk": (["Unknown", "Yes", "No"][texts])
    })));
    let [mut sms, mut email, mut nothing] = [stop, false, false];
    // Two rows for one patient, and rows that say nothing.
    for _ in 0..random.u8(0..12).saturating_sub(9) {
        let flags = [random.u8(0..3), random.u8(0..3)];
        sms |= flags[0] > 0;
        email |= flags[1] > 0;
        let row = json!({"PatNum": patient, "OptOutSms": flags[0], "OptOutEmail": flags[1]});
        put(conn, "commoptout", row);
    }
    if random.u8(0..10) == 0 {
        nothing = random.bool();
        let flag = u8::from(nothing);
        put(
            conn,
            "reactivation",
            json!({"PatNum": patient, "DoNotContact": flag}),
        );
    }
    let count = if n == 1 { MANY } else { random.usize(0..5) };
    let recalls = many(count, |m| one_recall(conn, random, patient, 20 * n + m));
    let visits: Vec<_> = (0..random.i64(0..7))
        .map(|m| one_visit(conn, random, patient, 20 * n + m))
        .collect();
    let mut booked: Vec<_> = visits.iter().filter(|v| v.2 != 2).collect();
    booked.sort_by_key(|visit| visit.0);
    let last = visits
        .iter()
        .filter(|visit| visit.2 == 2)
        .max_by(|a, b| (was_kept(&a.3), &a.1, a.0).cmp(&(was_kept(&b.3), &b.1, b.0)));
    Patient {
        key: patient,
        status,
        sms: sms || nothing,
        email: email || nothing,
        nothing,
        row,
        recalls,
        last: last.map(|visit| visit.3.clone()),
        booked: booked.into_iter().map(|visit| visit.3.clone()).collect(),
    }
}

fn many(count: usize, mut make: impl FnMut(i64) -> (i64, Change)) -> Vec<Change> {
    let mut all: Vec<_> = (0_i64..).take(count).map(&mut make).collect();
    all.sort_by_key(|(key, _)| *key);
    all.into_iter().map(|(_, change)| change).collect()
}

fn one_recall(conn: &mut Conn, random: &mut fastrand::Rng, patient: i64, n: i64) -> (i64, Change) {
    let number = key(random, n);
    let [due, previous, until, scheduled] = [0; 4].map(|_| day(random));
    let (packed, text) = [
        (0, ""),
        (393_217, "6m1d"),
        (16_777_216, "1y"),
        (1_799, "7w7d"),
    ][random.usize(0..4)];
    let [status, kind] = [random.i64(0..3), random.i64(0..3)];
    let [disabled, asap] = [random.bool(), random.bool()];
    let held = [0.0, 0.5, 1200.25][random.usize(0..3)];
    let due_in_table = if due.starts_with("0001") && random.bool() {
        "0000-00-00"
    } else {
        &due
    };
    put(
        conn,
        "recall",
        json!({
            "RecallNum": number, "PatNum": patient, "DateDue": due_in_table, "DatePrevious": previous,
            "RecallInterval": packed, "RecallStatus": status, "IsDisabled": u8::from(disabled),
            "RecallTypeNum": kind, "DisableUntilBalance": held, "DisableUntilDate": until,
            "DateScheduled": scheduled, "Priority": u8::from(asap), "Note": "note-canary|,:"
        }),
    );
    let change = statements::listed_recall(&raw(&json!({
        "RecallNum": number, "PatNum": patient, "DateDue": due, "DatePrevious": previous,
        "RecallInterval": text, "RecallStatus": status, "IsDisabled": disabled.to_string(),
        "RecallTypeNum": kind, "DisableUntilBalance": held, "DisableUntilDate": until,
        "DateScheduled": scheduled, "Priority": if asap { "ASAP" } else { "Normal" }
    })));
    (number, change)
}

fn was_kept(change: &Change) -> bool {
    matches!(change, Change::Upsert(Record::Appointment(visit)) if visit.was_kept())
}

fn one_visit(
    conn: &mut Conn,
    random: &mut fastrand::Rng,
    patient: i64,
    n: i64,
) -> (i64, String, usize, Change) {
    let number = key(random, n);
    let status = random.usize(1..9);
    let at = match day(random) {
        none if none.starts_with("0001") => format!("{none} 00:00:00"),
        day => format!("{day} 09:{:02}:00", random.u8(0..60)),
    };
    let pattern = [None, Some("//XXXX//"), Some("X")][random.usize(0..3)];
    let [op, dentist, hygienist, clinic] = [0; 4].map(|_| random.i64(0..4));
    let [confirmed, unscheduled] = [0; 2].map(|_| random.i64(0..3));
    let hygiene = random.bool();
    let done = [
        Some("proc-canary"),
        Some("missed"),
        Some("Canc"),
        Some("Missed, proc-canary"),
        Some(""),
        None,
    ][random.usize(0..6)];
    put(
        conn,
        "appointment",
        json!({
            "AptNum": number, "PatNum": patient, "AptStatus": status, "Pattern": pattern,
            "Confirmed": confirmed, "Op": op, "ProvNum": dentist, "ProvHyg": hygienist,
            "AptDateTime": at, "UnschedStatus": unscheduled, "ClinicNum": clinic,
            "IsHygiene": u8::from(hygiene), "Note": "note-canary", "ProcDescript": done
        }),
    );
    let change = statements::listed_appointment(
        &raw(&json!({
            "AptNum": number, "PatNum": patient, "AptStatus": STATUSES[status],
            "Pattern": pattern.unwrap_or_default(), "Confirmed": confirmed, "Op": op,
            "ProvNum": dentist, "ProvHyg": hygienist, "AptDateTime": at,
            "UnschedStatus": unscheduled, "ClinicNum": clinic, "IsHygiene": hygiene.to_string(),
            "ProcDescript": done.unwrap_or_default()
        })),
        &["Missed".to_owned(), "Canc".to_owned()],
    );
    (number, at, status, change)
}

/// Inserts a row.
pub(crate) fn put(conn: &mut Conn, table: &str, row: Value) {
    let row = row.as_object().unwrap();
    let columns: Vec<_> = row.keys().map(String::as_str).collect();
    let cells: Vec<_> = row
        .values()
        .map(|value| match value {
            Value::Null => Cell::NULL,
            Value::String(text) => Cell::from(text.as_str()),
            Value::Number(n) if n.is_f64() => Cell::from(n.as_f64().unwrap()),
            Value::Number(n) => Cell::from(n.as_i64().unwrap()),
            other => panic!("{other}"),
        })
        .collect();
    let marks = vec!["?"; cells.len()].join(",");
    let sql = format!(
        "INSERT INTO {table} ({}) VALUES ({marks})",
        columns.join(",")
    );
    conn.exec_drop(sql, Params::Positional(cells)).unwrap();
}

/// How numbers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Print {
    Numbers,
    Texts,
}

/// Runs a statement; its rows as the vendor prints raw values.
pub(crate) fn run(conn: &mut Conn, query: &Query, print: Print) -> Vec<u8> {
    let sql = query.sql();
    let mut answer = conn
        .query_iter(&sql)
        .unwrap_or_else(|e| panic!("{e}\n{sql}"));
    let mut rows = Vec::new();
    while let Some(set) = answer.iter() {
        for row in set {
            let row = row.unwrap();
            let columns = row.columns();
            let cells = row.unwrap();
            let fields: Map<_, _> = columns
                .iter()
                .zip(cells)
                .map(|(column, cell)| {
                    let name = column.name_str().into_owned();
                    (name, value(column.column_type(), cell, print))
                })
                .collect();
            rows.push(Value::Object(fields));
        }
    }
    serde_json::to_vec(&rows).unwrap()
}

fn value(kind: ColumnType, cell: Cell, print: Print) -> Value {
    let text = match cell {
        Cell::NULL => return Value::Null,
        Cell::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    };
    match kind {
        ColumnType::MYSQL_TYPE_DATE => json!(format!("{}T00:00:00", none(&text))),
        ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_TIMESTAMP => {
            json!(none(&text).replace(' ', "T"))
        }
        ColumnType::MYSQL_TYPE_TINY
        | ColumnType::MYSQL_TYPE_SHORT
        | ColumnType::MYSQL_TYPE_LONG
        | ColumnType::MYSQL_TYPE_INT24
        | ColumnType::MYSQL_TYPE_LONGLONG
            if print == Print::Numbers =>
        {
            json!(text.parse::<i64>().unwrap())
        }
        _ => json!(text),
    }
}

/// The vendor's program reads the server's own "no date" as its own.
fn none(text: &str) -> String {
    text.replace("0000-00-00", "0001-01-01")
}
