//! Query parameters: decoding, the closed lists of names, and their values.

use chrono::{NaiveDate, NaiveDateTime};

use super::answer::Refusal;
use super::formats;
use super::settings::{Settings, UnknownParameters, Version};
use super::store::Window;

/// A parameter and the program version that brought it.
pub(crate) type Known = (&'static str, Version);

/// Every list takes these.
// apispecification, paging
const PAGING: [&str; 2] = ["Limit", "Offset"];

/// Decodes a raw query. `None` for broken percent signs.
pub(crate) fn decode(raw: &str, plus_is_blank: bool) -> Option<Vec<(String, String)>> {
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((text(name, plus_is_blank)?, text(value, plus_is_blank)?))
        })
        .collect()
}

fn text(raw: &str, plus_is_blank: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if plus_is_blank => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The parameters a method understands.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Keeps what the method knows. Names are compared exactly: a misspelt one is
    /// unknown. A parameter newer than the office is unknown too.
    pub(crate) fn checked(
        pairs: &[(String, String)],
        known: &[Known],
        path: &str,
        settings: &Settings,
    ) -> Result<Self, Refusal> {
        let mut kept = Vec::new();
        for (name, value) in pairs {
            let is_known = PAGING.contains(&name.as_str())
                || formats::known(name, settings.version)
                || known
                    .iter()
                    .any(|(k, since)| k == name && settings.version >= *since);
            if is_known {
                kept.push((name.clone(), value.clone()));
                continue;
            }
            let refuse = match settings.unknown {
                UnknownParameters::Ignored => false,
                UnknownParameters::Refused => true,
                UnknownParameters::AsReported => path == "/patients" && name == "DateTStamp",
            };
            if refuse {
                return Err(Refusal::bad(format!("{name} is not a valid parameter")));
            }
        }
        Ok(Self { pairs: kept })
    }

    /// A value; empty counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.text(name)
            .map(|value| {
                value
                    .parse()
                    .map_err(|_| Refusal::bad(format!("{name} is invalid")))
            })
            .transpose()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(Refusal::bad(format!("{name} must be true or false"))),
        }
    }

    pub(crate) fn date(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.text(name) {
            Some(value) if !is_date(value) => {
                Err(Refusal::bad(format!("{name} format must be yyyy-MM-dd")))
            }
            found => Ok(found),
        }
    }

    /// A moment, written exactly as documented. One printed appointments example
    /// passes a bare date, so `bare_date` lets that method accept it.
    // apiproviders: 400 "DateTStamp format must be yyyy-MM-dd HH:mm:ss"
    pub(crate) fn stamp(&self, name: &str, bare_date: bool) -> Result<Option<String>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some(value) if is_stamp(value) => Ok(Some(value.to_owned())),
            Some(value) if bare_date && is_date(value) => Ok(Some(format!("{value} 00:00:00"))),
            Some(_) => Err(Refusal::bad(format!(
                "{name} format must be yyyy-MM-dd HH:mm:ss"
            ))),
        }
    }

    /// `Limit` and `Offset` within the office's cap.
    pub(crate) fn window(
        &self,
        settings: &Settings,
        repeat_first: bool,
    ) -> Result<Window, Refusal> {
        let number = |name: &str| -> Result<Option<u64>, Refusal> {
            self.text(name)
                .map(|value| {
                    value
                        .parse()
                        .map_err(|_| Refusal::bad(format!("{name} is invalid")))
                })
                .transpose()
        };
        let cap = settings.page_cap as u64;
        let limit = match number("Limit")? {
            None => cap,
            Some(0) => return Err(Refusal::bad("Limit is invalid")),
            Some(n) if n > cap && !settings.clip_limit => {
                return Err(Refusal::bad(format!("Limit cannot be greater than {cap}")));
            }
            Some(n) => n.min(cap),
        };
        let offset = number("Offset")?.unwrap_or(0);
        Ok(Window {
            offset: if repeat_first { 0 } else { offset },
            limit,
        })
    }
}

pub(crate) fn is_date(value: &str) -> bool {
    value.len() == 10 && NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok()
}

pub(crate) fn is_stamp(value: &str) -> bool {
    value.len() == 19 && NaiveDateTime::parse_from_str(value, "%Y-%m-%d %H:%M:%S").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_is_not_a_blank_unless_told_so() {
        let pair = |value: &str| vec![("DateTStamp".to_owned(), value.to_owned())];
        assert_eq!(
            decode("DateTStamp=2026-01-01%2005%3A00", false),
            Some(pair("2026-01-01 05:00"))
        );
        assert_eq!(decode("DateTStamp=a+b", false), Some(pair("a+b")));
        assert_eq!(decode("DateTStamp=a+b", true), Some(pair("a b")));
        assert_eq!(decode("x=%zz", false), None);
    }

    #[test]
    fn only_the_documented_stamp_is_one() {
        assert!(is_stamp("2026-11-20 09:00:00"));
        for wrong in [
            "2026-11-20T09:00:00",
            "2026-11-20 9:00:00",
            "2026-11-20 09:00:00Z",
            "2026-11-20",
            "2026-13-20 09:00:00",
        ] {
            assert!(!is_stamp(wrong), "{wrong}");
        }
    }
}
