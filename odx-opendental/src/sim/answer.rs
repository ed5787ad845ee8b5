//! Answers and refusals before they become HTTP.

use serde::Serialize;

use super::error::SimError;
use super::settings::ErrorShape;

pub(crate) const JSON: &str = "application/json; charset=utf-8";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// What goes out.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Vec<u8>,
    pub(crate) rows: usize,
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            retry_after: None,
            body: Vec::new(),
            rows: 0,
        }
    }

    /// A list, or one object.
    pub(crate) fn json(body: &impl Serialize, rows: usize) -> Result<Self, Refusal> {
        Ok(Self {
            content_type: Some(JSON),
            body: serde_json::to_vec(body).map_err(SimError::from)?,
            rows,
            ..Self::empty(200)
        })
    }
}

/// Why there are no rows.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Status and explanation.
    Said(u16, String),
    /// The simulator itself broke.
    Broken(SimError),
}

impl From<SimError> for Refusal {
    fn from(error: SimError) -> Self {
        Self::Broken(error)
    }
}

impl Refusal {
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::Said(400, text.into())
    }

    pub(crate) fn unauthorized(text: &str) -> Self {
        Self::Said(401, text.to_owned())
    }

    pub(crate) fn not_found(text: &str) -> Self {
        Self::Said(404, text.to_owned())
    }

    /// 400 and 404 come "with explanation"; its form is not documented.
    // apispecification, status codes
    pub(crate) fn answer(self, shape: ErrorShape) -> Answer {
        #[derive(Serialize)]
        struct Explained<'a> {
            #[serde(rename = "Message")]
            message: &'a str,
        }
        let (status, text) = match self {
            Self::Said(status, text) => (status, text),
            Self::Broken(error) => (500, error.to_string()),
        };
        let json = match shape {
            ErrorShape::Text => None,
            ErrorShape::JsonString => serde_json::to_vec(&text).ok(),
            ErrorShape::Object => serde_json::to_vec(&Explained { message: &text }).ok(),
        };
        let (content_type, body) = match json {
            Some(json) => (JSON, json),
            None => (TEXT, text.into_bytes()),
        };
        Answer {
            content_type: Some(content_type),
            body,
            ..Answer::empty(status)
        }
    }
}
