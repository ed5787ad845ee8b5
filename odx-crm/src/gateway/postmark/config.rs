//! Settings of the Postmark gateway, checked once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use odx_core::clock::{Clock, SystemClock};
use odx_core::model::Email;
use odx_core::{Result, Secret, SinkId};
use url::Url;

use super::callback::Caller;
use super::client::Client;
use super::gateway::PostmarkGateway;
use crate::gateway::line::Line;
use crate::gateway::mail::Baa;
use crate::gateway::settings::Problems;

/// Settings of a [`PostmarkGateway`].
///
/// ```
/// use odx_core::{Secret, SinkId, model::Email};
/// use odx_crm::gateway::{Baa, PostmarkConfig};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gateway = PostmarkConfig::new(
///     SinkId::new("postmark", "main-st")?,
///     Secret::new("the-server-token"),
///     Email::parse("hello@brightsmiles.example")?,
/// )
/// .with_baa(Baa::Confirmed)
/// .build()?;
/// # let _ = gateway;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostmarkConfig {
    id: SinkId,
    token: Secret,
    from: Email,
    baa: Baa,
    base: Option<Url>,
    transactional: String,
    broadcast: String,
    callers: Vec<Caller>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for PostmarkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostmarkConfig")
            .field("id", &self.id)
            .field("baa", &self.baa)
            .field("transactional", &self.transactional)
            .field("broadcast", &self.broadcast)
            .field("callers", &self.callers.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl PostmarkConfig {
    /// A gateway of this name: the token of a server, and a confirmed sender.
    pub fn new(id: SinkId, server_token: Secret, from: Email) -> Self {
        Self {
            id,
            token: server_token,
            from,
            baa: Baa::No,
            base: None,
            transactional: "outbound".into(),
            broadcast: "broadcast".into(),
            callers: Vec::new(),
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

    /// Sets the message stream of recalls. `outbound` by default.
    #[must_use]
    pub fn with_transactional_stream(mut self, stream: impl Into<String>) -> Self {
        self.transactional = stream.into();
        self
    }

    /// Sets the message stream of reactivations and reviews. `broadcast` by
    /// default.
    #[must_use]
    pub fn with_broadcast_stream(mut self, stream: impl Into<String>) -> Self {
        self.broadcast = stream.into();
        self
    }

    /// Adds the address that the provider calls, whole and with something in it
    /// that nobody can guess, and the user and password it comes with. The
    /// provider signs nothing, so all three must fit. While they are changed
    /// over, the old and the new ones.
    #[must_use]
    pub fn with_callback(mut self, url: Secret, user: Secret, password: Secret) -> Self {
        self.callers.push(Caller {
            url,
            user,
            password,
        });
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
    pub fn build(self) -> Result<PostmarkGateway> {
        let mut problems = Problems::new();
        let base = problems.base(self.base, "https://api.postmarkapp.com")?;
        problems.check_secret("the server token", &self.token);
        let stream = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        problems.check(
            stream(&self.transactional) && stream(&self.broadcast),
            "the name of a message stream is letters, digits, - and _",
        );
        problems.check(
            self.transactional != self.broadcast,
            "reactivations and reviews need a broadcast stream of their own",
        );
        for caller in &self.callers {
            problems.check_secret("the user that the provider calls with", &caller.user);
            problems.check_secret(
                "the password that the provider calls with",
                &caller.password,
            );
            problems.check(
                !caller.user.expose().contains(':'),
                "the user that the provider calls with must hold no colon",
            );
            problems.check(
                Url::parse(caller.url.expose())
                    .is_ok_and(|url| url.path().len() + url.query().unwrap_or("").len() > 16),
                "the address that the provider calls must be a url with something in its path \
                 or query that nobody can guess",
            );
        }
        problems.check(
            !self.timeout.is_zero(),
            "the timeout must be longer than nothing",
        );
        problems.none(&self.id)?;
        Ok(PostmarkGateway {
            id: self.id,
            client: Client::new(Line::new(base, self.timeout, self.clock)?, self.token),
            from: self.from,
            baa: self.baa,
            transactional: self.transactional,
            broadcast: self.broadcast,
            callers: self.callers,
        })
    }
}
