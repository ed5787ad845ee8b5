//! The way to a provider over HTTP, and what its statuses prove.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use odx_core::clock::Clock;
use odx_core::http::{self, ClientSettings, Method, Reply, RequestBuilder};
use odx_core::outreach::SendError;
use odx_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use url::Url;

/// One provider's account over HTTP.
pub(super) struct Line {
    http: http::Client,
    base: Url,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl Line {
    pub(super) fn new(base: Url, timeout: Duration, clock: Arc<dyn Clock>) -> Result<Self> {
        let settings = ClientSettings::new(concat!("odx-crm/", env!("CARGO_PKG_VERSION")))
            .with_timeout(timeout);
        Ok(Self {
            http: http::Client::new(settings)?,
            base,
            clock,
            timeout,
        })
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn requests(&self) -> u64 {
        self.http.requests()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A path of ours, whose parts need no escaping, below the base.
    pub(super) fn url(&self, path: &str) -> Result<Url> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/{path}")).map_err(|_| {
            Error::new(
                ErrorKind::Config,
                "no address can be made of the base url and the account",
            )
        })
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http
            .request(method, url)
            .header("Accept", "application/json")
    }

    pub(super) async fn ask(&self, request: RequestBuilder) -> Result<Reply> {
        self.http.send(request).await
    }

    /// Sends what must not be sent twice.
    pub(super) async fn act(&self, request: RequestBuilder) -> Result<Reply, SendError> {
        self.http.send(request).await.map_err(|error| {
            if http::never_sent(&error) {
                SendError::NotSent(error)
            } else {
                SendError::InDoubt(error)
            }
        })
    }

    pub(super) fn wait(&self, reply: &Reply) -> Option<Duration> {
        reply.wait(self.now())
    }
}

/// Statuses that say nothing about whether the request took effect. A 303 is how
/// servers answer what they have done; a 408 may follow a request that was read.
pub(super) const fn is_doubtful(status: u16) -> bool {
    !matches!(status, 301 | 307 | 308 | 400..=499) || matches!(status, 408 | 409 | 423 | 425)
}

/// Who must act on a status that answers a question, where nothing was to be sent.
#[cfg(any(feature = "sendgrid", feature = "postmark"))]
pub(super) const fn kind(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Credentials,
        403 => ErrorKind::Permission,
        429 => ErrorKind::RateLimited,
        300..=499 if !is_doubtful(status) => ErrorKind::Config,
        _ => ErrorKind::Unavailable,
    }
}

/// The JSON of an answer, if it is one.
pub(super) fn json<T: DeserializeOwned>(reply: &Reply) -> Option<T> {
    serde_json::from_slice(&reply.body).ok()
}

/// An id as a provider gives it: short, and nothing that is not one.
pub(super) fn id(text: &str) -> Option<String> {
    let fine = (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    fine.then(|| text.to_owned())
}
