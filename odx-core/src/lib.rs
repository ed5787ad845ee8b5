#![doc = include_str!("../README.md")]

mod hash;
mod id;
mod office;

pub mod clock;
pub mod crm;
pub mod effect;
pub mod engine;
pub mod error;
pub mod failpoint;
pub mod health;
#[cfg(feature = "http")]
pub mod http;
pub mod model;
pub mod ops;
pub mod outreach;
pub mod phi;
pub mod policy;
pub mod push;
#[cfg(feature = "serve")]
pub mod serve;
pub mod sink;
pub mod source;
pub mod store;
pub mod writer;

#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use engine::{Mode, Pipeline, RunReport};
pub use error::{Disposition, Error, ErrorKind, Result};
pub use hash::{ContentHash, IdempotencyKey, LedgerHash};
pub use id::{
    AppointmentKey, ExternalId, ExternalIds, HouseholdKey, IdScheme, OfficeId, OutletId,
    PatientKey, RecallKey, ReminderKey, SinkId, SourceId,
};
pub use office::Office;
pub use phi::{Phi, Secret};
