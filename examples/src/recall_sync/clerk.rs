//! Tells operators how it goes while offices are followed: a summary each day, a
//! ping after a good pass, a note when a first import is done.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use odx_core::clock::{Clock as _, SystemClock};
use odx_core::engine::{Event, Observer, Stop};
use odx_core::ops::{Desk, Freshness, Summary};
use odx_core::{Result, Secret};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::ops_config::{Operations, Ping};
use crate::post::{self, Post};
use crate::progress::{OfficeLine, Screen};

/// Looks whether anything is to be told, no less often.
const LOOK: Duration = Duration::from_secs(20);
/// What could not be sent is tried again after this long.
const AGAIN: TimeDelta = TimeDelta::minutes(5);
/// Under which name it is kept which day was summed up last.
const SENT: &str = "summary_sent";

/// A note for operators: its title, its text.
pub(crate) type Notice = (String, String);

/// Shows what happens at an office, and passes on what operators are told.
#[derive(Debug)]
pub(crate) struct Telling {
    office: String,
    line: Arc<OfficeLine>,
    notices: UnboundedSender<Notice>,
}

impl Telling {
    pub(crate) fn new(
        office: &str,
        line: Arc<OfficeLine>,
        notices: UnboundedSender<Notice>,
    ) -> Self {
        Self {
            office: office.to_owned(),
            line,
            notices,
        }
    }
}

impl Observer for Telling {
    fn event(&self, event: &Event<'_>) {
        self.line.event(event);
        if let Event::Imported { imported, .. } = event {
            let title = format!("odx {}: the first import is done", self.office);
            let text = format!("{}: {}\n", self.office, imported.sentence());
            // Nobody listens any more: the line was shown.
            drop(self.notices.send((title, text)));
        }
    }
}

/// Tells operators how it goes.
pub(crate) struct Clerk {
    operations: Operations,
    desks: Vec<Desk>,
    screen: Screen,
    /// When the ping was last answered.
    pinged: Option<DateTime<Utc>>,
    /// What could not be sent is left alone until then.
    rests: Option<DateTime<Utc>>,
}

impl Clerk {
    pub(crate) fn new(operations: Operations, desks: Vec<Desk>, screen: Screen) -> Self {
        Self {
            operations,
            desks,
            screen,
            pinged: None,
            rests: None,
        }
    }

    /// Until every office has ended: passes notices on, and while offices are
    /// followed also says each day how it went, and that it goes on.
    pub(crate) async fn attend(
        mut self,
        mut heard: UnboundedReceiver<Notice>,
        follows: Option<Stop>,
    ) {
        let post = match Post::new() {
            Ok(post) => post,
            Err(why) => {
                self.screen
                    .line(&format!("operators are not told: {}", why.chain()));
                return;
            }
        };
        let every = self
            .operations
            .ping
            .as_ref()
            .map_or(LOOK, |ping| ping.every);
        let tick = every.min(LOOK);
        loop {
            tokio::select! {
                notice = heard.recv() => match notice {
                    Some((title, text)) => {
                        let body = json!({"title": title, "text": text});
                        let sent = self.send(&post, (&title, &text), &body).await;
                        self.tell("a note for operators", sent);
                    }
                    None => break,
                },
                () = SystemClock.sleep(tick) => {
                    if follows.as_ref().is_some_and(|stop| !stop.is_set()) {
                        self.look(&post).await;
                    }
                }
            }
        }
    }

    fn tell(&self, what: &str, end: Result<()>) {
        if let Err(why) = end {
            self.screen
                .line(&format!("{what} was not sent: {}", why.chain()));
        }
    }

    async fn look(&mut self, post: &Post) {
        if let Some(Ping { url, every }) = &self.operations.ping {
            let (url, every) = (url.clone(), *every);
            if let Err(why) = self.ping(post, &url, every).await {
                tracing::warn!(why = %why.chain(), "the ping was not answered");
            }
        }
        let now = SystemClock.now();
        if self.operations.summary.is_none() || self.rests.is_some_and(|until| now < until) {
            return;
        }
        let end = self.summary(post, now).await;
        if end.is_err() {
            self.rests = Some(now + AGAIN);
        }
        self.tell("the summary", end);
    }

    /// After a good pass: every office can be read, and one was since last time.
    async fn ping(&mut self, post: &Post, url: &Secret, every: Duration) -> Result<()> {
        let now = SystemClock.now();
        let every = TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX);
        if self.pinged.is_some_and(|at| now - at < every) {
            return Ok(());
        }
        let mut read = None;
        for desk in &self.desks {
            let status = desk.status().await?;
            if status.freshness == Freshness::Failing || status.trouble.is_some() {
                return Ok(());
            }
            read = read.max(status.last_success);
        }
        if read.is_none() || self.pinged >= read {
            return Ok(());
        }
        post.ping(url).await?;
        self.pinged = Some(now);
        Ok(())
    }

    /// Once a day, from the hour on that the file says.
    async fn summary(&self, post: &Post, now: DateTime<Utc>) -> Result<()> {
        let (Some(to), Some(first)) = (&self.operations.summary, self.desks.first()) else {
            return Ok(());
        };
        let wall = first.wall_clock();
        let today = wall.date();
        let last = first.kept(SENT).await?;
        let last = last.and_then(|day| day.parse::<NaiveDate>().ok());
        if wall.time() < to.at || last >= Some(today) {
            return Ok(());
        }
        let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
        let summary = Summary::of(&self.desks, yesterday, now).await?;
        let (title, text) = (summary.title(), summary.to_string());
        let body = json!({"title": title, "text": text, "summary": summary});
        self.send(post, (&title, &text), &body).await?;
        first.keep(SENT, &today.to_string()).await
    }

    /// By every way that is set.
    async fn send(
        &self,
        post: &Post,
        (title, text): (&str, &str),
        body: &serde_json::Value,
    ) -> Result<()> {
        let Some(to) = &self.operations.summary else {
            return Ok(());
        };
        if let Some(hook) = &to.webhook {
            post.hook(hook, body).await?;
        }
        if let Some((gateway, people)) = &to.mail {
            for person in people {
                post::mail(gateway, person, (title, text)).await?;
            }
        }
        Ok(())
    }
}
