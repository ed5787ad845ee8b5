//! A text provider, as the reference's section 3.6 and the vendor's published
//! description of Messages say. It knows nothing of the gateway.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State as Held};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, Utc};
use odx_core::Error;
use odx_core::clock::{Clock, SystemClock};
use odx_core::outreach::Inbound;
use ring::hmac;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::door::{self, Server};
use super::fault::{Fault, Faults};
use super::line::Cutter;
use super::schema::{self, Body, Checked, Schemas};
use super::store::Answer;

/// A text that the provider has taken.
#[derive(Clone)]
#[non_exhaustive]
pub struct Text {
    /// The provider's id of it.
    pub sid: String,
    /// To whom.
    pub to: String,
    /// What it says.
    pub body: String,
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// How long it may wait, in seconds.
    pub valid_for: Option<u64>,
    /// Where reports of it go.
    pub status_callback: Option<String>,
    /// How far it came, in the provider's word.
    pub status: String,
    sender: (&'static str, String),
    sent: Option<DateTime<Utc>>,
    forget_body: bool,
    obfuscate: bool,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text")
            .field("sid", &self.sid)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

struct State {
    checked: Checked,
    texts: Vec<Text>,
    opted_out: BTreeSet<String>,
    refused: HashMap<String, (u16, u32)>,
    refuse_next: VecDeque<(u16, u32)>,
    faults: Faults,
    requests: u64,
    heard: u64,
    page: usize,
    queueing: bool,
    advanced: bool,
    clock: Arc<dyn Clock>,
}

/// A text provider with one account. A copy is the same provider.
///
/// What it does, and where that is written:
///
/// * takes a text with 201, `sid` and `status` (3.6), if it fits the vendor's schema
///   ([`with_schemas`](Self::with_schemas)); else 400
/// * refuses a number that said stop with 21610 (3.6); START lifts that
/// * has no idempotency key: the same request twice is two texts (3.6)
/// * lists by `To` and `DateSent>`, in pages (vendor's description, `ListMessage`);
///   what is still queued has no date of sending
/// * signs its calls as `X-Twilio-Signature` (3.6)
#[derive(Clone)]
pub struct Texts {
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Texts")
            .field("taken", &state.texts.len())
            .field("requests", &state.requests)
            .finish_non_exhaustive()
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self::new()
    }
}

impl Texts {
    /// Its account.
    pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
    /// The name of its API key.
    pub const KEY: &str = "SK00000000000000000000000000000001";
    /// The secret of its API key.
    pub const SECRET: &str = "texts-key-secret";
    /// The token its calls are signed with.
    pub const AUTH_TOKEN: &str = "twilio-token";
    /// Its messaging service.
    pub const SERVICE: &str = "MG00000000000000000000000000000001";
    /// The number that its messaging service sends from.
    pub const NUMBER: &str = "+15035550100";

    /// A provider that has sent nothing yet.
    pub fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                checked: Checked::default(),
                texts: Vec::new(),
                opted_out: BTreeSet::new(),
                refused: HashMap::new(),
                refuse_next: VecDeque::new(),
                faults: Faults::default(),
                requests: 0,
                heard: 0,
                page: 50,
                queueing: false,
                advanced: true,
                clock: Arc::new(SystemClock),
            })),
        }
    }

    /// Sets the clock that it dates by.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        self.state().clock = clock;
        self
    }

    /// Sets what says whether a body fits its vendor's schema. One that does not is
    /// refused; without schemas all are taken.
    #[must_use]
    pub fn with_schemas(self, schemas: Schemas) -> Self {
        self.state().checked.schemas = Some(schemas);
        self
    }

    /// Answers on a free port of 127.0.0.1 until the server is dropped. May be
    /// called again: what was taken stays.
    ///
    /// # Errors
    /// Those of opening a port.
    pub async fn serve(&self) -> io::Result<Server> {
        self.serve_on(0).await
    }

    /// As [`serve`](Self::serve), on this port.
    ///
    /// # Errors
    /// Those of opening a port.
    pub async fn serve_on(&self, port: u16) -> io::Result<Server> {
        let app = Router::new().fallback(answer).with_state(self.clone());
        door::host(app, "/", port).await
    }

    /// Every text it has taken, in order: what a phone would show.
    pub fn texts(&self) -> Vec<Text> {
        self.state().texts.clone()
    }

    /// What requests did not fit the [schemas](Self::with_schemas), as places in the schema.
    pub fn misfits(&self) -> Vec<String> {
        self.state().checked.misfits.clone()
    }

    /// Requests that came in so far.
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// The next `n` requests meet this fault, after those already planned.
    /// [`Fault::Hang`] swallows the answer of a client with less patience.
    pub fn fail_next(&self, n: usize, fault: Fault) {
        self.state().faults.plan(n, &fault);
    }

    /// From now on a share `p` of all requests meets one of these faults.
    pub fn rate(&self, seed: u64, p: f64, faults: &[Fault]) {
        self.state().faults.rate(seed, p, faults);
    }

    /// No more faults.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The next text is refused with this status and code.
    pub fn refuse_next(&self, status: u16, code: u32) {
        self.state().refuse_next.push_back((status, code));
    }

    /// Every text to this number is refused with this status and code.
    pub fn refuse(&self, to: &str, status: u16, code: u32) {
        self.state().refused.insert(to.to_owned(), (status, code));
    }

    /// Sets how many texts stand on a page of a list. Fifty by default.
    pub fn set_page(&self, texts: usize) {
        self.state().page = texts.max(1);
    }

    /// From now on texts wait: they are taken and have no date of sending until
    /// they are reported on.
    pub fn hold_queue(&self) {
        self.state().queueing = true;
    }

    /// Says what a number's stop was in a field of its own (advanced opt-out, the
    /// default), or leaves it to the words.
    pub fn set_advanced_opt_out(&self, advanced: bool) {
        self.state().advanced = advanced;
    }

    /// The numbers that said stop.
    pub fn opted_out(&self) -> Vec<String> {
        self.state().opted_out.iter().cloned().collect()
    }

    /// Somebody texts the practice. The keywords of 3.6 change the list of stops;
    /// what comes back is the call that tells `url` of it.
    pub fn text_from(&self, from: &str, body: &str, url: &str) -> Inbound {
        let word = body.trim().to_ascii_uppercase();
        let kind = match word.as_str() {
            "STOP" | "UNSUBSCRIBE" | "END" | "QUIT" | "STOPALL" | "REVOKE" | "OPTOUT"
            | "CANCEL" => Some("STOP"),
            "START" | "UNSTOP" => Some("START"),
            "HELP" | "INFO" => Some("HELP"),
            _ => None,
        };
        let mut state = self.state();
        match kind {
            Some("STOP") => drop(state.opted_out.insert(from.to_owned())),
            Some("START") => drop(state.opted_out.remove(from)),
            _ => {}
        }
        state.heard += 1;
        let sid = format!("SM{:032x}", 0xf000_0000_u64 + state.heard);
        let mut pairs = vec![
            ("AccountSid", Self::ACCOUNT),
            ("Body", body),
            ("From", from),
            ("MessageSid", sid.as_str()),
            ("MessagingServiceSid", Self::SERVICE),
            ("NumMedia", "0"),
            ("SmsStatus", "received"),
            ("To", Self::NUMBER),
        ];
        if let Some(kind) = kind.filter(|_| state.advanced) {
            pairs.push(("OptOutType", kind));
        }
        signed(url, &pairs, state.clock.now())
    }

    /// How far a text came, with a code where it failed. What comes back is the
    /// call that tells its status callback; none if nobody asked for any.
    pub fn report(&self, sid: &str, status: &str, code: Option<u32>) -> Option<Inbound> {
        let mut state = self.state();
        let now = state.clock.now();
        let text = state.texts.iter_mut().find(|text| text.sid == sid)?;
        status.clone_into(&mut text.status);
        text.sent.get_or_insert(now);
        let to = text.to.clone();
        let url = text.status_callback.clone()?;
        let code = code.map(|code| code.to_string());
        let mut pairs = vec![
            ("AccountSid", Self::ACCOUNT),
            ("From", Self::NUMBER),
            ("MessageSid", sid),
            ("MessageStatus", status),
            ("SmsSid", sid),
            ("SmsStatus", status),
            ("To", to.as_str()),
        ];
        if let Some(code) = &code {
            pairs.push(("ErrorCode", code));
        }
        Some(signed(&url, &pairs, now))
    }

    /// Makes a call: the status it is answered with.
    ///
    /// # Errors
    /// If nobody answers there.
    pub async fn call(&self, call: &Inbound) -> Result<u16, Error> {
        door::call(call).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A form with its signature: the address and the sorted pairs, one after another.
fn signed(url: &str, pairs: &[(&str, &str)], now: DateTime<Utc>) -> Inbound {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let mut text = url.to_owned();
    for (name, value) in sorted {
        text.push_str(name);
        text.push_str(value);
    }
    let key = hmac::Key::new(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Texts::AUTH_TOKEN.as_bytes(),
    );
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-twilio-signature", signature.as_str()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Inbound::new(url.to_owned(), headers.into(), body.into_bytes(), now)
}

async fn answer(
    Held(texts): Held<Texts>,
    ConnectInfo(line): ConnectInfo<Cutter>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = {
        let mut state = texts.state();
        state.requests += 1;
        state.faults.next()
    };
    if let Some(response) = fault
        .as_ref()
        .and_then(|fault| door::before(fault, &line, &body))
    {
        return response;
    }
    let answer = texts.state().route(&method, &uri, &headers, &body);
    door::after(fault, &line, &answer).await
}

fn refusal(status: u16, code: u32) -> Answer {
    let body = json!({
        "code": code,
        "message": "no",
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status,
    });
    Answer { status, body }
}

impl State {
    fn route(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let known = STANDARD.encode(format!("{}:{}", Texts::KEY, Texts::SECRET));
        if header(AUTHORIZATION.as_str()) != Some(format!("Basic {known}").as_str()) {
            return refusal(401, 20003);
        }
        let path = format!("/2010-04-01/Accounts/{}/Messages.json", Texts::ACCOUNT);
        if uri.path() != path {
            return refusal(404, 20404);
        }
        match *method {
            Method::GET => self.list(&path, uri.query().unwrap_or_default()),
            Method::POST => {
                let kind = header(CONTENT_TYPE.as_str()).unwrap_or_default();
                if !kind.starts_with("application/x-www-form-urlencoded") {
                    self.checked.misfits.push("the content type".into());
                    return refusal(415, 20415);
                }
                self.take(body)
            }
            _ => refusal(405, 20004),
        }
    }

    fn take(&mut self, body: &[u8]) -> Answer {
        let form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let whole: Map<String, Value> = form
            .iter()
            .map(|(name, value)| (name.clone(), schema::typed(name, value)))
            .collect();
        if !self.checked.fits(Body::Text, &Value::Object(whole)) {
            return refusal(400, 21211);
        }
        let field = |name: &str| form.get(name).cloned();
        let to = field("To").unwrap_or_default();
        if let Some((status, code)) = self.refuse_next.pop_front() {
            return refusal(status, code);
        }
        if let Some((status, code)) = self.refused.get(&to) {
            return refusal(*status, *code);
        }
        if self.opted_out.contains(&to) {
            return refusal(400, 21610);
        }
        if field("MessagingServiceSid").is_some_and(|sid| sid != Texts::SERVICE) {
            return refusal(404, 21705);
        }
        let now = self.clock.now();
        let sender = match field("MessagingServiceSid") {
            Some(sid) => ("MessagingServiceSid", sid),
            None => ("From", field("From").unwrap_or_default()),
        };
        let text = Text {
            sid: format!("SM{:032x}", self.texts.len() + 1),
            to,
            body: field("Body").unwrap_or_default(),
            at: now,
            valid_for: field("ValidityPeriod").and_then(|text| text.parse().ok()),
            status_callback: field("StatusCallback"),
            status: "accepted".into(),
            sender,
            sent: (!self.queueing).then_some(now),
            forget_body: field("ContentRetention").as_deref() == Some("discard"),
            obfuscate: field("AddressRetention").as_deref() == Some("obfuscate"),
        };
        let body = shown(&text);
        self.texts.push(text);
        Answer { status: 201, body }
    }

    /// Newest first.
    fn list(&self, path: &str, query: &str) -> Answer {
        let query: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let after = query.get("DateSent>").and_then(|text| instant(text));
        if query.contains_key("DateSent>") && after.is_none() {
            return refusal(400, 20001);
        }
        let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
        let size = number("PageSize").unwrap_or(50).min(self.page).max(1);
        let page = number("Page").unwrap_or(0);
        let found: Vec<_> = self
            .texts
            .iter()
            .rev()
            .filter(|text| {
                let to = query.get("To");
                to.is_none_or(|to| *to == text.to && !text.obfuscate)
            })
            .filter(|text| after.is_none_or(|after| text.sent.is_some_and(|sent| sent >= after)))
            .collect();
        let from = page.saturating_mul(size);
        let messages: Vec<_> = found
            .iter()
            .skip(from)
            .take(size)
            .map(|text| shown(text))
            .collect();
        let next = (found.len() > from.saturating_add(size)).then(|| {
            let mut pairs = form_urlencoded::Serializer::new(String::new());
            for (name, value) in &query {
                if name != "Page" && name != "PageToken" {
                    pairs.append_pair(name, value);
                }
            }
            pairs.append_pair("Page", &(page + 1).to_string());
            pairs.append_pair("PageToken", "PASM1");
            format!("{path}?{}", pairs.finish())
        });
        let body =
            json!({ "messages": messages, "next_page_uri": next, "page": page, "page_size": size });
        Answer { status: 200, body }
    }
}

/// A day or a moment.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let whole = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    whole.ok().or_else(|| {
        let day: NaiveDate = text.parse().ok()?;
        Some(day.and_hms_opt(0, 0, 0)?.and_utc())
    })
}

/// A text as the provider shows it.
fn shown(text: &Text) -> Value {
    let date = |at: DateTime<Utc>| at.to_rfc2822();
    let to = if text.obfuscate {
        let kept = text.to.len().saturating_sub(4);
        format!("{}XXXX", text.to.get(..kept).unwrap_or_default())
    } else {
        text.to.clone()
    };
    let (by, sender) = &text.sender;
    json!({
        "account_sid": Texts::ACCOUNT,
        "body": if text.forget_body { "" } else { text.body.as_str() },
        "date_created": date(text.at),
        "date_sent": text.sent.map(date),
        "direction": "outbound-api",
        "error_code": null,
        "from": if *by == "From" { Some(sender) } else { None },
        "messaging_service_sid": if *by == "From" { None } else { Some(sender) },
        "sid": text.sid,
        "status": text.status,
        "to": to,
    })
}
