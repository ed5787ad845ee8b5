//! `[office.messages]`: whether, how and by whom people are reached.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use chrono::NaiveTime;
use odx_core::model::Channel;
use odx_core::outreach::lint::{Finding, Profile};
use odx_core::outreach::quiet::Window;
use odx_core::outreach::{
    Draft, HouseholdMode, Identity, MessageGateway, Outreach, OutreachSettings, Purpose, Template,
    Variables,
};
use odx_core::policy::RecallSettings;
use odx_core::{Mode, OfficeId, Phi};

use super::gateways::{self, Carrier};
use super::policy::link;
use super::{Kind, WayIn};
use crate::section::Section;

/// How far an office goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nobody is told anything, and nobody asks what would be.
    Off,
    /// A dry run shows who would be told.
    Plan,
    /// People are told.
    Live,
}

/// A checked `[office.messages]`.
#[derive(Debug)]
pub(crate) struct Messages {
    reach: Reach,
    outreach: Outreach,
    /// A provider calls.
    pub(super) calls: bool,
}

impl Messages {
    /// Who carries them, whether or not anybody is told anything: a stop is a
    /// stop also where nothing is sent.
    pub(super) const fn all(&self) -> &Outreach {
        &self.outreach
    }

    /// How a run of this kind reaches people, if it does.
    pub(crate) fn outreach(self, mode: Mode) -> Option<Outreach> {
        match (self.reach, mode) {
            (Reach::Live, _) | (Reach::Plan, Mode::DryRun) => Some(self.outreach),
            (Reach::Off, _) | (Reach::Plan, Mode::Live) => None,
        }
    }
}

/// What the rest of the file says that matters here.
pub(super) struct Around<'a> {
    pub(super) id: Option<&'a OfficeId>,
    pub(super) kind: Kind,
    /// The practice's name.
    pub(super) name: Option<&'a str>,
    /// What the policy asks for. None: it has a mistake of its own.
    pub(super) policy: Option<&'a RecallSettings>,
    /// The CRM takes people into sequences.
    pub(super) enrolls: bool,
    pub(super) door: WayIn<'a>,
}

/// Whether what the practice itself sends is read: only where somebody may be
/// reached.
pub(super) fn are_on(section: Option<&Section<'_, '_>>) -> bool {
    section.is_some_and(|section| {
        let mode = section.text("mode");
        mode.is_none_or(|(mode, _)| mode != "off")
    })
}

const PURPOSES: [(&str, Purpose); 3] = [
    ("recall", Purpose::Recall),
    ("reactivation", Purpose::Reactivation),
    ("review", Purpose::Review),
];
const CHANNELS: [(&str, Channel); 2] = [("sms", Channel::Sms), ("email", Channel::Email)];

/// Reads the section. `None` where something is wrong with it.
pub(super) fn read(section: Section<'_, '_>, around: &Around<'_>) -> Option<Messages> {
    let reach = section.word(
        "mode",
        &[
            ("off", Reach::Off),
            ("plan", Reach::Plan),
            ("live", Reach::Live),
        ],
    );
    let by_crm = section.word("by", &[("gateways", false), ("crm", true)]);
    let by_crm = by_crm.unwrap_or(false);
    let mut settings = OutreachSettings::default();
    if let Some(purposes) = section.words("purposes", &PURPOSES) {
        settings.purposes = purposes.into_iter().collect();
    }
    rules(&section, &mut settings);
    settings.allow_only = allow_only(&section, around);
    settings.identity = identity(&section);
    let clinics = section.section("clinics");
    settings.clinics = clinics
        .into_iter()
        .flat_map(Section::tables)
        .map(|(clinic, inner)| {
            let own = identity(&inner);
            inner.finish();
            (clinic, own)
        })
        .collect();
    let templates = templates(&section, &settings);
    let carriers = gateways::read(&section, around);
    let channels = section.words("channels", &CHANNELS);
    let carries: Vec<_> = carriers.iter().map(|one| one.gateway.channel()).collect();
    if by_crm {
        settings.channels = channels.unwrap_or(settings.channels);
        crm_alone(&section, around, &carriers);
    } else {
        for channel in channels.iter().flatten() {
            if !carries.contains(channel) && carriers.whole {
                section.wrong(
                    section.span(),
                    "channels",
                    &format!(
                        "names {} and nobody carries it: {}",
                        channel.name(),
                        how(*channel)
                    ),
                );
            }
        }
        settings.channels = channels.unwrap_or_else(|| carries.clone());
        if carries.is_empty() && carriers.whole {
            section.missing(
                "texts",
                "write [office.messages.texts], [office.messages.mail], or by = \"crm\"",
            );
        }
        agreement(&section, &settings, &carriers);
        if let Some(templates) = &templates {
            words(&section, around, &settings, templates);
        }
    }
    let span = section.span().clone();
    let wrong = |what: &str| section.wrong(&span, "", what);
    let calls = carriers.iter().any(|one| one.calls);
    let all: Vec<Arc<dyn MessageGateway>> = carriers
        .iter()
        .map(|one| Arc::clone(&one.gateway))
        .collect();
    let built = match templates {
        _ if by_crm => Outreach::by_crm(settings),
        Some(templates) if !carries.is_empty() => {
            let templates = templates.into_iter().map(|(template, _)| template);
            Outreach::by_gateways(settings, all, templates.collect())
        }
        _ => {
            section.finish();
            return None;
        }
    };
    let built = built.map_err(|why| wrong(&why.to_string())).ok();
    section.finish();
    Some(Messages {
        reach: reach.unwrap_or(Reach::Plan),
        outreach: built?,
        calls,
    })
}

const fn how(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "write [office.messages.texts]",
        Channel::Email | Channel::Voice => "write [office.messages.mail]",
    }
}

/// Caps, hours and what the law leaves to the office.
fn rules(section: &Section<'_, '_>, settings: &mut OutreachSettings) {
    let flag = |key| section.flag(key).map(|(on, _)| on);
    if let Some(household) = section.word(
        "household",
        &[
            ("together", HouseholdMode::Together),
            ("each", HouseholdMode::Each),
        ],
    ) {
        settings.household = household;
    }
    if let Some(window) = window(section) {
        settings.window = window;
    }
    let gate = &mut settings.gate;
    gate.recall_text_without_yes = flag("recall_text_without_yes").unwrap_or(false);
    gate.yes_is_written = flag("yes_is_written").unwrap_or(false);
    gate.recall_without_crm_list = flag("recall_without_crm_list").unwrap_or(false);
    let guard = &mut settings.guard;
    for (key, bounds, slot) in [
        ("household_days", 0..=365, &mut settings.household_days),
        ("review_days", 0..=3650, &mut settings.review_days),
        ("per_day", 1..=10, &mut gate.per_day),
        ("per_week", 1..=50, &mut gate.per_week),
        ("first_days", 0..=365, &mut guard.first_days),
        ("first_cap", 1..=100_000, &mut guard.first_cap),
        ("floor", 0..=100_000, &mut guard.floor),
        ("factor", 1..=1000, &mut guard.factor),
    ] {
        if let Some(number) = section.number(key, bounds) {
            *slot = number;
        }
    }
    let profiles = [
        ("standard", Profile::Standard),
        ("healthcare_exempt", Profile::HealthcareExempt),
    ];
    if let Some(profile) = section.word("profile", &profiles) {
        settings.lint = settings.lint.with_profile(profile);
    }
}

fn window(section: &Section<'_, '_>) -> Option<Window> {
    let texts = section.texts("window")?;
    let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").ok();
    let built = match texts.as_slice() {
        [(from, _), (to, _)] => time(from)
            .zip(time(to))
            .map(|(from, to)| Window::new(from, to)),
        _ => None,
    };
    let wrong = |what: &str| section.wrong(section.span(), "window", what);
    match built {
        Some(Ok(window)) => Some(window),
        Some(Err(why)) => {
            wrong(&format!("cannot be used: {why}"));
            None
        }
        None => {
            wrong("must be two times of the day, such as [\"08:00\", \"21:00\"]");
            None
        }
    }
}

/// Only these patients. A name that can be nobody's is a mistake: everybody else
/// would be left out without a word.
fn allow_only(section: &Section<'_, '_>, around: &Around<'_>) -> Option<BTreeSet<String>> {
    let texts = section.texts("allow_only")?;
    let office = around.id.map_or("", OfficeId::as_str);
    let begin = format!("{}:{office}:", around.kind.system());
    let (fine, remedy): (fn(u8) -> bool, _) = match around.kind {
        Kind::OpenDental => (|b| b.is_ascii_digit(), format!("write \"{begin}12\"")),
        Kind::Dentrix => (
            |b| b.is_ascii_graphic() && b != b':',
            format!("write the external id as the crm shows it, \"{begin}…\""),
        ),
    };
    for (text, at) in &texts {
        let key = text.strip_prefix(&begin).unwrap_or_default();
        if (key.is_empty() || !key.bytes().all(fine)) && around.id.is_some() {
            let what = format!("names no patient of this office: {remedy}");
            section.wrong(at, "allow_only", &what);
        }
    }
    Some(texts.into_iter().map(|(text, _)| text).collect())
}

fn identity(section: &Section<'_, '_>) -> Identity {
    let text = |key| section.text(key).map(|(text, _)| text);
    let mut identity = Identity::new();
    identity.name = text("practice_name");
    identity.phone = text("practice_phone");
    identity.booking_link = link(section, "booking_link");
    identity.review_link = link(section, "review_link");
    identity.unsubscribe_link = link(section, "unsubscribe_link");
    identity.postal_address = text("postal_address");
    identity
}

/// Templates that keep the rules, each with its place. `None`: some do not.
type Placed = Vec<(Template, Range<usize>)>;

fn templates(section: &Section<'_, '_>, settings: &OutreachSettings) -> Option<Placed> {
    let sections = section.sections("template");
    let count = sections.len();
    let built: Vec<_> = sections
        .into_iter()
        .filter_map(|inner| template(inner, settings))
        .collect();
    let mut seen = BTreeMap::new();
    for (template, at) in &built {
        let kind = (template.purpose(), template.channel().name());
        if let Some(other) = seen.insert(kind, template.id()) {
            let what = format!("is for the same purpose and channel as {other}: keep one of them");
            section.wrong(at, "template", &what);
        }
    }
    (built.len() == count).then_some(built)
}

fn template(
    section: Section<'_, '_>,
    settings: &OutreachSettings,
) -> Option<(Template, Range<usize>)> {
    let id = section.required("id", "a name for logs, such as \"recall-text\"");
    let version = section.number("version", 1..=u32::MAX);
    if version.is_none() {
        section.missing("version", "a number that counts up with every change");
    }
    let purpose = section.word("purpose", &PURPOSES);
    if purpose.is_none() {
        section.missing(
            "purpose",
            "write \"recall\", \"reactivation\" or \"review\"",
        );
    }
    let channel = section.word("channel", &CHANNELS);
    if channel.is_none() {
        section.missing("channel", "write \"sms\" or \"email\"");
    }
    let subject = section.text("subject").map(|(text, _)| text);
    let text = match (section.text("text"), section.text("file")) {
        (Some(text), None) => Some(text),
        (None, Some((path, at))) => match std::fs::read_to_string(&path) {
            Ok(text) => Some((text, at)),
            Err(why) => {
                let what = format!("the file {path} cannot be read: {}", why.kind());
                section.wrong(&at, "file", &what);
                None
            }
        },
        (None, None) => {
            section.missing("text", "write it, or file = \"PATH\"");
            None
        }
        (Some(_), Some((_, at))) => {
            section.wrong(&at, "file", "stands beside text: keep one of them");
            None
        }
    };
    let built = (|| {
        let (text, at) = text?;
        let draft = Draft {
            id: id?.0,
            version: version?,
            purpose: purpose?,
            channel: channel?,
            subject,
            text,
        };
        match Template::build(draft, &settings.lint) {
            Ok(template) => Some((template, at)),
            Err(findings) => {
                for finding in findings {
                    section.wrong(&at, "text", &format!("cannot be sent: {finding}"));
                }
                None
            }
        }
    })();
    section.finish();
    built
}

/// Sequences of the CRM are all there is then.
fn crm_alone(section: &Section<'_, '_>, around: &Around<'_>, carriers: &gateways::Carriers) {
    if !around.enrolls {
        section.wrong(
            section.span(),
            "by",
            "is \"crm\", and the crm has no sequences: set enrollments = true in [office.sink]",
        );
    }
    for Carrier { at, .. } in carriers.iter() {
        section.wrong(
            at,
            "by",
            "is \"crm\", so this gateway would carry nothing: remove it, or write by = \"gateways\"",
        );
    }
}

/// Recalls by mail take an agreement; without it the provider is not told of a
/// single one, and nobody would hear anything.
fn agreement(
    section: &Section<'_, '_>,
    settings: &OutreachSettings,
    carriers: &gateways::Carriers,
) {
    let recalls = settings.purposes.contains(&Purpose::Recall);
    let mails = settings.channels.contains(&Channel::Email);
    for carrier in carriers
        .iter()
        .filter(|one| !one.agreed && recalls && mails)
    {
        section.wrong(
            &carrier.at,
            "mail.baa",
            "must be \"confirmed\" for recalls by mail: have the agreement signed, or take \"email\" out of \
             channels, or \"recall\" out of purposes",
        );
    }
}

/// Everything that may be sent is put together once, with what the office has
/// set: what is missing is found here and not at night.
fn words(
    section: &Section<'_, '_>,
    around: &Around<'_>,
    settings: &OutreachSettings,
    own: &[(Template, Range<usize>)],
) {
    let Some(policy) = around.policy else { return };
    let wanted = |purpose: &Purpose| match purpose {
        Purpose::Recall => !policy.tell.is_empty(),
        Purpose::Reactivation => policy.reactivation.is_some(),
        Purpose::Review => policy.reviews.is_some(),
    };
    let everybody = [(None, &settings.identity)];
    let clinics = settings.clinics.iter();
    let clinics = clinics.map(|(clinic, identity)| (Some(clinic.as_str()), identity));
    let speakers: Vec<_> = everybody.into_iter().chain(clinics).collect();
    for purpose in settings.purposes.iter().copied().filter(wanted) {
        for channel in &settings.channels {
            let mut mine = own.iter();
            let mine = mine.find(|(one, _)| one.purpose() == purpose && one.channel() == *channel);
            let Some((template, at)) = mine.cloned().or_else(|| {
                let template = Template::default_for(purpose, *channel)?;
                Some((template, section.span().clone()))
            }) else {
                continue;
            };
            for (clinic, identity) in &speakers {
                let values = values(identity, &settings.identity, around.name);
                let Err(findings) = template.render(&values, &settings.lint) else {
                    continue;
                };
                for finding in findings {
                    let told = told(&template, *clinic, &finding);
                    section.wrong(&at, "", &told);
                }
            }
        }
    }
}

fn told(template: &Template, clinic: Option<&str>, finding: &Finding) -> String {
    let whose = clinic.map_or_else(String::new, |clinic| format!(" of clinic {clinic}"));
    format!(
        "template {}{whose} cannot be sent: {finding}",
        template.id()
    )
}

/// What stands in a message to somebody.
fn values(own: &Identity, others: &Identity, office: Option<&str>) -> Variables {
    let pick = |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
    let link = |own, other| {
        let link = pick(own, other)?;
        Some(Phi::new(link.replace("{token}", &"0".repeat(32))))
    };
    let name = pick(&own.name, &others.name);
    Variables {
        first_name: Some(Phi::new("Alexandra".to_owned())),
        practice_name: name.or_else(|| office.map(str::to_owned)),
        practice_phone: pick(&own.phone, &others.phone),
        booking_link: link(&own.booking_link, &others.booking_link),
        review_link: link(&own.review_link, &others.review_link),
        unsubscribe_link: link(&own.unsubscribe_link, &others.unsubscribe_link),
        practice_postal_address: pick(&own.postal_address, &others.postal_address),
    }
}
