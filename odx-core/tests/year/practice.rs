//! A practice that is made up, and what happens in it: the same for the same
//! seed, and whatever odx does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Weekday};
use fastrand::Rng;
use odx_core::model::{
    Appointment, AppointmentStatus, Channel, Email, OptOut, Origin, Patient, PatientStatus,
    Permission, Phone, Recall, Record, RecordKey, RecordKind, Statement,
};
use odx_core::sink::{Suppression, Target};
use odx_core::{AppointmentKey, ExternalId, HouseholdKey, PatientKey, RecallKey};

/// A number, and whether texts may be tried there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    pub e164: String,
    pub(crate) line: Line,
}

/// What somebody wrote beside a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Mobile,
    Home,
    Extension,
}

impl Number {
    pub(crate) fn texts(&self) -> Option<&str> {
        (self.line == Line::Mobile).then_some(self.e164.as_str())
    }

    fn phone(&self) -> Phone {
        let text = match self.line {
            Line::Mobile => self.e164.clone(),
            Line::Home => format!("{} home", self.e164),
            Line::Extension => format!("{} x12", self.e164),
        };
        Phone::parse(&text).unwrap()
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) household: String,
    pub(crate) status: &'static str,
    pub(crate) born: Option<NaiveDate>,
    pub(crate) mobile: Option<Number>,
    pub(crate) email: Option<String>,
    pub(crate) sms: Option<bool>,
    pub(crate) mail: Option<bool>,
    /// Noes kept beside the patient.
    pub(crate) no_sms: bool,
    pub(crate) no_mail: bool,
    pub(crate) needs_person: bool,
    pub(crate) gone: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Due {
    pub(crate) key: String,
    pub(crate) patient: String,
    pub(crate) months: u32,
    pub(crate) due: Option<NaiveDate>,
    pub(crate) previous: Option<NaiveDate>,
    pub(crate) scheduled: Option<NaiveDate>,
    pub(crate) snoozed: Option<NaiveDate>,
    pub(crate) disabled: bool,
    pub(crate) held: bool,
    pub(crate) urgent: bool,
    pub(crate) gone: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Visit {
    pub(crate) key: String,
    pub(crate) patient: String,
    pub(crate) status: &'static str,
    pub(crate) start: Option<NaiveDateTime>,
    pub(crate) gone: bool,
    /// The recall that it answers, and that recall's previous visit before.
    pub(crate) answers: Option<(String, Option<NaiveDate>)>,
    /// The day's outcome was already written down.
    pub(crate) settled: bool,
}

/// A stop: an address, or one contact of the CRM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// Somebody answered with a keyword to a text.
    Text(String),
    /// Somebody answered START.
    Start(String),
    /// A mail provider was told so.
    Mail(String),
    /// A CRM, by number.
    CrmPhone(String, bool),
    /// A CRM, by mailbox.
    CrmEmail(String, bool),
    /// A CRM, by record: every channel, or mail only.
    CrmContact(String, bool),
}

impl Stop {
    /// As a CRM says it.
    pub(crate) fn in_crm(&self) -> Option<Suppression> {
        let (target, channel) = match self {
            Self::CrmPhone(number, all) => (
                Target::Phone(Phone::parse(number).unwrap()),
                (!all).then_some(Channel::Sms),
            ),
            Self::CrmEmail(mailbox, all) => (
                Target::Email(Email::parse(mailbox).unwrap()),
                (!all).then_some(Channel::Email),
            ),
            Self::CrmContact(key, all) => (
                Target::Contact(ExternalId::from_kept(format!("t:main-st:{key}"))),
                (!all).then_some(Channel::Email),
            ),
            Self::Text(_) | Self::Start(_) | Self::Mail(_) => return None,
        };
        Some(Suppression {
            target,
            channel,
            reason: "dnd".to_owned(),
        })
    }
}

/// What changed since it was asked last.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) people: Vec<Person>,
    pub(crate) dues: Vec<Due>,
    pub(crate) visits: Vec<Visit>,
    pub(crate) stops: Vec<Stop>,
}

/// Whether households that have nothing to do with each other may share a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shared {
    Anywhere,
    InHouseholds,
}

/// The practice as it stands now.
#[derive(Debug)]
pub(crate) struct Practice {
    rng: Rng,
    shared: Shared,
    pub(crate) people: BTreeMap<u32, Person>,
    pub(crate) dues: BTreeMap<u32, Due>,
    pub(crate) visits: BTreeMap<u32, Visit>,
    numbers: u32,
    stopped: Vec<String>,
    dirty: BTreeSet<(RecordKind, u32)>,
    stops: Vec<Stop>,
}

/// Area codes of the office's own hours, and some further west: 312 is an hour
/// behind, 213 three.
const EAST: [&str; 24] = [
    "212", "315", "332", "347", "516", "518", "585", "607", "631", "646", "716", "718", "845",
    "914", "917", "929", "203", "860", "201", "609", "732", "908", "973", "215",
];

fn index(key: &str) -> u32 {
    key.trim_start_matches(|c: char| !c.is_ascii_digit())
        .parse()
        .unwrap()
}

fn days(count: u64) -> Days {
    Days::new(count)
}

fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

/// A first name that only one person has, of syllables that mean nothing.
fn name(of: u32) -> String {
    let mut rest = of;
    let mut text = String::new();
    for _ in 0..4 {
        let syllable = rest % 60;
        rest /= 60;
        text.push(char::from(b"bdfgklmnrstv"[(syllable / 5) as usize]));
        text.push(char::from(b"aeiou"[(syllable % 5) as usize]));
    }
    let (first, others) = text.split_at(1);
    format!("{}{others}", first.to_uppercase())
}

impl Practice {
    /// So many people on this day.
    pub(crate) fn new(seed: u64, size: u32, today: NaiveDate, shared: Shared) -> Self {
        let mut practice = Self {
            rng: Rng::with_seed(seed),
            shared,
            people: BTreeMap::new(),
            dues: BTreeMap::new(),
            visits: BTreeMap::new(),
            numbers: 0,
            stopped: Vec::new(),
            dirty: BTreeSet::new(),
            stops: Vec::new(),
        };
        while (practice.people.len() as u32) < size {
            let room = size - practice.people.len() as u32;
            practice.household(room, today);
        }
        practice
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    fn number(&mut self) -> Number {
        self.numbers += 1;
        let at = self.numbers as usize;
        // The hundred numbers of an area code that nobody has.
        let last = 100 + (at / EAST.len()) % 100;
        let area = match self.rng.u32(0..100) {
            0..7 => "312",
            7..15 => "213",
            _ => EAST[at % EAST.len()],
        };
        // One exchange has a hundred of them; a big practice needs more.
        let exchange = 555 - (at / EAST.len() / 100) % 30;
        let line = match self.rng.u32(0..100) {
            0..6 => Line::Home,
            6..9 => Line::Extension,
            _ => Line::Mobile,
        };
        Number {
            e164: format!("+1{area}{exchange}0{last}"),
            line,
        }
    }

    fn household(&mut self, room: u32, today: NaiveDate) {
        let size = match self.rng.u32(0..100) {
            0..30 => 1,
            30..60 => 2,
            60..76 => 3,
            76..90 => 4,
            _ => 5,
        }
        .min(room);
        let first = self.people.len() as u32 + 1;
        let head = first.to_string();
        for place in 0..size {
            let age = match place {
                0 => self.rng.i64(22..85),
                1 if self.chance(65) => self.rng.i64(22..85),
                // Some of age within the year, some just so.
                _ => self.rng.i64(0..22),
            };
            let mut born = today - TimeDelta::days(age * 365 + age / 4 + self.rng.i64(0..365));
            if (born.month(), born.day()) == (2, 29) {
                born = born + days(1);
            }
            let guarantor = self.people.get(&first).cloned();
            let mobile = match (&guarantor, self.rng.u32(0..100)) {
                (None, 0..4) if first > 20 && self.shared == Shared::Anywhere => {
                    let other = self.rng.u32(1..first);
                    self.people[&other].mobile.clone()
                }
                (None, 4..12) | (Some(_), 0..15) => None,
                (Some(head), 15..55) => head.mobile.clone(),
                _ => Some(self.number()),
            };
            let key = first + place;
            let email = match (&guarantor, self.rng.u32(0..100)) {
                (None, 0..22) | (Some(_), 0..20) => None,
                (Some(head), 20..55) => head.email.clone(),
                _ => Some(format!("p{key}@mail.test-practice.com")),
            };
            let status = match self.rng.u32(0..100) {
                0..8 if place == 0 && size > 1 => "non_patient",
                0..10 => "inactive",
                10..13 => "prospective",
                13..16 => "archived",
                16 => "deceased",
                17 if place > 0 => "deleted",
                _ => "active",
            };
            let person = Person {
                key: key.to_string(),
                name: name(key),
                household: head.clone(),
                status,
                born: (!self.chance(5)).then_some(born),
                mobile,
                email,
                sms: match self.rng.u32(0..100) {
                    0..65 => Some(true),
                    65..75 => Some(false),
                    _ => None,
                },
                mail: match self.rng.u32(0..100) {
                    0..8 => Some(false),
                    8..16 => Some(true),
                    _ => None,
                },
                no_sms: self.chance(3),
                no_mail: self.chance(2),
                needs_person: self.chance(2),
                gone: false,
            };
            self.people.insert(key, person);
            self.dirty.insert((RecordKind::Patient, key));
            self.past(key, today);
        }
    }

    /// Visits so far, and the recalls that follow from them.
    fn past(&mut self, patient: u32, today: NaiveDate) {
        let ago = match self.rng.u32(0..100) {
            0..6 => None,
            6..60 => Some(self.rng.u64(1..230)),
            60..82 => Some(self.rng.u64(230..700)),
            _ => Some(self.rng.u64(500..1600)),
        };
        let last = ago.map(|ago| weekday(today - days(ago)).min(today - days(1)));
        let count = match self.rng.u32(0..100) {
            0..10 => 0,
            10..75 => 1,
            _ => 2,
        };
        let mut answered = None;
        for _ in 0..count {
            let key = self.dues.len() as u32 + 1;
            let months = [6, 6, 6, 12, 4][self.rng.usize(0..5)];
            let previous = last.filter(|_| !self.chance(5));
            let mut due = previous.map(|day| after(day, months));
            if due.is_none() && self.chance(50) {
                due = Some(today + days(self.rng.u64(0..200)) - days(60));
            }
            let snoozed = self
                .chance(4)
                .then(|| today + days(self.rng.u64(0..90)) - days(10));
            let recall = Due {
                key: format!("r{key}"),
                patient: patient.to_string(),
                months,
                due,
                previous,
                scheduled: None,
                snoozed,
                disabled: self.chance(4),
                held: self.chance(2),
                urgent: self.chance(4),
                gone: false,
            };
            answered.get_or_insert((recall.key.clone(), None));
            self.dues.insert(key, recall);
            self.dirty.insert((RecordKind::Recall, key));
            if self.chance(15) {
                self.book(key, today);
            }
        }
        if let Some(last) = last {
            self.done(patient, last, answered);
            if self.chance(50) {
                self.done(patient, weekday(last - days(180)), None);
            }
        }
    }

    fn done(&mut self, patient: u32, day: NaiveDate, answers: Option<(String, Option<NaiveDate>)>) {
        let start = self.hour(day);
        self.visit(patient, "complete", start, answers, true);
    }

    fn hour(&mut self, day: NaiveDate) -> NaiveDateTime {
        day.and_time(NaiveTime::MIN) + TimeDelta::minutes(8 * 60 + 30 * self.rng.i64(0..18))
    }

    fn visit(
        &mut self,
        patient: u32,
        status: &'static str,
        start: NaiveDateTime,
        answers: Option<(String, Option<NaiveDate>)>,
        settled: bool,
    ) {
        let key = self.visits.len() as u32 + 1;
        let visit = Visit {
            key: format!("a{key}"),
            patient: patient.to_string(),
            status,
            start: Some(start),
            gone: false,
            answers,
            settled,
        };
        self.visits.insert(key, visit);
        self.dirty.insert((RecordKind::Appointment, key));
    }

    fn book(&mut self, due: u32, today: NaiveDate) {
        let ahead = self.rng.u64(1..50);
        let day = weekday(today + days(ahead)).max(today + days(1));
        let start = self.hour(day);
        let recall = self.due(due);
        if recall.gone || recall.scheduled.is_some() {
            return;
        }
        recall.scheduled = Some(day);
        let answers = Some((recall.key.clone(), recall.previous));
        let patient = index(&recall.patient);
        self.visit(patient, "scheduled", start, answers, false);
    }

    fn person(&mut self, key: u32) -> &mut Person {
        self.dirty.insert((RecordKind::Patient, key));
        self.people.get_mut(&key).unwrap()
    }

    fn due(&mut self, key: u32) -> &mut Due {
        self.dirty.insert((RecordKind::Recall, key));
        self.dues.get_mut(&key).unwrap()
    }

    fn visit_mut(&mut self, key: u32) -> &mut Visit {
        self.dirty.insert((RecordKind::Appointment, key));
        self.visits.get_mut(&key).unwrap()
    }

    /// What happened until now; `share` of an ordinary day's events.
    pub(crate) fn pass(&mut self, now: NaiveDateTime, share: f64) {
        let today = now.date();
        self.settle(now);
        if is_weekend(today) {
            return;
        }
        let events = (self.people.len() as f64 * 0.017 * share).round() as u32;
        for _ in 0..events {
            self.event(today);
        }
    }

    /// Writes down how the visits that have begun went.
    fn settle(&mut self, now: NaiveDateTime) {
        let open: Vec<_> = self
            .visits
            .iter()
            .filter(|(_, visit)| {
                !visit.settled
                    && visit.status == "scheduled"
                    && visit.start.is_some_and(|start| start.date() <= now.date())
            })
            .map(|(key, visit)| (*key, visit.start.unwrap()))
            .collect();
        for (key, start) in open {
            // Some are written down before they have begun.
            if start > now && !self.chance(4) {
                continue;
            }
            match self.rng.u32(0..100) {
                0..78 => self.complete(key),
                78..88 => self.unbook(key, "broken"),
                // Nobody writes anything down: it stays on the book.
                88..94 => self.visit_mut(key).settled = true,
                // Somebody does on another day.
                _ => {}
            }
        }
    }

    fn complete(&mut self, key: u32) {
        let visit = self.visit_mut(key);
        visit.status = "complete";
        visit.settled = true;
        let day = visit.start.unwrap().date();
        if let Some((recall, _)) = visit.answers.clone() {
            let recall = self.due(index(&recall));
            let before = recall.previous;
            recall.previous = Some(day);
            recall.due = Some(after(day, recall.months));
            recall.scheduled = None;
            recall.snoozed = None;
            recall.urgent = false;
            self.visit_mut(key).answers.as_mut().unwrap().1 = before;
        }
    }

    fn unbook(&mut self, key: u32, status: &'static str) {
        let visit = self.visit_mut(key);
        visit.status = status;
        visit.settled = true;
        if status == "unscheduled" {
            visit.start = None;
        }
        visit.gone |= status == "gone";
        if let Some((recall, _)) = visit.answers.clone() {
            self.due(index(&recall)).scheduled = None;
        }
    }

    fn any_person(&mut self) -> u32 {
        self.rng.u32(1..=self.people.len() as u32)
    }

    fn recall_of(&mut self, patient: u32) -> Option<u32> {
        let patient = patient.to_string();
        let of: Vec<_> = self
            .dues
            .iter()
            .filter(|(_, recall)| recall.patient == patient && !recall.gone)
            .map(|(key, _)| *key)
            .collect();
        (!of.is_empty()).then(|| of[self.rng.usize(0..of.len())])
    }

    fn visit_of(&self, patient: u32, status: &str) -> Option<u32> {
        let patient = patient.to_string();
        let mut of = self.visits.iter().rev();
        of.find(|(_, visit)| visit.patient == patient && visit.status == status && !visit.gone)
            .map(|(key, _)| *key)
    }

    #[allow(clippy::cognitive_complexity, reason = "a list of what may happen")]
    fn event(&mut self, today: NaiveDate) {
        let who = self.any_person();
        let dice = self.rng.u32(0..1000);
        match dice {
            0..370 => {
                if let Some(recall) = self.recall_of(who) {
                    self.book(recall, today);
                } else if self.chance(30) {
                    let start = self.hour(weekday(today + days(9)));
                    self.visit(who, "scheduled", start, None, false);
                }
            }
            370..440 => {
                if let Some(visit) = self.visit_of(who, "scheduled") {
                    let how = ["unscheduled", "broken", "gone"][self.rng.usize(0..3)];
                    self.unbook(visit, how);
                }
            }
            440..520 => {
                if let Some(recall) = self.recall_of(who) {
                    let by = TimeDelta::days(if self.chance(50) { 1 } else { -1 });
                    let recall = self.due(recall);
                    recall.due = recall.due.map(|due| due + by);
                }
            }
            520..560 => {
                if let Some(recall) = self.recall_of(who) {
                    let until = today + days(self.rng.u64(0..60));
                    self.due(recall).snoozed = Some(until);
                }
            }
            560..600 => {
                if let Some(recall) = self.recall_of(who) {
                    let recall = self.due(recall);
                    recall.disabled = !recall.disabled;
                }
            }
            600..625 => {
                if let Some(recall) = self.recall_of(who) {
                    let recall = self.due(recall);
                    recall.urgent = !recall.urgent;
                }
            }
            625..637 => {
                if let Some(recall) = self.recall_of(who) {
                    let recall = self.due(recall);
                    recall.held = !recall.held;
                }
            }
            637..642 => {
                if let Some(recall) = self.recall_of(who) {
                    self.due(recall).gone = true;
                }
            }
            642..720 => {
                let word = [Some(true), Some(false), None][self.rng.usize(0..3)];
                self.person(who).sms = word;
            }
            720..745 => {
                let word = [Some(true), Some(false), None][self.rng.usize(0..3)];
                self.person(who).mail = word;
            }
            745..765 => {
                let text = self.chance(60);
                let person = self.person(who);
                if text {
                    person.no_sms = !person.no_sms;
                } else {
                    person.no_mail = !person.no_mail;
                }
            }
            765..800 => {
                let number = (!self.chance(15)).then(|| self.number());
                self.person(who).mobile = number;
            }
            800..815 => {
                self.numbers += 1;
                let mailbox = format!("n{}@mail.test-practice.com", self.numbers);
                let mailbox = (!self.chance(15)).then_some(mailbox);
                self.person(who).email = mailbox;
            }
            815..827 => self.person(who).status = "archived",
            827..831 => self.person(who).status = "deceased",
            831..851 => self.person(who).status = "inactive",
            851..871 => {
                if self.people[&who].status != "deceased" {
                    self.person(who).status = "active";
                }
            }
            871..875 => self.person(who).status = "prospective",
            875..877 => self.person(who).status = "deleted",
            877..879 => self.person(who).gone = true,
            879..891 => {
                let person = self.person(who);
                person.needs_person = !person.needs_person;
            }
            891..899 => self.merge(who),
            899..909 => self.guarantor(who),
            909..939 => {
                if let Some(number) = self.texts(who) {
                    self.stopped.push(number.clone());
                    self.stops.push(Stop::Text(number));
                }
            }
            939..955 => {
                if !self.stopped.is_empty() {
                    let at = self.rng.usize(0..self.stopped.len());
                    let number = self.stopped.swap_remove(at);
                    self.stopped.retain(|other| *other != number);
                    self.stops.push(Stop::Start(number));
                }
            }
            955..961 => {
                if let Some(mailbox) = self.people[&who].email.clone() {
                    self.stops.push(Stop::Mail(mailbox));
                }
            }
            961..966 => {
                if let Some(number) = self.texts(who) {
                    let all = self.chance(50);
                    self.stops.push(Stop::CrmPhone(number, all));
                }
            }
            966..971 => {
                if let Some(mailbox) = self.people[&who].email.clone() {
                    let all = self.chance(50);
                    self.stops.push(Stop::CrmEmail(mailbox, all));
                }
            }
            971..976 => {
                let all = self.chance(60);
                self.stops.push(Stop::CrmContact(who.to_string(), all));
            }
            976..994 => self.set_back(who, today),
            _ => {
                if let Some(visit) = self.visit_of(who, "scheduled") {
                    let due = self.visits[&visit].start.unwrap().date() < today;
                    if due {
                        self.complete(visit);
                    }
                }
            }
        }
    }

    fn texts(&self, who: u32) -> Option<String> {
        let number = self.people[&who].mobile.as_ref()?;
        number.texts().map(str::to_owned)
    }

    /// The last visit was not complete after all, or was on another day.
    fn set_back(&mut self, who: u32, today: NaiveDate) {
        let Some(key) = self.visit_of(who, "complete") else {
            return;
        };
        let (corrected, by) = (self.chance(60), self.rng.i64(-4..3));
        let visit = self.visit_mut(key);
        let start = visit.start.unwrap();
        if corrected {
            let moved = weekday(start.date() + TimeDelta::days(by)).min(today - days(1));
            visit.start = Some(moved.and_time(start.time()));
            if let Some((recall, _)) = visit.answers.clone() {
                let recall = self.due(index(&recall));
                if recall.previous == Some(start.date()) {
                    recall.previous = Some(moved);
                    recall.due = Some(after(moved, recall.months));
                }
            }
        } else {
            visit.status = "scheduled";
            // It is written down again on one of the next days.
            visit.settled = start.date() + days(20) < today;
            if let Some((recall, before)) = visit.answers.clone() {
                let recall = self.due(index(&recall));
                if recall.previous == Some(start.date()) {
                    recall.previous = before;
                    recall.due = before.map(|day| after(day, recall.months));
                    recall.scheduled = Some(start.date());
                }
            }
        }
    }

    /// Two charts of one person: all but the name moves to the other.
    fn merge(&mut self, loser: u32) {
        let household = self.people[&loser].household.clone();
        let family: Vec<_> = self
            .people
            .iter()
            .filter(|(key, other)| **key != loser && other.household == household)
            .map(|(key, _)| *key)
            .collect();
        let survivor = if family.is_empty() || self.chance(40) {
            self.any_person()
        } else {
            family[self.rng.usize(0..family.len())]
        };
        if survivor == loser {
            return;
        }
        self.person(loser).status = "archived";
        let (from, to) = (loser.to_string(), survivor.to_string());
        let dues = self.dues.iter().filter(|(_, of)| of.patient == from);
        for key in dues.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.due(key).patient.clone_from(&to);
        }
        let visits = self.visits.iter().filter(|(_, of)| of.patient == from);
        for key in visits.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.visit_mut(key).patient.clone_from(&to);
        }
    }

    /// Somebody leaves for a household of their own, joins another one, or the
    /// family has another guarantor.
    fn guarantor(&mut self, who: u32) {
        let household = self.people[&who].household.clone();
        let kind = match self.shared {
            Shared::Anywhere => self.rng.u32(0..3),
            // Who leaves takes a number along that others have.
            Shared::InHouseholds => 2,
        };
        match kind {
            0 => self.person(who).household = who.to_string(),
            1 => {
                let other = self.any_person();
                let other = self.people[&other].household.clone();
                self.person(who).household = other;
            }
            _ => {
                let family: Vec<_> = self
                    .people
                    .iter()
                    .filter(|(_, other)| other.household == household)
                    .map(|(key, _)| *key)
                    .collect();
                for key in family {
                    self.person(key).household = who.to_string();
                }
            }
        }
    }

    /// What changed since the last time.
    pub(crate) fn changes(&mut self) -> Changes {
        let mut changes = Changes {
            stops: std::mem::take(&mut self.stops),
            ..Changes::default()
        };
        for (kind, key) in std::mem::take(&mut self.dirty) {
            match kind {
                RecordKind::Patient => changes.people.push(self.people[&key].clone()),
                RecordKind::Recall => changes.dues.push(self.dues[&key].clone()),
                RecordKind::Appointment => changes.visits.push(self.visits[&key].clone()),
                RecordKind::OptOut | RecordKind::Reminder => {}
            }
        }
        changes
    }
}

fn after(day: NaiveDate, months: u32) -> NaiveDate {
    day + chrono::Months::new(months)
}

/// This day, or the Friday before it.
fn weekday(day: NaiveDate) -> NaiveDate {
    match day.weekday() {
        Weekday::Sat => day - days(1),
        Weekday::Sun => day - days(2),
        _ => day,
    }
}

/// A record as the practice tells it, or that it is gone.
pub(crate) type Told = Result<Record, RecordKey>;

impl Person {
    /// The patient, and what is kept beside them.
    pub(crate) fn records(&self) -> [Told; 2] {
        let key = PatientKey::new(&self.key);
        let beside = RecordKey::OptOut(key.clone());
        if self.gone {
            return [Err(RecordKey::Patient(key)), Err(beside)];
        }
        let status = match self.status {
            "active" => PatientStatus::Active,
            "inactive" => PatientStatus::Inactive,
            "non_patient" => PatientStatus::NonPatient,
            "prospective" => PatientStatus::Prospective,
            "archived" => PatientStatus::Archived,
            "deceased" => PatientStatus::Deceased,
            _ => PatientStatus::Deleted,
        };
        let said = |channel, yes: bool| Statement {
            channel,
            permission: if yes {
                Permission::Granted
            } else {
                Permission::Denied
            },
            origin: Origin::Practice,
            on: None,
        };
        let own = [(Channel::Sms, self.sms), (Channel::Email, self.mail)];
        let consent = own
            .into_iter()
            .filter_map(|(channel, word)| word.map(|yes| said(channel, yes)))
            .collect();
        let patient = Patient {
            household: HouseholdKey::new(&self.household),
            status,
            first_name: self.name.clone().into(),
            last_name: format!("Family{}", self.household).into(),
            born: self.born.map(Into::into),
            mobile: self.mobile.as_ref().map(Number::phone),
            email: self.email.as_ref().map(|text| Email::parse(text).unwrap()),
            consent,
            needs_person: self.needs_person,
            ..odx_core::testkit::patient(&self.key)
        };
        let noes = [(Channel::Sms, self.no_sms), (Channel::Email, self.no_mail)];
        let noes: Vec<_> = noes
            .into_iter()
            .filter(|(_, no)| *no)
            .map(|(channel, _)| said(channel, false))
            .collect();
        let opt_out = if noes.is_empty() {
            Err(beside)
        } else {
            Ok(Record::OptOut(OptOut {
                patient: key,
                statements: noes,
            }))
        };
        [Ok(Record::Patient(patient)), opt_out]
    }
}

impl Due {
    pub(crate) fn record(&self) -> Told {
        let key = RecallKey::new(&self.key);
        if self.gone {
            return Err(RecordKey::Recall(key));
        }
        Ok(Record::Recall(Recall {
            previous: self.previous,
            scheduled: self.scheduled,
            disabled: self.disabled,
            snoozed_until: self.snoozed,
            held_for_balance: self.held,
            urgent: self.urgent,
            ..odx_core::testkit::recall(&self.key, &self.patient, self.due)
        }))
    }
}

impl Visit {
    pub(crate) fn record(&self) -> Told {
        let key = AppointmentKey::new(&self.key);
        if self.gone {
            return Err(RecordKey::Appointment(key));
        }
        let status = match self.status {
            "scheduled" => AppointmentStatus::Scheduled,
            "complete" => AppointmentStatus::Complete,
            "broken" => AppointmentStatus::Broken,
            _ => AppointmentStatus::Unscheduled,
        };
        Ok(Record::Appointment(Appointment {
            key,
            patient: PatientKey::new(&self.patient),
            status,
            missed: false,
            start: self.start,
            minutes: Some(60),
            hygiene: true,
            clinic: None,
            provider: None,
            operatory: None,
            labels: Vec::new(),
        }))
    }
}
