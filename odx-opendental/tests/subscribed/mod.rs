//! An office with its server and us, and a receiver to subscribe for.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests: what is wrong here must fail loudly"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use odx_core::engine::Shutdown;
use odx_core::serve::{ServeLimits, listen, serve};
use odx_core::store::{SqliteStore, StateStore};
use odx_core::{Secret, SourceId};
use odx_opendental::sim::{
    PatientRow, Permission, Practice, PracticeBuilder, RequestLog, Server, SubscriptionRow,
};
use odx_opendental::{
    Credentials, Declaration, OpenDental, Receiver, ReceiverSettings, SYSTEM, SubscriptionReport,
    Workstation,
};
use tempfile::TempDir;

pub(crate) const PATH: &str = "secret-canary-4b1f0a77";
pub(crate) const DEVELOPER: &str = "DevCanary11aaXq";
pub(crate) const CUSTOMER: &str = "CustCanary22bbXq";
pub(crate) const MARK: &str = "[odx events od:main-st]";
pub(crate) const NEVER: &str = "0001-01-01 00:00:00";
pub(crate) const ALL: [&str; 3] = ["Appointment", "AppointmentDeleted", "Patient"];
pub(crate) const PERMISSIONS: &[Permission] = &[Permission::ReadAll, Permission::AllOthers];

pub(crate) fn source(url: &str, office: &str) -> OpenDental {
    OpenDental::builder(
        SourceId::new(SYSTEM, office).unwrap(),
        Credentials {
            developer_key: Secret::new(DEVELOPER),
            customer_key: Secret::new(CUSTOMER),
        },
    )
    .with_base_urls(vec![url.parse().unwrap()])
    .with_interval(Duration::ZERO)
    .build()
    .unwrap()
}

pub(crate) fn at(endpoint: &str) -> Declaration {
    Declaration::new(endpoint.parse().unwrap(), Secret::new(PATH))
}

pub(crate) fn declared() -> Declaration {
    at("http://127.0.0.1:9/opendental")
}

pub(crate) fn named(name: &str) -> Declaration {
    declared().with_workstation(Workstation::Named(name.to_owned()))
}

/// An office, its server and us.
pub(crate) struct Desk {
    pub(crate) practice: Practice,
    pub(crate) od: OpenDental,
    pub(crate) server: Server,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(set: impl FnOnce(PracticeBuilder) -> PracticeBuilder) -> Self {
        let builder = Practice::builder(7)
            .with_patients(12)
            .with_keys(DEVELOPER, CUSTOMER)
            .with_trailing_slash_demanded(true)
            .with_permissions(PERMISSIONS);
        let practice = set(builder).build().unwrap();
        let server = practice.serve().await.unwrap();
        let od = source(&server.base_url(), "main-st");
        Self {
            practice,
            od,
            server,
        }
    }

    pub(crate) async fn ensure(&self) -> SubscriptionReport {
        self.od.ensure_subscriptions(&declared()).await.unwrap()
    }

    pub(crate) async fn check(&self) -> Vec<String> {
        self.od.check_subscriptions(&declared()).await.unwrap()
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        let requests = self.practice.requests();
        self.practice.clear_requests();
        let line = |one: &RequestLog| format!("{} {}", one.method, one.path);
        requests.iter().map(line).collect()
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        let mut asked = self.asked();
        asked.retain(|line| !line.starts_with("GET"));
        asked
    }

    pub(crate) fn rows(&self) -> Vec<SubscriptionRow> {
        self.practice.subscriptions()
    }

    pub(crate) fn row(&self, table: &str) -> SubscriptionRow {
        let mut rows = self.rows();
        rows.retain(|row| row.watch_table == table);
        assert_eq!(rows.len(), 1, "{table}");
        rows.remove(0)
    }

    /// Somebody changes a row.
    pub(crate) fn tamper(&self, table: &str, edit: impl FnOnce(&mut SubscriptionRow)) -> i64 {
        let mut row = self.row(table);
        let number = row.subscription_num;
        edit(&mut row);
        assert!(self.practice.remove_subscription(number));
        row.subscription_num = number;
        assert_eq!(self.practice.add_subscription(row), number);
        number
    }

    pub(crate) fn tables(&self) -> Vec<String> {
        let mut tables: Vec<_> = self.rows().into_iter().map(|row| row.watch_table).collect();
        tables.sort();
        tables
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.practice.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn edit_a_patient(&self) {
        let mut patients = self.practice.patients().into_iter();
        let one = patients.find(|row| row.pat_status == "Patient").unwrap();
        let edit = |row: &mut PatientRow| row.f_name.push('x');
        assert!(self.practice.update_patient(one.pat_num, edit));
    }

    /// Time goes by, and machines poll.
    pub(crate) async fn live(&self, minutes: u64) {
        for _ in 0..minutes {
            self.pass(60);
            self.practice.fire_events().await;
        }
    }
}

impl Desk {
    pub(crate) fn tamper_all_of_ours(&self) {
        let ours = self.rows().into_iter().filter(|row| row.note == MARK);
        for mut row in ours.filter(|row| row.customer_key == CUSTOMER) {
            self.practice.remove_subscription(row.subscription_num);
            row.polling_seconds = 99;
            self.practice.add_subscription(row);
        }
    }
}

/// A receiver of ours, mounted in a service.
pub(crate) struct Door {
    pub(crate) receiver: Receiver,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
    _shutdown: Shutdown,
}

impl Door {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("odx.sqlite")).unwrap());
        let office = (
            SourceId::new(SYSTEM, "main-st").unwrap(),
            Secret::new(CUSTOMER),
        );
        let settings = ReceiverSettings::new(Secret::new(PATH));
        let receiver = Receiver::new(settings, [office], store.clone()).unwrap();
        let service = Router::new().nest("/opendental", receiver.router());
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, stop) = Shutdown::new();
        tokio::spawn(serve(listener, service, ServeLimits::default(), stop));
        Self {
            receiver,
            store,
            address,
            _folder: folder,
            _shutdown: shutdown,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/opendental", self.address)
    }

    pub(crate) async fn kinds(&self) -> Vec<String> {
        let source = SourceId::new(SYSTEM, "main-st").unwrap();
        let inbox = self.store.inbox(&source, 100).await.unwrap();
        let mut kinds: Vec<_> = inbox.iter().map(|one| one.kind().to_owned()).collect();
        kinds.sort();
        kinds
    }
}
