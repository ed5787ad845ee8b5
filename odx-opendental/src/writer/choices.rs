//! The office's own lists of kinds and statuses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use odx_core::Result;

use crate::client::Call;
use crate::error::Cause;
use crate::source::OpenDental;
use crate::wire;

/// One entry of a list, as far as a write cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) key: i64,
    /// What comm log types are used for, such as `RECALL`.
    pub(crate) usage: String,
}

/// The lists that were read, by category. Read again when something is not in
/// them: an office edits its lists.
#[derive(Debug, Default)]
pub(crate) struct Choices(Mutex<HashMap<u8, Arc<Vec<Choice>>>>);

impl Choices {
    fn kept(&self, category: u8) -> Option<Arc<Vec<Choice>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&category).cloned()
    }

    fn keep(&self, category: u8, list: &Arc<Vec<Choice>>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(category, Arc::clone(list));
    }
}

const fn name(category: u8) -> &'static str {
    match category {
        super::CONFIRMED => "confirmation statuses",
        super::RECALL_UNSCHED => "recall statuses",
        _ => "comm log types",
    }
}

/// Entries that staff can still choose.
fn visible(rows: Vec<wire::Choice<'_>>) -> Vec<Choice> {
    rows.into_iter()
        .filter(|row| row.is_hidden.get() == Some(false))
        .filter_map(|row| {
            let key = row.def_num.get().filter(|key| *key != 0)?;
            let usage = row.item_value.into_owned();
            Some(Choice { key, usage })
        })
        .collect()
}

/// The entry with this key, or the first one used so.
fn find<'a>(list: &'a [Choice], wanted: &str) -> Option<&'a Choice> {
    match wanted.trim().parse::<i64>() {
        Ok(key) => list.iter().find(|choice| choice.key == key),
        Err(_) => list.iter().find(|choice| {
            !wanted.trim().is_empty() && choice.usage.eq_ignore_ascii_case(wanted.trim())
        }),
    }
}

impl OpenDental {
    /// The entry of a category with this key or usage.
    pub(super) async fn choice(&self, category: u8, wanted: &str) -> Result<Choice> {
        if let Some(kept) = self.choices().kept(category)
            && let Some(choice) = find(&kept, wanted)
        {
            return Ok(choice.clone());
        }
        let answer = self.list(&Call::Definitions(category)).await?;
        let rows = wire::decode(answer.body()).ok_or(Cause::NotJson {
            what: "definitions",
        })?;
        let list = Arc::new(visible(rows));
        self.choices().keep(category, &list);
        let found = find(&list, wanted).cloned();
        Ok(found.ok_or(Cause::NoSuchChoice {
            what: name(category),
        })?)
    }

    /// The entry of a category with this key: a word is no key.
    pub(super) async fn choice_by_key(&self, category: u8, wanted: &str) -> Result<i64> {
        if wanted.trim().parse::<i64>().is_err() {
            let what = name(category);
            return Err(Cause::NoSuchChoice { what }.into());
        }
        Ok(self.choice(category, wanted).await?.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<Choice> {
        let rows = br#"[
            {"DefNum": 235, "ItemName": "Appts", "ItemValue": "APPT", "isHidden": "false"},
            {"DefNum": 240, "ItemName": "Old", "ItemValue": "RECALL", "isHidden": "true"},
            {"DefNum": "241", "ItemName": "Recall", "ItemValue": "RECALL", "isHidden": "False"},
            {"DefNum": 242, "ItemName": "Odd", "ItemValue": "", "isHidden": "perhaps"},
            {"DefNum": 239, "ItemName": "MISC", "ItemValue": "", "isHidden": "false"}
        ]"#;
        visible(wire::decode(rows).unwrap())
    }

    #[test]
    fn a_kind_is_found_by_key_or_usage_and_never_by_its_name() {
        let list = list();
        let key = |wanted| find(&list, wanted).map(|choice| choice.key);
        assert_eq!(key("235"), Some(235));
        assert_eq!(key("appt"), Some(235));
        assert_eq!(key("RECALL"), Some(241), "a hidden entry was chosen");
        for none in ["240", "242", "Appts", "MISC", "Misc", "", " ", "7"] {
            assert_eq!(key(none), None, "{none:?}");
        }
    }
}
