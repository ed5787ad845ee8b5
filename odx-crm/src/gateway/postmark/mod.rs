//! Mail through Postmark (feature `postmark`).
//!
//! ```text
//! | message       | Postmark               | notes                                     |
//! | `to`          | `To`                   | one, and nobody in copy                   |
//! | `key`         | `Metadata.odx_attempt` | the only correlation                      |
//! | `practice`    | `From`                 | quoted, one line, 100 characters          |
//! | `subject`     | `Subject`              | one line, 250 characters                  |
//! | `text`        | `TextBody`             | as it is                                  |
//! | `purpose`     | `MessageStream`        | transactional for recall, else broadcast  |
//! | `unsubscribe` | `Headers`              | one click, RFC 8058                       |
//! ```

mod callback;
mod client;
mod config;
mod error;
mod gateway;
mod wire;

pub use config::PostmarkConfig;
pub use gateway::PostmarkGateway;
