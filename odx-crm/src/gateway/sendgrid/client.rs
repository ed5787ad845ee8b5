//! The only file that knows the provider's addresses and headers.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use odx_core::effect::Receipt;
use odx_core::http::{Method, Reply, RequestBuilder};
use odx_core::outreach::SendError;
use odx_core::sink::SuppressionPage;
use odx_core::source::Cursor;
use odx_core::{Error, ErrorKind, Result, Secret};
use serde_json::Value;
use url::Url;

use super::error::{Cause, refusal};
use super::stops::{Ask, PAGE, Place};
use super::wire::{Refusal, Send, Stop};
use crate::gateway::line::{self, Line};

pub(super) struct Client {
    line: Line,
    key: Secret,
    stops_group: Option<u32>,
    groups: Vec<u32>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(
        line: Line,
        key: Secret,
        stops_group: Option<u32>,
        groups: BTreeSet<u32>,
    ) -> Self {
        Self {
            line,
            key,
            stops_group,
            groups: groups.into_iter().collect(),
        }
    }

    pub(super) const fn line(&self) -> &Line {
        &self.line
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.line
            .request(method, url)
            .bearer_auth(self.key.expose())
    }

    fn json(&self, method: Method, path: &str, body: Vec<u8>) -> Result<RequestBuilder> {
        Ok(self
            .request(method, self.line.url(path)?)
            .header("Content-Type", "application/json")
            .body(body))
    }

    /// Sends one mail.
    pub(super) async fn send(&self, body: Vec<u8>) -> Result<Receipt, SendError> {
        let request = self
            .json(Method::POST, "v3/mail/send", body)
            .map_err(SendError::NotSent)?;
        let reply = self.line.act(request).await?;
        match reply.status.as_u16() {
            202 => Ok(Receipt {
                remote_id: reply.header("x-message-id").and_then(line::id),
            }),
            status => {
                let complaints = line::json::<Refusal>(&reply).map(Refusal::complaints);
                Err(refusal(status, complaints, self.wait(&reply)))
            }
        }
    }

    /// `Retry-After`, or the second from which on there is a new share.
    fn wait(&self, reply: &Reply) -> Option<Duration> {
        let reset = || {
            let at: i64 = reply.header("x-ratelimit-reset")?.trim().parse().ok()?;
            let wait = u64::try_from(at.saturating_sub(self.line.now().timestamp())).unwrap_or(0);
            // What is further away than a day is not meant.
            (wait <= 86_400).then(|| Duration::from_secs(wait))
        };
        self.line.wait(reply).or_else(reset)
    }

    /// Reads a page of suppressions.
    pub(super) async fn suppressions(&self, since: Option<&Cursor>) -> Result<SuppressionPage> {
        let mut place = Place::read(since)?;
        let ask = place.ask(&self.groups, self.line.now().timestamp())?;
        let url = match ask {
            Ask::Group(group) => self
                .line
                .url(&format!("v3/asm/groups/{group}/suppressions"))?,
            Ask::Rows {
                list,
                from,
                until,
                offset,
            } => {
                let mut url = self.line.url(&format!("v3/suppression/{list}"))?;
                let mut query = url.query_pairs_mut();
                if let Some(from) = from {
                    query.append_pair("start_time", &from.to_string());
                }
                query.append_pair("end_time", &until.to_string());
                query.append_pair("limit", &PAGE.to_string());
                query.append_pair("offset", &offset.to_string());
                drop(query);
                url
            }
        };
        let reply = self.line.ask(self.request(Method::GET, url)).await?;
        match reply.status.as_u16() {
            200 => {
                let answer: Value = line::json(&reply).ok_or(Cause::Shapeless)?;
                Ok(place.page(&answer, &self.groups)?)
            }
            status => Err(Error::from(Cause::NoList(status)).with_after(self.wait(&reply))),
        }
    }

    /// Tells of a stop. Telling it again does no harm.
    pub(super) async fn suppress(&self, address: &str) -> Result<()> {
        let path = match self.stops_group {
            Some(group) => format!("v3/asm/groups/{group}/suppressions"),
            None => "v3/asm/suppressions/global".to_owned(),
        };
        let body = json_of(&Stop {
            recipient_emails: [address],
        })?;
        let reply = self.line.ask(self.json(Method::POST, &path, body)?).await?;
        match reply.status.as_u16() {
            200 | 201 => Ok(()),
            status => Err(Error::from(Cause::NotStopped(status)).with_after(self.wait(&reply))),
        }
    }

    /// Reads one row: that the key is good and may read the lists.
    pub(super) async fn probe(&self) -> Result<()> {
        let mut url = self.line.url("v3/suppression/unsubscribes")?;
        url.query_pairs_mut().append_pair("limit", "1");
        let reply = self.line.ask(self.request(Method::GET, url)).await?;
        match reply.status.as_u16() {
            200 if line::json::<Vec<Value>>(&reply).is_some() => Ok(()),
            200 => Err(Cause::Shapeless.into()),
            status => Err(Error::from(Cause::NoList(status)).with_after(self.wait(&reply))),
        }
    }
}

/// The JSON of what is sent.
pub(super) fn json_of(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|_| Error::new(ErrorKind::Bug, "a mail has no json form"))
}

/// The body of a mail.
pub(super) fn body(send: &Send<'_>) -> Result<Vec<u8>> {
    json_of(send)
}
