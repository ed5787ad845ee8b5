//! The CRM over HTTP: routes, headers, faults.

use std::fmt;
use std::io;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use odx_core::clock::{Clock as _, SystemClock};
use odx_core::crm::Entity;
use odx_core::outreach::Inbound;
use odx_core::{Error, ErrorKind, http};
use serde_json::Value;
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

use super::Crm;
use super::fault::Fault;
use super::line::{Cutter, Port};
use super::store::Answer;

/// A CRM that answers. Stops when dropped.
pub struct Server {
    base: Url,
    task: tokio::task::JoinHandle<io::Result<()>>,
    closed: Cutter,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("base_url", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// What to give the sink.
    pub fn base_url(&self) -> Url {
        self.base.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closed.cut();
        self.task.abort();
    }
}

/// A path of its own, so that a sink that forgets its base path is found out.
const BASE: &str = "/api/v1";

pub(super) async fn open(crm: Crm, port: u16) -> io::Result<Server> {
    let app = Router::new().fallback(answer).with_state(crm);
    host(app, BASE, port).await
}

/// Opens a port for what answers below `path`.
pub(super) async fn host(app: Router, path: &str, port: u16) -> io::Result<Server> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let base = Url::parse(&format!("http://{}{path}", listener.local_addr()?))
        .map_err(|_| io::ErrorKind::InvalidInput)?;
    let closed = Cutter::default();
    let port = Port {
        listener,
        closed: closed.clone(),
    };
    let app = app.into_make_service_with_connect_info::<Cutter>();
    let task = tokio::spawn(async move { axum::serve(port, app).await });
    Ok(Server { base, task, closed })
}

async fn answer(
    State(crm): State<Crm>,
    ConnectInfo(line): ConnectInfo<Cutter>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = {
        let mut state = crm.state();
        state.counts.requests += 1;
        let about_sequences = uri.path().contains("/enrollments/");
        let own = about_sequences.then(|| state.enrolling.next()).flatten();
        own.or_else(|| state.faults.next())
    };
    if let Some(response) = fault.as_ref().and_then(|fault| before(fault, &line, &body)) {
        return response;
    }
    let half = fault == Some(Fault::HalfBatch);
    let answer = route(&crm, &method, &uri, &headers, &body, half);
    after(fault, &line, &answer).await
}

/// Makes a provider's call to whoever listens.
pub(super) async fn call(call: &Inbound) -> Result<u16, Error> {
    let url = Url::parse(&call.url)
        .map_err(|_| Error::new(ErrorKind::Config, "the address of a call is none"))?;
    let client = http::Client::new(http::ClientSettings::new("odx-crm-sim"))?;
    let mut request = client.request(Method::POST, url);
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let body = call.body.expose().clone();
    let reply = client.send(request.body(body)).await?;
    Ok(reply.status.as_u16())
}

/// What a fault answers before anything takes effect.
pub(super) fn before(fault: &Fault, line: &Cutter, sent: &[u8]) -> Option<Response> {
    match fault {
        Fault::Status(status, retry_after) => {
            let mut response = plain(*status);
            let value = retry_after.as_ref();
            if let Some(value) = value.and_then(|text| HeaderValue::try_from(text).ok()) {
                response.headers_mut().insert(RETRY_AFTER, value);
            }
            Some(response)
        }
        Fault::ResetBefore => {
            line.cut();
            Some(plain(200))
        }
        Fault::HtmlLogin200 => {
            let mut response = plain(200);
            // As such a page does: with what was sent to it.
            let sent = String::from_utf8_lossy(sent);
            let page = format!("<html><title>Sign in</title><pre>{sent}</pre></html>");
            *response.body_mut() = Body::from(page);
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, html);
            Some(response)
        }
        Fault::Redirect => {
            let mut response = plain(302);
            let elsewhere = HeaderValue::from_static("/elsewhere");
            response.headers_mut().insert(LOCATION, elsewhere);
            Some(response)
        }
        _ => None,
    }
}

/// How an answer comes out of a fault, once its request has taken effect.
pub(super) async fn after(fault: Option<Fault>, line: &Cutter, answer: &Answer) -> Response {
    match fault {
        Some(Fault::ResetAfter) => {
            line.cut();
            plain(200)
        }
        Some(Fault::StatusAfter(status)) => plain(status),
        Some(Fault::TruncatedAfter) => truncated(answer),
        Some(Fault::HalfJsonAfter) => {
            let mut response = json(answer);
            *response.body_mut() = Body::from(half_of(answer));
            response
        }
        Some(Fault::Hang(wait)) => {
            SystemClock.sleep(wait).await;
            json(answer)
        }
        _ => json(answer),
    }
}

/// A path below the base, in its parts, each as it was before it was escaped.
fn parts(uri: &Uri) -> Vec<String> {
    uri.path()
        .strip_prefix(BASE)
        .unwrap_or_default()
        .split('/')
        .skip(1)
        .map(unescape)
        .collect()
}

fn route(
    crm: &Crm,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    half: bool,
) -> Answer {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut state = crm.state();
    let token = header(AUTHORIZATION.as_str()).and_then(|text| text.strip_prefix("Bearer "));
    let Some(account) = state.account(token) else {
        return Answer::refusal(401, "unauthorized");
    };
    let parts = parts(uri);
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    if let ["suppressions"] = parts.as_slice() {
        if method != Method::GET {
            return Answer::refusal(405, "method");
        }
        let query = uri.query().unwrap_or_default();
        let cursor = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "cursor")
            .map(|(_, value)| value.into_owned());
        return state.suppressions(cursor.as_deref());
    }
    if let ["enrollments", named] = parts.as_slice() {
        let key = key_of(header("Idempotency-Key").unwrap_or_default());
        return match *method {
            _ if !state.sequences => Answer::refusal(404, "not_found"),
            Method::GET => match state.found(account, named) {
                Some(body) => Answer { status: 200, body },
                None => Answer::refusal(404, "not_found"),
            },
            Method::PUT => match serde_json::from_slice::<Value>(body) {
                Ok(body) => state.enroll(account, named, key, &body),
                Err(_) => state.refuse(400, "json"),
            },
            _ => Answer::refusal(405, "method"),
        };
    }
    let (entity, rest) = match parts.as_slice() {
        ["contacts", rest @ ..] => (Entity::Contact, rest),
        ["tasks", rest @ ..] => (Entity::Task, rest),
        _ => return Answer::refusal(404, "not_found"),
    };
    let kind = header(CONTENT_TYPE.as_str()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Answer::refusal(415, "content_type");
    }
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return state.refuse(400, "json");
    };
    match (method, rest) {
        (&Method::POST, ["batch"]) if state.batch_route => state.batch(account, entity, body, half),
        (&Method::PUT, [] | [_]) => {
            let key = key_of(header("Idempotency-Key").unwrap_or_default());
            let only_if_there = header("If-Match") == Some("*");
            if only_if_there && !state.has(account, entity, &body) {
                return Answer::refusal(412, "not_found");
            }
            state.put(account, entity, rest.first().copied(), key, body)
        }
        (_, ["batch"]) => Answer::refusal(404, "not_found"),
        _ => Answer::refusal(405, "method"),
    }
}

/// A key without its quotes, if it has some.
fn key_of(header: &str) -> &str {
    header
        .strip_prefix('"')
        .and_then(|key| key.strip_suffix('"'))
        .unwrap_or(header)
}

fn unescape(text: &str) -> String {
    // A plus is a plus in a path.
    let pair = format!("={}", text.replace('+', "%2B"));
    form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn plain(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
    response
}

fn json(answer: &Answer) -> Response {
    let mut response = plain(answer.status);
    *response.body_mut() = Body::from(answer.body.to_string());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn half_of(answer: &Answer) -> Bytes {
    let text = answer.body.to_string();
    let half = text.len() / 2;
    Bytes::from(text.into_bytes()).slice(..half)
}

/// Promises the whole answer, sends half of it and breaks off.
fn truncated(answer: &Answer) -> Response {
    let text = answer.body.to_string();
    let mut response = json(answer);
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    let pieces: [io::Result<Bytes>; 2] = [
        Ok(half_of(answer)),
        Err(io::ErrorKind::ConnectionReset.into()),
    ];
    *response.body_mut() = Body::from_stream(futures::stream::iter(pieces));
    response
}
