//! Noes that the practice keeps beside the patient: they deny for as long as
//! they are there, and news of the patient ends none of them.

use super::StateHarness;
use super::bench::{Bench, NOW, ok, only, today};
use crate::id::PatientKey;
use crate::model::{
    BadRecord, Channel, ConsentState, Origin, Permission, Record, RecordKey, RecordKind, Statement,
};
use crate::source::Change;
use crate::store::Due;
use crate::testkit::{opt_out, patient};

/// Somebody whose own row says yes to texts, since this day.
fn willing(key: &str, day: u64) -> Change {
    let mut person = patient(key);
    person.consent = vec![Statement {
        channel: Channel::Sms,
        permission: Permission::Granted,
        origin: Origin::Practice,
        on: today().checked_add_days(chrono::Days::new(day)),
    }];
    Change::Upsert(Record::Patient(person))
}

fn no(key: &str, channels: &[Channel]) -> Change {
    Change::Upsert(Record::OptOut(opt_out(key, channels)))
}

fn texts(due: &Due) -> ConsentState {
    only(due).consent(Channel::Sms)
}

/// An opt-out whose patient is not known yet is kept, makes no work, and denies
/// from the moment the patient comes. News of the patient does not end it.
pub async fn an_opt_out_may_come_before_its_patient_and_denies_from_then_on<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![no("1", &[Channel::Sms])], &[]).await;
    assert_eq!(b.due().await, []);
    for day in 0..3 {
        b.commit(vec![willing("1", day), willing("2", day)], &[])
            .await;
        assert_eq!(texts(&b.household("1").await), ConsentState::Denied);
        let state = only(&b.household("1").await).consent(Channel::Email);
        assert_eq!(state, ConsentState::Unknown, "of another channel");
        // And nobody else's.
        assert_eq!(texts(&b.household("2").await), ConsentState::Granted);
    }
}

/// An opt-out that is new, that changes and that goes raises its household; one
/// that is as it was does not. It counts until it is gone, and it may come back.
pub async fn an_opt_out_counts_until_it_is_gone<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let counted = async |b: &Bench| ok(b.store.counts(&b.source, &b.sink).await).opt_outs;
    let both = [Channel::Sms, Channel::Email];
    let gone = Change::Gone(RecordKey::OptOut(PatientKey::new("1")));
    b.commit(vec![willing("1", 0)], &[]).await;
    let mut generation = 1;
    for (change, state) in [
        (no("1", &[Channel::Email]), ConsentState::Granted),
        (no("1", &both), ConsentState::Denied),
        (gone, ConsentState::Granted),
        (no("1", &both), ConsentState::Denied),
        // Without a no it is as good as gone.
        (no("1", &[]), ConsentState::Granted),
    ] {
        b.reconcile("1", generation, None).await;
        b.commit(vec![change.clone()], &[]).await;
        generation += 1;
        assert_eq!(b.due().await, [("1".to_owned(), generation)]);
        assert_eq!(texts(&b.household("1").await), state);
        let there = u64::from(!matches!(change, Change::Gone(_)));
        assert_eq!(counted(&b).await, there);
        b.reconcile("1", generation, None).await;
        b.commit(vec![change], &[]).await;
        assert_eq!(b.due().await, [], "nothing changed");
    }
    assert_eq!(b.counted().await.0, 1, "the patient is there all the same");
}

/// Two complete listings of opt-outs in a row that do not show one end it; one
/// does not, and listings of patients never do.
pub async fn an_opt_out_ends_when_two_listings_do_not_show_it<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let (patients, opt_outs) = ([RecordKind::Patient], [RecordKind::OptOut]);
    let two = || vec![no("1", &[Channel::Sms]), no("2", &[Channel::Sms])];
    b.commit(vec![willing("1", 0), willing("2", 0)], &patients)
        .await;
    b.commit(two(), &opt_outs).await;
    for day in 1..4 {
        let people = vec![willing("1", day), willing("2", day)];
        assert_eq!(b.commit(people, &patients).await.gone, 0);
        assert_eq!(texts(&b.household("1").await), ConsentState::Denied);
    }
    for (gone, state) in [(0, ConsentState::Denied), (1, ConsentState::Granted)] {
        let shown = vec![no("2", &[Channel::Sms])];
        assert_eq!(b.commit(shown, &opt_outs).await.gone, gone);
        assert_eq!(texts(&b.household("1").await), state);
        assert_eq!(texts(&b.household("2").await), ConsentState::Denied);
    }
}

/// Nobody knows what an opt-out denies that cannot be read: it denies everything,
/// whatever it said before, until it can be read, is gone, or two listings do not
/// show it.
pub async fn an_opt_out_that_cannot_be_read_denies_everything<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let opt_outs = [RecordKind::OptOut];
    let bad = || {
        let bad = BadRecord::new(RecordKind::OptOut, Some("1"), "unknown mode", b"raw");
        Change::Unreadable(bad)
    };
    let gone = || Change::Gone(RecordKey::OptOut(PatientKey::new("1")));
    let denied = [ConsentState::Denied; 3];
    let mut generation = 0;
    // Before its patient is known.
    b.commit(vec![bad()], &[]).await;
    b.commit(vec![willing("1", 0), willing("2", 0)], &[]).await;
    b.reconcile("2", 1, None).await;
    let willing = [
        ConsentState::Granted,
        ConsentState::Unknown,
        ConsentState::Unknown,
    ];
    let by_mail = [willing[0], ConsentState::Denied, willing[2]];
    for (change, swept, state) in [
        (None, false, denied),
        (Some(no("1", &[Channel::Email])), false, by_mail),
        (Some(bad()), false, denied),
        // As it was before it could not be read.
        (Some(no("1", &[Channel::Email])), false, by_mail),
        (Some(bad()), false, denied),
        (Some(gone()), false, willing),
        (Some(bad()), true, denied),
    ] {
        let swept = if swept { &opt_outs[..] } else { &[] };
        b.commit(change.iter().cloned().collect(), swept).await;
        generation += 1;
        assert_eq!(b.due().await, [("1".to_owned(), generation)], "{change:?}");
        assert_eq!(all(&b.household("1").await), state, "{change:?}");
        b.reconcile("1", generation, None).await;
        b.commit(change.into_iter().collect(), swept).await;
        assert_eq!(b.due().await, [], "nothing changed");
    }
    // The listing that showed it has ended. One that does not proves nothing.
    b.commit(vec![], &opt_outs).await;
    assert_eq!(b.due().await, []);
    b.commit(vec![], &opt_outs).await;
    assert_eq!(all(&b.household("1").await), willing);
}

fn all(due: &Due) -> [ConsentState; 3] {
    [Channel::Sms, Channel::Email, Channel::Voice].map(|channel| only(due).consent(channel))
}

/// Who opted out has opted out after a new start.
pub async fn reopening_remembers_opt_outs<H: StateHarness>() {
    let (place, mut b) = Bench::new::<H>().await;
    b.commit(vec![willing("1", 0), no("1", &[Channel::Sms])], &[])
        .await;
    b.commit(vec![no("2", &[Channel::Sms])], &[]).await;
    let mut b = b.reopen(&place).await;
    assert_eq!(texts(&b.household("1").await), ConsentState::Denied);
    b.commit(vec![willing("2", 0)], &[]).await;
    assert_eq!(texts(&b.household("2").await), ConsentState::Denied);
    assert_eq!(b.load(today(), NOW).await.len(), 2);
}
