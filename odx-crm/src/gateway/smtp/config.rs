//! Settings of the mail server gateway, checked once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use odx_core::clock::{Clock, SystemClock};
use odx_core::model::Email;
use odx_core::{Result, Secret, SinkId};
use serde::Deserialize;

use super::client::Client;
use super::gateway::SmtpGateway;
use crate::gateway::mail::Baa;
use crate::gateway::settings::Problems;

/// How the way to the mail server is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// Plain first, then TLS before anything is said. Port 587. A server that
    /// does not offer it is given nothing.
    #[default]
    StartTls,
    /// TLS from the first byte. Port 465.
    Implicit,
    /// None: for a server on this machine only.
    LoopbackPlain,
}

/// Settings of a [`SmtpGateway`].
///
/// ```
/// use odx_core::{Secret, SinkId, model::Email};
/// use odx_crm::gateway::{Baa, SmtpConfig, SmtpSecurity};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gateway = SmtpConfig::new(
///     SinkId::new("smtp", "main-st")?,
///     "mail.brightsmiles.example",
///     Email::parse("hello@brightsmiles.example")?,
/// )
/// .with_security(SmtpSecurity::Implicit)
/// .with_login("hello", Secret::new("the-password"))
/// .with_baa(Baa::Confirmed)
/// .build()?;
/// # let _ = gateway;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SmtpConfig {
    id: SinkId,
    host: String,
    port: Option<u16>,
    security: SmtpSecurity,
    login: Option<(String, Secret)>,
    from: Email,
    baa: Baa,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for SmtpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpConfig")
            .field("id", &self.id)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("login", &self.login.is_some())
            .field("baa", &self.baa)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl SmtpConfig {
    /// A gateway of this name: the mail server's host, and who sends.
    pub fn new(id: SinkId, host: impl Into<String>, from: Email) -> Self {
        Self {
            id,
            host: host.into(),
            port: None,
            security: SmtpSecurity::default(),
            login: None,
            from,
            baa: Baa::No,
            timeout: Duration::from_secs(60),
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the port. 587, or 465 where TLS is implicit, or 25 on loopback.
    #[must_use]
    pub const fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets how the way is kept private. `StartTls` by default.
    #[must_use]
    pub const fn with_security(mut self, security: SmtpSecurity) -> Self {
        self.security = security;
        self
    }

    /// Sets the user and password. A server that takes neither is only used on
    /// loopback.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.login = Some((user.into(), password));
        self
    }

    /// Says whether there is a business associate agreement with whoever runs
    /// the mail server. Without one, recall mail is refused.
    #[must_use]
    pub const fn with_baa(mut self, baa: Baa) -> Self {
        self.baa = baa;
        self
    }

    /// Sets the longest wait for one whole mail. 60 seconds by default.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the clock that mails are dated by.
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
    pub fn build(self) -> Result<SmtpGateway> {
        let mut problems = Problems::new();
        let loopback = self.host == "localhost"
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        let plain = self.security == SmtpSecurity::LoopbackPlain;
        let name = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
        problems.check(
            self.host.parse::<IpAddr>().is_ok()
                || (!self.host.is_empty() && self.host.bytes().all(name)),
            "the mail server must be a host name or an address, without a port",
        );
        // The same places as for http: a mail server is in none of them.
        let spelled = if self.host.contains(':') {
            format!("https://[{}]", self.host)
        } else {
            format!("https://{}", self.host)
        };
        if let Ok(url) = url::Url::parse(&spelled)
            && !crate::rest::address::problems(&url).is_empty()
        {
            problems.push("the mail server is at a link-local, metadata or multicast address");
        }
        problems.check(
            !plain || loopback,
            "mail goes to another machine with TLS only; without it is for loopback",
        );
        problems.check(
            self.login.is_some() || loopback,
            "a mail server on another machine needs a user and a password",
        );
        if let Some((user, password)) = &self.login {
            problems.check(
                !user.is_empty() && !user.contains(char::is_control),
                "the user must be there and hold no control characters",
            );
            problems.check(
                !password.expose().is_empty() && !password.expose().contains(char::is_control),
                "the password must be there and hold no control characters",
            );
        }
        problems.check(
            !self.timeout.is_zero(),
            "the timeout must be longer than nothing",
        );
        problems.none(&self.id)?;
        let port = self.port.unwrap_or(match self.security {
            SmtpSecurity::StartTls => 587,
            SmtpSecurity::Implicit => 465,
            SmtpSecurity::LoopbackPlain => 25,
        });
        let login = self
            .login
            .map(|(user, password)| Credentials::new(user, password.expose().to_owned()));
        let client = Client::new(self.host, port, self.security, login, self.timeout);
        Ok(SmtpGateway {
            id: self.id,
            client,
            from: self.from,
            baa: self.baa,
            clock: self.clock,
        })
    }
}
