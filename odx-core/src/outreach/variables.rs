//! What can be put into a message, and what is made of it first.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::segments::{gsm7_units, plain};
use super::words::{CLINICAL, at_start, fold, is_invisible, tokens};
use crate::model::Channel;
use crate::phi::Phi;

/// What a template may name. There is nothing else to put into a message.
pub(super) const ALLOWED: [&str; 7] = [
    "first_name",
    "practice_name",
    "practice_phone",
    "booking_link",
    "review_link",
    "unsubscribe_link",
    "practice_postal_address",
];

/// What can be put into a message. What is not set cannot be named by a
/// template, but for the first name, in whose place `there` stands.
///
/// Links hold a token that belongs to one person, so they are not printed.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// How to address them, as the practice typed it. A message has what is
    /// surely a name of it, at most 40 characters; a number, a link or markup
    /// is `there`. A text has it in the alphabet of texts: `Łukasz` is `Lukasz`,
    /// and a name in another script is `there`.
    pub first_name: Option<Phi<String>>,
    /// The practice, as patients know it.
    pub practice_name: Option<String>,
    /// Where to call it.
    pub practice_phone: Option<String>,
    /// Where to book.
    pub booking_link: Option<Phi<String>>,
    /// Where to leave a review.
    pub review_link: Option<Phi<String>>,
    /// Where to end these mails.
    pub unsubscribe_link: Option<Phi<String>>,
    /// Where the practice is.
    pub practice_postal_address: Option<String>,
}

impl Variables {
    /// By name, everything that is set, as it stands in a message of this
    /// channel. Holds PHI.
    pub(super) fn resolved(&self, channel: Channel) -> Vec<(&'static str, String)> {
        let office = |value: &Option<String>| {
            value.as_deref().map(|value| match channel {
                Channel::Sms => latin(&one_line(value)),
                Channel::Email | Channel::Voice => one_line(value),
            })
        };
        let link = |value: &Option<Phi<String>>| value.as_ref().map(|link| one_line(link.expose()));
        let values = [
            Some(greeting(self.first_name.as_ref(), channel)),
            office(&self.practice_name),
            office(&self.practice_phone),
            link(&self.booking_link),
            link(&self.review_link),
            link(&self.unsubscribe_link),
            office(&self.practice_postal_address),
        ];
        ALLOWED
            .into_iter()
            .zip(values)
            .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
            .collect()
    }
}

/// Longest first name.
const LONGEST: usize = 40;

/// Stands for a name that is not known or not usable.
const NOBODY: &str = "there";

/// How somebody is addressed.
///
/// A practice's first-name field holds anything. What is plainly more than a
/// name is cut, or is `there`: numbers, links, markup. A text holds only GSM-7,
/// so there `Łukasz` is `Lukasz`, and a name in another script is `there`: one
/// letter must not cost a message or make it three.
fn greeting(name: Option<&Phi<String>>, channel: Channel) -> String {
    let name = name.and_then(|name| clean(name.expose()));
    let name = match channel {
        Channel::Sms => name
            .map(|name| latin(&name))
            .filter(|name| name.chars().all(|c| gsm7_units(c) == Some(1))),
        Channel::Email | Channel::Voice => name,
    };
    name.unwrap_or_else(|| NOBODY.to_owned())
}

/// The first name in what a practice typed, if it is one.
fn clean(typed: &str) -> Option<String> {
    // Typed for an apostrophe.
    let typed = typed.replace(['´', '`'], "'");
    let shown: String = typed.nfkc().filter(|c| !is_invisible(*c)).collect();
    let line = one_line(&shown);
    // `Robert "Bob"`, `Robert (Bob)`, `Robert, Jr.`, `Robert - deaf`.
    let cut = line.find(['"', '“', '„', '«', '(', '[', ',', ';', '*']);
    let mut name = cut.and_then(|at| line.get(..at)).unwrap_or(&line).trim();
    for dash in [" -", " –", " —"] {
        name = name.split(dash).next().unwrap_or(name).trim();
    }
    let mut letters = name.chars().peekable();
    let mut last = None;
    while let Some(letter) = letters.next() {
        let usable = match letter {
            // A point ends a word: `St. John`, never `evil.example`.
            '.' => letters.peek().is_none_or(|next| *next == ' ') && last != Some('.'),
            ' ' | '-' | '\'' | '’' | 'ʼ' | '·' => true,
            _ => letter.is_alphabetic() || is_combining_mark(letter),
        };
        if !usable {
            return None;
        }
        last = Some(letter);
    }
    // Of several words, none says what somebody has. One word alone may: people
    // are called Dolores and Crown.
    let folded = fold(name);
    let words: Vec<_> = tokens(&folded).collect();
    let told = |at: usize| {
        words
            .get(at..)
            .is_some_and(|here| at_start(&CLINICAL, here).is_some())
    };
    if (1..words.len()).any(told) {
        name = name.split([' ', '-']).next().unwrap_or_default();
    }

    let mut name: String = name.chars().take(LONGEST).collect();
    name.truncate(name.trim_end().len());
    name.contains(char::is_alphabetic).then_some(name)
}

/// Without control and invisible characters, and with one blank where there
/// were several, or line breaks.
fn one_line(value: &str) -> String {
    let mut line = String::with_capacity(value.len());
    for part in value.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        let words = part
            .split(|c: char| c.is_whitespace() || c.is_control())
            .map(|word| word.replace(is_invisible, ""))
            .filter(|word| !word.is_empty());
        let mut first = true;
        for word in words {
            if !line.is_empty() {
                // A line of an address ends with a comma.
                let comma = first && !line.ends_with([',', ';', ':', '.']);
                line.push_str(if comma { ", " } else { " " });
            }
            line.push_str(&word);
            first = false;
        }
    }
    line
}

/// In GSM-7, as far as letters have a plain form there.
fn latin(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in plain(value).nfc() {
        if gsm7_units(letter).is_some() {
            text.push(letter);
            continue;
        }
        match letter {
            'Ł' => text.push('L'),
            'ł' => text.push('l'),
            'Đ' | 'Ð' => text.push('D'),
            'đ' | 'ð' => text.push('d'),
            'ı' => text.push('i'),
            'Œ' => text.push_str("OE"),
            'œ' => text.push_str("oe"),
            'Þ' => text.push_str("Th"),
            'þ' => text.push_str("th"),
            'ħ' => text.push('h'),
            _ => text.extend(
                std::iter::once(letter)
                    .nfd()
                    .filter(|c| !is_combining_mark(*c)),
            ),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn called(name: &str, channel: Channel) -> String {
        greeting(Some(&Phi::new(name.to_owned())), channel)
    }

    #[test]
    fn a_name_stays_a_name() {
        for name in [
            "Ana", "Zoé", "Mary Ann", "Jean-Luc", "D'Angelo", "St. John", "J.", "Dolores", "Crown",
            "José", "Łukasz", "王芳",
        ] {
            assert_eq!(called(name, Channel::Email), name);
        }
        assert_eq!(
            called("  ana\u{202e}\u{200b} \u{0} ", Channel::Email),
            "ana"
        );
    }

    #[test]
    fn what_is_no_name_is_cut_or_not_used() {
        for (typed, name) in [
            ("Robert \"Bob\"", "Robert"),
            ("O´Neil", "O'Neil"),
            ("Ａｎａ", "Ana"),
            ("Robert (HIV+)", "Robert"),
            ("Ana - diabetic", "Ana"),
            ("Ana diabetic", "Ana"),
            ("Maria, deaf", "Maria"),
            ("", "there"),
            ("   ", "there"),
            ("https://evil.example", "there"),
            ("evil.example", "there"),
            ("www.evil.example", "there"),
            ("{{ practice_name }}", "there"),
            ("{% if x %}", "there"),
            ("555-0123", "there"),
            ("Ana2", "there"),
            ("<b>Ana</b>", "there"),
            ("a@b", "there"),
            ("Ana\r\nBcc: x@example.org", "Ana"),
            ("-", "there"),
            ("'", "there"),
            ("Ana\nStop", "Ana"),
            ("$$$", "there"),
            ("a..b", "there"),
        ] {
            assert_eq!(called(typed, Channel::Email), name, "{typed}");
        }
        assert_eq!(called(&"a".repeat(99), Channel::Email).chars().count(), 40);
        assert_eq!(greeting(None, Channel::Email), "there");
    }

    #[test]
    fn a_text_has_names_in_its_own_alphabet() {
        for (typed, name) in [
            ("Zoë", "Zoe"),
            ("Łukasz", "Lukasz"),
            ("José", "José"),
            ("René", "René"),
            ("O’Neil", "O'Neil"),
            ("王芳", "there"),
            ("Nguyễn", "Nguyen"),
            ("Ольга", "there"),
            ("Íñigo", "Iñigo"),
        ] {
            assert_eq!(called(typed, Channel::Sms), name, "{typed}");
        }
    }

    #[test]
    fn an_address_of_several_lines_is_one() {
        assert_eq!(
            one_line("12 Main St\nSuite 4\r\nSalem,  OR"),
            "12 Main St, Suite 4, Salem, OR"
        );
    }

    #[test]
    fn nothing_of_a_person_is_printed() {
        let values = Variables {
            first_name: Some(Phi::new("Canary".into())),
            unsubscribe_link: Some(Phi::new("https://x.example/Canary".into())),
            ..Variables::default()
        };
        assert!(!format!("{values:?}").contains("Canary"));
    }

    proptest! {
        #[test]
        fn no_name_breaks_a_line_or_becomes_a_link(typed in ".*") {
            for channel in [Channel::Sms, Channel::Email] {
                let name = called(&typed, channel);
                prop_assert!(!name.is_empty() && name.chars().count() <= 80);
                let odd = |c: char| c.is_control() || c.is_ascii_digit() || is_invisible(c) || "{}<>:/\\@%#&?=\u{2028}\u{2029}".contains(c);
                prop_assert!(!name.contains(odd));
                prop_assert!(!name.split(". ").any(|part| part.trim_end_matches('.').contains('.')));
            }
        }
    }
}
