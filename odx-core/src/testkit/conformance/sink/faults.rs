//! Calls that fail: what is said of them, and what a repeat comes to.

use std::time::Duration;

use super::SinkHarness;
use super::desk::{Desk, is_applied, is_later, spell};
use crate::crm::Delivery;
use crate::error::{Disposition, Error, Result};
use crate::sink::Outcome;
use crate::testkit::SinkFault;

/// What the sink may say of a call that met this fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Later, and nothing else.
    Later,
    /// Later, or a person must act. Never refused for good, never applied.
    NotApplied,
}

/// Sends a batch into a fault, then again into none. Whatever is said to be
/// there must be there; after the repeat everything is, once.
async fn meet<H: SinkHarness>(check: &'static str, fault: SinkFault, verdict: Verdict) {
    let Some(desk) = Desk::<H>::open(check).await else {
        return;
    };
    // Alone first: nothing else can be answered for. Batches twice: a harness may let a fault
    // look different by turns.
    for (round, many) in [(0, 1), (1, desk.room(3)), (2, desk.room(3))] {
        let people = desk.people(round * 10, many);
        if !desk.armed(fault.clone()).await {
            return;
        }
        let answer = desk.call(&people).await;
        assert_not_fooled(&desk, &people, &answer, verdict).await;
        desk.harness.recover().await;
        // As the engine does: what was acknowledged is not sent again.
        let again = unsettled(&people, &answer);
        assert!(
            !again.is_empty(),
            "a call failed, and every op of it counts as done: {}",
            spell(&answer)
        );
        desk.deliver(&again).await;
        desk.assert_there(&people).await;
    }
    // The same for a change of what is there, and for a task.
    let mut person = desk.person(0);
    person.last_name = crate::phi::Phi::new("Renamed".to_owned());
    for op in [desk.contact(&person, 2), desk.task(&desk.recall(1, 0), 1)] {
        if !desk.armed(fault.clone()).await {
            return;
        }
        let op = std::slice::from_ref(&op);
        let answer = desk.call(op).await;
        assert_not_fooled(&desk, op, &answer, verdict).await;
        desk.harness.recover().await;
        desk.deliver(op).await;
    }
    let renamed = desk.contact(&person, 2);
    desk.assert_field(&renamed, "last_name", "Renamed").await;
    let many = desk.ours().await;
    let twice = many.iter().find(|(_, objects)| objects.len() > 1);
    assert!(twice.is_none(), "{twice:?} is there more than once");
}

async fn assert_not_fooled<H: SinkHarness>(
    desk: &Desk<H>,
    ops: &[Delivery],
    answer: &Result<Vec<Outcome>>,
    verdict: Verdict,
) {
    match verdict {
        Verdict::Later => assert!(
            is_later(answer),
            "it may work later, and the sink says: {}",
            spell(answer)
        ),
        Verdict::NotApplied => {
            let refused = match answer {
                Ok(outcomes) => outcomes
                    .iter()
                    .any(|outcome| matches!(outcome, Outcome::Rejected { .. })),
                Err(error) => error.disposition() == Disposition::Reject,
            };
            assert!(
                !refused,
                "the record is not what is wrong, and the sink says: {}",
                spell(answer)
            );
        }
    }
    let Ok(outcomes) = answer else { return };
    let failed = outcomes
        .iter()
        .filter(|outcome| !is_applied(outcome))
        .count();
    assert!(
        failed > 0,
        "the call failed, and the sink says: {}",
        spell(answer)
    );
    for (op, outcome) in ops.iter().zip(outcomes) {
        if is_applied(outcome) {
            desk.assert_there(std::slice::from_ref(op)).await;
        }
    }
}

fn unsettled(ops: &[Delivery], answer: &Result<Vec<Outcome>>) -> Vec<Delivery> {
    match answer {
        Err(_) => ops.to_vec(),
        Ok(outcomes) => ops
            .iter()
            .zip(outcomes)
            .filter(|(_, outcome)| !is_applied(outcome))
            .map(|(op, _)| op.clone())
            .collect(),
    }
}

/// A CRM that cannot be reached: later, and nothing happened.
pub async fn an_unreachable_crm_means_later<H: SinkHarness>() {
    let check = "an_unreachable_crm_means_later";
    meet::<H>(check, SinkFault::Down, Verdict::Later).await;
}

/// A connection that ends before the CRM did anything: nothing is acknowledged,
/// and the repeat arrives.
pub async fn a_reset_before_the_write_is_no_acknowledgement<H: SinkHarness>() {
    let check = "a_reset_before_the_write_is_no_acknowledgement";
    meet::<H>(check, SinkFault::ResetBefore, Verdict::Later).await;
}

/// An error of the CRM's own: later, and the repeat arrives.
pub async fn a_server_error_means_later<H: SinkHarness>() {
    let check = "a_server_error_means_later";
    meet::<H>(check, SinkFault::Failed, Verdict::Later).await;
}

/// The write took effect and the answer was lost: not acknowledged, and the
/// repeat leaves one object with the same content.
pub async fn a_lost_answer_and_a_repeat_are_one_object<H: SinkHarness>() {
    let check = "a_lost_answer_and_a_repeat_are_one_object";
    meet::<H>(check, SinkFault::Lost, Verdict::Later).await;
}

/// The write took effect and the CRM answered with an error: as a lost answer.
pub async fn a_server_error_after_the_write_and_a_repeat_are_one_object<H: SinkHarness>() {
    let check = "a_server_error_after_the_write_and_a_repeat_are_one_object";
    meet::<H>(check, SinkFault::FailedAfter, Verdict::Later).await;
}

/// Half an answer acknowledges nothing that it does not say.
pub async fn an_answer_cut_in_half_is_no_acknowledgement<H: SinkHarness>() {
    let check = "an_answer_cut_in_half_is_no_acknowledgement";
    meet::<H>(check, SinkFault::Cut, Verdict::Later).await;
}

/// An answer that is none (a login page with status 200) acknowledges nothing.
pub async fn a_garbage_answer_is_no_acknowledgement<H: SinkHarness>() {
    let check = "a_garbage_answer_is_no_acknowledgement";
    meet::<H>(check, SinkFault::Garbage, Verdict::NotApplied).await;
}

/// An answer that speaks of half the batch acknowledges that half.
pub async fn a_half_answered_batch_is_not_whole<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_half_answered_batch_is_not_whole").await else {
        return;
    };
    let room = desk.room(6);
    if room < 2 {
        println!(
            "not checked: {}: the sink takes one op at a time",
            desk.check
        );
        return;
    }
    let people = desk.people(1, room);
    if !desk.armed(SinkFault::Half).await {
        return;
    }
    let answer = desk.call(&people).await;
    assert_not_fooled(&desk, &people, &answer, Verdict::Later).await;
    desk.harness.recover().await;
    desk.deliver(&unsettled(&people, &answer)).await;
    desk.assert_only(&people).await;
}

/// A CRM that asks for a slower pace is waited for as long as it says.
pub async fn a_slow_down_carries_its_wait<H: SinkHarness>() {
    const ASKED: Duration = Duration::from_secs(7);
    let Some(desk) = Desk::<H>::open("a_slow_down_carries_its_wait").await else {
        return;
    };
    for (round, many) in [(0, 1), (1, desk.room(3))] {
        let people = desk.people(round * 10, many);
        if !desk.armed(SinkFault::SlowDown(Some(ASKED))).await {
            return;
        }
        let answer = desk.call(&people).await;
        let waits: Vec<_> = match &answer {
            Err(error) => match error.disposition() {
                Disposition::Retry { after } => vec![after],
                _ => panic!("slow down, and the sink says: {}", spell(&answer)),
            },
            Ok(outcomes) => outcomes
                .iter()
                .filter(|outcome| !is_applied(outcome))
                .map(|outcome| match outcome {
                    Outcome::Retry { after, .. } => *after,
                    _ => panic!("slow down, and the sink says: {}", spell(&answer)),
                })
                .collect(),
        };
        assert!(
            !waits.is_empty(),
            "slow down, and everything counts as done"
        );
        for wait in waits {
            assert!(
                wait.is_some_and(|wait| (ASKED..ASKED * 5).contains(&wait)),
                "the crm asked for {ASKED:?}, and the sink says {wait:?}"
            );
        }
        desk.harness.recover().await;
        desk.deliver(&unsettled(&people, &answer)).await;
    }
    // Where reading stops meets it too.
    if desk.armed(SinkFault::SlowDown(Some(ASKED))).await
        && let Err(error) = desk.sink.suppressions(None).await
    {
        let waits = matches!(error.disposition(), Disposition::Retry { after: Some(wait) } if wait >= ASKED);
        assert!(waits, "reading stops was slowed down: {}", error.chain());
    }
}

/// A token that is refused stops the sink: a person must act, no record is set
/// aside for it, and all is well once the token is.
pub async fn bad_credentials_halt<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("bad_credentials_halt").await else {
        return;
    };
    for (round, many) in [(0, 1), (1, desk.room(3))] {
        let people = desk.people(round * 10, many);
        if !desk.armed(SinkFault::BadToken).await {
            return;
        }
        let answer = desk.call(&people).await;
        match &answer {
            Err(error) => assert_halts(error),
            Ok(_) => panic!(
                "the token is refused, and the sink says: {}",
                spell(&answer)
            ),
        }
        desk.harness.recover().await;
        desk.deliver(&people).await;
    }
    for reads_stops in [true, false] {
        if !desk.armed(SinkFault::BadToken).await {
            return;
        }
        let refused = match reads_stops {
            true => desk.sink.suppressions(None).await.err(),
            false => desk.sink.probe().await.err(),
        };
        refused.iter().for_each(assert_halts);
        desk.harness.recover().await;
    }
}

fn assert_halts(error: &Error) {
    assert!(
        error.disposition() == Disposition::Halt,
        "the token is refused, and the sink says {:?}: {}",
        error.kind(),
        error.chain()
    );
}
