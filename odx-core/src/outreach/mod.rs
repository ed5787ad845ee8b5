//! What reaches people: messages, and the sequences of a CRM that send some.
//!
//! A [`Policy`](crate::policy::Policy) says who should hear something and why.
//! The gate says whether they may, by which channel and when. The
//! engine claims each occurrence before it is sent and settles it after, so
//! that it happens once, for ever.

mod gateway;
mod inbound;
mod office;
mod purpose;
mod segments;
mod source;
mod template;
mod variables;
mod wanted;
mod words;

pub mod gate;
pub mod lint;
pub mod quiet;

pub use gateway::{Address, Attempt, Heard, Inbound, Message, MessageGateway, SendError, Status};
pub use inbound::{Reply, classify};
pub use office::{Guard, HouseholdMode, Identity, Outreach, OutreachSettings};
pub use purpose::Purpose;
pub use segments::{Encoding, Segments, plain, segments};
pub use template::{Draft, Rendered, Template};
pub use variables::Variables;
pub use wanted::{Episode, Wanted};
