//! Telephone numbers as staff typed them.

use odx_core::model::{BadAddress, Phone, PhoneKind};

use crate::table::{Field, Row};

/// Why there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PhoneIssue {
    /// Nothing there.
    Missing,
    /// Digits are missing.
    TooShort,
    /// Seven digits, and the office has not said which area they are of.
    NoAreaCode,
    /// It cannot be a number.
    Invalid,
}

impl PhoneIssue {
    /// As it stands in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooShort => "too_short",
            Self::NoAreaCode => "no_area_code",
            Self::Invalid => "invalid",
        }
    }
}

/// A number as somebody typed it; seven digits are of this area.
///
/// # Errors
/// Why there is none.
pub(crate) fn phone(text: &str, area: Option<&str>) -> Result<Phone, PhoneIssue> {
    let text = label_last(whole(text.trim()));
    // What comes after a letter is an extension or a word.
    let number = text.split(char::is_alphabetic).next().unwrap_or_default();
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if digits.len() == 7 && !number.contains('+') && !is_one_digit(&digits) {
        let area = area.ok_or(PhoneIssue::NoAreaCode)?;
        return Phone::parse(&format!("{area} {text}")).map_err(|_| PhoneIssue::Invalid);
    }
    Phone::parse(&text).map_err(|why| match why {
        BadAddress::Empty => PhoneIssue::Missing,
        BadAddress::Placeholder if digits.is_empty() => PhoneIssue::Missing,
        _ if (1..10).contains(&digits.len()) && !is_one_digit(&digits) => PhoneIssue::TooShort,
        _ => PhoneIssue::Invalid,
    })
}

/// A sheet that took the number for a number wrote `8015550113.0`.
fn whole(text: &str) -> &str {
    match text.split_once('.') {
        Some((digits, zeros))
            if digits.len() >= 7
                && digits.bytes().all(|b| b.is_ascii_digit())
                && zeros.bytes().all(|b| b == b'0') =>
        {
            digits
        }
        _ => text,
    }
}

/// `cell 801.555.0118`: a word before the number, put behind it, where the
/// parser of numbers expects it.
fn label_last(text: &str) -> String {
    let rest = text.trim_start_matches(char::is_alphabetic);
    let word = text.get(..text.len() - rest.len()).unwrap_or_default();
    let known = matches!(
        &*word.to_ascii_lowercase(),
        "cell" | "mobile" | "c" | "m" | "home" | "work" | "office" | "house" | "h" | "w"
    );
    if !known || rest.is_empty() {
        return text.to_owned();
    }
    let rest = rest.trim_start_matches([':', '#', ' ', '.', '-']);
    format!("{rest} {word}")
}

fn is_one_digit(digits: &str) -> bool {
    let mut bytes = digits.bytes();
    let first = bytes.next();
    bytes.all(|b| Some(b) == first)
}

/// The number for texts and the number for the voice: home, then work. Where
/// nobody filled in a mobile, one that staff marked as such elsewhere is it.
pub(crate) fn phones(row: &Row, area: Option<&str>) -> (Option<Phone>, Option<Phone>) {
    let read = |field| row.get(field).and_then(|text| phone(text, area).ok());
    let (mut mobile, mut home, mut work) = (
        read(Field::MobilePhone),
        read(Field::HomePhone),
        read(Field::WorkPhone),
    );
    for other in [&mut home, &mut work] {
        if mobile.is_none()
            && other
                .as_ref()
                .is_some_and(|phone| phone.kind() == PhoneKind::Mobile)
        {
            mobile = other.take();
        }
    }
    (mobile, home.or(work))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, &'static str> {
        phone(text, None)
            .map(|phone| phone.e164().expose().clone())
            .map_err(PhoneIssue::name)
    }

    #[test]
    fn a_number_that_a_sheet_took_for_a_number_is_one() {
        for text in ["8015550113.0", "8015550113", "8015550113.00"] {
            assert_eq!(read(text), Ok("+18015550113".into()), "{text}");
        }
    }

    #[test]
    fn a_word_before_the_number_says_what_it_is() {
        let cell = phone("cell 801.555.0118", None).unwrap();
        assert_eq!(cell.e164().expose(), "+18015550118");
        assert_eq!(cell.kind(), PhoneKind::Mobile);
        let home = phone("Home: (801)555-0118", None).unwrap();
        assert_eq!(home.kind(), PhoneKind::LandlineHint);
        assert_eq!(read("ask 801.555.0118"), Err("invalid"));
    }

    #[test]
    fn every_reason_is_its_own() {
        assert_eq!(read(""), Err("missing"));
        assert_eq!(read("none"), Err("missing"));
        assert_eq!(read("555-0109"), Err("no_area_code"));
        assert_eq!(read("(801)555-01"), Err("too_short"));
        assert_eq!(read("(000)000-0000"), Err("invalid"));
        assert_eq!(read("000-0000"), Err("invalid"));
        assert_eq!(read("(101)555-0100"), Err("invalid"));
        assert_eq!(read("see note"), Err("invalid"));
    }

    #[test]
    fn seven_digits_are_of_the_offices_area_where_it_says_so() {
        let phone = |text| phone(text, Some("801")).unwrap();
        assert_eq!(phone("555-0109").e164().expose(), "+18015550109");
        assert_eq!(phone("cell 555-0109").kind(), PhoneKind::Mobile);
        let extended = phone("555-0109 x12");
        assert_eq!(extended.e164().expose(), "+18015550109");
        assert_eq!(extended.extension().unwrap().expose(), "12");
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in ".{0,24}") {
            prop_assert!(phone(&text, Some("801")).is_ok_and(|phone| phone.e164().expose().starts_with('+')) || phone(&text, Some("801")).is_err());
        }
    }
}
