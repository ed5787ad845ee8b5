//! What a person is contacted for.

use serde::{Deserialize, Serialize};

/// What a person is contacted for. Decides which consent it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A visit that comes round again is due: a care reminder.
    Recall,
    /// A patient who has not come for long is asked back. Treated as marketing.
    Reactivation,
    /// A patient who has just been seen is asked for a review. Treated as
    /// marketing.
    Review,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Recall, Self::Reactivation, Self::Review];

    /// As it stands in settings, plans and keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recall => "recall",
            Self::Reactivation => "reactivation",
            Self::Review => "review",
        }
    }

    /// Whether it counts as marketing, for which silence is never a yes.
    pub const fn is_marketing(self) -> bool {
        matches!(self, Self::Reactivation | Self::Review)
    }
}
