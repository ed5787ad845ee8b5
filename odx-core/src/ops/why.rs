//! Why somebody heard something, or did not. Ids only: no name, no address.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::desk::Desk;
use super::links::RecordLinks;
use crate::crm::{Body, TaskStatus};
use crate::error::Result;
use crate::id::PatientKey;
use crate::model::{Channel, ConsentState, HouseholdView, Member, PatientStatus, StopOrigin};
use crate::model::{RecordKey, StopOrigin as Origin};
use crate::outreach::gate::{Facts, Rule, Verdict};
use crate::outreach::{Episode, Purpose, Status};
use crate::policy::{Desired, PolicyContext, Segment, Skip};
use crate::store::outreach::{DecisionRow, HistoryQuery, Told};
use crate::store::{EffectState, Hold};

/// Everything that bears on what one person hears.
#[derive(Debug, Clone, Serialize)]
pub struct Why {
    /// At which office.
    pub office: String,
    /// About whom: the external id.
    pub patient: String,
    /// Where they stand with the practice.
    pub status: PatientStatus,
    /// The practice has removed them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Where they are to be seen.
    #[serde(flatten)]
    pub links: RecordLinks,
    /// Whether people are reached at this office at all.
    pub messages: bool,
    /// Why nobody is told anything there for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// When the practice was last read to its end.
    pub read_at: Option<DateTime<Utc>>,
    /// How they stand at each CRM.
    pub crm: BTreeMap<String, AtCrm>,
    /// Each of their recalls.
    pub recalls: Vec<RecallStands>,
    /// What should be told about them, or to them, and what was decided.
    pub occurrences: Vec<Occurrence>,
    /// What was told about them, or to them.
    pub told: Vec<ToldOf>,
    /// What was said about reaching them.
    pub consent: Vec<Word>,
    /// Which stops stand against them.
    pub stops: Vec<StopStands>,
}

/// What is known of somebody at a CRM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AtCrm {
    /// Their name there.
    pub external_id: String,
    /// What is known.
    #[serde(flatten)]
    pub known: Known,
}

/// How a contact stands at a CRM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Known {
    /// Never brought there, and nothing is set aside.
    Unknown,
    /// The CRM took them.
    Acknowledged {
        /// The CRM's own id.
        #[serde(skip_serializing_if = "Option::is_none")]
        remote_id: Option<String>,
    },
    /// Their newest state is set aside.
    Aside {
        /// What it waits for.
        hold: &'static str,
        /// Why.
        reason: String,
        /// The CRM has an older state.
        older: bool,
    },
}

/// Where a recall stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecallStands {
    /// The recall's external id.
    pub recall: String,
    /// The day that counts.
    pub due: Option<NaiveDate>,
    /// How pressing it is. None: it is far off, or closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<Segment>,
    /// Why it is not followed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skip>,
    /// How its task stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskStatus>,
}

/// What they have to do with an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// It is about them, and they are told.
    Patient,
    /// It is about them, and somebody else is told.
    About,
    /// It is about somebody else, and they are told.
    Recipient,
}

/// One occurrence and channel, and what was last decided.
#[derive(Debug, Clone, Serialize)]
pub struct Occurrence {
    /// The occurrence, by its name.
    pub episode: String,
    /// What for.
    pub purpose: Purpose,
    /// What they have to do with it.
    pub party: Party,
    /// The policy wants it told today. False: it did, when it was last decided.
    pub wanted: bool,
    /// By which channel. None: nothing was decided yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// What was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The rule that stood against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// The rule in words.
    pub sentence: String,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
    /// How old that is, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_minutes: Option<i64>,
    /// When it is looked at again, if time alone makes a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again: Option<DateTime<Utc>>,
    /// What the decision rested on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
}

/// Something that was told, or may have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToldOf {
    /// What for.
    pub purpose: Purpose,
    /// By which channel.
    pub channel: Channel,
    /// When.
    pub at: DateTime<Utc>,
    /// How it ended: done, refused, in doubt.
    pub state: &'static str,
    /// Why, where it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How far it came, as its provider said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<&'static str>,
}

/// What was said about a channel, all in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Word {
    /// Which channel.
    pub channel: Channel,
    /// What counts.
    pub consent: ConsentState,
    /// The practice keeps an opt-out beside the patient.
    pub opted_out: bool,
}

/// A stop that stands against them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StopStands {
    /// Which channel.
    pub channel: Channel,
    /// Who said so.
    pub origin: StopOrigin,
    /// Why, in a word or two.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who can take it back.
    pub lifted_by: &'static str,
}

const CHANNELS: [Channel; 3] = [Channel::Sms, Channel::Email, Channel::Voice];

fn told(told: &Told) -> ToldOf {
    let (state, reason) = match &told.state {
        EffectState::Claimed => ("under_way", None),
        EffectState::Done(_) => ("done", None),
        EffectState::Refused(why) => ("refused", Some(why.clone())),
        EffectState::InDoubt(why) => ("in_doubt", Some(why.clone())),
        EffectState::Waiting(why) => ("waiting", Some(why.clone())),
    };
    ToldOf {
        purpose: told.purpose,
        channel: told.channel,
        at: told.at,
        state,
        reason,
        delivery: told.status.map(|status| match status {
            Status::Accepted => "accepted",
            Status::Sent => "sent",
            Status::Failed => "failed",
            Status::Delivered => "delivered",
        }),
    }
}

impl Desk {
    /// Why somebody heard something, or did not. `patient` is the practice's own
    /// id, or an external one. None: the practice never showed them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn why(&self, patient: &str) -> Result<Option<Why>> {
        let Some((patient, household)) = self.find(patient).await? else {
            return Ok(None);
        };
        let members = self.members(&household).await?;
        let view = HouseholdView {
            key: household,
            members,
        };
        let mut members = view.members.iter();
        let Some(member) = members.find(|member| member.patient.record.key == patient) else {
            return Ok(None);
        };
        let now = self.now();
        let today = self.office.today(now);
        let ids = self.ids();
        let cx = PolicyContext::new(today, &self.office, &ids);
        let desired = self.policy.desired(&view, &cx);
        let decided = self.known().decisions(&self.source, &patient).await?;
        let occurrences = occurrences(&patient, &desired, &decided, now);
        let state = self.known().outreach_state(&self.source).await?;
        let seen = self.store.last_seen(&self.source).await?;
        Ok(Some(Why {
            office: self.office().to_string(),
            patient: ids.patient(&patient).to_string(),
            status: member.patient.record.status,
            gone: member.patient.gone,
            links: self.links_of(&patient).await?,
            messages: self.reaches,
            paused: state.pause.map(|pause| pause.reason),
            read_at: seen.success,
            crm: self.at_crms(&patient).await?,
            recalls: recalls(member, &desired, &ids),
            told: self.told_of(member, &view, &decided).await?,
            occurrences,
            consent: CHANNELS
                .map(|channel| Word {
                    channel,
                    consent: member.consent(channel),
                    opted_out: member.opt_out.as_ref().is_some_and(|no| no.denies(channel)),
                })
                .into(),
            stops: member
                .stops
                .iter()
                .map(|stop| StopStands {
                    channel: stop.channel,
                    origin: stop.origin,
                    reason: stop.reason.clone(),
                    since: stop.since,
                    lifted_by: match stop.origin {
                        Origin::Crm => "the crm only",
                        Origin::Gateway => "its holder, or a person at the office with a reason",
                    },
                })
                .collect(),
        }))
    }

    async fn at_crms(&self, patient: &PatientKey) -> Result<BTreeMap<String, AtCrm>> {
        let mut all = BTreeMap::new();
        for (sink, account) in &self.sinks {
            let id = self.ids_at(account).patient(patient);
            let standing = if self.opened(sink).await? {
                let found = self.store.standing(sink, vec![id.clone()]).await?;
                found.into_iter().next().unwrap_or_default()
            } else {
                crate::store::Standing::default()
            };
            let known = match (standing.parked, standing.acknowledged) {
                (Some(parked), older) => Known::Aside {
                    hold: match parked.hold {
                        Hold::Until(_) => "a_time",
                        Hold::Refused => "another_content",
                        Hold::Blocked => "its_contact",
                    },
                    reason: parked.reason,
                    older: older.is_some(),
                },
                (None, Some(known)) => Known::Acknowledged {
                    remote_id: known.remote_id,
                },
                (None, None) => Known::Unknown,
            };
            let external_id = id.to_string();
            all.insert(sink.to_string(), AtCrm { external_id, known });
        }
        Ok(all)
    }

    async fn told_of(
        &self,
        member: &Member,
        view: &HouseholdView,
        decided: &[DecisionRow],
    ) -> Result<Vec<ToldOf>> {
        let ids = self.ids();
        let patient = &member.patient.record.key;
        let mut subjects: BTreeSet<_> = decided
            .iter()
            .filter(|row| row.patient == *patient)
            .map(|row| row.episode.subject.clone())
            .collect();
        subjects.insert(ids.patient(patient));
        let recalls = member.recalls.iter();
        subjects.extend(recalls.map(|recall| ids.recall(&recall.record.key)));
        let visits = member.appointments.iter();
        subjects.extend(visits.map(|visit| ids.appointment(&visit.key)));
        let query = HistoryQuery {
            subjects,
            recipient: patient.clone(),
            addresses: Vec::new(),
            household: view.key.clone(),
        };
        let history = self.known().history(&self.outlet()?, query).await?;
        let about = history.episodes.into_iter().map(|(_, told)| told);
        let mut rows: Vec<Told> = about.chain(history.person).collect();
        rows.sort_by(|a, b| (b.at, &b.key).cmp(&(a.at, &a.key)));
        rows.dedup_by(|a, b| a.key == b.key);
        Ok(rows.iter().map(told).collect())
    }
}

fn recalls(member: &Member, desired: &Desired, ids: &crate::id::ExternalIds) -> Vec<RecallStands> {
    let recalls = member.recalls.iter();
    recalls
        .map(|recall| {
            let key = &recall.record.key;
            let id = ids.recall(key);
            let mut ops = desired.ops.iter();
            let task = ops.find_map(|op| match &op.body {
                Body::Task(task) if task.external_id == id => Some(task),
                _ => None,
            });
            let what = RecordKey::Recall(key.clone());
            let closed = RecordKey::Patient(member.patient.record.key.clone());
            let mut skipped = desired.skipped.iter();
            let skipped = skipped.find(|left| left.what == what || left.what == closed);
            RecallStands {
                recall: id.to_string(),
                due: recall.record.due,
                segment: task.and_then(|task| task.segment),
                skipped: skipped.map(|left| left.why),
                task: task.map(|task| task.status),
            }
        })
        .collect()
}

fn occurrences(
    patient: &PatientKey,
    desired: &Desired,
    decided: &[DecisionRow],
    now: DateTime<Utc>,
) -> Vec<Occurrence> {
    let party = |about: &PatientKey, recipient: Option<&PatientKey>| {
        if about != patient {
            Party::Recipient
        } else if recipient == Some(patient) {
            Party::Patient
        } else {
            Party::About
        }
    };
    let wanted = |episode: &Episode| {
        let mut outreach = desired.outreach.iter();
        outreach.any(|wanted| wanted.episode.is(episode))
    };
    let mut all: Vec<_> = decided
        .iter()
        .map(|row| Occurrence {
            episode: row.episode.name(),
            purpose: row.episode.purpose,
            party: party(&row.patient, row.recipient.as_ref()),
            wanted: wanted(&row.episode),
            channel: Some(row.channel),
            verdict: Some(row.decision.verdict),
            rule: row.decision.rule,
            sentence: row
                .decision
                .rule
                .map_or("nothing stood against it", Rule::sentence)
                .to_owned(),
            decided_at: Some(row.at),
            age_minutes: Some((now - row.at).num_minutes()),
            again: row.decision.again,
            facts: Some(row.facts.clone()),
        })
        .collect();
    let open = desired.outreach.iter().filter(|wanted| {
        let concerns = wanted.patient == *patient || wanted.recipient.as_ref() == Some(patient);
        concerns && !decided.iter().any(|row| row.episode.is(&wanted.episode))
    });
    all.extend(open.map(|wanted| Occurrence {
        episode: wanted.episode.name(),
        purpose: wanted.episode.purpose,
        party: party(&wanted.patient, wanted.recipient.as_ref()),
        wanted: true,
        channel: None,
        verdict: None,
        rule: None,
        sentence: "nothing was decided about it yet".to_owned(),
        decided_at: None,
        age_minutes: None,
        again: None,
        facts: None,
    }));
    all.sort_by(|a, b| (&a.episode, a.channel).cmp(&(&b.episode, b.channel)));
    all
}

impl Occurrence {
    /// In one line.
    pub fn line(&self) -> String {
        let Self {
            episode, sentence, ..
        } = self;
        let by = self.channel.map_or("", Channel::name);
        let verdict = match self.verdict {
            Some(verdict) if verdict.sends() => "sent",
            Some(Verdict::Defer | Verdict::Refresh) => "waits",
            Some(_) => "not told",
            None => "open",
        };
        let again = self.again.map_or_else(String::new, |at| {
            format!("; again {}", at.format("%Y-%m-%d %H:%M UTC"))
        });
        let old = if self.wanted {
            ""
        } else {
            " (no longer wanted)"
        };
        format!("{episode} {by} {verdict}: {sentence}{again}{old}")
    }
}
