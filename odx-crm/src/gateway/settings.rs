//! What the settings of every gateway are checked for.

use odx_core::{Error, ErrorKind, Result, SinkId};

/// What is wrong with the settings of a gateway, all of it at once.
pub(super) struct Problems(Vec<String>);

impl Problems {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn push(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    pub(super) fn check(&mut self, fine: bool, problem: &str) {
        if !fine {
            self.push(problem);
        }
    }

    /// A secret that can stand in a header.
    #[cfg(any(feature = "twilio", feature = "sendgrid", feature = "postmark"))]
    pub(super) fn check_secret(&mut self, what: &str, secret: &odx_core::Secret) {
        let secret = secret.expose();
        if secret.is_empty() {
            self.push(format!("{what} is empty"));
        } else if !secret.bytes().all(|b| b.is_ascii_graphic()) {
            self.push(format!(
                "{what} must be printable ascii without blanks; look for a line break at its end"
            ));
        }
    }

    #[cfg(any(feature = "twilio", feature = "sendgrid", feature = "postmark"))]
    /// Where the provider is: as set, or where it usually is.
    pub(super) fn base(&mut self, set: Option<url::Url>, usual: &str) -> Result<url::Url> {
        let base = match set {
            Some(base) => base,
            None => url::Url::parse(usual)
                .map_err(|_| Error::new(ErrorKind::Bug, "the provider's address is none"))?,
        };
        for problem in crate::rest::address::problems(&base) {
            self.push(problem);
        }
        Ok(base)
    }

    pub(super) fn none(self, id: &SinkId) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Config,
            format!("the gateway {id} cannot be set up: {}", self.0.join("; ")),
        ))
    }
}
