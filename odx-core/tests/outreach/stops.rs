//! Stops: whoever recorded them, everybody heeds them.

use chrono::TimeDelta;
use odx_core::model::{Channel, ConsentState, Email, Phone};
use odx_core::outreach::gate::Rule;
use odx_core::sink::{Suppression, Target};
use odx_core::store::outreach::{Lift, OutreachChange};
use odx_core::{ExternalId, SinkId};

use crate::office::{Bench, adult, noon, number, source_id};
use crate::scenes;

const DAY: TimeDelta = TimeDelta::days(1);

fn phone(n: u32) -> Target {
    Target::Phone(Phone::parse(&number(n)).unwrap())
}

#[tokio::test]
async fn s12_a_stop_on_the_providers_list_is_read_before_anything_is_sent_and_told_to_the_crm() {
    let b = Bench::new();
    b.put(adult(1));
    b.due("r1", "1", -3);
    b.texts.stop(phone(1), "keyword_stop");
    let report = b.run().await;
    // A text is stopped, mail is not.
    assert_eq!(report.untold.get(&Rule::Suppressed), Some(&1));
    assert_eq!(b.recipients(), ["p1@smile.co"]);
    b.later(DAY).await;
    let contacts = b.sink.contacts();
    let contact = &contacts[&ExternalId::from_kept("t:main-st:1")];
    assert_eq!(contact.consent.sms, ConsentState::Denied);
    assert_eq!(contact.consent.email, ConsentState::Unknown);
}

#[tokio::test]
async fn s12_a_stop_that_the_crm_recorded_ends_every_channel_it_names_also_at_the_gateways() {
    let b = Bench::new();
    for n in 1..=3 {
        b.put(adult(n));
        b.due(&format!("r{n}"), &n.to_string(), -3);
    }
    b.sink.stop(Suppression {
        target: Target::Contact(ExternalId::from_kept("t:main-st:1")),
        channel: None,
        reason: "dnd".to_owned(),
    });
    b.sink.stop(Suppression {
        target: Target::Email(Email::parse("P2@smile.co").unwrap()),
        channel: Some(Channel::Email),
        reason: "unsubscribed".to_owned(),
    });
    b.sink.stop(Suppression {
        target: phone(3),
        channel: Some(Channel::Sms),
        reason: "dnd".to_owned(),
    });
    let report = b.run().await;
    assert_eq!(report.untold.get(&Rule::CrmDnd), Some(&3));
    assert_eq!(b.recipients(), [number(2), "p3@smile.co".to_owned()]);
}

#[tokio::test]
async fn s12_a_stop_that_came_since_the_last_run_is_read_before_the_next_one_sends() {
    scenes::within_a_run().await.unwrap();
}

#[tokio::test]
async fn a_changed_number_is_another_address_and_an_old_one_stays_stopped() {
    let b = Bench::new();
    let mut person = adult(1);
    person.email = None;
    b.put(person.clone());
    b.due("r1", "1", -3);
    b.texts.stop(phone(1), "keyword_stop");
    b.run().await;
    assert!(b.sent().is_empty());
    person.mobile = Phone::parse(&number(9)).ok();
    b.put(person);
    b.later(DAY).await;
    assert_eq!(b.recipients(), [number(9)]);
}

#[tokio::test]
async fn s12_start_lifts_a_keyword_stop_of_the_same_sender_only() {
    let b = Bench::new();
    for n in [1, 2] {
        let mut person = adult(n);
        person.email = None;
        b.put(person);
        b.due(&format!("r{n}"), &n.to_string(), -3);
    }
    b.texts.stop(phone(1), "keyword_stop");
    b.texts.stop(phone(2), "landline");
    b.run().await;
    assert!(b.sent().is_empty());
    let lift = |n, origin: &str| Lift {
        target: phone(n),
        channel: Channel::Sms,
        origin: Some(SinkId::new(origin, "main-st").unwrap()),
        keyword_only: true,
        reason: "start".to_owned(),
    };
    let store = b.store.outreach();
    for (n, origin, lifted) in [(1, "mail", 0), (2, "texts", 0), (1, "texts", 1)] {
        b.texts.unstop(&number(n));
        let done = store
            .lift(&source_id(), &lift(n, origin), noon())
            .await
            .unwrap();
        assert_eq!(done, lifted, "{n} {origin}");
    }
    b.later(DAY).await;
    assert_eq!(b.recipients(), [number(1)]);
}

#[tokio::test]
async fn s12_a_crm_that_keeps_no_list_is_no_clear_record() {
    let mut b = Bench::new();
    b.sink.keep_no_list();
    b.put(adult(1));
    b.due("r1", "1", -3);
    let report = b.run().await;
    assert_eq!(report.untold.get(&Rule::CrmDndUnknown), Some(&1));
    assert!(b.sent().is_empty());
    b.settings.gate.recall_without_crm_list = true;
    b.run().await;
    assert_eq!(b.recipients(), [number(1)]);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_stops_everything_until_it_can() {
    let b = Bench::new();
    b.put(adult(1));
    b.due("r1", "1", -3);
    b.run().await;
    b.put(adult(2));
    b.due("r2", "2", -3);
    b.sink.fail_list(1000);
    b.clock.advance(std::time::Duration::from_secs(120));
    b.run().await;
    assert_eq!(b.sent().len(), 1);
    b.sink.fail_list(0);
    b.later(DAY).await;
    assert_eq!(b.sent().len(), 2);
}

#[tokio::test]
async fn a_stop_is_passed_on_once_to_the_gateway_of_its_channel() {
    let b = Bench::new();
    for n in 1..=3 {
        b.put(adult(n));
    }
    b.run().await;
    assert!(b.mails.passed_on().is_empty());
    b.sink.stop(Suppression {
        target: Target::Email(Email::parse("p2@smile.co").unwrap()),
        channel: None,
        reason: "unsubscribed".to_owned(),
    });
    for _ in 0..3 {
        b.later(DAY).await;
    }
    assert_eq!(b.mails.passed_on(), ["p2@smile.co"]);
    assert!(b.texts.passed_on().is_empty());
}

#[tokio::test]
async fn a_template_that_carriers_filter_is_not_used_until_it_is_another_one() {
    let b = Bench::new();
    let mut person = adult(1);
    person.email = None;
    b.put(person);
    b.due("r1", "1", -3);
    let store = b.store.outreach();
    let template = odx_core::outreach::Template::default_for(
        odx_core::outreach::Purpose::Recall,
        Channel::Sms,
    );
    let stop = OutreachChange::StopTemplate(template.unwrap().name());
    store.change_outreach(&source_id(), stop).await.unwrap();
    let report = b.run().await;
    assert_eq!(report.untold.get(&Rule::NoTemplate), Some(&1));
    assert!(b.sent().is_empty());
}
