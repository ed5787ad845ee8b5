//! What comes after a call that failed: the next change, the next try, a look by
//! a person.

use super::SinkHarness;
use super::desk::{Desk, spell};
use crate::crm::{Body, Delivery};
use crate::error::Disposition;
use crate::phi::Phi;
use crate::testkit::SinkFault;

/// The answer to a new record is lost, and before it is sent again the record
/// changes. The next change is another change: it has another idempotency key,
/// and nobody knows the CRM's own id. It finds the object all the same.
pub async fn a_lost_answer_and_the_next_change_are_one_object<H: SinkHarness>() {
    let Some(mut desk) = Desk::<H>::open("a_lost_answer_and_the_next_change_are_one_object").await
    else {
        return;
    };
    for (round, many) in [(0, 1), (1, desk.room(3))] {
        for fault in [SinkFault::Lost, SinkFault::FailedAfter] {
            let from = round * 20 + usize::from(fault == SinkFault::Lost) * 10;
            let people = desk.people(from, many);
            if !desk.armed(fault).await {
                continue;
            }
            // What is said of it is checked elsewhere.
            drop(desk.call(&people).await);
            desk.harness.recover().await;
            if round == 1 {
                desk = desk.restarted();
            }
            let next: Vec<_> = people.iter().map(|op| renamed(&desk, op)).collect();
            desk.deliver(&next).await;
            for op in &next {
                desk.assert_field(op, "last_name", "Renamed").await;
            }
        }
    }
}

fn renamed<H: SinkHarness>(desk: &Desk<H>, op: &Delivery) -> Delivery {
    let Body::Contact(contact) = &op.op.body else {
        return op.clone();
    };
    let mut contact = contact.clone();
    contact.last_name = Phi::new("Renamed".to_owned());
    desk.contact(&contact, 2)
}

/// A call that fails costs no more requests than one that works: the engine
/// waits and tries again, with what is newest then. A sink that does so as well
/// multiplies every outage.
pub async fn only_the_engine_tries_again<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("only_the_engine_tries_again").await else {
        return;
    };
    let made = || async {
        let seen = desk.harness.requests().await;
        seen.unwrap_or_else(|| desk.sink.requests())
    };
    // Whatever a client does only once is done.
    desk.deliver(&desk.people(1, 1)).await;
    let before = made().await;
    desk.deliver(&desk.people(2, 1)).await;
    let cost = made().await - before;
    if cost == 0 {
        println!("not checked: {}: requests are not counted", desk.check);
        return;
    }
    let slow = SinkFault::SlowDown(None);
    for (n, fault) in [SinkFault::Down, SinkFault::Failed, SinkFault::Lost, slow]
        .into_iter()
        .enumerate()
    {
        if !desk.armed(fault.clone()).await {
            continue;
        }
        let people = desk.people(10 + n, 1);
        let before = made().await;
        let answer = desk.call(&people).await;
        let spent = made().await - before;
        desk.harness.recover().await;
        assert!(
            spent <= cost,
            "{fault:?}: the sink tried again by itself: {spent} requests where {cost} are usual, \
             and it says: {}",
            spell(&answer)
        );
    }
}

/// `probe` is for a person who sets the CRM up: it must not say that all is well
/// when the CRM cannot be reached or refuses the token.
pub async fn a_probe_says_when_the_crm_cannot_be_reached<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_probe_says_when_the_crm_cannot_be_reached").await else {
        return;
    };
    if let Err(error) = desk.sink.probe().await {
        panic!("nothing is wrong, and yet: {}", error.chain());
    }
    for (fault, halts) in [(SinkFault::Down, false), (SinkFault::BadToken, true)] {
        if !desk.armed(fault.clone()).await {
            continue;
        }
        let answer = desk.sink.probe().await;
        desk.harness.recover().await;
        match answer {
            Ok(_) => panic!("{fault:?}, and the probe says that all is well"),
            Err(error) => assert_eq!(
                error.disposition() == Disposition::Halt,
                halts,
                "{fault:?}, and the probe says {:?}: {}",
                error.kind(),
                error.chain()
            ),
        }
    }
}
