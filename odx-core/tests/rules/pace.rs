//! Rule 11: who must act, and how long anything waits.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use odx_core::engine::Shutdown;
use odx_core::sink::CrmSink as _;
use odx_core::source::PracticeSource as _;
use odx_core::store::{Hold, StateStore as _};
use odx_core::testkit::SourceFault;

use crate::bench::crm::Fault;
use crate::bench::{Bench, Kind, noon, store};

/// Halt: a person must act. The sink is left alone and nobody is set aside.
async fn rule_11_a_halt_stops_the_sink_and_sets_nobody_aside(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 2);
    b.seed(10);
    b.crm.fail([Fault::Fine, Fault::BadToken]);
    let report = b.run().await;
    assert_eq!((report.sent, report.complete), (2, false));
    assert_eq!(b.crm.calls().len(), 2, "it was called again");
    assert_eq!((report.waiting, report.refused, report.blocked), (0, 0, 0));
    assert!(report.problems.iter().any(|what| what.contains("token")));
    // The token was mended: everything else goes.
    assert_eq!(b.run().await.sent, 18);
}

/// Halt of the source: no more is asked in this run, and what is known goes out.
async fn rule_11_a_halt_of_the_source_is_not_tried_again(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 2);
    b.seed(3);
    b.crm.fail([Fault::BadToken]);
    b.run().await;
    let pulls = b.source.requests();
    b.source.fail(vec![SourceFault::BadKey; 9]);
    let report = b.run().await;
    assert_eq!((b.source.requests() - pulls, report.sent), (1, 6));
    assert!(!report.complete);
}

/// Reject: this one is set aside after a few tries, the others go on.
async fn rule_11_a_reject_sets_one_aside_and_the_others_go_on(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(5);
    let poor = b.contact("3");
    b.crm.refuse(&poor);
    let report = b.run().await;
    assert_eq!((report.sent, report.refused, report.blocked), (8, 1, 1));
    let parked = b.store.parked(b.crm.id(), 1).await.unwrap();
    assert_eq!((parked[0].hold, parked[0].attempts), (Hold::Refused, 3));
    let calls = b.crm.calls().len();
    assert_eq!(
        calls,
        4 + 3 + 4,
        "three tries for the one, one for each other"
    );
    // It is not tried again by itself, however often one looks.
    b.clock.advance(Duration::from_secs(7 * 24 * 3600));
    b.run().await;
    assert_eq!(b.crm.calls().len(), calls);
}

/// The same where the sink says it of a call and not of an op.
async fn rule_11_a_call_that_is_refused_does_not_stop_the_sink(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.put("1", "Ana");
    b.put("2", "Ana");
    b.crm.fail([Fault::RefuseCall]);
    let report = b.run().await;
    assert_eq!(
        (report.sent, report.complete),
        (2, true),
        "{:?}",
        report.problems
    );
    b.put("1", "Nora");
    b.put("2", "Nora");
    b.crm.fail([
        Fault::RefuseCall,
        Fault::Fine,
        Fault::RefuseCall,
        Fault::RefuseCall,
    ]);
    let report = b.run().await;
    assert_eq!((report.sent, report.refused), (1, 1));
    assert!(report.parked[0].reason.contains("413"));
}

/// Retry: the same call, later, by itself, however it failed.
async fn rule_11_a_retry_comes_back_by_itself(kind: Kind, folder: &Path) {
    for fault in [
        Fault::Down,
        Fault::Lost(1),
        Fault::NotNow,
        Fault::SlowDown(None),
        Fault::SlowDown(Some(Duration::from_secs(1))),
    ] {
        let folder = folder.join(format!("{fault:?}").replace(['(', ')'], ""));
        std::fs::create_dir_all(&folder).ok();
        let b = Bench::new("main", store(kind, &folder), 1);
        b.seed(2);
        b.crm.fail(vec![fault.clone(); 3]);
        let report = b.run().await;
        assert!(report.complete, "{fault:?}: {:?}", report.problems);
        assert_eq!(b.crm.tasks().len(), 2);
        for fault in [
            SourceFault::Down,
            SourceFault::Cut,
            SourceFault::SlowDown(None),
        ] {
            b.source.fail(vec![fault; 3]);
            b.put("1", "Nora");
            assert!(b.run().await.complete);
        }
        assert_eq!(b.name_of("1"), "Nora");
    }
}

/// What the other side asks for is kept, up to the cap of all back-offs.
async fn rule_11_retry_after_is_honoured_within_bounds(kind: Kind, folder: &Path) {
    let cap = Duration::from_secs(300);
    for (asked, least, most) in [(7, 7, 7), (120, 120, 120), (86_400, 300, 300)] {
        let folder = folder.join(asked.to_string());
        std::fs::create_dir_all(&folder).ok();
        let mut b = Bench::new("main", store(kind, &folder), 1);
        b.retry_max = cap;
        b.seed(3);
        let asked = Some(Duration::from_secs(asked));
        b.source.fail([SourceFault::SlowDown(asked)]);
        let began = noon();
        b.crm.fail([Fault::SlowDown(asked)]);
        let report = b.run().await;
        assert!(report.complete);
        let calls = b.crm.calls();
        let (least, most) = (TimeDelta::seconds(least), TimeDelta::seconds(most));
        let waited = calls[0] - began;
        assert!(waited >= least && waited <= most, "the source: {waited}");
        let waited = calls[1] - calls[0];
        assert!(waited >= least && waited <= most, "the sink: {waited}");
    }
}

/// What waits, waits anywhere between nothing and the bound: offices that were
/// turned away together do not come back together. What was one call comes back
/// as one.
async fn rule_11_waits_have_full_jitter(kind: Kind, folder: &Path) {
    let bound = TimeDelta::milliseconds(500);
    let mut early = 0;
    for office in 0..60 {
        let folder = folder.join(office.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let mut b = Bench::new("main", store(kind, &folder), 5);
        b.retry_max = Duration::from_secs(300);
        b.seed(5);
        b.crm.fail([Fault::NotNow, Fault::BadToken]);
        let _report = b.run().await;
        let parked = b.store.parked(b.crm.id(), 999).await.unwrap();
        let now = noon();
        let waits: Vec<_> = parked.iter().filter_map(|p| p.hold.until()).collect();
        assert_eq!(waits.len(), 5);
        assert!(waits.iter().all(|at| *at == waits[0] && *at - now <= bound));
        early += usize::from(waits[0] - now < bound / 2);
    }
    assert!(
        (10..=50).contains(&early),
        "{early} of 60 in the first half"
    );
}

/// Follows for so long by a clock in which only waiting takes time.
async fn follow(b: &Bench, hours: u64) {
    let (_shutdown, stop) = Shutdown::new();
    let pipeline = b.pipeline();
    let long = Duration::from_secs(hours * 3600);
    drop(tokio::time::timeout(long, pipeline.run(stop)).await);
}

/// A sink that is down for hours is left alone: the calls grow with the number
/// of pauses, not with the number of records or polls.
#[tokio::test(start_paused = true)]
async fn rule_11_the_breaker_leaves_a_dead_sink_alone() {
    let mut b = Bench::new("main", store(Kind::Memory, Path::new("")), 1).with_real_waits();
    b.retry_max = Duration::from_secs(300);
    b.seed(100);
    b.crm.fail(vec![Fault::Down; 10_000]);
    follow(&b, 6).await;
    let calls = b.crm.calls();
    let last = *calls.last().unwrap();
    assert!(
        last - noon() > TimeDelta::hours(5),
        "it is tried again now and then"
    );
    // Five to open it, then pauses of 30, 60, 120, 240 and from then on 300 s: about 80 in six hours.
    assert!((70..=90).contains(&calls.len()), "{} calls", calls.len());
    let gaps: Vec<_> = calls.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(
        gaps.iter()
            .skip(5)
            .all(|gap| *gap >= TimeDelta::seconds(30))
    );
    // And when it is back, everything goes.
    b.crm.recover();
    follow(&b, 1).await;
    assert_eq!(b.crm.tasks().len(), 100);
}

/// The same for a practice: it is asked less and less often, up to the cap.
#[tokio::test(start_paused = true)]
async fn rule_11_a_dead_source_is_asked_less_and_less() {
    for fault in [SourceFault::BadKey, SourceFault::Down] {
        let mut b = Bench::new("main", store(Kind::Memory, Path::new("")), 1).with_real_waits();
        b.retry_max = Duration::from_secs(300);
        b.source.fail(vec![fault; 10_000]);
        follow(&b, 6).await;
        let pulls = b.source.requests();
        // Each 300 s at the most for a person to act; with full jitter twice as often on average.
        assert!((70..=240).contains(&pulls), "{fault:?}: {pulls} pulls");
    }
}

every_store! {
    rule_11_a_halt_stops_the_sink_and_sets_nobody_aside
    rule_11_a_halt_of_the_source_is_not_tried_again
    rule_11_a_reject_sets_one_aside_and_the_others_go_on
    rule_11_a_call_that_is_refused_does_not_stop_the_sink
    rule_11_a_retry_comes_back_by_itself
    rule_11_retry_after_is_honoured_within_bounds
    rule_11_waits_have_full_jitter
}
