//! Settings of the REST sink, checked once.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use odx_core::clock::{Clock, SystemClock};
use odx_core::http::{self, ClientSettings};
use odx_core::{Error, ErrorKind, IdScheme, Result, Secret, SinkId};
use url::Url;

use super::address;
use super::client::Client;
use super::sink::RestSink;

/// How odx says who it is.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer(Secret),
    /// `Authorization: Basic …`
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A header of the CRM's own.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Secret,
    },
    /// Not at all: a CRM on this machine, or one behind a gateway that knows us.
    #[default]
    None,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer",
            Self::Basic { .. } => "Basic",
            Self::Header { .. } => "Header",
            Self::None => "None",
        })
    }
}

/// Where a record's external id stands in a single write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdIn {
    /// `PUT {base}/contacts/{external_id}`, and in the body.
    #[default]
    Path,
    /// `PUT {base}/contacts`, in the body only.
    Body,
}

/// How the `Idempotency-Key` header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyStyle {
    /// `"…"`: a structured field string, as the draft standard says.
    #[default]
    Quoted,
    /// Without the quotes, for servers that take the value as it stands.
    Bare,
}

/// Settings of a [`RestSink`].
///
/// ```
/// use odx_core::{Secret, SinkId};
/// use odx_crm::{Auth, RestConfig, Url};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sink = RestConfig::new(SinkId::new("rest", "main-st")?, Url::parse("https://crm.example/api")?)
///     .with_auth(Auth::Bearer(Secret::new("token")))
///     .build()?;
/// # let _ = sink;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RestConfig {
    id: SinkId,
    base: Url,
    auth: Auth,
    batch: NonZeroUsize,
    concurrency: NonZeroUsize,
    id_in: IdIn,
    key_style: KeyStyle,
    scheme: IdScheme,
    enrollments: bool,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for RestConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL is left out: until `build` has looked at it, it may hold a password.
        f.debug_struct("RestConfig")
            .field("id", &self.id)
            .field("auth", &self.auth)
            .field("batch", &self.batch)
            .field("concurrency", &self.concurrency)
            .field("id_in", &self.id_in)
            .field("key_style", &self.key_style)
            .field("scheme", &self.scheme)
            .field("enrollments", &self.enrollments)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Most records in one batch: keeps a request and its answer well under a megabyte.
const LARGEST_BATCH: usize = 1000;

/// Eight calls at once: enough to hide the way to a CRM, few enough to be polite.
const EIGHT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

impl RestConfig {
    /// A sink of this name writing below `base_url`, which may have a path and
    /// may or may not end in `/`.
    pub fn new(id: SinkId, base_url: Url) -> Self {
        Self {
            id,
            base: base_url,
            auth: Auth::None,
            batch: NonZeroUsize::MIN,
            concurrency: EIGHT,
            id_in: IdIn::default(),
            key_style: KeyStyle::default(),
            scheme: IdScheme::default(),
            enrollments: false,
            timeout: Duration::from_secs(30),
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets how odx says who it is. Not at all by default.
    #[must_use]
    pub fn with_auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Sets how many records go in one request, at most 1000. One, the default,
    /// means single `PUT`s; more means the batch route.
    #[must_use]
    pub const fn with_batch(mut self, records: NonZeroUsize) -> Self {
        self.batch = records;
        self
    }

    /// Sets how many requests may be under way at once. Eight by default.
    #[must_use]
    pub const fn with_concurrency(mut self, requests: NonZeroUsize) -> Self {
        self.concurrency = requests;
        self
    }

    /// Sets where the external id stands.
    #[must_use]
    pub const fn with_id_in(mut self, place: IdIn) -> Self {
        self.id_in = place;
        self
    }

    /// Sets how the idempotency key is written.
    #[must_use]
    pub const fn with_key_style(mut self, style: KeyStyle) -> Self {
        self.key_style = style;
        self
    }

    /// Sets how external ids are written in this account.
    #[must_use]
    pub const fn with_scheme(mut self, scheme: IdScheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Says whether the CRM has sequences that odx may take people into. It has
    /// none by default: they may send messages.
    #[must_use]
    pub const fn with_enrollments(mut self, has: bool) -> Self {
        self.enrollments = has;
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

    /// Checks everything and builds the sink. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming all that is wrong at once.
    pub fn build(self) -> Result<RestSink> {
        let mut problems = address::problems(&self.base);
        problems.extend(auth_problems(&self.auth));
        if self.batch.get() > LARGEST_BATCH {
            problems.push("a batch must hold at most 1000 records");
        }
        if self.timeout.is_zero() {
            problems.push("the timeout must be longer than nothing");
        }
        if !problems.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "the sink {} cannot be set up: {}",
                    self.id,
                    problems.join("; ")
                ),
            ));
        }
        let mut settings = ClientSettings::new(concat!("odx-crm/", env!("CARGO_PKG_VERSION")))
            .with_timeout(self.timeout);
        settings.idle_connections = self.concurrency.get();
        let client = Client::new(
            http::Client::new(settings)?,
            self.base,
            self.auth,
            self.id_in,
            self.key_style,
            self.clock,
        );
        Ok(RestSink::new(
            self.id,
            self.scheme,
            self.batch,
            self.concurrency,
            self.enrollments,
            client,
        ))
    }
}

/// Headers that the sink writes itself, or that decide where a message ends.
const RESERVED: [&str; 9] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
    "user-agent",
];

fn auth_problems(auth: &Auth) -> Vec<&'static str> {
    let mut found = Vec::new();
    match auth {
        Auth::None => {}
        Auth::Bearer(token) => {
            let token = token.expose();
            if token.is_empty() {
                found.push("the token is empty");
            } else if !token.bytes().all(|b| b.is_ascii_graphic()) {
                found.push("the token must be printable ascii without blanks; look for a line break at its end");
            }
        }
        Auth::Basic { user, password } => {
            if password.expose().is_empty() {
                found.push("the password is empty");
            }
            if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
                found.push("the user must be there and hold no colon");
            }
            if password.expose().contains(char::is_control) {
                found.push("the password must hold no control characters");
            }
        }
        Auth::Header { name, value } => {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || !name.bytes().all(token) {
                found.push("the name of the header is not one");
            } else if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
                found.push("the header is one that odx or http writes itself");
            }
            let value = value.expose();
            if value.trim().is_empty() {
                found.push("the value of the header is empty");
            } else if value.trim() != value || !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
                found.push(
                    "the value of the header must be printable ascii without blanks around it",
                );
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> RestConfig {
        RestConfig::new(
            SinkId::new("rest", "main-st").unwrap(),
            Url::parse(url).unwrap(),
        )
    }

    #[test]
    fn every_bad_setting_is_named_in_one_error() {
        let error = config("http://u:hunter2@169.254.169.254/?q=1")
            .with_auth(Auth::Header {
                name: "bad header".into(),
                value: Secret::new(""),
            })
            .with_batch(NonZeroUsize::new(1001).unwrap())
            .with_timeout(Duration::ZERO)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.chain();
        for part in [
            "https",
            "user",
            "query",
            "metadata",
            "name of the header",
            "value of the header",
            "1000",
            "timeout",
        ] {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn credentials_that_cannot_stand_in_a_header_are_refused() {
        let basic = |user: &str, password: &str| Auth::Basic {
            user: user.into(),
            password: Secret::new(password),
        };
        let header = |name: &str, value: &str| Auth::Header {
            name: name.into(),
            value: Secret::new(value),
        };
        for bad in [
            Auth::Bearer(Secret::new("")),
            Auth::Bearer(Secret::new("tok\n")),
            Auth::Bearer(Secret::new("t k")),
            basic("", "pw"),
            basic("a:b", "pw"),
            basic("a", ""),
            header("", "x"),
            header("Content-Length", "5"),
            header("Idempotency-Key", "5"),
            header("X-Key", "a\r\nb"),
            header("X-Key", "  "),
        ] {
            let kind = format!("{bad:?}");
            let built = config("https://crm.example").with_auth(bad).build();
            assert!(built.is_err(), "{kind}");
        }
        for fine in [
            Auth::None,
            Auth::Bearer(Secret::new("abc.def-123_~+/=")),
            basic("office", "päss word"),
            header("X-Api-Key", "s3cret"),
        ] {
            config("https://crm.example")
                .with_auth(fine)
                .build()
                .unwrap();
        }
    }

    #[test]
    fn debug_shows_neither_url_nor_secret() {
        let config = config("https://u:hunter2@crm.example").with_auth(Auth::Basic {
            user: "office".into(),
            password: Secret::new("hunter3"),
        });
        let text = format!("{config:?}");
        assert!(
            !text.contains("hunter") && !text.contains("office"),
            "{text}"
        );
    }
}
