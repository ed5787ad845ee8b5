//! Calls of the provider: checked, then read. Pure.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use odx_core::model::Phone;
use odx_core::outreach::{Address, Heard, Inbound, Reply, Status, classify};
use odx_core::{Error, Result, Secret};
use ring::{digest, hmac};
use url::{Url, form_urlencoded};

use super::error::{Cause, account, stopping};
use crate::gateway::line;
use crate::gateway::stop::stop;

/// Values by name. A name may have several.
type Fields = BTreeMap<String, BTreeSet<String>>;

pub(super) fn hear(call: &Inbound, tokens: &[Secret], account_sid: &str) -> Result<Vec<Heard>> {
    if tokens.is_empty() {
        return Err(Cause::NoToken.into());
    }
    let fields = checked(call, tokens)?;
    match text(&fields, "AccountSid") {
        // A token belongs to one account, but a parent's signs for its children.
        Some(sid) if sid != account_sid => Err(Cause::Signature.into()),
        _ => read(&fields).map_err(Error::from),
    }
}

/// What a call says, if the provider signed it.
fn checked(call: &Inbound, tokens: &[Secret]) -> Result<Fields, Cause> {
    let given = call
        .header("x-twilio-signature")
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or(Cause::Signature)?;
    let body = call.body.expose();
    let fields = match body_hash(&call.url) {
        Some(hash) => {
            let real = digest::digest(&digest::SHA256, body);
            // Not a secret: it stands in the address, which is signed.
            if hex(&hash).as_deref() != Some(real.as_ref()) {
                return Err(Cause::Signature);
            }
            None
        }
        None => Some(form(body)),
    };
    let mut pairs = String::new();
    for (name, values) in fields.iter().flatten() {
        for value in values {
            pairs.push_str(name);
            pairs.push_str(value);
        }
    }
    let fits = |token: &Secret| {
        let key = hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            token.expose().as_bytes(),
        );
        // The provider signs some addresses with their port and some without.
        spellings(&call.url)
            .iter()
            .any(|url| hmac::verify(&key, format!("{url}{pairs}").as_bytes(), &given).is_ok())
    };
    if !tokens.iter().any(fits) {
        return Err(Cause::Signature);
    }
    match fields {
        Some(fields) => Ok(fields),
        None => flat(body),
    }
}

/// `bodySHA256` of an address: the body is then not a form.
fn body_hash(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "bodySHA256")
        .map(|(_, value)| value.into_owned())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

/// An address as it stands, with its port and without.
fn spellings(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    if let Ok(parsed) = Url::parse(url)
        && let Some((scheme, rest)) = url.split_once("://")
        && let Some(port) = parsed.port_or_known_default()
    {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let bare = authority
            .strip_suffix(&format!(":{port}"))
            .unwrap_or(authority);
        all.push(format!("{scheme}://{bare}{path}"));
        all.push(format!("{scheme}://{bare}:{port}{path}"));
    }
    all
}

fn form(body: &[u8]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in form_urlencoded::parse(body) {
        fields
            .entry(name.into_owned())
            .or_default()
            .insert(value.into_owned());
    }
    fields
}

/// The texts at the top of a JSON object.
fn flat(body: &[u8]) -> Result<Fields, Cause> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(|_| Cause::Call("it is not a json object"))?;
    Ok(object
        .into_iter()
        .filter_map(|(name, value)| {
            let value = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Number(number) => number.to_string(),
                _ => return None,
            };
            Some((name, BTreeSet::from([value])))
        })
        .collect())
}

/// A field that is there once and says something.
fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let mut values = fields.get(name)?.iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

fn phone(fields: &Fields, name: &str) -> Option<Address> {
    let number = text(fields, name)?;
    // The provider writes E.164. What only looks like it names somebody else.
    Phone::parse(number)
        .ok()
        .filter(|phone| phone.e164().expose() == number)
        .map(Address::Phone)
}

fn read(fields: &Fields) -> Result<Vec<Heard>, Cause> {
    let status = text(fields, "MessageStatus")
        .or_else(|| text(fields, "SmsStatus"))
        .filter(|status| !matches!(*status, "received" | "receiving"));
    match status {
        Some(status) => report(fields, status),
        None if fields.contains_key("Body") || fields.contains_key("OptOutType") => inbound(fields),
        None => Err(Cause::Call("it is neither a text nor a report")),
    }
}

/// A text that somebody sent to the practice.
fn inbound(fields: &Fields) -> Result<Vec<Heard>, Cause> {
    let from = phone(fields, "From").ok_or(Cause::Call("a text that names no number"))?;
    // The provider's own word on what it has just done counts before any of ours.
    let named = text(fields, "OptOutType").or_else(|| text(fields, "OptType"));
    let meant = match named.map(str::to_ascii_uppercase).as_deref() {
        Some("STOP") => Reply::OptOut,
        Some("START") => Reply::OptIn,
        Some("HELP") => Reply::Help,
        // A new word of the provider's about opting out is not passed over.
        Some(_) => Reply::Review,
        None => classify(text(fields, "Body").unwrap_or_default()),
    };
    Ok(match meant {
        Reply::OptOut => vec![Heard::Stop(stop(&from, "keyword_stop"))],
        Reply::WrongNumber => vec![Heard::Stop(stop(&from, "wrong_number"))],
        Reply::OptIn => vec![Heard::Start(from)],
        Reply::Review => vec![Heard::Review(from)],
        Reply::Help | Reply::None => Vec::new(),
    })
}

/// How far a text came.
fn report(fields: &Fields, status: &str) -> Result<Vec<Heard>, Cause> {
    let remote_id = text(fields, "MessageSid")
        .or_else(|| text(fields, "SmsSid"))
        .and_then(line::id)
        .ok_or(Cause::Call("a report that names no text"))?;
    let status = match status {
        "accepted" | "scheduled" | "queued" | "sending" => Status::Accepted,
        "sent" | "partially_delivered" => Status::Sent,
        "delivered" | "read" => Status::Delivered,
        "undelivered" | "failed" | "canceled" => Status::Failed,
        _ => return Err(Cause::Call("a status that odx does not know")),
    };
    let code: Option<u32> = match text(fields, "ErrorCode") {
        None => None,
        Some(code) => Some(
            code.parse()
                .map_err(|_| Cause::Call("an error code that is no number"))?,
        ),
    };
    let code = code.filter(|code| *code != 0 && status == Status::Failed);
    let reason = match code {
        _ if status != Status::Failed => None,
        Some(code) => Some(reason(code)),
        None => Some("unspecified"),
    };
    let mut heard = vec![Heard::Status {
        remote_id: remote_id.clone(),
        status,
        reason: reason.map(str::to_owned),
    }];
    if let Some(code) = code {
        // Where numbers are obfuscated it names nobody, and the reason has to do.
        if let Some(reason) = stopping(code)
            && let Some(to) = phone(fields, "To")
        {
            heard.push(Heard::Stop(stop(&to, reason)));
        }
        if let Some(cause) = account(code) {
            heard.push(Heard::Account(cause.to_string()));
        }
        if code == 30007 {
            heard.push(Heard::Filtered { remote_id });
        }
    }
    Ok(heard)
}

/// Why a text did not arrive, in a word.
const fn reason(code: u32) -> &'static str {
    if let Some(reason) = stopping(code) {
        return reason;
    }
    match code {
        30001 => "queue_overflow",
        30002 => "account_suspended",
        30003 => "unreachable",
        30007 => "carrier_filter",
        30008 => "unknown",
        30032..=30035 => "unregistered_sender",
        30036 => "expired",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_be_signed_or_left_out() {
        assert_eq!(
            spellings("https://hooks.example/a?b=c"),
            [
                "https://hooks.example/a?b=c",
                "https://hooks.example/a?b=c",
                "https://hooks.example:443/a?b=c"
            ]
        );
        assert!(
            spellings("https://hooks.example:443/a").contains(&"https://hooks.example/a".into())
        );
        assert_eq!(spellings("no url"), ["no url"]);
    }
}
