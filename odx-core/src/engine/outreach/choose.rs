//! Works out who of a household is told what, by which channel, and why not.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::Caller;
use crate::engine::Mode;
use crate::error::Result;
use crate::hash::{IdempotencyKey, LedgerHash};
use crate::id::PatientKey;
use crate::model::{
    Channel, HouseholdView, Member, Permission, Reminder, ReminderUsage, StopOrigin, consent,
};
use crate::office::Office;
use crate::outreach::gate::{self, AddressFact, Consent, CrmState, Decision, Facts, Rule, Verdict};
use crate::outreach::{Address, HouseholdMode, Purpose, Rendered, Variables, Wanted, quiet};
use crate::policy::PolicyContext;
use crate::store::outreach::{DecisionRow, History, HistoryQuery, OutreachState, Told};
use crate::store::{Due, EffectState};

/// A stop of this reason waits for a person; it is no opt-out.
pub(super) const NEEDS_PERSON: &str = "needs_person";

const DAY: TimeDelta = TimeDelta::days(1);
const WEEK: TimeDelta = TimeDelta::days(7);

/// Something that is to go out.
#[derive(Debug)]
pub(super) struct Send {
    pub(super) wanted: Wanted,
    /// What it speaks for as well.
    pub(super) covers: Vec<Wanted>,
    pub(super) recipient: PatientKey,
    pub(super) channel: Channel,
    /// Every channel that would do, for whoever chooses by themself.
    pub(super) channels: Vec<Channel>,
    pub(super) address: Option<Address>,
    /// None: a CRM's sequence has words of its own.
    pub(super) words: Option<Rendered>,
    pub(super) key: IdempotencyKey,
    /// When an attempt at it was begun of which nobody knows what became.
    pub(super) in_doubt: Option<DateTime<Utc>>,
    /// What is in doubt is looked up; whether it may be sent again.
    pub(super) repeat: Repeat,
    /// Nobody has written to them before.
    pub(super) stranger: bool,
}

/// What follows if an earlier attempt is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It is sent.
    Send,
    /// It waits.
    Wait,
    /// It is given up.
    GiveUp,
}

/// What a household comes to.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) sends: Vec<Send>,
    pub(super) rows: Vec<DecisionRow>,
    /// When time alone makes a difference.
    pub(super) wait: Option<(DateTime<Utc>, Rule)>,
    pub(super) again: Option<chrono::NaiveDate>,
}

/// When to look again, and because of which rule: the earliest of two.
pub(super) fn sooner(wait: &mut Option<(DateTime<Utc>, Rule)>, (at, rule): (DateTime<Utc>, Rule)) {
    if wait.is_none_or(|(known, _)| at < known) {
        *wait = Some((at, rule));
    }
}

/// Told within this very look, or planned to be: it counts before it is stored.
#[derive(Debug, Clone)]
pub(super) struct Pretended {
    purpose: Purpose,
    household: String,
    recipient: PatientKey,
    address: Option<LedgerHash>,
    at: DateTime<Utc>,
}

fn digest(address: &Address) -> LedgerHash {
    LedgerHash::of(address.text().expose().to_lowercase().as_bytes())
}

/// One thing that is wanted, judged by its best channel.
struct Judged {
    wanted: Wanted,
    send: Option<Send>,
    rows: Vec<DecisionRow>,
}

impl Caller<'_> {
    /// Judges everything that is wanted for a household now. `pretended` holds
    /// what this pass would have told before.
    pub(super) async fn choose(
        &self,
        due: &Due,
        state: &OutreachState,
        pretended: &mut Vec<Pretended>,
    ) -> Result<Chosen> {
        let now = self.now();
        let today = self.pipeline.office.today(now);
        let cx = PolicyContext::new(today, &self.pipeline.office, &self.ids);
        let desired = self.pipeline.policy.desired(&due.view, &cx);
        let mut chosen = Chosen {
            again: desired.again,
            ..Chosen::default()
        };
        for purpose in [Purpose::Review, Purpose::Recall, Purpose::Reactivation] {
            let wanted = desired.outreach.iter();
            let wanted = wanted.filter(|wanted| wanted.episode.purpose == purpose);
            let mut judged = Vec::new();
            for one in wanted {
                judged.push(self.judge(&due.view, one, state, pretended).await?);
            }
            self.group(&due.view, judged, &mut chosen, pretended);
        }
        for row in &chosen.rows {
            let decision = row.decision;
            if let (false, Some(at), Some(rule)) =
                (decision.verdict.sends(), decision.again, decision.rule)
                && at > now
            {
                sooner(&mut chosen.wait, (at, rule));
            }
        }
        Ok(chosen)
    }

    /// Of what may go out for one purpose, one speaks for all of them.
    fn group(
        &self,
        view: &HouseholdView,
        judged: Vec<Judged>,
        chosen: &mut Chosen,
        pretended: &mut Vec<Pretended>,
    ) {
        let mut ready = Vec::new();
        let mut rows = Vec::new();
        for Judged {
            wanted,
            send,
            rows: own,
        } in judged
        {
            rows.extend(own);
            match send {
                // What is in doubt is looked up by itself.
                Some(send) if send.in_doubt.is_some() => chosen.sends.push(send),
                Some(send) => ready.push((wanted, send)),
                None => {}
            }
        }
        ready.sort_by_key(|(wanted, _)| {
            let own = wanted.patient.native() == view.key.native();
            (!wanted.urgent, !own, wanted.episode.clone())
        });
        let mut rest = Vec::new();
        let mut spoken: Vec<Send> = Vec::new();
        let together = self.outreach.settings.household == HouseholdMode::Together;
        for (wanted, send) in ready {
            let first = spoken
                .iter_mut()
                .find(|first| together || first.recipient == send.recipient);
            match first {
                Some(first) => {
                    rest.push(wanted.episode.clone());
                    first.covers.push(wanted);
                }
                None => spoken.push(send),
            }
        }
        for row in &mut rows {
            if rest.contains(&row.episode) && row.decision.verdict.sends() {
                // The message of another one speaks for it.
                row.facts.told = true;
                row.decision = gate::decide(&row.facts, &self.outreach.settings.gate, row.at);
            }
        }
        for send in &spoken {
            pretended.push(Pretended {
                purpose: send.wanted.episode.purpose,
                household: view.key.native().to_owned(),
                recipient: send.recipient.clone(),
                address: send.address.as_ref().map(digest),
                at: self.now(),
            });
        }
        chosen.sends.append(&mut spoken);
        chosen.rows.append(&mut rows);
    }

    /// Judges one thing that is wanted: the first channel that is not refused
    /// counts.
    async fn judge(
        &self,
        view: &HouseholdView,
        wanted: &Wanted,
        state: &OutreachState,
        pretended: &[Pretended],
    ) -> Result<Judged> {
        let now = self.now();
        let find = |key: &PatientKey| {
            let mut members = view.members.iter();
            members.find(|member| member.patient.record.key == *key)
        };
        let recipient = wanted.recipient.as_ref().and_then(find);
        let mut judged = Judged {
            wanted: wanted.clone(),
            send: None,
            rows: Vec::new(),
        };
        let Some(patient) = find(&wanted.patient) else {
            return Ok(judged);
        };
        let who = recipient.unwrap_or(patient);
        let addresses = [Channel::Sms, Channel::Email];
        let addresses = addresses.into_iter().filter_map(|by| address(who, by).0);
        let outreach = self.pipeline.store.outreach();
        let query = HistoryQuery {
            subjects: BTreeSet::from([wanted.episode.subject.clone()]),
            recipient: who.patient.record.key.clone(),
            addresses: addresses.collect(),
            household: view.key.clone(),
        };
        let history = outreach.history(&self.outlet, query).await?;
        let case = Case {
            view,
            wanted,
            patient,
            recipient,
            who,
            history: &history,
            state,
            pretended,
            office: &self.pipeline.office,
            now,
        };
        let mut channels = self.outreach.settings.channels.clone();
        // An attempt that nobody knows the end of goes on by its own channel.
        let open = case.open();
        if let Some(open) = open {
            channels = vec![open.channel];
        }
        for channel in channels {
            let mut facts = self.facts(&case, channel, open);
            let mut decision = gate::decide(&facts, &self.outreach.settings.gate, now);
            let mut words = None;
            if decision.verdict.sends() && !self.outreach.by_crm {
                words = self.words(&case, channel).await?;
                if words.is_none() {
                    facts.content = false;
                    decision = gate::decide(&facts, &self.outreach.settings.gate, now);
                }
            }
            let ends = !matches!(
                (decision.verdict, decision.rule),
                (Verdict::Deny, rule) if rule.is_some_and(is_of_channel)
            ) && !self.outreach.by_crm;
            if decision.verdict.sends() || open.is_some() {
                match &mut judged.send {
                    // A CRM's sequence may go by any channel that is allowed.
                    Some(send) => send.channels.push(channel),
                    none => *none = Some(self.send(&case, channel, (words, decision), open)),
                }
            }
            judged.rows.push(DecisionRow {
                episode: wanted.episode.clone(),
                channel,
                patient: wanted.patient.clone(),
                recipient: wanted.recipient.clone(),
                at: now,
                decision,
                facts,
            });
            if ends {
                break;
            }
        }
        Ok(judged)
    }

    fn send(
        &self,
        case: &Case<'_>,
        channel: Channel,
        (words, decision): (Option<Rendered>, Decision),
        open: Option<&Told>,
    ) -> Send {
        let key = open.map_or_else(
            || self.key(&case.wanted.episode.name(), channel),
            |open| open.key.clone(),
        );
        let repeat = match open {
            None => Repeat::Send,
            // A review that may have been asked for is never asked for again.
            Some(open) if case.wanted.episode.purpose == Purpose::Review || open.repeats > 0 => {
                Repeat::GiveUp
            }
            Some(_) if decision.verdict.sends() => Repeat::Send,
            Some(_) if decision.again.is_some() => Repeat::Wait,
            Some(_) => Repeat::GiveUp,
        };
        Send {
            wanted: case.wanted.clone(),
            covers: Vec::new(),
            recipient: case.who.patient.record.key.clone(),
            channel,
            channels: vec![channel],
            address: address(case.who, channel).0,
            words,
            key,
            in_doubt: open.map(|open| open.at),
            repeat,
            stranger: case.history.person.is_empty(),
        }
    }

    /// Everything the gate is told.
    fn facts(&self, case: &Case<'_>, channel: Channel, open: Option<&Told>) -> Facts {
        let Case {
            wanted,
            patient,
            recipient,
            who,
            state,
            now,
            ..
        } = *case;
        let settings = &self.outreach.settings;
        let office = &self.pipeline.office;
        let purpose = wanted.episode.purpose;
        let stops = || who.stops.iter().filter(|stop| stop.channel == channel);
        let held = stops().any(|stop| stop.reason == NEEDS_PERSON);
        let instant = |wall: Option<chrono::NaiveDateTime>| wall.map(|wall| office.instant(wall));
        let live_since = state.live_since.unwrap_or(now);
        // What happened before anybody was told anything is nobody's news.
        let happened = instant(wanted.happened);
        let stale = happened.filter(|at| *at < live_since);
        let first = case.first(channel);
        let given_up = first.map(|told| told.begun + settings.give_up(purpose));
        let (recent, cap_free) = case.caps(settings.gate.per_day, settings.gate.per_week);
        Facts {
            purpose,
            channel,
            office_enabled: settings.purposes.contains(&purpose) && state.pause.is_none(),
            left_out: settings.allow_only.as_ref().is_some_and(|only| {
                let id = self.ids.patient(&wanted.patient);
                !only.contains(id.as_str())
            }),
            template: self.carries(purpose, channel, state),
            status: patient.patient.record.status,
            gone: patient.patient.gone,
            hold: held || patient.patient.record.needs_person || who.patient.record.needs_person,
            minor: wanted.minor,
            has_guarantor: recipient.is_some(),
            suppressed: stops()
                .find(|stop| stop.origin == StopOrigin::Gateway && stop.reason != NEEDS_PERSON)
                .map(|stop| stop.reason.clone()),
            consent: practice_consent(who, channel),
            crm: if stops().any(|stop| stop.origin == StopOrigin::Crm) {
                CrmState::Blocked
            } else if self.lists.values().all(|list| list.listed) {
                CrmState::Clear
            } else {
                CrmState::Unknown
            },
            crm_age_hours: self
                .lists
                .values()
                .map(|list| (now - list.at).num_hours())
                .max(),
            address: address(who, channel).1,
            last_day: recent.0,
            last_week: recent.1,
            cap_free,
            told: case.told(open),
            household_until: case.household_until(settings, open),
            review_until: (purpose == Purpose::Review)
                .then(|| case.latest(&case.history.person, purpose, open))
                .flatten()
                .map(|at| at + settings.review_gap()),
            not_before: instant(wanted.not_before),
            expires: [stale, instant(wanted.expires), given_up]
                .into_iter()
                .flatten()
                .min(),
            refused: case.refused(channel),
            content: true,
            quiet_until: self.quiet_until(who, channel, now),
            dry_run: self.mode == Mode::DryRun,
        }
    }

    /// Whether anything of this purpose can go out by this channel.
    fn carries(&self, purpose: Purpose, channel: Channel, state: &OutreachState) -> bool {
        if self.outreach.by_crm {
            return self.enrolling().is_some();
        }
        let template = self.outreach.template(purpose, channel);
        self.outreach.gateway(channel).is_some()
            && template.is_some_and(|one| !state.stopped_templates.contains(&one.name()))
    }

    /// When the recipient's window opens. None: it is open, or has no hours.
    fn quiet_until(
        &self,
        who: &Member,
        channel: Channel,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        if channel == Channel::Email || self.outreach.by_crm {
            return None;
        }
        let zones = self.zones(who);
        let window = self.outreach.settings.window;
        if quiet::allowed(now, &zones, window) {
            return None;
        }
        // Zones that are never awake together: looked at again tomorrow.
        Some(quiet::next_allowed(now, &zones, window).unwrap_or(now + DAY))
    }

    pub(super) fn zones(&self, who: &Member) -> Vec<chrono_tz::Tz> {
        let office = self.pipeline.office.zone();
        match &who.patient.record.mobile {
            Some(phone) => quiet::zones_of_number(phone.e164().expose(), office),
            None => vec![office],
        }
    }

    /// The words of a message. None: they do not pass.
    async fn words(&self, case: &Case<'_>, channel: Channel) -> Result<Option<Rendered>> {
        let purpose = case.wanted.episode.purpose;
        let Some(template) = self.outreach.template(purpose, channel) else {
            return Ok(None);
        };
        let settings = &self.outreach.settings;
        let speaker = settings.speaker(case.wanted.clinic.as_deref());
        let outreach = self.pipeline.store.outreach();
        let token = outreach.token(&case.wanted.episode.name()).await?;
        let link = |link: Option<String>| {
            link.map(|link| crate::phi::Phi::new(link.replace("{token}", &token)))
        };
        let person = &case.who.patient.record;
        let values = Variables {
            first_name: Some(
                person
                    .preferred_name
                    .clone()
                    .unwrap_or_else(|| person.first_name.clone()),
            ),
            practice_name: Some(
                speaker
                    .name
                    .unwrap_or_else(|| self.pipeline.office.name().to_owned()),
            ),
            practice_phone: speaker.phone,
            booking_link: link(speaker.booking_link),
            review_link: link(speaker.review_link),
            unsubscribe_link: link(speaker.unsubscribe_link),
            practice_postal_address: speaker.postal_address,
        };
        match template.render(&values, &settings.lint) {
            Ok(words) => Ok(Some(words)),
            Err(findings) => {
                let rules: BTreeSet<_> = findings.iter().map(|one| one.rule.as_str()).collect();
                tracing::warn!(
                    template = template.id(),
                    ?rules,
                    "a message does not pass the checks of content"
                );
                self.note_content(template.id(), &findings);
                Ok(None)
            }
        }
    }
}

/// Refusals that say something about one channel, so that another may be tried.
const fn is_of_channel(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::NoTemplate
            | Rule::Suppressed
            | Rule::ConsentDenied
            | Rule::ConsentUnknown
            | Rule::NeedsWrittenConsent
            | Rule::CrmDnd
            | Rule::Address
            | Rule::Refused
            | Rule::Content
    )
}

/// The address of a channel, and what kind it is.
fn address(who: &Member, channel: Channel) -> (Option<Address>, AddressFact) {
    let person = &who.patient.record;
    match channel {
        Channel::Email => match &person.email {
            Some(email) => (Some(Address::Email(email.clone())), AddressFact::Ok),
            None => (None, AddressFact::Missing),
        },
        Channel::Sms => match (&person.mobile, &person.landline) {
            (Some(phone), _) if phone.takes_texts() => {
                (Some(Address::Phone(phone.clone())), AddressFact::Ok)
            }
            (None, None) => (None, AddressFact::Missing),
            _ => (None, AddressFact::VoiceOnly),
        },
        Channel::Voice => (None, AddressFact::Missing),
    }
}

/// What the practice recorded about a channel: the patient's own word and what
/// is kept beside them. Stops are another record.
fn practice_consent(who: &Member, channel: Channel) -> Consent {
    if who.opt_out.as_ref().is_some_and(|no| no.denies(channel)) {
        return Consent::Denied;
    }
    let statements = &who.patient.record.consent;
    match Consent::from(consent(statements, channel)) {
        Consent::Granted
            if statements.iter().any(|said| {
                said.channel == channel && said.permission == Permission::GrantedWritten
            }) =>
        {
            Consent::GrantedWritten
        }
        other => other,
    }
}

/// Everything one judgement looks at.
struct Case<'a> {
    view: &'a HouseholdView,
    wanted: &'a Wanted,
    patient: &'a Member,
    recipient: Option<&'a Member>,
    /// Whose addresses and consent count: the recipient, or the patient where
    /// nobody can be told.
    who: &'a Member,
    history: &'a History,
    state: &'a OutreachState,
    pretended: &'a [Pretended],
    office: &'a Office,
    now: DateTime<Utc>,
}

impl<'a> Case<'a> {
    /// What was told of this very occurrence.
    fn of_episode(&self) -> impl Iterator<Item = &'a Told> {
        let wanted = &self.wanted.episode;
        let episodes = self.history.episodes.iter();
        episodes
            .filter(|(episode, _)| episode.is(wanted))
            .map(|(_, told)| told)
    }

    /// An attempt at it of which nobody knows what became.
    fn open(&self) -> Option<&'a Told> {
        self.of_episode().find(|told| told.state.is_open())
    }

    /// The first attempt at it by this channel that has not ended well.
    fn first(&self, channel: Channel) -> Option<&'a Told> {
        self.of_episode()
            .filter(|told| told.channel == channel)
            .find(|told| matches!(told.state, EffectState::Waiting(_)))
    }

    fn told(&self, open: Option<&Told>) -> bool {
        self.of_episode()
            .any(|told| told.counts() && open.is_none_or(|open| open.key != told.key))
    }

    fn refused(&self, channel: Channel) -> bool {
        self.of_episode()
            .any(|told| told.channel == channel && matches!(told.state, EffectState::Refused(_)))
    }

    /// When something of this purpose was last told.
    fn latest(
        &self,
        rows: &[Told],
        purpose: Purpose,
        open: Option<&Told>,
    ) -> Option<DateTime<Utc>> {
        rows.iter()
            .filter(|told| told.purpose == purpose && told.counts())
            .filter(|told| open.is_none_or(|open| open.key != told.key))
            .map(|told| told.at)
            .max()
    }

    /// Until when the household hears no more for this purpose.
    fn household_until(
        &self,
        settings: &crate::outreach::OutreachSettings,
        open: Option<&Told>,
    ) -> Option<DateTime<Utc>> {
        let purpose = self.wanted.episode.purpose;
        let one = settings.household == HouseholdMode::Together || purpose == Purpose::Review;
        if !one {
            return None;
        }
        let household = self.view.key.native();
        let pretended = self.pretended.iter();
        let pretended = pretended
            .filter(|told| told.purpose == purpose && told.household == household)
            .map(|told| told.at);
        self.latest(&self.history.household, purpose, open)
            .into_iter()
            .chain(pretended)
            .max()
            .map(|at| at + settings.household_gap(purpose))
    }

    /// Contacts of the recipient, or of their addresses, in a day and in a week,
    /// and when both are below their bounds again.
    fn caps(&self, per_day: u32, per_week: u32) -> ((u32, u32), Option<DateTime<Utc>>) {
        let open = self.open();
        let told = self.history.person.iter();
        let told = told
            .filter(|told| told.counts())
            .filter(|told| open.is_none_or(|open| open.key != told.key))
            .map(|told| told.at);
        let key = &self.who.patient.record.key;
        let addresses = [Channel::Sms, Channel::Email];
        let addresses: Vec<_> = addresses
            .into_iter()
            .filter_map(|by| address(self.who, by).0.as_ref().map(digest))
            .collect();
        let pretended = self.pretended.iter().filter(|told| {
            told.recipient == *key || told.address.is_some_and(|at| addresses.contains(&at))
        });
        let own = self.practice_contacts();
        let mut times: Vec<_> = told
            .chain(pretended.map(|told| told.at))
            .chain(own)
            // A clock that was put back leaves times that are still to come: they count.
            .filter(|at| self.now - *at < WEEK)
            .collect();
        times.sort();
        let within = |span: TimeDelta| {
            let recent: Vec<_> = times.iter().filter(|at| self.now - **at < span).collect();
            recent
        };
        let free = |span: TimeDelta, cap: u32| {
            let recent = within(span);
            let cap = usize::try_from(cap).unwrap_or(usize::MAX);
            // So many must be older than the span before one more fits in.
            let over = (recent.len() + 1).checked_sub(cap)?;
            let last = recent.get(over.checked_sub(1)?)?;
            Some(**last + span)
        };
        let count = |span| u32::try_from(within(span).len()).unwrap_or(u32::MAX);
        let free = free(DAY, per_day).max(free(WEEK, per_week));
        ((count(DAY), count(WEEK)), free)
    }

    /// What the practice itself sent to the recipient, or about the patient: a
    /// text, a mail, and a call about a visit that is due.
    fn practice_contacts(&self) -> Vec<DateTime<Utc>> {
        let same = self.who.patient.record.key == self.patient.patient.record.key;
        let others = self.patient.reminders.iter().filter(|_| !same);
        let counts = |reminder: &&Reminder| {
            let about = matches!(
                reminder.usage,
                ReminderUsage::Recall | ReminderUsage::Reactivation
            );
            reminder.may_be_by(Channel::Sms)
                || reminder.may_be_by(Channel::Email)
                || (about && reminder.may_be_by(Channel::Voice))
        };
        let reminders = self.who.reminders.iter().chain(others).filter(counts);
        reminders
            .map(|reminder| self.office.instant(reminder.at))
            .collect()
    }
}
