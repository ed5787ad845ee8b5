//! Settings, checked once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;
use odx_core::clock::{Clock, SystemClock};
use odx_core::http::{Client, ClientSettings};
use odx_core::model::Reminder;
use odx_core::{Error, ErrorKind, Result, Secret, SourceId};
use url::{Host, Url};

use crate::client::Api;
use crate::limiter::Pace;
use crate::source::{OpenDental, OverlapChoice};
use crate::writer::WriteBackSettings;

/// The word that stands for Open Dental in a [`SourceId`] and in external ids.
pub const SYSTEM: &str = "od";

/// Where the vendor relays requests to an office.
pub const REMOTE_URL: &str = "https://api.opendental.com/api/v1";

/// The two keys every request carries.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// One per vendor company.
    pub developer_key: Secret,
    /// One per developer and office. It alone says which office is meant.
    pub customer_key: Secret,
}

/// Builds an [`OpenDental`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    id: SourceId,
    credentials: Credentials,
    base_urls: Option<Vec<Url>>,
    interval: Option<Duration>,
    overlap: Option<Duration>,
    zone: Option<Tz>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    write_back: Option<WriteBackSettings>,
    reminders: bool,
    reminder_days: u16,
}

impl Builder {
    pub(crate) fn new(id: SourceId, credentials: Credentials) -> Self {
        Self {
            id,
            credentials,
            base_urls: None,
            interval: None,
            overlap: None,
            zone: None,
            // The vendor ends a request at 60 s with a 504; that answer should arrive.
            timeout: Duration::from_secs(75),
            clock: Arc::new(SystemClock),
            write_back: None,
            reminders: false,
            reminder_days: 8,
        }
    }

    /// Where to ask, in order of preference: the next one is tried when there
    /// is no answer from the one before, or when the vendor's relay says that it
    /// cannot reach the office. One that did not answer is left alone for 15 s,
    /// then twice as long each time up to ten minutes, and preferred again as
    /// soon as it answers. What is written goes to one address only. Default:
    /// [`REMOTE_URL`].
    pub fn with_base_urls(mut self, urls: Vec<Url>) -> Self {
        self.base_urls = Some(urls);
        self
    }

    /// Time between the starts of two requests, for every address. Zero: no
    /// pacing. Default: what the key's permissions call for, and only towards
    /// public addresses, since the vendor throttles nothing inside the office.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// How far before the last pass a pass begins to look. Default: 65 minutes,
    /// for the repeated hour of autumn and rows that were committed late; five
    /// where [`with_time_zone`](Self::with_time_zone) rules the hour out.
    pub fn with_overlap(mut self, overlap: Duration) -> Self {
        self.overlap = Some(overlap);
        self
    }

    /// The office's time zone. Where its clock is seen to keep to it, a pass need
    /// not look an hour back except around a change of the clock. Only for an
    /// office whose server takes its time from a time server: one that is set back
    /// by hand between two passes is then noticed by the next full listing.
    pub fn with_time_zone(mut self, zone: Tz) -> Self {
        self.zone = Some(zone);
        self
    }

    /// What may be written back to the practice. Default: nothing, since an
    /// office counts some entries as reminders.
    pub fn with_write_back(mut self, settings: WriteBackSettings) -> Self {
        self.write_back = Some(settings);
        self
    }

    /// Whether what the office itself has sent is read: the moments, ways and uses
    /// of its comm log entries, never their notes. For whoever limits how often a
    /// person is reached. It takes one request more in each pass, and an office of
    /// version 25.1.13; of an older one nothing is read and the probe says so.
    ///
    /// Entries that odx itself wrote back are read with the others: what it sent
    /// may count twice, so a limit may be reached too soon, never too late.
    /// Default: no.
    pub const fn with_reminders(mut self, read: bool) -> Self {
        self.reminders = read;
        self
    }

    /// Of how many days reminders are read. Default: 8, for a limit that looks a
    /// week back. At most [`Reminder::KEPT`].
    pub const fn with_reminder_days(mut self, days: u16) -> Self {
        self.reminder_days = days;
        self
    }

    /// The clock. Default: the machine's.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Longest wait for an answer. Default: 75 s, because the vendor answers
    /// after 60 s at the latest.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming everything that is wrong at once.
    pub fn build(self) -> Result<OpenDental> {
        let mut wrong = Vec::new();
        if self.id.system() != SYSTEM {
            wrong.push(format!("the source's system must be '{SYSTEM}'"));
        }
        for (name, key) in [
            ("developer", &self.credentials.developer_key),
            ("customer", &self.credentials.customer_key),
        ] {
            let key = key.expose();
            if key.is_empty() {
                wrong.push(format!("the {name} key is empty"));
            } else if !key.bytes().all(|b| b.is_ascii_graphic()) {
                wrong.push(format!("the {name} key holds blanks or unusual characters"));
            }
        }
        let urls = match self.base_urls {
            Some(urls) => urls,
            None => Url::parse(REMOTE_URL).into_iter().collect(),
        };
        if urls.is_empty() {
            wrong.push("there is no base url".to_owned());
        }
        for (n, url) in urls.iter().enumerate() {
            // By number: an address with a password in it must not be printed.
            wrong.extend(
                faults(url)
                    .into_iter()
                    .map(|fault| format!("base url {} {fault}", n + 1)),
            );
        }
        if self.timeout.is_zero() {
            wrong.push("the timeout is zero".to_owned());
        }
        if self
            .overlap
            .is_some_and(|overlap| overlap > Duration::from_secs(31 * 24 * 3600))
        {
            wrong.push("the overlap is longer than a month".to_owned());
        }
        if !(1..=Reminder::KEPT).contains(&self.reminder_days) {
            wrong.push(format!(
                "reminders must be read of 1 to {} days",
                Reminder::KEPT
            ));
        }
        if !wrong.is_empty() {
            return Err(Error::new(ErrorKind::Config, wrong.join("; ")));
        }
        // A local server sends up to 10,000 rows of about 1.3 kB in one page.
        let settings = ClientSettings::new(concat!("odx/", env!("CARGO_PKG_VERSION")))
            .with_timeout(self.timeout)
            .with_max_body(32 << 20);
        let pace = Pace::of(&self.credentials.customer_key, self.interval);
        let api = Api::new(
            Client::new(settings)?,
            &self.credentials,
            urls,
            pace,
            Arc::clone(&self.clock),
        );
        let overlap = OverlapChoice {
            fixed: self
                .overlap
                .and_then(|overlap| TimeDelta::from_std(overlap).ok()),
            zone: self.zone,
        };
        let source = OpenDental::new(self.id, api, overlap, self.clock);
        let reminders = self.reminders.then_some(self.reminder_days);
        Ok(source
            .with_reminders(reminders)
            .with_write_back(self.write_back, self.timeout))
    }
}

pub(crate) fn faults(url: &Url) -> Vec<&'static str> {
    let mut faults = Vec::new();
    match url.scheme() {
        "https" => {}
        "http" if is_inside(url) => {}
        "http" => faults.push("must be https: plain http is for this machine or a private address"),
        _ => faults.push("must be https"),
    }
    if url.host().is_none() {
        faults.push("has no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        faults.push("must not hold a user or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        faults.push("must not hold a query or fragment");
    }
    faults
}

/// On this machine or inside the office: plain HTTP is allowed there, and the
/// vendor throttles nothing there. Link-local addresses do not count: cloud
/// machines serve their own keys on one.
pub fn is_inside(url: &Url) -> bool {
    let ip: IpAddr = match url.host() {
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.into(),
        Some(Host::Domain(name)) => return name.eq_ignore_ascii_case("localhost"),
        None => return false,
    };
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(developer: &str, customer: &str) -> Credentials {
        Credentials {
            developer_key: Secret::new(developer),
            customer_key: Secret::new(customer),
        }
    }

    fn build(system: &str, credentials: Credentials, urls: &[&str]) -> Result<OpenDental> {
        let urls = urls.iter().map(|url| url.parse().unwrap()).collect();
        OpenDental::builder(SourceId::new(system, "main-st").unwrap(), credentials)
            .with_base_urls(urls)
            .build()
    }

    #[test]
    fn every_mistake_is_in_one_error_and_no_value_is() {
        let error = build(
            "dx",
            keys("", "cust key"),
            &[
                "http://api.example.com/api/v1",
                "https://me:pa55@od.example/x?y=1",
            ],
        )
        .unwrap_err();
        let text = error.chain();
        assert_eq!(error.kind(), ErrorKind::Config);
        for part in [
            "system must be 'od'",
            "developer key is empty",
            "customer key holds blanks",
            "base url 1 must be https",
            "base url 2 must not hold a user",
            "base url 2 must not hold a query",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for canary in ["cust key", "pa55", "example.com"] {
            assert!(!text.contains(canary), "{canary}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_and_private_addresses() {
        for (url, fine) in [
            ("http://localhost:30223/api/v1", true),
            ("http://127.0.0.1:30222/api/v1", true),
            ("http://192.168.1.20:30223/api/v1", true),
            ("http://10.0.0.9:30223/api/v1", true),
            ("http://[::1]:30223/api/v1", true),
            ("http://[fd00::9]:30223/api/v1", true),
            ("http://8.8.8.8/api/v1", false),
            ("http://169.254.169.254/latest", false),
            ("http://localhost.example.com/api/v1", false),
            ("ftp://127.0.0.1/", false),
            ("https://api.opendental.com/api/v1", true),
        ] {
            assert_eq!(build("od", keys("d", "c"), &[url]).is_ok(), fine, "{url}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let credentials = keys("dev-canary", "cust-canary");
        let builder =
            OpenDental::builder(SourceId::new("od", "main-st").unwrap(), credentials.clone());
        let source = builder.clone().build().unwrap();
        for text in [
            format!("{credentials:?}"),
            format!("{builder:?}"),
            format!("{source:?}"),
        ] {
            assert!(!text.contains("canary"), "{text}");
        }
    }
}
