//! An office that sends events, a CRM, and a pipeline between them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use odx_core::clock::{Clock, SystemClock};
use odx_core::engine::{Pipeline, Schedule, Shutdown, Stop};
use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::serve::{ServeLimits, listen, serve};
use odx_core::store::{MemoryStore, StateStore};
use odx_core::{Office, OfficeId, Secret, SinkId, SourceId};
use odx_crm::sim::Crm;
use odx_crm::{Auth, RestConfig};
use odx_opendental::sim::{
    DeletedBody, Delivery, NO_DATE, Permission, Practice, PracticeBuilder, SubscriptionRow,
};
use odx_opendental::{Credentials, OpenDental, Receiver, ReceiverSettings, SYSTEM};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub const OFFICES: [&str; 1] = ["main-st"];
pub const TOKENS: [&str; 1] = ["token-of-main"];
const PATH: &str = "q7RbV2mXc90TkLpZq7RbV2mX";

pub struct World {
    pub practices: Vec<Practice>,
    server: odx_opendental::sim::Server,
    pub crm: Crm,
    crm_server: odx_crm::sim::Server,
    pub accounts: Vec<usize>,
    pub stopped: BTreeSet<String>,
    pub store: Arc<dyn StateStore>,
    pub receiver: Receiver,
    again: AtomicUsize,
}

/// The receiver while it is up.
pub struct Up {
    pub address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Up {
    pub fn url(&self) -> String {
        format!("http://{}/{PATH}/", self.address)
    }

    pub async fn down(self) {
        self.shutdown.stop();
        self.task.await.unwrap();
    }
}

/// The machine's day and time, at the office.
pub fn now() -> chrono::NaiveDateTime {
    let zone = chrono_tz::America::New_York;
    SystemClock.now().with_timezone(&zone).naive_local()
}

/// An office whose key may send queries, or may not.
pub fn office(queries: bool) -> PracticeBuilder {
    let mut permissions = vec![Permission::ReadAll];
    if queries {
        permissions.extend([Permission::Comm, Permission::Queries]);
    }
    Practice::builder(41)
        .with_patients(80)
        .with_start(now())
        .with_permissions(&permissions)
        .with_deleted_body(DeletedBody::History)
}

impl World {
    pub async fn new(office: PracticeBuilder) -> Self {
        let practice = office.build().unwrap();
        // What is hidden until a day depends on whose day it is.
        for row in practice.recalls() {
            practice.update_recall(row.recall_num, |row| {
                row.disable_until_date = NO_DATE.to_owned();
            });
        }
        let server = practice.serve().await.unwrap();
        let crm = Crm::with_tokens(&TOKENS);
        crm.keep_writes();
        let crm_server = crm.serve().await.unwrap();
        let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
        let receiver = Receiver::new(
            ReceiverSettings::new(Secret::new(PATH)),
            [(source_id(), Secret::new(practice.customer_key()))],
            Arc::clone(&store),
        )
        .unwrap();
        Self {
            practices: vec![practice],
            server,
            crm,
            crm_server,
            accounts: vec![0],
            stopped: BTreeSet::new(),
            store,
            receiver,
            again: AtomicUsize::new(0),
        }
    }

    pub fn practice(&self) -> &Practice {
        &self.practices[0]
    }

    /// The receiver comes up on a port that is free.
    pub fn up(&self) -> Up {
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, stop) = Shutdown::new();
        let router = self.receiver.router();
        let task = tokio::spawn(async move {
            serve(listener, router, ServeLimits::default(), stop)
                .await
                .unwrap();
        });
        Up {
            address,
            shutdown,
            task,
        }
    }

    /// Every machine of the office sends what changes in these tables, every five seconds.
    pub fn subscribe(&self, url: &str, machine: &str) {
        for table in ["Patient", "Appointment", "AppointmentDeleted"] {
            self.practice().add_subscription(SubscriptionRow {
                end_point_url: url.to_owned(),
                workstation: machine.to_owned(),
                watch_table: table.to_owned(),
                polling_seconds: 5,
                ..SubscriptionRow::default()
            });
        }
        self.practice().add_subscription(SubscriptionRow {
            end_point_url: url.to_owned(),
            workstation: machine.to_owned(),
            ui_event_type: "PatientSelected".to_owned(),
            ..SubscriptionRow::default()
        });
    }

    pub fn pipeline(&self, schedule: Schedule, clock: Arc<dyn Clock>) -> Pipeline {
        let practice = self.practice();
        let credentials = Credentials {
            developer_key: Secret::new(practice.developer_key()),
            customer_key: Secret::new(practice.customer_key()),
        };
        let zone = chrono_tz::America::New_York;
        let source = OpenDental::builder(source_id(), credentials)
            .with_base_urls(vec![self.server.base_url().parse().unwrap()])
            .with_interval(Duration::ZERO)
            .with_time_zone(zone)
            .with_clock(Arc::clone(&clock))
            .build()
            .unwrap();
        let sink = RestConfig::new(
            SinkId::new("rest", OFFICES[0]).unwrap(),
            self.crm_server.base_url(),
        )
        .with_auth(Auth::Bearer(Secret::new(TOKENS[0])))
        .with_batch(NonZeroUsize::new(100).unwrap())
        .with_clock(Arc::clone(&clock))
        .build()
        .unwrap();
        Pipeline::builder(Arc::new(source))
            .policy(RecallPolicy::new(RecallSettings::default()).unwrap())
            .sink(Arc::new(sink))
            .state(Arc::clone(&self.store))
            .office(Office::new(
                OfficeId::new(OFFICES[0]).unwrap(),
                OFFICES[0],
                zone,
            ))
            .schedule(schedule)
            .clock(clock)
            .build()
            .unwrap()
    }

    /// Follows the practice, and does not poll again within the test.
    pub fn follow(&self) -> (Shutdown, JoinHandle<()>) {
        let hour = Schedule::default().with_poll(Duration::from_secs(3600));
        let pipeline = self.pipeline(hour, Arc::new(SystemClock));
        let (shutdown, stop): (_, Stop) = Shutdown::new();
        let task = tokio::spawn(async move { pipeline.run(stop).await.unwrap() });
        (shutdown, task)
    }

    /// The first name that the CRM knows somebody by.
    pub fn name_of(&self, pat_num: i64) -> Option<String> {
        let id = format!("od:{}:{pat_num}", OFFICES[0]);
        let held = self.crm.contacts();
        let held = held
            .iter()
            .find(|held| held.record.external_id.to_string() == id)?;
        Some(held.record.first_name.expose().clone())
    }

    /// Whether there is an open task for a recall.
    pub fn is_open(&self, recall_num: i64) -> bool {
        let id = format!("odrecall:{}:{recall_num}", OFFICES[0]);
        self.crm.tasks().iter().any(|held| {
            held.record.external_id.to_string() == id
                && held.record.status == odx_core::crm::TaskStatus::Open
        })
    }

    /// Sends a body that was sent before as if it were another delivery: with blanks behind it, one more each time.
    pub async fn post_again(&self, up: &Up, delivery: &Delivery) -> u16 {
        let mut body = delivery.body().to_vec();
        let blanks = self.again.fetch_add(1, Ordering::Relaxed) + 1;
        body.resize(body.len() + blanks, b' ');
        let head = format!(
            "POST /{PATH}/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: {}\r\nevent-type: {}\r\n\
             content-length: {}\r\n\r\n",
            self.practice().customer_key(),
            delivery.event,
            body.len()
        );
        let mut stream = TcpStream::connect(up.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Waits until every delivery that was stored has been applied.
    pub async fn applied(&self) {
        until("the inbox is empty", async || {
            let inbox = self.store.inbox(&source_id(), 1).await;
            inbox.unwrap().is_empty()
        })
        .await;
    }
}

pub fn source_id() -> SourceId {
    SourceId::new(SYSTEM, OFFICES[0]).unwrap()
}

/// Waits until it is so; how long that took.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < Duration::from_secs(30), "not so: {what}");
        rest(Duration::from_millis(2)).await;
    }
    began.elapsed()
}

/// Waits as long as other tasks of this test have work.
pub async fn rest(wait: Duration) {
    tokio::time::sleep(wait).await;
}

pub fn instant(office: chrono::NaiveDateTime) -> DateTime<Utc> {
    let zone = chrono_tz::America::New_York;
    let at = chrono::TimeZone::from_local_datetime(&zone, &office);
    at.earliest().unwrap().to_utc()
}
