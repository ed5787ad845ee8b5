//! What every parser here must keep to, whatever it is given (feature `fuzz`),
//! and the way in for benches.

#![allow(clippy::panic, reason = "a panic is what a fuzzer looks for")]

use chrono::{DateTime, NaiveDateTime};
use odx_core::model::RecordKind;
use odx_core::source::{Change, Cursor, Extent};

use crate::client::Call;
use crate::convert;
use crate::cursor::{Ask, Feed, Step};
use crate::overlap::Overlap;
use crate::plan::{Reminders, Terms};
use crate::raw;
use crate::reference::Reference;
use crate::wire;

/// One change a row, none of which quotes the row, and the same ones whenever
/// the answer is read.
pub fn rows(data: &[u8]) {
    let Some(rows) = wire::rows(data) else {
        return;
    };
    let mut reference = Reference::default();
    let _: Option<()> = reference.learn_recall_types(data);
    let _: Option<()> = reference.learn_definitions(data);
    for read in [convert::patient, convert::recall, convert::appointment] {
        let changes = convert::changes(&rows, &reference, read);
        assert_eq!(changes.len(), rows.len(), "a row was lost");
        assert_eq!(changes, convert::changes(&rows, &reference, read));
        for change in changes {
            if let Change::Unreadable(bad) = change {
                assert!(!bad.native.is_empty() && bad.reason.len() < 80);
            }
        }
    }
    let _: Option<()> = reference.learn_comm_log_types(data);
    for raw in &rows {
        let change = convert::reminder(raw, &reference, NaiveDateTime::MIN);
        assert_eq!(
            change,
            convert::reminder(raw, &reference, NaiveDateTime::MIN)
        );
        if let Some(Change::Unreadable(bad)) = change {
            assert!(!bad.native.is_empty() && bad.reason.len() < 80);
        }
    }
    let joined = raw::patients(&rows, &reference);
    assert_eq!(joined, raw::patients(&rows, &reference));
    assert!(joined.changes.len() >= rows.len(), "a row was lost");
    let recalls = raw::recalls(&rows, &reference);
    assert_eq!(recalls.changes.len(), rows.len(), "a row was lost");
    assert!(raw::opt_outs(&rows).opt_outs.len() <= rows.len());
    let news = raw::news(&rows);
    let told = news.items.len() + news.unreadable + usize::from(news.state.is_some());
    assert!(told >= rows.len(), "a row was lost");
    let _: Option<(chrono::NaiveDateTime, i32)> = raw::office_clock(&rows);
    assert!(raw::zones(&rows).len() <= rows.len());
    for row in &rows {
        let _: Option<Change> = convert::deletion(row);
        let _: Option<chrono::NaiveDateTime> = convert::server_clock(row);
    }
}

/// The changes a whole answer comes to, as a pull makes them, once and without
/// checks. Names that stand in other lists are not there to be looked up.
pub fn changes(kind: RecordKind, data: &[u8]) -> Vec<Change> {
    let read = match kind {
        RecordKind::Patient => convert::patient,
        RecordKind::Recall => convert::recall,
        RecordKind::Appointment => convert::appointment,
        // No list of the vendor's holds them.
        RecordKind::OptOut => return Vec::new(),
        RecordKind::Reminder => {
            let rows = wire::rows(data).unwrap_or_default();
            let one = |raw| convert::reminder(raw, &Reference::default(), NaiveDateTime::MIN);
            return rows.into_iter().filter_map(one).collect();
        }
    };
    let rows = wire::rows(data).unwrap_or_default();
    convert::changes(&rows, &Reference::default(), read)
}

/// A date is none, a day after the year 1, or a fault: of a text that stands in
/// a row.
pub fn date(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let row = serde_json::json!([{
            "PatNum": 1, "RecallNum": 1, "AptNum": 1, "PatStatus": "Patient", "AptStatus": "Scheduled",
            "Birthdate": text, "DateFirstVisit": text, "DateDue": text, "DateScheduled": text,
            "RecallInterval": text, "AptDateTime": text, "serverDateTime": text,
        }]);
        rows(row.to_string().as_bytes());
    }
}

/// A cursor that opens is written as it was and asks for a page; any other is
/// refused as foreign.
pub fn cursor(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let cursor = Cursor::new(text);
    let terms = |queries| Terms {
        queries,
        history: true,
        reminders: if queries {
            Reminders::Of(8)
        } else {
            Reminders::Off
        },
        page: 100,
        overlap: Overlap::of_zone(Some(chrono_tz::America::New_York), DateTime::UNIX_EPOCH),
    };
    let terms = [terms(false), terms(true)];
    for (extent, terms) in [Extent::Changes, Extent::Everything]
        .into_iter()
        .zip(&terms)
    {
        let Ok((feed, begins)) = Feed::open(Some(&cursor), extent, terms) else {
            continue;
        };
        let _: [Call; 2] = [feed.call(), feed.first_call()];
        let _: Ask = feed.ask(terms);
        let _: Step = feed.skip(terms);
        let _: Feed = feed.without_queries(terms);
        let written = feed.to_cursor();
        let again = written
            .ok()
            .and_then(|cursor| Feed::open(Some(&cursor), extent, terms).ok());
        assert!(
            again.is_some_and(|(again, _)| begins || again == feed),
            "a cursor does not read back"
        );
    }
}

/// Any answer to any call has a meaning.
pub fn answer(data: &[u8]) {
    let (status, body) = data.split_first_chunk::<2>().unwrap_or((&[0, 200], data));
    crate::client::any_answer(u16::from_be_bytes(*status), body);
}

#[cfg(test)]
mod tests {
    use odx_core::testkit::Mutants;

    use super::*;

    fn run(target: &str, words: &[&str], parse: fn(&[u8])) {
        let corpus = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        Mutants::feed(corpus, words, parse).unwrap();
    }

    #[test]
    fn ten_thousand_broken_answers_lose_no_row() {
        let words = [
            "\"PatNum\":",
            "\"DateDue\":",
            "\"true\"",
            "Patient",
            "6m1d",
            "},{",
        ];
        run("rows", &words, rows);
    }

    #[test]
    fn ten_thousand_broken_dates_do_no_harm() {
        run("date", &["-", ":", " 00:00:00", "T", "Z", "0001"], date);
    }

    #[test]
    fn ten_thousand_broken_cursors_are_refused_or_read_back() {
        let words = [
            "\"v\":1",
            "\"pass\"",
            "\"stage\"",
            "\"list\"",
            "\"offset\":",
            "\"at\":",
        ];
        run("cursor", &words, cursor);
    }

    #[test]
    fn ten_thousand_broken_refusals_have_a_meaning() {
        run(
            "answer",
            &["version", "permission", "eConnector", "not found"],
            answer,
        );
    }
}
