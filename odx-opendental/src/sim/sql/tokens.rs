//! A statement in pieces: enough of MySQL's lexical rules to screen and translate it.

/// One piece of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// A blank or comment stood before it.
    pub(crate) spaced: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Word(String),
    /// In back-ticks.
    Name(String),
    /// A text literal, decoded.
    Text(String),
    Number(String),
    Mark(String),
}

/// Why a statement cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) String);

impl Token {
    pub(crate) fn mark(text: &str) -> Self {
        Self::of(Kind::Mark(text.to_owned()))
    }

    pub(crate) fn word(text: &str) -> Self {
        Self::of(Kind::Word(text.to_owned()))
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::of(Kind::Text(text.to_owned()))
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            spaced: false,
        }
    }

    /// This word, whatever its case.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(text) if text.eq_ignore_ascii_case(word))
    }

    pub(crate) fn is_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    pub(crate) fn is_mark(&self, mark: &str) -> bool {
        matches!(&self.kind, Kind::Mark(text) if text == mark)
    }

    /// A word or quoted name, in lower case.
    pub(crate) fn name(&self) -> Option<String> {
        match &self.kind {
            Kind::Word(text) | Kind::Name(text) => Some(text.to_ascii_lowercase()),
            _ => None,
        }
    }
}

const TWO_LETTERS: [&str; 9] = ["<=", ">=", "<>", "!=", "||", "&&", "==", "<<", ">>"];

pub(crate) fn read(sql: &str) -> Result<Vec<Token>, Unreadable> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    let mut spaced = false;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
            spaced = true;
            continue;
        }
        if let Some(after) = comment(rest) {
            rest = after;
            spaced = true;
            continue;
        }
        let (kind, after) = piece(rest, first)?;
        tokens.push(Token { kind, spaced });
        spaced = false;
        rest = after;
    }
    Ok(tokens)
}

/// What follows the comment that begins here.
fn comment(rest: &str) -> Option<&str> {
    let line = |text: &'static str| -> Option<&str> {
        let inside = rest.strip_prefix(text)?;
        Some(inside.find('\n').map_or("", |end| inside.split_at(end).1))
    };
    if let Some(inside) = rest.strip_prefix("/*") {
        return Some(inside.find("*/").map_or("", |end| {
            inside
                .split_at(end)
                .1
                .strip_prefix("*/")
                .unwrap_or_default()
        }));
    }
    line("#").or_else(|| line("-- ")).or_else(|| line("--\n"))
}

fn piece(rest: &str, first: char) -> Result<(Kind, &str), Unreadable> {
    match first {
        '\'' | '"' => quoted(rest, first),
        '`' => {
            let inside = rest.strip_prefix('`').unwrap_or_default();
            let (name, after) = inside
                .split_once('`')
                .ok_or_else(|| Unreadable("a back-tick is not closed".to_owned()))?;
            Ok((Kind::Name(name.to_owned()), after))
        }
        _ if first.is_ascii_digit() => {
            let (number, after) = run(rest, |c| c.is_ascii_alphanumeric() || c == '.');
            Ok((Kind::Number(number.to_owned()), after))
        }
        _ if first.is_alphabetic() || first == '_' => {
            let (word, after) = run(rest, |c| c.is_alphanumeric() || c == '_');
            Ok((Kind::Word(word.to_owned()), after))
        }
        _ => {
            let two = TWO_LETTERS.iter().find_map(|mark| {
                let after = rest.strip_prefix(mark)?;
                Some((Kind::Mark((*mark).to_owned()), after))
            });
            let one = || {
                let known = "(),.*+-/%=<>;!&|^~".contains(first);
                let after = rest.strip_prefix(first)?;
                known.then(|| (Kind::Mark(first.to_string()), after))
            };
            two.or_else(one)
                .ok_or_else(|| Unreadable(format!("unexpected {first}")))
        }
    }
}

fn run(rest: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    rest.split_at(end)
}

/// A text literal: a doubled quote stands for itself, a backslash escapes.
fn quoted(rest: &str, quote: char) -> Result<(Kind, &str), Unreadable> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            match letters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, 't')) => text.push('\t'),
                // apiqueries: no null-byte escapes, use CHAR(0)
                Some((_, '0')) => return Err(Unreadable("null bytes are not allowed".to_owned())),
                Some((_, other)) => text.push(other),
                None => break,
            }
        } else if letter != quote {
            text.push(letter);
        } else if letters.peek().is_some_and(|(_, next)| *next == quote) {
            text.push(quote);
            letters.next();
        } else {
            let (_, after) = rest.split_at(at + quote.len_utf8());
            return Ok((Kind::Text(text), after));
        }
    }
    Err(Unreadable("a text is not closed".to_owned()))
}

/// The statement as SQLite reads it.
pub(crate) fn write(tokens: &[Token]) -> String {
    let mut sql = String::new();
    for token in tokens {
        if token.spaced {
            sql.push(' ');
        }
        match &token.kind {
            Kind::Word(text) | Kind::Number(text) | Kind::Mark(text) => sql.push_str(text),
            Kind::Name(text) => {
                sql.push('"');
                sql.push_str(&text.replace('"', "\"\""));
                sql.push('"');
            }
            Kind::Text(text) => {
                sql.push('\'');
                sql.push_str(&text.replace('\'', "''"));
                sql.push('\'');
            }
        }
    }
    sql
}

/// Where the parenthesis that opens at `open` closes.
pub(crate) fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is_mark("(") {
            depth += 1;
        } else if token.is_mark(")") {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// Positions, outside every parenthesis, of tokens that `wanted` picks.
pub(crate) fn outside(tokens: &[Token], wanted: impl Fn(&Token) -> bool) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.is_mark("(") {
            depth += 1;
        } else if token.is_mark(")") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && wanted(token) {
            found.push(at);
        }
    }
    found
}

/// Parts between these positions, which are left out.
pub(crate) fn split<'a>(tokens: &'a [Token], at: &[usize]) -> Vec<&'a [Token]> {
    let starts = std::iter::once(0).chain(at.iter().map(|n| n + 1));
    let ends = at.iter().copied().chain([tokens.len()]);
    starts
        .zip(ends)
        .map(|(start, end)| tokens.get(start..end).unwrap_or_default())
        .collect()
}

/// The same, between commas outside every parenthesis.
pub(crate) fn arguments(tokens: &[Token]) -> Vec<&[Token]> {
    split(tokens, &outside(tokens, |token| token.is_mark(",")))
}
