//! What is said to and by the provider, spelled as it spells it.

use odx_core::outreach::Message;
use serde::{Deserialize, Serialize};

use crate::gateway::mail::Mail;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Send<'a> {
    from: String,
    to: &'a str,
    subject: &'a str,
    text_body: &'a str,
    message_stream: &'a str,
    track_opens: bool,
    track_links: &'static str,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    odx_attempt: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Header {
    name: &'static str,
    value: String,
}

impl<'a> Send<'a> {
    pub(super) fn of(
        message: &'a Message,
        mail: &'a Mail<'_>,
        from: &str,
        stream: &'a str,
    ) -> Self {
        Self {
            from: mailbox(&mail.from_name, from),
            to: mail.to.address().expose(),
            subject: &mail.subject,
            text_body: mail.text,
            message_stream: stream,
            track_opens: false,
            track_links: "None",
            metadata: Metadata {
                odx_attempt: message.key.as_str(),
            },
            headers: mail
                .unsubscribe_headers()
                .into_iter()
                .map(|(name, value)| Header { name, value })
                .collect(),
        }
    }
}

/// A name and an address, the name quoted.
fn mailbox(name: &str, address: &str) -> String {
    if name.is_empty() {
        return address.to_owned();
    }
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{name}\" <{address}>")
}

/// What became of one mail.
#[derive(Deserialize)]
pub(super) struct Item {
    #[serde(rename = "ErrorCode")]
    pub(super) error_code: i64,
    /// For comparing, never for showing: it names addresses.
    #[serde(default, rename = "Message")]
    pub(super) message: String,
    #[serde(default, rename = "MessageID")]
    pub(super) message_id: Option<String>,
}

/// A call.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Call {
    pub(super) record_type: String,
    #[serde(default, rename = "MessageID")]
    pub(super) message_id: Option<String>,
    #[serde(default, rename = "Type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) recipient: Option<String>,
    #[serde(default)]
    pub(super) inactive: bool,
    #[serde(default)]
    pub(super) suppress_sending: bool,
    #[serde(default)]
    pub(super) suppression_reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(
            mailbox("A \"B\" <x@evil.co>, \\", "a@smile.co"),
            "\"A \\\"B\\\" <x@evil.co>, \\\\\" <a@smile.co>"
        );
        assert_eq!(mailbox("", "a@smile.co"), "a@smile.co");
    }
}
