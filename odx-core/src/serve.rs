//! An accept loop that survives strangers: what a router is served by when
//! anybody can reach the port.
//!
//! HTTP/1.1. Each connection is one of a bounded number, in all and per peer,
//! and each of its steps has an end: the head of a request, its body, the
//! answer, the time in between. Where the bounds are reached, the connection
//! that has shown the least for the longest gives way, so that those who only
//! hold on never keep out those who have something to say.
//!
//! ```no_run
//! # use odx_core::engine::Shutdown;
//! # use odx_core::serve::{ServeLimits, ServedBody, listen, serve};
//! # async fn example<S, B>(router: S) -> odx_core::Result<()>
//! # where
//! #     S: tower_service::Service<http::Request<ServedBody>, Response = http::Response<B>, Error = std::convert::Infallible>
//! #         + Clone + Send + 'static,
//! #     S::Future: Send + 'static,
//! #     B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
//! #     B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
//! # {
//! let listener = listen(([127, 0, 0, 1], 8080).into())?;
//! let (shutdown, stop) = Shutdown::new();
//! serve(listener, router, ServeLimits::default(), stop).await
//! # }
//! ```

mod attend;
mod door;
mod tls;
mod watch;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tower_service::Service;

use self::door::{Door, Ticket};
use crate::clock::{Clock as _, SystemClock};
use crate::engine::Stop;
use crate::error::{Error, ErrorKind, Result};

pub use self::tls::Tls;
pub use self::watch::ServedBody;

/// Connections that the system keeps until they are accepted.
const KNOCKING: u32 = 4096;
/// So long a server rests that cannot accept, for want of descriptors.
const REST: Duration = Duration::from_millis(100);

/// What a connection may take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeLimits {
    /// Bytes of a request's head. At least 8 KiB.
    pub header_bytes: usize,
    /// From a request's first byte to the end of its head, and from the
    /// connection to the first byte.
    pub header_time: Duration,
    /// From the end of the head to the end of the body.
    pub body_time: Duration,
    /// For the answer: until it is made, and then without any of it being taken.
    pub answer_time: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address; of IPv6, from one /64. Behind a
    /// proxy everybody has the same.
    pub per_peer: usize,
    /// How long requests under way may take once told to stop.
    pub grace: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            header_bytes: 16 << 10,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            connections: 256,
            per_peer: 32,
            grace: Duration::from_secs(3),
        }
    }
}

impl ServeLimits {
    /// Sets how many connections there may be at once, in all and per peer.
    #[must_use]
    pub const fn with_connections(mut self, connections: usize, per_peer: usize) -> Self {
        self.connections = connections;
        self.per_peer = per_peer;
        self
    }

    /// Sets how long a head, a body and the time between two requests may take.
    #[must_use]
    pub const fn with_times(mut self, header: Duration, body: Duration, idle: Duration) -> Self {
        self.header_time = header;
        self.body_time = body;
        self.idle = idle;
        self
    }

    /// Sets how long requests under way may take once told to stop.
    #[must_use]
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }
}

/// Serves plain HTTP on a loopback address until `stop`.
///
/// `service` is a router, such as that of axum, or any other tower service. It
/// finds the peer's [`SocketAddr`] among the extensions of a request.
///
/// # Errors
/// [`ErrorKind::Config`] where the listener can be reached from elsewhere: use
/// [`serve_tls`].
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: ServeLimits,
    stop: Stop,
) -> Result<()>
where
    S: Service<Request<ServedBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let address = listener.local_addr().map_err(unbound)?;
    if !address.ip().is_loopback() {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "{address} can be reached from elsewhere, and plain http would show keys and patients: \
                 listen on 127.0.0.1 behind a proxy that has tls, or configure a certificate"
            ),
        ));
    }
    let attend = move |stream, watch, limits, service, stop| {
        attend::plain(stream, watch, limits, service, stop)
    };
    accept(listener, service, limits, stop, attend).await
}

/// Serves HTTPS until `stop`, as [`serve`] does. A handshake has the time of a
/// head.
///
/// # Errors
/// [`ErrorKind::Config`] if the listener is not bound.
pub async fn serve_tls<S, B>(
    listener: TcpListener,
    tls: Tls,
    service: S,
    limits: ServeLimits,
    stop: Stop,
) -> Result<()>
where
    S: Service<Request<ServedBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let attend = move |stream, watch, limits, service, stop| {
        attend::encrypted(tls.clone(), stream, watch, limits, service, stop)
    };
    accept(listener, service, limits, stop, attend).await
}

/// Listens on an address, with room for many who knock at once: where a crowd
/// fills the usual room, the next one is not heard for a second.
///
/// # Errors
/// [`ErrorKind::Config`] if the address is taken or not of this machine.
pub fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    socket
        .and_then(|socket| {
            // Or a new start would wait for what the last one has closed.
            #[cfg(unix)]
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(KNOCKING)
        })
        .map_err(unbound)
}

fn unbound(cause: std::io::Error) -> Error {
    Error::new(
        ErrorKind::Config,
        "the address cannot be listened on: another program may have it, or it is not of this machine",
    )
    .with_cause(cause)
}

async fn accept<S, F>(
    listener: TcpListener,
    service: S,
    limits: ServeLimits,
    stop: Stop,
    attend: impl Fn(TcpStream, Arc<watch::Watch>, Arc<ServeLimits>, Peered<S>, Stop) -> F,
) -> Result<()>
where
    S: Clone,
    F: Future<Output = ()> + Send + 'static,
{
    let limits = Arc::new(limits);
    let door = Arc::new(Door::new(&limits));
    // Ends when the last connection has let go of its end.
    let (inside, mut left) = mpsc::channel::<()>(1);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Of one connection that is gone already, or for want of descriptors.
                    if !is_of_the_connection(&error) {
                        tracing::warn!(kind = ?error.kind(), "connections cannot be accepted");
                        SystemClock.sleep(REST).await;
                    }
                    continue;
                }
            },
            () = stop.wait() => break,
        };
        // Without a ticket the stream is closed here.
        if let Some(ticket) = door.admit(peer.ip(), speaks(&stream), &limits) {
            let service = Peered {
                service: service.clone(),
                peer,
            };
            let work = attend(
                stream,
                Arc::clone(&ticket.watch),
                Arc::clone(&limits),
                service,
                stop.clone(),
            );
            tokio::spawn(hold(work, ticket, inside.clone()));
        }
        // Whoever came in is looked at before the next one comes.
        tokio::task::yield_now().await;
    }
    drop((listener, inside));
    let ended = tokio::time::timeout(limits.grace + REST, left.recv()).await;
    if ended.is_err() {
        tracing::warn!("requests were still under way when the server ended");
    }
    Ok(())
}

/// Keeps the place of a connection until its work is done.
async fn hold(work: impl Future<Output = ()>, ticket: Ticket, inside: mpsc::Sender<()>) {
    work.await;
    drop((ticket, inside));
}

/// Whether something has come already. Whoever has something to say mostly has
/// said it by the time it is accepted; the runtime would notice only later, and
/// a crowd of silent ones would have taken its place.
fn speaks(stream: &TcpStream) -> bool {
    #[cfg(unix)]
    let same = std::os::fd::AsFd::as_fd(stream).try_clone_to_owned();
    #[cfg(windows)]
    let same = std::os::windows::io::AsSocket::as_socket(stream).try_clone_to_owned();
    same.map(std::net::TcpStream::from)
        .and_then(|same| same.peek(&mut [0]))
        .is_ok_and(|some| some > 0)
}

fn is_of_the_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// A service, and who asks it.
#[derive(Clone)]
struct Peered<S> {
    service: S,
    peer: SocketAddr,
}
