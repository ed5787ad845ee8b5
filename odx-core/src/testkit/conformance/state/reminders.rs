//! What the practice itself has sent: it counts for a while, and then leaves no
//! trace.

use chrono::{Days, NaiveDate, TimeDelta};

use super::StateHarness;
use super::bench::{Bench, NOW, ok, only, person, today};
use crate::id::ReminderKey;
use crate::model::{BadRecord, Record, RecordKey, RecordKind, Reminder, ReminderMode};
use crate::source::Change;
use crate::store::Due;
use crate::testkit::reminder;

fn sent(key: &str, to: &str) -> Change {
    let at = today().and_time(chrono::NaiveTime::MIN);
    Change::Upsert(Record::Reminder(reminder(key, to, at)))
}

fn keys(due: &Due) -> Vec<&str> {
    let sent = only(due).reminders.iter();
    sent.map(|reminder| reminder.key.native()).collect()
}

/// A page that ends a pass so many days on.
async fn days_on(b: &mut Bench, days: u16, changes: Vec<Change>) {
    let mut page = b.page(changes, &[]);
    page.today = later(days);
    page.now = NOW + TimeDelta::days(days.into());
    let next = page.page.position.cursor().clone();
    ok(b.store.commit_page(page).await);
    b.cursor = Some(next);
}

fn later(days: u16) -> NaiveDate {
    let day = today().checked_add_days(Days::new(days.into()));
    day.unwrap_or_default()
}

/// A reminder hangs from its patient, in the order of keys, whichever came first.
/// One that is new, changes or goes raises its household.
pub async fn a_reminder_counts_from_when_it_is_known<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    b.commit(vec![sent("8", "1")], &[]).await;
    assert_eq!(b.due().await, []);
    b.commit(vec![person("1"), person("2"), sent("7", "1")], &[])
        .await;
    assert_eq!(keys(&b.household("1").await), ["7", "8"]);
    assert_eq!(keys(&b.household("2").await), [""; 0]);
    let mut b = b.reopen(&place).await;
    assert_eq!(keys(&b.household("1").await), ["7", "8"]);
    b.reconcile("1", 1, None).await;
    b.reconcile("2", 1, None).await;
    let mut other = reminder("7", "1", today().and_time(chrono::NaiveTime::MIN));
    other.mode = Some(ReminderMode::Mail);
    let gone = Change::Gone(RecordKey::Reminder(ReminderKey::new("8")));
    let edited = Change::Upsert(Record::Reminder(other.clone()));
    for (generation, change, left) in [
        (2, edited, ["7", "8"].as_slice()),
        (3, gone, &["7"]),
        (4, sent("9", "1"), &["7", "9"]),
    ] {
        b.commit(vec![change.clone()], &[]).await;
        assert_eq!(b.due().await, [("1".to_owned(), generation)]);
        assert_eq!(keys(&b.household("1").await), left);
        b.reconcile("1", generation, None).await;
        b.commit(vec![change], &[]).await;
        assert_eq!(b.due().await, [], "nothing changed");
    }
    let counts = ok(b.store.counts(&b.source, &b.sink).await);
    assert_eq!((counts.patients, counts.reminders), (2, 2));
}

/// A reminder that has not changed for as long as one is kept is let go when a
/// pass ends: it counts no more and nobody is raised for it. A year leaves no more
/// of them than a month, gone ones and unreadable ones among them.
pub async fn a_reminder_that_has_had_its_time_leaves_no_trace<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let counted = async |b: &Bench| {
        let counts = ok(b.store.counts(&b.source, &b.sink).await);
        (counts.reminders, counts.unreadable)
    };
    let bad = BadRecord::new(RecordKind::Reminder, Some("3"), "unknown day", b"raw");
    let gone = || Change::Gone(RecordKey::Reminder(ReminderKey::new("2")));
    let first = vec![
        person("1"),
        sent("1", "1"),
        sent("2", "1"),
        gone(),
        Change::Unreadable(bad.clone()),
    ];
    b.commit(first, &[]).await;
    b.reconcile("1", 1, None).await;
    assert_eq!(counted(&b).await, (1, 1));
    // Shown again and again, and still as old as it is.
    days_on(&mut b, Reminder::KEPT, vec![sent("1", "1")]).await;
    assert_eq!(counted(&b).await, (1, 1));
    days_on(&mut b, Reminder::KEPT + 1, vec![]).await;
    assert_eq!(counted(&b).await, (0, 0));
    assert_eq!(b.due().await, [], "nobody has news of it");
    // Whoever shows it all the same shows a new one.
    let again = vec![sent("1", "1"), sent("2", "1")];
    days_on(&mut b, Reminder::KEPT + 1, again).await;
    assert_eq!(counted(&b).await, (2, 0));
    let due = b.load(later(Reminder::KEPT + 1), NOW).await;
    assert_eq!(due.first().map(keys), Some(vec!["1", "2"]));
    let mut month = 0;
    for day in 1..365 {
        let today = Reminder::KEPT + 1 + day;
        days_on(&mut b, today, vec![sent(&format!("d{day}"), "1")]).await;
        if day == Reminder::KEPT + 2 {
            month = counted(&b).await.0;
        }
    }
    assert_eq!(counted(&b).await, (month, 0));
}
