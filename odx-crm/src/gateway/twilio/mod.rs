//! Texts through Twilio (feature `twilio`).
//!
//! ```text
//! | message     | Twilio                | notes                                        |
//! | `to`        | `To`                  | E.164                                        |
//! | `text`      | `Body`                | as it is, at most 1600 characters            |
//! | `valid_for` | `ValidityPeriod`      | whole seconds, 1 to 36000                    |
//! | `key`       | (nothing)             | there is no idempotency key: found by body   |
//! | settings    | `MessagingServiceSid` | opt-outs, senders, registration live there   |
//! | settings    | `StatusCallback`      | ours, with the office in its query           |
//! ```

mod callback;
mod client;
mod config;
mod error;
mod gateway;
mod wire;

pub use config::{Retention, TwilioConfig};
pub use gateway::TwilioGateway;
