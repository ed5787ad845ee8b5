//! Calls of the provider: checked, then read. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use odx_core::model::Email;
use odx_core::outreach::{Address, Heard, Inbound, Status};
use odx_core::{Result, Secret};
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq as _};

use super::error::Cause;
use super::wire::Call;
use crate::gateway::line;
use crate::gateway::stop::stop;

/// What a call of the provider comes with.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) url: Secret,
    pub(super) user: Secret,
    pub(super) password: Secret,
}

impl Caller {
    fn fits(&self, url: &str, credentials: &[u8]) -> Choice {
        let known = format!("{}:{}", self.user.expose(), self.password.expose());
        same(url.as_bytes(), self.url.expose().as_bytes()) & same(credentials, known.as_bytes())
    }
}

/// In a time that says nothing about where they differ or how long they are.
fn same(one: &[u8], other: &[u8]) -> Choice {
    digest(&SHA256, one)
        .as_ref()
        .ct_eq(digest(&SHA256, other).as_ref())
}

pub(super) fn hear(call: &Inbound, callers: &[Caller]) -> Result<Vec<Heard>> {
    if callers.is_empty() {
        return Err(Cause::NoCaller.into());
    }
    let credentials = call
        .header("authorization")
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, text)| STANDARD.decode(text.trim()).ok())
        .unwrap_or_default();
    let known = callers.iter().fold(Choice::from(0), |known, caller| {
        known | caller.fits(&call.url, &credentials)
    });
    if !bool::from(known) {
        return Err(Cause::Caller.into());
    }
    let call: Call = serde_json::from_slice(call.body.expose())
        .map_err(|_| Cause::Call("it is not the json of a record"))?;
    Ok(read(&call)?)
}

fn read(call: &Call) -> Result<Vec<Heard>, Cause> {
    match call.record_type.as_str() {
        "Delivery" => Ok(vec![status(call, Status::Delivered, None)?]),
        "Bounce" => {
            let kind = call.kind.as_deref().unwrap_or_default();
            let reason = match kind {
                "SpamNotification" | "SpamComplaint" => "complaint",
                "Unsubscribe" | "ManuallyDeactivated" => "unsubscribed",
                "HardBounce" | "BadEmailAddress" => "hard_bounce",
                _ if call.inactive => "hard_bounce",
                "Blocked" | "DMARCPolicy" => "blocked",
                _ => "soft_bounce",
            };
            let mut heard = vec![status(call, Status::Failed, Some(reason))?];
            if !matches!(reason, "blocked" | "soft_bounce") {
                heard.push(stopped(call.email.as_deref(), reason)?);
            }
            Ok(heard)
        }
        "SpamComplaint" => Ok(vec![stopped(call.email.as_deref(), "complaint")?]),
        // That sending is taken up again is for the office to say.
        "SubscriptionChange" if !call.suppress_sending => Ok(Vec::new()),
        "SubscriptionChange" => {
            let reason = match call.suppression_reason.as_deref() {
                Some("HardBounce") => "hard_bounce",
                Some("SpamComplaint") => "complaint",
                _ => "unsubscribed",
            };
            Ok(vec![stopped(call.recipient.as_deref(), reason)?])
        }
        // Neither is asked for.
        "Open" | "Click" => Ok(Vec::new()),
        _ => Err(Cause::Call("a kind of record that odx does not know")),
    }
}

fn status(call: &Call, status: Status, reason: Option<&str>) -> Result<Heard, Cause> {
    let remote_id = call.message_id.as_deref().and_then(line::id);
    Ok(Heard::Status {
        remote_id: remote_id.ok_or(Cause::Call("a report that names no mail"))?,
        status,
        reason: reason.map(str::to_owned),
    })
}

fn stopped(address: Option<&str>, reason: &str) -> Result<Heard, Cause> {
    let email = Email::parse(address.unwrap_or_default())
        .map_err(|_| Cause::Call("a stop that names no address"))?;
    Ok(Heard::Stop(stop(&Address::Email(email), reason)))
}
