//! What a message may say: the same rules for a template and for the text that
//! is sent.
//!
//! A finding quotes the template's words, never a value that was put in.

use std::borrow::Cow;
use std::fmt;

use super::Purpose;
use super::segments::{Encoding, gsm7_units, plain, segments};
use super::source::{Part, parse};
use super::variables::{ALLOWED, Variables};
use super::words::{
    CLINICAL, DAYS, FINANCIAL, GATING, IDENTITY, INCENTIVE, List, MONTHS, PROMOTIONAL, SHORTENERS,
    SPECIALTY, at_start, fold, spelled, tokens,
};
use crate::model::Channel;

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
const IDENTIFIES: &[&str] = &[
    "last_name",
    "surname",
    "full_name",
    "name",
    "middle_name",
    "patient_name",
    "guarantor_name",
    "birth_date",
    "birthday",
    "birthdate",
    "dob",
    "date_of_birth",
    "age",
    "gender",
    "sex",
    "address",
    "street",
    "city",
    "zip",
    "postal_code",
    "email",
    "phone",
    "mobile",
    "ssn",
    "patient_id",
    "patient_number",
    "pat_num",
    "patnum",
    "chart_number",
    "chart_id",
    "external_id",
    "medicaid_id",
    "guarantor",
];

/// What is real but may not stand in a message.
const FIELDS: &[&str] = &[
    "appointment_date",
    "appointment_time",
    "next_appointment",
    "next_visit",
    "last_visit",
    "visit_date",
    "due_date",
    "recall_date",
    "recall_type",
    "recall_interval",
    "recall_status",
    "procedure",
    "procedures",
    "procedure_code",
    "diagnosis",
    "treatment",
    "treatment_plan",
    "provider",
    "provider_name",
    "doctor",
    "hygienist",
    "dentist",
    "balance",
    "amount",
    "insurance",
    "carrier",
    "notes",
    "note",
    "clinic_id",
    "office_id",
    "status",
    "segment",
    "language",
];

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
    let identifies = IDENTIFIES.contains(&name);
    if identifies || FIELDS.contains(&name) {
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

/// The rules on words.
fn said(purpose: Purpose, reviews: bool, rules: LintRules, text: &str, found: &mut Vec<Finding>) {
    shorteners(text, found);
    // Links speak for themselves.
    let text: String = text
        .split_inclusive(char::is_whitespace)
        .map(|word| {
            if word.contains("://") {
                link("the text", word.trim(), found);
                Cow::Borrowed(" ")
            } else {
                Cow::Borrowed(word)
            }
        })
        .collect();

    for (rule, word) in disclosing(&text) {
        let what = match rule {
            Rule::SpecialtyDisclosure => format!("“{word}” names a specialty: leave it out"),
            Rule::ProcedureCode => format!("“{word}” is the code of a procedure: leave it out"),
            _ => format!("“{word}” says something about health: say “visit” instead"),
        };
        found.push(Finding::refuse(rule, what));
    }

    let folded = fold(&text);
    let words: Vec<_> = tokens(&folded).collect();
    let mut each = |list: &'static List, rule: Rule, why: &str| {
        for word in matches(list, &words) {
            found.push(Finding::refuse(rule, format!("“{word}” {why}")));
        }
    };
    each(
        &IDENTITY,
        Rule::IdentityExcess,
        "says who somebody is: leave it out",
    );
    each(&FINANCIAL, Rule::Financial, "speaks of money: leave it out");
    each(
        &DAYS,
        Rule::VisitDate,
        "says which day it was: say “recent visit” instead",
    );
    let promotional = purpose == Purpose::Recall || rules.profile == Profile::HealthcareExempt;
    if promotional {
        each(
            &PROMOTIONAL,
            Rule::Promotional,
            "is an offer: a care message makes none",
        );
    }
    if reviews {
        each(
            &INCENTIVE,
            Rule::ReviewIncentive,
            "gives something for a review: leave it out",
        );
        each(
            &GATING,
            Rule::ReviewGating,
            "asks only some, or for a certain review: ask everybody for theirs",
        );
    }
    amounts(&folded, promotional, reviews, found);
    if is_dated(&folded, &words) {
        let what = "a date says which day it was: say “recent visit” instead";
        found.push(Finding::refuse(Rule::VisitDate, what));
    }
}

/// Words of a list that stand among these, as they stand there.
fn matches<'a>(
    list: &'static List,
    words: &'a [Cow<'a, str>],
) -> impl Iterator<Item = String> + 'a {
    (0..words.len()).filter_map(move |at| {
        let here = words.get(at..)?;
        let long = at_start(list, here)?;
        // Feel free to call our toll-free number.
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        if here.first().is_some_and(|word| word == "free")
            && before.is_some_and(|word| word == "feel" || word == "toll")
        {
            return None;
        }
        here.get(..long).map(|words| words.join(" "))
    })
}

/// What tells something about health: specialties, clinical words, codes.
fn disclosing(text: &str) -> impl Iterator<Item = (Rule, String)> {
    let folded = fold(text);
    // As it stands, and with what hides a word undone: `im-plant`, `i m p l a n t`.
    let undone: String = folded.chars().filter(|c| !"-_*'".contains(*c)).collect();
    let mut found = Vec::new();
    for text in [&folded, &undone] {
        let words = spelled(tokens(text));
        let mut at = 0;
        while let Some(here) = words.get(at..).filter(|here| !here.is_empty()) {
            let (rule, long) = if let Some(long) = at_start(&SPECIALTY, here) {
                (Rule::SpecialtyDisclosure, long)
            } else if let Some(long) = code(here) {
                (Rule::ProcedureCode, long)
            } else if let Some(long) = at_start(&CLINICAL, here) {
                (Rule::ClinicalTerm, long)
            } else {
                at += 1;
                continue;
            };
            found.push((
                rule,
                here.iter()
                    .take(long)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(" "),
            ));
            at += long;
        }
    }
    found.into_iter()
}

/// `D` and four digits: how many words long.
fn code(words: &[Cow<'_, str>]) -> Option<usize> {
    let four = |text: &str| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        digits == 4
    };
    match words {
        [cdt, ..] if cdt == "cdt" => Some(1),
        [first, ..] if first.strip_prefix('d').is_some_and(four) => Some(1),
        [d, second, ..] if d == "d" && second.len() == 4 && four(second) => Some(2),
        _ => None,
    }
}

/// Amounts and percentages: an offer, something for a review, or a bill.
fn amounts(folded: &str, promotional: bool, reviews: bool, found: &mut Vec<Finding>) {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let (mut offered, mut billed) = (false, false);
    for (at, sign) in folded.match_indices(['$', '€', '£', '%']) {
        let (before, after) = folded.split_at_checked(at).unwrap_or_default();
        let after = after.get(sign.len()..).unwrap_or_default();
        if sign == "%" {
            offered |= digit(before.trim_end().chars().next_back());
        } else if digit(after.trim_start().chars().next()) {
            let next: Vec<_> = tokens(after)
                .skip_while(|word| word.starts_with(|c: char| c.is_ascii_digit()))
                .take(2)
                .collect();
            let offer = |word: &Cow<'_, str>| {
                word == "off" || at_start(&INCENTIVE, std::slice::from_ref(word)).is_some()
            };
            if next.iter().any(offer) {
                offered = true;
            } else {
                billed = true;
            }
        }
    }
    if billed {
        let what = "an amount speaks of money: leave it out";
        found.push(Finding::refuse(Rule::Financial, what));
    }
    if offered && promotional {
        let what = "an amount or a percentage is an offer: a care message makes none";
        found.push(Finding::refuse(Rule::Promotional, what));
    }
    if offered && reviews {
        let what = "an amount is something for a review: leave it out";
        found.push(Finding::refuse(Rule::ReviewIncentive, what));
    }
}

/// Whether a date stands there: `March 5`, `5 de mayo`, `3/5`, `2026-03-05`.
fn is_dated(folded: &str, words: &[Cow<'_, str>]) -> bool {
    let day = |word: Option<&Cow<'_, str>>| {
        word.is_some_and(|word| {
            let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let suffix = word.len() - digits.len();
            suffix <= 2
                && digits
                    .parse::<u32>()
                    .is_ok_and(|n| (1..=31).contains(&n) || (1990..2100).contains(&n))
        })
    };
    let spoken = (0..words.len()).any(|at| {
        words
            .get(at..)
            .is_some_and(|here| at_start(&MONTHS, here).is_some())
            && (day(words.get(at + 1))
                || at.checked_sub(1).is_some_and(|at| day(words.get(at)))
                || at.checked_sub(2).is_some_and(|two| {
                    words
                        .get(two + 1)
                        .is_some_and(|word| word == "de" || word == "of")
                        && day(words.get(two))
                }))
    });
    let written = folded
        .split(|c: char| !c.is_ascii_digit() && !"/-.".contains(c))
        .map(|run| run.trim_matches(['/', '-', '.']))
        .any(|run| {
            ['/', '-', '.'].into_iter().any(|separator| {
                let groups: Vec<&str> = run.split(separator).collect();
                if groups.iter().any(|group| group.parse::<u32>().is_err()) {
                    return false;
                }
                let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
                match *lengths.as_slice() {
                    [1 | 2, 1 | 2] => separator == '/' && run != "24/7",
                    [1 | 2, 1 | 2, 2 | 4] | [4, 1 | 2, 1 | 2] => true,
                    _ => false,
                }
            })
        });
    spoken || written
}

fn shorteners(text: &str, found: &mut Vec<Finding>) {
    let folded = fold(text).replace(['。', '．', '｡'], ".");
    for host in folded.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-') {
        let host = host.trim_matches('.');
        let known = SHORTENERS.phrases().find(|known| {
            host.strip_suffix(known)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        if let Some(known) = known {
            let what = format!("anybody may stand behind {known}: use the office's own address");
            found.push(Finding::refuse(Rule::PublicShortener, what));
        }
    }
}

/// A link says nothing in clear, and leads to where it says.
fn link(name: &str, text: &str, found: &mut Vec<Finding>) {
    shorteners(text, found);
    let text = text.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
    let url = match url::Url::parse(text) {
        Ok(url)
            if url.scheme() == "https"
                && url.has_host()
                && url.username().is_empty()
                && !text.contains(char::is_whitespace) =>
        {
            url
        }
        _ => {
            let what =
                format!("{name} must hold an address that begins with https:// and has no blank");
            found.push(Finding::refuse(Rule::BadValue, what));
            return;
        }
    };
    let readable =
        |part: &&str| !part.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
    let path = url
        .path()
        .split('/')
        .chain(url.query().unwrap_or_default().split(['&', '=']));
    // A path may hold somebody's name as well, so it is not quoted.
    for (rule, _) in path.filter(readable).flat_map(disclosing) {
        let what = format!("the address in {name} tells something: use one that tells nothing");
        found.push(Finding::refuse(rule, what));
    }
    let host = url.host_str().unwrap_or_default();
    found.extend(disclosing(host).map(|(_, word)| Finding {
        rule: Rule::SpecialtyDisclosure,
        severity: Severity::Warn,
        what: format!("the address in {name} says “{word}”: another name tells a stranger less"),
    }));
}

#[cfg(test)]
mod tests;
