//! The only file that knows the provider's addresses and headers.

use std::fmt;

use odx_core::effect::Receipt;
use odx_core::http::Method;
use odx_core::outreach::{Address, SendError};
use odx_core::{Error, ErrorKind, Result, Secret};

use super::error::{Cause, refusal, whole};
use super::wire::{Item, Send};
use crate::gateway::line::{self, Line};

pub(super) struct Client {
    line: Line,
    token: Secret,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Says who we are.
const TOKEN: &str = "X-Postmark-Server-Token";

impl Client {
    pub(super) const fn new(line: Line, token: Secret) -> Self {
        Self { line, token }
    }

    pub(super) const fn line(&self) -> &Line {
        &self.line
    }

    /// Sends one mail.
    pub(super) async fn send(&self, send: &Send<'_>, to: &Address) -> Result<Receipt, SendError> {
        let body = serde_json::to_vec(&[send])
            .map_err(|_| Error::new(ErrorKind::Bug, "a mail has no json form"))
            .map_err(SendError::NotSent)?;
        let url = self.line.url("email/batch").map_err(SendError::NotSent)?;
        let request = self
            .line
            .request(Method::POST, url)
            .header(TOKEN, self.token.expose())
            .header("Content-Type", "application/json")
            .body(body);
        let reply = self.line.act(request).await?;
        let after = self.line.wait(&reply);
        let status = reply.status.as_u16();
        if status != 200 {
            return Err(whole(status, line::json(&reply).as_ref(), after, to));
        }
        let nameless = || SendError::InDoubt(Cause::Nameless.into());
        // One mail, one item: anything else does not say what became of it.
        let [item]: [Item; 1] = line::json(&reply).ok_or_else(nameless)?;
        if item.error_code != 0 {
            return Err(refusal(&item, after, to));
        }
        let id = item.message_id.as_deref().and_then(line::id);
        id.map(Receipt::of).ok_or_else(nameless)
    }

    /// Asks for the server: that the token is good.
    pub(super) async fn probe(&self) -> Result<()> {
        let url = self.line.url("server")?;
        let request = self
            .line
            .request(Method::GET, url)
            .header(TOKEN, self.token.expose());
        let reply = self.line.ask(request).await?;
        match reply.status.as_u16() {
            200 => Ok(()),
            status => Err(Error::from(Cause::NoServer(status)).with_after(self.line.wait(&reply))),
        }
    }
}
