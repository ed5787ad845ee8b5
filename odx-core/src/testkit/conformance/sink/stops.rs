//! Opt-outs that a CRM recorded.

use super::SinkHarness;
use super::desk::{Desk, number, sure};
use crate::crm::{Contact, Delivery};
use crate::error::{Disposition, ErrorKind, Result};
use crate::model::{Channel, Email, Phone};
use crate::sink::{Suppression, Target};
use crate::source::Cursor;
use crate::testkit::SinkFault;

/// Far more pages than any check here fills.
const PAGES: usize = 200;

/// A list of stops, read to its end.
struct Read {
    stops: Vec<Suppression>,
    unreadable: u64,
    next: Option<Cursor>,
}

/// Reads all pages from `since`, each cursor through JSON as a store would keep it.
async fn read<H: SinkHarness>(desk: &Desk<H>, since: Option<Cursor>) -> Result<Read> {
    let mut read = Read {
        stops: Vec::new(),
        unreadable: 0,
        next: since,
    };
    for _ in 0..PAGES {
        let since = read.next.take().map(|cursor| {
            let text = sure(serde_json::to_string(&cursor));
            sure(serde_json::from_str(&text))
        });
        let page = desk.sink.suppressions(since).await?;
        read.stops.extend(page.stops);
        read.unreadable += page.unreadable;
        read.next = page.next;
        if !page.more {
            return Ok(read);
        }
        assert!(
            read.next.is_some(),
            "there is more, and no cursor to ask for it"
        );
    }
    panic!("the list of stops does not end");
}

async fn read_all<H: SinkHarness>(desk: &Desk<H>) -> Read {
    match read(desk, None).await {
        Ok(read) => read,
        Err(error) => panic!("nothing is wrong, and yet: {}", error.chain()),
    }
}

impl Read {
    /// The stop was read: its target, for its channel or for more.
    fn has(&self, wanted: &Suppression) -> bool {
        self.stops.iter().any(|stop| {
            stop.target == wanted.target
                && (stop.channel == wanted.channel || stop.channel.is_none())
        })
    }

    fn assert_has(&self, wanted: &Suppression) {
        let what = match &wanted.target {
            Target::Phone(_) => "a number",
            Target::Email(_) => "an address",
            Target::Contact(_) => "a record",
        };
        assert!(
            self.has(wanted),
            "the stop of {what} for {:?} was not read",
            wanted.channel
        );
    }
}

fn phone(n: usize, channel: Option<Channel>) -> Suppression {
    Suppression {
        target: Target::Phone(sure(Phone::parse(&number(n)))),
        channel,
        reason: "stop".to_owned(),
    }
}

fn email(n: usize, channel: Option<Channel>) -> Suppression {
    let address = format!("person{n}@smile.example");
    Suppression {
        target: Target::Email(sure(Email::parse(&address))),
        channel,
        reason: "stop".to_owned(),
    }
}

fn record(contact: &Contact, channel: Option<Channel>) -> Suppression {
    Suppression {
        target: Target::Contact(contact.external_id.clone()),
        channel,
        reason: "stop".to_owned(),
    }
}

/// The contact whom a stop may hang from.
fn contacts<H: SinkHarness>(desk: &Desk<H>, many: usize) -> Vec<Delivery> {
    desk.people(1, many)
}

/// A stop of a number, of an address or of a record is read, for one channel or
/// for all of them. It may become wider on its way, never narrower.
pub async fn every_kind_of_stop_is_read<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("every_kind_of_stop_is_read").await else {
        return;
    };
    desk.deliver(&contacts(&desk, 9)).await;
    let mut recorded = Vec::new();
    for stop in [
        phone(1, Some(Channel::Sms)),
        phone(2, Some(Channel::Voice)),
        phone(3, None),
        email(4, Some(Channel::Email)),
        email(5, None),
        record(&desk.person(6), Some(Channel::Sms)),
        record(&desk.person(7), Some(Channel::Email)),
        record(&desk.person(8), None),
    ] {
        if desk.can(desk.harness.stop(&stop).await) {
            recorded.push(stop);
        }
    }
    // Not all at once: a list that shows only the newest is no list.
    let read = read_all(&desk).await;
    for stop in &recorded {
        read.assert_has(stop);
    }
    if !recorded.is_empty() {
        let nobody = phone(9, Some(Channel::Sms));
        assert!(!read.has(&nobody), "a stop was read that nobody recorded");
    }
}

/// However many stops there are: all are read, and reading ends.
pub async fn stops_are_read_to_the_last_page<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("stops_are_read_to_the_last_page").await else {
        return;
    };
    let none = read_all(&desk).await;
    assert!(
        none.stops.is_empty() && none.unreadable == 0,
        "nobody said stop, and stops were read"
    );
    let recorded: Vec<_> = (1..=30).map(|n| phone(n, Some(Channel::Sms))).collect();
    for stop in &recorded {
        if !desk.can(desk.harness.stop(stop).await) {
            return;
        }
    }
    let read = read_all(&desk).await;
    for stop in &recorded {
        read.assert_has(stop);
    }
}

/// A stop that is recorded after the list was read is read next time, from where
/// reading ended. Reading on twice from one cursor loses nothing either.
pub async fn a_new_stop_is_read_next_time<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_new_stop_is_read_next_time").await else {
        return;
    };
    let mut next = None;
    for n in 1..=12 {
        let stop = phone(n, Some(Channel::Sms));
        if !desk.can(desk.harness.stop(&stop).await) {
            return;
        }
        let mut after = None;
        for _ in 0..2 {
            match read(&desk, next.clone()).await {
                Ok(read) => {
                    read.assert_has(&stop);
                    after = read.next;
                }
                Err(error) => panic!("reading on: {}", error.chain()),
            }
        }
        next = after;
    }
}

/// An entry that cannot be read is counted, and hides no other.
pub async fn an_unreadable_stop_is_counted<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("an_unreadable_stop_is_counted").await else {
        return;
    };
    let (before, after) = (phone(1, None), phone(2, None));
    if !desk.can(desk.harness.stop(&before).await)
        || !desk.can(desk.harness.stop_unreadably().await)
        || !desk.can(desk.harness.stop(&after).await)
    {
        return;
    }
    let read = read_all(&desk).await;
    read.assert_has(&before);
    read.assert_has(&after);
    assert!(
        read.unreadable > 0,
        "an entry could not be read, and nobody counted it"
    );
}

/// A cursor that is not ours, or no longer, is said to be expired or is read
/// from the start: never an empty list.
pub async fn a_foreign_cursor_starts_over<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_foreign_cursor_starts_over").await else {
        return;
    };
    let stop = phone(1, None);
    if !desk.can(desk.harness.stop(&stop).await) {
        return;
    }
    for text in ["", "{\"v\":999,\"of\":\"another\"}", "not a cursor", "7e9"] {
        match read(&desk, Some(Cursor::new(text))).await {
            Ok(read) => read.assert_has(&stop),
            Err(error) => assert!(
                error.kind() == ErrorKind::CursorExpired,
                "a cursor of another is {:?}: {}",
                error.kind(),
                error.chain()
            ),
        }
    }
}

/// A read that failed is an error, and never "nobody said stop".
pub async fn a_failed_read_is_no_empty_list<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_failed_read_is_no_empty_list").await else {
        return;
    };
    let stop = phone(1, None);
    if !desk.can(desk.harness.stop(&stop).await) {
        return;
    }
    for fault in [
        SinkFault::Down,
        SinkFault::ResetBefore,
        SinkFault::Lost,
        SinkFault::Failed,
        SinkFault::Cut,
        SinkFault::Garbage,
        SinkFault::BadToken,
        SinkFault::SlowDown(None),
    ] {
        let halts = matches!(fault, SinkFault::BadToken | SinkFault::Garbage);
        let what = format!("{fault:?}");
        if !desk.armed(fault).await {
            continue;
        }
        match read(&desk, None).await {
            Ok(read) => assert!(
                read.has(&stop),
                "{what}: a read that failed counts as an empty list"
            ),
            Err(error) => {
                let later = matches!(error.disposition(), Disposition::Retry { .. });
                assert!(
                    later || halts,
                    "{what}: it may work later, and the sink says {:?}: {}",
                    error.kind(),
                    error.chain()
                );
            }
        }
        desk.harness.recover().await;
        read_all(&desk).await.assert_has(&stop);
    }
}

/// Writing a record, with consent or without, does not lift what its person said
/// to the CRM.
pub async fn a_stop_outlives_an_upsert<H: SinkHarness>() {
    let Some(desk) = Desk::<H>::open("a_stop_outlives_an_upsert").await else {
        return;
    };
    let mut person = desk.person(1);
    desk.deliver(&[desk.contact(&person, 1)]).await;
    let mut stops = vec![phone(1, Some(Channel::Sms)), record(&person, None)];
    stops.push(email(1, Some(Channel::Email)));
    let mut recorded = Vec::new();
    for stop in stops {
        if desk.can(desk.harness.stop(&stop).await) {
            recorded.push(stop);
        }
    }
    desk.deliver(&[desk.contact(&person, 1)]).await;
    person.tags.clear();
    person.consent.email = crate::model::ConsentState::Granted;
    desk.deliver(&[desk.contact(&person, 2)]).await;
    let read = read_all(&desk).await;
    for stop in &recorded {
        read.assert_has(stop);
    }
}
