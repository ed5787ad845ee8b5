//! A practice under check: what stands in it, beside the harness that holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{NaiveDateTime, NaiveTime};
use serde_json::{Map, Value};

use super::harness::SourceHarness;
use super::people::{SPOILED, day, opt_out_of, recall_of, somebody, visit_of};
use crate::id::{AppointmentKey, PatientKey, RecallKey, ReminderKey};
use crate::model::{OptOut, Record, RecordKey, RecordKind};
use crate::testkit::conformance::Supported;
use crate::testkit::{SourceFault, reminder};

pub(super) type Records = BTreeMap<RecordKey, Record>;

/// The first number used for seeded rows: there is room for rows before it.
pub(super) const START: u32 = 101;

pub(super) struct Practice<H> {
    pub(super) harness: H,
    /// What is there and can be read, as this practice keeps it.
    pub(super) there: Records,
    /// Every key that was ever written.
    ever: BTreeSet<RecordKey>,
    kinds: Vec<RecordKind>,
    /// Time passes between two writes.
    ticks: bool,
}

impl<H: SourceHarness> Practice<H> {
    pub(super) async fn start() -> Self {
        let harness = H::start().await;
        Self {
            kinds: harness.kinds(),
            harness,
            there: Records::new(),
            ever: BTreeSet::new(),
            ticks: true,
        }
    }

    /// More than three pages of patients, more than two of recalls, visits and
    /// opt-outs.
    pub(super) async fn seeded() -> Self {
        let mut practice = Self::start().await;
        practice.seed().await;
        practice.later();
        practice
    }

    /// As `seeded`, all of it in one second.
    pub(super) async fn seeded_at_once() -> Self {
        let mut practice = Self::start().await;
        practice.stop_the_clock();
        practice.seed().await;
        practice
    }

    async fn seed(&mut self) {
        let page = self.page();
        let opt_outs = self.has(RecordKind::OptOut);
        // A patient has one opt-out at the most, and some must be free to go.
        let people = if opt_outs { 4 * page + 1 } else { 3 * page + 1 };
        for n in 0..people {
            self.put(self.patient(START + n)).await;
        }
        // Two of each per patient, and the last patients first: the numbers of
        // a recall and of its patient differ, and the first patients can go.
        for n in 0..=2 * page {
            let of = START + people - 1 - n / 2;
            self.put(self.recall(START + n, of)).await;
            self.put(self.visit(START + n, of)).await;
        }
        for n in 0..=2 * page {
            self.put(self.opt_out(START + people - 1 - n)).await;
        }
    }

    /// Rows of a page, or what would be a page where there are none.
    pub(super) fn page(&self) -> u32 {
        match self.harness.page_size() {
            usize::MAX => 5,
            rows => u32::try_from(rows.clamp(1, 1000)).unwrap_or(5),
        }
    }

    pub(super) fn stop_the_clock(&mut self) {
        self.ticks = false;
    }

    pub(super) fn native(&self, kind: RecordKind, n: u32) -> String {
        match kind {
            // Its key is the patient's.
            RecordKind::OptOut => self.harness.native(RecordKind::Patient, n),
            kind => self.harness.native(kind, n),
        }
    }

    pub(super) fn has(&self, kind: RecordKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// The kinds whose every record is owed, for as long as it is there, and whose
    /// listings end: not reminders, which have checks of their own.
    pub(super) fn kinds(&self) -> Vec<RecordKind> {
        let mut kinds = self.kinds.clone();
        kinds.retain(|kind| *kind != RecordKind::Reminder);
        kinds
    }

    pub(super) fn patient(&self, n: u32) -> Record {
        Record::Patient(somebody(&self.native(RecordKind::Patient, n), n))
    }

    pub(super) fn recall(&self, n: u32, patient: u32) -> Record {
        Record::Recall(recall_of(
            &self.native(RecordKind::Recall, n),
            &self.native(RecordKind::Patient, patient),
            n,
        ))
    }

    pub(super) fn visit(&self, n: u32, patient: u32) -> Record {
        Record::Appointment(visit_of(
            &self.native(RecordKind::Appointment, n),
            &self.native(RecordKind::Patient, patient),
            n,
        ))
    }

    /// The opt-out of the patient with this number.
    pub(super) fn opt_out(&self, n: u32) -> Record {
        let patient = self.native(RecordKind::Patient, n);
        Record::OptOut(opt_out_of(&patient, n))
    }

    /// A record of this kind with this number; recalls and visits hang from the
    /// last seeded patients.
    pub(super) fn record(&self, kind: RecordKind, n: u32) -> Record {
        match kind {
            RecordKind::Patient => self.patient(n),
            RecordKind::Recall => self.recall(n, START),
            RecordKind::Appointment => self.visit(n, START),
            RecordKind::OptOut => self.opt_out(n),
            RecordKind::Reminder => self.reminder(n, START, self.wall_clock()),
        }
    }

    /// That the patient with this number was reached.
    pub(super) fn reminder(&self, n: u32, patient: u32, at: NaiveDateTime) -> Record {
        Record::Reminder(reminder(
            &self.native(RecordKind::Reminder, n),
            &self.native(RecordKind::Patient, patient),
            at,
        ))
    }

    /// What the practice's clock shows; some moment where it shows nothing.
    pub(super) fn wall_clock(&self) -> NaiveDateTime {
        let shown = self.harness.wall_clock();
        shown.unwrap_or_else(|| day(0).and_time(NaiveTime::MIN))
    }

    /// The same record under another number.
    pub(super) fn numbered(&self, mut record: Record, n: u32) -> Record {
        let native = self.native(record.kind(), n);
        match &mut record {
            Record::Patient(patient) => patient.key = PatientKey::new(native),
            Record::Recall(recall) => recall.key = RecallKey::new(native),
            Record::Appointment(visit) => visit.key = AppointmentKey::new(native),
            Record::OptOut(opt_out) => opt_out.patient = PatientKey::new(native),
            Record::Reminder(reminder) => reminder.key = ReminderKey::new(native),
        }
        record
    }

    pub(super) async fn put(&mut self, record: Record) {
        if !self.has(record.kind()) {
            return;
        }
        if let Record::OptOut(opt_out) = &record {
            self.put_patient_of(opt_out).await;
        }
        self.write(record).await;
    }

    /// A practice that keeps a no for somebody has that somebody.
    async fn put_patient_of(&mut self, opt_out: &OptOut) {
        let key = RecordKey::Patient(opt_out.patient.clone());
        if !self.ever.contains(&key) {
            let n = u32::try_from(self.ever.len()).unwrap_or(0);
            let patient = somebody(opt_out.patient.native(), n);
            self.write(Record::Patient(patient)).await;
        }
    }

    async fn write(&mut self, record: Record) {
        if let Err(error) = self.harness.put(record.clone()).await {
            panic!("the harness could not write a record: {}", error.chain());
        }
        let key = record.key();
        self.ever.insert(key.clone());
        let kept = self.harness.as_kept(record);
        // Where the practice has no field for any of it, it keeps nothing.
        let nothing = matches!(&kept, Record::OptOut(opt_out) if opt_out.statements.is_empty());
        match nothing {
            true => self.there.remove(&key),
            false => self.there.insert(key, kept),
        };
        self.tick();
    }

    pub(super) async fn delete(&mut self, key: &RecordKey) {
        if let Err(error) = self.harness.delete(key.clone()).await {
            panic!("the harness could not delete a record: {}", error.chain());
        }
        self.there.remove(key);
        self.tick();
    }

    /// Makes a record unreadable; false, and said so, where that cannot be.
    pub(super) async fn spoil(&mut self, check: &str, record: Record) -> bool {
        let key = record.key();
        if let Record::OptOut(opt_out) = &record {
            self.put_patient_of(opt_out).await;
        }
        let answer = self.harness.put_unreadable(record, SPOILED).await;
        if !answer.or_say(check) {
            return false;
        }
        self.ever.insert(key.clone());
        self.there.remove(&key);
        self.tick();
        true
    }

    fn tick(&self) {
        if self.ticks {
            self.harness.advance(Duration::from_secs(1));
        }
    }

    /// An hour passes.
    pub(super) fn later(&self) {
        self.harness.advance(Duration::from_secs(3600));
    }

    /// Makes the next call fail; false, and said so, where that cannot be.
    pub(super) async fn fails(&self, check: &str, fault: SourceFault) -> bool {
        match self.harness.fail_next(fault).await {
            Supported::Yes => true,
            no @ Supported::No(_) => no.or_say(&format!("{check} ({fault:?})")),
        }
    }

    /// Records of this kind from which nothing hangs, in the order of their keys.
    pub(super) fn free(&self, kind: RecordKind) -> Vec<Record> {
        let used: BTreeSet<&str> = self
            .there
            .values()
            .filter(|record| record.kind() != RecordKind::Patient)
            .map(Record::parent)
            .collect();
        self.there
            .values()
            .filter(|record| record.kind() == kind)
            .filter(|record| kind != RecordKind::Patient || !used.contains(record.native()))
            .cloned()
            .collect()
    }

    /// Everything about one patient.
    pub(super) fn about(&self, patient: &PatientKey) -> Records {
        self.there
            .iter()
            .filter(|(key, record)| match record {
                Record::Patient(_) => key.native() == patient.native(),
                Record::Recall(_)
                | Record::Appointment(_)
                | Record::OptOut(_)
                | Record::Reminder(_) => record.parent() == patient.native(),
            })
            .map(|(key, record)| (key.clone(), record.clone()))
            .collect()
    }

    /// Fails unless `shown` holds all that is there, as it is now, and nothing
    /// that never was.
    pub(super) fn assert_shown(&self, shown: &Records, when: &str) {
        let mut wrong = compare(&self.there, shown);
        wrong.extend(
            shown
                .keys()
                .filter(|key| !self.ever.contains(key))
                .map(|key| format!("{key:?} was never written")),
        );
        assert_nothing(wrong, when);
    }
}

/// What of `expected` is missing from `shown` or differs.
pub(super) fn compare(expected: &Records, shown: &Records) -> Vec<String> {
    expected
        .iter()
        .filter_map(|(key, record)| match shown.get(key) {
            None => Some(format!("{key:?} is missing")),
            Some(found) => differs(record, found).map(|how| format!("{key:?}: {how}")),
        })
        .collect()
}

pub(super) fn assert_nothing(mut wrong: Vec<String>, when: &str) {
    let count = wrong.len();
    wrong.truncate(5);
    assert!(
        wrong.is_empty(),
        "{when}, {count} wrong: {}",
        wrong.join("; ")
    );
}

/// Where two records differ. Labels may be added, and what was said has no order.
pub(super) fn differs(expected: &Record, found: &Record) -> Option<String> {
    let (expected, found) = (fields(expected), fields(found));
    // What is empty is not written, on either side.
    let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let how: Vec<String> = names
        .into_iter()
        .filter_map(|name| {
            let of = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_default();
            let (wanted, got) = (of(&expected), of(&found));
            let all = |some: &Value, of: &Value| {
                let of = of.as_array().map_or(&[][..], Vec::as_slice);
                some.as_array()
                    .is_none_or(|some| some.iter().all(|item| of.contains(item)))
            };
            let same = match name.as_str() {
                "labels" => all(&wanted, &got),
                "consent" | "statements" => all(&wanted, &got) && all(&got, &wanted),
                _ => wanted == got,
            };
            (!same).then(|| format!("{name} should be {wanted} and is {got}"))
        })
        .collect();
    (!how.is_empty()).then(|| how.join(", "))
}

fn fields(record: &Record) -> Map<String, Value> {
    let value = match record {
        Record::Patient(patient) => serde_json::to_value(patient),
        Record::Recall(recall) => serde_json::to_value(recall),
        Record::Appointment(visit) => serde_json::to_value(visit),
        Record::OptOut(opt_out) => serde_json::to_value(opt_out),
        Record::Reminder(reminder) => serde_json::to_value(reminder),
    };
    match value {
        Ok(Value::Object(fields)) => fields,
        _ => panic!("a record is not an object"),
    }
}
