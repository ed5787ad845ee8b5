//! The client passes the checks that every adapter passes, against the simulated office.
//!
//! What differs here: a deleted patient stays as a row with the status `Deleted` that no list shows, deleted recalls
//! vanish, deleted appointments are told. So no deletions are promised and listings notice them. Rows that move during
//! the first listing are found by the pass after it (`docs/decisions/0005`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: a panic is the failure"
)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use odx_core::model::{
    Appointment, AppointmentStatus, Channel, OptOut, Patient, PatientStatus, Permission, Phone,
    Recall, Record, RecordKey, RecordKind, Reminder, ReminderMode, ReminderUsage,
};
use odx_core::source::{Extent, PracticeSource};
use odx_core::testkit::conformance::{SourceHarness, Supported};
use odx_core::testkit::{self, SourceFault};
use odx_core::{Result, Secret, SourceId};
use odx_opendental::sim::{
    AppointmentRow, CommlogRow, Fault, NO_DATE, NO_DATE_TIME, PatientRow,
    Permission as ApiPermission, Practice, PracticeBuilder, RecallRow, RowOrder, Server,
};
use odx_opendental::{Credentials, OpenDental, SYSTEM};

/// Rows by key, as most offices are seen to answer.
struct Office {
    practice: Practice,
    server: Server,
    kinds: Vec<RecordKind>,
    extent: Extent,
    page: usize,
}

impl Office {
    /// A key for lists only: recalls have no filter for changes, so only full
    /// passes show every change.
    async fn open(builder: PracticeBuilder) -> Self {
        let practice = builder.with_patients(0).with_page_cap(5).build().unwrap();
        // Among the first five: lists of names are taken to fit into one page.
        let types = practice.definitions();
        let financial = types.iter().find(|row| row.item_value == "FIN").unwrap();
        practice.update_definition(financial.def_num, |row| {
            "REACT".clone_into(&mut row.item_value)
        });
        let server = practice.serve().await.unwrap();
        Self {
            practice,
            server,
            kinds: vec![
                RecordKind::Patient,
                RecordKind::Recall,
                RecordKind::Appointment,
                RecordKind::Reminder,
            ],
            extent: Extent::Everything,
            page: 5,
        }
    }

    /// A key that may send queries: every change of every kind is told.
    async fn with_queries(builder: PracticeBuilder) -> Self {
        let permissions = [
            ApiPermission::ReadAll,
            ApiPermission::Comm,
            ApiPermission::Queries,
        ];
        let practice = builder
            .with_patients(0)
            .with_permissions(&permissions)
            .build()
            .unwrap();
        let server = practice.serve().await.unwrap();
        Self {
            practice,
            server,
            kinds: RecordKind::ALL.to_vec(),
            extent: Extent::Changes,
            // A query's pages hold 100 rows, and three times this are written.
            page: 40,
        }
    }

    fn write_opt_out(&self, opt_out: &OptOut) {
        let patient = number(opt_out.patient.native());
        if opt_out.denies(Channel::Voice) {
            self.practice.do_not_contact(patient);
        } else {
            self.practice.may_contact_again(patient);
        }
        let flag = |channel| i64::from(opt_out.denies(channel));
        self.practice
            .opt_out(patient, flag(Channel::Sms), flag(Channel::Email));
    }

    /// The same key, and the kinds whose changes can be asked for.
    async fn of_changes(builder: PracticeBuilder) -> Self {
        Self {
            kinds: vec![
                RecordKind::Patient,
                RecordKind::Appointment,
                RecordKind::Reminder,
            ],
            extent: Extent::Changes,
            ..Self::open(builder).await
        }
    }

    fn client(&self) -> Arc<dyn PracticeSource> {
        let credentials = Credentials {
            developer_key: Secret::new(self.practice.developer_key()),
            customer_key: Secret::new(self.practice.customer_key()),
        };
        let source = OpenDental::builder(SourceId::new(SYSTEM, "main-st").unwrap(), credentials)
            .with_base_urls(vec![self.server.base_url().parse().unwrap()])
            .with_interval(Duration::ZERO)
            .with_reminders(true)
            .build()
            .unwrap();
        Arc::new(source)
    }

    fn write(&self, record: &Record) {
        let key: i64 = record.native().parse().unwrap();
        match record {
            Record::Patient(patient) => {
                let fill = |row: &mut PatientRow| fill_patient(row, patient);
                if !self.practice.update_patient(key, fill) {
                    let mut row = PatientRow::new("", "");
                    row.pat_num = key;
                    fill(&mut row);
                    self.practice.add_patient(row);
                }
            }
            Record::Recall(recall) => {
                let fill = |row: &mut RecallRow| fill_recall(row, recall);
                if !self.practice.update_recall(key, fill) {
                    let mut row = RecallRow::new(number(recall.patient.native()), 1);
                    row.recall_num = key;
                    fill(&mut row);
                    self.practice.add_recall(row);
                }
            }
            Record::Appointment(visit) => {
                let fill = |row: &mut AppointmentRow| fill_visit(row, visit);
                if !self.practice.update_appointment(key, fill) {
                    let mut row = AppointmentRow::new(number(visit.patient.native()), NO_DATE_TIME);
                    row.apt_num = key;
                    fill(&mut row);
                    self.practice.add_appointment(row);
                }
            }
            Record::OptOut(opt_out) => self.write_opt_out(opt_out),
            Record::Reminder(reminder) => {
                let fill = |row: &mut CommlogRow| self.fill_reminder(row, reminder);
                if !self.practice.update_commlog(key, fill) {
                    let mut row = CommlogRow {
                        commlog_num: key,
                        note: "reminder-canary".to_owned(),
                        ..CommlogRow::default()
                    };
                    self.fill_reminder(&mut row, reminder);
                    self.practice.add_commlog(row);
                }
            }
        }
    }

    fn fill_reminder(&self, row: &mut CommlogRow, reminder: &Reminder) {
        row.pat_num = number(reminder.patient.native());
        row.comm_date_time = reminder.at.to_string();
        row.sent_or_received = "Sent".to_owned();
        row.mode = match reminder.mode {
            Some(ReminderMode::Text) => "Text",
            Some(ReminderMode::Email) => "Email",
            Some(ReminderMode::EmailAndText) => "EmailAndText",
            Some(ReminderMode::Phone) => "Phone",
            Some(ReminderMode::PhoneAndText) => "PhoneAndText",
            Some(ReminderMode::Mail) => "Mail",
            Some(ReminderMode::InPerson) => "InPerson",
            _ => "None",
        }
        .to_owned();
        let usage = match reminder.usage {
            ReminderUsage::Recall => "RECALL",
            ReminderUsage::Reactivation => "REACT",
            ReminderUsage::Appointment => "APPT",
            _ => "MISC",
        };
        let types = self.practice.definitions();
        row.comm_type = types
            .iter()
            .find(|row| row.category == 27 && row.item_value == usage)
            .unwrap()
            .def_num;
    }

    fn spoil(&self, record: &Record, word: &str) {
        self.write(record);
        let key = number(record.native());
        match record.kind() {
            RecordKind::Patient => self
                .practice
                .update_patient(key, |row| word.clone_into(&mut row.pat_status)),
            RecordKind::Recall => self
                .practice
                .update_recall(key, |row| word.clone_into(&mut row.recall_interval)),
            RecordKind::Appointment => self
                .practice
                .update_appointment(key, |row| word.clone_into(&mut row.apt_status)),
            RecordKind::OptOut | RecordKind::Reminder => panic!("no kind of this office"),
        };
    }
}

fn number(native: &str) -> i64 {
    native.parse().unwrap()
}

fn key(native: Option<&String>) -> i64 {
    native.map_or(0, |native| number(native))
}

fn date(day: Option<NaiveDate>) -> String {
    day.map_or_else(|| NO_DATE.to_owned(), |day| day.to_string())
}

fn time(at: Option<NaiveDateTime>) -> String {
    at.map_or_else(|| NO_DATE_TIME.to_owned(), |at| at.to_string())
}

fn number_of(phone: Option<&Phone>) -> String {
    phone.map_or_else(String::new, |phone| phone.e164().expose().clone())
}

fn fill_patient(row: &mut PatientRow, patient: &Patient) {
    row.l_name.clone_from(patient.last_name.expose());
    row.f_name.clone_from(patient.first_name.expose());
    let preferred = patient.preferred_name.as_ref();
    row.preferred = preferred.map_or_else(String::new, |name| name.expose().clone());
    row.pat_status = match patient.status {
        PatientStatus::Active => "Patient",
        PatientStatus::Inactive => "Inactive",
        PatientStatus::NonPatient => "NonPatient",
        PatientStatus::Prospective => "Prospective",
        PatientStatus::Archived => "Archived",
        PatientStatus::Deceased => "Deceased",
        PatientStatus::Deleted => "Deleted",
    }
    .to_owned();
    row.guarantor = number(patient.household.native());
    row.birthdate = date(patient.born.as_ref().map(|born| *born.expose()));
    row.wireless_phone = number_of(patient.mobile.as_ref());
    row.hm_phone = number_of(patient.landline.as_ref());
    let email = patient.email.as_ref();
    row.email = email.map_or_else(String::new, |email| email.address().expose().clone());
    row.date_first_visit = date(patient.first_visit);
    row.clinic_num = key(patient.clinic.as_ref());
    row.pri_prov = key(patient.provider.as_ref());
    row.language = patient.language.clone().unwrap_or_default();
    let said = |channel| {
        let mut said = patient.consent.iter();
        said.find(|said| said.channel == channel)
            .map(|said| said.permission)
    };
    row.txt_msg_ok = match said(Channel::Sms) {
        Some(Permission::Granted | Permission::GrantedWritten) => "Yes",
        Some(Permission::Denied) => "No",
        None => "Unknown",
    }
    .to_owned();
    row.prefer_contact_method = match (said(Channel::Voice), patient.needs_person) {
        (_, true) => "SeeNotes",
        (Some(Permission::Denied), _) => "DoNotCall",
        _ => "None",
    }
    .to_owned();
}

fn fill_recall(row: &mut RecallRow, recall: &Recall) {
    row.pat_num = number(recall.patient.native());
    row.date_due = date(recall.due);
    row.date_previous = date(recall.previous);
    row.date_scheduled = date(recall.scheduled);
    row.disable_until_date = date(recall.snoozed_until);
    row.recall_interval = recall
        .interval
        .map_or_else(String::new, |interval| interval.to_string());
    row.is_disabled = recall.disabled;
    row.disable_until_balance = if recall.held_for_balance { 20.0 } else { 0.0 };
    row.priority = if recall.urgent { "ASAP" } else { "Normal" }.to_owned();
}

fn fill_visit(row: &mut AppointmentRow, visit: &Appointment) {
    row.pat_num = number(visit.patient.native());
    row.apt_status = match visit.status {
        AppointmentStatus::Scheduled => "Scheduled",
        AppointmentStatus::Complete => "Complete",
        AppointmentStatus::Broken => "Broken",
        AppointmentStatus::Unscheduled => "UnschedList",
        AppointmentStatus::Planned => "Planned",
        AppointmentStatus::Note => "PtNote",
    }
    .to_owned();
    row.apt_date_time = time(visit.start);
    let steps = visit.minutes.unwrap_or(0) / 5;
    row.pattern = "X".repeat(usize::try_from(steps).unwrap());
    row.is_hygiene = visit.hygiene;
    row.clinic_num = key(visit.clinic.as_ref());
    row.prov_num = key(visit.provider.as_ref());
    row.op = key(visit.operatory.as_ref());
}

/// What Open Dental has no field for.
fn kept(mut record: Record) -> Record {
    if let Record::Patient(patient) = &mut record {
        patient.consent.retain(|said| {
            said.channel == Channel::Sms
                || (said.channel == Channel::Voice && said.permission == Permission::Denied)
        });
        // Labels are the office's own statuses and types, not free words.
        patient.labels.clear();
    }
    if let Record::OptOut(opt_out) = &mut record {
        // Who is not to be contacted is not, by any channel.
        let all = opt_out.denies(Channel::Voice);
        let denied: Vec<_> = [Channel::Sms, Channel::Email, Channel::Voice]
            .into_iter()
            .filter(|channel| all || opt_out.denies(*channel))
            .collect();
        *opt_out = testkit::opt_out(opt_out.patient.native(), &denied);
    }
    record
}

fn fault(fault: SourceFault) -> Option<Fault> {
    Some(match fault {
        SourceFault::Down => Fault::ConnectionReset,
        SourceFault::ServerError => Fault::Status(500),
        SourceFault::SlowDown(Some(after)) => Fault::StatusRetryAfter(429, after),
        SourceFault::SlowDown(None) => Fault::Status(429),
        SourceFault::BadKey => Fault::Unauthorized401,
        SourceFault::Cut => Fault::TruncatedBody,
        SourceFault::Nonsense => Fault::HtmlLogin200,
        _ => return None,
    })
}

#[async_trait]
impl SourceHarness for Office {
    async fn start() -> Self {
        Self::open(Practice::builder(7)).await
    }

    fn source(&self) -> Arc<dyn PracticeSource> {
        self.client()
    }

    fn kinds(&self) -> Vec<RecordKind> {
        self.kinds.clone()
    }

    fn extent_of_changes(&self) -> Extent {
        self.extent
    }

    async fn put(&self, record: Record) -> Result<()> {
        self.write(&record);
        Ok(())
    }

    async fn delete(&self, key: RecordKey) -> Result<()> {
        let native = number(key.native());
        match key.kind() {
            RecordKind::Patient => self.practice.delete_patient(native),
            RecordKind::Recall => self.practice.delete_recall(native),
            RecordKind::Appointment => self.practice.delete_appointment(native),
            RecordKind::OptOut => {
                self.practice.opt_out(native, 0, 0);
                self.practice.may_contact_again(native);
            }
            RecordKind::Reminder => {
                self.practice.delete_commlog(native);
            }
        }
        Ok(())
    }

    async fn fail_next(&self, how: SourceFault) -> Supported {
        match fault(how) {
            // Every request, not one: reference data may fail without harm.
            Some(fault) => self.practice.faults().rate(1, 1.0, &[fault]),
            None => return Supported::No("positions are ours: the office remembers none"),
        }
        Supported::Yes
    }

    async fn recover(&self) {
        self.practice.faults().clear();
    }

    async fn fail_after(&self, good: u64, how: SourceFault) -> Supported {
        let Some(fault) = fault(how) else {
            return Supported::No("positions are ours: the office remembers none");
        };
        let next = self.practice.requests().len() + usize::try_from(good).unwrap();
        self.practice.faults().fail_at(next, fault);
        Supported::Yes
    }

    async fn put_unreadable(&self, record: Record, spoiled: &str) -> Supported {
        let asked = self.kinds.contains(&RecordKind::OptOut);
        match record.kind() {
            RecordKind::OptOut => {
                return Supported::No("flags are asked for as 0 or 1: nothing else comes back");
            }
            RecordKind::Patient if asked => {
                return Supported::No(
                    "a patient comes by query and by list, and each row has its own hash",
                );
            }
            _ => {}
        }
        self.spoil(&record, spoiled);
        Supported::Yes
    }

    fn page_size(&self) -> usize {
        self.page
    }

    async fn put_late(&self, record: Record, by: Duration) -> Supported {
        let now = self.practice.now();
        self.practice
            .set_clock(now - TimeDelta::from_std(by).unwrap());
        self.write(&record);
        self.practice.set_clock(now);
        Supported::Yes
    }

    fn advance(&self, by: Duration) {
        self.practice.advance(by);
    }

    fn wall_clock(&self) -> Option<NaiveDateTime> {
        Some(self.practice.now())
    }

    async fn turn_back(&self, by: Duration) -> Supported {
        let back = TimeDelta::from_std(by).unwrap();
        self.practice.set_clock(self.practice.now() - back);
        Supported::Yes
    }

    fn comes_back(&self, kind: RecordKind) -> Supported {
        match kind {
            RecordKind::Appointment => {
                Supported::No("a visit's number is never given again, and its deletion stays told")
            }
            RecordKind::Patient
            | RecordKind::Recall
            | RecordKind::OptOut
            | RecordKind::Reminder => Supported::Yes,
        }
    }

    fn as_kept(&self, record: Record) -> Record {
        kept(record)
    }

    fn secrets(&self) -> Vec<String> {
        let keys = [self.practice.developer_key(), self.practice.customer_key()];
        keys.map(str::to_owned).to_vec()
    }
}

odx_core::source_conformance!(Office);

/// Rows in the order of their stamps: whatever is edited moves to the end.
struct ByStamp(Office);

/// Rows in no order that anybody knows.
struct Shuffled(Office);

macro_rules! otherwise {
    ($harness:ident, $open:ident, $builder:expr) => {
        #[async_trait]
        impl SourceHarness for $harness {
            async fn start() -> Self {
                Self(Office::$open($builder).await)
            }

            fn kinds(&self) -> Vec<RecordKind> {
                self.0.kinds()
            }

            fn extent_of_changes(&self) -> Extent {
                self.0.extent_of_changes()
            }

            fn page_size(&self) -> usize {
                self.0.page_size()
            }

            fn source(&self) -> Arc<dyn PracticeSource> {
                self.0.source()
            }

            async fn put(&self, record: Record) -> Result<()> {
                self.0.put(record).await
            }

            async fn delete(&self, key: RecordKey) -> Result<()> {
                self.0.delete(key).await
            }

            async fn fail_next(&self, fault: SourceFault) -> Supported {
                self.0.fail_next(fault).await
            }

            async fn recover(&self) {
                self.0.recover().await;
            }

            async fn fail_after(&self, good: u64, fault: SourceFault) -> Supported {
                self.0.fail_after(good, fault).await
            }

            async fn put_unreadable(&self, record: Record, spoiled: &str) -> Supported {
                self.0.put_unreadable(record, spoiled).await
            }

            async fn put_late(&self, record: Record, by: Duration) -> Supported {
                self.0.put_late(record, by).await
            }

            fn advance(&self, by: Duration) {
                self.0.advance(by);
            }

            fn wall_clock(&self) -> Option<NaiveDateTime> {
                self.0.wall_clock()
            }

            async fn turn_back(&self, by: Duration) -> Supported {
                self.0.turn_back(by).await
            }

            fn comes_back(&self, kind: RecordKind) -> Supported {
                self.0.comes_back(kind)
            }

            fn as_kept(&self, record: Record) -> Record {
                kept(record)
            }

            fn secrets(&self) -> Vec<String> {
                self.0.secrets()
            }
        }
    };
}

otherwise!(
    ByStamp,
    open,
    Practice::builder(8).with_row_order(RowOrder::ByStamp)
);
otherwise!(
    Shuffled,
    of_changes,
    Practice::builder(9)
        .with_row_order(RowOrder::Shuffled { seed: 3 })
        .with_strict_since(true)
);

/// Queries, at an office whose keys are random numbers.
struct Asked(Office);
otherwise!(
    Asked,
    with_queries,
    Practice::builder(10).with_random_primary_keys()
);

odx_core::source_conformance!(asked, Asked);
odx_core::source_conformance!(by_stamp, ByStamp);
odx_core::source_conformance!(shuffled, Shuffled);
