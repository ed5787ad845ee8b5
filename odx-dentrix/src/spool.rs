//! Rows of a read that has not ended yet: in a file without a name, so that memory
//! stays flat and nothing is left behind, whatever happens.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use odx_core::{Error, ErrorKind, Result};

use crate::table::{Field, Row};

/// Rows on their way in.
#[derive(Debug)]
pub(crate) struct Spool {
    fields: Arc<[Field]>,
    file: BufWriter<File>,
    rows: u64,
}

/// Rows that are all there.
#[derive(Debug)]
pub(crate) struct Rows {
    fields: Arc<[Field]>,
    file: File,
    rows: u64,
    /// Where reading stopped: row and byte.
    next: (u64, u64),
}

fn failed(cause: std::io::Error) -> Error {
    Error::new(
        ErrorKind::State,
        "rows cannot be kept while they are read: see that the folder for temporary files can be written and has space",
    )
    .with_cause(cause.kind().to_string())
}

impl Spool {
    pub(crate) fn new(fields: Vec<Field>) -> Result<Self> {
        Ok(Self {
            fields: fields.into(),
            file: BufWriter::new(tempfile::tempfile().map_err(failed)?),
            rows: 0,
        })
    }

    pub(crate) fn push(&mut self, cells: &[Option<String>]) -> Result<()> {
        serde_json::to_writer(&mut self.file, cells).map_err(|why| failed(why.into()))?;
        self.file.write_all(b"\n").map_err(failed)?;
        self.rows += 1;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Rows> {
        let file = self
            .file
            .into_inner()
            .map_err(|why| failed(why.into_error()))?;
        Ok(Rows {
            fields: self.fields,
            file,
            rows: self.rows,
            next: (0, 0),
        })
    }
}

impl Rows {
    pub(crate) const fn len(&self) -> u64 {
        self.rows
    }

    /// The table says something about this field.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.fields.contains(&field)
    }

    /// At most `most` rows from this one on.
    pub(crate) fn page(&mut self, from: u64, most: usize) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.each_from(from, |row| {
            rows.push(row);
            rows.len() < most
        })?;
        Ok(rows)
    }

    /// Every row, one after the other.
    pub(crate) fn each(&mut self, mut take: impl FnMut(Row)) -> Result<()> {
        self.each_from(0, |row| {
            take(row);
            true
        })
    }

    fn each_from(&mut self, from: u64, mut go_on: impl FnMut(Row) -> bool) -> Result<()> {
        let (mut row, mut byte) = if self.next.0 <= from {
            self.next
        } else {
            (0, 0)
        };
        self.file.seek(SeekFrom::Start(byte)).map_err(failed)?;
        let mut file = BufReader::new(&self.file);
        let mut line = Vec::new();
        while row < self.rows {
            line.clear();
            let read = file.read_until(b'\n', &mut line).map_err(failed)?;
            byte += u64::try_from(read).unwrap_or(u64::MAX);
            row += 1;
            if row <= from {
                continue;
            }
            let cells = serde_json::from_slice(&line).map_err(|why| failed(why.into()))?;
            if !go_on(Row::new(Arc::clone(&self.fields), cells)) {
                break;
            }
        }
        self.next = (row, byte);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_order_from_wherever_they_are_asked_for() {
        let mut spool = Spool::new(vec![Field::Chart, Field::Email]).unwrap();
        for n in 0..25 {
            spool.push(&[Some(format!("{n}\n\"x")), None]).unwrap();
        }
        let mut rows = spool.finish().unwrap();
        assert_eq!(rows.len(), 25);
        let charts = |rows: Vec<Row>| {
            let of = |row: &Row| row.get(Field::Chart).unwrap().to_owned();
            rows.iter().map(of).collect::<Vec<_>>()
        };
        for from in [0, 10, 20, 10, 24, 0] {
            let page = charts(rows.page(from, 10).unwrap());
            let want: Vec<_> = (from..25).take(10).map(|n| format!("{n}\n\"x")).collect();
            assert_eq!(page, want);
        }
        let mut all = 0;
        rows.each(|_| all += 1).unwrap();
        assert_eq!(all, 25);
        assert!(rows.page(25, 10).unwrap().is_empty());
    }
}
