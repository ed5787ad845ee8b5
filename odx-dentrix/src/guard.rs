//! Configured SQL may only read. Texts are taken apart, and what is not known to
//! read is refused: a driver's own switch is not enough, and a procedure, or a
//! function in a SELECT, can write.

#![allow(
    clippy::result_large_err,
    reason = "a failure ends a whole job: it is made once"
)]

use crate::table::Table;
use crate::wire::{Class, Failure};

/// A text that only reads, so far as its words tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// What to send.
    pub sql: String,
    /// How many values it takes.
    pub markers: usize,
}

/// Accepts a single SELECT or WITH, or a call to one of these procedures. The
/// procedures are compared in lower case, with their owner.
///
/// # Errors
/// [`Class::Guard`], with the setting and what to write instead.
pub fn check(table: Table, sql: &str, allowed_calls: &[String]) -> Result<Checked, Failure> {
    read_only(sql, allowed_calls).map_err(|why| {
        let name = table.name();
        Failure::new(Class::Guard, format!("odbc.sql.{name} is not sent: {why}"))
    })
}

/// Words that change something wherever they stand. A column of such a name can
/// be written in double quotes.
const FORBIDDEN: &[&str] = &[
    "alter", "begin", "call", "commit", "create", "delete", "drop", "exec", "execute", "grant",
    "insert", "into", "lock", "merge", "nextval", "outfile", "revoke", "rollback", "set",
    "truncate", "update", "waitfor",
];

/// Words that may stand before a parenthesis without being a function.
const WORDS: &[&str] = &[
    "all",
    "and",
    "any",
    "as",
    "between",
    "by",
    "case",
    "distinct",
    "else",
    "except",
    "exists",
    "filter",
    "from",
    "having",
    "in",
    "intersect",
    "join",
    "like",
    "materialized",
    "not",
    "on",
    "or",
    "over",
    "select",
    "some",
    "then",
    "top",
    "union",
    "using",
    "values",
    "when",
    "where",
];

/// Types that take a length, and functions that only look at what they are given.
const PURE: &[&str] = &[
    "abs",
    "ascii",
    "avg",
    "bigint",
    "binary",
    "btrim",
    "cast",
    "ceil",
    "ceiling",
    "char",
    "char_length",
    "character",
    "character_length",
    "charindex",
    "coalesce",
    "concat",
    "concat_ws",
    "convert",
    "count",
    "curdate",
    "current_date",
    "current_time",
    "current_timestamp",
    "curtime",
    "date",
    "date_add",
    "date_format",
    "date_sub",
    "date_trunc",
    "dateadd",
    "datediff",
    "datepart",
    "datetime",
    "day",
    "dayofmonth",
    "dayofweek",
    "dayofyear",
    "decimal",
    "decode",
    "dense_rank",
    "extract",
    "first_value",
    "float",
    "floor",
    "getdate",
    "greatest",
    "hour",
    "ifnull",
    "iif",
    "instr",
    "isnull",
    "lag",
    "last_value",
    "lcase",
    "lead",
    "least",
    "left",
    "len",
    "length",
    "locate",
    "lower",
    "lpad",
    "ltrim",
    "max",
    "min",
    "minute",
    "mod",
    "month",
    "nchar",
    "now",
    "nullif",
    "numeric",
    "nvarchar",
    "nvl",
    "octet_length",
    "position",
    "power",
    "quarter",
    "rank",
    "replace",
    "right",
    "round",
    "row_number",
    "rpad",
    "rtrim",
    "second",
    "sign",
    "str_to_date",
    "strftime",
    "substr",
    "substring",
    "sum",
    "sysdate",
    "systime",
    "systimestamp",
    "time",
    "timestamp",
    "timestampadd",
    "timestampdiff",
    "to_char",
    "to_date",
    "to_number",
    "to_timestamp",
    "trim",
    "ucase",
    "upper",
    "varchar",
    "week",
    "year",
];

fn read_only(sql: &str, allowed_calls: &[String]) -> Result<Checked, String> {
    let mut tokens = tokens(sql)?;
    if tokens.last() == Some(&Token::Symbol(';')) {
        tokens.pop();
    }
    if tokens.contains(&Token::Symbol(';')) {
        return Err("it holds more than one statement: leave one, without a semicolon".into());
    }
    balanced(&tokens)?;
    let markers = tokens
        .iter()
        .filter(|token| **token == Token::Symbol('?'))
        .count();
    let sent = |markers| Checked {
        sql: sql.trim().to_owned(),
        markers,
    };
    match tokens.as_slice() {
        [Token::Word(first), ..] if first == "select" || first == "with" => {
            reads(&tokens, allowed_calls)?;
            Ok(sent(markers))
        }
        [Token::Word(first), rest @ ..] if first == "call" => {
            calls(rest, allowed_calls)?;
            Ok(sent(markers))
        }
        [
            Token::Symbol('{'),
            Token::Word(first),
            rest @ ..,
            Token::Symbol('}'),
        ] if first == "call" => {
            calls(rest, allowed_calls)?;
            Ok(sent(markers))
        }
        [
            Token::Symbol('{'),
            Token::Symbol('?'),
            Token::Symbol('='),
            Token::Word(first),
            rest @ ..,
            Token::Symbol('}'),
        ] if first == "call" => {
            calls(rest, allowed_calls)?;
            // Nobody asks for what it returns besides its rows: sent without the first marker.
            let after = sql.split_once('=').map_or("", |(_, after)| after);
            Ok(Checked {
                sql: format!("{{{}", after.trim()),
                markers: markers.saturating_sub(1),
            })
        }
        _ => {
            Err("only a SELECT, a WITH or a call of a procedure is: begin with one of these".into())
        }
    }
}

/// No word of it writes, locks or waits, and every function is known.
fn reads(tokens: &[Token], allowed_calls: &[String]) -> Result<(), String> {
    for (place, token) in tokens.iter().enumerate() {
        let after = |step: usize| tokens.get(place.saturating_add(step));
        if let Token::Word(word) = token {
            if FORBIDDEN.contains(&word.as_str()) {
                return Err(format!(
                    "{word} is no reading: take it out, or write a column of that name in double quotes"
                ));
            }
            let locks = ["browse", "key", "no", "share"].map(|word| Token::Word(word.into()));
            if word == "for" && after(1).is_some_and(|next| locks.contains(next)) {
                return Err("it locks what it reads: take out the FOR clause".into());
            }
            if word == "next" && after(1) == Some(&Token::Word("value".into())) {
                return Err("it moves a sequence: take out NEXT VALUE".into());
            }
        }
        if after(1) == Some(&Token::Symbol('('))
            && matches!(token, Token::Word(_) | Token::Quoted(_))
        {
            function(tokens, place, allowed_calls)?;
        }
    }
    Ok(())
}

/// What stands before a parenthesis is a word of SQL, a function that only looks, or
/// one that was allowed.
fn function(tokens: &[Token], place: usize, allowed_calls: &[String]) -> Result<(), String> {
    let mut name = Vec::new();
    let mut bare = true;
    let mut at = place;
    loop {
        match tokens.get(at) {
            Some(Token::Word(word)) => name.push(word.clone()),
            Some(Token::Quoted(word)) => {
                bare = false;
                name.push(word.to_lowercase());
            }
            _ => break,
        }
        if at < 2 || tokens.get(at.saturating_sub(1)) != Some(&Token::Symbol('.')) {
            break;
        }
        at = at.saturating_sub(2);
    }
    name.reverse();
    let known = |word: &String| WORDS.contains(&word.as_str()) || PURE.contains(&word.as_str());
    // A name of several parts is nobody's built-in: it can be anything.
    if bare && matches!(name.as_slice(), [word] if known(word)) {
        return Ok(());
    }
    let name = name.join(".");
    if allows(allowed_calls, &name) {
        return Ok(());
    }
    let shown = shown(&name);
    Err(format!(
        "nobody knows that {shown} only reads: take it out, or add it to odbc.allowed_calls"
    ))
}

/// `name`, or `name(..)` with nothing but values between.
fn calls(tokens: &[Token], allowed_calls: &[String]) -> Result<(), String> {
    let open = tokens
        .iter()
        .position(|token| *token == Token::Symbol('('))
        .unwrap_or(tokens.len());
    let (name, arguments) = tokens.split_at(open);
    let mut text = String::new();
    for (place, token) in name.iter().enumerate() {
        match token {
            Token::Word(word) if place.is_multiple_of(2) => text.push_str(word),
            Token::Symbol('.') if !place.is_multiple_of(2) => text.push('.'),
            _ => {
                return Err(
                    "a call names one procedure, without quotes: write owner.name(?, ?)".into(),
                );
            }
        }
    }
    if text.is_empty() || text.ends_with('.') {
        return Err("a call names one procedure, without quotes: write owner.name(?, ?)".into());
    }
    if !allows(allowed_calls, &text) {
        let shown = shown(&text);
        return Err(format!(
            "{shown} is not among the procedures that may be called: add it to odbc.allowed_calls"
        ));
    }
    let between = match arguments {
        [] => arguments,
        [Token::Symbol('('), between @ .., Token::Symbol(')')] => between,
        _ => return Err("nothing may follow a call: end with its closing parenthesis".into()),
    };
    let value = |token: &Token| match token {
        Token::Word(word) => ["d", "t", "ts", "null"].contains(&word.as_str()),
        Token::Symbol(symbol) => ['?', ',', '-', '{', '}', '.'].contains(symbol),
        Token::Text | Token::Number => true,
        Token::Quoted(_) => false,
    };
    if !between.iter().all(value) {
        return Err(
            "a call takes values and markers only: put nothing else between its parentheses".into(),
        );
    }
    Ok(())
}

fn allows(allowed_calls: &[String], name: &str) -> bool {
    allowed_calls
        .iter()
        .any(|allowed| allowed.trim().to_lowercase() == name)
}

/// A name as it may be printed, however it came here.
fn shown(name: &str) -> String {
    name.chars()
        .take(64)
        .filter(|c| c.is_ascii_graphic())
        .collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// In lower case.
    Word(String),
    Quoted(String),
    Text,
    Number,
    Symbol(char),
}

/// Takes a text apart. What engines read differently is refused, so that all of
/// them see the text that was checked.
fn tokens(sql: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        match c {
            ' ' | '\t' | '\r' | '\n' => {}
            // A minus before a negative number for some engines, a comment for others.
            '-' if next == Some('-') => {
                rest.next();
                if !rest.peek().is_none_or(char::is_ascii_whitespace) {
                    return Err("a comment after -- begins with a space: add one".into());
                }
                rest.by_ref().find(|c| *c == '\n');
            }
            '/' if next == Some('*') => {
                rest.next();
                comment(&mut rest)?;
            }
            '\'' => {
                quoted(&mut rest, '\'')?;
                tokens.push(Token::Text);
            }
            '"' | '`' => tokens.push(Token::Quoted(quoted(&mut rest, c)?)),
            'a'..='z' | 'A'..='Z' | '_' => {
                let mut word = c.to_ascii_lowercase().to_string();
                while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    word.push(c.to_ascii_lowercase());
                }
                tokens.push(Token::Word(word));
            }
            '0'..='9' => {
                while rest.next_if(|c| c.is_ascii_digit() || *c == '.').is_some() {}
                if rest
                    .peek()
                    .is_some_and(|c| c.is_ascii_alphabetic() || *c == '_')
                {
                    return Err("a number runs into a word: put a space between them".into());
                }
                tokens.push(Token::Number);
            }
            '(' | ')' | ',' | '.' | '*' | '+' | '-' | '/' | '=' | '<' | '>' | '!' | '%' | '|'
            | '&' | '^' | '~' | '?' | ';' | '{' | '}' | ':' => tokens.push(Token::Symbol(c)),
            c if c.is_ascii_graphic() => {
                return Err(format!(
                    "engines disagree about {c}: take it out, or write the name in double quotes"
                ));
            }
            _ => {
                let code = u32::from(c);
                return Err(format!(
                    "it holds the character U+{code:04X} outside of quotes: write a plain space or letter"
                ));
            }
        }
    }
    Ok(tokens)
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Up to the end of a `/* */` whose beginning was read.
fn comment(rest: &mut Rest<'_>) -> Result<(), String> {
    // One engine runs what stands in these, others nest them.
    if matches!(rest.peek(), Some('!' | 'M')) {
        return Err("one engine runs what stands in /*! */: take it out".into());
    }
    let mut last = ' ';
    for c in rest.by_ref() {
        match (last, c) {
            ('*', '/') => return Ok(()),
            ('/', '*') => return Err("a comment holds another comment: take one out".into()),
            _ => last = c,
        }
    }
    Err("a comment does not end: close it".into())
}

/// Up to the closing quote; a doubled one is one of the text.
fn quoted(rest: &mut Rest<'_>, quote: char) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            // Hides the closing quote from one engine and not from another.
            '\\' => {
                return Err(
                    "engines disagree about a backslash in quotes: bind the value with ? instead"
                        .into(),
                );
            }
            '\0' => return Err("it holds the character U+0000: take it out".into()),
            c if c == quote => {
                if rest.next_if_eq(&quote).is_none() {
                    return Ok(text);
                }
                text.push(quote);
            }
            c => text.push(c),
        }
    }
    Err("a quote is not closed: close it".into())
}

fn balanced(tokens: &[Token]) -> Result<(), String> {
    let mut open = Vec::new();
    for token in tokens {
        let closes = match token {
            Token::Symbol('(') => {
                open.push('(');
                continue;
            }
            Token::Symbol('{') => {
                open.push('{');
                continue;
            }
            Token::Symbol(')') => '(',
            Token::Symbol('}') => '{',
            _ => continue,
        };
        if open.pop() != Some(closes) {
            return Err("its parentheses do not match: mend them".into());
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err("its parentheses do not match: mend them".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed() -> Vec<String> {
        [
            "admin.sp_getallpatientrecalls",
            "admin.sp_appointments",
            "sp_patient",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    const FORBIDDEN_TEXTS: &[&str] = &[
        "",
        ";",
        "DELETE FROM admin.patient",
        "UPDATE admin.patient SET status = 4",
        "INSERT INTO admin.patient VALUES (1)",
        "MERGE INTO admin.patient USING x ON 1 = 1 WHEN MATCHED THEN DELETE",
        "REPLACE INTO admin.patient VALUES (1)",
        "CREATE TABLE x (y INTEGER)",
        "ALTER TABLE admin.patient ADD x INTEGER",
        "DROP TABLE admin.patient",
        "TRUNCATE TABLE admin.patient",
        "GRANT SELECT ON admin.patient TO PUBLIC",
        "REVOKE SELECT ON admin.patient FROM PUBLIC",
        "LOCK TABLE admin.patient IN EXCLUSIVE MODE",
        "SET TRANSACTION READ WRITE",
        "EXEC sp_who",
        "EXECUTE IMMEDIATE 'DROP TABLE x'",
        "BEGIN DELETE FROM x; END",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT x",
        "DO pg_sleep(1)",
        "COPY x TO '/tmp/x'",
        "LOAD DATA INFILE 'x' INTO TABLE y",
        "ATTACH DATABASE 'x' AS y",
        "PRAGMA writable_schema = 1",
        "VACUUM",
        "KILL 1",
        "SHUTDOWN",
        "USE tutorsql",
        "EXPLAIN ANALYZE DELETE FROM x",
        "(SELECT 1)",
        "-- harmless\nDELETE FROM x",
        "/* SELECT */ DELETE FROM x",
        "/* a /* b */ SELECT 1 */ DELETE FROM x",
        "/*!50000 DELETE FROM x */",
        "SELECT 1 /*!; DELETE FROM x */",
        "SELECT 1 /* not closed",
        "SELECT 1; DELETE FROM x",
        "SELECT 1;;",
        "SELECT 1; SELECT 2",
        "SELECT 1--1; DELETE FROM x",
        "SELECT 1 # '\n; DELETE FROM x -- '",
        "SELECT 'a\\'; DELETE FROM x -- '",
        "SELECT $$a'$$; DELETE FROM x -- '",
        "SELECT 'not closed",
        "SELECT \"not closed",
        "SELECT [a'b] FROM x; DELETE FROM y -- '",
        "SELECT * INTO y FROM x",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT * FROM x FOR UPDATE",
        "SELECT * FROM x FOR SHARE",
        "SELECT * FROM x FOR NO KEY UPDATE",
        "SELECT * FROM x LOCK IN SHARE MODE",
        "SELECT @a := 1",
        "WITH d AS (DELETE FROM x RETURNING *) SELECT * FROM d",
        "WITH d AS (SELECT 1) INSERT INTO x SELECT * FROM d",
        "WITH d AS (SELECT 1) UPDATE x SET y = 1",
        "SELECT SLEEP(10)",
        "SELECT pg_sleep (10)",
        "SELECT pg_catalog.pg_sleep(10)",
        "SELECT \"pg_sleep\"(10)",
        "SELECT sleep/**/(10)",
        "SELECT BENCHMARK(1000000, MD5('x'))",
        "SELECT LOAD_FILE('/etc/passwd')",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT writefile('x', 'y')",
        "SELECT load_extension('x')",
        "SELECT lo_export(1, '/tmp/x')",
        "SELECT set_config('x', 'y', true)",
        "SELECT setval('s', 1)",
        "SELECT NEXT VALUE FOR s",
        "SELECT s.NEXTVAL FROM x",
        "SELECT * FROM OPENROWSET('x', 'y', 'z')",
        "SELECT * FROM admin.sp_deletepatient()",
        "SELECT * FROM dblink('x', 'DELETE FROM y') AS t",
        "SELECT 1 WAITFOR DELAY '0:0:10'",
        "DELETE\u{a0}FROM x",
        "SELECT\u{a0}1",
        "SELECT\u{2003}* FROM x",
        "SELECT 1\u{3000};\u{3000}DELETE FROM x",
        "\u{feff}SELECT 1",
        "SELECT 1\u{0}; DELETE FROM x",
        "SELECT\u{b}1",
        "ſelect 1",
        "SELECT (1",
        "SELECT {fn LCASE('x')",
        "{call admin.sp_deletepatient(?)}",
        "{CALL sp_getallpatientrecalls()}",
        "{?=call admin.sp_other()}",
        "call admin.sp_other()",
        "call sp_other",
        "{call admin.sp_appointments(?,?,?)} DELETE FROM x",
        "{call admin.sp_appointments(?,?,?)}; DELETE FROM x",
        "call admin.sp_appointments(sp_other(),?,?)",
        "call admin.sp_appointments((SELECT 1),?,?)",
        "call admin.\"sp_appointments\"(?,?,?)",
        "call admin.sp_appointments(?,?,?) DELETE FROM x",
        "call other.admin.sp_appointments(?,?,?)",
        "{call admin.sp_appointments,sp_other(?)}",
        "{call}",
        "{call admin.}",
    ];

    const ALLOWED_TEXTS: &[(&str, usize)] = &[
        ("SELECT patient_id, last_name FROM admin.v_patient", 0),
        ("select 1", 0),
        ("  SELECT TOP 10 * FROM admin.v_patient ;", 0),
        ("-- the office's own\nSELECT * FROM admin.v_patient", 0),
        ("/* Delete, drop; insert */ SELECT 1", 0),
        ("SELECT 'DELETE; DROP' AS x FROM admin.v_patient", 0),
        ("SELECT \"update\", \"set\" FROM x", 0),
        ("SELECT 'O''Connor; DROP' FROM x", 0),
        ("SELECT 'Núñez' FROM x", 0),
        (
            "SELECT * FROM admin.v_appt WHERE appointment_date >= ? AND modified_time_stamp > ?",
            2,
        ),
        (
            "SELECT LTRIM(RTRIM(last_name)), ISNULL(mi, '') FROM admin.v_patient",
            0,
        ),
        ("SELECT TIMESTAMPADD(MINUTE, -10, ?) FROM admin.options", 1),
        (
            "SELECT {d '2025-11-03'}, {fn LCASE(last_name)} FROM admin.v_patient",
            0,
        ),
        (
            "SELECT CONVERT(varchar(20), chart_num) FROM x WHERE (privacy_flags & 8) = 0",
            0,
        ),
        (
            "WITH due AS (SELECT * FROM x WHERE due_date IN (?, ?)) SELECT COUNT(*) FROM due",
            2,
        ),
        (
            "SELECT a.x, ROW_NUMBER() OVER (PARTITION BY y ORDER BY z) FROM a LEFT JOIN (SELECT 1 AS q) b ON (a.x = b.q)",
            0,
        ),
        (
            "SELECT CASE WHEN x <> -106 THEN 1.5 ELSE 0 END FROM y -- done",
            0,
        ),
        ("SELECT updated, deleted_at, created, set_by FROM x", 0),
        ("SELECT SUBSTRING(x FROM 1 FOR 3) FROM y", 0),
        ("SELECT * FROM admin.sp_getallpatientrecalls()", 0),
        ("SELECT x::text FROM y UNION ALL SELECT z FROM w", 0),
        ("{call admin.sp_getallpatientrecalls()}", 0),
        ("{ CALL Admin.SP_Appointments (?,?,?) }", 3),
        (
            "call admin.sp_appointments({d '1980-01-01'}, {d '2030-01-01'}, NULL)",
            0,
        ),
        ("call admin.sp_appointments(?, '2025-12-31', ?);", 2),
        ("call sp_patient", 0),
        ("{call sp_patient}", 0),
    ];

    #[test]
    fn what_could_write_lock_wait_or_hide_is_refused() {
        assert!(FORBIDDEN_TEXTS.len() >= 60);
        for sql in FORBIDDEN_TEXTS {
            let why = check(Table::Patients, sql, &allowed()).expect_err(sql);
            assert_eq!(why.class, Class::Guard, "{sql}");
            assert!(
                why.what.starts_with("odbc.sql.patients is not sent: "),
                "{why:?}"
            );
            assert!(
                why.what.matches(':').count() >= 2,
                "without a remedy: {why:?}"
            );
        }
    }

    #[test]
    fn what_only_reads_is_sent_as_it_is_written() {
        assert!(ALLOWED_TEXTS.len() >= 20);
        for (sql, markers) in ALLOWED_TEXTS {
            let checked = check(Table::Recalls, sql, &allowed()).expect(sql);
            assert_eq!(
                (checked.sql.as_str(), checked.markers),
                (sql.trim(), *markers)
            );
        }
    }

    #[test]
    fn what_a_procedure_returns_besides_its_rows_is_not_asked_for() {
        let checked = check(
            Table::Recalls,
            "{ ? = call admin.sp_appointments(?,?,?) }",
            &allowed(),
        )
        .unwrap();
        assert_eq!(checked.sql, "{call admin.sp_appointments(?,?,?) }");
        assert_eq!(checked.markers, 3);
    }

    #[test]
    fn a_refusal_names_the_procedure_and_the_setting_and_no_value() {
        let why = check(
            Table::Recalls,
            "{call admin.sp_other('Marchetti')}",
            &allowed(),
        )
        .unwrap_err();
        assert!(
            why.what.contains("admin.sp_other") && why.what.contains("odbc.allowed_calls"),
            "{why:?}"
        );
        assert!(!why.what.contains("Marchetti"), "{why:?}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail_otherwise(sql in "\\PC*") {
            drop(check(Table::Patients, &sql, &allowed()));
        }

        #[test]
        fn whatever_stands_around_it_a_second_statement_is_refused(
            before in "[a-z0-9 ,.()'\"*/-]{0,12}",
            between in "[ \t\n]{0,3}",
            after in "[a-z0-9 ,.()'\"*/-]{0,12}",
        ) {
            let sql = format!("SELECT {before};{between}DELETE FROM x {after}");
            if let Ok(checked) = check(Table::Patients, &sql, &allowed()) {
                // Only where the text itself made it a value or a comment.
                let hidden = checked.sql.contains(['\'', '"']) || checked.sql.contains("--") || checked.sql.contains("/*");
                prop_assert!(hidden, "{sql}");
            }
        }
    }
}
