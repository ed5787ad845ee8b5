//! The mail itself.

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, SinglePart};
use odx_core::effect::Marker;
use odx_core::model::Email;
use odx_core::outreach::Message;

use super::error::Cause;
use crate::gateway::mail::Mail;

/// Sender, recipient and the bytes of a mail.
pub(super) struct Parts {
    pub(super) from: lettre::Address,
    pub(super) to: lettre::Address,
    /// What its `Message-ID` begins with.
    pub(super) id: String,
    pub(super) bytes: Vec<u8>,
}

/// Makes a mail. The same key gives the same `Message-ID`, so that who gets a
/// repeat can see that it is one.
pub(super) fn parts(
    message: &Message,
    mail: &Mail<'_>,
    from: &Email,
    now: std::time::SystemTime,
) -> Result<Parts, Cause> {
    let address = |email: &Email| {
        let address: lettre::Address = email
            .address()
            .expose()
            .parse()
            .map_err(|_| Cause::NoMail)?;
        Ok::<_, Cause>(address)
    };
    let sender = address(from)?;
    let to = address(mail.to)?;
    let digest: String = Marker::of(&message.key)
        .as_str()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let name = Some(mail.from_name.clone()).filter(|name| !name.is_empty());
    let mut whole = MessageBuilder::new()
        .date(now)
        .message_id(Some(format!("<{digest}@{}>", sender.domain())))
        .from(Mailbox::new(name, sender.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(mail.subject.clone())
        .singlepart(SinglePart::plain(mail.text.to_owned()))
        .map_err(|_| Cause::NoMail)?;
    for (name, value) in mail.unsubscribe_headers() {
        let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|_| Cause::NoMail)?;
        // An address that is folded or encoded is one no more.
        let value = HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value);
        whole.headers_mut().insert_raw(value);
    }
    Ok(Parts {
        from: sender,
        to,
        id: digest,
        bytes: whole.formatted(),
    })
}
