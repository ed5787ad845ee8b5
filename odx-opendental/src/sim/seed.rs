//! Fills an office with invented people, families, recalls and visits.

use chrono::{Months, NaiveDate, NaiveDateTime, TimeDelta};
use fastrand::Rng;

use super::clock::{day, stamp};
use super::error::SimError;
use super::names::{self, FAMILIES, MEN, NICKNAMES, WOMEN, pick};
use super::reference;
use super::settings::Settings;
use super::spread::Spread;
use super::store::Store;
use super::tables::{AppointmentRow, HistAppointmentRow, NO_DATE, PatientRow, RecallRow};

pub(crate) fn fill(store: &mut Store, settings: &Settings) -> Result<(), SimError> {
    store.begin()?;
    reference::fill(store, settings)?;
    let mut seeder = Seeder {
        confirmed: reference::category(store, 2)?,
        statuses: reference::category(store, 13)?,
        rng: Rng::with_seed(settings.seed),
        settings,
        spread: settings
            .exact_rows
            .map(|rows| Spread::over(settings.patients, rows)),
    };
    let mut left = settings.patients;
    while left > 0 {
        let size = seeder.rng.choice([1, 1, 1, 2, 2, 3, 4, 5]).unwrap_or(1);
        let size = size.min(left);
        seeder.family(store, size)?;
        left -= size;
    }
    if seeder.spread.is_some_and(|spread| !spread.done()) {
        return Err(SimError::Setting(
            "so many rows do not fit so few patients: at most five recalls each",
        ));
    }
    store.commit()?;
    store.index()
}

struct Seeder<'a> {
    settings: &'a Settings,
    rng: Rng,
    confirmed: Vec<i64>,
    statuses: Vec<i64>,
    spread: Option<Spread>,
}

impl Seeder<'_> {
    fn family(&mut self, store: &mut Store, size: usize) -> Result<(), SimError> {
        let surname = pick(&mut self.rng, &FAMILIES);
        let home = names::home(&mut self.rng);
        let home_phone = if self.rng.u8(0..5) == 0 {
            String::new()
        } else {
            names::phone(&mut self.rng)
        };
        let parent_mobile = names::phone(&mut self.rng);
        let clinic = self.clinic();
        let guarantor = store.new_key::<PatientRow>();
        for place in 0..size {
            let child = place >= 2;
            let mut row = self.person(surname, child);
            row.pat_num = if place == 0 {
                guarantor
            } else {
                store.new_key::<PatientRow>()
            };
            row.guarantor = guarantor;
            row.clinic_num = clinic;
            row.address.clone_from(&home.address);
            row.address2.clone_from(&home.address2);
            home.city.clone_into(&mut row.city);
            home.state.clone_into(&mut row.state);
            row.zip.clone_from(&home.zip);
            row.hm_phone.clone_from(&home_phone);
            if place == 0 {
                row.wireless_phone.clone_from(&parent_mobile);
                row.bal_total = row.est_balance;
                if self.rng.u8(0..12) == 0 {
                    row.fam_fin_urg_note = names::note(&mut self.rng);
                }
            } else if child {
                // Minors are reached on a parent's phone.
                row.wireless_phone.clone_from(&parent_mobile);
            } else {
                row.wireless_phone = names::phone(&mut self.rng);
            }
            if place < 2 && size > 1 {
                "Married".clone_into(&mut row.position);
            }
            row.image_folder = format!(
                "{}{}{}",
                row.l_name.replace(' ', ""),
                row.f_name.replace(' ', ""),
                row.pat_num
            );
            store.put(&mut row)?;
            if let Some(spread) = &mut self.spread {
                spread.seen += 1;
            }
            if !matches!(row.pat_status.as_str(), "NonPatient" | "Prospective") {
                let booked = self.visits(store, &row)?;
                self.recalls(store, &row, booked)?;
            }
        }
        Ok(())
    }

    fn person(&mut self, surname: &str, child: bool) -> PatientRow {
        let rng = &mut self.rng;
        let start = self.settings.start;
        let woman = rng.bool();
        let first = pick(rng, if woman { &WOMEN } else { &MEN });
        let mut row = PatientRow::new(surname, first);
        let born = if child {
            Some(rng.i64(400..6400))
        } else {
            (rng.u8(0..50) != 0).then(|| rng.i64(6700..33_000))
        };
        if let Some(days) = born {
            row.birthdate = day((start - TimeDelta::days(days)).date());
        }
        match rng.u8(0..40) {
            0 => "Unknown",
            1 => "Other",
            _ if woman => "Female",
            _ => "Male",
        }
        .clone_into(&mut row.gender);
        if child {
            "Child".clone_into(&mut row.position);
        }
        if rng.u8(0..4) == 0 {
            row.middle_i = char::from(rng.u8(b'A'..=b'Z')).to_string();
        }
        if rng.u8(0..8) == 0 {
            pick(rng, &NICKNAMES).clone_into(&mut row.preferred);
        }
        let status = match rng.u16(0..1000) {
            0..=49 => "Inactive",
            50..=84 => "NonPatient",
            85..=109 => "Archived",
            110..=124 => "Deceased",
            125..=134 => "Prospective",
            _ => "Patient",
        };
        status.clone_into(&mut row.pat_status);
        row.ssn = names::ssn(rng);
        if rng.u8(0..3) == 0 {
            row.wk_phone = names::phone(rng);
        }
        if !child && rng.u8(0..4) != 0 {
            row.email = names::email(rng, first, surname);
        }
        if rng.u8(0..5) == 0 {
            row.est_balance = f64::from(rng.u32(100..90_000)) / 100.0;
        }
        row.pri_prov = rng.choice(reference::DENTISTS).unwrap_or(1);
        row.sec_prov = match rng.u8(0..3) {
            0 => 0,
            _ => rng.choice(reference::HYGIENISTS).unwrap_or(0),
        };
        if rng.u8(0..10) == 0 {
            "Payment Plan".clone_into(&mut row.billing_type);
        }
        if rng.u8(0..15) == 0 {
            row.chart_number = format!("C{:05}", rng.u32(1..99_999));
        }
        if rng.u8(0..10) == 0 {
            row.medicaid_id = format!("{:09}", rng.u32(0..1_000_000_000));
        }
        row.premed = rng.u8(0..30) == 0;
        pick(
            rng,
            &["Yes", "Yes", "Yes", "Unknown", "Unknown", "Unknown", "No"],
        )
        .clone_into(&mut row.txt_msg_ok);
        let methods: [&str; 16] = [
            "None",
            "None",
            "None",
            "None",
            "None",
            "None",
            "WirelessPh",
            "WirelessPh",
            "TextMessage",
            "TextMessage",
            "Email",
            "HmPhone",
            "WkPhone",
            "Mail",
            "DoNotCall",
            "SeeNotes",
        ];
        pick(rng, &methods).clone_into(&mut row.prefer_contact_method);
        pick(rng, &methods).clone_into(&mut row.prefer_confirm_method);
        pick(rng, &methods).clone_into(&mut row.prefer_recall_method);
        pick(
            rng,
            &["", "", "", "", "", "", "", "spa", "rus", "vie", "eng"],
        )
        .clone_into(&mut row.language);
        let entered = start - TimeDelta::days(rng.i64(5..2500));
        row.sec_date_entry = day(entered.date());
        row.date_first_visit = day((entered + TimeDelta::days(rng.i64(0..5))).date());
        row.date_t_stamp = self.past_stamp();
        row
    }

    /// A moment of a working day in the last two years.
    fn past_stamp(&mut self) -> String {
        let ago = TimeDelta::days(self.rng.i64(1..730));
        let seconds = TimeDelta::seconds(self.rng.i64(7 * 3600..19 * 3600));
        stamp(midnight((self.settings.start - ago).date()) + seconds)
    }

    fn clinic(&mut self) -> i64 {
        let clinics = i64::try_from(self.settings.clinics).unwrap_or(0);
        // clinics: 0 = unassigned, common where the feature came later
        if clinics == 0 || self.rng.u8(0..12) == 0 {
            return 0;
        }
        self.rng.i64(1..=clinics)
    }

    fn count(&mut self, average: f32) -> usize {
        let mut count = 0;
        let mut left = average;
        while left >= 1.0 {
            count += 1;
            left -= 1.0;
        }
        count + usize::from(self.rng.f32() < left)
    }

    /// Appointments; returns the day of a future hygiene visit.
    fn visits(
        &mut self,
        store: &mut Store,
        patient: &PatientRow,
    ) -> Result<Option<NaiveDate>, SimError> {
        let today = self.settings.start.date();
        let active = patient.pat_status == "Patient";
        let mut booked = None;
        let count = match &mut self.spread {
            Some(spread) => spread
                .appointments
                .next(spread.seen, spread.patients, &mut self.rng),
            None => self.count(self.settings.appointments_per_patient),
        };
        for _ in 0..count {
            let rng = &mut self.rng;
            let (status, ahead) = match rng.u8(0..100) {
                0..=24 if active && booked.is_none() => ("Scheduled", rng.i64(1..180)),
                25..=32 => ("Broken", -rng.i64(1..700)),
                33..=37 => ("UnschedList", -rng.i64(1..400)),
                38..=41 => ("Planned", 0),
                42..=44 => ("PtNote", rng.i64(-200..60)),
                // An old visit that nobody set complete still counts as scheduled.
                45 => ("Scheduled", -rng.i64(1..60)),
                _ => ("Complete", -rng.i64(1..1000)),
            };
            let date = (self.settings.start + TimeDelta::days(ahead)).date();
            let start = TimeDelta::minutes(480 + 10 * rng.i64(0..54));
            let at = stamp(midnight(date) + start);
            let mut row = AppointmentRow::new(patient.pat_num, &at);
            status.clone_into(&mut row.apt_status);
            let hygiene = rng.u8(0..3) != 0;
            if hygiene {
                pick(rng, &["Pro, Ex", "Pro, Ex, 4BW", "PerMnt", "ProChild, Fl"])
            } else {
                pick(rng, &["Crn#3", "Comp#14", "Ex, PA", "RCT#19", "Consult"])
            }
            .clone_into(&mut row.proc_descript);
            // Schema: often left unset even for hygiene visits.
            row.is_hygiene = hygiene && rng.bool();
            "//XXXX//".clone_into(&mut row.pattern);
            "////////".clone_into(&mut row.pattern_secondary);
            row.prov_num = patient.pri_prov;
            row.prov_hyg = patient.sec_prov;
            row.op = rng.i64(1..8);
            row.clinic_num = patient.clinic_num;
            row.is_new_patient = rng.u8(0..12) == 0;
            row.confirmed = self.confirmed.first().copied().unwrap_or(0);
            if rng.u8(0..4) == 0 {
                row.confirmed = rng.choice(self.confirmed.iter()).copied().unwrap_or(0);
            }
            if rng.u8(0..6) == 0 {
                row.note = names::note(rng);
            }
            if rng.u8(0..30) == 0 {
                "ASAP".clone_into(&mut row.priority);
            }
            match status {
                "Complete" if rng.bool() => {
                    row.date_time_arrived = stamp(midnight(date) + start - TimeDelta::minutes(6));
                    row.date_time_seated = stamp(midnight(date) + start + TimeDelta::minutes(2));
                    row.date_time_dismissed =
                        stamp(midnight(date) + start + TimeDelta::minutes(44));
                    row.date_time_asked_to_arrive.clone_from(&at);
                }
                // The appointment's date with 00:00:00 also means not recorded.
                "Complete" => {
                    let unrecorded = stamp(midnight(date));
                    row.date_time_arrived.clone_from(&unrecorded);
                    row.date_time_seated.clone_from(&unrecorded);
                    row.date_time_dismissed = unrecorded;
                }
                "Planned" => {
                    row.op = 0;
                    row.item_order_planned = 1;
                    super::tables::NO_DATE_TIME.clone_into(&mut row.apt_date_time);
                }
                "UnschedList" => {
                    row.op = 0;
                    row.unsched_status = rng.choice(self.statuses.iter()).copied().unwrap_or(0);
                }
                "Scheduled" if hygiene && date > today => booked = Some(date),
                _ => {}
            }
            if matches!(status, "Complete" | "Broken") {
                // Last written when the visit was over; made some weeks before.
                row.date_t_stamp = stamp(midnight(date) + start + TimeDelta::minutes(50));
                let made = midnight(date) - TimeDelta::hours(self.rng.i64(9..4000));
                row.sec_date_t_entry = stamp(made);
            } else {
                row.date_t_stamp = self.past_stamp();
                row.sec_date_t_entry.clone_from(&row.date_t_stamp);
            }
            store.put(&mut row)?;
            let action = match status {
                "Broken" => "Missed",
                "Scheduled" => "Created",
                _ => continue,
            };
            store.put(&mut HistAppointmentRow {
                hist_appt_num: 0,
                hist_user_num: 1,
                hist_date_t_stamp: row.date_t_stamp.clone(),
                hist_appt_action: action.to_owned(),
                appt_source: "None".to_owned(),
                appointment: row,
            })?;
        }
        Ok(booked)
    }

    fn recalls(
        &mut self,
        store: &mut Store,
        patient: &PatientRow,
        booked: Option<NaiveDate>,
    ) -> Result<(), SimError> {
        let today = self.settings.start.date();
        let count = match &mut self.spread {
            Some(spread) => spread
                .recalls
                .next(spread.seen, spread.patients, &mut self.rng),
            None => self.count(self.settings.recalls_per_patient),
        };
        // Prophy and Perio exclude each other; one row per patient and type.
        let main = if self.rng.u8(0..8) == 0 {
            reference::PERIO
        } else {
            reference::PROPHY
        };
        let types = std::iter::once(main).chain(reference::EXTRA_TYPES);
        for (place, recall_type) in types.take(count).enumerate() {
            let stamp = self.past_stamp();
            let rng = &mut self.rng;
            let mut row = RecallRow::new(patient.pat_num, recall_type);
            row.date_t_stamp = stamp;
            if rng.u8(0..8) == 0 {
                pick(rng, &["3m", "4m", "6m", "1y", "6m1d", "1y6m", "26w", ""])
                    .clone_into(&mut row.recall_interval);
            }
            let due = today + TimeDelta::days(rng.i64(-1095..365));
            let months = match row.recall_interval.as_str() {
                "3m" => 3,
                "4m" => 4,
                "1y" => 12,
                "1y6m" => 18,
                "5y" => 60,
                _ => 6,
            };
            let previous = due.checked_sub_months(Months::new(months));
            row.date_due = day(due);
            // Schema: DateDue differs from DateDueCalc where a person moved it.
            let moved = i64::from(patient.pat_num % 16 == 0) * 14;
            row.date_due_calc = day(due - TimeDelta::days(moved));
            if let Some(previous) = previous.filter(|p| *p < today) {
                row.date_previous = day(previous);
            }
            match rng.u8(0..100) {
                // Never triggered.
                0..=3 => {
                    NO_DATE.clone_into(&mut row.date_due);
                    NO_DATE.clone_into(&mut row.date_due_calc);
                    NO_DATE.clone_into(&mut row.date_previous);
                }
                // Schema: disabling clears DateDue.
                4..=7 => {
                    row.is_disabled = true;
                    NO_DATE.clone_into(&mut row.date_due);
                }
                8..=10 => {
                    row.disable_until_date = day(today + TimeDelta::days(rng.i64(-30..200)));
                }
                11 => row.disable_until_balance = f64::from(rng.u32(1..40)) * 25.0,
                _ => {}
            }
            if rng.u8(0..5) == 0 {
                row.recall_status = rng.choice(self.statuses.iter()).copied().unwrap_or(0);
            }
            if rng.u8(0..7) == 0 {
                row.note = names::note(rng);
            }
            if rng.u8(0..40) == 0 {
                "ASAP".clone_into(&mut row.priority);
            }
            if let Some(date) = booked.filter(|_| place == 0 && !row.is_disabled) {
                row.date_scheduled = day(date);
            }
            store.put(&mut row)?;
        }
        Ok(())
    }
}

fn midnight(date: NaiveDate) -> NaiveDateTime {
    date.and_time(chrono::NaiveTime::MIN)
}
