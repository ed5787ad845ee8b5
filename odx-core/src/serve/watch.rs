//! Where a connection stands, and until when it may stand there.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::ServeLimits;

/// A body under way keeps its place so long, whatever the crowd at the door.
const BEGUN: Duration = Duration::from_millis(500);
/// Whoever was too slow has so long to take the answer that says so.
const LAST_WORD: Duration = Duration::from_secs(2);

/// The rank of those who have not said anything.
pub(super) const SILENT: u8 = 0;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Between two requests, or before the first.
    Waiting,
    Head,
    Body,
    /// The service is at work.
    Work,
    Answer,
}

/// One connection, as those who watch it see it.
pub(super) struct Watch {
    header_time: Duration,
    body_time: Duration,
    answer_time: Duration,
    idle: Duration,
    state: Mutex<State>,
}

struct State {
    step: Step,
    since: Instant,
    until: Instant,
    /// Some request of it was answered with success.
    trusted: bool,
    /// Its body came too slowly.
    late: bool,
    /// Somebody else has its place now.
    sent_off: bool,
    /// Part of a request was answered without being read.
    unread: bool,
    /// Who polls the connection, and who waits for a body.
    task: Option<Waker>,
    reader: Option<Waker>,
}

impl Watch {
    pub(super) fn new(now: Instant, limits: &ServeLimits, speaks: bool) -> Self {
        let step = if speaks { Step::Head } else { Step::Waiting };
        Self {
            header_time: limits.header_time,
            body_time: limits.body_time,
            answer_time: limits.answer_time,
            idle: limits.idle,
            state: Mutex::new(State {
                step,
                since: now,
                until: now + limits.header_time,
                trusted: false,
                late: false,
                sent_off: false,
                unread: false,
                task: None,
                reader: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go(state: &mut State, step: Step, time: Duration) {
        state.since = Instant::now();
        state.until = state.since + time;
        state.step = step;
    }

    fn came(&self) {
        let mut state = self.lock();
        if state.step == Step::Waiting {
            Self::go(&mut state, Step::Head, self.header_time);
        }
    }

    fn went(&self) {
        let mut state = self.lock();
        match state.step {
            Step::Answer => state.until = Instant::now() + self.answer_time,
            // More of an answer whose beginning was flushed.
            Step::Waiting => Self::go(&mut state, Step::Answer, self.answer_time),
            _ => {}
        }
    }

    fn flushed(&self) {
        let mut state = self.lock();
        if state.step == Step::Answer {
            Self::go(&mut state, Step::Waiting, self.idle);
        }
    }

    /// The head is there.
    pub(super) fn asked(&self, has_body: bool) {
        let mut state = self.lock();
        let (step, time) = if has_body {
            (Step::Body, self.body_time)
        } else {
            (Step::Work, self.answer_time)
        };
        state.unread = has_body;
        Self::go(&mut state, step, time);
    }

    fn read(&self, whole: bool) {
        let mut state = self.lock();
        state.reader = None;
        if state.step == Step::Body {
            state.unread = !whole;
            Self::go(&mut state, Step::Work, self.answer_time);
        }
    }

    /// The service has answered.
    pub(super) fn answered(&self, success: bool) {
        let mut state = self.lock();
        state.trusted |= success;
        Self::go(&mut state, Step::Answer, self.answer_time);
    }

    /// Until when it may stand where it stands. None: its place is taken.
    pub(super) fn until(&self) -> Option<Instant> {
        let state = self.lock();
        (!state.sent_off).then_some(state.until)
    }

    /// Who is to be woken when its place is taken.
    pub(super) fn polled_by(&self, task: &Waker) {
        let mut state = self.lock();
        if !state.task.as_ref().is_some_and(|old| old.will_wake(task)) {
            state.task = Some(task.clone());
        }
    }

    /// Its time is over. True: it may still say why.
    pub(super) fn expire(&self) -> bool {
        let mut state = self.lock();
        if state.step != Step::Body || state.late {
            return false;
        }
        state.late = true;
        state.until += LAST_WORD;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        true
    }

    /// It ends by then, whatever it does.
    pub(super) fn ends_within(&self, grace: Duration) {
        let mut state = self.lock();
        let end = Instant::now() + grace;
        if state.step == Step::Waiting {
            state.sent_off = true;
        }
        state.until = state.until.min(end);
    }

    /// Whether the other side is still sending what nobody reads.
    pub(super) fn lingers(&self) -> bool {
        let mut state = self.lock();
        let unread = state.unread && !state.sent_off;
        Self::go(&mut state, Step::Waiting, LAST_WORD);
        unread
    }

    /// How little is lost with it: first those who never said anything, and of
    /// them the one that has been here the longest. None: it is at work.
    pub(super) fn dispensable(&self, now: Instant) -> Option<(u8, Instant)> {
        let state = self.lock();
        let rank = match state.step {
            Step::Waiting if !state.trusted => SILENT,
            Step::Head if !state.trusted => 1,
            Step::Waiting => 2,
            Step::Head => 3,
            Step::Body | Step::Answer if now.duration_since(state.since) >= BEGUN => 4,
            Step::Body | Step::Answer | Step::Work => return None,
        };
        Some((rank, state.since))
    }

    /// Its place is taken.
    pub(super) fn send_off(&self) {
        let mut state = self.lock();
        state.sent_off = true;
        if let Some(task) = state.task.take() {
            task.wake();
        }
    }
}

/// A stream that tells its watch what comes and goes.
pub(super) struct Watched<IO> {
    pub(super) io: IO,
    pub(super) watch: Arc<Watch>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let end = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        if buf.filled().len() > before {
            self.watch.came();
        }
        Poll::Ready(end)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf));
        self.watch.went();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs));
        self.watch.went();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.io).poll_flush(cx));
        self.watch.flushed();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The body of a request, which comes within its time or ends in an error of
/// kind [`TimedOut`](io::ErrorKind::TimedOut).
pub struct ServedBody {
    body: Incoming,
    watch: Arc<Watch>,
    whole: bool,
}

impl std::fmt::Debug for ServedBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServedBody").finish_non_exhaustive()
    }
}

impl ServedBody {
    pub(super) fn new(body: Incoming, watch: Arc<Watch>) -> Self {
        let whole = body.is_end_stream();
        Self { body, watch, whole }
    }
}

impl Body for ServedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let mut state = self.watch.lock();
                if state.late {
                    let late = io::Error::new(io::ErrorKind::TimedOut, "the body came too slowly");
                    return Poll::Ready(Some(Err(late)));
                }
                state.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        };
        self.whole = frame.is_none() || self.body.is_end_stream();
        if self.whole {
            self.watch.read(true);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ServedBody {
    fn drop(&mut self) {
        if !self.whole {
            self.watch.read(false);
        }
    }
}
