//! The reference's answers, and the class each belongs to.

use std::time::Duration;

use odx_core::Disposition;
use odx_core::effect::Receipt;
use odx_core::outreach::{Heard, Message, MessageGateway, SendError, Status};
use odx_crm::sim::{Fault, Texts};
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::kit::{ANA, HOOK, class, mail_to_ana, postmark, sendgrid, text_to_ana, twilio};
use crate::schema::fixture;

fn template(response: &Value, body: Option<Value>) -> ResponseTemplate {
    let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
    let mut template = ResponseTemplate::new(status);
    for (name, value) in response["headers"].as_object().unwrap() {
        template = template.insert_header(name.as_str(), value.as_str().unwrap());
    }
    match body.unwrap_or_else(|| response["body"].clone()) {
        Value::Null => template,
        body => template.set_body_json(body),
    }
}

async fn answered(
    template: ResponseTemplate,
    gateway: impl FnOnce(&str) -> Box<dyn MessageGateway>,
    message: &Message,
) -> Result<Receipt, SendError> {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(template)
        .mount(&server)
        .await;
    gateway(&server.uri()).send(message).await
}

fn check(vendor: &str, expect: &Value, got: &Result<Receipt, SendError>) {
    let want = match expect["class"].as_str().unwrap() {
        "accepted" => "accepted",
        "suppress" => "suppressed",
        "rejected" => "rejected",
        "auth_config" | "rejected_config" | "bug_batch_size" => "halt",
        "throttled" => "not_sent",
        "ambiguous" => "in_doubt",
        other => panic!("what is {other}?"),
    };
    let is = got.as_ref().map_or_else(class, |_| "accepted");
    assert_eq!(is, want, "{vendor} {expect}: {got:?}");
    match got {
        Ok(receipt) => {
            if let Some(id) = expect["remote_id"].as_str() {
                assert_eq!(receipt.remote_id.as_deref(), Some(id));
            }
        }
        Err(SendError::Suppressed { stop, .. }) => {
            if let Some(reason) = expect["reason"].as_str() {
                assert_eq!(stop.reason, reason);
            }
        }
        Err(error) => {
            if let Some(delay) = expect["delay_ms"].as_u64() {
                let after = Some(Duration::from_millis(delay));
                assert_eq!(error.error().disposition(), Disposition::Retry { after });
            }
        }
    }
}

#[tokio::test]
async fn every_answer_of_the_reference_means_what_it_says() {
    let mut seen = 0;
    for case in fixture("error_cases.json").as_array().unwrap() {
        let (response, expect) = (&case["response"], &case["expect"]);
        match (
            case["vendor"].as_str().unwrap(),
            case["op"].as_str().unwrap(),
        ) {
            ("twilio", "message.create") if response["status"].is_null() => {
                let texts = crate::kit::texts();
                let server = texts.serve().await.unwrap();
                texts.fail_next(1, Fault::ResetAfter);
                let gateway = twilio(server.base_url().as_str()).build().unwrap();
                check("twilio", expect, &gateway.send(&text_to_ana()).await);
            }
            ("twilio", "message.create") => {
                let make = |base: &str| -> Box<dyn MessageGateway> {
                    Box::new(twilio(base).build().unwrap())
                };
                let got = answered(template(response, None), make, &text_to_ana()).await;
                check("twilio", expect, &got);
            }
            ("twilio", "message.status_callback") => status_callback(&response["body"], expect),
            ("sendgrid", "mail.send") => {
                let make = |base: &str| -> Box<dyn MessageGateway> {
                    Box::new(sendgrid(base).build().unwrap())
                };
                let got = answered(template(response, None), make, &mail_to_ana()).await;
                check("sendgrid", expect, &got);
            }
            ("postmark", "mail.batch") => {
                // We send one mail at a time: each item of a batch is an answer to one.
                let items = expect["items"].as_array().cloned().unwrap_or_default();
                let make = |base: &str| -> Box<dyn MessageGateway> {
                    Box::new(postmark(base).build().unwrap())
                };
                if items.is_empty() {
                    let got = answered(template(response, None), make, &mail_to_ana()).await;
                    check("postmark", expect, &got);
                }
                for (item, class) in response["body"].as_array().into_iter().flatten().zip(items) {
                    let one = template(response, Some(Value::from(vec![item.clone()])));
                    let got = answered(one, make, &mail_to_ana()).await;
                    check("postmark", &serde_json::json!({ "class": class }), &got);
                }
            }
            other => panic!("what is {other:?}?"),
        }
        seen += 1;
    }
    assert_eq!(seen, 26);
}

/// A report goes through the door it would come by: signed.
fn status_callback(body: &Value, expect: &Value) {
    let gateway = twilio("http://127.0.0.1:9").build().unwrap();
    let heard = {
        let pairs = [
            ("MessageSid", body["MessageSid"].as_str().unwrap()),
            ("MessageStatus", body["MessageStatus"].as_str().unwrap()),
            ("ErrorCode", body["ErrorCode"].as_str().unwrap()),
            ("To", ANA),
        ];
        let call = crate::calls::signed(HOOK, &pairs, Texts::AUTH_TOKEN);
        gateway.hear(&call).unwrap()
    };
    let reason = expect["reason"].as_str().unwrap();
    assert!(
        matches!(&heard[0], Heard::Status { status: Status::Failed, reason: Some(why), .. } if why == reason),
        "{expect}: {heard:?}"
    );
    match expect["class"].as_str().unwrap() {
        "retry_later" | "retry_limited" => assert_eq!(heard.len(), 1, "{expect}"),
        "suppress" => {
            assert!(
                matches!(&heard[1], Heard::Stop(stop) if stop.reason == reason),
                "{expect}"
            );
        }
        "auth_config" => assert!(matches!(&heard[1], Heard::Account(_)), "{expect}"),
        "stop_template" => assert!(matches!(&heard[1], Heard::Filtered { .. }), "{expect}"),
        other => panic!("what is {other}?"),
    }
}

#[tokio::test]
async fn every_setup_code_halts_with_a_sentence_that_says_who_must_act() {
    let texts = crate::kit::texts();
    let server = texts.serve().await.unwrap();
    let gateway = twilio(server.base_url().as_str()).build().unwrap();
    for code in [20003, 21408, 21606, 21611, 30002, 30034, 21705, 21609] {
        texts.refuse_next(400, code);
        let error = gateway.send(&text_to_ana()).await.unwrap_err();
        assert_eq!(class(&error), "halt", "{code}");
        let said = error.error().to_string();
        let names = ["must", "set one"].iter().any(|word| said.contains(word));
        assert!(names, "{code}: {said}");
    }
    for (code, reason) in [
        (21610, "keyword_stop"),
        (21614, "not_mobile"),
        (30004, "blocked_by_recipient_or_carrier"),
        (30005, "unknown_handset"),
        (30006, "landline"),
    ] {
        texts.refuse_next(400, code);
        let error = gateway.send(&text_to_ana()).await.unwrap_err();
        let SendError::Suppressed { stop, .. } = error else {
            panic!("{code}: {error:?}");
        };
        assert_eq!(stop.reason, reason);
    }
    for code in [21211, 21217, 21617] {
        texts.refuse_next(400, code);
        let error = gateway.send(&text_to_ana()).await.unwrap_err();
        assert_eq!(class(&error), "rejected", "{code}");
    }
    texts.fail_next(1, Fault::Status(429, Some("7".into())));
    let error = gateway.send(&text_to_ana()).await.unwrap_err();
    let after = Some(Duration::from_secs(7));
    assert_eq!(class(&error), "not_sent");
    assert_eq!(error.error().disposition(), Disposition::Retry { after });
    assert!(texts.texts().is_empty());
}

#[tokio::test]
async fn a_success_without_an_id_is_in_doubt() {
    let twilio =
        |base: &str| -> Box<dyn MessageGateway> { Box::new(twilio(base).build().unwrap()) };
    for template in [
        ResponseTemplate::new(201),
        ResponseTemplate::new(201).set_body_string("<html>login</html>"),
        ResponseTemplate::new(201).set_body_json(serde_json::json!({ "sid": "" })),
        ResponseTemplate::new(201).set_body_json(serde_json::json!({ "sid": null })),
        ResponseTemplate::new(200).set_body_json(serde_json::json!({ "sid": "SM1" })),
    ] {
        let got = answered(template, twilio, &text_to_ana()).await;
        assert_eq!(class(&got.unwrap_err()), "in_doubt");
    }
    let postmark =
        |base: &str| -> Box<dyn MessageGateway> { Box::new(postmark(base).build().unwrap()) };
    for body in [
        serde_json::json!([]),
        serde_json::json!({}),
        serde_json::json!([{ "ErrorCode": 0 }]),
        serde_json::json!([{ "ErrorCode": 0, "MessageID": "a" }, { "ErrorCode": 0, "MessageID": "b" }]),
    ] {
        let template = ResponseTemplate::new(200).set_body_json(body);
        let got = answered(template, postmark, &mail_to_ana()).await;
        assert_eq!(class(&got.unwrap_err()), "in_doubt");
    }
}
