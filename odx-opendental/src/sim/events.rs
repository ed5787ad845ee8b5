//! API Events: what subscribed machines send, when, and what becomes of it.
//!
//! A poll of one subscription by one machine takes the rows stamped at or after
//! `DateTimeStart`, posts them, and on success moves `DateTimeStart` to its own time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};
use tokio::task::JoinHandle;

use super::clock::stamp;
use super::deliver::{Header, Payload, post};
use super::error::SimError;
use super::machines::{self, Machine};
use super::modes::Mode;
use super::more_tables::OperatoryRow;
use super::practice::{Practice, must};
use super::server::wait;
use super::settings::{Settings, Version};
use super::settings_api::EventSuccess;
use super::subscriptions::PATIENT_SELECTED;
use super::tables::{NO_DATE_TIME, ProviderRow, Record as _};
use super::tables_api::{ScheduleRow, SubscriptionRow};
use super::wire::{Lookups, Office};
use super::wire_api::SelectedPatient;

/// Rows per request since 23.2.1; before, all in one.
// apievents
const BATCH: usize = 1000;

/// How far back a poll looks at most.
// apievents: changes of the last three days
const REPLAY_DAYS: i64 = 3;

/// Deliveries kept for tests; older ones are forgotten.
const KEPT: usize = 10_000;

/// One of the two programs that send: the machine, and whether it is the API Service.
type Sender = (String, bool);

/// What the office sends, and from where.
pub(crate) struct Outbound {
    pub(crate) machines: Mutex<Vec<Machine>>,
    sent: Mutex<Sent>,
    /// One round of polls at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
pub(crate) struct Sent {
    /// When a sender last polled a subscription, in time gone by.
    polled: HashMap<(Sender, i64), Duration>,
    /// Subscriptions that a poll has moved.
    moved: HashSet<i64>,
    deliveries: VecDeque<Delivery>,
    pub(crate) rng: Option<fastrand::Rng>,
}

impl Outbound {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            machines: Mutex::new(machines::of(settings)),
            sent: Mutex::new(Sent {
                rng: settings.api.shuffled.map(fastrand::Rng::with_seed),
                ..Sent::default()
            }),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    pub(crate) fn sent<T>(&self, act: impl FnOnce(&mut Sent) -> T) -> T {
        act(&mut self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One request the office made to an endpoint.
#[derive(Clone)]
#[non_exhaustive]
pub struct Delivery {
    /// The subscription.
    pub subscription_num: i64,
    /// Machine that sent it.
    pub machine: String,
    /// Sent by the API Service rather than the program.
    pub by_service: bool,
    /// `WatchTable: Appointment` or `UiEventType: PatientSelected`.
    pub event: String,
    /// Rows in the body.
    pub rows: usize,
    /// Status answered; `None` when there was no answer.
    pub status: Option<u16>,
    /// The sender counts it as delivered.
    pub delivered: bool,
    /// Office wall clock.
    pub at: NaiveDateTime,
    pub(crate) url: String,
    pub(crate) headers: Vec<Header>,
    body: Arc<Vec<u8>>,
}

// The address may hold a secret, the headers hold a key, the body people.
impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("subscription_num", &self.subscription_num)
            .field("machine", &self.machine)
            .field("by_service", &self.by_service)
            .field("event", &self.event)
            .field("rows", &self.rows)
            .field("status", &self.status)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// The bytes that were sent.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Fires in the background until dropped.
#[derive(Debug)]
pub struct EventPump {
    task: JoinHandle<()>,
}

impl Drop for EventPump {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A poll about to be made: by whom, and from when to when by that machine's clock.
struct Poll {
    sender: Sender,
    from: NaiveDateTime,
    now: NaiveDateTime,
}

impl Practice {
    /// Lets every running machine poll each subscription of its own that is due by the
    /// office's clock, once, and returns what was sent. Nothing is sent for a poll that
    /// found no rows.
    pub async fn fire_events(&self) -> Vec<Delivery> {
        let _turn = self.inner.outbound.turn.lock().await;
        let mut all = Vec::new();
        for subscription in self.subscriptions() {
            // Every machine has read the window before one of them moves it.
            for poll in self.due(&subscription) {
                all.extend(self.poll(&subscription, &poll).await);
            }
        }
        all
    }

    /// Calls [`Practice::fire_events`] again and again, `every` so often in real time.
    /// `passes` goes by on the office's clock each time, so that polls become due.
    #[must_use = "dropping the pump stops it"]
    pub fn fire_events_every(&self, every: Duration, passes: Duration) -> EventPump {
        let office = self.clone();
        let task = tokio::spawn(async move {
            loop {
                wait(every).await;
                office.advance(passes);
                office.fire_events().await;
            }
        });
        EventPump { task }
    }

    /// What was sent since the start, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.inner
            .outbound
            .sent(|sent| sent.deliveries.iter().cloned().collect())
    }

    /// A patient is selected in the program of the first machine where it is open; fires
    /// `PatientSelected` at once.
    pub async fn select_patient(&self, pat_num: i64) -> Vec<Delivery> {
        let first = self
            .machines()
            .iter()
            .find(|machine| machine.program)
            .map(|machine| machine.name.clone());
        match first {
            Some(name) => self.select_patient_at(&name, pat_num).await,
            None => Vec::new(),
        }
    }

    /// The same on one machine; nothing happens where the program is closed.
    // apievents, UI Event: one object, fired at once by the program
    pub async fn select_patient_at(&self, machine: &str, pat_num: i64) -> Vec<Delivery> {
        let found = self
            .machines()
            .iter()
            .find(|one| one.name == machine && one.program)
            .cloned();
        let (Some(machine), Some(patient)) = (found, self.patient(pat_num)) else {
            return Vec::new();
        };
        let clock = stamp(self.now());
        let lookups = self.names();
        let selected = SelectedPatient::of(&patient, self.office(&lookups, &clock));
        let body = must(serde_json::to_vec(&selected).map_err(SimError::from));
        let mut all = Vec::new();
        for subscription in self.subscriptions() {
            if subscription.ui_event_type != PATIENT_SELECTED
                || !names(&subscription, &machine)
                || expired(&subscription, machine.clock(self.now()))
            {
                continue;
            }
            let event = format!("UiEventType: {PATIENT_SELECTED}");
            let sender = (machine.name.clone(), false);
            let body = body.clone();
            all.push(self.deliver(&subscription, &sender, event, 1, body).await);
        }
        all
    }

    /// A provider's row is written without a change.
    pub fn touch_provider(&self, prov_num: i64) -> bool {
        self.update::<ProviderRow>(prov_num, |_| {}).is_some()
    }

    /// An operatory's row is written without a change.
    pub fn touch_operatory(&self, operatory_num: i64) -> bool {
        self.update::<OperatoryRow>(operatory_num, |_| {}).is_some()
    }

    /// Adds a schedule and returns its key.
    pub fn add_schedule(&self, mut row: ScheduleRow) -> i64 {
        row.stamp(&stamp(self.now()));
        must(self.store().put(&mut row))
    }

    /// The office as rows are printed by it.
    pub(crate) fn office<'a>(&self, names: &'a Lookups, clock: &'a str) -> Office<'a> {
        Office {
            names,
            version: self.version(),
            clock,
        }
    }

    fn version(&self) -> Version {
        self.settings_in(Mode::Remote).version
    }

    /// The polls of a database subscription that are due, one per running sender.
    // apiguideevents: program and service both handle database events; blank = every machine
    fn due(&self, subscription: &SubscriptionRow) -> Vec<Poll> {
        if subscription.watch_table.is_empty() {
            return Vec::new();
        }
        let (server, elapsed) = {
            let clock = self.clock();
            (clock.wall(), clock.elapsed())
        };
        let every = Duration::from_secs(subscription.polling_seconds.max(0).unsigned_abs());
        let num = subscription.subscription_num;
        let mut polls = Vec::new();
        for machine in self.machines().iter() {
            if !names(subscription, machine) {
                continue;
            }
            for (runs, service) in [(machine.program, false), (machine.service, true)] {
                let now = machine.clock(server);
                let Some(from) = window(subscription, now).filter(|_| runs) else {
                    continue;
                };
                let sender = (machine.name.clone(), service);
                let due = self.inner.outbound.sent(|sent| {
                    // A start in the future is waited for, unless a clock went back.
                    if from > now && !sent.moved.contains(&num) {
                        return false;
                    }
                    let last = sent.polled.get(&(sender.clone(), num)).copied();
                    let due = last.is_none_or(|last| elapsed >= last.saturating_add(every));
                    if due {
                        sent.polled.insert((sender.clone(), num), elapsed);
                    }
                    due
                });
                if due {
                    polls.push(Poll { sender, from, now });
                }
            }
        }
        polls
    }

    async fn poll(&self, subscription: &SubscriptionRow, poll: &Poll) -> Vec<Delivery> {
        let rows = must(self.changed(subscription, &stamp(poll.from)));
        let size = if self.version() >= (23, 2, 1) {
            BATCH
        } else {
            rows.len().max(1)
        };
        let mut all = Vec::new();
        let mut reached = true;
        for batch in rows.chunks(size) {
            let mut body = vec![b'['];
            for (place, row) in batch.iter().enumerate() {
                if place > 0 {
                    body.push(b',');
                }
                body.extend_from_slice(row);
            }
            body.push(b']');
            let event = format!("WatchTable: {}", subscription.watch_table);
            let delivery = self
                .deliver(subscription, &poll.sender, event, batch.len(), body)
                .await;
            reached = delivery.delivered;
            all.push(delivery);
            if !reached {
                break;
            }
        }
        // Moves by itself on every poll, also when nothing had changed.
        if reached {
            let now = stamp(poll.now);
            let num = subscription.subscription_num;
            self.inner.outbound.sent(|sent| sent.moved.insert(num));
            self.update::<SubscriptionRow>(num, |row| row.date_time_start = now);
        }
        all
    }

    async fn deliver(
        &self,
        subscription: &SubscriptionRow,
        sender: &Sender,
        event: String,
        rows: usize,
        body: Vec<u8>,
    ) -> Delivery {
        let settings = &self.inner.settings;
        let headers = self.event_headers(&subscription.customer_key, &sender.0, &event);
        let url = &subscription.end_point_url;
        let whole = Payload::Whole(&body);
        let status = post(url, &headers, whole, settings.api.patience).await;
        let delivered = match settings.api.success {
            EventSuccess::Only200 => status == Some(200),
            EventSuccess::AnyAnswer => status.is_some(),
        };
        let delivery = Delivery {
            subscription_num: subscription.subscription_num,
            machine: sender.0.clone(),
            by_service: sender.1,
            event,
            rows,
            status,
            delivered,
            at: self.now(),
            url: url.clone(),
            headers,
            body: Arc::new(body),
        };
        self.inner.outbound.sent(|sent| {
            if sent.deliveries.len() == KEPT {
                sent.deliveries.pop_front();
            }
            sent.deliveries.push_back(delivery.clone());
        });
        delivery
    }

    /// The bare key; the other two came later.
    // apievents: Workstation since 22.4.28, Event-Type since 22.4.35
    pub(crate) fn event_headers(&self, key: &str, machine: &str, event: &str) -> Vec<Header> {
        let version = self.version();
        let mut headers = vec![
            ("Authorization", key.to_owned()),
            ("Content-Type", "application/json; charset=utf-8".to_owned()),
        ];
        if version >= (22, 4, 28) {
            headers.push(("Workstation", machine.to_owned()));
        }
        if version >= (22, 4, 35) {
            headers.push(("Event-Type", event.to_owned()));
        }
        headers
    }
}

/// The machine is the one that may fire.
// apisubscriptions: the exact name; a wrong one is silence
fn names(subscription: &SubscriptionRow, machine: &Machine) -> bool {
    subscription.workstation.is_empty() || subscription.workstation == machine.name
}

fn expired(subscription: &SubscriptionRow, now: NaiveDateTime) -> bool {
    subscription.date_time_stop != NO_DATE_TIME && subscription.date_time_stop <= stamp(now)
}

/// Where the rows of a poll start; `None` when the subscription has ended.
fn window(subscription: &SubscriptionRow, now: NaiveDateTime) -> Option<NaiveDateTime> {
    if expired(subscription, now) {
        return None;
    }
    let oldest = now - TimeDelta::days(REPLAY_DAYS);
    let start =
        NaiveDateTime::parse_from_str(&subscription.date_time_start, "%Y-%m-%d %H:%M:%S").ok();
    Some(start.map_or(oldest, |start| start.max(oldest)))
}
