//! Calls of providers and CRMs: a reply, an opt-out, a delivery report.
//!
//! A call is answered 200 once what it says is on disk; whoever gets another
//! answer calls again, and the same call twice comes to the same. One thing is
//! no such thing: a START that is played again after a later STOP. So the last
//! STARTs are kept apart from their repeats, in the state.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use odx_core::clock::{Clock as _, SystemClock};
use odx_core::outreach::{Address, Heard, Inbound, MessageGateway};
use odx_core::sink::{Account, Suppression, Target};
use odx_core::store::StateStore;
use odx_core::store::outreach::Lift;
use odx_core::{Error, ErrorKind, IdScheme, OutletId, Result, Secret, SinkId, SourceId};
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;
use tokio::sync::{Mutex, Semaphore};
use url::{Url, form_urlencoded};

use crate::progress::Screen;

/// No provider's call is larger.
const LARGEST: usize = 1 << 20;
/// Bodies in memory at once.
const AT_ONCE: usize = 16;
/// So many STARTs are told apart from their repeats.
const STARTS: usize = 1000;
/// Under which name the state keeps them.
const STARTS_NAME: &str = "calls.starts";
/// Under which name the state keeps the last text that carriers filtered.
const FILTERED_NAME: &str = "calls.filtered";
/// The outlet of an office's messages.
const MESSAGES: &str = "messages";
/// The reason of a stop that waits for a person.
const NEEDS_PERSON: &str = "needs_person";

/// What a call is about: the part of its path behind the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// The provider of texts.
    Texts,
    /// The provider of mail.
    Mail,
    /// The CRM, about opt-outs.
    Stops,
}

impl Calls {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Texts => "texts",
            Self::Mail => "mail",
            Self::Stops => "stops",
        }
    }
}

/// Who calls about one office.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) office: String,
    pub(crate) source: SourceId,
    /// Who carries its messages. What is said to the sender of one is said to
    /// every office that has the same.
    pub(crate) gateways: Vec<Arc<dyn MessageGateway>>,
    /// Its CRM, and the token that it calls with, if it does.
    pub(crate) crm: Option<(SinkId, Secret)>,
}

/// What came in since the start. No patient data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CallCounts {
    taken: u64,
    repeated: u64,
    refused: u64,
    unusable: u64,
    failed: u64,
}

impl fmt::Display for CallCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            taken,
            repeated,
            refused,
            unusable,
            failed,
        } = self;
        write!(
            f,
            "{taken} calls taken, {repeated} known already, {refused} not by who they say, {unusable} unusable, \
             {failed} not stored"
        )
    }
}

#[derive(Default)]
struct Counters {
    taken: AtomicU64,
    repeated: AtomicU64,
    refused: AtomicU64,
    unusable: AtomicU64,
    failed: AtomicU64,
}

/// Takes calls in, for one office or many.
#[derive(Clone)]
pub(crate) struct Switchboard(Arc<Inner>);

struct Inner {
    path: Secret,
    url: Option<Url>,
    lines: Vec<Line>,
    store: Arc<dyn StateStore>,
    screen: Screen,
    /// What is said is stored in the order in which it came.
    order: Mutex<()>,
    memory: Semaphore,
    counts: Counters,
}

/// Why a call is not taken.
enum No {
    /// There is nothing at this address.
    Nothing,
    /// Only `POST`.
    Method,
    /// It is not who it says, or nobody it may be.
    Stranger,
    /// This status, for a caller who is known.
    Unusable(StatusCode),
    /// It is not on disk: again, later.
    NotStored(Error),
}

impl Switchboard {
    /// Makes the gateways known, so that a stop can be stored before the first
    /// pass has begun.
    pub(crate) async fn open(
        path: Secret,
        url: Option<Url>,
        lines: Vec<Line>,
        store: Arc<dyn StateStore>,
        screen: Screen,
    ) -> Result<Self> {
        for line in &lines {
            for gateway in &line.gateways {
                let account = Account {
                    name: gateway.sender().to_owned(),
                    scheme: IdScheme::Scoped,
                };
                let known = store.outreach();
                known
                    .open_gateway(&line.source, gateway.id(), &account)
                    .await?;
            }
        }
        Ok(Self(Arc::new(Inner {
            path,
            url,
            lines,
            store,
            screen,
            order: Mutex::default(),
            memory: Semaphore::new(AT_ONCE),
            counts: Counters::default(),
        })))
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/{path}/texts/{office}", any(texts))
            .route("/{path}/mail/{office}", any(mail))
            .route("/{path}/stops/{office}", any(stops))
            .with_state(Arc::clone(&self.0))
    }

    pub(crate) fn counts(&self) -> CallCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.0.counts;
        CallCounts {
            taken: of(&counts.taken),
            repeated: of(&counts.repeated),
            refused: of(&counts.refused),
            unusable: of(&counts.unusable),
            failed: of(&counts.failed),
        }
    }
}

type Called = (State<Arc<Inner>>, Path<(String, String)>);

async fn texts((state, path): Called, request: Request) -> Response {
    // An answer without words: the provider would send any as a text.
    let empty = ([(header::CONTENT_TYPE, "text/xml")], "<Response/>");
    answer(state, Calls::Texts, path, request)
        .await
        .map_or_else(IntoResponseOf::response, |()| empty.into_response())
}

async fn mail((state, path): Called, request: Request) -> Response {
    answer(state, Calls::Mail, path, request)
        .await
        .map_or_else(IntoResponseOf::response, |()| {
            StatusCode::OK.into_response()
        })
}

async fn stops((state, path): Called, request: Request) -> Response {
    answer(state, Calls::Stops, path, request)
        .await
        .map_or_else(IntoResponseOf::response, |()| {
            StatusCode::OK.into_response()
        })
}

/// A refusal as an answer: no detail.
struct IntoResponseOf(StatusCode);

impl IntoResponseOf {
    fn response(self) -> Response {
        self.0.into_response()
    }
}

async fn answer(
    State(inner): State<Arc<Inner>>,
    calls: Calls,
    Path((path, office)): Path<(String, String)>,
    request: Request,
) -> std::result::Result<(), IntoResponseOf> {
    let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
    let counts = &inner.counts;
    let no = match inner.take(calls, &path, &office, request).await {
        Ok(()) => {
            count(&counts.taken);
            return Ok(());
        }
        Err(no) => no,
    };
    let status = match no {
        No::Nothing => StatusCode::NOT_FOUND,
        No::Method => StatusCode::METHOD_NOT_ALLOWED,
        No::Stranger => {
            count(&counts.refused);
            StatusCode::UNAUTHORIZED
        }
        No::Unusable(status) => {
            count(&counts.unusable);
            tracing::warn!(
                calls = calls.name(),
                status = status.as_u16(),
                "a call was not taken"
            );
            status
        }
        No::NotStored(error) => {
            count(&counts.failed);
            tracing::error!(
                calls = calls.name(),
                error = error.chain(),
                "a call was not stored"
            );
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    Err(IntoResponseOf(status))
}

/// In a time that says nothing about where they differ or how long they are.
fn same(one: &str, other: &str) -> bool {
    let hash = |text: &str| digest(&SHA256, text.as_bytes());
    bool::from(hash(one).as_ref().ct_eq(hash(other).as_ref()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

impl Inner {
    async fn take(
        &self,
        calls: Calls,
        path: &str,
        office: &str,
        request: Request,
    ) -> std::result::Result<(), No> {
        if !same(path, self.path.expose()) {
            return Err(No::Nothing);
        }
        if request.method() != Method::POST {
            return Err(No::Method);
        }
        let mut lines = self.lines.iter();
        let line = lines
            .find(|line| line.office == office)
            .ok_or(No::Stranger)?;
        match calls {
            Calls::Stops => self.crm(line, request).await,
            Calls::Texts | Calls::Mail => self.provider(line, calls, request).await,
        }
    }

    async fn body(&self, body: Body) -> std::result::Result<Vec<u8>, No> {
        // Whoever is too slow is sent away by the server.
        let _room = self.memory.acquire().await;
        let whole = to_bytes(body, LARGEST).await;
        whole
            .map(Vec::from)
            .map_err(|_| No::Unusable(StatusCode::PAYLOAD_TOO_LARGE))
    }

    /// The CRM tells opt-outs: as its list would, and with a token of its own.
    async fn crm(&self, line: &Line, request: Request) -> std::result::Result<(), No> {
        let (sink, token) = line.crm.as_ref().ok_or(No::Stranger)?;
        let (parts, body) = request.into_parts();
        if !bearer(&parts.headers).is_some_and(|given| same(given, token.expose())) {
            return Err(No::Stranger);
        }
        let body = self.body(body).await?;
        let page = odx_crm::rest::told(&body).map_err(|_| No::Unusable(StatusCode::BAD_REQUEST))?;
        if page.unreadable > 0 {
            self.screen.line(&format!(
                "{}: {} entries of an opt-out call of {sink} cannot be read",
                line.office, page.unreadable
            ));
        }
        let _turn = self.order.lock().await;
        self.suppress(sink, page.stops).await.map_err(No::NotStored)
    }

    /// A provider calls. Whether it is the provider is for its gateway to say.
    async fn provider(
        &self,
        line: &Line,
        calls: Calls,
        request: Request,
    ) -> std::result::Result<(), No> {
        let gateway = line.gateways.iter().find(|gateway| {
            let address = match gateway.channel() {
                odx_core::model::Channel::Sms => Calls::Texts,
                _ => Calls::Mail,
            };
            address == calls
        });
        let (Some(gateway), Some(url)) = (gateway, &self.url) else {
            return Err(No::Stranger);
        };
        let (parts, body) = request.into_parts();
        let called = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = format!("{}{called}", url.as_str().trim_end_matches('/'));
        let headers = parts.headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        let body = self.body(body).await?;
        let which = which(&body);
        let call = Inbound::new(url, headers.collect(), body, SystemClock.now());
        let heard = gateway.hear(&call).map_err(|error| match error.kind() {
            ErrorKind::Credentials | ErrorKind::Config => No::Stranger,
            _ => No::Unusable(StatusCode::BAD_REQUEST),
        })?;
        let _turn = self.order.lock().await;
        for one in heard {
            self.heard(line, gateway.as_ref(), one, &which)
                .await
                .map_err(No::NotStored)?;
        }
        Ok(())
    }

    /// Every office whose gateway has the same sender, with that gateway.
    fn sharing<'a>(
        &'a self,
        gateway: &'a dyn MessageGateway,
    ) -> impl Iterator<Item = (&'a Line, &'a SinkId)> {
        let same = |other: &dyn MessageGateway| {
            let sender = other.sender().eq_ignore_ascii_case(gateway.sender());
            other.channel() == gateway.channel() && sender
        };
        self.lines.iter().flat_map(move |line| {
            let gateways = line.gateways.iter();
            gateways
                .filter(move |other| same(other.as_ref()))
                .map(move |other| (line, other.id()))
        })
    }

    async fn heard(
        &self,
        line: &Line,
        gateway: &dyn MessageGateway,
        heard: Heard,
        which: &str,
    ) -> Result<()> {
        match heard {
            Heard::Stop(stop) => {
                for (_, id) in self.sharing(gateway) {
                    self.suppress(id, vec![stop.clone()]).await?;
                }
            }
            Heard::Review(address) => {
                let stop = Suppression {
                    target: target(address),
                    channel: Some(gateway.channel()),
                    reason: NEEDS_PERSON.to_owned(),
                };
                for (sharing, id) in self.sharing(gateway) {
                    self.suppress(id, vec![stop.clone()]).await?;
                    self.screen.line(&format!(
                        "{}: a reply waits for a person: whoever sent it is not written to until then",
                        sharing.office
                    ));
                }
            }
            Heard::Start(address) => self.start(line, gateway, address, which).await?,
            Heard::Status {
                remote_id,
                status,
                reason,
            } => {
                let outlet = OutletId::new(line.source.clone(), MESSAGES)?;
                let outreach = self.store.outreach();
                let reason = reason.as_deref();
                outreach
                    .note_status(&outlet, &remote_id, status, reason)
                    .await?;
            }
            Heard::Filtered { remote_id } => {
                let at = SystemClock.now();
                let mark = serde_json::json!({
                    "gateway": gateway.id().as_str(), "message": remote_id, "at": at,
                });
                let outreach = self.store.outreach();
                outreach
                    .keep(&line.source, FILTERED_NAME, &mark.to_string())
                    .await?;
                self.screen.line(&format!(
                    "{}: carriers filter what {} sends (message {remote_id}): look at the words of that template, \
                     or pause the office",
                    line.office,
                    gateway.id()
                ));
            }
            Heard::Account(what) => {
                self.screen
                    .line(&format!("{}: {}: {what}", line.office, gateway.id()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Stores stops; where the list was read to stays.
    async fn suppress(&self, id: &SinkId, stops: Vec<Suppression>) -> Result<()> {
        let cursor = self.store.suppression_cursor(id).await?;
        let now = SystemClock.now();
        self.store.suppress(id, stops, cursor, now).await?;
        Ok(())
    }

    /// Takes a keyword stop back, once for each call: played again it would take
    /// back a stop that was said since. The call is noted first: where the
    /// process ends in between, somebody stays stopped who said START, and not
    /// the other way round.
    async fn start(
        &self,
        line: &Line,
        gateway: &dyn MessageGateway,
        address: Address,
        which: &str,
    ) -> Result<()> {
        let outreach = self.store.outreach();
        let kept = outreach.kept(&line.source, STARTS_NAME).await?;
        let before: Vec<String> = kept
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        if before.iter().any(|known| known == which) {
            self.counts.repeated.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let mut after = before.clone();
        after.push(which.to_owned());
        let from = after.len().saturating_sub(STARTS);
        let after = after.split_off(from);
        self.keep_starts(line, &after).await?;
        let lift = |id: &SinkId| Lift {
            target: target(address.clone()),
            channel: gateway.channel(),
            origin: Some(id.clone()),
            keyword_only: true,
            reason: "the keyword for it".to_owned(),
        };
        let mut lifted = Ok(());
        for (sharing, id) in self.sharing(gateway) {
            let now = SystemClock.now();
            let end = outreach.lift(&sharing.source, &lift(id), now).await;
            lifted = lifted.and(end.map(|_| ()));
        }
        if lifted.is_err() {
            // It was not taken: the next time it is no repeat.
            self.keep_starts(line, &before).await?;
        }
        lifted
    }

    async fn keep_starts(&self, line: &Line, starts: &[String]) -> Result<()> {
        let text = serde_json::to_string(starts)
            .map_err(|_| Error::new(ErrorKind::Bug, "a list of digests is no json"))?;
        let outreach = self.store.outreach();
        outreach.keep(&line.source, STARTS_NAME, &text).await
    }
}

fn target(address: Address) -> Target {
    match address {
        Address::Phone(phone) => Target::Phone(phone),
        Address::Email(email) => Target::Email(email),
    }
}

/// Which call it is, whatever order its fields are in and however they are
/// escaped: a signature is over the fields, and not over their spelling.
fn which(body: &[u8]) -> String {
    let fields: BTreeSet<_> = form_urlencoded::parse(body).collect();
    let mut text = String::new();
    for (name, value) in fields {
        for part in [name, value] {
            text.push_str(&format!("{}:{part},", part.len()));
        }
    }
    let digest = digest(&SHA256, text.as_bytes());
    let bytes = digest.as_ref().iter().take(16);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_the_same_one_however_its_fields_are_spelled() {
        let one = which(b"From=%2B15035550123&Body=START&MessageSid=SM1");
        for same in [
            &b"Body=START&From=%2B15035550123&MessageSid=SM1"[..],
            b"Body=%53TART&From=%2b15035550123&MessageSid=SM1&Body=START",
        ] {
            assert_eq!(which(same), one);
        }
        for other in [
            &b"From=%2B15035550123&Body=START&MessageSid=SM2"[..],
            b"From=%2B15035550123&Body=STARTMessageSidSM1",
            b"",
        ] {
            assert_ne!(which(other), one);
        }
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abcd") && !same("", "a") && !same("abc", "abd"));
    }
}
