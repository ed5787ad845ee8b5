//! What is asked about one person costs as much as there is of that person.

use rusqlite::Connection;

use super::{SqliteStore, effect, outreach, suppress};

/// How SQLite would find it, step by step.
fn plan(db: &Connection, sql: &str) -> Vec<String> {
    let mut query = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = query.raw_query().mapped(|row| row.get(3));
    steps.map(Result::unwrap).collect()
}

#[test]
fn nothing_that_is_asked_about_one_person_reads_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odx.sqlite");
    drop(SqliteStore::open(&path).unwrap());
    let db = Connection::open(path).unwrap();
    for (sql, index) in [
        (suppress::OF_DIGEST.to_owned(), "suppression_digest"),
        (outreach::told_by("recipient"), "effect_recipient"),
        (outreach::told_by("address"), "effect_address"),
        (outreach::told_by("household"), "effect_household"),
        (outreach::told_of_subject(), "(outlet=? AND subject=?)"),
        (outreach::DECIDED.to_owned(), "decision_recipient"),
        (effect::LET_GO.to_owned(), "episode_key"),
        (effect::DISCLOSED.to_owned(), "episode_key"),
    ] {
        let plan = plan(&db, &sql);
        let scans = plan.iter().any(|step| step.starts_with("SCAN "));
        assert!(!scans, "{sql}: {plan:?}");
        let used = plan.iter().any(|step| step.contains(index));
        assert!(used, "{index} is not used by {sql}: {plan:?}");
    }
}
