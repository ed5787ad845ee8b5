//! The configuration file: checked whole before anything is contacted.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use odx_core::engine::{Pipeline, PipelineBuilder, Schedule};
use odx_core::policy::{RecallPolicy, RecallSettings, Windows};
use odx_core::sink::CrmSink as _;
use odx_core::source::PracticeSource as _;
use odx_core::store::{Brake, StateStore};
use odx_core::{IdScheme, Office, OfficeId, Secret, SinkId, SourceId};
use odx_crm::{Auth, IdIn, RestConfig, RestSink};
use odx_opendental::{Credentials, OpenDental, SYSTEM, is_inside};
use toml::de::DeTable;
use url::Url;

use crate::door::{self, Door};
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
    pub(crate) offices: Vec<OfficeSetup>,
}

/// Everything one office needs.
#[derive(Debug)]
pub(crate) struct OfficeSetup {
    pub(crate) office: Office,
    pub(crate) source: Arc<OpenDental>,
    /// The machine that sends its events, if the file names one.
    pub(crate) workstation: Option<String>,
    /// The key that the office's events carry, if it sends some.
    pub(crate) events: Option<Secret>,
    pub(crate) sink: RestSink,
    pub(crate) policy: RecallPolicy,
    /// What operators see of it.
    pub(crate) operations: OfficeOperations,
}

impl OfficeSetup {
    /// Its source and its key, if it sends events.
    pub(crate) fn sends(&self) -> Option<(SourceId, Secret)> {
        let key = self.events.clone()?;
        Some((self.source.id().clone(), key))
    }

    /// Its pipeline, but for when and how it runs.
    pub(crate) fn pipeline(self, store: &Arc<dyn StateStore>) -> PipelineBuilder {
        Pipeline::builder(self.source)
            .policy(self.policy)
            .sink(Arc::new(self.sink))
            .state(Arc::clone(store))
            .office(self.office)
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
    let offices: Vec<_> = sections
        .into_iter()
        .filter_map(|section| office(section, &schedule, &mut seen))
        .collect();
    let receiver = root.section("receiver");
    door::needed(receiver.as_ref(), &seen.sending, &mistakes);
    let door = receiver.and_then(door::read);
    let operations = ops_config::read(&root);
    root.finish();
    let lines = mistakes.into_lines();
    if lines.is_empty() {
        Ok(Config {
            state,
            schedule,
            brake,
            door,
            operations,
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
    accounts: BTreeMap<String, (IdScheme, String)>,
    /// Offices that send events: where that is said, their key, their id.
    sending: Vec<door::Sending>,
}

fn office(section: Section<'_, '_>, schedule: &Schedule, seen: &mut Seen) -> Option<OfficeSetup> {
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
    let source = match section.section("source") {
        Some(inner) => source(inner, id.as_ref(), schedule, seen),
        None => {
            section.missing(
                "source",
                "write [office.source] with kind, developer_key and customer_key",
            );
            None
        }
    };
    let sink = match section.section("sink") {
        Some(inner) => sink(inner, id.as_ref(), schedule, seen),
        None => {
            section.missing("sink", "write [office.sink] with kind, base_url and token");
            None
        }
    };
    let policy = match section.section("policy") {
        Some(inner) => policy(inner),
        None => RecallPolicy::new(RecallSettings::default()).ok(),
    };
    let operations = ops_config::office(&section);
    section.finish();
    let (source, events, workstation) = source?;
    Some(OfficeSetup {
        office: Office::new(id?, name?.0, zone?),
        source: Arc::new(source),
        workstation,
        events,
        sink: sink?,
        policy: policy?,
        operations,
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

fn source(
    section: Section<'_, '_>,
    id: Option<&OfficeId>,
    schedule: &Schedule,
    seen: &mut Seen,
) -> Option<(OpenDental, Option<Secret>, Option<String>)> {
    if let Some((kind, at)) = section.required("kind", "write kind = \"opendental\"")
        && kind != "opendental"
    {
        section.wrong(
            &at,
            "kind",
            "is not known: this version reads \"opendental\"",
        );
    }
    let urls = section.texts("base_urls").map(|texts| {
        if texts.is_empty() {
            section.wrong(
                section.span(),
                "base_urls",
                "is empty: leave it out for the vendor's own, or name one",
            );
        }
        urls(&section, "base_urls", texts)
    });
    let developer_key = section.secret("developer_key", true);
    let customer_key = section.secret("customer_key", true);
    let interval = section.duration("interval", Duration::ZERO);
    let timeout = section.duration("timeout", Duration::from_millis(100));
    let events = section.flag("events").filter(|(sends, _)| *sends);
    let workstation = section.text("workstation").map(|(name, _)| name);
    let span = section.span().clone();
    let built = (|| {
        let credentials = Credentials {
            developer_key: developer_key?,
            customer_key: customer_key?,
        };
        let customer = credentials.customer_key.clone();
        let office = id.map_or("unnamed", OfficeId::as_str);
        let mut builder = OpenDental::builder(SourceId::new(SYSTEM, office).ok()?, credentials);
        if let Some(urls) = urls.clone() {
            if urls.is_empty() {
                return None;
            }
            builder = builder.with_base_urls(urls);
        }
        if let Some(interval) = interval {
            builder = builder.with_interval(interval);
        }
        let urls = urls.unwrap_or_default();
        // The vendor's relay answers within 60 s, a server in the office much sooner.
        let inside = !urls.is_empty() && urls.iter().all(is_inside);
        let most = Duration::from_secs(if inside { 15 } else { 75 });
        builder = builder.with_timeout(timeout.unwrap_or_else(|| patience(schedule, most)));
        if let Some((_, _, other)) = seen
            .keys
            .iter()
            .find(|(known, key, _)| *known == urls && key.expose() == customer.expose())
        {
            section.wrong(
                &span,
                "customer_key",
                &format!("is also that of office {other}: one database would be told twice"),
            );
        }
        let sends = events.is_some().then(|| customer.clone());
        if let (Some((_, at)), Some(key)) = (events, &sends) {
            if let Some(other) = door::same_key(&seen.sending, key) {
                let what = format!(
                    "cannot be true here and at office {other}: their customer key is the same, and an event would \
                     not say whose it is"
                );
                section.wrong(&at, "events", &what);
            }
            seen.sending.push((at, key.clone(), office.to_owned()));
        }
        seen.keys.push((urls, customer, office.to_owned()));
        let source = builder
            .build()
            .map_err(|why| section.wrong(&span, "", &why.to_string()))
            .ok()?;
        Some((source, sends, workstation))
    })();
    section.finish();
    built
}

fn sink(
    section: Section<'_, '_>,
    id: Option<&OfficeId>,
    schedule: &Schedule,
    seen: &mut Seen,
) -> Option<RestSink> {
    if let Some((kind, at)) = section.required("kind", "write kind = \"rest\"")
        && kind != "rest"
    {
        section.wrong(&at, "kind", "is not known: this version writes to \"rest\"");
    }
    let base_url = section
        .required(
            "base_url",
            "the address of the crm, such as \"https://crm.example.com/v1\"",
        )
        .map(|(text, at)| urls(&section, "base_url", vec![(text, at)]));
    let token = section.secret("token", true);
    let scheme = match section.text("external_ids") {
        None => IdScheme::Scoped,
        Some((text, _)) if text == "scoped" => IdScheme::Scoped,
        Some((text, _)) if text == "bare" => IdScheme::Bare,
        Some((_, at)) => {
            section.wrong(&at, "external_ids", "must be \"scoped\" or \"bare\"");
            IdScheme::Scoped
        }
    };
    let size = |key, bounds| {
        section
            .number(key, bounds)
            .and_then(|n| NonZeroUsize::new(usize::try_from(n).ok()?))
    };
    let batch = size("batch", 1..=1000);
    let concurrency = size("concurrency", 1..=64);
    let timeout = section.duration("timeout", Duration::from_millis(100));
    let id_in = match section.text("id_in") {
        None => IdIn::Path,
        Some((text, _)) if text == "path" => IdIn::Path,
        Some((text, _)) if text == "body" => IdIn::Body,
        Some((_, at)) => {
            section.wrong(&at, "id_in", "must be \"path\" or \"body\"");
            IdIn::Path
        }
    };
    let span = section.span().clone();
    let built = (|| {
        let base_url = base_url?.into_iter().next()?;
        let office = id.map_or("unnamed", OfficeId::as_str);
        let mut config = RestConfig::new(SinkId::new("rest", office).ok()?, base_url)
            .with_auth(Auth::Bearer(token?))
            .with_scheme(scheme)
            .with_id_in(id_in);
        if let Some(batch) = batch {
            config = config.with_batch(batch);
        }
        if let Some(concurrency) = concurrency {
            config = config.with_concurrency(concurrency);
        }
        config = config
            .with_timeout(timeout.unwrap_or_else(|| patience(schedule, Duration::from_secs(30))));
        let sink = config
            .build()
            .map_err(|why| section.wrong(&span, "", &why.to_string()))
            .ok()?;
        let account = sink.account().name;
        match seen.accounts.get(&account) {
            Some((known, other)) if *known == IdScheme::Bare || scheme == IdScheme::Bare => {
                let what = format!(
                    "must be \"scoped\": office {other} writes to the same crm account, and bare ids would mix their patients"
                );
                section.wrong(&span, "external_ids", &what);
            }
            _ => {
                seen.accounts.insert(account, (scheme, office.to_owned()));
            }
        }
        Some(sink)
    })();
    section.finish();
    built
}

fn policy(section: Section<'_, '_>) -> Option<RecallPolicy> {
    let mut windows = Windows::default();
    for (key, slot) in [
        ("due_soon_days", &mut windows.due_soon_days),
        ("due_now_days", &mut windows.due_now_days),
        ("overdue_days", &mut windows.overdue_days),
        ("lapsed_days", &mut windows.lapsed_days),
    ] {
        if let Some(days) = section.number(key, 0..=36_500) {
            *slot = days;
        }
    }
    let built = RecallPolicy::new(RecallSettings::default().with_windows(windows))
        .map_err(|why| section.wrong(section.span(), "", &why.to_string()))
        .ok();
    section.finish();
    built
}

#[cfg(test)]
mod tests {
    use odx_core::testkit::Mutants;

    use super::*;

    const GOOD: &str = r#"
state = "odx.sqlite"
poll = "15m"
sweep = "24h"
retry_max = "5m"
[[office]]
id = "main-st"
name = "Main Street Dental"
time_zone = "America/New_York"
[office.source]
kind = "opendental"
base_urls = ["http://127.0.0.1:30223/api/v1", "https://api.opendental.com/api/v1"]
developer_key = "dev"
customer_key  = "main"
interval = "1s"
[office.sink]
kind = "rest"
base_url = "https://crm.example.com/v1"
token = "t0ken"
external_ids = "scoped"
batch = 1
[office.policy]
due_soon_days = 30
"#;

    #[test]
    fn the_configuration_of_the_readme_is_read() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.offices.len(), 1);
        assert_eq!(config.schedule.poll, Duration::from_secs(900));
    }

    const RECEIVER: &str = "[receiver]\npath = \"q7RbV2mXc90TkLpZq7RbV2mX\"\n";

    /// An office that sends, and `receiver` behind it.
    fn sends(receiver: &str) -> String {
        let office = GOOD.replace("interval = \"1s\"", "interval = \"1s\"\nevents = true");
        format!("{office}\n{receiver}")
    }

    #[test]
    fn offices_that_send_are_behind_one_receiver() {
        let config = parse(&sends(RECEIVER)).unwrap();
        assert!(config.door.is_some());
        let (source, key) = config.offices[0].sends().unwrap();
        assert_eq!(
            (source.to_string().as_str(), key.expose()),
            ("od:main-st", "main")
        );
        // By default nobody sends, and nobody listens.
        let config = parse(GOOD).unwrap();
        assert!(config.door.is_none() && config.offices[0].sends().is_none());
    }

    #[test]
    fn every_mistake_about_the_receiver_names_its_remedy() {
        let with = |line: &str| sends(&format!("{RECEIVER}{line}\n"));
        let path = |path: &str| sends(&RECEIVER.replace("q7RbV2mXc90TkLpZq7RbV2mX", path));
        for (text, what) in [
            (sends(""), "have no way in: write [receiver] with a path"),
            (
                format!("{GOOD}\n{RECEIVER}"),
                "receiver has no office to receive for: set events = true",
            ),
            (sends("[receiver]\n"), "receiver.path is missing"),
            (path("c4nary"), "receiver.path can be guessed"),
            (path("c4nary/c4nary/c4nary/c4nary"), "openssl rand -hex 16"),
            (path("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "can be guessed"),
            (with("listen = \"c4nary\""), "receiver.listen is no address"),
            (
                with("listen = \"0.0.0.0:8044\""),
                "listen on 127.0.0.1 behind a proxy that has tls, or set tls_certificate",
            ),
            (
                with("listen = \"[::]:8044\""),
                "can be reached from elsewhere",
            ),
            (
                with("tls_key = \"c4nary\""),
                "needs tls_certificate beside it",
            ),
            (with("tls_certificate = \"c\""), "needs tls_key beside it"),
            (
                with("tls_certificate = \"/no/c.pem\"\ntls_key = \"/no/k.pem\""),
                "tls_certificate and tls_key cannot be used",
            ),
            (with("port = 8044"), "receiver.port is no setting"),
            (with("url = \"c4nary\""), "receiver.url is no url"),
            (
                with("url = \"http://c4nary.example.com\""),
                "receiver.url cannot be used",
            ),
            (
                sends(RECEIVER).replace("events = true", "events = \"c4nary\""),
                "events must be true or false",
            ),
        ] {
            let told = parse(&text).unwrap_err().join("\n");
            assert!(told.contains(what), "{what} not in\n{told}");
            assert!(!told.contains("c4nary"), "{told}");
        }
    }

    #[test]
    fn two_offices_that_send_have_two_keys() {
        // Another way to the same office: told apart by nothing.
        let changes = [("main-st", "elm-st"), (":30223", ":30224")];
        let office = second(&changes).replace("interval = \"1s\"", "events = true");
        let told = parse(&format!("{office}\n{RECEIVER}"))
            .unwrap_err()
            .join("\n");
        assert!(
            told.contains("an event would not say whose it is"),
            "{told}"
        );
        let two = format!("{office}\n{RECEIVER}").replacen("\"main\"", "\"elm\"", 1);
        assert_eq!(parse(&two).unwrap().offices.len(), 2);
    }

    fn second(changes: &[(&str, &str)]) -> String {
        let at = GOOD.find("[[office]]").unwrap();
        let mut other = GOOD[at..].to_owned();
        for (from, to) in changes {
            other = other.replace(from, to);
        }
        format!("{GOOD}\n{other}")
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let bad = GOOD
            .replace("\"15m\"", "\"soon\"")
            .replace("\"24h\"", "\"1s\"")
            .replace("America/New_York", "Main Street")
            .replace("kind = \"rest\"", "kind = \"fax\"")
            .replace("\"scoped\"", "\"short\"")
            .replace("batch = 1", "batch = 0\nbacth = 3")
            .replace(
                "developer_key = \"dev\"",
                "developer_key = { env = \"ODX_NO_SUCH_VARIABLE\" }",
            )
            .replace("due_soon_days = 30", "due_soon_days = \"30\"");
        let lines = parse(&bad).unwrap_err();
        let text = lines.join("\n");
        for (place, what) in [
            ("line 3, column 8", "poll is no duration"),
            ("line 4, column 9", "sweep must be from 2s"),
            ("line 9, column 13", "time_zone is no zone"),
            ("line 13,", "ODX_NO_SUCH_VARIABLE is not set"),
            ("line 17, column 8", "kind is not known"),
            ("line 20, column 16", "external_ids must be"),
            ("line 21, column 9", "batch must be a whole number from 1"),
            ("line 22, column 1", "bacth is no setting"),
            ("line 24, column 17", "due_soon_days must be a whole number"),
        ] {
            let found = lines
                .iter()
                .any(|line| line.starts_with(place) && line.contains(what));
            assert!(found, "{place} {what} not in\n{text}");
        }
        assert_eq!(lines.len(), 9, "{text}");
    }

    #[test]
    fn a_key_is_never_quoted() {
        let bad = GOOD
            .replace("\"t0ken\"", "[\"c4nary\"]")
            .replace("\"dev\"", "\"c4nary\" c4nary");
        let text = parse(&bad).unwrap_err().join("\n");
        assert!(!text.contains("c4nary"), "{text}");
    }

    /// Wherever a key may end up by mistake: under a wrong name, of a wrong type, in a broken line, as another value.
    /// (Names of settings are quoted: they are what is misspelt.)
    #[test]
    fn s3_a_key_in_the_wrong_place_is_never_quoted() {
        for (from, to) in [
            ("token = \"t0ken\"", "tokne = \"c4nary\""),
            ("token = \"t0ken\"", "token = \"c4nary"),
            ("token = \"t0ken\"", "token = c4nary"),
            ("token = \"t0ken\"", "token = { env = [\"c4nary\"] }"),
            ("token = \"t0ken\"", "token = \"c4nary\\n\""),
            (
                "token = \"t0ken\"",
                "token = \"c4nary\"\ntoken = \"c4nary\"",
            ),
            ("\"opendental\"", "\"c4nary\""),
            ("\"America/New_York\"", "\"c4nary\""),
            ("\"scoped\"", "\"c4nary\""),
            ("\"1s\"", "\"c4nary\""),
            ("\"15m\"", "\"c4nary\""),
            ("batch = 1", "batch = \"c4nary\""),
            ("https://crm.example.com/v1", "c4nary"),
            (
                "https://crm.example.com/v1",
                "https://user:c4nary@crm.example.com/v1",
            ),
            (
                "https://crm.example.com/v1",
                "http://crm.example.com/v1?key=c4nary",
            ),
            (
                "https://api.opendental.com/api/v1",
                "http://api.opendental.com/?c4nary",
            ),
            ("\"dev\"", "\"c4nary\\n\""),
            ("\"main\"", "7c4nary"),
            ("id = \"main-st\"", "id = \"c4nary/\""),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let Err(mistakes) = parse(&GOOD.replace(from, to)) else {
                panic!("{to} is taken");
            };
            let text = mistakes.join("\n");
            assert!(!text.contains("c4nary"), "{to}: {text}");
        }
    }

    #[test]
    fn two_offices_may_share_a_crm_account_with_scoped_ids_only() {
        let fine = second(&[("main-st", "elm-st"), ("\"main\"", "\"elm\"")]);
        assert_eq!(parse(&fine).unwrap().offices.len(), 2);
        let mixed = fine.replace("\"scoped\"", "\"bare\"");
        let text = parse(&mixed).unwrap_err().join("\n");
        assert!(text.contains("bare ids would mix their patients"), "{text}");
        let twice = second(&[]);
        let text = parse(&twice).unwrap_err().join("\n");
        assert!(
            text.contains("is used twice") && text.contains("told twice"),
            "{text}"
        );
    }

    #[test]
    fn plain_http_to_the_outside_is_refused() {
        let bad = GOOD
            .replace("https://crm", "http://crm")
            .replace("https://api", "http://api");
        let lines = parse(&bad).unwrap_err();
        assert_eq!(lines.len(), 2, "{lines:?}");
    }

    #[test]
    fn an_empty_file_is_told_what_it_needs() {
        assert!(parse("").unwrap_err()[0].contains("[[office]]"));
    }

    #[test]
    fn ten_thousand_broken_configurations_are_read_or_told_where_they_are_wrong() {
        let corpus = format!("{}/../fuzz/corpus/config", env!("CARGO_MANIFEST_DIR"));
        let words = [
            "[[office]]",
            "[office.sink]",
            "\"0s\"",
            "batch = 1000",
            "{ env = ",
        ];
        Mutants::feed(corpus, &words, |mutant| {
            if let Err(mistakes) = parse(&String::from_utf8_lossy(mutant)) {
                assert!(!mistakes.is_empty(), "refused without a word");
            }
        })
        .unwrap();
    }
}
