//! Which address is asked, how often, and what is never asked twice. Counted,
//! not timed: the clock is the test's.

use std::sync::Mutex;

use chrono::{DateTime, Utc};
use odx_core::Phi;
use odx_core::http::ClientSettings;
use odx_core::testkit::TestClock;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;
use crate::wire::NewPatField;

const READ: Call = Call::Recalls { offset: 0 };

/// An address that answers as it is told, and counts.
struct Address(MockServer, Arc<Mutex<(u16, &'static str)>>);

struct Says(Arc<Mutex<(u16, &'static str)>>);

impl Respond for Says {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let (status, body) = *self.0.lock().unwrap();
        if request.url.path().ends_with("/securityperms") {
            return ResponseTemplate::new(200).set_body_string("[]");
        }
        ResponseTemplate::new(status).set_body_string(body)
    }
}

impl Address {
    async fn new() -> Self {
        let said = Arc::new(Mutex::new((200, "[]")));
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(Says(Arc::clone(&said)))
            .mount(&server)
            .await;
        Self(server, said)
    }

    fn says(&self, status: u16, body: &'static str) {
        *self.1.lock().unwrap() = (status, body);
    }

    async fn asked(&self) -> usize {
        self.0.received_requests().await.unwrap().len()
    }

    fn url(&self) -> String {
        self.0.uri()
    }
}

/// An address where nobody listens.
fn nobody() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", socket.local_addr().unwrap())
}

struct Office {
    api: Api,
    clock: TestClock,
}

/// `relayed`: which of them stands for the vendor's relay.
fn office(key: &str, urls: &[String], relayed: &[usize]) -> Office {
    let clock = TestClock::at(DateTime::<Utc>::UNIX_EPOCH);
    let credentials = Credentials {
        developer_key: Secret::new("developer"),
        customer_key: Secret::new(key),
    };
    let urls = urls
        .iter()
        .map(|url| format!("{url}/api/v1").parse().unwrap());
    let settings = ClientSettings::new("odx-test").with_timeout(Duration::from_secs(5));
    let mut api = Api::new(
        Client::new(settings).unwrap(),
        &credentials,
        urls.collect(),
        Pace::of(&credentials.customer_key, Some(Duration::ZERO)),
        Arc::new(clock.clone()),
    );
    for n in relayed {
        api.bases[*n].inside = false;
    }
    Office { api, clock }
}

fn field() -> Write {
    Write::PatField(NewPatField {
        pat_num: 10,
        field_name: "Ins Verified".to_owned(),
        field_value: Phi::new("No".to_owned()),
    })
}

async fn reads(office: &Office) -> Option<ErrorKind> {
    office.api.get(&READ).await.err().map(|error| error.kind())
}

#[tokio::test]
async fn a_dead_api_service_costs_one_connection_and_not_one_per_request() {
    let relay = Address::new().await;
    let office = office("cascade-1", &[nobody(), relay.url()], &[1]);
    for _ in 0..20 {
        assert_eq!(reads(&office).await, None);
    }
    assert_eq!(relay.asked().await, 20);
    assert_eq!(office.api.requests(), 21, "one in vain");
    // Each time its rest is over it costs one more, and rests for longer.
    for (seconds, in_vain) in [(14, 1), (1, 2), (29, 2), (1, 3), (59, 3), (1, 4)] {
        office.clock.advance(Duration::from_secs(seconds));
        assert_eq!(reads(&office).await, None);
        let asked = u64::try_from(relay.asked().await).unwrap();
        assert_eq!(office.api.requests() - asked, in_vain);
    }
}

#[tokio::test]
async fn the_better_address_is_taken_again_as_soon_as_it_answers() {
    let (service, relay) = (Address::new().await, Address::new().await);
    let office = office("cascade-2", &[service.url(), relay.url()], &[1]);
    office.api.bases[0].health.failed(office.clock.now());
    assert_eq!(reads(&office).await, None);
    assert_eq!((service.asked().await, relay.asked().await), (0, 1));
    office.clock.advance(Duration::from_secs(15));
    for _ in 0..3 {
        assert_eq!(reads(&office).await, None);
    }
    assert_eq!((service.asked().await, relay.asked().await), (3, 1));
    assert_eq!(office.api.current().unwrap().port(), {
        let url: Url = service.url().parse().unwrap();
        url.port()
    });
}

#[tokio::test]
async fn when_all_are_left_alone_one_is_asked_and_not_all() {
    let office = office("cascade-3", &[nobody(), nobody()], &[]);
    assert_eq!(reads(&office).await, Some(ErrorKind::Unavailable));
    assert_eq!(office.api.requests(), 2);
    for n in 3..7 {
        assert_eq!(reads(&office).await, Some(ErrorKind::Unavailable));
        assert_eq!(office.api.requests(), n);
    }
}

#[tokio::test]
async fn a_relay_that_says_offline_lets_the_next_address_try() {
    for (status, body) in [
        (400, "The office's eConnector is not running."),
        (504, ""),
        (502, "<html>Bad Gateway</html>"),
        (503, ""),
    ] {
        let (relay, local) = (Address::new().await, Address::new().await);
        let office = office("cascade-4", &[relay.url(), local.url()], &[0]);
        relay.says(status, body);
        for _ in 0..5 {
            assert_eq!(reads(&office).await, None, "{status}");
        }
        assert_eq!((relay.asked().await, local.asked().await), (1, 5));
    }
    // Where there is no other, or none that answers, it is said that the office is offline.
    let relay = Address::new().await;
    relay.says(504, "");
    for urls in [vec![relay.url()], vec![relay.url(), nobody()]] {
        let office = office("cascade-5", &urls, &[0]);
        let error = office.api.get(&READ).await.map(|_| ()).unwrap_err();
        assert!(error.chain().contains("status 504"), "{}", error.chain());
    }
}

#[tokio::test]
async fn an_answer_that_is_about_the_key_or_the_question_asks_nobody_else() {
    for (status, body) in [
        (401, ""),
        (403, ""),
        (429, ""),
        (400, "Method requires version 22.4.40 or greater"),
        (400, "nobody has seen this text"),
        (404, ""),
        (500, ""),
    ] {
        let (relay, local) = (Address::new().await, Address::new().await);
        let office = office("cascade-6", &[relay.url(), local.url()], &[0]);
        relay.says(status, body);
        assert!(reads(&office).await.is_some(), "{status} {body}");
        assert_eq!(local.asked().await, 0, "{status} {body}");
    }
    // Inside the office nothing speaks for a relay.
    let (service, relay) = (Address::new().await, Address::new().await);
    service.says(503, "");
    let office = office("cascade-7", &[service.url(), relay.url()], &[1]);
    assert_eq!(reads(&office).await, Some(ErrorKind::Unavailable));
    assert_eq!(relay.asked().await, 0);
}

#[tokio::test]
async fn a_query_may_fall_over_because_it_only_reads() {
    let relay = Address::new().await;
    let office = office("cascade-8", &[nobody(), relay.url()], &[1]);
    let query = Call::Query {
        sql: Phi::new("SELECT PatNum FROM patient".to_owned()),
        offset: 100,
    };
    office.api.get(&query).await.unwrap();
    let asked = relay.0.received_requests().await.unwrap();
    assert_eq!(asked[0].method.as_str(), "PUT");
    assert_eq!(asked[0].url.query(), Some("Offset=100"));
    assert_eq!(
        asked[0].body,
        br#"{"SqlCommand":"SELECT PatNum FROM patient"}"#
    );
}

#[tokio::test]
async fn a_write_goes_to_one_address_once_whatever_comes_of_it() {
    for (status, body) in [
        (200, ""),
        (400, "The office's eConnector is not running."),
        (400, "nobody has seen this"),
        (400, "PatNum is required"),
        (429, ""),
        (500, ""),
        (502, ""),
        (504, ""),
    ] {
        let (relay, local) = (Address::new().await, Address::new().await);
        let office = office("cascade-9", &[relay.url(), local.url()], &[0]);
        relay.says(status, body);
        let end = office.api.write(&field()).await;
        assert_eq!(end.is_ok(), status == 200);
        assert_eq!((relay.asked().await, local.asked().await), (1, 0));
    }
}

#[tokio::test]
async fn a_write_without_a_connection_was_not_sent_and_the_next_one_goes_elsewhere() {
    let relay = Address::new().await;
    let office = office("cascade-10", &[nobody(), relay.url()], &[1]);
    let error = office.api.write(&field()).await.unwrap_err();
    assert!(matches!(error, ActError::NotSent(_)), "{error:?}");
    assert_eq!(relay.asked().await, 0, "it was repeated by the client");
    assert!(office.api.write(&field()).await.is_ok());
    assert_eq!(relay.asked().await, 1);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_a_write_in_doubt() {
    use tokio::io::AsyncReadExt as _;

    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let relay = Address::new().await;
    let office = office("cascade-11", &[url, relay.url()], &[1]);
    let server = tokio::spawn(async move {
        let (mut peer, _) = socket.accept().await.unwrap();
        let mut some = [0; 64];
        peer.read_exact(&mut some).await.unwrap();
    });
    let error = office.api.write(&field()).await.unwrap_err();
    assert!(matches!(error, ActError::InDoubt(_)), "{error:?}");
    server.await.unwrap();
    assert_eq!(relay.asked().await, 0);
}

#[tokio::test]
async fn a_401_for_a_write_names_the_permission_that_is_missing() {
    let service = Address::new().await;
    service.says(401, "");
    let office = office("cascade-12", &[service.url()], &[]);
    let ActError::Refused(error) = office.api.write(&field()).await.unwrap_err() else {
        panic!("a 401 wrote nothing");
    };
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(error.chain().contains("ApiAllOthers"), "{}", error.chain());
}
