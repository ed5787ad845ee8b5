//! Parts for tests, of odx and of adapters (feature `testkit`): a clock that is
//! told the time, a practice and a CRM in memory that can be told to fail, a
//! search for things that must not be printed, and the checks that every
//! adapter passes ([`conformance`]).

mod canary;
mod clock;
mod gateway;
mod log;
mod mutants;
mod people;
mod sink;
mod source;
mod transcript;

pub mod conformance;

pub use canary::Canaries;
pub use clock::TestClock;
pub use gateway::{GatewayFault, MemoryGateway, Sent};
pub use mutants::Mutants;
pub use people::{opt_out, patient, recall, reminder};
pub use sink::{MemorySink, SinkFault};
pub use source::{MemorySource, SourceFault};
pub use transcript::Transcript;
