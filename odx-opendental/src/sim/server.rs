//! The office on a loopback port.
//!
//! The connection is wrapped, so that a fault can cut it: HTTP alone cannot say
//! "reset" or "half of a body".

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::answer::Answer;
use super::error::SimError;
use super::handle::{Ending, Head, handle};
use super::practice::Practice;

/// Where the API starts.
pub(crate) const ROOT: &str = "/api/v1";

/// Of a request.
// apispecification: 16.8 million characters
const MAX_BODY: usize = 16_800_000;

/// A served office. Dropping it closes the port.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    /// Dropped with the server, which ends it.
    _stop: oneshot::Sender<()>,
}

impl Server {
    pub(crate) async fn start(practice: Practice) -> Result<Self, SimError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let office = Served {
            practice,
            stopped: Arc::clone(&stopped),
        };
        let app = Router::new()
            .fallback(serve_one)
            .with_state(office)
            .into_make_service_with_connect_info::<Line>();
        let (stop, stopping) = oneshot::channel::<()>();
        let serving = axum::serve(Port(listener), app).with_graceful_shutdown(async move {
            // Resolves with an error when the sender is dropped: that is the signal.
            stopping.await.unwrap_or_default();
        });
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::warn!(%error, "simulated office stopped");
            }
        });
        Ok(Self {
            address,
            stopped,
            _stop: stop,
        })
    }

    /// `http://127.0.0.1:PORT/api/v1`
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}{ROOT}", self.address)
    }

    /// Address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Connections that are already open get no further answer.
        self.stopped.store(true, Ordering::SeqCst);
    }
}

#[derive(Clone)]
struct Served {
    practice: Practice,
    stopped: Arc<AtomicBool>,
}

async fn serve_one(
    State(office): State<Served>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    if office.stopped.load(Ordering::SeqCst) {
        line.reset();
        return Response::new(Body::empty());
    }
    let header = |headers: &HeaderMap, name: header::HeaderName| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let head = Head {
        method: request.method().as_str().to_owned(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        authorization: header(request.headers(), header::AUTHORIZATION),
        content_type: header(request.headers(), header::CONTENT_TYPE),
        body: Vec::new(),
    };
    let Ok(body) = to_bytes(request.into_body(), MAX_BODY).await else {
        line.reset();
        return Response::new(Body::empty());
    };
    let head = Head {
        body: body.into(),
        ..head
    };
    let outcome = handle(&office.practice, head).await;
    match outcome.ending {
        Ending::Whole => {}
        Ending::Reset => line.reset(),
        Ending::Half => line.cut_after(i64::try_from(outcome.answer.body.len() / 2).unwrap_or(0)),
    }
    respond(outcome.answer)
}

fn respond(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(content_type) = answer.content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(seconds) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Waits for real: a slow answer, or a request held by the throttle.
#[allow(
    clippy::disallowed_methods,
    reason = "slowness over the wire is what is simulated"
)]
pub(crate) async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

struct Port(TcpListener);

impl Listener for Port {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Small answers should not wait for more to send; a failure only costs time.
        stream.set_nodelay(true).unwrap_or_default();
        let line = Line::default();
        (Wire { stream, line }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// The switch of one connection.
#[derive(Clone, Debug)]
struct Line {
    /// Body bytes still let through; negative means all.
    body_left: Arc<AtomicI64>,
    /// Ends in a reset rather than a plain close.
    abrupt: Arc<AtomicBool>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            body_left: Arc::new(AtomicI64::new(-1)),
            abrupt: Arc::default(),
        }
    }
}

impl Line {
    fn reset(&self) {
        self.abrupt.store(true, Ordering::SeqCst);
        self.cut_after(0);
    }

    fn cut_after(&self, body_bytes: i64) {
        self.body_left.store(body_bytes, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, Port>> for Line {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        stream.io().line.clone()
    }
}

struct Wire {
    stream: TcpStream,
    line: Line,
}

impl Wire {
    fn cut(&self) -> io::Error {
        // No lingering: the peer sees a reset. Should that fail, it sees a close.
        if self.line.abrupt.load(Ordering::SeqCst) {
            self.stream.set_zero_linger().unwrap_or_default();
        }
        io::Error::from(io::ErrorKind::ConnectionReset)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.line.body_left.load(Ordering::SeqCst);
        let Ok(left) = usize::try_from(left) else {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        };
        if left == 0 {
            return Poll::Ready(Err(self.cut()));
        }
        // The head comes with the first write; only the body is rationed.
        let head = buf
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .filter(|_| buf.starts_with(b"HTTP/"))
            .map_or(0, |at| at + 4);
        let end = buf.len().min(head + left);
        let sent = Pin::new(&mut self.stream).poll_write(cx, buf.get(..end).unwrap_or(buf));
        if let Poll::Ready(Ok(n)) = sent {
            let body = n.saturating_sub(head);
            self.line
                .cut_after(i64::try_from(left.saturating_sub(body)).unwrap_or(0));
        }
        sent
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line.body_left.load(Ordering::SeqCst) == 0 {
            return Poll::Ready(Err(self.cut()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
