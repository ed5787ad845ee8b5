//! A CRM's list of opt-outs and dead addresses, read leniently: a stop that is
//! missed is worse than one too many. Pure.

use odx_core::ExternalId;
use odx_core::model::{Channel, Email, Phone};
use odx_core::sink::{Suppression, SuppressionPage, Target};
use odx_core::source::Cursor;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::Cause;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    v: u32,
    after: String,
}

/// The CRM's cursor inside ours.
pub(super) fn after(cursor: &Cursor) -> Result<String, Cause> {
    match serde_json::from_str(cursor.as_str()) {
        Ok(Kept { v: 1, after }) => Ok(after),
        _ => Err(Cause::CursorGone),
    }
}

fn keep(after: String) -> Result<Cursor, Cause> {
    serde_json::to_string(&Kept { v: 1, after })
        .map(Cursor::new)
        .map_err(|_| Cause::Shapeless)
}

/// Longest cursor that is kept and sent back in a query.
const LONGEST_CURSOR: usize = 2048;

/// Reads what a CRM tells by itself: the body of its list of suppressions, as
/// the contract says. A call is no page of the list, so it moves no cursor.
///
/// ```
/// let body = br#"{"suppressions": [{"phone": "503-555-0123", "channel": "sms"}]}"#;
/// assert_eq!(odx_crm::rest::told(body).unwrap().stops.len(), 1);
/// assert!(odx_crm::rest::told(b"[").is_err());
/// ```
///
/// # Errors
/// [`ErrorKind::Protocol`](odx_core::ErrorKind::Protocol) for what is no such list.
pub fn told(body: &[u8]) -> odx_core::Result<SuppressionPage> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| Cause::Shapeless)?;
    let page = page(&answer, None)?;
    Ok(SuppressionPage {
        next: None,
        more: false,
        ..page
    })
}

/// Reads one page that was asked for after `since`.
pub(super) fn page(answer: &Value, since: Option<&str>) -> Result<SuppressionPage, Cause> {
    let (list, next, more) = match answer {
        Value::Array(list) => (list, None, None),
        Value::Object(whole) => {
            let list = ["suppressions", "items", "data", "results"]
                .into_iter()
                .find_map(|key| whole.get(key)?.as_array())
                .ok_or(Cause::Shapeless)?;
            let next = ["next", "cursor", "next_cursor"]
                .into_iter()
                .find_map(|key| text(whole, key).ok().flatten());
            let more = ["more", "has_more"]
                .into_iter()
                .find_map(|key| whole.get(key)?.as_bool());
            (list, next, more)
        }
        _ => return Err(Cause::Shapeless),
    };
    if next
        .as_ref()
        .is_some_and(|next| next.len() > LONGEST_CURSOR)
    {
        return Err(Cause::Shapeless);
    }
    let mut page = SuppressionPage {
        listed: true,
        ..SuppressionPage::default()
    };
    for value in list {
        if entry(value, &mut page.stops).is_err() {
            page.unreadable += 1;
        }
    }
    // A cursor that does not move would be asked for for ever.
    let moved = next.is_some() && next.as_deref() != since;
    page.more = moved && more.unwrap_or(!list.is_empty());
    page.next = next.map(keep).transpose()?;
    Ok(page)
}

struct Unreadable;

type Read = fn(&str) -> Result<Target, Unreadable>;

/// Adds the stops of one entry. What can be read of it is kept even when
/// something else in it cannot.
fn entry(value: &Value, stops: &mut Vec<Suppression>) -> Result<(), Unreadable> {
    let fields = match value {
        Value::String(address) => {
            stops.push(Suppression {
                target: address_of(address)?,
                channel: None,
                reason: reason_of(None),
            });
            return Ok(());
        }
        Value::Object(fields) => fields,
        _ => return Err(Unreadable),
    };
    let read: [(&str, Read); 5] = [
        ("phone", phone_of),
        ("email", email_of),
        ("address", address_of),
        ("external_id", contact_of),
        ("contact_external_id", contact_of),
    ];
    let mut whole = true;
    let mut targets = Vec::new();
    for (key, read) in read {
        match text(fields, key) {
            Ok(None) => {}
            Ok(Some(text)) => match read(&text) {
                Ok(target) if targets.contains(&target) => {}
                Ok(target) => targets.push(target),
                Err(Unreadable) => whole = false,
            },
            Err(Unreadable) => whole = false,
        }
    }
    let channels = channels_of(fields.get("channel"));
    let reason = reason_of(fields.get("reason").and_then(Value::as_str));
    for target in &targets {
        for channel in &channels {
            stops.push(Suppression {
                target: target.clone(),
                channel: *channel,
                reason: reason.clone(),
            });
        }
    }
    if whole && !targets.is_empty() {
        Ok(())
    } else {
        Err(Unreadable)
    }
}

/// A field's text. Empty and null are absent; a number is its digits.
fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, Unreadable> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(Unreadable),
    }
}

fn phone_of(text: &str) -> Result<Target, Unreadable> {
    Phone::parse(text)
        .map(Target::Phone)
        .map_err(|_| Unreadable)
}

fn email_of(text: &str) -> Result<Target, Unreadable> {
    Email::parse(text)
        .map(Target::Email)
        .map_err(|_| Unreadable)
}

fn address_of(text: &str) -> Result<Target, Unreadable> {
    if text.contains('@') {
        email_of(text)
    } else {
        phone_of(text)
    }
}

fn contact_of(text: &str) -> Result<Target, Unreadable> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'.' | b'_' | b'-');
    let looks_like_ours = text.len() <= 256
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.contains(':')
        && text.bytes().all(fits);
    looks_like_ours
        .then(|| Target::Contact(ExternalId::from_kept(text)))
        .ok_or(Unreadable)
}

/// The channels an entry stops; `None` is all of them, and so is a word that is
/// not known: a stop may become wider on its way, never narrower.
fn channels_of(value: Option<&Value>) -> Vec<Option<Channel>> {
    let one = |value: &Value| match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("sms" | "text") => Some(Channel::Sms),
        Some("email") => Some(Channel::Email),
        Some("voice" | "call") => Some(Channel::Voice),
        _ => None,
    };
    match value {
        Some(Value::Array(list)) if !list.is_empty() => {
            let found: Vec<_> = list.iter().map(one).collect();
            if found.contains(&None) {
                vec![None]
            } else {
                found
            }
        }
        Some(value) => vec![one(value)],
        None => vec![None],
    }
}

/// The reason in words of our own: free text there may name a person.
fn reason_of(text: Option<&str>) -> String {
    const KNOWN: [(&str, &str); 16] = [
        ("unsub", "unsubscribed"),
        ("spam", "complaint"),
        ("complain", "complaint"),
        ("bounce", "bounce"),
        ("landline", "landline"),
        ("not_mobile", "landline"),
        ("not mobile", "landline"),
        ("unreach", "unreachable"),
        ("unknown", "unreachable"),
        ("invalid", "invalid"),
        ("wrong", "wrong person"),
        ("block", "blocked"),
        ("dnd", "do not disturb"),
        ("do not", "do not disturb"),
        ("stop", "stop"),
        ("opt", "opted out"),
    ];
    let text = text.unwrap_or_default().to_lowercase();
    KNOWN
        .into_iter()
        .find(|(stem, _)| text.contains(stem))
        .map_or("unspecified", |(_, word)| word)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stops(entry: Value) -> SuppressionPage {
        page(&json!([entry]), None).unwrap()
    }

    #[test]
    fn an_address_is_a_number_or_an_e_mail() {
        let page = page(&json!(["(503) 555-0123", {"address": "a@smile.co"}]), None).unwrap();
        assert!(matches!(page.stops[0].target, Target::Phone(_)));
        assert!(matches!(page.stops[1].target, Target::Email(_)));
        assert_eq!(page.unreadable, 0);
    }

    #[test]
    fn channels_go_by_their_usual_names_and_absent_is_all() {
        for (word, channel) in [
            (json!("sms"), Some(Channel::Sms)),
            (json!("Text"), Some(Channel::Sms)),
            (json!("email"), Some(Channel::Email)),
            (json!("call"), Some(Channel::Voice)),
            (json!("voice"), Some(Channel::Voice)),
            (json!("all"), None),
            (json!(null), None),
            (json!("pigeon"), None),
            (json!(["pigeon", "sms"]), None),
        ] {
            let page = stops(json!({"phone": "5035550123", "channel": word}));
            assert_eq!(page.stops.len(), 1);
            assert_eq!(page.stops[0].channel, channel, "{word}");
        }
        let both = stops(json!({"phone": "5035550123", "channel": ["sms", "call"]}));
        assert_eq!(both.stops.len(), 2);
    }

    #[test]
    fn an_entry_that_names_several_stops_them_all() {
        let page = stops(
            json!({"phone": "5035550123", "email": "a@smile.co", "external_id": "od:a:1", "contact_external_id": "od:a:1"}),
        );
        assert_eq!(page.stops.len(), 3);
    }

    #[test]
    fn half_an_entry_is_kept_and_counted() {
        let page = stops(json!({"phone": "1-800-FLOWERS", "email": "a@smile.co"}));
        assert_eq!((page.stops.len(), page.unreadable), (1, 1));
    }

    #[test]
    fn what_names_nobody_is_counted() {
        for odd in [
            json!({}),
            json!(7),
            json!(null),
            json!("nobody"),
            json!({"phone": ["x"]}),
            json!({"external_id": "no id"}),
        ] {
            let page = stops(odd);
            assert_eq!((page.stops.len(), page.unreadable), (0, 1));
        }
    }

    #[test]
    fn a_reason_is_never_quoted() {
        assert_eq!(reason_of(Some("hard_bounce")), "bounce");
        assert_eq!(reason_of(Some("Ana wrote STOP")), "stop");
        assert_eq!(reason_of(Some("Ana moved")), "unspecified");
        assert_eq!(reason_of(None), "unspecified");
    }

    #[test]
    fn a_cursor_that_does_not_move_ends_the_reading() {
        let answer = json!({"data": ["a@smile.co"], "next": "n1"});
        assert!(page(&answer, None).unwrap().more);
        let again = page(&answer, Some("n1")).unwrap();
        assert!(!again.more && again.next.is_some());
        let last = page(&json!({"items": [], "next_cursor": "n2"}), Some("n1")).unwrap();
        assert!(!last.more);
        assert_eq!(after(&last.next.unwrap()).unwrap(), "n2");
    }

    #[test]
    fn an_answer_without_a_list_is_not_an_empty_list() {
        for odd in [
            json!({}),
            json!({"items": null}),
            json!({"error": "x"}),
            json!("x"),
            json!(null),
        ] {
            assert!(page(&odd, None).is_err(), "{odd}");
        }
    }
}
