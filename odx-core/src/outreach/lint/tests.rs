use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::phi::Phi;

fn ids(found: &[Finding]) -> BTreeSet<&'static str> {
    found.iter().map(|one| one.rule.as_str()).collect()
}

fn of(purpose: Purpose, channel: Channel, text: &str) -> Vec<Finding> {
    source(purpose, channel, None, text, &LintRules::default())
}

/// A text that is fine but for these words.
fn saying(purpose: Purpose, words: &str) -> BTreeSet<&'static str> {
    let text = format!("{{{{ practice_name }}}}: {words} Reply STOP to opt out.");
    let mut ids = ids(&of(purpose, Channel::Sms, &text));
    // Tricks with characters are caught twice, length is not the matter here.
    ids.remove("not_gsm7");
    ids
}

#[test]
fn every_vector_finds_just_its_rules() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/template_lint.json")).unwrap();
    let allowed: Vec<&str> = vectors["allowed_placeholders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(allowed, ALLOWED);
    let cases = vectors["cases"].as_array().unwrap();
    for case in cases {
        let purpose = match case["purpose"].as_str() {
            Some("review") => Purpose::Review,
            Some("reactivation") => Purpose::Reactivation,
            _ => Purpose::Recall,
        };
        let channel = match case["channel"].as_str() {
            Some("email") => Channel::Email,
            _ => Channel::Sms,
        };
        let text = case["text"].as_str().unwrap();
        let found = of(purpose, channel, text);
        let expected = case["expect"].as_array().unwrap();
        let expected = expected.iter().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(ids(&found), expected, "{text}: {found:?}");
    }
    assert_eq!(cases.len(), 18);
}

#[test]
fn clinical_words_are_found_however_they_are_written() {
    for words in [
        "YOUR IMPLANT is due.",
        "your Implants",
        "im\u{200b}plant",
        "im\u{ad}plant",
        "ｉｍｐｌａｎｔ",
        "implаnt",
        "im-plant",
        "i m p l a n t",
        "i.m.p.l.a.n.t",
        "root-canal",
        "root canal",
        "ROOT\nCANAL",
        "your teeth-cleaning",
        "su limpieza",
        "sus EMPASTES",
        "extracción",
        "Endodoncia",
        "your fillings",
        "gums",
        "cavities",
        "x-ray",
        "X-rays",
        "amoxicillin",
        "tooth's",
        "diabetic",
        "_implant_",
        "implant{% if first_name %}s{% endif %}",
        "im{% if first_name %}plant{% endif %}",
        "{% if first_name %}crown{% else %}visit{% endif %}",
    ] {
        assert_eq!(
            saying(Purpose::Recall, words),
            BTreeSet::from(["clinical_term"]),
            "{words}"
        );
    }
}

#[test]
fn ordinary_words_may_be_said() {
    for words in [
        "time for your check-up.",
        "we have openings, feel free to call our toll-free number.",
        "it is time for your next visit!",
        "We look after you, any time.",
        "please call us to schedule your appointment",
        "es hora de su próxima visita",
        "your dental visit is due, at 10% of the effort"
            .split(',')
            .next()
            .unwrap(),
        "we are open 24/7",
        "You may call us",
        "march on in",
        "Call 503-555-0123 or 503.555.0123",
        "see https://go.example/a/1/2",
        "the whole family",
        "our hours of operation",
        "scan the code",
        "Contact us",
    ] {
        assert_eq!(saying(Purpose::Recall, words), BTreeSet::new(), "{words}");
    }
}

#[test]
fn codes_of_procedures_are_found() {
    for words in ["D1110", "d0120", "D 1110", "Ｄ１１１０", "(D4910)", "CDT"] {
        assert_eq!(
            saying(Purpose::Recall, words),
            BTreeSet::from(["procedure_code"]),
            "{words}"
        );
    }
    assert_eq!(saying(Purpose::Recall, "D12345 AD1110"), BTreeSet::new());
}

#[test]
fn days_and_dates_are_found_and_may_is_not_one() {
    for words in [
        "on Thursday",
        "MONDAY",
        "yesterday’s visit",
        "your visit on March 5",
        "5th of May",
        "May 5th",
        "el 5 de mayo",
        "3/5",
        "03/05/2026",
        "2026-03-05",
        "5.3.2026",
        "last week",
        "today's visit",
        "for coming in today",
        "el jueves",
        "ayer",
        "three weeks ago",
    ] {
        assert_eq!(
            saying(Purpose::Review, words),
            BTreeSet::from(["visit_date"]),
            "{words}"
        );
    }
}

#[test]
fn money_and_offers_are_told_apart() {
    for (words, rule) in [
        ("you owe us", "financial"),
        ("your insurance", "financial"),
        ("$ 40 is due", "financial"),
        ("your co-pay", "financial"),
        ("su saldo", "financial"),
        ("$10 off", "promotional"),
        ("a free visit", "promotional"),
        ("SPECIAL", "promotional"),
        ("15 % for you", "promotional"),
        ("gratis", "promotional"),
        ("a discount", "promotional"),
    ] {
        assert_eq!(
            saying(Purpose::Recall, words),
            BTreeSet::from([rule]),
            "{words}"
        );
    }
    assert_eq!(
        saying(Purpose::Reactivation, "15% off, a discount"),
        BTreeSet::new()
    );
}

#[test]
fn reviews_are_neither_bought_nor_picked() {
    for (words, rule) in [
        ("and win a gift card", "review_incentive"),
        ("$5 Starbucks", "review_incentive"),
        ("we donate for each", "review_incentive"),
        ("a cambio de un regalo", "review_incentive"),
        ("if you were happy", "review_gating"),
        ("five stars", "review_gating"),
        ("tell us first", "review_gating"),
        ("5 estrellas", "review_gating"),
        ("any concerns?", "review_gating"),
    ] {
        assert_eq!(
            saying(Purpose::Review, words),
            BTreeSet::from([rule]),
            "{words}"
        );
    }
}

#[test]
fn a_shortener_is_one_in_any_disguise() {
    for words in [
        "BIT.LY/x",
        "www.bit.ly/x",
        "https://tinyurl.com/x",
        "bit。ly/x",
        "https://a.bit.ly/x",
        "go to t.co/x.",
    ] {
        let ids = saying(Purpose::Recall, words);
        assert_eq!(ids, BTreeSet::from(["public_shortener"]), "{words}");
    }
    assert!(!saying(Purpose::Recall, "habit.lyon.example first.co").contains("public_shortener"));
}

#[test]
fn a_name_does_not_stand_in_a_link_or_a_word() {
    for words in [
        "https://x.example/{{ first_name }}",
        "{{ first_name }}.example",
        "x{{ first_name }}",
        "{{ first_name }}{{ practice_phone }}",
        "{{ first_name }}.{{ practice_phone }}",
        "?n={{first_name}}",
    ] {
        assert!(
            saying(Purpose::Recall, words).contains("identity_excess"),
            "{words}"
        );
    }
    for words in [
        "Hi {{ first_name }}, hello",
        "({{ first_name }})",
        "{{ first_name }}.",
        "{{ first_name }}'s turn",
    ] {
        assert_eq!(saying(Purpose::Recall, words), BTreeSet::new(), "{words}");
    }
}

#[test]
fn the_way_out_is_told_not_mentioned() {
    for (text, fine) in [
        ("Reply STOP to opt out.", true),
        ("STOP=end", true),
        ("text stop to end", true),
        ("Responda ALTO para salir", true),
        ("Stop by soon.", false),
        ("stop", false),
        ("nonSTOP", false),
        ("", false),
    ] {
        let found = of(
            Purpose::Recall,
            Channel::Sms,
            &format!("{{{{ practice_name }}}} {text}"),
        );
        assert_eq!(!ids(&found).contains("missing_opt_out"), fine, "{text}");
    }
}

#[test]
fn what_stands_in_a_condition_is_not_always_there() {
    let text = "{% if practice_name %}{{ practice_name }}{% endif %} Reply STOP to opt out.";
    assert_eq!(
        ids(&of(Purpose::Recall, Channel::Sms, text)),
        BTreeSet::from(["missing_sender"])
    );
}

#[test]
fn a_care_message_under_the_exemption_is_short_and_has_a_number() {
    let rules = LintRules::default().with_profile(Profile::HealthcareExempt);
    let of = |text: &str| {
        ids(&source(
            Purpose::Reactivation,
            Channel::Sms,
            None,
            text,
            &rules,
        ))
    };
    let good = "{{ practice_name }}: time for your visit. Call {{ practice_phone }}. Reply STOP to opt out.";
    assert_eq!(of(good), BTreeSet::new());
    assert_eq!(
        of(&good.replace("{{ practice_phone }}", "us")),
        BTreeSet::from(["missing_sender"])
    );
    assert_eq!(
        of(&format!("{good} {}", "a".repeat(160))),
        BTreeSet::from(["too_long"])
    );
    assert_eq!(
        of(&format!("{good} 10% off")),
        BTreeSet::from(["promotional"])
    );
    let long = format!("{good} {}", "a".repeat(260));
    assert_eq!(
        ids(&super::source(
            Purpose::Recall,
            Channel::Sms,
            None,
            &long,
            &LintRules::default()
        )),
        BTreeSet::from(["too_long"])
    );
}

fn values() -> Variables {
    Variables {
        first_name: Some(Phi::new("Crown".into())),
        practice_name: Some("Bright Smiles".into()),
        practice_phone: Some("503-555-0123".into()),
        booking_link: Some(Phi::new("https://go.example/b/q7Rimplant2".into())),
        practice_postal_address: Some("3/5 Bridge Street".into()),
        ..Variables::default()
    }
}

fn sent(text: &str, values: &Variables) -> Vec<Finding> {
    rendered(
        Purpose::Recall,
        Channel::Sms,
        None,
        text,
        values,
        &LintRules::default(),
    )
}

#[test]
fn values_are_not_held_against_a_text_and_never_quoted() {
    let text = "Hi Crown, Bright Smiles, 3/5 Bridge Street, 503-555-0123, https://go.example/b/q7Rimplant2 Reply STOP to opt out.";
    assert_eq!(sent(text, &values()), vec![]);
    let found = sent("Hi Crown, your molar. Reply STOP to opt out.", &values());
    assert_eq!(
        ids(&found),
        BTreeSet::from(["clinical_term", "missing_sender"])
    );
    assert!(
        found
            .iter()
            .all(|one| !one.to_string().to_lowercase().contains("crown"))
    );
}

#[test]
fn a_practice_that_is_called_after_its_specialty_is_warned() {
    let mut values = values();
    values.practice_name = Some("Salem Orthodontics".into());
    let found = sent(
        "Salem Orthodontics: call us. Reply STOP to opt out.",
        &values,
    );
    assert_eq!(ids(&found), BTreeSet::from(["specialty_disclosure"]));
    assert!(found.iter().all(|one| one.severity == Severity::Warn));
}

#[test]
fn a_link_that_tells_or_leads_elsewhere_is_refused() {
    for (link, rule) in [
        ("https://go.example/implants/x", "clinical_term"),
        ("https://bit.ly/x1", "public_shortener"),
        ("http://go.example/x1", "bad_value"),
        ("javascript:alert(1)", "bad_value"),
        ("https://go.example@bad.example/", "bad_value"),
        ("go.example/x", "bad_value"),
    ] {
        let mut values = values();
        values.booking_link = Some(Phi::new(link.into()));
        let found = sent(
            &format!("Bright Smiles: {link} Reply STOP to opt out."),
            &values,
        );
        assert!(ids(&found).contains(rule), "{link}: {found:?}");
    }
}

#[test]
fn every_rule_has_its_own_id() {
    let rules = [
        Rule::MissingSender,
        Rule::MissingOptOut,
        Rule::ClinicalTerm,
        Rule::ProcedureCode,
        Rule::VisitDate,
        Rule::SpecialtyDisclosure,
        Rule::IdentityExcess,
        Rule::Financial,
        Rule::Promotional,
        Rule::ReviewGating,
        Rule::ReviewIncentive,
        Rule::PublicShortener,
        Rule::MissingUnsubscribe,
        Rule::MissingPostalAddress,
        Rule::UnknownPlaceholder,
        Rule::PlaceholderNotAllowed,
        Rule::NotGsm7,
        Rule::TooLong,
        Rule::TemplateSyntax,
        Rule::NotSet,
        Rule::BadValue,
    ];
    let ids: BTreeSet<_> = rules.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(ids.len(), rules.len());
}
