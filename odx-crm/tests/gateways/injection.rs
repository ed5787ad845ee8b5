//! Names and subjects never become a header, a line or an address.

use odx_core::Phi;
use odx_core::outreach::MessageGateway;
use odx_crm::sim::MailServer;

use crate::kit::{ANA_MAIL, mail_to_ana, postmark, sendgrid, smtp};

fn odd() -> Vec<String> {
    vec![
        "Bright\r\nBcc: evil@evil.example".into(),
        "Bright\nX-Evil: 1\n\n<script>".into(),
        "Bright\r\n.\r\nMAIL FROM:<evil@evil.example>".into(),
        "Bright\u{202e}selimS".into(),
        "Bri\0ght".into(),
        "Bright \u{1f9b7} Smiles".into(),
        "x".repeat(180),
        "é".repeat(180),
        "\" <evil@evil.example>, \"".into(),
        "a, b; c@d.example".into(),
        "=?utf-8?q?=0D=0ABcc:_evil@evil.example?=".into(),
        "Bright\u{2028}Bcc: evil@evil.example".into(),
    ]
}

#[tokio::test]
async fn an_odd_name_or_subject_stays_one_line_of_text() {
    let mails = crate::kit::mails();
    let server = mails.serve().await.unwrap();
    let base = server.base_url();
    let post = MailServer::serve().await.unwrap();
    let gateways: [Box<dyn MessageGateway>; 3] = [
        Box::new(sendgrid(base.as_str()).build().unwrap()),
        Box::new(postmark(base.as_str()).build().unwrap()),
        Box::new(smtp(post.port()).build().unwrap()),
    ];
    for odd in odd() {
        let mut message = mail_to_ana();
        message.practice.clone_from(&odd);
        message.subject = Some(Phi::new(odd.clone()));
        for gateway in &gateways {
            gateway.send(&message).await.unwrap();
        }
    }
    let broken = |text: &str| {
        text.contains(|c: char| {
            c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}')
        })
    };
    assert_eq!(mails.mails().len(), odd().len() * 2);
    for mail in mails.mails() {
        assert_eq!(mail.to, ANA_MAIL);
        assert!(
            !broken(&mail.from) && !broken(&mail.subject),
            "{:?}",
            mail.subject
        );
    }
    assert!(mails.misfits().is_empty());
    assert_eq!(post.took().len(), odd().len());
    let known = [
        "Date",
        "Message-ID",
        "From",
        "To",
        "Subject",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];
    for took in post.took() {
        assert_eq!(took.to, [ANA_MAIL]);
        for (name, value) in took.headers() {
            assert!(known.contains(&name.as_str()), "{name}");
            assert!(
                value.is_ascii() && !broken(&value.replace('\t', " ")),
                "{name}: {value:?}"
            );
        }
        assert_eq!(took.headers().len(), known.len(), "{:?}", took.headers());
        for line in took.raw.split("\r\n") {
            assert!(
                line.len() <= 998 && !line.contains(['\r', '\n']),
                "{line:?}"
            );
        }
    }
}
