//! Readers: what reads for us, outside of this process.

mod program;

use async_trait::async_trait;

use crate::wire::{Failure, Job, Said};

pub use program::Program;

/// Reads what a job asks for.
#[async_trait]
pub trait Reader: std::fmt::Debug + Send + Sync + 'static {
    /// Gives every line to `take`, in order. Ends by itself within the job's
    /// limits, also where a driver hangs; dropped, it ends whatever it began.
    ///
    /// # Errors
    /// What went wrong, also where `take` said so. What was taken before counts
    /// for nothing: only a job that ended well was read.
    async fn read(
        &self,
        job: &Job,
        take: &mut (dyn FnMut(Said) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure>;
}
