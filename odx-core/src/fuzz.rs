//! What every parser here must keep to, whatever it is given (feature `fuzz`).
//! The tests below feed it mutants of a kept corpus, `fuzz/` at the root feeds
//! it whatever a coverage-guided fuzzer finds.

#![allow(clippy::panic, reason = "a panic is what a fuzzer looks for")]

use crate::model::{Email, Interval, Phone};

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// A number that was read reads the same when it is read again.
pub fn phone(data: &[u8]) {
    let Some(Ok(phone)) = text(data).map(Phone::parse) else {
        return;
    };
    let e164 = phone.e164().expose();
    let digits = e164.strip_prefix('+').unwrap_or_default();
    assert!(
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()),
        "no E.164 number"
    );
    assert!(
        Phone::parse(e164).is_ok_and(|again| again.e164() == phone.e164()),
        "E.164 does not read back"
    );
}

/// An address that was read reads the same when it is read again.
pub fn email(data: &[u8]) {
    let Some(Ok(email)) = text(data).map(Email::parse) else {
        return;
    };
    let address = email.address().expose();
    assert!(
        !address.contains(|c: char| c.is_whitespace() || c.is_control()),
        "an address with a blank"
    );
    assert!(
        Email::parse(address).is_ok_and(|again| again == email),
        "an address does not read back"
    );
}

/// An interval that was read is written in a form that reads the same.
pub fn interval(data: &[u8]) {
    let Some(Ok(interval)) = text(data).map(str::parse::<Interval>) else {
        return;
    };
    assert_eq!(interval.to_string().parse(), Ok(interval));
    // Whatever the numbers, the calendar does not overflow.
    let _: Option<chrono::NaiveDate> = interval.after(chrono::NaiveDate::MAX);
    let _: Option<chrono::NaiveDate> = interval.after(chrono::NaiveDate::MIN);
}

/// A wait is never negative and never in the past.
#[cfg(feature = "http")]
pub fn retry_after(data: &[u8]) {
    if let Some(text) = text(data) {
        let _: Option<std::time::Duration> =
            crate::http::retry_after(text, chrono::DateTime::UNIX_EPOCH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Mutants;

    fn run(target: &str, words: &[&str], parse: fn(&[u8])) {
        let corpus = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        Mutants::feed(corpus, words, parse).unwrap();
    }

    #[test]
    fn ten_thousand_broken_numbers_do_no_harm() {
        run(
            "phone",
            &["+1", "ext", "x", "011", "(503)", "cell", "tel:", "555"],
            phone,
        );
    }

    #[test]
    fn ten_thousand_broken_addresses_do_no_harm() {
        run("email", &["@", ".", "xn--", "example", "ß", "ı"], email);
    }

    #[test]
    fn ten_thousand_broken_intervals_do_no_harm() {
        run(
            "interval",
            &["y", "m", "w", "d", "65535", "65536"],
            interval,
        );
    }

    #[test]
    fn ten_thousand_broken_waits_do_no_harm() {
        run(
            "retry_after",
            &["GMT", "Sun,", "Nov", "-0000", "1994"],
            retry_after,
        );
    }
}
