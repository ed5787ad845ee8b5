//! What the office itself has sent: read where it is asked for, for one request
//! a pass, and never a word of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a panic is the failure"
)]
#![allow(dead_code, reason = "helpers that other tests use as well")]

#[path = "office/mod.rs"]
mod office;

use std::time::Duration;

use odx_core::model::{Record, RecordKey, Reminder, ReminderMode, ReminderUsage};
use odx_core::source::{Change, Cursor, Extent, Position, PracticeSource as _, PullRequest};
use odx_core::{ReminderKey, Secret, SourceId};
use odx_opendental::sim::{CommlogRow, Permission, Practice, PracticeBuilder, Server};
use odx_opendental::{Builder, Credentials, OpenDental, SYSTEM};

const FREE: &[Permission] = &[Permission::ReadAll];
const PAID: &[Permission] = &[Permission::ReadAll, Permission::Comm, Permission::Queries];

struct Life {
    practice: Practice,
    server: Server,
}

impl Life {
    async fn of(builder: PracticeBuilder) -> Self {
        let practice = builder.with_patients(20).build().unwrap();
        let server = practice.serve().await.unwrap();
        Self { practice, server }
    }

    fn builder(&self) -> Builder {
        let credentials = Credentials {
            developer_key: Secret::new(self.practice.developer_key()),
            customer_key: Secret::new(self.practice.customer_key()),
        };
        OpenDental::builder(SourceId::new(SYSTEM, "main-st").unwrap(), credentials)
            .with_base_urls(vec![self.server.base_url().parse().unwrap()])
            .with_interval(Duration::ZERO)
    }

    fn source(&self) -> OpenDental {
        self.builder().with_reminders(true).build().unwrap()
    }

    /// An entry of the usage `RECALL`, written now about a moment so many days ago.
    fn sent(&self, days_ago: i64) -> i64 {
        let types = self.practice.definitions();
        let recall = types.iter().find(|row| row.item_value == "RECALL").unwrap();
        let at = self.practice.now() - chrono::TimeDelta::days(days_ago);
        self.practice.add_commlog(CommlogRow {
            pat_num: self.practice.patients()[3].pat_num,
            comm_date_time: at.format("%Y-%m-%d %H:%M:%S").to_string(),
            comm_type: recall.def_num,
            note: "told them that note-canary".to_owned(),
            mode: "Text".to_owned(),
            sent_or_received: "Sent".to_owned(),
            ..CommlogRow::default()
        })
    }
}

async fn pass(source: &OpenDental, from: &mut Option<Cursor>, extent: Extent) -> Vec<Change> {
    let mut changes = Vec::new();
    loop {
        let request = PullRequest::after(from.clone()).with_extent(extent);
        let page = source.pull(request).await.unwrap();
        changes.extend(page.changes);
        *from = Some(page.position.cursor().clone());
        if let Position::CaughtUp(_) = page.position {
            return changes;
        }
    }
}

fn reminders(changes: &[Change]) -> Vec<&Reminder> {
    let reminders = changes.iter().filter_map(|change| match change {
        Change::Upsert(Record::Reminder(reminder)) => Some(reminder),
        _ => None,
    });
    reminders.collect()
}

fn says_gone(changes: &[Change], key: i64) -> bool {
    let key = RecordKey::Reminder(ReminderKey::new(key.to_string()));
    changes.contains(&Change::Gone(key))
}

#[tokio::test]
async fn reminders_cost_a_request_a_pass_and_where_they_are_off_none() {
    for permissions in [FREE, PAID] {
        let mut costs = Vec::new();
        for on in [false, true] {
            let life = Life::of(Practice::builder(5).with_permissions(permissions)).await;
            let source = life.builder().with_reminders(on).build().unwrap();
            let mut cursor = None;
            let mut last = 0;
            let mut paths = Vec::new();
            for _ in 0..4 {
                pass(&source, &mut cursor, Extent::Changes).await;
                life.practice.advance(Duration::from_secs(300));
                let asked = life.practice.requests();
                paths.push(asked[last..].iter().map(|one| one.path.clone()).collect());
                last = asked.len();
            }
            costs.push(paths);
        }
        let [off, on]: [Vec<Vec<String>>; 2] = costs.try_into().unwrap();
        for (n, (off, on)) in off.iter().zip(&on).enumerate() {
            assert!(!off.contains(&"/commlogs".to_owned()));
            let asked = on.iter().filter(|path| *path == "/commlogs").count();
            assert_eq!(asked, 1, "{on:?}");
            // What the types of comm logs are used for, once.
            let names = usize::from(n == 0);
            assert_eq!(on.len(), off.len() + 1 + names, "{on:?} beside {off:?}");
        }
    }
}

#[tokio::test]
async fn what_was_sent_in_the_last_days_is_shown_and_nothing_of_before_and_no_note() {
    for permissions in [FREE, PAID] {
        let life = Life::of(Practice::builder(6).with_permissions(permissions)).await;
        let (old, new) = (life.sent(20), life.sent(2));
        let source = life.source();
        let mut cursor = None;
        let first = pass(&source, &mut cursor, Extent::Changes).await;
        let shown = reminders(&first);
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert_eq!(shown[0].key.native(), new.to_string());
        assert_eq!(shown[0].mode, Some(ReminderMode::Text));
        assert_eq!(shown[0].usage, ReminderUsage::Recall);
        assert!(says_gone(&first, old));
        assert!(!format!("{first:?}").contains("note-canary"));
        assert!(!cursor.as_ref().unwrap().as_str().contains("note-canary"));
        // A month is read where a month is asked for.
        let source = life.builder().with_reminders(true).with_reminder_days(31);
        let month = pass(&source.build().unwrap(), &mut None, Extent::Changes).await;
        assert_eq!(reminders(&month).len(), 2);
    }
}

#[tokio::test]
async fn an_entry_that_is_edited_counts_as_it_is_now() {
    let life = Life::of(Practice::builder(7)).await;
    let source = life.source();
    let mut cursor = None;
    pass(&source, &mut cursor, Extent::Changes).await;
    life.practice.advance(Duration::from_secs(7200));
    let key = life.sent(0);
    let now = pass(&source, &mut cursor, Extent::Changes).await;
    assert_eq!(reminders(&now).len(), 1);
    life.practice.advance(Duration::from_secs(7200));
    life.practice
        .update_commlog(key, |row| "Received".clone_into(&mut row.sent_or_received));
    let now = pass(&source, &mut cursor, Extent::Changes).await;
    assert!(reminders(&now).is_empty() && says_gone(&now, key));
}

#[tokio::test]
async fn reminders_turned_on_later_are_read_back_a_week_and_off_again_without_harm() {
    let life = Life::of(Practice::builder(8)).await;
    life.sent(6);
    let without = life.builder().build().unwrap();
    let mut cursor = None;
    pass(&without, &mut cursor, Extent::Changes).await;
    life.practice.advance(Duration::from_secs(3 * 24 * 3600));
    life.sent(0);
    let now = pass(&life.source(), &mut cursor, Extent::Changes).await;
    // The first one is nine days old by now.
    assert_eq!(reminders(&now).len(), 1);
    let now = pass(&without, &mut cursor, Extent::Changes).await;
    assert!(reminders(&now).is_empty());
}

#[tokio::test]
async fn an_older_office_is_not_asked_and_says_what_it_needs() {
    let life = Life::of(Practice::builder(9).with_version("25.1.12")).await;
    life.sent(1);
    let source = life.source();
    let mut cursor = None;
    let all = pass(&source, &mut cursor, Extent::Changes).await;
    assert!(reminders(&all).is_empty());
    let asked = life.practice.requests();
    assert!(asked.iter().all(|request| request.path != "/commlogs"));
    let plan = source.plan(&PullRequest::after(cursor.clone())).await;
    let plan = format!("{:?}", plan.unwrap());
    assert!(plan.contains("25.1.13"), "{plan}");
    let probe = source.probe().await.unwrap();
    let probe = format!("{probe:?}");
    assert!(
        probe.contains("what the office sent is not read"),
        "{probe}"
    );
    // And of a newer one both say that it is read.
    let life = Life::of(Practice::builder(9)).await;
    let source = life.source();
    let plan = source.plan(&PullRequest::after(None)).await;
    let plan = format!("{:?}", plan.unwrap());
    assert!(plan.contains("reminders that the office sent"), "{plan}");
    let probe = source.probe().await.unwrap();
    assert!(!format!("{probe:?}").contains("what the office sent is not read"));
}

#[tokio::test]
async fn an_office_that_has_no_such_list_is_read_all_the_same() {
    let office = office::Office::documented().await;
    let source = office.builder().with_reminders(true).build().unwrap();
    let all = pass(&source, &mut None, Extent::Changes).await;
    assert!(!all.is_empty() && reminders(&all).is_empty());
}

#[tokio::test]
async fn pages_of_reminders_are_read_once_and_a_full_pass_reads_none_of_them_again() {
    for permissions in [FREE, PAID] {
        let life = Life::of(Practice::builder(10).with_permissions(permissions)).await;
        for _ in 0..250 {
            life.sent(1);
        }
        life.practice.advance(Duration::from_secs(7200));
        let source = life.source();
        let mut cursor = None;
        let mut asked = Vec::new();
        for extent in [Extent::Changes, Extent::Changes, Extent::Everything] {
            let from = life.practice.requests().len();
            let shown = pass(&source, &mut cursor, extent).await;
            let paths = life.practice.requests().split_off(from);
            let pages = paths.iter().filter(|one| one.path == "/commlogs").count();
            asked.push((pages, reminders(&shown).len()));
            life.practice.advance(Duration::from_secs(7200));
        }
        assert_eq!(asked, [(3, 250), (1, 0), (1, 0)]);
    }
}
