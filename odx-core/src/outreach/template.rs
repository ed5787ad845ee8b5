//! Message templates: linted when they are built and when they are used.

use std::collections::{BTreeMap, HashSet};

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::Purpose;
use super::lint::{self, Finding, LintRules, Rule, Severity};
use super::segments::{plain, segments};
use super::source::{Part, parse};
use super::variables::{ALLOWED, Variables};
use crate::model::Channel;
use crate::phi::Phi;

/// A template as it stands in a file, not yet looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// Its name, for logs: letters, digits, `.`, `_` and `-`.
    pub id: String,
    /// Counts up with every change.
    pub version: u32,
    /// What it is for.
    pub purpose: Purpose,
    /// By which channel it is sent.
    pub channel: Channel,
    /// The subject of a mail.
    #[serde(default)]
    pub subject: Option<String>,
    /// The text: words, `{{ name }}` and `{% if name %}`, nothing else.
    pub text: String,
}

/// A template that says nothing it must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    draft: Draft,
}

/// A message's words, ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rendered {
    /// The subject of a mail, on one line.
    pub subject: Option<Phi<String>>,
    /// The plain text.
    pub text: Phi<String>,
    /// How many messages a carrier makes of a text. None of a mail.
    pub segments: usize,
    /// What a person should look at all the same.
    pub warnings: Vec<Finding>,
}

impl Template {
    /// Takes a draft that keeps the rules.
    ///
    /// ```
    /// use odx_core::model::Channel;
    /// use odx_core::outreach::{Draft, Purpose, Template, Variables, lint::LintRules};
    ///
    /// let draft = Draft {
    ///     id: "recall-text".into(),
    ///     version: 1,
    ///     purpose: Purpose::Recall,
    ///     channel: Channel::Sms,
    ///     subject: None,
    ///     text: "{{ practice_name }}: time for your visit. Reply STOP to opt out.".into(),
    /// };
    /// let rules = LintRules::default();
    /// let template = Template::build(draft, &rules).expect("it keeps the rules");
    /// let values = Variables {
    ///     practice_name: Some("Bright Smiles".into()),
    ///     ..Variables::default()
    /// };
    /// let message = template.render(&values, &rules).expect("the name is set");
    /// assert_eq!(message.segments, 1);
    /// ```
    ///
    /// # Errors
    /// Every rule that it does not keep, with what to change.
    pub fn build(draft: Draft, rules: &LintRules) -> Result<Self, Vec<Finding>> {
        let mut found = Vec::new();
        let mut wrong = |what: &str| found.push(Finding::refuse(Rule::TemplateSyntax, what));
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if draft.id.is_empty() || draft.id.len() > 64 || !draft.id.chars().all(allowed) {
            wrong("the id of a template has up to 64 letters, digits, points and hyphens");
        }
        match (draft.channel, &draft.subject) {
            (Channel::Sms, Some(_)) => wrong("a text has no subject: take it out"),
            (Channel::Email, None) => wrong("a mail needs a subject: add one"),
            (Channel::Voice, _) => wrong("messages are written, not spoken: use sms or email"),
            (Channel::Sms, None) | (Channel::Email, Some(_)) => {}
        }
        if draft
            .subject
            .as_deref()
            .is_some_and(|subject| subject.trim().is_empty())
        {
            wrong("a subject says something: write one");
        }
        let subject = draft.subject.as_deref();
        found.extend(lint::source(
            draft.purpose,
            draft.channel,
            subject,
            &draft.text,
            rules,
        ));
        let engine = engine();
        let readable = |source: &String| {
            engine.template_from_str(source).is_ok_and(|template| {
                let names = template.undeclared_variables(true);
                names.iter().all(|name| ALLOWED.contains(&name.as_str()))
            })
        };
        // Whatever was let through above, the engine must read in the same way.
        let both = readable(&draft.text) && draft.subject.iter().all(readable);
        if found.is_empty() && !both {
            let what = "it cannot be read: use {{ name }} and {% if name %} only";
            found.push(Finding::refuse(Rule::TemplateSyntax, what));
        }
        if refused(&found) {
            Err(found)
        } else {
            Ok(Self { draft })
        }
    }

    /// Its name and version, as a stopped one is remembered.
    pub fn name(&self) -> String {
        format!("{}@{}", self.draft.id, self.draft.version)
    }

    /// One that comes with odx, in English. None for a channel that has no
    /// messages.
    pub fn default_for(purpose: Purpose, channel: Channel) -> Option<Self> {
        let (subject, text) = match (purpose, channel) {
            (Purpose::Recall, Channel::Sms) => (
                None,
                "Hi {{ first_name }}, this is {{ practice_name }}. It is time to schedule your next visit\
                 {% if booking_link %}: {{ booking_link }} or call{% else %}: call{% endif %} {{ practice_phone }}. \
                 Reply STOP to opt out.",
            ),
            (Purpose::Reactivation, Channel::Sms) => (
                None,
                "Hi {{ first_name }}, this is {{ practice_name }}. It has been a while and we would like to see you again\
                 {% if booking_link %}: {{ booking_link }} or call{% else %}: call{% endif %} {{ practice_phone }}. \
                 Reply STOP to opt out.",
            ),
            (Purpose::Review, Channel::Sms) => (
                None,
                "Hi {{ first_name }}, this is {{ practice_name }}. Thank you for your recent visit. How did we do? \
                 {{ review_link }} Reply STOP to opt out.",
            ),
            (Purpose::Recall, Channel::Email) => (
                Some("It is time for your next visit at {{ practice_name }}"),
                "Hi {{ first_name }},\n\nit is time to schedule your next visit at {{ practice_name }}.\n\n\
                 {% if booking_link %}Book online: {{ booking_link }}\n{% endif %}Call us: {{ practice_phone }}\n\n\
                 We look forward to seeing you.\n{{ practice_name }}\n\
                 {% if practice_postal_address %}{{ practice_postal_address }}\n{% endif %}\
                 {% if unsubscribe_link %}\nNo more of these mails: {{ unsubscribe_link }}\n{% endif %}",
            ),
            (Purpose::Reactivation, Channel::Email) => (
                Some("We would like to see you again at {{ practice_name }}"),
                "Hi {{ first_name }},\n\nit has been a while, and we would like to see you again at {{ practice_name }}.\n\n\
                 {% if booking_link %}Book online: {{ booking_link }}\n{% endif %}Call us: {{ practice_phone }}\n\n\
                 {{ practice_name }}\n{{ practice_postal_address }}\n\nNo more of these mails: {{ unsubscribe_link }}\n",
            ),
            (Purpose::Review, Channel::Email) => (
                Some("How was your recent visit at {{ practice_name }}?"),
                "Hi {{ first_name }},\n\nthank you for your recent visit at {{ practice_name }}. How did we do?\n\n\
                 Tell others what you think: {{ review_link }}\n\n\
                 {{ practice_name }}\n{{ practice_postal_address }}\n\nNo more of these mails: {{ unsubscribe_link }}\n",
            ),
            (_, Channel::Voice) => return None,
        };
        let draft = Draft {
            id: format!("default-{}-{}", purpose.name(), channel.name()),
            version: 1,
            purpose,
            channel,
            subject: subject.map(str::to_owned),
            text: text.to_owned(),
        };
        Self::build(draft, &LintRules::default()).ok()
    }

    /// Its name, for logs.
    pub fn id(&self) -> &str {
        &self.draft.id
    }

    /// Counts up with every change.
    pub const fn version(&self) -> u32 {
        self.draft.version
    }

    /// What it is for.
    pub const fn purpose(&self) -> Purpose {
        self.draft.purpose
    }

    /// By which channel it is sent.
    pub const fn channel(&self) -> Channel {
        self.draft.channel
    }

    /// Its subject, with placeholders.
    pub fn subject(&self) -> Option<&str> {
        self.draft.subject.as_deref()
    }

    /// Its text, with placeholders.
    pub fn source(&self) -> &str {
        &self.draft.text
    }

    /// Puts values in and looks at the result again. Text is not escaped: it is
    /// sent as plain text, never as markup.
    ///
    /// Of a text, what is typographic is made plain first. A first name never
    /// costs the message: see [`Variables`].
    ///
    /// # Errors
    /// Every rule that the result does not keep; every value that the template
    /// names outside of a condition on it and that is not set.
    pub fn render(&self, values: &Variables, rules: &LintRules) -> Result<Rendered, Vec<Finding>> {
        let resolved: BTreeMap<&str, String> =
            values.resolved(self.draft.channel).into_iter().collect();
        let engine = engine();
        let mut found = Vec::new();
        let mut put_in = |source: &str| {
            let missing = missing(source, &resolved);
            let text = engine.template_from_str(source).and_then(|template| {
                template.render(minijinja::Value::from_pairs(
                    resolved.iter().map(|(name, value)| (*name, value.as_str())),
                ))
            });
            match text {
                _ if !missing.is_empty() => found.extend(missing.into_iter().map(|name| {
                    let what =
                        format!("the template uses {name} and the office has not set it: set it");
                    Finding::refuse(Rule::NotSet, what)
                })),
                Ok(text) => return text,
                // Its message may quote a value.
                Err(_) => found.push(Finding::refuse(
                    Rule::TemplateSyntax,
                    "it cannot be put together: write it anew with {{ name }} only",
                )),
            }
            String::new()
        };
        let subject = self.draft.subject.as_deref().map(&mut put_in);
        let mut text = put_in(&self.draft.text);
        if !found.is_empty() {
            return Err(found);
        }

        if self.draft.channel == Channel::Sms {
            text = plain(&text);
        }
        let (purpose, channel) = (self.draft.purpose, self.draft.channel);
        found = lint::rendered(purpose, channel, subject.as_deref(), &text, values, rules);
        if refused(&found) {
            return Err(found);
        }
        Ok(Rendered {
            segments: match channel {
                Channel::Sms => segments(&text).segments,
                Channel::Email | Channel::Voice => 0,
            },
            subject: subject.map(Phi::new),
            text: Phi::new(text),
            warnings: found,
        })
    }
}

fn refused(found: &[Finding]) -> bool {
    found.iter().any(|one| one.severity == Severity::Refuse)
}

/// Knows no filters, no functions and no other templates.
fn engine() -> Environment<'static> {
    let mut engine = Environment::empty();
    // A condition on what is not set does not hold; printing it fails.
    engine.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine
}

/// What would be printed and is not set.
fn missing<'a>(source: &'a str, set: &BTreeMap<&str, String>) -> Vec<&'a str> {
    let mut missing = Vec::new();
    let mut seen = HashSet::new();
    // Conditions that are open, and whether their branch is taken.
    let mut open: Vec<bool> = Vec::new();
    for part in parse(source).unwrap_or_default() {
        match part {
            Part::If(name) => open.push(set.contains_key(name)),
            Part::Else => {
                if let Some(taken) = open.last_mut() {
                    *taken = !*taken;
                }
            }
            Part::EndIf => drop(open.pop()),
            Part::Value { name, .. } => {
                if open.iter().all(|taken| *taken) && !set.contains_key(name) && seen.insert(name) {
                    missing.push(name);
                }
            }
            Part::Text(_) => {}
        }
    }
    missing
}

#[cfg(test)]
mod tests;
