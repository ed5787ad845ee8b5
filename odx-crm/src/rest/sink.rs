//! The sink: glue between the seam and the client.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use odx_core::crm::{Delivery, Enrollment, Entity, Intent};
use odx_core::effect::{ActError, Receipt};
use odx_core::sink::{Account, CrmSink, Outcome, SinkLimits, SuppressionPage};
use odx_core::source::{Cursor, Probe};
use odx_core::{Disposition, Error, ErrorKind, IdScheme, IdempotencyKey, Result, SinkId};

use super::client::{Batch, Client, Put, Stops};

/// A CRM that takes records by `PUT` under their external id. Built by
/// [`RestConfig::build`](super::RestConfig::build).
#[derive(Debug)]
pub struct RestSink {
    id: SinkId,
    scheme: IdScheme,
    batch: NonZeroUsize,
    concurrency: NonZeroUsize,
    /// It takes people into sequences.
    enrolls: bool,
    client: Client,
    /// The CRM said that it has no batch route. It is not asked again.
    one_by_one: AtomicBool,
}

impl RestSink {
    pub(super) fn new(
        id: SinkId,
        scheme: IdScheme,
        batch: NonZeroUsize,
        concurrency: NonZeroUsize,
        enrolls: bool,
        client: Client,
    ) -> Self {
        Self {
            id,
            scheme,
            batch,
            concurrency,
            enrolls,
            client,
            one_by_one: AtomicBool::new(false),
        }
    }

    fn batches(&self) -> bool {
        self.batch > NonZeroUsize::MIN && !self.one_by_one.load(Ordering::Relaxed)
    }

    /// Sends records of one kind. Fills in what became of them; an error leaves
    /// the places open that nothing is known about.
    async fn send(
        &self,
        entity: Entity,
        group: &[(usize, &Delivery)],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<()> {
        // A single record goes by `PUT` in any case: its answer says more.
        if group.len() > 1 && self.batches() {
            let records: Vec<_> = group.iter().map(|(_, delivery)| *delivery).collect();
            match self.client.post_batch(entity, &records).await? {
                Batch::Answered(answers) => {
                    for ((place, _), outcome) in group.iter().zip(answers) {
                        note(outcomes, *place, outcome);
                    }
                    return Ok(());
                }
                Batch::NoRoute => {
                    if !self.one_by_one.swap(true, Ordering::Relaxed) {
                        tracing::info!(sink = %self.id, "the crm has no batch route: records go one by one");
                    }
                }
                // One bad record can sink a batch without being named: the others shall not wait for it.
                Batch::Refused => {}
            }
        }
        self.send_singly(group, outcomes).await
    }

    /// Sends records one by one, until one is not answered.
    async fn send_singly(
        &self,
        group: &[(usize, &Delivery)],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<()> {
        let mut left = group.iter();
        while let Some((place, delivery)) = left.next() {
            match self.client.put(delivery).await? {
                Put::Answered(outcome) => note(outcomes, *place, outcome),
                // Not a time-out for each of them.
                Put::Unreached(outcome) => {
                    note(outcomes, *place, outcome.clone());
                    for (place, _) in left.by_ref() {
                        note(outcomes, *place, outcome.clone());
                    }
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl CrmSink for RestSink {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn account(&self) -> Account {
        Account {
            name: self.client.account(),
            scheme: self.scheme,
        }
    }

    fn limits(&self) -> SinkLimits {
        let batch = if self.batches() {
            self.batch
        } else {
            NonZeroUsize::MIN
        };
        SinkLimits::new(batch, self.concurrency)
    }

    async fn probe(&self) -> Result<Probe> {
        // The only read in the contract, and harmless.
        let list = match self.client.stops(None).await? {
            Stops::Page(page) if page.unreadable > 0 => format!(
                "suppressions: {} of the first entries cannot be read; compare them with the contract",
                page.unreadable
            ),
            Stops::Page(_) => "suppressions: readable".to_owned(),
            Stops::NoList => "suppressions: the crm keeps no such list, so stops recorded there \
                              do not come back; record them in the practice"
                .to_owned(),
        };
        Ok(Probe::new(vec![
            "reachable; the token is taken for reading".to_owned(),
            list,
        ]))
    }

    async fn apply(&self, batch: &[Delivery]) -> Result<Vec<Outcome>> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; batch.len()];
        let mut stopped: Option<Error> = None;
        for entity in [Entity::Contact, Entity::Task] {
            let (retired, written): (Vec<_>, Vec<_>) = batch
                .iter()
                .enumerate()
                .filter(|(_, delivery)| delivery.op.entity() == entity)
                .partition(|(_, delivery)| delivery.op.intent == Intent::Retire);
            let sent = async {
                if !written.is_empty() {
                    self.send(entity, &written, &mut outcomes).await?;
                }
                // One by one: a batch cannot say "only if it is there".
                self.send_singly(&retired, &mut outcomes).await
            };
            if let Err(error) = sent.await {
                stopped = Some(error);
                break;
            }
        }
        settle(outcomes, stopped)
    }

    async fn suppressions(&self, since: Option<Cursor>) -> Result<SuppressionPage> {
        Ok(match self.client.stops(since.as_ref()).await? {
            Stops::Page(page) => page,
            Stops::NoList => SuppressionPage::default(),
        })
    }

    fn enrolls(&self) -> bool {
        self.enrolls
    }

    async fn enroll(
        &self,
        enrollment: &Enrollment,
        key: &IdempotencyKey,
    ) -> Result<Receipt, ActError> {
        if !self.enrolls {
            return Err(ActError::NotSent(no_sequences()));
        }
        self.client.enroll(enrollment, key).await
    }

    async fn find_enrollment(&self, enrollment: &Enrollment) -> Result<Option<Receipt>> {
        if !self.enrolls {
            return Err(no_sequences());
        }
        self.client.find_enrollment(enrollment).await
    }

    fn requests(&self) -> u64 {
        self.client.requests()
    }
}

fn no_sequences() -> Error {
    Error::new(
        ErrorKind::Config,
        "this crm is not known to have sequences: switch its enrollments on",
    )
}

fn note(outcomes: &mut [Option<Outcome>], place: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(place) {
        *slot = Some(outcome);
    }
}

/// An error may only be returned when it is all that is known. Past the first
/// outcome, a wait becomes the wait of those that were not reached; what a person
/// must mend stops the sink in any case, and repeating what went through is safe.
fn settle(outcomes: Vec<Option<Outcome>>, stopped: Option<Error>) -> Result<Vec<Outcome>> {
    let (after, reason) = match stopped {
        None => (None, String::new()),
        Some(error) => match error.disposition() {
            Disposition::Retry { after } if outcomes.iter().any(Option::is_some) => {
                (after, error.to_string())
            }
            _ => return Err(error),
        },
    };
    Ok(outcomes
        .into_iter()
        .map(|outcome| {
            outcome.unwrap_or_else(|| Outcome::Retry {
                after,
                reason: reason.clone(),
            })
        })
        .collect())
}
