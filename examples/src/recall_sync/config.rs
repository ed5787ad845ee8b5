//! The configuration file: checked whole before anything is contacted.

mod gateways;
mod messages;
mod policy;
mod sink;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use odx_core::engine::{Pipeline, PipelineBuilder, Schedule};
use odx_core::outreach::{MessageGateway, Outreach};
use odx_core::policy::RecallPolicy;
use odx_core::sink::CrmSink as _;
use odx_core::source::PracticeSource;
use odx_core::store::{Brake, StateStore};
use odx_core::{IdScheme, Mode, Office, OfficeId, Secret, SourceId};
use odx_crm::RestSink;
use odx_opendental::OpenDental;
use toml::de::DeTable;
use url::Url;

use self::messages::{Around, Messages};
use crate::calls::Line;
use crate::door::{self, Door};
use crate::log::{self, LogFiles};
use crate::ops_config::{self, OfficeOperations, Operations};
use crate::section::{Mistakes, Section};

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) state: PathBuf,
    pub(crate) schedule: Schedule,
    pub(crate) brake: Brake,
    /// Where events come in, if any office sends some.
    pub(crate) door: Option<Door>,
    /// Who is told how it goes.
    pub(crate) operations: Operations,
    /// Files that keep what was told, if the file names some.
    pub(crate) log: Option<LogFiles>,
    pub(crate) offices: Vec<OfficeSetup>,
}

/// Everything one office needs.
#[derive(Debug)]
pub(crate) struct OfficeSetup {
    pub(crate) office: Office,
    pub(crate) source: Arc<dyn PracticeSource>,
    /// What it takes to be told by the office itself, if it sends events.
    pub(crate) events: Option<Events>,
    /// How its source is made, where that is a Dentrix office.
    pub(crate) dentrix: Option<odx_dentrix::Builder>,
    pub(crate) sink: RestSink,
    pub(crate) policy: RecallPolicy,
    /// What operators see of it.
    pub(crate) operations: OfficeOperations,
    /// Whether, how and by whom people are reached, if the file says.
    messages: Option<Messages>,
    /// The token with which the CRM tells opt-outs by itself, if it does.
    webhook: Option<Secret>,
}

/// An office that sends events. Only Open Dental does.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    pub(crate) source: Arc<OpenDental>,
    /// The key that they carry.
    pub(crate) key: Secret,
    /// The machine that sends them, if the file names one.
    pub(crate) workstation: Option<String>,
}

/// What kind of practice an office is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    OpenDental,
    Dentrix,
}

impl Kind {
    /// The word that every external id of its patients begins with.
    pub(crate) const fn system(self) -> &'static str {
        match self {
            Self::OpenDental => odx_opendental::SYSTEM,
            Self::Dentrix => odx_dentrix::SYSTEM,
        }
    }
}

impl OfficeSetup {
    /// Its source and its key, if it sends events.
    pub(crate) fn sends(&self) -> Option<(SourceId, Secret)> {
        let events = self.events.as_ref()?;
        Some((self.source.id().clone(), events.key.clone()))
    }

    pub(crate) const fn kind(&self) -> Kind {
        match self.dentrix {
            Some(_) => Kind::Dentrix,
            None => Kind::OpenDental,
        }
    }

    /// Lets a read through that would be held, and says whether there are such.
    pub(crate) fn release(&mut self) -> odx_core::Result<bool> {
        let Some(builder) = self.dentrix.take() else {
            return Ok(false);
        };
        let builder = self.dentrix.insert(builder.with_release(true));
        self.source = Arc::new(builder.clone().build()?);
        Ok(true)
    }

    /// By whom its people are called, and who calls about them.
    pub(crate) fn line(&self) -> Line {
        let outreach = self.messages.iter().map(Messages::all);
        let gateways: Vec<Arc<dyn MessageGateway>> = outreach
            .flat_map(Outreach::gateways)
            .map(Arc::clone)
            .collect();
        let webhook = self.webhook.clone();
        Line {
            office: self.office.id().to_string(),
            source: self.source.id().clone(),
            gateways,
            crm: webhook.map(|token| (self.sink.id().clone(), token)),
        }
    }

    /// Its pipeline, but for when and how it runs. Messages are part of it only
    /// as far as the file lets them: see [`Messages::outreach`].
    pub(crate) fn pipeline(self, store: &Arc<dyn StateStore>, mode: Mode) -> PipelineBuilder {
        // A dry run moves nobody's reports.
        let hands_off = self
            .dentrix
            .filter(|_| mode == Mode::DryRun)
            .and_then(|dentrix| dentrix.with_hands_off(true).build().ok());
        let source = match hands_off {
            Some(dentrix) => Arc::new(dentrix),
            None => self.source,
        };
        let builder = Pipeline::builder(source)
            .policy(self.policy)
            .sink(Arc::new(self.sink))
            .state(Arc::clone(store))
            .office(self.office);
        let outreach = self.messages.and_then(|messages| messages.outreach(mode));
        match outreach {
            Some(outreach) => builder.outreach(outreach),
            None => builder,
        }
    }
}

/// Reads a configuration, or says everything that is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Config, Vec<String>> {
    let mistakes = Mistakes::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().unwrap_or(0..0);
        // Only what the parser expected: its message may quote the line, and a line may hold a key.
        let what = error
            .message()
            .lines()
            .next()
            .unwrap_or("not toml")
            .to_owned();
        mistakes.add(&at, format!("the file is not toml here: {what}"));
    }
    let root = Section::new("", table.get_ref(), 0..0, &mistakes);
    let state = root.text("state").map_or_else(
        || PathBuf::from("odx.sqlite"),
        |(path, _)| PathBuf::from(path),
    );
    let mut schedule = Schedule::default();
    if let Some(poll) = root.duration("poll", Duration::from_millis(200)) {
        schedule = schedule.with_poll(poll);
    }
    if let Some(sweep) = root.duration("sweep", Duration::from_secs(2)) {
        schedule = schedule.with_sweep(sweep);
    }
    if let Some(retry_max) = root.duration("retry_max", Duration::from_millis(200)) {
        schedule = schedule.with_retry_max(retry_max);
    }
    let mut brake = Brake::default();
    if let Some(share) = root.share("brake") {
        brake.share = share;
    }
    let sections = root.sections("office");
    if sections.is_empty() {
        root.missing("office", "write one [[office]] for each practice database");
    }
    let mut seen = Seen::default();
    let receiver = root.section("receiver");
    let at = receiver.as_ref().map(|section| section.span().clone());
    let door = receiver.map(door::read);
    let way_in = door.as_ref().map(Option::as_ref);
    let offices: Vec<_> = sections
        .into_iter()
        .filter_map(|section| office(section, &schedule, way_in, &mut seen))
        .collect();
    door::needed(at.as_ref(), &seen.sending, &seen.calling, &mistakes);
    let door = door.flatten();
    let operations = ops_config::read(&root);
    let log = root.section("log");
    let log = log.and_then(|section| log::read(section, &state));
    root.finish();
    let lines = mistakes.into_lines();
    if lines.is_empty() {
        Ok(Config {
            state,
            schedule,
            brake,
            door,
            operations,
            log,
            offices,
        })
    } else {
        Err(lines)
    }
}

/// What offices must not share.
#[derive(Default)]
struct Seen {
    ids: BTreeSet<String>,
    keys: Vec<(Vec<Url>, Secret, String)>,
    /// Where Dentrix offices are read: their connection, their folder; their id.
    databases: Vec<(Secret, String)>,
    folders: Vec<(PathBuf, String)>,
    accounts: BTreeMap<String, (IdScheme, String)>,
    /// Offices that send events: where that is said, their key, their id.
    sending: Vec<door::Sending>,
    /// Providers and CRMs that call: where that is said.
    calling: Vec<std::ops::Range<usize>>,
}

/// What is known of the receiver. `None`: there is none; `Some(None)`: something
/// is wrong with it.
type WayIn<'a> = Option<Option<&'a Door>>;

fn office(
    section: Section<'_, '_>,
    schedule: &Schedule,
    door: WayIn<'_>,
    seen: &mut Seen,
) -> Option<OfficeSetup> {
    let id = section
        .required("id", "a short name, such as \"main-st\"")
        .and_then(|(text, at)| {
            if !seen.ids.insert(text.clone()) {
                section.wrong(
                    &at,
                    "id",
                    "is used twice: every office needs an id of its own",
                );
            }
            OfficeId::new(text)
                .map_err(|why| section.wrong(&at, "id", &format!("cannot be used: {why}")))
                .ok()
        });
    let name = section.required("name", "the practice's name, as patients know it");
    let zone = section
        .required(
            "time_zone",
            "the practice's zone, such as \"America/New_York\"",
        )
        .and_then(|(text, at)| {
            text.parse::<Tz>()
                .map_err(|_| {
                    section.wrong(
                        &at,
                        "time_zone",
                        "is no zone: write one such as \"America/New_York\"",
                    )
                })
                .ok()
        });
    let said = section.section("messages");
    let reaches = messages::are_on(said.as_ref());
    let inner = section.section("source");
    let kind = inner.as_ref().map(source::kind);
    let source = match inner {
        Some(inner) => {
            let around = source::Around {
                id: id.as_ref(),
                name: name.as_ref().map(|(name, _)| name.as_str()),
                zone,
                schedule,
                messages: reaches,
            };
            source::read(inner, kind.unwrap_or(Kind::OpenDental), &around, seen)
        }
        None => {
            section.missing(
                "source",
                "write [office.source] with kind, developer_key and customer_key",
            );
            None
        }
    };
    let sink = match section.section("sink") {
        Some(inner) => sink::read(inner, id.as_ref(), schedule, seen),
        None => {
            section.missing("sink", "write [office.sink] with kind, base_url and token");
            None
        }
    };
    let (policy, tags) = (section.section("policy"), section.section("tags"));
    let policy = policy::read(policy, tags, &section);
    let messages = said.map(|inner| {
        let around = Around {
            id: id.as_ref(),
            kind: kind.unwrap_or(Kind::OpenDental),
            name: name.as_ref().map(|(name, _)| name.as_str()),
            policy: policy.as_ref().map(RecallPolicy::settings),
            enrolls: sink.as_ref().is_none_or(|sink| sink.sink.enrolls()),
            door,
        };
        let at = inner.span().clone();
        let messages = messages::read(inner, &around);
        if messages.as_ref().is_some_and(|messages| messages.calls) {
            seen.calling.push(at);
        }
        messages
    });
    let operations = ops_config::office(&section);
    section.finish();
    let source = source?;
    let sink = sink?;
    if let Some((_, at)) = &sink.webhook {
        seen.calling.push(at.clone());
    }
    Some(OfficeSetup {
        office: Office::new(id?, name?.0, zone?),
        source: source.source,
        events: source.events,
        dentrix: source.dentrix,
        sink: sink.sink,
        policy: policy?,
        operations,
        messages: match messages {
            None => None,
            Some(messages) => Some(messages?),
        },
        webhook: sink.webhook.map(|(token, _)| token),
    })
}

/// How long an answer is waited for: as long as the other side may need, but
/// not much longer than somebody who chose short back-offs wants to wait.
fn patience(schedule: &Schedule, most: Duration) -> Duration {
    (schedule.retry_max * 10).clamp(Duration::from_secs(5), most)
}

fn urls(
    section: &Section<'_, '_>,
    key: &'static str,
    texts: Vec<(String, std::ops::Range<usize>)>,
) -> Vec<Url> {
    texts
        .into_iter()
        .filter_map(|(text, at)| {
            Url::parse(&text)
                .map_err(|_| {
                    section.wrong(
                        &at,
                        key,
                        "is no url: write one such as \"https://host/path\"",
                    )
                })
                .ok()
        })
        .collect()
}

#[cfg(test)]
mod tests;
