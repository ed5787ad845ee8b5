//! The parsers of this adapter, for anything at all.

use odx_core::source::Cursor;
use serde_json::Value;

use super::{stops, wire};

pub(crate) fn read_stops(answer: &Value) {
    let since = "here";
    if let Ok(page) = stops::page(answer, Some(since)) {
        let next = page.next.as_ref().and_then(|next| stops::after(next).ok());
        assert!(
            page.next.is_none() || next.is_some(),
            "a cursor does not read back"
        );
        assert!(!page.more || next.as_deref() != Some(since), "a circle");
        for stop in &page.stops {
            assert!(stop.reason.len() <= 80, "a reason that quotes");
        }
    }
}

pub(crate) fn read_answer(answer: &Value) {
    for line in wire::lines(answer).unwrap_or_default() {
        assert!(line.code.is_none_or(|code| code.len() <= 40));
    }
    assert!(wire::code(answer).is_none_or(|code| code.len() <= 40));
    assert!(wire::remote_id(answer).is_none_or(|id| id.len() <= 128));
}

pub(crate) fn read_cursor(cursor: &Cursor) {
    drop(stops::after(cursor));
}
