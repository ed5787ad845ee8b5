//! `impl MessageGateway`: glue, no cleverness.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use odx_core::clock::Clock;
use odx_core::effect::Receipt;
use odx_core::model::{Channel, Email};
use odx_core::outreach::{Attempt, Message, MessageGateway, SendError};
use odx_core::source::Probe;
use odx_core::{Result, SinkId};

use super::client::Client;
use super::error::Cause;
use super::wire;
use crate::gateway::mail::{Baa, Mail};

/// Mail of one office through its mail server.
#[derive(Debug)]
pub struct SmtpGateway {
    pub(super) id: SinkId,
    pub(super) client: Client,
    pub(super) from: Email,
    pub(super) baa: Baa,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl MessageGateway for SmtpGateway {
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
        self.client.probe().await.map_err(|error| match error {
            SendError::NotSent(error) | SendError::Refused(error) | SendError::InDoubt(error) => {
                error
            }
            SendError::Suppressed { error, .. } => error,
        })?;
        let mut findings = vec![
            "the mail server answers".to_owned(),
            "bounces come back as mail, which odx does not read: remove dead addresses by hand"
                .to_owned(),
        ];
        findings.extend(self.baa.finding());
        Ok(Probe::new(findings))
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let mail = Mail::of(message, self.baa)?;
        let parts = wire::parts(message, &mail, &self.from, self.clock.now().into())
            .map_err(|cause| SendError::Refused(cause.into()))?;
        self.client.send(&parts, &message.to).await?;
        Ok(Receipt::of(parts.id))
    }

    async fn find(&self, _attempt: &Attempt) -> Result<Option<Receipt>> {
        Err(Cause::NoFinding.into())
    }

    fn settles_within(&self) -> Duration {
        self.client.timeout()
    }

    fn requests(&self) -> u64 {
        self.client.connections()
    }
}
