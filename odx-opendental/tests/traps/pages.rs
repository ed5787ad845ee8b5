//! Which lists are asked for, by which names, and what is never asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use odx_core::http::Method;
use odx_core::model::{Patient, Recall, RecordKind};
use odx_core::source::{Change, Extent};
use odx_opendental::sim::{PatientRow, RecallRow, RequestLog, UnknownParameters};

use super::life::{Life, bare, both, by_lists, by_queries, patients, recalls, whole_life};
use crate::office::{Office, pass};

/// Method and path, keys as `#`.
fn shape(request: &RequestLog) -> String {
    let parts = request.path.split('/').map(|part| {
        let is_key = part.parse::<i64>().is_ok();
        if is_key { "#" } else { part }
    });
    let path: Vec<_> = parts.collect();
    format!("{} {}", request.method, path.join("/"))
}

async fn asked_in_a_life() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for builder in both() {
        let (life, _) = whole_life(builder).await;
        all.extend(life.practice.requests().iter().map(shape));
    }
    all
}

/// Nothing else is ever sent: what a test below says is never asked for cannot
/// come in unseen.
const EVERYTHING: [&str; 16] = [
    "GET /appointments",
    "GET /appointments/#",
    "GET /commlogs",
    "GET /definitions",
    "GET /histappointments",
    "GET /patfields",
    "GET /patients/#",
    "GET /patients/Simple",
    "GET /preferences",
    "GET /recalls",
    "GET /recalltypes",
    "GET /securityperms",
    "GET /signalods",
    "POST /commlogs",
    "PUT /appointments/#/Confirm",
    "PUT /patfields",
];

#[tokio::test]
async fn trap_02_the_list_without_stamp_and_guarantor_is_never_read() {
    let asked = asked_in_a_life().await;
    let mut expected: BTreeSet<_> = EVERYTHING.iter().map(|one| (*one).to_owned()).collect();
    expected.insert("PUT /recalls/#".to_owned());
    expected.insert("PUT /queries/ShortQuery".to_owned());
    assert_eq!(asked, expected);
    assert!(!asked.contains("GET /patients"));
}

#[tokio::test]
async fn trap_03_every_parameter_is_spelled_as_documented() {
    const KNOWN: [&str; 9] = [
        "Category",
        "DateTStamp",
        "HistApptAction",
        "Offset",
        "PatNum",
        "PrefName",
        "SigDateTime",
        "dateEnd",
        "dateStart",
    ];
    for builder in both() {
        // This office refuses whatever it does not know.
        let strict = builder.with_unknown_parameters(UnknownParameters::Refused);
        let (life, _) = whole_life(strict).await;
        for request in life.practice.requests() {
            assert!(matches!(request.status, 200 | 201), "{request:?}");
            for (name, _) in &request.query {
                assert!(
                    KNOWN.contains(&&**name) || name == "includeHidden",
                    "{name} of {}",
                    request.path
                );
            }
        }
    }
}

#[tokio::test]
async fn trap_04_a_get_without_a_content_type_is_a_400_and_none_of_ours_is() {
    for builder in both() {
        let (life, _) = whole_life(builder).await;
        let requests = life.practice.requests();
        assert!(requests.iter().any(|one| one.method == "GET"));
        assert!(requests.iter().all(|one| one.status != 400));
        let keys = [life.practice.developer_key(), life.practice.customer_key()].join("/");
        let url = format!("{}/recalltypes", life.server.base_url());
        let without = bare(Method::GET, &url).header("Authorization", format!("ODFHIR {keys}"));
        assert_eq!(without.send().await.unwrap().status(), 400);
    }
}

#[tokio::test]
async fn trap_05_moments_are_office_time_with_an_encoded_blank() {
    let office = Office::documented().await;
    let source = office.source();
    let (_, _, mut cursor) = pass(&source, None, Extent::Changes).await.unwrap();
    for _ in 0..3 {
        let later = pass(&source, Some(cursor), Extent::Changes).await.unwrap();
        cursor = later.2;
    }
    let mut moments = 0;
    for asked in office.asked().await {
        assert!(!asked.contains('+'), "{asked}");
        let (_, query) = asked.split_once('?').unwrap_or_default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or_default();
            if matches!(name, "DateTStamp" | "SigDateTime") {
                moments += 1;
                let (day, time) = value.split_once("%20").unwrap();
                assert!(day.parse::<chrono::NaiveDate>().is_ok() && day.len() == 10);
                assert!(time.parse::<chrono::NaiveTime>().is_ok() && time.len() == 8);
            }
        }
    }
    assert!(moments >= 6, "{moments}");
}

#[tokio::test]
async fn trap_17_recalls_have_no_filter_of_changes_and_are_found_all_the_same() {
    for (builder, extent) in [
        (by_lists(), Extent::Everything),
        (by_queries(), Extent::Changes),
    ] {
        let life = Life::of(builder).await;
        let (_, cursor) = life.first().await;
        let (_, recall, _) = life.somebody();
        life.wait(Duration::from_secs(60));
        let edit = |row: &mut RecallRow| {
            row.date_due = "2031-01-02".to_owned();
        };
        assert!(life.practice.update_recall(recall, edit));
        let (changes, _) = life.pass(Some(cursor), extent).await;
        let shown = recalls(&changes);
        let due = |one: &&&Recall| one.key.native() == recall.to_string();
        let due = shown.iter().find(due).unwrap().due.unwrap();
        assert_eq!(due.to_string(), "2031-01-02");
        for request in life.practice.requests() {
            assert!(request.path != "/recalls" || request.param("DateTStamp").is_none());
        }
    }
}

#[tokio::test]
async fn trap_18_a_recall_that_vanishes_is_missing_from_a_whole_list_or_named_by_a_query() {
    for (builder, queries) in [(by_lists(), false), (by_queries(), true)] {
        let life = Life::of(builder).await;
        let (before, cursor) = life.first().await;
        let (patient, recall, _) = life.somebody();
        let key = recall.to_string();
        let shows = |changes: &[Change]| {
            let shown = recalls(changes);
            shown.iter().any(|one| one.key.native() == key)
        };
        assert!(shows(&before));
        life.practice.delete_recall(recall);
        if queries {
            let (changes, _) = life.later(cursor).await;
            let told = changes.iter().any(|change| {
                matches!(change, Change::Whole { patient: of, kind: RecordKind::Recall, keys, .. }
                    if of.native() == patient.to_string() && !keys.contains(&key))
            });
            assert!(told, "the patient's recalls were not read again");
        } else {
            let (changes, pages, _) = pass(&life.source, Some(cursor), Extent::Everything)
                .await
                .unwrap();
            assert!(!shows(&changes));
            let mut swept = pages.iter().flat_map(|page| &page.swept);
            assert!(swept.any(|swept| swept.kind == RecordKind::Recall));
        }
    }
}

#[tokio::test]
async fn trap_19_the_call_list_of_the_staff_is_never_read() {
    let asked = asked_in_a_life().await;
    assert!(asked.contains("GET /recalls"));
    assert!(!asked.iter().any(|one| one.contains("recalls/List")));
}

#[tokio::test]
async fn trap_43_arrival_times_are_never_written() {
    let asked = asked_in_a_life().await;
    assert!(asked.contains("PUT /appointments/#/Confirm"));
    assert!(!asked.contains("PUT /appointments/#"));
    assert!(!asked.contains("POST /appointments"));
}

#[tokio::test]
async fn trap_47_an_office_without_clinics_is_read_and_a_clinic_is_known_by_its_key() {
    let (life, changes) = whole_life(by_lists()).await;
    assert!(patients(&changes).iter().all(|one| one.clinic.is_none()));
    assert!(
        !life
            .practice
            .requests()
            .iter()
            .any(|one| one.path == "/clinics")
    );
    let (life, changes) = whole_life(by_lists().with_clinics(2)).await;
    let named: BTreeSet<_> = patients(&changes)
        .iter()
        .filter_map(|one| one.clinic.clone())
        .collect();
    assert!(named.contains("2"), "{named:?}");
    assert!(
        !life
            .practice
            .requests()
            .iter()
            .any(|one| one.path == "/clinics")
    );
}

#[tokio::test]
async fn trap_51_no_patient_is_ever_created() {
    let before = by_lists().build().unwrap().patients().len();
    let asked = asked_in_a_life().await;
    assert!(!asked.iter().any(|one| one.starts_with("POST /patients")));
    let life = Life::of(by_lists()).await;
    for what in life.news() {
        life.write(&what).await.unwrap();
    }
    assert_eq!(life.practice.patients().len(), before);
}

#[tokio::test]
async fn trap_52_a_family_is_read_and_never_written() {
    let asked = asked_in_a_life().await;
    assert!(!asked.iter().any(|one| one.starts_with("PUT /patients")));
    let life = Life::of(by_lists()).await;
    let (_, cursor) = life.first().await;
    let all = life.practice.patients();
    let living = |row: &&PatientRow| row.pat_status == "Patient";
    let mut living = all.iter().filter(living);
    let (one, head) = (
        living.next().unwrap().pat_num,
        living.next().unwrap().pat_num,
    );
    let moves = |row: &mut PatientRow| {
        row.guarantor = head;
        row.super_family = one;
    };
    life.practice.update_patient(one, moves);
    let (changes, _) = life.later(cursor).await;
    let read = patients(&changes);
    let of = |patient: &&&Patient| patient.key.native() == one.to_string();
    let moved = read.iter().find(of).unwrap();
    assert_eq!(moved.household.native(), head.to_string());
}
