//! Which columns of an answer hold a date: MySQL knows by type, SQLite keeps text.
//!
//! A date is a date column, the earliest or latest of one, or a choice between such; what was
//! put together by `CONCAT`, `GROUP_CONCAT` or `DATE_FORMAT` is text, whatever it looks like.

use std::collections::HashMap;

use super::dialect::MOMENTS;
use super::tokens::{Kind, Token, arguments, closing, outside, split};
use super::views::is_date_column;

/// How far an alias is followed.
const DEPTH: usize = 6;

/// One entry of a select list.
struct Item<'a> {
    value: &'a [Token],
    alias: Option<String>,
}

/// For each column of the answer, whether it holds dates.
pub(crate) fn of(tokens: &[Token], names: &[String]) -> Vec<bool> {
    let mut aliases = Aliases::new();
    collect(tokens, &mut aliases);
    let arms: Vec<Vec<Item<'_>>> = arms(tokens).into_iter().map(items).collect();
    let by_place = arms.iter().all(|arm| arm.len() == names.len());
    let column = |(at, name): (usize, &String)| {
        if !by_place {
            return named(&name.to_ascii_lowercase(), &aliases, DEPTH);
        }
        let values: Vec<&[Token]> = arms
            .iter()
            .filter_map(|arm| arm.get(at))
            .map(|item| item.value)
            .collect();
        choice(&values, &aliases, DEPTH)
    };
    names.iter().enumerate().map(column).collect()
}

type Aliases<'a> = HashMap<String, Vec<&'a [Token]>>;

/// Every alias of the statement, those of inner selects too.
fn collect<'a>(tokens: &'a [Token], aliases: &mut Aliases<'a>) {
    for arm in arms(tokens) {
        for item in items(arm) {
            if let Some(alias) = item.alias {
                aliases.entry(alias).or_default().push(item.value);
            }
        }
    }
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let close = token.is_mark("(").then(|| closing(tokens, at)).flatten();
        let Some(close) = close else {
            at += 1;
            continue;
        };
        collect(tokens.get(at + 1..close).unwrap_or_default(), aliases);
        at = close + 1;
    }
}

/// The selects of a union.
fn arms(tokens: &[Token]) -> Vec<&[Token]> {
    let tokens = unwrapped(tokens);
    let unions = outside(tokens, |token| token.is("UNION"));
    let arms = split(tokens, &unions).into_iter();
    arms.map(|arm| {
        let arm = match arm.split_first() {
            Some((first, rest)) if first.is("ALL") => rest,
            _ => arm,
        };
        unwrapped(arm)
    })
    .collect()
}

/// Without the parentheses around the whole.
fn unwrapped(mut tokens: &[Token]) -> &[Token] {
    while let Some((first, _)) = tokens.split_first() {
        if !first.is_mark("(") || closing(tokens, 0) != tokens.len().checked_sub(1) {
            break;
        }
        tokens = tokens.get(1..tokens.len() - 1).unwrap_or_default();
    }
    tokens
}

fn items(select: &[Token]) -> Vec<Item<'_>> {
    let Some((first, rest)) = select.split_first() else {
        return Vec::new();
    };
    if !first.is("SELECT") {
        return Vec::new();
    }
    let ends = outside(rest, |token| {
        token.is_one_of(&["FROM", "WHERE", "LIMIT", "ORDER", "GROUP", "HAVING"])
    });
    let end = ends.first().copied().unwrap_or(rest.len());
    let list = rest.get(..end).unwrap_or_default();
    let list = match list.split_first() {
        Some((first, after)) if first.is_one_of(&["DISTINCT", "ALL"]) => after,
        _ => list,
    };
    arguments(list).into_iter().map(item).collect()
}

fn item(tokens: &[Token]) -> Item<'_> {
    let plain = Item {
        value: tokens,
        alias: None,
    };
    let Some((last, before)) = tokens.split_last() else {
        return plain;
    };
    let Some((previous, value)) = before.split_last() else {
        return plain;
    };
    let Some(alias) = last.name() else {
        return plain;
    };
    if previous.is("AS") {
        return Item {
            value,
            alias: Some(alias),
        };
    }
    let ends_value = match &previous.kind {
        Kind::Mark(mark) => mark == ")",
        _ => true,
    };
    if ends_value && !last.is("END") {
        return Item {
            value: before,
            alias: Some(alias),
        };
    }
    plain
}

fn is_null(tokens: &[Token]) -> bool {
    matches!(tokens, [one] if one.is("NULL"))
}

/// One of these: all dates, empty ones aside.
fn choice(values: &[&[Token]], aliases: &Aliases<'_>, depth: usize) -> bool {
    let mut some = false;
    for value in values {
        if is_null(value) {
            continue;
        }
        if !is_date(value, aliases, depth) {
            return false;
        }
        some = true;
    }
    some
}

fn named(name: &str, aliases: &Aliases<'_>, depth: usize) -> bool {
    match aliases.get(name) {
        Some(values) if depth > 0 => choice(values, aliases, depth - 1),
        _ => is_date_column(name),
    }
}

fn is_date(tokens: &[Token], aliases: &Aliases<'_>, depth: usize) -> bool {
    let Some(deeper) = depth.checked_sub(1) else {
        return tokens
            .last()
            .and_then(Token::name)
            .is_some_and(|name| is_date_column(&name));
    };
    let tokens = unwrapped(tokens);
    match tokens {
        [] => false,
        [first, ..] if first.is("SELECT") => {
            let first: Vec<&[Token]> = arms(tokens)
                .into_iter()
                .filter_map(|arm| items(arm).into_iter().next())
                .map(|item| item.value)
                .collect();
            choice(&first, aliases, deeper)
        }
        [one] if one.is_one_of(&MOMENTS) => true,
        [one] => one.name().is_some_and(|name| named(&name, aliases, deeper)),
        [_, dot, column] if dot.is_mark(".") => column
            .name()
            .is_some_and(|name| named(&name, aliases, deeper)),
        [first, .., last] if first.is("CASE") && last.is("END") => {
            choice(&branches(tokens), aliases, deeper)
        }
        [function, open, ..] if open.is_mark("(") => {
            if closing(tokens, 1) != tokens.len().checked_sub(1) {
                return false;
            }
            let inside = tokens.get(2..tokens.len() - 1).unwrap_or_default();
            let values = arguments(inside);
            if function.is_one_of(&["NOW", "CURDATE", "SYSDATE", "UTC_TIMESTAMP", "UTC_DATE"])
                || function.is_one_of(&["DATE", "TIMESTAMP"])
            {
                return true;
            }
            if function.is_one_of(&["MIN", "MAX", "NULLIF"]) {
                return choice(values.get(..1).unwrap_or_default(), aliases, deeper);
            }
            if function.is_one_of(&["IFNULL", "COALESCE", "GREATEST", "LEAST"]) {
                return choice(&values, aliases, deeper);
            }
            function.is("IF") && choice(values.get(1..).unwrap_or_default(), aliases, deeper)
        }
        _ => false,
    }
}

/// What a `CASE` can come to.
fn branches(case: &[Token]) -> Vec<&[Token]> {
    let marks = outside(case, |token| {
        token.is_one_of(&["WHEN", "THEN", "ELSE", "END"])
    });
    marks
        .iter()
        .zip(marks.iter().skip(1))
        .filter(|(from, _)| {
            case.get(**from)
                .is_some_and(|token| token.is_one_of(&["THEN", "ELSE"]))
        })
        .filter_map(|(from, to)| case.get(from + 1..*to))
        .collect()
}

/// A stored date or moment as a query prints it; `None` when the text is neither.
// apiqueries: dates as ISO `2021-05-01T00:00:00`
pub(crate) fn iso(text: &str) -> Option<String> {
    let shape = |pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| {
                if wanted == b'0' {
                    byte.is_ascii_digit()
                } else {
                    byte == wanted
                }
            })
    };
    if shape("0000-00-00") {
        return Some(format!("{text}T00:00:00"));
    }
    shape("0000-00-00 00:00:00").then(|| text.replace(' ', "T"))
}

#[cfg(test)]
mod tests {
    use super::super::tokens::read;
    use super::*;

    fn columns(sql: &str, names: &[&str]) -> Vec<bool> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        of(&read(sql).unwrap(), &names)
    }

    #[test]
    fn a_date_is_known_by_where_it_comes_from_and_not_by_its_looks() {
        for (value, date) in [
            ("DateDue", true),
            ("r.DateTStamp", true),
            ("MIN(r.DateDue)", true),
            ("(SELECT MAX(a.AptDateTime) FROM appointment a)", true),
            ("IF(IsDisabled=1,NULL,DateDue)", true),
            ("CASE WHEN x=1 THEN DateDue ELSE DatePrevious END", true),
            ("NOW()", true),
            ("DATE(AptDateTime)", true),
            ("IFNULL(DateDue,'')", false),
            ("CONCAT(DateDue)", false),
            ("GROUP_CONCAT(DateDue)", false),
            ("MAX(CONCAT(AptDateTime,'|',AptNum))", false),
            ("DATE_FORMAT(DateDue,'%Y-%m-%d')", false),
            ("CAST(DateDue AS CHAR)", false),
            ("'2026-01-01'", false),
            ("RecallNum", false),
        ] {
            for written in [
                value.to_owned(),
                format!("{value} AS v"),
                format!("{value} v"),
            ] {
                let sql = format!("SELECT PatNum, {written} FROM recall r");
                assert_eq!(columns(&sql, &["PatNum", "v"]), [false, date], "{sql}");
            }
        }
    }

    #[test]
    fn a_derived_column_is_what_it_is_derived_from() {
        let sql = "SELECT p.PatNum, x.first, x.packed FROM patient p LEFT JOIN (SELECT PatNum, \
                   MIN(DateDue) AS first, GROUP_CONCAT(DateDue) packed FROM recall \
                   GROUP BY PatNum) x ON x.PatNum = p.PatNum";
        let names = ["PatNum", "first", "packed"];
        assert_eq!(columns(sql, &names), [false, true, false]);
    }

    #[test]
    fn a_union_is_a_date_when_every_part_is() {
        let union = |second: &str| {
            let sql = format!("SELECT 1, DateDue d FROM recall UNION ALL SELECT 2, {second}");
            columns(&sql, &["1", "d"])[1]
        };
        assert!(union("AptDateTime FROM appointment"));
        assert!(union("NULL"));
        assert!(!union("Note FROM appointment"));
        assert_eq!(
            columns("SELECT * FROM recall", &["RecallNum", "DateDue"]),
            [false, true]
        );
    }

    #[test]
    fn only_whole_dates_are_printed_as_such() {
        assert_eq!(iso("2026-05-01").as_deref(), Some("2026-05-01T00:00:00"));
        assert_eq!(
            iso("0001-01-01 00:00:00").as_deref(),
            Some("0001-01-01T00:00:00")
        );
        assert_eq!(iso("2026-05-01 "), None);
        assert_eq!(iso(""), None);
    }
}
