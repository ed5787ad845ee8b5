//! What a sink shows of itself, and what it must not.

use std::time::Duration;

use tracing::instrument::WithSubscriber as _;

use super::SinkHarness;
use super::desk::{Desk, is_applied};
use crate::crm::{Body, Contact, Delivery, Intent};
use crate::error::Error;
use crate::model::{Email, Phone};
use crate::phi::Phi;
use crate::sink::{Suppression, Target};
use crate::testkit::log::Log;
use crate::testkit::{Canaries, SinkFault};

const GIVEN: &str = "Xiuhcoatl";
const FAMILY: &str = "Quetzalcoatl";
const CALLED: &str = "Zyxqv";
const PHONE: &str = "+12125550187";
const VOICE: &str = "+12125550188";
const EMAIL: &str = "canary.bird@feather.example";

/// Where something may be shown.
const PLACES: [&str; 7] = [
    "an error",
    "the cause of an error",
    "an answer to apply",
    "the sink or an op",
    "the account",
    "reading stops",
    "a probe",
];

const FAULTS: [SinkFault; 13] = [
    SinkFault::None,
    SinkFault::Down,
    SinkFault::ResetBefore,
    SinkFault::Lost,
    SinkFault::Failed,
    SinkFault::FailedAfter,
    SinkFault::SlowDown(Some(Duration::from_secs(1))),
    SinkFault::NotNow,
    SinkFault::Refuse,
    SinkFault::BadToken,
    SinkFault::Cut,
    SinkFault::Garbage,
    SinkFault::Half,
];

/// Writes down an error and every cause of it.
fn note_error(log: &Log, error: &Error) {
    log.note("an error", &error.chain());
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = next {
        log.note(
            "the cause of an error",
            &format!("{cause} {cause:?} {cause:#?}"),
        );
        next = cause.source();
    }
}

fn bird<H: SinkHarness>(desk: &Desk<H>, n: usize) -> Contact {
    let mut bird = desk.person(n);
    bird.first_name = Phi::new(GIVEN.to_owned());
    bird.last_name = Phi::new(FAMILY.to_owned());
    bird.preferred_name = Some(Phi::new(CALLED.to_owned()));
    bird.phone = Some(Phi::new(PHONE.to_owned()));
    bird.custom.voice_phone = Some(Phi::new(VOICE.to_owned()));
    bird.email = Some(Phi::new(EMAIL.to_owned()));
    bird
}

/// Makes the sink say everything it can: every call into every fault.
async fn provoke<H: SinkHarness>(desk: &Desk<H>) -> String {
    let notes = Log::default();
    talk(desk, &notes).await;
    notes.text()
}

async fn talk<H: SinkHarness>(desk: &Desk<H>, notes: &Log) {
    for stop in [
        Phone::parse(PHONE).ok().map(Target::Phone),
        Email::parse(EMAIL).ok().map(Target::Email),
    ]
    .into_iter()
    .flatten()
    {
        let stop = Suppression {
            target: stop,
            channel: None,
            reason: format!("{GIVEN} {FAMILY} wrote stop"),
        };
        if !desk.can(desk.harness.stop(&stop).await) {
            break;
        }
    }
    for (round, fault) in FAULTS.into_iter().enumerate() {
        let batch = (0..desk.room(3))
            .map(|n| desk.contact(&bird(desk, round * 10 + n), 1))
            .collect();
        // A task of nobody, and a record to be retired that is not there.
        let orphan = desk.task(&desk.recall(round, 900 + round), 1);
        let absent = Body::Contact(bird(desk, round * 10 + 9));
        let retired = desk.delivery(Intent::Retire, absent, 1);
        for calls in [batch, vec![orphan], vec![retired], Vec::new()] {
            if fault != SinkFault::None && !desk.armed(fault.clone()).await {
                break;
            }
            if calls.is_empty() {
                read(desk, notes).await;
            } else {
                speak(desk, notes, &calls).await;
            }
            desk.harness.recover().await;
        }
        if fault == SinkFault::None || desk.armed(fault).await {
            probe(desk, notes).await;
            desk.harness.recover().await;
        }
    }
    // Refused by name: where a CRM quotes what it complains about.
    let refused = desk.contact(&bird(desk, 990), 1);
    if desk.can(desk.harness.refuse(refused.op.external_id()).await) {
        speak(desk, notes, std::slice::from_ref(&refused)).await;
    }
}

// Only the sink's own traces are kept: a harness may print what it likes.

async fn speak<H: SinkHarness>(desk: &Desk<H>, notes: &Log, ops: &[Delivery]) {
    let answer = desk.sink.apply(ops).with_subscriber(notes.clone());
    match answer.await {
        Ok(outcomes) => notes.note("an answer to apply", &format!("{outcomes:?} {outcomes:#?}")),
        Err(error) => note_error(notes, &error),
    }
    let sink = &desk.sink;
    notes.note(
        "the sink or an op",
        &format!("{sink:?} {sink:#?} {ops:?} {ops:#?}"),
    );
    let about = (sink.id(), sink.account(), sink.limits());
    notes.note("the account", &format!("{about:?} {}", sink.id()));
}

async fn read<H: SinkHarness>(desk: &Desk<H>, notes: &Log) {
    let page = desk.sink.suppressions(None).with_subscriber(notes.clone());
    match page.await {
        Ok(page) => notes.note("reading stops", &format!("{page:?} {page:#?}")),
        Err(error) => note_error(notes, &error),
    }
}

async fn probe<H: SinkHarness>(desk: &Desk<H>, notes: &Log) {
    let probe = desk.sink.probe().with_subscriber(notes.clone());
    match probe.await {
        Ok(probe) => notes.note("a probe", &format!("{probe:?} {probe:#?}")),
        Err(error) => note_error(notes, &error),
    }
}

/// No name, number or address stands in what the sink prints, returns or traces,
/// whatever goes wrong.
pub async fn no_name_is_shown<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("no_name_is_shown").await else {
        return;
    };
    let said = provoke(&desk).await;
    let bytes = |text: &str| format!("{:?}", text.as_bytes());
    // Bytes in `Debug` show a name as well as its letters do.
    let printed = [bytes(GIVEN), bytes(FAMILY), bytes(PHONE)]
        .map(|list| list.trim_matches(['[', ']']).to_owned());
    // Numbers are found without their country code, too.
    let numbers = [PHONE, VOICE].map(|number| number.trim_start_matches("+1"));
    assert_absent(&Canaries::new(numbers), &said);
    assert_absent(&Canaries::new([GIVEN, FAMILY, CALLED, EMAIL]), &said);
    assert_absent(&Canaries::new(printed), &said);
}

/// Says where a canary was found: a line of the notes begins with one blank and
/// where it comes from, or is a trace.
fn assert_absent(canaries: &Canaries, said: &str) {
    let mut place = "what the sink says";
    for line in said.lines() {
        place = match line.strip_prefix(' ') {
            Some(more) if more.starts_with(' ') => place,
            Some(note) => match note.split_once('=') {
                Some((place, _)) if PLACES.contains(&place) => place,
                _ => "a trace",
            },
            None if line.starts_with(['}', ']', ')']) => place,
            None => "a trace",
        };
        canaries.assert_absent(place, line);
    }
    canaries.assert_absent("what the sink says", said);
}

/// No key, token or password stands in what the sink prints, returns or traces.
pub async fn no_secret_is_shown<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("no_secret_is_shown").await else {
        return;
    };
    let secrets = desk.harness.secrets();
    if secrets.is_empty() {
        println!(
            "not checked: {}: the harness names no secrets: implement `secrets` if there are any",
            desk.check
        );
        return;
    }
    assert_absent(&Canaries::new(secrets), &provoke(&desk).await);
}

/// Every request is counted, failed ones too, as the CRM counts them.
pub async fn requests_are_counted<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("requests_are_counted").await else {
        return;
    };
    let theirs = desk.harness.requests().await;
    let mut ours = desk.sink.requests();
    let start = ours;
    for n in 1..=3 {
        let people = desk.people(n * 10, desk.room(3));
        if n == 2 && desk.armed(SinkFault::Failed).await {
            let answer = desk.call(&people).await;
            let applied = |outcomes: &Vec<_>| outcomes.iter().all(is_applied);
            assert!(!answer.is_ok_and(|o| applied(&o)), "that call failed");
        } else {
            desk.deliver(&people).await;
        }
        let now = desk.sink.requests();
        assert!(
            now > ours,
            "a call was made, and {now} requests were counted"
        );
        ours = now;
    }
    if let (Some(before), Some(after)) = (theirs, desk.harness.requests().await) {
        assert_eq!(
            ours - start,
            after - before,
            "the sink counts other requests than the crm"
        );
    }
}

/// Two clients of one account say so, at any time; the name holds no secret.
pub async fn the_account_is_stable_and_names_no_secret<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("the_account_is_stable_and_names_no_secret").await else {
        return;
    };
    let account = desk.sink.account();
    assert!(!account.name.trim().is_empty(), "the account has no name");
    desk.deliver(&desk.people(1, 1)).await;
    assert_eq!(account, desk.sink.account(), "a call renamed the account");
    let other = desk.harness.sink();
    assert_eq!(
        account,
        other.account(),
        "another client names it otherwise"
    );
    assert_eq!(desk.sink.id(), other.id(), "another client has another id");
    Canaries::new(desk.harness.secrets()).assert_absent("the account", &account.name);
}
