//! The seam's own checks, for both ways of writing and for the recording sink.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands"
)]

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use odx_core::crm::{Body, Contact, Delivery, Intent, Op};
use odx_core::sink::{CrmSink, Suppression};
use odx_core::testkit::SinkFault;
use odx_core::testkit::conformance::Supported;
use odx_core::testkit::conformance::sink::{SinkHarness, Stored};
use odx_core::{ExternalId, OfficeId, Secret, SinkId};
use odx_crm::sim::{Crm, Fault, Server};
use odx_crm::{Auth, RecordingSink, RestConfig, Url};

const TOKEN: &str = "tok-8d41c07e55";

/// How people are named who were entered by hand.
const BY_HAND: &str = "hand:crm:";

/// The REST sink with so many records in a request, against the simulated CRM.
struct Rest<const BATCH: usize> {
    crm: Crm,
    base: Url,
    server: Mutex<Option<Server>>,
    cuts: AtomicUsize,
}

impl<const BATCH: usize> Rest<BATCH> {
    fn external_id(id: &ExternalId) -> Option<ExternalId> {
        (!id.as_str().starts_with(BY_HAND)).then(|| id.clone())
    }
}

#[async_trait]
impl<const BATCH: usize> SinkHarness for Rest<BATCH> {
    async fn start() -> Self {
        let crm = Crm::new(TOKEN);
        crm.set_suppressions_page(NonZeroUsize::new(4).unwrap());
        crm.keep_writes();
        let server = crm.serve().await.unwrap();
        Self {
            crm,
            base: server.base_url(),
            server: Mutex::new(Some(server)),
            cuts: AtomicUsize::new(0),
        }
    }

    fn sink(&self) -> Arc<dyn CrmSink> {
        let id = SinkId::new("rest", "main-st").unwrap();
        let config = RestConfig::new(id, self.base.clone())
            .with_auth(Auth::Bearer(Secret::new(TOKEN)))
            .with_batch(NonZeroUsize::new(BATCH).unwrap());
        Arc::new(config.build().unwrap())
    }

    async fn objects(&self) -> Vec<Stored> {
        let contacts = self.crm.contacts().into_iter().map(|held| {
            let mut stored = Stored::contact(&held.record).with_remote_id(held.remote_id);
            stored.external_id = Self::external_id(&held.record.external_id);
            stored
        });
        let tasks = self.crm.tasks().into_iter();
        let tasks = tasks.map(|held| Stored::task(&held.record).with_remote_id(held.remote_id));
        contacts.chain(tasks).collect()
    }

    async fn fail_next(&self, fault: SinkFault) -> Supported {
        let fault = match fault {
            SinkFault::None => return Supported::Yes,
            SinkFault::Down => {
                *self.server.lock().unwrap() = None;
                return Supported::Yes;
            }
            SinkFault::ResetBefore => Fault::ResetBefore,
            SinkFault::Lost => Fault::ResetAfter,
            SinkFault::Failed => Fault::Status(500, None),
            SinkFault::FailedAfter => Fault::StatusAfter(502),
            // The connection ends in the middle, or the answer does: by turns.
            SinkFault::Cut if self.cuts.fetch_add(1, Ordering::Relaxed) % 2 == 1 => {
                Fault::TruncatedAfter
            }
            SinkFault::Cut => Fault::HalfJsonAfter,
            SinkFault::Garbage => Fault::HtmlLogin200,
            SinkFault::Half if BATCH > 1 => Fault::HalfBatch,
            SinkFault::Half => return Supported::No("a request holds one record"),
            SinkFault::SlowDown(after) => {
                Fault::Status(429, after.map(|wait| wait.as_secs().to_string()))
            }
            SinkFault::NotNow => Fault::Status(503, None),
            SinkFault::BadToken => Fault::Status(401, None),
            SinkFault::Refuse => Fault::Status(422, None),
            _ => return Supported::No("the simulated crm does not know this fault"),
        };
        self.crm.fail_next(1, fault);
        Supported::Yes
    }

    async fn recover(&self) {
        self.crm.clear_faults();
        let port = self.base.port().unwrap();
        while self.server.lock().unwrap().is_none() {
            // The old server lets go of its port when the runtime comes round to it.
            match self.crm.serve_on(port).await {
                Ok(server) => *self.server.lock().unwrap() = Some(server),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    async fn refuse(&self, id: &ExternalId) -> Supported {
        self.crm.refuse_contact(id.as_str(), 422);
        Supported::Yes
    }

    async fn postpone(&self, id: &ExternalId) -> Supported {
        self.crm.postpone(id.as_str(), 425);
        Supported::Yes
    }

    async fn forget(&self, id: &ExternalId) -> Supported {
        self.crm.delete(id.as_str());
        Supported::Yes
    }

    async fn stop(&self, stop: &Suppression) -> Supported {
        self.crm.add_suppression(stop);
        Supported::Yes
    }

    async fn stop_unreadably(&self) -> Supported {
        self.crm.add_unreadable_suppression();
        Supported::Yes
    }

    async fn put_foreign(&self, like: &Contact) -> Supported {
        // Somebody else's name for them, put there as somebody else would.
        let mut contact = like.clone();
        contact.external_id = ExternalId::from_kept(format!("{BY_HAND}1"));
        contact.household_external_id = None;
        let op = Op {
            intent: Intent::Upsert,
            body: Body::Contact(contact),
        };
        let office = OfficeId::new("main-st").unwrap();
        let delivery = Delivery::new(op, &office, 1, None).unwrap();
        self.sink().apply(&[delivery]).await.unwrap();
        Supported::Yes
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }

    async fn keys(&self) -> Option<Vec<(ExternalId, String)>> {
        let writes = self.crm.writes().into_iter();
        Some(
            writes
                .map(|write| (write.body.external_id().clone(), write.key))
                .collect(),
        )
    }

    async fn requests(&self) -> Option<u64> {
        Some(self.crm.requests())
    }
}

odx_core::sink_conformance!(one_by_one, Rest<1>);
odx_core::sink_conformance!(in_batches, Rest<10>);

/// The sink that takes notes: what it was told last is what it "holds".
struct Recording(Arc<RecordingSink>);

#[async_trait]
impl SinkHarness for Recording {
    async fn start() -> Self {
        let id = SinkId::new("recording", "main-st").unwrap();
        Self(Arc::new(RecordingSink::new(id)))
    }

    fn sink(&self) -> Arc<dyn CrmSink> {
        Arc::clone(&self.0) as Arc<dyn CrmSink>
    }

    async fn objects(&self) -> Vec<Stored> {
        let mut last = std::collections::BTreeMap::new();
        for op in self.0.applied() {
            let stored = match &op.body {
                Body::Contact(contact) => Stored::contact(contact),
                Body::Task(task) => Stored::task(task),
            };
            last.insert(op.external_id().clone(), stored);
        }
        last.into_values().collect()
    }

    fn applies(&self, check: &'static str) -> Supported {
        match check {
            "requests_are_counted" => Supported::No("it makes no requests"),
            "a_retire_creates_nothing" => {
                Supported::No("it notes what it is told: there is nothing to compare it with")
            }
            "a_missing_contact_is_reported" => {
                Supported::No("it notes what it is told, and looks nothing up")
            }
            _ => Supported::Yes,
        }
    }

    async fn fail_next(&self, _fault: SinkFault) -> Supported {
        Supported::No("nothing is sent, so nothing can fail")
    }

    async fn refuse(&self, _id: &ExternalId) -> Supported {
        Supported::No("nothing is sent, so nothing is refused")
    }

    async fn postpone(&self, _id: &ExternalId) -> Supported {
        Supported::No("nothing is sent, so nothing has to wait")
    }

    async fn forget(&self, _id: &ExternalId) -> Supported {
        Supported::No("nobody can delete a note")
    }

    async fn stop(&self, _stop: &Suppression) -> Supported {
        Supported::No("nobody talks to it, so nobody says stop")
    }

    async fn stop_unreadably(&self) -> Supported {
        Supported::No("nobody talks to it, so nobody says stop")
    }

    async fn put_foreign(&self, _like: &Contact) -> Supported {
        Supported::No("nobody else writes notes")
    }
}

odx_core::sink_conformance!(recording, Recording);
