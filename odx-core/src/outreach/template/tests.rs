use super::*;
use crate::testkit::Mutants;

fn draft(channel: Channel, text: &str) -> Draft {
    Draft {
        id: "t".into(),
        version: 1,
        purpose: Purpose::Recall,
        channel,
        subject: (channel == Channel::Email).then(|| "A note from {{ practice_name }}".into()),
        text: text.into(),
    }
}

fn values() -> Variables {
    Variables {
        first_name: Some(Phi::new("Ana".into())),
        practice_name: Some("Bright Smiles".into()),
        practice_phone: Some("503-555-0123".into()),
        booking_link: Some(Phi::new("https://go.example/b/x1".into())),
        review_link: Some(Phi::new("https://go.example/r/x1".into())),
        unsubscribe_link: Some(Phi::new("https://go.example/u/x1".into())),
        practice_postal_address: Some("12 Main St\nSalem, OR 97301".into()),
    }
}

fn rules() -> LintRules {
    LintRules::default()
}

const TEXT: &str = "Hi {{ first_name }}, {{ practice_name }} here. Call {{ practice_phone }}. Reply STOP to opt out.";

fn rendered(name: &str) -> Rendered {
    let template = Template::build(draft(Channel::Sms, TEXT), &rules()).unwrap();
    let mut values = values();
    values.first_name = Some(Phi::new(name.into()));
    template.render(&values, &rules()).unwrap()
}

#[test]
fn the_defaults_keep_the_rules_and_fit_one_or_two_segments() {
    for purpose in Purpose::ALL {
        for channel in [Channel::Sms, Channel::Email] {
            let template = Template::default_for(purpose, channel).unwrap();
            let message = template.render(&values(), &rules()).unwrap();
            assert!(message.segments <= 2, "{purpose:?}");
            assert_eq!(message.subject.is_some(), channel == Channel::Email);
            assert!(message.text.expose().contains("Bright Smiles"));
            assert_eq!(message.warnings, vec![]);
        }
        assert_eq!(Template::default_for(purpose, Channel::Voice), None);
    }
}

#[test]
fn the_defaults_do_without_what_an_office_need_not_have() {
    let template = Template::default_for(Purpose::Recall, Channel::Sms).unwrap();
    let mut values = values();
    values.booking_link = None;
    values.first_name = None;
    let message = template.render(&values, &rules()).unwrap();
    let expected = "Hi there, this is Bright Smiles. It is time to schedule your next visit: call 503-555-0123. Reply STOP to opt out.";
    assert_eq!(message.text.expose(), expected);
    assert_eq!(message.segments, 1);
}

#[test]
fn what_an_office_has_not_set_is_named() {
    let template = Template::build(draft(Channel::Sms, TEXT), &rules()).unwrap();
    let values = Variables {
        practice_name: Some(" \n ".into()),
        ..Variables::default()
    };
    let found = template.render(&values, &rules()).unwrap_err();
    let said: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2);
    assert!(
        said[0].contains("practice_name") && said[1].contains("practice_phone"),
        "{said:?}"
    );
    assert!(found.iter().all(|one| one.rule == Rule::NotSet));
}

#[test]
fn a_condition_may_hide_what_is_not_set_but_not_in_its_else() {
    let text = "{{ practice_name }}{% if booking_link %} {{ booking_link }}{% else %} {{ practice_phone }}{% endif %} Reply STOP to opt out.";
    let template = Template::build(draft(Channel::Sms, text), &rules()).unwrap();
    let mut values = values();
    values.booking_link = None;
    let message = template.render(&values, &rules()).unwrap();
    assert_eq!(
        message.text.expose(),
        "Bright Smiles 503-555-0123 Reply STOP to opt out."
    );
    values.practice_phone = None;
    let found = template.render(&values, &rules()).unwrap_err();
    assert!(found[0].what.contains("practice_phone"));
}

#[test]
fn a_draft_that_is_no_message_is_refused() {
    let mut subject = draft(Channel::Sms, TEXT);
    subject.subject = Some("Hi".into());
    let mut bare = draft(Channel::Email, TEXT);
    bare.subject = None;
    let mut broken = draft(Channel::Email, TEXT);
    broken.subject = Some("Hi\r\nBcc: x".into());
    let mut id = draft(Channel::Sms, TEXT);
    id.id = "a b".into();
    let voice = draft(Channel::Voice, TEXT);
    for draft in [
        subject,
        bare,
        broken,
        id,
        voice,
        draft(Channel::Sms, "{{ 1 + 1 }}"),
    ] {
        let found = Template::build(draft, &rules()).unwrap_err();
        assert!(
            found.iter().any(|one| one.rule == Rule::TemplateSyntax),
            "{found:?}"
        );
    }
    let mut clinical = draft(Channel::Email, TEXT);
    clinical.subject = Some("Your implant".into());
    let found = Template::build(clinical, &rules()).unwrap_err();
    assert_eq!(found[0].rule, Rule::ClinicalTerm);
}

#[test]
fn a_name_never_costs_a_text_or_makes_it_longer() {
    for (name, shown) in [
        ("Łukasz", "Lukasz"),
        ("王芳", "there"),
        ("Zoë", "Zoe"),
        ("Molar", "Molar"),
        ("{{ practice_phone }}", "there"),
        ("Ana\r\nX: y", "Ana"),
        ("Stop", "Stop"),
    ] {
        let message = rendered(name);
        assert!(
            message
                .text
                .expose()
                .starts_with(&format!("Hi {shown}, Bright")),
            "{name}"
        );
        assert_eq!(message.segments, 1);
    }
}

#[test]
fn the_practices_name_is_written_in_the_alphabet_of_texts() {
    let template = Template::build(draft(Channel::Sms, TEXT), &rules()).unwrap();
    let mut values = values();
    values.practice_name = Some("Clínica “Sonrisa”".into());
    let message = template.render(&values, &rules()).unwrap();
    assert!(message.text.expose().contains("Clinica \"Sonrisa\""));
    values.practice_name = Some("笑顔".into());
    let found = template.render(&values, &rules()).unwrap_err();
    assert!(
        found
            .iter()
            .any(|one| one.rule == Rule::NotGsm7 && one.what.contains("practice_name"))
    );
}

#[test]
fn nothing_of_a_person_is_printed() {
    let message = rendered("Canary");
    assert!(message.text.expose().contains("Canary"));
    assert!(!format!("{message:?}").contains("Canary"));
}

#[test]
fn ten_thousand_broken_names_and_templates_do_no_harm() {
    let words = [
        "{{",
        "}}",
        "{%",
        "%}",
        "first_name",
        "practice_name",
        "if",
        "else",
        "endif",
        "\r\n",
        "http://",
        "Reply STOP",
        "{{ first_name }}",
    ];
    let corpus: Vec<Vec<u8>> = Purpose::ALL
        .iter()
        .flat_map(|purpose| {
            [Channel::Sms, Channel::Email]
                .map(|channel| Template::default_for(*purpose, channel).unwrap())
        })
        .map(|template| template.source().as_bytes().to_vec())
        .collect();
    let names = vec![
        b"Ana".to_vec(),
        "Zoë Łukasz".as_bytes().to_vec(),
        b"Robert \"Bob\"".to_vec(),
        b"https://x.example".to_vec(),
    ];
    let fixed = Template::build(draft(Channel::Sms, TEXT), &rules()).unwrap();
    let (mut built, mut sent) = (0, 0);
    let mutants = Mutants::new(18, corpus, &words).zip(Mutants::new(7, names, &words));
    for (source, name) in mutants.take(10_000) {
        let mut values = values();
        values.first_name = Some(Phi::new(String::from_utf8_lossy(&name).into_owned()));
        let message = fixed.render(&values, &rules()).unwrap();
        assert!(
            !message.text.expose().contains(char::is_control),
            "{name:?}"
        );

        let source = String::from_utf8_lossy(&source);
        let lines = source.matches(['\n', '\r']).count();
        for channel in [Channel::Sms, Channel::Email] {
            let Ok(template) = Template::build(draft(channel, &source), &rules()) else {
                continue;
            };
            built += 1;
            let Ok(message) = template.render(&values, &rules()) else {
                continue;
            };
            sent += 1;
            let text = message.text.expose();
            assert!(
                !text.contains("{{") && text.contains("Bright Smiles"),
                "{source}"
            );
            assert!(text.matches(['\n', '\r']).count() <= lines, "{source}");
            let subject = message.subject.map(Phi::into_exposed).unwrap_or_default();
            assert!(!subject.contains(char::is_control));
        }
    }
    assert!(built > 500 && sent > 500, "{built} {sent}");
}
