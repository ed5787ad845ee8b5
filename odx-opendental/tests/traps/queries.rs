//! Queries speak another dialect than lists.

use std::collections::BTreeMap;

use odx_core::model::Record;
use odx_core::source::Change;

use super::life::{Life, by_lists, by_queries, records, whole_life};

/// The last that was said of everything but opt-outs, which lists do not know,
/// and visits, of which a query shows some.
fn told(changes: &[Change]) -> BTreeMap<String, Record> {
    let records =
        records(changes).filter(|record| matches!(record, Record::Patient(_) | Record::Recall(_)));
    records
        .map(|record| (format!("{:?}", record.key()), record.clone()))
        .collect()
}

#[tokio::test]
async fn trap_53_raw_numbers_and_iso_dates_make_the_records_that_lists_make() {
    let lists = Life::of(by_lists().with_clinics(2)).await;
    let queries = Life::of(by_queries().with_clinics(2)).await;
    let (by_lists, _) = lists.first().await;
    let (by_queries, _) = queries.first().await;
    assert!(told(&by_lists).len() > 60);
    assert_eq!(told(&by_queries), told(&by_lists));
    let visits = super::life::visits(&by_queries);
    assert!(visits.len() > 10);
    for visit in visits {
        let key = visit.key.native().parse().unwrap();
        assert_eq!(*visit, super::life::visit(&by_lists, key));
    }
    assert!(
        !lists
            .practice
            .requests()
            .iter()
            .any(|one| one.sql.is_some())
    );
}

#[tokio::test]
async fn trap_54_a_query_is_paged_by_its_key_and_never_by_an_offset() {
    let office = || by_queries().with_patients(250).with_random_primary_keys();
    // Without an order this office answers in another one each time.
    let (life, shuffled) = whole_life(office().with_unordered_queries(true)).await;
    let mut queries = life.practice.requests();
    queries.retain(|one| one.sql.is_some());
    assert!(queries.len() > 4);
    for query in queries {
        assert_eq!(query.param("Offset"), None);
        let sql = query.sql.unwrap();
        assert!(
            sql.contains(" ORDER BY ") || !sql.contains(" FROM "),
            "{sql}"
        );
        for word in ["OFFSET", "SSN", "Note", "EstBalance", "BalTotal", "Address"] {
            assert!(!sql.contains(word), "{word}: {sql}");
        }
    }
    let (_, ordered) = whole_life(office()).await;
    assert_eq!(told(&shuffled), told(&ordered));
    let all = life.practice.patients();
    let known = told(&shuffled);
    for row in all.iter().filter(|row| row.pat_status != "Deleted") {
        let found = known
            .values()
            .any(|record| record.native() == row.pat_num.to_string());
        assert!(found, "{}", row.pat_num);
    }
}
