//! The reference's golden requests, and the vendors' schemas.

use odx_core::outreach::{Message, MessageGateway};
use odx_crm::Url;
use serde_json::{Map, Value};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::kit::{mail_to_ana, postmark, sendgrid, text_to_ana, twilio};
use crate::schema::{self, fixture};

async fn sent(gateway: impl FnOnce(&str) -> Box<dyn MessageGateway>, message: &Message) -> Request {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(202))
        .mount(&server)
        .await;
    // What comes back is not looked at here.
    drop(gateway(&server.uri()).send(message).await);
    let mut requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1, "one request, whatever is answered");
    requests.remove(0)
}

fn body_of(request: &Request) -> Value {
    if request.headers["content-type"] == "application/x-www-form-urlencoded" {
        let mut url = Url::parse("http://x").unwrap();
        url.set_query(Some(std::str::from_utf8(&request.body).unwrap()));
        let fields: Map<String, Value> = url
            .query_pairs()
            .map(|(name, value)| {
                let value = if name == "ValidityPeriod" {
                    Value::from(value.parse::<u64>().unwrap())
                } else {
                    Value::from(value.into_owned())
                };
                (name.into_owned(), value)
            })
            .collect();
        return Value::Object(fields);
    }
    serde_json::from_slice(&request.body).unwrap()
}

fn check_operation(vendor: &str, request: &Request) {
    let operations = fixture("operations.json");
    let operation = operations.as_array().unwrap();
    let operation = operation.iter().find(|op| op["vendor"] == vendor).unwrap();
    assert_eq!(
        request.method.as_str(),
        operation["method"].as_str().unwrap()
    );
    for (name, pattern) in operation["required_headers"].as_object().unwrap() {
        let value = request.headers[name.as_str()].to_str().unwrap();
        let pattern = pattern.as_str().unwrap();
        let start = pattern.trim_start_matches('^').trim_end_matches(".+");
        assert!(
            value.starts_with(start) && value.len() >= start.len(),
            "{name}"
        );
    }
    let schema = schema::at(operation["request_schema"].as_str().unwrap());
    let body = body_of(request);
    assert!(schema.is_valid(&body), "{vendor}: {body}");
}

#[tokio::test]
async fn the_golden_requests_come_out_as_they_are_written() {
    let golden = fixture("golden_requests.json");
    for want in golden.as_array().unwrap() {
        let vendor = want["vendor"].as_str().unwrap();
        let request = match vendor {
            "twilio" => {
                sent(
                    |base| Box::new(twilio(base).build().unwrap()),
                    &text_to_ana(),
                )
                .await
            }
            _ => {
                sent(
                    |base| Box::new(sendgrid(base).build().unwrap()),
                    &mail_to_ana(),
                )
                .await
            }
        };
        assert_eq!(request.method.as_str(), want["method"].as_str().unwrap());
        assert_eq!(request.url.path(), want["path"].as_str().unwrap());
        assert_eq!(body_of(&request), want["body"]);
        check_operation(vendor, &request);
    }
    assert_eq!(golden.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_mail_for_postmark_fits_its_contract_and_goes_by_the_stream_of_its_purpose() {
    use odx_core::outreach::Purpose;
    for (purpose, stream) in [
        (Purpose::Recall, "outbound"),
        (Purpose::Reactivation, "broadcast"),
        (Purpose::Review, "broadcast"),
    ] {
        let mut message = mail_to_ana();
        message.purpose = purpose;
        message.unsubscribe = Some(Url::parse("https://go.example/u/x1").unwrap().into());
        let request = sent(|base| Box::new(postmark(base).build().unwrap()), &message).await;
        check_operation("postmark", &request);
        let body = body_of(&request);
        assert_eq!(body[0]["MessageStream"], stream);
        assert_eq!(
            body[0]["From"],
            "\"Bright Smiles\" <hello@brightsmiles.example>"
        );
        assert_eq!(body[0]["Metadata"]["odx_attempt"], message.key.as_str());
        assert_eq!(
            body[0]["Headers"],
            serde_json::json!([
                { "Name": "List-Unsubscribe", "Value": "<https://go.example/u/x1>" },
                { "Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click" },
            ])
        );
    }
}

#[tokio::test]
async fn what_is_set_stands_in_the_request_and_nothing_else() {
    use odx_crm::gateway::twilio::Retention;
    use std::time::Duration;
    let mut message = text_to_ana();
    message.valid_for = Some(Duration::from_secs(90_000));
    let request = sent(
        |base| {
            let config = twilio(base)
                .with_content_retention(Retention::Minimal)
                .with_address_retention(Retention::Minimal);
            Box::new(config.build().unwrap())
        },
        &message,
    )
    .await;
    check_operation("twilio", &request);
    let body = body_of(&request);
    assert_eq!(body["ValidityPeriod"], 36_000);
    assert_eq!(body["ContentRetention"], "discard");
    assert_eq!(body["AddressRetention"], "obfuscate");
    assert!(body.get("SmartEncoded").is_none() && body.get("From").is_none());
    message.valid_for = Some(Duration::ZERO);
    let request = sent(|base| Box::new(twilio(base).build().unwrap()), &message).await;
    assert_eq!(body_of(&request)["ValidityPeriod"], 1);
    let number = odx_core::model::Phone::parse("+15035550100").unwrap();
    let request = sent(
        |base| Box::new(twilio(base).with_test_sender(number).build().unwrap()),
        &message,
    )
    .await;
    let body = body_of(&request);
    assert_eq!(body["From"], "+15035550100");
    assert!(body.get("MessagingServiceSid").is_none());
}
