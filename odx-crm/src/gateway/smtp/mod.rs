//! Mail through a mail server (feature `smtp`).
//!
//! ```text
//! | message       | mail                | notes                                     |
//! | `to`          | `RCPT TO`, `To`     | one, and nobody in copy                   |
//! | `key`         | `Message-ID`        | a digest of it, so that repeats look alike|
//! | `practice`    | `From`              | one line, 100 characters, RFC 2047        |
//! | `subject`     | `Subject`           | one line, 250 characters, RFC 2047        |
//! | `text`        | body                | `text/plain; charset=utf-8`               |
//! | `unsubscribe` | `List-Unsubscribe`  | one click, RFC 8058                       |
//! ```

mod client;
mod config;
mod error;
mod gateway;
mod wire;

pub use config::{SmtpConfig, SmtpSecurity};
pub use gateway::SmtpGateway;
