//! Rows as the vendor spells them, and only the fields that are used. Social
//! security numbers, staff notes, procedure texts and balances have no field
//! here, so they are skipped by the parser and never held.
//!
//! The same field is a number on one page of the vendor's documentation and
//! text on another, so every type here takes both, and a value that cannot be
//! read spoils its field, not the row: conversion can then say which it was.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The rows of an answer: a list, or a bare object, which some list endpoints
/// print for a single row. `None`: anything else, or an answer that was cut.
pub(crate) fn rows(body: &[u8]) -> Option<Vec<&RawValue>> {
    let text = std::str::from_utf8(body).ok()?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).ok().map(|row| vec![row]);
    }
    serde_json::from_str(text).ok()
}

/// Every row of a small list as `T`; rows that are none are left out.
pub(crate) fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<Vec<T>> {
    let rows = rows(body)?;
    Some(
        rows.into_iter()
            .filter_map(|row| serde_json::from_str(row.get()).ok())
            .collect(),
    )
}

/// Text, or a number where the vendor prints one (`Zip`).
#[derive(Default)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
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

/// A row of `/patients/Simple` or `/patients/{PatNum}`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Patient<'a> {
    pub(crate) pat_num: Int,
    #[serde(borrow)]
    pub(crate) l_name: Text<'a>,
    #[serde(borrow)]
    pub(crate) f_name: Text<'a>,
    #[serde(borrow)]
    pub(crate) preferred: Text<'a>,
    #[serde(borrow)]
    pub(crate) pat_status: Text<'a>,
    #[serde(borrow)]
    pub(crate) birthdate: Text<'a>,
    #[serde(borrow)]
    pub(crate) hm_phone: Text<'a>,
    #[serde(borrow)]
    pub(crate) wk_phone: Text<'a>,
    #[serde(borrow)]
    pub(crate) wireless_phone: Text<'a>,
    pub(crate) guarantor: Int,
    #[serde(borrow)]
    pub(crate) email: Text<'a>,
    pub(crate) pri_prov: Int,
    #[serde(borrow)]
    pub(crate) billing_type: Text<'a>,
    #[serde(borrow)]
    pub(crate) date_first_visit: Text<'a>,
    pub(crate) clinic_num: Int,
    #[serde(borrow)]
    pub(crate) prefer_contact_method: Text<'a>,
    #[serde(borrow)]
    pub(crate) prefer_recall_method: Text<'a>,
    #[serde(borrow)]
    pub(crate) language: Text<'a>,
    #[serde(borrow)]
    pub(crate) txt_msg_ok: Text<'a>,
}

/// A row of `/recalls`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Recall<'a> {
    pub(crate) recall_num: Int,
    pub(crate) pat_num: Int,
    #[serde(borrow)]
    pub(crate) date_due: Text<'a>,
    #[serde(borrow)]
    pub(crate) date_previous: Text<'a>,
    #[serde(borrow)]
    pub(crate) recall_interval: Text<'a>,
    pub(crate) recall_status: Int,
    #[serde(borrow, rename = "recallStatus")]
    pub(crate) recall_status_text: Text<'a>,
    pub(crate) is_disabled: Flag,
    pub(crate) recall_type_num: Int,
    pub(crate) disable_until_balance: Amount,
    #[serde(borrow)]
    pub(crate) disable_until_date: Text<'a>,
    #[serde(borrow)]
    pub(crate) date_scheduled: Text<'a>,
    #[serde(borrow)]
    pub(crate) priority: Text<'a>,
}

/// A row of `/appointments`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Appointment<'a> {
    pub(crate) apt_num: Int,
    pub(crate) pat_num: Int,
    #[serde(borrow)]
    pub(crate) apt_status: Text<'a>,
    #[serde(borrow)]
    pub(crate) pattern: Text<'a>,
    pub(crate) confirmed: Int,
    #[serde(borrow, rename = "confirmed")]
    pub(crate) confirmed_text: Text<'a>,
    pub(crate) op: Int,
    pub(crate) prov_num: Int,
    pub(crate) prov_hyg: Int,
    #[serde(borrow)]
    pub(crate) apt_date_time: Text<'a>,
    pub(crate) unsched_status: Int,
    #[serde(borrow, rename = "unschedStatus")]
    pub(crate) unsched_status_text: Text<'a>,
    pub(crate) clinic_num: Int,
    pub(crate) is_hygiene: Flag,
}

/// A row of `/histappointments`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct History<'a> {
    #[serde(borrow)]
    pub(crate) hist_appt_action: Text<'a>,
    pub(crate) apt_num: Int,
}

/// What paging needs of a row, whatever else is wrong with it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Stub<'a> {
    pub(crate) pat_num: Int,
    pub(crate) recall_num: Int,
    pub(crate) apt_num: Int,
    pub(crate) hist_appt_num: Int,
    /// The office server's wall clock. Spelled with a small letter, and inside
    /// every row: an empty answer has none.
    #[serde(borrow, rename = "serverDateTime")]
    pub(crate) server_date_time: Text<'a>,
}

/// A row of `/recalltypes`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RecallType<'a> {
    pub(crate) recall_type_num: Int,
    #[serde(borrow)]
    pub(crate) description: Text<'a>,
}

/// A row of `/definitions`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Definition<'a> {
    pub(crate) def_num: Int,
    #[serde(borrow)]
    pub(crate) item_name: Text<'a>,
}

/// A row of `/clinics`. Its address is not read.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Clinic<'a> {
    pub(crate) clinic_num: Int,
    #[serde(borrow)]
    pub(crate) abbr: Text<'a>,
}

/// A row of `/providers`. It also holds social security numbers: not read.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Provider<'a> {
    pub(crate) prov_num: Int,
    #[serde(borrow)]
    pub(crate) abbr: Text<'a>,
}

/// A row of `/preferences`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Preference<'a> {
    #[serde(borrow)]
    pub(crate) pref_name: Text<'a>,
    #[serde(borrow)]
    pub(crate) value_string: Text<'a>,
}

/// A row of `/securityperms`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Permission<'a> {
    #[serde(borrow)]
    pub(crate) permission: Text<'a>,
    pub(crate) has_permission: Flag,
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

    #[test]
    fn a_bare_object_is_a_list_of_one_and_anything_else_is_no_list() {
        assert_eq!(rows(b"[]").unwrap().len(), 0);
        assert_eq!(rows(b" [{}, {}] ").unwrap().len(), 2);
        assert_eq!(rows(b"\xef\xbb\xbf[{}]").unwrap().len(), 1);
        assert_eq!(rows(br#"{"PatNum": 1}"#).unwrap().len(), 1);
        for bad in [
            &b""[..],
            b"<html>",
            b"null",
            b"\"text\"",
            b"7",
            br#"[{"PatNum": 1}, {"Pat"#,
            br#"[{"PatNum": 1}] x"#,
            b"[{\"LName\": \"\xff\"}]",
        ] {
            assert!(rows(bad).is_none(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
