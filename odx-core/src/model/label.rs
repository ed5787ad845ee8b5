//! The practice's own words.

use serde::{Deserialize, Serialize};

/// A status as the practice spells it: kept for the tag map, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Label {
    /// Which field it stands in, such as `recall_status`.
    pub field: String,
    /// The practice's own key of the value: stable when the text is renamed.
    pub key: String,
    /// The text as staff see it.
    pub text: String,
}

impl Label {
    /// A label of this field.
    pub fn new(field: &str, key: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            key: key.into(),
            text: text.into(),
        }
    }
}
