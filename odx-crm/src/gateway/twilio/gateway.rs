//! `impl MessageGateway`: glue, no cleverness.

use std::time::Duration;

use async_trait::async_trait;
use odx_core::effect::Receipt;
use odx_core::model::Channel;
use odx_core::outreach::{Attempt, Heard, Inbound, Message, MessageGateway, SendError};
use odx_core::source::Probe;
use odx_core::{Result, Secret, SinkId};

use super::callback;
use super::client::Client;

/// Texts of one office through one account of Twilio's.
#[derive(Debug)]
pub struct TwilioGateway {
    id: SinkId,
    client: Client,
    auth_tokens: Vec<Secret>,
}

impl TwilioGateway {
    pub(super) const fn new(id: SinkId, client: Client, auth_tokens: Vec<Secret>) -> Self {
        Self {
            id,
            client,
            auth_tokens,
        }
    }
}

/// A text that was taken shows up in the list within this.
const SHOWS_UP: Duration = Duration::from_secs(120);

#[async_trait]
impl MessageGateway for TwilioGateway {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn sender(&self) -> &str {
        self.client.sender()
    }

    fn channel(&self) -> Channel {
        Channel::Sms
    }

    async fn probe(&self) -> Result<Probe> {
        self.client.probe().await?;
        let mut findings = vec!["twilio answers, and takes the key".to_owned()];
        if self.client.is_test() {
            findings.push(
                "texts go out from a test sender, without the opt-outs of a messaging service; \
                 set the messaging service before any patient is texted"
                    .to_owned(),
            );
        }
        if self.auth_tokens.is_empty() {
            findings.push(
                "replies and delivery reports cannot be checked; set the account's auth token"
                    .to_owned(),
            );
        }
        Ok(Probe::new(findings))
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        self.client.send(message).await
    }

    async fn find(&self, attempt: &Attempt) -> Result<Option<Receipt>> {
        self.client.find(attempt).await
    }

    fn settles_within(&self) -> Duration {
        self.client.line().timeout() + SHOWS_UP
    }

    fn hear(&self, call: &Inbound) -> Result<Vec<Heard>> {
        callback::hear(call, &self.auth_tokens, self.client.account())
    }

    fn requests(&self) -> u64 {
        self.client.line().requests()
    }
}
