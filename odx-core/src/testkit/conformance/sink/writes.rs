//! One record at a time: written, changed, closed, deleted, written again.

use super::SinkHarness;
use super::desk::{Desk, is_applied, spell};
use crate::crm::{Body, Delivery, Intent, TaskStatus};
use crate::phi::Phi;
use crate::sink::Outcome;
use crate::testkit::SinkFault;

/// Sending the same change twice, through one client or through two, leaves one
/// object. So does the same content as another change.
pub async fn same_op_twice_is_one_object<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("same_op_twice_is_one_object").await else {
        return;
    };
    let contact = desk.contact(&desk.person(1), 1);
    let task = desk.task(&desk.recall(1, 1), 1);
    for op in [&contact, &task] {
        let op = std::slice::from_ref(op);
        desk.deliver(op).await;
        desk.deliver(op).await;
    }
    let other = desk.restarted();
    for op in [&contact, &task] {
        other.deliver(std::slice::from_ref(op)).await;
    }
    let again = [
        other.contact(&other.person(1), 2),
        other.task(&other.recall(1, 1), 2),
    ];
    for op in &again {
        other.deliver(std::slice::from_ref(op)).await;
    }
    other.assert_only(&again).await;
}

/// A change replaces what was there: new values arrive, and what the record no
/// longer has is gone from the CRM too.
pub async fn an_update_replaces<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("an_update_replaces").await else {
        return;
    };
    let mut person = desk.person(1);
    let mut recall = desk.recall(1, 1);
    desk.deliver(&[desk.contact(&person, 1)]).await;
    desk.deliver(&[desk.task(&recall, 1)]).await;
    person.first_name = Phi::new("Renamed".to_owned());
    person.email = None;
    person.preferred_name = None;
    person.tags = vec!["odx-active".to_owned(), "odx-recall-overdue".to_owned()];
    recall.due_date = recall.due_date + chrono::Days::new(40);
    recall.segment = None;
    let newer = [desk.contact(&person, 2), desk.task(&recall, 2)];
    for op in &newer {
        desk.deliver(std::slice::from_ref(op)).await;
    }
    desk.assert_only_so(&newer).await;
    person.tags.clear();
    person.phone = None;
    person.phone_kind = None;
    let [_, task] = newer;
    let newest = [desk.contact(&person, 3), task];
    desk.deliver(std::slice::from_ref(&newest[0])).await;
    desk.assert_only_so(&newest).await;
}

/// A value that goes A, B, A ends as A: no receiver takes the last for the first.
pub async fn the_newest_state_stays<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("the_newest_state_stays").await else {
        return;
    };
    let a = desk.person(1);
    let mut b = a.clone();
    b.last_name = Phi::new("Married".to_owned());
    for (generation, state) in [(1, &a), (2, &b), (3, &a), (4, &b), (5, &a)] {
        let op = desk.contact(state, generation);
        desk.deliver(std::slice::from_ref(&op)).await;
        desk.assert_field(&op, "last_name", state.last_name.expose())
            .await;
    }
}

/// A record that is retired is closed, keeps its contact and stays in the CRM.
pub async fn a_retire_closes_and_deletes_nothing<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_retire_closes_and_deletes_nothing").await else {
        return;
    };
    let person = desk.person(1);
    desk.deliver(&[desk.contact(&person, 1)]).await;
    let mut closed = Vec::new();
    for (n, status) in [(1, TaskStatus::Cancelled), (2, TaskStatus::Completed)] {
        let mut recall = desk.recall(n, 1);
        desk.deliver(&[desk.task(&recall, 1)]).await;
        recall.status = status;
        recall.segment = None;
        let retire = desk.delivery(Intent::Retire, Body::Task(recall), 2);
        desk.deliver(std::slice::from_ref(&retire)).await;
        closed.push(retire);
    }
    let mut gone = person;
    gone.tags = vec!["odx-inactive".to_owned()];
    let retire = desk.delivery(Intent::Retire, Body::Contact(gone), 2);
    desk.deliver(std::slice::from_ref(&retire)).await;
    closed.push(retire);
    desk.assert_only_so(&closed).await;
    // A repeat finds everything closed, and changes nothing.
    for retire in &closed {
        desk.deliver(std::slice::from_ref(retire)).await;
    }
    desk.assert_only_so(&closed).await;
}

/// Retiring what the CRM does not have is done at once, and creates nothing.
pub async fn a_retire_creates_nothing<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_retire_creates_nothing").await else {
        return;
    };
    let there = desk.people(9, 1);
    desk.deliver(&there).await;
    let mut recall = desk.recall(1, 9);
    recall.status = TaskStatus::Cancelled;
    recall.segment = None;
    for body in [Body::Contact(desk.person(1)), Body::Task(recall)] {
        let retire = desk.delivery(Intent::Retire, body, 1);
        assert_settles(&desk, &retire).await;
        desk.assert_only(&there).await;
    }
    // Nor in a batch, beside one that is to be created.
    let mut batch = desk.people(20, 1);
    for n in 21..20 + desk.room(4) {
        let absent = Body::Contact(desk.person(n));
        batch.push(desk.delivery(Intent::Retire, absent, 1));
    }
    let outcomes = desk.send(&batch).await;
    assert!(
        outcomes.iter().all(is_applied),
        "what is not there is retired, and what is new is created: {outcomes:?}"
    );
    batch.truncate(1);
    batch.extend(there);
    desk.assert_only(&batch).await;
}

/// A retire is acknowledged in the end; a few tries may be asked for.
async fn assert_settles<H: SinkHarness>(desk: &Desk<H>, retire: &Delivery) {
    let mut last = Vec::new();
    for _ in 0..3 {
        last = desk.send(std::slice::from_ref(retire)).await;
        match last.as_slice() {
            [Outcome::Applied { .. }] => return,
            [Outcome::Retry { .. }] => {}
            _ => break,
        }
    }
    let id = retire.op.external_id();
    panic!("{id} is not there: retiring it is done, and not {last:?}");
}

/// An object that somebody deleted in the CRM is there again after the next
/// change of its record, also where the content is the same and the sink knew
/// the CRM's own id of it.
pub async fn an_object_deleted_behind_our_back_comes_back<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("an_object_deleted_behind_our_back_comes_back").await else {
        return;
    };
    let mut person = desk.person(1);
    let mut recall = desk.recall(1, 1);
    desk.deliver(&[desk.contact(&person, 1)]).await;
    desk.deliver(&[desk.task(&recall, 1)]).await;
    if !desk.can(desk.harness.forget(&person.external_id).await) {
        return;
    }
    for generation in [2, 3] {
        assert_comes_back(&desk, &desk.contact(&person, generation)).await;
        person.first_name = Phi::new("Renamed".to_owned());
        assert!(
            desk.can(desk.harness.forget(&person.external_id).await),
            "it could be deleted before"
        );
    }
    assert_comes_back(&desk, &desk.contact(&person, 4)).await;
    if desk.can(desk.harness.forget(&recall.external_id).await) {
        recall.due_date = recall.due_date + chrono::Days::new(9);
        assert_comes_back(&desk, &desk.task(&recall, 2)).await;
    }
}

/// The first try may be what notices; what it says must be so in any case.
async fn assert_comes_back<H: SinkHarness>(desk: &Desk<H>, again: &Delivery) {
    let mut last = Vec::new();
    for _ in 0..3 {
        last = desk.send(std::slice::from_ref(again)).await;
        match last.as_slice() {
            [Outcome::Applied { .. }] => {
                desk.assert_there(std::slice::from_ref(again)).await;
                return;
            }
            [Outcome::Retry { .. }] => {}
            _ => break,
        }
    }
    let id = again.op.external_id();
    panic!("{id} was deleted in the crm and does not come back: {last:?}");
}

/// Retiring an object that somebody deleted in the CRM does not fail for ever,
/// and does not bring it back.
pub async fn a_retire_of_a_deleted_object_settles<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_retire_of_a_deleted_object_settles").await else {
        return;
    };
    let contact = desk.people(1, 1);
    let mut recall = desk.recall(1, 1);
    desk.deliver(&contact).await;
    desk.deliver(&[desk.task(&recall, 1)]).await;
    if !desk.can(desk.harness.forget(&recall.external_id).await) {
        return;
    }
    recall.status = TaskStatus::Cancelled;
    recall.segment = None;
    let retire = desk.delivery(Intent::Retire, Body::Task(recall), 2);
    assert_settles(&desk, &retire).await;
    desk.assert_only(&contact).await;
}

/// A task whose contact the CRM does not have is not taken, and the reason says
/// that the contact is missing, without data. Once the contact is there, so is
/// the task.
pub async fn a_missing_contact_is_reported<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_missing_contact_is_reported").await else {
        return;
    };
    let there = desk.people(2, 1);
    desk.deliver(&there).await;
    let person = desk.person(1);
    let task = [desk.task(&desk.recall(1, 1), 1)];
    let answer = desk.call(&task).await;
    let reason = match &answer {
        Ok(outcomes) => match outcomes.as_slice() {
            [Outcome::Retry { reason, .. } | Outcome::Rejected { reason }] => reason.clone(),
            other => panic!("a task of nobody is {other:?}"),
        },
        Err(error) => error.chain(),
    };
    assert!(
        reason.to_lowercase().contains("contact"),
        "the reason does not say that the contact is missing: {reason}"
    );
    desk.assert_only(&there).await;
    let contact = desk.contact(&person, 1);
    desk.deliver(std::slice::from_ref(&contact)).await;
    // The engine sends it as the same change again.
    desk.deliver(&task).await;
    let [task] = task;
    let mut all = there;
    all.extend([contact, task]);
    desk.assert_only(&all).await;
    // In a batch it is the one that waits.
    let room = desk.room(5);
    let orphan = room / 2;
    let tasks: Vec<_> = (0..room)
        .map(|n| desk.task(&desk.recall(10 + n, if n == orphan { 8 } else { 1 }), 1))
        .collect();
    if let Ok(outcomes) = desk.call(&tasks).await {
        for (place, outcome) in outcomes.iter().enumerate() {
            assert_eq!(
                is_applied(outcome),
                place != orphan,
                "the contact of op {orphan} is missing, and op {place} is {outcome:?}"
            );
        }
    } else {
        assert!(room == 1, "one task of nobody fails a batch of {room}");
    }
}

/// A call that was dropped half-way may have taken effect; repeating it leaves
/// one object and the right content.
pub async fn a_dropped_call_and_its_repeat_are_one_object<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_dropped_call_and_its_repeat_are_one_object").await else {
        return;
    };
    let mut sent = Vec::new();
    for (place, polls) in [1_usize, 2, 3, 5, 9, 30].into_iter().enumerate() {
        let people = desk.people(place * 10, desk.room(3));
        {
            let mut call = Box::pin(desk.sink.apply(&people));
            for _ in 0..polls {
                if futures::poll!(&mut call).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        desk.deliver(&people).await;
        sent.extend(people);
    }
    desk.assert_only(&sent).await;
}

/// The CRM sees one key per change: the same at every attempt, another for
/// every other change and for every other record.
pub async fn the_idempotency_key_follows_the_change<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("the_idempotency_key_follows_the_change").await else {
        return;
    };
    let a = desk.person(1);
    let mut b = a.clone();
    b.first_name = Phi::new("Renamed".to_owned());
    let mut changes = vec![
        desk.contact(&a, 1),
        desk.contact(&b, 2),
        desk.contact(&a, 3),
    ];
    changes.push(desk.contact(&desk.person(2), 1));
    let mut seen: Vec<Vec<String>> = Vec::new();
    for change in &changes {
        let change = std::slice::from_ref(change);
        let before = desk.harness.keys().await.map_or(0, |keys| keys.len());
        // Where the answer is lost, the sink cannot know that the first try arrived.
        if desk.armed(SinkFault::Lost).await {
            let answer = desk.call(change).await;
            let applied = answer
                .as_ref()
                .is_ok_and(|outcomes| outcomes.iter().all(is_applied));
            assert!(!applied, "the answer was lost: {}", spell(&answer));
            desk.harness.recover().await;
        } else {
            desk.deliver(change).await;
        }
        desk.deliver(change).await;
        let Some(keys) = desk.harness.keys().await else {
            println!(
                "not checked: {}: the harness cannot tell the keys",
                desk.check
            );
            return;
        };
        let ids: Vec<_> = change.iter().map(|op| op.op.external_id()).collect();
        let keys: Vec<_> = keys
            .into_iter()
            .skip(before)
            .filter(|(id, _)| ids.contains(&id))
            .map(|(_, key)| key)
            .collect();
        seen.push(keys);
    }
    for (place, keys) in seen.iter().enumerate() {
        let Some(first) = keys.first() else {
            panic!("change {place} was sent without an idempotency key");
        };
        assert!(!first.is_empty(), "an idempotency key is empty");
        assert!(
            keys.iter().all(|key| key == first),
            "two attempts at change {place} had different idempotency keys"
        );
        let elsewhere = seen.iter().take(place).flatten().any(|key| key == first);
        assert!(
            !elsewhere,
            "change {place} has the idempotency key of another change"
        );
    }
}
