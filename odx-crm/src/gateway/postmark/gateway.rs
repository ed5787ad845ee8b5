//! `impl MessageGateway`: glue, no cleverness.

use std::time::Duration;

use async_trait::async_trait;
use odx_core::effect::Receipt;
use odx_core::model::{Channel, Email};
use odx_core::outreach::{Attempt, Heard, Inbound, Message, MessageGateway, SendError};
use odx_core::source::Probe;
use odx_core::{Result, SinkId};

use super::callback::{self, Caller};
use super::client::Client;
use super::error::Cause;
use super::wire::Send;
use crate::gateway::mail::{Baa, Mail};

/// Mail of one office through one server of Postmark's.
#[derive(Debug)]
pub struct PostmarkGateway {
    pub(super) id: SinkId,
    pub(super) client: Client,
    pub(super) from: Email,
    pub(super) baa: Baa,
    pub(super) transactional: String,
    pub(super) broadcast: String,
    pub(super) callers: Vec<Caller>,
}

#[async_trait]
impl MessageGateway for PostmarkGateway {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn sender(&self) -> &str {
        self.from.address().expose()
    }

    fn channel(&self) -> Channel {
        Channel::Email
    }

    async fn probe(&self) -> Result<Probe> {
        self.client.probe().await?;
        let mut findings = vec!["postmark answers, and takes the token".to_owned()];
        findings.extend(self.baa.finding());
        if self.callers.is_empty() {
            findings.push(
                "bounces and complaints are not heard of; set the address and password of the \
                 webhook"
                    .to_owned(),
            );
        }
        Ok(Probe::new(findings))
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let mail = Mail::of(message, self.baa)?;
        let stream = if message.purpose.is_marketing() {
            &self.broadcast
        } else {
            &self.transactional
        };
        let send = Send::of(message, &mail, self.from.address().expose(), stream);
        self.client.send(&send, &message.to).await
    }

    async fn find(&self, _attempt: &Attempt) -> Result<Option<Receipt>> {
        Err(Cause::NoFinding.into())
    }

    fn settles_within(&self) -> Duration {
        self.client.line().timeout()
    }

    fn hear(&self, call: &Inbound) -> Result<Vec<Heard>> {
        callback::hear(call, &self.callers)
    }

    fn requests(&self) -> u64 {
        self.client.line().requests()
    }
}
