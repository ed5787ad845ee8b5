//! The office that request counts are reckoned for, and its busy day.

use super::*;

#[test]
fn the_model_office_has_exactly_its_rows() {
    let practice = Practice::builder(15).with_model_office().build().unwrap();
    assert_eq!(practice.patients().len(), 10_000);
    assert_eq!(practice.recalls().len(), 25_000);
    assert_eq!(practice.appointments().len(), 30_000);
    let start = practice.now();
    let day = practice.busy_day(1);
    assert_eq!(day.patients.len(), 60);
    assert_eq!(day.appointments.len(), 120);
    assert_eq!(day.recalls.len(), 100);
    assert_eq!(day.appointments_deleted.len(), 2);
    assert_eq!(day.recalls_deleted.len(), 1);
    // What the day says is what the stamps say.
    let start = start.format("%Y-%m-%d %H:%M:%S").to_string();
    let sorted = |mut keys: Vec<i64>| {
        keys.sort_unstable();
        keys
    };
    let patients = practice.patients().into_iter();
    let changed: Vec<i64> = patients
        .filter(|row| row.date_t_stamp >= start)
        .map(|row| row.pat_num)
        .collect();
    assert_eq!(changed, sorted(day.patients));
    let visits = practice.appointments();
    let changed: Vec<i64> = visits
        .iter()
        .filter(|row| row.date_t_stamp >= start)
        .map(|row| row.apt_num)
        .collect();
    assert_eq!(changed, sorted(day.appointments.clone()));
    let recalls = practice.recalls().into_iter();
    let changed: Vec<_> = recalls.filter(|row| row.date_t_stamp >= start).collect();
    let changed_keys: Vec<i64> = changed.iter().map(|row| row.recall_num).collect();
    assert_eq!(changed_keys, sorted(day.recalls));
    let mut touched: Vec<i64> = visits
        .iter()
        .filter(|row| day.appointments.contains(&row.apt_num))
        .map(|row| row.pat_num)
        .collect();
    assert!(changed.iter().all(|row| touched.contains(&row.pat_num)));
    touched.sort_unstable();
    touched.dedup();
    assert_eq!(touched.len(), 120);
    assert_eq!(practice.deleted_objects().len(), 3);
    assert!(practice.signals().is_empty());
}

#[test]
fn an_exact_office_keeps_one_recall_per_type() {
    let practice = Practice::builder(2)
        .with_exactly(300, 800, 900)
        .build()
        .unwrap();
    let recalls = practice.recalls();
    assert_eq!((recalls.len(), practice.appointments().len()), (800, 900));
    let mut pairs: Vec<_> = recalls
        .iter()
        .map(|row| (row.pat_num, row.recall_type_num))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs.len(), 800);
    assert!(
        Practice::builder(2)
            .with_exactly(10, 80, 0)
            .build()
            .is_err()
    );
}

#[tokio::test]
async fn random_keys_are_large_and_work_as_keys_everywhere() {
    let practice = Practice::builder(6)
        .with_random_primary_keys()
        .with_permissions(&[Permission::ReadAll, Permission::Queries])
        .build()
        .unwrap();
    let patients = practice.patients();
    assert!(patients.iter().any(|row| row.pat_num > i64::from(u32::MAX)));
    let client = Client::of(&practice).await;
    let one = patients[0].pat_num;
    let row = client.get(&format!("/patients/{one}")).await.json();
    assert_eq!(key(&row, "PatNum"), one);
    let sql = format!("SELECT PatNum FROM patient WHERE PatNum>={one} ORDER BY PatNum LIMIT 1");
    let rows = client.ask(&sql, "").await.rows();
    assert_eq!(keys(&rows, "PatNum"), [one]);
    practice.busy_day(1);
    practice.update_definition(practice.definitions()[0].def_num, |_| {});
    practice.set_preference("New", "1");
    let signals = client
        .get("/signalods?SigDateTime=2026-11-20%2000:00:00")
        .await
        .rows();
    assert_eq!(signals.len(), 2);
}
