//! What the CRM holds, and what a request does to it. No I/O.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use chrono::{DateTime, Utc};
use odx_core::clock::{Clock as _, SystemClock};
use odx_core::crm::{Body, Contact, Enrollment, Entity, Task};
use odx_core::model::Channel;
use odx_core::sink::{Suppression, Target};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::fault::Faults;
use super::wire;

/// One record, and how it came to be so.
#[derive(Clone)]
#[non_exhaustive]
pub struct Held<T> {
    /// Its state now.
    pub record: T,
    /// The CRM's own id of it.
    pub remote_id: String,
    /// Which account it belongs to: the place of its token.
    pub account: usize,
    /// The content hash of every write that changed it, in order.
    pub hashes: Vec<String>,
    raw: Value,
}

impl<T> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("remote_id", &self.remote_id)
            .field("account", &self.account)
            .field("writes", &self.hashes.len())
            .finish_non_exhaustive()
    }
}

/// One write, whatever became of it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Write {
    /// Which account it came to: the place of its token.
    pub account: usize,
    /// What was to be.
    pub body: Body,
    /// It changed what the CRM holds.
    pub changed: bool,
    /// When it was looked at.
    pub at: DateTime<Utc>,
    /// Under which idempotency key.
    pub key: String,
    raw: Value,
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("account", &self.account)
            .field("changed", &self.changed)
            .finish_non_exhaustive()
    }
}

/// What the CRM counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Requests, whatever became of them.
    pub requests: u64,
    /// Records created.
    pub creates: u64,
    /// Records changed.
    pub updates: u64,
    /// Writes of what was there already, replays among them.
    pub identical_rewrites: u64,
    /// Writes answered from memory, because their idempotency key and content
    /// were known.
    pub replays: u64,
    /// Writes with a known idempotency key and other content. Each is a defect.
    pub duplicates: u64,
    /// Writes refused for what they said.
    pub refused: u64,
    /// Requests without a good token.
    pub unauthorized: u64,
    /// Starts of a sequence.
    pub enrollments: u64,
    /// Starts of a sequence for an occurrence that had started one before. Each
    /// is somebody who hears twice.
    pub enrollments_twice: u64,
}

/// Somebody who was taken into a sequence.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Enrolled {
    /// Whom, and into which.
    pub enrollment: Enrollment,
    /// Which account it came to: the place of its token.
    pub account: usize,
    /// Under which idempotency key.
    pub key: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// One answer.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn refusal(status: u16, code: &str) -> Self {
        Self {
            status,
            body: json!({ "code": code }),
        }
    }
}

struct Remembered {
    entity: Entity,
    body: Value,
    answer: Answer,
    at: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) struct State {
    tokens: Vec<String>,
    contacts: BTreeMap<(usize, String), Held<Contact>>,
    tasks: BTreeMap<(usize, String), Held<Task>>,
    keys: HashMap<(usize, String), Remembered>,
    now: Duration,
    next_id: u64,
    pub(super) revoked: bool,
    pub(super) batch_route: bool,
    /// As they are spelled on the wire. None: it keeps no list.
    pub(super) stops: Option<Vec<Value>>,
    pub(super) stops_page: NonZeroUsize,
    pub(super) refused: HashMap<String, u16>,
    pub(super) postponed: HashMap<String, u16>,
    pub(super) faults: Faults,
    pub(super) counts: Counts,
    pub(super) writes: Option<Vec<Write>>,
    /// It has sequences.
    pub(super) sequences: bool,
    /// Every start of a sequence, in order.
    pub(super) enrolled: Vec<Enrolled>,
    /// What the next calls about sequences meet.
    pub(super) enrolling: Faults,
}

impl State {
    pub(super) fn new(tokens: &[&str]) -> Self {
        Self {
            tokens: tokens.iter().map(|&token| token.to_owned()).collect(),
            contacts: BTreeMap::new(),
            tasks: BTreeMap::new(),
            keys: HashMap::new(),
            now: Duration::ZERO,
            next_id: 0,
            revoked: false,
            batch_route: true,
            stops: Some(Vec::new()),
            stops_page: NonZeroUsize::MIN.saturating_add(99),
            refused: HashMap::new(),
            postponed: HashMap::new(),
            faults: Faults::default(),
            counts: Counts::default(),
            writes: None,
            sequences: true,
            enrolled: Vec::new(),
            enrolling: Faults::default(),
        }
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.now += by;
        let now = self.now;
        self.keys.retain(|_, known| now - known.at < DAY);
    }

    /// The account behind a token.
    pub(super) fn account(&mut self, token: Option<&str>) -> Option<usize> {
        let found = token
            .filter(|_| !self.revoked)
            .and_then(|token| self.tokens.iter().position(|known| known == token));
        if found.is_none() {
            self.counts.unauthorized += 1;
        }
        found
    }

    pub(super) fn contacts(&self, token: Option<&str>) -> Vec<Held<Contact>> {
        self.of(&self.contacts, token)
    }

    pub(super) fn tasks(&self, token: Option<&str>) -> Vec<Held<Task>> {
        self.of(&self.tasks, token)
    }

    fn of<T: Clone>(
        &self,
        map: &BTreeMap<(usize, String), Held<T>>,
        token: Option<&str>,
    ) -> Vec<Held<T>> {
        map.values()
            .filter(|held| {
                token.is_none_or(|token| self.tokens.get(held.account).is_some_and(|t| t == token))
            })
            .cloned()
            .collect()
    }

    /// One write. `named` is the id in the path, if there was one.
    pub(super) fn put(
        &mut self,
        account: usize,
        entity: Entity,
        named: Option<&str>,
        key: &str,
        body: Value,
    ) -> Answer {
        let read = self.writes.is_some().then(|| {
            let read = match entity {
                Entity::Contact => Contact::deserialize(&body).map(Body::Contact),
                Entity::Task => Task::deserialize(&body).map(Body::Task),
            };
            (read, body.clone())
        });
        let before = self.counts.creates + self.counts.updates;
        let answer = self.judge(account, entity, named, key, body);
        let changed = self.counts.creates + self.counts.updates > before;
        if let (Some(writes), Some((Ok(body), raw))) = (&mut self.writes, read) {
            writes.push(Write {
                account,
                body,
                changed,
                at: SystemClock.now(),
                key: key.to_owned(),
                raw,
            });
        }
        answer
    }

    /// Holds what these writes leave, and nothing else.
    pub(super) fn replay(&mut self, writes: &[Write]) {
        self.contacts.clear();
        self.tasks.clear();
        self.keys.clear();
        self.counts = Counts::default();
        self.writes = None;
        for write in writes {
            let entity = write.body.entity();
            self.put(write.account, entity, None, &write.key, write.raw.clone());
        }
    }

    fn judge(
        &mut self,
        account: usize,
        entity: Entity,
        named: Option<&str>,
        key: &str,
        body: Value,
    ) -> Answer {
        let id = text(&body, "external_id").unwrap_or_default();
        if let Some(status) = self.postponed.remove(&id) {
            return self.refuse(status, "busy");
        }
        let fits = (22..=64).contains(&key.len())
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !fits {
            return self.refuse(400, "idempotency_key");
        }
        let memory = (account, key.to_owned());
        if let Some(known) = self.keys.get(&memory) {
            if known.entity != entity || known.body != body {
                self.counts.duplicates += 1;
                return self.refuse(422, "idempotency_mismatch");
            }
            let answer = known.answer.clone();
            self.counts.replays += 1;
            if self.holds(account, entity, &body) {
                self.counts.identical_rewrites += 1;
            }
            return answer;
        }
        let checked = match entity {
            Entity::Contact => wire::check_contact(&body),
            Entity::Task => wire::check_task(&body),
        };
        if let Err(code) = checked {
            return self.refuse(422, code);
        }
        let Some(id) = text(&body, "external_id") else {
            return self.refuse(422, "external_id");
        };
        if named.is_some_and(|named| named != id) {
            return self.refuse(422, "external_id_mismatch");
        }
        if let Some(&status) = self.refused.get(&id).filter(|_| entity == Entity::Contact) {
            let mut answer = self.refuse(status, "refused");
            // As CRMs do: with what they complain about.
            let quoted = format!(
                "{} is refused",
                text(&body, "last_name").unwrap_or_default()
            );
            if let Some(fields) = answer.body.as_object_mut() {
                fields.insert("message".to_owned(), quoted.into());
            }
            return answer;
        }
        let answer = match entity {
            Entity::Contact => self.write(account, id, &body, |state| &mut state.contacts),
            Entity::Task => {
                let whose = text(&body, "contact_external_id").unwrap_or_default();
                if self.contacts.contains_key(&(account, whose)) {
                    self.write(account, id, &body, |state| &mut state.tasks)
                } else {
                    self.refuse(422, "unknown_contact")
                }
            }
        };
        if answer.status < 300 {
            let at = self.now;
            self.keys.insert(
                memory,
                Remembered {
                    entity,
                    body,
                    answer: answer.clone(),
                    at,
                },
            );
        }
        answer
    }

    /// Takes somebody into a sequence. Knows no idempotency: the same call twice
    /// reaches people twice, as in a CRM that does not keep its promise.
    pub(super) fn enroll(
        &mut self,
        account: usize,
        named: &str,
        key: &str,
        body: &Value,
    ) -> Answer {
        if let Err(code) = wire::check_enrollment(body) {
            return self.refuse(422, code);
        }
        let mut fields = body.clone();
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("content_hash");
        }
        let Ok(enrollment) = Enrollment::deserialize(&fields) else {
            return self.refuse(422, "unsupported");
        };
        if enrollment.external_id.as_str() != named {
            return self.refuse(422, "external_id_mismatch");
        }
        let whose = enrollment.contact_external_id.as_str().to_owned();
        if !self.contacts.contains_key(&(account, whose)) {
            return self.refuse(422, "unknown_contact");
        }
        let known = self.found(account, named).is_some();
        self.enrolled.push(Enrolled {
            enrollment,
            account,
            key: key.to_owned(),
            at: SystemClock.now(),
        });
        self.counts.enrollments += 1;
        self.counts.enrollments_twice += u64::from(known);
        let status = if known { 200 } else { 201 };
        let body = self.found(account, named).unwrap_or_default();
        Answer { status, body }
    }

    /// How it shows somebody who is in a sequence.
    pub(super) fn found(&self, account: usize, named: &str) -> Option<Value> {
        let mut enrolled = self.enrolled.iter().enumerate();
        enrolled
            .find(|(_, one)| one.account == account && one.enrollment.external_id.as_str() == named)
            .map(|(place, _)| json!({ "id": format!("seq-{}", place + 1), "external_id": named }))
    }

    fn write<T: DeserializeOwned>(
        &mut self,
        account: usize,
        id: String,
        body: &Value,
        map: impl Fn(&mut Self) -> &mut BTreeMap<(usize, String), Held<T>>,
    ) -> Answer {
        // The contract knows kinds of task that the model does not have yet.
        let Ok(record) = T::deserialize(body) else {
            return self.refuse(422, "unsupported");
        };
        let hash = text(body, "content_hash").unwrap_or_default();
        let place = (account, id);
        if let Some(held) = map(self).get_mut(&place) {
            let same = held.raw == *body;
            let remote_id = held.remote_id.clone();
            if !same {
                held.record = record;
                held.raw = body.clone();
                held.hashes.push(hash);
            }
            let counted = if same {
                &mut self.counts.identical_rewrites
            } else {
                &mut self.counts.updates
            };
            *counted += 1;
            return Answer {
                status: 200,
                body: json!({ "id": remote_id }),
            };
        }
        self.next_id += 1;
        let remote_id = format!("crm-{}", self.next_id);
        self.counts.creates += 1;
        let held = Held {
            record,
            remote_id: remote_id.clone(),
            account,
            hashes: vec![hash],
            raw: body.clone(),
        };
        map(self).insert(place, held);
        Answer {
            status: 201,
            body: json!({ "id": remote_id }),
        }
    }

    /// Whether the record that a body names is there.
    pub(super) fn has(&self, account: usize, entity: Entity, body: &Value) -> bool {
        let place = (account, text(body, "external_id").unwrap_or_default());
        match entity {
            Entity::Contact => self.contacts.contains_key(&place),
            Entity::Task => self.tasks.contains_key(&place),
        }
    }

    pub(super) fn delete(&mut self, external_id: &str) {
        self.contacts.retain(|(_, id), _| id != external_id);
        self.tasks.retain(|(_, id), _| id != external_id);
    }

    pub(super) fn set_stops(&mut self, stops: &[Suppression]) {
        self.stops = Some(stops.iter().map(spell).collect());
    }

    pub(super) fn add_stop(&mut self, stop: &Suppression) {
        self.stops.get_or_insert_default().push(spell(stop));
    }

    pub(super) fn add_unreadable_stop(&mut self) {
        let nobody = json!({ "phone": { "number": null }, "channel": "sms" });
        self.stops.get_or_insert_default().push(nobody);
    }

    fn holds(&self, account: usize, entity: Entity, body: &Value) -> bool {
        let place = (account, text(body, "external_id").unwrap_or_default());
        match entity {
            Entity::Contact => self.contacts.get(&place).is_some_and(|h| h.raw == *body),
            Entity::Task => self.tasks.get(&place).is_some_and(|h| h.raw == *body),
        }
    }

    pub(super) fn refuse(&mut self, status: u16, code: &str) -> Answer {
        self.counts.refused += 1;
        Answer::refusal(status, code)
    }

    /// Many writes, or the first half of them. Answered in another order than
    /// asked: nobody may rely on one.
    pub(super) fn batch(
        &mut self,
        account: usize,
        entity: Entity,
        body: Value,
        half: bool,
    ) -> Answer {
        let Value::Object(mut whole) = body else {
            return self.refuse(400, "shape");
        };
        let (Some(Value::Array(items)), true) = (whole.remove("items"), whole.is_empty()) else {
            return self.refuse(400, "shape");
        };
        let taken = if half { items.len() / 2 } else { items.len() };
        let mut results: Vec<Value> = items
            .into_iter()
            .take(taken)
            .map(|mut item| {
                let id = item.get("external_id").cloned();
                let key = item
                    .as_object_mut()
                    .and_then(|item| item.remove("idempotency_key"));
                let key = key.as_ref().and_then(Value::as_str).unwrap_or_default();
                let answer = self.put(account, entity, None, key, item);
                let mut line = json!({ "external_id": id, "status": answer.status });
                if let Some(line) = line.as_object_mut() {
                    for (field, name) in [("id", "id"), ("code", "error")] {
                        if let Some(value) = answer.body.get(field) {
                            line.insert(name.to_owned(), value.clone());
                        }
                    }
                }
                line
            })
            .collect();
        results.reverse();
        Answer {
            status: 200,
            body: json!({ "results": results }),
        }
    }

    /// A page of suppressions; the cursor is how many were read before.
    pub(super) fn suppressions(&self, cursor: Option<&str>) -> Answer {
        let Some(stops) = &self.stops else {
            return Answer::refusal(404, "no_such_list");
        };
        let Ok(from) = cursor.unwrap_or("0").parse::<usize>() else {
            return Answer::refusal(400, "cursor");
        };
        let page: Vec<_> = stops
            .iter()
            .skip(from)
            .take(self.stops_page.get())
            .cloned()
            .collect();
        let read = from.saturating_add(page.len());
        let more = read < stops.len();
        Answer {
            status: 200,
            body: json!({
                "suppressions": page,
                "next": more.then(|| read.to_string()),
            }),
        }
    }
}

fn spell(stop: &Suppression) -> Value {
    let (field, value) = match &stop.target {
        Target::Phone(phone) => ("phone", phone.e164().expose().as_str()),
        Target::Email(email) => ("email", email.address().expose().as_str()),
        Target::Contact(id) => ("external_id", id.as_str()),
    };
    let channel = stop.channel.map_or("all", Channel::name);
    json!({ field: value, "channel": channel, "reason": stop.reason })
}

fn text(body: &Value, field: &str) -> Option<String> {
    body.get(field)?.as_str().map(str::to_owned)
}
