//! Events of the provider: checked, then read. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use odx_core::Result;
use odx_core::model::Email;
use odx_core::outreach::{Address, Heard, Inbound, Status};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::Value;

use super::error::Cause;
use super::wire::Event;
use crate::gateway::line;
use crate::gateway::stop::stop;

/// A key that events are checked with.
#[derive(Clone)]
pub(super) struct PublicKey(UnparsedPublicKey<Vec<u8>>);

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicKey")
    }
}

/// What stands before the point of a P-256 key in its DER form.
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// An event that is signed earlier or later than this is nobody's.
const WINDOW: i64 = 300;

impl PublicKey {
    /// Reads a key as the provider shows it.
    pub(super) fn read(text: &str) -> Option<Self> {
        let der = STANDARD.decode(text.trim()).ok()?;
        let point = der.strip_prefix(&SPKI)?;
        (point.len() == 65 && point.first() == Some(&4)).then(|| {
            Self(UnparsedPublicKey::new(
                &ECDSA_P256_SHA256_ASN1,
                point.to_vec(),
            ))
        })
    }
}

pub(super) fn hear(call: &Inbound, keys: &[PublicKey]) -> Result<Vec<Heard>> {
    if keys.is_empty() {
        return Err(Cause::NoKey.into());
    }
    checked(call, keys).ok_or(Cause::Signature)?;
    let events: Vec<Value> =
        serde_json::from_slice(call.body.expose()).map_err(|_| Cause::Events)?;
    let mut heard = Vec::new();
    for event in events {
        match serde_json::from_value(event) {
            Ok(event) => read(&event, &mut heard),
            // The others are worth hearing, and the provider would send all of them again.
            Err(_) => tracing::warn!("an event of sendgrid's cannot be read"),
        }
    }
    Ok(heard)
}

/// That the provider signed it, not long ago: timestamp and body, as they came.
fn checked(call: &Inbound, keys: &[PublicKey]) -> Option<()> {
    let stamp = call.header("x-twilio-email-event-webhook-timestamp")?;
    let signature = call.header("x-twilio-email-event-webhook-signature")?;
    let signature = STANDARD.decode(signature).ok()?;
    let at: i64 = stamp.parse().ok()?;
    if at.abs_diff(call.now.timestamp()) > WINDOW.unsigned_abs() {
        return None;
    }
    let mut signed = stamp.as_bytes().to_vec();
    signed.extend_from_slice(call.body.expose());
    keys.iter()
        .any(|key| key.0.verify(&signed, &signature).is_ok())
        .then_some(())
}

fn read(event: &Event, heard: &mut Vec<Heard>) {
    let has = |word: &str| {
        let reason = event.reason.as_deref().unwrap_or_default();
        reason.to_ascii_lowercase().contains(word)
    };
    let (status, reason, stopped) = match event.event.as_str() {
        "processed" => (Some(Status::Accepted), None, false),
        "deferred" => (Some(Status::Sent), None, false),
        "delivered" => (Some(Status::Delivered), None, false),
        // Refused for now: the address itself may be good.
        "bounce" if event.kind.as_deref() == Some("blocked") => {
            (Some(Status::Failed), Some("blocked"), false)
        }
        "bounce" => (Some(Status::Failed), Some("hard_bounce"), true),
        "dropped" if has("bounced") => (Some(Status::Failed), Some("hard_bounce"), true),
        "dropped" if has("unsubscribed") => (Some(Status::Failed), Some("unsubscribed"), true),
        "dropped" if has("spam report") => (Some(Status::Failed), Some("complaint"), true),
        "dropped" if has("invalid") && !has("smtpapi") => {
            (Some(Status::Failed), Some("invalid"), true)
        }
        "dropped" => {
            if has("quota") || has("credit") {
                heard.push(Heard::Account(Cause::Credits.to_string()));
            }
            (Some(Status::Failed), Some("dropped"), false)
        }
        "spamreport" => (None, Some("complaint"), true),
        "unsubscribe" | "group_unsubscribe" => (None, Some("unsubscribed"), true),
        // Opening and clicking are not asked for. Taking an unsubscribe back is for the office.
        "open" | "click" | "group_resubscribe" => (None, None, false),
        _ => {
            tracing::warn!("sendgrid has a kind of event that odx does not know");
            (None, None, false)
        }
    };
    if let Some(status) = status {
        // What was given for the mail stands before the first dot.
        let id = event.sg_message_id.as_deref().unwrap_or_default();
        let id = id.split('.').next().unwrap_or_default();
        match line::id(id) {
            Some(remote_id) => heard.push(Heard::Status {
                remote_id,
                status,
                reason: reason.map(str::to_owned),
            }),
            None => tracing::warn!("an event of sendgrid's names no mail"),
        }
    }
    if let (true, Some(reason)) = (stopped, reason) {
        match Email::parse(event.email.as_deref().unwrap_or_default()) {
            Ok(email) => heard.push(Heard::Stop(stop(&Address::Email(email), reason))),
            Err(_) => tracing::warn!("a stop of sendgrid's names no address"),
        }
    }
}
