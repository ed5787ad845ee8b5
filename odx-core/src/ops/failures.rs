//! What failed, as a list for people. A line leaves the list when the row is
//! mended: nothing here is kept apart from what failed.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::desk::Desk;
use super::fault::{Fault, Fix};
use super::links::RecordLinks;
use crate::error::Result;
use crate::id::{HouseholdKey, PatientKey};
use crate::model::{HouseholdView, Member, RecordKind};
use crate::store::outreach::{Aside, Messages};
use crate::store::{EffectState, Hold};

/// Messages that were refused stay on the list for so long: nothing mends them.
const REFUSED_DAYS: TimeDelta = TimeDelta::days(30);

/// What it is that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A row of the practice cannot be read.
    Unreadable,
    /// The CRM refused a record.
    Refused,
    /// A record hangs from one that the CRM does not have.
    Blocked,
    /// A provider refused a message. It has ended.
    MessageRefused,
    /// Nobody knows whether a message went out.
    MessageInDoubt,
}

impl Kind {
    /// As it stands in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
            Self::Blocked => "blocked",
            Self::MessageRefused => "message_refused",
            Self::MessageInDoubt => "message_in_doubt",
        }
    }
}

/// One thing that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// At which office.
    pub office: String,
    /// What it is.
    pub kind: Kind,
    /// Which record: its external id, or the practice's kind and key.
    pub record: String,
    /// Whose, as initials. None: nobody knows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What is wrong, and by which rule.
    #[serde(flatten)]
    pub fault: Fault,
    /// The same in words.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: u32,
    /// Where it is to be seen.
    #[serde(flatten)]
    pub links: RecordLinks,
}

/// `J.S.`: the first letters, and nothing of a name that has none.
fn initials(member: &Member) -> Option<String> {
    let person = &member.patient.record;
    let names = [&person.first_name, &person.last_name];
    let letters: String = names
        .iter()
        .filter_map(|name| name.expose().chars().find(|c| c.is_alphabetic()))
        .flat_map(|c| c.to_uppercase().take(1).chain(['.']))
        .collect();
    (!letters.is_empty()).then_some(letters)
}

fn member<'a>(view: &'a HouseholdView, key: &PatientKey) -> Option<&'a Member> {
    let mut members = view.members.iter();
    members.find(|member| member.patient.record.key == *key)
}

impl Desk {
    /// What failed, at most so many of each kind, the oldest first. A record that
    /// waits for a time of its own is no failure yet, a bad address is a stop.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn failures(&self, limit: usize) -> Result<Vec<Failure>> {
        let mut all = Vec::new();
        for row in self.known().unreadable(&self.source, limit).await? {
            let patient = PatientKey::new(row.native.clone());
            let (who, links) = match row.kind {
                RecordKind::Patient => self.person(&patient).await?,
                _ => (None, RecordLinks::default()),
            };
            let fault = Fault {
                rule: "unreadable",
                code: None,
                field: None,
                fix: Fix::Office,
            };
            all.push(self.failure(
                Kind::Unreadable,
                (format!("{} {}", row.kind.plural(), row.native), row.reason),
                (who, links),
                fault,
                (row.since, 1),
            ));
        }
        for (sink, account) in &self.sinks {
            let ids = self.ids_at(account);
            let mut shown = 0;
            for aside in self.known().aside(sink, usize::MAX).await? {
                let kind = match aside.hold {
                    Hold::Until(_) => continue,
                    Hold::Refused => Kind::Refused,
                    Hold::Blocked => Kind::Blocked,
                };
                if shown == limit {
                    break;
                }
                shown += 1;
                let patient = self.whose(&aside, &ids).await?;
                let person = match &patient {
                    Some(patient) => self.person(patient).await?,
                    None => (None, RecordLinks::default()),
                };
                let fault = Fault::of(&aside.reason);
                all.push(self.failure(
                    kind,
                    (aside.external_id.to_string(), aside.reason),
                    person,
                    fault,
                    (aside.since, aside.attempts),
                ));
            }
        }
        all.extend(self.failed_messages(limit).await?);
        all.sort_by(|a, b| (a.since, &a.record).cmp(&(b.since, &b.record)));
        Ok(all)
    }

    fn failure(
        &self,
        kind: Kind,
        (record, reason): (String, String),
        (who, links): (Option<String>, RecordLinks),
        fault: Fault,
        (since, attempts): (DateTime<Utc>, u32),
    ) -> Failure {
        Failure {
            office: self.office().to_string(),
            kind,
            record,
            who,
            fault,
            reason,
            since,
            attempts,
            links,
        }
    }

    async fn failed_messages(&self, limit: usize) -> Result<Vec<Failure>> {
        let which = Messages {
            since: DateTime::UNIX_EPOCH,
            open_only: true,
            limit: usize::MAX,
        };
        let now = self.now();
        let mut all = Vec::new();
        for row in self.known().messages(&self.outlet()?, &which).await? {
            let (kind, reason) = match &row.told.state {
                EffectState::Refused(why) => (Kind::MessageRefused, why.clone()),
                EffectState::InDoubt(why) => (Kind::MessageInDoubt, why.clone()),
                _ => continue,
            };
            let mut fault = Fault::of(&reason);
            let old = now - row.told.at > REFUSED_DAYS;
            if kind == Kind::MessageRefused && (fault.is_address() || old) {
                continue;
            }
            if kind == Kind::MessageInDoubt {
                fault.rule = "in_doubt";
            }
            if all.len() == limit {
                break;
            }
            let record = format!(
                "{} {} by {}",
                row.told.purpose.name(),
                self.ids().patient(&row.patient),
                row.told.channel.name()
            );
            let person = self.person(&row.recipient).await?;
            all.push(self.failure(
                kind,
                (record, reason),
                person,
                fault,
                (row.told.begun, row.told.attempt),
            ));
        }
        Ok(all)
    }

    /// Whose record is set aside: looked up in the mirror.
    async fn whose(
        &self,
        aside: &Aside,
        ids: &crate::id::ExternalIds,
    ) -> Result<Option<PatientKey>> {
        let Some(view) = self.view(&aside.household).await? else {
            return Ok(None);
        };
        let id = &aside.external_id;
        let owner = view.members.iter().find(|member| {
            let key = &member.patient.record.key;
            let mut recalls = member.recalls.iter();
            ids.patient(key) == *id
                || ids.reactivation(key) == *id
                || recalls.any(|recall| ids.recall(&recall.record.key) == *id)
        });
        Ok(owner.map(|member| member.patient.record.key.clone()))
    }

    /// Who somebody is, as far as may be shown, and where they are to be seen.
    async fn person(&self, patient: &PatientKey) -> Result<(Option<String>, RecordLinks)> {
        let household = self.known().household_of(&self.source, patient).await?;
        let view = match &household {
            Some(household) => self.view(household).await?,
            None => None,
        };
        let who = view
            .as_ref()
            .and_then(|view| initials(member(view, patient)?));
        Ok((who, self.links_of(patient).await?))
    }

    /// The links of a patient, with the id that a CRM gave them.
    pub(super) async fn links_of(&self, patient: &PatientKey) -> Result<RecordLinks> {
        let mut links = RecordLinks::default();
        for (sink, account) in &self.sinks {
            let id = self.ids_at(account).patient(patient);
            let remote = if self.opened(sink).await? {
                let known = self.store.standing(sink, vec![id.clone()]).await?;
                let known = known.into_iter().next();
                known.and_then(|known| known.acknowledged?.remote_id)
            } else {
                None
            };
            let own = self
                .links
                .of(patient.native(), id.as_str(), remote.as_deref());
            links.chart = links.chart.or(own.chart);
            links.crm = links.crm.or(own.crm);
        }
        Ok(links)
    }

    /// Whether a run has ever opened this sink.
    pub(super) async fn opened(&self, sink: &crate::id::SinkId) -> Result<bool> {
        Ok(self.known().progress(sink).await?.all > 0)
    }

    /// A household by its key, for whoever needs members.
    pub(super) async fn members(&self, household: &HouseholdKey) -> Result<Vec<Member>> {
        Ok(self
            .view(household)
            .await?
            .map(|view| view.members)
            .unwrap_or_default())
    }
}
