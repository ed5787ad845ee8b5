//! Takes deliveries in: who is it, how large is it, is it whole, is it on disk;
//! then the answer. Nothing else happens on that path.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use odx_core::clock::{Clock, SystemClock};
use odx_core::push::Delivery;
use odx_core::store::StateStore;
use odx_core::{Error, ErrorKind, Result, Secret, SourceId};
use serde::de::IgnoredAny;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::doorkeeper::Doorkeeper;
use super::kind;

/// Bodies in memory at once. More of them wait before they are read.
const IN_MEMORY: usize = 48 << 20;
/// A body is believed to become as long as it says once so much of it is there.
const BELIEVED: usize = 64 << 10;

/// How deliveries are taken in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReceiverSettings {
    /// The path segment that nobody guesses: 16 or more of `A-Z a-z 0-9 - _`.
    pub path: Secret,
    /// What a stored delivery is answered: 200 is the one status that every
    /// sender takes for success.
    pub status: u16,
    /// A larger body is refused. The vendor sends 1000 rows, about 1 MB.
    pub body_bytes: usize,
    /// A slower one as well.
    pub body_time: Duration,
}

impl ReceiverSettings {
    /// Deliveries arrive under this path segment.
    pub const fn new(path: Secret) -> Self {
        Self {
            path,
            status: 200,
            body_bytes: 8 << 20,
            body_time: Duration::from_secs(30),
        }
    }

    /// Sets what a stored delivery is answered, 200 to 299.
    #[must_use]
    pub const fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets how large a body may be, and how long it may take.
    #[must_use]
    pub const fn with_body(mut self, bytes: usize, time: Duration) -> Self {
        self.body_bytes = bytes;
        self.body_time = time;
        self
    }
}

/// What came in since the start. No patient data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ReceiverCounts {
    /// Deliveries that were stored.
    pub received: u64,
    /// Deliveries that were known already.
    pub repeated: u64,
    /// Requests without a good key.
    pub refused: u64,
    /// Requests with a good key that were no delivery: too large, too slow, cut,
    /// not JSON.
    pub unusable: u64,
    /// Deliveries that could not be stored. The sender was told so.
    pub failed: u64,
}

/// Takes in what Open Dental sends by itself, for one office or many.
///
/// Mount its [`router`](Self::router) anywhere; `EndPointUrl` of the office's
/// subscription is that place, the secret segment and a slash. A delivery is
/// answered when it is on disk, so a 200 is never lost; what the sender does not
/// get a 200 for, it sends again for three days.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use odx_core::{Secret, SourceId, store::SqliteStore};
/// # use odx_opendental::{Receiver, ReceiverSettings};
/// # fn example(path: Secret, key: Secret) -> odx_core::Result<axum::Router> {
/// let store = Arc::new(SqliteStore::open("odx.sqlite")?);
/// let office = SourceId::new(odx_opendental::SYSTEM, "main-st")?;
/// let receiver = Receiver::new(ReceiverSettings::new(path), [(office, key)], store)?;
/// Ok(axum::Router::new().nest("/opendental", receiver.router()))
/// # }
/// ```
#[derive(Clone)]
pub struct Receiver(Arc<Inner>);

struct Inner {
    doorkeeper: Doorkeeper,
    status: StatusCode,
    body_bytes: usize,
    body_time: Duration,
    memory: Semaphore,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    counts: Counters,
}

#[derive(Default)]
struct Counters {
    received: AtomicU64,
    repeated: AtomicU64,
    refused: AtomicU64,
    unusable: AtomicU64,
    failed: AtomicU64,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Receiver {
    /// For these offices, each with the customer key that its events carry.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a path that can be guessed, a status that is no
    /// success, an office without a key, and two offices with one key.
    pub fn new(
        settings: ReceiverSettings,
        offices: impl IntoIterator<Item = (SourceId, Secret)>,
        store: Arc<dyn StateStore>,
    ) -> Result<Self> {
        let status = StatusCode::from_u16(settings.status)
            .ok()
            .filter(StatusCode::is_success)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Config,
                    "a stored delivery must be answered with a status from 200 to 299; 200 suits every sender",
                )
            })?;
        Ok(Self(Arc::new(Inner {
            doorkeeper: Doorkeeper::new(&settings.path, offices)?,
            status,
            body_bytes: settings.body_bytes.min(IN_MEMORY),
            body_time: settings.body_time,
            memory: Semaphore::new(IN_MEMORY),
            store,
            clock: Arc::new(SystemClock),
            counts: Counters::default(),
        })))
    }

    /// To be mounted anywhere: answers `/{path}`, with a slash behind it or not,
    /// and with the kind of event behind it or as `?event=`, for offices whose
    /// version does not name it in a header.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/{path}", any(answer))
            .route("/{path}/", any(answer))
            .route("/{path}/{event}", any(answer))
            .route("/{path}/{event}/", any(answer))
            .with_state(Arc::clone(&self.0))
    }

    /// What came in since the start.
    pub fn counts(&self) -> ReceiverCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.0.counts;
        ReceiverCounts {
            received: of(&counts.received),
            repeated: of(&counts.repeated),
            refused: of(&counts.refused),
            unusable: of(&counts.unusable),
            failed: of(&counts.failed),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    match inner.take(request).await {
        Ok(()) => inner.status.into_response(),
        Err(refused) => refused,
    }
}

/// One value of a header, where it is text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// The kind of event: from the header of newer versions, else from the URL.
fn event(headers: &HeaderMap, uri: &Uri) -> String {
    let header = kind::normal(text(headers, "event-type"));
    if !header.is_empty() {
        return header;
    }
    let query = uri.query().unwrap_or_default().split('&');
    let asked = query
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("event"))
        .map(|(_, value)| value.trim_end_matches('/'));
    kind::normal(asked.or_else(|| segments(uri).nth(1)).unwrap_or_default())
}

fn segments(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.path().split('/').filter(|segment| !segment.is_empty())
}

/// A whole list or object, and nothing behind it. Builds nothing.
fn is_delivery(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        text.starts_with(['[', '{']) && serde_json::from_str::<IgnoredAny>(text).is_ok()
    })
}

impl Inner {
    async fn take(&self, request: Request) -> std::result::Result<(), Response> {
        let (parts, body) = request.into_parts();
        let path = segments(&parts.uri).next().unwrap_or_default();
        if !self.doorkeeper.is_the_path(path) {
            return Err(StatusCode::NOT_FOUND.into_response());
        }
        if parts.method != Method::POST {
            let allow = (header::ALLOW, HeaderValue::from_static("POST"));
            return Err((StatusCode::METHOD_NOT_ALLOWED, [allow]).into_response());
        }
        let Some(source) = self.doorkeeper.office(&parts.headers) else {
            count(&self.counts.refused);
            let mut refused = StatusCode::UNAUTHORIZED.into_response();
            if self.doorkeeper.refuse() {
                let close = HeaderValue::from_static("close");
                refused.headers_mut().insert(header::CONNECTION, close);
            }
            return Err(refused);
        };
        // Held until it is stored.
        let (body, _memory) = self.read(body).await.map_err(|status| {
            count(&self.counts.unusable);
            tracing::warn!(%source, status = status.as_u16(), "a delivery was not taken");
            status.into_response()
        })?;
        let kind = event(&parts.headers, &parts.uri);
        tracing::debug!(%source, kind, bytes = body.len(), "a delivery came in");
        let delivery = Delivery::new(kind, body, self.clock.now());
        match self.store.receive(source, delivery).await {
            Ok(true) => count(&self.counts.received),
            Ok(false) => count(&self.counts.repeated),
            Err(error) => {
                count(&self.counts.failed);
                tracing::error!(%source, error = error.chain(), "a delivery could not be stored");
                return Err(StatusCode::SERVICE_UNAVAILABLE.into_response());
            }
        }
        Ok(())
    }

    /// A whole body, within its bounds.
    async fn read(
        &self,
        body: Body,
    ) -> std::result::Result<(Vec<u8>, SemaphorePermit<'_>), StatusCode> {
        let declared = body.size_hint().exact();
        let declared = declared.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if declared.is_some_and(|length| length > self.body_bytes) {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let room = u32::try_from(declared.unwrap_or(self.body_bytes)).unwrap_or(u32::MAX);
        let whole = async {
            let memory = self.memory.acquire_many(room).await;
            let memory = memory.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
            Ok((collect(body, declared, self.body_bytes).await?, memory))
        };
        let (body, memory) = tokio::time::timeout(self.body_time, whole)
            .await
            .unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))?;
        if is_delivery(&body) {
            Ok((body, memory))
        } else {
            Err(StatusCode::BAD_REQUEST)
        }
    }
}

async fn collect(
    mut body: Body,
    declared: Option<usize>,
    most: usize,
) -> std::result::Result<Vec<u8>, StatusCode> {
    let mut whole = Vec::with_capacity(declared.unwrap_or(BELIEVED).min(BELIEVED));
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + data.len() > most {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if whole.len() + data.len() > whole.capacity()
            && let Some(declared) = declared
        {
            whole.reserve_exact(declared - whole.len().min(declared));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

/// What a body that ended early is answered: too slow, if whoever serves us has
/// said so.
fn broken_off(error: &axum::Error) -> StatusCode {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<std::io::Error>()
            && cause.kind() == std::io::ErrorKind::TimedOut
        {
            return StatusCode::REQUEST_TIMEOUT;
        }
        next = cause.source();
    }
    StatusCode::BAD_REQUEST
}
