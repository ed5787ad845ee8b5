//! What the checks share: invented people, sending, looking at what arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;

use super::{SinkHarness, Stored, Supported};
use crate::crm::{
    Body, Contact, ContactConsent, ContactCustom, Delivery, Intent, Op, Task, TaskKind, TaskStatus,
};
use crate::error::{Disposition, Result};
use crate::id::{
    ExternalId, ExternalIds, HouseholdKey, IdScheme, OfficeId, PatientKey, RecallKey, SourceId,
};
use crate::model::{ConsentState, PhoneKind};
use crate::phi::Phi;
use crate::policy::Segment;
use crate::sink::{CrmSink, Outcome};

/// A CRM under check.
pub(super) struct Desk<H> {
    pub(super) check: &'static str,
    pub(super) harness: H,
    pub(super) sink: Arc<dyn CrmSink>,
    office: OfficeId,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    /// The CRM's own ids, as the sink handed them on: the ledger keeps them.
    remote: BTreeMap<ExternalId, String>,
    /// Why something was not checked, said once.
    said: BTreeSet<&'static str>,
}

/// Text that the kit itself made: cannot be wrong.
pub(super) fn sure<T, E>(made: std::result::Result<T, E>) -> T {
    match made {
        Ok(made) => made,
        Err(_) => panic!("the kit made something that odx refuses"),
    }
}

/// How a record is named in a scheme.
pub(super) fn ids(scheme: IdScheme) -> ExternalIds {
    ExternalIds::new(sure(SourceId::new("kit", "main-st")), scheme)
}

fn phi(text: impl Into<String>) -> Phi<String> {
    Phi::new(text.into())
}

/// The number of the `n`th person, from the range reserved for fiction.
pub(super) fn number(n: usize) -> String {
    // Hundred per area code.
    let area = 201 + n / 100;
    format!("+1{area}55501{:02}", n % 100)
}

impl<H: SinkHarness> Desk<H> {
    /// Starts a CRM for this check. None if the check makes no sense there.
    pub(super) async fn open(check: &'static str) -> Option<Self> {
        let harness = H::start().await;
        if !harness.applies(check).or_say(check) {
            return None;
        }
        let sink = harness.sink();
        Some(Self {
            check,
            harness,
            sink,
            office: sure(OfficeId::new("main-st")),
            notes: Mutex::default(),
        })
    }

    /// Another client of the same CRM, which was handed no ids.
    pub(super) fn restarted(self) -> Self {
        Self {
            sink: self.harness.sink(),
            notes: Mutex::default(),
            ..self
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the harness did what it was asked. Says why not, once.
    pub(super) fn can(&self, done: Supported) -> bool {
        match done {
            Supported::No(why) if !self.notes().said.insert(why) => false,
            done => done.or_say(self.check),
        }
    }

    pub(super) fn ids(&self) -> ExternalIds {
        ids(self.sink.account().scheme)
    }

    /// As many ops as one call may have, at most `most`.
    pub(super) fn room(&self, most: usize) -> usize {
        self.sink.limits().batch.get().min(most)
    }

    /// The `n`th invented person, with every field filled in, no two alike.
    pub(super) fn person(&self, n: usize) -> Contact {
        let ids = self.ids();
        Contact {
            consent: ContactConsent {
                email: ConsentState::Unknown,
                sms: ConsentState::Granted,
                voice: ConsentState::Denied,
            },
            custom: ContactCustom {
                voice_phone: Some(phi(number(n + 5000))),
                ..ContactCustom::default()
            },
            email: Some(phi(format!("Person{n}.K@smile.example"))),
            external_id: ids.patient(&PatientKey::new(n.to_string())),
            first_name: phi(format!("Given{n}")),
            household_external_id: Some(ids.household(&HouseholdKey::new(n.to_string()))),
            last_name: phi(format!("Family{n}")),
            office_id: self.office.to_string(),
            phone: Some(phi(number(n))),
            phone_kind: Some(PhoneKind::Mobile),
            preferred_name: Some(phi(format!("Called{n}"))),
            tags: vec!["odx-active".to_owned(), "odx-recall-due-now".to_owned()],
            timezone: Some("America/New_York".to_owned()),
        }
    }

    /// The `n`th recall, of the `of`th person.
    pub(super) fn recall(&self, n: usize, of: usize) -> Task {
        let ids = self.ids();
        let days = u64::try_from(n).unwrap_or_default() % 300;
        let first = NaiveDate::from_ymd_opt(2027, 1, 4).unwrap_or_default();
        Task {
            contact_external_id: ids.patient(&PatientKey::new(of.to_string())),
            due_date: first + chrono::Days::new(days),
            external_id: ids.recall(&RecallKey::new(n.to_string())),
            kind: TaskKind::Recall,
            office_id: self.office.to_string(),
            segment: Some(Segment::DueNow),
            status: TaskStatus::Open,
            title: "Recall visit due".to_owned(),
        }
    }

    pub(super) fn contact(&self, contact: &Contact, generation: u64) -> Delivery {
        self.delivery(Intent::Upsert, Body::Contact(contact.clone()), generation)
    }

    pub(super) fn task(&self, task: &Task, generation: u64) -> Delivery {
        self.delivery(Intent::Upsert, Body::Task(task.clone()), generation)
    }

    pub(super) fn delivery(&self, intent: Intent, body: Body, generation: u64) -> Delivery {
        sure(Delivery::new(
            Op { intent, body },
            &self.office,
            generation,
            None,
        ))
    }

    /// People `from`, `from + 1`, … as new contacts.
    pub(super) fn people(&self, from: usize, many: usize) -> Vec<Delivery> {
        (from..from + many)
            .map(|n| self.contact(&self.person(n), 1))
            .collect()
    }

    /// One call, as the engine makes it: with the CRM's own ids where they are
    /// known. An answer must have one outcome per op.
    pub(super) async fn call(&self, ops: &[Delivery]) -> Result<Vec<Outcome>> {
        let mut sent = ops.to_vec();
        for op in &mut sent {
            op.remote_id = self.notes().remote.get(op.op.external_id()).cloned();
        }
        let outcomes = self.sink.apply(&sent).await?;
        assert_eq!(
            outcomes.len(),
            ops.len(),
            "{} ops have {} outcomes",
            ops.len(),
            outcomes.len()
        );
        for (op, outcome) in ops.iter().zip(&outcomes) {
            if let Outcome::Applied {
                remote_id: Some(remote),
            } = outcome
            {
                let id = op.op.external_id().clone();
                self.notes().remote.insert(id, remote.clone());
            }
        }
        Ok(outcomes)
    }

    /// Sends ops in calls of the size the sink likes. An error is a failure.
    pub(super) async fn send(&self, ops: &[Delivery]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(ops.len());
        for call in ops.chunks(self.sink.limits().batch.get()) {
            match self.call(call).await {
                Ok(more) => outcomes.extend(more),
                Err(error) => panic!("nothing is wrong, and yet: {}", error.chain()),
            }
        }
        outcomes
    }

    /// Sends ops that must all be applied, and must be there afterwards. What
    /// they say is for the checks of content.
    pub(super) async fn deliver(&self, ops: &[Delivery]) -> Vec<Outcome> {
        let outcomes = self.send(ops).await;
        for (op, outcome) in ops.iter().zip(&outcomes) {
            let id = op.op.external_id();
            assert!(is_applied(outcome), "{id} was not taken: {outcome:?}");
        }
        self.assert_there(ops).await;
        outcomes
    }

    /// Everything of ours, by id.
    pub(super) async fn ours(&self) -> BTreeMap<ExternalId, Vec<Stored>> {
        let mut ours: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for object in self.harness.objects().await {
            if let Some(id) = object.external_id.clone() {
                ours.entry(id).or_default().push(object);
            }
        }
        ours
    }

    /// Each of these is there exactly once.
    pub(super) async fn assert_there(&self, ops: &[Delivery]) {
        let ours = self.ours().await;
        for op in ops {
            one(&ours, op);
        }
    }

    /// And nothing else is there.
    pub(super) async fn assert_only(&self, ops: &[Delivery]) {
        let ours = self.ours().await;
        for op in ops {
            one(&ours, op);
        }
        let wanted: Vec<_> = ops.iter().map(|op| op.op.external_id()).collect();
        if let Some(extra) = ours.keys().find(|id| !wanted.contains(id)) {
            panic!("{extra} is in the crm, and nobody asked for it");
        }
    }

    /// These are there and nothing else is, and each says what was sent, no
    /// more and no less.
    pub(super) async fn assert_only_so(&self, ops: &[Delivery]) {
        self.assert_only(ops).await;
        let ours = self.ours().await;
        for op in ops {
            self.assert_says(one(&ours, op), op);
        }
    }

    /// One field of one record.
    pub(super) async fn assert_field(&self, op: &Delivery, field: &str, value: &str) {
        let kept = self.harness.keeps(op.op.entity());
        if kept.is_some_and(|kept| !kept.contains(&field)) {
            return;
        }
        let ours = self.ours().await;
        assert_eq!(
            one(&ours, op).fields.get(field).map(String::as_str),
            Some(value),
            "{}: the field {field} is not what was sent last",
            op.op.external_id()
        );
    }

    /// The object says what the op says: no field is missing, none is more.
    fn assert_says(&self, object: &Stored, op: &Delivery) {
        let wanted = Stored::of(op.op.body.clone());
        let id = op.op.external_id();
        let kept = self.harness.keeps(wanted.entity);
        let counts = |name: &str| kept.is_none_or(|kept| kept.contains(&name));
        for (name, value) in wanted.fields.iter().filter(|(name, _)| counts(name)) {
            match object.fields.get(name) {
                Some(found) => {
                    assert_eq!(found, value, "{id}: the field {name} is not what was sent");
                }
                None => panic!("{id}: the field {name} did not arrive"),
            }
        }
        let more = |name: &&String| counts(name) && !wanted.fields.contains_key(*name);
        if let Some(more) = object.fields.keys().find(more) {
            panic!("{id}: the field {more} is there, and it was not sent");
        }
    }

    /// Arms a fault; false if the harness cannot.
    pub(super) async fn armed(&self, fault: crate::testkit::SinkFault) -> bool {
        self.can(self.harness.fail_next(fault).await)
    }
}

/// The one object of this record.
fn one<'a>(ours: &'a BTreeMap<ExternalId, Vec<Stored>>, op: &Delivery) -> &'a Stored {
    let id = op.op.external_id();
    let there = ours.get(id).map(Vec::as_slice).unwrap_or_default();
    let [object] = there else {
        panic!("{id} is {} objects in the crm, not one", there.len());
    };
    assert_eq!(object.entity, op.op.entity(), "{id} is of the wrong kind");
    object
}

pub(super) const fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}

/// The answer to a call says of each of these ops: later. Nothing is refused for
/// good, and nobody has to act.
pub(super) fn is_later(answer: &Result<Vec<Outcome>>) -> bool {
    match answer {
        Ok(outcomes) => outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Applied { .. } | Outcome::Retry { .. })),
        Err(error) => matches!(error.disposition(), Disposition::Retry { .. }),
    }
}

/// An answer in words, without data.
pub(super) fn spell(answer: &Result<Vec<Outcome>>) -> String {
    match answer {
        Ok(outcomes) => format!("{outcomes:?}"),
        Err(error) => format!("{:?}: {}", error.kind(), error.chain()),
    }
}
