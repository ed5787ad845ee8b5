//! Pages saved as spreadsheets: the rows of their tables, and the text around them.
//! Forgiving about tags that are not closed, as browsers are; not about a page that
//! ends before its tables do.

use super::report::{self, Line, Lines, Say};
use super::{incomplete, sniff, too_large};
use crate::wire::{Failure, FileJob};

/// No row is longer, in bytes, or wider, in cells.
const LONGEST: usize = 1 << 20;
const WIDEST: usize = 1024;

/// Reads a page.
pub(super) fn read(job: &FileJob, bytes: &[u8], say: &mut Say<'_>) -> Result<(), Failure> {
    let says = charset(bytes);
    let sniff::Text { text, damaged } = sniff::text(bytes, says.as_deref(), &job.encoding)?;
    complete(&text)?;
    let head = report::head(&mut Page::new(&text, damaged))?;
    let found = report::find(&head, &job.columns);
    if job.columns_only {
        return report::say_columns(job, found, &head, say);
    }
    let header = found.ok_or_else(report::no_header)?;
    report::rows(job, header, &mut Page::new(&text, damaged), "html", 0, say)
}

/// What a page says its encoding is.
fn charset(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..4096).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let (_, rest) = head.split_once("charset")?;
    let rest = rest.trim_start_matches(['=', ' ', '"', '\'']);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:".contains(c)))?;
    rest.get(..end).map(str::to_owned)
}

fn complete(text: &str) -> Result<(), Failure> {
    let text = text.to_ascii_lowercase();
    let opened = text.matches("<table").count();
    let closed = text.matches("</table").count();
    let page = text.contains("<html") && !text.contains("</html");
    if opened > closed || page || !text.trim_end().ends_with('>') {
        return Err(incomplete("its last table does not end"));
    }
    Ok(())
}

/// The lines of a page.
struct Page<'a> {
    rest: &'a str,
    damaged: bool,
    /// Quotes in tags close, as far as was seen.
    quotes: bool,
    line: u64,
    /// Text outside of cells.
    around: String,
    cell: Option<(String, usize)>,
    cells: Vec<String>,
    ready: std::collections::VecDeque<Vec<String>>,
}

impl<'a> Page<'a> {
    fn new(text: &'a str, damaged: bool) -> Self {
        Self {
            rest: text,
            damaged,
            quotes: true,
            line: 0,
            around: String::new(),
            cell: None,
            cells: Vec::new(),
            ready: std::collections::VecDeque::new(),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Failure> {
        let into = match &mut self.cell {
            Some((cell, _)) => cell,
            None => &mut self.around,
        };
        into.push_str(text);
        if into.len() > LONGEST {
            return Err(too_large("a row of it is longer than any report's"));
        }
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), Failure> {
        if let Some((cell, span)) = self.cell.take() {
            self.cells.push(tidy(&cell));
            self.cells.extend((1..span).map(|_| String::new()));
        }
        if self.cells.len() > WIDEST {
            return Err(too_large("a row of it is wider than any report's"));
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), Failure> {
        self.end_cell()?;
        if !self.cells.is_empty() {
            self.ready.push_back(std::mem::take(&mut self.cells));
        }
        Ok(())
    }

    fn end_around(&mut self) {
        let text = tidy(&std::mem::take(&mut self.around));
        if !text.is_empty() {
            self.ready.push_back(vec![text]);
        }
    }

    /// Takes the next tag and the text before it.
    fn step(&mut self) -> Result<bool, Failure> {
        let Some(at) = self.rest.find('<') else {
            let rest = std::mem::take(&mut self.rest);
            self.text(rest)?;
            self.end_row()?;
            self.end_around();
            return Ok(false);
        };
        let (text, tag) = self.rest.split_at(at);
        self.text(text)?;
        if let Some(comment) = tag.strip_prefix("<!--") {
            self.rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            return Ok(true);
        }
        let inner = tag.get(1..).unwrap_or_default();
        let opens = |c: char| c.is_ascii_alphabetic() || c == '/' || c == '!' || c == '?';
        if !inner.starts_with(opens) {
            self.text("<")?;
            self.rest = inner;
            return Ok(true);
        }
        let quoted = if self.quotes { tag_end(inner) } else { None };
        // Looked for once: a page of nothing but open quotes must not take for ever.
        self.quotes = quoted.is_some();
        let end = quoted.or_else(|| inner.find('>')).unwrap_or(inner.len());
        let (inner, rest) = inner.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        let closes = inner.starts_with('/');
        let inner = inner.trim_start_matches('/');
        let name_end = inner
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(inner.len());
        let (name, attributes) = inner.split_at(name_end);
        match (name.to_ascii_lowercase().as_str(), closes) {
            (name @ ("script" | "style"), false) => {
                self.rest = after(self.rest, name);
            }
            ("table" | "tr", _) => {
                self.end_row()?;
                self.end_around();
            }
            ("td" | "th", false) => {
                self.end_cell()?;
                self.end_around();
                self.cell = Some((String::new(), span(attributes)));
            }
            ("td" | "th", true) => self.end_cell()?,
            (
                "br" | "p" | "div" | "li" | "h1" | "h2" | "h3" | "h4" | "title" | "body" | "head",
                _,
            ) => {
                if self.cell.is_some() {
                    self.text(" ")?;
                } else {
                    self.end_around();
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

impl Lines for Page<'_> {
    fn next(&mut self) -> Result<Option<Line>, Failure> {
        while self.ready.is_empty() {
            if !self.step()? {
                break;
            }
        }
        let Some(cells) = self.ready.pop_front() else {
            return Ok(None);
        };
        self.line += 1;
        let lost = self.damaged && cells.iter().any(|cell| cell.contains('\u{fffd}'));
        Ok(Some(Line {
            fault: lost.then_some("it holds bytes that are no text in its encoding"),
            ..Line::new(format!("row {}", self.line), cells)
        }))
    }
}

/// Where a tag ends; a `>` in quotes is none.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// From where a script or style ends.
fn after<'a>(text: &'a str, name: &str) -> &'a str {
    let ends = |at: &usize| {
        let close = text.get(at + 2..at + 2 + name.len());
        close.is_some_and(|close| close.eq_ignore_ascii_case(name))
    };
    let at = text.match_indices("</").map(|(at, _)| at).find(ends);
    at.and_then(|at| text.get(at..)).unwrap_or_default()
}

fn span(attributes: &str) -> usize {
    let lower = attributes.to_ascii_lowercase();
    let value = lower
        .split_once("colspan")
        .map(|(_, rest)| rest.trim_start_matches(['=', ' ', '"', '\'']));
    let digits = value.map(|value| {
        value
            .chars()
            .take_while(char::is_ascii_digit)
            .take(4)
            .collect::<String>()
    });
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(1)
        .clamp(1, WIDEST)
}

fn tidy(text: &str) -> String {
    let plain = references(text);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The names of the characters from U+00A0 on, in order.
const LATIN: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 \
    sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml \
    Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml \
    times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave \
    eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute \
    ucirc uuml yacute thorn yuml";

const OTHERS: [(&str, char); 17] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("hellip", '…'),
    ("bull", '•'),
    ("euro", '€'),
    ("trade", '™'),
    ("Scaron", 'Š'),
    ("scaron", 'š'),
];

/// Character references as characters; one that is none stays as it is.
fn references(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, after) = rest.split_at(at);
        plain.push_str(before);
        let name = after.get(1..).unwrap_or_default();
        let end = name.bytes().take(10).position(|byte| byte == b';');
        let found = end.and_then(|end| Some((end, character(name.get(..end)?)?)));
        match found {
            Some((end, c)) => {
                plain.push(c);
                rest = name.get(end + 1..).unwrap_or_default();
            }
            None => {
                plain.push('&');
                rest = name;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let number = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        // Windows wrote its own codes where there are no characters.
        if let Ok(byte @ 0x80..=0x9f) = u8::try_from(number) {
            let byte = [byte];
            let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&byte);
            return text.chars().next();
        }
        return char::from_u32(number).filter(|c| *c != '\0');
    }
    if let Some((_, c)) = OTHERS.iter().find(|(known, _)| *known == name) {
        return Some(*c);
    }
    let place = LATIN.split_whitespace().position(|known| known == name)?;
    char::from_u32(0xa0 + u32::try_from(place).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Vec<String>> {
        let mut page = Page::new(text, false);
        std::iter::from_fn(|| page.next().unwrap().map(|line| line.cells)).collect()
    }

    #[test]
    fn rows_are_read_whatever_is_not_closed() {
        let page = "<html><h2>List</h2><table border=1><tr><th>A<th colspan='2'>B\n b<tr><td>1<td>2</td><td>3</table></html>";
        assert_eq!(
            lines(page),
            [vec!["List"], vec!["A", "B b", ""], vec!["1", "2", "3"]]
        );
    }

    #[test]
    fn scripts_and_comments_are_no_text() {
        let page = "<style>td{}</STYLE><script>if (a<b) x</script><!-- <td>no --><table><tr><td title=\"a>b\">1</table>";
        assert_eq!(lines(page), [vec!["1"]]);
    }

    #[test]
    fn open_quotes_without_end_take_no_time() {
        let begun = std::time::Instant::now();
        lines(&"<a \"> \"".repeat(200_001));
        assert!(begun.elapsed() < std::time::Duration::from_secs(2));
    }

    #[test]
    fn references_are_characters() {
        let read = references(
            "O&#x27;Connor &lt;None&gt; N&uacute;&ntilde;ez D&#146;Angelo &amp;amp; &bogus; & M&#252;ller;",
        );
        assert_eq!(
            read,
            "O'Connor <None> Núñez D’Angelo &amp; &bogus; & Müller;"
        );
        assert_eq!(references("&yuml;&nbsp;&szlig;"), "ÿ\u{a0}ß");
    }

    #[test]
    fn a_page_without_its_end_is_refused() {
        assert!(complete("<html><table><tr><td>1").is_err());
        assert!(complete("<table></table>\n").is_ok());
    }
}
