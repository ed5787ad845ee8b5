//! Batches: what is said of whom, and how much goes at once.

use super::SinkHarness;
use super::desk::{Desk, is_applied, spell};
use crate::crm::Delivery;
use crate::sink::Outcome;

/// One outcome per op, in the order of the ops: whichever is refused, it is the
/// one that is said to be, and what is said to be there is.
pub async fn outcomes_line_up_with_ops<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("outcomes_line_up_with_ops").await else {
        return;
    };
    let room = desk.room(6);
    let mut places = vec![0, 1, room / 2, room - 1];
    places.retain(|place| *place < room);
    places.dedup();
    for (round, refused) in places.into_iter().enumerate() {
        let people = desk.people(round * 10, room);
        let Some(bad) = people.get(refused) else {
            return;
        };
        if !desk.can(desk.harness.refuse(bad.op.external_id()).await) {
            return;
        }
        let outcomes = match desk.call(&people).await {
            Ok(outcomes) => outcomes,
            Err(error) => panic!("one op is refused, not the call: {}", error.chain()),
        };
        for (place, outcome) in outcomes.iter().enumerate() {
            assert_eq!(
                matches!(outcome, Outcome::Rejected { .. }),
                place == refused,
                "op {refused} of {room} is refused, and op {place} is {outcome:?}"
            );
        }
        assert_honest(&desk, &people, &outcomes).await;
    }
    mixed(&desk, room).await;
}

/// Kinds of record may stand in one call, in any order.
async fn mixed<H: SinkHarness>(desk: &Desk<H>, room: usize) {
    if room < 4 {
        return;
    }
    desk.deliver(&desk.people(100, 1)).await;
    let bad = desk.contact(&desk.person(101), 1);
    if !desk.can(desk.harness.refuse(bad.op.external_id()).await) {
        return;
    }
    let batch = [
        desk.task(&desk.recall(100, 100), 1),
        bad,
        desk.task(&desk.recall(101, 100), 1),
        desk.contact(&desk.person(102), 1),
    ];
    let outcomes = match desk.call(&batch).await {
        Ok(outcomes) => outcomes,
        Err(error) => panic!("one op is refused, not the call: {}", error.chain()),
    };
    for (place, outcome) in outcomes.iter().enumerate() {
        assert_eq!(
            is_applied(outcome),
            place != 1,
            "tasks and contacts in one call: op 1 is refused, and op {place} is {outcome:?}"
        );
    }
    assert_honest(desk, &batch, &outcomes).await;
}

/// What is said to be there is there; what is refused is not.
async fn assert_honest<H: SinkHarness>(desk: &Desk<H>, ops: &[Delivery], outcomes: &[Outcome]) {
    let there = desk.ours().await;
    for (op, outcome) in ops.iter().zip(outcomes) {
        let id = op.op.external_id();
        match outcome {
            Outcome::Applied { .. } => desk.assert_there(std::slice::from_ref(op)).await,
            Outcome::Rejected { .. } => {
                assert!(!there.contains_key(id), "{id} is refused, and it is there");
            }
            Outcome::Retry { .. } => {}
        }
    }
}

/// A record that the CRM refuses waits alone: the others of its batch arrive,
/// now and at every repeat.
pub async fn one_bad_op_spares_the_batch<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("one_bad_op_spares_the_batch").await else {
        return;
    };
    let people = desk.people(1, desk.room(10).max(3));
    let (good, bad) = people.split_at(people.len() - 1);
    let [bad] = bad else { return };
    let bad_id = bad.op.external_id();
    if !desk.can(desk.harness.refuse(bad_id).await) {
        return;
    }
    // In front of the others, as the worst place.
    let mut batch = vec![bad.clone()];
    batch.extend(good.iter().cloned());
    for _ in 0..2 {
        let outcomes = desk.send(&batch).await;
        let applied = outcomes
            .iter()
            .filter(|outcome| is_applied(outcome))
            .count();
        assert_eq!(
            applied,
            good.len(),
            "one of {} ops is refused, and {applied} are taken",
            batch.len()
        );
        let reasons = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Rejected { reason } => Some(reason),
            _ => None,
        });
        for reason in reasons {
            assert!(!reason.trim().is_empty(), "refused without a reason");
        }
    }
    desk.assert_only(good).await;
}

/// A record that the CRM cannot take now is said to be so alone, and arrives
/// later.
pub async fn one_op_not_now_spares_the_batch<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("one_op_not_now_spares_the_batch").await else {
        return;
    };
    let people = desk.people(1, desk.room(10).max(3));
    let Some(late) = people.get(1) else { return };
    if !desk.can(desk.harness.postpone(late.op.external_id()).await) {
        return;
    }
    let outcomes = desk.send(&people).await;
    for (place, outcome) in outcomes.iter().enumerate() {
        let right = if place == 1 {
            matches!(outcome, Outcome::Retry { .. })
        } else {
            is_applied(outcome)
        };
        assert!(right, "op 1 has to wait, and op {place} is {outcome:?}");
    }
    desk.deliver(std::slice::from_ref(late)).await;
    desk.assert_only(&people).await;
}

/// As many ops as the sink says it takes are taken, and all of them arrive.
pub async fn a_batch_of_exactly_the_limit_works<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_batch_of_exactly_the_limit_works").await else {
        return;
    };
    let limit = desk.sink.limits().batch.get();
    let people = desk.people(0, limit);
    match desk.call(&people).await {
        Ok(outcomes) => assert!(
            outcomes.iter().all(is_applied),
            "not all of {limit} were taken, and the sink says that it takes {limit}"
        ),
        Err(error) => panic!("{limit} ops at once: {}", error.chain()),
    }
    desk.assert_only(&people).await;
}

/// More ops than the sink takes are an error or are taken: none is dropped, and
/// none is said to be there that is not.
pub async fn a_batch_over_the_limit_drops_nothing<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_batch_over_the_limit_drops_nothing").await else {
        return;
    };
    let limit = desk.sink.limits().batch.get();
    let people = desk.people(0, limit + 2);
    if let Ok(outcomes) = desk.call(&people).await {
        assert_honest(&desk, &people, &outcomes).await;
    }
    desk.deliver(&people).await;
    desk.assert_only(&people).await;
}

/// No ops have no outcomes, and change nothing.
pub async fn an_empty_batch_is_fine<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("an_empty_batch_is_fine").await else {
        return;
    };
    let answer = desk.call(&[]).await;
    assert!(answer.is_ok(), "nothing to do: {}", spell(&answer));
    desk.assert_only(&[]).await;
}

/// As many calls at once as the sink says it takes, each with its own records:
/// each is answered for its own.
pub async fn calls_at_once_do_not_disturb_each_other<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("calls_at_once_do_not_disturb_each_other").await else {
        return;
    };
    let calls = desk.sink.limits().concurrency.get().min(8);
    let room = desk.room(5);
    let batches: Vec<_> = (0..calls)
        .map(|call| desk.people(call * 10, room))
        .collect();
    // One refused per call, at another place each time, where that can be.
    let mut refused = Vec::new();
    for (call, batch) in batches.iter().enumerate() {
        let Some(bad) = batch.get(call % room.max(1)).filter(|_| room > 1) else {
            continue;
        };
        let id = bad.op.external_id();
        if desk.can(desk.harness.refuse(id).await) {
            refused.push(id.clone());
        }
    }
    let answers = futures::future::join_all(batches.iter().map(|batch| desk.call(batch))).await;
    for (batch, answer) in batches.iter().zip(answers) {
        let outcomes = match answer {
            Ok(outcomes) => outcomes,
            Err(error) => panic!("{calls} calls at once: {}", error.chain()),
        };
        for (op, outcome) in batch.iter().zip(&outcomes) {
            let id = op.op.external_id();
            assert_eq!(
                is_applied(outcome),
                !refused.contains(id),
                "{id} is {outcome:?}"
            );
        }
        assert_honest(&desk, batch, &outcomes).await;
    }
}
