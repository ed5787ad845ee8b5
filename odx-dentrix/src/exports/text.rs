//! Text with separators, quoted or not. Strict about the one thing that a
//! forgiving reader hides: a quote that never closes.

use super::report::{Line, Lines};
use super::{incomplete, too_large};
use crate::wire::Failure;

/// What may stand between cells, likeliest first.
pub(super) const SEPARATORS: [char; 3] = [',', '\t', ';'];

/// No record is longer, in bytes.
const LONGEST: usize = 1 << 20;

/// The records of a text, blank lines among them.
#[derive(Debug)]
pub(super) struct Records<'a> {
    rest: &'a str,
    separator: char,
    line: u64,
    damaged: bool,
}

impl<'a> Records<'a> {
    /// The records of this text. In a damaged one, what could not be decoded is
    /// told.
    pub(super) const fn new(text: &'a str, separator: char, damaged: bool) -> Self {
        Self {
            rest: text,
            separator,
            line: 1,
            damaged,
        }
    }

    fn record(&mut self) -> Result<Vec<String>, Failure> {
        let mut cells = Vec::new();
        let mut cell = String::new();
        let (mut quoted, mut begun) = (false, false);
        let mut chars = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            if at > LONGEST {
                return Err(too_large("a line of it is longer than any report's"));
            }
            if c == '\n' || (c == '\r' && chars.peek().is_none_or(|(_, next)| *next != '\n')) {
                self.line += 1;
            }
            if quoted {
                match c {
                    '"' if chars.next_if(|(_, next)| *next == '"').is_some() => cell.push('"'),
                    '"' => quoted = false,
                    _ => cell.push(c),
                }
                continue;
            }
            match c {
                '"' if !begun => (quoted, begun) = (true, true),
                '\n' | '\r' => {
                    if c == '\r' && chars.next_if(|(_, next)| *next == '\n').is_some() {
                        self.line += 1;
                    }
                    end = chars.peek().map_or(self.rest.len(), |(at, _)| *at);
                    break;
                }
                _ if c == self.separator => {
                    cells.push(std::mem::take(&mut cell));
                    begun = false;
                }
                _ => {
                    begun = true;
                    cell.push(c);
                }
            }
        }
        if quoted {
            return Err(incomplete("it ends inside a quoted cell"));
        }
        cells.push(cell);
        self.rest = self.rest.get(end..).unwrap_or_default();
        Ok(cells)
    }
}

impl Lines for Records<'_> {
    fn next(&mut self) -> Result<Option<Line>, Failure> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let place = format!("line {}", self.line);
        let cells = self.record()?;
        let lost = self.damaged && cells.iter().any(|cell| cell.contains('\u{fffd}'));
        Ok(Some(Line {
            fault: lost.then_some("it holds bytes that are no text in its encoding"),
            ..Line::new(place, cells)
        }))
    }
}

/// A text that a program wrote to its end closes its last line.
pub(super) fn complete(text: &str) -> Result<(), Failure> {
    if text.is_empty() {
        return Err(incomplete("it is empty"));
    }
    if text.ends_with(['\n', '\r']) {
        return Ok(());
    }
    Err(incomplete("its last line does not end"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells(text: &str, separator: char) -> Vec<Vec<String>> {
        let mut records = Records::new(text, separator, false);
        std::iter::from_fn(|| records.next().unwrap().map(|line| line.cells)).collect()
    }

    #[test]
    fn quotes_separators_and_line_breaks_inside_cells_belong_to_them() {
        let read = cells("\"a,\"\"b\"\"\",c\r\n\r\n\"d\r\ne\",=1+1\n", ',');
        assert_eq!(
            read,
            [vec!["a,\"b\"", "c"], vec![""], vec!["d\r\ne", "=1+1"]]
        );
    }

    #[test]
    fn a_record_says_the_line_it_begins_on() {
        let mut records = Records::new("\"a\r\nb\"\r\n\r\nc\n", ',', false);
        let places = std::iter::from_fn(|| records.next().unwrap().map(|line| line.place));
        assert!(places.eq(["line 1", "line 3", "line 4"].map(str::to_owned)));
    }

    #[test]
    fn a_quote_that_never_closes_is_no_end() {
        let mut records = Records::new("a,\"b\r\nc,d\r\n", ',', false);
        assert!(records.next().is_err());
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let long = "x".repeat(LONGEST + 2);
        assert!(Records::new(&long, ',', false).next().is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_with_quotes_reads_back(
            rows in prop::collection::vec(prop::collection::vec("[ -~é\r\n\t]{0,12}", 1..6), 1..8),
            separator in prop::sample::select(SEPARATORS.to_vec()),
        ) {
            let mut text = String::new();
            for row in &rows {
                let quoted: Vec<_> = row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
                text.push_str(&quoted.join(&separator.to_string()));
                text.push_str("\r\n");
            }
            prop_assert_eq!(cells(&text, separator), rows);
        }

        // The same as the reader everybody uses, but for blank lines and open quotes.
        #[test]
        fn any_text_reads_as_others_read_it(text in "[a,;\"\r\n\t]{0,40}") {
            let mut records = Records::new(&text, ',', false);
            let mut ours = Vec::new();
            loop {
                match records.next() {
                    Ok(Some(line)) if line.cells == [""] => {}
                    Ok(Some(line)) => ours.push(line.cells),
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
            }
            let mut theirs = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let theirs: Vec<Vec<String>> = theirs
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .filter(|cells: &Vec<String>| *cells != [""])
                .collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}
