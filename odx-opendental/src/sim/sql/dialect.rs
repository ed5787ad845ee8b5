//! From MySQL 5.5 to SQLite: what is refused, what is spelled anew.

use super::tokens::{Kind, Token, arguments, closing, outside};

/// What the screen in front of the database says.
#[derive(Debug, PartialEq)]
pub(crate) enum Screened {
    /// Not read-only: 401.
    Forbidden(&'static str),
    /// The database does not understand it, or the simulator does not: 400.
    Wrong(String),
}

fn wrong(text: impl Into<String>) -> Screened {
    Screened::Wrong(text.into())
}

// apiqueries: only reading statements and temporary tables pass; one statement here
pub(crate) fn screen(mut tokens: Vec<Token>) -> Result<Vec<Token>, Screened> {
    while tokens.last().is_some_and(|token| token.is_mark(";")) {
        tokens.pop();
    }
    if tokens.iter().any(|token| token.is_mark(";")) {
        return Err(Screened::Forbidden("Only one statement is allowed"));
    }
    let start = tokens.iter().find(|token| !token.is_mark("("));
    let Some(start) = start else {
        return Err(wrong("Query was empty"));
    };
    if start.is_one_of(&["SHOW", "DESCRIBE", "DESC", "EXPLAIN"]) {
        return Err(wrong("This statement is not simulated"));
    }
    // MySQL 5.5 has no CTEs.
    if start.is("WITH") {
        return Err(syntax("WITH"));
    }
    if !start.is("SELECT") {
        return Err(Screened::Forbidden("Only read-only queries are allowed"));
    }
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|n| tokens.get(n));
        let after_for = before.is_some_and(|one| one.is("FOR"));
        if token.is("INTO") || (token.is("UPDATE") && after_for) || token.is("LOCK") {
            return Err(Screened::Forbidden("Only read-only queries are allowed"));
        }
    }
    understood(&tokens)?;
    Ok(tokens)
}

fn syntax(near: &str) -> Screened {
    wrong(format!(
        "You have an error in your SQL syntax; check the manual that corresponds to your MySQL \
         server version for the right syntax to use near '{near}'"
    ))
}

/// Functions and words that SQLite has and MySQL 5.5 has not.
const FOREIGN_CALLS: [&str; 18] = [
    "OVER",
    "FILTER",
    "STRFTIME",
    "DATETIME",
    "JULIANDAY",
    "UNIXEPOCH",
    "TYPEOF",
    "PRINTF",
    "IIF",
    "RANDOM",
    "TOTAL",
    "STRING_AGG",
    "UNICODE",
    "ROW_NUMBER",
    "RANK",
    "LAG",
    "LEAD",
    "CHANGES",
];
const FOREIGN_WORDS: [&str; 7] = [
    "EXCEPT",
    "INTERSECT",
    "GLOB",
    "RETURNING",
    "MATERIALIZED",
    "NULLS",
    "ROWID",
];
const CAST_TYPES: [&str; 7] = [
    "CHAR", "SIGNED", "UNSIGNED", "DATE", "DATETIME", "DECIMAL", "BINARY",
];

fn understood(tokens: &[Token]) -> Result<(), Screened> {
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let called = next.is_some_and(|one| one.is_mark("("));
        match &token.kind {
            // Two bars mean "or" there.
            Kind::Mark(mark) if mark == "||" || mark == "==" || mark == "&&" => {
                return Err(syntax(mark));
            }
            Kind::Word(word) => {
                let lower = word.to_ascii_lowercase();
                let inside = lower.starts_with("sqlite_") || lower.starts_with("pragma_");
                let place = matches!(lower.as_str(), "main" | "temp");
                if inside || (place && next.is_some_and(|one| one.is_mark("."))) {
                    return Err(wrong(format!("Table '{lower}' doesn't exist")));
                }
                if lower.starts_with("json_")
                    || (called && token.is_one_of(&FOREIGN_CALLS))
                    || token.is_one_of(&FOREIGN_WORDS)
                {
                    return Err(syntax(word));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The same statement in SQLite's spelling.
pub(crate) fn translate(tokens: &[Token]) -> Result<Vec<Token>, Screened> {
    let unions = outside(tokens, |token| token.is("UNION"));
    if unions.is_empty() {
        spelled(&from_parentheses(tokens, true))
    } else {
        spelled(tokens)
    }
}

/// A select of a union may stand in parentheses there, and must not here: what it gives is
/// selected once more. `alone` when the whole is one such select.
fn from_parentheses(tokens: &[Token], alone: bool) -> Vec<Token> {
    let unions = outside(tokens, |token| token.is("UNION"));
    let mut out = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let after_union = unions.iter().any(|union| {
            let all = tokens.get(union + 1).is_some_and(|next| next.is("ALL"));
            at == union + 1 + usize::from(all)
        });
        let first = at == 0 && (alone || !unions.is_empty());
        let selects = tokens.get(at + 1).is_some_and(|next| next.is("SELECT"));
        if token.is_mark("(") && selects && (after_union || first) {
            for word in ["SELECT", "*", "FROM"] {
                out.push(Token {
                    spaced: true,
                    ..Token::word(word)
                });
            }
        }
        out.push(token.clone());
    }
    out
}

fn spelled(tokens: &[Token]) -> Result<Vec<Token>, Screened> {
    let tokens = &from_parentheses(tokens, false);
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let opens = tokens.get(at + 1).is_some_and(|one| one.is_mark("("));
        let close = opens.then(|| closing(tokens, at + 1)).flatten();
        let inside = close.and_then(|close| tokens.get(at + 2..close));
        let Some(inside) = inside else {
            out.push(moment(token));
            if !opens && token.is_one_of(&MOMENTS) {
                out.extend([Token::mark("("), Token::mark(")")]);
            }
            at += 1;
            continue;
        };
        let mut call = vec![token.clone()];
        let inner = spelled(inside)?;
        if token.is("CAST") {
            call = cast(token, inner)?;
        } else if token.is("TIMESTAMPDIFF") {
            call.push(Token::mark("("));
            call.extend(unit_as_text(inner)?);
            call.push(Token::mark(")"));
        } else if token.is("GROUP_CONCAT") {
            call.push(Token::mark("("));
            call.extend(group_concat(inner)?);
            call.push(Token::mark(")"));
        } else {
            call = vec![moment(token)];
            call.extend(tokens.get(at + 1).cloned());
            call.extend(inner);
            call.push(Token::mark(")"));
        }
        out.extend(call);
        at += inside.len() + 3;
    }
    Ok(out)
}

/// Words for the moment that need no parentheses, and would ask SQLite's own clock.
pub(crate) const MOMENTS: [&str; 4] = [
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "CURRENT_DATE",
];

fn moment(token: &Token) -> Token {
    let spelled = if token.is("CURRENT_DATE") {
        "curdate"
    } else if token.is_one_of(&MOMENTS) {
        "now"
    } else {
        return token.clone();
    };
    Token {
        spaced: token.spaced,
        ..Token::word(spelled)
    }
}

/// `CAST(x AS SIGNED)`: types are spelled differently, dates are functions.
fn cast(token: &Token, inner: Vec<Token>) -> Result<Vec<Token>, Screened> {
    let split = outside(&inner, |one| one.is("AS"));
    let Some(&at) = split.last() else {
        return Err(syntax("CAST"));
    };
    let (what, kind) = inner.split_at(at);
    let Some(kind) = kind.get(1).filter(|kind| kind.is_one_of(&CAST_TYPES)) else {
        return Err(syntax("CAST"));
    };
    let spelled = |name: &str| Token {
        spaced: token.spaced,
        ..Token::word(name)
    };
    let wrapped = |function: &str| {
        let mut call = vec![spelled(function), Token::mark("(")];
        call.extend(what.iter().cloned());
        call.push(Token::mark(")"));
        call
    };
    if kind.is("DATE") {
        return Ok(wrapped("date"));
    }
    if kind.is("DATETIME") {
        return Ok(wrapped("timestamp"));
    }
    let sqlite = match kind.name().as_deref() {
        Some("signed" | "unsigned") => "INTEGER",
        Some("decimal") => "REAL",
        _ => "TEXT",
    };
    let mut call = wrapped("CAST");
    call.pop();
    for word in ["AS", sqlite] {
        call.push(Token {
            spaced: true,
            ..Token::word(word)
        });
    }
    call.push(Token::mark(")"));
    Ok(call)
}

/// `TIMESTAMPDIFF(DAY, a, b)`: the unit is a bare word.
fn unit_as_text(inner: Vec<Token>) -> Result<Vec<Token>, Screened> {
    let mut rest = inner.into_iter();
    let unit = rest.next().and_then(|unit| unit.name());
    let unit = unit.ok_or_else(|| syntax("TIMESTAMPDIFF"))?;
    Ok(std::iter::once(Token::text(&unit)).chain(rest).collect())
}

/// `GROUP_CONCAT([DISTINCT] a, b [ORDER BY c] [SEPARATOR ';'])`: several values are run together,
/// the separator is the second argument here and comes before the order.
fn group_concat(mut inner: Vec<Token>) -> Result<Vec<Token>, Screened> {
    let mut separator = None;
    if let Some(&at) = outside(&inner, |one| one.is("SEPARATOR")).last() {
        let tail = inner.split_off(at);
        match tail.as_slice() {
            [_, text] if matches!(text.kind, Kind::Text(_)) => separator = Some(text.clone()),
            _ => return Err(syntax("SEPARATOR")),
        }
    }
    let order = outside(&inner, |one| one.is("ORDER"));
    let order = order.last().map(|&at| inner.split_off(at));
    let mut call = Vec::new();
    if inner.first().is_some_and(|one| one.is("DISTINCT")) {
        call.push(inner.remove(0));
    }
    let several = arguments(&inner).len() > 1;
    if several {
        call.extend([Token::word(" concat"), Token::mark("(")]);
    }
    if let Some(first) = inner.first_mut() {
        first.spaced = true;
    }
    call.extend(inner);
    if several {
        call.push(Token::mark(")"));
    }
    if let Some(text) = separator {
        call.extend([Token::mark(","), text]);
    }
    call.extend(order.into_iter().flatten());
    Ok(call)
}
