//! What a reader could not do, as everybody else hears of it.

use odx_core::{Error, ErrorKind};

use crate::wire::{Class, Failure};

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = match failure.class {
            Class::Busy | Class::Timeout | Class::Crashed => ErrorKind::Unavailable,
            Class::Incomplete | Class::Truncated | Class::NoReport => ErrorKind::Protocol,
            Class::Credentials => ErrorKind::Credentials,
            Class::Permission => ErrorKind::Permission,
            Class::Driver
            | Class::Object
            | Class::Guard
            | Class::Edition
            | Class::Columns
            | Class::TooLarge => ErrorKind::Config,
        };
        let mut what = failure.what;
        if let Some(state) = failure.state {
            what = format!("{what} (state {state})");
        }
        if let Some(native) = failure.native {
            what = format!("{what} (number {native})");
        }
        Self::new(kind, what)
    }
}
