//! What a file is, by its content: people save pages as `.xls`.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{incomplete, no_report};
use crate::wire::Failure;

/// What a report may be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Xlsx,
    Xls,
    Pdf,
    Html,
    Text,
}

/// How far into a file its kind must have shown.
const HEAD: usize = 4096;

const OLE: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// What these bytes are. Text is whatever is nothing else.
pub(super) fn format(bytes: &[u8]) -> Format {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Format::Xlsx;
    }
    if bytes.starts_with(&OLE) {
        return Format::Xls;
    }
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    // Some printers put a line of their own before it.
    if head
        .get(..1024)
        .unwrap_or(head)
        .windows(5)
        .any(|w| w == b"%PDF-")
    {
        return Format::Pdf;
    }
    // Without its zeros, UTF-16 looks the same as the rest.
    let letters: Vec<u8> = head
        .iter()
        .filter(|byte| **byte != 0)
        .map(u8::to_ascii_lowercase)
        .collect();
    let opens = letters
        .iter()
        .find(|byte| byte.is_ascii() && !byte.is_ascii_whitespace())
        .is_some_and(|byte| *byte == b'<');
    let has = |tag: &[u8]| letters.windows(tag.len()).any(|window| window == tag);
    if opens && (has(b"<html") || has(b"<table")) {
        return Format::Html;
    }
    Format::Text
}

/// Text, and whether some of its bytes were none.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) damaged: bool,
}

/// Reads bytes as text: by their mark, else as UTF-8 where they are valid, else
/// by what the page says of itself, else by the label.
pub(super) fn text<'a>(
    bytes: &'a [u8],
    says: Option<&str>,
    label: &str,
) -> Result<Text<'a>, Failure> {
    let (encoding, mark) = match Encoding::for_bom(bytes) {
        Some(found) => found,
        None => (guess(bytes, says, label)?, 0),
    };
    if encoding != UTF_8 && encoding.name().starts_with("UTF-16") && bytes.len() % 2 == 1 {
        return Err(incomplete("it ends in the middle of a character"));
    }
    let bytes = bytes.get(mark..).unwrap_or_default();
    let (text, damaged) = encoding.decode_without_bom_handling(bytes);
    // A disk that was full, or went away, leaves zeros where text should be.
    if text.contains('\0') {
        return Err(incomplete("it holds bytes that were never written"));
    }
    Ok(Text { text, damaged })
}

fn guess(bytes: &[u8], says: Option<&str>, label: &str) -> Result<&'static Encoding, Failure> {
    let head = bytes.get(..512).unwrap_or(bytes);
    let zeros = |from: usize| {
        head.iter()
            .skip(from)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let most = head.len() / 3;
    if head.len() > 3 && zeros(1) > most {
        return Ok(UTF_16LE);
    }
    if head.len() > 3 && zeros(0) > most {
        return Ok(UTF_16BE);
    }
    if std::str::from_utf8(bytes).is_ok() {
        return Ok(UTF_8);
    }
    let said = says.and_then(|says| Encoding::for_label(says.trim().as_bytes()));
    // It says UTF-8, and is not.
    if let Some(said) = said.filter(|said| *said != UTF_8 && !said.name().starts_with("UTF-16")) {
        return Ok(said);
    }
    if label.trim().is_empty() || label.trim().eq_ignore_ascii_case("auto") {
        return Ok(WINDOWS_1252);
    }
    Encoding::for_label(label.trim().as_bytes())
        .ok_or_else(|| no_report("its encoding is set to one that nobody knows: set windows-1252"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_called_xls_is_a_page() {
        assert_eq!(format(b"\xef\xbb\xbf\r\n<HTML><body>"), Format::Html);
        assert_eq!(format(b"<!DOCTYPE html><html>"), Format::Html);
        assert_eq!(format(b"<\0t\0a\0b\0l\0e\0"), Format::Html);
        assert_eq!(format(b"\"<None>\",\"<table>\""), Format::Text);
        assert_eq!(format(b"PK\x03\x04..."), Format::Xlsx);
        assert_eq!(format(&OLE), Format::Xls);
        assert_eq!(format(b"\n%PDF-1.4"), Format::Pdf);
        assert_eq!(format(b""), Format::Text);
    }

    #[test]
    fn text_is_read_by_its_mark_then_as_utf8_then_by_the_label() {
        let read = |bytes: &[u8]| text(bytes, None, "windows-1252").unwrap().text.into_owned();
        assert_eq!(read(b"\xef\xbb\xbfN\xc3\xba\xc3\xb1ez"), "Núñez");
        assert_eq!(read(b"N\xc3\xba\xc3\xb1ez"), "Núñez");
        assert_eq!(read(b"N\xfa\xf1ez, D\x92Angelo"), "Núñez, D’Angelo");
        assert_eq!(read(b"\xff\xfeN\0\xfa\0"), "Nú");
        assert_eq!(read(b"\xfe\xff\0N\0\xfa"), "Nú");
        assert_eq!(read(b"N\0u\0n\0e\0z\0"), "Nunez");
    }

    #[test]
    fn half_a_character_or_unwritten_bytes_are_no_end() {
        assert!(text(b"\xff\xfeN\0\xfa", None, "").is_err());
        assert!(text(b"\"Nunez\"\r\n\0\0\0\0", None, "").is_err());
    }
}
