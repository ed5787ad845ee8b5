//! Settings of the SendGrid gateway, checked once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use odx_core::clock::{Clock, SystemClock};
use odx_core::model::Email;
use odx_core::outreach::Purpose;
use odx_core::{Result, Secret, SinkId};
use url::Url;

use super::callback::PublicKey;
use super::client::Client;
use super::gateway::SendGridGateway;
use crate::gateway::line::Line;
use crate::gateway::mail::Baa;
use crate::gateway::settings::Problems;

/// Settings of a [`SendGridGateway`].
///
/// ```
/// use odx_core::{Secret, SinkId, model::Email};
/// use odx_crm::gateway::{Baa, SendGridConfig};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gateway = SendGridConfig::new(
///     SinkId::new("sendgrid", "main-st")?,
///     Secret::new("SG.the-api-key"),
///     Email::parse("hello@brightsmiles.example")?,
/// )
/// .with_baa(Baa::Confirmed)
/// .build()?;
/// # let _ = gateway;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SendGridConfig {
    id: SinkId,
    key: Secret,
    from: Email,
    baa: Baa,
    base: Option<Url>,
    groups: BTreeMap<Purpose, u32>,
    stops_group: Option<u32>,
    event_keys: Vec<String>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for SendGridConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendGridConfig")
            .field("id", &self.id)
            .field("baa", &self.baa)
            .field("groups", &self.groups)
            .field("stops_group", &self.stops_group)
            .field("event_keys", &self.event_keys.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl SendGridConfig {
    /// A gateway of this name: an API key, and the verified sender.
    pub fn new(id: SinkId, api_key: Secret, from: Email) -> Self {
        Self {
            id,
            key: api_key,
            from,
            baa: Baa::No,
            base: None,
            groups: BTreeMap::new(),
            stops_group: None,
            event_keys: Vec::new(),
            timeout: Duration::from_secs(30),
            clock: Arc::new(SystemClock),
        }
    }

    /// Says whether there is a business associate agreement. Without one,
    /// recall mail is refused.
    #[must_use]
    pub const fn with_baa(mut self, baa: Baa) -> Self {
        self.baa = baa;
        self
    }

    /// Sets where the provider is: https, or loopback.
    #[must_use]
    pub fn with_base_url(mut self, url: Url) -> Self {
        self.base = Some(url);
        self
    }

    /// Sets the unsubscribe group of a purpose. Its list is read with the others.
    #[must_use]
    pub fn with_group(mut self, purpose: Purpose, group: u32) -> Self {
        self.groups.insert(purpose, group);
        self
    }

    /// Tells of stops in this group instead of the list for the whole account.
    /// For an account that sends what patients asked for as well, such as bills.
    #[must_use]
    pub const fn with_stops_in_group(mut self, group: u32) -> Self {
        self.stops_group = Some(group);
        self
    }

    /// Adds a key that events may be signed with, as the provider shows it:
    /// base64. While it is changed over, the old and the new one.
    #[must_use]
    pub fn with_event_key(mut self, key: impl Into<String>) -> Self {
        self.event_keys.push(key.into());
        self
    }

    /// Sets the longest wait for one whole answer. 30 seconds by default.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the clock that waits and cursors are seen from.
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
    pub fn build(self) -> Result<SendGridGateway> {
        let mut problems = Problems::new();
        let base = problems.base(self.base, "https://api.sendgrid.com")?;
        problems.check_secret("the api key", &self.key);
        problems.check(
            !self.timeout.is_zero(),
            "the timeout must be longer than nothing",
        );
        let mut keys = Vec::new();
        for key in &self.event_keys {
            match PublicKey::read(key) {
                Some(key) => keys.push(key),
                None => problems.push(
                    "the key that events are signed with must be a P-256 key in base64, \
                     as the provider shows it",
                ),
            }
        }
        problems.none(&self.id)?;
        let groups = self
            .groups
            .values()
            .copied()
            .chain(self.stops_group)
            .collect();
        let client = Client::new(
            Line::new(base, self.timeout, self.clock)?,
            self.key,
            self.stops_group,
            groups,
        );
        Ok(SendGridGateway {
            id: self.id,
            client,
            from: self.from,
            baa: self.baa,
            groups: self.groups,
            keys,
        })
    }
}
