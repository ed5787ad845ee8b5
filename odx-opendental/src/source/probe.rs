//! What works at this office, what does not, and what would mend it.

use chrono::TimeDelta;
use odx_core::Result;
use odx_core::source::Probe;

use super::OpenDental;
use super::office::{HISTORY, REMINDERS};
use crate::client::Call;
use crate::query::Query;
use crate::raw;
use crate::reference::Reference;
use crate::version::Version;

/// What a permission is needed for, and what it takes to get it.
const PERMISSIONS: &[(&str, &str)] = &[
    (
        "ApiQueries",
        "without ApiQueries a first sync takes six times as many requests, recalls are found by patient, and \
         opt-outs kept outside the patient are not seen: it comes with the smallest paid tier",
    ),
    (
        "ApiComm",
        "without ApiComm no comm log, recall status or confirmation can be written back, and a remote request may be \
         made only every 5 s: it comes with the smallest paid tier",
    ),
    (
        "ApiAllOthers",
        "without ApiAllOthers no patient field can be written back: it comes with the $30 tier",
    ),
];

/// From which version on something works, and what an older office lacks.
const VERSIONS: &[(Version, &str)] = &[
    (Version(22, 4, 40), "recalls cannot be read"),
    (
        Version(22, 1, 0),
        "the office cannot send events and has no local mode",
    ),
    (
        Version(22, 2, 16),
        "the office has no API Service: only the vendor's relay answers",
    ),
    (
        Version(22, 4, 35),
        "events do not tell deleted appointments, and come without their type",
    ),
    (
        HISTORY,
        "deleted appointments are noticed by full listings only, unless queries are allowed",
    ),
    (Version(24, 1, 44), "recall types may have no names"),
    (
        Version(25, 1, 13),
        "a write-back in doubt is looked up among all comm logs of the patient",
    ),
];

impl OpenDental {
    pub(super) async fn look(&self) -> Result<Probe> {
        let last = self
            .office
            .reference()
            .as_deref()
            .cloned()
            .unwrap_or_default();
        let reference = Reference::load(&self.api, last, Reference::PROBE).await?;
        self.knock().await?;
        let mut findings = self.findings(&reference);
        if reference.may("ApiQueries") {
            findings.extend(self.look_by_query().await);
        }
        Ok(Probe::new(findings))
    }

    /// Whether a list can be read at all.
    pub(super) async fn knock(&self) -> Result<()> {
        // Nobody has changed the day after tomorrow: the answer is empty.
        let later = self.clock.now().naive_utc() + TimeDelta::days(2);
        let list = Call::Patients {
            since: Some(later),
            offset: 0,
        };
        self.list(&list).await?.rows()?;
        Ok(())
    }

    /// Whether queries are really answered, and what they say of the clock.
    async fn look_by_query(&self) -> Vec<String> {
        let mut findings = Vec::new();
        let now = self.clock.now();
        match self.query(&Query::Clock).await {
            Err(error) => {
                findings.push(format!(
                    "queries are not answered although the key has ApiQueries, so lists are read: {}",
                    error.chain()
                ));
                return findings;
            }
            Ok(answer) => {
                let told = answer.rows().ok().and_then(|rows| raw::office_clock(&rows));
                if let Some((wall, offset)) = told {
                    self.office.saw(wall, now);
                    let ahead = wall - now.naive_utc() - TimeDelta::seconds(offset.into());
                    if ahead.abs() > TimeDelta::minutes(3) {
                        findings.push(format!(
                            "the clock of the office's server is off by {} minutes: have it set by a time server",
                            ahead.num_minutes()
                        ));
                    }
                }
            }
        }
        // An office without clinics has none, and an old one no such column.
        if let (Some(zone), Ok(answer)) = (self.office.zone(), self.query(&Query::Zone).await) {
            let zones = answer
                .rows()
                .map(|rows| raw::zones(&rows))
                .unwrap_or_default();
            if !zones.is_empty() && !zones.iter().any(|text| text == zone.name()) {
                findings.push(format!(
                    "the settings say {}, the office's clinics {}: look which is right",
                    zone.name(),
                    zones.join(", ")
                ));
            }
        }
        findings
    }

    fn findings(&self, reference: &Reference) -> Vec<String> {
        let mut findings = Vec::new();
        if let Some(url) = self.api.current() {
            let host = url.host_str().unwrap_or_default();
            findings.push(if crate::config::is_inside(url) {
                format!(
                    "answers at {host}, inside the office: not throttled, {} rows a page",
                    self.terms().page
                )
            } else {
                format!(
                    "answers at {host}, the vendor's relay: one request every {} s, {} rows a page",
                    self.api.pace().interval().as_secs_f32(),
                    self.terms().page
                )
            });
        }
        match &reference.granted {
            Some(granted) => {
                findings.push(format!("the key has: {}", granted.join(", ")));
                findings.extend(
                    PERMISSIONS
                        .iter()
                        .filter(|(name, _)| !reference.may(name))
                        .map(|(_, lacks)| (*lacks).to_owned()),
                );
            }
            None => findings.push(
                "the key's permissions cannot be read, so the slowest pace and lists only: securityperms needs \
                 version 22.2"
                    .to_owned(),
            ),
        }
        match reference.version {
            Some(version) => {
                findings.push(format!("the office runs version {version}"));
                for (needs, lacks) in VERSIONS {
                    if version < *needs {
                        findings.push(format!("{lacks}: that needs version {needs}"));
                    }
                }
            }
            None => findings.push("the office's version cannot be read".to_owned()),
        }
        if self.office.reads_reminders() && reference.version.is_some_and(|v| v < REMINDERS) {
            findings.push(format!(
                "what the office sent is not read, so only our own messages are counted: comm logs of all patients need \
                 version {REMINDERS}"
            ));
        }
        if reference.may("ApiQueries") && !self.terms().queries {
            findings.push(self.office.closed());
        }
        if self.office.is_out_of_zone() {
            findings.push(
                "the office's clock has not been seen to keep to its time zone: each pass looks back 65 minutes"
                    .to_owned(),
            );
        }
        findings
    }
}
