//! What an office decides about reaching people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;

use super::gate::GateRules;
use super::lint::LintRules;
use super::quiet::Window;
use super::{MessageGateway, Purpose, Template};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::LedgerHash;
use crate::model::Channel;

/// Who speaks: an office, or one of its clinics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Identity {
    /// The practice, as patients know it. None: the office's name.
    pub name: Option<String>,
    /// Where to call.
    pub phone: Option<String>,
    /// Where to book. `{token}` stands for 128 bits that belong to one message.
    pub booking_link: Option<String>,
    /// Where to leave a review.
    pub review_link: Option<String>,
    /// Where mails are unsubscribed from.
    pub unsubscribe_link: Option<String>,
    /// The postal address.
    pub postal_address: Option<String>,
}

impl Identity {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What this one leaves open, as the other says.
    pub(crate) fn or(&self, other: &Self) -> Self {
        let pick = |own: &Option<String>, other: &Option<String>| own.clone().or(other.clone());
        Self {
            name: pick(&self.name, &other.name),
            phone: pick(&self.phone, &other.phone),
            booking_link: pick(&self.booking_link, &other.booking_link),
            review_link: pick(&self.review_link, &other.review_link),
            unsubscribe_link: pick(&self.unsubscribe_link, &other.unsubscribe_link),
            postal_address: pick(&self.postal_address, &other.postal_address),
        }
    }
}

/// Whether a household hears once for all of its members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum HouseholdMode {
    /// One message per purpose; the others due with it count as told.
    #[default]
    Together,
    /// Each member hears by themself; who hears for several still hears once.
    Each,
}

/// When a plan looks wrong, and how an office begins.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Guard {
    /// So many messages a day are never too many.
    pub floor: u32,
    /// So many times the usual day is too many.
    pub factor: u32,
    /// Days from the first one on that have a cap.
    pub first_days: u32,
    /// That cap: messages and enrolments a day.
    pub first_cap: u32,
    /// Days after which an office is no longer new.
    pub mature_days: u32,
    /// A larger share of people never written to before looks wrong then.
    pub strangers: f64,
    /// A smaller share of the usual day is told as a thin one.
    pub thin: f64,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            floor: 25,
            factor: 3,
            first_days: 3,
            first_cap: 25,
            mature_days: 28,
            strangers: 0.8,
            thin: 0.2,
        }
    }
}

/// How an office reaches people, apart from who carries it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OutreachSettings {
    /// What people are contacted for at all.
    pub purposes: BTreeSet<Purpose>,
    /// By which channel first.
    pub channels: Vec<Channel>,
    /// What the gate leaves to the office.
    pub gate: GateRules,
    /// The hours in which people may be texted, by their own clock.
    pub window: Window,
    /// Whether a household hears once for all.
    pub household: HouseholdMode,
    /// For so many days a household hears no more for the same purpose.
    pub household_days: u32,
    /// From one review request to the next, for one person.
    pub review_days: u32,
    /// An attempt that has come to nothing for so many days is given up.
    pub give_up_days: u32,
    /// Only these patients, by external id. None: everybody.
    pub allow_only: Option<BTreeSet<String>>,
    /// Who speaks.
    pub identity: Identity,
    /// Clinics that speak for themselves, by the practice's key.
    pub clinics: BTreeMap<String, Identity>,
    /// Rules of content.
    pub lint: LintRules,
    /// When a plan looks wrong.
    pub guard: Guard,
}

impl Default for OutreachSettings {
    fn default() -> Self {
        Self {
            purposes: Purpose::ALL.into(),
            channels: vec![Channel::Sms, Channel::Email],
            gate: GateRules::default(),
            window: Window::default(),
            household: HouseholdMode::Together,
            household_days: 7,
            review_days: 180,
            give_up_days: 7,
            allow_only: None,
            identity: Identity::default(),
            clinics: BTreeMap::new(),
            lint: LintRules::default(),
            guard: Guard::default(),
        }
    }
}

impl OutreachSettings {
    /// Who speaks for a clinic.
    pub(crate) fn speaker(&self, clinic: Option<&str>) -> Identity {
        let own = clinic.and_then(|clinic| self.clinics.get(clinic));
        own.map_or_else(|| self.identity.clone(), |own| own.or(&self.identity))
    }

    pub(crate) fn review_gap(&self) -> TimeDelta {
        TimeDelta::days(self.review_days.into())
    }

    /// For so long a household hears no more for this purpose.
    pub(crate) fn household_gap(&self, purpose: Purpose) -> TimeDelta {
        match purpose {
            Purpose::Review => TimeDelta::days(1),
            Purpose::Recall | Purpose::Reactivation => TimeDelta::days(self.household_days.into()),
        }
    }

    pub(crate) fn give_up(&self, purpose: Purpose) -> TimeDelta {
        let days = TimeDelta::days(self.give_up_days.into());
        if purpose == Purpose::Reactivation {
            days * 2
        } else {
            days
        }
    }
}

/// How an office reaches people: its settings, and who carries it.
#[derive(Debug, Clone)]
pub struct Outreach {
    pub(crate) settings: OutreachSettings,
    pub(crate) gateways: Vec<Arc<dyn MessageGateway>>,
    pub(crate) templates: Vec<Template>,
    /// The CRM's own sequences carry it, and not odx.
    pub(crate) by_crm: bool,
}

impl Outreach {
    /// Messages that odx sends itself, by these gateways, at most one for each
    /// channel, with these templates. A purpose and channel without a template
    /// has the one that comes with odx.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without a gateway, with two for a channel, with two
    /// templates for one purpose and channel, or with settings that cannot be.
    pub fn by_gateways(
        settings: OutreachSettings,
        gateways: Vec<Arc<dyn MessageGateway>>,
        mut templates: Vec<Template>,
    ) -> Result<Self> {
        let wrong = |what: &str| Err(Error::new(ErrorKind::Config, what.to_owned()));
        if gateways.is_empty() {
            return wrong("messages need a gateway: configure one for texts or for mail");
        }
        let channels: BTreeSet<_> = gateways.iter().map(|gateway| gateway.channel()).collect();
        if channels.len() < gateways.len() {
            return wrong("a channel has two gateways: keep one of them");
        }
        let kinds: BTreeSet<_> = templates
            .iter()
            .map(|template| (template.purpose(), template.channel()))
            .collect();
        if kinds.len() < templates.len() {
            return wrong("a purpose has two templates for one channel: keep one of them");
        }
        for purpose in Purpose::ALL {
            for channel in &channels {
                if !kinds.contains(&(purpose, *channel)) {
                    templates.extend(Template::default_for(purpose, *channel));
                }
            }
        }
        let outreach = Self {
            settings,
            gateways,
            templates,
            by_crm: false,
        };
        outreach.check()
    }

    /// Sequences of the CRM, which is told whom to enrol and sends by itself.
    ///
    /// # Errors
    /// As [`by_gateways`](Self::by_gateways).
    pub fn by_crm(settings: OutreachSettings) -> Result<Self> {
        let outreach = Self {
            settings,
            gateways: Vec::new(),
            templates: Vec::new(),
            by_crm: true,
        };
        outreach.check()
    }

    fn check(self) -> Result<Self> {
        let settings = &self.settings;
        let guard = &settings.guard;
        let wrong = if settings.channels.is_empty() {
            "no channel is left: name sms, email or both"
        } else if settings.gate.per_day == 0 || settings.gate.per_week == 0 {
            "a cap of 0 contacts reaches nobody: switch messages off instead"
        } else if !(0.0..=1.0).contains(&guard.strangers) || !(0.0..=1.0).contains(&guard.thin) {
            "a share is a number from 0.0 to 1.0"
        } else {
            return Ok(self);
        };
        Err(Error::new(ErrorKind::Config, wrong))
    }

    /// The settings.
    pub const fn settings(&self) -> &OutreachSettings {
        &self.settings
    }

    /// Who carries messages.
    pub fn gateways(&self) -> &[Arc<dyn MessageGateway>] {
        &self.gateways
    }

    /// Changes whenever a decision may be another one.
    pub(crate) fn fingerprint(&self) -> LedgerHash {
        let gateways: Vec<_> = self.gateways.iter().map(|gateway| gateway.id()).collect();
        let text = format!(
            "{:?} {:?} {:?} {}",
            self.settings, self.templates, gateways, self.by_crm
        );
        LedgerHash::of(text.as_bytes())
    }

    pub(crate) fn gateway(&self, channel: Channel) -> Option<&Arc<dyn MessageGateway>> {
        let mut gateways = self.gateways.iter();
        gateways.find(|gateway| gateway.channel() == channel)
    }

    pub(crate) fn template(&self, purpose: Purpose, channel: Channel) -> Option<&Template> {
        let mut templates = self.templates.iter();
        templates.find(|one| one.purpose() == purpose && one.channel() == channel)
    }
}
