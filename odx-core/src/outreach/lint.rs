//! What a message may say: the same rules for a template and for the text that
//! is sent.
//!
//! A finding quotes the template's words, never a value that was put in.

use std::fmt;

use super::Purpose;
use super::segments::{Encoding, gsm7_units, plain, segments};
use super::source::{Part, parse};
use super::variables::{ALLOWED, Variables};
use super::words::{fold, tokens};
use crate::model::Channel;

mod said;

use said::{disclosing, link, said};

/// A rule on messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The practice's name appears.
    MissingSender,
    /// Every text says how to end them.
    MissingOptOut,
    /// No diagnosis, procedure, part of the body, drug or condition.
    ClinicalTerm,
    /// No code of a procedure.
    ProcedureCode,
    /// No day of a visit.
    VisitDate,
    /// No specialty.
    SpecialtyDisclosure,
    /// Of the person, the first name at the most.
    IdentityExcess,
    /// No amounts, balances, insurance.
    Financial,
    /// No offers in a care reminder.
    Promotional,
    /// Everybody is asked for a review in the same way.
    ReviewGating,
    /// Nothing is given for a review.
    ReviewIncentive,
    /// Links are the office's own.
    PublicShortener,
    /// Mail that counts as marketing can be unsubscribed from.
    MissingUnsubscribe,
    /// Mail that counts as marketing carries the practice's postal address.
    MissingPostalAddress,
    /// Every placeholder is known.
    UnknownPlaceholder,
    /// Every placeholder is one that a message may hold.
    PlaceholderNotAllowed,
    /// A text keeps to the alphabet that texts are sent in.
    NotGsm7,
    /// A message is short.
    TooLong,
    /// A template holds text, `{{ name }}` and `{% if name %}`, nothing else.
    TemplateSyntax,
    /// What a template uses, the office has set.
    NotSet,
    /// What the office has set can be used.
    BadValue,
}

impl Rule {
    /// Its id, for settings, logs and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingSender => "missing_sender",
            Self::MissingOptOut => "missing_opt_out",
            Self::ClinicalTerm => "clinical_term",
            Self::ProcedureCode => "procedure_code",
            Self::VisitDate => "visit_date",
            Self::SpecialtyDisclosure => "specialty_disclosure",
            Self::IdentityExcess => "identity_excess",
            Self::Financial => "financial",
            Self::Promotional => "promotional",
            Self::ReviewGating => "review_gating",
            Self::ReviewIncentive => "review_incentive",
            Self::PublicShortener => "public_shortener",
            Self::MissingUnsubscribe => "missing_unsubscribe",
            Self::MissingPostalAddress => "missing_postal_address",
            Self::UnknownPlaceholder => "unknown_placeholder",
            Self::PlaceholderNotAllowed => "placeholder_not_allowed",
            Self::NotGsm7 => "not_gsm7",
            Self::TooLong => "too_long",
            Self::TemplateSyntax => "template_syntax",
            Self::NotSet => "not_set",
            Self::BadValue => "bad_value",
        }
    }
}

/// What comes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The message is not sent.
    Refuse,
    /// A person should look at it.
    Warn,
}

/// A rule that is not kept, and what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// What comes of it.
    pub severity: Severity,
    /// What to change, for whoever writes the template. Holds no patient data.
    pub what: String,
}

impl Finding {
    pub(super) fn refuse(rule: Rule, what: impl Into<String>) -> Self {
        Self {
            rule,
            severity: Severity::Refuse,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.as_str(), self.what)
    }
}

/// Under which law texts are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// With consent: texts of up to two segments.
    #[default]
    Standard,
    /// As care messages that need none: texts of up to 160 units, with the
    /// practice's number, without any offer.
    HealthcareExempt,
}

/// What a message is held against, beside its purpose and channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct LintRules {
    /// Under which law texts are sent.
    pub profile: Profile,
}

impl LintRules {
    /// Texts are sent under this law.
    #[must_use]
    pub const fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }
}

/// No text is longer, no mail has more characters.
const SEGMENTS: usize = 2;
const EXEMPT_UNITS: usize = 160;
const MAIL_CHARACTERS: usize = 20_000;

/// Stands where a value stood: no letter, so it ends a word, and in no text.
const GAP: &str = "\u{1}";

/// What is real but may not stand in a message because it says who somebody is.
const IDENTIFIES: &str = "\
    last_name surname full_name name middle_name patient_name guarantor_name birth_date \
    birthday birthdate dob date_of_birth age gender sex address street city zip postal_code \
    email phone mobile ssn patient_id patient_number pat_num chart_number chart_id \
    external_id medicaid_id guarantor";

/// What is real but may not stand in a message.
const FIELDS: &str = "\
    appointment_date appointment_time next_appointment next_visit last_visit visit_date \
    due_date recall_date recall_type recall_interval recall_status procedure procedures \
    procedure_code diagnosis treatment treatment_plan provider provider_name doctor hygienist \
    dentist balance amount insurance carrier notes note clinic_id office_id status segment \
    language";

/// Looks at a template: its placeholders are visible, their values are not.
/// Nothing found, or only warnings: it may be used.
pub fn source(
    purpose: Purpose,
    channel: Channel,
    subject: Option<&str>,
    text: &str,
    rules: &LintRules,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let parts = match parse(text) {
        Ok(parts) => parts,
        Err(finding) => return vec![finding],
    };
    let head = match subject.map(parse).transpose() {
        Ok(head) => head.unwrap_or_default(),
        Err(finding) => return vec![finding],
    };
    if subject.is_some_and(|subject| subject.contains(['\n', '\r'])) {
        let what = "a subject is one line: take the line break out";
        found.push(Finding::refuse(Rule::TemplateSyntax, what));
    }

    let mut reviews = purpose == Purpose::Review;
    for parts in [&head, &parts] {
        for (at, part) in parts.iter().enumerate() {
            if let Part::Value { name, .. } | Part::If(name) = part {
                placeholder(name, &mut found);
                reviews |= *name == "review_link";
            }
            if matches!(
                part,
                Part::Value {
                    name: "first_name",
                    ..
                }
            ) && stands_in_a_word(parts, at)
            {
                let what = "a first name stands in a link or another word: put blanks around it";
                found.push(Finding::refuse(Rule::IdentityExcess, what));
            }
        }
        // Words may be cut by a condition, and two branches may be glued.
        for between in ["", " "] {
            let visible = visible(parts, between);
            said(purpose, reviews, *rules, &visible, &mut found);
        }
    }

    let always = |wanted: &str| {
        parts
            .iter()
            .any(|part| matches!(part, Part::Value { name, always: true } if *name == wanted))
    };
    required(purpose, channel, *rules, &|name| always(name), &mut found);
    if channel == Channel::Sms {
        let literal = visible(&parts, "");
        if !says_stop(&literal) {
            found.push(no_opt_out());
        }
        let odd = literal
            .chars()
            .filter(|c| !GAP.contains(*c) && gsm7_units(*c).is_none());
        if let Some(what) = not_gsm7(odd) {
            found.push(Finding::refuse(Rule::NotGsm7, what));
        }
    }
    found.extend(too_long(channel, *rules, &least(&parts)));
    tidy(found)
}

/// Looks at a text as it is to be sent, with the values that were put in.
///
/// Their own words are not held against it: a first name or a street may be
/// any word. Of the practice's name, a specialty is a warning.
pub fn rendered(
    purpose: Purpose,
    channel: Channel,
    subject: Option<&str>,
    text: &str,
    values: &Variables,
    rules: &LintRules,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let values = values.resolved(channel);
    let reviews = purpose == Purpose::Review;
    for text in subject.into_iter().chain([text]) {
        let masked = mask(text, &values);
        said(purpose, reviews, *rules, &masked, &mut found);
    }
    for (name, value) in &values {
        let used = text.contains(value.as_str())
            || subject.is_some_and(|subject| subject.contains(value.as_str()));
        if !used || value.is_empty() {
            continue;
        }
        if name.ends_with("_link") {
            link(name, value, &mut found);
        }
        if *name == "practice_name" {
            found.extend(disclosing(value).map(|(_, word)| Finding {
                rule: Rule::SpecialtyDisclosure,
                severity: Severity::Warn,
                what: format!(
                    "the practice's own name says “{word}”: a shorter name tells a stranger less"
                ),
            }));
        }
        let odd = value.chars().filter(|c| gsm7_units(*c).is_none());
        if channel == Channel::Sms && odd.clone().next().is_some() {
            let what = format!(
                "{name} has characters that make a text twice as long: write it in plain letters"
            );
            found.push(Finding::refuse(Rule::NotGsm7, what));
        }
    }

    let appears = |wanted: &str| {
        let folded = fold(text);
        values.iter().any(|(name, value)| {
            *name == wanted && !value.is_empty() && folded.contains(&fold(value))
        })
    };
    required(purpose, channel, *rules, &appears, &mut found);
    if channel == Channel::Sms {
        // Somebody may be called Stop: that takes nothing away.
        if !says_stop(text) {
            found.push(no_opt_out());
        }
        if segments(text).encoding == Encoding::Ucs2
            && found.iter().all(|one| one.rule != Rule::NotGsm7)
        {
            let what = "the text has characters that make it twice as long: use plain ones";
            found.push(Finding::refuse(Rule::NotGsm7, what));
        }
    }
    found.extend(too_long(channel, *rules, text));
    if subject.is_some_and(|subject| subject.contains(char::is_control)) {
        let what = "a subject is one line: take the line break out";
        found.push(Finding::refuse(Rule::TemplateSyntax, what));
    }
    tidy(found)
}

/// Once each.
fn tidy(found: Vec<Finding>) -> Vec<Finding> {
    let mut once: Vec<Finding> = Vec::new();
    for finding in found {
        if !once.contains(&finding) {
            once.push(finding);
        }
    }
    once
}

fn placeholder(name: &str, found: &mut Vec<Finding>) {
    let allowed = || ALLOWED.join(", ");
    if ALLOWED.contains(&name) {
        return;
    }
    let identifies = IDENTIFIES.split(' ').any(|field| field == name);
    if identifies || FIELDS.split(' ').any(|field| field == name) {
        let what = format!("“{name}” may not stand in a message: use {}", allowed());
        found.push(Finding::refuse(Rule::PlaceholderNotAllowed, what));
    } else {
        let what = format!("“{name}” is no placeholder: use {}", allowed());
        found.push(Finding::refuse(Rule::UnknownPlaceholder, what));
    }
    if identifies {
        let what = format!("“{name}” says who somebody is: a first name is the most");
        found.push(Finding::refuse(Rule::IdentityExcess, what));
    }
}

/// Whether what stands beside a placeholder would make one word of it, or a
/// part of a link.
fn stands_in_a_word(parts: &[Part<'_>], at: usize) -> bool {
    let before = match at.checked_sub(1).and_then(|at| parts.get(at)) {
        Some(Part::Text(text)) => text.chars().next_back(),
        Some(Part::Value { .. }) => Some('x'),
        _ => None,
    };
    let joins = |c: char| c.is_alphanumeric() || "/?=&#@%._+\\".contains(c);
    let after = match parts.get(at + 1) {
        Some(Part::Text(text)) => {
            let mut next = text.chars();
            match next.next() {
                Some('.') => next
                    .next()
                    .map_or(at + 2 < parts.len(), |c| !c.is_whitespace()),
                Some(c) => c.is_alphanumeric() || "@/\\_%".contains(c),
                None => false,
            }
        }
        Some(Part::Value { .. }) => true,
        _ => false,
    };
    before.is_some_and(joins) || after
}

/// The words of a template, with a gap for each value and this for each tag.
fn visible(parts: &[Part<'_>], tag: &str) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text,
            Part::Value { .. } => GAP,
            Part::If(_) | Part::Else | Part::EndIf => tag,
        })
        .collect()
}

/// The words that stand in every message of a template.
fn least(parts: &[Part<'_>]) -> String {
    let mut open = 0_usize;
    let mut text = String::new();
    for part in parts {
        match part {
            Part::If(_) => open += 1,
            Part::EndIf => open = open.saturating_sub(1),
            Part::Text(always) if open == 0 => text.push_str(always),
            Part::Text(_) | Part::Value { .. } | Part::Else => {}
        }
    }
    text
}

/// The text without the values that were put in, longest first.
fn mask(text: &str, values: &[(&'static str, String)]) -> String {
    let mut longest: Vec<&str> = values.iter().map(|(_, value)| value.as_str()).collect();
    longest.retain(|value| !value.is_empty());
    longest.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
    let mut text = text.to_owned();
    for value in longest {
        text = mask_one(&text, value);
    }
    text
}

/// Only whole words: `Al` is not taken out of `dental`.
fn mask_one(text: &str, value: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let after = from.get(value.len()..).unwrap_or_default();
        let last = before
            .chars()
            .next_back()
            .or_else(|| masked.chars().next_back());
        let whole = !last.is_some_and(char::is_alphanumeric)
            && !after.chars().next().is_some_and(char::is_alphanumeric);
        masked.push_str(before);
        masked.push_str(if whole { GAP } else { value });
        rest = after;
    }
    masked.push_str(rest);
    masked
}

/// What every message of this kind must hold.
fn required(
    purpose: Purpose,
    channel: Channel,
    rules: LintRules,
    holds: &dyn Fn(&str) -> bool,
    found: &mut Vec<Finding>,
) {
    let mut need = |name: &str, rule: Rule, what: &str| {
        if !holds(name) {
            found.push(Finding::refuse(rule, what));
        }
    };
    need(
        "practice_name",
        Rule::MissingSender,
        "say who writes: add {{ practice_name }}, outside of any condition",
    );
    if channel == Channel::Sms && rules.profile == Profile::HealthcareExempt {
        need(
            "practice_phone",
            Rule::MissingSender,
            "a care message says how to reach the practice: add {{ practice_phone }}",
        );
    }
    if channel == Channel::Email && purpose.is_marketing() {
        need(
            "unsubscribe_link",
            Rule::MissingUnsubscribe,
            "say how to end these mails: add {{ unsubscribe_link }}",
        );
        need(
            "practice_postal_address",
            Rule::MissingPostalAddress,
            "say where the practice is: add {{ practice_postal_address }}",
        );
    }
}

fn no_opt_out() -> Finding {
    let what = "say how to end these texts: add “Reply STOP to opt out.”";
    Finding::refuse(Rule::MissingOptOut, what)
}

/// Whether a text tells how to end more of them. `Stop by soon` does not.
fn says_stop(text: &str) -> bool {
    if text
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| word == "STOP")
    {
        return true;
    }
    let folded = fold(text);
    let words: Vec<_> = tokens(&folded).collect();
    words.windows(2).any(|pair| {
        matches!(pair, [verb, stop]
            if ["reply", "text", "txt", "send", "responda", "responde", "envie", "conteste"].contains(&verb.as_ref())
            && ["stop", "unsubscribe", "alto", "baja", "parar"].contains(&stop.as_ref()))
    })
}

fn not_gsm7(odd: impl Iterator<Item = char>) -> Option<String> {
    let mut seen: Vec<String> = odd
        .map(|c| match plain(&c.to_string()) {
            plain if plain.chars().all(|c| gsm7_units(c).is_some()) => {
                format!("“{c}” (write “{plain}”)")
            }
            _ => format!("“{c}”"),
        })
        .collect();
    seen.sort_unstable();
    seen.dedup();
    seen.truncate(10);
    (!seen.is_empty()).then(|| {
        format!(
            "characters that make a text twice as long: {}",
            seen.join(", ")
        )
    })
}

fn too_long(channel: Channel, rules: LintRules, text: &str) -> Option<Finding> {
    let what = match channel {
        Channel::Email if text.chars().count() > MAIL_CHARACTERS => {
            format!("a mail has at most {MAIL_CHARACTERS} characters")
        }
        Channel::Sms => {
            let counted = segments(text);
            if rules.profile == Profile::HealthcareExempt && counted.units > EXEMPT_UNITS {
                format!(
                    "a care message has at most {EXEMPT_UNITS} characters, this has {}",
                    counted.units
                )
            } else if counted.segments > SEGMENTS {
                format!(
                    "a text has at most {SEGMENTS} segments, this has {}",
                    counted.segments
                )
            } else {
                return None;
            }
        }
        Channel::Email | Channel::Voice => return None,
    };
    Some(Finding::refuse(Rule::TooLong, what + ": shorten it"))
}

#[cfg(test)]
mod tests;
