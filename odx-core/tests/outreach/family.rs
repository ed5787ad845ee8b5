//! Families: one message, through who answers for them.

use chrono::TimeDelta;
use odx_core::HouseholdKey;
use odx_core::model::{Email, PatientStatus, Phone};
use odx_core::outreach::HouseholdMode;
use odx_core::outreach::gate::Rule;

use crate::office::{Bench, adult, child, no, number};
use crate::scenes;

const DAY: TimeDelta = TimeDelta::days(1);

/// A mother and three children who share her number; everybody is due.
fn family(b: &Bench) {
    b.put(adult(1));
    b.due("r1", "1", -3);
    for n in 2..=4 {
        let mut kid = child(n, 1);
        kid.mobile = Phone::parse(&number(1)).ok();
        kid.email = None;
        b.put(kid);
        b.due(&format!("r{n}"), &n.to_string(), -3);
    }
}

#[tokio::test]
async fn a_mother_of_three_hears_once() {
    let b = Bench::new();
    family(&b);
    let report = b.run().await;
    assert_eq!((report.told, b.recipients()), (1, vec![number(1)]));
    for _ in 0..60 {
        b.later(DAY).await;
    }
    assert_eq!(b.sent().len(), 1, "the others count as told");
    // Four people stay four people in the CRM.
    assert_eq!(b.sink.contacts().len(), 4);
}

#[tokio::test]
async fn where_each_hears_by_themself_a_shared_number_still_hears_once_a_day() {
    let mut b = Bench::new();
    b.settings.household = HouseholdMode::Each;
    family(&b);
    let mut spouse = adult(5);
    spouse.household = HouseholdKey::new("1");
    b.put(spouse);
    b.due("r5", "5", -3);
    b.run().await;
    assert_eq!(b.recipients(), [number(1), number(5)]);
    for _ in 0..30 {
        b.later(DAY).await;
    }
    assert_eq!(b.sent().len(), 2);
}

#[tokio::test]
async fn a_household_that_comes_due_one_by_one_hears_no_more_than_once_a_week() {
    scenes::one_by_one().await.unwrap();
}

#[tokio::test]
async fn a_minors_own_number_is_never_written_to_and_the_guarantors_no_counts() {
    let b = Bench::new();
    let mut parent = adult(1);
    parent.status = PatientStatus::NonPatient;
    parent.consent = vec![no()];
    parent.email = None;
    b.put(parent);
    b.put(child(2, 1));
    b.due("r2", "2", -3);
    let report = b.run().await;
    assert_eq!(report.untold.get(&Rule::ConsentDenied), Some(&1));
    assert!(b.sent().is_empty());
    // A yes of the guarantor, who is no patient, is enough; the child's own says nothing.
    let mut parent = adult(1);
    parent.status = PatientStatus::NonPatient;
    b.put(parent);
    let mut kid = child(2, 1);
    kid.consent = vec![no()];
    b.put(kid);
    b.later(DAY).await;
    assert_eq!(b.recipients(), [number(1)]);
}

#[tokio::test]
async fn a_minor_without_a_guarantor_hears_nothing() {
    let b = Bench::new();
    let mut alone = child(2, 1);
    alone.household = HouseholdKey::new("2");
    b.put(alone);
    b.due("r2", "2", -3);
    let mut dead = adult(3);
    dead.status = PatientStatus::Deceased;
    b.put(dead);
    b.put(child(4, 3));
    b.due("r4", "4", -3);
    let report = b.run().await;
    assert_eq!(report.untold.get(&Rule::MinorNoGuarantor), Some(&2));
    assert!(b.sent().is_empty());
}

#[tokio::test]
async fn strangers_who_share_a_mailbox_hear_once_a_day_and_stay_two_people() {
    let b = Bench::new();
    for n in [1, 2] {
        let mut person = adult(n);
        person.consent.clear();
        person.email = Email::parse("Shared@smile.co").ok();
        b.put(person);
        b.due(&format!("r{n}"), &n.to_string(), -3);
    }
    let first = b.run().await;
    assert_eq!((first.told, b.sent().len()), (1, 1));
    b.later(DAY).await;
    assert_eq!(b.sent().len(), 2);
    assert_eq!(b.sink.contacts().len(), 2);
}
