//! Opt-outs: by address, never lifted.

use super::StateHarness;
use super::bench::{Bench, NOW, ok, only, person, sure, today};
use crate::id::PatientKey;
use crate::model::{Channel, Email, Phone, Record};
use crate::sink::{Suppression, Target};
use crate::source::{Change, Cursor};
use crate::testkit::patient;

pub(super) fn stop(target: Target, channel: Option<Channel>) -> Suppression {
    Suppression {
        target,
        channel,
        reason: "stop".to_owned(),
    }
}

async fn blocked(b: &Bench) -> Vec<(bool, bool, bool)> {
    let mut due = b.load(today(), NOW).await;
    due.sort_by(|a, b| a.view.key.cmp(&b.view.key));
    due.iter()
        .map(|due| only(due).blocked)
        .map(|blocked| (blocked.sms, blocked.email, blocked.voice))
        .collect()
}

/// A stop concerns whoever has the address, also who comes later; it raises
/// them, is news once, and nothing that is stored later lifts it.
pub async fn a_stop_reaches_everyone_with_the_address_and_is_never_lifted<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    let mut by_mail = patient("2");
    by_mail.mobile = None;
    by_mail.email = Email::parse("Jane@smile.co").ok();
    let by_mail = Change::Upsert(Record::Patient(by_mail));
    b.commit(vec![person("1"), by_mail, person("3")], &[]).await;
    for key in ["1", "2", "3"] {
        b.reconcile(key, 1, None).await;
    }
    let phone = Target::Phone(sure(Phone::parse("503 555 0123")));
    let email = Target::Email(sure(Email::parse("jane@smile.co")));
    let stops = vec![stop(phone, Some(Channel::Sms)), stop(email, None)];
    let next = Some(Cursor::new("c1"));
    let suppress =
        async |b: &Bench, stops, next| ok(b.store.suppress(&b.sink, stops, next, NOW).await);
    assert_eq!(suppress(&b, stops.clone(), next.clone()).await, 2);
    assert_eq!(ok(b.store.suppression_cursor(&b.sink).await), next);
    let all = [
        (true, false, false),
        (false, true, false),
        (true, false, false),
    ];
    assert_eq!(blocked(&b).await, all);
    // The same again is no news, and an empty list lifts nothing.
    assert_eq!(suppress(&b, stops, None).await, 0);
    assert_eq!(suppress(&b, vec![], None).await, 0);
    assert_eq!(blocked(&b).await, all);
    // Nor does a narrower one.
    let third = || Target::Contact(b.ids().patient(&PatientKey::new("3")));
    assert_eq!(suppress(&b, vec![stop(third(), None)], None).await, 3);
    let voice = vec![stop(third(), Some(Channel::Voice))];
    assert_eq!(suppress(&b, voice, None).await, 0);
    let all = [
        (true, false, false),
        (false, true, false),
        (true, true, true),
    ];
    assert_eq!(blocked(&b).await, all);
    // Somebody new with the number is stopped before anything is sent.
    b.commit(vec![person("4")], &[]).await;
    assert!(only(&b.household("4").await).blocked.sms);
}
