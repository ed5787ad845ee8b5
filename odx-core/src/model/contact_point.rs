//! Telephone numbers and e-mail addresses, checked before anything is sent to them.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use phonenumber::country::Id as Country;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::phi::Phi;

/// Why an address cannot be used. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadAddress {
    /// Nothing there.
    #[error("empty")]
    Empty,
    /// Words or digits that stand for "none".
    #[error("placeholder")]
    Placeholder,
    /// Letters in a number. The phone library would turn them into digits.
    #[error("letters in a telephone number")]
    Letters,
    /// More than one address in the field, or an address with a name around it.
    #[error("more than one address in the field")]
    Ambiguous,
    /// No telephone number can be made of it.
    #[error("not a telephone number")]
    Unparseable,
    /// A number that cannot exist.
    #[error("no such telephone number")]
    Invalid,
    /// Not the form of an e-mail address.
    #[error("not an e-mail address")]
    Syntax,
    /// A domain that cannot exist.
    #[error("no such e-mail domain")]
    Domain,
    /// A mailbox name outside ASCII, which most mail systems refuse.
    #[error("an e-mail mailbox outside ascii")]
    NonAsciiLocal,
}

/// What kind of line a number is, as far as its digits and its label say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneKind {
    /// A mobile.
    Mobile,
    /// A landline by its digits.
    Landline,
    /// A landline by a word somebody wrote beside it.
    LandlineHint,
    /// Free to call.
    TollFree,
    /// Over the internet.
    Voip,
    /// Cannot be told: most North American numbers.
    Unknown,
}

/// A telephone number in E.164.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Phone {
    #[serde(with = "crate::phi::expose")]
    e164: Phi<String>,
    #[serde(
        with = "crate::phi::expose_option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    extension: Option<Phi<String>>,
    kind: PhoneKind,
}

impl Phone {
    /// Reads a number as somebody typed it, in a country where numbers are
    /// written without their country code.
    ///
    /// # Errors
    /// Says why it cannot be used.
    ///
    /// ```
    /// use odx_core::model::Phone;
    /// let phone = Phone::parse("(503) 555-0123").unwrap();
    /// assert_eq!(phone.e164().expose(), "+15035550123");
    /// assert!(Phone::parse("1-800-FLOWERS").is_err());
    /// ```
    pub fn parse(raw: &str) -> Result<Self, BadAddress> {
        let text: String = if raw.is_ascii() {
            raw.trim().to_ascii_lowercase()
        } else {
            raw.nfkc().collect::<String>().trim().to_lowercase()
        };
        if text.is_empty() {
            return Err(BadAddress::Empty);
        }
        if is_placeholder_word(&text) {
            return Err(BadAddress::Placeholder);
        }
        let text = text.strip_prefix("tel:").unwrap_or(&text);
        let (text, extension) = split_extension(text);
        let (text, hint) = split_label(text);
        if text.chars().any(char::is_alphabetic) {
            return Err(BadAddress::Letters);
        }
        if text
            .split(['/', ',', ';'])
            .filter(|part| part.contains(|c: char| c.is_ascii_digit()))
            .count()
            > 1
        {
            return Err(BadAddress::Ambiguous);
        }
        if text.contains(|c: char| {
            !(c.is_ascii_digit()
                || matches!(
                    c,
                    '+' | '(' | ')' | '-' | '.' | ' ' | '\u{2010}'..='\u{2015}'
                ))
        }) {
            return Err(BadAddress::Unparseable);
        }
        let mut digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if is_placeholder_number(&digits) {
            return Err(BadAddress::Placeholder);
        }
        let abroad = if text.starts_with('+') {
            true
        } else if let Some(rest) = digits.strip_prefix("011") {
            digits = rest.to_owned();
            true
        } else {
            false
        };
        let (e164, kind) = match domestic(&digits).filter(|_| !abroad) {
            Some(national) => (format!("+1{national}"), kind_of_domestic(national)?),
            None => look_up(&digits, abroad)?,
        };
        Ok(Self {
            e164: Phi::new(e164),
            extension: extension.map(|digits| Phi::new(digits.to_owned())),
            kind: hint.unwrap_or(kind),
        })
    }

    /// `+` and the digits.
    pub const fn e164(&self) -> &Phi<String> {
        &self.e164
    }

    /// The extension, if one was written.
    pub const fn extension(&self) -> Option<&Phi<String>> {
        self.extension.as_ref()
    }

    /// What kind of line it is.
    pub const fn kind(&self) -> PhoneKind {
        self.kind
    }

    /// A text may be tried. Whether it is allowed is for consent to say.
    pub const fn takes_texts(&self) -> bool {
        self.extension.is_none() && matches!(self.kind, PhoneKind::Mobile | PhoneKind::Unknown)
    }
}

/// Asks the phone library: the number in E.164 and its kind.
fn look_up(digits: &str, abroad: bool) -> Result<(String, PhoneKind), BadAddress> {
    use phonenumber::Type;
    let number = if abroad {
        phonenumber::parse(None, format!("+{digits}"))
    } else {
        phonenumber::parse(Some(Country::US), digits)
    }
    .map_err(|_| BadAddress::Unparseable)?;
    if !number.is_valid() {
        return Err(BadAddress::Invalid);
    }
    let kind = match number.number_type(&phonenumber::metadata::DATABASE) {
        Type::Mobile => PhoneKind::Mobile,
        Type::FixedLine => PhoneKind::Landline,
        Type::TollFree => PhoneKind::TollFree,
        Type::Voip => PhoneKind::Voip,
        _ => PhoneKind::Unknown,
    };
    Ok((
        format!("+{}{}", number.code().value(), number.national()),
        kind,
    ))
}

/// The ten digits of a North American number, with or without its leading 1.
fn domestic(digits: &str) -> Option<&str> {
    let national = if digits.len() == 11 {
        digits.strip_prefix('1')?
    } else {
        digits
    };
    (national.len() == 10 && national.starts_with(|c: char| ('2'..='9').contains(&c)))
        .then_some(national)
}

/// The kind of a North American number. Its plan decides by area code, exchange
/// and at most one digit more; an office's patients share a few thousand of
/// those, and the library takes 15 µs for each question.
fn kind_of_domestic(national: &str) -> Result<PhoneKind, BadAddress> {
    static KNOWN: RwLock<BTreeMap<u32, Result<PhoneKind, BadAddress>>> =
        RwLock::new(BTreeMap::new());
    /// Far more than one office has, far less than there are.
    const MOST: usize = 20_000;
    let exchange: u32 = national
        .get(..6)
        .and_then(|exchange| exchange.parse().ok())
        .ok_or(BadAddress::Unparseable)?;
    if let Some(kind) = KNOWN
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&exchange)
    {
        return *kind;
    }
    let kind = look_up(national, false).map(|(_, kind)| kind);
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() < MOST {
        known.insert(exchange, kind);
    }
    kind
}

fn is_placeholder_word(text: &str) -> bool {
    matches!(
        text,
        "n/a"
            | "na"
            | "none"
            | "no"
            | "declined"
            | "refused"
            | "unknown"
            | "x"
            | "-"
            | "--"
            | "?"
            | "no phone"
            | "no email"
            | "tbd"
    )
}

fn is_placeholder_number(digits: &str) -> bool {
    let national = match digits.strip_prefix('1') {
        Some(rest) if rest.len() == 10 => rest,
        _ => digits,
    };
    let mut all = national.bytes();
    let first = all.next();
    national.len() >= 7
        && (all.all(|b| Some(b) == first) || national == "1234567890" || national == "0123456789")
}

/// `503 555 0123 x12`, `… ext. 9`, `…;ext=12`.
fn split_extension(text: &str) -> (&str, Option<&str>) {
    let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let Some(digits) = text
        .get(head.len()..)
        .filter(|digits| !digits.is_empty() && digits.len() <= 7)
    else {
        return (text, None);
    };
    let stem = head.trim_end_matches([' ', '.', '=']);
    for mark in [";ext", "extension", "ext", "x"] {
        if let Some(stem) = stem.strip_suffix(mark) {
            return (stem.trim_end(), Some(digits));
        }
    }
    (text, None)
}

/// A word beside the number that says what it is.
fn split_label(text: &str) -> (&str, Option<PhoneKind>) {
    let stem = text.trim_end_matches(|c: char| c.is_alphabetic() || matches!(c, '(' | ')' | ' '));
    let word = text
        .get(stem.len()..)
        .unwrap_or_default()
        .trim_matches(['(', ')', ' ']);
    let kind = match word {
        "cell" | "mobile" | "c" | "m" => PhoneKind::Mobile,
        "home" | "work" | "office" | "house" | "h" | "w" => PhoneKind::LandlineHint,
        _ => return (text, None),
    };
    (stem, Some(kind))
}

/// An e-mail address: mailbox as typed, domain in lower case and punycode.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email {
    #[serde(with = "crate::phi::expose")]
    address: Phi<String>,
}

impl Email {
    /// Reads one address.
    ///
    /// # Errors
    /// Says why it cannot be used.
    pub fn parse(raw: &str) -> Result<Self, BadAddress> {
        let text = raw.trim();
        if text.is_empty() {
            return Err(BadAddress::Empty);
        }
        if is_placeholder_word(&text.to_lowercase()) {
            return Err(BadAddress::Placeholder);
        }
        if text.contains(['<', '>', ',', ';', '"', ' ']) {
            return Err(BadAddress::Ambiguous);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(BadAddress::Syntax)?;
        if !local.is_ascii() {
            return Err(BadAddress::NonAsciiLocal);
        }
        let options = email_address::Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal();
        // The underscore is a fault of the domain, not of the form.
        let form = format!("{local}@{}", domain.replace('_', "-"));
        email_address::EmailAddress::parse_with_options(&form, options)
            .map_err(|_| BadAddress::Syntax)?;
        let domain = match url::Host::parse(domain) {
            Ok(url::Host::Domain(name)) => name,
            _ => return Err(BadAddress::Domain),
        };
        let tld = domain.rsplit('.').next().unwrap_or_default();
        let fine = tld.len() >= 2
            && !tld.bytes().all(|b| b.is_ascii_digit())
            && domain
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        if !fine {
            return Err(BadAddress::Domain);
        }
        let site = domain.split('.').next().unwrap_or_default();
        let nobody = |word: &str| {
            matches!(
                word,
                "none"
                    | "noemail"
                    | "no-email"
                    | "no"
                    | "na"
                    | "test"
                    | "patient"
                    | "nobody"
                    | "unknown"
                    | "declined"
            )
        };
        let local_word = local.to_ascii_lowercase();
        if nobody(&local_word) && (nobody(site) || matches!(site, "email" | "mail" | "example")) {
            return Err(BadAddress::Placeholder);
        }
        Ok(Self {
            address: Phi::new(format!("{local}@{domain}")),
        })
    }

    /// The address to send to.
    pub const fn address(&self) -> &Phi<String> {
        &self.address
    }

    /// For equality checks inside one office, never for identity.
    pub fn match_key(&self) -> Phi<String> {
        Phi::new(self.address.expose().to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn cases(file: &str) -> Vec<Value> {
        let whole: Value = serde_json::from_str(file).unwrap();
        whole["cases"].as_array().unwrap().clone()
    }

    fn code(why: BadAddress) -> &'static str {
        match why {
            BadAddress::Empty => "empty",
            BadAddress::Placeholder => "placeholder",
            BadAddress::Letters => "letters",
            BadAddress::Ambiguous => "ambiguous",
            BadAddress::Unparseable => "unparseable",
            BadAddress::Invalid => "invalid",
            BadAddress::Syntax => "syntax",
            BadAddress::Domain => "domain",
            BadAddress::NonAsciiLocal => "non_ascii_local",
        }
    }

    #[test]
    fn every_phone_vector_holds() {
        for case in cases(include_str!("../../tests/fixtures/phone.json")) {
            let raw = case["raw"].as_str().unwrap();
            let got = match Phone::parse(raw) {
                Err(why) => serde_json::json!({ "reject": code(why) }),
                Ok(phone) => serde_json::json!({
                    "e164": phone.e164().expose(),
                    "ext": phone.extension().map(Phi::expose),
                    "kind": phone.kind(),
                    "sms_candidate": phone.takes_texts(),
                }),
            };
            assert_eq!(got, case["expect"], "{raw}");
        }
    }

    #[test]
    fn every_email_vector_holds() {
        for case in cases(include_str!("../../tests/fixtures/email.json")) {
            let raw = case["raw"].as_str().unwrap();
            let got = match Email::parse(raw) {
                Err(why) => serde_json::json!({ "reject": code(why) }),
                Ok(email) => serde_json::json!({
                    "email": email.address().expose(),
                    "match_key": email.match_key().expose(),
                }),
            };
            assert_eq!(got, case["expect"], "{raw}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// What is remembered of an exchange must hold for every number in it.
        #[test]
        fn the_first_seven_digits_decide_a_north_american_number(
            exchange in 2_000_000u32..10_000_000, one in 0u32..1_000, other in 0u32..1_000,
        ) {
            let whole = |line: u32| look_up(&format!("{exchange:07}{line:03}"), false).map(|(_, kind)| kind);
            prop_assert_eq!(whole(one), whole(other));
            let number = format!("{exchange:07}{one:03}");
            prop_assert_eq!(kind_of_domestic(&number), whole(one));
            if let Ok((e164, _)) = look_up(&number, false) {
                prop_assert_eq!(e164, format!("+1{number}"));
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_in_e164_or_refused(text in "\\PC{0,24}") {
            if let Ok(phone) = Phone::parse(&text) {
                let digits = phone.e164().expose().strip_prefix('+').unwrap().to_owned();
                prop_assert!((7..=15).contains(&digits.len()));
                prop_assert!(digits.bytes().all(|b| b.is_ascii_digit()));
            }
        }

        #[test]
        fn any_text_is_one_address_or_refused(text in "\\PC{0,32}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(email.address().expose().matches('@').count(), 1);
                prop_assert!(email.address().expose().is_ascii());
            }
        }
    }
}
