//! Values that come in more than one JSON type. The same field is a number on
//! one page of the vendor's documentation and text on another, so every type
//! here takes both, and a value that cannot be read spoils its field, not the
//! row: conversion can then say which it was.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Text, or a number where the vendor prints one (`Zip`).
#[derive(Default)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// A text that another spelling of the value was turned into.
    pub(crate) fn of(text: impl Into<Cow<'a, str>>) -> Self {
        Self(text.into())
    }

    /// Without the blanks around it; empty stands for absent.
    pub(crate) fn get(&self) -> &str {
        self.0.trim()
    }

    pub(crate) fn into_owned(self) -> String {
        self.get().to_owned()
    }
}

/// A whole number, also as text. Absent, null and empty are 0, the vendor's
/// "none"; `None` is what is no number.
#[derive(Clone, Copy)]
pub(crate) struct Int(Option<i64>);

impl Int {
    /// `None` stands for what is no number.
    pub(crate) const fn of(number: Option<i64>) -> Self {
        Self(number)
    }

    pub(crate) const fn get(self) -> Option<i64> {
        self.0
    }
}

impl Default for Int {
    fn default() -> Self {
        Self(Some(0))
    }
}

/// A flag: `"true"`, `"True"`, true, 1. `None` is what is no flag.
#[derive(Clone, Copy)]
pub(crate) struct Flag(Option<bool>);

impl Flag {
    /// `None` stands for what is no flag.
    pub(crate) const fn of(flag: Option<bool>) -> Self {
        Self(flag)
    }

    pub(crate) const fn get(self) -> Option<bool> {
        self.0
    }
}

impl Default for Flag {
    fn default() -> Self {
        Self(Some(false))
    }
}

/// An amount: a number, or text with decimals.
#[derive(Clone, Copy)]
pub(crate) struct Amount(Option<f64>);

impl Amount {
    /// `None` stands for what is no number.
    pub(crate) const fn of(amount: Option<f64>) -> Self {
        Self(amount)
    }

    pub(crate) const fn get(self) -> Option<f64> {
        self.0
    }
}

impl Default for Amount {
    fn default() -> Self {
        Self(Some(0.0))
    }
}

/// What a JSON value can be, as far as a field cares.
enum Scalar<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Other,
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::None)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Int(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(v).map_or(Scalar::Other, Scalar::Int))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(v))
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(v)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(v.to_owned())))
    }

    fn visit_string<E>(self, v: String) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(v)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(match from.deserialize_any(ScalarVisitor)? {
            Scalar::Text(text) => text,
            Scalar::Int(n) => n.to_string().into(),
            Scalar::Float(n) => n.to_string().into(),
            Scalar::Bool(b) => b.to_string().into(),
            Scalar::None | Scalar::Other => Cow::Borrowed(""),
        }))
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(match from.deserialize_any(ScalarVisitor)? {
            Scalar::None => Some(0),
            Scalar::Int(n) => Some(n),
            Scalar::Text(text) if text.trim().is_empty() => Some(0),
            Scalar::Text(text) => text.trim().parse().ok(),
            Scalar::Bool(_) | Scalar::Float(_) | Scalar::Other => None,
        }))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(match from.deserialize_any(ScalarVisitor)? {
            Scalar::None => Some(false),
            Scalar::Bool(b) => Some(b),
            Scalar::Int(0) => Some(false),
            Scalar::Int(1) => Some(true),
            Scalar::Text(text) => match text.trim() {
                "" | "0" => Some(false),
                "1" => Some(true),
                word if word.eq_ignore_ascii_case("false") => Some(false),
                word if word.eq_ignore_ascii_case("true") => Some(true),
                _ => None,
            },
            Scalar::Int(_) | Scalar::Float(_) | Scalar::Other => None,
        }))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(match from.deserialize_any(ScalarVisitor)? {
            Scalar::None => Some(0.0),
            #[allow(
                clippy::cast_precision_loss,
                reason = "only its sign is ever looked at"
            )]
            Scalar::Int(n) => Some(n as f64),
            Scalar::Float(n) => Some(n),
            Scalar::Text(text) if text.trim().is_empty() => Some(0.0),
            Scalar::Text(text) => text.trim().parse().ok(),
            Scalar::Bool(_) | Scalar::Other => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Odd<'a> {
        #[serde(borrow)]
        text: Text<'a>,
        int: Int,
        flag: Flag,
        amount: Amount,
    }

    fn odd(json: &str) -> Odd<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn numbers_come_as_numbers_and_as_text() {
        for json in [r#"{"int": 239}"#, r#"{"int": "239"}"#, r#"{"int":" 239 "}"#] {
            assert_eq!(odd(json).int.get(), Some(239), "{json}");
        }
        for none in [
            r#"{}"#,
            r#"{"int": null}"#,
            r#"{"int": ""}"#,
            r#"{"int": 0}"#,
        ] {
            assert_eq!(odd(none).int.get(), Some(0), "{none}");
        }
        for bad in [
            r#"{"int": "AtLeastOne"}"#,
            r#"{"int": [1]}"#,
            r#"{"int": 1.5}"#,
        ] {
            assert_eq!(odd(bad).int.get(), None, "{bad}");
        }
        let big = i64::MAX - 7;
        assert_eq!(odd(&format!(r#"{{"int": {big}}}"#)).int.get(), Some(big));
        assert_eq!(odd(r#"{"text": 97301}"#).text.get(), "97301");
        assert_eq!(odd(r#"{"amount": "12.50"}"#).amount.get(), Some(12.5));
    }

    #[test]
    fn the_text_false_is_not_true() {
        for (json, flag) in [
            (r#"{"flag": "false"}"#, Some(false)),
            (r#"{"flag": "False"}"#, Some(false)),
            (r#"{"flag": "True"}"#, Some(true)),
            (r#"{"flag": true}"#, Some(true)),
            (r#"{"flag": 1}"#, Some(true)),
            (r#"{"flag": "1"}"#, Some(true)),
            (r#"{"flag": "perhaps"}"#, None),
            (r#"{"flag": {"a": 1}}"#, None),
        ] {
            assert_eq!(odd(json).flag.get(), flag, "{json}");
        }
    }
}
