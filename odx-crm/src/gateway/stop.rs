//! Why an address must not be written to, in words of our own.

use odx_core::outreach::Address;
use odx_core::sink::{Suppression, Target};

/// A stop for this address, on its own channel.
pub(super) fn stop(address: &Address, reason: &str) -> Suppression {
    Suppression {
        target: match address {
            Address::Phone(phone) => Target::Phone(phone.clone()),
            Address::Email(email) => Target::Email(email.clone()),
        },
        channel: Some(address.channel()),
        reason: reason.to_owned(),
    }
}
