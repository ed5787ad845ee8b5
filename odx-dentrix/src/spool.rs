//! Rows of a read that has not ended yet: in a file without a name, so that memory
//! stays flat and nothing is left behind, whatever happens.
//!
//! They are given out in an order that is the same in every read, so that a read
//! that was cut off goes on in the next one and shows everybody.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use odx_core::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};

use crate::table::{Field, Row};

/// What tells rows apart and rarely changes. A row whose place does change is
/// shown by the next read.
const NAMING: [Field; 12] = [
    Field::PatientGuid,
    Field::PatientId,
    Field::Chart,
    Field::PatientName,
    Field::LastName,
    Field::FirstName,
    Field::BirthDate,
    Field::RecallType,
    Field::RecallTypeId,
    Field::AppointmentId,
    Field::AppointmentDate,
    Field::AppointmentTime,
];

/// Where something stands in the order in which it is given out.
pub(crate) fn standing(parts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Rows on their way in.
#[derive(Debug)]
pub(crate) struct Spool {
    fields: Arc<[Field]>,
    naming: Vec<usize>,
    file: BufWriter<File>,
    byte: u64,
    order: Vec<(u64, u64)>,
}

/// Rows that are all there.
#[derive(Debug)]
pub(crate) struct Rows {
    fields: Arc<[Field]>,
    file: File,
    /// Standing and byte of each, in the order in which they are given out.
    order: Vec<(u64, u64)>,
}

fn failed(cause: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::State,
        "rows cannot be kept while they are read: see that the folder for temporary files can be written and has space",
    )
    .with_cause(cause.kind().to_string())
}

impl Spool {
    pub(crate) fn new(fields: Vec<Field>) -> Result<Self> {
        let naming = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| NAMING.contains(field))
            .map(|(place, _)| place)
            .collect();
        Ok(Self {
            fields: fields.into(),
            naming,
            file: BufWriter::new(tempfile::tempfile().map_err(|why| failed(&why))?),
            byte: 0,
            order: Vec::new(),
        })
    }

    pub(crate) fn push(&mut self, cells: &[Option<String>]) -> Result<()> {
        let naming = self.naming.iter();
        let naming: Vec<&str> = naming
            .map(|place| {
                let cell = cells.get(*place).and_then(Option::as_deref);
                cell.unwrap_or_default().trim()
            })
            .collect();
        self.order.push((standing(&naming), self.byte));
        let mut line = serde_json::to_vec(cells).map_err(|why| failed(&why.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|why| failed(&why))?;
        self.byte += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Rows> {
        let file = self.file.into_inner();
        let file = file.map_err(|why| failed(why.error()))?;
        let mut order = self.order;
        order.sort_unstable();
        Ok(Rows {
            fields: self.fields,
            file,
            order,
        })
    }
}

impl Rows {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// About so many rows that stand after this, or from the beginning, with where
    /// the last of them stands; none: these were the last.
    pub(crate) fn page(
        &mut self,
        after: Option<u64>,
        most: usize,
    ) -> Result<(Vec<Row>, Option<u64>)> {
        let from = after.map_or(0, |after| {
            self.order
                .partition_point(|(standing, _)| *standing <= after)
        });
        let rest = self.order.get(from..).unwrap_or_default();
        let mut until = most.min(rest.len());
        // Rows that stand at one place are not parted.
        while let (Some((last, _)), Some((next, _))) =
            (rest.get(until.saturating_sub(1)), rest.get(until))
            && last == next
        {
            until += 1;
        }
        let page = rest.get(..until).unwrap_or_default();
        let last = page.last().map(|(standing, _)| *standing);
        let last = last.filter(|_| until < rest.len());
        let mut rows = Vec::with_capacity(page.len());
        let mut file = BufReader::new(&self.file);
        for (_, byte) in page {
            rows.push(read(&mut file, *byte, &self.fields)?);
        }
        Ok((rows, last))
    }

    /// Every row, in the order in which they came.
    pub(crate) fn each(&mut self, mut take: impl FnMut(Row)) -> Result<()> {
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(|why| failed(&why))?;
        for line in BufReader::new(&self.file).split(b'\n') {
            let line = line.map_err(|why| failed(&why))?;
            take(row(&line, &self.fields)?);
        }
        Ok(())
    }
}

fn read(file: &mut BufReader<&File>, byte: u64, fields: &Arc<[Field]>) -> Result<Row> {
    let mut line = Vec::new();
    file.seek(SeekFrom::Start(byte))
        .and_then(|_| file.read_until(b'\n', &mut line))
        .map_err(|why| failed(&why))?;
    row(&line, fields)
}

fn row(line: &[u8], fields: &Arc<[Field]>) -> Result<Row> {
    let cells = serde_json::from_slice(line).map_err(|why| failed(&why.into()))?;
    Ok(Row::new(Arc::clone(fields), cells))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rows(charts: impl Iterator<Item = u32>) -> Rows {
        let mut spool = Spool::new(vec![Field::Chart, Field::Email]).unwrap();
        for n in charts {
            spool.push(&[Some(format!("{n}\n\"x")), None]).unwrap();
        }
        spool.finish().unwrap()
    }

    fn charts(rows: &[Row]) -> Vec<String> {
        let of = |row: &Row| row.get(Field::Chart).unwrap().to_owned();
        rows.iter().map(of).collect()
    }

    /// All pages, each from another read.
    fn pages(mut read: impl FnMut() -> Rows) -> Vec<String> {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (page, last) = read().page(after, 10).unwrap();
            seen.extend(charts(&page));
            after = last;
            if after.is_none() {
                return seen;
            }
        }
    }

    #[test]
    fn every_read_gives_its_rows_out_in_one_order() {
        let one = pages(|| rows(0..25));
        assert_eq!(one, pages(|| rows((0..25).rev())));
        assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), 25);
    }

    #[test]
    fn what_comes_and_goes_between_two_reads_hides_nobody_else() {
        let mut n = 0;
        let seen = pages(|| {
            n += 1;
            rows(
                (0..25)
                    .filter(|chart| chart % 5 != n % 5)
                    .chain(100..100 + n),
            )
        });
        let seen: BTreeSet<_> = seen.into_iter().collect();
        let all = pages(|| rows((0..25).filter(|chart| chart % 5 == 4)));
        assert!(all.iter().all(|chart| seen.contains(chart)));
    }

    #[test]
    fn rows_that_are_alike_are_not_parted() {
        let mut same = rows(std::iter::repeat_n(7, 25));
        let (page, last) = same.page(None, 10).unwrap();
        assert_eq!((page.len(), last), (25, None));
        let mut count = 0;
        same.each(|_| count += 1).unwrap();
        assert_eq!(count, 25);
    }
}
