//! A believable day at the office.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use fastrand::Rng;

use super::clock::{add_interval, day, stamp};
use super::names::{self, FAMILIES, MEN, pick};
use super::practice::Practice;
use super::reference;
use super::tables::{AppointmentRow, NO_DATE, PatientRow, RecallRow};

/// What happened, by kind. An edit that found no suitable row is not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DayOfChanges {
    /// Last names edited.
    pub names_edited: usize,
    /// Mobile phones edited.
    pub phones_edited: usize,
    /// `TxtMsgOk` moved to something else than before, `No` excepted.
    pub texting_changed: usize,
    /// `TxtMsgOk` set to `No`.
    pub texting_refused: usize,
    /// Visits set complete, recall reset.
    pub visits_completed: usize,
    /// Visits booked for a recall.
    pub visits_booked: usize,
    /// Visits broken.
    pub visits_broken: usize,
    /// Visits deleted.
    pub visits_deleted: usize,
    /// New patients, each with a recall.
    pub new_patients: usize,
    /// Patients archived.
    pub archived: usize,
    /// Patients deceased.
    pub deceased: usize,
    /// Recalls disabled.
    pub recalls_disabled: usize,
    /// Recalls deleted.
    pub recalls_deleted: usize,
    /// Keys of every patient that was touched, itself or through a recall or visit.
    pub patients_touched: Vec<i64>,
}

impl Practice {
    /// Runs a day: some 1 % of the patients, at most 40 edits of the common
    /// kinds. Each edit takes up to a minute and a half of the office's clock.
    pub fn day_of_changes(&self, seed: u64) -> DayOfChanges {
        let mut day = Day::of(self, seed);
        let busy = (day.patients.len() / 100).clamp(2, 40);
        for _ in 0..busy {
            day.complete();
            day.book();
        }
        for _ in 0..(busy / 3).max(1) {
            day.break_one();
            day.new_patient();
        }
        day.delete_visit();
        day.disable_recall();
        day.drop_recall();
        day.set_status("Archived");
        day.set_status("Deceased");
        for _ in 0..busy {
            day.rename();
            day.new_phone();
            day.change_texting();
            day.refuse_texting();
        }
        let mut done = day.done;
        done.patients_touched.sort_unstable();
        done.patients_touched.dedup();
        done
    }

    /// Sets a visit complete and resets the recalls it was booked for:
    /// `DatePrevious` is the visit, `DateDue` follows by the interval,
    /// `DateScheduled`, status and note are cleared.
    // apptcomplete; recall: a finished recall visit resets dates, status and note
    pub fn complete_visit(&self, apt_num: i64) -> bool {
        let Some(visit) = self.appointment(apt_num) else {
            return false;
        };
        self.update_appointment(apt_num, |row| {
            "Complete".clone_into(&mut row.apt_status);
            row.date_time_arrived.clone_from(&row.apt_date_time);
        });
        let Ok(date) = visit_day(&visit).parse::<NaiveDate>() else {
            return true;
        };
        for recall in self.booked_recalls(&visit) {
            self.update_recall(recall.recall_num, |row| {
                row.date_previous = day(date);
                row.date_due = add_interval(date, &row.recall_interval)
                    .map_or_else(|| NO_DATE.to_owned(), day);
                row.date_due_calc.clone_from(&row.date_due);
                NO_DATE.clone_into(&mut row.date_scheduled);
                row.recall_status = 0;
                row.note.clear();
            });
        }
        true
    }

    /// Books a hygiene visit for a recall and marks the recall scheduled.
    /// Returns the visit's key.
    pub fn book_recall(&self, recall_num: i64, at: chrono::NaiveDateTime) -> Option<i64> {
        let recall = self.recall(recall_num)?;
        let patient = self.patient(recall.pat_num)?;
        let mut row = AppointmentRow::new(recall.pat_num, &stamp(at));
        row.clinic_num = patient.clinic_num;
        row.prov_num = patient.pri_prov;
        row.prov_hyg = patient.sec_prov;
        row.is_hygiene = true;
        "Pro, Ex".clone_into(&mut row.proc_descript);
        row.confirmed = self
            .definitions()
            .iter()
            .find(|row| row.category == 2)
            .map_or(0, |row| row.def_num);
        let apt_num = self.add_appointment(row);
        self.update_recall(recall_num, |row| row.date_scheduled = day(at.date()));
        Some(apt_num)
    }

    /// Breaks a visit; recalls booked for it are open again.
    // apptbreak: stays on the book, crossed out
    pub fn break_visit(&self, apt_num: i64) -> bool {
        let Some(visit) = self.appointment(apt_num) else {
            return false;
        };
        self.update_appointment(apt_num, |row| "Broken".clone_into(&mut row.apt_status));
        self.unbook(&visit);
        true
    }

    /// Deletes a visit; recalls booked for it are open again.
    pub fn cancel_and_delete_visit(&self, apt_num: i64) -> bool {
        let Some(visit) = self.appointment(apt_num) else {
            return false;
        };
        self.delete_appointment(apt_num);
        self.unbook(&visit);
        true
    }

    fn booked_recalls(&self, visit: &AppointmentRow) -> Vec<RecallRow> {
        let date = visit_day(visit);
        let mut rows = self.recalls_of(visit.pat_num);
        rows.retain(|row| row.date_scheduled == date);
        rows
    }

    fn unbook(&self, visit: &AppointmentRow) {
        for recall in self.booked_recalls(visit) {
            self.update_recall(recall.recall_num, |row| {
                NO_DATE.clone_into(&mut row.date_scheduled);
            });
        }
    }
}

/// `AptDateTime` without the time.
fn visit_day(visit: &AppointmentRow) -> &str {
    visit.apt_date_time.get(..10).unwrap_or(NO_DATE)
}

struct Day<'a> {
    practice: &'a Practice,
    rng: Rng,
    done: DayOfChanges,
    touched: HashSet<i64>,
    /// Active patients, shuffled.
    patients: Vec<i64>,
    /// Visits to come of active patients, shuffled.
    visits: Vec<AppointmentRow>,
    /// Open recalls of active patients, shuffled.
    recalls: Vec<RecallRow>,
}

impl<'a> Day<'a> {
    fn of(practice: &'a Practice, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let today = day(practice.now().date());
        let mut patients: Vec<i64> = practice
            .patients()
            .into_iter()
            .filter(|row| row.pat_status == "Patient")
            .map(|row| row.pat_num)
            .collect();
        let active: HashSet<i64> = patients.iter().copied().collect();
        let mut visits = practice.appointments();
        visits.retain(|row| {
            row.apt_status == "Scheduled"
                && *visit_day(row) >= *today
                && active.contains(&row.pat_num)
        });
        let mut recalls = practice.recalls();
        recalls.retain(|row| {
            !row.is_disabled && row.date_scheduled == NO_DATE && active.contains(&row.pat_num)
        });
        rng.shuffle(&mut patients);
        rng.shuffle(&mut visits);
        rng.shuffle(&mut recalls);
        Self {
            practice,
            rng,
            done: DayOfChanges::default(),
            touched: HashSet::new(),
            patients,
            visits,
            recalls,
        }
    }

    fn tick(&mut self) {
        let seconds = self.rng.u64(1..90);
        self.practice.advance(Duration::from_secs(seconds));
    }

    fn touched(&mut self, pat_num: i64) {
        self.touched.insert(pat_num);
        self.done.patients_touched.push(pat_num);
    }

    /// Time passes, and an active patient turns up whom nobody has touched today.
    fn patient(&mut self) -> Option<PatientRow> {
        self.tick();
        while let Some(pat_num) = self.patients.pop() {
            if !self.touched.contains(&pat_num) {
                return self.practice.patient(pat_num);
            }
        }
        None
    }

    fn upcoming(&mut self) -> Option<AppointmentRow> {
        self.tick();
        while let Some(visit) = self.visits.pop() {
            if !self.touched.contains(&visit.pat_num) {
                return Some(visit);
            }
        }
        None
    }

    fn open_recall(&mut self) -> Option<RecallRow> {
        self.tick();
        while let Some(recall) = self.recalls.pop() {
            if !self.touched.contains(&recall.pat_num) {
                return Some(recall);
            }
        }
        None
    }

    fn rename(&mut self) {
        let Some(patient) = self.patient() else {
            return;
        };
        let married = pick(&mut self.rng, &FAMILIES);
        let name = format!("{}-{married}", patient.l_name);
        self.practice
            .update_patient(patient.pat_num, |row| row.l_name = name);
        self.done.names_edited += 1;
        self.touched(patient.pat_num);
    }

    fn new_phone(&mut self) {
        let Some(patient) = self.patient() else {
            return;
        };
        let mut phone = names::phone(&mut self.rng);
        if phone == patient.wireless_phone {
            phone = "(503)555-0199 x2".to_owned();
        }
        self.practice
            .update_patient(patient.pat_num, |row| row.wireless_phone = phone);
        self.done.phones_edited += 1;
        self.touched(patient.pat_num);
    }

    fn change_texting(&mut self) {
        let Some(patient) = self.patient() else {
            return;
        };
        let to = if patient.txt_msg_ok == "Yes" {
            "Unknown"
        } else {
            "Yes"
        };
        self.practice
            .update_patient(patient.pat_num, |row| to.clone_into(&mut row.txt_msg_ok));
        self.done.texting_changed += 1;
        self.touched(patient.pat_num);
    }

    fn refuse_texting(&mut self) {
        let Some(patient) = self.patient() else {
            return;
        };
        if patient.txt_msg_ok == "No" {
            return;
        }
        self.practice
            .update_patient(patient.pat_num, |row| "No".clone_into(&mut row.txt_msg_ok));
        self.done.texting_refused += 1;
        self.touched(patient.pat_num);
    }

    fn set_status(&mut self, status: &str) {
        let Some(patient) = self.patient() else {
            return;
        };
        self.practice.update_patient(patient.pat_num, |row| {
            status.clone_into(&mut row.pat_status)
        });
        if status == "Archived" {
            self.done.archived += 1;
        } else {
            self.done.deceased += 1;
        }
        self.touched(patient.pat_num);
    }

    fn new_patient(&mut self) {
        self.tick();
        let today = self.practice.now().date();
        let mut row = PatientRow::new(pick(&mut self.rng, &FAMILIES), pick(&mut self.rng, &MEN));
        row.wireless_phone = names::phone(&mut self.rng);
        row.email = names::email(&mut self.rng, &row.f_name, &row.l_name);
        row.birthdate = day(today - TimeDelta::days(self.rng.i64(7000..30_000)));
        row.ssn = names::ssn(&mut self.rng);
        row.date_first_visit = day(today);
        let pat_num = self.practice.add_patient(row);
        let mut recall = RecallRow::new(pat_num, reference::PROPHY);
        recall.date_due = day(today + TimeDelta::days(self.rng.i64(0..180)));
        self.practice.add_recall(recall);
        self.done.new_patients += 1;
        self.touched(pat_num);
    }

    /// A booked patient came today: the visit is moved to today and completed.
    fn complete(&mut self) {
        let Some(visit) = self.upcoming() else { return };
        let now = self.practice.now();
        let recalls = self.practice.booked_recalls(&visit);
        self.practice
            .update_appointment(visit.apt_num, |row| row.apt_date_time = stamp(now));
        for recall in recalls {
            self.practice.update_recall(recall.recall_num, |row| {
                row.date_scheduled = day(now.date());
            });
        }
        self.practice.complete_visit(visit.apt_num);
        self.done.visits_completed += 1;
        self.touched(visit.pat_num);
    }

    fn book(&mut self) {
        let Some(recall) = self.open_recall() else {
            return;
        };
        let date = self.practice.now().date() + TimeDelta::days(self.rng.i64(3..120));
        let at = date.and_time(NaiveTime::MIN) + TimeDelta::minutes(480 + 10 * self.rng.i64(0..54));
        if self.practice.book_recall(recall.recall_num, at).is_some() {
            self.done.visits_booked += 1;
            self.touched(recall.pat_num);
        }
    }

    fn break_one(&mut self) {
        let Some(visit) = self.upcoming() else { return };
        self.practice.break_visit(visit.apt_num);
        self.done.visits_broken += 1;
        self.touched(visit.pat_num);
    }

    fn delete_visit(&mut self) {
        let Some(visit) = self.upcoming() else { return };
        self.practice.cancel_and_delete_visit(visit.apt_num);
        self.done.visits_deleted += 1;
        self.touched(visit.pat_num);
    }

    // Schema: disabling clears DateDue
    fn disable_recall(&mut self) {
        let Some(recall) = self.open_recall() else {
            return;
        };
        self.practice.update_recall(recall.recall_num, |row| {
            row.is_disabled = true;
            NO_DATE.clone_into(&mut row.date_due);
        });
        self.done.recalls_disabled += 1;
        self.touched(recall.pat_num);
    }

    fn drop_recall(&mut self) {
        let Some(recall) = self.open_recall() else {
            return;
        };
        self.practice.delete_recall(recall.recall_num);
        self.done.recalls_deleted += 1;
        self.touched(recall.pat_num);
    }
}
