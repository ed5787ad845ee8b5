//! What is written, as the vendor spells it, and the rows in which it is looked
//! for afterwards. The note of a comm log is read for our own marker only.

use odx_core::Phi;
use serde::{Deserialize, Serialize};

use super::{Flag, Int, Text};

/// Body of `POST /commlogs`. Mode and direction are always said: without them
/// the vendor takes every entry for a phone call of the office.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NewCommlog {
    pub(crate) pat_num: i64,
    /// A key as text, as in every row.
    pub(crate) comm_type: String,
    pub(crate) comm_date_time: String,
    #[serde(rename = "Mode_")]
    pub(crate) mode: &'static str,
    pub(crate) sent_or_received: &'static str,
    #[serde(with = "odx_core::phi::expose")]
    pub(crate) note: Phi<String>,
}

/// Body of `PUT /recalls/Status`. It writes a comm log of the Recall type, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewRecallStatus {
    #[serde(rename = "PatNum")]
    pub(crate) pat_num: i64,
    pub(crate) recall_type: String,
    #[serde(rename = "RecallStatus")]
    pub(crate) recall_status: i64,
    pub(crate) commlog_mode: &'static str,
    #[serde(with = "odx_core::phi::expose")]
    pub(crate) commlog_note: Phi<String>,
}

/// Body of `PUT /recalls/{RecallNum}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NewRecall {
    pub(crate) recall_status: i64,
}

/// Body of `PUT /appointments/{AptNum}/Confirm`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewConfirmation {
    pub(crate) def_num: i64,
}

/// Body of `PUT` and `POST /patfields`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NewPatField {
    pub(crate) pat_num: i64,
    pub(crate) field_name: String,
    #[serde(with = "odx_core::phi::expose")]
    pub(crate) field_value: Phi<String>,
}

/// Body of `POST /subscriptions` and, in part, of `PUT`. The address holds a
/// secret part, so it is printed nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NewSubscription {
    #[serde(
        with = "odx_core::phi::expose_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) end_point_url: Option<Phi<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workstation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) watch_table: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ui_event_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) polling_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) date_time_start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) date_time_stop: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// A row of `/commlogs`, and the answer to a new one.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Commlog<'a> {
    pub(crate) commlog_num: Int,
    #[serde(borrow)]
    pub(crate) note: Text<'a>,
}

/// A row of `/patfields`, and the answer to a new one.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct PatField<'a> {
    pub(crate) pat_field_num: Int,
    pub(crate) pat_num: Int,
    #[serde(borrow)]
    pub(crate) field_name: Text<'a>,
    #[serde(borrow)]
    pub(crate) field_value: Text<'a>,
}

/// A row of `/definitions`, as something to choose.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Choice<'a> {
    pub(crate) def_num: Int,
    /// Of comm log types: what they are used for, such as `RECALL`.
    #[serde(borrow)]
    pub(crate) item_value: Text<'a>,
    #[serde(rename = "isHidden")]
    pub(crate) is_hidden: Flag,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode;

    #[test]
    fn the_documented_rows_read_also_where_a_list_is_one_bare_object() {
        for (rows, keys) in [
            (
                &include_bytes!("../../tests/fixtures/commlogs.get.json")[..],
                &[2, 11][..],
            ),
            (
                include_bytes!("../../tests/fixtures/commlogs.single.get.json"),
                &[2],
            ),
            (
                include_bytes!("../../tests/fixtures/commlogs.post.response.json"),
                &[14],
            ),
        ] {
            let rows: Vec<Commlog<'_>> = decode(rows).unwrap();
            let read: Vec<_> = rows
                .iter()
                .filter_map(|row| row.commlog_num.get())
                .collect();
            assert_eq!(read, keys);
            assert!(rows.iter().all(|row| !row.note.get().is_empty()));
        }
        for (rows, keys) in [
            (
                &include_bytes!("../../tests/fixtures/patfields.get.json")[..],
                &[1, 2, 3][..],
            ),
            (
                include_bytes!("../../tests/fixtures/patfields.get.2.json"),
                &[5],
            ),
            (
                include_bytes!("../../tests/fixtures/patfields.single.get.json"),
                &[5],
            ),
            (
                include_bytes!("../../tests/fixtures/patfields.post.response.json"),
                &[29],
            ),
            (
                include_bytes!("../../tests/fixtures/patfields.put.response.json"),
                &[29],
            ),
        ] {
            let rows: Vec<PatField<'_>> = decode(rows).unwrap();
            let read: Vec<_> = rows
                .iter()
                .filter_map(|row| row.pat_field_num.get())
                .collect();
            assert_eq!(read, keys);
            for row in &rows {
                assert!(row.pat_num.get() > Some(0));
                assert!(!row.field_name.get().is_empty() && !row.field_value.get().is_empty());
            }
        }
        let definitions = include_bytes!("../../tests/fixtures/definitions.get.json");
        let rows: Vec<Choice<'_>> = decode(definitions).unwrap();
        assert_eq!(rows[0].def_num.get(), Some(293));
        assert_eq!(rows[0].item_value.get(), "+");
        assert!(rows.iter().all(|row| row.is_hidden.get() == Some(false)));
    }
}
