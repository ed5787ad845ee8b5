//! Rules 6 and 8: what a listing proves, and what a first look may say.

use std::path::Path;
use std::time::Duration;

use odx_core::crm::TaskStatus;
use odx_core::engine::Shutdown;
use odx_core::model::{BadRecord, RecordKind};
use odx_core::source::PracticeSource as _;
use odx_core::store::{Brake, StateStore as _};
use odx_core::testkit::SourceFault;
use odx_core::{ErrorKind, Mode};

use crate::bench::crm::Fault;
use crate::bench::{Bench, Kind, store};

/// Nobody was closed: as many open tasks and active contacts as people.
fn nobody_was_closed(b: &Bench, people: usize) {
    let open = |status| status == TaskStatus::Open;
    let tasks = b.crm.tasks();
    assert_eq!(
        tasks.values().filter(|task| open(task.status)).count(),
        people
    );
    let active = |tags: &[String]| tags.iter().any(|tag| tag == "odx-active");
    let contacts = b.crm.contacts();
    assert_eq!(
        contacts
            .values()
            .filter(|contact| active(&contact.tags))
            .count(),
        people
    );
}

/// A listing that fails, at whatever page and for whatever reason, shows
/// nothing, and nobody is missed for it.
async fn rule_6_a_failed_read_is_never_no_rows(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 5);
    b.seed(15);
    b.run().await;
    for fault in [
        SourceFault::Down,
        SourceFault::Cut,
        SourceFault::BadKey,
        SourceFault::SlowDown(None),
    ] {
        for page in 0..3 {
            let listed = b.store.last_seen(b.source.id()).await.unwrap().swept_at();
            b.clock.advance(Duration::from_secs(25 * 3600));
            // Some pages are read, then it fails until the run gives up.
            b.fail_reading(page, vec![fault; 40]);
            let report = b.run().await;
            assert!(!report.complete, "{fault:?} at page {page}");
            assert_eq!((report.gone, report.held, report.sent), (0, 0, 0));
            assert_eq!(
                b.store.last_seen(b.source.id()).await.unwrap().swept_at(),
                listed
            );
            b.source.recover();
            let report = b.run().await;
            assert_eq!((report.gone, report.held, report.complete), (0, 0, true));
        }
    }
    nobody_was_closed(&b, 15);
}

/// A listing that was begun again counts once, and only what it has shown whole.
async fn rule_6_half_a_listing_proves_nothing(kind: Kind, folder: &Path) {
    let mut b = Bench::new("main", store(kind, folder), 5);
    b.brake = Brake {
        floor: 100,
        share: 1.0,
    };
    b.seed(15);
    b.run().await;
    for _ in 0..4 {
        b.clock.advance(Duration::from_secs(25 * 3600));
        // The cursor is forgotten in the middle, again and again.
        b.fail_reading(1, vec![SourceFault::Forgot]);
        assert_eq!(b.run().await.gone, 0);
        b.fail_reading(2, vec![SourceFault::Forgot]);
        assert_eq!(b.run().await.gone, 0);
    }
    nobody_was_closed(&b, 15);
}

/// Absent once proves nothing. Absent twice in a row does.
async fn rule_6_absence_needs_two_listings_in_a_row(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 5);
    b.seed(15);
    b.run().await;
    b.source.vanish(RecordKind::Recall, "r7");
    assert_eq!(b.sweep().await.gone, 0);
    nobody_was_closed(&b, 15);
    // It shows up again in between: the count starts again.
    b.source
        .put(odx_core::model::Record::Recall(odx_core::testkit::recall(
            "r7",
            "7",
            Some(crate::bench::day(-1)),
        )));
    assert_eq!(b.run().await.gone, 0);
    b.source.vanish(RecordKind::Recall, "r7");
    // It was seen since the last listing, so the next one does not miss it yet.
    assert_eq!(b.sweep().await.gone, 0);
    assert_eq!(b.sweep().await.gone, 0);
    nobody_was_closed(&b, 15);
    assert_eq!(b.sweep().await.gone, 1);
    let task = &b.crm.tasks()[&b.task("r7")];
    assert_eq!(task.status, TaskStatus::Cancelled);
}

/// A list that suddenly shows nothing is more likely broken than true.
async fn rule_6_the_brake_holds_an_empty_listing(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 5);
    b.seed(60);
    b.run().await;
    b.source.hide(true);
    for _ in 0..4 {
        assert_eq!(b.sweep().await.gone, 0);
    }
    let report = b.sweep().await;
    assert_eq!((report.gone, report.held), (0, 120));
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.contains("brake")),
        "a person must hear of it: {:?}",
        report.problems
    );
    nobody_was_closed(&b, 60);
    b.source.hide(false);
    let report = b.sweep().await;
    assert_eq!((report.gone, report.held, report.sent), (0, 0, 0));
}

/// What the brake lets go is the larger of its floor and its share.
async fn rule_6_the_brake_lets_go_what_it_says_and_no_more(kind: Kind, folder: &Path) {
    for (vanish, gone) in [(3, 3), (6, 6), (7, 0)] {
        let folder = folder.join(vanish.to_string());
        std::fs::create_dir_all(&folder).ok();
        let mut b = Bench::new("main", store(kind, &folder), 5);
        b.brake = Brake {
            floor: 2,
            share: 0.1,
        };
        b.seed(60);
        b.run().await;
        for n in 0..vanish {
            b.source.vanish(RecordKind::Recall, &format!("r{}", n + 1));
        }
        b.sweep().await;
        let report = b.sweep().await;
        assert_eq!((report.gone, report.held), (gone, vanish - gone));
    }
}

/// A row that cannot be read is there all the same, and hides nobody.
async fn rule_6_a_row_that_cannot_be_read_is_not_missing(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 5);
    b.seed(15);
    b.run().await;
    b.source.vanish(RecordKind::Patient, "7");
    b.source.set_bad(vec![BadRecord::new(
        RecordKind::Patient,
        Some("7"),
        "unknown status",
        b"raw",
    )]);
    for _ in 0..3 {
        let report = b.sweep().await;
        assert_eq!((report.gone, report.unreadable), (0, 1));
    }
    nobody_was_closed(&b, 15);
}

/// Half a practice must not be told as the whole.
async fn rule_8_before_the_first_import_has_ended_nothing_is_sent(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 5);
    b.seed(30);
    b.fail_reading(2, vec![SourceFault::BadKey]);
    let report = b.run().await;
    assert!(report.read > 0, "some pages were read");
    assert_eq!(
        (report.sent, b.crm.calls().len(), b.crm.list_reads()),
        (0, 0, 0)
    );
    // The same for a practice that is followed.
    b.fail_reading(1, vec![SourceFault::BadKey; 10_000]);
    let (shutdown, stop) = Shutdown::new();
    let pipeline = b.pipeline();
    let watch = async {
        let pulls = b.source.requests();
        while b.source.requests() < pulls + 20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(b.crm.calls().len(), 0);
        b.source.recover();
        while b.crm.tasks().len() < 30 {
            tokio::task::yield_now().await;
        }
        shutdown.stop();
    };
    let (ran, ()) = tokio::join!(pipeline.run(stop), watch);
    ran.unwrap();
}

/// A dry run says what a live one would send, calls nobody, and leaves
/// everything to do.
async fn rule_8_a_dry_run_sends_nothing_and_settles_nothing(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 5);
    b.seed(15);
    for _ in 0..2 {
        let plan = b.pipeline().run_once(Mode::DryRun).await.unwrap();
        assert_eq!(plan.sent, 30);
        assert_eq!(b.crm.calls().len(), 0);
        assert_eq!(b.due().await.len(), 15);
        let known = b.standing(&b.contact("1")).await;
        assert!(known.acknowledged.is_none() && known.parked.is_none());
    }
    b.crm.fail([Fault::Down]);
    assert_eq!(b.run().await.sent, 30);
    let plan = b.pipeline().run_once(Mode::DryRun).await.unwrap();
    assert_eq!((plan.sent, plan.households), (0, 0));
}

/// The state itself may be away when the first run begins: nothing is guessed.
#[tokio::test]
async fn rule_6_a_state_that_cannot_be_read_is_not_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let b = Bench::new("main", store(Kind::Sqlite, folder.path()), 5);
    b.seed(5);
    b.run().await;
    let path = folder.path().join("odx.sqlite");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("ALTER TABLE ledger RENAME TO hidden")
        .unwrap();
    b.put("1", "Nora");
    let calls = b.crm.calls().len();
    let error = b.try_run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert_eq!(
        b.crm.calls().len(),
        calls,
        "an unknown ledger is not an empty one"
    );
    other
        .execute_batch("ALTER TABLE hidden RENAME TO ledger")
        .unwrap();
    assert_eq!(b.run().await.sent, 1);
}

every_store! {
    rule_6_a_failed_read_is_never_no_rows
    rule_6_half_a_listing_proves_nothing
    rule_6_absence_needs_two_listings_in_a_row
    rule_6_the_brake_holds_an_empty_listing
    rule_6_the_brake_lets_go_what_it_says_and_no_more
    rule_6_a_row_that_cannot_be_read_is_not_missing
    rule_8_before_the_first_import_has_ended_nothing_is_sent
    rule_8_a_dry_run_sends_nothing_and_settles_nothing
}
