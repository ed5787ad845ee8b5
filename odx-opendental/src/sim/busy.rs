//! The busy day that request counts are reckoned for.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};
use fastrand::Rng;

use super::clock::{day, stamp};
use super::practice::Practice;
use super::tables::{AppointmentRow, NO_DATE, RecallRow};

/// Rows of one busy day, by key. The lists of changed rows share no patient with `patients`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusyDay {
    /// Patients edited: 60.
    pub patients: Vec<i64>,
    /// Appointments changed or made, each of another patient: 120.
    pub appointments: Vec<i64>,
    /// Recalls changed, all of patients with a changed appointment: 100.
    pub recalls: Vec<i64>,
    /// Appointments deleted: 2.
    pub appointments_deleted: Vec<i64>,
    /// Recalls removed: 1.
    pub recalls_deleted: Vec<i64>,
}

impl Practice {
    /// Runs a day of 60 changed patients, 120 changed appointments and 100 changed recalls: 60
    /// visits completed, 40 booked, 20 confirmed. An office of a few hundred patients has not
    /// enough to do for that; then fewer rows change. Each edit takes up to a minute and a half.
    pub fn busy_day(&self, seed: u64) -> BusyDay {
        let mut work = Work::of(self, seed);
        for _ in 0..60 {
            work.edit_patient();
            work.complete();
        }
        for _ in 0..40 {
            work.book();
        }
        for _ in 0..20 {
            work.confirm();
        }
        work.delete_visit();
        work.delete_visit();
        work.drop_recall();
        work.done
    }
}

struct Work<'a> {
    practice: &'a Practice,
    rng: Rng,
    done: BusyDay,
    touched: HashSet<i64>,
    /// Active patients, shuffled.
    patients: Vec<i64>,
    /// Visits to come that one recall waits for, with that recall.
    awaited: Vec<(AppointmentRow, i64)>,
    /// Visits to come that no recall waits for.
    others: Vec<AppointmentRow>,
    /// Open recalls.
    open: Vec<RecallRow>,
}

impl<'a> Work<'a> {
    fn of(practice: &'a Practice, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let today = day(practice.now().date());
        let mut patients: Vec<i64> = practice
            .patients()
            .into_iter()
            .filter(|row| row.pat_status == "Patient")
            .map(|row| row.pat_num)
            .collect();
        rng.shuffle(&mut patients);
        let active: HashSet<i64> = patients.iter().copied().collect();
        let mut waiting: HashMap<(i64, String), Vec<i64>> = HashMap::new();
        let mut open = Vec::new();
        for row in practice.recalls() {
            if !active.contains(&row.pat_num) {
                continue;
            }
            if row.date_scheduled != NO_DATE {
                let slot = (row.pat_num, row.date_scheduled.clone());
                waiting.entry(slot).or_default().push(row.recall_num);
            } else if !row.is_disabled {
                open.push(row);
            }
        }
        rng.shuffle(&mut open);
        let (mut awaited, mut others) = (Vec::new(), Vec::new());
        for visit in practice.appointments() {
            let date = visit.apt_date_time.get(..10).unwrap_or(NO_DATE).to_owned();
            let to_come = visit.apt_status == "Scheduled" && date >= today;
            if !to_come || !active.contains(&visit.pat_num) {
                continue;
            }
            match waiting.get(&(visit.pat_num, date)).map(Vec::as_slice) {
                Some(&[recall]) => awaited.push((visit, recall)),
                Some(_) => {}
                None => others.push(visit),
            }
        }
        rng.shuffle(&mut awaited);
        rng.shuffle(&mut others);
        Self {
            practice,
            rng,
            done: BusyDay::default(),
            touched: HashSet::new(),
            patients,
            awaited,
            others,
            open,
        }
    }

    fn tick(&mut self) {
        let seconds = self.rng.u64(1..90);
        self.practice.advance(Duration::from_secs(seconds));
    }

    /// Takes the next of a list whose patient was left alone so far.
    fn next<T>(&mut self, list: fn(&mut Self) -> &mut Vec<T>, of: fn(&T) -> i64) -> Option<T> {
        self.tick();
        loop {
            let one = list(self).pop()?;
            if self.touched.insert(of(&one)) {
                return Some(one);
            }
        }
    }

    fn edit_patient(&mut self) {
        let Some(key) = self.next(|work| &mut work.patients, |key| *key) else {
            return;
        };
        let line = format!(
            "(503)555-01{:02} x{}",
            self.rng.u8(0..100),
            self.rng.u8(1..9)
        );
        self.practice
            .update_patient(key, |row| row.wireless_phone = line);
        self.done.patients.push(key);
    }

    fn complete(&mut self) {
        let next = self.next(|work| &mut work.awaited, |(visit, _)| visit.pat_num);
        let Some((visit, recall)) = next else { return };
        let now = self.practice.now();
        self.practice
            .update_appointment(visit.apt_num, |row| row.apt_date_time = stamp(now));
        self.practice
            .update_recall(recall, |row| row.date_scheduled = day(now.date()));
        self.practice.complete_visit(visit.apt_num);
        self.done.appointments.push(visit.apt_num);
        self.done.recalls.push(recall);
    }

    fn book(&mut self) {
        let Some(recall) = self.next(|work| &mut work.open, |row| row.pat_num) else {
            return;
        };
        let date = self.practice.now().date() + TimeDelta::days(self.rng.i64(3..120));
        let at = date.and_time(NaiveTime::MIN) + TimeDelta::minutes(480 + 10 * self.rng.i64(0..54));
        if let Some(visit) = self.practice.book_recall(recall.recall_num, at) {
            self.done.appointments.push(visit);
            self.done.recalls.push(recall.recall_num);
        }
    }

    fn confirm(&mut self) {
        let Some(visit) = self.next(|work| &mut work.others, |visit| visit.pat_num) else {
            return;
        };
        let statuses = self.practice.definitions();
        let other = statuses
            .iter()
            .find(|row| row.category == 2 && row.def_num != visit.confirmed);
        let to = other.map_or(0, |row| row.def_num);
        self.practice
            .update_appointment(visit.apt_num, |row| row.confirmed = to);
        self.done.appointments.push(visit.apt_num);
    }

    fn delete_visit(&mut self) {
        if let Some(visit) = self.next(|work| &mut work.others, |visit| visit.pat_num) {
            self.practice.delete_appointment(visit.apt_num);
            self.done.appointments_deleted.push(visit.apt_num);
        }
    }

    fn drop_recall(&mut self) {
        if let Some(recall) = self.next(|work| &mut work.open, |row| row.pat_num) {
            self.practice.delete_recall(recall.recall_num);
            self.done.recalls_deleted.push(recall.recall_num);
        }
    }
}
