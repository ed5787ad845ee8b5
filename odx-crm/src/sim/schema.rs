//! The vendors' own schemas, which every request must fit.
//!
//! They stand in `tests/fixtures/gateways`, with their licence.

#![allow(
    clippy::indexing_slicing,
    reason = "what is not in a json value is null"
)]

use jsonschema::Validator;
use serde_json::{Map, Value, json};

const TWILIO: &str = include_str!("../../tests/fixtures/gateways/twilio-messages.openapi.json");
const OVERLAY: &str = include_str!("../../tests/fixtures/gateways/twilio-messages.overlay.json");
const SENDGRID: &str = include_str!("../../tests/fixtures/gateways/sendgrid-mail.openapi.json");
const POSTMARK: &str = include_str!("../../tests/fixtures/gateways/postmark.schema.json");

/// The form of a text.
pub(super) fn text() -> Option<Validator> {
    let mut whole: Value = serde_json::from_str(TWILIO).ok()?;
    for op in serde_json::from_str::<Vec<Value>>(OVERLAY).ok()? {
        let (parent, name) = op["path"].as_str()?.rsplit_once('/')?;
        let parent = whole.pointer_mut(parent)?.as_object_mut()?;
        parent.insert(name.to_owned(), op["value"].clone());
    }
    inside(
        &whole,
        "/paths/~12010-04-01~1Accounts~1{AccountSid}~1Messages.json/post/requestBody/content/application~1x-www-form-urlencoded/schema",
    )
}

/// The body of a mail at SendGrid.
pub(super) fn sendgrid_mail() -> Option<Validator> {
    inside(
        &serde_json::from_str(SENDGRID).ok()?,
        "/paths/~1v3~1mail~1send/post/requestBody/content/application~1json/schema",
    )
}

/// A list of addresses to stop at SendGrid.
pub(super) fn sendgrid_stops() -> Option<Validator> {
    inside(
        &serde_json::from_str(SENDGRID).ok()?,
        "/components/schemas/suppressions-request",
    )
}

/// A batch of mails at Postmark.
pub(super) fn postmark_batch() -> Option<Validator> {
    let whole: Value = serde_json::from_str(POSTMARK).ok()?;
    let schema = json!({ "$ref": "#/$defs/batch", "$defs": whole["$defs"] });
    jsonschema::validator_for(&schema).ok()
}

fn inside(whole: &Value, pointer: &str) -> Option<Validator> {
    let mut schema: Map<String, Value> = whole.pointer(pointer)?.as_object()?.clone();
    schema.insert("components".into(), whole["components"].clone());
    jsonschema::validator_for(&Value::Object(schema)).ok()
}

/// What of a schema a value does not fit: places in the schema, nothing of the value.
pub(super) fn misfits(schema: Option<&Validator>, value: &Value) -> Vec<String> {
    let Some(schema) = schema else {
        return vec!["the schema cannot be read".into()];
    };
    schema
        .iter_errors(value)
        .map(|error| error.schema_path().to_string())
        .collect()
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
