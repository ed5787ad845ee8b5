//! Settings of the text gateway, checked once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use odx_core::clock::{Clock, SystemClock};
use odx_core::model::Phone;
use odx_core::{Result, Secret, SinkId};
use serde::Deserialize;
use url::Url;

use super::client::Client;
use super::gateway::TwilioGateway;
use crate::gateway::line::Line;
use crate::gateway::settings::Problems;
use crate::rest::address::keeps_private;

/// How long the provider keeps what a text said, or whom it went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// As the account says. For an account that throws words away or obfuscates
    /// numbers by itself, say `Minimal`: odx must know what a list can show.
    #[default]
    AsAccount,
    /// No longer than it takes to send. An attempt in doubt can then not be
    /// looked up, and its message is given up rather than repeated.
    Minimal,
}

/// Who sends.
#[derive(Clone)]
pub(super) enum Sender {
    Service(String),
    Test(Phone),
}

/// Settings of a [`TwilioGateway`].
///
/// ```
/// use odx_core::{Secret, SinkId};
/// use odx_crm::{Url, gateway::TwilioConfig};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gateway = TwilioConfig::new(
///     SinkId::new("twilio", "main-st")?,
///     "AC00000000000000000000000000000001",
///     "SK00000000000000000000000000000001",
///     Secret::new("the-secret-of-the-api-key"),
///     "MG00000000000000000000000000000001",
/// )
/// .with_status_callback(Url::parse("https://hooks.example/twilio/status?office=main-st")?)
/// .with_auth_token(Secret::new("the-auth-token-of-the-account"))
/// .build()?;
/// # let _ = gateway;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TwilioConfig {
    id: SinkId,
    account: String,
    key: String,
    secret: Secret,
    sender: Sender,
    base: Option<Url>,
    status_callback: Option<Url>,
    auth_tokens: Vec<Secret>,
    content: Retention,
    address: Retention,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for TwilioConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URLs are left out: until `build` has looked at them, they may hold a password.
        f.debug_struct("TwilioConfig")
            .field("id", &self.id)
            .field("test_sender", &matches!(self.sender, Sender::Test(_)))
            .field("auth_tokens", &self.auth_tokens.len())
            .field("content_retention", &self.content)
            .field("address_retention", &self.address)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl TwilioConfig {
    /// A gateway of this name: the account (`AC…`), an API key (`SK…`) with its
    /// secret, and the messaging service (`MG…`) that sends. The account's own
    /// token works as a key too, under the account's name, and can do more than
    /// it should.
    pub fn new(
        id: SinkId,
        account_sid: impl Into<String>,
        api_key_sid: impl Into<String>,
        api_key_secret: Secret,
        messaging_service_sid: impl Into<String>,
    ) -> Self {
        Self {
            id,
            account: account_sid.into(),
            key: api_key_sid.into(),
            secret: api_key_secret,
            sender: Sender::Service(messaging_service_sid.into()),
            base: None,
            status_callback: None,
            auth_tokens: Vec::new(),
            content: Retention::default(),
            address: Retention::default(),
            timeout: Duration::from_secs(30),
            clock: Arc::new(SystemClock),
        }
    }

    /// Sends from this number instead of the messaging service. For tests only:
    /// opt-outs and the registration of the practice live in the service.
    #[must_use]
    pub fn with_test_sender(mut self, number: Phone) -> Self {
        self.sender = Sender::Test(number);
        self
    }

    /// Sets where the provider is: https, or loopback.
    #[must_use]
    pub fn with_base_url(mut self, url: Url) -> Self {
        self.base = Some(url);
        self
    }

    /// Sets where delivery reports are to go, with the office in its query.
    /// None are asked for by default.
    #[must_use]
    pub fn with_status_callback(mut self, url: Url) -> Self {
        self.status_callback = Some(url);
        self
    }

    /// Adds a token that calls of the provider may be signed with: the auth
    /// token of the account. While it is changed over, the old and the new one.
    #[must_use]
    pub fn with_auth_token(mut self, token: Secret) -> Self {
        self.auth_tokens.push(token);
        self
    }

    /// Sets how long the provider keeps what a text said (`ContentRetention`).
    #[must_use]
    pub const fn with_content_retention(mut self, retention: Retention) -> Self {
        self.content = retention;
        self
    }

    /// Sets how long the provider keeps whom it went to (`AddressRetention`).
    #[must_use]
    pub const fn with_address_retention(mut self, retention: Retention) -> Self {
        self.address = retention;
        self
    }

    /// Sets the longest wait for one whole answer. 30 seconds by default.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the clock that dates in `Retry-After` are seen from.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks everything and builds the gateway. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](odx_core::ErrorKind::Config), naming all that is
    /// wrong at once.
    pub fn build(self) -> Result<TwilioGateway> {
        let mut problems = Problems::new();
        let base = problems.base(self.base, "https://api.twilio.com")?;
        problems.check(
            is_sid("AC", &self.account),
            "the account sid must be AC and 32 hex digits",
        );
        problems.check(
            is_sid("SK", &self.key) || (is_sid("AC", &self.key) && self.key == self.account),
            "the sid of the api key must be SK and 32 hex digits",
        );
        problems.check_secret("the secret of the api key", &self.secret);
        if let Sender::Service(sid) = &self.sender {
            problems.check(
                is_sid("MG", sid),
                "the messaging service sid must be MG and 32 hex digits; \
                 a number can only be set as a test sender",
            );
        }
        for token in &self.auth_tokens {
            problems.check_secret("the auth token", token);
        }
        if let Some(url) = &self.status_callback {
            problems.check(keeps_private(url), "the status callback must be https");
            problems.check(
                url.username().is_empty() && url.password().is_none(),
                "the status callback must hold no user or password",
            );
            problems.check(
                url.host_str().is_none_or(|host| !host.contains('_')),
                "the status callback's host must hold no underscore: the provider refuses it",
            );
            problems.check(
                !self.auth_tokens.is_empty(),
                "a status callback needs the auth token that its calls are signed with",
            );
        }
        problems.check(
            !self.timeout.is_zero(),
            "the timeout must be longer than nothing",
        );
        problems.none(&self.id)?;
        let client = Client::new(
            Line::new(base, self.timeout, self.clock)?,
            self.account,
            self.key,
            self.secret,
            self.sender,
            self.status_callback,
            self.content,
            self.address,
        );
        Ok(TwilioGateway::new(self.id, client, self.auth_tokens))
    }
}

fn is_sid(kind: &str, text: &str) -> bool {
    text.strip_prefix(kind)
        .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}
