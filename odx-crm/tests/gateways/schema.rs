//! The vendors' own schemas, which every request must fit.
//!
//! They stand in `fixtures/gateways`, with their licence.

use std::sync::Arc;

use jsonschema::Validator;
use odx_crm::sim::{Body, Schemas};
use serde_json::Value;

const TEXT: &str = "twilio-messages.openapi.json#/paths/~12010-04-01~1Accounts~1{AccountSid}~1Messages.json\
    /post/requestBody/content/application~1x-www-form-urlencoded/schema";
const SENDGRID_MAIL: &str = "sendgrid-mail.openapi.json#/paths/~1v3~1mail~1send\
    /post/requestBody/content/application~1json/schema";
const SENDGRID_STOPS: &str = "sendgrid-mail.openapi.json#/components/schemas/suppressions-request";
const POSTMARK_BATCH: &str = "postmark.schema.json#/$defs/batch";

/// All of them, for the simulated providers.
pub(crate) fn schemas() -> Schemas {
    let (text, mail) = (at(TEXT), at(SENDGRID_MAIL));
    let (stops, batch) = (at(SENDGRID_STOPS), at(POSTMARK_BATCH));
    Arc::new(move |body, value| {
        let schema = match body {
            Body::Text => &text,
            Body::SendGridMail => &mail,
            Body::SendGridStops => &stops,
            Body::PostmarkBatch => &batch,
            other => panic!("no schema of {other:?}"),
        };
        let errors = schema.iter_errors(value);
        errors
            .map(|error| error.schema_path().to_string())
            .collect()
    })
}

/// The schema at a place, `file#pointer`.
pub(crate) fn at(place: &str) -> Validator {
    let (file, pointer) = place.split_once('#').unwrap();
    let file = file.rsplit('/').next().unwrap();
    let mut whole = fixture(file);
    if file.starts_with("twilio") {
        for op in fixture("twilio-messages.overlay.json").as_array().unwrap() {
            let (parent, name) = op["path"].as_str().unwrap().rsplit_once('/').unwrap();
            whole.pointer_mut(parent).unwrap()[name] = op["value"].clone();
        }
    }
    let mut schema = whole.pointer(pointer).unwrap().clone();
    for key in ["components", "$defs"] {
        if let Some(part) = whole.get(key) {
            schema[key] = part.clone();
        }
    }
    jsonschema::validator_for(&schema).unwrap()
}

/// What stands in `fixtures/gateways`.
pub(crate) fn fixture(name: &str) -> Value {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../odx-crm/tests/fixtures/gateways"
    );
    serde_json::from_str(&std::fs::read_to_string(format!("{folder}/{name}")).unwrap()).unwrap()
}
