//! Noes that the practice keeps beside the patient.

use super::feed::{Feed, expect};
use super::harness::SourceHarness;
use super::people::{edited, every_opt_out, noes};
use super::practice::{Practice, assert_nothing};
use crate::model::{Channel, OptOut, Permission, Record, RecordKey, RecordKind};
use crate::source::{Change, Extent};
use crate::testkit::conformance::not_checked;

async fn with_opt_outs<H: SourceHarness>(check: &str) -> Option<Practice<H>> {
    let practice = Practice::<H>::seeded().await;
    if practice.has(RecordKind::OptOut) {
        return Some(practice);
    }
    not_checked(
        check,
        "the harness names no opt-outs among the kinds of its practice",
    );
    None
}

/// An opt-out holds nothing but noes, however it comes: in a first pass, after
/// an edit, in a listing, in a refresh. What a practice allows is a statement of
/// the patient.
pub async fn an_opt_out_says_nothing_but_no<H: SourceHarness>() {
    const CHECK: &str = "an_opt_out_says_nothing_but_no";
    let Some(mut practice) = with_opt_outs::<H>(CHECK).await else {
        return;
    };
    for opt_out in every_opt_out(|n| practice.native(RecordKind::Patient, n)) {
        practice.put(Record::OptOut(opt_out)).await;
    }
    let mut feed = Feed::of(&practice);
    let mut seen = 0;
    for (round, extent) in (0..).zip([Extent::Changes, Extent::Changes, Extent::Everything]) {
        let mut changes: Vec<Change> = feed.pass(extent).await.changes().cloned().collect();
        for record in practice.free(RecordKind::OptOut).into_iter().take(3) {
            let patient = crate::id::PatientKey::new(record.native());
            changes.extend(expect(feed.source.refresh(&patient).await));
            practice.put(edited(&record, round)).await;
        }
        let opt_outs = changes.iter().filter_map(upserted);
        let mut wrong = Vec::new();
        for opt_out in opt_outs {
            seen += 1;
            let said = opt_out.statements.iter();
            if said
                .clone()
                .any(|said| said.permission != Permission::Denied)
            {
                wrong.push(format!("{:?} says yes to something", opt_out.patient));
            }
        }
        assert_nothing(wrong, "among opt-outs");
        practice.later();
    }
    assert!(seen > 0, "no opt-out was ever shown");
}

/// A patient who is edited, and one who is refreshed, keeps their opt-out: it is
/// not gone, and it denies no less, though the patient's own row says yes now.
pub async fn news_of_a_patient_lifts_no_opt_out<H: SourceHarness>() {
    const CHECK: &str = "news_of_a_patient_lifts_no_opt_out";
    let Some(mut practice) = with_opt_outs::<H>(CHECK).await else {
        return;
    };
    let mut feed = Feed::of(&practice);
    feed.pass(Extent::Changes).await;
    for round in 0..3 {
        practice.later();
        let opted_out: Vec<Record> = practice.free(RecordKind::OptOut);
        let keys: Vec<_> = opted_out
            .iter()
            .take(4)
            .map(|record| crate::id::PatientKey::new(record.native()))
            .collect();
        for key in &keys {
            let known = practice.there.get(&RecordKey::Patient(key.clone()));
            let Some(mut record) = known.map(|record| edited(record, round)) else {
                continue;
            };
            if let Record::Patient(patient) = &mut record {
                patient.consent = noes(&[Channel::Sms]);
                for said in &mut patient.consent {
                    said.permission = Permission::Granted;
                }
            }
            practice.put(record).await;
        }
        if round == 1 {
            feed = feed.restarted(&practice);
        }
        let pass = feed.pass(Extent::Changes).await;
        assert_not_lifted(&practice, pass.changes(), "in a pass after their edit");
        for key in &keys {
            let changes = expect(feed.source.refresh(key).await);
            assert_not_lifted(&practice, changes.iter(), "in a refresh");
        }
        practice.assert_shown(&feed.shown, "after edits of those who opted out");
    }
}

fn upserted(change: &Change) -> Option<&OptOut> {
    match change {
        Change::Upsert(Record::OptOut(opt_out)) => Some(opt_out),
        _ => None,
    }
}

fn assert_not_lifted<'a, H: SourceHarness>(
    practice: &Practice<H>,
    changes: impl Iterator<Item = &'a Change>,
    when: &str,
) {
    let lifts = |change: &Change| {
        let key = match change {
            Change::Gone(key) => key.clone(),
            Change::Upsert(record) => record.key(),
            _ => return None,
        };
        let Some(Record::OptOut(kept)) = practice.there.get(&key) else {
            return None;
        };
        let said = |channel| upserted(change).is_some_and(|shown| shown.denies(channel));
        let lifted = kept.noes().any(|no| !said(no.channel));
        lifted.then(|| format!("{key:?} is lifted, and the practice still keeps it"))
    };
    assert_nothing(changes.filter_map(lifts).collect(), when);
}
