//! `impl MessageGateway`: glue, no cleverness.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use odx_core::effect::Receipt;
use odx_core::model::{Channel, Email};
use odx_core::outreach::{
    Address, Attempt, Heard, Inbound, Message, MessageGateway, Purpose, SendError,
};
use odx_core::sink::SuppressionPage;
use odx_core::source::{Cursor, Probe};
use odx_core::{Result, SinkId};

use super::callback::{self, PublicKey};
use super::client::{self, Client};
use super::error::Cause;
use super::wire::Send;
use crate::gateway::mail::{Baa, Mail};

/// Mail of one office through one account of SendGrid's.
#[derive(Debug)]
pub struct SendGridGateway {
    pub(super) id: SinkId,
    pub(super) client: Client,
    pub(super) from: Email,
    pub(super) baa: Baa,
    pub(super) groups: BTreeMap<Purpose, u32>,
    pub(super) keys: Vec<PublicKey>,
}

#[async_trait]
impl MessageGateway for SendGridGateway {
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
        let mut findings = vec!["sendgrid answers, and takes the key".to_owned()];
        findings.extend(self.baa.finding());
        if self.keys.is_empty() {
            findings.push(
                "events cannot be checked; set the verification key of the event webhook"
                    .to_owned(),
            );
        }
        Ok(Probe::new(findings))
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let mail = Mail::of(message, self.baa)?;
        let group = self.groups.get(&message.purpose).copied();
        let send = Send::of(message, &mail, self.from.address().expose(), group);
        let body = client::body(&send).map_err(SendError::NotSent)?;
        self.client.send(body).await
    }

    async fn find(&self, _attempt: &Attempt) -> Result<Option<Receipt>> {
        Err(Cause::NoFinding.into())
    }

    fn settles_within(&self) -> Duration {
        self.client.line().timeout()
    }

    async fn suppressions(&self, since: Option<Cursor>) -> Result<SuppressionPage> {
        self.client.suppressions(since.as_ref()).await
    }

    async fn suppress(&self, address: &Address) -> Result<bool> {
        let Address::Email(email) = address else {
            return Err(Cause::NotAMail.into());
        };
        self.client.suppress(email.address().expose()).await?;
        Ok(true)
    }

    fn hear(&self, call: &Inbound) -> Result<Vec<Heard>> {
        callback::hear(call, &self.keys)
    }

    fn requests(&self) -> u64 {
        self.client.line().requests()
    }
}
