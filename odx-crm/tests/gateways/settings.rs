//! Bad settings are found where a gateway is built, all of them at once.

use std::time::Duration;

use odx_core::{ErrorKind, Secret, SinkId};
use odx_crm::gateway::{SmtpConfig, SmtpSecurity, TwilioConfig};

use crate::kit::{from, postmark, sendgrid, smtp, twilio, url};

#[test]
fn every_bad_setting_of_texts_is_named_in_one_error() {
    let error = TwilioConfig::new(
        SinkId::new("twilio", "1001").unwrap(),
        "AC12",
        "hunter2",
        Secret::new("hunter2\n"),
        "+15035550100",
    )
    .with_base_url(url("http://u:hunter2@169.254.169.254/?q=1"))
    .with_status_callback(url("http://my_host.example/x"))
    .with_timeout(Duration::ZERO)
    .build()
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    for part in [
        "https",
        "user",
        "query",
        "metadata",
        "account sid",
        "api key",
        "secret of",
        "messaging service",
        "status callback must be https",
        "underscore",
        "auth token",
        "timeout",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    assert!(!text.contains("hunter2"));
}

#[test]
fn words_of_a_settings_file_are_read_as_they_are_documented() {
    use odx_crm::gateway::Baa;
    use odx_crm::gateway::twilio::Retention;
    for baa in [Baa::Confirmed, Baa::No] {
        let read: Baa = serde_json::from_value(baa.name().into()).unwrap();
        assert_eq!(read, baa);
    }
    assert!(serde_json::from_value::<Baa>("yes".into()).is_err());
    let plain: SmtpSecurity = serde_json::from_value("loopback_plain".into()).unwrap();
    assert_eq!(plain, SmtpSecurity::LoopbackPlain);
    let minimal: Retention = serde_json::from_value("minimal".into()).unwrap();
    assert_eq!(minimal, Retention::Minimal);
}

#[test]
fn plain_http_is_for_loopback_only() {
    for base in [
        "http://provider.example",
        "ftp://provider.example",
        "https://[fe80::1]",
    ] {
        assert!(twilio(base).build().is_err(), "{base}");
        assert!(sendgrid(base).build().is_err(), "{base}");
        assert!(postmark(base).build().is_err(), "{base}");
    }
    twilio("https://provider.example/twilio/").build().unwrap();
}

#[test]
fn mail_settings_are_checked() {
    let key = sendgrid("https://x.example")
        .with_event_key("not a key")
        .build();
    assert!(key.unwrap_err().to_string().contains("P-256"));
    let stream = postmark("https://x.example")
        .with_broadcast_stream("outbound")
        .build();
    assert!(stream.unwrap_err().to_string().contains("stream"));
    let guess = postmark("https://x.example").with_callback(
        Secret::new("https://x.example/"),
        Secret::new("u"),
        Secret::new("p"),
    );
    assert!(guess.build().unwrap_err().to_string().contains("guess"));
    let away = |security| {
        SmtpConfig::new(SinkId::new("smtp", "1001").unwrap(), "mail.example", from())
            .with_security(security)
    };
    let login = Secret::new("pw");
    assert!(
        away(SmtpSecurity::LoopbackPlain)
            .with_login("u", login.clone())
            .build()
            .is_err()
    );
    assert!(away(SmtpSecurity::StartTls).build().is_err());
    away(SmtpSecurity::StartTls)
        .with_login("u", login.clone())
        .build()
        .unwrap();
    smtp(1).with_login("a\r\nb", login).build().unwrap_err();
    for host in ["169.254.169.254", "mail.example:25", "a b", "", "fe80::1"] {
        let config = SmtpConfig::new(SinkId::new("smtp", "1001").unwrap(), host, from())
            .with_login("u", Secret::new("pw"));
        assert!(config.build().is_err(), "{host}");
    }
}
