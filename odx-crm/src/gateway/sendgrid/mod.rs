//! Mail through SendGrid (feature `sendgrid`).
//!
//! ```text
//! | message       | SendGrid                      | notes                           |
//! | `to`          | `personalizations[0].to[0]`   | one, and nobody in copy         |
//! | `key`         | `custom_args.odx_attempt`     | the only correlation            |
//! | `practice`    | `from.name`                   | one line, 100 characters        |
//! | `subject`     | `subject`                     | one line, 250 characters        |
//! | `text`        | `content[0]`                  | `text/plain`                    |
//! | `purpose`     | `asm.group_id`                | if a group is set for it        |
//! | `unsubscribe` | `headers`                     | one click, RFC 8058             |
//! ```

mod callback;
mod client;
mod config;
mod error;
mod gateway;
mod stops;
mod wire;

pub use config::SendGridConfig;
pub use gateway::SendGridGateway;
