//! What an answer means.
//!
//! The vendor has no machine-readable code: an office that is offline, a
//! version that is too old and a wrong parameter are all a 400 with a text
//! whose form is not documented. So the text is read for a few known phrases
//! and everything else is "later": a read is never given up for an unknown text.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use super::Call;
use crate::error::Cause;

/// `Ok(true)`: an answer to read. `Ok(false)`: what was asked for is not there.
pub(super) fn classify(
    call: &Call,
    status: u16,
    after: Option<Duration>,
    body: &[u8],
) -> Result<bool, Cause> {
    let what = call.what();
    if status == 200 {
        // Whole or not is for the parser; a page of a proxy is told apart here.
        let start = body
            .trim_ascii_start()
            .strip_prefix("\u{feff}".as_bytes())
            .unwrap_or_else(|| body.trim_ascii_start());
        return match start.first() {
            Some(b'[' | b'{') => Ok(true),
            _ => Err(Cause::NotJson { what }),
        };
    }
    let meaning = meaning(body);
    // What a throttled request gets back is not documented: any status may do.
    if status == 429 || meaning == Meaning::TooFast {
        return Err(Cause::TooFast { what, after });
    }
    if call.names_a_patient() && matches!((status, meaning), (400 | 404, Meaning::NoPatient)) {
        return Ok(false);
    }
    Err(match status {
        // Before the phrases: a database names its own version where it complains.
        400 if call.is_query() && is_sql_error(body) => Cause::UnknownName { what },
        400 => match meaning {
            Meaning::TooOld => Cause::TooOld {
                what,
                needs: call.needs(),
            },
            Meaning::BadParameter => Cause::BadParameter { what },
            Meaning::NoPatient | Meaning::UnknownName => Cause::UnknownName { what },
            Meaning::TooFast | Meaning::Offline | Meaning::Unknown => Cause::Office { what },
        },
        401 => Cause::Keys,
        403 => Cause::NotPermitted { what },
        404 if call.is_single() => return Ok(false),
        404 => Cause::NoSuchResource { what },
        410 => Cause::Retired { what },
        300..=399 => Cause::Redirect { what },
        408 | 425 | 500..=599 => Cause::Server {
            what,
            status,
            after,
        },
        _ => Cause::Status { what, status },
    })
}

/// Whether the vendor's relay says that the office cannot be reached through it:
/// another way may be open.
pub(super) fn is_offline(status: u16, body: &[u8]) -> bool {
    match status {
        502..=504 => meaning(body) != Meaning::TooFast,
        400 => meaning(body) == Meaning::Offline,
        _ => false,
    }
}

/// Whether the database did not understand a query: an older table, a weaker user.
fn is_sql_error(body: &[u8]) -> bool {
    const PHRASES: [&str; 6] = [
        "sql syntax",
        "unknown column",
        "unknown table",
        "doesn't exist",
        "does not exist",
        "command denied",
    ];
    let text = explanation(body).to_lowercase();
    PHRASES.iter().any(|phrase| text.contains(phrase))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    TooFast,
    Offline,
    TooOld,
    BadParameter,
    NoPatient,
    UnknownName,
    Unknown,
}

/// Phrases in the order they are looked for. That the office is offline comes
/// before "version" and "update": a text with both asks for patience, and
/// patience never stops a resource for good.
const PHRASES: &[(Meaning, &[&str])] = &[
    (
        Meaning::TooFast,
        &["throttl", "too many", "rate limit", "slow down"],
    ),
    (
        Meaning::Offline,
        &[
            "offline",
            "not running",
            "timeout",
            "timed out",
            "time out",
            "unreachable",
            "could not connect",
            "unable to connect",
            "no connection",
            "not connected",
            "could not be reached",
            "did not respond",
        ],
    ),
    (
        Meaning::TooOld,
        &["version", "not supported", "upgrade", "update"],
    ),
    (
        Meaning::NoPatient,
        &["patient not found", "patient does not exist"],
    ),
    (
        Meaning::BadParameter,
        &[
            "format must be",
            "is required",
            "content-type",
            "content type",
            "invalid parameter",
            "is not a valid",
            "malformed",
        ],
    ),
    (Meaning::UnknownName, &["not found", "does not exist"]),
];

pub(super) fn meaning(body: &[u8]) -> Meaning {
    let text = explanation(body).to_lowercase();
    PHRASES
        .iter()
        .find(|(_, phrases)| phrases.iter().any(|phrase| text.contains(phrase)))
        .map_or(Meaning::Unknown, |&(meaning, _)| meaning)
}

/// The explanation, whatever its form: a JSON string, an object with a message,
/// or plain text. It is looked at and never kept: it may quote what was sent.
fn explanation(body: &[u8]) -> Cow<'_, str> {
    let body = body.get(..4096).unwrap_or(body);
    match serde_json::from_slice(body) {
        Ok(Value::String(text)) => text.into(),
        Ok(Value::Object(fields)) => fields
            .values()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" ")
            .into(),
        _ => String::from_utf8_lossy(body),
    }
}

#[cfg(test)]
mod tests {
    use odx_core::{Error, ErrorKind};

    use super::*;

    const LIST: Call = Call::Recalls { offset: 0 };
    const ONE: Call = Call::Patient(48);
    const OF: Call = Call::RecallsOf {
        patient: 48,
        offset: 0,
    };

    fn kind(call: &Call, status: u16, body: &str) -> Result<bool, ErrorKind> {
        classify(call, status, None, body.as_bytes()).map_err(|cause| Error::from(cause).kind())
    }

    #[test]
    fn a_400_is_read_by_its_text_and_an_unknown_text_is_retried() {
        use ErrorKind::{Bug, Config, RateLimited, Unavailable};
        for (body, expected) in [
            ("The office's eConnector is not running.", Unavailable),
            ("\"eConnector could not be reached\"", Unavailable),
            ("Office offline", Unavailable),
            (
                "Request timed out at the office. Update later.",
                Unavailable,
            ),
            ("", Unavailable),
            ("<html>Bad Request</html>", Unavailable),
            ("Something nobody has seen before", Unavailable),
            (r#"{"message": "eConnector timeout"}"#, Unavailable),
            ("Method requires version 22.4.40 or greater", Config),
            ("\"This method is NOT SUPPORTED\"", Config),
            (r#"{"Message": "Please upgrade Open Dental."}"#, Config),
            ("Please update Open Dental", Config),
            ("Clinic not found", Config),
            ("InsSub does not exist", Config),
            ("DateTStamp format must be yyyy-MM-dd HH:mm:ss", Bug),
            ("\"PatNum is required\"", Bug),
            ("Missing header: Content-Type", Bug),
            ("Requests are being throttled", RateLimited),
            ("\"Too many requests\"", RateLimited),
        ] {
            assert_eq!(kind(&LIST, 400, body), Err(expected), "{body}");
        }
    }

    #[test]
    fn every_other_status_has_one_meaning() {
        use ErrorKind::{Config, Credentials, Permission, Protocol, RateLimited, Unavailable};
        for (status, expected) in [
            (401, Credentials),
            (403, Permission),
            (404, Config),
            (410, Config),
            (301, Config),
            (307, Config),
            (408, Unavailable),
            (429, RateLimited),
            (500, Unavailable),
            (502, Unavailable),
            (503, Unavailable),
            (504, Unavailable),
            (204, Protocol),
            (201, Protocol),
            (418, Protocol),
        ] {
            assert_eq!(kind(&LIST, status, ""), Err(expected), "{status}");
        }
        assert_eq!(kind(&LIST, 503, "throttled"), Err(RateLimited));
    }

    #[test]
    fn a_query_the_database_does_not_understand_is_no_outage() {
        let query = Call::Query {
            sql: odx_core::Phi::new("SELECT 1".to_owned()),
            offset: 0,
        };
        for body in [
            "You have an error in your SQL syntax; check the manual for your MySQL server version",
            "\"Unknown column 'x' in 'field list'\"",
            "Table 'opendental.x' doesn't exist",
            "SELECT command denied to user",
        ] {
            assert_eq!(kind(&query, 400, body), Err(ErrorKind::Config), "{body}");
        }
        let offline = "eConnector is not running";
        assert_eq!(kind(&query, 400, offline), Err(ErrorKind::Unavailable));
        assert_eq!(kind(&query, 200, "[]"), Ok(true));
    }

    #[test]
    fn only_a_known_text_or_a_status_of_the_relay_says_offline() {
        for (status, body, offline) in [
            (400, "The office's eConnector is not running.", true),
            (400, "could not be reached", true),
            (504, "", true),
            (502, "", true),
            (503, "", true),
            (400, "", false),
            (400, "nobody has seen this", false),
            (400, "Method requires version 23.1.30", false),
            (500, "", false),
            (401, "offline", false),
            (403, "offline", false),
            (429, "", false),
            (503, "throttled", false),
        ] {
            assert_eq!(
                is_offline(status, body.as_bytes()),
                offline,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn a_404_is_gone_for_a_row_and_a_wrong_address_for_a_list() {
        assert_eq!(kind(&ONE, 404, ""), Ok(false));
        assert_eq!(kind(&LIST, 404, ""), Err(ErrorKind::Config));
        assert_eq!(kind(&OF, 404, ""), Err(ErrorKind::Config));
        assert_eq!(kind(&OF, 404, "Patient not found"), Ok(false));
        assert_eq!(kind(&OF, 400, "\"Patient does not exist\""), Ok(false));
    }

    #[test]
    fn a_200_that_is_no_list_and_no_object_is_no_answer() {
        for body in ["", "<html></html>", "null", "\"ok\"", "OK", "12"] {
            assert_eq!(kind(&LIST, 200, body), Err(ErrorKind::Protocol), "{body}");
        }
        for body in ["[]", " [{}]", "{}", "\u{feff}[]"] {
            assert_eq!(kind(&LIST, 200, body), Ok(true), "{body}");
        }
    }

    #[test]
    fn a_wait_is_passed_on_and_a_text_is_not() {
        let wait = Some(Duration::from_secs(7));
        for (status, body) in [(429, "canary"), (503, "canary"), (400, "throttled canary")] {
            let error = Error::from(classify(&LIST, status, wait, body.as_bytes()).unwrap_err());
            assert_eq!(
                error.disposition(),
                odx_core::Disposition::Retry { after: wait }
            );
            assert!(!error.chain().contains("canary"));
            assert!(!format!("{error:?}").contains("canary"));
        }
    }
}
