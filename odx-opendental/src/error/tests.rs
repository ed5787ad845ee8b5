//! Every cause, reached as an office reaches it: over HTTP. Every answer quotes
//! a patient and a key, and nothing that is printed does.

use std::collections::BTreeSet;
use std::time::Duration;

use odx_core::effect::{ActError, Marker};
use odx_core::source::{Cursor, PracticeSource as _, PullRequest};
use odx_core::testkit::{Canaries, Transcript};
use odx_core::writer::{Confirmation, PatientField, PracticeWriter as _, WriteBack};
use odx_core::{AppointmentKey, Disposition, IdempotencyKey, PatientKey, Phi, Secret, SourceId};
use serde_json::json;
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::limiter::Pace;
use crate::{Builder, Credentials, OpenDental, WriteBackSettings};

/// How many causes there are. A new one does not compile here until it has a
/// number, and is not green until something below reaches it.
const CAUSES: usize = 21;

const fn number(cause: &Cause) -> usize {
    match cause {
        Cause::Office { .. } => 0,
        Cause::Server { .. } => 1,
        Cause::TooFast { .. } => 2,
        Cause::TooOld { .. } => 3,
        Cause::BadParameter { .. } => 4,
        Cause::UnknownName { .. } => 5,
        Cause::Keys => 6,
        Cause::NotPermitted { .. } => 7,
        Cause::NoSuchResource { .. } => 8,
        Cause::Retired { .. } => 9,
        Cause::Redirect { .. } => 10,
        Cause::Status { .. } => 11,
        Cause::NotJson { .. } => 12,
        Cause::Repeats { .. } => 13,
        Cause::ForeignKey => 14,
        Cause::ForeignCursor => 15,
        Cause::WriteRefused { .. } => 16,
        Cause::WriteNotPermitted { .. } => 17,
        Cause::WriteOff { .. } => 18,
        Cause::NoSuchChoice { .. } => 19,
        Cause::NoTurn { .. } => 20,
    }
}

const PLANTED: &str = "Quetzalcoatl +15035550187 zyx@canary.example 1987-03-14 dev-77aa cust-77bb";

fn canaries() -> Canaries {
    Canaries::new(PLANTED.split(' '))
}

struct Office(MockServer, OpenDental);

/// An office whose patients are answered so, and everything else as given.
async fn office(patients: ResponseTemplate, rest: ResponseTemplate) -> Office {
    let server = MockServer::start().await;
    Mock::given(path("/api/v1/patients/Simple"))
        .respond_with(patients)
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(rest).mount(&server).await;
    let source = source(&server.uri());
    Office(server, source)
}

fn source(uri: &str) -> OpenDental {
    builder(uri).build().unwrap()
}

fn builder(uri: &str) -> Builder {
    OpenDental::builder(
        SourceId::new("od", "main-st").unwrap(),
        Credentials {
            developer_key: Secret::new("dev-77aa"),
            customer_key: Secret::new("cust-77bb"),
        },
    )
    .with_base_urls(vec![format!("{uri}/api/v1").parse().unwrap()])
    .with_interval(Duration::ZERO)
    .with_timeout(Duration::from_secs(5))
}

fn says(status: u16, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_string(format!("{text} {PLANTED}"))
}

fn empty() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string("[]")
}

/// Checks everything that can be printed of it, and says which cause it was.
fn look(error: &Error, kind: ErrorKind, disposition: Disposition) -> usize {
    assert_eq!(error.kind(), kind, "{}", error.chain());
    assert_eq!(error.disposition(), disposition, "{}", error.chain());
    for text in [format!("{error} {error:?} {error:#?}"), error.chain()] {
        canaries().assert_absent("an error", &text);
    }
    let cause = std::error::Error::source(error).unwrap();
    number(cause.downcast_ref::<Cause>().unwrap())
}

const RETRY: Disposition = Disposition::Retry { after: None };

#[tokio::test]
async fn s2_every_cause_is_reached_has_its_disposition_and_quotes_nobody() {
    let transcript = Transcript::begin();
    let mut reached = BTreeSet::new();
    let wait = Disposition::Retry {
        after: Some(Duration::from_secs(7)),
    };
    for (patients, rest, kind, disposition) in [
        (
            says(400, "eConnector is not running"),
            empty(),
            ErrorKind::Unavailable,
            RETRY,
        ),
        (
            says(400, "nobody has seen this text"),
            empty(),
            ErrorKind::Unavailable,
            RETRY,
        ),
        (says(500, ""), empty(), ErrorKind::Unavailable, RETRY),
        (
            says(503, "").insert_header("Retry-After", "7"),
            empty(),
            ErrorKind::Unavailable,
            wait,
        ),
        (
            says(429, "").insert_header("Retry-After", "7"),
            empty(),
            ErrorKind::RateLimited,
            wait,
        ),
        (
            says(400, "needs version 22.4"),
            empty(),
            ErrorKind::Config,
            Disposition::Halt,
        ),
        (
            says(400, "DateTStamp format must be"),
            empty(),
            ErrorKind::Bug,
            Disposition::Halt,
        ),
        (
            says(400, "Clinic not found"),
            empty(),
            ErrorKind::Config,
            Disposition::Halt,
        ),
        (
            says(401, ""),
            says(401, ""),
            ErrorKind::Credentials,
            Disposition::Halt,
        ),
        (
            says(401, ""),
            empty(),
            ErrorKind::Permission,
            Disposition::Halt,
        ),
        (
            says(403, ""),
            empty(),
            ErrorKind::Permission,
            Disposition::Halt,
        ),
        (says(404, ""), empty(), ErrorKind::Config, Disposition::Halt),
        (says(410, ""), empty(), ErrorKind::Config, Disposition::Halt),
        (
            says(302, "").insert_header("Location", "/Quetzalcoatl"),
            empty(),
            ErrorKind::Config,
            Disposition::Halt,
        ),
        (says(418, ""), empty(), ErrorKind::Protocol, RETRY),
        (says(200, "<html>"), empty(), ErrorKind::Protocol, RETRY),
        (
            says(200, "[{\"LName\": \""),
            empty(),
            ErrorKind::Protocol,
            RETRY,
        ),
    ] {
        let Office(_server, source) = office(patients, rest).await;
        let error = source.pull(PullRequest::default()).await.unwrap_err();
        reached.insert(look(&error, kind, disposition));
    }

    // A server that shows its first page whatever it is asked for.
    let rows: Vec<_> = (1..=100)
        .map(|n| json!({"PatNum": n, "LName": "Quetzalcoatl", "PatStatus": "Patient"}))
        .collect();
    let page = ResponseTemplate::new(200).set_body_json(rows);
    let Office(_server, source) = office(page, empty()).await;
    let first = source.pull(PullRequest::default()).await.unwrap();
    canaries().assert_absent("a page", &format!("{first:?}"));
    let next = PullRequest::after(Some(first.position.cursor().clone()));
    let error = source.pull(next).await.unwrap_err();
    reached.insert(look(&error, ErrorKind::Protocol, RETRY));

    let foreign = PatientKey::new("Quetzalcoatl");
    let error = source.refresh(&foreign).await.unwrap_err();
    reached.insert(look(&error, ErrorKind::Refused, Disposition::Reject));
    let foreign = PullRequest::after(Some(Cursor::new(PLANTED)));
    let error = source.pull(foreign).await.unwrap_err();
    reached.insert(look(&error, ErrorKind::CursorExpired, RETRY));

    reached.extend(writes().await);

    assert_eq!(
        reached,
        (0..CAUSES).collect(),
        "a cause that nothing reaches"
    );
    canaries().assert_absent("a trace", &transcript.text());
    canaries().assert_absent("a source", &format!("{source:?}"));
}

/// The causes that only a write can have.
async fn writes() -> BTreeSet<usize> {
    let field = WriteBack::PatientField(PatientField {
        patient: PatientKey::new("1"),
        field: "Ins Verified".to_owned(),
        value: Phi::new(PLANTED.to_owned()),
    });
    let marker = Marker::of(&IdempotencyKey::of_parts(&["1"]));
    let mut reached = BTreeSet::new();
    let settings = WriteBackSettings::new()
        .with_patient_fields()
        .with_confirmations();
    let writer = |uri: &str, interval| {
        let settings = settings.clone();
        builder(uri)
            .with_interval(interval)
            .with_write_back(settings)
            .build()
            .unwrap()
    };
    for (answer, rest, kind, disposition) in [
        (
            says(400, "Patient not found"),
            empty(),
            ErrorKind::Refused,
            Disposition::Reject,
        ),
        (
            says(401, ""),
            empty(),
            ErrorKind::Permission,
            Disposition::Halt,
        ),
    ] {
        let server = MockServer::start().await;
        let fields = Mock::given(path("/api/v1/patfields"));
        fields.respond_with(answer).mount(&server).await;
        Mock::given(any()).respond_with(rest).mount(&server).await;
        let writer = writer(&server.uri(), Duration::ZERO);
        let error = writer.write(&field, &marker).await.unwrap_err();
        canaries().assert_absent("a write", &format!("{error} {error:?} {field:?}"));
        reached.insert(look(error.error(), kind, disposition));
    }
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(empty())
        .mount(&server)
        .await;
    let off = source(&server.uri());
    let error = off.write(&field, &marker).await.unwrap_err();
    reached.insert(look(error.error(), ErrorKind::Config, Disposition::Halt));
    let nowhere = WriteBack::Confirmation(Confirmation {
        appointment: AppointmentKey::new("34"),
        status: "4711".to_owned(),
    });
    let writer_here = writer(&server.uri(), Duration::ZERO);
    let error = writer_here.write(&nowhere, &marker).await.unwrap_err();
    reached.insert(look(error.error(), ErrorKind::Config, Disposition::Halt));
    // The window is used up for an hour, and nobody here waits that long.
    let hour = Duration::from_secs(3600);
    let slow = writer(&server.uri(), hour);
    Pace::of(&Secret::new("cust-77bb"), Some(hour))
        .ready()
        .await;
    tokio::time::pause();
    let error = slow.write(&field, &marker).await.unwrap_err();
    tokio::time::resume();
    assert!(matches!(error, ActError::NotSent(_)));
    reached.insert(look(error.error(), ErrorKind::RateLimited, RETRY));
    reached
}

/// No answer at all is told by the shared client, without an address.
#[tokio::test]
async fn s2_no_answer_is_unavailable_and_names_no_address() {
    let transcript = Transcript::begin();
    // A port that was free a moment ago.
    let gone = {
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", port.local_addr().unwrap())
    };
    let error = source(&gone)
        .pull(PullRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.disposition()),
        (ErrorKind::Unavailable, RETRY)
    );
    let slow = empty().set_delay(Duration::from_secs(60));
    let Office(server, _) = office(slow.clone(), slow).await;
    let hasty = OpenDental::builder(
        SourceId::new("od", "main-st").unwrap(),
        Credentials {
            developer_key: Secret::new("dev-77aa"),
            customer_key: Secret::new("cust-77bb"),
        },
    )
    .with_base_urls(vec![format!("{}/api/v1", server.uri()).parse().unwrap()])
    .with_interval(Duration::ZERO)
    .with_timeout(Duration::from_millis(50))
    .build()
    .unwrap();
    let late = hasty.refresh(&PatientKey::new("4711")).await.unwrap_err();
    assert_eq!(
        (late.kind(), late.disposition()),
        (ErrorKind::Unavailable, RETRY)
    );
    for error in [error, late] {
        let text = format!("{error:?} {}", error.chain());
        for part in ["/api/v1", "4711", "dev-77aa", "cust-77bb"] {
            assert!(!text.contains(part), "{part}: {text}");
        }
    }
    canaries().assert_absent("a trace", &transcript.text());
}
