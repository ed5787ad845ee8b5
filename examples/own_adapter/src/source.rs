//! Where every field comes from:
//!
//! | canonical | Chairside | notes |
//! |---|---|---|
//! | `household` | `head` | |
//! | `consent` | `texts` | absent is unknown |
//! | `due`, `previous`, `scheduled` | `due`, `last`, `booked` | blank is none |
//! | `interval` | `every` | `6m1d` |

use std::collections::BTreeMap;
use std::io::ErrorKind as Io;
use std::path::PathBuf;

use async_trait::async_trait;
use odx_core::model::{Record, RecordKey};
use odx_core::source::{Capabilities, Change, Page, Position, PracticeSource, Probe, PullRequest};
use odx_core::{Error, ErrorKind, PatientKey, Result, SourceId};

use crate::convert;
use crate::cursor::{Place, VERSION};
use crate::wire::Header;

/// One Chairside practice, read through its journal.
#[derive(Debug)]
pub struct Chairside {
    id: SourceId,
    journal: PathBuf,
    page: usize,
}

/// A journal as it is now. Chairside tidies up every week: it is never large.
struct Journal {
    name: String,
    /// All after the first line.
    lines: Vec<u8>,
}

impl Chairside {
    /// Reads the journal at this path.
    pub const fn new(id: SourceId, journal: PathBuf) -> Self {
        let page = 500;
        Self { id, journal, page }
    }

    /// Sets how many lines a page holds. Default: 500.
    #[must_use]
    pub const fn with_page(mut self, lines: usize) -> Self {
        self.page = lines;
        self
    }

    async fn read(&self) -> Result<Journal> {
        let text = tokio::fs::read(&self.journal).await.map_err(|cause| {
            let kind = match cause.kind() {
                Io::PermissionDenied => ErrorKind::Permission, // Halt: somebody must allow it
                _ => ErrorKind::Unavailable, // Retry: a share that is off comes back
            };
            Error::new(kind, "reading the journal").with_cause(cause)
        })?;
        let mut parts = text.splitn(2, |byte| *byte == b'\n');
        let header: Header = serde_json::from_slice(parts.next().unwrap_or_default())
            .map_err(|_| Error::new(ErrorKind::Protocol, "the file is no journal"))?;
        Ok(Journal {
            name: header.journal,
            lines: parts.next().unwrap_or_default().to_vec(),
        })
    }
}

impl Journal {
    /// The lines from a position on. One without its end is still being
    /// written: the next pull reads it.
    fn from(&self, at: usize) -> impl Iterator<Item = &[u8]> {
        let rest = self.lines.get(at..).unwrap_or_default();
        rest.split_inclusive(|byte| *byte == b'\n')
            .take_while(|line| line.ends_with(b"\n"))
    }
}

#[async_trait]
impl PracticeSource for Chairside {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().with_deletions().with_incremental()
    }

    async fn probe(&self) -> Result<Probe> {
        self.read().await?;
        Ok(Probe::new(vec!["the journal can be read".to_owned()]))
    }

    async fn pull(&self, req: PullRequest) -> Result<Page> {
        let journal = self.read().await?;
        let mut at = match &req.cursor {
            None => 0,
            Some(cursor) => Place::read(cursor, &journal.name, journal.lines.len())?.at,
        };
        let mut changes = Vec::new();
        for line in journal.from(at).take(self.page) {
            changes.push(convert::change(line)?);
            at += line.len();
        }
        let more = journal.from(at).next().is_some();
        let v = VERSION;
        let journal = journal.name;
        let cursor = Place { v, journal, at }.write()?;
        Ok(Page {
            changes,
            swept: Vec::new(),
            position: if more {
                Position::More(cursor)
            } else {
                Position::CaughtUp(cursor)
            },
        })
    }

    async fn refresh(&self, patient: &PatientKey) -> Result<Vec<Change>> {
        let mut latest = BTreeMap::new();
        for line in self.read().await?.from(0) {
            let change = convert::change(line)?;
            latest.extend(change.key().map(|key| (key, change)));
        }
        latest.retain(|key, change| match change {
            Change::Upsert(Record::Recall(recall)) => recall.patient == *patient,
            _ => *key == RecordKey::Patient(patient.clone()),
        });
        Ok(latest.into_values().collect())
    }
}
