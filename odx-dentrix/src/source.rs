//! `impl PracticeSource`.

use std::sync::Arc;

use async_trait::async_trait;
use odx_core::source::{Capabilities, Change, Page, PracticeSource, Probe, PullRequest};
use odx_core::{Error, ErrorKind, Office, PatientKey, Result, SourceId};

use crate::config::{Builder, Way};
use crate::reader::Reader;

/// One Dentrix office.
#[derive(Debug)]
pub struct Dentrix {
    settings: Builder,
}

impl Dentrix {
    /// An office that is read this way, by this reader.
    pub fn builder(id: SourceId, office: Office, way: Way, reader: Arc<dyn Reader>) -> Builder {
        Builder::new(id, office, way, reader)
    }

    pub(crate) const fn new(settings: Builder) -> Self {
        Self { settings }
    }
}

fn unwritten() -> Error {
    Error::new(
        ErrorKind::Config,
        "this version reads no Dentrix office yet",
    )
}

#[async_trait]
impl PracticeSource for Dentrix {
    fn id(&self) -> &SourceId {
        &self.settings.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn probe(&self) -> Result<Probe> {
        Err(unwritten())
    }

    async fn pull(&self, _req: PullRequest) -> Result<Page> {
        Err(unwritten())
    }

    async fn refresh(&self, _patient: &PatientKey) -> Result<Vec<Change>> {
        Err(unwritten())
    }
}
