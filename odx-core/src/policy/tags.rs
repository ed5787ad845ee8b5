//! The practice's own statuses on the left, a CRM's tags on the right.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::model::Label;

/// Tags that odx may remove begin so, unless an office says otherwise.
pub const MANAGED: &str = "odx-";

/// Which status becomes which tags, for one office.
///
/// A status is written `field:value`, as a practice spells it, or
/// `field:#key` by the practice's own key, which stays when the text is
/// renamed and counts first. A status that is mapped to nothing is a choice.
/// One that is not mapped is found and told, never guessed; only fields that
/// are mentioned at all are watched.
///
/// ```
/// use odx_core::policy::TagMap;
/// let map = TagMap::new([("pat_status:Patient", vec!["odx-active"])]).unwrap();
/// let tags = map.tags(["pat_status:Patient", "pat_status:NonPatient"]);
/// assert!(tags.tags.contains("odx-active"));
/// assert!(tags.unmapped.contains("pat_status:NonPatient"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TagMap {
    entries: BTreeMap<String, BTreeSet<String>>,
    prefix: String,
}

/// What a list of statuses comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapped {
    /// Tags that are wanted.
    pub tags: BTreeSet<String>,
    /// Statuses nobody has decided about.
    pub unmapped: BTreeSet<String>,
}

/// What has to happen at a CRM that shows these tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagChange {
    /// Not there yet.
    pub add: BTreeSet<String>,
    /// Ours, and not wanted any more. As the CRM spells them.
    pub remove: BTreeSet<String>,
}

/// Everything of a status up to its value.
fn field(status: &str) -> &str {
    status.split_once(':').map_or(status, |(field, _)| field)
}

impl TagMap {
    /// A map with the managed prefix `odx-`.
    ///
    /// # Errors
    /// As [`with_prefix`](Self::with_prefix).
    pub fn new<S, T>(entries: impl IntoIterator<Item = (S, Vec<T>)>) -> Result<Self>
    where
        S: Into<String>,
        T: Into<String>,
    {
        Self::with_prefix(MANAGED, entries)
    }

    /// A map whose tags all begin with `prefix`: what has it may be removed,
    /// whoever set it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming every tag without the prefix and every
    /// status without a field.
    pub fn with_prefix<S, T>(
        prefix: &str,
        entries: impl IntoIterator<Item = (S, Vec<T>)>,
    ) -> Result<Self>
    where
        S: Into<String>,
        T: Into<String>,
    {
        let mut wrong = Vec::new();
        if prefix.is_empty() {
            wrong.push(
                "the managed prefix is empty, so every tag of the staff would be ours".into(),
            );
        }
        let mut map = BTreeMap::new();
        for (status, tags) in entries {
            let status = status.into();
            if !status.contains(':') {
                wrong.push(format!("{status} has no field: write field:value"));
            }
            let tags: BTreeSet<String> = tags.into_iter().map(Into::into).collect();
            for tag in &tags {
                if !tag.to_lowercase().starts_with(&prefix.to_lowercase()) {
                    wrong.push(format!("the tag {tag} must begin with {prefix}"));
                }
            }
            map.insert(status, tags);
        }
        if wrong.is_empty() {
            Ok(Self {
                entries: map,
                prefix: prefix.to_owned(),
            })
        } else {
            Err(Error::new(ErrorKind::Config, wrong.join("; ")))
        }
    }

    /// Nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is mapped, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.entries
            .iter()
            .map(|(status, tags)| (status.as_str(), tags))
    }

    /// Whether any value of this field is mapped.
    pub fn watches(&self, field_name: &str) -> bool {
        self.entries
            .keys()
            .any(|status| field(status) == field_name)
    }

    /// The tags of a status. None: nobody has decided.
    pub fn get(&self, status: &str) -> Option<&BTreeSet<String>> {
        self.entries.get(status)
    }

    /// The tags of a label, by its key first. None: nobody has decided.
    pub fn of_label(&self, label: &Label) -> Option<&BTreeSet<String>> {
        let Label { field, key, text } = label;
        self.get(&format!("{field}:#{key}"))
            .or_else(|| self.get(&format!("{field}:{text}")))
    }

    /// How a label is written on the left: by its text, or by its key where the
    /// practice shows none.
    pub fn status_of(label: &Label) -> String {
        let Label { field, key, text } = label;
        if text.is_empty() {
            format!("{field}:#{key}")
        } else {
            format!("{field}:{text}")
        }
    }

    /// What these statuses come to.
    pub fn tags<'a>(&self, statuses: impl IntoIterator<Item = &'a str>) -> Mapped {
        let mut mapped = Mapped::default();
        for status in statuses {
            match self.get(status) {
                Some(tags) => mapped.tags.extend(tags.iter().cloned()),
                None if self.watches(field(status)) => {
                    mapped.unmapped.insert(status.to_owned());
                }
                None => {}
            }
        }
        mapped
    }

    /// What has to change at a CRM that shows `remote` so that it shows
    /// `wanted`. Case does not count: some CRMs lower it. Where a status is not
    /// mapped nobody knows what is wanted, so nothing is removed.
    pub fn change<'a>(
        &self,
        wanted: &Mapped,
        remote: impl IntoIterator<Item = &'a str>,
    ) -> TagChange {
        let remote: Vec<&str> = remote.into_iter().collect();
        let has = |tag: &String| {
            remote
                .iter()
                .any(|r| r.to_lowercase() == tag.to_lowercase())
        };
        let is_wanted = |tag: &str| {
            let mut wanted = wanted.tags.iter();
            wanted.any(|w| w.to_lowercase() == tag.to_lowercase())
        };
        let prefix = self.prefix.to_lowercase();
        let ours = |tag: &&&str| tag.to_lowercase().starts_with(&prefix);
        TagChange {
            add: wanted
                .tags
                .iter()
                .filter(|tag| !has(tag))
                .cloned()
                .collect(),
            remove: remote
                .iter()
                .filter(ours)
                .filter(|tag| !is_wanted(tag) && wanted.unmapped.is_empty())
                .map(|tag| (*tag).to_owned())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn texts(list: &Value) -> Vec<&str> {
        let list = list.as_array().unwrap();
        list.iter().map(|text| text.as_str().unwrap()).collect()
    }

    #[test]
    fn every_case_of_the_tag_mapping_comes_out() {
        let whole: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/tag_mapping.json")).unwrap();
        let entries = whole["mapping"]["entries"].as_object().unwrap();
        let entries = entries.iter().map(|(status, tags)| (status, texts(tags)));
        let map = TagMap::with_prefix(whole["managed_prefix"].as_str().unwrap(), entries).unwrap();
        let cases = whole["cases"].as_array().unwrap();
        for case in cases {
            let mapped = map.tags(texts(&case["statuses"]));
            let change = map.change(&mapped, texts(&case["remote_tags"]));
            let alerts: Vec<_> = mapped
                .unmapped
                .iter()
                .map(|status| format!("unmapped:{status}"))
                .collect();
            let sorted = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>();
            assert_eq!(sorted(change.add), texts(&case["add"]), "{case}");
            assert_eq!(sorted(change.remove), texts(&case["remove"]), "{case}");
            assert_eq!(alerts, texts(&case["alerts"]), "{case}");
        }
        assert_eq!(cases.len(), 5);
    }

    #[test]
    fn a_tag_without_the_prefix_and_a_status_without_a_field_are_told_together() {
        let why = TagMap::new([("x", vec!["vip"]), ("y:1", vec!["odx-y"])]).unwrap_err();
        let why = why.to_string();
        assert!(why.contains("vip must begin with odx-") && why.contains("x has no field"));
    }

    #[test]
    fn a_key_counts_before_a_text_and_survives_a_rename() {
        let map = TagMap::new([
            ("recall_status:#142", vec!["odx-mailed"]),
            ("recall_status:Postcard", vec!["odx-card"]),
        ])
        .unwrap();
        let renamed = Label::new("recall_status", "142", "Postcard");
        assert!(map.of_label(&renamed).unwrap().contains("odx-mailed"));
        let other = Label::new("recall_status", "143", "Postcard");
        assert!(map.of_label(&other).unwrap().contains("odx-card"));
        assert_eq!(map.of_label(&Label::new("recall_status", "9", "New")), None);
    }
}
