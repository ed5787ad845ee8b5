//! One table: asked, bound by name, and fetched as text in blocks.

use std::io;

use odbc_api::buffers::{AnyColumnBufferSlice, BufferDesc, ColumnarDynBuffer};
use odbc_api::handles::HasDataType;
use odbc_api::parameter::{CElement, InputParameter, WithDataType};
use odbc_api::sys::{Date, Timestamp};
use odbc_api::{Connection, Cursor, DataType, Error, Nullable, ResultSetMetadata};

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use sha2::{Digest as _, Sha256};

use crate::columns::Binding;
use crate::wire::{Class, Failure, OdbcJob, Parameter, Said, Statement, TIMEOUT_IGNORED};

use super::failure::Doing;

/// A statement, and the text that the guard let through.
pub(super) struct Question<'a> {
    pub(super) statement: &'a Statement,
    pub(super) sql: String,
}

/// Letters that a cell has room for where the driver does not know its length.
const UNKNOWN: usize = 255;

/// Letters that a cell never has less or, at first, more room for.
const ROOM: std::ops::RangeInclusive<usize> = 32..=1024;

/// Letters that a cell has room for once one was too long.
const WIDER: usize = 8192;

/// More letters than any column that is a field: the vendor's longest is a note of 5127.
const LONGEST: usize = 32_768;

/// More rows in a block are not faster.
const BLOCK: usize = 1000;

/// A line to the connector is about as long as this.
const LINE: usize = 64 << 10;

/// How long a statement may take, so far as the driver keeps to it.
pub(super) struct Timeout {
    seconds: usize,
    told: bool,
}

impl Timeout {
    pub(super) fn new(seconds: u32) -> Self {
        let seconds = usize::try_from(seconds).unwrap_or(usize::MAX);
        Self {
            seconds,
            told: false,
        }
    }
}

/// How cells are fetched. Drivers differ, so what one refuses is tried otherwise.
struct Way {
    wide: bool,
    block: usize,
    /// Letters that every cell has room for at least.
    room: usize,
}

enum Tried {
    All,
    /// The driver has no wide text.
    Narrow,
    /// The driver has no blocks.
    Single,
    /// A value was longer than its place; so many letters, where the driver knows.
    Cut(Option<usize>),
}

/// What was said of a table before it had to be asked again. Rows are not kept, so
/// they are compared by their digest, and go on where they stopped.
struct Told {
    header: Option<Vec<String>>,
    rows: u64,
    digest: Sha256,
}

/// Reads a table to its end.
pub(super) fn read(
    connection: &Connection<'_>,
    question: &Question<'_>,
    job: &OdbcJob,
    timeout: &mut Timeout,
    say: &mut dyn FnMut(Said) -> io::Result<()>,
) -> Result<(), Failure> {
    let table = question.statement.table;
    let mut way = Way {
        wide: true,
        block: BLOCK,
        room: *ROOM.start(),
    };
    let mut told = Told {
        header: None,
        rows: 0,
        digest: Sha256::new(),
    };
    let cut = || {
        let what = format!(
            "a value of {} is longer than {LONGEST} letters, so it would be cut: take its column out of columns.{0}, or shorten \
             it in odbc.sql.{0}",
            table.name()
        );
        Failure::new(Class::Truncated, what)
    };
    let mut widened = false;
    loop {
        match attempt(connection, question, job, timeout, &way, &mut told, say)? {
            Tried::All => break,
            Tried::Narrow => way.wide = false,
            Tried::Single => way.block = 1,
            Tried::Cut(_) if widened => return Err(cut()),
            Tried::Cut(letters) => {
                widened = true;
                // The next one that is too long may be longer than this one.
                way.room = letters.map_or(LONGEST, |letters| letters.max(WIDER));
                if way.room > LONGEST {
                    return Err(cut());
                }
            }
        }
    }
    tell(
        say,
        Said::End {
            table,
            rows: told.rows,
            report: None,
        },
    )
}

fn attempt(
    connection: &Connection<'_>,
    question: &Question<'_>,
    job: &OdbcJob,
    timeout: &mut Timeout,
    way: &Way,
    told: &mut Told,
    say: &mut dyn FnMut(Said) -> io::Result<()>,
) -> Result<Tried, Failure> {
    let statement = question.statement;
    let (table, name) = (statement.table, statement.table.name());
    let failure = |why: &Error| Doing::Asking(table, job).failure(why);

    // Not closed after a failure, see `read`.
    let mut handle =
        std::mem::ManuallyDrop::new(connection.preallocate().map_err(|why| failure(&why))?);
    let kept = match handle.set_query_timeout_sec(timeout.seconds) {
        Ok(()) => handle.query_timeout_sec().is_ok_and(|seconds| seconds > 0),
        Err(_) => false,
    };
    if !kept && timeout.seconds > 0 && !std::mem::replace(&mut timeout.told, true) {
        tell(
            say,
            Said::Note {
                what: TIMEOUT_IGNORED.into(),
            },
        )?;
    }
    let parameters = parameters(&statement.parameters).ok_or_else(|| {
        let what = format!("a day that {name} is asked for is out of every range: set one between the years 1700 and 9999");
        Failure::new(Class::Guard, what)
    })?;
    let cursor = handle
        .execute(&question.sql, parameters.as_slice())
        .map_err(|why| failure(&why))?;
    let mut cursor = std::mem::ManuallyDrop::new(cursor.ok_or_else(|| {
        let what =
            format!("odbc.sql.{name} gives no rows, not even none: ask for something that reads");
        Failure::new(Class::Guard, what)
    })?);

    let header = header(&mut *cursor).map_err(|why| failure(&why))?;
    let binding = statement.columns.bind(&header)?;
    match &told.header {
        None => {
            told.header = Some(header.clone());
            let Binding {
                fields, unknown, ..
            } = binding.clone();
            tell(
                say,
                Said::Table {
                    table,
                    header,
                    fields,
                    unknown,
                },
            )?;
        }
        Some(before) if *before != header => return Err(moved(name)),
        Some(_) => {}
    }
    if statement.columns_only {
        drop(std::mem::ManuallyDrop::into_inner(cursor));
        drop(std::mem::ManuallyDrop::into_inner(handle));
        return Ok(Tried::All);
    }

    let rooms = rooms(&mut *cursor, &binding, way);
    let bytes = rooms
        .iter()
        .map(|(_, room)| bytes(*room, way))
        .sum::<usize>()
        .max(1);
    let block = (job.batch_bytes / bytes).clamp(1, way.block.max(1));
    let cells = rooms.iter().map(|(column, room)| {
        let max_str_len = *room;
        (
            *column,
            if way.wide {
                BufferDesc::WText { max_str_len }
            } else {
                BufferDesc::Text { max_str_len }
            },
        )
    });
    let buffer = ColumnarDynBuffer::from_descs_and_indices(block, cells);
    let cursor = std::mem::ManuallyDrop::into_inner(cursor);
    let mut fetched = match cursor.bind_buffer(buffer).map(std::mem::ManuallyDrop::new) {
        Ok(fetched) => fetched,
        Err(why) => {
            let tried = match why {
                Error::InvalidRowArraySize { .. } if way.block > 1 => Tried::Single,
                why if way.wide && refuses_wide(&why) => Tried::Narrow,
                why => return Err(failure(&why)),
            };
            drop(std::mem::ManuallyDrop::into_inner(handle));
            return Ok(tried);
        }
    };

    // Rows that were told before, which have to be the same.
    let mut before = (told.rows, Sha256::new());
    let expected = std::mem::replace(&mut told.digest, Sha256::new()).finalize();
    let mut line = Line::default();
    let tried = loop {
        let rows = match fetched.fetch_with_truncation_check(true) {
            Ok(Some(rows)) => rows,
            Ok(None) => break Tried::All,
            Err(Error::TooLargeValueForBuffer { indicator, .. }) => {
                break Tried::Cut(indicator.map(|bytes| letters(bytes, way)));
            }
            Err(why) if way.wide && refuses_wide(&why) => break Tried::Narrow,
            Err(why) => return Err(failure(&why)),
        };
        let columns: Vec<_> = (0..rows.num_cols())
            .map(|place| rows.column(place))
            .collect();
        // Some drivers cut without a word.
        if let Some(indicator) = columns.iter().find_map(|column| truncated(*column)) {
            break Tried::Cut(indicator.map(|bytes| letters(bytes, way)));
        }
        for row in 0..rows.num_rows() {
            let cells: Vec<_> = columns.iter().map(|column| cell(*column, row)).collect();
            digest(&mut before.1, &cells);
            if before.0 > 0 {
                before.0 = before.0.saturating_sub(1);
                if before.0 == 0 && before.1.clone().finalize() != expected {
                    return Err(moved(name));
                }
                continue;
            }
            told.rows = told.rows.saturating_add(1);
            if told.rows > job.max_rows {
                let what = format!(
                    "{name} has more than {} rows: raise odbc.max_rows, or ask for less in odbc.sql.{name}",
                    job.max_rows
                );
                return Err(Failure::new(Class::TooLarge, what));
            }
            line.push(cells);
            if line.bytes > LINE {
                tell(say, line.take())?;
            }
        }
    };
    if before.0 > 0 {
        return Err(moved(name));
    }
    told.digest = before.1;
    if !line.rows.is_empty() {
        tell(say, line.take())?;
    }
    drop(std::mem::ManuallyDrop::into_inner(fetched));
    drop(std::mem::ManuallyDrop::into_inner(handle));
    Ok(tried)
}

fn moved(name: &str) -> Failure {
    let what = format!(
        "{name} changed while it was asked again for longer values: it is read again later"
    );
    Failure::new(Class::Busy, what)
}

/// Names by the accessor: some drivers cut a description to the name before it.
fn header(cursor: &mut impl ResultSetMetadata) -> Result<Vec<String>, Error> {
    let columns = u16::try_from(cursor.num_result_cols()?).unwrap_or(0);
    (1..=columns)
        .map(|column| Ok(cursor.col_name(column)?.trim().to_owned()))
        .collect()
}

/// The bound columns, counted from one, and how many letters each has room for.
fn rooms(cursor: &mut impl ResultSetMetadata, binding: &Binding, way: &Way) -> Vec<(u16, usize)> {
    let columns = binding
        .places
        .iter()
        .filter_map(|place| u16::try_from(place.saturating_add(1)).ok());
    columns
        .map(|column| {
            let known = cursor.col_display_size(column).ok().flatten();
            let room = known.map_or(UNKNOWN, std::num::NonZeroUsize::get);
            (column, room.clamp(*ROOM.start(), *ROOM.end()).max(way.room))
        })
        // One letter is up to two units of wide text, four of narrow.
        .map(|(column, room)| (column, room.saturating_mul(if way.wide { 2 } else { 4 })))
        .collect()
}

fn bytes(room: usize, way: &Way) -> usize {
    let unit = if way.wide { 2 } else { 1 };
    room.saturating_add(1)
        .saturating_mul(unit)
        .saturating_add(size_of::<isize>())
}

/// Letters that so many bytes are at most.
fn letters(bytes: usize, way: &Way) -> usize {
    if way.wide { bytes.div_ceil(2) } else { bytes }
}

fn refuses_wide(why: &Error) -> bool {
    matches!(why, Error::Diagnostics { record, .. } if ["07006", "HY003", "HYC00"].contains(&record.state.as_str()))
}

/// The length of a value that was cut, where there is one.
fn truncated(column: AnyColumnBufferSlice<'_>) -> Option<Option<usize>> {
    let wide = column
        .as_wide_text()
        .and_then(|text| text.has_truncated_values());
    let cut = wide.or_else(|| {
        column
            .as_text()
            .and_then(|text| text.has_truncated_values())
    });
    cut.map(|indicator| indicator.length())
}

/// What stands in a cell, without the blanks that pad it.
fn cell(column: AnyColumnBufferSlice<'_>, row: usize) -> Option<String> {
    let text = match column.as_wide_text() {
        Some(text) => String::from_utf16_lossy(text.get(row)?),
        None => narrow(column.as_text()?.get(row)?),
    };
    Some(text.trim_end_matches([' ', '\0']).to_owned())
}

/// Narrow text is UTF-8 on one system and the Windows code page on another.
fn narrow(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| windows(*byte)).collect(),
    }
}

fn windows(byte: u8) -> char {
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    let upper = byte
        .checked_sub(0x80)
        .and_then(|place| UPPER.get(usize::from(place)));
    upper.copied().unwrap_or(char::from(byte))
}

#[derive(Default)]
struct Line {
    rows: Vec<Vec<Option<String>>>,
    bytes: usize,
}

impl Line {
    fn push(&mut self, cells: Vec<Option<String>>) {
        let letters: usize = cells.iter().flatten().map(String::len).sum();
        self.bytes = self
            .bytes
            .saturating_add(letters)
            .saturating_add(cells.len().saturating_mul(8));
        self.rows.push(cells);
    }

    fn take(&mut self) -> Said {
        let Self { rows, .. } = std::mem::take(self);
        Said::Rows { rows }
    }
}

fn digest(digest: &mut Sha256, cells: &[Option<String>]) {
    for cell in cells {
        match cell {
            Some(text) => {
                digest.update([1]);
                digest.update(text.as_bytes());
            }
            None => digest.update([0]),
        }
        digest.update([0xff]);
    }
}

fn tell(say: &mut dyn FnMut(Said) -> io::Result<()>, said: Said) -> Result<(), Failure> {
    say(said).map_err(|_| {
        Failure::new(
            Class::Crashed,
            "whoever asked for this no longer listens: it is read again later",
        )
    })
}

type Bound = Box<dyn InputParameter>;

/// Values for the markers. None: a year that ODBC has no place for.
fn parameters(values: &[Parameter]) -> Option<Vec<Bound>> {
    values.iter().map(bound).collect()
}

fn bound(value: &Parameter) -> Option<Bound> {
    Some(match value {
        Parameter::Date(day) => boxed(WithDataType {
            value: date(*day)?,
            data_type: DataType::Date,
        }),
        Parameter::Stamp(stamp) => {
            let value = match stamp {
                Some(stamp) => Nullable::new(timestamp(*stamp)?),
                None => Nullable::null(),
            };
            boxed(WithDataType {
                value,
                data_type: DataType::Timestamp { precision: 0 },
            })
        }
    })
}

fn boxed<T: CElement + HasDataType + Send + 'static>(value: T) -> Bound {
    Box::new(value)
}

fn date(day: NaiveDate) -> Option<Date> {
    let (month, day_of_month) = (
        u16::try_from(day.month()).ok()?,
        u16::try_from(day.day()).ok()?,
    );
    Some(Date {
        year: i16::try_from(day.year()).ok()?,
        month,
        day: day_of_month,
    })
}

fn timestamp(stamp: NaiveDateTime) -> Option<Timestamp> {
    let Date { year, month, day } = date(stamp.date())?;
    let part = |part: u32| u16::try_from(part).ok();
    Some(Timestamp {
        year,
        month,
        day,
        hour: part(stamp.hour())?,
        minute: part(stamp.minute())?,
        second: part(stamp.second())?,
        fraction: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_text_is_utf_8_where_it_can_be_and_else_windows() {
        assert_eq!(narrow("Núñez".as_bytes()), "Núñez");
        assert_eq!(narrow(b"N\xfa\xf1ez D\x92Angelo"), "Núñez D’Angelo");
    }

    #[test]
    fn a_year_that_odbc_has_no_place_for_is_no_value() {
        let far = NaiveDate::from_ymd_opt(40_000, 1, 1).unwrap();
        assert!(parameters(&[Parameter::Date(far)]).is_none());
    }
}
