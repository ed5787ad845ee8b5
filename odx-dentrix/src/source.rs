//! `impl PracticeSource`.

use std::sync::Arc;

use odx_core::{Office, SourceId};

use crate::config::{Builder, Way};
use crate::reader::Reader;

/// One Dentrix office.
#[derive(Debug)]
pub struct Dentrix {
    #[allow(dead_code, reason = "being written")]
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
