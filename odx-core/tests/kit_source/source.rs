//! An honest client of that practice, and everything that can be wrong with one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::Days;
use odx_core::model::{
    BadRecord, Patient, PatientStatus, Permission, Record, RecordKey, RecordKind,
};
use odx_core::source::{
    Capabilities, Change, Cursor, Extent, Page, Position, PracticeSource, Probe, PullRequest, Swept,
};
use odx_core::testkit::SourceFault;
use odx_core::{Error, ErrorKind, PatientKey, Phi, RecallKey, Result, SourceId};
use serde::{Deserialize, Serialize};

use crate::Plant;
use crate::practice::{Order, PAGE, Practice, Row};

pub(crate) const TOKEN: &str = "tok-4451-grindelwath";

/// Looks back so many seconds: rows become visible late, and once a year an hour comes twice.
const OVERLAP: u64 = 3_700;

pub(crate) struct Client {
    pub(crate) id: SourceId,
    pub(crate) practice: Practice,
    pub(crate) plant: Plant,
    pub(crate) requests: AtomicU64,
    pub(crate) memory: Mutex<Memory>,
}

/// What no honest client keeps.
#[derive(Default)]
pub(crate) struct Memory {
    place: Option<Place>,
    /// The cursor given last.
    given: Option<String>,
    begun: bool,
    skip: bool,
    patients: Vec<Patient>,
}

/// Shared by all clients of the process: the worst kind of memory.
static EVERYBODY: Mutex<Vec<Record>> = Mutex::new(Vec::new());

#[derive(Clone, Default, Serialize, Deserialize)]
struct Place {
    v: u32,
    /// Changes from here on are not known.
    mark: u64,
    pass: Option<Pass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Pass {
    all: bool,
    /// The clock when it began.
    begun: u64,
    /// Which list: each kind, then deletions.
    stage: usize,
    after: Option<String>,
    /// Rows and last stamp so far, for those who page by them.
    rows: usize,
    stamp: Option<u64>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Client");
        out.field("id", &self.id);
        if self.plant == Plant::a_secret_in_debug {
            out.field("token", &TOKEN);
        }
        out.finish_non_exhaustive()
    }
}

impl Client {
    fn is(&self, plant: Plant) -> bool {
        self.plant == plant
    }

    fn error(&self, fault: SourceFault) -> Error {
        use SourceFault as F;
        match fault {
            F::BadKey if self.is(Plant::a_bad_key_retried) => {
                Error::new(ErrorKind::Unavailable, "not now")
            }
            F::BadKey if self.is(Plant::a_secret_in_an_error) => {
                Error::new(ErrorKind::Credentials, "refused").with_cause(format!("for {TOKEN}"))
            }
            F::SlowDown(_) if self.is(Plant::a_slow_down_without_its_wait) => {
                Error::new(ErrorKind::RateLimited, "slow down")
            }
            F::SlowDown(_) if self.is(Plant::a_slow_down_taken_for_an_outage) => {
                Error::new(ErrorKind::Unavailable, "not now")
            }
            F::Cut if self.is(Plant::a_cut_answer_given_up) => {
                Error::new(ErrorKind::Config, "the answer makes no sense")
            }
            F::Cut if self.is(Plant::a_name_in_an_error) => {
                let memory = self.memory.lock().unwrap();
                let last = memory.patients.last();
                let name = last.map_or("", |patient| patient.last_name.expose().as_str());
                Error::new(ErrorKind::Protocol, "cut").with_cause(format!("after {name}"))
            }
            F::Forgot if self.is(Plant::a_forgotten_position_halts) => {
                Error::new(ErrorKind::Config, "the position is gone")
            }
            F::Down | F::ServerError => Error::new(ErrorKind::Unavailable, "no answer"),
            F::SlowDown(after) => Error::new(ErrorKind::RateLimited, "slow down").with_after(after),
            F::BadKey => Error::new(ErrorKind::Credentials, "the token is refused"),
            F::Forgot => Error::new(ErrorKind::CursorExpired, "the position is gone"),
            _ => Error::new(ErrorKind::Protocol, "not a whole answer"),
        }
    }

    fn count(&self) {
        if self.is(Plant::a_count_that_stays) {
            return self.requests.store(1, Ordering::Relaxed);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn open(&self, req: &PullRequest) -> Result<Place> {
        let mut memory = self.memory.lock().unwrap();
        let given = req.cursor.as_ref().map(Cursor::as_str);
        let mut place = match given {
            None => Place {
                v: 1,
                ..Place::default()
            },
            Some(text) => match serde_json::from_str::<Place>(text) {
                Ok(place) if place.v == 1 || self.is(Plant::another_version_accepted) => place,
                _ if self.is(Plant::a_foreign_cursor_accepted) => Place {
                    v: 1,
                    ..Place::default()
                },
                _ if self.is(Plant::a_foreign_cursor_that_panics) => panic!("bad cursor"),
                _ => return Err(Error::new(ErrorKind::CursorExpired, "not ours")),
            },
        };
        let fresh = given.is_some() && memory.given.as_deref() != given;
        let remembers = match self.plant {
            Plant::a_cursor_kept_in_memory => given.is_some(),
            Plant::starting_over_ignored => given.is_none() && memory.begun,
            _ => false,
        };
        if remembers && let Some(known) = memory.place.clone() {
            place = known;
        } else if fresh && self.is(Plant::a_restart_begins_again) {
            place.pass = None;
            place.mark = 0;
        } else if fresh
            && self.is(Plant::a_page_skipped_on_resume)
            && let Some(pass) = place.pass.as_mut()
        {
            pass.stage += 1;
            pass.after = None;
        }
        if memory.skip
            && let Some(pass) = place.pass.as_mut()
        {
            pass.stage += 1;
            pass.after = None;
        }
        memory.begun = true;
        drop(memory);
        let all = place.mark == 0 || req.extent == Extent::Everything;
        if place.pass.is_none() {
            place.pass = Some(Pass {
                all: match self.plant {
                    Plant::the_extent_ignored => place.mark == 0,
                    Plant::everything_listed_for_ever | Plant::offsets_in_a_list_without_marks => {
                        true
                    }
                    _ => all,
                },
                begun: self.practice.tables().now,
                stage: 0,
                after: None,
                rows: 0,
                stamp: None,
            });
        } else if self.is(Plant::the_extent_heeded_under_way)
            && let Some(pass) = place.pass.as_mut()
        {
            pass.all = all;
        }
        Ok(place)
    }

    /// The next rows of a list, and whether there are more.
    fn rows(&self, kind: RecordKind, mark: u64, pass: &Pass) -> Result<(Vec<Row>, bool)> {
        let overlap = match self.plant {
            Plant::no_look_back | Plant::a_strict_stamp => 0,
            Plant::a_look_back_of_seconds => 10,
            _ => OVERLAP,
        };
        let mut since = (!pass.all).then(|| mark.saturating_sub(overlap));
        if self.is(Plant::a_strict_stamp) {
            since = since.map(|since| since + 1);
        }
        let by_stamp = [
            Plant::a_row_lost_at_a_tie,
            Plant::a_tie_lost_in_later_passes,
            Plant::offsets_in_a_list_by_stamp,
        ];
        let order = if by_stamp.contains(&self.plant) {
            Order::Stamp
        } else {
            Order::Key
        };
        let late = self.is(Plant::an_empty_page_that_ends_the_list);
        // Where the practice looks at the stamps only after it has made a page.
        let list = self.practice.list(kind, since.filter(|_| !late), order);
        let rows = match list {
            Err(_) if self.is(Plant::one_failed_request_swallowed) => Vec::new(),
            Err(_)
                if kind == RecordKind::Reminder
                    && self.is(Plant::a_failed_list_of_reminders_swallowed) =>
            {
                Vec::new()
            }
            list => list.map_err(|fault| self.error(fault))?,
        };
        let left: Vec<Row> = match self.plant {
            Plant::a_row_lost_at_a_tie => rows
                .into_iter()
                .filter(|row| pass.stamp.is_none_or(|last| row.stamp > last))
                .collect(),
            Plant::a_tie_lost_in_later_passes if !pass.all => rows
                .into_iter()
                .filter(|row| pass.stamp.is_none_or(|last| row.stamp > last))
                .collect(),
            Plant::offsets_in_a_list_by_key
            | Plant::offsets_in_a_list_by_stamp
            | Plant::a_tie_lost_in_later_passes
            | Plant::offsets_in_a_list_without_marks => rows.into_iter().skip(pass.rows).collect(),
            Plant::an_inserted_row_ends_the_list => {
                let rows: Vec<Row> = rows.into_iter().skip(pass.rows).collect();
                let known = |row: &Row| Some(row.record.native()) == pass.after.as_deref();
                if rows.first().is_some_and(known) {
                    Vec::new()
                } else {
                    rows
                }
            }
            _ => rows
                .into_iter()
                .filter(|row| {
                    let key = row.record.native();
                    pass.after.as_deref().is_none_or(|after| key > after)
                })
                .collect(),
        };
        let mut more = left.len() > PAGE;
        let mut page: Vec<Row> = left.into_iter().take(PAGE).collect();
        if late {
            page.retain(|row| since.is_none_or(|since| row.stamp >= since));
            more &= !page.is_empty();
        }
        Ok((page, more))
    }

    fn change(&self, row: &Row) -> Option<Change> {
        let key = row.record.key();
        if let Some(word) = &row.spoiled {
            let reason = if self.is(Plant::a_reason_that_quotes_the_row) {
                format!("{word} is not a status")
            } else {
                "the status is not known".to_owned()
            };
            let native = (!self.is(Plant::an_unreadable_row_without_its_key))
                .then(|| key.native().to_owned());
            return match self.plant {
                Plant::an_unreadable_row_dropped => None,
                Plant::an_unreadable_row_called_gone => Some(Change::Gone(key)),
                _ => Some(Change::Unreadable(BadRecord::new(
                    key.kind(),
                    native.as_deref(),
                    reason,
                    word.as_bytes(),
                ))),
            };
        }
        let mut record = row.record.clone();
        match (&mut record, self.plant) {
            (Record::Patient(patient), Plant::gone_for_the_inactive)
                if patient.status == PatientStatus::Inactive =>
            {
                return Some(Change::Gone(key));
            }
            (Record::Patient(patient), Plant::patients_keyed_by_name) => {
                let name = patient.last_name.expose();
                patient.key = PatientKey::new(name.split('-').next().unwrap());
            }
            (Record::Patient(patient), Plant::a_long_name_cut_short) => {
                let name = patient.last_name.expose();
                patient.last_name = Phi::new(name.chars().take(40).collect());
            }
            (Record::Patient(patient), Plant::consent_turned_round) => {
                for said in &mut patient.consent {
                    said.permission = Permission::Granted;
                }
            }
            (Record::Patient(patient), Plant::the_deceased_read_as_active)
                if patient.status == PatientStatus::Deceased =>
            {
                patient.status = PatientStatus::Active;
            }
            (Record::Patient(patient), Plant::a_cleared_field_kept) => {
                let memory = self.memory.lock().unwrap();
                let before = memory.patients.iter().rev().find(|p| p.key == patient.key);
                if patient.email.is_none() {
                    patient.email = before.and_then(|before| before.email.clone());
                }
            }
            (Record::Patient(patient), Plant::a_name_in_the_log) => {
                tracing::debug!(name = patient.first_name.expose().as_str(), "read");
            }
            (Record::Recall(recall), Plant::recalls_keyed_by_patient) => {
                recall.key = RecallKey::new(recall.patient.native());
            }
            (Record::Recall(recall), Plant::keys_that_change_with_an_update)
                if row.stamp != row.created =>
            {
                recall.key = RecallKey::new(format!("{}-{}", recall.key.native(), row.stamp));
            }
            (Record::Recall(recall), Plant::due_a_day_early) => {
                recall.due = recall
                    .due
                    .and_then(|due| due.checked_sub_days(Days::new(1)));
            }
            (Record::Appointment(visit), Plant::a_visit_cut_to_its_day) => {
                visit.start = visit
                    .start
                    .map(|at| at.date().and_time(chrono::NaiveTime::MIN));
            }
            (Record::OptOut(opt_out), Plant::an_opt_out_of_one_channel) => {
                opt_out.statements.truncate(1);
            }
            (Record::Reminder(reminder), Plant::a_reminder_without_its_mode) => {
                reminder.mode = None;
            }
            (Record::OptOut(opt_out), Plant::an_opt_out_with_a_yes) => {
                let mut yes = opt_out.statements.clone();
                yes.iter_mut()
                    .for_each(|said| said.permission = Permission::Granted);
                opt_out.statements.extend(yes);
            }
            _ => {}
        }
        if let Record::Patient(patient) = &record {
            self.memory.lock().unwrap().patients.push(patient.clone());
        }
        Some(Change::Upsert(record))
    }

    fn wanted(&self, row: &Row, mark: u64, pass: &Pass) -> bool {
        !self.is(Plant::updates_never_read)
            || pass.all
            || row.created >= mark.saturating_sub(OVERLAP)
    }

    async fn page(&self, req: &PullRequest) -> Result<Page> {
        let mut place = self.open(req)?;
        if self.is(Plant::a_dropped_call_that_moves) {
            self.memory.lock().unwrap().skip = true;
        }
        // The token is checked first: a request of its own.
        self.count();
        drop(self.practice.answer().map_err(|fault| self.error(fault))?);
        tokio::task::yield_now().await;
        self.count();
        let mark = place.mark;
        let Some(mut pass) = place.pass.take() else {
            return Err(Error::new(ErrorKind::Bug, "no pass"));
        };
        let mut changes = Vec::new();
        let mut swept = Vec::new();
        let mut ended = false;
        if let Some(&kind) = RecordKind::ALL.get(pass.stage) {
            let (rows, more) = self.rows(kind, mark, &pass)?;
            for row in &rows {
                if row.spoiled.is_some() && self.is(Plant::an_unreadable_row_fails_the_page) {
                    return Err(Error::new(ErrorKind::Protocol, "a row is wrong"));
                }
                if self.wanted(row, mark, &pass) {
                    changes.extend(self.change(row));
                    let patient = (kind == RecordKind::Patient).then(|| row.record.native());
                    if self.is(Plant::an_opt_out_lifted_by_an_edit)
                        && let Some(patient) = patient.filter(|_| !pass.all)
                    {
                        changes.push(Change::Gone(RecordKey::new(RecordKind::OptOut, patient)));
                    }
                }
                if row.spoiled.is_some() && self.is(Plant::an_unreadable_row_ends_its_page) {
                    break;
                }
            }
            pass.rows += rows.len();
            if let Some(last) = rows.last() {
                pass.after = Some(last.record.native().to_owned());
                pass.stamp = Some(last.stamp);
            }
            if self.is(Plant::swept_on_every_page) && pass.all {
                swept.push(Swept { kind });
            }
            if !more {
                let all = pass.all || self.is(Plant::swept_over_changes);
                if all && !self.is(Plant::no_listing_ever_ends) && swept.is_empty() {
                    swept.push(Swept { kind });
                }
                pass.stage += 1;
                (pass.after, pass.rows, pass.stamp) = (None, 0, None);
            }
        } else {
            let tables = self.practice.answer().map_err(|fault| self.error(fault))?;
            let deleted = tables.deleted.iter();
            let since = mark.saturating_sub(OVERLAP);
            let most = if self.is(Plant::deletions_of_one_page) {
                PAGE
            } else {
                usize::MAX
            };
            changes.extend(
                deleted
                    .take(most)
                    .filter(|(_, at)| **at >= since && mark > 0)
                    .filter(|_| !self.is(Plant::deletions_never_told))
                    .filter(|(key, _)| {
                        !self.is(Plant::deleted_recalls_never_told)
                            || key.kind() != RecordKind::Recall
                    })
                    .filter(|(key, _)| {
                        !self.is(Plant::lifted_opt_outs_never_told)
                            || key.kind() != RecordKind::OptOut
                    })
                    .filter({
                        // Pages that begin after the last stamp of the one before.
                        let mut stamps: BTreeMap<u64, usize> = BTreeMap::new();
                        move |(_, at)| {
                            let same = stamps.entry(**at).or_default();
                            *same += 1;
                            !self.is(Plant::deletions_lost_at_a_tie) || *same <= PAGE
                        }
                    })
                    .map(|(key, _)| Change::Gone(key.clone())),
            );
            ended = true;
        }
        if self.is(Plant::caught_up_too_early) && pass.all {
            ended = true;
        }
        let early = self.is(Plant::caught_up_before_the_end) && !ended;
        let begun = pass.begun;
        place.pass = Some(pass);
        if ended {
            place.pass = None;
            // Zero is for "never".
            place.mark = begun.max(1);
            if self.is(Plant::first_rows_missed) && self.memory.lock().unwrap().patients.is_empty()
            {
                place.mark = u64::MAX / 2;
            }
            if self.is(Plant::a_mark_taken_at_the_end) {
                place.mark = self.practice.tables().now + OVERLAP + 1;
            }
        }
        if self.is(Plant::a_name_in_the_cursor) {
            let memory = self.memory.lock().unwrap();
            let last = memory.patients.last();
            place.note = last.map(|patient| patient.first_name.expose().clone());
        }
        let text = serde_json::to_string(&place)
            .map_err(|cause| Error::new(ErrorKind::Bug, "no json").with_cause(cause))?;
        let mut memory = self.memory.lock().unwrap();
        memory.place = Some(place);
        memory.given = Some(text.clone());
        memory.skip = false;
        drop(memory);
        let cursor = Cursor::new(text);
        let caught_up = (ended && !self.is(Plant::a_pass_without_end)) || early;
        Ok(Page {
            changes,
            swept,
            position: if caught_up {
                Position::CaughtUp(cursor)
            } else {
                Position::More(cursor)
            },
        })
    }
}

#[async_trait]
impl PracticeSource for Client {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .with_deletions()
            .with_sweeps()
            .with_incremental()
    }

    async fn probe(&self) -> Result<Probe> {
        self.count();
        match self.practice.answer() {
            Err(_) if self.is(Plant::a_probe_that_is_always_well) => Ok(Probe::default()),
            Err(fault) => Err(self.error(fault)),
            Ok(_) if self.is(Plant::a_secret_in_a_probe) => {
                Ok(Probe::new(vec![format!("the token {TOKEN} is good")]))
            }
            Ok(_) => Ok(Probe::default()),
        }
    }

    async fn pull(&self, req: PullRequest) -> Result<Page> {
        let mut page = self.page(&req).await;
        if self.is(Plant::an_outage_tried_again) {
            for _ in 0..3 {
                if page.is_err() {
                    page = self.page(&req).await;
                }
            }
        }
        if self.is(Plant::a_count_that_falls) && req.cursor.is_some() {
            self.requests.store(1, Ordering::Relaxed);
        }
        let retry = |page: &Result<Page>, kinds: &[ErrorKind]| {
            page.as_ref()
                .err()
                .is_some_and(|error| kinds.contains(&error.kind()))
        };
        let swallowed = match self.plant {
            Plant::a_cut_answer_taken_for_no_rows => retry(&page, &[ErrorKind::Protocol]),
            Plant::an_outage_taken_for_no_rows | Plant::a_failed_read_that_sweeps => {
                retry(&page, &[ErrorKind::Unavailable])
            }
            _ => false,
        };
        if swallowed {
            let mut place = self.open(&req)?;
            let mut swept = Vec::new();
            if let Some(pass) = place.pass.as_mut() {
                if self.is(Plant::a_failed_read_that_sweeps) {
                    swept.extend(RecordKind::ALL.get(pass.stage).map(|&kind| Swept { kind }));
                }
                pass.stage += 1;
                pass.after = None;
            }
            let text = serde_json::to_string(&place).unwrap_or_default();
            page = Ok(Page {
                changes: Vec::new(),
                swept,
                position: Position::More(Cursor::new(text)),
            });
        }
        if self.is(Plant::a_cache_shared_by_all)
            && let Ok(page) = &mut page
        {
            let mut everybody = EVERYBODY.lock().unwrap();
            for change in &mut page.changes {
                let Change::Upsert(record) = change else {
                    continue;
                };
                match everybody.iter().find(|known| known.key() == record.key()) {
                    Some(known) => *record = known.clone(),
                    None => everybody.push(record.clone()),
                }
            }
        }
        page
    }

    async fn refresh(&self, patient: &PatientKey) -> Result<Vec<Change>> {
        self.count();
        let tables = match self.practice.answer() {
            Err(_) if self.is(Plant::a_failed_refresh_taken_for_nothing) => return Ok(Vec::new()),
            answer => answer.map_err(|fault| self.error(fault))?,
        };
        let limit = if self.is(Plant::a_refresh_of_one_page) {
            PAGE
        } else {
            usize::MAX
        };
        let rows: Vec<Row> = tables
            .rows
            .iter()
            .filter(|(key, row)| match (&row.record, self.plant) {
                (Record::Patient(someone), Plant::a_refresh_of_the_household) => {
                    someone.household.native() == patient.native() || someone.key == *patient
                }
                (Record::Patient(_), _) => key.native() == patient.native(),
                (Record::Recall(_), Plant::a_refresh_without_recalls) => false,
                (record, _) => record.parent() == patient.native(),
            })
            .map(|(_, row)| row.clone())
            .take(limit)
            .collect();
        drop(tables);
        // What hangs from the patient is a request of its own.
        self.count();
        let mut rows = rows;
        match self.practice.answer() {
            Ok(_) => {}
            Err(_) if self.is(Plant::a_refresh_that_keeps_what_it_has) => rows.truncate(1),
            Err(fault) => return Err(self.error(fault)),
        }
        let mut changes: Vec<Change> = rows.iter().filter_map(|row| self.change(row)).collect();
        if self.is(Plant::an_opt_out_lifted_by_a_refresh) {
            let key = RecordKey::OptOut(patient.clone());
            changes.push(Change::Gone(key));
        }
        if self.is(Plant::an_opt_out_emptied_by_a_refresh) {
            for change in &mut changes {
                if let Change::Upsert(Record::OptOut(opt_out)) = change {
                    opt_out.statements.clear();
                }
            }
        }
        if self.is(Plant::a_refresh_without_bad_rows) {
            changes.retain(|change| !matches!(change, Change::Unreadable(_)));
        }
        Ok(changes)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}
