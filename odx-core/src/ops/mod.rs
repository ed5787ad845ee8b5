//! What an operator asks, and may change: whether the office is fresh, how far
//! its import has come, what failed and who can mend it, what would go out, why
//! somebody heard something or did not.
//!
//! Everything is read from the state alone. What is returned holds ids and, of
//! people whose records failed, initials: no name, no address, no date of birth.

mod desk;
mod failures;
mod fault;
mod freshness;
mod links;
mod plan;
mod replay;
mod status;
mod summary;
mod why;

pub(crate) mod import;

pub use desk::Desk;
pub use failures::{Failure, Kind};
pub use fault::{Fault, Fix};
pub use freshness::{Closed, FAILING, Freshness, Seen, Sync, Trouble};
pub use import::{Import, Imported};
pub use links::{LinkTemplates, RecordLinks};
pub use plan::{Difference, Item, Plan, Planner, RecordCounts};
pub use replay::Replayed;
pub use status::{OfficeStatus, SinkStatus};
pub use summary::{OfficeDay, Summary};
pub use why::{AtCrm, Known, Occurrence, Party, RecallStands, StopStands, ToldOf, Why, Word};
