//! What every parser here must keep to, whatever it is given (feature `fuzz`).

#![allow(clippy::panic, reason = "a panic is what a fuzzer looks for")]

use crate::columns::Columns;
use crate::exports;
use crate::table::Table;
use crate::wire::{FileJob, Said};

/// A report of any kind is refused, or each of its rows is told once, as many as
/// it counts, and the same ones whenever it is read.
pub fn report(data: &[u8]) {
    let job = FileJob {
        path: std::path::PathBuf::new(),
        columns: Table::ALL.map(Columns::default_for).to_vec(),
        encoding: "windows-1252".into(),
        max_bytes: 16 << 20,
        max_rows: 10_000,
        require_footer: false,
        columns_only: false,
    };
    let once = || {
        let mut told = Vec::new();
        let read = exports::bytes_of(&job, data, &mut |said| {
            told.push(said);
            Ok(())
        });
        (read, told)
    };
    let ((read, told), (again, told_again)) = (once(), once());
    assert_eq!(read, again);
    assert_eq!(told.len(), told_again.len());
    let (mut rows, mut unreadable) = (0, 0);
    for said in &told {
        match said {
            Said::Rows { rows: batch } => rows += batch.len() as u64,
            Said::Unreadable { .. } => unreadable += 1,
            Said::End {
                rows: counted,
                report,
                ..
            } => {
                assert_eq!(rows, *counted, "a row was lost");
                let says = report.as_ref().and_then(|report| report.counted);
                assert!(says.is_none_or(|says| (rows..=rows + unreadable).contains(&says)));
            }
            _ => {}
        }
    }
    assert!(read.is_err() || matches!(told.last(), Some(Said::End { .. })));
}

#[cfg(test)]
mod tests {
    use odx_core::testkit::Mutants;

    use super::*;

    #[test]
    fn broken_reports_lose_no_row() {
        let folder = format!("{}/tests/fixtures", env!("CARGO_MANIFEST_DIR"));
        let words = [
            "\",\"",
            "\r\n",
            "Total Records: 26",
            "Due Date",
            "<tr>",
            "endobj",
        ];
        let mutants = Mutants::of_folder(18, folder, &words).unwrap();
        mutants.take(300).for_each(|mutant| report(&mutant));
    }
}
