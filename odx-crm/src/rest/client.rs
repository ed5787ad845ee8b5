//! The only file that knows addresses, headers and status codes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use odx_core::clock::Clock;
use odx_core::crm::{Delivery, Entity, Intent};
use odx_core::http::{self, Method, Reply, RequestBuilder};
use odx_core::sink::{Outcome, SuppressionPage};
use odx_core::source::Cursor;
use odx_core::{Error, IdempotencyKey, Phi, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::config::{Auth, IdIn, KeyStyle};
use super::error::Cause;
use super::stops;
use super::wire::{self, Line};

/// One CRM account over HTTP.
pub(super) struct Client {
    http: http::Client,
    base: Url,
    auth: Auth,
    id_in: IdIn,
    key_style: KeyStyle,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// What came of a single write.
pub(super) enum Put {
    /// The CRM answered.
    Answered(Outcome),
    /// It did not: the next one has no better chance.
    Unreached(Outcome),
}

/// What came of a batch.
pub(super) enum Batch {
    /// One outcome per record, in their order.
    Answered(Vec<Outcome>),
    /// The batch was refused as a whole, which says nothing about any one of it.
    Refused,
    /// The CRM has no batch route.
    NoRoute,
}

/// A CRM's list, if it has one.
pub(super) enum Stops {
    /// This much of it.
    Page(SuppressionPage),
    /// It keeps none.
    NoList,
}

impl Client {
    pub(super) fn new(
        http: http::Client,
        base: Url,
        auth: Auth,
        id_in: IdIn,
        key_style: KeyStyle,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            http,
            base,
            auth,
            id_in,
            key_style,
            clock,
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.http.requests()
    }

    /// Base URL and a digest of the credential, so that two sinks on one account are seen.
    pub(super) fn account(&self) -> String {
        let mut hasher = Sha256::new();
        let base = self.base.as_str().trim_end_matches('/');
        match &self.auth {
            Auth::None => return format!("{base}#none"),
            Auth::Bearer(secret) | Auth::Header { value: secret, .. } => {
                hasher.update(secret.expose());
            }
            Auth::Basic { user, password } => {
                hasher.update(user);
                hasher.update(":");
                hasher.update(password.expose());
            }
        }
        let digest: String = hasher
            .finalize()
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{base}#{digest}")
    }

    /// Writes one record.
    pub(super) async fn put(&self, delivery: &Delivery) -> Result<Put> {
        let id = delivery.op.external_id().as_str();
        let path = match (self.id_in, plural(delivery.op.entity())) {
            (IdIn::Body, entity) => entity.to_owned(),
            // A URL takes "." and ".." away, however they are escaped.
            (IdIn::Path, _) if id.bytes().all(|b| b == b'.') => {
                return Ok(Put::Answered(Cause::Unaddressable.reject()));
            }
            (IdIn::Path, entity) => format!("{entity}/{}", segment(id)),
        };
        let mut request = self
            .request(Method::PUT, self.address(&path)?)
            .header("Idempotency-Key", self.key(&delivery.idempotency_key));
        let retire = delivery.op.intent == Intent::Retire;
        if retire {
            // Only if the record is there: a retire creates nothing.
            request = request.header("If-Match", "*");
        }
        let reply = match self.send(request, Some(wire::record(delivery)?)).await {
            Ok(reply) => reply,
            Err(unreached) => return Ok(Put::Unreached(unreached.retry(None))),
        };
        let after = self.wait(&reply);
        let outcome = match reply.status.as_u16() {
            200..=299 => match json(&reply) {
                Ok(answer) => applied(answer.as_ref().and_then(wire::remote_id)),
                // It has probably happened. A repeat is safe.
                Err(Cause::Cut) => Cause::Cut.retry(None),
                Err(other) => return Err(other.into()),
            },
            412 if retire => applied(None),
            status => {
                if let Some(cause) = concerns_all(status) {
                    return Err(Error::from(cause).with_after(after));
                }
                if let 404 | 405 | 410 | 501 = status {
                    return Err(Cause::NoUpsert(status).into());
                }
                let code = serde_json::from_slice(&reply.body)
                    .ok()
                    .and_then(|body| wire::code(&body));
                refusal(status, code, after)
            }
        };
        Ok(Put::Answered(outcome))
    }

    /// Writes records of one kind in one request.
    pub(super) async fn post_batch(&self, entity: Entity, group: &[&Delivery]) -> Result<Batch> {
        let url = self.address(&format!("{}/batch", plural(entity)))?;
        let request = self.request(Method::POST, url);
        let all = |cause: Cause, after: Option<Duration>| {
            let outcomes = group.iter().map(|_| cause.clone().retry(after)).collect();
            Ok(Batch::Answered(outcomes))
        };
        let reply = match self.send(request, Some(wire::batch(group)?)).await {
            Ok(reply) => reply,
            Err(unreached) => return all(unreached, None),
        };
        let after = self.wait(&reply);
        match reply.status.as_u16() {
            200..=299 => match json(&reply) {
                Ok(answer) => {
                    let lines = answer.as_ref().and_then(wire::lines).unwrap_or_default();
                    let names = |line: &Line| {
                        group
                            .iter()
                            .any(|delivery| delivery.op.external_id().as_str() == line.external_id)
                    };
                    if lines.iter().any(names) {
                        self.match_lines(lines, group).map(Batch::Answered)
                    } else {
                        // An answer that names nobody would be given again: a record's own answer says more.
                        Ok(Batch::Refused)
                    }
                }
                Err(Cause::Cut) => all(Cause::Cut, None),
                Err(other) => Err(other.into()),
            },
            404 | 405 | 501 => Ok(Batch::NoRoute),
            status => match concerns_all(status) {
                Some(cause) => Err(Error::from(cause).with_after(after)),
                None if is_transient(status) => all(Cause::Busy(status), after),
                None if status == 410 => Err(Cause::NoUpsert(status).into()),
                None => Ok(Batch::Refused),
            },
        }
    }

    /// Reads a page of suppressions.
    pub(super) async fn stops(&self, since: Option<&Cursor>) -> Result<Stops> {
        let since = since.map(stops::after).transpose()?;
        let mut url = self.address("suppressions")?;
        if let Some(since) = &since {
            url.query_pairs_mut().append_pair("cursor", since);
        }
        let reply = self.send(self.request(Method::GET, url), None).await?;
        let after = self.wait(&reply);
        match reply.status.as_u16() {
            204 => Ok(Stops::Page(SuppressionPage {
                listed: true,
                ..SuppressionPage::default()
            })),
            200..=299 => {
                // An empty answer is a failed read, not an empty list.
                let answer = json(&reply)?.ok_or(Cause::Cut)?;
                Ok(Stops::Page(stops::page(&answer, since.as_deref())?))
            }
            404 | 405 | 501 => Ok(Stops::NoList),
            400 | 410 | 422 if since.is_some() => Err(Cause::CursorGone.into()),
            status => Err(match concerns_all(status) {
                Some(cause) => Error::from(cause).with_after(after),
                None if is_transient(status) => Error::from(Cause::Busy(status)).with_after(after),
                None => Cause::NoReading(status).into(),
            }),
        }
    }

    /// Outcomes by external id: an order is not promised by anybody.
    fn match_lines(&self, lines: Vec<Line>, group: &[&Delivery]) -> Result<Vec<Outcome>> {
        let fine = |status: u16| (200..300).contains(&status);
        let mut by_id: HashMap<String, Line> = HashMap::with_capacity(lines.len());
        for line in lines {
            // Named twice: the worse answer counts.
            match by_id.get(&line.external_id) {
                Some(seen) if !fine(seen.status) => {}
                _ => {
                    by_id.insert(line.external_id.clone(), line);
                }
            }
        }
        // Where nothing went through, a refused token is not about one record.
        if !by_id.values().any(|line| fine(line.status)) {
            for (status, cause) in [(401, Cause::Token), (403, Cause::Forbidden)] {
                if by_id.values().any(|line| line.status == status) {
                    return Err(cause.into());
                }
            }
        }
        Ok(group
            .iter()
            .map(
                |delivery| match by_id.remove(delivery.op.external_id().as_str()) {
                    None => Cause::NotNamed.retry(None),
                    Some(line) if fine(line.status) => applied(line.remote_id),
                    Some(line) => {
                        let after = line
                            .retry_after
                            .and_then(|text| http::retry_after(&text, self.clock.now()));
                        refusal(line.status, line.code, after)
                    }
                },
            )
            .collect())
    }

    /// A key as the header has it.
    pub(super) fn key(&self, key: &IdempotencyKey) -> String {
        match self.key_style {
            KeyStyle::Quoted => format!("\"{}\"", key.as_str()),
            KeyStyle::Bare => key.as_str().to_owned(),
        }
    }

    pub(super) fn address(&self, path: &str) -> Result<Url> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/{path}")).map_err(|_| Cause::Unaddressable.into())
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self
            .http
            .request(method, url)
            .header("Accept", "application/json");
        match &self.auth {
            Auth::None => request,
            Auth::Bearer(token) => request.bearer_auth(token.expose()),
            Auth::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
            Auth::Header { name, value } => request.header(name.as_str(), value.expose()),
        }
    }

    async fn send(
        &self,
        mut request: RequestBuilder,
        body: Option<Phi<Vec<u8>>>,
    ) -> Result<Reply, Cause> {
        if let Some(body) = body {
            request = request
                .header("Content-Type", "application/json")
                .body(body.into_exposed());
        }
        self.http
            .send(request)
            .await
            .map_err(|error| Cause::Unreached(error.chain()))
    }

    /// Sends it, and leaves to the caller what a failure means.
    pub(super) async fn raw(&self, request: RequestBuilder) -> Result<Reply> {
        self.http.send(request).await
    }

    pub(super) fn wait(&self, reply: &Reply) -> Option<Duration> {
        reply.wait(self.clock.now())
    }
}

const fn plural(entity: Entity) -> &'static str {
    match entity {
        Entity::Contact => "contacts",
        Entity::Task => "tasks",
    }
}

const fn applied(remote_id: Option<String>) -> Outcome {
    Outcome::Applied { remote_id }
}

/// What a status that concerns one record makes of it.
fn refusal(status: u16, code: Option<String>, after: Option<Duration>) -> Outcome {
    let is = |word: &str| code.as_deref() == Some(word);
    match status {
        429 => Cause::SlowDown.retry(after),
        status if is_transient(status) => Cause::Busy(status).retry(after),
        409 if is("idempotency_in_progress") => Cause::InProgress.retry(after),
        409 | 412 => Cause::Conflict(status, code).reject(),
        413 => Cause::TooLarge(status, code).reject(),
        401 | 403 => Cause::NotThisOne(status, code).reject(),
        422 if is("idempotency_mismatch") => Cause::KeyReused(status, code).reject(),
        _ => Cause::Content(status, code).reject(),
    }
}

/// Statuses that are about the sink, not about what was sent.
const fn concerns_all(status: u16) -> Option<Cause> {
    match status {
        300..=399 => Some(Cause::Redirect(status)),
        401 => Some(Cause::Token),
        403 => Some(Cause::Forbidden),
        429 => Some(Cause::SlowDown),
        503 => Some(Cause::Busy(status)),
        _ => None,
    }
}

/// Statuses that the same request may not meet again.
const fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 423 | 425 | 500 | 502..)
}

/// The JSON of a successful answer; none if it is empty. Anything else in a
/// success is somebody else's page.
pub(super) fn json(reply: &Reply) -> Result<Option<Value>, Cause> {
    let body = reply.body.trim_ascii();
    if body.is_empty() {
        return Ok(None);
    }
    let declared = match reply.content_type.as_deref() {
        Some(kind) => kind == "application/json" || kind.ends_with("+json"),
        None => !body.starts_with(b"<"),
    };
    if !declared {
        return Err(Cause::LoginPage(reply.status.as_u16()));
    }
    serde_json::from_slice(body)
        .map(Some)
        .map_err(|_| Cause::Cut)
}

/// Percent-encodes all but the unreserved characters.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_is_one_path_segment_and_comes_back_as_it_was(id in "\\PC{1,40}") {
            prop_assume!(!id.bytes().all(|b| b == b'.'));
            let url = Url::parse(&format!("https://crm.example/a/{}", segment(&id))).unwrap();
            let parts: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!(parts.len(), 2);
            prop_assert_eq!(parts[0], "a");
            let back = format!("x={}", parts[1].replace('+', "%2B"));
            let (_, back) = url::form_urlencoded::parse(back.as_bytes()).next().unwrap();
            prop_assert_eq!(back, id);
        }
    }

    #[test]
    fn a_colon_is_escaped() {
        assert_eq!(segment("od:main-st:1.a_~"), "od%3Amain-st%3A1.a_~");
    }
}
