//! The folder as a whole.

use std::collections::{BTreeMap, BTreeSet};

use odx_opendental::statements;
use serde_json::Value;

const INDEX: &str = "index.json";

/// Every printed body by its file's name.
fn folder() -> BTreeMap<String, Vec<u8>> {
    let path = format!("{}/tests/fixtures", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap());
    files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, std::fs::read(file.path()).unwrap())
        })
        .filter(|(name, _)| name != "README.md")
        .collect()
}

#[test]
fn the_folder_holds_what_its_index_names_and_nothing_else() {
    let all = folder();
    let index: Vec<Value> = serde_json::from_slice(&all[INDEX]).unwrap();
    let named: BTreeSet<_> = index
        .iter()
        .map(|entry| entry["file"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(named.len(), index.len(), "a file is named twice");
    let mut there: BTreeSet<_> = all.into_keys().collect();
    there.remove(INDEX);
    assert_eq!(there, named);
    assert_eq!(there.len(), 158);
}

#[test]
fn no_row_of_any_printed_body_is_lost() {
    let mut rows = 0;
    for (name, body) in folder() {
        let whole: Value = serde_json::from_slice(&body).unwrap();
        let printed = match whole {
            Value::Array(rows) => rows,
            row => vec![row],
        };
        let read = statements::rows(&body).unwrap_or_else(|| panic!("{name} is no list"));
        let read: Vec<Value> = read
            .iter()
            .map(|row| serde_json::from_str(row.get()).unwrap())
            .collect();
        assert_eq!(read, printed, "{name}");
        rows += read.len();
        // What was cut is never taken for a shorter list.
        let text = std::str::from_utf8(&body).unwrap().trim_end();
        assert!(
            statements::rows(&text.as_bytes()[..text.len() - 1]).is_none(),
            "{name}"
        );
    }
    assert!(rows > 300, "{rows}");
}
