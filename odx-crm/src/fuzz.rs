//! What every parser here must keep to, whatever it is given (feature `fuzz`).

#![allow(clippy::panic, reason = "a panic is what a fuzzer looks for")]

use odx_core::source::Cursor;
use serde_json::Value;

/// A list of stops reads or is refused; its cursor moves or ends the reading.
pub fn stops(data: &[u8]) {
    if let Ok(answer) = serde_json::from_slice::<Value>(data) {
        crate::rest::read_stops(&answer);
    }
}

/// An answer to a write names records or does not; what it says of a record can
/// be shown.
pub fn answer(data: &[u8]) {
    if let Ok(answer) = serde_json::from_slice::<Value>(data) {
        crate::rest::read_answer(&answer);
    }
}

/// A cursor of ours, or a refusal.
pub fn cursor(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        crate::rest::read_cursor(&Cursor::new(text));
    }
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
    fn ten_thousand_broken_lists_of_stops_do_no_harm() {
        let words = [
            "\"channel\":",
            "\"sms\"",
            "\"next\":",
            "\"more\":true",
            "\"phone\":",
        ];
        run("stops", &words, stops);
    }

    #[test]
    fn ten_thousand_broken_answers_of_a_crm_do_no_harm() {
        let words = [
            "\"results\":",
            "\"external_id\":",
            "\"status\":",
            "\"id\":",
            "422",
        ];
        run("batch_answer", &words, answer);
    }

    #[test]
    fn ten_thousand_broken_crm_cursors_do_no_harm() {
        run("crm_cursor", &["\"v\":1", "\"after\":"], cursor);
    }
}
