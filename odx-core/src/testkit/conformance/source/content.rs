//! What a record says, and under which key.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::feed::{Feed, expect};
use super::harness::SourceHarness;
use super::people::{day, edited, every_opt_out, every_sort, noes};
use super::practice::{Practice, Records, START, assert_nothing, compare};
use crate::id::{HouseholdKey, PatientKey};
use crate::model::{AppointmentStatus, Channel, PatientStatus, Record, RecordKey, RecordKind};
use crate::phi::Phi;
use crate::source::{Change, Extent};
use crate::testkit::conformance::not_checked;

/// Every field comes back as it was written: each status, each date, each kind
/// of consent, names with marks in them, and nothing where nothing was written.
pub async fn what_is_written_is_what_is_read<H: SourceHarness>() {
    let mut practice = Practice::<H>::start().await;
    let (patients, recalls, visits) = every_sort(|n| practice.native(RecordKind::Patient, n));
    for patient in patients {
        practice.put(Record::Patient(patient)).await;
    }
    for (n, recall) in (201..).zip(recalls) {
        let record = practice.numbered(Record::Recall(recall), n);
        practice.put(record).await;
    }
    for (n, visit) in (201..).zip(visits) {
        let record = practice.numbered(Record::Appointment(visit), n);
        practice.put(record).await;
    }
    for opt_out in every_opt_out(|n| practice.native(RecordKind::Patient, n)) {
        practice.put(Record::OptOut(opt_out)).await;
    }
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "as written");
}

/// Every edit of a row that was read before is read: new values, cleared ones,
/// another household, another status, and the last of several.
pub async fn an_update_is_read<H: SourceHarness>() {
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    let head = HouseholdKey::new(practice.native(RecordKind::Patient, START));
    let edits: [&(dyn Fn(&mut Record) + Sync); 6] = [
        &|record| *record = edited(record, 1),
        &|record| match record {
            Record::Patient(patient) => patient.status = PatientStatus::Inactive,
            Record::Recall(recall) => recall.scheduled = Some(day(3)),
            Record::Appointment(visit) => visit.status = AppointmentStatus::Broken,
            Record::OptOut(opt_out) => opt_out.statements = noes(&[Channel::Sms, Channel::Email]),
            Record::Reminder(_) => *record = edited(record, 1),
        },
        &|record| match record {
            Record::Patient(patient) => {
                patient.email = None;
                patient.born = None;
            }
            Record::Recall(recall) => {
                recall.scheduled = None;
                recall.due = None;
            }
            Record::Appointment(visit) => visit.minutes = None,
            Record::OptOut(opt_out) => opt_out.statements = noes(&[Channel::Email]),
            Record::Reminder(_) => *record = edited(record, 2),
        },
        &|record| match record {
            Record::Patient(patient) => {
                patient.household = head.clone();
                patient.first_name = Phi::new("Quillandra Nova".to_owned());
            }
            Record::Recall(recall) => recall.disabled = true,
            Record::Appointment(visit) => visit.minutes = Some(25),
            Record::OptOut(opt_out) => opt_out.statements = noes(&[Channel::Sms]),
            Record::Reminder(_) => *record = edited(record, 3),
        },
        &|record| match record {
            Record::Patient(patient) => patient.status = PatientStatus::Active,
            Record::Recall(recall) => {
                recall.disabled = false;
                recall.due = Some(day(77));
            }
            Record::Appointment(visit) => visit.status = AppointmentStatus::Complete,
            Record::OptOut(opt_out) => opt_out.statements = noes(&[Channel::Sms, Channel::Email]),
            Record::Reminder(_) => *record = edited(record, 4),
        },
        &|record| *record = edited(record, 9),
    ];
    let mut written: BTreeMap<RecordKey, Record> = BTreeMap::new();
    for (n, edit) in edits.iter().enumerate() {
        practice.later();
        for kind in practice.kinds() {
            // The second, so that the head of the household is somebody else.
            let Some(record) = practice.free(kind).into_iter().nth(1) else {
                continue;
            };
            let record = written.entry(record.key()).or_insert(record);
            practice.put(edited(record, 20)).await;
            edit(record);
            practice.put(record.clone()).await;
        }
        feed.pass(Extent::Changes).await;
        practice.assert_shown(&feed.shown, &format!("after edit {}", n + 1));
    }
}

/// One record, one key: people of one name and birthday, two recalls of one
/// patient, two visits at one time, and equal numbers among the kinds.
pub async fn keys_are_unique<H: SourceHarness>() {
    let mut practice = Practice::<H>::start().await;
    for (alike, count) in [
        (practice.patient(START), 3),
        (practice.recall(START, START + 1), 4),
        (practice.visit(START, START + 1), 4),
        (practice.opt_out(START), 3),
    ] {
        for n in START..START + count {
            let record = practice.numbered(alike.clone(), n);
            practice.put(record).await;
        }
    }
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "among rows that are nearly the same");
}

/// A record keeps its key after an edit, in a later listing and after a restart.
pub async fn keys_stay_the_same<H: SourceHarness>() {
    let mut practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    for round in 0..2 {
        practice.later();
        for kind in practice.kinds() {
            for record in practice.free(kind).into_iter().take(3) {
                practice.put(edited(&record, 4 + round)).await;
            }
        }
        feed = feed.restarted(&practice);
        feed.pass(Extent::Changes).await;
        practice.assert_shown(&feed.shown, "after edits and a restart");
        let mut again = Feed::of(&practice);
        again.pass(Extent::Changes).await;
        practice.assert_shown(&again.shown, "listed again by a fresh client");
    }
}

/// `refresh` answers with the patient, every recall and every visit of theirs as
/// they are now, more than a page of them, and with nobody else. An opt-out may
/// be left out, and what is shown of it is right. It does not disturb the feed.
pub async fn refresh_shows_one_patient_whole_and_nobody_else<H: SourceHarness>() {
    let mut practice = Practice::<H>::seeded().await;
    let key = PatientKey::new(practice.native(RecordKind::Patient, START));
    let many = practice.page() + 2;
    for n in 0..many {
        practice.put(practice.recall(301 + n, START)).await;
        practice.put(practice.visit(301 + n, START)).await;
    }
    practice.put(practice.opt_out(START)).await;
    // Somebody of the same household is still somebody else.
    let mut relative = practice.patient(START + 1);
    if let Record::Patient(patient) = &mut relative {
        patient.household = HouseholdKey::new(key.native());
    }
    practice.put(relative).await;
    let mut feed = Feed::of(&practice);
    feed.some(1, Extent::Changes).await;
    for round in 0..3 {
        for n in [START, START + 1, START + 3 * (many - 2)] {
            let key = PatientKey::new(practice.native(RecordKind::Patient, n));
            assert_whole(&practice, &feed, &key).await;
        }
        for record in practice.about(&key).values() {
            practice.put(edited(record, round)).await;
        }
    }
    assert_whole(&practice, &feed, &key).await;
    feed.pass(Extent::Changes).await;
    feed.pass(Extent::Changes).await;
    practice.assert_shown(&feed.shown, "in a feed with refreshes between its pages");
    let nobody = PatientKey::new(practice.native(RecordKind::Patient, 900_001));
    if let Ok(changes) = feed.source.refresh(&nobody).await {
        let someone = changes
            .iter()
            .any(|change| matches!(change, Change::Upsert(_)));
        assert!(
            !someone,
            "refresh of a patient that is not there shows somebody"
        );
    }
}

async fn assert_whole<H: SourceHarness>(practice: &Practice<H>, feed: &Feed, key: &PatientKey) {
    let changes = expect(feed.source.refresh(key).await);
    let mut shown = Records::new();
    for change in changes {
        if let Change::Upsert(record) = change {
            shown.insert(record.key(), record);
        }
    }
    let mut expected = practice.about(key);
    expected.retain(|key, _| key.kind() != RecordKind::OptOut || shown.contains_key(key));
    let mut wrong = compare(&expected, &shown);
    wrong.extend(
        shown
            .keys()
            .filter(|key| !expected.contains_key(key))
            .map(|key| format!("{key:?} belongs to somebody else")),
    );
    assert_nothing(wrong, "refreshing one patient");
}

/// Two practices with equal ids are read in turn by two clients in one process:
/// neither ever shows what stands in the other.
pub async fn two_practices_do_not_mix<H: SourceHarness>() {
    let one = Practice::<H>::seeded().await;
    let mut other = Practice::<H>::seeded().await;
    for record in other.there.clone().values() {
        other.put(edited(record, 7)).await;
    }
    let (mut feed, mut other_feed) = (Feed::of(&one), Feed::of(&other));
    let (mut done, mut other_done) = (false, false);
    for pages in 0.. {
        if done && other_done {
            break;
        }
        feed.assert_ends(pages);
        if !done {
            done = feed.some(1, Extent::Changes).await.ended();
        }
        if !other_done {
            other_done = other_feed.some(1, Extent::Changes).await.ended();
        }
    }
    one.assert_shown(&feed.shown, "reading one of two practices");
    other.assert_shown(&other_feed.shown, "reading the other of two practices");
}

/// Id and capabilities are the same for every client of a practice, and are told
/// without asking it.
pub async fn identity_and_capabilities_need_no_request<H: SourceHarness>() {
    let practice = Practice::<H>::start().await;
    let (one, other) = (practice.harness.source(), practice.harness.source());
    let before = one.requests();
    assert_eq!(one.id(), other.id(), "the id differs between two clients");
    assert_eq!(
        one.capabilities(),
        other.capabilities(),
        "the capabilities differ between two clients"
    );
    assert_eq!(one.requests(), before, "they cost a request");
}

/// The count of requests never falls, and rises with a pass.
pub async fn requests_are_counted<H: SourceHarness>() {
    let practice = Practice::<H>::seeded().await;
    let mut feed = Feed::of(&practice);
    let source = Arc::clone(&feed.source);
    let begin = source.requests();
    let mut last = begin;
    for pages in 0.. {
        feed.assert_ends(pages);
        let ended = feed.some(1, Extent::Changes).await.ended();
        let now = source.requests();
        assert!(now >= last, "the count fell from {last} to {now}");
        last = now;
        if ended {
            break;
        }
    }
    if last == begin {
        return not_checked("requests_are_counted", "the source counts no requests");
    }
    feed.pass(Extent::Changes).await;
    let now = source.requests();
    assert!(
        now > last,
        "a pass was read, and the count stayed at {last}"
    );
}
