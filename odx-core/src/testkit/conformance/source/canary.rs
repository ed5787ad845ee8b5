//! Planted names, numbers and keys, looked for in whatever a client prints.

use std::fmt::Debug;
use std::time::Duration;

use tracing::instrument::WithSubscriber;

use super::feed::Feed;
use super::harness::SourceHarness;
use super::people::{SPOILED, canaries, edited};
use super::practice::{Practice, START};
use crate::error::{Error, Result};
use crate::id::PatientKey;
use crate::model::RecordKind;
use crate::source::{Cursor, Extent, PullRequest};
use crate::testkit::conformance::{Supported, not_checked};
use crate::testkit::log::Log;
use crate::testkit::{Canaries, SourceFault};

/// No name, number, address or birthday of a patient, and nothing of a row that
/// cannot be read, stands in the `Debug` of client, page, change, cursor or probe,
/// in the text of a cursor, or in any error or its causes.
pub async fn nothing_printed_names_a_patient<H: SourceHarness>() {
    let told = told::<H>("nothing_printed_names_a_patient").await;
    for (what, text) in &told.printed {
        told.people.assert_absent(what, text);
    }
}

/// No key, token or password stands there either.
pub async fn nothing_printed_shows_a_secret<H: SourceHarness>() {
    const CHECK: &str = "nothing_printed_shows_a_secret";
    let told = told::<H>(CHECK).await;
    match &told.secrets {
        None => not_checked(CHECK, "the harness names no secrets"),
        Some(secrets) => {
            for (what, text) in &told.printed {
                secrets.assert_absent(what, text);
            }
        }
    }
}

/// Nothing of the kind is traced, at any level, while pages are read, rows turn
/// out to be unreadable and every fault is met.
pub async fn nothing_logged_names_a_patient_or_shows_a_secret<H: SourceHarness>() {
    let log = Log::default();
    let check = "nothing_logged_names_a_patient_or_shows_a_secret";
    let told = told::<H>(check).with_subscriber(log.clone()).await;
    let text = log.text();
    told.people.assert_absent("what is traced", &text);
    if let Some(secrets) = &told.secrets {
        secrets.assert_absent("what is traced", &text);
    }
}

/// What a client said of itself and of what happened to it.
struct Told {
    printed: Vec<(String, String)>,
    people: Canaries,
    secrets: Option<Canaries>,
}

impl Told {
    fn debug(&mut self, what: &str, value: &(impl Debug + ?Sized)) {
        let what = format!("the Debug of {what}");
        self.printed.push((what.clone(), format!("{value:?}")));
        self.printed.push((what, format!("{value:#?}")));
    }

    fn error(&mut self, what: &str, error: &Error) {
        self.debug(&format!("the error of {what}"), error);
        let what = format!("the error of {what}");
        self.printed.push((what.clone(), error.to_string()));
        self.printed.push((what.clone(), error.chain()));
        let mut next = std::error::Error::source(error);
        while let Some(cause) = next {
            self.printed
                .push((what.clone(), format!("{cause:?} {cause:#?}")));
            next = cause.source();
        }
    }

    fn answer<T: Debug>(&mut self, what: &str, answer: &Result<T>) {
        match answer {
            Ok(answer) => self.debug(&format!("the answer of {what}"), answer),
            Err(error) => self.error(what, error),
        }
    }
}

/// Lets a client say all it can.
async fn told<H: SourceHarness>(check: &str) -> Told {
    let mut practice = Practice::<H>::seeded().await;
    let secrets = practice.harness.secrets();
    let mut told = Told {
        printed: Vec::new(),
        people: canaries(practice.there.values()),
        secrets: (!secrets.is_empty()).then(|| Canaries::new(secrets)),
    };
    for kind in practice.kinds() {
        let Some(record) = practice.free(kind).into_iter().nth(1) else {
            continue;
        };
        match practice.harness.put_unreadable(record, SPOILED).await {
            Supported::Yes => {}
            Supported::No(why) => {
                not_checked(check, why);
                break;
            }
        }
    }
    let mut feed = Feed::of(&practice);
    told.debug("a fresh client", &*feed.source);
    let patient = PatientKey::new(practice.native(RecordKind::Patient, START));
    for extent in [Extent::Changes, Extent::Changes, Extent::Everything] {
        for page in feed.pass(extent).await.pages {
            told.debug("a page", &page);
            let cursor = page.position.cursor().as_str().to_owned();
            told.printed
                .push(("the text of a cursor".to_owned(), cursor));
        }
        told.answer("refresh", &feed.source.refresh(&patient).await);
        told.answer("probe", &feed.source.probe().await);
        for record in practice.there.clone().values().take(3) {
            practice.put(edited(record, 3)).await;
        }
    }
    for fault in [
        SourceFault::Down,
        SourceFault::ServerError,
        SourceFault::SlowDown(Some(Duration::from_secs(7))),
        SourceFault::BadKey,
        SourceFault::Cut,
        SourceFault::Nonsense,
        SourceFault::Forgot,
    ] {
        for call in 0..3 {
            if !practice.fails(check, fault).await {
                break;
            }
            match call {
                0 => told.answer(
                    &format!("pull with {fault:?}"),
                    &feed.pull(Extent::Changes).await,
                ),
                1 => {
                    let answer = feed.source.refresh(&patient).await;
                    told.answer(&format!("refresh with {fault:?}"), &answer);
                }
                _ => told.answer(&format!("probe with {fault:?}"), &feed.source.probe().await),
            }
            practice.harness.recover().await;
        }
    }
    for text in ["", "not a cursor", "{\"v\":4000000}"] {
        let foreign = PullRequest::after(Some(Cursor::new(text)));
        if let Err(error) = feed.source.pull(foreign).await {
            told.error("a foreign cursor", &error);
        }
    }
    let nobody = PatientKey::new(practice.native(RecordKind::Patient, 900_001));
    told.answer("refresh of nobody", &feed.source.refresh(&nobody).await);
    told.debug("a client that has read", &*feed.source);
    told
}
