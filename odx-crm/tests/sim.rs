//! The sink against the simulated CRM, whatever it does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands"
)]

mod common;

use std::num::NonZeroUsize;
use std::time::Duration;

use common::{TOKEN, ana, config, contact, patient, recall, schema, task};
use odx_core::crm::Delivery;
use odx_core::http::{Client, ClientSettings, Method, Reply};
use odx_core::model::{Channel, Email, Phone};
use odx_core::sink::{CrmSink, Outcome, Suppression, Target};
use odx_core::{Disposition, ErrorKind, ExternalId, Secret};
use odx_crm::sim::{Crm, Fault, Server};
use odx_crm::{Auth, IdIn, KeyStyle, RestConfig, RestSink};
use serde_json::{Value, json};

fn towards(server: &Server) -> RestConfig {
    config(server.base_url().as_str()).with_timeout(Duration::from_millis(500))
}

fn fifty() -> NonZeroUsize {
    NonZeroUsize::new(50).unwrap()
}

/// Sends until it is there, as the engine would; says how often.
async fn deliver(sink: &RestSink, batch: &[Delivery]) -> usize {
    let mut open: Vec<Delivery> = batch.to_vec();
    for round in 1..=20 {
        let limit = sink.limits().batch.get();
        let mut late = Vec::new();
        for chunk in open.chunks(limit) {
            match sink.apply(chunk).await {
                Ok(outcomes) => {
                    assert_eq!(outcomes.len(), chunk.len());
                    for (delivery, outcome) in chunk.iter().zip(outcomes) {
                        match outcome {
                            Outcome::Applied { .. } => {}
                            Outcome::Retry { .. } => late.push(delivery.clone()),
                            other => panic!("{other:?}"),
                        }
                    }
                }
                Err(error) => {
                    // A person has mended the token or the address.
                    assert_ne!(error.disposition(), Disposition::Reject);
                    late.extend_from_slice(chunk);
                }
            }
        }
        if late.is_empty() {
            return round;
        }
        open = late;
    }
    panic!("{} were never taken", open.len());
}

fn every_fault() -> Vec<Fault> {
    vec![
        Fault::Status(429, Some("1".into())),
        Fault::Status(503, Some("Fri, 20 Nov 2026 21:00:30 GMT".into())),
        Fault::Status(500, None),
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::StatusAfter(502),
        Fault::TruncatedAfter,
        Fault::HtmlLogin200,
        Fault::Redirect,
        Fault::Hang(Duration::from_secs(2)),
    ]
}

#[tokio::test]
async fn after_every_fault_the_record_is_there_once() {
    for batch in [1, 50] {
        for fault in every_fault() {
            let crm = Crm::new(TOKEN);
            let server = crm.serve().await.unwrap();
            let sink = towards(&server)
                .with_batch(NonZeroUsize::new(batch).unwrap())
                .build()
                .unwrap();
            crm.fail_next(2, fault.clone());
            let both = [contact(patient(1), 0), contact(patient(2), 0)];
            assert!(deliver(&sink, &both).await > 1, "{fault:?} went unnoticed");
            let held = crm.contacts();
            assert_eq!(held.len(), 2, "{fault:?}");
            assert!(held.iter().all(|held| held.hashes.len() == 1), "{fault:?}");
            let counts = crm.counts();
            assert_eq!((counts.creates, counts.updates), (2, 0), "{fault:?}");
            assert_eq!((counts.duplicates, counts.refused), (0, 0), "{fault:?}");
            // What looks needless is a repeat of what was not answered.
            assert_eq!(counts.identical_rewrites, counts.replays, "{fault:?}");
            assert_eq!(counts.requests, sink.requests(), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn faults_that_take_effect_are_repeated_and_those_that_do_not_are_not() {
    for (fault, effect) in [
        (Fault::ResetBefore, 0),
        (Fault::Status(500, None), 0),
        (Fault::HtmlLogin200, 0),
        (Fault::Redirect, 0),
        (Fault::ResetAfter, 1),
        (Fault::StatusAfter(502), 1),
        (Fault::TruncatedAfter, 1),
        (Fault::Hang(Duration::from_secs(2)), 1),
    ] {
        let crm = Crm::new(TOKEN);
        let server = crm.serve().await.unwrap();
        let sink = towards(&server).build().unwrap();
        crm.fail_next(1, fault.clone());
        let got = sink.apply(&[contact(ana(), 0)]).await;
        assert!(
            !matches!(got.as_deref(), Ok([Outcome::Applied { .. }])),
            "{fault:?}"
        );
        assert_eq!(crm.contacts().len(), effect, "{fault:?}");
    }
}

#[tokio::test]
async fn a_third_of_all_calls_failing_loses_nothing() {
    for batch in [1, 50] {
        let crm = Crm::new(TOKEN);
        let server = crm.serve().await.unwrap();
        let sink = towards(&server)
            .with_batch(NonZeroUsize::new(batch).unwrap())
            .build()
            .unwrap();
        let quick: Vec<_> = every_fault()
            .into_iter()
            .filter(|fault| !matches!(fault, Fault::Hang(_)))
            .collect();
        crm.rate(7, 0.3, &quick);
        let all: Vec<_> = (1..=120).map(|n| contact(patient(n), 0)).collect();
        deliver(&sink, &all).await;
        crm.clear_faults();
        let held = crm.contacts();
        assert_eq!(held.len(), 120);
        assert!(held.iter().all(|held| held.hashes.len() == 1));
        assert_eq!(crm.counts().duplicates, 0);
    }
}

#[tokio::test]
async fn a_value_that_goes_and_comes_back_arrives_three_times() {
    let crm = Crm::new(TOKEN);
    let server = crm.serve().await.unwrap();
    let sink = towards(&server).build().unwrap();
    let mut other = ana();
    other.tags.clear();
    let (a, b, a_again) = (contact(ana(), 0), contact(other, 1), contact(ana(), 2));
    for step in [&a, &b, &a_again] {
        deliver(&sink, std::slice::from_ref(step)).await;
    }
    let held = crm.contacts().remove(0);
    let sent: Vec<_> = [&a, &b, &a_again].map(|d| d.hash.to_wire()).to_vec();
    assert_eq!(held.hashes, sent);
    assert_eq!(held.record, ana());
    // The first one again, late: known, and without effect.
    deliver(&sink, std::slice::from_ref(&b)).await;
    assert_eq!(crm.contacts()[0].record, ana());
    assert_eq!(
        (crm.counts().replays, crm.counts().identical_rewrites),
        (1, 0)
    );
    // A day later the key is forgotten, and the late one would win.
    crm.advance(Duration::from_secs(24 * 3600));
    deliver(&sink, std::slice::from_ref(&b)).await;
    assert_eq!(crm.contacts()[0].hashes.len(), 4);
}

#[tokio::test]
async fn accounts_of_one_server_do_not_see_each_other() {
    let crm = Crm::with_tokens(&["one", "two"]);
    let server = crm.serve().await.unwrap();
    for token in ["one", "two"] {
        let auth = Auth::Bearer(Secret::new(token));
        let sink = towards(&server).with_auth(auth).build().unwrap();
        deliver(&sink, &[contact(ana(), 0)]).await;
        assert_eq!(crm.contacts_of(token).len(), 1);
        if token == "one" {
            assert!(crm.contacts_of("two").is_empty());
        }
    }
    assert_eq!(crm.contacts().len(), 2);
    assert_eq!(crm.counts().creates, 2);
    let stranger = towards(&server)
        .with_auth(Auth::Bearer(Secret::new("three")))
        .build()
        .unwrap();
    let error = stranger.apply(&[contact(ana(), 0)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert_eq!(crm.counts().unauthorized, 1);
}

#[tokio::test]
async fn a_revoked_token_stops_and_a_restored_one_goes_on() {
    let crm = Crm::new(TOKEN);
    let server = crm.serve().await.unwrap();
    let sink = towards(&server).build().unwrap();
    crm.revoke_token();
    for got in [
        sink.apply(&[contact(ana(), 0)]).await.map(|_| ()),
        sink.suppressions(None).await.map(|_| ()),
        sink.probe().await.map(|_| ()),
    ] {
        assert_eq!(got.unwrap_err().kind(), ErrorKind::Credentials);
    }
    crm.restore_token();
    deliver(&sink, &[contact(ana(), 0)]).await;
}

#[tokio::test]
async fn a_task_of_nobody_and_a_refused_contact_hold_up_nobody_else() {
    let crm = Crm::new(TOKEN);
    let server = crm.serve().await.unwrap();
    let sink = towards(&server).with_batch(fifty()).build().unwrap();
    crm.refuse_contact("od:1001:2", 422);
    let batch: Vec<_> = (1..=3).map(|n| contact(patient(n), 0)).collect();
    let got = sink.apply(&batch).await.unwrap();
    assert!(matches!(got[0], Outcome::Applied { .. }));
    assert!(matches!(&got[1], Outcome::Rejected { reason } if reason.contains("422 refused")));
    assert!(matches!(got[2], Outcome::Applied { .. }));
    crm.accept_contact("od:1001:2");
    deliver(&sink, &batch[1..2]).await;

    let got = sink.apply(&[task(recall(), 0)]).await.unwrap();
    assert!(matches!(&got[0], Outcome::Rejected { reason } if reason.contains("unknown_contact")));
    let mut hers = recall();
    hers.contact_external_id = ExternalId::from_kept("od:1001:1");
    deliver(&sink, &[task(hers, 1)]).await;
    assert_eq!(crm.tasks().len(), 1);
}

#[tokio::test]
async fn every_setting_of_the_sink_is_understood() {
    let crm = Crm::new(TOKEN);
    let server = crm.serve().await.unwrap();
    let body = towards(&server)
        .with_id_in(IdIn::Body)
        .with_key_style(KeyStyle::Bare);
    deliver(
        &body.build().unwrap(),
        &[contact(ana(), 0), task(recall(), 0)],
    )
    .await;
    assert_eq!((crm.contacts().len(), crm.tasks().len()), (1, 1));
    crm.remove_batch_route();
    let batch = towards(&server).with_batch(fifty()).build().unwrap();
    deliver(&batch, &[contact(patient(1), 0), contact(patient(2), 0)]).await;
    assert_eq!(batch.limits().batch.get(), 1);
    assert_eq!(crm.contacts().len(), 3);
}

#[tokio::test]
async fn stops_come_back_page_by_page() {
    let crm = Crm::new(TOKEN);
    let server = crm.serve().await.unwrap();
    let sink = towards(&server).build().unwrap();
    let stop = |target, channel| Suppression {
        target,
        channel,
        reason: "stop".into(),
    };
    let stops = vec![
        stop(
            Target::Phone(Phone::parse("+15035550123").unwrap()),
            Some(Channel::Sms),
        ),
        stop(
            Target::Email(Email::parse("a@smile.co").unwrap()),
            Some(Channel::Email),
        ),
        stop(Target::Contact(ExternalId::from_kept("od:1001:55")), None),
    ];
    crm.set_suppressions(stops.clone());
    crm.set_suppressions_page(NonZeroUsize::new(2).unwrap());
    let mut read = Vec::new();
    let mut since = None;
    loop {
        let page = sink.suppressions(since).await.unwrap();
        read.extend(page.stops);
        since = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!(read, stops);
    assert_eq!(since, None);
    crm.remove_suppressions();
    assert!(sink.suppressions(None).await.unwrap().stops.is_empty());
}

#[tokio::test]
async fn records_outlive_the_server_and_a_dropped_server_is_gone() {
    let crm = Crm::new(TOKEN);
    let server = crm.serve().await.unwrap();
    let sink = towards(&server).build().unwrap();
    deliver(&sink, &[contact(ana(), 0)]).await;
    drop(server);
    let got = sink.apply(&[contact(ana(), 0)]).await.unwrap();
    assert!(matches!(got[0], Outcome::Retry { .. }));
    let server = crm.serve().await.unwrap();
    let sink = towards(&server).build().unwrap();
    deliver(&sink, &[contact(ana(), 0)]).await;
    assert_eq!((crm.counts().creates, crm.counts().replays), (1, 1));
}

/// Sends a body by hand.
async fn raw(server: &Server, path: &str, key: &str, body: &Value) -> Reply {
    let client = Client::new(ClientSettings::new("test")).unwrap();
    let url = format!("{}/{path}", server.base_url()).parse().unwrap();
    let request = client
        .request(Method::PUT, url)
        .bearer_auth(TOKEN)
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", key)
        .body(body.to_string());
    client.send(request).await.unwrap()
}

fn body_of(delivery: &Delivery) -> Value {
    let mut body: Value = serde_json::from_slice(delivery.canonical.expose()).unwrap();
    body["content_hash"] = delivery.hash.to_wire().into();
    body
}

#[tokio::test]
async fn a_key_used_for_other_content_is_a_counted_duplicate() {
    let crm = Crm::new(TOKEN);
    let server = crm.serve().await.unwrap();
    let key = format!("\"{}\"", "k".repeat(43));
    let one = raw(&server, "contacts", &key, &body_of(&contact(patient(1), 0))).await;
    assert_eq!(one.status.as_u16(), 201);
    let two = raw(&server, "contacts", &key, &body_of(&contact(patient(2), 0))).await;
    assert_eq!(two.status.as_u16(), 422);
    assert_eq!(crm.counts().duplicates, 1);
    let again = raw(
        &server,
        "contacts",
        &"x".repeat(43),
        &body_of(&contact(patient(1), 0)),
    )
    .await;
    assert_eq!(again.status.as_u16(), 200);
    assert_eq!(
        (crm.counts().identical_rewrites, crm.counts().replays),
        (1, 0)
    );
    assert_eq!(
        raw(&server, "contacts", "", &json!({}))
            .await
            .status
            .as_u16(),
        400
    );
    let wrong = raw(
        &server,
        "contacts/od%3A1001%3A9",
        &"y".repeat(43),
        &body_of(&contact(patient(1), 0)),
    )
    .await;
    assert_eq!(wrong.status.as_u16(), 422);
}

#[tokio::test]
async fn the_simulator_takes_what_the_schema_takes_and_nothing_else() {
    let crm = Crm::new(TOKEN);
    let server = crm.serve().await.unwrap();
    let odd_values = [
        json!(null),
        json!(""),
        json!("x"),
        json!(7),
        json!(true),
        json!([]),
        json!(["a", "a"]),
        json!(["a", ""]),
        json!(["a", "b"]),
        json!({}),
        json!({"a": "b"}),
        json!({"a": 1}),
        json!({"sms": "granted", "email": "denied", "voice": "unknown"}),
        json!({"sms": "granted", "email": "yes", "voice": "unknown"}),
        json!({"sms": "granted", "email": "denied"}),
        json!("+15035550123"),
        json!("+05035550123"),
        json!("+150355501234567"),
        json!("voip"),
        json!("landline_hint"),
        json!("overdue"),
        json!("cancelled"),
        json!("recall"),
        json!("od:a"),
        json!("od:a:b:c:d"),
        json!("od:a:b:c:d:e"),
        json!("Od:a:b"),
        json!("od::b"),
        json!(format!("sha256:{}", "0".repeat(64))),
        json!(format!("sha256:{}", "A".repeat(64))),
    ];
    // The schema calls it a date and checks no calendar.
    let unchecked = ["due_date"];
    let mut tried = 0;
    for (definition, path, whole) in [
        ("putContact", "contacts", body_of(&contact(ana(), 0))),
        ("putTask", "tasks", body_of(&task(recall(), 0))),
    ] {
        let schema = schema(definition);
        let mut fields: Vec<String> = schema_fields(definition);
        fields.push("surplus".into());
        for field in fields {
            let mut bodies = vec![{
                let mut without = whole.clone();
                without.as_object_mut().unwrap().remove(&field);
                without
            }];
            for odd in &odd_values {
                if unchecked.contains(&field.as_str()) && odd.is_string() {
                    continue;
                }
                let mut with = whole.clone();
                with[&field] = odd.clone();
                bodies.push(with);
            }
            for body in bodies {
                tried += 1;
                let key = format!("key-for-one-try-only-{tried:06}");
                let reply = raw(&server, path, &key, &body).await;
                let answer: Value = serde_json::from_slice(&reply.body).unwrap();
                let code = answer["code"].as_str().unwrap_or_default();
                // Past the shape it looks at what it holds.
                let shaped = matches!(code, "" | "unknown_contact" | "unsupported");
                assert_eq!(
                    shaped,
                    schema.is_valid(&body),
                    "{field}: {body} -> {answer}"
                );
            }
        }
    }
    assert!(tried > 600, "{tried}");
}

fn schema_fields(definition: &str) -> Vec<String> {
    let whole = common::fixture("generic.schema.json");
    let properties = whole["$defs"][definition]["properties"]
        .as_object()
        .unwrap();
    properties.keys().cloned().collect()
}

#[tokio::test]
async fn kept_writes_tell_what_came_and_put_the_crm_back_to_where_it_was() {
    let crm = Crm::new(TOKEN);
    crm.keep_writes();
    let server = crm.serve().await.unwrap();
    let sink = towards(&server).build().unwrap();
    let mended = odx_core::crm::Contact {
        preferred_name: Some(odx_core::Phi::new("Annie".into())),
        ..ana()
    };
    let sent = [
        contact(ana(), 1),
        task(recall(), 1),
        contact(ana(), 1),
        contact(mended, 2),
    ];
    for delivery in sent {
        sink.apply(&[delivery]).await.unwrap();
    }
    let writes = crm.writes();
    let changed: Vec<_> = writes.iter().map(|write| write.changed).collect();
    assert_eq!(changed, [true, true, false, true]);
    let nicknames = |crm: &Crm| -> Vec<_> {
        crm.contacts()
            .into_iter()
            .map(|held| held.record.preferred_name.map(|name| name.expose().clone()))
            .collect()
    };
    assert_eq!(nicknames(&crm), [Some("Annie".to_owned())]);
    crm.replay(&writes[..3]);
    assert_eq!(nicknames(&crm), [None]);
    assert_eq!((crm.tasks().len(), crm.counts().creates), (1, 2));
    // A replayed key is a known key.
    sink.apply(&[contact(ana(), 1)]).await.unwrap();
    assert_eq!((crm.counts().updates, crm.counts().duplicates), (0, 0));
}
