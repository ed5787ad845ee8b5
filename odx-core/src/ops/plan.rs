//! What a dry run would do, as something to keep, to read and to compare.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use crate::crm::Entity;
use crate::engine::{Action, Event, Observer};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{LedgerHash, hex};
use crate::id::{ExternalIds, IdScheme, SourceId};
use crate::outreach::Purpose;
use crate::outreach::gate::{Rule, Verdict};

/// Under which name the last plan is kept.
const KEPT: &str = "plan";

/// Whether something would go out about one occurrence, by one channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// The occurrence, by its name.
    pub episode: String,
    /// By which channel.
    pub channel: String,
    /// About whom: the external id.
    pub patient: String,
    /// What for.
    pub purpose: String,
    /// What was decided.
    pub verdict: String,
    /// The rule that stood against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// When time alone makes a difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<DateTime<Utc>>,
}

impl Item {
    fn key(&self) -> (&str, &str) {
        (&self.episode, &self.channel)
    }

    /// The verdict and its rule: what counts as a change. A time that moves from
    /// one day to the next is none.
    fn says(&self) -> (&str, Option<&str>) {
        (&self.verdict, self.rule.as_deref())
    }

    fn words(&self) -> String {
        match &self.rule {
            Some(rule) => format!("{} ({rule})", self.verdict),
            None => self.verdict.clone(),
        }
    }
}

/// Records that would be created, brought up to date, closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCounts {
    /// The CRM does not have them yet.
    pub create: u64,
    /// The CRM has an older state.
    pub update: u64,
    /// They come to rest.
    pub close: u64,
}

/// What a dry run would do. Ids and counts: no names, no addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Which office.
    pub office: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// The same for the same plan, whenever it was made.
    pub fingerprint: String,
    /// Contacts.
    pub contacts: RecordCounts,
    /// Tasks.
    pub tasks: RecordCounts,
    /// Messages that would go out.
    pub would_send: u64,
    /// What would not, by the rule that stands against it.
    pub untold: BTreeMap<String, u64>,
    /// Each occurrence and channel, in order.
    pub messages: Vec<Item>,
}

/// How a plan differs from an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Not in the earlier one.
    pub added: Vec<Item>,
    /// Only in the earlier one.
    pub removed: Vec<Item>,
    /// Decided otherwise: before, now.
    pub changed: Vec<(Item, Item)>,
}

impl Difference {
    /// Nothing differs.
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for item in &self.added {
            let (name, by) = item.key();
            writeln!(f, "+ {name} {by}: {}", item.words())?;
        }
        for item in &self.removed {
            let (name, by) = item.key();
            writeln!(f, "- {name} {by}: was {}", item.words())?;
        }
        for (before, now) in &self.changed {
            let (name, by) = now.key();
            writeln!(f, "~ {name} {by}: {} -> {}", before.words(), now.words())?;
        }
        Ok(())
    }
}

impl Plan {
    /// How it differs from an earlier one. What only moved in time is no
    /// difference.
    pub fn compare(&self, last: &Self) -> Difference {
        let index = |plan: &Self| -> BTreeMap<(String, String), Item> {
            let items = plan.messages.iter();
            items
                .map(|item| ((item.episode.clone(), item.channel.clone()), item.clone()))
                .collect()
        };
        let (before, now) = (index(last), index(self));
        let mut difference = Difference::default();
        for (key, item) in &now {
            match before.get(key) {
                None => difference.added.push(item.clone()),
                Some(old) if old.says() != item.says() => {
                    difference.changed.push((old.clone(), item.clone()));
                }
                Some(_) => {}
            }
        }
        let gone = before.iter().filter(|(key, _)| !now.contains_key(*key));
        difference.removed = gone.map(|(_, item)| item.clone()).collect();
        difference
    }
}

/// Collects what a dry run would do: an [`Observer`] of a
/// [`run_once`](crate::Pipeline::run_once) with [`Mode::DryRun`](crate::Mode).
#[derive(Debug)]
pub struct Planner {
    ids: ExternalIds,
    seen: Mutex<Collected>,
}

#[derive(Debug, Default)]
struct Collected {
    contacts: RecordCounts,
    tasks: RecordCounts,
    records: Vec<String>,
    messages: Vec<Item>,
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Send => "send",
        Verdict::SendToGuarantor => "send_to_guarantor",
        Verdict::WouldSend => "would_send",
        Verdict::Defer => "defer",
        Verdict::Refresh => "refresh",
        Verdict::Deny => "deny",
    }
}

impl Planner {
    /// For the practice of this source.
    pub fn new(source: SourceId) -> Self {
        Self {
            ids: ExternalIds::new(source, IdScheme::Scoped),
            seen: Mutex::default(),
        }
    }

    /// What was seen, as a plan of this office.
    pub fn plan(&self, office: &str, made_at: DateTime<Utc>) -> Plan {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.messages.sort();
        seen.records.sort();
        let mut untold = BTreeMap::new();
        for rule in seen.messages.iter().filter_map(|item| item.rule.clone()) {
            *untold.entry(rule).or_default() += 1;
        }
        let sends = seen.messages.iter().filter(|item| item.rule.is_none());
        let would_send = u64::try_from(sends.count()).unwrap_or(u64::MAX);
        let mut text = seen.records.join("\n");
        for item in &seen.messages {
            // A text cannot fail to be written to.
            let _written = write!(
                text,
                "\n{} {} {} {:?}",
                item.episode, item.channel, item.verdict, item.rule
            );
        }
        Plan {
            office: office.to_owned(),
            made_at,
            fingerprint: hex(LedgerHash::of(text.as_bytes()).as_bytes()),
            contacts: seen.contacts,
            tasks: seen.tasks,
            would_send,
            untold,
            messages: seen.messages.clone(),
        }
    }
}

impl Observer for Planner {
    fn event(&self, event: &Event<'_>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Planned { id, entity, action } => {
                let counts = match entity {
                    Entity::Contact => &mut seen.contacts,
                    Entity::Task => &mut seen.tasks,
                };
                *match action {
                    Action::Create => &mut counts.create,
                    Action::Update => &mut counts.update,
                    Action::Close => &mut counts.close,
                } += 1;
                seen.records.push(format!("{id} {action:?}"));
            }
            Event::Decided(row) => seen.messages.push(Item {
                episode: row.episode.name(),
                channel: row.channel.name().to_owned(),
                patient: self.ids.patient(&row.patient).to_string(),
                purpose: Purpose::name(row.episode.purpose).to_owned(),
                verdict: verdict(row.decision.verdict).to_owned(),
                rule: row.decision.rule.map(Rule::name).map(str::to_owned),
                when: row.decision.again,
            }),
            _ => {}
        }
    }
}

impl Desk {
    /// Someone who collects what a dry run of this office would do.
    pub fn planner(&self) -> Planner {
        Planner::new(self.source.clone())
    }

    /// The plan that was last kept. None: none was, or an older odx kept it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn last_plan(&self) -> Result<Option<Plan>> {
        let text = self.known().kept(&self.source, KEPT).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Keeps a plan in place of the last one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keep_plan(&self, plan: &Plan) -> Result<()> {
        let text = serde_json::to_string(plan)
            .map_err(|_| Error::new(ErrorKind::Bug, "a plan could not be written as json"))?;
        self.known().keep(&self.source, KEPT, &text).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(episode: &str, verdict: &str, rule: Option<&str>, when: Option<i64>) -> Item {
        Item {
            episode: episode.to_owned(),
            channel: "sms".to_owned(),
            patient: "od:main:1".to_owned(),
            purpose: "recall".to_owned(),
            verdict: verdict.to_owned(),
            rule: rule.map(str::to_owned),
            when: when.and_then(|at| DateTime::from_timestamp(at, 0)),
        }
    }

    fn plan(messages: Vec<Item>) -> Plan {
        let planner = Planner::new(SourceId::new("od", "main").unwrap());
        planner.seen.lock().unwrap().messages = messages;
        planner.plan("main", DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_plan_is_compared_by_what_it_says_and_not_by_when() {
        let last = plan(vec![
            item("a", "would_send", None, None),
            item("b", "defer", Some("quiet_hours"), Some(1)),
            item("c", "deny", Some("address"), None),
        ]);
        let next = plan(vec![
            item("d", "would_send", None, None),
            item("c", "would_send", None, None),
            item("b", "defer", Some("quiet_hours"), Some(9)),
        ]);
        let difference = next.compare(&last);
        assert_eq!(
            difference.to_string(),
            "+ d sms: would_send\n- a sms: was would_send\n~ c sms: deny (address) -> would_send\n"
        );
        assert!(next.compare(&next).is_empty());
    }

    #[test]
    fn the_same_plan_has_the_same_fingerprint_whatever_order_it_came_in() {
        let (a, b) = (
            item("a", "would_send", None, None),
            item("b", "deny", Some("address"), None),
        );
        let one = plan(vec![a.clone(), b.clone()]);
        let other = plan(vec![b, a.clone()]);
        assert_eq!(one, other);
        assert_eq!((one.would_send, one.untold["address"]), (1, 1));
        assert_ne!(one.fingerprint, plan(vec![a]).fingerprint);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), one);
    }
}
