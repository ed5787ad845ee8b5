//! The only file that knows addresses, headers and status codes.

mod call;
mod classify;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use odx_core::clock::Clock;
use odx_core::http::{Client, Method, Reply, RequestBuilder};
use odx_core::{Error, ErrorKind, Result, Secret};
use serde_json::value::RawValue;
use url::Url;

use crate::config::{Credentials, is_inside};
use crate::error::Cause;
use crate::limiter::Pace;
use crate::wire;

pub(crate) use call::Call;

/// Asks what any answer means, to every kind of call.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn any_answer(status: u16, body: &[u8]) {
    for call in [
        Call::SecurityPerms,
        Call::Patient(1),
        Call::Recalls { offset: 0 },
        Call::RecallsOf {
            patient: 1,
            offset: 0,
        },
    ] {
        drop(classify::classify(&call, status, None, body));
    }
}

/// One way to the office.
#[derive(Debug)]
struct Base {
    url: Url,
    /// The vendor throttles nothing inside the office.
    inside: bool,
    /// The longest page it ever sent. The real cap depends on the address and
    /// on the key (100, 1000 or 10,000 rows), and nothing tells it.
    longest: AtomicUsize,
}

/// The office's API: reads only.
#[derive(Debug)]
pub(crate) struct Api {
    http: Client,
    authorization: Secret,
    bases: Vec<Base>,
    /// Which of them answered last.
    current: AtomicUsize,
    pace: Pace,
    clock: Arc<dyn Clock>,
}

/// A whole answer with status 200, and which address gave it.
pub(crate) struct Answer {
    reply: Reply,
    base: usize,
    what: &'static str,
}

impl Answer {
    /// Its rows. An answer that was cut or is no JSON is a failed read.
    pub(crate) fn rows(&self) -> Result<Vec<&RawValue>, Cause> {
        wire::rows(&self.reply.body).ok_or(Cause::NotJson { what: self.what })
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.reply.body
    }
}

impl Api {
    pub(crate) fn new(
        http: Client,
        credentials: &Credentials,
        urls: Vec<Url>,
        pace: Pace,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            http,
            authorization: Secret::new(format!(
                "ODFHIR {}/{}",
                credentials.developer_key.expose(),
                credentials.customer_key.expose()
            )),
            bases: urls
                .into_iter()
                .map(|url| Base {
                    inside: is_inside(&url),
                    url,
                    longest: AtomicUsize::new(0),
                })
                .collect(),
            current: AtomicUsize::new(0),
            pace,
            clock,
        }
    }

    pub(crate) const fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(crate) fn requests(&self) -> u64 {
        self.http.requests()
    }

    pub(crate) fn urls(&self) -> impl Iterator<Item = &Url> {
        self.bases.iter().map(|base| &base.url)
    }

    /// The address that answered last.
    pub(crate) fn current(&self) -> Option<&Url> {
        let base = self.bases.get(self.current.load(Ordering::Relaxed))?;
        Some(&base.url)
    }

    /// Begins with the preferred address again. Without this one bad minute of
    /// the office's own server would leave every later pass on the slow way.
    pub(crate) fn prefer_first(&self) {
        self.current.store(0, Ordering::Relaxed);
    }

    /// The longest page the address of this answer has sent before.
    pub(crate) fn longest(&self, answer: &Answer) -> usize {
        self.bases
            .get(answer.base)
            .map_or(0, |base| base.longest.load(Ordering::Relaxed))
    }

    /// Notes how long a page of this address was.
    pub(crate) fn note_length(&self, answer: &Answer, rows: usize) {
        if let Some(base) = self.bases.get(answer.base) {
            base.longest.fetch_max(rows, Ordering::Relaxed);
        }
    }

    /// Asks. `None`: the one row or the one patient asked for is not there.
    pub(crate) async fn get(&self, call: &Call) -> Result<Option<Answer>> {
        match self.once(call).await? {
            // A 401 is a dead key or a missing permission for this method only.
            Err(Cause::Keys) if *call != Call::SecurityPerms => {
                match self.once(&Call::SecurityPerms).await? {
                    Ok(_) => Err(Cause::NotPermitted { what: call.what() }.into()),
                    Err(cause) => Err(cause.into()),
                }
            }
            other => Ok(other?),
        }
    }

    async fn once(&self, call: &Call) -> Result<Result<Option<Answer>, Cause>> {
        let (reply, base) = self.send(call).await?;
        let after = reply.wait(self.clock.now());
        let verdict = classify::classify(call, reply.status.as_u16(), after, &reply.body);
        Ok(verdict.map(|found| {
            found.then(|| Answer {
                reply,
                base,
                what: call.what(),
            })
        }))
    }

    /// Sends to the address that answered last, and to the others in turn when
    /// there is no connection or no answer. Every call only reads, so asking
    /// twice is harmless.
    async fn send(&self, call: &Call) -> Result<(Reply, usize)> {
        let first = self.current.load(Ordering::Relaxed);
        let mut failure = Error::new(ErrorKind::Config, "there is no base url");
        let turn = self.bases.iter().enumerate();
        for (n, base) in turn.clone().skip(first).chain(turn.take(first)) {
            if self.pace.is_fixed() || !base.inside {
                self.pace.ready().await;
            }
            match self.http.send(self.request(&base.url, call)).await {
                Ok(reply) => {
                    self.current.store(n, Ordering::Relaxed);
                    return Ok((reply, n));
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// The one place that builds a request.
    fn request(&self, base: &Url, call: &Call) -> RequestBuilder {
        self.http
            .request(Method::GET, call.url(base))
            .header("Authorization", self.authorization.expose())
            // Documented for every request: without it even a GET is a 400.
            .header("Content-Type", "application/json")
            .header("Accept", "application/json")
    }
}
