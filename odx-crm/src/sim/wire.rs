//! The contract's bodies, checked as its schema says. Written apart from the
//! sink's own side, so that both cannot be wrong in the same way.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read to be checked")]
struct PutContact {
    external_id: String,
    office_id: String,
    first_name: String,
    last_name: String,
    preferred_name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    phone_kind: Option<Line>,
    timezone: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    household_external_id: Option<String>,
    consent: Consent,
    #[serde(default)]
    custom: BTreeMap<String, String>,
    content_hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Mobile,
    Landline,
    TollFree,
    Voip,
    Unknown,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read to be checked")]
struct Consent {
    sms: Said,
    email: Said,
    voice: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Granted,
    Denied,
    Unknown,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read to be checked")]
struct PutTask {
    external_id: String,
    contact_external_id: String,
    office_id: String,
    title: String,
    due_date: NaiveDate,
    status: Status,
    #[serde(default)]
    kind: Kind,
    segment: Option<Segment>,
    content_hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Open,
    Completed,
    Cancelled,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Recall,
    Reactivation,
    Review,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Segment {
    DueSoon,
    DueNow,
    Overdue,
    Lapsed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read to be checked")]
struct PutEnrollment {
    channels: Vec<By>,
    contact_external_id: String,
    external_id: String,
    office_id: String,
    patient_external_id: Option<String>,
    purpose: Kind,
    segment: Option<Segment>,
    content_hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    Sms,
    Email,
    Voice,
}

/// Whether a body takes somebody into a sequence; else what is wrong, as a
/// machine code.
pub(super) fn check_enrollment(body: &Value) -> Result<(), &'static str> {
    let put = PutEnrollment::deserialize(body).map_err(|_| "shape")?;
    if put.channels.is_empty() {
        return Err("channels");
    }
    let about = put.patient_external_id.as_deref();
    if !is_external_id(&put.contact_external_id) || !about.is_none_or(is_external_id) {
        return Err("contact_external_id");
    }
    common(&put.external_id, &put.office_id, &put.content_hash)
}

/// Whether a body is a contact; else what is wrong, as a machine code.
pub(super) fn check_contact(body: &Value) -> Result<(), &'static str> {
    let contact = PutContact::deserialize(body).map_err(|_| "shape")?;
    if !contact.phone.as_deref().is_none_or(is_e164) {
        return Err("phone");
    }
    let distinct: BTreeSet<_> = contact.tags.iter().collect();
    if distinct.len() != contact.tags.len() || contact.tags.iter().any(String::is_empty) {
        return Err("tags");
    }
    common(
        &contact.external_id,
        &contact.office_id,
        &contact.content_hash,
    )
}

/// Whether a body is a task; else what is wrong, as a machine code.
pub(super) fn check_task(body: &Value) -> Result<(), &'static str> {
    let task = PutTask::deserialize(body).map_err(|_| "shape")?;
    if task.title.is_empty() {
        return Err("title");
    }
    if !is_external_id(&task.contact_external_id) {
        return Err("contact_external_id");
    }
    common(&task.external_id, &task.office_id, &task.content_hash)
}

fn common(external_id: &str, office: &str, hash: &str) -> Result<(), &'static str> {
    if !is_external_id(external_id) {
        return Err("external_id");
    }
    if office.is_empty() {
        return Err("office_id");
    }
    let digits = hash.strip_prefix("sha256:").unwrap_or_default();
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digits.len() != 64 || !digits.bytes().all(hex) {
        return Err("content_hash");
    }
    Ok(())
}

fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0')
}

fn is_external_id(text: &str) -> bool {
    let mut parts = text.split(':');
    let system = parts.next().unwrap_or_default();
    let rest: Vec<_> = parts.collect();
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=16).contains(&system.len())
        && system.starts_with(|c: char| c.is_ascii_lowercase())
        && system.bytes().all(lower)
        && (1..=4).contains(&rest.len())
        && rest.iter().enumerate().all(|(place, part)| {
            let longest = if place == 0 { 64 } else { 128 };
            (1..=longest).contains(&part.len()) && part.bytes().all(plain)
        })
}
