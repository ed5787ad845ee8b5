//! Calls that are no genuine event, and genuine ones sent again.

use super::deliver::{Header, Payload, post};
use super::events::Delivery;
use super::practice::{Practice, must};
use super::wire::Appointment;

/// A call to an event endpoint that nobody should believe, or that nobody can read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forgery {
    /// No `Authorization`.
    NoKey,
    /// A key of the right form that belongs to nobody.
    WrongKey,
    /// Another office's key, with rows of this one.
    OtherOffice {
        /// That office's customer key.
        key: String,
    },
    /// The right key behind a scheme word, as no sender writes it.
    SchemeWord,
    /// The right key; the body ends half way and the line is cut.
    Truncated,
    /// The right key and declared length; the JSON ends half way.
    HalfJson,
    /// The right key; a web page instead of rows.
    Html,
    /// The right key; a list of that many bytes, nearly all blanks.
    Huge {
        /// Length of the body.
        bytes: usize,
        /// With `Content-Length`; otherwise in chunks.
        declared: bool,
    },
}

const EVENT: &str = "WatchTable: Appointment";
const PAGE: &str = "<!DOCTYPE html><html><body>Bad gateway</body></html>";

impl Practice {
    /// Makes a call to `url` as if an appointment had changed, except for the forgery.
    /// Returns the status answered; `None` when there was no answer, as always for
    /// [`Forgery::Truncated`], which does not wait for one.
    pub async fn forge(&self, url: &str, forgery: &Forgery) -> Option<u16> {
        let key = self.customer_key();
        let mut headers = self.event_headers(key, "FRONTDESK", EVENT);
        match forgery {
            Forgery::NoKey => headers.retain(|(name, _)| *name != "Authorization"),
            Forgery::WrongKey => authorize(&mut headers, "x".repeat(key.len())),
            Forgery::OtherOffice { key } => authorize(&mut headers, key.clone()),
            Forgery::SchemeWord => authorize(&mut headers, format!("ODFHIR {key}")),
            _ => {}
        }
        let rows = self.plausible_rows();
        let payload = match forgery {
            Forgery::Truncated => Payload::Half(&rows),
            Forgery::HalfJson => Payload::Whole(rows.get(..rows.len() / 2).unwrap_or(&rows)),
            Forgery::Html => Payload::Whole(PAGE.as_bytes()),
            Forgery::Huge { bytes, declared } => Payload::Huge {
                bytes: *bytes,
                declared: *declared,
            },
            _ => Payload::Whole(&rows),
        };
        post(url, &headers, payload, self.inner.settings.api.patience).await
    }

    /// Sends a delivery again, byte for byte, and returns the status answered. It is not
    /// listed among the deliveries.
    pub async fn replay(&self, delivery: &Delivery) -> Option<u16> {
        self.replay_to(&delivery.url, delivery).await
    }

    /// The same to another address.
    pub async fn replay_to(&self, url: &str, delivery: &Delivery) -> Option<u16> {
        let body = Payload::Whole(delivery.body());
        let patience = self.inner.settings.api.patience;
        post(url, &delivery.headers, body, patience).await
    }

    /// The body of a genuine event about the first appointment.
    fn plausible_rows(&self) -> Vec<u8> {
        let names = self.names();
        let rows = self.appointments();
        let rows: Vec<_> = rows
            .iter()
            .take(1)
            .map(|row| Appointment::event(row, self.office(&names, "")))
            .collect();
        must(serde_json::to_vec(&rows).map_err(super::error::SimError::from))
    }
}

fn authorize(headers: &mut [Header], value: String) {
    for header in headers {
        if header.0 == "Authorization" {
            header.1.clone_from(&value);
        }
    }
}
