//! What the tests share: one patient, her recall, a clock that stands still.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use odx_core::clock::Clock;
use odx_core::crm::{
    Body, Contact, ContactConsent, ContactCustom, Delivery, Intent, Op, Task, TaskKind, TaskStatus,
};
use odx_core::model::{ConsentState, PhoneKind};
use odx_core::policy::Segment;
use odx_core::{ExternalId, OfficeId, Phi, Secret, SinkId};
use odx_crm::{Auth, RestConfig, Url};
use serde_json::Value;

pub(crate) const TOKEN: &str = "tok-3f9c1d77aa";

/// The reference's moment: 2026-11-20T21:00:00Z.
#[derive(Debug)]
pub(crate) struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        "2026-11-20T21:00:00Z".parse().unwrap()
    }

    async fn sleep(&self, _wait: Duration) {}
}

pub(crate) fn config(url: &str) -> RestConfig {
    RestConfig::new(
        SinkId::new("rest", "1001").unwrap(),
        Url::parse(url).unwrap(),
    )
    .with_auth(Auth::Bearer(Secret::new(TOKEN)))
    .with_clock(Arc::new(Still))
}

pub(crate) fn ana() -> Contact {
    Contact {
        consent: ContactConsent {
            sms: ConsentState::Granted,
            ..ContactConsent::default()
        },
        custom: ContactCustom::default(),
        email: Some(Phi::new("ana@smile.co".into())),
        external_id: ExternalId::from_kept("od:1001:55"),
        first_name: Phi::new("Ana".into()),
        household_external_id: Some(ExternalId::from_kept("odfam:1001:50")),
        last_name: Phi::new("Núñez".into()),
        office_id: "1001".into(),
        phone: Some(Phi::new("+15035550123".into())),
        phone_kind: Some(PhoneKind::Mobile),
        preferred_name: None,
        tags: vec!["odx-active".into(), "odx-recall-due-now".into()],
        timezone: Some("America/Los_Angeles".into()),
    }
}

pub(crate) fn patient(n: u32) -> Contact {
    Contact {
        external_id: ExternalId::from_kept(format!("od:1001:{n}")),
        ..ana()
    }
}

pub(crate) fn recall() -> Task {
    Task {
        contact_external_id: ExternalId::from_kept("od:1001:55"),
        due_date: NaiveDate::from_ymd_opt(2026, 12, 1).unwrap(),
        external_id: ExternalId::from_kept("odrecall:1001:77"),
        kind: TaskKind::Recall,
        office_id: "1001".into(),
        segment: Some(Segment::DueNow),
        status: TaskStatus::Open,
        title: "Recall visit due".into(),
    }
}

pub(crate) fn contact(contact: Contact, generation: u64) -> Delivery {
    delivery(Body::Contact(contact), generation)
}

pub(crate) fn task(task: Task, generation: u64) -> Delivery {
    delivery(Body::Task(task), generation)
}

fn delivery(body: Body, generation: u64) -> Delivery {
    let op = Op {
        intent: Intent::Upsert,
        body,
    };
    Delivery::new(op, &OfficeId::new("1001").unwrap(), generation, None).unwrap()
}

pub(crate) fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A validator for one definition of the contract's schema.
pub(crate) fn schema(definition: &str) -> jsonschema::Validator {
    let mut whole = fixture("generic.schema.json");
    let whole = whole.as_object_mut().unwrap();
    whole.remove("$id");
    whole.insert("$ref".into(), format!("#/$defs/{definition}").into());
    jsonschema::validator_for(&Value::Object(whole.clone())).unwrap()
}
