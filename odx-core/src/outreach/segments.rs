//! How long a text is when it is sent: alphabet, units and segments.

use std::borrow::Cow;

/// The alphabet a text is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The seven-bit alphabet of GSM: 160 units in one message, 153 in each
    /// part of a longer one.
    Gsm7,
    /// UTF-16: 70 units in one message, 67 in each part of a longer one. One
    /// character outside GSM-7 is enough.
    Ucs2,
}

/// What a text takes to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segments {
    /// In which alphabet.
    pub encoding: Encoding,
    /// How many units of it.
    pub units: usize,
    /// How many messages a carrier makes, and bills, of it. None for no text.
    pub segments: usize,
}

/// Characters of one unit. Line feed and carriage return are among them.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// Characters of two units: an escape comes first.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// How many units of GSM-7 a character takes, if it can be written in it.
pub(super) fn gsm7_units(character: char) -> Option<usize> {
    let common = character.is_ascii_alphanumeric() || " .,:/-\n".contains(character);
    if common || BASIC.contains(character) {
        Some(1)
    } else if EXTENDED.contains(character) {
        Some(2)
    } else {
        None
    }
}

/// Counts what a text takes to send.
///
/// A character of two units is never split: where it does not fit any more, it
/// begins the next segment.
///
/// ```
/// use odx_core::outreach::{Encoding, segments};
/// let counted = segments("See you soon [link]");
/// assert_eq!((counted.encoding, counted.units, counted.segments), (Encoding::Gsm7, 21, 1));
/// ```
pub fn segments(text: &str) -> Segments {
    let gsm7: Option<usize> = text.chars().map(gsm7_units).sum();
    let (encoding, units, whole, part) = match gsm7 {
        Some(units) => (Encoding::Gsm7, units, 160, 153),
        None => (Encoding::Ucs2, text.encode_utf16().count(), 70, 67),
    };
    let segments = match units {
        0 => 0,
        units if units <= whole => 1,
        _ => {
            let (mut segments, mut used) = (1, 0);
            for character in text.chars() {
                let width = match encoding {
                    Encoding::Gsm7 => gsm7_units(character).unwrap_or(1),
                    Encoding::Ucs2 => character.len_utf16(),
                };
                if used + width > part {
                    segments += 1;
                    used = 0;
                }
                used += width;
            }
            segments
        }
    };
    Segments {
        encoding,
        units,
        segments,
    }
}

/// The same text with typographic characters written as GSM-7 has them: curly
/// quotes, dashes, ellipses, odd blanks. Letters stay as they are.
pub fn plain(text: &str) -> String {
    text.chars().map(straight).collect()
}

fn straight(character: char) -> Cow<'static, str> {
    let plain = match character {
        '‘' | '’' | '‚' | '‛' | '′' | '‵' | 'ʼ' | 'ʻ' | '`' | '´' | '‹' | '›' => {
            "'"
        }
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => "\"",
        '‐' | '\u{2011}' | '‒' | '–' | '—' | '―' | '−' | '⁃' => "-",
        '…' => "...",
        '•' | '·' | '∙' => "-",
        '\t' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => " ",
        '\u{2028}' | '\u{2029}' | '\u{85}' => "\n",
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => "",
        '⁄' => "/",
        '™' => "(TM)",
        '®' => "(R)",
        '©' => "(C)",
        other => return Cow::Owned(other.into()),
    };
    Cow::Borrowed(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_vector_is_counted_as_carriers_count() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/sms_segments.json")).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let counted = segments(text);
            let encoding = match case["encoding"].as_str().unwrap() {
                "GSM-7" => Encoding::Gsm7,
                _ => Encoding::Ucs2,
            };
            assert_eq!(counted.encoding, encoding, "{text}");
            assert_eq!(Some(counted.units as u64), case["units"].as_u64(), "{text}");
            let expected = case["segments"].as_u64();
            assert_eq!(Some(counted.segments as u64), expected, "{text}");
        }
        assert_eq!(cases.len(), 17);
    }

    #[test]
    fn a_character_of_two_units_begins_the_next_segment_where_it_does_not_fit() {
        // 152 + 2 would be 154: the sign goes to the second, the third takes the rest.
        let text = format!("{}€{}", "a".repeat(152), "b".repeat(152));
        let counted = segments(&text);
        assert_eq!((counted.units, counted.segments), (306, 3));
        let text = format!("{}😀{}", "ж".repeat(66), "ж".repeat(66));
        let counted = segments(&text);
        assert_eq!((counted.units, counted.segments), (134, 3));
    }

    #[test]
    fn the_alphabet_has_as_many_characters_as_the_standard() {
        // 128 places, one of them the escape.
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(EXTENDED.chars().count(), 10);
    }

    #[test]
    fn typographic_characters_become_plain_and_letters_stay() {
        let text = "It’s “time” – call…\u{a0}Zoë\u{200b} • now";
        assert_eq!(plain(text), "It's \"time\" - call... Zoë - now");
    }

    #[test]
    fn ten_thousand_broken_texts_are_counted() {
        let corpus = [
            "Hi Ana, it’s time. Reply STOP",
            "€€€😀é[link]",
            "José, su visita",
        ];
        let corpus = corpus
            .iter()
            .map(|text| text.as_bytes().repeat(6))
            .collect();
        for bytes in crate::testkit::Mutants::new(18, corpus, &["€", "😀", "ê"]).take(10_000) {
            let text = String::from_utf8_lossy(&bytes);
            let counted = segments(&text);
            assert_eq!(counted.segments == 0, text.is_empty());
            assert!(counted.units >= text.chars().count());
            assert_eq!(plain(&plain(&text)), plain(&text));
        }
    }

    proptest! {
        #[test]
        fn a_longer_text_never_takes_less(text in "\\PC{0,200}", more in "\\PC{0,9}") {
            let longer = segments(&format!("{text}{more}"));
            prop_assert!(longer.segments >= segments(&text).segments);
        }
    }
}
