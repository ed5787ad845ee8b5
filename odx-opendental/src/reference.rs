//! What rows refer to by key: read when a process begins and with every full
//! pass, kept in memory only.

use std::collections::HashMap;
use std::sync::Arc;

use odx_core::model::ReminderUsage;
use odx_core::{Error, ErrorKind, Result};
use serde::Deserialize;

use crate::client::{Answer, Api, Call};
use crate::wire::{self, Int, Text};
use crate::{convert, limiter, version::Version};

/// Definition category of confirmation statuses.
const CONFIRMED: u8 = 2;
/// Definition category of recall and unscheduled statuses.
const RECALL_UNSCHED: u8 = 13;
/// Definition category of comm log types.
const COMM_LOG_TYPES: u8 = 27;

type Names = HashMap<String, String>;

/// Names by key, the key's permissions and the office's version.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    pub(crate) granted: Option<Vec<String>>,
    pub(crate) version: Option<Version>,
    recall_types: Names,
    /// Of all categories: the keys are unique across them.
    definitions: Names,
    /// How the office abbreviates the codes of missed and cancelled visits.
    missed: Vec<String>,
    /// Of comm log types.
    usages: HashMap<i64, ReminderUsage>,
}

impl Reference {
    pub(crate) fn recall_type(&self, key: &str) -> Option<String> {
        self.recall_types.get(key).cloned()
    }

    pub(crate) fn definition(&self, key: &str) -> Option<String> {
        self.definitions.get(key).cloned()
    }

    /// Whether this is all that stands on a visit that was missed or cancelled.
    pub(crate) fn is_missed(&self, procedures: &str) -> bool {
        let mut missed = self.missed.iter();
        missed.any(|code| code.eq_ignore_ascii_case(procedures))
    }

    /// The same, knowing these abbreviations.
    pub(crate) fn knowing(self: Arc<Self>, missed: &[String]) -> Arc<Self> {
        if self.missed == missed {
            return self;
        }
        Arc::new(Self {
            missed: missed.to_vec(),
            ..Self::clone(&self)
        })
    }

    /// What comm logs of this type are used for.
    pub(crate) fn comm_log_usage(&self, key: Int) -> ReminderUsage {
        let usage = key.get().and_then(|key| self.usages.get(&key));
        usage.copied().unwrap_or(ReminderUsage::Other)
    }

    /// Everything: five requests.
    pub(crate) const ALL: &[Call] = &[
        Call::SecurityPerms,
        Call::ProgramVersion,
        Call::RecallTypes,
        Call::Definitions(CONFIRMED),
        Call::Definitions(RECALL_UNSCHED),
    ];

    /// The same, where reminders are read: one more.
    pub(crate) const ALL_WITH_REMINDERS: &[Call] = &[
        Call::SecurityPerms,
        Call::ProgramVersion,
        Call::RecallTypes,
        Call::Definitions(CONFIRMED),
        Call::Definitions(RECALL_UNSCHED),
        Call::Definitions(COMM_LOG_TYPES),
    ];

    /// What to read anew when the program tells its caches of this.
    pub(crate) fn named_by(signal: &str, reminders: bool) -> &'static [Call] {
        match signal {
            "Defs" if reminders => &[
                Call::Definitions(CONFIRMED),
                Call::Definitions(RECALL_UNSCHED),
                Call::Definitions(COMM_LOG_TYPES),
            ],
            "Defs" => &[
                Call::Definitions(CONFIRMED),
                Call::Definitions(RECALL_UNSCHED),
            ],
            "RecallTypes" => &[Call::RecallTypes],
            "Prefs" => &[Call::ProgramVersion],
            _ => &[],
        }
    }

    /// The office has answered something. While it is off, nothing is learned
    /// that should last.
    pub(crate) const fn is_known(&self) -> bool {
        self.granted.is_some() || self.version.is_some()
    }

    /// Whether the key has this permission. Not, while nothing is known.
    pub(crate) fn may(&self, permission: &str) -> bool {
        let mut granted = self.granted.iter().flatten();
        granted.any(|name| name.eq_ignore_ascii_case(permission))
    }

    /// What a look at the office needs.
    pub(crate) const PROBE: &[Call] = &[Call::SecurityPerms, Call::ProgramVersion];

    /// Reads these anew. What cannot be read keeps its last value; without one,
    /// labels lack their texts.
    ///
    /// The permissions decide on the route, so no accident may hide them: they are
    /// asked for twice, and an office that answers nothing at all is an error.
    pub(crate) async fn load(api: &Api, mut last: Self, calls: &[Call]) -> Result<Self> {
        let mut unanswered = 0;
        let mut unsaid = None;
        for call in calls {
            let Some(error) = last.ask(api, call).await? else {
                unanswered = 0;
                continue;
            };
            tracing::warn!(
                what = call.what(),
                failure = error.chain(),
                "labels may lack their texts"
            );
            let accident = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Protocol);
            unanswered += u8::from(accident);
            if unanswered == 2 {
                // The office is off: the page that follows will say so.
                return if last.is_known() {
                    Ok(last)
                } else {
                    Err(error)
                };
            }
            if accident && *call == Call::SecurityPerms {
                unsaid = Some(call);
            }
        }
        if let Some(call) = unsaid
            && let Some(error) = last.ask(api, call).await?
        {
            tracing::warn!(failure = error.chain(), "the permissions cannot be read");
        }
        Ok(last)
    }

    /// Asks for one of these and learns it. What stands in the way of that alone
    /// is returned, what stands in the way of everything fails.
    async fn ask(&mut self, api: &Api, call: &Call) -> Result<Option<Error>> {
        let lacks = |what| Some(Error::new(ErrorKind::Config, what));
        match api.get(call).await {
            Ok(Some(answer)) => Ok(match self.learn(api, call, &answer) {
                Some(()) => None,
                None => lacks("not a list"),
            }),
            Ok(None) => Ok(lacks("not there")),
            Err(error) => match error.kind() {
                ErrorKind::Credentials | ErrorKind::RateLimited => Err(error),
                _ => Ok(Some(error)),
            },
        }
    }

    fn learn(&mut self, api: &Api, call: &Call, answer: &Answer) -> Option<()> {
        let body = answer.body();
        match call {
            Call::SecurityPerms => {
                let granted = limiter::granted(wire::decode(body)?);
                api.pace().learn(&granted);
                self.granted = Some(granted);
            }
            Call::RecallTypes => self.learn_recall_types(body)?,
            Call::Definitions(COMM_LOG_TYPES) => self.learn_comm_log_types(body)?,
            Call::Definitions(_) => self.learn_definitions(body)?,
            Call::ProgramVersion => self.version = Version::of(&wire::decode(body)?),
            _ => {}
        }
        Some(())
    }

    pub(crate) fn learn_recall_types(&mut self, body: &[u8]) -> Option<()> {
        self.recall_types = names(body, |t: &wire::RecallType<'_>| {
            (t.recall_type_num, &t.description)
        })?;
        Some(())
    }

    pub(crate) fn learn_comm_log_types(&mut self, body: &[u8]) -> Option<()> {
        let types = wire::decode::<wire::Choice<'_>>(body)?;
        let usage = |row: &wire::Choice<'_>| {
            let key = row.def_num.get().filter(|&key| key != 0)?;
            Some((key, convert::comm_log_usage(row.item_value.get())))
        };
        self.usages = types.iter().filter_map(usage).collect();
        Some(())
    }

    pub(crate) fn learn_definitions(&mut self, body: &[u8]) -> Option<()> {
        let items = names(body, |d: &wire::Definition<'_>| (d.def_num, &d.item_name))?;
        self.definitions.extend(items);
        Some(())
    }
}

fn names<'a, T: Deserialize<'a>>(
    body: &'a [u8],
    of: for<'r> fn(&'r T) -> (Int, &'r Text<'a>),
) -> Option<Names> {
    let rows = wire::decode::<T>(body)?;
    let mut names = Names::new();
    for row in &rows {
        let (number, text) = of(row);
        if let Some(number) = number.get().filter(|&n| n != 0) {
            names.insert(number.to_string(), text.get().to_owned());
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_reference_data_reads() {
        let mut reference = Reference::default();
        let recall_types = include_bytes!("../tests/fixtures/recalltypes.get.json");
        reference.learn_recall_types(recall_types).unwrap();
        assert_eq!(reference.recall_type("2").as_deref(), Some("Child Prophy"));
        let definitions = include_bytes!("../tests/fixtures/definitions.get.json");
        reference.learn_definitions(definitions).unwrap();
        assert_eq!(reference.definition("293").as_deref(), Some("Sales Tax"));
        let granted = include_bytes!("../tests/fixtures/securityperms.get.json");
        assert_eq!(
            limiter::granted(wire::decode(granted).unwrap()),
            ["ApiReadAll", "ApiAllOthers", "ApiComm", "ApiQueries"]
        );
        let preferences = include_bytes!("../tests/fixtures/preferences.get.json");
        let rows: Vec<wire::Preference<'_>> = wire::decode(preferences).unwrap();
        assert_eq!(rows[1].pref_name.get(), "RecallDaysPast");
        assert_eq!(rows[1].value_string.get(), "365");
        assert_eq!(Version::of(&rows), None);
    }
}
