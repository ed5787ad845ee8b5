//! Only mapped fields leave the office: everything an office answers besides is
//! planted with text that must arrive nowhere, neither in a request to the CRM
//! nor in the bytes of the state file.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use odx_core::engine::{Mode, Pipeline};
use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::store::SqliteStore;
use odx_core::{Office, OfficeId, Secret, SinkId, SourceId};
use odx_crm::{Auth, RestConfig};
use odx_opendental::{Credentials, OpenDental};
use serde_json::{Map, Value, json};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// What is planted where nothing is mapped.
const PLANTED: &str = "planted987654320";
/// What is planted where something is: the search must find this.
const MAPPED: &str = "Quetzalcoatl";

/// The columns that are read. Everything else of a documented row is planted.
const PATIENT: &[&str] = &[
    "serverDateTime",
    "DateTStamp",
    "PatNum",
    "Guarantor",
    "PatStatus",
    "FName",
    "LName",
    "Preferred",
    "Birthdate",
    "HmPhone",
    "WkPhone",
    "WirelessPhone",
    "Email",
    "PriProv",
    "BillingType",
    "DateFirstVisit",
    "ClinicNum",
    "PreferContactMethod",
    "PreferRecallMethod",
    "Language",
    "TxtMsgOk",
];
const RECALL: &[&str] = &[
    "serverDateTime",
    "DateTStamp",
    "RecallNum",
    "PatNum",
    "DateDue",
    "DatePrevious",
    "RecallInterval",
    "RecallStatus",
    "recallStatus",
    "IsDisabled",
    "RecallTypeNum",
    "DisableUntilBalance",
    "DisableUntilDate",
    "DateScheduled",
    "Priority",
];
const APPOINTMENT: &[&str] = &[
    "serverDateTime",
    "DateTStamp",
    "AptNum",
    "PatNum",
    "AptStatus",
    "Pattern",
    "Confirmed",
    "confirmed",
    "Op",
    "ProvNum",
    "ProvHyg",
    "AptDateTime",
    "UnschedStatus",
    "unschedStatus",
    "ClinicNum",
    "IsHygiene",
];

const COMM_LOG: &[&str] = &[
    "DateTStamp",
    "CommlogNum",
    "PatNum",
    "CommDateTime",
    "CommType",
    "Mode_",
    "SentOrReceived",
];
/// When the practice itself sent something: kept here, and nobody else's business.
const REMINDED: &str = "2026-11-19";

/// A documented row with something in every column that is not read, and in a
/// few that no version documents.
fn row(fixture: &str, mapped: &[&str], own: Value) -> Value {
    let path = format!(
        "{}/../odx-opendental/tests/fixtures/{fixture}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let rows: Vec<Map<String, Value>> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut row = rows.into_iter().next().unwrap();
    let mut planted = 0;
    for (column, value) in &mut row {
        if !mapped.contains(&column.as_str()) {
            *value = json!(format!("{PLANTED} {column}"));
            planted += 1;
        }
    }
    assert!(planted > 0, "{fixture} has no column that is not read");
    for column in [
        "SSN",
        "Note",
        "MedUrgNote",
        "ProcDescript",
        "ClinicalNote",
        "NewColumn",
    ] {
        row.insert(column.to_owned(), json!(format!("{PLANTED} {column}")));
    }
    row.extend(own.as_object().unwrap().clone());
    Value::Object(row)
}

async fn office() -> MockServer {
    let server = MockServer::start().await;
    let patient = row(
        "patients.simple.get",
        PATIENT,
        json!({"PatNum": 7, "Guarantor": 7, "LName": MAPPED, "FName": "Ana", "PatStatus": "Patient",
            "WirelessPhone": "(503) 555-0142", "Email": "ana@smile.co", "TxtMsgOk": "Yes",
            "serverDateTime": "2026-11-20 09:00:00"}),
    );
    let recall = row(
        "recalls.get",
        RECALL,
        json!({"RecallNum": 9, "PatNum": 7, "DateDue": "2026-11-01", "IsDisabled": "false"}),
    );
    let visit = row(
        "appointments.get",
        APPOINTMENT,
        json!({"AptNum": 11, "PatNum": 7}),
    );
    let reminder = row(
        "commlogs.get",
        COMM_LOG,
        json!({"CommlogNum": 13, "PatNum": 7, "CommDateTime": format!("{REMINDED} 10:00:00")}),
    );
    for (list, rows) in [
        ("patients/Simple", json!([patient])),
        ("recalls", json!([recall])),
        ("appointments", json!([visit])),
        ("commlogs", json!([reminder])),
    ] {
        // Whatever the offset: the second page of one row is the end.
        let page = move |request: &Request| {
            let first = !request.url.query_pairs().any(|(key, _)| key == "Offset");
            let body = if first { rows.clone() } else { json!([]) };
            ResponseTemplate::new(200).set_body_json(body)
        };
        Mock::given(path(format!("/api/v1/{list}")))
            .respond_with(page)
            .mount(&server)
            .await;
    }
    let nothing = ResponseTemplate::new(200).set_body_json(json!([]));
    Mock::given(any())
        .respond_with(nothing)
        .mount(&server)
        .await;
    server
}

/// Every name of a field in it, however deep.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                found.insert(name.clone());
                fields(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

/// What may be told, and nothing else.
const TOLD: &[&str] = &[
    "consent",
    "email",
    "sms",
    "voice",
    "custom",
    "voice_phone",
    "external_id",
    "first_name",
    "household_external_id",
    "last_name",
    "office_id",
    "phone",
    "phone_kind",
    "preferred_name",
    "tags",
    "timezone",
    "contact_external_id",
    "due_date",
    "kind",
    "segment",
    "status",
    "title",
    "schema_version",
    "content_hash",
    "idempotency_key",
    "contacts",
    "tasks",
    "records",
    "items",
];

#[tokio::test]
async fn s4_s8_only_mapped_fields_leave_and_only_for_the_configured_address() {
    for batch in [1, 10] {
        let office = office().await;
        let crm = MockServer::start().await;
        Mock::given(path("/suppressions"))
            .respond_with(ResponseTemplate::new(204))
            .mount(&crm)
            .await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(200))
            .mount(&crm)
            .await;
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials {
            developer_key: Secret::new("dev"),
            customer_key: Secret::new("cust"),
        };
        let source = OpenDental::builder(SourceId::new("od", "m").unwrap(), credentials)
            .with_base_urls(vec![format!("{}/api/v1", office.uri()).parse().unwrap()])
            .with_interval(Duration::ZERO)
            .with_reminders(true)
            .build()
            .unwrap();
        let sink = RestConfig::new(
            SinkId::new("rest", "m").unwrap(),
            crm.uri().parse().unwrap(),
        )
        .with_auth(Auth::Bearer(Secret::new("token")))
        .with_batch(NonZeroUsize::new(batch).unwrap())
        .build()
        .unwrap();
        let pipeline = Pipeline::builder(Arc::new(source))
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(Arc::new(sink))
            .state(Arc::new(
                SqliteStore::open(folder.path().join("odx.sqlite")).unwrap(),
            ))
            .office(Office::new(
                OfficeId::new("m").unwrap(),
                "M",
                chrono_tz::America::New_York,
            ))
            .build()
            .unwrap();
        let report = pipeline.run_once(Mode::Live).await.unwrap();
        assert_eq!(
            (report.sent, report.complete),
            (2, true),
            "{:?}",
            report.problems
        );

        let told = crm.received_requests().await.unwrap();
        let mut names = BTreeSet::new();
        let mut whole = String::new();
        for request in &told {
            // Records are written and read, never deleted.
            assert!(["PUT", "POST", "GET"].contains(&request.method.as_str()));
            if !request.body.is_empty() {
                fields(&serde_json::from_slice(&request.body).unwrap(), &mut names);
            }
            whole += &format!("{} {:?} ", request.url, request.headers);
            whole += &String::from_utf8_lossy(&request.body);
        }
        let odd: Vec<_> = names
            .iter()
            .filter(|name| !TOLD.contains(&name.as_str()))
            .collect();
        assert!(odd.is_empty(), "fields that nobody allowed: {odd:?}");
        assert!(
            whole.contains(MAPPED) && !whole.contains(PLANTED),
            "{whole}"
        );
        assert!(!whole.contains(REMINDED), "{whole}");

        // The file as a thief would read it, with everything that lies beside it.
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        let finds = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        assert!(finds(MAPPED), "the search must find what is there");
        assert!(finds(REMINDED), "the reminder is to be kept");
        assert!(!finds(PLANTED), "the state holds what nobody mapped");

        let report = serde_json::to_string(&report).unwrap();
        assert!(!report.contains(PLANTED) && !report.contains(MAPPED));
    }
}
