//! Names: three columns, or one that says `Last, First M`.

use unicode_normalization::UnicodeNormalization as _;

use crate::table::{Field, Row};

/// A name in its parts. Not [`Phi`](odx_core::Phi) yet: it lives as long as its row.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Name {
    /// Last name, with both of its parts and what comes after it, such as `Jr`.
    pub(crate) last: String,
    /// First name.
    pub(crate) first: String,
    /// Middle initial.
    pub(crate) middle: String,
}

impl Name {
    /// The name of a row.
    pub(crate) fn of(row: &Row) -> Self {
        let get = |field| row.get(field).unwrap_or_default();
        if row.get(Field::LastName).is_none() && row.get(Field::FirstName).is_none() {
            return Self::split(get(Field::PatientName));
        }
        Self {
            last: tidy(get(Field::LastName)),
            first: tidy(get(Field::FirstName)),
            middle: tidy(get(Field::MiddleInitial)),
        }
    }

    /// `Last, First M`: a single letter at the end is the initial. What comes
    /// after a second comma is a suffix of the last name, and without any comma
    /// all of it is last name.
    pub(crate) fn split(text: &str) -> Self {
        let (last, rest) = text.split_once(',').unwrap_or((text, ""));
        let mut last = tidy(last);
        let mut given = rest;
        if let Some((one, other)) = rest.split_once(',') {
            let (suffix, name) = if is_suffix(one) {
                (one, other)
            } else {
                (other, one)
            };
            given = name;
            last = tidy(&format!("{last} {suffix}"));
        }
        let (first, middle) = initial(&tidy(given));
        Self {
            last,
            first,
            middle,
        }
    }

    /// Nothing is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.last.is_empty() && self.first.is_empty()
    }

    /// An encoding has taken letters of it: `Nguy?n`. Such a name is nobody's
    /// other name, and may be two people's.
    pub(crate) fn is_degraded(&self) -> bool {
        let lost = ['?', '\u{fffd}'];
        self.last.contains(lost) || self.first.contains(lost)
    }

    /// How a name is compared: composed letters (NFC) in lower case, one blank
    /// between words, the straight apostrophe and hyphen. The initial is given
    /// apart, also where it stands at the end of the first name: one template
    /// has it, another has not.
    pub(crate) fn folded(&self) -> [String; 3] {
        let (first, apart) = initial(&self.first);
        let middle = if self.middle.is_empty() {
            apart
        } else {
            self.middle.clone()
        };
        let middle = middle.trim_end_matches('.').to_owned();
        [&self.last, &first, &middle].map(|part| fold(part))
    }
}

fn fold(text: &str) -> String {
    let straight = |c| match c {
        '\u{2018}' | '\u{2019}' | '\u{02bc}' | '`' | '\u{b4}' => '\'',
        '\u{2010}'..='\u{2015}' => '-',
        c => c,
    };
    let lower: String = text
        .nfc()
        .map(straight)
        .flat_map(char::to_lowercase)
        .nfc()
        .collect();
    tidy(&lower)
}

/// One blank between words and none around them.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !tidy.is_empty() {
            tidy.push(' ');
        }
        tidy.push_str(word);
    }
    tidy
}

/// The first name, and the single letter at its end.
fn initial(given: &str) -> (String, String) {
    if let Some((first, last)) = given.rsplit_once(' ') {
        let letter = last.strip_suffix('.').unwrap_or(last);
        let mut letters = letter.chars();
        if letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none() {
            return (first.to_owned(), letter.to_owned());
        }
    }
    (given.to_owned(), String::new())
}

fn is_suffix(text: &str) -> bool {
    let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
    matches!(
        &*text,
        "jr" | "sr" | "ii" | "iii" | "iv" | "md" | "dds" | "dmd" | "phd"
    )
}

/// What they like to be called, where it says something new. Some write it in
/// quotation marks.
pub(crate) fn preferred(row: &Row, name: &Name) -> Option<String> {
    let text = row.get(Field::PreferredName)?;
    let text =
        tidy(text.trim_matches(|c| matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\'' | '(' | ')')));
    (!text.is_empty() && fold(&text) != fold(&name.first)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, String) {
        let name = Name::split(text);
        (name.last, name.first, name.middle)
    }

    fn is(text: &str, last: &str, first: &str, middle: &str) {
        assert_eq!(
            parts(text),
            (last.into(), first.into(), middle.into()),
            "{text}"
        );
    }

    #[test]
    fn a_name_in_one_column_is_taken_apart() {
        is("Smith, John A", "Smith", "John", "A");
        is("Smith, John A.", "Smith", "John", "A");
        is(
            "Fernández Ruiz, María José",
            "Fernández Ruiz",
            "María José",
            "",
        );
        is("Van der Berg, Pieter", "Van der Berg", "Pieter", "");
        is("St. James, Ava", "St. James", "Ava", "");
        is("Smith Jr, John", "Smith Jr", "John", "");
        is("Smith, Jr., John A", "Smith Jr.", "John", "A");
        is("Smith, John A, III", "Smith III", "John", "A");
        is("Smith", "Smith", "", "");
        is("  Smith ,   John   A  ", "Smith", "John", "A");
        is("", "", "", "");
    }

    #[test]
    fn a_name_is_compared_without_case_blanks_marks_or_initial() {
        let first = Name::split("D\u{2019}Angelo, BIANCA").folded();
        let other = Name::split("d'angelo,  Bianca Q.").folded();
        assert_eq!(first[..2], other[..2]);
        // The same letter, composed and not.
        assert_eq!(
            Name::split("Nun\u{303}ez, Jose\u{301}").folded(),
            Name::split("Nuñez, José").folded()
        );
        let apart = Name {
            last: "Doe".into(),
            first: "Mary J".into(),
            middle: String::new(),
        };
        assert_eq!(apart.folded(), Name::split("Doe, Mary J").folded());
    }

    #[test]
    fn a_name_that_lost_letters_is_known_for_it() {
        assert!(Name::split("Nguy?n, Th?o").is_degraded());
        assert!(!Name::split("Nguyễn, Thảo").is_degraded());
        assert_ne!(
            Name::split("Nguy?n, Th?o").folded(),
            Name::split("Nguyễn, Thảo").folded()
        );
    }
}
