//! What rows refer to by key: read when a process begins and with every full
//! pass, kept in memory only.

use std::collections::HashMap;

use odx_core::{ErrorKind, Result};
use serde::Deserialize;

use crate::client::{Answer, Api, Call};
use crate::wire::{self, Int, Text};
use crate::{limiter, version::Version};

/// Definition category of confirmation statuses.
const CONFIRMED: u8 = 2;
/// Definition category of recall and unscheduled statuses.
const RECALL_UNSCHED: u8 = 13;

type Names = HashMap<String, String>;

/// Names by key, the key's permissions and the office's version.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    pub(crate) granted: Option<Vec<String>>,
    pub(crate) version: Option<Version>,
    pub(crate) clinics: Names,
    pub(crate) providers: Names,
    recall_types: Names,
    /// Of all categories: the keys are unique across them.
    definitions: Names,
}

impl Reference {
    pub(crate) fn recall_type(&self, key: &str) -> Option<String> {
        self.recall_types.get(key).cloned()
    }

    pub(crate) fn definition(&self, key: &str) -> Option<String> {
        self.definitions.get(key).cloned()
    }

    /// Everything: seven requests.
    pub(crate) const ALL: &[Call] = &[
        Call::SecurityPerms,
        Call::RecallTypes,
        Call::Definitions(CONFIRMED),
        Call::Definitions(RECALL_UNSCHED),
        Call::Clinics,
        Call::Providers,
        Call::ProgramVersion,
    ];

    /// What a look at the office needs.
    pub(crate) const PROBE: &[Call] = &[Call::SecurityPerms, Call::ProgramVersion];

    /// Reads these anew. What cannot be read keeps its last value; without one,
    /// labels lack their texts.
    pub(crate) async fn load(api: &Api, mut last: Self, calls: &[Call]) -> Result<Self> {
        let mut unanswered = 0;
        for call in calls {
            let failure = match api.get(call).await {
                Ok(Some(answer)) => {
                    unanswered = 0;
                    if last.learn(api, call, &answer).is_some() {
                        continue;
                    }
                    "not a list".to_owned()
                }
                Ok(None) => "not there".to_owned(),
                Err(error) => match error.kind() {
                    ErrorKind::Credentials | ErrorKind::RateLimited => return Err(error),
                    kind => {
                        unanswered += u8::from(kind == ErrorKind::Unavailable);
                        error.chain()
                    }
                },
            };
            tracing::warn!(what = call.what(), failure, "labels may lack their texts");
            if unanswered == 2 {
                // The office is off: the page that follows will say so.
                break;
            }
        }
        Ok(last)
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
            Call::Definitions(_) => self.learn_definitions(body)?,
            Call::Clinics => {
                self.clinics = names(body, |c: &wire::Clinic<'_>| (c.clinic_num, &c.abbr))?;
            }
            Call::Providers => {
                self.providers = names(body, |p: &wire::Provider<'_>| (p.prov_num, &p.abbr))?;
            }
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
        let clinics = include_bytes!("../tests/fixtures/clinics.get.json");
        let clinics = names(clinics, |c: &wire::Clinic<'_>| (c.clinic_num, &c.abbr)).unwrap();
        assert_eq!(clinics["1"], "Clinic1");
        for providers in [
            &include_bytes!("../tests/fixtures/providers.get.json")[..],
            // Printed as a bare object.
            include_bytes!("../tests/fixtures/providers.byclinic.get.json"),
        ] {
            let providers = names(providers, |p: &wire::Provider<'_>| (p.prov_num, &p.abbr));
            assert!(!providers.unwrap().is_empty());
        }
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
