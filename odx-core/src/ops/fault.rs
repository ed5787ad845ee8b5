//! What a reason says: the rule, the code, the field, who can mend it. Reasons
//! are sentences of our own, so the few that there are can be read back, here
//! and nowhere else.

use serde::{Deserialize, Serialize};

/// Who can mend something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// The practice: the data, or what stands in the CRM.
    Office,
    /// Whoever keeps the settings: of odx, of the CRM, of a provider's account.
    Config,
    /// Whoever makes the software: the practice's, the CRM's, or odx.
    Vendor,
}

impl Fix {
    /// As it stands in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Office => "office",
            Self::Config => "config",
            Self::Vendor => "vendor",
        }
    }
}

/// What a reason says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which rule it broke, in one word.
    pub rule: &'static str,
    /// The other side's code, if it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Which field, where the code names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// Who can mend it.
    pub fix: Fix,
}

/// Words of a sentence, the rule they stand for, and who can mend it. The first
/// that fits counts.
const SAID: &[(&str, &str, Fix)] = &[
    ("waits for its contact", "contact_first", Fix::Office),
    ("this is a defect in odx", "defect", Fix::Vendor),
    ("cannot stand in an address", "defect", Fix::Vendor),
    ("is not a json object", "defect", Fix::Vendor),
    ("another state or under another id", "conflict", Fix::Office),
    ("no record this large", "too_large", Fix::Config),
    ("may not take this record", "permission", Fix::Config),
    ("will not take this content", "content", Fix::Office),
    ("the token may not do this", "permission", Fix::Config),
    ("refused the token", "credentials", Fix::Config),
    ("login page", "credentials", Fix::Config),
    ("answered with a redirect", "address_of_crm", Fix::Config),
    ("no upsert by external id", "contract", Fix::Vendor),
    ("cannot list suppressions", "contract", Fix::Config),
    ("take somebody into a sequence", "contract", Fix::Config),
    ("list of suppressions has no shape", "contract", Fix::Vendor),
    ("does not name this record", "contract", Fix::Vendor),
    ("answer was cut", "contract", Fix::Vendor),
    ("continue from this cursor", "contract", Fix::Vendor),
    ("slower pace", "pace", Fix::Vendor),
    ("is not available", "unreached", Fix::Vendor),
    ("could not be reached", "unreached", Fix::Config),
    (
        "still works on an earlier attempt",
        "unreached",
        Fix::Vendor,
    ),
    ("does not take the address", "address", Fix::Office),
    ("write to this address", "address", Fix::Office),
    ("no such mailbox", "address", Fix::Office),
    ("the address is suppressed", "address", Fix::Office),
    ("template must be mended", "template", Fix::Config),
    ("does not take the sender", "sender", Fix::Config),
    ("is not repeated", "in_doubt", Fix::Vendor),
    ("may have been sent", "in_doubt", Fix::Vendor),
];

/// Words of a code, and the field they are about.
const FIELDS: &[(&str, &str)] = &[
    ("phone", "phone"),
    ("mobile", "phone"),
    ("number", "phone"),
    ("email", "email"),
    ("mail", "email"),
    ("first", "first_name"),
    ("last", "last_name"),
    ("name", "name"),
    ("tag", "tags"),
    ("tags", "tags"),
    ("date", "due_date"),
    ("due", "due_date"),
    ("consent", "consent"),
    ("timezone", "timezone"),
    ("zone", "timezone"),
    ("title", "title"),
    ("status", "status"),
    ("segment", "segment"),
];

impl Fault {
    /// What a reason says.
    pub fn of(reason: &str) -> Self {
        let known = SAID.iter().find(|(words, ..)| reason.contains(words));
        let (rule, fix) = known.map_or_else(
            || ("refused", by_words(reason)),
            |(_, rule, fix)| (*rule, *fix),
        );
        let code = code(reason);
        let field = code.as_deref().and_then(|code| {
            let mut words = code.split([' ', '_', '.', '-']);
            words.find_map(|word| {
                let mut fields = FIELDS.iter();
                fields.find(|(name, _)| *name == word)
            })
        });
        Self {
            rule,
            field: field.map(|(_, field)| *field),
            code,
            fix,
        }
    }

    /// The CRM has the record in another state, or under another id.
    pub fn is_conflict(&self) -> bool {
        self.rule == "conflict"
    }

    /// It is about an address that is not good: a stop, and no failure.
    pub(super) fn is_address(&self) -> bool {
        self.rule == "address"
    }
}

/// Where a sentence of an adapter of one's own names who must act.
fn by_words(reason: &str) -> Fix {
    if reason.contains("the office must") {
        Fix::Office
    } else if ["administrator", "set ", "check ", "permit", "settings"]
        .iter()
        .any(|word| reason.contains(word))
    {
        Fix::Config
    } else {
        Fix::Vendor
    }
}

/// What stands in brackets and begins with a status: `422 invalid_phone`.
fn code(reason: &str) -> Option<String> {
    reason.split('(').skip(1).find_map(|part| {
        let code = part.split(')').next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | '-');
        let fine = code.len() <= 60 && code.chars().all(plain);
        (fine && code.starts_with(|c: char| c.is_ascii_digit())).then(|| code.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_its_rule_code_field_and_who_can_mend_it() {
        let fault = Fault::of(
            "the crm will not take this content (422 invalid_phone); the office must mend the data, \
             or the crm's administrator its fields",
        );
        assert_eq!(fault.rule, "content");
        assert_eq!(fault.code.as_deref(), Some("422 invalid_phone"));
        assert_eq!((fault.field, fault.fix), (Some("phone"), Fix::Office));
        let fault = Fault::of("the crm takes no record this large (413)");
        assert_eq!((fault.rule, fault.fix), ("too_large", Fix::Config));
        assert_eq!((fault.code.as_deref(), fault.field), (Some("413"), None));
    }

    #[test]
    fn a_sentence_that_nobody_knows_still_names_somebody() {
        let fault = Fault::of("no; the office must say why");
        assert_eq!((fault.rule, fault.fix), ("refused", Fix::Office));
        assert_eq!(Fault::of("check the settings").fix, Fix::Config);
        assert_eq!(Fault::of("").fix, Fix::Vendor);
        // What stands in brackets and is no code is not taken for one.
        assert_eq!(Fault::of("no (Jane Smith, 503-555-0142)").code, None);
        assert_eq!(Fault::of("no (503-555-0142, Jane)").code, None);
    }
}
