//! An office, a client, and all that the client ever does there.

use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveDateTime, TimeZone as _, Utc};
use odx_core::effect::{ActError, Marker, Receipt};
use odx_core::http::{Client, ClientSettings, Method, RequestBuilder};
use odx_core::model::{Appointment, Patient, Recall, Record};
use odx_core::source::{Change, Cursor, Extent, PracticeSource as _};
use odx_core::testkit::TestClock;
use odx_core::writer::{
    CommDirection, CommLog, CommMode, Confirmation, PatientField, PracticeWriter as _,
    RecallStatus, WriteBack,
};
use odx_core::{
    AppointmentKey, Error, IdempotencyKey, PatientKey, Phi, RecallKey, Secret, SourceId,
};
use odx_opendental::sim::{Permission, Practice, PracticeBuilder, RequestLog, Server};
use odx_opendental::{Builder, Credentials, OpenDental, SYSTEM, WriteBackSettings};

use crate::office::pass;

/// Custom fields of the office: one of text, one to tick.
pub(crate) const FIELD: &str = "Ins Verified";
pub(crate) const BOX: &str = "Over 18";

const LISTS: &[Permission] = &[Permission::ReadAll, Permission::Comm, Permission::AllOthers];
const QUERIES: &[Permission] = &[
    Permission::ReadAll,
    Permission::Comm,
    Permission::AllOthers,
    Permission::Queries,
];

/// A small office in pages of twenty, whose key may write and not query.
pub(crate) fn by_lists() -> PracticeBuilder {
    Practice::builder(11)
        .with_patients(50)
        .with_page_cap(20)
        .with_permissions(LISTS)
        .with_pat_field_def(FIELD, "Text")
        .with_pat_field_def(BOX, "Checkbox")
}

/// The same, and the key may query. Its lists are of changes alone, and their
/// pages as short as any of the vendor's.
pub(crate) fn by_queries() -> PracticeBuilder {
    by_lists().with_permissions(QUERIES).with_page_cap(100)
}

/// Either way to read an office.
pub(crate) fn both() -> [PracticeBuilder; 2] {
    [by_lists(), by_queries()]
}

pub(crate) struct Life {
    pub(crate) practice: Practice,
    pub(crate) server: Server,
    pub(crate) source: OpenDental,
    pub(crate) clock: TestClock,
}

pub(crate) fn marker() -> Marker {
    Marker::of(&IdempotencyKey::of_parts(&["a trap"]))
}

pub(crate) fn all_writes() -> WriteBackSettings {
    WriteBackSettings::new()
        .with_reminders()
        .with_recall_status()
        .with_confirmations()
        .with_patient_fields()
}

impl Life {
    pub(crate) async fn of(builder: PracticeBuilder) -> Self {
        Self::with(builder, all_writes(), |builder| builder).await
    }

    pub(crate) async fn with(
        builder: PracticeBuilder,
        writes: WriteBackSettings,
        more: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let practice = builder.build().unwrap();
        let server = practice.serve().await.unwrap();
        let clock = TestClock::at(Utc.from_utc_datetime(&practice.now()));
        let source = more(client(&practice, &server))
            .with_clock(Arc::new(clock.clone()))
            .with_write_back(writes)
            .build()
            .unwrap();
        Self {
            practice,
            server,
            source,
            clock,
        }
    }

    /// Every change of a pass, and where it ended.
    pub(crate) async fn pass(
        &self,
        cursor: Option<Cursor>,
        extent: Extent,
    ) -> (Vec<Change>, Cursor) {
        let (changes, _, cursor) = pass(&self.source, cursor, extent).await.unwrap();
        (changes, cursor)
    }

    /// The first pass; another one proves that its lists did not move. Where
    /// this ends, changes are asked for and nothing else.
    pub(crate) async fn first(&self) -> (Vec<Change>, Cursor) {
        let (mut changes, cursor) = self.pass(None, Extent::Changes).await;
        let (more, cursor) = self.later(cursor).await;
        changes.extend(more);
        (changes, cursor)
    }

    pub(crate) async fn later(&self, cursor: Cursor) -> (Vec<Change>, Cursor) {
        self.pass(Some(cursor), Extent::Changes).await
    }

    /// Time goes by, at the office and here.
    pub(crate) fn wait(&self, time: Duration) {
        self.practice.advance(time);
        self.clock.advance(time);
    }

    pub(crate) async fn write(&self, what: &WriteBack) -> Result<Receipt, ActError> {
        self.source.write(what, &marker()).await
    }

    pub(crate) async fn find(&self, what: &WriteBack) -> Option<Receipt> {
        self.source.find(what, &marker()).await.unwrap()
    }

    /// Requests since `from`.
    pub(crate) fn asked(&self, from: usize) -> Vec<RequestLog> {
        self.practice.requests().split_off(from)
    }

    /// Somebody with a recall and a scheduled visit.
    pub(crate) fn somebody(&self) -> (i64, i64, i64) {
        let found = self.practice.patients().into_iter().find_map(|row| {
            let recall = self.practice.recalls_of(row.pat_num).first()?.recall_num;
            let mut visits = self.practice.appointments_of(row.pat_num).into_iter();
            let visit = visits.find(|visit| visit.apt_status == "Scheduled")?;
            (row.pat_status == "Patient").then_some((row.pat_num, recall, visit.apt_num))
        });
        found.unwrap()
    }

    /// The office's own entry with this usage, or the first visible one but `but`.
    pub(crate) fn definition(&self, category: i64, usage: &str, but: i64) -> i64 {
        let rows = self.practice.definitions();
        let mut rows = rows
            .into_iter()
            .filter(|row| row.category == category && !row.is_hidden && row.item_value == usage);
        rows.find(|row| row.def_num != but).unwrap().def_num
    }

    /// Everything that can be told, about one patient, as something new.
    pub(crate) fn news(&self) -> Vec<WriteBack> {
        let (patient, recall, visit) = self.somebody();
        let status = self.practice.recall(recall).unwrap().recall_status;
        let confirmed = self.practice.appointment(visit).unwrap().confirmed;
        vec![
            comm_log(patient, "MISC", CommMode::Text, CommDirection::Sent),
            recall_status(patient, recall, self.definition(13, "", status)),
            confirmation(visit, self.definition(2, "", confirmed)),
            field(patient, FIELD, "Yes"),
        ]
    }
}

pub(crate) fn client(practice: &Practice, server: &Server) -> Builder {
    let credentials = Credentials {
        developer_key: Secret::new(practice.developer_key()),
        customer_key: Secret::new(practice.customer_key()),
    };
    OpenDental::builder(SourceId::new(SYSTEM, "main-st").unwrap(), credentials)
        .with_base_urls(vec![server.base_url().parse().unwrap()])
        .with_interval(Duration::ZERO)
}

/// First pass, a busy day, changes, everything, single patients, a look, and
/// everything that can be written.
pub(crate) async fn whole_life(builder: PracticeBuilder) -> (Life, Vec<Change>) {
    let life = Life::of(builder).await;
    let (mut changes, cursor) = life.first().await;
    life.wait(Duration::from_secs(3600));
    life.practice.day_of_changes(5);
    life.practice.add_signal("Defs");
    let (more, cursor) = life.later(cursor).await;
    changes.extend(more);
    life.wait(Duration::from_secs(24 * 3600));
    let (more, _) = life.pass(Some(cursor), Extent::Everything).await;
    changes.extend(more);
    for row in life.practice.patients().iter().take(3) {
        let key = PatientKey::new(row.pat_num.to_string());
        changes.extend(life.source.refresh(&key).await.unwrap());
    }
    life.source.probe().await.unwrap();
    for what in life.news() {
        assert_eq!(life.find(&what).await, None, "{what:?}");
        life.write(&what).await.unwrap();
        assert!(life.find(&what).await.is_some(), "{what:?}");
    }
    (life, changes)
}

pub(crate) fn records(changes: &[Change]) -> impl Iterator<Item = &Record> {
    changes.iter().filter_map(|change| match change {
        Change::Upsert(record) | Change::Told { record, .. } => Some(record),
        _ => None,
    })
}

pub(crate) fn patients(changes: &[Change]) -> Vec<&Patient> {
    let some = records(changes).filter_map(|record| match record {
        Record::Patient(patient) => Some(patient),
        _ => None,
    });
    some.collect()
}

pub(crate) fn recalls(changes: &[Change]) -> Vec<&Recall> {
    let some = records(changes).filter_map(|record| match record {
        Record::Recall(recall) => Some(recall),
        _ => None,
    });
    some.collect()
}

pub(crate) fn visits(changes: &[Change]) -> Vec<&Appointment> {
    let some = records(changes).filter_map(|record| match record {
        Record::Appointment(visit) => Some(visit),
        _ => None,
    });
    some.collect()
}

/// The last that was said of this visit.
pub(crate) fn visit(changes: &[Change], key: i64) -> Appointment {
    let of = |visit: &&&Appointment| visit.key.native() == key.to_string();
    (*visits(changes).iter().rev().find(of).unwrap()).clone()
}

/// A request of nobody's, as it is built.
pub(crate) fn bare(method: Method, url: &str) -> RequestBuilder {
    let client = Client::new(ClientSettings::new("test")).unwrap();
    client.request(method, url.parse().unwrap())
}

pub(crate) fn at(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
}

pub(crate) fn comm_log(
    patient: i64,
    kind: &str,
    mode: CommMode,
    direction: CommDirection,
) -> WriteBack {
    WriteBack::CommLog(CommLog {
        patient: PatientKey::new(patient.to_string()),
        at: at("2026-11-20 11:15:00"),
        mode,
        direction,
        kind: kind.to_owned(),
        text: Phi::new("Asked to\r\ncome in.".to_owned()),
    })
}

pub(crate) fn recall_status(patient: i64, recall: i64, status: i64) -> WriteBack {
    WriteBack::RecallStatus(RecallStatus {
        patient: PatientKey::new(patient.to_string()),
        recall: RecallKey::new(recall.to_string()),
        status: Some(status.to_string()),
    })
}

pub(crate) fn confirmation(visit: i64, status: i64) -> WriteBack {
    WriteBack::Confirmation(Confirmation {
        appointment: AppointmentKey::new(visit.to_string()),
        status: status.to_string(),
    })
}

pub(crate) fn field(patient: i64, name: &str, value: &str) -> WriteBack {
    WriteBack::PatientField(PatientField {
        patient: PatientKey::new(patient.to_string()),
        field: name.to_owned(),
        value: Phi::new(value.to_owned()),
    })
}

pub(crate) fn refused(end: Result<Receipt, ActError>) -> Error {
    match end.unwrap_err() {
        ActError::Refused(error) => error,
        other => panic!("{other:?}"),
    }
}
