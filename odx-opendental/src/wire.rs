//! Rows as the vendor spells them, and only the fields that are used. Social
//! security numbers, staff notes and balances have no field here, so they are
//! skipped by the parser and never held. What was done at a visit is compared with
//! two codes and let go.

mod lenient;
#[cfg(feature = "events")]
mod subscription;
mod writing;

use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) use lenient::{Amount, Flag, Int, Text};
#[cfg(feature = "events")]
pub(crate) use subscription::{Computer, Subscription};
pub(crate) use writing::{
    Choice, Commlog, NewCommlog, NewConfirmation, NewPatField, NewRecall, NewRecallStatus,
    NewSubscription, PatField,
};

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
    #[serde(borrow)]
    pub(crate) proc_descript: Text<'a>,
    /// What a query has made of it already.
    #[serde(skip)]
    pub(crate) missed: bool,
}

/// A row of `/commlogs`, as far as it says that somebody was reached. What was
/// said has no field.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Contact<'a> {
    pub(crate) commlog_num: Int,
    pub(crate) pat_num: Int,
    #[serde(borrow)]
    pub(crate) comm_date_time: Text<'a>,
    /// A key as text.
    pub(crate) comm_type: Int,
    #[serde(borrow, rename = "Mode_")]
    pub(crate) mode: Text<'a>,
    #[serde(borrow)]
    pub(crate) sent_or_received: Text<'a>,
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
    pub(crate) signal_num: Int,
    pub(crate) commlog_num: Int,
    #[serde(borrow, rename = "DateTStamp")]
    pub(crate) date_t_stamp: Text<'a>,
    /// The office server's wall clock. Spelled with a small letter, and inside
    /// every row: an empty answer has none.
    #[serde(borrow, rename = "serverDateTime")]
    pub(crate) server_date_time: Text<'a>,
}

/// A row of `/signalods`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Signal<'a> {
    #[serde(borrow)]
    pub(crate) i_type: Text<'a>,
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
