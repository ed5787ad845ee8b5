//! The office on a loopback port.
//!
//! The connection is wrapped, so that a fault can cut it: HTTP alone cannot say
//! "reset" or "half of a body".

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};

use super::answer::Answer;
use super::error::SimError;
use super::faults::Faults;
use super::handle::{Ending, Head, handle};
use super::modes::{Health, Mode};
use super::practice::Practice;

/// Where the API starts.
pub(crate) const ROOT: &str = "/api/v1";

/// Of a request.
// apispecification: 16.8 million characters
const MAX_BODY: usize = 16_800_000;

/// A served office. Dropping it closes the port.
pub struct Server {
    practice: Practice,
    mode: Mode,
    address: SocketAddr,
    faults: Arc<Faults>,
    health: watch::Sender<Health>,
    place: Mutex<Place>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("mode", &self.mode)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

enum Place {
    Open(Run),
    /// Stopped: bound and not listening, so that nobody else gets the port meanwhile.
    Kept(Option<TcpSocket>),
}

/// One stretch between start and stop.
struct Run {
    stopped: watch::Sender<bool>,
    /// Dropped to end it.
    stop: oneshot::Sender<()>,
    /// Ends when the listener is gone.
    closed: oneshot::Receiver<()>,
}

impl Server {
    pub(crate) async fn open(practice: Practice, mode: Mode) -> Result<Self, SimError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let server = Self {
            practice,
            mode,
            address: listener.local_addr()?,
            faults: Arc::default(),
            health: watch::Sender::new(Health::Up),
            place: Mutex::new(Place::Kept(None)),
        };
        *server.place() = Place::Open(server.run(listener));
        Ok(server)
    }

    fn run(&self, listener: TcpListener) -> Run {
        let stopped = watch::Sender::new(false);
        let office = Served {
            practice: self.practice.clone(),
            door: Door {
                mode: self.mode,
                faults: Arc::clone(&self.faults),
                health: self.health.subscribe(),
                stopped: stopped.subscribe(),
            },
        };
        let app = Router::new()
            .fallback(serve_one)
            .with_state(office)
            .into_make_service_with_connect_info::<Line>();
        let (stop, stopping) = oneshot::channel::<()>();
        let (open, closed) = oneshot::channel::<()>();
        let port = Port {
            listener,
            _open: open,
        };
        let serving = axum::serve(port, app).with_graceful_shutdown(async move {
            // Resolves with an error when the sender is dropped: that is the signal.
            stopping.await.unwrap_or_default();
        });
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::warn!(%error, "simulated office stopped");
            }
        });
        Run {
            stopped,
            stop,
            closed,
        }
    }

    /// Closes the port, as when the program closes or the service is stopped: connecting is
    /// refused, open connections get no further answer. Does nothing when already stopped.
    // apilocal: Local closes its port when the program closes
    pub async fn stop(&self) {
        let place = std::mem::replace(&mut *self.place(), Place::Kept(None));
        let run = match place {
            Place::Open(run) => run,
            kept @ Place::Kept(_) => {
                *self.place() = kept;
                return;
            }
        };
        run.stopped.send_replace(true);
        drop(run.stop);
        // An error is the signal here too.
        run.closed.await.unwrap_or_default();
        let kept = TcpSocket::new_v4().and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(self.address)?;
            Ok(socket)
        });
        *self.place() = Place::Kept(kept.ok());
    }

    /// Opens the same port again, in good health. Does nothing when it is open.
    ///
    /// # Errors
    /// [`SimError::Listen`] when the port is taken.
    pub async fn start(&self) -> Result<(), SimError> {
        let kept = match &mut *self.place() {
            Place::Open(_) => return Ok(()),
            Place::Kept(kept) => kept.take(),
        };
        let listener = match kept {
            Some(socket) => socket.listen(1024)?,
            None => TcpListener::bind(self.address).await?,
        };
        self.health.send_replace(Health::Up);
        let run = self.run(listener);
        *self.place() = Place::Open(run);
        Ok(())
    }

    /// Sets how this server feels; requests that hang are let go or stay.
    ///
    /// # Errors
    /// [`SimError::Setting`] for a connector that is off anywhere but in Remote mode: the other
    /// modes do not pass it.
    pub fn set_health(&self, health: Health) -> Result<(), SimError> {
        if health == Health::ConnectorOff && self.mode != Mode::Remote {
            return Err(SimError::Setting("only Remote passes the eConnector"));
        }
        self.health.send_replace(health);
        Ok(())
    }

    /// What to make go wrong on this server alone; comes before the office's own plans.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How this server reaches the office.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
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

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Connections that are already open get no further answer.
        if let Place::Open(run) = &*self.place() {
            run.stopped.send_replace(true);
        }
    }
}

#[derive(Clone)]
struct Served {
    practice: Practice,
    door: Door,
}

/// What one server adds to the office behind it.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) mode: Mode,
    pub(crate) faults: Arc<Faults>,
    health: watch::Receiver<Health>,
    stopped: watch::Receiver<bool>,
}

impl Door {
    pub(crate) fn health(&self) -> Health {
        *self.health.borrow()
    }

    /// Waits while the server hangs. False when it was stopped instead of getting well.
    pub(crate) async fn wait_while_hanging(&self) -> bool {
        let (mut health, mut stopped) = (self.health.clone(), self.stopped.clone());
        tokio::select! {
            // An error means that the server is gone.
            well = health.wait_for(|now| *now != Health::Hanging) => well.is_ok(),
            _ = stopped.wait_for(|stopped| *stopped) => false,
        }
    }
}

async fn serve_one(
    State(office): State<Served>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    if *office.door.stopped.borrow() {
        line.reset();
        return Response::new(Body::empty());
    }
    let header = |headers: &HeaderMap, name: header::HeaderName| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let (parts, body) = request.into_parts();
    let head = Head {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: header(&parts.headers, header::AUTHORIZATION),
        content_type: header(&parts.headers, header::CONTENT_TYPE),
        body: Vec::new(),
    };
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        line.reset();
        return Response::new(Body::empty());
    };
    let head = Head {
        body: body.into(),
        ..head
    };
    let outcome = handle(&office.practice, &office.door, head).await;
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

struct Port {
    listener: TcpListener,
    /// Dropped with the listener, which tells that the port is closed.
    _open: oneshot::Sender<()>,
}

impl Listener for Port {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Small answers should not wait for more to send; a failure only costs time.
        stream.set_nodelay(true).unwrap_or_default();
        let line = Line::default();
        (Wire { stream, line }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
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
