//! D6: the program is killed while events are posted, over and over.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::program::{Home, Program, ask, connect, delivery};

const SENDERS: usize = 8;

/// Posts from several senders until the program is gone; it is killed after so
/// many answers, where it does not end by itself. What was answered with 200.
fn posted(program: &mut Program, round: usize, kill_after: usize) -> Vec<String> {
    let acknowledged = Mutex::new(Vec::new());
    let answers = AtomicUsize::new(0);
    let address = program.address;
    let child = Mutex::new(program);
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (acknowledged, answers, child) = (&acknowledged, &answers, &child);
            scope.spawn(move || {
                let Ok(mut stream) = connect(address) else {
                    return;
                };
                for n in 0_usize.. {
                    let body = format!("[{{\"AptNum\":1,\"Note\":\"{round}-{sender}-{n}\"}}]");
                    match ask(&mut stream, &delivery(&body)) {
                        Ok(200) => acknowledged.lock().unwrap().push(body),
                        Ok(status) => panic!("answered {status}"),
                        Err(_) => return,
                    }
                    if answers.fetch_add(1, Ordering::Relaxed) == kill_after {
                        child.lock().unwrap().kill();
                    }
                }
            });
        }
    });
    acknowledged.into_inner().unwrap()
}

/// Kills so often in one home: how many were answered with 200, and how many of
/// them are not there.
fn killed(kills: usize, failpoints: &str) -> (usize, usize) {
    let home = Home::new();
    let mut random = fastrand::Rng::with_seed(4711);
    let mut acknowledged = BTreeSet::new();
    for round in 0..kills {
        let mut program = home.start(failpoints);
        acknowledged.extend(posted(&mut program, round, random.usize(1..120)));
    }
    let stored: BTreeSet<_> = home.stored().into_iter().collect();
    (acknowledged.len(), acknowledged.difference(&stored).count())
}

#[test]
fn d6_killed_while_events_are_posted_none_that_was_answered_is_lost() {
    let kills = std::env::var("ODX_RECEIVER_KILLS");
    let kills = kills.map_or(40, |text| text.parse().unwrap());
    let (acknowledged, lost) = killed(kills, "");
    println!("{kills} kills, {acknowledged} events answered with 200, {lost} of them lost");
    assert!(acknowledged >= kills, "nothing was answered");
    assert_eq!(lost, 0);
}

#[cfg(feature = "failpoints")]
#[test]
fn d6_the_kills_notice_an_answer_before_the_commit() {
    let (acknowledged, lost) = killed(10, "broken.receive=return");
    assert!(
        lost > 0,
        "{acknowledged} were answered too early, and nobody noticed"
    );
}

#[cfg(feature = "failpoints")]
#[test]
fn d6_ended_at_every_place_of_receiving_no_event_that_was_answered_is_lost() {
    let places = odx_core::failpoint::PLACES.iter();
    let places: Vec<_> = places
        .filter(|place| place.starts_with("receive."))
        .collect();
    assert_eq!(places.len(), 3);
    for place in places {
        let home = Home::new();
        let mut acknowledged = BTreeSet::new();
        for (round, passes) in [0, 1, 6, 40].into_iter().enumerate() {
            let mut program = home.start(&format!("{place}={passes}*off->return"));
            acknowledged.extend(posted(&mut program, round, usize::MAX));
            let end = program.child.wait().unwrap();
            assert!(!end.success(), "{place} did not end it");
        }
        assert!(!acknowledged.is_empty());
        let stored: BTreeSet<_> = home.stored().into_iter().collect();
        let lost: Vec<_> = acknowledged.difference(&stored).collect();
        assert!(lost.is_empty(), "{place}: {lost:?}");
    }
}
