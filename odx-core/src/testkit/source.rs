use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{PatientKey, SourceId};
use crate::model::{BadRecord, Record, RecordKey, RecordKind};
use crate::source::{
    Capabilities, Change, Cursor, Extent, Page, Position, PracticeSource, Probe, PullRequest, Swept,
};

/// How the next pulls fail.
#[derive(Debug, Clone)]
pub enum SourceFault {
    /// No connection.
    Down,
    /// Asked for a slower pace.
    SlowDown(Option<Duration>),
    /// The key is refused.
    BadKey,
    /// An answer that was cut.
    Cut,
    /// The cursor is not known any more.
    Forgot,
}

/// A practice in memory with a change feed.
#[derive(Debug)]
pub struct MemorySource {
    id: SourceId,
    page: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    records: BTreeMap<(RecordKind, String), (u64, Option<Record>)>,
    /// Records that a listing leaves out, as if they had been deleted.
    hidden: bool,
    bad: Vec<BadRecord>,
    faults: VecDeque<SourceFault>,
    stamp: u64,
    pulls: u64,
}

impl MemorySource {
    /// An empty practice that answers `page` rows at a time.
    pub fn new(id: SourceId, page: usize) -> Self {
        Self {
            id,
            page: page.max(1),
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a record.
    pub fn put(&self, record: Record) {
        let mut inner = self.lock();
        inner.stamp += 1;
        let stamp = inner.stamp;
        inner.records.insert(
            (record.kind(), record.native().to_owned()),
            (stamp, Some(record)),
        );
    }

    /// Deletes a record without a trace: only a listing shows it.
    pub fn vanish(&self, kind: RecordKind, native: &str) {
        self.lock().records.remove(&(kind, native.to_owned()));
    }

    /// Deletes a record and says so.
    pub fn delete(&self, key: &RecordKey) {
        let mut inner = self.lock();
        inner.stamp += 1;
        let stamp = inner.stamp;
        if let Some(slot) = inner
            .records
            .get_mut(&(key.kind(), key.native().to_owned()))
        {
            *slot = (stamp, None);
        }
    }

    /// Answers with these rows that cannot be read, each pass.
    pub fn set_bad(&self, bad: Vec<BadRecord>) {
        self.lock().bad = bad;
    }

    /// Lists nothing from now on, as a broken filter would.
    pub fn hide(&self, hidden: bool) {
        self.lock().hidden = hidden;
    }

    /// Fails the next pulls, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = SourceFault>) {
        self.lock().faults.extend(faults);
    }
}

/// `listing or changes : bound : rows done`
fn read(cursor: &Cursor) -> Result<(bool, u64, u64, usize)> {
    let parts: Vec<&str> = cursor.as_str().split(':').collect();
    let expired = || Error::new(ErrorKind::CursorExpired, "not a cursor of this source");
    let [kind, from, to, offset] = parts.as_slice() else {
        return Err(expired());
    };
    Ok((
        match *kind {
            "all" => true,
            "some" => false,
            _ => return Err(expired()),
        },
        from.parse().map_err(|_| expired())?,
        to.parse().map_err(|_| expired())?,
        offset.parse().map_err(|_| expired())?,
    ))
}

#[async_trait]
impl PracticeSource for MemorySource {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .with_deletions()
            .with_sweeps()
            .with_incremental()
    }

    async fn probe(&self) -> Result<Probe> {
        Ok(Probe::default())
    }

    async fn pull(&self, req: PullRequest) -> Result<Page> {
        let mut inner = self.lock();
        inner.pulls += 1;
        match inner.faults.pop_front() {
            None => {}
            Some(SourceFault::Down) => {
                return Err(Error::new(ErrorKind::Unavailable, "no connection"));
            }
            Some(SourceFault::SlowDown(after)) => {
                return Err(Error::new(ErrorKind::RateLimited, "slow down").with_after(after));
            }
            Some(SourceFault::BadKey) => {
                return Err(Error::new(ErrorKind::Credentials, "the key is refused"));
            }
            Some(SourceFault::Cut) => {
                return Err(Error::new(ErrorKind::Protocol, "the answer was cut"));
            }
            Some(SourceFault::Forgot) => {
                return Err(Error::new(ErrorKind::CursorExpired, "the cursor is gone"));
            }
        }
        // A cursor at offset 0 stands between two passes: `to` is where the last one ended.
        let (all, from, to, offset) = match &req.cursor {
            None => (true, 0, inner.stamp, 0),
            Some(cursor) => match read(cursor)? {
                (_, _, to, 0) => (req.extent == Extent::Everything, to, inner.stamp, 0),
                under_way => under_way,
            },
        };
        let rows: Vec<_> = inner
            .records
            .iter()
            .filter(|(_, (stamp, record))| {
                *stamp <= to && (*stamp > from || (all && record.is_some() && !inner.hidden))
            })
            .collect();
        let mut changes: Vec<Change> = rows
            .iter()
            .skip(offset)
            .take(self.page)
            .map(|((kind, native), (_, record))| match record {
                Some(record) => Change::Upsert(record.clone()),
                None => Change::Gone(match kind {
                    RecordKind::Patient => RecordKey::Patient(PatientKey::new(native.clone())),
                    RecordKind::Recall => RecordKey::Recall(crate::RecallKey::new(native.clone())),
                    RecordKind::Appointment => {
                        RecordKey::Appointment(crate::AppointmentKey::new(native.clone()))
                    }
                }),
            })
            .collect();
        let done = offset + changes.len();
        let kind = if all { "all" } else { "some" };
        if done < rows.len() {
            let cursor = Cursor::new(format!("{kind}:{from}:{to}:{done}"));
            return Ok(Page {
                changes,
                swept: Vec::new(),
                position: Position::More(cursor),
            });
        }
        changes.extend(inner.bad.iter().cloned().map(Change::Unreadable));
        let swept = if all {
            RecordKind::ALL.map(|kind| Swept { kind }).to_vec()
        } else {
            Vec::new()
        };
        Ok(Page {
            changes,
            swept,
            position: Position::CaughtUp(Cursor::new(format!("{kind}:{from}:{to}:0"))),
        })
    }

    async fn refresh(&self, patient: &PatientKey) -> Result<Vec<Change>> {
        let inner = self.lock();
        Ok(inner
            .records
            .values()
            .filter_map(|(_, record)| record.clone())
            .filter(|record| match record {
                Record::Patient(known) => known.key == *patient,
                Record::Recall(_) | Record::Appointment(_) => record.parent() == patient.native(),
            })
            .map(Change::Upsert)
            .collect())
    }

    fn requests(&self) -> u64 {
        self.lock().pulls
    }
}
