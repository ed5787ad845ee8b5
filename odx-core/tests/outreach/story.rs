//! Random stories of an office: whatever happens, in whatever order, nobody is
//! written to who must not be.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use odx_core::model::{AppointmentStatus, Channel, Email, Patient, PatientStatus, Phone, Record};
use odx_core::outreach::Purpose;
use odx_core::sink::{Suppression, Target};
use odx_core::store::outreach::HistoryQuery;
use odx_core::testkit::GatewayFault;
use odx_core::{HouseholdKey, RecallKey};

use crate::office::{Bench, adult, child, day, no, number, yes};

const PEOPLE: u32 = 9;

/// What the world knows, apart from odx.
struct World {
    b: Bench,
    rng: fastrand::Rng,
    people: BTreeMap<u32, Patient>,
    /// When an address was stopped, for good.
    stopped: BTreeMap<String, DateTime<Utc>>,
    offset: i64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let b = Bench::new();
        let mut people = BTreeMap::new();
        for n in 1..=PEOPLE {
            let mut person = if n % 3 == 0 {
                child(n, n - 1)
            } else {
                adult(n)
            };
            if rng.u8(..4) == 0 {
                // Some share a number or a mailbox.
                person.mobile = Phone::parse(&number(1)).ok();
            }
            if rng.u8(..4) == 0 {
                person.email = Email::parse("shared@smile.co").ok();
            }
            people.insert(n, person);
        }
        let mut world = Self {
            b,
            rng,
            people,
            stopped: BTreeMap::new(),
            offset: 0,
        };
        for n in 1..=PEOPLE {
            world.save(n);
            world.recall(n);
        }
        world
    }

    fn save(&self, n: u32) {
        if let Some(person) = self.people.get(&n) {
            self.b.put(person.clone());
        }
    }

    fn recall(&mut self, n: u32) {
        let due = self.offset + self.rng.i64(-40..40);
        let mut record =
            odx_core::testkit::recall(&format!("r{n}"), &n.to_string(), Some(day(due)));
        // A cycle is as long as it is; dates are corrected by a day or two.
        let cycle = (self.offset / 90) * 90 - 180;
        record.previous = Some(day(cycle + self.rng.i64(-1..=1)));
        record.key = RecallKey::new(format!("r{n}"));
        self.b.source.put(Record::Recall(record));
    }

    fn stop(&mut self, address: String) {
        let now = odx_core::clock::Clock::now(&self.b.clock);
        self.stopped.entry(address).or_insert(now);
    }

    /// Something happens.
    fn happen(&mut self) {
        let n = self.rng.u32(1..=PEOPLE);
        match self.rng.u8(..14) {
            0 | 1 => self.recall(n),
            2 => {
                let person = self.people.get_mut(&n).unwrap();
                person.consent = vec![if self.rng.bool() { yes() } else { no() }];
                self.save(n);
            }
            3 => {
                let status = [
                    PatientStatus::Active,
                    PatientStatus::Active,
                    PatientStatus::Inactive,
                    PatientStatus::Archived,
                    PatientStatus::Deceased,
                    PatientStatus::NonPatient,
                ];
                self.people.get_mut(&n).unwrap().status = status[self.rng.usize(..status.len())];
                self.save(n);
            }
            4 => {
                let phone = Phone::parse(&number(n)).unwrap();
                let how = self.rng.u8(..3);
                match how {
                    0 => self.b.texts.list(Target::Phone(phone), "keyword_stop"),
                    1 => self.b.sink.stop(Suppression {
                        target: Target::Phone(phone),
                        channel: Some(Channel::Sms),
                        reason: "dnd".to_owned(),
                    }),
                    _ => self.b.sink.stop(Suppression {
                        target: Target::Phone(phone),
                        channel: None,
                        reason: "dnd".to_owned(),
                    }),
                }
                self.stop(number(n));
            }
            5 => {
                let address = if self.rng.bool() {
                    format!("p{n}@smile.co")
                } else {
                    "shared@smile.co".to_owned()
                };
                let email = Email::parse(&address).unwrap();
                if self.rng.bool() {
                    self.b.mails.list(Target::Email(email), "hard_bounce");
                } else {
                    self.b.sink.stop(Suppression {
                        target: Target::Email(email),
                        channel: None,
                        reason: "unsubscribed".to_owned(),
                    });
                }
                self.stop(address);
            }
            6 => {
                let faults = [
                    GatewayFault::Down,
                    GatewayFault::Lost,
                    GatewayFault::LostBefore,
                    GatewayFault::SlowDown,
                    GatewayFault::BadAccount,
                    GatewayFault::Refuse,
                ];
                let faults = (0..self.rng.usize(..4))
                    .map(|_| faults[self.rng.usize(..faults.len())].clone());
                let faults: Vec<_> = faults.collect();
                self.b.texts.fail(faults.clone());
                self.b.mails.fail(faults);
            }
            7 => {
                let blind = self.rng.bool();
                self.b.texts.blind(blind);
                self.b.mails.blind(!blind && self.rng.bool());
            }
            8 => {
                // Another guarantor.
                let other = self.rng.u32(1..=PEOPLE);
                let person = self.people.get_mut(&n).unwrap();
                person.household = HouseholdKey::new(other.to_string());
                self.save(n);
            }
            9 => {
                // Merged into somebody else: archived, the recall moves.
                let other = self.rng.u32(1..=PEOPLE);
                self.people.get_mut(&n).unwrap().status = PatientStatus::Archived;
                self.save(n);
                let mut record = odx_core::testkit::recall(
                    &format!("r{n}"),
                    &other.to_string(),
                    Some(day(self.offset)),
                );
                record.previous = Some(day((self.offset / 90) * 90 - 180));
                self.b.source.put(Record::Recall(record));
            }
            10 => {
                let person = self.people.get_mut(&n).unwrap();
                person.needs_person = self.rng.bool();
                self.save(n);
            }
            11 => {
                let key = format!("a{}", self.rng.u32(..40));
                let status = if self.rng.bool() {
                    AppointmentStatus::Complete
                } else {
                    AppointmentStatus::Scheduled
                };
                let hours = -24 * self.offset + self.rng.i64(-4..30);
                self.b.visit(&key, &n.to_string(), hours, status);
            }
            12 => {
                let person = self.people.get_mut(&n).unwrap();
                person.mobile = Phone::parse(&number(self.rng.u32(1..=PEOPLE))).ok();
                self.save(n);
            }
            _ => {
                self.b.texts.recover();
                self.b.mails.recover();
            }
        }
    }

    /// Who has this address now, or had it when it was written to.
    fn check(&self, seen: usize) -> Result<usize, String> {
        let sent = self.b.sent();
        for one in sent.iter().skip(seen) {
            let stopped = self.stopped.get(&one.to);
            if stopped.is_some_and(|at| *at <= one.at) {
                return Err("S12 a stopped address was written to".to_owned());
            }
            let holders = self.people.values().filter(|person| {
                let phone = person.mobile.as_ref();
                let mail = person.email.as_ref();
                phone.is_some_and(|phone| *phone.e164().expose() == one.to)
                    || mail.is_some_and(|mail| *mail.address().expose() == one.to)
            });
            let holders: Vec<_> = holders.collect();
            if holders.iter().all(|person| is_child(person)) {
                return Err("S12 a minor was written to".to_owned());
            }
            let willing = |person: &&&Patient| {
                !person.status.is_closed()
                    && !person.needs_person
                    && !is_child(person)
                    && (one.to.contains('@') || person.consent.contains(&yes()))
            };
            if holders.iter().find(willing).is_none() {
                return Err("S12 nobody who has this address may be written to".to_owned());
            }
        }
        Ok(sent.len())
    }

    /// Over the whole story.
    fn check_all(&self) -> Result<(), String> {
        let sent = self.b.sent();
        let mut keys = BTreeSet::new();
        if !sent.iter().all(|one| keys.insert(one.key.clone())) {
            return Err("rule 7: one occurrence went out twice".to_owned());
        }
        let mut by_address: BTreeMap<&str, Vec<DateTime<Utc>>> = BTreeMap::new();
        for one in &sent {
            by_address.entry(&one.to).or_default().push(one.at);
        }
        for times in by_address.values() {
            for (n, at) in times.iter().enumerate() {
                let after = |span| times[n..].iter().filter(|t| **t - *at < span).count();
                if after(TimeDelta::days(1)) > 1 || after(TimeDelta::days(7)) > 3 {
                    return Err("caps: somebody was written to too often".to_owned());
                }
            }
        }
        Ok(())
    }
}

impl World {
    /// No household hears twice for one purpose within its window.
    async fn check_households(&self) -> Result<(), String> {
        let outlet = odx_core::OutletId::new(crate::office::source_id(), "messages").unwrap();
        for n in 1..=PEOPLE {
            let query = HistoryQuery {
                subjects: BTreeSet::new(),
                recipient: odx_core::PatientKey::new("nobody"),
                addresses: Vec::new(),
                household: HouseholdKey::new(n.to_string()),
            };
            let store = self.b.store.outreach();
            let history = store.history(&outlet, query).await.unwrap();
            let told = history.household.iter().filter(|told| told.counts());
            let mut last: BTreeMap<Purpose, DateTime<Utc>> = BTreeMap::new();
            for one in told {
                let days = if one.purpose == Purpose::Review { 1 } else { 7 };
                let before = last.insert(one.purpose, one.begun);
                if before.is_some_and(|at| one.begun - at < TimeDelta::days(days)) {
                    return Err("household: told twice for one purpose".to_owned());
                }
            }
        }
        Ok(())
    }
}

fn is_child(person: &Patient) -> bool {
    let born = person.born.as_ref();
    born.is_some_and(|born| *born.expose() > "2010-01-01".parse().unwrap())
}

/// Plays a story. What went wrong, if anything did.
pub(crate) async fn play(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed);
    let mut seen = 0;
    for _ in 0..60 {
        for _ in 0..world.rng.usize(..4) {
            world.happen();
        }
        world.b.run().await;
        seen = world.check(seen)?;
        let hours = [1, 5, 24, 24, 24, 72][world.rng.usize(..6)];
        let by = std::time::Duration::from_secs(hours * 3600);
        world.b.clock.advance(by);
        let today = odx_core::clock::Clock::now(&world.b.clock).date_naive();
        world.offset = (today - day(0)).num_days();
    }
    world.check_all()?;
    world.check_households().await
}
