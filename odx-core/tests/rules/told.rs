//! What a practice sends by itself: rules 1, 4 and 6, where a delivery is a hint
//! and a read is the word.

use std::path::Path;
use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};
use odx_core::ErrorKind;
use odx_core::engine::Shutdown;
use odx_core::model::{Record, RecordKey, RecordKind};
use odx_core::push::Delivery;
use odx_core::source::{Change, PracticeSource as _};
use odx_core::store::StateStore as _;
use odx_core::testkit::SourceFault;

use crate::bench::spy::Asked;
use crate::bench::{Bench, Kind, noon, store};

impl Bench {
    fn told(&self, key: &str, name: &str, minute: i64) -> Change {
        Change::Told {
            record: Record::Patient(self.person(key, name)),
            stamp: NaiveDateTime::default() + TimeDelta::minutes(minute),
        }
    }

    async fn deliver(&self, changes: Vec<Change>) {
        let delivery = self.source.telling(changes, noon());
        self.receive(delivery).await;
    }

    async fn receive(&self, delivery: Delivery) {
        let fresh = self.store.receive(self.source.id(), delivery).await;
        assert!(fresh.unwrap(), "the test delivers something twice");
    }

    async fn waiting(&self) -> usize {
        self.store.inbox(self.source.id(), 100).await.unwrap().len()
    }
}

/// Follows it in a time that only passes while everybody waits, until the story
/// ends.
async fn followed(b: &Bench, story: impl Future<Output = ()>) {
    let (_shutdown, stop) = Shutdown::new();
    let pipeline = b.pipeline();
    let run = pipeline.run(stop);
    let story = async {
        story.await;
        Ok(())
    };
    futures::future::select(Box::pin(run), Box::pin(story))
        .await
        .factor_first()
        .0
        .unwrap();
}

#[allow(
    clippy::disallowed_methods,
    reason = "the time of this runtime stands still"
)]
async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

async fn standing_still(kind: Kind, folder: &Path) -> Bench {
    tokio::time::pause();
    Bench::new("main", store(kind, folder), 1).with_real_waits()
}

/// Nobody has asked the practice, and the CRM shows what it told.
async fn rule_4_what_was_told_is_delivered_without_a_poll(kind: Kind, folder: &Path) {
    let b = standing_still(kind, folder).await;
    b.seed(3);
    let story = async {
        wait(5).await;
        assert_eq!(b.crm.contacts().len(), 3);
        let (pulls, looks) = (b.source.requests(), b.store.looks());
        for n in 1..=3 {
            b.deliver(vec![b.told("2", &format!("New{n}"), n)]).await;
            wait(2).await;
            assert_eq!(b.name_of("2"), format!("New{n}"));
        }
        assert_eq!(b.source.requests(), pulls, "the practice was asked");
        assert_eq!(b.waiting().await, 0);
        // Woken, read, read until there is nothing, waiting again: for each.
        let looks = b.store.looks() - looks;
        assert!(looks <= 3 * 4 + 1, "{looks} looks for 3 deliveries");
    };
    followed(&b, story).await;
}

/// While the practice cannot be read, what it sends is applied all the same.
async fn rule_4_what_is_told_while_the_source_is_down_is_delivered(kind: Kind, folder: &Path) {
    let b = standing_still(kind, folder).await;
    b.seed(2);
    let story = async {
        wait(5).await;
        b.source.fail(vec![SourceFault::Down; 10_000]);
        wait(20 * 60).await;
        b.deliver(vec![b.told("1", "Told", 1)]).await;
        wait(2).await;
        assert_eq!(b.name_of("1"), "Told");
        let looks = b.store.looks();
        wait(3600).await;
        let pulls = b.source.requests();
        let looks = u64::try_from(b.store.looks() - looks).unwrap();
        assert!(looks <= 4 * pulls, "{looks} looks in {pulls} passes");
    };
    followed(&b, story).await;
}

/// What is applied between two pages of a pass is not lost with the pass, and
/// does not lose it.
async fn rule_1_what_is_told_amid_a_pass_is_kept_and_the_pass_goes_on(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(30);
    b.fail_reading(2, [SourceFault::Down]);
    b.run().await;
    b.deliver(vec![b.told("1", "Told", 1), b.told("99", "New", 1)])
        .await;
    assert!(b.run().await.complete);
    assert_eq!(b.crm.contacts().len(), 31);
    assert_eq!(
        (b.name_of("1"), b.name_of("99")),
        ("Told".into(), "New".into())
    );
    assert_eq!(b.waiting().await, 0);
}

/// Two tellings in whatever order, in one delivery or two: the newer one stays.
async fn rule_4_an_older_telling_never_undoes_a_newer_one(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(2);
    b.run().await;
    b.deliver(vec![b.told("1", "Newer", 9)]).await;
    b.deliver(vec![b.told("1", "Older", 8), b.told("2", "Newer", 9)])
        .await;
    b.deliver(vec![b.told("2", "Older", 1)]).await;
    b.run().await;
    assert_eq!(
        (b.name_of("1"), b.name_of("2")),
        ("Newer".into(), "Newer".into())
    );
    b.deliver(vec![b.told("1", "Older", 7)]).await;
    let report = b.run().await;
    assert_eq!((b.name_of("1"), report.sent), ("Newer".into(), 0));
}

/// Whatever a delivery said, what the same run reads after it counts.
async fn rule_4_a_read_wins_over_what_was_told_before_it(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(1);
    b.run().await;
    b.put("1", "Read");
    b.deliver(vec![b.told("1", "Told", 99)]).await;
    b.run().await;
    assert_eq!(b.name_of("1"), "Read");
    let shown: Vec<_> = b.crm.writes().into_iter().map(|write| write.id).collect();
    assert_eq!(shown.iter().filter(|id| **id == b.contact("1")).count(), 2);
}

/// Keys are not used twice: who is gone stays gone, whatever arrives late.
async fn rule_6_who_is_gone_is_not_brought_back_by_a_delivery(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(2);
    b.run().await;
    b.source.delete(&RecordKey::new(RecordKind::Patient, "1"));
    assert_eq!(b.run().await.gone, 1);
    b.deliver(vec![b.told("1", "Back", 99)]).await;
    let report = b.run().await;
    assert_eq!((report.counts.patients, report.sent), (1, 0));
    assert_eq!(b.waiting().await, 0);
    // And a delivery may say itself that somebody is gone.
    let gone = Change::Gone(RecordKey::new(RecordKind::Patient, "2"));
    b.deliver(vec![gone]).await;
    assert_eq!(b.run().await.gone, 1);
}

/// Where the page is not stored the delivery is still there, and comes first
/// the next time.
async fn rule_1_a_delivery_leaves_only_with_the_page_that_says_it(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(1);
    b.run().await;
    b.deliver(vec![b.told("1", "Told", 1)]).await;
    b.store.fail(Asked::Page, 1);
    assert_eq!(b.try_run().await.unwrap_err().kind(), ErrorKind::State);
    assert_eq!((b.name_of("1"), b.waiting().await), ("Ana".into(), 1));
    b.run().await;
    assert_eq!((b.name_of("1"), b.waiting().await), ("Told".into(), 0));
}

/// Before the first import there is nothing that news could be news to: what
/// comes waits, and is not lost.
async fn rule_1_what_comes_before_the_first_import_waits(kind: Kind, folder: &Path) {
    let b = standing_still(kind, folder).await;
    b.seed(2);
    b.source.fail(vec![SourceFault::Down; 10_000]);
    b.deliver(vec![b.told("1", "Told", 1)]).await;
    let story = async {
        wait(3600).await;
        assert_eq!((b.waiting().await, b.crm.writes().len()), (1, 0));
        let looks = b.store.looks();
        let pulls = b.source.requests();
        wait(3600).await;
        let looks = u64::try_from(b.store.looks() - looks).unwrap();
        let pulls = b.source.requests() - pulls;
        assert!(looks <= 4 * pulls, "{looks} looks in {pulls} passes");
        b.source.recover();
        wait(3600).await;
        assert_eq!((b.waiting().await, b.name_of("1")), (0, "Told".into()));
    };
    followed(&b, story).await;
}

/// Somebody sends nonsense with a good key: a person is told, once, and the
/// others are applied.
async fn rule_6_a_delivery_that_cannot_be_read_hides_no_other(kind: Kind, folder: &Path) {
    let b = Bench::new("main", store(kind, folder), 1);
    b.seed(3);
    b.run().await;
    b.deliver(vec![b.told("1", "Told", 1)]).await;
    for text in ["nonsense", "999"] {
        b.receive(Delivery::new("", text.as_bytes().to_vec(), noon()))
            .await;
    }
    b.deliver(vec![b.told("2", "Told", 1)]).await;
    let report = b.run().await;
    assert_eq!(
        (b.name_of("1"), b.name_of("2")),
        ("Told".into(), "Told".into())
    );
    assert_eq!(b.waiting().await, 0);
    let problems: Vec<_> = report.problems.iter().collect();
    assert!(
        !problems.is_empty() && problems.iter().all(|what| what.contains("delivery")),
        "{problems:?}"
    );
    assert_eq!(b.run().await.problems, Vec::<String>::new());
}

/// An inbox that cannot be read is not asked over and over, and what is in it
/// is applied when it can be.
async fn rule_11_an_inbox_that_cannot_be_read_is_left_alone(kind: Kind, folder: &Path) {
    let mut b = standing_still(kind, folder).await;
    b.retry_max = Duration::from_secs(300);
    b.seed(1);
    let story = async {
        wait(5).await;
        b.store.fail_inbox(true);
        b.deliver(vec![b.told("1", "Told", 1)]).await;
        let (looks, pulls) = (b.store.looks(), b.source.requests());
        wait(2 * 3600).await;
        let looks = u64::try_from(b.store.looks() - looks).unwrap();
        assert!(looks < 200, "{looks} looks in two hours");
        b.store.fail_inbox(false);
        wait(3600).await;
        assert_eq!((b.waiting().await, b.name_of("1")), (0, "Told".into()));
        assert!(b.source.requests() > pulls);
    };
    followed(&b, story).await;
}

every_store! {
    rule_1_a_delivery_leaves_only_with_the_page_that_says_it
    rule_1_what_comes_before_the_first_import_waits
    rule_1_what_is_told_amid_a_pass_is_kept_and_the_pass_goes_on
    rule_4_a_read_wins_over_what_was_told_before_it
    rule_4_an_older_telling_never_undoes_a_newer_one
    rule_4_what_is_told_while_the_source_is_down_is_delivered
    rule_4_what_was_told_is_delivered_without_a_poll
    rule_6_a_delivery_that_cannot_be_read_hides_no_other
    rule_6_who_is_gone_is_not_brought_back_by_a_delivery
    rule_11_an_inbox_that_cannot_be_read_is_left_alone
}
