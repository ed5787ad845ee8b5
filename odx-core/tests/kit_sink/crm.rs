//! A CRM that does what its clients say, duplicates and all.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use odx_core::crm::{Body, Contact};
use odx_core::sink::{Suppression, Target};
use odx_core::testkit::SinkFault;
use odx_core::testkit::conformance::sink::Stored;
use odx_core::{ExternalId, Phi};

pub(crate) const TOKEN: &str = "tok-51c9e0b7aa";

/// What a request asks to be done with one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Upsert,
    Create,
    CreateOncePerKey,
    Merge,
    CreateIfMissing,
    UpdateIfThere,
    UpdateOrFail,
    Delete,
    MatchByPhone,
    AdoptByMail,
}

#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) how: How,
    pub(crate) body: Body,
    pub(crate) key: String,
}

#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) id: ExternalId,
    pub(crate) status: u16,
    pub(crate) remote: String,
}

/// What came back instead of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    Unreached,
    Reset,
    Status(u16, Option<Duration>),
    Cut,
    Garbage(String),
}

struct Object {
    number: u64,
    external_id: Option<ExternalId>,
    body: Body,
}

#[derive(Clone)]
pub(crate) enum Entry {
    Stop(Suppression),
    Nonsense,
}

#[derive(Default)]
struct Inner {
    objects: Vec<Object>,
    numbers: u64,
    refused: BTreeSet<ExternalId>,
    postponed: BTreeSet<ExternalId>,
    faults: VecDeque<SinkFault>,
    stops: Vec<Entry>,
    keys: Vec<(ExternalId, String)>,
    requests: u64,
}

#[derive(Default)]
pub(crate) struct Crm(Mutex<Inner>);

pub(crate) fn id_of(body: &Body) -> &ExternalId {
    match body {
        Body::Contact(contact) => &contact.external_id,
        Body::Task(task) => &task.external_id,
    }
}

impl Crm {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fail(&self, fault: SinkFault) {
        self.lock().faults.push_back(fault);
    }

    pub(crate) fn recover(&self) {
        self.lock().faults.clear();
    }

    pub(crate) fn refuse(&self, id: &ExternalId) {
        self.lock().refused.insert(id.clone());
    }

    pub(crate) fn postpone(&self, id: &ExternalId) {
        self.lock().postponed.insert(id.clone());
    }

    pub(crate) fn forget(&self, id: &ExternalId) {
        self.lock()
            .objects
            .retain(|object| object.external_id.as_ref() != Some(id));
    }

    pub(crate) fn stop(&self, entry: Entry) {
        self.lock().stops.push(entry);
    }

    pub(crate) fn lift(&self, contact: &Contact) {
        self.lock().stops.retain(|entry| match entry {
            Entry::Stop(stop) => stop.target != Target::Contact(contact.external_id.clone()),
            Entry::Nonsense => true,
        });
    }

    pub(crate) fn keys(&self) -> Vec<(ExternalId, String)> {
        self.lock().keys.clone()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.lock().requests
    }

    pub(crate) fn put_foreign(&self, like: &Contact) {
        self.lock().create(None, Body::Contact(like.clone()));
    }

    pub(crate) fn objects(&self) -> Vec<Stored> {
        let inner = self.lock();
        let stored = |object: &Object| {
            let mut stored = match &object.body {
                Body::Contact(contact) => Stored::contact(contact),
                Body::Task(task) => Stored::task(task),
            };
            stored.external_id.clone_from(&object.external_id);
            stored.with_remote_id(format!("crm-{}", object.number))
        };
        inner.objects.iter().map(stored).collect()
    }

    /// Many writes in one request.
    pub(crate) fn write(&self, token: &str, items: &[Item]) -> Result<Vec<Line>, Trouble> {
        let mut inner = self.lock();
        let fault = inner.arrive(token)?;
        match fault {
            SinkFault::Lost => {
                inner.take_all(items);
                Err(Trouble::Reset)
            }
            SinkFault::FailedAfter => {
                inner.take_all(items);
                Err(Trouble::Status(502, None))
            }
            SinkFault::Cut => {
                inner.take_all(items);
                Err(Trouble::Cut)
            }
            SinkFault::Half => Ok(inner.take_all(&items[..items.len() / 2])),
            SinkFault::Garbage => {
                // As a page that repeats what was typed into it.
                let name = items.iter().find_map(|item| match &item.body {
                    Body::Contact(contact) => Some(contact.last_name.expose().clone()),
                    Body::Task(_) => None,
                });
                Err(Trouble::Garbage(name.unwrap_or_default()))
            }
            SinkFault::Refuse => Ok(items.iter().map(|item| line(item, 422)).collect()),
            SinkFault::NotNow => Ok(items.iter().map(|item| line(item, 503)).collect()),
            _ => Ok(inner.take_all(items)),
        }
    }

    /// Five stops after so many.
    pub(crate) fn stops(&self, token: &str, from: usize) -> Result<(Vec<Entry>, bool), Trouble> {
        let mut inner = self.lock();
        match inner.arrive(token)? {
            SinkFault::Lost => Err(Trouble::Reset),
            SinkFault::FailedAfter => Err(Trouble::Status(502, None)),
            SinkFault::Cut => Err(Trouble::Cut),
            SinkFault::Garbage => Err(Trouble::Garbage(String::new())),
            _ if from > inner.stops.len() => Err(Trouble::Status(410, None)),
            _ => {
                let page: Vec<_> = inner.stops.iter().skip(from).take(5).cloned().collect();
                let more = from + page.len() < inner.stops.len();
                Ok((page, more))
            }
        }
    }
}

fn line(item: &Item, status: u16) -> Line {
    Line {
        id: id_of(&item.body).clone(),
        status,
        remote: String::new(),
    }
}

impl Inner {
    /// A request comes in. Gives back what is still to go wrong.
    fn arrive(&mut self, token: &str) -> Result<SinkFault, Trouble> {
        let fault = self.faults.pop_front().unwrap_or(SinkFault::None);
        self.requests += 1;
        match fault {
            SinkFault::Down => Err(Trouble::Unreached),
            SinkFault::ResetBefore => Err(Trouble::Reset),
            SinkFault::Failed => Err(Trouble::Status(500, None)),
            SinkFault::SlowDown(after) => Err(Trouble::Status(429, after)),
            SinkFault::BadToken => Err(Trouble::Status(401, None)),
            _ if token != TOKEN => Err(Trouble::Status(401, None)),
            fault => Ok(fault),
        }
    }

    fn take_all(&mut self, items: &[Item]) -> Vec<Line> {
        items.iter().map(|item| self.take(item)).collect()
    }

    fn take(&mut self, item: &Item) -> Line {
        let id = id_of(&item.body);
        self.keys.push((id.clone(), item.key.clone()));
        if self.postponed.remove(id) {
            return line(item, 503);
        }
        if self.refused.contains(id) {
            return line(item, 422);
        }
        let known = self
            .objects
            .iter()
            .position(|object| object.external_id.as_ref() == Some(id))
            .or_else(|| self.look_alike(item));
        if known.is_none() && item.how == How::UpdateIfThere {
            return line(item, 204);
        }
        if known.is_none() && item.how == How::UpdateOrFail {
            return line(item, 404);
        }
        if let Body::Task(task) = &item.body
            && !self
                .objects
                .iter()
                .any(|object| object.external_id.as_ref() == Some(&task.contact_external_id))
        {
            return line(item, 424);
        }
        // Looks for a key that it has seen, and for nothing else.
        let seen = self.keys.iter().filter(|(_, key)| *key == item.key);
        let anew = item.how == How::CreateOncePerKey && seen.count() < 2;
        let number = match (known, item.how) {
            (Some(place), How::Delete) => self.objects.remove(place).number,
            (None, How::Delete) => 0,
            (Some(place), How::CreateIfMissing) => self.objects[place].number,
            (Some(place), how) if how != How::Create && !anew => {
                let object = &mut self.objects[place];
                object.body = match how {
                    How::Merge => merged(&object.body, &item.body),
                    _ => item.body.clone(),
                };
                object.external_id = Some(id.clone());
                object.number
            }
            _ => self.create(Some(id.clone()), item.body.clone()),
        };
        Line {
            remote: format!("crm-{number}"),
            ..line(item, 200)
        }
    }

    /// As CRMs do that look for duplicates by address.
    fn look_alike(&self, item: &Item) -> Option<usize> {
        let Body::Contact(contact) = &item.body else {
            return None;
        };
        self.objects.iter().position(|object| match &object.body {
            Body::Contact(known) if item.how == How::MatchByPhone => known.phone == contact.phone,
            Body::Contact(known) if item.how == How::AdoptByMail => {
                object.external_id.is_none() && known.email == contact.email
            }
            _ => false,
        })
    }

    fn create(&mut self, external_id: Option<ExternalId>, body: Body) -> u64 {
        self.numbers += 1;
        self.objects.push(Object {
            number: self.numbers,
            external_id,
            body,
        });
        self.numbers
    }
}

/// New values over old ones; what is not sent stays.
fn merged(old: &Body, new: &Body) -> Body {
    let (Body::Contact(old), Body::Contact(new)) = (old, new) else {
        return new.clone();
    };
    let keep =
        |new: &Option<Phi<String>>, old: &Option<Phi<String>>| new.clone().or_else(|| old.clone());
    let mut whole = new.clone();
    whole.email = keep(&new.email, &old.email);
    whole.preferred_name = keep(&new.preferred_name, &old.preferred_name);
    Body::Contact(whole)
}
