//! The only file that knows the provider's addresses and fields.

use std::collections::HashSet;
use std::fmt;

use chrono::{SecondsFormat, TimeDelta};
use odx_core::effect::Receipt;
use odx_core::http::Method;
use odx_core::outreach::{Address, Attempt, Message, SendError};
use odx_core::{Error, Result, Secret};
use url::{Url, form_urlencoded};

use super::config::{Retention, Sender};
use super::error::{Cause, refusal};
use super::wire::{Created, Entry, Listed, Refusal};
use crate::gateway::line::{self, Line};

pub(super) struct Client {
    line: Line,
    account: String,
    key: String,
    secret: Secret,
    sender: Sender,
    status_callback: Option<Url>,
    content: Retention,
    address: Retention,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Longest text taken, in characters.
const LONGEST: usize = 1600;

/// Bounds of `ValidityPeriod`, in seconds.
const VALID: std::ops::RangeInclusive<u64> = 1..=36_000;

/// A text is looked for from so long before its attempt: clocks differ.
const SLACK: TimeDelta = TimeDelta::minutes(5);

/// Most pages of a list that are read.
const MOST_PAGES: usize = 20;

/// What a list shows of an attempt.
enum Seen {
    It(Receipt),
    /// A text that may be it: what it said has been thrown away.
    Perhaps,
    Nothing,
}

impl Client {
    #[allow(clippy::too_many_arguments, reason = "every setting, once")]
    pub(super) const fn new(
        line: Line,
        account: String,
        key: String,
        secret: Secret,
        sender: Sender,
        status_callback: Option<Url>,
        content: Retention,
        address: Retention,
    ) -> Self {
        Self {
            line,
            account,
            key,
            secret,
            sender,
            status_callback,
            content,
            address,
        }
    }

    pub(super) const fn line(&self) -> &Line {
        &self.line
    }

    pub(super) fn account(&self) -> &str {
        &self.account
    }

    pub(super) fn sender(&self) -> &str {
        match &self.sender {
            Sender::Service(sid) => sid,
            Sender::Test(number) => number.e164().expose(),
        }
    }

    pub(super) const fn is_test(&self) -> bool {
        matches!(self.sender, Sender::Test(_))
    }

    fn messages(&self) -> Result<Url> {
        let account = &self.account;
        self.line
            .url(&format!("2010-04-01/Accounts/{account}/Messages.json"))
    }

    /// Sends one text.
    pub(super) async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let Address::Phone(to) = &message.to else {
            return Err(SendError::Refused(Cause::NotAPhone.into()));
        };
        let text = message.text.expose();
        if text.trim().is_empty() || text.chars().count() > LONGEST {
            return Err(SendError::Refused(Cause::Length.into()));
        }
        let url = self.messages().map_err(SendError::NotSent)?;
        let form = self.form(message, to.e164().expose());
        let request = self
            .line
            .request(Method::POST, url)
            .basic_auth(&self.key, Some(self.secret.expose()))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form);
        let reply = self.line.act(request).await?;
        match reply.status.as_u16() {
            201 => line::json::<Created>(&reply)
                .and_then(|created| line::id(&created.sid))
                .map(Receipt::of)
                .ok_or_else(|| SendError::InDoubt(Cause::Nameless(201).into())),
            status => {
                let code = line::json::<Refusal>(&reply).map(|refusal| refusal.code);
                Err(refusal(status, code, self.line.wait(&reply), &message.to))
            }
        }
    }

    fn form(&self, message: &Message, to: &str) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("To", to);
        match &self.sender {
            Sender::Service(sid) => form.append_pair("MessagingServiceSid", sid),
            Sender::Test(number) => form.append_pair("From", number.e164().expose()),
        };
        form.append_pair("Body", message.text.expose());
        if let Some(url) = &self.status_callback {
            form.append_pair("StatusCallback", url.as_str());
        }
        if let Some(valid) = message.valid_for {
            let seconds = valid.as_secs().clamp(*VALID.start(), *VALID.end());
            form.append_pair("ValidityPeriod", &seconds.to_string());
        }
        if self.content == Retention::Minimal {
            form.append_pair("ContentRetention", "discard");
        }
        if self.address == Retention::Minimal {
            form.append_pair("AddressRetention", "obfuscate");
        }
        form.finish()
    }

    /// Looks for an attempt. First among what was sent since, then among all that
    /// went to the number: what waits in the provider's queue has no date of
    /// sending yet.
    pub(super) async fn find(&self, attempt: &Attempt) -> Result<Option<Receipt>> {
        let Address::Phone(to) = &attempt.to else {
            return Err(Cause::NotAPhone.into());
        };
        let since = (attempt.since - SLACK).to_rfc3339_opts(SecondsFormat::Secs, true);
        let to = to.e164().expose();
        let mut perhaps = false;
        for query in [
            [("To", to.as_str()), ("DateSent>", since.as_str())].as_slice(),
            [("To", to.as_str())].as_slice(),
        ] {
            match self.look(query, attempt, to).await? {
                Seen::It(receipt) => return Ok(Some(receipt)),
                Seen::Perhaps => perhaps = true,
                Seen::Nothing => {}
            }
        }
        // Where numbers are obfuscated, a list by number shows nothing whatever was sent.
        if perhaps || self.address == Retention::Minimal {
            return Err(Cause::Forgotten.into());
        }
        Ok(None)
    }

    async fn look(&self, query: &[(&str, &str)], attempt: &Attempt, to: &str) -> Result<Seen> {
        let mut url = self.messages()?;
        url.query_pairs_mut()
            .extend_pairs(query)
            .append_pair("PageSize", "200");
        let mut seen = Seen::Nothing;
        let mut pages = HashSet::new();
        loop {
            if pages.len() >= MOST_PAGES || !pages.insert(url.clone()) {
                return Err(Cause::Endless.into());
            }
            let page = self.page(url.clone()).await?;
            for entry in page.messages {
                match judge(&entry, attempt, to)? {
                    Seen::Nothing => {}
                    Seen::Perhaps => seen = Seen::Perhaps,
                    Seen::It(receipt) => return Ok(Seen::It(receipt)),
                }
            }
            // Of where the next page is only the query is taken: it is asked of the same host.
            let next = page.next_page_uri.filter(|uri| !uri.is_empty());
            let Some(next) = next else {
                return Ok(seen);
            };
            let (_, query) = next.split_once('?').ok_or(Cause::Shapeless)?;
            url.set_query(Some(query));
        }
    }

    async fn page(&self, url: Url) -> Result<Listed> {
        let request = self
            .line
            .request(Method::GET, url)
            .basic_auth(&self.key, Some(self.secret.expose()));
        let reply = self.line.ask(request).await?;
        match reply.status.as_u16() {
            200 => line::json(&reply).ok_or_else(|| Cause::Shapeless.into()),
            status => Err(Error::from(Cause::NoList(status)).with_after(self.line.wait(&reply))),
        }
    }

    /// Reads one text of the list: that the key is good and the account there.
    pub(super) async fn probe(&self) -> Result<()> {
        let mut url = self.messages()?;
        url.query_pairs_mut().append_pair("PageSize", "1");
        self.page(url).await.map(drop)
    }
}

/// What one entry of a list shows of an attempt.
fn judge(entry: &Entry, attempt: &Attempt, to: &str) -> Result<Seen> {
    let inbound = entry.direction.as_deref() == Some("inbound");
    // A number that is obfuscated is no proof of being another one: the list was asked for ours.
    let elsewhere = entry.to.as_deref().is_some_and(|number| {
        let whole = number.strip_prefix('+').unwrap_or(number);
        number != to && !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit())
    });
    let before = entry.at().is_some_and(|at| at < attempt.since - SLACK);
    if inbound || elsewhere || before {
        return Ok(Seen::Nothing);
    }
    Ok(match entry.said() {
        None => Seen::Perhaps,
        Some(text) if attempt.said(text) => {
            Seen::It(Receipt::of(line::id(&entry.sid).ok_or(Cause::Shapeless)?))
        }
        Some(_) => Seen::Nothing,
    })
}
