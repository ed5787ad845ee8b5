//! What HTTP adapters share (feature `http`): one client that follows nothing,
//! replies with a bound on their size, errors without their URL.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::error::{Error, ErrorKind, Result};

pub use reqwest::{Method, RequestBuilder, StatusCode};

/// Settings of a [`Client`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientSettings {
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for a whole answer.
    pub timeout: Duration,
    /// Largest answer taken, in bytes.
    pub max_body: usize,
    /// Connections kept open.
    pub idle_connections: usize,
    /// `User-Agent`.
    pub user_agent: String,
}

impl ClientSettings {
    /// Connect in 5 s, answer in 30 s, at most 2 MiB.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            max_body: 2 << 20,
            idle_connections: 16,
            user_agent: user_agent.into(),
        }
    }

    /// Sets the longest wait for a whole answer.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the largest answer taken.
    #[must_use]
    pub const fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }
}

/// An HTTP client for one office: TLS 1.2 and 1.3 by rustls with the platform's
/// roots, no redirects, no cookies, no proxy from the environment, no retries.
/// Only the engine retries.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    /// The machine has no certificates to check a server against.
    rootless: bool,
    max_body: usize,
    requests: Arc<AtomicU64>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// A whole answer.
#[derive(Clone)]
#[non_exhaustive]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its media type, lower case, without parameters.
    pub content_type: Option<String>,
    /// `Retry-After`, as it stands.
    pub retry_after: Option<String>,
    /// Its body.
    pub body: Bytes,
    headers: HeaderMap,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Reply {
    /// The header of this name, if it is there once and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let value = all.next().filter(|_| all.next().is_none())?;
        value.to_str().ok()
    }

    /// How long the other side asked to wait, seen from `now`.
    pub fn wait(&self, now: DateTime<Utc>) -> Option<Duration> {
        retry_after(self.retry_after.as_deref()?, now)
    }
}

fn no_tls(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(
        ErrorKind::Config,
        "the tls client cannot be set up on this machine",
    )
    .with_cause(cause)
}

/// How servers are checked, and whether this machine has no roots to check them
/// with. Read once: the roots are hundreds of certificates, and a group has two
/// clients for each office.
fn tls() -> Result<&'static (rustls::ClientConfig, bool)> {
    static SHARED: OnceLock<(rustls::ClientConfig, bool)> = OnceLock::new();
    if let Some(shared) = SHARED.get() {
        return Ok(shared);
    }
    let builder = || {
        rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .map_err(no_tls)
    };
    let fresh = match builder()?.with_platform_verifier() {
        Ok(verified) => (verified.with_no_client_auth(), false),
        // A bare machine has no roots. That is no reason not to talk to its own services over
        // plain http; https is refused below, with the remedy.
        Err(_) => (
            builder()?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth(),
            true,
        ),
    };
    Ok(SHARED.get_or_init(|| fresh))
}

impl Client {
    /// Builds a client.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if TLS cannot be set up at all.
    pub fn new(settings: ClientSettings) -> Result<Self> {
        let (tls, rootless) = tls()?;
        let inner = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .pool_max_idle_per_host(settings.idle_connections)
            .tcp_nodelay(true)
            .user_agent(settings.user_agent)
            .build()
            .map_err(|e| no_tls(e.without_url()))?;
        Ok(Self {
            inner,
            rootless: *rootless,
            max_body: settings.max_body,
            requests: Arc::default(),
        })
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: url::Url) -> RequestBuilder {
        self.inner.request(method, url)
    }

    /// Requests sent so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if there was no connection or no answer in
    /// time, [`ErrorKind::Protocol`] if the answer was cut or too large. In all
    /// of them the request may have taken effect. [`ErrorKind::Config`] if the
    /// machine cannot check a server, or if no request can be made of what was
    /// given; nothing was sent then.
    pub async fn send(&self, request: RequestBuilder) -> Result<Reply> {
        let request = request.build().map_err(broken)?;
        if self.rootless && request.url().scheme() == "https" {
            return Err(Error::new(
                ErrorKind::Config,
                "this machine has no certificates to check servers against: install its ca-certificates package",
            ));
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut response = self.inner.execute(request).await.map_err(broken)?;
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let content_type = header(CONTENT_TYPE).map(|text| {
            text.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        });
        let retry_after = header(RETRY_AFTER);
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let declared = response
            .content_length()
            .and_then(|n| usize::try_from(n).ok());
        let mut body = BytesMut::with_capacity(declared.unwrap_or(0).min(self.max_body));
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > self.max_body {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    format!("the answer is larger than {} bytes", self.max_body),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply {
            status,
            content_type,
            retry_after,
            body: body.freeze(),
            headers,
        })
    }
}

/// Whether a failure of [`Client::send`] is sure proof that nothing was sent:
/// there was no connection, or no request could be made. What was written to a
/// connection may have arrived, whatever broke after.
pub fn never_sent(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    error.kind() == ErrorKind::Config || cause.is_some_and(reqwest::Error::is_connect)
}

/// Says what broke without the URL: queries may hold names.
fn broken(cause: reqwest::Error) -> Error {
    let (kind, text) = if cause.is_builder() {
        // Nothing was sent, and nothing ever will be: a key with a line break in it is no header.
        (
            ErrorKind::Config,
            "a request cannot be made of these settings: look for line breaks and odd characters in keys and addresses",
        )
    } else if cause.is_timeout() {
        (ErrorKind::Unavailable, "no answer in time")
    } else if cause.is_connect() {
        (ErrorKind::Unavailable, "no connection")
    } else if cause.is_body() || cause.is_decode() {
        (ErrorKind::Protocol, "the answer was cut")
    } else {
        (ErrorKind::Unavailable, "the connection broke")
    };
    Error::new(kind, text).with_cause(cause.without_url())
}

/// Reads `Retry-After`: seconds, also with a fraction, or any of the three
/// forms of an HTTP date. What cannot be meant (negative, several, beyond a
/// year) is ignored: the engine's own pace is then used.
pub fn retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    const YEAR: f64 = 366.0 * 24.0 * 3600.0;
    let text = text.trim();
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        let seconds: f64 = text.parse().ok()?;
        return (seconds <= YEAR).then(|| Duration::from_secs_f64(seconds.ceil()));
    }
    let at = DateTime::<Utc>::from(httpdate::parse_http_date(text).ok()?);
    let wait = (at - now).to_std().unwrap_or_default();
    (wait.as_secs_f64() <= YEAR).then_some(wait)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_retry_after_vector_holds() {
        let whole: Value =
            serde_json::from_str(include_str!("../tests/fixtures/retry_after.json")).unwrap();
        let now: DateTime<Utc> = whole["now"].as_str().unwrap().parse().unwrap();
        for case in whole["cases"].as_array().unwrap() {
            let value = case["value"].as_str().unwrap();
            let got = retry_after(value, now).map(|wait| u64::try_from(wait.as_millis()).unwrap());
            assert_eq!(got, case["delay_ms"].as_u64(), "{value:?}");
        }
    }
}
