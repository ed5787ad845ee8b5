//! Records that go, and records that do not.

use super::feed::{Feed, Pass};
use super::harness::SourceHarness;
use super::people::edited;
use super::practice::{Practice, assert_nothing};
use crate::model::{PatientStatus, Record, RecordKey};
use crate::source::{Change, Extent};
use crate::testkit::conformance::not_checked;

/// What is deleted is told as the capabilities say: by a `Gone` (or a patient
/// with the status `Deleted`, or an opt-out without a no) in the next pass, by absence from the next complete
/// listing, or, with neither, not at all.
pub async fn a_deletion_is_noticed_as_declared<H: SourceHarness>() {
    const CHECK: &str = "a_deletion_is_noticed_as_declared";
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    let capable = feed.source.capabilities();
    feed.pass(Extent::Changes).await;
    feed.pass(Extent::Changes).await;
    for kind in practice.kinds() {
        // One, and in a second round more at once than a page holds. Meanwhile the
        // process is restarted: what a client remembers does not count.
        let more = usize::try_from(practice.page()).unwrap_or(5) + 1;
        for count in [1, more] {
            let rows = practice.free(kind);
            let keys: Vec<RecordKey> = rows.iter().skip(1).take(count).map(Record::key).collect();
            practice.later();
            // Many at once have one stamp.
            practice.stop_the_clock();
            for key in &keys {
                practice.delete(key).await;
            }
            practice.later();
            feed = feed.restarted(&practice);
            let next = feed.pass(Extent::Changes).await;
            if capable.reports_deletions {
                let untold = keys.iter().filter(|key| !tells_gone(&next, key));
                assert_nothing(
                    untold.map(|key| format!("{key:?} is not")).collect(),
                    "the capabilities say that deletions are reported",
                );
            }
            assert_not_there(&next, &keys, "in the next pass");
            if capable.sweeps {
                let listing = feed.pass(Extent::Everything).await;
                assert!(
                    listing.swept().contains(&kind),
                    "the capabilities say that everything is listed on demand, and no listing of \
                     {} ended",
                    kind.plural()
                );
                assert_not_there(&listing, &keys, "in a complete listing");
                listing.assert_sweeps_are_whole(&practice.there, "listing after a deletion");
            }
            if !capable.reports_deletions && !capable.sweeps {
                not_checked(CHECK, "the source says that it notices no deletions");
                assert_eq!(
                    next.swept().len(),
                    0,
                    "a listing is claimed to be complete, though the capabilities say that none is"
                );
            }
            practice.assert_shown(&feed.shown, "after a deletion");
            if capable.reports_deletions || capable.sweeps {
                let mut first = Feed::of(&practice);
                first.pass(Extent::Changes).await;
                let still = keys
                    .iter()
                    .filter(|key| first.shown.get(key).is_some_and(is_live));
                assert_nothing(
                    still.map(|key| format!("{key:?} was deleted")).collect(),
                    "shown at the end of a first pass",
                );
            }
        }
    }
}

fn assert_not_there(pass: &Pass, keys: &[RecordKey], when: &str) {
    let shown = keys.iter().filter(|key| shows(pass, key));
    assert_nothing(
        shown
            .map(|key| format!("{key:?} was deleted and is shown"))
            .collect(),
        when,
    );
}

fn is_live(record: &Record) -> bool {
    match record {
        Record::Patient(patient) => patient.status != PatientStatus::Deleted,
        Record::OptOut(opt_out) => opt_out.noes().next().is_some(),
        Record::Recall(_) | Record::Appointment(_) | Record::Reminder(_) => true,
    }
}

/// Shown as a record that is there.
fn shows(pass: &Pass, key: &RecordKey) -> bool {
    pass.changes().any(|change| match change {
        Change::Upsert(record) => is_live(record) && record.key() == *key,
        _ => false,
    })
}

fn tells_gone(pass: &Pass, key: &RecordKey) -> bool {
    pass.changes().any(|change| match change {
        Change::Gone(gone) => gone == key,
        Change::Upsert(record) => !is_live(record) && record.key() == *key,
        _ => false,
    })
}

/// `Gone` is proof. Nothing that is there is called so: whatever its status,
/// edited, listed, after others were deleted, after a restart.
pub async fn gone_is_only_said_of_what_is_gone<H: SourceHarness>() {
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    let first = feed.pass(Extent::Changes).await;
    assert_alive(&practice, &first);
    let kinds = practice.kinds();
    for round in 0..4_u32 {
        for kind in &kinds {
            let rows = practice.free(*kind);
            for (n, record) in (0_u32..).zip(rows) {
                match n % 4 {
                    0 if n == round * 4 => practice.delete(&record.key()).await,
                    1 => practice.put(edited(&record, round)).await,
                    2 => practice.put(closed(record, round)).await,
                    _ => {}
                }
            }
        }
        practice.later();
        for extent in [Extent::Changes, Extent::Everything] {
            feed = feed.restarted(&practice);
            let pass = feed.pass(extent).await;
            assert_alive(&practice, &pass);
        }
        practice.assert_shown(
            &feed.shown,
            "among rows that were deleted, edited and closed",
        );
    }
}

/// Put away by the practice, in one of several ways, and not deleted.
fn closed(mut record: Record, round: u32) -> Record {
    use crate::model::AppointmentStatus;
    match &mut record {
        Record::Patient(patient) => {
            patient.status = match round % 4 {
                0 => PatientStatus::Inactive,
                1 => PatientStatus::Archived,
                2 => PatientStatus::Deceased,
                _ => PatientStatus::NonPatient,
            };
        }
        Record::Recall(recall) => recall.disabled = round.is_multiple_of(2),
        Record::Appointment(visit) => {
            visit.status = if round.is_multiple_of(2) {
                AppointmentStatus::Broken
            } else {
                AppointmentStatus::Complete
            };
        }
        // A no has no end but its own, and what was sent was sent.
        Record::OptOut(_) | Record::Reminder(_) => return edited(&record, round),
    }
    record
}

fn assert_alive<H: SourceHarness>(practice: &Practice<H>, pass: &Pass) {
    let wrong = pass
        .gone()
        .into_iter()
        .filter(|key| practice.there.contains_key(key))
        .map(|key| format!("{key:?} is there and was called gone"))
        .collect();
    assert_nothing(wrong, "in a pass");
}

/// A record that was deleted and written again is there again.
pub async fn what_was_deleted_can_come_back<H: SourceHarness>() {
    const CHECK: &str = "what_was_deleted_can_come_back";
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    for noticed in [true, false] {
        for kind in practice.kinds() {
            if !practice.harness.comes_back(kind).or_say(CHECK) {
                continue;
            }
            let Some(record) = practice.free(kind).into_iter().nth(1) else {
                continue;
            };
            practice.later();
            practice.delete(&record.key()).await;
            if noticed {
                feed.pass(Extent::Changes).await;
            }
            practice.later();
            practice.put(record).await;
            practice.later();
            feed.pass(Extent::Changes).await;
            practice.assert_shown(&feed.shown, "after a record came back");
        }
    }
}
