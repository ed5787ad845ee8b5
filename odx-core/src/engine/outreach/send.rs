//! Sends what was chosen: claimed before, settled after, looked up in between.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::choose::{Chosen, Repeat, Send, sooner};
use super::{Caller, Settled};
use crate::crm::Enrollment;
use crate::effect::{Act, ActError, Marker, Outcome, Receipt};
use crate::engine::{Event, RunReport};
use crate::error::{Disposition, Error, ErrorKind, Result};
use crate::hash::IdempotencyKey;
use crate::id::{ExternalIds, HouseholdKey, SinkId};
use crate::model::Channel;
use crate::outreach::gate::Rule;
use crate::outreach::{Message, MessageGateway, SendError, quiet};
use crate::sink::{CrmSink, Suppression};
use crate::store::Due;
use crate::store::outreach::{About, OutreachState};

/// Looks at one household in a row, while something goes out.
const ROUNDS: usize = 6;
/// What could not be sent is tried again after this long.
const AGAIN: chrono::TimeDelta = chrono::TimeDelta::minutes(5);
/// A CRM that does not have the contact yet is asked again after this long.
const CONTACT: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// How sending ended.
enum End {
    /// It went out, now or before.
    Out,
    /// It ended without going out: the next channel may do.
    Next,
    /// It waits.
    Wait(DateTime<Utc>, Rule),
}

impl Caller<'_> {
    /// Tells one household what it should hear now. Returns how many messages
    /// went out.
    pub(super) async fn tell(
        &mut self,
        household: &HouseholdKey,
        state: &OutreachState,
        report: &mut RunReport,
    ) -> Result<u64> {
        let mut out = 0;
        let mut wait: Option<(DateTime<Utc>, Rule)> = None;
        for _ in 0..ROUNDS {
            // Whatever was known when the plan was made: now counts.
            let store = Arc::clone(&self.pipeline.store);
            let due = store
                .outreach()
                .households(&self.query(None), vec![household.clone()])
                .await?;
            let Some(due) = due.into_iter().next() else {
                return Ok(out);
            };
            let mut chosen = self.choose(&due, state, &mut Vec::new()).await?;
            let sends = std::mem::take(&mut chosen.sends);
            let mut next = false;
            let mut sent = false;
            for send in sends {
                match self.go(&due, send, report).await? {
                    End::Out => {
                        out += 1;
                        sent = true;
                        // What follows must know of it.
                        break;
                    }
                    End::Next => {
                        next = true;
                        break;
                    }
                    End::Wait(at, rule) => sooner(&mut wait, (at, rule)),
                }
            }
            if sent || next {
                continue;
            }
            self.end(due, chosen, wait).await?;
            return Ok(out);
        }
        // It stays due, and is looked at in the next round.
        Ok(out)
    }

    async fn end(
        &self,
        due: Due,
        mut chosen: Chosen,
        wait: Option<(DateTime<Utc>, Rule)>,
    ) -> Result<()> {
        if let Some(wait) = wait {
            sooner(&mut chosen.wait, wait);
        }
        let mut settled = Settled::default();
        settled.settle(&self.ids, due, chosen);
        self.commit(settled).await
    }

    async fn go(&mut self, due: &Due, send: Send, report: &mut RunReport) -> Result<End> {
        let now = self.now();
        let (destination, act) = match self.act(due, &send).await? {
            Ok(act) => act,
            Err(end) => return Ok(end),
        };
        if self.closed.contains(&destination) {
            return Ok(End::Wait(now + AGAIN, Rule::TooEarly));
        }
        let mut episodes = vec![send.wanted.episode.clone()];
        episodes.extend(send.covers.iter().map(|wanted| wanted.episode.clone()));
        let about = About {
            episodes,
            channel: send.channel,
            patient: send.wanted.patient.clone(),
            recipient: send.recipient.clone(),
            household: due.view.key.clone(),
            address: send.address.clone(),
            destination: destination.clone(),
            fields: match send.channel {
                _ if self.outreach.by_crm => "enrollment",
                Channel::Email => "email,first_name",
                Channel::Sms | Channel::Voice => "phone,first_name",
            },
        };
        let effects = self.effects().await?;
        let outcome = effects.perform_about(&send.key, Some(&about), &act).await?;
        if let Some(stop) = act.take_stop() {
            self.suppress(&destination, stop).await?;
        }
        let name = send.wanted.episode.name();
        Ok(match outcome {
            Outcome::Done(_) | Outcome::Found(_) => {
                report.told += 1;
                self.pipeline.observer.event(&Event::Told {
                    episode: &name,
                    channel: send.channel,
                });
                End::Out
            }
            Outcome::Known(_) => End::Next,
            Outcome::Refused(reason) => {
                tracing::info!(gateway = %destination, reason, "a message was refused");
                End::Next
            }
            Outcome::Waiting(error) => self.waits(&destination, &error, report),
            Outcome::InDoubt { again, .. } => {
                let at = again.max(now + AGAIN);
                End::Wait(at, Rule::TooEarly)
            }
            Outcome::Busy => End::Wait(now + AGAIN, Rule::TooEarly),
        })
    }

    fn waits(&mut self, destination: &SinkId, error: &Error, report: &mut RunReport) -> End {
        let backoff = self.pipeline.backoff();
        let wait = match error.disposition() {
            Disposition::Retry { after } => backoff.honour(after, 1),
            Disposition::Reject | Disposition::Halt => {
                // Nobody else is tried by this way before somebody has mended it.
                self.closed.insert(destination.clone());
                backoff.halted(1)
            }
        };
        let again = self.now() + wait;
        self.pipeline.problem(report, error, Some(again));
        End::Wait(again, Rule::TooEarly)
    }

    /// Remembers a stop that came as an answer; where the list was read to stays.
    async fn suppress(&self, gateway: &SinkId, stop: Suppression) -> Result<()> {
        let store = &self.pipeline.store;
        let cursor = store.suppression_cursor(gateway).await?;
        store
            .suppress(gateway, vec![stop], cursor, self.now())
            .await?;
        Ok(())
    }

    /// How it is sent. `Err`: not now.
    async fn act(
        &self,
        due: &Due,
        send: &Send,
    ) -> Result<std::result::Result<(SinkId, Tell), End>> {
        let now = self.now();
        let way = if self.outreach.by_crm {
            let Some(sink) = self.enrolling() else {
                return Ok(Err(End::Wait(now + AGAIN, Rule::NoTemplate)));
            };
            let enrollment = self.enrollment(sink.as_ref(), send);
            let contact = vec![enrollment.contact_external_id.clone()];
            let known = self.pipeline.store.standing(sink.id(), contact).await?;
            if known.iter().all(|standing| standing.acknowledged.is_none()) {
                // The contact first: a sequence never fires on somebody the CRM does not have.
                return Ok(Err(End::Wait(now + CONTACT, Rule::TooEarly)));
            }
            Way::Crm(Arc::clone(sink), Box::new(enrollment))
        } else {
            let Some(gateway) = self.gateway(send.channel) else {
                return Ok(Err(End::Wait(now + AGAIN, Rule::NoTemplate)));
            };
            match self.message(due, send, now) {
                Some(message) => Way::Gateway(Arc::clone(gateway), Box::new(message)),
                // It cannot be written any more; what is in doubt stays so.
                None => return Ok(Err(End::Wait(now + AGAIN, Rule::Content))),
            }
        };
        let id = match &way {
            Way::Crm(sink, _) => sink.id().clone(),
            Way::Gateway(gateway, _) => gateway.id().clone(),
        };
        Ok(Ok((
            id,
            Tell {
                way,
                key: send.key.clone(),
                since: send.in_doubt.unwrap_or(now),
                repeat: send.repeat,
                stop: Mutex::default(),
            },
        )))
    }

    fn message(&self, due: &Due, send: &Send, now: DateTime<Utc>) -> Option<Message> {
        let words = send.words.as_ref();
        // What is looked up needs an address, and words only where it may be sent again.
        let text = match words {
            Some(words) => words.text.clone(),
            None if send.repeat != Repeat::Send => crate::phi::Phi::new(String::new()),
            None => return None,
        };
        let to = send.address.clone()?;
        let purpose = send.wanted.episode.purpose;
        let mut message = Message::new(send.key.clone(), purpose, to, text);
        message.subject = words.and_then(|words| words.subject.clone());
        let speaker = self
            .outreach
            .settings
            .speaker(send.wanted.clinic.as_deref());
        message.practice = speaker
            .name
            .unwrap_or_else(|| self.pipeline.office.name().to_owned());
        if send.channel == Channel::Sms {
            let mut members = due.view.members.iter();
            let who = members.find(|member| member.patient.record.key == send.recipient)?;
            let closes = quiet::closes(now, &self.zones(who), self.outreach.settings.window);
            message.valid_for = closes.and_then(|at| (at - now).to_std().ok());
        }
        if send.channel == Channel::Email
            && purpose.is_marketing()
            && let Some(link) = &speaker.unsubscribe_link
        {
            message.unsubscribe = url::Url::parse(link).ok().map(crate::phi::Phi::new);
        }
        Some(message)
    }

    fn enrollment(&self, sink: &dyn CrmSink, send: &Send) -> Enrollment {
        let source = self.pipeline.source.id().clone();
        let ids = ExternalIds::new(source, sink.account().scheme);
        let episode = &send.wanted.episode;
        let about = ids.patient(&send.wanted.patient);
        let contact = ids.patient(&send.recipient);
        Enrollment {
            channels: send.channels.clone(),
            external_id: ids.episode(episode),
            office_id: self.pipeline.office.id().to_string(),
            patient_external_id: (about != contact).then_some(about),
            contact_external_id: contact,
            purpose: episode.purpose,
            segment: episode.segment,
        }
    }
}

/// By which way somebody is told.
#[derive(Debug)]
enum Way {
    Gateway(Arc<dyn MessageGateway>, Box<Message>),
    Crm(Arc<dyn CrmSink>, Box<Enrollment>),
}

/// One thing to tell.
#[derive(Debug)]
struct Tell {
    way: Way,
    key: IdempotencyKey,
    /// When the attempt that is looked for was begun.
    since: DateTime<Utc>,
    repeat: Repeat,
    /// What the provider said of the address.
    stop: Mutex<Option<Suppression>>,
}

impl Tell {
    fn take_stop(&self) -> Option<Suppression> {
        self.stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

#[async_trait]
impl Act for Tell {
    async fn act(&self, _marker: &Marker) -> Result<Receipt, ActError> {
        match self.repeat {
            Repeat::Send => {}
            Repeat::Wait => {
                let error = Error::new(ErrorKind::Unavailable, "it may not be sent again just now");
                return Err(ActError::NotSent(error));
            }
            Repeat::GiveUp => {
                let error = Error::new(
                    ErrorKind::Refused,
                    "an attempt of which nobody knows the end was not found, and is not repeated",
                );
                return Err(ActError::Refused(error));
            }
        }
        let (gateway, message) = match &self.way {
            Way::Crm(sink, enrollment) => return sink.enroll(enrollment, &self.key).await,
            Way::Gateway(gateway, message) => (gateway, message),
        };
        gateway.send(message).await.map_err(|error| match error {
            SendError::NotSent(error) => ActError::NotSent(error),
            SendError::Refused(error) => ActError::Refused(error),
            SendError::InDoubt(error) => ActError::InDoubt(error),
            SendError::Suppressed { error, stop } => {
                *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
                // Whatever it is called: this address is not written to again.
                ActError::Refused(match error.disposition() {
                    Disposition::Reject => error,
                    _ => Error::new(ErrorKind::Refused, "the address is suppressed")
                        .with_cause(error),
                })
            }
        })
    }

    async fn find(&self, _marker: &Marker) -> Result<Option<Receipt>> {
        match &self.way {
            Way::Crm(sink, enrollment) => sink.find_enrollment(enrollment).await,
            Way::Gateway(gateway, message) => gateway.find(&message.attempt(self.since)).await,
        }
    }

    fn settles_within(&self) -> Duration {
        match &self.way {
            Way::Crm(..) => Duration::from_secs(120),
            Way::Gateway(gateway, _) => gateway.settles_within(),
        }
    }
}
