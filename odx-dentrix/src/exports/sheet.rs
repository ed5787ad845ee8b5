//! Workbooks, new and old. Every sheet is looked at, for the first one is not
//! always the data; cells become the text that a person would have typed.

use std::io::Cursor;

use calamine::{Data, DataRef, ExcelDateTime, Reader as _, Xls, Xlsx};
use chrono::{NaiveDateTime, NaiveTime, Timelike as _};

use super::report::{self, Header, Line, Lines, Say};
use super::{complete, contained, no_report, too_large};
use crate::wire::{Failure, FileJob};

/// Cells further right are no report.
const WIDEST: u32 = 256;

/// Sheets of a workbook, as lines.
trait Workbook {
    fn names(&self) -> Vec<String>;

    fn lines<'a>(&'a mut self, sheet: &str) -> Result<Box<dyn Lines + 'a>, Failure>;
}

/// Reads a workbook in a zip.
pub(super) fn xlsx(job: &FileJob, bytes: &[u8], say: &mut Say<'_>) -> Result<(), Failure> {
    complete::zip(bytes, job.max_bytes)?;
    contained("a workbook", || {
        let book = Xlsx::new(Cursor::new(bytes)).map_err(|_| unreadable())?;
        read(job, &mut New(book), "xlsx", say)
    })
}

/// Reads a workbook in an OLE container.
pub(super) fn xls(job: &FileJob, bytes: &[u8], say: &mut Say<'_>) -> Result<(), Failure> {
    complete::workbook(&complete::ole(bytes)?)?;
    contained("a workbook", || {
        let book = Xls::new(Cursor::new(bytes)).map_err(|_| unreadable())?;
        read(job, &mut Old(book), "xls", say)
    })
}

fn unreadable() -> Failure {
    no_report(
        "a workbook is damaged or protected: open it where it was made and save it anew, without a password",
    )
}

fn read(
    job: &FileJob,
    book: &mut dyn Workbook,
    format: &str,
    say: &mut Say<'_>,
) -> Result<(), Failure> {
    let sheets = book.names();
    if sheets.len() > complete::SHEETS {
        return Err(too_large("it has more sheets than any report"));
    }
    let mut best: Option<(&String, Header)> = None;
    let mut widest = Vec::new();
    let mut reports = 0;
    for sheet in &sheets {
        let head = report::head(&mut *book.lines(sheet)?)?;
        let found = report::find(&head, &job.columns);
        if widest.is_empty() {
            widest = head;
        }
        let Some(found) = found else { continue };
        reports += usize::from(found.bound.is_ok());
        if best.as_ref().is_none_or(|(_, best)| found.beats(best)) {
            best = Some((sheet, found));
        }
    }
    if job.columns_only {
        return report::say_columns(job, best.map(|(_, header)| header), &widest, say);
    }
    let (sheet, header) = best.ok_or_else(report::no_header)?;
    // Which one is meant, or whether one goes on in the other, nobody can tell.
    if reports > 1 {
        return Err(no_report(
            "more than one of its sheets holds a report: save each in a file of its own",
        ));
    }
    let mut elsewhere = 0;
    for other in sheets.iter().filter(|other| *other != sheet) {
        let mut lines = book.lines(other)?;
        while lines.next()?.is_some() {
            elsewhere += 1;
        }
    }
    let mut lines = book.lines(sheet)?;
    report::rows(job, header, &mut *lines, format, elsewhere, say)
}

struct New<'a>(Xlsx<Cursor<&'a [u8]>>);

impl Workbook for New<'_> {
    fn names(&self) -> Vec<String> {
        self.0.sheet_names()
    }

    fn lines<'a>(&'a mut self, sheet: &str) -> Result<Box<dyn Lines + 'a>, Failure> {
        let cells = self
            .0
            .worksheet_cells_reader(sheet)
            .map_err(|_| unreadable())?;
        Ok(Box::new(Cells {
            cells,
            ahead: None,
            row: 0,
            width: 0,
            done: false,
        }))
    }
}

/// The cells of a new sheet as they come, a row at a time: what lies between two
/// cells far apart takes no memory.
struct Cells<'a, 'b> {
    cells: calamine::XlsxCellReader<'a, Cursor<&'b [u8]>>,
    ahead: Option<(u32, u32, Typed)>,
    row: u32,
    width: usize,
    done: bool,
}

impl Cells<'_, '_> {
    fn cell(&mut self) -> Result<Option<(u32, u32, Typed)>, Failure> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        let cell = self.cells.next_cell().map_err(|_| unreadable())?;
        Ok(cell.map(|cell| {
            let (row, column) = cell.get_position();
            (row, column, new_text(cell.get_value()))
        }))
    }
}

impl Lines for Cells<'_, '_> {
    fn next(&mut self) -> Result<Option<Line>, Failure> {
        if self.done {
            return Ok(None);
        }
        let mut line: Option<Line> = None;
        let mut at = self.row;
        loop {
            let Some((row, column, typed)) = self.cell()? else {
                self.done = true;
                break;
            };
            if line.is_some() && row != at {
                if row < at {
                    return Err(no_report(
                        "the rows of its sheet are out of order: open it where it was made and save it anew",
                    ));
                }
                self.ahead = Some((row, column, typed));
                break;
            }
            let line =
                line.get_or_insert_with(|| Line::new(format!("row {}", row + 1), Vec::new()));
            at = row;
            if typed == Typed::Text(String::new()) {
                continue;
            }
            put(line, column, typed)?;
        }
        self.row = at + 1;
        let Some(mut line) = line else {
            return Ok(None);
        };
        self.width = self.width.max(line.cells.len());
        line.cells.resize(self.width, String::new());
        Ok(Some(line))
    }
}

fn put(line: &mut Line, column: u32, typed: Typed) -> Result<(), Failure> {
    if column >= WIDEST {
        return Err(too_large("its sheet is wider than any report"));
    }
    let place = usize::try_from(column).unwrap_or_default();
    if line.cells.len() <= place {
        line.cells.resize(place + 1, String::new());
    }
    match typed {
        Typed::Text(text) => {
            if let Some(cell) = line.cells.get_mut(place) {
                *cell = text;
            }
        }
        Typed::Error => {
            line.fault = Some("one of its cells holds an error of the spreadsheet");
        }
    }
    Ok(())
}

struct Old<'a>(Xls<Cursor<&'a [u8]>>);

impl Workbook for Old<'_> {
    fn names(&self) -> Vec<String> {
        self.0.sheet_names()
    }

    fn lines<'a>(&'a mut self, sheet: &str) -> Result<Box<dyn Lines + 'a>, Failure> {
        let range = self.0.worksheet_range(sheet).map_err(|_| unreadable())?;
        Ok(Box::new(Rows { range, at: 0 }))
    }
}

struct Rows {
    range: calamine::Range<Data>,
    at: u32,
}

impl Lines for Rows {
    fn next(&mut self) -> Result<Option<Line>, Failure> {
        let (Some((top, left)), Some((bottom, right))) = (self.range.start(), self.range.end())
        else {
            return Ok(None);
        };
        let row = top.saturating_add(self.at);
        if row > bottom {
            return Ok(None);
        }
        self.at += 1;
        let width = usize::try_from(right + 1).unwrap_or_default();
        let mut line = Line::new(format!("row {}", row + 1), Vec::with_capacity(width));
        for column in left..=right {
            if let Some(cell) = self.range.get_value((row, column)) {
                put(&mut line, column, old_text(cell))?;
            }
        }
        line.cells.resize(width, String::new());
        Ok(Some(line))
    }
}

/// What a cell comes to.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    Text(String),
    Error,
}

fn new_text(cell: &DataRef<'_>) -> Typed {
    Typed::Text(match cell {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(yes) => truth(*yes),
        DataRef::DateTime(moment) => moment_text(moment),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => iso(text),
        DataRef::Error(_) => return Typed::Error,
        _ => String::new(),
    })
}

fn old_text(cell: &Data) -> Typed {
    Typed::Text(match cell {
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number_text(*number),
        Data::String(text) => text.clone(),
        Data::Bool(yes) => truth(*yes),
        Data::DateTime(moment) => moment_text(moment),
        Data::DateTimeIso(text) | Data::DurationIso(text) => iso(text),
        Data::Error(_) => return Typed::Error,
        _ => String::new(),
    })
}

fn truth(yes: bool) -> String {
    if yes { "TRUE" } else { "FALSE" }.to_owned()
}

/// Telephone and chart numbers become numbers when a spreadsheet sees them.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        format!("{number:.0}")
    } else {
        number.to_string()
    }
}

fn moment_text(moment: &ExcelDateTime) -> String {
    let number = moment.as_f64();
    // What no calendar holds stays the number it is, for whoever reads dates to refuse.
    if !(0.0..2_958_466.0).contains(&number) {
        return number_text(number);
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let date = chrono::NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
    let time = NaiveTime::from_hms_opt(hour.into(), minute.into(), second.into());
    let (Some(date), Some(time)) = (date, time) else {
        return number_text(number);
    };
    if number < 1.0 {
        time.format("%H:%M").to_string()
    } else {
        day_text(date.and_time(time))
    }
}

fn iso(text: &str) -> String {
    text.parse::<NaiveDateTime>()
        .map_or_else(|_| text.to_owned(), day_text)
}

fn day_text(moment: NaiveDateTime) -> String {
    if moment.num_seconds_from_midnight() == 0 {
        moment.format("%Y-%m-%d").to_string()
    } else {
        moment.format("%Y-%m-%d %H:%M:%S").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_a_person_would_have_typed() {
        assert_eq!(number_text(8_015_550_113.0), "8015550113");
        assert_eq!(number_text(105.0), "105");
        assert_eq!(number_text(-0.5), "-0.5");
    }

    #[test]
    fn dates_are_days_and_times_are_times() {
        let cell = |number| {
            let kind = calamine::ExcelDateTimeType::DateTime;
            moment_text(&ExcelDateTime::new(number, kind, false))
        };
        assert_eq!(cell(44545.0), "2021-12-15");
        assert_eq!(cell(0.375), "09:00");
        assert_eq!(cell(44545.5), "2021-12-15 12:00:00");
        assert_eq!(cell(1e300), 1e300.to_string());
        assert_eq!(iso("2021-12-15T00:00:00"), "2021-12-15");
    }
}
