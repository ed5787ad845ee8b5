//! Recalls: one contact per patient, one task per open recall, tags, and what
//! people should hear.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate, TimeDelta};

use super::settings::RecallSettings;
use super::today::{Lapse, Listener, MemberToday, State, ended, fresh_until, is_closed};
use super::{Desired, LeftOut, Policy, PolicyContext, Skip, TagMap};
use crate::crm::{
    Body, Contact, ContactConsent, ContactCustom, Intent, Op, Task, TaskKind, TaskStatus, tidy,
};
use crate::error::Result;
use crate::hash::LedgerHash;
use crate::model::{
    AppointmentStatus, Channel, ConsentState, HouseholdView, Kept, Member, PatientStatus,
    PhoneKind, Recall, RecordKey,
};
use crate::outreach::{Episode, Purpose, Wanted};
use crate::phi::Phi;

/// What a practice's patients should look like in a CRM, and what they should
/// hear: contacts, recall tasks, tags; recalls, lapses and reviews.
///
/// * Patients with a closed status get no contact; one that is there is brought
///   to rest: consent denied, tags reduced to `odx-inactive`.
/// * A recall is open while it has a due date, is not switched off, hidden or
///   booked, and its patient is active. An open recall far from its date has a
///   task without a segment.
/// * A task whose recall is booked is completed, any other that is no longer
///   open is cancelled; either says why. Tasks are moved in place and never
///   deleted.
/// * A recall is told once per cycle, a lapse once, a visit's review once. Who
///   is a minor hears nothing; their guarantor does.
#[derive(Debug, Clone)]
pub struct RecallPolicy {
    settings: RecallSettings,
}

impl RecallPolicy {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if windows are out of
    /// order.
    pub fn new(settings: RecallSettings) -> Result<Self> {
        settings.check()?;
        Ok(Self { settings })
    }

    /// The settings.
    pub const fn settings(&self) -> &RecallSettings {
        &self.settings
    }

    fn contact(&self, member: &Member, tags: BTreeSet<String>, cx: &PolicyContext<'_>) -> Op {
        let patient = &member.patient.record;
        let closed = is_closed(member);
        let mobile = patient.mobile.as_ref().filter(|phone| phone.takes_texts());
        let voice = patient.mobile.as_ref().or(patient.landline.as_ref());
        let own = |text: &Phi<String>| Phi::new(tidy(text.expose()));
        let links = &self.settings.links;
        let routed = |key: &Option<String>| key.clone().filter(|_| links.routing);
        let key = patient.key.native();
        Op {
            intent: if closed {
                Intent::Retire
            } else {
                Intent::Upsert
            },
            body: Body::Contact(Contact {
                consent: if closed { DENIED } else { consents(member) },
                custom: ContactCustom {
                    booking_link: links.booking.clone(),
                    chart_link: links.chart.as_ref().map(|link| link.replace("{id}", key)),
                    clinic: routed(&patient.clinic),
                    provider: routed(&patient.provider),
                    review_link: links.review.clone(),
                    voice_phone: voice
                        .filter(|_| mobile.is_none())
                        .map(|phone| phone.e164().clone()),
                },
                email: patient.email.as_ref().map(|email| email.address().clone()),
                external_id: cx.ids.patient(&patient.key),
                first_name: own(&patient.first_name),
                household_external_id: Some(cx.ids.household(&patient.household)),
                last_name: own(&patient.last_name),
                office_id: cx.office.id().to_string(),
                phone: mobile.map(|phone| phone.e164().clone()),
                phone_kind: mobile.map(|phone| match phone.kind() {
                    // The practice calls it a mobile; the digits cannot tell.
                    PhoneKind::Unknown => PhoneKind::Mobile,
                    known => known,
                }),
                preferred_name: patient
                    .preferred_name
                    .as_ref()
                    .map(own)
                    .filter(|name| !name.expose().is_empty()),
                tags: tags.into_iter().collect(),
                timezone: Some(cx.office.zone().name().to_owned()),
            }),
        }
    }

    fn task(
        &self,
        member: &Member,
        recall: &Kept<Recall>,
        state: State,
        cx: &PolicyContext<'_>,
    ) -> Op {
        let title = &self.settings.task_title;
        let (status, segment, title) = match state {
            State::Open(segment) => (TaskStatus::Open, segment, title.clone()),
            State::Closed(why) => {
                let status = if why == Skip::RecallScheduled {
                    TaskStatus::Completed
                } else {
                    TaskStatus::Cancelled
                };
                (status, None, format!("{title} (closed: {})", why.generic()))
            }
        };
        Op {
            intent: if status == TaskStatus::Open {
                Intent::Upsert
            } else {
                Intent::Retire
            },
            body: Body::Task(Task {
                contact_external_id: cx.ids.patient(&member.patient.record.key),
                due_date: due_date(recall),
                external_id: cx.ids.recall(&recall.record.key),
                kind: TaskKind::Recall,
                office_id: cx.office.id().to_string(),
                segment,
                status,
                title,
            }),
        }
    }

    /// The task about a patient not seen for long; closed as soon as they are
    /// seen, or a visit is booked.
    fn lapse_task(
        &self,
        member: &Member,
        today: &MemberToday,
        cx: &PolicyContext<'_>,
    ) -> Option<Op> {
        let settings = self.settings.reactivation?;
        let (seen, lapse) = today.lapse?;
        let patient = &member.patient.record.key;
        let title = "Patient not seen for long";
        let (intent, status, title) = match lapse {
            Lapse::Lapsed => (Intent::Upsert, TaskStatus::Open, title.to_owned()),
            Lapse::Booked => (
                Intent::Retire,
                TaskStatus::Completed,
                format!("{title} (closed: visit booked)"),
            ),
            Lapse::No => (
                Intent::Retire,
                TaskStatus::Cancelled,
                format!("{title} (closed: no longer wanted)"),
            ),
        };
        Some(Op {
            intent,
            body: Body::Task(Task {
                contact_external_id: cx.ids.patient(patient),
                due_date: match seen {
                    Some(seen) => seen.checked_add_days(Days::new(settings.after_days.into()))?,
                    // Only one that is closed has none, and a CRM wants a day: one that does not move.
                    None => member.patient.record.first_visit.unwrap_or_default(),
                },
                external_id: cx.ids.reactivation(patient),
                kind: TaskKind::Reactivation,
                office_id: cx.office.id().to_string(),
                segment: None,
                status,
                title,
            }),
        })
    }

    /// The managed tags of a member; what the office has not decided is noted.
    fn tags(
        &self,
        member: &Member,
        today: &MemberToday,
        unmapped: &mut BTreeSet<String>,
    ) -> BTreeSet<String> {
        let patient = &member.patient.record;
        let closed = is_closed(member);
        let map = &self.settings.tags;
        let mut tags = BTreeSet::new();
        let mut status = |name: &str, otherwise: &str| match map.get(name) {
            Some(own) => tags.extend(own.iter().cloned()),
            None => {
                tags.insert(otherwise.to_owned());
            }
        };
        if closed || patient.status != PatientStatus::Active {
            status("patient:inactive", "odx-inactive");
        } else {
            status("patient:active", "odx-active");
        }
        for (recall, state) in member.recalls.iter().zip(&today.recalls) {
            let State::Open(segment) = state else {
                continue;
            };
            if let Some(segment) = segment {
                status(&format!("segment:{}", segment.name()), segment.tag());
            }
            if recall.record.urgent {
                status("recall:asap", "odx-recall-asap");
            }
        }
        if today.lapsed().is_some() {
            status("reactivation:lapsed", "odx-lapsed");
        }
        if closed || map.is_empty() {
            return tags;
        }
        let open = member.recalls.iter().zip(&today.recalls);
        let open = open.filter(|(_, state)| matches!(state, State::Open(_)));
        let booked = member.appointments.iter();
        let booked = booked.filter(|visit| visit.status == AppointmentStatus::Scheduled);
        let labels = patient
            .labels
            .iter()
            .chain(open.flat_map(|(recall, _)| &recall.record.labels))
            .chain(booked.flat_map(|visit| &visit.labels));
        for label in labels {
            match map.of_label(label) {
                Some(own) => tags.extend(own.iter().cloned()),
                None if map.watches(&label.field) => {
                    unmapped.insert(TagMap::status_of(label));
                }
                None => {}
            }
        }
        for (field, key) in [("clinic", &patient.clinic), ("provider", &patient.provider)] {
            let Some(status) = key.as_ref().map(|key| format!("{field}:{key}")) else {
                continue;
            };
            let mapped = map.tags([status.as_str()]);
            tags.extend(mapped.tags);
            unmapped.extend(mapped.unmapped);
        }
        tags
    }

    /// What a member, or their guarantor, should hear.
    fn outreach(
        &self,
        view: &HouseholdView,
        member: &Member,
        today: &MemberToday,
        cx: &PolicyContext<'_>,
    ) -> Vec<Wanted> {
        let patient = &member.patient.record;
        let recipient = match today.listener {
            Listener::Patient => Some(&patient.key),
            Listener::Guarantor => self.settings.guarantor(view, member, cx.today),
            Listener::Nobody => None,
        };
        let wanted = |purpose, subject, cycle, segment| {
            let episode = Episode {
                purpose,
                subject,
                cycle,
                segment,
            };
            let mut wanted = Wanted::new(episode, patient.key.clone());
            wanted.recipient = recipient.cloned();
            wanted.minor = today.listener != Listener::Patient;
            wanted.clinic.clone_from(&patient.clinic);
            wanted
        };
        let mut all = Vec::new();
        for (recall, state) in member.recalls.iter().zip(&today.recalls) {
            let Some(segment) = self.settings.tells(*state) else {
                continue;
            };
            let mut wanted = wanted(
                Purpose::Recall,
                cx.ids.recall(&recall.record.key),
                recall.record.previous,
                Some(segment).filter(|_| self.settings.tell_each_segment),
            );
            wanted.urgent = recall.record.urgent;
            wanted.due = recall.record.due;
            all.push(wanted);
        }
        if let Some(seen) = today.lapsed() {
            let subject = cx.ids.patient(&patient.key);
            all.push(wanted(Purpose::Reactivation, subject, Some(seen), None));
        }
        let visits = today.fresh.iter();
        for visit in visits.filter_map(|place| member.appointments.get(*place)) {
            let Some(reviews) = self.settings.reviews else {
                continue;
            };
            let subject = cx.ids.appointment(&visit.key);
            let mut wanted = wanted(Purpose::Review, subject, None, None);
            wanted.happened = visit.start;
            wanted.not_before = match reviews.delay_minutes {
                0 => visit.start,
                minutes => ended(visit)
                    .and_then(|end| end.checked_add_signed(TimeDelta::minutes(minutes.into()))),
            };
            wanted.expires = fresh_until(visit, reviews.fresh_hours);
            if let Some(clinic) = &visit.clinic {
                wanted.clinic = Some(clinic.clone());
            }
            all.push(wanted);
        }
        all
    }
}

const DENIED: ContactConsent = ContactConsent {
    email: ConsentState::Denied,
    sms: ConsentState::Denied,
    voice: ConsentState::Denied,
};

fn consents(member: &Member) -> ContactConsent {
    ContactConsent {
        email: member.consent(Channel::Email),
        sms: member.consent(Channel::Sms),
        voice: member.consent(Channel::Voice),
    }
}

/// A CRM wants a date on every task, also on one whose recall lost its own when
/// it was switched off: the date it would have had, or the day it was closed.
fn due_date(recall: &Kept<Recall>) -> NaiveDate {
    let Recall {
        due,
        previous,
        interval,
        scheduled,
        ..
    } = &recall.record;
    due.or(*scheduled)
        .or_else(|| interval.and_then(|interval| interval.after((*previous)?)))
        .unwrap_or(recall.changed_on)
}

impl Policy for RecallPolicy {
    fn version(&self) -> u32 {
        1
    }

    fn fingerprint(&self) -> LedgerHash {
        LedgerHash::of(format!("{} {:?}", self.version(), self.settings).as_bytes())
    }

    fn desired(&self, view: &HouseholdView, cx: &PolicyContext<'_>) -> Desired {
        let mut desired = Desired::default();
        let mut tasks = Vec::new();
        let today = self.settings.today(view, cx.today);
        for (member, today) in view.members.iter().zip(&today) {
            let closed = is_closed(member);
            if closed {
                desired.skipped.push(LeftOut {
                    what: RecordKey::Patient(member.patient.record.key.clone()),
                    why: Skip::PatientClosed,
                });
            }
            for (recall, state) in member.recalls.iter().zip(&today.recalls) {
                if let State::Closed(why) = state
                    && !closed
                {
                    desired.skipped.push(LeftOut {
                        what: RecordKey::Recall(recall.record.key.clone()),
                        why: *why,
                    });
                }
                tasks.push(self.task(member, recall, *state, cx));
            }
            tasks.extend(self.lapse_task(member, today, cx));
            let tags = self.tags(member, today, &mut desired.unmapped);
            desired.ops.push(self.contact(member, tags, cx));
            desired
                .outreach
                .extend(self.outreach(view, member, today, cx));
        }
        desired.ops.append(&mut tasks);
        // Whatever order the rows came in, the answer is the same.
        let contact_first = |op: &Op| (op.entity(), op.external_id().clone());
        desired.ops.sort_by_cached_key(contact_first);
        let key = |left: &LeftOut| (left.what.clone(), left.why);
        desired.skipped.sort_by_cached_key(key);
        let order = |wanted: &Wanted| wanted.episode.clone();
        desired.outreach.sort_by_cached_key(order);
        desired.look_again(self.settings.again(view, cx.today, &today));
        desired
    }
}

#[cfg(test)]
mod tests;
