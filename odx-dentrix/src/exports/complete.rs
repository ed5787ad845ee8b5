//! Whether a file was written to its end, and how much comes out of it, before
//! anything takes it apart: containers lie, and parsers believe them.

use std::collections::BTreeSet;
use std::io::Read;

use super::{incomplete, no_report, too_large};
use crate::wire::Failure;

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes(two.try_into().ok()?)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
}

/// A workbook of one office's recalls has a dozen.
const ENTRIES: usize = 1000;

/// Ordinary sheets come to 5 to 30 times their size; repeated ones to 100.
const RATIO: u64 = 150;

/// Below this no ratio is remarkable.
const SMALL: u64 = 1 << 20;

/// A zip with its end record, whose entries come to what it says, and are what they
/// were when it was written. No more than `max` bytes come out of it.
pub(super) fn zip(bytes: &[u8], max: u64) -> Result<(), Failure> {
    let cut = || incomplete("its end is missing");
    let damaged = || incomplete("a part of it is damaged");
    let bomb = || too_large("it unpacks to far more than a report holds");
    let end = end_record(bytes).ok_or_else(cut)?;
    let entries = u16_at(bytes, end + 10).ok_or_else(cut)?;
    let mut at = u32_at(bytes, end + 16).ok_or_else(cut)?;
    if entries > ENTRIES {
        return Err(too_large("it has more parts than any workbook"));
    }
    let mut unpacked = 0_u64;
    let mut starts = BTreeSet::new();
    for _ in 0..entries {
        let head = bytes.get(at..end).ok_or_else(damaged)?;
        if !head.starts_with(b"PK\x01\x02") {
            return Err(damaged());
        }
        let field = |at| u32_at(head, at).ok_or_else(damaged);
        let (crc, packed, size, local) = (field(16)?, field(20)?, field(24)?, field(42)?);
        let flags = u16_at(head, 8).ok_or_else(damaged)?;
        let method = u16_at(head, 10).ok_or_else(damaged)?;
        if flags & 1 == 1 {
            return Err(no_report(
                "it is protected by a password: save it without one",
            ));
        }
        let length = |at| u16_at(head, at).ok_or_else(damaged);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let called = head.get(46..46 + name).ok_or_else(damaged)?;
        let is_strings = called.ends_with(b"sharedStrings.xml");
        at += 46 + name + extra + comment;
        // Many entries that share their bytes are how a small file becomes a huge one.
        if !starts.insert(local) {
            return Err(bomb());
        }
        let size = size as u64;
        if unpacked.saturating_add(size) > max {
            return Err(bomb());
        }
        let local_head = bytes.get(local..).ok_or_else(damaged)?;
        if !local_head.starts_with(b"PK\x03\x04") {
            return Err(damaged());
        }
        let skip = |at| u16_at(local_head, at).ok_or_else(damaged);
        let from = local + 30 + skip(26)? + skip(28)?;
        // A part under another name is a part that is missing.
        if local_head.get(30..30 + skip(26)?) != Some(called) {
            return Err(damaged());
        }
        let data = from
            .checked_add(packed)
            .and_then(|to| bytes.get(from..to))
            .ok_or_else(damaged)?;
        let mut content = Count::new(is_strings);
        let whole = match method {
            0 => content.take(data, size),
            8 => content.take(flate2::read::DeflateDecoder::new(data), size),
            _ => {
                return Err(no_report(
                    "it is packed in a way that spreadsheets never use: save it anew",
                ));
            }
        };
        if content.size > size || content.size > max {
            return Err(bomb());
        }
        if !whole || content.size != size || content.crc.sum() as usize != crc {
            return Err(damaged());
        }
        unpacked += size;
        if content.claims() > content.size {
            return Err(bomb());
        }
    }
    let packed = bytes.len() as u64;
    if unpacked > SMALL && unpacked / packed.max(1) > RATIO {
        return Err(bomb());
    }
    Ok(())
}

/// Where the end record is: it may be followed by a comment.
fn end_record(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(22)?;
    (last.saturating_sub(0xffff)..=last).rev().find(|at| {
        let found = bytes
            .get(*at..)
            .is_some_and(|rest| rest.starts_with(b"PK\x05\x06"));
        found && u16_at(bytes, at + 20).is_some_and(|comment| at + 22 + comment == bytes.len())
    })
}

/// What comes out of an entry, without keeping it.
struct Count {
    crc: flate2::Crc,
    size: u64,
    head: Option<Vec<u8>>,
}

impl Count {
    fn new(keep_head: bool) -> Self {
        Self {
            crc: flate2::Crc::new(),
            size: 0,
            head: keep_head.then(Vec::new),
        }
    }

    /// Reads it all, or until it is more than was promised.
    fn take(&mut self, mut from: impl Read, promised: u64) -> bool {
        let mut buffer = [0; 8192];
        while self.size <= promised {
            let Ok(read) = from.read(&mut buffer) else {
                return false;
            };
            let part = buffer.get(..read).unwrap_or_default();
            if part.is_empty() {
                return true;
            }
            if let Some(head) = self.head.as_mut().filter(|head| head.len() < 1024) {
                head.extend_from_slice(part);
            }
            self.crc.update(part);
            self.size += read as u64;
        }
        true
    }

    /// How many strings it says it has: a reader makes room for as many.
    fn claims(&self) -> u64 {
        let head = self.head.as_deref().unwrap_or_default();
        let head = String::from_utf8_lossy(head);
        let Some((_, rest)) = head.split_once("uniqueCount") else {
            return 0;
        };
        let digits = rest
            .trim_start_matches(|c: char| c == '=' || c == '"' || c == '\'' || c.is_whitespace());
        let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
        // Too long a number is too large a one.
        digits
            .parse()
            .unwrap_or(if digits.is_empty() { 0 } else { u64::MAX })
    }
}

/// The bytes of an old workbook, out of its container: every sector of every chain
/// lies in the file.
pub(super) fn ole(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let workbook = Ole::open(bytes)
        .and_then(|ole| ole.workbook())
        .ok_or_else(|| incomplete("a part of it lies behind its end, or is damaged"))?;
    workbook.ok_or_else(|| no_report("it holds no workbook: save it as a workbook, or as CSV"))
}

struct Ole<'a> {
    bytes: &'a [u8],
    /// The size of a sector.
    size: usize,
    table: Vec<usize>,
}

const LAST: usize = 0xffff_fffe;

impl<'a> Ole<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let size = match u16_at(bytes, 30)? {
            9 => 512,
            12 => 4096,
            _ => return None,
        };
        let mut ole = Self {
            bytes,
            size,
            table: Vec::new(),
        };
        let mut sectors: Vec<usize> = (0..109)
            .map_while(|n| u32_at(bytes, 76 + 4 * n))
            .filter(|sector| *sector < LAST - 3)
            .collect();
        let mut more = u32_at(bytes, 68)?;
        let mut left = u32_at(bytes, 72)?.min(bytes.len() / size);
        while left > 0 && more < LAST - 3 {
            let sector = ole.sector(more)?;
            let links = size / 4 - 1;
            sectors.extend(
                (0..links)
                    .filter_map(|n| u32_at(sector, 4 * n))
                    .filter(|s| *s < LAST - 3),
            );
            more = u32_at(sector, 4 * links)?;
            left -= 1;
        }
        if sectors.len() < u32_at(bytes, 44)? || sectors.len() > bytes.len() / size {
            return None;
        }
        for sector in sectors {
            let sector = ole.sector(sector)?;
            let links: Vec<usize> = (0..size / 4)
                .filter_map(|n| u32_at(sector, 4 * n))
                .collect();
            ole.table.extend(links);
        }
        // Nothing that is in use may lie behind the end.
        let sectors = (bytes.len().checked_sub(size)?).div_ceil(size);
        let used = ole.table.iter().rposition(|next| *next != 0xffff_ffff)?;
        (used < sectors).then_some(ole)
    }

    fn sector(&self, number: usize) -> Option<&'a [u8]> {
        let from = number.checked_add(1)?.checked_mul(self.size)?;
        self.bytes.get(from..from.checked_add(self.size)?)
    }

    /// The bytes of a chain, at least `least` of them where that is known.
    fn chain(&self, start: usize, least: Option<usize>) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        let mut sector = start;
        // A chain longer than the file goes in circles.
        for _ in 0..=self.table.len() {
            if sector == LAST {
                break;
            }
            match self.sector(sector) {
                Some(bytes) => content.extend_from_slice(bytes),
                // The last sector of a file may be short.
                None => content.extend_from_slice(
                    self.bytes
                        .get((sector.checked_add(1)?).checked_mul(self.size)?..)?,
                ),
            }
            sector = *self.table.get(sector)?;
        }
        (sector == LAST && content.len() >= least.unwrap_or_default()).then_some(content)
    }

    fn workbook(&self) -> Option<Option<Vec<u8>>> {
        let directory = self.chain(u32_at(self.bytes, 48)?, None)?;
        let mut found = None;
        let mut root = None;
        for entry in directory.chunks_exact(128) {
            let length = u16_at(entry, 64)?.min(64);
            let name: String = (0..length / 2)
                .filter_map(|n| u16_at(entry, 2 * n))
                .filter_map(|unit| char::from_u32(u32::try_from(unit).ok()?))
                .filter(|c| *c != '\0')
                .collect();
            let place = (u32_at(entry, 116)?, u32_at(entry, 120)?);
            match entry.get(66)? {
                5 => root = Some(place),
                2 if name.eq_ignore_ascii_case("Workbook") || name.eq_ignore_ascii_case("Book") => {
                    found = Some(place)
                }
                _ => {}
            }
        }
        let Some((start, size)) = found else {
            return Some(None);
        };
        let mut content = if size >= u32_at(self.bytes, 56)? {
            self.chain(start, Some(size))?
        } else {
            let (root, _) = root?;
            let small = Ole {
                bytes: &self.chain(root, None)?,
                size: 64,
                table: {
                    let links = self.chain(u32_at(self.bytes, 60)?, None)?;
                    (0..links.len() / 4)
                        .filter_map(|n| u32_at(&links, 4 * n))
                        .collect()
                },
            };
            small.mini(start, size)?
        };
        content.truncate(size);
        Some(Some(content))
    }

    /// Small streams lie in pieces of 64 bytes in one of their own, from its start.
    fn mini(&self, start: usize, size: usize) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        let mut piece = start;
        for _ in 0..=self.table.len() {
            if piece == LAST {
                break;
            }
            let from = piece.checked_mul(64)?;
            content.extend_from_slice(self.bytes.get(from..from.checked_add(64)?)?);
            piece = *self.table.get(piece)?;
        }
        (piece == LAST && content.len() >= size).then_some(content)
    }
}

/// Cells of old sheets, blank ones between them included: a reader makes room for
/// all of them.
const CELLS: usize = 4_000_000;

/// More sheets than these are no report.
pub(super) const SHEETS: usize = 255;

/// The records of an old workbook: each sheet ends, and none is a desert.
pub(super) fn workbook(stream: &[u8]) -> Result<(), Failure> {
    let cut = || incomplete("its last sheet does not end");
    let desert = || too_large("its sheets are wider and longer than any report");
    let (mut at, mut depth, mut sheets, mut ended, mut cells) =
        (0_usize, 0_usize, 0_usize, 0_usize, 0_usize);
    let mut extent: Option<[usize; 4]> = None;
    while let (Some(kind), Some(length)) = (u16_at(stream, at), u16_at(stream, at + 2)) {
        let Some(data) = stream.get(at + 4..at + 4 + length) else {
            // What follows the last end is filling.
            if depth == 0 && ended > sheets {
                break;
            }
            return Err(cut());
        };
        at += 4 + length;
        match kind {
            0x0809 | 0x0409 | 0x0209 | 0x0009 => depth += 1,
            0x000a => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    ended += 1;
                    if let Some([top, bottom, left, right]) = extent.take() {
                        cells += (bottom - top + 1) * (right - left + 1);
                    }
                    if cells > CELLS {
                        return Err(desert());
                    }
                }
            }
            0x002f => {
                return Err(no_report(
                    "it is protected by a password: save it without one",
                ));
            }
            0x0085 => sheets += 1,
            0x0200 => {
                let (rows, columns) = match length {
                    10 => (u16_at(data, 2), u16_at(data, 6)),
                    _ => (u32_at(data, 4), u16_at(data, 10)),
                };
                let room = rows
                    .unwrap_or_default()
                    .saturating_mul(columns.unwrap_or_default());
                if room > CELLS * 4 + 0x10_000 * 2 {
                    return Err(desert());
                }
            }
            0x0006 | 0x00bd | 0x00d6 | 0x00fd | 0x0203 | 0x0204 | 0x0205 | 0x027e => {
                if let (Some(row), Some(column)) = (u16_at(data, 0), u16_at(data, 2)) {
                    let to = if kind == 0x00bd {
                        column + length / 6
                    } else {
                        column
                    };
                    let [top, bottom, left, right] = extent.unwrap_or([row, row, column, to]);
                    extent = Some([
                        top.min(row),
                        bottom.max(row),
                        left.min(column),
                        right.max(to),
                    ]);
                }
            }
            _ => {}
        }
        if sheets > SHEETS {
            return Err(too_large("it has more sheets than any report"));
        }
    }
    if depth > 0 || sheets == 0 || ended <= sheets {
        return Err(cut());
    }
    Ok(())
}

/// A PDF ends with where its table of contents is, and that is where it says.
pub(super) fn pdf(bytes: &[u8]) -> Result<(), Failure> {
    let cut = || incomplete("its end is missing");
    let last = bytes
        .get(bytes.len().saturating_sub(2048)..)
        .unwrap_or(bytes);
    let end = find_last(last, b"%%EOF").ok_or_else(cut)?;
    let last = last.get(..end).unwrap_or_default();
    let start = find_last(last, b"startxref").ok_or_else(cut)?;
    let digits: String = last
        .get(start + 9..)
        .unwrap_or_default()
        .iter()
        .map(|byte| char::from(*byte))
        .skip_while(char::is_ascii_whitespace)
        .take_while(char::is_ascii_digit)
        .collect();
    let at: usize = digits.parse().map_err(|_| cut())?;
    let table = bytes.get(at..).unwrap_or_default();
    let table = table.trim_ascii_start();
    // A table of its own, or an object that is one.
    if table.starts_with(b"xref") || table.first().is_some_and(u8::is_ascii_digit) {
        return Ok(());
    }
    // Some printers write a line before the file and do not count it.
    let shift = find(bytes, b"%PDF-").unwrap_or_default();
    let moved = bytes
        .get(at.saturating_add(shift)..)
        .unwrap_or_default()
        .trim_ascii_start();
    if shift > 0 && moved.starts_with(b"xref") {
        return Ok(());
    }
    Err(incomplete("its table of contents is not where it says"))
}

/// What the streams of a PDF come to, unpacked: no more than `max`, and each of them
/// whole.
pub(super) fn streams(bytes: &[u8], max: u64) -> Result<(), Failure> {
    let mut total = 0_u64;
    let mut rest = bytes;
    while let Some(at) = find(rest, b"stream") {
        let (before, after) = rest.split_at(at);
        let after = after.get(6..).unwrap_or_default();
        if before.ends_with(b"end") {
            rest = after;
            continue;
        }
        let dictionary = before
            .get(before.len().saturating_sub(1024)..)
            .unwrap_or(before);
        let dictionary = find_last(dictionary, b"obj")
            .and_then(|at| dictionary.get(at..))
            .unwrap_or(dictionary);
        let data = after
            .strip_prefix(b"\r\n")
            .or_else(|| after.strip_prefix(b"\n"))
            .unwrap_or(after);
        let to = find(data, b"endstream").ok_or_else(|| incomplete("a part of it is missing"))?;
        let (data, next) = data.split_at(to);
        total = total.saturating_add(unpacked(dictionary, data, max)?);
        if total > max {
            return Err(too_large("it unpacks to far more than a report holds"));
        }
        rest = next.get(9..).unwrap_or_default();
    }
    Ok(())
}

/// How much a stream comes to.
fn unpacked(dictionary: &[u8], data: &[u8], max: u64) -> Result<u64, Failure> {
    let has = |name: &[u8]| find(dictionary, name).is_some();
    if has(b"/LZWDecode") {
        return Err(no_report(
            "it is packed in an old way: print it with another PDF printer",
        ));
    }
    if !has(b"/FlateDecode") && !has(b"/Fl ") {
        return Ok(data.len() as u64);
    }
    let plain;
    let data = if has(b"/ASCII85Decode") || has(b"/A85 ") {
        plain = ascii85(data);
        plain.as_slice()
    } else {
        data
    };
    let twice = dictionary
        .windows(12)
        .filter(|window| *window == b"/FlateDecode")
        .count()
        > 1;
    if twice {
        return Err(no_report(
            "it is packed twice: print it with another PDF printer",
        ));
    }
    let mut content = Count::new(false);
    // Encrypted ones do not unpack; whoever opens them says so.
    content.take(flate2::read::ZlibDecoder::new(data), max);
    Ok(content.size)
}

/// Bytes out of their printable form. What does not belong there is left out.
fn ascii85(data: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(data.len() / 5 * 4);
    let mut group = Vec::with_capacity(5);
    let mut put = |group: &mut Vec<u8>| {
        let missing = 5 - group.len().min(5);
        group.resize(5, 84);
        let word = group.iter().fold(0_u32, |word, digit| {
            word.wrapping_mul(85).wrapping_add(u32::from(*digit))
        });
        plain.extend(word.to_be_bytes().iter().take(4 - missing.min(4)));
        group.clear();
    };
    for byte in data.iter().take_while(|byte| **byte != b'~') {
        match byte {
            b'z' if group.is_empty() => {
                group.resize(5, 0);
                put(&mut group);
            }
            b'!'..=b'u' => {
                group.push(byte - b'!');
                if group.len() == 5 {
                    put(&mut group);
                }
            }
            _ => {}
        }
    }
    if group.len() > 1 {
        put(&mut group);
    }
    plain
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn find_last(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Class;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&kind.to_le_bytes(), &length.to_le_bytes(), data].concat()
    }

    /// A workbook of one sheet with cells at these rows and columns.
    fn book(cells: &[(u16, u16)]) -> Vec<u8> {
        let mut stream = [
            record(0x0809, &[0; 16]),
            record(0x0085, &[0; 8]),
            record(0x000a, &[]),
        ]
        .concat();
        stream.extend(record(0x0809, &[0; 16]));
        for (row, column) in cells {
            let place = [row.to_le_bytes(), column.to_le_bytes()].concat();
            stream.extend(record(0x0203, &[place, vec![0; 10]].concat()));
        }
        stream.extend(record(0x000a, &[]));
        stream
    }

    #[test]
    fn an_old_sheet_that_does_not_end_is_not_whole() {
        let whole = book(&[(0, 0), (26, 13)]);
        assert!(workbook(&whole).is_ok());
        let cut = whole.get(..whole.len() - 4).unwrap();
        assert_eq!(workbook(cut).unwrap_err().class, Class::Incomplete);
    }

    #[test]
    fn an_old_sheet_of_two_cells_far_apart_is_refused() {
        let why = workbook(&book(&[(0, 0), (65535, 255)])).unwrap_err();
        assert_eq!(why.class, Class::TooLarge);
    }

    #[test]
    fn printable_bytes_are_bytes_again() {
        assert_eq!(ascii85(b"87cURD]i,\"Ebo80~>"), b"Hello World!");
        assert_eq!(ascii85(b"z~>"), [0; 4]);
    }
}
