//! Printed reports. A PDF knows glyphs and where they are, and no cells: an empty
//! one leaves nothing behind, a full one wraps. So words go to columns by where the
//! header's names begin, and lines to rows by what stands in columns that never wrap.

use std::collections::{BTreeMap, BTreeSet};

use pdf_extract::{
    Dictionary, Document, MediaBox, Object, ObjectId, OutputDev, OutputError, Transform,
};

use super::report::{self, Header, Line, Say};
use super::{complete, contained, no_report, too_large};
use crate::columns::{Columns, folded};
use crate::table::Field;
use crate::wire::{Failure, FileJob};

/// More glyphs than a thousand pages have.
const GLYPHS: usize = 4_000_000;

/// More pages than these, bytes of a page's instructions, and forms within forms are
/// no report's.
const PAGES: usize = 5000;
const PAGE: usize = 4 << 20;
const DEPTH: usize = 8;

/// Gaps and distances, in heights of a letter. Words are closer than columns, the
/// lines of a cell closer than those of two rows.
const WORD: f64 = 0.18;
const SPACE: f64 = 0.45;
const PHRASE: f64 = 0.6;
const RUN: f64 = 1.0;
const EDGE: f64 = 0.3;
const LEVEL: f64 = 0.35;
const LEADING: f64 = 1.6;

/// Reads a printed report.
pub(super) fn read(job: &FileJob, bytes: &[u8], say: &mut Say<'_>) -> Result<(), Failure> {
    complete::pdf(bytes)?;
    complete::streams(bytes, job.max_bytes)?;
    let lines = contained("a PDF", || printed(bytes))?;
    let head: Vec<Line> = lines.iter().take(report::HEAD).map(Printed::line).collect();
    let found = report::find(&head, &job.columns);
    if job.columns_only {
        return report::say_columns(job, found, &head, say);
    }
    let header = found.ok_or_else(report::no_header)?;
    let Some(columns) = job
        .columns
        .iter()
        .find(|columns| columns.table == header.table)
    else {
        return Err(report::no_header());
    };
    let (header, lines) = table(columns, header, &lines)?;
    report::rows(job, header, &mut lines.into_iter(), "pdf", 0, say)
}

fn printed(bytes: &[u8]) -> Result<Vec<Printed>, Failure> {
    let damaged = || no_report("a PDF is damaged: print it again");
    let mut document = Document::load_mem(bytes).map_err(|_| damaged())?;
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(no_report(
            "it is protected by a password: print it without one",
        ));
    }
    without_pictures(&mut document);
    bounded(&document)?;
    let mut pages = Pages::default();
    let read = pdf_extract::output_doc(&document, &mut pages);
    if pages.full {
        return Err(too_large("it has more letters than any report"));
    }
    read.map_err(|_| damaged())?;
    if pages.lines.is_empty() {
        return Err(no_report(
            "it is a picture without text: print it to a PDF instead of scanning it",
        ));
    }
    Ok(pages.lines)
}

/// Pictures hold no text, and their bytes would be taken for instructions.
fn without_pictures(document: &mut Document) {
    for object in document.objects.values_mut() {
        if let Object::Stream(stream) = object
            && is(&stream.dict, b"Image")
        {
            stream.dict.remove(b"Filter");
            stream.set_content(Vec::new());
        }
    }
}

fn is(dictionary: &Dictionary, kind: &[u8]) -> bool {
    let subtype = dictionary.get(b"Subtype").and_then(Object::as_name);
    subtype.is_ok_and(|subtype| subtype == kind)
}

/// No page has more instructions than pages have, and forms that pages are put
/// together from do not hold each other without end.
fn bounded(document: &Document) -> Result<(), Failure> {
    let large = || too_large("a page of it holds more than any report's");
    let pages = document.get_pages();
    if pages.len() > PAGES {
        return Err(too_large("it has more pages than any report"));
    }
    for page in pages.values() {
        let content = document.get_page_content(*page).unwrap_or_default();
        if content.len() > PAGE {
            return Err(large());
        }
    }
    let mut holds: BTreeMap<ObjectId, Vec<ObjectId>> = BTreeMap::new();
    for (id, object) in &document.objects {
        let Object::Stream(form) = object else {
            continue;
        };
        if !is(&form.dict, b"Form") {
            continue;
        }
        let plain = form.decompressed_content();
        let content = plain.as_deref().unwrap_or(&form.content);
        if content.len() > PAGE {
            return Err(large());
        }
        let resources = form
            .dict
            .get_deref(b"Resources", document)
            .and_then(Object::as_dict);
        let draws = content.windows(3).any(|window| window == b" Do");
        match resources {
            Ok(resources) => {
                let forms = resources
                    .get_deref(b"XObject", document)
                    .and_then(Object::as_dict);
                let forms = forms.into_iter().flat_map(|forms| forms.iter());
                let held = forms.filter_map(|(_, form)| form.as_reference().ok());
                holds.insert(*id, held.collect());
            }
            // It draws what its page can draw, itself among it.
            Err(_) if draws => return Err(large()),
            Err(_) => {}
        }
    }
    for _ in 0..DEPTH {
        let inner: BTreeSet<ObjectId> = holds.keys().copied().collect();
        holds.retain(|_, held| held.iter().any(|form| inner.contains(form)));
    }
    if holds.is_empty() {
        Ok(())
    } else {
        Err(large())
    }
}

struct Glyph {
    left: f64,
    right: f64,
    level: f64,
    size: f64,
    text: String,
}

struct Word {
    left: f64,
    right: f64,
    text: String,
}

/// A line as it was printed.
struct Printed {
    page: u32,
    level: f64,
    size: f64,
    words: Vec<Word>,
}

impl Printed {
    /// Words that stand as close as in a sentence.
    fn phrases(&self) -> Vec<Word> {
        let mut phrases: Vec<Word> = Vec::new();
        for word in &self.words {
            match phrases.last_mut() {
                Some(last) if word.left - last.right <= PHRASE * self.size => {
                    last.text.push(' ');
                    last.text.push_str(&word.text);
                    last.right = word.right;
                }
                _ => phrases.push(Word {
                    left: word.left,
                    right: word.right,
                    text: word.text.clone(),
                }),
            }
        }
        phrases
    }

    fn line(&self) -> Line {
        let cells = self
            .phrases()
            .into_iter()
            .map(|phrase| phrase.text)
            .collect();
        Line::new(self.place(), cells)
    }

    fn place(&self) -> String {
        format!("page {}", self.page)
    }

    /// As close as the lines of one cell.
    fn is_near(&self, other: &Self) -> bool {
        self.page == other.page
            && (self.level - other.level).abs() <= LEADING * self.size.max(other.size)
    }

    fn distance(&self, other: &Self) -> f64 {
        (self.level - other.level).abs()
    }
}

#[derive(Default)]
struct Pages {
    page: u32,
    glyphs: Vec<Glyph>,
    seen: usize,
    full: bool,
    lines: Vec<Printed>,
}

impl Pages {
    fn turn(&mut self) {
        let mut glyphs = std::mem::take(&mut self.glyphs);
        glyphs.sort_by(|a, b| b.level.total_cmp(&a.level));
        let mut line: Vec<Glyph> = Vec::new();
        for glyph in glyphs {
            let apart = line.first().is_some_and(|first| {
                first.level - glyph.level > LEVEL * first.size.max(glyph.size)
            });
            if apart {
                self.end_line(std::mem::take(&mut line));
            }
            line.push(glyph);
        }
        self.end_line(line);
    }

    fn end_line(&mut self, mut glyphs: Vec<Glyph>) {
        glyphs.sort_by(|a, b| a.left.total_cmp(&b.left));
        let mut words: Vec<Word> = Vec::new();
        let (mut level, mut size, mut open) = (0.0, 0.0_f64, false);
        for glyph in glyphs {
            if glyph.text.trim().is_empty() {
                open = false;
                continue;
            }
            level = glyph.level;
            size = size.max(glyph.size);
            match words.last_mut() {
                Some(word) if open && glyph.left - word.right <= WORD * glyph.size => {
                    word.text.push_str(glyph.text.trim());
                    word.right = word.right.max(glyph.right);
                }
                _ => words.push(Word {
                    left: glyph.left,
                    right: glyph.right,
                    text: glyph.text.trim().to_owned(),
                }),
            }
            open = true;
        }
        if !words.is_empty() {
            self.lines.push(Printed {
                page: self.page,
                level,
                size,
                words,
            });
        }
    }
}

impl OutputDev for Pages {
    fn begin_page(
        &mut self,
        page: u32,
        _: &MediaBox,
        _: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        self.page = page;
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        self.turn();
        Ok(())
    }

    fn output_character(
        &mut self,
        at: &Transform,
        width: f64,
        _: f64,
        font_size: f64,
        text: &str,
    ) -> Result<(), OutputError> {
        self.seen += 1;
        if self.seen > GLYPHS {
            self.full = true;
            return Err(std::io::Error::other("full").into());
        }
        let size = (at.m11 * at.m22 - at.m12 * at.m21).abs().sqrt() * font_size.abs();
        // Wide reports are printed sideways on upright pages.
        let (left, level) = if at.m12.abs() > at.m11.abs() {
            let turned = at.m12.signum();
            (at.m32 * turned, -at.m31 * turned)
        } else {
            (at.m31, at.m32)
        };
        if !(left.is_finite() && level.is_finite() && size.is_finite() && width.is_finite()) {
            return Ok(());
        }
        self.glyphs.push(Glyph {
            left,
            right: left + width * size,
            level,
            size,
            text: text.to_owned(),
        });
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

/// Where each column begins.
struct Anchors(Vec<f64>);

/// Cells of a line, and why they cannot be trusted.
struct Split {
    cells: Vec<String>,
    fault: Option<&'static str>,
}

impl Anchors {
    fn of(header: &Printed) -> Self {
        Self(header.phrases().iter().map(|phrase| phrase.left).collect())
    }

    fn column(&self, left: f64, slack: f64) -> usize {
        let after = self
            .0
            .iter()
            .filter(|begin| **begin <= left + slack)
            .count();
        after.saturating_sub(1)
    }

    fn split(&self, line: &Printed) -> Split {
        let slack = EDGE * line.size;
        let mut split = Split {
            cells: vec![String::new(); self.0.len()],
            fault: None,
        };
        let mut last: Option<(usize, f64)> = None;
        for word in &line.words {
            let begins = self
                .0
                .iter()
                .position(|begin| (begin - word.left).abs() <= slack);
            let column = match (begins, last) {
                (Some(column), _) => column,
                // One blank after the word before it: the same cell.
                (None, Some((column, right))) if word.left - right <= SPACE * line.size => column,
                _ => self.column(word.left, slack),
            };
            if let Some((before, right)) = last
                && before == column
                && word.left - right > RUN * line.size
            {
                split.fault = Some("two texts stand in one of its columns");
            }
            if self
                .0
                .get(column + 1)
                .is_some_and(|next| word.right > next + slack)
            {
                split.fault = Some("a text runs over the edge of its column");
            }
            if let Some(cell) = split.cells.get_mut(column) {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&word.text);
            }
            last = Some((column, word.right));
        }
        split
    }
}

/// Columns that never wrap: with text in one of them a line begins a row. The
/// first that there is must have some.
const KEYS: [Field; 5] = [
    Field::DueDate,
    Field::AppointmentDate,
    Field::BirthDate,
    Field::Chart,
    Field::RecallType,
];

/// What a line is to the table.
enum Part {
    Header,
    Row,
    /// Text in columns that wrap, alone.
    More,
    Other,
}

/// The lines of the table and around it, with the header's columns.
fn table(
    columns: &Columns,
    mut header: Header,
    printed: &[Printed],
) -> Result<(Header, Vec<Line>), Failure> {
    let bound = header.bound.as_ref();
    let has_privacy = bound.is_ok_and(|binding| binding.fields.contains(&Field::Privacy));
    // Only the mark beside a name may tell who must not be contacted.
    if !has_privacy && let Some(marked) = with_mark(columns, &header, printed) {
        return table(columns, marked, printed);
    }
    let Ok(binding) = &header.bound else {
        return Ok((header, printed.iter().map(Printed::line).collect()));
    };
    let place = |field: &Field| {
        let at = binding.fields.iter().position(|known| known == field)?;
        binding.places.get(at).copied()
    };
    let keys: Vec<usize> = KEYS.iter().filter_map(place).collect();
    let email = place(&Field::Email);
    let Some(first) = keys.first().copied() else {
        return Err(no_report(
            "it has no column that tells its rows apart: print it with dates or chart numbers",
        ));
    };
    let Some(at) = printed.get(header.at) else {
        return Err(report::no_header());
    };
    let mut anchors = Anchors::of(at);
    // The mark has no place on paper of its own.
    let marked = header.names.len() > anchors.0.len();
    let known: Vec<String> = at
        .phrases()
        .iter()
        .map(|phrase| folded(&phrase.text))
        .collect();
    let titles: BTreeSet<String> = printed
        .iter()
        .take(header.at)
        .flat_map(Printed::phrases)
        .map(|phrase| folded(&phrase.text))
        .collect();
    let repeated = repeated(printed);
    let all = columns.all();

    let mut parts: Vec<(Part, Split)> = Vec::new();
    for (number, line) in printed.iter().enumerate() {
        let phrases: Vec<String> = line
            .phrases()
            .into_iter()
            .map(|phrase| phrase.text)
            .collect();
        let split = anchors.split(line);
        let filled = |place: &usize| split.cells.get(*place).is_some_and(|cell| !cell.is_empty());
        let part = if number < header.at {
            Part::Other
        } else if phrases
            .iter()
            .map(|phrase| folded(phrase))
            .eq(known.iter().cloned())
        {
            anchors = Anchors::of(line);
            Part::Header
        } else if line.page > at.page
            && phrases
                .iter()
                .filter(|phrase| all.contains(&folded(phrase)))
                .count()
                >= 3
        {
            return Err(no_report(
                "its columns go on over more than one page: print it on wider paper",
            ));
        } else if report::is_around(header.table, &titles, &phrases) {
            Part::Other
        } else if keys.iter().any(filled) {
            Part::Row
        } else {
            Part::More
        };
        parts.push((part, split));
    }

    let mut lines: Vec<Line> = Vec::new();
    let headers: Vec<usize> = (0..parts.len())
        .filter(|number| matches!(parts.get(*number), Some((Part::Header, _))))
        .collect();
    // Which line of ours a row's line on paper has become.
    let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
    let mut wrapped: Vec<usize> = Vec::new();
    for (number, (line, (part, split))) in printed.iter().zip(&parts).enumerate() {
        let has_first = split.cells.get(first).is_some_and(|cell| !cell.is_empty());
        match part {
            Part::Header => lines.push(Line::new(line.place(), header.names.clone())),
            Part::Row if has_first => {
                rows.insert(number, lines.len());
                lines.push(Line {
                    fault: split.fault,
                    ..Line::new(line.place(), split.cells.clone())
                });
            }
            Part::Row | Part::More => wrapped.push(number),
            Part::Other => lines.push(line.line()),
        }
    }
    for number in wrapped {
        let (Some(line), Some((part, split))) = (printed.get(number), parts.get(number)) else {
            continue;
        };
        let above = rows.range(..number).next_back();
        let below = rows.range(number..).next();
        let nearest = [above, below]
            .into_iter()
            .flatten()
            .filter_map(|(row, to)| Some((printed.get(*row)?, *row, *to)))
            .filter(|(_, row, _)| is_chained(printed, *row, number))
            .min_by(|(a, ..), (b, ..)| a.distance(line).total_cmp(&b.distance(line)));
        // A name of the header may have wrapped.
        let far = nearest
            .as_ref()
            .map_or(f64::INFINITY, |(row, ..)| row.distance(line));
        let wraps = |header: &usize| {
            let near = is_chained(printed, *header, number);
            near && printed
                .get(*header)
                .is_some_and(|header| header.distance(line) < far)
        };
        if matches!(part, Part::More) && headers.iter().any(wraps) {
            lines.push(Line::new(line.place(), Vec::new()));
            continue;
        }
        let target = nearest.and_then(|(_, row, to)| Some((row, lines.get_mut(to)?)));
        let Some((row, target)) = target else {
            if repeated.contains(&line.line().cells) {
                lines.push(Line::new(line.place(), Vec::new()));
                continue;
            }
            let fault = match part {
                Part::Row => "it lacks the date or number that every row has",
                _ => "it is neither a row nor a line that reports have",
            };
            lines.push(Line {
                fault: Some(fault),
                ..line.line()
            });
            continue;
        };
        if matches!(part, Part::Row) {
            target.fault = Some("a date or number of it is broken over two lines");
        }
        target.fault = target.fault.or(split.fault);
        for (place, (cell, more)) in target.cells.iter_mut().zip(&split.cells).enumerate() {
            if more.is_empty() {
                continue;
            }
            let (before, after) = if number > row {
                (cell.as_str(), more.as_str())
            } else {
                (more.as_str(), cell.as_str())
            };
            *cell = join(before, after, Some(place) == email);
        }
    }
    for to in rows.values() {
        let Some(line) = lines.get_mut(*to) else {
            continue;
        };
        if marked {
            line.cells.push(String::new());
        }
    }
    header.at = lines
        .iter()
        .position(|line| line.cells == header.names)
        .unwrap_or(header.at);
    Ok((header, lines))
}

/// The header with a column for the mark beside names, where a legend says that it
/// stands for a privacy request and no column does. What kind of request is not
/// said: whoever reads `*` has to take it for every kind.
fn with_mark(columns: &Columns, header: &Header, printed: &[Printed]) -> Option<Header> {
    let legend = |line: &Printed| {
        let text = line.line().cells.join(" ").to_lowercase();
        text.starts_with('*') && text.contains("privacy")
    };
    if !printed.iter().any(legend) {
        return None;
    }
    let accepted = columns.names.get(&Field::Privacy)?;
    let taken = |name: &&String| {
        header
            .names
            .iter()
            .all(|known| folded(known) != folded(name))
    };
    let mut names = header.names.clone();
    names.push(accepted.iter().find(taken)?.clone());
    let bound = columns.bind(&names);
    bound.is_ok().then_some(Header {
        at: header.at,
        table: header.table,
        bound,
        names,
        hits: header.hits,
        width: header.width + 1,
    })
}

/// What stands on more than one page, word for word. Away from any row, it is what
/// pages have at their foot.
fn repeated(printed: &[Printed]) -> BTreeSet<Vec<String>> {
    let mut pages: BTreeMap<Vec<String>, u32> = BTreeMap::new();
    let mut repeated = BTreeSet::new();
    for line in printed {
        let page = *pages.entry(line.line().cells).or_insert(line.page);
        if page != line.page {
            repeated.insert(line.line().cells);
        }
    }
    repeated
}

/// Every line between the two is near the next: one cell after another's line.
fn is_chained(printed: &[Printed], a: usize, b: usize) -> bool {
    let between = printed.get(a.min(b)..=a.max(b)).unwrap_or_default();
    between.windows(2).all(|two| match two {
        [a, b] => a.is_near(b),
        _ => true,
    })
}

/// Puts a wrapped cell together. Names wrap at a blank; an address wraps anywhere,
/// unless it ended and another one begins.
fn join(before: &str, after: &str, address: bool) -> String {
    let ends = before.rsplit([';', ',', ' ']).next().unwrap_or_default();
    let begins = after.split([';', ',', ' ']).next().unwrap_or_default();
    let two = before.ends_with([';', ',']) || (ends.contains('@') && begins.contains('@'));
    if before.is_empty() || after.is_empty() || (address && !two) {
        format!("{before}{after}")
    } else {
        format!("{before} {after}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[(f64, f64, &str)]) -> Printed {
        let word = |(left, right, text): &(f64, f64, &str)| Word {
            left: *left,
            right: *right,
            text: (*text).to_owned(),
        };
        Printed {
            page: 1,
            level: 0.0,
            size: 10.0,
            words: words.iter().map(word).collect(),
        }
    }

    #[test]
    fn an_empty_cell_moves_nothing_to_the_left() {
        let anchors = Anchors(vec![0.0, 100.0, 200.0]);
        let split = anchors.split(&line(&[(0.0, 40.0, "a"), (200.0, 220.0, "c")]));
        assert_eq!(split.cells, ["a", "", "c"]);
        assert_eq!(split.fault, None);
    }

    #[test]
    fn a_text_over_the_edge_is_not_guessed() {
        let anchors = Anchors(vec![0.0, 100.0, 200.0]);
        let over = anchors.split(&line(&[(0.0, 90.0, "Fernández"), (93.0, 130.0, "Ruiz")]));
        assert!(over.fault.is_some());
        let two = anchors.split(&line(&[(0.0, 20.0, "a"), (60.0, 80.0, "b")]));
        assert!(two.fault.is_some());
    }

    /// Lines of three columns and a name: their page, level and cells.
    fn print(lines: &[(u32, f64, [&str; 4])]) -> Vec<Printed> {
        let lefts = [0.0, 100.0, 200.0, 300.0];
        let line = |(page, level, cells): &(u32, f64, [&str; 4])| Printed {
            page: *page,
            level: *level,
            ..line(
                &lefts
                    .into_iter()
                    .zip(cells)
                    .filter(|(_, cell)| !cell.is_empty())
                    .map(|(left, cell)| (left, left + 50.0, *cell))
                    .collect::<Vec<_>>(),
            )
        };
        lines.iter().map(line).collect()
    }

    const HEADER: [&str; 4] = ["Due Date", "Patient Name", "Type", "E-mail"];

    fn rows(printed: &[Printed]) -> Result<Vec<(Vec<String>, bool)>, Failure> {
        let columns = Columns::default_for(crate::table::Table::Recalls);
        let head: Vec<Line> = printed.iter().map(Printed::line).collect();
        let header = report::find(&head, std::slice::from_ref(&columns)).unwrap();
        let (_, lines) = table(&columns, header, printed)?;
        let rows = lines
            .into_iter()
            .skip(1)
            .map(|line| (line.cells, line.fault.is_some()));
        Ok(rows
            .filter(|(cells, _)| cells.first().is_some_and(|cell| cell != HEADER[0]))
            .collect())
    }

    #[test]
    fn a_cell_wraps_above_and_below_the_line_of_its_date() {
        let read = rows(&print(&[
            (1, 500.0, HEADER),
            (1, 460.0, ["", "O'Connor-Smythe,", "", "mo@examp"]),
            (1, 452.0, ["05/10/2025", "Maureen", "PERIO", "le.org"]),
            (1, 420.0, ["05/13/2025", "Van der", "PROPHY", ""]),
            (1, 412.0, ["", "Berg, Pieter", "", ""]),
        ]));
        let cells: Vec<Vec<String>> = read.unwrap().into_iter().map(|(cells, _)| cells).collect();
        assert_eq!(
            cells[0],
            [
                "05/10/2025",
                "O'Connor-Smythe, Maureen",
                "PERIO",
                "mo@example.org"
            ]
        );
        assert_eq!(
            cells[1],
            ["05/13/2025", "Van der Berg, Pieter", "PROPHY", ""]
        );
    }

    #[test]
    fn a_row_without_its_date_is_told_and_joined_to_nobody() {
        let read = rows(&print(&[
            (1, 500.0, HEADER),
            (1, 470.0, ["05/10/2025", "Park, Min-jun", "PERIO", ""]),
            (1, 440.0, ["", "Green, Denise", "PROPHY", ""]),
        ]))
        .unwrap();
        assert_eq!(
            read[0],
            (
                vec![
                    "05/10/2025".into(),
                    "Park, Min-jun".into(),
                    "PERIO".into(),
                    String::new()
                ],
                false
            )
        );
        assert!(read[1].1);
        let near = rows(&print(&[
            (1, 500.0, HEADER),
            (1, 470.0, ["05/10/2025", "Park, Min-jun", "PERIO", ""]),
            (1, 460.0, ["", "Green, Denise", "PROPHY", ""]),
        ]))
        .unwrap();
        assert!(near[0].1, "what may be two people is nobody");
    }

    #[test]
    fn columns_that_go_on_over_the_page_are_refused() {
        let other = ["Home Phone", "Birthdate", "Privacy Request", "Status"];
        let read = rows(&print(&[
            (1, 500.0, HEADER),
            (1, 470.0, ["05/10/2025", "Park, Min-jun", "PERIO", ""]),
            (2, 500.0, other),
            (2, 470.0, ["(801)555-0116", "01/30/2001", "", ""]),
        ]));
        assert!(read.is_err());
    }

    #[test]
    fn the_foot_of_every_page_is_no_part_of_its_last_row() {
        let read = rows(&print(&[
            (1, 500.0, HEADER),
            (1, 470.0, ["05/10/2025", "Park, Min-jun", "PERIO", ""]),
            (1, 20.0, ["", "Confidential", "", ""]),
            (2, 500.0, HEADER),
            (2, 470.0, ["05/11/2025", "Brown, Tyler", "PERIO", ""]),
            (2, 20.0, ["", "Confidential", "", ""]),
        ]))
        .unwrap();
        let names: Vec<_> = read.iter().filter_map(|(cells, _)| cells.get(1)).collect();
        assert_eq!(names, ["Park, Min-jun", "Brown, Tyler"]);
        assert!(read.iter().all(|(_, fault)| !fault));
    }

    #[test]
    fn addresses_wrap_anywhere_and_names_at_blanks() {
        assert_eq!(join("ann@example.o", "rg", true), "ann@example.org");
        assert_eq!(
            join("a@example.com;", "b@example.com", true),
            "a@example.com; b@example.com"
        );
        assert_eq!(
            join("a@example.com", "b@example.com", true),
            "a@example.com b@example.com"
        );
        assert_eq!(
            join("O'Connor-Smythe,", "Maureen", false),
            "O'Connor-Smythe, Maureen"
        );
    }
}
