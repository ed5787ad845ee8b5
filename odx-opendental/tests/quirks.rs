//! One test per oddity of the vendor, over HTTP.

mod office;

use std::time::Duration;

use odx_core::model::{Record, RecordKey, RecordKind};
use odx_core::source::{Change, Cursor, Extent, Position, PracticeSource, PullRequest, Swept};
use odx_core::{AppointmentKey, Disposition, Error, ErrorKind, PatientKey};
use odx_opendental::OpenDental;
use office::{CUSTOMER, DEVELOPER, Office, fixture, pass, patients};
use serde_json::json;
use wiremock::ResponseTemplate;

fn status(code: u16) -> ResponseTemplate {
    ResponseTemplate::new(code)
}

fn says(code: u16, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(code).set_body_string(text)
}

async fn first(source: &OpenDental) -> Result<odx_core::source::Page, Error> {
    source.pull(PullRequest::default()).await
}

#[tokio::test]
async fn every_request_carries_both_keys_and_a_content_type() {
    let office = Office::documented().await;
    let source = office.source();
    pass(&source, None, Extent::Changes).await.unwrap();
    source.refresh(&PatientKey::new("48")).await.unwrap();
    source.probe().await.unwrap();
    let requests = office.server.received_requests().await.unwrap();
    assert!(requests.len() > 10);
    for request in requests {
        let header = |name| request.headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(
            header("authorization"),
            format!("ODFHIR {DEVELOPER}/{CUSTOMER}")
        );
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(request.method.as_str(), "GET");
        assert!(!request.url.as_str().contains('+'));
        assert!(!request.url.as_str().contains("Limit"));
    }
}

#[tokio::test]
async fn a_first_pass_reads_the_documented_rows() {
    let office = Office::documented().await;
    let source = office.source();
    let (changes, pages, _) = pass(&source, None, Extent::Changes).await.unwrap();
    let kinds: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Upsert(record) => (record.kind(), record.native().to_owned()),
            other => panic!("{other:?}"),
        })
        .collect();
    let key = |kind, native: &str| (kind, native.to_owned());
    assert_eq!(
        kinds,
        [
            key(RecordKind::Patient, "1"),
            key(RecordKind::Patient, "2"),
            key(RecordKind::Appointment, "4"),
            key(RecordKind::Appointment, "3"),
            key(RecordKind::Recall, "40"),
        ]
    );
    let swept: Vec<_> = pages.iter().flat_map(|page| page.swept.clone()).collect();
    assert_eq!(
        swept,
        [
            RecordKind::Patient,
            RecordKind::Appointment,
            RecordKind::Recall
        ]
        .map(|kind| Swept { kind })
    );
}

#[tokio::test]
async fn a_first_pass_costs_its_pages_and_five_requests() {
    let office = Office::documented().await;
    office.put("patients/Simple", patients(230));
    let source = office.source();
    pass(&source, None, Extent::Changes).await.unwrap();
    assert_eq!(
        office.asked_for("patients/Simple").await,
        [
            "patients/Simple",
            "patients/Simple?Offset=100",
            "patients/Simple?Offset=200"
        ]
    );
    // The first list taught that a page holds 100: the short ones need no proof.
    assert_eq!(office.asked_for("appointments").await, ["appointments"]);
    assert_eq!(office.asked_for("recalls").await, ["recalls"]);
    let mut asked = office.asked().await;
    asked.truncate(6);
    assert_eq!(
        asked,
        [
            "securityperms",
            "preferences?PrefName=ProgramVersion",
            "recalltypes",
            "definitions?Category=2&includeHidden=true",
            "definitions?Category=13&includeHidden=true",
            "patients/Simple",
        ]
    );
    assert_eq!(source.requests(), 5 + 3 + 1 + 1);
}

#[tokio::test]
async fn a_later_pass_asks_from_65_minutes_before_the_office_clock_of_the_first_page() {
    let office = Office::documented().await;
    office.put("patients/Simple", patients(100));
    let source = office.source();
    let (_, _, cursor) = pass(&source, None, Extent::Changes).await.unwrap();
    let (_, _, cursor) = pass(&source, Some(cursor), Extent::Changes).await.unwrap();
    let before = office.asked().await.len();
    let (changes, _, _) = pass(&source, Some(cursor), Extent::Changes).await.unwrap();
    assert_eq!(
        office.asked().await.split_off(before),
        [
            "patients/Simple?DateTStamp=2026-03-02%2008:25:00",
            "appointments?DateTStamp=2021-05-04%2008:27:45",
            "histappointments?HistApptAction=Deleted&dateStart=2021-05-03&dateEnd=2023-05-04",
            "recalls",
            "signalods?SigDateTime=2026-03-02%2009:29:59",
        ]
    );
    assert_eq!(changes.len(), 1, "the recalls fit into one page");
}

#[tokio::test]
async fn a_deleted_appointment_is_gone() {
    let office = Office::documented().await;
    let source = office.source();
    let (_, _, cursor) = pass(&source, None, Extent::Changes).await.unwrap();
    office.put("histappointments", fixture("histappointments.get.2"));
    let (changes, _, _) = pass(&source, Some(cursor), Extent::Changes).await.unwrap();
    let key = RecordKey::Appointment(AppointmentKey::new("266"));
    assert!(changes.contains(&Change::Gone(key)));
}

#[tokio::test]
async fn an_office_without_appointment_history_is_read_all_the_same() {
    let office = Office::documented().await;
    let source = office.source();
    let (_, _, cursor) = pass(&source, None, Extent::Changes).await.unwrap();
    office.say(
        "histappointments",
        says(400, "Method requires version 23.1.30 or greater"),
    );
    let (changes, _, _) = pass(&source, Some(cursor), Extent::Everything)
        .await
        .unwrap();
    assert!(
        changes
            .iter()
            .any(|change| matches!(change, Change::Upsert(Record::Recall(_))))
    );
}

#[tokio::test]
async fn an_office_that_does_not_say_what_changed_in_its_lists_of_names_is_read_all_the_same() {
    for answer in [says(400, "No such thing"), status(404), status(500)] {
        let office = Office::documented().await;
        let source = office.source();
        let (_, _, cursor) = pass(&source, None, Extent::Changes).await.unwrap();
        office.say("signalods", answer);
        pass(&source, Some(cursor), Extent::Changes).await.unwrap();
        assert_eq!(office.asked_for("signalods").await.len(), 1);
    }
}

#[tokio::test]
async fn an_office_too_old_for_history_is_not_asked_for_it() {
    let office = Office::documented().await;
    let old = json!({"PrefName": "ProgramVersion", "ValueString": "22.4.41.0"});
    office.put("preferences", vec![old]);
    office.say("histappointments", says(400, "No such thing"));
    let source = office.source();
    let (_, _, cursor) = pass(&source, None, Extent::Changes).await.unwrap();
    pass(&source, Some(cursor), Extent::Changes).await.unwrap();
    assert!(office.asked_for("histappointments").await.is_empty());
}

#[tokio::test]
async fn half_an_answer_is_no_answer() {
    let office = Office::documented().await;
    let source = office.source();
    let whole = serde_json::to_string(&patients(3)).unwrap();
    for body in [
        &whole[..whole.len() - 1],
        &whole[..whole.len() / 2],
        "<html><body>Sign in</body></html>",
        "",
        "null",
    ] {
        office.say("patients/Simple", says(200, body));
        let error = first(&source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(!format!("{error:?} {}", error.chain()).contains("Canary"));
    }
    office.say_nothing_special();
    assert_eq!(first(&source).await.unwrap().changes.len(), 2);
}

#[tokio::test]
async fn a_server_that_ignores_the_offset_is_an_error_and_moves_nothing() {
    let office = Office::documented().await;
    office.put("patients/Simple", patients(150));
    office.lists.lock().unwrap().ignores_offset = true;
    let source = office.source();
    let Position::More(cursor) = first(&source).await.unwrap().position else {
        panic!()
    };
    for _ in 0..2 {
        let again = PullRequest::after(Some(cursor.clone()));
        let error = source.pull(again).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.chain().contains("the list repeats itself"));
    }
    office.lists.lock().unwrap().ignores_offset = false;
    let again = PullRequest::after(Some(cursor));
    assert_eq!(source.pull(again).await.unwrap().changes.len(), 50);
}

#[tokio::test]
async fn one_bad_row_hides_nobody_and_counts_for_the_offset() {
    let office = Office::documented().await;
    let mut rows = patients(101);
    rows[1]["PatStatus"] = json!("word-canary");
    rows[2] = json!(["not", "an", "object", "canary"]);
    rows[3] = json!({"LName": "no key canary"});
    office.put("patients/Simple", rows);
    let source = office.source();
    let page = first(&source).await.unwrap();
    let bad: Vec<_> = page
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Unreadable(bad) => Some(bad),
            _ => None,
        })
        .collect();
    assert_eq!(page.changes.len(), 100);
    assert_eq!(bad.len(), 3);
    assert_eq!(bad[0].native, "2");
    assert!(bad[1].native.starts_with('?') && bad[2].native.starts_with('?'));
    assert!(bad.iter().all(|bad| bad.kind == RecordKind::Patient));
    assert!(!format!("{page:?}").to_lowercase().contains("canary"));
    let next = PullRequest::after(Some(page.position.cursor().clone()));
    source.pull(next).await.unwrap();
    assert_eq!(
        office.asked_for("patients/Simple").await[1],
        "patients/Simple?Offset=100"
    );
}

#[tokio::test]
async fn nothing_of_a_patient_and_no_key_is_ever_printed() {
    let office = Office::documented().await;
    office.put("patients/Simple", patients(3));
    let source = office.source();
    let (changes, pages, cursor) = pass(&source, None, Extent::Changes).await.unwrap();
    let mut printed = format!("{source:?} {changes:?} {pages:?} {cursor:?}");
    for path in ["*", "recalls"] {
        for answer in [
            says(400, "\"Canary-Last customer-key-canary note-canary\""),
            says(401, "customer-key-canary"),
            says(500, "Canary-Last"),
            says(200, "Canary-Last"),
            says(302, "Canary-Last").insert_header("location", "http://canary.example/"),
        ] {
            office.say_nothing_special();
            office.say(path, answer);
            let error = match pass(&office.source(), None, Extent::Changes).await {
                Ok(_) => panic!("an error was expected"),
                Err(error) => error,
            };
            printed.push_str(&format!("{error} {error:?} {}", error.chain()));
        }
    }
    for canary in [
        "Canary",
        "canary",
        "987-65",
        "5550142",
        "example.org",
        DEVELOPER,
        CUSTOMER,
    ] {
        assert!(!printed.contains(canary), "{canary} in {printed}");
    }
}

#[tokio::test]
async fn notes_and_social_security_numbers_are_not_even_held() {
    let office = Office::documented().await;
    office.put("patients/Simple", patients(1));
    let (changes, _, _) = pass(&office.source(), None, Extent::Changes).await.unwrap();
    for change in changes {
        let body = match change {
            Change::Upsert(Record::Patient(patient)) => serde_json::to_string(&patient),
            Change::Upsert(Record::Recall(recall)) => serde_json::to_string(&recall),
            Change::Upsert(Record::Appointment(visit)) => serde_json::to_string(&visit),
            Change::Upsert(Record::OptOut(opt_out)) => serde_json::to_string(&opt_out),
            other => panic!("{other:?}"),
        }
        .unwrap();
        for canary in ["987-65", "note-canary", "Ex, PA", "2026-03-0"] {
            assert!(!body.contains(canary), "{canary}");
        }
    }
}

#[tokio::test]
async fn a_401_on_one_list_is_a_missing_permission_and_on_all_a_dead_key() {
    let office = Office::documented().await;
    office.say("patients/Simple", status(401));
    let error = first(&office.source()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission);
    office.say("*", status(401));
    let error = first(&office.source()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    let source = office.source();
    assert_eq!(
        source.probe().await.unwrap_err().kind(),
        ErrorKind::Credentials
    );
}

#[tokio::test]
async fn an_office_that_is_offline_is_retried_and_asked_little() {
    let office = Office::documented().await;
    office.say("*", says(400, "\"eConnector is not running\""));
    let source = office.source();
    let error = first(&source).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry { after: None });
    assert_eq!(office.asked().await.len(), 2, "two in vain");
    // What was learned while it was off is not kept.
    office.say_nothing_special();
    first(&source).await.unwrap();
    assert_eq!(office.asked_for("securityperms").await.len(), 2);
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_passed_on() {
    let office = Office::documented().await;
    let source = office.source();
    let slow = status(429).insert_header("retry-after", "7");
    office.say("patients/Simple", slow);
    let error = first(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    let after = Some(Duration::from_secs(7));
    assert_eq!(error.disposition(), Disposition::Retry { after });
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let office = Office::documented().await;
    let elsewhere = Office::documented().await;
    let location = format!("{}/patients/Simple", elsewhere.url());
    office.say("*", status(307).insert_header("location", &*location));
    let error = first(&office.source()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(elsewhere.asked().await.is_empty());
}

#[tokio::test]
async fn the_next_address_is_tried_when_there_is_no_connection_and_remembered() {
    let office = Office::documented().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/api/v1", closed.local_addr().unwrap());
    drop(closed);
    let urls = vec![nobody.parse().unwrap(), office.url()];
    let source = office
        .builder()
        .with_base_urls(urls.clone())
        .build()
        .unwrap();
    pass(&source, None, Extent::Changes).await.unwrap();
    let reached = office.asked().await.len();
    assert_eq!(
        source.requests(),
        u64::try_from(reached).unwrap() + 1,
        "one in vain"
    );
    // An answer, even a bad one, is an answer.
    let other = Office::documented().await;
    office.say("*", status(500));
    let urls = vec![office.url(), other.url()];
    let source = office.builder().with_base_urls(urls).build().unwrap();
    assert_eq!(
        first(&source).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert!(other.asked().await.is_empty());
}

#[tokio::test]
async fn reference_data_that_cannot_be_read_costs_labels_only() {
    let office = Office::documented().await;
    office.say("recalltypes", says(400, "Method requires version 24.1.44"));
    office.say("securityperms", status(404));
    office.say("clinics", says(200, "<html>"));
    let source = office.source();
    let (changes, _, _) = pass(&source, None, Extent::Changes).await.unwrap();
    assert_eq!(changes.len(), 5);
}

#[tokio::test]
async fn a_full_pass_reads_the_reference_data_again() {
    let office = Office::documented().await;
    let source = office.source();
    let (_, _, cursor) = pass(&source, None, Extent::Changes).await.unwrap();
    let (_, _, cursor) = pass(&source, Some(cursor), Extent::Changes).await.unwrap();
    assert_eq!(office.asked_for("recalltypes").await.len(), 1);
    let (_, pages, _) = pass(&source, Some(cursor), Extent::Everything)
        .await
        .unwrap();
    assert_eq!(office.asked_for("recalltypes").await.len(), 2);
    let swept = pages.iter().map(|page| page.swept.len()).sum::<usize>();
    assert_eq!(swept, 3);
}

#[tokio::test]
async fn recalls_and_visits_get_the_offices_own_words() {
    let office = Office::documented().await;
    office.put(
        "recalls",
        vec![json!({"RecallNum": 9, "PatNum": 1, "RecallTypeNum": 1, "RecallStatus": 8})],
    );
    let (changes, _, _) = pass(&office.source(), None, Extent::Changes).await.unwrap();
    let Some(Change::Upsert(Record::Recall(recall))) = changes.last() else {
        panic!()
    };
    let labels: Vec<_> = recall
        .labels
        .iter()
        .map(|label| (&*label.field, &*label.key, &*label.text))
        .collect();
    assert_eq!(
        labels,
        [
            // From definitions: the row did not say its text.
            ("recall_status", "8", "Professional Discount"),
            ("recall_type", "1", "Prophy"),
        ]
    );
}

#[tokio::test]
async fn a_patient_is_read_alone_with_what_hangs_from_them() {
    let office = Office::documented().await;
    office.put("patients/38", fixture("patients.single.get"));
    let source = office.source();
    let changes = source.refresh(&PatientKey::new("38")).await.unwrap();
    assert_eq!(
        changes.len(),
        3,
        "the patient, one recall, and that it is all"
    );
    assert_eq!(
        office.asked_for("appointments").await,
        ["appointments?PatNum=38"]
    );
    let nobody = PatientKey::new("39");
    assert_eq!(
        source.refresh(&nobody).await.unwrap(),
        [Change::Gone(RecordKey::Patient(nobody.clone()))]
    );
    let foreign = source
        .refresh(&PatientKey::new("a/../b"))
        .await
        .unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn all_of_a_patients_visits_are_read_whatever_the_cap() {
    let office = Office::documented().await;
    office.lists.lock().unwrap().cap = 2;
    office.put("patients/1", patients(1));
    let visits = (1..=5).map(|n| json!({"AptNum": n, "PatNum": 1, "AptStatus": "Complete"}));
    office.put("appointments", visits.collect());
    let changes = office
        .source()
        .refresh(&PatientKey::new("1"))
        .await
        .unwrap();
    assert_eq!(
        changes.len(),
        7,
        "one row each, and that there is no recall"
    );
    office.lists.lock().unwrap().ignores_offset = true;
    let error = office
        .source()
        .refresh(&PatientKey::new("1"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_probe_says_what_is_missing_in_three_requests() {
    let office = Office::documented().await;
    let source = office.source();
    let findings = source.probe().await.unwrap().findings.join("\n");
    assert!(
        findings.contains("25.3.12") && findings.contains("ApiQueries"),
        "{findings}"
    );
    assert_eq!(office.asked().await.len(), 3);
    let old = json!({"PrefName": "ProgramVersion", "ValueString": "22.4.9.0"});
    office.put("preferences", vec![old]);
    office.put(
        "securityperms",
        vec![json!({"Permission": "ApiReadAll", "HasPermission": "true"})],
    );
    let findings = source.probe().await.unwrap().findings.join("\n");
    for part in ["recalls cannot be read", "23.1.30", "ApiComm"] {
        assert!(findings.contains(part), "{part}: {findings}");
    }
}

#[tokio::test]
async fn a_foreign_cursor_expires_without_a_request() {
    let office = Office::documented().await;
    let source = office.source();
    let foreign = Some(Cursor::new(r#"{"v":9}"#));
    let error = source.pull(PullRequest::after(foreign)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CursorExpired);
    assert!(office.asked().await.is_empty());
}

#[tokio::test]
async fn the_same_cursor_can_be_pulled_twice() {
    let office = Office::documented().await;
    let source = office.source();
    let one = first(&source).await.unwrap();
    assert_eq!(first(&source).await.unwrap(), one);
}

#[tokio::test]
async fn a_row_that_is_restamped_is_the_same_record() {
    let office = Office::documented().await;
    office.put("patients/Simple", patients(5));
    let before = first(&office.source()).await.unwrap();
    let mut rows = patients(5);
    for row in &mut rows {
        row["DateTStamp"] = json!("2026-03-02 03:00:00");
        row["serverDateTime"] = json!("2026-03-02 10:00:00");
        row["EstBalance"] = json!(12.5);
    }
    office.put("patients/Simple", rows);
    let after = first(&office.source()).await.unwrap();
    assert_eq!(before.changes, after.changes);
}
