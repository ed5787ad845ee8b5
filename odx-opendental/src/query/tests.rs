use proptest::prelude::*;

use super::*;

/// One of every variant: a new one does not compile without a line here.
pub(super) fn one_of_each(since: NaiveDateTime, key: i64) -> Vec<Query> {
    let news = |after| Query::News { since, after };
    let mark = |part| Some(NewsMark { part, key });
    let all = vec![
        Query::Clock,
        Query::Patients { after: key },
        Query::Recalls {
            since,
            of: None,
            after: key,
        },
        Query::Recalls {
            since,
            of: Keys::chunks([key, 7]).pop(),
            after: key,
        },
        news(None),
        news(mark(Part::State)),
        news(mark(Part::Deleted)),
        news(mark(Part::Merged)),
        news(mark(Part::Removed)),
        Query::OptOuts { after: key },
        Query::Zone,
    ];
    let lists = Keys::chunks([key, 1, 7]).into_iter().map(Query::PatientsOf);
    let all: Vec<_> = all.into_iter().chain(lists).collect();
    for query in &all {
        match query {
            Query::Clock
            | Query::Patients { .. }
            | Query::PatientsOf(_)
            | Query::Recalls { .. }
            | Query::News { .. }
            | Query::OptOuts { .. }
            | Query::Zone => {}
        }
    }
    all
}

/// The words of a statement: no digits, no punctuation, and nothing quoted but
/// what is quoted whole.
fn words(sql: &str) -> Vec<&str> {
    sql.split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .collect()
}

fn moment_of(seconds: i64) -> NaiveDateTime {
    chrono::DateTime::from_timestamp(seconds, 0).map_or(NaiveDateTime::MIN, |at| at.naive_utc())
}

proptest! {
    #[test]
    fn a_statement_differs_from_its_constants_in_digits_alone(
        seconds in any::<i64>(), key in any::<i64>(), other in any::<i64>(),
    ) {
        let some = one_of_each(moment_of(seconds), key);
        // A reference nobody can have put anything into.
        let plain = one_of_each(moment_of(1_600_000_000), other);
        for query in &some {
            let sql = query.sql();
            prop_assert!(
                sql.bytes().all(|b| b.is_ascii_alphanumeric() || b" (),.<>=*:|'_-".contains(&b)),
                "{sql}"
            );
            let upper = sql.to_uppercase();
            for banned in ["SCHEMA", ";", "--", "''''", "\\", "NOTE"] {
                prop_assert!(!upper.contains(banned), "{banned}: {sql}");
            }
        }
        for (some, plain) in some.iter().zip(&plain) {
            let (some, plain) = (some.sql(), plain.sql());
            prop_assert_eq!(words(&some), words(&plain));
        }
    }
}

#[test]
fn a_statement_only_reads_and_is_plain_enough_for_an_old_server() {
    let banned = [
        "INSERT",
        "UPDATE",
        "DELETE",
        "REPLACE",
        "DROP",
        "CREATE",
        "ALTER",
        "TRUNCATE",
        "CALL",
        "GRANT",
        "SET",
        "INTO",
        "LOAD",
        "HANDLER",
        "LOCK",
        "EXPLAIN",
        "SHOW",
        "WITH",
        "OVER",
        "PARTITION",
        "LATERAL",
        "RECURSIVE",
        "REGEXP",
        "OFFSET",
    ];
    let tables = [
        "appointment",
        "clinic",
        "commoptout",
        "definition",
        "deletedobject",
        "patient",
        "patientlink",
        "procedurecode",
        "reactivation",
        "recall",
    ];
    for query in one_of_each(moment_of(1_600_000_000), 48) {
        let sql = query.sql();
        assert!(sql.starts_with("SELECT ") && !sql.contains("JSON"), "{sql}");
        for word in words(&sql) {
            assert!(
                !banned.contains(&word.to_uppercase().as_str()),
                "{word} in {sql}"
            );
        }
        for from in sql.split("FROM ").skip(1) {
            let table: String = from.chars().take_while(char::is_ascii_alphabetic).collect();
            assert!(
                table.is_empty() || tables.contains(&table.as_str()),
                "{table}"
            );
        }
        for close in ['\'', '('] {
            let pairs = match close {
                '(' => sql.matches('(').count() == sql.matches(')').count(),
                quote => sql.matches(quote).count() % 2 == 0,
            };
            assert!(pairs, "{close} in {sql}");
        }
        if query != Query::Clock {
            // The outermost order, by a key; a page without one may skip rows.
            let order = sql.rsplit_once(" ORDER BY ").map(|(_, order)| order);
            let orders = [
                "p.PatNum LIMIT 100",
                "RecallNum LIMIT 100",
                "Part,Num LIMIT 100",
                "o.PatNum LIMIT 100",
                "TimeZone LIMIT 100",
            ];
            assert!(order.is_some_and(|order| orders.contains(&order)), "{sql}");
        }
        assert!(sql.len() < 4000, "{}", sql.len());
    }
}

#[test]
fn nothing_a_person_wrote_is_asked_for_but_names_and_addresses() {
    let secret = [
        "SSN",
        "Address",
        "MedicaidID",
        "Note",
        "ReactivationNote",
        "FamFinUrgNote",
        "EstBalance",
        "BalTotal",
        "ChartNumber",
        "AddrNote",
    ];
    for query in one_of_each(moment_of(0), 1) {
        let sql = query.sql();
        for word in words(&sql) {
            assert!(!secret.contains(&word), "{word}");
        }
        // What was done is compared with two codes, and stays with the server.
        let compared = sql.matches(" AND c.AbbrDesc=a.ProcDescript)").count();
        assert_eq!(sql.matches("ProcDescript").count(), compared, "{sql}");
    }
}

#[test]
fn keys_are_sent_in_lists_of_a_hundred_and_nobodys_key_is_not_sent() {
    assert_eq!(Keys::chunks([]), []);
    assert_eq!(Keys::chunks([0, 0]), []);
    let lists = Keys::chunks((0..=250).chain(0..=250).rev());
    let lengths: Vec<_> = lists.iter().map(|keys| keys.as_slice().len()).collect();
    assert_eq!(lengths, [100, 100, 50]);
    assert_eq!(lists[0].as_slice()[..2], [1, 2]);
    let sql = Query::PatientsOf(Keys::chunks([i64::MAX, -3, 9]).remove(0)).sql();
    assert!(
        sql.contains("WHERE p.PatNum IN (-3,9,9223372036854775807) ORDER"),
        "{sql}"
    );
}

#[test]
fn a_moment_that_no_table_can_hold_is_the_nearest_one() {
    assert_eq!(moment(moment_of(1_636_293_609)), "'2021-11-07 14:00:09'");
    assert_eq!(moment(NaiveDateTime::MIN), "'1970-01-02 00:00:00'");
    assert_eq!(moment(NaiveDateTime::MAX), "'9999-12-31 00:00:00'");
}

#[test]
fn news_that_were_told_are_not_asked_for_again() {
    let since = moment_of(1_636_293_609);
    let tables = |after| {
        let sql = Query::News { since, after }.sql();
        ["MD5", "deletedobject", "patientlink", "p.PatStatus"].map(|name| sql.contains(name))
    };
    let mark = |part| Some(NewsMark { part, key: 9 });
    assert_eq!(tables(None), [true, true, true, true]);
    assert_eq!(tables(mark(Part::State)), [false, true, true, true]);
    assert_eq!(tables(mark(Part::Deleted)), [false, true, true, true]);
    assert_eq!(tables(mark(Part::Merged)), [false, false, true, true]);
    assert_eq!(tables(mark(Part::Removed)), [false, false, false, true]);
    let sql = Query::News {
        since,
        after: mark(Part::Merged),
    }
    .sql();
    assert!(sql.contains("l.PatientLinkNum>9") && !sql.contains("p.PatNum>9"));
}
