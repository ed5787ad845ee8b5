//! Damaged files: whatever is done to one, it is refused or read without a line
//! lost, and soon. `ODX_DENTRIX_MUTANTS` sets how many of each are tried.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use odx_core::testkit::Mutants;
use odx_dentrix::table::Field;
use odx_dentrix::wire::{Class, Failure};

use crate::{Told, fixture, job, read};

const FILES: [&str; 13] = [
    "recall.csv",
    "recall.xlsx",
    "recall.xls",
    "recall_html.xls",
    "recall.pdf",
    "recall_drifted.csv",
    "recall_empty.csv",
    "recall_partial.csv",
    "recall_partial.xlsx",
    "recall_partial.xls",
    "recall_partial.pdf",
    "appointments.csv",
    "patient_list.csv",
];

fn mutants() -> usize {
    let set = std::env::var("ODX_DENTRIX_MUTANTS").ok();
    set.map_or(150, |count| {
        count.parse().expect("ODX_DENTRIX_MUTANTS is no number")
    })
}

/// A place for one file after the other.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("report")
    }

    /// Reads these bytes and checks what holds for any bytes.
    fn read(&self, what: &str, bytes: &[u8], footer: bool) -> Result<Told, Failure> {
        std::fs::write(self.path(), bytes).unwrap();
        let mut job = job(self.path());
        job.require_footer = footer;
        let begun = Instant::now();
        let told = read(&job);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(2), "{what} took {took:?}");
        match &told {
            Ok(told) => {
                let (rows, bad) = (told.rows.len() as u64, told.unreadable.len() as u64);
                if let Some(counted) = told.report().counted {
                    assert!(
                        rows <= counted && counted <= rows + bad,
                        "{what}: {counted} counted, {rows} and {bad} read"
                    );
                }
                assert!(!footer || told.report().counted.is_some(), "{what}");
                for (place, why) in &told.unreadable {
                    assert!(
                        !place.is_empty() && place.len() < 40 && why.len() < 100,
                        "{what}"
                    );
                }
            }
            Err(why) => assert!(
                matches!(
                    why.class,
                    Class::Incomplete | Class::NoReport | Class::Columns | Class::TooLarge
                ),
                "{what}: {why:?}"
            ),
        }
        told
    }
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

#[test]
fn a_file_cut_anywhere_is_refused_or_loses_nothing() {
    let desk = Desk::new();
    for name in FILES {
        let whole = bytes(name);
        let all = desk
            .read(name, &whole, false)
            .map_or(0, |told| told.rows.len());
        let counts = desk.read(name, &whole, true).is_ok();
        let step = (whole.len() / mutants()).max(1);
        let ends = (0..whole.len()).step_by(step);
        for end in ends.chain(whole.len().saturating_sub(40)..whole.len()) {
            let what = format!("{name} cut at {end}");
            let cut = whole.get(..end).unwrap();
            // What counts its rows cannot be cut unseen; nor can what has an end of its own.
            let footer = counts && name.ends_with("csv");
            if footer || !name.ends_with("csv") {
                if let Ok(told) = desk.read(&what, cut, footer) {
                    assert_eq!(told.rows.len(), all, "{what}");
                }
            } else {
                drop(desk.read(&what, cut, false));
            }
        }
    }
}

#[test]
fn a_workbook_with_a_byte_changed_is_refused_or_says_the_same() {
    let desk = Desk::new();
    let whole = bytes("recall.xlsx");
    let truth = desk.read("recall.xlsx", &whole, false).unwrap();
    let mut rng = fastrand::Rng::with_seed(14);
    for _ in 0..mutants() * 4 {
        let at = rng.usize(..whole.len());
        let mut changed = whole.clone();
        changed[at] ^= 1 << rng.u8(..8);
        if let Ok(told) = desk.read(&format!("byte {at}"), &changed, true) {
            assert!(told.rows == truth.rows, "byte {at} changed a row unseen");
        }
    }
}

#[test]
fn mutants_of_every_fixture_are_refused_or_lose_no_line() {
    let desk = Desk::new();
    let words = [
        "\"",
        ",",
        "\r\n",
        "Total Records: 26",
        "Due Date",
        "<td>",
        "</table>",
        "endobj",
        "stream",
        "PK\u{3}\u{4}",
        "\0\0",
    ];
    for (seed, name) in FILES.iter().enumerate() {
        let corpus = vec![bytes(name)];
        for (number, mutant) in Mutants::new(seed as u64, corpus, &words)
            .take(mutants())
            .enumerate()
        {
            drop(desk.read(
                &format!("mutant {number} of {name}"),
                &mutant,
                number % 2 == 0,
            ));
        }
    }
}

fn records(name: &str) -> Vec<Vec<String>> {
    let (text, ..) = encoding(&bytes(name));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let records = reader
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect());
    records.collect()
}

/// As text; the fixtures hold nothing above U+00FF but what stays out of this.
fn encoding(bytes: &[u8]) -> (String, bool) {
    match String::from_utf8(bytes.to_vec()) {
        Ok(text) => (text.trim_start_matches('\u{feff}').to_owned(), true),
        Err(_) => (bytes.iter().map(|byte| char::from(*byte)).collect(), false),
    }
}

fn written(records: &[Vec<String>], separator: &str) -> String {
    let line = |record: &Vec<String>| {
        let cells = record
            .iter()
            .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
        cells.collect::<Vec<_>>().join(separator) + "\r\n"
    };
    records.iter().map(line).collect()
}

#[test]
fn columns_in_any_order_and_with_any_separator_are_the_same_rows() {
    let desk = Desk::new();
    let records = records("recall.csv");
    let truth = desk
        .read("recall.csv", written(&records, ",").as_bytes(), true)
        .unwrap();
    let mut rng = fastrand::Rng::with_seed(8);
    for number in 0..30 {
        let mut order: Vec<usize> = (0..14).collect();
        rng.shuffle(&mut order);
        let moved: Vec<Vec<String>> = records
            .iter()
            .map(|record| match record.len() {
                14 => order.iter().map(|place| record[*place].clone()).collect(),
                _ => record.clone(),
            })
            .collect();
        let text = written(&moved, [",", "\t", ";"][number % 3]);
        let utf16: Vec<u8> = std::iter::once(0xfeff)
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        for bytes in [text.as_bytes(), &utf16] {
            let told = desk.read(&format!("order {number}"), bytes, true).unwrap();
            for field in [
                Field::DueDate,
                Field::PatientName,
                Field::Chart,
                Field::Email,
                Field::Privacy,
            ] {
                assert_eq!(told.all(field), truth.all(field), "order {number}");
            }
        }
    }
}

#[test]
fn formulas_and_odd_text_stay_text() {
    let desk = Desk::new();
    let odd = [
        "=HYPERLINK(\"http://example.com\",\"x\")",
        "+1+1",
        "@SUM(A1)",
        "-2",
        "\tx",
        "Robert'); DROP",
        "null",
        "\u{202e}txt",
        "e\u{301}",
        "😀",
        "Total, Tom",
        "Page, Linda",
        "* x",
    ];
    for text in odd
        .iter()
        .map(|odd| (*odd).to_owned())
        .chain(["x".repeat(180)])
    {
        let mut records = records("recall.csv");
        let row = records
            .iter()
            .position(|record| record.first().is_some_and(|cell| cell == "12/15/2021"))
            .unwrap();
        records[row][1].clone_from(&text);
        let told = desk
            .read("odd text", written(&records, ",").as_bytes(), true)
            .unwrap();
        assert_eq!(told.all(Field::PatientName)[0], text.trim(), "{text}");
        assert_eq!(told.rows.len(), 26);
    }
}

#[test]
fn a_row_with_a_cell_too_many_or_too_few_is_set_aside_and_counted() {
    let desk = Desk::new();
    for extra in [true, false] {
        let mut records = records("recall.csv");
        let row = records
            .iter()
            .position(|record| record.first().is_some_and(|cell| cell == "04/29/2025"))
            .unwrap();
        if extra {
            records[row].insert(1, "x".into());
        } else {
            records[row].remove(5);
        }
        let told = desk
            .read("a row", written(&records, ",").as_bytes(), true)
            .unwrap();
        assert_eq!((told.rows.len(), told.unreadable.len()), (25, 1));
        assert!(told.unreadable[0].0.starts_with("line "));
    }
}

#[test]
fn a_row_that_is_missing_or_there_after_the_totals_is_no_report() {
    let desk = Desk::new();
    let mut less = records("recall.csv");
    less.remove(8);
    assert_eq!(
        desk.read("less", written(&less, ",").as_bytes(), false)
            .unwrap_err()
            .class,
        Class::Incomplete
    );
    let mut more = records("recall.csv");
    let row = more[8].clone();
    more.push(row);
    assert_eq!(
        desk.read("more", written(&more, ",").as_bytes(), false)
            .unwrap_err()
            .class,
        Class::NoReport
    );
}

#[test]
fn doubled_headers_belong_to_nobody() {
    let desk = Desk::new();
    let text = String::from_utf8_lossy(&bytes("recall.csv")).replace("\"Note\"", "\"Due Date\"");
    assert_eq!(
        desk.read("doubled", text.as_bytes(), true)
            .unwrap_err()
            .class,
        Class::Columns
    );
}

#[test]
fn a_mark_beside_a_name_is_never_lost() {
    let desk = Desk::new();
    let marked = |records: &mut Vec<Vec<String>>| {
        for record in records.iter_mut().filter(|record| record.len() == 14) {
            if record[1].starts_with("Müller") || record[1].starts_with("M\u{fc}ller") {
                record[1].push_str(" *");
            }
        }
    };
    let mut with = records("recall.csv");
    marked(&mut with);
    let told = desk
        .read("with", written(&with, ",").as_bytes(), true)
        .unwrap();
    assert_eq!(
        (told.all(Field::PatientName)[2], told.all(Field::Privacy)[2]),
        ("Müller, Jürgen", "*")
    );
    for record in with.iter_mut().filter(|record| record.len() == 14) {
        record.remove(12);
    }
    let told = desk
        .read("without", written(&with, ",").as_bytes(), true)
        .unwrap();
    assert_eq!((told.rows.len(), told.unreadable.len()), (25, 1));
}
