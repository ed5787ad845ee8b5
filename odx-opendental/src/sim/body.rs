//! The JSON object of a write: fields by exact name, values read leniently.

use serde_json::{Map, Value};

use super::answer::Refusal;
use super::query::{is_date, is_stamp};
use super::routes::Call;
use super::settings::UnknownParameters;

/// The fields a method understands. `null` counts as absent.
pub(crate) struct Fields {
    map: Map<String, Value>,
}

impl Fields {
    // apispecification: names are sent exactly as printed. What a misspelt one gets is
    // not documented; it follows the setting for parameters.
    pub(crate) fn of(call: &Call<'_>, known: &[&str]) -> Result<Self, Refusal> {
        let Ok(Value::Object(map)) = serde_json::from_slice(call.body) else {
            return Err(Refusal::bad("The body must be a JSON object"));
        };
        let unknown = map.keys().find(|name| !known.contains(&name.as_str()));
        match unknown {
            Some(name) if call.settings.unknown == UnknownParameters::Refused => {
                Err(Refusal::bad(format!("{name} is not a valid field")))
            }
            _ => Ok(Self { map }),
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(name)),
        }
    }

    /// Text that must be there and not be empty.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| missing(name))
    }

    /// A number, also written as text: the printed examples do both.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let read = match self.value(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        read.map(Some).ok_or_else(|| invalid(name))
    }

    pub(crate) fn required_int(&self, name: &str) -> Result<i64, Refusal> {
        self.int(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn decimal(&self, name: &str) -> Result<Option<f64>, Refusal> {
        let read = match self.value(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        read.map(Some).ok_or_else(|| invalid(name))
    }

    // apispecification, booleans are strings
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(Refusal::bad(format!("{name} must be true or false"))),
        }
    }

    pub(crate) fn date(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.text(name)? {
            Some(text) if !is_date(text) => {
                Err(Refusal::bad(format!("{name} format must be yyyy-MM-dd")))
            }
            found => Ok(found),
        }
    }

    /// A moment; a bare date is its midnight.
    // apisubscriptions: the printed examples pass bare dates
    pub(crate) fn moment(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if is_stamp(text) => Ok(Some(text.to_owned())),
            Some(text) if is_date(text) => Ok(Some(format!("{text} 00:00:00"))),
            Some(_) => Err(Refusal::bad(format!(
                "{name} format must be yyyy-MM-dd HH:mm:ss"
            ))),
        }
    }

    /// One of the listed words, spelled exactly.
    pub(crate) fn one_of(&self, name: &str, words: &[&str]) -> Result<Option<&str>, Refusal> {
        match self.text(name)? {
            Some(text) if !words.contains(&text) => Err(invalid(name)),
            found => Ok(found),
        }
    }
}

pub(crate) fn invalid(name: &str) -> Refusal {
    Refusal::bad(format!("{name} is invalid"))
}

pub(crate) fn missing(name: &str) -> Refusal {
    Refusal::bad(format!("{name} is required"))
}
