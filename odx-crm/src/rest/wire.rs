//! Bodies, spelled as the contract spells them. Pure.

use odx_core::crm::Delivery;
use odx_core::{ContentHash, Phi};
use serde_json::Value;

use super::error::Cause;

/// The body of a single write: the bytes that were hashed, and their hash.
/// Written again they would no longer be those bytes.
pub(super) fn record(delivery: &Delivery) -> Result<Phi<Vec<u8>>, Cause> {
    hashed(delivery.canonical.expose(), delivery.hash)
}

/// The body of a batch.
pub(super) fn batch(group: &[&Delivery]) -> Result<Phi<Vec<u8>>, Cause> {
    let size: usize = group.iter().map(|d| d.canonical.expose().len() + 176).sum();
    let mut out = Vec::with_capacity(size + 16);
    out.extend_from_slice(b"{\"items\":[");
    for (place, delivery) in group.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        splice(&mut out, delivery)?;
        out.extend_from_slice(b",\"idempotency_key\":\"");
        out.extend_from_slice(delivery.idempotency_key.as_str().as_bytes());
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(b"]}");
    Ok(Phi::new(out))
}

/// Canonical bytes and their hash as one body.
pub(super) fn hashed(canonical: &[u8], hash: ContentHash) -> Result<Phi<Vec<u8>>, Cause> {
    let mut out = Vec::with_capacity(canonical.len() + 96);
    splice_bytes(&mut out, canonical, hash)?;
    out.push(b'}');
    Ok(Phi::new(out))
}

/// The record without its closing brace, and its hash.
fn splice(out: &mut Vec<u8>, delivery: &Delivery) -> Result<(), Cause> {
    splice_bytes(out, delivery.canonical.expose(), delivery.hash)
}

fn splice_bytes(out: &mut Vec<u8>, canonical: &[u8], hash: ContentHash) -> Result<(), Cause> {
    // A record always has its external id: there is a field before the comma.
    if !canonical.starts_with(b"{\"") {
        return Err(Cause::NotAnObject);
    }
    let open = canonical.strip_suffix(b"}").ok_or(Cause::NotAnObject)?;
    out.extend_from_slice(open);
    out.extend_from_slice(b",\"content_hash\":\"");
    out.extend_from_slice(hash.to_wire().as_bytes());
    out.push(b'"');
    Ok(())
}

/// The CRM's own id in the answer to a write, if it gave one that can be kept.
pub(super) fn remote_id(answer: &Value) -> Option<String> {
    let id = match answer.get("id")? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_graphic())).then_some(id)
}

/// Words that a refusal's code may be made of. A closed list, because a CRM that
/// answers `"error": "Ana"` must not put Ana into a log, and a task's refusal
/// cannot be held against names that a task does not have.
const WORDS: &[&str] = &[
    "already",
    "bad",
    "body",
    "conflict",
    "consent",
    "constraint",
    "contact",
    "content",
    "custom",
    "database",
    "date",
    "denied",
    "does",
    "due",
    "duplicate",
    "email",
    "entity",
    "error",
    "exceeded",
    "exist",
    "exists",
    "external",
    "failed",
    "field",
    "fields",
    "first",
    "forbidden",
    "format",
    "found",
    "hash",
    "household",
    "id",
    "idempotency",
    "in",
    "integrity",
    "internal",
    "invalid",
    "is",
    "json",
    "key",
    "kind",
    "large",
    "last",
    "length",
    "limit",
    "locked",
    "long",
    "malformed",
    "mismatch",
    "missing",
    "name",
    "not",
    "null",
    "office",
    "parse",
    "payload",
    "permission",
    "phone",
    "preferred",
    "progress",
    "property",
    "quota",
    "rate",
    "read",
    "readonly",
    "record",
    "refused",
    "rejected",
    "request",
    "required",
    "schema",
    "segment",
    "shape",
    "short",
    "stale",
    "state",
    "status",
    "tag",
    "tags",
    "task",
    "timezone",
    "title",
    "too",
    "type",
    "unauthorized",
    "unique",
    "unknown",
    "unprocessable",
    "unsupported",
    "validation",
    "value",
    "version",
    "wrong",
];

/// The machine code in a refusal, if it is one odx may show: free text quotes
/// the data it complains about.
pub(super) fn code(answer: &Value) -> Option<String> {
    ["code", "error"].into_iter().find_map(|key| {
        let text = answer.get(key)?.as_str()?.to_ascii_lowercase();
        let known = |word: &str| WORDS.binary_search(&word).is_ok();
        (text.len() <= 40 && text.split(['_', '.', '-']).all(known)).then_some(text)
    })
}

/// One line of the answer to a batch.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) external_id: String,
    pub(super) status: u16,
    pub(super) remote_id: Option<String>,
    pub(super) code: Option<String>,
    pub(super) retry_after: Option<String>,
}

/// The lines of an answer to a batch: `{"results": […]}`, a list under another
/// usual name, or the bare list. A line without id or status is left out, so its
/// record counts as not named.
pub(super) fn lines(answer: &Value) -> Option<Vec<Line>> {
    let list = match answer {
        Value::Array(list) => list,
        _ => ["results", "items", "outcomes", "data"]
            .iter()
            .find_map(|name| answer.get(name)?.as_array())?,
    };
    Some(list.iter().filter_map(line).collect())
}

fn line(value: &Value) -> Option<Line> {
    Some(Line {
        external_id: value.get("external_id")?.as_str()?.to_owned(),
        status: match value.get("status")? {
            Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "ok" | "success" | "applied" | "created" | "updated" | "unchanged" => 200,
                "error" | "failed" | "rejected" | "invalid" | "refused" => 422,
                "retry" | "busy" | "deferred" => 503,
                number => number.parse().ok()?,
            },
            _ => return None,
        },
        remote_id: remote_id(value),
        code: code(value),
        retry_after: match value.get("retry_after") {
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_code_is_made_of_known_words_only() {
        assert!(WORDS.is_sorted());
        for (text, want) in [
            ("due_date.bad", "due_date.bad"),
            ("VALIDATION-ERROR", "validation-error"),
        ] {
            assert_eq!(code(&json!({ "error": text })).unwrap(), want);
        }
        for text in [
            "",
            "Ana",
            "invalid_ana",
            "Ana Nunez is odd",
            "ana@smile.co",
            "5035550123",
            "a_",
            "SM0012",
        ] {
            assert_eq!(code(&json!({ "error": text })), None, "{text}");
        }
        assert_eq!(code(&json!({"error": "bad_".repeat(11)})), None);
        assert_eq!(code(&json!({"error": {"code": "bad"}})), None);
        assert_eq!(
            code(&json!({"code": "Ana", "error": "bad"})).unwrap(),
            "bad"
        );
        assert_eq!(code(&json!("error")), None);
    }

    #[test]
    fn a_remote_id_is_a_number_or_a_short_word() {
        assert_eq!(remote_id(&json!({"id": 42})).unwrap(), "42");
        assert_eq!(remote_id(&json!({"id": "a-1"})).unwrap(), "a-1");
        for odd in [
            json!(null),
            json!(""),
            json!("a b"),
            json!({}),
            json!("x".repeat(129)),
        ] {
            assert_eq!(remote_id(&json!({ "id": odd })), None);
        }
    }

    #[test]
    fn a_line_without_id_or_status_names_nobody() {
        let read = lines(&json!([
            {"external_id": "od:a:1", "status": 200},
            {"external_id": "od:a:2"},
            {"status": 200},
            {"external_id": "od:a:3", "status": "422", "error": "bad", "retry_after": 5},
            7
        ]))
        .unwrap();
        let ids: Vec<_> = read.iter().map(|line| line.external_id.as_str()).collect();
        assert_eq!(ids, ["od:a:1", "od:a:3"]);
        assert!(lines(&json!({"ok": true})).is_none());
    }
}
