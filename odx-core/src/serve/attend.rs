//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_service::Service;

use super::watch::{ServedBody, Watch, Watched};
use super::{Peered, ServeLimits, Tls};
use crate::engine::Stop;

/// So much of a request that was answered unread is thrown away, so that the
/// answer arrives: a stream that is closed with bytes unread is reset.
const THROWN_AWAY: usize = 16 << 20;
/// Below this, hyper refuses to work.
const LEAST_BUFFER: usize = 8 << 10;

type Boxed = Box<dyn std::error::Error + Send + Sync>;

pub(super) async fn plain<S, B>(
    stream: TcpStream,
    watch: Arc<Watch>,
    limits: Arc<ServeLimits>,
    service: Peered<S>,
    stop: Stop,
) where
    S: Service<Request<ServedBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Boxed>,
{
    // An answer is one small packet: it must not wait for another.
    drop(stream.set_nodelay(true));
    attend(stream, watch, &limits, service, stop).await;
}

pub(super) async fn encrypted<S, B>(
    tls: Tls,
    stream: TcpStream,
    watch: Arc<Watch>,
    limits: Arc<ServeLimits>,
    service: Peered<S>,
    stop: Stop,
) where
    S: Service<Request<ServedBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Boxed>,
{
    drop(stream.set_nodelay(true));
    let mut handshake = pin!(tls.accept(stream));
    let mut alarm = pin!(tokio::time::sleep_until(
        watch.until().unwrap_or_else(tokio::time::Instant::now)
    ));
    let halt = stop.clone();
    let mut stopped = pin!(halt.wait());
    let stream = poll_fn(|cx| {
        watch.polled_by(cx.waker());
        let over = alarm.as_mut().poll(cx).is_ready() || stopped.as_mut().poll(cx).is_ready();
        if over || watch.until().is_none() {
            return Poll::Ready(None);
        }
        handshake.as_mut().poll(cx).map(std::io::Result::ok)
    })
    .await;
    if let Some(stream) = stream {
        attend(stream, watch, &limits, service, stop).await;
    }
}

async fn attend<IO, S, B>(
    io: IO,
    watch: Arc<Watch>,
    limits: &ServeLimits,
    service: Peered<S>,
    stop: Stop,
) where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<ServedBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Boxed>,
{
    let watched = Watched {
        io,
        watch: Arc::clone(&watch),
    };
    let of_watch = Arc::clone(&watch);
    // Hyper wants it to be movable.
    let service = Box::new(service);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        Box::pin(serve_one(
            request,
            Arc::clone(&of_watch),
            Peered::clone(&service),
        ))
    });
    let mut connection = http1::Builder::new()
        // Heads and idle times are looked after below.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes.max(LEAST_BUFFER))
        .serve_connection(TokioIo::new(watched), service);
    let mut stopping = pin!(stop.wait());
    let mut stopped = false;
    let Some(until) = watch.until() else {
        return;
    };
    let mut alarm = pin!(tokio::time::sleep_until(until));
    let ended = poll_fn(|cx| {
        watch.polled_by(cx.waker());
        if !stopped && stopping.as_mut().poll(cx).is_ready() {
            stopped = true;
            watch.ends_within(limits.grace);
            Pin::new(&mut connection).graceful_shutdown();
        }
        loop {
            if let Poll::Ready(end) = connection.poll_without_shutdown(cx) {
                return Poll::Ready(end.is_ok());
            }
            let Some(until) = watch.until() else {
                return Poll::Ready(false);
            };
            // What moved to a later end is noticed when the earlier one comes.
            if until < alarm.deadline() {
                alarm.as_mut().reset(until);
            }
            while alarm.as_mut().poll(cx).is_ready() {
                match watch.until() {
                    Some(until) if until > alarm.deadline() => alarm.as_mut().reset(until),
                    Some(_) if watch.expire() => break,
                    _ => return Poll::Ready(false),
                }
            }
            if alarm.is_elapsed() {
                continue;
            }
            return Poll::Pending;
        }
    })
    .await;
    if ended {
        let mut stream = connection.into_parts().io.into_inner().io;
        drop(stream.shutdown().await);
        if watch.lingers() {
            linger(&mut stream, &watch).await;
        }
    }
}

/// Reads on for a moment, so that the answer is not lost with what was unread.
async fn linger(stream: &mut (impl AsyncRead + Unpin), watch: &Watch) {
    let Some(until) = watch.until() else {
        return;
    };
    let mut waste = vec![0; 16 << 10];
    let mut thrown = 0;
    let drain = async {
        while thrown < THROWN_AWAY {
            match stream.read(&mut waste).await {
                Ok(0) | Err(_) => break,
                Ok(some) => thrown += some,
            }
        }
    };
    let mut drain = pin!(drain);
    let drained = poll_fn(|cx| {
        watch.polled_by(cx.waker());
        match watch.until() {
            None => Poll::Ready(()),
            Some(_) => drain.as_mut().poll(cx),
        }
    });
    drop(tokio::time::timeout_at(until, drained).await);
}

async fn serve_one<S, B>(
    request: Request<Incoming>,
    watch: Arc<Watch>,
    mut service: Peered<S>,
) -> Result<Response<B>, Infallible>
where
    S: Service<Request<ServedBody>, Response = Response<B>, Error = Infallible>,
{
    watch.asked(!request.body().is_end_stream());
    let mut request = request.map(|body| ServedBody::new(body, Arc::clone(&watch)));
    request.extensions_mut().insert(service.peer);
    let response = match poll_fn(|cx| service.service.poll_ready(cx)).await {
        Ok(()) => service.service.call(request).await,
        Err(never) => match never {},
    };
    let response = match response {
        Ok(response) => response,
        Err(never) => match never {},
    };
    watch.answered(response.status().is_success());
    Ok(response)
}
