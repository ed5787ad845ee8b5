//! The office itself: its clock, its tables and the edits staff make.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDateTime};

use super::clock::{Clock, day, stamp};
use super::error::SimError;
use super::events::Outbound;
use super::faults::{DriftChange, Faults, Listing};
use super::log::{Log, RequestLog};
use super::modes::Live;
use super::names::NOTE_CANARY;
use super::office_edit::{APPOINTMENT, RECALL_OF_PATIENT};
use super::reference;
use super::seed;
use super::settings::{PracticeBuilder, Settings};
use super::store::{Filter, Store};
use super::tables::{
    AppointmentRow, DefinitionRow, HistAppointmentRow, NO_DATE, PatientRow, RecallRow, Record,
};
use super::throttle::Gate;
use super::wire::Lookups;

/// A simulated office. Clones share one office.
#[derive(Clone)]
pub struct Practice {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    names: Mutex<Arc<Lookups>>,
    pub(crate) live: Mutex<Live>,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) gate: Gate,
    /// Machines, and what they sent.
    pub(crate) outbound: Outbound,
    store: Mutex<Store>,
    clock: Mutex<Clock>,
}

impl std::fmt::Debug for Practice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Practice")
            .field("seed", &self.inner.settings.seed)
            .finish_non_exhaustive()
    }
}

/// The tables live in memory: when they fail, the simulator is broken and the
/// test should stop right there.
#[allow(clippy::expect_used, reason = "a bug in the simulator, not an outcome")]
pub(crate) fn must<T>(result: Result<T, SimError>) -> T {
    result.expect("the simulated tables answer")
}

/// Patients that any list may show.
pub(crate) fn live_patients() -> Filter {
    let mut filter = Filter::new();
    filter.only("PatStatus <> 'Deleted'");
    filter
}

impl Practice {
    /// Starts describing an office. The same seed and settings give the same office.
    #[must_use]
    pub fn builder(seed: u64) -> PracticeBuilder {
        PracticeBuilder::new(seed)
    }

    pub(crate) fn open(settings: Settings) -> Result<Self, SimError> {
        let keys = settings.random_keys.then_some(settings.seed ^ 0x6b65_7973);
        let mut store = Store::open(settings.row_order, keys)?;
        seed::fill(&mut store, &settings)?;
        let names = Mutex::new(Arc::new(reference::lookups(&store)?));
        let clock = Clock::starting(settings.start, settings.zone);
        Ok(Self {
            inner: Arc::new(Inner {
                names,
                live: Mutex::new(Live::of(&settings)),
                faults: Faults::default(),
                log: Log::default(),
                gate: Gate::default(),
                outbound: Outbound::of(&settings),
                store: Mutex::new(store),
                clock: Mutex::new(clock),
                settings,
            }),
        })
    }

    /// The developer key that requests must carry.
    #[must_use]
    pub fn developer_key(&self) -> &str {
        &self.inner.settings.developer_key
    }

    /// The customer key that requests must carry.
    #[must_use]
    pub fn customer_key(&self) -> &str {
        &self.inner.settings.customer_key
    }

    /// The office's wall clock.
    #[must_use]
    pub fn now(&self) -> NaiveDateTime {
        self.clock().wall()
    }

    /// The office's wall clock with what it is ahead of UTC; `+00:00` without a zone.
    #[must_use]
    pub fn now_with_offset(&self) -> DateTime<FixedOffset> {
        let clock = self.clock();
        DateTime::from_naive_utc_and_offset(clock.utc(), clock.offset())
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.clock().advance(by);
    }

    /// Turns the wall clock, forward or back.
    pub fn set_clock(&self, to: NaiveDateTime) {
        self.clock().set(to);
    }

    /// What to make go wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Every request since the start or the last clear.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestLog> {
        self.inner.log.all()
    }

    /// Empties the log; indexes start over at 0.
    pub fn clear_requests(&self) {
        self.inner.log.clear();
    }

    /// Every patient row, deleted ones included, by key.
    #[must_use]
    pub fn patients(&self) -> Vec<PatientRow> {
        must(self.store().all(&Filter::new()))
    }

    /// Every recall row, by key.
    #[must_use]
    pub fn recalls(&self) -> Vec<RecallRow> {
        must(self.store().all(&Filter::new()))
    }

    /// Every appointment row, by key.
    #[must_use]
    pub fn appointments(&self) -> Vec<AppointmentRow> {
        must(self.store().all(&Filter::new()))
    }

    /// Every appointment snapshot, by key.
    #[must_use]
    pub fn appointment_history(&self) -> Vec<HistAppointmentRow> {
        must(self.store().all(&Filter::new()))
    }

    /// Every definition, hidden ones included.
    #[must_use]
    pub fn definitions(&self) -> Vec<DefinitionRow> {
        must(self.store().all(&Filter::new()))
    }

    /// One patient row.
    #[must_use]
    pub fn patient(&self, pat_num: i64) -> Option<PatientRow> {
        must(self.store().get(pat_num))
    }

    /// One recall row.
    #[must_use]
    pub fn recall(&self, recall_num: i64) -> Option<RecallRow> {
        must(self.store().get(recall_num))
    }

    /// One appointment row.
    #[must_use]
    pub fn appointment(&self, apt_num: i64) -> Option<AppointmentRow> {
        must(self.store().get(apt_num))
    }

    /// The recall rows of one patient.
    #[must_use]
    pub fn recalls_of(&self, pat_num: i64) -> Vec<RecallRow> {
        must(self.store().all(&of_patient(pat_num)))
    }

    /// The appointment rows of one patient.
    #[must_use]
    pub fn appointments_of(&self, pat_num: i64) -> Vec<AppointmentRow> {
        must(self.store().all(&of_patient(pat_num)))
    }

    /// Texts that no client has a reason to keep: SSNs, Medicaid identifiers
    /// and the notes of staff.
    #[must_use]
    pub fn canaries(&self) -> Vec<String> {
        let mut all = vec![NOTE_CANARY.to_owned()];
        for row in self.patients() {
            all.extend([row.ssn, row.medicaid_id, row.fam_fin_urg_note]);
        }
        all.extend(self.recalls().into_iter().map(|row| row.note));
        all.extend(self.appointments().into_iter().map(|row| row.note));
        all.retain(|text| !text.is_empty());
        all
    }

    /// Changes a patient row and restamps it. False when there is no such row.
    pub fn update_patient(&self, pat_num: i64, edit: impl FnOnce(&mut PatientRow)) -> bool {
        self.update(pat_num, edit).is_some()
    }

    /// Changes a recall row and restamps it. False when there is no such row.
    pub fn update_recall(&self, recall_num: i64, edit: impl FnOnce(&mut RecallRow)) -> bool {
        self.update(recall_num, edit).is_some()
    }

    /// Changes an appointment row, restamps it and takes a snapshot. Recalls stay as
    /// they are. False when there is no such row.
    pub fn update_appointment(&self, apt_num: i64, edit: impl FnOnce(&mut AppointmentRow)) -> bool {
        let Some((before, after)) = self.update(apt_num, edit) else {
            return false;
        };
        let broken = after.apt_status == "Broken" && before.apt_status != "Broken";
        self.snapshot(after, if broken { "Missed" } else { "Changed" });
        true
    }

    /// Adds a patient and returns the key. A key of 0 is replaced by a new one,
    /// a guarantor of 0 by the patient.
    pub fn add_patient(&self, mut row: PatientRow) -> i64 {
        let now = self.now();
        row.stamp(&stamp(now));
        if row.sec_date_entry == NO_DATE || row.sec_date_entry.is_empty() {
            row.sec_date_entry = day(now.date());
        }
        let mut store = self.store();
        if row.pat_num == 0 {
            row.pat_num = store.new_key::<PatientRow>();
        }
        if row.guarantor == 0 {
            row.guarantor = row.pat_num;
        }
        must(store.put(&mut row))
    }

    /// Adds a recall and returns the key.
    pub fn add_recall(&self, mut row: RecallRow) -> i64 {
        row.stamp(&stamp(self.now()));
        must(self.store().put(&mut row))
    }

    /// Adds an appointment with its snapshot and returns the key.
    pub fn add_appointment(&self, mut row: AppointmentRow) -> i64 {
        let now = stamp(self.now());
        row.stamp(&now);
        row.sec_date_t_entry = now;
        let key = must(self.store().put(&mut row));
        self.snapshot(row, "Created");
        key
    }

    /// Deletes a patient: status `Deleted`, gone from every list without a trace.
    /// Recalls and appointments go too, as they must before the program allows it.
    pub fn delete_patient(&self, pat_num: i64) {
        for recall in self.recalls_of(pat_num) {
            self.delete_recall(recall.recall_num);
        }
        for appointment in self.appointments_of(pat_num) {
            self.delete_appointment(appointment.apt_num);
        }
        self.update_patient(pat_num, |row| "Deleted".clone_into(&mut row.pat_status));
    }

    /// Deletes a recall: it vanishes, and table `deletedobject` names its patient.
    pub fn delete_recall(&self, recall_num: i64) {
        if let Some(row) = self.recall(recall_num) {
            must(self.store().remove::<RecallRow>(recall_num));
            self.note_deletion(RECALL_OF_PATIENT, row.pat_num);
        }
    }

    /// Deletes an appointment: it vanishes; a `Deleted` snapshot and a row of table
    /// `deletedobject` stay.
    // apihistappointments: the snapshot keeps the last AptStatus
    pub fn delete_appointment(&self, apt_num: i64) {
        if let Some(row) = self.appointment(apt_num) {
            must(self.store().remove::<AppointmentRow>(apt_num));
            self.note_deletion(APPOINTMENT, apt_num);
            self.snapshot(row, "Deleted");
        }
    }

    /// The nightly aging run: every patient's stamp moves, nothing else.
    pub fn restamp_all_patients(&self) {
        let now = stamp(self.now());
        must(self.store().restamp_patients(&now));
    }

    /// Announces a change of setup (`Defs`, `Prefs`, `Providers`, ...) in `signalods`.
    // apisignalods
    pub fn add_signal(&self, kind: &str) {
        self.signal(kind, "Undefined", 0);
    }

    /// Makes planned drift happen; returns the row's key.
    pub(crate) fn drift(&self, listing: Listing, change: DriftChange) -> Option<i64> {
        match (listing, change) {
            (Listing::Patients, DriftChange::InsertFirst) => {
                let mut row = PatientRow::new("Drifted", "In");
                row.pat_num = must(self.store().low_key::<PatientRow>());
                Some(self.add_patient(row))
            }
            (Listing::Recalls, DriftChange::InsertFirst) => {
                let pat_num = self.first::<PatientRow>(live_patients())?;
                let mut row = RecallRow::new(pat_num, self.free_recall_type(pat_num));
                row.recall_num = must(self.store().low_key::<RecallRow>());
                Some(self.add_recall(row))
            }
            (Listing::Appointments, DriftChange::InsertFirst) => {
                let pat_num = self.first::<PatientRow>(live_patients())?;
                let at = stamp(self.now() + chrono::TimeDelta::days(30));
                let mut row = AppointmentRow::new(pat_num, &at);
                row.apt_num = must(self.store().low_key::<AppointmentRow>());
                Some(self.add_appointment(row))
            }
            (Listing::Patients, change) => {
                let key = self.first::<PatientRow>(live_patients())?;
                if change == DriftChange::DeleteFirst {
                    self.delete_patient(key);
                } else {
                    self.update_patient(key, |_| {});
                }
                Some(key)
            }
            (Listing::Recalls, change) => {
                let key = self.first::<RecallRow>(Filter::new())?;
                if change == DriftChange::DeleteFirst {
                    self.delete_recall(key);
                } else {
                    self.update_recall(key, |_| {});
                }
                Some(key)
            }
            (Listing::Appointments, change) => {
                let key = self.first::<AppointmentRow>(Filter::new())?;
                if change == DriftChange::DeleteFirst {
                    self.delete_appointment(key);
                } else {
                    self.update_appointment(key, |_| {});
                }
                Some(key)
            }
        }
    }

    /// A type the patient has no recall of. Falls back to a type of its own.
    pub(crate) fn free_recall_type(&self, pat_num: i64) -> i64 {
        let taken: Vec<i64> = self
            .recalls_of(pat_num)
            .iter()
            .map(|row| row.recall_type_num)
            .collect();
        reference::EXTRA_TYPES
            .into_iter()
            .find(|kind| !taken.contains(kind))
            .unwrap_or(2)
    }

    fn first<R: Record>(&self, filter: Filter) -> Option<i64> {
        must(self.store().first_key::<R>(filter))
    }

    /// The row before and after. No lock is held while `edit` runs.
    pub(crate) fn update<R: Record + Clone>(
        &self,
        key: i64,
        edit: impl FnOnce(&mut R),
    ) -> Option<(R, R)> {
        let before: R = must(self.store().get(key))?;
        let mut after = before.clone();
        edit(&mut after);
        after.set_key(key);
        after.stamp(&stamp(self.now()));
        must(self.store().put(&mut after));
        Some((before, after))
    }

    fn snapshot(&self, appointment: AppointmentRow, action: &str) {
        if self.inner.settings.appointment_signals {
            self.signal("Appointment", "PatNum", appointment.pat_num);
        }
        let mut row = HistAppointmentRow {
            hist_user_num: 1,
            hist_appt_action: action.to_owned(),
            appt_source: "None".to_owned(),
            appointment,
            ..HistAppointmentRow::default()
        };
        row.stamp(&stamp(self.now()));
        must(self.store().put(&mut row));
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.inner
            .store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clock(&self) -> MutexGuard<'_, Clock> {
        self.inner
            .clock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Names that the API prints beside keys, as they are now.
    pub(crate) fn names(&self) -> Arc<Lookups> {
        Arc::clone(&self.names_slot())
    }

    /// Reads the names anew, after the setup was edited.
    pub(crate) fn refresh_names(&self) {
        let fresh = must(reference::lookups(&self.store()));
        *self.names_slot() = Arc::new(fresh);
    }

    fn names_slot(&self) -> MutexGuard<'_, Arc<Lookups>> {
        self.inner
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn of_patient(pat_num: i64) -> Filter {
    let mut filter = Filter::new();
    filter.with("PatNum = ?", pat_num);
    filter
}
