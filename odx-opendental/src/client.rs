//! The only file that knows addresses, headers and status codes.

mod call;
mod classify;
mod health;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use odx_core::clock::Clock;
use odx_core::effect::ActError;
use odx_core::http::{Client, Method, Reply, RequestBuilder, never_sent};
use odx_core::{Error, ErrorKind, Result, Secret};
use serde_json::value::RawValue;
use url::Url;

use crate::config::{Credentials, is_inside};
use crate::error::Cause;
use crate::limiter::Pace;
use crate::wire;
use health::Health;

pub(crate) use call::Call;
pub(crate) use write::Write;

/// Longest wait of a write for its turn. Bounded, so that what was claimed is
/// sent soon or not at all.
pub(crate) const TURN: Duration = Duration::from_secs(30);

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
    health: Health,
}

/// The office's API.
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
                    health: Health::default(),
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

    /// The longest page that the address in use has sent.
    pub(crate) fn longest_page(&self) -> usize {
        let base = self.bases.get(self.current.load(Ordering::Relaxed));
        base.map_or(0, |base| base.longest.load(Ordering::Relaxed))
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

    /// Sends to the best address there is, and to the others in turn when there
    /// is no answer from it, or when the vendor's relay says that it cannot
    /// reach the office. Every call only reads, so asking twice is harmless.
    async fn send(&self, call: &Call) -> Result<(Reply, usize)> {
        let mut failure = Error::new(ErrorKind::Config, "there is no base url");
        let mut offline = None;
        for (n, base) in self.order() {
            if self.is_paced(base) {
                self.pace.ready().await;
            }
            let request = self.request(call.method(), call.url(&base.url), call.body());
            match self.http.send(request).await {
                Ok(reply) => {
                    let status = reply.status.as_u16();
                    if !base.inside && classify::is_offline(status, &reply.body) {
                        base.health.failed(self.clock.now());
                        offline.get_or_insert((reply, n));
                        continue;
                    }
                    base.health.answered();
                    self.current.store(n, Ordering::Relaxed);
                    return Ok((reply, n));
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    base.health.failed(self.clock.now());
                    failure = error;
                }
                Err(error) => return Err(error),
            }
        }
        // That the office is offline is more than that somebody did not answer.
        offline.ok_or(failure)
    }

    /// Writes: one request to one address, whatever comes of it.
    pub(crate) async fn write(&self, write: &Write) -> Result<Reply, ActError> {
        let what = write.what();
        let Some((n, base)) = self.order().into_iter().next() else {
            let error = Error::new(ErrorKind::Config, "there is no base url");
            return Err(ActError::NotSent(error));
        };
        let Some(body) = write.body() else {
            let error = Error::new(ErrorKind::Bug, "a write cannot be written as json");
            return Err(ActError::NotSent(error));
        };
        if self.is_paced(base) {
            let turn = tokio::time::timeout(TURN, self.pace.ready_to_write());
            if turn.await.is_err() {
                let cause = Cause::NoTurn { what, within: TURN };
                return Err(ActError::NotSent(cause.writing()));
            }
        }
        let body = Some(body).filter(|body| !body.is_empty());
        let request = self.request(write.method(), write.url(&base.url), body);
        let reply = match self.http.send(request).await {
            Ok(reply) => reply,
            Err(error) => {
                if error.kind() == ErrorKind::Unavailable {
                    base.health.failed(self.clock.now());
                }
                return Err(match never_sent(&error) {
                    true => ActError::NotSent(error),
                    false => ActError::InDoubt(error),
                });
            }
        };
        base.health.answered();
        self.current.store(n, Ordering::Relaxed);
        let after = reply.wait(self.clock.now());
        match write::judge(write, reply.status.as_u16(), after, &reply.body) {
            Ok(()) => Ok(reply),
            Err(write::No::InDoubt(cause)) => Err(ActError::InDoubt(cause.writing())),
            Err(write::No::Refused(Cause::Keys)) => {
                Err(ActError::Refused(self.unauthorized(write).await.writing()))
            }
            Err(write::No::Refused(cause)) => Err(ActError::Refused(cause.writing())),
        }
    }

    /// A 401 is a dead key, or a permission that is missing for this write.
    async fn unauthorized(&self, write: &Write) -> Cause {
        match self.once(&Call::SecurityPerms).await {
            Ok(Ok(_)) => Cause::WriteNotPermitted {
                what: write.what(),
                permission: write.permission(),
            },
            _ => Cause::Keys,
        }
    }

    /// Whom to ask, in order.
    fn order(&self) -> Vec<(usize, &Base)> {
        let all = self.bases.iter().map(|base| &base.health);
        health::order(all, self.clock.now())
            .into_iter()
            .filter_map(|n| Some((n, self.bases.get(n)?)))
            .collect()
    }

    fn is_paced(&self, base: &Base) -> bool {
        self.pace.is_fixed() || !base.inside
    }

    /// The one place that builds a request.
    fn request(&self, method: Method, url: Url, body: Option<String>) -> RequestBuilder {
        let request = self
            .http
            .request(method, url)
            .header("Authorization", self.authorization.expose())
            // Documented for every request: without it even a GET is a 400.
            .header("Content-Type", "application/json")
            .header("Accept", "application/json");
        match body {
            Some(body) => request.body(body),
            None => request,
        }
    }
}

#[cfg(test)]
mod tests;
