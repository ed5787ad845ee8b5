//! The reader as a program of its own.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::reader::Reader;
use crate::wire::{Class, Failure, Job, Said};

/// A reader that is started for every job.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    wall_limit: Duration,
}

impl Program {
    /// This program.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            wall_limit: Duration::from_secs(300),
        }
    }

    /// Sets how long a job may take before the program is ended.
    #[must_use]
    pub const fn with_wall_limit(mut self, limit: Duration) -> Self {
        self.wall_limit = limit;
        self
    }
}

#[async_trait]
impl Reader for Program {
    async fn read(
        &self,
        _job: &Job,
        _take: &mut (dyn FnMut(Said) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        let (path, limit) = (self.path.display(), self.wall_limit);
        let what = format!("{path} cannot be started yet, for {limit:?} or otherwise");
        Err(Failure::new(Class::Crashed, what))
    }
}
