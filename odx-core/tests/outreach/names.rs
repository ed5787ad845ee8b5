//! S11: what somebody typed into a name never becomes anything but a name.

use chrono::TimeDelta;
use odx_core::ExternalId;

use crate::office::{Bench, adult, source_id};

/// Names that bite, as people type them and as people plant them.
fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "=HYPERLINK(\"http://x.example\",\"Ana\")",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\tTab",
        "\rReturn",
        "Robert'); DROP TABLE record;--",
        "Ana\r\nBcc: all@x.example",
        "\u{202e}anA",
        "Zoe\u{308}",
        "null",
        "{{ practice_phone }}",
        "{% for x in y %}",
        "https://evil.example/x",
        "\u{1f600}",
        "O'Brien-Mc\u{200b}Kay",
        "../../etc/passwd",
        "%0d%0aX: y",
        "",
        "   ",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("N".repeat(180));
    names
}

#[tokio::test]
async fn s11_a_name_stays_a_name_in_the_crm_and_in_every_message() {
    let b = Bench::new();
    let names = names();
    for (n, name) in (1..).zip(&names) {
        let mut person = adult(n);
        person.first_name = name.clone().into();
        person.last_name = name.clone().into();
        if n % 2 == 0 {
            person.consent.clear();
        }
        b.put(person);
        b.due(&format!("r{n}"), &n.to_string(), -3);
    }
    let report = b.run().await;
    assert_eq!(usize::try_from(report.told).unwrap(), names.len());
    for sent in b.sent() {
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!sent.text.contains(control), "{:?}", sent.text);
        for piece in [
            "evil.example",
            "HYPERLINK",
            "DROP TABLE",
            "Bcc:",
            "{{",
            "{%",
            "\u{202e}",
            "passwd",
        ] {
            assert!(!sent.text.contains(piece), "{piece} in {:?}", sent.text);
        }
        let lines = sent.text.lines().count();
        assert!(sent.to.contains('@') || lines == 1, "{:?}", sent.text);
    }
    let contacts = b.sink.contacts();
    for (n, name) in (1..).zip(&names) {
        let contact = &contacts[&ExternalId::from_kept(format!("t:main-st:{n}"))];
        let told = contact.first_name.expose();
        assert!(!told.contains(char::is_control), "{told:?}");
        // A CRM that takes JSON gets the text as it is, but for what cannot be seen.
        let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
        let kept: String = told.chars().filter(|c| c.is_alphanumeric()).collect();
        if name.is_ascii() {
            assert_eq!(plain, kept);
        }
    }
    let rows = b.store.outreach();
    let rows = rows
        .decisions(&source_id(), &odx_core::PatientKey::new("7"))
        .await
        .unwrap();
    assert!(!format!("{rows:?}").contains("DROP"));
    b.later(TimeDelta::days(1)).await;
}
