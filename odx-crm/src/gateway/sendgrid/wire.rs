//! What is said to and by the provider, spelled as it spells it.

use std::collections::BTreeMap;

use odx_core::outreach::Message;
use serde::{Deserialize, Serialize};

use crate::gateway::mail::Mail;

#[derive(Serialize)]
pub(super) struct Send<'a> {
    personalizations: [Personalization<'a>; 1],
    from: From<'a>,
    subject: &'a str,
    content: [Content<'a>; 1],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asm: Option<Asm>,
    tracking_settings: Tracking,
}

#[derive(Serialize)]
struct Personalization<'a> {
    to: [To<'a>; 1],
    custom_args: CustomArgs<'a>,
}

#[derive(Serialize)]
struct To<'a> {
    email: &'a str,
}

#[derive(Serialize)]
struct CustomArgs<'a> {
    odx_attempt: &'a str,
}

#[derive(Serialize)]
struct From<'a> {
    email: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct Asm {
    group_id: u32,
}

#[derive(Serialize)]
struct Tracking {
    click_tracking: Off,
    open_tracking: Off,
}

#[derive(Serialize)]
struct Off {
    enable: bool,
}

impl<'a> Send<'a> {
    pub(super) fn of(
        message: &'a Message,
        mail: &'a Mail<'_>,
        from: &'a str,
        group: Option<u32>,
    ) -> Self {
        Self {
            personalizations: [Personalization {
                to: [To {
                    email: mail.to.address().expose(),
                }],
                custom_args: CustomArgs {
                    odx_attempt: message.key.as_str(),
                },
            }],
            from: From {
                email: from,
                name: &mail.from_name,
            },
            subject: &mail.subject,
            content: [Content {
                kind: "text/plain",
                value: mail.text,
            }],
            headers: mail.unsubscribe_headers().into_iter().collect(),
            asm: group.map(|group_id| Asm { group_id }),
            tracking_settings: Tracking {
                click_tracking: Off { enable: false },
                open_tracking: Off { enable: false },
            },
        }
    }
}

/// The answer to a mail that was not taken.
#[derive(Deserialize)]
pub(super) struct Refusal {
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    field: Option<String>,
}

impl Refusal {
    /// Field and message of each complaint. For comparing, never for showing.
    pub(super) fn complaints(self) -> Vec<(String, String)> {
        self.errors
            .into_iter()
            .map(|complaint| {
                (
                    complaint.field.unwrap_or_default(),
                    complaint.message.unwrap_or_default(),
                )
            })
            .collect()
    }
}

/// Addresses that must not be written to.
#[derive(Serialize)]
pub(super) struct Stop<'a> {
    pub(super) recipient_emails: [&'a str; 1],
}

/// One event.
#[derive(Deserialize)]
pub(super) struct Event {
    pub(super) event: String,
    #[serde(default)]
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) sg_message_id: Option<String>,
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) reason: Option<String>,
}
