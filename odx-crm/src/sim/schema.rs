//! Bodies that vendors have published schemas of. What checks them is the caller's:
//! a validator of JSON Schema is a heavy thing for a demo to carry.

use std::sync::Arc;

use serde_json::{Value, json};

/// A body that its vendor has published a schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Body {
    /// Twilio's form of a text, its fields as the types that the schema names.
    Text,
    /// A mail at `SendGrid`.
    SendGridMail,
    /// Addresses to stop at `SendGrid`.
    SendGridStops,
    /// Mails at Postmark.
    PostmarkBatch,
}

/// Says what of its schema a body does not fit: places in the schema, nothing of
/// the body. Empty is a fit.
pub type Schemas = Arc<dyn Fn(Body, &Value) -> Vec<String> + Send + Sync>;

/// What was checked so far.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) schemas: Option<Schemas>,
    pub(super) misfits: Vec<String>,
}

impl Checked {
    /// Whether a body fits. Without schemas every body does.
    pub(super) fn fits(&mut self, body: Body, value: &Value) -> bool {
        let Some(schemas) = &self.schemas else {
            return true;
        };
        let misfits = schemas(body, value);
        let fits = misfits.is_empty();
        self.misfits.extend(misfits);
        fits
    }
}

/// Texts of a form as the types that its schema names.
pub(super) fn typed(name: &str, value: &str) -> Value {
    match name {
        "ValidityPeriod" | "Attempt" => value
            .parse()
            .map_or_else(|_| json!(value), |n: i64| json!(n)),
        "SmartEncoded" | "ForceDelivery" | "ProvideFeedback" | "ShortenUrls" | "SendAsMms" => value
            .parse()
            .map_or_else(|_| json!(value), |b: bool| json!(b)),
        _ => json!(value),
    }
}
