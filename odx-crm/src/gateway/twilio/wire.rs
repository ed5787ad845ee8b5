//! What the provider says, spelled as it spells it.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// The answer to a text that was taken.
#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) sid: String,
}

/// The answer to one that was not.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) code: u32,
}

/// A page of texts.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub(super) messages: Vec<Entry>,
    #[serde(default)]
    pub(super) next_page_uri: Option<String>,
}

/// One text.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) sid: String,
    #[serde(default)]
    pub(super) to: Option<String>,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) direction: Option<String>,
    #[serde(default)]
    pub(super) date_created: Option<String>,
    #[serde(default)]
    pub(super) date_sent: Option<String>,
}

impl Entry {
    /// When it was made. None: it does not say, and may have been at any time.
    pub(super) fn at(&self) -> Option<DateTime<Utc>> {
        let date = |text: &Option<String>| {
            DateTime::parse_from_rfc2822(text.as_deref()?)
                .ok()
                .map(|at| at.to_utc())
        };
        date(&self.date_created).or_else(|| date(&self.date_sent))
    }

    /// What it said. None: the provider has thrown that away.
    pub(super) fn said(&self) -> Option<&str> {
        // A trial account puts this before everything.
        const TRIAL: &str = "Sent from your Twilio trial account - ";
        let body = self.body.as_deref()?;
        let body = body.strip_prefix(TRIAL).unwrap_or(body);
        (!body.trim().is_empty()).then_some(body)
    }
}
