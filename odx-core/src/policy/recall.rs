//! Recalls: one contact per patient, one task per open recall, segment tags.

use chrono::NaiveDate;

use crate::crm::{
    Body, Contact, ContactConsent, ContactCustom, Intent, Op, Task, TaskKind, TaskStatus, tidy,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Channel, ConsentState, HouseholdView, Kept, Member, Patient, PatientStatus, PhoneKind, Recall,
};
use crate::phi::Phi;
use crate::policy::{Desired, Policy, PolicyContext, Segment, Skip, Standing, Windows, classify};

/// Settings of [`RecallPolicy`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecallSettings {
    /// When a recall is due soon, due now, overdue, lapsed.
    pub windows: Windows,
    /// What a task is called. Generic by rule: it names no procedure.
    pub task_title: String,
}

impl Default for RecallSettings {
    fn default() -> Self {
        Self {
            windows: Windows::default(),
            task_title: "Recall visit due".to_owned(),
        }
    }
}

impl RecallSettings {
    /// Sets the windows.
    #[must_use]
    pub const fn with_windows(mut self, windows: Windows) -> Self {
        self.windows = windows;
        self
    }
}

/// The first version of the recall policy: contacts, recall tasks, segment tags.
///
/// * Patients with a closed status get no contact; one that is there is brought
///   to rest: consent denied, tags reduced to `odx-inactive`.
/// * A recall is open while it has a due date, is not switched off, hidden or
///   booked, and its patient is active. An open recall far from its date has a
///   task without a segment.
/// * A task whose recall is booked is completed, any other that is no longer
///   open is cancelled. Tasks are moved in place and never deleted.
#[derive(Debug, Clone)]
pub struct RecallPolicy {
    settings: RecallSettings,
}

impl RecallPolicy {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the windows are out of order.
    pub fn new(settings: RecallSettings) -> Result<Self> {
        let w = &settings.windows;
        if w.due_now_days > w.due_soon_days {
            return Err(Error::new(
                ErrorKind::Config,
                "due_now_days must not be larger than due_soon_days: due soon comes first",
            ));
        }
        if w.overdue_days > w.lapsed_days {
            return Err(Error::new(
                ErrorKind::Config,
                "overdue_days must not be larger than lapsed_days: overdue comes first",
            ));
        }
        Ok(Self { settings })
    }

    fn contact(member: &Member, tags: Vec<String>, cx: &PolicyContext<'_>) -> Op {
        let Patient { key, household, .. } = &member.patient.record;
        let patient = &member.patient.record;
        let closed = is_closed(member);
        let mobile = patient.mobile.as_ref().filter(|phone| phone.takes_texts());
        let voice = patient.mobile.as_ref().or(patient.landline.as_ref());
        let own = |text: &Phi<String>| Phi::new(tidy(text.expose()));
        Op {
            intent: if closed {
                Intent::Retire
            } else {
                Intent::Upsert
            },
            body: Body::Contact(Contact {
                consent: if closed { DENIED } else { consents(member) },
                custom: ContactCustom {
                    voice_phone: voice
                        .filter(|_| mobile.is_none())
                        .map(|phone| phone.e164().clone()),
                },
                email: patient.email.as_ref().map(|email| email.address().clone()),
                external_id: cx.ids.patient(key),
                first_name: own(&patient.first_name),
                household_external_id: Some(cx.ids.household(household)),
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
                tags,
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
        let (status, segment) = match state {
            State::Open(segment) => (TaskStatus::Open, segment),
            State::Closed(Skip::RecallScheduled) => (TaskStatus::Completed, None),
            State::Closed(_) => (TaskStatus::Cancelled, None),
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
                title: self.settings.task_title.clone(),
            }),
        }
    }
}

#[derive(Clone, Copy)]
enum State {
    Open(Option<Segment>),
    Closed(Skip),
}

const DENIED: ContactConsent = ContactConsent {
    email: ConsentState::Denied,
    sms: ConsentState::Denied,
    voice: ConsentState::Denied,
};

fn is_closed(member: &Member) -> bool {
    member.patient.gone || member.patient.record.status.is_closed()
}

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

    fn desired(&self, view: &HouseholdView, cx: &PolicyContext<'_>) -> Desired {
        let mut desired = Desired::default();
        let mut tasks = Vec::new();
        for member in &view.members {
            let status = member.patient.record.status;
            let closed = is_closed(member);
            let mut tags = vec![
                if !closed && status == PatientStatus::Active {
                    "odx-active"
                } else {
                    "odx-inactive"
                }
                .to_owned(),
            ];
            if closed {
                desired.skipped.push(Skip::PatientClosed);
            }
            for recall in &member.recalls {
                let state = if recall.gone {
                    State::Closed(Skip::RecallGone)
                } else if closed {
                    State::Closed(Skip::PatientClosed)
                } else if status != PatientStatus::Active {
                    // Any other status suspends recall; going back to active restores it.
                    State::Closed(Skip::PatientNotActive)
                } else {
                    let (standing, again) =
                        classify(&recall.record, cx.today, &self.settings.windows);
                    desired.look_again(again);
                    match standing {
                        Standing::Open(_, segment) => {
                            tags.extend(segment.map(|segment| segment.tag().to_owned()));
                            State::Open(segment)
                        }
                        Standing::Closed(why) => State::Closed(why),
                    }
                };
                if let State::Closed(why) = state
                    && !closed
                {
                    desired.skipped.push(why);
                }
                tasks.push(self.task(member, recall, state, cx));
            }
            tags.sort();
            tags.dedup();
            desired.ops.push(Self::contact(member, tags, cx));
        }
        desired.ops.append(&mut tasks);
        desired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ExternalIds, HouseholdKey, IdScheme, OfficeId, SourceId};
    use crate::model::{Blocked, Email, Origin, Permission, Phone, Statement};
    use crate::office::Office;
    use crate::testkit;

    const TODAY: &str = "2026-11-20";

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn patient(status: PatientStatus) -> Patient {
        Patient {
            household: HouseholdKey::new("50"),
            status,
            first_name: Phi::new("Ana".to_owned()),
            last_name: Phi::new("Nu\u{301}n\u{303}ez ".to_owned()),
            landline: Phone::parse("503-555-0199").ok(),
            email: Email::parse("ana@smile.co").ok(),
            consent: vec![Statement {
                channel: Channel::Sms,
                permission: Permission::Granted,
                origin: Origin::Practice,
                on: None,
            }],
            ..testkit::patient("55")
        }
    }

    fn recall(due: Option<&str>) -> Kept<Recall> {
        Kept {
            record: testkit::recall("77", "55", due.map(day)),
            gone: false,
            changed_on: day("2026-05-05"),
        }
    }

    fn member(status: PatientStatus, recalls: Vec<Kept<Recall>>) -> Member {
        Member {
            patient: Kept {
                record: patient(status),
                gone: false,
                changed_on: day(TODAY),
            },
            recalls,
            appointments: Vec::new(),
            opt_out: None,
            reminders: Vec::new(),
            blocked: Blocked::default(),
        }
    }

    fn desired(member: Member) -> Desired {
        let office = Office::new(
            OfficeId::new("1001").unwrap(),
            "Smiles",
            chrono_tz::America::Los_Angeles,
        );
        let ids = ExternalIds::new(SourceId::new("od", "1001").unwrap(), IdScheme::Scoped);
        let view = HouseholdView {
            key: HouseholdKey::new("50"),
            members: vec![member],
        };
        RecallPolicy::new(RecallSettings::default())
            .unwrap()
            .desired(&view, &PolicyContext::new(day(TODAY), &office, &ids))
    }

    fn contact(desired: &Desired) -> (&Contact, Intent) {
        match &desired.ops[0] {
            Op {
                body: Body::Contact(contact),
                intent,
            } => (contact, *intent),
            other => panic!("{other:?}"),
        }
    }

    fn task(desired: &Desired) -> (&Task, Intent) {
        match &desired.ops[1] {
            Op {
                body: Body::Task(task),
                intent,
            } => (task, *intent),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_golden_contact_and_task_come_out() {
        let want = desired(member(
            PatientStatus::Active,
            vec![recall(Some("2026-12-01"))],
        ));
        let contact = serde_json::to_value(contact(&want).0).unwrap();
        assert_eq!(
            contact,
            serde_json::json!({
                "external_id": "od:1001:55", "office_id": "1001", "household_external_id": "odfam:1001:50",
                "first_name": "Ana", "last_name": "Núñez", "email": "ana@smile.co",
                "phone": "+15035550123", "phone_kind": "mobile", "timezone": "America/Los_Angeles",
                "tags": ["odx-active", "odx-recall-due-soon"],
                "consent": { "sms": "granted", "email": "unknown", "voice": "unknown" },
            })
        );
        let task = serde_json::to_value(task(&want).0).unwrap();
        assert_eq!(
            task,
            serde_json::json!({
                "external_id": "odrecall:1001:77", "contact_external_id": "od:1001:55", "office_id": "1001",
                "title": "Recall visit due", "due_date": "2026-12-01", "status": "open", "kind": "recall",
                "segment": "due_soon",
            })
        );
        assert_eq!(want.again, Some(day("2026-12-01")));
    }

    #[test]
    fn a_home_number_is_never_a_number_for_texts() {
        let mut person = member(PatientStatus::Active, vec![]);
        person.patient.record.mobile = None;
        let want = desired(person);
        let contact = contact(&want).0;
        assert_eq!(contact.phone, None);
        assert_eq!(
            contact.custom.voice_phone.as_ref().unwrap().expose(),
            "+15035550199"
        );
    }

    #[test]
    fn status_outranks_consent() {
        let want = desired(member(
            PatientStatus::Deceased,
            vec![recall(Some("2026-11-01"))],
        ));
        let (contact, intent) = contact(&want);
        assert_eq!(intent, Intent::Retire);
        assert_eq!(contact.consent, DENIED);
        assert_eq!(contact.tags, ["odx-inactive"]);
        let (task, intent) = task(&want);
        assert_eq!(
            (task.status, intent),
            (TaskStatus::Cancelled, Intent::Retire)
        );
        assert_eq!(want.skipped, [Skip::PatientClosed]);
    }

    #[test]
    fn a_stop_in_the_crm_beats_a_yes_in_the_practice() {
        let mut person = member(PatientStatus::Active, vec![]);
        person.blocked.sms = true;
        assert_eq!(
            contact(&desired(person)).0.consent.sms,
            ConsentState::Denied
        );
    }

    #[test]
    fn s12_an_opt_out_beside_the_patient_beats_their_yes() {
        let mut person = member(PatientStatus::Active, vec![]);
        let all = [Channel::Sms, Channel::Email, Channel::Voice];
        person.opt_out = Some(testkit::opt_out("55", &all));
        assert_eq!(contact(&desired(person)).0.consent, DENIED);
    }

    #[test]
    fn a_booked_recall_completes_its_task_and_drops_its_tag() {
        let mut booked = recall(Some("2026-11-01"));
        booked.record.scheduled = Some(day("2026-12-05"));
        let want = desired(member(PatientStatus::Active, vec![booked]));
        assert_eq!(contact(&want).0.tags, ["odx-active"]);
        assert_eq!(task(&want), (task(&want).0, Intent::Retire));
        assert_eq!(task(&want).0.status, TaskStatus::Completed);
        assert_eq!(task(&want).0.due_date, day("2026-11-01"));
    }

    #[test]
    fn a_recall_that_lost_its_date_closes_on_a_day_that_does_not_move() {
        let mut off = recall(None);
        off.record.disabled = true;
        let want = desired(member(PatientStatus::Active, vec![off]));
        assert_eq!(task(&want).0.due_date, day("2026-05-05"));
        assert_eq!(task(&want).0.status, TaskStatus::Cancelled);
    }

    #[test]
    fn other_statuses_suspend_recall_but_keep_the_contact() {
        for status in [
            PatientStatus::Inactive,
            PatientStatus::NonPatient,
            PatientStatus::Prospective,
        ] {
            let want = desired(member(status, vec![recall(Some("2026-11-01"))]));
            assert_eq!(contact(&want).1, Intent::Upsert);
            assert_eq!(contact(&want).0.tags, ["odx-inactive"]);
            assert_eq!(task(&want).0.status, TaskStatus::Cancelled);
        }
    }

    #[test]
    fn windows_out_of_order_are_refused() {
        let windows = Windows {
            due_soon_days: 3,
            due_now_days: 5,
            ..Windows::default()
        };
        assert!(RecallPolicy::new(RecallSettings::default().with_windows(windows)).is_err());
    }
}
