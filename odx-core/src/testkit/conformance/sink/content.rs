//! What a record says, and whose it is.

use super::desk::{Desk, sure};
use super::{SinkHarness, Stored};
use crate::crm::{Body, Entity, TaskStatus};
use crate::id::{HouseholdKey, PatientKey};
use crate::model::ConsentState;
use crate::phi::Phi;
use crate::sink::Outcome;

/// Every field arrives in its place, as it was given, and nothing else does.
pub async fn content_arrives_as_given<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("content_arrives_as_given").await else {
        return;
    };
    for (entity, least) in [
        (Entity::Contact, ["first_name", "last_name"]),
        (Entity::Task, ["due_date", "status"]),
    ] {
        let kept = desk.harness.keeps(entity);
        for field in least {
            assert!(
                kept.is_none_or(|kept| kept.contains(&field)),
                "a crm that does not keep {field} cannot be kept true"
            );
        }
    }
    let full = desk.person(1);
    let mut bare = desk.person(2);
    // Each channel meets each state: unknown is not yes.
    bare.consent.email = ConsentState::Denied;
    bare.consent.sms = ConsentState::Unknown;
    bare.consent.voice = ConsentState::Granted;
    bare.custom.voice_phone = None;
    bare.email = None;
    bare.household_external_id = None;
    bare.phone = None;
    bare.phone_kind = None;
    bare.preferred_name = None;
    bare.tags.clear();
    bare.timezone = None;
    let mut consents = desk.person(3);
    consents.consent.sms = ConsentState::Denied;
    consents.consent.email = ConsentState::Granted;
    consents.consent.voice = ConsentState::Unknown;
    let mut all = vec![
        desk.contact(&full, 1),
        desk.contact(&bare, 1),
        desk.contact(&consents, 1),
    ];
    desk.deliver(&all).await;
    let mut tasks = Vec::new();
    for (n, status) in [
        (1, TaskStatus::Open),
        (2, TaskStatus::Completed),
        (3, TaskStatus::Cancelled),
    ] {
        let mut recall = desk.recall(n, n);
        recall.status = status;
        if status != TaskStatus::Open {
            recall.segment = None;
        }
        recall.title = format!("Recall visit {n}");
        tasks.push(desk.task(&recall, 1));
    }
    desk.deliver(&tasks).await;
    all.extend(tasks);
    desk.assert_only_so(&all).await;
}

/// Text of patients that bites: each arrives as it is, and does no harm.
const ODD: [&str; 15] = [
    "Zo\u{eb} 🦷👩‍👩‍👧",
    "=HYPERLINK(\"http://example.invalid\",\"x\")",
    "+1+1",
    "@SUM(1)",
    "-2+3",
    "null",
    "undefined",
    "A\r\nBcc: x@example.invalid\r\n\r\nbody",
    "A\tB",
    "\u{202e}elbairaV",
    "O'Neil \"Bob\"; DROP TABLE contacts;--",
    "back\\slash/ %00 %2F {} [] <b>",
    "Ni\u{f1}o",
    "Nin\u{303}o",
    "0",
];

/// Odd names arrive as they were given, and no name sinks another's record.
pub async fn odd_content_survives<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("odd_content_survives").await else {
        return;
    };
    let long = "L\u{f3}ng".repeat(45);
    let mut all = Vec::new();
    for (n, text) in ODD.into_iter().chain([long.as_str()]).enumerate() {
        let mut person = desk.person(n);
        person.first_name = Phi::new(text.to_owned());
        person.last_name = Phi::new(text.to_owned());
        person.preferred_name = Some(Phi::new(text.to_owned()));
        all.push(desk.contact(&person, 1));
    }
    desk.deliver(&all).await;
    // Titles are the office's own words, in its own language.
    let mut task = desk.recall(0, 0);
    task.title = "Contr\u{f4}le \u{2013} \u{76ee}; \"6 mois\", d\u{fb} \u{1f9b7}".to_owned();
    let task = desk.task(&task, 1);
    desk.deliver(std::slice::from_ref(&task)).await;
    all.push(task);
    desk.assert_only_so(&all).await;
}

/// A family shares a number, an address and a last name. They stay as many
/// people as they are, and each task hangs from its own.
pub async fn two_people_with_one_address_stay_two<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("two_people_with_one_address_stay_two").await else {
        return;
    };
    let first = desk.person(1);
    let mut all = Vec::new();
    for n in 1..=3 {
        let mut person = first.clone();
        person.external_id = desk.ids().patient(&PatientKey::new(n.to_string()));
        person.household_external_id = Some(desk.ids().household(&HouseholdKey::new("1")));
        if n == 2 {
            person.first_name = Phi::new("Sibling".to_owned());
        }
        // The third is the first's namesake in all but the id.
        all.push(desk.contact(&person, 1));
    }
    desk.deliver(&all).await;
    let tasks: Vec<_> = (1..=3).map(|n| desk.task(&desk.recall(n, n), 1)).collect();
    desk.deliver(&tasks).await;
    for (n, task) in tasks.iter().enumerate() {
        let whose = desk.ids().patient(&PatientKey::new((n + 1).to_string()));
        desk.assert_field(task, "contact_external_id", whose.as_str())
            .await;
    }
    all.extend(tasks);
    desk.assert_only(&all).await;
}

/// Where a sink hands on the CRM's own ids: each is that of its record, alone
/// and in a batch, and stays the same.
pub async fn a_remote_id_stays_with_its_record<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_remote_id_stays_with_its_record").await else {
        return;
    };
    let mut people = desk.people(1, 4);
    let given = remote_ids(&desk.deliver(&people).await);
    if given.iter().all(Option::is_none) {
        println!("not checked: {}: the sink hands on no ids", desk.check);
        return;
    }
    let mut known: Vec<_> = given.iter().flatten().collect();
    known.sort();
    known.dedup();
    assert_eq!(
        known.len(),
        given.iter().flatten().count(),
        "two records have the same id in the crm"
    );
    let held = desk.ours().await;
    for (op, given) in people.iter_mut().zip(&given) {
        let id = op.op.external_id().clone();
        let object = held.get(&id).and_then(|objects| objects.first());
        if let (Some(held), Some(given)) = (object.and_then(|o| o.remote_id.as_ref()), given) {
            assert_eq!(held, given, "{id} was given the id of another object");
        }
        let Body::Contact(contact) = &op.op.body else {
            continue;
        };
        let mut contact = contact.clone();
        contact.last_name = Phi::new("Renamed".to_owned());
        *op = desk.contact(&contact, 2);
        let alone = remote_ids(&desk.deliver(std::slice::from_ref(op)).await);
        let [alone] = alone.as_slice() else { continue };
        if let (Some(alone), Some(given)) = (alone, given) {
            assert_eq!(alone, given, "{id} has one id in a batch and another alone");
        }
    }
    desk.assert_only(&people).await;
}

fn remote_ids(outcomes: &[Outcome]) -> Vec<Option<String>> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Applied { remote_id } => remote_id.clone(),
            _ => None,
        })
        .collect()
}

/// Whom somebody entered by hand stays as they are, however much they look like
/// a patient of ours, and our patient gets an object of their own.
pub async fn foreign_objects_stay_as_they_are<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("foreign_objects_stay_as_they_are").await else {
        return;
    };
    let mut person = desk.person(1);
    if !desk.can(desk.harness.put_foreign(&person).await) {
        return;
    }
    let before = foreign(&desk).await;
    assert!(!before.is_empty(), "the harness entered nobody");
    desk.deliver(&[desk.contact(&person, 1)]).await;
    desk.deliver(&[desk.task(&desk.recall(1, 1), 1)]).await;
    person.first_name = Phi::new("Renamed".to_owned());
    person.tags = vec!["odx-inactive".to_owned()];
    let retired = desk.delivery(crate::crm::Intent::Retire, Body::Contact(person.clone()), 2);
    desk.deliver(&[retired]).await;
    sure(desk.sink.probe().await);
    let after = foreign(&desk).await;
    assert!(
        before == after,
        "an object that odx did not create was changed"
    );
}

async fn foreign<H: SinkHarness>(desk: &Desk<H>) -> Vec<Stored> {
    let mut foreign = desk.harness.objects().await;
    foreign.retain(|object| object.external_id.is_none());
    foreign
}
