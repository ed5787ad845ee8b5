//! From lines to rows: titles, a header somewhere among them, rows, headers and
//! titles again at every page, a legend, totals. Each line is told as a row, as one
//! that could not be read, or counted as no data: none is lost.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use super::{incomplete, no_report, too_large};
use crate::columns::{BadHeader, Binding, Columns, folded};
use crate::table::{Field, Table};
use crate::wire::{Class, Failure, FileJob, Report, Said};

/// A line of a report.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Where it is: `line 17`.
    pub(super) place: String,
    pub(super) cells: Vec<String>,
    /// Why its cells cannot be trusted.
    pub(super) fault: Option<&'static str>,
}

impl Line {
    pub(super) const fn new(place: String, cells: Vec<String>) -> Self {
        Self {
            place,
            cells,
            fault: None,
        }
    }

    fn filled(&self) -> impl Iterator<Item = &str> {
        self.cells
            .iter()
            .map(|cell| cell.trim())
            .filter(|cell| !cell.is_empty())
    }
}

/// Lines, one after the other.
pub(super) trait Lines {
    /// The next one, none at the end.
    fn next(&mut self) -> Result<Option<Line>, Failure>;
}

impl Lines for std::vec::IntoIter<Line> {
    fn next(&mut self) -> Result<Option<Line>, Failure> {
        Ok(Iterator::next(self))
    }
}

/// The header is among this many lines.
pub(super) const HEAD: usize = 30;

/// Rows told at once.
const BATCH: usize = 100;

/// The first lines.
pub(super) fn head(lines: &mut dyn Lines) -> Result<Vec<Line>, Failure> {
    let mut head = Vec::new();
    while head.len() < HEAD {
        let Some(line) = lines.next()? else { break };
        head.push(line);
    }
    Ok(head)
}

/// The line that is most like a header, and what it is as one.
#[derive(Debug)]
pub(super) struct Header {
    /// Which of the first lines.
    pub(super) at: usize,
    pub(super) table: Table,
    pub(super) names: Vec<String>,
    pub(super) bound: Result<Binding, BadHeader>,
    /// How many of its names are known.
    pub(super) hits: usize,
    /// How many cells it has, blank ones at its end included.
    pub(super) width: usize,
}

impl Header {
    /// A better header than the other one.
    pub(super) fn beats(&self, other: &Self) -> bool {
        (self.hits, self.bound.is_ok()) > (other.hits, other.bound.is_ok())
    }

    /// It cannot be a row of data that looks like one: its names may be told.
    pub(super) const fn is_certain(&self) -> bool {
        self.hits >= 3
    }
}

/// Finds the header: the line whose cells most of the names of one table fit. Among
/// equals one that binds, then the first.
pub(super) fn find(head: &[Line], columns: &[Columns]) -> Option<Header> {
    let mut best: Option<Header> = None;
    for columns in columns {
        for (at, line) in head.iter().enumerate() {
            let names = names(line);
            let hits = columns.hits(&names);
            if hits < 2 || line.fault.is_some() {
                continue;
            }
            let header = Header {
                at,
                table: columns.table,
                bound: columns.bind(&names),
                names,
                hits,
                width: line.cells.len(),
            };
            if best.as_ref().is_none_or(|best| header.beats(best)) {
                best = Some(header);
            }
        }
    }
    best
}

/// A header's names, without the blank ones at its end.
fn names(line: &Line) -> Vec<String> {
    let mut names: Vec<String> = line.cells.iter().map(|cell| tidy(cell)).collect();
    while names.last().is_some_and(String::is_empty) {
        names.pop();
    }
    names
}

/// Blanks and line breaks as single blanks.
fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The line that may be a header although none of its names is known: the widest
/// one of words alone.
fn likeliest(head: &[Line]) -> Option<Vec<String>> {
    let mut best: Option<Vec<String>> = None;
    for line in head {
        let names = names(line);
        let words =
            |name: &String| !name.contains(|c: char| c.is_ascii_digit() || "@/<>".contains(c));
        let width = |names: &Vec<String>| names.iter().filter(|name| !name.is_empty()).count();
        if names.iter().all(words)
            && width(&names) > 2
            && best.as_ref().is_none_or(|best| width(&names) > width(best))
        {
            best = Some(names);
        }
    }
    best
}

/// Says what columns there are.
pub(super) fn say_columns(
    job: &FileJob,
    found: Option<Header>,
    head: &[Line],
    say: &mut Say<'_>,
) -> Result<(), Failure> {
    let (table, header, binding) = match found {
        Some(Header {
            table,
            names,
            bound,
            ..
        }) => (table, names, bound.unwrap_or_default()),
        None => {
            let (Some(columns), Some(names)) = (job.columns.first(), likeliest(head)) else {
                return Err(no_header());
            };
            (columns.table, names, Binding::default())
        }
    };
    let known = |place: &usize| binding.places.contains(place);
    let unknown = (0..header.len())
        .filter(|place| !known(place))
        .filter_map(|place| header.get(place).cloned())
        .filter(|name| !name.is_empty())
        .collect();
    tell(
        say,
        Said::Table {
            table,
            header,
            fields: binding.fields,
            unknown,
        },
    )
}

/// Who listens.
pub(super) type Say<'a> = dyn FnMut(Said) -> std::io::Result<()> + 'a;

fn tell(say: &mut Say<'_>, said: Said) -> Result<(), Failure> {
    say(said).map_err(|_| Failure::new(Class::Crashed, "nobody listens to the reader any more"))
}

pub(super) fn no_header() -> Failure {
    no_report(
        "none of its first 30 lines has the columns' names: print the report with its header, or add the names it \
         uses to the columns",
    )
}

/// Reads the rows of a report. `elsewhere` are lines outside of these that hold no
/// data.
pub(super) fn rows(
    job: &FileJob,
    header: Header,
    lines: &mut dyn Lines,
    format: &str,
    elsewhere: u64,
    say: &mut Say<'_>,
) -> Result<(), Failure> {
    let certain = header.is_certain();
    let binding = match header.bound {
        Ok(binding) => binding,
        Err(bad) if certain => return Err(bad.into()),
        Err(_) => return Err(no_header()),
    };
    tell(
        say,
        Said::Table {
            table: header.table,
            header: header.names.clone(),
            fields: binding.fields.clone(),
            unknown: binding.unknown.clone(),
        },
    )?;
    let mut reading = Reading::new(header.table, &header.names, &binding);
    // A sheet pads its rows; in a text a cell too many has moved those after it.
    reading.widest = match format {
        "csv" | "html" => header.width,
        _ => usize::MAX,
    };
    reading.report.format = format.to_owned();
    reading.report.other_lines = elsewhere;
    let mut batch: Vec<Vec<Option<String>>> = Vec::with_capacity(BATCH);
    let mut at = 0;
    while let Some(line) = lines.next()? {
        let what = if at <= header.at {
            reading.before(&line);
            What::Other
        } else {
            reading.after(line)?
        };
        at += 1;
        match what {
            What::Other => reading.report.other_lines += 1,
            What::Row(cells) => {
                reading.rows += 1;
                batch.push(cells);
            }
            What::Unreadable { place, why } => {
                reading.unreadable += 1;
                tell(say, Said::Unreadable { place, why })?;
            }
        }
        if reading.rows + reading.unreadable > job.max_rows {
            return Err(too_large(
                "it has more rows than are ever expected: narrow its date span, or raise max_rows",
            ));
        }
        if batch.len() >= BATCH {
            tell(
                say,
                Said::Rows {
                    rows: std::mem::replace(&mut batch, Vec::with_capacity(BATCH)),
                },
            )?;
        }
    }
    if !batch.is_empty() {
        tell(say, Said::Rows { rows: batch })?;
    }
    reading.check(job)?;
    tell(
        say,
        Said::End {
            table: header.table,
            rows: reading.rows,
            report: Some(reading.report),
        },
    )
}

enum What {
    Row(Vec<Option<String>>),
    Unreadable { place: String, why: String },
    Other,
}

struct Reading<'a> {
    table: Table,
    header: Vec<String>,
    width: usize,
    widest: usize,
    binding: &'a Binding,
    titles: BTreeSet<String>,
    ended: bool,
    rows: u64,
    unreadable: u64,
    report: Report,
}

impl<'a> Reading<'a> {
    fn new(table: Table, header: &[String], binding: &'a Binding) -> Self {
        Self {
            table,
            header: header.iter().map(|name| folded(name)).collect(),
            width: header.len(),
            widest: usize::MAX,
            binding,
            titles: BTreeSet::new(),
            ended: false,
            rows: 0,
            unreadable: 0,
            report: Report::default(),
        }
    }

    fn stamp(&mut self, line: &Line) {
        if self.report.printed.is_none() {
            let cells: Vec<&str> = line.filled().collect();
            self.report.printed = printed(&cells).or_else(|| bare(&cells));
        }
    }

    fn before(&mut self, line: &Line) {
        self.stamp(line);
        self.titles.extend(line.filled().map(folded));
    }

    fn after(&mut self, line: Line) -> Result<What, Failure> {
        let filled: Vec<&str> = line.filled().collect();
        let Some(first) = filled.first().copied() else {
            return Ok(What::Other);
        };
        if line.fault.is_none() && self.is_header(&line) {
            return Ok(What::Other);
        }
        if filled.iter().all(|cell| repeats(&self.titles, cell)) {
            self.stamp(&line);
            return Ok(What::Other);
        }
        // A row may begin with these words too, and is told by its many cells.
        if filled.len() <= 6.min(self.width.div_ceil(2)) {
            if let Some(count) = count(self.table, &filled) {
                self.ended = true;
                self.report.counted = count.or(self.report.counted);
                return Ok(What::Other);
            }
            if is_end(first) || is_legend(&filled) {
                self.ended |= is_end(first);
                return Ok(What::Other);
            }
        }
        if self.ended {
            if filled.len() <= 2 {
                return Ok(What::Other);
            }
            return Err(no_report(
                "rows go on after its totals: print it without groups and subtotals, and one report to a file",
            ));
        }
        if let Some(why) = line.fault.or_else(|| self.fault(&line, filled.len())) {
            return Ok(What::Unreadable {
                place: line.place,
                why: why.to_owned(),
            });
        }
        let cell = |place: &usize| {
            let cell = line.cells.get(*place)?;
            (!cell.trim().is_empty()).then(|| cell.clone())
        };
        let mut cells: Vec<Option<String>> = self.binding.places.iter().map(cell).collect();
        if !self.unmark(&mut cells) {
            return Ok(What::Unreadable {
                place: line.place,
                why: "a mark beside its name says privacy request, and no column does".to_owned(),
            });
        }
        Ok(What::Row(cells))
    }

    /// Takes the mark of a privacy request from a name to where it belongs.
    fn unmark(&self, cells: &mut [Option<String>]) -> bool {
        let place = |field| self.binding.fields.iter().position(|known| *known == field);
        let names = [Field::PatientName, Field::LastName, Field::FirstName];
        for name in names.into_iter().filter_map(place) {
            let Some(Some(cell)) = cells.get_mut(name) else {
                continue;
            };
            let Some(plain) = cell.trim().strip_suffix('*') else {
                continue;
            };
            *cell = plain.trim_end_matches([' ', '*']).to_owned();
            let privacy = place(Field::Privacy).and_then(|place| cells.get_mut(place));
            match privacy {
                Some(privacy) => drop(privacy.get_or_insert_with(|| "*".to_owned())),
                None => return false,
            }
        }
        true
    }

    /// Why a line is no row.
    fn fault(&self, line: &Line, filled: usize) -> Option<&'static str> {
        let beyond = line.cells.get(self.width..).unwrap_or_default();
        if line.cells.len() > self.widest || beyond.iter().any(|cell| !cell.trim().is_empty()) {
            return Some("it has more cells than the header");
        }
        // Cells that are missing would let those after them be taken for others.
        if line.cells.len() < self.width {
            return Some("it has fewer cells than the header");
        }
        (filled == 1 && self.width > 2)
            .then_some("it is neither a row nor a line that reports have")
    }

    fn is_header(&self, line: &Line) -> bool {
        let names = names(line);
        names.len() == self.header.len()
            && names
                .iter()
                .zip(&self.header)
                .all(|(name, known)| folded(name) == *known)
    }

    /// What the report says of its own length is so.
    fn check(&self, job: &FileJob) -> Result<(), Failure> {
        let (rows, unreadable) = (self.rows, self.unreadable);
        match self.report.counted {
            Some(counted) if counted < rows || counted > rows + unreadable => {
                Err(incomplete(&format!(
                    "its last lines count {counted} records, and it has {}",
                    rows + unreadable
                )))
            }
            None if job.require_footer => Err(incomplete(
                "no line at its end counts its records, which require_footer asks for",
            )),
            _ => Ok(()),
        }
    }
}

/// A line around a table, such as reports have: titles again, a page, a legend,
/// totals, an end.
pub(super) fn is_around(table: Table, titles: &BTreeSet<String>, cells: &[String]) -> bool {
    let filled: Vec<&str> = cells
        .iter()
        .map(|cell| cell.trim())
        .filter(|cell| !cell.is_empty())
        .collect();
    let Some(first) = filled.first() else {
        return true;
    };
    filled.iter().all(|cell| repeats(titles, cell))
        || count(table, &filled).is_some()
        || is_end(first)
        || is_legend(&filled)
}

fn repeats(titles: &BTreeSet<String>, cell: &str) -> bool {
    titles.contains(&folded(cell)) || is_page(cell) || is_stamp(cell)
}

fn is_legend(filled: &[&str]) -> bool {
    filled.len() <= 2 && filled.first().is_some_and(|first| first.starts_with('*'))
}

/// `Page 2`, `Page 2 of 3`.
fn is_page(cell: &str) -> bool {
    let cell = cell.to_ascii_lowercase();
    let Some(rest) = cell.strip_prefix("page") else {
        return false;
    };
    let rest = rest.trim_start_matches([':', ' ']);
    let (page, of) = rest.split_once(" of ").unwrap_or((rest, "1"));
    is_number(page.trim()) && is_number(of.trim())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_end(cell: &str) -> bool {
    let cell = folded(cell);
    ["endofreport", "endoflist", "endofdata"].contains(&cell.as_str())
}

/// Words before the moment of printing.
const STAMPS: [&str; 7] = [
    "printed on",
    "printed",
    "print date",
    "date printed",
    "run date",
    "report date",
    "generated",
];

fn is_stamp(cell: &str) -> bool {
    stamp(cell).is_some_and(|rest| rest.is_empty() || moment(rest).is_some())
}

fn stamp(cell: &str) -> Option<&str> {
    let lower = cell.to_ascii_lowercase();
    let word = STAMPS.iter().find(|word| lower.starts_with(**word))?;
    let rest = cell.get(word.len()..)?;
    (rest.is_empty() || rest.starts_with([':', ' '])).then(|| rest.trim_matches([':', ' ']))
}

/// When a report was printed, if one of these cells says so.
fn printed(cells: &[&str]) -> Option<NaiveDateTime> {
    cells
        .iter()
        .enumerate()
        .find_map(|(at, cell)| match stamp(cell)? {
            "" => moment(cells.get(at + 1)?),
            rest => moment(rest),
        })
}

/// A moment among titles that no word explains.
fn bare(cells: &[&str]) -> Option<NaiveDateTime> {
    cells
        .iter()
        .filter(|cell| cell.contains(':'))
        .find_map(|cell| moment(cell))
}

fn moment(text: &str) -> Option<NaiveDateTime> {
    let text = tidy(text);
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((&text, ""));
    let day = ["%m/%d/%Y", "%Y-%m-%d"]
        .iter()
        .find_map(|format| NaiveDate::parse_from_str(day, format).ok())
        .filter(|day| *day > NaiveDate::default())?;
    let time = if time.is_empty() {
        NaiveTime::MIN
    } else {
        ["%I:%M:%S %p", "%I:%M %p", "%H:%M:%S", "%H:%M"]
            .iter()
            .find_map(|format| NaiveTime::parse_from_str(time, format).ok())?
    };
    Some(day.and_time(time))
}

/// A line of totals, and how many rows it says there are, if it says so.
fn count(table: Table, filled: &[&str]) -> Option<Option<u64>> {
    let mut counted: Option<(u8, u64)> = None;
    let mut totals = false;
    let mut cells = filled.iter().copied().peekable();
    while let Some(cell) = cells.next() {
        let (words, number) = match total(cell) {
            Some(found) => found,
            None => break,
        };
        let number = match number {
            Some(number) => number,
            // The number stands in a cell of its own.
            None => match cells.next_if(|next| whole(next).is_some()).and_then(whole) {
                Some(number) => number,
                None => break,
            },
        };
        totals = true;
        if let Some(weight) = weight(table, &words)
            && counted.is_none_or(|(best, _)| weight > best)
        {
            counted = Some((weight, number));
        }
    }
    totals.then_some(counted.map(|(_, number)| number))
}

/// What counts rows counts more than what may count something else.
fn weight(table: Table, words: &str) -> Option<u8> {
    let noun = words.rsplit(' ').next().unwrap_or_default();
    let own = match table {
        // A patient may be there twice.
        Table::Recalls => ["recall", "recalls", "continuing care"],
        Table::Patients => ["patient", "patients", "people"],
        Table::Appointments => ["appointment", "appointments", "appts"],
    };
    match noun {
        "records" | "record" | "rows" | "row" | "lines" | "entries" => Some(3),
        noun if own.contains(&noun) => Some(2),
        "count" | "total" | "totals" => Some(1),
        _ => None,
    }
}

/// `Total Records: 26`, `Record Count: 26`, `26 rows`, `Total Records:`.
fn total(cell: &str) -> Option<(String, Option<u64>)> {
    let cell = tidy(cell).to_ascii_lowercase();
    let cell = cell.trim_end_matches('.');
    if let Some((first, noun)) = cell.split_once(' ')
        && let Some(number) = whole(first)
        && [
            "rows",
            "row",
            "records",
            "record",
            "patients",
            "appointments",
            "entries",
        ]
        .contains(&noun)
    {
        return Some((noun.to_owned(), Some(number)));
    }
    let (words, number) = match cell.split_once(':') {
        Some((words, "")) => (words, None),
        Some((words, number)) => (words, Some(whole(number.trim())?)),
        None => match cell
            .rsplit_once(' ')
            .and_then(|(words, last)| Some((words, whole(last)?)))
        {
            Some((words, number)) => (words, Some(number)),
            None => (cell, None),
        },
    };
    let words = words.trim();
    let words = words.strip_suffix(" count").unwrap_or(words);
    let begins = ["total", "grand total", "number of", "record", "count"];
    begins
        .iter()
        .any(|begin| {
            words
                .strip_prefix(begin)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
        .then(|| (words.to_owned(), number))
}

/// `1,024`.
fn whole(text: &str) -> Option<u64> {
    let text: String = text.chars().filter(|c| *c != ',').collect();
    is_number(&text).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_rows_is_told_from_a_count_of_people() {
        let recalls = |cells: &[&str]| count(Table::Recalls, cells);
        assert_eq!(
            recalls(&["Total Patients: 23", "Total Records: 26"]),
            Some(Some(26))
        );
        assert_eq!(recalls(&["Total Patients: 23"]), Some(None));
        assert_eq!(recalls(&["26 rows"]), Some(Some(26)));
        assert_eq!(recalls(&["Total Records:", "1,026"]), Some(Some(1026)));
        assert_eq!(recalls(&["Record Count: 7"]), Some(Some(7)));
        assert_eq!(recalls(&["Total 12"]), Some(Some(12)));
        assert_eq!(recalls(&["Totally, Tom", "12"]), None);
        assert_eq!(
            count(Table::Patients, &["Total Patients: 25"]),
            Some(Some(25))
        );
        assert_eq!(
            count(Table::Appointments, &["Total Appointments: 8"]),
            Some(Some(8))
        );
    }

    #[test]
    fn the_stamp_of_printing_is_found_whatever_it_is_called() {
        let at = |text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok();
        let expected = at("2025-11-03 06:00:04");
        assert_eq!(
            printed(&["Printed: 11/03/2025 6:00:04 AM", "Page 1"]),
            expected
        );
        assert_eq!(printed(&["Run Date:", "2025-11-03 06:00:04"]), expected);
        assert_eq!(
            printed(&["Printed on 11/3/2025"]),
            at("2025-11-03 00:00:00")
        );
        assert_eq!(printed(&["Due Date Span: 12/01/2021 - 02/28/2026"]), None);
    }

    #[test]
    fn pages_are_no_rows() {
        assert!(is_page("Page 2") && is_page("PAGE: 12 of 13"));
        assert!(!is_page("Page, Linda") && !is_page("Page"));
    }
}
