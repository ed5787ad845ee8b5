//! Takes packed columns apart: `2:17|2026-01-02|...|,18|...|`.

use crate::wire::{Int, Text};

/// What a packed column holds.
pub(super) struct Pieces<'a, const N: usize> {
    /// The rows that are whole.
    pub(super) rows: Vec<[&'a str; N]>,
    /// Not everything is there: the column was cut, or is not what was asked for.
    pub(super) incomplete: bool,
}

/// The fields of a packed row: every one is followed by a bar, the last one too.
fn fields<const N: usize>(piece: &str) -> Option<[&str; N]> {
    let mut fields = [""; N];
    let mut rest = piece.split('|');
    for field in &mut fields {
        *field = rest.next()?;
    }
    (rest.next() == Some("") && rest.next().is_none()).then_some(fields)
}

/// A number; empty is the vendor's none.
pub(super) fn int(field: &str) -> Int {
    match field {
        "" => Int::of(Some(0)),
        text => Int::of(text.parse().ok()),
    }
}

/// A date. MySQL's own "no date" is none as well: packed, it shows as it is.
pub(super) fn date(field: &str) -> Text<'_> {
    Text::of(if field.starts_with("0000-00-00") {
        ""
    } else {
        field
    })
}

impl<'a, const N: usize> Pieces<'a, N> {
    /// Never more than is there: a row that was cut is left out.
    pub(super) fn parse(text: &'a str) -> Self {
        let Some((count, rest)) = text.split_once(':') else {
            return Self {
                rows: Vec::new(),
                incomplete: true,
            };
        };
        let mut pieces = 0_usize;
        let rows: Vec<_> = rest
            .split(',')
            .filter(|piece| !piece.is_empty())
            .inspect(|_| pieces += 1)
            .filter_map(fields)
            .collect();
        let whole = rows.len() == pieces && count.parse() == Ok(pieces);
        Self {
            rows,
            incomplete: !whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Option<i64>>, bool) {
        let pieces = Pieces::<2>::parse(text);
        let firsts = pieces.rows.iter().map(|row| int(row[0]).get()).collect();
        (firsts, pieces.incomplete)
    }

    #[test]
    fn a_column_that_was_cut_anywhere_is_noticed_and_shows_only_whole_rows() {
        let whole = "3:11|2|,12||,13|44|";
        assert_eq!(read(whole), (vec![Some(11), Some(12), Some(13)], false));
        for end in 0..whole.len() {
            let (rows, incomplete) = read(&whole[..end]);
            assert!(incomplete, "{end}");
            let there = [Some(11), Some(12), Some(13)];
            assert_eq!(rows, there[..rows.len()], "{end}");
        }
        assert_eq!(read("0:"), (vec![], false));
    }

    #[test]
    fn what_is_no_packed_column_is_incomplete() {
        for text in [
            "",
            "1",
            ":",
            "x:",
            "1:",
            "0:1|2|",
            "1:1|2|3|",
            "1:1|2",
            "2:1|2|,3|",
        ] {
            assert!(read(text).1, "{text}");
        }
        assert_eq!(read("1:x|2|"), (vec![None], false));
        let none = Pieces::<2>::parse("1:0|0000-00-00 00:00:00|");
        assert_eq!(date(none.rows[0][1]).get(), "");
    }
}
