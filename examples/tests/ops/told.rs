//! What operators are told while offices are followed.

use std::time::{Duration, Instant};

use serde_json::Value;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::world::{interrupt, rest};
use crate::{followed, nobody, say, with, world};

async fn listener() -> MockServer {
    let server = MockServer::start().await;
    for (verb, at) in [("POST", "/hook/k3y-in-path"), ("GET", "/ping/k3y-in-path")] {
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(ResponseTemplate::new(200))
            .mount(&server)
            .await;
    }
    server
}

async fn posts(server: &MockServer) -> (Vec<Value>, usize) {
    let all = server.received_requests().await.unwrap();
    let hooks = all.iter().filter(|one| one.method.as_str() == "POST");
    let hooks = hooks.map(|one| serde_json::from_slice(&one.body).unwrap());
    let pings: Vec<_> = all
        .iter()
        .filter(|one| one.method.as_str() == "GET")
        .collect();
    for ping in &pings {
        assert!(
            ping.body.is_empty() && ping.url.query().is_none(),
            "a ping says something"
        );
    }
    (hooks.collect(), pings.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_summary_goes_out_once_a_day_a_ping_after_passes_and_a_note_when_the_import_is_done() {
    let world = world(30, 1).await;
    let server = listener().await;
    let uri = server.uri();
    with(
        &world,
        &format!(
            "[office.closed]\nweekdays = [\"sat\", \"sun\"]\ndates = [\"2026-12-25\"]\n\
             [summary]\nat = \"00:00\"\nwebhook = \"{uri}/hook/k3y-in-path\"\n\
             [health]\nping = \"{uri}/ping/k3y-in-path\"\nevery = \"200ms\"\n"
        ),
    );
    let mut program = followed(&world).await;
    let began = Instant::now();
    loop {
        let (hooks, pings) = posts(&server).await;
        if hooks.len() >= 2 && pings >= 2 {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{hooks:?} {pings}\n{}",
            world.tail()
        );
        rest(Duration::from_millis(100)).await;
    }
    assert_eq!(
        interrupt(&mut program).await.unwrap().code(),
        Some(0),
        "{}",
        world.tail()
    );
    // A second process on the same day: the summary was sent.
    let mut program = followed(&world).await;
    rest(Duration::from_secs(2)).await;
    assert_eq!(
        interrupt(&mut program).await.unwrap().code(),
        Some(0),
        "{}",
        world.tail()
    );
    let (hooks, _) = posts(&server).await;
    let titles: Vec<_> = hooks
        .iter()
        .map(|one| one["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(
        titles
            .iter()
            .any(|title| title.contains("the first import is done")),
        "{titles:?}"
    );
    let summary = hooks.iter().find(|one| !one["summary"].is_null()).unwrap();
    assert!(summary["summary"]["audit"]["rows"].as_u64().is_some());
    nobody(
        &world,
        &format!("{hooks:?}{}", world.log()),
        "what operators are told",
    );
    assert!(!world.log().contains("k3y-in-path"), "{}", world.tail());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_about_who_is_told_name_their_remedy_and_quote_no_key() {
    for (more, what) in [
        (
            "[health]\nping = \"http://c4nary.example/p\"\n",
            "health.ping is no address that can be used",
        ),
        ("[health]\nevery = \"5m\"\n", "health.ping is missing"),
        ("[summary]\nat = \"07:00\"\n", "say where the summary goes"),
        (
            "[summary]\nat = \"soon\"\nwebhook = \"https://h.example/c4nary\"\n",
            "summary.at is no time of day",
        ),
        (
            "[summary]\nmail_to = [\"me@smile.co\"]\n",
            "summary.smtp is missing",
        ),
        (
            "[summary]\nwebhook = \"ftp://h.example/c4nary\"\n",
            "write one that begins with https://",
        ),
        (
            "[office.closed]\nweekdays = [\"someday\"]\n",
            "holds no day of the week",
        ),
        (
            "[office.closed]\ndates = [\"25.12.2026\"]\n",
            "write it as \"2026-12-25\"",
        ),
        (
            "[office.links]\ncrm = \"https://crm.example/\"\n",
            "must have {remote_id} or {external_id}",
        ),
        (
            "[summary]\nmail_to = [\"me@smile.co\"]\n[summary.smtp]\nhost = \"mail.example\"\nfrom = \"x@smile.co\"\nuser = \"u\"\n",
            "summary.smtp.password is missing",
        ),
    ] {
        let world = world(1, 1).await;
        with(&world, more);
        let said = say(&world, &["status"]);
        assert_eq!(said.code, Some(2), "{more}: {}", said.text);
        assert!(said.text.contains(what), "{what} not in {}", said.text);
        assert!(!said.text.contains("c4nary"), "{}", said.text);
    }
}
