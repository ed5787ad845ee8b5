use fastrand::Rng;

/// Broken copies of good inputs: the same from the same seed, on every machine.
///
/// ```
/// use odx_core::testkit::Mutants;
/// let mutants = Mutants::new(7, vec![b"6m1d".to_vec()], &["y", "m"]);
/// for bytes in mutants.take(100) {
///     let _ = String::from_utf8_lossy(&bytes).parse::<odx_core::model::Interval>();
/// }
/// ```
#[derive(Debug)]
pub struct Mutants {
    rng: Rng,
    corpus: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

/// What breaks parsers of any kind.
const ODD: &[&[u8]] = &[
    b"",
    b"\0",
    b"\n",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"0.1",
    b"9223372036854775807",
    b"18446744073709551616",
    b"0001-01-01",
    b"9999-12-31",
    b"2024-02-30",
    b"24:60:61",
    b"\xff",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "\u{0301}".as_bytes(),
    "\u{1d7d9}".as_bytes(),
    "\u{1f600}".as_bytes(),
];

/// No mutant is longer.
const LONGEST: usize = 64 * 1024;

impl Mutants {
    /// Mutants of these inputs. `words` are what the parser knows.
    pub fn new(seed: u64, corpus: Vec<Vec<u8>>, words: &[&str]) -> Self {
        let words = words.iter().map(|word| word.as_bytes().to_vec());
        Self {
            rng: Rng::with_seed(seed),
            corpus,
            words: ODD.iter().map(|odd| odd.to_vec()).chain(words).collect(),
        }
    }

    /// Mutants of every file of a folder, smallest name first, so that the
    /// order of the disk does not matter.
    ///
    /// # Errors
    /// If the folder cannot be read or holds nothing.
    pub fn of_folder(
        seed: u64,
        folder: impl AsRef<std::path::Path>,
        words: &[&str],
    ) -> std::io::Result<Self> {
        let mut files = std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        files.sort();
        let corpus = files
            .iter()
            .map(std::fs::read)
            .collect::<Result<Vec<_>, _>>()?;
        if corpus.is_empty() {
            return Err(std::io::Error::other("an empty corpus"));
        }
        Ok(Self::new(seed, corpus, words))
    }

    /// Gives a parser ten thousand mutants of a folder's files, the same ones
    /// each time.
    ///
    /// # Errors
    /// As [`of_folder`](Self::of_folder).
    pub fn feed(
        folder: impl AsRef<std::path::Path>,
        words: &[&str],
        mut parse: impl FnMut(&[u8]),
    ) -> std::io::Result<()> {
        Self::of_folder(18, folder, words)?
            .take(10_000)
            .for_each(|mutant| parse(&mutant));
        Ok(())
    }

    fn pick(&mut self) -> Vec<u8> {
        let place = self.rng.usize(..self.corpus.len().max(1));
        self.corpus.get(place).cloned().unwrap_or_default()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.rng.usize(..=bytes.len());
        let until = (at + self.rng.usize(..=16)).min(bytes.len());
        match self.rng.u8(..8) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.rng.u8(..8);
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = self.rng.u8(..);
                }
            }
            2 => drop(bytes.drain(at..until)),
            3 => bytes.truncate(at),
            4 => {
                let copy: Vec<u8> = bytes.drain(at..until).collect();
                for _ in 0..=self.rng.usize(..4) {
                    bytes.splice(at..at, copy.iter().copied());
                }
            }
            5 => {
                let other = self.pick();
                let from = self.rng.usize(..=other.len());
                bytes.truncate(at);
                bytes.extend(other.get(from..).unwrap_or_default());
            }
            _ => {
                let word = self.rng.usize(..self.words.len());
                let word = self.words.get(word).cloned().unwrap_or_default();
                bytes.splice(at..until, word);
            }
        }
        bytes.truncate(LONGEST);
    }
}

impl Iterator for Mutants {
    type Item = Vec<u8>;

    /// Never ends.
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.pick();
        for _ in 0..=self.rng.usize(..6) {
            self.change(&mut bytes);
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_breaks_things_in_the_same_way() {
        let of = |seed| {
            Mutants::new(seed, vec![b"[{\"a\": 1}]".to_vec(), b"x".to_vec()], &["y"])
                .take(500)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(of(1).iter().any(|mutant| mutant.len() > 12));
    }
}
