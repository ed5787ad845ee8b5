//! Calls of providers and of the CRM: who is believed, what follows, and what is not believed twice.

use std::time::{Duration, Instant};

use odx_core::outreach::Inbound;

use crate::world::{PATH, Up, WEBHOOK, World, rest};

const ANA: &str = "+15035550187";

async fn world(offices: usize) -> (World, Up) {
    let world = World::new(offices, 4, "plan").await;
    let up = world.up().await;
    (world, up)
}

fn stop(office: &str, reason: &str) -> (String, String) {
    (format!("texts:{office}"), reason.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_said_to_one_sender_holds_at_every_office_that_has_it_and_at_no_other() {
    let (world, up) = world(3).await;
    assert_eq!(up.post(&world.says("main-st", ANA, "STOP")).await, 200);
    // The provider repeats itself.
    assert_eq!(up.post(&world.says("main-st", ANA, "STOP")).await, 200);
    up.down().await;
    let both = ["elm-st", "main-st"].map(|office| stop(office, "keyword_stop"));
    assert_eq!(world.stops(), both);
    world.nothing_leaked();
    assert!(!world.log().contains(ANA));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_who_they_say_is_told_nothing_and_changes_nothing() {
    let (world, up) = world(1).await;
    let good = world.says("main-st", ANA, "STOP");
    let body = good.body.expose().clone();
    let path = format!("/{PATH}/texts/main-st");
    let with = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let forged = with("x-twilio-signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let bearer = |token: &str| with("authorization", &format!("Bearer {token}"));
    let large = vec![b'x'; (1 << 20) + 1];
    let stops = format!("/{PATH}/stops/main-st");
    for (head, headers, body, status) in [
        (format!("POST {path}"), forged, &body, 401),
        (format!("POST {path}"), vec![], &body, 401),
        // Signed for another address.
        (format!("POST {path}?a=b"), good.headers.clone(), &body, 401),
        // Signed, and changed on its way.
        (
            format!("POST {path}"),
            good.headers.clone(),
            &[&body[..], b"&a=b"].concat(),
            401,
        ),
        (
            format!("POST /{PATH}/texts/nobody"),
            good.headers.clone(),
            &body,
            401,
        ),
        (
            format!("POST /{PATH}/mail/main-st"),
            good.headers.clone(),
            &body,
            401,
        ),
        (
            format!("POST /{PATH}x/texts/main-st"),
            good.headers.clone(),
            &body,
            404,
        ),
        (format!("GET {path}"), good.headers.clone(), &vec![], 405),
        (format!("POST {path}"), good.headers.clone(), &large, 413),
        (format!("POST {stops}"), vec![], &b"[]".to_vec(), 401),
        (
            format!("POST {stops}"),
            bearer("token-of-main"),
            &b"[]".to_vec(),
            401,
        ),
        (
            format!("POST {stops}"),
            bearer(WEBHOOK),
            &b"{}".to_vec(),
            400,
        ),
        (format!("POST {stops}"), bearer(WEBHOOK), &large, 413),
    ] {
        assert_eq!(up.send(&head, &headers, body).await, status, "{head}");
    }
    up.down().await;
    assert_eq!(world.stops(), []);
    let log = world.log();
    assert!(log.contains("not by who they say"), "{log}");
    world.nothing_leaked();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_played_again_lifts_no_later_stop() {
    let (world, up) = world(2).await;
    let stopped = ["elm-st", "main-st"].map(|office| stop(office, "keyword_stop"));
    assert_eq!(up.post(&world.says("main-st", ANA, "STOP")).await, 200);
    let start = world.says("main-st", ANA, "START");
    assert_eq!(up.post(&start).await, 200);
    up.down().await;
    assert_eq!(world.stops(), []);

    let up = world.up().await;
    assert_eq!(up.post(&world.says("main-st", ANA, "STOP")).await, 200);
    // Again as it was, in another order, and after the program has begun anew.
    assert_eq!(up.post(&start).await, 200);
    let mut pairs: Vec<_> = String::from_utf8(start.body.expose().clone())
        .unwrap()
        .split('&')
        .map(str::to_owned)
        .collect();
    pairs.reverse();
    let turned = Inbound::new(
        start.url.clone(),
        start.headers.clone(),
        pairs.join("&").into_bytes(),
        start.now,
    );
    assert_eq!(up.post(&turned).await, 200);
    up.down().await;
    assert_eq!(world.stops(), stopped);
    let up = world.up().await;
    assert_eq!(up.post(&start).await, 200);
    up.down().await;
    assert_eq!(world.stops(), stopped);

    // A START of its own is one.
    let up = world.up().await;
    assert_eq!(up.post(&world.says("main-st", ANA, "START")).await, 200);
    up.down().await;
    assert_eq!(world.stops(), []);
    world.nothing_leaked();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_not_understood_waits_for_a_person_and_gives_way_to_a_stop() {
    let (world, up) = world(2).await;
    let words = "please do not text me about this any more, thanks";
    assert_eq!(up.post(&world.says("main-st", ANA, words)).await, 200);
    up.down().await;
    let first: Vec<_> = world.stops();
    assert_eq!(first.len(), 2, "{first:?}");
    let waits = first.iter().all(|(_, reason)| reason == "needs_person");
    let log = world.log();
    if waits {
        assert!(log.contains("a reply waits for a person"), "{log}");
    }
    let up = world.up().await;
    assert_eq!(up.post(&world.says("main-st", ANA, "STOP")).await, 200);
    // The keyword takes no stop back that waits for a person, and does one that was said with it.
    up.down().await;
    let stopped = ["elm-st", "main-st"].map(|office| stop(office, "keyword_stop"));
    assert_eq!(world.stops(), stopped);
    assert!(!world.log().contains(words));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crm_tells_opt_outs_by_itself() {
    let (world, up) = world(2).await;
    let headers = [("authorization".to_owned(), format!("Bearer {WEBHOOK}"))];
    let body = format!(
        "{{\"suppressions\": [{{\"phone\": \"{ANA}\", \"channel\": \"sms\", \"reason\": \"dnd\"}}, 7]}}"
    );
    let head = format!("POST /{PATH}/stops/main-st");
    // Until the first pass has begun the CRM is not known; whoever gets no 200 calls again.
    let began = Instant::now();
    while up.send(&head, &headers, body.as_bytes()).await != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "never taken");
        rest(Duration::from_millis(50)).await;
    }
    up.down().await;
    let told = ("rest:main-st".to_owned(), "do not disturb".to_owned());
    assert_eq!(world.stops(), [told]);
    assert!(
        world
            .log()
            .contains("1 entries of an opt-out call of rest:main-st cannot be read")
    );
    assert!(!world.log().contains(ANA));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_before_the_file_says_live_and_reports_say_how_far_it_came() {
    let world = World::new(1, 40, "plan").await;
    let synced = world.run(&["--once"]).await;
    assert!(!synced.contains("told"), "{synced}");
    let plan = world.run(&["--dry-run"]).await;
    assert!(plan.contains("main-st: would tell "), "{plan}");
    world.reconfigure("mode = \"plan\"", "mode = \"off\"");
    let off = world.run(&["--dry-run"]).await;
    assert!(!off.contains("would tell"), "{off}");
    assert_eq!(world.texts.requests(), 0);

    world.reconfigure("mode = \"off\"", "mode = \"live\"");
    let live = world.run(&["--once"]).await;
    assert!(live.contains("main-st: told "), "{live}");
    let texts = world.texts.texts();
    assert!(!texts.is_empty());
    assert!(
        world.texts.misfits().is_empty(),
        "{:?}",
        world.texts.misfits()
    );
    let up = world.up().await;
    let report = |sid: &str, status: &str, code| world.texts.report(sid, status, code).unwrap();
    assert_eq!(
        up.post(&report(&texts[0].sid, "delivered", None)).await,
        200
    );
    assert_eq!(up.post(&report(&texts[0].sid, "sent", None)).await, 200);
    if let Some(text) = texts.get(1) {
        let filtered = report(&text.sid, "undelivered", Some(30007));
        assert_eq!(up.post(&filtered).await, 200);
    }
    up.down().await;
    assert!(
        texts.len() < 2
            || world
                .log()
                .contains("carriers filter what texts:main-st sends")
    );
    let db = rusqlite::Connection::open(world.state()).unwrap();
    let status = db.query_row(
        "SELECT status FROM effect WHERE receipt = ?1",
        [&texts[0].sid],
        |row| row.get::<_, i64>(0),
    );
    let other = db.query_row("SELECT max(status) FROM effect", [], |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(status.unwrap(), other.unwrap(), "a later report goes back");
    world.nothing_leaked();
}
