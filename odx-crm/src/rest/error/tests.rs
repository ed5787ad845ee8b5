//! Every cause, reached as a CRM reaches it: over HTTP. Every answer quotes a
//! patient and a token, and nothing that is printed does.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use odx_core::crm::{
    Body, Contact, ContactConsent, ContactCustom, Delivery, Enrollment, Intent, Op,
};
use odx_core::effect::ActError;
use odx_core::model::Channel;
use odx_core::outreach::Purpose;
use odx_core::sink::CrmSink as _;
use odx_core::source::Cursor;
use odx_core::testkit::{Canaries, Transcript};
use odx_core::{Disposition, ExternalId, OfficeId, Phi, Secret, SinkId};
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::rest::{Auth, RestConfig, RestSink};

/// How many causes there are. A new one does not compile here until it has a
/// number and a phrase, and is not green until something below reaches it.
const CAUSES: usize = 22;

/// Its number, and words that no other cause prints.
const fn known(cause: &Cause) -> (usize, &'static str) {
    match cause {
        Cause::Token => (0, "refused the token"),
        Cause::Forbidden => (1, "the token may not do this"),
        Cause::Redirect(_) => (2, "answered with a redirect"),
        Cause::LoginPage(_) => (3, "as a login page does"),
        Cause::NoUpsert(_) => (4, "has no upsert by external id"),
        Cause::NoReading(_) => (5, "cannot list suppressions as asked"),
        Cause::SlowDown => (6, "asked for a slower pace"),
        Cause::Busy(_) => (7, "is not available"),
        Cause::Unreached(_) => (8, "could not be reached"),
        Cause::Cut => (9, "was cut"),
        Cause::Shapeless => (10, "has no shape odx knows"),
        Cause::CursorGone => (11, "can no longer continue"),
        Cause::InProgress => (12, "still works on an earlier attempt"),
        Cause::NotNamed => (13, "does not name this record"),
        Cause::NotAnObject => (14, "is not a json object"),
        Cause::Unaddressable => (15, "cannot stand in an address"),
        Cause::KeyReused(..) => (16, "saw this idempotency key"),
        Cause::Conflict(..) => (17, "in another state or under another id"),
        Cause::TooLarge(..) => (18, "no record this large"),
        Cause::NotThisOne(..) => (19, "may not take this record"),
        Cause::Content(..) => (20, "will not take this content"),
        Cause::NoSequences(_) => (21, "take somebody into a sequence"),
    }
}

/// One of each, to look phrases up.
fn samples() -> [Cause; CAUSES] {
    [
        Cause::Token,
        Cause::Forbidden,
        Cause::Redirect(0),
        Cause::LoginPage(0),
        Cause::NoUpsert(0),
        Cause::NoReading(0),
        Cause::SlowDown,
        Cause::Busy(0),
        Cause::Unreached(String::new()),
        Cause::Cut,
        Cause::Shapeless,
        Cause::CursorGone,
        Cause::InProgress,
        Cause::NotNamed,
        Cause::NotAnObject,
        Cause::Unaddressable,
        Cause::KeyReused(0, None),
        Cause::Conflict(0, None),
        Cause::TooLarge(0, None),
        Cause::NotThisOne(0, None),
        Cause::Content(0, None),
        Cause::NoSequences(0),
    ]
}

const PLANTED: &str = "Quetzalcoatl +15035550187 zyx@canary.example 1987-03-14 tok-77aa";

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// `Err`, with this kind and disposition.
    Error(ErrorKind, Disposition),
    /// An outcome of this one record: again later.
    Later,
    /// An outcome of this one record: set aside.
    Aside,
}

const RETRY: Disposition = Disposition::Retry { after: None };

fn contact(id: &str) -> Delivery {
    let body = Body::Contact(Contact {
        consent: ContactConsent::default(),
        custom: ContactCustom::default(),
        email: Some(Phi::new("zyx@canary.example".to_owned())),
        external_id: ExternalId::from_kept(id),
        first_name: Phi::new("Quetzalcoatl".to_owned()),
        household_external_id: None,
        last_name: Phi::new("Quetzalcoatl".to_owned()),
        office_id: "m".to_owned(),
        phone: Some(Phi::new("+15035550187".to_owned())),
        phone_kind: None,
        preferred_name: None,
        tags: Vec::new(),
        timezone: None,
    });
    let op = Op {
        intent: Intent::Upsert,
        body,
    };
    Delivery::new(op, &OfficeId::new("m").unwrap(), 1, None).unwrap()
}

fn somebody() -> Enrollment {
    Enrollment {
        channels: vec![Channel::Sms],
        contact_external_id: ExternalId::from_kept("od:m:1"),
        external_id: ExternalId::from_kept("odenroll:m:1"),
        office_id: "m".to_owned(),
        patient_external_id: None,
        purpose: Purpose::Recall,
        segment: None,
    }
}

fn sink(url: &str) -> RestSink {
    RestConfig::new(SinkId::new("rest", "m").unwrap(), url.parse().unwrap())
        .with_auth(Auth::Bearer(Secret::new("tok-77aa")))
        .with_batch(NonZeroUsize::new(5).unwrap())
        .with_enrollments(true)
        .build()
        .unwrap()
}

#[derive(Default)]
struct Reached(BTreeSet<usize>);

impl Reached {
    /// Checks everything that can be printed, and notes which cause it was.
    fn note(&mut self, came: Came, printed: &str, expected: Came) {
        assert_eq!(came, expected, "{printed}");
        let canaries = Canaries::new(PLANTED.split(' '));
        canaries.assert_absent("an answer", printed);
        let numbers = samples().map(|cause| known(&cause));
        let found = numbers.iter().find(|(_, phrase)| printed.contains(phrase));
        self.0.insert(found.unwrap().0);
    }

    async fn apply(&mut self, sink: &RestSink, batch: &[Delivery], expected: Came) {
        match sink.apply(batch).await {
            Ok(outcomes) => {
                let outcome = outcomes.last().unwrap();
                let came = match outcome {
                    Outcome::Retry { .. } => Came::Later,
                    Outcome::Rejected { .. } => Came::Aside,
                    other => panic!("{other:?}"),
                };
                self.note(came, &format!("{outcome:?}"), expected);
            }
            Err(error) => self.error(&error, expected),
        }
    }

    fn error(&mut self, error: &Error, expected: Came) {
        let came = Came::Error(error.kind(), error.disposition());
        let printed = format!("{error} {error:?} {error:#?} {}", error.chain());
        self.note(came, &printed, expected);
    }
}

fn says(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"code": code, "message": PLANTED}))
}

async fn answering(template: ResponseTemplate) -> (MockServer, RestSink) {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(template)
        .mount(&server)
        .await;
    let sink = sink(&server.uri());
    (server, sink)
}

#[tokio::test]
async fn s2_every_cause_is_reached_has_its_disposition_and_quotes_nobody() {
    use ErrorKind::{Bug, Config, Credentials, CursorExpired, Permission, Protocol};
    use ErrorKind::{RateLimited, Unavailable};
    let transcript = Transcript::begin();
    let mut reached = Reached::default();
    let halt = |kind| Came::Error(kind, Disposition::Halt);
    let page = format!("<html>{PLANTED}");
    let one = [contact("od:m:1")];
    for (template, expected) in [
        (says(401, "x"), halt(Credentials)),
        (says(403, "x"), halt(Permission)),
        (
            says(307, "x").insert_header("Location", "/Quetzalcoatl"),
            halt(Config),
        ),
        (
            ResponseTemplate::new(200).set_body_raw(page, "text/html"),
            halt(Credentials),
        ),
        (says(404, "x"), halt(Config)),
        (says(429, "x"), Came::Error(RateLimited, RETRY)),
        (says(503, "x"), Came::Error(Unavailable, RETRY)),
        (says(500, "x"), Came::Later),
        (
            ResponseTemplate::new(200).set_body_raw("{\"Quetzalcoatl", "application/json"),
            Came::Later,
        ),
        (says(409, "idempotency_in_progress"), Came::Later),
        (says(422, "idempotency_mismatch"), Came::Aside),
        (says(409, "Quetzalcoatl"), Came::Aside),
        (says(413, "x"), Came::Aside),
        (says(422, "zyx@canary.example"), Came::Aside),
    ] {
        let (_server, sink) = answering(template).await;
        reached.apply(&sink, &one, expected).await;
    }

    // A batch whose answer names one record and forbids another.
    let lines = json!({"results": [
        {"external_id": "od:m:1", "status": 200},
        {"external_id": "od:m:2", "status": 403, "message": PLANTED},
    ]});
    let (_server, batches) = answering(ResponseTemplate::new(200).set_body_json(lines)).await;
    let two = [contact("od:m:1"), contact("od:m:2")];
    reached.apply(&batches, &two, Came::Aside).await;
    let other = [contact("od:m:1"), contact("od:m:3")];
    reached.apply(&batches, &other, Came::Later).await;

    // Nobody there: a port that was free a moment ago.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = sink(&format!("http://{}", port.local_addr().unwrap()));
    drop(port);
    reached.apply(&nobody, &one, Came::Later).await;
    reached.apply(&nobody, &[contact("..")], Came::Aside).await;
    let mut odd = contact("od:m:1");
    odd.canonical = Phi::new(b"\"Quetzalcoatl\"".to_vec());
    reached.apply(&nobody, &[odd], halt(Bug)).await;

    // The list of stops.
    for (template, since, expected) in [
        (says(200, "x"), None, Came::Error(Protocol, RETRY)),
        (says(418, "x"), None, halt(Config)),
        (
            says(410, "x"),
            Some(r#"{"v":1,"after":"a"}"#),
            Came::Error(CursorExpired, RETRY),
        ),
        (
            says(200, "x"),
            Some(PLANTED),
            Came::Error(CursorExpired, RETRY),
        ),
        (
            ResponseTemplate::new(200).set_body_raw("[\"Quetzalcoatl", "application/json"),
            None,
            Came::Error(Protocol, RETRY),
        ),
    ] {
        let (_server, sink) = answering(template).await;
        let error = sink.suppressions(since.map(Cursor::new)).await.unwrap_err();
        reached.error(&error, expected);
    }
    // A sequence.
    let (_server, sink) = answering(says(404, "x")).await;
    let key = odx_core::IdempotencyKey::of_parts(&["a"]);
    let error = sink.enroll(&somebody(), &key).await.unwrap_err();
    assert!(matches!(error, ActError::Refused(_)));
    reached.error(error.error(), halt(Config));
    assert_eq!(
        reached.0,
        (0..CAUSES).collect(),
        "a cause that nothing reaches"
    );
    Canaries::new(PLANTED.split(' ')).assert_absent("a trace", &transcript.text());
}

#[test]
fn every_cause_has_its_own_number_and_phrase() {
    for (n, cause) in samples().iter().enumerate() {
        let (number, phrase) = known(cause);
        assert_eq!(number, n);
        let matching = samples()
            .iter()
            .filter(|c| c.to_string().contains(phrase))
            .count();
        assert_eq!(matching, 1, "{phrase}");
        assert!(cause.to_string().contains(phrase), "{cause}");
    }
}

/// What operators read off each cause: the rule, and who can mend it. A new one is not green until somebody has
/// thought about it.
#[test]
fn every_cause_says_which_rule_it_is_and_who_can_mend_it() {
    use odx_core::ops::{Fault, Fix};
    for cause in samples() {
        let (rule, fix) = match &cause {
            Cause::Token | Cause::LoginPage(_) => ("credentials", Fix::Config),
            Cause::Forbidden | Cause::NotThisOne(..) => ("permission", Fix::Config),
            Cause::Redirect(_) => ("address_of_crm", Fix::Config),
            Cause::NoUpsert(_) | Cause::Cut | Cause::Shapeless => ("contract", Fix::Vendor),
            Cause::CursorGone | Cause::NotNamed => ("contract", Fix::Vendor),
            Cause::NoReading(_) | Cause::NoSequences(_) => ("contract", Fix::Config),
            Cause::SlowDown => ("pace", Fix::Vendor),
            Cause::Busy(_) | Cause::InProgress => ("unreached", Fix::Vendor),
            Cause::Unreached(_) => ("unreached", Fix::Config),
            Cause::NotAnObject | Cause::Unaddressable | Cause::KeyReused(..) => {
                ("defect", Fix::Vendor)
            }
            Cause::Conflict(..) => ("conflict", Fix::Office),
            Cause::TooLarge(..) => ("too_large", Fix::Config),
            Cause::Content(..) => ("content", Fix::Office),
        };
        let fault = Fault::of(&cause.to_string());
        assert_eq!((fault.rule, fault.fix), (rule, fix), "{cause}");
    }
    let code = Some("invalid_email".to_owned());
    let fault = Fault::of(&Cause::Content(422, code).to_string());
    assert_eq!(fault.code.as_deref(), Some("422 invalid_email"));
    assert_eq!(fault.field, Some("email"));
}
