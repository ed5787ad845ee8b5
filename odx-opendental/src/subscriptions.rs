//! Subscriptions: which events the office sends, where to, and from which machine.
//! Declared once, compared with what is there, and put right.
//!
//! | field | what is declared | put right by |
//! |---|---|---|
//! | `WatchTable` | one row per table that is needed | a new row: `PUT` cannot change it |
//! | `EndPointUrl` | endpoint, secret, table, slash | `PUT` |
//! | `Workstation` | one machine | `PUT` |
//! | `PollingSeconds` | the pace | `PUT` |
//! | `DateTimeStart` | moves by itself; not days ahead | `PUT` |
//! | `DateTimeStop` | never | `PUT` |
//! | `Note` | our mark, by which a row is known as ours | |
//!
//! A row without the mark of this source is never written. The rows echo the
//! customer key, which is not read, and hold the secret, which is not printed.

mod declaration;
mod ensure;
mod health;
mod office;
mod plan;

pub use declaration::{Declaration, Workstation};
pub use ensure::SubscriptionReport;
pub(crate) use health::Looks;
