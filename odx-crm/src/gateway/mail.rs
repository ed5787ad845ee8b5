//! What every way of sending mail has in common.

use odx_core::model::Email;
use odx_core::outreach::{Address, Message, Purpose, SendError};
use odx_core::{Error, ErrorKind};
use serde::Deserialize;
use url::Url;

use crate::rest::address::keeps_private;

/// Whether the mail provider has signed a business associate agreement. Without
/// one, what says that somebody is a patient who is due must not pass through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baa {
    /// Somebody at the practice has seen it, signed, for this very account.
    Confirmed,
    /// No, or nobody knows.
    #[default]
    No,
}

impl Baa {
    /// As it stands in settings: `confirmed` or `no`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::No => "no",
        }
    }

    /// What whoever looks at a gateway should know of it.
    pub(super) fn finding(self) -> Option<String> {
        (self == Self::No).then(|| {
            "no business associate agreement is confirmed: recall mail is refused".to_owned()
        })
    }
}

/// A mail, looked over: nothing in it can become a header or a line of one.
pub(super) struct Mail<'a> {
    pub(super) to: &'a Email,
    pub(super) from_name: String,
    pub(super) subject: String,
    pub(super) text: &'a str,
    pub(super) unsubscribe: Option<&'a Url>,
}

/// Longest name of a sender that is shown.
const LONGEST_NAME: usize = 100;

/// Longest subject, in characters.
const LONGEST_SUBJECT: usize = 250;

impl<'a> Mail<'a> {
    /// Looks a message over.
    pub(super) fn of(message: &'a Message, baa: Baa) -> Result<Self, SendError> {
        let refused = |kind, text: &'static str| Err(SendError::Refused(Error::new(kind, text)));
        let Address::Email(to) = &message.to else {
            return refused(
                ErrorKind::Bug,
                "a gateway for mail was given a number; this is a defect in odx",
            );
        };
        if message.purpose == Purpose::Recall && baa == Baa::No {
            return refused(
                ErrorKind::Config,
                "recall mail needs a business associate agreement with the mail provider: \
                 have one signed and set baa to confirmed, or let the crm send recalls",
            );
        }
        let subject = one_line(
            message.subject.as_ref().map_or("", |text| text.expose()),
            LONGEST_SUBJECT,
        );
        if subject.is_empty() {
            return refused(
                ErrorKind::Config,
                "a mail must have a subject: give the template one",
            );
        }
        if message.text.expose().trim().is_empty() {
            return refused(
                ErrorKind::Config,
                "a mail must say something: give the template a text",
            );
        }
        if message
            .unsubscribe
            .as_ref()
            .is_some_and(|url| !keeps_private(url.expose()))
        {
            return refused(
                ErrorKind::Config,
                "the address to unsubscribe at must be https",
            );
        }
        Ok(Self {
            to,
            from_name: one_line(&message.practice, LONGEST_NAME),
            subject,
            text: message.text.expose(),
            unsubscribe: message.unsubscribe.as_ref().map(odx_core::Phi::expose),
        })
    }

    /// What lets a mail program offer to unsubscribe, with one click.
    pub(super) fn unsubscribe_headers(&self) -> Vec<(&'static str, String)> {
        self.unsubscribe
            .map(|url| {
                vec![
                    ("List-Unsubscribe", format!("<{url}>")),
                    (
                        "List-Unsubscribe-Post",
                        "List-Unsubscribe=One-Click".to_owned(),
                    ),
                ]
            })
            .unwrap_or_default()
    }
}

/// One line that reads as it is written: no control characters, nothing that
/// turns the direction of writing, nothing invisible that separates.
pub(super) fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Turns and marks of direction, byte order marks, joiners of nothing.
            '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{061c}'
            | '\u{feff}'
            | '\u{ad}' => {}
            c if c.is_whitespace() || c.is_control() => {
                if !line.is_empty() && !line.ends_with(' ') {
                    line.push(' ');
                }
            }
            c => line.push(c),
        }
    }
    let cut: String = line.chars().take(longest).collect();
    cut.trim_end().to_owned()
}

/// Whether a text could end a line or turn it around.
#[cfg(test)]
fn is_one_line(text: &str) -> bool {
    !text.contains(|c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn line_breaks_turns_and_nul_are_taken_out_and_emoji_stay() {
        assert_eq!(
            one_line("Bright\r\nBcc: x\u{202e}@evil\0 Smiles 😀", 100),
            "Bright Bcc: x@evil Smiles 😀"
        );
        assert_eq!(one_line(&"x".repeat(180), 100).len(), 100);
        assert_eq!(one_line("\r\n\t ", 100), "");
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_line(text in "\\PC{0,40}|[\\x00-\\x20\u{2028}\u{202e}a]{0,40}") {
            let line = one_line(&text, 30);
            prop_assert!(is_one_line(&line));
            prop_assert!(line.chars().count() <= 30);
            prop_assert_eq!(one_line(&line, 30), line);
        }
    }
}
