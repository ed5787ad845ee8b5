//! Mail providers, as the reference's section 3.7, SendGrid's published description
//! and the project's contract for Postmark say. They know nothing of the gateways.

#![allow(
    clippy::indexing_slicing,
    reason = "what is not in a json value is null"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State as Held};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use odx_core::Error;
use odx_core::clock::{Clock, SystemClock};
use odx_core::outreach::Inbound;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::door::{self, Server};
use super::fault::{Fault, Faults};
use super::line::Cutter;
use super::schema::{Body as Vendors, Checked, Schemas};
use super::store::Answer;

/// A mail that a provider has taken.
#[derive(Clone)]
#[non_exhaustive]
pub struct Mail {
    /// The provider's id of it.
    pub id: String,
    /// To whom.
    pub to: String,
    /// From whom, as it is shown.
    pub from: String,
    /// The subject.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// Headers that were asked for.
    pub headers: BTreeMap<String, String>,
    /// The attempt it belongs to.
    pub attempt: String,
    /// The group or stream it went by.
    pub by: String,
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// It was taken and thrown away: the address is on a list.
    pub dropped: bool,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("id", &self.id)
            .field("by", &self.by)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

/// The lists of SendGrid's that have a time in their rows.
const LISTS: [&str; 4] = ["bounces", "spam_reports", "unsubscribes", "invalid_emails"];

/// A row of a list: when, and whom.
type Row = (i64, String);

struct State {
    checked: Checked,
    mails: Vec<Mail>,
    lists: HashMap<String, Vec<Row>>,
    groups: BTreeMap<u32, BTreeSet<String>>,
    inactive: BTreeSet<String>,
    refused: HashMap<String, i64>,
    faults: Faults,
    rate_reset: Option<String>,
    requests: u64,
    clock: Arc<dyn Clock>,
}

/// SendGrid and Postmark at one address, with one account each. A copy is the same.
///
/// What they do, and where that is written:
///
/// * SendGrid takes a mail with 202 and `X-Message-Id`, if it fits the vendor's schema
///   (3.7, [`with_schemas`](Self::with_schemas)); one to an address on a list is taken and dropped
/// * SendGrid lists what it dropped by `start_time`, `end_time`, `limit` and `offset`,
///   newest first (vendor's description, `GET_suppression-*`)
/// * SendGrid signs its events with ECDSA over the timestamp and the raw body (3.7)
/// * Postmark answers a batch with 200 and an `ErrorCode` for each mail; 406 for an
///   address that is inactive (3.7, contract)
/// * Postmark signs nothing (3.7)
#[derive(Clone)]
pub struct Mails {
    state: Arc<Mutex<State>>,
    key: Arc<Option<EcdsaKeyPair>>,
}

impl fmt::Debug for Mails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Mails")
            .field("taken", &state.mails.len())
            .field("requests", &state.requests)
            .finish_non_exhaustive()
    }
}

impl Default for Mails {
    fn default() -> Self {
        Self::new()
    }
}

impl Mails {
    /// SendGrid's API key.
    pub const API_KEY: &str = "SG.mails-api-key";
    /// Postmark's server token.
    pub const SERVER_TOKEN: &str = "mails-server-token";

    /// Providers that have sent nothing yet.
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .ok()
            .and_then(|pkcs8| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).ok());
        Self {
            state: Arc::new(Mutex::new(State {
                checked: Checked::default(),
                mails: Vec::new(),
                lists: HashMap::new(),
                groups: BTreeMap::new(),
                inactive: BTreeSet::new(),
                refused: HashMap::new(),
                faults: Faults::default(),
                rate_reset: None,
                requests: 0,
                clock: Arc::new(SystemClock),
            })),
            key: Arc::new(key),
        }
    }

    /// Sets the clock that they date by.
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

    /// Answers on a free port of 127.0.0.1 until the server is dropped.
    ///
    /// # Errors
    /// Those of opening a port.
    pub async fn serve(&self) -> io::Result<Server> {
        let app = Router::new().fallback(answer).with_state(self.clone());
        door::host(app, "/", 0).await
    }

    /// Every mail they have taken, in order.
    pub fn mails(&self) -> Vec<Mail> {
        self.state().mails.clone()
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

    /// Every answer from now on says when there is a new share of requests.
    pub fn set_rate_reset(&self, epoch: i64) {
        self.state().rate_reset = Some(epoch.to_string());
    }

    /// Every mail to this address is refused: by Postmark with this code, by
    /// SendGrid as no valid address.
    pub fn refuse(&self, to: &str, code: i64) {
        self.state().refused.insert(to.to_owned(), code);
    }

    /// Puts an address on a list of SendGrid's: `bounces`, `spam_reports`,
    /// `unsubscribes` or `invalid_emails`.
    pub fn list(&self, list: &str, email: &str, at: DateTime<Utc>) {
        let row = (at.timestamp(), email.to_owned());
        let mut state = self.state();
        state.lists.entry(list.to_owned()).or_default().push(row);
    }

    /// Takes an address off a list of SendGrid's.
    pub fn unlist(&self, list: &str, email: &str) {
        if let Some(rows) = self.state().lists.get_mut(list) {
            rows.retain(|(_, known)| known != email);
        }
    }

    /// The addresses on a list of SendGrid's.
    pub fn listed(&self, list: &str) -> Vec<String> {
        let state = self.state();
        let rows = state.lists.get(list).into_iter().flatten();
        rows.map(|(_, email)| email.clone()).collect()
    }

    /// Puts an address on a group's list of SendGrid's.
    pub fn group(&self, group: u32, email: &str) {
        let mut state = self.state();
        state
            .groups
            .entry(group)
            .or_default()
            .insert(email.to_owned());
    }

    /// The addresses on a group's list.
    pub fn grouped(&self, group: u32) -> Vec<String> {
        let state = self.state();
        let all = state.groups.get(&group).into_iter().flatten();
        all.cloned().collect()
    }

    /// Postmark writes to this address no more.
    pub fn deactivate(&self, email: &str) {
        self.state().inactive.insert(email.to_owned());
    }

    /// The key that SendGrid's events are signed with, as it is shown there.
    pub fn event_key(&self) -> String {
        const SPKI: [u8; 26] = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        let mut der = SPKI.to_vec();
        if let Some(key) = self.key.as_ref() {
            der.extend_from_slice(key.public_key().as_ref());
        }
        STANDARD.encode(der)
    }

    /// The call that tells `url` of these events of SendGrid's, signed.
    pub fn sendgrid_events(&self, url: &str, events: &[Value]) -> Inbound {
        let now = self.state().clock.now();
        let body = Value::from(events.to_vec()).to_string().into_bytes();
        let stamp = now.timestamp().to_string();
        let signature = self.sign(&[stamp.as_bytes(), &body].concat());
        let headers = [
            ("content-type", "application/json"),
            ("x-twilio-email-event-webhook-signature", &signature),
            ("x-twilio-email-event-webhook-timestamp", &stamp),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Inbound::new(url.to_owned(), headers.into(), body, now)
    }

    /// One event of SendGrid's about a mail it took: `delivered`, `bounce`,
    /// `dropped`, `spamreport`, `unsubscribe`, `group_unsubscribe` and so on.
    pub fn sendgrid_event(&self, mail: &Mail, event: &str) -> Value {
        json!({
            "email": mail.to,
            "timestamp": self.state().clock.now().timestamp(),
            "event": event,
            "sg_event_id": format!("e-{}", mail.id),
            "sg_message_id": format!("{}.filterdrecv-1-1-0.0", mail.id),
            "odx_attempt": mail.attempt,
        })
    }

    /// The call that tells `url` of this record of Postmark's.
    pub fn postmark_call(&self, url: &str, user: &str, password: &str, record: &Value) -> Inbound {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("authorization", format!("Basic {credentials}")),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        let body = record.to_string().into_bytes();
        Inbound::new(
            url.to_owned(),
            headers.into(),
            body,
            self.state().clock.now(),
        )
    }

    /// Makes a call: the status it is answered with.
    ///
    /// # Errors
    /// If nobody answers there.
    pub async fn call(&self, call: &Inbound) -> Result<u16, Error> {
        door::call(call).await
    }

    fn sign(&self, what: &[u8]) -> String {
        let random = SystemRandom::new();
        let key = self.key.as_ref().as_ref();
        key.and_then(|key| key.sign(&random, what).ok())
            .map(|signature| STANDARD.encode(signature))
            .unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(
    Held(mails): Held<Mails>,
    ConnectInfo(line): ConnectInfo<Cutter>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (fault, reset) = {
        let mut state = mails.state();
        state.requests += 1;
        (state.faults.next(), state.rate_reset.clone())
    };
    let early = fault
        .as_ref()
        .and_then(|fault| door::before(fault, &line, &body));
    let mut response = match early {
        Some(response) => response,
        None => {
            let answer = mails.state().route(&method, &uri, &headers, &body);
            let mut response = door::after(fault, &line, &answer).await;
            if response.status() == 202 {
                *response.body_mut() = Body::empty();
                let id = answer.body.as_str().unwrap_or_default();
                if let Ok(id) = HeaderValue::from_str(id) {
                    response.headers_mut().insert("x-message-id", id);
                }
            }
            response
        }
    };
    if let Some(reset) = reset.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert("x-ratelimit-reset", reset);
    }
    response
}

fn complaint(status: u16, message: &str, field: Option<&str>) -> Answer {
    let body = json!({ "errors": [{ "message": message, "field": field, "help": null }] });
    Answer { status, body }
}

fn item(status: u16, code: i64, message: &str) -> Answer {
    let body = json!({ "ErrorCode": code, "Message": message });
    Answer { status, body }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl State {
    fn route(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let json_sent =
            header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind == "application/json");
        if *method == Method::POST && !json_sent {
            self.checked.misfits.push("the content type".into());
        }
        let parts: Vec<_> = uri.path().trim_start_matches('/').split('/').collect();
        if parts.first() == Some(&"v3") {
            let known = format!("Bearer {}", Mails::API_KEY);
            if header(AUTHORIZATION.as_str()) != Some(known.as_str()) {
                return complaint(401, "authorization required", None);
            }
            return self.sendgrid(method, &parts, uri.query().unwrap_or_default(), body);
        }
        if header("X-Postmark-Server-Token") != Some(Mails::SERVER_TOKEN) {
            return item(401, 10, "No or incorrect server token");
        }
        if header("Accept") != Some("application/json") {
            self.checked.misfits.push("the accept header".into());
        }
        match (method, parts.as_slice()) {
            (&Method::GET, ["server"]) => Answer {
                status: 200,
                body: json!({ "ID": 1 }),
            },
            (&Method::POST, ["email", "batch"]) => self.postmark_batch(body),
            _ => item(404, 404, "not found"),
        }
    }

    fn sendgrid(&mut self, method: &Method, parts: &[&str], query: &str, body: &[u8]) -> Answer {
        match (method, parts) {
            (&Method::POST, ["v3", "mail", "send"]) => self.sendgrid_send(body),
            (&Method::GET, ["v3", "suppression", list]) if LISTS.contains(list) => {
                self.sendgrid_list(list, query)
            }
            (&Method::GET, ["v3", "asm", "groups", group, "suppressions"]) => {
                let group = group
                    .parse()
                    .ok()
                    .and_then(|group: u32| self.groups.get(&group));
                match group {
                    Some(emails) => Answer {
                        status: 200,
                        body: json!(emails),
                    },
                    None => complaint(404, "resource not found", None),
                }
            }
            (&Method::POST, ["v3", "asm", rest @ ..]) => {
                let sent: Value = serde_json::from_slice(body).unwrap_or_default();
                if !self.checked.fits(Vendors::SendGridStops, &sent) {
                    return complaint(400, "invalid body", None);
                }
                let emails: Vec<String> = sent["recipient_emails"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(text)
                    .collect();
                let now = self.clock.now().timestamp();
                match rest {
                    ["suppressions", "global"] => {
                        let rows = self.lists.entry("unsubscribes".into()).or_default();
                        for email in &emails {
                            if !rows.iter().any(|(_, known)| known == email) {
                                rows.push((now, email.clone()));
                            }
                        }
                    }
                    ["groups", group, "suppressions"] => {
                        let group: u32 = group.parse().unwrap_or_default();
                        self.groups.entry(group).or_default().extend(emails.clone());
                    }
                    _ => return complaint(404, "resource not found", None),
                }
                Answer {
                    status: 201,
                    body: json!({ "recipient_emails": emails }),
                }
            }
            _ => complaint(404, "resource not found", None),
        }
    }

    fn sendgrid_send(&mut self, body: &[u8]) -> Answer {
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        if !self.checked.fits(Vendors::SendGridMail, &sent) {
            return complaint(400, "bad request", None);
        }
        let person = &sent["personalizations"][0];
        let to = text(&person["to"][0]["email"]);
        if self.refused.contains_key(&to) {
            return complaint(
                400,
                "Does not contain a valid address.",
                Some("personalizations.0.to.0.email"),
            );
        }
        let group = sent["asm"]["group_id"].as_u64();
        let in_group = group
            .and_then(|group| self.groups.get(&u32::try_from(group).ok()?))
            .is_some_and(|group| group.contains(&to));
        let on_a_list = self.lists.values().flatten().any(|(_, known)| *known == to);
        let headers = sent["headers"].as_object().cloned().unwrap_or_default();
        let id = format!("sg-{}", self.mails.len() + 1);
        self.mails.push(Mail {
            id: id.clone(),
            from: text(&sent["from"]["name"]),
            subject: text(&sent["subject"]),
            text: text(&sent["content"][0]["value"]),
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
            attempt: text(&person["custom_args"]["odx_attempt"]),
            by: group.map(|group| group.to_string()).unwrap_or_default(),
            at: self.clock.now(),
            dropped: in_group || on_a_list,
            to,
        });
        Answer {
            status: 202,
            body: json!(id),
        }
    }

    fn sendgrid_list(&self, list: &str, query: &str) -> Answer {
        let query: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let number = |name: &str| query.get(name).and_then(|text| text.parse::<i64>().ok());
        let place = |name: &str, or: usize| {
            number(name).map_or(or, |n| usize::try_from(n).unwrap_or_default())
        };
        let from = number("start_time").unwrap_or(i64::MIN);
        let until = number("end_time").unwrap_or(i64::MAX);
        let mut rows: Vec<_> = self.lists.get(list).into_iter().flatten().collect();
        rows.retain(|(at, _)| (from..=until).contains(at));
        rows.sort_by(|one, other| other.cmp(one));
        let rows: Vec<_> = rows
            .into_iter()
            .skip(place("offset", 0))
            .take(place("limit", 500).min(500))
            .map(|(at, email)| match list {
                "spam_reports" => json!({ "created": at, "email": email, "ip": "192.0.2.1" }),
                "unsubscribes" => json!({ "created": at, "email": email }),
                _ => json!({ "created": at, "email": email, "reason": "550 5.1.1", "status": "5.1.1" }),
            })
            .collect();
        Answer {
            status: 200,
            body: json!(rows),
        }
    }

    fn postmark_batch(&mut self, body: &[u8]) -> Answer {
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        if !self.checked.fits(Vendors::PostmarkBatch, &sent) {
            return item(422, 422, "Invalid JSON");
        }
        let all = sent.as_array().cloned().unwrap_or_default();
        let items: Vec<_> = all.iter().map(|mail| self.postmark_one(mail)).collect();
        Answer {
            status: 200,
            body: json!(items),
        }
    }

    fn postmark_one(&mut self, mail: &Value) -> Value {
        let to = text(&mail["To"]);
        if let Some(code) = self.refused.get(&to) {
            return json!({ "ErrorCode": code, "Message": format!("Invalid 'To' address: {to}") });
        }
        if self.inactive.contains(&to) {
            let message = format!("Found inactive addresses: {to}.");
            return json!({ "ErrorCode": 406, "Message": message });
        }
        let id = format!("pm-{}", self.mails.len() + 1);
        let headers = mail["Headers"].as_array().cloned().unwrap_or_default();
        self.mails.push(Mail {
            id: id.clone(),
            from: text(&mail["From"]),
            subject: text(&mail["Subject"]),
            text: text(&mail["TextBody"]),
            headers: headers
                .iter()
                .map(|header| (text(&header["Name"]), text(&header["Value"])))
                .collect(),
            attempt: text(&mail["Metadata"]["odx_attempt"]),
            by: text(&mail["MessageStream"]),
            at: self.clock.now(),
            dropped: false,
            to: to.clone(),
        });
        json!({
            "ErrorCode": 0,
            "Message": "OK",
            "MessageID": id,
            "SubmittedAt": self.clock.now().to_rfc3339(),
            "To": to,
        })
    }
}
