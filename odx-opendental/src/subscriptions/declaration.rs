//! What is wanted, and whether it can be had at all.

use std::time::Duration;

use odx_core::{Error, ErrorKind, Result, Secret};
use url::Url;

use super::plan::TABLES;
use crate::config::faults;
use crate::events::check_path;

/// Longest `EndPointUrl` that the office keeps.
const LONGEST_URL: usize = 255;
/// How often the machine looks for changes, unless it is told otherwise.
const POLLING: Duration = Duration::from_secs(10);
/// Slower ones are no events any more.
const SLOWEST: Duration = Duration::from_secs(3600);

/// Which machine of the office sends the events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Workstation {
    /// The one in use, while its program is open; else the one that was heard
    /// last. Needs an office of 23.1.30.
    #[default]
    Choose,
    /// The machine of exactly this name. Best is the one that runs the API
    /// Service: it sends around the clock.
    Named(String),
    /// Every machine whose program is open: each change comes as often as there
    /// are machines.
    Every,
}

/// The subscriptions that there should be: where events go, how often the office
/// looks for changes, and which machine sends them.
///
/// ```
/// use std::time::Duration;
/// use odx_core::Secret;
/// use odx_opendental::{Declaration, Workstation};
///
/// let declaration = Declaration::new(
///     "https://crm.example.org/opendental".parse()?,
///     Secret::new("4b1f0a77c2e94d0f8a6e"),
/// )
/// .with_polling(Duration::from_secs(5))
/// .with_workstation(Workstation::Named("SERVER".to_owned()));
/// declaration.validate()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Declaration {
    endpoint: Url,
    path: Secret,
    polling: Duration,
    workstation: Workstation,
}

impl std::fmt::Debug for Declaration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Declaration")
            .field("polling", &self.polling)
            .field("workstation", &self.workstation)
            .finish_non_exhaustive()
    }
}

impl Declaration {
    /// Events go to this endpoint: where the router of a
    /// [`Receiver`](crate::Receiver) is mounted, and the secret path segment that
    /// the receiver knows.
    pub const fn new(endpoint: Url, path: Secret) -> Self {
        Self {
            endpoint,
            path,
            polling: POLLING,
            workstation: Workstation::Choose,
        }
    }

    /// Sets how often the office looks for changes: whole seconds, up to an hour.
    /// Default: 10 s.
    #[must_use]
    pub const fn with_polling(mut self, polling: Duration) -> Self {
        self.polling = polling;
        self
    }

    /// Sets which machine sends. Default: it is chosen.
    #[must_use]
    pub fn with_workstation(mut self, workstation: Workstation) -> Self {
        self.workstation = workstation;
        self
    }

    /// Checks every setting. The office is not asked.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming everything that is wrong at once, and neither
    /// the endpoint nor the secret.
    pub fn validate(&self) -> Result<()> {
        let mut wrong: Vec<String> = faults(&self.endpoint)
            .into_iter()
            .map(|fault| format!("the endpoint {fault}"))
            .collect();
        wrong.extend(check_path(&self.path).err().map(|error| error.to_string()));
        if self.polling.subsec_nanos() != 0 || self.polling.is_zero() || self.polling > SLOWEST {
            wrong.push("the polling must be whole seconds, from 1 s to 3600 s".to_owned());
        }
        if matches!(&self.workstation, Workstation::Named(name) if name.trim().is_empty()) {
            wrong.push("the workstation's name is empty: every machine would send".to_owned());
        }
        let longest = TABLES
            .iter()
            .map(|(table, _)| self.url(table).expose().chars().count());
        let longest = longest.max().unwrap_or_default();
        if longest > LONGEST_URL {
            wrong.push(format!(
                "the endpoint, the secret and the table take {longest} characters, and the office keeps \
                 {LONGEST_URL}: mount the receiver at a shorter address"
            ));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Config, wrong.join("; ")))
    }

    /// Where events of this table go. The table stands in it for offices that do
    /// not name it in a header, and the slash for those that demand one.
    pub(super) fn url(&self, table: &str) -> Secret {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend([self.path.expose(), table, ""]);
        }
        Secret::new(String::from(url))
    }

    pub(super) const fn seconds(&self) -> u64 {
        self.polling.as_secs()
    }

    pub(super) const fn workstation(&self) -> &Workstation {
        &self.workstation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "canary-0123456789";

    fn at(endpoint: &str) -> Declaration {
        Declaration::new(endpoint.parse().unwrap(), Secret::new(PATH))
    }

    #[test]
    fn the_address_ends_with_the_table_and_a_slash() {
        for endpoint in ["https://crm.example.org/od", "https://crm.example.org/od/"] {
            let url = at(endpoint).url("Patient");
            let whole = format!("https://crm.example.org/od/{PATH}/Patient/");
            assert_eq!(url.expose(), whole);
        }
        let url = at("http://127.0.0.1:9000").url("Appointment");
        assert_eq!(
            url.expose(),
            format!("http://127.0.0.1:9000/{PATH}/Appointment/")
        );
    }

    #[test]
    fn every_mistake_is_in_one_error_and_no_secret_is() {
        for good in [
            "https://crm.example.org/",
            "http://127.0.0.1:9/x",
            "http://10.0.0.2/",
        ] {
            at(good).validate().unwrap();
        }
        let long = format!("https://canary.example.org/{}", "x".repeat(300));
        let wrong = Declaration::new(
            "http://canary.example.org/?k=canary".parse().unwrap(),
            Secret::new("canary"),
        )
        .with_polling(Duration::from_millis(1500))
        .with_workstation(Workstation::Named(" ".to_owned()));
        for (declaration, parts) in [
            (at(&long), &["255"][..]),
            (
                wrong,
                &[
                    "must be https",
                    "query",
                    "openssl rand",
                    "whole seconds",
                    "name is empty",
                ],
            ),
            (at("https://me:canary@example.org/"), &["password"]),
            (
                at("https://a.b/").with_polling(Duration::ZERO),
                &["from 1 s"],
            ),
            (
                at("https://a.b/").with_polling(Duration::from_secs(3601)),
                &["from 1 s"],
            ),
        ] {
            let error = declaration.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let text = format!("{} {declaration:?}", error.chain());
            for part in parts {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(!text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn the_longest_address_that_fits_is_taken_and_one_more_is_not() {
        let rest = format!("https://a.b//{PATH}/AppointmentDeleted/").len();
        let mount = |count| format!("https://a.b/{}", "x".repeat(count));
        at(&mount(LONGEST_URL - rest)).validate().unwrap();
        at(&mount(LONGEST_URL - rest + 1)).validate().unwrap_err();
    }
}
